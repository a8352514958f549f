/* reprise phantom: synthetic patients with known truth. */
#include "made.h"

#include "reprise/synth.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_SEED = 1,
    KEY_OUT,
    KEY_DICOM,
    KEY_PATIENTS,
    KEY_SIZE,
    KEY_SPACING,
    KEY_FOLLOWUP,
    KEY_WITH
};

enum { MOST_PATIENTS = 999, LARGEST_SIZE = 2048 };

/* The same for every patient, as YYYY-MM-DD. */
#define BASELINE_DAY "2020-01-06"
#define FOLLOWUP_DAY "2020-04-05"

typedef struct phantom_options {
    cmd_common common;
    const char *out;
    bool dicom, with_given;
    int patients;
    rp_phantom_options how;
} phantom_options;

static const struct argp_option options[] = {
    {"seed", KEY_SEED, "N", 0, "Random seed (default 0)", 0},
    {"out", KEY_OUT, "DIR", 0, "Folder for patient-001 and so on", 0},
    {"dicom", KEY_DICOM, NULL, 0, "Also CT series and RTSTRUCTs", 0},
    {"patients", KEY_PATIENTS, "N", 0, "How many (default 1)", 0},
    {"size", KEY_SIZE, "ZxYxX", 0, "Voxels (default 48x128x160)", 0},
    {"spacing", KEY_SPACING, "MM", 0, "Of voxels: one length, or XxYxZ (default 2x2x4)", 0},
    {"followup", KEY_FOLLOWUP, "KIND", 0,
     "scaled: by the equations (default); remodel: recedes or grows irregularly, as by treatment",
     0},
    {"with", KEY_WITH, "LIST", 0, "Of remodel, as in simulate (default random)", 0},
    {0}};

static void parse_spacing(struct argp_state *state, const char *text, double spacing[3])
{
    bool fine = cmd_parse_numbers(text, spacing);
    if (!fine && cmd_parse_number(text, &spacing[0])) {
        spacing[1] = spacing[2] = spacing[0];
        fine = true;
    }
    for (int i = 0; i < 3; i++) fine = fine && spacing[i] >= 0.1 && spacing[i] <= 100.0;
    if (!fine)
        argp_error(state, "--spacing takes mm, one or XxYxZ, from 0.1 to 100, not '%s'", text);
}

static void parse_followup(int key, const char *argument, struct argp_state *state,
                           phantom_options *o)
{
    char wrong[64];
    rp_remodel_options list = {.with = o->how.with, .random = o->with_given && o->how.random};
    if (key == KEY_FOLLOWUP) {
        o->how.remodel = strcmp(argument, "remodel") == 0;
        if (!o->how.remodel && strcmp(argument, "scaled") != 0)
            argp_error(state, "--followup takes scaled or remodel, not '%s'", argument);
        return;
    }
    o->with_given = true;
    if (!made_parse_with(argument, &list, wrong))
        argp_error(state, "--with: there is no '%s'", wrong);
    o->how.with = list.with;
    o->how.random = list.random;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    phantom_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_OUT:
        o->out = argument;
        return 0;
    case KEY_DICOM:
        o->dicom = true;
        return 0;
    case KEY_SIZE:
        if (!cmd_parse_extent(argument, LARGEST_SIZE, o->how.size))
            argp_error(state, "--size takes three whole numbers ZxYxX up to %d, not '%s'",
                       LARGEST_SIZE, argument);
        return 0;
    case KEY_SPACING:
        parse_spacing(state, argument, o->how.spacing);
        return 0;
    case KEY_SEED:
        if (!cmd_parse_seed(argument, &o->how.seed))
            argp_error(state, "--seed takes a whole number, not '%s'", argument);
        return 0;
    case KEY_PATIENTS:
        if (!cmd_parse_int(argument, 1, MOST_PATIENTS, &o->patients))
            argp_error(state, "--patients takes a number from 1 to %d, not '%s'", MOST_PATIENTS,
                       argument);
        return 0;
    case KEY_FOLLOWUP:
    case KEY_WITH:
        parse_followup(key, argument, state, o);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (o->with_given && !o->how.remodel) argp_error(state, "--with needs --followup remodel");
        if (!o->out) argp_error(state, "--out is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Under the names of a manifest's columns. */
static rp_json *clinical_json(const rp_phantom_clinical *c)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "sex", c->female ? "F" : "M");
    rp_json_set_int(json, "age", c->age_years);
    rp_json_set_number(json, "afp", c->afp_ng_ml);
    rp_json_set_number(json, "pivka_ii", c->pivka_ii_mau_ml);
    rp_json_set_number(json, "followup_months", c->followup_months);
    rp_json_set_int(json, "event", c->event);
    return json;
}

