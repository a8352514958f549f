#include "test.h"

#include <math.h>

#include "reprise/volume.h"

/* A random slice whose voxels are inside with the given share; blocky ones have holes and islands,
 * sparse ones diagonal contacts. */
static rp_mask random_slice(rp_random *r, int nx, int ny, double share)
{
    rp_error err;
    rp_grid grid = rp_grid_make(nx, ny, 3, 1, 1, 1);
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++) mask.data[i] = rp_random_uniform(r) < share;
    return mask;
}

static double total_area(const rp_contours *contours)
{
    double sum = 0;
    for (size_t i = 0; i < contours->count; i++) sum += rp_contour_signed_area(&contours->items[i]);
    return sum;
}

static bool whole(double value)
{
    return value == floor(value);
}

/* Every point has one whole coordinate, the other midway, between an inside and an outside voxel.
 */
static void check_points(const rp_mask *mask, int z, const rp_contours *contours)
{
    for (size_t c = 0; c < contours->count; c++) {
        assert_true(contours->items[c].count >= 4);
        for (size_t i = 0; i < contours->items[c].count; i++) {
            rp_point2 p = contours->items[c].points[i];
            assert_true(whole(2 * p.x) && whole(2 * p.y) && whole(p.x) != whole(p.y));
            int found = 0;
            for (int side = -1; side <= 1; side += 2) {
                int x = (int)(whole(p.x) ? p.x : p.x + side * 0.5);
                int y = (int)(whole(p.y) ? p.y : p.y + side * 0.5);
                if (x < 0 || y < 0 || x >= mask->grid.size[0] || y >= mask->grid.size[1]) continue;
                found += mask->data[rp_grid_index(&mask->grid, x, y, z)];
            }
            assert_int_equal(found, 1);
        }
    }
}

static void test_fill_gives_back_the_mask(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 1, 1, 0);
    size_t holes = 0, outlines = 0;
    for (int trial = 0; trial < 300; trial++) {
        int nx = 1 + (int)(rp_random_uniform(&r) * 24), ny = 1 + (int)(rp_random_uniform(&r) * 24);
        rp_mask mask = random_slice(&r, nx, ny, 0.05 + 0.9 * rp_random_uniform(&r)), back;
        assert_ok(rp_mask_init(&back, &mask.grid, &err), err);
        for (int z = 0; z < 3; z++) {
            rp_contours contours;
            assert_ok(rp_contours_trace(&mask, z, &contours, &err), err);
            check_points(&mask, z, &contours);
            rp_contours_fill(&contours, &back, z);
            for (size_t i = 0; i < contours.count; i++)
                holes += rp_contour_signed_area(&contours.items[i]) < 0;
            outlines += contours.count;
            rp_contours_release(&contours);
        }
        assert_memory_equal(mask.data, back.data, rp_grid_voxels(&mask.grid));
        rp_mask_release(&mask);
        rp_mask_release(&back);
    }
    assert_true(holes > 100 && outlines > 2 * holes);
}

static rp_mask drawn(const char *const *rows, int nx, int ny)
{
    rp_error err;
    rp_mask mask;
    rp_grid grid = rp_grid_make(nx, ny, 1, 1, 1, 1);
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (int y = 0; y < ny; y++)
        for (int x = 0; x < nx; x++) mask.data[y * nx + x] = rows[y][x] == '#';
    return mask;
}

static void test_one_voxel(void **state)
{
    (void)state;
    rp_error err;
    rp_mask mask = drawn((const char *[]){"#"}, 1, 1);
    rp_contours contours;
    assert_ok(rp_contours_trace(&mask, 0, &contours, &err), err);
    assert_int_equal(contours.count, 1);
    assert_int_equal(contours.items[0].count, 4);
    /* down the left side, to the right below it, up, and back: counter-clockwise with y down */
    const double expected[4][2] = {{-0.5, 0}, {0, 0.5}, {0.5, 0}, {0, -0.5}};
    for (int i = 0; i < 4; i++) {
        assert_true(contours.items[0].points[i].x == expected[i][0]);
        assert_true(contours.items[0].points[i].y == expected[i][1]);
    }
    assert_true(rp_contour_signed_area(&contours.items[0]) == 0.5);
    rp_contours_release(&contours);
    rp_contours_release(&contours);
    rp_mask_release(&mask);
}

