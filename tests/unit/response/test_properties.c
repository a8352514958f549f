/* What holds for every timeline, on 10^5 random ones. */
#include "timelines.h"

#ifdef RP_TEST_EMULATED
enum { TIMELINES = 5000 };
#else
enum { TIMELINES = 100000 };
#endif
enum { MOST_TARGETS = 4, MOST_OTHERS = 2, MOST_VISITS = 6 };

/* A course in numbers, so that it can be built again with something changed. */
typedef struct plan {
    int targets, others, visits, days[MOST_VISITS];
    bool nodal[MOST_TARGETS];
    double size[MOST_VISITS][MOST_TARGETS]; /* tenths of mm are whole; NaN: not evaluated */
    rp_finding_state other[MOST_VISITS][MOST_OTHERS];
} plan;

static int draw(rp_random *random, int low, int high)
{
    return low + (int)(rp_random_uniform(random) * (high - low + 1));
}

/* Sums on a threshold are frequent: sizes at a visit are those of the baseline by a common factor.
 */
static void draw_sizes(rp_random *random, plan *p, int visit)
{
    static const double factors[] = {0.7, 1.2, 1.0, 0.5, 0.9, 1.1, 1.3, 0.0};
    const double common = factors[draw(random, 0, 7)];
    for (int t = 0; t < p->targets; t++) {
        const bool own = draw(random, 0, 3) == 0;
        const double size = p->size[0][t] * (own ? factors[draw(random, 0, 7)] : common);
        p->size[visit][t] = draw(random, 0, 14) == 0 ? NAN : round(10 * size) / 10;
    }
}

static plan draw_plan(uint64_t seed)
{
    static const rp_finding_state states[] = {RP_FOUND_PRESENT, RP_FOUND_PRESENT, RP_FOUND_ABSENT,
                                              RP_FOUND_ABSENT, RP_FOUND_NOT_EVALUATED};
    rp_random random;
    rp_random_init(&random, seed, 1, 0);
    plan p = {.targets = draw(&random, 1, MOST_TARGETS),
              .others = draw(&random, 0, MOST_OTHERS),
              .visits = draw(&random, 2, MOST_VISITS)};
    for (int t = 0; t < p.targets; t++) {
        p.nodal[t] = t < 2 && draw(&random, 0, 3) == 0;
        p.size[0][t] = draw(&random, 15, 60);
    }
    for (int v = 0; v < p.visits; v++) {
        p.days[v] = v ? p.days[v - 1] + draw(&random, 14, 90) : 0;
        if (v) draw_sizes(&random, &p, v);
        for (int o = 0; o < p.others; o++)
            p.other[v][o] = v ? states[draw(&random, 0, 4)] : RP_FOUND_PRESENT;
    }
    return p;
}

/* reverse: lesions and findings in the opposite order; scale: of all lengths. */
static void build(rp_timeline *t, const plan *p, bool reverse, double scale)
{
    static const char *const names[] = {"T0", "T1", "T2", "T3", "N0", "N1"};
    static const char *const organs[] = {"liver", "lung", "liver", "lung"};
    const int all = p->targets + p->others;
    begin(t);
    for (int i = 0; i < all; i++) {
        const int at = reverse ? all - 1 - i : i;
        if (at < p->targets)
            lesion(t, names[at], RP_ROLE_TARGET, p->nodal[at], organs[at]);
        else
            lesion(t, names[4 + at - p->targets], RP_ROLE_NON_TARGET, false, "bone");
    }
    for (int v = 0; v < p->visits; v++) {
        visit_on(t, p->days[v]);
        for (int i = 0; i < all; i++) {
            const int at = reverse ? all - 1 - i : i;
            if (at >= p->targets)
                found(t, names[4 + at - p->targets], p->other[v][at - p->targets]);
            else if (isnan(p->size[v][at]))
                found(t, names[at], RP_FOUND_NOT_EVALUATED);
            else if (p->size[v][at] == 0)
                found(t, names[at], RP_FOUND_ABSENT);
            else
                measured(t, names[at], round(10 * scale * p->size[v][at]) / 10);
        }
    }
}

/* How bad a call is; a visit that was not evaluated can only become PD. */
static int badness(rp_call call)
{
    return call == RP_CALL_CR ? 0 : call == RP_CALL_PR ? 1 : call == RP_CALL_SD ? 2 : 3;
}

