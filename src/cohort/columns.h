/*
 * The columns of a manifest that mean something to the program.
 */
#ifndef REPRISE_COHORT_COLUMNS_H
#define REPRISE_COHORT_COLUMNS_H

#include "reprise/cohort.h"
#include "reprise/io.h"

#include "grow.h"

typedef enum known_column {
    COLUMN_PATIENT,
    COLUMN_VISIT,
    COLUMN_DATE,
    COLUMN_IMAGE,
    COLUMN_SERIES,
    COLUMN_CONTOUR,
    COLUMN_ROI,
    COLUMN_SPLIT,
    COLUMN_EVALUABLE,
    COLUMN_LABEL,
    COLUMN_COUNT
} known_column;

extern const char *const column_names[COLUMN_COUNT];

/* Patients of whom a row could not be read whole: what it leaves open is no complaint of its own.
 */
typedef struct id_list {
    const char **items; /* borrowed */
    size_t count;
} id_list;

/* Whether a row's file is there, and of the kind that its column wants; path may be "". */
rp_status check_exists(size_t row, known_column which, const char *path,
                       rp_cohort_problems *problems, rp_error *err);
/* Visits of a patient and splits; sorts visits. */
rp_status check_patients(rp_cohort *cohort, const id_list *half_read, rp_cohort_problems *problems,
                         rp_error *err);
/* Files used twice. */
rp_status check_files(const rp_cohort *cohort, rp_cohort_problems *problems, rp_error *err);

#endif
