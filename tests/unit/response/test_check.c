/* Inconsistencies and ineligible timelines: each is found, named by its place, and alone. */
#include "make.h"

typedef void (*spoil)(rp_timeline *t);

/* A patient without a fault, who shows every state. */
static const char *const good = "T1 T2 n1 B1 m1 N1 | 20 15 15 P P12 - | 20 12+9 12 P 0 ? |"
                                " NE >T1 < ! NE U | 0 < 9 0 P 0";

static rp_timeline_finding *finding(rp_timeline *t, size_t visit, size_t index)
{
    return &t->visits[visit].findings[index];
}

static void no_visit(rp_timeline *t)
{
    t->visit_count = 0;
}
static void no_lesion(rp_timeline *t)
{
    for (size_t i = 0; i < t->lesion_count; i++) t->lesions[i].role = RP_ROLE_NEW;
    t->visit_count = 1;
    t->visits[0].finding_count = 0;
}
static void lesion_twice(rp_timeline *t)
{
    rp_timeline_lesion copy = t->lesions[5];
    rp_error err = {0};
    assert_ok(rp_timeline_add_lesion(t, &copy, &err), err);
}
static void visit_twice(rp_timeline *t)
{
    t->visits[2].id = "v1";
}
static void no_lesion_id(rp_timeline *t)
{
    rp_error err = {0};
    assert_ok(rp_timeline_add_lesion(t, &(rp_timeline_lesion){.role = RP_ROLE_NEW}, &err), err);
}
static void no_visit_id(rp_timeline *t)
{
    t->visits[2].id = "";
}
static void no_patient(rp_timeline *t)
{
    t->patient = "";
}
static void bad_label(rp_timeline *t)
{
    t->label = "made";
}
static void unknown_lesion(rp_timeline *t)
{
    finding(t, 1, 5)->lesion = "N7";
}
static void finding_twice(rp_timeline *t)
{
    finding(t, 1, 5)->lesion = "m1";
    finding(t, 1, 5)->state = RP_FOUND_ABSENT;
}
static void unknown_state(rp_timeline *t)
{
    finding(t, 1, 3)->state = RP_FOUND_UNKNOWN;
    finding(t, 1, 3)->state_word = "grown";
}
static void unknown_role(rp_timeline *t)
{
    t->lesions[5].role = RP_ROLE_UNKNOWN;
    t->lesions[5].role_word = "old";
}
static void target_present(rp_timeline *t)
{
    finding(t, 1, 0)->state = RP_FOUND_PRESENT;
}
static void non_target_measured(rp_timeline *t)
{
    finding(t, 1, 3)->state = RP_FOUND_MEASURED;
}
static void new_not_evaluated(rp_timeline *t)
{
    finding(t, 1, 5)->state = RP_FOUND_NOT_EVALUATED;
}
static void bad_date(rp_timeline *t)
{
    t->visits[1].date = "2020-02-30";
}
static void same_date(rp_timeline *t)
{
    t->visits[2].date = t->visits[1].date;
}
static void earlier_date(rp_timeline *t)
{
    t->visits[1].date = "2019-01-01";
}
static void bad_spacing(rp_timeline *t)
{
    t->visits[1].slice_spacing_mm = -5;
}
static void target_absent_first(rp_timeline *t)
{
    finding(t, 0, 1)->state = RP_FOUND_ABSENT;
}
static void target_unseen_first(rp_timeline *t)
{
    t->visits[0].findings++;
    t->visits[0].finding_count--;
}
static void new_at_first(rp_timeline *t)
{
    rp_timeline_finding f = rp_timeline_finding_of("N1", RP_FOUND_EQUIVOCAL);
    rp_error err = {0};
    assert_ok(rp_timeline_add_finding(t, 0, &f, &err), err);
}
static void missing_length(rp_timeline *t)
{
    finding(t, 1, 0)->longest_mm = NAN;
}
static void missing_axis(rp_timeline *t)
{
    finding(t, 1, 2)->short_axis_mm = NAN;
}
static void negative_length(rp_timeline *t)
{
    finding(t, 1, 0)->longest_mm = -20;
    finding(t, 1, 0)->short_axis_mm = NAN;
}
static void infinite_length(rp_timeline *t)
{
    finding(t, 1, 0)->longest_mm = INFINITY;
}
static void zero_length(rp_timeline *t)
{
    finding(t, 1, 0)->longest_mm = finding(t, 1, 0)->short_axis_mm = 0;
}
static void negative_volume(rp_timeline *t)
{
    finding(t, 1, 0)->volume_cc = -1;
}
static void axis_too_long(rp_timeline *t)
{
    finding(t, 1, 0)->short_axis_mm = 20.1;
}
static void worse_than_nothing(rp_timeline *t)
{
    rp_timeline_finding f = rp_timeline_finding_of("N1", RP_FOUND_FURTHER);
    rp_error err = {0};
    t->visits[2].finding_count = 0;
    assert_ok(rp_timeline_add_finding(t, 2, &f, &err), err);
}
static void merged_into_itself(rp_timeline *t)
{
    finding(t, 2, 1)->into = "T2";
}
static void merged_into_nothing(rp_timeline *t)
{
    finding(t, 2, 1)->into = "";
}
static void merged_into_non_target(rp_timeline *t)
{
    finding(t, 2, 1)->into = "B1";
}
static void one_part(rp_timeline *t)
{
    finding(t, 1, 1)->part_count = 1;
}
static void no_size_of_part(rp_timeline *t)
{
    static const double parts[] = {9, 0};
    finding(t, 1, 1)->parts_mm = parts;
}
static void too_many(rp_timeline *t)
{
    rp_error err = {0};
    for (int i = 0; i < RP_TIMELINE_MOST; i++) {
        char id[16];
        snprintf(id, sizeof id, "N%d", i + 2);
        const rp_timeline_lesion l = {.id = id, .role = RP_ROLE_NEW};
        assert_ok(rp_timeline_add_lesion(t, &l, &err), err);
    }
}

