/*
 * Manifests at the command line: reading one with all its problems told, loading a visit, and the
 * check that opens every file before hours of work.
 */
#ifndef REPRISE_CMD_COHORT_H
#define REPRISE_CMD_COHORT_H

#include "cmd.h"

#include "reprise/cohort.h"

/* rp_cohort_read; problems go to stderr, a line each. */
rp_status cmd_cohort_read(const char *path, rp_cohort *cohort, rp_error *err);

/* The image of a visit and, where the visit has one, its contour (contour may be NULL: not wanted).
 * *image_at_fault (may be NULL) tells which of the two an error is about. ct refers to the visit's
 * path. */
rp_status cmd_cohort_load(const rp_cohort_visit *visit, const rp_progress *progress, cmd_ct *ct,
                          cmd_contour *contour, bool *image_at_fault, rp_error *err);

/* Opens every image and contour of the patients in the split wanted (rp_cohort_in_split) as
 * cmd_cohort_load does and adds what is wrong to problems: unreadable files, empty contours and
 * those off the image, two patients in one row or one patient, one person or one image in several
 * rows. All cases are visited. Fails for lack of memory and when interrupted only. */
rp_status cmd_cohort_check_files(const rp_cohort *cohort, const char *wanted,
                                 const rp_progress *progress, rp_cohort_problems *problems,
                                 rp_error *err);

/* "PATH:ROW: COLUMN: text", warnings marked as such. */
void cmd_cohort_print_problems(FILE *to, const char *path, const rp_cohort_problems *problems);

#endif
