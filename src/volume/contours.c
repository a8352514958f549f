/* Outlines of one slice by marching squares, and their even-odd fill. */
#include "reprise/volume.h"

#include <math.h>
#include <string.h>

enum { INSIDE = 1, VISITED = 2 };

/* Crossings never lie on a voxel centre itself, so that outlines stay simple and the fill of an
 * outline gives back exactly the voxels that it was traced from. */
static const double LEAST_STEP = 1e-6;

/* The slice with a border of one outside voxel all round. */
typedef struct tracer {
    uint8_t *cells;
    ptrdiff_t stride;
    const float *field; /* NULL: points midway */
    int nx, ny;
    double level;
} tracer;

/* A crossing of the outline between an inside voxel on the left hand and an outside voxel on the
 * right hand of the direction of travel (hx, hy), as seen with y down. */
typedef struct crossing {
    int x, y; /* of the inside voxel */
    int hx, hy;
} crossing;

static uint8_t *cell(const tracer *t, int x, int y)
{
    return t->cells + (y + 1) * t->stride + x + 1;
}

static bool inside(const tracer *t, int x, int y)
{
    return *cell(t, x, y) & INSIDE;
}

/* Through the square ahead. Diagonal inside neighbours are joined: where both the left and the far
 * right corner are inside, the outline turns right whatever the far left corner is. */
static crossing advance(const tracer *t, crossing at)
{
    int rx = -at.hy, ry = at.hx; /* to the right */
    int x = at.x + at.hx, y = at.y + at.hy;
    if (inside(t, x + rx, y + ry)) return (crossing){x + rx, y + ry, rx, ry};
    if (inside(t, x, y)) return (crossing){x, y, at.hx, at.hy};
    return (crossing){at.x, at.y, -rx, -ry};
}

static rp_point2 locate(const tracer *t, crossing at)
{
    int rx = -at.hy, ry = at.hx;
    int x = at.x + rx, y = at.y + ry;
    double step = 0.5;
    if (t->field && x >= 0 && x < t->nx && y >= 0 && y < t->ny) {
        double in = t->field[(size_t)at.y * (size_t)t->nx + (size_t)at.x];
        double out = t->field[(size_t)y * (size_t)t->nx + (size_t)x];
        step = (in - t->level) / (in - out);
        if (!isfinite(step)) step = 0.5;
        step = fmin(fmax(step, LEAST_STEP), 1 - LEAST_STEP);
    }
    return (rp_point2){at.x + step * rx, at.y + step * ry};
}

static bool same_crossing(crossing a, crossing b)
{
    return a.x == b.x && a.y == b.y && a.hx == b.hx && a.hy == b.hy;
}

static rp_status follow(const tracer *t, crossing start, rp_contour *out, rp_error *err)
{
    size_t count = 0;
    crossing at = start;
    do {
        if (at.hy > 0) *cell(t, at.x, at.y) |= VISITED;
        count++;
        at = advance(t, at);
    } while (!same_crossing(at, start));
    out->points = rp_alloc(count, sizeof *out->points);
    if (!out->points) return rp_fail(err, RP_ERR_MEMORY, "no memory for a contour");
    for (size_t i = 0; i < count; i++, at = advance(t, at)) out->points[i] = locate(t, at);
    out->count = count;
    return RP_OK;
}

static rp_status reserve_one(rp_contours *contours, size_t *room, rp_error *err)
{
    if (contours->count < *room) return RP_OK;
    size_t more = *room ? 2 * *room : 4;
    rp_contour *items = rp_alloc(more, sizeof *items);
    if (!items) return rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
    if (contours->count) memcpy(items, contours->items, contours->count * sizeof *items);
    rp_free(contours->items);
    contours->items = items;
    *room = more;
    return RP_OK;
}

/* Every outline runs down somewhere, with an inside voxel to the right of an outside one. */
static rp_status trace_all(const tracer *t, rp_contours *out, rp_error *err)
{
    size_t room = 0;
    rp_status status = RP_OK;
    for (int y = 0; y < t->ny && !status; y++) {
        for (int x = 0; x < t->nx && !status; x++) {
            if (*cell(t, x, y) != INSIDE || inside(t, x - 1, y)) continue;
            status = reserve_one(out, &room, err);
            if (!status) status = follow(t, (crossing){x, y, 0, 1}, &out->items[out->count], err);
            if (!status) out->count++;
        }
    }
    if (status) rp_contours_release(out);
    return status;
}

static rp_status open_tracer(tracer *t, int nx, int ny, rp_error *err)
{
    *t = (tracer){.stride = (ptrdiff_t)nx + 2, .nx = nx, .ny = ny};
    t->cells = rp_alloc((size_t)nx + 2, (size_t)ny + 2);
    if (!t->cells)
        return rp_fail(err, RP_ERR_MEMORY, "no memory to trace a slice of %d x %d voxels", nx, ny);
    return RP_OK;
}

