/* Lesions changed as by treatment: what changes, how far, and that nothing else does. */
#include "fixture.h"
#include "../../../src/learn/sample.h"

enum { NX = 56, NY = 52, NZ = 28 };

static double noise_at(uint64_t index)
{
    rp_random r;
    rp_random_init(&r, 77, 1, index);
    return rp_random_normal(&r);
}

/* A ball of 0.8 in tissue of 0.4 with noise, on the working grid; its edge is as blurred as a
 * scanner's, so that a ring of it could stay behind. */
static void make_ball(patient *p, double radius_mm)
{
    rp_error err = {0};
    const rp_grid grid = rp_grid_make(NX, NY, NZ, 1.5, 1.5, 3.0);
    assert_ok(rp_image_init(&p->image, &grid, &err), err);
    assert_ok(rp_mask_init(&p->mask, &grid, &err), err);
    size_t i = 0;
    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NY; y++)
            for (int x = 0; x < NX; x++, i++) {
                const double dx = (x - 28) * 1.5, dy = (y - 25) * 1.5, dz = (z - 14) * 3.0;
                const double depth = radius_mm - sqrt(dx * dx + dy * dy + dz * dz);
                p->mask.data[i] = depth > 0.0;
                p->image.data[i] = (float)(0.4 + 0.4 * fmin(fmax(0.5 + depth / 3.0, 0.0), 1.0) +
                                           0.03 * noise_at(i));
            }
}

static rp_treatment plain(double shrink, double grow)
{
    rp_treatment t;
    rp_treatment_defaults(&t);
    t.share = 1;
    t.shrink = shrink;
    t.grow = grow;
    t.vanish = t.roughness = t.density = t.core = t.rim = 0;
    return t;
}

static size_t count(const uint8_t *mask)
{
    size_t n = 0;
    for (size_t i = 0; i < (size_t)NX * NY * NZ; i++) n += mask[i];
    return n;
}

/* A ball remains one whose radius has changed as drawn, scaled or eroded alike. */
static void test_volume_follows_the_size(void **state)
{
    (void)state;
    patient p = {0};
    rp_error err = {0};
    rp_treated t;
    double smallest = 2, largest = 0;
    const rp_treatment o = plain(0.55, 0.3);
    make_ball(&p, 15);
    const double before = (double)rp_mask_count(&p.mask);
    assert_ok(rp_treated_init(&t, &p.image, &p.mask, &o, &err), err);
    for (uint64_t step = 0; step < 60; step++) {
        rp_treated_draw(&t, 5, step);
        assert_true(t.drawn.changed && !t.drawn.vanished);
        const double radius = cbrt((double)count(t.lesion) / before);
        assert_close(radius, t.drawn.size, 0.07);
        smallest = fmin(smallest, t.drawn.size);
        largest = fmax(largest, t.drawn.size);
    }
    assert_true(smallest >= 0.45 && smallest < 0.5 && largest > 1.25 && largest <= 1.3);
    rp_treated_release(&t);
    release_patient(&p);
}

/* Nothing changes beyond what growth, margin and rim can reach; what is drawn twice is the same,
 * and another step is another change. */
static void test_reach_and_repetition(void **state)
{
    (void)state;
    patient p = {0};
    rp_error err = {0};
    rp_treated t, again;
    rp_treatment o;
    size_t changed = 0, different = 0;
    const size_t voxels = (size_t)NX * NY * NZ;
    rp_treatment_defaults(&o);
    o.share = 1;
    make_ball(&p, 12);
    assert_ok(rp_treated_init(&t, &p.image, &p.mask, &o, &err), err);
    assert_ok(rp_treated_init(&again, &p.image, &p.mask, &o, &err), err);
    for (uint64_t step = 0; step < 30; step++) {
        rp_treated_draw(&t, 9, step);
        for (size_t i = 0; i < voxels; i++) {
            const int x = (int)(i % NX), y = (int)(i / NX % NY), z = (int)(i / NX / NY);
            const double away = sqrt(2.25 * (x - 28) * (x - 28) + 2.25 * (y - 25) * (y - 25) +
                                     9.0 * (z - 14) * (z - 14));
            const bool same = memcmp(&t.values[i], &p.image.data[i], sizeof(float)) == 0;
            if (away > 12 * 1.3 + 18 + 3 && (!same || t.lesion[i]))
                fail_msg("changed %g away", away);
            changed += !same;
        }
        rp_threads_set(step % 2 ? 3 : 1);
        rp_treated_draw(&again, 9, step);
        rp_threads_set(0);
        assert_memory_equal(t.values, again.values, voxels * sizeof(float));
        assert_memory_equal(t.lesion, again.lesion, voxels);
        rp_treated_draw(&again, 9, step + 1000);
        different += memcmp(t.lesion, again.lesion, voxels) != 0;
    }
    assert_true(changed > 30 * 500 && different >= 29);
    rp_treated_release(&t);
    rp_treated_release(&again);
    release_patient(&p);
}

