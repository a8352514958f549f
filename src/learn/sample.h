/* Perturbed crops of one image and its mask, each a function of (seed, step) alone. */
#ifndef REPRISE_LEARN_SAMPLE_H
#define REPRISE_LEARN_SAMPLE_H

#include "inputs.h"
#include "lattice.h"
#include "treatment.h"

/** The backward map of one step: crop voxel i reads the source at
 *  pivot_source + matrix * (i - pivot_crop) + displacement(i), everything in voxels. */
typedef struct rp_warp {
    uint64_t step;
    int low[3];  /**< placement of the unperturbed crop in the source */
    bool forced; /**< placed so that it holds tumour */
    double pivot_source[3], pivot_crop[3], matrix[3][3];
    double angle_degrees, scale, shift_mm[3]; /**< what matrix and pivots were made from */
    int prior_low[3];    /**< source voxel under the first one of the crop's prior */
    bool untold;         /**< the crop's baseline is not told: its channels are 0 */
    rp_input_place told; /**< share and move that it is told with */
    double brightness;
} rp_warp;

typedef struct rp_sampler {
    const rp_image *image; /**< borrowed: preprocessed, 0..1 */
    const rp_mask *mask;   /**< borrowed: on the image's grid */
    rp_augmentation augmentation;
    double tumour_share;
    uint64_t seed;
    bool prior;                  /**< a second input channel: the contour before the perturbation */
    const rp_likeness *likeness; /**< borrowed; where there is one, three further channels: two that
                                      are the caller's, and the crop's likeness */
    int size[3];                 /**< of the crop, clipped to the image */
    bool held;                   /**< rp_sampler_hold */
    int first[3], last[3];       /**< where crops of a held sampler begin */
    double middle[3];            /**< of the lesion's bounding box: what they turn about */
    size_t *tumour;              /**< linear index of every voxel inside */
    size_t tumour_count;
    rp_lattice lattice;    /**< drawn anew at every step */
    rp_treated treated;    /**< where the treatment's share is above 0 */
    const float *values;   /**< what the step samples: the image's or a changed one's */
    const uint8_t *inside; /**< and the lesion with it */
    double *scratch;       /**< partial sums of the lattice, one part per slice */
    size_t scratch_slice;
} rp_sampler;

/** image and mask are borrowed and share a grid; the mask holds at least one voxel. */
rp_status rp_sampler_init(rp_sampler *sampler, const rp_image *image, const rp_mask *mask,
                          const rp_adapt_options *options, rp_error *err);
void rp_sampler_release(rp_sampler *sampler);
/** From now on every crop begins between these voxels, both included, of the image and turns about
 *  the middle of the lesion, instead of about a voxel of it anywhere. */
void rp_sampler_hold(rp_sampler *sampler, const int first[3], const int last[3]);
size_t rp_sampler_voxels(const rp_sampler *sampler);

/** Draws the lattice, the map and the lesion of a step. */
void rp_sampler_plan(rp_sampler *sampler, uint64_t step, rp_warp *warp);
/** Samples input [z][y][x] 0..1 (with a prior [2][z][y][x], its values 0 or 1; with a likeness
 *  [4][z][y][x]) and target [z][y][x] 0/1 by a planned map. */
void rp_sampler_apply(rp_sampler *sampler, const rp_warp *warp, float *input, uint8_t *target);

#endif
