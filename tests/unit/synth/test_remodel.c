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
    static const double changes[] = {-80, -60, -40, -20, 0, 20, 60, 100};
    scan s = make_scan(84, 40, 1.0, 2.5, 14);
    for (int i = 0; i < (SLOW ? 3 : 8); i++) check_truth(&s, changes[i], (uint64_t)i + 1);
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

/* ---- each kind changes what it says ------------------------------------------------------ */

static double drawn(const rp_remodeled *f, const char *name)
{
    for (int i = 0; i < f->draw_count; i++)
        if (strcmp(f->draws[i].name, name) == 0) return f->draws[i].value;
    fail_msg("%s was not drawn", name);
    return NAN;
}

typedef struct pair {
    scan s;
    rp_remodeled without, with;
} pair;

static pair both(double change, uint64_t seed, unsigned with)
{
    pair p = {.s = make_scan(84, 36, 1.0, 2.5, 14)};
    rp_remodel_options o = plain(change, seed);
    p.without = made(&p.s, &o);
    o.with = with;
    p.with = made(&p.s, &o);
    assert_int_equal(p.with.with, with);
    return p;
}

static void release_pair(pair *p)
{
    release_scan(&p->s);
    rp_remodeled_release(&p->without);
    rp_remodeled_release(&p->with);
}

static bool same_masks(const pair *p)
{
    return memcmp(p->without.mask.data, p->with.mask.data, rp_grid_voxels(&p->with.mask.grid)) == 0;
}

static void test_in_the_lesion(void **state)
{
    (void)state;
    pair p = both(-20, 4, RP_REMODEL_NECROSIS);
    rp_mask outside = {0};
    rp_image depth = {0};
    rp_error err = {0};
    double core = 0, cores = 0;
    assert_true(same_masks(&p));
    assert_ok(rp_mask_copy(&p.with.mask, &outside, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&outside.grid); i++) outside.data[i] = !outside.data[i];
    assert_ok(rp_mask_distance(&outside, &depth, &err), err);
    double deepest = 0;
    for (size_t i = 0; i < rp_grid_voxels(&outside.grid); i++)
        deepest = fmax(deepest, depth.data[i]);
    for (size_t i = 0; i < rp_grid_voxels(&outside.grid); i++) {
        if (depth.data[i] > 0.75 * deepest) core += p.with.image.data[i], cores++;
        if (outside.data[i]) assert_close(p.with.image.data[i], p.without.image.data[i], 8);
    }
    assert_true(cores > 10);
    assert_close(core / cores, drawn(&p.with, "necrosis.hu"), 30);
    assert_true(values_where(&p.without.image, &p.with.mask, true).mean > 95);
    rp_mask_release(&outside);
    rp_image_release(&depth);
    release_pair(&p);

    p = both(-20, 4, RP_REMODEL_EMBOLISED);
    size_t dense = 0;
    assert_true(same_masks(&p));
    for (size_t i = 0; i < rp_grid_voxels(&p.with.image.grid); i++) {
        const bool bright = p.with.image.data[i] > 200;
        dense += bright;
        assert_true(p.with.image.data[i] < 805 && p.without.image.data[i] < 130);
    }
    assert_true(dense > 5 && dense < rp_mask_count(&p.with.mask));
    release_pair(&p);
}

static void test_round_the_lesion(void **state)
{
    (void)state;
    pair p = both(-50, 4, RP_REMODEL_SCAR);
    double strand = 0, worst = 0;
    assert_true(same_masks(&p));
    for (size_t i = 0; i < rp_grid_voxels(&p.with.image.grid); i++) {
        const double more = p.with.image.data[i] - p.without.image.data[i];
        if (!p.with.mask.data[i]) strand += more > 15;
        worst = fmin(worst, more);
    }
    assert_true(strand > 20 && strand < 0.3 * (double)rp_mask_count(&p.s.mask) && worst > -1);
    release_pair(&p);

    p = both(-30, 4, RP_REMODEL_OEDEMA);
    double darker = 0;
    assert_true(same_masks(&p));
    for (size_t i = 0; i < rp_grid_voxels(&p.with.image.grid); i++)
        darker += p.with.image.data[i] - p.without.image.data[i] < -8;
    assert_true(darker > 500);
    assert_close(values_where(&p.with.image, &p.with.mask, true).mean,
                 values_where(&p.without.image, &p.with.mask, true).mean, 5);
    release_pair(&p);

    p = both(-60, 4, RP_REMODEL_PIECES);
    assert_true(p.with.parts >= 1 && p.without.parts == 1);
    release_pair(&p);
}

