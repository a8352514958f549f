/**
 * @file guard.h
 * How far the contour of a patient model can be trusted, before the truth is known: the model is
 * tried on simulated follow-ups of its own baseline, and from what it gets wrong there and what
 * such models got wrong on others follow an interval for the follow-up's diameter and the chances
 * of the responses.
 */
#ifndef REPRISE_GUARD_H
#define REPRISE_GUARD_H

#include "reprise/learn.h"
#include "reprise/measure.h"
#include "reprise/register_deform.h"
#include "reprise/response.h"
#include "reprise/track_verify.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- trials ------------------------------------------------------------------------------ */

enum { RP_GUARD_MOST_TRIALS = 64 };

/** Whose contour of the follow-up it is. */
typedef enum rp_guard_source {
    RP_GUARD_MODEL,      /**< "patient model" */
    RP_GUARD_REGISTERED, /**< "registered contour": the baseline's, carried by a deformable
                              registration */
    RP_GUARD_CARRIED,    /**< "carried contour": the same by the rigid registration alone */
    RP_GUARD_SOURCES
} rp_guard_source;
const char *rp_guard_source_name(rp_guard_source source);

/** Fields as in rp_guard_trial. */
typedef struct rp_guard_finding {
    double found_mm, found_cc, dice;
} rp_guard_finding;

/** One simulated follow-up and what the model made of it, and what else could be had for it. */
typedef struct rp_guard_trial {
    bool gone;                 /**< the lesion has vanished: nothing is the right answer */
    double change_percent;     /**< of the longest diameter, as asked for; -100 where gone */
    double true_mm, true_cc;   /**< 0 where gone */
    double found_mm, found_cc; /**< 0 where nothing was found */
    double dice;               /**< 1 where gone and nothing found */
    int parts;                 /**< that were found before one was kept */
    rp_guard_finding registered, carried; /**< zeros where nothing was compared */
} rp_guard_trial;

typedef struct rp_guard_trials {
    rp_guard_trial item[RP_GUARD_MOST_TRIALS];
    int count;
    uint64_t seed;
    char kind[32];          /**< of the simulated change; "" without trials */
    rp_guard_source source; /**< whose found_mm, found_cc, dice and parts: the model's as tried */
    bool compared;          /**< the registered and the carried contour were measured */
} rp_guard_trials;

/** Zero-initialise, then rp_guard_defaults(). */
typedef struct rp_guard_options {
    int trials; /**< 16, with a lesion: changes of the longest diameter spread evenly over ... */
    double least_percent, most_percent; /**< -60 to 35 */
    int vanished;                       /**< 2, without */
    double extent_mm[3]; /**< 144: what of the baseline the follow-ups are made from, round the
                              middle of the lesion's box, along its canonical axes: what the model
                              was adapted to */
    double rim_mm;       /**< 20 more on each side */
    double place_mm; /**< 4: the contour (and the region) comes to the follow-up with a normal error
                          of this standard deviation along each axis, as after a registration */
    uint64_t seed;
    rp_predict_options predict; /**< as for the follow-up; prior and place are set here */
    rp_diameter_definition diameter;
    bool nodal;                     /**< diameters are short axes */
    bool compare;                   /**< true: also the registered and the carried contour */
    const rp_guard_trials *earlier; /**< NULL; borrowed: of another model with the same baseline and
                                         options, for its registered and carried contours */
} rp_guard_options;

void rp_guard_defaults(rp_guard_options *options);

/**
 * Tries the model on simulated follow-ups of the baseline that it was adapted to. Image in HU, mask
 * on its grid. The other contours start from the same place, with the same error; a registration
 * that is refused finds nothing, and where it would need more than predict.memory_bytes nothing is
 * compared. The same inputs give the same trials with any number of threads, in whatever order
 * the file stores its axes. A follow-up that cannot be made (a lesion too small to shrink so far)
 * is left out: count may be less than was asked for. RP_ERR_ARGUMENT: more than
 * RP_GUARD_MOST_TRIALS, an empty mask or a mask on another grid. Progress: stage "guard" in trials,
 * with the note "try 3/18".
 */
rp_status rp_guard_try(const rp_model *model, const rp_image *baseline, const rp_mask *contour,
                       const rp_guard_options *options, const rp_progress *progress,
                       rp_guard_trials *out, rp_error *err);

