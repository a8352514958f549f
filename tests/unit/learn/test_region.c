/* The region: box and fitted grid, adaptation to it, and prediction in it. */
#include "../orders.h"
#include "fixture.h"

#include <math.h>

/* ---- box and grid ------------------------------------------------------------------------ */

static void make_box_mask(rp_mask *mask, const rp_grid *grid, const int low[3], const int high[3])
{
    rp_error err = {0};
    assert_ok(rp_mask_init(mask, grid, &err), err);
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++) mask->data[rp_grid_index(grid, x, y, z)] = 1;
}

/* The box on the working grid holds every voxel of the lesion, whose margins are those asked for
 * where the image has room. */
static void check_holds(const rp_grid *grid, const rp_region *region, const int low[3],
                        const int high[3], const rp_region_options *o)
{
    rp_preprocessing p;
    int first[3];
    rp_preprocessing_defaults(&p);
    memcpy(p.spacing, region->spacing, sizeof p.spacing);
    rp_region_place(&p, grid, region->centre, region->extent, first);
    const rp_grid working = rp_working_grid(&p, grid);
    for (int a = 0; a < 3; a++) {
        /* an untilted grid: edges in mm from the image's first edge */
        const double offset =
            0.5 * (grid->size[a] * grid->spacing[a] - working.size[a] * working.spacing[a]);
        const double from = offset + first[a] * working.spacing[a];
        const double to = from + region->extent[a] * working.spacing[a];
        const double tumour_from = low[a] * grid->spacing[a];
        const double tumour_to = (high[a] + 1) * grid->spacing[a];
        const double end = grid->size[a] * grid->spacing[a], loose = working.spacing[a];
        assert_true(from <= fmax(tumour_from - o->margin_mm, 0.0) + loose);
        assert_true(to >= fmin(tumour_to + o->margin_mm, end) - loose);
        if (working.size[a] >= region->extent[a])
            assert_true(first[a] >= 0 && first[a] + region->extent[a] <= working.size[a]);
        assert_true(from <= tumour_from + 0.5 * loose && to >= tumour_to - 0.5 * loose);
    }
}

static void check_fit(const rp_grid *grid, const int low[3], const int high[3])
{
    rp_error err = {0};
    rp_region_options o;
    rp_region region;
    rp_mask mask;
    rp_region_defaults(&o);
    make_box_mask(&mask, grid, low, high);
    assert_ok(rp_region_fit(grid, &mask, &o, &region, &err), err);
    double voxels = 1.0;
    bool limited = false; /* an axis as coarse as can be: the voxels cannot be kept to */
    for (int a = 0; a < 3; a++) {
        assert_int_equal(region.extent[a] % 16, 0);
        assert_true(region.extent[a] >= 16);
        const double finest = fmax(grid->spacing[a], o.finest_mm);
        assert_true(region.spacing[a] >= finest - 1e-9);
        assert_true(region.spacing[a] <= fmax(o.coarsest_mm[a], finest) + 1e-9);
        assert_close(region.lesion_mm[a], (high[a] - low[a] + 1) * grid->spacing[a], 1e-6);
        voxels *= region.extent[a];
        limited |= region.spacing[a] > 0.8 * o.coarsest_mm[a] || region.extent[a] == 16;
    }
    assert_true(limited || voxels <= 1.06 * 64 * 64 * 40);
    check_holds(grid, &region, low, high, &o);
    rp_mask_release(&mask);
}

