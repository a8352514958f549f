/* The files of an assessment: made in a temporary folder, then moved, result.json last. */
#include "assess.h"
#include "origin.h"
#include "reprise/report.h"

#include <stdio.h>
#include <string.h>

/* The last of them appears last: whoever finds result.json finds the others. */
static const char *const outputs[] = {"patient_model.safetensors",
                                      "followup_mask.nii.gz",
                                      "followup_rtstruct.dcm",
                                      "followup_seg.dcm",
                                      "measurements_sr.dcm",
                                      "report.html",
                                      "result.json"};
enum { OUTPUTS = sizeof outputs / sizeof *outputs };

rp_status assess_protect_inputs(const assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    RP_AUTOFREE char *contour = NULL, *truth = NULL;
    const char *roi;
    rp_status status = cmd_split_roi(g->contour, &contour, &roi, err);
    if (!status && g->truth) status = cmd_split_roi(g->truth, &truth, &roi, err);
    const char *const inputs[] = {g->baseline,     contour,           g->followup,
                                  truth,           g->learning.model, g->learning.config,
                                  g->patient_model};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++) {
        if (!inputs[i]) continue;
        status = cmd_protect_input(inputs[i], a->checkpoint, err);
        for (int k = 0; k < OUTPUTS && !status; k++) {
            RP_AUTOFREE char *path = rp_path_join(g->out, outputs[k]);
            status = path ? cmd_protect_input(inputs[i], path, err)
                          : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", g->out);
        }
    }
    for (size_t i = 0; i < g->prior_count && !status; i++)
        for (int k = 0; k < OUTPUTS && !status; k++) {
            RP_AUTOFREE char *path = rp_path_join(g->out, outputs[k]);
            status = path ? cmd_protect_input(g->priors[i], path, err)
                          : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", g->out);
        }
    return status;
}

rp_status assess_check_folder(const assess *a, rp_error *err)
{
    const char *folder = a->arguments->out;
    bool finished = false;
    for (int k = 0; k < OUTPUTS; k++) {
        RP_AUTOFREE char *path = rp_path_join(folder, outputs[k]);
        if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
        if (rp_path_is_directory(path))
            return rp_fail(err, RP_ERR_IO, "%s: a folder is where this file has to go", path);
        finished = k == OUTPUTS - 1 && rp_path_exists(path);
    }
    if (finished)
        rp_log(RP_LOG_WARNING,
               "%s: holds a finished assessment, which this one replaces when it is done", folder);
    return RP_OK;
}

/* ---- single files ------------------------------------------------------------------------ */

static rp_status write_model(assess *a, const char *path, rp_error *err)
{
    rp_status status = rp_model_write(path, &a->model, err);
    return status ? status : rp_sha256_file(path, a->model_sha256, err);
}

static const char *how_made(const assess *a)
{
    if (a->guard.source == RP_GUARD_REGISTERED)
        return a->doubts.answered ? "Baseline contour registered"
                                  : "NOT ACCEPTED (NE). Baseline contour registered";
    return a->doubts.answered ? "Contoured" : "NOT ACCEPTED (NE). Contoured";
}

/* An empty mask has no outline to write, and a series without UIDs nothing to refer to. */
static rp_status write_contours(assess *a, const char *rtstruct, const char *seg, rp_error *err)
{
    if (!a->followup_ct.is_dicom || a->followup.lesion.voxels == 0) return RP_OK;
    RP_AUTOFREE char *seed = rp_format("%s %s", a->model_sha256, a->followup_ct.sha256);
    RP_AUTOFREE char *description =
        rp_format("%s by Reprise %s, for research use only; model SHA-256 %.16s%s%s", how_made(a),
                  RP_VERSION, a->model_sha256, a->label[0] ? "; data: " : "", a->label);
    if (!seed || !description) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", seg);
    const rp_rtstruct_write_options how = {
        .roi_name = a->doubts.answered ? "Lesion (Reprise)" : "Lesion (Reprise, not accepted)",
        .description = description,
        .label = a->label,
        .uid_seed = seed,
        .algorithm = "AUTOMATIC"};
    const rp_seg_write_options seg_how = {.segment_label = how.roi_name,
                                          .description = description,
                                          .label = a->label,
                                          .uid_seed = seed,
                                          .algorithm = "AUTOMATIC"};
    rp_status status =
        rp_rtstruct_write(rtstruct, &a->followup_ct.series, &a->prediction.mask, &how, err);
    if (!status)
        status = rp_seg_write(seg, &a->followup_ct.series, &a->prediction.mask, &seg_how, err);
    if (status != RP_ERR_UNSUPPORTED) return status;
    assess_flag_add(
        a, "no_rtstruct",
        "The follow-up's UIDs were blanked: no RTSTRUCT or SEG can refer to it, and none "
        "was written.");
    return RP_OK;
}

