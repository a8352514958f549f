/* The tables as CSV (RFC 4180). Numbers are unrounded; what does not exist is an empty cell. */
#include "summary.h"

#include <string.h>

/* One table being written; the first error stops it. */
typedef struct table {
    rp_outfile *out;
    rp_status status;
    rp_error *err;
    bool inside; /* a row has begun */
} table;

static void put(table *t, const char *text)
{
    if (!t->status) t->status = rp_outfile_printf(t->out, t->err, "%s", text);
}

static void words(table *t, const char *text)
{
    if (t->inside) put(t, ",");
    t->inside = true;
    if (!t->status) t->status = rp_csv_write_cell(t->out, text, "", t->err);
}

static void number(table *t, double value)
{
    char text[40] = "";
    if (isfinite(value)) snprintf(text, sizeof text, "%.17g", value);
    words(t, text);
}

static void whole(table *t, size_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    words(t, text);
}

static void end_row(table *t)
{
    put(t, "\r\n");
    t->inside = false;
}

static rp_status begin(table *t, const char *folder, const char *name, rp_error *err)
{
    RP_AUTOFREE char *path = rp_format("%s/%s.csv", folder, name);
    *t = (table){.err = err};
    t->status = path ? rp_outfile_create(path, &t->out, err)
                     : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    return t->status;
}

static rp_status end(table *t)
{
    if (!t->status) t->status = rp_outfile_commit(t->out, t->err);
    rp_outfile_destroy(t->out);
    return t->status;
}

static void header(table *t, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) words(t, names[i]);
    end_row(t);
}

#define HEADER(t, ...)                                                                             \
    header(t, (const char *const[]){__VA_ARGS__},                                                  \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

typedef rp_status (*fill_table)(const rp_evaluation *e, const rp_json *summary, const char *folder,
                                rp_error *err);

static const char *const evaluable[] = {"", "no", "yes"};
static const char *const cohorts[RP_SUBSETS] = {"entire", "recist"};

static bool belongs(const rp_case *one, int cohort)
{
    return cohort == 0 || one->recist_evaluable == RP_EVALUABLE_YES;
}

static const rp_json *member(const rp_json *json, const char *a, const char *b)
{
    json = json ? rp_json_get(json, a) : NULL;
    return json && b ? rp_json_get(json, b) : json;
}

static double number_of(const rp_json *json, const char *key)
{
    double value = NAN;
    return json && rp_json_get_number(json, key, &value) ? value : NAN;
}

/* ---- patients and cases ------------------------------------------------------------------------
 */

static rp_status write_patients(const rp_evaluation *e, const rp_json *summary, const char *folder,
                                rp_error *err)
{
    table t;
    (void)summary;
    if (begin(&t, folder, "patients", err)) return t.status;
    static const char *const names[] = {"patient",        "label",         "recist_evaluable",
                                        "baseline_date",  "followup_date", "baseline_mm",
                                        "followup_mm",    "baseline_cc",   "followup_cc",
                                        "change_percent", "response"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) words(&t, names[i]);
    for (size_t c = 0; c < e->clinical_count; c++) words(&t, e->clinical_columns[c]);
    end_row(&t);
    for (size_t i = 0; i < e->case_count && !t.status; i++) {
        const rp_case *one = &e->cases[i];
        words(&t, one->patient);
        words(&t, one->label);
        words(&t, evaluable[one->recist_evaluable]);
        words(&t, one->baseline_date);
        words(&t, one->followup_date);
        for (int v = 0; v < 2; v++)
            number(&t, one->manual[v].voxels ? one->manual[v].longest_diameter_mm : NAN);
        for (int v = 0; v < 2; v++)
            number(&t, one->manual[v].voxels ? one->manual[v].volume_cc : NAN);
        number(&t, one->manual_response.change_percent);
        words(&t, rp_response_code(one->manual_response.response));
        for (size_t c = 0; c < e->clinical_count; c++) words(&t, one->clinical[c]);
        end_row(&t);
    }
    return end(&t);
}

static void interval_cells(table *t, const rp_case_interval *i, bool belongs_here)
{
    const double values[] = {i->low80_mm, i->high80_mm, i->low95_mm, i->high95_mm,
                             i->p_cr,     i->p_pr,      i->p_sd,     i->p_pd};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++)
        number(t, belongs_here && i->given ? values[k] : NAN);
}

