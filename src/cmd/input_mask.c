/* Masks with a grid of their own: reading them, and putting them on the grid of an image. */
#include "input.h"
#include "origin.h"

#include <math.h>
#include <string.h>

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

rp_status input_read_region(const char *file, const char *label, rp_mask *mask, rp_remarks *remarks,
                            rp_error *err)
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
    return status;
}

static int32_t least_value(const rp_labels *labels)
{
    int32_t least = 0;
    for (size_t i = 0; i < rp_grid_voxels(&labels->grid); i++)
        if (labels->data[i] < least) least = labels->data[i];
    return least;
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
    const int32_t least = map ? least_value(&labels) : 0;
    rp_labels_release(&labels);
    rp_remarks_release(&again);
    if (least < 0)
        return rp_fail(err, status, "%s: holds the value %d: an image, not a mask", file, least);
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
    cmd_origin_remark(file, remarks);
    if (!label) return read_one_mask(file, mask, remarks, err);
    rp_status status = input_read_region(file, label, mask, remarks, err);
    if (status || rp_mask_count(mask) > 0) return status;
    rp_mask_release(mask);
    return rp_fail(err, RP_ERR_ARGUMENT, "%s: no voxel has the label %s", file, label);
}

/* ---- on the grid of an image ------------------------------------------------------------- */

double cmd_mask_cc(const rp_mask *mask)
{
    return (double)rp_mask_count(mask) * rp_grid_voxel_mm3(&mask->grid) / 1000.0;
}

static double smallest(const rp_grid *grid)
{
    return fmin(grid->spacing[0], fmin(grid->spacing[1], grid->spacing[2]));
}

static bool same_matrix(const rp_grid *a, const rp_grid *b)
{
    return memcmp(a->size, b->size, sizeof a->size) == 0;
}

rp_grid_relation input_relate(const rp_grid *mask, const rp_grid *image)
{
    return rp_grid_relate(mask, image, fmax(0.01 * smallest(image), 1e-3));
}

bool input_lies_elsewhere(const rp_grid *mask, const rp_grid *image, double most_voxels)
{
    return same_matrix(mask, image) && input_relate(mask, image) != RP_GRID_SAME &&
           rp_grid_apart_mm(mask, image) > most_voxels * smallest(image);
}

/* What writers leave that were given no geometry, and what is read where a file tells none: along
 * the axes of the world from the origin on. No scanner puts an image there. */
static bool is_nowhere(const rp_grid *g)
{
    for (int a = 0; a < 3; a++) {
        if (g->origin[a] != 0) return false;
        for (int b = 0; b < 3; b++)
            if (a != b && g->direction[a][b] != 0) return false;
    }
    return true;
}

static double largest(const rp_grid *grid)
{
    return fmax(grid->spacing[0], fmax(grid->spacing[1], grid->spacing[2]));
}

/* Where the lesion lies by its own header and by its place in the image's matrix. */
static double moved_mm(const rp_mask *mask, const rp_grid *image)
{
    rp_mask as_image = *mask;
    double here[3], there[3], square = 0;
    as_image.grid = *image;
    if (!rp_mask_centroid(mask, here) || !rp_mask_centroid(&as_image, there)) return 0;
    for (int r = 0; r < 3; r++) square += (here[r] - there[r]) * (here[r] - there[r]);
    return sqrt(square);
}

rp_status input_check_header(const char *file, const rp_mask *mask, const rp_grid *image,
                             rp_remarks *remarks, rp_error *err)
{
    if (!input_lies_elsewhere(&mask->grid, image, 0)) return RP_OK;
    if (input_relate(&mask->grid, image) == RP_GRID_OTHER && is_nowhere(&mask->grid) &&
        rp_grid_apart_mm(&mask->grid, image) > largest(image))
        return rp_fail(
            err, RP_ERR_REFUSED,
            "%s: the mask has the image's matrix (%d x %d x %d), but its header does not "
            "say where it lies, unlike the image's: save it with the image's header",
            file, image->size[0], image->size[1], image->size[2]);
    rp_remark_add(
        remarks, "mask_elsewhere",
        "The mask has the image's matrix (%d x %d x %d), but its header puts it "
        "elsewhere: voxels of the same index lie up to %.3g mm apart, the lesion's centre "
        "%.3g mm. It was taken as its header says; check that it was made for this image.",
        image->size[0], image->size[1], image->size[2], rp_grid_apart_mm(&mask->grid, image),
        moved_mm(mask, image));
    return RP_OK;
}

