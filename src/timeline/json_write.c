/* Timelines and results as JSON. */
#include "reprise/timeline.h"

#include <math.h>
#include <string.h>

/* ---- a timeline -------------------------------------------------------------------------- */

static void set_text(rp_json *object, const char *key, const char *text)
{
    if (text && text[0]) rp_json_set_string(object, key, text);
}

static void set_given(rp_json *object, const char *key, double number)
{
    if (!isnan(number)) rp_json_set_number(object, key, number);
}

static rp_json *lesion_json(const rp_timeline_lesion *l)
{
    const char *role = rp_role_code(l->role);
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "id", l->id);
    set_text(json, "organ", l->organ);
    set_text(json, "side", l->side);
    rp_json_set_bool(json, "nodal", l->nodal);
    rp_json_set_string(json, "role", role ? role : l->role_word);
    set_text(json, "description", l->description);
    return json;
}

static rp_json *finding_json(const rp_timeline_finding *f)
{
    const char *state = rp_state_code(f->state);
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "lesion", f->lesion);
    rp_json_set_string(json, "state", state ? state : f->state_word);
    set_given(json, "longest_mm", f->longest_mm);
    set_given(json, "short_axis_mm", f->short_axis_mm);
    set_given(json, "viable_mm", f->viable_mm);
    set_given(json, "volume_cc", f->volume_cc);
    set_text(json, "into", f->into);
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
    set_given(json, "slice_spacing_mm", v->slice_spacing_mm);
    set_text(json, "phase", v->phase);
    for (size_t i = 0; i < v->finding_count; i++)
        rp_json_append(findings, finding_json(&v->findings[i]));
    rp_json_set(json, "findings", findings);
    return json;
}

rp_json *rp_timeline_json(const rp_timeline *t)
{
    rp_json *json = rp_json_object(), *lesions = rp_json_array(), *visits = rp_json_array();
    rp_json_set_string(json, "format", RP_TIMELINE_FORMAT);
    rp_json_set_string(json, "patient", t->patient);
    rp_json_set_string(json, "label", t->label);
    for (size_t i = 0; i < t->lesion_count; i++)
        rp_json_append(lesions, lesion_json(&t->lesions[i]));
    for (size_t i = 0; i < t->visit_count; i++) rp_json_append(visits, visit_json(&t->visits[i]));
    rp_json_set(json, "lesions", lesions);
    rp_json_set(json, "visits", visits);
    return json;
}

rp_status rp_timeline_write(const char *path, const rp_timeline *timeline, rp_error *err)
{
    rp_json *json = rp_timeline_json(timeline);
    rp_status status = json ? rp_json_write(path, json, err)
                            : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    rp_json_destroy(json);
    return status;
}

/* ---- a result ---------------------------------------------------------------------------- */

static rp_json *options_json(const rp_response_options *o)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "criteria", rp_criteria_code(o->criteria));
    rp_json_set_bool(json, "confirmation", o->confirmation);
    rp_json_set_int(json, "confirmation_days", o->confirmation_days);
    rp_json_set_int(json, "minimum_sd_days", o->minimum_sd_days);
    rp_json_set_bool(json, "keep_pr", o->keep_pr);
    rp_json_set_number(json, "too_small_mm", o->too_small_mm);
    rp_json_set_number(json, "progression_minimum_mm", o->progression_minimum_mm);
    rp_json_set_bool(json, "reappearance_is_pd", o->reappearance_is_pd);
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

static rp_json *notes_json(const char *const *notes, size_t count)
{
    rp_json *json = rp_json_array();
    for (size_t i = 0; i < count; i++) rp_json_append_string(json, notes[i]);
    return json;
}

static const char *lesion_id(const rp_timeline *t, int lesion)
{
    return lesion < 0 ? NULL : t->lesions[lesion].id;
}

static rp_json *borderline_json(const rp_timeline *t, const rp_visit_result *r, bool volumes)
{
    rp_json *json = rp_json_array();
    for (size_t i = 0; i < r->borderline_count; i++) {
        const rp_borderline *b = &r->borderline[i];
        const bool of_volumes = volumes && b->threshold != RP_THRESHOLD_NODE;
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "threshold", rp_threshold_code(b->threshold));
        rp_json_set_string(one, "lesion", lesion_id(t, b->lesion));
        rp_json_set_number(one, of_volumes ? "distance_cc" : "distance_mm", b->distance);
        rp_json_append(json, one);
    }
    return json;
}

