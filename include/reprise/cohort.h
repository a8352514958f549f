/**
 * @file cohort.h
 * Cohorts: the manifest that lists patients and visits, its checker, and splits.
 *
 * A manifest is CSV (RFC 4180; UTF-8, with or without byte order mark; comma, or semicolon when the
 * header has no comma), one row for each patient and visit. Columns, in any order and either case:
 * patient, visit, image, contour are required; date, series, roi, split, recist_evaluable and label
 * may be absent; every other column is clinical. Paths are relative to the manifest's folder.
 * Blanks round a cell without quotes, and rows without content, do not count. docs/cohort.md tells
 * users.
 */
#ifndef REPRISE_COHORT_H
#define REPRISE_COHORT_H

#include "reprise/base_map.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_visit_kind { RP_VISIT_BASELINE, RP_VISIT_FOLLOWUP } rp_visit_kind;

/** One row. Strings are owned by the cohort, "" where the cell is empty or the column absent. */
typedef struct rp_cohort_visit {
    size_t row;            /**< line of the file on which the row starts; the header is line 1 */
    rp_visit_kind kind;    /**< "baseline" or "followup" */
    char *date;            /**< YYYY-MM-DD or "" */
    char *image, *contour; /**< resolved against the manifest's folder; contour may be "" when the
                                visit has none */
    char *roi;             /**< structure name or label value */
    char *series;          /**< SeriesInstanceUID, or a unique ending of it, where image is a folder
                                of several series */
    char *label;           /**< "synthetic", "simulated" or "" */
    char **clinical;       /**< one cell for each of the cohort's clinical columns */
} rp_cohort_visit;

typedef enum rp_recist_evaluable {
    RP_EVALUABLE_UNKNOWN,
    RP_EVALUABLE_NO,
    RP_EVALUABLE_YES
} rp_recist_evaluable;

typedef struct rp_cohort_patient {
    char *id;    /**< may name files: 1 to 64 bytes, no slash, no control character, no dot first */
    char *split; /**< "training", "validation", "test", a fold's number, or "" */
    rp_recist_evaluable recist_evaluable;
    rp_cohort_visit *visits; /**< baseline first, then by date */
    size_t visit_count;      /**< 1 or more */
} rp_cohort_patient;

/** Patients in the order of their first row. */
typedef struct rp_cohort {
    char *path;
    char **clinical_columns;
    size_t clinical_count;
    rp_cohort_patient *patients;
    size_t patient_count;
    rp_map by_id; /**< places of patients; kept by rp_cohort_add_visit */
} rp_cohort;

/** What is wrong with a manifest, all of it. */
typedef struct rp_cohort_problem {
    size_t row;      /**< line of the file; 0: the file as a whole */
    char column[64]; /**< "" where no single one */
    char
        text[512]; /**< a sentence that names the value where that is no patient's data; one line */
    bool warning;  /**< true: work can go on */
} rp_cohort_problem;

typedef struct rp_cohort_problems {
    rp_cohort_problem *items;
    size_t count, errors; /**< errors: those that are no warnings */
} rp_cohort_problems;

/**
 * Reads and checks a manifest. Every problem of form and sense is listed in one go, in the order of
 * rows: unknown or missing columns, ragged rows, visits twice, followup before baseline, a patient
 * in two splits, dates that are none, files that do not exist, the same image for two visits, ...
 * RP_ERR_FORMAT when there is an error among them (the cohort is then empty, the problems are
 * filled); other codes for a file that cannot be read. The caller releases both in every case.
 */
rp_status rp_cohort_read(const char *path, rp_cohort *cohort, rp_cohort_problems *problems,
                         rp_error *err);

/* A cohort can also be made: zero-initialise, name the clinical columns, then add visits. */
/** Before the first visit; RP_ERR_ARGUMENT afterwards, and for a name that is taken. */
rp_status rp_cohort_add_column(rp_cohort *cohort, const char *name, rp_error *err);
/** Appends a copy of the visit to the patient of that id, who is made where there is none. Strings
 *  that are NULL count as "", clinical may be NULL. Nothing is checked or sorted. *patient (may be
 *  NULL) is valid until the next visit is added. */
rp_status rp_cohort_add_visit(rp_cohort *cohort, const char *id, const rp_cohort_visit *visit,
                              rp_cohort_patient **patient, rp_error *err);

/** The place of the patient of that id; RP_MAP_NONE where there is none. */
size_t rp_cohort_find(const rp_cohort *cohort, const char *id);

/** Writes a manifest, whole or not at all; paths below its folder become relative, others absolute.
 *  Optional columns without content are left out. */
rp_status rp_cohort_write(const char *path, const rp_cohort *cohort, rp_error *err);
void rp_cohort_release(rp_cohort *cohort);
void rp_cohort_problems_release(rp_cohort_problems *problems);
/** Appends one; RP_ERR_MEMORY only. */
rp_status rp_cohort_problem_add(rp_cohort_problems *problems, size_t row, const char *column,
                                bool warning, rp_error *err, const char *format, ...)
    RP_PRINTF(6, 7);

/** "training" and "validation", `share` of the patients for validation (rounded, at least one
 * each), a function of seed and ids alone: the order of rows does not matter. Patients of the split
 * "test" keep it and count for nothing here. RP_ERR_ARGUMENT: too few. */
rp_status rp_cohort_split_random(rp_cohort *cohort, double share, uint64_t seed, rp_error *err);
/** Folds "1".."k" whose sizes differ by one at most; of seed, ids and "test" as above. */
rp_status rp_cohort_split_folds(rp_cohort *cohort, int k, uint64_t seed, rp_error *err);
/** True where the patient belongs to the split asked for; "all" takes every patient, "a,b" either,
 *  "not:3" those of every other fold, "not:test" those of every other split. "train" and "val"
 * stand for training and validation. Who is in no split is in "all" only. */
bool rp_cohort_in_split(const rp_cohort_patient *patient, const char *wanted);

#ifdef __cplusplus
}
#endif
#endif
