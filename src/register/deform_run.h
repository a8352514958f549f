/* One run of the deformable registration. */
#ifndef REPRISE_REGISTER_DEFORM_RUN_H
#define REPRISE_REGISTER_DEFORM_RUN_H

#include "deform.h"
#include "internal.h"

enum { PYRAMID = 3 }; /* voxels of about 1, 2, 3 spacings */

typedef struct pyramid {
    rp_image levels[PYRAMID];
} pyramid;

/* Release it at every end. */
rp_status pyramid_make(const rp_image *canonical, double spacing_mm, pyramid *p, rp_error *err);
/* Of a part of an image, for a lattice of that spacing alone. */
rp_status region_make(const rp_image *part, double spacing_mm, rp_image *out, rp_error *err);
void pyramid_release(pyramid *p);
bool pyramid_shows_something(const pyramid *p);

rp_status find_whole_body(const rp_image *level, rp_mask *body, rp_error *err);
/* The nearest voxel of the body at each voxel of a grid. */
void body_on_grid(const rp_mask *body, const rp_grid *to, uint8_t *out);

typedef struct lattice {
    stage s;
    uint8_t *body;
    float *image; /* scratch */
} lattice;

/* With the follow-up's descriptors. Release it at every end. */
rp_status lattice_init(lattice *l, const rp_grid *grid, const rp_image *followup,
                       const rp_mask *body, rp_error *err);
/* With the baseline's, seen through the motion (on the lattice's grid). */
rp_status lattice_warp(lattice *l, const rp_image *baseline, const rp_rigid *to_baseline,
                       const field *motion, rp_error *err);
void lattice_release(lattice *l);

struct rp_deform {
    rp_rigid to_baseline;
    field whole, region; /* region.u is NULL where there is none */
    rp_deform_summary summary;
};

#endif
