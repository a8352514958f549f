/* Overlap and surface distances on masks whose figures are known by hand. */
#include "reprise/measure.h"
#include "test.h"

#include <math.h>

static rp_mask make_mask(int nx, int ny, int nz, double sx, double sy, double sz)
{
    rp_grid g = rp_grid_make(nx, ny, nz, sx, sy, sz);
    rp_mask m;
    rp_error err = {0};
    assert_ok(rp_mask_init(&m, &g, &err), err);
    return m;
}

static void set(rp_mask *m, int x, int y, int z)
{
    m->data[rp_grid_index(&m->grid, x, y, z)] = 1;
}

static void fill_box(rp_mask *m, const int low[3], const int size[3])
{
    for (int z = low[2]; z < low[2] + size[2]; z++)
        for (int y = low[1]; y < low[1] + size[1]; y++)
            for (int x = low[0]; x < low[0] + size[0]; x++) set(m, x, y, z);
}

static void fill_sphere(rp_mask *m, const double centre_mm[3], double radius_mm)
{
    const rp_grid *g = &m->grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                const double dx = x * g->spacing[0] - centre_mm[0];
                const double dy = y * g->spacing[1] - centre_mm[1];
                const double dz = z * g->spacing[2] - centre_mm[2];
                if (dx * dx + dy * dy + dz * dz <= radius_mm * radius_mm) set(m, x, y, z);
            }
}

static void fill_random(rp_mask *m, uint64_t seed, double density)
{
    rp_random r;
    rp_random_init(&r, seed, 1, 0);
    for (size_t i = 0; i < rp_grid_voxels(&m->grid); i++)
        m->data[i] = rp_random_uniform(&r) < density;
}

static rp_overlap compare(const rp_mask *a, const rp_mask *b, double tolerance)
{
    rp_overlap o;
    rp_error err = {0};
    assert_ok(rp_measure_overlap(a, b, &tolerance, 1, &o, &err), err);
    assert_int_equal(o.tolerance_count, 1);
    assert_true(o.tolerance_mm[0] == tolerance);
    return o;
}

/* A box of n voxels: flat sides less half a voxel all round, cut edges, cut corners. */
static double box_area(const int n[3], const double s[3])
{
    double area = sqrt(pow(s[0] * s[1], 2) + pow(s[1] * s[2], 2) + pow(s[2] * s[0], 2));
    for (int a = 0; a < 3; a++) {
        const int u = (a + 1) % 3, v = (a + 2) % 3;
        area += 2 * (n[u] - 1) * s[u] * (n[v] - 1) * s[v];
        area += 4 * (n[a] - 1) * s[a] * 0.5 * hypot(s[u], s[v]);
    }
    return area;
}

static void test_box_against_itself(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1}, {2, 1, 1}, {1, 4, 3}, {6, 5, 4}};
    const double s[3] = {0.7, 1.1, 3.5};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rp_mask m = make_mask(9, 9, 9, s[0], s[1], s[2]);
        fill_box(&m, (int[3]){2, 2, 2}, sizes[i]);
        rp_overlap o = compare(&m, &m, 0);
        const double area = box_area(sizes[i], s);
        assert_close(o.from_reference.area_mm2, area, 1e-12 * area);
        assert_close(o.from_prediction.area_mm2, area, 1e-12 * area);
        assert_true(o.surfaces_defined && o.surfaces_reason[0] == '\0');
        assert_true(o.hd_mm == 0 && o.hd95_mm == 0 && o.msd_mm == 0);
        assert_true(o.surface_dice[0] == 1 && o.dice == 1);
        assert_true(o.volume_difference_cc == 0 && o.volume_difference_percent == 0);
        rp_mask_release(&m);
    }
}

