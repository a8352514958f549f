/* The baseline contour as a second input: widening a model, what crops hold of it, adaptation and
 * prediction with it. */
#include "fixture.h"
#include "../../../src/learn/sample.h"

static void test_widened_model_computes_what_it_did(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p = {0};
    rp_model model = {0};
    rp_prediction before, after;
    rp_predict_options how;
    rp_grid grid = patient_grid();
    make_patient(&p, &grid);
    make_model(&model, 7);
    rp_predict_defaults(&how);
    how.prior = &p.mask;
    assert_ok(rp_predict(&model, &p.image, &how, NULL, &before, &err), err);
    const rp_parameter *stem = rp_fcd_parameter(model.net, 0);
    const size_t taps = stem->count / (size_t)stem->shape[0];
    assert_ok(rp_model_add_prior(&model, &err), err);
    assert_int_equal(rp_fcd_config_of(model.net)->in_channels, 2);
    stem = rp_fcd_parameter(model.net, 0);
    assert_string_equal(stem->name, "stem.conv.weight");
    for (size_t i = 0; i < stem->count; i++)
        assert_true((stem->value[i] == 0.0f) == (i / taps % 2 == 1));
    assert_ok(rp_predict(&model, &p.image, &how, NULL, &after, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        assert_close(after.probability.data[i], before.probability.data[i], 1e-5);
    assert_ok(rp_model_add_prior(&model, &err), err);
    assert_int_equal(rp_fcd_config_of(model.net)->in_channels, 2);
    rp_prediction_release(&before);
    rp_prediction_release(&after);
    rp_model_release(&model);
    release_patient(&p);
}

/* The image is perturbed, the prior is not but for its shift: what a follow-up looks like beside
 * the baseline contour. The crops themselves are those of a model without prior. */
static void test_crops(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p = {0};
    rp_sampler s;
    rp_adapt_options o;
    rp_grid grid = patient_grid();
    bool shifted = false;
    make_patient(&p, &grid);
    rp_adapt_defaults(&o);
    o.crop[0] = 24;
    o.crop[1] = 20;
    o.crop[2] = 12;
    assert_ok(rp_sampler_init(&s, &p.image, &p.mask, &o, &err), err);
    const size_t voxels = rp_sampler_voxels(&s);
    RP_AUTOFREE float *one = rp_alloc(voxels, sizeof *one),
                      *two = rp_alloc(2 * voxels, sizeof *two);
    RP_AUTOFREE uint8_t *target = rp_alloc(voxels, 1), *again = rp_alloc(voxels, 1);
    for (uint64_t step = 0; step < 60; step++) {
        rp_warp w;
        s.prior = false;
        rp_sampler_plan(&s, step, &w);
        rp_sampler_apply(&s, &w, one, target);
        s.prior = true;
        rp_sampler_plan(&s, step, &w);
        rp_sampler_apply(&s, &w, two, again);
        assert_memory_equal(one, two, voxels * sizeof *one);
        assert_memory_equal(target, again, voxels);
        for (int a = 0; a < 3; a++) {
            const double moved = (w.prior_low[a] - w.low[a]) * grid.spacing[a];
            assert_true(fabs(moved) <= o.augmentation.shift_mm + 0.5 * grid.spacing[a]);
            shifted |= moved != 0.0;
        }
        size_t i = voxels;
        for (int z = 0; z < s.size[2]; z++)
            for (int y = 0; y < s.size[1]; y++)
                for (int x = 0; x < s.size[0]; x++, i++) {
                    const int at[3] = {w.prior_low[0] + x, w.prior_low[1] + y, w.prior_low[2] + z};
                    bool inside = true;
                    for (int a = 0; a < 3; a++) inside &= at[a] >= 0 && at[a] < grid.size[a];
                    const float expected =
                        inside && p.mask.data[rp_grid_index(&grid, at[0], at[1], at[2])];
                    assert_true(two[i] == expected);
                }
    }
    assert_true(shifted);
    rp_sampler_release(&s);
    release_patient(&p);
}

/* A lattice of like balls, of which the contour holds one: crops that show a few of them do not
 * tell which it is, the contour at its old place does. */
static void make_lattice(patient *p, const rp_grid *grid, double shift_mm)
{
    enum { PITCH = 18 };
    make_patient(p, grid);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                const size_t i = rp_grid_index(grid, x, y, z);
                const double px = x * grid->spacing[0] - shift_mm, py = y * grid->spacing[1];
                const double dx = remainder(px, PITCH), dy = remainder(py, PITCH);
                const double dz = z * grid->spacing[2] - 30.0;
                const bool ball = dx * dx + dy * dy + dz * dz < 49.0;
                p->image.data[i] = ball ? 160.0f : 30.0f;
                p->mask.data[i] = ball && lround(px / PITCH) == 2 && lround(py / PITCH) == 2;
            }
}

static double dice_on_lattice(bool prior_channel, const int tile[3])
{
    rp_error err = {0};
    patient before = {0}, after = {0};
    rp_model model = {0};
    rp_adapt_curve curve;
    rp_prediction found;
    rp_predict_options how;
    rp_adapt_options o;
    rp_grid grid = rp_grid_make(48, 48, 20, 1.5, 1.5, 3.0);
    rp_adapt_defaults(&o);
    o.epochs = SLOW ? 3 : 120;
    o.crop[0] = o.crop[1] = 24;
    o.crop[2] = 16;
    o.learning_rate = 5e-3;
    o.augmentation.scale = 0.05;
    o.prior_channel = prior_channel;
    make_lattice(&before, &grid, 0.0);
    make_lattice(&after, &grid, 3.0);
    make_model(&model, 7);
    assert_ok(rp_adapt(&model, &before.image, &before.mask, &o, NULL, &curve, &err), err);
    rp_predict_defaults(&how);
    how.all_components = true;
    how.prior = &before.mask;
    memcpy(how.tile, tile, sizeof how.tile);
    assert_ok(rp_predict(&model, &after.image, &how, NULL, &found, &err), err);
    assert_int_equal(found.tiles > 1, tile[0] > 0);
    const double result = dice(&found.mask, &after.mask);
    rp_prediction_release(&found);

    how = (rp_predict_options){.threshold = 0.5};
    const rp_status status = rp_predict(&model, &after.image, &how, NULL, &found, &err);
    assert_int_equal(status, prior_channel ? RP_ERR_ARGUMENT : RP_OK);
    if (status) assert_non_null(strstr(err.message, "needs that contour"));
    rp_prediction_release(&found);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
    release_patient(&before);
    release_patient(&after);
    return result;
}

static void test_tells_like_lesions_apart(void **state)
{
    (void)state;
    const double with = dice_on_lattice(true, (int[3]){0, 0, 0});
    const double tiles = dice_on_lattice(true, (int[3]){32, 32, 32});
    const double without = dice_on_lattice(false, (int[3]){0, 0, 0});
    print_message("Dice %.3f, in tiles %.3f, without the prior %.3f\n", with, tiles, without);
    assert_true(SLOW || (with > 0.6 && tiles > 0.6));
    assert_true(SLOW || without < 0.4);
}

static void test_other_widths_are_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_model model = {0};
    rp_fcd_config config = tiny_config();
    rp_preprocessing p;
    rp_preprocessing_defaults(&p);
    config.in_channels = 3;
    assert_ok(rp_model_create(&config, &p, 1, &model, &err), err);
    assert_int_equal(rp_model_add_prior(&model, &err), RP_ERR_UNSUPPORTED);
    rp_model_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widened_model_computes_what_it_did),
        cmocka_unit_test(test_crops),
        cmocka_unit_test(test_tells_like_lesions_apart),
        cmocka_unit_test(test_other_widths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