static const struct {
    spoil spoil;
    const char *where, *words;
} faults[] = {
    {no_visit, "patient P:", "no visit"},
    {no_lesion, "patient P:", "no lesion at baseline"},
    {lesion_twice, "patient P, lesion N1:", "there twice"},
    {visit_twice, "patient P, visit v1:", "there twice"},
    {no_lesion_id, "patient P:", "lesion 7 has no id"},
    {no_visit_id, "patient P:", "visit 3 has no id"},
    {no_patient, "", "no patient"},
    {bad_label, "patient P:", "neither synthetic nor simulated"},
    {unknown_lesion, "patient P, visit v1, lesion N7:", "not in the list"},
    {finding_twice, "patient P, visit v1, lesion m1:", "two findings"},
    {unknown_state, "patient P, visit v1, lesion B1:", "unknown state 'grown'"},
    {worse_than_nothing,
     "patient P, visit v2, lesion N1:", "at no visit before was it 'unequivocal'"},
    {unknown_role, "patient P, lesion N1:", "unknown role 'old'"},
    {target_present, "patient P, visit v1, lesion T1:", "a target lesion cannot be 'present'"},
    {non_target_measured, "patient P, visit v1, lesion B1:", "cannot be 'measured'"},
    {new_not_evaluated, "patient P, visit v1, lesion N1:", "cannot be 'not evaluated'"},
    {bad_date, "patient P, visit v1:", "'2020-02-30' is no date"},
    {same_date, "patient P, visit v2:", "not later"},
    {earlier_date, "patient P, visit v1:", "not later"},
    {bad_spacing, "patient P, visit v1:", "slice_spacing_mm cannot be -5"},
    {target_absent_first, "patient P, visit v0, lesion T2:", "must be 'measured' at baseline"},
    {target_unseen_first, "patient P, visit v0, lesion T1:", "must be 'measured' at baseline"},
    {new_at_first, "patient P, visit v0, lesion N1:", "cannot have a finding at baseline"},
    {missing_length, "patient P, visit v1, lesion T1:", "longest_mm is missing"},
    {missing_axis, "patient P, visit v1, lesion n1:", "short_axis_mm, of a node, is missing"},
    {negative_length, "patient P, visit v1, lesion T1:", "longest_mm cannot be -20"},
    {infinite_length, "patient P, visit v1, lesion T1:", "longest_mm cannot be inf"},
    {zero_length, "patient P, visit v1, lesion T1:", "longest_mm is 0"},
    {negative_volume, "patient P, visit v1, lesion T1:", "volume_cc cannot be -1"},
    {axis_too_long, "patient P, visit v1, lesion T1:", "above the longest diameter"},
    {merged_into_itself, "patient P, visit v2, lesion T2:", "merged into itself"},
    {merged_into_nothing, "patient P, visit v2, lesion T2:", "merged into ''"},
    {merged_into_non_target, "patient P, visit v2, lesion T2:", "merged into 'B1'"},
    {one_part, "patient P, visit v1, lesion T2:", "two parts or more"},
    {no_size_of_part, "patient P, visit v1, lesion T2:", "parts_mm cannot hold 0"},
    {too_many, "patient P:", "more than 1000"},
};

static rp_timeline_problems problems_of(const rp_timeline *t, rp_criteria criteria)
{
    rp_timeline_problems problems = {0};
    rp_error err = {0};
    const rp_response_options o = rp_response_defaults(criteria);
    assert_ok(rp_timeline_check(t, &o, &problems, &err), err);
    return problems;
}

