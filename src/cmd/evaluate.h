/* Parts of `reprise evaluate`. */
#ifndef REPRISE_CMD_EVALUATE_H
#define REPRISE_CMD_EVALUATE_H

#include "attempts.h"
#include "cohort.h"
#include "doubt.h"
#include "reprise/evaluation.h"

typedef enum evaluate_registration {
    EVALUATE_OWN,
    EVALUATE_ELASTIX,
    EVALUATE_NONE
} evaluate_registration;

typedef struct evaluate_arguments {
    cmd_common common;
    cmd_accept accept;
    cmd_guard_choice guard;
    const char *manifest, *split, *model, *out, *config;
    bool start, fresh;        /* --model start, --model none */
    const char *only;         /* --case: this patient alone, for a process of its own */
    int epochs, copies, jobs; /* 0: not given */
    int crop[3];
    uint64_t seed;
    bool has_seed, has_recipe, has_region, whole;
    rp_recipe recipe;
    evaluate_registration registration;
    const char **shown; /* --show: patients whose contours the report draws besides */
    size_t shown_count;
    int argc;
    char **argv;
} evaluate_arguments;

/* A patient with the two visits that are compared. */
typedef struct evaluate_patient {
    const rp_cohort_patient *patient;
    const rp_cohort_visit *visit[2];
    char *folder;    /* of its results */
    char error[400]; /* why it could not be evaluated; "" where it could */
} evaluate_patient;

typedef struct evaluate_run {
    const evaluate_arguments *arguments;
    cmd_learning learning;
    cmd_settings settings;
    rp_cohort cohort;
    evaluate_patient *patients;
    size_t patient_count;
    char *model_path;                 /* of the general model; NULL: none */
    char model_sha256[RP_SHA256_HEX]; /* of it or of the start; "": fresh weights */
    char registers[64];               /* "own", elastix and its version, or "none" */
    rp_evaluation evaluation;
    size_t *patient_of_case; /* index into patients of each case */
    double started;
} evaluate_run;

/* Does what is not done yet for one patient, or finds it done; the case is the caller's to release.
 * RP_ERR_REFUSED: what is there belongs to other inputs, settings or models. */
rp_status evaluate_case(const evaluate_run *run, const evaluate_patient *patient, rp_case *out,
                        rp_error *err);
/* What all cases have in common, and their results depend on. */
rp_json *evaluate_settings_json(const evaluate_run *run);
/* Every mask that a case has, under its file name: "idol_post.nii.gz". rp_alloc'd. */
char *evaluate_mask_path(const evaluate_patient *patient, rp_source source);

/* What elastix says of its version; false where it or transformix does not answer. */
bool evaluate_has_elastix(char version[64]);
/* The baseline's mask, propagated onto the follow-up's grid by a rigid and then a B-spline
 * registration of the follow-up (fixed) and the baseline. Works in `folder`, which it empties. */
rp_status evaluate_by_elastix(const rp_image *baseline, const rp_mask *contour,
                              const rp_image *followup, const char *folder, int threads,
                              rp_mask *out, rp_error *err);

/* evaluation.html and evaluation.pdf from the record of evaluation.json. */
rp_status evaluate_write_reports(evaluate_run *run, const rp_json *record, const char *folder,
                                 rp_error *err);
/* tables/, the reports, evaluation.json last. RP_ERR_FORMAT, after all of them are there, where
 * patients could not be evaluated. */
rp_status evaluate_write(evaluate_run *run, rp_error *err);

#endif
