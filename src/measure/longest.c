/* The longest axis of one slice, by either definition. */
#include "slice.h"

#include <math.h>

static void append_row_nodes(const plane *p, int y, node_list *list)
{
    for (int x = 0; x + 1 < p->nx; x++)
        if (plane_at(p, x, y) != plane_at(p, x + 1, y))
            list->items[list->count++] = (node){2 * x + 1, 2 * y};
    for (int x = 0; y + 1 < p->ny && x < p->nx; x++)
        if (plane_at(p, x, y) != plane_at(p, x, y + 1))
            list->items[list->count++] = (node){2 * x, 2 * y + 1};
}

static size_t count_nodes(const plane *p)
{
    size_t count = 0;
    for (int y = 0; y < p->ny; y++)
        for (int x = 0; x < p->nx; x++) {
            bool here = plane_at(p, x, y);
            count += x + 1 < p->nx && here != plane_at(p, x + 1, y);
            count += y + 1 < p->ny && here != plane_at(p, x, y + 1);
        }
    return count;
}

rp_status slice_contour_nodes(const plane *p, node_list *list, rp_error *err)
{
    *list = (node_list){0};
    list->items = rp_alloc(count_nodes(p), sizeof *list->items);
    if (!list->items) return rp_fail(err, RP_ERR_MEMORY, "no memory for the contour of a slice");
    for (int y = 0; y < p->ny; y++) append_row_nodes(p, y, list);
    return RP_OK;
}

/* ---- convex ------------------------------------------------------------------------------ */

/* Twice the signed area of o, a, b with y as the first axis, the order in which nodes are sorted.
 */
static int64_t turn(node o, node a, node b)
{
    return (int64_t)(a.y - o.y) * (b.x - o.x) - (int64_t)(a.x - o.x) * (b.y - o.y);
}

/* Andrew's monotone chain; collinear points are dropped. hull has room for count + 1. */
static size_t build_hull(const node_list *nodes, node *hull)
{
    size_t n = 0, lower;
    for (size_t i = 0; i < nodes->count; i++) {
        while (n >= 2 && turn(hull[n - 2], hull[n - 1], nodes->items[i]) <= 0) n--;
        hull[n++] = nodes->items[i];
    }
    lower = n + 1;
    for (size_t i = nodes->count - 1; i-- > 0;) {
        while (n >= lower && turn(hull[n - 2], hull[n - 1], nodes->items[i]) <= 0) n--;
        hull[n++] = nodes->items[i];
    }
    return n - 1;
}

static double squared_mm(const plane *p, node a, node b)
{
    double dx = (a.x - b.x) * 0.5 * p->sx, dy = (a.y - b.y) * 0.5 * p->sy;
    return dx * dx + dy * dy;
}

/* The first of equal pairs wins, whatever the last bit of its length. */
static bool clearly_longer(double squared, double best)
{
    return squared > best * (1 + 1e-12);
}

static void consider(const plane *p, node a, node b, double *best, node ends[2])
{
    double squared = squared_mm(p, a, b);
    if (!clearly_longer(squared, *best)) return;
    *best = squared;
    ends[0] = a;
    ends[1] = b;
}

static chord chord_of(double squared, const node ends[2])
{
    return (chord){sqrt(squared),
                   {{ends[0].x * 0.5, ends[0].y * 0.5}, {ends[1].x * 0.5, ends[1].y * 0.5}}};
}

/* Antipodal pairs stay antipodal under the stretch from voxels to mm, so the calipers turn in exact
 * integers and only the lengths are in mm. */
static chord turn_calipers(const plane *p, const node *hull, size_t n)
{
    double best = 0;
    node ends[2] = {{0, 0}, {0, 0}};
    size_t j = 1;
    for (size_t i = 0; i < n; i++) {
        size_t next = (i + 1) % n;
        while (turn(hull[i], hull[next], hull[(j + 1) % n]) > turn(hull[i], hull[next], hull[j]))
            j = (j + 1) % n;
        consider(p, hull[i], hull[j], &best, ends);
        consider(p, hull[next], hull[j], &best, ends);
        if (turn(hull[i], hull[next], hull[(j + 1) % n]) == turn(hull[i], hull[next], hull[j])) {
            consider(p, hull[i], hull[(j + 1) % n], &best, ends);
            consider(p, hull[next], hull[(j + 1) % n], &best, ends);
        }
    }
    return chord_of(best, ends);
}

