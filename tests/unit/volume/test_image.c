#include "volume_cases.h"

static void test_init_zeroes_and_release_repeats(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(3, 4, 5, 1, 2, 3);
    rp_image image;
    rp_mask mask;
    rp_labels labels;
    assert_ok(rp_image_init(&image, &grid, &err), err);
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    assert_ok(rp_labels_init(&labels, &grid, &err), err);
    for (int i = 0; i < 60; i++)
        assert_true(image.data[i] == 0 && mask.data[i] == 0 && labels.data[i] == 0);
    assert_memory_equal(&image.grid, &grid, sizeof grid);
    for (int twice = 0; twice < 2; twice++) {
        rp_image_release(&image);
        rp_mask_release(&mask);
        rp_labels_release(&labels);
        assert_true(!image.data && !mask.data && !labels.data);
    }
    rp_image_release(NULL);
    rp_mask_release(NULL);
    rp_labels_release(NULL);
}

static void test_init_refuses_and_leaves_nothing(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(3, 0, 5, 1, 2, 3);
    rp_image image;
    assert_int_equal(rp_image_init(&image, &grid, &err), RP_ERR_ARGUMENT);
    assert_null(image.data);
    grid.size[1] = 4;
    rp_test_fail_allocation(1);
    assert_int_equal(rp_image_init(&image, &grid, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(0);
    assert_null(image.data);
    assert_non_null(strstr(err.message, "3 x 4 x 5"));
}

static void test_copy(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(7, 5, 3, 1, 1, 1);
    rp_mask mask = scattered_mask(&grid, 1, 2), mask_copy;
    rp_image image, image_copy;
    assert_ok(rp_image_init(&image, &grid, &err), err);
    for (size_t i = 0; i < 105; i++) image.data[i] = (float)scramble(i);
    assert_ok(rp_image_copy(&image, &image_copy, &err), err);
    assert_ok(rp_mask_copy(&mask, &mask_copy, &err), err);
    assert_ptr_not_equal(image.data, image_copy.data);
    assert_memory_equal(image.data, image_copy.data, 105 * sizeof(float));
    assert_memory_equal(mask.data, mask_copy.data, 105);
    rp_image_release(&image);
    rp_image_release(&image_copy);
    rp_mask_release(&mask_copy);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_mask_copy(&mask, &mask_copy, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(0);
    assert_null(mask_copy.data);
    rp_mask_release(&mask);
}

static void test_labels_to_masks(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(4, 1, 1, 1, 1, 1);
    rp_labels labels;
    rp_mask mask;
    assert_ok(rp_labels_init(&labels, &grid, &err), err);
    memcpy(labels.data, (const int32_t[4]){0, 300, -1, 300}, 4 * sizeof(int32_t));
    assert_ok(rp_labels_select(&labels, 300, &mask, &err), err);
    assert_memory_equal(mask.data, ((const uint8_t[4]){0, 1, 0, 1}), 4);
    assert_int_equal(rp_mask_count(&mask), 2);
    rp_mask_release(&mask);
    assert_ok(
        rp_labels_select_region(&labels, (const int32_t[2]){300, labels.data[1]}, 2, &mask, &err),
        err);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mask.data[i], labels.data[i] == 300 || labels.data[i] == labels.data[1]);
    rp_mask_release(&mask);
    assert_ok(rp_labels_any(&labels, &mask, &err), err);
    assert_memory_equal(mask.data, ((const uint8_t[4]){0, 1, 1, 1}), 4);
    rp_mask_release(&mask);
    rp_labels_release(&labels);
}

static void test_bounds(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(9, 8, 7, 1, 1, 1);
    rp_mask mask;
    int low[3], high[3];
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    assert_false(rp_mask_bounds(&mask, low, high));
    mask.data[rp_grid_index(&grid, 2, 7, 3)] = 1;
    assert_true(rp_mask_bounds(&mask, low, high));
    assert_true(low[0] == 2 && low[1] == 7 && low[2] == 3);
    assert_true(high[0] == 2 && high[1] == 7 && high[2] == 3);
    mask.data[rp_grid_index(&grid, 5, 0, 5)] = 1;
    mask.data[rp_grid_index(&grid, 0, 4, 4)] = 1;
    assert_true(rp_mask_bounds(&mask, low, high));
    assert_true(low[0] == 0 && low[1] == 0 && low[2] == 3);
    assert_true(high[0] == 5 && high[1] == 7 && high[2] == 5);
    rp_mask_release(&mask);
}

static void test_centroid_and_outside(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(9, 8, 7, 1, 2, 3), other = rp_grid_make(3, 8, 20, 1, 2, 1.5);
    rp_mask mask;
    double at[3];
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    assert_false(rp_mask_centroid(&mask, at));
    for (int x = 1; x < 5; x++) mask.data[rp_grid_index(&grid, x, 4, 5)] = 1;
    assert_true(rp_mask_centroid(&mask, at));
    assert_true(at[0] == 2.5 && at[1] == 8 && at[2] == 15);
    assert_int_equal(rp_mask_count_outside(&mask, &grid), 0);
    assert_int_equal(rp_mask_count_outside(&mask, &other), 2); /* x of 3 and 4; it ends at 2.5 */
    other.origin[0] = 0.5;
    assert_int_equal(rp_mask_count_outside(&mask, &other), 1); /* at the very edge is within */
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_zeroes_and_release_repeats),
        cmocka_unit_test(test_init_refuses_and_leaves_nothing),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_labels_to_masks),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_centroid_and_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
