#include "test.h"

#include <math.h>

#include "reprise/register_deform.h"

/* A trunk with organs, vessels and a tumour, from equations; HU at a point in mm. */
static double ellipsoid(const double p[3], const double c[3], double rx, double ry, double rz)
{
    const double a = (p[0] - c[0]) / rx, b = (p[1] - c[1]) / ry, d = (p[2] - c[2]) / rz;
    return a * a + b * b + d * d;
}

static const double tumour[3] = {-35, -5, 5};
enum { TUMOUR_MM = 16 };

static double anatomy(const double p[3])
{
    double hu = -1000.0;
    if (ellipsoid(p, (double[3]){0, 0, 0}, 90, 65, 1e4) < 1) hu = -90.0;
    if (ellipsoid(p, (double[3]){0, 0, 0}, 82, 57, 1e4) < 1) hu = 40.0;
    if (ellipsoid(p, (double[3]){-35, -8, 10}, 42, 40, 36) < 1) hu = 110.0;
    if (ellipsoid(p, (double[3]){38, 22, -10}, 16, 15, 30) < 1) hu = 170.0;
    if (ellipsoid(p, (double[3]){5, 38, 0}, 14, 14, 1e4) < 1)
        hu = fmod(fabs(p[2] + 500.0), 24.0) < 17.0 ? 300.0 : 80.0;
    if (ellipsoid(p, (double[3]){36, -24, 20}, 20, 16, 12) < 1) hu = -700.0;
    if (ellipsoid(p, tumour, TUMOUR_MM, TUMOUR_MM, TUMOUR_MM) < 1) hu = 20.0;
    /* Strands everywhere, so that no organ is empty. */
    if (hu > -500.0) hu += 25.0 * sin(p[0] / 5.0) * sin(p[1] / 6.0) * sin(p[2] / 7.0);
    return hu;
}

/* Where a point of the follow-up was at the baseline: smooth, up to 9 mm. */
static void was_at(const double p[3], double amount, double q[3])
{
    q[0] = p[0] + amount * 4.0 * sin(p[1] / 30.0 + 0.4);
    q[1] = p[1] + amount * 3.5 * sin(p[2] / 28.0 - 0.3);
    q[2] = p[2] + amount * 6.0 * cos(p[0] / 35.0 + p[1] / 60.0);
}

static rp_grid centred(int nx, int ny, int nz, double sx, double sy, double sz)
{
    rp_grid g = rp_grid_make(nx, ny, nz, sx, sy, sz);
    g.origin[0] = -0.5 * sx * (nx - 1);
    g.origin[1] = -0.5 * sy * (ny - 1);
    g.origin[2] = -0.5 * sz * (nz - 1);
    return g;
}

static rp_grid usual(void)
{
    return SHORT ? centred(52, 38, 26, 4, 4, 4) : centred(80, 58, 44, 2.5, 2.5, 3);
}

static rp_image seen(const rp_grid *grid, double amount, uint32_t noise)
{
    rp_error err;
    rp_image image;
    rp_random r;
    assert_ok(rp_image_init(&image, grid, &err), err);
    rp_random_init(&r, 7, noise, 0);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                double world[3], body[3];
                rp_grid_to_world(grid, (const double[3]){x, y, z}, world);
                was_at(world, amount, body);
                image.data[rp_grid_index(grid, x, y, z)] =
                    (float)(anatomy(body) + 6.0 * rp_random_normal(&r));
            }
    return image;
}

static rp_mask tumour_mask(const rp_grid *grid, double amount)
{
    rp_error err;
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, grid, &err), err);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                double world[3], body[3];
                rp_grid_to_world(grid, (const double[3]){x, y, z}, world);
                was_at(world, amount, body);
                mask.data[rp_grid_index(grid, x, y, z)] =
                    ellipsoid(body, tumour, TUMOUR_MM, TUMOUR_MM, TUMOUR_MM) < 1;
            }
    return mask;
}