/* Every element of two voxels weighs the same: the eight places where eight voxels meet. */
static void test_two_voxels(void **state)
{
    (void)state;
    rp_mask a = make_mask(12, 10, 8, 0.9, 1.3, 4), b = make_mask(12, 10, 8, 0.9, 1.3, 4);
    set(&a, 1, 2, 1);
    set(&b, 8, 5, 3);
    rp_overlap o = compare(&a, &b, 9);
    double mean = 0, longest = 0, within = 0;
    for (int corner = 0; corner < 8; corner++) {
        /* The nearest corner of the other voxel is its lowest one. */
        const double x = (7 - (corner & 1)) * 0.9, y = (3 - (corner >> 1 & 1)) * 1.3;
        const double z = (2 - (corner >> 2)) * 4.0, d = sqrt(x * x + y * y + z * z);
        mean += d / 8;
        longest = fmax(longest, d);
        within += d <= 9;
    }
    assert_close(o.msd_mm, mean, 1e-12);
    assert_close(o.hd_mm, longest, 1e-12);
    assert_close(o.hd95_mm, longest, 1e-12);
    assert_close(o.surface_dice[0], within / 8, 1e-12);
    assert_true(within > 0 && within < 8);
    assert_close(o.from_prediction.mean_mm, o.from_reference.mean_mm, 1e-12);
    assert_true(o.dice == 0 && o.common_voxels == 0);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

/* A bar and one that is a voxel longer: of all elements only the four at its end, each a cut
 * corner, lie off the other; those along it, cut edges, weigh more. */
static void test_weights(void **state)
{
    (void)state;
    const double s[3] = {0.9, 1.7, 4}, edge = s[0] * 0.5 * hypot(s[1], s[2]);
    const double corner = sqrt(pow(s[0] * s[1], 2) + pow(s[1] * s[2], 2) + pow(s[2] * s[0], 2)) / 8;
    rp_mask a = make_mask(14, 4, 4, s[0], s[1], s[2]), b = make_mask(14, 4, 4, s[0], s[1], s[2]);
    fill_box(&a, (int[3]){1, 1, 1}, (int[3]){10, 1, 1});
    fill_box(&b, (int[3]){1, 1, 1}, (int[3]){11, 1, 1});
    rp_overlap o = compare(&a, &b, 0.5);
    const double area_a = 8 * corner + 36 * edge, area_b = 8 * corner + 40 * edge;
    assert_close(o.from_reference.area_mm2, area_a, 1e-12 * area_a);
    assert_close(o.from_prediction.area_mm2, area_b, 1e-12 * area_b);
    assert_close(o.from_prediction.mean_mm, s[0] * 4 * corner / area_b, 1e-12);
    assert_close(o.msd_mm, 0.5 * s[0] * 4 * corner / area_b, 1e-12);
    assert_close(o.surface_dice[0], 1 - 4 * corner / (area_a + area_b), 1e-12);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

/* Two voxels that share an edge: in the two cells at its ends one line runs round both. */
static void test_diagonal_neighbours(void **state)
{
    (void)state;
    rp_mask m = make_mask(4, 4, 3, 1, 1, 1);
    set(&m, 1, 1, 1);
    set(&m, 2, 2, 1);
    /* Its six points have the mean (1/2, 1/2, 1/6); two pieces lie on the diagonal side. */
    const double joined = sqrt(0.5) * sqrt(1.0 / 8 + 1.0 / 36) + 2 * sqrt(1.0 / 8 + 1.0 / 144);
    const double area = 12 * sqrt(3) / 8 + 2 * joined;
    assert_close(compare(&m, &m, 1).from_reference.area_mm2, area, 1e-12);
    rp_mask_release(&m);
}

/* A box and the same less its three uppermost slices. */
static void test_volumes_and_direction(void **state)
{
    (void)state;
    rp_mask a = make_mask(20, 20, 20, 1, 2, 0.5), b = make_mask(20, 20, 20, 1, 2, 0.5);
    fill_box(&a, (int[3]){4, 4, 4}, (int[3]){10, 10, 10});
    fill_box(&b, (int[3]){4, 4, 4}, (int[3]){10, 10, 7});
    rp_overlap o = compare(&a, &b, 1.5);
    assert_int_equal(o.reference_voxels, 1000);
    assert_int_equal(o.prediction_voxels, 700);
    assert_int_equal(o.common_voxels, 700);
    assert_close(o.dice, 1400.0 / 1700, 1e-15);
    assert_close(o.reference_cc, 1, 1e-15);
    assert_close(o.volume_difference_cc, -0.3, 1e-15);
    assert_close(o.volume_difference_absolute_cc, 0.3, 1e-15);
    assert_close(o.volume_difference_percent, -30, 1e-12);
    assert_close(o.hd_mm, 1.5, 1e-15); /* three slices of 0.5 mm */
    assert_close(o.surface_dice[0], 1, 1e-15);
    /* The prediction's own top lies as near to the reference's sides as to its top. */
    assert_true(o.from_prediction.mean_mm < o.from_reference.mean_mm);
    rp_overlap back = compare(&b, &a, 1.5);
    assert_close(back.volume_difference_percent, 300.0 / 7, 1e-12);
    assert_true(back.from_reference.mean_mm == o.from_prediction.mean_mm);
    assert_true(back.msd_mm == o.msd_mm && back.hd95_mm == o.hd95_mm);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

static void test_spheres(void **state)
{
    (void)state;
    rp_mask a = make_mask(80, 60, 30, 0.9, 1.2, 2.5), b = make_mask(80, 60, 30, 0.9, 1.2, 2.5);
    const double centre[3] = {36, 36, 36};
    fill_sphere(&a, centre, 20);
    fill_sphere(&b, centre, 26);
    rp_overlap o = compare(&a, &b, 6);
    assert_close(o.hd95_mm, 6, 1.5);
    assert_close(o.msd_mm, 6, 1);
    assert_close(compare(&a, &b, 9).surface_dice[0], 1, 1e-15);
    assert_close(compare(&a, &b, 3).surface_dice[0], 0, 1e-15);
    for (int i = 0; i < 2; i++) {
        const double radius = i ? 26 : 20, smooth = 4 * M_PI * radius * radius;
        const double found = i ? o.from_prediction.area_mm2 : o.from_reference.area_mm2;
        if (!(found > smooth && found < 1.15 * smooth))
            fail_msg("area %.1f of a sphere of %.1f mm2", found, smooth);
    }
    rp_mask_release(&a);
    rp_mask_release(&b);
}

/* Of twenty equal voxels one or two lie elsewhere: exactly 95% of the area are within 0, or within
 * the near side of the two. */
static void test_percentile_at_a_tie(void **state)
{
    (void)state;
    for (int moved = 1; moved <= 2; moved++) {
        rp_mask a = make_mask(80, 12, 3, 0.3, 0.7, 1.9), b = make_mask(80, 12, 3, 0.3, 0.7, 1.9);
        for (int i = 0; i < 20; i++) {
            set(&a, 4 * i, 1, 1);
            set(&b, 4 * i, i < moved ? 9 : 1, 1);
        }
        rp_overlap o = compare(&a, &b, 1);
        /* The far corners of what moved: to the next voxel that did not, and straight back. */
        assert_close(o.from_reference.hd_mm, 4 * moved * 0.3, 1e-12);
        if (moved == 1) assert_true(o.hd95_mm == 0 && o.msd_mm > 0);
        if (moved == 2) assert_close(o.hd95_mm, 7 * 0.7, 1e-12);
        assert_close(o.from_prediction.hd_mm, 8 * 0.7, 1e-12);
        rp_mask_release(&a);
        rp_mask_release(&b);
    }
}

/* 0.8 mm as a file stores it is a little more: five steps still are within 4 mm. */
static void test_tolerance_at_a_tie(void **state)
{
    (void)state;
    const double s = (double)0.8f;
    rp_mask a = make_mask(8, 3, 3, s, s, s), b = make_mask(8, 3, 3, s, s, s);
    set(&a, 0, 1, 1);
    set(&b, 5, 1, 1);
    assert_true(compare(&a, &b, 4).surface_dice[0] == 1);
    assert_true(compare(&a, &b, 3.9999).surface_dice[0] == 0.5);
    assert_true(compare(&a, &b, 3.2).surface_dice[0] == 0.5);
    assert_true(compare(&a, &b, 3.1999).surface_dice[0] == 0);
    assert_true(compare(&a, &b, 0).surface_dice[0] == 0);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

static void expect_same(const rp_overlap *a, const rp_overlap *b)
{
    const rp_surface_distance *p[2] = {&a->from_reference, &a->from_prediction};
    const rp_surface_distance *q[2] = {&b->from_reference, &b->from_prediction};
    assert_close(a->dice, b->dice, 1e-12);
    assert_close(a->hd95_mm, b->hd95_mm, 1e-9);
    assert_close(a->hd_mm, b->hd_mm, 1e-9);
    assert_close(a->msd_mm, b->msd_mm, 1e-9);
    assert_close(a->surface_dice[0], b->surface_dice[0], 1e-9);
    for (int i = 0; i < 2; i++) {
        assert_close(p[i]->mean_mm, q[i]->mean_mm, 1e-9);
        assert_close(p[i]->hd95_mm, q[i]->hd95_mm, 1e-9);
        assert_close(p[i]->area_mm2, q[i]->area_mm2, 1e-9 * q[i]->area_mm2);
    }
}

/* At the border of the image and in the middle of a larger one. */
static void test_border(void **state)
{
    (void)state;
    rp_mask a = make_mask(5, 6, 4, 0.8, 1, 2), b = make_mask(5, 6, 4, 0.8, 1, 2);
    rp_mask wide_a = make_mask(11, 12, 10, 0.8, 1, 2), wide_b = make_mask(11, 12, 10, 0.8, 1, 2);
    fill_box(&a, (int[3]){0, 0, 0}, (int[3]){5, 6, 4});
    fill_random(&b, 3, 0.6);
    for (int z = 0; z < 4; z++)
        for (int y = 0; y < 6; y++)
            for (int x = 0; x < 5; x++) {
                const size_t to = rp_grid_index(&wide_a.grid, x + 3, y + 3, z + 3);
                wide_a.data[to] = a.data[rp_grid_index(&a.grid, x, y, z)];
                wide_b.data[to] = b.data[rp_grid_index(&b.grid, x, y, z)];
            }
    rp_overlap near = compare(&a, &b, 1), far = compare(&wide_a, &wide_b, 1);
    expect_same(&near, &far);
    const double area = box_area((int[3]){5, 6, 4}, a.grid.spacing);
    assert_close(near.from_reference.area_mm2, area, 1e-12 * area);
    rp_mask_release(&a);
    rp_mask_release(&b);
    rp_mask_release(&wide_a);
    rp_mask_release(&wide_b);
}

/* Axis a of the result is axis order[a] of the mask, backwards where its bit is set. */
static rp_mask reorient(const rp_mask *m, const int order[3], int flips)
{
    const int *n = m->grid.size;
    const double *s = m->grid.spacing;
    rp_mask out =
        make_mask(n[order[0]], n[order[1]], n[order[2]], s[order[0]], s[order[1]], s[order[2]]);
    for (int z = 0; z < out.grid.size[2]; z++)
        for (int y = 0; y < out.grid.size[1]; y++)
            for (int x = 0; x < out.grid.size[0]; x++) {
                const int to[3] = {x, y, z};
                int from[3];
                for (int a = 0; a < 3; a++)
                    from[order[a]] = flips >> a & 1 ? out.grid.size[a] - 1 - to[a] : to[a];
                out.data[rp_grid_index(&out.grid, x, y, z)] =
                    m->data[rp_grid_index(&m->grid, from[0], from[1], from[2])];
            }
    return out;
}

static void test_orientations(void **state)
{
    (void)state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const double densities[] = {0.02, 0.3, 0.5, 0.9};
    for (int i = 0; i < 4; i++) {
        rp_mask a = make_mask(13, 11, 7, 0.7, 1.3, 3.1), b = make_mask(13, 11, 7, 0.7, 1.3, 3.1);
        fill_random(&a, (uint64_t)i, densities[i]);
        fill_random(&b, (uint64_t)i + 50, densities[3 - i]);
        const rp_overlap first = compare(&a, &b, 1.3);
        assert_true(first.surface_dice[0] > 0 && first.surface_dice[0] < 1);
        for (int turned = 1; turned < 48; turned++) {
            rp_mask p = reorient(&a, orders[turned / 8], turned % 8);
            rp_mask q = reorient(&b, orders[turned / 8], turned % 8);
            const rp_overlap found = compare(&p, &q, 1.3);
            expect_same(&found, &first);
            rp_mask_release(&p);
            rp_mask_release(&q);
        }
        rp_mask_release(&a);
        rp_mask_release(&b);
    }
}

static void test_empty(void **state)
{
    (void)state;
    rp_mask none = make_mask(6, 5, 4, 1, 1, 2), one = make_mask(6, 5, 4, 1, 1, 2);
    fill_box(&one, (int[3]){1, 1, 1}, (int[3]){2, 2, 2});
    const rp_mask *pairs[3][2] = {{&one, &none}, {&none, &one}, {&none, &none}};
    static const char *const reasons[] = {"the prediction is empty", "the reference is empty",
                                          "both masks are empty"};
    for (int i = 0; i < 3; i++) {
        rp_overlap o = compare(pairs[i][0], pairs[i][1], 2);
        assert_false(o.surfaces_defined);
        assert_string_equal(o.surfaces_reason, reasons[i]);
        assert_true(isnan(o.hd95_mm) && isnan(o.hd_mm) && isnan(o.msd_mm));
        assert_true(isnan(o.from_reference.mean_mm) && isnan(o.from_prediction.area_mm2));
        assert_true(o.surface_dice[0] == (i == 2) && o.dice == (i == 2));
        assert_true(i ? isnan(o.volume_difference_percent) : o.volume_difference_percent == -100);
    }
    rp_mask_release(&none);
    rp_mask_release(&one);
}

static void test_arguments(void **state)
{
    (void)state;
    rp_mask a = make_mask(4, 4, 4, 1, 1, 1), b = make_mask(4, 4, 4, 1, 1, 1.1);
    rp_overlap o;
    rp_error err = {0};
    double many[RP_OVERLAP_TOLERANCES + 1] = {0};
    static const double bad[] = {-1, NAN, INFINITY};
    assert_int_equal(rp_measure_overlap(&a, &b, NULL, 0, &o, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "grid"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rp_measure_overlap(&a, &a, &bad[i], 1, &o, &err), RP_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "tolerance"));
    }
    assert_int_equal(rp_measure_overlap(&a, &a, many, RP_OVERLAP_TOLERANCES + 1, &o, &err),
                     RP_ERR_ARGUMENT);
    assert_ok(rp_measure_overlap(&a, &a, many, RP_OVERLAP_TOLERANCES, &o, &err), err);
    assert_ok(rp_measure_overlap(&a, &a, NULL, 0, &o, &err), err);
    a.grid.spacing[1] = 0;
    assert_int_equal(rp_measure_overlap(&a, &a, NULL, 0, &o, &err), RP_ERR_ARGUMENT);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

/* Spacing as far apart as single precision goes. */
static void test_extreme_spacing(void **state)
{
    (void)state;
    static const double spacings[][3] = {{1e-30, 1, 1e30}, {1e-37, 1e-37, 1e-37}, {1e37, 1e37, 1}};
    for (int i = 0; i < 3; i++) {
        const double *s = spacings[i];
        rp_mask a = make_mask(9, 9, 9, s[0], s[1], s[2]), b = make_mask(9, 9, 9, s[0], s[1], s[2]);
        fill_random(&a, 8, 0.4);
        fill_random(&b, 9, 0.1);
        rp_overlap o = compare(&a, &b, 1);
        assert_true(o.surfaces_defined && isfinite(o.hd_mm) && isfinite(o.msd_mm));
        assert_true(o.hd_mm > 0 && o.hd95_mm <= o.hd_mm && o.msd_mm <= o.hd_mm);
        rp_mask_release(&a);
        rp_mask_release(&b);
    }
}

static void test_threads(void **state)
{
    (void)state;
    rp_mask a = make_mask(48, 40, 36, 0.9, 1.1, 2), b = make_mask(48, 40, 36, 0.9, 1.1, 2);
    fill_random(&a, 5, 0.2);
    fill_random(&b, 6, 0.4);
    rp_threads_set(1);
    const rp_overlap one = compare(&a, &b, 1.2);
    rp_threads_set(3);
    const rp_overlap three = compare(&a, &b, 1.2);
    rp_threads_set(0);
    assert_true(one.msd_mm == three.msd_mm && one.hd95_mm == three.hd95_mm);
    assert_true(one.surface_dice[0] == three.surface_dice[0]);
    assert_true(one.from_reference.area_mm2 == three.from_reference.area_mm2);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

static void test_memory_failure(void **state)
{
    (void)state;
    rp_mask a = make_mask(30, 30, 30, 1, 1, 1), b = make_mask(30, 30, 30, 1, 1, 1);
    fill_random(&a, 1, 0.5);
    fill_random(&b, 2, 0.5);
    long failures = 0;
    for (rp_status status = RP_ERR_MEMORY; status != RP_OK; failures++) {
        rp_overlap o;
        rp_error err = {0};
        rp_test_fail_allocation(failures + 1);
        status = rp_measure_overlap(&a, &b, NULL, 0, &o, &err);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
        assert_true(failures < 1000);
    }
    assert_true(failures > 10);
    rp_mask_release(&a);
    rp_mask_release(&b);
}

static void test_definitions(void **state)
{
    (void)state;
    const char *key, *text;
    size_t count = 0;
    while (rp_overlap_definition(count, &key, &text)) {
        assert_true(key[0] && text[0]);
        count++;
    }
    assert_true(count >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_box_against_itself),
                                       cmocka_unit_test(test_two_voxels),
                                       cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_diagonal_neighbours),
                                       cmocka_unit_test(test_volumes_and_direction),
                                       cmocka_unit_test(test_spheres),
                                       cmocka_unit_test(test_percentile_at_a_tie),
                                       cmocka_unit_test(test_tolerance_at_a_tie),
                                       cmocka_unit_test(test_border),
                                       cmocka_unit_test(test_orientations),
                                       cmocka_unit_test(test_empty),
                                       cmocka_unit_test(test_arguments),
                                       cmocka_unit_test(test_extreme_spacing),
                                       cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_memory_failure),
                                       cmocka_unit_test(test_definitions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
