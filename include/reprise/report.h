/**
 * @file report.h
 * The self-contained HTML report of one assessment; the report of an evaluation, HTML and PDF.
 */
#ifndef REPRISE_REPORT_H
#define REPRISE_REPORT_H

#include "reprise/evaluation.h"
#include "reprise/io.h"
#include "reprise/measure.h"
#include "reprise/response.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One time point as the report shows it. Pointers are borrowed. */
typedef struct rp_report_visit {
    const char *title; /**< "Baseline", "Follow-up" */
    const char *date;  /**< as the user may see it, "" if unknown */
    const rp_image *image;
    const rp_mask *mask;  /**< on the image's grid */
    const rp_mask *truth; /**< may be NULL; drawn dashed */
    const rp_lesion *lesion;
    const rp_image *probability; /**< of the lesion, 0..1, on the image's grid; may be NULL. Where
                                      it lies between 0.25 and 0.75 a band is drawn */
} rp_report_visit;

typedef struct rp_report {
    const char *subject; /**< pseudonym chosen by the user, "" if none */
    const char *label;   /**< "synthetic", "simulated" or "" : shown as a banner */
    rp_report_visit baseline, followup;
    const rp_response_result *response;
    const rp_response_result *unaccepted; /**< what the figures alone would say, where they are not
                                               accepted and response is NE; else NULL */
    const double *loss; /**< adaptation curve: mean loss per epoch; NULL if none */
    const double *dice; /**< training Dice per epoch; may be NULL */
    size_t epochs;
    const char *const *flags; /**< warnings in sentences */
    size_t flag_count;
    const rp_json *result; /**< the whole result.json: definitions, provenance, timing, scores */
} rp_report;

/**
 * Writes the report; whole or not at all; deterministic for the same input. The file refers to
 * nothing outside itself. RP_ERR_ARGUMENT: an image, mask, lesion or response is missing, a mask or
 * truth is not on its image's grid, or a measured slice lies outside the image.
 *
 * An empty follow-up mask with response NE is reported as a failure to segment.
 *
 * Read from `result` where present (anything may be absent, and `result` itself NULL):
 *  - "window": {"low_hu", "high_hu"}: of the pictures; -150..250 HU without it;
 *  - "dice", "dice_carry_forward", "diameter_error_mm": scores against the truth;
 *  - "interval" and "guard", as docs/result-json.md has them: the interval on the threshold bar and
 *    the chances of the responses; a plot and figures of the trials;
 *  - "carry_forward", "definitions", "provenance", "plausibility", "timing": objects, shown row by
 * row in their order. Keys become words; the endings _mm, _cc, _hu, _percent and _seconds become
 * units; SHA-256 values are shortened, with the whole at hand. The text of `result` stands at the
 * report's end as the complete record.
 */
rp_status rp_report_write_html(const char *path, const rp_report *report, rp_error *err);

/* ---- evaluation of a cohort -------------------------------------------------------------- */

/** One visit of a case, to be drawn. Masks are on the image's grid; those that do not exist are
 * left zeroed. */
typedef struct rp_case_visit {
    rp_image image;
    rp_mask manual;
    rp_mask source[RP_SOURCE_COUNT]; /**< only those that belong to the visit are drawn */
} rp_case_visit;

/** Training of the general model. NaN where nothing was measured at that epoch. */
typedef struct rp_learning_curve {
    const double *epoch, *loss, *training_dice, *validation_dice; /**< each but epoch may be NULL */
    size_t count;
} rp_learning_curve;

/** Pointers are borrowed. Patients are shown by the names that the evaluation has for them. */
typedef struct rp_evaluation_report {
    const char *title; /**< of the page: names the cohort, no person */
    const char *date;  /**< "2026-01-31T12:34:56Z", the input's; "" if none is to be told */
    const rp_evaluation *evaluation;
    const rp_json *summary; /**< of rp_evaluation_summary */
    const rp_json *record;  /**< whole evaluation.json ("provenance", "definitions", "timing",
                                 "window" are shown); may be NULL */
    rp_learning_curve curve;
    const char *const *named; /**< patients whose contours are drawn besides best, median, worst */
    size_t named_count;
    /** Loads visit 0 (baseline) or 1 (follow-up) of cases[index]; the report releases it. NULL: no
     *  contours are drawn. A failure other than RP_ERR_MEMORY is told in the picture's place. */
    rp_status (*load)(void *context, size_t index, int visit, rp_case_visit *out, rp_error *err);
    void *context;
} rp_evaluation_report;

/**
 * Tables 1 to 4b and supplementary 1 of the study, figures, failures case by case, definitions and
 * provenance. Statistics are those of the summary, never computed again; single cases are the
 * evaluation's. Whole or not at all; the same input gives the same bytes. Both visits of one case
 * at a time are in memory. The HTML file refers to nothing outside itself; the PDF's words are
 * text. RP_ERR_ARGUMENT: evaluation, summary, title or date is missing.
 */
rp_status rp_report_write_evaluation_html(const char *path, const rp_evaluation_report *report,
                                          rp_error *err);
rp_status rp_report_write_evaluation_pdf(const char *path, const rp_evaluation_report *report,
                                         rp_error *err);
/* ---- courses of many patients --------------------------------------------------------------- */

/** One patient's results over the visits; borrowed. */
typedef struct rp_response_course {
    const char *patient; /**< as figures name the patient: a pseudonym */
    const rp_timeline_result *result;
} rp_response_course;

/**
 * The change of each patient's sum from baseline over the weeks (spider), and the best of it until
 * progression (waterfall), coloured by best overall response, with the limits of response and, from
 * the baseline, of progression. SVG, PNG or PDF, by the path's ending; whole or not at all.
 * label: "synthetic", "simulated" or "". RP_ERR_ARGUMENT: no patient, patients by different
 * criteria, another ending.
 */
rp_status rp_report_write_spider(const char *path, const rp_response_course *courses, size_t count,
                                 const char *label, rp_error *err);
rp_status rp_report_write_waterfall(const char *path, const rp_response_course *courses,
                                    size_t count, const char *label, rp_error *err);

/** Whether a figure can be drawn into a file of that name: .svg, .png or .pdf, in any case. */
bool rp_report_draws(const char *path);

/** Loss and Dice by epoch as one SVG file; label as of an evaluation. */
rp_status rp_report_write_learning_curve(const char *path, const rp_learning_curve *curve,
                                         const char *label, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