static rp_deform *registered(const rp_image *baseline, const rp_image *followup,
                             const rp_mask *lesion)
{
    rp_error err;
    rp_deform *deform;
    rp_deform_options how;
    rp_deform_defaults(&how);
    const rp_deform_pair pair = {baseline, followup, rp_rigid_identity(), lesion};
    assert_ok(rp_deform_register(&pair, &how, NULL, &deform, &err), err);
    return deform;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Errors over points of the trunk between two heights, sorted. */
static size_t errors_mm(const rp_deform *deform, double low, double high, double amount,
                        double errors[4096])
{
    size_t count = 0;
    for (double z = low; z <= high; z += 8)
        for (double y = -48; y <= 48; y += 8)
            for (double x = -70; x <= 70; x += 8) {
                const double p[3] = {x, y, z};
                double found[3], truth[3], square = 0.0;
                if (ellipsoid(p, (double[3]){0, 0, 0}, 76, 50, 1e4) > 1) continue;
                was_at(p, amount, truth);
                rp_deform_to_baseline(deform, p, found);
                for (int a = 0; a < 3; a++) square += (found[a] - truth[a]) * (found[a] - truth[a]);
                errors[count++] = sqrt(square);
            }
    qsort(errors, count, sizeof *errors, ascending);
    return count;
}

static double dice(const rp_mask *a, const rp_mask *b)
{
    size_t both = 0;
    for (size_t i = 0; i < rp_grid_voxels(&a->grid); i++) both += a->data[i] && b->data[i];
    return 2.0 * (double)both / (double)(rp_mask_count(a) + rp_mask_count(b));
}

static void test_known_field(void **state)
{
    (void)state;
    values_only();
    rp_error err;
    double errors[4096], moved_out;
    const rp_grid grid = usual();
    rp_image baseline = seen(&grid, 0, 1), followup = seen(&grid, 1, 2);
    rp_mask lesion = tumour_mask(&grid, 0), truth = tumour_mask(&grid, 1), carried;
    rp_deform *deform = registered(&baseline, &followup, &lesion);
    const size_t count = errors_mm(deform, -44, 44, 1, errors);
    assert_true(errors[count / 2] < 1.0);
    assert_true(errors[count * 9 / 10] < 2.5);

    const rp_deform_summary *s = rp_deform_summary_get(deform);
    assert_int_equal(s->quality, RP_REGISTRATION_GOOD);
    assert_true(s->folded < 1e-4 && s->jacobian_min > 0.0);
    assert_true(s->difference_after < 0.5 * s->difference_before);
    assert_true(s->median_mm > 3.0 && s->max_mm < 14.0);

    assert_ok(rp_deform_carry_mask(deform, &lesion, &grid, &carried, &moved_out, &err), err);
    assert_true(dice(&carried, &truth) > 0.93);
    assert_close((double)rp_mask_count(&carried) / (double)rp_mask_count(&truth), 1.0, 0.08);
    assert_close(moved_out, 0.0, 0.0);
    rp_mask_release(&carried);
    rp_mask_release(&truth);
    rp_mask_release(&lesion);
    rp_image_release(&baseline);
    rp_image_release(&followup);
    rp_deform_destroy(deform);
}

/* There and back again, and the determinant of what lies between. */
static void test_ways(void **state)
{
    (void)state;
    const rp_grid grid = usual();
    rp_image baseline = seen(&grid, 0, 1), followup = seen(&grid, 1, 2);
    rp_mask lesion = tumour_mask(&grid, 0);
    rp_deform *deform = registered(&baseline, &followup, &lesion);
    for (double x = -60; x <= 60; x += 15) {
        const double p[3] = {x, 0.3 * x, 5};
        double there[3], back[3];
        rp_deform_to_baseline(deform, p, there);
        assert_true(rp_deform_to_followup(deform, there, back));
        for (int a = 0; a < 3; a++) assert_close(back[a], p[a], 0.1);
        assert_true(rp_deform_jacobian(deform, p) > 0.2);
        assert_true(rp_deform_jacobian(deform, p) < 4.0);
    }
    rp_deform_destroy(deform);
    rp_mask_release(&lesion);
    rp_image_release(&baseline);
    rp_image_release(&followup);
}

static void test_nothing_moved(void **state)
{
    (void)state;
    rp_error err;
    double errors[4096];
    const rp_grid grid = usual();
    rp_image baseline = seen(&grid, 0, 1);
    rp_mask lesion = tumour_mask(&grid, 0), carried;
    rp_deform *deform = registered(&baseline, &baseline, &lesion);
    const size_t count = errors_mm(deform, -44, 44, 0, errors);
    assert_true(errors[count - 1] < 0.01);
    assert_int_equal(rp_deform_summary_get(deform)->quality, RP_REGISTRATION_GOOD);
    assert_ok(rp_deform_carry_mask(deform, &lesion, &grid, &carried, NULL, &err), err);
    assert_memory_equal(carried.data, lesion.data, rp_grid_voxels(&grid));
    rp_mask_release(&carried);
    rp_mask_release(&lesion);
    rp_image_release(&baseline);
    rp_deform_destroy(deform);
}

/* The rigid motion is taken off first: a follow-up elsewhere in the world. */
static void test_rigid_first(void **state)
{
    (void)state;
    values_only();
    rp_error err;
    const rp_grid grid = usual();
    rp_image baseline = seen(&grid, 0, 1), followup = seen(&grid, 0, 1);
    rp_deform_options how;
    rp_deform *deform;
    followup.grid.origin[0] += 70.0;
    followup.grid.origin[2] -= 40.0;
    rp_deform_defaults(&how);
    rp_deform_pair pair = {&baseline, &followup, rp_rigid_identity(), NULL};
    pair.rigid.translation[0] = 70.0;
    pair.rigid.translation[2] = -40.0;
    assert_ok(rp_deform_register(&pair, &how, NULL, &deform, &err), err);
    const double p[3] = {50, 10, -35};
    double q[3], back[3];
    rp_deform_to_baseline(deform, p, q);
    assert_close(q[0], -20, 0.05);
    assert_close(q[1], 10, 0.05);
    assert_close(q[2], 5, 0.05);
    assert_true(rp_deform_to_followup(deform, q, back));
    for (int a = 0; a < 3; a++) assert_close(back[a], p[a], 0.05);
    rp_deform_destroy(deform);
    rp_image_release(&baseline);
    rp_image_release(&followup);
}

/* A follow-up of other voxels that shows the lower part only. */
static void test_other_grid(void **state)
{
    (void)state;
    values_only();
    double errors[4096];
    const rp_grid grid = usual();
    rp_grid other = centred(64, 50, 20, 3.1, 2.9, 5);
    other.origin[2] -= 22;
    rp_image baseline = seen(&grid, 0, 1), followup = seen(&other, 1, 2);
    rp_deform *deform = registered(&baseline, &followup, NULL);
    const size_t count = errors_mm(deform, -58, 18, 1, errors);
    assert_true(errors[count / 2] < 1.6);
    assert_true(rp_deform_summary_get(deform)->compared > 0.8);
    assert_true(rp_deform_summary_get(deform)->compared < 1.0);
    rp_deform_destroy(deform);
    rp_image_release(&baseline);
    rp_image_release(&followup);
}

/* Axes in the order z, x, y, one of them the other way: the same patient. */
static rp_image stored_otherwise(const rp_image *image)
{
    rp_error err;
    rp_image out;
    rp_grid g = image->grid;
    static const int from[3] = {2, 0, 1};
    for (int a = 0; a < 3; a++) {
        g.size[a] = image->grid.size[from[a]];
        g.spacing[a] = image->grid.spacing[from[a]];
        for (int r = 0; r < 3; r++) g.direction[r][a] = image->grid.direction[r][from[a]];
    }
    for (int r = 0; r < 3; r++) {
        g.origin[r] += (g.size[1] - 1) * g.spacing[1] * g.direction[r][1];
        g.direction[r][1] = -g.direction[r][1];
    }
    assert_ok(rp_image_init(&out, &g, &err), err);
    for (int z = 0; z < g.size[2]; z++)
        for (int y = 0; y < g.size[1]; y++)
            for (int x = 0; x < g.size[0]; x++)
                out.data[rp_grid_index(&g, x, y, z)] =
                    image->data[rp_grid_index(&image->grid, g.size[1] - 1 - y, z, x)];
    return out;
}

static void test_order_of_axes(void **state)
{
    (void)state;
    values_only();
    rp_error err;
    double moved_out;
    const rp_grid grid = usual();
    rp_image baseline = seen(&grid, 0, 1), followup = seen(&grid, 1, 2);
    rp_image stored = stored_otherwise(&followup);
    rp_mask lesion = tumour_mask(&grid, 0), usual_mask, stored_mask;
    rp_deform *a = registered(&baseline, &followup, &lesion);
    rp_deform *b = registered(&baseline, &stored, &lesion);
    const double p[3] = {-31, 7, 12};
    double q[3], r[3];
    rp_deform_to_baseline(a, p, q);
    rp_deform_to_baseline(b, p, r);
    for (int i = 0; i < 3; i++) assert_close(q[i], r[i], 1e-6);
    assert_ok(rp_deform_carry_mask(a, &lesion, &grid, &usual_mask, &moved_out, &err), err);
    assert_ok(rp_deform_carry_mask(b, &lesion, &stored.grid, &stored_mask, &moved_out, &err), err);
    assert_true(rp_grid_same(&stored_mask.grid, &stored.grid, 1e-9));
    assert_int_equal(rp_mask_count(&usual_mask), rp_mask_count(&stored_mask));
    double there[3], here[3];
    assert_true(rp_mask_centroid(&usual_mask, here) && rp_mask_centroid(&stored_mask, there));
    for (int i = 0; i < 3; i++) assert_close(here[i], there[i], 1e-6);
    rp_mask_release(&usual_mask);
    rp_mask_release(&stored_mask);
    rp_mask_release(&lesion);
    rp_image_release(&baseline);
    rp_image_release(&followup);
    rp_image_release(&stored);
    rp_deform_destroy(a);
    rp_deform_destroy(b);
}

static void test_threads(void **state)
{
    (void)state;
    rp_deform_summary summary[2];
    double at[2][3];
    const rp_grid grid = usual();
    rp_image baseline = seen(&grid, 0, 1), followup = seen(&grid, 1, 2);
    rp_mask lesion = tumour_mask(&grid, 0);
    for (int i = 0; i < 2; i++) {
        rp_threads_set(i ? 3 : 1);
        rp_deform *deform = registered(&baseline, &followup, &lesion);
        memset(&summary[i], 0, sizeof summary[i]);
        memcpy(&summary[i], rp_deform_summary_get(deform), sizeof summary[i]);
        rp_deform_to_baseline(deform, tumour, at[i]);
        rp_deform_destroy(deform);
    }
    rp_threads_set(0);
    assert_memory_equal(&summary[0], &summary[1], sizeof summary[0]);
    assert_memory_equal(at[0], at[1], sizeof at[0]);
    rp_mask_release(&lesion);
    rp_image_release(&baseline);
    rp_image_release(&followup);
}

static rp_status try_pair(const rp_image *baseline, const rp_image *followup, const rp_mask *lesion,
                          const rp_deform_options *how, rp_error *err)
{
    rp_deform *deform;
    const rp_deform_pair pair = {baseline, followup, rp_rigid_identity(), lesion};
    const rp_status status = rp_deform_register(&pair, how, NULL, &deform, err);
    if (status) assert_null(deform);
    rp_deform_destroy(deform);
    return status;
}

static void test_refusals(void **state)
{
    (void)state;
    rp_error err;
    rp_deform_options how, wrong;
    const rp_grid grid = centred(40, 30, 20, 5, 5, 6);
    rp_image image = seen(&grid, 0, 1), flat, far;
    rp_mask lesion = tumour_mask(&grid, 0), empty;
    assert_ok(rp_image_init(&flat, &grid, &err), err);
    assert_ok(rp_mask_init(&empty, &grid, &err), err);
    rp_deform_defaults(&how);
    assert_int_equal(try_pair(&image, &flat, NULL, &how, &err), RP_ERR_REFUSED);
    assert_non_null(strstr(err.message, "the follow-up shows nothing"));
    assert_int_equal(try_pair(&flat, &image, NULL, &how, &err), RP_ERR_REFUSED);
    assert_non_null(strstr(err.message, "the baseline shows nothing"));
    assert_int_equal(try_pair(&image, &image, &empty, &how, &err), RP_ERR_ARGUMENT);
    assert_ok(rp_image_copy(&image, &far, &err), err);
    far.grid.origin[2] += 1000;
    assert_int_equal(try_pair(&image, &far, NULL, &how, &err), RP_ERR_REFUSED);
    assert_non_null(strstr(err.message, "nothing in common"));
    wrong = how, wrong.spacing_mm = 1;
    assert_int_equal(try_pair(&image, &image, NULL, &wrong, &err), RP_ERR_ARGUMENT);
    wrong = how, wrong.smoothness = NAN;
    assert_int_equal(try_pair(&image, &image, NULL, &wrong, &err), RP_ERR_ARGUMENT);
    wrong = how, wrong.reach_mm = 30;
    assert_int_equal(try_pair(&image, &image, NULL, &wrong, &err), RP_ERR_ARGUMENT);
    assert_ok(try_pair(&image, &image, &lesion, &wrong, &err), err);
    rp_image_release(&image);
    rp_image_release(&flat);
    rp_image_release(&far);
    rp_mask_release(&lesion);
    rp_mask_release(&empty);
}

/* Images of a slice, a row, a voxel: registered or refused, never more. */
static void test_tiny(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1},   {2, 1, 1}, {1, 1, 9},
                                   {20, 16, 1}, {3, 3, 3}, {2, 30, 2}};
    rp_error err;
    rp_deform_options how;
    rp_deform_defaults(&how);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const rp_grid grid = centred(sizes[i][0], sizes[i][1], sizes[i][2], 4, 4, 4);
        rp_image image = seen(&grid, 0, 1);
        rp_mask lesion, carried;
        assert_ok(rp_mask_init(&lesion, &grid, &err), err);
        lesion.data[0] = 1;
        const rp_deform_pair pair = {&image, &image, rp_rigid_identity(), &lesion};
        rp_deform *deform;
        const rp_status status = rp_deform_register(&pair, &how, NULL, &deform, &err);
        assert_true(status == RP_OK || status == RP_ERR_REFUSED);
        if (!status) {
            assert_ok(rp_deform_carry_mask(deform, &lesion, &grid, &carried, NULL, &err), err);
            assert_int_equal(rp_mask_count(&carried), 1);
            rp_mask_release(&carried);
        }
        rp_deform_destroy(deform);
        rp_mask_release(&lesion);
        rp_image_release(&image);
    }
}

