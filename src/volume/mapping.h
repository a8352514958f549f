/* Where the voxels of one grid lie between those of another. */
#ifndef REPRISE_VOLUME_MAPPING_H
#define REPRISE_VOLUME_MAPPING_H

#include "reprise/volume.h"

/* Positions are affine in the target's index and carry rounding errors of 1e-12 voxels or so. */
#define RP_MAPPING_ROUNDING 1e-6

/* Source index of target voxel (i,j,k): start + i*step[0] + j*step[1] + k*step[2]. */
typedef struct rp_mapping {
    double start[3], step[3][3];
    int source[3], target[3];
} rp_mapping;

rp_mapping rp_mapping_make(const rp_grid *source, const rp_grid *target);

static inline void rp_mapping_at(const rp_mapping *m, const double target[3], double source[3])
{
    for (int b = 0; b < 3; b++)
        source[b] = m->start[b] + target[0] * m->step[0][b] + target[1] * m->step[1][b] +
                    target[2] * m->step[2][b];
}

/* Within half a voxel of the source's voxel centres. */
static inline bool rp_mapping_within(const rp_mapping *m, const double source[3])
{
    bool within = true;
    for (int b = 0; b < 3; b++)
        within &= source[b] >= -0.5 - RP_MAPPING_ROUNDING &&
                  source[b] <= m->source[b] - 0.5 + RP_MAPPING_ROUNDING;
    return within;
}

#endif
