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

/* ---- preprocessing ----------------------------------------------------------------------- */

typedef struct rp_preprocessing {
    double window_low_hu, window_high_hu; /**< -150, 250 scaled to 0..1 and clipped */
    double spacing[3];                    /**< working grid, 1.5 x 1.5 x 3.0 mm (x, y, z) */
} rp_preprocessing;

void rp_preprocessing_defaults(rp_preprocessing *p);
/** The working grid of an image: its box in canonical order (rp_grid_canonical), respaced
 *  (rp_grid_respaced). The network sees every patient the same way round, however the file stores
 *  the axes: the 48 orders of one image give the same bits on the working grid. */
rp_grid rp_working_grid(const rp_preprocessing *p, const rp_grid *grid);
/**
 * Image on the working grid with values 0..1, air 0. Windowed and clipped first,
 * then resampled linearly, so that metal, bone and air weigh no more in a mixed voxel than the
 * window's ends. Along axes where the working grid is more than 1.1 times coarser a Gaussian of
 * 0.5 * sqrt((working/own spacing)^2 - 1) voxels goes before, because linear interpolation alone
 * aliases. RP_ERR_NUMERIC: NaN or infinite voxels; RP_ERR_ARGUMENT: impossible window or spacing.
 */
rp_status rp_preprocess_image(const rp_preprocessing *p, const rp_image *image, rp_image *out,
                              rp_error *err);

/* ---- the region -------------------------------------------------------------------------- */

/**
 * Adaptation and prediction can look at a box round the lesion instead of whole images. Both see
 * the same extent of voxels, so that statistics agree, on a working grid that is fitted to the box:
 * a step then costs much the same for small lesions and large ones.
 */
typedef struct rp_region_options {
    bool whole;            /**< true: no box, and the grid that preprocessing names */
    double margin_mm;      /**< 30: between the lesion and the box's faces */
    double jitter_mm;      /**< 10: crops lie round the box within +- per axis, as a box lies that
                                a registration carried */
    int voxels[3];         /**< 64, 64, 40: their product bounds the box's voxels */
    double finest_mm;      /**< 1: no axis is finer, nor finer than the image */
    double coarsest_mm[3]; /**< 3, 3, 5: none is coarser unless the image is, whatever the voxels */
} rp_region_options;

void rp_region_defaults(rp_region_options *options);

typedef struct rp_region {
    double centre[3];    /**< LPS mm: the middle of the lesion's bounding box */
    double lesion_mm[3]; /**< of that bounding box along the image's canonical axes */
    double spacing[3];   /**< of the fitted grid */
    int extent[3];       /**< voxels of the fitted grid, multiples of 16 */
} rp_region;

/** Middle of the bounding box of a mask, LPS mm; false when it is empty. */
bool rp_region_centre(const rp_mask *mask, double centre[3]);
/**
 * The box and the grid for a lesion. An axis is lesion and two margins long, or as long as the
 * image; spacings are in the proportion of 1 : 1 : 2 as far as their limits let them, so that the
 * voxels are those allowed. Does not depend on the order of the axes in memory. RP_ERR_REFUSED: the
 * mask is empty.
 */
rp_status rp_region_fit(const rp_grid *image, const rp_mask *mask, const rp_region_options *options,
                        rp_region *out, rp_error *err);
/**
 * First voxel, on an image's working grid, of a box of this extent that lies about a place (LPS
 * mm): moved into the image where that is long enough, else with the image in its middle.
 */
void rp_region_place(const rp_preprocessing *p, const rp_grid *image, const double centre[3],
                     const int extent[3], int low[3]);
/**
 * A box of the working grid of an image (rp_working_grid): the values that rp_preprocess_image
 * gives there, and air (0) beyond the image. Takes memory for the box only, whatever the image's
 * size. low may be negative.
 */
rp_status rp_preprocess_box(const rp_preprocessing *p, const rp_image *image, const int low[3],
                            const int size[3], rp_image *out, rp_error *err);
