/* Contours of a region of interest as a mask on an image's grid. What one plane of contours
 * encloses is roi_plane.c's; here planes become slices. */
#include "reprise/dicom.h"
#include "roi_plane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILLED_SLICES = 3, LEAST_PLANES = 3 };
static const double SAME_PLANE = 0.02, SAME_PLANE_MM = 0.02; /* of the slice spacing; the larger */
/* Of the slice spacing. Positions rounded to 0.1 mm, of contours and of slices, are no distance. */
static const double OFF_SLICE = 0.01, OFF_SLICE_MM = 0.11, MOST_OFF_SLICE = 0.2;
static const double SAME_POINT_MM = 0.001;
static const double JITTER = 0.2; /* slices between contours meant for one */
static const double MOST_LEAN = 0.5;
static const double LEAST_AREA = 1e-9; /* of a pixel */
static const double ALIKE = 0.5;   /* Dice of neighbouring slices between which one was left out */
static const double EVEN = 0.05;   /* of the step or a slice, the larger: steps that are alike */
static const double NEXT = 1.5;    /* steps: planes farther apart are no neighbours */
static const double MIDWAY = 1e-3; /* slices: the last digits of a plane between two slices */

/* Contours of one height. */
typedef struct plane {
    size_t first, count; /* among the contours */
    double k, height; /* fractional slice, in the middle; from its lowest contour to its highest */
    double low, high; /* in slices, what it stands for */
    int slice;        /* the nearest */
    bool joined;      /* to the plane below */
    bool told;        /* in the report */
} plane;

typedef struct filler {
    const rp_roi *roi;
    const rp_grid *grid;
    rp_mask *mask;
    rp_roi_report *report;
    plane_contour *contours;
    size_t count;
    plane *planes;
    size_t plane_count;
    double step; /* slices between contours that are evenly spaced otherwise than slices; else 0 */
    rp_mask scratch;      /* one slice */
    rp_mask below, above; /* what two planes enclose */
    bool *contoured;
} filler;

static size_t slice_pixels(const filler *f)
{
    return (size_t)f->grid->size[0] * (size_t)f->grid->size[1];
}

/* ---- contours into index space ----------------------------------------------------------------
 */

static bool is_closed(const rp_roi_contour *contour)
{
    const char *type = contour->geometric_type;
    /* an absent type is a fault of some writers of closed contours */
    return !strncmp(type, "CLOSED", strlen("CLOSED")) || !type[0];
}

/* Points of one round, where the contour runs twice along the same ones and would cut itself out.
 */
static size_t points_of_one_round(const rp_roi_contour *c)
{
    const size_t half = c->count / 2;
    if (c->count % 2 || half < 3) return c->count;
    for (size_t i = 0; i < half; i++)
        for (int a = 0; a < 3; a++)
            if (!(fabs(c->points[i][a] - c->points[i + half][a]) <= SAME_POINT_MM)) return c->count;
    return half;
}

static rp_status flatten(const filler *f, const rp_roi_contour *from, plane_contour *to,
                         rp_error *err)
{
    double low = HUGE_VAL, high = -HUGE_VAL;
    to->low[0] = to->low[1] = HUGE_VAL;
    to->high[0] = to->high[1] = -HUGE_VAL;
    to->polygon.points = rp_alloc(from->count, sizeof *to->polygon.points);
    if (!to->polygon.points) return rp_fail(err, RP_ERR_MEMORY, "no memory for a contour");
    to->polygon.count = points_of_one_round(from);
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
    return floor(k + 0.5 + MIDWAY);
}

static bool is_off_slice(const rp_grid *grid, double k)
{
    const double rounding = fmin(OFF_SLICE_MM / grid->spacing[2], MOST_OFF_SLICE);
    return fabs(k - nearest_slice(k)) > fmax(OFF_SLICE, rounding);
}

static bool is_outside(const rp_grid *grid, const plane_contour *c)
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
    plane_contour flat = {.source = source,
                          .exclusive = strcmp(from->geometric_type, "CLOSEDPLANAR_XOR") == 0};
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
    f->report->off_slice_contours += is_off_slice(f->grid, flat.k);
    f->contours[f->count++] = flat;
    return RP_OK;
}

