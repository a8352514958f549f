/* Prediction: grids, threshold, components, tiles against one pass, and the budget. */
#include "fixture.h"

/* The thread sanitizer sees a small volume, hardly trained on. */
#ifdef RP_TEST_SHORT
enum { SIZE_X = 36, SIZE_Y = 34, SIZE_Z = 18, EPOCHS = 2, TILES = 2 * 2 * 1 };
#else
enum { SIZE_X = 72, SIZE_Y = 60, SIZE_Z = 34, EPOCHS = 40, TILES = 4 * 3 * 2 };
#endif

typedef struct fixture {
    patient patient;
    rp_model model;
} fixture;

/* A network that has seen the ball for a moment: its probabilities are neither 0 nor 1. */
static int set_up(void **state)
{
    static fixture f;
    rp_error err = {0};
    rp_adapt_options o;
    rp_adapt_curve curve;
    rp_grid grid = rp_grid_make(SIZE_X, SIZE_Y, SIZE_Z, 1.5, 1.5, 3.0);
    make_patient(&f.patient, &grid);
    make_model(&f.model, 3);
    rp_adapt_defaults(&o);
    o.epochs = EPOCHS;
    o.crop[0] = o.crop[1] = 32;
    o.crop[2] = 16;
    o.learning_rate = 5e-3;
    o.dropout = -1; /* the model's own, which smooths what it predicts */
    assert_ok(rp_adapt(&f.model, &f.patient.image, &f.patient.mask, &o, NULL, &curve, &err), err);
    rp_adapt_curve_release(&curve);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    release_patient(&f->patient);
    rp_model_release(&f->model);
    return 0;
}

static void predict(fixture *f, const rp_image *image, const rp_predict_options *o,
                    rp_prediction *out)
{
    rp_error err = {0};
    assert_ok(rp_predict(&f->model, image, o, NULL, out, &err), err);
    assert_true(rp_grid_same(&out->mask.grid, &image->grid, 1e-9));
    assert_true(rp_grid_same(&out->probability.grid, &image->grid, 1e-9));
    for (size_t i = 0; i < rp_grid_voxels(&image->grid); i++)
        assert_true(out->probability.data[i] >= 0 && out->probability.data[i] <= 1);
}

/* On its own grid a prediction is the network's output, without a detour. */
static void test_whole_volume_is_the_networks_output(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction out;
    rp_session *session = NULL;
    rp_image working = {0};
    size_t bytes;
    rp_predict_defaults(&o);
    o.all_components = true;
    predict(f, &f->patient.image, &o, &out);
    assert_int_equal(out.tiles, 1);
    const rp_image *image = &f->patient.image;
    const size_t voxels = rp_grid_voxels(&image->grid);
    RP_AUTOFREE float *expected = rp_alloc(voxels, sizeof *expected);
    assert_ok(rp_preprocess_image(&f->model.preprocessing, image, &working, &err), err);
    assert_ok(rp_session_create(f->model.net, image->grid.size, RP_RUN_PREDICT, 0, &session, &err),
              err);
    assert_ok(rp_session_forward(session, working.data, 0, 0, 0, &err), err);
    rp_session_probability(session, 1, expected);
    rp_session_destroy(session);
    rp_image_release(&working);
    size_t inside = 0, between = 0;
    for (size_t i = 0; i < voxels; i++) {
        assert_close(out.probability.data[i], expected[i], 1e-6);
        assert_int_equal(out.mask.data[i], (double)out.probability.data[i] >= 0.5);
        inside += out.mask.data[i];
        between += expected[i] > 0.1f && expected[i] < 0.9f;
    }
    assert_true(SHORT || (inside > 100 && between > 100));
    assert_ok(rp_session_bytes(rp_fcd_config_of(f->model.net), image->grid.size, RP_RUN_PREDICT,
                               &bytes, &err),
              err);
    assert_int_equal(out.memory_bytes, bytes);
    rp_prediction_release(&out);
    rp_prediction_release(&out);
}

typedef struct difference {
    double largest, mean;
} difference;

static difference compare(const rp_prediction *a, const rp_prediction *b)
{
    difference d = {0};
    const size_t voxels = rp_grid_voxels(&a->mask.grid);
    for (size_t i = 0; i < voxels; i++) {
        double here = fabs((double)a->probability.data[i] - (double)b->probability.data[i]);
        d.largest = fmax(d.largest, here);
        d.mean += here / (double)voxels;
    }
    return d;
}

