/**
 * @file kernels.h
 * The kernel table: everything of the network that walks over voxels. It starts as plain C and is
 * upgraded at start-up to what the processor offers; callers never know which one runs.
 *
 * Tensors are planar: [channel][z][y][x], float32, planes next to one another, so that a block's
 * stack is one buffer and a concatenation copies nothing. Sizes are ordered x, y, z.
 * No kernel allocates: scratch memory is the caller's `workspace`.
 */
#ifndef REPRISE_KERNELS_H
#define REPRISE_KERNELS_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_conv_kind {
    RP_CONV_POINT, /**< 1x1x1; weight [out][in] */
    RP_CONV_SAME,  /**< 3x3x3, padding 1; weight [out][in][3][3][3] */
    RP_CONV_UP     /**< transposed 3x3x3, stride 2, padding 1, output padding 1: doubles each extent;
                        weight [in][out][3][3][3] */
} rp_conv_kind;

typedef struct rp_conv_shape {
    rp_conv_kind kind;
    int in_channels, out_channels;
    int size[3]; /**< of the input; RP_CONV_UP's output has twice each */
} rp_conv_shape;

/** Normalisation and ReLU that ride on the input: a = max(0, scale[c] * x + shift[c]). All NULL: the
 *  input is taken as it is. mean and rstd are needed by the data gradient only. */
typedef struct rp_conv_norm {
    const float *scale, *shift, *mean, *rstd; /**< per input channel */
} rp_conv_norm;

typedef struct rp_conv_forward {
    rp_conv_shape shape;
    const float *input;
    rp_conv_norm norm;
    const float *weight, *bias; /**< PyTorch's layout; bias per output channel */
    const float *keep;          /**< factor per output channel (dropout); NULL: 1 */
    float *output;              /**< overwritten with keep * (conv + bias) */
    void *workspace;
} rp_conv_forward;

/**
 * With g the gradient of the loss by the convolution's output and d = conv^T g:
 *  - without norm: grad_input (+)= d;
 *  - with norm: dy = d where scale * x + shift > 0, else 0; grad_input (+)= scale * dy;
 *    sum_dy[c] = sum of dy and sum_dy_xhat[c] = sum of dy * (x - mean) * rstd, from which the caller
 *    gets the gradients of the norm and the two remaining terms of its input's gradient.
 */
typedef struct rp_conv_data_gradient {
    rp_conv_shape shape;
    const float *grad_output, *weight;
    const float *input; /**< the forward's; used with norm only */
    rp_conv_norm norm;
    bool accumulate;
    float *grad_input;
    double *sum_dy, *sum_dy_xhat; /**< per input channel, overwritten; used with norm only */
    void *workspace;
} rp_conv_data_gradient;

typedef struct rp_conv_weight_gradient {
    rp_conv_shape shape;
    const float *input;
    rp_conv_norm norm;
    const float *grad_output;
    float *grad_weight; /**< overwritten, in the weight's layout */
    void *workspace;
} rp_conv_weight_gradient;

/** Gradient of channels whose consumers have all added to `gradient`: in place
 *  g = keep[c] * (g + offset[c] + slope[c] * (x - mean[c])); sum[c] receives the sum over voxels. */
typedef struct rp_finish_gradient {
    int channels;
    size_t voxels;
    const float *x;
    const float *mean, *offset, *slope; /**< per channel */
    const float *keep;                  /**< NULL: 1 */
    float *gradient;
    double *sum;
} rp_finish_gradient;

typedef struct rp_kernels {
    const char *name;
    void (*conv_forward)(const rp_conv_forward *op);
    void (*conv_data_gradient)(const rp_conv_data_gradient *op);
    void (*conv_weight_gradient)(const rp_conv_weight_gradient *op);
    /** Mean and biased variance of each channel, float64 sums. */
    void (*channel_statistics)(const float *x, int channels, size_t voxels, double *mean,
                               double *variance);
    void (*finish_gradient)(const rp_finish_gradient *op);
    /** 2x2x2 maximum; size is the input's, even. choice holds 0..7 (z, y, x bits) of the first maximum
     *  in memory order; may be NULL. */
    void (*max_pool)(const float *input, int channels, const int size[3], float *output,
                     uint8_t *choice);
    /** grad_input = keep[c] * grad_output at the chosen voxel, 0 elsewhere; size is the input's. */
    void (*max_unpool)(const float *grad_output, const uint8_t *choice, const float *keep,
                       int channels, const int size[3], float *grad_input);
    /** One Adam step (Kingma and Ba 2015, as PyTorch computes it). */
    void (*adam)(float *value, const float *gradient, float *first, float *second, size_t count,
                 double learning_rate, uint64_t step);
    /** What the processor can do at best, on the calling thread. multiply_add keeps independent chains
     *  of float32 multiply-adds in the table's vector registers and returns the flops done, two for
     *  each; triad is STREAM's: out = a + factor * b (McCalpin 1995). */
    double (*multiply_add)(uint64_t rounds);
    void (*triad)(float *out, const float *a, const float *b, float factor, size_t count);
} rp_kernels;

/** The table in use; never NULL. The first call chooses the best for this processor. */
const rp_kernels *rp_kernels_get(void);
/** "ref", "avx2", "avx512", "neon" or NULL for the best. RP_ERR_UNSUPPORTED names what this machine
 * has. */
rp_status rp_kernels_select(const char *name, rp_error *err);
/** Tables that this processor can run, the best last; returns how many. */
int rp_kernels_available(const rp_kernels *tables[], int room);

/** Bytes of workspace that serve all three operations on this shape with `workers` threads, for any
 *  table. */
size_t rp_conv_workspace_bytes(const rp_conv_shape *shape, int workers);

#ifdef __cplusplus
}
#endif
#endif
