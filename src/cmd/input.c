/* Loading images and contours, and the refusals that keep patients and series apart. */
#define _GNU_SOURCE

#include "input.h"
#include "origin.h"
#include "reprise/dicom_patient.h"

#include <libgen.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- labels ------------------------------------------------------------------------------ */

/* The first weighs more. */
static const char *const made_labels[] = {"synthetic", "simulated"};

/* "Synthetic CT" is what radiotherapy calls an image of a real patient that was computed from MR.
 */
static void label_in(const char *text, char label[32])
{
    for (size_t i = 0; text && !label[0] && i < sizeof made_labels / sizeof *made_labels; i++)
        if (strcasestr(text, made_labels[i]) && !strcasestr(text, "synthetic ct"))
            snprintf(label, 32, "%s", made_labels[i]);
}

/* From a truth.json beside the file, if that lists the file's name. */
static void label_beside(const char *path, char label[32])
{
    RP_AUTOFREE char *copy = rp_strdup(path), *again = rp_strdup(path);
    if (!copy || !again) return;
    RP_AUTOFREE char *truth = rp_path_join(dirname(copy), "truth.json");
    const char *name = basename(again);
    rp_json *json = NULL;
    if (!truth || !rp_path_exists(truth) || rp_json_read(truth, &json, NULL)) return;
    const rp_json *files = rp_json_get(json, "files");
    const char *found = rp_json_get_string(json, "label");
    for (size_t i = 0; found && files && i < rp_json_length(files); i++) {
        const char *listed = rp_json_as_string(rp_json_at(files, i));
        if (listed && strcmp(listed, name) == 0) label_in(found, label);
    }
    rp_json_destroy(json);
}

/* From the origin that a NIfTI file tells, or the description of a DICOM object. */
static void label_within(const char *path, char label[32])
{
    rp_dicom_header header;
    char sop_uid[RP_DICOM_UID];
    if (rp_nifti_probe(path)) {
        rp_json *origin = cmd_origin_read(path);
        if (origin) label_in(rp_json_get_string(origin, "label"), label);
        rp_json_destroy(origin);
    } else if (rp_dicom_probe(path)) {
        rp_dicom_object_read(path, &header, sop_uid, NULL); /* blanked UIDs do not matter here */
        label_in(header.series_description, label);
    }
}

void cmd_find_label(const char *path, const rp_dicom_header *header, char label[32])
{
    label[0] = '\0';
    if (header) label_in(header->series_description, label);
    if (label[0] || rp_path_is_directory(path)) return;
    if (!header) label_within(path, label);
    if (!label[0]) label_beside(path, label);
}

const char *cmd_label_of_both(const char *a, const char *b)
{
    if (strcmp(a, "synthetic") == 0 || !b[0]) return a;
    return strcmp(b, "synthetic") == 0 || !a[0] ? b : a;
}

void cmd_add_label(char label[32], const char *other)
{
    const char *both = cmd_label_of_both(label, other);
    if (both != label) snprintf(label, 32, "%s", both);
}

/* ---- images ------------------------------------------------------------------------------ */

static void hash_image(const rp_image *image, char hex[RP_SHA256_HEX])
{
    char text[1024], voxels[RP_SHA256_HEX];
    const rp_grid *g = &image->grid;
    rp_sha256(image->data, rp_grid_voxels(g) * sizeof(float), voxels);
    int length = snprintf(text, sizeof text, "%d %d %d", g->size[0], g->size[1], g->size[2]);
    for (int a = 0; a < 3; a++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %.5f %.5f %.5f %.5f %.5f",
                           g->spacing[a], g->origin[a], g->direction[a][0], g->direction[a][1],
                           g->direction[a][2]);
    length += snprintf(text + length, sizeof text - (size_t)length, " %s", voxels);
    rp_sha256(text, (size_t)length, hex);
}

static rp_status load_dicom(const char *path, const cmd_ct_options *options,
                            const rp_progress *progress, cmd_ct *ct, rp_error *err)
{
    const rp_dicom_load_options load = {.series_uid = options->series,
                                        .allow_non_ct = options->allow_non_ct,
                                        .allow_mixed_patients = options->allow_mixed_patients,
                                        .repair = input_repair_wanted()};
    ct->is_dicom = true;
    rp_status status = rp_dicom_series_load(path, &load, progress, &ct->series, err);
    if (!status) status = input_note_repair(ct, err);
    if (!status) rp_dicom_repair_text(&ct->series.repair, ct->repair);
    ct->remarks = ct->series.remarks; /* which the command goes on with */
    ct->series.remarks = (rp_remarks){0};
    if (status) rp_dicom_series_release(&ct->series);
    return status;
}