static int compare_contours(const void *a, const void *b)
{
    const plane_contour *one = a, *other = b;
    if (one->k != other->k) return one->k < other->k ? -1 : 1;
    return (one->source > other->source) - (one->source < other->source);
}

/* ---- planes ---------------------------------------------------------------------------------- */

/* Heights that differ by no more than this make one plane. */
static void group_planes(filler *f, double same)
{
    f->plane_count = 0;
    for (size_t i = 0; i < f->count; i++) {
        const double k = f->contours[i].k;
        if (i == 0 || k - f->contours[i - 1].k > same)
            f->planes[f->plane_count++] = (plane){.first = i, .k = k};
        plane *at = &f->planes[f->plane_count - 1];
        at->count++;
        at->k = (f->contours[at->first].k + k) / 2;
        at->height = k - f->contours[at->first].k;
        at->slice = (int)nearest_slice(at->k);
    }
}

/* Contours of one slice may lie some tenths of a millimetre apart; where none lie between these
 * groups, they are not finely drawn, and a hole belongs to the outline beside it. */
static void find_planes(filler *f)
{
    const double same = fmax(SAME_PLANE, SAME_PLANE_MM / f->grid->spacing[2]);
    bool apart = true;
    group_planes(f, JITTER);
    for (size_t p = 0; p < f->plane_count; p++) apart &= f->planes[p].height <= JITTER;
    for (size_t p = 1; p < f->plane_count; p++) apart &= f->planes[p].k - f->planes[p - 1].k > 0.5;
    if (f->plane_count < 2 || !apart) group_planes(f, same);
}

/* Slices to the plane below. */
static double distance_below(const filler *f, size_t p)
{
    return p > 0 && p < f->plane_count ? f->planes[p].k - f->planes[p - 1].k : HUGE_VAL;
}

