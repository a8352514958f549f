/* 3D-IRCADb: folders of a patient's DICOM slices, and for each structure a folder of DICOM slices
 * that are 0 outside it and 255 inside. */
#include "import.h"
#include "input.h"
#include "origin.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static bool is_wanted(const import_job *job, const char *structure)
{
    static const char prefix[] =
        "livertumo"; /* livertumor, livertumor01, livertumors, livertumour */
    if (job->label) return strcasecmp(structure, job->label) == 0;
    return strncasecmp(structure, prefix, sizeof prefix - 1) == 0;
}

/* Inside is the brighter half: some headers carry the CT's rescaling, so 255 need not be 255. False
 * where all is one value. */
static bool threshold(const rp_image *image, rp_mask *mask)
{
    const size_t voxels = rp_grid_voxels(&image->grid);
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < voxels; i++) {
        low = fminf(low, image->data[i]);
        high = fmaxf(high, image->data[i]);
    }
    for (size_t i = 0; i < voxels; i++)
        mask->data[i] = high > low && image->data[i] > 0.5f * (low + high);
    return high > low;
}

/* Adds one structure to the union on the CT's grid. *why is set where it cannot be. */
static rp_status add_structure(const char *folder, const cmd_ct *ct, rp_mask *whole, rp_error *why,
                               rp_error *err)
{
    const cmd_ct_options options = {.allow_non_ct = true, .allow_mixed_patients = true};
    cmd_ct slices = {0};
    rp_mask mask = {0};
    rp_remarks odd = {0};
    rp_status status = cmd_ct_load(folder, &options, NULL, &slices, why);
    if (!status) status = rp_mask_init(&mask, &slices.series.image.grid, why);
    if (!status && !threshold(&slices.series.image, &mask))
        status = rp_fail(why, RP_ERR_FORMAT, "%s: all voxels are alike", folder);
    if (!status) status = input_place(folder, &mask, ct, &odd, why);
    cmd_tell_all(folder, &odd);
    const size_t voxels = status ? 0 : rp_grid_voxels(&mask.grid);
    for (size_t i = 0; i < voxels; i++) whole->data[i] |= mask.data[i];
    cmd_ct_release(&slices);
    rp_mask_release(&mask);
    return status == RP_ERR_MEMORY ? rp_fail(err, status, "%s", why->message) : RP_OK;
}

/* The union of the wanted structures; a patient is left out when one of them cannot be read, for a
 * part of the tumour would pass for all of it. */
static rp_status unite(import_job *job, const char *masks, const cmd_ct *ct, rp_mask *whole,
                       rp_error *why, rp_error *err)
{
    char **names;
    size_t count, found = 0;
    rp_status status = import_entries(masks, &names, &count, why);
    if (status) return RP_OK;
    status = rp_mask_init(whole, &ct->series.image.grid, err);
    for (size_t i = 0; !status && !why->status && i < count; i++) {
        RP_AUTOFREE char *folder = rp_path_join(masks, names[i]);
        if (!folder) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", masks);
        if (status || !is_wanted(job, names[i]) || !rp_path_is_directory(folder)) continue;
        found++;
        status = add_structure(folder, ct, whole, why, err);
    }
    if (!status && !why->status && !found)
        rp_fail(why, RP_ERR_FORMAT, "%s: no structure %s", masks,
                job->label ? job->label : "that begins with livertumor");
    rp_string_list_free(names, count);
    return status;
}

static rp_status write_row(import_job *job, const char *id, const char *images, const cmd_ct *ct,
                           const rp_mask *mask, rp_error *err)
{
    char date[16] = "";
    const char *day = ct->series.header.acquisition_date;
    if (strlen(day) == 8) snprintf(date, sizeof date, "%.4s-%.2s-%.2s", day, day + 4, day + 6);
    rp_status status = job->stage.temporary ? RP_OK : rp_stage_begin(job->masks, &job->stage, err);
    if (status) return status;
    RP_AUTOFREE char *written = rp_format("%s/%s.nii.gz", job->stage.temporary, id);
    RP_AUTOFREE char *final = rp_format("%s/%s.nii.gz", job->masks, id);
    if (!written || !final) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", images);
    const cmd_origin origin = {.command = "import", .label = ct->label, .image = ct};
    status = cmd_write_mask(written, mask, &origin, err);
    rp_cohort_visit v = {.image = (char *)images, .contour = final, .date = date};
    return status ? status : rp_cohort_add_visit(&job->cohort, id, &v, NULL, err);
}

static rp_status add_patient(import_job *job, const char *id, rp_error *err)
{
    rp_error why = {0};
    cmd_ct ct = {0};
    rp_mask whole = {0};
    RP_AUTOFREE char *images = rp_format("%s/%s/PATIENT_DICOM", job->folder, id);
    RP_AUTOFREE char *masks = rp_format("%s/%s/MASKS_DICOM", job->folder, id);
    if (!images || !masks) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", id);
    if (!rp_path_is_directory(images)) {
        import_leave_out(job, id,
                         "has no folder PATIENT_DICOM (3D-IRCADb's archives have to be "
                         "unpacked)");
        return RP_OK;
    }
    rp_status status = cmd_ct_load(images, NULL, NULL, &ct, &why);
    if (status == RP_ERR_MEMORY) return rp_fail(err, status, "%s", why.message);
    status = RP_OK;
    if (!why.status) status = unite(job, masks, &ct, &whole, &why, err);
    if (!status && why.status)
        import_leave_out(job, id, "%s", why.message);
    else if (!status)
        status = write_row(job, id, images, &ct, &whole, err);
    rp_mask_release(&whole);
    cmd_ct_release(&ct);
    return status;
}

rp_status import_ircadb(import_job *job, rp_error *err)
{
    char **names;
    size_t count;
    rp_status status = import_entries(job->folder, &names, &count, err);
    if (status) return status;
    if (rp_path_exists(job->masks))
        status = rp_fail(err, RP_ERR_IO, "%s: exists already, and the masks have to go there",
                         job->masks);
    for (size_t i = 0; !status && i < count; i++) {
        RP_AUTOFREE char *folder = rp_path_join(job->folder, names[i]);
        if (!folder) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->folder);
        if (!status && rp_path_is_directory(folder)) status = add_patient(job, names[i], err);
        rp_progress_report(job->progress, "patients", (double)i + 1, (double)count, NULL);
        if (!status && rp_progress_cancelled(job->progress))
            status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    }
    rp_string_list_free(names, count);
    return status;
}
