/* Simulated follow-ups: the truth that they state, what they leave alone, and what they refuse. */
#include "reprise/measure.h"
#include "reprise/synth.h"
#include "test.h"

#include <math.h>

typedef struct scan {
    rp_image image;
    rp_mask mask;
} scan;

/* Soft tissue with a gradient, and a dense three-lobed lesion of about 2 * radius_mm. */
static scan make_scan(int nx, int ny, int nz, double sx, double sz, double radius_mm)
{
    rp_grid g = rp_grid_make(nx, ny, nz, sx, sx, sz);
    scan s;
    rp_error err = {0};
    g.origin[0] = -30;
    g.origin[2] = 500;
    assert_ok(rp_image_init(&s.image, &g, &err), err);
    assert_ok(rp_mask_init(&s.mask, &g, &err), err);
    for (int z = 0; z < nz; z++)
        for (int y = 0; y < ny; y++)
            for (int x = 0; x < nx; x++) {
                double px = (x - nx / 2) * sx, py = (y - ny / 2) * sx, pz = (z - nz / 2) * sz;
                double r = sqrt(px * px + py * py + pz * pz);
                bool in = r <= radius_mm * (1 + 0.2 * cos(3 * atan2(py, px)));
                size_t at = rp_grid_index(&g, x, y, z);
                s.image.data[at] = (float)(in ? 90 : 40 + 0.05 * x);
                s.mask.data[at] = in;
            }
    return s;
}

static void release_scan(scan *s)
{
    rp_image_release(&s->image);
    rp_mask_release(&s->mask);
}

static rp_simulate_options defaults(double change, uint64_t seed)
{
    rp_simulate_options o;
    rp_simulate_defaults(&o);
    o.change_percent = change;
    o.seed = seed;
    return o;
}

static double mean_inside(const rp_image *image, const rp_mask *mask)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < rp_grid_voxels(&image->grid); i++)
        if (mask->data[i]) {
            sum += image->data[i];
            count++;
        }
    return sum / count;
}

static void check_truth(const scan *s, const rp_simulate_options *o, double tolerance_mm)
{
    rp_simulated f = {0};
    rp_lesion before, after;
    rp_error err = {0};
    assert_ok(rp_simulate_followup(&s->image, &s->mask, o, NULL, &f, &err), err);
    assert_ok(rp_measure_mask(&s->mask, RP_DIAMETER_CONVEX, &before, &err), err);
    assert_ok(rp_measure_mask(&f.mask, RP_DIAMETER_CONVEX, &after, &err), err);
    assert_true(before.longest_diameter_mm == f.baseline_diameter_mm);
    assert_true(after.longest_diameter_mm == f.followup_diameter_mm);
    double base = f.baseline_diameter_mm;
    assert_close(f.followup_diameter_mm, base * (1 + o->change_percent / 100), tolerance_mm);
    assert_close(f.true_change_percent, 100 * (f.followup_diameter_mm / base - 1), 1e-9);
    for (size_t i = 0; i < rp_grid_voxels(&f.image.grid); i++)
        assert_true(isfinite(f.image.data[i]) && f.image.data[i] >= -1024 && f.mask.data[i] <= 1);
    /* The denser lesion is where the mask says. */
    assert_close(mean_inside(&f.image, &f.mask), 90 + o->density_change_hu, 6);
    rp_simulated_release(&f);
}

static void test_true_change(void **state)
{
    (void)state;
    static const double changes[] = {-80, -55, -40, -20, 0, 12, 25, 50};
    scan s = make_scan(80, 76, 40, 1.0, 2.5, 16);
    for (int i = 0; i < 8; i++) {
        rp_simulate_options o = defaults(changes[i], (uint64_t)i + 1);
        check_truth(&s, &o, 0.5);
    }
    release_scan(&s);
}

static void test_tiny_lesions(void **state)
{
    (void)state;
    for (int size = 1; size <= 4; size++) {
        scan s = make_scan(32, 32, 16, 1.0, 3.0, size * 0.9);
        rp_simulate_options o = defaults(size < 3 ? 0 : 25, 5);
        rp_simulated f = {0};
        rp_error err = {0};
        rp_status status = rp_simulate_followup(&s.image, &s.mask, &o, NULL, &f, &err);
        if (status == RP_OK) {
            double wanted = f.baseline_diameter_mm * (1 + o.change_percent / 100);
            assert_close(f.followup_diameter_mm, wanted, 0.53);
            assert_true(rp_mask_count(&f.mask) > 0);
        } else {
            assert_int_equal(status, RP_ERR_NUMERIC);
            assert_non_null(strstr(err.message, "too small"));
        }
        rp_simulated_release(&f);
        release_scan(&s);
    }
}