rp_status slice_longest_convex(const plane *p, const node_list *nodes, chord *out, rp_error *err)
{
    *out = (chord){0};
    if (nodes->count == 0) return RP_OK;
    node *hull = rp_alloc(nodes->count + 1, sizeof *hull);
    if (!hull) return rp_fail(err, RP_ERR_MEMORY, "no memory for the hull of a slice");
    *out = turn_calipers(p, hull, build_hull(nodes, hull));
    rp_free(hull);
    return RP_OK;
}

/* ---- inside ------------------------------------------------------------------------------ */

/* A segment seen along one axis: u runs from u0 to u0 + du (> 0), v from v0; strides step one voxel
 * along u and v in the plane. */
typedef struct sweep {
    const uint8_t *in;
    size_t stride_u, stride_v;
    int64_t u0, v0, du, dv;
} sweep;

static sweep make_sweep(const plane *p, node a, node b, bool along_x)
{
    int64_t au = along_x ? a.x : a.y, av = along_x ? a.y : a.x;
    int64_t bu = along_x ? b.x : b.y, bv = along_x ? b.y : b.x;
    size_t row = (size_t)p->nx;
    sweep s = {.in = p->in, .stride_u = along_x ? 1 : row, .stride_v = along_x ? row : 1};
    bool forward = bu > au;
    s.u0 = forward ? au : bu;
    s.v0 = forward ? av : bv;
    s.du = forward ? bu - au : au - bu;
    s.dv = forward ? bv - av : av - bv;
    return s;
}

/*
 * Between four voxel centres the lesion is convex (a corner, half, a cut square or all of it), so a
 * segment stays within the lesion exactly if its crossings with the lines through voxel centres do.
 * On such a line the lesion reaches from a voxel inside to midway to a neighbour outside.
 */
static bool crossing_inside(const sweep *s, int64_t u)
{
    int64_t t = s->v0 * s->du + s->dv * (u - s->u0); /* v of the crossing, times du */
    int64_t row = t / (2 * s->du), rest = t % (2 * s->du);
    const uint8_t *at = s->in + (size_t)(u / 2) * s->stride_u + (size_t)row * s->stride_v;
    if (rest < s->du) return at[0] != 0;
    if (rest > s->du) return at[s->stride_v] != 0;
    return at[0] != 0 || at[s->stride_v] != 0;
}

static bool crossings_inside(const sweep *s, int64_t step)
{
    for (int64_t u = s->u0 + step - (s->u0 & 1); u < s->u0 + s->du; u += step)
        if (!crossing_inside(s, u)) return false;
    return true;
}

static bool visible(const plane *p, node a, node b)
{
    sweep x = make_sweep(p, a, b, true), y = make_sweep(p, a, b, false);
    /* A coarse look first: nearly every pair that fails does so there. */
    return crossings_inside(&x, 16) && crossings_inside(&y, 16) && crossings_inside(&x, 2) &&
           crossings_inside(&y, 2);
}

static void search_pairs(const plane *p, const node_list *nodes, size_t step, double *best,
                         node ends[2])
{
    for (size_t i = 0; i < nodes->count; i += step)
        for (size_t j = i + step; j < nodes->count; j += step) {
            node a = nodes->items[i], b = nodes->items[j];
            double squared = squared_mm(p, a, b);
            if (!clearly_longer(squared, *best) || !visible(p, a, b)) continue;
            *best = squared;
            ends[0] = a;
            ends[1] = b;
        }
}

bool slice_longest_inside(const plane *p, const node_list *nodes, chord *out)
{
    double floor_mm2 = out->length_mm * out->length_mm, best = floor_mm2;
    node ends[2] = {{0, 0}, {0, 0}};
    /* Every eighth point gives a bound that spares the full search most of its visibility tests. */
    search_pairs(p, nodes, 8, &best, ends);
    search_pairs(p, nodes, 1, &best, ends);
    if (best <= floor_mm2) return false;
    *out = chord_of(best, ends);
    return true;
}