static void test_ring_has_an_outline_and_a_hole(void **state)
{
    (void)state;
    rp_error err;
    rp_mask mask = drawn((const char *[]){"###", "#.#", "###"}, 3, 3);
    rp_contours contours;
    assert_ok(rp_contours_trace(&mask, 0, &contours, &err), err);
    assert_int_equal(contours.count, 2);
    assert_true(rp_contour_signed_area(&contours.items[0]) == 9 - 0.5);
    assert_true(rp_contour_signed_area(&contours.items[1]) == -0.5);
    rp_contours_release(&contours);
    rp_mask_release(&mask);
}

static void test_diagonal_neighbours_are_joined(void **state)
{
    (void)state;
    rp_error err;
    rp_contours contours;
    rp_mask mask = drawn((const char *[]){"#..", ".#.", "#.."}, 3, 3);
    assert_ok(rp_contours_trace(&mask, 0, &contours, &err), err);
    assert_int_equal(contours.count, 1);
    /* three diamonds of one half, and a square minus two corners of an eighth at each contact */
    assert_true(total_area(&contours) == 3 * 0.5 + 2 * 0.5);
    rp_contours_release(&contours);
    rp_mask_release(&mask);

    mask = drawn((const char *[]){".#.", "#.#", ".#."}, 3, 3);
    assert_ok(rp_contours_trace(&mask, 0, &contours, &err), err);
    assert_int_equal(contours.count, 2); /* a ring of four, not four islands */
    rp_contours_release(&contours);
    rp_mask_release(&mask);
}

static void test_field_is_interpolated(void **state)
{
    (void)state;
    enum { N = 64 };
    rp_error err;
    static float field[N * N];
    const double radius = 20.3, cx = 31.2, cy = 30.7;
    for (int y = 0; y < N; y++)
        for (int x = 0; x < N; x++) field[y * N + x] = (float)(radius - hypot(x - cx, y - cy));
    rp_contours contours;
    assert_ok(rp_contours_trace_field(field, N, N, 0, &contours, &err), err);
    assert_int_equal(contours.count, 1);
    for (size_t i = 0; i < contours.items[0].count; i++) {
        rp_point2 p = contours.items[0].points[i];
        assert_close(hypot(p.x - cx, p.y - cy), radius, 0.01);
    }
    assert_close(rp_contour_signed_area(&contours.items[0]), M_PI * radius * radius, 2);
    rp_contours_release(&contours);
}

static void test_fill_gives_back_the_field(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 2, 1, 0);
    for (int trial = 0; trial < 200; trial++) {
        int nx = 1 + (int)(rp_random_uniform(&r) * 20), ny = 1 + (int)(rp_random_uniform(&r) * 20);
        float field[400];
        rp_grid grid = rp_grid_make(nx, ny, 1, 1, 1, 1);
        rp_mask back;
        assert_ok(rp_mask_init(&back, &grid, &err), err);
        /* few distinct values, so that many voxels equal the level, and some are not numbers */
        const float special[3] = {INFINITY, -INFINITY, NAN};
        for (int i = 0; i < nx * ny; i++) {
            double u = rp_random_uniform(&r);
            field[i] = u < 0.03 ? special[(int)(u * 100)] : (float)(int)(u * 5);
        }
        rp_contours contours;
        assert_ok(rp_contours_trace_field(field, nx, ny, 2, &contours, &err), err);
        rp_contours_fill(&contours, &back, 0);
        for (int i = 0; i < nx * ny; i++) assert_int_equal(back.data[i], field[i] >= 2);
        rp_contours_release(&contours);
        rp_mask_release(&back);
    }
}

static rp_contours polygon(rp_point2 *points, size_t count, rp_contour *contour)
{
    *contour = (rp_contour){points, count};
    return (rp_contours){contour, 1};
}

/* Inside by the same half-open rule, voxel by voxel. */
static bool inside_polygon(const rp_point2 *p, size_t count, double x, double y)
{
    bool in = false;
    for (size_t i = 0, j = count - 1; i < count; j = i++) {
        if ((p[i].y <= y) == (p[j].y <= y)) continue;
        rp_point2 a = p[i].y < p[j].y ? p[i] : p[j], b = p[i].y < p[j].y ? p[j] : p[i];
        in ^= (b.x - a.x) * (y - a.y) <= (x - a.x) * (b.y - a.y);
    }
    return in;
}

