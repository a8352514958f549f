/**
 * @file measure.h
 * Diameters and volumes (RECIST 1.1 measures on the axial plane); overlap and surface distances.
 *
 * The axial plane is the grid's plane whose normal lies nearest to the patient's head-foot axis,
 * whichever stored axis runs along that (rp_grid_orientation); a "slice" is such a plane. Figures
 * and places in the patient are the same for all 48 orders in which a file may store its axes.
 *
 * Contour points lie midway between an inside and an outside voxel centre (marching squares at one
 * half); beyond the image counts as outside; diagonal neighbours are joined. Lengths are exact for
 * that contour, with in-plane spacing that may differ in x and y.
 */
#ifndef REPRISE_MEASURE_H
#define REPRISE_MEASURE_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_diameter_definition {
    RP_DIAMETER_CONVEX, /**< largest distance between two contour points of the slice */
    RP_DIAMETER_INSIDE /**< longest segment between two contour points that stays within the lesion:
                            it may touch the contour, never leave it, and respects holes */
} rp_diameter_definition;

const char *rp_diameter_definition_name(rp_diameter_definition definition);

/** One lesion. Lengths in mm, positions in LPS mm. All zero but slice_axis, and slice_index -1,
 * when absent. */
typedef struct rp_lesion {
    int32_t label;
    size_t voxels;
    double volume_cc;
    double longest_diameter_mm;
    double short_axis_mm;         /**< longest extent perpendicular to it on the same slice */
    double long_voxel_mm;         /**< extent of a voxel along the longest diameter: by so much at
                                       most one voxel more or less changes it */
    double short_voxel_mm;        /**< the same along the short axis */
    int slice_axis;               /**< stored axis that counts the slices; 2: those of the file */
    int slice_index;              /**< of the slice measured, along slice_axis */
    double slice_position_lps[3]; /**< centre of the stored slice's first voxel */
    double long_axis_lps[2][3];   /**< end points */
    double short_axis_lps[2][3];
    /** The same in fractional voxel index along the slice's two stored axes, in the file's order:
     *  x and y where slice_axis is 2. */
    rp_point2 long_axis_index[2];
    rp_point2 short_axis_index[2];
    int first_slice, last_slice;
    double centroid_lps[3];
} rp_lesion;

/**
 * Measures everything inside the mask as one lesion. An empty mask gives the absent lesion.
 *
 * The longest diameter is the largest over the slices. Of slices that share it (to 1e-12) the one
 * with the largest short axis counts, and of those (to 1e-9) the one nearest the feet; within a
 * slice the first pair of the hull in raster order, from the patient's right and front. The short
 * axis is perpendicular to it in mm on the same slice, and both its ends lie on the contour (not
 * only on its points): for `convex` the largest distance between the first and the last place where
 * a perpendicular line meets the lesion, for `inside` the longest stretch of such a line within the
 * lesion. A single voxel has both. Milliseconds for a convex lesion of any size; a horseshoe of
 * 150 mm takes some hundredths of a second for each slice with `inside`.
 */
rp_status rp_measure_mask(const rp_mask *mask, rp_diameter_definition definition, rp_lesion *lesion,
                          rp_error *err);
/** One lesion per label value (ascending); *lesions rp_alloc'd. */
rp_status rp_measure_labels(const rp_labels *labels, rp_diameter_definition definition,
                            rp_lesion **lesions, size_t *count, rp_error *err);
/** Diameters of one slice, counted along the grid's slice_axis: mm, end points in voxel index as in
 *  rp_lesion; 0 when the slice is empty. */
rp_status rp_measure_slice(const rp_mask *mask, int slice, rp_diameter_definition definition,
                           double *longest_mm, rp_point2 long_axis[2], double *short_mm,
                           rp_point2 short_axis[2], rp_error *err);

/** 2|A and B| / (|A|+|B|) on one grid; both empty: 1; one empty: 0. RP_ERR_ARGUMENT when grids
 *  differ. */
rp_status rp_measure_dice(const rp_mask *a, const rp_mask *b, double *dice, rp_error *err);

/** The most tolerances of one comparison. */
enum { RP_OVERLAP_TOLERANCES = 8 };

