/* Adaptation: it overfits, any number of threads gives the same bits, and a run that was stopped or
 * killed ends with the bits of an uninterrupted one. */
#include "fixture.h"
#include "../../../src/learn/sample.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static rp_adapt_options short_options(void)
{
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.epochs = SHORT ? 2 : 6;
    o.copies = 2;
    o.crop[0] = o.crop[1] = 20;
    o.crop[2] = 12;
    o.seed = 42;
    o.treatment.share = 0.5;
    return o;
}

typedef struct watch {
    long stop_after; /* calls of cancelled before it says yes; negative: never */
    long asked;
    double done, total;
    char note[128];
} watch;

static void on_report(void *context, const char *stage, double done, double total, const char *note)
{
    watch *w = context;
    assert_string_equal(stage, "adapt");
    w->done = done;
    w->total = total;
    snprintf(w->note, sizeof w->note, "%s", note);
}

static bool on_cancelled(void *context)
{
    watch *w = context;
    return w->stop_after >= 0 && w->asked++ >= w->stop_after;
}

typedef struct place {
    char *folder, *checkpoint, *model;
    patient patient;
} place;

static int set_up(void **state)
{
    static place p;
    rp_grid grid = patient_grid();
    p.folder = make_folder();
    p.checkpoint = rp_path_join(p.folder, "checkpoint");
    p.model = rp_path_join(p.folder, "model");
    make_patient(&p.patient, &grid);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    release_patient(&p->patient);
    rp_free(p->checkpoint);
    rp_free(p->model);
    remove_folder(p->folder);
    return 0;
}

static rp_status adapt(place *p, rp_model *model, const rp_adapt_options *o, watch *w,
                       rp_adapt_curve *curve, rp_error *err)
{
    const rp_progress progress = {on_report, on_cancelled, w};
    return rp_adapt(model, &p->patient.image, &p->patient.mask, o, w ? &progress : NULL, curve,
                    err);
}

/* An uninterrupted run without checkpoints: its file and curve. */
static void reference_run(place *p, const rp_adapt_options *o, uint8_t **bytes, size_t *size,
                          rp_adapt_curve *curve)
{
    rp_error err = {0};
    rp_model model = {0};
    rp_adapt_options plain = *o;
    plain.checkpoint_path = NULL;
    make_model(&model, 7);
    assert_ok(adapt(p, &model, &plain, NULL, curve, &err), err);
    assert_ok(rp_model_write(p->model, &model, &err), err);
    assert_ok(rp_file_read(p->model, bytes, size, &err), err);
    rp_model_release(&model);
}

static void expect_same_file(place *p, const rp_model *model, const uint8_t *bytes, size_t size)
{
    rp_error err = {0};
    uint8_t *mine = NULL;
    size_t my_size = 0;
    assert_ok(rp_model_write(p->model, model, &err), err);
    assert_ok(rp_file_read(p->model, &mine, &my_size, &err), err);
    assert_int_equal(my_size, size);
    assert_memory_equal(mine, bytes, size);
    rp_free(mine);
}

static void test_overfits(void **state)
{
    release_only();
    place *p = *state;
    rp_error err = {0};
    rp_model model = {0};
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    rp_predict_options predict;
    rp_prediction prediction;
    watch w = {.stop_after = -1};
    o.treatment.share = 0; /* one lesion to overfit */
    o.epochs = 25;
    o.copies = 3;
    o.crop[0] = o.crop[1] = 32;
    o.crop[2] = 16;
    o.learning_rate = 5e-3;
    make_model(&model, 7);
    assert_ok(adapt(p, &model, &o, &w, &curve, &err), err);
    assert_int_equal(curve.epochs, 25);
    assert_int_equal(curve.resumed_epochs, 0);
    assert_true(curve.loss[24] < 0.5 * curve.loss[0] && curve.dice[24] > 0.85);
    assert_true(w.done == 75 && w.total == 75);
    char expected[128];
    snprintf(expected, sizeof expected, "epoch 25/25 loss %.3f dice %.2f", curve.loss[24],
             curve.dice[24]);
    assert_string_equal(w.note, expected);
    assert_int_equal(model.provenance.epochs, 25);
    assert_int_equal(strlen(model.provenance.trained_on_image_sha256), 64);
    assert_true(rp_fcd_config_of(model.net)->dropout > 0.09);
    rp_predict_defaults(&predict);
    assert_ok(rp_predict(&model, &p->patient.image, &predict, NULL, &prediction, &err), err);
    double own = dice(&prediction.mask, &p->patient.mask);
    print_message("Dice on itself %.4f, %.2f s\n", own, curve.seconds);
    assert_true(own > 0.9);
    rp_prediction_release(&prediction);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
}

