/**
 * @file register.h
 * Rigid registration of two CTs of one patient.
 *
 * Six degrees of freedom: a rotation and a translation that carry points of the fixed image to the
 * same anatomy in the moving one. What the two have in common is found by the normalised
 * cross-correlation of windowed intensities: first an exhaustive search over translations (and
 * seven rotations) on coarse voxels, then damped Gauss-Newton steps on the correlation's least
 * squares form on voxels of about 12, 6 and 3 mm, the finer ones with the weights of Geman and
 * McClure, so that what changed (lesions, bowel, another table) pulls less and less.
 */
#ifndef REPRISE_REGISTER_H
#define REPRISE_REGISTER_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** x -> rotation (x - centre) + centre + translation; LPS mm. */
typedef struct rp_rigid {
    double rotation[3][3], centre[3], translation[3];
} rp_rigid;

rp_rigid rp_rigid_identity(void);
void rp_rigid_apply(const rp_rigid *rigid, const double from[3], double to[3]);
/** The way back; with the same centre. */
rp_rigid rp_rigid_inverse(const rp_rigid *rigid);
/** The angle of the rotation about its own axis, 0 to 180. */
double rp_rigid_degrees(const rp_rigid *rigid);
/** How far it moves its own centre. */
double rp_rigid_shift_mm(const rp_rigid *rigid);

typedef enum rp_registration_quality {
    RP_REGISTRATION_GOOD,
    RP_REGISTRATION_DOUBTFUL, /**< a person should look: `reason` says why */
    RP_REGISTRATION_FAILED    /**< nothing in common was found; the transform is the identity */
} rp_registration_quality;
const char *rp_registration_quality_name(rp_registration_quality quality);

typedef struct rp_registration {
    rp_rigid transform; /**< fixed -> moving; its centre is that of the fixed image's body */
    double correlation; /**< at the end, over the body where both images are; -1..1 */
    double correlation_at_start; /**< with the images as their own coordinates place them; NaN where
                                      they have less than a tenth of the fixed body in common */
    double overlap;              /**< share of the fixed body that the moving image shows, 0..1 */
    double common;               /**< share of the smaller of the two bodies that both show */
    double runner_up; /**< correlation (less where there is less overlap), on voxels of 6 mm, of the
                           best solution more than 10 mm away that was followed so far; NaN: none */
    rp_registration_quality quality;
    char reason[160]; /**< one clause; "" where the quality is good */
} rp_registration;

/** What is kept of an image for any number of registrations: about a twentieth of a CT of 0.8 mm.
 */
typedef struct rp_register_image rp_register_image;
rp_status rp_register_image_create(const rp_image *image, rp_register_image **out, rp_error *err);
/** The same with the content turned over within its own box, along the patient's axes (left-right,
 *  front-back, head-foot) that are named: how an image looks whose header says the opposite. */
rp_status rp_register_image_flip(const rp_register_image *image, const bool axes[3],
                                 rp_register_image **out, rp_error *err);
void rp_register_image_destroy(rp_register_image *image);

/**
 * Finds the motion. Follow-ups of other extent, spacing, orientation and table position are what it
 * is made for: along the body the whole range is searched, across it 60 mm round the place where
 * the bodies' centres meet and round the images' own coordinates; rotations up to 20 degrees.
 * Images with too little in common are no error but a quality. Same inputs: same bits with any
 * number of threads. About a second on two processors, after as much for the preparation of a CT of
 * 512x512x400. RP_ERR_MEMORY only.
 */
rp_status rp_register_rigid(const rp_register_image *fixed, const rp_register_image *moving,
                            rp_registration *out, rp_error *err);

/**
 * How far the content round a point lies from where the transform (fixed -> moving) puts it, an
 * estimate of its error there: the translation in mm, up to 30 mm, that fits the voxels within
 * radius_mm of the point best. False where there is too little to tell: less than half of the ball
 * lies in both images, or the fit finds no better place (`shift` is then 0).
 */
bool rp_register_local(const rp_register_image *fixed, const rp_register_image *moving,
                       const rp_rigid *transform, const double point[3], double radius_mm,
                       double shift[3]);

#ifdef __cplusplus
}
#endif
#endif