static rp_status load_nifti(const char *path, cmd_ct *ct, rp_error *err)
{
    rp_status status = rp_nifti_read_image(path, &ct->series.image, &ct->remarks, err);
    if (status) return status;
    hash_image(&ct->series.image, ct->series.image_sha256);
    rp_json *origin = cmd_origin_read(path);
    const char *repair = origin ? rp_json_get_string(origin, "image_repair") : NULL;
    snprintf(ct->repair, sizeof ct->repair, "%s", repair ? repair : "");
    rp_json_destroy(origin);
    return RP_OK;
}

/* Of what may be a CT: a NIfTI file does not say. */
static rp_status check_values(cmd_ct *ct, rp_error *err)
{
    const char *modality = ct->series.header.modality;
    if (modality[0] && strcmp(modality, "CT") != 0) return RP_OK;
    rp_status status = rp_image_values(&ct->series.image, &ct->values, err);
    if (!status) rp_values_check(&ct->values, &ct->remarks);
    return status;
}

rp_status cmd_ct_load(const char *path, const cmd_ct_options *options, const rp_progress *progress,
                      cmd_ct *ct, rp_error *err)
{
    static const cmd_ct_options none = {0};
    *ct = (cmd_ct){.path = path};
    if (!options) options = &none;
    rp_status status;
    cmd_doing("reading %s", path);
    if (!rp_path_exists(path))
        status = rp_fail(err, RP_ERR_IO, "%s: no such file or folder", path);
    else if (rp_path_is_directory(path))
        status = load_dicom(path, options, progress, ct, err);
    else if (rp_nifti_probe(path))
        status = load_nifti(path, ct, err);
    else if (rp_rtstruct_probe(path))
        status = rp_fail(err, RP_ERR_FORMAT, "%s: an RTSTRUCT, where an image is needed", path);
    else if (rp_dicom_probe(path))
        status = load_dicom(path, options, progress, ct, err);
    else
        status = rp_fail(err, RP_ERR_FORMAT, "%s: neither DICOM nor NIfTI", path);
    if (!status) status = check_values(ct, err);
    cmd_doing(NULL);
    if (status) {
        cmd_ct_release(ct);
        return status;
    }
    cmd_remark_plane(&ct->series.image.grid, ct->is_dicom, &ct->remarks);
    cmd_tell(path, &ct->remarks);
    memcpy(ct->sha256, ct->series.image_sha256, sizeof ct->sha256);
    cmd_find_label(path, ct->is_dicom ? &ct->series.header : NULL, ct->label);
    return RP_OK;
}

void cmd_ct_release(cmd_ct *ct)
{
    rp_dicom_series_release(&ct->series);
    rp_remarks_release(&ct->remarks);
    *ct = (cmd_ct){0};
}

double cmd_slice_spacing(const cmd_ct *ct)
{
    const rp_grid *grid = &ct->series.image.grid;
    return grid->spacing[rp_grid_axial_axis(grid)];
}

/* ---- contours ---------------------------------------------------------------------------- */

rp_status cmd_split_roi(const char *spec, char **file, const char **roi, rp_error *err)
{
    *roi = NULL;
    *file = rp_strdup(spec);
    if (!*file) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", spec);
    if (rp_path_exists(spec)) return RP_OK;
    for (char *colon = *file + strlen(*file); colon-- > *file;) {
        if (*colon != ':') continue;
        *colon = '\0';
        if (rp_path_exists(*file)) {
            *roi = spec + (colon - *file) + 1;
            return RP_OK;
        }
        *colon = ':';
    }
    rp_free(*file);
    *file = NULL;
    return rp_fail(err, RP_ERR_IO, "%s: no such file", spec);
}

static bool differ(const char *a, const char *b)
{
    return a[0] && b[0] && strcmp(a, b) != 0;
}

