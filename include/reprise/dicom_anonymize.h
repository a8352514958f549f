/**
 * @file dicom_anonymize.h
 * DICOM objects without their patient: PS3.15's Basic Application Level Confidentiality Profile
 * with the options Clean Structured Content and Retain Longitudinal Temporal Information with
 * Modified Dates. docs/anonymize.md says what becomes of each kind of attribute.
 */
#ifndef REPRISE_DICOM_ANONYMIZE_H
#define REPRISE_DICOM_ANONYMIZE_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A row of the user's own table. Both borrowed; the ID as it stands in PatientID. */
typedef struct rp_pseudonym {
    const char *patient_id, *pseudonym;
} rp_pseudonym;

enum { RP_ANONYMIZE_KEY_BYTES = 16 /**< the shortest secret key */ };

/** True for a pseudonym that can stand in PatientID, PatientName and a folder's name: 1 to 64 of
 *  A-Z a-z 0-9 _ - and ., not beginning with a dot. */
bool rp_pseudonym_valid(const char *pseudonym);

typedef struct rp_anonymize_options {
    const uint8_t *key;        /**< the secret: never written or logged; borrowed */
    size_t key_size;           /**< at least RP_ANONYMIZE_KEY_BYTES */
    const rp_pseudonym *table; /**< NULL: pseudonyms come from the key too */
    size_t table_count;
} rp_anonymize_options;

/** Why a series needs to be looked at; several may hold. */
enum {
    RP_CONCERN_BURNED_IN = 1,       /**< BurnedInAnnotation is YES */
    RP_CONCERN_CAPTURE = 2,         /**< secondary capture or screen save */
    RP_CONCERN_OVERLAY_REMOVED = 4, /**< overlays were removed */
    RP_CONCERN_OVERLAY_IN_PIXELS =
        8,                   /**< an overlay in unused bits of the pixels, which are kept */
    RP_CONCERN_GRAPHICS = 16 /**< graphic annotations, whose texts were replaced */
};

typedef struct rp_anonymize_concern {
    char *series;   /**< folder of the series, relative to the output; names nobody */
    unsigned kinds; /**< of RP_CONCERN_ */
    size_t files;
} rp_anonymize_concern;

typedef struct rp_anonymize_left_out {
    char *path;      /**< of the input */
    const char *why; /**< in words; static */
} rp_anonymize_left_out;

typedef struct rp_anonymize_report {
    size_t files, duplicates, patients, studies, series;
    rp_anonymize_concern *concerns;
    size_t concern_count;
    rp_anonymize_left_out *left_out;
    size_t left_out_count;
} rp_anonymize_report;

/**
 * Writes every DICOM object below the inputs (files, or folders searched recursively) into an
 * existing empty folder, as PSEUDONYM/STUDY/SERIES/INSTANCE.dcm with the new UIDs. Pixels and other
 * bulk data stay as they are encoded, as does the transfer syntax. The same objects, key and table
 * give the same bytes, whatever the files are called. UIDs, and dates of one pseudonym, are mapped
 * the same way in every run with the same key, so that parts of a study may be done one after
 * another.
 *
 * Left out and told: what is not DICOM, DICOMDIR, encapsulated documents. Copies of one object
 * count once. RP_ERR_ARGUMENT: a key that is too short; RP_ERR_FORMAT: an object that does not
 * parse to its end, two different objects of one SOPInstanceUID; RP_ERR_REFUSED: a patient who is
 * not in the table. After an error or cancellation files may lie in the folder: the caller throws
 * it away. Messages name files, never patients.
 */
rp_status rp_dicom_anonymize(const char *const *inputs, size_t count, const char *folder,
                             const rp_anonymize_options *options, const rp_progress *progress,
                             rp_anonymize_report *report, rp_error *err);
void rp_anonymize_report_release(rp_anonymize_report *report);

#ifdef __cplusplus
}
#endif
#endif
