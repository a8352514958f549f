/* Figures of an image's values, and whether they can be Hounsfield units. */
#include "reprise/volume_values.h"

#include <math.h>
#include <string.h>

/* A bin for each HU from lowest_bin on; what lies beyond is in the first and last. */
enum { lowest_bin = -32768, bins = 65536 };

static const int air_below = -700, tissue_above = -200, fat_below = -50, bone_above = 300;
static const int compact_from = 800, compact_to = 1300;
static const int deep_below = -1100;
static const int plateau_from = -700, plateau_to = -250, plateau_width = 64;
/* Lungs and the table under the patient reach above, the noise of air here and there. */
static const float air_at_most = -700;
static const double few_voxels = 0.001;

typedef struct plane {
    float lowest, highest;
    size_t at_lowest, dense; /* voxels of the lowest value; above air_at_most */
} plane;

typedef struct values_job {
    const rp_image *image;
    uint64_t *counts; /* bins for each worker */
    plane *planes;
    int axis; /* across which the planes lie */
} values_job;

/* ---- passes ------------------------------------------------------------------------------ */

static void count_task(void *context, size_t z, int worker)
{
    const values_job *job = context;
    const rp_grid *g = &job->image->grid;
    const size_t pixels = (size_t)g->size[0] * (size_t)g->size[1];
    const float *data = job->image->data + z * pixels;
    uint64_t *counts = job->counts + (size_t)worker * bins;
    for (size_t i = 0; i < pixels; i++) {
        const float bounded = fminf(fmaxf(data[i], lowest_bin), lowest_bin + bins - 1);
        counts[(int)floorf(bounded) - lowest_bin]++;
    }
}

static void note_value(plane *p, float value)
{
    if (value < p->lowest) p->at_lowest = 0;
    p->lowest = fminf(p->lowest, value);
    p->highest = fmaxf(p->highest, value);
    p->at_lowest += value == p->lowest;
    p->dense += value > air_at_most;
}

static void plane_task(void *context, size_t k, int worker)
{
    const values_job *job = context;
    const rp_grid *g = &job->image->grid;
    const int a = job->axis, u = a == 0, v = a == 2 ? 1 : 2;
    plane p = {.lowest = INFINITY, .highest = -INFINITY};
    int at[3];
    (void)worker;
    at[a] = (int)k;
    for (at[v] = 0; at[v] < g->size[v]; at[v]++)
        for (at[u] = 0; at[u] < g->size[u]; at[u]++)
            note_value(&p, job->image->data[rp_grid_index(g, at[0], at[1], at[2])]);
    job->planes[k] = p;
}

/* ---- figures ----------------------------------------------------------------------------- */

/* Voxels of first <= HU < end. */
static size_t between(const uint64_t *counts, int first, int end)
{
    size_t sum = 0;
    for (int hu = first; hu < end; hu++) sum += counts[hu - lowest_bin];
    return sum;
}

/* The most voxels within plateau_width. */
static size_t plateau(const uint64_t *counts)
{
    size_t most = 0;
    for (int hu = plateau_from; hu + plateau_width <= plateau_to; hu++) {
        const size_t here = between(counts, hu, hu + plateau_width);
        if (here > most) most = here;
    }
    return most;
}

static double median_from(const uint64_t *counts, int first, size_t voxels)
{
    size_t sum = 0;
    for (int hu = first; voxels && hu < lowest_bin + bins; hu++) {
        sum += counts[hu - lowest_bin];
        if (2 * sum >= voxels) return hu;
    }
    return 0;
}

static void take_shares(const uint64_t *counts, size_t voxels, rp_values *values)
{
    const int end = lowest_bin + bins;
    const size_t tissue = between(counts, tissue_above, end);
    const double all = (double)voxels, of_tissue = tissue ? (double)tissue : 1;
    values->air_share = (double)between(counts, lowest_bin, air_below) / all;
    values->lung_share = (double)between(counts, air_below, tissue_above) / all;
    values->plateau_share = (double)plateau(counts) / all;
    values->deep_share = (double)between(counts, lowest_bin, deep_below) / all;
    if (values->lowest < (float)deep_below) values->deep_share -= values->lowest_share;
    values->tissue_share = (double)tissue / all;
    values->tissue_median = median_from(counts, tissue_above, tissue);
    values->fat_share = (double)between(counts, tissue_above, fat_below) / of_tissue;
    values->bone_share = (double)between(counts, bone_above, end) / of_tissue;
    values->spongy_share = (double)between(counts, bone_above, compact_from) / of_tissue;
    values->compact_share = (double)between(counts, compact_from, compact_to) / of_tissue;
}

static bool is_blank(const plane *p, size_t pixels)
{
    return p->lowest == p->highest || (double)p->dense < few_voxels * (double)pixels;
}

static void take_extremes(const plane *planes, size_t voxels, rp_values *values)
{
    size_t floor = 0;
    values->lowest = INFINITY;
    values->highest = -INFINITY;
    for (int k = 0; k < values->slices; k++) {
        values->lowest = fminf(values->lowest, planes[k].lowest);
        values->highest = fmaxf(values->highest, planes[k].highest);
    }
    for (int k = 0; k < values->slices; k++)
        if (planes[k].lowest == values->lowest) floor += planes[k].at_lowest;
    values->lowest_share = (double)floor / (double)voxels;
}

