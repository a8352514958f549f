#include "roi_plane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIR_SIDE = 128, AREA_SIDE = 1024 };

/* Contours are one where their outlines are nowhere farther apart: copies are rounded, to half a
 * millimetre even, or leave points out, but no wall is as thin; and none that is thinner than
 * pixels can be shown by them. */
static const double SAME_OUTLINE_MM = 0.4, SAME_OUTLINE_PIXELS = 0.6;
static const double SAME_AREA = 0.8;
/* Of what is not a copy, the sliver that may stick out of the contour round it: average thickness
 * along its outline, and share of a clearly smaller area. */
static const double SLIVER_MM = 0.02, SLIVER_SHARE = 0.02;

/* Of two contours, the smaller one as seen from the larger one. */
typedef enum relation { APART, WITHIN, CROSSING } relation;

typedef struct link {
    size_t inner, outer;
} link;

typedef struct plane_filler {
    plane_contour *contours;
    double *area; /* mm2, of each */
    int *depth;   /* how many lie round it, one in the other */
    link *within;
    size_t count, link_count, link_room;
    double spacing[2];
} plane_filler;

static rp_status no_memory(rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
}

/* ---- the same outline twice --------------------------------------------------------------------
 */

static double distance2_mm(const double spacing[2], rp_point2 p, rp_point2 a, rp_point2 b)
{
    const double ux = (b.x - a.x) * spacing[0], uy = (b.y - a.y) * spacing[1];
    const double vx = (p.x - a.x) * spacing[0], vy = (p.y - a.y) * spacing[1];
    const double length2 = ux * ux + uy * uy;
    const double t = length2 > 0 ? fmin(fmax((ux * vx + uy * vy) / length2, 0), 1) : 0;
    return (vx - t * ux) * (vx - t * ux) + (vy - t * uy) * (vy - t * uy);
}

/* Every point of one lies on the outline of the other. Points follow one another on both, so the
 * search goes on where the last one ended. */
static bool lies_along(const double spacing[2], const rp_contour *one, const rp_contour *other)
{
    const double most = fmin(SAME_OUTLINE_MM, SAME_OUTLINE_PIXELS * fmin(spacing[0], spacing[1]));
    size_t at = 0;
    for (size_t i = 0; i < one->count; i++) {
        bool found = false;
        for (size_t step = 0; step <= other->count && !found; step++) {
            const size_t ahead = step % 2 ? (step + 1) / 2 : other->count - step / 2;
            const size_t edge = (at + ahead) % other->count;
            found = distance2_mm(spacing, one->points[i], other->points[edge],
                                 other->points[(edge + 1) % other->count]) <= most * most;
            if (found) at = edge;
        }
        if (!found) return false;
    }
    return true;
}

static bool is_copy(const plane_filler *f, size_t a, size_t b)
{
    const plane_contour *one = &f->contours[a], *other = &f->contours[b];
    const double ratio = f->area[a] / f->area[b];
    if (ratio < SAME_AREA || ratio > 1 / SAME_AREA) return false;
    for (int d = 0; d < 2; d++) {
        if (fabs(one->low[d] - other->low[d]) * f->spacing[d] > 4 * SAME_OUTLINE_MM) return false;
        if (fabs(one->high[d] - other->high[d]) * f->spacing[d] > 4 * SAME_OUTLINE_MM) return false;
    }
    return lies_along(f->spacing, &one->polygon, &other->polygon) ||
           lies_along(f->spacing, &other->polygon, &one->polygon);
}

static void exchange(plane_filler *f, size_t a, size_t b)
{
    const plane_contour contour = f->contours[a];
    const double area = f->area[a];
    f->contours[a] = f->contours[b];
    f->contours[b] = contour;
    f->area[a] = f->area[b];
    f->area[b] = area;
}

/* Of copies the larger one stays: it is the one whose points were not thinned out. Those dropped
 * move to the end of the list. */
