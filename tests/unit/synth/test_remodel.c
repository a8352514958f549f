/* Remodelled follow-ups: the truth that they state, what they leave alone, and what they refuse. */
#include "reprise/measure.h"
#include "reprise/synth_remodel.h"
#include "orders.h"

#include <math.h>

typedef struct scan {
    rp_image image;
    rp_mask mask;
} scan;

static double hash(int x, int y, int z)
{
    const uint32_t counter[4] = {(uint32_t)x, (uint32_t)y, (uint32_t)z, 0}, key[2] = {1, 2};
    uint32_t out[4];
    rp_philox4x32(counter, key, out);
    return out[0] / 4294967296.0 + out[1] / 4294967296.0 - 1;
}

/* A body of noisy soft tissue with a layer of fat and air round it, and a dense lesion. */
static scan make_scan(int n, int slices, double sx, double sz, double radius_mm)
{
    rp_grid g = rp_grid_make(n, n, slices, sx, sx, sz);
    scan s;
    rp_error err = {0};
    g.origin[0] = -30;
    g.origin[2] = 500;
    assert_ok(rp_image_init(&s.image, &g, &err), err);
    assert_ok(rp_mask_init(&s.mask, &g, &err), err);
    for (int z = 0; z < slices; z++)
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++) {
                const double px = (x - n / 2) * sx, py = (y - n / 2) * sx,
                             pz = (z - slices / 2) * sz;
                const double r = sqrt(px * px + py * py + pz * pz),
                             body = 0.5 * n * sx - hypot(px, py);
                const bool in = r <= radius_mm * (1 + 0.15 * cos(3 * atan2(py, px)));
                const size_t at = rp_grid_index(&g, x, y, z);
                const double tissue = body < 4 ? -1000 : body < 9 ? -100 : 45;
                s.image.data[at] =
                    (float)((in ? 110 : tissue) + (body < 4 ? 0 : 12 * hash(x, y, z)));
                s.mask.data[at] = in;
            }
    return s;
}

static void release_scan(scan *s)
{
    rp_image_release(&s->image);
    rp_mask_release(&s->mask);
}

/* Nothing but the change itself, on the baseline's own grid. */
static rp_remodel_options plain(double change, uint64_t seed)
{
    return (rp_remodel_options){
        .change_percent = change, .seed = seed, .shift_given = true, .spacing = {1, 1, 2.5}};
}

static rp_remodeled made(const scan *s, const rp_remodel_options *o)
{
    rp_remodeled f = {0};
    rp_error err = {0};
    assert_ok(rp_remodel_followup(&s->image, &s->mask, o, NULL, &f, &err), err);
    return f;
}

typedef struct spread {
    double mean, sd;
    size_t count;
} spread;

static spread values_where(const rp_image *image, const rp_mask *mask, bool inside)
{
    spread s = {0};
    double square = 0;
    for (size_t i = 0; i < rp_grid_voxels(&image->grid); i++) {
        if ((mask->data[i] != 0) != inside) continue;
        s.mean += image->data[i];
        square += (double)image->data[i] * image->data[i];
        s.count++;
    }
    s.mean /= (double)s.count;
    s.sd = sqrt(square / (double)s.count - s.mean * s.mean);
    return s;
}

/* Of the tissue 3 to 8 mm from the mask. */
static spread next_to(const rp_image *image, const rp_mask *mask)
{
    rp_image away = {0};
    rp_mask shell = {0};
    rp_error err = {0};
    assert_ok(rp_mask_distance(mask, &away, &err), err);
    assert_ok(rp_mask_copy(mask, &shell, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&mask->grid); i++)
        shell.data[i] = away.data[i] > 3 && away.data[i] < 8;
    const spread s = values_where(image, &shell, true);
    rp_image_release(&away);
    rp_mask_release(&shell);
    return s;
}

/* ---- truth ------------------------------------------------------------------------------- */

static void check_truth(const scan *s, double change, uint64_t seed)
{
    rp_remodel_options o;
    rp_error err = {0};
    rp_lesion after;
    rp_remodel_defaults(&o);
    o.change_percent = change;
    o.seed = seed;
    rp_remodeled f = made(s, &o);
    assert_ok(rp_measure_mask(&f.mask, RP_DIAMETER_CONVEX, &after, &err), err);
    const double base = f.baseline_diameter_mm;
    assert_true(after.longest_diameter_mm == f.followup_diameter_mm);
    assert_true(after.volume_cc == f.followup_cc && f.whole_diameter_mm == f.followup_diameter_mm);
    assert_close(f.followup_diameter_mm, base * (1 + change / 100), fmax(0.01 * base, 0.54));
    assert_close(f.true_change_percent, 100 * (f.followup_diameter_mm / base - 1), 1e-9);
    assert_true(f.parts >= 1 && f.largest_part_diameter_mm <= f.followup_diameter_mm + 1e-9);
    for (size_t i = 0; i < rp_grid_voxels(&f.image.grid); i++)
        assert_true(f.image.data[i] >= -1024 && f.image.data[i] <= 3071 && f.mask.data[i] <= 1);
    rp_remodeled_release(&f);
}

