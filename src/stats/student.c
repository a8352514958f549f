/* Student's t for other modules. */
#include "internal.h"

double rp_stat_t_below(double t, double df)
{
    return rp_t_upper(-t, df);
}

double rp_stat_t_quantile(double p, double df)
{
    return rp_t_quantile(p, df);
}
