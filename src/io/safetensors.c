/* The safetensors format: 8 bytes little-endian header length, a JSON header, the tensors' bytes.
 * Tensors are read from the file straight into their own memory and written straight from it. */
#include "json_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files' byte order is assumed");

#define METADATA_KEY "__metadata__"
static const uint64_t max_header = 64u << 20;

/* ---- element types ----------------------------------------------------------------------- */

static float from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float sign = bits & 0x8000 ? -1.0F : 1.0F;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(fraction + 1024), exponent - 25);
}

/* Rounds to nearest even, too large values to infinity; clang 14 has no _Float16 on x86-64. */
static uint16_t to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    uint32_t half;
    if (size > 0x7F800000) /* NaN: quiet, with what fits of its payload */
        half = 0x7E00 | (size >> 13 & 0x3FF);
    else if (size >= 0x47800000) /* 2^16 */
        half = 0x7C00;
    else if (size < 0x38800000) /* 2^-14: subnormal */
        half = (uint32_t)lrintf(fabsf(value) * 0x1p24F);
    else
        half = (size - 0x38000000 + 0xFFF + (size >> 13 & 1)) >> 13;
    return (uint16_t)(sign | half);
}

static float from_bfloat(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

#define DEFINE_CONVERTER(name, type, expression)                                                   \
    static void name(const void *from, float *to, size_t count)                                    \
    {                                                                                              \
        const type *values = from;                                                                 \
        for (size_t i = 0; i < count; i++) to[i] = expression;                                     \
    }
DEFINE_CONVERTER(convert_f16, uint16_t, from_half(values[i]))
DEFINE_CONVERTER(convert_bf16, uint16_t, from_bfloat(values[i]))
DEFINE_CONVERTER(convert_f64, double, (float)values[i])
DEFINE_CONVERTER(convert_i8, int8_t, (float)values[i])
DEFINE_CONVERTER(convert_i16, int16_t, (float)values[i])
DEFINE_CONVERTER(convert_i32, int32_t, (float)values[i])
DEFINE_CONVERTER(convert_i64, int64_t, (float)values[i])
DEFINE_CONVERTER(convert_u8, uint8_t, (float)values[i])
DEFINE_CONVERTER(convert_u16, uint16_t, (float)values[i])
DEFINE_CONVERTER(convert_u32, uint32_t, (float)values[i])
DEFINE_CONVERTER(convert_u64, uint64_t, (float)values[i])
DEFINE_CONVERTER(convert_bool, uint8_t, values[i] ? 1.0F : 0.0F)

typedef struct element_type {
    const char *name;
    size_t size;
    void (*convert)(const void *from, float *to, size_t count); /* NULL: float32 as it is */
} element_type;

static const element_type element_types[] = {
    {"F32", 4, NULL},         {"F16", 2, convert_f16}, {"BF16", 2, convert_bf16},
    {"F64", 8, convert_f64},  {"I8", 1, convert_i8},   {"I16", 2, convert_i16},
    {"I32", 4, convert_i32},  {"I64", 8, convert_i64}, {"U8", 1, convert_u8},
    {"U16", 2, convert_u16},  {"U32", 4, convert_u32}, {"U64", 8, convert_u64},
    {"BOOL", 1, convert_bool}};

static const element_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof element_types / sizeof element_types[0]; i++)
        if (!strcmp(element_types[i].name, name)) return &element_types[i];
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* One tensor as the header describes it. */
typedef struct entry {
    const element_type *type;
    uint64_t begin, end; /* bytes within the data section */
    size_t elements;
} entry;

typedef struct reader {
    const char *path;
    int fd;
    uint64_t file_size, data_start;
    rp_json *header;
    entry *entries; /* in the order of the tensors */
    rp_tensor_file *file;
    rp_error *err;
} reader;

