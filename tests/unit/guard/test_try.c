#include "test.h"

#include "reprise/guard.h"

#include <math.h>

/* A bright ball beside a dark one in noisy tissue, and a network so small that it learns that in
 * seconds. */
enum { NX = 40, NY = 36, NZ = 16 };

static void make_visit(rp_image *image, rp_mask *lesion)
{
    const rp_grid grid = rp_grid_make(NX, NY, NZ, 2.0, 2.0, 3.0);
    rp_error err = {0};
    rp_random noise;
    assert_ok(rp_image_init(image, &grid, &err), err);
    assert_ok(rp_mask_init(lesion, &grid, &err), err);
    rp_random_init(&noise, 3, 1, 0);
    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NY; y++)
            for (int x = 0; x < NX; x++) {
                const double dx = 2.0 * (x - 17), dy = 2.0 * (y - 18), dz = 3.0 * (z - 8);
                const bool inside = dx * dx + dy * dy + dz * dz < 14.0 * 14.0;
                const size_t at = rp_grid_index(&grid, x, y, z);
                image->data[at] = (float)((inside ? 140.0 : 20.0) + 8.0 * rp_random_normal(&noise));
                lesion->data[at] = inside;
            }
}

static void make_model(const rp_image *image, const rp_mask *lesion, int epochs, rp_model *model)
{
    rp_error err = {0};
    rp_fcd_config network;
    rp_preprocessing preprocessing;
    rp_adapt_options how;
    rp_adapt_curve curve = {0};
    rp_fcd_config_defaults(&network);
    network.first_filters = 8;
    network.growth = 4;
    network.levels = 2;
    network.down_layers[0] = network.down_layers[1] = network.bottleneck_layers = 1;
    rp_preprocessing_defaults(&preprocessing);
    preprocessing.spacing[0] = preprocessing.spacing[1] = 2.0;
    assert_ok(rp_model_create(&network, &preprocessing, 1, model, &err), err);
    rp_adapt_defaults(&how);
    how.epochs = epochs;
    how.copies = 2;
    how.crop[0] = how.crop[1] = 24;
    how.crop[2] = 8;
    how.learning_rate = 0.01;
    assert_ok(rp_adapt(model, image, lesion, &how, NULL, &curve, &err), err);
    rp_adapt_curve_release(&curve);
}

static rp_guard_options small_options(void)
{
    rp_guard_options o;
    rp_guard_defaults(&o);
    o.trials = 4;
    o.vanished = 1;
    for (int a = 0; a < 3; a++) o.extent_mm[a] = 48.0;
    o.rim_mm = 6.0;
    o.seed = 5;
    return o;
}

/* Of a ball of one brightness the way is plain: a registration follows it where a rigid placement
 * can't, whatever the model is. */
static void check_sources(const rp_guard_trials *good, const rp_guard_trials *bad)
{
    rp_guard_trials registered, carried, own;
    rp_guard_summary r, c;
    assert_true(good->compared && bad->compared);
    for (int k = 0; k < good->count; k++) {
        const rp_guard_trial *a = &good->item[k], *b = &bad->item[k];
        assert_memory_equal(&a->registered, &b->registered, sizeof a->registered);
        assert_memory_equal(&a->carried, &b->carried, sizeof a->carried);
    }
    rp_guard_trials_of(good, RP_GUARD_REGISTERED, &registered);
    rp_guard_trials_of(good, RP_GUARD_CARRIED, &carried);
    rp_guard_trials_of(good, RP_GUARD_MODEL, &own);
    assert_memory_equal(&own, good, sizeof own);
    rp_guard_summarise(&registered, &r);
    rp_guard_summarise(&carried, &c);
    print_message("registered %.3f, carried %.3f\n", r.mean_dice, c.mean_dice);
    assert_true(r.mean_dice > c.mean_dice + 0.05 && r.error_mm < c.error_mm);
    for (int k = 0; k < 4; k++) /* the ball of the baseline, off by the placement alone */
        assert_true(fabs(carried.item[k].found_mm - 28.0) < 3.0);
    assert_int_equal(r.false_finds, 1);
    assert_int_equal(rp_guard_choose(bad), RP_GUARD_REGISTERED);
}

