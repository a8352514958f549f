#include "keyhole.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A hole and the point on its right side from which its channel starts. */
typedef struct hole {
    const rp_contour *contour;
    rp_point2 start;
    size_t edge; /* from points[edge] to the next; start lies on it */
} hole;

static const double no_crossing = -HUGE_VAL;

/* Where the edge meets the horizontal line at y, half open; no_crossing if it does not. */
static double edge_crossing(const rp_contour *c, size_t edge, double y)
{
    rp_point2 a = c->points[edge], b = c->points[(edge + 1) % c->count];
    if ((a.y <= y) == (b.y <= y)) return no_crossing;
    return a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y);
}

/* The line a quarter voxel below the row of the rightmost point: between rows of voxel centres,
 * and, as outlines pass through that row, certain to cross the hole. */
static hole hole_start(const rp_contour *contour)
{
    hole found = {.contour = contour, .start = {no_crossing, 0}};
    size_t rightmost = 0;
    for (size_t i = 1; i < contour->count; i++)
        if (contour->points[i].x > contour->points[rightmost].x) rightmost = i;
    found.start.y = contour->points[rightmost].y + 0.25;
    for (size_t i = 0; i < contour->count; i++) {
        double x = edge_crossing(contour, i, found.start.y);
        if (x <= found.start.x) continue;
        found.start.x = x;
        found.edge = i;
    }
    return found;
}

/* Rightmost first: what a hole's channel meets to its right is joined already. */
static int compare_holes(const void *a, const void *b)
{
    const hole *one = a, *other = b;
    if (one->start.x != other->start.x) return one->start.x > other->start.x ? -1 : 1;
    return (one->contour > other->contour) - (one->contour < other->contour);
}

/* The first edge right of the hole's start. */
static bool first_hit(const rp_contours *joined, const hole *h, size_t *polygon, size_t *edge,
                      double *x)
{
    *x = HUGE_VAL;
    for (size_t p = 0; p < joined->count; p++) {
        for (size_t i = 0; i < joined->items[p].count; i++) {
            double at = edge_crossing(&joined->items[p], i, h->start.y);
            if (at <= h->start.x || at >= *x) continue;
            *x = at;
            *polygon = p;
            *edge = i;
        }
    }
    return isfinite(*x);
}

/* outline[0..edge], P, Q, the hole from behind Q round to Q, P, the rest of the outline. */
static rp_status join_hole(rp_contour *outline, size_t edge, rp_point2 p, const hole *h,
                           rp_error *err)
{
    const rp_contour *inner = h->contour;
    size_t count = outline->count + inner->count + 4, n = edge + 1;
    rp_point2 *points = rp_alloc(count, sizeof *points);
    if (!points) return rp_fail(err, RP_ERR_MEMORY, "no memory for a contour");
    memcpy(points, outline->points, n * sizeof *points);
    points[n++] = p;
    points[n++] = h->start;
    for (size_t i = 0; i < inner->count; i++)
        points[n++] = inner->points[(h->edge + 1 + i) % inner->count];
    points[n++] = h->start;
    points[n++] = p;
    memcpy(points + n, outline->points + edge + 1, (outline->count - edge - 1) * sizeof *points);
    rp_free(outline->points);
    outline->points = points;
    outline->count = count;
    return RP_OK;
}

/* True if b lies on the way from a to c. The turning points of a channel stay. */
static bool on_straight_run(rp_point2 a, rp_point2 b, rp_point2 c)
{
    double ux = b.x - a.x, uy = b.y - a.y, vx = c.x - b.x, vy = c.y - b.y;
    return ux * vy - uy * vx == 0 && ux * vx + uy * vy > 0;
}

static void drop_straight_runs(rp_contour *contour)
{
    rp_point2 *p = contour->points;
    rp_point2 first = p[0];
    size_t kept = 0;
    for (size_t i = 0; i < contour->count; i++) {
        rp_point2 before = kept ? p[kept - 1] : p[contour->count - 1];
        rp_point2 after = i + 1 < contour->count ? p[i + 1] : first;
        if (!on_straight_run(before, p[i], after)) p[kept++] = p[i];
    }
    contour->count = kept;
}

static rp_status copy_outlines(const rp_contours *traced, rp_contours *joined, hole *holes,
                               size_t *hole_count, rp_error *err)
{
    for (size_t i = 0; i < traced->count; i++) {
        const rp_contour *from = &traced->items[i];
        if (rp_contour_signed_area(from) < 0) {
            holes[(*hole_count)++] = hole_start(from);
            continue;
        }
        rp_contour *to = &joined->items[joined->count];
        to->points = rp_alloc(from->count, sizeof *to->points);
        if (!to->points) return rp_fail(err, RP_ERR_MEMORY, "no memory for a contour");
        memcpy(to->points, from->points, from->count * sizeof *to->points);
        to->count = from->count;
        joined->count++;
    }
    return RP_OK;
}

rp_status keyhole_join(const rp_contours *traced, rp_contours *joined, rp_error *err)
{
    rp_status status = RP_OK;
    size_t hole_count = 0, polygon = 0, edge = 0;
    double x;
    hole *holes = rp_alloc(traced->count, sizeof *holes);
    *joined = (rp_contours){.items = rp_alloc(traced->count, sizeof *joined->items)};
    if (!holes || !joined->items) status = rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
    if (!status) status = copy_outlines(traced, joined, holes, &hole_count, err);
    if (!status && hole_count) qsort(holes, hole_count, sizeof *holes, compare_holes);
    for (size_t i = 0; !status && i < hole_count; i++) {
        if (!first_hit(joined, &holes[i], &polygon, &edge, &x))
            status = rp_fail(err, RP_ERR_ARGUMENT, "a hole that lies in no outline");
        else
            status = join_hole(&joined->items[polygon], edge, (rp_point2){x, holes[i].start.y},
                               &holes[i], err);
    }
    for (size_t i = 0; !status && i < joined->count; i++) drop_straight_runs(&joined->items[i]);
    if (status) rp_contours_release(joined);
    rp_free(holes);
    return status;
}