typedef struct statistics {
    double mean, sd, roughness; /* roughness: rms difference of neighbours along x */
    size_t n;
} statistics;

/* Of voxels between two distances of the ball's middle. */
static statistics shell(const float *values, double low, double high)
{
    statistics s = {0};
    double sum = 0, squares = 0, steps = 0;
    for (size_t i = 0; i < (size_t)NX * NY * NZ - 1; i++) {
        const int x = (int)(i % NX), y = (int)(i / NX % NY), z = (int)(i / NX / NY);
        const double away = sqrt(2.25 * (x - 28) * (x - 28) + 2.25 * (y - 25) * (y - 25) +
                                 9.0 * (z - 14) * (z - 14));
        if (away < low || away > high || x == NX - 1) continue;
        const double v = (double)values[i], step = (double)values[i + 1] - v;
        sum += v;
        squares += v * v;
        steps += step * step;
        s.n++;
    }
    s.mean = sum / (double)s.n;
    s.sd = sqrt(squares / (double)s.n - s.mean * s.mean);
    s.roughness = sqrt(steps / (double)s.n);
    return s;
}

/* Where a lesion was there is tissue like that round it, in mean, noise and grain, at the old edge
 * as in the middle; and the target is empty. */
static void test_vanished_lesion_leaves_tissue(void **state)
{
    (void)state;
    patient p = {0};
    rp_error err = {0};
    rp_treated t;
    rp_treatment o = plain(0.5, 0.3);
    o.vanish = 1;
    make_ball(&p, 15);
    assert_ok(rp_treated_init(&t, &p.image, &p.mask, &o, &err), err);
    const statistics tissue = shell(p.image.data, 22, 34);
    for (uint64_t step = 0; step < 20; step++) {
        rp_treated_draw(&t, 2, step);
        assert_true(t.drawn.vanished);
        assert_int_equal(count(t.lesion), 0);
        for (double low = 0; low < 20; low += 5) {
            const statistics s = shell(t.values, low, low + 5);
            assert_close(s.mean, tissue.mean, low < 5 ? 0.02 : 0.01);
            assert_close(s.sd, tissue.sd, 0.35 * tissue.sd);
            assert_close(s.roughness, tissue.roughness, 0.35 * tissue.roughness);
        }
    }
    rp_treated_release(&t);
    release_patient(&p);
}

/* What grows is filled with the lesion's own grey values, what shrinks with the tissue's. */
static void test_sides_take_their_own_values(void **state)
{
    (void)state;
    patient p = {0};
    rp_error err = {0};
    rp_treated t;
    const rp_treatment grown = plain(-0.0, 0.3);
    make_ball(&p, 15);
    assert_ok(rp_treated_init(&t, &p.image, &p.mask, &grown, &err), err);
    for (uint64_t step = 0; step < 20; step++) {
        rp_treated_draw(&t, 3, step);
        const double edge = 15 * t.drawn.size;
        if (edge < 18) continue;
        assert_close(shell(t.values, 0, edge - 2.5).mean, 0.8, 0.01);
        assert_close(shell(t.values, edge + 2.5, edge + 8).mean, 0.4, 0.01);
    }
    rp_treated_release(&t);
    release_patient(&p);
}

/* Bone next to a lesion that grows stays bone, and is no lesion. */
static void test_bone_is_not_overgrown(void **state)
{
    (void)state;
    patient p = {0};
    rp_error err = {0};
    rp_treated t;
    const rp_treatment grown = plain(0.0, 0.3);
    const size_t voxels = (size_t)NX * NY * NZ;
    size_t kept = 0, outside = 0;
    make_ball(&p, 15);
    for (size_t i = 0; i < voxels; i++)
        if (i % NX >= 40) p.image.data[i] = 1.0f;
    assert_ok(rp_treated_init(&t, &p.image, &p.mask, &grown, &err), err);
    for (uint64_t step = 0; step < 12; step++) {
        rp_treated_draw(&t, 4, step);
        for (size_t i = 0; i < voxels; i++) {
            outside += t.lesion[i] && !p.mask.data[i];
            if (i % NX < 40) continue;
            assert_false(t.lesion[i]);
            if (t.drawn.drags) continue; /* bone is pushed aside with all tissue */
            assert_true(t.values[i] >= 1.0f);
            kept++;
        }
    }
    assert_true(kept > 0 && outside > 1000);
    rp_treated_release(&t);
    release_patient(&p);
}