typedef struct seen {
    long calls[RP_CALL_ICPD + 1], worse;
} seen;

static void check_growth(const plan *p, const rp_timeline_result *before, rp_random *random,
                         seen *s)
{
    plan grown = *p;
    const int v = draw(random, 1, p->visits - 1), t = draw(random, 0, p->targets - 1);
    if (isnan(p->size[v][t])) return;
    grown.size[v][t] += draw(random, 1, 150) / 10.0;
    rp_timeline timeline;
    build(&timeline, &grown, false, 1);
    rp_timeline_result after = assessed(&timeline, NULL);
    const rp_call was = before->visits[v].overall, is = after.visits[v].overall;
    const bool fine = was == RP_CALL_NE ? is == RP_CALL_NE || is == RP_CALL_PD
                                        : is != RP_CALL_NE && badness(is) >= badness(was);
    if (!fine) fail_msg("%s became %s by growth", rp_call_code(was), rp_call_code(is));
    s->worse += is != was;
    rp_timeline_result_release(&after);
    rp_timeline_release(&timeline);
}

static void expect_same(const rp_timeline_result *a, const rp_timeline_result *b)
{
    for (size_t v = 0; v < a->visit_count; v++)
        if (a->visits[v].overall != b->visits[v].overall ||
            a->visits[v].target != b->visits[v].target)
            fail_msg("visit %zu: %s and %s", v, rp_call_code(a->visits[v].overall),
                     rp_call_code(b->visits[v].overall));
    assert_int_equal(a->best, b->best);
    assert_int_equal(a->progression_visit, b->progression_visit);
}

static void check_order(const plan *p, const rp_timeline_result *expected)
{
    rp_timeline t;
    build(&t, p, true, 1);
    rp_timeline_result r = assessed(&t, NULL);
    expect_same(expected, &r);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void check_units(const plan *p, const rp_timeline_result *expected)
{
    rp_timeline t;
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.too_small_mm *= 10;
    o.progression_minimum_mm *= 10;
    o.node_normal_mm *= 10;
    o.node_target_mm *= 10;
    o.target_mm *= 10;
    build(&t, p, false, 10);
    rp_timeline_result r = assessed(&t, &o);
    expect_same(expected, &r);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void check_new_lesion(const plan *p, rp_random *random)
{
    rp_timeline t;
    build(&t, p, false, 1);
    lesion(&t, "L", RP_ROLE_NEW, false, "brain");
    const size_t v = (size_t)draw(random, 1, p->visits - 1);
    rp_error err = {0};
    const rp_timeline_finding one = rp_timeline_finding_of("L", RP_FOUND_UNEQUIVOCAL);
    assert_ok(rp_timeline_add_finding(&t, v, &one, &err), err);
    rp_timeline_result r = assessed(&t, NULL);
    assert_int_equal(r.visits[v].overall, RP_CALL_PD);
    assert_true(r.progression_visit >= 0 && (size_t)r.progression_visit <= v);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void check_nadir(const rp_timeline_result *r)
{
    for (size_t v = 2; v < r->visit_count; v++)
        assert_true(r->visits[v].nadir <= r->visits[v - 1].nadir);
}

static void test_properties(void **state)
{
    (void)state;
    seen s = {0};
    for (uint64_t i = 0; i < TIMELINES; i++) {
        const plan p = draw_plan(i);
        rp_random random;
        rp_timeline t;
        rp_random_init(&random, i, 2, 0);
        build(&t, &p, false, 1);
        rp_timeline_result r = assessed(&t, NULL);
        for (size_t v = 1; v < r.visit_count; v++) s.calls[r.visits[v].overall]++;
        check_nadir(&r);
        check_growth(&p, &r, &random, &s);
        check_order(&p, &r);
        check_units(&p, &r);
        check_new_lesion(&p, &random);
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
    const rp_call calls[] = {RP_CALL_CR, RP_CALL_PR, RP_CALL_SD, RP_CALL_PD, RP_CALL_NE};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        print_message("%s %ld\n", rp_call_code(calls[i]), s.calls[calls[i]]);
        assert_true(s.calls[calls[i]] > TIMELINES / 100);
    }
    assert_true(s.worse > TIMELINES / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_properties)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
