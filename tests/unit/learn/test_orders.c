/* The network sees one patient, however the file stores the axes: the same bits for each order. */
#include "../orders.h"
#include "fixture.h"

/* Nothing here is a round number, and no axis like another; along x voxels of the working grid lie
 * on voxels of this one, where the last bit of a position decides between two neighbours. */
static rp_grid awkward_grid(void)
{
    rp_grid grid = rp_grid_make(129, 39, 21, 0.5, 1.3671875 * 1.07, 2.75);
    const double c = cos(0.1), s = sin(0.1), origin[3] = {-171.3, 33.77, -1021.9};
    const double direction[3][3] = {{c, -s, 0}, {s, c, 0}, {0, 0, 1}};
    memcpy(grid.direction, direction, sizeof direction);
    memcpy(grid.origin, origin, sizeof origin);
    return grid;
}

static rp_adapt_options short_options(void)
{
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.epochs = 2;
    o.crop[0] = o.crop[1] = 16;
    o.crop[2] = 8;
    o.seed = 7;
    return o;
}

static rp_model fresh_model(void)
{
    rp_error err = {0};
    rp_model model;
    rp_preprocessing p;
    const rp_fcd_config config = tiny_config();
    rp_preprocessing_defaults(&p);
    assert_ok(rp_model_create(&config, &p, 3, &model, &err), err);
    return model;
}

static void test_working_grid(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    const rp_grid grid = awkward_grid();
    make_patient(&p, &grid);
    rp_preprocessing how;
    rp_preprocessing_defaults(&how);
    rp_image want, out;
    assert_ok(rp_preprocess_image(&how, &p.image, &want, &err), err);
    const size_t bytes = rp_grid_voxels(&want.grid) * sizeof *want.data;
    for (int order = 0; order < ORDERS; order++) {
        rp_image stored = order_image(&p.image, order);
        const rp_grid working = rp_working_grid(&how, &stored.grid);
        assert_ok(rp_preprocess_image(&how, &stored, &out, &err), err);
        assert_memory_equal(out.grid.size, want.grid.size, sizeof want.grid.size);
        assert_memory_equal(working.size, want.grid.size, sizeof want.grid.size);
        assert_true(rp_grid_same(&out.grid, &want.grid, 1e-3));
        assert_memory_equal(out.data, want.data, bytes);
        rp_image_release(&out);
        rp_image_release(&stored);
    }
    rp_image_release(&want);
    release_patient(&p);
}

/* The weights of a model adapted to the patient, and what its provenance says of the inputs. */
static void adapted(const patient *p, bool prior_channel, const char *path,
                    char hash[RP_SHA256_HEX], rp_model *model)
{
    rp_error err = {0};
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    const rp_adapt_watch watch = {&p->image, &p->mask, 1};
    o.prior_channel = prior_channel;
    o.watch = &watch;
    *model = fresh_model();
    assert_ok(rp_adapt(model, &p->image, &p->mask, &o, NULL, &curve, &err), err);
    assert_int_equal(curve.watches, 2);
    rp_adapt_curve_release(&curve);
    assert_ok(rp_model_write(path, model, &err), err);
    assert_ok(rp_sha256_file(path, hash, &err), err);
}

static rp_prediction predicted(const rp_model *model, const patient *p)
{
    rp_error err = {0};
    rp_predict_options o;
    rp_prediction found;
    rp_predict_defaults(&o);
    o.prior = &p->mask;
    o.threshold = 0.35; /* several components, of which the prior chooses one */
    assert_ok(rp_predict(model, &p->image, &o, NULL, &found, &err), err);
    assert_true(rp_grid_same(&found.mask.grid, &p->image.grid, 0));
    assert_true(rp_grid_same(&found.probability.grid, &p->image.grid, 0));
    return found;
}

static void check_prediction(const rp_prediction *want, const rp_prediction *found,
                             const rp_grid *grid, int order)
{
    const rp_grid *g = &found->mask.grid;
    size_t i = 0;
    assert_int_equal(found->components, want->components);
    assert_int_equal(found->chosen_rank, want->chosen_rank);
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++, i++) {
                const size_t from = order_source(grid, order, x, y, z);
                assert_memory_equal(&found->probability.data[i], &want->probability.data[from],
                                    sizeof(float));
                assert_int_equal(found->mask.data[i], want->mask.data[from]);
            }
}

static void check_orders(bool prior_channel)
{
    patient p, stored;
    rp_model model, again;
    char hash[RP_SHA256_HEX], other[RP_SHA256_HEX];
    char *folder = make_folder(), *path = rp_path_join(folder, "model.safetensors");
    const rp_grid grid = awkward_grid();
    make_patient(&p, &grid);
    adapted(&p, prior_channel, path, hash, &model);
    rp_prediction want = predicted(&model, &p);
    for (int order = 3; order < ORDERS; order += SLOW ? 31 : 6) {
        stored = (patient){order_image(&p.image, order), order_mask(&p.mask, order)};
        adapted(&stored, prior_channel, path, other, &again);
        assert_string_equal(other, hash);
        rp_prediction found = predicted(&again, &stored);
        check_prediction(&want, &found, &grid, order);
        rp_prediction_release(&found);
        rp_model_release(&again);
        release_patient(&stored);
    }
    rp_prediction_release(&want);
    rp_model_release(&model);
    release_patient(&p);
    rp_free(path);
    remove_folder(folder);
}

static void test_adapted_and_predicted(void **state)
{
    (void)state;
    check_orders(false);
}

static void test_with_prior_channel(void **state)
{
    (void)state;
    check_orders(true);
}

/* An adaptation that was interrupted on one file goes on with another that stores the same. */
static void test_resumed_in_another_order(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_adapt_curve curve;
    rp_adapt_options o = short_options();
    char *folder = make_folder(), *path = rp_path_join(folder, "checkpoint");
    const rp_grid grid = awkward_grid();
    make_patient(&p, &grid);
    patient stored = {order_image(&p.image, 29), order_mask(&p.mask, 29)};
    rp_model model = fresh_model();
    o.checkpoint_path = path;
    assert_ok(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), err);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
    model = fresh_model();
    o.resume = true;
    assert_ok(rp_adapt(&model, &stored.image, &stored.mask, &o, NULL, &curve, &err), err);
    assert_int_equal(curve.resumed_epochs, 2);
    rp_adapt_curve_release(&curve);
    rp_model_release(&model);
    release_patient(&p);
    release_patient(&stored);
    rp_free(path);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_working_grid),
        cmocka_unit_test(test_adapted_and_predicted),
        cmocka_unit_test(test_with_prior_channel),
        cmocka_unit_test(test_resumed_in_another_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
