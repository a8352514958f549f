#include "test.h"

#include <math.h>

#include "reprise/track.h"

/* ---- scenes: balls on a grid of 2 mm, all of 200 mm ------------------------------------------ */

typedef struct ball {
    double x, y, z, radius; /* radius 0: the end of a list */
} ball;

#define END                                                                                        \
    {                                                                                              \
        0, 0, 0, 0                                                                                 \
    }
enum { BALLS = 8, VISITS = 3 };

typedef struct scene {
    rp_track_visit visits[VISITS];
    size_t count;
    rp_tracking tracking;
    rp_timeline timeline;
} scene;

static const char *const ids[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
static const char *const visit_ids[] = {"v1", "v2", "v3"};
static const char *const dates[] = {"2024-01-01", "2024-03-01", "2024-05-01"};

static rp_grid scene_grid(void)
{
    rp_grid g = rp_grid_make(100, 100, 100, 2, 2, 2);
    for (int a = 0; a < 3; a++) g.origin[a] = -99.0;
    return g;
}

/* Balls that begin a lesion; one with a negative radius belongs to the lesion before it. */
static void fill(rp_mask *mask, const ball *balls, size_t *i, const double shift[3])
{
    const rp_grid *g = &mask->grid;
    size_t first = *i;
    memset(mask->data, 0, rp_grid_voxels(g));
    do {
        const ball *b = &balls[*i];
        for (int z = 0; z < g->size[2]; z++)
            for (int y = 0; y < g->size[1]; y++)
                for (int x = 0; x < g->size[0]; x++) {
                    double w[3];
                    rp_grid_to_world(g, (const double[3]){x, y, z}, w);
                    const double dx = w[0] - b->x - shift[0], dy = w[1] - b->y - shift[1];
                    const double dz = w[2] - b->z - shift[2];
                    if (dx * dx + dy * dy + dz * dz <= b->radius * b->radius)
                        mask->data[rp_grid_index(g, x, y, z)] = 1;
                }
        ++*i;
    } while (balls[*i].radius < 0.0 && *i > first);
}

/* The visit's body lies shift_mm along each axis from the baseline's, and its transform knows it.
 */
static void add_visit(scene *s, const ball *balls, double shift_mm)
{
    rp_error err;
    rp_track_visit *v = &s->visits[s->count];
    const rp_grid grid = scene_grid();
    const double shift[3] = {shift_mm, shift_mm, shift_mm};
    *v = (rp_track_visit){.id = visit_ids[s->count],
                          .date = dates[s->count],
                          .phase = "",
                          .grid = grid,
                          .from_baseline = rp_rigid_identity()};
    memcpy(v->from_baseline.translation, shift, sizeof shift);
    v->found = rp_alloc(BALLS, sizeof *v->found);
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (size_t i = 0; balls[i].radius != 0.0;) {
        char name[8];
        fill(&mask, balls, &i, shift);
        snprintf(name, sizeof name, "%zu", v->found_count + 1);
        assert_ok(rp_found_make(&mask, name, RP_DIAMETER_CONVEX, &v->found[v->found_count], &err),
                  err);
        v->found_count++;
    }
    rp_mask_release(&mask);
    s->count++;
}

static void release(scene *s)
{
    for (size_t v = 0; v < s->count; v++) {
        for (size_t f = 0; f < s->visits[v].found_count; f++)
            rp_found_release(&s->visits[v].found[f]);
        rp_free(s->visits[v].found);
    }
    rp_tracking_release(&s->tracking);
    rp_timeline_release(&s->timeline);
    *s = (scene){0};
}

static void track_with(scene *s, const rp_track_options *options)
{
    rp_error err;
    rp_tracking_release(&s->tracking);
    assert_ok(rp_track(s->visits, s->count, ids, options, &s->tracking, &err), err);
}

static void track_decided(scene *s, const rp_track_decision *decisions, size_t count)
{
    rp_track_options o;
    rp_track_defaults(&o);
    o.decisions = decisions;
    o.decision_count = count;
    track_with(s, &o);
}

#define DECIDED(s, ...)                                                                            \
    track_decided(s, (const rp_track_decision[]){__VA_ARGS__},                                     \
                  sizeof((const rp_track_decision[]){__VA_ARGS__}) / sizeof(rp_track_decision))

static const rp_link *link_of(const scene *s, size_t visit, const char *lesion)
{
    for (size_t i = 0; i < s->tracking.link_count; i++) {
        const rp_link *l = &s->tracking.links[i];
        if (l->visit == visit && l->lesion >= 0 &&
            strcmp(s->tracking.lesions[l->lesion].id, lesion) == 0)
            return l;
    }
    fail_msg("%s has no link at visit %zu", lesion, visit);
    return NULL;
}

/* found: names, as "2;1". */
static void expect(const scene *s, size_t visit, const char *lesion, rp_link_kind kind,
                   rp_link_state state, const char *found)
{
    const rp_link *l = link_of(s, visit, lesion);
    char names[64] = "";
    for (size_t i = 0; i < l->found_count; i++) {
        strcat(names, i ? ";" : "");
        strcat(names, s->visits[visit].found[l->found[i]].name);
    }
    if (l->kind != kind || l->state != state || strcmp(names, found) != 0)
        fail_msg("%s at visit %zu: %s, %s, '%s': %s", lesion, visit, rp_link_kind_code(l->kind),
                 rp_link_state_code(l->state), names, l->reason);
    assert_true(l->reason[0]);
}

/* Every found lesion in a link, every lesion with one link at every visit since its first. */
static void expect_complete(const scene *s)
{
    for (size_t v = 0; v < s->count; v++) {
        size_t times[BALLS] = {0};
        for (size_t i = 0; i < s->tracking.link_count; i++) {
            const rp_link *l = &s->tracking.links[i];
            for (size_t f = 0; l->visit == v && f < l->found_count; f++) times[l->found[f]]++;
        }
        for (size_t f = 0; f < s->visits[v].found_count; f++) assert_true(times[f] >= 1);
        for (size_t k = 0; k < s->tracking.lesion_count; k++) {
            size_t links = 0;
            for (size_t i = 0; i < s->tracking.link_count; i++)
                links += s->tracking.links[i].visit == v && s->tracking.links[i].lesion == (int)k;
            assert_int_equal(links, v >= s->tracking.lesions[k].first_visit);
        }
    }
}

static const rp_timeline_finding *finding(scene *s, const rp_timeline_lesion *table, size_t visit,
                                          const char *lesion)
{
    rp_error err;
    static const rp_timeline_lesion targets[BALLS] = {{.id = "A", .organ = "a"},
                                                      {.id = "B", .organ = "b"},
                                                      {.id = "C", .organ = "c"},
                                                      {.id = "D", .organ = "d"},
                                                      {.id = "E", .organ = "e"}};
    rp_timeline_release(&s->timeline);
    assert_ok(rp_tracking_timeline(&s->tracking, s->visits, s->count, table ? table : targets, "P",
                                   "synthetic", &s->timeline, &err),
              err);
    const rp_timeline_visit *v = &s->timeline.visits[visit];
    for (size_t i = 0; i < v->finding_count; i++)
        if (strcmp(v->findings[i].lesion, lesion) == 0) return &v->findings[i];
    return NULL;
}

static void expect_state(scene *s, const rp_timeline_lesion *table, size_t visit,
                         const char *lesion, rp_finding_state state)
{
    const rp_timeline_finding *f = finding(s, table, visit, lesion);
    if (!f)
        fail_msg("%s has no finding at visit %zu", lesion, visit);
    else if (f->state != state)
        fail_msg("%s at visit %zu is %s", lesion, visit, rp_state_code(f->state));
}

/* ---- lesions found ------------------------------------------------------------------------- */

static void test_found(void **state)
{
    (void)state;
    rp_error err;
    const rp_grid grid = scene_grid();
    const ball balls[] = {{31, -20, 12, 9}, END};
    const double none[3] = {0};
    size_t i = 0;
    rp_mask mask;
    rp_lesion whole;
    rp_found found;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    assert_int_equal(rp_found_make(&mask, "x", RP_DIAMETER_CONVEX, &found, &err), RP_ERR_ARGUMENT);
    fill(&mask, balls, &i, none);
    assert_ok(rp_found_make(&mask, "x", RP_DIAMETER_CONVEX, &found, &err), err);
    assert_ok(rp_measure_mask(&mask, RP_DIAMETER_CONVEX, &whole, &err), err);
    assert_true(rp_grid_voxels(&found.mask.grid) < 1000);
    assert_int_equal(rp_mask_count(&found.mask), rp_mask_count(&mask));
    assert_int_equal(found.measured.slice_index, whole.slice_index);
    assert_int_equal(found.measured.first_slice, whole.first_slice);
    assert_close(found.measured.longest_diameter_mm, whole.longest_diameter_mm, 1e-9);
    assert_close(found.measured.short_axis_mm, whole.short_axis_mm, 1e-9);
    assert_close(found.measured.long_axis_index[1].x, whole.long_axis_index[1].x, 1e-9);
    for (int a = 0; a < 3; a++) {
        assert_close(found.measured.centroid_lps[a], whole.centroid_lps[a], 1e-9);
        assert_close(found.measured.slice_position_lps[a], whole.slice_position_lps[a], 1e-9);
    }
    rp_found_release(&found);
    rp_mask_release(&mask);
}

/* ---- what becomes of lesions ----------------------------------------------------------------- */

static void test_match_and_vanish(void **state)
{
    (void)state;
    scene s = {0};
    add_visit(&s, (const ball[]){{-40, 0, 0, 10}, {40, 0, 0, 12}, {0, 50, 20, 8}, END}, 0);
    /* In another order, grown and shrunk; the third is gone, a fourth is there. */
    add_visit(&s, (const ball[]){{42, 1, 0, 9}, {0, -50, 0, 7}, {-40, 0, 1, 14}, END}, 18);
    track_decided(&s, NULL, 0);
    expect_complete(&s);
    expect(&s, 0, "A", RP_LINK_BASELINE, RP_LINK_MATCHED, "1");
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_MATCHED, "3");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    expect(&s, 1, "C", RP_LINK_VANISHED, RP_LINK_PROPOSED, "");
    expect(&s, 1, "N-v2-2", RP_LINK_NEW, RP_LINK_PROPOSED, "2");
    assert_int_equal(rp_tracking_open(&s.tracking), 2);
    expect_state(&s, NULL, 1, "A", RP_FOUND_MEASURED);
    assert_close(finding(&s, NULL, 1, "A")->longest_mm, 28, 2.5);
    expect_state(&s, NULL, 1, "C", RP_FOUND_NOT_EVALUATED);
    expect_state(&s, NULL, 1, "N-v2-2", RP_FOUND_EQUIVOCAL);
    assert_null(finding(&s, NULL, 0, "N-v2-2"));

    DECIDED(&s, {1, "v2", "vanished", "C", "", "", "absent"},
            {2, "v2", "new", "N-v2-2", "2", "", "new"});
    expect(&s, 1, "C", RP_LINK_VANISHED, RP_LINK_DECIDED, "");
    expect(&s, 1, "N-v2-2", RP_LINK_NEW, RP_LINK_DECIDED, "2");
    assert_int_equal(rp_tracking_open(&s.tracking), 0);
    expect_state(&s, NULL, 1, "C", RP_FOUND_ABSENT);
    expect_state(&s, NULL, 1, "N-v2-2", RP_FOUND_UNEQUIVOCAL);

    DECIDED(&s, {1, "v2", "vanished", "C", "", "", "too small"},
            {2, "v2", "new", "", "2", "", "no lesion"});
    expect_state(&s, NULL, 1, "C", RP_FOUND_TOO_SMALL);
    assert_int_equal(s.tracking.lesion_count, 3);
    assert_int_equal(s.tracking.links[s.tracking.link_count - 1].lesion, -1);

    /* A person knows better: the new one is C. */
    DECIDED(&s, {1, "v2", "new", "N-v2-2", "2", "", "C"});
    expect(&s, 1, "C", RP_LINK_MATCH, RP_LINK_DECIDED, "2");
    expect_state(&s, NULL, 1, "C", RP_FOUND_MEASURED);
    assert_int_equal(s.tracking.lesion_count, 3);
    release(&s);
}

