/* Masks on other grids: nothing grows, shrinks or moves, whichever way the axes are stored. */
#include "volume_cases.h"

static double volume(const rp_mask *mask)
{
    return (double)rp_mask_count(mask) * rp_grid_voxel_mm3(&mask->grid);
}

static void add_ball(rp_mask *mask, const double centre[3], double radius)
{
    const rp_grid *g = &mask->grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                double p[3], square = 0;
                rp_grid_to_world(g, (const double[3]){x, y, z}, p);
                for (int r = 0; r < 3; r++) square += (p[r] - centre[r]) * (p[r] - centre[r]);
                if (square <= radius * radius) mask->data[rp_grid_index(g, x, y, z)] = 1;
            }
}

static rp_mask ball(const rp_grid *grid, const double centre[3], double radius)
{
    rp_error err;
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, grid, &err), err);
    add_ball(&mask, centre, radius);
    return mask;
}

static void centroid(const rp_mask *mask, double out[3])
{
    const rp_grid *g = &mask->grid;
    size_t count = 0;
    memset(out, 0, 3 * sizeof *out);
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                double p[3];
                if (!mask->data[rp_grid_index(g, x, y, z)]) continue;
                rp_grid_to_world(g, (const double[3]){x, y, z}, p);
                for (int r = 0; r < 3; r++) out[r] += p[r];
                count++;
            }
    for (int r = 0; r < 3; r++) out[r] /= (double)count;
}

/* A cube of about 64 mm round the origin, its voxel centres moved by shares of a voxel. */
static rp_grid grid_of(const double spacing[3], const double shift[3])
{
    rp_grid g = rp_grid_make(1, 1, 1, spacing[0], spacing[1], spacing[2]);
    for (int a = 0; a < 3; a++) {
        g.size[a] = (int)(64 / spacing[a]) + 1;
        g.origin[a] = (shift[a] - g.size[a] / 2) * spacing[a];
    }
    return g;
}

/* Half-voxel shifts along one, two and three axes, half and double resolution with and without
 * common voxel centres, and a shift that has no ties. The right volume is the mask's own, to half a
 * voxel of the target's: 0.3% of a ball of 8 mm here. */
static void test_balls_keep_volume_and_place(void **state)
{
    (void)state;
    static const double fine[3] = {0.75, 0.75, 1.5}, plain[3] = {1.5, 1.5, 3},
                        coarse[3] = {3, 3, 6};
    static const struct {
        const double *from;
        double shift[3];
    } cases[] = {{plain, {0, 0, 0.5}},       {plain, {0.5, 0, 0}},     {plain, {0.5, 0.5, 0}},
                 {plain, {0.5, 0.5, 0.5}},   {plain, {0.3, 0.3, 0.3}}, {coarse, {0, 0, 0}},
                 {coarse, {0.25, .25, .25}}, {fine, {0, 0, 0}},        {fine, {0.5, 0.5, 0.5}}};
    static const double centres[3][3] = {{0, 0, 0}, {0.4, -0.2, 1.1}, {-0.75, 0.75, -1.5}};
    static const double radii[5] = {4, 6, 8, 12, 20};
    const rp_grid to = grid_of(plain, (const double[3]){0, 0, 0});
    const double half_voxel = 0.5 * rp_grid_voxel_mm3(&to);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int r = 0; r < 5; r++)
            for (int k = 0; k < 3; k++) {
                rp_error err;
                const rp_grid from = grid_of(cases[c].from, cases[c].shift);
                rp_mask mask = ball(&from, centres[k], radii[r]), out;
                double before[3], after[3];
                assert_ok(rp_mask_resample(&mask, &to, &out, &err), err);
                if (fabs(volume(&out) - volume(&mask)) > half_voxel * 1.001)
                    fail_msg("case %zu, radius %g, centre %d: %g of %g mm3", c, radii[r], k,
                             volume(&out), volume(&mask));
                centroid(&mask, before);
                centroid(&out, after);
                for (int a = 0; a < 3; a++) assert_true(fabs(after[a] - before[a]) < 1);
                rp_mask_release(&mask);
                rp_mask_release(&out);
            }
}