static bool stop(void *context)
{
    int *asked = context;
    return ++*asked > 2;
}

static void test_cancelled(void **state)
{
    (void)state;
    rp_error err;
    rp_deform_options how;
    rp_deform *deform;
    int asked = 0;
    const rp_progress progress = {.cancelled = stop, .context = &asked};
    const rp_grid grid = centred(40, 30, 20, 5, 5, 6);
    rp_image image = seen(&grid, 0, 1);
    const rp_deform_pair pair = {&image, &image, rp_rigid_identity(), NULL};
    rp_deform_defaults(&how);
    assert_int_equal(rp_deform_register(&pair, &how, &progress, &deform, &err), RP_ERR_CANCELLED);
    assert_null(deform);
    assert_int_equal(asked, 3);
    rp_image_release(&image);
}

/* Part of the lesion goes beyond the follow-up's grid, and is told. */
static void test_moved_out(void **state)
{
    (void)state;
    rp_error err;
    double moved_out;
    const rp_grid grid = centred(40, 30, 20, 5, 5, 6);
    rp_image image = seen(&grid, 0, 1);
    rp_mask lesion = tumour_mask(&grid, 0), carried;
    rp_deform *deform = registered(&image, &image, &lesion);
    rp_grid part = grid;
    part.size[0] = 13; /* up to x = -37.5: less than half of the tumour */
    assert_ok(rp_deform_carry_mask(deform, &lesion, &part, &carried, &moved_out, &err), err);
    size_t outside = 0, i = 0;
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            for (int x = 0; x < grid.size[0]; x++) outside += lesion.data[i++] && x >= 13;
    assert_close(moved_out, (double)outside / (double)rp_mask_count(&lesion), 1e-12);
    assert_true(moved_out > 0.3);
    assert_int_equal(rp_mask_count(&carried), rp_mask_count(&lesion) - outside);
    rp_mask_release(&carried);
    rp_mask_release(&lesion);
    rp_image_release(&image);
    rp_deform_destroy(deform);
}

static void test_no_memory(void **state)
{
    (void)state;
    values_only();
    rp_error err;
    rp_deform_options how;
    const rp_grid grid = centred(20, 16, 10, 9, 9, 12);
    rp_image image = seen(&grid, 0, 1);
    rp_mask lesion = tumour_mask(&grid, 0);
    rp_deform_defaults(&how);
    how.spacing_mm = how.region_spacing_mm = 10;
    rp_status status = RP_ERR_MEMORY;
    for (long n = 1; status == RP_ERR_MEMORY; n += 3) {
        rp_test_fail_allocation(n);
        status = try_pair(&image, &image, &lesion, &how, &err);
        assert_true(status == RP_OK || status == RP_ERR_MEMORY);
    }
    rp_test_fail_allocation(0);
    rp_image_release(&image);
    rp_mask_release(&lesion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_field),   cmocka_unit_test(test_ways),
        cmocka_unit_test(test_nothing_moved), cmocka_unit_test(test_rigid_first),
        cmocka_unit_test(test_other_grid),    cmocka_unit_test(test_order_of_axes),
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tiny),          cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_moved_out),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
