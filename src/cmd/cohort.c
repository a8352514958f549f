/* Manifests at the command line. */
#include "cohort.h"
#include "reprise/dicom_patient.h"

#include <stdlib.h>
#include <string.h>

void cmd_cohort_print_problems(FILE *to, const char *path, const rp_cohort_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const rp_cohort_problem *p = &problems->items[i];
        fprintf(to, "%s:", cmd_shown(path));
        if (p->row) fprintf(to, "%zu:", p->row);
        if (p->column[0]) fprintf(to, " %s:", cmd_shown(p->column));
        fprintf(to, " %s%s\n", p->warning ? "warning: " : "", cmd_shown(p->text));
    }
}

rp_status cmd_cohort_read(const char *path, rp_cohort *cohort, rp_error *err)
{
    rp_cohort_problems problems = {0};
    rp_status status = rp_cohort_read(path, cohort, &problems, err);
    cmd_cohort_print_problems(stderr, path, &problems);
    rp_cohort_problems_release(&problems);
    return status;
}

rp_status cmd_cohort_load(const rp_cohort_visit *visit, const rp_progress *progress, cmd_ct *ct,
                          cmd_contour *contour, bool *image_at_fault, rp_error *err)
{
    const cmd_ct_options options = {.series = visit->series[0] ? visit->series : NULL};
    const cmd_contour_options how = {.allow_empty = visit->kind != RP_VISIT_BASELINE};
    if (contour) *contour = (cmd_contour){0};
    rp_status status = cmd_ct_load(visit->image, &options, progress, ct, err);
    if (image_at_fault) *image_at_fault = status != RP_OK;
    if (status || !contour || !visit->contour[0]) return status;
    RP_AUTOFREE char *spec =
        visit->roi[0] ? rp_format("%s:%s", visit->contour, visit->roi) : rp_strdup(visit->contour);
    status = spec ? cmd_contour_load(spec, ct, &how, contour, err)
                  : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", visit->contour);
    if (status) cmd_ct_release(ct);
    return status;
}

/* ---- every file opened ------------------------------------------------------------------- */

/* What is remembered of an image that could be read. */
typedef struct seen {
    const rp_cohort_patient *patient;
    const rp_cohort_visit *visit;
    char sha256[RP_SHA256_HEX]; /* of the voxels, whatever the format */
    rp_dicom_header header;
} seen;

typedef struct check {
    const rp_progress *progress;
    rp_cohort_problems *problems;
    rp_error *err;
    seen *images;
    size_t count;
    rp_map by_voxels; /* the first image with them */
    rp_map by_patient_id;
    struct bearer *bearers; /* what by_patient_id counts */
    size_t bearer_count;
} check;

/* Told of the later row. */
static rp_status complain(check *c, const seen *later, const seen *first, bool warning,
                          const char *what)
{
    const char *split = strcmp(later->patient->split, first->patient->split) ? " and split" : "";
    return rp_cohort_problem_add(
        c->problems, later->visit->row, "image", warning, c->err, "%s row %zu%s%s", what,
        first->visit->row, later->patient == first->patient ? "" : ", of another patient", split);
}

/* The first image with a PatientID, and the first with it under another patient's name. */
typedef struct bearer {
    size_t first, other; /* RP_MAP_NONE: none */
} bearer;

/* Notes the image, and gives the first one before it of another patient that has its PatientID. */
static rp_status note_bearer(check *c, const seen *now, const seen **other)
{
    const char *id = now->header.patient_id;
    *other = NULL;
    if (!id[0]) return RP_OK;
    const size_t known = rp_map_find(&c->by_patient_id, id);
    if (known == RP_MAP_NONE) {
        c->bearers[c->bearer_count] = (bearer){c->count, RP_MAP_NONE};
        return rp_map_put(&c->by_patient_id, id, c->bearer_count++)
                   ? RP_OK
                   : rp_fail(c->err, RP_ERR_MEMORY, "manifest: out of memory");
    }
    bearer *b = &c->bearers[known];
    const bool mine = c->images[b->first].patient == now->patient;
    if (!mine) *other = &c->images[b->first];
    if (mine && b->other != RP_MAP_NONE) *other = &c->images[b->other];
    if (!mine && b->other == RP_MAP_NONE) b->other = c->count;
    return RP_OK;
}

