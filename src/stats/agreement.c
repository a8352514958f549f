/* Kappa, Bland-Altman, intraclass correlation. */
#include "internal.h"

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
    rp_stat out = {.defined = true, .reason = "", .n = n};
    out.value = (m.observed - m.expected) / (1.0 - m.expected);
    const double variance = kappa_variance(table, k, &m);
    const double reach = rp_stat_z() * sqrt(variance > 0.0 ? variance : 0.0);
    out.low = out.value - reach;
    out.high = out.value + reach;
    return out;
}

/* ---- Bland and Altman ------------------------------------------------------------------------ */

rp_stat_bland_altman rp_stat_bland_altman_of(const double *difference, size_t n)
{
    rp_stat_bland_altman b = {.reason = n < 2 ? "fewer than 2 pairs" : "a value is not finite",
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
    if (n < 2 || !rp_stat_finite(difference, n)) return b;
    const double m = (double)n, z = 1.96, t = rp_t_quantile(0.975, m - 1.0);
    b.defined = true;
    b.reason = "";
    b.bias = rp_stat_average(difference, n);
    b.sd = sqrt(rp_stat_squares(difference, n, b.bias) / (m - 1.0));
    const double reach = t * b.sd / sqrt(m);
    const double limit = t * b.sd * sqrt(1.0 / m + z * z / (2.0 * (m - 1.0)));
    b.bias_low = b.bias - reach;
    b.bias_high = b.bias + reach;
    b.lower = b.bias - z * b.sd;
    b.lower_low = b.lower - limit;
    b.lower_high = b.lower + limit;
    b.upper = b.bias + z * b.sd;
    b.upper_low = b.upper - limit;
    b.upper_high = b.upper + limit;
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
    squares s = {.n = m};
    for (size_t i = 0; i < n; i++) {
        const double own = 0.5 * (x[i] + y[i]) - grand;
        const double rest = 0.5 * ((x[i] - mx) - (y[i] - my));
        s.subjects += 2.0 * own * own;
        s.residual += 2.0 * rest * rest;
    }
    s.subjects /= m - 1.0;
    s.residual /= m - 1.0;
    s.raters = m * ((mx - grand) * (mx - grand) + (my - grand) * (my - grand));
    return s;
}

/* Shrout and Fleiss 1979, case 3 with two raters. */
static rp_stat consistency(const squares *s)
{
    rp_stat out = {.defined = true, .reason = "", .n = (size_t)s->n, .low = NAN, .high = NAN};
    const double df = s->n - 1.0;
    out.value = (s->subjects - s->residual) / (s->subjects + s->residual);
    if (s->residual == 0.0) return out;
    const double f = s->subjects / s->residual, q = rp_f_quantile(0.975, df, df);
    out.low = (f / q - 1.0) / (f / q + 1.0);
    out.high = (f * q - 1.0) / (f * q + 1.0);
    return out;
}

/* The same, case 2: the degrees of freedom of a combined mean square are Satterthwaite's. */
static rp_stat agreement(const squares *s)
{
    rp_stat out = {.defined = true, .reason = "", .n = (size_t)s->n, .low = NAN, .high = NAN};
    const double n = s->n, df = n - 1.0;
    const double below = s->subjects + s->residual + 2.0 * (s->raters - s->residual) / n;
    out.value = (s->subjects - s->residual) / below;
    if (s->residual == 0.0) return out;
    const double f = s->raters / s->residual, r = out.value;
    const double other = n * (1.0 + r) - 2.0 * r, sum = 2.0 * r * f + other;
    const double v = df * sum * sum / (df * 4.0 * r * r * f * f + other * other);
    const double up = rp_f_quantile(0.975, df, v), down = rp_f_quantile(0.975, v, df);
    const double both = 2.0 * s->raters + (n - 2.0) * s->residual;
    out.low = n * (s->subjects - up * s->residual) / (up * both + n * s->subjects);
    out.high = n * (down * s->subjects - s->residual) / (both + n * down * s->subjects);
    return out;
}

rp_stat_icc rp_stat_icc_of(const double *x, const double *y, size_t n)
{
    const char *reason = n < 2                                            ? "fewer than 2 pairs"
                         : !rp_stat_finite(x, n) || !rp_stat_finite(y, n) ? "a value is not finite"
                                                                          : NULL;
    const squares s = reason ? (squares){0} : analyse(x, y, n);
    if (!reason && s.subjects + s.residual == 0.0) reason = "nothing varies between the pairs";
    if (reason) {
        const rp_stat none = rp_stat_undefined(n, reason);
        return (rp_stat_icc){none, none};
    }
    return (rp_stat_icc){agreement(&s), consistency(&s)};
}
