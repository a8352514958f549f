/* The short axis: the longest extent perpendicular to the long one on the same slice. */
#include "slice.h"

#include <math.h>
#include <stdlib.h>

typedef struct edge {
    node a, b;
} edge;

/* An edge in mm along the long axis (t) and across it (s), its lower end along the axis first. */
typedef struct placed_edge {
    double t0, s0, t1, s1;
} placed_edge;

/* Sorted by t0. */
typedef struct edge_list {
    placed_edge *items;
    size_t count;
    double longest; /* largest t1 - t0 */
} edge_list;

typedef struct frame {
    double sx, sy; /* mm per node step */
    double ux, uy; /* unit vector of the long axis */
} frame;

static double along(const frame *f, node n)
{
    return n.x * f->sx * f->ux + n.y * f->sy * f->uy;
}

static double across(const frame *f, node n)
{
    return -n.x * f->sx * f->uy + n.y * f->sy * f->ux;
}

/* ---- contour edges ----------------------------------------------------------------------- */

/* Marching squares in the square of four voxel centres whose first is (x, y); diagonal neighbours
 * are joined, so there the two outside corners are cut off. */
static size_t cell_edges(const plane *p, int x, int y, edge out[2])
{
    bool in[4] = {plane_at(p, x, y), plane_at(p, x + 1, y), plane_at(p, x + 1, y + 1),
                  plane_at(p, x, y + 1)};
    const node side[4] = {{2 * x + 1, 2 * y},
                          {2 * x + 2, 2 * y + 1},
                          {2 * x + 1, 2 * y + 2},
                          {2 * x, 2 * y + 1}}; /* side c runs from corner c to corner c + 1 */
    int inside = in[0] + in[1] + in[2] + in[3];
    size_t n = 0;
    if (inside == 0 || inside == 4) return 0;
    if (inside == 2 && in[0] != in[2]) {
        bool upright = in[0] == in[3]; /* the edge runs from the first to the last row */
        out[0] = (edge){side[upright ? 0 : 1], side[upright ? 2 : 3]};
        return 1;
    }
    for (int c = 0; c < 4; c++)
        if (in[c] == (inside == 1)) out[n++] = (edge){side[(c + 3) % 4], side[c]};
    return n;
}

static placed_edge place_edge(const frame *f, edge e)
{
    placed_edge p = {along(f, e.a), across(f, e.a), along(f, e.b), across(f, e.b)};
    return p.t0 <= p.t1 ? p : (placed_edge){p.t1, p.s1, p.t0, p.s0};
}

static int compare_edges(const void *a, const void *b)
{
    double x = ((const placed_edge *)a)->t0, y = ((const placed_edge *)b)->t0;
    return (x > y) - (x < y);
}

static rp_status contour_edges(const plane *p, const frame *f, size_t nodes, edge_list *list,
                               rp_error *err)
{
    *list = (edge_list){0};
    /* Every contour point ends exactly two edges. */
    list->items = rp_alloc(nodes, sizeof *list->items);
    if (!list->items) return rp_fail(err, RP_ERR_MEMORY, "no memory for the contour of a slice");
    for (int y = 0; y + 1 < p->ny; y++)
        for (int x = 0; x + 1 < p->nx; x++) {
            edge found[2];
            size_t n = cell_edges(p, x, y, found);
            for (size_t i = 0; i < n; i++) {
                placed_edge e = place_edge(f, found[i]);
                list->longest = fmax(list->longest, e.t1 - e.t0);
                list->items[list->count++] = e;
            }
        }
    qsort(list->items, list->count, sizeof *list->items, compare_edges);
    return RP_OK;
}

/* ---- one line across --------------------------------------------------------------------- */

enum { CROSSINGS_PER_EDGE = 2 };
static const double same_mm = 1e-9;

