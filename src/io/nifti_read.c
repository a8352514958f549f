#include "gzip.h"
#include "nifti_internal.h"

#include <byteswap.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Decompressed to see the header. More than a stored deflate block (65535 bytes): those appear
 * whole or not at all. */
enum { START_BYTES = 128 << 10 };
/* deflate cannot make more out of a byte; RFC 1951: 258 bytes by two codes of one bit. */
enum { DEFLATE_RATIO = 1032 };
/* Allowed behind the voxels. */
enum { SLACK_BYTES = 1 << 20 };
/* Not worth asking what is available. */
enum { LITTLE_BYTES = 1 << 28 };
static const double GIB = 1024.0 * 1024.0 * 1024.0;

/* ---- the file in memory ------------------------------------------------------------------ */

typedef struct nifti_file {
    const char *path;
    rp_nifti_header header;
    rp_nifti_info info;
    uint8_t *bytes; /* decompressed */
    size_t size;
} nifti_file;

static size_t voxels_of(const rp_nifti_header *h)
{
    return (size_t)h->dim[1] * (size_t)h->dim[2] * (size_t)h->dim[3];
}

/* At most 2^53 + 2^43: the header's checks bound both. */
static size_t bytes_needed(const rp_nifti_header *h)
{
    return (size_t)h->vox_offset + voxels_of(h) * rp_nifti_voxel_bytes(h->datatype);
}

static rp_status check_length(const nifti_file *file, size_t size, const char *unit, rp_error *err)
{
    size_t needed = bytes_needed(&file->header);
    if (needed <= size) return RP_OK;
    return rp_fail(err, RP_ERR_FORMAT,
                   "%s: truncated, or the header is wrong: it asks for %zu bytes, there are %s%zu",
                   file->path, needed, unit, size);
}

static rp_status check_packed_length(const nifti_file *file, size_t packed, rp_error *err)
{
    return packed < SIZE_MAX / DEFLATE_RATIO
               ? check_length(file, packed * DEFLATE_RATIO, "at most ", err)
               : RP_OK;
}

/* A header may ask for anything, and few compressed bytes may make a great many. */
static rp_status check_memory(const nifti_file *file, rp_error *err)
{
    const size_t needed = bytes_needed(&file->header) + voxels_of(&file->header) * sizeof(float);
    const size_t available = needed < LITTLE_BYTES ? needed : rp_memory_available("");
    if (!available || needed <= available) return RP_OK;
    return rp_fail(err, RP_ERR_MEMORY,
                   "%s: to be read it takes %.1f GiB of memory, and %.1f GiB are available",
                   file->path, (double)needed / GIB, (double)available / GIB);
}

/* Replaces the compressed bytes. How much may come out is told by the header at their beginning. */
static rp_status decompress(nifti_file *file, rp_error *err)
{
    rp_status status = RP_OK;
    uint8_t *plain = NULL, *start = rp_alloc(START_BYTES, 1);
    size_t plain_size = 0;
    if (!start) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", file->path);
    if (!rp_gunzip_start(file->bytes, file->size, start, START_BYTES))
        status =
            rp_fail(err, RP_ERR_FORMAT, "%s: the gzip data are damaged or truncated", file->path);
    if (!status) status = rp_nifti_header_parse(file->path, start, START_BYTES, &file->header, err);
    if (!status) status = check_packed_length(file, file->size, err);
    if (!status) status = check_memory(file, err);
    if (!status)
        status = rp_gunzip(file->path, file->bytes, file->size,
                           bytes_needed(&file->header) + SLACK_BYTES, &plain, &plain_size, err);
    rp_free(start);
    if (status) return status;
    rp_free(file->bytes);
    file->bytes = plain;
    file->size = plain_size;
    return RP_OK;
}

static void close_file(nifti_file *file)
{
    rp_free(file->bytes);
    file->bytes = NULL;
}

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && !strcasecmp(path + length - tail, ending);
}

/* The first bytes, decompressed where they are packed. */
static rp_status read_start(const char *path, uint8_t **start, size_t *size, rp_error *err)
{
    const size_t room = START_BYTES + START_BYTES / 2; /* deflate may lengthen a little */
    uint8_t *bytes = rp_alloc(room, 1), *plain = rp_alloc(START_BYTES, 1);
    FILE *stream = bytes && plain ? fopen(path, "rbe") : NULL;
    rp_status status = RP_OK;
    *size = stream ? fread(bytes, 1, room, stream) : 0;
    const bool packed = *size && rp_gzip_probe(bytes, *size);
    if (!bytes || !plain)
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    else if (!stream || ferror(stream))
        status = rp_fail(err, RP_ERR_IO, "%s: cannot be read", path);
    else if (packed && !rp_gunzip_start(bytes, *size, plain, START_BYTES))
        status = rp_fail(err, RP_ERR_FORMAT, "%s: the gzip data are damaged", path);
    if (stream) fclose(stream);
    *start = packed ? plain : bytes;
    if (packed) *size = START_BYTES;
    rp_free(packed ? bytes : plain);
    return status;
}

