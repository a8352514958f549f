/*
 * The default way to a patient model: the start that comes with the program is given the baseline
 * to look at, without a step of training; where it does less than well on simulated follow-ups of
 * the baseline it is adapted besides, and the better one by the same trials counts.
 */
#ifndef REPRISE_CMD_ATTEMPTS_H
#define REPRISE_CMD_ATTEMPTS_H

#include "guard.h"
#include "learning.h"

/* Nothing was chosen that says how to adapt: no model, epochs, copies, network, prior channel, box
 * or whole images. */
bool cmd_attempts_wanted(const cmd_learning *learning, const cmd_settings *settings);

/* What is made: the start as it is, and its guard; replaced by the adapted one where that is
 * better.
 */
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
    int count, chosen;   /* 0: the start as it is; 1: adapted. None where the way was given */
    double mean_dice[2]; /* on the guard's trials */
} cmd_attempts_made;

/* The start as it is, with the baseline to look at, where settings->attempts asks for both ways;
 * else the adaptation that was chosen. */
rp_status cmd_attempts_begin(const cmd_attempts_input *input, rp_error *err);
/* After it the guard, and the adaptation of the start where that is wanted; without a guard nothing
 * can be judged, and the start stays. An adaptation that does not fit into the memory is left out,
 * with a warning. */
rp_status cmd_attempts_finish(const cmd_attempts_input *input, cmd_attempts_made *made,
                              rp_error *err);
/* "start", "adapted"; "given" where the user chose the way. */
const char *cmd_attempts_way(const cmd_attempts_made *made);
/* "attempts" of result.json. */
rp_json *cmd_attempts_json(const cmd_attempts_made *made);

#endif