static void expect_one(rp_timeline_problems *problems, rp_severity severity, const char *where,
                       const char *words)
{
    if (problems->count != 1 || problems->counts[severity] != 1)
        fail_msg("%zu problems for: %s (%s)", problems->count, words,
                 problems->count ? problems->items[problems->count - 1].text : "none");
    RP_AUTOFREE char *text = rp_timeline_problem_text(&problems->items[0]);
    if (strncmp(text, where, strlen(where)) != 0 || !strstr(text, words))
        fail_msg("'%s' instead of '%s ... %s'", text, where, words);
    rp_timeline_problems_release(problems);
}

static void test_good(void **state)
{
    (void)state;
    rp_timeline t;
    make_timeline(&t, good);
    for (rp_criteria c = RP_RECIST_1_1; c <= RP_VOLUMETRIC; c++) {
        rp_timeline_problems problems = problems_of(&t, c);
        if (problems.count) fail_msg("%s", problems.items[0].text);
        rp_timeline_problems_release(&problems);
    }
    rp_timeline_release(&t);
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        rp_timeline t;
        rp_timeline_result r;
        rp_error err = {0};
        const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
        make_timeline(&t, good);
        faults[i].spoil(&t);
        rp_timeline_problems problems = problems_of(&t, RP_RECIST_1_1);
        expect_one(&problems, RP_SEVERITY_ERROR, faults[i].where, faults[i].words);
        /* An inconsistent timeline is never assessed, whatever is allowed. */
        assert_int_equal(rp_timeline_assess(&t, &o, true, NULL, &r, &err), RP_ERR_FORMAT);
        assert_non_null(strstr(err.message, faults[i].words));
        rp_timeline_release(&t);
    }
}

static void test_circle(void **state)
{
    (void)state;
    rp_timeline t;
    make_timeline(&t, "T1 T2 T3 | 20 20 20 | >T2 >T3 >T1");
    rp_timeline_problems problems = problems_of(&t, RP_RECIST_1_1);
    assert_int_equal(problems.counts[RP_SEVERITY_ERROR], 3);
    assert_non_null(strstr(problems.items[0].text, "in a circle"));
    rp_timeline_problems_release(&problems);
    rp_timeline_release(&t);
    /* A lesion that leads into a circle is not in it. */
    make_timeline(&t, "T1 T2 T3 | 20 20 20 | >T2 >T3 >T2");
    problems = problems_of(&t, RP_RECIST_1_1);
    assert_int_equal(problems.counts[RP_SEVERITY_ERROR], 2);
    rp_timeline_problems_release(&problems);
    rp_timeline_release(&t);
}

static void test_all_at_once(void **state)
{
    (void)state;
    rp_timeline t;
    make_timeline(&t, good);
    missing_length(&t);
    unknown_state(&t);
    same_date(&t);
    merged_into_itself(&t);
    rp_timeline_problems problems = problems_of(&t, RP_RECIST_1_1);
    assert_int_equal(problems.counts[RP_SEVERITY_ERROR], 4);
    rp_timeline_problems_release(&problems);
    rp_timeline_release(&t);
}

/* ---- eligibility --------------------------------------------------------------------------- */

static void set_organs(rp_timeline *t, const char *organs)
{
    static char copies[8][16];
    for (size_t i = 0; i < t->lesion_count && *organs; i++) {
        const size_t length = strcspn(organs, ",");
        snprintf(copies[i], sizeof copies[i], "%.*s", (int)length, organs);
        t->lesions[i].organ = copies[i];
        organs += length + (organs[length] == ',');
    }
}