static void trials_tell_models_apart(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_image image = {0};
    rp_mask lesion = {0};
    rp_model model, raw;
    rp_guard_trials trials, again, worse;
    rp_guard_summary good, bad;
    rp_guard_options o = small_options();
    make_visit(&image, &lesion);
    make_model(&image, &lesion, SLOW ? 24 : 40, &model);
    make_model(&image, &lesion, 1, &raw);
    assert_ok(rp_guard_try(&model, &image, &lesion, &o, NULL, &trials, &err), err);
    rp_threads_set(1);
    assert_ok(rp_guard_try(&model, &image, &lesion, &o, NULL, &again, &err), err);
    rp_threads_set(0);
    assert_ok(rp_guard_try(&raw, &image, &lesion, &o, NULL, &worse, &err), err);
    assert_int_equal(trials.count, 5);
    assert_memory_equal(&trials, &again, sizeof trials);
    rp_guard_summarise(&trials, &good);
    rp_guard_summarise(&worse, &bad);
    print_message("mean Dice %.3f, after one epoch %.3f\n", good.mean_dice, bad.mean_dice);
    assert_int_equal(good.present, 4);
    assert_int_equal(good.vanished, 1);
    assert_true(trials.item[4].gone && trials.item[4].true_mm == 0);
    assert_true(trials.item[0].true_mm < 0.6 * trials.item[3].true_mm);
    assert_true(good.mean_dice > 0.6 && good.mean_dice > bad.mean_dice + 0.2);
    check_sources(&trials, &worse);
    o.earlier = &worse;
    assert_ok(rp_guard_try(&model, &image, &lesion, &o, NULL, &again, &err), err);
    assert_memory_equal(&trials, &again, sizeof trials);
    o.seed++;
    o.compare = false;
    assert_ok(rp_guard_try(&model, &image, &lesion, &o, NULL, &again, &err), err);
    assert_memory_not_equal(&trials.item[0].dice, &again.item[0].dice, sizeof(double));
    assert_false(again.compared);
    rp_model_release(&model);
    rp_model_release(&raw);
    rp_image_release(&image);
    rp_mask_release(&lesion);
}

static bool at_once(void *context)
{
    (void)context;
    return true;
}

static void refuses(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_image image = {0};
    rp_mask lesion = {0};
    rp_model model = {0};
    rp_guard_trials trials;
    rp_guard_options o = small_options();
    const rp_progress stop = {.cancelled = at_once};
    make_visit(&image, &lesion);
    assert_int_equal(rp_guard_try(&model, &image, &lesion, &o, &stop, &trials, &err),
                     RP_ERR_CANCELLED);
    o.trials = RP_GUARD_MOST_TRIALS;
    assert_int_equal(rp_guard_try(&model, &image, &lesion, &o, NULL, &trials, &err),
                     RP_ERR_ARGUMENT);
    o = small_options();
    memset(lesion.data, 0, rp_grid_voxels(&lesion.grid));
    assert_int_equal(rp_guard_try(&model, &image, &lesion, &o, NULL, &trials, &err),
                     RP_ERR_ARGUMENT);
    lesion.grid.origin[0] += 1.0;
    assert_int_equal(rp_guard_try(&model, &image, &lesion, &o, NULL, &trials, &err),
                     RP_ERR_ARGUMENT);
    rp_image_release(&image);
    rp_mask_release(&lesion);
}

/* ---- judgement and record ------------------------------------------------------------------- */

static rp_guard_trials made(double dice, double off_mm)
{
    rp_guard_trials t = {.seed = UINT64_MAX, .kind = "remodel"};
    for (int k = 0; k < 8; k++)
        t.item[t.count++] = (rp_guard_trial){.true_mm = 50 + k,
                                             .true_cc = 30,
                                             .found_mm = 50 + k + (k % 2 ? off_mm : -off_mm),
                                             .found_cc = 30,
                                             .dice = dice,
                                             .parts = 1,
                                             .change_percent = -10 * k};
    return t;
}

static rp_doubts judge(const rp_guard_trials *trials, double found_mm, double train_dice)
{
    const double curve[5] = {0.1, 0.2, 0.9, 0.9, train_dice};
    const rp_guard_question q = {.trials = trials,
                                 .found_mm = found_mm,
                                 .found_cc = 30,
                                 .voxel_mm = 1.0,
                                 .response = {.baseline_mm = 60.0}};
    rp_guard_answer answer;
    rp_guard_limits limits;
    rp_doubts doubts = {.found = {false}};
    rp_error err = {0};
    rp_guard_limits_defaults(&limits);
    limits.spread = 0.1; /* eight trials alone can't reach the default */
    assert_ok(rp_guard_interval(&q, &answer, &err), err);
    rp_guard_judge(trials, &answer, curve, 5, &limits, &doubts);
    return doubts;
}

