/* Shapes of lesions. */
#include "pair.h"

#include <math.h>

/* ---- drawing one ---------------------------------------------------------------------------- */

static void random_direction(rp_random *random, double out[3])
{
    const double z = rp_random_range(random, -1.0, 1.0);
    const double turn = rp_random_range(random, 0.0, 2.0 * M_PI), r = sqrt(1.0 - z * z);
    out[0] = r * cos(turn);
    out[1] = r * sin(turn);
    out[2] = z;
}

static void cross(const double a[3], const double b[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

/* The axes of an ellipsoid, equal in law under every rotation. */
static void random_axes(rp_random *random, double axes[3][3])
{
    double other[3], length = 0.0;
    random_direction(random, axes[0]);
    while (length < 0.1) {
        random_direction(random, other);
        cross(axes[0], other, axes[1]);
        length = sqrt(axes[1][0] * axes[1][0] + axes[1][1] * axes[1][1] + axes[1][2] * axes[1][2]);
    }
    for (int i = 0; i < 3; i++) axes[1][i] /= length;
    cross(axes[0], axes[1], axes[2]);
}

/* The product of the factors is 1, so that the size is as asked. */
static void draw_blob(rp_random *random, const double centre[3], double radius, double stretch,
                      pair_blob *blob)
{
    double factor[3], mean = 0.0;
    for (int i = 0; i < 3; i++) mean += factor[i] = rp_random_range(random, -stretch, stretch);
    for (int i = 0; i < 3; i++) {
        blob->radius[i] = radius * exp(factor[i] - mean / 3.0);
        blob->centre[i] = centre[i];
    }
    blob->mean_radius = radius;
    random_axes(random, blob->axes);
}

void pair_shape_draw(rp_random *random, const double centre[3], double radius_mm, pair_shape *shape)
{
    *shape = (pair_shape){.radius = radius_mm, .blobs = 1};
    const double rough = radius_mm * rp_random_range(random, 0.0, 0.2);
    shape->rough[0] = rough;
    shape->rough[1] = rough * rp_random_range(random, 0.1, 0.5);
    draw_blob(random, centre, radius_mm, rp_random_range(random, 0.05, 0.5), &shape->blob[0]);
    const int lobes = (int)(rp_random_uniform(random) * 5.0);
    const double apart = rp_random_uniform(random) < 0.12 ? 1.6 : 0.9;
    shape->several_parts = apart > 1.0 && lobes > 0;
    for (int i = 0; i < lobes; i++) {
        double direction[3], where[3];
        random_direction(random, direction);
        const double away = radius_mm * apart * rp_random_range(random, 0.9, 1.2);
        for (int a = 0; a < 3; a++) where[a] = centre[a] + away * direction[a];
        draw_blob(random, where, radius_mm * rp_random_range(random, 0.25, 0.65), 0.3,
                  &shape->blob[shape->blobs++]);
    }
    if (rp_random_uniform(random) < 0.06)
        shape->wall = radius_mm * rp_random_range(random, 0.12, 0.25);
}

/* ---- depth ---------------------------------------------------------------------------------- */

static double blob_depth(const pair_blob *blob, const double point[3])
{
    double sum = 0.0;
    for (int i = 0; i < 3; i++) {
        double along = 0.0;
        for (int a = 0; a < 3; a++) along += blob->axes[i][a] * (point[a] - blob->centre[a]);
        along /= blob->radius[i];
        sum += along * along;
    }
    return (sqrt(sum) - 1.0) * blob->mean_radius;
}

/* The lesser of two depths, with the notch between two blobs filled in. */
static double join(double a, double b, double width)
{
    const double gap = fmax(width - fabs(a - b), 0.0) / width;
    return fmin(a, b) - 0.25 * width * gap * gap;
}

static double solid_depth(const pair_shape *shape, const double point[3])
{
    double depth = blob_depth(&shape->blob[0], point);
    for (int i = 1; i < shape->blobs; i++)
        depth = join(depth, blob_depth(&shape->blob[i], point), 0.2 * shape->radius);
    return depth;
}

bool pair_shape_depth(rp_random *random, const pair_shape *shape, const pair_space *space,
                      float *depth, float *lumen)
{
    RP_AUTOFREE float *fine = rp_alloc(space->voxels, sizeof *fine);
    if (!fine || !pair_field(random, space, shape->radius, depth) ||
        !pair_field(random, space, shape->radius / 3.0, fine))
        return false;
    size_t i = 0;
    for (int z = 0; z < space->size[2]; z++)
        for (int y = 0; y < space->size[1]; y++)
            for (int x = 0; x < space->size[0]; x++, i++) {
                const double point[3] = {pair_place(space, 0, x), pair_place(space, 1, y),
                                         pair_place(space, 2, z)};
                double d = solid_depth(shape, point) + shape->rough[0] * (double)depth[i] +
                           shape->rough[1] * (double)fine[i];
                if (lumen) lumen[i] = shape->wall > 0.0 ? (float)(d + 2.0 * shape->wall) : INFINITY;
                if (shape->wall > 0.0) d = fabs(d + shape->wall) - shape->wall;
                depth[i] = (float)d;
            }
    return true;
}
