/* A table being written; the first error stops it. */
#ifndef REPRISE_TIMELINE_SHEET_H
#define REPRISE_TIMELINE_SHEET_H

#include "reprise/io.h"

typedef struct sheet {
    rp_outfile *out;
    rp_status status;
    rp_error *err;
    bool inside; /* a row has begun */
} sheet;

void sheet_begin(sheet *s, const char *path, const char *const *columns, rp_error *err);
void sheet_words(sheet *s, const char *text); /**< NULL is an empty cell */
void sheet_whole(sheet *s, long value);
void sheet_end_row(sheet *s);
/** Commits, or leaves nothing. */
rp_status sheet_end(sheet *s);

#endif
