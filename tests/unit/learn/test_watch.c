/* Watching a second visit: it changes no weight, tells what a prediction tells, and survives an
 * interruption. */
#include "fixture.h"

typedef struct stopper {
    long after, asked;
} stopper;

static bool on_cancelled(void *context)
{
    stopper *s = context;
    return s->asked++ >= s->after;
}

static rp_adapt_options short_options(void)
{
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.epochs = 7;
    o.copies = 2;
    o.crop[0] = o.crop[1] = 32;
    o.crop[2] = 16;
    o.learning_rate = 5e-3;
    o.seed = 42;
    return o;
}

/* The same patient, lying elsewhere on a grid of its own. */
static void make_followup(patient *p)
{
    rp_grid grid = rp_grid_make(36, 42, 22, 1.5, 1.5, 3.0);
    make_patient(p, &grid);
}

static void run(const patient *baseline, const rp_adapt_options *o, rp_model *model,
                rp_adapt_curve *curve)
{
    rp_error err = {0};
    make_model(model, 7);
    assert_ok(rp_adapt(model, &baseline->image, &baseline->mask, o, NULL, curve, &err), err);
}

static void test_tells_what_a_prediction_tells(void **state)
{
    (void)state;
    rp_error err = {0};
    patient baseline = {0}, followup = {0};
    rp_model plain = {0}, watched = {0};
    rp_adapt_curve without, curve;
    rp_adapt_options o = short_options();
    rp_predict_options how;
    rp_prediction found;
    rp_grid grid = patient_grid();
    make_patient(&baseline, &grid);
    make_followup(&followup);
    run(&baseline, &o, &plain, &without);
    assert_int_equal(without.watches, 0);
    assert_int_equal(rp_adapt_epochs_to(&without, 0.95), -1);

    const rp_adapt_watch watch = {&followup.image, &followup.mask, 3};
    o.watch = &watch;
    run(&baseline, &o, &watched, &curve);
    assert_true(same_weights(&plain, &watched));
    assert_int_equal(curve.watches, 3);
    const int epochs[] = {3, 6, 7};
    for (int i = 0; i < 3; i++) assert_int_equal(curve.watch_epoch[i], epochs[i]);

    rp_predict_defaults(&how);
    how.prior = &baseline.mask;
    assert_ok(rp_predict(&watched, &followup.image, &how, NULL, &found, &err), err);
    assert_close(curve.watch_dice[2], dice(&found.mask, &followup.mask), 1e-15);
    assert_true(curve.watch_dice[2] > 0.0);
    rp_prediction_release(&found);
    rp_adapt_curve_release(&without);
    rp_adapt_curve_release(&curve);
    rp_model_release(&plain);
    rp_model_release(&watched);
    release_patient(&baseline);
    release_patient(&followup);
}

static void test_resumes(void **state)
{
    (void)state;
    rp_error err = {0};
    patient baseline = {0}, followup = {0};
    rp_model whole = {0}, model = {0};
    rp_adapt_curve expected, curve;
    rp_adapt_options o = short_options();
    rp_grid grid = patient_grid();
    make_patient(&baseline, &grid);
    make_followup(&followup);
    const rp_adapt_watch watch = {&followup.image, &followup.mask, 2};
    o.watch = &watch;
    run(&baseline, &o, &whole, &expected);
    char *folder = make_folder(), *path = rp_path_join(folder, "checkpoint");
    o.checkpoint_path = path;
    o.resume = true;
    int stops = 0;
    for (rp_status status = RP_ERR_CANCELLED; status; stops++) {
        stopper s = {.after = 5};
        const rp_progress progress = {NULL, on_cancelled, &s};
        rp_model_release(&model);
        make_model(&model, 7);
        status = rp_adapt(&model, &baseline.image, &baseline.mask, &o, &progress, &curve, &err);
        assert_true(!status || status == RP_ERR_CANCELLED);
        assert_true(stops < 14);
    }
    assert_true(stops > 2);
    assert_true(same_weights(&whole, &model));
    assert_int_equal(curve.watches, expected.watches);
    assert_memory_equal(curve.watch_dice, expected.watch_dice, curve.watches * sizeof(double));
    assert_memory_equal(curve.watch_epoch, expected.watch_epoch, curve.watches * sizeof(int));

    /* Its Dice belong to the visit that was watched. */
    followup.mask.data[0] ^= 1;
    rp_adapt_curve none;
    rp_model other = {0};
    make_model(&other, 7);
    assert_int_equal(rp_adapt(&other, &baseline.image, &baseline.mask, &o, NULL, &none, &err),
                     RP_ERR_REFUSED);
    assert_non_null(strstr(err.message, "watched"));
    rp_model_release(&other);
    rp_adapt_curve_release(&curve);
    rp_adapt_curve_release(&expected);
    rp_model_release(&whole);
    rp_model_release(&model);
    rp_free(path);
    remove_folder(folder);
    release_patient(&baseline);
    release_patient(&followup);
}

static void test_epochs_to(void **state)
{
    (void)state;
    int epoch[] = {10, 20, 30, 40};
    double rising[] = {0.2, 0.80, 0.77, 0.80}, falling[] = {0.9, 0.5, 0.4, 0.3};
    rp_adapt_curve curve = {.watch_epoch = epoch, .watch_dice = rising, .watches = 4};
    assert_int_equal(rp_adapt_epochs_to(&curve, 0.95), 20);
    assert_int_equal(rp_adapt_epochs_to(&curve, 0.25), 10);
    curve.watch_dice = falling;
    assert_int_equal(rp_adapt_epochs_to(&curve, 0.95), 10);
}

static void test_refusals(void **state)
{
    (void)state;
    rp_error err = {0};
    patient baseline = {0}, followup = {0};
    rp_model model = {0};
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    rp_grid grid = patient_grid();
    make_patient(&baseline, &grid);
    make_followup(&followup);
    rp_adapt_watch watch = {&followup.image, &followup.mask, 0};
    o.watch = &watch;
    make_model(&model, 7);
    assert_int_equal(rp_adapt(&model, &baseline.image, &baseline.mask, &o, NULL, &curve, &err),
                     RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "every 0 epochs"));
    watch = (rp_adapt_watch){&followup.image, &baseline.mask, 1};
    assert_int_equal(rp_adapt(&model, &baseline.image, &baseline.mask, &o, NULL, &curve, &err),
                     RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "differ in grid"));
    rp_model_release(&model);
    release_patient(&baseline);
    release_patient(&followup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_what_a_prediction_tells),
        cmocka_unit_test(test_resumes),
        cmocka_unit_test(test_epochs_to),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
