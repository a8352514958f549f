/* Manifests at the command line. */
#include "cohort.h"

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
    char patient_id[RP_DICOM_TEXT];
} seen;

typedef struct check {
    const rp_progress *progress;
    rp_cohort_problems *problems;
    rp_error *err;
    seen *images;
    size_t count;
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

/* A person under two names in two splits makes the validation worthless. */
static rp_status compare(check *c, const seen *now)
{
    rp_status status = RP_OK;
    bool same_told = false, other_told = false;
    for (size_t i = 0; !status && i < c->count; i++) {
        const seen *before = &c->images[i];
        const bool known = now->patient_id[0] && before->patient_id[0];
        const bool same_id = known && strcmp(now->patient_id, before->patient_id) == 0;
        if (strcmp(now->sha256, before->sha256) == 0) {
            status = complain(c, now, before, false, "the same voxels as in");
        } else if (before->patient == now->patient && known && !same_id && !other_told) {
            other_told = true;
            status = complain(c, now, before, false, "the PatientID in the file is not that of");
        } else if (before->patient != now->patient && same_id && !same_told) {
            const bool divided = strcmp(now->patient->split, before->patient->split) != 0;
            same_told = true;
            status = complain(c, now, before, !divided, "the PatientID in the file is that of");
        }
    }
    return status;
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
    seen now = {.patient = p, .visit = v};
    memcpy(now.sha256, ct.sha256, sizeof now.sha256);
    memcpy(now.patient_id, ct.series.header.patient_id, sizeof now.patient_id);
    status = compare(c, &now);
    if (!status) status = check_date(c, v, &ct);
    if (!status) status = check_label(c, v, ct.label[0] ? ct.label : contour.label);
    c->images[c->count++] = now;
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
    check c = {.problems = problems, .err = err, .images = images};
    size_t done = 0;
    rp_status status = images ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
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
    return status;
}