static int compare_numbers(const void *a, const void *b)
{
    const double *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* Where most steps between planes are alike, and not those of the slices, the region was drawn on
 * another image, or on every n-th slice. */
static rp_status find_step(filler *f, rp_error *err)
{
    const size_t count = f->plane_count - 1;
    size_t alike = 0;
    if (f->plane_count < LEAST_PLANES) return RP_OK;
    double *steps = rp_alloc(count, sizeof *steps);
    if (!steps) return rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
    for (size_t i = 0; i < count; i++) steps[i] = distance_below(f, i + 1);
    qsort(steps, count, sizeof *steps, compare_numbers);
    const double usual = steps[(count - 1) / 2];
    for (size_t i = 0; i < count; i++) alike += fabs(steps[i] - usual) <= EVEN * fmax(usual, 1);
    if (2 * alike >= count && fabs(usual - 1) > EVEN) {
        f->step = usual;
        f->report->step_mm = usual * f->grid->spacing[2];
    }
    rp_free(steps);
    return RP_OK;
}

/* Of a plane, towards a neighbour at this distance, in slices. */
static double half_width(const filler *f, double distance)
{
    const double step = f->step > 0 ? f->step : 1;
    return distance <= NEXT * step ? distance / 2 : step / 2;
}

static rp_status draw_plane(filler *f, size_t p, rp_mask *slice, plane_content *content,
                            rp_error *err)
{
    plane_content unread;
    const plane *at = &f->planes[p];
    return roi_plane_fill(f->contours + at->first, at->count, slice, content ? content : &unread,
                          err);
}

/* The same, told in the report at the first time. */
static rp_status fill_plane(filler *f, size_t p, rp_mask *slice, rp_error *err)
{
    plane_content content;
    rp_status status = draw_plane(f, p, slice, &content, err);
    if (status || f->planes[p].told) return status;
    const double width =
        half_width(f, distance_below(f, p)) + half_width(f, distance_below(f, p + 1));
    f->report->sum_area_spacing_cc += content.area_mm2 * width * f->grid->spacing[2] / 1000;
    f->report->duplicate_contours += content.duplicates;
    f->report->overlapping_contours += content.overlapping;
    f->report->thin_walls += content.thin_walls;
    f->planes[p].told = true;
    return RP_OK;
}

static void unite(filler *f, const rp_mask *slice, int z)
{
    uint8_t *to = f->mask->data + rp_grid_index(f->grid, 0, 0, z);
    for (size_t i = 0; i < slice_pixels(f); i++) to[i] |= slice->data[i];
}

/* ---- between planes -------------------------------------------------------------------------- */

/* Distance in mm to the outline's other side: negative inside. */
static rp_status signed_distance(filler *f, const uint8_t *slice, rp_image *distance, rp_error *err)
{
    rp_image inner = {0};
    memcpy(f->scratch.data, slice, slice_pixels(f));
    rp_status status = rp_mask_distance(&f->scratch, distance, err);
    for (size_t i = 0; i < slice_pixels(f); i++) f->scratch.data[i] = !slice[i];
    if (!status) status = rp_mask_distance(&f->scratch, &inner, err);
    for (size_t i = 0; !status && i < slice_pixels(f); i++)
        if (slice[i]) distance->data[i] = -inner.data[i];
    rp_image_release(&inner);
    return status;
}

static double slice_dice(const filler *f, const uint8_t *a, const uint8_t *b)
{
    size_t both = 0, sum = 0;
    for (size_t i = 0; i < slice_pixels(f); i++) {
        both += a[i] & b[i];
        sum += (size_t)a[i] + b[i];
    }
    return sum ? 2.0 * (double)both / (double)sum : 0;
}

/* Shape-based interpolation (Raya and Udupa 1990): distances to the outline vary linearly between
 * slices low and high of these heights. */
static rp_status fill_between(filler *f, const uint8_t *low, double low_k, const uint8_t *high,
                              double high_k, rp_error *err)
{
    rp_image below = {0}, above = {0};
    rp_status status = signed_distance(f, low, &below, err);
    if (!status) status = signed_distance(f, high, &above, err);
    const int last = (int)fmin(ceil(high_k - MIDWAY) - 1, f->grid->size[2] - 1);
    for (int z = (int)fmax(floor(low_k + MIDWAY) + 1, 0); !status && z <= last; z++) {
        uint8_t *slice = f->mask->data + (size_t)z * slice_pixels(f);
        const float t = (float)((z - low_k) / (high_k - low_k));
        for (size_t i = 0; i < slice_pixels(f); i++)
            slice[i] = (1 - t) * below.data[i] + t * above.data[i] < 0;
    }
    rp_image_release(&below);
    rp_image_release(&above);
    return status;
}

/* ---- drawn slice by slice -------------------------------------------------------------------- */

/* Each plane goes to the nearest slice and is united there with others. */
static rp_status fill_slices(filler *f, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t p = 0; p < f->plane_count && !status; p++) {
        const int z = f->planes[p].slice;
        status = fill_plane(f, p, &f->above, err);
        if (!status) unite(f, &f->above, z);
        f->contoured[z] = true;
    }
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
        const uint8_t *low = f->mask->data + (size_t)(before < 0 ? 0 : before) * slice_pixels(f);
        const uint8_t *high = f->mask->data + (size_t)z * slice_pixels(f);
        int missing = before >= 0 ? z - before - 1 : 0;
        double dice = missing ? slice_dice(f, low, high) : 0;
        if (missing && missing <= MOST_FILLED_SLICES && (dice >= ALIKE || (sparse && dice > 0))) {
            status = fill_between(f, low, before, high, z, err);
            f->report->interpolated_slices += (size_t)missing;
        } else {
            f->report->gap_slices += (size_t)missing;
        }
        before = z;
    }
    return status;
}

/* ---- drawn at even steps that are not the slices' -------------------------------------------- */

