/*
 * The prior of every patient's interval. "provisional": set from what is written in
 * docs/results.md of patient models on simulated follow-ups, before models of this recipe had been
 * measured on enough patients: a bias of none, errors of about 3 % of the diameter, tails of a
 * Student t with 5 degrees of freedom.
 */
#include "reprise/guard.h"

static const rp_guard_calibration shipped = {
    .name = "provisional",
    .floor_voxels = 0.5,
    .relative = 0.03,
    .bias = 0.0,
    .bias_trials = 1.0,
    .spread = 1.0,
    .spread_trials = 6.0,
    .reach = 0.15,
    .far = 0.2,
    .q80 = 1.476,
    .q95 = 2.571,
    .gone = 0.05,
    .false_find = {1.0, 1.0},
    .miss = {0.25, 4.75},
};

const rp_guard_calibration *rp_guard_calibration_shipped(void)
{
    return &shipped;
}