static void test_fit(void **state)
{
    (void)state;
    const rp_grid fine = rp_grid_make(300, 300, 200, 0.8, 0.8, 1.25);
    const rp_grid thick = rp_grid_make(256, 256, 40, 0.9, 0.9, 7.0);
    const rp_grid large = rp_grid_make(450, 400, 100, 0.8, 0.8, 3.0);
    const rp_grid small = rp_grid_make(40, 30, 9, 1.0, 1.0, 3.0);
    check_fit(&fine, (int[]){150, 140, 90}, (int[]){158, 150, 96});   /* 8 mm */
    check_fit(&fine, (int[]){100, 100, 60}, (int[]){175, 160, 110});  /* 60 mm */
    check_fit(&fine, (int[]){20, 30, 10}, (int[]){270, 260, 190});    /* 200 mm */
    check_fit(&fine, (int[]){0, 140, 0}, (int[]){20, 170, 20});       /* at the image's edge */
    check_fit(&fine, (int[]){280, 280, 190}, (int[]){299, 299, 199}); /* at the other end */
    check_fit(&thick, (int[]){100, 100, 20}, (int[]){120, 130, 24});  /* slices beyond the limit */
    check_fit(&large, (int[]){60, 50, 20}, (int[]){330, 320, 80});    /* coarser than the limits */
    check_fit(&small, (int[]){10, 10, 3}, (int[]){20, 20, 5});        /* no room for the box */
    check_fit(&small, (int[]){0, 0, 0}, (int[]){39, 29, 8});          /* no room for the lesion */
}

/* An order of axes, and a gantry's or a table's tilt, change neither extent nor spacing nor place.
 */
static void test_fit_in_every_order(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_region_options o;
    rp_region want, found;
    rp_mask mask;
    rp_grid grid = rp_grid_make(61, 47, 33, 1.17, 1.23, 2.9);
    const double c = cos(0.2), s = sin(0.2);
    const double direction[3][3] = {{c, 0, s}, {0, 1, 0}, {-s, 0, c}};
    memcpy(grid.direction, direction, sizeof direction);
    grid.origin[0] = -171.3;
    grid.origin[2] = 1021.9;
    rp_region_defaults(&o);
    o.margin_mm = 12.0;
    make_box_mask(&mask, &grid, (int[]){20, 11, 7}, (int[]){31, 23, 14});
    assert_ok(rp_region_fit(&grid, &mask, &o, &want, &err), err);
    for (int order = 0; order < ORDERS; order++) {
        rp_mask stored = order_mask(&mask, order);
        int low[3], first[3];
        rp_preprocessing p;
        rp_preprocessing_defaults(&p);
        assert_ok(rp_region_fit(&stored.grid, &stored, &o, &found, &err), err);
        assert_memory_equal(found.extent, want.extent, sizeof want.extent);
        assert_memory_equal(found.spacing, want.spacing, sizeof want.spacing);
        for (int a = 0; a < 3; a++) assert_close(found.centre[a], want.centre[a], 1e-4);
        rp_region_place(&p, &grid, want.centre, want.extent, first);
        rp_region_place(&p, &stored.grid, found.centre, found.extent, low);
        assert_memory_equal(low, first, sizeof low);
        rp_mask_release(&stored);
    }
    rp_mask_release(&mask);
}

static void test_empty_mask_is_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_region_options o;
    rp_region region;
    rp_mask mask;
    const rp_grid grid = patient_grid();
    double centre[3];
    rp_region_defaults(&o);
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    assert_int_equal(rp_region_fit(&grid, &mask, &o, &region, &err), RP_ERR_REFUSED);
    assert_false(rp_region_centre(&mask, centre));
    o.margin_mm = NAN;
    assert_int_equal(rp_region_fit(&grid, &mask, &o, &region, &err), RP_ERR_ARGUMENT);
    rp_mask_release(&mask);
}

/* Element of a whole image that a voxel of a box is; false beyond. */
static bool voxel_within(const rp_grid *box, const int low[3], const rp_grid *whole, size_t i,
                         size_t *from)
{
    const size_t row = (size_t)box->size[0], slice = row * (size_t)box->size[1];
    const int at[3] = {low[0] + (int)(i % row), low[1] + (int)(i % slice / row),
                       low[2] + (int)(i / slice)};
    for (int a = 0; a < 3; a++)
        if (at[a] < 0 || at[a] >= whole->size[a]) return false;
    *from = rp_grid_index(whole, at[0], at[1], at[2]);
    return true;
}