static void test_tiles_agree_with_one_pass(void **state)
{
    fixture *f = *state;
    rp_predict_options o;
    rp_prediction whole, tiled;
    rp_predict_defaults(&o);
    predict(f, &f->patient.image, &o, &whole);
    const int tiles[][3] = {{32, 32, 32}, {48, 64, 48}, {33, 100, 1}, {64, 32, 48}};
    /* x 72, y 60, z 34 -> 36 padded; steps 16 for 32, 32 for 48 and 64 -> 48 */
    const int counts[] = {TILES, 2 * 1 * 1, 2 * 1 * 2, 2 * 3 * 1};
    for (int i = 0; i < (SHORT ? 1 : 4); i++) {
        memcpy(o.tile, tiles[i], sizeof o.tile);
        predict(f, &f->patient.image, &o, &tiled);
        assert_int_equal(tiled.tiles, counts[i]);
        difference d = compare(&whole, &tiled);
        print_message("%d tiles: difference at most %.3f, on average %.1e; Dice %.5f\n",
                      tiled.tiles, d.largest, d.mean, dice(&whole.mask, &tiled.mask));
        assert_true(SHORT || d.mean < 1e-3);
        assert_true(SHORT || d.largest < 0.3);
        assert_true(SHORT || dice(&whole.mask, &tiled.mask) > 0.995);
        rp_prediction_release(&tiled);
    }
    rp_prediction_release(&whole);
}

/* Where the network sees one voxel only (every convolution reduced to its centre), tiles must give
 * one pass's values everywhere, seams and corners included. */
static void test_blending_alone_changes_nothing(void **state)
{
    fixture *f = *state;
    rp_model model = {0};
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction whole, tiled;
    make_model(&model, 5);
    for (size_t i = 0; i < rp_fcd_parameter_count(model.net); i++) {
        rp_parameter *p = rp_fcd_parameter(model.net, i);
        bool up = strstr(p->name, "transition") != NULL;
        for (size_t v = 0; p->rank == 5 && p->shape[4] == 3 && v < p->count; v++)
            if (up || v % 27 != 13) p->value[v] = 0;
    }
    rp_predict_defaults(&o);
    assert_ok(rp_predict(&model, &f->patient.image, &o, NULL, &whole, &err), err);
    o.tile[0] = o.tile[1] = o.tile[2] = 32;
    assert_ok(rp_predict(&model, &f->patient.image, &o, NULL, &tiled, &err), err);
    assert_int_equal(tiled.tiles, TILES);
    assert_true(compare(&whole, &tiled).largest < 1e-6);
    float low = 1, high = 0;
    for (size_t i = 0; i < rp_grid_voxels(&whole.mask.grid); i++) {
        low = fminf(low, whole.probability.data[i]);
        high = fmaxf(high, whole.probability.data[i]);
    }
    assert_true(high - low > 0.01f);
    rp_prediction_release(&whole);
    rp_prediction_release(&tiled);
    rp_model_release(&model);
}

static void test_budget(void **state)
{
    values_only();
    fixture *f = *state;
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction whole, out;
    const rp_fcd_config *config = rp_fcd_config_of(f->model.net);
    size_t smallest;
    rp_predict_defaults(&o);
    predict(f, &f->patient.image, &o, &whole);
    o.memory_bytes = whole.memory_bytes;
    predict(f, &f->patient.image, &o, &out);
    assert_int_equal(out.tiles, 1);
    rp_prediction_release(&out);
    assert_ok(rp_session_bytes(config, (const int[3]){32, 32, 32}, RP_RUN_PREDICT, &smallest, &err),
              err);
    int last = 1;
    for (int i = 9; i >= 0; i -= SLOW ? 3 : 1) {
        o.memory_bytes = smallest + (size_t)((double)(whole.memory_bytes - 1 - smallest) * i / 9);
        predict(f, &f->patient.image, &o, &out);
        assert_true(out.tiles > 1 && out.memory_bytes <= o.memory_bytes);
        assert_true(dice(&whole.mask, &out.mask) > 0.99);
        if (i == 9) assert_int_equal(out.tiles, 2);
        if (i == 0) assert_int_equal(out.tiles, TILES);
        last = out.tiles;
        rp_prediction_release(&out);
    }
    assert_int_equal(last, TILES);
    o.memory_bytes = smallest - 1;
    assert_int_equal(rp_predict(&f->model, &f->patient.image, &o, NULL, &out, &err), RP_ERR_BUDGET);
    assert_non_null(strstr(err.message, "32 x 32 x 32"));
    assert_non_null(strstr(err.message, "MiB"));
    assert_null(out.mask.data);
    o.tile[0] = o.tile[1] = o.tile[2] = 64;
    assert_int_equal(rp_predict(&f->model, &f->patient.image, &o, NULL, &out, &err), RP_ERR_BUDGET);
    rp_prediction_release(&whole);
}

/* The same patient scanned on another grid, turned: the result follows the image's own grid. */
static void test_other_grids(void **state)
{
    values_only();
    fixture *f = *state;
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction own, out;
    const rp_grid *from = &f->patient.image.grid;
    rp_predict_defaults(&o);
    predict(f, &f->patient.image, &o, &own);
    rp_grid fine = rp_grid_respaced(from, (const double[3]){0.9, 0.8, 2.0});
    rp_grid thick = rp_grid_respaced(from, (const double[3]){1.2, 1.2, 5.0});
    rp_grid grids[] = {fine, thick};
    for (int i = 0; i < 2; i++) {
        rp_image image = {0};
        rp_mask back = {0};
        assert_ok(rp_image_resample(&f->patient.image, &grids[i], -1000, &image, &err), err);
        predict(f, &image, &o, &out);
        assert_ok(rp_mask_resample(&out.mask, from, &back, &err), err);
        print_message("grid %d: Dice with the own grid's result %.4f\n", i, dice(&back, &own.mask));
        assert_true(dice(&back, &own.mask) > (i ? 0.85 : 0.93));
        rp_mask_release(&back);
        rp_image_release(&image);
        rp_prediction_release(&out);
    }
    rp_prediction_release(&own);
}

