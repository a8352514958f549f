/* Synthetic pairs: what their options promise, over a sample of them. */
#include "test.h"
#include "reprise/synth_pair.h"
#include "../../../src/synth/pair.h"

#include <math.h>

enum { SAMPLE = SHORT ? 8 : 60 };

static rp_pair_options some(uint64_t seed)
{
    rp_pair_options o;
    rp_pair_defaults(&o);
    o.seed = seed;
    return o;
}

static void test_equal_seeds_equal_bits(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_pair a, b, other;
    rp_pair_options o = some(5);
    assert_ok(rp_pair_make(&o, 7, &a, &err), err);
    assert_ok(rp_pair_make(&o, 7, &b, &err), err);
    assert_ok(rp_pair_make(&o, 8, &other, &err), err);
    const size_t voxels = rp_grid_voxels(&a.baseline.grid), bytes = voxels * sizeof(float);
    assert_int_equal(voxels, 48 * 48 * 32);
    assert_memory_equal(a.baseline.data, b.baseline.data, bytes);
    assert_memory_equal(a.followup.data, b.followup.data, bytes);
    assert_memory_equal(a.baseline_lesion.data, b.baseline_lesion.data, voxels);
    assert_memory_equal(a.followup_lesion.data, b.followup_lesion.data, voxels);
    assert_int_not_equal(memcmp(a.baseline.data, other.baseline.data, bytes), 0);
    rp_pair_release(&a);
    rp_pair_release(&b);
    rp_pair_release(&other);
}

/* Counts over the sample. */
typedef struct census {
    int vanished, hollow, several, another, grown_larger, grown, shrunk_smaller, shrunk;
    double least_mm, most_mm;
} census;

static void check_one(const rp_pair *p, census *c)
{
    const size_t voxels = rp_grid_voxels(&p->baseline.grid);
    const size_t before = rp_mask_count(&p->baseline_lesion),
                 after = rp_mask_count(&p->followup_lesion);
    assert_true(rp_grid_same(&p->baseline.grid, &p->followup.grid, 0.0));
    assert_true(rp_grid_same(&p->baseline.grid, &p->followup_lesion.grid, 0.0));
    for (size_t i = 0; i < voxels; i++) {
        assert_true(p->baseline.data[i] >= 0.0f && p->baseline.data[i] <= 1.0f);
        assert_true(p->followup.data[i] >= 0.0f && p->followup.data[i] <= 1.0f);
    }
    assert_true(before >= 20 && before < voxels);
    assert_true(p->diameter_mm >= 8.0 && p->diameter_mm <= 150.0);
    assert_true(p->change >= -1.0 && p->change <= 0.35);
    assert_int_equal(p->vanished, after == 0);
    c->vanished += p->vanished;
    c->hollow += p->hollow;
    c->several += p->several_parts;
    c->another += p->another;
    c->grown += p->change > 0.1;
    c->grown_larger += p->change > 0.1 && after > before;
    c->shrunk += p->change < -0.2;
    c->shrunk_smaller += p->change < -0.2 && after < before;
    c->least_mm = fmin(c->least_mm, p->diameter_mm);
    c->most_mm = fmax(c->most_mm, p->diameter_mm);
}

static void test_sample(void **state)
{
    (void)state;
    rp_error err = {0};
    census c = {.least_mm = 1e9};
    const rp_pair_options o = some(11);
    for (uint64_t i = 0; i < SAMPLE; i++) {
        rp_pair p;
        assert_ok(rp_pair_make(&o, i, &p, &err), err);
        check_one(&p, &c);
        rp_pair_release(&p);
    }
    if (SAMPLE < 60) return;
    assert_true(c.vanished >= 1 && c.vanished < SAMPLE / 4);
    assert_true(c.hollow >= 1 && c.several >= 1 && c.another >= 5);
    assert_true(c.grown >= 5 && c.shrunk >= 5);
    assert_true(c.grown_larger >= c.grown - 1); /* one may leave the grid */
    assert_true(c.shrunk_smaller >= c.shrunk - 1);
    assert_true(c.least_mm < 15.0 && c.most_mm > 100.0);
}

/* The lesion is to be seen: over a sample its grey values differ from those round it by more than
 * by chance, and the follow-up's by less than the baseline's contour would cut out of it. */
static void test_lesions_look_different(void **state)
{
    (void)state;
    rp_error err = {0};
    const rp_pair_options o = some(12);
    int seen = 0, all = 0;
    for (uint64_t i = 0; i < SAMPLE / 2; i++) {
        rp_pair p;
        rp_image distance;
        double sum[2] = {0}, count[2] = {0};
        assert_ok(rp_pair_make(&o, i, &p, &err), err);
        assert_ok(rp_mask_distance(&p.baseline_lesion, &distance, &err), err);
        for (size_t v = 0; v < rp_grid_voxels(&p.baseline.grid); v++) {
            const bool inside = p.baseline_lesion.data[v];
            if (!inside && distance.data[v] > 3.0 * p.baseline.grid.spacing[0]) continue;
            sum[inside] += (double)p.baseline.data[v];
            count[inside] += 1.0;
        }
        all++;
        seen += fabs(sum[1] / count[1] - sum[0] / count[0]) > 0.03;
        rp_image_release(&distance);
        rp_pair_release(&p);
    }
    assert_true(seen >= all * 2 / 3);
}

static void test_fields(void **state)
{
    (void)state;
    rp_random random;
    const pair_space space = {.size = {60, 50, 40}, .spacing = {1.0, 1.0, 1.0}, .voxels = 120000};
    RP_AUTOFREE float *field = rp_alloc(space.voxels, sizeof *field);
    assert_non_null(field);
    for (double pitch = 2.0; pitch < 5.0; pitch += 1.5) {
        double sum = 0.0, squares = 0.0, steps = 0.0;
        rp_random_init(&random, 3, 4, 5);
        assert_true(pair_field(&random, &space, pitch, field));
        for (size_t i = 0; i < space.voxels; i++) {
            const double next = i + 1 < space.voxels ? (double)field[i + 1] : 0.0;
            const double value = (double)field[i];
            sum += value;
            squares += value * value;
            if (i % 60 != 59) steps += (next - value) * (next - value);
        }
        const double mean = sum / 120000.0, variance = squares / 120000.0 - mean * mean;
        assert_true(fabs(mean) < 0.1);
        assert_close(variance, 1.0, 0.15);
        /* Of the B-spline's correlation, 1 - 3/2 h^2 or so for small steps h in pitches. */
        assert_true(steps / 118000.0 < 2.0 * 1.5 / (pitch * pitch));
    }
}

static void test_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_pair p;
    rp_pair_options o = some(1);
    o.size[1] = 15;
    assert_int_equal(rp_pair_make(&o, 0, &p, &err), RP_ERR_ARGUMENT);
    o.size[1] = 129;
    assert_int_equal(rp_pair_make(&o, 0, &p, &err), RP_ERR_ARGUMENT);
    o.size[1] = 16;
    assert_ok(rp_pair_make(&o, 0, &p, &err), err);
    rp_pair_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_seeds_equal_bits), cmocka_unit_test(test_sample),
        cmocka_unit_test(test_lesions_look_different), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
