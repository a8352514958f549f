/* Smooth random fields. */
#include "pair.h"

#include <math.h>

/* Mean over positions of the sum of squared weights of the cubic B-spline along an axis. */
static const double SPLINE_POWER = 151.0 / 315.0;

typedef struct field_axis {
    int nodes;
    double pitch; /* voxels */
} field_axis;

static int weights(const field_axis *axis, int position, float w[4])
{
    const double t = position / axis->pitch, whole = floor(t), f = t - whole, g = 1.0 - f;
    w[0] = (float)(g * g * g / 6.0);
    w[1] = (float)((3.0 * f * f * f - 6.0 * f * f + 4.0) / 6.0);
    w[2] = (float)((3.0 * g * g * g - 6.0 * g * g + 4.0) / 6.0);
    w[3] = (float)(f * f * f / 6.0);
    return (int)whole;
}

/* out[count][inner] from nodes[axis->nodes][inner]. */
static void widen(const field_axis *axis, int count, size_t inner, const float *nodes, float *out)
{
    for (int i = 0; i < count; i++) {
        float w[4];
        const float *from = nodes + (size_t)weights(axis, i, w) * inner;
        float *to = out + (size_t)i * inner;
        for (size_t k = 0; k < inner; k++)
            to[k] = w[0] * from[k] + w[1] * from[inner + k] + w[2] * from[2 * inner + k] +
                    w[3] * from[3 * inner + k];
    }
}

static void widen_row(const field_axis *axis, int count, const float *nodes, float *out)
{
    for (int i = 0; i < count; i++) {
        float w[4];
        const float *from = nodes + weights(axis, i, w);
        out[i] = w[0] * from[0] + w[1] * from[1] + w[2] * from[2] + w[3] * from[3];
    }
}

bool pair_field(rp_random *random, const pair_space *space, double pitch_mm, float *out)
{
    field_axis axis[3];
    const int *n = space->size;
    for (int a = 0; a < 3; a++) {
        axis[a].pitch = fmax(pitch_mm / space->spacing[a], 1.0);
        axis[a].nodes = (int)floor((n[a] - 1) / axis[a].pitch) + 4;
    }
    const size_t row = (size_t)axis[0].nodes, plane = row * (size_t)axis[1].nodes;
    const size_t count = plane * (size_t)axis[2].nodes;
    RP_AUTOFREE float *nodes = rp_alloc(count, sizeof *nodes);
    RP_AUTOFREE float *slices = rp_alloc(plane * (size_t)n[2], sizeof *slices);
    RP_AUTOFREE float *rows = rp_alloc(row * (size_t)n[1], sizeof *rows);
    if (!nodes || !slices || !rows) return false;
    const double sd = pow(SPLINE_POWER, -1.5);
    for (size_t i = 0; i < count; i++) nodes[i] = (float)(sd * rp_random_normal(random));
    widen(&axis[2], n[2], plane, nodes, slices);
    for (int z = 0; z < n[2]; z++) {
        widen(&axis[1], n[1], row, slices + (size_t)z * plane, rows);
        for (int y = 0; y < n[1]; y++)
            widen_row(&axis[0], n[0], rows + (size_t)y * row,
                      out + ((size_t)z * (size_t)n[1] + (size_t)y) * (size_t)n[0]);
    }
    return true;
}
