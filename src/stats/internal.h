/* What the files of this module share. */
#ifndef REPRISE_STATS_INTERNAL_H
#define REPRISE_STATS_INTERNAL_H

#include "distributions.h"
#include "reprise/stats.h"

#include <math.h>

/** Of the 95 % intervals on a normal scale. */
double rp_stat_z(void);

/** Neither NaN nor infinite, and no larger than 1e150, so that sums of squares are finite too. */
bool rp_stat_finite(const double *x, size_t n);
#define RP_STAT_NOT_FINITE "a value is missing, infinite or beyond 1e150"

double rp_stat_average(const double *x, size_t n);
/** Sum of squared differences from the average. */
double rp_stat_squares(const double *x, size_t n, double average);
bool rp_stat_constant(const double *x, size_t n);

/** Ascending copy, rp_alloc'd; NULL where there is no memory. */
double *rp_stat_sorted(const double *x, size_t n);
/** Type 7 quantile of ascending values. */
double rp_stat_quantile(const double *sorted, size_t n, double p);
/** Mid-ranks from 1; *ties (may be NULL) becomes the sum of t^3 - t over groups of t equal values.
 */
rp_status rp_stat_ranks(const double *x, size_t n, double *ranks, double *ties, rp_error *err);

/** Undefined, for this reason. */
rp_stat rp_stat_undefined(size_t n, const char *reason);
/** Defined, but without an interval, for this reason. */
rp_stat rp_stat_alone(size_t n, double value, const char *why_no_interval);
/** With the interval value +- factor * se. */
rp_stat rp_stat_around(size_t n, double value, double se, double factor);

#endif
