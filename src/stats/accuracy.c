/* Proportions and the ROC curve. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

rp_stat_proportion rp_stat_proportion_of(size_t count, size_t n)
{
    rp_stat_proportion out = {.reason = n == 0 ? "no observations" : "more successes than trials",
                              .count = count,
                              .n = n,
                              .value = NAN,
                              .wilson_low = NAN,
                              .wilson_high = NAN,
                              .clopper_low = NAN,
                              .clopper_high = NAN};
    if (n == 0 || count > n) return out;
    const double k = (double)count, m = (double)n, p = k / m, z = rp_stat_z(), zz = z * z;
    const double middle = (p + zz / (2.0 * m)) / (1.0 + zz / m);
    const double reach = z / (1.0 + zz / m) * sqrt(p * (1.0 - p) / m + zz / (4.0 * m * m));
    out.defined = true;
    out.reason = "";
    out.value = p;
    out.wilson_low = count == 0 ? 0.0 : middle - reach;
    out.wilson_high = count == n ? 1.0 : middle + reach;
    out.clopper_low = count == 0 ? 0.0 : rp_beta_quantile(0.025, k, m - k + 1.0);
    out.clopper_high = count == n ? 1.0 : rp_beta_quantile(0.975, k + 1.0, m - k);
    return out;
}

static rp_stat_proportion share(size_t count, size_t n, const char *reason)
{
    rp_stat_proportion out = rp_stat_proportion_of(count, n);
    if (!out.defined) out.reason = reason;
    return out;
}

rp_stat_diagnostic rp_stat_diagnostic_of(const rp_stat_calls *c)
{
    const size_t positives = c->true_positive + c->false_negative;
    const size_t negatives = c->true_negative + c->false_positive;
    return (rp_stat_diagnostic){
        .sensitivity = share(c->true_positive, positives, "no positive cases"),
        .specificity = share(c->true_negative, negatives, "no negative cases"),
        .accuracy = share(c->true_positive + c->true_negative, positives + negatives, "no cases"),
    };
}

/* ---- area under the curve -------------------------------------------------------------------- */

/* The share of `others` that this score beats, ties counting half. */
static double placement(double score, const double *others, size_t count, bool above)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const bool beats = above ? score > others[i] : score < others[i];
        sum += beats ? 1.0 : score == others[i] ? 0.5 : 0.0;
    }
    return sum / (double)count;
}

/* Variance of the placements over their number: one class's part of DeLong's variance. */
static double part_of_variance(const double *score, size_t count, const double *others,
                               size_t other_count, bool above, double *placements, double *mean)
{
    for (size_t i = 0; i < count; i++)
        placements[i] = placement(score[i], others, other_count, above);
    *mean = rp_stat_average(placements, count);
    return rp_stat_squares(placements, count, *mean) / (double)(count - 1) / (double)count;
}

rp_status rp_stat_auc(const double *positive, size_t positives, const double *negative,
                      size_t negatives, rp_stat *out, rp_error *err)
{
    const size_t n = positives + negatives;
    const char *reason =
        positives == 0   ? "no positive cases"
        : negatives == 0 ? "no negative cases"
        : !rp_stat_finite(positive, positives) || !rp_stat_finite(negative, negatives)
            ? RP_STAT_NOT_FINITE
            : NULL;
    *out = rp_stat_undefined(n, reason ? reason : "");
    if (reason) return RP_OK;
    RP_AUTOFREE double *placements = rp_alloc(n, sizeof *placements);
    if (!placements) return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu scores", n);
    double auc, other;
    const double a =
        part_of_variance(positive, positives, negative, negatives, true, placements, &auc);
    const double b =
        part_of_variance(negative, negatives, positive, positives, false, placements, &other);
    if (positives < 2 || negatives < 2)
        *out = rp_stat_alone(n, auc, "fewer than two of a class");
    else if (!(a + b > 0.0)) /* placements that are all equal are 0, 1/2 or 1: exact */
        *out = rp_stat_alone(n, auc, "DeLong's variance is 0");
    else {
        *out = rp_stat_around(n, auc, sqrt(a + b), rp_stat_z());
        out->low = fmax(out->low, 0.0);
        out->high = fmin(out->high, 1.0);
    }
    return RP_OK;
}

/* How many of these ascending scores lie below the threshold. */
static size_t below(const double *sorted, size_t n, double threshold)
{
    size_t count = 0;
    while (count < n && sorted[count] < threshold) count++;
    return count;
}

rp_status rp_stat_roc(const double *positive, size_t positives, const double *negative,
                      size_t negatives, rp_stat_roc_point **points, size_t *count, rp_error *err)
{
    const size_t n = positives + negatives;
    *points = NULL;
    *count = 0;
    if (positives == 0 || negatives == 0 || !rp_stat_finite(positive, positives) ||
        !rp_stat_finite(negative, negatives))
        return RP_OK;
    RP_AUTOFREE double *yes = rp_stat_sorted(positive, positives);
    RP_AUTOFREE double *no = rp_stat_sorted(negative, negatives);
    RP_AUTOFREE double *all = rp_alloc(n, sizeof *all);
    rp_stat_roc_point *out = rp_alloc(n + 1, sizeof *out);
    if (!yes || !no || !all || !out) {
        rp_free(out);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu scores", n);
    }
    memcpy(all, positive, positives * sizeof *all);
    memcpy(all + positives, negative, negatives * sizeof *all);
    RP_AUTOFREE double *scores = rp_stat_sorted(all, n);
    if (!scores) {
        rp_free(out);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu scores", n);
    }
    out[(*count)++] = (rp_stat_roc_point){INFINITY, 0.0, 1.0};
    for (size_t i = n; i-- > 0;) {
        if (i + 1 < n && scores[i] == scores[i + 1]) continue;
        out[(*count)++] = (rp_stat_roc_point){
            scores[i], (double)(positives - below(yes, positives, scores[i])) / (double)positives,
            (double)below(no, negatives, scores[i]) / (double)negatives};
    }
    *points = out;
    return RP_OK;
}
