/* Kappa, Bland-Altman, intraclass correlation, on values worked by hand. */
#include "test.h"

#include "reprise/stats.h"

#include <math.h>

static const double z = 1.959963984540054, t1 = 12.706204736174705;
static const char *const not_finite = "a value is missing, infinite or beyond 1e150";

static void must_be_undefined(const rp_stat *s, const char *reason)
{
    assert_false(s->defined);
    assert_string_equal(s->reason, reason);
    assert_true(isnan(s->value) && isnan(s->low) && isnan(s->high) && isnan(s->se));
}

static void must_lack_interval(const rp_stat *s, double value, const char *reason)
{
    assert_true(s->defined && isnan(s->low) && isnan(s->high) && isnan(s->se));
    assert_close(s->value, value, 1e-14);
    assert_string_equal(s->interval_reason, reason);
}

static void kappa(void **state)
{
    (void)state;
    /* Observed 0.7, expected 0.5; Fleiss, Cohen and Everitt's sum 0.0529, less 0.05^2. */
    const size_t table[] = {20, 5, 10, 15};
    const double se = sqrt((0.0529 - 0.0025) / (50 * 0.0625));
    const rp_stat s = rp_stat_kappa(table, 2);
    assert_true(s.defined && s.n == 50);
    assert_close(s.value, 0.4, 1e-15);
    assert_close(s.se, se, 1e-14);
    assert_close(s.low, 0.4 - z * se, 1e-14);
    assert_close(s.high, 0.4 + z * se, 1e-14);
    /* Categories that nobody chose change nothing. */
    const size_t wider[] = {20, 0, 5, 0, 0, 0, 10, 0, 15};
    const rp_stat w = rp_stat_kappa(wider, 3);
    assert_close(w.value, s.value, 1e-15);
    assert_close(w.se, s.se, 1e-15);
    const size_t nearly[] = {6, 1, 0, 5};
    assert_true(rp_stat_kappa(nearly, 2).high == 1);
}

static void kappa_without_interval(void **state)
{
    (void)state;
    const char *reason = "the large-sample variance is 0";
    const size_t agree[] = {4, 0, 0, 3}, never[] = {0, 5, 5, 0}, apart[] = {0, 5, 0, 0};
    const rp_stat a = rp_stat_kappa(agree, 2), n = rp_stat_kappa(never, 2);
    const rp_stat p = rp_stat_kappa(apart, 2);
    must_lack_interval(&a, 1, reason);
    must_lack_interval(&n, -1, reason);
    must_lack_interval(&p, 0, reason);
}

static void kappa_undefined(void **state)
{
    (void)state;
    const char *one = "everything is in one category, agreement by chance is complete";
    const size_t none[] = {0, 0, 0, 0}, single[] = {0, 0, 0, 9};
    rp_stat s = rp_stat_kappa(none, 2);
    must_be_undefined(&s, "no observations");
    s = rp_stat_kappa(none, 0);
    must_be_undefined(&s, "no observations");
    s = rp_stat_kappa(single, 2);
    must_be_undefined(&s, one);
    s = rp_stat_kappa(single + 3, 1);
    must_be_undefined(&s, one);
}

static void bland_altman(void **state)
{
    (void)state;
    const double d[] = {1, 3};
    const rp_stat_bland_altman b = rp_stat_bland_altman_of(d, 2);
    const double sd = sqrt(2), reach = t1 * sd * sqrt(0.5 + 1.96 * 1.96 / 2);
    assert_true(b.defined && b.n == 2 && b.bias == 2);
    assert_close(b.sd, sd, 1e-15);
    assert_close(b.bias_low, 2 - t1, 1e-10);
    assert_close(b.bias_high, 2 + t1, 1e-10);
    assert_close(b.lower, 2 - 1.96 * sd, 1e-14);
    assert_close(b.upper, 2 + 1.96 * sd, 1e-14);
    assert_close(b.lower_low, b.lower - reach, 1e-10);
    assert_close(b.lower_high, b.lower + reach, 1e-10);
    assert_close(b.upper_low, b.upper - reach, 1e-10);
    assert_close(b.upper_high, b.upper + reach, 1e-10);
}

