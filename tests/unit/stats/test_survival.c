/* Kaplan-Meier, on values worked by hand. */
#include "test.h"

#include "reprise/stats.h"

#include <math.h>

static rp_stat_survival curve(const double *time, const bool *event, size_t n)
{
    rp_error err;
    rp_stat_survival s;
    assert_ok(rp_stat_kaplan_meier(time, event, n, &s, &err), err);
    return s;
}

static void curve_with_censoring(void **state)
{
    (void)state;
    const double time[] = {3, 1, 4, 2};
    const bool event[] = {true, true, true, false};
    rp_stat_survival s = curve(time, event, 4);
    const double survival[] = {0.75, 0.75, 0.375, 0};
    assert_true(s.defined && s.n == 4 && s.events == 3 && s.count == 4);
    for (size_t i = 0; i < 4; i++) {
        const rp_stat_survival_point *p = &s.points[i];
        assert_true(p->time == (double)(i + 1) && p->at_risk == 4 - i);
        assert_true(p->events == (i != 1) && p->censored == (i == 1));
        assert_close(p->survival, survival[i], 1e-15);
    }
    const double hazard = sqrt(1 / 12.0 + 1 / 2.0), z = 1.959963984540054;
    const rp_stat_survival_point *p = &s.points[2];
    assert_close(p->se, 0.375 * hazard, 1e-15);
    assert_close(p->low, exp(-exp(log(-log(0.375)) - z * hazard / log(0.375))), 1e-14);
    assert_close(p->high, exp(-exp(log(-log(0.375)) + z * hazard / log(0.375))), 1e-14);
    assert_true(isnan(s.points[3].se) && isnan(s.points[3].low) && isnan(s.points[3].high));
    assert_true(s.median_defined && s.median == 3);
    rp_stat_survival_release(&s);
    assert_true(s.points == NULL && s.count == 0);
    rp_stat_survival_release(&s);
}

static void medians(void **state)
{
    (void)state;
    const double time[] = {1, 2, 3, 4};
    static const struct {
        bool event[4];
        double median;
    } cases[] = {
        {{true, true, true, true}, 2.5},  /* at one half from 2 to 3 */
        {{true, true, false, false}, 2},  /* ends at one half */
        {{true, true, false, true}, 3},   /* at one half from 2 to 4 */
        {{true, false, false, false}, 0}, /* stays above */
        {{false, false, false, false}, 0},
    };
    for (int i = 0; i < 5; i++) {
        rp_stat_survival s = curve(time, cases[i].event, 4);
        assert_true(s.defined && s.median_defined == (cases[i].median > 0));
        if (s.median_defined)
            assert_close(s.median, cases[i].median, 1e-15);
        else
            assert_true(isnan(s.median));
        assert_string_equal(s.median_reason,
                            s.median_defined ? "" : "survival stays above one half");
        rp_stat_survival_release(&s);
    }
}

static void ties_and_no_events(void **state)
{
    (void)state;
    const double time[] = {5, 5, 5, 0};
    const bool event[] = {true, false, false, false};
    rp_stat_survival s = curve(time, event, 4);
    assert_true(s.count == 2 && s.points[0].time == 0 && s.points[0].survival == 1);
    assert_true(s.points[0].se == 0 && isnan(s.points[0].low) && isnan(s.points[0].high));
    /* The event comes first: all three were at risk. */
    assert_true(s.points[1].at_risk == 3 && s.points[1].events == 1 && s.points[1].censored == 2);
    assert_close(s.points[1].survival, 2 / 3.0, 1e-15);
    rp_stat_survival_release(&s);
}

static void undefined(void **state)
{
    (void)state;
    const double bad[][2] = {{1, -1}, {NAN, 1}, {1, INFINITY}};
    const bool event[] = {true, true};
    for (int i = 0; i < 4; i++) {
        rp_stat_survival s = curve(bad[i % 3], event, i < 3 ? 2 : 0);
        assert_false(s.defined || s.median_defined);
        assert_true(isnan(s.median) && s.points == NULL && s.count == 0);
        assert_string_equal(s.reason,
                            i < 3 ? "a time is negative, missing or infinite" : "no observations");
        assert_string_equal(s.median_reason, s.reason);
        rp_stat_survival_release(&s);
    }
}

static void memory(void **state)
{
    (void)state;
    const double time[] = {1, 2};
    const bool event[] = {true, true};
    rp_error err;
    rp_stat_survival s;
    for (long nth = 1; nth <= 2; nth++) {
        rp_test_fail_allocation(nth);
        assert_int_equal(rp_stat_kaplan_meier(time, event, 2, &s, &err), RP_ERR_MEMORY);
        assert_true(s.points == NULL);
    }
    rp_test_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curve_with_censoring),
        cmocka_unit_test(medians),
        cmocka_unit_test(ties_and_no_events),
        cmocka_unit_test(undefined),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