/* Nothing asked for, nothing done: every voxel of the overlap is the baseline's. */
static void test_nothing_changed(void **state)
{
    (void)state;
    scan s = make_scan(40, 40, 20, 1.0, 2.0, 9);
    rp_simulate_options o = {.seed = 3, .shift_given = true, .spacing = {1, 1, 2}};
    rp_simulated f = {0};
    rp_error err = {0};
    assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &f, &err), err);
    assert_close(f.scale, 1, 0.03);
    double worst = 0;
    for (int z = 4; z < 16; z++)
        for (int x = 4; x < 36; x++) {
            /* A corner column, far from the lesion's border. */
            double index[3] = {x, 2, z}, world[3];
            rp_grid_to_world(&f.image.grid, index, world);
            rp_grid_from_world(&s.image.grid, world, index);
            double expected = rp_sample_linear(s.image.data, s.image.grid.size, index);
            worst =
                fmax(worst, fabs(expected - f.image.data[rp_grid_index(&f.image.grid, x, 2, z)]));
        }
    assert_true(worst < 0.2);
    rp_simulated_release(&f);
    release_scan(&s);
}

/* The table's shift moves the lesion in the world by just so much. */
static void test_shift(void **state)
{
    (void)state;
    scan s = make_scan(60, 60, 30, 1.0, 2.0, 10);
    rp_simulate_options o = {.seed = 4, .shift_given = true, .shift_mm = {7, -5, 4}};
    rp_simulated f = {0};
    rp_lesion before, after;
    rp_error err = {0};
    assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &f, &err), err);
    assert_ok(rp_measure_mask(&s.mask, RP_DIAMETER_CONVEX, &before, &err), err);
    assert_ok(rp_measure_mask(&f.mask, RP_DIAMETER_CONVEX, &after, &err), err);
    for (int i = 0; i < 3; i++) {
        assert_close(after.centroid_lps[i] - before.centroid_lps[i], o.shift_mm[i], 0.3);
        assert_true(f.shift_mm[i] == o.shift_mm[i]);
    }
    rp_simulated_release(&f);
    release_scan(&s);
}

static void test_rotated_grid(void **state)
{
    (void)state;
    scan s = make_scan(60, 56, 30, 1.0, 2.0, 12);
    double direction[3][3] = {{0, -1, 0}, {0.6, 0, 0.8}, {-0.8, 0, 0.6}};
    memcpy(s.image.grid.direction, direction, sizeof direction);
    memcpy(s.mask.grid.direction, direction, sizeof direction);
    rp_simulate_options o = defaults(-30, 2);
    check_truth(&s, &o, 0.5);
    release_scan(&s);
}

static void test_random_defaults(void **state)
{
    (void)state;
    scan s = make_scan(48, 48, 24, 1.0, 2.0, 9);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        rp_simulate_options o = defaults(-20, seed);
        rp_simulated f = {0};
        rp_error err = {0};
        assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &f, &err), err);
        double length = hypot(hypot(f.shift_mm[0], f.shift_mm[1]), f.shift_mm[2]);
        assert_true(length > 0 && length <= 10);
        for (int i = 0; i < 3; i++) {
            double ratio = f.image.grid.spacing[i] / s.image.grid.spacing[i];
            assert_true(ratio >= 0.95 && ratio <= 1.05 && ratio != 1);
        }
        assert_true(rp_grid_same(&f.image.grid, &f.mask.grid, 0));
        rp_simulated_release(&f);
    }
    release_scan(&s);
}

static void assert_same_bits(const rp_simulated *a, const rp_simulated *b)
{
    size_t n = rp_grid_voxels(&a->image.grid);
    assert_memory_equal(&a->image.grid, &b->image.grid, sizeof a->image.grid);
    assert_memory_equal(a->image.data, b->image.data, n * sizeof *a->image.data);
    assert_memory_equal(a->mask.data, b->mask.data, n);
    assert_true(a->scale == b->scale && a->followup_diameter_mm == b->followup_diameter_mm);
}

static void test_deterministic(void **state)
{
    (void)state;
    scan s = make_scan(48, 48, 24, 1.0, 2.0, 9);
    rp_simulated f[3] = {0};
    rp_error err = {0};
    for (int i = 0; i < 3; i++) {
        rp_simulate_options o = defaults(-25, i == 2 ? 8 : 7);
        rp_threads_set(i == 1 ? 3 : 1);
        assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &f[i], &err), err);
    }
    rp_threads_set(0);
    assert_same_bits(&f[0], &f[1]);
    assert_true(f[0].shift_mm[0] != f[2].shift_mm[0]);
    assert_true(f[0].image.data[100] != f[2].image.data[100]);
    for (int i = 0; i < 3; i++) rp_simulated_release(&f[i]);
    release_scan(&s);
}

