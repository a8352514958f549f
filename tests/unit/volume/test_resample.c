#include "volume_cases.h"

/* Linear in the world's coordinates: every trilinear interpolation between voxels gives it back. */
static double ramp(const double world[3])
{
    return 3 + 0.5 * world[0] - 0.25 * world[1] + 0.125 * world[2];
}

static rp_image ramp_image(const rp_grid *grid)
{
    rp_error err;
    rp_image image;
    assert_ok(rp_image_init(&image, grid, &err), err);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                double world[3];
                rp_grid_to_world(grid, (const double[3]){x, y, z}, world);
                image.data[rp_grid_index(grid, x, y, z)] = (float)ramp(world);
            }
    return image;
}

static void test_sample_linear(void **state)
{
    (void)state;
    const int size[3] = {3, 2, 2};
    const float data[12] = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112};
    const double inside[3] = {1.25, 0.5, 0.75}, below[3] = {-4, -0.2, -1e300};
    const double above[3] = {9, 1.4, 1e300}, last[3] = {2, 1, 1}, nowhere[3] = {NAN, NAN, NAN};
    assert_close(rp_sample_linear(data, size, inside), 1.25 + 5 + 75, 1e-5);
    assert_true(rp_sample_linear(data, size, below) == 0);
    assert_true(rp_sample_linear(data, size, above) == 112);
    assert_true(rp_sample_linear(data, size, last) == 112);
    assert_true(rp_sample_linear(data, size, nowhere) == 0);
    assert_true(rp_sample_linear(data, (const int[3]){1, 1, 1}, inside) == 0);
}

/* Oblique and left-handed grids onto each other: the ramp inside, `outside` beyond half a voxel. */
static void test_ramp_between_any_grids(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 8, 1, 0);
    size_t within = 0, beyond = 0;
    for (int trial = 0; trial < 40; trial++) {
        rp_grid from = rp_grid_make(20, 17, 11, 1.1, 0.9, 2.7), to = from;
        for (int a = 0; a < 3; a++) {
            from.origin[a] = rp_random_range(&r, -500, 500);
            to.origin[a] = from.origin[a] + rp_random_range(&r, -5, 5);
            to.spacing[a] = rp_random_range(&r, 0.6, 2);
            to.size[a] = 5 + (int)(rp_random_uniform(&r) * 20);
        }
        double angle = rp_random_range(&r, -3, 3);
        set_direction(&from, angle, 0.4, -0.3, trial % 2);
        set_direction(&to, angle + 0.2, 0.3, -0.2, trial % 3 == 0);
        rp_image image = ramp_image(&from), out;
        assert_ok(rp_image_resample(&image, &to, -9999, &out, &err), err);
        for (int z = 0; z < to.size[2]; z++)
            for (int y = 0; y < to.size[1]; y++)
                for (int x = 0; x < to.size[0]; x++) {
                    double world[3], index[3];
                    rp_grid_to_world(&to, (const double[3]){x, y, z}, world);
                    rp_grid_from_world(&from, world, index);
                    double least = INFINITY; /* distance inside the outermost centres */
                    for (int a = 0; a < 3; a++)
                        least = fmin(least, fmin(index[a], from.size[a] - 1 - index[a]));
                    float value = out.data[rp_grid_index(&to, x, y, z)];
                    if (least >= 0) assert_close(value, ramp(world), 1e-3);
                    if (least < -0.501) assert_true(value == -9999);
                    if (least > -0.499) assert_true(value != -9999);
                    within += least >= 0;
                    beyond += least < -0.501;
                }
        rp_image_release(&image);
        rp_image_release(&out);
    }
    assert_true(within > 10000 && beyond > 10000);
}

static void test_border_repeats_for_half_a_voxel(void **state)
{
    (void)state;
    rp_error err;
    rp_grid from = rp_grid_make(2, 1, 1, 1, 1, 1), to = rp_grid_make(7, 1, 1, 0.5, 1, 1);
    to.origin[0] = -1;
    rp_image image, out;
    assert_ok(rp_image_init(&image, &from, &err), err);
    image.data[0] = 10;
    image.data[1] = 20;
    assert_ok(rp_image_resample(&image, &to, -1, &out, &err), err);
    const float expected[7] = {-1, 10, 10, 15, 20, 20, -1};
    for (int i = 0; i < 7; i++) assert_true(out.data[i] == expected[i]);
    rp_image_release(&image);
    rp_image_release(&out);
}

static void test_identity_copies(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(13, 11, 7, 0.977, 0.977, 3.27);
    set_direction(&grid, 0.1, 0.2, 0.3, false);
    grid.origin[2] = -1234.567;
    rp_mask mask = scattered_mask(&grid, 1, 2), mask_out;
    rp_image image, image_out;
    assert_ok(rp_image_init(&image, &grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++) image.data[i] = (float)scramble(i);
    assert_ok(rp_image_resample(&image, &grid, 0, &image_out, &err), err);
    assert_ok(rp_mask_resample(&mask, &grid, &mask_out, &err), err);
    assert_memory_equal(image.data, image_out.data, rp_grid_voxels(&grid) * sizeof(float));
    assert_memory_equal(mask.data, mask_out.data, rp_grid_voxels(&grid));
    rp_image_release(&image);
    rp_image_release(&image_out);
    rp_mask_release(&mask);
    rp_mask_release(&mask_out);
}

static void test_same_bits_with_any_threads(void **state)
{
    (void)state;
    rp_error err;
    rp_grid from = rp_grid_make(30, 31, 32, 1, 1, 1), to = rp_grid_make(33, 29, 21, 0.9, 1.1, 1.3);
    set_direction(&to, 0.1, -0.1, 0.05, false);
    rp_image image, one, eight;
    assert_ok(rp_image_init(&image, &from, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&from); i++) image.data[i] = (float)(scramble(i) % 3000);
    rp_threads_set(1);
    assert_ok(rp_image_resample(&image, &to, 0, &one, &err), err);
    rp_threads_set(8);
    assert_ok(rp_image_resample(&image, &to, 0, &eight, &err), err);
    rp_threads_set(0);
    assert_memory_equal(one.data, eight.data, rp_grid_voxels(&to) * sizeof(float));
    rp_image_release(&image);
    rp_image_release(&one);
    rp_image_release(&eight);
}

static void test_failures(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(4, 4, 4, 1, 1, 1), bad = grid;
    bad.spacing[0] = 0;
    rp_mask mask = scattered_mask(&grid, 1, 2), mask_out;
    rp_image image = ramp_image(&grid), image_out;
    assert_int_equal(rp_image_resample(&image, &bad, 0, &image_out, &err), RP_ERR_ARGUMENT);
    assert_int_equal(rp_mask_resample(&mask, &bad, &mask_out, &err), RP_ERR_ARGUMENT);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_image_resample(&image, &grid, 0, &image_out, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_mask_resample(&mask, &grid, &mask_out, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(0);
    assert_true(!image_out.data && !mask_out.data);
    rp_image_release(&image);
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_linear),
        cmocka_unit_test(test_ramp_between_any_grids),
        cmocka_unit_test(test_border_repeats_for_half_a_voxel),
        cmocka_unit_test(test_identity_copies),
        cmocka_unit_test(test_same_bits_with_any_threads),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
