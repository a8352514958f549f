#include "plan.h"

#include <limits.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

int memory_plan_add(memory_plan *plan, const char *name, int level, const size_t elements[],
                    int parts, size_t size)
{
    plan_block *b = &plan->blocks[plan->count];
    *b = (plan_block){.name = name, .level = level, .part_count = parts};
    for (int i = 0; i < parts; i++) {
        plan_part *p = &b->parts[i];
        if (__builtin_mul_overflow(elements[i], size, &p->bytes) || p->bytes > (size_t)1 << 48)
            plan->overflow = true;
        p->offset = b->bytes;
        p->first = INT_MAX;
        p->last = -1;
        b->bytes += p->bytes;
    }
    return plan->count++;
}

void memory_plan_touch(memory_plan *plan, int block, size_t offset, size_t bytes, int step)
{
    plan_block *b = &plan->blocks[block];
    for (int i = 0; i < b->part_count; i++) {
        plan_part *p = &b->parts[i];
        if (offset >= p->offset + p->bytes || p->offset >= offset + bytes) continue;
        if (step < p->first) p->first = step;
        if (step > p->last) p->last = step;
    }
}

static bool live_together(const plan_part *a, const plan_part *b)
{
    return a->bytes && b->bytes && a->first <= b->last && b->first <= a->last;
}

static bool collide(const plan_block *a, size_t place, const plan_block *b)
{
    for (int i = 0; i < a->part_count; i++)
        for (int j = 0; j < b->part_count; j++) {
            const plan_part *p = &a->parts[i], *q = &b->parts[j];
            size_t start = place + p->offset, other = b->place + q->offset;
            if (live_together(p, q) && start < other + q->bytes && other < start + p->bytes)
                return true;
        }
    return false;
}

static bool fits(const memory_plan *plan, const bool placed[], const plan_block *b, size_t place)
{
    for (int i = 0; i < plan->count; i++)
        if (placed[i] && collide(b, place, &plan->blocks[i])) return false;
    return true;
}

/* The lowest place is 0, or one where a part comes to lie directly behind another's. */
static size_t lowest_place(const memory_plan *plan, const bool placed[], const plan_block *b)
{
    if (fits(plan, placed, b, 0)) return 0;
    size_t best = SIZE_MAX;
    for (int i = 0; i < plan->count; i++)
        for (int j = 0; placed[i] && j < plan->blocks[i].part_count; j++)
            for (int k = 0; k < b->part_count; k++) {
                const plan_block *other = &plan->blocks[i];
                size_t end = other->place + other->parts[j].offset + other->parts[j].bytes;
                if (end < b->parts[k].offset) continue;
                size_t place = aligned(end - b->parts[k].offset);
                if (place < best && fits(plan, placed, b, place)) best = place;
            }
    return best;
}

void memory_plan_solve(memory_plan *plan)
{
    bool placed[PLAN_BLOCKS] = {false};
    plan->bytes = 0;
    for (int n = 0; n < plan->count; n++) {
        int largest = -1;
        for (int i = 0; i < plan->count; i++)
            if (!placed[i] && (largest < 0 || plan->blocks[i].bytes > plan->blocks[largest].bytes))
                largest = i;
        plan_block *b = &plan->blocks[largest];
        b->place = lowest_place(plan, placed, b);
        placed[largest] = true;
        if (b->place + b->bytes > plan->bytes) plan->bytes = aligned(b->place + b->bytes);
    }
}
