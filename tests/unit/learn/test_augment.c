/* Perturbed crops: what they hold, that image and mask move together, their statistics, and that
 * they are functions of (seed, step) alone. */
#include "fixture.h"
#include "../../../src/learn/sample.h"

typedef struct crop {
    float *input;
    uint8_t *target;
} crop;

static rp_adapt_options quiet_options(void)
{
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.augmentation = (rp_augmentation){.elastic_scale_mm = 30};
    o.crop[0] = 24;
    o.crop[1] = 20;
    o.crop[2] = 12;
    return o;
}

/* As rp_adapt sees it: windowed, on the working grid. */
static void make_pair(patient *p)
{
    rp_grid grid = patient_grid();
    rp_preprocessing preprocessing;
    rp_image out = {0};
    rp_error err = {0};
    make_patient(p, &grid);
    rp_preprocessing_defaults(&preprocessing);
    assert_ok(rp_preprocess_image(&preprocessing, &p->image, &out, &err), err);
    rp_image_release(&p->image);
    p->image = out;
}

static void start(rp_sampler *sampler, const patient *p, const rp_adapt_options *o, crop *c)
{
    rp_error err = {0};
    assert_ok(rp_sampler_init(sampler, &p->image, &p->mask, o, &err), err);
    c->input = rp_alloc(rp_sampler_voxels(sampler), sizeof *c->input);
    c->target = rp_alloc(rp_sampler_voxels(sampler), sizeof *c->target);
}

static void stop(rp_sampler *sampler, crop *c)
{
    rp_sampler_release(sampler);
    rp_free(c->input);
    rp_free(c->target);
}

static void draw(rp_sampler *sampler, uint64_t step, rp_warp *warp, crop *c)
{
    rp_sampler_plan(sampler, step, warp);
    rp_sampler_apply(sampler, warp, c->input, c->target);
}

/* With everything off a crop is a piece of the image, bit for bit, and crops reach everywhere. */
static void test_identity(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o = quiet_options();
    bool seen_low[3] = {false}, seen_high[3] = {false};
    int forced = 0;
    make_pair(&p);
    start(&s, &p, &o, &c);
    for (uint64_t step = 0; step < 400; step++) {
        draw(&s, step, &w, &c);
        forced += w.forced;
        for (int a = 0; a < 3; a++) {
            assert_in_range(w.low[a], 0, p.image.grid.size[a] - s.size[a]);
            seen_low[a] |= w.low[a] == 0;
            seen_high[a] |= w.low[a] == p.image.grid.size[a] - s.size[a];
        }
        size_t i = 0, tumour = 0;
        for (int z = 0; z < s.size[2]; z++)
            for (int y = 0; y < s.size[1]; y++)
                for (int x = 0; x < s.size[0]; x++, i++) {
                    size_t at =
                        rp_grid_index(&p.image.grid, w.low[0] + x, w.low[1] + y, w.low[2] + z);
                    if (memcmp(&c.input[i], &p.image.data[at], sizeof(float)) != 0 ||
                        c.target[i] != p.mask.data[at])
                        fail_msg("step %d differs at %d %d %d", (int)step, x, y, z);
                    tumour += c.target[i];
                }
        if (w.forced) assert_true(tumour > 0);
    }
    for (int a = 0; a < 3; a++) assert_true(seen_low[a] && seen_high[a]);
    assert_in_range(forced, 280 - 40, 280 + 40); /* 0.7 of 400; four standard deviations are 37 */
    stop(&s, &c);
    release_patient(&p);
}

/* The image is the mask's own indicator, so that at every voxel one must say what the other says,
 * however they are warped. */
static void test_image_and_mask_move_together(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.augmentation.brightness = o.augmentation.noise = 0;
    o.augmentation.rotation_degrees = 40;
    o.crop[0] = o.crop[1] = 24;
    o.crop[2] = 12;
    make_pair(&p);
    for (size_t i = 0; i < rp_grid_voxels(&p.image.grid); i++) p.image.data[i] = p.mask.data[i];
    start(&s, &p, &o, &c);
    size_t partial = 0, forced = 0;
    for (uint64_t step = 0; step < 200; step++) {
        size_t tumour = 0;
        draw(&s, step, &w, &c);
        for (size_t i = 0; i < rp_sampler_voxels(&s); i++) {
            assert_int_equal(c.target[i], c.input[i] >= 0.5f);
            partial += c.input[i] > 0.0f && c.input[i] < 1.0f;
            tumour += c.target[i];
        }
        if (w.forced && tumour == 0) fail_msg("step %d: forced crop without tumour", (int)step);
        forced += w.forced;
    }
    assert_true(partial > 1000 && forced > 100);
    stop(&s, &c);
    release_patient(&p);
}

