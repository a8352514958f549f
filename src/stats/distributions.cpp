#include "distributions.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

namespace
{

using namespace boost::math::policies;

/* NaN or infinity instead of exceptions, which must not pass through C. */
using quiet = policy<domain_error<ignore_error>, pole_error<ignore_error>,
                     overflow_error<ignore_error>, evaluation_error<ignore_error>,
                     rounding_error<ignore_error>, indeterminate_result_error<ignore_error>>;

using normal = boost::math::normal_distribution<double, quiet>;
using student = boost::math::students_t_distribution<double, quiet>;
using fisher = boost::math::fisher_f_distribution<double, quiet>;
using beta = boost::math::beta_distribution<double, quiet>;
using binomial = boost::math::binomial_distribution<double, quiet>;

} // namespace

double rp_normal_upper(double z)
{
    return cdf(complement(normal(), z));
}

double rp_normal_quantile(double p)
{
    return quantile(normal(), p);
}

double rp_t_upper(double t, double df)
{
    return cdf(complement(student(df), t));
}

double rp_t_quantile(double p, double df)
{
    return quantile(student(df), p);
}

double rp_f_quantile(double p, double df1, double df2)
{
    return quantile(fisher(df1, df2), p);
}

double rp_beta_quantile(double p, double a, double b)
{
    return quantile(beta(a, b), p);
}

double rp_binomial_lower(double k, double n, double p)
{
    return cdf(binomial(n, p), k);
}