static rp_json *visit_result_json(const rp_timeline *t, size_t visit, const rp_visit_result *r,
                                  bool volumes)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "id", t->visits[visit].id);
    rp_json_set_string(json, "date", t->visits[visit].date);
    rp_json_set_number(json, volumes ? "sum_cc" : "sum_mm", r->sum);
    rp_json_set_number(json, volumes ? "evaluated_sum_cc" : "evaluated_sum_mm", r->evaluated_sum);
    rp_json_set_number(json, "baseline_change_percent", r->baseline_change_percent);
    rp_json_set_number(json, volumes ? "nadir_cc" : "nadir_mm", r->nadir);
    rp_json_set_string(json, "nadir_visit",
                       r->nadir_visit < 0 ? NULL : t->visits[r->nadir_visit].id);
    rp_json_set_number(json, "nadir_change_percent", r->nadir_change_percent);
    rp_json_set_number(json, volumes ? "pr_limit_cc" : "pr_limit_mm", r->partial_limit);
    rp_json_set_number(json, volumes ? "pd_limit_cc" : "pd_limit_mm", r->progression_limit);
    rp_json_set_string(json, "target", rp_call_code(r->target));
    rp_json_set_string(json, "non_target", rp_call_code(r->non_target));
    rp_json_set_string(json, "overall", rp_call_code(r->overall));
    rp_json_set_string(json, "rule", r->rule);
    rp_json_set_string(json, "lesion", lesion_id(t, r->lesion));
    rp_json_set_string(json, "sentence", r->sentence);
    rp_json_set(json, "borderline", borderline_json(t, r, volumes));
    rp_json_set(json, "notes", notes_json(r->notes, r->note_count));
    return json;
}

static void set_visit(rp_json *json, const char *key, const rp_timeline *t, int visit, bool date)
{
    const rp_timeline_visit *v = visit < 0 ? NULL : &t->visits[visit];
    rp_json_set_string(json, key, v ? date ? v->date : v->id : NULL);
}

static void set_summary(rp_json *json, const rp_timeline *t, const rp_timeline_result *r)
{
    rp_json_set_string(json, "best_overall_response", rp_call_code(r->best));
    set_visit(json, "response_date", t, r->response_visit, true);
    set_visit(json, "progression_date", t, r->progression_visit, true);
    if (r->response_visit < 0) {
        rp_json_set_string(json, "duration_of_response_days", NULL);
        rp_json_set_string(json, "duration_censored", NULL);
    } else {
        rp_json_set_int(json, "duration_of_response_days", r->duration_days);
        rp_json_set_bool(json, "duration_censored", r->duration_censored);
    }
    rp_json_set_int(json, "progression_free_days", r->progression_free_days);
    rp_json_set_bool(json, "progression_free_censored", r->progression_free_censored);
    rp_json_set_number(json, "depth_percent", r->depth_percent);
    set_visit(json, "depth_visit", t, r->depth_visit, false);
    rp_json_set(json, "notes", notes_json(r->notes, r->note_count));
}

rp_json *rp_timeline_result_json(const rp_timeline *t, const rp_timeline_result *result)
{
    const bool volumes = result->options.criteria == RP_VOLUMETRIC;
    rp_json *json = rp_json_object(), *visits = rp_json_array();
    rp_json_set_string(json, "patient", t->patient);
    rp_json_set_string(json, "criteria", rp_criteria_code(result->options.criteria));
    rp_json_set_bool(json, "exploratory", volumes);
    rp_json_set_string(json, "label", t->label);
    rp_json_set(json, "options", options_json(&result->options));
    for (size_t v = 0; v < result->visit_count; v++)
        rp_json_append(visits, visit_result_json(t, v, &result->visits[v], volumes));
    rp_json_set(json, "visits", visits);
    set_summary(json, t, result);
    return json;
}