/* Whether two planes are neighbours, or look alike with some forgotten between them. */
static rp_status find_joint(filler *f, size_t p, rp_error *err)
{
    const double distance = distance_below(f, p);
    f->planes[p].joined = distance <= fmax(NEXT * f->step, 1);
    if (f->planes[p].joined) return RP_OK;
    rp_status status = draw_plane(f, p - 1, &f->below, NULL, err);
    if (!status) status = draw_plane(f, p, &f->above, NULL, err);
    if (status) return status;
    f->planes[p].joined = round(distance / f->step) - 1 <= MOST_FILLED_SLICES &&
                          slice_dice(f, f->below.data, f->above.data) >= ALIKE;
    const size_t missing = (size_t)fmax(round(distance - f->step), 0);
    *(f->planes[p].joined ? &f->report->interpolated_slices : &f->report->gap_slices) += missing;
    return RP_OK;
}

/* A plane stands for half a step to either side, or up to the middle between it and the next. */
static rp_status find_slabs(filler *f, rp_error *err)
{
    const double half = f->step / 2;
    rp_status status = RP_OK;
    f->planes[0].low = f->planes[0].k - half;
    for (size_t p = 1; p < f->plane_count && !status; p++) {
        const double low = f->planes[p - 1].k, high = f->planes[p].k;
        status = find_joint(f, p, err);
        f->planes[p - 1].high = f->planes[p].joined ? (low + high) / 2 : low + half;
        f->planes[p].low = f->planes[p].joined ? (low + high) / 2 : high - half;
    }
    f->planes[f->plane_count - 1].high = f->planes[f->plane_count - 1].k + half;
    return status;
}

/* Slices finer than planes: each gets the plane in whose slab it lies or, between planes that
 * overlap, what lies between them in shape as well. */
static rp_status fill_slabs(filler *f, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t p = 0; p < f->plane_count && !status; p++) {
        const plane *at = &f->planes[p];
        const double low = p > 0 ? f->planes[p - 1].k : at->k;
        const int last = (int)fmin(floor(at->high + MIDWAY), f->grid->size[2] - 1);
        status = fill_plane(f, p, &f->above, err);
        if (status) break;
        for (int z = (int)fmax(floor(at->low + MIDWAY) + 1, 0); z <= last; z++)
            unite(f, &f->above, z);
        if (at->joined && slice_dice(f, f->below.data, f->above.data) > 0)
            status = fill_between(f, f->below.data, low, f->above.data, at->k, err);
        const rp_mask swapped = f->below;
        f->below = f->above;
        f->above = swapped;
    }
    return status;
}

/* The voxels that slabs cover most, as many as keep the volume; what is left over or wanting is
 * carried to the next slice. */
static void settle(filler *f, const float *cover, int z, double *carried)
{
    enum { LEVELS = 256 };
    uint8_t *slice = f->mask->data + rp_grid_index(f->grid, 0, 0, z);
    size_t counts[LEVELS + 1] = {0}, inside = 0;
    double wanted = *carried;
    int least = LEVELS + 1;
    for (size_t i = 0; i < slice_pixels(f); i++) {
        wanted += (double)cover[i];
        counts[(int)lroundf(fminf(cover[i], 1) * LEVELS)]++;
    }
    double best = fabs(wanted);
    *carried = wanted;
    for (int level = LEVELS; level > 0; level--) {
        inside += counts[level];
        if (!counts[level] || fabs(wanted - (double)inside) >= best) continue;
        best = fabs(wanted - (double)inside);
        *carried = wanted - (double)inside;
        least = level;
    }
    for (size_t i = 0; i < slice_pixels(f); i++)
        slice[i] = lroundf(fminf(cover[i], 1) * LEVELS) >= least;
}

/* Slices about as thick as slabs, or thicker: several slabs cover one in part. */
static rp_status fill_cover(filler *f, rp_error *err)
{
    const int depth = f->grid->size[2];
    double carried = 0;
    size_t first = 0, drawn = SIZE_MAX;
    rp_status status = RP_OK;
    float *cover = rp_alloc(slice_pixels(f), sizeof *cover);
    if (!cover) return rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
    for (int z = 0; z < depth && !status; z++) {
        memset(cover, 0, slice_pixels(f) * sizeof *cover);
        while (first < f->plane_count && f->planes[first].high <= z - 0.5) first++;
        for (size_t p = first; p < f->plane_count && f->planes[p].low < z + 0.5 && !status; p++) {
            const double part = fmin(f->planes[p].high, z + 0.5) - fmax(f->planes[p].low, z - 0.5);
            if (p != drawn) status = fill_plane(f, p, &f->above, err);
            drawn = p;
            for (size_t i = 0; i < slice_pixels(f); i++)
                cover[i] += (float)(part * f->above.data[i]);
        }
        settle(f, cover, z, &carried);
    }
    rp_free(cover);
    return status;
}