/** The same box of a mask that lies on any grid. */
rp_status rp_preprocess_box_mask(const rp_preprocessing *p, const rp_mask *mask,
                                 const rp_grid *image, const int low[3], const int size[3],
                                 rp_mask *out, rp_error *err);

/* ---- what a network sees ------------------------------------------------------------------ */

/** By the number of its input channels, all on the working grid of the image that is contoured. */
typedef enum rp_inputs {
    RP_INPUTS_IMAGE = 1,   /**< that image alone */
    RP_INPUTS_CONTOUR = 2, /**< and the baseline's contour: 1 inside, 0 elsewhere */
    RP_INPUTS_BASELINE = 4 /**< and the baseline's image, the signed distance of its contour (-1
                                inside to 1 outside, at RP_INPUT_REACH_MM and beyond), both as a
                                deformable registration of the two boxes puts them on the image, and
                                how much like the baseline's lesion the image's grey values are (1),
                                rather than like what surrounds it (-1). Of what is not known the
                                channels are 0. A patient model keeps that box of the baseline, so
                                that prediction needs no more than the place */
} rp_inputs;

#define RP_INPUT_REACH_MM 20.0

/** "image", "image+contour", "image+registered+distance+likeness", as in the metadata of model
 * files.
 */
const char *rp_inputs_name(rp_inputs inputs);
/** Whether a network of so many input channels is one of them. */
bool rp_inputs_known(int channels);

/* ---- model files ------------------------------------------------------------------------- */

/** Where a model comes from; strings may be "" when unknown. Nothing in it names a patient. */
typedef struct rp_model_provenance {
    char program_version[64];
    /** rp_adapt: of the image's float32 voxels and the mask's bytes, little endian, in canonical
     *  order (rp_grid_canonical). */
    char trained_on_image_sha256[RP_SHA256_HEX], trained_on_mask_sha256[RP_SHA256_HEX];
    char base_model_sha256[RP_SHA256_HEX]; /**< general model that adaptation started from */
    char label[32];                        /**< "synthetic", "simulated" or "" */
    char image_repair[512]; /**< how the image differs from the slices acquired; "": not at all */
    uint64_t seed;
    int epochs;
    char kernels[32]; /**< kernel table used */
    double self_dice; /**< of the adapted model's contour of its own baseline with the one that it
                           was adapted to; 0 and has_self_dice false: not known */
    bool has_self_dice;
} rp_model_provenance;

typedef struct rp_model {
    rp_fcd *net;
    rp_preprocessing preprocessing;
    int region[3]; /**< x, y, z voxels of the box that it was adapted to and predicts; 0: whole
                        images */
    rp_model_provenance provenance;
    char *guard; /**< how a patient model fared on trials (guard.h), a JSON text that is kept with
                    it and not looked at here; rp_alloc'd; NULL: none */
    char sha256[RP_SHA256_HEX]; /**< of the file read; "" for a model made in memory */
    /** Of a patient model of RP_INPUTS_BASELINE (rp_adapt, rp_remember): the box of the region,
     * values 0..1 on the working grid, and the lesion in it; else empty. Owned, and written with
     * the model. */
    rp_image baseline;
    rp_mask baseline_lesion;
} rp_model;

/** Fresh weights. */
rp_status rp_model_create(const rp_fcd_config *config, const rp_preprocessing *p, uint64_t seed,
                          rp_model *model, rp_error *err);
/**
 * Refused in words: truncated, other architecture (missing, extra or misshapen tensors), NaN or
 * infinite weights, negative variances, hostile header, metadata out of range. A file without
 * Reprise metadata (saved by PyTorch) is read with the default architecture if its tensors fit;
 * PyTorch's *.num_batches_tracked are passed over.
 * Metadata: reprise.model (format version, "1"), and JSON texts in reprise.architecture,
 * reprise.preprocessing and reprise.provenance, and where there is one in reprise.guard. Tensors
 * besides the weights: baseline.image and baseline.lesion of a model that keeps them.
 */
