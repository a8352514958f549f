/* Wilcoxon's, McNemar's and Spearman's tests; Holm's adjustment. */
#include "internal.h"

#include <string.h>

static rp_stat_test undefined(size_t n, const char *reason)
{
    return (rp_stat_test){.reason = reason, .n = n, .statistic = NAN, .p = NAN, .method = ""};
}

static double at_most_one(double p)
{
    return p > 1.0 ? 1.0 : p;
}

/* ---- Wilcoxon -------------------------------------------------------------------------------- */

enum { EXACT_WILCOXON = 50, EXACT_SUMS = EXACT_WILCOXON * (EXACT_WILCOXON + 1) / 2 };

/* P(V <= v): subsets of 1..n by their sum. Counts stay below 2^50 and are exact. */
static double signed_rank_lower(size_t n, double v)
{
    double ways[EXACT_SUMS + 1] = {1.0};
    size_t largest = 0;
    for (size_t rank = 1; rank <= n; rank++) {
        largest += rank;
        for (size_t sum = largest; sum >= rank; sum--) ways[sum] += ways[sum - rank];
    }
    double below = 0.0;
    for (size_t sum = 0; sum <= largest && (double)sum <= v; sum++) below += ways[sum];
    return ldexp(below, -(int)n);
}

static double wilcoxon_exact(size_t n, double v)
{
    /* The distribution is symmetric, so the smaller tail is a lower one. */
    const double total = 0.5 * (double)n * (double)(n + 1);
    const double smaller = v < total - v ? v : total - v;
    return at_most_one(2.0 * signed_rank_lower(n, smaller));
}

static double wilcoxon_normal(size_t n, double v, double ties)
{
    const double m = (double)n, mean = 0.25 * m * (m + 1.0);
    const double variance = m * (m + 1.0) * (2.0 * m + 1.0) / 24.0 - ties / 48.0;
    return at_most_one(2.0 * rp_normal_upper(fabs(v - mean) / sqrt(variance)));
}

rp_status rp_stat_wilcoxon(const double *difference, size_t n, rp_stat_test *out, rp_error *err)
{
    *out = undefined(n, n == 0 ? "no pairs" : RP_STAT_NOT_FINITE);
    if (n == 0 || !rp_stat_finite(difference, n)) return RP_OK;
    RP_AUTOFREE double *size = rp_alloc(n, sizeof *size), *rank = rp_alloc(n, sizeof *rank);
    RP_AUTOFREE bool *positive = rp_alloc(n, sizeof *positive);
    if (!size || !rank || !positive)
        return rp_fail(err, RP_ERR_MEMORY, "no memory to rank %zu differences", n);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (difference[i] == 0.0) continue;
        size[used] = fabs(difference[i]);
        positive[used++] = difference[i] > 0.0;
    }
    *out = undefined(used, "all differences are 0");
    if (used == 0) return RP_OK;
    double ties, v = 0.0;
    const rp_status status = rp_stat_ranks(size, used, rank, &ties, err);
    if (status) return status;
    for (size_t i = 0; i < used; i++) v += positive[i] ? rank[i] : 0.0;
    const bool exact = ties == 0.0 && used == n && used <= EXACT_WILCOXON;
    *out = (rp_stat_test){.defined = true, .reason = "", .n = used, .statistic = v, .exact = exact};
    out->p = exact ? wilcoxon_exact(used, v) : wilcoxon_normal(used, v, ties);
    out->method = exact ? "Wilcoxon signed-rank, exact"
                        : "Wilcoxon signed-rank, normal approximation with tie correction, "
                          "without continuity correction, zeros dropped";
    return RP_OK;
}

/* ---- McNemar --------------------------------------------------------------------------------- */

rp_stat_test rp_stat_mcnemar(size_t b, size_t c)
{
    const size_t n = b + c, smaller = b < c ? b : c;
    if (n == 0) return undefined(0, "no discordant pairs");
    return (rp_stat_test){.defined = true,
                          .reason = "",
                          .n = n,
                          .statistic = (double)smaller,
                          .p =
                              at_most_one(2.0 * rp_binomial_lower((double)smaller, (double)n, 0.5)),
                          .exact = true,
                          .method = "McNemar, exact binomial"};
}

/* ---- Spearman -------------------------------------------------------------------------------- */

enum { EXACT_SPEARMAN = 9 };

