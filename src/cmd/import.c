/* reprise import: the manifest of a cohort from folders as data sets come in. */
#define _GNU_SOURCE

#include "import.h"
#include "input.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_OUT = 1, KEY_LABEL, KEY_KEEP_IDS, KEY_DICOM };

typedef struct import_options {
    cmd_common common;
    const char *kind;
    import_job job;
} import_options;

static const struct kind {
    const char *name;
    rp_status (*run)(import_job *job, rp_error *err);
    bool takes_label;
} kinds[] = {{"nnunet", import_nnunet, true}, {"msd", import_nnunet, true},
             {"lits", import_lits, true},     {"ircadb", import_ircadb, true},
             {"dicom", import_dicom, true},   {"phantom", import_phantom, false}};

static const struct argp_option options[] = {
    {"out", KEY_OUT, "FILE", 0, "The manifest to write; must not exist", 0},
    {"label", KEY_LABEL, "NAME|VALUE", 0,
     "The lesion: label of nnunet and msd by name or value, value of lits (default 2), structure "
     "of "
     "ircadb (default: all that begin with livertumor) and dicom (default: the only one)",
     0},
    {"keep-ids", KEY_KEEP_IDS, NULL, 0,
     "dicom: PatientID instead of P001, P002, ...; ids end up in reports", 0},
    {"dicom", KEY_DICOM, NULL, 0, "phantom: the DICOM series, not the NIfTI files", 0},
    {0}};

/* ---- shared ------------------------------------------------------------------------------ */

