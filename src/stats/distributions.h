/* Distributions, from Boost.Math. Arguments are the caller's to check: nothing here throws. */
#ifndef REPRISE_STATS_DISTRIBUTIONS_H
#define REPRISE_STATS_DISTRIBUTIONS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

double rp_normal_upper(double z); /**< P(Z > z) */
double rp_normal_quantile(double p);
double rp_t_upper(double t, double df); /**< P(T > t) */
double rp_t_quantile(double p, double df);
double rp_f_quantile(double p, double df1, double df2);
double rp_beta_quantile(double p, double a, double b);
double rp_binomial_lower(double k, double n, double p); /**< P(X <= k) */

#ifdef __cplusplus
}
#endif
#endif