/* A box holds what the whole working image holds there, and air beyond. */
static void test_box_is_a_part_of_the_working_image(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_grid grid = rp_grid_make(50, 44, 30, 0.7, 0.8, 2.0);
    grid.direction[0][0] = grid.direction[1][1] = -1.0;
    grid.origin[0] = 55.0;
    make_patient(&p, &grid);
    const rp_preprocessing how = {-150.0, 250.0, {1.3, 1.9, 2.6}};
    /* of the image a part deep inside and beyond, of the mask all that holds the lesion */
    const int low[3] = {-3, 5, 11}, size[3] = {20, 6, 5};
    const int mask_low[3] = {-3, 1, 4}, mask_size[3] = {30, 17, 22};
    rp_image whole, box;
    rp_mask part, lesion;
    assert_ok(rp_preprocess_image(&how, &p.image, &whole, &err), err);
    assert_ok(rp_preprocess_box(&how, &p.image, low, size, &box, &err), err);
    assert_ok(rp_preprocess_box_mask(&how, &p.mask, &grid, mask_low, mask_size, &part, &err), err);
    assert_ok(rp_mask_resample(&p.mask, &whole.grid, &lesion, &err), err);
    size_t from;
    for (size_t i = 0; i < rp_grid_voxels(&box.grid); i++) {
        const bool within = voxel_within(&box.grid, low, &whole.grid, i, &from);
        assert_close(box.data[i], within ? whole.data[from] : 0.0, 1e-5);
    }
    for (size_t i = 0; i < rp_grid_voxels(&part.grid); i++) {
        const bool within = voxel_within(&part.grid, mask_low, &whole.grid, i, &from);
        assert_int_equal(part.data[i], within ? lesion.data[from] : 0);
    }
    assert_int_equal(rp_mask_count(&part), rp_mask_count(&lesion));
    const double first[3] = {low[0], low[1], low[2]};
    double want[3];
    rp_grid_to_world(&whole.grid, first, want);
    for (int a = 0; a < 3; a++) assert_close(box.grid.origin[a], want[a], 1e-9);
    rp_image_release(&whole);
    rp_image_release(&box);
    rp_mask_release(&part);
    rp_mask_release(&lesion);
    release_patient(&p);
}

/* ---- adaptation and prediction ----------------------------------------------------------- */

static rp_adapt_options region_options(int epochs)
{
    rp_adapt_options o;
    rp_adapt_recipe(&o, RP_RECIPE_QUICK);
    o.epochs = epochs;
    o.region.margin_mm = 8.0;
    o.region.jitter_mm = 3.0;
    o.region.voxels[0] = o.region.voxels[1] = 32;
    o.region.voxels[2] = 16;
    o.region.finest_mm = 1.5;
    o.seed = 5;
    return o;
}

static void adapt(rp_model *model, const patient *p, const rp_adapt_options *o)
{
    rp_error err = {0};
    rp_adapt_curve curve;
    make_model(model, 3);
    assert_ok(rp_adapt(model, &p->image, &p->mask, o, NULL, &curve, &err), err);
    rp_adapt_curve_release(&curve);
}

static rp_prediction predicted(const rp_model *model, const patient *p, const double *at)
{
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction found;
    rp_predict_defaults(&o);
    o.prior = &p->mask;
    o.at = at;
    assert_ok(rp_predict(model, &p->image, &o, NULL, &found, &err), err);
    assert_true(rp_grid_same(&found.mask.grid, &p->image.grid, 0));
    assert_true(rp_grid_same(&found.probability.grid, &p->image.grid, 0));
    return found;
}

static bool within(const rp_grid *box, const rp_grid *grid, int x, int y, int z)
{
    const double index[3] = {x, y, z};
    double world[3], at[3];
    bool inside = true;
    rp_grid_to_world(grid, index, world);
    rp_grid_from_world(box, world, at);
    for (int a = 0; a < 3; a++) inside &= at[a] > -0.51 && at[a] < box->size[a] - 0.49;
    return inside;
}

