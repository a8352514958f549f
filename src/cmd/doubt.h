/*
 * What `assess` and `evaluate` do where a response cannot be believed (reprise/track_verify.h): it
 * is NE with the reasons, unless a person accepts them by --accept-implausible.
 */
#ifndef REPRISE_CMD_DOUBT_H
#define REPRISE_CMD_DOUBT_H

#include "guard.h"
#include "place.h"

/* The reasons that a person has accepted. */
typedef struct cmd_accept {
    bool doubts[RP_DOUBTS];
    double self_dice; /* --least-self-dice; 0: not given */
    bool has_self_dice;
} cmd_accept;

/* --accept-implausible and --least-self-dice, as an argp child whose input is a cmd_accept*. */
extern const struct argp cmd_accept_argp;
/* The command line's limit goes before the settings'. */
void cmd_accept_apply(const cmd_accept *accept, cmd_settings *settings);

typedef struct cmd_doubt_input {
    const cmd_settings *settings;
    const cmd_accept *accept;
    const rp_image *baseline, *followup;
    const rp_mask *contour, *found;
    const rp_prediction *prediction; /* of the follow-up: its parts */
    const cmd_place *place;          /* with the alignment of the two */
    const rp_model *model;           /* with its Dice on its own baseline */
    const cmd_guarded *guard;        /* NULL: none */
    const rp_adapt_curve *curve;     /* of the adaptation; NULL: not known */
} cmd_doubt_input;

typedef struct cmd_doubts {
    rp_registration registration;
    rp_place place;
    rp_intensities intensities;
    double contrast[2]; /* of the lesion, baseline and follow-up */
    rp_doubts doubts;
    bool accepted[RP_DOUBTS];    /* of those found */
    bool answered;               /* nothing was found but what is accepted */
    rp_response_result measured; /* not answered: what the figures alone would say */
} cmd_doubts;

/* Looks at the two visits and at what was found, and makes the response NE where it cannot be
 * answered. One that is NE already stays as it is. */
void cmd_doubt(const cmd_doubt_input *input, rp_response_result *response, cmd_doubts *out);
/* A sentence for the reader; what: an index of doubts.found. */
void cmd_doubt_sentence(const cmd_doubts *doubts, int what, char text[400]);
/* "answered", "doubts", "measured", "alignment". */
rp_json *cmd_doubts_json(const cmd_doubts *doubts, const cmd_settings *settings);
/* "accept-implausible KEY" for each that was accepted, into an array of overrides. */
void cmd_doubts_overrides(const cmd_accept *accept, rp_json *overrides);

/* How well the model contours the image that it was adapted to: into its provenance, to 4 decimals.
 * Warns where that is less than the settings ask for. */
rp_status cmd_self_dice(rp_model *model, const rp_image *image, const rp_mask *contour,
                        const cmd_settings *settings, const rp_progress *progress, rp_error *err);
/* The same warning for a model from a file, as a clause; false where there is none. */
bool cmd_self_dice_doubt(const rp_model *model, double least, char clause[200]);

#endif
