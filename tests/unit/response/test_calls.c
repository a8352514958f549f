/* Calls of single visits: the guideline's tables in full, and every rule just inside and just
 * outside. */
#include "make.h"

/* ---- the tables of overall responses ------------------------------------------------------- */

#define CR RP_CALL_CR
#define PR RP_CALL_PR
#define SD RP_CALL_SD
#define NN RP_CALL_NN
#define PD RP_CALL_PD
#define NE RP_CALL_NE
#define NA RP_CALL_NA

static void test_overall_tables(void **state)
{
    (void)state;
    static const struct {
        rp_call target, non_target, expected;
    } rows[] = {
        /* Eisenhauer 2009, table 1: targets, with or without non-targets. */
        {CR, CR, CR},
        {CR, NA, CR},
        {CR, NN, PR},
        {CR, NE, PR},
        {PR, CR, PR},
        {PR, NN, PR},
        {PR, NE, PR},
        {PR, NA, PR},
        {SD, CR, SD},
        {SD, NN, SD},
        {SD, NE, SD},
        {SD, NA, SD},
        {NE, CR, NE},
        {NE, NN, NE},
        {NE, NE, NE},
        {NE, NA, NE},
        {PD, CR, PD},
        {PD, NN, PD},
        {PD, NE, PD},
        {PD, NA, PD},
        {CR, PD, PD},
        {PR, PD, PD},
        {SD, PD, PD},
        {NE, PD, PD},
        {PD, PD, PD},
        /* Table 2: non-targets only. */
        {NA, CR, CR},
        {NA, NN, NN},
        {NA, NE, NE},
        {NA, PD, PD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rp_overall_response(rows[i].target, rows[i].non_target, false),
                         rows[i].expected);
        /* A new lesion is progression whatever else was found. */
        assert_int_equal(rp_overall_response(rows[i].target, rows[i].non_target, true), PD);
    }
}

/* ---- rules, each on both sides of its limit ------------------------------------------------ */

typedef struct test_case {
    const char *what, *timeline;
    const char *calls, *rules; /* of the visits after baseline */
} test_case;

static void check_cases(const test_case *cases, size_t count, const rp_response_options *options)
{
    for (size_t i = 0; i < count; i++) {
        rp_timeline t;
        char calls[512], rules[512];
        make_timeline(&t, cases[i].timeline);
        rp_timeline_result r = assess_timeline(&t, options);
        join_calls(&r, false, calls);
        join_calls(&r, true, rules);
        if (strcmp(calls, cases[i].calls) != 0 ||
            (cases[i].rules && strcmp(rules, cases[i].rules) != 0))
            fail_msg("%s: %s (%s) instead of %s (%s): %s", cases[i].what, calls, rules,
                     cases[i].calls, cases[i].rules ? cases[i].rules : "any",
                     r.visits[r.visit_count - 1].sentence);
        for (size_t v = 1; v < r.visit_count; v++) {
            const rp_visit_result *one = &r.visits[v];
            const char *code = rp_call_code(one->overall);
            assert_memory_equal(one->sentence, code, strlen(code));
            assert_int_equal(one->sentence[strlen(one->sentence) - 1], '.');
        }
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

#define CHECK(cases, options) check_cases(cases, sizeof(cases) / sizeof *(cases), options)

static void test_targets(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"exactly 30%", "T1 T2 | 60 40 | 50 20", "PR", "PR"},
        {"a hair less than 30%", "T1 T2 | 60 40 | 50 20.001", "SD", "SD"},
        {"30% of decimals", "T1 T2 | 0.1 101.8 | 0.2 71.13", "PR", "PR"},
        {"exactly 20% and 5 mm", "T1 T2 | 15 10 | 20 10", "PD", "PD-sum"},
        {"20% with 4.9 mm", "T1 T2 | 14 10 | 18.9 10", "SD", "SD"},
        {"5 mm in decimals", "T1 T2 | 12.3 7.8 | 12.4 12.7", "PD", "PD-sum"},
        {"a hair less than 20%", "T1 T2 | 60 40 | 60 59.99", "SD", "SD"},
        {"against the nadir, not the baseline", "T1 | 100 | 50 | 60", "PR PD", "PR PD-sum"},
        {"just below 120% of the nadir", "T1 | 100 | 50 | 59.9", "PR PR", "PR PR"},
        {"the nadir never rises", "T1 | 50 | 40 | 47 | 50", "SD SD PD", NULL},
        {"an incomplete sum is no nadir", "T1 T2 | 50 50 | 10 NE | 45 45", "NE SD", "NE SD"},
        {"what is measured proves progression", "T1 T2 | 20 20 | 48 NE", "PD", "PD-sum"},
        {"what is measured falls short", "T1 T2 | 20 20 | 47.9 NE", "NE", "NE"},
        {"no finding is not evaluated", "T1 T2 | 20 20 | 20 -", "NE", "NE"},
        {"gone", "T1 T2 | 20 20 | 0 0", "CR", "CR"},
        {"one is not gone", "T1 T2 | 20 20 | 0 0.1", "PR", "PR"},
        {"too small is 5 mm and there", "T1 | 20 | <", "PR", "PR"},
        {"nodes below 10", "T1 n1 | 20 20 | 0 9.9", "CR", "CR"},
        {"a node of 10", "T1 n1 | 20 20 | 0 10", "PR", "PR"},
        {"a node too small", "T1 n1 | 20 20 | 0 <", "CR", "CR"},
        {"nodes normal and progression is tested first", "n1 | 20 | 4 | 9", "CR PD", "CR PD-sum"},
    };
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    CHECK(cases, &o);
}

