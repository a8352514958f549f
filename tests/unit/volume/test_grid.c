#include "volume_cases.h"

static void test_axis_aligned(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(4, 5, 6, 0.5, 2, 3);
    assert_ok(rp_grid_check(&grid, &err), err);
    assert_int_equal(rp_grid_voxels(&grid), 120);
    assert_true(rp_grid_voxel_mm3(&grid) == 3.0);
    assert_int_equal(rp_grid_index(&grid, 3, 4, 5), 119);
    assert_int_equal(rp_grid_index(&grid, 1, 2, 3), 3 * 20 + 2 * 4 + 1);
    double world[3];
    rp_grid_to_world(&grid, (const double[3]){2, 1, 0.5}, world);
    assert_true(world[0] == 1 && world[1] == 2 && world[2] == 1.5);
}

/* A patient seen from the side: x runs to posterior, y to the feet, z to the right. */
static void test_known_oblique_positions(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(10, 10, 10, 2, 3, 4);
    const double direction[3][3] = {{0, 0, -1}, {1, 0, 0}, {0, -1, 0}};
    memcpy(grid.direction, direction, sizeof direction);
    memcpy(grid.origin, (const double[3]){100, -50, 7}, sizeof grid.origin);
    double world[3], index[3];
    rp_grid_to_world(&grid, (const double[3]){1, 2, 3}, world);
    assert_true(world[0] == 100 - 12 && world[1] == -50 + 2 && world[2] == 7 - 6);
    rp_grid_from_world(&grid, world, index);
    for (int a = 0; a < 3; a++) assert_close(index[a], a + 1, 1e-12);
}

static void test_round_trip_any_orientation(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 5, 1, 0);
    for (int trial = 0; trial < 200; trial++) {
        rp_grid grid =
            rp_grid_make(64, 32, 16, rp_random_range(&r, 0.3, 5), 1.1, rp_random_range(&r, 0.3, 5));
        double angle[3], index[3], world[3], back[3];
        for (int a = 0; a < 3; a++) {
            angle[a] = rp_random_range(&r, -M_PI, M_PI);
            index[a] = rp_random_range(&r, -100, 600);
            grid.origin[a] = rp_random_range(&r, -2000, 2000);
        }
        set_direction(&grid, angle[0], angle[1], angle[2], trial % 2);
        assert_ok(rp_grid_check(&grid, &err), err);
        /* as much as a text file with four digits does to a direction */
        for (int c = 0; c < 3; c++) grid.direction[c][0] += rp_random_range(&r, -1e-4, 1e-4);
        assert_ok(rp_grid_check(&grid, &err), err);
        rp_grid_to_world(&grid, index, world);
        rp_grid_from_world(&grid, world, back);
        for (int a = 0; a < 3; a++) assert_close(back[a], index[a], 1e-8);
    }
}

static void assert_refused(rp_grid grid, const char *word)
{
    rp_error err;
    assert_int_equal(rp_grid_check(&grid, &err), RP_ERR_ARGUMENT);
    assert_int_equal(rp_grid_check(&grid, NULL), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, word));
}

static void test_bad_grids(void **state)
{
    (void)state;
    const rp_grid good = rp_grid_make(4, 4, 4, 1, 1, 1);
    rp_grid g = good;
    g.size[1] = 0;
    assert_refused(g, "voxels along y");
    g.size[1] = -3;
    assert_refused(g, "voxels along y");
    g = good;
    for (int a = 0; a < 3; a++) g.size[a] = INT32_MAX;
    assert_refused(g, "too large");
    const double spacings[] = {0, -1, NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        g = good;
        g.spacing[2] = spacings[i];
        assert_refused(g, "spacing along z");
    }
    g = good;
    g.origin[0] = NAN;
    assert_refused(g, "origin");
    g = good;
    g.direction[0][0] = 1.01;
    assert_refused(g, "perpendicular");
    g = good;
    g.direction[0][1] = 0.01;
    assert_refused(g, "perpendicular");
    g = good;
    g.direction[2][2] = NAN;
    assert_refused(g, "perpendicular");
    memset(g.direction, 0, sizeof g.direction);
    assert_refused(g, "perpendicular");
}