static void case_row(table *t, const rp_case *one, rp_source s)
{
    const rp_case_score *score = &one->score[s];
    words(t, one->patient);
    words(t, evaluable[one->recist_evaluable]);
    words(t, rp_source_key(s));
    words(t, score->empty ? "yes" : "no");
    for (const rp_measure_of_case *m = rp_case_measures; m->key; m++) number(t, m->of(one, s));
    number(t, score->empty ? NAN : score->lesion.longest_diameter_mm);
    number(t, score->empty ? NAN : score->lesion.short_axis_mm);
    number(t, score->overlap.prediction_cc);
    number(t, score->overlap.reference_cc);
    number(t, score->overlap.volume_difference_percent);
    number(t, rp_source_visit(s) ? score->response.change_percent : NAN);
    words(t, rp_source_visit(s) ? rp_response_code(score->response.response) : "");
    words(t, !rp_source_visit(s) ? "" : score->response.is_borderline ? "yes" : "no");
    interval_cells(t, &one->interval, s == RP_SOURCE_IDOL_POST);
    words(t, s == RP_SOURCE_IDOL_POST ? one->way : "");
    words(t, s == RP_SOURCE_IDOL_POST ? one->contour_source : "");
    end_row(t);
}

static rp_status write_cases(const rp_evaluation *e, const rp_json *summary, const char *folder,
                             rp_error *err)
{
    table t;
    (void)summary;
    if (begin(&t, folder, "cases", err)) return t.status;
    static const char *const first[] = {"patient", "recist_evaluable", "source", "empty"};
    static const char *const last[] = {"longest_diameter_mm",
                                       "short_axis_mm",
                                       "volume_cc",
                                       "manual_volume_cc",
                                       "volume_error_percent",
                                       "change_percent",
                                       "response",
                                       "borderline",
                                       "low80_mm",
                                       "high80_mm",
                                       "low95_mm",
                                       "high95_mm",
                                       "p_cr",
                                       "p_pr",
                                       "p_sd",
                                       "p_pd",
                                       "way",
                                       "contour_source"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) words(&t, first[i]);
    for (const rp_measure_of_case *m = rp_case_measures; m->key; m++) words(&t, m->key);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) words(&t, last[i]);
    end_row(&t);
    for (size_t i = 0; i < e->case_count && !t.status; i++)
        for (int s = 0; s < RP_SOURCE_COUNT; s++)
            if (e->cases[i].score[s].present) case_row(&t, &e->cases[i], (rp_source)s);
    return end(&t);
}

static rp_status write_failures(const rp_evaluation *e, const rp_json *summary, const char *folder,
                                rp_error *err)
{
    table t;
    (void)summary;
    if (begin(&t, folder, "failures", err)) return t.status;
    HEADER(&t, "patient", "kind", "text");
    for (size_t i = 0; i < e->case_count && !t.status; i++)
        for (size_t f = 0; f < e->cases[i].failure_count; f++) {
            words(&t, e->cases[i].patient);
            words(&t, e->cases[i].failures[f].kind);
            words(&t, e->cases[i].failures[f].text);
            end_row(&t);
        }
    return end(&t);
}

/* ---- the study's tables ------------------------------------------------------------------------
 */

static rp_status write_table1(const rp_evaluation *e, const rp_json *summary, const char *folder,
                              rp_error *err)
{
    table t;
    (void)e;
    if (begin(&t, folder, "table1", err)) return t.status;
    HEADER(&t, "cohort", "characteristic", "value");
    for (int c = 0; c < RP_SUBSETS; c++) {
        const rp_json *rows = member(member(summary, "cohorts", cohorts[c]), "table1", NULL);
        for (size_t i = 0; rows && i < rp_json_length(rows); i++) {
            const rp_json *row = rp_json_at(rows, i);
            words(&t, cohorts[c]);
            words(&t, rp_json_get_string(row, "name"));
            words(&t, rp_json_get_string(row, "value"));
            end_row(&t);
        }
    }
    return end(&t);
}

/* Dice by case and source. */
static rp_status write_dice(const rp_evaluation *e, const char *folder, const char *name,
                            int cohort, rp_error *err)
{
    table t;
    if (begin(&t, folder, name, err)) return t.status;
    words(&t, "patient");
    for (int s = 0; s < RP_SOURCE_COUNT; s++) words(&t, rp_source_key((rp_source)s));
    end_row(&t);
    for (size_t i = 0; i < e->case_count && !t.status; i++) {
        if (!belongs(&e->cases[i], cohort)) continue;
        words(&t, e->cases[i].patient);
        for (int s = 0; s < RP_SOURCE_COUNT; s++)
            number(&t, rp_case_dice_of(&e->cases[i], (rp_source)s));
        end_row(&t);
    }
    return end(&t);
}

static rp_status write_table2(const rp_evaluation *e, const rp_json *summary, const char *folder,
                              rp_error *err)
{
    (void)summary;
    return write_dice(e, folder, "table2", 1, err);
}

static rp_status write_supplementary1(const rp_evaluation *e, const rp_json *summary,
                                      const char *folder, rp_error *err)
{
    (void)summary;
    return write_dice(e, folder, "supplementary1", 0, err);
}

