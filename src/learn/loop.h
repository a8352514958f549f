/* The steps of a training, shared by adaptation to one patient and training on a cohort. */
#ifndef REPRISE_LEARN_LOOP_H
#define REPRISE_LEARN_LOOP_H

#include "internal.h"

/** Zero-initialise, fill the first part, then check, create, start, run; release at every end. */
typedef struct rp_loop {
    rp_model *model;                 /**< trained in place */
    const rp_adapt_options *options; /**< epochs, rates, loss, seed, checkpoint */
    const char *stage;               /**< of the progress: "adapt" */
    const char *work;                /**< in messages: "the adaptation" */
    uint64_t steps_per_epoch;
    double average; /**< what the moving average keeps at each step; 0: there is none */
    int channels;   /**< of the model's input, as `sample` fills them */
    /** Input [z][y][x] 0..1 and target 0/1 of a step, which depend on the step alone; valid until
     *  the next call. Steps come in order, from the one that start resumed at. */
    rp_status (*sample)(void *context, uint64_t step, const float **input, const uint8_t **target,
                        rp_error *err);
    /** After every step, before a checkpoint, and once where a run resumes; may be NULL. If it is
     *  cancelled it finds its work undone when the run is resumed. */
    rp_status (*stepped)(void *context, rp_error *err);
    void *context;
    char more[256]; /**< further settings for the fingerprint, "name=value" and a line end each */

    rp_adapt_state state;
    rp_session *session;
    double last_checkpoint;
    bool unsaved; /**< the last checkpoint could not be written */
} rp_loop;

/** RP_ERR_ARGUMENT or RP_ERR_UNSUPPORTED in words for options that cannot be. */
rp_status rp_loop_check(const rp_loop *loop, rp_error *err);
/** Session for crops of this size (x, y, z), Adam, room for the curve. */
rp_status rp_loop_create(rp_loop *loop, const int size[3], rp_error *err);
/** Third hash and settings of the fingerprint, whose first two hashes are the caller's. */
rp_status rp_fingerprint_complete(rp_loop *loop, rp_error *err);
/** Completes the fingerprint and resumes where asked. */
rp_status rp_loop_start(rp_loop *loop, rp_error *err);
/** Exchanges the weights for their average, and back; nothing where there is none. */
rp_status rp_loop_average_swap(rp_loop *loop, rp_error *err);
/** All steps that are left, with the options' dropout in force; then the average becomes the
 *  model's weights. */
rp_status rp_loop_run(rp_loop *loop, const rp_progress *progress, rp_error *err);
rp_status rp_loop_curve(const rp_loop *loop, rp_adapt_curve *curve, rp_error *err);
void rp_loop_release(rp_loop *loop);

#endif
