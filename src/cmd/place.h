/*
 * Where the lesion is looked for on another image: at the place that the registration carries it
 * to, where the user says, or by the images' own coordinates; and its contour carried there.
 */
#ifndef REPRISE_CMD_PLACE_H
#define REPRISE_CMD_PLACE_H

#include "cmd.h"

typedef enum cmd_place_by {
    CMD_PLACE_COORDINATES, /* the images' own */
    CMD_PLACE_REGISTERED,
    CMD_PLACE_GIVEN, /* --at */
    CMD_PLACE_UNKNOWN
} cmd_place_by;
const char *cmd_place_by_name(cmd_place_by by);

typedef struct cmd_place_request {
    const rp_image *baseline, *followup;
    const rp_mask *contour;
    const double *at; /* LPS mm; NULL: not given */
    bool as_stored;   /* the contour stays where its file has it, as in the study */
} cmd_place_request;

typedef struct cmd_place {
    rp_alignment alignment;
    bool aligned;
    cmd_place_by by;
    double centre[3];    /* of the contour, carried; LPS mm of the follow-up */
    double corrected_mm; /* GIVEN: from where it would have been looked for; NaN: nowhere */
    rp_mask prior;    /* the contour on a grid that was moved; its voxels are the contour's own */
    char reason[160]; /* COORDINATES and UNKNOWN: why not by registration */
} cmd_place;

/* Registers the follow-up to the baseline, once for all that comes, and finds the place. Where the
 * registration failed, or says itself that the images' own coordinates fit better, it is these; and
 * unknown where they show the place not at all. */
rp_status cmd_place_find(const cmd_place_request *request, cmd_place *out, rp_error *err);
/* Without the image of the contour, which may be NULL or empty: by coordinates, where the user
 * says, or unknown. */
rp_status cmd_place_without_image(const rp_mask *contour, const rp_image *followup,
                                  const double *at, cmd_place *out, rp_error *err);
void cmd_place_release(cmd_place *place);
/* The motion that puts the contour there. */
rp_rigid cmd_place_rigid(const cmd_place *place, const rp_mask *contour);
/* What a prediction takes of it. */
void cmd_place_apply(const cmd_place *place, rp_predict_options *options);
/* How the place was found, and what the model of a region looked at. */
rp_json *cmd_place_json(const cmd_place *place, const rp_prediction *prediction);

/* "X,Y,Z" in LPS mm; the end of the program with what is taken. */
void cmd_take_at(struct argp_state *state, const char *argument, double at[3]);

/* A sentence on the place, or on the box, for the person who checks; false where there is none. */
bool cmd_place_remark(const cmd_place *place, const char **key, char text[400]);
bool cmd_box_remark(const rp_prediction *prediction, const char **key, char text[400]);

#endif
