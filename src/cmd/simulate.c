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
    KEY_SPACING,
    KEY_KIND,
    KEY_WITH
};

enum { DAYS_LATER = 90 };

typedef struct simulate_options {
    cmd_common common;
    const char *image, *contour, *out, *series;
    bool dicom, change_given, noise_given, scale_given, remodel, with_given;
    const char *warp_only; /* an option that only that kind has */
    rp_simulate_options how;
    rp_remodel_options changes;
} simulate_options;

/* What was made: one of the two. */
typedef struct followup {
    rp_simulated warped;
    rp_remodeled remodelled;
} followup;

static const struct argp_option options[] = {
    {"image", KEY_IMAGE, "CT", 0, "Baseline: DICOM folder or NIfTI file", 0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0, "Lesion at baseline: RTSTRUCT, SEG or NIfTI mask", 0},
    {"change", KEY_CHANGE, "PERCENT", 0, "Change of the longest diameter, such as -40 or 25", 0},
    {"seed", KEY_SEED, "N", 0, "Random seed (default 0)", 0},
    {"out", KEY_OUT, "DIR", 0, "Folder for followup.nii.gz, truth_mask.nii.gz and truth.json", 0},
    {"dicom", KEY_DICOM, NULL, 0, "Also followup/ (CT series) and truth_rtstruct.dcm", 0},
    {"series", KEY_SERIES, "UID", 0, "Which series of the DICOM folder", 0},
    {"kind", KEY_KIND, "KIND", 0,
     "warp: scaled smoothly (default); remodel: recedes or grows irregularly, as by treatment", 0},
    {"with", KEY_WITH, "LIST", 0,
     "Of remodel: pieces, necrosis, embolised, scar, oedema, phase, kernel, thick, conebeam, cut, "
     "new-lesion, sliding, table; random (default): some of them, by seed; none",
     0},
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

/* Which kind of follow-up. */
static void parse_kind(int key, const char *argument, struct argp_state *state, simulate_options *o)
{
    char wrong[64];
    if (key == KEY_WITH) {
        if (!o->with_given) o->changes.random = false;
        o->with_given = true;
        if (!made_parse_with(argument, &o->changes, wrong))
            argp_error(state, "--with: there is no '%s'", wrong);
        return;
    }
    o->remodel = strcmp(argument, "remodel") == 0;
    if (!o->remodel && strcmp(argument, "warp") != 0)
        argp_error(state, "--kind takes warp or remodel, not '%s'", argument);
}

/* What both kinds have goes to the one that is asked for; what the other has is refused. */
static void settle(simulate_options *o, struct argp_state *state)
{
    if (!o->remodel && o->with_given) argp_error(state, "--with needs --kind remodel");
    if (o->remodel && o->warp_only) argp_error(state, "--kind remodel has no --%s", o->warp_only);
    o->changes.change_percent = o->how.change_percent;
    o->changes.seed = o->how.seed;
    o->changes.deformation_mm = o->how.deformation_mm;
    if (o->scale_given) o->changes.deformation_scale_mm = o->how.deformation_scale_mm;
    if (o->noise_given) o->changes.noise_hu = o->how.noise_hu;
    o->changes.shift_given = o->how.shift_given;
    memcpy(o->changes.shift_mm, o->how.shift_mm, sizeof o->changes.shift_mm);
    memcpy(o->changes.spacing, o->how.spacing, sizeof o->changes.spacing);
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
        settle(o, state);
        return 0;
    case KEY_KIND:
    case KEY_WITH:
        parse_kind(key, argument, state, o);
        return 0;
    default:
        if (key == KEY_CHANGE) o->change_given = true;
        if (key == KEY_NOISE) o->noise_given = true;
        if (key == KEY_DEFORMATION_SCALE) o->scale_given = true;
        if (key == KEY_DENSITY) o->warp_only = "density-change";
        if (key == KEY_RIM_HU) o->warp_only = "rim-hu";
        if (key == KEY_RIM_MM) o->warp_only = "rim-mm";
        return parse_how(key, argument, state, &o->how);
    }
}