/* result's member of that name has the date, where it may be told. */
static rp_report_visit visit(const rp_json *result, const char *name, const char *title,
                             const cmd_ct *ct)
{
    const char *date = rp_json_get_string(rp_json_get(result, name), "date");
    return (rp_report_visit){.title = title, .date = date ? date : "", .image = &ct->series.image};
}

static rp_status write_report(const assess *a, const rp_json *result, const char *path,
                              rp_error *err)
{
    const char *flags[ASSESS_MAX_FLAGS];
    for (size_t i = 0; i < a->flag_count; i++) flags[i] = a->flags[i].text;
    rp_report report = {.subject = a->arguments->subject ? a->arguments->subject : "",
                        .label = a->label,
                        .baseline = visit(result, "baseline", "Baseline", &a->baseline_ct),
                        .followup = visit(result, "followup", "Follow-up", &a->followup_ct),
                        .response = &a->response,
                        .unaccepted = a->doubts.answered ? NULL : &a->doubts.measured,
                        .loss = a->curve.loss,
                        .dice = a->curve.dice,
                        .epochs = a->curve.epochs,
                        .flags = flags,
                        .flag_count = a->flag_count,
                        .result = result};
    report.baseline.mask = &a->contour.mask;
    report.baseline.lesion = &a->baseline.lesion;
    report.followup.mask = &a->prediction.mask;
    report.followup.lesion = &a->followup.lesion;
    if (a->followup.lesion.voxels && a->guard.source == RP_GUARD_MODEL)
        report.followup.probability = &a->prediction.probability;
    if (a->has_truth) report.followup.truth = &a->truth.mask;
    return rp_report_write_html(path, &report, err);
}

/* ---- all of them ------------------------------------------------------------------------- */

static rp_status write_all(assess *a, char *const paths[OUTPUTS], rp_error *err)
{
    rp_json *result = NULL;
    rp_status status = write_model(a, paths[0], err);
    const cmd_origin origin = {.command = "assess",
                               .what = a->guard.source == RP_GUARD_REGISTERED
                                           ? "followup_mask, registered contour"
                                           : "followup_mask",
                               .label = a->label,
                               .image = &a->followup_ct,
                               .model_sha256 = a->model_sha256,
                               .doubt = a->doubts.answered ? NULL : a->response.rule,
                               .model_label = a->model.provenance.label};
    if (!status) status = cmd_write_mask(paths[1], &a->prediction.mask, &origin, err);
    if (!status) status = write_contours(a, paths[2], paths[3], err);
    if (!status) status = assess_write_report(a, paths[4], err);
    if (status) return status;
    result = assess_result_json(a);
    status = write_report(a, result, paths[5], err);
    if (!status) status = rp_json_write(paths[6], result, err);
    rp_json_destroy(result);
    return status;
}

/* Unlike other commands, an assessment may replace the results of an earlier run. */
rp_status assess_write(assess *a, rp_error *err)
{
    char *made[OUTPUTS] = {0};
    bool complete = true;
    rp_stage stage = {0};
    cmd_doing("writing the results into %s", a->arguments->out);
    rp_status status = rp_stage_begin(a->arguments->out, &stage, err);
    for (int i = 0; i < OUTPUTS && !status; i++) {
        made[i] = rp_path_join(stage.temporary, outputs[i]);
        complete &= made[i] != NULL;
    }
    if (!complete) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", stage.folder);
    if (!status) status = write_all(a, made, err);
    if (!status && cmd_interrupted()) status = rp_fail(err, RP_ERR_CANCELLED, "stopped");
    if (!status) status = rp_stage_replace(&stage, outputs[OUTPUTS - 1], outputs, OUTPUTS, err);
    for (int i = 0; i < OUTPUTS; i++) rp_free(made[i]);
    rp_stage_release(&stage);
    return status;
}
