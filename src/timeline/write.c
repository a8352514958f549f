/* Timelines and their results as JSON, and results as a table. */
#include "internal.h"

#include <math.h>
#include <string.h>

static void set_words(rp_json *object, const char *key, const char *words)
{
    if (words && *words) rp_json_set_string(object, key, words);
}

static void set_known(rp_json *object, const char *key, double value)
{
    if (isfinite(value)) rp_json_set_number(object, key, value);
}

/* ---- timelines ------------------------------------------------------------------------------- */

static rp_json *lesion_json(const rp_timeline_lesion *lesion)
{
    rp_json *json = rp_json_object();
    const char *role = rp_role_code(lesion->role);
    rp_json_set_string(json, "id", lesion->id);
    set_words(json, "organ", lesion->organ);
    set_words(json, "side", lesion->side);
    rp_json_set_bool(json, "nodal", lesion->nodal);
    rp_json_set_string(json, "role", role ? role : lesion->role_word);
    set_words(json, "description", lesion->description);
    return json;
}

static rp_json *finding_json(const rp_timeline_finding *f)
{
    rp_json *json = rp_json_object();
    const char *state = rp_state_code(f->state);
    rp_json_set_string(json, "lesion", f->lesion);
    rp_json_set_string(json, "state", state ? state : f->state_word);
    set_known(json, "longest_mm", f->longest_mm);
    set_known(json, "short_axis_mm", f->short_axis_mm);
    set_known(json, "viable_mm", f->viable_mm);
    set_known(json, "volume_cc", f->volume_cc);
    set_words(json, "into", f->into);
    if (f->part_count) rp_json_set_numbers(json, "parts_mm", f->parts_mm, f->part_count);
    if (f->viable_count)
        rp_json_set_numbers(json, "parts_viable_mm", f->parts_viable_mm, f->viable_count);
    return json;
}

static rp_json *visit_json(const rp_timeline_visit *v)
{
    rp_json *json = rp_json_object(), *findings = rp_json_array();
    rp_json_set_string(json, "id", v->id);
    rp_json_set_string(json, "date", v->date);
    set_known(json, "slice_spacing_mm", v->slice_spacing_mm);
    set_words(json, "phase", v->phase);
    for (size_t i = 0; i < v->finding_count; i++)
        rp_json_append(findings, finding_json(&v->findings[i]));
    rp_json_set(json, "findings", findings);
    return json;
}

rp_json *rp_timeline_json(const rp_timeline *timeline)
{
    rp_json *json = rp_json_object(), *lesions = rp_json_array(), *visits = rp_json_array();
    rp_json_set_string(json, "format", "reprise.timeline/1");
    rp_json_set_string(json, "patient", timeline->patient);
    rp_json_set_string(json, "label", timeline->label);
    for (size_t i = 0; i < timeline->lesion_count; i++)
        rp_json_append(lesions, lesion_json(&timeline->lesions[i]));
    for (size_t i = 0; i < timeline->visit_count; i++)
        rp_json_append(visits, visit_json(&timeline->visits[i]));
    rp_json_set(json, "lesions", lesions);
    rp_json_set(json, "visits", visits);
    return json;
}

/* ---- results --------------------------------------------------------------------------------- */

static const char *lesion_id(const rp_timeline *t, int lesion)
{
    return lesion >= 0 ? t->lesions[lesion].id : NULL;
}

static rp_json *words_json(const char **words, size_t count)
{
    rp_json *list = rp_json_array();
    for (size_t i = 0; i < count; i++) rp_json_append_string(list, words[i]);
    return list;
}

static rp_json *borderline_json(const rp_timeline *t, const rp_visit_result *v, bool volume)
{
    rp_json *list = rp_json_array();
    for (size_t i = 0; i < v->borderline_count; i++) {
        const rp_borderline *b = &v->borderline[i];
        rp_json *one = rp_json_object();
        const bool cc = volume && b->threshold != RP_THRESHOLD_NODE;
        rp_json_set_string(one, "threshold", rp_threshold_code(b->threshold));
        rp_json_set_string(one, "lesion", lesion_id(t, b->lesion));
        rp_json_set_number(one, cc ? "distance_cc" : "distance_mm", b->distance);
        rp_json_append(list, one);
    }
    return list;
}

