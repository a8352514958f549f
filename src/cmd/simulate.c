/* reprise simulate: a follow-up with known truth from a real baseline. */
#include "made.h"

#include "reprise/synth.h"

#include <string.h>

enum {
    KEY_IMAGE = 1,
    KEY_CONTOUR,
    KEY_CHANGE,
    KEY_SEED,
    KEY_OUT,
    KEY_DICOM,
    KEY_SERIES,
    KEY_DEFORMATION,
    KEY_DEFORMATION_SCALE,
    KEY_DENSITY,
    KEY_RIM_HU,
    KEY_RIM_MM,
    KEY_NOISE,
    KEY_SHIFT,
    KEY_SPACING
};

enum { DAYS_LATER = 90 };

typedef struct simulate_options {
    cmd_common common;
    const char *image, *contour, *out, *series;
    bool dicom, change_given;
    rp_simulate_options how;
} simulate_options;

static const struct argp_option options[] = {
    {"image", KEY_IMAGE, "CT", 0, "Baseline: DICOM folder or NIfTI file", 0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0, "Lesion at baseline: RTSTRUCT, SEG or NIfTI mask", 0},
    {"change", KEY_CHANGE, "PERCENT", 0, "Change of the longest diameter, such as -40 or 25", 0},
    {"seed", KEY_SEED, "N", 0, "Random seed (default 0)", 0},
    {"out", KEY_OUT, "DIR", 0, "Folder for followup.nii.gz, truth_mask.nii.gz and truth.json", 0},
    {"dicom", KEY_DICOM, NULL, 0, "Also followup/ (CT series) and truth_rtstruct.dcm", 0},
    {"series", KEY_SERIES, "UID", 0, "Which series of the DICOM folder", 0},
    {NULL, 0, NULL, 0, "How the follow-up differs:", 1},
    {"deformation", KEY_DEFORMATION, "MM", 0, "Root mean square of the smooth deformation", 0},
    {"deformation-scale", KEY_DEFORMATION_SCALE, "MM", 0, "Its correlation length", 0},
    {"density-change", KEY_DENSITY, "HU", 0, "Mean change inside the lesion", 0},
    {"rim-hu", KEY_RIM_HU, "HU", 0, "Density of the rim round the lesion, relative", 0},
    {"rim-mm", KEY_RIM_MM, "MM", 0, "Width of that rim", 0},
    {"noise", KEY_NOISE, "HU", 0, "Standard deviation of the added noise", 0},
    {"shift", KEY_SHIFT, "XxYxZ", 0, "Table shift in mm, LPS (default: random within 10 mm)", 0},
    {"spacing", KEY_SPACING, "XxYxZ", 0,
     "Follow-up grid in mm, right-left, front-back, feet-head (default: near the baseline's)", 0},
    {0}};

static void parse_length(struct argp_state *state, const char *name, const char *text,
                         double *value)
{
    if (!cmd_parse_number(text, value))
        argp_error(state, "--%s takes a number, not '%s'", name, text);
}

static void parse_three(struct argp_state *state, const char *name, const char *text,
                        double values[3])
{
    if (!cmd_parse_numbers(text, values))
        argp_error(state, "--%s takes three numbers such as 1x1x3, not '%s'", name, text);
}

