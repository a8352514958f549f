/* Synthetic pairs: what their options promise, over a sample of them. */
#include "test.h"
#include "reprise/synth_pair.h"
#include "../../../src/synth/pair.h"

#include <math.h>

enum { SAMPLE = SHORT ? 8 : 60 };

static rp_pair_options some(uint64_t seed)
{
    rp_pair_options o;
    rp_pair_defaults(&o);
    o.seed = seed;
    return o;
}

static void test_equal_seeds_equal_bits(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_pair a, b, other;
    rp_pair_options o = some(5);
    assert_ok(rp_pair_make(&o, 7, &a, &err), err);
    assert_ok(rp_pair_make(&o, 7, &b, &err), err);
    assert_ok(rp_pair_make(&o, 8, &other, &err), err);
    const size_t voxels = rp_grid_voxels(&a.baseline.grid), bytes = voxels * sizeof(float);
    assert_int_equal(voxels, 48 * 48 * 32);
    assert_memory_equal(a.baseline.data, b.baseline.data, bytes);
    assert_memory_equal(a.followup.data, b.followup.data, bytes);
    assert_memory_equal(a.baseline_lesion.data, b.baseline_lesion.data, voxels);
    assert_memory_equal(a.followup_lesion.data, b.followup_lesion.data, voxels);
    assert_int_not_equal(memcmp(a.baseline.data, other.baseline.data, bytes), 0);
    rp_pair_release(&a);
    rp_pair_release(&b);
    rp_pair_release(&other);
}

/* Counts over the sample. */
typedef struct census {
    int vanished, hollow, several, another, grown_larger, grown, shrunk_smaller, shrunk;
    double least_mm, most_mm;
} census;

static void check_one(const rp_pair *p, census *c)
{
    const size_t voxels = rp_grid_voxels(&p->baseline.grid);
    const size_t before = rp_mask_count(&p->baseline_lesion),
                 after = rp_mask_count(&p->followup_lesion);
    assert_true(rp_grid_same(&p->baseline.grid, &p->followup.grid, 0.0));
    assert_true(rp_grid_same(&p->baseline.grid, &p->followup_lesion.grid, 0.0));
    for (size_t i = 0; i < voxels; i++) {
        assert_true(p->baseline.data[i] >= 0.0f && p->baseline.data[i] <= 1.0f);
        assert_true(p->followup.data[i] >= 0.0f && p->followup.data[i] <= 1.0f);
    }
    assert_true(before >= 20 && before < voxels);
    assert_true(p->diameter_mm >= 8.0 && p->diameter_mm <= 150.0);
    assert_true(p->change >= -1.0 && p->change <= 0.6);
    assert_true(p->followed >= 0.0 && p->followed <= 1.0);
    assert_true(p->followed <= 0.0 || !p->vanished || p->change < -0.5);
    assert_int_equal(p->vanished, after == 0);
    c->vanished += p->vanished;
    c->hollow += p->hollow;
    c->several += p->several_parts;
    c->another += p->another;
    c->grown += p->change > 0.1;
    c->grown_larger += p->change > 0.1 && after > before;
    c->shrunk += p->change < -0.2;
    c->shrunk_smaller += p->change < -0.2 && after < before;
    c->least_mm = fmin(c->least_mm, p->diameter_mm);
    c->most_mm = fmax(c->most_mm, p->diameter_mm);
}

static void test_sample(void **state)
{
    (void)state;
    rp_error err = {0};
    census c = {.least_mm = 1e9};
    const rp_pair_options o = some(11);
    for (uint64_t i = 0; i < SAMPLE; i++) {
        rp_pair p;
        assert_ok(rp_pair_make(&o, i, &p, &err), err);
        check_one(&p, &c);
        rp_pair_release(&p);
    }
    if (SAMPLE < 60) return;
    assert_true(c.vanished >= 1 && c.vanished < SAMPLE / 4);
    assert_true(c.hollow >= 1 && c.several >= 1 && c.another >= 5);
    assert_true(c.grown >= 5 && c.shrunk >= 5);
    assert_true(c.grown_larger >= c.grown - 1); /* one may leave the grid */
    assert_true(c.shrunk_smaller >= c.shrunk - 1);
    assert_true(c.least_mm < 15.0 && c.most_mm > 100.0);
}

/* The lesion is to be seen: over a sample its grey values differ from those round it by more than
 * by chance, and the follow-up's by less than the baseline's contour would cut out of it. */
