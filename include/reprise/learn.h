/**
 * @file learn.h
 * Preprocessing, model files, adaptation to one patient (IDOL) and prediction.
 */
#ifndef REPRISE_LEARN_H
#define REPRISE_LEARN_H

#include "reprise/nn.h"
#include "reprise/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- preprocessing ------------------------------------------------------------------------------- */

typedef struct rp_preprocessing {
    double window_low_hu, window_high_hu; /**< -150, 250 scaled to 0..1 and clipped */
    double spacing[3];                    /**< working grid, 1.5 x 1.5 x 3.0 mm (x, y, z) */
} rp_preprocessing;

void rp_preprocessing_defaults(rp_preprocessing *p);
/** Image on the working grid with values 0..1 (air 0). */
rp_status rp_preprocess_image(const rp_preprocessing *p, const rp_image *image, rp_image *out,
                              rp_error *err);

/* ---- model files ----------------------------------------------------------------------------------- */

/** Where a model comes from; strings may be "" when unknown. Owned by whoever holds the struct. */
typedef struct rp_model_provenance {
    char program_version[64];
    char trained_on_image_sha256[RP_SHA256_HEX], trained_on_mask_sha256[RP_SHA256_HEX];
    char base_model_sha256[RP_SHA256_HEX]; /**< general model that adaptation started from */
    char label[32];                        /**< "synthetic", "simulated" or "" */
    uint64_t seed;
    int epochs;
    char kernels[32];                      /**< kernel table used */
} rp_model_provenance;

typedef struct rp_model {
    rp_fcd *net;
    rp_preprocessing preprocessing;
    rp_model_provenance provenance;
    char sha256[RP_SHA256_HEX]; /**< of the file read; "" for a model made in memory */
} rp_model;

/** Fresh weights. */
rp_status rp_model_create(const rp_fcd_config *config, const rp_preprocessing *p, uint64_t seed,
                          rp_model *model, rp_error *err);
/** Refused in words: truncated, other architecture (missing, extra or misshapen tensors), NaN or
 *  infinite weights, hostile header, metadata out of range. A file without Reprise metadata (saved
 *  by PyTorch) is read with the default architecture if its tensors fit. */
rp_status rp_model_read(const char *path, rp_model *model, rp_error *err);
rp_status rp_model_write(const char *path, const rp_model *model, rp_error *err);
void rp_model_release(rp_model *model);

/* ---- adaptation -------------------------------------------------------------------------------------- */

typedef struct rp_augmentation {
    double brightness;        /**< factor 1-b..1+b; 0.15; 0 off */
    double rotation_degrees;  /**< uniform within +-; 0 off */
    double shift_mm;          /**< uniform within +- per axis; 0 off */
    double scale;             /**< isotropic 1-s..1+s; 0 off */
    double elastic_mm;        /**< rms displacement of the smooth field; 0 off */
    double elastic_scale_mm;  /**< its correlation length */
    double noise;             /**< sd in units of the 0..1 window; 0 off */
} rp_augmentation;

typedef struct rp_adapt_options {
    int epochs;               /**< 350 */
    int copies;               /**< perturbed copies per epoch = steps per epoch */
    int crop[3];              /**< x,y,z voxels of the working grid; clipped to the image */
    double tumour_share;      /**< share of crops forced to hold tumour */
    double learning_rate, power; /**< 1e-3, 0.9: lr * (1 - t/T)^power */
    rp_loss_weights loss;
    rp_augmentation augmentation;
    double dropout;           /**< rate during adaptation; negative: the model's own */
    uint64_t seed;
    size_t memory_bytes;      /**< 0: no limit */
    const char *checkpoint_path; /**< NULL: none. Written whole, at least every checkpoint_seconds */
    double checkpoint_seconds;   /**< 60 */
    bool resume;              /**< continue checkpoint_path if it exists; refused when it belongs to
                                   other inputs or options */
} rp_adapt_options;

void rp_adapt_defaults(rp_adapt_options *options);

typedef struct rp_adapt_curve {
    double *loss, *dice;      /**< mean over each epoch's steps; rp_alloc'd */
    size_t epochs;
    double seconds;           /**< of this process */
    int resumed_epochs;       /**< epochs that came from a checkpoint */
} rp_adapt_curve;

void rp_adapt_curve_release(rp_adapt_curve *curve);

/**
 * Intentional deep overfit learning: trains model (in place) on one image and lesion, the same pair
 * perturbed and repeated. Every step depends on (seed, step) alone, so that a resumed run equals an
 * uninterrupted one bit for bit, with any number of threads. On RP_ERR_CANCELLED a checkpoint has
 * been written (where a path is given). The checkpoint is removed by the caller once the final
 * model is on disk. image in HU; mask on any grid. RP_ERR_REFUSED: the mask is empty or covers
 * everything; RP_ERR_NUMERIC: divergence.
 */
rp_status rp_adapt(rp_model *model, const rp_image *image, const rp_mask *mask,
                   const rp_adapt_options *options, const rp_progress *progress,
                   rp_adapt_curve *curve, rp_error *err);

/* ---- prediction ---------------------------------------------------------------------------------------- */

typedef struct rp_predict_options {
    double threshold;         /**< 0.5 */
    bool all_components;      /**< false: the largest 26-neighbour component only */
    size_t memory_bytes;      /**< budget of the network; 0: no limit */
    int tile[3];              /**< 0: whole volume if the budget allows, else the largest tile */
} rp_predict_options;

void rp_predict_defaults(rp_predict_options *options);

typedef struct rp_prediction {
    rp_mask mask;             /**< on the image's own grid */
    rp_image probability;     /**< of the lesion, 0..1, on the image's own grid */
    int components;           /**< found before one was chosen */
    int tiles;                /**< 1: one pass */
    size_t memory_bytes;      /**< of the network's plan */
} rp_prediction;

/** Empty masks are delivered as such: the caller must treat them as a failure to segment. */
rp_status rp_predict(const rp_model *model, const rp_image *image,
                     const rp_predict_options *options, const rp_progress *progress,
                     rp_prediction *out, rp_error *err);
void rp_prediction_release(rp_prediction *prediction);

#ifdef __cplusplus
}
#endif
#endif
