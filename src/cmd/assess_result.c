/* result.json and the summary on the terminal. docs/result-json.md describes every key. */
#include "assess.h"

#include <math.h>
#include <string.h>

/* YYYYMMDD as YYYY-MM-DD; "" for anything else. */
static void readable_date(const char *dicom, char text[16])
{
    text[0] = '\0';
    if (strlen(dicom) == 8) snprintf(text, 16, "%.4s-%.2s-%.2s", dicom, dicom + 4, dicom + 6);
}

/* ---- what was found ---------------------------------------------------------------------- */

static rp_json *visit_json(const assess *a, const cmd_measured *measured, const cmd_ct *ct)
{
    rp_json *json = cmd_lesion_json(&measured->lesion, &ct->series);
    char date[16];
    readable_date(a->arguments->no_dates ? "" : ct->series.header.acquisition_date, date);
    rp_json_set_int(json, "components", measured->components);
    rp_json_set_string(json, "date", date[0] ? date : NULL);
    return json;
}

static rp_json *followup_json(const assess *a)
{
    rp_json *json = visit_json(a, &a->followup, &a->followup_ct);
    const bool measured = a->followup.lesion.voxels > 0;
    rp_json_set_int(json, "components", a->prediction.components);
    rp_json_set_string(json, "state",
                       !measured            ? "not evaluated"
                       : a->doubts.answered ? "measured"
                                            : "not accepted");
    if (measured) return json;
    /* Nothing found is no measurement of 0 mm. */
    static const char *const figures[] = {"longest_diameter_mm", "short_axis_mm", "volume_cc",
                                          "slice_index"};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        rp_json_set_string(json, figures[i], NULL);
    return json;
}

static rp_json *carry_forward_json(const assess *a)
{
    rp_json *json = rp_json_object();
    const rp_lesion *lesion = &a->carry_forward.lesion;
    rp_json_set_number(json, "longest_diameter_mm", lesion->longest_diameter_mm);
    rp_json_set_number(json, "short_axis_mm", lesion->short_axis_mm);
    rp_json_set_number(json, "volume_cc", lesion->volume_cc);
    rp_json_set_number(json, "dice_with_prediction", a->dice_carry_to_prediction);
    return json;
}

static void set_response(rp_json *json, const rp_response_result *r)
{
    rp_json_set_number(json, "change_percent", r->change_percent);
    rp_json_set_string(json, "response", rp_response_code(r->response));
    rp_json_set_string(json, "rule", r->rule);
}

static void set_scores(rp_json *json, const assess *a)
{
    if (!a->has_truth) return;
    const double found = a->followup.lesion.voxels ? a->followup.lesion.longest_diameter_mm
                                                   : NAN; /* written as null */
    rp_json *truth = cmd_lesion_json(&a->true_lesion.lesion, &a->followup_ct.series);
    rp_json_set_int(truth, "components", a->true_lesion.components);
    set_response(truth, &a->true_response);
    rp_json_set_number(json, "dice", a->dice);
    rp_json_set_number(json, "dice_carry_forward", a->dice_carry_forward);
    rp_json_set_number(json, "diameter_error_mm",
                       found - a->true_lesion.lesion.longest_diameter_mm);
    rp_json_set(json, "truth", truth);
}

static rp_json *flags_json(const assess *a)
{
    rp_json *flags = rp_json_array();
    for (size_t i = 0; i < a->flag_count; i++) {
        rp_json *flag = rp_json_object();
        rp_json_set_string(flag, "key", a->flags[i].key);
        rp_json_set_string(flag, "message", a->flags[i].text);
        rp_json_append(flags, flag);
    }
    return flags;
}

static rp_json *adaptation_json(const assess *a)
{
    rp_json *json = rp_json_object();
    const rp_adapt_curve *curve = &a->curve;
    rp_json_set_int(json, "epochs", (int64_t)curve->epochs);
    rp_json_set_int(json, "resumed_epochs", curve->resumed_epochs);
    rp_json_set_bool(json, "given", a->arguments->patient_model != NULL);
    rp_json_set_numbers(json, "spacing_mm", a->model.preprocessing.spacing, 3);
    if (a->model.region[0])
        rp_json_set(json, "region_zyx", cmd_zyx_json(a->model.region));
    else
        rp_json_set_string(json, "region_zyx", NULL);
    rp_json_set_number(json, "baseline_self_dice", a->self_dice);
    if (a->attempts.count) rp_json_set(json, "attempts", cmd_attempts_json(&a->attempts));
    rp_json_set_numbers(json, "loss", curve->loss, curve->epochs);
    rp_json_set_numbers(json, "dice", curve->dice, curve->epochs);
    return json;
}

