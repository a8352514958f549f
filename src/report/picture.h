/* A slice as a grey PNG, and outlines over it as SVG paths. */
#ifndef REPRISE_REPORT_PICTURE_H
#define REPRISE_REPORT_PICTURE_H

#include "text.h"
#include "view.h"

/** Hounsfield units shown as black and as white. */
typedef struct rp_window {
    double low_hu, high_hu;
} rp_window;

/** Pixels below a picture of this width, so that pixels are square on the patient. */
int rp_picture_height(const rp_frame *frame, int width);

/** "data:image/png;base64,..." of the frame: cubic interpolation, averaged where the picture is
 *  coarser than the voxels; dark grey where the frame leaves the image. */
rp_status rp_picture_add(rp_text *out, const rp_image *image, const rp_frame *frame,
                         rp_window window, int width, rp_error *err);

/** Path data (the d attribute, in mm of the frame) of the mask's outline at half intensity on the
 *  frame's slice; nothing where the slice is empty. */
rp_status rp_outline_add(rp_text *out, const rp_mask *mask, const rp_frame *frame, rp_error *err);

#endif
