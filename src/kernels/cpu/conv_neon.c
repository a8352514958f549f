/* Convolutions for aarch64: 6 x 4 vectors of accumulators in the thirty-two registers. Four vectors
 * along x for each weight keep the loads (10 for 24 multiply-adds) below what the small cores, with
 * one load in a cycle, can deliver. */
#include <arm_neon.h>
#include <stddef.h>

#define VL 4
#define NV 4
#define RB 6
#define TABLE rp_kernels_neon
#define TABLE_NAME "neon"

/* 4 x 4 block: rows (channels) to lanes. Writes the first n positions, 16 lanes apart. */
static inline void transpose_block(const float *rows, size_t stride, float *to, int n)
{
    float32x4_t r0 = vld1q_f32(rows), r1 = vld1q_f32(rows + stride);
    float32x4_t r2 = vld1q_f32(rows + 2 * stride), r3 = vld1q_f32(rows + 3 * stride);
    float32x4x2_t low = vtrnq_f32(r0, r1), high = vtrnq_f32(r2, r3);
    float32x4_t columns[] = {
        vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])),
        vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])),
        vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])),
        vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1])),
    };
    for (int i = 0; i < n; i++) vst1q_f32(to + 16 * i, columns[i]);
}

#include "conv_vector.h"