static void drop_copies(plane_filler *f, plane_content *content)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        size_t twin = 0;
        while (twin < kept && !is_copy(f, twin, i)) twin++;
        if (twin == kept)
            exchange(f, kept++, i);
        else if (f->area[i] > f->area[twin])
            exchange(f, twin, i);
    }
    content->duplicates = f->count - kept;
    f->count = kept;
}

/* ---- how two outlines lie -------------------------------------------------------------------- */

/* A square raster over some bounds. */
typedef struct raster {
    double low[2], scale[2]; /* voxels to cells */
} raster;

static raster raster_over(const double low[2], const double high[2], int side)
{
    raster r;
    for (int d = 0; d < 2; d++) {
        r.scale[d] = side / fmax(high[d] - low[d], 1e-6);
        r.low[d] = low[d];
    }
    return r;
}

/* Adds the outline, even-odd, to the cells of a raster. */
static rp_status draw(const raster *r, const rp_contour *contour, rp_mask *cells, rp_error *err)
{
    rp_contour moved = {rp_alloc(contour->count, sizeof *moved.points), contour->count};
    if (!moved.points) return no_memory(err);
    for (size_t i = 0; i < contour->count; i++)
        moved.points[i] = (rp_point2){(contour->points[i].x - r->low[0]) * r->scale[0] - 0.5,
                                      (contour->points[i].y - r->low[1]) * r->scale[1] - 0.5};
    rp_contours_fill(&(rp_contours){&moved, 1}, cells, 0);
    rp_free(moved.points);
    return RP_OK;
}

static double perimeter_mm(const plane_filler *f, const rp_contour *c)
{
    double length = 0;
    for (size_t i = 0; i < c->count; i++) {
        const rp_point2 a = c->points[i], b = c->points[(i + 1) % c->count];
        length += hypot((b.x - a.x) * f->spacing[0], (b.y - a.y) * f->spacing[1]);
    }
    return length;
}

static rp_status relate(const plane_filler *f, size_t small, size_t large, rp_mask pair[2],
                        relation *found, rp_error *err)
{
    const plane_contour *inner = &f->contours[small], *outer = &f->contours[large];
    const raster r = raster_over(inner->low, inner->high, PAIR_SIDE);
    size_t both = 0, outside = 0;
    for (int i = 0; i < 2; i++) memset(pair[i].data, 0, (size_t)PAIR_SIDE * PAIR_SIDE);
    rp_status status = draw(&r, &inner->polygon, &pair[0], err);
    if (!status) status = draw(&r, &outer->polygon, &pair[1], err);
    if (status) return status;
    for (size_t i = 0; i < (size_t)PAIR_SIDE * PAIR_SIDE; i++) {
        both += pair[0].data[i] & pair[1].data[i];
        outside += pair[0].data[i] & !pair[1].data[i];
    }
    const double cell_mm2 = f->spacing[0] * f->spacing[1] / (r.scale[0] * r.scale[1]);
    const double least = SLIVER_MM * perimeter_mm(f, &inner->polygon);
    const double share = f->area[small] < SAME_AREA * f->area[large] ? SLIVER_SHARE : 0;
    if ((double)both * cell_mm2 <= least)
        *found = APART;
    else if ((double)outside * cell_mm2 <= fmax(least, share * f->area[small]))
        *found = WITHIN;
    else
        *found = CROSSING;
    return RP_OK;
}

static bool bounds_meet(const plane_contour *a, const plane_contour *b)
{
    for (int d = 0; d < 2; d++)
        if (a->high[d] <= b->low[d] || b->high[d] <= a->low[d]) return false;
    return true;
}

/* Between a hole and the outline round it: rather a copy that was moved or cut than a hole. */
static bool is_thin_wall(const plane_filler *f, size_t inner, size_t outer)
{
    const double between = f->area[outer] - f->area[inner];
    const double pixel = fmax(f->spacing[0], f->spacing[1]);
    return f->area[inner] > SAME_AREA * f->area[outer] &&
           between < pixel * perimeter_mm(f, &f->contours[outer].polygon);
}

