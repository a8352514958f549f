/* Wilcoxon, McNemar, Spearman, Holm, on values worked by hand. */
#include "test.h"

#include "reprise/stats.h"

#include <math.h>

static rp_stat_test wilcoxon(const double *x, size_t n)
{
    rp_error err;
    rp_stat_test t;
    assert_ok(rp_stat_wilcoxon(x, n, &t, &err), err);
    return t;
}

static void must_be_undefined(const rp_stat_test *t, const char *reason)
{
    assert_false(t->defined);
    assert_true(isnan(t->statistic) && isnan(t->p));
    assert_string_equal(t->reason, reason);
}

static void wilcoxon_exact(void **state)
{
    (void)state;
    const double x[] = {1, -2, 3, -4};
    /* n = 3: the eight sums are 0 1 2 3 3 4 5 6. */
    rp_stat_test t = wilcoxon(x, 3);
    assert_true(t.defined && t.exact && t.n == 3 && t.statistic == 4);
    assert_close(t.p, 0.75, 1e-15);
    assert_string_equal(t.method, "Wilcoxon signed-rank, exact");
    t = wilcoxon(x + 1, 1);
    assert_true(t.exact && t.statistic == 0 && t.p == 1);
    double many[51];
    for (int i = 0; i < 51; i++) many[i] = i + 1;
    t = wilcoxon(many, 50);
    assert_true(t.exact && t.p == ldexp(1, -49));
    t = wilcoxon(many, 51);
    assert_true(!t.exact && t.p > 0 && t.p < 1e-9);
    assert_non_null(strstr(t.method, "normal approximation with tie correction"));
}

static void wilcoxon_normal(void **state)
{
    (void)state;
    const double zero[] = {3, 0, 1, 2}, ties[] = {1, 1, -1};
    /* V = 6, mean 3, variance 3 * 4 * 7 / 24. */
    rp_stat_test t = wilcoxon(zero, 4);
    assert_true(!t.exact && t.n == 3 && t.statistic == 6);
    assert_close(t.p, erfc(3 / sqrt(3.5) / sqrt(2)), 1e-15);
    /* Ranks 2 2 2: V = 4, mean 3, variance 3.5 - 24 / 48. */
    t = wilcoxon(ties, 3);
    assert_true(!t.exact && t.statistic == 4);
    assert_close(t.p, erfc(1 / sqrt(6)), 1e-15);
}

static void wilcoxon_undefined(void **state)
{
    (void)state;
    const double zeros[] = {0, -0.0, 0}, bad[] = {1, NAN};
    rp_stat_test t = wilcoxon(zeros, 3);
    must_be_undefined(&t, "all differences are 0");
    assert_int_equal(t.n, 0);
    t = wilcoxon(zeros, 0);
    must_be_undefined(&t, "no pairs");
    t = wilcoxon(bad, 2);
    must_be_undefined(&t, "a value is missing, infinite or beyond 1e150");
}

static void mcnemar(void **state)
{
    (void)state;
    rp_stat_test t = rp_stat_mcnemar(1, 5);
    assert_true(t.defined && t.exact && t.n == 6 && t.statistic == 1);
    assert_close(t.p, 2 * (1 + 6) / 64.0, 1e-15);
    assert_true(rp_stat_mcnemar(5, 1).p == t.p);
    assert_true(rp_stat_mcnemar(3, 3).p == 1 && rp_stat_mcnemar(0, 1).p == 1);
    t = rp_stat_mcnemar(0, 0);
    must_be_undefined(&t, "no discordant pairs");
}

static rp_stat_test spearman(const double *x, const double *y, size_t n)
{
    rp_error err;
    rp_stat_test t;
    assert_ok(rp_stat_spearman(x, y, n, &t, &err), err);
    return t;
}

static void spearman_exact_and_by_t(void **state)
{
    (void)state;
    const double up[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, swapped[] = {10, 20, 40, 30};
    /* Squared differences add up to 2: four of the 24 permutations have no more. */
    rp_stat_test t = spearman(up, swapped, 4);
    assert_true(t.defined && t.exact && t.n == 4);
    assert_close(t.statistic, 0.8, 1e-15);
    assert_close(t.p, 1.0 / 3, 1e-15);
    t = spearman(up, up, 9);
    assert_close(t.p, 2 / 362880.0, 1e-18);
    t = spearman(up, up, 10);
    assert_true(!t.exact && t.statistic == 1 && t.p == 0);
    /* Mid-ranks 1, 2.5, 2.5, 4 against 1..4: rho = 4.5 / sqrt(4.5 * 5); t with 2 degrees of freedom
     * has P(T > t) = (1 - t / sqrt(2 + t^2)) / 2. */
    const double ties[] = {1, 2, 2, 3};
    t = spearman(ties, up, 4);
    const double rho = sqrt(0.9), q = rho * sqrt(2 / 0.1);
    assert_false(t.exact);
    assert_close(t.statistic, rho, 1e-15);
    assert_close(t.p, 1 - q / sqrt(2 + q * q), 1e-12);
}

static void spearman_undefined(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, same[] = {2, 2, 2}, bad[] = {1, INFINITY, 2};
    rp_stat_test t = spearman(x, x, 2);
    must_be_undefined(&t, "fewer than 3 pairs");
    t = spearman(x, same, 3);
    must_be_undefined(&t, "one variable is constant");
    t = spearman(same, x, 3);
    must_be_undefined(&t, "one variable is constant");
    t = spearman(x, bad, 3);
    must_be_undefined(&t, "a value is missing, infinite or beyond 1e150");
}

static void holm(void **state)
{
    (void)state;
    rp_error err;
    double p[] = {0.01, 0.04, NAN, 0.03, 0.9};
    assert_ok(rp_stat_holm(p, 4, &err), err);
    assert_close(p[0], 0.03, 1e-15);
    assert_close(p[3], 0.06, 1e-15);
    assert_close(p[1], 0.06, 1e-15);
    assert_true(isnan(p[2]) && p[4] == 0.9);
    assert_ok(rp_stat_holm(NULL, 0, &err), err);
    double high[] = {0.8, 0.7};
    assert_ok(rp_stat_holm(high, 2, &err), err);
    assert_true(high[0] == 1 && high[1] == 1);
}

static void memory(void **state)
{
    (void)state;
    const double x[] = {1, 2, 4};
    rp_error err;
    rp_stat_test t;
    for (long nth = 1; nth <= 3; nth++) {
        double p[] = {0.5};
        rp_test_fail_allocation(nth);
        assert_int_equal(rp_stat_wilcoxon(x, 3, &t, &err), RP_ERR_MEMORY);
        rp_test_fail_allocation(nth);
        assert_int_equal(rp_stat_spearman(x, x, 3, &t, &err), RP_ERR_MEMORY);
        rp_test_fail_allocation(nth < 3 ? nth : 1);
        assert_int_equal(rp_stat_holm(p, 1, &err), RP_ERR_MEMORY);
        assert_true(p[0] == 0.5);
    }
    rp_test_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilcoxon_exact),
        cmocka_unit_test(wilcoxon_normal),
        cmocka_unit_test(wilcoxon_undefined),
        cmocka_unit_test(mcnemar),
        cmocka_unit_test(spearman_exact_and_by_t),
        cmocka_unit_test(spearman_undefined),
        cmocka_unit_test(holm),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
