/* A prediction against a reference: shared volume, and how far the surfaces lie apart. */
#include "reprise/measure.h"
#include "surface.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As the header tells them. */
#define SHARE_OF_HAUSDORFF (0.95 * (1.0 - 1e-9))
#define WITHIN (1.0 + 1e-6)

static const char *const definitions[][2] = {
    {"dice", "2 |A and B| / (|A| + |B|) by voxels; both masks empty: 1, one empty: 0"},
    {"surface",
     "elements are the cells of 2x2x2 voxel centres with inside and outside among them, at the "
     "middle of the cell (Nikolov et al. 2018, arXiv:1809.04430); an element's area is that of the "
     "contour at one half on the sides of its cell, diagonal neighbours joined, each closed line "
     "spanned from the mean of its points; beyond the image counts as outside"},
    {"distance", "straight line in mm from an element to the nearest element of the other mask"},
    {"hd95_mm",
     "the larger of the two directed 95th percentiles: the smallest distance within which 95% of "
     "the area of one surface lie; undefined where a mask is empty"},
    {"hd_mm", "the largest distance of any element; undefined where a mask is empty"},
    {"msd_mm",
     "the mean of the two directed mean distances, each weighted by area; undefined where a mask "
     "is empty"},
    {"surface_dice",
     "area of both surfaces within the tolerance of the other, as a share of the area of both "
     "(Nikolov et al. 2018); both masks empty: 1, one empty: 0"},
    {"volume_difference", "prediction minus reference; voxels x voxel volume; percent of the "
                          "reference, undefined where that is empty"},
};

bool rp_overlap_definition(size_t i, const char **key, const char **text)
{
    if (i >= sizeof definitions / sizeof *definitions) return false;
    *key = definitions[i][0];
    *text = definitions[i][1];
    return true;
}

/* ---- volumes ----------------------------------------------------------------------------- */

typedef struct voxel_counts {
    size_t a, b, both;
} voxel_counts;

static voxel_counts count_voxels(const rp_mask *a, const rp_mask *b)
{
    const size_t n = rp_grid_voxels(&a->grid);
    voxel_counts c = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        c.a += a->data[i] != 0;
        c.b += b->data[i] != 0;
        c.both += a->data[i] != 0 && b->data[i] != 0;
    }
    return c;
}

static double dice_of(const voxel_counts *c)
{
    return c->a + c->b ? 2.0 * (double)c->both / (double)(c->a + c->b) : 1.0;
}

rp_status rp_measure_dice(const rp_mask *a, const rp_mask *b, double *dice, rp_error *err)
{
    if (!rp_grid_same(&a->grid, &b->grid, 1e-2))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "Dice needs two masks on one grid: resample one onto the other first");
    const voxel_counts c = count_voxels(a, b);
    *dice = dice_of(&c);
    return RP_OK;
}

static void compare_volumes(const rp_mask *reference, const voxel_counts *c, rp_overlap *o)
{
    const double voxel_cc = rp_grid_voxel_mm3(&reference->grid) / 1000.0;
    o->reference_voxels = c->a;
    o->prediction_voxels = c->b;
    o->common_voxels = c->both;
    o->dice = dice_of(c);
    o->reference_cc = (double)c->a * voxel_cc;
    o->prediction_cc = (double)c->b * voxel_cc;
    o->volume_difference_cc = ((double)c->b - (double)c->a) * voxel_cc;
    o->volume_difference_absolute_cc = fabs(o->volume_difference_cc);
    o->volume_difference_percent =
        c->a ? 100.0 * ((double)c->b - (double)c->a) / (double)c->a : NAN;
}

/* ---- surfaces ---------------------------------------------------------------------------- */

typedef struct sample {
    double distance_mm, area_mm2;
} sample;

static int by_distance(const void *left, const void *right)
{
    const sample *a = left, *b = right;
    if (a->distance_mm != b->distance_mm) return a->distance_mm < b->distance_mm ? -1 : 1;
    return (a->area_mm2 > b->area_mm2) - (a->area_mm2 < b->area_mm2);
}

/* Samples come in order of their distances, so sums do not depend on the order of the axes. */
static void summarise(const sample *samples, size_t count, rp_surface_distance *d)
{
    double area = 0.0, weighted = 0.0, within = 0.0;
    for (size_t i = 0; i < count; i++) {
        area += samples[i].area_mm2;
        weighted += samples[i].area_mm2 * samples[i].distance_mm;
    }
    size_t last = 0;
    while (last + 1 < count && (within += samples[last].area_mm2) < SHARE_OF_HAUSDORFF * area)
        last++;
    *d = (rp_surface_distance){.mean_mm = weighted / area,
                               .hd95_mm = samples[last].distance_mm,
                               .hd_mm = samples[count - 1].distance_mm,
                               .area_mm2 = area};
}

/* Adds the area within each tolerance to what surface_dice holds so far. Summed as summarise does,
 * so that a whole surface within comes to the whole area to the last bit. */
static void add_within(const sample *samples, size_t count, rp_overlap *o)
{
    for (size_t t = 0; t < o->tolerance_count; t++) {
        const double limit = o->tolerance_mm[t] * WITHIN;
        double area = 0.0;
        for (size_t i = 0; i < count && samples[i].distance_mm <= limit; i++)
            area += samples[i].area_mm2;
        o->surface_dice[t] += area;
    }
}

