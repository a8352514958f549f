#include "gzip.h"
#include "nifti_internal.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static bool wants_gzip(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && !strcasecmp(path + length - 3, ".gz");
}

static rp_status write_plain(const char *path, const uint8_t *header, size_t header_size,
                             const void *data, size_t size, rp_error *err)
{
    rp_outfile *out = NULL;
    rp_status status = rp_outfile_create(path, &out, err);
    if (!status) status = rp_outfile_write(out, header, header_size, err);
    if (!status) status = rp_outfile_write(out, data, size, err);
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}

static rp_status write_gzip(const char *path, const uint8_t *header, size_t header_size,
                            const void *data, size_t size, rp_error *err)
{
    uint8_t *packed = NULL, *plain = rp_alloc(header_size + size, 1);
    size_t packed_size = 0;
    if (!plain) return rp_fail(err, RP_ERR_MEMORY, "%s: no memory for %zu bytes", path, size);
    memcpy(plain, header, header_size);
    memcpy(plain + header_size, data, size);
    rp_status status = rp_gzip(path, plain, header_size + size, &packed, &packed_size, err);
    rp_free(plain);
    if (!status) status = rp_file_write(path, packed, packed_size, err);
    rp_free(packed);
    return status;
}

static rp_status write_voxels(const char *path, const rp_grid *grid, int datatype, const void *data,
                              const char *comment, rp_error *err)
{
    rp_status status = rp_grid_check(grid, err);
    if (status) return rp_fail_in(err, status, "%s", path);
    if (comment && strlen(comment) > RP_NIFTI_COMMENT_MAX)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: a comment of %zu bytes is too long", path,
                       strlen(comment));
    const size_t extension = comment ? rp_nifti_comment_encode(comment, NULL) : 0;
    RP_AUTOFREE uint8_t *header = rp_alloc(RP_NIFTI_HEADER_MAX + extension, 1);
    if (!header) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    size_t header_size = rp_nifti_header_encode(grid, datatype, extension, header);
    if (comment) header_size += rp_nifti_comment_encode(comment, header + header_size);
    size_t size = rp_grid_voxels(grid) * rp_nifti_voxel_bytes(datatype);
    return wants_gzip(path) ? write_gzip(path, header, header_size, data, size, err)
                            : write_plain(path, header, header_size, data, size, err);
}

/* A reader would refuse them, and so does ours. */
static rp_status check_finite(const char *path, const rp_image *image, rp_error *err)
{
    size_t bad = 0, voxels = rp_grid_voxels(&image->grid);
    for (size_t i = 0; i < voxels; i++) bad += !isfinite(image->data[i]);
    if (bad == 0) return RP_OK;
    return rp_fail(err, RP_ERR_NUMERIC, "%s: not written: %zu of %zu voxels are NaN or infinite",
                   path, bad, voxels);
}

rp_status rp_nifti_write_image(const char *path, const rp_image *image, const char *comment,
                               rp_error *err)
{
    rp_status status = check_finite(path, image, err);
    if (status) return status;
    return write_voxels(path, &image->grid, RP_NIFTI_FLOAT32, image->data, comment, err);
}

rp_status rp_nifti_write_image_int16(const char *path, const rp_image *image, const char *comment,
                                     rp_error *err)
{
    rp_status status = check_finite(path, image, err);
    if (status) return status;
    size_t voxels = rp_grid_voxels(&image->grid);
    RP_AUTOFREE int16_t *data = rp_alloc(voxels, sizeof *data);
    if (!data) return rp_fail(err, RP_ERR_MEMORY, "%s: no memory for %zu voxels", path, voxels);
    for (size_t i = 0; i < voxels; i++)
        data[i] = (int16_t)rintf(fminf(fmaxf(image->data[i], INT16_MIN), INT16_MAX));
    return write_voxels(path, &image->grid, RP_NIFTI_INT16, data, comment, err);
}

rp_status rp_nifti_write_mask(const char *path, const rp_mask *mask, const char *comment,
                              rp_error *err)
{
    return write_voxels(path, &mask->grid, RP_NIFTI_UINT8, mask->data, comment, err);
}

rp_status rp_nifti_write_labels(const char *path, const rp_labels *labels, const char *comment,
                                rp_error *err)
{
    return write_voxels(path, &labels->grid, RP_NIFTI_INT32, labels->data, comment, err);
}
