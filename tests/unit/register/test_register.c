#include "test.h"

#include <math.h>

#include "reprise/register.h"

/* A trunk with spine, two kidneys and a dome-shaped liver, from equations; HU at a point in mm. */
static double ellipsoid(const double p[3], double x, double y, double z, double rx, double ry,
                        double rz)
{
    const double a = (p[0] - x) / rx, b = (p[1] - y) / ry, c = (p[2] - z) / rz;
    return a * a + b * b + c * c;
}

static double anatomy(const double p[3])
{
    double hu = -1000.0;
    if (ellipsoid(p, 0, 0, 0, 150, 100, 1e4) < 1) hu = -90.0;
    if (ellipsoid(p, 0, 0, 0, 138, 88, 1e4) < 1) hu = 20.0;
    if (ellipsoid(p, -55, -10, 25, 70, 60, 55) < 1) hu = 110.0;
    if (ellipsoid(p, -60, 45, -50, 22, 20, 45) < 1) hu = 160.0;
    if (ellipsoid(p, 60, 48, -35, 22, 20, 45) < 1) hu = 160.0;
    if (ellipsoid(p, 5, 60, 0, 20, 20, 1e4) < 1)
        hu = fmod(fabs(p[2] + 500.0), 30.0) < 22.0 ? 280.0 : 60.0;
    if (ellipsoid(p, 45, -40, 30, 25, 20, 15) < 1) hu = -800.0;
    return hu;
}

static rp_image seen(const rp_grid *grid, const rp_rigid *back, uint32_t noise)
{
    rp_error err;
    rp_image image;
    rp_random r;
    assert_ok(rp_image_init(&image, grid, &err), err);
    rp_random_init(&r, 3, noise, 0);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                double world[3], body[3];
                rp_grid_to_world(grid, (const double[3]){x, y, z}, world);
                rp_rigid_apply(back, world, body);
                image.data[rp_grid_index(grid, x, y, z)] =
                    (float)(anatomy(body) + 8.0 * rp_random_normal(&r));
            }
    return image;
}

/* An emulator and the thread sanitizer see coarser grids, but for one of the motions. */
static int coarse = SHORT ? 2 : 1;

static rp_grid centred(int nx, int ny, int nz, double sx, double sy, double sz)
{
    nx = (nx + coarse - 1) / coarse, ny = (ny + coarse - 1) / coarse;
    nz = (nz + coarse - 1) / coarse;
    sx *= coarse, sy *= coarse, sz *= coarse;
    rp_grid g = rp_grid_make(nx, ny, nz, sx, sy, sz);
    g.origin[0] = -0.5 * sx * (nx - 1);
    g.origin[1] = -0.5 * sy * (ny - 1);
    g.origin[2] = -0.5 * sz * (nz - 1);
    return g;
}

/* About the axis, through (4, -7, 2). */
static rp_rigid motion(double degrees, const double axis[3], double tx, double ty, double tz)
{
    const double a = degrees / 57.29577951308232, c = cos(a), s = sin(a), *u = axis;
    const double cross[3][3] = {{0, -u[2], u[1]}, {u[2], 0, -u[0]}, {-u[1], u[0], 0}};
    rp_rigid m = {.centre = {4, -7, 2}, .translation = {tx, ty, tz}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            m.rotation[i][j] = (i == j ? c : 0.0) + s * cross[i][j] + (1 - c) * u[i] * u[j];
    return m;
}

static double worst_mm(const rp_rigid *found, const rp_rigid *truth)
{
    double worst = 0.0;
    for (int corner = 0; corner < 8; corner++) {
        const double p[3] = {corner & 1 ? 120 : -120, corner & 2 ? 80 : -80, corner & 4 ? 80 : -80};
        double a[3], b[3];
        rp_rigid_apply(found, p, a);
        rp_rigid_apply(truth, p, b);
        worst = fmax(worst, sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                                 (a[2] - b[2]) * (a[2] - b[2])));
    }
    return worst;
}

static rp_register_image *prepared(rp_image *image)
{
    rp_error err;
    rp_register_image *kept;
    assert_ok(rp_register_image_create(image, &kept, &err), err);
    rp_image_release(image);
    return kept;
}

static rp_register_image *at_rest(void)
{
    const rp_rigid still = rp_rigid_identity();
    const rp_grid grid = centred(110, 80, 40, 3, 3, 5);
    rp_image image = seen(&grid, &still, 1);
    return prepared(&image);
}

