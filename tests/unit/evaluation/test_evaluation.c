/* Made-up cases: their failures, their way to disk and back, and summaries with known numbers. */
#include "test.h"

#include "reprise/evaluation.h"

#include <math.h>

static void name_case(rp_case *one, const char *patient, size_t clinical_count)
{
    *one = (rp_case){.patient = rp_strdup(patient),
                     .baseline_date = rp_strdup("2020-01-06"),
                     .followup_date = rp_strdup("2020-04-05"),
                     .label = rp_strdup("synthetic"),
                     .recist_evaluable = RP_EVALUABLE_YES};
    one->clinical = rp_alloc(clinical_count, sizeof *one->clinical);
    for (size_t i = 0; i < clinical_count; i++) one->clinical[i] = rp_strdup("");
}

static void lesion_of(rp_lesion *lesion, double diameter_mm)
{
    *lesion = (rp_lesion){.label = 1,
                          .voxels = (size_t)(diameter_mm * 10.0),
                          .volume_cc = diameter_mm / 2.0,
                          .longest_diameter_mm = diameter_mm,
                          .short_axis_mm = diameter_mm / 2.0};
}

/* RECIST decides; a diameter of 0 is a lesion that was not found. */
static void classify(rp_case *one, double followup_mm, rp_response_result *result)
{
    rp_error err = {0};
    const rp_response_input input = {.baseline_mm = one->manual[0].longest_diameter_mm,
                                     .state = followup_mm > 0.0 ? RP_LESION_MEASURED
                                                                : RP_LESION_NOT_EVALUATED,
                                     .followup_mm = followup_mm};
    assert_ok(rp_response_classify(&input, result, &err), err);
}

static void manual(rp_case *one, double baseline_mm, double followup_mm)
{
    lesion_of(&one->manual[0], baseline_mm);
    lesion_of(&one->manual[1], followup_mm);
    classify(one, followup_mm, &one->manual_response);
}

static void score(rp_case *one, rp_source source, double dice, double diameter_mm)
{
    rp_case_score *s = &one->score[source];
    const rp_lesion *by_hand = &one->manual[source == RP_SOURCE_GENERAL_PRE ? 0 : 1];
    s->present = true;
    s->empty = diameter_mm <= 0.0;
    s->seconds = 1.5;
    if (!s->empty) lesion_of(&s->lesion, diameter_mm);
    s->overlap = (rp_overlap){.dice = dice,
                              .reference_cc = by_hand->volume_cc,
                              .prediction_cc = s->lesion.volume_cc,
                              .volume_difference_cc = s->lesion.volume_cc - by_hand->volume_cc,
                              .surfaces_defined = !s->empty,
                              .hd95_mm = s->empty ? NAN : 7.0,
                              .hd_mm = s->empty ? NAN : 9.0,
                              .msd_mm = s->empty ? NAN : 2.0,
                              .tolerance_count = 2,
                              .tolerance_mm = {2.0, 5.0},
                              .surface_dice = {dice / 2.0, dice}};
    if (source != RP_SOURCE_GENERAL_PRE) classify(one, diameter_mm, &s->response);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void expect_kinds(const rp_case *one, const char *const *kinds)
{
    size_t count = 0;
    while (kinds[count]) count++;
    assert_int_equal(one->failure_count, count);
    for (size_t i = 0; i < count; i++) assert_string_equal(one->failures[i].kind, kinds[i]);
}

#define KINDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_failures(void **state)
{
    rp_error err = {0};
    rp_case one;
    (void)state;
    name_case(&one, "a", 0);
    manual(&one, 100.0, 60.0);
    score(&one, RP_SOURCE_GENERAL_POST, 0.71, 60.0);
    score(&one, RP_SOURCE_CARRY_POST, 0.7, 100.0);
    score(&one, RP_SOURCE_REGISTERED_POST, 0.69, 61.0);
    score(&one, RP_SOURCE_IDOL_POST, 0.7, 90.0); /* as good as carry-forward is not worse */
    assert_ok(rp_case_find_failures(&one, &err), err);
    expect_kinds(&one, KINDS("below general model", "other response"));
    assert_non_null(strstr(one.failures[0].text, "0.700"));
    assert_non_null(strstr(one.failures[0].text, "0.710"));
    assert_non_null(strstr(one.failures[1].text, "SD (-10.0 %)"));
    assert_non_null(strstr(one.failures[1].text, "PR (-40.0 %)"));
    assert_ok(rp_case_add_failure(&one, "not registered", "no reason", &err), err);
    expect_kinds(&one, KINDS("below general model", "other response", "not registered"));
    rp_case_release(&one, 0);

    name_case(&one, "b", 0);
    one.recist_evaluable = RP_EVALUABLE_NO; /* whose response therefore does not matter */
    manual(&one, 100.0, 60.0);
    score(&one, RP_SOURCE_CARRY_POST, 0.4, 100.0);
    score(&one, RP_SOURCE_REGISTERED_POST, 0.5, 61.0);
    score(&one, RP_SOURCE_IDOL_POST, 0.0, 0.0);
    assert_ok(rp_case_find_failures(&one, &err), err);
    expect_kinds(&one, KINDS("empty", "below carry-forward", "below registration"));
    rp_case_release(&one, 0);
}

/* ---- to disk and back ------------------------------------------------------------------------ */

/* Every member gets a number of its own that binary fractions do not hold exactly. */
static double next_number(void)
{
    static double last = 0.1;
    return last += 1.0 / 3.0;
}

static void fill_numbers(void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(double); i++) ((double *)at)[i] = next_number();
}

