/**
 * @file register_deform.h
 * Deformable registration of two CTs of one patient, and the baseline's contour carried to the
 * follow-up by it. Part of the module register.
 *
 * After the rigid registration, coarse to fine (voxels of about 9, 6 and 3 mm over the body, then
 * 2 mm round the lesion): self-similarity descriptors (MIND-SSC; Heinrich et al., MICCAI 2013), a
 * search over a dense set of discrete displacements whose result is made smooth by coupled convex
 * steps (Heinrich, Papiez et al. 2014; as in ConvexAdam, Siebert et al. 2024), then Gauss-Newton
 * steps on a lattice with diffusion regularisation. A field that folds is smoothed where it does.
 *
 * It explains a change of shape by motion. What a treatment takes away or leaves behind is no
 * motion: there the carried contour is wrong, however well the images agree. It is a comparator and
 * a fallback, and says how far it can be believed.
 */
#ifndef REPRISE_REGISTER_DEFORM_H
#define REPRISE_REGISTER_DEFORM_H

#include "reprise/register.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is registered; all borrowed. The images may be stored in any order of axes. */
typedef struct rp_deform_pair {
    const rp_image *baseline, *followup;
    rp_rigid rigid; /**< baseline -> follow-up, as rp_register_rigid finds it with the baseline
                         as the fixed image (rp_alignment.registration.transform) */
    const rp_mask *lesion; /**< on the baseline, of any grid: where the finest voxels lie. NULL: no
                                such region */
} rp_deform_pair;

/** Take rp_deform_defaults() and change what is to differ. */
typedef struct rp_deform_options {
    double spacing_mm;        /**< of the finest voxels over the whole; 2 to 20; default 3. Coarser
                                   where the body would hold more than 3 million of them */
    double region_spacing_mm; /**< round the lesion, 1 to 20; default 2. Coarser where the region
                                   would hold more than half a million */
    double margin_mm;         /**< the region: the lesion's box and so much round it; default 24 */
    double reach_mm;   /**< > 0: also the whole is only the lesion's box and so much round it,
                            which takes a fraction of the time; 0 (default): the body */
    double smoothness; /**< weight of the regularisation, > 0; default 1 */
} rp_deform_options;

void rp_deform_defaults(rp_deform_options *options);

typedef struct rp_deform_summary {
    double spacing_mm;        /**< as used */
    double region_spacing_mm; /**< as used; 0 without region */
    size_t voxels;            /**< of the finest lattice over the whole, within the body */
    double compared;          /**< share of those whose counterpart the baseline shows */
    double difference_before; /**< mean squared difference of descriptors (0..1) over what is
                                   compared, after the rigid registration ... */
    double difference_after;  /**< ... and at the end */
    double median_mm, p95_mm, max_mm; /**< length of the displacements beside the rigid motion,
                                           within the body */
    double folded;       /**< share of voxels of the body where the Jacobian is not positive; both
                              lattices, whichever has more */
    double jacobian_min; /**< of both */
    rp_registration_quality quality;
    char reason[160]; /**< one clause; "" where the quality is good */
} rp_deform_summary;

/** A displacement field between the two images. */
typedef struct rp_deform rp_deform;

/**
 * Finds the field. Same inputs: same bits with any number of threads. Bytes taken besides the
 * images: rp_deform_memory. Processor time goes with
 * the voxels: 1 s for a thigh of 48 slices, with a lesion.
 * progress (may be NULL): stage "deform". RP_ERR_ARGUMENT for options outside their range and an
 * empty lesion, RP_ERR_REFUSED where an image shows nothing (all values alike) or the two have
 * nothing in common after the rigid motion, RP_ERR_CANCELLED, RP_ERR_MEMORY. A doubtful result is
 * no error but a quality.
 */
rp_status rp_deform_register(const rp_deform_pair *pair, const rp_deform_options *options,
                             const rp_progress *progress, rp_deform **out, rp_error *err);
void rp_deform_destroy(rp_deform *deform);
/** An upper bound of the bytes that a registration takes at once. */
size_t rp_deform_memory(const rp_deform_pair *pair, const rp_deform_options *options);

const rp_deform_summary *rp_deform_summary_get(const rp_deform *deform);

/** The place on the baseline of a point of the follow-up, LPS mm. Beyond the lattice its border's
 *  displacement goes on. */
void rp_deform_to_baseline(const rp_deform *deform, const double followup[3], double baseline[3]);
/** The way back, by iteration. False where that does not meet within 0.1 mm (the field folds, or
 *  has no such point); `followup` is then the best place that was met. */
bool rp_deform_to_followup(const rp_deform *deform, const double baseline[3], double followup[3]);
/** The Jacobian determinant of follow-up -> baseline at a point of the follow-up: below 1 where
 *  tissue has grown since the baseline. */
double rp_deform_jacobian(const rp_deform *deform, const double followup[3]);

/**
 * The baseline's mask where the field puts it, on a grid of the follow-up (any order of axes).
 * Linear interpolation of its indicator, averaged over target voxels that are larger than the
 * mask's; inside above a threshold between 0.25 and 0.75 at which the mask has the volume of the
 * indicator's sum. *moved_out (may be NULL): share of the mask's volume that comes to lie outside
 * the grid or is lost, 0..1, by the way back of its voxels.
 */
rp_status rp_deform_carry_mask(const rp_deform *deform, const rp_mask *baseline,
                               const rp_grid *followup, rp_mask *out, double *moved_out,
                               rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
