/**
 * @file dicom.h
 * CT series and RTSTRUCT through DCMTK (and OpenJPEG for JPEG 2000). No DCMTK type leaves the
 * module.
 */
#ifndef REPRISE_DICOM_H
#define REPRISE_DICOM_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RP_DICOM_UID 65
#define RP_DICOM_TEXT 128
#define RP_DICOM_NAME 260 /* 64 characters, which in UTF-8 have up to four bytes */

/** What identifies a series and ties other objects to it. Absent attributes are "". Patient
 *  attributes must never be logged or printed. */
typedef struct rp_dicom_header {
    char patient_id[RP_DICOM_TEXT], patient_name[RP_DICOM_TEXT];
    char patient_id_issuer[RP_DICOM_TEXT];
    char patient_birth_date[16], patient_sex[16];
    char study_uid[RP_DICOM_UID], study_id[RP_DICOM_TEXT], study_date[16], study_time[32];
    char accession_number[RP_DICOM_TEXT], referring_physician[RP_DICOM_TEXT];
    char series_uid[RP_DICOM_UID], frame_of_reference_uid[RP_DICOM_UID];
    char modality[16], series_description[RP_DICOM_TEXT], series_number[16];
    char acquisition_date[16]; /**< AcquisitionDate, else SeriesDate, else StudyDate (YYYYMMDD) */
    char sop_class_uid[RP_DICOM_UID];
    char body_part[32]; /**< BodyPartExamined */
} rp_dicom_header;

/** How the slices of a series differ from an even, upright stack, and what was done about it; zero
 *  where they do not. */
typedef struct rp_dicom_repair {
    bool resampled;                /**< the image's grid is not that of the slices as acquired */
    double tilt_degrees;           /**< gantry tilt; 0: none */
    bool uneven;                   /**< slices are missing or unevenly spaced */
    size_t missing_slices;         /**< wanting in gaps of more than 1.5 times the usual spacing */
    double usual_mm;               /**< spacing of the grid that was made */
    double gap_mm;                 /**< widest distance between neighbours, where uneven */
    double gap_from_mm, gap_to_mm; /**< its ends, along the normal of the slices */
    size_t duplicates;             /**< slices of another's place and pixels, counted once */
} rp_dicom_repair;

/** The repair in a sentence without full stop, such as "a gap of 10.00 mm between 20.00 and 30.00
 *  mm (1 slice missing) was filled by interpolation"; "" where nothing was done. */
void rp_dicom_repair_text(const rp_dicom_repair *repair, char text[512]);

/** One series found below a folder. */
typedef struct rp_dicom_series_info {
    rp_dicom_header header;
    size_t files;       /**< slices counted: files, or frames of multi-frame files */
    size_t passed_over; /**< localizers, secondary captures, ... of the same series */
    bool usable;        /**< a CT that can be loaded, resampled to an upright grid if tilted */
    bool repairable;    /**< not usable, but with rp_dicom_load_options.repair */
    bool multi_frame;   /**< slices are frames */
    char why_not[256];  /**< reason when not usable ("localizer", "secondary capture", ...) */
    int columns, rows;
    double slice_spacing_mm; /**< from positions; 0 if unknown */
    double slice_thickness_mm;
    double pixel_spacing_mm[2]; /**< along x, along y; 0 if unknown */
    double tilt_degrees;        /**< gantry tilt */
    char kernel[64];            /**< ConvolutionKernel */
    char phase[64]; /**< of contrast, heart, breath or time as far as the header tells; else "" */
    char acquisition_time[32]; /**< HHMMSS of the first slice */
    int part, parts; /**< of a series of several acquisitions each is listed by itself, from 1; 0:
                        the series is one */
    char part_text[RP_DICOM_TEXT];  /**< what it differs from the other parts in */
    char (*sop_uids)[RP_DICOM_UID]; /**< of parts: their objects, each once; else NULL */
    size_t sop_count;
} rp_dicom_series_info;