static void fill_lesion(rp_lesion *l)
{
    l->label = 3;
    l->voxels = 4000000001u;
    l->volume_cc = next_number();
    l->longest_diameter_mm = next_number();
    l->short_axis_mm = next_number();
    l->slice_index = -1;
    fill_numbers(l->slice_position_lps, sizeof l->slice_position_lps);
    fill_numbers(l->long_axis_lps, sizeof l->long_axis_lps);
    fill_numbers(l->short_axis_lps, sizeof l->short_axis_lps);
    fill_numbers(l->long_axis_index, sizeof l->long_axis_index);
    fill_numbers(l->short_axis_index, sizeof l->short_axis_index);
    l->first_slice = 5;
    l->last_slice = 17;
    fill_numbers(l->centroid_lps, sizeof l->centroid_lps);
}

static void fill_response(rp_response_result *r, rp_response response)
{
    r->response = response;
    r->change_percent = next_number();
    r->change_nadir_percent = NAN;
    r->change_nadir_mm = next_number();
    r->measurable_at_baseline = r->is_borderline = true;
    strcpy(r->doubt, "a voxel more");
    strcpy(r->rule, "a \"rule\",\nin two lines");
}

static void fill_score(rp_case_score *s)
{
    rp_overlap *o = &s->overlap;
    s->present = s->empty = true;
    s->seconds = next_number();
    fill_lesion(&s->lesion);
    fill_response(&s->response, RP_NE);
    o->reference_voxels = 11;
    o->prediction_voxels = 12;
    o->common_voxels = 13;
    fill_numbers(&o->dice, 6 * sizeof(double)); /* to volume_difference_percent */
    o->surfaces_defined = true;
    strcpy(o->surfaces_reason, "none");
    fill_numbers(&o->hd95_mm, 11 * sizeof(double)); /* and both directions */
    o->hd95_mm = NAN;
    o->tolerance_count = 2;
    fill_numbers(o->tolerance_mm, sizeof o->tolerance_mm);
    fill_numbers(o->surface_dice, sizeof o->surface_dice);
}

/* All memory is zeroed before it is filled, so padding is equal too. */
static void fill_case(rp_case *one)
{
    memset(one, 0, sizeof *one);
    one->patient = rp_strdup("p,1");
    one->baseline_date = rp_strdup("");
    one->followup_date = rp_strdup("2021-02-03");
    one->label = rp_strdup("simulated");
    one->recist_evaluable = RP_EVALUABLE_NO;
    one->clinical = rp_alloc(2, sizeof *one->clinical);
    one->clinical[0] = rp_strdup("M");
    one->clinical[1] = rp_strdup("\xc3\xa4");
    fill_lesion(&one->manual[0]);
    fill_lesion(&one->manual[1]);
    fill_response(&one->manual_response, RP_PD);
    fill_score(&one->score[RP_SOURCE_GENERAL_PRE]);
    fill_score(&one->score[RP_SOURCE_IDOL_POST]);
    strcpy(one->way, "adapted");
    strcpy(one->contour_source, "registered contour");
    one->interval = (rp_case_interval){.given = true,
                                       .low80_mm = 40.5,
                                       .high80_mm = 1.0 / 3.0,
                                       .low95_mm = 39.0,
                                       .high95_mm = 52.0,
                                       .p_cr = 0.01,
                                       .p_pr = 0.04,
                                       .p_sd = 0.9,
                                       .p_pd = 0.05};
}

