/* The files of an assessment: made in a temporary folder, then moved, result.json last. */
#include "assess.h"
#include "origin.h"
#include "reprise/report.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which they appear: whoever finds result.json finds the others. */
static const char *const outputs[] = {
    "patient_model.safetensors", "followup_mask.nii.gz", "followup_rtstruct.dcm",
    "followup_seg.dcm",          "measurements_sr.dcm",  "report.html",
    "result.json"};
enum { OUTPUTS = sizeof outputs / sizeof *outputs };

rp_status assess_protect_inputs(const assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    RP_AUTOFREE char *contour = NULL, *truth = NULL;
    const char *roi;
    rp_status status = cmd_split_roi(g->contour, &contour, &roi, err);
    if (!status && g->truth) status = cmd_split_roi(g->truth, &truth, &roi, err);
    const char *const inputs[] = {g->baseline, contour,           g->followup,
                                  truth,       g->learning.model, g->learning.config};
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

/* ---- single files ------------------------------------------------------------------------ */

static rp_status write_model(assess *a, const char *path, rp_error *err)
{
    rp_status status = rp_model_write(path, &a->model, err);
    return status ? status : rp_sha256_file(path, a->model_sha256, err);
}

/* An empty mask has no outline to write, and a series without UIDs nothing to refer to. */
static rp_status write_contours(assess *a, const char *rtstruct, const char *seg, rp_error *err)
{
    if (!a->followup_ct.is_dicom || a->followup.lesion.voxels == 0) return RP_OK;
    RP_AUTOFREE char *seed = rp_format("%s %s", a->model_sha256, a->followup_ct.sha256);
    RP_AUTOFREE char *description =
        rp_format("Contoured by Reprise %s, for research use only; model SHA-256 %.16s%s%s",
                  RP_VERSION, a->model_sha256, a->label[0] ? "; data: " : "", a->label);
    if (!seed || !description) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", seg);
    const rp_rtstruct_write_options how = {.roi_name = "Lesion (Reprise)",
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
    if (a->has_truth) report.followup.truth = &a->truth.mask;
    return rp_report_write_html(path, &report, err);
}

/* ---- all of them ------------------------------------------------------------------------- */

static rp_status write_all(assess *a, char *const paths[OUTPUTS], rp_error *err)
{
    rp_json *result = NULL;
    rp_status status = write_model(a, paths[0], err);
    const cmd_origin origin = {.command = "assess",
                               .what = "followup_mask",
                               .label = a->label,
                               .image = &a->followup_ct,
                               .model_sha256 = a->model_sha256,
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

/* Those of an earlier run go first, so that old and new never stand side by side. */
static rp_status move_all(char *const from[OUTPUTS], char *const to[OUTPUTS], rp_error *err)
{
    for (int i = OUTPUTS; i-- > 0;) unlink(to[i]);
    for (int i = 0; i < OUTPUTS; i++) {
        if (!rp_path_exists(from[i]) || rename(from[i], to[i]) == 0) continue;
        const rp_status status = rp_fail(err, RP_ERR_IO, "%s: %s", to[i], strerror(errno));
        while (i-- > 0) unlink(to[i]);
        return status;
    }
    return RP_OK;
}

/* What a process that was killed while it wrote left behind. */
static void remove_stale_stages(const char *folder)
{
    DIR *list = opendir(folder);
    for (struct dirent *e; list && (e = readdir(list));) {
        if (strncmp(e->d_name, ".reprise-", 9) != 0) continue;
        RP_AUTOFREE char *stale = rp_path_join(folder, e->d_name);
        if (stale) cmd_remove_tree(stale);
    }
    if (list) closedir(list);
}

/* Unlike other commands, an assessment may replace the results of an earlier run. */
static rp_status make_stage(const char *folder, char **stage, rp_error *err)
{
    remove_stale_stages(folder);
    *stage = rp_path_join(folder, ".reprise-XXXXXX");
    if (!*stage) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    if (mkdtemp(*stage)) return RP_OK;
    rp_free(*stage);
    *stage = NULL;
    return rp_fail(err, RP_ERR_IO, "%s: no folder can be made in it: %s", folder, strerror(errno));
}

rp_status assess_write(assess *a, rp_error *err)
{
    const char *folder = a->arguments->out;
    char *made[OUTPUTS] = {0}, *final[OUTPUTS] = {0}, *stage;
    bool complete = true;
    rp_status status = make_stage(folder, &stage, err);
    if (status) return status;
    for (int i = 0; i < OUTPUTS; i++) {
        made[i] = rp_path_join(stage, outputs[i]);
        final[i] = rp_path_join(folder, outputs[i]);
        complete &= made[i] && final[i];
    }
    status = complete ? write_all(a, made, err)
                      : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    if (!status && cmd_interrupted()) status = rp_fail(err, RP_ERR_CANCELLED, "stopped");
    if (!status) status = move_all(made, final, err);
    for (int i = 0; i < OUTPUTS; i++) {
        rp_free(made[i]);
        rp_free(final[i]);
    }
    cmd_remove_tree(stage);
    rp_free(stage);
    return status;
}