/* The loop written out: the step's own crop, dropout from (seed, step), decaying Adam. */
static void test_steps_are_those_of_the_method(void **state)
{
    values_only();
    place *p = *state;
    rp_error err = {0};
    rp_model adapted = {0}, model = {0};
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    rp_image image = {0};
    rp_sampler sampler;
    rp_session *session = NULL;
    rp_adam *adam = NULL;
    o.epochs = 4;
    o.dropout = 0.3;
    make_model(&adapted, 7);
    assert_ok(adapt(p, &adapted, &o, NULL, &curve, &err), err);

    make_model(&model, 7);
    rp_fcd_set_dropout(model.net, 0.3);
    assert_ok(rp_preprocess_image(&model.preprocessing, &p->patient.image, &image, &err), err);
    assert_ok(rp_sampler_init(&sampler, &image, &p->patient.mask, &o, &err), err);
    assert_ok(rp_session_create(model.net, sampler.size, RP_RUN_TRAIN, 0, &session, &err), err);
    assert_ok(rp_adam_create(model.net, &adam, &err), err);
    RP_AUTOFREE float *input = rp_alloc(rp_sampler_voxels(&sampler), sizeof *input);
    RP_AUTOFREE uint8_t *target = rp_alloc(rp_sampler_voxels(&sampler), 1);
    rp_loss loss[8];
    for (uint64_t t = 0; t < 8; t++) {
        rp_warp warp;
        rp_sampler_plan(&sampler, t, &warp);
        rp_sampler_apply(&sampler, &warp, input, target);
        assert_ok(rp_session_forward(session, input, 0, o.seed, t, &err), err);
        assert_ok(rp_session_loss(session, target, &o.loss, true, &loss[t], &err), err);
        rp_adam_step(adam, 1e-3 * pow(1 - (double)t / 8, 0.9));
    }
    assert_true(same_weights(&model, &adapted));
    for (int epoch = 0; epoch < 4; epoch++) {
        const rp_loss *a = &loss[2 * epoch], *b = a + 1;
        assert_close(curve.loss[epoch], (a->total + b->total) / 2, 1e-12);
        assert_close(curve.dice[epoch], (a->hard_dice + b->hard_dice) / 2, 1e-12);
    }
    rp_session_destroy(session);
    rp_adam_destroy(adam);
    rp_sampler_release(&sampler);
    rp_image_release(&image);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
    rp_model_release(&adapted);
}

static void test_threads_give_the_same_bits(void **state)
{
    place *p = *state;
    rp_adapt_options o = short_options();
    uint8_t *expected = NULL, *bytes = NULL;
    size_t size = 0, other = 0;
    rp_adapt_curve curve, again;
    rp_threads_set(1);
    reference_run(p, &o, &expected, &size, &curve);
    for (int threads = 2; threads <= (SLOW ? 2 : 4); threads++) {
        rp_threads_set(threads);
        reference_run(p, &o, &bytes, &other, &again);
        assert_int_equal(size, other);
        assert_memory_equal(bytes, expected, size);
        assert_memory_equal(curve.loss, again.loss, curve.epochs * sizeof(double));
        assert_memory_equal(curve.dice, again.dice, curve.epochs * sizeof(double));
        rp_free(bytes);
        rp_adapt_curve_release(&again);
    }
    o.seed++;
    reference_run(p, &o, &bytes, &other, &again);
    assert_true(size != other || memcmp(bytes, expected, size) != 0);
    rp_free(bytes);
    rp_adapt_curve_release(&again);
    rp_threads_set(0);
    rp_free(expected);
    rp_adapt_curve_release(&curve);
}

