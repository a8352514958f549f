/* Visits of made patients as files. */
#include "made.h"
#include "origin.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

rp_status made_write_nifti(const char *folder, const made_visit *visit, rp_error *err)
{
    RP_AUTOFREE char *image = rp_path_join(folder, visit->image_name);
    RP_AUTOFREE char *mask = rp_path_join(folder, visit->mask_name);
    if (!image || !mask) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    const cmd_origin origin = {.command = visit->command,
                               .label = visit->label,
                               .image = visit->source,
                               .contour_sha256 = visit->contour_sha256};
    rp_status status = cmd_write_image(image, visit->image, true, &origin, err);
    return status ? status : cmd_write_mask(mask, visit->mask, &origin, err);
}

/* A lesion that is gone has no contour to write. */
static bool has_contour(const made_visit *visit)
{
    return rp_mask_count(visit->mask) > 0;
}

rp_status made_write_dicom(const char *folder, const made_visit *visit, rp_error *err)
{
    RP_AUTOFREE char *series = rp_path_join(folder, visit->series_name);
    RP_AUTOFREE char *rtstruct = rp_path_join(folder, visit->rtstruct_name);
    const rp_rtstruct_write_options options = {.roi_name = visit->roi_name,
                                               .description = visit->header->series_description,
                                               .label = visit->label,
                                               .uid_seed = visit->uid_seed};
    rp_dicom_series written = {0};
    rp_mask mask = {0};
    if (!series || !rtstruct) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_status status = rp_directory_create(series, err);
    if (!status)
        status = rp_dicom_series_write(series, visit->image, visit->header, visit->uid_seed,
                                       &written, err);
    /* The slices of a left-handed grid run the other way in DICOM. */
    if (!status && has_contour(visit))
        status = rp_mask_resample(visit->mask, &written.image.grid, &mask, err);
    if (!status && has_contour(visit))
        status = rp_rtstruct_write(rtstruct, &written, &mask, &options, err);
    rp_mask_release(&mask);
    rp_dicom_series_release(&written);
    return status;
}

void made_list_files(rp_json *files, const made_visit *visit, bool dicom)
{
    rp_json_append_string(files, visit->image_name);
    rp_json_append_string(files, visit->mask_name);
    if (!dicom) return;
    rp_json_append_string(files, visit->series_name);
    if (has_contour(visit)) rp_json_append_string(files, visit->rtstruct_name);
}

void made_date_after(const char *date, int days, char later[16])
{
    struct tm day = {0};
    int length = 0;
    later[0] = '\0';
    if (sscanf(date, "%4d%2d%2d%n", &day.tm_year, &day.tm_mon, &day.tm_mday, &length) != 3) return;
    if (length != 8 || date[8]) return;
    day.tm_year -= 1900;
    day.tm_mon -= 1;
    day.tm_mday += days;
    const time_t noon = timegm(&day);
    if (noon != (time_t)-1 && gmtime_r(&noon, &day)) strftime(later, 16, "%Y%m%d", &day);
}