/* Elements that one task looks up. */
enum { TASK = 4096 };

typedef struct lookup {
    const surface *from, *to;
    sample *samples;
} lookup;

static void look_up(void *context, size_t task, int worker)
{
    (void)worker;
    const lookup *l = context;
    const size_t begin = task * TASK, left = l->from->count - begin;
    for (size_t i = begin; i < begin + (left < TASK ? left : TASK); i++)
        l->samples[i] = (sample){surface_distance_mm(l->to, l->from->items[i].cell),
                                 l->from->items[i].area_mm2};
}

static rp_status compare_directed(const surface *from, const surface *to, rp_surface_distance *d,
                                  rp_overlap *o, rp_error *err)
{
    RP_AUTOFREE sample *samples = rp_alloc(from->count, sizeof *samples);
    if (!samples)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu surface distances", from->count);
    lookup l = {from, to, samples};
    rp_parallel_for((from->count + TASK - 1) / TASK, look_up, &l);
    qsort(samples, from->count, sizeof *samples, by_distance);
    summarise(samples, from->count, d);
    add_within(samples, from->count, o);
    return RP_OK;
}

static rp_status compare_canonical(const rp_mask *reference, const rp_mask *prediction,
                                   rp_overlap *o, rp_error *err)
{
    surface a = {0}, b = {0};
    rp_surface_distance *there = &o->from_reference, *back = &o->from_prediction;
    rp_status status = surface_collect(reference, &a, err);
    if (!status) status = surface_collect(prediction, &b, err);
    if (!status) status = surface_index(&a, err);
    if (!status) status = surface_index(&b, err);
    if (!status) status = compare_directed(&a, &b, there, o, err);
    if (!status) status = compare_directed(&b, &a, back, o, err);
    if (!status) {
        o->surfaces_defined = true;
        o->hd95_mm = fmax(there->hd95_mm, back->hd95_mm);
        o->hd_mm = fmax(there->hd_mm, back->hd_mm);
        o->msd_mm = 0.5 * (there->mean_mm + back->mean_mm);
        for (size_t t = 0; t < o->tolerance_count; t++)
            o->surface_dice[t] /= there->area_mm2 + back->area_mm2;
    }
    surface_release(&a);
    surface_release(&b);
    return status;
}

/* Sums depend in their last bits on the order of axes, which is that of the patient. */
static rp_status compare_surfaces(const rp_mask *reference, const rp_mask *prediction,
                                  rp_overlap *o, rp_error *err)
{
    const rp_mask on_reference = {reference->grid, prediction->data}, *a, *b;
    rp_mask made_a = {0}, made_b = {0};
    rp_status status = rp_mask_canonical(reference, &made_a, &a, err);
    if (!status) status = rp_mask_canonical(&on_reference, &made_b, &b, err);
    if (!status) status = compare_canonical(a, b, o, err);
    rp_mask_release(&made_a);
    rp_mask_release(&made_b);
    return status;
}

static void leave_undefined(rp_overlap *o)
{
    const bool both = !o->reference_voxels && !o->prediction_voxels;
    const char *which = !o->reference_voxels ? "the reference is empty" : "the prediction is empty";
    snprintf(o->surfaces_reason, sizeof o->surfaces_reason, "%s",
             both ? "both masks are empty" : which);
    o->hd95_mm = o->hd_mm = o->msd_mm = NAN;
    o->from_reference = o->from_prediction = (rp_surface_distance){NAN, NAN, NAN, NAN};
    for (size_t t = 0; t < o->tolerance_count; t++) o->surface_dice[t] = both ? 1.0 : 0.0;
}

static rp_status check_tolerances(const double *tolerances_mm, size_t count, rp_error *err)
{
    if (count > RP_OVERLAP_TOLERANCES)
        return rp_fail(err, RP_ERR_ARGUMENT, "%zu tolerances, where at most %d are taken", count,
                       RP_OVERLAP_TOLERANCES);
    for (size_t t = 0; t < count; t++)
        if (!isfinite(tolerances_mm[t]) || tolerances_mm[t] < 0.0)
            return rp_fail(err, RP_ERR_ARGUMENT, "a tolerance of %g mm", tolerances_mm[t]);
    return RP_OK;
}

rp_status rp_measure_overlap(const rp_mask *reference, const rp_mask *prediction,
                             const double *tolerances_mm, size_t count, rp_overlap *overlap,
                             rp_error *err)
{
    rp_overlap o = {.tolerance_count = count};
    rp_status status = check_tolerances(tolerances_mm, count, err);
    if (!status) status = rp_grid_check(&reference->grid, err);
    if (status) return status;
    if (!rp_grid_same(&reference->grid, &prediction->grid, 1e-2))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "overlap needs two masks on one grid: resample one onto the other first");
    if (count) memcpy(o.tolerance_mm, tolerances_mm, count * sizeof *tolerances_mm);
    const voxel_counts c = count_voxels(reference, prediction);
    compare_volumes(reference, &c, &o);
    if (c.a && c.b)
        status = compare_surfaces(reference, prediction, &o, err);
    else
        leave_undefined(&o);
    if (!status) *overlap = o;
    return status;
}