static void test_new_lesion(void **state)
{
    (void)state;
    pair p = both(-30, 4, RP_REMODEL_NEW_LESION);
    rp_image away = {0};
    rp_error err = {0};
    assert_true(same_masks(&p) && !p.without.new_lesion.data);
    assert_ok(rp_mask_distance(&p.s.mask, &away, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&away.grid); i++)
        if (p.with.new_lesion.data[i]) assert_true(away.data[i] > 3 && !p.with.mask.data[i]);
    const double radius = drawn(&p.with, "new-lesion.radius_mm");
    const double volume = (double)rp_mask_count(&p.with.new_lesion) * rp_grid_voxel_mm3(&away.grid);
    assert_close(cbrt(volume * 3 / (4 * M_PI)), radius, 0.5 * radius);
    assert_true(values_where(&p.with.image, &p.with.new_lesion, true).mean > 80);
    assert_true(values_where(&p.without.image, &p.with.new_lesion, true).mean < 60);
    rp_image_release(&away);
    release_pair(&p);
}

static void test_phase_and_kernel(void **state)
{
    (void)state;
    pair p = both(-30, 4, RP_REMODEL_PHASE);
    const double organ = drawn(&p.with, "phase.organ_hu") * drawn(&p.with, "phase.sign");
    double fat = 0, fats = 0, soft = 0, softs = 0;
    assert_true(same_masks(&p));
    for (size_t i = 0; i < rp_grid_voxels(&p.with.image.grid); i++) {
        const double hu = p.without.image.data[i], more = p.with.image.data[i] - hu;
        if (hu > -115 && hu < -85) fat += fabs(more), fats++;
        if (hu > 42 && hu < 55 && !p.s.mask.data[i]) soft += more, softs++;
    }
    assert_true(fats > 1000 && fat / fats < 0.5 && soft / softs * organ > 0);
    assert_close(soft / softs, organ, 0.6 * fabs(organ));
    release_pair(&p);

    for (uint64_t seed = 1; seed < 5; seed++) {
        p = both(-30, seed, RP_REMODEL_KERNEL);
        const bool sharp = drawn(&p.with, "kernel.sharp") > 0;
        double edges[2] = {0};
        const int n = p.with.image.grid.size[0];
        /* The border of the body in the middle slice: how steep it is. */
        for (int k = 0; k < 2; k++) {
            const float *row = (k ? &p.with : &p.without)->image.data +
                               rp_grid_index(&p.with.image.grid, 0, n / 2, 18);
            for (int x = 1; x < 12; x++) edges[k] = fmax(edges[k], row[x] - row[x - 1]);
        }
        assert_true(sharp ? edges[1] > 1.05 * edges[0] : edges[1] < 0.95 * edges[0]);
        release_pair(&p);
    }
}

static void test_scanners(void **state)
{
    (void)state;
    pair p = both(-30, 4, RP_REMODEL_THICK);
    assert_int_equal(p.with.image.grid.size[2], 18);
    assert_close(p.with.image.grid.spacing[2], 5, 1e-9);
    /* Two slices' noise is averaged: far from everything by the root of two. */
    const float *thin = p.without.image.data, *thick = p.with.image.data;
    double difference = 0;
    for (int z = 1; z < 3; z++)
        for (int x = 20; x < 60; x++) {
            const size_t a = rp_grid_index(&p.without.image.grid, x, 20, 2 * z);
            const size_t b = rp_grid_index(&p.with.image.grid, x, 20, z);
            difference = fmax(difference, fabs(0.5 * (thin[a] + thin[a + 84 * 84]) - thick[b]));
        }
    assert_true(difference < 1.5);
    release_pair(&p);

    p = both(-30, 4, RP_REMODEL_CONEBEAM);
    assert_true(same_masks(&p));
    /* Nothing is left of the corners, and much noise everywhere. */
    assert_true(p.with.image.data[0] == -1000);
    assert_true(values_where(&p.with.image, &p.with.mask, true).sd > 25);
    release_pair(&p);

    /* A body of 27 mm with air below it. */
    p.s = make_scan(84, 36, 1.0, 2.5, 10);
    for (int i = 0; i < 84 * 84 * 36; i++)
        if (hypot(i % 84 - 42, i / 84 % 84 - 42) > 27) p.s.image.data[i] = -1000;
    rp_remodel_options o = plain(-30, 4);
    p.without = made(&p.s, &o);
    o.with = RP_REMODEL_TABLE;
    p.with = made(&p.s, &o);
    double couch = 0, before = 0;
    for (int y = 71; y < 84; y++) {
        const size_t at = rp_grid_index(&p.with.image.grid, 42, y, 18);
        couch += p.with.image.data[at] > -960;
        before += p.without.image.data[at] > -960;
    }
    assert_true(couch > 0 && before == 0);
    release_pair(&p);
}