static void test_uncertain(void **state)
{
    (void)state;
    scene s = {0};
    add_visit(&s, (const ball[]){{-40, 0, 0, 6}, {40, 0, 0, 6}, END}, 0);
    add_visit(&s, (const ball[]){{-40, 18, 0, 6}, {40, 9, 0, 6}, END}, 0);
    track_decided(&s, NULL, 0);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_PROPOSED, "1");
    assert_close(link_of(&s, 1, "A")->gap_mm, 8, 2.1);
    assert_true(link_of(&s, 1, "A")->overlap == 0);
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_PROPOSED, "2");
    assert_true(link_of(&s, 1, "B")->overlap > 0 && link_of(&s, 1, "B")->gap_mm == 0);
    expect_state(&s, NULL, 1, "A", RP_FOUND_NOT_EVALUATED);
    assert_true(isnan(finding(&s, NULL, 1, "A")->longest_mm));

    DECIDED(&s, {1, "v2", "match", "A", "1", "", "yes"}, {2, "v2", "match", "B", "2", "", "no"});
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_DECIDED, "1");
    expect(&s, 1, "B", RP_LINK_VANISHED, RP_LINK_PROPOSED, "");
    expect(&s, 1, "N-v2-2", RP_LINK_NEW, RP_LINK_PROPOSED, "2");
    expect_state(&s, NULL, 1, "A", RP_FOUND_MEASURED);
    expect_complete(&s);

    /* Farther than the largest gap they have nothing to do with each other. */
    rp_track_options o;
    rp_track_defaults(&o);
    o.gap_mm = 3;
    track_with(&s, &o);
    expect(&s, 1, "A", RP_LINK_VANISHED, RP_LINK_PROPOSED, "");
    release(&s);
}

