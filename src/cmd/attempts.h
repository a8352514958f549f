/*
 * The default way to a patient model: the start that comes with the program is given the baseline
 * to look at, without a step of training; where it does less than well on simulated follow-ups of
 * the baseline it is adapted besides, and the better one by the same trials counts.
 */
#ifndef REPRISE_CMD_ATTEMPTS_H
#define REPRISE_CMD_ATTEMPTS_H

#include "guard.h"
#include "learning.h"

/* Nothing was chosen that says how to adapt: no model, epochs, network or whole images. */
bool cmd_attempts_wanted(const cmd_learning *learning, const cmd_settings *settings);

/* The first attempt as it came out; replaced by the second where that is better. */
typedef struct cmd_attempts_input {
    cmd_settings *settings;
    rp_model *model;
    rp_adapt_curve *curve;
    cmd_guarded *guard;
    const rp_image *image;
    const rp_mask *contour;
    const rp_progress *progress;
} cmd_attempts_input;

typedef struct cmd_attempts_made {
    int count, chosen;   /* 0: the start as it is; 1: adapted */
    double mean_dice[2]; /* on the guard's trials */
} cmd_attempts_made;

/* The first attempt. */
rp_status cmd_attempts_begin(const cmd_settings *settings, rp_model *model, const rp_image *image,
                             const rp_mask *contour, rp_error *err);
/* After the first attempt and its guard; without one nothing can be judged, and the first stays. A
 * second one that does not fit into the memory is left out, with a warning. */
rp_status cmd_attempts(const cmd_attempts_input *in, cmd_attempts_made *made, rp_error *err);
/* "attempts" of result.json. */
rp_json *cmd_attempts_json(const cmd_attempts_made *made);

#endif
