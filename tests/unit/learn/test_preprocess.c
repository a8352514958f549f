/* Window, working grid and smoothing before downsampling. */
#include "fixture.h"

static void test_window_on_the_same_grid(void **state)
{
    (void)state;
    const float hu[] = {-3024, -1000, -150, -149, 0, 50, 249, 250, 251, 3000};
    const double expected[] = {0, 0, 0, 0.0025, 0.375, 0.5, 0.9975, 1, 1, 1};
    rp_error err = {0};
    rp_grid grid = rp_grid_make(10, 1, 1, 1.5, 1.5, 3.0);
    rp_preprocessing p;
    rp_image image = {0}, out = {0};
    rp_preprocessing_defaults(&p);
    assert_ok(rp_image_init(&image, &grid, &err), err);
    memcpy(image.data, hu, sizeof hu);
    assert_ok(rp_preprocess_image(&p, &image, &out, &err), err);
    assert_true(rp_grid_same(&grid, &out.grid, 1e-9));
    for (int i = 0; i < 10; i++) assert_close(out.data[i], expected[i], 1e-7);
    rp_image_release(&image);
    rp_image_release(&out);
}

/* A ramp along each axis stays a ramp, whatever the grids, away from the borders. */
static void check_ramp(rp_grid grid)
{
    rp_error err = {0};
    rp_preprocessing p;
    rp_image image = {0}, out = {0};
    rp_preprocessing_defaults(&p);
    assert_ok(rp_image_init(&image, &grid, &err), err);
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            for (int x = 0; x < grid.size[0]; x++)
                image.data[rp_grid_index(&grid, x, y, z)] =
                    (float)(x * grid.spacing[0] + 0.5 * y * grid.spacing[1] -
                            0.3 * z * grid.spacing[2]);
    assert_ok(rp_preprocess_image(&p, &image, &out, &err), err);
    for (int a = 0; a < 3; a++) {
        assert_close(out.grid.spacing[a], p.spacing[a], 1e-12);
        assert_true(abs(out.grid.size[a] -
                        (int)lround(grid.size[a] * grid.spacing[a] / p.spacing[a])) <= 0);
    }
    const int *n = out.grid.size;
    int compared = 0;
    for (int z = 2; z < n[2] - 2; z++)
        for (int y = 4; y < n[1] - 4; y++)
            for (int x = 4; x < n[0] - 4; x++, compared++) {
                const double index[3] = {x, y, z};
                double world[3];
                rp_grid_to_world(&out.grid, index, world);
                double hu = world[0] + 0.5 * world[1] - 0.3 * world[2];
                assert_close(out.data[rp_grid_index(&out.grid, x, y, z)], (hu + 150) / 400, 1e-5);
            }
    assert_true(compared > 100);
    rp_image_release(&image);
    rp_image_release(&out);
}

static void test_ramp(void **state)
{
    (void)state;
    check_ramp(rp_grid_make(60, 50, 30, 0.7, 0.9, 1.25));
    check_ramp(rp_grid_make(30, 30, 20, 1.5, 1.5, 3.27));
    check_ramp(rp_grid_make(20, 24, 12, 2.5, 2.5, 5.0));
}

/* Stripes finer than the working grid must fade, not turn into coarse stripes. */
static double stripe_range(double spacing, int period)
{
    rp_error err = {0};
    rp_preprocessing p;
    rp_image image = {0}, out = {0};
    rp_grid grid = rp_grid_make(240, 4, 4, spacing, 1.5, 3.0);
    rp_preprocessing_defaults(&p);
    assert_ok(rp_image_init(&image, &grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        image.data[i] = (i % 240) / (size_t)period % 2 ? 250.0f : -150.0f;
    assert_ok(rp_preprocess_image(&p, &image, &out, &err), err);
    float low = 1, high = 0;
    for (int x = 5; x < out.grid.size[0] - 5; x++) {
        low = fminf(low, out.data[x]);
        high = fmaxf(high, out.data[x]);
    }
    rp_image_release(&image);
    rp_image_release(&out);
    return (double)(high - low);
}

static void test_fine_stripes_fade(void **state)
{
    (void)state;
    assert_true(stripe_range(0.4, 1) < 0.05);  /* 0.8 mm period */
    assert_true(stripe_range(0.4, 20) > 0.95); /* 16 mm period */
    assert_true(stripe_range(1.4, 1) > 0.9);   /* nearly equal spacing: plainly linear */
}

static void test_refusals(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_preprocessing p;
    rp_image image = {0}, out = {0};
    rp_grid grid = rp_grid_make(3, 3, 3, 1, 1, 1);
    rp_preprocessing_defaults(&p);
    assert_ok(rp_image_init(&image, &grid, &err), err);
    image.data[7] = NAN;
    image.data[9] = INFINITY;
    assert_int_equal(rp_preprocess_image(&p, &image, &out, &err), RP_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "2 voxels"));
    assert_null(out.data);
    image.data[7] = image.data[9] = 0;
    p.window_high_hu = p.window_low_hu;
    assert_int_equal(rp_preprocess_image(&p, &image, &out, &err), RP_ERR_ARGUMENT);
    rp_preprocessing_defaults(&p);
    p.spacing[1] = 0;
    assert_int_equal(rp_preprocess_image(&p, &image, &out, &err), RP_ERR_ARGUMENT);
    rp_preprocessing_defaults(&p);
    p.spacing[1] = NAN;
    assert_int_equal(rp_preprocess_image(&p, &image, &out, &err), RP_ERR_ARGUMENT);
    rp_preprocessing_defaults(&p);
    for (long n = 1; n < 20; n++) { /* every allocation in turn */
        rp_test_fail_allocation(n);
        rp_status status = rp_preprocess_image(&p, &image, &out, &err);
        rp_test_fail_allocation(0);
        if (!status) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_null(out.data);
        assert_true(n < 19);
    }
    rp_image_release(&out);
    rp_image_release(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_on_the_same_grid),
        cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_fine_stripes_fade),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
