/**
 * @file synth.h
 * Test material with known truth: simulated follow-ups of a real baseline, and a synthetic cohort.
 * Everything made here is synthetic or simulated and must be labelled so wherever it is shown.
 */
#ifndef REPRISE_SYNTH_H
#define REPRISE_SYNTH_H

#include "reprise/synth_remodel.h"
#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Zero-initialise, then rp_simulate_defaults(). */
typedef struct rp_simulate_options {
    double change_percent; /**< wanted change of the longest axial diameter, > -95 */
    uint64_t seed;
    double deformation_mm;       /**< rms of the smooth random deformation; default 3 */
    double deformation_scale_mm; /**< its correlation length; default 40 */
    double density_change_hu;    /**< mean change inside the lesion; default -12 */
    double rim_hu, rim_mm;       /**< hypodense rim round the lesion; default -15 HU over 6 mm */
    double shift_mm[3];          /**< table position; default random within 10 mm */
    bool shift_given;
    double noise_hu;   /**< added noise sd; default 8 */
    double spacing[3]; /**< follow-up grid, in canonical order (rp_grid_canonical); 0: 0.95..1.05 of
                            the baseline's, random */
} rp_simulate_options;

void rp_simulate_defaults(rp_simulate_options *options);

typedef struct rp_simulated {
    rp_image image;
    rp_mask mask; /**< true lesion on the follow-up's grid */
    double baseline_diameter_mm, followup_diameter_mm;
    double true_change_percent; /**< of those, as measured on the masks */
    double scale;               /**< about the centroid, found by iteration */
    double shift_mm[3];
} rp_simulated;

/**
 * Follow-up with known truth: smooth deformation, lesion scaled about its centroid until the
 * longest axial diameter (convex, of the whole mask) has changed as asked (within 1% of the
 * baseline's diameter or half a pixel, whichever is larger; or RP_ERR_NUMERIC), density change,
 * rim, table shift, other grid and noise. The tissue round the lesion moves with its border, less
 * and less up to one and a half lesion radii away; a shrunken lesion leaves tissue like its
 * surroundings behind. What lies beyond the image's border is its mirror image. shift_mm moves the
 * body in the world (LPS); the grid's origin moves by up to 3 mm of its own. RP_ERR_ARGUMENT for an
 * empty mask, a mask on another grid and options outside their range. Same inputs and seed: same
 * bits; the same baseline stored in another order of axes: the same follow-up, in that order.
 */
rp_status rp_simulate_followup(const rp_image *baseline, const rp_mask *lesion,
                               const rp_simulate_options *options, const rp_progress *progress,
                               rp_simulated *out, rp_error *err);
void rp_simulated_release(rp_simulated *simulated);

typedef struct rp_phantom_options {
    uint64_t seed;
    int patient;       /**< 0..; each has anatomy of its own */
    int size[3];       /**< x,y,z; default 160 x 128 x 48 */
    double spacing[3]; /**< default 2.0, 2.0, 4.0 mm */
    bool remodel;      /**< the follow-up comes from rp_remodel_followup, not from the equations */
    unsigned with;     /**< then rp_remodel_options.with ... */
    bool random;       /**< ... and random */
} rp_phantom_options;

void rp_phantom_defaults(rp_phantom_options *options);

/** Made up like the images: as plausible as a table needs, and evidence of nothing. */
typedef struct rp_phantom_clinical {
    bool female;
    int age_years;
    double afp_ng_ml, pivka_ii_mau_ml; /**< at the baseline; higher with larger tumours */
    double followup_months;            /**< from the baseline to the event or the last contact */
    bool event;                        /**< death; sooner with progression and with thrombus */
} rp_phantom_clinical;

typedef struct rp_phantom {
    rp_image baseline, followup;
    rp_mask baseline_lesion, followup_lesion; /**< whole tumour: main mass, satellites, thrombus */
    bool satellites, necrosis, thrombus;
    bool recist_evaluable; /**< false with tumour thrombus, in the portal vein or to the cava */
    /** Longest axial diameters (convex) of each mask's largest component (26-neighbours): a
     *  satellite is a lesion of its own. */
    double baseline_diameter_mm, followup_diameter_mm, change_percent;
    rp_phantom_clinical clinical;
    /** What rp_remodel_followup said of the follow-up, the image and its mask apart; zero without
     *  `remodel`. */
    rp_remodeled remodelled;
} rp_phantom;

/**
 * One synthetic abdominal patient and the follow-up after treatment, from equations alone. The
 * middle of the grid is the world's origin. A tumour of 40 to 180 mm, limited by what the abdomen
 * and the image hold; every fourth patient has satellites, every fifth a tumour thrombus; the
 * responses of a cohort are spread evenly from -55% to +30%. An image smaller than 320 x 256 mm
 * shows a smaller patient whole; RP_ERR_ARGUMENT below a fifth of that. With `remodel` the baseline
 * is the same, and the response asked of rp_remodel_followup, whose errors are this one's; what is
 * measured may differ from it, for there the whole mask counts. Same options: same bits.
 */
rp_status rp_phantom_make(const rp_phantom_options *options, rp_phantom *out, rp_error *err);
void rp_phantom_release(rp_phantom *phantom);

#ifdef __cplusplus
}
#endif
#endif
