/* Comparisons that treat a decimal as the decimal that was typed. */
#ifndef REPRISE_RESPONSE_COMPARE_H
#define REPRISE_RESPONSE_COMPARE_H

#include <math.h>
#include <stdbool.h>

/*
 * Lengths arrive as decimals (70.0 of 100.0) whose binary images, products and differences are off
 * by some 1e-16 of their size. Values within 1e-9 of the larger one count as equal, far below what
 * any scanner resolves.
 */
static inline double slack(double a, double b)
{
    return 1e-9 * fmax(fabs(a), fabs(b));
}

/* scale: the size of what a difference was taken of. */
static inline bool at_most(double a, double b, double scale)
{
    return a <= b + slack(scale, b);
}

static inline bool at_least(double a, double b, double scale)
{
    return a >= b - slack(scale, b);
}

/* Decimals with which a value does not look equal to a limit from which it differs. */
static inline int decimals(double value, double limit)
{
    int digits = 1;
    if (fabs(value - limit) <= slack(value, limit)) return digits;
    for (double unit = 10; digits < 6 && round(value * unit) == round(limit * unit); unit *= 10)
        digits++;
    return digits;
}

/* PD by size: both the factor and the least growth, and growth at all where the nadir is 0. */
static inline bool grown(double value, double nadir, double factor, double least)
{
    return at_least(value, factor * nadir, value) && at_least(value - nadir, least, value) &&
           !at_most(value, nadir, value);
}

/* Of a lesion that is no node, and of a node, as a target at baseline. */
static inline bool is_measurable(bool nodal, double size_mm, double spacing_mm, double target_mm,
                                 double node_target_mm)
{
    enum { THICK_SLICE_MM = 5 };
    double least = nodal ? node_target_mm : target_mm;
    if (!nodal && !at_most(spacing_mm, THICK_SLICE_MM, spacing_mm))
        least = fmax(least, 2 * spacing_mm);
    return at_least(size_mm, least, size_mm);
}

#endif
