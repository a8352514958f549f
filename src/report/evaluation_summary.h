/* The numbers of an evaluation's summary, as its JSON has them. This is the one place that knows
 * its keys. Nothing here fails: what is missing is not known. */
#ifndef REPRISE_REPORT_EVALUATION_SUMMARY_H
#define REPRISE_REPORT_EVALUATION_SUMMARY_H

#include "reprise/evaluation.h"

/** A number with its interval; members that the summary lacks are NaN. */
typedef struct rp_estimate {
    bool known;
    double value, low, high, p, p_holm, n;
    double median, q1, q3;
    const char *reason; /**< why it is not known; "" where that is not said either */
    const char *method; /**< "" where it is not said */
} rp_estimate;

typedef struct rp_bland_altman_numbers {
    rp_estimate bias, lower, upper; /**< limits of agreement with their intervals */
} rp_bland_altman_numbers;

/** One quantity over the cases of a cohort: "dice", "hd95_mm", ... */
rp_estimate rp_summary_mean(const rp_json *summary, const char *cohort, const char *quantity,
                            rp_source source);
/** Dice of IDOL minus that of the source, paired. */
rp_estimate rp_summary_compare(const rp_json *summary, const char *cohort, rp_source source);
/** quantity "diameter" or "volume"; name "icc_2_1", "icc_3_1", "spearman", "wilcoxon". */
rp_estimate rp_summary_agreement(const rp_json *summary, const char *cohort, const char *quantity,
                                 rp_source source, const char *name);
rp_bland_altman_numbers rp_summary_bland_altman(const rp_json *summary, const char *cohort,
                                                const char *quantity, rp_source source);
/** name "agreement", "kappa", "mcnemar", "sensitivity", "specificity", "accuracy", "auc_change",
 *  "auc_call". */
rp_estimate rp_summary_response(const rp_json *summary, const char *cohort, rp_source source,
                                const char *name);
/** How many responses agree, of how many; false where that is not known. */
bool rp_summary_agreeing(const rp_json *summary, const char *cohort, rp_source source,
                         int64_t *agree, int64_t *of);
/** How many cases are responders by the manual contours. */
size_t rp_summary_responders(const rp_json *summary, const char *cohort, rp_source source);

/** Points from (0, 1) on; release with rp_roc_release. */
typedef struct rp_roc_curve {
    size_t count;
    double *sensitivity, *specificity;
} rp_roc_curve;

/** False where a class is empty or the source was not run. */
bool rp_summary_roc(const rp_json *summary, const char *cohort, rp_source source,
                    rp_roc_curve *curve, rp_status *status);
void rp_roc_release(rp_roc_curve *curve);

/** Spearman of Dice with the baseline's diameter. */
rp_estimate rp_summary_dice_diameter(const rp_json *summary, const char *cohort, rp_source source);

/** Table 1's rows; false beyond the last. */
bool rp_summary_characteristic(const rp_json *summary, const char *cohort, size_t row,
                               const char **name, const char **value);

/** An event's Kaplan-Meier curve: a step at each time. Arrays are made by rp_alloc and released
 * with rp_survival_release. */
typedef struct rp_survival_curve {
    const char *name, *unit;
    double n, events, left_out, median; /**< NaN where not known or not reached */
    size_t count;
    /** [count], by rising time; at_risk: just before the time; censored: how many at the time */
    double *time, *survival, *low, *high, *at_risk, *censored;
} rp_survival_curve;

/** False beyond the last. RP_ERR_MEMORY in *status, and no steps, where memory is short. */
bool rp_summary_survival(const rp_json *summary, const char *cohort, size_t index,
                         rp_survival_curve *curve, rp_status *status);
void rp_survival_release(rp_survival_curve *curve);

/** "" where it is not stated. */
const char *rp_summary_multiplicity(const rp_json *summary);
const rp_json *rp_summary_definitions(const rp_json *summary);

/** "0.63 (0.52 to 0.74)", without the interval where there is none, else "undefined". */
const char *rp_estimate_words(char out[128], const rp_estimate *estimate, int decimals);

#endif
