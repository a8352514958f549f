/* The follow-up against the baseline: as it is, and as it would look if its header were wrong. */
#include "reprise/track_verify.h"

#include <math.h>
#include <string.h>

/* Of the correlation, and of what it leaves unexplained. Honest pairs: at least 0.1 less when
 * turned over (phantoms, CTs of thorax, liver and thigh); a body that is its own mirror image: less
 * than 0.005 more by chance. */
static const double clear_gain = 0.05, small_gain = 0.005, small_gain_leaves = 0.3;

static bool fits_better(const rp_registration *turned, const rp_registration *as_it_is)
{
    if (turned->quality != RP_REGISTRATION_GOOD) return false;
    if (as_it_is->quality == RP_REGISTRATION_FAILED) return true;
    const double gain = turned->correlation - as_it_is->correlation;
    return gain >= clear_gain ||
           (gain >= small_gain &&
            1.0 - turned->correlation < small_gain_leaves * (1.0 - as_it_is->correlation));
}

/* Seven ways of being turned over; the one that fits best counts. */
static rp_status try_flips(rp_alignment *a, rp_error *err)
{
    const double alike = 0.002; /* of two ways the one with fewer exchanges */
    const double sure = 0.993;  /* nothing could fit clearly better */
    rp_status status = RP_OK;
    double best = -1.0;
    if (a->registration.correlation >= sure) return RP_OK;
    for (unsigned way = 1; way < 8 && !status; way++) {
        const bool axes[3] = {(way & 1) != 0, (way & 2) != 0, (way & 4) != 0};
        rp_register_image *turned = NULL;
        rp_registration found;
        status = rp_register_image_flip(a->moving, axes, &turned, err);
        if (!status) status = rp_register_rigid(a->fixed, turned, &found, err);
        rp_register_image_destroy(turned);
        if (status || !fits_better(&found, &a->registration) || found.correlation <= best + alike)
            continue;
        best = a->flipped_correlation = found.correlation;
        memcpy(a->flipped, axes, sizeof axes);
    }
    return status;
}

/* The axis of the baseline that runs most nearly along an axis of the follow-up. */
static int same_axis(const rp_grid *baseline, const rp_grid *followup, int axis)
{
    double most = -1.0;
    int found = 0;
    for (int b = 0; b < 3; b++) {
        double along = 0.0;
        for (int r = 0; r < 3; r++)
            along += baseline->direction[r][b] * followup->direction[r][axis];
        if (fabs(along) > most) most = fabs(along), found = b;
    }
    return found;
}

/* A spacing that is wrong by a factor makes everything larger or smaller by it. */
static rp_status try_scale(rp_alignment *a, const rp_image *baseline, const rp_image *followup,
                           rp_error *err)
{
    const double notable = 1.4;
    rp_image scaled = *followup; /* borrows the voxels */
    bool differs = false;
    for (int axis = 0; axis < 3; axis++) {
        const int b = same_axis(&baseline->grid, &followup->grid, axis);
        const double ratio = followup->grid.spacing[axis] / baseline->grid.spacing[b];
        differs = differs || ratio >= notable || ratio <= 1.0 / notable;
        scaled.grid.spacing[axis] = baseline->grid.spacing[b];
    }
    if (!differs) return RP_OK;
    rp_register_image *moving = NULL;
    rp_registration found;
    rp_status status = rp_register_image_create(&scaled, &moving, err);
    if (!status) status = rp_register_rigid(a->fixed, moving, &found, err);
    rp_register_image_destroy(moving);
    if (!status && fits_better(&found, &a->registration)) a->scaled_correlation = found.correlation;
    return status;
}

rp_status rp_align_visits(const rp_image *baseline, const rp_image *followup, rp_alignment *out,
                          rp_error *err)
{
    *out = (rp_alignment){.flipped_correlation = NAN, .scaled_correlation = NAN};
    rp_status status = rp_register_image_create(baseline, &out->fixed, err);
    if (!status) status = rp_register_image_create(followup, &out->moving, err);
    if (!status) status = rp_register_rigid(out->fixed, out->moving, &out->registration, err);
    if (!status) status = try_scale(out, baseline, followup, err);
    if (!status && isnan(out->scaled_correlation)) status = try_flips(out, err);
    if (status) rp_alignment_release(out);
    return status;
}

void rp_alignment_release(rp_alignment *alignment)
{
    rp_register_image_destroy(alignment->fixed);
    rp_register_image_destroy(alignment->moving);
    alignment->fixed = alignment->moving = NULL;
}
