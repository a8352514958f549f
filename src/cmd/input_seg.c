/* Segments of DICOM segmentations, on the grid of a CT or on their own. */
#include "input.h"

#include <string.h>
#include <strings.h>

/* Of a segment that lies on a grid in part, the share that may be lost without a word. */
static const double most_lost = 0.1;

bool cmd_is_seg_name(const char *path)
{
    static const char ending[] = "seg.dcm";
    const size_t length = strlen(path), tail = sizeof ending - 1;
    return length >= tail && strcasecmp(path + length - tail, ending) == 0;
}

rp_status input_seg_mask(const input_segment *from, const cmd_ct *ct, rp_mask *mask, rp_error *err)
{
    const rp_seg_mask_options how = {.fraction = from->fraction};
    const char *name = from->segment->name;
    rp_seg_report report;
    rp_status status =
        rp_seg_to_mask(from->seg, from->segment, &how, &ct->series.image.grid, mask, &report, err);
    if (status) return rp_fail_in(err, status, "%s", from->file);
    const double inside = (double)rp_mask_count(mask), outside = (double)report.outside_voxels;
    if (inside == 0.0 && outside > 0.0) {
        rp_mask_release(mask);
        return rp_fail(err, RP_ERR_REFUSED, "%s: the segment \"%s\" lies outside the image %s",
                       from->file, name, ct->path);
    }
    if (outside > most_lost * (inside + outside))
        rp_log(RP_LOG_WARNING, "%s: %.0f%% of the segment \"%s\" lie outside the image", from->file,
               100.0 * outside / (inside + outside), name);
    return RP_OK;
}

rp_status input_check_seg(const char *file, const rp_seg *seg, const cmd_ct *ct,
                          const cmd_contour_options *options, bool *other_series, rp_error *err)
{
    const input_origin origin = {file, &seg->header, seg->header.frame_of_reference_uid,
                                 seg->referenced_series_uid};
    return input_check_belongs(&origin, ct, options, other_series, err);
}

rp_status input_load_seg(const char *file, const char *name, const cmd_ct *ct,
                         const cmd_contour_options *options, cmd_contour *contour, rp_error *err)
{
    rp_seg seg = {0};
    input_segment from = {.file = file, .seg = &seg, .fraction = options->fraction};
    rp_status status = rp_seg_read(file, &seg, err);
    if (!status) status = input_check_seg(file, &seg, ct, options, &contour->other_series, err);
    if (!status) status = rp_seg_find_segment(&seg, file, name, &from.segment, err);
    if (!status) status = input_seg_mask(&from, ct, &contour->mask, err);
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
    const rp_seg_mask_options options = {.fraction = fraction};
    rp_seg seg = {0};
    rp_grid grid;
    const rp_seg_segment *segment = NULL;
    rp_status status = rp_seg_read(file, &seg, err);
    if (!status) status = rp_seg_find_segment(&seg, file, name, &segment, err);
    if (!status) {
        status = rp_seg_grid(&seg, &grid, err);
        if (!status) status = rp_seg_to_mask(&seg, segment, &options, &grid, mask, NULL, err);
        if (status) rp_fail_in(err, status, "%s", file);
    }
    rp_seg_release(&seg);
    return status;
}
