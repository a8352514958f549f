/* Every row of the guideline's tables, and every rule with an example just inside and just outside.
 */
#include "timelines.h"

/* ---- tables of overall response
 * ------------------------------------------------------------------- */

typedef struct row {
    rp_call target, non_target;
    int new_lesion; /* -1: either */
    rp_call overall;
} row;

static void test_tables_of_overall_response(void **state)
{
    (void)state;
    const rp_call any[] = {RP_CALL_CR, RP_CALL_PR, RP_CALL_SD, RP_CALL_PD, RP_CALL_NE};
    const rp_call non[] = {RP_CALL_CR, RP_CALL_NN, RP_CALL_PD, RP_CALL_NE, RP_CALL_NA};
    const row rows[] = {/* Eisenhauer 2009, table 1: with targets */
                        {RP_CALL_CR, RP_CALL_CR, 0, RP_CALL_CR},
                        {RP_CALL_CR, RP_CALL_NA, 0, RP_CALL_CR},
                        {RP_CALL_CR, RP_CALL_NN, 0, RP_CALL_PR},
                        {RP_CALL_CR, RP_CALL_NE, 0, RP_CALL_PR},
                        {RP_CALL_PR, RP_CALL_CR, 0, RP_CALL_PR},
                        {RP_CALL_PR, RP_CALL_NN, 0, RP_CALL_PR},
                        {RP_CALL_PR, RP_CALL_NE, 0, RP_CALL_PR},
                        {RP_CALL_PR, RP_CALL_NA, 0, RP_CALL_PR},
                        {RP_CALL_SD, RP_CALL_CR, 0, RP_CALL_SD},
                        {RP_CALL_SD, RP_CALL_NN, 0, RP_CALL_SD},
                        {RP_CALL_SD, RP_CALL_NE, 0, RP_CALL_SD},
                        {RP_CALL_SD, RP_CALL_NA, 0, RP_CALL_SD},
                        {RP_CALL_NE, RP_CALL_CR, 0, RP_CALL_NE},
                        {RP_CALL_NE, RP_CALL_NN, 0, RP_CALL_NE},
                        {RP_CALL_NE, RP_CALL_NE, 0, RP_CALL_NE},
                        {RP_CALL_NE, RP_CALL_NA, 0, RP_CALL_NE},
                        /* table 2: without targets */
                        {RP_CALL_NA, RP_CALL_CR, 0, RP_CALL_CR},
                        {RP_CALL_NA, RP_CALL_NN, 0, RP_CALL_NN},
                        {RP_CALL_NA, RP_CALL_NE, 0, RP_CALL_NE},
                        {RP_CALL_NA, RP_CALL_PD, -1, RP_CALL_PD}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int fresh = 0; fresh < 2; fresh++)
            if (rows[i].new_lesion < 0 || rows[i].new_lesion == fresh)
                assert_int_equal(
                    rp_overall_response(rows[i].target, rows[i].non_target, fresh == 1),
                    rows[i].overall);
    for (int t = 0; t < 5; t++)
        for (int n = 0; n < 5; n++) {
            assert_int_equal(rp_overall_response(any[t], non[n], true), RP_CALL_PD);
            assert_int_equal(rp_overall_response(any[t], RP_CALL_PD, false), RP_CALL_PD);
            assert_int_equal(rp_overall_response(RP_CALL_PD, non[n], false), RP_CALL_PD);
        }
    assert_int_equal(rp_overall_response(RP_CALL_NA, RP_CALL_NN, true), RP_CALL_PD);
}

/* ---- sums
 * ---------------------------------------------------------------------------------------- */

/* One target of these sizes; NaN: not evaluated, 0: absent. */
static void one_target(rp_timeline *t, bool nodal, const double *sizes, size_t count)
{
    begin(t);
    lesion(t, "T", RP_ROLE_TARGET, nodal, "liver");
    for (size_t i = 0; i < count; i++) {
        visit(t);
        if (isnan(sizes[i]))
            found(t, "T", RP_FOUND_NOT_EVALUATED);
        else if (sizes[i] == 0)
            found(t, "T", RP_FOUND_ABSENT);
        else
            measured(t, "T", sizes[i]);
    }
}