/* The options that shape the follow-up. */
static error_t parse_how(int key, char *argument, struct argp_state *state,
                         rp_simulate_options *how)
{
    switch (key) {
    case KEY_CHANGE:
        parse_length(state, "change", argument, &how->change_percent);
        return 0;
    case KEY_DEFORMATION:
        parse_length(state, "deformation", argument, &how->deformation_mm);
        return 0;
    case KEY_DEFORMATION_SCALE:
        parse_length(state, "deformation-scale", argument, &how->deformation_scale_mm);
        return 0;
    case KEY_DENSITY:
        parse_length(state, "density-change", argument, &how->density_change_hu);
        return 0;
    case KEY_RIM_HU:
        parse_length(state, "rim-hu", argument, &how->rim_hu);
        return 0;
    case KEY_RIM_MM:
        parse_length(state, "rim-mm", argument, &how->rim_mm);
        return 0;
    case KEY_NOISE:
        parse_length(state, "noise", argument, &how->noise_hu);
        return 0;
    case KEY_SPACING:
        parse_three(state, "spacing", argument, how->spacing);
        return 0;
    case KEY_SHIFT:
        parse_three(state, "shift", argument, how->shift_mm);
        how->shift_given = true;
        return 0;
    case KEY_SEED:
        if (!cmd_parse_seed(argument, &how->seed))
            argp_error(state, "--seed takes a whole number, not '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    simulate_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_IMAGE:
        o->image = argument;
        return 0;
    case KEY_CONTOUR:
        o->contour = argument;
        return 0;
    case KEY_OUT:
        o->out = argument;
        return 0;
    case KEY_SERIES:
        o->series = argument;
        return 0;
    case KEY_DICOM:
        o->dicom = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!o->image || !o->contour || !o->out || !o->change_given)
            argp_error(state, "--image, --contour, --change and --out are needed");
        return 0;
    default:
        if (key == KEY_CHANGE) o->change_given = true;
        return parse_how(key, argument, state, &o->how);
    }
}

static rp_json *options_json(const rp_simulate_options *how, const rp_simulated *made)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "deformation_mm", how->deformation_mm);
    rp_json_set_number(json, "deformation_scale_mm", how->deformation_scale_mm);
    rp_json_set_number(json, "density_change_hu", how->density_change_hu);
    rp_json_set_number(json, "rim_hu", how->rim_hu);
    rp_json_set_number(json, "rim_mm", how->rim_mm);
    rp_json_set_number(json, "noise_hu", how->noise_hu);
    rp_json_set_numbers(json, "shift_mm", made->shift_mm, 3);
    rp_json_set_numbers(json, "spacing_mm", made->image.grid.spacing, 3);
    return json;
}

/* A follow-up of a made patient stays synthetic. */
static const char *label_of(const cmd_ct *ct)
{
    return cmd_label_of_both(ct->label, "simulated");
}

static rp_json *truth_json(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                           const rp_simulated *made, rp_json *files)
{
    rp_json *json = rp_json_object(), *sources = rp_json_object();
    rp_json_set_string(json, "label", label_of(ct));
    rp_json_set_number(json, "change_asked_percent", o->how.change_percent);
    rp_json_set_number(json, "change_percent", made->true_change_percent);
    rp_json_set_number(json, "baseline_diameter_mm", made->baseline_diameter_mm);
    rp_json_set_number(json, "followup_diameter_mm", made->followup_diameter_mm);
    rp_json_set_string(json, "definition", "convex");
    rp_json_set_number(json, "scale", made->scale);
    rp_json_set_int(json, "seed", (int64_t)o->how.seed);
    rp_json_set(json, "options", options_json(&o->how, made));
    rp_json_set_string(sources, "image_sha256", ct->sha256);
    rp_json_set_string(sources, "contour_file_sha256", contour->sha256);
    rp_json_set(json, "sources", sources);
    rp_json_set(json, "files", files);
    rp_json_set_string(json, "program_version", RP_VERSION);
    cmd_set_told(json);
    return json;
}

/* The same patient in a new study; what would tie it to the real one is left out. */
static rp_dicom_header followup_header(const cmd_ct *ct)
{
    rp_dicom_header h = ct->series.header;
    char date[16];
    made_date_after(h.acquisition_date, DAYS_LATER, date);
    memcpy(h.acquisition_date, date, sizeof h.acquisition_date);
    memcpy(h.study_date, date, sizeof h.study_date);
    h.study_uid[0] = h.series_uid[0] = h.frame_of_reference_uid[0] = '\0';
    h.accession_number[0] = h.study_id[0] = h.series_number[0] = '\0';
    if (!h.patient_id[0]) snprintf(h.patient_id, sizeof h.patient_id, "SIMULATED");
    snprintf(h.series_description, sizeof h.series_description, "SIMULATED follow-up%s",
             strcmp(label_of(ct), "synthetic") == 0 ? " of a SYNTHETIC patient" : "");
    return h;
}