rp_status rp_contours_trace(const rp_mask *mask, int z, rp_contours *out, rp_error *err)
{
    *out = (rp_contours){0};
    const int *size = mask->grid.size;
    if (z < 0 || z >= size[2])
        return rp_fail(err, RP_ERR_ARGUMENT, "slice %d of a mask with %d slices", z, size[2]);
    tracer t;
    rp_status status = open_tracer(&t, size[0], size[1], err);
    if (status) return status;
    const uint8_t *row = mask->data + rp_grid_index(&mask->grid, 0, 0, z);
    for (int y = 0; y < t.ny; y++, row += t.nx)
        for (int x = 0; x < t.nx; x++) *cell(&t, x, y) = row[x] ? INSIDE : 0;
    status = trace_all(&t, out, err);
    rp_free(t.cells);
    return status;
}

rp_status rp_contours_trace_field(const float *field, int nx, int ny, float level, rp_contours *out,
                                  rp_error *err)
{
    *out = (rp_contours){0};
    if (nx < 1 || ny < 1) return rp_fail(err, RP_ERR_ARGUMENT, "a slice of %d x %d voxels", nx, ny);
    tracer t;
    rp_status status = open_tracer(&t, nx, ny, err);
    if (status) return status;
    t.field = field;
    t.level = level;
    for (int y = 0; y < ny; y++, field += nx)
        for (int x = 0; x < nx; x++) *cell(&t, x, y) = field[x] >= level ? INSIDE : 0;
    status = trace_all(&t, out, err);
    rp_free(t.cells);
    return status;
}

void rp_contours_release(rp_contours *contours)
{
    if (!contours) return;
    for (size_t i = 0; i < contours->count; i++) rp_free(contours->items[i].points);
    rp_free(contours->items);
    *contours = (rp_contours){0};
}

double rp_contour_signed_area(const rp_contour *contour)
{
    if (contour->count < 3) return 0;
    rp_point2 base = contour->points[0]; /* relative to a point: no cancellation far away */
    double twice = 0;
    for (size_t i = 1; i + 1 < contour->count; i++) {
        rp_point2 a = contour->points[i], b = contour->points[i + 1];
        twice += (b.x - base.x) * (a.y - base.y) - (a.x - base.x) * (b.y - base.y);
    }
    return twice / 2;
}

/* ---- fill -------------------------------------------------------------------------------- */

/* Marks, in the voxels themselves, where the parity along x changes; no mask value has this bit. */
enum { PARITY = 0x80 };

typedef struct slice_view {
    uint8_t *data;
    int nx, ny, first_row, last_row;
} slice_view;

static bool finite_contour(const rp_contour *contour)
{
    for (size_t i = 0; i < contour->count; i++)
        if (!isfinite(contour->points[i].x) || !isfinite(contour->points[i].y)) return false;
    return true;
}

/* Rows with low.y <= y < high.y, voxels with x >= the crossing: half open on both axes, so that
 * polygons with a common edge share no voxel and leave none out. */
static void mark_edge(slice_view *view, rp_point2 a, rp_point2 b)
{
    rp_point2 low = a.y < b.y ? a : b, high = a.y < b.y ? b : a;
    if (low.y == high.y || !(low.y <= view->ny - 1) || !(high.y > 0)) return;
    int first = low.y > 0 ? (int)ceil(low.y) : 0;
    int last = high.y > view->ny - 1 ? view->ny - 1 : (int)ceil(high.y) - 1;
    double slope = (high.x - low.x) / (high.y - low.y);
    for (int y = first; y <= last; y++) {
        double x = ceil(low.x + (y - low.y) * slope);
        if (!(x < view->nx)) continue;
        size_t column = x > 0 ? (size_t)x : 0;
        view->data[(size_t)y * (size_t)view->nx + column] ^= PARITY;
    }
    if (first < view->first_row) view->first_row = first;
    if (last > view->last_row) view->last_row = last;
}

static void settle_row(uint8_t *row, int nx)
{
    bool odd = false;
    for (int x = 0; x < nx; x++) {
        odd ^= (row[x] & PARITY) != 0;
        row[x] = ((row[x] & ~PARITY) != 0) ^ odd;
    }
}

void rp_contours_fill(const rp_contours *contours, rp_mask *mask, int z)
{
    const int *size = mask->grid.size;
    if (z < 0 || z >= size[2]) return;
    slice_view view = {.data = mask->data + rp_grid_index(&mask->grid, 0, 0, z),
                       .nx = size[0],
                       .ny = size[1],
                       .first_row = size[1],
                       .last_row = -1};
    for (size_t c = 0; c < contours->count; c++) {
        const rp_contour *contour = &contours->items[c];
        if (contour->count < 3 || !finite_contour(contour)) continue;
        for (size_t i = 0; i < contour->count; i++)
            mark_edge(&view, contour->points[i], contour->points[(i + 1) % contour->count]);
    }
    for (int y = view.first_row; y <= view.last_row; y++)
        settle_row(view.data + (size_t)y * (size_t)view.nx, view.nx);
}
