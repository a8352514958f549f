/* What a network is told of a baseline, and training on pairs of visits. */
#include "fixture.h"
#include "../../../src/learn/inputs.h"

#include <string.h>
#include <unistd.h>

enum { SIDE = 16 };

/* A bright ball that has moved, grown or shrunk by the step; the rest is a slope. */
typedef struct balls {
    rp_image image[2];
    rp_mask mask[2];
} balls;

static void draw_ball(rp_image *image, rp_mask *mask, double middle, double radius)
{
    const rp_grid *g = &image->grid;
    size_t i = 0;
    for (int z = 0; z < SIDE; z++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++, i++) {
                const double dx = (x - middle) * g->spacing[0], dy = (y - 7.0) * g->spacing[1],
                             dz = (z - 7.0) * g->spacing[2];
                mask->data[i] = dx * dx + dy * dy + dz * dz < radius * radius;
                image->data[i] = mask->data[i] ? 0.8f : 0.02f * (float)y;
            }
}

static void make_balls(balls *b)
{
    rp_error err = {0};
    const rp_grid grid = rp_grid_make(SIDE, SIDE, SIDE, 2.0, 2.0, 3.0);
    for (int i = 0; i < 2; i++) {
        assert_ok(rp_image_init(&b->image[i], &grid, &err), err);
        assert_ok(rp_mask_init(&b->mask[i], &grid, &err), err);
    }
    draw_ball(&b->image[0], &b->mask[0], 6.0, 7.0);
    draw_ball(&b->image[1], &b->mask[1], 7.0, 9.0);
}

static void release_balls(balls *b)
{
    for (int i = 0; i < 2; i++) {
        rp_image_release(&b->image[i]);
        rp_mask_release(&b->mask[i]);
    }
}

static rp_training_pair pair_of(const balls *b)
{
    return (rp_training_pair){&b->image[0], &b->image[1], &b->mask[0], &b->mask[1]};
}

static rp_status next_balls(void *context, uint64_t step, rp_training_pair *pair, rp_error *err)
{
    balls *b = context;
    (void)err;
    draw_ball(&b->image[1], &b->mask[1], 5.0 + (double)(step % 4), 6.0 + (double)(step % 3));
    *pair = pair_of(b);
    return RP_OK;
}

/* Along a line through the ball's middle the channel is linear, and 0 midway between the last voxel
 * inside and the first outside: that is where a contour is drawn. */
static void test_distance_is_nought_on_the_contour(void **state)
{
    (void)state;
    rp_error err = {0};
    balls b;
    rp_image distance;
    make_balls(&b);
    assert_ok(rp_input_distance(&b.mask[0], &distance, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&distance.grid); i++) {
        assert_int_equal(distance.data[i] < 0.0f, b.mask[0].data[i] != 0);
    }
    int borders = 0;
    const float *row = distance.data + rp_grid_index(&distance.grid, 0, 7, 7);
    const uint8_t *inside = b.mask[0].data + rp_grid_index(&distance.grid, 0, 7, 7);
    for (int x = 0; x + 1 < SIDE; x++)
        if (inside[x] != inside[x + 1]) {
            assert_close(row[x] + row[x + 1], 0.0, 1e-6);
            assert_close(fabsf(row[x]), 2.0 / RP_INPUT_REACH_MM, 1e-6);
            borders++;
        }
    assert_int_equal(borders, 2);
    assert_close(row[15], 1.0 * (15 - 9) * 2.0 / RP_INPUT_REACH_MM, 1e-6); /* 9 is inside */
    rp_image_release(&distance);
    memset(b.mask[0].data, 0, SIDE * SIDE * SIDE);
    assert_ok(rp_input_distance(&b.mask[0], &distance, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&distance.grid); i++)
        assert_true(distance.data[i] > 1e6f);
    rp_image_release(&distance);
    release_balls(&b);
}

static bool all_zero(const float *channel)
{
    for (size_t i = 0; i < SIDE * SIDE * SIDE; i++)
        if (channel[i] != 0.0f) return false;
    return true;
}