static void test_split_and_merged(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"parts add up", "T1 | 20 | 12+12", "SD", "SD"},
        {"parts add up to progression", "T1 | 20 | 12+13", "PD", "PD-sum"},
        {"merged counts in the other", "T1 T2 | 20 20 | 40 >T1", "SD", "SD"},
        {"merged counts nothing itself", "T1 T2 | 20 20 | 28 >T1", "PR", "PR"},
        {"merged into what is not evaluated", "T1 T2 | 20 20 | NE >T1", "NE", "NE"},
        {"merged into what is gone", "T1 T2 | 20 20 | 0 >T1", "CR", "CR"},
        {"merged twice, into what is gone", "T1 T2 T3 | 20 20 20 | >T2 >T3 0", "CR", "CR"},
        {"merged twice, into what is there", "T1 T2 T3 | 20 20 20 | >T2 >T3 30", "PR", "PR"},
        {"a node merged into a normal one", "n1 n2 | 20 20 | >n2 9", "CR", "CR"},
        {"a node merged into one of 10", "n1 n2 | 20 20 | >n2 10", "PR", "PR"},
        {"a split node's axes add up to 10", "n1 | 20 | 5+5", "PR", "PR"},
        {"a split node's axes below 10", "n1 | 20 | 5+4.9", "CR", "CR"},
    };
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    CHECK(cases, &o);
}