static rp_status note_within(plane_filler *f, size_t inner, size_t outer, rp_error *err)
{
    if (f->link_count == f->link_room) {
        const size_t room = f->link_room ? 2 * f->link_room : 16;
        link *more = rp_alloc(room, sizeof *more);
        if (!more) return no_memory(err);
        if (f->link_count) memcpy(more, f->within, f->link_count * sizeof *more);
        rp_free(f->within);
        f->within = more;
        f->link_room = room;
    }
    f->within[f->link_count++] = (link){inner, outer};
    return RP_OK;
}

static void sort_by_area(plane_filler *f)
{
    for (size_t i = 1; i < f->count; i++)
        for (size_t k = i; k > 0 && f->area[k] > f->area[k - 1]; k--) exchange(f, k, k - 1);
}

/* The largest first, so that whatever lies round a contour has its depth already. */
static rp_status relate_all(plane_filler *f, plane_content *content, rp_error *err)
{
    const rp_grid grid = rp_grid_make(PAIR_SIDE, PAIR_SIDE, 1, 1, 1, 1);
    rp_mask pair[2] = {0};
    rp_status status = rp_mask_init(&pair[0], &grid, err);
    if (!status) status = rp_mask_init(&pair[1], &grid, err);
    sort_by_area(f);
    for (size_t i = 1; i < f->count && !status; i++) {
        bool crosses = false;
        for (size_t k = 0; k < i && !status; k++) {
            relation found = APART;
            if (!bounds_meet(&f->contours[i], &f->contours[k])) continue;
            status = relate(f, i, k, pair, &found, err);
            if (!status && found == WITHIN) {
                status = note_within(f, i, k, err);
                content->thin_walls += is_thin_wall(f, i, k);
                if (f->depth[i] <= f->depth[k]) f->depth[i] = f->depth[k] + 1;
            }
            crosses |= found == CROSSING;
        }
        content->overlapping += crosses;
    }
    rp_mask_release(&pair[0]);
    rp_mask_release(&pair[1]);
    return status;
}

/* ---- filling --------------------------------------------------------------------------------- */

/* The cells that a contour can reach: whole rows of them. */
typedef struct span {
    size_t first, count;
} span;

static span span_of(const raster *r, const plane_contour *c, const rp_mask *cells)
{
    const double rows = cells->grid.size[1];
    const double low = fmin(fmax((c->low[1] - r->low[1]) * r->scale[1] - 1, 0), rows);
    const double high = fmin(fmax((c->high[1] - r->low[1]) * r->scale[1] + 1, low), rows);
    const size_t width = (size_t)cells->grid.size[0], first = (size_t)low;
    return (span){first * width, ((size_t)ceil(high) - first) * width};
}

/* The outline without its holes, into cells; scratch is of the same size. Both are empty, and
 * scratch is so again. */
static rp_status draw_part(const plane_filler *f, size_t part, const raster *r, rp_mask *cells,
                           rp_mask *scratch, rp_error *err)
{
    rp_status status = draw(r, &f->contours[part].polygon, cells, err);
    for (size_t l = 0; l < f->link_count && !status; l++) {
        const link *at = &f->within[l];
        if (at->outer != part || f->depth[at->inner] % 2 == 0) continue;
        const span reach = span_of(r, &f->contours[at->inner], cells);
        status = draw(r, &f->contours[at->inner].polygon, scratch, err);
        for (size_t i = reach.first; i < reach.first + reach.count; i++)
            cells->data[i] &= !scratch->data[i];
        memset(scratch->data + reach.first, 0, reach.count);
    }
    return status;
}

static rp_status draw_union(const plane_filler *f, const raster *r, rp_mask *cells, rp_error *err)
{
    rp_mask part = {0}, scratch = {0};
    rp_status status = rp_mask_init(&part, &cells->grid, err);
    if (!status) status = rp_mask_init(&scratch, &cells->grid, err);
    for (size_t c = 0; c < f->count && !status; c++) {
        if (f->depth[c] % 2) continue;
        const span reach = span_of(r, &f->contours[c], cells);
        status = draw_part(f, c, r, &part, &scratch, err);
        for (size_t i = reach.first; i < reach.first + reach.count; i++)
            cells->data[i] |= part.data[i];
        memset(part.data + reach.first, 0, reach.count);
    }
    rp_mask_release(&part);
    rp_mask_release(&scratch);
    return status;
}