static void draw_crops(const patient *p, const rp_adapt_options *o, uint64_t steps, float *input,
                       uint8_t *target)
{
    rp_error err = {0};
    rp_sampler s;
    rp_warp w;
    assert_ok(rp_sampler_init(&s, &p->image, &p->mask, o, &err), err);
    const size_t voxels = rp_sampler_voxels(&s);
    for (uint64_t step = 0; step < steps; step++) {
        rp_sampler_plan(&s, step, &w);
        rp_sampler_apply(&s, &w, input + step * voxels, target + step * voxels);
    }
    rp_sampler_release(&s);
}

/* Copies that are not changed are, bit for bit, those without the treatment; those that are differ,
 * but in no place that the crop takes them from. */
static void test_other_streams_stay(void **state)
{
    (void)state;
    enum { STEPS = 40, SIDE = 24, SIZE = SIDE * SIDE * 12 };
    patient p = {0};
    rp_error err = {0};
    rp_adapt_options o;
    rp_treated t;
    size_t changed = 0;
    rp_adapt_defaults(&o);
    assert_true(o.treatment.share <= 0.0); /* the study's own way has none */
    o.crop[0] = o.crop[1] = SIDE;
    o.crop[2] = 12;
    make_ball(&p, 12);
    float *without = rp_alloc((size_t)STEPS * SIZE, sizeof *without);
    float *with = rp_alloc((size_t)STEPS * SIZE, sizeof *with);
    uint8_t *target = rp_alloc((size_t)STEPS * SIZE, 1);
    uint8_t *other = rp_alloc((size_t)STEPS * SIZE, 1);
    draw_crops(&p, &o, STEPS, without, target);
    o.treatment.share = 0.5;
    draw_crops(&p, &o, STEPS, with, other);
    assert_ok(rp_treated_init(&t, &p.image, &p.mask, &o.treatment, &err), err);
    for (uint64_t step = 0; step < STEPS; step++) {
        rp_treated_draw(&t, o.seed, step);
        const bool same =
            memcmp(without + step * SIZE, with + step * SIZE, SIZE * sizeof(float)) == 0 &&
            memcmp(target + step * SIZE, other + step * SIZE, SIZE) == 0;
        if (!t.drawn.changed) assert_true(same);
        changed += !same;
    }
    assert_in_range(changed, 8, 32);
    rp_treated_release(&t);
    rp_free(without);
    rp_free(with);
    rp_free(target);
    rp_free(other);
    release_patient(&p);
}

/* The loss of a network that sees no lesion any more is finite, and the weights move. */
static void test_adaptation_copes_with_vanished_lesions(void **state)
{
    (void)state;
    patient p = {0};
    rp_model model, before;
    rp_adapt_options o;
    rp_adapt_curve curve;
    rp_error err = {0};
    rp_grid grid = patient_grid();
    make_patient(&p, &grid);
    make_model(&model, 1);
    make_model(&before, 1);
    rp_adapt_defaults(&o);
    o.epochs = 3;
    o.crop[0] = o.crop[1] = 16;
    o.crop[2] = 8;
    rp_treatment_defaults(&o.treatment);
    o.treatment.share = o.treatment.vanish = 1;
    assert_ok(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), err);
    for (int i = 0; i < 3; i++) assert_true(isfinite(curve.loss[i]));
    assert_false(same_weights(&model, &before));
    rp_adapt_curve_release(&curve);
    o.treatment.roughness_low_mm = 30;
    assert_int_equal(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "roughness_low_mm"));
    o.treatment.roughness_low_mm = 8;
    o.treatment.shrink = 1;
    assert_int_equal(rp_adapt(&model, &p.image, &p.mask, &o, NULL, &curve, &err), RP_ERR_ARGUMENT);
    rp_model_release(&model);
    rp_model_release(&before);
    release_patient(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volume_follows_the_size),
        cmocka_unit_test(test_reach_and_repetition),
        cmocka_unit_test(test_vanished_lesion_leaves_tissue),
        cmocka_unit_test(test_sides_take_their_own_values),
        cmocka_unit_test(test_bone_is_not_overgrown),
        cmocka_unit_test(test_other_streams_stay),
        cmocka_unit_test(test_adaptation_copes_with_vanished_lesions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
