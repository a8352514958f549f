/**
 * @file stats.h
 * Tests, intervals, agreement and survival as pure functions.
 *
 * Every result says whether it is defined. Where it is not, its numbers are NaN and `reason` tells
 * why (a literal, never NULL; "" where defined). Intervals have 95 %; one that does not exist
 * beside a defined value has NaN at both ends. Tests are two-sided. Inputs that are NaN or infinite
 * make a result undefined. Functions that need memory return RP_ERR_MEMORY and nothing else. Names
 * in brackets are what the tests hold a function against.
 */
#ifndef REPRISE_STATS_H
#define REPRISE_STATS_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one sample -------------------------------------------------------------------------- */

/** A value with its interval. */
typedef struct rp_stat {
    bool defined;
    const char *reason;
    size_t n; /**< of observations that count */
    double value, low, high;
} rp_stat;

/** Mean with the interval mean +- t(n-1) s / sqrt(n) [R t.test]; n = 1: no interval. */
rp_stat rp_stat_mean(const double *x, size_t n);

typedef struct rp_stat_quartiles {
    bool defined;
    const char *reason;
    size_t n;
    double q1, median, q3;
} rp_stat_quartiles;

/** By linear interpolation of order statistics, Hyndman and Fan's type 7 [R quantile]. */
rp_status rp_stat_quartiles_of(const double *x, size_t n, rp_stat_quartiles *out, rp_error *err);

/** Mean of paired differences with the percentile bootstrap interval: replicates resample pairs,
 *  limits are their 2.5 % and 97.5 % quantiles of type 7 (Efron and Tibshirani 1993, 13.3). n = 1
 * and equal differences: no interval. The same seed gives the same interval. */
rp_status rp_stat_bootstrap(const double *difference, size_t n, size_t replicates, uint64_t seed,
                            rp_stat *out, rp_error *err);

/* ---- tests --------------------------------------------------------------------------------- */

typedef struct rp_stat_test {
    bool defined;
    const char *reason;
    size_t n; /**< that the test used */
    double statistic, p;
    bool exact;
    const char *method; /**< named in words */
} rp_stat_test;

/** Wilcoxon's signed-rank test; statistic V, the sum of the ranks of positive differences. Zeros
 * are dropped, ties get mid-ranks. Exact with neither zeros nor ties and n <= 50, else normal with
 * tie correction and without continuity correction [R wilcox.test(correct = FALSE)]. */
rp_status rp_stat_wilcoxon(const double *difference, size_t n, rp_stat_test *out, rp_error *err);

/** McNemar's exact test on the discordant pairs: 2 P(X <= min(b, c)), X binomial(b + c, 1/2), at
 * most 1 [R binom.test]; statistic min(b, c). Undefined without discordant pairs. */
rp_stat_test rp_stat_mcnemar(size_t b, size_t c);

/** Spearman's rank correlation with mid-ranks; statistic rho. p exact for n <= 9 without ties, else
 *  by t with n - 2 degrees of freedom [R cor.test]. Undefined for n < 3 and constant data. */
rp_status rp_stat_spearman(const double *x, const double *y, size_t n, rp_stat_test *out,
                           rp_error *err);

/** Holm's step-down adjustment, in place; NaN entries are no tests and stay [R p.adjust]. */
rp_status rp_stat_holm(double *p, size_t count, rp_error *err);

/* ---- proportions and diagnostic accuracy --------------------------------------------------- */

typedef struct rp_stat_proportion {
    bool defined;
    const char *reason;
    size_t count, n;
    double value;
    double wilson_low, wilson_high;   /**< Wilson 1927 [R prop.test(correct = FALSE)] */
    double clopper_low, clopper_high; /**< Clopper and Pearson 1934 [R binom.test] */
} rp_stat_proportion;

rp_stat_proportion rp_stat_proportion_of(size_t count, size_t n);

/** Area under the ROC curve: P(positive > negative) + P(equal) / 2 (Mann-Whitney), with the
 * interval of DeLong et al. 1988 on a normal scale, cut at 0 and 1 [R pROC]. No interval with fewer
 * than two of a class or where the variance is 0. n is of both classes. */
rp_status rp_stat_auc(const double *positive, size_t positives, const double *negative,
                      size_t negatives, rp_stat *out, rp_error *err);

typedef struct rp_stat_roc_point {
    double threshold; /**< called positive: score >= threshold; +infinity for the first */
    double sensitivity, specificity;
} rp_stat_roc_point;

/** From (0, 1) on, by falling threshold, one point for each distinct score; *points rp_alloc'd.
 * None (NULL) where a class is empty. */
rp_status rp_stat_roc(const double *positive, size_t positives, const double *negative,
                      size_t negatives, rp_stat_roc_point **points, size_t *count, rp_error *err);

/* ---- agreement ------------------------------------------------------------------------------- */

/** Cohen's kappa of a k x k table [row][column], with the large-sample interval of Fleiss, Cohen
 * and Everitt 1969, not cut [R psych::cohen.kappa]. n is the sum of the table; undefined where
 * chance agreement is complete. */
rp_stat rp_stat_kappa(const size_t *table, size_t k);

typedef struct rp_stat_bland_altman {
    bool defined;
    const char *reason;
    size_t n;
    double bias, bias_low, bias_high;
    double sd;
    double lower, lower_low, lower_high; /**< bias - 1.96 sd */
    double upper, upper_low, upper_high; /**< bias + 1.96 sd */
} rp_stat_bland_altman;

/** Of differences. Intervals by t(n-1) with standard errors sd / sqrt(n) and, of a limit,
 *  sd sqrt(1/n + 1.96^2 / (2 (n-1))) (Bland and Altman 1999, section 3). Needs n >= 2. */
rp_stat_bland_altman rp_stat_bland_altman_of(const double *difference, size_t n);

typedef struct rp_stat_icc {
    rp_stat agreement;   /**< ICC(2,1): two-way random, absolute agreement, single rater */
    rp_stat consistency; /**< ICC(3,1): two-way mixed, consistency, single rater */
} rp_stat_icc;

/** Of two raters, with the F-based intervals of Shrout and Fleiss 1979 [R psych::ICC]. No intervals
 *  where the residual is 0; undefined for n < 2 and where nothing varies. */
rp_stat_icc rp_stat_icc_of(const double *x, const double *y, size_t n);

/* ---- survival -------------------------------------------------------------------------------- */

typedef struct rp_stat_survival_point {
    double time;
    size_t at_risk, events, censored;
    double survival, se; /**< Greenwood's standard error of survival */
    double low, high;    /**< log-log; NaN where survival is 1 or 0 */
} rp_stat_survival_point;

typedef struct rp_stat_survival {
    bool defined;
    const char *reason;
    size_t n, events, count;
    rp_stat_survival_point *points; /**< one for each distinct time, rising; rp_alloc'd */
    double
        median; /**< NaN where survival stays above one half; midway along a step at exactly 1/2 */
} rp_stat_survival;

/** Kaplan-Meier; events come before censorings of the same time [R survival::survfit with
 *  conf.type "log-log"]. Negative or missing times make it undefined. */
rp_status rp_stat_kaplan_meier(const double *time, const bool *event, size_t n,
                               rp_stat_survival *out, rp_error *err);
void rp_stat_survival_release(rp_stat_survival *survival);

#ifdef __cplusplus
}
#endif
#endif
