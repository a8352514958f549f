/* What must hold of every timeline, on many random ones. */
#include "make.h"

enum { TIMELINES = SHORT ? 5000 : SLOW ? 20000 : 100000 };
enum { MOST_LESIONS = 8, MOST_VISITS = 7 };

/* A timeline that can be changed before it is made. */
typedef struct draft {
    size_t lesions, visits;
    rp_timeline_lesion lesion[MOST_LESIONS];
    rp_timeline_finding finding[MOST_VISITS][MOST_LESIONS];
    bool has_finding[MOST_VISITS][MOST_LESIONS];
    double parts[MOST_VISITS][MOST_LESIONS][2];
    int day[MOST_VISITS];
} draft;

static const char *const ids[MOST_LESIONS] = {"L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8"};

static size_t below(rp_random *random, size_t n)
{
    return rp_random_u32(random) % n;
}

/* Sizes in tenths, as people type them, often near the thresholds of what was there before. */
static double random_size(rp_random *random, double before)
{
    static const double factors[] = {0.7, 1.0, 1.2, 0.5, 0.9, 1.1, 0.3};
    const double size = before * factors[below(random, 7)];
    const double near = round(10 * size) / 10 + (double)below(random, 3) / 10 - 0.1;
    return near > 0.1 ? near : 0.1;
}

static void set_size(rp_timeline_finding *f, double size)
{
    f->longest_mm = f->short_axis_mm = f->viable_mm = f->volume_cc = size;
}

static void draw_target(rp_random *random, draft *d, size_t v, size_t l)
{
    rp_timeline_finding *f = &d->finding[v][l];
    const double before = v ? d->finding[v - 1][l].longest_mm : 0;
    const size_t kind = v ? below(random, 24) : 0;
    const double size = v ? random_size(random, before)
                          : 10 + (double)below(random, 400) / 10 + 5 * d->lesion[l].nodal;
    set_size(f, size); /* kept for the next visit, whatever the state */
    f->state = kind == 23   ? RP_FOUND_NOT_EVALUATED
               : kind == 22 ? RP_FOUND_TOO_SMALL
               : kind >= 19 ? RP_FOUND_ABSENT
               : kind == 18 ? RP_FOUND_SPLIT
                            : RP_FOUND_MEASURED;
    if (f->state != RP_FOUND_SPLIT) return;
    d->parts[v][l][0] = round(4 * size) / 10 + 0.1;
    d->parts[v][l][1] = round(6 * size) / 10 + 0.1;
    f->parts_mm = f->parts_viable_mm = d->parts[v][l];
    f->part_count = f->viable_count = 2;
}

static void draw_finding(rp_random *random, draft *d, size_t v, size_t l)
{
    static const rp_finding_state non_target[] = {
        RP_FOUND_PRESENT, RP_FOUND_PRESENT,       RP_FOUND_PRESENT, RP_FOUND_ABSENT,
        RP_FOUND_ABSENT,  RP_FOUND_NOT_EVALUATED, RP_FOUND_ABSENT,  RP_FOUND_PROGRESSION};
    static const rp_finding_state fresh[] = {RP_FOUND_EQUIVOCAL, RP_FOUND_ABSENT,
                                             RP_FOUND_UNEQUIVOCAL};
    rp_timeline_finding *f = &d->finding[v][l];
    *f = rp_timeline_finding_of(ids[l], RP_FOUND_PRESENT);
    d->has_finding[v][l] = true;
    if (d->lesion[l].role == RP_ROLE_TARGET) {
        draw_target(random, d, v, l);
    } else if (d->lesion[l].role == RP_ROLE_NON_TARGET) {
        f->state = v ? non_target[below(random, 8)] : RP_FOUND_PRESENT;
    } else {
        d->has_finding[v][l] = v && below(random, 5) == 0;
        f->state = fresh[below(random, 3)];
    }
}

