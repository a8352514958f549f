/* Proportions, diagnostic accuracy and the ROC curve, on values worked by hand. */
#include "test.h"

#include "reprise/stats.h"

#include <math.h>

static const double z = 1.959963984540054;

static void proportions_at_the_ends(void **state)
{
    (void)state;
    rp_stat_proportion p = rp_stat_proportion_of(0, 1);
    assert_true(p.defined && p.value == 0 && p.wilson_low == 0 && p.clopper_low == 0);
    assert_close(p.wilson_high, z * z / (1 + z * z), 1e-14);
    assert_close(p.clopper_high, 0.975, 1e-14);
    p = rp_stat_proportion_of(14, 14);
    assert_true(p.value == 1 && p.wilson_high == 1 && p.clopper_high == 1);
    assert_close(p.wilson_low, 14 / (14 + z * z), 1e-14);
    assert_close(p.clopper_low, pow(0.025, 1 / 14.0), 1e-13);
}

static void proportion_in_between(void **state)
{
    (void)state;
    /* One of two: symmetric, and the lower limit p solves 1 - (1 - p)^2 = 0.025. */
    const rp_stat_proportion p = rp_stat_proportion_of(1, 2);
    assert_close(p.clopper_low, 1 - sqrt(0.975), 1e-14);
    assert_close(p.clopper_high, sqrt(0.975), 1e-14);
    assert_close(p.wilson_low, 0.5 - 0.5 * z / sqrt(2 + z * z), 1e-14);
    assert_close(p.wilson_high, 0.5 + 0.5 * z / sqrt(2 + z * z), 1e-14);
}

static void must_be_undefined(const rp_stat_proportion *p, const char *reason)
{
    assert_false(p->defined);
    assert_string_equal(p->reason, reason);
    assert_true(isnan(p->value) && isnan(p->wilson_low) && isnan(p->wilson_high) &&
                isnan(p->clopper_low) && isnan(p->clopper_high));
}

static void diagnostic(void **state)
{
    (void)state;
    rp_stat_diagnostic d = rp_stat_diagnostic_of(&(rp_stat_calls){
        .true_positive = 3, .false_negative = 1, .true_negative = 9, .false_positive = 1});
    assert_true(d.sensitivity.value == 0.75 && d.specificity.value == 0.9);
    assert_true(d.accuracy.count == 12 && d.accuracy.n == 14);
    assert_close(d.accuracy.value, 12 / 14.0, 1e-15);
    assert_true(d.sensitivity.clopper_low < 0.75 && d.sensitivity.clopper_high > 0.75);

    d = rp_stat_diagnostic_of(&(rp_stat_calls){.true_negative = 2, .false_positive = 1});
    must_be_undefined(&d.sensitivity, "no positive cases");
    assert_true(d.specificity.defined && d.accuracy.defined);
    d = rp_stat_diagnostic_of(&(rp_stat_calls){.true_positive = 2});
    must_be_undefined(&d.specificity, "no negative cases");
    d = rp_stat_diagnostic_of(&(rp_stat_calls){0});
    must_be_undefined(&d.accuracy, "no cases");

    rp_stat_proportion p = rp_stat_proportion_of(0, 0);
    must_be_undefined(&p, "no observations");
    p = rp_stat_proportion_of(3, 2);
    must_be_undefined(&p, "more successes than trials");
}

static rp_stat auc(const double *yes, size_t m, const double *no, size_t n)
{
    rp_error err;
    rp_stat s;
    assert_ok(rp_stat_auc(yes, m, no, n, &s, &err), err);
    return s;
}

static void area(void **state)
{
    (void)state;
    const double yes[] = {2, 3}, no[] = {1, 2};
    /* Placements 3/4 and 1 on either side, of variance 1/32, over two each. */
    const rp_stat s = auc(yes, 2, no, 2);
    assert_true(s.defined && s.n == 4);
    assert_close(s.value, 0.875, 1e-15);
    assert_close(s.se, sqrt(1 / 32.0), 1e-15);
    assert_close(s.low, 0.875 - z * sqrt(1 / 32.0), 1e-14);
    assert_true(s.high == 1);
    assert_close(auc(no, 2, yes, 2).value, 0.125, 1e-15);
    assert_true(auc(no, 2, yes, 2).low == 0);
}

