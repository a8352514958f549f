/* The map from a follow-up back to the baseline. Internal to src/synth. */
#ifndef REPRISE_SYNTH_WARP_H
#define REPRISE_SYNTH_WARP_H

#include "reprise/volume.h"

/* Uniform within a ball about the origin. */
void random_in_ball(rp_random *random, double radius, double out[3]);

/* Displacement on a lattice along the world axes; positions beyond it repeat its border. */
typedef struct deformation {
    double origin[3], step_mm;
    int size[3];
    float *vector[3]; /* mm, LPS; NULL where there is no deformation */
    double largest_mm;
} deformation;

/**
 * A smooth random displacement field over a world box: 96 plane waves with random directions whose
 * wave numbers are normally distributed, that is a Gaussian field whose correlation falls as
 * exp(-d^2 / (2 scale^2)). Its mean over the box is 0 and its rms length rms_mm.
 */
rp_status deformation_create(const double low[3], const double high[3], double rms_mm,
                             double scale_mm, uint64_t seed, deformation *out, rp_error *err);
void deformation_release(deformation *d);
void deformation_at(const deformation *d, const double world[3], double out[3]);

enum { SHAPE_ROWS = 48, SHAPE_COLUMNS = 96 };

/* A smooth star-shaped surface round the lesion's centroid that holds all of the lesion: radius in
 * mm by polar angle (rows, poles included) and azimuth (columns, periodic). */
typedef struct star_shape {
    double centre[3]; /* LPS mm */
    double largest_mm;
    float radius_mm[SHAPE_ROWS + 1][SHAPE_COLUMNS];
} star_shape;

rp_status star_shape_make(const rp_mask *lesion, star_shape *shape, rp_error *err);

/**
 * Where the tissue at a point came from, when everything within the shape is scaled about its
 * centre. Outside, the displacement dies away over one and a half radii; along every ray the map is
 * continuous and never decreasing, so nothing folds. Tissue is drawn in to about half the radius at
 * most: a gap that a smaller lesion leaves is filled with its surroundings' average.
 * @return Radius in mm over which to average there; 0 outside that gap.
 */
double star_shape_unscale(const star_shape *shape, double scale, const double point[3],
                          double from[3]);

#endif