static void test_memory(void **state)
{
    (void)state;
    static const test_case kept[] = {
        {"PR stays", "T1 | 100 | 70 | 75", "PR PR", "PR PR-kept"},
        {"PR does not outlast progression", "T1 | 100 | 70 | 90 | 82", "PR PD SD", NULL},
        {"no response before, no PR", "T1 | 100 | 71 | 75", "SD SD", "SD SD"},
        {"back after CR", "T1 n1 | 20 20 | 0 8 | 1 8", "CR PD", "CR PD-reappearance"},
        {"a node back after CR", "n1 | 16 | 9 | 11", "CR PD", "CR PD-reappearance"},
        {"beside a target that stays gone", "T1 n1 | 20 20 | 0 8 | 0 10", "CR PD",
         "CR PD-reappearance"},
        {"normal still", "T1 n1 | 20 20 | 0 8 | 0 9.9", "CR CR", "CR CR"},
        {"a node back inside a PR", "T1 n1 | 20 20 | 5 8 | 5 12", "PR PR", "PR PR"},
        {"back, incomplete", "T1 T2 | 20 20 | 0 0 | 1 NE", "CR PD", "CR PD-reappearance"},
        {"once only", "T1 n1 | 20 20 | 0 8 | 1 8 | 1 8", "CR PD PR", "CR PD-reappearance PR"},
        {"merged into what is back", "T1 T2 | 20 20 | 0 0 | 1 >T1", "CR PD", "CR PD-reappearance"},
        {"targets were CR, but overall was PR", "T1 B1 | 20 P | 0 P | 4 P", "PR PR",
         "CR-non-target-remains PR"},
        {"then its size decides", "T1 B1 | 20 P | 0 P | 5 P", "PR PD",
         "CR-non-target-remains PD-sum"},
        {"and after CR overall any size", "T1 B1 | 20 P | 0 P | 0 0 | 1 0", "PR CR PD",
         "CR-non-target-remains CR PD-reappearance"},
        {"a non-target back after CR", "T1 B1 | 20 P | 0 0 | 0 P", "CR PD", "CR PD-reappearance"},
        {"a non-target that had not been CR overall", "T1 B1 | 20 P | 12 0 | 12 P", "PR PR",
         "PR PR"},
        {"a non-target node back", "T1 m1 | 20 P12 | 0 P9 | 0 P11", "CR PD", "CR PD-reappearance"},
        {"a non-target node normal still", "T1 m1 | 20 P12 | 0 P9 | 0 P9.9", "CR CR", "CR CR"},
        {"without targets, once only", "B1 | P | 0 | P | P", "CR PD NN",
         "NT-CR PD-reappearance NT-NN"},
    };
    static const test_case free_of_memory[] = {
        {"PR does not stay", "T1 | 100 | 70 | 75", "PR SD", "PR SD"},
        {"back after CR", "T1 n1 | 20 20 | 0 8 | 1 8", "CR PR", "CR PR"},
        {"a non-target back", "T1 B1 | 20 P | 0 0 | 0 P", "CR PR", "CR CR-non-target-remains"},
    };
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    CHECK(kept, &o);
    o.keep_pr = o.reappearance_is_pd = false;
    CHECK(free_of_memory, &o);
}

static void test_non_targets_and_new(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"non-target remains", "T1 B1 | 20 P | 0 P", "PR", "CR-non-target-remains"},
        {"non-target not evaluated", "T1 B1 | 20 P | 0 NE", "PR", "CR-non-target-remains"},
        {"non-target gone", "T1 B1 | 20 P | 0 0", "CR", "CR"},
        {"non-target progression", "T1 B1 | 20 P | 0 !", "PD", "PD-non-target"},
        {"progression beside not evaluated", "T1 B1 B2 | 20 P P | 20 NE !", "PD", "PD-non-target"},
        {"a non-target node of 9.9", "T1 m1 | 20 P12 | 0 P9.9", "CR", "CR"},
        {"a non-target node of 10", "T1 m1 | 20 P12 | 0 P10", "PR", "CR-non-target-remains"},
        {"a node present, axis unknown", "T1 m1 | 20 P12 | 0 P", "PR", "CR-non-target-remains"},
        {"a short axis says nothing of other lesions", "T1 B1 | 20 P12 | 0 P9", "PR",
         "CR-non-target-remains"},
        {"non-targets only", "B1 B2 | P P | P 0 | 0 0 ", "NN CR", "NT-NN NT-CR"},
        {"non-targets only, not evaluated", "B1 B2 | P P | NE 0", "NE", "NT-NE"},
        {"new", "T1 N1 | 20 - | 0 U", "PD", "PD-new"},
        {"perhaps new", "T1 N1 | 20 - | 0 ?", "CR", "CR"},
        {"new before all else", "T1 B1 N1 | 20 P - | 40 ! U", "PD", "PD-new"},
        {"targets before non-targets", "T1 B1 | 20 P | 40 !", "PD", "PD-sum"},
        {"new while not evaluated", "T1 N1 | 20 - | NE U", "PD", "PD-new"},
    };
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    CHECK(cases, &o);
}