static rp_status read_at(const reader *r, uint64_t offset, void *to, size_t size)
{
    uint8_t *at = to;
    while (size > 0) {
        ssize_t got = pread(r->fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return rp_fail(r->err, RP_ERR_IO, "%s: cannot read: %s", r->path, strerror(errno));
        if (got == 0) return rp_fail(r->err, RP_ERR_FORMAT, "%s: became shorter", r->path);
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return RP_OK;
}

static rp_status open_file(reader *r)
{
    struct stat info;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &info) != 0)
        return rp_fail(r->err, RP_ERR_IO, "%s: cannot open: %s", r->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return rp_fail(r->err, RP_ERR_IO, "%s: not a regular file", r->path);
    r->file_size = (uint64_t)info.st_size;
    return RP_OK;
}

static rp_status read_header(reader *r)
{
    uint64_t length = 0;
    if (r->file_size < sizeof length)
        return rp_fail(r->err, RP_ERR_FORMAT, "%s: not a safetensors file: too short", r->path);
    rp_status status = read_at(r, 0, &length, sizeof length);
    if (status) return status;
    if (length > max_header || length > r->file_size - sizeof length)
        return rp_fail(r->err, RP_ERR_FORMAT,
                       "%s: not a safetensors file, or truncated: a header of %" PRIu64
                       " bytes is announced in a file of %" PRIu64 " (at most 64 MiB are read)",
                       r->path, length, r->file_size);
    RP_AUTOFREE char *text = rp_alloc((size_t)length + 1, 1);
    if (!text) return rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    status = read_at(r, sizeof length, text, (size_t)length);
    if (status) return status;
    if (text[0] != '{')
        return rp_fail(r->err, RP_ERR_FORMAT,
                       "%s: not a safetensors file: no JSON object at byte 8", r->path);
    r->data_start = sizeof length + length;
    return rp_json_parse_buffer(r->path, text, (size_t)length, &r->header, r->err);
}

static rp_status bad_tensor(const reader *r, const char *name, const char *what)
{
    return rp_fail(r->err, RP_ERR_FORMAT, "%s: tensor '%.200s': %s", r->path, name, what);
}

static rp_status read_shape(reader *r, const rp_json *shape, rp_named_tensor *tensor, entry *e)
{
    size_t rank = rp_json_length(shape);
    if (!rp_json_is_array(shape)) return bad_tensor(r, tensor->name, "no shape");
    if (rank > RP_TENSOR_MAX_RANK)
        return rp_fail(r->err, RP_ERR_UNSUPPORTED,
                       "%s: tensor '%.200s' has %zu dimensions (at most %d)", r->path, tensor->name,
                       rank, RP_TENSOR_MAX_RANK);
    tensor->rank = (int)rank;
    e->elements = 1;
    for (size_t i = 0; i < rank; i++) {
        int64_t size;
        if (!rp_json_as_int(rp_json_at(shape, i), &size) || size < 0)
            return bad_tensor(r, tensor->name, "a dimension is not a whole number >= 0");
        if (__builtin_mul_overflow(e->elements, (size_t)size, &e->elements))
            return bad_tensor(r, tensor->name, "the shape overflows");
        tensor->shape[i] = size;
    }
    return RP_OK;
}

static rp_status read_entry(reader *r, const rp_json *from, rp_named_tensor *tensor, entry *e)
{
    const char *dtype = rp_json_get_string(from, "dtype");
    const rp_json *offsets = rp_json_get(from, "data_offsets");
    int64_t begin, end;
    uint64_t bytes;
    if (!dtype) return bad_tensor(r, tensor->name, "no dtype");
    e->type = find_type(dtype);
    if (!e->type)
        return rp_fail(r->err, RP_ERR_UNSUPPORTED, "%s: tensor '%.200s' has the type '%.20s'",
                       r->path, tensor->name, dtype);
    rp_status status = read_shape(r, rp_json_get(from, "shape"), tensor, e);
    if (status) return status;
    if (!rp_json_is_array(offsets) || rp_json_length(offsets) != 2 ||
        !rp_json_as_int(rp_json_at(offsets, 0), &begin) ||
        !rp_json_as_int(rp_json_at(offsets, 1), &end) || begin < 0 || end < begin)
        return bad_tensor(r, tensor->name, "data_offsets are not two rising numbers");
    e->begin = (uint64_t)begin;
    e->end = (uint64_t)end;
    if (e->end > r->file_size - r->data_start)
        return bad_tensor(r, tensor->name, "its data lie beyond the end of the file (truncated?)");
    if (__builtin_mul_overflow(e->elements, e->type->size, &bytes) || bytes != e->end - e->begin)
        return bad_tensor(r, tensor->name, "shape and data_offsets disagree");
    return RP_OK;
}

static rp_status read_metadata(reader *r, const rp_json *from)
{
    size_t count = rp_json_length(from);
    if (!rp_json_is_object(from))
        return rp_fail(r->err, RP_ERR_FORMAT, "%s: " METADATA_KEY " is not a map of strings",
                       r->path);
    r->file->metadata = rp_alloc(count, sizeof *r->file->metadata);
    if (!r->file->metadata) return rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    r->file->metadata_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *key = rp_json_key_at(from, i), *value = rp_json_as_string(rp_json_at(from, i));
        if (!value)
            return rp_fail(r->err, RP_ERR_FORMAT, "%s: " METADATA_KEY " is not a map of strings",
                           r->path);
        r->file->metadata[i].key = rp_strdup(key);
        r->file->metadata[i].value = rp_strdup(value);
        if (!r->file->metadata[i].key || !r->file->metadata[i].value)
            return rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    }
    return RP_OK;
}

