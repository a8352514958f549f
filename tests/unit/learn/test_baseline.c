/* The baseline beside the image: what crops hold of it, the box that a patient model keeps, and
 * what a prediction is told of it. */
#include "fixture.h"
#include "../../../src/learn/inputs.h"
#include "../../../src/learn/internal.h"
#include "../../../src/learn/sample.h"

#include <string.h>
#include <unistd.h>

/* ---- crops ----------------------------------------------------------------------------------- */

static void check_crop(const rp_sampler *s, const rp_warp *w, const float *input)
{
    const size_t voxels = rp_sampler_voxels(s);
    for (size_t i = 0; i < voxels; i++) {
        float like = 0.0f;
        if (!w->untold) rp_likeness_of(s->likeness, &input[i], 1, &like);
        assert_true(input[3 * voxels + i] == like);
    }
    assert_true(w->told.share >= 0.0 && w->told.share <= 1.0);
}

/* The first channel and the target are those of a model that sees the image alone. */
static void test_crops(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p = {0};
    rp_sampler s;
    rp_adapt_options o;
    rp_image distance;
    rp_grid grid = patient_grid();
    int untold = 0, fully = 0;
    rp_likeness likeness;
    make_patient(&p, &grid);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        p.image.data[i] = p.image.data[i] < 0.0f ? 0.0f : p.image.data[i] / 300.0f;
    rp_adapt_defaults(&o);
    memcpy(o.crop, (int[3]){24, 20, 12}, sizeof o.crop);
    assert_ok(rp_input_distance(&p.mask, &distance, &err), err);
    assert_ok(rp_sampler_init(&s, &p.image, &p.mask, &o, &err), err);
    rp_likeness_learn(p.image.data, p.mask.data, distance.data, rp_grid_voxels(&grid), &likeness);
    const size_t voxels = rp_sampler_voxels(&s);
    RP_AUTOFREE float *one = rp_alloc(voxels, sizeof *one),
                      *four = rp_alloc(4 * voxels, sizeof *four);
    RP_AUTOFREE uint8_t *target = rp_alloc(voxels, 1), *again = rp_alloc(voxels, 1);
    for (uint64_t step = 0; step < 100; step++) {
        rp_warp w;
        s.likeness = NULL;
        rp_sampler_plan(&s, step, &w);
        rp_sampler_apply(&s, &w, one, target);
        s.likeness = &likeness;
        rp_sampler_plan(&s, step, &w);
        rp_sampler_apply(&s, &w, four, again);
        assert_memory_equal(one, four, voxels * sizeof *one);
        assert_memory_equal(target, again, voxels);
        check_crop(&s, &w, four);
        untold += w.untold;
        fully += w.told.share == 1.0;
    }
    assert_true(untold >= 1 && untold <= 15);
    assert_true(fully > 20 && fully < 60);
    rp_sampler_release(&s);
    rp_image_release(&distance);
    release_patient(&p);
}

/* ---- a model that keeps one ------------------------------------------------------------------ */

static void make_wide_model(rp_model *model)
{
    rp_error err = {0};
    rp_fcd_config config = tiny_config();
    rp_preprocessing p;
    config.in_channels = RP_INPUTS_BASELINE;
    rp_preprocessing_defaults(&p);
    assert_ok(rp_model_create(&config, &p, 7, model, &err), err);
}

static rp_adapt_options region_options(int epochs)
{
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.epochs = epochs;
    o.learning_rate = 5e-3;
    o.augmentation.scale = 0.05;
    o.region.whole = false;
    o.region.margin_mm = 12.0;
    o.region.jitter_mm = 3.0;
    memcpy(o.region.voxels, (int[3]){32, 32, 16}, sizeof o.region.voxels);
    return o;
}

static void adapt(rp_model *model, const patient *p, int epochs)
{
    rp_error err = {0};
    rp_adapt_curve curve;
    const rp_adapt_options o = region_options(epochs);
    make_wide_model(model);
    assert_ok(rp_adapt(model, &p->image, &p->mask, &o, NULL, &curve, &err), err);
    rp_adapt_curve_release(&curve);
}

/* The kept box is that which prediction looks at where the lesion was. */
static void check_kept(const rp_model *model, const patient *p)
{
    rp_error err = {0};
    rp_image box;
    rp_mask lesion;
    double centre[3];
    int low[3];
    const rp_preprocessing *how = &model->preprocessing;
    assert_true(rp_region_centre(&p->mask, centre));
    rp_region_place(how, &p->image.grid, centre, model->region, low);
    assert_ok(rp_preprocess_box(how, &p->image, low, model->region, &box, &err), err);
    assert_ok(
        rp_preprocess_box_mask(how, &p->mask, &p->image.grid, low, model->region, &lesion, &err),
        err);
    const size_t voxels = rp_grid_voxels(&box.grid);
    assert_int_equal(rp_grid_voxels(&model->baseline.grid), voxels);
    for (size_t i = 0; i < voxels; i++) assert_close(model->baseline.data[i], box.data[i], 1e-6);
    assert_memory_equal(model->baseline_lesion.data, lesion.data, voxels);
    rp_image_release(&box);
    rp_mask_release(&lesion);
}

