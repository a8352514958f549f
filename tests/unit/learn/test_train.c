/* Training on a cohort: crops that depend on the step alone, files that prove themselves, and a run
 * that was stopped ends as an uninterrupted one. */
#include "fixture.h"
#include "../../../src/learn/prefetch.h"
#include "../../../src/learn/sample.h"

#include <unistd.h>

enum { CASES = 3 };

typedef struct place {
    char *folder, *cache, *checkpoint, *best, *model;
    rp_train_case cases[CASES];
} place;

/* Patients that differ in extent and in where the ball lies. */
static void make_case(place *p, int i, rp_train_case *out)
{
    static const char *const names[CASES] = {"one", "two", "three"};
    const rp_grid grid = rp_grid_make(40 + 4 * i, 40, 20 + i, 1.5, 1.5, 3.0);
    rp_preprocessing preprocessing;
    rp_error err = {0};
    patient one;
    char source[RP_SHA256_HEX];
    make_patient(&one, &grid);
    rp_sha256(names[i], strlen(names[i]), source);
    rp_preprocessing_defaults(&preprocessing);
    assert_ok(rp_train_case_prepare(&preprocessing, names[i], &one.image, &one.mask, source,
                                    p->cache, out, &err),
              err);
    release_patient(&one);
}

static int set_up(void **state)
{
    static place p;
    p.folder = make_folder();
    p.cache = rp_path_join(p.folder, "cache");
    p.checkpoint = rp_path_join(p.folder, "checkpoint");
    p.best = rp_path_join(p.folder, "best");
    p.model = rp_path_join(p.folder, "model");
    for (int i = 0; i < CASES; i++) make_case(&p, i, &p.cases[i]);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    for (int i = 0; i < CASES; i++) rp_train_case_release(&p->cases[i]);
    rp_free(p->cache);
    rp_free(p->checkpoint);
    rp_free(p->best);
    rp_free(p->model);
    remove_folder(p->folder);
    return 0;
}

static rp_train_options short_options(void)
{
    rp_train_options o;
    rp_train_defaults(&o);
    o.base.epochs = 4;
    o.base.crop[0] = o.base.crop[1] = 20;
    o.base.crop[2] = 12;
    o.base.seed = 5;
    o.validate_every = 3;
    return o;
}

typedef struct watch {
    long stop_after; /* questions; negative: never */
    long asked;
    int validated; /* cases reported */
} watch;

static void on_report(void *context, const char *stage, double done, double total, const char *note)
{
    watch *w = context;
    assert_true(done <= total);
    assert_non_null(note);
    w->validated += strcmp(stage, "validate") == 0;
}

static bool on_cancelled(void *context)
{
    watch *w = context;
    return w->stop_after >= 0 && w->asked++ >= w->stop_after;
}

/* The first two cases are trained on, the third validates. */
static rp_status train(place *p, rp_model *model, const rp_train_options *o, watch *w,
                       rp_train_curve *curve, rp_error *err)
{
    const rp_progress progress = {on_report, on_cancelled, w};
    return rp_train(model, p->cases, 2, p->cases + 2, 1, o, w ? &progress : NULL, curve, err);
}

/* ---- files -------------------------------------------------------------------------------------
 */

static void flip_last_byte(const char *path)
{
    rp_error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_ok(rp_file_read(path, &bytes, &size, &err), err);
    bytes[size - 1] ^= 1;
    assert_ok(rp_file_write(path, bytes, size, &err), err);
    rp_free(bytes);
}

static void test_cases_are_reused_unless_damaged(void **state)
{
    place *p = *state;
    rp_train_case again;
    assert_false(p->cases[0].reused);
    make_case(p, 0, &again);
    assert_true(again.reused);
    assert_string_equal(again.image_path, p->cases[0].image_path);
    assert_string_equal(again.image_sha256, p->cases[0].image_sha256);
    assert_int_equal(again.tumour_voxels, p->cases[0].tumour_voxels);
    assert_memory_equal(again.size, p->cases[0].size, sizeof again.size);
    const char *files[] = {again.image_path, again.mask_path};
    for (int i = 0; i < 2; i++) {
        rp_train_case made;
        flip_last_byte(files[i]);
        make_case(p, 0, &made);
        assert_false(made.reused);
        assert_string_equal(made.image_sha256, again.image_sha256);
        assert_string_equal(made.mask_sha256, again.mask_sha256);
        rp_train_case_release(&made);
        unlink(files[i]);
        make_case(p, 0, &made);
        assert_false(made.reused);
        rp_train_case_release(&made);
    }
    rp_train_case_release(&again);
}