static rp_status read_entries(reader *r)
{
    size_t count = rp_json_length(r->header);
    r->file->tensors = rp_alloc(count, sizeof *r->file->tensors);
    r->entries = rp_alloc(count, sizeof *r->entries);
    if (!r->file->tensors || !r->entries)
        return rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    for (size_t i = 0; i < count; i++) {
        const char *name = rp_json_key_at(r->header, i);
        const rp_json *from = rp_json_at(r->header, i);
        rp_status status;
        if (!strcmp(name, METADATA_KEY)) {
            status = read_metadata(r, from);
        } else {
            size_t t = r->file->tensor_count++;
            r->file->tensors[t].name = rp_strdup(name);
            if (!r->file->tensors[t].name)
                return rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
            status = read_entry(r, from, &r->file->tensors[t], &r->entries[t]);
        }
        if (status) return status;
    }
    return RP_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const entry *left = a, *right = b;
    if (left->begin != right->begin) return left->begin < right->begin ? -1 : 1;
    return (left->end > right->end) - (left->end < right->end);
}

/* The tensors must tile the data section: bytes that belong to none, or to two, have been used to
 * hide things in such files. */
static rp_status check_tiling(reader *r)
{
    size_t count = r->file->tensor_count;
    RP_AUTOFREE entry *sorted = rp_alloc(count, sizeof *sorted);
    if (!sorted) return rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    if (count) {
        memcpy(sorted, r->entries, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, compare_entries);
    }
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (sorted[i].begin != at)
            return rp_fail(r->err, RP_ERR_FORMAT, "%s: tensors %s at byte %" PRIu64 " of the data",
                           r->path, sorted[i].begin < at ? "overlap" : "leave a hole", at);
        at = sorted[i].end;
    }
    if (at != r->file_size - r->data_start)
        return rp_fail(r->err, RP_ERR_FORMAT, "%s: %" PRIu64 " bytes behind the last tensor",
                       r->path, r->file_size - r->data_start - at);
    return RP_OK;
}