static void test_same(void **state)
{
    (void)state;
    rp_grid a = rp_grid_make(100, 100, 50, 1, 1, 2), b = a;
    assert_true(rp_grid_same(&a, &b, 0));
    b.origin[1] += 0.01;
    assert_true(rp_grid_same(&a, &b, 0.02));
    assert_false(rp_grid_same(&a, &b, 0.005));
    b = a;
    b.spacing[0] = 1.001; /* nothing at the first voxel, 0.1 mm at the last */
    assert_false(rp_grid_same(&a, &b, 0.05));
    assert_true(rp_grid_same(&a, &b, 0.11));
    b = a;
    b.size[2]++;
    assert_false(rp_grid_same(&a, &b, 100));
    b = a;
    set_direction(&b, 0.01, 0, 0, false);
    assert_false(rp_grid_same(&a, &b, 0.5));
    b.origin[0] = NAN;
    assert_false(rp_grid_same(&a, &b, 1e9));
}

static void test_relations(void **state)
{
    (void)state;
    rp_grid a = rp_grid_make(12, 10, 8, 0.9, 1.1, 2.5), b;
    set_direction(&a, 0.3, 0.1, -0.2, true);
    a.origin[0] = -123.4;
    for (int way = 0; way < 48; way++) {
        b = stored_otherwise(&a, way);
        assert_int_equal(rp_grid_relate(&a, &b, 1e-3), way ? RP_GRID_REORDERED : RP_GRID_SAME);
        b.origin[2] += 0.3;
        assert_int_equal(rp_grid_relate(&a, &b, 0.2), RP_GRID_OTHER);
        assert_int_equal(rp_grid_relate(&a, &b, 0.4), way ? RP_GRID_REORDERED : RP_GRID_SAME);
    }
    b = a;
    b.size[0]++;
    assert_int_equal(rp_grid_relate(&a, &b, 100), RP_GRID_OTHER);
    b = rp_grid_make(12, 10, 8, 0.9, 1.1, 2.5); /* x mirrored about its first voxel */
    a = b;
    b.direction[0][0] = -1;
    assert_close(rp_grid_apart_mm(&a, &b), 2 * 11 * 0.9, 1e-9);
}

static void test_respaced_keeps_the_box(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(100, 60, 21, 1, 1, 3);
    set_direction(&grid, 0.3, -0.2, 0.7, true);
    grid.origin[0] = 12;
    const double spacing[3] = {1.5, 2, 1000};
    rp_grid out = rp_grid_respaced(&grid, spacing);
    assert_int_equal(out.size[0], 67); /* 66.7 */
    assert_int_equal(out.size[1], 30);
    assert_int_equal(out.size[2], 1);
    const double middle_in[3] = {49.5, 29.5, 10}, middle_out[3] = {33, 14.5, 0};
    double a[3], b[3];
    rp_grid_to_world(&grid, middle_in, a);
    rp_grid_to_world(&out, middle_out, b);
    for (int r = 0; r < 3; r++) assert_close(a[r], b[r], 1e-9);
    assert_memory_equal(out.direction, grid.direction, sizeof out.direction);

    rp_grid unchanged = rp_grid_respaced(&grid, grid.spacing);
    assert_true(rp_grid_same(&grid, &unchanged, 1e-9));

    /* Along y both boxes are 60 mm: the edges coincide. */
    rp_grid_to_world(&grid, (const double[3]){49.5, -0.5, 10}, a);
    rp_grid_to_world(&out, (const double[3]){33, -0.5, 0}, b);
    for (int r = 0; r < 3; r++) assert_close(a[r], b[r], 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_axis_aligned),
        cmocka_unit_test(test_known_oblique_positions),
        cmocka_unit_test(test_round_trip_any_orientation),
        cmocka_unit_test(test_bad_grids),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_relations),
        cmocka_unit_test(test_respaced_keeps_the_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