rp_status input_check_belongs(const input_origin *origin, const cmd_ct *ct,
                              const cmd_contour_options *options, bool *other_series, rp_error *err)
{
    const char *file = origin->file;
    const rp_dicom_header *mine = origin->header, *its = &ct->series.header;
    const unsigned differs = rp_dicom_identity_differs(mine, its);
    if (differs && !options->allow_patient_mismatch) {
        char what[96];
        rp_dicom_identity_text(differs, what);
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: the contour is of another patient than %s (their %s differ)", file,
                       ct->path, what);
    }
    *other_series = differ(origin->series_uid, its->series_uid);
    if (options->allow_series_mismatch) return RP_OK;
    if (differ(origin->frame_uid, its->frame_of_reference_uid))
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: the contour was drawn in another frame of reference than that of %s",
                       file, ct->path);
    const bool frame_known = origin->frame_uid[0] && its->frame_of_reference_uid[0];
    if (*other_series && !frame_known)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: the contour belongs to another series (%s) than %s", file,
                       origin->series_uid, ct->path);
    return RP_OK;
}

rp_status input_check_roi(const input_roi *from, const cmd_ct *ct,
                          const cmd_contour_options *options, bool *other_series, rp_error *err)
{
    const rp_rtstruct *rs = from->rtstruct;
    rp_rtstruct_frame frame;
    rp_rtstruct_frame_of(rs, from->roi, ct->series.header.frame_of_reference_uid, &frame);
    const input_origin origin = {from->file, &rs->header, frame.uid, frame.series_uid};
    return input_check_belongs(&origin, ct, options, other_series, err);
}

static void remark_roi(const input_roi *from, const cmd_ct *ct, const rp_roi_report *report,
                       rp_remarks *remarks)
{
    const rp_remarks *of_file = &from->rtstruct->remarks;
    rp_rtstruct_frame frame;
    for (size_t i = 0; i < of_file->count; i++)
        rp_remark_add(remarks, of_file->items[i].key, "%s", of_file->items[i].text);
    const bool told = rp_rtstruct_frame_of(from->rtstruct, from->roi,
                                           ct->series.header.frame_of_reference_uid, &frame);
    if (!told && frame.uid[0])
        rp_remark_add(remarks, "contour_frame_assumed",
                      "ROI number %d does not say in which frame of reference it was drawn: that "
                      "which the file refers to was taken.",
                      from->roi->number);
    else if (!told && !frame.series_uid[0])
        rp_remark_add(remarks, "contour_frame_assumed",
                      "ROI number %d: neither it nor its file says in which frame of reference or "
                      "on which series it was drawn: it was taken as drawn on this image.",
                      from->roi->number);
    rp_roi_remark(report, ct->series.image.grid.spacing[2], remarks);
}

rp_status input_fill_roi(const input_roi *from, const cmd_ct *ct, rp_mask *mask,
                         rp_remarks *remarks, rp_error *err)
{
    const rp_dicom_series *series = &ct->series;
    rp_roi_report report;
    rp_status status = rp_roi_to_mask(from->roi, &series->image.grid, mask, &report, err);
    if (status == RP_ERR_REFUSED && series->repair.tilt_degrees > 0) {
        rp_mask acquired = {0};
        status = rp_roi_to_mask(from->roi, &series->acquired_grid, &acquired, &report, err);
        if (!status) status = rp_mask_resample(&acquired, &series->image.grid, mask, err);
        rp_mask_release(&acquired);
    }
    if (status) return rp_fail_in(err, status, "%s", from->file);
    remark_roi(from, ct, &report, remarks);
    return RP_OK;
}

static rp_status load_rtstruct(const char *file, const char *name, const cmd_ct *ct,
                               const cmd_contour_options *options, cmd_contour *contour,
                               rp_error *err)
{
    rp_rtstruct contours = {0};
    input_roi from = {.file = file, .rtstruct = &contours};
    rp_status status = rp_rtstruct_read(file, &contours, err);
    if (!status) status = rp_rtstruct_find_roi(&contours, file, name, &from.roi, err);
    if (!status) status = input_check_roi(&from, ct, options, &contour->other_series, err);
    if (!status) status = input_fill_roi(&from, ct, &contour->mask, &contour->remarks, err);
    if (!status) {
        contour->format = CMD_RTSTRUCT;
        memcpy(contour->roi_name, from.roi->name, sizeof contour->roi_name);
        cmd_find_label(file, &contours.header, contour->label);
    }
    rp_rtstruct_release(&contours);
    return status;
}

static rp_status load_mask(const char *file, const char *label, const cmd_ct *ct, bool may_be_empty,
                           cmd_contour *contour, rp_error *err)
{
    rp_status status = cmd_mask_read(file, label, &contour->mask, &contour->remarks, err);
    if (status) return status;
    cmd_find_label(file, NULL, contour->label);
    if (rp_mask_count(&contour->mask) == 0 && !may_be_empty)
        return rp_fail(err, RP_ERR_REFUSED, "%s: the mask is empty", file);
    return input_place(file, &contour->mask, ct, &contour->remarks, err);
}

