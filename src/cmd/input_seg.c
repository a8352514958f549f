/* Segments of DICOM segmentations, on the grid of a CT or on their own. */
#include "input.h"

#include <string.h>
#include <strings.h>

bool cmd_is_seg_name(const char *path)
{
    static const char ending[] = "seg.dcm";
    const size_t length = strlen(path), tail = sizeof ending - 1;
    return length >= tail && strcasecmp(path + length - tail, ending) == 0;
}

/* A segment whose frames have their own grid. */
static void tell_resampled(double before_cc, const rp_mask *mask, rp_remarks *remarks)
{
    const double cc = cmd_mask_cc(mask);
    rp_remark_add(remarks, "mask_resampled",
                  "The segment's frames lie between the image's voxels and were put on its grid: "
                  "%.3f cc became %.3f cc (%+.1f%%).",
                  before_cc, cc, before_cc > 0 ? 100 * (cc / before_cc - 1) : 0);
}

rp_status input_seg_mask(const input_segment *from, const cmd_ct *ct, rp_mask *mask,
                         rp_remarks *remarks, rp_error *err)
{
    const rp_remarks *of_file = &from->seg->remarks;
    const char *drawn_on = from->seg->referenced_series_uid;
    const rp_seg_mask_options how = {
        .fraction = from->fraction,
        .own_image = drawn_on[0] && strcmp(drawn_on, ct->series.header.series_uid) == 0};
    rp_seg_report report;
    rp_status status =
        rp_seg_to_mask(from->seg, from->segment, &how, &ct->series.image.grid, mask, &report, err);
    if (status) return rp_fail_in(err, status, "%s", from->file);
    const double inside = (double)rp_mask_count(mask), outside = (double)report.outside_voxels;
    if (inside == 0.0 && outside > 0.0) {
        rp_mask_release(mask);
        return rp_fail(err, RP_ERR_REFUSED, "%s: the segment \"%s\" lies outside the image %s",
                       from->file, from->segment->name, ct->path);
    }
    if (report.resampled) tell_resampled(report.own_mm3 / 1000.0, mask, remarks);
    if (outside > 0.0)
        input_tell_outside(outside, report.resampled ? (double)report.own_voxels : inside + outside,
                           remarks);
    for (size_t i = 0; i < of_file->count; i++)
        rp_remark_add(remarks, of_file->items[i].key, "%s", of_file->items[i].text);
    if (ct->is_dicom && !drawn_on[0] && !from->seg->header.frame_of_reference_uid[0])
        rp_remark_add(
            remarks, "contour_frame_assumed",
            "The segmentation does not say in which frame of reference or on which series "
            "it was drawn: it was taken as drawn on this image.");
    return RP_OK;
}

rp_status input_check_seg(const char *file, const rp_seg *seg, const cmd_ct *ct,
                          const cmd_contour_options *options, bool *other_series, rp_error *err)
{
    const input_origin origin = {file, &seg->header, seg->header.frame_of_reference_uid,
                                 seg->referenced_series_uid};
    return input_check_belongs(&origin, ct, options, other_series, err);
}

rp_status input_place_seg(const char *file, rp_seg *seg, const cmd_ct *ct, rp_error *err)
{
    if (seg->unplaced_frames && !ct->is_dicom)
        return rp_fail(
            err, RP_ERR_REFUSED,
            "%s: its frames tell no position, only the DICOM images that they were drawn "
            "on, and %s is none",
            file, ct->path);
    rp_status status = rp_seg_place(seg, &ct->series, err);
    return status ? rp_fail_in(err, status, "%s", file) : RP_OK;
}

rp_status input_load_seg(const char *file, const char *name, const cmd_ct *ct,
                         const cmd_contour_options *options, cmd_contour *contour, rp_error *err)
{
    rp_seg seg = {0};
    input_segment from = {.file = file, .seg = &seg, .fraction = options->fraction};
    rp_status status = rp_seg_read(file, &seg, err);
    if (!status) status = input_check_seg(file, &seg, ct, options, &contour->other_series, err);
    if (!status) status = rp_seg_find_segment(&seg, file, name, &from.segment, err);
    if (!status) status = input_place_seg(file, &seg, ct, err);
    if (!status) status = input_seg_mask(&from, ct, &contour->mask, &contour->remarks, err);
    if (!status && rp_mask_count(&contour->mask) == 0 && !options->allow_empty)
        status = rp_fail(err, RP_ERR_REFUSED, "%s: the segment \"%s\" is empty", file,
                         from.segment->name);
    if (!status) {
        contour->format = CMD_SEG;
        memcpy(contour->roi_name, from.segment->name, sizeof contour->roi_name);
        cmd_find_label(file, &seg.header, contour->label);
    }
    rp_seg_release(&seg);
    return status;
}

rp_status input_read_seg(const char *file, const char *name, double fraction, rp_mask *mask,
                         rp_error *err)
{
    const rp_seg_mask_options options = {.fraction = fraction, .own_image = true};
    rp_seg seg = {0};
    rp_grid grid;
    const rp_seg_segment *segment = NULL;
    rp_status status = rp_seg_read(file, &seg, err);
    if (!status) status = rp_seg_find_segment(&seg, file, name, &segment, err);
    if (!status) {
        status = rp_seg_grid(&seg, &grid, &seg.remarks, err);
        if (!status) status = rp_seg_to_mask(&seg, segment, &options, &grid, mask, NULL, err);
        if (status) rp_fail_in(err, status, "%s", file);
    }
    if (!status) cmd_tell(file, &seg.remarks);
    rp_seg_release(&seg);
    return status;
}
