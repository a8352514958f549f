/* Lattices, descriptors, search and refinement of the deformable registration. */
#ifndef REPRISE_REGISTER_DEFORM_INTERNAL_H
#define REPRISE_REGISTER_DEFORM_INTERNAL_H

#include "reprise/register_deform.h"

enum { MIND_CHANNELS = 12 };

/* Displacements in mm LPS at the nodes of a grid in the follow-up: x -> rigid(x + u(x)). */
typedef struct field {
    rp_grid grid;
    float *u; /* [z][y][x][3] */
} field;

rp_status field_init(field *f, const rp_grid *grid, rp_error *err); /* zero */
void field_release(field *f);
/* Linear between nodes, the border's beyond. */
void field_at(const field *f, const double world[3], double u[3]);
/* f becomes x -> r(x) + before(x + r(x)) for the r that it is. */
void field_compose(field *f, const field *before);
/* Where f's nodes lie. */
void field_take(field *f, const field *from);
/* The determinant of d(x + u)/dx at a node, by central differences. */
double field_jacobian_at(const field *f, int x, int y, int z);
/* Smooths where the determinant is below a tenth until it is nowhere, or for so many rounds. */
rp_status field_unfold(field *f, int rounds, rp_error *err);

typedef struct folds {
    size_t voxels, folded;
    double least;
} folds;
folds field_folds(const field *f, const uint8_t *body);

/* The two images on one grid in the follow-up's space. */
typedef struct stage {
    rp_grid grid;
    const uint8_t *body;   /* of the follow-up: what counts */
    uint8_t *shown;        /* the baseline shows the counterpart */
    float *fixed, *moving; /* descriptors [voxel][MIND_CHANNELS] */
} stage;

/* Descriptors of an image, 0..1: self-similarity between the six neighbours at two voxels' distance
 * (pairs at right angles): D, the mean over a patch of 3x3x3 of the squared difference, gives
 * exp(-(D - least D) / (mean D - least D)), the divisor at least floor_hu squared: what is below is
 * noise. Beyond the border the image repeats it. */
rp_status mind_describe(const float *data, const int size[3], float floor_hu, float *out,
                        rp_error *err);

/* Mean over channels of the squared difference, over voxels of the body that are shown. */
double stage_difference(const stage *s, size_t *compared);

/* Adds the best displacements within `radius` voxels of the grid to r (zero or not: they are
 * residual), made smooth by coupled convex steps. */
typedef struct search_options {
    int radius;
    double smoothness;
} search_options;
rp_status search_displacements(const stage *s, const search_options *options, field *r,
                               rp_error *err);

typedef struct refine_options {
    int iterations;
    double smoothness;
    bool still_border; /* displacements fade to 0 at the grid's border */
} refine_options;
/* Gauss-Newton steps from r = 0; `before` is what the moving image was warped by already. */
rp_status refine_displacements(const stage *s, const refine_options *options, const field *before,
                               field *r, rp_error *err);

#endif