/* Oblique, left-handed, and about the same centre. */
static rp_grid turned(rp_grid grid)
{
    double middle[3], world[3];
    for (int a = 0; a < 3; a++) middle[a] = grid.size[a] / 2;
    set_direction(&grid, 0.2, 0.1, -0.3, true);
    rp_grid_to_world(&grid, middle, world);
    for (int r = 0; r < 3; r++) grid.origin[r] -= world[r];
    return grid;
}

/* The small one must not pay for the large one, on a grid that leans either. */
static void test_every_part_keeps_its_own(void **state)
{
    (void)state;
    static const double spacing[3] = {1.5, 1.5, 3}, none[3] = {0, 0, 0}, third[3] = {.3, .3, .3};
    static const double at[3][3] = {{-18, -18, -12}, {14, 14, 6}, {-16, 18, 12}};
    static const double radii[3] = {4, 14, 6};
    rp_error err;
    const rp_grid from = turned(grid_of(spacing, third)), to = grid_of(spacing, none);
    rp_mask mask = ball(&from, at[0], radii[0]), out;
    add_ball(&mask, at[1], radii[1]);
    add_ball(&mask, at[2], radii[2]);
    assert_ok(rp_mask_resample(&mask, &to, &out, &err), err);
    rp_labels before, after;
    size_t *sizes_before, *sizes_after;
    int32_t count;
    assert_ok(rp_mask_components(&mask, 26, &before, &count, &sizes_before, &err), err);
    assert_int_equal(count, 3);
    assert_ok(rp_mask_components(&out, 26, &after, &count, &sizes_after, &err), err);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(sizes_before[i], sizes_after[i]);
    rp_labels_release(&before);
    rp_labels_release(&after);
    rp_free(sizes_before);
    rp_free(sizes_after);
    rp_mask_release(&mask);
    rp_mask_release(&out);
}

/* A grid that ends where its lesion does, as of a segmentation's few frames: a part ends at the
 * border as it does anywhere else. */
static void test_borders_do_not_grow(void **state)
{
    (void)state;
    static const double spacing[3] = {1.5, 1.5, 3}, thick[3] = {1.5, 1.5, 6}, none[3] = {0, 0, 0};
    const rp_grid to = grid_of(spacing, none);
    for (int slices = 1; slices < 5; slices++)
        for (int k = 0; k < 2; k++) {
            rp_error err;
            rp_grid from = grid_of(k ? thick : spacing, none);
            from.size[2] = slices;
            from.origin[2] = to.origin[2] + 3 * 8 + 1.5;
            rp_mask mask = ball(&from, (const double[3]){0, 0, from.origin[2]}, 20), out;
            assert_ok(rp_mask_resample(&mask, &to, &out, &err), err);
            assert_true(fabs(volume(&out) - volume(&mask)) <= 0.5 * rp_grid_voxel_mm3(&to));
            rp_mask_release(&mask);
            rp_mask_release(&out);
        }
}

/* A lesion on one slice, halfway between two: one of them holds it as it was. */
static void test_a_single_slice_keeps_its_shape(void **state)
{
    (void)state;
    static const double spacing[3] = {1.5, 1.5, 3}, none[3] = {0, 0, 0}, half[3] = {0, 0, 0.5};
    rp_error err;
    const rp_grid from = grid_of(spacing, half), to = grid_of(spacing, none);
    rp_mask disc = ball(&from, (const double[3]){0, 0, 1.5}, 12), out;
    const size_t slice = (size_t)from.size[0] * (size_t)from.size[1];
    int low[3], high[3];
    for (int z = 0; z < from.size[2]; z++)
        if (z != from.size[2] / 2) memset(disc.data + (size_t)z * slice, 0, slice);
    assert_ok(rp_mask_resample(&disc, &to, &out, &err), err);
    assert_true(rp_mask_bounds(&out, low, high));
    assert_int_equal(low[2], high[2]);
    assert_memory_equal(out.data + (size_t)low[2] * slice,
                        disc.data + (size_t)(from.size[2] / 2) * slice, slice);
    rp_mask_release(&disc);
    rp_mask_release(&out);
}