static void test_cut(void **state)
{
    (void)state;
    int through = 0, beside = 0, sides = 0;
    for (uint64_t seed = 1; seed < 11; seed++) {
        pair p = both(-30, seed, RP_REMODEL_CUT);
        assert_close(p.with.whole_diameter_mm, p.without.followup_diameter_mm, 1e-9);
        const size_t whole = rp_mask_count(&p.without.mask), left = rp_mask_count(&p.with.mask);
        if (drawn(&p.with, "cut.through") > 0) {
            through++;
            sides += drawn(&p.with, "cut.axis") < 2;
            assert_true(left < whole);
        } else {
            beside++;
            assert_int_equal(left, whole);
        }
        if (drawn(&p.with, "cut.axis") == 2)
            assert_true(p.with.image.grid.size[2] < p.without.image.grid.size[2]);
        else
            assert_true(values_where(&p.with.image, &p.with.mask, false).mean <
                        values_where(&p.without.image, &p.with.mask, false).mean - 50);
        for (size_t i = 0; i < rp_grid_voxels(&p.with.mask.grid); i++)
            if (p.with.mask.data[i]) assert_true(p.with.image.data[i] > -1024);
        release_pair(&p);
    }
    assert_true(through > sides && sides > 0 && beside > 0);
}

/* Inside, the body moves; its wall does not. */
static void test_sliding(void **state)
{
    (void)state;
    pair p = both(-30, 4, RP_REMODEL_SLIDING);
    double wall = 0, inside = 0;
    for (int z = 8; z < 28; z++) {
        const size_t a = rp_grid_index(&p.with.image.grid, 8, 42, z);
        const size_t b = rp_grid_index(&p.with.image.grid, 42, 42, z);
        wall += fabs(p.with.image.data[a] - p.without.image.data[a]);
        inside += fabs(p.with.image.data[b] - p.without.image.data[b]);
    }
    assert_true(wall < 1 && inside > 20);
    double moved = 0;
    double before[3], after[3];
    assert_true(rp_mask_centroid(&p.without.mask, before) && rp_mask_centroid(&p.with.mask, after));
    for (int i = 0; i < 3; i++) moved += (after[i] - before[i]) * (after[i] - before[i]);
    assert_close(sqrt(moved), drawn(&p.with, "sliding.mm"), 3);
    release_pair(&p);
}

/* ---- the rest ---------------------------------------------------------------------------- */

/* The 48 orders in which one patient may be stored give one follow-up. */
static void test_orders(void **state)
{
    (void)state;
    values_only();
    scan s = make_scan(40, 16, 1.0, 2.5, 7);
    rp_remodel_options o = plain(-30, 6);
    o.with = RP_REMODEL_NECROSIS | RP_REMODEL_OEDEMA | RP_REMODEL_SLIDING | RP_REMODEL_NEW_LESION;
    rp_remodeled first = {0};
    for (int order = 0; order < ORDERS; order++) {
        scan stored = {order_image(&s.image, order), order_mask(&s.mask, order)};
        rp_remodeled f = made(&stored, &o);
        if (order == 0) {
            first = f;
        } else {
            size_t i = 0, apart = 0;
            for (int z = 0; z < f.image.grid.size[2]; z++)
                for (int y = 0; y < f.image.grid.size[1]; y++)
                    for (int x = 0; x < f.image.grid.size[0]; x++, i++) {
                        const size_t k = order_source(&first.image.grid, order, x, y, z);
                        apart += fabsf(f.image.data[i] - first.image.data[k]) > 0.05f;
                        apart += f.mask.data[i] != first.mask.data[k];
                        apart += f.new_lesion.data[i] != first.new_lesion.data[k];
                    }
            assert_int_equal(apart, 0);
            rp_remodeled_release(&f);
        }
        release_scan(&stored);
    }
    rp_remodeled_release(&first);
    release_scan(&s);
}

