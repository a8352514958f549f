/* Random fields that are smooth over a coarse lattice. */
#include "lattice.h"

void rp_lattice_shape(rp_lattice *lattice, const int size[3], const double spacing[3],
                      double scale_mm)
{
    for (int axis = 0; axis < 3; axis++) {
        lattice->pitch[axis] = scale_mm / spacing[axis];
        lattice->nodes[axis] = (int)floor((size[axis] - 1) / lattice->pitch[axis]) + 4;
    }
}

void rp_lattice_draw(rp_lattice *lattice, rp_random *random)
{
    const size_t nodes =
        (size_t)lattice->nodes[0] * (size_t)lattice->nodes[1] * (size_t)lattice->nodes[2];
    for (int axis = 0; axis < 3; axis++)
        for (size_t i = 0; i < nodes; i++)
            lattice->value[(size_t)axis * nodes + i] = lattice->sd[axis] * rp_random_normal(random);
}

void rp_lattice_at(const rp_lattice *lattice, const double position[3], double displacement[3])
{
    double w[3][4];
    int first[3];
    displacement[0] = displacement[1] = displacement[2] = 0.0;
    if (!lattice->value) return;
    for (int a = 0; a < 3; a++) first[a] = rp_spline_weights(position[a], lattice->pitch[a], w[a]);
    const int *n = lattice->nodes;
    for (int axis = 0; axis < 3; axis++)
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 4; j++)
                for (int i = 0; i < 4; i++) {
                    int x = first[0] + i, y = first[1] + j, z = first[2] + k;
                    size_t at =
                        (((size_t)axis * (size_t)n[2] + (size_t)z) * (size_t)n[1] + (size_t)y) *
                            (size_t)n[0] +
                        (size_t)x;
                    displacement[axis] += w[0][i] * w[1][j] * w[2][k] * lattice->value[at];
                }
}

void rp_lattice_contract_z(const rp_lattice *lattice, int z, double *plane)
{
    double w[4];
    const size_t area = (size_t)lattice->nodes[0] * (size_t)lattice->nodes[1];
    const int first = rp_spline_weights(z, lattice->pitch[2], w);
    for (int axis = 0; axis < 3; axis++) {
        const double *value =
            lattice->value + ((size_t)axis * (size_t)lattice->nodes[2] + (size_t)first) * area;
        for (size_t i = 0; i < area; i++)
            plane[(size_t)axis * area + i] = w[0] * value[i] + w[1] * value[area + i] +
                                             w[2] * value[2 * area + i] +
                                             w[3] * value[3 * area + i];
    }
}

void rp_lattice_contract_y(const rp_lattice *lattice, int y, const double *plane, double *row)
{
    double w[4];
    const size_t nx = (size_t)lattice->nodes[0], area = nx * (size_t)lattice->nodes[1];
    const int first = rp_spline_weights(y, lattice->pitch[1], w);
    for (int axis = 0; axis < 3; axis++) {
        const double *value = plane + (size_t)axis * area + (size_t)first * nx;
        for (size_t i = 0; i < nx; i++)
            row[(size_t)axis * nx + i] = w[0] * value[i] + w[1] * value[nx + i] +
                                         w[2] * value[2 * nx + i] + w[3] * value[3 * nx + i];
    }
}
