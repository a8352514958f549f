/* Parts of a synthetic pair. Internal to src/synth. */
#ifndef REPRISE_SYNTH_PAIR_PARTS_H
#define REPRISE_SYNTH_PAIR_PARTS_H

#include "reprise/synth_pair.h"

enum {
    PAIR_MARGIN = 4, /* voxels round the grid, so that motion brings in something */
    PAIR_TISSUES = 16,
    PAIR_BLOBS = 8
};

/* The grid that a pair is made on. */
typedef struct pair_space {
    int size[3]; /* margins included */
    double spacing[3];
    size_t voxels;
} pair_space;

/* mm from the grid's middle. */
static inline double pair_place(const pair_space *s, int axis, int index)
{
    return (index - 0.5 * (s->size[axis] - 1)) * s->spacing[axis];
}

/**
 * A smooth random field of mean 0 and variance 1: a uniform cubic B-spline through independent
 * normal nodes, pitch_mm apart (at least one voxel). out is [z][y][x]. False when memory is short.
 */
bool pair_field(rp_random *random, const pair_space *space, double pitch_mm, float *out);

/* One ellipsoid. */
typedef struct pair_blob {
    double centre[3], radius[3], mean_radius;
    double axes[3][3]; /* rows: its axes */
} pair_blob;

/* A lesion's shape: ellipsoids that run into one another, with a rough surface. */
typedef struct pair_shape {
    pair_blob blob[PAIR_BLOBS];
    int blobs;
    double radius;   /* of the main one, mm */
    double rough[2]; /* mm: how far the surface leaves the ellipsoids, at a radius and a third */
    double wall;     /* mm: half the thickness of a hollow lesion's wall; 0: solid */
    bool several_parts;
} pair_shape;

void pair_shape_draw(rp_random *random, const double centre[3], double radius_mm,
                     pair_shape *shape);
/**
 * Signed depth in mm, negative inside, near the surface about a distance. lumen (may be NULL): the
 * same for what a hollow lesion holds, large where it is solid. False when memory is short.
 */
bool pair_shape_depth(rp_random *random, const pair_shape *shape, const pair_space *space,
                      float *depth, float *lumen);

/* What surrounds the lesion: which tissue is where, and what all tissues share. */
typedef struct pair_scene {
    uint8_t *tissue;
    float *texture, *bias; /* variance 1 */
    int tissues;
    float value[PAIR_TISSUES], grain[PAIR_TISSUES]; /* grey value, and how much texture */
    int host;                                       /* tissue round the lesion's centre */
} pair_scene;

/* False when memory is short; to be released then too. */
bool pair_scene_make(rp_random *random, const pair_space *space, const double lesion[3],
                     pair_scene *scene);
void pair_scene_release(pair_scene *scene);

#endif
