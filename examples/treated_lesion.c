/* The lesion of one image as the quick recipe's training shows it: changed as treatment changes it.
 * For the pictures of docs/adaptation.md; patient_pictures.py compiles it.
 *
 *     treated_lesion IMAGE.nii.gz MASK.nii.gz SEED COUNT OUT
 *
 * writes OUT0.nii, OUT0_mask.nii and so on, on the image's own spacing, values 0..1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/treatment.h"
#include "reprise/io.h"

static int fail(const rp_error *err)
{
    fprintf(stderr, "treated_lesion: %s\n", err->message);
    return 1;
}

static rp_status write_pair(const char *out, int number, const rp_treated *treated,
                            const rp_image *image, const rp_mask *mask, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&image->grid);
    const bool changed = treated->drawn.changed;
    rp_image shown = *image;
    rp_mask lesion = *mask;
    if (changed) {
        shown.data = treated->values;
        lesion.data = treated->lesion;
    }
    char path[1024];
    snprintf(path, sizeof path, "%s%d.nii", out, number);
    rp_status status = rp_nifti_write_image(path, &shown, NULL, err);
    snprintf(path, sizeof path, "%s%d_mask.nii", out, number);
    if (!status) status = rp_nifti_write_mask(path, &lesion, NULL, err);
    if (!status)
        printf("%d %d %.3f %zu\n", changed, treated->drawn.vanished, treated->drawn.size, voxels);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: treated_lesion IMAGE MASK SEED COUNT OUT\n");
        return 2;
    }
    rp_error err = {0};
    rp_image image = {0}, prepared = {0};
    rp_mask mask = {0};
    rp_preprocessing preprocessing;
    rp_treatment options;
    rp_treated treated;
    rp_preprocessing_defaults(&preprocessing);
    rp_treatment_defaults(&options);
    options.share = 1;
    rp_status status = rp_nifti_read_image(argv[1], &image, NULL, &err);
    if (!status) status = rp_nifti_read_mask(argv[2], true, &mask, NULL, &err);
    if (status) return fail(&err);
    for (int i = 0; i < 3; i++) preprocessing.spacing[i] = image.grid.spacing[i];
    status = rp_preprocess_image(&preprocessing, &image, &prepared, &err);
    if (!status) status = rp_treated_init(&treated, &prepared, &mask, &options, &err);
    if (status) return fail(&err);
    for (int i = 0; i < atoi(argv[4]) && !status; i++) {
        rp_treated_draw(&treated, strtoull(argv[3], NULL, 10), (uint64_t)i);
        status = write_pair(argv[5], i, &treated, &prepared, &mask, &err);
    }
    rp_treated_release(&treated);
    rp_image_release(&prepared);
    rp_image_release(&image);
    rp_mask_release(&mask);
    return status ? fail(&err) : 0;
}
