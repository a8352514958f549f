/* What the variants of the kernel table share. */
#ifndef REPRISE_KERNEL_TABLES_H
#define REPRISE_KERNEL_TABLES_H

#include "reprise/kernels.h"

extern const rp_kernels rp_kernels_ref;
extern const rp_kernels rp_kernels_avx2;
extern const rp_kernels rp_kernels_avx512;

enum {
    RP_COUT = 12,      /* output channels of one register block */
    RP_MAX_LANES = 32, /* input channels of one weight-gradient block, widest table */
    RP_CHUNK = 16,     /* input channels packed at a time */
    RP_TAPS = 27
};

/* How a convolution is cut into tasks: by its shape alone, so that sums do not depend on threads.
 */
typedef struct conv_tiling {
    int depth, rows; /* output voxels of one tile along z and y; x is whole */
    int tiles_z, tiles_y;
    int low, high;  /* halo of the input tile on each side */
    int pitch;      /* floats from row to row of a packed tile */
    size_t flat;    /* room for the outputs of one z: rows * pitch, rounded up to whole steps */
    size_t plane;   /* floats of one packed plane */
    size_t channel; /* floats of one packed channel */
} conv_tiling;

/* For correlations (forward, data gradient) and for weight gradients. */
conv_tiling rp_conv_tiling(rp_conv_kind kind, const int size[3]);
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

#endif