static void test_round_trip(void **state)
{
    rp_error err = {0};
    rp_case before, after;
    rp_json *again = NULL;
    (void)state;
    fill_case(&before);
    assert_ok(rp_case_add_failure(&before, "empty", "nothing", &err), err);
    rp_json *json = rp_case_json(&before, 2);
    RP_AUTOFREE char *text = rp_json_text(json);
    rp_json_destroy(json);
    assert_ok(rp_json_parse(text, &again, &err), err);
    memset(&after, 0, sizeof after);
    assert_ok(rp_case_from_json(again, "case.json", 2, &after, &err), err);
    rp_json_destroy(again);
    assert_string_equal(after.patient, "p,1");
    assert_string_equal(after.baseline_date, "");
    assert_string_equal(after.followup_date, "2021-02-03");
    assert_string_equal(after.label, "simulated");
    assert_int_equal(after.recist_evaluable, RP_EVALUABLE_NO);
    assert_string_equal(after.clinical[0], "M");
    assert_string_equal(after.clinical[1], "\xc3\xa4");
    assert_int_equal(after.failure_count, 1);
    assert_string_equal(after.failures[0].text, "nothing");
    assert_memory_equal(before.manual, after.manual, sizeof before.manual);
    assert_memory_equal(&before.manual_response, &after.manual_response,
                        sizeof before.manual_response);
    assert_memory_equal(before.score, after.score, sizeof before.score);
    assert_string_equal(after.way, "adapted");
    assert_string_equal(after.contour_source, "registered contour");
    assert_true(after.interval.given);
    assert_memory_equal(&before.interval.low80_mm, &after.interval.low80_mm, 8 * sizeof(double));
    rp_case_release(&before, 2);
    rp_case_release(&after, 2);
}

/* A document without a key, or with another type there, is refused by name. */
static void refuse(const char *part, const char *instead, const char *key)
{
    rp_error err = {0};
    rp_case one, read;
    rp_json *changed = NULL;
    fill_case(&one);
    rp_json *json = rp_case_json(&one, 2);
    RP_AUTOFREE char *text = rp_json_text(json);
    rp_json_destroy(json);
    rp_case_release(&one, 2);
    const char *at = strstr(text, part);
    assert_non_null(at);
    RP_AUTOFREE char *other =
        rp_format("%.*s%s%s", (int)(at - text), text, instead, at + strlen(part));
    assert_ok(rp_json_parse(other, &changed, &err), err);
    memset(&read, 0, sizeof read);
    const rp_status status = rp_case_from_json(changed, "some/case.json", 2, &read, &err);
    if (status != RP_ERR_FORMAT) fail_msg("%s: %s", instead, rp_status_text(status));
    if (!strstr(err.message, "some/case.json") || !strstr(err.message, key))
        fail_msg("'%s' should name %s", err.message, key);
    rp_json_destroy(changed);
    rp_case_release(&read, 2);
}

static void test_bad_documents(void **state)
{
    (void)state;
    refuse("\"patient\":", "\"patients\":", "patient");
    refuse("\"label\": \"simulated\"", "\"label\": 3", "label");
    refuse("\"recist_evaluable\": \"no\"", "\"recist_evaluable\": \"maybe\"", "recist_evaluable");
    refuse("\"M\",", "", "clinical");
    refuse("\"response\": \"PD\"", "\"response\": \"XX\"", "response");
    refuse("\"voxels\": 4000000001", "\"voxels\": \"many\"", "voxels");
    refuse("\"empty\": true", "\"empty\": 1", "empty");
    refuse("\"scores\":", "\"score\":", "scores");
    refuse("\"p_sd\":", "\"p_xx\":", "p_sd");
    refuse("\"failures\":", "\"faults\":", "failures");
}