/* Visits of a patient come one after the other. */
static rp_status compare_within_patient(check *c, const seen *now)
{
    const seen *differing = NULL;
    unsigned differs = 0;
    for (size_t i = c->count; i-- > 0 && c->images[i].patient == now->patient;) {
        const seen *before = &c->images[i];
        const unsigned found = rp_dicom_identity_differs(&now->header, &before->header);
        if (found && strcmp(now->sha256, before->sha256) != 0) {
            differing = before;
            differs = found;
        }
    }
    if (!differing) return RP_OK;
    if (differs & RP_IDENTITY_ID)
        return complain(c, now, differing, false, "the PatientID in the file is not that of");
    char names[96], what[160];
    rp_dicom_identity_text(differs, names);
    snprintf(what, sizeof what, "another patient (%s differ) than that of", names);
    return complain(c, now, differing, false, what);
}

/* A person under two names in two splits makes the validation worthless. */
static rp_status compare(check *c, const seen *now)
{
    const seen *other;
    const size_t same = rp_map_find(&c->by_voxels, now->sha256);
    rp_status status = note_bearer(c, now, &other);
    if (!status && same != RP_MAP_NONE)
        status = complain(c, now, &c->images[same], false, "the same voxels as in");
    else if (!status && !rp_map_put(&c->by_voxels, now->sha256, c->count))
        status = rp_fail(c->err, RP_ERR_MEMORY, "manifest: out of memory");
    if (!status) status = compare_within_patient(c, now);
    if (status || !other || strcmp(other->sha256, now->sha256) == 0) return status;
    const bool divided = strcmp(now->patient->split, other->patient->split) != 0;
    return complain(c, now, other, !divided, "the PatientID in the file is that of");
}

static rp_status check_date(check *c, const rp_cohort_visit *v, const cmd_ct *ct)
{
    const char *file = ct->series.header.acquisition_date;
    if (!v->date[0] || strlen(file) != 8) return RP_OK;
    char date[16];
    snprintf(date, sizeof date, "%.4s-%.2s-%.2s", file, file + 4, file + 6);
    if (strcmp(date, v->date) == 0) return RP_OK;
    return rp_cohort_problem_add(c->problems, v->row, "date", true, c->err,
                                 "not the date of the DICOM series");
}

static rp_status check_label(check *c, const rp_cohort_visit *v, const char *found)
{
    if (!found[0] || strcmp(v->label, found) == 0) return RP_OK;
    return rp_cohort_problem_add(c->problems, v->row, "label", true, c->err,
                                 "the files are marked as %s", found);
}

static rp_status check_visit(check *c, const rp_cohort_patient *p, const rp_cohort_visit *v)
{
    rp_error why = {0};
    cmd_ct ct = {0};
    cmd_contour contour = {0};
    bool image_at_fault = false;
    rp_status status = cmd_cohort_load(v, c->progress, &ct, &contour, &image_at_fault, &why);
    if (status == RP_ERR_MEMORY || status == RP_ERR_CANCELLED)
        return rp_fail(c->err, status, "%s", why.message);
    if (status)
        return rp_cohort_problem_add(c->problems, v->row, image_at_fault ? "image" : "contour",
                                     false, c->err, "%s", why.message);
    seen *now = &c->images[c->count]; /* the maps borrow its texts */
    *now = (seen){.patient = p, .visit = v};
    memcpy(now->sha256, ct.sha256, sizeof now->sha256);
    now->header = ct.series.header;
    status = compare(c, now);
    if (!status) status = check_date(c, v, &ct);
    if (!status) status = check_label(c, v, ct.label[0] ? ct.label : contour.label);
    c->count++;
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    return status;
}

static size_t count_visits(const rp_cohort *cohort, const char *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < cohort->patient_count; i++)
        if (rp_cohort_in_split(&cohort->patients[i], wanted))
            count += cohort->patients[i].visit_count;
    return count;
}

rp_status cmd_cohort_check_files(const rp_cohort *cohort, const char *wanted,
                                 const rp_progress *progress, rp_cohort_problems *problems,
                                 rp_error *err)
{
    const size_t total = count_visits(cohort, wanted);
    RP_AUTOFREE seen *images = rp_alloc(total, sizeof *images);
    RP_AUTOFREE bearer *bearers = rp_alloc(total, sizeof *bearers);
    check c = {.problems = problems, .err = err, .images = images, .bearers = bearers};
    size_t done = 0;
    rp_status status =
        images && bearers ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    for (size_t i = 0; !status && i < cohort->patient_count; i++) {
        const rp_cohort_patient *p = &cohort->patients[i];
        if (!rp_cohort_in_split(p, wanted)) continue;
        for (size_t k = 0; !status && k < p->visit_count; k++) {
            status = check_visit(&c, p, &p->visits[k]);
            rp_progress_report(progress, "checking files", (double)++done, (double)total, NULL);
            if (!status && rp_progress_cancelled(progress))
                status = rp_fail(err, RP_ERR_CANCELLED, "interrupted while files were checked");
        }
    }
    rp_map_release(&c.by_voxels);
    rp_map_release(&c.by_patient_id);
    return status;
}
