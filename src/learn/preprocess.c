#include "internal.h"
#include "reprise/learn_ranges.h"

#include <math.h>

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

/* Into canonical order on the way. Windowing comes before any interpolation: metal, bone and air
 * then weigh no more in a mixed voxel than the ends of the window do. */
static rp_status apply_window(const rp_preprocessing *p, const rp_image *image, rp_image *out,
                              rp_error *err)
{
    const rp_grid grid = rp_grid_canonical(&image->grid);
    const rp_orientation o = rp_grid_orientation(&image->grid);
    const rp_strides from = rp_orientation_strides(&o, &image->grid);
    rp_status status = rp_image_init(out, &grid, err);
    if (status) return status;
    const double low = p->window_low_hu, scale = 1.0 / (p->window_high_hu - p->window_low_hu);
    size_t bad = 0;
    float *to = out->data;
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++) {
            const float *row =
                image->data + (ptrdiff_t)from.first + y * from.step[1] + z * from.step[2];
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
static rp_status smooth_for_spacing(rp_image *image, const double spacing[3], rp_error *err)
{
    double sigma[3];
    bool needed = false;
    for (int a = 0; a < 3; a++) {
        double ratio = spacing[a] / image->grid.spacing[a];
        sigma[a] = ratio > 1.1 ? 0.5 * sqrt(ratio * ratio - 1.0) : 0.0;
        needed |= sigma[a] > 0.0;
    }
    return needed ? rp_smooth(image->data, image->grid.size, sigma, err) : RP_OK;
}

rp_status rp_preprocess_image(const rp_preprocessing *p, const rp_image *image, rp_image *out,
                              rp_error *err)
{
    rp_image windowed = {0};
    *out = (rp_image){0};
    rp_status status = rp_preprocessing_check(p, err);
    if (!status) status = rp_grid_check(&image->grid, err);
    if (!status) status = apply_window(p, image, &windowed, err);
    if (status) goto done;
    const rp_grid canonical = windowed.grid;
    windowed.grid = in_place(&canonical);
    const rp_grid there = rp_grid_respaced(&windowed.grid, p->spacing);
    if (rp_grid_same(&there, &windowed.grid, 1e-6)) {
        *out = windowed;
        out->grid = canonical;
        windowed = (rp_image){0};
        goto done;
    }
    status = smooth_for_spacing(&windowed, p->spacing, err);
    if (!status) status = rp_image_resample(&windowed, &there, 0.0f, out, err);
    if (!status) out->grid = rp_grid_respaced(&canonical, p->spacing);
done:
    rp_image_release(&windowed);
    return status;
}

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

rp_status rp_working_pair(const rp_preprocessing *p, const rp_image *image, const rp_mask *mask,
                          rp_image *working, rp_mask *lesion, rp_error *err)
{
    const size_t inside = rp_mask_count(mask);
    if (inside == 0) return rp_fail(err, RP_ERR_REFUSED, "the contour is empty");
    rp_status status = rp_preprocess_image(p, image, working, err);
    if (!status) status = rp_working_mask(p, mask, &image->grid, lesion, err);
    if (status) return status;
    const size_t kept = rp_mask_count(lesion);
    const double *spacing = working->grid.spacing;
    if (kept == 0)
        return rp_fail(err, RP_ERR_REFUSED,
                       "the contour holds no voxel of the working grid of %g x %g x %g mm: it lies "
                       "outside the image or is too small",
                       spacing[0], spacing[1], spacing[2]);
    if (inside == rp_grid_voxels(&mask->grid) || kept == rp_grid_voxels(&working->grid))
        return rp_fail(err, RP_ERR_REFUSED, "the contour covers everything");
    return RP_OK;
}
