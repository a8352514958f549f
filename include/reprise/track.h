/**
 * @file track.h
 * One patient's lesions over visits: which of a visit is which of the visits before.
 *
 * Lesions are brought into the baseline's frame by the visits' rigid transforms and, where the
 * content round a lesion tells a better place, by a further local shift. They are matched by
 * overlap and by the gap between surfaces, all of a visit at once, so that the sum of the costs is
 * least. What is clear is matched; everything else is a proposal for a person, who decides it.
 * Nothing is left out: every lesion of every visit is in a link, and every lesion known so far has
 * a link at every later visit. docs/track.md has the rules.
 */
#ifndef REPRISE_TRACK_H
#define REPRISE_TRACK_H

#include "reprise/measure.h"
#include "reprise/register.h"
#include "reprise/response.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RP_TRACK_NAME = 260, RP_TRACK_ID = 64, RP_TRACK_MOST = 200 /**< found at one visit */ };

/** A lesion as it was found at one visit. */
typedef struct rp_found {
    char name[RP_TRACK_NAME]; /**< the label's value, the ROI's name, or the component's number */
    rp_mask mask;             /**< cut to the lesion's box, in canonical order; owned */
    rp_lesion measured;
} rp_found;

/** Measures the mask and keeps the box of it. RP_ERR_ARGUMENT for an empty mask. */
rp_status rp_found_make(const rp_mask *mask, const char *name, rp_diameter_definition definition,
                        rp_found *found, rp_error *err);
void rp_found_release(rp_found *found);

typedef struct rp_track_visit {
    const char *id, *date, *phase; /**< borrowed */
    rp_grid grid;                  /**< of the image: what it shows */
    rp_rigid from_baseline; /**< baseline -> this visit; of the baseline itself the identity */
    const char *doubt; /**< why the transform is not to be trusted, NULL where it is; every match of
                            the visit is then a proposal; borrowed */
    rp_found *found;
    size_t found_count;
} rp_track_visit;

/** A person's decision about a proposal: the words of rp_link_kind and of the table in
 * docs/track.md. Borrowed strings, "" where a cell is empty. */
typedef struct rp_track_decision {
    size_t line; /**< for messages */
    const char *visit, *kind, *lesion, *found, *into, *decision;
} rp_track_decision;

typedef struct rp_track_options {
    double gap_mm;  /**< surfaces farther apart are never the same lesion; default 15 */
    double overlap; /**< share of the smaller of two lesions that must lie in the other for a match
                         that needs no confirmation, and for splits and merges; default 0.3 */
    /** Where the content round a point of the baseline lies at a visit, relative to where the rigid
     *  transform puts it; false where that cannot be told. May be NULL. */
    bool (*local_shift)(void *context, size_t visit, const double point[3], double radius_mm,
                        double shift[3]);
    void *context;
    const rp_track_decision *decisions;
    size_t decision_count;
} rp_track_options;

void rp_track_defaults(rp_track_options *options);

typedef enum rp_link_kind {
    RP_LINK_BASELINE, /**< "baseline": found there */
    RP_LINK_MATCH,    /**< "match": one lesion of the visit is it */
    RP_LINK_NEW,      /**< "new": nothing known so far is it */
    RP_LINK_SPLIT,    /**< "split": several lesions of the visit lie where it was */
    RP_LINK_MERGED,   /**< "merged": it lies in what another lesion has become */
    RP_LINK_VANISHED, /**< "vanished": nothing was found where it should be */
    RP_LINK_OUTSIDE   /**< "outside": the visit's image does not show the place */
} rp_link_kind;
const char *rp_link_kind_code(rp_link_kind kind);

typedef enum rp_link_state {
    RP_LINK_MATCHED,  /**< clear by itself, or a consequence of an earlier decision */
    RP_LINK_PROPOSED, /**< a person must decide */
    RP_LINK_DECIDED   /**< a person has decided */
} rp_link_state;
const char *rp_link_state_code(rp_link_state state); /**< "matched", "proposed", "decided" */

/** What became of one lesion at one visit. Numbers are NaN where they do not apply. */
typedef struct rp_link {
    size_t visit;
    int lesion; /**< index in rp_tracking.lesions; -1: a person said that this is no lesion */
    rp_link_kind kind;
    rp_link_state state;
    char decision[32]; /**< the person's word; "" where not decided */
    size_t *found;     /**< indices in the visit's; the lesion's continuation first */
    size_t found_count;
    int into;           /**< of a merged lesion: the other's index; else -1 */
    bool unequivocal;   /**< of a new lesion: a person has called it new, here or before */
    bool follows;       /**< proposed only because another proposal of the visit is open; it has no
                             decision of its own */
    double overlap;     /**< share of the smaller that lies in the other */
    double dice;        /**< in the baseline's frame */
    double gap_mm;      /**< between surfaces; 0 where they overlap */
    double centroid_mm; /**< between centroids */
    double shift_mm;    /**< length of the local shift: how far the rigid transform is off here */
    char reason[240];
} rp_link;

typedef struct rp_tracked {
    char id[RP_TRACK_ID];
    int table;          /**< index in the baseline's lesions as given; -1: new */
    size_t first_visit; /**< 0: baseline */
} rp_tracked;

typedef struct rp_tracking {
    rp_tracked *lesions;
    size_t lesion_count;
    rp_link *links; /**< by visit; of a visit lesions in their order, then what is no lesion */
    size_t link_count;
} rp_tracking;

/**
 * Links all visits; visits[0] is the baseline, and ids[i] names its found lesion i. A new lesion is
 * called N-VISIT-FOUND after where it was first found; where that is long or taken, its beginnings
 * and six digits of a hash of the whole. RP_ERR_ARGUMENT: no visit, more than
 * RP_TRACK_MOST lesions at one, an id twice; RP_ERR_FORMAT, naming the line, for a decision that
 * fits no proposal or is none of its words.
 */
rp_status rp_track(const rp_track_visit *visits, size_t count, const char *const *ids,
                   const rp_track_options *options, rp_tracking *out, rp_error *err);
void rp_tracking_release(rp_tracking *tracking);
/** Links that a person must decide (those that only follow others do not count). */
size_t rp_tracking_open(const rp_tracking *tracking);
/** The words that may be decided, "absent, too small, not evaluated"; the new lesion's row also
 * takes the id of a known lesion. */
const char *rp_link_choices(rp_link_kind kind);

/**
 * The timeline of what is matched or decided, with longest diameter, short axis and volume. Until
 * it is decided, a proposal leaves a lesion `not evaluated`, and a new one `equivocal`. table[i]
 * describes the baseline's lesion i (its id as given to rp_track).
 */
rp_status rp_tracking_timeline(const rp_tracking *tracking, const rp_track_visit *visits,
                               size_t count, const rp_timeline_lesion *table, const char *patient,
                               const char *label, rp_timeline *timeline, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
