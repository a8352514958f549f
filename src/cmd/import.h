/*
 * What the importers share. Each fills a cohort from one kind of folder and says what it leaves
 * out.
 */
#ifndef REPRISE_CMD_IMPORT_H
#define REPRISE_CMD_IMPORT_H

#include "cohort.h"

typedef struct import_job {
    const char *folder, *out; /* as given */
    const char *label;        /* --label, NULL: the importer's own choice */
    bool keep_ids, dicom;
    const rp_progress *progress;
    rp_cohort cohort;
    FILE *left_out; /* a line each */
    size_t left_out_count;
    char *masks;     /* folder for masks that the importer has to make; not there yet */
    rp_stage stage; /* of it, begun by the importer that needs it */
} import_job;

rp_status import_nnunet(import_job *job, rp_error *err);
rp_status import_lits(import_job *job, rp_error *err);
rp_status import_ircadb(import_job *job, rp_error *err);
rp_status import_dicom(import_job *job, rp_error *err);
rp_status import_phantom(import_job *job, rp_error *err);

/* Tells that something of the folder was not taken, and why. */
void import_leave_out(import_job *job, const char *what, const char *format, ...) RP_PRINTF(3, 4);
/* The patient's only visit: adds it, or leaves it out when its mask is not on the image's grid or
 * has none of the values of the ROI ("1", or "1+2" for a region). */
rp_status import_pair(import_job *job, const char *id, const char *image, const char *mask,
                      const char *roi, rp_error *err);
/* For qsort of strings: numbers within them count as numbers. */
int import_compare_names(const void *a, const void *b);
/* Entries of a folder, sorted so, without those that begin with a dot. Free with
 * rp_string_list_free. */
rp_status import_entries(const char *folder, char ***names, size_t *count, rp_error *err);

#endif
