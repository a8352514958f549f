/* What the files of this module share. */
#ifndef REPRISE_TIMELINE_INTERNAL_H
#define REPRISE_TIMELINE_INTERNAL_H

#include "reprise/timeline.h"

/** False where no role, no state has that word. */
bool find_role(const char *word, rp_lesion_role *role);
bool find_state(const char *word, rp_finding_state *state);

/** A patient more, with an empty timeline; *made points to it until the next call. */
rp_status add_patient(rp_timelines *out, const char *patient, const char *label, rp_timeline **made,
                      rp_error *err);

rp_status read_json(const char *path, const char *text, rp_timelines *out,
                    rp_timeline_problems *problems, rp_error *err);
rp_status read_csv(const char *path, const uint8_t *text, size_t size, rp_timelines *out,
                   rp_timeline_problems *problems, rp_error *err);

/** A table being written; the first error stops it. */
typedef struct sheet {
    rp_outfile *out;
    rp_status status;
    rp_error *err;
    bool inside; /* a row has begun */
} sheet;

void sheet_begin(sheet *s, const char *path, const char *const *columns, rp_error *err);
void sheet_words(sheet *s, const char *text); /**< NULL is an empty cell */
void sheet_number(sheet *s, double value);    /**< empty where it is not finite */
void sheet_whole(sheet *s, long value);
void sheet_end_row(sheet *s);
/** Commits, or leaves nothing. */
rp_status sheet_end(sheet *s);

#endif