/* ---- how it came about ------------------------------------------------------------------- */

static rp_json *definitions_json(const assess *a)
{
    rp_json *json = rp_json_object();
    const bool inside = a->settings.diameter == RP_DIAMETER_INSIDE;
    rp_json_set_string(json, "diameter", rp_diameter_definition_name(a->settings.diameter));
    rp_json_set_string(json, "longest_diameter",
                       inside ? "longest segment within the lesion on one axial slice"
                              : "largest distance between two contour points of one axial slice");
    rp_json_set_string(json, "short_axis",
                       "longest extent perpendicular to the longest diameter on its slice");
    rp_json_set_string(json, "contour", "at half intensity between voxel centres");
    rp_json_set_string(json, "volume", "voxels x voxel volume");
    rp_json_set_string(
        json, "lesion",
        a->settings.predict.all_components
            ? "all components together"
            : "one component (26 neighbours): the largest; of the prediction the one "
              "that fits the baseline contour best");
    rp_json_set_string(json, "response", "RECIST 1.1 (Eisenhauer 2009), one target lesion");
    rp_json_set_string(json, "dice",
                       "2 |A and B| / (|A| + |B|) of whole masks on the follow-up's grid");
    rp_json_set_string(json, "carry_forward",
                       "baseline contour at the same world coordinates on the follow-up's grid");
    rp_json_set_string(json, "coordinates", "LPS (DICOM patient coordinates), mm");
    return json;
}

static rp_json *ct_json(const cmd_ct *ct)
{
    rp_json *json = rp_json_object();
    const rp_grid *grid = &ct->series.image.grid;
    const double size[3] = {grid->size[0], grid->size[1], grid->size[2]};
    rp_json_set_string(json, "format", ct->is_dicom ? "DICOM" : "NIfTI");
    rp_json_set_string(json, "image_sha256", ct->sha256);
    rp_json_set_numbers(json, "size_xyz", size, 3);
    rp_json_set_numbers(json, "spacing_xyz_mm", grid->spacing, 3);
    if (ct->is_dicom) rp_json_set_string(json, "series_uid", ct->series.header.series_uid);
    if (ct->label[0]) rp_json_set_string(json, "label", ct->label);
    if (ct->series.repair.resampled || ct->series.repair.duplicates)
        rp_json_set(json, "repair", cmd_repair_json(&ct->series.repair));
    else if (ct->repair[0])
        rp_json_set_string(json, "image_repair", ct->repair);
    return json;
}

static rp_json *contour_json(const cmd_contour *contour)
{
    rp_json *json = rp_json_object();
    static const char *const formats[] = {
        [CMD_NIFTI] = "NIfTI", [CMD_RTSTRUCT] = "RTSTRUCT", [CMD_SEG] = "SEG"};
    rp_json_set_string(json, "format", formats[contour->format]);
    rp_json_set_string(json, "file_sha256", contour->sha256);
    if (contour->format != CMD_NIFTI) rp_json_set_string(json, "roi_name", contour->roi_name);
    return json;
}

static rp_json *inputs_json(const assess *a)
{
    rp_json *json = rp_json_object();
    rp_json_set(json, "baseline", ct_json(&a->baseline_ct));
    rp_json_set(json, "contour", contour_json(&a->contour));
    rp_json_set(json, "followup", ct_json(&a->followup_ct));
    if (a->has_truth) rp_json_set(json, "truth", contour_json(&a->truth));
    if (a->base_model_sha256[0]) {
        rp_json *model = rp_json_object();
        rp_json_set_string(model, "file_sha256", a->base_model_sha256);
        rp_json_set(json, "model", model);
    }
    return json;
}

