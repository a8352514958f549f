/* Lesions as they are found: the box of a mask, its measures, and points of it. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { MOST_INNER = 20000, MOST_SURFACE = 1500 };

static rp_status crop(const rp_mask *mask, const int low[3], const int high[3], rp_mask *out,
                      rp_error *err)
{
    rp_grid box = mask->grid;
    const double first[3] = {low[0], low[1], low[2]};
    for (int a = 0; a < 3; a++) box.size[a] = high[a] - low[a] + 1;
    rp_grid_to_world(&mask->grid, first, box.origin);
    rp_status status = rp_mask_init(out, &box, err);
    for (int z = 0; !status && z < box.size[2]; z++)
        for (int y = 0; y < box.size[1]; y++)
            memcpy(out->data + rp_grid_index(&box, 0, y, z),
                   mask->data + rp_grid_index(&mask->grid, low[0], low[1] + y, low[2] + z),
                   (size_t)box.size[0]);
    return status;
}

/* Slices and in-plane indices of the box become those of the image. */
static void place_in_image(rp_lesion *lesion, const int low[3])
{
    rp_point2 *const points[] = {&lesion->long_axis_index[0], &lesion->long_axis_index[1],
                                 &lesion->short_axis_index[0], &lesion->short_axis_index[1]};
    const int across = lesion->slice_axis, first = across == 0 ? 1 : 0,
              second = across == 2 ? 1 : 2;
    lesion->slice_index += low[across];
    lesion->first_slice += low[across];
    lesion->last_slice += low[across];
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        points[i]->x += low[first];
        points[i]->y += low[second];
    }
}

/* Every n-th voxel of a large lesion is then the same one, however the file stores them. */
static rp_status bring_into_order(rp_mask *mask, rp_error *err)
{
    const rp_mask *canonical;
    rp_mask made;
    const rp_status status = rp_mask_canonical(mask, &made, &canonical, err);
    if (status || canonical == mask) return status;
    rp_mask_release(mask);
    *mask = made;
    return RP_OK;
}

rp_status rp_found_make(const rp_mask *mask, const char *name, rp_diameter_definition definition,
                        rp_found *found, rp_error *err)
{
    int low[3], high[3];
    rp_found made = {0};
    if (!rp_mask_bounds(mask, low, high))
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: an empty mask is no lesion", name);
    rp_status status = crop(mask, low, high, &made.mask, err);
    if (!status) status = rp_measure_mask(&made.mask, definition, &made.measured, err);
    if (!status) status = bring_into_order(&made.mask, err);
    if (status) {
        rp_found_release(&made);
        return status;
    }
    place_in_image(&made.measured, low);
    double corner[3] = {0, 0, 0};
    corner[made.measured.slice_axis] = made.measured.slice_index;
    rp_grid_to_world(&mask->grid, corner, made.measured.slice_position_lps);
    snprintf(made.name, sizeof made.name, "%s", name);
    *found = made;
    return RP_OK;
}

void rp_found_release(rp_found *found)
{
    rp_mask_release(&found->mask);
    *found = (rp_found){0};
}

/* ---- points ------------------------------------------------------------------------------ */

static bool inside(const rp_mask *mask, int x, int y, int z)
{
    const int *n = mask->grid.size;
    if (x < 0 || y < 0 || z < 0 || x >= n[0] || y >= n[1] || z >= n[2]) return false;
    return mask->data[rp_grid_index(&mask->grid, x, y, z)];
}

static bool on_surface(const rp_mask *mask, int x, int y, int z)
{
    return !inside(mask, x - 1, y, z) || !inside(mask, x + 1, y, z) || !inside(mask, x, y - 1, z) ||
           !inside(mask, x, y + 1, z) || !inside(mask, x, y, z - 1) || !inside(mask, x, y, z + 1);
}

/* Every n-th voxel inside, of the surface alone or not; only counted where out is NULL. */
static size_t walk(const rp_mask *mask, bool surface, size_t n, double (*out)[3])
{
    size_t met = 0, kept = 0;
    const int *size = mask->grid.size;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[0]; x++) {
                if (!inside(mask, x, y, z) || (surface && !on_surface(mask, x, y, z))) continue;
                if (met++ % n) continue;
                const double index[3] = {x, y, z};
                if (out) rp_grid_to_world(&mask->grid, index, out[kept]);
                kept++;
            }
    return kept;
}

static rp_status collect(const rp_mask *mask, bool surface, size_t most, double (**points)[3],
                         size_t *count, rp_error *err)
{
    const size_t all = walk(mask, surface, 1, NULL);
    const size_t n = all > most ? (all + most - 1) / most : 1;
    *points = rp_alloc((all + n - 1) / n, sizeof **points);
    if (!*points) return rp_fail(err, RP_ERR_MEMORY, "tracking: out of memory");
    *count = walk(mask, surface, n, *points);
    return RP_OK;
}

static double distance(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

rp_status cloud_make(const rp_found *found, cloud *out, rp_error *err)
{
    cloud c = {.mm3 = (double)found->measured.voxels * rp_grid_voxel_mm3(&found->mask.grid)};
    memcpy(c.centre, found->measured.centroid_lps, sizeof c.centre);
    rp_status status = collect(&found->mask, false, MOST_INNER, &c.inner, &c.inner_count, err);
    if (!status)
        status = collect(&found->mask, true, MOST_SURFACE, &c.surface, &c.surface_count, err);
    if (status) {
        cloud_release(&c);
        return status;
    }
    for (size_t i = 0; i < c.surface_count; i++)
        c.radius_mm = fmax(c.radius_mm, distance(c.surface[i], c.centre));
    *out = c;
    return RP_OK;
}

void cloud_release(cloud *c)
{
    rp_free(c->inner);
    rp_free(c->surface);
    *c = (cloud){0};
}