/* Permutations by the sum of squared rank differences, one rank after the other. */
typedef struct permutations {
    int n;
    bool used[EXACT_SPEARMAN];
    double limit; /* counted: sums up to here */
    double counted, all;
} permutations;

static void permute(permutations *p, int place, double sum)
{
    if (place == p->n) {
        p->all++;
        p->counted += sum <= p->limit;
        return;
    }
    for (int rank = 0; rank < p->n; rank++) {
        if (p->used[rank]) continue;
        p->used[rank] = true;
        permute(p, place + 1, sum + (double)((place - rank) * (place - rank)));
        p->used[rank] = false;
    }
}

static double spearman_exact(const double *x, const double *y, size_t n)
{
    const double m = (double)n, largest = (m * m * m - m) / 3.0;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
    /* Symmetric about the middle of 0..largest. */
    permutations p = {.n = (int)n, .limit = sum < largest - sum ? sum : largest - sum};
    permute(&p, 0, 0.0);
    return at_most_one(2.0 * p.counted / p.all);
}

static double correlation(const double *x, const double *y, size_t n)
{
    const double mx = rp_stat_average(x, n), my = rp_stat_average(y, n);
    double both = 0.0;
    for (size_t i = 0; i < n; i++) both += (x[i] - mx) * (y[i] - my);
    const double r = both / sqrt(rp_stat_squares(x, n, mx) * rp_stat_squares(y, n, my));
    return r > 1.0 ? 1.0 : r < -1.0 ? -1.0 : r; /* rounding alone leads beyond */
}

static double p_of_correlation(double r, size_t n)
{
    const double df = (double)n - 2.0, rest = 1.0 - r * r;
    return rest <= 0.0 ? 0.0 : at_most_one(2.0 * rp_t_upper(fabs(r) * sqrt(df / rest), df));
}

rp_status rp_stat_spearman(const double *x, const double *y, size_t n, rp_stat_test *out,
                           rp_error *err)
{
    const char *reason = n < 3                                            ? "fewer than 3 pairs"
                         : !rp_stat_finite(x, n) || !rp_stat_finite(y, n) ? RP_STAT_NOT_FINITE
                         : rp_stat_constant(x, n) || rp_stat_constant(y, n)
                             ? "one variable is constant"
                             : NULL;
    *out = undefined(n, reason ? reason : "");
    if (reason) return RP_OK;
    RP_AUTOFREE double *rank_x = rp_alloc(n, sizeof *rank_x), *rank_y = rp_alloc(n, sizeof *rank_y);
    if (!rank_x || !rank_y) return rp_fail(err, RP_ERR_MEMORY, "no memory to rank %zu pairs", n);
    double ties_x, ties_y;
    rp_status status = rp_stat_ranks(x, n, rank_x, &ties_x, err);
    if (!status) status = rp_stat_ranks(y, n, rank_y, &ties_y, err);
    if (status) return status;
    const double rho = correlation(rank_x, rank_y, n);
    const bool exact = n <= EXACT_SPEARMAN && ties_x == 0.0 && ties_y == 0.0;
    *out = (rp_stat_test){.defined = true, .reason = "", .n = n, .statistic = rho, .exact = exact};
    out->p = exact ? spearman_exact(rank_x, rank_y, n) : p_of_correlation(rho, n);
    out->method = exact ? "Spearman, exact" : "Spearman, t approximation";
    return RP_OK;
}

/* ---- Holm ------------------------------------------------------------------------------------ */

rp_status rp_stat_holm(double *p, size_t count, rp_error *err)
{
    RP_AUTOFREE double *raw = rp_alloc(count, sizeof *raw);
    RP_AUTOFREE bool *done = rp_alloc(count, sizeof *done);
    if (!raw || !done) return rp_fail(err, RP_ERR_MEMORY, "no memory to adjust %zu tests", count);
    size_t left = 0;
    if (count) memcpy(raw, p, count * sizeof *raw);
    for (size_t i = 0; i < count; i++) left += !isnan(raw[i]);
    for (double largest = 0.0; left > 0; left--) {
        size_t next = count;
        for (size_t i = 0; i < count; i++)
            if (!done[i] && !isnan(raw[i]) && (next == count || raw[i] < raw[next])) next = i;
        const double adjusted = at_most_one((double)left * raw[next]);
        largest = adjusted > largest ? adjusted : largest;
        p[next] = largest;
        done[next] = true;
    }
    return RP_OK;
}
