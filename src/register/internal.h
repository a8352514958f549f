/* Levels of an image, samples of the fixed one, and the fit of a pose to them. */
#ifndef REPRISE_REGISTER_INTERNAL_H
#define REPRISE_REGISTER_INTERNAL_H

#include "reprise/register.h"

enum { LEVEL_FINE, LEVEL_MIDDLE, LEVEL_COARSE, LEVELS }; /* voxels of about 3, 6, 12 mm */

struct rp_register_image {
    rp_image levels[LEVELS]; /* windowed, smoothed; HU */
    rp_mask body;            /* with a rim of air round it, on the grid of the middle level */
    double body_mm3, centre[3];
};

/* Means over whole boxes of voxels of about spacing_mm, of values within the window; in canonical
 * order where the image is. */
rp_status levels_shrink(const rp_image *from, double spacing_mm, const float window[2],
                        rp_image *to, rp_error *err);
/* The largest thick part that is no air, and a rim. On failure body is the caller's to release. */
rp_status levels_body(const rp_image *level, rp_mask *body, rp_error *err);

typedef struct sample {
    double at[3]; /* fixed world, relative to the pose's centre */
    double value;
} sample;

typedef struct samples {
    sample *items;
    size_t count;
    void *scratch; /* of the fit: one fit at a time */
} samples;

/* Voxels of a level inside the fixed body, at most so many (every n-th); within radius_mm of a
 * point where that is not NULL. */
rp_status samples_collect(const rp_register_image *fixed, int level, const double centre[3],
                          const double point[3], double radius_mm, size_t most, samples *out,
                          rp_error *err);

rp_status samples_prepare(samples *s, rp_error *err); /* makes scratch */
void samples_release(samples *s);

/* world = rotation * relative + origin */
typedef struct pose {
    double rotation[3][3], origin[3];
} pose;

/* omega: a rotation vector, in radians. */
void rotation_of(const double omega[3], double rotation[3][3]);
void rotation_multiply(const double a[3][3], const double b[3][3], double product[3][3]);

typedef struct fit_options {
    double scale_hu; /* of Geman and McClure's weights; 0: plain least squares */
    bool translation_only;
    int iterations;
} fit_options;

typedef struct fitted {
    double correlation; /* over the samples that fall inside; -1 where there are too few */
    double share;       /* of the samples that fall inside */
} fitted;

/* Improves the pose; never makes its cost worse. */
fitted fit_pose(const samples *from, const rp_image *moving, const fit_options *options,
                pose *pose);
/* As it is. */
fitted fit_nothing(const samples *from, const rp_image *moving, const pose *pose);

enum { CANDIDATES = 12 };
typedef struct candidate {
    pose pose;
    double score;
} candidate;

/* Places worth a fit, the best first. */
rp_status search_places(const rp_register_image *fixed, const rp_register_image *moving,
                        const double centre[3], candidate found[CANDIDATES], size_t *count,
                        rp_error *err);
/* What candidates are compared by: little overlap makes high correlations easy. Negative where
 * there is too little for anything. */
double score_of(const rp_register_image *fixed, const rp_register_image *moving, fitted f);

#endif