static void test_keeps_its_box(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_model model, again;
    rp_prediction found, same;
    rp_predict_options how;
    double centre[3];
    char folder[] = "/tmp/reprise-baseline-XXXXXX";
    const rp_grid grid = rp_grid_make(56, 56, 28, 1.5, 1.5, 3.0);
    assert_non_null(mkdtemp(folder));
    RP_AUTOFREE char *path = rp_path_join(folder, "model.safetensors");
    make_patient(&p, &grid);
    adapt(&model, &p, 2);
    check_kept(&model, &p);
    assert_ok(rp_model_write(path, &model, &err), err);
    assert_ok(rp_model_read(path, &again, &err), err);
    assert_true(same_weights(&model, &again));
    assert_true(rp_grid_same(&model.baseline.grid, &again.baseline.grid, 0.0));
    rp_predict_defaults(&how);
    assert_true(rp_region_centre(&p.mask, centre));
    how.at = centre;
    assert_ok(rp_predict(&model, &p.image, &how, NULL, &found, &err), err);
    assert_ok(rp_predict(&again, &p.image, &how, NULL, &same, &err), err);
    assert_memory_equal(found.probability.data, same.probability.data,
                        rp_grid_voxels(&grid) * sizeof(float));
    rp_prediction_release(&found);
    rp_prediction_release(&same);
    rp_model_release(&model);
    rp_model_release(&again);
    release_patient(&p);
    unlink(path);
    rmdir(folder);
}

/* Where nothing else tells like from like, the baseline does: a lattice of equal balls, one of
 * which is the lesion. */
static void make_balls(patient *p, const rp_grid *grid, double shift_mm)
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

static void test_tells_like_lesions_apart(void **state)
{
    (void)state;
    release_only();
    rp_error err = {0};
    patient before, after;
    rp_model model;
    rp_prediction found;
    rp_predict_options how;
    double centre[3];
    const rp_grid grid = rp_grid_make(48, 48, 20, 1.5, 1.5, 3.0);
    make_balls(&before, &grid, 0.0);
    make_balls(&after, &grid, 3.0);
    adapt(&model, &before, 120);
    rp_predict_defaults(&how);
    how.all_components = true;
    assert_true(rp_region_centre(&before.mask, centre));
    how.at = centre;
    assert_ok(rp_predict(&model, &after.image, &how, NULL, &found, &err), err);
    const double with = dice(&found.mask, &after.mask);
    print_message("Dice %.3f\n", with);
    assert_true(with > 0.6);
    rp_prediction_release(&found);
    rp_model_release(&model);
    release_patient(&before);
    release_patient(&after);
}

/* ---- carried --------------------------------------------------------------------------------- */

enum { WIDE = 40, HIGH = 32, DEEP = 24 };

/* A ball on a background with a coarse pattern, all of it moved along x. */
static void make_visit(rp_image *image, rp_mask *mask, double moved_mm, double radius_mm)
{
    rp_error err = {0};
    const rp_grid grid = rp_grid_make(WIDE, HIGH, DEEP, 2.0, 2.0, 3.0);
    assert_ok(rp_image_init(image, &grid, &err), err);
    assert_ok(rp_mask_init(mask, &grid, &err), err);
    size_t i = 0;
    for (int z = 0; z < DEEP; z++)
        for (int y = 0; y < HIGH; y++)
            for (int x = 0; x < WIDE; x++, i++) {
                const double at[3] = {2.0 * x - moved_mm, 2.0 * y, 3.0 * z};
                const double dx = at[0] - 38.0, dy = at[1] - 30.0, dz = at[2] - 36.0;
                const bool ball = dx * dx + dy * dy + dz * dz < radius_mm * radius_mm;
                const double pattern = sin(0.35 * at[0]) * cos(0.28 * at[1] + 0.21 * at[2]);
                image->data[i] = (float)(ball ? 0.75 : 0.4 + 0.1 * pattern);
                mask->data[i] = ball;
            }
}