static void test_lesions_look_different(void **state)
{
    (void)state;
    rp_error err = {0};
    const rp_pair_options o = some(12);
    int seen = 0, all = 0;
    for (uint64_t i = 0; i < SAMPLE / 2; i++) {
        rp_pair p;
        rp_image distance;
        double sum[2] = {0}, count[2] = {0};
        assert_ok(rp_pair_make(&o, i, &p, &err), err);
        assert_ok(rp_mask_distance(&p.baseline_lesion, &distance, &err), err);
        for (size_t v = 0; v < rp_grid_voxels(&p.baseline.grid); v++) {
            const bool inside = p.baseline_lesion.data[v];
            if (!inside && distance.data[v] > 3.0 * p.baseline.grid.spacing[0]) continue;
            sum[inside] += (double)p.baseline.data[v];
            count[inside] += 1.0;
        }
        all++;
        seen += fabs(sum[1] / count[1] - sum[0] / count[0]) > 0.03;
        rp_image_release(&distance);
        rp_pair_release(&p);
    }
    assert_true(seen >= all * 2 / 3);
}

/* ---- both ways of change -------------------------------------------------------------------- */

enum { SMALL = SHORT ? 6 : 200, EDGE = 32 };

static rp_pair_options small(uint64_t seed)
{
    rp_pair_options o = some(seed);
    for (int a = 0; a < 3; a++) o.size[a] = EDGE;
    return o;
}

static size_t voxel(int x, int y, int z)
{
    return ((size_t)z * EDGE + (size_t)y) * EDGE + (size_t)x;
}

/* Centre of a mask, in voxels; false where the grid cuts the lesion or holds little of it. */
static bool middle(const rp_mask *mask, double centre[3])
{
    double count = 0.0;
    for (int a = 0; a < 3; a++) centre[a] = 0.0;
    for (int z = 0; z < EDGE; z++)
        for (int y = 0; y < EDGE; y++)
            for (int x = 0; x < EDGE; x++) {
                const int at[3] = {x, y, z};
                if (!mask->data[voxel(x, y, z)]) continue;
                for (int a = 0; a < 3; a++) {
                    if (at[a] == 0 || at[a] == EDGE - 1) return false;
                    centre[a] += at[a];
                }
                count += 1.0;
            }
    for (int a = 0; a < 3; a++) centre[a] /= fmax(count, 1.0);
    return count >= 60.0;
}

/* Off the border, which is alike at the right scale whatever lies within. */
static bool deep(const rp_mask *mask, int x, int y, int z)
{
    const int step = 2, end = EDGE - step;
    if (x < step || y < step || z < step || x >= end || y >= end || z >= end) return false;
    return mask->data[voxel(x - step, y, z)] && mask->data[voxel(x + step, y, z)] &&
           mask->data[voxel(x, y - step, z)] && mask->data[voxel(x, y + step, z)] &&
           mask->data[voxel(x, y, z - step)] && mask->data[voxel(x, y, z + step)];
}

/* Sums of squares and products about the mean, over all lesions together. */
typedef struct likeness {
    double followup, baseline, both;
} likeness;

static double correlation(const likeness *l)
{
    return l->both / sqrt(l->followup * l->baseline);
}

/* Of the follow-up's lesion with the baseline's, that is made `scale` times as large about its
 * centre. */
static void add_likeness(const rp_pair *p, const double from[3], const double to[3], double scale,
                         likeness *sum)
{
    const int size[3] = {EDGE, EDGE, EDGE};
    double n = 0.0, a = 0.0, b = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
    for (int z = 0; z < EDGE; z++)
        for (int y = 0; y < EDGE; y++)
            for (int x = 0; x < EDGE; x++) {
                if (!deep(&p->followup_lesion, x, y, z)) continue;
                const double at[3] = {from[0] + (x - to[0]) / scale, from[1] + (y - to[1]) / scale,
                                      from[2] + (z - to[2]) / scale};
                const double u = (double)p->followup.data[voxel(x, y, z)];
                const double v = (double)rp_sample_linear(p->baseline.data, size, at);
                n += 1.0;
                a += u;
                b += v;
                aa += u * u;
                bb += v * v;
                ab += u * v;
            }
    if (n < 20.0) return;
    sum->followup += aa - a * a / n;
    sum->baseline += bb - b * b / n;
    sum->both += ab - a * b / n;
}

