/* What a person must know about how contours became a mask. */
#include "reprise/dicom.h"

#include <math.h>

/* Of a clean conversion: pixels of small regions alone make such a difference. */
static const double most_volume_change = 0.1;

typedef char sentence[240];

static double volume_change(const rp_roi_report *r)
{
    return r->sum_area_spacing_cc > 0 ? r->mask_cc / r->sum_area_spacing_cc - 1 : 0;
}

static void describe_volumes(const rp_roi_report *r, sentence volumes)
{
    snprintf(volumes, sizeof(sentence),
             "By area times spacing the contours hold %.2f cc, the mask %.2f cc (%+.1f%%)",
             r->sum_area_spacing_cc, r->mask_cc, 100 * volume_change(r));
}

/* What was left out, or joined within its plane. */
static void remark_contours(const rp_roi_report *r, const sentence volumes, rp_remarks *remarks)
{
    if (r->open_contours)
        rp_remark_add(remarks, "contour_open",
                      "ROI number %d: contours ignored because they are not closed (points, open "
                      "lines): %zu.",
                      r->number, r->open_contours);
    if (r->degenerate_contours)
        rp_remark_add(remarks, "contour_degenerate",
                      "ROI number %d: contours ignored because they enclose no area: %zu.",
                      r->number, r->degenerate_contours);
    if (r->outside_contours)
        rp_remark_add(remarks, "contour_outside",
                      "ROI number %d: contours ignored because they lie outside the image: %zu.",
                      r->number, r->outside_contours);
    if (r->duplicate_contours)
        rp_remark_add(remarks, "contour_duplicate",
                      "ROI number %d: contours drawn twice in one plane, which were counted once: "
                      "%zu.",
                      r->number, r->duplicate_contours);
    if (r->thin_walls)
        rp_remark_add(remarks, "contour_thin_wall",
                      "ROI number %d: contours that lie so closely within another that less than a "
                      "pixel is left between them, which were taken as holes: %zu. %s.",
                      r->number, r->thin_walls, volumes);
    if (r->overlapping_contours)
        rp_remark_add(remarks, "contour_overlap",
                      "ROI number %d: contours that overlap another of their plane, which were "
                      "united: %zu. %s.",
                      r->number, r->overlapping_contours, volumes);
}

/* How planes of contours and slices of the image fit. */
static void remark_planes(const rp_roi_report *r, double slice_mm, const sentence volumes,
                          rp_remarks *remarks)
{
    if (r->step_mm > 0)
        rp_remark_add(remarks, "contour_spacing",
                      "ROI number %d: contours lie %.2f mm apart, the slices of the image %.2f mm: "
                      "%s. %s.",
                      r->number, r->step_mm, slice_mm,
                      r->step_mm > slice_mm ? "what lies between contours was interpolated"
                                            : "slices took the voxels that contours cover most",
                      volumes);
    else if (r->off_slice_contours)
        rp_remark_add(remarks, "contour_off_slice",
                      "ROI number %d: contours between slices of the image, which went to the "
                      "nearest: %zu. %s.",
                      r->number, r->off_slice_contours, volumes);
    if (r->interpolated_slices)
        rp_remark_add(
            remarks, "contour_interpolated",
            "ROI number %d: slices without a contour between contours, which were filled by "
            "interpolation: %zu. %s.",
            r->number, r->interpolated_slices, volumes);
    if (r->gap_slices)
        rp_remark_add(
            remarks, "contour_gaps",
            "ROI number %d: slices without a contour between contours, which stayed empty "
            "as a gap between parts: %zu. %s.",
            r->number, r->gap_slices, volumes);
}

void rp_roi_remark(const rp_roi_report *report, double slice_spacing_mm, rp_remarks *remarks)
{
    sentence volumes;
    describe_volumes(report, volumes);
    remark_contours(report, volumes, remarks);
    remark_planes(report, slice_spacing_mm, volumes, remarks);
    const bool told = report->overlapping_contours || report->thin_walls || report->step_mm > 0 ||
                      report->off_slice_contours || report->interpolated_slices ||
                      report->gap_slices;
    if (!told && fabs(volume_change(report)) > most_volume_change)
        rp_remark_add(remarks, "contour_volume",
                      "ROI number %d: its mask differs in volume, as it is small for the voxels or "
                      "lies partly outside the image. %s.",
                      report->number, volumes);
}