static rp_status write_table3(const rp_evaluation *e, const rp_json *summary, const char *folder,
                              rp_error *err)
{
    static const char *const figures[] = {"n", "mean", "low", "high", "median", "q1", "q3"};
    table t;
    (void)e;
    if (begin(&t, folder, "table3", err)) return t.status;
    HEADER(&t, "cohort", "quantity", "source", "n", "mean", "low", "high", "median", "q1", "q3");
    for (int c = 0; c < RP_SUBSETS; c++)
        for (const rp_measure_of_case *m = rp_case_measures; m->key; m++)
            for (int s = 0; s < RP_SOURCE_COUNT; s++) {
                const char *source = rp_source_key((rp_source)s);
                const rp_json *found =
                    member(member(summary, "cohorts", cohorts[c]), m->key, source);
                if (!found) continue;
                words(&t, cohorts[c]);
                words(&t, m->key);
                words(&t, source);
                for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
                    number(&t, number_of(found, figures[i]));
                end_row(&t);
            }
    return end(&t);
}

static rp_status write_table4a(const rp_evaluation *e, const rp_json *summary, const char *folder,
                               rp_error *err)
{
    table t;
    (void)summary;
    if (begin(&t, folder, "table4a", err)) return t.status;
    HEADER(&t, "patient", "recist_evaluable", "baseline_mm", "manual_followup_mm",
           "manual_change_percent", "manual_response", "source", "followup_mm", "change_percent",
           "response", "difference_mm");
    for (size_t i = 0; i < e->case_count && !t.status; i++)
        for (int s = 0; s < RP_SOURCE_COUNT; s++) {
            const rp_case *one = &e->cases[i];
            const rp_case_score *score = &one->score[s];
            if (!score->present || rp_source_visit((rp_source)s) == 0) continue;
            words(&t, one->patient);
            words(&t, evaluable[one->recist_evaluable]);
            for (int v = 0; v < 2; v++)
                number(&t, one->manual[v].voxels ? one->manual[v].longest_diameter_mm : NAN);
            number(&t, one->manual_response.change_percent);
            words(&t, rp_response_code(one->manual_response.response));
            words(&t, rp_source_key((rp_source)s));
            number(&t, score->empty ? NAN : score->lesion.longest_diameter_mm);
            number(&t, score->response.change_percent);
            words(&t, rp_response_code(score->response.response));
            number(&t, rp_case_diameter_error(one, (rp_source)s));
            end_row(&t);
        }
    return end(&t);
}

static rp_status write_table4b(const rp_evaluation *e, const rp_json *summary, const char *folder,
                               rp_error *err)
{
    table t;
    (void)e;
    if (begin(&t, folder, "table4b", err)) return t.status;
    HEADER(&t, "cohort", "source", "manual", "CR", "PR", "SD", "PD", "NE");
    for (int c = 0; c < RP_SUBSETS; c++)
        for (int s = 0; s < RP_SOURCE_COUNT; s++) {
            const rp_json *response = member(member(summary, "cohorts", cohorts[c]), "response",
                                             rp_source_key((rp_source)s));
            for (int m = RP_CR; m <= RP_NE && response; m++) {
                const rp_json *row = member(response, "table", rp_response_code((rp_response)m));
                words(&t, cohorts[c]);
                words(&t, rp_source_key((rp_source)s));
                words(&t, rp_response_code((rp_response)m));
                for (int f = RP_CR; f <= RP_NE; f++) {
                    const double times = number_of(row, rp_response_code((rp_response)f));
                    whole(&t, isfinite(times) ? (size_t)times : 0);
                }
                end_row(&t);
            }
        }
    return end(&t);
}

static rp_status write_comparisons(const rp_evaluation *e, const rp_json *summary,
                                   const char *folder, rp_error *err)
{
    static const char *const figures[] = {"n",          "difference", "low", "high",
                                          "pairs_used", "statistic",  "p",   "p_holm"};
    table t;
    (void)e;
    if (begin(&t, folder, "comparisons", err)) return t.status;
    HEADER(&t, "cohort", "idol_minus", "n", "difference", "low", "high", "pairs_used", "statistic",
           "p", "p_holm", "method");
    for (int c = 0; c < RP_SUBSETS; c++)
        for (int s = 0; s < RP_SOURCE_COUNT; s++) {
            const rp_json *found = member(member(summary, "cohorts", cohorts[c]), "compare",
                                          rp_source_key((rp_source)s));
            if (!found) continue;
            words(&t, cohorts[c]);
            words(&t, rp_source_key((rp_source)s));
            for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
                number(&t, number_of(found, figures[i]));
            words(&t, rp_json_get_string(found, "method"));
            end_row(&t);
        }
    return end(&t);
}

rp_status rp_evaluation_write_tables(const rp_evaluation *e, const rp_json *summary,
                                     const char *folder, rp_error *err)
{
    static const fill_table tables[] = {
        write_patients, write_cases,   write_failures, write_table1,         write_table2,
        write_table3,   write_table4a, write_table4b,  write_supplementary1, write_comparisons};
    rp_status status = rp_directory_create(folder, err);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !status; i++)
        status = tables[i](e, summary, folder, err);
    return status;
}
