/* What the visits make together: best response, dates, durations, depth, iRECIST. */
#include "make.h"

/* ---- best response ------------------------------------------------------------------------- */

typedef struct test_case {
    const char *what, *timeline;
    const char *best;
    int response, progression; /* visits; -1: none */
    int duration;              /* days; negative: censored; 0 where there is no response */
    int free_days;             /* negative: censored */
} test_case;

static void check_case(const test_case *c, const rp_response_options *options)
{
    rp_timeline t;
    char calls[512];
    make_timeline(&t, c->timeline);
    rp_timeline_result r = assess_timeline(&t, options);
    join_calls(&r, false, calls);
    const int duration = r.response_visit < 0  ? 0
                         : r.duration_censored ? -r.duration_days
                                               : r.duration_days;
    const int free_days =
        r.progression_free_censored ? -r.progression_free_days : r.progression_free_days;
    if (strcmp(rp_call_code(r.best), c->best) != 0 || r.response_visit != c->response ||
        r.progression_visit != c->progression || duration != c->duration ||
        free_days != c->free_days)
        fail_msg("%s: %s: best %s, response %d, progression %d, %d and %d days", c->what, calls,
                 rp_call_code(r.best), r.response_visit, r.progression_visit, duration, free_days);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

#define CHECK(cases, options)                                                                      \
    for (size_t i_ = 0; i_ < sizeof(cases) / sizeof *(cases); i_++)                                \
    check_case(&(cases)[i_], options)

static void test_unconfirmed(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"CR counts more than PR", "T1 | 20 | 10 | 0 | 0 | 1", "CR", 1, 4, 168, 224},
        {"PR", "T1 | 20 | 10 | 15", "PR", 1, 2, 56, 112},
        {"nothing but PD", "T1 | 20 | 30", "PD", -1, 1, 0, 56},
        {"SD, long enough", "T1 | 20 | 20 @42", "SD", -1, -1, 0, -42},
        {"SD, a day too short", "T1 | 20 | 20 @41", "NE", -1, -1, 0, -41},
        {"SD too short, then PD", "T1 | 20 | 20 @41 | 30", "PD", -1, 2, 0, 97},
        {"SD, then PD", "T1 | 20 | 20 | 30", "SD", -1, 2, 0, 112},
        {"nothing evaluated: censored at baseline", "T1 | 20 | NE | NE", "NE", -1, -1, 0, 0},
        {"censored at the last call", "T1 | 20 | 20 | NE", "SD", -1, -1, 0, -56},
        {"response, censored", "T1 | 20 | 10 | 10 | NE", "PR", 1, -1, -56, -112},
        {"what comes after progression does not count", "T1 | 20 | 30 | 0", "PD", -1, 1, 0, 56},
        {"non-targets only", "B1 | P | P | !", "NN", -1, 2, 0, 112},
        {"the baseline alone", "T1 | 20", "NE", -1, -1, 0, 0},
    };
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    CHECK(cases, &o);
}

static void test_confirmed(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"CR twice", "T1 | 20 | 0 @56 | 0 @84", "CR", 1, -1, -28, -84},
        {"a day too early", "T1 | 20 | 0 @56 | 0 @83", "SD", -1, -1, 0, -83},
        {"the third confirms the first", "T1 | 20 | 0 @56 | 0 @70 | 0 @84", "CR", 1, -1, -28, -84},
        {"not evaluated in between", "T1 | 20 | 0 | NE | 0", "CR", 1, -1, -112, -168},
        {"PR, then CR once", "T1 | 20 | 10 | 0", "PR", 1, -1, -56, -112},
        {"PR, CR, CR: dates from the PR", "T1 | 20 | 10 | 0 | 0", "CR", 1, -1, -112, -168},
        {"a PR that nothing confirms in time", "T1 | 20 | 14 @56 | 16 @70 | 0 @100 | 0 @130", "CR",
         3, -1, -30, -130},
        {"SD in between", "T1 n1 | 40 40 | 26 30 | 33 30 @85 | 26 30", "SD", -1, -1, 0, -141},
        {"PR once, then PD", "T1 | 20 | 10 | 30", "SD", -1, 2, 0, 112},
        {"PR once and early, then PD", "T1 | 20 | 10 @41 | 30", "PD", -1, 2, 0, 97},
        {"CR of non-targets once", "B1 | P | 0", "NN", -1, -1, 0, -56},
    };
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.confirmation = true;
    o.keep_pr = false;
    CHECK(cases, &o);
}