/* ---- summaries ------------------------------------------------------------------------------- */

static const rp_json *find(const rp_json *json, const char *path)
{
    char key[64];
    while (json && *path) {
        const size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        json = rp_json_get(json, key);
        path += length + (path[length] == '/');
    }
    return json;
}

static void expect_number(const rp_json *summary, const char *path, double wanted)
{
    double found = NAN;
    if (!rp_json_as_number(find(summary, path), &found)) fail_msg("%s is no number", path);
    if (!(fabs(found - wanted) <= 1e-12 * (1.0 + fabs(wanted))))
        fail_msg("%s is %.17g, not %.17g", path, found, wanted);
}

static void expect_undefined(const rp_json *summary, const char *path)
{
    const rp_json *found = find(summary, path);
    const char *reason = found ? rp_json_get_string(found, "undefined") : NULL;
    if (!reason || !reason[0]) fail_msg("%s should be undefined, with a reason", path);
    for (const char *const *key = (const char *const[]){"value", "mean", "difference", "bias", "p",
                                                        "rho", "statistic", "low", NULL};
         *key; key++)
        if (rp_json_get(found, *key)) fail_msg("%s is undefined and has %s", path, *key);
}

/* Five patients; the last is not evaluable by RECIST, and IDOL finds nothing in the third. */
static void make_evaluation(rp_evaluation *e)
{
    static const struct {
        double baseline, followup, general, idol, carry, idol_mm;
        const char *months, *event;
    } rows[] = {{100, 60, 0.5, 0.9, 0.55, 65, "10", "1"},
                {50, 50, 0.25, 0.75, 0.5, 48, "20", "0"},
                {80, 40, 0.375, 0.0, 0.125, 0, "30", "1"},
                {40, 60, 0.625, 0.625, 0.375, 62, "", "1"},
                {90, 30, 0.75, 0.5, 0.0625, 33, "5", "1"}};
    enum { ROWS = sizeof rows / sizeof *rows };
    *e = (rp_evaluation){.seed = 7, .training_patients = 67, .clinical_count = 2};
    snprintf(e->label, sizeof e->label, "synthetic");
    e->clinical_columns = rp_alloc(2, sizeof *e->clinical_columns);
    e->clinical_columns[0] = rp_strdup("followup_months");
    e->clinical_columns[1] = rp_strdup("event");
    e->cases = rp_alloc(ROWS, sizeof *e->cases);
    for (; e->case_count < ROWS; e->case_count++) {
        rp_case *one = &e->cases[e->case_count];
        char patient[8] = {(char)('a' + e->case_count), ',', '"', 0};
        name_case(one, patient, 0);
        rp_free(one->clinical);
        one->clinical = rp_alloc(2, sizeof *one->clinical);
        one->clinical[0] = rp_strdup(rows[e->case_count].months);
        one->clinical[1] = rp_strdup(rows[e->case_count].event);
        manual(one, rows[e->case_count].baseline, rows[e->case_count].followup);
        score(one, RP_SOURCE_GENERAL_POST, rows[e->case_count].general, 55.0);
        score(one, RP_SOURCE_IDOL_POST, rows[e->case_count].idol, rows[e->case_count].idol_mm);
        score(one, RP_SOURCE_CARRY_POST, rows[e->case_count].carry, rows[e->case_count].baseline);
    }
    e->cases[4].recist_evaluable = RP_EVALUABLE_NO;
}

