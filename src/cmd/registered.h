/* Two visits registered, rigidly and then deformably, and the contour carried: what `register` and
 * `evaluate` share. */
#ifndef REPRISE_CMD_REGISTERED_H
#define REPRISE_CMD_REGISTERED_H

#include "cmd.h"
#include "reprise/register_deform.h"

typedef struct cmd_registered {
    rp_registration rigid; /* baseline -> follow-up */
    rp_deform *deform;
    rp_mask carried; /* on the follow-up's grid; none without contour */
    double moved_out;
    double rigid_seconds, deform_seconds;
} cmd_registered;

/* contour may be NULL. RP_ERR_REFUSED where the rigid registration fails. Release it at every end.
 */
rp_status cmd_register_visits(const rp_image *baseline, const rp_mask *contour,
                              const rp_image *followup, const rp_progress *progress,
                              cmd_registered *out, rp_error *err);
void cmd_registered_release(cmd_registered *registered);
/* {"rigid": {...}, "deformable": {...}, "carried": {...}}. */
rp_json *cmd_registered_json(const cmd_registered *registered);

#endif