static void test_other_criteria(void **state)
{
    (void)state;
    static const test_case viable[] = {
        {"20% alone is progression", "T1 | 10 | 12", "PD", "PD-sum"},
        {"less is not", "T1 | 10 | 11.9", "SD", "SD"},
        {"from nothing", "T1 | 10 | 0 | 0.1", "CR PD", "CR PD-sum"},
        {"nothing twice", "T1 | 10 | 0 | 0", "CR CR", "CR CR"},
    };
    static const test_case volumes[] = {
        {"-65.7%", "T1 | 100 | 34.3", "PR", "PR"},
        {"a hair less", "T1 | 100 | 34.4", "SD", "SD"},
        {"+72.8%", "T1 | 100 | 172.8", "PD", "PD-sum"},
        {"a hair less than that", "T1 | 100 | 172.7", "SD", "SD"},
        {"nodes are judged by their axes", "n1 | 20 | 9.9", "CR", "CR"},
        {"a node of 10", "n1 | 20 | 10", "SD", "SD"},
        /* A sphere of 5 mm has 0.0654 cc, 34.3% of 0.1908. */
        {"too small, outside", "T1 | 0.19 | <", "SD", "SD"},
        {"too small, inside", "T1 | 0.191 | <", "PR", "PR"},
    };
    rp_response_options o = rp_response_defaults(RP_MRECIST);
    CHECK(viable, &o);
    o = rp_response_defaults(RP_VOLUMETRIC);
    CHECK(volumes, &o);
}