static rp_status fill_steps(filler *f, rp_error *err)
{
    rp_status status = find_slabs(f, err);
    if (status) return status;
    return f->step < NEXT ? fill_cover(f, err) : fill_slabs(f, err);
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status open_filler(filler *f, rp_error *err)
{
    const rp_grid *grid = f->grid;
    rp_grid slice = rp_grid_make(grid->size[0], grid->size[1], 1, grid->spacing[0],
                                 grid->spacing[1], grid->spacing[2]);
    rp_status status = rp_grid_check(grid, err);
    if (!status) status = rp_mask_init(f->mask, grid, err);
    if (!status) status = rp_mask_init(&f->scratch, &slice, err);
    if (!status) status = rp_mask_init(&f->below, &slice, err);
    if (!status) status = rp_mask_init(&f->above, &slice, err);
    if (status) return status;
    f->contours = rp_alloc(f->roi->contour_count, sizeof *f->contours);
    f->planes = rp_alloc(f->roi->contour_count, sizeof *f->planes);
    f->contoured = rp_alloc((size_t)grid->size[2], sizeof *f->contoured);
    return f->contours && f->planes && f->contoured
               ? RP_OK
               : rp_fail(err, RP_ERR_MEMORY, "no memory for contours");
}

static void close_filler(filler *f)
{
    for (size_t i = 0; f->contours && i < f->count; i++) rp_free(f->contours[i].polygon.points);
    rp_free(f->contours);
    rp_free(f->planes);
    rp_free(f->contoured);
    rp_mask_release(&f->scratch);
    rp_mask_release(&f->below);
    rp_mask_release(&f->above);
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

static rp_status fill(filler *f, rp_error *err)
{
    qsort(f->contours, f->count, sizeof *f->contours, compare_contours);
    find_planes(f);
    rp_status status = find_step(f, err);
    const rp_roi_report before = *f->report;
    if (status) return status;
    if (f->step > 0) {
        status = fill_steps(f, err);
        if (status || rp_mask_count(f->mask) > 0) return status;
        *f->report = before; /* less than half a slice: all of it goes to one */
        const double middle = (f->planes[0].k + f->planes[f->plane_count - 1].k) / 2;
        for (size_t p = 0; p < f->plane_count; p++) {
            f->planes[p].told = false;
            f->planes[p].slice = (int)nearest_slice(middle);
        }
    }
    status = fill_slices(f, err);
    return status ? status : fill_gaps(f, err);
}

rp_status rp_roi_to_mask(const rp_roi *roi, const rp_grid *grid, rp_mask *mask,
                         rp_roi_report *report, rp_error *err)
{
    rp_roi_report unread;
    filler f = {.roi = roi, .grid = grid, .mask = mask, .report = report ? report : &unread};
    *mask = (rp_mask){0};
    *f.report = (rp_roi_report){.number = roi->number};
    if (roi->fault[0])
        return rp_fail(err, RP_ERR_FORMAT, "ROI number %d: %s", roi->number, roi->fault);
    rp_status status = open_filler(&f, err);
    for (size_t i = 0; i < roi->contour_count && !status; i++) status = add_contour(&f, i, err);
    if (!status) status = check_contours(&f, err);
    if (!status) status = fill(&f, err);
    if (!status && rp_mask_count(mask) == 0)
        status = rp_fail(err, RP_ERR_FORMAT, "ROI number %d encloses no voxel centre", roi->number);
    if (!status) f.report->mask_cc = (double)rp_mask_count(mask) * rp_grid_voxel_mm3(grid) / 1000;
    close_filler(&f);
    if (status) rp_mask_release(mask);
    return status;
}
