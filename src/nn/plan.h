/* Laying out memory by lifetime: what is not needed at the same step may share its place. */
#ifndef REPRISE_NN_PLAN_H
#define REPRISE_NN_PLAN_H

#include "reprise/base.h"

enum { PLAN_PARTS = 3, PLAN_BLOCKS = 80 };

/* Bytes of a block with one lifetime; first > last while no step has touched it. */
typedef struct plan_part {
    size_t offset, bytes; /* within the block */
    int first, last;      /* steps, both included */
} plan_part;

/* Contiguous memory whose parts live at different times. */
typedef struct plan_block {
    const char *name;
    int level;
    int part_count;
    plan_part parts[PLAN_PARTS];
    size_t bytes;
    size_t place; /* byte offset, after memory_plan_solve */
} plan_block;

typedef struct memory_plan {
    int count;
    plan_block blocks[PLAN_BLOCKS];
    size_t bytes; /* of all, after memory_plan_solve */
    bool overflow;
} memory_plan;

/* A new block with parts of so many elements of `size` bytes; returns its index. */
int memory_plan_add(memory_plan *plan, const char *name, int level, const size_t elements[],
                    int parts, size_t size);
/* The step uses the bytes from `offset` on: the parts that they overlap live then. */
void memory_plan_touch(memory_plan *plan, int block, size_t offset, size_t bytes, int step);
/* Gives every block a place so that no two parts that live at one step overlap: the largest first,
 * each as low as it fits (Pisarchyk and Lee 2020, greedy by size). */
void memory_plan_solve(memory_plan *plan);

#endif
