/* A lesion as it is found: the same one, point for point, in whatever order a file stores it. */
#include "../orders.h"

#include "reprise/track.h"

static rp_mask drop(void)
{
    rp_error err = {0};
    rp_mask mask;
    const rp_grid grid = rp_grid_make(24, 20, 16, 1, 1.5, 3);
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (int z = 0; z < 16; z++)
        for (int y = 0; y < 20; y++)
            for (int x = 0; x < 24; x++) {
                const double u = x - 9 - 0.4 * z, v = 1.5 * (y - 8), w = 3.0 * (z - 7);
                mask.data[rp_grid_index(&grid, x, y, z)] = u * u + 1.4 * v * v + w * w <= 64;
            }
    return mask;
}

static void test_in_any_order(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_mask mask = drop();
    rp_found want, found;
    assert_ok(rp_found_make(&mask, "A", RP_DIAMETER_CONVEX, &want, &err), err);
    for (int order = 0; order < ORDERS; order++) {
        rp_mask stored = order_mask(&mask, order);
        assert_ok(rp_found_make(&stored, "A", RP_DIAMETER_CONVEX, &found, &err), err);
        assert_true(rp_grid_same(&found.mask.grid, &want.mask.grid, 1e-4));
        assert_memory_equal(found.mask.data, want.mask.data, rp_grid_voxels(&want.mask.grid));
        const rp_lesion *a = &found.measured, *b = &want.measured;
        assert_true(a->longest_diameter_mm == b->longest_diameter_mm);
        double corner[3] = {0, 0, 0}, world[3];
        corner[a->slice_axis] = a->slice_index;
        rp_grid_to_world(&stored.grid, corner, world);
        for (int r = 0; r < 3; r++) {
            assert_close(a->slice_position_lps[r], world[r], 1e-9);
            assert_close(a->long_axis_lps[0][r], b->long_axis_lps[0][r], 1e-4);
        }
        rp_found_release(&found);
        rp_mask_release(&stored);
    }
    rp_found_release(&want);
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_any_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