static rp_json *remodel_options_json(const rp_remodel_options *how, const rp_remodeled *made)
{
    rp_json *json = rp_json_object();
    rp_json_set(json, "with", made_with_json(how->with));
    rp_json_set_bool(json, "random", how->random);
    rp_json_set_number(json, "deformation_mm", how->deformation_mm);
    rp_json_set_number(json, "deformation_scale_mm", how->deformation_scale_mm);
    rp_json_set_number(json, "noise_hu", how->noise_hu);
    rp_json_set_numbers(json, "shift_mm", made->shift_mm, 3);
    rp_json_set_numbers(json, "spacing_mm", made->image.grid.spacing, 3);
    return json;
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

static void describe(const simulate_options *o, const followup *made, rp_json *json)
{
    const rp_simulated *w = &made->warped;
    const rp_remodeled *r = &made->remodelled;
    rp_json_set_number(json, "change_percent",
                       o->remodel ? r->true_change_percent : w->true_change_percent);
    rp_json_set_number(json, "baseline_diameter_mm",
                       o->remodel ? r->baseline_diameter_mm : w->baseline_diameter_mm);
    rp_json_set_number(json, "followup_diameter_mm",
                       o->remodel ? r->followup_diameter_mm : w->followup_diameter_mm);
    rp_json_set_string(json, "definition", "convex");
    if (o->remodel)
        made_describe_remodel(json, r);
    else
        rp_json_set_number(json, "scale", w->scale);
    rp_json_set_int(json, "seed", (int64_t)o->how.seed);
    rp_json_set(json, "options",
                o->remodel ? remodel_options_json(&o->changes, r) : options_json(&o->how, w));
}

static rp_json *truth_json(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                           const followup *made, rp_json *files)
{
    rp_json *json = rp_json_object(), *sources = rp_json_object();
    rp_json_set_string(json, "label", label_of(ct));
    rp_json_set_number(json, "change_asked_percent", o->how.change_percent);
    describe(o, made, json);
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

/* What all UIDs come from: of every follow-up its own. */
static void uid_seed(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                     char seed[256])
{
    int length = snprintf(seed, 256, "simulate|%s|%s|%.9g|%llu", ct->sha256, contour->sha256,
                          o->how.change_percent, (unsigned long long)o->how.seed);
    if (o->remodel)
        snprintf(seed + length, 256 - (size_t)length, "|remodel|%x|%d", o->changes.with,
                 o->changes.random);
}

static rp_status write_all(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                           const followup *made, const char *folder, rp_error *err)
{
    char seed[256];
    const rp_dicom_header header = followup_header(ct);
    const made_visit visit = {.image = o->remodel ? &made->remodelled.image : &made->warped.image,
                              .mask = o->remodel ? &made->remodelled.mask : &made->warped.mask,
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
    uid_seed(o, ct, contour, seed);
    RP_AUTOFREE char *path = rp_path_join(folder, "truth.json");
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_json *files = rp_json_array();
    rp_status status = made_write_nifti(folder, &visit, err);
    if (!status && o->dicom) status = made_write_dicom(folder, &visit, err);
    made_list_files(files, &visit, o->dicom);
    if (!status)
        status = made_write_new_lesion(folder, &visit, &made->remodelled.new_lesion, files, err);
    rp_json *truth = truth_json(o, ct, contour, made, files);
    if (!status) status = rp_json_write(path, truth, err);
    rp_json_destroy(truth);
    return status;
}

static rp_status make(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                      const rp_progress *progress, followup *made, rp_error *err)
{
    const rp_image *image = &ct->series.image;
    return o->remodel
               ? rp_remodel_followup(image, &contour->mask, &o->changes, progress,
                                     &made->remodelled, err)
               : rp_simulate_followup(image, &contour->mask, &o->how, progress, &made->warped, err);
}

static void tell(const simulate_options *o, const followup *made)
{
    const rp_simulated *w = &made->warped;
    const rp_remodeled *r = &made->remodelled;
    cmd_progress_end();
    if (!o->remodel) {
        printf("%s: SIMULATED follow-up, longest diameter %.1f mm -> %.1f mm (%+.1f%%)\n", o->out,
               w->baseline_diameter_mm, w->followup_diameter_mm, w->true_change_percent);
        return;
    }
    printf("%s: SIMULATED follow-up, longest diameter %.1f mm -> %.1f mm (%+.1f%%), volume %.1f cc "
           "-> %.1f cc; remodelled",
           o->out, r->baseline_diameter_mm, r->followup_diameter_mm, r->true_change_percent,
           r->baseline_cc, r->followup_cc);
    for (int k = 0, told = 0; k < RP_REMODEL_KINDS; k++)
        if (r->with >> k & 1) printf("%s %s", told++ ? "," : " with", rp_remodel_word(k));
    printf("\n");
}

static rp_status simulate(const simulate_options *o, const cmd_ct *ct, const cmd_contour *contour,
                          const rp_progress *progress, rp_error *err)
{
    followup made = {0};
    rp_stage stage = {0};
    rp_status status = cmd_prepare_folder(o->out, err);
    if (!status) status = cmd_refuse_existing(o->out, "truth.json", err);
    if (!status) status = rp_stage_begin(o->out, &stage, err);
    if (!status) status = make(o, ct, contour, progress, &made, err);
    if (!status) status = write_all(o, ct, contour, &made, stage.temporary, err);
    if (!status && cmd_interrupted())
        status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    if (!status) status = rp_stage_commit(&stage, err);
    if (!status) tell(o, &made);
    rp_stage_release(&stage);
    rp_simulated_release(&made.warped);
    rp_remodeled_release(&made.remodelled);
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
    rp_remodel_defaults(&o.changes);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    const rp_status status = run(&o, &ct, &contour, &err);
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    return status ? cmd_fail(&err) : CMD_DONE;
}
