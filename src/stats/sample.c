/* One sample: mean, quartiles, bootstrap, ranks. */
#include "internal.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum { PURPOSE_BOOTSTRAP = 0x53000001 };

double rp_stat_z(void)
{
    return rp_normal_quantile(0.975);
}

rp_stat rp_stat_undefined(size_t n, const char *reason)
{
    return (rp_stat){.reason = reason,
                     .n = n,
                     .value = NAN,
                     .low = NAN,
                     .high = NAN,
                     .se = NAN,
                     .interval_reason = reason};
}

rp_stat rp_stat_alone(size_t n, double value, const char *why_no_interval)
{
    rp_stat out = rp_stat_undefined(n, "");
    out.defined = true;
    out.value = value;
    out.interval_reason = why_no_interval;
    return out;
}

rp_stat rp_stat_around(size_t n, double value, double se, double factor)
{
    rp_stat out = rp_stat_alone(n, value, "");
    out.se = se;
    out.low = value - factor * se;
    out.high = value + factor * se;
    return out;
}

bool rp_stat_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= 1e150)) return false;
    return true;
}

double rp_stat_average(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

double rp_stat_squares(const double *x, size_t n, double average)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (x[i] - average) * (x[i] - average);
    return sum;
}

bool rp_stat_constant(const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0]) return false;
    return true;
}

/* ---- mean ----------------------------------------------------------------------------------- */

rp_stat rp_stat_mean(const double *x, size_t n)
{
    if (n == 0) return rp_stat_undefined(n, "no observations");
    if (!rp_stat_finite(x, n)) return rp_stat_undefined(n, RP_STAT_NOT_FINITE);
    if (n == 1) return rp_stat_alone(n, x[0], "one observation");
    const double mean = rp_stat_average(x, n);
    const double se = sqrt(rp_stat_squares(x, n, mean) / (double)(n - 1) / (double)n);
    /* R's own rule, below which t.test calls data essentially constant. */
    if (!(se > 10.0 * DBL_EPSILON * fabs(mean)))
        return rp_stat_alone(n, mean, "all observations are equal");
    return rp_stat_around(n, mean, se, rp_t_quantile(0.975, (double)(n - 1)));
}

/* ---- order ---------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double *rp_stat_sorted(const double *x, size_t n)
{
    double *sorted = rp_alloc(n, sizeof *sorted);
    if (!sorted) return NULL;
    if (n) memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    return sorted;
}

double rp_stat_quantile(const double *sorted, size_t n, double p)
{
    const double place = p * (double)(n - 1);
    const size_t below = (size_t)place;
    const double share = place - (double)below;
    if (below + 1 >= n || share == 0.0) return sorted[below];
    return sorted[below] + share * (sorted[below + 1] - sorted[below]);
}

rp_status rp_stat_quartiles_of(const double *x, size_t n, rp_stat_quartiles *out, rp_error *err)
{
    *out = (rp_stat_quartiles){.n = n, .q1 = NAN, .median = NAN, .q3 = NAN};
    out->reason = n == 0 ? "no observations" : RP_STAT_NOT_FINITE;
    if (n == 0 || !rp_stat_finite(x, n)) return RP_OK;
    RP_AUTOFREE double *sorted = rp_stat_sorted(x, n);
    if (!sorted) return rp_fail(err, RP_ERR_MEMORY, "no memory to sort %zu values", n);
    out->defined = true;
    out->reason = "";
    out->q1 = rp_stat_quantile(sorted, n, 0.25);
    out->median = rp_stat_quantile(sorted, n, 0.5);
    out->q3 = rp_stat_quantile(sorted, n, 0.75);
    return RP_OK;
}

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int by_value(const void *a, const void *b)
{
    return ascending(&((const ranked *)a)->value, &((const ranked *)b)->value);
}

rp_status rp_stat_ranks(const double *x, size_t n, double *ranks, double *ties, rp_error *err)
{
    RP_AUTOFREE ranked *order = rp_alloc(n, sizeof *order);
    if (!order) return rp_fail(err, RP_ERR_MEMORY, "no memory to rank %zu values", n);
    for (size_t i = 0; i < n; i++) order[i] = (ranked){x[i], i};
    qsort(order, n, sizeof *order, by_value);
    if (ties) *ties = 0.0;
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && order[end].value == order[first].value; end++) continue;
        const double t = (double)(end - first), rank = 0.5 * (double)(first + 1 + end);
        for (size_t i = first; i < end; i++) ranks[order[i].index] = rank;
        if (ties) *ties += t * t * t - t;
    }
    return RP_OK;
}

/* ---- bootstrap ------------------------------------------------------------------------------ */

static double resampled_mean(const double *x, size_t n, rp_random *random)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += x[(size_t)(rp_random_uniform(random) * (double)n)];
    return sum / (double)n;
}

rp_status rp_stat_bootstrap(const double *difference, size_t n, size_t replicates, uint64_t seed,
                            rp_stat *out, rp_error *err)
{
    *out = rp_stat_undefined(n, n == 0 ? "no observations" : RP_STAT_NOT_FINITE);
    if (n == 0 || !rp_stat_finite(difference, n)) return RP_OK;
    const double mean = rp_stat_average(difference, n);
    const char *reason = n == 1                            ? "one pair"
                         : rp_stat_constant(difference, n) ? "all differences are equal"
                         : replicates == 0                 ? "no replicates"
                                                           : "";
    *out = rp_stat_alone(n, mean, reason);
    if (*reason) return RP_OK;
    RP_AUTOFREE double *means = rp_alloc(replicates, sizeof *means);
    if (!means) {
        *out = rp_stat_undefined(n, "no memory");
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu replicates", replicates);
    }
    rp_random random;
    rp_random_init(&random, seed, PURPOSE_BOOTSTRAP, 0);
    for (size_t i = 0; i < replicates; i++) means[i] = resampled_mean(difference, n, &random);
    qsort(means, replicates, sizeof *means, ascending);
    out->low = rp_stat_quantile(means, replicates, 0.025);
    out->high = rp_stat_quantile(means, replicates, 0.975);
    return RP_OK;
}