static rp_json *overrides_json(const assess_arguments *g)
{
    rp_json *json = rp_json_array();
    if (g->learning.allow_patient_mismatch) rp_json_append_string(json, "patient-mismatch");
    if (g->allow_date_order) rp_json_append_string(json, "date-order");
    if (g->learning.allow_series_mismatch) rp_json_append_string(json, "series-mismatch");
    if (g->learning.allow_non_ct) rp_json_append_string(json, "non-ct");
    cmd_doubts_overrides(&g->accept, json);
    return json;
}

static rp_json *provenance_json(const assess *a)
{
    const assess_arguments *g = a->arguments;
    rp_json *json = cmd_provenance_json(g->argc, g->argv), *memory = rp_json_object();
    rp_json_set_int(json, "seed", (int64_t)a->settings.adapt.seed);
    rp_json_set_string(json, "model_sha256", a->model_sha256);
    rp_json_set(json, "inputs", inputs_json(a));
    rp_json_set(json, "overrides", overrides_json(g));
    rp_json_set_int(memory, "limit_bytes", (int64_t)a->memory.budget);
    rp_json_set_int(memory, "images_bytes", (int64_t)a->memory.images);
    rp_json_set_int(memory, "training_bytes", (int64_t)a->memory.training);
    rp_json_set_int(memory, "prediction_bytes", (int64_t)a->prediction.memory_bytes);
    rp_json_set_int(memory, "prediction_tiles", a->prediction.tiles);
    rp_json_set(json, "memory", memory);
    rp_json_set(json, "settings", cmd_settings_json(&a->settings));
    return json;
}

static rp_json *timing_json(const assess *a)
{
    rp_json *json = rp_json_object();
    const assess_timing *t = &a->timing;
    rp_json_set_number(json, "load_seconds", t->load);
    rp_json_set_number(json, "align_seconds", t->align);
    rp_json_set_number(json, "adapt_seconds", t->adapt);
    rp_json_set_number(json, "guard_seconds", t->guard);
    rp_json_set_number(json, "segment_seconds", t->segment);
    rp_json_set_number(json, "compare_seconds", t->compare);
    rp_json_set_number(json, "measure_seconds", t->measure);
    rp_json_set_number(json, "verify_seconds", t->verify);
    rp_json_set_number(json, "total_seconds", rp_seconds() - t->start);
    return json;
}

/* null where the guard was off. */
static void set_guard(rp_json *json, const assess *a)
{
    rp_json *interval = cmd_interval_json(&a->guard);
    rp_json *guard = cmd_guard_json(&a->guard, &a->settings);
    if (interval)
        rp_json_set(json, "interval", interval);
    else
        rp_json_set_string(json, "interval", NULL);
    if (guard)
        rp_json_set(json, "guard", guard);
    else
        rp_json_set_string(json, "guard", NULL);
}

static rp_json *window_json(const rp_preprocessing *p)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "low_hu", p->window_low_hu);
    rp_json_set_number(json, "high_hu", p->window_high_hu);
    return json;
}

rp_json *assess_result_json(const assess *a)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "format", "reprise-result");
    rp_json_set_int(json, "format_version", 1);
    rp_json_set_string(json, "notice", "For research use only.");
    rp_json_set_string(json, "subject", a->arguments->subject);
    rp_json_set_string(json, "label", a->label);
    set_response(json, &a->response);
    rp_json_set_bool(json, "measurable_at_baseline", a->response.measurable_at_baseline);
    if (a->has_interval)
        rp_json_set_int(json, "interval_days", a->interval_days);
    else
        rp_json_set_string(json, "interval_days", NULL);
    rp_json_set(json, "flags", flags_json(a));
    rp_json_set(json, "baseline", visit_json(a, &a->baseline, &a->baseline_ct));
    rp_json_set(json, "followup", followup_json(a));
    rp_json_set(json, "plausibility", cmd_doubts_json(&a->doubts, &a->settings));
    rp_json_set(json, "place", cmd_place_json(&a->place, &a->prediction));
    rp_json_set_string(json, "contour_source", rp_guard_source_name(a->guard.source));
    rp_json_set(json, "sources", cmd_sources_json(&a->sources, a->has_truth));
    set_guard(json, a);
    rp_json_set(json, "carry_forward", carry_forward_json(a));
    set_scores(json, a);
    if (a->arguments->prior_count) rp_json_set(json, "prior", assess_prior_json(a));
    rp_json_set(json, "adaptation", adaptation_json(a));
    rp_json_set(json, "window", window_json(&a->settings.preprocessing));
    rp_json_set(json, "definitions", definitions_json(a));
    rp_json_set(json, "provenance", provenance_json(a));
    rp_json_set(json, "timing", timing_json(a));
    return json;
}