/**
 * How the registered contour is made, in the trials and on the follow-up: the lesion's surroundings
 * up to 24 mm, on voxels whose number does not grow with the lesion (region: a 36th of the cube
 * root of that box's volume, 2 to 4 mm; beyond it half as much again). 0.3 to 1.2 s of processor
 * time. Without a lesion: rp_deform_defaults.
 */
void rp_guard_deform_options(const rp_mask *contour, rp_deform_options *options);

/** The same trials as if what a source found were what the model found (parts: 1 or 0). Nothing
 *  compared: RP_GUARD_MODEL only. */
void rp_guard_trials_of(const rp_guard_trials *trials, rp_guard_source source,
                        rp_guard_trials *out);

/**
 * Whose contour to use: the registered one where its mean Dice over the trials with a lesion is
 * higher by 0.03 than the model's, else the model's. The carried one is never it: a contour that
 * looks at nothing of the follow-up tells no change.
 */
rp_guard_source rp_guard_choose(const rp_guard_trials *trials);

/* ---- what is known of such models in general ----------------------------------------------- */

/**
 * Errors of patient models on patients whose truth was known, as a prior for the next patient. An
 * error is true minus found diameter, in units of u(found) = sqrt(f^2 + (r found)^2) with f =
 * floor_voxels * voxel and r = relative: an absolute part that no contour undercuts, and one that
 * grows with the lesion.
 */
typedef struct rp_guard_calibration {
    const char *name;     /**< for the record: what it was made from */
    double floor_voxels;  /**< 0.5 */
    double relative;      /**< 0.03 of the diameter */
    double bias;          /**< mean of the errors, in u */
    double bias_trials;   /**< how many trials of a patient weigh as much as it */
    double spread;        /**< of the errors, in u */
    double spread_trials; /**< degrees of freedom that it weighs */
    double reach, far;    /**< a trial counts by far + (1 - far) exp(-(ln(found/found of the
                               trial))^2 / (2 reach^2)) */
    double most;          /**< so many spreads from the bias a trial's error counts at most: one in
                               which another thing was found says little of how well borders are
                               drawn; 0: whatever it is */
    double q80, q95; /**< conformal: so many times the patient's scale the errors of 80 and 95 %
                          of the patients were below */
    double narrow;   /**< factor on the scale, by which scales and q95 are alike for all sources,
                          and so is the limit of rp_guard_limits.spread; 0: none */
    double gone;     /**< share of lesions that are gone at a follow-up */
    double false_find[2]; /**< a gone lesion was "found" so often, and so often not (Beta) */
    double miss[2];       /**< a present lesion was not found so often, and so often found (Beta) */
} rp_guard_calibration;

/** The one that is shipped (src/guard/calibration.c). */
const rp_guard_calibration *rp_guard_calibration_shipped(void);
/** That of a source: the registered and the carried contour have one of their own, for they err
 *  more, and towards the baseline's size. */
const rp_guard_calibration *rp_guard_calibration_of(rp_guard_source source);

/* ---- the answer ---------------------------------------------------------------------------- */

enum { RP_GUARD_LEVELS = 2 };
/** 0.80, 0.95. */
double rp_guard_level(int i);

typedef struct rp_guard_question {
    const rp_guard_calibration *calibration; /**< NULL: the shipped one */
    const rp_guard_trials *trials;           /**< NULL: none, and the prior alone speaks */
    double found_mm, found_cc;  /**< of the follow-up's contour; 0: nothing was found */
    double voxel_mm;            /**< extent of a voxel along its diameter */
    rp_response_input response; /**< baseline, nadir, nodal, new lesion; state and follow-up are set
                                     by the function */
} rp_guard_question;

typedef struct rp_guard_answer {
    bool found;       /**< false: the figures below, but for gone and failure, are NaN */
    double weight;    /**< trials that spoke, by their weights */
    double centre_mm; /**< of the distribution of the true diameter */
    double scale_mm;  /**< of it, computed from trials and prior alone: what q80 and q95 multiply */
    double low_mm[RP_GUARD_LEVELS], high_mm[RP_GUARD_LEVELS];
    double low_percent[RP_GUARD_LEVELS], high_percent[RP_GUARD_LEVELS]; /**< change from baseline */
    double probability[4]; /**< by rp_response: CR, PR, SD, PD; they sum to 1 */
    rp_response response;  /**< of the diameter found; RP_NE where nothing was */
    double gone;           /**< the lesion is gone, whatever was found */
    double failure;        /**< chance that a lesion that is there is not found, or another thing */
    double failure_near;   /**< share of the trials with a finding of such a diameter that were of
                                another thing (Dice below 0.5, or no lesion there); each counts by
                                exp(-(ln(found/found of the trial))^2 / (2 reach^2)), beside one
                                of 0.1 that stands for nothing known; 0 where nothing was found */
} rp_guard_answer;

