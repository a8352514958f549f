/* Crops of a cohort, the next one prepared on a thread of its own while a step runs. */
#ifndef REPRISE_LEARN_PREFETCH_H
#define REPRISE_LEARN_PREFETCH_H

#include "internal.h"

typedef struct rp_prefetch rp_prefetch;

/**
 * cases and options are borrowed. size (x, y, z) is that of every crop: the options' crop clipped
 * to the smallest case. Steps from `steps` on are never prepared.
 */
rp_status rp_prefetch_create(const rp_train_case *cases, size_t count,
                             const rp_adapt_options *options, const int size[3], uint64_t steps,
                             rp_prefetch **out, rp_error *err);
void rp_prefetch_destroy(rp_prefetch *prefetch);

/** The case that a step shows: in every epoch each one `copies` times, shuffled by (seed, epoch).
 */
size_t rp_prefetch_case(rp_prefetch *prefetch, uint64_t step);

/** As rp_loop's sample. The crop of (seed, step), prepared already if the step before was asked for
 *  last. A file that cannot be read is an error of the step that needs it. */
rp_status rp_prefetch_sample(void *prefetch, uint64_t step, const float **input,
                             const uint8_t **target, rp_error *err);

#endif