static void test_what_is_told(void **state)
{
    (void)state;
    enum { VOXELS = SIDE * SIDE * SIDE };
    rp_error err = {0};
    balls b;
    static float input[4 * VOXELS];
    float *image = input + VOXELS, *contour = input + 2 * VOXELS, *like = input + 3 * VOXELS;
    make_balls(&b);
    const rp_training_pair pair = pair_of(&b);
    const rp_input_place place = {.share = 0.0}; /* carrying is test_baseline's */
    for (int told = RP_TOLD_ALL; told <= RP_TOLD_MIRRORED; told++) {
        memset(input, 0x7f, sizeof input);
        assert_ok(rp_pair_input(&pair, RP_INPUTS_BASELINE, (rp_told)told, &place, input, &err),
                  err);
        assert_memory_equal(input, b.image[1].data, VOXELS * sizeof *input);
        assert_int_equal(all_zero(image), told == RP_TOLD_NOTHING || told == RP_TOLD_CONTOUR);
        assert_int_equal(all_zero(contour), told == RP_TOLD_NOTHING || told == RP_TOLD_IMAGE);
        assert_int_equal(all_zero(like),
                         told != RP_TOLD_ALL && told != RP_TOLD_PLACED && told != RP_TOLD_MIRRORED);
        for (size_t i = 0; i < VOXELS; i++) {
            if (!all_zero(like)) assert_int_equal(like[i] > 0.9f, b.mask[1].data[i] != 0);
            const size_t there = told == RP_TOLD_MIRRORED ? i - i % SIDE + SIDE - 1 - i % SIDE : i;
            if (!all_zero(image)) assert_close(image[there], b.image[0].data[i], 1e-5);
            if (!all_zero(contour)) assert_int_equal(contour[there] < 0.0f, b.mask[0].data[i] != 0);
        }
    }
    assert_ok(rp_pair_input(&pair, RP_INPUTS_CONTOUR, RP_TOLD_ALL, &place, input, &err), err);
    for (size_t i = 0; i < VOXELS; i++)
        assert_true(image[i] == (float)(b.mask[0].data[i] != 0)); /* the second of two */
    release_balls(&b);
}

/* Outside a border that is moved outwards by 4 mm everything is as it was two voxels of 2 mm
 * further in, and no value leaves -1..1. */
static void test_moved_border(void **state)
{
    (void)state;
    enum { VOXELS = SIDE * SIDE * SIDE };
    rp_error err = {0};
    balls b;
    rp_image distance;
    static float moved[VOXELS];
    make_balls(&b);
    assert_ok(rp_input_distance(&b.mask[0], &distance, &err), err);
    rp_input_move(distance.data, 4.0, VOXELS, moved);
    const size_t row = rp_grid_index(&distance.grid, 0, 7, 7);
    for (int x = 12; x < SIDE; x++)
        assert_close(moved[row + (size_t)x], distance.data[row + (size_t)x - 2], 1e-6);
    rp_input_move(distance.data, 1000.0, VOXELS, moved);
    for (size_t i = 0; i < VOXELS; i++) assert_true(moved[i] == -1.0f);
    rp_random random;
    rp_random_init(&random, 1, 2, 3);
    double least = 0.0, most = 0.0; /* a ball of 7 mm or so */
    for (int i = 0; i < 200; i++) {
        const double move = rp_input_draw_place(&random, &b.mask[0]).move_mm;
        least = fmin(least, move);
        most = fmax(most, move);
    }
    assert_true(least < -1.8 && least > -2.6 && most > 1.4 && most < 2.1);
    rp_image_release(&distance);
    release_balls(&b);
}

/* Half of the lesion is bright, a fifth of its surroundings: (1/2 - 1/5) / (1/2 + 1/5) for bright
 * values, (1/2 - 4/5) / (1/2 + 4/5) for dark ones, and nothing of either kind in between. */
static void test_likeness(void **state)
{
    enum { COUNT = 2000 };
    (void)state;
    static float image[COUNT], distance[COUNT];
    static uint8_t lesion[COUNT];
    rp_likeness likeness;
    float found[5];
    for (int i = 0; i < COUNT; i++) {
        lesion[i] = i < 1000;
        distance[i] = lesion[i] ? -0.5f : 0.5f;
        image[i] = i % 10 < (lesion[i] ? 5 : 2) ? 0.8f : 0.2f;
        if (i >= 1500) distance[i] = 1.0f; /* too far away to count */
        if (i >= 1500) image[i] = 0.5f;
    }
    rp_likeness_learn(image, lesion, distance, COUNT, &likeness);
    rp_likeness_of(&likeness, (float[]){0.8f, 0.2f, 0.5f, -1.0f, 2.0f}, 5, found);
    assert_close(found[0], 0.3 / 0.7, 0.03);
    assert_close(found[1], -0.3 / 1.3, 0.03);
    assert_close(found[2], 0.0, 0.03);
    assert_close(found[3], 0.0, 0.03);
    assert_close(found[4], 0.0, 0.03);
}