static void test_thresholds_of_sums(void **state)
{
    (void)state;
    const struct {
        double sizes[4];
        size_t count;
        const char *call, *rule;
    } cases[] = {{{100, 70}, 2, "PR", "PR"},
                 {{100, 70.1}, 2, "SD", "SD"},
                 {{33.3, 23.31}, 2, "PR", "PR"}, /* 0.7 * 33.3 has no exact binary image */
                 {{33.3, 23.32}, 2, "SD", "SD"},
                 {{100, 120}, 2, "PD", "PD-sum"},
                 {{100, 119.9}, 2, "SD", "SD"},
                 {{33.5, 40.2}, 2, "PD", "PD-sum"},
                 {{20, 25}, 2, "PD", "PD-sum"},     /* 25 % and exactly 5 mm */
                 {{20, 24.9}, 2, "SD", "SD"},       /* 24.5 % and 4.9 mm */
                 {{25.1, 30.1}, 2, "SD", "SD"},     /* 5 mm and 19.9 % */
                 {{50, 30, 36}, 3, "PD", "PD-sum"}, /* from the nadir, though 28 % below baseline */
                 {{50, 30, 35.9}, 3, "PR", "PR-kept"},
                 {{50, 36, 35.1}, 3, "SD", "SD"},
                 {{50, 30, NAN, 36}, 4, "PD", "PD-sum"},
                 {{50, NAN}, 2, "NE", "NE"},
                 {{50, 0}, 2, "CR", "CR"},
                 {{50, 0, 3}, 3, "PD", "PD-reappearance"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rp_timeline t;
        one_target(&t, false, cases[i].sizes, cases[i].count);
        expect_call(&t, NULL, cases[i].count - 1, cases[i].call, cases[i].rule);
    }
}

static void test_nodes(void **state)
{
    (void)state;
    rp_timeline t;
    one_target(&t, true, (double[]){20, 9.9}, 2);
    expect_call(&t, NULL, 1, "CR", "CR");
    one_target(&t, true, (double[]){20, 10}, 2);
    expect_call(&t, NULL, 1, "PR", "PR");
    one_target(&t, true, (double[]){20, 4, 9.1}, 3); /* below 10 mm, yet 5 mm above the nadir */
    expect_call(&t, NULL, 2, "PD", "PD-sum");
    one_target(&t, true, (double[]){20, 8, 11}, 3); /* nodes do not reappear */
    expect_call(&t, NULL, 2, "PR", "PR");
}

static void test_switches(void **state)
{
    (void)state;
    rp_timeline t;
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.keep_pr = false;
    one_target(&t, false, (double[]){50, 30, 35.9}, 3);
    expect_call(&t, &o, 2, "SD", "SD");
    o.reappearance_is_pd = false;
    one_target(&t, false, (double[]){50, 0, 3}, 3);
    expect_call(&t, &o, 2, "PR", "PR");
    one_target(&t, false, (double[]){50, 0, 5}, 3); /* exactly 5 mm above a nadir of 0 */
    expect_call(&t, &o, 2, "PD", "PD-sum");
    o.too_small_mm = 4;
    begin(&t);
    lesion(&t, "T", RP_ROLE_TARGET, false, "liver");
    visit(&t);
    measured(&t, "T", 20);
    visit(&t);
    found(&t, "T", RP_FOUND_TOO_SMALL);
    rp_timeline_result r = assessed(&t, &o);
    assert_close(r.visits[1].sum, 4, 1e-12);
    assert_int_equal(r.visits[1].target, RP_CALL_PR);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void test_parts(void **state)
{
    (void)state;
    rp_timeline t;
    begin(&t);
    lesion(&t, "A", RP_ROLE_TARGET, false, "liver");
    lesion(&t, "B", RP_ROLE_TARGET, false, "liver");
    visit(&t);
    measured(&t, "A", 40);
    measured(&t, "B", 20);
    visit(&t);
    in_parts(&t, "A", (double[]){12.5, 9.5});
    measured(&t, "B", 20);
    visit(&t);
    measured(&t, "A", 50);
    merged(&t, "B", "A");
    visit(&t);
    found(&t, "A", RP_FOUND_NOT_EVALUATED);
    merged(&t, "B", "A");
    visit(&t);
    found(&t, "A", RP_FOUND_ABSENT);
    merged(&t, "B", "A");
    rp_timeline_result r = assessed(&t, NULL);
    assert_close(r.visits[1].sum, 42, 1e-12);
    assert_close(r.visits[2].sum, 50, 1e-12);
    assert_true(isnan(r.visits[3].sum) && !r.visits[3].complete);
    assert_close(r.visits[4].sum, 0, 0);
    assert_int_equal(r.visits[4].target, RP_CALL_CR);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

/* What was measured proves progression, whatever the rest may be. */
static void test_incomplete(void **state)
{
    (void)state;
    for (int grown = 0; grown < 2; grown++) {
        rp_timeline t;
        begin(&t);
        lesion(&t, "A", RP_ROLE_TARGET, false, "liver");
        lesion(&t, "B", RP_ROLE_TARGET, false, "lung");
        visit(&t);
        measured(&t, "A", 40);
        measured(&t, "B", 20);
        visit(&t);
        measured(&t, "A", grown ? 72 : 71.9);
        expect_call(&t, NULL, 1, grown ? "PD" : "NE", NULL);
    }
}

/* ---- non-targets and new lesions
 * ------------------------------------------------------------------ */

static void test_non_targets(void **state)
{
    (void)state;
    const struct {
        rp_finding_state states[3];
        const char *call, *rule;
    } cases[] = {{{RP_FOUND_ABSENT, RP_FOUND_ABSENT, RP_FOUND_PRESENT}, "PD", "PD-reappearance"},
                 {{RP_FOUND_PRESENT, RP_FOUND_ABSENT, RP_FOUND_PRESENT}, "NN", "NT-NN"},
                 {{RP_FOUND_ABSENT, RP_FOUND_PROGRESSION, RP_FOUND_ABSENT}, "PD", "PD-non-target"},
                 {{RP_FOUND_ABSENT, RP_FOUND_NOT_EVALUATED, RP_FOUND_ABSENT}, "NE", "NT-NE"},
                 {{RP_FOUND_ABSENT, RP_FOUND_ABSENT, RP_FOUND_ABSENT}, "CR", "NT-CR"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rp_timeline t;
        begin(&t);
        lesion(&t, "A", RP_ROLE_NON_TARGET, false, "bone");
        lesion(&t, "B", RP_ROLE_NON_TARGET, false, "bone");
        visit(&t);
        found(&t, "A", RP_FOUND_PRESENT);
        found(&t, "B", RP_FOUND_PRESENT);
        visit(&t);
        found(&t, "A", cases[i].states[0]);
        found(&t, "B", RP_FOUND_ABSENT);
        visit(&t);
        found(&t, "A", cases[i].states[1]);
        found(&t, "B", cases[i].states[2]);
        expect_call(&t, NULL, 2, cases[i].call, cases[i].rule);
    }
}

static void new_lesion(rp_timeline *t, const rp_finding_state *states, size_t count)
{
    begin(t);
    lesion(t, "T", RP_ROLE_TARGET, false, "liver");
    lesion(t, "L", RP_ROLE_NEW, false, "lung");
    visit(t);
    measured(t, "T", 50);
    for (size_t i = 0; i < count; i++) {
        visit(t);
        measured(t, "T", 50);
        found(t, "L", states[i]);
    }
}

/* An equivocal lesion that is confirmed dates progression back; one that went away in between does
 * not. */
static void test_new_lesions(void **state)
{
    (void)state;
    const struct {
        rp_finding_state states[3];
        int progression;
    } cases[] = {{{RP_FOUND_UNEQUIVOCAL, RP_FOUND_UNEQUIVOCAL, RP_FOUND_UNEQUIVOCAL}, 1},
                 {{RP_FOUND_EQUIVOCAL, RP_FOUND_EQUIVOCAL, RP_FOUND_UNEQUIVOCAL}, 1},
                 {{RP_FOUND_EQUIVOCAL, RP_FOUND_ABSENT, RP_FOUND_UNEQUIVOCAL}, 3},
                 {{RP_FOUND_EQUIVOCAL, RP_FOUND_EQUIVOCAL, RP_FOUND_EQUIVOCAL}, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rp_timeline t;
        new_lesion(&t, cases[i].states, 3);
        rp_timeline_result r = assessed(&t, NULL);
        assert_int_equal(r.progression_visit, cases[i].progression);
        assert_int_equal(r.visits[1].overall,
                         cases[i].states[0] == RP_FOUND_UNEQUIVOCAL ? RP_CALL_PD : RP_CALL_SD);
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

/* ---- over the visits
 * ------------------------------------------------------------------------------ */

static void test_best_response(void **state)
{
    (void)state;
    const struct {
        double sizes[4];
        int days[4];
        size_t count;
        bool confirmation;
        rp_call best;
    } cases[] = {{{50, 30, 0}, {0, 56, 112}, 3, false, RP_CALL_CR},
                 {{50, 30, 0}, {0, 56, 112}, 3, true, RP_CALL_PR},
                 {{50, 30, 30}, {0, 56, 84}, 3, true, RP_CALL_PR}, /* 28 days apart */
                 {{50, 30, 30}, {0, 56, 83}, 3, true, RP_CALL_SD}, /* 27 */
                 {{50, 0, NAN, 0}, {0, 56, 84, 112}, 4, true, RP_CALL_CR},
                 {{50, 0}, {0, 56}, 2, true, RP_CALL_SD},
                 {{50, 50}, {0, 42}, 2, false, RP_CALL_SD},
                 {{50, 50}, {0, 41}, 2, false, RP_CALL_NE}, /* stable too short */
                 {{50, 50, 70}, {0, 41, 84}, 3, false, RP_CALL_PD},
                 {{50, NAN}, {0, 56}, 2, false, RP_CALL_NE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rp_timeline t;
        rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
        o.confirmation = cases[i].confirmation;
        begin(&t);
        lesion(&t, "T", RP_ROLE_TARGET, false, "liver");
        for (size_t v = 0; v < cases[i].count; v++) {
            visit_on(&t, cases[i].days[v]);
            if (cases[i].sizes[v] > 0)
                measured(&t, "T", cases[i].sizes[v]);
            else
                found(&t, "T", isnan(cases[i].sizes[v]) ? RP_FOUND_NOT_EVALUATED : RP_FOUND_ABSENT);
        }
        rp_timeline_result r = assessed(&t, &o);
        if (r.best != cases[i].best) fail_msg("case %zu: %s", i, rp_call_code(r.best));
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

static void test_dates_and_depth(void **state)
{
    (void)state;
    rp_timeline t;
    one_target(&t, false, (double[]){50, 34, 30, 36}, 4);
    rp_timeline_result r = assessed(&t, NULL);
    assert_int_equal(r.response_visit, 1);
    assert_int_equal(r.progression_visit, 3);
    assert_int_equal(r.duration_days, 112);
    assert_int_equal(r.progression_free_days, 168);
    assert_false(r.duration_censored);
    assert_close(r.depth_percent, -40, 1e-9);
    assert_int_equal(r.depth_visit, 2);
    assert_int_equal(r.visits[3].nadir_visit, 2);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

/* ---- other criteria
 * ------------------------------------------------------------------------------- */

static void test_irecist(void **state)
{
    (void)state;
    const rp_response_options o = rp_response_defaults(RP_IRECIST);
    const struct {
        double sizes[4];
        size_t count;
        const char *call, *rule;
    } cases[] = {{{50, 60}, 2, "iUPD", "iUPD-sum"},
                 {{50, 60, 65}, 3, "iCPD", "iCPD-target"},
                 {{50, 60, 64.9}, 3, "iUPD", "iUPD-sum"},
                 {{50, 60, 50, 60}, 4, "iUPD", "iUPD-sum"}, /* starts anew */
                 {{50, 60, 30}, 3, "iPR", "iPR"},
                 {{50, 60, 65, 20}, 4, "iCPD", "iCPD-before"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rp_timeline t;
        one_target(&t, false, cases[i].sizes, cases[i].count);
        expect_call(&t, &o, cases[i].count - 1, cases[i].call, cases[i].rule);
    }
}

static void test_mrecist_and_volume(void **state)
{
    (void)state;
    rp_timeline t;
    rp_error err = {0};
    rp_timeline_result r;
    const rp_response_options viable = rp_response_defaults(RP_MRECIST),
                              volume = rp_response_defaults(RP_VOLUMETRIC);
    one_target(&t, false, (double[]){20, 24}, 2); /* without the 5 mm */
    expect_call(&t, &viable, 1, "PD", "PD-sum");
    one_target(&t, false, (double[]){100, 34.3}, 2);
    expect_call(&t, &volume, 1, "PR", "PR");
    one_target(&t, false, (double[]){100, 34.4}, 2);
    expect_call(&t, &volume, 1, "SD", "SD");
    one_target(&t, false, (double[]){100, 172.8}, 2);
    expect_call(&t, &volume, 1, "PD", "PD-sum");
    one_target(&t, false, (double[]){100, 172.7}, 2);
    expect_call(&t, &volume, 1, "SD", "SD");
    one_target(&t, false, (double[]){20, 24}, 2);
    t.visits[1].phase = "portal venous";
    assert_int_equal(rp_timeline_assess(&t, &viable, false, NULL, &r, &err), RP_ERR_REFUSED);
    rp_timeline_release(&t);
}

static void test_borderline(void **state)
{
    (void)state;
    rp_timeline t;
    rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    o.reader_error_mm = 2;
    for (int inside = 0; inside < 2; inside++) {
        one_target(&t, false, (double[]){100, inside ? 72 : 72.1}, 2);
        rp_timeline_result r = assessed(&t, &o);
        assert_int_equal(r.visits[1].borderline_count, inside);
        if (inside) assert_int_equal(r.visits[1].borderline[0].threshold, RP_THRESHOLD_PR);
        rp_timeline_result_release(&r);
        rp_timeline_release(&t);
    }
}

/* ---- eligibility and inconsistencies
 * --------------------------------------------------------------- */

static void expect_problem(rp_timeline *t, rp_severity severity, const char *words)
{
    rp_error err = {0};
    rp_timeline_problems problems = {0};
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    assert_ok(rp_timeline_check(t, &o, &problems, &err), err);
    bool told = false;
    for (size_t i = 0; i < problems.count; i++)
        told |= problems.items[i].severity == severity && strstr(problems.items[i].text, words);
    if (!told)
        fail_msg("'%s' is not told; %zu problems, the first: %s", words, problems.count,
                 problems.count ? problems.items[0].text : "none");
    rp_timeline_problems_release(&problems);
    rp_timeline_release(t);
}

static void baseline_of(rp_timeline *t, const char *const *organs, size_t count, double mm)
{
    begin(t);
    for (size_t i = 0; i < count; i++) {
        char id[8];
        snprintf(id, sizeof id, "T%zu", i);
        lesion(t, id, RP_ROLE_TARGET, false, organs[i]);
    }
    visit(t);
    for (size_t i = 0; i < count; i++) {
        char id[8];
        snprintf(id, sizeof id, "T%zu", i);
        measured(t, id, mm);
    }
}

static void test_eligibility(void **state)
{
    (void)state;
    rp_timeline t;
    rp_error err = {0};
    rp_timeline_result r;
    const char *const six[] = {"liver", "liver", "lung", "lung", "bone", "spleen"};
    const char *const three[] = {"liver", "Liver ", "liver"};
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    baseline_of(&t, six, 6, 20);
    expect_problem(&t, RP_SEVERITY_INELIGIBLE, "5");
    baseline_of(&t, three, 3, 20);
    expect_problem(&t, RP_SEVERITY_INELIGIBLE, "organ");
    baseline_of(&t, six, 1, 9.9);
    expect_problem(&t, RP_SEVERITY_INELIGIBLE, "10 mm");
    baseline_of(&t, six, 6, 20);
    assert_int_equal(rp_timeline_assess(&t, &o, false, NULL, &r, &err), RP_ERR_REFUSED);
    assert_ok(rp_timeline_assess(&t, &o, true, NULL, &r, &err), err);
    assert_true(r.note_count > 0);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
    baseline_of(&t, six, 5, 10);
    r = assessed(&t, NULL);
    assert_int_equal(r.note_count, 0);
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

static void test_inconsistencies(void **state)
{
    (void)state;
    rp_timeline t;
    one_target(&t, false, (double[]){50}, 1);
    visit(&t);
    merged(&t, "T", "T");
    expect_problem(&t, RP_SEVERITY_ERROR, "itself");
    one_target(&t, false, (double[]){50, 40}, 2);
    visit_on(&t, 3);
    measured(&t, "T", 30);
    expect_problem(&t, RP_SEVERITY_ERROR, "later");
    one_target(&t, false, (double[]){50, 40}, 2);
    measured(&t, "T", 41);
    expect_problem(&t, RP_SEVERITY_ERROR, "two findings");
    one_target(&t, false, (double[]){50, 40}, 2);
    found(&t, "X", RP_FOUND_ABSENT);
    expect_problem(&t, RP_SEVERITY_ERROR, "not in the list");
    one_target(&t, false, (double[]){NAN, 40}, 2);
    expect_problem(&t, RP_SEVERITY_ERROR, "measured");
    begin(&t);
    expect_problem(&t, RP_SEVERITY_ERROR, "visit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_of_overall_response),
        cmocka_unit_test(test_thresholds_of_sums),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_non_targets),
        cmocka_unit_test(test_new_lesions),
        cmocka_unit_test(test_best_response),
        cmocka_unit_test(test_dates_and_depth),
        cmocka_unit_test(test_irecist),
        cmocka_unit_test(test_mrecist_and_volume),
        cmocka_unit_test(test_borderline),
        cmocka_unit_test(test_eligibility),
        cmocka_unit_test(test_inconsistencies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