/**
 * The true diameter D given the found one. Of the trials k in which something was found where there
 * was something, z_k = (true_k - found_k) / u(found_k), with weights w_k that fall with the ratio
 * of found_k to found, and which end at bias -+ most spread (Winsor's way). Errors are taken as
 * normal with unknown mean and variance under the conjugate prior that the calibration states, with
 * n = sum w, m = sum w z / n and S = sum w (z - m)^2 (Gelman et al., Bayesian Data Analysis, 3rd
 * ed. 2013, section 3.3):
 *
 *     kappa = kappa0 + n                    mu = (kappa0 bias + n m) / kappa
 *     nu sigma^2 = nu0 spread^2 + S + kappa0 n (m - bias)^2 / kappa          nu = nu0 + n
 *     centre = found + mu u(found)   scale = narrow u(found) sigma sqrt(1 + 1/kappa)
 *
 * (kappa0 = bias_trials, nu0 = spread_trials). How heavy the tails are is not taken from theory but
 * measured on patients whose truth is known: with q80 and q95 the quantiles of |D - centre| / scale
 * (split conformal prediction with locally weighted residuals: Lei et al., J Am Stat Assoc
 * 2018;113:1094-1111), the limits are centre -+ q scale, cut at 0 mm. Between them D is taken as
 * Student's t, scaled, with the degrees of freedom (1 to 1000) whose quantiles are as far apart as
 * q80 and q95.
 *
 * A lesion may be gone although something was found: with b the share of calibration and vanished
 * trials that found as much (half the volume at least), and c that of lesions found where there
 * were some, P(gone) = g b / (g b + (1 - g) c); where nothing was found, with 1 - b and 1 - c (b of
 * any volume). The responses' chances are those of the intervals of D between the limits of the
 * response, each classified by rp_response_classify: so nadir, 5 mm and a node's 10 mm count as
 * they do there; P(gone) goes to CR, unless the response there is another.
 *
 * failure: share of trials with a lesion in which nothing was found, or a Dice below 0.3, with the
 * calibration's misses.
 *
 * RP_ERR_ARGUMENT: a voxel, baseline or calibration that is out of range.
 */
rp_status rp_guard_interval(const rp_guard_question *question, rp_guard_answer *answer,
                            rp_error *err);

/* ---- the judgement ------------------------------------------------------------------------- */

typedef struct rp_guard_limits {
    double mean_dice;  /**< 0.6: of the trials with a lesion */
    double low_dice;   /**< 0.35: their lower quartile (type 7) */
    double train_dice; /**< 0.5: mean training Dice over the last fifth of the epochs */
    double spread;     /**< 0.15: scale of the interval as a share of the diameter */
    double failures;   /**< 0.3: rp_guard_answer.failure_near is no larger */
    double decided;    /**< 0.75: the response of the diameter found is at least as probable */
} rp_guard_limits;
void rp_guard_limits_defaults(rp_guard_limits *limits);

/** Of the trials with a lesion; NaN without any. */
typedef struct rp_guard_summary {
    int present, vanished;
    double mean_dice, low_dice, worst_dice;
    double bias_mm, error_mm; /**< mean of found minus true; mean without sign; of those found */
    int missed, false_finds;
} rp_guard_summary;
void rp_guard_summarise(const rp_guard_trials *trials, rp_guard_summary *out);

/**
 * Adds to what speaks against a change: RP_DOUBT_GUARD (Dice below a limit), RP_DOUBT_SETTLED
 * (training or spread), RP_DOUBT_UNDECIDED. Without trials the first is not raised; answer and
 * train_dice (epochs values) may be NULL.
 */
void rp_guard_judge(const rp_guard_trials *trials, const rp_guard_answer *answer,
                    const double *train_dice, size_t epochs, const rp_guard_limits *limits,
                    rp_doubts *doubts);

/* ---- the record ------------------------------------------------------------------------------ */

/** "kind", "seed", "trials": with every trial's fields. */
rp_json *rp_guard_trials_json(const rp_guard_trials *trials);
/** The way back. RP_ERR_FORMAT: something is missing or out of range. */
rp_status rp_guard_trials_read(const rp_json *json, rp_guard_trials *out, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
