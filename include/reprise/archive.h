/**
 * @file archive.h
 * What earlier visits measured, from the structured reports that an archive keeps: checked to be of
 * one patient and free of contradictions, and made into a timeline.
 */
#ifndef REPRISE_ARCHIVE_H
#define REPRISE_ARCHIVE_H

#include "reprise/dicom_sr.h"
#include "reprise/response.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One lesion at one day. */
typedef struct rp_archive_finding {
    size_t lesion;                               /**< index */
    char date[16];                               /**< YYYY-MM-DD */
    double longest_mm, short_axis_mm, volume_cc; /**< NaN where the report has none */
    const char *path;                            /**< of the report, as given; borrowed */
} rp_archive_finding;

typedef struct rp_archive_lesion {
    char tracking_id[RP_DICOM_NAME], tracking_uid[RP_DICOM_UID]; /**< one of them may be "" */
    char
        id[RP_DICOM_NAME + RP_DICOM_UID + 4]; /**< unique: the identifier, where need be with UID */
    char site[RP_DICOM_TEXT];
    bool by_identifier; /**< some report of it has no tracking UID */
    bool nodal;         /**< a lymph node by the code of its finding or site */
} rp_archive_lesion;

/** A day at which a report says that the response could not be evaluated. */
typedef struct rp_archive_day {
    char date[16];
} rp_archive_day;

typedef struct rp_archive {
    rp_dicom_header patient; /**< of the first report with a patient ID, else of the first: whose
                                  they are, never to be printed */
    char label[32];          /**< "synthetic", "simulated" or "" */
    rp_archive_lesion *lesions;
    rp_archive_finding *findings;
    rp_archive_day *not_evaluated;
    char **warnings; /**< sentences that name the file, without full stop */
    size_t lesion_count, finding_count, not_evaluated_count, warning_count;
} rp_archive;

/**
 * Reads reports. Lesions are told apart by their tracking UID, and by their tracking identifier
 * where one of two has no UID; groups with neither axis nor volume are passed over with a warning,
 * and so is what rp_sr_read could not understand. What several reports say of one lesion and day
 * has to be the same (6 digits) and counts once.
 * RP_ERR_REFUSED, naming the file: another patient than in the reports before (dicom_patient.h),
 * an axis or volume that is no number, derived, or in a unit that cannot be converted.
 * RP_ERR_FORMAT, naming the file: a measured group without tracking or without date, an identifier
 * without UID that stands for several lesions, a short axis
 * above the long axis, contradictions; and what rp_sr_read fails with.
 */
rp_status rp_archive_read(const char *const *paths, size_t count, rp_archive *archive,
                          rp_error *err);
void rp_archive_release(rp_archive *archive);

/**
 * All lesions as targets over all days, the first of which is the baseline. patient is a
 * pseudonym. RP_ERR_FORMAT, naming the file: a lesion that the first day lacks (whether it is new
 * is a person's judgement), or no finding at all.
 */
rp_status rp_archive_timeline(const rp_archive *archive, const char *patient, rp_timeline *timeline,
                              rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
