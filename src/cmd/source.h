/*
 * The follow-up's contour: the network's, or the baseline's that a deformable registration carries
 * where the guard's trials spoke for that. What `assess` and `evaluate` share.
 */
#ifndef REPRISE_CMD_SOURCE_H
#define REPRISE_CMD_SOURCE_H

#include "guard.h"
#include "lesion.h"
#include "place.h"

typedef struct cmd_source_input {
    const cmd_settings *settings;
    const rp_image *baseline, *followup;
    const rp_mask *contour; /* of the baseline */
    const rp_mask *truth;   /* of the follow-up; NULL: none */
    const cmd_place *place;
    const rp_progress *progress;
} cmd_source_input;

/* The network's contour and the registered one. */
typedef struct cmd_sources {
    bool compared; /* both are there, though the network's may be empty */
    rp_mask other; /* the one that is not used */
    cmd_measured measured[RP_GUARD_REGISTERED + 1];
    double dice_between, dice[RP_GUARD_REGISTERED + 1]; /* the latter with the truth */
    char reason[200];                                   /* why there is no registered contour; "" */
} cmd_sources;

/* Where the guard compared contours: registers the baseline's, and puts it in the prediction's
 * place, named in guard->source, where the trials speak for it. Release `out` at every end. */
rp_status cmd_source_choose(const cmd_source_input *input, cmd_guarded *guard,
                            rp_prediction *prediction, cmd_sources *out, rp_error *err);
void cmd_sources_release(cmd_sources *sources);

/* A sentence for the person who checks: that the registered contour is used, or missing; that the
 * two speak of different lesions. False where there is none. */
bool cmd_source_remark(const cmd_sources *sources, const cmd_guarded *guard, const char **key,
                       char text[400]);
bool cmd_disagreement_remark(const cmd_sources *sources, double baseline_mm, const char **key,
                             char text[400]);
/* "sources" of result.json and case.json. */
rp_json *cmd_sources_json(const cmd_sources *sources, bool has_truth);

#endif