static rp_status read_converted(reader *r, const entry *e, float *to)
{
    enum { CHUNK_ELEMENTS = 4096 };
    _Alignas(8) uint8_t raw[CHUNK_ELEMENTS * 8];
    for (size_t done = 0; done < e->elements;) {
        size_t count = e->elements - done;
        if (count > CHUNK_ELEMENTS) count = CHUNK_ELEMENTS;
        uint64_t offset = r->data_start + e->begin + done * e->type->size;
        rp_status status = read_at(r, offset, raw, count * e->type->size);
        if (status) return status;
        e->type->convert(raw, to + done, count);
        done += count;
    }
    return RP_OK;
}

static rp_status read_data(reader *r)
{
    for (size_t i = 0; i < r->file->tensor_count; i++) {
        const entry *e = &r->entries[i];
        rp_named_tensor *tensor = &r->file->tensors[i];
        tensor->data = rp_alloc(e->elements, sizeof *tensor->data);
        if (!tensor->data)
            return rp_fail(r->err, RP_ERR_MEMORY, "%s: no memory for tensor '%.200s'", r->path,
                           tensor->name);
        rp_status status = e->type->convert ? read_converted(r, e, tensor->data)
                                            : read_at(r, r->data_start + e->begin, tensor->data,
                                                      e->elements * sizeof(float));
        if (status) return status;
    }
    return RP_OK;
}

rp_status rp_safetensors_read(const char *path, rp_tensor_file *file, rp_error *err)
{
    rp_tensor_file result = {0};
    reader r = {.path = path, .fd = -1, .file = &result, .err = err};
    rp_status status = open_file(&r);
    if (!status) status = read_header(&r);
    if (!status) status = read_entries(&r);
    if (!status) status = check_tiling(&r);
    if (!status) status = read_data(&r);
    if (r.fd >= 0) close(r.fd);
    rp_json_destroy(r.header);
    rp_free(r.entries);
    if (status)
        rp_tensor_file_release(&result);
    else
        *file = result;
    return status;
}

/* ---- writing ----------------------------------------------------------------------------- */

static bool tensor_bytes(const rp_named_tensor *tensor, size_t *bytes)
{
    *bytes = tensor->half ? sizeof(uint16_t) : sizeof(float);
    if (tensor->rank < 0 || tensor->rank > RP_TENSOR_MAX_RANK) return false;
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] < 0 || __builtin_mul_overflow(*bytes, (size_t)tensor->shape[i], bytes))
            return false;
    return *bytes == 0 || tensor->data;
}

static rp_json *tensor_header(const rp_named_tensor *tensor, uint64_t begin, uint64_t end)
{
    rp_json *header = rp_json_object(), *shape = rp_json_array(), *offsets = rp_json_array();
    for (int i = 0; i < tensor->rank; i++) rp_json_append_int(shape, tensor->shape[i]);
    rp_json_append_int(offsets, (int64_t)begin);
    rp_json_append_int(offsets, (int64_t)end);
    rp_json_set_string(header, "dtype", tensor->half ? "F16" : "F32");
    rp_json_set(header, "shape", shape);
    rp_json_set(header, "data_offsets", offsets);
    return header;
}

static rp_json *metadata_header(const rp_tensor_file *file)
{
    rp_json *metadata = rp_json_object();
    for (size_t i = 0; i < file->metadata_count; i++)
        rp_json_set_string(metadata, file->metadata[i].key, file->metadata[i].value);
    return metadata;
}

