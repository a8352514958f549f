/* reprise register: baseline and follow-up registered, and the baseline's contour carried. */
#include "origin.h"
#include "registered.h"

#include "reprise/dicom_patient.h"

#include <math.h>
#include <string.h>

enum {
    KEY_BASELINE = 1,
    KEY_FOLLOWUP,
    KEY_CONTOUR,
    KEY_POINTS,
    KEY_OUT,
    KEY_SERIES,
    KEY_FOLLOWUP_SERIES,
    KEY_PATIENT_MISMATCH
};

typedef struct register_arguments {
    cmd_common common;
    const char *baseline, *followup, *contour, *points, *out, *series, *followup_series;
    bool allow_patient_mismatch;
    int argc;
    char **argv;
} register_arguments;

typedef struct visits {
    cmd_ct baseline, followup;
    cmd_contour contour; /* without mask where none was given */
    char label[32];
} visits;

static const struct argp_option options[] = {
    {"baseline", KEY_BASELINE, "CT", 0, "Baseline: DICOM folder or NIfTI file", 0},
    {"followup", KEY_FOLLOWUP, "CT", 0, "Follow-up: DICOM folder or NIfTI file", 0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0,
     "Lesion at baseline, to be carried: RTSTRUCT, SEG or NIfTI mask", 0},
    {"points", KEY_POINTS, "FILE.csv", 0,
     "Points of the baseline to be carried: x,y,z in each line, LPS mm", 0},
    {"out", KEY_OUT, "DIR", 0, "Where the results go", 0},
    {"series", KEY_SERIES, "UID", 0, "Series of the baseline's folder", 0},
    {"followup-series", KEY_FOLLOWUP_SERIES, "UID", 0, "Series of the follow-up's folder", 0},
    {"allow-patient-mismatch", KEY_PATIENT_MISMATCH, NULL, 0,
     "Override the refusal of two patients", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    register_arguments *a = state->input;
    const char **const texts[] = {[KEY_BASELINE] = &a->baseline,
                                  [KEY_FOLLOWUP] = &a->followup,
                                  [KEY_CONTOUR] = &a->contour,
                                  [KEY_POINTS] = &a->points,
                                  [KEY_OUT] = &a->out,
                                  [KEY_SERIES] = &a->series,
                                  [KEY_FOLLOWUP_SERIES] = &a->followup_series};
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case KEY_PATIENT_MISMATCH:
        a->allow_patient_mismatch = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->baseline || !a->followup || !a->out)
            argp_error(state, "--baseline, --followup and --out are needed");
        return 0;
    default:
        if (key < KEY_BASELINE || key > KEY_FOLLOWUP_SERIES) return ARGP_ERR_UNKNOWN;
        *texts[key] = argument;
        return 0;
    }
}

static const struct argp_child children[] = {
    {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc = "Registers two CTs of one patient, rigidly and then deformably, and carries the "
           "baseline's contour and points to the follow-up. What a treatment takes away or leaves "
           "is no motion: a carried contour is a comparison, not a measurement.\v"
           "DIR receives registration.json and, with --contour, carried_mask.nii.gz and (of a "
           "DICOM follow-up) carried_rtstruct.dcm and carried_seg.dcm, all or none.",
    .children = children};

/* ---- inputs ------------------------------------------------------------------------------ */

static const char *const outputs[] = {"carried_mask.nii.gz", "carried_rtstruct.dcm",
                                      "carried_seg.dcm", "registration.json"};

static rp_status protect_inputs(const register_arguments *a, rp_error *err)
{
    RP_AUTOFREE char *contour = NULL;
    const char *roi;
    rp_status status = a->contour ? cmd_split_roi(a->contour, &contour, &roi, err) : RP_OK;
    const char *const inputs[] = {a->baseline, a->followup, contour, a->points};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++)
        for (size_t k = 0; inputs[i] && k < sizeof outputs / sizeof *outputs && !status; k++) {
            RP_AUTOFREE char *path = rp_path_join(a->out, outputs[k]);
            status = path ? cmd_protect_input(inputs[i], path, err)
                          : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", a->out);
        }
    return status;
}

