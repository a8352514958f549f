/**
 * @file measure.h
 * Diameters, volumes and overlap (METHOD: RECIST 1.1 measures on the axial plane).
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

/** One lesion. Lengths in mm, positions in LPS mm. All zero and slice_index -1 when absent. */
typedef struct rp_lesion {
    int32_t label;
    size_t voxels;
    double volume_cc;
    double longest_diameter_mm;
    double short_axis_mm;         /**< longest extent perpendicular to it on the same slice */
    int slice_index;              /**< z of the slice measured */
    double slice_position_lps[3]; /**< centre of voxel (0,0,slice_index) */
    double long_axis_lps[2][3];   /**< end points */
    double short_axis_lps[2][3];
    rp_point2 long_axis_index[2]; /**< the same in fractional voxel index of the slice */
    rp_point2 short_axis_index[2];
    int first_slice, last_slice;
    double centroid_lps[3];
} rp_lesion;

/**
 * Measures everything inside the mask as one lesion. An empty mask gives the absent lesion.
 *
 * The longest diameter is the largest over the slices; of equal ones the first slice, and within it
 * the first pair in raster order of the hull, so the result is the same on every run. The short
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
/** Diameters of one slice: mm, end points in voxel index; 0 when the slice is empty. */
rp_status rp_measure_slice(const rp_mask *mask, int z, rp_diameter_definition definition,
                           double *longest_mm, rp_point2 long_axis[2], double *short_mm,
                           rp_point2 short_axis[2], rp_error *err);

/** 2|A and B| / (|A|+|B|) on one grid; both empty: 1; one empty: 0. RP_ERR_ARGUMENT when grids
 *  differ. */
rp_status rp_measure_dice(const rp_mask *a, const rp_mask *b, double *dice, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
