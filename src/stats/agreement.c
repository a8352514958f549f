/* Kappa, Bland-Altman, intraclass correlation. */
#include "internal.h"

#include <float.h>

/* ---- kappa ----------------------------------------------------------------------------------- */

typedef struct margins {
    double total, observed, expected;
} margins;

static double cell(const size_t *table, size_t k, size_t row, size_t column)
{
    return (double)table[row * k + column];
}

/* Share of a row or of a column. */
static double margin(const size_t *table, size_t k, size_t index, bool row, double total)
{
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) sum += row ? cell(table, k, index, i) : cell(table, k, i, index);
    return sum / total;
}

static margins add_up(const size_t *table, size_t k)
{
    margins m = {0};
    for (size_t i = 0; i < k * k; i++) m.total += (double)table[i];
    for (size_t i = 0; i < k && m.total > 0.0; i++) {
        m.observed += cell(table, k, i, i) / m.total;
        m.expected += margin(table, k, i, true, m.total) * margin(table, k, i, false, m.total);
    }
    return m;
}

/* Fleiss, Cohen and Everitt 1969, equation 13. */
static double kappa_variance(const size_t *table, size_t k, const margins *m)
{
    const double po = m->observed, pe = m->expected;
    double sum = 0.0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            const double p = cell(table, k, i, j) / m->total;
            const double both =
                margin(table, k, j, true, m->total) + margin(table, k, i, false, m->total);
            const double term = i == j ? (1.0 - pe) - both * (1.0 - po) : (1.0 - po) * both;
            sum += p * term * term;
        }
    const double rest = po * pe - 2.0 * pe + po, chance = (1.0 - pe) * (1.0 - pe);
    /* Equal but for rounding in tables of complete agreement and the like. */
    if (!(sum - rest * rest > 1e-12 * sum)) return 0.0;
    return (sum - rest * rest) / (m->total * chance * chance);
}

rp_stat rp_stat_kappa(const size_t *table, size_t k)
{
    const margins m = add_up(table, k);
    const size_t n = (size_t)m.total;
    if (n == 0) return rp_stat_undefined(0, "no observations");
    if (1.0 - m.expected < 1e-12)
        return rp_stat_undefined(n,
                                 "everything is in one category, agreement by chance is complete");
    const double kappa = (m.observed - m.expected) / (1.0 - m.expected);
    const double variance = kappa_variance(table, k, &m);
    if (variance == 0.0) return rp_stat_alone(n, kappa, "the large-sample variance is 0");
    rp_stat out = rp_stat_around(n, kappa, sqrt(variance), rp_stat_z());
    out.low = fmax(out.low, -1.0);
    out.high = fmin(out.high, 1.0);
    return out;
}

/* ---- Bland and Altman ------------------------------------------------------------------------ */

rp_stat_bland_altman rp_stat_bland_altman_of(const double *difference, size_t n)
{
    rp_stat_bland_altman b = {.reason = n < 2 ? "fewer than 2 pairs" : RP_STAT_NOT_FINITE,
                              .n = n,
                              .bias = NAN,
                              .bias_low = NAN,
                              .bias_high = NAN,
                              .sd = NAN,
                              .lower = NAN,
                              .lower_low = NAN,
                              .lower_high = NAN,
                              .upper = NAN,
                              .upper_low = NAN,
                              .upper_high = NAN};
    b.interval_reason = b.reason;
    if (n < 2 || !rp_stat_finite(difference, n)) return b;
    const rp_stat mean = rp_stat_mean(difference, n);
    const double m = (double)n, z = 1.96, t = rp_t_quantile(0.975, m - 1.0);
    const bool varies = isfinite(mean.se);
    b.defined = true;
    b.reason = "";
    b.interval_reason = varies ? "" : "all differences are equal";
    b.bias = mean.value;
    b.bias_low = mean.low;
    b.bias_high = mean.high;
    b.sd = varies ? mean.se * sqrt(m) : 0.0;
    b.lower = b.bias - z * b.sd;
    b.upper = b.bias + z * b.sd;
    if (!varies) return b;
    const double reach = t * b.sd * sqrt(1.0 / m + z * z / (2.0 * (m - 1.0)));
    b.lower_low = b.lower - reach;
    b.lower_high = b.lower + reach;
    b.upper_low = b.upper - reach;
    b.upper_high = b.upper + reach;
    return b;
}