static rp_status write_all(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                           const rp_simulated *made, const char *folder, rp_error *err)
{
    char seed[256];
    const rp_dicom_header header = followup_header(ct);
    const made_visit visit = {.image = &made->image,
                              .mask = &made->mask,
                              .header = &header,
                              .uid_seed = seed,
                              .image_name = "followup.nii.gz",
                              .mask_name = "truth_mask.nii.gz",
                              .series_name = "followup",
                              .rtstruct_name = "truth_rtstruct.dcm",
                              .roi_name = "Lesion",
                              .command = "simulate",
                              .label = label_of(ct),
                              .source = ct,
                              .contour_sha256 = contour->sha256};
    snprintf(seed, sizeof seed, "simulate|%s|%s|%.9g|%llu", ct->sha256, contour->sha256,
             o->how.change_percent, (unsigned long long)o->how.seed);
    rp_status status = made_write_nifti(folder, &visit, err);
    if (!status && o->dicom) status = made_write_dicom(folder, &visit, err);
    if (status) return status;
    RP_AUTOFREE char *path = rp_path_join(folder, "truth.json");
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_json *files = rp_json_array();
    made_list_files(files, &visit, o->dicom);
    rp_json *truth = truth_json(o, ct, contour, made, files);
    status = rp_json_write(path, truth, err);
    rp_json_destroy(truth);
    return status;
}

static rp_status simulate(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                          const rp_progress *progress, rp_error *err)
{
    rp_simulated made = {0};
    rp_stage stage = {0};
    rp_status status = cmd_prepare_folder(o->out, err);
    if (!status) status = cmd_refuse_existing(o->out, "truth.json", err);
    if (!status) status = rp_stage_begin(o->out, &stage, err);
    if (!status)
        status =
            rp_simulate_followup(&ct->series.image, &contour->mask, &o->how, progress, &made, err);
    if (!status) status = write_all(o, ct, contour, &made, stage.temporary, err);
    if (!status && cmd_interrupted())
        status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    if (!status) status = rp_stage_commit(&stage, err);
    if (!status) {
        cmd_progress_end();
        printf("%s: SIMULATED follow-up, longest diameter %.1f mm -> %.1f mm (%+.1f%%)\n", o->out,
               made.baseline_diameter_mm, made.followup_diameter_mm, made.true_change_percent);
    }
    rp_stage_release(&stage);
    rp_simulated_release(&made);
    return status;
}

static rp_status run(const simulate_options *o, cmd_ct *ct, cmd_contour *contour, rp_error *err)
{
    const rp_progress *progress = cmd_progress(&o->common);
    const cmd_ct_options which = {.series = o->series};
    rp_status status = cmd_common_apply(&o->common, err);
    if (!status && rp_path_is_directory(o->image)) {
        /* A series written into the input would become part of it. */
        RP_AUTOFREE char *inside = rp_path_join(o->out, "followup");
        status = inside ? cmd_protect_input(o->image, inside, err)
                        : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", o->out);
    }
    if (!status) status = cmd_ct_load(o->image, &which, progress, ct, err);
    if (!status) status = cmd_contour_load(o->contour, ct, NULL, contour, err);
    return status ? status : simulate(o, ct, contour, progress, err);
}

int cmd_simulate(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse,
                                     .children = children,
                                     .doc = "Makes a follow-up with known truth from a real "
                                            "baseline. Test material: it is labelled "
                                            "as simulated wherever it is shown.\v"
                                            "Equal inputs, options and seed give equal files."};
    simulate_options o = {0};
    cmd_ct ct = {0};
    cmd_contour contour = {0};
    rp_error err = {0};
    rp_simulate_defaults(&o.how);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    const rp_status status = run(&o, &ct, &contour, &err);
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    return status ? cmd_fail(&err) : CMD_DONE;
}
