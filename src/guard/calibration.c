/*
 * The prior of every patient's interval, from examples/calibrate_intervals.py: 40 follow-ups
 * (simulated, both kinds, -65 to +35 %) of ten phantoms that are used for nothing else, of which
 * the guard refused the eight of two. Each patient left out in turn, the 80 % intervals held 26 of
 * 32 truths and the 95 % ones 31. Reach, far and most were chosen on the same follow-ups. Half of
 * the phantoms' bias is taken, since six follow-ups of a real baseline (STS_002) showed none.
 */
#include "reprise/guard.h"

static const rp_guard_calibration shipped = {
    .name = "phantoms 904 to 913",
    .floor_voxels = 0.5,
    .relative = 0.04,
    .bias = -1.0,
    .bias_trials = 4.0,
    .spread = 2.0,
    .spread_trials = 12.0,
    .reach = 0.15,
    .far = 0.02,
    .most = 3.0,
    .q80 = 1.406,
    .q95 = 2.521,
    .gone = 0.05,
    .false_find = {3.0, 1.0}, /* 15 of 20 vanished trials; weighs as much as four */
    .miss = {0.25, 4.75},
};

const rp_guard_calibration *rp_guard_calibration_shipped(void)
{
    return &shipped;
}
