/* What the variants of the kernel table share. */
#ifndef REPRISE_KERNEL_TABLES_H
#define REPRISE_KERNEL_TABLES_H

#include "reprise/kernels.h"

extern const rp_kernels rp_kernels_ref;
extern const rp_kernels rp_kernels_avx2;
extern const rp_kernels rp_kernels_avx512;
extern const rp_kernels rp_kernels_neon;

enum {
    RP_COUT = 12,      /* output channels of one register block */
    RP_MAX_LANES = 32, /* input channels of one weight-gradient block, widest table */
    RP_CHUNK = 16,     /* channels packed at a time for 3x3x3 */
    RP_TAPS = 27,
    RP_WINO = 4,                                    /* outputs of a Winograd tile along z and y */
    RP_WINO_POINTS = (RP_WINO + 2) * (RP_WINO + 2), /* products it takes, for each tap along x */
    RP_PACKED_TAPS = 3 * RP_WINO_POINTS,            /* at most, of one packed pair of channels */
    RP_RUN = 144, /* positions of a run of points in the weight gradient, with room for a vector */
    RP_GRADIENT_RUN = 1296 /* positions of a whole tile of it, where taps go one by one */
};

/* How a convolution is cut into tasks: by its shape alone, so that sums do not depend on threads.
 */
typedef struct conv_tiling {
    bool wino;              /* by Winograd's algorithm */
    int chunk;              /* source channels packed at a time */
    int width, rows, depth; /* output voxels of one tile along x, y and z */
    int tiles_x, tiles_y, tiles_z;
    int low, high;  /* halo of the input tile on each side */
    int pitch;      /* floats from row to row of a packed tile */
    size_t plane;   /* floats of one packed plane */
    size_t channel; /* floats of one packed channel */
    /* Winograd's points of a chunk: [point][channel][run of positions] */
    size_t point_channel, point_stride;
    /* and their products: [point][12 results][run] */
    size_t product_run, product_stride;
    int acc_pitch; /* a block of results: [12][depth][rows of acc_pitch, flat in all] */
    size_t flat, acc_block;
    size_t
        lane_stride; /* weight gradient: points with channels in the lanes, [point][run][lanes] */
    size_t points_at, products_at, lanes_at, acc_at, floats; /* in a worker's memory; all of it */
} conv_tiling;

/* For correlations (forward, data gradient), and for weight gradients. */
conv_tiling rp_conv_tiling(rp_conv_kind kind, const int size[3], int sources, int results);
conv_tiling rp_conv_weight_tiling(rp_conv_kind kind, const int size[3]);
/* Partial sums of the weight gradient along the tiles: a number that the shape alone decides. */
int rp_conv_weight_slabs(const conv_tiling *tiling);
/* Floats of scratch of one worker, packed weights, and reductions, in this order. */
size_t rp_conv_worker_floats(const rp_conv_shape *shape);
size_t rp_conv_packed_floats(const rp_conv_shape *shape);

static inline int rp_ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* A convolution without neighbours sees its volume as one row, as long as its length can be
 * counted. */
static inline rp_conv_shape rp_conv_flatten(rp_conv_shape shape)
{
    double voxels = (double)shape.size[0] * shape.size[1] * shape.size[2];
    if (shape.kind == RP_CONV_POINT && voxels < 1 << 30) {
        shape.size[0] = (int)voxels;
        shape.size[1] = shape.size[2] = 1;
    }
    return shape;
}

static inline size_t rp_tile_count(const conv_tiling *t)
{
    return (size_t)t->tiles_x * (size_t)t->tiles_y * (size_t)t->tiles_z;
}

#endif
