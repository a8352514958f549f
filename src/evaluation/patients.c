/* Who the patients are, and how they fared: Table 1 and survival; the words of the definitions. */
#include "summary.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

double rp_clinical_number(const rp_case *one, size_t column)
{
    char *end = NULL;
    const char *text = one->clinical ? one->clinical[column] : "";
    if (!text || !*text || isspace((unsigned char)*text)) return NAN;
    const double value = strtod(text, &end);
    return *end == '\0' && isfinite(value) ? value : NAN;
}

size_t rp_clinical_column(const rp_evaluation *e, const char *name)
{
    size_t i = 0;
    while (i < e->clinical_count && strcmp(e->clinical_columns[i], name) != 0) i++;
    return i;
}

/* ---- Table 1 -----------------------------------------------------------------------------------
 */

static void RP_PRINTF(3, 4) add_row(rp_json *rows, const char *name, const char *format, ...)
{
    char value[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    rp_json *row = rp_json_object();
    rp_json_set_string(row, "name", name);
    rp_json_set_string(row, "value", value);
    rp_json_append(rows, row);
}

static double diameter_of(const rp_case *one, int visit)
{
    return one->manual[visit].voxels ? one->manual[visit].longest_diameter_mm : NAN;
}

static double volume_of(const rp_case *one, int visit)
{
    return one->manual[visit].voxels ? one->manual[visit].volume_cc : NAN;
}

static rp_status add_lesions(const rp_subset *subset, rp_json *rows, const char *name,
                             double (*of)(const rp_case *, int), int visit, rp_error *err)
{
    rp_column column;
    rp_stat_quartiles q;
    rp_status status = rp_column_make(&column, subset->count, err);
    for (size_t i = 0; i < subset->count && !status; i++) {
        const double value = of(subset->cases[i], visit);
        if (isfinite(value)) column.values[column.count++] = value;
    }
    if (!status) status = rp_stat_quartiles_of(column.values, column.count, &q, err);
    if (!status && q.defined)
        add_row(rows, name, "mean %.1f, median %.1f (%.1f to %.1f), n = %zu",
                rp_stat_mean(column.values, column.count).value, q.median, q.q1, q.q3,
                column.count);
    rp_column_release(&column);
    return status;
}

/* Numbers as median and quartiles; words counted, each with its share of those that have one. */
static rp_status add_clinical(const rp_evaluation *e, const rp_subset *subset, size_t column,
                              rp_json *rows, rp_error *err)
{
    rp_column numbers;
    rp_stat_quartiles q = {0};
    size_t filled = 0;
    rp_status status = rp_column_make(&numbers, subset->count, err);
    for (size_t i = 0; i < subset->count && !status; i++) {
        const rp_case *one = subset->cases[i];
        const double value = rp_clinical_number(one, column);
        filled += one->clinical && one->clinical[column] && one->clinical[column][0];
        if (isfinite(value)) numbers.values[numbers.count++] = value;
    }
    if (!status) status = rp_stat_quartiles_of(numbers.values, numbers.count, &q, err);
    const bool is_number = filled > 0 && numbers.count == filled;
    rp_column_release(&numbers);
    if (status || filled == 0) return status;
    if (is_number) {
        add_row(rows, e->clinical_columns[column], "median %g (%g to %g), n = %zu", q.median, q.q1,
                q.q3, filled);
        return RP_OK;
    }
    for (size_t i = 0; i < subset->count; i++) {
        const char *word = subset->cases[i]->clinical[column];
        size_t times = 0, before = 0;
        for (size_t j = 0; j < subset->count; j++) {
            const bool same = strcmp(subset->cases[j]->clinical[column], word) == 0;
            times += same;
            before += same && j < i;
        }
        if (!word[0] || before) continue;
        RP_AUTOFREE char *name = rp_format("%s: %.60s", e->clinical_columns[column], word);
        if (!name) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
        add_row(rows, name, "%zu of %zu", times, filled);
    }
    return RP_OK;
}

static void add_responses(const rp_subset *subset, rp_json *rows)
{
    for (int r = RP_CR; r <= RP_NE; r++) {
        size_t times = 0;
        for (size_t i = 0; i < subset->count; i++)
            times += subset->cases[i]->manual_response.response == (rp_response)r;
        char name[64];
        snprintf(name, sizeof name, "Manual response %s", rp_response_code((rp_response)r));
        if (times) add_row(rows, name, "%zu of %zu", times, subset->count);
    }
}

rp_status rp_summary_characteristics(const rp_evaluation *e, const rp_subset *subset,
                                     rp_json *cohort, rp_error *err)
{
    rp_json *rows = rp_json_array();
    rp_status status = RP_OK;
    size_t evaluable = 0;
    rp_json_set(cohort, "table1", rows);
    for (size_t i = 0; i < subset->count; i++)
        evaluable += subset->cases[i]->recist_evaluable == RP_EVALUABLE_YES;
    add_row(rows, "Patients evaluated", "%zu", subset->count);
    if (e->training_patients)
        add_row(rows, "Patients the general model was trained on", "%zu", e->training_patients);
    add_row(rows, "Evaluable by RECIST", "%zu of %zu", evaluable, subset->count);
    for (size_t c = 0; c < e->clinical_count && !status; c++)
        status = add_clinical(e, subset, c, rows, err);
    static const char *const visits[] = {"before", "after"};
    for (int v = 0; v < 2 && !status; v++) {
        char name[80];
        snprintf(name, sizeof name, "Longest diameter %s treatment, mm", visits[v]);
        status = add_lesions(subset, rows, name, diameter_of, v, err);
        snprintf(name, sizeof name, "Tumour volume %s treatment, cc", visits[v]);
        if (!status) status = add_lesions(subset, rows, name, volume_of, v, err);
    }
    if (!status) add_responses(subset, rows);
    return status;
}

/* ---- survival ----------------------------------------------------------------------------------
 */

typedef struct observed {
    double *time;
    bool *event;
    size_t n, left_out;
} observed;

static rp_status observe(const rp_evaluation *e, const rp_subset *subset, observed *o,
                         rp_error *err)
{
    const size_t months = rp_clinical_column(e, "followup_months");
    const size_t event = rp_clinical_column(e, "event");
    *o = (observed){.time = rp_alloc(subset->count, sizeof *o->time),
                    .event = rp_alloc(subset->count, sizeof *o->event)};
    if (!o->time || !o->event) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    if (months == e->clinical_count || event == e->clinical_count) return RP_OK;
    for (size_t i = 0; i < subset->count; i++) {
        const double time = rp_clinical_number(subset->cases[i], months);
        const double happened = rp_clinical_number(subset->cases[i], event);
        if (!(time >= 0.0) || (happened != 0.0 && happened != 1.0)) {
            o->left_out++;
            continue;
        }
        o->time[o->n] = time;
        o->event[o->n++] = happened == 1.0;
    }
    return RP_OK;
}

static rp_json *curve_json(const rp_stat_survival *s, size_t left_out)
{
    static const char *const keys[] = {"time",     "at_risk", "events_at", "censored_at",
                                       "survival", "low",     "high"};
    enum { KEYS = sizeof keys / sizeof *keys };
    rp_json *json = rp_json_object(), *lists[KEYS];
    rp_json_set_string(json, "name", "event");
    rp_json_set_string(json, "unit", "months");
    rp_json_set_int(json, "n", (int64_t)s->n);
    rp_json_set_int(json, "left_out", (int64_t)left_out);
    rp_json_set_int(json, "events", (int64_t)s->events);
    rp_json_set_number(json, "median", s->median);
    for (int k = 0; k < KEYS; k++) lists[k] = rp_json_array();
    for (size_t i = 0; i < s->count; i++) {
        const rp_stat_survival_point *p = &s->points[i];
        const double values[KEYS] = {p->time,
                                     (double)p->at_risk,
                                     (double)p->events,
                                     (double)p->censored,
                                     p->survival,
                                     p->low,
                                     p->high};
        for (int k = 0; k < KEYS; k++) rp_json_append_number(lists[k], values[k]);
    }
    for (int k = 0; k < KEYS; k++) rp_json_set(json, keys[k], lists[k]);
    return json;
}

rp_status rp_summary_survivals(const rp_evaluation *e, const rp_subset *subset, rp_json *cohort,
                               rp_error *err)
{
    observed o;
    rp_stat_survival s = {0};
    rp_json *curves = rp_json_array();
    rp_json_set(cohort, "survival", curves);
    rp_status status = observe(e, subset, &o, err);
    if (!status && o.n) status = rp_stat_kaplan_meier(o.time, o.event, o.n, &s, err);
    if (!status && s.defined && s.events) rp_json_append(curves, curve_json(&s, o.left_out));
    rp_stat_survival_release(&s);
    rp_free(o.time);
    rp_free(o.event);
    return status;
}

/* ---- definitions -------------------------------------------------------------------------------
 */

rp_json *rp_summary_definitions_json(void)
{
    static const char *const texts[][2] = {
        {"cohorts",
         "entire: every case; recist: those that the manifest calls evaluable by RECIST"},
        {"mean", "arithmetic mean, 95 % interval by Student's t"},
        {"quartiles", "type 7 of Hyndman and Fan (R's default)"},
        {"compare", "IDOL's Dice minus the other source's, paired: mean with the 95 % percentile "
                    "bootstrap interval (10,000 replicates), Wilcoxon signed-rank test"},
        {"holm", "Holm 1979, over the comparisons of one cohort"},
        {"icc_2_1",
         "Shrout and Fleiss 1979: two-way random, absolute agreement, single measurement"},
        {"icc_3_1", "Shrout and Fleiss 1979: two-way mixed, consistency, single measurement"},
        {"bland_altman",
         "found minus manual; limits at 1.96 standard deviations; 95 % intervals by t "
         "(Bland and Altman 1999)"},
        {"spearman", "mid-ranks; exact for n up to 9 without ties, else by t with n - 2 degrees"},
        {"response",
         "RECIST 1.1 for one target lesion: manual baseline against the source's "
         "follow-up; cases whose manual response is NE are left out; nothing found is NE "
         "and agrees with nothing"},
        {"kappa", "Cohen's, unweighted, over CR, PR, SD, PD, NE; interval of Fleiss, Cohen and "
                  "Everitt 1969"},
        {"responder",
         "CR or PR; of the manual call for sensitivity and specificity; NE counts as not "
         "called a responder"},
        {"proportions", "low and high: Wilson 1927; Clopper and Pearson 1934 beside it"},
        {"mcnemar", "exact binomial test on responders called by one side only"},
        {"auc_change", "of the change in percent as a score for manual responders; DeLong 1988"},
        {"auc_call",
         "of the call itself, responder or not: the mean of sensitivity and specificity; "
         "not the same as auc_change"},
        {"survival", "Kaplan and Meier 1958, Greenwood's variance, log-log interval"},
    };
    rp_json *json = rp_json_object();
    const char *key, *text;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        rp_json_set_string(json, texts[i][0], texts[i][1]);
    for (size_t i = 0; rp_overlap_definition(i, &key, &text); i++)
        rp_json_set_string(json, key, text);
    return json;
}
