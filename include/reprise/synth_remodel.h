/**
 * @file synth_remodel.h
 * Simulated change that is like treatment: a follow-up with known truth in which the lesion recedes
 * or grows irregularly, what it leaves looks like its surroundings, and the scan itself is another.
 * Made for evaluation and for a model's trial before use: shares no code with what training does to
 * its crops. Everything made here is simulated and must be labelled so wherever it is shown.
 */
#ifndef REPRISE_SYNTH_REMODEL_H
#define REPRISE_SYNTH_REMODEL_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a follow-up may have beside the changed surface; a set of bits. */
typedef enum rp_remodel_with {
    RP_REMODEL_PIECES = 1 << 0,    /**< what is left of the lesion may part */
    RP_REMODEL_NECROSIS = 1 << 1,  /**< a hypodense core */
    RP_REMODEL_EMBOLISED = 1 << 2, /**< bright deposits or calcifications, 200 to 800 HU */
    RP_REMODEL_SCAR = 1 << 3,      /**< a dense strand where the lesion was; it must shrink */
    RP_REMODEL_OEDEMA = 1 << 4,    /**< a rim of water in the tissue round the lesion */
    RP_REMODEL_PHASE = 1 << 5,     /**< another contrast phase: organs, vessels, lesion by class */
    RP_REMODEL_KERNEL = 1 << 6,    /**< softer or sharper, with grainy noise */
    RP_REMODEL_THICK = 1 << 7,     /**< slices twice as thick, averaged */
    RP_REMODEL_CONEBEAM = 1 << 8,  /**< scaled grey values, cupping, streaks, smaller field */
    RP_REMODEL_CUT = 1 << 9,       /**< the image ends within the lesion or just beside it */
    RP_REMODEL_NEW_LESION = 1 << 10, /**< another lesion nearby, with a mask of its own */
    RP_REMODEL_SLIDING = 1 << 11,    /**< organs slide along the wall of the body */
    RP_REMODEL_TABLE = 1 << 12 /**< another couch, and the patient lies up to 30 mm elsewhere */
} rp_remodel_with;

enum { RP_REMODEL_KINDS = 13, RP_REMODEL_DRAWS = 96 };

/** The word of bit `kind` (0..RP_REMODEL_KINDS-1), such as "new-lesion"; NULL beyond. */
const char *rp_remodel_word(int kind);

/** Zero-initialise, then rp_remodel_defaults(). */
typedef struct rp_remodel_options {
    double
        change_percent; /**< wanted change of the longest axial diameter: -100 (vanished) to 100 */
    uint64_t seed;
    unsigned with; /**< rp_remodel_with that must be there */
    bool random;   /**< and a plausible subset drawn by seed; never cone beam, cut, new lesion */
    double deformation_mm, deformation_scale_mm; /**< smooth motion, rms and correlation length;
                                                      default 3 over 45 */
    double noise_hu;                             /**< sd of added noise, grainy; default 5 */
    double shift_mm[3]; /**< of the body in the world, LPS; default random within 10 mm */
    bool shift_given;
    double spacing[3]; /**< as in rp_simulate_options */
} rp_remodel_options;

void rp_remodel_defaults(rp_remodel_options *options);

/** One number that was drawn, under a name such as "necrosis.hu". */
typedef struct rp_remodel_draw {
    const char *name; /**< static */
    double value;
} rp_remodel_draw;

typedef struct rp_remodeled {
    rp_image image;
    rp_mask mask;       /**< true lesion on the follow-up's grid: what the image shows of it */
    rp_mask new_lesion; /**< data NULL without RP_REMODEL_NEW_LESION; shares no voxel with mask */
    double baseline_diameter_mm, followup_diameter_mm; /**< convex, of the whole masks */
    double baseline_cc, followup_cc;
    double whole_diameter_mm;   /**< of the lesion before the image was cut; else the same */
    double true_change_percent; /**< of the diameters, as measured on the masks */
    double largest_part_diameter_mm;
    int parts; /**< 26-connected parts of mask */
    /** Mean inside the lesion less the mean of the tissue (neither air nor bone) up to 10 mm round
     *  it, HU, and that over the tissue's sd; at the follow-up 0 where nothing is left. */
    double baseline_contrast_hu, followup_contrast_hu, baseline_cnr, followup_cnr;
    unsigned with;
    double shift_mm[3];
    rp_remodel_draw draws[RP_REMODEL_DRAWS];
    int draw_count;
} rp_remodeled;

/**
 * Fronts start on the lesion's surface and run inwards and outwards by the eikonal equation
 * |grad T| = s (fast marching, Sethian 1996); the slowness s varies in random lobes: nodules that
 * resist, sides that yield or push forward, bone and air that hold growth back. The follow-up's
 * lesion is {T < t}, with t such that the longest axial diameter (convex, of the whole mask) on the
 * follow-up's grid is as asked, within 1% of the baseline's diameter or half a pixel, whichever is
 * larger; else RP_ERR_NUMERIC. -100: nothing is left. Two textures are grown by copying blocks of
 * tissue that fit (exemplar-based, after Efros and Freeman 2001): the surroundings' into where the
 * lesion was, the lesion's into where it grows; they are blended over the new surface as a scanner
 * blends two tissues. Where the surface did not move the image stays as it was.
 *
 * Then what `with` names; smooth motion, tissue drawn in by a lesion that shrinks and pushed away
 * by one that grows; another grid, which lies over the same part of the body; noise. Without the
 * global kinds (phase, kernel, thick, cone beam, cut, sliding, table), deformation, noise, shift
 * and other spacing, tissue farther than three lesion diameters away is the baseline's.
 *
 * RP_ERR_ARGUMENT for an empty mask, a mask on another grid, options outside their range, and
 * kinds that this change does not allow (scar without shrinkage, necrosis or deposits in a lesion
 * that is gone). Same inputs and seed: same bits, with any number of threads; the same baseline
 * stored in another order of axes: the same follow-up, in that order.
 */
rp_status rp_remodel_followup(const rp_image *baseline, const rp_mask *lesion,
                              const rp_remodel_options *options, const rp_progress *progress,
                              rp_remodeled *out, rp_error *err);
void rp_remodeled_release(rp_remodeled *remodeled);

#ifdef __cplusplus
}
#endif
#endif