static void test_true_change(void **state)
{
    (void)state;
    static const double changes[] = {-80, -60, -45, -30, -15, 0, 12, 30, 60, 100};
    scan s = make_scan(84, 40, 1.0, 2.5, 14);
    for (int i = 0; i < (SLOW ? 3 : 10); i++) check_truth(&s, changes[i], (uint64_t)i + 1);
    release_scan(&s);
}

/* The lesion is dense where the mask says and nowhere else; its border is no smooth copy. */
static void test_what_is_where(void **state)
{
    (void)state;
    scan s = make_scan(84, 36, 1.0, 2.5, 14);
    for (int grows = 0; grows < 2; grows++) {
        const rp_remodel_options o = plain(grows ? 30 : -40, 5);
        rp_remodeled f = made(&s, &o);
        rp_image distance = {0}, depth = {0};
        rp_mask outside = {0};
        rp_error err = {0};
        assert_ok(rp_mask_distance(&f.mask, &distance, &err), err);
        assert_ok(rp_mask_copy(&f.mask, &outside, &err), err);
        size_t wrong = 0, sure = 0;
        for (size_t i = 0; i < rp_grid_voxels(&f.mask.grid); i++) outside.data[i] = !f.mask.data[i];
        assert_ok(rp_mask_distance(&outside, &depth, &err), err);
        for (size_t i = 0; i < rp_grid_voxels(&f.mask.grid); i++) {
            if (depth.data[i] < 2.5 && distance.data[i] < 2.5) continue;
            sure++;
            wrong += (f.image.data[i] > 80) != f.mask.data[i];
        }
        assert_true(sure > rp_grid_voxels(&f.mask.grid) / 2);
        assert_true((double)wrong < 1e-4 * (double)sure);
        rp_image_release(&distance);
        rp_image_release(&depth);
        rp_mask_release(&outside);
        rp_remodeled_release(&f);
    }
    release_scan(&s);
}

static void test_vanished(void **state)
{
    (void)state;
    scan s = make_scan(84, 36, 1.0, 2.5, 12);
    for (uint64_t seed = 1; seed < 4; seed++) {
        const rp_remodel_options o = plain(-100, seed);
        rp_remodeled f = made(&s, &o);
        assert_int_equal(rp_mask_count(&f.mask), 0);
        assert_true(f.followup_diameter_mm == 0 && f.true_change_percent == -100 && f.parts == 0);
        /* Where it was there is tissue like that next to it, and nothing bright. */
        const spread old = values_where(&f.image, &s.mask, true), next = next_to(&f.image, &s.mask);
        assert_close(old.mean, next.mean, 1.0);
        assert_close(old.sd, next.sd, 0.15 * next.sd);
        for (size_t i = 0; i < rp_grid_voxels(&f.image.grid); i++)
            assert_true(f.image.data[i] < 75);
        rp_remodeled_release(&f);
    }
    release_scan(&s);
}

/* Far from the lesion nothing has changed. */
static void test_far_tissue(void **state)
{
    (void)state;
    scan s = make_scan(84, 36, 1.0, 2.5, 6);
    rp_remodel_options o = plain(-40, 3);
    o.with = RP_REMODEL_NECROSIS | RP_REMODEL_SCAR | RP_REMODEL_OEDEMA;
    rp_remodeled f = made(&s, &o);
    rp_image away = {0};
    rp_error err = {0};
    assert_true(rp_grid_same(&f.image.grid, &s.image.grid, 1e-9));
    assert_ok(rp_mask_distance(&s.mask, &away, &err), err);
    size_t far = 0;
    for (size_t i = 0; i < rp_grid_voxels(&s.image.grid); i++) {
        if (away.data[i] < 3 * f.baseline_diameter_mm) continue;
        assert_close(f.image.data[i], s.image.data[i], 0.01);
        far++;
    }
    assert_true(far > 1000);
    rp_image_release(&away);
    rp_remodeled_release(&f);
    release_scan(&s);
}

static bool same_bits(const rp_remodeled *a, const rp_remodeled *b)
{
    const size_t n = rp_grid_voxels(&a->image.grid);
    return memcmp(&a->image.grid, &b->image.grid, sizeof a->image.grid) == 0 &&
           memcmp(a->image.data, b->image.data, n * sizeof *a->image.data) == 0 &&
           memcmp(a->mask.data, b->mask.data, n) == 0;
}

static void test_deterministic(void **state)
{
    (void)state;
    scan s = make_scan(64, 28, 1.0, 2.5, 9);
    rp_remodeled f[3];
    for (int i = 0; i < 3; i++) {
        rp_remodel_options o;
        rp_remodel_defaults(&o);
        o.change_percent = -30;
        o.seed = i == 2 ? 8 : 7;
        o.with = (1u << RP_REMODEL_KINDS) - 1;
        rp_threads_set(i == 1 ? 2 : 1);
        f[i] = made(&s, &o);
    }
    rp_threads_set(0);
    assert_true(same_bits(&f[0], &f[1]));
    assert_false(same_bits(&f[0], &f[2]));
    for (int i = 0; i < 3; i++) rp_remodeled_release(&f[i]);
    release_scan(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_change),   cmocka_unit_test(test_what_is_where),
        cmocka_unit_test(test_vanished),      cmocka_unit_test(test_far_tissue),
        cmocka_unit_test(test_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