static rp_grid large_grid(void)
{
    rp_grid grid = rp_grid_make(70, 60, 30, 1.5, 1.5, 3.0);
    grid.origin[0] = -40.0;
    grid.origin[1] = 12.0;
    return grid;
}

static void test_adapted_to_a_region(void **state)
{
    (void)state;
    release_only();
    rp_error err = {0};
    patient p;
    rp_model model, again;
    char *folder = make_folder(), *path = rp_path_join(folder, "model.safetensors");
    const rp_grid grid = large_grid();
    make_patient(&p, &grid);
    const rp_adapt_options o = region_options(60);
    adapt(&model, &p, &o);
    assert_int_equal(model.region[0] * model.region[1] * model.region[2], 32 * 32 * 16);
    assert_ok(rp_model_write(path, &model, &err), err);
    assert_ok(rp_model_read(path, &again, &err), err);
    assert_memory_equal(again.region, model.region, sizeof model.region);
    assert_memory_equal(again.preprocessing.spacing, model.preprocessing.spacing,
                        sizeof model.preprocessing.spacing);
    double centre[3];
    assert_true(rp_region_centre(&p.mask, centre));
    rp_prediction found = predicted(&again, &p, centre);
    assert_true(found.boxed);
    assert_int_equal(found.grown, 0);
    assert_false(found.at_face);
    assert_true(dice(&found.mask, &p.mask) > 0.8);
    assert_memory_equal(found.box.size, model.region, sizeof model.region);
    size_t i = 0, seen = 0;
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            for (int x = 0; x < grid.size[0]; x++, i++) {
                const bool inside = within(&found.box, &grid, x, y, z);
                assert_true(inside || found.probability.data[i] <= 0.0f);
                seen += inside;
            }
    assert_true(seen < rp_grid_voxels(&grid) / 2 && seen > 1000);
    rp_prediction_release(&found);
    found = predicted(&again, &p, NULL); /* no place: boxes over the image */
    assert_false(found.boxed);
    assert_true(found.tiles > 4);
    assert_true(dice(&found.mask, &p.mask) > 0.7);
    rp_prediction_release(&found);
    rp_model_release(&model);
    rp_model_release(&again);
    release_patient(&p);
    rp_free(path);
    remove_folder(folder);
}

/* A box that lies beside the lesion and cuts it grows to that side until it holds it. */
static void test_box_grows(void **state)
{
    (void)state;
    release_only();
    patient p;
    rp_model model;
    const rp_grid grid = large_grid();
    make_patient(&p, &grid);
    const rp_adapt_options o = region_options(60);
    adapt(&model, &p, &o);
    double at[3];
    assert_true(rp_region_centre(&p.mask, at));
    at[0] -= 0.5 * model.region[0] * model.preprocessing.spacing[0]; /* its face cuts the lesion */
    rp_prediction found = predicted(&model, &p, at);
    assert_true(found.grown >= 1);
    assert_true(found.box.size[0] > model.region[0]);
    assert_false(found.at_face);
    assert_true(dice(&found.mask, &p.mask) > 0.7);
    rp_prediction_release(&found);
    rp_model_release(&model);
    release_patient(&p);
}