rp_status rp_model_read(const char *path, rp_model *model, rp_error *err);
/** Whole or not at all; RP_ERR_NUMERIC for weights that are not finite. */
rp_status rp_model_write(const char *path, const rp_model *model, rp_error *err);
/** The same with the convolutions' weights as F16 (half the file), everything else as F32. */
rp_status rp_model_write_half(const char *path, const rp_model *model, rp_error *err);
/**
 * Widens a model of one input by a second one, in place: the prior, a contour on the image's grid.
 * The stem's weights of the new input are 0, so that the model computes what it did. RP_OK and
 * nothing done where there are two inputs already; RP_ERR_UNSUPPORTED beyond.
 */
rp_status rp_model_add_prior(rp_model *model, rp_error *err);
void rp_model_release(rp_model *model);

/* ---- adaptation -------------------------------------------------------------------------- */

/**
 * How each copy of {image, mask} differs from the original. Image (linear) and mask (linear on the
 * indicator, >= 0.5) are sampled by one backward map straight into the crop; beyond the image there
 * is air and no tumour. Every value is uniform within its range unless it says otherwise.
 */
typedef struct rp_augmentation {
    double brightness;       /**< factor 1-b..1+b on the 0..1 values, clipped; 0.15; 0 off */
    double rotation_degrees; /**< angle within +- about a random axis; 10; 0 off */
    double shift_mm;         /**< within +- per axis; 5; 0 off */
    double scale;            /**< isotropic factor 1-s..1+s on lengths; 0.15; 0 off */
    double elastic_mm; /**< rms length of the displacement; 3; 0 off; at most 0.3 of the scale.
                            Cubic B-spline through independent normal nodes */
    double elastic_scale_mm; /**< distance between its nodes; 30 */
    double noise;            /**< sd of normal noise in units of the window, on voxels that lie
                                  within it; 0.02; 0 off */
} rp_augmentation;

/**
 * How the lesion itself differs in a copy, as after treatment; applied before rp_augmentation. Its
 * surface moves to `1 - shrink` .. `1 + grow` (uniform) of its size, in part by scaling each part
 * of the lesion about its centroid, in part along its normal by that fraction of the local radius,
 * with smooth noise. The lesion's texture and its edge move along. In half the copies the tissue
 * round it follows, less and less with the distance; in the others the old place shows tissue
 * mirrored across the old surface and, deeper, patches of what prevails round the lesion. Grey
 * shifts are in units of the window and below 0.4 of the contrast with that tissue. A second input
 * (prior_channel) is the contour before the change. With share 0 the other values do not count.
 */
typedef struct rp_treatment {
    double share;        /**< of copies whose lesion is changed; 0 off; 0.8 where on */
    double vanish;       /**< of those, share without any lesion left; 0.05 */
    double shrink, grow; /**< 0.55, 0.30 */
    double roughness;    /**< rms of the surface's noise in local radii: uniform up to it; 0.1 */
    double roughness_low_mm;  /**< its correlation length is uniform between this ... */
    double roughness_high_mm; /**< ... and this; 8, 25 */
    double density;           /**< sd of the lesion's shift; 0.05 */
    double core;   /**< of changed copies, share with a darker core or brighter parts; 0.3 */
    double rim;    /**< most darkening of the tissue next to the lesion; 0.06 */
    double rim_mm; /**< widest extent of that; 8 */
} rp_treatment;

/** Of a treatment that is switched on. */
void rp_treatment_defaults(rp_treatment *treatment);

/**
 * A second visit whose contour is known, to see how the adaptation fares on it. Nothing of it
 * reaches the weights.
 */
typedef struct rp_adapt_watch {
    const rp_image *image; /**< HU; borrowed */
    const rp_mask *mask;   /**< on the image's grid; borrowed */
    int every;             /**< epochs between predictions, 1 at least; the last epoch is one too */
} rp_adapt_watch;

