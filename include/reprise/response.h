/**
 * @file response.h
 * RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228-247) as pure functions.
 */
#ifndef REPRISE_RESPONSE_H
#define REPRISE_RESPONSE_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_response { RP_CR, RP_PR, RP_SD, RP_PD, RP_NE } rp_response;
const char *rp_response_code(rp_response r); /**< "CR" ... "NE" */
const char *rp_response_name(rp_response r); /**< "complete response" ... */

/** How the one target lesion was found at a visit. */
typedef enum rp_lesion_state {
    RP_LESION_MEASURED,
    RP_LESION_TOO_SMALL,    /**< present but too small to measure: 5 mm by the guideline */
    RP_LESION_ABSENT,       /**< a person says that it is gone: 0 mm */
    RP_LESION_NOT_EVALUATED /**< not assessed, or segmentation failed */
} rp_lesion_state;

typedef struct rp_response_input {
    bool nodal; /**< diameters are short axes; CR below 10 mm */
    double baseline_mm;
    double nadir_mm; /**< smallest so far, baseline included; 0 means baseline */
    rp_lesion_state state;
    double followup_mm;      /**< where measured */
    double slice_spacing_mm; /**< for measurability at baseline; 0: not checked */
    double too_small_mm;     /**< value for RP_LESION_TOO_SMALL; 0 means the guideline's 5 */
    bool new_lesion;         /**< an unequivocal new lesion was seen */
} rp_response_input;

typedef struct rp_response_result {
    rp_response response;
    double change_percent;       /**< from baseline; NaN where not evaluated */
    double change_nadir_percent; /**< from nadir */
    double change_nadir_mm;
    bool measurable_at_baseline;
    char rule[256]; /**< one sentence: which rule decided, with its numbers in mm */
} rp_response_result;

/** PD is tested first; values are compared unrounded, with decimal inputs protected from binary
 *  rounding: lengths within 1e-9 of their size count as equal (exactly 30% is PR, exactly 20% and
 *  5 mm is PD, a node of exactly 10 mm is not CR). A new lesion is PD whatever else was found; not
 *  evaluated is NE. RP_ERR_ARGUMENT for negative or non-finite lengths, a baseline of 0, a nadir
 *  above the baseline, and a measured follow-up of 0 mm: what was not found is RP_LESION_ABSENT
 * only if a person says so, else RP_LESION_NOT_EVALUATED. */
rp_status rp_response_classify(const rp_response_input *input, rp_response_result *result,
                               rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
