/* Made-up evaluations of any number of cases, and images for their pictures. */
#ifndef REPRISE_TEST_EVALUATION_SAMPLE_H
#define REPRISE_TEST_EVALUATION_SAMPLE_H

#include "sample.h"

enum made_kind {
    MADE_WHOLE = 0,
    MADE_WITHOUT_REGISTRATION = 1,
    MADE_WITHOUT_EVENTS = 2,
    MADE_UNDEFINED = 4, /* no source was run */
    MADE_NAN = 8,       /* every number of every case is NaN */
    MADE_HOSTILE = 16,  /* every word is hostile */
    MADE_UNLABELLED = 32,
    MADE_NO_RECIST = 64, /* nobody is evaluable by RECIST */
};

static const char *const hostile_words =
    "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;\xFF\x01]]>";

typedef struct made {
    rp_evaluation evaluation;
    rp_json *summary, *record;
    double epoch[30], loss[30], training[30], validation[30];
    const char *named[2];
    rp_evaluation_report report;
    int loads;         /* calls of the callback */
    rp_status failing; /* what it answers */
    bool wrong_grid;
    int empty_visits; /* masks without any voxel */
} made;

static inline rp_lesion made_lesion(double diameter_mm)
{
    rp_lesion lesion = {.slice_index = -1};
    if (!(diameter_mm > 0)) return lesion;
    return (rp_lesion){.label = 1,
                       .voxels = 1000,
                       .volume_cc = diameter_mm * diameter_mm * diameter_mm / 3000,
                       .longest_diameter_mm = diameter_mm,
                       .short_axis_mm = 0.7 * diameter_mm,
                       .slice_index = 4,
                       .first_slice = 2,
                       .last_slice = 6};
}

static inline void made_score(rp_case *one, rp_source source, double dice, double diameter_mm)
{
    rp_error err;
    rp_case_score *score = &one->score[source];
    int visit = source == RP_SOURCE_GENERAL_PRE ? 0 : 1;
    score->present = true;
    score->empty = dice <= 0;
    score->lesion = made_lesion(score->empty ? 0 : diameter_mm);
    score->seconds = 3;
    score->overlap =
        (rp_overlap){.dice = dice,
                     .reference_cc = one->manual[visit].volume_cc,
                     .prediction_cc = score->lesion.volume_cc,
                     .volume_difference_cc = score->lesion.volume_cc - one->manual[visit].volume_cc,
                     .surfaces_defined = !score->empty,
                     .hd95_mm = score->empty ? NAN : 30 * (1 - dice),
                     .msd_mm = score->empty ? NAN : 8 * (1 - dice),
                     .tolerance_count = 2,
                     .tolerance_mm = {2, 5},
                     .surface_dice = {0.8 * dice, 0.9 * dice}};
    if (visit == 0) return;
    rp_response_input input = {.baseline_mm = one->manual[0].longest_diameter_mm,
                               .state = score->empty ? RP_LESION_NOT_EVALUATED : RP_LESION_MEASURED,
                               .followup_mm = diameter_mm};
    assert_ok(rp_response_classify(&input, &score->response, &err), err);
}

/* Numbers of case i: a response from -55 to +30 %, sources of different quality. Case 3 has an
 * empty IDOL contour, case 5 an empty one of the general model. */
static inline void made_case(rp_case *one, size_t i, int kind)
{
    rp_error err;
    rp_random r;
    rp_random_init(&r, 77, 1, i);
    double before = rp_random_range(&r, 40, 170);
    double after = before * (1 + rp_random_range(&r, -0.55, 0.3));
    const bool hostile = kind & MADE_HOSTILE;
    one->patient = hostile ? rp_format("%zu%s", i, hostile_words) : rp_format("P-%03zu", i + 1);
    one->baseline_date = rp_strdup("2024-01-12");
    one->followup_date = rp_strdup("2024-04-08");
    one->label = rp_strdup("synthetic");
    one->recist_evaluable = kind & MADE_NO_RECIST ? RP_EVALUABLE_UNKNOWN
                            : i % 5 == 4          ? RP_EVALUABLE_NO
                                                  : RP_EVALUABLE_YES;
    one->clinical = rp_alloc(3, sizeof *one->clinical);
    one->clinical[0] = rp_strdup(hostile ? hostile_words : i % 4 ? "M" : "F");
    one->clinical[1] = rp_format("%.1f", rp_random_range(&r, 2, 40));
    one->clinical[2] = rp_strdup(i % 3 && !(kind & MADE_WITHOUT_EVENTS) ? "1" : "0");
    one->manual[0] = made_lesion(before);
    one->manual[1] = made_lesion(after);
    rp_response_input input = {
        .baseline_mm = before, .state = RP_LESION_MEASURED, .followup_mm = after};
    assert_ok(rp_response_classify(&input, &one->manual_response, &err), err);
    if (kind & MADE_UNDEFINED) return;
    made_score(one, RP_SOURCE_GENERAL_PRE, rp_random_range(&r, 0.5, 0.9), before + 4);
    made_score(one, RP_SOURCE_GENERAL_POST, i == 5 ? 0 : rp_random_range(&r, 0.3, 0.8),
               after * 1.2);
    made_score(one, RP_SOURCE_IDOL_POST, i == 3 ? 0 : rp_random_range(&r, 0.55, 0.95),
               after * rp_random_range(&r, 0.9, 1.25));
    made_score(one, RP_SOURCE_CARRY_POST, rp_random_range(&r, 0.2, 0.8), before);
    if (!(kind & MADE_WITHOUT_REGISTRATION))
        made_score(one, RP_SOURCE_REGISTERED_POST, rp_random_range(&r, 0.6, 0.9), after * 1.02);
    assert_ok(rp_case_find_failures(one, &err), err);
    if (hostile) assert_ok(rp_case_add_failure(one, "<b>&", hostile_words, &err), err);
}

