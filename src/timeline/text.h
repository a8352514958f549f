/*
 * Text that grows.
 */
#ifndef REPRISE_TIMELINE_TEXT_H
#define REPRISE_TIMELINE_TEXT_H

#include "reprise/base.h"

typedef struct text {
    char *data; /* rp_alloc'd, ends in a zero */
    size_t length, room;
    bool failed; /* memory ran out */
} text;

void text_add(text *t, const char *format, ...) RP_PRINTF(2, 3);
/* At the left or right end of so many columns; longer words stay whole. UTF-8 counts by letters. */
void text_left(text *t, const char *word, size_t columns);
void text_right(text *t, const char *word, size_t columns);
size_t text_width(const char *word);

#endif
