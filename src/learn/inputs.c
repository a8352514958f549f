/* What a network sees beside the image that it contours. */
#include "inputs.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {[RP_INPUTS_IMAGE] = "image",
                                    [RP_INPUTS_CONTOUR] = "image+contour",
                                    [RP_INPUTS_BASELINE] = "image+registered+distance+likeness"};

const char *rp_inputs_name(rp_inputs inputs)
{
    return names[inputs];
}

bool rp_inputs_known(int channels)
{
    return channels > 0 && channels <= RP_INPUTS_BASELINE && names[channels];
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
        const float distance = mask->data[i] ? -within.data[i] : out->data[i];
        out->data[i] = distance / (float)RP_INPUT_REACH_MM;
    }
    rp_mask_release(&outside);
    rp_image_release(&within);
    if (status) rp_image_release(out);
    return status;
}

void rp_input_move(const float *distance, double move_mm, size_t voxels, float *out)
{
    const float move = (float)(move_mm / RP_INPUT_REACH_MM);
    for (size_t i = 0; i < voxels; i++) {
        const float moved = distance[i] - move;
        out[i] = moved < -1.0f ? -1.0f : moved > 1.0f ? 1.0f : moved;
    }
}

/* Registration follows a change part of the way, and less where it is large. Visits that are made
 * from one another register better than real ones: it stops short in most steps, and the border is
 * moved besides, -32 % to 25 % of the radius of a ball as large. Were its size to be relied upon,
 * networks would copy it. */
rp_input_place rp_input_draw_place(rp_random *random, const rp_mask *lesion)
{
    const double mm3 = (double)rp_mask_count(lesion) * rp_grid_voxel_mm3(&lesion->grid);
    const bool fully = rp_random_uniform(random) < 0.4;
    const double share = rp_random_uniform(random);
    return (rp_input_place){.share = fully ? 1.0 : share,
                            .move_mm =
                                cbrt(0.75 * mm3 / M_PI) * rp_random_range(random, -0.315, 0.245)};
}

/* ---- likeness ------------------------------------------------------------------------------- */

/* A normal kernel of 0.03 of the window (12 HU) smooths the counts: as much as noise and timing of
 * contrast differ between visits. */
static const double KERNEL_BINS = 0.03 * RP_LIKENESS_BINS;

static void add_value(double bins[RP_LIKENESS_BINS], float value)
{
    const int bin = (int)lround((double)value * (RP_LIKENESS_BINS - 1));
    bins[bin < 0 ? 0 : bin >= RP_LIKENESS_BINS ? RP_LIKENESS_BINS - 1 : bin] += 1.0;
}

/* Smoothed, and of sum 1 with a little everywhere, so that values never seen tell nothing. */
static void make_density(const double bins[RP_LIKENESS_BINS], double out[RP_LIKENESS_BINS])
{
    double sum = 0.0;
    for (int i = 0; i < RP_LIKENESS_BINS; i++) {
        out[i] = 0.0;
        for (int k = 0; k < RP_LIKENESS_BINS; k++) {
            const double d = (i - k) / KERNEL_BINS;
            out[i] += bins[k] * exp(-0.5 * d * d);
        }
        sum += out[i];
    }
    for (int i = 0; i < RP_LIKENESS_BINS; i++)
        out[i] = (sum > 0.0 ? out[i] / sum : 0.0) + 0.1 / RP_LIKENESS_BINS;
}

void rp_likeness_learn(const float *image, const uint8_t *lesion, const float *distance,
                       size_t voxels, rp_likeness *out)
{
    double bins[2][RP_LIKENESS_BINS] = {{0.0}}, density[2][RP_LIKENESS_BINS];
    for (size_t i = 0; i < voxels; i++)
        if (distance[i] < 1.0f) add_value(bins[lesion[i] != 0], image[i]);
    for (int side = 0; side < 2; side++) make_density(bins[side], density[side]);
    for (int i = 0; i < RP_LIKENESS_BINS; i++)
        out->value[i] = (float)((density[1][i] - density[0][i]) / (density[1][i] + density[0][i]));
}

void rp_likeness_of(const rp_likeness *likeness, const float *image, size_t voxels, float *out)
{
    for (size_t i = 0; i < voxels; i++) {
        const float at = image[i] * (float)(RP_LIKENESS_BINS - 1);
        const int below = at < 0.0f                             ? 0
                          : at >= (float)(RP_LIKENESS_BINS - 1) ? RP_LIKENESS_BINS - 2
                                                                : (int)at;
        const float share = at - (float)below;
        out[i] =
            likeness->value[below] + share * (likeness->value[below + 1] - likeness->value[below]);
    }
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

static rp_status tell_likeness(const rp_training_pair *pair, float *like, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&pair->followup->grid);
    rp_image distance = {0};
    rp_likeness likeness;
    const rp_status status = rp_input_distance(pair->baseline_lesion, &distance, err);
    if (status) return status;
    rp_likeness_learn(pair->baseline->data, pair->baseline_lesion->data, distance.data, voxels,
                      &likeness);
    rp_likeness_of(&likeness, pair->followup->data, voxels, like);
    rp_image_release(&distance);
    return RP_OK;
}

static rp_status tell_baseline(const rp_training_pair *pair, rp_told told,
                               const rp_input_place *how, float *beside, rp_error *err)
{
    const rp_grid *grid = &pair->followup->grid;
    const size_t voxels = rp_grid_voxels(grid), bytes = voxels * sizeof *beside;
    float *image = beside, *contour = beside + voxels, *like = contour + voxels;
    const bool placed = told == RP_TOLD_CONTOUR || told == RP_TOLD_PLACED;
    rp_input_place place = *how;
    if (placed) place.share = 0.0;
    rp_status status =
        rp_input_carry(pair->baseline, pair->baseline_lesion, pair->followup, &place, beside, err);
    if (!status && told != RP_TOLD_CONTOUR && told != RP_TOLD_IMAGE)
        status = tell_likeness(pair, like, err);
    if (told == RP_TOLD_CONTOUR) memset(image, 0, bytes);
    if (told == RP_TOLD_IMAGE) memset(contour, 0, bytes);
    if (told == RP_TOLD_MIRRORED) mirror_x(image, grid->size);
    if (told == RP_TOLD_MIRRORED) mirror_x(contour, grid->size);
    return status;
}

rp_status rp_pair_input(const rp_training_pair *pair, rp_inputs inputs, rp_told told,
                        const rp_input_place *place, float *input, rp_error *err)
{
    const rp_grid *grid = &pair->followup->grid;
    const size_t voxels = rp_grid_voxels(grid), bytes = voxels * sizeof *input;
    float *beside = input + voxels;
    memcpy(input, pair->followup->data, bytes);
    if (inputs == RP_INPUTS_IMAGE) return RP_OK;
    memset(beside, 0, (size_t)(inputs - 1) * bytes);
    if (told == RP_TOLD_NOTHING) return RP_OK;
    if (inputs == RP_INPUTS_BASELINE) return tell_baseline(pair, told, place, beside, err);
    if (told == RP_TOLD_IMAGE) return RP_OK;
    for (size_t i = 0; i < voxels; i++) beside[i] = pair->baseline_lesion->data[i] != 0;
    if (told == RP_TOLD_MIRRORED) mirror_x(beside, grid->size);
    return RP_OK;
}
