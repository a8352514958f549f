#include "internal.h"
#include "reprise/learn_ranges.h"

#include <math.h>
#include <string.h>

void rp_preprocessing_defaults(rp_preprocessing *p)
{
    *p = (rp_preprocessing){
        .window_low_hu = -150.0, .window_high_hu = 250.0, .spacing = {1.5, 1.5, 3.0}};
}

rp_status rp_preprocessing_check(const rp_preprocessing *p, rp_error *err)
{
#define WINDOW(name, low, high)                                                                    \
    if (!(p->name >= (low) && p->name <= (high)))                                                  \
        return rp_fail(err, RP_ERR_ARGUMENT, #name " is %g; it must be %g to %g", p->name, low,    \
                       high);
    RP_RANGES_WINDOW(WINDOW)
    if (!(p->window_low_hu < p->window_high_hu))
        return rp_fail(err, RP_ERR_ARGUMENT, "a window of %g..%g HU is impossible",
                       p->window_low_hu, p->window_high_hu);
#define SPACING(name, low, high)                                                                   \
    if (!(p->name[a] >= (low) && p->name[a] <= (high)))                                            \
        return rp_fail(err, RP_ERR_ARGUMENT,                                                       \
                       "a working grid of %g x %g x %g mm is outside %g..%g mm", p->name[0],       \
                       p->name[1], p->name[2], low, high);
    for (int a = 0; a < 3; a++) RP_RANGE_SPACING(SPACING)
    return RP_OK;
}

/* Where voxels lie beside one another, wherever the patient lies: what a file rounds its origin and
 * directions to, and which corner of the image it counts from, then touches no bit. */
static rp_grid in_place(const rp_grid *grid)
{
    return rp_grid_make(grid->size[0], grid->size[1], grid->size[2], grid->spacing[0],
                        grid->spacing[1], grid->spacing[2]);
}

rp_grid rp_working_grid(const rp_preprocessing *p, const rp_grid *grid)
{
    const rp_grid canonical = rp_grid_canonical(grid);
    return rp_grid_respaced(&canonical, p->spacing);
}

/* Part of an image in canonical order. */
typedef struct part {
    int low[3], size[3];
} part;

static part all_of(const rp_grid *canonical)
{
    return (part){{0, 0, 0}, {canonical->size[0], canonical->size[1], canonical->size[2]}};
}

/* A part of a grid, voxel for voxel. */
static rp_grid part_grid(const rp_grid *grid, const int low[3], const int size[3])
{
    const double first[3] = {low[0], low[1], low[2]};
    rp_grid out = *grid;
    rp_grid_to_world(grid, first, out.origin);
    memcpy(out.size, size, sizeof out.size);
    return out;
}

/* Into canonical order, and onto a grid `in_place`, on the way. Windowing comes before any
 * interpolation: metal, bone and air then weigh no more in a mixed voxel than the ends of the
 * window do. */
static rp_status apply_window(const rp_preprocessing *p, const rp_image *image, const part *of,
                              rp_image *out, rp_error *err)
{
    const rp_grid canonical = rp_grid_canonical(&image->grid), here = in_place(&canonical);
    const rp_grid grid = part_grid(&here, of->low, of->size);
    const rp_orientation o = rp_grid_orientation(&image->grid);
    const rp_strides from = rp_orientation_strides(&o, &image->grid);
    rp_status status = rp_image_init(out, &grid, err);
    if (status) return status;
    const double low = p->window_low_hu, scale = 1.0 / (p->window_high_hu - p->window_low_hu);
    size_t bad = 0;
    float *to = out->data;
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++) {
            const float *row = image->data + (ptrdiff_t)from.first + of->low[0] * from.step[0] +
                               (of->low[1] + y) * from.step[1] + (of->low[2] + z) * from.step[2];
            for (int x = 0; x < grid.size[0]; x++) {
                const double value = ((double)row[x * from.step[0]] - low) * scale;
                bad += !isfinite(value);
                *to++ = (float)(value > 0.0 ? (value < 1.0 ? value : 1.0) : 0.0);
            }
        }
    if (!bad) return RP_OK;
    rp_image_release(out);
    return rp_fail(err, RP_ERR_NUMERIC, "the image holds %zu voxels that are not finite numbers",
                   bad);
}