/* ---- storage order ----------------------------------------------------------------------- */

/* Voxel by voxel onto a grid of the same voxels. */
static rp_mask reordered(const rp_mask *mask, const rp_grid *grid)
{
    rp_error err;
    rp_mask out;
    assert_ok(rp_mask_init(&out, grid, &err), err);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                double world[3], at[3];
                rp_grid_to_world(grid, (const double[3]){x, y, z}, world);
                rp_grid_from_world(&mask->grid, world, at);
                out.data[rp_grid_index(grid, x, y, z)] = mask->data[rp_grid_index(
                    &mask->grid, (int)lround(at[0]), (int)lround(at[1]), (int)lround(at[2]))];
            }
    return out;
}

/* Ties everywhere in the first pair of grids, none in the second. */
static void test_storage_order_changes_nothing(void **state)
{
    (void)state;
    static const double spacings[2][2][3] = {{{1.5, 1.5, 3}, {3, 3, 6}},
                                             {{0.977, 0.977, 3.27}, {1.5, 1.5, 3}}};
    static const double none[3] = {0, 0, 0}, half[3] = {0.5, 0.5, 0.5},
                        centre[3] = {0.4, -0.2, 1.1};
    for (int pair = 0; pair < 2; pair++) {
        rp_error err;
        const rp_grid from = grid_of(spacings[pair][1], none);
        const rp_grid to = grid_of(spacings[pair][0], pair ? half : none);
        rp_mask mask = ball(&from, centre, 9), expected;
        assert_ok(rp_mask_resample(&mask, &to, &expected, &err), err);
        for (int way = 0; way < 48; way++) {
            const rp_grid from_there = stored_otherwise(&from, way);
            const rp_grid to_there = stored_otherwise(&to, (way * 5 + 7) % 48);
            rp_mask stored = reordered(&mask, &from_there), moved;
            assert_ok(rp_mask_resample(&stored, &to_there, &moved, &err), err);
            rp_mask back = reordered(&moved, &to);
            if (memcmp(back.data, expected.data, rp_grid_voxels(&to)) != 0)
                fail_msg("pair %d: order %d gives other voxels", pair, way);
            rp_mask_release(&stored);
            rp_mask_release(&moved);
            rp_mask_release(&back);
        }
        rp_mask_release(&mask);
        rp_mask_release(&expected);
    }
}

/* ---- single voxels ----------------------------------------------------------------------- */

/* Voxels that lie exactly between inside and outside: one voxel stays one, a run of three three. */
static void test_ties_go_both_ways(void **state)
{
    (void)state;
    rp_error err;
    rp_grid from = rp_grid_make(12, 1, 1, 1, 1, 1), to;
    from.origin[0] = 1000.1;
    to = from;
    to.origin[0] += 0.5;
    rp_mask mask, out;
    assert_ok(rp_mask_init(&mask, &from, &err), err);
    memcpy(mask.data, (const uint8_t[12]){0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0}, 12);
    assert_ok(rp_mask_resample(&mask, &to, &out, &err), err);
    assert_memory_equal(out.data, ((const uint8_t[12]){0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0}), 12);
    rp_mask_release(&out);
    rp_mask_release(&mask);
}

static void test_nearly_the_same_grid_copies(void **state)
{
    (void)state;
    rp_error err;
    rp_grid from = rp_grid_make(13, 11, 7, 0.977, 0.977, 3.27), to = from;
    rp_mask mask = scattered_mask(&from, 1, 2), out;
    to.origin[1] += 5e-4;
    assert_ok(rp_mask_resample(&mask, &to, &out, &err), err);
    assert_memory_equal(mask.data, out.data, rp_grid_voxels(&from));
    assert_close(out.grid.origin[1], to.origin[1], 0);
    rp_mask_release(&mask);
    rp_mask_release(&out);
}

