/**
 * @file keyhole.h
 * Outlines with holes as single closed polygons.
 *
 * DICOM's CLOSED_PLANAR contours know no holes. Two conventions exist: an inner contour of its own
 * that readers take as exclusive-or, and the "keyhole" of PS3.3 C.8.8.6.3, one polygon that runs
 * along the outline, through a channel of no width round the hole and back. Readers that unite the
 * contours of a slice (plastimatch, by default) lose holes written the first way, and every
 * reader that fills by even-odd or winding gets the second one right, so keyholes are written.
 */
#ifndef REPRISE_DICOM_KEYHOLE_H
#define REPRISE_DICOM_KEYHOLE_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Joins each hole to the outline round it. traced: what rp_contours_trace gave for one slice.
 * joined: one polygon for each outer outline, without points on straight runs; the caller releases
 * it. Channels run between rows of voxel centres, so that no centre comes to lie on one.
 */
rp_status keyhole_join(const rp_contours *traced, rp_contours *joined, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
