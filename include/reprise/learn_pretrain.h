/**
 * @file learn_pretrain.h
 * A general model that learns from pairs of visits what a baseline's contour says of a follow-up.
 */
#ifndef REPRISE_LEARN_PRETRAIN_H
#define REPRISE_LEARN_PRETRAIN_H

#include "reprise/learn.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Two visits on one grid, values 0..1 as rp_preprocess_image gives them; borrowed. */
typedef struct rp_training_pair {
    const rp_image *baseline, *followup;
    const rp_mask *baseline_lesion, *followup_lesion; /**< the latter may be empty */
} rp_training_pair;

/** Where pairs come from. */
typedef struct rp_pair_source {
    int size[3]; /**< x, y, z voxels of every pair */
    /** The pair of a step, which depends on the step alone; valid until the next call. */
    rp_status (*make)(void *context, uint64_t step, rp_training_pair *pair, rp_error *err);
    void *context;
    const char *name; /**< what a checkpoint remembers of them, one line */
} rp_pair_source;

/** 100 epochs of 100 pairs (copies), no perturbation besides, no dropout. */
void rp_pretrain_defaults(rp_adapt_options *options);

/**
 * Trains model in place to contour follow-ups: epochs * copies steps, each with a pair of its own.
 * A model of several inputs (rp_inputs) gets the baseline beside the follow-up, registered, though
 * not all the way and with its border moved; in some steps it is missing (both, or the image alone,
 * or the contour alone), not registered or wrong (mirrored), so that it learns to believe what it
 * sees more than what it is told. Of options the number of steps, rates, loss, dropout, seed and
 * checkpoint count; the crop is the source's. Checkpoints, cancellation and errors as in rp_adapt.
 * Progress: stage "pretrain" in steps.
 */
rp_status rp_pretrain(rp_model *model, const rp_pair_source *source,
                      const rp_adapt_options *options, const rp_progress *progress,
                      rp_adapt_curve *curve, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
