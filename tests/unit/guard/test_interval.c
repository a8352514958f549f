#include "test.h"

#include "reprise/guard.h"

#include <math.h>

/* A calibration with round figures: the t of 4 degrees of freedom. */
static rp_guard_calibration plain(void)
{
    return (rp_guard_calibration){.name = "test",
                                  .floor_voxels = 0.5,
                                  .relative = 0.0,
                                  .bias = 0.0,
                                  .bias_trials = 1.0,
                                  .spread = 2.0,
                                  .spread_trials = 4.0,
                                  .reach = 1e6,
                                  .q80 = 1.5332062740589436,
                                  .q95 = 2.7764451051977934,
                                  .gone = 0.1,
                                  .false_find = {1, 3},
                                  .miss = {1, 9}};
}

/* As of patients without bias: what is tested here must not hang on the figures shipped. */
static const rp_guard_calibration neutral = {.name = "neutral",
                                             .floor_voxels = 0.5,
                                             .relative = 0.03,
                                             .bias_trials = 1.0,
                                             .spread = 1.0,
                                             .spread_trials = 6.0,
                                             .reach = 0.15,
                                             .far = 0.2,
                                             .q80 = 1.476,
                                             .q95 = 2.571,
                                             .gone = 0.05,
                                             .false_find = {1.0, 1.0},
                                             .miss = {0.25, 4.75}};

static rp_guard_question ask(const rp_guard_calibration *c, const rp_guard_trials *trials,
                             double found_mm)
{
    return (rp_guard_question){.calibration = c,
                               .trials = trials,
                               .found_mm = found_mm,
                               .found_cc = 10.0,
                               .voxel_mm = 2.0,
                               .response = {.baseline_mm = 100.0}};
}

static void add(rp_guard_trials *trials, double true_mm, double found_mm, double dice)
{
    trials->item[trials->count++] = (rp_guard_trial){.true_mm = true_mm,
                                                     .true_cc = true_mm,
                                                     .found_mm = found_mm,
                                                     .found_cc = found_mm,
                                                     .gone = true_mm == 0,
                                                     .dice = dice};
}

static rp_guard_answer answer(const rp_guard_question *q)
{
    rp_error err = {0};
    rp_guard_answer a;
    assert_ok(rp_guard_interval(q, &a, &err), err);
    return a;
}

static double sum(const rp_guard_answer *a)
{
    return a->probability[RP_CR] + a->probability[RP_PR] + a->probability[RP_SD] +
           a->probability[RP_PD];
}

/* By hand: unit 1 mm, scale 2 sqrt(1 + 1/1), t of 4 degrees of freedom. */
static void prior_alone(void **state)
{
    (void)state;
    const rp_guard_calibration c = plain();
    const rp_guard_question q = ask(&c, NULL, 80.0);
    const rp_guard_answer a = answer(&q);
    assert_close(a.centre_mm, 80.0, 1e-12);
    assert_close(a.scale_mm, 2.0 * sqrt(2.0), 1e-12);
    assert_close(a.low_mm[1], 80.0 - c.q95 * a.scale_mm, 1e-12);
    assert_close(a.high_mm[0], 80.0 + c.q80 * a.scale_mm, 1e-12);
    assert_close(a.low_percent[1], a.low_mm[1] - 100.0, 1e-12);
    assert_close(a.gone, 0.1 * 0.25 / (0.1 * 0.25 + 0.9 * 0.9), 1e-12);
    assert_close(a.failure, 0.1, 1e-12);
    assert_close(a.probability[RP_CR], a.gone, 1e-12);
    /* Below 70 mm: SciPy's t.cdf(-10 / (2 sqrt(2)), 4). */
    assert_close(a.probability[RP_PR], (1.0 - a.gone) * 0.012055055275695453, 1e-9);
    assert_close(sum(&a), 1.0, 1e-12);
}

/* By hand: four errors of 3 +- 1 mm against a prior of 0 with the weight of one. */
static void trials_move_and_scale(void **state)
{
    (void)state;
    const rp_guard_calibration c = plain();
    rp_guard_trials trials = {0};
    add(&trials, 84.0, 80.0, 0.9);
    add(&trials, 82.0, 80.0, 0.9);
    add(&trials, 64.0, 60.0, 0.9);
    add(&trials, 62.0, 60.0, 0.9);
    const rp_guard_question q = ask(&c, &trials, 80.0);
    const rp_guard_answer a = answer(&q);
    assert_close(a.weight, 4.0, 1e-9);
    assert_close(a.centre_mm, 80.0 + 4.0 * 3.0 / 5.0, 1e-9);
    const double variance = (4.0 * 4.0 + 4.0 + 4.0 * 9.0 / 5.0) / 8.0;
    assert_close(a.scale_mm, sqrt(variance * 1.2), 1e-9);
}