static double dice_of_channel(const float *distance, const rp_mask *mask)
{
    size_t both = 0, sum = 0;
    for (size_t i = 0; i < rp_grid_voxels(&mask->grid); i++) {
        const bool in = distance[i] < 0.0f, truth = mask->data[i] != 0;
        both += in && truth;
        sum += (size_t)in + truth;
    }
    return 2.0 * (double)both / (double)sum;
}

/* The baseline follows what moved; by a share of the way, or not at all, as it is asked to. */
static void test_carried_along(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_image before, after;
    rp_mask lesion, truth;
    const double moved_mm = 8.0;
    enum { VOXELS = WIDE * HIGH * DEEP };
    RP_AUTOFREE float *beside = rp_alloc(2 * VOXELS, sizeof *beside);
    make_visit(&before, &lesion, 0.0, 14.0);
    make_visit(&after, &truth, moved_mm, 14.0);
    double found[3];
    for (int i = 0; i < 3; i++) {
        const rp_input_place place = {.share = 0.5 * i};
        assert_ok(rp_input_carry(&before, &lesion, &after, &place, beside, &err), err);
        found[i] = dice_of_channel(beside + VOXELS, &truth);
    }
    print_message("Dice %.3f, half way %.3f, carried %.3f\n", found[0], found[1], found[2]);
    assert_true(found[0] < 0.6 && found[1] > 0.7 && found[1] < 0.85 && found[2] > 0.93);
    double difference = 0.0;
    for (size_t i = 0; i < VOXELS; i++)
        if (truth.data[i]) difference += fabs((double)(beside[i] - after.data[i]));
    assert_true(difference / (double)rp_mask_count(&truth) < 0.02);
    /* By a voxel: the first one outside lies as far from the border as the last one inside. */
    const rp_input_place there = {.first = {4, 0, 0}, .move_mm = 2.1};
    assert_ok(rp_input_carry(&before, &lesion, &after, &there, beside, &err), err);
    rp_mask_release(&truth);
    rp_image_release(&after);
    make_visit(&after, &truth, moved_mm, 16.0);
    assert_true(dice_of_channel(beside + VOXELS, &truth) > 0.86); /* 0.79 unmoved */
    rp_image_release(&before);
    rp_image_release(&after);
    rp_mask_release(&lesion);
    rp_mask_release(&truth);
}

/* A kept box of 16 voxels each way in boxes that hold it whole, in part or not at all. */
static void test_placed_in_other_boxes(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    float *beside = NULL;
    rp_model model;
    const rp_grid grid = patient_grid();
    const int far[3] = {40, 0, 0};
    const rp_grid box = rp_grid_make(20, 12, 16, 1.5, 1.5, 3.0);
    rp_image working;
    assert_ok(rp_image_init(&working, &box, &err), err);
    make_patient(&p, &grid);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        p.image.data[i] = p.mask.data[i] ? 0.8f : 0.3f;
    for (size_t i = 0; i < rp_grid_voxels(&box); i++) working.data[i] = i % 2 ? 0.8f : 0.3f;
    make_wide_model(&model);
    for (int a = 0; a < 3; a++) model.region[a] = 16;
    assert_ok(rp_baseline_keep(&model, &p.image, &p.mask, (int[3]){10, 12, 2}, &err), err);
    const rp_input_place place = {.first = {4, 3, 0}};
    const size_t voxels = 20 * 12 * 16;
    RP_AUTOFREE float *placed = rp_alloc(2 * voxels, sizeof *placed);
    assert_ok(
        rp_input_carry(&model.baseline, &model.baseline_lesion, &working, &place, placed, &err),
        err);
    for (int z = 0; z < 16; z++)
        for (int y = 0; y < 12; y++)
            for (int x = 0; x < 20; x++) {
                const size_t i = ((size_t)z * 12 + (size_t)y) * 20 + (size_t)x;
                const bool known = x >= 4 && y >= 3;
                const int there[3] = {10 + x - 4, 12 + y - 3, 2 + z};
                const size_t from = rp_grid_index(&grid, there[0], there[1], there[2]);
                assert_close(placed[i], known ? p.image.data[from] : 0.0f, 1e-5);
                assert_int_equal(placed[voxels + i] < 0.0f, known && p.mask.data[from]);
            }
    assert_ok(rp_beside_baseline(&model, (int[]){4, 3, 0}, &working, &beside, &err), err);
    for (size_t i = 0; i < voxels; i++) /* like the lesion */
        assert_int_equal(beside[2 * voxels + i] > 0.5f, i % 2);
    rp_free(beside);
    assert_ok(rp_beside_baseline(&model, far, &working, &beside, &err), err);
    for (size_t i = 0; i < voxels; i++)
        assert_true(beside[i] == 0.0f && beside[voxels + i] == 1.0f);
    rp_free(beside);
    assert_ok(rp_beside_baseline(&model, NULL, &working, &beside, &err), err);
    for (size_t i = 0; i < 3 * voxels; i++) assert_true(beside[i] == 0.0f);
    rp_free(beside);
    rp_image_release(&working);
    rp_model_release(&model);
    release_patient(&p);
}