/* The preprocessed pair, bit for bit, and other preprocessing in other files. */
static void test_files_hold_the_working_grid(void **state)
{
    place *p = *state;
    const rp_grid grid = rp_grid_make(40, 40, 20, 1.5, 1.5, 3.0);
    rp_preprocessing preprocessing;
    rp_error err = {0};
    rp_image expected, image;
    rp_mask mask;
    patient one;
    rp_train_case other;
    make_patient(&one, &grid);
    rp_preprocessing_defaults(&preprocessing);
    assert_ok(rp_preprocess_image(&preprocessing, &one.image, &expected, &err), err);
    assert_ok(rp_nifti_read_image(p->cases[0].image_path, &image, NULL, &err), err);
    assert_ok(rp_nifti_read_mask(p->cases[0].mask_path, false, &mask, NULL, &err), err);
    assert_true(rp_grid_same(&expected.grid, &image.grid, 1e-4));
    assert_memory_equal(image.data, expected.data, rp_grid_voxels(&grid) * sizeof(float));
    assert_memory_equal(mask.data, one.mask.data, rp_grid_voxels(&grid));
    assert_int_equal(rp_mask_count(&mask), p->cases[0].tumour_voxels);
    preprocessing.window_high_hu += 1;
    char source[RP_SHA256_HEX];
    rp_sha256("one", 3, source);
    assert_ok(rp_train_case_prepare(&preprocessing, "one", &one.image, &one.mask, source, p->cache,
                                    &other, &err),
              err);
    assert_string_not_equal(other.image_path, p->cases[0].image_path);
    rp_train_case_release(&other);
    memset(one.mask.data, 0, rp_grid_voxels(&grid));
    assert_int_equal(rp_train_case_prepare(&preprocessing, "one", &one.image, &one.mask, "x",
                                           p->cache, &other, &err),
                     RP_ERR_REFUSED);
    assert_null(other.name);
    rp_image_release(&expected);
    rp_image_release(&image);
    rp_mask_release(&mask);
    release_patient(&one);
}

/* ---- crops -------------------------------------------------------------------------------------
 */

/* In every epoch each case as often as there are copies, in an order that changes. */
static void test_order(void **state)
{
    place *p = *state;
    rp_train_options o = short_options();
    const int size[3] = {20, 20, 12};
    rp_prefetch *prefetch;
    rp_error err = {0};
    o.base.copies = 2;
    assert_ok(rp_prefetch_create(p->cases, CASES, &o.base, size, 0, &prefetch, &err), err);
    int changes = 0;
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        int seen[CASES] = {0};
        for (uint64_t i = 0; i < 2 * CASES; i++) {
            const size_t now = rp_prefetch_case(prefetch, epoch * 2 * CASES + i);
            assert_true(now < CASES);
            seen[now]++;
            changes += epoch > 0 && now != rp_prefetch_case(prefetch, i);
        }
        for (int i = 0; i < CASES; i++) assert_int_equal(seen[i], 2);
    }
    assert_true(changes > 20);
    rp_prefetch_destroy(prefetch);
}

