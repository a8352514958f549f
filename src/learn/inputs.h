/* What a network sees beside the image that it contours. */
#ifndef REPRISE_LEARN_INPUTS_H
#define REPRISE_LEARN_INPUTS_H

#include "reprise/learn_pretrain.h"

/**
 * Signed distance of a mask's border in units of RP_INPUT_REACH_MM, negative inside: 0 midway
 * between voxels of either side; infinite for an empty mask.
 */
rp_status rp_input_distance(const rp_mask *mask, rp_image *out, rp_error *err);

/** The channel made of it: the border moved outwards by so much, clipped to -1..1. */
void rp_input_move(const float *distance, double move_mm, size_t voxels, float *out);

/* ---- the baseline on a follow-up ------------------------------------------------------------ */

/** Where a baseline's box comes to lie on a follow-up's. */
typedef struct rp_input_place {
    int first[3];   /**< voxel of the follow-up at which its first one lies before registration */
    double share;   /**< of the displacements that the deformable registration finds; 1: all */
    double move_mm; /**< of the border, in the distance (rp_input_move) */
} rp_input_place;

/** How a step of training is told the place: share and move_mm are drawn, first is 0. */
rp_input_place rp_input_draw_place(rp_random *random, const rp_mask *lesion);

/**
 * Image and distance channel of a baseline at the voxels of a follow-up, as the deformable
 * registration of the two boxes puts them there; both of values 0..1, equal spacing and axes. Where
 * the boxes have nothing to register they stay where they are placed. Beyond the baseline's box the
 * image is 0 and the distance 1. beside: [2][followup z][y][x].
 */
rp_status rp_input_carry(const rp_image *baseline, const rp_mask *lesion, const rp_image *followup,
                         const rp_input_place *place, float *beside, rp_error *err);

/* ---- likeness ------------------------------------------------------------------------------ */

enum { RP_LIKENESS_BINS = 64 };

/** By grey value from 0 to 1: the difference of its frequencies in a lesion and outside within
 *  RP_INPUT_REACH_MM, over their sum. */
typedef struct rp_likeness {
    float value[RP_LIKENESS_BINS];
} rp_likeness;

/** distance as rp_input_distance gives it for the lesion. */
void rp_likeness_learn(const float *image, const uint8_t *lesion, const float *distance,
                       size_t voxels, rp_likeness *out);
/** Of values 0..1; linear between bins. */
void rp_likeness_of(const rp_likeness *likeness, const float *image, size_t voxels, float *out);

/* ---- further channels of a volume ---------------------------------------------------------- */

/** A contour as the channel of RP_INPUTS_CONTOUR; rp_alloc'd. */
rp_status rp_beside_contour(const rp_mask *contour, float **out, rp_error *err);
/** The baseline that a model keeps as the further channels of RP_INPUTS_BASELINE for an image on
 * the working grid, in which the baseline's own box begins at voxel `first`; beyond it the baseline
 * is not known and 0. first NULL: nothing is told. rp_alloc'd. */
rp_status rp_beside_baseline(const rp_model *model, const int first[3], const rp_image *working,
                             float **out, rp_error *err);

/* ---- the baseline that a model keeps ------------------------------------------------------- */

/** Takes the part of an image and its mask that begins at voxel `first` and is as large as the
 *  model's region; it lies within them. */
rp_status rp_baseline_keep(rp_model *model, const rp_image *image, const rp_mask *mask,
                           const int first[3], rp_error *err);
enum { RP_BASELINE_TENSORS = 2 };
/** The two as tensors of a model file, the second made into `lesion` (rp_alloc'd). */
rp_status rp_baseline_tensors(const rp_model *model, rp_named_tensor out[RP_BASELINE_TENSORS],
                              float **lesion, rp_error *err);
/** True for their names. */
bool rp_baseline_named(const char *name);
/** From a model file, for a model whose inputs and region are known already; nothing where it keeps
 *  none. RP_ERR_FORMAT: missing, misshapen, or values that such a model does not write. */
rp_status rp_baseline_read(const char *path, const rp_tensor_file *file, rp_model *model,
                           rp_error *err);

/* ---- pairs --------------------------------------------------------------------------------- */

/** What a network is told of the baseline. */
typedef enum rp_told {
    RP_TOLD_ALL,
    RP_TOLD_NOTHING,
    RP_TOLD_CONTOUR, /**< not the image */
    RP_TOLD_IMAGE,   /**< not the contour */
    RP_TOLD_PLACED,  /**< all, but where the visits' coordinates put it: nothing is registered */
    RP_TOLD_MIRRORED /**< all, but as if it lay on the other side (x): a wrong prior */
} rp_told;

/** The channels [inputs][z][y][x] of a pair. What is not told is 0. place: where the baseline's box
 *  comes to lie; nothing of it is registered where the image isn't told, and for RP_TOLD_PLACED. */
rp_status rp_pair_input(const rp_training_pair *pair, rp_inputs inputs, rp_told told,
                        const rp_input_place *place, float *input, rp_error *err);

#endif
