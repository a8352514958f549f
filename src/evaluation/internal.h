/* What the files of this module share. */
#ifndef REPRISE_EVALUATION_INTERNAL_H
#define REPRISE_EVALUATION_INTERNAL_H

#include "reprise/evaluation.h"

#include <math.h>

/** The cases of one cohort, in their order; cases is rp_alloc'd. */
typedef struct rp_subset {
    const char *key; /**< "entire" or "recist" */
    const rp_case **cases;
    size_t count;
} rp_subset;

enum { RP_SUBSETS = 2 };

rp_status rp_subset_make(const rp_evaluation *evaluation, int which, rp_subset *out, rp_error *err);
void rp_subset_release(rp_subset *subset);

/** A quantity of one case and source; NaN where it does not exist. */
typedef double (*rp_quantity)(const rp_case *one, rp_source source);
double rp_case_dice_of(const rp_case *one, rp_source source);
/** Found minus manual on the source's visit; NaN where nothing was found. */
double rp_case_diameter_error(const rp_case *one, rp_source source);
double rp_case_volume_error(const rp_case *one, rp_source source);
/** 0: the baseline, 1: the follow-up. */
int rp_source_visit(rp_source source);
bool rp_response_called(const rp_response_result *response);

#endif