static void assert_refused(const scan *s, const rp_remodel_options *o, rp_status expected,
                           const char *word)
{
    rp_remodeled f = {0};
    rp_error err = {0};
    assert_int_equal(rp_remodel_followup(&s->image, &s->mask, o, NULL, &f, &err), expected);
    if (!strstr(err.message, word)) fail_msg("'%s' does not name %s", err.message, word);
    assert_null(f.image.data);
}

static void test_bad_input(void **state)
{
    (void)state;
    scan s = make_scan(32, 16, 1.0, 2.5, 5);
    static const double changes[] = {-101, 101, NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        const rp_remodel_options o = plain(changes[i], 1);
        assert_refused(&s, &o, RP_ERR_ARGUMENT, "change");
    }
    rp_remodel_options o = plain(20, 1);
    o.with = RP_REMODEL_SCAR;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "scar");
    static const unsigned kinds[] = {RP_REMODEL_NECROSIS, RP_REMODEL_EMBOLISED, RP_REMODEL_PIECES};
    static const char *const names[] = {"necrosis", "embolised", "pieces"};
    for (int i = 0; i < 3; i++) {
        o = plain(-100, 1);
        o.with = kinds[i];
        assert_refused(&s, &o, RP_ERR_ARGUMENT, names[i]);
    }
    o.with = 1u << RP_REMODEL_KINDS;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "kind");
    o = plain(-20, 1);
    o.deformation_mm = 20;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "deformation");
    o = plain(-20, 1);
    o.noise_hu = -1;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "noise");
    o = plain(-20, 1);
    o.shift_mm[1] = NAN;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "shift");
    o = plain(-20, 1);
    o.spacing[0] = -1;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "spacing");
    /* Smaller than a pixel. */
    o = plain(-99, 1);
    assert_refused(&s, &o, RP_ERR_NUMERIC, "too small");
    o = plain(-20, 1);
    memset(s.mask.data, 0, rp_grid_voxels(&s.mask.grid));
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "empty");
    s.mask.grid.origin[0] += 1;
    assert_refused(&s, &o, RP_ERR_ARGUMENT, "grid");
    release_scan(&s);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_cancel_and_memory(void **state)
{
    (void)state;
    scan s = make_scan(32, 14, 1.0, 2.5, 6);
    rp_remodel_options o;
    rp_progress progress = {.cancelled = always};
    rp_remodeled f = {0};
    rp_error err = {0};
    rp_remodel_defaults(&o);
    o.change_percent = -30;
    o.with = RP_REMODEL_NEW_LESION | RP_REMODEL_CUT | RP_REMODEL_SLIDING | RP_REMODEL_NECROSIS;
    assert_int_equal(rp_remodel_followup(&s.image, &s.mask, &o, &progress, &f, &err),
                     RP_ERR_CANCELLED);
    for (long n = 1; n < 130; n += SLOW ? 23 : 5) {
        rp_test_fail_allocation(n);
        const rp_status status = rp_remodel_followup(&s.image, &s.mask, &o, NULL, &f, &err);
        rp_test_fail_allocation(0);
        assert_true(status == RP_OK || status == RP_ERR_MEMORY);
        if (status == RP_OK) rp_remodeled_release(&f);
        assert_null(f.image.data);
    }
    release_scan(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_change),
        cmocka_unit_test(test_what_is_where),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_far_tissue),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_in_the_lesion),
        cmocka_unit_test(test_round_the_lesion),
        cmocka_unit_test(test_new_lesion),
        cmocka_unit_test(test_phase_and_kernel),
        cmocka_unit_test(test_scanners),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_sliding),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_cancel_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