void import_leave_out(import_job *job, const char *what, const char *format, ...)
{
    char why[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    fprintf(job->left_out, "  %s: %s\n", cmd_shown(what), cmd_shown(why));
    job->left_out_count++;
}

int import_compare_names(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

rp_status import_entries(const char *folder, char ***names, size_t *count, rp_error *err)
{
    struct dirent **entries = NULL;
    *names = NULL;
    *count = 0;
    const int found = scandir(folder, &entries, NULL, versionsort);
    if (found < 0) return rp_fail(err, RP_ERR_IO, "%s: %s", folder, strerror(errno));
    char **list = rp_alloc((size_t)found, sizeof *list);
    bool complete = list != NULL;
    size_t kept = 0;
    for (int i = 0; i < found; i++) {
        if (complete && entries[i]->d_name[0] != '.') {
            list[kept] = rp_strdup(entries[i]->d_name);
            complete = list[kept++] != NULL;
        }
        free(entries[i]);
    }
    free(entries);
    if (!complete) {
        rp_string_list_free(list, kept);
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    }
    *names = list;
    *count = kept;
    return RP_OK;
}

static void judge(const rp_nifti_info *image, const rp_mask *mask, const char *roi, char why[512])
{
    const int *a = image->grid.size, *b = mask->grid.size;
    if (memcmp(a, b, sizeof image->grid.size) != 0)
        snprintf(why, 512, "the mask has %dx%dx%d voxels, the image %dx%dx%d", b[0], b[1], b[2],
                 a[0], a[1], a[2]);
    else if (input_lies_elsewhere(&mask->grid, &image->grid, 0.25))
        snprintf(why, 512,
                 "the mask lies elsewhere than the image, by their headers: voxels of the same "
                 "index up to %.1f mm apart",
                 rp_grid_apart_mm(&mask->grid, &image->grid));
    else if (rp_mask_count(mask) == 0)
        snprintf(why, 512, "no voxel of the mask has the value %s", roi);
}

/* Where the two do not fit, *why says so in words. */
static rp_status check_pair(const char *image, const char *mask, const char *roi, char why[512],
                            rp_error *err)
{
    rp_error reason = {0};
    rp_nifti_info info;
    rp_mask inside = {0};
    rp_remarks odd = {0};
    why[0] = '\0';
    rp_status status = RP_OK;
    if (!rp_path_exists(image) || !rp_path_exists(mask)) {
        snprintf(why, 512, "%s does not exist", rp_path_exists(image) ? mask : image);
        return RP_OK;
    }
    status = rp_nifti_info_read(image, &info, &odd, &reason);
    cmd_tell_all(image, &odd);
    if (!status) status = input_read_region(mask, roi, &inside, &odd, &reason);
    cmd_tell_all(mask, &odd);
    if (status == RP_ERR_MEMORY) return rp_fail(err, status, "%s", reason.message);
    if (status)
        snprintf(why, 512, "%.500s", reason.message);
    else
        judge(&info, &inside, roi, why);
    rp_mask_release(&inside);
    return RP_OK;
}

rp_status import_pair(import_job *job, const char *id, const char *image, const char *mask,
                      const char *roi, rp_error *err)
{
    char why[512];
    rp_status status = check_pair(image, mask, roi, why, err);
    if (status) return status;
    if (why[0]) {
        import_leave_out(job, id, "%s", why);
        return RP_OK;
    }
    rp_cohort_visit v = {.image = (char *)image, .contour = (char *)mask, .roi = (char *)roi};
    return rp_cohort_add_visit(&job->cohort, id, &v, NULL, err);
}

/* ---- the command ------------------------------------------------------------------------- */

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

static void check_options(const import_options *o, struct argp_state *state)
{
    const struct kind *kind = find_kind(o->kind);
    if (!o->kind) argp_error(state, "the kind of data set is missing");
    if (!kind)
        argp_error(state, "there is no kind '%s': nnunet, msd, lits, ircadb, dicom or phantom",
                   o->kind);
    if (!o->job.folder) argp_error(state, "the folder is missing");
    if (!o->job.out) argp_error(state, "--out is missing");
    if (o->job.label && !kind->takes_label) argp_error(state, "--label is not for %s", o->kind);
    if (o->job.keep_ids && kind->run != import_dicom) argp_error(state, "--keep-ids is for dicom");
    if (o->job.dicom && kind->run != import_phantom) argp_error(state, "--dicom is for phantom");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    import_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_OUT:
        o->job.out = argument;
        return 0;
    case KEY_LABEL:
        o->job.label = argument;
        return 0;
    case KEY_KEEP_IDS:
        o->job.keep_ids = true;
        return 0;
    case KEY_DICOM:
        o->job.dicom = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            o->kind = argument;
        else if (state->arg_num == 1)
            o->job.folder = argument;
        else
            argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        check_options(o, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "cohort.csv" -> "cohort_masks" */
static char *masks_folder(const char *out)
{
    const size_t length = strlen(out);
    const bool csv = length > 4 && strcasecmp(out + length - 4, ".csv") == 0;
    return rp_format("%.*s_masks", (int)(csv ? length - 4 : length), out);
}

static rp_status prepare(import_job *job, rp_error *err)
{
    job->masks = masks_folder(job->out);
    if (!job->masks) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->out);
    if (!rp_path_is_directory(job->folder))
        return rp_fail(err, RP_ERR_IO, "%s: no such folder", job->folder);
    if (rp_path_exists(job->out))
        return rp_fail(err, RP_ERR_IO, "%s: exists already; choose another name", job->out);
    return cmd_prepare_file(job->out, err);
}

static void print_summary(const import_job *job)
{
    size_t visits = 0, followups = 0;
    for (size_t i = 0; i < job->cohort.patient_count; i++) {
        const rp_cohort_patient *p = &job->cohort.patients[i];
        visits += p->visit_count;
        for (size_t k = 0; k < p->visit_count; k++)
            followups += p->visits[k].kind == RP_VISIT_FOLLOWUP;
    }
    printf("%s: %zu patients, %zu visits (%zu follow-ups)\n", job->out, job->cohort.patient_count,
           visits, followups);
}

/* The manifest comes last: where it stands, the masks that it names stand. */
static rp_status save(import_job *job, rp_error *err)
{
    const bool made = job->stage.temporary != NULL;
    if (job->cohort.patient_count == 0)
        return rp_fail(err, RP_ERR_FORMAT, "%s: nothing in it can be used", job->folder);
    rp_status status = made ? rp_stage_commit(&job->stage, err) : RP_OK;
    if (!status) {
        status = rp_cohort_write(job->out, &job->cohort, err);
        if (status && made) rp_tree_remove(job->masks);
    }
    return status;
}

static rp_status run(const struct kind *kind, import_options *o, rp_error *err)
{
    char *left_out = NULL;
    size_t size;
    import_job *job = &o->job;
    job->progress = cmd_progress(&o->common);
    job->left_out = open_memstream(&left_out, &size);
    rp_status status = job->left_out ? cmd_common_apply(&o->common, err)
                                     : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->out);
    if (!status) status = prepare(job, err);
    cmd_doing("looking through %s", job->folder);
    if (!status) status = kind->run(job, err);
    cmd_progress_end();
    const bool told = !status;
    if (!status) status = save(job, err);
    if (job->left_out) fclose(job->left_out);
    if (!status) print_summary(job);
    if (told && job->left_out_count) printf("left out:\n%s", left_out);
    free(left_out);
    rp_stage_release(&job->stage);
    rp_cohort_release(&job->cohort);
    rp_free(job->masks);
    return status;
}

int cmd_import(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .args_doc = "KIND FOLDER",
        .doc = "Writes the manifest of a cohort from the folders of a data set. KIND is one of "
               "nnunet, msd, lits, ircadb, dicom, phantom.\v"
               "What cannot be used is listed with the reason."};
    import_options o = {0};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    return run(find_kind(o.kind), &o, &err) ? cmd_fail(&err) : CMD_DONE;
}