/* Sums over pairs, [1] of those whose tissue has followed. */
typedef struct ways {
    int vanished, followed;
    double off[2], sized[2];      /* of the diameter from what the change says */
    likeness scaled[2], plain[2]; /* with the baseline at the change's scale, and as it is */
} ways;

static void look_at(const rp_pair *p, ways *w)
{
    double from[3], to[3];
    const int way = p->followed > 0.0;
    w->vanished += p->vanished;
    w->followed += way;
    if (p->hollow || !middle(&p->baseline_lesion, from) || !middle(&p->followup_lesion, to)) return;
    const double ratio =
        (double)rp_mask_count(&p->followup_lesion) / (double)rp_mask_count(&p->baseline_lesion);
    w->off[way] += fabs(cbrt(ratio) / (1.0 + p->change) - 1.0);
    w->sized[way] += 1.0;
    if ((way && p->followed < 0.9) || fabs(p->change) < 0.15) return;
    add_likeness(p, from, to, 1.0 + p->change, &w->scaled[way]);
    add_likeness(p, from, to, 1.0, &w->plain[way]);
}

/* The volume is as the change says. Where tissue has followed, the lesion's inside is the
 * baseline's at another scale, far more so than where the surface has moved over tissue. */
static void test_ways_of_change(void **state)
{
    (void)state;
    rp_error err = {0};
    const rp_pair_options o = small(22);
    ways w = {.vanished = 0};
    for (uint64_t i = 0; i < SMALL; i++) {
        rp_pair p;
        assert_ok(rp_pair_make(&o, i, &p, &err), err);
        look_at(&p, &w);
        rp_pair_release(&p);
    }
    if (SMALL < 60) return;
    assert_true(w.vanished >= 1 && w.vanished <= SMALL / 8);
    assert_true(w.followed >= SMALL / 4 && w.followed <= SMALL * 11 / 20);
    assert_true(w.sized[0] >= 20.0 && w.sized[1] >= 20.0);
    assert_true(w.off[0] / w.sized[0] < 0.12);
    assert_true(w.off[1] / w.sized[1] < 0.06);
    assert_true(correlation(&w.scaled[1]) > correlation(&w.plain[1]) + 0.2);
    assert_true(correlation(&w.scaled[1]) > correlation(&w.scaled[0]) + 0.15);
}

/* Nothing folds, whatever the scale. */
static void test_stretch(void **state)
{
    (void)state;
    rp_random random;
    const pair_space space = {.size = {30, 30, 30}, .spacing = {2.0, 2.0, 2.0}, .voxels = 27000};
    const double centre[3] = {3.0, -2.0, 1.0};
    RP_AUTOFREE float *depth = rp_alloc(space.voxels, sizeof *depth);
    assert_non_null(depth);
    size_t i = 0;
    for (int z = 0; z < 30; z++)
        for (int y = 0; y < 30; y++)
            for (int x = 0; x < 30; x++, i++)
                depth[i] =
                    (float)(hypot(hypot(2.0 * x - 32.0, 2.0 * y - 27.0), 2.0 * z - 30.0) - 14.0);
    rp_random_init(&random, 1, 2, 3);
    for (double scale = 0.15; scale < 1.7; scale += 0.05) {
        pair_motion m = {.smooth_mm = 0.0};
        pair_motion_stretch(&random, &space, centre, scale, depth, &m);
        const pair_stretch *s = &m.stretch;
        assert_true(s->ball_mm > 13.0 && s->ball_mm < 17.0);
        assert_close(pair_stretch_source(s, 0.9 * scale * s->ball_mm), 0.9 * s->ball_mm, 1e-9);
        assert_close(pair_stretch_source(s, s->fade_mm + 1.0), s->fade_mm + 1.0, 1e-9);
        double before = 0.0;
        for (double r = 0.05; r < s->fade_mm + 1.0; r += 0.05) {
            const double now = pair_stretch_source(s, r);
            assert_true(now > before + 0.001 && now < before + 1.0);
            before = now;
        }
    }
}

/* ---- what is drawn -------------------------------------------------------------------------- */

/* How often: faint lesions, scanners of cone beams, necrosis and fibrosis that are new, contours
 * drawn too far out or in. */