static void test_fill_polygons_beyond_the_slice(void **state)
{
    (void)state;
    enum { NX = 13, NY = 9 };
    rp_error err;
    rp_random r;
    rp_random_init(&r, 3, 1, 0);
    rp_grid grid = rp_grid_make(NX, NY, 1, 1, 1, 1);
    size_t filled = 0;
    for (int trial = 0; trial < 2000; trial++) {
        rp_mask mask;
        rp_point2 points[7];
        rp_contour contour;
        size_t count = 3 + (size_t)(rp_random_uniform(&r) * 5);
        bool integers = trial % 2; /* half of the trials have corners on voxel centres */
        for (size_t i = 0; i < count; i++) {
            points[i].x = rp_random_range(&r, -10, NX + 10);
            points[i].y = rp_random_range(&r, -10, NY + 10);
            if (integers) points[i] = (rp_point2){round(points[i].x), round(points[i].y)};
        }
        assert_ok(rp_mask_init(&mask, &grid, &err), err);
        rp_contours set = polygon(points, count, &contour);
        rp_contours_fill(&set, &mask, 0);
        for (int y = 0; y < NY; y++)
            for (int x = 0; x < NX; x++)
                assert_int_equal(mask.data[y * NX + x], inside_polygon(points, count, x, y));
        filled += rp_mask_count(&mask);
        rp_mask_release(&mask);
    }
    assert_true(filled > 10000);
}

/* Squares whose edges run through voxel centres tile the slice without overlap or gap. */
static void test_fill_is_half_open(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(8, 6, 1, 1, 1, 1);
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (int y = 0; y < 6; y += 2) {
        for (int x = 0; x < 8; x += 2) {
            rp_point2 square[4] = {{x, y}, {x + 2, y}, {x + 2, y + 2}, {x, y + 2}};
            rp_contour contour;
            rp_contours set = polygon(square, 4, &contour);
            size_t before = rp_mask_count(&mask);
            rp_contours_fill(&set, &mask, 0);
            assert_int_equal(rp_mask_count(&mask), before + 4);
        }
    }
    assert_int_equal(rp_mask_count(&mask), 48);
    rp_mask_release(&mask);
}

static void test_fill_survives_hostile_points(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(5, 5, 1, 1, 1, 1);
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    rp_contour contour;
    rp_point2 bad[4] = {{0, 0}, {NAN, 3}, {4, 4}, {0, INFINITY}};
    rp_contours set = polygon(bad, 4, &contour);
    rp_contours_fill(&set, &mask, 0);
    assert_int_equal(rp_mask_count(&mask), 0);
    rp_point2 huge[4] = {{-1e300, -1e300}, {1e300, -1e300}, {1e300, 1e300}, {-1e300, 1e300}};
    set = polygon(huge, 4, &contour);
    rp_contours_fill(&set, &mask, -1);
    rp_contours_fill(&set, &mask, 1);
    assert_int_equal(rp_mask_count(&mask), 0);
    rp_contours_fill(&set, &mask, 0);
    assert_int_equal(rp_mask_count(&mask), 25);
    set = polygon(huge, 2, &contour);
    rp_contours_fill(&set, &mask, 0);
    assert_int_equal(rp_mask_count(&mask), 25);
    rp_mask_release(&mask);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 4, 1, 0);
    rp_mask mask = random_slice(&r, 9, 9, 0.3);
    rp_contours contours = {0};
    int failures = 0;
    for (long n = 1;; n++) {
        rp_test_fail_allocation(n);
        rp_status status = rp_contours_trace(&mask, 0, &contours, &err);
        rp_test_fail_allocation(0);
        if (!status) break;
        failures++;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_null(contours.items);
    }
    assert_true(failures > 3);
    rp_contours_release(&contours);
    assert_int_equal(rp_contours_trace(&mask, 3, &contours, &err), RP_ERR_ARGUMENT);
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill_gives_back_the_mask),
        cmocka_unit_test(test_one_voxel),
        cmocka_unit_test(test_ring_has_an_outline_and_a_hole),
        cmocka_unit_test(test_diagonal_neighbours_are_joined),
        cmocka_unit_test(test_field_is_interpolated),
        cmocka_unit_test(test_fill_gives_back_the_field),
        cmocka_unit_test(test_fill_polygons_beyond_the_slice),
        cmocka_unit_test(test_fill_is_half_open),
        cmocka_unit_test(test_fill_survives_hostile_points),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
