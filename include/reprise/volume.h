/**
 * @file volume.h
 * Grids, images, masks, and the geometry on them.
 *
 * Arrays are [z][y][x], x fastest. Per-axis values are ordered x, y, z (axis 0 is the fastest).
 * Files store a patient in any of 48 orders of axes and directions; whatever must not depend on
 * that order works in canonical order (rp_grid_orientation). "Axial" is the plane across the
 * canonical third axis, whichever stored axis that is; a "slice" is one value of the stored z.
 */
#ifndef REPRISE_VOLUME_H
#define REPRISE_VOLUME_H

#include "reprise/base.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where voxels lie. Voxel (i,j,k)'s centre is origin + direction * (i*sx, j*sy, k*sz), LPS mm. */
typedef struct rp_grid {
    int size[3];            /**< voxels along x, y, z */
    double spacing[3];      /**< mm between voxel centres, > 0 */
    double origin[3];       /**< LPS mm of the centre of voxel (0,0,0) */
    double direction[3][3]; /**< direction[r][a]: LPS component r of axis a's unit vector */
} rp_grid;

typedef struct rp_image {
    rp_grid grid;
    float *data; /**< Hounsfield units for CT; owned */
} rp_image;

typedef struct rp_mask {
    rp_grid grid;
    uint8_t *data; /**< 0 outside, 1 inside; owned */
} rp_mask;

typedef struct rp_labels {
    rp_grid grid;
    int32_t *data; /**< 0 background; owned */
} rp_labels;

/* ---- grid -------------------------------------------------------------------------------- */

/** Axis-aligned grid: identity direction, origin 0. */
rp_grid rp_grid_make(int nx, int ny, int nz, double sx, double sy, double sz);
size_t rp_grid_voxels(const rp_grid *grid);
double rp_grid_voxel_mm3(const rp_grid *grid);
/** Sizes >= 1 and product < 2^40, spacing finite and > 0, direction orthonormal within 1e-3
 *  (either handedness). */
rp_status rp_grid_check(const rp_grid *grid, rp_error *err);
/** True if sizes match and every corner voxel's centre lies within tolerance_mm of the other's. */
bool rp_grid_same(const rp_grid *a, const rp_grid *b, double tolerance_mm);
/** The largest distance between corner voxels of the same index; of a's size. */
double rp_grid_apart_mm(const rp_grid *a, const rp_grid *b);
typedef enum rp_grid_relation {
    RP_GRID_SAME,
    RP_GRID_REORDERED, /**< the same voxels in space, stored along other axes or the other way */
    RP_GRID_OTHER
} rp_grid_relation;
/** Tolerance as of rp_grid_same. */
rp_grid_relation rp_grid_relate(const rp_grid *a, const rp_grid *b, double tolerance_mm);
void rp_grid_to_world(const rp_grid *grid, const double index[3], double world_lps[3]);
void rp_grid_from_world(const rp_grid *grid, const double world_lps[3], double index[3]);
/** Grid over the same physical box (voxel edges) and direction with other spacing; each size is
 *  the nearest whole number of voxels, at least 1, centred on the box. */
rp_grid rp_grid_respaced(const rp_grid *grid, const double spacing[3]);
static inline size_t rp_grid_index(const rp_grid *g, int x, int y, int z)
{
    return ((size_t)z * (size_t)g->size[1] + (size_t)y) * (size_t)g->size[0] + (size_t)x;
}

/* ---- canonical order --------------------------------------------------------------------- */

/**
 * Which stored axis is which in the patient. Canonical axis 2 is the stored axis nearest to the
 * line from the feet to the head; 0 and 1 are the other two, nearest to right-to-left and
 * front-to-back; each points towards LPS. So it is a matter of permuting axes and turning them
 * round: voxels stay what and where they are. Axes that lean alike (at 45 degrees) are told apart
 * by where they point in the patient, never by their order in the file.
 */
typedef struct rp_orientation {
    int axis[3];  /**< stored axis that canonical axis a is */
    bool flip[3]; /**< against whose direction it runs */
} rp_orientation;

