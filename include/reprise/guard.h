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
#include "reprise/response.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- trials ------------------------------------------------------------------------------ */

enum { RP_GUARD_MOST_TRIALS = 64 };

/** One simulated follow-up and what the model made of it. */
typedef struct rp_guard_trial {
    bool gone;                 /**< the lesion has vanished: nothing is the right answer */
    double change_percent;     /**< of the longest diameter, as asked for; -100 where gone */
    double true_mm, true_cc;   /**< 0 where gone */
    double found_mm, found_cc; /**< 0 where nothing was found */
    double dice;               /**< 1 where gone and nothing found */
    int parts;                 /**< that were found before one was kept */
} rp_guard_trial;

typedef struct rp_guard_trials {
    rp_guard_trial item[RP_GUARD_MOST_TRIALS];
    int count;
    uint64_t seed;
    char kind[32]; /**< of the simulated change; "" without trials */
    double seconds;
} rp_guard_trials;

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
    double reach;    /**< trials count by exp(-(ln(found/found of the trial))^2 / (2 reach^2)) */
    double q80, q95; /**< conformal: so many times the patient's scale the errors of 80 and 95 %
                          of the patients were below */
    double gone;     /**< share of lesions that are gone at a follow-up */
    double false_find[2]; /**< a gone lesion was "found" so often, and so often not (Beta) */
    double miss[2];       /**< a present lesion was not found so often, and so often found (Beta) */
} rp_guard_calibration;

/** The one that is shipped (src/guard/calibration.c). */
const rp_guard_calibration *rp_guard_calibration_shipped(void);

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
    double gone;           /**< the lesion is gone, whatever was found */
    double failure;        /**< chance that a lesion that is there is not found, or another thing */
} rp_guard_answer;

/**
 * The true diameter D given the found one. Of the trials k in which something was found where there
 * was something, z_k = (true_k - found_k) / u(found_k), with weights w_k that fall with the ratio
 * of found_k to found. Errors are taken as normal with unknown mean and variance under the
 * conjugate prior that the calibration states, with n = sum w, m = sum w z / n and S = sum w (z -
 * m)^2 (Gelman et al., Bayesian Data Analysis, 3rd ed. 2013, section 3.3):
 *
 *     kappa = kappa0 + n                    mu = (kappa0 bias + n m) / kappa
 *     nu sigma^2 = nu0 spread^2 + S + kappa0 n (m - bias)^2 / kappa          nu = nu0 + n
 *     centre = found + mu u(found)          scale = u(found) sigma sqrt(1 + 1/kappa)
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

#ifdef __cplusplus
}
#endif
#endif
