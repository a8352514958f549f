/**
 * @file volume_values.h
 * Whether an image's values can be Hounsfield units: figures of a CT, and a judgement of them.
 */
#ifndef REPRISE_VOLUME_VALUES_H
#define REPRISE_VOLUME_VALUES_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Taken of the values as they are, as if they were HU; shares are 0..1. */
typedef struct rp_values {
    float lowest, highest;
    double lowest_share;   /**< of all voxels: exactly the lowest value */
    double deep_share;     /**< of all voxels: below -1100, but for those of the lowest value */
    double air_share;      /**< of all voxels: below -700, air outside and within lungs */
    double lung_share;     /**< of all voxels: -700 to -200 */
    double plateau_share;  /**< of all voxels: within the fullest 64 HU between -700 and -250 */
    double tissue_share;   /**< of all voxels: above -200, from fat to bone ("tissue") */
    double tissue_median;  /**< of these, to 1 HU; 0 where there are none */
    double fat_share;      /**< of tissue: below -50 */
    double bone_share;     /**< of tissue: above 300 */
    double compact_share;  /**< of tissue: 800..1300, compact bone; soft tissue plus 1024 */
    double spongy_share;   /**< of tissue: 300..800 */
    int slices;            /**< planes across the patient's head-foot axis, as near as the grid has
                                it, whatever the storage order */
    int blank_slices;      /**< of these: all one value, or nothing but air */
    int blank_inside;      /**< of these: between others that show something */
    bool blank_is_uniform; /**< the blank ones hold one value each */
} rp_values;

/** One pass over the image (and one over its planes), in parallel; the same with any number of
 *  threads. RP_ERR_MEMORY only. */
rp_status rp_image_values(const rp_image *image, rp_values *values, rp_error *err);

/**
 * Adds remarks on values that a CT of a patient in HU does not have; none on honest ones: bodies
 * with air round them, parts cut out of a body, heads, limbs, cone beams, phantoms of water.
 * "values_uniform": all one value. "values_not_hu": a range narrower than any CT's noise; nothing
 * below 0 and a floor at the lowest value; soft tissue near 1024 or beyond 500 HU; air that is
 * much too deep, or not deep enough; no tissue. "blank_slices": slices without content between
 * others, or a quarter or more of all.
 */
void rp_values_check(const rp_values *values, rp_remarks *remarks);

#ifdef __cplusplus
}
#endif
#endif
