/**
 * @file track_verify.h
 * Whether a measured change can be believed: the adapted model on its own baseline, what it found,
 * and the two images, held against one another. What speaks against it has a key; a response that
 * has one is NE unless a person accepts it. Part of the module track.
 */
#ifndef REPRISE_TRACK_VERIFY_H
#define REPRISE_TRACK_VERIFY_H

#include "reprise/register.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Reasons not to answer, each with a stable key; what can cause others comes first. */
typedef enum rp_doubt {
    RP_DOUBT_SELF_DICE,  /**< "baseline_not_reproduced" */
    RP_DOUBT_GUARD,      /**< "guard_failed": nor simulated follow-ups of it (guard.h) */
    RP_DOUBT_SETTLED,    /**< "not_settled": and what it learnt is not stable (guard.h) */
    RP_DOUBT_REGION,     /**< "other_region": the images have too little in common */
    RP_DOUBT_SCALE,      /**< "wrong_scale": the follow-up fits with the spacing of the baseline */
    RP_DOUBT_MIRRORED,   /**< "mirrored": with left and right, or front and back, exchanged */
    RP_DOUBT_TURNED,     /**< "turned": with both, by 180 degrees about the long axis */
    RP_DOUBT_REVERSED,   /**< "head_feet_reversed": with head and feet exchanged */
    RP_DOUBT_OUTSIDE,    /**< "lesion_outside": the follow-up does not show its place */
    RP_DOUBT_VIEW,       /**< "field_of_view": the lesion is cut off by the image or scan circle */
    RP_DOUBT_ELSEWHERE,  /**< "lesion_elsewhere" */
    RP_DOUBT_FRAGMENTS,  /**< "fragments" */
    RP_DOUBT_RESOLUTION, /**< "below_resolution" */
    RP_DOUBT_VOLUME,     /**< "volume_ratio" */
    RP_DOUBT_CONTRAST,   /**< "contrast_lost": it looks like its surroundings, unlike before */
    RP_DOUBT_UNDECIDED,  /**< "undecided": the response is not probable enough (guard.h) */
    RP_DOUBTS
} rp_doubt;
const char *rp_doubt_key(rp_doubt doubt);
bool rp_doubt_find(const char *key, rp_doubt *doubt);

/** What speaks against a change: each found with a clause, without full stop. */
typedef struct rp_doubts {
    bool found[RP_DOUBTS];
    char clause[RP_DOUBTS][200];
} rp_doubts;

/* ---- the two images ------------------------------------------------------------------------ */

/** How the follow-up lies to the baseline. */
typedef struct rp_alignment {
    rp_registration registration;      /**< baseline -> follow-up */
    rp_register_image *fixed, *moving; /**< owned */
    bool flipped[3];                   /**< turned over along these axes of the patient (left-right,
                                            front-back, head-foot) the follow-up fits clearly better */
    double flipped_correlation;        /**< then: its correlation; NaN */
    double
        scaled_correlation; /**< of the follow-up with the baseline's spacing, where its own is
                                 another by a factor of 1.4 at least and fits clearly worse; NaN */
} rp_alignment;

/**
 * Registers the follow-up to the baseline, as it is and turned over in each of the seven ways that
 * its header could be wrong by. Clearly better: a good registration whose correlation is higher by
 * 0.05, or by 0.005 and leaves less than three tenths of what was unexplained. Some seconds.
 * RP_ERR_MEMORY only.
 */
rp_status rp_align_visits(const rp_image *baseline, const rp_image *followup, rp_alignment *out,
                          rp_error *err);
void rp_alignment_release(rp_alignment *alignment);

/** Of what both images show (of each as a whole where the registration is not good), above -200 HU.
 */
typedef struct rp_intensities {
    double median_hu[2]; /**< baseline, follow-up, to 1 HU; NaN: too little */
    double bone_hu[2];   /**< mean above 300 HU; NaN: less than 0.2% of it */
} rp_intensities;

void rp_compare_intensities(const rp_alignment *alignment, const rp_image *baseline,
                            const rp_image *followup, rp_intensities *out);

/** Where the lesion was found, against where it was. */
typedef struct rp_place {
    double shared;    /**< share of the smaller of the two lesions that lies in the other, 0..1, the
                           baseline's carried over by the alignment */
    double centre_mm; /**< between their centres */
    double in_view;   /**< share of the carried lesion that the follow-up image shows, 0..1 */
} rp_place;

/**
 * The alignment is refined round the lesion (rp_register_local), and where the registration is not
 * good the images' own coordinates count as well: of these placements the one that speaks for the
 * lesion most. NaN for shared and centre_mm where nothing was found.
 */
void rp_compare_places(const rp_alignment *alignment, const rp_mask *baseline, const rp_mask *found,
                       rp_place *out);

/** The lesion comes within so many voxels (0: reaches) of the edge of its image, or of the circle
 * that the scanner reconstructed: all voxels of the planes across head and feet that are farther
 * from their middle hold one value. */
bool rp_leaves_view(const rp_image *image, const rp_mask *lesion, int margin);

/**
 * How a lesion differs from what surrounds it: the mean of what lies deeper in it than 2 mm (or a
 * voxel; of all of it where that is little) less that of the tissue from there to 10 mm outside
 * (-100 to 200 HU), over the root mean square of their standard deviations (and 1 HU). Values are
 * clipped to -160..240 HU. The mask lies on the image's grid. NaN: too little of either, or no
 * memory.
 */
double rp_lesion_contrast(const rp_image *image, const rp_mask *lesion);

/* ---- the judgement ------------------------------------------------------------------------- */

typedef struct rp_verify_limits {
    double self_dice;    /**< 0.7: below, wrong responses were common on simulated follow-ups
                              (docs/results.md) */
    int parts;           /**< 8: so many parts, of which the one kept holds less than ... */
    double part_share;   /**< 0.5 of the voxels found; less than a fifth of that of 3 parts */
    double most_volume;  /**< 27 times the baseline's, and */
    double least_volume; /**< 1/64 of it: diameters to three times and to a quarter */
    double shared;       /**< 0.1: a lesion that shares less with its old place, and ... */
    double centre_mm;    /**< 15: lies farther from it, is another */
    double in_view;      /**< 0.75 */
    double contrast;     /**< 0.25 of the baseline's, where that is 0.3 at least; with the other
                              sign twice that, for contrast media come earlier or later */
    double correlation;  /**< 0.6: below, and with ... */
    double common;       /**< 0.4 of the smaller body, the images show other regions */
} rp_verify_limits;
void rp_verify_defaults(rp_verify_limits *limits);

/** Of the lesion; NULL and NaN where something is not known: then it raises no doubt. */
typedef struct rp_verify_input {
    double self_dice; /**< Dice of the model's contour of its own baseline with the contour given */
    double baseline_mm3, found_mm3; /**< found: 0 where nothing was, which no doubt is about */
    int parts;                      /**< found on the follow-up */
    double part_share; /**< of the voxels found, in the part kept (of all parts kept: in
                            the largest) */
    double voxel_mm3;  /**< of the coarser of image and working grid; eight of them are
                            what can be resolved */
    double baseline_contrast, found_contrast; /**< rp_lesion_contrast */
    bool baseline_leaves_view, followup_leaves_view;
    const rp_alignment *alignment;
    const rp_place *place;
} rp_verify_input;

void rp_verify(const rp_verify_input *input, const rp_verify_limits *limits, rp_doubts *out);

#ifdef __cplusplus
}
#endif
#endif