static rp_status check_patient(const register_arguments *a, const visits *v, rp_error *err)
{
    char what[96];
    const unsigned differs =
        rp_dicom_identity_differs(&v->baseline.series.header, &v->followup.series.header);
    rp_dicom_identity_text(differs, what);
    if (!differs || a->allow_patient_mismatch) return RP_OK;
    return rp_fail(err, RP_ERR_REFUSED,
                   "%s: the follow-up is of another patient than the baseline %s (their %s "
                   "differ); --allow-patient-mismatch overrides this",
                   a->followup, a->baseline, what);
}

static rp_status load(const register_arguments *a, visits *v, rp_error *err)
{
    const rp_progress *progress = cmd_progress(&a->common);
    cmd_ct_options ct = {.series = a->series, .allow_mixed_patients = a->allow_patient_mismatch};
    const cmd_contour_options contour = {.allow_patient_mismatch = a->allow_patient_mismatch};
    rp_status status = cmd_ct_load(a->baseline, &ct, progress, &v->baseline, err);
    if (!status && a->contour)
        status = cmd_contour_load(a->contour, &v->baseline, &contour, &v->contour, err);
    ct.series = a->followup_series;
    if (!status) status = cmd_ct_load(a->followup, &ct, progress, &v->followup, err);
    if (!status) status = check_patient(a, v, err);
    if (status) return status;
    const char *images = cmd_label_of_both(v->baseline.label, v->followup.label);
    snprintf(v->label, sizeof v->label, "%s", cmd_label_of_both(images, v->contour.label));
    return RP_OK;
}

/* ---- points ------------------------------------------------------------------------------ */

static rp_json *point_json(const cmd_registered *registered, const double baseline[3])
{
    double followup[3];
    rp_json *json = rp_json_object();
    const bool met = rp_deform_to_followup(registered->deform, baseline, followup);
    rp_json_set_numbers(json, "baseline_lps", baseline, 3);
    rp_json_set_numbers(json, "followup_lps", followup, 3);
    rp_json_set_bool(json, "met", met);
    return json;
}

/* *list is an array of what is carried; empty without a file. */
static rp_status carry_points(const char *path, const cmd_registered *registered, rp_json *list,
                              rp_error *err)
{
    RP_AUTOFREE uint8_t *bytes = NULL;
    size_t size;
    rp_status status = path ? rp_file_read(path, &bytes, &size, err) : RP_OK;
    if (!path || status) return status;
    size_t row = 1;
    char *rest = NULL;
    for (char *line = strtok_r((char *)bytes, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest), row++) {
        double point[3];
        line[strcspn(line, "\r")] = '\0';
        if (!cmd_parse_numbers(line, point))
            return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu is no x,y,z", path, row);
        rp_json_append(list, point_json(registered, point));
    }
    return RP_OK;
}

/* ---- outputs ----------------------------------------------------------------------------- */

static rp_status write_dicom(const visits *v, const rp_mask *mask, const char *folder,
                             rp_error *err)
{
    RP_AUTOFREE char *rtstruct = rp_path_join(folder, outputs[1]);
    RP_AUTOFREE char *seg = rp_path_join(folder, outputs[2]);
    RP_AUTOFREE char *seed =
        rp_format("register %s %s %s", v->baseline.sha256, v->contour.sha256, v->followup.sha256);
    if (!rtstruct || !seg || !seed) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    static const char name[] = "Lesion (baseline, carried)";
    static const char description[] =
        "Baseline contour carried by Reprise " RP_VERSION ": a comparison, not a measurement";
    const rp_rtstruct_write_options contour = {.roi_name = name,
                                               .description = description,
                                               .label = v->label,
                                               .uid_seed = seed,
                                               .algorithm = "AUTOMATIC"};
    const rp_seg_write_options segment = {.segment_label = name,
                                          .description = description,
                                          .label = v->label,
                                          .uid_seed = seed,
                                          .algorithm = "AUTOMATIC"};
    rp_status status = rp_rtstruct_write(rtstruct, &v->followup.series, mask, &contour, err);
    return status ? status : rp_seg_write(seg, &v->followup.series, mask, &segment, err);
}

static rp_status write_contour(const visits *v, const cmd_registered *registered,
                               const char *folder, rp_error *err)
{
    const rp_mask *mask = &registered->carried;
    RP_AUTOFREE char *path = rp_path_join(folder, outputs[0]);
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    const cmd_origin origin = {.command = "register",
                               .label = v->label,
                               .image = &v->followup,
                               .contour_sha256 = v->contour.sha256};
    rp_status status = cmd_write_mask(path, mask, &origin, err);
    /* An empty mask has no outline to write. */
    if (!status && v->followup.is_dicom && rp_mask_count(mask) > 0)
        status = write_dicom(v, mask, folder, err);
    return status;
}

