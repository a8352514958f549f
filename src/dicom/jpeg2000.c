#include "jpeg2000.h"

#include <string.h>

#include <openjpeg.h>

typedef struct memory_stream {
    const uint8_t *bytes;
    size_t size, at;
} memory_stream;

static OPJ_SIZE_T read_memory(void *buffer, OPJ_SIZE_T wanted, void *user)
{
    memory_stream *memory = user;
    size_t left = memory->size - memory->at, got = wanted < left ? wanted : left;
    if (got == 0) return (OPJ_SIZE_T)-1;
    memcpy(buffer, memory->bytes + memory->at, got);
    memory->at += got;
    return got;
}

static OPJ_OFF_T skip_memory(OPJ_OFF_T wanted, void *user)
{
    memory_stream *memory = user;
    size_t left = memory->size - memory->at;
    if (wanted < 0 || left == 0) return -1;
    size_t step = (size_t)wanted < left ? (size_t)wanted : left;
    memory->at += step;
    return (OPJ_OFF_T)step;
}

static OPJ_BOOL seek_memory(OPJ_OFF_T to, void *user)
{
    memory_stream *memory = user;
    if (to < 0 || (size_t)to > memory->size) return OPJ_FALSE;
    memory->at = (size_t)to;
    return OPJ_TRUE;
}

static opj_stream_t *open_memory(memory_stream *memory)
{
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    if (!stream) return NULL;
    opj_stream_set_user_data(stream, memory, NULL);
    opj_stream_set_user_data_length(stream, memory->size);
    opj_stream_set_read_function(stream, read_memory);
    opj_stream_set_skip_function(stream, skip_memory);
    opj_stream_set_seek_function(stream, seek_memory);
    return stream;
}

static bool right_size(const opj_image_t *image, int columns, int rows)
{
    return image->numcomps == 1 && image->x1 - image->x0 == (OPJ_UINT32)columns &&
           image->y1 - image->y0 == (OPJ_UINT32)rows && image->comps[0].w == (OPJ_UINT32)columns &&
           image->comps[0].h == (OPJ_UINT32)rows && image->comps[0].prec <= 16;
}

rp_status jpeg2000_decode(const char *path, const uint8_t *bytes, size_t size, int columns,
                          int rows, int32_t *values, jpeg2000_coding *coding, rp_error *err)
{
    static const uint8_t jp2_start[8] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    bool boxed = size > sizeof jp2_start && memcmp(bytes, jp2_start, sizeof jp2_start) == 0;
    rp_status status = RP_OK;
    opj_dparameters_t parameters;
    opj_image_t *image = NULL;
    memory_stream memory = {bytes, size, 0};
    opj_codec_t *codec = opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    opj_stream_t *stream = open_memory(&memory);
    opj_set_default_decoder_parameters(&parameters);
    if (!codec || !stream) {
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    } else if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, &image)) {
        status = rp_fail(err, RP_ERR_FORMAT, "%s: damaged JPEG 2000 codestream", path);
    } else if (!right_size(image, columns, rows)) { /* before anything of its size is allocated */
        status = rp_fail(err, RP_ERR_FORMAT,
                         "%s: the JPEG 2000 codestream is not one component of %d x %d pixels",
                         path, columns, rows);
    } else if (!opj_decode(codec, stream, image) || !opj_end_decompress(codec, stream) ||
               !right_size(image, columns, rows) || !image->comps[0].data) {
        status = rp_fail(err, RP_ERR_FORMAT, "%s: damaged or truncated JPEG 2000 codestream", path);
    } else {
        memcpy(values, image->comps[0].data, (size_t)columns * (size_t)rows * sizeof *values);
        coding->precision = (int)image->comps[0].prec;
        coding->is_signed = image->comps[0].sgnd != 0;
    }
    if (image) opj_image_destroy(image);
    if (stream) opj_stream_destroy(stream);
    if (codec) opj_destroy_codec(codec);
    return status;
}