static rp_status draw_even_odd(const plane_filler *f, const raster *r, rp_mask *cells,
                               rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t c = 0; c < f->count && !status; c++)
        status = draw(r, &f->contours[c].polygon, cells, err);
    return status;
}

/* Where some overlap, area has no formula: cells are counted. */
static rp_status fill_crossing(const plane_filler *f, bool exclusive, rp_mask *plane,
                               plane_content *content, rp_error *err)
{
    const raster voxels = {{-0.5, -0.5}, {1, 1}};
    const rp_grid grid = rp_grid_make(AREA_SIDE, AREA_SIDE, 1, 1, 1, 1);
    rp_status (*draw_all)(const plane_filler *, const raster *, rp_mask *, rp_error *) =
        exclusive ? draw_even_odd : draw_union;
    double low[2] = {HUGE_VAL, HUGE_VAL}, high[2] = {-HUGE_VAL, -HUGE_VAL};
    rp_mask cells = {0};
    for (size_t c = 0; c < f->count; c++)
        for (int d = 0; d < 2; d++) {
            low[d] = fmin(low[d], f->contours[c].low[d]);
            high[d] = fmax(high[d], f->contours[c].high[d]);
        }
    const raster fine = raster_over(low, high, AREA_SIDE);
    rp_status status = draw_all(f, &voxels, plane, err);
    if (!status) status = rp_mask_init(&cells, &grid, err);
    if (!status) status = draw_all(f, &fine, &cells, err);
    if (!status)
        content->area_mm2 = (double)rp_mask_count(&cells) * f->spacing[0] * f->spacing[1] /
                            (fine.scale[0] * fine.scale[1]);
    rp_mask_release(&cells);
    return status;
}

/* Without any that overlap: a contour within an odd number of others is a hole. */
static rp_status fill_nested(const plane_filler *f, rp_mask *plane, plane_content *content,
                             rp_error *err)
{
    rp_contour *items = rp_alloc(f->count, sizeof *items);
    if (!items) return no_memory(err);
    for (size_t i = 0; i < f->count; i++) {
        items[i] = f->contours[i].polygon;
        content->area_mm2 += f->area[i] * (f->depth[i] % 2 ? -1 : 1);
    }
    rp_contours_fill(&(rp_contours){items, f->count}, plane, 0);
    rp_free(items);
    return RP_OK;
}

rp_status roi_plane_fill(plane_contour *contours, size_t count, rp_mask *plane,
                         plane_content *content, rp_error *err)
{
    plane_filler f = {.contours = contours,
                      .count = count,
                      .area = rp_alloc(count, sizeof *f.area),
                      .depth = rp_alloc(count, sizeof *f.depth),
                      .spacing = {plane->grid.spacing[0], plane->grid.spacing[1]}};
    bool exclusive = false;
    *content = (plane_content){0};
    memset(plane->data, 0, rp_grid_voxels(&plane->grid));
    rp_status status = f.area && f.depth ? RP_OK : no_memory(err);
    for (size_t i = 0; i < count && !status; i++) {
        f.area[i] =
            fabs(rp_contour_signed_area(&contours[i].polygon)) * f.spacing[0] * f.spacing[1];
        exclusive |= contours[i].exclusive;
    }
    if (!status) drop_copies(&f, content);
    if (!status) status = relate_all(&f, content, err);
    if (!status && content->overlapping)
        status = fill_crossing(&f, exclusive, plane, content, err);
    else if (!status)
        status = fill_nested(&f, plane, content, err);
    if (exclusive) content->overlapping = 0;
    rp_free(f.area);
    rp_free(f.depth);
    rp_free(f.within);
    return status;
}