static void draw(draft *d, uint64_t step)
{
    rp_random random;
    rp_random_init(&random, 7, 11, step);
    *d = (draft){.visits = 1 + below(&random, MOST_VISITS)};
    const size_t targets = below(&random, 6), non_targets = below(&random, 3) + (targets == 0);
    d->lesions = targets + non_targets + below(&random, 2);
    if (d->lesions > MOST_LESIONS) d->lesions = MOST_LESIONS;
    for (size_t l = 0; l < d->lesions; l++)
        d->lesion[l] = (rp_timeline_lesion){.id = ids[l],
                                            .organ = ids[l],
                                            .nodal = below(&random, 4) == 0,
                                            .role = l < targets                 ? RP_ROLE_TARGET
                                                    : l < targets + non_targets ? RP_ROLE_NON_TARGET
                                                                                : RP_ROLE_NEW};
    for (size_t v = 0; v < d->visits; v++) {
        d->day[v] = v ? d->day[v - 1] + 20 + (int)below(&random, 60) : 0;
        for (size_t l = 0; l < d->lesions; l++) draw_finding(&random, d, v, l);
    }
}

/* In the order given by first, then the others as they stand. */
static void build(const draft *d, bool backwards, rp_timeline *t)
{
    rp_error err = {0};
    assert_ok(rp_timeline_init(t, "P", "", &err), err);
    for (size_t i = 0; i < d->lesions; i++)
        assert_ok(rp_timeline_add_lesion(t, &d->lesion[backwards ? d->lesions - 1 - i : i], &err),
                  err);
    for (size_t v = 0; v < d->visits; v++) {
        char id[8], date[32];
        snprintf(id, sizeof id, "v%zu", v % 100);
        format_date(d->day[v], date);
        const rp_timeline_visit visit = {
            .id = id, .date = date, .phase = "arterial", .slice_spacing_mm = NAN};
        assert_ok(rp_timeline_add_visit(t, &visit, &err), err);
        for (size_t i = 0; i < d->lesions; i++) {
            const size_t l = backwards ? d->lesions - 1 - i : i;
            if (d->has_finding[v][l])
                assert_ok(rp_timeline_add_finding(t, v, &d->finding[v][l], &err), err);
        }
    }
}

static rp_response_options options_of(uint64_t step)
{
    rp_response_options o = rp_response_defaults((rp_criteria)(step % 4));
    o.confirmation = step / 4 % 2;
    o.keep_pr = step / 8 % 3 != 0;
    o.reappearance_is_pd = step / 16 % 3 != 0;
    return o;
}

static rp_timeline_result assess_draft(const draft *d, bool backwards, const rp_response_options *o)
{
    rp_timeline t;
    build(d, backwards, &t);
    rp_timeline_result r = assess_timeline(&t, o);
    rp_timeline_release(&t);
    return r;
}

static void expect_same(uint64_t step, const rp_timeline_result *a, const rp_timeline_result *b)
{
    for (size_t v = 0; v < a->visit_count; v++) {
        const rp_visit_result *x = &a->visits[v], *y = &b->visits[v];
        if (x->overall != y->overall || x->target != y->target || x->non_target != y->non_target ||
            x->nadir_visit != y->nadir_visit ||
            (x->rule != y->rule && strcmp(x->rule, y->rule) != 0))
            fail_msg("timeline %d, visit %zu: %s (%s) and %s (%s)", (int)step, v,
                     rp_call_code(x->overall), x->rule, rp_call_code(y->overall), y->rule);
    }
    assert_int_equal(a->best, b->best);
    assert_int_equal(a->response_visit, b->response_visit);
    assert_int_equal(a->progression_visit, b->progression_visit);
    assert_int_equal(a->progression_free_days, b->progression_free_days);
    assert_int_equal(a->depth_visit, b->depth_visit);
}

/* ---- the properties ------------------------------------------------------------------------ */

static void test_order_of_lesions(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < TIMELINES; step++) {
        draft d;
        const rp_response_options o = options_of(step);
        draw(&d, step);
        rp_timeline_result a = assess_draft(&d, false, &o), b = assess_draft(&d, true, &o);
        expect_same(step, &a, &b);
        rp_timeline_result_release(&a);
        rp_timeline_result_release(&b);
    }
}

