/* Parts of the summary that live in files of their own. Each adds members to a cohort. */
#ifndef REPRISE_EVALUATION_SUMMARY_H
#define REPRISE_EVALUATION_SUMMARY_H

#include "emit.h"

/** What is averaged over cases, in the order of the tables; ends with a NULL key. */
typedef struct rp_measure_of_case {
    const char *key;
    rp_quantity of;
} rp_measure_of_case;
extern const rp_measure_of_case rp_case_measures[];

/** "table1". */
rp_status rp_summary_characteristics(const rp_evaluation *evaluation, const rp_subset *subset,
                                     rp_json *cohort, rp_error *err);
/** "response". */
rp_status rp_summary_responses(const rp_subset *subset, rp_json *cohort, rp_error *err);
/** "survival": one curve where the columns followup_months and event are there. */
rp_status rp_summary_survivals(const rp_evaluation *evaluation, const rp_subset *subset,
                               rp_json *cohort, rp_error *err);
/** Key and sentence of every definition in use. */
rp_json *rp_summary_definitions_json(void);

/** The cell of a clinical column as a number; NaN where it is none. */
double rp_clinical_number(const rp_case *one, size_t column);
/** Index of the column of this name; the count where there is none. */
size_t rp_clinical_column(const rp_evaluation *evaluation, const char *name);

#endif