/* The same bits for every order of axes, also where the image is smaller than the box. */
static void test_orders(void **state)
{
    (void)state;
    values_only();
    for (int small = 0; small < 2; small++) {
        patient p;
        rp_model model, again;
        const rp_grid grid = small ? rp_grid_make(33, 20, 9, 1.3, 1.1, 2.75)
                                   : rp_grid_make(61, 59, 27, 1.3, 1.1, 2.75);
        make_patient(&p, &grid);
        const rp_adapt_options o = region_options(2);
        adapt(&model, &p, &o);
        double at[3];
        assert_true(rp_region_centre(&p.mask, at));
        rp_prediction want = predicted(&model, &p, at);
        for (int order = 3; order < ORDERS; order += SLOW ? 31 : 8) {
            patient stored = {order_image(&p.image, order), order_mask(&p.mask, order)};
            adapt(&again, &stored, &o);
            assert_true(same_weights(&again, &model));
            rp_prediction found = predicted(&again, &stored, at);
            const rp_grid *g = &found.mask.grid;
            size_t i = 0;
            for (int z = 0; z < g->size[2]; z++)
                for (int y = 0; y < g->size[1]; y++)
                    for (int x = 0; x < g->size[0]; x++, i++) {
                        const size_t from = order_source(&grid, order, x, y, z);
                        assert_memory_equal(&found.probability.data[i],
                                            &want.probability.data[from], sizeof(float));
                        assert_int_equal(found.mask.data[i], want.mask.data[from]);
                    }
            rp_prediction_release(&found);
            rp_model_release(&again);
            release_patient(&stored);
        }
        rp_prediction_release(&want);
        rp_model_release(&model);
        release_patient(&p);
    }
}

/* ---- checkpoints and the average --------------------------------------------------------- */

/* A run that was stopped and resumed ends with the bits of one that was not, average and all; and
 * another region is another run. */
static void test_resumed(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_adapt_curve curve;
    rp_model model, whole;
    char *folder = make_folder(), *path = rp_path_join(folder, "checkpoint");
    const rp_grid grid = large_grid();
    make_patient(&p, &grid);
    rp_adapt_options o = region_options(4);
    o.average = 0.9;
    adapt(&whole, &p, &o);
    o.checkpoint_path = path;
    adapt(&model, &p, &o); /* leaves the checkpoint of its last step */
    assert_true(same_weights(&model, &whole));
    rp_model_release(&model);
    make_model(&model, 3);
    o.resume = true;
    assert_ok(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), err);
    assert_int_equal(curve.resumed_epochs, 4);
    assert_true(same_weights(&model, &whole));
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
    make_model(&model, 3);
    o.region.jitter_mm = 4.0;
    assert_int_equal(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), RP_ERR_REFUSED);
    assert_non_null(strstr(err.message, "region.jitter_mm"));
    o.region.jitter_mm = 3.0;
    o.average = 0.8;
    assert_int_equal(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), RP_ERR_REFUSED);
    assert_non_null(strstr(err.message, "average"));
    rp_model_release(&model);
    rp_model_release(&whole);
    release_patient(&p);
    rp_free(path);
    remove_folder(folder);
}

/* With a constant rate, runs of 1, 2, 3 steps show the weights that the average is made of. */
static void test_average(void **state)
{
    (void)state;
    enum { STEPS = 3 };
    patient p;
    rp_model step[STEPS], averaged;
    const rp_grid grid = large_grid();
    make_patient(&p, &grid);
    rp_adapt_options o = region_options(1);
    o.power = 0.0;
    for (int i = 0; i < STEPS; i++) {
        o.epochs = i + 1;
        adapt(&step[i], &p, &o);
    }
    o.average = 0.25; /* below (1 + 2) / (10 + 2), so that it is kept as it is at the third step */
    adapt(&averaged, &p, &o);
    for (size_t i = 0; i < rp_fcd_parameter_count(averaged.net); i++) {
        const rp_parameter *a = rp_fcd_parameter(averaged.net, i);
        for (size_t k = 0; k < a->count; k++) {
            double w[STEPS];
            for (int s = 0; s < STEPS; s++) w[s] = rp_fcd_parameter(step[s].net, i)->value[k];
            const double two = 0.25 * w[0] + 0.75 * w[1];
            assert_close(a->value[k], 0.25 * two + 0.75 * w[2], 1e-6 + 1e-5 * fabs(w[2]));
        }
    }
    for (int i = 0; i < STEPS; i++) rp_model_release(&step[i]);
    rp_model_release(&averaged);
    release_patient(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_fit_in_every_order),
        cmocka_unit_test(test_empty_mask_is_refused),
        cmocka_unit_test(test_box_is_a_part_of_the_working_image),
        cmocka_unit_test(test_adapted_to_a_region),
        cmocka_unit_test(test_box_grows),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