/* The target ends in the middle of a voxel of the ball's largest slice: what lies within is what
 * has to arrive. */
static void test_what_lies_outside_is_cut(void **state)
{
    (void)state;
    static const double spacing[3] = {1.5, 1.5, 3}, half[3] = {0.5, 0.5, 0.5},
                        origin[3] = {0, 0, 0};
    rp_error err;
    const rp_grid from = grid_of(spacing, half);
    rp_grid to = grid_of(spacing, (const double[3]){0, 0, 0});
    rp_mask mask = ball(&from, origin, 15), out;
    to.size[2] /= 2;
    to.size[2]++; /* the last centre lies at 0: the target ends at 1.5 mm, where a slice does */
    assert_ok(rp_mask_resample(&mask, &to, &out, &err), err);
    size_t within = 0;
    const size_t slice = (size_t)from.size[0] * (size_t)from.size[1];
    for (int z = 0; z < from.size[2]; z++)
        for (size_t i = 0; i < slice; i++)
            if (mask.data[(size_t)z * slice + i]) {
                const double middle = from.origin[2] + 3 * z;
                within += middle < 1.4 ? 2 : middle < 1.6 ? 1 : 0;
            }
    assert_true(fabs((double)rp_mask_count(&out) - 0.5 * (double)within) <= 0.51);
    rp_mask_release(&mask);
    rp_mask_release(&out);
}

static void test_same_bits_with_any_threads(void **state)
{
    (void)state;
    rp_error err;
    rp_grid from = rp_grid_make(30, 31, 32, 1, 1, 1), to = rp_grid_make(33, 29, 21, 0.9, 1.1, 1.3);
    set_direction(&to, 0.1, -0.1, 0.05, false);
    rp_mask mask = scattered_mask(&from, 1, 3), one, eight;
    rp_threads_set(1);
    assert_ok(rp_mask_resample(&mask, &to, &one, &err), err);
    rp_threads_set(8);
    assert_ok(rp_mask_resample(&mask, &to, &eight, &err), err);
    rp_threads_set(0);
    assert_memory_equal(one.data, eight.data, rp_grid_voxels(&to));
    rp_mask_release(&mask);
    rp_mask_release(&one);
    rp_mask_release(&eight);
}

static void test_every_failed_allocation_is_reported(void **state)
{
    (void)state;
    rp_error err;
    rp_grid from = rp_grid_make(8, 8, 8, 1, 1, 1), to = from;
    to.origin[0] = 0.5;
    rp_mask mask = ball(&from, (const double[3]){4, 4, 4}, 3), out;
    rp_status status = RP_ERR_MEMORY;
    for (long n = 1; status == RP_ERR_MEMORY && n < 50; n++) {
        rp_test_fail_allocation(n);
        status = rp_mask_resample(&mask, &to, &out, &err);
        rp_test_fail_allocation(0);
        if (status) assert_null(out.data);
        assert_true(n > 5 || status == RP_ERR_MEMORY);
    }
    assert_ok(status, err);
    rp_mask_release(&mask);
    rp_mask_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balls_keep_volume_and_place),
        cmocka_unit_test(test_every_part_keeps_its_own),
        cmocka_unit_test(test_borders_do_not_grow),
        cmocka_unit_test(test_a_single_slice_keeps_its_shape),
        cmocka_unit_test(test_storage_order_changes_nothing),
        cmocka_unit_test(test_ties_go_both_ways),
        cmocka_unit_test(test_nearly_the_same_grid_copies),
        cmocka_unit_test(test_what_lies_outside_is_cut),
        cmocka_unit_test(test_same_bits_with_any_threads),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