static void test_draws(void **state)
{
    (void)state;
    enum { DRAWS = 4000 };
    rp_random r;
    const pair_space space = {.spacing = {1.0, 1.0, 1.0}};
    const pair_shape shape = {.radius = 20.0};
    int faint = 0, alike = 0, beam[2] = {0}, necrotic = 0, fibrotic = 0, shrunk = 0, left = 0;
    int habit = 0;
    rp_random_init(&r, 4, 5, 6);
    for (int i = 0; i < DRAWS; i++) {
        pair_scene scene = {.host = 1, .value = {0.0f, 0.5f}, .grain = {0.0f, 0.02f}};
        pair_look look;
        pair_visit visits[2];
        pair_change change;
        pair_draw_look(&r, &space, shape.radius, &scene, &look);
        pair_draw_change(&r, false, &change);
        pair_draw_visits(&r, &space, &shape, &change, &look, visits);
        const float contrast = fabsf(look.value - 0.5f);
        assert_true(contrast > 0.0149f && contrast < 0.401f);
        faint += contrast < 0.05f;
        alike += contrast < 0.05f && fabsf(look.grain - scene.grain[1]) < 0.0299f;
        for (int v = 0; v < 2; v++) beam[v] += visits[v].cupping > 0.0f;
        habit += look.habit_mm[0] != 0.0f;
        assert_true(look.habit_mm[0] >= -0.4f && look.habit_mm[0] <= 0.9f);
        if (change.total < -1.0) continue;
        left++;
        necrotic += visits[1].necrosis_mm < visits[0].necrosis_mm;
        const double ratio =
            look.habit_mm[0] != 0.0f ? (double)(look.habit_mm[1] / look.habit_mm[0]) : 1.0;
        const double after = ratio * change.scale, size = 1.0 + change.total;
        if (look.habit_mm[0] != 0.0f)
            assert_true(after > fmin(size, 1.0) - 1e-5 && after < fmax(size, 1.0) + 1e-5);
        if (change.total > -0.08) continue;
        shrunk++;
        fibrotic += look.fibrosis > 0.0f;
    }
    assert_close((double)faint / DRAWS, 0.15, 0.03);
    assert_int_equal(alike, 0);
    assert_close((double)beam[0] / DRAWS, 0.05, 0.015);
    assert_close((double)beam[1] / DRAWS, 0.1, 0.02);
    assert_close((double)shrunk / DRAWS, 0.48, 0.04);
    assert_close((double)habit / DRAWS, 0.35, 0.04);
    assert_close((double)necrotic / left, 0.27, 0.03);
    assert_true(fibrotic > 0.15 * shrunk && fibrotic < 0.3 * shrunk);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void test_fields(void **state)
{
    (void)state;
    rp_random random;
    const pair_space space = {.size = {60, 50, 40}, .spacing = {1.0, 1.0, 1.0}, .voxels = 120000};
    RP_AUTOFREE float *field = rp_alloc(space.voxels, sizeof *field);
    assert_non_null(field);
    for (double pitch = 2.0; pitch < 5.0; pitch += 1.5) {
        double sum = 0.0, squares = 0.0, steps = 0.0;
        rp_random_init(&random, 3, 4, 5);
        assert_true(pair_field(&random, &space, pitch, field));
        for (size_t i = 0; i < space.voxels; i++) {
            const double next = i + 1 < space.voxels ? (double)field[i + 1] : 0.0;
            const double value = (double)field[i];
            sum += value;
            squares += value * value;
            if (i % 60 != 59) steps += (next - value) * (next - value);
        }
        const double mean = sum / 120000.0, variance = squares / 120000.0 - mean * mean;
        assert_true(fabs(mean) < 0.1);
        assert_close(variance, 1.0, 0.15);
        /* Of the B-spline's correlation, 1 - 3/2 h^2 or so for small steps h in pitches. */
        assert_true(steps / 118000.0 < 2.0 * 1.5 / (pitch * pitch));
    }
}

static void test_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_pair p;
    rp_pair_options o = some(1);
    o.size[1] = 15;
    assert_int_equal(rp_pair_make(&o, 0, &p, &err), RP_ERR_ARGUMENT);
    o.size[1] = 129;
    assert_int_equal(rp_pair_make(&o, 0, &p, &err), RP_ERR_ARGUMENT);
    o.size[1] = 16;
    assert_ok(rp_pair_make(&o, 0, &p, &err), err);
    rp_pair_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_seeds_equal_bits),
                                       cmocka_unit_test(test_sample),
                                       cmocka_unit_test(test_lesions_look_different),

                                       cmocka_unit_test(test_ways_of_change),
                                       cmocka_unit_test(test_stretch),
                                       cmocka_unit_test(test_draws),
                                       cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
