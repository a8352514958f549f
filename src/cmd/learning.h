/*
 * What `adapt` and `assess` share: options of the adaptation, the model to start from, the
 * checkpoint and what the user is told about it, the memory plan.
 */
#ifndef REPRISE_CMD_LEARNING_H
#define REPRISE_CMD_LEARNING_H

#include "cmd.h"

typedef struct cmd_learning {
    const char *model, *config; /* NULL: not given */
    bool start, fresh;          /* --model start, --model none */
    int epochs, copies;         /* 0: not given */
    int crop[3];                /* x, y, z; 0: not given */
    uint64_t seed;
    bool has_seed, resume;
    rp_recipe recipe;
    bool has_recipe, has_region, whole; /* whole: --region whole */
    const char *patient_model;          /* of `assess`, adapted already; NULL: not given */
    bool allow_patient_mismatch, allow_series_mismatch, allow_non_ct;
} cmd_learning;

/* For argp parsers of these options: the value, or the end of the program with what is taken. */
void cmd_take_epochs(struct argp_state *state, const char *argument, int *epochs);
void cmd_take_copies(struct argp_state *state, const char *argument, int *copies);
void cmd_take_crop(struct argp_state *state, const char *argument, int crop[3]);
void cmd_take_seed(struct argp_state *state, const char *argument, uint64_t *seed, bool *has_seed);

void cmd_take_recipe(struct argp_state *state, const char *argument, rp_recipe *recipe,
                     bool *has_recipe);
void cmd_take_region(struct argp_state *state, const char *argument, bool *whole);

/* As an argp child whose input is a cmd_learning*. */
extern const struct argp cmd_learning_argp;

/* The recipe, then the file of --config, then the command line. */
rp_status cmd_learning_settings(const cmd_learning *learning, cmd_settings *settings,
                                rp_error *err);
/* The model of --model or the start that comes with the program, for which fewer steps are enough
 * unless their number is given: their network and preprocessing become the settings'; else fresh
 * weights. `label` is that of the data and becomes the model's own; what a start was made of is no
 * property of the result. */
rp_status cmd_learning_model(const cmd_learning *learning, const char *label,
                             cmd_settings *settings, rp_model *model, rp_error *err);

/* shipped.c: path of a model that comes with the program; NULL where there is none. rp_alloc'd. */
char *cmd_shipped_model(const char *name);
/* That of the start. */
char *cmd_start_model(void);

/* A checkpoint that exists is never overwritten unless it is to be resumed. */
rp_status cmd_checkpoint_check(const char *path, bool resume, rp_error *err);
/* Appends to the message whether work is kept, and how to go on; returns status. */
rp_status cmd_checkpoint_explain(const char *path, rp_status status, rp_error *err);
/* Removes the checkpoint, and what a killed process left beside it. */
void cmd_checkpoint_remove(const char *path);

/* Working grid and extent that an adaptation to this lesion will have; `spacing` and region of
 * settings and region: 0 for whole images. */
rp_status cmd_region_bounds(const cmd_settings *settings, const rp_grid *grid, const rp_mask *mask,
                            rp_preprocessing *preprocessing, int region[3], rp_error *err);
/* Bytes of the training session on an image's grid, or on a region of it. */
rp_status cmd_training_bytes(const cmd_settings *settings, const rp_grid *grid, const int region[3],
                             size_t *bytes, rp_error *err);
/* Bytes of the smallest prediction that rp_predict can cut an image into, or of the tile set. */
rp_status cmd_prediction_bytes(const cmd_settings *settings, const rp_grid *grid,
                               const int region[3], size_t *bytes, rp_error *err);

#endif