/* The map against its own description: rotation, scale and shift about the pivot in millimetres,
 * checked on an image that holds its own coordinates. */
static void check_motion(const patient *p, double degrees, double shift, double scale)
{
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o = quiet_options();
    o.tumour_share = 0; /* forced crops may stop the motion at a face */
    o.augmentation.rotation_degrees = degrees;
    o.augmentation.shift_mm = shift;
    o.augmentation.scale = scale;
    const double *spacing = p->image.grid.spacing;
    double sums[3] = {0}, squares = 0, largest = 0, angles = 0, shifts[3] = {0}, shift_squares = 0;
    start(&s, p, &o, &c);
    enum { STEPS = 3000 };
    for (uint64_t step = 0; step < STEPS; step++) {
        rp_sampler_plan(&s, step, &w);
        assert_true(fabs(w.angle_degrees) <= degrees && fabs(w.scale - 1) <= scale);
        /* columns of the matrix in millimetres: orthogonal, of length 1 / scale */
        double trace = 0;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                double dot = 0;
                for (int k = 0; k < 3; k++)
                    dot += w.matrix[k][i] * spacing[k] / spacing[i] * w.matrix[k][j] * spacing[k] /
                           spacing[j];
                assert_close(dot, i == j ? 1 / (w.scale * w.scale) : 0.0, 1e-9);
            }
        for (int i = 0; i < 3; i++) {
            trace += w.matrix[i][i] * w.scale;
            double moved = (w.pivot_source[i] - w.low[i] - w.pivot_crop[i]) * spacing[i];
            assert_close(moved, w.shift_mm[i], 1e-9);
            assert_true(fabs(moved) <= shift);
            shifts[i] += moved;
            shift_squares += moved * moved;
        }
        assert_close(trace, 1 + 2 * cos(w.angle_degrees * M_PI / 180), 1e-9);
        angles += w.angle_degrees;
        squares += w.angle_degrees * w.angle_degrees;
        largest = fmax(largest, fabs(w.angle_degrees));
        sums[0] += w.scale - 1;
        sums[1] += (w.scale - 1) * (w.scale - 1);
    }
    const double n = STEPS;
    if (degrees > 0) { /* uniform: mean 0, variance r^2/3 */
        assert_close(angles / n, 0, 0.06 * degrees);
        assert_close(squares / n, degrees * degrees / 3, 0.03 * degrees * degrees);
        assert_true(largest > 0.99 * degrees);
    }
    if (shift > 0) {
        for (int i = 0; i < 3; i++) assert_close(shifts[i] / n, 0, 0.06 * shift);
        assert_close(shift_squares / (3 * n), shift * shift / 3, 0.02 * shift * shift);
    }
    if (scale > 0) {
        assert_close(sums[0] / n, 0, 0.06 * scale);
        assert_close(sums[1] / n, scale * scale / 3, 0.03 * scale * scale);
    }
    stop(&s, &c);
}

static void test_motion(void **state)
{
    (void)state;
    patient p = {0};
    make_pair(&p);
    check_motion(&p, 10, 5, 0.15);
    check_motion(&p, 30, 0, 0);
    check_motion(&p, 0, 8, 0);
    check_motion(&p, 0, 0, 0.3);
    release_patient(&p);
}

/* What is sampled is what the map says: an image that is a plane in its own index. */
static void test_sampling_follows_the_map(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.augmentation.brightness = o.augmentation.noise = 0;
    o.crop[0] = 20;
    o.crop[1] = 18;
    o.crop[2] = 10;
    make_pair(&p);
    const rp_grid *g = &p.image.grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++)
                p.image.data[rp_grid_index(g, x, y, z)] =
                    (float)(0.1 + 0.005 * x + 0.006 * y + 0.01 * z);
    start(&s, &p, &o, &c);
    size_t compared = 0, beyond = 0;
    for (uint64_t step = 0; step < 20; step++) {
        draw(&s, step, &w, &c);
        size_t i = 0;
        for (int z = 0; z < s.size[2]; z++)
            for (int y = 0; y < s.size[1]; y++)
                for (int x = 0; x < s.size[0]; x++, i++) {
                    const double at[3] = {x, y, z};
                    double u[3], source[3];
                    bool inside = true, outside = false;
                    rp_lattice_at(&s.lattice, at, u);
                    for (int a = 0; a < 3; a++) {
                        source[a] = w.pivot_source[a] + u[a];
                        for (int b = 0; b < 3; b++)
                            source[a] += w.matrix[a][b] * (at[b] - w.pivot_crop[b]);
                        inside &= source[a] >= 0 && source[a] <= g->size[a] - 1;
                        outside |= source[a] < -0.51 || source[a] > g->size[a] - 0.49;
                    }
                    if (inside)
                        assert_close(c.input[i],
                                     0.1 + 0.005 * source[0] + 0.006 * source[1] + 0.01 * source[2],
                                     1e-6);
                    if (outside) assert_true(c.input[i] == 0.0f && c.target[i] == 0);
                    compared += inside;
                    beyond += outside;
                }
    }
    assert_true(compared > 10000 && beyond > 100);
    stop(&s, &c);
    release_patient(&p);
}

