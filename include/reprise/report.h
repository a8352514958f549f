/**
 * @file report.h
 * The self-contained HTML report of one assessment.
 */
#ifndef REPRISE_REPORT_H
#define REPRISE_REPORT_H

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
} rp_report_visit;

typedef struct rp_report {
    const char *subject; /**< pseudonym chosen by the user, "" if none */
    const char *label;   /**< "synthetic", "simulated" or "" : shown as a banner */
    rp_report_visit baseline, followup;
    const rp_response_result *response;
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
 *  - "carry_forward", "definitions", "provenance", "timing": objects, shown row by row in their
 *    order. Keys become words; the endings _mm, _cc, _hu, _percent and _seconds become units;
 * SHA-256 values are shortened, with the whole at hand. The text of `result` stands at the report's
 * end as the complete record.
 */
rp_status rp_report_write_html(const char *path, const rp_report *report, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