/* "x.img" beside a header "x.hdr" of such a pair. */
static bool is_voxels_of_pair(const char *path)
{
    static const char *const endings[2][2] = {{".img", ".hdr"}, {".img.gz", ".hdr.gz"}};
    bool found = false;
    for (int i = 0; i < 2; i++) {
        if (!ends_with(path, endings[i][0])) continue;
        const size_t stem = strlen(path) - strlen(endings[i][0]);
        RP_AUTOFREE char *header = rp_format("%.*s%s", (int)stem, path, endings[i][1]);
        uint8_t *start = NULL;
        size_t size = 0;
        if (!header || !rp_path_exists(header)) continue;
        found |=
            read_start(header, &start, &size, NULL) == RP_OK && rp_nifti_header_probe(start, size);
        rp_free(start);
    }
    return found;
}

static rp_status refuse_pair(const char *path, rp_error *err)
{
    if (!is_voxels_of_pair(path)) return RP_OK;
    return rp_fail(err, RP_ERR_UNSUPPORTED,
                   "%s: the voxels of a pair of .hdr and .img; only single files are read: "
                   "convert the pair to .nii",
                   path);
}

/* What the header says, of a file that is long enough. */
static rp_status describe(nifti_file *file, bool gzip, rp_remarks *remarks, rp_error *err)
{
    const rp_nifti_header *h = &file->header;
    rp_nifti_info *info = &file->info;
    rp_status status =
        rp_nifti_header_grid(file->path, h, &info->grid, &info->geometry, remarks, err);
    if (!status && rp_grid_check(&info->grid, err))
        status = rp_fail_in(err, RP_ERR_FORMAT, "%s", file->path);
    info->version = h->version;
    info->swapped = h->swapped;
    info->gzip = gzip;
    info->datatype = h->datatype;
    info->scl_slope = h->scl_slope;
    info->scl_inter = h->scl_inter;
    return status;
}

static rp_status open_file(const char *path, nifti_file *file, rp_remarks *remarks, rp_error *err)
{
    *file = (nifti_file){.path = path};
    rp_status status = refuse_pair(path, err);
    if (!status) status = rp_file_read(path, &file->bytes, &file->size, err);
    if (status) return status;
    const bool gzip = rp_gzip_probe(file->bytes, file->size);
    if (gzip) status = decompress(file, err);
    if (!status) status = rp_nifti_header_parse(path, file->bytes, file->size, &file->header, err);
    if (!status) status = check_length(file, file->size, "", err);
    if (!status && !gzip) status = check_memory(file, err);
    if (!status) status = describe(file, gzip, remarks, err);
    if (status) close_file(file);
    return status;
}

/* Whether a gzip file of one member ends as one that holds what the header asks for: its last four
 * bytes are its length (RFC 1952), those of a truncated file are anything. */