typedef struct rp_dicom_listing {
    rp_dicom_series_info *series;
    size_t count;
    size_t other_files;  /**< not DICOM or not images */
    size_t broken_files; /**< of these: DICOM that does not parse, or without its image */
    char *broken_file;   /**< the first of them, owned; NULL: none */
    char broken_why[128];
    char other_modalities[128]; /**< of DICOM files that are no images, such as "RTSTRUCT, SR" */
} rp_dicom_listing;

/** Every series below a folder, of one file, or of the files that a DICOMDIR names. Cheap: pixel
 * data is not read, except of two slices in one place. */
rp_status rp_dicom_list(const char *path, rp_dicom_listing *listing, rp_error *err);
void rp_dicom_listing_release(rp_dicom_listing *listing);
/** True if the file is DICOM Part 10 or a raw data set that parses as DICOM. */
bool rp_dicom_probe(const char *path);

/** Header and SOPInstanceUID of one object of any kind, without its pixels, frames or contours.
 *  RP_ERR_FORMAT: no DICOM, damaged, or without UIDs; the header holds what could be read. */
rp_status rp_dicom_object_read(const char *path, rp_dicom_header *header,
                               char sop_uid[RP_DICOM_UID], rp_error *err);

typedef struct rp_dicom_series {
    rp_dicom_header header;
    rp_image image;                 /**< HU, slices ascending along the normal of the slice plane */
    char (*sop_uids)[RP_DICOM_UID]; /**< SOPInstanceUID of each slice, image.grid.size[2] of them,
                                         "" where the file has none */
    char image_sha256[RP_SHA256_HEX]; /**< of geometry (to 1e-5 mm) + voxels, independent of file
                                         names */
    size_t padded_voxels; /**< voxels that held padding and were set to air (-1000 HU) */
    int *frame_numbers;   /**< of each slice its frame in the object of its sop_uid, from 1; 0: the
                             object   is one slice. NULL: all 0 */
    rp_dicom_repair repair; /**< where resampled, slices between the acquired ones (of a tilted
                                 gantry: all) have the sop_uid "" */
    rp_grid acquired_grid;  /**< of a tilted gantry: an even grid in the planes of the slices, which
                                 contours drawn on them lie in; else image.grid */
    char (*acquired_uids)[RP_DICOM_UID]; /**< SOPInstanceUIDs of the objects that were read, each
                                            once */
    size_t acquired_count;
    int part;           /**< of a series of several acquisitions, from 1; 0: the series is one */
    rp_remarks remarks; /**< what is odd about it */
} rp_dicom_series;

/** Options of rp_dicom_series_load; zero-initialise for the defaults. */
typedef struct rp_dicom_load_options {
    const char *series_uid; /**< which series; NULL: the only usable one. A unique ending will do;
                               UID#PART is a part of one */
    bool allow_non_ct;      /**< otherwise another modality is RP_ERR_REFUSED */
    bool allow_mixed_patients; /**< otherwise two patients in one folder (dicom_patient.h) are
                                    RP_ERR_REFUSED */
    bool repair; /**< resamples unevenly spaced slices; otherwise they are RP_ERR_REFUSED */
} rp_dicom_load_options;

/**
 * Loads one CT series of a folder, a file, or a DICOMDIR: one slice a file, or frames of Enhanced
 * CT. Where slices lie comes from position and orientation alone. Errors in words, with the file or
 * folder's name: no CT in the folder; several usable series (the message lists UID, description,
 * slices); two patients in one folder (RP_ERR_REFUSED); missing slices and uneven spacing
 * (RP_ERR_REFUSED, the gap in mm); several acquisitions, phases, reconstructions or orientations in
 * one series that lie upon or between one another (the message lists the parts); slices with
 * different pixels in one place that no attribute tells apart; differing size or spacing within the
 * series, and orientations that make no parts; a header that does not parse; truncated pixel data;
 * undecodable transfer syntax. Copies of one file, and slices of the same place and pixels, count
 * once. Localizers, secondary captures and multi-frame images without positions are passed over. A
 * single slice takes its spacing from SpacingBetweenSlices, else SliceThickness. Slices shifted
 * against their normal (gantry tilt) are resampled, trilinear in the lattice of the acquired voxels,
 * to an upright grid: z runs along the shift, x stays along the rows as far as it can, spacing in
 * the plane stays; outside the slices is air (0 where the modality is not CT). With repair, uneven
 * slices are interpolated linearly along the normal, to the finest spacing that a tenth of the
 * distances have. Series.repair says what was done. Rescale slope/intercept are applied slice by
 * slice; in CT, voxels equal to PixelPaddingValue (to its range limit), or below -1024 HU, become
 * -1000 HU; a padding value that tissue may have counts in regions that reach the image's border
 * only, and is remarked on. Slices are decoded in parallel; memory is the image's own (when
 * resampled, that of two images) and little else.
 */
