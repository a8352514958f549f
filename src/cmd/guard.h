/*
 * What `assess`, `adapt` and `evaluate` do to know how far a patient model can be trusted
 * (reprise/guard.h): trials on simulated follow-ups, kept with the model, and the interval and
 * chances that follow from them.
 */
#ifndef REPRISE_CMD_GUARD_H
#define REPRISE_CMD_GUARD_H

#include "cmd.h"

/* --guard N|off, as an argp child whose input is a cmd_guard_choice*. */
typedef struct cmd_guard_choice {
    bool given;
    int trials; /* 0: off */
} cmd_guard_choice;
extern const struct argp cmd_guard_argp;
/* The command line's number goes before the settings'. */
void cmd_guard_apply(const cmd_guard_choice *choice, cmd_settings *settings);

typedef struct cmd_guarded {
    bool on; /* false: --guard off, and nothing else is set */
    rp_guard_trials trials;
    rp_guard_summary by[RP_GUARD_SOURCES]; /* of the model alone where nothing was compared */
    rp_guard_source better;                /* by the trials */
    rp_guard_source source; /* whose contour is used, and answer and judgement are of: the
                               model's unless it is set */
    rp_guard_answer answer;
} cmd_guarded;

/* Tries the model on follow-ups of the image, or recalls what is kept with it; into the model, too.
 */
rp_status cmd_guard_try(const cmd_settings *settings, rp_model *model, const rp_image *image,
                        const rp_mask *contour, const rp_progress *progress, cmd_guarded *out,
                        rp_error *err);
/* A clause where the trials kept with the model speak for the registered contour; else false. */
bool cmd_guard_prefers_registered(const rp_model *model, char clause[200]);
/* The interval of what was found; response: as it was classified. */
rp_status cmd_guard_ask(cmd_guarded *guard, const rp_lesion *found,
                        const rp_response_input *response, rp_error *err);
/* What speaks against the answer; curve may be NULL. */
void cmd_guard_judge(const cmd_guarded *guard, const cmd_settings *settings,
                     const rp_adapt_curve *curve, rp_doubts *doubts);

/* "guard", and "interval": NULL where the guard is off or nothing was found. */
rp_json *cmd_guard_json(const cmd_guarded *guard, const cmd_settings *settings);
rp_json *cmd_interval_json(const cmd_guarded *guard);
/* "52.3 mm (95 %: 47.0 to 57.1)" and "PR with 0.93"; "" where there is none. */
void cmd_interval_text(const cmd_guarded *guard, double found_mm, char text[64]);
void cmd_chances_text(const cmd_guarded *guard, char text[96]);

#endif
