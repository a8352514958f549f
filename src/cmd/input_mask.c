/* Masks with a grid of their own: reading them, and putting them on the grid of an image. */
#include "input.h"

#include <math.h>
#include <string.h>

rp_status input_place(const char *file, rp_mask *mask, const cmd_ct *ct, rp_error *err)
{
    const rp_grid *grid = &ct->series.image.grid;
    const double tolerance =
        0.01 * fmin(grid->spacing[0], fmin(grid->spacing[1], grid->spacing[2]));
    if (rp_grid_same(&mask->grid, grid, fmax(tolerance, 1e-3))) {
        mask->grid = *grid;
        return RP_OK;
    }
    rp_mask moved = {0};
    const double before_cc = (double)rp_mask_count(mask) * rp_grid_voxel_mm3(&mask->grid) / 1000.0;
    rp_status status = rp_mask_resample(mask, grid, &moved, err);
    if (status) return status;
    const double after_cc = (double)rp_mask_count(&moved) * rp_grid_voxel_mm3(grid) / 1000.0;
    rp_mask_release(mask);
    *mask = moved;
    if (before_cc > 0.0 && after_cc == 0.0)
        return rp_fail(err, RP_ERR_REFUSED, "%s: the mask lies outside the image %s", file,
                       ct->path);
    if (after_cc < 0.9 * before_cc)
        rp_log(RP_LOG_WARNING, "%s: %.0f%% of the mask was lost on the image's grid", file,
               100.0 * (1.0 - after_cc / before_cc));
    return RP_OK;
}

bool cmd_mask_probe(const char *file)
{
    return rp_nifti_probe(file) || rp_seg_probe(file);
}

/* "2", or "1+2" for the region that they make together. */
static bool parse_values(const char *label, int32_t *values, size_t most, size_t *count)
{
    char number[16];
    *count = 0;
    for (const char *at = label; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL) {
        int value;
        snprintf(number, sizeof number, "%.*s", (int)strcspn(at, "+"), at);
        if (*count == most || !cmd_parse_int(number, INT32_MIN, INT32_MAX, &value) || value == 0)
            return false;
        values[(*count)++] = value;
    }
    return true;
}

static rp_status read_region(const char *file, const char *label, rp_mask *mask,
                             rp_remarks *remarks, rp_error *err)
{
    int32_t values[64];
    size_t count;
    rp_labels labels = {0};
    if (!parse_values(label, values, sizeof values / sizeof *values, &count))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: a label of NIfTI is a number, or several with + between them, not '%s'",
                       file, label);
    rp_status status = rp_nifti_read_labels(file, &labels, remarks, err);
    if (!status) status = rp_labels_select_region(&labels, values, count, mask, err);
    rp_labels_release(&labels);
    if (!status && rp_mask_count(mask) == 0) {
        rp_mask_release(mask);
        status = rp_fail(err, RP_ERR_ARGUMENT, "%s: no voxel has the label %s", file, label);
    }
    return status;
}

/* A label map is no mask, but holds some: the message says how to come by them. */
static rp_status read_one_mask(const char *file, rp_mask *mask, rp_remarks *remarks, rp_error *err)
{
    rp_labels labels = {0};
    rp_remarks again = {0};
    rp_error why = {0};
    rp_status status = rp_nifti_read_mask(file, false, mask, remarks, &why);
    if (!status) return RP_OK;
    const bool map =
        status == RP_ERR_FORMAT && rp_nifti_read_labels(file, &labels, &again, NULL) == RP_OK;
    rp_labels_release(&labels);
    rp_remarks_release(&again);
    return rp_fail(err, status, "%s%s", why.message,
                   map ? "; FILE:LABEL takes one of them, FILE:1+2 two as one, and measure "
                         "--labels each as a lesion"
                       : "");
}

rp_status cmd_mask_read(const char *file, const char *label, rp_mask *mask, rp_remarks *remarks,
                        rp_error *err)
{
    if (!rp_nifti_probe(file) && rp_seg_probe(file))
        return input_read_seg(file, label, 0.0, mask, err);
    return label ? read_region(file, label, mask, remarks, err)
                 : read_one_mask(file, mask, remarks, err);
}