/* Nothing of a visit is clear while its registration is in doubt. */
static void test_doubt(void **state)
{
    (void)state;
    scene s = {0};
    const ball same[] = {{-40, 0, 0, 10}, END};
    add_visit(&s, same, 0);
    add_visit(&s, same, 5);
    track_decided(&s, NULL, 0);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    s.visits[1].doubt = "the images agree little";
    track_decided(&s, NULL, 0);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_PROPOSED, "1");
    assert_non_null(strstr(link_of(&s, 1, "A")->reason, "agree little"));
    release(&s);
}

static void expect_doubtful(const scene *s, const char *lesion, const char *found, const char *why)
{
    expect(s, 1, lesion, RP_LINK_MATCH, RP_LINK_PROPOSED, found);
    assert_non_null(strstr(link_of(s, 1, lesion)->reason, why));
}

/* Two of one size, each found half way between: either could be either, however much they overlap.
 */
static void test_exchangeable(void **state)
{
    (void)state;
    scene s = {0};
    rp_track_options o;
    rp_track_defaults(&o);
    o.overlap = 0.05;
    add_visit(&s, (const ball[]){{-7, 0, 0, 7}, {7, 0, 0, 7}, END}, 0);
    add_visit(&s, (const ball[]){{0, -7, 0, 7}, {0, 7, 0, 7}, END}, 0);
    track_with(&s, &o);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(s.tracking.links[i].kind, RP_LINK_MATCH);
        assert_int_equal(s.tracking.links[i].state, RP_LINK_PROPOSED);
        assert_non_null(strstr(s.tracking.links[i].reason, "fits as well"));
    }
    release(&s);
}

