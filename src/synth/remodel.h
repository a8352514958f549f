/* What the parts of the remodelled follow-up share. Internal to src/synth. Everything is in
 * canonical order. The box is a piece of the baseline round the lesion, where tissue changes. */
#ifndef REPRISE_SYNTH_REMODEL_INTERNAL_H
#define REPRISE_SYNTH_REMODEL_INTERNAL_H

#include "reprise/synth_remodel.h"
#include "warp.h"

typedef struct remodel {
    const rp_image *baseline;
    const rp_mask *lesion;
    const rp_remodel_options *options;
    rp_remodeled *out; /* for the record of draws */
    unsigned with;
    double baseline_mm, radius_mm;     /* diameter; radius of the ball of the lesion's volume */
    double centre[3];                  /* LPS */
    int low[3];                        /* of the box in the baseline */
    int lesion_low[3], lesion_high[3]; /* of the lesion at baseline, in the box */
    double reach_mm;                   /* no front runs farther out of the lesion */
    double highest_level;
    rp_image box;      /* what is being changed */
    rp_image original; /* the box as it was */
    rp_mask in_box;    /* the lesion at baseline */
    rp_image before;   /* signed mm to its surface, negative inside */
    rp_image front;    /* arrival of the fronts: the lesion is where front < level */
    rp_image now;      /* signed mm to the new surface, nearly */
    double level;
    int rest_parts;           /* of {front < level} that count */
    bool lung;                /* the lesion lies in lung */
    rp_image new_front;       /* signed mm to the new lesion's surface; data NULL: none */
    double new_mm, new_at[3]; /* its radius and place, mm from the box's first voxel */
    rp_image edited;          /* the whole baseline with the changed box */
    /* the way from the follow-up back to the baseline */
    deformation field;
    double shift_mm[3], collapse;
    rp_mask inside; /* what slides, on the baseline's grid; data NULL: nothing */
    double slide_mm[3];
    rp_grid grid; /* of the follow-up */
} remodel;

/* ---- draws (remodel.c) ---- */

/* A stream of its own for each purpose, so that what is drawn for one changes nothing for others.
 */
void remodel_stream(const remodel *m, rp_random *r, int part);
/* Uniform, and recorded under the name. */
double remodel_draw(remodel *m, rp_random *r, const char *name, double low, double high);
void remodel_record(remodel *m, const char *name, double value);

enum {
    PART_KINDS,
    PART_MOTION,
    PART_PLACE,
    PART_TISSUE,
    PART_TEXTURE,
    PART_NECROSIS,
    PART_EMBOLISED,
    PART_SCAR,
    PART_OEDEMA,
    PART_PHASE,
    PART_KERNEL,
    PART_CONEBEAM,
    PART_CUT,
    PART_NEW,
    PART_SLIDING,
    PART_TABLE,
    PART_NOISE,
    PART_STREAKS,
    PART_ATTEMPT = 64 /* and more: of the fronts */
};

static inline double smooth_between(double x, double from, double to)
{
    double t = (x - from) / (to - from);
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return t * t * (3 - 2 * t);
}

/* Smooth lumps of random sign: sum of Gaussian blobs. */
enum { MOST_LUMPS = 12 };
typedef struct lumps {
    int count;
    double at[MOST_LUMPS][3], width_mm[MOST_LUMPS], height[MOST_LUMPS];
} lumps;
double lumps_at(const lumps *l, const double mm[3]);

/* ---- remodel_front.c ---- */

/* box, in_box, before. */
rp_status remodel_make_box(remodel *m, rp_error *err);
/* mm to the mask's surface, negative inside. */
rp_status remodel_signed_distance(const rp_mask *mask, rp_image *out, rp_error *err);
/* The arrival of new fronts. */
rp_status remodel_run_fronts(remodel *m, int attempt, rp_error *err);
/* Removes parts that the follow-up shall not have from {front < level}: specks, and unless it may
 * part all but the largest. *changed: there were some. */
rp_status remodel_tidy(remodel *m, bool *changed, rp_error *err);
/* now, from front and level. */
rp_status remodel_measure_now(remodel *m, rp_error *err);

/* ---- remodel_fill.c ---- */

/* Grows texture into the voxels where `need` is not 0, those of smallest `order` first, by copying
 * blocks from where `source` is not 0, next to what is known (`context` not 0). image: the box's
 * values; out gets them, with the needed ones new. */
typedef struct fill_job {
    const rp_image *image;
    /* Blocks whose mean (of `smooth` at their centre; NULL: any) lies nearer to avoid_hu than to
     * prefer_hu fit worse. */
    const float *smooth;
    double avoid_hu, prefer_hu;
    const uint8_t *need, *source, *context;
    const float *order;
    rp_random random;
    float *out;
} fill_job;
rp_status remodel_fill(fill_job *job, rp_error *err);

/* ---- remodel_tissue.c ---- */

/* Contrast of what lies inside (signed mm < 0) against the tissue from `from` to `to` mm round it,
 * and the tissue's mean and sd; all 0 where one of them is missing. */
typedef struct contrast {
    double hu, round_hu, sd;
} contrast;
#define KEPT 0.75 /* of the baseline's contrast, which motion and blur lessen further */
contrast remodel_contrast(const remodel *m, const rp_image *image, const rp_image *signed_mm,
                          double from, double to);

/* Gives the box its new tissue and `edited` the box. */
rp_status remodel_change_tissue(remodel *m, rp_error *err);

/* ---- remodel_map.c ---- */

rp_status remodel_place(remodel *m, rp_error *err);
/* Arrival of the fronts seen on the follow-up's grid: a box of it, everything else lies beyond. */
typedef struct seen {
    int low[3], size[3];
    float *front;
} seen;
/* low, high: the part of the box where front may be below its level. */
rp_status remodel_see(const remodel *m, const rp_image *front, const int low[3], const int high[3],
                      seen *out, rp_error *err);
/* {front < level} on a grid of that part alone, and on the follow-up's. */
rp_status remodel_part_mask(const remodel *m, const seen *s, double level, rp_mask *mask,
                            rp_error *err);
rp_status remodel_mask(const remodel *m, const seen *s, double level, rp_mask *mask, rp_error *err);
/* The follow-up's image. */
rp_status remodel_render(const remodel *m, rp_image *image, rp_error *err);

/* ---- remodel_scanner.c ---- */

/* Contrast phase: of `edited`, with the new lesion's share in the box. */
rp_status remodel_phase(remodel *m, rp_error *err);
/* Kernel, cone beam, noise, on the follow-up's image. */
rp_status remodel_scan(remodel *m, rp_image *image, const double lesion_lps[3], rp_error *err);
/* Ends the image within or beside the lesion; new_lesion's mask may be empty (data NULL). */
rp_status remodel_cut(remodel *m, const rp_mask *old_place, rp_error *err);

#endif