/* A word about parts that were too small for the image's voxels, or joined in them. */
static rp_status tell_parts(const rp_mask *before, const rp_mask *after, rp_remarks *remarks,
                            rp_error *err)
{
    rp_labels labels = {0};
    int32_t was = 0, is = 0;
    rp_status status = rp_mask_components(before, 26, &labels, &was, NULL, err);
    rp_labels_release(&labels);
    if (!status) status = rp_mask_components(after, 26, &labels, &is, NULL, err);
    rp_labels_release(&labels);
    if (!status && was != is)
        rp_remark_add(remarks, "mask_parts_changed",
                      "On that grid the mask has %d parts instead of %d: some were too small "
                      "for its voxels, or joined or fell apart.",
                      is, was);
    return status;
}

void input_tell_outside(double outside, double all, rp_remarks *remarks)
{
    rp_remark_add(remarks, "mask_partly_outside",
                  "%.1f%% of the mask lie outside the image and were left out: volume, and perhaps "
                  "diameter, are too small.",
                  fmax(0.1, 100 * outside / all));
}

static void tell_resampled(const rp_mask *before, const rp_mask *after, rp_remarks *remarks)
{
    const rp_grid *b = &before->grid, *a = &after->grid;
    const double was = cmd_mask_cc(before), is = cmd_mask_cc(after);
    const size_t outside = rp_mask_count_outside(before, a);
    rp_remark_add(remarks, "mask_resampled",
                  "The mask was put on another grid: %d x %d x %d voxels of %.4g x %.4g x %.4g "
                  "mm became %d x %d x %d of %.4g x %.4g x %.4g mm, %.3f cc became %.3f cc "
                  "(%+.1f%%).",
                  b->size[0], b->size[1], b->size[2], b->spacing[0], b->spacing[1], b->spacing[2],
                  a->size[0], a->size[1], a->size[2], a->spacing[0], a->spacing[1], a->spacing[2],
                  was, is, was > 0 ? 100 * (is / was - 1) : 0);
    if (outside) input_tell_outside((double)outside, (double)rp_mask_count(before), remarks);
}

rp_status input_put_on(const char *file, rp_mask *mask, const rp_grid *grid, const char *image,
                       rp_remarks *remarks, rp_error *err)
{
    const rp_grid_relation relation = input_relate(&mask->grid, grid);
    if (relation == RP_GRID_SAME) {
        mask->grid = *grid;
        return RP_OK;
    }
    rp_mask moved = {0};
    rp_status status = input_check_header(file, mask, grid, remarks, err);
    if (!status) status = rp_mask_resample(mask, grid, &moved, err);
    if (!status && rp_mask_count(mask) > 0 && rp_mask_count(&moved) == 0)
        status =
            rp_fail(err, RP_ERR_REFUSED, "%s: the mask lies outside the image %s", file, image);
    if (!status && relation == RP_GRID_OTHER) {
        tell_resampled(mask, &moved, remarks);
        status = tell_parts(mask, &moved, remarks, err);
    }
    if (status) {
        rp_mask_release(&moved);
        return status;
    }
    rp_mask_release(mask);
    *mask = moved;
    return RP_OK;
}

rp_status input_place(const char *file, rp_mask *mask, const cmd_ct *ct, rp_remarks *remarks,
                      rp_error *err)
{
    const rp_grid *grid = &ct->series.image.grid;
    if (rp_remark_find(&ct->remarks, "position_unknown") &&
        input_relate(&mask->grid, grid) == RP_GRID_OTHER &&
        input_lies_elsewhere(&mask->grid, grid, largest(grid) / smallest(grid)))
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: the mask has the image's matrix (%d x %d x %d), but %s does not say "
                       "where it lies, unlike the mask: save it with the header that it had",
                       file, grid->size[0], grid->size[1], grid->size[2], ct->path);
    return input_put_on(file, mask, grid, ct->path, remarks, err);
}