static void errors_widen(void **state)
{
    (void)state;
    const rp_guard_calibration *c = &neutral;
    double before = 0.0;
    for (int size = 1; size <= 16; size *= 2) {
        rp_guard_trials trials = {0};
        for (int k = 0; k < 10; k++) add(&trials, 50.0 + (k % 2 ? size : -size), 50.0, 0.8);
        const rp_guard_question q = ask(c, &trials, 50.0);
        const rp_guard_answer a = answer(&q);
        assert_true(a.high_mm[1] - a.low_mm[1] > before);
        assert_true(a.low_mm[1] < a.low_mm[0] && a.high_mm[0] < a.high_mm[1]);
        before = a.high_mm[1] - a.low_mm[1];
    }
}

/* What trials of another size say counts for less. */
static void near_trials_count(void **state)
{
    (void)state;
    rp_guard_calibration c = plain();
    rp_guard_trials trials = {0};
    c.reach = 0.2;
    for (int k = 0; k < 8; k++) {
        add(&trials, 100.0, 100.0, 0.9);
        add(&trials, 40.0 + (k % 2 ? 20.0 : -20.0), 40.0, 0.6);
    }
    rp_guard_question q = ask(&c, &trials, 100.0);
    const double large = answer(&q).scale_mm;
    q.found_mm = 40.0;
    assert_true(answer(&q).scale_mm > 4.0 * large);
}

/* One trial in which another thing was found moves the interval by what is allowed, no more. */
/* A source that is always off by much needs a scale that is not capped, and says the same by
 * another yardstick. */
static void sources_have_their_scale(void **state)
{
    (void)state;
    rp_guard_calibration c = plain();
    rp_guard_trials trials = {0};
    rp_guard_question q = ask(&c, &trials, 80.0);
    for (int k = 0; k < 8; k++) add(&trials, 20.0 + 10.0 * k, 80.0, 0.5);
    const rp_guard_answer wide = answer(&q);
    c.narrow = 0.5;
    c.q80 *= 2.0;
    c.q95 *= 2.0;
    const rp_guard_answer same = answer(&q);
    assert_float_equal(same.scale_mm, 0.5 * wide.scale_mm, 1e-12);
    for (int i = 0; i < RP_GUARD_LEVELS; i++)
        assert_float_equal(same.high_mm[i], wide.high_mm[i], 1e-9);
    q.calibration = rp_guard_calibration_of(RP_GUARD_MODEL);
    assert_ptr_equal(q.calibration, rp_guard_calibration_shipped());
    const rp_guard_answer model = answer(&q);
    q.calibration = rp_guard_calibration_of(RP_GUARD_REGISTERED);
    const rp_guard_answer registered = answer(&q);
    /* The truths lie from 20 to 90 mm: the model's calibration takes no such errors seriously. */
    assert_true(registered.low_mm[1] < 25.0 && model.low_mm[1] > registered.low_mm[1] + 10.0);
}

static void failures_are_capped(void **state)
{
    (void)state;
    rp_guard_calibration c = plain();
    rp_guard_trials trials = {0}, worse = {0};
    for (int k = 0; k < 7; k++) {
        add(&trials, 50.0 + (k % 2 ? 1.0 : -1.0), 50.0, 0.9);
        add(&worse, 50.0 + (k % 2 ? 1.0 : -1.0), 50.0, 0.9);
    }
    add(&trials, 10.0, 50.0, 0.1);
    add(&worse, 1.0, 50.0, 0.1);
    const rp_guard_question q = ask(&c, &trials, 50.0), r = ask(&c, &worse, 50.0);
    assert_true(answer(&r).scale_mm > 1.1 * answer(&q).scale_mm);
    const double free = answer(&q).scale_mm;
    c.most = 3.0;
    assert_true(answer(&q).scale_mm < 0.5 * free);
    assert_close(answer(&r).scale_mm, answer(&q).scale_mm, 1e-12);
    assert_close(answer(&r).centre_mm, answer(&q).centre_mm, 1e-12);
}

static void chances_follow_the_limits(void **state)
{
    (void)state;
    const rp_guard_calibration *c = &neutral;
    double before[4] = {0, 1, 0, 0};
    for (double found = 20.0; found <= 180.0; found += 1.0) {
        const rp_guard_question q = ask(c, NULL, found);
        const rp_guard_answer a = answer(&q);
        assert_close(sum(&a), 1.0, 1e-12);
        assert_true(a.probability[RP_PR] <= before[RP_PR] + 1e-12);
        assert_true(a.probability[RP_PD] >= before[RP_PD] - 1e-12);
        memcpy(before, a.probability, sizeof before);
        if (found == 70.0) assert_close(a.probability[RP_PR], 0.5, 0.05);
        if (found == 120.0) assert_close(a.probability[RP_PD], 0.5, 0.05);
        if (found == 40.0) assert_true(a.probability[RP_PR] > 0.9);
        if (found == 95.0) assert_true(a.probability[RP_SD] > 0.9);
        if (found == 170.0) assert_true(a.probability[RP_PD] > 0.9);
    }
}