static void area_without_interval(void **state)
{
    (void)state;
    const double high[] = {5, 6, 7}, low[] = {1, 2, 3}, same[] = {4, 4, 4};
    const rp_stat separated = auc(high, 3, low, 3), reverse = auc(low, 3, high, 3);
    const rp_stat level = auc(same, 3, same, 2), few = auc(high, 1, low, 3);
    assert_true(separated.value == 1 && reverse.value == 0 && level.value == 0.5 && few.value == 1);
    const rp_stat *all[] = {&separated, &reverse, &level, &few};
    for (int i = 0; i < 4; i++) {
        assert_true(all[i]->defined && isnan(all[i]->low) && isnan(all[i]->high));
        assert_string_equal(all[i]->interval_reason,
                            i < 3 ? "DeLong's variance is 0" : "fewer than two of a class");
    }
}

static void points(void **state)
{
    (void)state;
    const double yes[] = {2, 3}, no[] = {1, 2};
    const double expected[][3] = {{INFINITY, 0, 1}, {3, 0.5, 1}, {2, 1, 0.5}, {1, 1, 0}};
    rp_error err;
    rp_stat_roc_point *found;
    size_t count;
    assert_ok(rp_stat_roc(yes, 2, no, 2, &found, &count, &err), err);
    assert_int_equal(count, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(found[i].threshold == expected[i][0]);
        assert_true(found[i].sensitivity == expected[i][1]);
        assert_true(found[i].specificity == expected[i][2]);
    }
    rp_free(found);
}

static void one_class_only(void **state)
{
    (void)state;
    const double x[] = {1, 2}, bad[] = {1, NAN};
    const struct {
        const double *yes, *no;
        size_t m, n;
        const char *reason;
    } cases[] = {{NULL, x, 0, 2, "no positive cases"},
                 {x, NULL, 2, 0, "no negative cases"},
                 {NULL, NULL, 0, 0, "no positive cases"},
                 {x, bad, 2, 2, "a value is missing, infinite or beyond 1e150"}};
    for (int i = 0; i < 4; i++) {
        rp_error err;
        rp_stat_roc_point *found;
        size_t count;
        const rp_stat s = auc(cases[i].yes, cases[i].m, cases[i].no, cases[i].n);
        assert_false(s.defined);
        assert_true(isnan(s.value) && isnan(s.low) && isnan(s.high) && isnan(s.se));
        assert_string_equal(s.reason, cases[i].reason);
        assert_ok(
            rp_stat_roc(cases[i].yes, cases[i].m, cases[i].no, cases[i].n, &found, &count, &err),
            err);
        assert_true(found == NULL && count == 0);
    }
}

static void memory(void **state)
{
    (void)state;
    const double x[] = {1, 2};
    rp_error err;
    rp_stat s;
    rp_stat_roc_point *found;
    size_t count;
    rp_test_fail_allocation(1);
    assert_int_equal(rp_stat_auc(x, 2, x, 2, &s, &err), RP_ERR_MEMORY);
    for (long nth = 1; nth <= 5; nth++) {
        rp_test_fail_allocation(nth);
        assert_int_equal(rp_stat_roc(x, 2, x, 2, &found, &count, &err), RP_ERR_MEMORY);
        assert_true(found == NULL && count == 0);
    }
    rp_test_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proportions_at_the_ends),
        cmocka_unit_test(proportion_in_between),
        cmocka_unit_test(diagnostic),
        cmocka_unit_test(area),
        cmocka_unit_test(area_without_interval),
        cmocka_unit_test(points),
        cmocka_unit_test(one_class_only),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
