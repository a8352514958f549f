#include "reprise/volume.h"

#include <string.h>

static rp_status allocate(const rp_grid *grid, size_t voxel_size, void **data, rp_error *err)
{
    *data = NULL;
    rp_status status = rp_grid_check(grid, err);
    if (status) return status;
    *data = rp_alloc(rp_grid_voxels(grid), voxel_size);
    if (!*data)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a volume of %d x %d x %d voxels",
                       grid->size[0], grid->size[1], grid->size[2]);
    return RP_OK;
}

/* The grid is copied first: it may be a part of the struct that is initialised. */

rp_status rp_image_init(rp_image *image, const rp_grid *grid, rp_error *err)
{
    rp_grid copy = *grid;
    void *data;
    rp_status status = allocate(&copy, sizeof *image->data, &data, err);
    *image = status ? (rp_image){0} : (rp_image){copy, data};
    return status;
}

rp_status rp_mask_init(rp_mask *mask, const rp_grid *grid, rp_error *err)
{
    rp_grid copy = *grid;
    void *data;
    rp_status status = allocate(&copy, sizeof *mask->data, &data, err);
    *mask = status ? (rp_mask){0} : (rp_mask){copy, data};
    return status;
}

rp_status rp_labels_init(rp_labels *labels, const rp_grid *grid, rp_error *err)
{
    rp_grid copy = *grid;
    void *data;
    rp_status status = allocate(&copy, sizeof *labels->data, &data, err);
    *labels = status ? (rp_labels){0} : (rp_labels){copy, data};
    return status;
}

rp_status rp_image_copy(const rp_image *from, rp_image *to, rp_error *err)
{
    rp_status status = rp_image_init(to, &from->grid, err);
    if (!status) memcpy(to->data, from->data, rp_grid_voxels(&from->grid) * sizeof *to->data);
    return status;
}

rp_status rp_mask_copy(const rp_mask *from, rp_mask *to, rp_error *err)
{
    rp_status status = rp_mask_init(to, &from->grid, err);
    if (!status) memcpy(to->data, from->data, rp_grid_voxels(&from->grid));
    return status;
}

void rp_image_release(rp_image *image)
{
    if (!image) return;
    rp_free(image->data);
    *image = (rp_image){0};
}

void rp_mask_release(rp_mask *mask)
{
    if (!mask) return;
    rp_free(mask->data);
    *mask = (rp_mask){0};
}

void rp_labels_release(rp_labels *labels)
{
    if (!labels) return;
    rp_free(labels->data);
    *labels = (rp_labels){0};
}

size_t rp_mask_count(const rp_mask *mask)
{
    size_t count = 0, voxels = rp_grid_voxels(&mask->grid);
    for (size_t i = 0; i < voxels; i++) count += mask->data[i] != 0;
    return count;
}

rp_status rp_labels_select(const rp_labels *labels, int32_t label, rp_mask *out, rp_error *err)
{
    return rp_labels_select_region(labels, &label, 1, out, err);
}

rp_status rp_labels_select_region(const rp_labels *labels, const int32_t *values, size_t count,
                                  rp_mask *out, rp_error *err)
{
    rp_status status = rp_mask_init(out, &labels->grid, err);
    if (status) return status;
    size_t voxels = rp_grid_voxels(&labels->grid);
    for (size_t v = 0; v < count; v++)
        for (size_t i = 0; i < voxels; i++) out->data[i] |= labels->data[i] == values[v];
    return RP_OK;
}

rp_status rp_labels_any(const rp_labels *labels, rp_mask *out, rp_error *err)
{
    rp_status status = rp_mask_init(out, &labels->grid, err);
    if (status) return status;
    size_t voxels = rp_grid_voxels(&labels->grid);
    for (size_t i = 0; i < voxels; i++) out->data[i] = labels->data[i] != 0;
    return RP_OK;
}

bool rp_mask_centroid(const rp_mask *mask, double world_lps[3])
{
    const rp_grid *g = &mask->grid;
    double sum[3] = {0, 0, 0};
    size_t count = 0;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                if (!mask->data[rp_grid_index(g, x, y, z)]) continue;
                sum[0] += x;
                sum[1] += y;
                sum[2] += z;
                count++;
            }
    if (!count) return false;
    for (int a = 0; a < 3; a++) sum[a] /= (double)count;
    rp_grid_to_world(g, sum, world_lps);
    return true;
}

static void include_row(const uint8_t *row, int nx, int y, int z, int low[3], int high[3])
{
    int first = 0, last = nx - 1;
    while (first < nx && !row[first]) first++;
    if (first == nx) return;
    while (!row[last]) last--;
    if (first < low[0]) low[0] = first;
    if (last > high[0]) high[0] = last;
    if (y < low[1]) low[1] = y;
    if (y > high[1]) high[1] = y;
    if (z < low[2]) low[2] = z;
    if (z > high[2]) high[2] = z;
}

bool rp_mask_bounds(const rp_mask *mask, int low[3], int high[3])
{
    const int *size = mask->grid.size;
    for (int a = 0; a < 3; a++) {
        low[a] = size[a];
        high[a] = -1;
    }
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            include_row(mask->data + rp_grid_index(&mask->grid, 0, y, z), size[0], y, z, low, high);
    return high[0] >= 0;
}