static bool ends_as_told(const char *path, size_t size, size_t needed)
{
    uint8_t end[4];
    FILE *file = fopen(path, "rb");
    const bool read = file && fseek(file, (long)size - 4, SEEK_SET) == 0 &&
                      fread(end, 1, sizeof end, file) == sizeof end;
    if (file) fclose(file);
    const uint32_t length =
        (uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    return read && length - (uint32_t)needed <= SLACK_BYTES;
}

/* From the first bytes and the length alone. Not sure: only reading it all can tell. */
static rp_status look_at_file(const char *path, nifti_file *file, bool *sure, rp_remarks *remarks,
                              rp_error *err)
{
    struct stat info;
    uint8_t *start = NULL, magic[3] = {0};
    size_t size;
    *file = (nifti_file){.path = path};
    *sure = true;
    rp_status status = refuse_pair(path, err);
    if (!status) status = read_start(path, &start, &size, err);
    if (status) {
        rp_free(start);
        return status;
    }
    FILE *again = fopen(path, "rb");
    const bool known = again && fread(magic, 1, 3, again) == 3 && stat(path, &info) == 0;
    if (again) fclose(again);
    const bool gzip = known && rp_gzip_probe(magic, sizeof magic);
    const size_t length = known ? (size_t)info.st_size : 0;
    status = rp_nifti_header_parse(path, start, size, &file->header, err);
    if (!status)
        status =
            gzip ? check_packed_length(file, length, err) : check_length(file, length, "", err);
    if (!status && gzip) *sure = ends_as_told(path, length, bytes_needed(&file->header));
    if (!status && *sure) status = describe(file, gzip, remarks, err);
    rp_free(start);
    return status;
}

bool rp_nifti_probe(const char *path)
{
    if (ends_with(path, ".nii") || ends_with(path, ".nii.gz") || is_voxels_of_pair(path))
        return true;
    uint8_t *start = NULL;
    size_t size = 0;
    const bool found =
        read_start(path, &start, &size, NULL) == RP_OK && rp_nifti_header_probe(start, size);
    rp_free(start);
    return found;
}

rp_status rp_nifti_read_comment(const char *path, char **comment, rp_error *err)
{
    uint8_t *start = NULL;
    size_t size = 0, length = 0;
    rp_nifti_header header;
    *comment = NULL;
    rp_status status = read_start(path, &start, &size, err);
    if (!status) status = rp_nifti_header_parse(path, start, size, &header, err);
    const uint8_t *text = status ? NULL : rp_nifti_comment_find(&header, start, size, &length);
    if (text) {
        *comment = rp_alloc(length + 1, 1);
        if (*comment)
            memcpy(*comment, text, length);
        else
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    }
    rp_free(start);
    return status;
}

rp_status rp_nifti_info_read(const char *path, rp_nifti_info *info, rp_remarks *remarks,
                             rp_error *err)
{
    nifti_file file;
    bool sure;
    rp_status status = look_at_file(path, &file, &sure, remarks, err);
    if (!status && !sure) status = open_file(path, &file, remarks, err);
    if (status) return status;
    *info = file.info;
    close_file(&file);
    return RP_OK;
}

/* ---- voxels ------------------------------------------------------------------------------ */

enum { CHUNK_VOXELS = 4096 };

static void swap_bytes(void *data, size_t width, size_t count)
{
    uint16_t *half = data;
    uint32_t *word = data;
    uint64_t *wide = data;
    for (size_t i = 0; i < count; i++) {
        if (width == 2) half[i] = bswap_16(half[i]);
        if (width == 4) word[i] = bswap_32(word[i]);
        if (width == 8) wide[i] = bswap_64(wide[i]);
    }
}

#define CONVERT(type)                                                                              \
    for (size_t i = 0; i < count; i++) values[i] = (double)((const type *)raw)[i];                 \
    break

static void convert(int datatype, const void *raw, double *values, size_t count)
{
    switch (datatype) {
    case RP_NIFTI_UINT8:
        CONVERT(uint8_t);
    case RP_NIFTI_INT8:
        CONVERT(int8_t);
    case RP_NIFTI_INT16:
        CONVERT(int16_t);
    case RP_NIFTI_UINT16:
        CONVERT(uint16_t);
    case RP_NIFTI_INT32:
        CONVERT(int32_t);
    case RP_NIFTI_UINT32:
        CONVERT(uint32_t);
    case RP_NIFTI_INT64:
        CONVERT(int64_t);
    case RP_NIFTI_UINT64:
        CONVERT(uint64_t);
    case RP_NIFTI_FLOAT32:
        CONVERT(float);
    case RP_NIFTI_FLOAT64:
        CONVERT(double);
    }
}

/* Takes count decoded and scaled values from voxel `first` on. */
typedef void (*voxel_sink)(void *context, size_t first, const double *values, size_t count);

static void decode_voxels(const nifti_file *file, voxel_sink sink, void *context)
{
    _Alignas(64) uint8_t raw[CHUNK_VOXELS * 8];
    double values[CHUNK_VOXELS];
    const rp_nifti_header *h = &file->header;
    size_t width = rp_nifti_voxel_bytes(h->datatype), total = voxels_of(h);
    const uint8_t *from = file->bytes + (size_t)h->vox_offset;
    bool scaled = h->scl_slope != 1 || h->scl_inter != 0;
    for (size_t first = 0; first < total; first += CHUNK_VOXELS) {
        size_t count = total - first < CHUNK_VOXELS ? total - first : CHUNK_VOXELS;
        memcpy(raw, from + first * width, count * width);
        if (h->swapped) swap_bytes(raw, width, count);
        convert(h->datatype, raw, values, count);
        for (size_t i = 0; scaled && i < count; i++)
            values[i] = h->scl_slope * values[i] + h->scl_inter;
        sink(context, first, values, count);
    }
}

typedef struct voxel_faults {
    size_t not_finite, fractional, outside_int32;
} voxel_faults;

static rp_status report_faults(const nifti_file *file, const voxel_faults *faults, rp_error *err)
{
    size_t total = voxels_of(&file->header);
    if (faults->not_finite)
        return rp_fail(err, RP_ERR_FORMAT, "%s: %zu of %zu voxels are NaN or infinite", file->path,
                       faults->not_finite, total);
    if (faults->fractional)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: not a mask or label image: %zu of %zu voxels are not whole numbers",
                       file->path, faults->fractional, total);
    if (faults->outside_int32)
        return rp_fail(err, RP_ERR_FORMAT, "%s: %zu of %zu labels do not fit into 32 bits",
                       file->path, faults->outside_int32, total);
    return RP_OK;
}