/* 5 mm, nadir, node and new lesion, as response has them. */
static void rules_of_response(void **state)
{
    (void)state;
    const rp_guard_calibration *c = &neutral;
    rp_guard_question q = ask(c, NULL, 18.0);
    q.voxel_mm = 0.2;
    q.response.baseline_mm = 15.0;
    assert_true(answer(&q).probability[RP_SD] > 0.8); /* +20 % is 18 mm, 5 mm more are 20 */
    q = ask(c, NULL, 85.0);
    q.response.nadir_mm = 60.0;
    assert_true(answer(&q).probability[RP_PD] > 0.9);
    q.found_mm = 65.0;
    assert_true(answer(&q).probability[RP_SD] < 1e-12); /* PR is kept */
    q = ask(c, NULL, 8.0);
    q.voxel_mm = 0.2;
    q.response.baseline_mm = 20.0;
    assert_true(answer(&q).probability[RP_CR] < 0.1);
    q.response.nodal = true;
    assert_true(answer(&q).probability[RP_CR] > 0.9);
    q = ask(c, NULL, 40.0);
    q.response.new_lesion = true;
    assert_close(answer(&q).probability[RP_PD], 1.0, 1e-12);
}

static void gone_or_missed(void **state)
{
    (void)state;
    const rp_guard_calibration c = plain();
    rp_guard_trials sure = {0}, blind = {0};
    for (int k = 0; k < 4; k++) {
        add(&sure, 0.0, 0.0, 1.0);
        add(&sure, 50.0, 50.0, 0.9);
        add(&blind, 0.0, 40.0, 0.0);
        add(&blind, 50.0, k % 2 ? 50.0 : 0.0, k % 2 ? 0.9 : 0.0);
    }
    rp_guard_question q = ask(&c, &sure, 0.0);
    const rp_guard_answer a = answer(&q);
    assert_true(isnan(a.centre_mm) && isnan(a.probability[RP_CR]) && !a.found);
    q.trials = &blind;
    const rp_guard_answer b = answer(&q);
    assert_true(a.gone > 2.0 * b.gone && b.failure > 2.0 * a.failure);
    q.found_mm = 40.0;
    const double as_large = answer(&q).gone;
    q.found_cc = 1000.0; /* more than any vanished trial made the model find */
    assert_true(answer(&q).gone < 0.5 * as_large);
}

/* Errors of a t of 5 degrees of freedom, spread by patient: the pooled quantiles cover. */
static void covers(void **state)
{
    (void)state;
    rp_guard_calibration c = neutral;
    enum { PATIENTS = 2000 };
    int within[2] = {0};
    c.relative = 0.0;
    for (int p = 0; p < PATIENTS; p++) {
        rp_random r;
        rp_guard_trials trials = {0};
        rp_random_init(&r, 7, 1, (uint64_t)p);
        double chi = 0.0;
        for (int i = 0; i < 6; i++) {
            const double x = rp_random_normal(&r);
            chi += x * x / 6.0;
        }
        const double sd = 1.0 / sqrt(chi), bias = 0.5 * sd * rp_random_normal(&r);
        for (int k = 0; k < 12; k++)
            add(&trials, 50.0 + bias + sd * rp_random_normal(&r), 50.0, 0.9);
        const double truth = 50.0 + bias + sd * rp_random_normal(&r);
        const rp_guard_question q = ask(&c, &trials, 50.0);
        const rp_guard_answer a = answer(&q);
        for (int i = 0; i < 2; i++) within[i] += truth >= a.low_mm[i] && truth <= a.high_mm[i];
    }
    print_message("within 80 %%: %.3f, within 95 %%: %.3f\n", within[0] / (double)PATIENTS,
                  within[1] / (double)PATIENTS);
    assert_true(within[0] > 0.78 * PATIENTS && within[0] < 0.90 * PATIENTS);
    assert_true(within[1] > 0.94 * PATIENTS && within[1] < 0.99 * PATIENTS);
}

static void refuses(void **state)
{
    (void)state;
    rp_guard_calibration c = plain();
    rp_error err = {0};
    rp_guard_answer a;
    rp_guard_question q = ask(&c, NULL, 50.0);
    q.voxel_mm = 0.0;
    assert_int_equal(rp_guard_interval(&q, &a, &err), RP_ERR_ARGUMENT);
    q = ask(&c, NULL, NAN);
    assert_int_equal(rp_guard_interval(&q, &a, &err), RP_ERR_ARGUMENT);
    q = ask(&c, NULL, 50.0);
    q.response.baseline_mm = 0.0;
    assert_int_equal(rp_guard_interval(&q, &a, &err), RP_ERR_ARGUMENT);
    q = ask(&c, NULL, 50.0);
    c.q80 = c.q95;
    assert_int_equal(rp_guard_interval(&q, &a, &err), RP_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prior_alone),
                                       cmocka_unit_test(trials_move_and_scale),
                                       cmocka_unit_test(errors_widen),
                                       cmocka_unit_test(near_trials_count),
                                       cmocka_unit_test(sources_have_their_scale),
                                       cmocka_unit_test(failures_are_capped),
                                       cmocka_unit_test(chances_follow_the_limits),
                                       cmocka_unit_test(rules_of_response),
                                       cmocka_unit_test(gone_or_missed),
                                       cmocka_unit_test(covers),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
