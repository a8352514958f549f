#include "volume_cases.h"

static double brute_force(const rp_mask *mask, int x, int y, int z)
{
    const rp_grid *g = &mask->grid;
    double best = INFINITY;
    for (int w = 0; w < g->size[2]; w++)
        for (int v = 0; v < g->size[1]; v++)
            for (int u = 0; u < g->size[0]; u++) {
                if (!mask->data[rp_grid_index(g, u, v, w)]) continue;
                double dx = (u - x) * g->spacing[0], dy = (v - y) * g->spacing[1];
                double dz = (w - z) * g->spacing[2];
                best = fmin(best, sqrt(dx * dx + dy * dy + dz * dz));
            }
    return best;
}

static void test_against_brute_force(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 7, 1, 0);
    for (int trial = 0; trial < 40; trial++) {
        int size[3];
        for (int a = 0; a < 3; a++) size[a] = 1 + (int)(rp_random_uniform(&r) * 18);
        rp_grid grid = rp_grid_make(size[0], size[1], size[2], rp_random_range(&r, 0.3, 4),
                                    rp_random_range(&r, 0.3, 4), rp_random_range(&r, 0.3, 4));
        rp_mask mask;
        rp_image distance;
        assert_ok(rp_mask_init(&mask, &grid, &err), err);
        double share = rp_random_range(&r, 0, 0.03); /* some masks stay empty */
        for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
            mask.data[i] = rp_random_uniform(&r) < share;
        assert_ok(rp_mask_distance(&mask, &distance, &err), err);
        for (int z = 0; z < size[2]; z++)
            for (int y = 0; y < size[1]; y++)
                for (int x = 0; x < size[0]; x++) {
                    double value = distance.data[rp_grid_index(&grid, x, y, z)];
                    double expected = brute_force(&mask, x, y, z);
                    if (expected == INFINITY)
                        assert_true(value == INFINITY);
                    else
                        assert_close(value, expected, 1e-6 * (1 + expected));
                }
        rp_mask_release(&mask);
        rp_image_release(&distance);
    }
}

/* scipy.ndimage.distance_transform_edt 1.10, sampling 3.27, 0.8, 0.977. */
static void test_against_scipy(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(23, 19, 17, 0.977, 0.8, 3.27);
    rp_mask mask = scattered_mask(&grid, 3, 1000);
    rp_image distance;
    assert_int_equal(rp_mask_count(&mask), 19);
    assert_ok(rp_mask_distance(&mask, &distance, &err), err);
    double sum = 0, most = 0;
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++) {
        sum += distance.data[i];
        most = fmax(most, distance.data[i]);
    }
    assert_close(sum, 50485.00745562476, 0.01);
    assert_close(most, 15.077097333372894, 1e-5);
    assert_close(distance.data[rp_grid_index(&grid, 22, 18, 16)], 7.039230142565308, 1e-5);
    assert_close(distance.data[rp_grid_index(&grid, 11, 9, 8)], 7.253097889867474, 1e-5);
    assert_close(distance.data[rp_grid_index(&grid, 5, 17, 3)], 10.639108468288121, 1e-5);
    rp_mask_release(&mask);
    rp_image_release(&distance);
}

static void test_same_bits_with_any_threads(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(37, 41, 29, 0.7, 0.9, 2.5);
    rp_mask mask = scattered_mask(&grid, 3, 1000);
    rp_image one, eight;
    rp_threads_set(1);
    assert_ok(rp_mask_distance(&mask, &one, &err), err);
    rp_threads_set(8);
    assert_ok(rp_mask_distance(&mask, &eight, &err), err);
    rp_threads_set(0);
    assert_memory_equal(one.data, eight.data, rp_grid_voxels(&grid) * sizeof(float));
    rp_image_release(&one);
    rp_image_release(&eight);
    rp_mask_release(&mask);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(9, 9, 9, 1, 1, 1);
    rp_mask mask = scattered_mask(&grid, 1, 4);
    rp_image distance;
    for (long n = 1; n <= 3; n++) {
        rp_test_fail_allocation(n);
        assert_int_equal(rp_mask_distance(&mask, &distance, &err), RP_ERR_MEMORY);
        assert_null(distance.data);
    }
    rp_test_fail_allocation(4);
    assert_ok(rp_mask_distance(&mask, &distance, &err), err);
    rp_test_fail_allocation(0);
    rp_image_release(&distance);
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_brute_force),
        cmocka_unit_test(test_against_scipy),
        cmocka_unit_test(test_same_bits_with_any_threads),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