static void check_responses(const rp_json *s)
{
    /* Manual PR SD PR PD (PR); IDOL PR SD NE PD. */
    expect_number(s, "cohorts/recist/response/idol_post/n", 4);
    expect_number(s, "cohorts/recist/response/idol_post/agree", 3);
    expect_number(s, "cohorts/recist/response/idol_post/table/PR/NE", 1);
    expect_number(s, "cohorts/recist/response/idol_post/table/PR/PR", 1);
    expect_number(s, "cohorts/recist/response/idol_post/agreement/value", 0.75);
    expect_number(s, "cohorts/recist/response/idol_post/sensitivity/value", 0.5);
    expect_number(s, "cohorts/recist/response/idol_post/specificity/value", 1.0);
    expect_number(s, "cohorts/recist/response/idol_post/accuracy/value", 0.75);
    expect_number(s, "cohorts/recist/response/idol_post/mcnemar/p", 1.0);
    expect_number(s, "cohorts/recist/response/idol_post/auc_call/value", 0.75);
    /* The third has no change: -35 % alone against -4 % and +55 %. */
    expect_number(s, "cohorts/recist/response/idol_post/auc_change/n", 3);
    expect_number(s, "cohorts/recist/response/idol_post/auc_change/value", 1.0);
    assert_null(find(s, "cohorts/recist/response/general_pre"));
    assert_null(find(s, "cohorts/recist/dice/registered_post"));
}

static void test_known_numbers(void **state)
{
    rp_error err = {0};
    rp_evaluation e;
    rp_json *s = NULL;
    (void)state;
    make_evaluation(&e);
    e.cases[0].interval = (rp_case_interval){true, 58, 70, 55, 75, 0, 0.6, 0.4, 0}; /* 60 mm */
    e.cases[1].interval = (rp_case_interval){true, 45, 49, 44, 52, 0, 0.1, 0.9, 0}; /* 50 mm */
    assert_ok(rp_evaluation_summary(&e, &s, &err), err);
    expect_number(s, "cohorts/entire/interval/within_80/value", 0.5);
    expect_number(s, "cohorts/entire/interval/within_95/value", 1.0);
    expect_number(s, "cohorts/entire/interval/within_95/n", 2);
    expect_number(s, "cohorts/recist/interval/not_evaluable/value", 0.25);
    expect_number(s, "cohorts/entire/n", 5);
    expect_number(s, "cohorts/recist/n", 4);
    expect_number(s, "cohorts/entire/dice/idol_post/mean", 0.555);
    expect_number(s, "cohorts/recist/dice/idol_post/mean", 0.56875);
    expect_number(s, "cohorts/entire/dice/idol_post/median", 0.625);
    /* What was not found has Dice 0 but no surface and no diameter. */
    expect_number(s, "cohorts/entire/dice/idol_post/n", 5);
    expect_number(s, "cohorts/entire/hd95_mm/idol_post/n", 4);
    expect_number(s, "cohorts/entire/diameter_error_mm/idol_post/n", 4);
    expect_number(s, "cohorts/entire/diameter/idol_post/bland_altman/bias", 2.0);
    /* Against carry-forward: +.35 +.25 -.125 +.25 +.4375. Ranks 4 2.5 1 2.5 5. */
    expect_number(s, "cohorts/entire/compare/carry_post/statistic", 14.0);
    expect_number(s, "cohorts/entire/compare/carry_post/difference", 0.2325);
    /* Against the general model: +.4 +.5 -.375 0 -.25: one zero. Ranks 3 4 -2 -1. */
    expect_number(s, "cohorts/entire/compare/general_post/n", 5);
    expect_number(s, "cohorts/entire/compare/general_post/pairs_used", 4);
    expect_number(s, "cohorts/entire/compare/general_post/statistic", 7.0);
    check_responses(s);
    /* Of those with times 5+ 10+ 20 30+, at 30 the last one ends. */
    const rp_json *curves = find(s, "cohorts/entire/survival");
    assert_int_equal(rp_json_length(curves), 1);
    expect_number(rp_json_at(curves, 0), "n", 4);
    expect_number(rp_json_at(curves, 0), "left_out", 1);
    expect_number(rp_json_at(curves, 0), "events", 3);
    assert_string_equal(rp_json_get_string(s, "label"), "synthetic");
    assert_non_null(strstr(rp_json_get_string(s, "multiplicity"), "Holm"));
    rp_json_destroy(s);
    rp_evaluation_release(&e);
}

