/* The 48 orders in which files store one patient. */
#ifndef REPRISE_TEST_ORDERS_H
#define REPRISE_TEST_ORDERS_H

#include "test.h"

#include "reprise/volume.h"

enum { ORDERS = 48 };

static const int order_axes[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* Axis of the given grid that is axis s of the stored one, and whether it is turned round. */
static inline int order_axis(int order, int s)
{
    return order_axes[order / 8][s];
}

static inline bool order_turned(int order, int s)
{
    return order >> s & 1;
}

/* The same voxels in another order; the origin is rounded as NIfTI rounds it. Order 0 is the grid
 * itself but for that. */
static inline rp_grid order_grid(const rp_grid *grid, int order)
{
    rp_grid out;
    double first[3], origin[3];
    for (int s = 0; s < 3; s++) {
        const int a = order_axis(order, s);
        out.size[s] = grid->size[a];
        out.spacing[s] = grid->spacing[a];
        first[a] = order_turned(order, s) ? grid->size[a] - 1 : 0;
        for (int r = 0; r < 3; r++)
            out.direction[r][s] = (order_turned(order, s) ? -1 : 1) * grid->direction[r][a];
    }
    rp_grid_to_world(grid, first, origin);
    for (int r = 0; r < 3; r++) out.origin[r] = (double)(float)origin[r];
    return out;
}

/* Element of the array of `grid` that stored voxel x, y, z is. */
static inline size_t order_source(const rp_grid *grid, int order, int x, int y, int z)
{
    const int stored[3] = {x, y, z};
    int at[3];
    for (int s = 0; s < 3; s++) {
        const int a = order_axis(order, s);
        at[a] = order_turned(order, s) ? grid->size[a] - 1 - stored[s] : stored[s];
    }
    return rp_grid_index(grid, at[0], at[1], at[2]);
}

static inline rp_image order_image(const rp_image *image, int order)
{
    rp_error err;
    rp_image out;
    const rp_grid grid = order_grid(&image->grid, order);
    size_t i = 0;
    assert_ok(rp_image_init(&out, &grid, &err), err);
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            for (int x = 0; x < grid.size[0]; x++)
                out.data[i++] = image->data[order_source(&image->grid, order, x, y, z)];
    return out;
}

static inline rp_mask order_mask(const rp_mask *mask, int order)
{
    rp_error err;
    rp_mask out;
    const rp_grid grid = order_grid(&mask->grid, order);
    size_t i = 0;
    assert_ok(rp_mask_init(&out, &grid, &err), err);
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            for (int x = 0; x < grid.size[0]; x++)
                out.data[i++] = mask->data[order_source(&mask->grid, order, x, y, z)];
    return out;
}

#endif