typedef struct rp_adapt_options {
    int epochs;          /**< 350 */
    int copies;          /**< 1: perturbed copies per epoch = steps per epoch */
    int crop[3];         /**< x,y,z voxels of the working grid; clipped to the image; 96,96,48 */
    double tumour_share; /**< 0.7: share of crops forced to hold tumour, a random voxel of which
                              lies anywhere in the crop; the others lie anywhere in the image */
    double learning_rate, power; /**< 1e-3, 0.9: lr * (1 - t/T)^power */
    rp_loss_weights loss;
    rp_augmentation augmentation;
    rp_treatment treatment; /**< rp_treatment_defaults(); share 0 but in the quick recipe */
    double dropout;         /**< rate during adaptation; negative: the model's own. 0, for this is
                                 meant to overfit, and with 0.2 in 350 steps it does not */
    uint64_t seed;
    size_t memory_bytes;         /**< 0: no limit */
    const char *checkpoint_path; /**< NULL: none. Written whole after the step that ends a period of
                                      checkpoint_seconds, at cancellation and after the last step */
    double checkpoint_seconds;   /**< 60; 0: after every step */
    bool resume;        /**< continue checkpoint_path if it exists; refused when it belongs to
                             other inputs or options */
    bool prior_channel; /**< false: give the network the contour as a second input (a model of one
                             input is widened, rp_model_add_prior): 1 inside, 0 elsewhere, at the
                             place in the crop where it was before the perturbation, displaced by
                             another random shift, as the baseline contour lies on a follow-up */
    rp_region_options region; /**< whole. Else the model's spacing and region become those that
                                   rp_region_fit finds, and `crop` and `tumour_share` do not
                                   count: every crop is a box that holds the lesion. Of rp_adapt
                                   alone, as the next two */
    double average; /**< 0: the weights of the last step. Else the share that an exponential moving
                         average of weights and running statistics keeps at each step (less in the
                         first ones: (1 + t) / (10 + t) at most), and its weights at the end */
    const rp_adapt_watch *watch; /**< NULL: none */
} rp_adapt_options;

/** What the options of an adaptation are named together. */
typedef enum rp_recipe {
    RP_RECIPE_STUDY, /**< 350 epochs on crops of whole images, as in the study */
    RP_RECIPE_QUICK  /**< 120 epochs on a region, with changed lesions (rp_treatment) */
} rp_recipe;

const char *rp_recipe_name(rp_recipe recipe);
bool rp_recipe_parse(const char *name, rp_recipe *recipe);
/** All options of a recipe. */
void rp_adapt_recipe(rp_adapt_options *options, rp_recipe recipe);
/** Those of the study. */
void rp_adapt_defaults(rp_adapt_options *options);
/** RP_ERR_ARGUMENT, naming the option, for one that is outside its range (learn_ranges.h). */
rp_status rp_adapt_options_check(const rp_adapt_options *options, rp_error *err);

typedef struct rp_adapt_curve {
    double *loss, *dice; /**< mean over each epoch's steps; rp_alloc'd */
    size_t epochs;
    double seconds;     /**< of this process, without those of watching */
    int resumed_epochs; /**< epochs that came from a checkpoint */
    int *watch_epoch;   /**< epochs done at each prediction of the watched visit; rp_alloc'd */
    double *watch_dice; /**< its Dice, on the image's own grid, of the component near the contour
                             that is adapted to; rp_alloc'd */
    size_t watches;
} rp_adapt_curve;

/** Epochs after which Dice of the watched visit first reached this share of its last value; -1
 *  where nothing was watched. */
int rp_adapt_epochs_to(const rp_adapt_curve *curve, double share);

void rp_adapt_curve_release(rp_adapt_curve *curve);