/* Numbers that nobody should write, in the places where the report looks. */
static inline void made_nan(rp_case *one, size_t i)
{
    const double bad = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    for (int v = 0; v < 2; v++) one->manual[v].longest_diameter_mm = one->manual[v].volume_cc = bad;
    one->manual_response.change_percent = bad;
    for (int s = 0; s < RP_SOURCE_COUNT; s++) {
        rp_case_score *score = &one->score[s];
        score->lesion.longest_diameter_mm = score->lesion.volume_cc = bad;
        score->overlap.dice = score->overlap.hd95_mm = score->overlap.msd_mm = bad;
        score->overlap.reference_cc = score->overlap.prediction_cc = bad;
        score->overlap.surface_dice[0] = score->overlap.surface_dice[1] = bad;
        score->response.change_percent = score->seconds = bad;
    }
}

/* Any case has the same anatomy; case and source make the masks differ a little in size. */
static inline rp_status made_load(void *context, size_t index, int visit, rp_case_visit *out,
                                  rp_error *err)
{
    static const int axial[3] = {0, 1, 2};
    made *m = context;
    rp_image unused;
    m->loads++;
    if (m->failing) return rp_fail(err, m->failing, "case.nii.gz: <cannot> be read");
    rp_grid grid = sample_grid(axial, 0);
    sample_fill(&out->image, &out->manual, &grid, visit ? 0.8 : 1);
    for (int s = 0; s < RP_SOURCE_COUNT; s++) {
        if ((s == RP_SOURCE_GENERAL_PRE) != (visit == 0)) continue;
        sample_fill(&unused, &out->source[s], &grid, 0.7 + 0.06 * s + 0.01 * (double)(index % 3));
        rp_image_release(&unused);
    }
    if (m->empty_visits) memset(out->manual.data, 0, rp_grid_voxels(&grid));
    if (m->wrong_grid) out->manual.grid.origin[0] += 3;
    return RP_OK;
}

static inline void made_record(made *m, const char *text)
{
    char hash[RP_SHA256_HEX];
    rp_json *provenance = rp_json_object(), *timing = rp_json_object();
    rp_sha256("x", 1, hash);
    m->record = rp_json_object();
    rp_json_set_string(provenance, "command", text);
    rp_json_set_string(provenance, "model_sha256", hash);
    rp_json_set_int(provenance, "seed", 12345);
    rp_json_set_number(timing, "total_seconds", 83.25);
    rp_json_set(m->record, "provenance", provenance);
    rp_json_set(m->record, "timing", timing);
}

static inline void made_curve(made *m)
{
    for (int i = 0; i < 30; i++) {
        m->epoch[i] = i + 1;
        m->loss[i] = 2.0 / (i + 1);
        m->training[i] = 1 - 1.0 / (i + 1);
        m->validation[i] = i % 5 == 4 ? 0.8 - 1.0 / (i + 1) : NAN;
    }
    m->report.curve = (rp_learning_curve){m->epoch, m->loss, m->training, m->validation, 30};
}

static inline made *made_make(size_t count, int kind)
{
    static const char *const columns[] = {"sex", "followup_months", "event"};
    rp_error err;
    made *m = rp_alloc(1, sizeof *m);
    assert_non_null(m);
    rp_evaluation *e = &m->evaluation;
    const bool hostile = kind & MADE_HOSTILE;
    e->clinical_columns = rp_alloc(3, sizeof *e->clinical_columns);
    for (e->clinical_count = 0; e->clinical_count < 3; e->clinical_count++)
        e->clinical_columns[e->clinical_count] = rp_strdup(columns[e->clinical_count]);
    e->cases = rp_alloc(count, sizeof *e->cases);
    e->training_patients = 67;
    e->seed = 5;
    if (!(kind & MADE_UNLABELLED))
        snprintf(e->label, sizeof e->label, "%s", hostile ? "<b>&\"'" : "synthetic");
    for (e->case_count = 0; e->case_count < count; e->case_count++) {
        made_case(&e->cases[e->case_count], e->case_count, kind);
        if (kind & MADE_NAN) made_nan(&e->cases[e->case_count], e->case_count);
    }
    assert_ok(rp_evaluation_summary(e, &m->summary, &err), err);
    made_record(m, hostile ? hostile_words : "reprise evaluate");
    m->named[0] = count > 1 ? e->cases[1].patient : "nobody";
    m->named[1] = "nobody";
    m->report =
        (rp_evaluation_report){.title = hostile ? hostile_words : "Evaluation of made-up cases",
                               .date = hostile ? hostile_words : "2026-01-31T12:34:56Z",
                               .evaluation = e,
                               .summary = m->summary,
                               .record = m->record,
                               .named = m->named,
                               .named_count = 2,
                               .load = made_load,
                               .context = m};
    made_curve(m);
    return m;
}

static inline void made_destroy(made *m)
{
    rp_evaluation_release(&m->evaluation);
    rp_json_destroy(m->summary);
    rp_json_destroy(m->record);
    rp_free(m);
}

#endif