/* Prepared ahead, asked for out of order, or made by hand: the same crop. */
static void test_crops_depend_on_the_step_alone(void **state)
{
    place *p = *state;
    const rp_train_options o = short_options();
    const int size[3] = {20, 20, 12};
    const uint64_t order[] = {0, 1, 2, 3, 4, 9, 3, 4, 5, 30, 31, 0};
    const size_t voxels = 20 * 20 * 12;
    rp_prefetch *prefetch;
    rp_error err = {0};
    float *expected = rp_alloc(voxels, sizeof *expected);
    uint8_t *labels = rp_alloc(voxels, 1);
    assert_ok(rp_prefetch_create(p->cases, CASES, &o.base, size, 32, &prefetch, &err), err);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const float *input;
        const uint8_t *target;
        rp_image image;
        rp_mask mask;
        rp_sampler sampler;
        rp_warp warp;
        assert_ok(rp_prefetch_sample(prefetch, order[i], &input, &target, &err), err);
        usleep(i % 3 ? 0 : 20000); /* the thread may be ahead or behind */
        rp_prefetch *other;
        assert_ok(rp_prefetch_create(p->cases, CASES, &o.base, size, 32, &other, &err), err);
        const rp_train_case *one = &p->cases[rp_prefetch_case(other, order[i])];
        rp_prefetch_destroy(other);
        assert_ok(rp_nifti_read_image(one->image_path, &image, NULL, &err), err);
        assert_ok(rp_nifti_read_mask(one->mask_path, false, &mask, NULL, &err), err);
        assert_ok(rp_sampler_init(&sampler, &image, &mask, &o.base, &err), err);
        rp_sampler_plan(&sampler, order[i], &warp);
        rp_sampler_apply(&sampler, &warp, expected, labels);
        assert_memory_equal(input, expected, voxels * sizeof *expected);
        assert_memory_equal(target, labels, voxels);
        rp_sampler_release(&sampler);
        rp_image_release(&image);
        rp_mask_release(&mask);
    }
    rp_prefetch_destroy(prefetch);
    rp_free(expected);
    rp_free(labels);
}

/* ---- training ----------------------------------------------------------------------------------
 */

static void test_learns(void **state)
{
    release_only();
    place *p = *state;
    rp_train_options o = short_options();
    rp_model model;
    rp_train_curve curve;
    rp_error err = {0};
    watch w = {.stop_after = -1};
    o.base.epochs = 40;
    o.base.learning_rate = 0.01;
    o.validate_every = 15;
    o.best_path = p->best;
    make_model(&model, 3);
    assert_ok(train(p, &model, &o, &w, &curve, &err), err);
    assert_int_equal(curve.training.epochs, 40);
    assert_int_equal(curve.validations, 3);
    const int epochs[] = {15, 30, 40};
    assert_memory_equal(curve.validation_epoch, epochs, sizeof epochs);
    assert_int_equal(w.validated, 3 * 2);
    assert_true(curve.best >= 0);
    for (int i = 0; i < 3; i++)
        assert_true(curve.validation_dice[i] <= curve.validation_dice[curve.best]);
    assert_true(curve.validation_dice[curve.best] > 0.8);
    assert_true(curve.training.loss[39] < 0.5 * curve.training.loss[0]);
    assert_string_equal(model.provenance.trained_on_image_sha256 + 64, "");
    assert_int_equal(strlen(model.provenance.trained_on_image_sha256), 64);
    rp_model best;
    assert_ok(rp_model_read(p->best, &best, &err), err);
    assert_int_equal(best.provenance.epochs, epochs[curve.best]);
    rp_model_release(&best);
    rp_train_curve_release(&curve);
    rp_model_release(&model);
}

static void expect_same_file(const char *path, const uint8_t *bytes, size_t size)
{
    rp_error err = {0};
    uint8_t *mine;
    size_t my_size;
    assert_ok(rp_file_read(path, &mine, &my_size, &err), err);
    assert_int_equal(my_size, size);
    assert_memory_equal(mine, bytes, size);
    rp_free(mine);
}

