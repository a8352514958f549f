/* Parts of `reprise train`. */
#ifndef REPRISE_CMD_TRAIN_H
#define REPRISE_CMD_TRAIN_H

#include "cohort.h"
#include "learning.h"

typedef struct train_arguments {
    cmd_common common;
    const char *manifest, *split, *validation, *out, *cache, *model, *config;
    int epochs, copies, validate_every; /* 0: not given */
    int crop[3];                        /* x, y, z; 0: not given */
    uint64_t seed;
    bool has_seed, has_every, resume;
    int argc;
    char **argv;
} train_arguments;

/* Where a case comes from. */
typedef struct train_source {
    const rp_cohort_patient *patient;
    const rp_cohort_visit *visit;
    char image_sha256[RP_SHA256_HEX], contour_sha256[RP_SHA256_HEX];
} train_source;

typedef struct train_run {
    const train_arguments *arguments;
    cmd_settings settings;
    char *checkpoint, *best, *cache;
    rp_cohort cohort;
    char manifest_sha256[RP_SHA256_HEX];
    rp_train_case *cases;  /* those to train on first */
    train_source *sources; /* of each */
    size_t case_count, training_count, training_patients;
    size_t without_contour; /* visits left out */
    rp_model model;
    rp_train_curve curve;
    double started, prepared; /* points in time */
} train_run;

/* Reads the manifest, opens every image and contour, tells all that is wrong with them, and
 * preprocesses what is not in the cache. The model's label becomes that of the data. */
rp_status train_read_cases(train_run *run, rp_error *err);
/* model.safetensors, learning_curve.csv and .svg, validation.csv, manifest.csv; run.json last. */
rp_status train_write_results(train_run *run, rp_error *err);
double train_mean_dice(const rp_train_curve *curve, int validation);
void train_run_release(train_run *run);

#endif