rp_orientation rp_grid_orientation(const rp_grid *grid);
/** Nothing to permute or turn. */
bool rp_orientation_is_canonical(const rp_orientation *orientation);
/** The same voxels in canonical order; a grid that is in that order comes back to the bit. The
 *  origin of another one is computed, and may differ from a file's own by its rounding. */
rp_grid rp_grid_canonical(const rp_grid *grid);
/** The way back: the grid in canonical order, stored in another. */
rp_grid rp_grid_restored(const rp_grid *canonical, const rp_orientation *orientation);
/** Fractional voxel index of the stored grid from one in canonical order, and back. */
void rp_orientation_to_stored(const rp_orientation *orientation, const rp_grid *stored,
                              const double canonical[3], double index[3]);
void rp_orientation_from_stored(const rp_orientation *orientation, const rp_grid *stored,
                                const double index[3], double canonical[3]);

/** Element of canonical voxel (x,y,z) in the stored array: first + x*step[0] + y*step[1] +
 *  z*step[2]. */
typedef struct rp_strides {
    size_t first;
    ptrdiff_t step[3];
} rp_strides;

rp_strides rp_orientation_strides(const rp_orientation *orientation, const rp_grid *stored);

/** *canonical is the volume itself where it is in canonical order already, else *made, which is the
 *  caller's to release at every end (zero where nothing was made). */
rp_status rp_image_canonical(const rp_image *image, rp_image *made, const rp_image **canonical,
                             rp_error *err);
rp_status rp_mask_canonical(const rp_mask *mask, rp_mask *made, const rp_mask **canonical,
                            rp_error *err);
/** The way back, in place: a volume on rp_grid_canonical(stored) becomes one on stored. On failure
 *  it stays what it was. */
rp_status rp_image_restore(rp_image *image, const rp_grid *stored, rp_error *err);
rp_status rp_mask_restore(rp_mask *mask, const rp_grid *stored, rp_error *err);

/** The same values at the same places (corners to tolerance_mm), whatever order either is stored in. */
bool rp_image_same(const rp_image *a, const rp_image *b, double tolerance_mm);

/** The stored axis that runs between feet and head, across the axial planes. */
int rp_grid_axial_axis(const rp_grid *grid);
/** Angle between the axial plane of the grid and the patient's own, 0 to 55 degrees. */
double rp_grid_oblique_degrees(const rp_grid *grid);
/** The stored axis across what look like the acquired slices: the one whose spacing is more than a
 *  quarter coarser than both others', else that of the axial plane. */
int rp_grid_slice_axis(const rp_grid *grid);

/* ---- creation (all zeroed) and release --------------------------------------------------- */

rp_status rp_image_init(rp_image *image, const rp_grid *grid, rp_error *err);
rp_status rp_mask_init(rp_mask *mask, const rp_grid *grid, rp_error *err);
rp_status rp_labels_init(rp_labels *labels, const rp_grid *grid, rp_error *err);
rp_status rp_image_copy(const rp_image *from, rp_image *to, rp_error *err);
rp_status rp_mask_copy(const rp_mask *from, rp_mask *to, rp_error *err);
void rp_image_release(rp_image *image);
void rp_mask_release(rp_mask *mask);
void rp_labels_release(rp_labels *labels);

size_t rp_mask_count(const rp_mask *mask);
/** Voxels of the mask whose centres lie more than half a voxel outside the grid's outermost
 * centres.
 */
size_t rp_mask_count_outside(const rp_mask *mask, const rp_grid *grid);
/** Mean position of the mask's voxels; false when it is empty. */
bool rp_mask_centroid(const rp_mask *mask, double world_lps[3]);
/** Mask of one label value. */
rp_status rp_labels_select(const rp_labels *labels, int32_t label, rp_mask *out, rp_error *err);
/** Mask of all the values together. */
rp_status rp_labels_select_region(const rp_labels *labels, const int32_t *values, size_t count,
                                  rp_mask *out, rp_error *err);
/** Mask of everything non-zero. */
rp_status rp_labels_any(const rp_labels *labels, rp_mask *out, rp_error *err);
/** Inclusive voxel box of the mask; false when it is empty. */
bool rp_mask_bounds(const rp_mask *mask, int low[3], int high[3]);

/* ---- resampling -------------------------------------------------------------------------- */