/* Stopped after k questions, while validating too, again and again, on any number of threads. */
static void test_resume_and_threads(void **state)
{
    place *p = *state;
    rp_train_options o = short_options();
    rp_error err = {0};
    rp_model model;
    rp_train_curve whole, curve;
    uint8_t *bytes, *best;
    size_t size, best_size;
    o.best_path = p->best;
    make_model(&model, 3);
    assert_ok(train(p, &model, &o, NULL, &whole, &err), err);
    assert_int_equal(whole.validations, 2);
    assert_ok(rp_model_write(p->model, &model, &err), err);
    assert_ok(rp_file_read(p->model, &bytes, &size, &err), err);
    assert_ok(rp_file_read(p->best, &best, &best_size, &err), err);
    rp_model_release(&model);
    o.base.checkpoint_path = p->checkpoint;
    o.base.resume = true;
    for (long k = SHORT ? 10 : 2; k <= 10; k += SLOW ? 4 : 1) {
        unlink(p->checkpoint);
        unlink(p->best);
        rp_threads_set((int)(k % 3) + 1);
        int stops = 0;
        for (rp_status status = RP_ERR_CANCELLED; status; stops++) {
            watch w = {.stop_after = stops % 2 ? k : 2};
            make_model(&model, 3);
            status = train(p, &model, &o, &w, &curve, &err);
            if (!status) break;
            assert_int_equal(status, RP_ERR_CANCELLED);
            rp_model_release(&model);
            assert_true(stops < 60);
        }
        assert_true(stops > 0);
        assert_ok(rp_model_write(p->model, &model, &err), err);
        expect_same_file(p->model, bytes, size);
        expect_same_file(p->best, best, best_size);
        assert_int_equal(curve.validations, 2);
        assert_memory_equal(curve.validation_dice, whole.validation_dice, 2 * sizeof(double));
        assert_memory_equal(curve.training.loss, whole.training.loss, 4 * sizeof(double));
        rp_train_curve_release(&curve);
        rp_model_release(&model);
    }
    rp_threads_set(0);
    rp_train_curve_release(&whole);
    rp_free(bytes);
    rp_free(best);
}

/* ---- refusals ----------------------------------------------------------------------------------
 */

static void expect_failure(place *p, const rp_train_options *o, rp_status wanted, const char *words)
{
    rp_error err = {0};
    rp_model model;
    rp_train_curve curve;
    make_model(&model, 3);
    const rp_status status = train(p, &model, o, NULL, &curve, &err);
    if (status != wanted || !strstr(err.message, words))
        fail_msg("wanted %s about \"%s\", got %s: %s", rp_status_text(wanted), words,
                 rp_status_text(status), err.message);
    assert_null(curve.training.loss);
    rp_model_release(&model);
}

static void test_refusals(void **state)
{
    place *p = *state;
    rp_train_options o = short_options();
    rp_error err = {0};
    rp_model model;
    rp_train_curve curve;
    make_model(&model, 3);
    assert_int_equal(rp_train(&model, p->cases, 0, NULL, 0, &o, NULL, &curve, &err),
                     RP_ERR_ARGUMENT);
    p->cases[1].spacing[2] = 2.5;
    assert_int_equal(rp_train(&model, p->cases, 2, NULL, 0, &o, NULL, &curve, &err),
                     RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "two"));
    p->cases[1].spacing[2] = 3.0;
    rp_model_release(&model);
    o.base.memory_bytes = 100000;
    expect_failure(p, &o, RP_ERR_BUDGET, "MiB");
    o = short_options();
    rp_fcd_config config = tiny_config();
    size_t bytes;
    assert_ok(rp_session_bytes(&config, o.base.crop, RP_RUN_TRAIN, &bytes, &err), err);
    o.base.memory_bytes = bytes + 1000;
    expect_failure(p, &o, RP_ERR_BUDGET, "beside training");
    o = short_options();
    rp_train_case_release(&p->cases[1]);
    make_case(p, 1, &p->cases[1]);
    unlink(p->cases[1].image_path);
    expect_failure(p, &o, RP_ERR_IO, "two");
}