static void set_sums(rp_json *json, const rp_timeline *t, const rp_visit_result *v, bool volume)
{
    rp_json_set_number(json, volume ? "sum_cc" : "sum_mm", v->sum);
    rp_json_set_number(json, volume ? "evaluated_sum_cc" : "evaluated_sum_mm", v->evaluated_sum);
    rp_json_set_number(json, "baseline_change_percent", v->baseline_change_percent);
    rp_json_set_number(json, volume ? "nadir_cc" : "nadir_mm", v->nadir);
    rp_json_set_string(json, "nadir_visit",
                       v->nadir_visit >= 0 ? t->visits[v->nadir_visit].id : NULL);
    rp_json_set_number(json, "nadir_change_percent", v->nadir_change_percent);
    rp_json_set_number(json, volume ? "pr_limit_cc" : "pr_limit_mm", v->partial_limit);
    rp_json_set_number(json, volume ? "pd_limit_cc" : "pd_limit_mm",
                       v->progression_limit);
}

static rp_json *visit_result_json(const rp_timeline *t, size_t i, const rp_visit_result *v,
                                  bool volume)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "id", t->visits[i].id);
    rp_json_set_string(json, "date", t->visits[i].date);
    set_sums(json, t, v, volume);
    rp_json_set_string(json, "target", rp_call_code(v->target));
    rp_json_set_string(json, "non_target", rp_call_code(v->non_target));
    rp_json_set_bool(json, "new_lesion", v->new_lesion);
    rp_json_set_string(json, "overall", rp_call_code(v->overall));
    rp_json_set_string(json, "rule", v->rule);
    rp_json_set_string(json, "lesion", lesion_id(t, v->lesion));
    rp_json_set_string(json, "sentence", v->sentence);
    rp_json_set(json, "borderline", borderline_json(t, v, volume));
    rp_json_set(json, "notes", words_json(v->notes, v->note_count));
    return json;
}

static rp_json *options_json(const rp_response_options *o)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "criteria", rp_criteria_code(o->criteria));
    rp_json_set_bool(json, "confirmation", o->confirmation);
    rp_json_set_int(json, "confirmation_days", o->confirmation_days);
    rp_json_set_int(json, "minimum_sd_days", o->minimum_sd_days);
    rp_json_set_bool(json, "keep_pr", o->keep_pr);
    rp_json_set_bool(json, "reappearance_is_pd", o->reappearance_is_pd);
    rp_json_set_number(json, "too_small_mm", o->too_small_mm);
    rp_json_set_number(json, "progression_minimum_mm", o->progression_minimum_mm);
    rp_json_set_number(json, "node_normal_mm", o->node_normal_mm);
    rp_json_set_number(json, "node_target_mm", o->node_target_mm);
    rp_json_set_number(json, "target_mm", o->target_mm);
    rp_json_set_number(json, "reader_error_mm", o->reader_error_mm);
    rp_json_set_number(json, "reader_error_percent", o->reader_error_percent);
    rp_json_set_int(json, "irecist_earliest_days", o->irecist_earliest_days);
    rp_json_set_int(json, "irecist_latest_days", o->irecist_latest_days);
    rp_json_set_number(json, "irecist_further_mm", o->irecist_further_mm);
    return json;
}

static const char *date_of(const rp_timeline *t, int visit)
{
    return visit >= 0 ? t->visits[visit].date : NULL;
}