/* One to which two are about as near: enough overlap to be a match, too little to be a part. */
static void test_two_fit(void **state)
{
    (void)state;
    scene s = {0};
    const ball one[] = {{0, 0, 0, 12}, END}, two[] = {{12, 0, 0, 12}, {-13, 0, 0, 12}, END};
    add_visit(&s, one, 0);
    add_visit(&s, two, 0);
    track_decided(&s, NULL, 0);
    expect_doubtful(&s, "A", "1", "'2' fits as well");
    release(&s);
    add_visit(&s, two, 0);
    add_visit(&s, one, 0);
    track_decided(&s, NULL, 0);
    expect_doubtful(&s, "A", "1", "B fits as well");
    expect_complete(&s);
    release(&s);
}

/* Rods whose middles are near while their surfaces are too far apart. */
static void test_gap_between_surfaces(void **state)
{
    (void)state;
    scene s = {0};
    add_visit(&s,
              (const ball[]){{-18, 0, 0, 4},
                             {-12, 0, 0, -4},
                             {-6, 0, 0, -4},
                             {0, 0, 0, -4},
                             {6, 0, 0, -4},
                             {12, 0, 0, -4},
                             {18, 0, 0, -4},
                             END},
              0);
    add_visit(&s,
              (const ball[]){{-18, 24, 0, 4},
                             {-12, 24, 0, -4},
                             {-6, 24, 0, -4},
                             {0, 24, 0, -4},
                             {6, 24, 0, -4},
                             {12, 24, 0, -4},
                             {18, 24, 0, -4},
                             END},
              0);
    track_decided(&s, NULL, 0);
    expect(&s, 1, "A", RP_LINK_VANISHED, RP_LINK_PROPOSED, "");
    expect(&s, 1, "N-v2-1", RP_LINK_NEW, RP_LINK_PROPOSED, "1");
    release(&s);
}

/* The least sum wins, not the nearest pair: one that moved does not take another's place. */
static void test_all_at_once(void **state)
{
    (void)state;
    scene s = {0};
    add_visit(&s, (const ball[]){{-30, 0, 0, 8}, {-8, 0, 0, 8}, {14, 0, 0, 8}, END}, 0);
    add_visit(&s, (const ball[]){{-27, 0, 0, 7}, {-5, 0, 0, 7}, {17, 0, 0, 7}, END}, 0);
    track_decided(&s, NULL, 0);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "2");
    expect(&s, 1, "C", RP_LINK_MATCH, RP_LINK_MATCHED, "3");
    release(&s);
}

