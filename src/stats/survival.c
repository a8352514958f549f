/* Kaplan and Meier 1958. */
#include "internal.h"

#include <stdlib.h>

typedef struct observation {
    double time;
    bool event;
} observation;

static int by_time(const void *a, const void *b)
{
    const double x = ((const observation *)a)->time, y = ((const observation *)b)->time;
    return (x > y) - (x < y);
}

static rp_stat_survival undefined(size_t n, const char *reason)
{
    return (rp_stat_survival){.reason = reason,
                              .n = n,
                              .median = NAN,
                              .median_reason = reason,
                              .median_low = NAN,
                              .median_high = NAN};
}

/* Interval of log(-log S), whose standard error is that of the cumulative hazard over log S. */
static void set_interval(rp_stat_survival_point *p, double hazard_variance)
{
    p->se = p->survival * sqrt(hazard_variance);
    p->low = p->high = NAN;
    if (p->survival <= 0.0) p->se = NAN;
    if (p->survival <= 0.0 || p->survival >= 1.0) return;
    const double log_s = log(p->survival), reach = rp_stat_z() * sqrt(hazard_variance) / log_s;
    p->low = exp(log_s * exp(-reach));
    p->high = exp(log_s * exp(reach));
}

static void fill(const observation *o, size_t n, rp_stat_survival *out)
{
    double survival = 1.0, variance = 0.0;
    for (size_t i = 0, end; i < n; i = end) {
        rp_stat_survival_point *p = &out->points[out->count++];
        *p = (rp_stat_survival_point){.time = o[i].time, .at_risk = n - i};
        for (end = i; end < n && o[end].time == o[i].time; end++) {
            p->events += o[end].event;
            p->censored += !o[end].event;
        }
        const double d = (double)p->events, r = (double)p->at_risk;
        survival *= (r - d) / r;
        if (p->events && p->events < p->at_risk) variance += d / (r * (r - d));
        p->survival = survival;
        set_interval(p, variance);
        out->events += p->events;
    }
}

/* Where a curve first falls to one half: the middle of the step where it stays on it for a while.
 * Which of the curves: 0 survival, 1 its lower limit, 2 its upper limit. */
static double half_time(const rp_stat_survival *s, int which)
{
    const double tolerance = 1e-8;
    double first_time = NAN, first = NAN;
    for (size_t i = 0; i < s->count; i++) {
        const rp_stat_survival_point *p = &s->points[i];
        const double y = which == 0 ? p->survival : which == 1 ? p->low : p->high;
        if (isnan(y)) continue;
        if (isnan(first)) {
            if (y >= 0.5 + tolerance) continue;
            first_time = p->time;
            first = y;
            if (y <= 0.5 - tolerance) return first_time;
        } else if (y < first)
            return 0.5 * (first_time + p->time);
    }
    return first_time;
}

rp_status rp_stat_kaplan_meier(const double *time, const bool *event, size_t n,
                               rp_stat_survival *out, rp_error *err)
{
    *out = undefined(n, n == 0 ? "no observations" : "a time is negative, missing or infinite");
    if (n == 0 || !rp_stat_finite(time, n)) return RP_OK;
    for (size_t i = 0; i < n; i++)
        if (time[i] < 0.0) return RP_OK;
    RP_AUTOFREE observation *all = rp_alloc(n, sizeof *all);
    rp_stat_survival_point *points = rp_alloc(n, sizeof *points);
    if (!all || !points) {
        rp_free(points);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu observations", n);
    }
    for (size_t i = 0; i < n; i++) all[i] = (observation){time[i], event[i]};
    qsort(all, n, sizeof *all, by_time);
    *out = (rp_stat_survival){.defined = true, .reason = "", .n = n, .points = points};
    fill(all, n, out);
    out->median = half_time(out, 0);
    out->median_low = half_time(out, 1);
    out->median_high = half_time(out, 2);
    out->median_defined = !isnan(out->median);
    out->median_reason = out->median_defined ? "" : "survival stays above one half";
    return RP_OK;
}

void rp_stat_survival_release(rp_stat_survival *survival)
{
    rp_free(survival->points);
    *survival = undefined(0, "released");
}