static void test_noise_and_rim(void **state)
{
    (void)state;
    scan s = make_scan(64, 64, 24, 1.0, 2.5, 10);
    rp_simulate_options o = {.seed = 2, .shift_given = true, .noise_hu = 10};
    rp_simulated noisy = {0}, plain = {0}, rimmed = {0};
    rp_error err = {0};
    assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &noisy, &err), err);
    o.noise_hu = 0;
    assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &plain, &err), err);
    o.rim_hu = -20;
    o.rim_mm = 6;
    assert_ok(rp_simulate_followup(&s.image, &s.mask, &o, NULL, &rimmed, &err), err);
    size_t n = rp_grid_voxels(&plain.image.grid);
    rp_image distance;
    assert_ok(rp_mask_distance(&plain.mask, &distance, &err), err);
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        double noise = noisy.image.data[i] - plain.image.data[i];
        double rim = rimmed.image.data[i] - plain.image.data[i];
        square += noise * noise;
        assert_true(rim <= 1e-3 && rim >= -20.001);
        if (distance.data[i] > 6) assert_true(rim == 0);
    }
    assert_close(sqrt(square / (double)n), 10, 0.3);
    double deepest = 0;
    for (size_t i = 0; i < n; i++)
        deepest = fmin(deepest, rimmed.image.data[i] - plain.image.data[i]);
    assert_true(deepest < -19);
    rp_image_release(&distance);
    rp_simulated_release(&noisy);
    rp_simulated_release(&plain);
    rp_simulated_release(&rimmed);
    release_scan(&s);
}

static void assert_refused(const scan *s, const rp_simulate_options *o, rp_status expected)
{
    rp_simulated f = {0};
    rp_error err = {0};
    assert_int_equal(rp_simulate_followup(&s->image, &s->mask, o, NULL, &f, &err), expected);
    assert_true(strlen(err.message) > 10);
    assert_null(f.image.data);
}

static void test_bad_input(void **state)
{
    (void)state;
    scan s = make_scan(24, 24, 12, 1.0, 2.0, 5);
    static const double changes[] = {-95, -100, NAN, INFINITY, 1000};
    for (int i = 0; i < 5; i++) {
        rp_simulate_options o = defaults(changes[i], 1);
        assert_refused(&s, &o, RP_ERR_ARGUMENT);
    }
    rp_simulate_options bad[7];
    for (int i = 0; i < 7; i++) bad[i] = defaults(-20, 1);
    bad[0].deformation_mm = 20;
    bad[1].deformation_scale_mm = 0;
    bad[2].noise_hu = -1;
    bad[3].rim_mm = NAN;
    bad[4].spacing[2] = -1;
    bad[5].shift_given = true;
    bad[5].shift_mm[1] = NAN;
    bad[6].deformation_mm = 1e-4;
    bad[6].deformation_scale_mm = 1e-3;
    for (int i = 0; i < 7; i++) assert_refused(&s, &bad[i], RP_ERR_ARGUMENT);
    /* Growth that does not fit into the image. */
    rp_simulate_options o = defaults(200, 1);
    assert_refused(&s, &o, RP_ERR_NUMERIC);
    o = defaults(-20, 1);
    s.mask.grid.origin[0] += 1;
    assert_refused(&s, &o, RP_ERR_ARGUMENT);
    s.mask.grid.origin[0] -= 1;
    memset(s.mask.data, 0, rp_grid_voxels(&s.mask.grid));
    assert_refused(&s, &o, RP_ERR_ARGUMENT);
    release_scan(&s);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_cancel_and_memory(void **state)
{
    (void)state;
    scan s = make_scan(24, 24, 12, 1.0, 2.0, 5);
    rp_simulate_options o = defaults(-20, 1);
    rp_progress progress = {.cancelled = always};
    rp_simulated f = {0};
    rp_error err = {0};
    assert_int_equal(rp_simulate_followup(&s.image, &s.mask, &o, &progress, &f, &err),
                     RP_ERR_CANCELLED);
    for (long n = 1; n < 40; n += 3) {
        rp_test_fail_allocation(n);
        rp_status status = rp_simulate_followup(&s.image, &s.mask, &o, NULL, &f, &err);
        rp_test_fail_allocation(0);
        assert_true(status == RP_OK || status == RP_ERR_MEMORY);
        if (status == RP_OK) rp_simulated_release(&f);
        assert_null(f.image.data);
    }
    release_scan(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_change),     cmocka_unit_test(test_tiny_lesions),
        cmocka_unit_test(test_nothing_changed), cmocka_unit_test(test_shift),
        cmocka_unit_test(test_rotated_grid),    cmocka_unit_test(test_random_defaults),
        cmocka_unit_test(test_deterministic),   cmocka_unit_test(test_noise_and_rim),
        cmocka_unit_test(test_bad_input),       cmocka_unit_test(test_cancel_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
