/* What the parts of `reprise track` share. */
#ifndef REPRISE_CMD_TRACK_H
#define REPRISE_CMD_TRACK_H

#include "cmd.h"

#include "reprise/timeline.h"
#include "reprise/track.h"

enum { TRACK_HASH = 17 }; /* of a mask's SHA-256, what a table of decisions repeats */

typedef struct track_options {
    cmd_common common;
    const char *visits, *lesions, *decisions, *out, *proposals, *subject;
    rp_diameter_definition definition;
    double gap_mm, overlap, min_volume_cc;
    bool no_local, allow_non_ct, allow_patient_mismatch, allow_series_mismatch;
} track_options;

/* ---- tables (track_tables.c) --------------------------------------------------------------- */

/* A CSV file whose columns are known by name. */
typedef struct track_table {
    const char *path; /* borrowed */
    rp_csv_table csv;
    int *column; /* of each name in the order asked for; -1: not there */
    size_t rows;
} track_table;

/* One row of the table of visits; owned strings, "" where a cell is empty. */
typedef struct track_row {
    size_t line;
    char *visit, *date, *image, *mask, *phase, *rois, *series;
} track_row;

typedef struct track_plan {
    track_row *visits;
    size_t visit_count;
    rp_timeline_lesion *lesions; /* of the table of lesions, strings borrowed from lesion_table */
    const char **labels;         /* of each: what it is called in the baseline's mask */
    size_t lesion_count;
    track_table lesion_table, decision_table;
    rp_track_decision *decisions; /* those that were made */
    const char **decision_hashes; /* of the mask that each was made for, "" where not told */
    size_t decision_count;
} track_plan;

rp_status track_plan_read(const track_options *options, track_plan *plan, rp_error *err);
void track_plan_release(track_plan *plan);

/* ---- masks (track_masks.c) ----------------------------------------------------------------- */

typedef struct track_masks {
    rp_found *found;
    size_t count, passed_over; /* components smaller than asked for, ROIs without contours */
    char sha256[RP_SHA256_HEX], label[32];
} track_masks;

/* Every lesion of a mask: the labels of a NIfTI label map, the components where it has only one,
 * the ROIs of an RTSTRUCT, the segments of a SEG. rois: names or numbers separated by semicolons, with * and ?; "" for
 * all. */
rp_status track_masks_load(const track_options *options, const track_row *row, const cmd_ct *ct,
                           track_masks *masks, rp_error *err);
void track_masks_release(track_masks *masks);

/* ---- the work (track.c) -------------------------------------------------------------------- */

typedef struct track_visit {
    track_masks masks;
    rp_register_image *image;
    rp_registration registration; /* of a follow-up */
    char image_sha256[RP_SHA256_HEX], date[16], doubt[200];
} track_visit;

typedef struct track_work {
    const track_options *options;
    track_plan plan;
    track_visit *visits;
    rp_track_visit *tracked;   /* as rp_track takes them */
    rp_timeline_lesion *table; /* of the baseline's lesions */
    const char **ids;
    char (*made_ids)[16]; /* where the table has none */
    size_t untold;        /* lesions of the baseline that the table does not have */
    rp_tracking tracking;
    rp_timeline timeline;
    char label[32];
} track_work;

/* ---- results (track_output.c, track_text.c) -------------------------------------------------- */

rp_status track_write(const track_work *work, const char *proposals, int argc, char **argv,
                      rp_error *err);
void track_print(const track_work *work, const char *proposals);
/* Median and largest of the local shifts of a visit; NaN where there is none. */
void track_shifts(const track_work *work, size_t visit, double *median, double *largest);
/* The link of a lesion at a visit, or NULL. */
const rp_link *track_link(const track_work *work, size_t lesion, size_t visit);
/* "2;3"; rp_alloc'd. */
char *track_names(const track_work *work, const rp_link *link);

#endif