static void test_split(void **state)
{
    (void)state;
    scene s = {0};
    const ball parts[] = {{-28, 0, 0, 6}, {-50, 0, 0, 8}, {40, 0, 0, 9}, END};
    add_visit(&s, (const ball[]){{-40, 0, 0, 18}, {40, 0, 0, 10}, END}, 0);
    add_visit(&s, parts, 7);
    add_visit(&s, parts, -7);
    track_decided(&s, NULL, 0);
    expect_complete(&s);
    expect(&s, 1, "A", RP_LINK_SPLIT, RP_LINK_PROPOSED, "2;1");
    expect(&s, 2, "A", RP_LINK_SPLIT, RP_LINK_PROPOSED, "2;1");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "3");
    expect_state(&s, NULL, 1, "A", RP_FOUND_NOT_EVALUATED);

    /* What a person has called split stays so. */
    DECIDED(&s, {1, "v2", "split", "A", "2;1", "", "split"});
    expect(&s, 1, "A", RP_LINK_SPLIT, RP_LINK_DECIDED, "2;1");
    expect(&s, 2, "A", RP_LINK_SPLIT, RP_LINK_MATCHED, "2;1");
    expect_state(&s, NULL, 2, "A", RP_FOUND_SPLIT);
    const rp_timeline_finding *f = finding(&s, NULL, 1, "A");
    assert_int_equal(f->part_count, 2);
    assert_close(f->parts_mm[0], 16, 2.1);
    assert_close(f->parts_mm[1], 12, 2.1);
    assert_close(f->volume_cc, 4.18879 * (0.512 + 0.216), 0.2);

    /* All rows of the table at once, where the first answers the second too. */
    DECIDED(&s, {1, "v2", "split", "A", "2;1", "", "split"},
            {2, "v3", "split", "A", "1;2", "", "split"}); /* in any order */
    expect(&s, 2, "A", RP_LINK_SPLIT, RP_LINK_DECIDED, "2;1");
    expect_state(&s, NULL, 2, "A", RP_FOUND_SPLIT);

    DECIDED(&s, {1, "v2", "split", "A", "2;1", "", "no"});
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_MATCHED, "2");
    expect(&s, 1, "N-v2-1", RP_LINK_NEW, RP_LINK_PROPOSED, "1");
    expect_complete(&s);
    release(&s);
}

static void test_merged(void **state)
{
    (void)state;
    scene s = {0};
    const ball joined[] = {{-14, 0, 0, 15}, {12, 0, 0, -15}, {0, 60, 0, 9}, END};
    add_visit(&s, (const ball[]){{-14, 0, 0, 9}, {12, 0, 0, 11}, {0, 60, 0, 9}, END}, 0);
    add_visit(&s, joined, 5);
    add_visit(&s, joined, 9);
    track_decided(&s, NULL, 0);
    expect_complete(&s);
    expect(&s, 1, "A", RP_LINK_MERGED, RP_LINK_PROPOSED, "1");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_PROPOSED, "1");
    assert_true(link_of(&s, 1, "B")->follows && !link_of(&s, 1, "A")->follows);
    assert_int_equal(link_of(&s, 1, "A")->into, 1);
    assert_int_equal(rp_tracking_open(&s.tracking), 2);
    expect_state(&s, NULL, 1, "A", RP_FOUND_NOT_EVALUATED);
    expect_state(&s, NULL, 1, "B", RP_FOUND_NOT_EVALUATED);

    DECIDED(&s, {1, "v2", "merged", "A", "1", "B", "merged"});
    expect(&s, 1, "A", RP_LINK_MERGED, RP_LINK_DECIDED, "1");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    expect(&s, 2, "A", RP_LINK_MERGED, RP_LINK_MATCHED, "1");
    assert_int_equal(rp_tracking_open(&s.tracking), 0);
    expect_state(&s, NULL, 2, "A", RP_FOUND_MERGED);
    assert_string_equal(finding(&s, NULL, 2, "A")->into, "B");
    expect_state(&s, NULL, 2, "B", RP_FOUND_MEASURED);

    DECIDED(&s, {1, "v2", "merged", "A", "1", "B", "merged"},
            {2, "v3", "merged", "A", "1", "B", "merged"});
    expect(&s, 2, "A", RP_LINK_MERGED, RP_LINK_DECIDED, "1");
    expect_state(&s, NULL, 2, "A", RP_FOUND_MERGED);

    /* Never passed over in silence: merged, and parted again at the next visit. */
    const rp_track_decision torn[] = {{1, "v2", "merged", "A", "1", "B", "merged"},
                                      {2, "v3", "merged", "A", "1", "B", "no"}};
    rp_track_options o;
    rp_tracking none = {0};
    rp_error err = {0};
    rp_track_defaults(&o);
    o.decisions = torn;
    o.decision_count = 2;
    assert_int_equal(rp_track(s.visits, s.count, ids, &o, &none, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "line 2: this decision"));

    DECIDED(&s, {1, "v2", "merged", "A", "1", "B", "no"});
    expect(&s, 1, "A", RP_LINK_VANISHED, RP_LINK_PROPOSED, "");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    release(&s);
}