rp_status rp_dicom_series_load(const char *path, const rp_dicom_load_options *options,
                               const rp_progress *progress, rp_dicom_series *series, rp_error *err);
void rp_dicom_series_release(rp_dicom_series *series);

/**
 * Writes the image as a CT series of int16 slices (one file each, slice-0001.dcm ...) into folder.
 * header gives the patient and study; series/frame of reference UIDs are made from `uid_seed`
 * deterministically where empty, as is study_uid. Values are rounded to whole HU and clamped to
 * -1024..64511; NaN and infinity are RP_ERR_NUMERIC. After a failure nothing is left in the folder;
 * a folder that holds slice-0001.dcm already is RP_ERR_IO. *written (may be NULL) receives what was
 * written as rp_dicom_series_load would read it; the caller releases it. Its grid is image's,
 * except that of a left-handed one the slices run the other way (right-handed, the same voxels in
 * space): resample masks onto written->image.grid.
 */
rp_status rp_dicom_series_write(const char *folder, const rp_image *image,
                                const rp_dicom_header *header, const char *uid_seed,
                                rp_dicom_series *written, rp_error *err);

/* ---- RTSTRUCT ---------------------------------------------------------------------------- */

typedef struct rp_roi_contour {
    double (*points)[3]; /**< LPS mm */
    size_t count;
    char geometric_type[32];    /**< "CLOSED_PLANAR", ... */
    char sop_uid[RP_DICOM_UID]; /**< referenced image, "" if none */
} rp_roi_contour;

typedef struct rp_roi {
    int number;
    char name[RP_DICOM_NAME];
    char frame_of_reference_uid[RP_DICOM_UID]; /**< that it says it was drawn in; "": it does not */
    char fault[128];                           /**< why it cannot be used, in words; "": it can */
    rp_roi_contour *contours;
    size_t contour_count;
} rp_roi;

/** A frame of reference, and the first series in it, that an RTSTRUCT refers to. */
typedef struct rp_rtstruct_frame {
    char uid[RP_DICOM_UID], series_uid[RP_DICOM_UID]; /**< "" where it does not tell */
} rp_rtstruct_frame;

typedef struct rp_rtstruct {
    rp_dicom_header header; /**< of the RTSTRUCT itself; frame_of_reference_uid is that of the first
                                 series that it refers to */
    char referenced_series_uid[RP_DICOM_UID]; /**< the first */
    rp_rtstruct_frame *frames;
    size_t frame_count;
    rp_roi *rois;
    size_t roi_count;
    rp_remarks remarks; /**< what is odd about the file: ROIs that cannot be used, names */
} rp_rtstruct;

bool rp_rtstruct_probe(const char *path);
/** An ROI that makes no sense (no number, one that another has, a malformed contour) is kept with
 *  its fault, and remarked, so that it spoils no other. RP_ERR_FORMAT: damaged, no RTSTRUCT, or
 *  without any ROI. */
rp_status rp_rtstruct_read(const char *path, rp_rtstruct *rtstruct, rp_error *err);
void rp_rtstruct_release(rp_rtstruct *rtstruct);
/** Frame of reference and series in which the ROI was drawn, as far as the file tells. An ROI that
 *  does not tell its frame lies in wanted_frame ("": not known) where the file lists that, else in
 *  the first that it lists. True where the ROI itself told it. */
bool rp_rtstruct_frame_of(const rp_rtstruct *rtstruct, const rp_roi *roi, const char *wanted_frame,
                          rp_rtstruct_frame *frame);
/** By exact name, by the same letters otherwise composed, then by number; NULL selects the only
 * ROI. The error lists names and numbers. */