static void scale(draft *d, rp_response_options *o, double factor, double volume_factor)
{
    double *lengths[] = {&o->too_small_mm,   &o->progression_minimum_mm,
                         &o->node_normal_mm, &o->node_target_mm,
                         &o->target_mm,      &o->irecist_further_mm};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) *lengths[i] *= factor;
    for (size_t v = 0; v < d->visits; v++)
        for (size_t l = 0; l < d->lesions; l++) {
            rp_timeline_finding *f = &d->finding[v][l];
            f->longest_mm *= factor;
            f->short_axis_mm *= factor;
            f->viable_mm *= factor;
            f->volume_cc *= volume_factor;
            d->parts[v][l][0] *= factor;
            d->parts[v][l][1] *= factor;
        }
}

/* Copies of a draft point to the parts of the original. */
static void own_parts(draft *d)
{
    for (size_t v = 0; v < d->visits; v++)
        for (size_t l = 0; l < d->lesions; l++)
            if (d->finding[v][l].state == RP_FOUND_SPLIT)
                d->finding[v][l].parts_mm = d->finding[v][l].parts_viable_mm = d->parts[v][l];
}

static void test_scale(void **state)
{
    (void)state;
    static const double factors[] = {0.3, 1.7, 10, 25.4};
    for (uint64_t step = 0; step < TIMELINES; step++) {
        draft d;
        rp_response_options o = options_of(step);
        const double factor = factors[step / 4 % 4];
        draw(&d, step);
        own_parts(&d);
        rp_timeline_result a = assess_draft(&d, false, &o);
        scale(&d, &o, factor, factor * factor * factor);
        rp_timeline_result b = assess_draft(&d, false, &o);
        expect_same(step, &a, &b);
        rp_timeline_result_release(&a);
        rp_timeline_result_release(&b);
    }
}

/* CR is best. Where nothing is known, more of it proves progression or nothing. */
static int rank(rp_call call)
{
    switch (call) {
    case RP_CALL_CR:
        return 0;
    case RP_CALL_PR:
        return 1;
    case RP_CALL_SD:
    case RP_CALL_NN:
        return 2;
    case RP_CALL_NE:
        return 3;
    case RP_CALL_PD:
        return 4;
    default:
        return -1;
    }
}

/* Larger at one visit: never a better call there, by RECIST 1.1 and what counts like it. */
static void test_growth(void **state)
{
    (void)state;
    size_t worse = 0;
    for (uint64_t step = 0; step < TIMELINES; step++) {
        draft d;
        rp_random random;
        const rp_response_options o = options_of(step);
        draw(&d, step);
        own_parts(&d);
        rp_random_init(&random, 8, 12, step);
        if (d.visits < 2 || d.lesion[0].role != RP_ROLE_TARGET) continue;
        const size_t v = 1 + below(&random, d.visits - 1);
        rp_timeline_finding *f = &d.finding[v][0];
        rp_timeline_result a = assess_draft(&d, false, &o);
        if (f->state == RP_FOUND_ABSENT) {
            f->state = RP_FOUND_MEASURED;
        } else if (f->state == RP_FOUND_MEASURED) {
            set_size(f, f->longest_mm + 0.1 + (double)below(&random, 80) / 10);
        }
        rp_timeline_result b = assess_draft(&d, false, &o);
        const rp_call x = a.visits[v].recist, y = b.visits[v].recist;
        if (rank(x) < 0 || rank(y) < rank(x))
            fail_msg("timeline %d, visit %zu: %s, and when larger %s", (int)step, v,
                     rp_call_code(x), rp_call_code(y));
        worse += rank(y) > rank(x);
        rp_timeline_result_release(&a);
        rp_timeline_result_release(&b);
    }
    assert_true(worse > TIMELINES / 50); /* there was something to see */
}

static void test_new_lesion_and_nadir(void **state)
{
    (void)state;
    size_t calls[RP_CALL_ICPD + 1] = {0};
    for (uint64_t step = 0; step < TIMELINES; step++) {
        draft d;
        const rp_response_options o = options_of(step);
        draw(&d, step);
        rp_timeline_result r = assess_draft(&d, false, &o);
        for (size_t v = 1; v < d.visits; v++) {
            const rp_visit_result *visit = &r.visits[v];
            calls[visit->overall]++;
            for (size_t l = 0; l < d.lesions; l++)
                if (d.has_finding[v][l] && d.lesion[l].role == RP_ROLE_NEW &&
                    d.finding[v][l].state == RP_FOUND_UNEQUIVOCAL)
                    assert_int_equal(visit->recist, RP_CALL_PD);
            assert_false(v > 1 && visit->nadir > r.visits[v - 1].nadir);
            assert_false(visit->complete && v + 1 < d.visits &&
                         r.visits[v + 1].nadir > visit->sum * (1 + 1e-9));
        }
        rp_timeline_result_release(&r);
    }
    /* Every call occurs. */
    for (rp_call c = RP_CALL_CR; c <= RP_CALL_ICPD; c++)
        if (c != RP_CALL_NA && !calls[c]) fail_msg("no visit was %s", rp_call_code(c));
}