/* Stopped after k steps and continued, for every k, and stopped again and again. */
static void test_resume(void **state)
{
    place *p = *state;
    rp_adapt_options o = short_options();
    uint8_t *expected = NULL;
    size_t size = 0;
    rp_adapt_curve whole;
    reference_run(p, &o, &expected, &size, &whole);
    o.checkpoint_path = p->checkpoint;
    o.resume = true;
    const long steps = 2 * o.epochs;
    for (long k = SHORT ? 2 : 1; k <= steps + 1; k += 4) {
        rp_error err = {0};
        rp_adapt_curve curve;
        rp_model model = {0};
        unlink(p->checkpoint);
        long stops = 0;
        for (;; stops++) {
            watch w = {.stop_after = k};
            make_model(&model, 7);
            rp_status status = adapt(p, &model, &o, &w, &curve, &err);
            if (!status) break;
            assert_int_equal(status, RP_ERR_CANCELLED);
            assert_true(rp_path_exists(p->checkpoint));
            assert_null(curve.loss);
            rp_model_release(&model);
            assert_true(stops <= steps);
        }
        assert_int_equal(stops, (steps - 1) / k);
        assert_int_equal(curve.resumed_epochs, stops * k / 2);
        assert_memory_equal(curve.loss, whole.loss, whole.epochs * sizeof(double));
        assert_memory_equal(curve.dice, whole.dice, whole.epochs * sizeof(double));
        expect_same_file(p, &model, expected, size);
        rp_adapt_curve_release(&curve);
        rp_model_release(&model);
    }
    rp_free(expected);
    rp_adapt_curve_release(&whole);
}

/* ---- another adaptation's or a damaged checkpoint ---------------------------------------- */

static void stop_after_two_steps(place *p, const rp_adapt_options *o)
{
    rp_error err = {0};
    rp_adapt_curve curve;
    rp_model model = {0};
    watch w = {.stop_after = 2};
    make_model(&model, 7);
    assert_int_equal(adapt(p, &model, o, &w, &curve, &err), RP_ERR_CANCELLED);
    rp_model_release(&model);
}

static void expect_failure(place *p, const rp_adapt_options *o, uint64_t model_seed,
                           rp_status expected, const char *words)
{
    rp_error err = {0};
    rp_adapt_curve curve;
    rp_model model = {0};
    make_model(&model, model_seed);
    rp_status status = adapt(p, &model, o, NULL, &curve, &err);
    if (status != expected || !strstr(err.message, words))
        fail_msg("expected \"%s\", got %s: %s", words, rp_status_text(status), err.message);
    assert_null(curve.loss);
    rp_model_release(&model);
}

static void test_other_checkpoint_is_refused(void **state)
{
    values_only();
    place *p = *state;
    rp_adapt_options o = short_options();
    o.checkpoint_path = p->checkpoint;
    o.resume = true;
    stop_after_two_steps(p, &o);
    rp_adapt_options other = o;
    other.epochs++;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "differs in: epochs (6 there, 7 here). ");
    other = o;
    other.seed++;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "in: seed (");
    other = o;
    other.learning_rate *= 1.0000000001;
    expect_failure(p, &other, 7, RP_ERR_REFUSED,
                   "in: learning_rate (0.001 there, 0.0010000000001 here)");
    other = o;
    other.augmentation.noise = 0;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "augmentation.noise (0.02 there, 0 here)");
    other = o;
    other.treatment.grow = 0.4;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "in: treatment.grow (0.3 there, 0.4 here)");
    other.treatment.share = 0; /* without, the rest of it does not count */
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "treatment.share (only there)");
    other = o;
    other.crop[1]++;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "in: crop (");
    other = o;
    other.dropout = 0.1;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "in: dropout (0 there, 0.1 here)");
    other = o;
    other.loss.dice = 2;
    other.copies++;
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "loss.dice (1 there, 2 here)");
    expect_failure(p, &other, 7, RP_ERR_REFUSED, "in: copies (");
    expect_failure(p, &o, 8, RP_ERR_REFUSED, "in: starting model. ");
    float *voxel = &p->patient.image.data[rp_grid_index(&p->patient.image.grid, 20, 20, 10)];
    const float own = *voxel;
    *voxel += 1;
    expect_failure(p, &o, 7, RP_ERR_REFUSED, "in: image. ");
    *voxel = own;
    p->patient.mask.data[0] = 1;
    expect_failure(p, &o, 7, RP_ERR_REFUSED, "in: contour. ");
    p->patient.mask.data[0] = 0;

    rp_error err = {0};
    rp_adapt_curve curve;
    rp_model model = {0};
    make_model(&model, 7);
    o.memory_bytes = (size_t)1 << 40; /* changes no bit of the result */
    o.checkpoint_seconds = 1e9;
    assert_ok(adapt(p, &model, &o, NULL, &curve, &err), err);
    assert_int_equal(curve.resumed_epochs, 1);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
}

