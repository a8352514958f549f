/* Headers of NIfTI-1 (2003, nifti1.h) and NIfTI-2 (2011, nifti2.h): the fields that matter here, by
 * their offsets, so that neither padding nor byte order of this machine plays a part. */
#include "nifti_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static const char magic_1[4] = "n+1", magic_1_pair[4] = "ni1";
static const char magic_2[8] = "n+2\0\r\n\032\n", magic_2_pair[8] = "ni2\0\r\n\032\n";
enum { SIZE_1 = 348, SIZE_2 = 540 };

/* ---- fields ------------------------------------------------------------------------------ */

typedef struct fields {
    const uint8_t *bytes;
    bool big_endian;
} fields;

static uint64_t get_bits(const fields *f, size_t offset, size_t width)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < width; i++)
        bits = bits << 8 | f->bytes[offset + (f->big_endian ? i : width - 1 - i)];
    return bits;
}

static int get_i16(const fields *f, size_t offset)
{
    return (int16_t)get_bits(f, offset, 2);
}

static int32_t get_i32(const fields *f, size_t offset)
{
    return (int32_t)get_bits(f, offset, 4);
}

static int64_t get_i64(const fields *f, size_t offset)
{
    return (int64_t)get_bits(f, offset, 8);
}

static double get_f32(const fields *f, size_t offset)
{
    uint32_t bits = (uint32_t)get_bits(f, offset, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double get_f64(const fields *f, size_t offset)
{
    uint64_t bits = get_bits(f, offset, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void read_fields_1(const fields *f, rp_nifti_header *h)
{
    for (int i = 0; i < 8; i++) h->dim[i] = get_i16(f, 40 + 2 * (size_t)i);
    h->datatype = get_i16(f, 70);
    h->bitpix = get_i16(f, 72);
    for (int i = 0; i < 8; i++) h->pixdim[i] = get_f32(f, 76 + 4 * (size_t)i);
    h->vox_offset = get_f32(f, 108);
    h->scl_slope = get_f32(f, 112);
    h->scl_inter = get_f32(f, 116);
    h->xyzt_units = f->bytes[123];
    h->qform_code = get_i16(f, 252);
    h->sform_code = get_i16(f, 254);
    for (int i = 0; i < 3; i++) {
        h->quatern[i] = get_f32(f, 256 + 4 * (size_t)i);
        h->qoffset[i] = get_f32(f, 268 + 4 * (size_t)i);
        for (int k = 0; k < 4; k++)
            h->srow[i][k] = get_f32(f, 280 + 16 * (size_t)i + 4 * (size_t)k);
    }
}

static void read_fields_2(const fields *f, rp_nifti_header *h)
{
    h->datatype = get_i16(f, 12);
    h->bitpix = get_i16(f, 14);
    for (int i = 0; i < 8; i++) h->dim[i] = get_i64(f, 16 + 8 * (size_t)i);
    for (int i = 0; i < 8; i++) h->pixdim[i] = get_f64(f, 104 + 8 * (size_t)i);
    h->vox_offset = (double)get_i64(f, 168);
    h->scl_slope = get_f64(f, 176);
    h->scl_inter = get_f64(f, 184);
    h->qform_code = get_i32(f, 344);
    h->sform_code = get_i32(f, 348);
    for (int i = 0; i < 3; i++) {
        h->quatern[i] = get_f64(f, 352 + 8 * (size_t)i);
        h->qoffset[i] = get_f64(f, 376 + 8 * (size_t)i);
        for (int k = 0; k < 4; k++)
            h->srow[i][k] = get_f64(f, 400 + 32 * (size_t)i + 8 * (size_t)k);
    }
    h->xyzt_units = get_i32(f, 500);
}

/* ---- checks ------------------------------------------------------------------------------ */

/* 1 or 2; 0 where it is neither or its header is cut short. NIfTI-2's magic goes first: where
 * NIfTI-1 has its own, NIfTI-2 keeps the qform code, which may hold anything. */
static int version_of(const uint8_t *bytes, size_t size)
{
    if (size < SIZE_1) return 0;
    if (!memcmp(bytes + 4, magic_2, sizeof magic_2)) return size >= SIZE_2 ? 2 : 0;
    return !memcmp(bytes + 344, magic_1, sizeof magic_1) ? 1 : 0;
}

/* ANALYZE 7.5, of which NIfTI-1's pairs are made, has no magic: its size alone tells it. */
static bool is_pair(const uint8_t *bytes, size_t size)
{
    static const uint8_t little[4] = {0x5c, 1, 0, 0}, big[4] = {0, 0, 1, 0x5c};
    if (size == SIZE_1 && (!memcmp(bytes, little, 4) || !memcmp(bytes, big, 4))) return true;
    return (size >= SIZE_1 && !memcmp(bytes + 344, magic_1_pair, sizeof magic_1_pair)) ||
           (size >= 12 && !memcmp(bytes + 4, magic_2_pair, sizeof magic_2_pair));
}

bool rp_nifti_header_probe(const uint8_t *bytes, size_t size)
{
    return version_of(bytes, size) != 0 || is_pair(bytes, size);
}

static rp_status refuse_magic(const char *path, const uint8_t *bytes, size_t size, rp_error *err)
{
    if (is_pair(bytes, size))
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: the header of a pair of .hdr and .img; only single files are read: "
                       "convert the pair to .nii",
                       path);
    if (size < SIZE_1 || (!memcmp(bytes + 4, magic_2, sizeof magic_2) && size < SIZE_2))
        return rp_fail(err, RP_ERR_FORMAT, "%s: not a NIfTI file, or truncated: %zu bytes", path,
                       size);
    return rp_fail(err, RP_ERR_FORMAT, "%s: not a NIfTI file: the magic string is missing", path);
}

size_t rp_nifti_voxel_bytes(int datatype)
{
    switch (datatype) {
    case RP_NIFTI_UINT8:
    case RP_NIFTI_INT8:
        return 1;
    case RP_NIFTI_INT16:
    case RP_NIFTI_UINT16:
        return 2;
    case RP_NIFTI_INT32:
    case RP_NIFTI_UINT32:
    case RP_NIFTI_FLOAT32:
        return 4;
    case RP_NIFTI_INT64:
    case RP_NIFTI_UINT64:
    case RP_NIFTI_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

static rp_status check_datatype(const char *path, const rp_nifti_header *h, rp_error *err)
{
    static const struct {
        int code;
        const char *name;
    } others[] = {{1, "one-bit"},    {32, "complex"},   {128, "RGB"},  {1536, "128-bit float"},
                  {1792, "complex"}, {2048, "complex"}, {2304, "RGBA"}};
    size_t width = rp_nifti_voxel_bytes(h->datatype);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (h->datatype == others[i].code)
            return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: %s voxels (NIfTI type %d) are not handled",
                           path, others[i].name, h->datatype);
    if (width == 0)
        return rp_fail(err, RP_ERR_FORMAT, "%s: unknown NIfTI data type %d", path, h->datatype);
    if (h->bitpix != 0 && h->bitpix != 8 * (int)width)
        return rp_fail(err, RP_ERR_FORMAT, "%s: bitpix is %d, but data type %d has %zu bits", path,
                       h->bitpix, h->datatype, 8 * width);
    return RP_OK;
}

static rp_status check_dimensions(const char *path, rp_nifti_header *h, rp_error *err)
{
    double voxels = 1;
    if (h->dim[0] < 1 || h->dim[0] > 7)
        return rp_fail(err, RP_ERR_FORMAT, "%s: the header announces %" PRId64 " dimensions", path,
                       h->dim[0]);
    for (int i = (int)h->dim[0] + 1; i < 8; i++) h->dim[i] = 1;
    for (int i = 1; i < 8; i++)
        if (h->dim[i] < 1 || h->dim[i] > INT_MAX)
            return rp_fail(err, RP_ERR_FORMAT, "%s: dimension %d has the size %" PRId64, path, i,
                           h->dim[i]);
    for (int i = 4; i < 8; i++)
        if (h->dim[i] > 1)
            return rp_fail(err, RP_ERR_UNSUPPORTED,
                           "%s: more than one volume (dimension %d has the size %" PRId64 ")", path,
                           i, h->dim[i]);
    for (int i = 1; i < 4; i++) voxels *= (double)h->dim[i];
    if (voxels >= 0x1p40)
        return rp_fail(err, RP_ERR_FORMAT, "%s: %g voxels are too many", path, voxels);
    return RP_OK;
}

static rp_status check_scaling(const char *path, rp_nifti_header *h, rp_error *err)
{
    /* 0 is the standard's "not scaled", NaN is what nibabel leaves there for it. */
    if (h->scl_slope == 0 || !isfinite(h->scl_slope)) {
        h->scl_slope = 1;
        h->scl_inter = 0;
    }
    if (!isfinite(h->scl_inter))
        return rp_fail(err, RP_ERR_FORMAT, "%s: scl_inter is not a finite number", path);
    return RP_OK;
}

static rp_status check_offset(const char *path, rp_nifti_header *h, rp_error *err)
{
    double least = h->version == 1 ? SIZE_1 : SIZE_2;
    if (h->vox_offset == 0) h->vox_offset = least + 4;
    if (!(h->vox_offset >= least && h->vox_offset < 0x1p53) ||
        h->vox_offset != floor(h->vox_offset))
        return rp_fail(err, RP_ERR_FORMAT, "%s: impossible vox_offset %g", path, h->vox_offset);
    return RP_OK;
}

rp_status rp_nifti_header_parse(const char *path, const uint8_t *bytes, size_t size,
                                rp_nifti_header *header, rp_error *err)
{
    rp_nifti_header h = {0};
    h.version = version_of(bytes, size);
    if (h.version == 0) return refuse_magic(path, bytes, size, err);
    fields f = {bytes, false};
    int wanted = h.version == 1 ? SIZE_1 : SIZE_2;
    f.big_endian = get_i32(&f, 0) != wanted;
    if (get_i32(&f, 0) != wanted)
        return rp_fail(err, RP_ERR_FORMAT, "%s: sizeof_hdr is not %d in either byte order", path,
                       wanted);
    h.swapped = f.big_endian;
    if (h.version == 1)
        read_fields_1(&f, &h);
    else
        read_fields_2(&f, &h);
    rp_status status = check_datatype(path, &h, err);
    if (!status) status = check_dimensions(path, &h, err);
    if (!status) status = check_scaling(path, &h, err);
    if (!status) status = check_offset(path, &h, err);
    if (!status) *header = h;
    return status;
}
