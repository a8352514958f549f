/* Mean, quartiles, bootstrap, on values worked by hand. */
#include "test.h"

#include "reprise/stats.h"

#include <math.h>

/* Quantiles of t that have a closed form. */
static const double t1 = 12.706204736174705, t2 = 4.302652729749464;

static void mean_of_few(void **state)
{
    (void)state;
    const double x[] = {0, 2, 1};
    rp_stat s = rp_stat_mean(x, 2);
    assert_true(s.defined);
    assert_string_equal(s.reason, "");
    assert_string_equal(s.interval_reason, "");
    assert_int_equal(s.n, 2);
    assert_close(tan(0.475 * M_PI), t1, 1e-9);
    assert_close(s.value, 1, 1e-15);
    assert_close(s.se, 1, 1e-15);
    assert_close(s.low, 1 - t1, 1e-10);
    assert_close(s.high, 1 + t1, 1e-10);
    s = rp_stat_mean(x, 3);
    assert_close(0.95 * sqrt(2 / (1 - 0.95 * 0.95)), t2, 1e-12);
    assert_close(s.high, 1 + t2 / sqrt(3), 1e-12);
}

static void mean_without_interval(void **state)
{
    (void)state;
    const double x[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    for (size_t n = 1; n <= 7; n++) {
        const rp_stat s = rp_stat_mean(x, n);
        assert_true(s.defined);
        assert_close(s.value, 0.1, 1e-15);
        assert_true(isnan(s.low) && isnan(s.high) && isnan(s.se));
        assert_string_equal(s.interval_reason,
                            n == 1 ? "one observation" : "all observations are equal");
    }
}

static void undefined_samples(void **state)
{
    (void)state;
    const double bad[][2] = {{1, NAN}, {INFINITY, 1}, {1, -INFINITY}, {1e200, 1}, {NAN, NAN}};
    for (size_t i = 0; i < 6; i++) {
        const double *x = bad[i % 5];
        const size_t n = i < 5 ? 2 : 0;
        rp_error err;
        rp_stat_quartiles q;
        rp_stat b;
        const rp_stat m = rp_stat_mean(x, n);
        assert_ok(rp_stat_quartiles_of(x, n, &q, &err), err);
        assert_ok(rp_stat_bootstrap(x, n, 100, 1, &b, &err), err);
        assert_false(m.defined || q.defined || b.defined);
        assert_true(isnan(m.value) && isnan(m.low) && isnan(m.high) && isnan(m.se));
        assert_true(isnan(q.q1) && isnan(q.median) && isnan(q.q3));
        assert_true(isnan(b.value) && isnan(b.low) && isnan(b.high));
        assert_string_equal(m.reason,
                            n ? "a value is missing, infinite or beyond 1e150" : "no observations");
        assert_string_equal(q.reason, m.reason);
        assert_string_equal(b.reason, m.reason);
        assert_string_equal(m.interval_reason, m.reason);
    }
}

static void quartiles(void **state)
{
    (void)state;
    rp_error err;
    rp_stat_quartiles q;
    const double x[] = {4, 1, 3, 2, 10};
    assert_ok(rp_stat_quartiles_of(x, 4, &q, &err), err);
    assert_close(q.q1, 1.75, 1e-15);
    assert_close(q.median, 2.5, 1e-15);
    assert_close(q.q3, 3.25, 1e-15);
    assert_ok(rp_stat_quartiles_of(x, 5, &q, &err), err);
    assert_true(q.q1 == 2 && q.median == 3 && q.q3 == 4);
    assert_ok(rp_stat_quartiles_of(x, 1, &q, &err), err);
    assert_true(q.defined && q.q1 == 4 && q.median == 4 && q.q3 == 4);
}

static void bootstrap(void **state)
{
    (void)state;
    rp_error err;
    rp_stat a, b;
    /* The mean of two draws is 0, 1/2 or 1, each end with a quarter of the probability. */
    const double two[] = {0, 1}, more[] = {0.31, -0.2, 0.11, 0.05, 0.4, 0.02, 0.17};
    assert_ok(rp_stat_bootstrap(two, 2, 1000, 7, &a, &err), err);
    assert_true(a.defined && a.value == 0.5 && a.low == 0 && a.high == 1);
    assert_ok(rp_stat_bootstrap(more, 7, 1000, 7, &a, &err), err);
    assert_ok(rp_stat_bootstrap(more, 7, 1000, 7, &b, &err), err);
    assert_true(a.low == b.low && a.high == b.high && a.low < a.value && a.value < a.high);
    assert_ok(rp_stat_bootstrap(more, 7, 1000, 8, &b, &err), err);
    assert_true(a.value == b.value && (a.low != b.low || a.high != b.high));
}

static void bootstrap_without_interval(void **state)
{
    (void)state;
    rp_error err;
    rp_stat s;
    const double x[] = {0.2, 0.2, 0.2, 0.7};
    static const struct {
        size_t n, replicates;
        const char *reason;
    } cases[] = {
        {1, 1000, "one pair"}, {3, 1000, "all differences are equal"}, {4, 0, "no replicates"}};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(rp_stat_bootstrap(x, cases[i].n, cases[i].replicates, 1, &s, &err), err);
        assert_true(s.defined && isfinite(s.value) && isnan(s.low) && isnan(s.high));
        assert_string_equal(s.interval_reason, cases[i].reason);
    }
}

static void memory(void **state)
{
    (void)state;
    const double x[] = {1, 2};
    rp_error err;
    rp_stat s;
    rp_stat_quartiles q;
    rp_test_fail_allocation(1);
    assert_int_equal(rp_stat_quartiles_of(x, 2, &q, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_stat_bootstrap(x, 2, 10, 1, &s, &err), RP_ERR_MEMORY);
    assert_false(s.defined);
    rp_test_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_of_few),
        cmocka_unit_test(mean_without_interval),
        cmocka_unit_test(undefined_samples),
        cmocka_unit_test(quartiles),
        cmocka_unit_test(bootstrap),
        cmocka_unit_test(bootstrap_without_interval),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