/* First edge that starts at t or beyond. */
static size_t first_edge(const edge_list *edges, double t)
{
    size_t low = 0, high = edges->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (edges->items[middle].t0 < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where the line at t across the axis meets the contour, its corners included. */
static size_t line_crossings(const edge_list *edges, double t, double *crossing)
{
    size_t n = 0, i = first_edge(edges, t - edges->longest - 2 * same_mm);
    for (; i < edges->count && edges->items[i].t0 < t + same_mm; i++) {
        const placed_edge *e = &edges->items[i];
        bool on0 = fabs(e->t0 - t) < same_mm, on1 = fabs(e->t1 - t) < same_mm;
        if (on0) crossing[n++] = e->s0;
        if (on1) crossing[n++] = e->s1;
        if (!on0 && !on1 && e->t1 > t)
            crossing[n++] = e->s0 + (e->s1 - e->s0) * (t - e->t0) / (e->t1 - e->t0);
    }
    return n;
}

static rp_point2 plane_point(const frame *f, double t, double s)
{
    return (rp_point2){0.5 * (t * f->ux - s * f->uy) / f->sx,
                       0.5 * (t * f->uy + s * f->ux) / f->sy};
}

/* Whether a point of the plane lies in the lesion, its contour included. */
static bool point_inside(const plane *p, rp_point2 q)
{
    const double slack = 1e-7;
    int x = (int)floor(q.x), y = (int)floor(q.y), inside = 0;
    if (x < 0 || y < 0 || x + 1 >= p->nx || y + 1 >= p->ny) return false;
    double fx = q.x - x, fy = q.y - y;
    bool in[2][2];
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++) inside += in[j][i] = plane_at(p, x + i, y + j);
    if (inside == 0 || inside == 4) return inside == 4;
    if (inside == 2 && in[0][0] == in[0][1])
        return in[0][0] ? fy <= 0.5 + slack : fy >= 0.5 - slack;
    if (inside == 2 && in[0][0] == in[1][0])
        return in[0][0] ? fx <= 0.5 + slack : fx >= 0.5 - slack;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++) {
            double reach = fabs(fx - i) + fabs(fy - j);
            if (inside == 1 && in[j][i]) return reach <= 0.5 + slack;
            if (inside > 1 && !in[j][i] && reach < 0.5 - slack) return false;
        }
    return true;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct span {
    double t, low, high;
} span;

static void keep_longer(span *best, double t, double low, double high)
{
    if (high - low > best->high - best->low + same_mm) *best = (span){t, low, high};
}

/* The longest run of the line that stays within the lesion. crossing is sorted here. */
static void longest_run(const plane *p, const frame *f, double t, double *crossing, size_t n,
                        span *best)
{
    qsort(crossing, n, sizeof *crossing, compare_doubles);
    double start = crossing[0];
    for (size_t i = 1; i < n; i++) {
        double middle = 0.5 * (crossing[i - 1] + crossing[i]);
        if (crossing[i] - crossing[i - 1] > same_mm && !point_inside(p, plane_point(f, t, middle)))
            start = crossing[i];
        keep_longer(best, t, start, crossing[i]);
    }
}

static void outer_extent(double t, const double *crossing, size_t n, span *best)
{
    double low = crossing[0], high = crossing[0];
    for (size_t i = 1; i < n; i++) {
        low = fmin(low, crossing[i]);
        high = fmax(high, crossing[i]);
    }
    keep_longer(best, t, low, high);
}

rp_status slice_perpendicular(const plane *p, const node_list *nodes, const chord *long_axis,
                              rp_diameter_definition definition, chord *out, rp_error *err)
{
    edge_list edges = {0};
    span best = {0, 0, 0};
    double dx = (long_axis->ends[1].x - long_axis->ends[0].x) * p->sx;
    double dy = (long_axis->ends[1].y - long_axis->ends[0].y) * p->sy;
    double length = hypot(dx, dy);
    frame f = {0.5 * p->sx, 0.5 * p->sy, dx / length, dy / length};
    rp_status status = contour_edges(p, &f, nodes->count, &edges, err);
    if (status != RP_OK) return status;
    double *crossing = rp_alloc(edges.count * CROSSINGS_PER_EDGE, sizeof *crossing);
    if (!crossing) {
        status = rp_fail(err, RP_ERR_MEMORY, "no memory for the short axis of a slice");
        goto done;
    }
    /* Between contour points the extent changes linearly, so its maximum is at one of them. */
    for (size_t i = 0; i < nodes->count; i++) {
        double t = along(&f, nodes->items[i]);
        size_t n = line_crossings(&edges, t, crossing);
        if (definition == RP_DIAMETER_CONVEX)
            outer_extent(t, crossing, n, &best);
        else
            longest_run(p, &f, t, crossing, n, &best);
    }
    out->length_mm = best.high - best.low;
    out->ends[0] = plane_point(&f, best.t, best.low);
    out->ends[1] = plane_point(&f, best.t, best.high);
done:
    rp_free(crossing);
    rp_free(edges.items);
    return status;
}
