/* The map of a simulated follow-up: it must not fold, and it must be what it says. */
#include "../../../src/synth/warp.h"
#include "test.h"

#include <math.h>

static double rms(const deformation *d)
{
    size_t n = (size_t)d->size[0] * (size_t)d->size[1] * (size_t)d->size[2];
    double square = 0;
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < n; k++) square += (double)d->vector[i][k] * d->vector[i][k];
    return sqrt(square / (double)n);
}

static void test_deformation(void **state)
{
    (void)state;
    double low[3] = {-100, -80, 0}, high[3] = {100, 90, 160};
    deformation d;
    rp_error err = {0};
    assert_ok(deformation_create(low, high, 3, 40, 9, &d, &err), err);
    assert_close(rms(&d), 3, 1e-4);
    /* Smooth: the Jacobian of x + u(x) stays positive, and neighbours differ little. */
    for (double z = 10; z < 150; z += 13)
        for (double y = -70; y < 80; y += 11)
            for (double x = -90; x < 90; x += 9) {
                double j[3][3], here[3], there[3];
                deformation_at(&d, (double[3]){x, y, z}, here);
                for (int a = 0; a < 3; a++) {
                    double p[3] = {x, y, z};
                    p[a] += 0.5;
                    deformation_at(&d, p, there);
                    for (int r = 0; r < 3; r++) j[r][a] = (r == a) + 2 * (there[r] - here[r]);
                    assert_true(fabs(there[a] - here[a]) < 0.25);
                }
                double det = j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1]) -
                             j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0]) +
                             j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0]);
                assert_true(det > 0.3);
                assert_true(hypot(hypot(here[0], here[1]), here[2]) <= d.largest_mm + 1e-6);
            }
    deformation_release(&d);
}

static void test_scaling(void **state)
{
    (void)state;
    rp_grid g = rp_grid_make(60, 60, 30, 1, 1, 2);
    rp_mask m;
    static star_shape shape;
    rp_error err = {0};
    assert_ok(rp_mask_init(&m, &g, &err), err);
    for (int z = 8; z < 22; z++)
        for (int y = 15; y < 45; y++)
            for (int x = 20; x < 36; x++) m.data[rp_grid_index(&g, x, y, z)] = x < 28 || y < 24;
    assert_ok(star_shape_make(&m, &shape, &err), err);
    static const double scales[] = {0.1, 0.3, 0.54, 0.56, 0.8, 1, 1.3, 2.5};
    rp_random r;
    rp_random_init(&r, 1, 1, 0);
    for (int trial = 0; trial < 400; trial++) {
        double n[3], length = 0, scale = scales[trial % 8], last = 0;
        for (int i = 0; i < 3; i++) {
            n[i] = rp_random_normal(&r);
            length += n[i] * n[i];
        }
        for (double t = 0.05; t < 200; t += 0.05) {
            double p[3], from[3], before = 0, along = 0;
            for (int i = 0; i < 3; i++) p[i] = shape.centre[i] + t * n[i] / sqrt(length);
            double blur = star_shape_unscale(&shape, scale, p, from);
            for (int i = 0; i < 3; i++) {
                before += (from[i] - shape.centre[i]) * (from[i] - shape.centre[i]);
                along += (from[i] - shape.centre[i]) * n[i] / sqrt(length);
            }
            before = sqrt(before);
            assert_close(before, along, 1e-6); /* stays on its ray */
            if (blur == 0) { /* continuous and increasing where nothing is filled */
                assert_true(before >= last - 1e-9 && before - last < 0.05 / scale + 2.6);
                last = before;
            }
        }
        assert_close(last, 199.95, 0.1); /* far away nothing moves */
    }
    rp_mask_release(&m);
}

/* Every voxel of the lesion lies where the map is the exact similarity. */
static void test_lesion_scales_exactly(void **state)
{
    (void)state;
    rp_grid g = rp_grid_make(40, 40, 20, 1, 1, 2);
    rp_mask m;
    static star_shape shape;
    rp_error err = {0};
    assert_ok(rp_mask_init(&m, &g, &err), err);
    rp_random r;
    rp_random_init(&r, 2, 1, 0);
    for (int k = 0; k < 60; k++) {
        int at[3];
        for (int i = 0; i < 3; i++)
            at[i] = 4 + (int)(rp_random_u32(&r) % (uint32_t)(g.size[i] - 8));
        m.data[rp_grid_index(&g, at[0], at[1], at[2])] = 1;
    }
    assert_ok(star_shape_make(&m, &shape, &err), err);
    for (int z = 0; z < 20; z++)
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 40; x++) {
                if (!m.data[rp_grid_index(&g, x, y, z)]) continue;
                double index[3] = {x, y, z}, world[3], moved[3], from[3];
                rp_grid_to_world(&g, index, world);
                for (int i = 0; i < 3; i++)
                    moved[i] = shape.centre[i] + 0.4 * (world[i] - shape.centre[i]);
                assert_true(star_shape_unscale(&shape, 0.4, moved, from) == 0);
                for (int i = 0; i < 3; i++) assert_close(from[i], world[i], 1e-9);
            }
    rp_mask_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deformation),
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_lesion_scales_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
