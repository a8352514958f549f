/**
 * @file stats.h
 * Tests, intervals, agreement and survival as pure functions.
 *
 * Every result says whether it is defined. Where it is not, its numbers are NaN and `reason` tells
 * why; where an interval alone does not exist, its ends are NaN and `interval_reason` tells why.
 * Reasons are literals, never NULL, "" where there is nothing to tell. Intervals have 95 %, tests
 * are two-sided. A value that is NaN, infinite or beyond 1e150 makes a result undefined. Equal
 * means equal as double: values that ought to tie but carry different rounding do not, so round
 * them first. Nothing here fails but for want of memory (RP_ERR_MEMORY). Same input, same bits.
 * Thread safe.
 *
 * In brackets: the function of R 4.2 or SciPy 1.10 whose value it is, and where those two differ.
 */
#ifndef REPRISE_STATS_H
#define REPRISE_STATS_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Student's t --------------------------------------------------------------------------- */

/** P(T <= t) with df > 0 degrees of freedom, that need not be whole [R pt; SciPy t.cdf]. */
double rp_stat_t_below(double t, double df);
/** Its inverse, 0 < p < 1 [R qt; SciPy t.ppf]. */
double rp_stat_t_quantile(double p, double df);

/* ---- one sample -------------------------------------------------------------------------- */

/** A value with its interval. */
typedef struct rp_stat {
    bool defined;
    const char *reason;
    size_t n; /**< of observations that count */
    double value, low, high;
    double se;                   /**< standard error that the interval stands on; NaN where none */
    const char *interval_reason; /**< why there is no interval; "" where there is one */
} rp_stat;

/**
 * Mean with the interval mean +- t(n-1) s / sqrt(n) [R t.test; SciPy t.interval with sem].
 * Undefined for n = 0. No interval for n = 1 and for equal observations: as in R, where
 * s / sqrt(n) is at most 10 epsilon |mean| (SciPy gives NaN there where it is 0 exactly).
 */
rp_stat rp_stat_mean(const double *x, size_t n);

typedef struct rp_stat_quartiles {
    bool defined;
    const char *reason;
    size_t n;
    double q1, median, q3;
} rp_stat_quartiles;

/** By linear interpolation of order statistics, Hyndman and Fan's type 7 [R quantile, NumPy
 *  percentile: the default of both]. Undefined for n = 0. */
rp_status rp_stat_quartiles_of(const double *x, size_t n, rp_stat_quartiles *out, rp_error *err);

/**
 * Mean of paired differences with the percentile bootstrap interval: replicates draw n pairs with
 * replacement, the limits are the 2.5 % and 97.5 % quantiles (type 7) of their means (Efron and
 * Tibshirani 1993, chapter 13) [SciPy bootstrap(method = "percentile"), but for the draws]. Pair
 * floor(n u) is drawn for each u of one Philox stream, so the same seed gives the same interval;
 * the stream belongs to this function. Undefined for n = 0. No interval for n = 1, equal
 * differences, no replicates. se stays NaN: the interval does not stand on one.
 */
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

/**
 * Wilcoxon's signed-rank test of differences; statistic V, the sum of the ranks of the positive
 * ones; n without zeros. Zeros are dropped, ties get mid-ranks. Exact with neither zeros nor ties
 * and n <= 50, else normal with tie correction and without continuity correction
 * [R wilcox.test(correct = FALSE): the same V; its own limit for exact is n < 50, so ask it for
 * exact = TRUE at 50. SciPy wilcoxon(correction = False): the same p, but its statistic is the
 * smaller of both rank sums, and by itself it is "exact" in spite of ties]. Undefined without pairs
 * and where all differences are 0.
 */
rp_status rp_stat_wilcoxon(const double *difference, size_t n, rp_stat_test *out, rp_error *err);

/**
 * McNemar's exact test on the discordant pairs, b of one kind and c of the other:
 * 2 P(X <= min(b, c)), X binomial(b + c, 1/2), at most 1; statistic min(b, c)
 * [R binom.test(b, b + c), SciPy binomtest; R's mcnemar.test is the chi-squared approximation].
 * Undefined without discordant pairs: the study's "p = 1" there is a convention, not a test.
 */
rp_stat_test rp_stat_mcnemar(size_t b, size_t c);

/**
 * Spearman's rank correlation with mid-ranks; statistic rho. Without ties and n <= 9 p is exact:
 * the share of permutations as far out, one side doubled [R cor.test(method = "spearman")], else
 * by t with n - 2 degrees of freedom [R cor.test(exact = FALSE), which R by itself only does with
 * ties: up to n = 1289 it takes an Edgeworth series instead. SciPy spearmanr: the same rho, p
 * always by t]. By t, |rho| = 1 has p = 0 however small n is. Undefined for n < 3 and constant
 * data.
 */
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
    double wilson_low, wilson_high;   /**< Wilson 1927, without continuity correction */
    double clopper_low, clopper_high; /**< Clopper and Pearson 1934 */
} rp_stat_proportion;

/** [R prop.test(correct = FALSE) and binom.test; SciPy binomtest().proportion_ci("wilson" and
 *  "exact")]. Undefined for n = 0 and count > n. */
rp_stat_proportion rp_stat_proportion_of(size_t count, size_t n);

/** Calls against the truth, counted. */
typedef struct rp_stat_calls {
    size_t true_positive, false_negative, true_negative, false_positive;
} rp_stat_calls;