static void set_over_visits(rp_json *json, const rp_timeline *t, const rp_timeline_result *r)
{
    const bool responded = r->response_visit >= 0;
    rp_json_set_string(json, "best_overall_response", rp_call_code(r->best));
    rp_json_set_string(json, "response_date", date_of(t, r->response_visit));
    rp_json_set_string(json, "progression_date", date_of(t, r->progression_visit));
    rp_json_set_number(json, "duration_of_response_days", responded ? r->duration_days : NAN);
    if (responded)
        rp_json_set_bool(json, "duration_censored", r->duration_censored);
    else
        rp_json_set_string(json, "duration_censored", NULL);
    rp_json_set_int(json, "progression_free_days", r->progression_free_days);
    rp_json_set_bool(json, "progression_free_censored", r->progression_free_censored);
    rp_json_set_number(json, "depth_percent", r->depth_percent);
    rp_json_set_string(json, "depth_visit",
                       r->depth_visit >= 0 ? t->visits[r->depth_visit].id : NULL);
}

rp_json *rp_timeline_result_json(const rp_timeline *timeline, const rp_timeline_result *result)
{
    const bool volume = result->options.criteria == RP_VOLUMETRIC;
    rp_json *json = rp_json_object(), *visits = rp_json_array();
    rp_json_set_string(json, "patient", timeline->patient);
    rp_json_set_string(json, "criteria", rp_criteria_code(result->options.criteria));
    rp_json_set_string(json, "label", timeline->label);
    rp_json_set_bool(json, "exploratory", volume);
    rp_json_set(json, "options", options_json(&result->options));
    for (size_t i = 0; i < result->visit_count; i++)
        rp_json_append(visits, visit_result_json(timeline, i, &result->visits[i], volume));
    rp_json_set(json, "visits", visits);
    set_over_visits(json, timeline, result);
    rp_json_set(json, "notes", words_json(result->notes, result->note_count));
    return json;
}

/* ---- as a table ------------------------------------------------------------------------------ */

static void write_row(sheet *s, const rp_assessed *a, size_t i)
{
    const rp_timeline *t = a->timeline;
    const rp_visit_result *v = &a->result->visits[i];
    sheet_words(s, t->patient);
    sheet_words(s, t->label);
    sheet_words(s, rp_criteria_code(a->result->options.criteria));
    sheet_words(s, t->visits[i].id);
    sheet_words(s, t->visits[i].date);
    sheet_number(s, v->sum);
    sheet_number(s, v->evaluated_sum);
    sheet_number(s, v->baseline_change_percent);
    sheet_number(s, v->nadir);
    sheet_number(s, v->nadir_change_percent);
    sheet_words(s, rp_call_code(v->target));
    sheet_words(s, rp_call_code(v->non_target));
    sheet_words(s, i == 0 ? "" : v->new_lesion ? "yes" : "no");
    sheet_words(s, rp_call_code(v->overall));
    sheet_words(s, v->rule);
    sheet_words(s, lesion_id(t, v->lesion));
    sheet_words(s, v->borderline_count ? "yes" : "no");
    sheet_words(s, rp_call_code(a->result->best));
    sheet_words(s, v->sentence);
    sheet_end_row(s);
}

rp_status rp_timeline_write_csv(const char *path, const rp_assessed *patients, size_t count,
                                rp_error *err)
{
    const bool volume = count && patients[0].result->options.criteria == RP_VOLUMETRIC;
    const char *const columns[] = {"patient",
                                   "label",
                                   "criteria",
                                   "visit",
                                   "date",
                                   volume ? "sum_cc" : "sum_mm",
                                   volume ? "evaluated_sum_cc" : "evaluated_sum_mm",
                                   "baseline_change_percent",
                                   volume ? "nadir_cc" : "nadir_mm",
                                   "nadir_change_percent",
                                   "target",
                                   "non_target",
                                   "new_lesion",
                                   "overall",
                                   "rule",
                                   "lesion",
                                   "borderline",
                                   "best_overall_response",
                                   "sentence",
                                   NULL};
    sheet s;
    sheet_begin(&s, path, columns, err);
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < patients[p].result->visit_count; i++) write_row(&s, &patients[p], i);
    return sheet_end(&s);
}
