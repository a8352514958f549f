#include "gzip.h"

#include <libdeflate.h>
#include <string.h>

bool rp_gzip_probe(const uint8_t *data, size_t size)
{
    return size >= 3 && data[0] == 0x1F && data[1] == 0x8B && data[2] == 8;
}

/* Writers to tape pad the file with zeros; anything else behind a member is damage. */
static bool only_zeros(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i]) return false;
    return true;
}

/* Members one after the other until the input or the room ends. */
static enum libdeflate_result gunzip_members(const uint8_t *data, size_t data_size, uint8_t *out,
                                             size_t room, size_t *out_size)
{
    enum libdeflate_result result = LIBDEFLATE_SUCCESS;
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    if (!decompressor) return LIBDEFLATE_SHORT_OUTPUT; /* never a result of the calls below */
    *out_size = 0;
    while (result == LIBDEFLATE_SUCCESS && data_size > 0) {
        size_t used = 0, made = 0;
        if (*out_size > 0 && only_zeros(data, data_size)) break;
        result = libdeflate_gzip_decompress_ex(decompressor, data, data_size, out + *out_size,
                                               room - *out_size, &used, &made);
        if (result == LIBDEFLATE_SUCCESS) {
            data += used;
            data_size -= used;
            *out_size += made;
        }
    }
    libdeflate_free_decompressor(decompressor);
    return result;
}

bool rp_gunzip_start(const uint8_t *data, size_t data_size, uint8_t *start, size_t size)
{
    size_t made;
    memset(start, 0, size);
    enum libdeflate_result result = gunzip_members(data, data_size, start, size, &made);
    return result == LIBDEFLATE_SUCCESS || result == LIBDEFLATE_INSUFFICIENT_SPACE;
}

rp_status rp_gunzip(const char *path, const uint8_t *data, size_t data_size, size_t limit,
                    uint8_t **out, size_t *out_size, rp_error *err)
{
    size_t room = data_size < limit / 8 ? 8 * data_size : limit;
    for (;;) {
        uint8_t *buffer = rp_alloc(room, 1);
        if (!buffer) return rp_fail(err, RP_ERR_MEMORY, "%s: no memory for %zu bytes", path, room);
        switch (gunzip_members(data, data_size, buffer, room, out_size)) {
        case LIBDEFLATE_SUCCESS:
            *out = buffer;
            return RP_OK;
        case LIBDEFLATE_BAD_DATA:
            rp_free(buffer);
            return rp_fail(err, RP_ERR_FORMAT, "%s: the gzip data are damaged or truncated", path);
        case LIBDEFLATE_SHORT_OUTPUT:
            rp_free(buffer);
            return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
        case LIBDEFLATE_INSUFFICIENT_SPACE:
            rp_free(buffer);
        }
        if (room == limit)
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: the gzip data hold more than the %zu bytes expected", path, limit);
        room = room < limit / 4 ? 4 * room : limit;
    }
}

rp_status rp_gzip(const char *path, const void *data, size_t size, uint8_t **out, size_t *out_size,
                  rp_error *err)
{
    rp_status status = RP_OK;
    uint8_t *buffer = NULL;
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    if (compressor) {
        size_t room = libdeflate_gzip_compress_bound(compressor, size);
        buffer = rp_alloc(room, 1);
        if (buffer) *out_size = libdeflate_gzip_compress(compressor, data, size, buffer, room);
    }
    if (buffer)
        *out = buffer;
    else
        status = rp_fail(err, RP_ERR_MEMORY, "%s: no memory to compress %zu bytes", path, size);
    libdeflate_free_compressor(compressor);
    return status;
}
