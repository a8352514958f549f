/* What a network sees beside the image that it contours. */
#ifndef REPRISE_LEARN_INPUTS_H
#define REPRISE_LEARN_INPUTS_H

#include "reprise/learn_pretrain.h"

/**
 * Signed distance of a mask's border in units of RP_INPUT_REACH_MM, clipped to -1 (inside) .. 1: 0
 * midway between voxels of either side. 1 everywhere for an empty mask.
 */
rp_status rp_input_distance(const rp_mask *mask, rp_image *out, rp_error *err);

/** What a network is told of the baseline. */
typedef enum rp_told {
    RP_TOLD_ALL,
    RP_TOLD_NOTHING,
    RP_TOLD_CONTOUR, /**< not the image */
    RP_TOLD_IMAGE,   /**< not the contour */
    RP_TOLD_MIRRORED /**< all, but as if it lay on the other side (x): a wrong prior */
} rp_told;

/** The channels [inputs][z][y][x] of a pair. What is not told is 0. */
rp_status rp_pair_input(const rp_training_pair *pair, rp_inputs inputs, rp_told told, float *input,
                        rp_error *err);

#endif
