/* Where the surface of a mask lies and how large it is: METHOD's surface elements. */
#include "surface.h"

#include <math.h>
#include <string.h>

/* ---- area of a cell ---------------------------------------------------------------------- */

enum { EDGES = 12 };

/* Lines on the sides of a cell join points in the middle of its edges. Each side has two points, or
 * four, or none, and each edge two sides: the lines close. */
typedef struct outline {
    int next[EDGES][2], ends[EDGES];
} outline;

/* Of the edge between two corners that differ in one bit. */
static int edge_index(int a, int b)
{
    const int axis = (a ^ b) >> 1, low = a & b;
    return 4 * axis + (low >> ((axis + 1) % 3) & 1) + 2 * (low >> ((axis + 2) % 3) & 1);
}

static void edge_middle(int edge, const double spacing[3], double point[3])
{
    const int axis = edge / 4, u = (axis + 1) % 3, v = (axis + 2) % 3;
    point[axis] = 0.5 * spacing[axis];
    point[u] = (edge & 1) ? spacing[u] : 0.0;
    point[v] = (edge & 2) ? spacing[v] : 0.0;
}

static void join(outline *o, int a, int b)
{
    o->next[a][o->ends[a]++] = b;
    o->next[b][o->ends[b]++] = a;
}

/* Each run of outside corners round the side is cut off by a line, so diagonal inside is joined. */
static void outline_side(int pattern, int axis, int side, outline *o)
{
    const int base = side << axis, u = 1 << (axis + 1) % 3, v = 1 << (axis + 2) % 3;
    const int corner[4] = {base, base | u, base | u | v, base | v};
    for (int i = 0; i < 4; i++) {
        int before = corner[(i + 3) % 4], last = i;
        if ((pattern >> corner[i] & 1) || !(pattern >> before & 1)) continue;
        while (!(pattern >> corner[(last + 1) % 4] & 1)) last = (last + 1) % 4;
        join(o, edge_index(before, corner[i]), edge_index(corner[last], corner[(last + 1) % 4]));
    }
}

/* Twice the triangle (middle, a, b). */
static double twice_area(const double middle[3], const double a[3], const double b[3])
{
    double p[3], q[3];
    for (int i = 0; i < 3; i++) {
        p[i] = a[i] - middle[i];
        q[i] = b[i] - middle[i];
    }
    const double x = p[1] * q[2] - p[2] * q[1], y = p[2] * q[0] - p[0] * q[2];
    const double z = p[0] * q[1] - p[1] * q[0];
    return sqrt(x * x + y * y + z * z);
}

/* Walks the closed line from an edge, forgetting it on the way. */
static double loop_area(outline *o, int edge, const double spacing[3])
{
    double points[EDGES][3], middle[3] = {0, 0, 0}, twice = 0.0;
    int count = 0;
    while (o->ends[edge]) {
        o->ends[edge] = 0;
        edge_middle(edge, spacing, points[count++]);
        edge = o->next[edge][o->ends[o->next[edge][0]] ? 0 : 1];
    }
    for (int i = 0; i < count; i++)
        for (int a = 0; a < 3; a++) middle[a] += points[i][a] / count;
    for (int i = 0; i < count; i++) twice += twice_area(middle, points[i], points[(i + 1) % count]);
    return 0.5 * twice;
}

void surface_pattern_areas(const double spacing[3], double area_mm2[256])
{
    for (int pattern = 0; pattern < 256; pattern++) {
        outline o = {0};
        for (int axis = 0; axis < 3; axis++)
            for (int side = 0; side < 2; side++) outline_side(pattern, axis, side, &o);
        area_mm2[pattern] = 0.0;
        for (int edge = 0; edge < EDGES; edge++)
            if (o.ends[edge]) area_mm2[pattern] += loop_area(&o, edge, spacing);
    }
}

/* ---- cells of a mask --------------------------------------------------------------------- */

rp_status surface_grow(void **items, size_t count, size_t *room, size_t size, rp_error *err)
{
    if (count < *room) return RP_OK;
    const size_t larger = *room ? 2 * *room : 1024;
    void *moved = rp_alloc(larger, size);
    if (!moved) return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu surface elements", larger);
    if (count) memcpy(moved, *items, count * size);
    rp_free(*items);
    *items = moved;
    *room = larger;
    return RP_OK;
}

/* The four rows of voxels that a row of cells lies between; NULL where they hold nothing. */
typedef struct cell_row {
    const uint8_t *voxels[4]; /* 1 for +y, 2 for +z */
    int low, high;            /* of x, inclusive */
    int32_t y, z;
} cell_row;

static void find_rows(const rp_mask *mask, const int low[3], const int high[3], cell_row *row)
{
    for (int i = 0; i < 4; i++) {
        const int y = row->y + (i & 1), z = row->z + (i >> 1);
        const bool any = y >= low[1] && y <= high[1] && z >= low[2] && z <= high[2];
        row->voxels[i] = any ? mask->data + rp_grid_index(&mask->grid, 0, y, z) : NULL;
    }
    row->low = low[0];
    row->high = high[0];
}

/* Bits 1, 4, 16 and 64 of the pattern for the voxels at x. */
static unsigned column(const cell_row *row, int x)
{
    unsigned bits = 0;
    if (x < row->low || x > row->high) return 0;
    for (unsigned i = 0; i < 4; i++)
        if (row->voxels[i] && row->voxels[i][x]) bits |= 1U << (2 * i);
    return bits;
}

static rp_status collect_row(const cell_row *row, const double area_mm2[256], surface *s,
                             rp_error *err)
{
    unsigned left = 0;
    for (int x = row->low - 1; x <= row->high; x++) {
        const unsigned right = column(row, x + 1), pattern = left | right << 1;
        left = right;
        if (pattern == 0 || pattern == 255) continue;
        rp_status status =
            surface_grow((void **)&s->items, s->count, &s->room, sizeof *s->items, err);
        if (status) return status;
        s->items[s->count++] = (surface_element){{x, row->y, row->z}, area_mm2[pattern]};
    }
    return RP_OK;
}

rp_status surface_collect(const rp_mask *mask, surface *s, rp_error *err)
{
    double area_mm2[256];
    int low[3], high[3];
    *s = (surface){0};
    memcpy(s->spacing, mask->grid.spacing, sizeof s->spacing);
    if (!rp_mask_bounds(mask, low, high)) return RP_OK;
    surface_pattern_areas(s->spacing, area_mm2);
    for (int z = low[2] - 1; z <= high[2]; z++)
        for (int y = low[1] - 1; y <= high[1]; y++) {
            cell_row row = {.y = y, .z = z};
            find_rows(mask, low, high, &row);
            rp_status status = collect_row(&row, area_mm2, s, err);
            if (status) return status;
        }
    return RP_OK;
}

void surface_release(surface *s)
{
    rp_free(s->items);
    rp_free(s->boxes);
    *s = (surface){0};
}
