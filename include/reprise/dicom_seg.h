/**
 * @file dicom_seg.h
 * DICOM Segmentation objects (SEG), reading and writing: binary, fractional and label maps. Where a
 * frame lies is told by its position and orientation alone.
 */
#ifndef REPRISE_DICOM_SEG_H
#define REPRISE_DICOM_SEG_H

#include "reprise/dicom.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_seg_type { RP_SEG_BINARY, RP_SEG_FRACTIONAL, RP_SEG_LABELMAP } rp_seg_type;

/** "BINARY", "FRACTIONAL" or "LABELMAP". */
const char *rp_seg_type_name(rp_seg_type type);

typedef struct rp_seg_segment {
    int number;
    char name[RP_DICOM_NAME];     /**< SegmentLabel */
    char property[RP_DICOM_TEXT]; /**< what it is: the meaning of its type's code */
    size_t frames;                /**< frames that belong to it; of a label map, all */
} rp_seg_segment;

/** Stored values of the frames. */
typedef struct rp_seg_pixels rp_seg_pixels;

typedef struct rp_seg {
    rp_dicom_header header;                   /**< of the SEG itself */
    char referenced_series_uid[RP_DICOM_UID]; /**< the first; "" if none */
    rp_seg_type type;
    char fractional_type[32]; /**< "PROBABILITY" or "OCCUPANCY"; "" unless fractional */
    int columns, rows;
    size_t frame_count;
    rp_seg_segment *segments; /**< without the background of a label map */
    size_t segment_count;
    size_t unplaced_frames; /**< tell no position, but the image that they were drawn on */
    rp_remarks remarks;     /**< what is odd about the file */
    rp_seg_pixels *pixels;
} rp_seg;

/** True for Segmentation and Label Map Segmentation objects. */
bool rp_seg_probe(const char *path);
/**
 * Reads the whole object. Frames may come in any order, be fewer than the slices, overlap, and
 * begin within a byte; native, deflated, RLE, JPEG 2000 and what DCMTK decodes. RP_ERR_FORMAT:
 * damaged, truncated, frames without a position in the patient (slides, projections) or a source
 * image, of differing orientation or spacing, two of one segment in one place, or of a segment that
 * is not described. RP_ERR_UNSUPPORTED: a transfer syntax that cannot be decoded.
 */
rp_status rp_seg_read(const char *path, rp_seg *seg, rp_error *err);
void rp_seg_release(rp_seg *seg);
/** By exact name, then by number; NULL selects the only segment. The error lists them. */
rp_status rp_seg_find_segment(const rp_seg *seg, const char *path_for_messages,
                              const char *name_or_number, const rp_seg_segment **segment,
                              rp_error *err);

/** Puts frames that tell no position of their own where the slices lie that they refer to; nothing
 *  where all have one. RP_ERR_REFUSED: the series lacks an image that is referred to, or has slices
 *  of another size or orientation. */
rp_status rp_seg_place(rp_seg *seg, const rp_dicom_series *series, rp_error *err);

/**
 * The grid of the frames themselves, of all segments: slices ascending along the normal, from the
 * first frame to the last. The spacing of the slices is SpacingBetweenSlices where every gap is a
 * multiple of it, else SliceThickness likewise, else the smallest gap; of a single frame,
 * SliceThickness will do. RP_ERR_FORMAT: gaps that are no multiples, frames without a position, or,
 * without either attribute, two frames alone or frames more than 10 mm apart: what lies between
 * them cannot be told; RP_ERR_UNSUPPORTED: frames shifted against each other (gantry tilt).
 * remarks (may be NULL): where the spacing is not what the object says, or frames stand apart.
 */
rp_status rp_seg_grid(const rp_seg *seg, rp_grid *grid, rp_remarks *remarks, rp_error *err);

/** Options of rp_seg_to_mask; zero-initialise for the defaults. */
typedef struct rp_seg_mask_options {
    double fraction; /**< of MaximumFractionalValue from which a voxel of a fractional segment is
                          inside; 0: 0.5 */
    bool own_image;  /**< the grid is that of the series that the segmentation refers to: its slices
                          are as thick as the grid says, unless SpacingBetweenSlices differs */
} rp_seg_mask_options;

typedef struct rp_seg_report {
    size_t frames_used;
    size_t outside_voxels; /**< inside the segment, but not on the grid */
    bool resampled;        /**< frames lie on another grid; otherwise every voxel was copied */
    size_t own_voxels;     /**< where it was resampled: the segment's on its own grid, */
    double own_mm3;        /**< and their volume; else 0 */
} rp_seg_report;

/**
 * The segment on a grid. Frames whose pixels lie on voxels of the grid (within 0.05 voxels, in
 * whatever direction they run), and are known to be as thick, are copied; otherwise the segment
 * goes through its own grid (see rp_seg_grid) and rp_mask_resample. Slices without a frame are
 * empty. options may be NULL. The mask may come out empty.
 */
rp_status rp_seg_to_mask(const rp_seg *seg, const rp_seg_segment *segment,
                         const rp_seg_mask_options *options, const rp_grid *grid, rp_mask *mask,
                         rp_seg_report *report, rp_error *err);

typedef struct rp_seg_write_options {
    const char *segment_label; /**< NULL: "Lesion" */
    const char *description;   /**< free text, e.g. the model's hash; may be NULL */
    const char *label; /**< "synthetic", "simulated": told in the series description; may be NULL */
    const char *uid_seed;  /**< same seed and content: same UIDs */
    const char *algorithm; /**< "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"; NULL: SEMIAUTOMATIC, for
                                the attribute may not be empty. AUTOMATIC adds the identification of
                                the algorithm: Reprise, its version, the description */
    const char *region; /**< name of an anatomic region as rp_seg_region_known; NULL: of the series'
                             BodyPartExamined, where known */
    const char *created; /**< YYYYMMDDHHMMSS; NULL: the day of the series (of a series without a
                            date 19000101), so that equal input gives equal files */
} rp_seg_write_options;

/** Whether a code is known for this body part ("liver", "CHEST", "head and neck"; any case). */
bool rp_seg_region_known(const char *region);

/**
 * The mask (on the series' grid) as a binary SEG of one segment, a frame for each slice that holds
 * any of it, with references to the series' slices. Category and type of the segment are SNOMED
 * CT's "Morphologically Abnormal Structure" and "Lesion". Patient and study are the series' own; of
 * the series, header, image.grid and sop_uids are used. RP_ERR_ARGUMENT: empty mask, one on another
 * grid, or an unknown region; RP_ERR_UNSUPPORTED: a series whose UIDs were blanked.
 */
rp_status rp_seg_write(const char *path, const rp_dicom_series *series, const rp_mask *mask,
                       const rp_seg_write_options *options, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
