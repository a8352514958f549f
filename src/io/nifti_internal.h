/* The NIfTI header as the reader sees it, whichever version and byte order it came in. */
#ifndef REPRISE_IO_NIFTI_INTERNAL_H
#define REPRISE_IO_NIFTI_INTERNAL_H

#include "reprise/io.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "swapped means big-endian");

enum {
    RP_NIFTI_UINT8 = 2,
    RP_NIFTI_INT16 = 4,
    RP_NIFTI_INT32 = 8,
    RP_NIFTI_FLOAT32 = 16,
    RP_NIFTI_FLOAT64 = 64,
    RP_NIFTI_INT8 = 256,
    RP_NIFTI_UINT16 = 512,
    RP_NIFTI_UINT32 = 768,
    RP_NIFTI_INT64 = 1024,
    RP_NIFTI_UINT64 = 1280
};

/** Bytes of the largest header of a single file, with the extension flag behind it. */
#define RP_NIFTI_HEADER_MAX 544

typedef struct rp_nifti_header {
    int version;
    bool swapped; /**< big-endian */
    int64_t dim[8];
    int datatype, bitpix;
    double pixdim[8];
    double vox_offset;
    double scl_slope, scl_inter; /**< 1 and 0 where the file has none */
    int xyzt_units, qform_code, sform_code;
    double quatern[3], qoffset[3], srow[3][4]; /**< as stored, in the file's unit */
} rp_nifti_header;

/** True if the bytes begin with a NIfTI-1 or -2 header, or with that of an .hdr/.img pair, which
 *  rp_nifti_header_parse refuses with the reason. */
bool rp_nifti_header_probe(const uint8_t *bytes, size_t size);
/** Everything but the geometry is checked; errors name the path. */
rp_status rp_nifti_header_parse(const char *path, const uint8_t *bytes, size_t size,
                                rp_nifti_header *header, rp_error *err);
/** The LPS grid, and where it was taken from as a static string. Remarks as rp_nifti_info_read. */
rp_status rp_nifti_header_grid(const char *path, const rp_nifti_header *header, rp_grid *grid,
                               const char **geometry, rp_remarks *remarks, rp_error *err);
/** Bytes per voxel; 0 for types that are not read. */
size_t rp_nifti_voxel_bytes(int datatype);

/** Header for one volume on the grid, NIfTI-1 where the sizes fit, else NIfTI-2, with sform and
 *  qform; returns its size, behind which `extension` bytes lie before the voxels. */
size_t rp_nifti_header_encode(const rp_grid *grid, int datatype, size_t extension,
                              uint8_t bytes[RP_NIFTI_HEADER_MAX]);

/** The extension that holds a comment; returns its size, a multiple of 16. bytes may be NULL. */
size_t rp_nifti_comment_encode(const char *comment, uint8_t *bytes);
/** The text of the first comment in the beginning of a file, without its end; NULL: none there. */
const uint8_t *rp_nifti_comment_find(const rp_nifti_header *header, const uint8_t *bytes,
                                     size_t size, size_t *length);

#endif
