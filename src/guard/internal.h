/* What the files of the guard share. */
#ifndef REPRISE_GUARD_INTERNAL_H
#define REPRISE_GUARD_INTERNAL_H

#include "reprise/guard.h"
#include "reprise/synth_remodel.h"

typedef struct rp_guard_trying {
    const rp_model *model;
    const rp_guard_options *options;
    rp_image image; /* the box */
    rp_mask mask;
    double centre[3]; /* of the lesion, as rp_region_centre has it */
    bool compare;
} rp_guard_trying;

/* A contour of a follow-up against its truth, rounded as far as the figures mean something. */
rp_status rp_guard_measure(const rp_guard_options *o, const rp_mask *found, const rp_mask *truth,
                           rp_guard_finding *out, rp_error *err);

/* Whether the options and the memory let the other contours be measured. */
bool rp_guard_compares(const rp_guard_options *o, const rp_image *image, const rp_mask *mask);
/* Those of the trial, for a placement that moves the baseline by so much. */
rp_status rp_guard_compare(const rp_guard_trying *t, const rp_remodeled *made,
                           const double moved_mm[3], rp_guard_trial *trial, rp_error *err);

#endif
