/* Results as CSV: a row for each patient and visit, the patient's summary in each of them. */
#include "reprise/timeline.h"

#include <math.h>

typedef struct writer {
    rp_outfile *out;
    const rp_timeline *timeline;
    const rp_timeline_result *result;
    rp_status status;
    rp_error *err;
} writer;

static const char header[] =
    "patient,label,criteria,exploratory,visit,date,day,unit,sum,evaluated_sum,"
    "baseline_change_percent,nadir,nadir_visit,nadir_change_percent,target,non_target,overall,rule,"
    "lesion,borderline,sentence,notes,best_overall_response,response_date,progression_date,"
    "duration_of_response_days,duration_censored,progression_free_days,progression_free_censored,"
    "depth_percent,depth_visit\n";

rp_status rp_timeline_csv_header(rp_outfile *out, rp_error *err)
{
    return rp_outfile_write(out, header, sizeof header - 1, err);
}

static void put(writer *w, const char *cell)
{
    if (!w->status) w->status = rp_csv_write_cell(w->out, cell ? cell : "", ",", w->err);
}

/* The fewest digits that read back as the same number; nothing where undefined. */
static void put_number(writer *w, double number)
{
    char cell[40] = "";
    for (int digits = 15; !isnan(number) && digits <= 17; digits++) {
        double back = 0;
        snprintf(cell, sizeof cell, "%.*g", digits, number);
        if (sscanf(cell, "%lf", &back) == 1 && back == number) break;
    }
    put(w, cell);
}

static void put_days(writer *w, int days, bool defined)
{
    char cell[16] = "";
    if (defined) snprintf(cell, sizeof cell, "%d", days);
    put(w, cell);
}

static void put_flag(writer *w, bool flag, bool defined)
{
    put(w, !defined ? "" : flag ? "yes" : "no");
}

static void put_visit(writer *w, int visit, bool date)
{
    const rp_timeline_visit *v = visit < 0 ? NULL : &w->timeline->visits[visit];
    put(w, !v ? "" : date ? v->date : v->id);
}

/* "PR;node N1", and notes separated by semicolons. */
static void put_joined(writer *w, char *(*part)(const writer *, const rp_visit_result *, size_t),
                       const rp_visit_result *r, size_t count)
{
    RP_AUTOFREE char *joined = rp_strdup("");
    for (size_t i = 0; joined && i < count; i++) {
        RP_AUTOFREE char *before = joined, *one = part(w, r, i);
        joined = one ? rp_format("%s%s%s", before, i ? "; " : "", one) : NULL;
    }
    if (!joined && !w->status)
        w->status = rp_fail(w->err, RP_ERR_MEMORY, "timeline: out of memory");
    put(w, joined);
}

static char *borderline_part(const writer *w, const rp_visit_result *r, size_t i)
{
    const rp_borderline *b = &r->borderline[i];
    const char *code = rp_threshold_code(b->threshold);
    return b->lesion < 0 ? rp_strdup(code)
                         : rp_format("%s %s", code, w->timeline->lesions[b->lesion].id);
}

static char *note_part(const writer *w, const rp_visit_result *r, size_t i)
{
    (void)w;
    return rp_strdup(r->notes[i]);
}

static void put_sums(writer *w, const rp_visit_result *r)
{
    put(w, w->result->options.criteria == RP_VOLUMETRIC ? "cc" : "mm");
    put_number(w, r->sum);
    put_number(w, r->evaluated_sum);
    put_number(w, r->baseline_change_percent);
    put_number(w, r->nadir);
    put_visit(w, r->nadir_visit, false);
    put_number(w, r->nadir_change_percent);
}

static void put_calls(writer *w, const rp_visit_result *r)
{
    put(w, rp_call_code(r->target));
    put(w, rp_call_code(r->non_target));
    put(w, rp_call_code(r->overall));
    put(w, r->rule);
    put(w, r->lesion < 0 ? "" : w->timeline->lesions[r->lesion].id);
    put_joined(w, borderline_part, r, r->borderline_count);
    put(w, r->sentence);
    put_joined(w, note_part, r, r->note_count);
}

static void put_summary(writer *w)
{
    const rp_timeline_result *r = w->result;
    const bool responded = r->response_visit >= 0;
    put(w, rp_call_code(r->best));
    put_visit(w, r->response_visit, true);
    put_visit(w, r->progression_visit, true);
    put_days(w, r->duration_days, responded);
    put_flag(w, r->duration_censored, responded);
    put_days(w, r->progression_free_days, true);
    put_flag(w, r->progression_free_censored, true);
    put_number(w, r->depth_percent);
    if (!w->status)
        w->status = rp_csv_write_cell(
            w->out, r->depth_visit < 0 ? "" : w->timeline->visits[r->depth_visit].id, "\n", w->err);
}

rp_status rp_timeline_csv_rows(rp_outfile *out, const rp_timeline *timeline,
                               const rp_timeline_result *result, rp_error *err)
{
    writer w = {.out = out, .timeline = timeline, .result = result, .err = err};
    for (size_t v = 0; !w.status && v < result->visit_count; v++) {
        put(&w, timeline->patient);
        put(&w, timeline->label);
        put(&w, rp_criteria_code(result->options.criteria));
        put_flag(&w, result->options.criteria == RP_VOLUMETRIC, true);
        put_visit(&w, (int)v, false);
        put_visit(&w, (int)v, true);
        put_days(&w, result->visits[v].day, true);
        put_sums(&w, &result->visits[v]);
        put_calls(&w, &result->visits[v]);
        put_summary(&w);
    }
    return w.status;
}
