/* Checks of contours and masks that every loader makes. */
#ifndef REPRISE_CMD_INPUT_H
#define REPRISE_CMD_INPUT_H

#include "cmd.h"

/* The frame of reference decides where a contour lies. Another series in the same frame is common
 * (an archive renamed the series, or the contour was drawn on another phase) and told, not refused.
 */
rp_status input_check_belongs(const char *file, const rp_rtstruct *contours, const cmd_ct *ct,
                              const cmd_contour_options *options, bool *other_series,
                              rp_error *err);
void input_warn_of_oddities(const char *file, const rp_roi_report *report);
/* Onto the grid of the CT. */
rp_status input_place(const char *file, rp_mask *mask, const cmd_ct *ct, rp_error *err);
/* Neither nothing nor more than half of the image. */
rp_status input_check_extent(const char *file, const cmd_ct *ct, const rp_mask *mask,
                             rp_error *err);

#endif
