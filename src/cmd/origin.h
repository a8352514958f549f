/*
 * Where a NIfTI file comes from, told by a comment within it: names and folders change, and a mask
 * soon lies far from the result that it belongs to. Neither paths nor times, so that equal input
 * gives equal files.
 */
#ifndef REPRISE_CMD_ORIGIN_H
#define REPRISE_CMD_ORIGIN_H

#include "cmd.h"

/* What is NULL or "" is left out. */
typedef struct cmd_origin {
    const char *command; /* that wrote it: "segment" */
    const char *what;    /* which of several: "idol_post" */
    const char *label;   /* "synthetic", "simulated": of the data */
    const cmd_ct *image; /* that was converted or contoured: hash, what was done to it */
    const char *contour_sha256;
    const char *model_sha256, *model_label;
    const char *doubt;  /* why the contour was not accepted */
    const char *source; /* NIfTI file whose own origin is kept */
} cmd_origin;

rp_status cmd_write_mask(const char *path, const rp_mask *mask, const cmd_origin *origin,
                         rp_error *err);
rp_status cmd_write_labels(const char *path, const rp_labels *labels, const cmd_origin *origin,
                           rp_error *err);
/* As int16 or float32. */
rp_status cmd_write_image(const char *path, const rp_image *image, bool int16,
                          const cmd_origin *origin, rp_error *err);

/* "mask_not_accepted" where the origin tells that Reprise did not accept the contour. */
void cmd_origin_remark(const char *path, rp_remarks *remarks);

/* The origin that a NIfTI file tells; NULL where it tells none that Reprise wrote. */
rp_json *cmd_origin_read(const char *path);

#endif
