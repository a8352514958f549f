/* Parts of `reprise assess`: what one run holds, and the steps that live in files of their own. */
#ifndef REPRISE_CMD_ASSESS_H
#define REPRISE_CMD_ASSESS_H

#include "attempts.h"
#include "doubt.h"
#include "learning.h"
#include "source.h"
#include "reprise/archive.h"

enum { ASSESS_MAX_FLAGS = 48 };

typedef struct assess_flag {
    const char *key;
    char text[640];
} assess_flag;

typedef struct assess_arguments {
    cmd_common common;
    cmd_learning learning;
    cmd_accept accept;
    cmd_guard_choice guard;
    const char *baseline, *contour, *followup, *out, *truth;
    const char *series, *followup_series, *subject;
    const char **priors, *prior_lesion; /* earlier reports, and their lesion */
    size_t prior_count;
    const char *patient_model; /* adapted already; NULL: not given */
    double at[3];
    rp_diameter_definition definition;
    bool has_definition, allow_date_order, no_dates, keep_checkpoint, has_at;
    int argc;
    char **argv;
} assess_arguments;

typedef struct assess_memory {
    size_t budget, images, training, prediction;
} assess_memory;

typedef struct assess_timing {
    double start, load, align, adapt, guard, segment, compare, measure,
        verify; /* seconds; start is a time */
} assess_timing;

/* The lesion in earlier reports, where there are some. */
typedef struct assess_prior {
    rp_archive archive;
    size_t lesion;
    double nadir_mm;     /* smallest so far, baseline included; 0: no reports */
    char nadir_date[16]; /* YYYY-MM-DD */
} assess_prior;

typedef struct assess {
    const assess_arguments *arguments;
    const rp_progress *progress;
    cmd_settings settings;
    char *checkpoint;
    bool adapted;
    cmd_ct baseline_ct, followup_ct;
    cmd_contour contour, truth;
    bool has_truth;
    char label[32];
    char tracking_id[RP_DICOM_NAME], tracking_uid[RP_DICOM_UID]; /* of the lesion over its visits */
    assess_prior prior;
    int interval_days;
    bool has_interval;
    rp_model model;
    cmd_place place; /* of the lesion on the follow-up */
    char base_model_sha256[RP_SHA256_HEX], model_sha256[RP_SHA256_HEX];
    assess_memory memory;
    rp_adapt_curve curve;
    rp_prediction prediction;
    rp_mask carried; /* the baseline contour on the follow-up's grid */
    cmd_measured baseline, followup, carry_forward, true_lesion;
    rp_response_result response, true_response;
    cmd_guarded guard;
    cmd_sources sources;
    cmd_attempts_made attempts; /* count 0: the way was given */
    cmd_doubts doubts;
    double self_dice, dice_carry_to_prediction, dice, dice_carry_forward;
    assess_flag flags[ASSESS_MAX_FLAGS];
    size_t flag_count;
    assess_timing timing;
} assess;

/* A warning for the person who reads the result: a key for programs and a sentence. */
void assess_flag_add(assess *a, const char *key, const char *format, ...) RP_PRINTF(3, 4);
/* What the contour's conversion and the data's labels tell. */
void assess_flag_inputs(assess *a);
/* Whether the visits, what was found and the model let the response be answered; else it is NE. */
void assess_doubt(assess *a);
/* What the prediction and the measurements tell. */
void assess_flag_findings(assess *a);

/* assess_place.c: registers the visits and finds where the lesion is looked for. */
rp_status assess_locate(assess *a, rp_error *err);
/* Takes a model that was adapted before, where it belongs to this baseline and contour. */
rp_status assess_take_model(assess *a, rp_error *err);

/* Refuses two patients and a follow-up older than the baseline; flags what cannot be checked. */
rp_status assess_check_pair(assess *a, rp_error *err);
/* RP_ERR_BUDGET in words when images and network do not fit; fills a->memory. */
rp_status assess_check_memory(assess *a, rp_error *err);
/* Measures, compares and classifies. */
rp_status assess_measure(assess *a, rp_error *err);

/* Names the lesion so that the next assessment of the same baseline contour finds it again. */
rp_status assess_track(assess *a, rp_error *err);
/* assess_prior.c: one more --prior-sr; false when memory is short. */
bool assess_add_prior(assess_arguments *g, const char *path);
/* Reads them, checks that they are of this patient and lesion and lie between the two visits, and
 * finds the nadir. Nothing without --prior-sr. */
rp_status assess_read_priors(assess *a, rp_error *err);
rp_json *assess_prior_json(const assess *a);
/* measurements_sr.dcm of a DICOM follow-up; a flag where nothing can refer to it. */
rp_status assess_write_report(assess *a, const char *path, rp_error *err);
/* The whole of result.json. */
rp_json *assess_result_json(const assess *a);
/* Every output, all or none; result.json last. */
rp_status assess_write(assess *a, rp_error *err);
/* RP_ERR_IO where a folder stands in an output's place; tells that a finished assessment is there.
 */
rp_status assess_check_folder(const assess *a, rp_error *err);
/* Refuses outputs that would overwrite an input. */
rp_status assess_protect_inputs(const assess *a, rp_error *err);
void assess_summarise(const assess *a);
/* Instead of it under --quiet, on stderr: what to check. */
void assess_warn(const assess *a);

#endif