/* ---- remembered ------------------------------------------------------------------------------ */

/* Weights as they were; the box and the grid of an adaptation. */
static void test_remembers_without_a_step(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_model model, before, adapted;
    const rp_grid grid = rp_grid_make(56, 56, 28, 1.5, 1.5, 3.0);
    rp_adapt_options o = region_options(1);
    make_patient(&p, &grid);
    make_wide_model(&model);
    make_wide_model(&before);
    assert_ok(rp_remember(&model, &p.image, &p.mask, &o, &err), err);
    assert_true(same_weights(&model, &before));
    check_kept(&model, &p);
    assert_ok(rp_model_check_adapted(&model, &p.image, &p.mask, &err), err);
    assert_int_equal(model.provenance.epochs, 0);
    adapt(&adapted, &p, 1);
    assert_memory_equal(model.region, adapted.region, sizeof model.region);
    assert_true(rp_grid_same(&model.baseline.grid, &adapted.baseline.grid, 0.0));
    o.region.whole = true;
    assert_int_equal(rp_remember(&model, &p.image, &p.mask, &o, &err), RP_ERR_UNSUPPORTED);
    o.region.whole = false;
    memset(p.mask.data, 0, rp_grid_voxels(&grid));
    assert_int_equal(rp_remember(&before, &p.image, &p.mask, &o, &err), RP_ERR_REFUSED);
    rp_model_release(&model);
    rp_model_release(&before);
    rp_model_release(&adapted);
    release_patient(&p);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void test_whole_images_are_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_model model;
    rp_adapt_curve curve;
    rp_prediction found;
    rp_predict_options how;
    rp_grid grid = patient_grid();
    make_patient(&p, &grid);
    make_wide_model(&model);
    rp_adapt_options o = region_options(1);
    o.region.whole = true;
    assert_int_equal(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err),
                     RP_ERR_UNSUPPORTED);
    rp_predict_defaults(&how);
    assert_int_equal(rp_predict(&model, &p.image, &how, NULL, &found, &err), RP_ERR_UNSUPPORTED);
    rp_model_release(&model);
    release_patient(&p);
}

/* A file whose baseline has been tampered with; how: 0 not at all, then one fault each. */
static rp_status read_damaged(const char *path, int how)
{
    rp_error err = {0};
    rp_tensor_file file;
    rp_model model;
    assert_ok(rp_safetensors_read(path, &file, &err), err);
    rp_named_tensor *image = NULL;
    for (size_t i = 0; i < file.tensor_count; i++)
        if (strcmp(file.tensors[i].name, "baseline.image") == 0) image = &file.tensors[i];
    assert_non_null(image);
    if (how == 1) image->name[0] = 'B';
    if (how == 2) image->data[5] = 1.5f;
    if (how == 3) image->shape[0] *= 2, image->shape[1] /= 2;
    RP_AUTOFREE char *other = rp_format("%s.damaged", path);
    assert_ok(rp_safetensors_write(other, &file, &err), err);
    const rp_status status = rp_model_read(other, &model, &err);
    if (!status) rp_model_release(&model);
    rp_tensor_file_release(&file);
    unlink(other);
    return status;
}

static void test_damaged_baselines_are_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    patient p;
    rp_model model;
    char folder[] = "/tmp/reprise-baseline-XXXXXX";
    const rp_grid grid = patient_grid();
    assert_non_null(mkdtemp(folder));
    RP_AUTOFREE char *path = rp_path_join(folder, "model.safetensors");
    make_patient(&p, &grid);
    adapt(&model, &p, 1);
    assert_ok(rp_model_write_half(path, &model, &err), err);
    assert_int_equal(read_damaged(path, 0), RP_OK);
    for (int how = 1; how <= 3; how++) assert_int_equal(read_damaged(path, how), RP_ERR_FORMAT);
    rp_model_release(&model);
    release_patient(&p);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_crops),
                                       cmocka_unit_test(test_keeps_its_box),
                                       cmocka_unit_test(test_tells_like_lesions_apart),
                                       cmocka_unit_test(test_carried_along),
                                       cmocka_unit_test(test_placed_in_other_boxes),
                                       cmocka_unit_test(test_remembers_without_a_step),
                                       cmocka_unit_test(test_whole_images_are_refused),
                                       cmocka_unit_test(test_damaged_baselines_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