/**
 * Intentional deep overfit learning: trains model (in place) on one image and lesion, the same pair
 * perturbed and repeated. Every step depends on (seed, step) alone, so that a resumed run equals an
 * uninterrupted one bit for bit, with any number of threads. On RP_ERR_CANCELLED a checkpoint has
 * been written (where a path is given); one that cannot be written is warned of, tried again at the
 * next time, and ends nothing. The checkpoint is removed by the caller once the final model is on
 * disk. image in HU; mask on any grid. RP_ERR_REFUSED: the mask is empty or covers
 * everything, or a checkpoint that belongs to another image, contour, starting model, program
 * version, instruction set or other options; RP_ERR_FORMAT: a damaged checkpoint;
 * RP_ERR_NUMERIC: divergence. After a failure the weights are those of the last step done.
 * Progress: stage "adapt" in steps, with the note "epoch 12/350 loss 0.123 dice 0.91".
 */
rp_status rp_adapt(rp_model *model, const rp_image *image, const rp_mask *mask,
                   const rp_adapt_options *options, const rp_progress *progress,
                   rp_adapt_curve *curve, rp_error *err);

/**
 * Makes a patient model without a single step: a model that sees its baseline (RP_INPUTS_BASELINE)
 * keeps the box round this lesion, and its grid is fitted to it, as at the beginning of rp_adapt;
 * the weights stay as they are. Of options the region counts. RP_ERR_UNSUPPORTED for another kind
 * of model and for whole images; errors as in rp_adapt.
 */
rp_status rp_remember(rp_model *model, const rp_image *image, const rp_mask *mask,
                      const rp_adapt_options *options, rp_error *err);

/** RP_ERR_REFUSED, saying what differs, for a model that was not adapted to exactly this image and
 *  contour (provenance); the order of axes in memory does not matter. */
rp_status rp_model_check_adapted(const rp_model *model, const rp_image *image, const rp_mask *mask,
                                 rp_error *err);

/* ---- training a general model ------------------------------------------------------------ */

/**
 * One visit, preprocessed once and kept on disk as two NIfTI files on the working grid: the image
 * as float32 of 0..1 and the mask. So memory does not grow with the cohort.
 */
typedef struct rp_train_case {
    char *name;                   /**< how messages name it, such as "P007 followup"; owned */
    char *image_path, *mask_path; /**< owned */
    int size[3];                  /**< x, y, z voxels of the working grid */
    double spacing[3];            /**< mm */
    size_t tumour_voxels;         /**< 1 at least */
    char image_sha256[RP_SHA256_HEX], mask_sha256[RP_SHA256_HEX]; /**< of the files */
    bool reused;                                                  /**< they were there already */
} rp_train_case;

/**
 * Preprocesses a visit into folder, or finds that done. source_sha256 stands for image and mask as
 * given; it, the preprocessing and the program's version name the files. Files whose bytes are not
 * those written are made anew. RP_ERR_REFUSED: the contour is empty, holds no voxel of the working
 * grid or covers everything; RP_ERR_IO names the file, on a full disk too.
 */
rp_status rp_train_case_prepare(const rp_preprocessing *p, const char *name, const rp_image *image,
                                const rp_mask *mask, const char *source_sha256, const char *folder,
                                rp_train_case *out, rp_error *err);
void rp_train_case_release(rp_train_case *one);

typedef struct rp_train_options {
    rp_adapt_options
        base;           /**< An epoch shows every case `copies` times, in an order of its own that
                             seed and epoch give. 60 epochs of 1 copy; crop 96, 96, 48, clipped to the
                             smallest case; brightness alone perturbs (0.15); dropout is the
                             model's own. memory_bytes bounds training and validation together */
    int validate_every; /**< epochs; 5; 0: never. The last epoch is validated too */
    const char
        *best_path; /**< the model of the best validation so far, written whole; NULL: none */
} rp_train_options;

void rp_train_defaults(rp_train_options *options);

typedef struct rp_train_curve {
    rp_adapt_curve training;
    int validations;         /**< done */
    size_t cases;            /**< validation cases */
    int *validation_epoch;   /**< epochs done at each; rp_alloc'd */
    double *validation_dice; /**< [validation][case]: of whole volumes on the working grid at
                                threshold 0.5, every component; rp_alloc'd */
    int best; /**< validation with the highest mean Dice, the first of equals; -1: none */
} rp_train_curve;

void rp_train_curve_release(rp_train_curve *curve);

