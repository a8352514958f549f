/* Contours of a region of interest as a mask on an image's grid. */
#include "reprise/dicom.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILLED_SLICES = 3 };
static const double SAME_PLANE = 0.02; /* of the slice spacing */
static const double OFF_SLICE = 0.01;
static const double MOST_LEAN = 0.5;
static const double LEAST_AREA = 1e-9; /* of a pixel */
static const double ALIKE = 0.5; /* Dice of neighbouring slices between which one was left out */

/* A contour in the grid's index space. */
typedef struct flat_contour {
    rp_contour polygon;
    double k; /* plane: fractional slice */
    double low[2], high[2];
    size_t source;
} flat_contour;

typedef struct filler {
    const rp_roi *roi;
    const rp_grid *grid;
    rp_mask *mask;
    rp_roi_report *report;
    flat_contour *contours;
    size_t count;
    rp_mask plane; /* one slice, scratch */
    bool *contoured;
} filler;

/* ---- contours into index space ----------------------------------------------------------------
 */

static bool is_closed(const rp_roi_contour *contour)
{
    const char *type = contour->geometric_type;
    /* an absent type is a fault of some writers of closed contours */
    return !strncmp(type, "CLOSED", strlen("CLOSED")) || !type[0];
}

static rp_status flatten(const filler *f, const rp_roi_contour *from, flat_contour *to,
                         rp_error *err)
{
    double low = HUGE_VAL, high = -HUGE_VAL;
    to->low[0] = to->low[1] = HUGE_VAL;
    to->high[0] = to->high[1] = -HUGE_VAL;
    to->polygon.points = rp_alloc(from->count, sizeof *to->polygon.points);
    if (!to->polygon.points) return rp_fail(err, RP_ERR_MEMORY, "no memory for a contour");
    to->polygon.count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        double at[3];
        rp_grid_from_world(f->grid, from->points[i], at);
        to->polygon.points[i] = (rp_point2){at[0], at[1]};
        for (int a = 0; a < 2; a++) {
            to->low[a] = fmin(to->low[a], at[a]);
            to->high[a] = fmax(to->high[a], at[a]);
        }
        low = fmin(low, at[2]);
        high = fmax(high, at[2]);
    }
    to->k = (low + high) / 2;
    if (high - low > MOST_LEAN)
        return rp_fail(err, RP_ERR_REFUSED,
                       "contours of ROI number %d do not lie in the planes of the image's slices",
                       f->roi->number);
    return RP_OK;
}

/* A plane midway between two slices goes to the upper one, whatever its last digits are. */
static double nearest_slice(double k)
{
    return floor(k + 0.5 + 1e-3);
}

static bool is_outside(const rp_grid *grid, const flat_contour *c)
{
    double slice = nearest_slice(c->k);
    if (!(slice >= 0 && slice <= grid->size[2] - 1)) return true;
    for (int a = 0; a < 2; a++)
        if (c->high[a] < -0.5 || c->low[a] > grid->size[a] - 0.5) return true;
    return false;
}

static rp_status add_contour(filler *f, size_t source, rp_error *err)
{
    const rp_roi_contour *from = &f->roi->contours[source];
    flat_contour flat = {.source = source};
    rp_status status = RP_OK;
    if (!is_closed(from)) {
        f->report->open_contours++;
        return RP_OK;
    }
    if (from->count < 3) {
        f->report->degenerate_contours++;
        return RP_OK;
    }
    status = flatten(f, from, &flat, err);
    bool no_area = !status && !(fabs(rp_contour_signed_area(&flat.polygon)) >= LEAST_AREA);
    bool outside = !status && !no_area && is_outside(f->grid, &flat);
    f->report->degenerate_contours += no_area;
    f->report->outside_contours += outside;
    if (status || no_area || outside) {
        rp_free(flat.polygon.points);
        return status;
    }
    f->report->contours_used++;
    f->report->points_used += from->count;
    if (fabs(flat.k - nearest_slice(flat.k)) > OFF_SLICE) f->report->off_slice_contours++;
    f->contours[f->count++] = flat;
    return RP_OK;
}

static int compare_contours(const void *a, const void *b)
{
    const flat_contour *one = a, *other = b;
    if (one->k != other->k) return one->k < other->k ? -1 : 1;
    return (one->source > other->source) - (one->source < other->source);
}

/* ---- one plane ----------------------------------------------------------------------------------
 */