static void take_blanks(const plane *planes, size_t pixels, rp_values *values)
{
    int first = 0, last = values->slices - 1;
    while (first <= last && is_blank(&planes[first], pixels)) first++;
    while (last >= first && is_blank(&planes[last], pixels)) last--;
    values->blank_is_uniform = true;
    for (int k = 0; k < values->slices; k++) {
        if (!is_blank(&planes[k], pixels)) continue;
        values->blank_slices++;
        values->blank_inside += k > first && k < last;
        if (planes[k].lowest < planes[k].highest) values->blank_is_uniform = false;
    }
}

rp_status rp_image_values(const rp_image *image, rp_values *values, rp_error *err)
{
    const rp_grid *g = &image->grid;
    const size_t workers = (size_t)rp_threads_get(), voxels = rp_grid_voxels(g);
    values_job job = {.image = image, .axis = rp_grid_axial_axis(g)};
    *values = (rp_values){.slices = g->size[job.axis]};
    RP_AUTOFREE uint64_t *counts = rp_alloc(workers * bins, sizeof *counts);
    RP_AUTOFREE plane *planes = rp_alloc((size_t)values->slices, sizeof *planes);
    if (!counts || !planes)
        return rp_fail(err, RP_ERR_MEMORY, "out of memory for the figures of an image");
    job.counts = counts;
    job.planes = planes;
    rp_parallel_for((size_t)g->size[2], count_task, &job);
    rp_parallel_for((size_t)values->slices, plane_task, &job);
    for (size_t i = bins; i < workers * bins; i++) counts[i % bins] += counts[i];
    take_extremes(planes, voxels, values);
    take_shares(counts, voxels, values);
    take_blanks(planes, voxels / (size_t)values->slices, values);
    return RP_OK;
}

/* ---- judgement --------------------------------------------------------------------------- */

/* Noise alone spreads the values of a CT over more than that. */
static const double narrowest_range = 20;
/* Of soft tissue with contrast 200, of a piece of bone 450. */
static const double highest_median = 500;
/* Soft tissue plus 1024 in an image with air; bone has more voxels of less than 800 than beyond. */
static const double offset_share = 0.15, offset_ratio = 3;
/* The same of a small part of the image, where neither air nor fat is at its place. */
static const double small_offset_share = 0.02, least_fat = 0.01;
/* Background that was set to 0, or cut off there. */
static const double floor_share = 0.01;
/* The corners outside the scan circle, set to some low value and compressed, are 0.21. */
static const double deep_share = 0.3;
/* Air at half its depth, where none is at -1000. */
static const double plateau_share = 0.2, hardly_any = 0.001;
/* Of what is denser than air, even of a piece of lung. */
static const double least_tissue = 0.04;
static const double most_blank = 0.25;

static bool is_offset(const rp_values *v)
{
    if (v->compact_share <= offset_ratio * v->spongy_share) return false;
    return v->compact_share > offset_share ||
           (v->compact_share > small_offset_share && v->air_share < hardly_any &&
            v->fat_share < least_fat);
}

enum scale { SCALE_HU, NARROW, OFFSET, FLOOR, DENSE, DEEP, SHALLOW, THIN };

static enum scale scale_of(const rp_values *v)
{
    const double solid = v->tissue_share + v->lung_share;
    if ((double)v->highest - (double)v->lowest < narrowest_range) return NARROW;
    if (is_offset(v)) return OFFSET;
    if (v->lowest >= 0 && v->lowest < 1 && v->lowest_share > floor_share) return FLOOR;
    if (v->tissue_median > highest_median) return DENSE;
    if (v->deep_share > deep_share) return DEEP;
    if (v->air_share < hardly_any && v->plateau_share > plateau_share) return SHALLOW;
    return v->tissue_share < least_tissue * solid || solid < hardly_any ? THIN : SCALE_HU;
}

static void check_scale(const rp_values *v, rp_remarks *remarks)
{
    static const char *const texts[] = {
        [NARROW] = "they span less than the noise of any CT, as if scaled",
        [OFFSET] = "soft tissue seems to lie near 1024, as if the rescale intercept had been left "
                   "out",
        [FLOOR] = "none lies below 0, where many are: cut off, scaled or masked",
        [DENSE] = "the median of what is denser than fat is far above that of any tissue",
        [DEEP] = "a large part lies below -1100, deeper than air",
        [SHALLOW] = "what seems to be air lies above -700, as if the slope were wrong",
        [THIN] = "hardly any lies above -200, where fat and all denser tissue are",
    };
    const enum scale scale = scale_of(v);
    if (scale != SCALE_HU)
        rp_remark_add(remarks, "values_not_hu",
                      "The values (%g to %g, median of those above -200: %.0f) do not look like HU "
                      "(air -1000, water 0), which contours and windows assume: %s.",
                      (double)v->lowest, (double)v->highest, v->tissue_median, texts[scale]);
}

void rp_values_check(const rp_values *v, rp_remarks *remarks)
{
    const bool many = v->blank_slices > most_blank * v->slices;
    if (v->lowest >= v->highest) {
        rp_remark_add(remarks, "values_uniform",
                      "The image is blank: every voxel holds the one value %g.", (double)v->lowest);
        return;
    }
    check_scale(v, remarks);
    if (v->blank_inside || many)
        rp_remark_add(remarks, "blank_slices",
                      "%d of %d slices are blank%s: they hold %s. What lies there is missing from "
                      "the image.",
                      v->blank_slices, v->slices,
                      v->blank_inside ? ", some of them between slices that show something" : "",
                      v->blank_is_uniform ? "one value each" : "nothing but air");
}