static void test_undefined(void **state)
{
    rp_error err = {0};
    rp_evaluation e;
    rp_json *s = NULL;
    (void)state;
    make_evaluation(&e);
    while (e.case_count > 1) rp_case_release(&e.cases[--e.case_count], 2);
    assert_ok(rp_evaluation_summary(&e, &s, &err), err);
    expect_number(s, "cohorts/recist/dice/idol_post/mean", 0.9);
    assert_null(find(s, "cohorts/recist/dice/idol_post/low"));
    expect_undefined(s, "cohorts/recist/diameter/idol_post/bland_altman");
    expect_undefined(s, "cohorts/recist/diameter/idol_post/icc_2_1");
    expect_undefined(s, "cohorts/recist/diameter/idol_post/spearman");
    expect_undefined(s, "cohorts/recist/dice_baseline_diameter/idol_post");
    expect_undefined(s, "cohorts/recist/response/idol_post/kappa");
    expect_undefined(s, "cohorts/recist/response/idol_post/mcnemar");
    expect_undefined(s, "cohorts/recist/response/idol_post/specificity");
    expect_undefined(s, "cohorts/recist/response/idol_post/auc_change");
    expect_undefined(s, "cohorts/recist/response/idol_post/auc_call");
    rp_json_destroy(s);
    e.cases[0].recist_evaluable = RP_EVALUABLE_UNKNOWN; /* an empty RECIST cohort */
    assert_ok(rp_evaluation_summary(&e, &s, &err), err);
    expect_number(s, "cohorts/recist/n", 0);
    assert_null(find(s, "cohorts/recist/dice/idol_post"));
    assert_int_equal(rp_json_length(find(s, "cohorts/recist/survival")), 0);
    rp_json_destroy(s);
    rp_evaluation_release(&e);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void expect_line(const char *folder, const char *name, const char *line)
{
    rp_error err = {0};
    RP_AUTOFREE uint8_t *bytes = NULL;
    size_t size;
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    assert_ok(rp_file_read(path, &bytes, &size, &err), err);
    RP_AUTOFREE char *text = rp_alloc(size + 1, 1);
    memcpy(text, bytes, size);
    if (!strstr(text, line)) fail_msg("%s lacks '%s':\n%s", name, line, text);
}

static void test_tables(void **state)
{
    rp_error err = {0};
    rp_evaluation e;
    rp_json *s = NULL;
    (void)state;
    char *folder = make_folder();
    RP_AUTOFREE char *tables = rp_path_join(folder, "tables");
    make_evaluation(&e);
    for (size_t i = 0; i < e.case_count; i++)
        assert_ok(rp_case_find_failures(&e.cases[i], &err), err);
    assert_ok(rp_evaluation_summary(&e, &s, &err), err);
    assert_ok(rp_evaluation_write_tables(&e, s, tables, &err), err);
    expect_line(tables, "patients.csv",
                "\"a,\"\"\",synthetic,yes,2020-01-06,2020-04-05,100,60,50,");
    expect_line(tables, "cases.csv", "\"c,\"\"\",yes,idol_post,yes,0,,,0,0,,,1.5,,,0,20,");
    expect_line(tables, "failures.csv", "\"c,\"\"\",empty,");
    expect_line(tables, "table1.csv", "Patients the general model was trained on,67");
    expect_line(tables, "table2.csv", "\"b,\"\"\",,0.25,0.75,0.5,\r\n");
    expect_line(tables, "supplementary1.csv", "\"e,\"\"\",,0.75,0.5,0.0625,\r\n");
    expect_line(tables, "table3.csv", "recist,hd95_mm,idol_post,3,7,");
    expect_line(tables, "table4a.csv", "40,60,50,PD,idol_post,62,55,PD,2\r\n");
    expect_line(tables, "table4b.csv", "recist,idol_post,PR,0,1,0,0,1\r\n");
    expect_line(tables, "comparisons.csv", "entire,carry_post,5,0.23");
    RP_AUTOFREE char *file = rp_path_join(folder, "file");
    assert_ok(rp_file_write(file, "x", 1, &err), err);
    assert_int_not_equal(rp_evaluation_write_tables(&e, s, file, &err), RP_OK);
    assert_non_null(strstr(err.message, file));
    rp_json_destroy(s);
    rp_evaluation_release(&e);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_documents), cmocka_unit_test(test_known_numbers),
        cmocka_unit_test(test_undefined),     cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