static void bland_altman_degenerate(void **state)
{
    (void)state;
    const double same[] = {0.7, 0.7, 0.7}, bad[] = {1, NAN};
    rp_stat_bland_altman b = rp_stat_bland_altman_of(same, 3);
    assert_true(b.defined && b.sd == 0 && b.lower == b.bias && b.upper == b.bias);
    assert_true(isnan(b.bias_low) && isnan(b.lower_low) && isnan(b.upper_high));
    assert_string_equal(b.interval_reason, "all differences are equal");
    for (size_t n = 0; n < 3; n++) {
        b = rp_stat_bland_altman_of(bad, n);
        assert_false(b.defined);
        assert_true(isnan(b.bias) && isnan(b.sd) && isnan(b.lower) && isnan(b.upper) &&
                    isnan(b.bias_low) && isnan(b.upper_high));
        assert_string_equal(b.reason, n < 2 ? "fewer than 2 pairs" : not_finite);
    }
}

static void icc(void **state)
{
    (void)state;
    /* Sums of pairs 1, 5, 3, 9 about 4.5, differences of 1 either way, equal means. */
    const double x[] = {0, 2, 2, 5}, y[] = {1, 3, 1, 4};
    const rp_stat_icc i = rp_stat_icc_of(x, y, 4);
    const double between = 35 / 6.0, raters = 0, residual = 2 / 3.0;
    assert_close(i.consistency.value, (between - residual) / (between + residual), 1e-14);
    assert_close(i.agreement.value,
                 (between - residual) / (between + residual + (raters - residual) / 2), 1e-14);
    assert_string_equal(i.agreement.interval_reason, "");
    assert_true(i.agreement.low < i.agreement.value && i.agreement.value < i.agreement.high);
    assert_true(i.consistency.low < i.consistency.value && i.consistency.value < 1);
}

static void icc_without_interval(void **state)
{
    (void)state;
    const double x[] = {0.1, 0.2, 0.3}, shifted[] = {1.1, 1.2, 1.3}, back[] = {-0.1, -0.2, -0.3};
    rp_stat_icc i = rp_stat_icc_of(x, x, 3);
    must_lack_interval(&i.agreement, 1, "the raters differ by a constant at most");
    must_lack_interval(&i.consistency, 1, "the raters differ by a constant at most");
    /* Mean squares 0.02 between the pairs and 1.5 of the raters. */
    i = rp_stat_icc_of(x, shifted, 3);
    must_lack_interval(&i.agreement, 0.02 / 1.02, "the raters differ by a constant at most");
    must_lack_interval(&i.consistency, 1, "the raters differ by a constant at most");
    i = rp_stat_icc_of(x, back, 3);
    must_lack_interval(&i.consistency, -1, "the sums of the pairs do not vary");
}

static void icc_undefined(void **state)
{
    (void)state;
    const double x[] = {0, 1}, back[] = {1, 0}, same[] = {0.7, 0.7}, bad[] = {1, INFINITY};
    rp_stat_icc i = rp_stat_icc_of(x, x, 1);
    must_be_undefined(&i.agreement, "fewer than 2 pairs");
    must_be_undefined(&i.consistency, "fewer than 2 pairs");
    i = rp_stat_icc_of(same, same, 2);
    must_be_undefined(&i.agreement, "nothing varies between the pairs");
    must_be_undefined(&i.consistency, "nothing varies between the pairs");
    i = rp_stat_icc_of(x, bad, 2);
    must_be_undefined(&i.agreement, not_finite);
    i = rp_stat_icc_of(x, back, 2);
    must_be_undefined(&i.agreement, "two pairs that mirror each other");
    must_lack_interval(&i.consistency, -1, "the sums of the pairs do not vary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kappa),
        cmocka_unit_test(kappa_without_interval),
        cmocka_unit_test(kappa_undefined),
        cmocka_unit_test(bland_altman),
        cmocka_unit_test(bland_altman_degenerate),
        cmocka_unit_test(icc),
        cmocka_unit_test(icc_without_interval),
        cmocka_unit_test(icc_undefined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