static bool contains(const flat_contour *c, rp_point2 p)
{
    bool odd = false;
    if (p.x < c->low[0] || p.x > c->high[0] || p.y < c->low[1] || p.y > c->high[1]) return false;
    for (size_t i = 0; i < c->polygon.count; i++) {
        rp_point2 a = c->polygon.points[i], b = c->polygon.points[(i + 1) % c->polygon.count];
        if ((a.y <= p.y) == (b.y <= p.y)) continue;
        odd ^= p.x < a.x + (p.y - a.y) * (b.x - a.x) / (b.y - a.y);
    }
    return odd;
}

/* A contour that is there twice would cut itself out by even-odd. */
static bool is_duplicate(const flat_contour *plane, size_t index)
{
    const rp_contour *one = &plane[index].polygon;
    for (size_t i = 0; i < index; i++) {
        const rp_contour *other = &plane[i].polygon;
        if (one->count == other->count &&
            !memcmp(one->points, other->points, one->count * sizeof *one->points))
            return true;
    }
    return false;
}

/* Even-odd: a contour within an odd number of others is a hole. */
static double even_odd_area(const flat_contour *plane, size_t count)
{
    double area = 0;
    for (size_t i = 0; i < count; i++) {
        bool hole = false;
        for (size_t j = 0; j < count; j++)
            if (j != i) hole ^= contains(&plane[j], plane[i].polygon.points[0]);
        area += fabs(rp_contour_signed_area(&plane[i].polygon)) * (hole ? -1 : 1);
    }
    return area;
}

static size_t drop_duplicates(flat_contour *plane, size_t count, rp_roi_report *report)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        flat_contour at = plane[i];
        if (is_duplicate(plane, i)) continue;
        plane[i] = plane[kept]; /* the dropped one stays in the list, to be freed */
        plane[kept++] = at;
    }
    report->duplicate_contours += count - kept;
    return kept;
}

/* Even-odd within the plane, united with what other planes gave the same slice. */
static rp_status fill_plane(filler *f, flat_contour *plane, size_t count, rp_error *err)
{
    const rp_grid *grid = f->grid;
    int z = (int)nearest_slice(plane[0].k);
    size_t pixels = (size_t)grid->size[0] * (size_t)grid->size[1];
    count = drop_duplicates(plane, count, f->report);
    rp_contour *items = rp_alloc(count, sizeof *items);
    if (!items) return rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
    for (size_t i = 0; i < count; i++) items[i] = plane[i].polygon;
    memset(f->plane.data, 0, pixels);
    rp_contours_fill(&(rp_contours){items, count}, &f->plane, 0);
    rp_free(items);
    uint8_t *slice = f->mask->data + rp_grid_index(grid, 0, 0, z);
    for (size_t i = 0; i < pixels; i++) slice[i] |= f->plane.data[i];
    f->contoured[z] = true;
    f->report->sum_area_spacing_cc += even_odd_area(plane, count) * rp_grid_voxel_mm3(grid) / 1000;
    return RP_OK;
}

static rp_status fill_planes(filler *f, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t first = 0, last; first < f->count && !status; first = last) {
        for (last = first + 1; last < f->count; last++)
            if (f->contours[last].k - f->contours[first].k > SAME_PLANE) break;
        status = fill_plane(f, f->contours + first, last - first, err);
    }
    return status;
}

/* ---- slices left out --------------------------------------------------------------------- */

/* Distance in mm to the outline's other side: negative inside. */
static rp_status signed_distance(filler *f, int z, rp_image *distance, rp_error *err)
{
    size_t pixels = (size_t)f->grid->size[0] * (size_t)f->grid->size[1];
    rp_image inner = {0};
    const uint8_t *slice = f->mask->data + (size_t)z * pixels;
    memcpy(f->plane.data, slice, pixels);
    rp_status status = rp_mask_distance(&f->plane, distance, err);
    for (size_t i = 0; i < pixels; i++) f->plane.data[i] = !slice[i];
    if (!status) status = rp_mask_distance(&f->plane, &inner, err);
    for (size_t i = 0; !status && i < pixels; i++)
        if (slice[i]) distance->data[i] = -inner.data[i];
    rp_image_release(&inner);
    return status;
}

static double slice_dice(const filler *f, int one, int other)
{
    size_t pixels = (size_t)f->grid->size[0] * (size_t)f->grid->size[1], both = 0, sum = 0;
    const uint8_t *a = f->mask->data + (size_t)one * pixels;
    const uint8_t *b = f->mask->data + (size_t)other * pixels;
    for (size_t i = 0; i < pixels; i++) {
        both += a[i] & b[i];
        sum += (size_t)a[i] + b[i];
    }
    return sum ? 2.0 * (double)both / (double)sum : 0;
}

