/* The nearest surface element: a tree of tight boxes, each cut in the middle of its longest side.
 * Cells are whole numbers, so boxes halve and the tree stays shallow on any surface. */
#include "surface.h"

#include <math.h>

enum { LEAF = 8 };

typedef struct surface_box {
    int32_t low[3], high[3]; /* inclusive */
    size_t begin, end;       /* of the items */
    size_t second;           /* the other half; the first one follows the box. 0: not cut */
} surface_box;

static surface_box tight_box(const surface *s, size_t begin, size_t end)
{
    surface_box box = {.begin = begin, .end = end};
    for (int a = 0; a < 3; a++) box.low[a] = box.high[a] = s->items[begin].cell[a];
    for (size_t i = begin + 1; i < end; i++)
        for (int a = 0; a < 3; a++) {
            const int32_t at = s->items[i].cell[a];
            if (at < box.low[a]) box.low[a] = at;
            if (at > box.high[a]) box.high[a] = at;
        }
    return box;
}

static int longest_side(const surface *s, const surface_box *box)
{
    int longest = 0;
    double length = -1.0;
    for (int a = 0; a < 3; a++) {
        if (box->high[a] == box->low[a]) continue;
        const double mm = (box->high[a] - box->low[a]) * s->spacing[a];
        if (mm <= length) continue;
        length = mm;
        longest = a;
    }
    return longest;
}

/* Items up to the middle of the side come first; neither part is empty, as the box is tight. */
static size_t partition(surface *s, const surface_box *box, int axis)
{
    const int32_t middle = box->low[axis] + (box->high[axis] - box->low[axis]) / 2;
    size_t first = box->begin, last = box->end;
    while (first < last) {
        if (s->items[first].cell[axis] <= middle) {
            first++;
            continue;
        }
        const surface_element moved = s->items[first];
        s->items[first] = s->items[--last];
        s->items[last] = moved;
    }
    return first;
}

static rp_status build(surface *s, size_t begin, size_t end, rp_error *err)
{
    rp_status status =
        surface_grow((void **)&s->boxes, s->box_count, &s->box_room, sizeof *s->boxes, err);
    if (status) return status;
    const size_t self = s->box_count++;
    const surface_box box = s->boxes[self] = tight_box(s, begin, end);
    if (end - begin <= LEAF) return RP_OK;
    const size_t cut = partition(s, &box, longest_side(s, &box));
    status = build(s, begin, cut, err);
    if (status) return status;
    s->boxes[self].second = s->box_count;
    return build(s, cut, end, err);
}

rp_status surface_index(surface *s, rp_error *err)
{
    s->box_count = 0;
    return s->count ? build(s, 0, s->count, err) : RP_OK;
}

/* Rounding keeps order: no item of the box computes to less than this. */
static double to_box(const surface *s, const surface_box *box, const int32_t cell[3])
{
    double sum = 0.0;
    for (int a = 0; a < 3; a++) {
        int32_t steps = 0;
        if (cell[a] < box->low[a]) steps = box->low[a] - cell[a];
        if (cell[a] > box->high[a]) steps = cell[a] - box->high[a];
        const double mm = steps * s->spacing[a];
        sum += mm * mm;
    }
    return sum;
}

static double to_item(const surface *s, const surface_element *item, const int32_t cell[3])
{
    double sum = 0.0;
    for (int a = 0; a < 3; a++) {
        const double mm = (cell[a] - item->cell[a]) * s->spacing[a];
        sum += mm * mm;
    }
    return sum;
}

/* The smaller of best and the squared distance to the nearest item of the box. */
static double search(const surface *s, size_t at, const int32_t cell[3], double best)
{
    const surface_box *box = &s->boxes[at];
    if (!box->second) {
        for (size_t i = box->begin; i < box->end; i++) {
            const double squared = to_item(s, &s->items[i], cell);
            if (squared < best) best = squared;
        }
        return best;
    }
    size_t near = at + 1, far = box->second;
    double near_squared = to_box(s, &s->boxes[near], cell);
    double far_squared = to_box(s, &s->boxes[far], cell);
    if (far_squared < near_squared) {
        const size_t swapped = near;
        const double squared = near_squared;
        near = far;
        near_squared = far_squared;
        far = swapped;
        far_squared = squared;
    }
    if (near_squared < best) best = search(s, near, cell, best);
    if (far_squared < best) best = search(s, far, cell, best);
    return best;
}

double surface_distance_mm(const surface *s, const int32_t cell[3])
{
    return sqrt(search(s, 0, cell, INFINITY));
}