/* Linear interpolation looks at two source voxels per axis only, so a much finer image would be
 * aliased. Voxels as boxes: widths add in quadrature, and half of the missing width serves as the
 * standard deviation. Nearly equal spacings stay plainly linear. */
static bool smoothing(const rp_grid *from, const double spacing[3], double sigma[3])
{
    bool needed = false;
    for (int a = 0; a < 3; a++) {
        double ratio = spacing[a] / from->spacing[a];
        sigma[a] = ratio > 1.1 ? 0.5 * sqrt(ratio * ratio - 1.0) : 0.0;
        needed |= sigma[a] > 0.0;
    }
    return needed;
}

/* A windowed image, or as much of one as `there` depends on, on that grid. */
static rp_status bring(rp_image *windowed, const rp_grid *there, rp_image *out, rp_error *err)
{
    double sigma[3];
    rp_status status = RP_OK;
    if (smoothing(&windowed->grid, there->spacing, sigma))
        status = rp_smooth(windowed->data, windowed->grid.size, sigma, err);
    return status ? status : rp_image_resample(windowed, there, 0.0f, out, err);
}

rp_status rp_preprocess_image(const rp_preprocessing *p, const rp_image *image, rp_image *out,
                              rp_error *err)
{
    rp_image windowed = {0};
    *out = (rp_image){0};
    rp_status status = rp_preprocessing_check(p, err);
    if (!status) status = rp_grid_check(&image->grid, err);
    if (status) return status;
    const rp_grid canonical = rp_grid_canonical(&image->grid);
    const part all = all_of(&canonical);
    status = apply_window(p, image, &all, &windowed, err);
    if (status) goto done;
    const rp_grid there = rp_grid_respaced(&windowed.grid, p->spacing);
    if (rp_grid_same(&there, &windowed.grid, 1e-6)) {
        *out = windowed;
        out->grid = canonical;
        windowed = (rp_image){0};
        goto done;
    }
    status = bring(&windowed, &there, out, err);
    if (!status) out->grid = rp_grid_respaced(&canonical, p->spacing);
done:
    rp_image_release(&windowed);
    return status;
}

/* ---- a box of the working grid -------------------------------------------------------------- */

enum { SMOOTH_REACH = 4 }; /* standard deviations that rp_smooth looks away from a voxel, and one */

/* What the voxels of a grid in place depend on of an image in place; at least a voxel of it. */
static part source_of(const rp_grid *image, const rp_grid *there)
{
    part out;
    double sigma[3], first[3], last[3], corner[3];
    smoothing(image, there->spacing, sigma);
    for (int a = 0; a < 3; a++) corner[a] = there->origin[a];
    rp_grid_from_world(image, corner, first);
    for (int a = 0; a < 3; a++) corner[a] += (there->size[a] - 1) * there->spacing[a];
    rp_grid_from_world(image, corner, last);
    for (int a = 0; a < 3; a++) {
        const double reach = ceil(SMOOTH_REACH * sigma[a]) + 2.0, end = image->size[a] - 1;
        const int low = (int)fmin(fmax(floor(first[a] - reach), 0.0), end);
        const int high = (int)fmin(fmax(ceil(last[a] + reach), 0.0), end);
        out.low[a] = low;
        out.size[a] = high - low + 1;
    }
    return out;
}

/* The box on the working grid of an image that lies in place. */
static rp_grid box_in_place(const rp_preprocessing *p, const rp_grid *canonical, const int low[3],
                            const int size[3])
{
    const rp_grid here = in_place(canonical), working = rp_grid_respaced(&here, p->spacing);
    return part_grid(&working, low, size);
}