/* rms length of the displacement, its smoothness over the stated scale, and no folding. */
static void test_elastic(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o = quiet_options();
    o.augmentation.elastic_mm = 3;
    double squares = 0, far_products = 0, near_products = 0, mean[3] = {0};
    make_pair(&p);
    start(&s, &p, &o, &c);
    const double *spacing = p.image.grid.spacing;
    enum { STEPS = 1500 };
    for (uint64_t step = 0; step < STEPS; step++) {
        rp_sampler_plan(&s, step, &w);
        rp_random r;
        rp_random_init(&r, 1, 1, step);
        double at[3], u[3], near_u[3], far_u[3];
        for (int a = 0; a < 3; a++) at[a] = rp_random_uniform(&r) * (s.size[a] - 1);
        at[0] *= 0.1;
        const double nearby[3] = {at[0] + 2 / spacing[0], at[1], at[2]};
        const double far[3] = {s.size[0] - 1, at[1], at[2]}; /* 29 mm or more away */
        rp_lattice_at(&s.lattice, at, u);
        rp_lattice_at(&s.lattice, nearby, near_u);
        rp_lattice_at(&s.lattice, far, far_u);
        for (int a = 0; a < 3; a++) {
            double mm = u[a] * spacing[a];
            squares += mm * mm;
            near_products += mm * near_u[a] * spacing[a];
            far_products += mm * far_u[a] * spacing[a];
            mean[a] += mm / STEPS;
        }
    }
    /* 4500 values; variance varies with the phase within the lattice by more than by chance */
    assert_close(sqrt(squares / STEPS), 3.0, 0.35);
    assert_true(near_products / squares > 0.95);
    assert_true(fabs(far_products / squares) < 0.5);
    for (int a = 0; a < 3; a++) assert_close(mean[a], 0, 0.2);
    stop(&s, &c);
    release_patient(&p);
}

static void test_intensity(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o = quiet_options();
    rp_error err = {0};
    rp_grid grid = patient_grid();
    double sum = 0, squares = 0, lowest = 2, highest = 0;
    size_t n = 0;
    make_patient(&p, &grid);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        p.image.data[i] = i % 40 < 4 ? 0.0f : i % 40 < 8 ? 1.0f : 0.5f;
    o.augmentation.noise = 0.05;
    start(&s, &p, &o, &c);
    for (uint64_t step = 0; step < 20; step++) {
        draw(&s, step, &w, &c);
        for (size_t i = 0; i < rp_sampler_voxels(&s); i++) {
            int x = w.low[0] + (int)(i % (size_t)s.size[0]);
            if (x < 8) {
                assert_true(c.input[i] == (x < 4 ? 0.0f : 1.0f)); /* beyond the window: no noise */
                continue;
            }
            double d = (double)c.input[i] - 0.5;
            sum += d;
            squares += d * d;
            n++;
        }
    }
    assert_true(n > 50000);
    assert_close(sum / (double)n, 0, 0.001);
    assert_close(sqrt(squares / (double)n), 0.05, 0.0006);
    stop(&s, &c);

    o.augmentation.noise = 0;
    o.augmentation.brightness = 0.15;
    start(&s, &p, &o, &c);
    for (uint64_t step = 0; step < 500; step++) {
        rp_sampler_plan(&s, step, &w);
        lowest = fmin(lowest, w.brightness);
        highest = fmax(highest, w.brightness);
    }
    assert_true(lowest >= 0.85 && lowest < 0.86 && highest <= 1.15 && highest > 1.14);
    draw(&s, 3, &w, &c);
    for (size_t i = 0; i < rp_sampler_voxels(&s); i++) {
        int x = w.low[0] + (int)(i % (size_t)s.size[0]);
        double expected = x < 4 ? 0 : x < 8 ? fmin(1, w.brightness) : 0.5 * w.brightness;
        assert_close(c.input[i], expected, 1e-6);
    }
    stop(&s, &c);
    o.augmentation.brightness = -0.1;
    assert_int_equal(rp_sampler_init(&s, &p.image, &p.mask, &o, &err), RP_ERR_ARGUMENT);
    o.augmentation.brightness = NAN;
    assert_int_equal(rp_sampler_init(&s, &p.image, &p.mask, &o, &err), RP_ERR_ARGUMENT);
    o.augmentation = (rp_augmentation){.elastic_mm = 20, .elastic_scale_mm = 30};
    assert_int_equal(rp_sampler_init(&s, &p.image, &p.mask, &o, &err), RP_ERR_ARGUMENT);
    release_patient(&p);
}