static void test_eligibility(void **state)
{
    (void)state;
    static const struct {
        const char *timeline, *organs;
        double spacing;
        const char *words; /* NULL: eligible */
    } rows[] = {
        {"T1 T2 T3 T4 T5 | 20 20 20 20 20", "", NAN, NULL},
        {"T1 T2 T3 T4 T5 T6 | 20 20 20 20 20 20", "", NAN, "6 targets, of at most 5"},
        {"T1 T2 | 20 20", "liver,liver", NAN, NULL},
        {"T1 T2 T3 | 20 20 20", "liver, LIVER ,Liver", NAN, "3 targets in one organ (liver)"},
        {"T1 T2 n1 | 20 20 20", "liver,liver,liver", NAN, NULL},
        {"n1 n2 | 20 20", "neck,axilla", NAN, NULL},
        {"n1 n2 n3 | 20 20 20", "neck,axilla,groin", NAN, "3 nodes are targets"},
        {"T1 | 10", "", NAN, NULL},
        {"T1 | 9.9", "", NAN, "not measurable: 9.9 mm, where a target needs 10 mm"},
        {"T1 | 10", "", 5, NULL},
        {"T1 | 12", "", 6, NULL},
        {"T1 | 11.9", "", 6, "needs 12 mm, twice the slice spacing"},
        {"n1 | 15", "", 8, NULL},
        {"n1 | 14.9", "", NAN, "a target node needs a short axis of at least 15 mm"},
        {"T1 m1 | 20 P10", "", NAN, NULL},
        {"T1 m1 | 20 P9.9", "", NAN, "is normal (below 10 mm)"},
        {"T1 m1 | 20 P", "", NAN, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_timeline t;
        make_timeline(&t, rows[i].timeline);
        set_organs(&t, rows[i].organs);
        t.visits[0].slice_spacing_mm = rows[i].spacing;
        rp_timeline_problems problems = problems_of(&t, RP_RECIST_1_1);
        if (rows[i].words)
            expect_one(&problems, RP_SEVERITY_INELIGIBLE, "patient P", rows[i].words);
        else if (problems.count)
            fail_msg("%s: %s", rows[i].timeline, problems.items[0].text);
        rp_timeline_problems_release(&problems);
        rp_timeline_release(&t);
    }
}

static void test_allowed(void **state)
{
    (void)state;
    rp_timeline t;
    rp_timeline_result r;
    rp_error err = {0};
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    make_timeline(&t, "T1 | 9.9 | 5");
    assert_int_equal(rp_timeline_assess(&t, &o, false, NULL, &r, &err), RP_ERR_REFUSED);
    assert_ok(rp_timeline_assess(&t, &o, true, NULL, &r, &err), err);
    assert_int_equal(r.note_count, 1);
    assert_string_equal(r.notes[0],
                        "ineligible: visit v0, lesion T1: not measurable: 9.9 mm, where "
                        "a target needs 10 mm");
    rp_timeline_result_release(&r);
    rp_timeline_release(&t);
}

/* ---- other criteria ------------------------------------------------------------------------ */

static void test_mrecist(void **state)
{
    (void)state;
    static const char *const phases[] = {"arterial", "Late Arterial", " late arterial ", NULL};
    rp_timeline t;
    make_timeline(&t, "T1 n1 | 20 20 | 12+9 20 | NE 20");
    for (size_t i = 0; phases[i]; i++) {
        t.visits[1].phase = phases[i];
        rp_timeline_problems problems = problems_of(&t, RP_MRECIST);
        assert_int_equal(problems.count, 0);
    }
    t.visits[2].phase = ""; /* nothing is measured but a node */
    rp_timeline_problems problems = problems_of(&t, RP_MRECIST);
    assert_int_equal(problems.count, 0);
    t.visits[1].phase = "portal venous";
    problems = problems_of(&t, RP_MRECIST);
    expect_one(&problems, RP_SEVERITY_REFUSED, "patient P, visit v1:", "'portal venous'");
    t.visits[1].phase = "arterial";
    finding(&t, 1, 0)->viable_count = 0;
    problems = problems_of(&t, RP_MRECIST);
    expect_one(&problems, RP_SEVERITY_REFUSED,
               "patient P, visit v1, lesion T1:", "parts_viable_mm");
    finding(&t, 1, 0)->viable_count = 2;
    finding(&t, 0, 0)->viable_mm = finding(&t, 0, 1)->viable_mm = NAN; /* a node needs none */
    problems = problems_of(&t, RP_MRECIST);
    expect_one(&problems, RP_SEVERITY_REFUSED, "patient P, visit v0, lesion T1:", "viable_mm");
    finding(&t, 0, 0)->viable_mm = 0; /* at baseline: no mRECIST target */
    problems = problems_of(&t, RP_MRECIST);
    expect_one(&problems, RP_SEVERITY_INELIGIBLE,
               "patient P, visit v0, lesion T1:", "arterial enhancement");
    problems = problems_of(&t, RP_RECIST_1_1);
    assert_int_equal(problems.count, 0);
    finding(&t, 0, 0)->viable_mm = 20;
    finding(&t, 1, 0)->viable_mm = 0;
    problems = problems_of(&t, RP_MRECIST);
    assert_int_equal(problems.count, 0);
    rp_timeline_release(&t);
}

static void test_volume(void **state)
{
    (void)state;
    rp_timeline t;
    make_timeline(&t, "T1 n1 | 20 20 | 12+9 20");
    finding(&t, 1, 0)->volume_cc = NAN;
    rp_timeline_problems problems = problems_of(&t, RP_VOLUMETRIC);
    expect_one(&problems, RP_SEVERITY_ERROR,
               "patient P, visit v1, lesion T1:", "volume_cc is missing");
    finding(&t, 1, 0)->volume_cc = 3;
    finding(&t, 1, 1)->volume_cc = 0;
    problems = problems_of(&t, RP_VOLUMETRIC);
    expect_one(&problems, RP_SEVERITY_ERROR, "patient P, visit v1, lesion n1:", "volume_cc is 0");
    rp_timeline_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_circle),      cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_eligibility), cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_mrecist),     cmocka_unit_test(test_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