/* A PR that stays although its size is stable disease confirms nothing, before or after. */
static void test_confirmed_kept(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"PR, then stable", "T1 | 100 | 70 | 80", "SD", -1, -1, 0, -112},
        {"PR, stable, PR", "T1 | 100 | 70 | 80 | 70", "SD", -1, -1, 0, -168},
        {"PR, stable, PR, PR", "T1 | 100 | 70 | 80 | 70 | 70", "PR", 3, -1, -56, -224},
        {"PR, PR, stable", "T1 | 100 | 70 | 70 | 80", "PR", 1, -1, -112, -168},
        {"stable, PR, stable, CR", "n1 | 15 | 12 @20 | 10.4 @51 | 12 @80 | 9.5 @92", "SD", -1, -1,
         0, -92},
        {"CR, CR too early, stable", "n1 | 15 | 9.5 @1 | 9.5 @21 | 12 @51", "SD", -1, -1, 0, -51},
        {"CR, CR, no longer normal", "n1 | 15 | 9.5 @1 | 9.5 @29 | 12 @60", "CR", 1, 3, 59, 60},
    };
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.confirmation = true;
    CHECK(cases, &o);
}

static void test_equivocal(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"confirmed: in hindsight", "T1 N1 | 20 - | 10 - | 10 ? | 10 U", "PR", 1, 2, 56, 112},
        {"the first of two", "T1 N1 | 20 - | 10 ? | 10 ? | 10 U", "PD", -1, 1, 0, 56},
        {"not seen in between", "T1 N1 | 20 - | 10 - | 10 ? | 10 - | 10 U", "PR", 1, 2, 56, 112},
        {"absent in between", "T1 N1 | 20 - | 10 - | 10 ? | 10 0 | 10 U", "PR", 1, 4, 168, 224},
        {"seen again after absent", "T1 N1 | 20 - | 10 ? | 10 0 | 10 ? | 10 U", "PR", 1, 3, 112,
         168},
        {"never confirmed", "T1 N1 | 20 - | 10 ? | 10 ?", "PR", 1, -1, -56, -112},
        {"the earliest of two lesions", "T1 N1 N2 | 20 - - | 10 - - | 10 ? - | 10 ? ? | 10 U U",
         "PR", 1, 2, 56, 112},
        {"beside progression of targets", "T1 N1 | 20 - | 10 - | 10 ? | 30 U", "PR", 1, 2, 56, 112},
        {"confirmed later than progression", "T1 N1 | 20 - | 10 - | 10 ? | 30 ? | 30 U", "PR", 1, 2,
         56, 112},
        {"later than progression, absent before it", "T1 N1 | 20 - | 10 ? | 10 0 | 30 ? | 30 U",
         "PR", 1, 3, 112, 168},
    };
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    CHECK(cases, &o);
    rp_timeline t;
    make_timeline(&t, "T1 N1 | 20 - | 10 ? | 10 U");
    rp_timeline_result r = assess_timeline(&t, &o);
    assert_int_equal(r.visits[1].overall, RP_CALL_PR); /* its own call stays */
    assert_int_equal(r.visits[1].note_count, 1);
    assert_string_equal(r.visits[1].notes[0], "new lesion N1, equivocal here, was confirmed at v2");
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void test_depth(void **state)
{
    (void)state;
    static const struct {
        const char *timeline;
        rp_criteria criteria;
        double percent;
        int visit;
    } rows[] = {
        {"T1 | 20 | 15 | 12 | 12", RP_RECIST_1_1, -40, 2}, /* the first of equals */
        {"T1 | 20 | 22 | 21", RP_RECIST_1_1, 5, 2},
        {"T1 N1 | 20 - | 15 - | 10 U | 5 U", RP_RECIST_1_1, -50, 2}, /* progression's own visit */
        {"T1 T2 | 20 20 | 5 NE | 15 20", RP_RECIST_1_1, -12.5, 2},
        {"T1 | 20 | NE", RP_RECIST_1_1, NAN, -1},
        {"B1 | P | P", RP_RECIST_1_1, NAN, -1},
        {"T1 N1 | 20 - | 15 - | 10 U | 12 0", RP_IRECIST, -40, 3}, /* iUPD does not count */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_timeline t;
        const rp_response_options o = rp_response_defaults(rows[i].criteria);
        make_timeline(&t, rows[i].timeline);
        rp_timeline_result r = assess_timeline(&t, &o);
        if (r.depth_visit != rows[i].visit)
            fail_msg("%s: visit %d", rows[i].timeline, r.depth_visit);
        if (rows[i].visit >= 0)
            assert_close(r.depth_percent, rows[i].percent, 1e-9);
        else
            assert_true(isnan(r.depth_percent));
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

/* ---- iRECIST ------------------------------------------------------------------------------- */

typedef struct immune_case {
    const char *what, *timeline, *calls, *rules;
    const char *best;
    int progression;
} immune_case;

static const immune_case immune_cases[] = {
    {"no progression", "T1 n1 B1 | 20 20 P | 12 12 P | 0 9 P | 0 9 0", "iPR iPR iCR",
     "iPR iCR-non-target-remains iCR", "iCR", -1},
    {"not evaluated keeps its name", "T1 | 20 | NE", "NE", "NE", "NE", -1},
    {"without targets", "B1 B2 | P P | P P | NE P | 0 0", "iNN NE iCR", "iNT-NN NT-NE iNT-CR",
     "iCR", -1},
    {"(a) the targets grow by 5 mm", "T1 | 20 | 25 | 30", "iUPD iCPD", "iUPD-sum iCPD-sum", "iCPD",
     1},
    {"(a) by less", "T1 | 20 | 25 | 29.9", "iUPD iUPD", "iUPD-sum iUPD-sum", "iUPD", -1},
    {"(a) growth adds up", "T1 | 20 | 25 | 29 | 30", "iUPD iUPD iCPD", "iUPD-sum iUPD-sum iCPD-sum",
     "iCPD", 1},
    {"(a) and falls short", "T1 | 20 | 25 | 29 | 29.9", "iUPD iUPD iUPD", NULL, "iUPD", -1},
    {"(a) since the smallest of the run", "T1 | 20 | 30 | 26 | 31", "iUPD iUPD iCPD", NULL, "iCPD",
     1},
    {"(a) over visits without an evaluation", "T1 | 20 | 25 | 29 | NE | 30", "iUPD iUPD NE iCPD",
     NULL, "iCPD", 1},
    {"(a) more targets evaluated are no growth", "T1 T2 | 20 20 | 48 NE | 48 20", "iUPD iUPD", NULL,
     "iUPD", -1},
    {"(a) what is evaluated counts", "T1 T2 | 20 20 | 48 NE | 53 NE", "iUPD iCPD", NULL, "iCPD", 1},
    {"(a) only where targets were part of it", "T1 N1 | 20 - | 12 U | 17 U", "iUPD iCPD",
     "iUPD-new iCPD-sum", "iCPD", 1}, /* 12 to 17 is target progression for the first time */
    {"neither grown by PD nor before", "T1 N1 | 40 - | 40 U | 46 U", "iUPD iUPD",
     "iUPD-new iUPD-new", "iUPD", -1},
    {"(b) non-targets for the first time", "T1 B1 | 20 P | 25 P | 25 !", "iUPD iCPD",
     "iUPD-sum iCPD-non-target", "iCPD", 1},
    {"(b) another non-target", "T1 B1 B2 | 20 P P | 20 ! P | 20 ! !", "iUPD iCPD",
     "iUPD-non-target iCPD-non-target", "iCPD", 1},
    {"(b) the same again", "T1 B1 | 20 P | 20 ! | 20 !", "iUPD iUPD",
     "iUPD-non-target iUPD-non-target", "iUPD", -1},
    {"(b) the same, worse", "T1 B1 | 20 P | 20 ! | 20 !!", "iUPD iCPD",
     "iUPD-non-target iCPD-non-target", "iCPD", 1},
    {"(b) worse too early", "T1 B1 | 20 P | 20 ! @56 | 20 !! @83 | 20 !! @84", "iUPD iUPD iCPD",
     NULL, "iCPD", 1},
    {"(d) the same new lesion, worse", "T1 N1 | 20 - | 20 U | 20 !!", "iUPD iCPD",
     "iUPD-new iCPD-new", "iCPD", 1},
    {"(d) worse after stable disease", "T1 N1 | 20 - | 20 U | 20 0 | 20 !!", "iUPD iSD iUPD", NULL,
     "iSD", -1},
    {"(c) targets for the first time", "T1 B1 | 20 P | 20 ! | 25 !", "iUPD iCPD",
     "iUPD-non-target iCPD-sum", "iCPD", 1},
    {"(d) another new lesion", "T1 N1 N2 | 20 - - | 20 U - | 20 U U", "iUPD iCPD",
     "iUPD-new iCPD-new", "iCPD", 1},
    {"(d) the same new lesion", "T1 N1 | 20 - | 20 U | 20 U", "iUPD iUPD", "iUPD-new iUPD-new",
     "iUPD", -1},
    {"(e) new lesions grow by 5 mm", "T1 N1 N2 | 20 - - | 20 U10 U10 | 20 U12 U13", "iUPD iCPD",
     "iUPD-new iCPD-new", "iCPD", 1},
    {"(e) by less", "T1 N1 N2 | 20 - - | 20 U10 U10 | 20 U12 U12.9", "iUPD iUPD", NULL, "iUPD", -1},
    {"(e) growth adds up", "T1 N1 | 20 - | 20 U10 | 20 U14 | 20 U16", "iUPD iUPD iCPD",
     "iUPD-new iUPD-new iCPD-new", "iCPD", 1},
    {"(e) and falls short", "T1 N1 | 20 - | 20 U10 | 20 U14 | 20 U14.9", "iUPD iUPD iUPD", NULL,
     "iUPD", -1},
    {"(g) targets respond beside a new lesion that stays", "T1 N1 | 100 - | 90 U10 | 60 U10",
     "iUPD iPR", "iUPD-new iPR", "iPR", -1},
    {"(g) not where it grew a little", "T1 N1 | 100 - | 90 U10 | 60 U11", "iUPD iUPD", NULL, "iUPD",
     -1},
    {"(g) not measured: it stays", "T1 N1 | 100 - | 90 U | 60 U", "iUPD iPR", NULL, "iPR", -1},
    {"(g) not where the targets were that small before", "T1 N1 | 100 - | 60 U | 60 U", "iUPD iUPD",
     NULL, "iUPD", -1},
    {"(g) known from then on", "T1 N1 | 100 - | 90 U10 | 60 U10 | 60 U14 | 60 U15",
     "iUPD iPR iPR iUPD", "iUPD-new iPR iPR iUPD-new", "iPR", -1},
    {"(g) by 20% as well", "T1 N1 | 100 - | 90 U40 | 60 U40 | 60 U47 | 60 U48", "iUPD iPR iPR iUPD",
     NULL, "iPR", -1},
    {"(g) or as a person says", "T1 N1 | 100 - | 90 U | 60 U | 60 U | 60 !!", "iUPD iPR iPR iUPD",
     NULL, "iPR", -1},
    {"(g) another new lesion counts", "T1 N1 N2 | 100 - - | 90 U - | 60 U - | 60 U U",
     "iUPD iPR iUPD", NULL, "iPR", -1},
    {"(g) gone, and then there again", "T1 N1 | 100 - | 90 U | 60 U | 60 0 | 60 U",
     "iUPD iPR iPR iUPD", NULL, "iPR", -1},
    {"(g) nothing is complete beside it", "T1 N1 | 100 - | 90 U | 0 U", "iUPD iPR",
     "iUPD-new iCR-new-remains", "iPR", -1},
    {"(h) present, a person says", "T1 N1 | 50 - | 50 U | 50 P | 50 P", "iUPD iSD iSD", NULL, "iSD",
     -1},
    {"(h) present beside what progresses", "T1 N1 | 20 - | 20 U | 30 P", "iUPD iCPD",
     "iUPD-new iCPD-sum", "iCPD", 1},
    {"(h) without targets", "B1 N1 | P - | P U | 0 P", "iUPD iNN", "iUPD-new iNT-new-remains",
     "iNN", -1},
    {"(e) those not measured don't count", "T1 N1 N2 | 20 - - | 20 U10 U | 20 U12 U30", "iUPD iUPD",
     NULL, "iUPD", -1},
    {"(f) a new lesion for the first time", "T1 N1 | 20 - | 25 - | 25 U", "iUPD iCPD",
     "iUPD-sum iCPD-new", "iCPD", 1},
    {"too early", "T1 | 20 | 25 @56 | 30 @83", "iUPD iUPD", NULL, "iUPD", -1},
    {"early enough", "T1 | 20 | 25 @56 | 30 @84", "iUPD iCPD", NULL, "iCPD", 1},
    {"counted from the first", "T1 | 20 | 25 @56 | 26 @70 | 31 @84", "iUPD iUPD iCPD", NULL, "iCPD",
     1},
    {"a response ends it", "T1 | 30 | 36 | 20 | 25", "iUPD iPR iUPD", NULL, "iPR", -1},
    {"stable disease ends it", "T1 N1 | 40 - | 40 U | 40 0 | 40 U", "iUPD iSD iUPD", NULL, "iSD",
     -1},
    {"not evaluated does not", "T1 | 20 | 25 | NE | 30", "iUPD NE iCPD", NULL, "iCPD", 1},
    {"confirmed once and for all", "T1 | 20 | 25 | 30 | 5", "iUPD iCPD iCPD",
     "iUPD-sum iCPD-sum iCPD-before", "iCPD", 1},
    {"response before", "T1 | 30 | 20 | 26 | 31", "iPR iUPD iCPD", NULL, "iPR", 2},
    {"a response between the first run and the second", "T1 | 30 | 36 | 20 | 26 | 31",
     "iUPD iPR iUPD iCPD", NULL, "iPR", 3},
};

static void test_immune(void **state)
{
    (void)state;
    const rp_response_options o = rp_response_defaults(RP_IRECIST);
    for (size_t i = 0; i < sizeof immune_cases / sizeof *immune_cases; i++) {
        const immune_case *c = &immune_cases[i];
        rp_timeline t;
        char calls[512], rules[512];
        make_timeline(&t, c->timeline);
        rp_timeline_result r = assess_timeline(&t, &o);
        join_calls(&r, false, calls);
        join_calls(&r, true, rules);
        if (strcmp(calls, c->calls) != 0 || (c->rules && strcmp(rules, c->rules) != 0) ||
            strcmp(rp_call_code(r.best), c->best) != 0 || r.progression_visit != c->progression)
            fail_msg("%s: %s (%s), best %s, progression %d", c->what, calls, rules,
                     rp_call_code(r.best), r.progression_visit);
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

static void test_immune_notes(void **state)
{
    (void)state;
    static const struct {
        const char *timeline, *note; /* of the last visit; NULL: none */
    } rows[] = {
        {"T1 | 20 | 25 @56 | 30 @83", "too early to confirm"},
        {"T1 | 20 | 25 @56 | 30 @112", NULL},
        {"T1 | 20 | 25 @56 | 30 @113", "confirmed later than 56 days"},
        {"T1 N1 | 50 - | 50 U10 | 50 U10", "only new lesions that did not grow keep this iUPD; in "
                                           "the state 'present' they would leave iSD"},
        {"T1 N1 | 50 - | 50 U10 | 30 U10",
         "new lesion N1 is there still; without growth it no longer counts"},
    };
    const rp_response_options o = rp_response_defaults(RP_IRECIST);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_timeline t;
        make_timeline(&t, rows[i].timeline);
        rp_timeline_result r = assess_timeline(&t, &o);
        assert_int_equal(r.visits[2].note_count, rows[i].note != NULL);
        if (rows[i].note) assert_string_equal(r.visits[2].notes[0], rows[i].note);
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

/* iUPD between two responses is passed over like a visit that was not evaluated. */
static void test_immune_confirmation(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"over an iUPD", "T1 N1 | 20 - | 10 - | 10 U | 10 0", "iPR", 1, -1, -112, -168},
        {"over an iSD", "T1 n1 | 40 40 | 26 30 | 33 30 | 26 30", "iSD", -1, -1, 0, -168},
        {"not beyond progression", "T1 | 30 | 20 | 26 | 31 | 5", "iSD", -1, 2, 0, 112},
    };
    rp_response_options o = rp_response_defaults(RP_IRECIST);
    o.confirmation = true;
    o.keep_pr = false;
    CHECK(cases, &o);
}

/* ---- dates --------------------------------------------------------------------------------- */

static void test_dates(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "2020-1-06",  "2020-02-30",  "2021-02-29",
                                      "1900-02-29", "2020-13-01", "2020-00-10",  "2020-01-00",
                                      "1899-12-31", "2020/01/06", "2020-01-06 ", "20200106"};
    int days = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (rp_date_days(bad[i], &days)) fail_msg("'%s' passes", bad[i]);
    assert_false(rp_date_days(NULL, &days));
    assert_true(rp_date_days("1970-01-01", &days) && days == 0);
    assert_true(rp_date_days("2000-02-29", &days) && days == 11016);
    assert_true(rp_date_days("2000-03-01", &days) && days == 11017);
    assert_true(rp_date_days("1969-12-31", &days) && days == -1);
    assert_true(rp_date_days("2020-12-31", &days) && days == 18627);
}

/* Whatever allocation fails, nothing leaks and the failure is told. */
static void test_short_memory(void **state)
{
    (void)state;
    rp_timeline t;
    rp_error err = {0};
    rp_status status = RP_ERR_MEMORY;
    const rp_response_options o = rp_response_defaults(RP_IRECIST);
    make_timeline(&t, "T1 n1 B1 N1 | 20 20 P - | 12 9 0 ? | 25 9 0 U | 31 30 ! U");
    for (long n = 1; status; n++) {
        rp_timeline_result r;
        rp_test_fail_allocation(n);
        status = rp_timeline_assess(&t, &o, true, NULL, &r, &err);
        rp_test_fail_allocation(0);
        if (!status) rp_timeline_result_release(&r);
        assert_true(status == RP_OK || status == RP_ERR_MEMORY);
        assert_true(n < 100);
    }
    rp_timeline_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unconfirmed),    cmocka_unit_test(test_confirmed),
        cmocka_unit_test(test_confirmed_kept), cmocka_unit_test(test_equivocal),
        cmocka_unit_test(test_depth),          cmocka_unit_test(test_immune),
        cmocka_unit_test(test_immune_notes),   cmocka_unit_test(test_immune_confirmation),
        cmocka_unit_test(test_dates),          cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