static rp_json *truth_json(const rp_phantom_options *how, const rp_phantom *made, rp_json *files)
{
    rp_json *json = rp_json_object(), *size = rp_json_array();
    for (int a = 0; a < 3; a++) rp_json_append_int(size, how->size[a]);
    rp_json_set_string(json, "label", "synthetic");
    rp_json_set_int(json, "patient", how->patient + 1);
    rp_json_set_int(json, "seed", (int64_t)how->seed);
    rp_json_set(json, "size_xyz", size);
    rp_json_set_numbers(json, "spacing_mm", how->spacing, 3);
    rp_json_set_number(json, "baseline_diameter_mm", made->baseline_diameter_mm);
    rp_json_set_number(json, "followup_diameter_mm", made->followup_diameter_mm);
    rp_json_set_number(json, "change_percent", made->change_percent);
    rp_json_set_string(json, "definition", "convex, of the largest component");
    rp_json_set_bool(json, "satellites", made->satellites);
    rp_json_set_bool(json, "necrosis", made->necrosis);
    rp_json_set_bool(json, "thrombus", made->thrombus);
    rp_json_set_bool(json, "recist_evaluable", made->recist_evaluable);
    if (how->remodel) made_describe_remodel(json, &made->remodelled);
    rp_json_set_string(json, "baseline_date", BASELINE_DAY);
    rp_json_set_string(json, "followup_date", FOLLOWUP_DAY);
    rp_json_set(json, "clinical", clinical_json(&made->clinical));
    rp_json_set(json, "files", files);
    rp_json_set_string(json, "program_version", RP_VERSION);
    return json;
}

static rp_dicom_header header_of(int patient, const char *visit, const char *day)
{
    rp_dicom_header h = {0};
    char date[16];
    snprintf(date, sizeof date, "%.4s%.2s%.2s", day, day + 5, day + 8);
    snprintf(h.patient_id, sizeof h.patient_id, "PHANTOM-%03d", patient + 1);
    snprintf(h.patient_name, sizeof h.patient_name, "PHANTOM^%03d", patient + 1);
    snprintf(h.series_description, sizeof h.series_description, "SYNTHETIC phantom, %s", visit);
    snprintf(h.study_date, sizeof h.study_date, "%s", date);
    snprintf(h.acquisition_date, sizeof h.acquisition_date, "%s", date);
    snprintf(h.patient_sex, sizeof h.patient_sex, "O");
    return h;
}

/* What the visits' UIDs come from: another follow-up has others. */
static void uid_seeds(const rp_phantom_options *how, char seeds[2][128])
{
    for (int i = 0; i < 2; i++) {
        const int length = snprintf(seeds[i], sizeof seeds[i], "phantom|%llu|%d",
                                    (unsigned long long)how->seed, how->patient);
        if (i == 1 && how->remodel)
            snprintf(seeds[i] + length, sizeof seeds[i] - (size_t)length, "|remodel|%x|%d",
                     how->with, how->random);
    }
}