/* A bright second ball far away: one component by default, both on request. */
static void test_components(void **state)
{
    values_only();
    fixture *f = *state;
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction one, all, none;
    rp_image image = {0};
    const rp_grid *g = &f->patient.image.grid;
    assert_ok(rp_image_copy(&f->patient.image, &image, &err), err);
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                double dx = (x - 14) * 1.5, dy = (y - 30) * 1.5, dz = (z - 16) * 3.0;
                if (dx * dx + dy * dy + dz * dz < 81) image.data[rp_grid_index(g, x, y, z)] = 160;
            }
    rp_predict_defaults(&o);
    predict(f, &image, &o, &one);
    o.all_components = true;
    predict(f, &image, &o, &all);
    assert_true(one.components >= 2);
    assert_int_equal(one.components, all.components);
    assert_true(rp_mask_count(&one.mask) < rp_mask_count(&all.mask));
    int32_t left = 0;
    assert_ok(rp_mask_keep_largest(&one.mask, 26, &left, &err), err);
    assert_int_equal(left, 1);
    assert_true(one.mask.data[rp_grid_index(g, 38, 28, 16)]);
    assert_false(one.mask.data[rp_grid_index(g, 14, 30, 16)]);
    assert_true(all.mask.data[rp_grid_index(g, 14, 30, 16)]);

    /* a prior round the smaller ball chooses it; one outside the image decides nothing */
    rp_prediction near, far;
    rp_mask prior = {0};
    rp_grid elsewhere = *g;
    assert_ok(rp_mask_init(&prior, g, &err), err);
    prior.data[rp_grid_index(g, 16, 30, 15)] = 1;
    o.all_components = false;
    o.prior = &prior;
    predict(f, &image, &o, &near);
    assert_true(near.chosen_by_prior);
    assert_true(near.chosen_rank > 1);
    assert_true(near.mask.data[rp_grid_index(g, 14, 30, 16)]);
    assert_false(near.mask.data[rp_grid_index(g, 38, 28, 16)]);
    elsewhere.origin[0] += 5000;
    prior.grid = elsewhere;
    predict(f, &image, &o, &far);
    assert_false(far.chosen_by_prior);
    assert_int_equal(far.chosen_rank, 1);
    assert_memory_equal(far.mask.data, one.mask.data, rp_grid_voxels(g));
    rp_prediction_release(&near);
    rp_prediction_release(&far);
    rp_mask_release(&prior);
    o.prior = NULL;

    rp_model blind = {0};
    make_model(&blind, 1);
    const size_t count = rp_fcd_parameter_count(blind.net);
    rp_parameter *head = rp_fcd_parameter(blind.net, count - 2);
    memset(head->value, 0, head->count * sizeof(float)); /* 1/2 everywhere */
    o.threshold = 0.51;
    assert_ok(rp_predict(&blind, &image, &o, NULL, &none, &err), err);
    assert_int_equal(rp_mask_count(&none.mask), 0);
    assert_int_equal(none.components, 0);
    rp_model_release(&blind);
    rp_prediction_release(&none);
    rp_prediction_release(&one);
    rp_prediction_release(&all);
    rp_image_release(&image);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_refusals(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction out;
    const rp_progress stop = {NULL, always, NULL};
    const rp_image *image = &f->patient.image;
    rp_predict_defaults(&o);
    assert_int_equal(rp_predict(&f->model, image, &o, &stop, &out, &err), RP_ERR_CANCELLED);
    o.tile[0] = 32;
    assert_int_equal(rp_predict(&f->model, image, &o, NULL, &out, &err), RP_ERR_ARGUMENT);
    o.tile[1] = o.tile[2] = 32;
    assert_int_equal(rp_predict(&f->model, image, &o, &stop, &out, &err), RP_ERR_CANCELLED);
    assert_null(out.probability.data);
    rp_predict_defaults(&o);
    o.threshold = 0;
    assert_int_equal(rp_predict(&f->model, image, &o, NULL, &out, &err), RP_ERR_ARGUMENT);
    o.threshold = NAN;
    assert_int_equal(rp_predict(&f->model, image, &o, NULL, &out, &err), RP_ERR_ARGUMENT);
    rp_predict_defaults(&o);
    o.tile[0] = o.tile[1] = o.tile[2] = 32;
    for (long n = 1;; n++) { /* every allocation in turn */
        rp_test_fail_allocation(n);
        rp_status status = rp_predict(&f->model, image, &o, &stop, &out, &err);
        rp_test_fail_allocation(0);
        assert_null(out.mask.data);
        if (status == RP_ERR_CANCELLED) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_true(n < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_volume_is_the_networks_output),
        cmocka_unit_test(test_tiles_agree_with_one_pass),
        cmocka_unit_test(test_blending_alone_changes_nothing),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_other_grids),
        cmocka_unit_test(test_components),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