static void test_without_resume_it_starts_anew(void **state)
{
    values_only();
    place *p = *state;
    rp_error err = {0};
    rp_adapt_curve curve;
    rp_model model = {0};
    rp_adapt_options o = short_options();
    o.checkpoint_path = p->checkpoint;
    stop_after_two_steps(p, &o);
    o.epochs = 1;
    make_model(&model, 7);
    assert_ok(adapt(p, &model, &o, NULL, &curve, &err), err);
    assert_int_equal(curve.resumed_epochs, 0);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
}

static void test_damaged_checkpoint(void **state)
{
    values_only();
    place *p = *state;
    rp_error err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    rp_adapt_options o = short_options();
    o.checkpoint_path = p->checkpoint;
    o.resume = true;
    stop_after_two_steps(p, &o);
    assert_ok(rp_file_read(p->checkpoint, &bytes, &size, &err), err);
    const size_t cuts[] = {0, 7, 8, 100, size / 2, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_ok(rp_file_write(p->checkpoint, bytes, cuts[i], &err), err);
        expect_failure(p, &o, 7, RP_ERR_FORMAT, p->checkpoint);
    }
    rp_tensor_file file = {0};
    assert_ok(rp_file_write(p->checkpoint, bytes, size, &err), err);
    const char *const keys[] = {"reprise.step", "reprise.loss", "reprise.dice",
                                "reprise.checkpoint"};
    const char *const values[] = {"13", "0x1p+0 ", "0x1p+0 nan ", "9"};
    for (size_t k = 0; k < 4; k++) {
        assert_ok(rp_file_write(p->checkpoint, bytes, size, &err), err);
        assert_ok(rp_safetensors_read(p->checkpoint, &file, &err), err);
        for (size_t i = 0; i < file.metadata_count; i++)
            if (!strcmp(file.metadata[i].key, keys[k])) {
                rp_free(file.metadata[i].value);
                file.metadata[i].value = rp_strdup(values[k]);
            }
        assert_ok(rp_safetensors_write(p->checkpoint, &file, &err), err);
        rp_tensor_file_release(&file);
        expect_failure(p, &o, 7, RP_ERR_FORMAT, "checkpoint");
    }
    assert_ok(rp_file_write(p->checkpoint, bytes, size, &err), err);
    assert_ok(rp_safetensors_read(p->checkpoint, &file, &err), err);
    ((rp_named_tensor *)rp_tensor_file_find(&file, "adam.second.head.conv.bias"))->data[0] = NAN;
    assert_ok(rp_safetensors_write(p->checkpoint, &file, &err), err);
    rp_tensor_file_release(&file);
    expect_failure(p, &o, 7, RP_ERR_FORMAT, "adam.second.head.conv.bias holds NaN");
    rp_free(bytes);
}

/* ---- kill -9 ----------------------------------------------------------------------------- */

/* The other program: adapts and writes the model, with a checkpoint after every step. */
static int run_as_child(char **arguments)
{
    patient p = {0};
    rp_grid grid = patient_grid();
    rp_error err = {0};
    rp_model model = {0};
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    o.checkpoint_path = arguments[2];
    o.checkpoint_seconds = 0;
    o.resume = true;
    make_patient(&p, &grid);
    make_model(&model, 7);
    rp_status status = rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err);
    if (!status) status = rp_model_write(arguments[3], &model, &err);
    if (status) fprintf(stderr, "%s\n", err.message);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
    release_patient(&p);
    return status ? 1 : 0;
}