static void test_rigid(void **state)
{
    (void)state;
    const double axis[3] = {0.6, 0, 0.8}, p[3] = {31, -12, 77};
    const rp_rigid m = motion(33, axis, 3, -4, 12), back = rp_rigid_inverse(&m);
    double there[3], again[3];
    rp_rigid_apply(&m, p, there);
    rp_rigid_apply(&back, there, again);
    for (int a = 0; a < 3; a++) assert_close(again[a], p[a], 1e-12);
    assert_close(rp_rigid_degrees(&m), 33, 1e-9);
    assert_close(rp_rigid_degrees(&back), 33, 1e-9);
    assert_close(rp_rigid_shift_mm(&m), 13, 1e-12);
    const rp_rigid still = rp_rigid_identity();
    assert_close(rp_rigid_degrees(&still), 0, 1e-9);
    rp_rigid_apply(&still, p, there);
    for (int a = 0; a < 3; a++) assert_true(there[a] == p[a]);
    assert_close(there[0] - again[0], 0, 1e-12);
}

/* Known motions, seen on grids of other spacing, extent, place and direction. */
static void test_known_motions(void **state)
{
    (void)state;
    const double x[3] = {1, 0, 0}, z[3] = {0, 0, 1}, oblique[3] = {0.48, 0.6, 0.64};
    const int usual = coarse;
    coarse = 1;
    const struct {
        rp_rigid truth;
        rp_grid grid;
        bool turned;
    } cases[] = {
        {motion(0, x, 0, 0, 0), centred(100, 75, 42, 3.2, 3.3, 4), false},
        {motion(10, x, 12, -20, 30), centred(110, 80, 60, 3, 3, 4), false},
        {motion(-10, z, -30, 20, 10), centred(120, 100, 40, 3, 3, 5), true},
        {motion(9, oblique, 20, 25, -20), centred(90, 70, 30, 4, 4, 4), true},
        {motion(6, oblique, 10, 90, 350), centred(110, 110, 36, 3, 3, 4), false},
    };
    rp_error err;
    rp_register_image *fixed = at_rest();
    for (size_t i = SLOW ? 3 : 0; i < (SLOW ? 4 : sizeof cases / sizeof *cases); i++) {
        const rp_rigid back = rp_rigid_inverse(&cases[i].truth);
        rp_grid grid = cases[i].grid;
        for (int a = 1; a < 3; a++) grid.origin[a] += cases[i].truth.translation[a];
        for (int a = 0; cases[i].turned && a < 2; a++) {
            grid.direction[a][a] = -1;
            grid.origin[a] = -grid.origin[a] + (a == 1) * 2 * cases[i].truth.translation[a];
        }
        rp_image image = seen(&grid, &back, 2);
        rp_register_image *moving = prepared(&image);
        rp_registration r;
        assert_ok(rp_register_rigid(fixed, moving, &r, &err), err);
        assert_int_equal(r.quality, RP_REGISTRATION_GOOD);
        assert_close(worst_mm(&r.transform, &cases[i].truth), 0, 0.85);
        assert_true(r.correlation > 0.9 && r.overlap > 0.4 && r.overlap <= 1.0);
        assert_false(r.correlation < r.correlation_at_start - 1e-3);
        rp_register_image_destroy(moving);
    }
    rp_register_image_destroy(fixed);
    coarse = usual;
}

static void test_threads(void **state)
{
    (void)state;
    rp_error err;
    const double y[3] = {0, 1, 0};
    const rp_rigid truth = motion(7, y, 15, 5, -25), back = rp_rigid_inverse(&truth);
    const rp_grid grid = centred(110, 80, 50, 3, 3, 4);
    rp_registration r[3];
    const int runs = SLOW ? 2 : 3;
    for (int i = 0; i < runs; i++) {
        rp_threads_set(1 + 2 * i);
        rp_register_image *fixed = at_rest();
        rp_image image = seen(&grid, &back, 2);
        rp_register_image *moving = prepared(&image);
        assert_ok(rp_register_rigid(fixed, moving, &r[i], &err), err);
        rp_register_image_destroy(fixed);
        rp_register_image_destroy(moving);
    }
    rp_threads_set(0);
    for (int i = 1; i < runs; i++) {
        assert_memory_equal(&r[0].transform, &r[i].transform, sizeof r[0].transform);
        assert_memory_equal(&r[0].correlation, &r[i].correlation, sizeof r[0].correlation);
    }
}