/* Another list of cases, or another rhythm of validation, is another run. */
static void test_checkpoint_of_another_run(void **state)
{
    values_only();
    place *p = *state;
    rp_train_options o = short_options();
    rp_error err = {0};
    rp_model model;
    rp_train_curve curve;
    watch w = {.stop_after = 3};
    o.base.checkpoint_path = p->checkpoint;
    o.base.resume = true;
    make_model(&model, 3);
    assert_int_equal(train(p, &model, &o, &w, &curve, &err), RP_ERR_CANCELLED);
    rp_model_release(&model);
    o.validate_every = 2;
    expect_failure(p, &o, RP_ERR_REFUSED, "in: validate_every (3 there, 2 here). ");
    o.validate_every = 3;
    o.base.seed++;
    expect_failure(p, &o, RP_ERR_REFUSED, "in: seed (");
}

/* Validation changes neither weights nor what the model says of its origin. */
static void test_validation_leaves_the_model_alone(void **state)
{
    values_only();
    place *p = *state;
    rp_train_options o = short_options();
    rp_error err = {0};
    rp_model with, without;
    rp_train_curve curve;
    make_model(&with, 3);
    assert_ok(train(p, &with, &o, NULL, &curve, &err), err);
    rp_train_curve_release(&curve);
    o.validate_every = 0;
    make_model(&without, 3);
    assert_ok(train(p, &without, &o, NULL, &curve, &err), err);
    assert_int_equal(curve.validations, 0);
    rp_train_curve_release(&curve);
    assert_true(same_weights(&with, &without));
    assert_memory_equal(&with.provenance, &without.provenance, sizeof with.provenance);
    rp_model_release(&with);
    rp_model_release(&without);
}

static void test_divergence(void **state)
{
    place *p = *state;
    const rp_train_options o = short_options();
    rp_error err = {0};
    rp_model model;
    rp_train_curve curve;
    make_model(&model, 3);
    rp_parameter *head = rp_fcd_parameter(model.net, rp_fcd_parameter_count(model.net) - 2);
    for (size_t i = 0; i < head->count; i++) head->value[i] = i % 2 ? 3e38f : -3e38f;
    assert_int_equal(train(p, &model, &o, NULL, &curve, &err), RP_ERR_NUMERIC);
    if (!strstr(err.message, "the training diverged at step 1")) fail_msg("%s", err.message);
    rp_model_release(&model);
}

/* A checkpoint that counts on a best model does not go on without it. */
static void test_missing_best(void **state)
{
    values_only();
    place *p = *state;
    rp_train_options o = short_options();
    rp_error err = {0};
    rp_model model;
    rp_train_curve curve;
    watch w = {.stop_after = 8}; /* after the first validation */
    o.base.checkpoint_path = p->checkpoint;
    o.base.resume = true;
    o.best_path = p->best;
    make_model(&model, 3);
    assert_int_equal(train(p, &model, &o, &w, &curve, &err), RP_ERR_CANCELLED);
    rp_model_release(&model);
    assert_true(rp_path_exists(p->best));
    unlink(p->best);
    expect_failure(p, &o, RP_ERR_REFUSED, "missing");
}

static void test_memory_fails(void **state)
{
    place *p = *state;
    rp_train_options o = short_options();
    long n = 1;
    o.base.epochs = 1;
    for (;; n += SHORT ? 29 : n < 60 ? 1 : 11) {
        rp_error err = {0};
        rp_model model;
        rp_train_curve curve;
        make_model(&model, 3);
        rp_test_fail_allocation(n);
        const rp_status status = train(p, &model, &o, NULL, &curve, &err);
        rp_test_fail_allocation(0);
        rp_model_release(&model);
        if (!status) rp_train_curve_release(&curve);
        if (!status) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_null(curve.training.loss);
    }
    assert_true(n > 30);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(test_cases_are_reused_unless_damaged),
        WITH_PLACE(test_files_hold_the_working_grid),
        WITH_PLACE(test_order),
        WITH_PLACE(test_crops_depend_on_the_step_alone),
        WITH_PLACE(test_learns),
        WITH_PLACE(test_resume_and_threads),
        WITH_PLACE(test_refusals),
        WITH_PLACE(test_checkpoint_of_another_run),
        WITH_PLACE(test_validation_leaves_the_model_alone),
        WITH_PLACE(test_missing_best),
        WITH_PLACE(test_divergence),
        WITH_PLACE(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