static rp_status write_patient(const phantom_options *o, const rp_phantom_options *how,
                               const rp_phantom *made, const char *folder, rp_error *err)
{
    char seeds[2][128];
    const rp_dicom_header headers[2] = {header_of(how->patient, "baseline", BASELINE_DAY),
                                        header_of(how->patient, "follow-up", FOLLOWUP_DAY)};
    const made_visit visits[2] = {
        {&made->baseline, &made->baseline_lesion, &headers[0], seeds[0], "baseline.nii.gz",
         "baseline_mask.nii.gz", "baseline", "baseline_rtstruct.dcm", "Lesion", "phantom",
         "synthetic", NULL, NULL},
        {&made->followup, &made->followup_lesion, &headers[1], seeds[1], "followup.nii.gz",
         "followup_mask.nii.gz", "followup", "followup_truth_rtstruct.dcm", "Lesion", "phantom",
         "synthetic", NULL, NULL}};
    uid_seeds(how, seeds);
    RP_AUTOFREE char *path = rp_path_join(folder, "truth.json");
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_status status = RP_OK;
    rp_json *files = rp_json_array();
    for (int i = 0; i < 2; i++) {
        if (!status) status = made_write_nifti(folder, &visits[i], err);
        if (!status && o->dicom) status = made_write_dicom(folder, &visits[i], err);
        made_list_files(files, &visits[i], o->dicom);
    }
    if (!status)
        status =
            made_write_new_lesion(folder, &visits[1], &made->remodelled.new_lesion, files, err);
    rp_json *truth = truth_json(how, made, files);
    if (!status) status = rp_json_write(path, truth, err);
    rp_json_destroy(truth);
    return status;
}

static rp_status make_patient(const phantom_options *o, int patient, const char *folder,
                              FILE *summary, rp_error *err)
{
    char name[32];
    rp_phantom made = {0};
    rp_phantom_options how = o->how;
    how.patient = patient;
    snprintf(name, sizeof name, "patient-%03d", patient + 1);
    RP_AUTOFREE char *place = rp_path_join(folder, name);
    if (!place) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_status status = rp_directory_create(place, err);
    if (!status) status = rp_phantom_make(&how, &made, err);
    if (!status) status = write_patient(o, &how, &made, place, err);
    if (!status)
        fprintf(summary, "%s/%s: SYNTHETIC, longest diameter %.1f mm -> %.1f mm (%+.1f%%)%s\n",
                o->out, name, made.baseline_diameter_mm, made.followup_diameter_mm,
                made.change_percent, made.recist_evaluable ? "" : ", not evaluable by RECIST");
    rp_phantom_release(&made);
    return status;
}

static rp_status make_all(const phantom_options *o, FILE *summary, rp_error *err)
{
    const rp_progress *progress = cmd_progress(&o->common);
    rp_stage stage = {0};
    rp_status status = cmd_prepare_folder(o->out, err);
    if (!status) status = cmd_refuse_existing(o->out, "patient-001", err);
    if (!status) status = rp_stage_begin(o->out, &stage, err);
    for (int i = 0; !status && i < o->patients; i++) {
        status = make_patient(o, i, stage.temporary, summary, err);
        rp_progress_report(progress, "patients", i + 1, o->patients, NULL);
        if (!status && rp_progress_cancelled(progress))
            status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    }
    if (!status) status = rp_stage_commit(&stage, err);
    rp_stage_release(&stage);
    return status;
}

/* What was made is told once it is there. */
static rp_status run(const phantom_options *o, rp_error *err)
{
    char *lines = NULL;
    size_t size;
    rp_status status = cmd_common_apply(&o->common, err);
    FILE *summary = open_memstream(&lines, &size);
    if (!status && !summary) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", o->out);
    if (!status) status = make_all(o, summary, err);
    if (summary) fclose(summary);
    if (!status && lines) {
        cmd_progress_end();
        fputs(lines, stdout);
    }
    free(lines);
    return status;
}

int cmd_phantom(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cmd_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Makes synthetic abdominal patients with two visits and known truth, from equations "
               "alone. Test material, not evidence.\v"
               "Equal options and seed give equal files."};
    phantom_options o = {.patients = 1};
    rp_error err = {0};
    rp_phantom_defaults(&o.how);
    o.how.random = true;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    return run(&o, &err) ? cmd_fail(&err) : CMD_DONE;
}