/* What a rigid transform gets wrong in one place is found there, and nothing where it is right. */
static void test_local(void **state)
{
    (void)state;
    const rp_rigid still = rp_rigid_identity();
    rp_rigid wrong = still;
    const double kidney[3] = {-60, 45, -40}, outside[3] = {0, 0, 900};
    double shift[3];
    rp_register_image *fixed = at_rest(), *moving = at_rest();
    wrong.translation[0] = 6, wrong.translation[2] = -8;
    assert_true(rp_register_local(fixed, moving, &wrong, kidney, 50, shift));
    assert_close(shift[0], -6, 0.2);
    assert_close(shift[1], 0, 0.2);
    assert_close(shift[2], 8, 0.2);
    rp_register_local(fixed, moving, &still, kidney, 50, shift);
    for (int a = 0; a < 3; a++) assert_close(shift[a], 0, 0.1);
    assert_false(rp_register_local(fixed, moving, &still, outside, 50, shift));
    for (int a = 0; a < 3; a++) assert_true(shift[a] == 0);
    rp_register_image_destroy(fixed);
    rp_register_image_destroy(moving);
}

/* What has turned round a point has not moved there: a fit that may turn too would say otherwise.
 */
static void test_local_turned(void **state)
{
    (void)state;
    const double kidney[3] = {-60, 45, -40}, z_axis[3] = {0, 0, 1};
    const rp_grid grid = centred(100, 80, 60, 3.5, 3.5, 4);
    const rp_rigid still = rp_rigid_identity();
    rp_rigid turned = motion(8, z_axis, 0, 0, 0);
    double shift[3];
    for (int a = 0; a < 3; a++) turned.centre[a] = kidney[a];
    rp_image image = seen(&grid, &turned, 2);
    rp_register_image *fixed = at_rest(), *moving = prepared(&image);
    assert_true(rp_register_local(fixed, moving, &still, kidney, 50, shift));
    for (int a = 0; a < 3; a++) assert_close(shift[a], 0, 3);
    rp_register_image_destroy(fixed);
    rp_register_image_destroy(moving);
}

/* No transform is made up where there is nothing to go by. */
static void test_nothing_in_common(void **state)
{
    (void)state;
    rp_error err;
    rp_register_image *fixed = at_rest();
    const rp_grid grids[] = {centred(60, 60, 40, 4, 4, 4), centred(100, 80, 1, 3, 3, 5),
                             centred(1, 1, 1, 1, 1, 1), centred(3, 2, 2, 9, 9, 9)};
    const rp_rigid still = rp_rigid_identity();
    for (size_t i = SHORT ? 2 : 0; i < sizeof grids / sizeof *grids; i++)
        for (int air = 0; air < 2; air++) {
            rp_image image = seen(&grids[i], &still, 4);
            for (size_t v = 0; v < rp_grid_voxels(&grids[i]); v++)
                if (air || i == 0) image.data[v] = air ? -1000.0f : (float)(v * 7919 % 500);
            rp_register_image *moving = prepared(&image);
            /* One slice of the body does have its place in the whole. */
            for (int back = 0; back < 2 - (i == 1 && !air); back++) {
                rp_registration r;
                assert_ok(rp_register_rigid(back ? moving : fixed, back ? fixed : moving, &r, &err),
                          err);
                assert_int_equal(r.quality, RP_REGISTRATION_FAILED);
                assert_true(r.reason[0]);
                assert_true(r.transform.rotation[0][0] == 1 && r.transform.translation[2] == 0);
            }
            rp_register_image_destroy(moving);
        }
    rp_register_image_destroy(fixed);
}

static rp_status whole(const rp_image *image, rp_error *err)
{
    rp_register_image *a = NULL, *b = NULL;
    rp_registration r;
    rp_status status = rp_register_image_create(image, &a, err);
    if (!status) status = rp_register_image_create(image, &b, err);
    if (!status) status = rp_register_rigid(a, b, &r, err);
    rp_register_image_destroy(a);
    rp_register_image_destroy(b);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    rp_error err;
    const rp_rigid still = rp_rigid_identity();
    const rp_grid grid = centred(30, 20, 16, 10, 10, 10);
    rp_image image = seen(&grid, &still, 1);
    rp_status status = RP_ERR_MEMORY;
    long n = 0;
    while (status && (n += SHORT ? 7 : 1) < 1000) {
        rp_test_fail_allocation(n);
        status = whole(&image, &err);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
    }
    assert_true(n > 20 && n < 1000);
    rp_image_release(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rigid),
        cmocka_unit_test(test_known_motions),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_local_turned),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_nothing_in_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