static rp_json *carried_json(const visits *v, const cmd_registered *registered)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "baseline_volume_cc", cmd_mask_cc(&v->contour.mask));
    rp_json_set_number(json, "volume_cc", cmd_mask_cc(&registered->carried));
    rp_json_set_number(json, "moved_out_share", registered->moved_out);
    rp_json_set_string(json, "contour_file_sha256", v->contour.sha256);
    return json;
}

static rp_status write_record(const register_arguments *a, const visits *v,
                              const cmd_registered *registered, const char *folder, rp_error *err)
{
    RP_AUTOFREE char *path = rp_path_join(folder, outputs[3]);
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_json *json = cmd_registered_json(registered), *points = rp_json_array();
    rp_status status = carry_points(a->points, registered, points, err);
    if (status) {
        rp_json_destroy(points);
    } else {
        rp_json_set_string(json, "label", v->label[0] ? v->label : NULL);
        if (a->contour) rp_json_set(json, "carried", carried_json(v, registered));
        rp_json_set(json, "points", points);
        rp_json_set_string(json, "baseline_sha256", v->baseline.sha256);
        rp_json_set_string(json, "followup_sha256", v->followup.sha256);
        rp_json_set(json, "provenance", cmd_provenance_json(a->argc, a->argv));
        status = rp_json_write(path, json, err);
    }
    rp_json_destroy(json);
    return status;
}

static rp_status write_all(const register_arguments *a, const visits *v,
                           const cmd_registered *registered, rp_error *err)
{
    rp_stage stage = {0};
    rp_status status = rp_stage_begin(a->out, &stage, err);
    if (!status && a->contour) status = write_contour(v, registered, stage.temporary, err);
    if (!status) status = write_record(a, v, registered, stage.temporary, err);
    if (!status && cmd_interrupted())
        status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    if (!status) status = rp_stage_commit(&stage, err);
    rp_stage_release(&stage);
    return status;
}

/* ---- the run ----------------------------------------------------------------------------- */

static void tell(const register_arguments *a, const visits *v, const cmd_registered *registered)
{
    const rp_registration *rigid = &registered->rigid;
    const rp_deform_summary *s = rp_deform_summary_get(registered->deform);
    cmd_progress_end();
    if (rigid->quality != RP_REGISTRATION_GOOD)
        fprintf(stderr, "reprise: the rigid registration is doubtful: %s\n", rigid->reason);
    if (s->quality != RP_REGISTRATION_GOOD)
        fprintf(stderr, "reprise: the deformable registration is doubtful: %s\n", s->reason);
    if (a->common.quiet) return;
    printf("Rigid       %.1f mm and %.1f degrees, correlation %.2f\n",
           rp_rigid_shift_mm(&rigid->transform), rp_rigid_degrees(&rigid->transform),
           rigid->correlation);
    printf("Deformable  %.1f mm in the median, 95%% within %.1f mm\n", s->median_mm, s->p95_mm);
    if (a->contour)
        printf("Contour     %.1f cc at baseline, carried %.1f cc\n", cmd_mask_cc(&v->contour.mask),
               cmd_mask_cc(&registered->carried));
    printf("Results     %s\n", a->out);
}

static rp_status perform(const register_arguments *a, rp_error *err)
{
    visits v = {0};
    cmd_registered registered = {0};
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = protect_inputs(a, err);
    if (!status) status = cmd_prepare_folder(a->out, err);
    if (!status) status = load(a, &v, err);
    if (!status)
        status = cmd_register_visits(&v.baseline.series.image, a->contour ? &v.contour.mask : NULL,
                                     &v.followup.series.image, cmd_progress(&a->common),
                                     &registered, err);
    if (!status) status = write_all(a, &v, &registered, err);
    if (!status) tell(a, &v, &registered);
    cmd_registered_release(&registered);
    cmd_contour_release(&v.contour);
    cmd_ct_release(&v.followup);
    cmd_ct_release(&v.baseline);
    return status;
}

int cmd_register(int argc, char **argv)
{
    register_arguments arguments = {.argc = argc, .argv = argv};
    rp_error err = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    const rp_status status = perform(&arguments, &err);
    return status ? cmd_fail(&err) : CMD_DONE;
}