/* ---- summary ----------------------------------------------------------------------------- */

static void print_visit(const char *name, const rp_lesion *lesion, bool accepted)
{
    if (lesion->voxels == 0)
        printf("%-10s no tumour found: failure to segment, a person must confirm\n", name);
    else
        printf("%-10s longest diameter %.1f mm, short axis %.1f mm, %.1f cc%s\n", name,
               lesion->longest_diameter_mm, lesion->short_axis_mm, lesion->volume_cc,
               accepted ? "" : " (not accepted)");
}

/* Which contour it is, and what the other one would measure. */
static void print_source(const assess *a)
{
    const cmd_sources *s = &a->sources;
    const rp_guard_source other =
        a->guard.source == RP_GUARD_MODEL ? RP_GUARD_REGISTERED : RP_GUARD_MODEL;
    if (a->followup.lesion.voxels == 0) return;
    printf("%-10s %s", "Contour", rp_guard_source_name(a->guard.source));
    if (s->compared)
        printf("; the %s has %.1f mm, Dice between them %.2f", rp_guard_source_name(other),
               s->measured[other].lesion.longest_diameter_mm, s->dice_between);
    printf("\n");
}

static void print_interval(const assess *a)
{
    char interval[64], chances[96];
    cmd_interval_text(&a->guard, a->followup.lesion.longest_diameter_mm, interval);
    cmd_chances_text(&a->guard, chances);
    if (interval[0] && a->doubts.answered)
        printf("%-10s %s, %s\n", "Interval", interval, chances);
    else if (a->guard.on && !a->guard.answer.found && !a->doubts.doubts.found[RP_DOUBT_GUARD])
        printf("%-10s the lesion is gone with %.2f, else it was missed\n", "Interval",
               a->guard.answer.gone);
}

void assess_warn(const assess *a)
{
    const char *out = a->arguments->out;
    if (a->doubts.answered && a->flag_count == 0) return;
    fprintf(stderr, "reprise: %s/result.json: response %s, %zu to check before use\n", out,
            rp_response_code(a->response.response), a->flag_count);
    for (size_t i = 0; i < a->flag_count; i++) fprintf(stderr, "  %s\n", a->flags[i].text);
}

void assess_summarise(const assess *a)
{
    const rp_response_result *r = &a->response;
    if (a->label[0]) printf("%-10s %s\n", "Data", a->label);
    print_visit("Baseline", &a->baseline.lesion, true);
    print_visit("Follow-up", &a->followup.lesion, a->doubts.answered);
    print_source(a);
    if (isfinite(r->change_percent)) printf("%-10s %+.1f%%\n", "Change", r->change_percent);
    if (a->prior.nadir_mm > 0)
        printf("%-10s %.1f mm, %s\n", "Nadir", a->prior.nadir_mm,
               a->arguments->no_dates ? "from earlier reports" : a->prior.nadir_date);
    printf("%-10s %s (%s)\n", "Response", rp_response_code(r->response),
           rp_response_name(r->response));
    print_interval(a);
    printf("%-10s %s\n", "Rule", r->rule);
    if (!a->doubts.answered && isfinite(a->doubts.measured.change_percent))
        printf("%-10s %+.1f%%, would be %s; --accept-implausible takes the keys in result.json\n",
               "Figures", a->doubts.measured.change_percent,
               rp_response_code(a->doubts.measured.response));
    if (a->has_truth) {
        printf("%-10s longest diameter %.1f mm, response %s\n", "Truth",
               a->true_lesion.lesion.longest_diameter_mm,
               rp_response_code(a->true_response.response));
        printf("%-10s %.3f; baseline contour carried forward %.3f\n", "Dice", a->dice,
               a->dice_carry_forward);
    }
    for (size_t i = 0; i < a->flag_count; i++)
        printf("%-10s %s\n", "Check", cmd_shown(a->flags[i].text));
    printf("%-10s %s/report.html\n", "Report", a->arguments->out);
}