static void test_outside(void **state)
{
    (void)state;
    scene s = {0};
    add_visit(&s, (const ball[]){{0, 0, 0, 10}, {0, 0, 80, 10}, END}, 0);
    add_visit(&s, (const ball[]){{0, 0, 0, 10}, END}, 0);
    s.visits[1].grid.size[2] = 80; /* up to z = 60 */
    track_decided(&s, NULL, 0);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    expect(&s, 1, "B", RP_LINK_OUTSIDE, RP_LINK_PROPOSED, "");
    expect_state(&s, NULL, 1, "B", RP_FOUND_NOT_EVALUATED);
    DECIDED(&s, {1, "v2", "outside", "B", "", "", "not evaluated"});
    expect(&s, 1, "B", RP_LINK_OUTSIDE, RP_LINK_DECIDED, "");
    expect_state(&s, NULL, 1, "B", RP_FOUND_NOT_EVALUATED);
    release(&s);
}

/* Equivocal until a person calls it new; from then on unequivocal. */
static void test_new_over_visits(void **state)
{
    (void)state;
    scene s = {0};
    const ball both[] = {{0, 0, 0, 10}, {60, 0, 0, 8}, END};
    add_visit(&s, (const ball[]){{0, 0, 0, 10}, END}, 0);
    add_visit(&s, both, 3);
    add_visit(&s, both, 6);
    track_decided(&s, NULL, 0);
    expect(&s, 1, "N-v2-2", RP_LINK_NEW, RP_LINK_PROPOSED, "2");
    expect(&s, 2, "N-v2-2", RP_LINK_NEW, RP_LINK_PROPOSED, "2");
    expect_state(&s, NULL, 2, "N-v2-2", RP_FOUND_EQUIVOCAL);
    DECIDED(&s, {1, "v3", "new", "N-v2-2", "2", "", "new"},
            {2, "v2", "new", "N-v2-2", "2", "", "equivocal"});
    expect_state(&s, NULL, 1, "N-v2-2", RP_FOUND_EQUIVOCAL);
    expect_state(&s, NULL, 2, "N-v2-2", RP_FOUND_UNEQUIVOCAL);
    assert_int_equal(rp_tracking_open(&s.tracking), 0);
    DECIDED(&s, {1, "v2", "new", "N-v2-2", "2", "", "new"},
            {2, "v3", "new", "N-v2-2", "2", "", "new"});
    expect(&s, 2, "N-v2-2", RP_LINK_NEW, RP_LINK_DECIDED, "2");
    expect_state(&s, NULL, 2, "N-v2-2", RP_FOUND_UNEQUIVOCAL);
    assert_int_equal(rp_tracking_open(&s.tracking), 0);
    DECIDED(&s, {1, "v2", "new", "N-v2-2", "2", "", "new"});
    expect(&s, 2, "N-v2-2", RP_LINK_MATCH, RP_LINK_MATCHED, "2");
    expect_state(&s, NULL, 2, "N-v2-2", RP_FOUND_UNEQUIVOCAL);
    assert_int_equal(rp_tracking_open(&s.tracking), 0);
    release(&s);
}

/* A lesion that is missing once is looked for where it was last. */
static void test_gap_in_time(void **state)
{
    (void)state;
    scene s = {0};
    add_visit(&s, (const ball[]){{0, 0, 0, 10}, {60, 0, 0, 8}, END}, 0);
    add_visit(&s, (const ball[]){{0, 0, 0, 10}, END}, 3);
    add_visit(&s, (const ball[]){{0, 0, 0, 10}, {60, 2, 0, 6}, END}, 6);
    track_decided(&s, NULL, 0);
    expect(&s, 1, "B", RP_LINK_VANISHED, RP_LINK_PROPOSED, "");
    expect(&s, 2, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "2");
    release(&s);
}

