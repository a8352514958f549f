/* A slice as a grey PNG, and outlines over it as SVG paths. */
#ifndef REPRISE_REPORT_PICTURE_H
#define REPRISE_REPORT_PICTURE_H

#include "text.h"
#include "view.h"

/** Hounsfield units shown as black and as white. */
typedef struct rp_window {
    double low_hu, high_hu;
} rp_window;

/** A grey picture, [height][width], 0 black. Release with rp_grey_release. */
typedef struct rp_grey {
    uint8_t *data;
    int width, height;
} rp_grey;

void rp_grey_release(rp_grey *grey);
/** Adds a cairo_surface_t of pixels as the bytes of a PNG file. */
rp_status rp_png_encode(void *surface, rp_text *png, rp_error *err);
/** Adds "data:image/png;base64,...". */
rp_status rp_grey_encode(const rp_grey *grey, rp_text *out, rp_error *err);

/** Pixels below a picture of this width, so that pixels are square on the patient. */
int rp_picture_height(const rp_frame *frame, int width);

/** The frame as a picture: cubic interpolation, averaged where the picture is coarser than the
 *  voxels; dark grey where the frame leaves the image. */
rp_status rp_picture_draw(const rp_image *image, const rp_frame *frame, rp_window window, int width,
                          rp_grey *grey, rp_error *err);
/** The same, encoded into the text. */
rp_status rp_picture_add(rp_text *out, const rp_image *image, const rp_frame *frame,
                         rp_window window, int width, rp_error *err);

/** Outlines of the mask at half intensity on the frame's slice, in mm of the frame; none where the
 *  slice is empty. */
rp_status rp_outline_trace(const rp_mask *mask, const rp_frame *frame, rp_contours *contours,
                           rp_error *err);
/** The same as path data (the d attribute). */
rp_status rp_outline_add(rp_text *out, const rp_mask *mask, const rp_frame *frame, rp_error *err);
/** Where a field lies between two levels on the frame's slice, as path data to be filled by the
 *  even-odd rule. */
rp_status rp_band_add(rp_text *out, const rp_image *field, const rp_frame *frame,
                      const double levels[2], rp_error *err);

#endif
