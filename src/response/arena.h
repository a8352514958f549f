/*
 * Memory that is given out in small pieces and freed as a whole.
 */
#ifndef REPRISE_RESPONSE_ARENA_H
#define REPRISE_RESPONSE_ARENA_H

#include "reprise/base.h"

typedef struct rp_arena rp_arena;

/* Zeroed, aligned for doubles and pointers; NULL when memory is short. *arena begins as NULL. */
void *arena_take(rp_arena **arena, size_t count, size_t size);
/* NULL counts as "". */
char *arena_copy(rp_arena **arena, const char *text);
char *arena_format(rp_arena **arena, const char *format, ...) RP_PRINTF(2, 3);
/* Room for one more behind count, in steps of powers of two; items may move. */
bool arena_grow(rp_arena **arena, void *items_address, size_t count, size_t size);
void arena_free(rp_arena *arena);

#endif