typedef struct rp_stat_diagnostic {
    rp_stat_proportion sensitivity; /**< of the positive cases; undefined without any */
    rp_stat_proportion specificity; /**< of the negative cases; undefined without any */
    rp_stat_proportion accuracy;    /**< of all; undefined without any */
} rp_stat_diagnostic;

rp_stat_diagnostic rp_stat_diagnostic_of(const rp_stat_calls *calls);

/**
 * Area under the ROC curve: P(positive > negative) + P(equal) / 2 (Mann-Whitney), with the
 * interval of DeLong et al. 1988 on a normal scale, cut at 0 and 1; se is the root of DeLong's
 * variance; n is of both classes [R pROC roc(direction = "<"), var, ci.auc(method = "delong");
 * SciPy mannwhitneyu: U / (n1 n2)]. Undefined where a class is empty. No interval with fewer than
 * two of a class, where R gives NA, and where the variance is 0 (perfect separation, or all scores
 * equal), where R's has no width. Time grows with the product of both numbers.
 */
rp_status rp_stat_auc(const double *positive, size_t positives, const double *negative,
                      size_t negatives, rp_stat *out, rp_error *err);

typedef struct rp_stat_roc_point {
    double threshold; /**< called positive: score >= threshold; +infinity for the first */
    double sensitivity, specificity;
} rp_stat_roc_point;

/** From sensitivity 0, specificity 1 on, by falling threshold, one point for each distinct score;
 *  *points rp_alloc'd. None (NULL, 0) where rp_stat_auc is undefined. [R pROC coords, which puts
 *  thresholds between the scores]. */
rp_status rp_stat_roc(const double *positive, size_t positives, const double *negative,
                      size_t negatives, rp_stat_roc_point **points, size_t *count, rp_error *err);

/* ---- agreement ------------------------------------------------------------------------------- */

/**
 * Cohen's unweighted kappa of a k x k table [row][column] of counts, with the large-sample
 * standard error of Fleiss, Cohen and Everitt 1969 and kappa +- z se, cut at -1 and 1
 * [R psych::cohen.kappa]. n is the sum of the table. Categories that nobody chose change nothing.
 * Undefined for n = 0 and where all is in one cell of the diagonal (0/0). No interval where the
 * variance is 0 (complete agreement is one such table), where R's has no width.
 */
rp_stat rp_stat_kappa(const size_t *table, size_t k);

typedef struct rp_stat_bland_altman {
    bool defined;
    const char *reason;
    size_t n;
    double bias, bias_low, bias_high;
    double sd;
    double lower, lower_low, lower_high; /**< bias - 1.96 sd */
    double upper, upper_low, upper_high; /**< bias + 1.96 sd */
    const char *interval_reason;         /**< why there are no intervals; "" where there are */
} rp_stat_bland_altman;

/**
 * Of differences. Intervals by t(n-1) with standard error sd / sqrt(n) for the bias and
 * sd sqrt(1/n + 1.96^2 / (2 (n-1))) for a limit: the variance of a limit in Bland and Altman 1999
 * (Stat Methods Med Res 8:135-160) before they round it to 2.92 sd^2 / n (or 3 in 1986). Undefined
 * for n < 2; no intervals for equal differences.
 */
rp_stat_bland_altman rp_stat_bland_altman_of(const double *difference, size_t n);

typedef struct rp_stat_icc {
    rp_stat agreement;   /**< ICC(2,1): two-way random, absolute agreement, single rater */
    rp_stat consistency; /**< ICC(3,1): two-way mixed, consistency, single rater */
} rp_stat_icc;

/**
 * Of two raters, with the F-based intervals of Shrout and Fleiss 1979 [R psych::ICC(lmer = FALSE)].
 * Negative values stand as they are; se is NaN. Undefined for n < 2, where nothing varies between
 * the pairs, and ICC(2,1) for two pairs that mirror each other (-1/0). No interval where the raters
 * differ by a constant at most or the sums of the pairs do not vary, but for rounding (R's have no
 * width or one end there), and where an F quantile is infinite.
 */
rp_stat_icc rp_stat_icc_of(const double *x, const double *y, size_t n);

/* ---- survival -------------------------------------------------------------------------------- */

typedef struct rp_stat_survival_point {
    double time;
    size_t at_risk, events, censored;
    double survival;
    double se;        /**< Greenwood's standard error of survival; NaN where survival is 0 */
    double low, high; /**< log-log; NaN where survival is 1 or 0 */
} rp_stat_survival_point;

typedef struct rp_stat_survival {
    bool defined;
    const char *reason;
    size_t n, events, count;
    rp_stat_survival_point *points; /**< one for each distinct time, rising; rp_alloc'd */
    double median; /**< midway along a step at exactly 1/2; NaN where survival stays above */
    bool median_defined;
    const char *median_reason;
    /** Where the limits of the curve fall to one half; NaN where they do not. */
    double median_low, median_high;
} rp_stat_survival;

/**
 * Kaplan-Meier; events come before censorings of the same time; times count as equal only where
 * they are equal doubles [R survival::survfit(conf.type = "log-log", timefix = FALSE); the median
 * is that of its summary: R's quantile() differs where the curve ends at exactly 1/2]. Undefined
 * for n = 0 and negative times.
 */
rp_status rp_stat_kaplan_meier(const double *time, const bool *event, size_t n,
                               rp_stat_survival *out, rp_error *err);
void rp_stat_survival_release(rp_stat_survival *survival);

#ifdef __cplusplus
}
#endif
#endif