static rp_response as_response(rp_call call)
{
    static const rp_call calls[] = {RP_CALL_CR, RP_CALL_PR, RP_CALL_SD, RP_CALL_PD, RP_CALL_NE};
    int i = 0;
    while (calls[i] != call) i++;
    return (rp_response)i;
}

/* A lesion at baseline, at its smallest (0: not seen between) and now. */
static rp_response over_timeline(bool nodal, double baseline, double nadir, rp_finding_state state,
                                 double now, bool new_lesion)
{
    draft d = {.lesions = new_lesion ? 2 : 1,
               .visits = nadir > 0 ? 3 : 2,
               .lesion = {{.id = ids[0], .nodal = nodal}, {.id = ids[1], .role = RP_ROLE_NEW}}};
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    const double sizes[] = {baseline, nadir};
    const size_t last = d.visits - 1;
    for (size_t v = 0; v < d.visits; v++) {
        d.day[v] = 56 * (int)v;
        d.has_finding[v][0] = true;
        d.finding[v][0] = rp_timeline_finding_of(ids[0], v == last ? state : RP_FOUND_MEASURED);
        if (v < last || state == RP_FOUND_MEASURED)
            set_size(&d.finding[v][0], v == last ? now : sizes[v]);
    }
    d.has_finding[last][1] = new_lesion;
    d.finding[last][1] = rp_timeline_finding_of(ids[1], RP_FOUND_UNEQUIVOCAL);
    rp_timeline_result r = assess_draft(&d, false, &o);
    const rp_response response = as_response(r.visits[last].overall);
    rp_timeline_result_release(&r);
    return response;
}

/* The response of one lesion is that of a timeline which holds nothing else. */
static void test_one_lesion(void **state)
{
    (void)state;
    static const rp_finding_state states[] = {RP_FOUND_MEASURED, RP_FOUND_TOO_SMALL,
                                              RP_FOUND_ABSENT, RP_FOUND_NOT_EVALUATED};
    size_t seen[RP_NE + 1] = {0};
    for (uint64_t step = 0; step < TIMELINES; step++) {
        rp_random random;
        rp_random_init(&random, 8, 13, step);
        const bool nodal = below(&random, 2), new_lesion = below(&random, 20) == 0;
        const double baseline = 10 + (double)below(&random, 300) / 10;
        const double low = below(&random, 2) ? random_size(&random, baseline) : 0;
        const double nadir = low < baseline ? low : 0;
        const size_t s = below(&random, 3) ? 0 : below(&random, 4);
        rp_response_input in = {.nodal = nodal,
                                .baseline_mm = baseline,
                                .nadir_mm = nadir,
                                .state = (rp_lesion_state)s,
                                .followup_mm = random_size(&random, nadir > 0 ? nadir : baseline),
                                .new_lesion = new_lesion};
        rp_response_result r;
        rp_error err = {0};
        assert_ok(rp_response_classify(&in, &r, &err), err);
        const rp_response other =
            over_timeline(nodal, baseline, nadir, states[s], in.followup_mm, new_lesion);
        if (r.response != other)
            fail_msg("step %d: %g, %g, %g mm%s: %s, over a timeline %s", (int)step, baseline, nadir,
                     in.followup_mm, nodal ? " (node)" : "", r.rule, rp_response_code(other));
        seen[r.response]++;
    }
    for (int i = 0; i <= RP_NE; i++) assert_true(seen[i] > TIMELINES / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_lesions),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_one_lesion),
        cmocka_unit_test(test_new_lesion_and_nadir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
