/* Smooth random fields over a box: a uniform cubic B-spline on a coarse lattice of nodes. */
#ifndef REPRISE_LEARN_LATTICE_H
#define REPRISE_LEARN_LATTICE_H

#include "reprise/base.h"

#include <math.h>

/** Three fields, such as the components of a displacement. */
typedef struct rp_lattice {
    int nodes[3];    /**< per axis; node k lies at box position (k - 1) * pitch */
    double pitch[3]; /**< voxels between nodes */
    double *value;   /**< [3][nodes z][nodes y][nodes x]; NULL: nothing anywhere */
    double sd[3];    /**< of one node's value, per field */
} rp_lattice;

/** Mean over positions of the sum of squared weights of the cubic B-spline along one axis: the
 *  value at 0 of the B-spline of degree 7. */
#define RP_SPLINE_POWER (151.0 / 315.0)

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

/** Pitch and nodes that cover a box of this many voxels. */
void rp_lattice_shape(rp_lattice *lattice, const int size[3], const double spacing[3],
                      double scale_mm);
/** Independent normal nodes; `value` has room for them. */
void rp_lattice_draw(rp_lattice *lattice, rp_random *random);
/** The three fields at a position in the box; 0 without values. */
void rp_lattice_at(const rp_lattice *lattice, const double position[3], double displacement[3]);

/* The spline is separable and its lattice is aligned with the box: summing over z once per slice
 * (into [3][nodes y][nodes x]) and over y once per row (into [3][nodes x]) leaves four nodes per
 * voxel and field. */

void rp_lattice_contract_z(const rp_lattice *lattice, int z, double *plane);
void rp_lattice_contract_y(const rp_lattice *lattice, int y, const double *plane, double *row);

/** Adds the fields at x of a contracted row. */
static inline void rp_lattice_add(const rp_lattice *lattice, const double *row, int x, double at[3])
{
    double w[4];
    const int first = rp_spline_weights(x, lattice->pitch[0], w);
    for (int axis = 0; axis < 3; axis++) {
        const double *value = row + axis * lattice->nodes[0] + first;
        at[axis] += w[0] * value[0] + w[1] * value[1] + w[2] * value[2] + w[3] * value[3];
    }
}

#endif
