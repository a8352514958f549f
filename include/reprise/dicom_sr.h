/**
 * @file dicom_sr.h
 * DICOM structured reports of measurements: TID 1500 (PS3.16) with its groups of measurements (TID
 * 1411, 1410, 1501), written by Reprise, and read from Reprise and others. Part of the DICOM
 * module.
 */
#ifndef REPRISE_DICOM_SR_H
#define REPRISE_DICOM_SR_H

#include "reprise/dicom.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A coded concept; "" where there is none. */
typedef struct rp_sr_code {
    char value[RP_DICOM_UID], scheme[32], meaning[RP_DICOM_TEXT];
} rp_sr_code;

/** The same concept: scheme and value, where SRT's and SNOMED CT's codes of the concepts that
 *  are used here count as equal. Meanings are for people and do not matter. */
bool rp_sr_code_is(const rp_sr_code *code, const char *value, const char *scheme);
/** A lymph node, or a group of them, at any site: by SNOMED CT's codes for them in PS3.16, by all of
 *  SRT's (T-C4...), by those of other schemes for the general concept, or by a meaning that says so
 *  (rp_says_lymph_node). */
bool rp_sr_code_is_node(const rp_sr_code *code);

/** UID of a lesion over its visits from whatever names it: equal seed, equal UID. */
void rp_sr_tracking_uid(const char *seed, char uid[RP_DICOM_UID]);

/* ---- writing ----------------------------------------------------------------------------- */

/** A lesion at one visit. Strings may be NULL where nothing is said. */
typedef struct rp_sr_lesion {
    const char *tracking_id, *tracking_uid; /**< needed */
    const char *time_point;                 /**< "baseline", "follow-up" */
    const rp_sr_code *site;                 /**< where it lies */
    const rp_dicom_series *series;          /**< header, image.grid and sop_uids are used */
    /** The lesion on the series' grid: its outlines become Image Regions, or where one lies on no
     *  image a Volume Surface, unless a segment of a SEG is named, which is referred to instead. */
    const rp_mask *mask;
    const char *segmentation_sop_uid, *segmentation_series_uid; /**< of that SEG, both or none; it
                                                                     belongs to the series' study */
    int segment;                                                /**< its number there, from 1 */
    int slice; /**< of both axes, counted along the grid's axial axis (rp_grid_axial_axis) */
    rp_point2 long_axis[2], short_axis[2]; /**< ends in voxel index of the slice, as rp_lesion's */
    double long_axis_mm, short_axis_mm, volume_cc;
    const char *algorithm, *algorithm_version; /**< who contoured and measured; both or none */
    const char *const *parameters;             /**< lines for people: hash of the model, ... */
    size_t parameter_count;
} rp_sr_lesion;

typedef struct rp_sr_write_options {
    const rp_dicom_series *series; /**< whose patient and study the report is filed under */
    const rp_sr_lesion *lesions;
    size_t lesion_count;
    const char *response;  /**< "CR", "PR", "SD", "PD", "NE" by RECIST 1.1; NULL: none */
    double change_percent; /**< of the longest diameter from baseline; NaN: not known */
    const char *rule;      /**< sentence that explains the response */
    const char *comment;   /**< sentence about the whole, such as what it may be used for */
    const char *label;     /**< "synthetic", "simulated": told in description and comment */
    const char *uid_seed;  /**< same seed and content: same UIDs, same file */
    bool no_dates;         /**< leave the images' dates out of the content */
} rp_sr_write_options;

/**
 * A Comprehensive SR by TID 1500: a Measurement Group (TID 1411) for each lesion with long and
 * short axis in mm (each inferred from an SCOORD POLYLINE on its slice) and volume in cm3, the
 * response as a qualitative evaluation, an image library with the dates of the images, and every
 * image referred to as evidence. SCOORDs count columns and rows from the upper left corner of the
 * image (PS3.3 C.18.6.1.2): the centre of the first pixel is 0.5\0.5; of a multi-frame image they
 * name the frame. Slices without UID were made between the images of a series, or across those of a
 * tilted gantry: what lies on one is an SCOORD3D in LPS mm, and the report a Comprehensive 3D SR.
 * So are the axes on a sagittal or coronal series, where no image shows the axial plane measured.
 * Content Date and Time are those of the study (19000101 where it has none), so that equal input
 * gives equal files. RP_ERR_ARGUMENT: a slice outside the series, a mask on another grid, neither
 * mask nor segment, an unknown response, an axis of no length, nothing to report;
 * RP_ERR_UNSUPPORTED: a series whose UIDs were blanked or where slices share one, and outlines
 * without image in a series that names no frame of reference (an axis then has no line).
 */