/** Trilinear onto target; voxels whose position lies outside the source's voxel centres by more
 *  than half a voxel read as `outside`, nearer ones repeat the border. */
rp_status rp_image_resample(const rp_image *image, const rp_grid *target, float outside,
                            rp_image *out, rp_error *err);
/**
 * Every part (26 neighbours) by itself, so that it keeps its volume: trilinear on its indicator,
 * averaged over target voxels that are larger than the mask's; inside from the highest value down
 * until the part's volume within the target is reached to half a voxel, but all above 0.75 and none
 * below 0.25. Of equal values those first that have more of the part round them (what is halfway
 * between inside and outside goes both ways). Does not depend on the order of the axes in memory.
 * Outside is 0. Grids that are the same within 0.001 mm copy. A part of less than half a target
 * voxel is lost.
 */
rp_status rp_mask_resample(const rp_mask *mask, const rp_grid *target, rp_mask *out, rp_error *err);
/** Separable Gaussian, sigma in voxels per axis (0: axis untouched), borders repeat. In place. */
rp_status rp_smooth(float *data, const int size[3], const double sigma_voxels[3], rp_error *err);
/** Trilinear value at a fractional index, borders repeat. */
float rp_sample_linear(const float *data, const int size[3], const double index[3]);

/* ---- components and distance ------------------------------------------------------------- */

/**
 * Connected components of the mask: labels 1..*count ordered by decreasing voxel count (ties: the
 * one with the first voxel in canonical order, so that the order of the file does not matter).
 * connectivity 6, 18 or 26. sizes may be NULL, else rp_alloc'd array of *count voxel counts.
 */
rp_status rp_mask_components(const rp_mask *mask, int connectivity, rp_labels *labels,
                             int32_t *count, size_t **sizes, rp_error *err);
/** Keeps the largest component, in place; reports how many there were (may be NULL). */
rp_status rp_mask_keep_largest(rp_mask *mask, int connectivity, int32_t *components, rp_error *err);
/** Exact Euclidean distance in mm of every voxel centre to the nearest voxel centre inside the
 *  mask (0 inside); infinity everywhere for an empty mask. Felzenszwalb and Huttenlocher 2012. */
rp_status rp_mask_distance(const rp_mask *mask, rp_image *distance_mm, rp_error *err);

/* ---- contours in one slice --------------------------------------------------------------- */

typedef struct rp_point2 {
    double x, y; /**< fractional voxel index in the slice; voxel centres are whole numbers */
} rp_point2;

/** Closed polygon; the last point is not repeated. */
typedef struct rp_contour {
    rp_point2 *points;
    size_t count;
} rp_contour;

typedef struct rp_contours {
    rp_contour *items;
    size_t count;
} rp_contours;

/**
 * Marching squares at half intensity on slice z of the mask: points lie midway between an inside
 * and an outside voxel centre; outer boundaries run counter-clockwise with x right and y down
 * seen as stored, holes the other way. Outside the slice counts as outside. Diagonal neighbours
 * are joined (8-connected inside).
 */
rp_status rp_contours_trace(const rp_mask *mask, int z, rp_contours *out, rp_error *err);
/** The same on a scalar slice [ny][nx], inside where field >= level, with linear interpolation
 *  between voxel centres; at the slice's border points lie half a voxel outside. */
rp_status rp_contours_trace_field(const float *field, int nx, int ny, float level, rp_contours *out,
                                  rp_error *err);
void rp_contours_release(rp_contours *contours);
/** In squared voxels; positive for outer boundaries as traced (counter-clockwise with y down),
 *  negative for holes. */
double rp_contour_signed_area(const rp_contour *contour);
/** Even-odd fill by voxel centres: toggles voxels of slice z inside each polygon of the set.
 *  A centre on an edge belongs to the polygon whose inside lies towards +x (on a horizontal edge:
 *  towards +y), so that polygons sharing an edge share no voxel. Polygons may leave the slice;
 *  those with fewer than three points or a coordinate that is not finite are passed over. */
void rp_contours_fill(const rp_contours *contours, rp_mask *mask, int z);

#ifdef __cplusplus
}
#endif
#endif