/* Shape-based interpolation (Raya and Udupa 1990): distances to the outline vary linearly. */
static rp_status fill_between(filler *f, int low, int high, rp_error *err)
{
    size_t pixels = (size_t)f->grid->size[0] * (size_t)f->grid->size[1];
    rp_image below = {0}, above = {0};
    rp_status status = signed_distance(f, low, &below, err);
    if (!status) status = signed_distance(f, high, &above, err);
    for (int z = low + 1; !status && z < high; z++) {
        uint8_t *slice = f->mask->data + (size_t)z * pixels;
        float t = (float)(z - low) / (float)(high - low);
        for (size_t i = 0; i < pixels; i++)
            slice[i] = (1 - t) * below.data[i] + t * above.data[i] < 0;
        f->report->interpolated_slices++;
    }
    rp_image_release(&below);
    rp_image_release(&above);
    return status;
}

/* True if most contoured slices have no contoured neighbour: drawn on every second one or fewer. */
static bool drawn_sparsely(const filler *f)
{
    long steps = 0, wide = 0;
    for (int z = 0, before = -1; z < f->grid->size[2]; z++) {
        if (!f->contoured[z]) continue;
        if (before >= 0) {
            steps++;
            wide += z - before > 1;
        }
        before = z;
    }
    return 2 * wide > steps;
}

/* A gap in densely drawn contours is a slice forgotten if its neighbours look alike, else the space
 * between two parts of the region. */
static rp_status fill_gaps(filler *f, rp_error *err)
{
    bool sparse = drawn_sparsely(f);
    rp_status status = RP_OK;
    for (int z = 0, before = -1; z < f->grid->size[2] && !status; z++) {
        if (!f->contoured[z]) continue;
        int missing = before >= 0 ? z - before - 1 : 0;
        double dice = missing ? slice_dice(f, before, z) : 0;
        if (missing && missing <= MOST_FILLED_SLICES && (dice >= ALIKE || (sparse && dice > 0)))
            status = fill_between(f, before, z, err);
        else
            f->report->gap_slices += (size_t)missing;
        before = z;
    }
    return status;
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status open_filler(filler *f, rp_error *err)
{
    const rp_grid *grid = f->grid;
    rp_grid plane = rp_grid_make(grid->size[0], grid->size[1], 1, grid->spacing[0],
                                 grid->spacing[1], grid->spacing[2]);
    rp_status status = rp_grid_check(grid, err);
    if (!status) status = rp_mask_init(f->mask, grid, err);
    if (!status) status = rp_mask_init(&f->plane, &plane, err);
    if (status) return status;
    f->contours = rp_alloc(f->roi->contour_count, sizeof *f->contours);
    f->contoured = rp_alloc((size_t)grid->size[2], sizeof *f->contoured);
    return f->contours && f->contoured ? RP_OK
                                       : rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
}

static void close_filler(filler *f)
{
    for (size_t i = 0; f->contours && i < f->count; i++) rp_free(f->contours[i].polygon.points);
    rp_free(f->contours);
    rp_free(f->contoured);
    rp_mask_release(&f->plane);
}

static rp_status check_contours(const filler *f, rp_error *err)
{
    int number = f->roi->number;
    if (f->count) return RP_OK;
    if (f->report->outside_contours)
        return rp_fail(err, RP_ERR_REFUSED, "every contour of ROI number %d lies outside the image",
                       number);
    return rp_fail(err, RP_ERR_FORMAT,
                   "ROI number %d has no usable contour (%zu open, %zu degenerate)", number,
                   f->report->open_contours, f->report->degenerate_contours);
}

rp_status rp_roi_to_mask(const rp_roi *roi, const rp_grid *grid, rp_mask *mask,
                         rp_roi_report *report, rp_error *err)
{
    rp_roi_report unread;
    filler f = {.roi = roi, .grid = grid, .mask = mask, .report = report ? report : &unread};
    *mask = (rp_mask){0};
    *f.report = (rp_roi_report){0};
    rp_status status = open_filler(&f, err);
    for (size_t i = 0; i < roi->contour_count && !status; i++) status = add_contour(&f, i, err);
    if (!status) status = check_contours(&f, err);
    if (!status) {
        qsort(f.contours, f.count, sizeof *f.contours, compare_contours);
        status = fill_planes(&f, err);
    }
    if (!status) status = fill_gaps(&f, err);
    if (!status && rp_mask_count(mask) == 0)
        status = rp_fail(err, RP_ERR_FORMAT, "ROI number %d encloses no voxel centre", roi->number);
    close_filler(&f);
    if (status) rp_mask_release(mask);
    return status;
}
