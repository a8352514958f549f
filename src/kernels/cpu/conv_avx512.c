/* Convolutions for AVX-512: 12 x 2 vectors of accumulators, weights broadcast from memory. */
#include <immintrin.h>
#include <stddef.h>

#define VL 16
#define NV 2
#define RB 12
#define TABLE rp_kernels_avx512
#define TABLE_NAME "avx512"

/* 16 x 16 block: rows (channels) to lanes. Writes the first n positions, 32 lanes apart. */
static inline void transpose_block(const float *rows, size_t stride, float *to, int n)
{
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(rows + (size_t)i * stride);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            __m512d p = _mm512_castps_pd(b[i + j]), q = _mm512_castps_pd(b[i + j + 2]);
            a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q));
            a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
        }
    /* a[4g+c] holds column c of each 4-lane group for rows 4g..4g+3 */
    for (int c = 0; c < 4; c++) {
        __m512 t0 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
        __m512 t1 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
        __m512 t2 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        __m512 t3 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
        b[c] = _mm512_shuffle_f32x4(t0, t2, 0x88);
        b[8 + c] = _mm512_shuffle_f32x4(t0, t2, 0xdd);
        b[4 + c] = _mm512_shuffle_f32x4(t1, t3, 0x88);
        b[12 + c] = _mm512_shuffle_f32x4(t1, t3, 0xdd);
    }
    if (n == 16)
        for (int i = 0; i < 16; i++) _mm512_storeu_ps(to + 32 * i, b[i]);
    else
        for (int i = 0; i < n; i++) _mm512_storeu_ps(to + 32 * i, b[i]);
}

#include "conv_vector.h"
