/**
 * @file dicom_patient.h
 * Whether two DICOM objects are of one patient. Part of the DICOM module.
 */
#ifndef REPRISE_DICOM_PATIENT_H
#define REPRISE_DICOM_PATIENT_H

#include "reprise/dicom.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What identifies a patient beside the ID, as bits. */
typedef enum rp_identity {
    RP_IDENTITY_ID = 1,
    RP_IDENTITY_ISSUER = 2,
    RP_IDENTITY_NAME = 4,
    RP_IDENTITY_BIRTH_DATE = 8,
    RP_IDENTITY_SEX = 16
} rp_identity;

/**
 * In what two headers contradict one another: rp_identity bits, 0 where they can be of one patient.
 * What is empty or stands for nothing contradicts nothing: a name or ID of punctuation alone or of
 * the words of anonymizers ("ANONYMOUS", "REMOVED" ...), a name that repeats its ID, a sex other
 * than M and F, a birth date that is no day, lies before 1901 or keeps the other's year alone
 * (YYYY0101).
 * IDs and issuers are compared without the spaces round them. Names are the same where all parts of
 * one are found in the other, in any order: case, separators, where words end, accents (composed or
 * not; u, ue and u with diaeresis alike), full and half width, hiragana or katakana, titles,
 * further given names and initials do not count, nor do characters that a wrong character set left
 * unreadable; of the groups of a name (alphabetic, ideographic, phonetic) one that agrees is
 * enough. Names in two scripts cannot be compared and do not contradict.
 */
unsigned rp_dicom_identity_differs(const rp_dicom_header *a, const rp_dicom_header *b);
/** Such bits for a message: "names and dates of birth"; never the values. */
void rp_dicom_identity_text(unsigned differs, char text[96]);

#ifdef __cplusplus
}
#endif
#endif
