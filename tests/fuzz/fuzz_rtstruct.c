/* The RTSTRUCT reader, and every region that it delivers filled on a grid round its first point. */
#include "fuzz.h"
#include "reprise/dicom.h"

#include <math.h>

static void fill(const rp_roi *roi, rp_grid grid)
{
    rp_mask mask = {0};
    rp_roi_report report = {0};
    rp_error err = {0};
    for (size_t c = 0; c < roi->contour_count; c++)
        for (size_t p = 0; p < roi->contours[c].count; p++)
            for (int i = 0; i < 3; i++)
                fuzz_check(isfinite(roi->contours[c].points[p][i]), "points are finite");
    if (roi->contour_count && roi->contours[0].count)
        for (int i = 0; i < 3; i++)
            grid.origin[i] = roi->contours[0].points[0][i] - grid.spacing[i] * 0.5 * grid.size[i];
    if (rp_roi_to_mask(roi, &grid, &mask, &report, &err)) {
        fuzz_check(err.message[0] && !mask.data, "a failure has a message and no mask");
        return;
    }
    fuzz_check(rp_mask_count(&mask) > 0, "a mask holds something");
    fuzz_check(report.contours_used > 0 && report.contours_used <= roi->contour_count,
               "the report counts the contours");
    rp_mask_release(&mask);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    rp_rtstruct rt;
    rp_error err = {0};
    const rp_roi *found = NULL;
    rp_rtstruct_probe(path);
    rp_status status = rp_rtstruct_read(path, &rt, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(status ? !rt.rois : rt.roi_count > 0, "there are regions, or there is an error");
    for (size_t i = 0; i < rt.roi_count; i++) {
        rp_rtstruct_find_roi(&rt, path, rt.rois[i].name, &found, NULL);
        fill(&rt.rois[i], rp_grid_make(24, 20, 12, 2, 1.5, 3));
        fill(&rt.rois[i], rp_grid_make(9, 9, 1, 30, 30, 5));
    }
    rp_rtstruct_release(&rt);
}
