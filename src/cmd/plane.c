/* What is said of images whose slices are not axial. */
#include "cmd.h"

static const double most_oblique_degrees = 30.0; /* METHOD section 2 */

/* slice: the stored axis across the acquired slices. */
static void remark_slices(const rp_grid *grid, int slice, const char *how, rp_remarks *remarks)
{
    static const char *const planes[] = {"sagittal", "coronal"};
    static const char *const ways[] = {"right to left", "front to back"};
    const rp_orientation o = rp_grid_orientation(grid);
    if (slice == o.axis[2]) return;
    const int way = slice == o.axis[0] ? 0 : 1;
    rp_remark_add(remarks, "not_axial",
                  "%s %s (%.2f mm apart from %s), not axial: diameters are measured in the "
                  "axial plane across them, whose voxels are %.2f x %.2f mm.",
                  how, planes[way], grid->spacing[slice], ways[way], grid->spacing[o.axis[0]],
                  grid->spacing[o.axis[1]]);
}

void cmd_remark_plane(const rp_grid *grid, bool is_dicom, rp_remarks *remarks)
{
    const double degrees = rp_grid_oblique_degrees(grid);
    if (is_dicom)
        remark_slices(grid, 2, "Its slices are", remarks);
    else
        remark_slices(grid, rp_grid_slice_axis(grid), "By their spacing its slices are", remarks);
    if (degrees > most_oblique_degrees)
        rp_remark_add(remarks, "not_axial",
                      "Its axes are oblique: the plane nearest to axial, in which diameters are "
                      "measured, is tilted by %.0f degrees.",
                      degrees);
}
