#include "../orders.h"
#include "volume_cases.h"

static rp_image numbered(const rp_grid *grid)
{
    rp_error err;
    rp_image image;
    assert_ok(rp_image_init(&image, grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(grid); i++) image.data[i] = (float)i;
    return image;
}

static rp_grid tilted(double az, double ax, double ay)
{
    rp_grid grid = rp_grid_make(3, 4, 5, 0.7, 0.8, 2.5);
    memcpy(grid.origin, (const double[3]){-101.5, 33.25, 12.125}, sizeof grid.origin);
    set_direction(&grid, az, ax, ay, false);
    return rp_grid_canonical(&grid);
}

/* A volume in canonical order, stored in each order, comes back as it was; and the way back gives
 * what was stored. */
static void check_all_orders(const rp_grid *grid)
{
    rp_error err;
    const rp_orientation own = rp_grid_orientation(grid);
    assert_true(rp_orientation_is_canonical(&own));
    rp_image image = numbered(grid);
    rp_mask mask = scattered_mask(grid, 1, 3);
    const size_t voxels = rp_grid_voxels(grid);
    for (int order = 0; order < ORDERS; order++) {
        rp_image stored = order_image(&image, order), made, back;
        rp_mask stored_mask = order_mask(&mask, order), made_mask, back_mask;
        const rp_image *seen;
        const rp_mask *seen_mask;
        assert_ok(rp_image_canonical(&stored, &made, &seen, &err), err);
        assert_ok(rp_mask_canonical(&stored_mask, &made_mask, &seen_mask, &err), err);
        assert_true((seen == &stored) == (order == 0));
        assert_memory_equal(seen->grid.size, grid->size, sizeof grid->size);
        assert_memory_equal(seen->grid.spacing, grid->spacing, sizeof grid->spacing);
        assert_true(rp_grid_same(&seen->grid, grid, 1e-4));
        assert_true(rp_image_same(&stored, &image, 1e-4));
        stored.data[voxels / 2]++;
        assert_false(rp_image_same(&stored, &image, 1e-4));
        stored.data[voxels / 2]--;
        assert_memory_equal(seen->data, image.data, voxels * sizeof *image.data);
        assert_memory_equal(seen_mask->data, mask.data, voxels);
        assert_ok(rp_image_copy(seen, &back, &err), err);
        assert_ok(rp_mask_copy(seen_mask, &back_mask, &err), err);
        assert_ok(rp_image_restore(&back, &stored.grid, &err), err);
        assert_ok(rp_mask_restore(&back_mask, &stored.grid, &err), err);
        assert_memory_equal(&back.grid, &stored.grid, sizeof back.grid);
        assert_memory_equal(back.data, stored.data, voxels * sizeof *back.data);
        assert_memory_equal(back_mask.data, stored_mask.data, voxels);
        rp_image_release(&stored);
        rp_image_release(&made);
        rp_image_release(&back);
        rp_mask_release(&stored_mask);
        rp_mask_release(&made_mask);
        rp_mask_release(&back_mask);
    }
    rp_image_release(&image);
    rp_mask_release(&mask);
}

static void test_all_orders(void **state)
{
    (void)state;
    const double turn = M_PI / 4;
    const double angles[][3] = {{0, 0, 0},     {0.3, -0.2, 0.25}, {0, turn, 0},    {turn, 0, 0},
                                {0, 0, -turn}, {turn, turn, 0.1}, {0.6, 0.7, -0.5}};
    for (size_t i = 0; i < sizeof angles / sizeof *angles; i++) {
        const rp_grid grid = tilted(angles[i][0], angles[i][1], angles[i][2]);
        check_all_orders(&grid);
    }
}

/* A sagittal CT: x runs to the back, y to the feet, z to the right. */
static void test_known_orientation(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(10, 20, 30, 2, 3, 4);
    const double direction[3][3] = {{0, 0, -1}, {1, 0, 0}, {0, -1, 0}};
    memcpy(grid.direction, direction, sizeof direction);
    const rp_orientation o = rp_grid_orientation(&grid);
    assert_true(o.axis[0] == 2 && o.axis[1] == 0 && o.axis[2] == 1);
    assert_true(o.flip[0] && !o.flip[1] && o.flip[2]);
    const rp_grid canonical = rp_grid_canonical(&grid);
    const int size[3] = {30, 10, 20};
    const double spacing[3] = {4, 2, 3}, origin[3] = {-29 * 4, 0, -19 * 3};
    assert_memory_equal(canonical.size, size, sizeof size);
    assert_memory_equal(canonical.spacing, spacing, sizeof spacing);
    assert_memory_equal(canonical.origin, origin, sizeof origin);
    for (int r = 0; r < 3; r++)
        for (int a = 0; a < 3; a++) assert_true(canonical.direction[r][a] == (r == a));
    double index[3], again[3];
    rp_orientation_to_stored(&o, &grid, (const double[3]){1.5, 2, 3}, index);
    assert_true(index[0] == 2 && index[1] == 16 && index[2] == 27.5);
    rp_orientation_from_stored(&o, &grid, index, again);
    assert_true(again[0] == 1.5 && again[1] == 2 && again[2] == 3);
    const rp_strides s = rp_orientation_strides(&o, &grid);
    assert_int_equal((ptrdiff_t)s.first + s.step[0] + 2 * s.step[1] + 3 * s.step[2],
                     rp_grid_index(&grid, 2, 16, 28));
}

/* Every allocation may fail: what was there stays, and nothing is lost. */
static void test_allocation_failures(void **state)
{
    (void)state;
    rp_error err;
    const rp_grid grid = rp_grid_make(3, 4, 5, 1, 1, 1), turned = order_grid(&grid, 29);
    rp_image image = numbered(&turned), made;
    rp_mask mask = scattered_mask(&turned, 1, 2), made_mask;
    const rp_image *seen;
    const rp_mask *seen_mask;
    rp_test_fail_allocation(1);
    assert_int_equal(rp_image_canonical(&image, &made, &seen, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_mask_canonical(&mask, &made_mask, &seen_mask, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_image_restore(&image, &turned, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(1);
    assert_int_equal(rp_mask_restore(&mask, &turned, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(0);
    assert_non_null(image.data);
    assert_non_null(mask.data);
    assert_null(made.data);
    assert_null(made_mask.data);
    rp_image_release(&image);
    rp_mask_release(&mask);
}

static void test_plane(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(5, 5, 5, 0.8, 0.8, 3);
    assert_int_equal(rp_grid_slice_axis(&grid), 2);
    assert_close(rp_grid_oblique_degrees(&grid), 0, 1e-9);
    const double thin[3] = {0.9, 0.9, 0.6}, coronal[3] = {1, 3, 1};
    memcpy(grid.spacing, thin, sizeof thin);
    assert_int_equal(rp_grid_slice_axis(&grid), 2);
    memcpy(grid.spacing, coronal, sizeof coronal);
    assert_int_equal(rp_grid_slice_axis(&grid), 1);
    set_direction(&grid, 0.4, 35 * M_PI / 180, 0, true);
    assert_close(rp_grid_oblique_degrees(&grid), 35, 1e-9);
    for (int order = 0; order < ORDERS; order++) {
        const rp_grid stored = order_grid(&grid, order);
        assert_close(rp_grid_oblique_degrees(&stored), 35, 1e-9);
        assert_int_equal(order_axis(order, rp_grid_slice_axis(&stored)), 1);
    }
}

/* Components of one size are numbered by their place in the patient. */
static void test_components_in_any_order(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(9, 8, 7, 1, 1, 2);
    rp_mask mask;
    rp_labels labels, want;
    int32_t count;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++) mask.data[i] = scramble(i) % 7 == 0;
    assert_ok(rp_mask_components(&mask, 6, &want, &count, NULL, &err), err);
    assert_true(count > 20);
    for (int order = 0; order < ORDERS; order++) {
        rp_mask stored = order_mask(&mask, order);
        assert_ok(rp_mask_components(&stored, 6, &labels, &count, NULL, &err), err);
        size_t i = 0;
        for (int z = 0; z < stored.grid.size[2]; z++)
            for (int y = 0; y < stored.grid.size[1]; y++)
                for (int x = 0; x < stored.grid.size[0]; x++)
                    assert_int_equal(labels.data[i++],
                                     want.data[order_source(&grid, order, x, y, z)]);
        rp_labels_release(&labels);
        rp_mask_release(&stored);
    }
    rp_labels_release(&want);
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_orders),
        cmocka_unit_test(test_known_orientation),
        cmocka_unit_test(test_plane),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_components_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
