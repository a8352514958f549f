/**
 * @file synth_pair.h
 * Synthetic longitudinal pairs: a lesion and what surrounds it at two visits, made up from random
 * shapes, grey values and textures alone. Nothing in them is anatomy: a network that has learnt
 * from them which tissue belongs to a given contour has learnt it for any tissue (Billot et al.
 * 2023, "SynthSeg", do so for one visit). Synthetic, and to be labelled so.
 */
#ifndef REPRISE_SYNTH_PAIR_H
#define REPRISE_SYNTH_PAIR_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rp_pair_options {
    uint64_t seed;
    int size[3]; /**< x, y, z voxels; 48, 48, 32; each 16 to 128 */
} rp_pair_options;

void rp_pair_defaults(rp_pair_options *options);

/**
 * Both visits on one grid, that of the baseline, as a rigid registration would bring them there:
 * what it leaves (some millimetres and degrees, sometimes a centimetre) is in the follow-up. Values
 * are 0 (the window's lower end) to 1 (its upper end). The grid's spacing follows the lesion, whose
 * diameter is 8 to 150 mm: its diameter and some 60 mm are 48 voxels (a third fewer along z).
 */
typedef struct rp_pair {
    rp_image baseline, followup;
    rp_mask baseline_lesion; /**< at least 20 voxels; drawn as people draw, not quite exactly */
    rp_mask followup_lesion; /**< exact, but for the habit of who drew both; empty where it has
                                vanished */
    double diameter_mm;      /**< of a ball as large as the baseline's main part */
    double change;           /**< mean move of the surface, in radii: -1 vanished to 0.6 */
    double followed; /**< share of the change by which tissue moved with the surface, by a smooth
                        and invertible deformation; 0: the surface moved over tissue; 0.5 to 1 */
    bool vanished, hollow, several_parts;
    bool another; /**< a lesion of the same look lies near, which no mask holds */
} rp_pair;

/** Pair number `index` of a seed. Same options and index: same bits. RP_ERR_ARGUMENT for a size
 *  outside its range; RP_ERR_MEMORY. */
rp_status rp_pair_make(const rp_pair_options *options, uint64_t index, rp_pair *out, rp_error *err);
void rp_pair_release(rp_pair *pair);

#ifdef __cplusplus
}
#endif
#endif