/* ---- training -------------------------------------------------------------------------------- */

static void make_wide_model(rp_model *model, int inputs)
{
    rp_error err = {0};
    rp_fcd_config config = tiny_config();
    rp_preprocessing p;
    config.in_channels = inputs;
    rp_preprocessing_defaults(&p);
    assert_ok(rp_model_create(&config, &p, 3, model, &err), err);
}

static rp_adapt_options few_steps(int epochs)
{
    rp_adapt_options o;
    rp_pretrain_defaults(&o);
    o.epochs = epochs;
    o.copies = 4;
    o.learning_rate = 5e-3;
    o.seed = 9;
    return o;
}

static bool stop_at_once(void *context)
{
    int *calls = context;
    return ++*calls > 6;
}

/* Stopped in the middle of an epoch and resumed it ends with the weights of an uninterrupted run,
 * and the file remembers what the network sees. */
static void test_learns_and_resumes(void **state)
{
    (void)state;
    rp_error err = {0};
    balls b;
    rp_model whole, halves;
    rp_adapt_curve curve;
    char path[] = "/tmp/reprise-pretrain-XXXXXX";
    assert_non_null(mkdtemp(path));
    RP_AUTOFREE char *checkpoint = rp_path_join(path, "checkpoint");
    make_balls(&b);
    const rp_pair_source source = {
        .size = {SIDE, SIDE, SIDE}, .make = next_balls, .context = &b, .name = "balls"};
    rp_adapt_options o = few_steps(SHORT ? 3 : 15);
    make_wide_model(&whole, RP_INPUTS_BASELINE);
    make_wide_model(&halves, RP_INPUTS_BASELINE);
    assert_ok(rp_pretrain(&whole, &source, &o, NULL, &curve, &err), err);
    if (!SHORT) assert_true(curve.loss[14] < 0.6 * curve.loss[0]);
    rp_adapt_curve_release(&curve);

    int calls = 0;
    const rp_progress progress = {NULL, stop_at_once, &calls};
    o.checkpoint_path = checkpoint;
    o.resume = true;
    assert_int_equal(rp_pretrain(&halves, &source, &o, &progress, &curve, &err), RP_ERR_CANCELLED);
    rp_model_release(&halves);
    make_wide_model(&halves, RP_INPUTS_BASELINE);
    rp_pair_source other = source;
    other.name = "cubes";
    assert_int_equal(rp_pretrain(&halves, &other, &o, NULL, &curve, &err), RP_ERR_REFUSED);
    assert_ok(rp_pretrain(&halves, &source, &o, NULL, &curve, &err), err);
    assert_true(same_weights(&whole, &halves));
    rp_adapt_curve_release(&curve);
    unlink(checkpoint);
    rmdir(path);
    rp_model_release(&whole);
    rp_model_release(&halves);
    release_balls(&b);
}

static void test_other_widths_are_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_model model;
    rp_adapt_curve curve;
    balls b;
    make_balls(&b);
    const rp_adapt_options o = few_steps(1);
    const rp_pair_source source = {
        .size = {SIDE, SIDE, SIDE}, .make = next_balls, .context = &b, .name = "balls"};
    make_wide_model(&model, 3);
    assert_int_equal(rp_pretrain(&model, &source, &o, NULL, &curve, &err), RP_ERR_UNSUPPORTED);
    rp_model_release(&model);
    release_balls(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distance_is_nought_on_the_contour),
                                       cmocka_unit_test(test_what_is_told),
                                       cmocka_unit_test(test_likeness),
                                       cmocka_unit_test(test_moved_border),
                                       cmocka_unit_test(test_learns_and_resumes),
                                       cmocka_unit_test(test_other_widths_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
