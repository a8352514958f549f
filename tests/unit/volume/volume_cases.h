/* Volumes that several tests of this folder use, and that numpy can make as well. */
#ifndef REPRISE_TEST_VOLUME_CASES_H
#define REPRISE_TEST_VOLUME_CASES_H

#include "test.h"

#include <math.h>

#include "reprise/volume.h"

/* A scrambled 32-bit value of a voxel's place in memory. */
static inline uint32_t scramble(size_t i)
{
    uint32_t x = (uint32_t)i * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    x = (x ^ x >> 13) * 3266489917u;
    return x ^ x >> 16;
}

/* Inside where the scrambled value modulo `of` is below `share`. */
static inline rp_mask scattered_mask(const rp_grid *grid, uint32_t share, uint32_t of)
{
    rp_error err;
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(grid); i++) mask.data[i] = scramble(i) % of < share;
    return mask;
}

/* Rotation by the angles about z, then x, then y; flip turns the third axis round. */
static inline void set_direction(rp_grid *grid, double az, double ax, double ay, bool flip)
{
    const double rotations[3][3][3] = {
        {{cos(az), -sin(az), 0}, {sin(az), cos(az), 0}, {0, 0, 1}},
        {{1, 0, 0}, {0, cos(ax), -sin(ax)}, {0, sin(ax), cos(ax)}},
        {{cos(ay), 0, sin(ay)}, {0, 1, 0}, {-sin(ay), 0, cos(ay)}},
    };
    double product[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, flip ? -1 : 1}};
    for (int m = 0; m < 3; m++) {
        double next[3][3] = {{0}};
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 3; c++)
                for (int k = 0; k < 3; k++) next[r][c] += rotations[m][r][k] * product[k][c];
        memcpy(product, next, sizeof product);
    }
    memcpy(grid->direction, product, sizeof product);
}

/* The same voxels in space in each of 48 ways: axis a of the new one is axis order[a] of the old
 * one, turned round where flip says so. */
static inline rp_grid stored_otherwise(const rp_grid *g, int way)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int *order = orders[way / 8], flip = way % 8;
    rp_grid out = *g;
    double first[3] = {0, 0, 0};
    for (int a = 0; a < 3; a++) {
        const int from = order[a];
        const bool turned = flip >> a & 1;
        out.size[a] = g->size[from];
        out.spacing[a] = g->spacing[from];
        if (turned) first[from] = g->size[from] - 1;
        for (int r = 0; r < 3; r++)
            out.direction[r][a] = turned ? -g->direction[r][from] : g->direction[r][from];
    }
    rp_grid_to_world(g, first, out.origin);
    return out;
}

#endif
