/* What the parts of the tracking share. */
#ifndef REPRISE_TRACK_INTERNAL_H
#define REPRISE_TRACK_INTERNAL_H

#include "reprise/track.h"

/* How a known lesion and a found one lie to each other, in the baseline's frame. */
typedef struct pair {
    double of_known, of_found; /* shares of their voxels that lie in the other */
    double overlap, dice;      /* overlap: of the smaller of the two */
    double gap_mm, centroid_mm;
    double cost;                     /* infinite: never the same lesion */
    bool forced, forbidden, no_part; /* by a person */
} pair;

/* Points of a lesion in the world of its visit. */
typedef struct cloud {
    double (*inner)[3], (*surface)[3];
    size_t inner_count, surface_count;
    double centre[3], radius_mm, mm3;
} cloud;

/* A lesion as it was last seen for certain: one found lesion, or the parts that it fell into. */
typedef struct known {
    size_t visit;
    size_t parts[RP_TRACK_MOST];
    size_t part_count;
    int merged_into;  /* -1: none */
    bool split;       /* a person said so */
    bool unequivocal; /* of a new lesion: a person said so */
    double place[3];  /* its centre in the baseline's frame */
    double radius_mm;
    double shift[3]; /* local, at that visit */
} known;

typedef struct tracker {
    const rp_track_visit *visits;
    size_t visit_count;
    const rp_track_options *options;
    cloud **clouds; /* [visit][found] */
    known *known;   /* for each lesion of out */
    size_t known_room, link_room;
    bool *used; /* for each decision */
    rp_tracking *out;
    rp_error *err;
} tracker;

/* One visit's matching. */
typedef struct matching {
    tracker *t;
    size_t visit, known_count, found_count;
    pair *pairs;        /* [known][found] */
    int *partner;       /* of each known: found, or -1 */
    int *owner;         /* of each found: known, or -1 */
    double (*shift)[3]; /* local, of each known, at this visit; 0 where unknown */
    double *shift_mm;   /* NaN: unknown */
} matching;

/* found.c */
rp_status cloud_make(const rp_found *found, cloud *out, rp_error *err);
void cloud_release(cloud *c);

/* pair.c */
rp_status pairs_measure(matching *m);
/* Share of a known lesion's surface that the image of a visit has room for. */
double share_shown(const tracker *t, const known *k, size_t visit);
void to_baseline(const rp_track_visit *visit, const double shift[3], const double world[3],
                 double baseline[3]);
/* The local shift at a place of the baseline, its length, NaN where it is unknown. */
double local_shift(const tracker *t, size_t visit, const double place[3], double radius_mm,
                   double shift[3]);

/* assign.c: the assignment of rows to columns (columns >= rows) of least sum; column_of[row].
 * Shortest augmenting paths with potentials. */
rp_status assign_least(const double *cost, size_t rows, size_t columns, int *column_of,
                       rp_error *err);

/* decide.c */
rp_status decisions_check_words(const tracker *t);
rp_status decisions_check_used(const tracker *t);
/* What must be known before the matching: pairs that are forced or forbidden. */
rp_status decisions_prepare(matching *m);
/* The decision about a proposal, or NULL; marks it used. found and into where they matter. */
const char *decision_on(tracker *t, size_t visit, rp_link_kind kind, const char *lesion,
                        const char *found, const char *into);

/* links.c: the visit's links, new lesions, and what is known after it. */
rp_status links_make(matching *m);
/* "2;3"; the text is cut where it has no room. */
void found_names(const rp_track_visit *visit, const size_t *found, size_t count, char *text,
                 size_t size);

/* track.c */
rp_status lesion_add(tracker *t, const char *id, int table, size_t visit, size_t found);
rp_link *link_add(tracker *t, size_t visit, int lesion, rp_link_kind kind, const size_t *found,
                  size_t found_count); /* NULL when memory is short, which err tells */

#endif
