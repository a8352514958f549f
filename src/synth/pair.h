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

/* How the lesion looks; values in units of the window. */
typedef struct pair_look {
    float value, grain;
    float own_mm;      /* pitch of a texture of its own; 0: it has the scene's */
    float edge_mm;     /* width of its border */
    float rim_mm, rim; /* a ring outside, and what it adds */
    float necrosis;    /* what it adds where visits have it */
    float lumen;
    float scar; /* what the place that a lesion has left keeps of its contrast */
    float fibrosis, fibrosis_mm, ragged_mm; /* the same, this far from what is left, with a border
                                               that wanders so far */
    float habit_mm[2]; /* how far outside the lesion contours are drawn, at both visits, in mm of
                          the baseline */
} pair_look;

/* How a visit differs from the scene. */
typedef struct pair_visit {
    float shift[PAIR_TISSUES]; /* of every tissue's value: timing of contrast */
    float lesion;              /* of the lesion's value */
    float gain, noise, bias, blur;
    float cupping;     /* how much darker than its corners the middle is */
    float necrosis_mm; /* deeper than this the lesion is necrotic */
    bool another;      /* the other lesion is there */
} pair_visit;

/* What becomes of the lesion: its tissue moves, and its surface moves over the tissue. */
typedef struct pair_change {
    double total;  /* move of the surface, in radii */
    double share;  /* of it that the tissue follows */
    double scale;  /* by which the tissue is drawn together or apart */
    double moving; /* what is left to the surface, in radii, before the tissue moves */
} pair_change;

void pair_draw_change(rp_random *random, bool hollow, pair_change *change);
/* May give the scene's host a texture, where lesion and host have one value. */
void pair_draw_look(rp_random *random, const pair_space *space, double radius_mm, pair_scene *scene,
                    pair_look *look);
/* Both visits; what follows from the change is drawn into the look as well. */
void pair_draw_visits(rp_random *random, const pair_space *space, const pair_shape *shape,
                      const pair_change *change, pair_look *look, pair_visit visits[2]);

/* Tissue that is drawn towards a centre or away from it: all of a ball by one factor, less and less
 * beyond, not at all from `fade_mm` on. */
typedef struct pair_stretch {
    double centre[3];
    double scale; /* 1: none */
    double ball_mm, fade_mm;
} pair_stretch;

/* How far from the centre tissue has been that now is `now_mm` from it: grows with it throughout.
 */
double pair_stretch_source(const pair_stretch *stretch, double now_mm);

/* Where the tissue at a place of the follow-up was at the baseline: what registration leaves, and
 * the lesion's stretch. */
typedef struct pair_motion {
    double shift[3], turn[3]; /* mm; radians about x, y, z, small */
    double smooth_mm;
    float *field[3];
    pair_stretch stretch;
} pair_motion;

/* No stretch yet. False when memory is short; to be released then too. */
bool pair_motion_draw(rp_random *random, const pair_space *space, pair_motion *motion);
/* Stretches the ball round the centre that holds all negative depths. */
void pair_motion_stretch(rp_random *random, const pair_space *space, const double centre[3],
                         double scale, const float *depth, pair_motion *motion);
void pair_motion_release(pair_motion *motion);
/* The place, as a fractional index, of voxel `at`; false where a stretch has drawn it in from
 * beyond the grid: then a place whose tissue, without any lesion, may stand for it. */
bool pair_motion_source(const pair_space *space, const pair_motion *motion, const int at[3],
                        double index[3]);

#endif