/** How far the surface of one mask lies from the other's; all NaN where a mask is empty. */
typedef struct rp_surface_distance {
    double mean_mm;  /**< mean over the elements, weighted by their areas */
    double hd95_mm;  /**< the smallest distance within which 95% of the area lie */
    double hd_mm;    /**< the largest distance of any element */
    double area_mm2; /**< of this mask's own elements: staircases make it a tenth to a fifth larger
                        than a smooth surface, and only its shares count in the figures above */
} rp_surface_distance;

/**
 * A prediction held against a reference. Distances in mm, volumes in cc.
 *
 * Surface elements, after Nikolov et al. 2018 (arXiv:1809.04430; the "surface-distance" package):
 * each cell of 2x2x2 neighbouring voxel centres that holds inside and outside is one element and
 * lies at the middle of the cell, where eight voxels meet; beyond the image counts as outside, so a
 * mask that touches the border has surface there. Its distance is the straight line to the nearest
 * element of the other mask, exact. Its area is that of the contour of rp_contours_trace drawn on
 * all six sides of the cell (points midway between inside and outside centres, diagonal neighbours
 * joined), each closed line of it spanned by the triangles from the mean of its points to its
 * sides. This, not a table of triangles, makes the area independent of order and direction of the
 * axes; for cells without diagonal neighbours whose line is flat it is that of Nikolov's table.
 * Elements lie up to half a cell's diagonal off the smooth surface, on either side, and the nearest
 * of them counts: surfaces that are far apart, seen on coarse voxels, come out nearer by a part of
 * a voxel (concentric spheres 6 mm apart, voxels of 0.9 x 1.2 x 2.5 mm: mean 5.2 mm).
 *
 * The same masks with axes in another order or direction give figures that agree to 1e-9
 * relatively: shares of area count as 95% from 95% (1 - 1e-9), distances as within a tolerance up
 * to tolerance (1 + 1e-6), which is what single precision spacing in files asks for.
 */
typedef struct rp_overlap {
    size_t reference_voxels, prediction_voxels, common_voxels;
    double dice; /**< as rp_measure_dice */
    double reference_cc, prediction_cc;
    double volume_difference_cc;          /**< prediction minus reference */
    double volume_difference_absolute_cc; /**< without its sign */
    double volume_difference_percent;     /**< of the reference; NaN when that is empty */

    bool surfaces_defined;    /**< false where a mask is empty: the distances below are NaN */
    char surfaces_reason[48]; /**< then says which; else "" */
    double hd95_mm;           /**< Hausdorff 95: the larger of the two directed ones */
    double hd_mm;             /**< Hausdorff (maximum): the larger of the two directed ones */
    double msd_mm;            /**< mean surface distance: the mean of the two directed means */
    rp_surface_distance from_reference;  /**< to the prediction */
    rp_surface_distance from_prediction; /**< to the reference */

    size_t tolerance_count;
    double tolerance_mm[RP_OVERLAP_TOLERANCES]; /**< as asked for */
    /** Share of the area of both surfaces together that lies within the tolerance of the other
     *  surface (Nikolov et al.); both masks empty: 1; one empty: 0, as for Dice. */
    double surface_dice[RP_OVERLAP_TOLERANCES];
} rp_overlap;

/**
 * Compares two masks on one grid. tolerances_mm: count lengths >= 0 (may be NULL for none).
 * RP_ERR_ARGUMENT: grids differ by more than 0.01 mm at a corner, an impossible grid, a tolerance
 * that is negative or not finite, more than RP_OVERLAP_TOLERANCES. An empty mask is no error.
 * Nearest elements are looked up on rp_parallel_for; the figures are the same bits with any number
 * of threads. A lesion of 100 mm in 512x512x100 voxels takes about a tenth of a second, half of it
 * for passing over the voxels; else one or two microseconds and 100 bytes for each element.
 */
rp_status rp_measure_overlap(const rp_mask *reference, const rp_mask *prediction,
                             const double *tolerances_mm, size_t count, rp_overlap *overlap,
                             rp_error *err);

/** The i-th definition used, for reports: a short key ("dice", "surface", "distance", ...) and a
 *  sentence. False, and nothing set, beyond the last. */
bool rp_overlap_definition(size_t i, const char **key, const char **text);

#ifdef __cplusplus
}
#endif
#endif
