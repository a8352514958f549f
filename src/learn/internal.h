/* What the files of this module share. */
#ifndef REPRISE_LEARN_INTERNAL_H
#define REPRISE_LEARN_INTERNAL_H

#include "reprise/learn.h"

/** RP_ERR_ARGUMENT in words for an impossible window or working grid. */
rp_status rp_preprocessing_check(const rp_preprocessing *p, rp_error *err);

/** A mask, on any grid, on the working grid of an image's grid. */
rp_status rp_working_mask(const rp_preprocessing *p, const rp_mask *mask, const rp_grid *grid,
                          rp_mask *out, rp_error *err);
/** What was found on the working grid of an image's grid, on that in canonical order; 0 outside.
 *  Moves the grid of `working`, which is of no use afterwards. */
rp_status rp_deliver(const rp_grid *grid, rp_image *working, rp_image *out, rp_error *err);

/** A box of the working grid of an image's grid. */
rp_grid rp_working_box(const rp_preprocessing *p, const rp_grid *image, const int low[3],
                       const int size[3]);
/** What was found in a box of the working grid, on the part of the image's grid in canonical order
 *  that the box covers. Moves the grid of `working`. */
rp_status rp_deliver_box(const rp_preprocessing *p, const rp_grid *image, const int low[3],
                         rp_image *working, rp_image *out, rp_error *err);

/** RP_ERR_ARGUMENT, naming the option, for what is outside its range (learn_ranges.h). */
rp_status rp_region_check(const rp_region_options *o, rp_error *err);
rp_status rp_augmentation_check(const rp_augmentation *a, rp_error *err);
rp_status rp_treatment_check(const rp_treatment *t, rp_error *err);

/** Image and contour on the working grid. RP_ERR_REFUSED: the contour is empty, holds no voxel of
 *  that grid, or covers everything. Both outputs are the caller's to release, after errors too. */
rp_status rp_working_pair(const rp_preprocessing *p, const rp_image *image, const rp_mask *mask,
                          rp_image *working, rp_mask *lesion, rp_error *err);

/** The same in a box of that grid. */
rp_status rp_box_pair(const rp_preprocessing *p, const rp_image *image, const rp_mask *mask,
                      const int low[3], const int size[3], rp_image *working, rp_mask *lesion,
                      rp_error *err);

/* ---- tensors of a file against those of a network ---------------------------------------- */

/** A view of `values`, of the parameter's shape; nothing is copied. */
rp_named_tensor rp_parameter_tensor(const rp_parameter *parameter, char *name, float *values);

/** RP_ERR_FORMAT, naming file and tensor, when it is missing (NULL), of another shape, or holds
 *  NaN or infinities; variances below zero are refused too. */
rp_status rp_tensor_check(const char *path, const char *name, const rp_named_tensor *tensor,
                          const rp_parameter *parameter, rp_error *err);

/* ---- checkpoints of an adaptation -------------------------------------------------------- */

enum { RP_FINGERPRINT_PARTS = 3 };

/** What a checkpoint belongs to, part by part, so that a refusal can name what differs. */
typedef struct rp_fingerprint {
    const char *name[RP_FINGERPRINT_PARTS];
    char hash[RP_FINGERPRINT_PARTS][RP_SHA256_HEX];
    char *settings; /**< "name=value" and a line end each: every option that changes a bit of the
                         result, and none that does not; rp_alloc'd */
} rp_fingerprint;

/** Adds to a list of what differs, with commas between; cut where it does not fit. */
void rp_fingerprint_add(char *list, size_t size, const char *format, ...) RP_PRINTF(3, 4);
/** Adds every setting of which two lists differ, with both values. */
void rp_fingerprint_compare(const char *there, const char *here, char *list, size_t size);

/** Everything that the next step depends on. */
typedef struct rp_adapt_state {
    rp_fcd *net;
    rp_adam *adam;
    float *average;       /**< of every parameter and buffer, one behind the other; NULL: none */
    uint64_t step, steps; /**< done and to do */
    double *loss, *dice;  /**< of every step done; room for `steps` */
    double *validation;   /**< what validations found so far; NULL where there are none */
    uint64_t validated, validation_room; /**< numbers in it */
    rp_fingerprint fingerprint;
} rp_adapt_state;

rp_status rp_checkpoint_write(const char *path, const rp_adapt_state *state, rp_error *err);
/** RP_ERR_REFUSED for another fingerprint; the state is touched only on success. */
rp_status rp_checkpoint_read(const char *path, rp_adapt_state *state, rp_error *err);

/* ---- prediction -------------------------------------------------------------------------- */

/** Probability of an image that is on the working grid and preprocessed already; beside: the
 * further channels [..][z][y][x] of a model of several inputs (inputs.h), else NULL. */
rp_status rp_predict_working(const rp_model *model, const rp_image *working, const float *beside,
                             const rp_predict_options *options, const rp_progress *progress,
                             rp_image *probability, int *tiles, size_t *memory_bytes,
                             rp_error *err);

/** RP_ERR_BUDGET where no tile of a volume of this extent (x, y, z) fits the options' memory. */
rp_status rp_predict_check(const rp_fcd_config *config, const int extent[3],
                           const rp_predict_options *options, rp_error *err);

/** rp_predict for a model of a region; what is half made stays in out. */
rp_status rp_predict_region(const rp_model *model, const rp_image *image,
                            const rp_predict_options *options, const rp_progress *progress,
                            rp_prediction *out, rp_error *err);
/** out->mask, there already, from out->probability on the same grid. */
void rp_predict_threshold(rp_prediction *out, double threshold);

/* Reduces out->mask to the lesion as the options say (choose.c). */
rp_status choose_component(rp_prediction *out, const rp_predict_options *options, rp_error *err);

#endif
