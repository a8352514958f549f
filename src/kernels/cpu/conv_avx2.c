/* Convolutions for AVX2 and FMA: 4 x 3 vectors of accumulators in the sixteen registers. */
#include <immintrin.h>
#include <stddef.h>

#define VL 8
#define NV 3
#define RB 4
#define TABLE rp_kernels_avx2
#define TABLE_NAME "avx2"

/* 8 x 8 block: rows (channels) to lanes. Writes the first n positions, 24 lanes apart. */
static inline void transpose_block(const float *rows, size_t stride, float *to, int n)
{
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(rows + (size_t)i * stride);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            __m256d p = _mm256_castps_pd(b[i + j]), q = _mm256_castps_pd(b[i + j + 2]);
            a[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(p, q));
            a[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(p, q));
        }
    for (int c = 0; c < 4; c++) {
        b[c] = _mm256_permute2f128_ps(a[c], a[4 + c], 0x20);
        b[4 + c] = _mm256_permute2f128_ps(a[c], a[4 + c], 0x31);
    }
    for (int i = 0; i < n; i++) _mm256_storeu_ps(to + 24 * i, b[i]);
}

#include "conv_vector.h"
