/* What the processor can do at best, measured with the vectors of the variant that includes this:
 * multiply-adds that never leave the registers, and a pass over memory that does next to nothing.
 */
#ifdef VL
enum { LIMIT_LANES = VL };
typedef float limit_vec __attribute__((vector_size(4 * VL)));
typedef float limit_stream __attribute__((vector_size(4 * VL), aligned(4), may_alias));
#else
enum { LIMIT_LANES = 4 };
typedef float limit_vec __attribute__((vector_size(16)));
typedef float limit_stream __attribute__((vector_size(16), aligned(4), may_alias));
#endif

/* Independent chains hide the latency of the units: two units of four cycles want eight of them,
 * four units sixteen. Variables of their own, since an array would stay in memory; as many as the
 * registers hold, 32 with AVX-512 and NEON, else 16. */
/* clang-format off */
#if defined(__AVX512F__) || defined(__aarch64__)
#define EVERY_CHAIN(DO)                                                                            \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)                      \
    DO(12) DO(13) DO(14) DO(15) DO(16) DO(17) DO(18) DO(19) DO(20) DO(21) DO(22) DO(23)
enum { CHAINS = 24 };
#else
#define EVERY_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
enum { CHAINS = 12 };
#endif
/* clang-format on */
#define START_CHAIN(i) limit_vec c##i = half + (float)i;
#define TURN_CHAIN(i) c##i = c##i * half + half;
#define ADD_CHAIN(i) sum += c##i;

static double multiply_add(uint64_t rounds)
{
    limit_vec half = 0.5f - (limit_vec){0}, sum = {0};
    EVERY_CHAIN(START_CHAIN)
    for (uint64_t n = 0; n < rounds; n++) {
        EVERY_CHAIN(TURN_CHAIN) /* each tends to 1 */
    }
    EVERY_CHAIN(ADD_CHAIN)
    volatile float kept = sum[0]; /* or nothing would be computed */
    (void)kept;
    return 2.0 * CHAINS * LIMIT_LANES * (double)rounds;
}

static void triad(float *out, const float *a, const float *b, float factor, size_t count)
{
    size_t i = 0;
    for (; i + LIMIT_LANES <= count; i += LIMIT_LANES)
        *(limit_stream *)(out + i) =
            *(const limit_stream *)(a + i) + factor * *(const limit_stream *)(b + i);
    for (; i < count; i++) out[i] = a[i] + factor * b[i];
}