/* mRECIST looks at what is viable, not at what is there. */
static void test_viable(void **state)
{
    (void)state;
    rp_timeline t;
    rp_error err = {0};
    const rp_response_options o = rp_response_defaults(RP_MRECIST);
    make_timeline(&t, "T1 n1 | 30 20 | - 9");
    rp_timeline_finding f = rp_timeline_finding_of("T1", RP_FOUND_MEASURED);
    f.longest_mm = 40;
    f.viable_mm = 0;
    assert_ok(rp_timeline_add_finding(&t, 1, &f, &err), err);
    rp_timeline_result r = assess_timeline(&t, &o);
    assert_int_equal(r.visits[1].overall, RP_CALL_CR);
    assert_close(r.visits[1].sum, 9, 0);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void test_options(void **state)
{
    (void)state;
    static const test_case changed[] = {
        {"too small counts 8", "T1 T2 | 16 10 | < 10.2", "PR", "PR"},
        {"progression from 3 mm", "T1 | 14 | 17", "PD", "PD-sum"},
        {"progression from 3 mm, outside", "T1 | 14 | 16.9", "SD", "SD"},
        {"normal below 8", "n1 | 20 | 8", "PR", "PR"},
        {"normal below 8, inside", "n1 | 20 | 7.9", "CR", "CR"},
        {"too small is not normal then", "n1 | 20 | <", "PR", "PR"},
    };
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.too_small_mm = 8;
    o.progression_minimum_mm = 3;
    o.node_normal_mm = 8;
    CHECK(changed, &o);
    rp_error err = {0};
    o.too_small_mm = 0;
    assert_int_equal(rp_response_options_check(&o, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "too_small_mm"));
    o = rp_response_defaults(RP_VOLUMETRIC);
    o.reader_error_mm = 1; /* passed over */
    assert_ok(rp_response_options_check(&o, &err), err);
    o.progression_minimum_mm = 5;
    assert_int_equal(rp_response_options_check(&o, NULL), RP_ERR_ARGUMENT);
    o = rp_response_defaults(RP_IRECIST);
    o.irecist_latest_days = 27;
    assert_int_equal(rp_response_options_check(&o, NULL), RP_ERR_ARGUMENT);
}

/* ---- the trace ----------------------------------------------------------------------------- */

static void test_trace(void **state)
{
    (void)state;
    rp_timeline t;
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    make_timeline(&t, "T1 T2 B1 B2 N1 N2 | 30 30 P P - - | 20 15 P P - - | 22 28 P P - - |"
                      " 20 15 P ! - - | 20 15 P P U U");
    rp_timeline_result r = assess_timeline(&t, &o);
    assert_int_equal(r.visits[0].nadir_visit, -1);
    assert_true(isnan(r.visits[0].nadir));
    assert_int_equal(r.visits[1].lesion, 1); /* -15 of -10 and -15 */
    assert_close(r.visits[1].partial_limit, 42, 1e-12);
    assert_close(r.visits[1].progression_limit, 72, 1e-12);
    assert_int_equal(r.visits[2].nadir_visit, 1);
    assert_close(r.visits[2].nadir, 35, 1e-12);
    assert_close(r.visits[2].progression_limit, 42, 1e-12);
    assert_int_equal(r.visits[2].lesion, 1);
    assert_string_equal(r.visits[2].sentence,
                        "PD: the sum, 50.0 mm, is 15.0 mm (42.9%) above the smallest so far, 35.0 "
                        "mm at v1; progression needs at least 20% and at least 5 mm; most by T2 "
                        "(lung), +13.0 mm.");
    assert_int_equal(r.visits[4].nadir_visit, 1); /* the first of equals */
    assert_int_equal(r.visits[3].lesion, 3);
    assert_int_equal(r.visits[4].lesion, 4);
    assert_string_equal(r.visits[4].sentence, "PD: new lesion N1 (spleen) is unequivocal.");
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static rp_timeline_result borderline_of(const char *text, double mm, double percent)
{
    rp_timeline t;
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.reader_error_mm = mm;
    o.reader_error_percent = percent;
    make_timeline(&t, text);
    rp_timeline_result r = assess_timeline(&t, &o);
    rp_timeline_release(&t);
    return r;
}

static void test_borderline(void **state)
{
    (void)state;
    static const struct {
        const char *timeline;
        double mm, percent;
        size_t count;
        rp_threshold first;
        double distance;
    } rows[] = {
        {"T1 | 100 | 72", 2, 0, 1, RP_THRESHOLD_PR, 2},
        {"T1 | 100 | 72.1", 2, 0, 0, RP_THRESHOLD_PR, 0},
        {"T1 | 100 | 68", 2, 0, 1, RP_THRESHOLD_PR, 2},
        {"T1 | 100 | 118", 2, 0, 1, RP_THRESHOLD_PD, 2},
        {"T1 | 20 | 24", 1, 0, 1, RP_THRESHOLD_PD, 1}, /* the 5 mm decide */
        {"T1 | 20 | 23.9", 1, 0, 0, RP_THRESHOLD_PD, 0},
        {"T1 | 100 | 72", 0, 3, 1, RP_THRESHOLD_PR, 2},
        {"T1 | 100 | 72", 0, 2.7, 0, RP_THRESHOLD_PR, 0},
        {"T1 | 100 | 72", 1, 3, 1, RP_THRESHOLD_PR, 2}, /* the larger counts */
        {"T1 T2 | 50 50 | 70 NE", 2, 0, 0, RP_THRESHOLD_PR, 0},
        {"T1 n1 | 20 20 | 0 9", 1, 0, 1, RP_THRESHOLD_NODE, 1},
        {"T1 n1 | 20 20 | 0 8.9", 1, 0, 0, RP_THRESHOLD_NODE, 0},
        {"T1 n1 | 20 20 | 1 9", 1, 0, 0, RP_THRESHOLD_NODE, 0},
        {"T1 n1 | 20 20 | 0 <", 6, 0, 0, RP_THRESHOLD_NODE, 0},
        {"T1 | 100 | 70", 0, 0, 0, RP_THRESHOLD_PR, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_timeline_result r = borderline_of(rows[i].timeline, rows[i].mm, rows[i].percent);
        const rp_visit_result *v = &r.visits[1];
        if (v->borderline_count != rows[i].count)
            fail_msg("%s: %zu flags", rows[i].timeline, v->borderline_count);
        if (rows[i].count) {
            assert_int_equal(v->borderline[0].threshold, rows[i].first);
            assert_close(v->borderline[0].distance, rows[i].distance, 1e-9);
            assert_int_equal(v->borderline[0].lesion, rows[i].first == RP_THRESHOLD_NODE ? 1 : -1);
        }
        rp_timeline_result_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overall_tables),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_split_and_merged),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_non_targets_and_new),
        cmocka_unit_test(test_other_criteria),
        cmocka_unit_test(test_viable),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_borderline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