/* The JSON text, padded with blanks so that the data begin at a multiple of 8 bytes. */
static rp_status build_header(const char *path, const rp_tensor_file *file, char **text,
                              rp_error *err)
{
    uint64_t at = 0;
    rp_status status = RP_OK;
    char *compact = NULL;
    rp_json *header = rp_json_object();
    if (file->metadata_count) rp_json_set(header, METADATA_KEY, metadata_header(file));
    for (size_t i = 0; !status && i < file->tensor_count; i++) {
        const rp_named_tensor *tensor = &file->tensors[i];
        size_t bytes;
        if (!tensor_bytes(tensor, &bytes)) {
            status = rp_fail(err, RP_ERR_ARGUMENT, "%s: tensor '%.200s' has no valid shape or data",
                             path, tensor->name);
        } else if (!strcmp(tensor->name, METADATA_KEY) || rp_json_get(header, tensor->name)) {
            status = rp_fail(err, RP_ERR_ARGUMENT, "%s: tensor name '%.200s' is taken twice", path,
                             tensor->name);
        } else {
            rp_json_set(header, tensor->name, tensor_header(tensor, at, at + bytes));
            at += bytes;
        }
    }
    if (!status) compact = rp_json_compact_text(header);
    rp_json_destroy(header);
    if (status) return status;
    size_t length = compact ? (strlen(compact) + 7) / 8 * 8 : 0;
    if (length > max_header)
        status = rp_fail(err, RP_ERR_ARGUMENT, "%s: names and metadata exceed 64 MiB", path);
    else if (!compact || !(*text = rp_format("%-*s", (int)length, compact)))
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    rp_free(compact);
    return status;
}

/* In pieces, so that no second copy of a tensor is needed. */
static rp_status write_half(rp_outfile *out, const char *path, const rp_named_tensor *tensor,
                            size_t count, rp_error *err)
{
    uint16_t piece[4096];
    const size_t room = sizeof piece / sizeof *piece;
    rp_status status = RP_OK;
    for (size_t done = 0; done < count && !status; done += room) {
        const size_t n = count - done < room ? count - done : room;
        for (size_t i = 0; i < n; i++) {
            const float value = tensor->data[done + i];
            piece[i] = to_half(value);
            if (isfinite(value) && !isfinite(from_half(piece[i])))
                return rp_fail(err, RP_ERR_NUMERIC, "%s: %g in '%.200s' is too large for F16", path,
                               (double)value, tensor->name);
        }
        status = rp_outfile_write(out, piece, n * sizeof *piece, err);
    }
    return status;
}

static rp_status write_tensor(rp_outfile *out, const char *path, const rp_named_tensor *tensor,
                              rp_error *err)
{
    size_t bytes = 0;
    tensor_bytes(tensor, &bytes);
    return tensor->half ? write_half(out, path, tensor, bytes / sizeof(uint16_t), err)
                        : rp_outfile_write(out, tensor->data, bytes, err);
}

rp_status rp_safetensors_write(const char *path, const rp_tensor_file *file, rp_error *err)
{
    RP_AUTOFREE char *header = NULL;
    rp_outfile *out = NULL;
    rp_status status = build_header(path, file, &header, err);
    if (status) return status;
    uint64_t length = strlen(header);
    status = rp_outfile_create(path, &out, err);
    if (!status) status = rp_outfile_write(out, &length, sizeof length, err);
    if (!status) status = rp_outfile_write(out, header, (size_t)length, err);
    for (size_t i = 0; !status && i < file->tensor_count; i++)
        status = write_tensor(out, path, &file->tensors[i], err);
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}

/* ---- the object -------------------------------------------------------------------------- */

void rp_tensor_file_release(rp_tensor_file *file)
{
    if (!file) return;
    for (size_t i = 0; i < file->tensor_count; i++) {
        rp_free(file->tensors[i].name);
        rp_free(file->tensors[i].data);
    }
    for (size_t i = 0; i < file->metadata_count; i++) {
        rp_free(file->metadata[i].key);
        rp_free(file->metadata[i].value);
    }
    rp_free(file->tensors);
    rp_free(file->metadata);
    *file = (rp_tensor_file){0};
}

const rp_named_tensor *rp_tensor_file_find(const rp_tensor_file *file, const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!strcmp(file->tensors[i].name, name)) return &file->tensors[i];
    return NULL;
}

const char *rp_tensor_file_metadata(const rp_tensor_file *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (!strcmp(file->metadata[i].key, key)) return file->metadata[i].value;
    return NULL;
}
