/* Checks of contours and masks that every loader makes. */
#ifndef REPRISE_CMD_INPUT_H
#define REPRISE_CMD_INPUT_H

#include "cmd.h"

/* The frame of reference decides where a contour lies. Another series in the same frame is common
 * (an archive renamed the series, or the contour was drawn on another phase) and told, not refused.
 */
typedef struct input_origin {
    const char *file;
    const rp_dicom_header *header; /* of the RTSTRUCT or SEG */
    const char *frame_uid;         /* of reference, of the ROI or SEG */
    const char *series_uid;        /* that it refers to */
} input_origin;
rp_status input_check_belongs(const input_origin *origin, const cmd_ct *ct,
                              const cmd_contour_options *options, bool *other_series,
                              rp_error *err);
/* An ROI of a file, which must belong to the CT by its own frame of reference. */
typedef struct input_roi {
    const char *file;
    const rp_rtstruct *rtstruct;
    const rp_roi *roi;
} input_roi;
rp_status input_check_roi(const input_roi *from, const cmd_ct *ct,
                          const cmd_contour_options *options, bool *other_series, rp_error *err);
/* The ROI on the CT's grid, and what is odd about it and its file; RP_ERR_* name the file. On a CT
 * whose tilted gantry was resampled, contours of the acquired slices are filled there first. */
rp_status input_fill_roi(const input_roi *from, const cmd_ct *ct, rp_mask *mask,
                         rp_remarks *remarks, rp_error *err);
/* Onto the grid of the CT. */
rp_status input_place(const char *file, rp_mask *mask, const cmd_ct *ct, rp_error *err);
/* Neither nothing nor more than half of the image. */
rp_status input_check_extent(const char *file, const cmd_ct *ct, const rp_mask *mask,
                             rp_error *err);

typedef struct input_segment {
    const char *file;
    const rp_seg *seg;
    const rp_seg_segment *segment;
    double fraction; /* as in rp_seg_mask_options */
} input_segment;
/* Frames without a position, onto the slices of the CT that they refer to. */
rp_status input_place_seg(const char *file, rp_seg *seg, const cmd_ct *ct, rp_error *err);
/* On the grid of the CT. RP_ERR_REFUSED where all of it lies outside; it may be empty. */
rp_status input_seg_mask(const input_segment *from, const cmd_ct *ct, rp_mask *mask,
                         rp_remarks *remarks, rp_error *err);
rp_status input_check_seg(const char *file, const rp_seg *seg, const cmd_ct *ct,
                          const cmd_contour_options *options, bool *other_series, rp_error *err);
rp_status input_load_seg(const char *file, const char *name, const cmd_ct *ct,
                         const cmd_contour_options *options, cmd_contour *contour, rp_error *err);
/* One segment on the grid of the segmentation itself; fraction as in rp_seg_mask_options. */
rp_status input_read_seg(const char *file, const char *name, double fraction, rp_mask *mask,
                         rp_error *err);

/* ---- repair.c ---- */

bool input_repair_wanted(void);
/* Warns and remembers where the loaded image is not as it was acquired. */
rp_status input_note_repair(const cmd_ct *ct, rp_error *err);

#endif
