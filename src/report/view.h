/* How a slice of a grid of any orientation is shown: which way up, and which part of it. */
#ifndef REPRISE_REPORT_VIEW_H
#define REPRISE_REPORT_VIEW_H

#include "reprise/volume.h"

/** A plane of the grid as a picture. Element 0 of each pair is picture right, element 1 down. */
typedef struct rp_view {
    int axis[2]; /**< grid axis (0, 1, 2) that runs along the picture's direction */
    int sign[2]; /**< +1: the index grows in the picture's direction, -1: against it */
    int normal;  /**< grid axis across the picture */
} rp_view;

/**
 * The radiological way up for the planes with grid axis `normal` across them, for either handedness
 * and any flip or transposition of the stored data. Nearly axial planes: patient left at the
 * picture's right, posterior at its bottom. Coronal: left at the right, feet at the bottom.
 * Sagittal: posterior at the right, feet at the bottom. Never a mirror image.
 */
void rp_view_choose(const rp_grid *grid, int normal, rp_view *view);

/** Patient directions at the picture's edges: L R A P H F; an oblique edge has up to three letters,
 *  the largest component first, components below sin 15 degrees left out. */
typedef struct rp_view_letters {
    char left[4], right[4], top[4], bottom[4];
} rp_view_letters;

void rp_view_label(const rp_grid *grid, const rp_view *view, rp_view_letters *letters);

/** A rectangle of one slice, in millimetres of picture. */
typedef struct rp_frame {
    rp_view view;
    int slice;        /**< index along view.normal */
    double origin[2]; /**< sign * index * spacing at the picture's left and top edge */
    double size[2];   /**< mm across and down */
} rp_frame;

/** Millimetres from the frame's left (direction 0) or top (1) edge of a fractional index along the
 *  grid axis shown there. */
double rp_frame_from_index(const rp_frame *frame, const rp_grid *grid, int direction, double index);
/** And back. */
double rp_frame_to_index(const rp_frame *frame, const rp_grid *grid, int direction, double mm);

/** Sets origin so that the frame of the given size is centred on the fractional index `centre`,
 * then shifted as far as needed not to leave the image; where the image is smaller it is centred.
 */
void rp_frame_centre(rp_frame *frame, const rp_grid *grid, const double centre[3]);

#endif