rp_status input_check_extent(const char *file, const cmd_ct *ct, const rp_mask *mask, rp_error *err)
{
    const size_t inside = rp_mask_count(mask), all = rp_grid_voxels(&mask->grid);
    if (inside == 0)
        return rp_fail(err, RP_ERR_REFUSED, "%s: no voxel of %s lies inside", file, ct->path);
    if (inside > all / 2)
        return rp_fail(err, RP_ERR_REFUSED, "%s: covers %.0f%% of the image: not a lesion", file,
                       100.0 * (double)inside / (double)all);
    return RP_OK;
}

rp_status cmd_contour_load(const char *spec, const cmd_ct *ct, const cmd_contour_options *options,
                           cmd_contour *contour, rp_error *err)
{
    static const cmd_contour_options none = {0};
    RP_AUTOFREE char *file = NULL;
    const char *roi;
    *contour = (cmd_contour){0};
    rp_status status = cmd_split_roi(spec, &file, &roi, err);
    if (status) return status;
    if (!options) options = &none;
    cmd_doing("reading %s", file);
    if (rp_path_is_directory(file))
        status =
            rp_fail(err, RP_ERR_FORMAT, "%s: a folder, not an RTSTRUCT, SEG or NIfTI file", file);
    else if (rp_nifti_probe(file))
        status = load_mask(file, roi, ct, options->allow_empty && !roi, contour, err);
    else if (rp_rtstruct_probe(file))
        status = load_rtstruct(file, roi, ct, options, contour, err);
    else if (rp_seg_probe(file))
        status = input_load_seg(file, roi, ct, options, contour, err);
    else
        status = rp_fail(err, RP_ERR_FORMAT, "%s: no RTSTRUCT, SEG or NIfTI mask", file);
    const bool gone = !status && options->allow_empty && rp_mask_count(&contour->mask) == 0;
    if (!status && !gone) status = input_check_extent(file, ct, &contour->mask, err);
    if (!status) status = rp_sha256_file(file, contour->sha256, err);
    cmd_doing(NULL);
    if (status)
        cmd_contour_release(contour);
    else
        cmd_tell(file, &contour->remarks);
    return status;
}

void cmd_contour_release(cmd_contour *contour)
{
    rp_mask_release(&contour->mask);
    rp_remarks_release(&contour->remarks);
    *contour = (cmd_contour){0};
}

static rp_status read_and_tell(const char *file, const char *label, rp_mask *mask, rp_error *err)
{
    rp_remarks odd = {0};
    rp_status status = cmd_mask_read(file, label, mask, &odd, err);
    if (!status) cmd_remark_plane(&mask->grid, !rp_nifti_probe(file), &odd);
    cmd_tell_all(file, &odd);
    return status;
}

rp_status cmd_mask_load(const char *spec, const char *image, const rp_progress *progress,
                        cmd_ct *ct, rp_mask *mask, rp_error *err)
{
    RP_AUTOFREE char *file = NULL;
    const char *roi;
    *ct = (cmd_ct){0};
    *mask = (rp_mask){0};
    rp_status status = cmd_split_roi(spec, &file, &roi, err);
    if (status) return status;
    if (!image) {
        cmd_find_label(file, NULL, ct->label);
        if (cmd_mask_probe(file)) return read_and_tell(file, roi, mask, err);
        if (rp_rtstruct_probe(file))
            return rp_fail(err, RP_ERR_ARGUMENT,
                           "%s: an RTSTRUCT needs the image that it was drawn on: name it by the "
                           "option --image (respond: --baseline-image, --followup-image; segment: "
                           "--prior-image)",
                           file);
        return rp_fail(err, RP_ERR_FORMAT, "%s: no RTSTRUCT, SEG or NIfTI mask", file);
    }
    cmd_contour contour = {0};
    status = cmd_ct_load(image, NULL, progress, ct, err);
    if (!status) status = cmd_contour_load(spec, ct, NULL, &contour, err);
    if (!status) {
        *mask = contour.mask;
        contour.mask = (rp_mask){0};
        cmd_add_label(ct->label, contour.label);
    } else {
        cmd_ct_release(ct);
    }
    cmd_contour_release(&contour);
    return status;
}