static void test_roles(void **state)
{
    (void)state;
    scene s = {0};
    const rp_timeline_lesion table[BALLS] = {{.id = "A", .role = RP_ROLE_NON_TARGET},
                                             {.id = "B", .role = RP_ROLE_NON_TARGET},
                                             {.id = "C", .nodal = true}};
    add_visit(&s, (const ball[]){{-40, 0, 0, 10}, {40, 0, 0, 12}, {0, 50, 20, 8}, END}, 0);
    add_visit(&s, (const ball[]){{-40, 0, 0, 10}, {0, 50, 20, 9}, END}, 0);
    track_decided(&s, NULL, 0);
    expect_state(&s, table, 0, "A", RP_FOUND_PRESENT);
    expect_state(&s, table, 1, "A", RP_FOUND_PRESENT);
    expect_state(&s, table, 1, "B", RP_FOUND_NOT_EVALUATED);
    expect_state(&s, table, 1, "C", RP_FOUND_MEASURED);
    assert_true(finding(&s, table, 1, "C")->short_axis_mm > 15);
    DECIDED(&s, {1, "v2", "vanished", "B", "", "", "absent"});
    expect_state(&s, table, 1, "B", RP_FOUND_ABSENT);
    DECIDED(&s, {1, "v2", "vanished", "B", "", "", "too small"});
    expect_state(&s, table, 1, "B", RP_FOUND_PRESENT);
    release(&s);
}

/* The body moved, the organ with A by 14 mm more. */
static bool organ_shift(void *context, size_t visit, const double point[3], double radius_mm,
                        double shift[3])
{
    (void)visit;
    (*(int *)context)++;
    assert_true(radius_mm >= 20);
    memset(shift, 0, 3 * sizeof *shift);
    shift[2] = point[0] < 0 ? 14 : 0;
    return true;
}

static void test_local_shift(void **state)
{
    (void)state;
    scene s = {0};
    int asked = 0;
    rp_track_options o;
    add_visit(&s, (const ball[]){{-40, 0, 0, 6}, {40, 0, 0, 6}, END}, 0);
    add_visit(&s, (const ball[]){{-40, 0, 14, 6}, {40, 0, 0, 6}, END}, 6);
    rp_track_defaults(&o);
    track_with(&s, &o);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_PROPOSED, "1");
    assert_true(isnan(link_of(&s, 1, "A")->shift_mm));
    o.local_shift = organ_shift;
    o.context = &asked;
    track_with(&s, &o);
    expect(&s, 1, "A", RP_LINK_MATCH, RP_LINK_MATCHED, "1");
    expect(&s, 1, "B", RP_LINK_MATCH, RP_LINK_MATCHED, "2");
    assert_close(link_of(&s, 1, "A")->shift_mm, 14, 1e-9);
    assert_true(link_of(&s, 1, "A")->dice > 0.99);
    assert_int_equal(asked, 2);
    release(&s);
}

/* ---- mistakes ------------------------------------------------------------------------------ */

static void test_bad_decisions(void **state)
{
    (void)state;
    scene s = {0};
    const struct {
        rp_track_decision decision;
        const char *told;
    } cases[] = {
        {{7, "v2", "gone", "A", "", "", "absent"}, "line 7: there is no kind 'gone'"},
        {{7, "v2", "vanished", "B", "", "", "dead"}, "not 'dead'"},
        {{7, "v2", "vanished", "B", "", "", "absent,"}, "not 'absent,'"},
        {{7, "v2", "vanished", "B", "", "", "not"}, "not 'not'"},
        {{7, "v2", "vanished", "A", "", "", "absent"}, "line 7: this decision"},
        {{7, "v3", "vanished", "B", "", "", "absent"}, "line 7: this decision"},
        {{7, "v2", "match", "A", "9", "", "yes"}, "line 7: this decision"},
        {{7, "v2", "match", "Z", "1", "", "no"}, "line 7: this decision"},
        {{7, "v2", "split", "A", "1;2", "", "split"}, "line 7: this decision"},
        {{7, "v2", "new", "", "2", "", "Z"}, "id of a known lesion, not 'Z'"},
        {{7, "v2", "baseline", "A", "1", "", ""}, "there is no kind"},
    };
    add_visit(&s, (const ball[]){{-40, 0, 0, 10}, {40, 0, 0, 12}, END}, 0);
    add_visit(&s, (const ball[]){{-40, 0, 0, 10}, {0, 60, 0, 7}, END}, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rp_error err = {0};
        rp_track_options o;
        rp_track_defaults(&o);
        o.decisions = &cases[i].decision;
        o.decision_count = 1;
        assert_int_equal(rp_track(s.visits, s.count, ids, &o, &s.tracking, &err), RP_ERR_FORMAT);
        if (!strstr(err.message, cases[i].told)) fail_msg("%s", err.message);
    }
    const rp_track_decision twice[] = {{1, "v2", "new", "", "2", "", "A"},
                                       {2, "v2", "match", "B", "2", "", "yes"}};
    rp_error err = {0};
    rp_track_options o;
    rp_track_defaults(&o);
    o.decisions = twice;
    o.decision_count = 2;
    assert_int_equal(rp_track(s.visits, s.count, ids, &o, &s.tracking, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "twice"));
    o.decision_count = 0;
    assert_int_equal(rp_track(s.visits, 0, ids, &o, &s.tracking, &err), RP_ERR_ARGUMENT);
    const char *const same[] = {"A", "A"};
    assert_int_equal(rp_track(s.visits, s.count, same, &o, &s.tracking, &err), RP_ERR_ARGUMENT);
    release(&s);
}

