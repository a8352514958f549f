/**
 * @file roi_plane.h
 * What the contours of one plane enclose together.
 *
 * DICOM says of CLOSED_PLANAR contours of one ROI in one plane only that an inner one cuts a hole
 * (PS3.3 C.8.8.6.3); of CLOSEDPLANAR_XOR that they are exclusive or. Files of the field also give a
 * contour twice, and contours that overlap in part. Here, of CLOSED_PLANAR, a contour within
 * another is a hole, one within a hole an island, and everything else is united; of
 * CLOSEDPLANAR_XOR all is even-odd.
 */
#ifndef REPRISE_DICOM_ROI_PLANE_H
#define REPRISE_DICOM_ROI_PLANE_H

#include "reprise/volume.h"

typedef struct plane_contour {
    rp_contour polygon;     /* in voxels of the grid */
    double low[2], high[2]; /* its bounds */
    double k;               /* plane: fractional slice */
    size_t source;          /* its place among the ROI's contours */
    bool exclusive;         /* CLOSEDPLANAR_XOR */
} plane_contour;

typedef struct plane_content {
    double area_mm2;
    size_t duplicates;  /* contours that are there already, whatever their start and direction */
    size_t overlapping; /* contours that lie in part in another: united */
    size_t thin_walls;  /* holes that leave a wall thinner than a pixel of the outline round them */
} plane_content;

/* Fills the one slice of plane, whose spacing counts, and tells what was found. The contours may
 * change places. */
rp_status roi_plane_fill(plane_contour *contours, size_t count, rp_mask *plane,
                         plane_content *content, rp_error *err);

#endif
