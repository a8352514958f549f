/* What a network sees beside the image that it contours. */
#include "inputs.h"

#include <string.h>

static const char *const names[] = {"image", "image+contour", "image+baseline+distance"};

const char *rp_inputs_name(rp_inputs inputs)
{
    return names[inputs - RP_INPUTS_IMAGE];
}

bool rp_inputs_known(int channels)
{
    return channels >= RP_INPUTS_IMAGE && channels <= RP_INPUTS_BASELINE;
}

rp_status rp_input_distance(const rp_mask *mask, rp_image *out, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&mask->grid);
    rp_image within = {0};
    rp_mask outside = {0};
    *out = (rp_image){0};
    rp_status status = rp_mask_init(&outside, &mask->grid, err);
    if (status) return status;
    for (size_t i = 0; i < voxels; i++) outside.data[i] = !mask->data[i];
    status = rp_mask_distance(mask, out, err);
    if (!status) status = rp_mask_distance(&outside, &within, err);
    for (size_t i = 0; i < voxels && !status; i++) {
        const double distance = (double)(mask->data[i] ? -within.data[i] : out->data[i]);
        const double scaled = distance / RP_INPUT_REACH_MM;
        out->data[i] = (float)(scaled < -1.0 ? -1.0 : scaled > 1.0 ? 1.0 : scaled);
    }
    rp_mask_release(&outside);
    rp_image_release(&within);
    if (status) rp_image_release(out);
    return status;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static void mirror_x(float *channel, const int size[3])
{
    const size_t rows = (size_t)size[1] * (size_t)size[2];
    for (size_t r = 0; r < rows; r++)
        for (int x = 0; x < size[0] / 2; x++) {
            float *low = channel + r * (size_t)size[0] + x,
                  *high = channel + (r + 1) * (size_t)size[0] - 1 - x;
            const float kept = *low;
            *low = *high;
            *high = kept;
        }
}

static rp_status tell_contour(const rp_mask *lesion, rp_inputs inputs, float *channel,
                              rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&lesion->grid);
    rp_image distance = {0};
    if (inputs == RP_INPUTS_CONTOUR) {
        for (size_t i = 0; i < voxels; i++) channel[i] = lesion->data[i] != 0;
        return RP_OK;
    }
    const rp_status status = rp_input_distance(lesion, &distance, err);
    if (!status) memcpy(channel, distance.data, voxels * sizeof *channel);
    rp_image_release(&distance);
    return status;
}

rp_status rp_pair_input(const rp_training_pair *pair, rp_inputs inputs, rp_told told, float *input,
                        rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&pair->followup->grid), bytes = voxels * sizeof *input;
    float *contour = input + (size_t)(inputs - 1) * voxels; /* the last channel */
    rp_status status = RP_OK;
    memcpy(input, pair->followup->data, bytes);
    if (inputs == RP_INPUTS_IMAGE) return RP_OK;
    memset(input + voxels, 0, (size_t)(inputs - 1) * bytes);
    if (told == RP_TOLD_NOTHING) return RP_OK;
    if (inputs == RP_INPUTS_BASELINE && told != RP_TOLD_CONTOUR)
        memcpy(input + voxels, pair->baseline->data, bytes);
    if (told != RP_TOLD_IMAGE) status = tell_contour(pair->baseline_lesion, inputs, contour, err);
    for (int c = 1; c < (int)inputs && told == RP_TOLD_MIRRORED; c++)
        mirror_x(input + (size_t)c * voxels, pair->followup->grid.size);
    return status;
}