/* New lesions have ids of their own, whatever they share, and the same ones whatever becomes of the
 * others. */
static void test_ids(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"Neoplasm metastatic, liver segment VII a", "Neoplasm metastatic, liver segment VII b"},
        {"twice", "twice"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA4"
         "aaaaaaaaaaaaaaaaaaaa1",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA4"
         "aaaaaaaaaaaaaaaaaaaa2"},
        {"short", "other"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        scene s = {0};
        rp_track_options o;
        add_visit(&s, (const ball[]){{-40, 0, 0, 9}, END}, 0);
        add_visit(&s, (const ball[]){{-40, 0, 0, 9}, {40, 0, 0, 8}, {0, 60, 0, 7}, END}, 0);
        for (size_t k = 0; k < 2; k++)
            snprintf(s.visits[1].found[1 + k].name, sizeof s.visits[1].found->name, "%s",
                     names[i][k]);
        rp_track_defaults(&o);
        track_with(&s, &o);
        assert_int_equal(s.tracking.lesion_count, 3);
        const char *first = s.tracking.lesions[1].id, *second = s.tracking.lesions[2].id;
        assert_string_not_equal(first, second);
        for (size_t at = 0; first[at];) {
            uint32_t code;
            at += rp_text_character(first + at, strlen(first + at), &code);
            assert_true(code != RP_TEXT_INVALID); /* no character is cut in two */
        }
        if (i == 3) assert_string_equal(second, "N-v2-other");
        char alone[RP_TRACK_ID];
        snprintf(alone, sizeof alone, "%s", second);
        const rp_track_decision none = {1, s.visits[1].id, "new", "", names[i][0], "", "no lesion"};
        if (i == 1) {
            release(&s);
            continue;
        }
        track_decided(&s, &none, 1);
        assert_string_equal(s.tracking.lesions[1].id, alone);
        release(&s);
    }
}

static void test_memory(void **state)
{
    (void)state;
    scene s = {0};
    rp_error err;
    rp_status status = RP_ERR_MEMORY;
    long n = 0;
    add_visit(&s, (const ball[]){{-40, 0, 0, 9}, {40, 0, 0, 9}, END}, 0);
    add_visit(&s, (const ball[]){{-40, 0, 0, 9}, {0, 60, 0, 7}, END}, 0);
    rp_track_options o;
    rp_track_defaults(&o);
    static const rp_timeline_lesion table[] = {{.id = "A"}, {.id = "B"}};
    while (status && ++n < 1000) {
        rp_tracking t = {0};
        rp_timeline timeline = {0};
        rp_test_fail_allocation(n);
        status = rp_track(s.visits, s.count, ids, &o, &t, &err);
        if (!status)
            status = rp_tracking_timeline(&t, s.visits, s.count, table, "P", "", &timeline, &err);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
        if (!status) rp_timeline_release(&timeline);
        rp_tracking_release(&t);
    }
    assert_true(n > 20 && n < 1000);
    release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_match_and_vanish),
        cmocka_unit_test(test_uncertain),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_exchangeable),
        cmocka_unit_test(test_two_fit),
        cmocka_unit_test(test_gap_between_surfaces),
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_new_over_visits),
        cmocka_unit_test(test_gap_in_time),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_local_shift),
        cmocka_unit_test(test_bad_decisions),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