/* ---- intraclass correlation ------------------------------------------------------------------ */

/* Mean squares of the two-way analysis of variance: between subjects, between raters, residual. */
typedef struct squares {
    double n, subjects, raters, residual;
} squares;

static squares analyse(const double *x, const double *y, size_t n)
{
    const double m = (double)n, mx = rp_stat_average(x, n), my = rp_stat_average(y, n);
    const double grand = 0.5 * (mx + my);
    squares s = {.n = m,
                 .raters = m * (mx - grand) * (mx - grand) + m * (my - grand) * (my - grand)};
    double size = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double own = 0.5 * (x[i] + y[i]) - grand;
        const double rest = 0.5 * ((x[i] - mx) - (y[i] - my));
        s.subjects += 2.0 * own * own;
        s.residual += 2.0 * rest * rest;
        size += x[i] * x[i] + y[i] * y[i];
    }
    s.subjects /= m - 1.0;
    s.residual /= m - 1.0;
    /* What rounding alone leaves of equal values. */
    const double nothing = size * (64.0 * DBL_EPSILON) * (64.0 * DBL_EPSILON);
    if (s.subjects <= nothing) s.subjects = 0.0;
    if (s.raters <= nothing) s.raters = 0.0;
    if (s.residual <= nothing) s.residual = 0.0;
    return s;
}

static rp_stat with_limits(const squares *s, double value, double low, double high)
{
    rp_stat out = rp_stat_alone((size_t)s->n, value, "the limits are not finite");
    if (!isfinite(low) || !isfinite(high)) return out;
    out.low = low;
    out.high = high;
    out.interval_reason = "";
    return out;
}

static const char *why_no_interval(const squares *s)
{
    return s->residual == 0.0   ? "the raters differ by a constant at most"
           : s->subjects == 0.0 ? "the sums of the pairs do not vary"
                                : NULL;
}

/* Shrout and Fleiss 1979, case 3 with two raters. */
static rp_stat consistency(const squares *s)
{
    const double df = s->n - 1.0, r = (s->subjects - s->residual) / (s->subjects + s->residual);
    if (why_no_interval(s)) return rp_stat_alone((size_t)s->n, r, why_no_interval(s));
    const double f = s->subjects / s->residual, q = rp_f_quantile(0.975, df, df);
    return with_limits(s, r, (f / q - 1.0) / (f / q + 1.0), (f * q - 1.0) / (f * q + 1.0));
}

/* The same, case 2: the degrees of freedom of a combined mean square are Satterthwaite's. */
static rp_stat agreement(const squares *s)
{
    const double n = s->n, df = n - 1.0;
    const double whole = s->subjects + s->residual + 2.0 * (s->raters - s->residual) / n;
    if (!(whole > 0.0)) return rp_stat_undefined((size_t)n, "two pairs that mirror each other");
    const double r = (s->subjects - s->residual) / whole;
    if (why_no_interval(s)) return rp_stat_alone((size_t)n, r, why_no_interval(s));
    const double f = s->raters / s->residual;
    const double other = n * (1.0 + r) - 2.0 * r, sum = 2.0 * r * f + other;
    const double v = df * sum * sum / (df * 4.0 * r * r * f * f + other * other);
    if (!(v > 0.0)) return with_limits(s, r, NAN, NAN);
    const double up = rp_f_quantile(0.975, df, v), down = rp_f_quantile(0.975, v, df);
    const double both = 2.0 * s->raters + (n - 2.0) * s->residual;
    return with_limits(s, r, n * (s->subjects - up * s->residual) / (up * both + n * s->subjects),
                       n * (down * s->subjects - s->residual) / (both + n * down * s->subjects));
}

rp_stat_icc rp_stat_icc_of(const double *x, const double *y, size_t n)
{
    const char *reason = n < 2                                            ? "fewer than 2 pairs"
                         : !rp_stat_finite(x, n) || !rp_stat_finite(y, n) ? RP_STAT_NOT_FINITE
                                                                          : NULL;
    const squares s = reason ? (squares){0} : analyse(x, y, n);
    if (!reason && s.subjects + s.residual == 0.0) reason = "nothing varies between the pairs";
    if (reason) {
        const rp_stat none = rp_stat_undefined(n, reason);
        return (rp_stat_icc){none, none};
    }
    return (rp_stat_icc){agreement(&s), consistency(&s)};
}
