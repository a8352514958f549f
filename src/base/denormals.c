#include "reprise/base.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* MXCSR: a result that is denormal becomes 0 (bit 15), an operand that is one counts as 0 (bit 6).
 */
enum { FLUSH = 1 << 15 | 1 << 6 };

uint64_t rp_denormals_flush(void)
{
    const uint64_t state = _mm_getcsr();
    _mm_setcsr((unsigned)state | FLUSH);
    return state;
}

void rp_denormals_restore(uint64_t state)
{
    _mm_setcsr((unsigned)state);
}

#elif defined(__aarch64__)

/* FPCR's FZ covers operands and results of float32 and float64. */
static const uint64_t flush = (uint64_t)1 << 24;

static void set_control(uint64_t state)
{
    __asm__ volatile("msr fpcr, %0" ::"r"(state));
}

uint64_t rp_denormals_flush(void)
{
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    set_control(state | flush);
    return state;
}

void rp_denormals_restore(uint64_t state)
{
    set_control(state);
}

#else

uint64_t rp_denormals_flush(void)
{
    return 0;
}

void rp_denormals_restore(uint64_t state)
{
    (void)state;
}

#endif