static void judges(void **state)
{
    (void)state;
    rp_guard_trials good = made(0.9, 1.0), poor = made(0.4, 1.0), wide = made(0.8, 15.0);
    rp_doubts d = judge(&good, 55.0, 0.9);
    for (int i = 0; i < RP_DOUBTS; i++) assert_false(d.found[i]);
    d = judge(&good, 42.0, 0.9); /* 70 % of the baseline's 60 mm */
    assert_true(d.found[RP_DOUBT_UNDECIDED] && !d.found[RP_DOUBT_GUARD]);
    assert_non_null(strstr(d.clause[RP_DOUBT_UNDECIDED], "0.75"));
    /* Whatever it found, the truth was a third less: SD by its figures is no SD. */
    rp_guard_trials blind = made(0.8, 0.0);
    for (int k = 0; k < 8; k++) blind.item[k].true_mm = 0.7 * blind.item[k].found_mm;
    assert_true(judge(&blind, 52.0, 0.9).found[RP_DOUBT_UNDECIDED]);
    d = judge(&poor, 55.0, 0.9);
    assert_true(d.found[RP_DOUBT_GUARD]);
    assert_non_null(strstr(d.clause[RP_DOUBT_GUARD], "patient model"));
    poor.source = RP_GUARD_REGISTERED;
    d = judge(&poor, 55.0, 0.9);
    assert_non_null(strstr(d.clause[RP_DOUBT_GUARD], "registered contour"));
    assert_true(judge(&wide, 55.0, 0.9).found[RP_DOUBT_SETTLED]);
    assert_true(judge(&good, 55.0, 0.3).found[RP_DOUBT_SETTLED]);
    /* It can draw the half of them, and takes another thing for a large one. */
    rp_guard_trials apart = made(0.9, 1.0);
    for (int k = 5; k < 8; k++) {
        apart.item[k].found_mm = 90.0;
        apart.item[k].dice = 0.4;
    }
    assert_false(judge(&apart, 52.0, 0.9).found[RP_DOUBT_GUARD]);
    assert_true(judge(&apart, 88.0, 0.9).found[RP_DOUBT_GUARD]);
    apart.item[0] = (rp_guard_trial){.gone = true, .found_mm = 30.0, .found_cc = 14.0};
    apart.item[1] = apart.item[0];
    assert_true(judge(&apart, 30.0, 0.9).found[RP_DOUBT_GUARD]);
    for (int k = 0; k < 3; k++) good.item[k].dice = 0.0; /* a quarter of them fail */
    assert_true(judge(&good, 55.0, 0.9).found[RP_DOUBT_GUARD]);
}

static void chooses(void **state)
{
    (void)state;
    rp_guard_trials t = made(0.7, 1.0);
    assert_int_equal(rp_guard_choose(&t), RP_GUARD_MODEL);
    t.compared = true;
    for (int k = 0; k < 8; k++) t.item[k].registered.dice = k % 2 ? 0.9 : 0.55;
    assert_int_equal(rp_guard_choose(&t), RP_GUARD_MODEL); /* ahead by 0.025 */
    t.item[0].registered.dice = 0.65;
    assert_int_equal(rp_guard_choose(&t), RP_GUARD_REGISTERED);
    t.item[1].gone = true; /* what it "finds" there speaks for nobody */
    assert_int_equal(rp_guard_choose(&t), RP_GUARD_MODEL);
}

static void keeps(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_guard_trials t = made(0.9, 1.0), back;
    t.item[3].gone = true;
    t.item[3].true_mm = t.item[3].true_cc = 0.0;
    rp_json *json = rp_guard_trials_json(&t);
    assert_ok(rp_guard_trials_read(json, &back, &err), err);
    assert_memory_equal(&t, &back, sizeof t);
    rp_json_destroy(json);
    t.compared = true;
    t.item[1].registered = (rp_guard_finding){51.0, 30.0, 0.8};
    t.item[1].carried = (rp_guard_finding){49.0, 29.0, 0.7};
    json = rp_guard_trials_json(&t);
    assert_ok(rp_guard_trials_read(json, &back, &err), err);
    assert_memory_equal(&t, &back, sizeof t);
    rp_json_destroy(json);
    t.item[1].carried.dice = -0.1;
    json = rp_guard_trials_json(&t);
    assert_int_equal(rp_guard_trials_read(json, &back, &err), RP_ERR_FORMAT);
    rp_json_destroy(json);
    t.item[1].carried.dice = 0.7;
    t.item[2].dice = 1.5;
    json = rp_guard_trials_json(&t);
    assert_int_equal(rp_guard_trials_read(json, &back, &err), RP_ERR_FORMAT);
    rp_json_destroy(json);
    json = rp_json_object();
    assert_int_equal(rp_guard_trials_read(json, &back, &err), RP_ERR_FORMAT);
    rp_json_destroy(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trials_tell_models_apart),
                                       cmocka_unit_test(refuses), cmocka_unit_test(judges),
                                       cmocka_unit_test(chooses), cmocka_unit_test(keeps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
