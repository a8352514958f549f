/* The NIfTI reader: header, image, labels and mask of one file. */
#include "fuzz.h"
#include "reprise/io.h"

static void check_grid(const rp_grid *grid, const rp_nifti_info *info)
{
    fuzz_check(rp_grid_check(grid, NULL) == RP_OK, "a delivered grid is sound");
    fuzz_check(memcmp(grid, &info->grid, sizeof *grid) == 0, "every function delivers one grid");
}

static void read_image(const char *path, const rp_nifti_info *info, rp_status opened)
{
    rp_image image = {0};
    rp_error err = {0};
    rp_status status = rp_nifti_read_image(path, &image, NULL, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(opened == RP_OK || status != RP_OK, "an image has a header");
    fuzz_check(status == RP_OK || !image.data, "a failure leaves nothing behind");
    if (status) return;
    check_grid(&image.grid, info);
    fuzz_check_finite(image.data, rp_grid_voxels(&image.grid));
    rp_image_release(&image);
}

static void read_labels(const char *path, const rp_nifti_info *info)
{
    rp_labels labels = {0};
    rp_error err = {0};
    rp_status status = rp_nifti_read_labels(path, &labels, NULL, &err);
    fuzz_check_error(status, &err, path);
    if (status) return;
    check_grid(&labels.grid, info);
    rp_labels_release(&labels);
}

static void read_mask(const char *path, bool any_label, const rp_nifti_info *info)
{
    rp_mask mask = {0};
    rp_error err = {0};
    rp_status status = rp_nifti_read_mask(path, any_label, &mask, NULL, &err);
    fuzz_check_error(status, &err, path);
    if (status) return;
    check_grid(&mask.grid, info);
    for (size_t i = 0; i < rp_grid_voxels(&mask.grid); i++)
        fuzz_check(mask.data[i] <= 1, "a mask holds 0 and 1");
    rp_mask_release(&mask);
}

static void read_comment(const char *path, rp_status opened)
{
    char *comment = NULL;
    rp_error err = {0};
    rp_status status = rp_nifti_read_comment(path, &comment, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(status == RP_OK || opened != RP_OK, "what has a grid has a header");
    fuzz_check(status == RP_OK || !comment, "a failure leaves nothing behind");
    rp_free(comment);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    rp_nifti_info info = {0};
    rp_error err = {0};
    rp_nifti_probe(path);
    rp_status opened = rp_nifti_info_read(path, &info, NULL, &err);
    fuzz_check_error(opened, &err, path);
    read_image(path, &info, opened);
    read_labels(path, &info);
    read_mask(path, false, &info);
    read_mask(path, true, &info);
    read_comment(path, opened);
}
