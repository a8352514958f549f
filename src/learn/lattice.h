/* Weights of the uniform cubic B-spline. */
#ifndef REPRISE_LEARN_LATTICE_H
#define REPRISE_LEARN_LATTICE_H

#include <math.h>

/** Weights of the four nodes round a position; returns the first node's index. */
static inline int rp_spline_weights(double position, double pitch, double weight[4])
{
    double t = position / pitch, whole = floor(t), f = t - whole, g = 1.0 - f;
    weight[0] = g * g * g / 6.0;
    weight[1] = (3.0 * f * f * f - 6.0 * f * f + 4.0) / 6.0;
    weight[2] = (3.0 * g * g * g - 6.0 * g * g + 4.0) / 6.0;
    weight[3] = f * f * f / 6.0;
    return (int)whole;
}

#endif