/* One voxel of tumour in the corner of the image, strong motion: forced crops keep it within. */
static void test_forced_crops_keep_a_small_tumour(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_warp w;
    rp_adapt_options o;
    rp_adapt_defaults(&o);
    o.tumour_share = 1;
    o.augmentation.shift_mm = 20;
    o.augmentation.rotation_degrees = 30;
    o.crop[0] = o.crop[1] = o.crop[2] = 8;
    make_pair(&p);
    memset(p.mask.data, 0, rp_grid_voxels(&p.mask.grid));
    for (int z = 0; z < 2; z++)
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 3; x++)
                p.mask.data[rp_grid_index(&p.mask.grid, 36 + x, 1 + y, 17 + z)] = 1;
    start(&s, &p, &o, &c);
    int empty = 0;
    double reached[3] = {0};
    for (uint64_t step = 0; step < 500; step++) {
        size_t tumour = 0;
        draw(&s, step, &w, &c);
        for (size_t i = 0; i < rp_sampler_voxels(&s); i++) {
            tumour += c.target[i];
            if (!c.target[i]) continue;
            reached[0] = fmax(reached[0], (double)(i % 8));
            reached[1] = fmax(reached[1], (double)(i / 8 % 8));
            reached[2] = fmax(reached[2], (double)(i / 64));
        }
        empty += tumour == 0;
    }
    assert_true(empty <= 10); /* the tumour's own corner at the crop's corner may fall below 1/2 */
    for (int a = 0; a < 3; a++) assert_true(reached[a] >= 7);
    stop(&s, &c);
    release_patient(&p);
}

static uint64_t digest(rp_sampler *s, crop *c, const uint64_t *steps, int count)
{
    uint64_t hash = 1469598103934665603u;
    for (int i = 0; i < count; i++) {
        rp_warp w;
        draw(s, steps[i], &w, c);
        for (size_t v = 0; v < rp_sampler_voxels(s); v++) {
            uint32_t bits;
            memcpy(&bits, &c->input[v], sizeof bits);
            hash = (hash ^ bits ^ (uint64_t)c->target[v] << 40) * 1099511628211u;
        }
    }
    return hash;
}

static void test_depends_on_seed_and_step_alone(void **state)
{
    (void)state;
    patient p = {0};
    rp_sampler s;
    crop c;
    rp_adapt_options o;
    const uint64_t one[] = {5}, after_others[] = {9, 0, 5};
    rp_adapt_defaults(&o);
    make_pair(&p);
    start(&s, &p, &o, &c);
    assert_int_equal(s.size[0], 40); /* clipped to the image */
    rp_threads_set(1);
    uint64_t expected = digest(&s, &c, one, 1), other = digest(&s, &c, (uint64_t[]){6}, 1);
    uint64_t sequence = digest(&s, &c, after_others, 3);
    assert_true(expected != other);
    for (int threads = 1; threads <= 8; threads *= 2) {
        rp_threads_set(threads);
        assert_true(digest(&s, &c, one, 1) == expected);
        assert_true(digest(&s, &c, after_others, 3) == sequence);
    }
    stop(&s, &c);
    o.seed = 1;
    start(&s, &p, &o, &c);
    assert_true(digest(&s, &c, one, 1) != expected);
    stop(&s, &c);
    rp_threads_set(0);
    release_patient(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_image_and_mask_move_together),
        cmocka_unit_test(test_motion),
        cmocka_unit_test(test_sampling_follows_the_map),
        cmocka_unit_test(test_elastic),
        cmocka_unit_test(test_intensity),
        cmocka_unit_test(test_forced_crops_keep_a_small_tumour),
        cmocka_unit_test(test_depends_on_seed_and_step_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