/**
 * Trains model in place on cases. Case, crop and perturbation of a step follow from (seed, step)
 * alone; the next crop is prepared on a thread of its own while a step runs. A resumed run equals
 * an uninterrupted one bit for bit, its validations included, with any number of threads.
 * Checkpoints, cancellation and errors as in rp_adapt. RP_ERR_ARGUMENT: no cases, or cases on
 * different spacings; RP_ERR_IO, RP_ERR_FORMAT: a case's files, by name; RP_ERR_BUDGET before the
 * first step where training, or validation beside it, does not fit. Progress: stage "train" in
 * steps, stage "validate" in cases.
 */
rp_status rp_train(rp_model *model, const rp_train_case *cases, size_t case_count,
                   const rp_train_case *validation, size_t validation_count,
                   const rp_train_options *options, const rp_progress *progress,
                   rp_train_curve *curve, rp_error *err);

/* ---- prediction -------------------------------------------------------------------------- */

typedef struct rp_predict_options {
    double threshold;      /**< 0.5 */
    bool all_components;   /**< false: one 26-neighbour component only, see prior */
    const rp_mask *prior;  /**< where the lesion was at baseline, on any grid; borrowed. The
                              component  with the largest sum over voxels of exp(-d^2 / (2 reach^2)),
                              d the  distance to the prior, is kept. NULL, or a prior that lies
                              outside  the image: the largest component. A model of two inputs
                              takes it as the second and cannot do without */
    double prior_reach_mm; /**< 20 */
    size_t memory_bytes;   /**< budget of the network; 0: no limit */
    int tile[3];           /**< 0: whole volume if the budget allows, else the tile within it that
                                makes the least work; else rounded up to multiples of 16. Models of
                                a region pass over it */
    const double *at;      /**< NULL; LPS mm, borrowed: where the box of a model of a region lies
                                (rp_region_place). Without it the image is covered with boxes, as
                                with tiles. Other models pass over it */
} rp_predict_options;

void rp_predict_defaults(rp_predict_options *options);

typedef struct rp_prediction {
    rp_mask mask;         /**< on the image's own grid */
    rp_image probability; /**< of the lesion, 0..1, on the image's own grid */
    int components;       /**< found before one was chosen */
    int chosen_rank;      /**< of the one kept, by size from 1; 0: all kept, or none found */
    bool chosen_by_prior; /**< false where the size alone decided */
    bool boxed;           /**< one box, where `at` said; the rest of the image was not looked at */
    rp_grid box;          /**< of the working grid, what was looked at, after growing */
    int grown;            /**< times that the box grew, because the lesion lay at its faces */
    bool at_face;         /**< the lesion still does, at a face within the image */
    double part_share;   /**< of the voxels found, in the one kept; where all are, in the largest */
    int tiles;           /**< 1: one pass */
    size_t memory_bytes; /**< of the network's plan */
} rp_prediction;

/**
 * Empty masks are delivered as such: the caller must treat them as a failure to segment.
 * Tiles start at multiples of the network's stride, overlap by a quarter and at least 16 voxels,
 * and are blended by a squared sine that leaves out a tile's outermost voxels. With running
 * averages they differ from one pass only by what the network sees beyond a tile; in norm modes
 * batch and instance each tile is normalised by its own statistics, so that one pass is to be
 * preferred there.
 *
 * A model of a region and a place: one box is resampled and predicted, the rest of the image has
 * probability 0. Where the chosen component comes within two voxels of a face that lies within the
 * image, the box grows there by half its extent, twice at most, and is predicted by tiles of the
 * model's extent that overlap by a quarter. RP_ERR_BUDGET names the MiB of the smallest tile.
 * Progress: stage "segment" in tiles.
 */
rp_status rp_predict(const rp_model *model, const rp_image *image,
                     const rp_predict_options *options, const rp_progress *progress,
                     rp_prediction *out, rp_error *err);
void rp_prediction_release(rp_prediction *prediction);

#ifdef __cplusplus
}
#endif
#endif