static pid_t start_child(place *p)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "test", "child", p->checkpoint, p->model, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

/* Changes with every checkpoint that appears. */
static uint64_t mark_of(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) return 0;
    return (uint64_t)info.st_ino * 1000003u + (uint64_t)info.st_mtim.tv_sec * 1000000000u +
           (uint64_t)info.st_mtim.tv_nsec;
}

/* Lets the child write one checkpoint at least and kills it a random while later, in the middle of
 * whatever it does then. False when it had ended by itself. */
static bool kill_child(place *p, pid_t child, double wait, int *result)
{
    const uint64_t before = mark_of(p->checkpoint);
    double until = INFINITY;
    while (waitpid(child, result, WNOHANG) == 0) {
        if (isinf(until) && mark_of(p->checkpoint) != before) until = rp_seconds() + wait;
        if (rp_seconds() < until) {
            usleep(200);
            continue;
        }
        kill(child, SIGKILL);
        waitpid(child, result, 0);
        return WIFSIGNALED(*result);
    }
    return false;
}

static void test_killed_at_random_moments(void **state)
{
    values_only();
    place *p = *state;
    rp_adapt_options o = short_options();
    uint8_t *expected = NULL, *bytes = NULL;
    size_t size = 0, other = 0;
    rp_adapt_curve whole;
    rp_error err = {0};
    rp_random random;
    int kills = 0, result = -1;
    double step = rp_seconds();
    reference_run(p, &o, &expected, &size, &whole);
    step = (rp_seconds() - step) / 12;
    rp_random_init(&random, (uint64_t)getpid(), 1, 0);
    pid_t child = start_child(p); /* killed before there is anything to resume */
    kill(child, SIGKILL);
    waitpid(child, &result, 0);
    while (kill_child(p, start_child(p), 2 * step * rp_random_uniform(&random), &result)) {
        rp_tensor_file file = {0};
        kills++;
        assert_ok(rp_safetensors_read(p->checkpoint, &file, &err), err); /* whole at any moment */
        rp_tensor_file_release(&file);
        assert_true(kills <= 12);
    }
    assert_int_equal(result, 0);
    print_message("killed %d times with a checkpoint\n", kills);
    assert_true(kills >= 3);
    assert_ok(rp_file_read(p->model, &bytes, &other, &err), err);
    assert_int_equal(other, size);
    assert_memory_equal(bytes, expected, size);
    rp_free(bytes);
    rp_free(expected);
    rp_adapt_curve_release(&whole);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    place *p = *state;
    rp_adapt_options o = short_options(), bad = o;
    const size_t voxels = rp_grid_voxels(&p->patient.mask.grid);
    RP_AUTOFREE uint8_t *kept = rp_alloc(voxels, 1);
    memcpy(kept, p->patient.mask.data, voxels);
    memset(p->patient.mask.data, 0, voxels);
    expect_failure(p, &o, 7, RP_ERR_REFUSED, "contour is empty");
    memset(p->patient.mask.data, 1, voxels);
    expect_failure(p, &o, 7, RP_ERR_REFUSED, "covers everything");
    memcpy(p->patient.mask.data, kept, voxels);
    p->patient.mask.grid.origin[0] = 5000;
    expect_failure(p, &o, 7, RP_ERR_REFUSED, "outside the image");
    p->patient.mask.grid.origin[0] = 0;
    p->patient.image.data[5] = NAN;
    expect_failure(p, &o, 7, RP_ERR_NUMERIC, "not finite");
    p->patient.image.data[5] = -1000;
    bad.epochs = 0;
    expect_failure(p, &bad, 7, RP_ERR_ARGUMENT, "epochs");
    bad = o;
    bad.crop[2] = 0;
    expect_failure(p, &bad, 7, RP_ERR_ARGUMENT, "crop");
    bad = o;
    bad.learning_rate = NAN;
    expect_failure(p, &bad, 7, RP_ERR_ARGUMENT, "learning_rate");
    bad = o;
    bad.tumour_share = 1.5;
    expect_failure(p, &bad, 7, RP_ERR_ARGUMENT, "tumour");
    bad = o;
    bad.dropout = 1;
    expect_failure(p, &bad, 7, RP_ERR_ARGUMENT, "dropout");
    bad = o;
    bad.augmentation.scale = 2;
    expect_failure(p, &bad, 7, RP_ERR_ARGUMENT, "scale");
    bad = o;
    bad.memory_bytes = 100000;
    expect_failure(p, &bad, 7, RP_ERR_BUDGET, "MiB");
    bad = o;
    RP_AUTOFREE char *nowhere = rp_path_join(p->folder, "missing/checkpoint");
    bad.checkpoint_path = nowhere;
    expect_failure(p, &bad, 7, RP_ERR_IO, nowhere);
}