rp_status rp_rtstruct_find_roi(const rp_rtstruct *rtstruct, const char *path_for_messages,
                               const char *name_or_number, const rp_roi **roi, rp_error *err);

/** What was met while filling a mask; zero everywhere but in number, uses and volumes is a clean
 *  conversion. */
typedef struct rp_roi_report {
    int number; /**< of the ROI */
    size_t contours_used, points_used;
    size_t open_contours;        /**< not CLOSED_PLANAR: ignored */
    size_t degenerate_contours;  /**< fewer than 3 points or no area: ignored */
    size_t off_slice_contours;   /**< farther from a slice than 1% of the spacing and rounding to
                                      0.1 mm: nearest slice */
    size_t interpolated_slices;  /**< slices between two contoured slices that had none: filled */
    size_t outside_contours;     /**< wholly outside the image: ignored */
    size_t gap_slices;           /**< such slices left empty: more than 3, or the parts differ */
    size_t duplicate_contours;   /**< drawn twice in one plane: counted once */
    size_t overlapping_contours; /**< in part within another of their plane: united */
    size_t thin_walls;           /**< holes that leave less than a pixel of what is round them */
    double
        step_mm; /**< between contours that are evenly spaced otherwise than the slices; else 0 */
    double sum_area_spacing_cc; /**< sum over planes of area x distance of the planes */
    double mask_cc;
} rp_roi_report;

/**
 * Fills the ROI on a grid. Within a plane of contours, one within another is a hole, one within a
 * hole an island (keyholes too); a contour given twice counts once, whatever its start, direction
 * or rounding; those that overlap in part are united; CLOSEDPLANAR_XOR is even-odd. The mask is of
 * voxel centres.
 *
 * Planes between slices go to the nearest slice and are united there. Up to 3 slices without
 * contours between contoured ones are filled by shape-based interpolation where the region was
 * drawn on every second slice or fewer, or where the slices on either side overlap with Dice >= 0.5
 * (a slice forgotten); other gaps stay empty. Where at least three planes are evenly spaced
 * otherwise than the slices (on another image, or on every n-th slice), each stands for half a step
 * to either side: a slice gets the plane nearest to it or, where planes lie more than 1.5 slices
 * apart and overlap, what shape-based interpolation gives, so that the volume is area times step.
 *
 * RP_ERR_FORMAT: a faulty ROI, no usable contour, or none that encloses a voxel centre;
 * RP_ERR_REFUSED: every contour outside the image, or contours not in the plane of the slices.
 */
rp_status rp_roi_to_mask(const rp_roi *roi, const rp_grid *grid, rp_mask *mask,
                         rp_roi_report *report, rp_error *err);

/** Tells what of the report a person must know, with what it does to the volume. */
void rp_roi_remark(const rp_roi_report *report, double slice_spacing_mm, rp_remarks *remarks);

typedef struct rp_rtstruct_write_options {
    const char *roi_name;            /**< NULL: "Lesion" */
    const char *structure_set_label; /**< NULL: "REPRISE" */
    const char *description;         /**< free text, e.g. the model's hash; may be NULL */
    const char *label; /**< "synthetic", "simulated": told in the series description; may be NULL */
    const char *uid_seed;  /**< same seed and content: same UIDs */
    const char *algorithm; /**< "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"; NULL: not known */
    const char *created;   /**< YYYYMMDDHHMMSS; NULL: left empty, so that equal input gives equal
                                files */
} rp_rtstruct_write_options;

/**
 * The mask (on the series' grid) as sub-pixel contours with references to the series' slices: one
 * ROI of type GTV, outlines at half intensity, holes as keyholes. Patient and study are the series'
 * own. Of the series, header, image.grid and all UIDs are used; contours on interpolated slices
 * refer to none. rp_roi_to_mask on what is written gives the mask back. RP_ERR_ARGUMENT: empty
 * mask, or one on another grid; RP_ERR_UNSUPPORTED: a series whose UIDs were blanked.
 */
rp_status rp_rtstruct_write(const char *path, const rp_dicom_series *series, const rp_mask *mask,
                            const rp_rtstruct_write_options *options, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
