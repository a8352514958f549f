/**
 * @file evaluation.h
 * What an evaluation says of a cohort: cases, summaries, tables.
 *
 * A case is one validation patient. Contours on its visits come from several sources; each is held
 * against the manual contour of its visit.
 */
#ifndef REPRISE_EVALUATION_H
#define REPRISE_EVALUATION_H

#include "reprise/cohort.h"
#include "reprise/io.h"
#include "reprise/measure.h"
#include "reprise/response.h"
#include "reprise/stats.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who drew the contour, on which visit. */
typedef enum rp_source {
    RP_SOURCE_GENERAL_PRE,     /**< general model (FCD) on the baseline */
    RP_SOURCE_GENERAL_POST,    /**< general model on the follow-up */
    RP_SOURCE_IDOL_POST,       /**< patient model on the follow-up */
    RP_SOURCE_CARRY_POST,      /**< baseline contour at the same world coordinates */
    RP_SOURCE_REGISTERED_POST, /**< baseline contour after registration, where there is one
                                */
    RP_SOURCE_COUNT
} rp_source;
const char *rp_source_key(rp_source source); /**< "general_pre", "idol_post", ... in CSV and JSON */
const char *rp_source_name(rp_source source); /**< as tables print it: "FCD, baseline", ... */

/** One contour against the manual one of its visit. */
typedef struct rp_case_score {
    bool present;       /**< this source was run for this case */
    bool empty;         /**< it drew nothing: a failure to segment */
    rp_lesion lesion;   /**< measured on it (largest component); absent when empty */
    rp_overlap overlap; /**< against the manual contour: Dice, HD95, surface Dice, volumes */
    rp_response_result response; /**< post sources: manual baseline against this follow-up */
    double seconds; /**< wall time that this source took: adaptation, prediction, registration */
} rp_case_score;

/** What the guard (guard.h) said of the patient model's follow-up before the truth was known. */
typedef struct rp_case_interval {
    bool given; /**< false: nothing was found, or nothing asked, and nothing else is set */
    double low80_mm, high80_mm, low95_mm, high95_mm; /**< of the longest diameter */
    double p_cr, p_pr, p_sd, p_pd;
} rp_case_interval;

typedef struct rp_case_failure {
    char kind[32];  /**< "empty", "below carry-forward", "below general model", "not run", ... */
    char text[300]; /**< a sentence with the numbers */
} rp_case_failure;

/** One patient of the evaluation; strings and arrays are owned. */
typedef struct rp_case {
    char *patient, *baseline_date, *followup_date, *label;
    rp_recist_evaluable recist_evaluable;
    char **clinical;     /**< of the baseline row, in the cohort's columns */
    rp_lesion manual[2]; /**< baseline, follow-up */
    rp_response_result manual_response;
    rp_case_score score[RP_SOURCE_COUNT];
    char way[16];            /**< to the patient model: "start", "adapted", "given"; "" not known */
    char contour_source[24]; /**< what drew RP_SOURCE_IDOL_POST, "patient model" or "registered
                                contour"; "" not known */
    rp_case_interval interval; /**< of RP_SOURCE_IDOL_POST */
    rp_case_failure *failures;
    size_t failure_count;
} rp_case;

typedef struct rp_evaluation {
    char **clinical_columns;
    size_t clinical_count;
    size_t training_patients; /**< of the general model's cohort, for Table 1; 0 unknown */
    rp_case *cases;
    size_t case_count;
    uint64_t seed;  /**< of bootstrap intervals */
    char label[32]; /**< "synthetic", "simulated" or "": of any case */
} rp_evaluation;

void rp_evaluation_release(rp_evaluation *evaluation);
/** One case alone, with as many clinical cells as its evaluation has columns. */
void rp_case_release(rp_case *one, size_t clinical_count);

/** One case as JSON (what is kept on disk when a patient is finished) and back, without loss.
 *  RP_ERR_FORMAT names the path and the first key that is missing or of another type. */
rp_json *rp_case_json(const rp_case *one, size_t clinical_count);
rp_status rp_case_from_json(const rp_json *json, const char *path, size_t clinical_count,
                            rp_case *one, rp_error *err);

/** Looks through the scores of a case and lists each failure: empty prediction, adaptation worse
 *  than carry-forward, the general model or registration, and, where the case is evaluable by
 *  RECIST, a response other than the manual one. */
rp_status rp_case_find_failures(rp_case *one, rp_error *err);
/** Appends one. */
rp_status rp_case_add_failure(rp_case *one, const char *kind, const char *text, rp_error *err);

/**
 * All summaries of both cohorts ("entire", "recist": recist_evaluable yes) as one JSON object:
 * Tables 1, 2, 3, 4a, 4b, supplementary 1 with means and t-based intervals, paired tests (Wilcoxon
 * signed-rank of IDOL against each other source), McNemar, kappa, sensitivity, specificity,
 * accuracy, AUC (continuous change and dichotomised call), Spearman of Dice with baseline diameter,
 * Bland-Altman and ICC of diameter and volume, Kaplan-Meier where there are events; each with its
 * definition's name, n, and "undefined" with the reason where it is. Where cases have intervals:
 * how often these hold the manual diameter, and how often there was no answer. Multiplicity is
 * stated.
 * docs/evaluation.md documents the keys.
 */
rp_status rp_evaluation_summary(const rp_evaluation *evaluation, rp_json **summary, rp_error *err);

/** Writes NAME.csv into folder: table1, table2, table3, table4a, table4b, supplementary1,
 * comparisons; patients and cases, every number of which is unrounded and from which the others can
 * be recomputed; failures. Each file whole or not at all. */
rp_status rp_evaluation_write_tables(const rp_evaluation *evaluation, const rp_json *summary,
                                     const char *folder, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
