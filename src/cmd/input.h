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

/* ---- input_mask.c: masks that have a grid of their own ---- */

/* Of a NIfTI label map, the values "1", or "1+2" as one; it may be empty. */
rp_status input_read_region(const char *file, const char *label, rp_mask *mask, rp_remarks *remarks,
                            rp_error *err);
/* How a mask's voxels lie to an image's; what files round is the same. */
rp_grid_relation input_relate(const rp_grid *mask, const rp_grid *image);
/* Whether the mask has the image's matrix, but by its header voxels of the same index lie more than
 * so many of the image's (smallest) voxels apart. */
bool input_lies_elsewhere(const rp_grid *mask, const rp_grid *image, double most_voxels);
/* RP_ERR_REFUSED where the mask has the image's matrix, another place, and a header that says
 * nothing (axes of the world, from the origin on) and puts it more than a voxel away, unless that
 * is the same voxels in another order; "mask_elsewhere" where it says something. */
rp_status input_check_header(const char *file, const rp_mask *mask, const rp_grid *image,
                             rp_remarks *remarks, rp_error *err);
/* Puts the mask on the grid of an image, which has a name for messages, after
 * input_check_header. RP_ERR_REFUSED: it lies outside. Told where it was not on that grid:
 * "mask_resampled" (with what became of the volume), "mask_partly_outside", "mask_parts_changed";
 * the same voxels in another order are no matter for a remark. */
rp_status input_put_on(const char *file, rp_mask *mask, const rp_grid *grid, const char *image,
                       rp_remarks *remarks, rp_error *err);
/* The same for a CT; refused too where the mask has the matrix of a file that does not say where
 * its image lies, and another place. */
rp_status input_place(const char *file, rp_mask *mask, const cmd_ct *ct, rp_remarks *remarks,
                      rp_error *err);
/* Adds "mask_partly_outside". */
void input_tell_outside(double outside, double all, rp_remarks *remarks);
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
/* On the grid of the CT; remarks as of input_put_on. RP_ERR_REFUSED where all of it lies outside;
 * it may be empty. */
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