/* A step that is far too long must end in words, not in a model full of NaN. */
static void test_divergence(void **state)
{
    place *p = *state;
    rp_error err = {0};
    rp_model model = {0};
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    make_model(&model, 7);
    const size_t count = rp_fcd_parameter_count(model.net);
    rp_parameter *head = rp_fcd_parameter(model.net, count - 2);
    for (size_t i = 0; i < head->count; i++) head->value[i] = i % 2 ? 3e38f : -3e38f;
    assert_int_equal(adapt(p, &model, &o, NULL, &curve, &err), RP_ERR_NUMERIC);
    if (!strstr(err.message, SHORT ? "diverged at step 1 of 4" : "diverged at step 1 of 12"))
        fail_msg("%s", err.message);
    rp_model_release(&model);
}

/* How often it was warned that a checkpoint could not be written. */
static void count_warnings(rp_log_level level, const char *line, void *context)
{
    int *count = context;
    *count += level == RP_LOG_WARNING && strstr(line, "goes on without a checkpoint");
}

/* A write of a checkpoint fails: the run goes on to the same model, told once, and nothing
 * half-written stays. */
static void test_full_disk(void **state)
{
    release_only();
    place *p = *state;
    rp_error err = {0};
    rp_adapt_options o = short_options();
    RP_AUTOFREE uint8_t *expected = NULL;
    size_t size;
    int failures = 0;
    rp_adapt_curve curve;
    reference_run(p, &o, &expected, &size, &curve);
    rp_adapt_curve_release(&curve);
    o.checkpoint_path = p->checkpoint;
    o.checkpoint_seconds = 0;
    for (long n = 1; n <= 10; n += 3) {
        rp_model model = {0};
        int warnings = 0;
        make_model(&model, 7);
        rp_log_set_sink(count_warnings, &warnings);
        rp_test_fail_write(n);
        assert_ok(adapt(p, &model, &o, NULL, &curve, &err), err);
        rp_test_fail_write(0);
        rp_log_set_sink(NULL, NULL);
        failures += warnings;
        assert_in_range(warnings, 0, 1);
        expect_same_file(p, &model, expected, size);
        assert_true(rp_path_exists(p->checkpoint)); /* the next one was written */
        unlink(p->checkpoint);
        unlink(p->model);
        DIR *folder = opendir(p->folder);
        for (struct dirent *e; (e = readdir(folder));) assert_int_equal(e->d_name[0], '.');
        closedir(folder);
        rp_adapt_curve_release(&curve);
        rp_model_release(&model);
    }
    assert_true(failures > 1);
}

#define WITH_PATIENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "child") == 0) return run_as_child(arguments);
    const struct CMUnitTest tests[] = {
        WITH_PATIENT(test_overfits),
        WITH_PATIENT(test_steps_are_those_of_the_method),
        WITH_PATIENT(test_threads_give_the_same_bits),
        WITH_PATIENT(test_resume),
        WITH_PATIENT(test_other_checkpoint_is_refused),
        WITH_PATIENT(test_without_resume_it_starts_anew),
        WITH_PATIENT(test_damaged_checkpoint),
        WITH_PATIENT(test_killed_at_random_moments),
        WITH_PATIENT(test_refusals),
        WITH_PATIENT(test_divergence),
        WITH_PATIENT(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
