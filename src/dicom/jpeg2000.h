/**
 * @file jpeg2000.h
 * JPEG 2000 codestreams by OpenJPEG, from memory. DCMTK has no decoder for them.
 */
#ifndef REPRISE_DICOM_JPEG2000_H
#define REPRISE_DICOM_JPEG2000_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the codestream says of itself. */
typedef struct jpeg2000_coding {
    int precision; /**< bits */
    bool is_signed;
} jpeg2000_coding;

/**
 * Decodes size bytes (a bare codestream or a JP2 file) into columns * rows values of the caller.
 * RP_ERR_FORMAT: damaged, truncated, or not one component of that size with at most 16 bits.
 */
rp_status jpeg2000_decode(const char *path, const uint8_t *bytes, size_t size, int columns,
                          int rows, int32_t *values, jpeg2000_coding *coding, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