rp_grid rp_working_box(const rp_preprocessing *p, const rp_grid *image, const int low[3],
                       const int size[3])
{
    const rp_grid working = rp_working_grid(p, image);
    return part_grid(&working, low, size);
}

rp_status rp_preprocess_box(const rp_preprocessing *p, const rp_image *image, const int low[3],
                            const int size[3], rp_image *out, rp_error *err)
{
    rp_image windowed = {0};
    *out = (rp_image){0};
    rp_status status = rp_preprocessing_check(p, err);
    if (!status) status = rp_grid_check(&image->grid, err);
    if (status) return status;
    const rp_grid canonical = rp_grid_canonical(&image->grid), here = in_place(&canonical);
    const rp_grid there = box_in_place(p, &canonical, low, size);
    const part source = source_of(&here, &there);
    status = apply_window(p, image, &source, &windowed, err);
    if (!status) status = bring(&windowed, &there, out, err);
    if (!status) out->grid = rp_working_box(p, &image->grid, low, size);
    rp_image_release(&windowed);
    return status;
}

/* As much of a mask as holds its voxels, and some more: the rest is of no use to resampling. */
static rp_status cut_mask(const rp_mask *mask, rp_mask *out, rp_error *err)
{
    int low[3], high[3], size[3];
    const bool any = rp_mask_bounds(mask, low, high);
    for (int a = 0; a < 3; a++) {
        low[a] = any && low[a] > 2 ? low[a] - 2 : 0;
        high[a] = any && high[a] + 2 < mask->grid.size[a] ? high[a] + 2 : mask->grid.size[a] - 1;
        size[a] = high[a] - low[a] + 1;
    }
    const rp_grid grid = part_grid(&mask->grid, low, size);
    rp_status status = rp_mask_init(out, &grid, err);
    for (int z = 0; !status && z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            memcpy(out->data + rp_grid_index(&grid, 0, y, z),
                   mask->data + rp_grid_index(&mask->grid, low[0], low[1] + y, low[2] + z),
                   (size_t)size[0]);
    return status;
}

rp_status rp_preprocess_box_mask(const rp_preprocessing *p, const rp_mask *mask,
                                 const rp_grid *image, const int low[3], const int size[3],
                                 rp_mask *out, rp_error *err)
{
    const rp_grid own = rp_grid_canonical(&mask->grid), canonical = rp_grid_canonical(image);
    const rp_grid box = rp_working_box(p, image, low, size);
    rp_mask cut = {0}, made = {0};
    *out = (rp_mask){0};
    if (!rp_grid_same(&own, &canonical, 1e-2)) {
        rp_status status = cut_mask(mask, &cut, err);
        if (!status) status = rp_mask_resample(&cut, &box, out, err);
        rp_mask_release(&cut);
        return status;
    }
    const rp_mask *in_order;
    rp_status status = rp_mask_canonical(mask, &made, &in_order, err);
    if (!status) {
        const rp_mask here = {in_place(&canonical), in_order->data};
        const rp_grid there = box_in_place(p, &canonical, low, size);
        status = cut_mask(&here, &cut, err);
        if (!status) status = rp_mask_resample(&cut, &there, out, err);
    }
    if (!status) out->grid = box;
    rp_mask_release(&cut);
    rp_mask_release(&made);
    return status;
}

/* ---- whole images --------------------------------------------------------------------------- */

rp_status rp_working_mask(const rp_preprocessing *p, const rp_mask *mask, const rp_grid *grid,
                          rp_mask *out, rp_error *err)
{
    const rp_grid own = rp_grid_canonical(&mask->grid), image = rp_grid_canonical(grid);
    const rp_grid working = rp_grid_respaced(&image, p->spacing);
    if (!rp_grid_same(&own, &image, 1e-2)) return rp_mask_resample(mask, &working, out, err);
    const rp_mask *canonical;
    rp_mask made;
    *out = (rp_mask){0};
    rp_status status = rp_mask_canonical(mask, &made, &canonical, err);
    if (status) return status;
    const rp_mask here = {in_place(&image), canonical->data};
    const rp_grid there = rp_grid_respaced(&here.grid, p->spacing);
    status = rp_mask_resample(&here, &there, out, err);
    if (!status) out->grid = working;
    rp_mask_release(&made);
    return status;
}

rp_status rp_deliver(const rp_grid *grid, rp_image *working, rp_image *out, rp_error *err)
{
    const rp_grid canonical = rp_grid_canonical(grid);
    const rp_grid there = in_place(&canonical);
    working->grid = rp_grid_respaced(&there, working->grid.spacing);
    rp_status status = rp_image_resample(working, &there, 0.0f, out, err);
    if (!status) out->grid = canonical;
    return status;
}

rp_status rp_deliver_box(const rp_preprocessing *p, const rp_grid *image, const int low[3],
                         rp_image *working, rp_image *out, rp_error *err)
{
    const rp_grid canonical = rp_grid_canonical(image), here = in_place(&canonical);
    const rp_grid box = box_in_place(p, &canonical, low, working->grid.size);
    part covered;
    for (int a = 0; a < 3; a++) {
        const double from = box.origin[a] - 0.5 * box.spacing[a];
        const double to = from + box.size[a] * box.spacing[a], end = here.size[a] - 1;
        const int first = (int)fmin(fmax(ceil(from / here.spacing[a] - 1e-6), 0.0), end);
        const int last = (int)fmin(fmax(floor(to / here.spacing[a] + 1e-6), first), end);
        covered.low[a] = first;
        covered.size[a] = last - first + 1;
    }
    const rp_grid there = part_grid(&here, covered.low, covered.size);
    working->grid = box;
    rp_status status = rp_image_resample(working, &there, 0.0f, out, err);
    if (!status) out->grid = part_grid(&canonical, covered.low, covered.size);
    return status;
}

/* RP_ERR_REFUSED for a contour that nothing can be learned from. */
static rp_status check_lesion(const rp_mask *mask, const rp_mask *lesion, rp_error *err)
{
    const size_t kept = rp_mask_count(lesion);
    const double *spacing = lesion->grid.spacing;
    if (kept == 0)
        return rp_fail(err, RP_ERR_REFUSED,
                       "the contour holds no voxel of the working grid of %g x %g x %g mm: it lies "
                       "outside the image or is too small",
                       spacing[0], spacing[1], spacing[2]);
    if (rp_mask_count(mask) == rp_grid_voxels(&mask->grid) || kept == rp_grid_voxels(&lesion->grid))
        return rp_fail(err, RP_ERR_REFUSED, "the contour covers everything");
    return RP_OK;
}

rp_status rp_working_pair(const rp_preprocessing *p, const rp_image *image, const rp_mask *mask,
                          rp_image *working, rp_mask *lesion, rp_error *err)
{
    if (rp_mask_count(mask) == 0) return rp_fail(err, RP_ERR_REFUSED, "the contour is empty");
    rp_status status = rp_preprocess_image(p, image, working, err);
    if (!status) status = rp_working_mask(p, mask, &image->grid, lesion, err);
    return status ? status : check_lesion(mask, lesion, err);
}

rp_status rp_box_pair(const rp_preprocessing *p, const rp_image *image, const rp_mask *mask,
                      const int low[3], const int size[3], rp_image *working, rp_mask *lesion,
                      rp_error *err)
{
    rp_status status = rp_preprocess_box(p, image, low, size, working, err);
    if (!status) status = rp_preprocess_box_mask(p, mask, &image->grid, low, size, lesion, err);
    return status ? status : check_lesion(mask, lesion, err);
}