rp_status rp_sr_write(const char *path, const rp_sr_write_options *options, rp_error *err);

/* ---- reading ----------------------------------------------------------------------------- */

/** An image or segment referred to. */
typedef struct rp_sr_image {
    char sop_class_uid[RP_DICOM_UID], sop_uid[RP_DICOM_UID];
    int frame, segment; /**< the first one named; 0: none */
} rp_sr_image;

/** SCOORD or SCOORD3D. */
typedef struct rp_sr_region {
    rp_sr_code name;
    char type[16]; /**< "POLYLINE", "CIRCLE", ... */
    bool in_space; /**< points are LPS mm; else column, row from the image's corner, and 0 */
    double (*points)[3];
    size_t count;
    rp_sr_image image;                         /**< selected from; "" if none */
    char frame_of_reference_uid[RP_DICOM_UID]; /**< of points in space */
} rp_sr_region;

typedef enum rp_sr_quantity {
    RP_SR_OTHER,  /**< left in the report's unit */
    RP_SR_LENGTH, /**< converted to mm */
    RP_SR_VOLUME  /**< converted to cc */
} rp_sr_quantity;

typedef struct rp_sr_measurement {
    rp_sr_code name, unit;
    rp_sr_code derivation; /**< "mean", ... */
    double stored;         /**< as it stands; NaN where the report says that there is no value */
    rp_sr_quantity quantity;
    double value; /**< mm or cc; of RP_SR_OTHER as stored */
    rp_sr_region *regions;
    size_t region_count;
} rp_sr_measurement;

typedef struct rp_sr_evaluation {
    rp_sr_code name, value;
} rp_sr_evaluation;

typedef struct rp_sr_group {
    char tracking_id[RP_DICOM_NAME], tracking_uid[RP_DICOM_UID], time_point[RP_DICOM_TEXT];
    rp_sr_code category, finding, site, site_modifier, method;
    /** Day of the images that the group refers to, YYYYMMDD, from the report's image library, else
     *  of the report's study; "" if not known. */
    char date[16];
    char source_series_uid[RP_DICOM_UID];
    rp_sr_measurement *measurements;
    size_t measurement_count;
    rp_sr_region *regions;
    size_t region_count;
    rp_sr_image *images; /**< and segments, referred to beside the regions */
    size_t image_count;
    rp_sr_evaluation *evaluations;
    size_t evaluation_count;
} rp_sr_group;

typedef struct rp_sr {
    rp_dicom_header header;
    char content_date[16];
    rp_sr_code title;
    rp_sr_group *groups;
    size_t group_count;
    rp_sr_evaluation *evaluations; /**< of the whole report, such as the response */
    size_t evaluation_count;
    char *
        *problems; /**< what was passed over or looks wrong, one sentence each without full stop */
    size_t problem_count;
} rp_sr;

/** True for an object of an SR storage class. Cheap. */
bool rp_sr_probe(const char *path);
/**
 * Reads a TID 1500 report. Units are UCUM's of length (m, cm, mm, um, [in_i]) and volume (m3, dm3,
 * cm3, mm3, um3, l, ml); a long axis, short axis, diameter, length or volume in another unit stays
 * RP_SR_OTHER and is a problem. Whatever stands in a group and has no place in rp_sr_group, and
 * every value that contradicts itself, is a problem: nothing is dropped without a word.
 * RP_ERR_UNSUPPORTED: an SR that is no measurement report; RP_ERR_FORMAT: no SR, truncated,
 * malformed or nested too deeply; a measurement whose number cannot be read.
 */
rp_status rp_sr_read(const char *path, rp_sr *report, rp_error *err);
void rp_sr_release(rp_sr *report);

/** The group's only measurement of that concept, in the given quantity; NULL where there is none.
 *  Two of them that differ, a derived one, one without value or in another unit: RP_ERR_REFUSED,
 *  naming the file. */
rp_status rp_sr_find(const rp_sr_group *group, const char *path_for_messages, const char *value,
                     const char *scheme, rp_sr_quantity quantity, const rp_sr_measurement **found,
                     rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
