/* Patients made by reprise phantom, with what their truth.json says. */
#include "import.h"

#include <string.h>

static const char *const columns[] = {"sex", "age", "afp", "pivka_ii", "followup_months", "event"};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* The clinical columns as cells; "" where the truth is older than they are. */
static void read_clinical(const rp_json *truth, char cells[COLUMNS][32])
{
    const rp_json *clinical = rp_json_get(truth, "clinical");
    for (int i = 0; i < COLUMNS; i++) {
        const rp_json *value = clinical ? rp_json_get(clinical, columns[i]) : NULL;
        const char *text = value ? rp_json_as_string(value) : NULL;
        double number;
        cells[i][0] = '\0';
        if (text)
            snprintf(cells[i], 32, "%s", text);
        else if (value && rp_json_as_number(value, &number))
            snprintf(cells[i], 32, "%.6g", number);
    }
}

static rp_status add_visit(import_job *job, const char *folder, const rp_json *truth, bool followup,
                           rp_error *err)
{
    static const char *const names[2][2][2] = {
        {{"baseline.nii.gz", "baseline_mask.nii.gz"}, {"baseline", "baseline_rtstruct.dcm"}},
        {{"followup.nii.gz", "followup_mask.nii.gz"}, {"followup", "followup_truth_rtstruct.dcm"}}};
    char cells[COLUMNS][32], *clinical[COLUMNS];
    const char *const *mine = names[followup][job->dicom];
    const char *id = strrchr(folder, '/');
    const char *date = rp_json_get_string(truth, followup ? "followup_date" : "baseline_date");
    const char *label = rp_json_get_string(truth, "label");
    rp_cohort_patient *patient;
    bool evaluable;
    RP_AUTOFREE char *image = rp_path_join(folder, mine[0]);
    RP_AUTOFREE char *contour = rp_path_join(folder, mine[1]);
    if (!image || !contour) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    read_clinical(truth, cells);
    for (int i = 0; i < COLUMNS; i++) clinical[i] = cells[i];
    rp_cohort_visit v = {.kind = followup ? RP_VISIT_FOLLOWUP : RP_VISIT_BASELINE,
                         .date = (char *)date,
                         .image = image,
                         .contour = contour,
                         .roi = job->dicom ? (char *)"Lesion" : NULL,
                         .label = (char *)(label ? label : "synthetic"),
                         .clinical = clinical};
    rp_status status = rp_cohort_add_visit(&job->cohort, id ? id + 1 : folder, &v, &patient, err);
    if (!status && rp_json_get_bool(truth, "recist_evaluable", &evaluable))
        patient->recist_evaluable = evaluable ? RP_EVALUABLE_YES : RP_EVALUABLE_NO;
    return status;
}

/* Of the files that a truth names, one that is not there; NULL when all are. */
static const char *missing_file(const import_job *job, const char *folder)
{
    static const char *const wanted[2][4] = {
        {"baseline.nii.gz", "baseline_mask.nii.gz", "followup.nii.gz", "followup_mask.nii.gz"},
        {"baseline", "baseline_rtstruct.dcm", "followup", "followup_truth_rtstruct.dcm"}};
    for (int i = 0; i < 4; i++) {
        RP_AUTOFREE char *path = rp_path_join(folder, wanted[job->dicom][i]);
        if (path && !rp_path_exists(path)) return wanted[job->dicom][i];
    }
    return NULL;
}

static rp_status add_patient(import_job *job, const char *name, rp_error *err)
{
    rp_error why = {0};
    rp_json *truth = NULL;
    RP_AUTOFREE char *folder = rp_path_join(job->folder, name);
    RP_AUTOFREE char *path = folder ? rp_path_join(folder, "truth.json") : NULL;
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", name);
    if (!rp_path_is_directory(folder)) return RP_OK;
    if (!rp_path_exists(path)) {
        import_leave_out(job, name, "has no truth.json");
        return RP_OK;
    }
    const char *missing = missing_file(job, folder);
    if (missing) {
        import_leave_out(job, name, "has no %s", missing);
        return RP_OK;
    }
    rp_status status = rp_json_read(path, &truth, &why);
    if (status) {
        import_leave_out(job, name, "%s", why.message);
        return status == RP_ERR_MEMORY ? rp_fail(err, status, "%s", why.message) : RP_OK;
    }
    for (int i = 0; !status && i < 2; i++) status = add_visit(job, folder, truth, i == 1, err);
    rp_json_destroy(truth);
    return status;
}

rp_status import_phantom(import_job *job, rp_error *err)
{
    char **names;
    size_t count;
    rp_status status = RP_OK;
    for (int i = 0; !status && i < COLUMNS; i++)
        status = rp_cohort_add_column(&job->cohort, columns[i], err);
    if (!status) status = import_entries(job->folder, &names, &count, err);
    if (status) return status;
    for (size_t i = 0; !status && i < count; i++) status = add_patient(job, names[i], err);
    rp_string_list_free(names, count);
    return status;
}