typedef struct image_sink {
    float *data;
    voxel_faults faults;
} image_sink;

static void store_image(void *context, size_t first, const double *values, size_t count)
{
    image_sink *sink = context;
    for (size_t i = 0; i < count; i++) {
        float value = (float)values[i]; /* beyond single precision counts as infinite */
        sink->faults.not_finite += !isfinite(value);
        sink->data[first + i] = value;
    }
}

rp_status rp_nifti_read_image(const char *path, rp_image *image, rp_remarks *remarks, rp_error *err)
{
    nifti_file file;
    rp_image result = {0};
    rp_status status = open_file(path, &file, remarks, err);
    if (status) return status;
    status = rp_image_init(&result, &file.info.grid, err);
    if (!status) {
        image_sink sink = {.data = result.data};
        decode_voxels(&file, store_image, &sink);
        status = report_faults(&file, &sink.faults, err);
    } else {
        rp_fail_in(err, status, "%s", path);
    }
    close_file(&file);
    if (status)
        rp_image_release(&result);
    else
        *image = result;
    return status;
}

/* Scaling and single precision leave 1.0000001 of a 1. */
static const double WHOLE = 1e-3;

/* Whole and finite, which it then is exactly, or counted as a fault. */
static bool make_whole(double *value, voxel_faults *faults)
{
    const double whole = round(*value);
    if (!isfinite(*value))
        faults->not_finite++;
    else if (fabs(*value - whole) > WHOLE)
        faults->fractional++;
    else {
        *value = whole;
        return true;
    }
    return false;
}

typedef struct label_sink {
    int32_t *data;
    voxel_faults faults;
} label_sink;

static void store_labels(void *context, size_t first, const double *values, size_t count)
{
    label_sink *sink = context;
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        if (!make_whole(&value, &sink->faults)) continue;
        if (value < INT32_MIN || value > INT32_MAX)
            sink->faults.outside_int32++;
        else
            sink->data[first + i] = (int32_t)value;
    }
}

rp_status rp_nifti_read_labels(const char *path, rp_labels *labels, rp_remarks *remarks,
                               rp_error *err)
{
    nifti_file file;
    rp_labels result = {0};
    rp_status status = open_file(path, &file, remarks, err);
    if (status) return status;
    status = rp_labels_init(&result, &file.info.grid, err);
    if (!status) {
        label_sink sink = {.data = result.data};
        decode_voxels(&file, store_labels, &sink);
        status = report_faults(&file, &sink.faults, err);
    } else {
        rp_fail_in(err, status, "%s", path);
    }
    close_file(&file);
    if (status)
        rp_labels_release(&result);
    else
        *labels = result;
    return status;
}

typedef struct mask_sink {
    uint8_t *data;
    double inside, other; /* the first two different values that are not 0; 0: not seen */
    voxel_faults faults;
} mask_sink;

static void store_mask(void *context, size_t first, const double *values, size_t count)
{
    mask_sink *sink = context;
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        if (!make_whole(&value, &sink->faults) || value == 0) continue;
        sink->data[first + i] = 1;
        if (sink->inside == 0)
            sink->inside = value;
        else if (sink->other == 0 && value != sink->inside)
            sink->other = value;
    }
}

rp_status rp_nifti_read_mask(const char *path, bool any_label, rp_mask *mask, rp_remarks *remarks,
                             rp_error *err)
{
    nifti_file file;
    rp_mask result = {0};
    rp_status status = open_file(path, &file, remarks, err);
    if (status) return status;
    status = rp_mask_init(&result, &file.info.grid, err);
    if (!status) {
        mask_sink sink = {.data = result.data};
        decode_voxels(&file, store_mask, &sink);
        status = report_faults(&file, &sink.faults, err);
        if (!status && sink.other != 0 && !any_label)
            status = rp_fail(err, RP_ERR_FORMAT,
                             "%s: holds several labels (%.15g and %.15g among them), not one mask",
                             path, sink.inside, sink.other);
    } else {
        rp_fail_in(err, status, "%s", path);
    }
    close_file(&file);
    if (status)
        rp_mask_release(&result);
    else
        *mask = result;
    return status;
}
