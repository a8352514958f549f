#include "reprise/base.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, LARGE_BLOCK = 8 << 20 };

/* Counts down to the allocation that fails; 0 means that the hook is off. */
static atomic_long allocations_left;

void rp_test_fail_allocation(long n)
{
    atomic_store(&allocations_left, n);
}

static bool hook_fails(void)
{
    if (atomic_load_explicit(&allocations_left, memory_order_relaxed) == 0) return false;
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

/* A large block asks for large pages, before zeroing brings the first ones. The rows that a tile of
 * the network touches lie far apart, nearly each in a page of its own: with 512 times as many bytes
 * to a page, the processor's table of recent pages covers them, which gains 2 to 5% of a training
 * step. Where the system refuses, nothing is lost. */
static void ask_for_huge_pages(void *block, size_t bytes)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    (void)madvise(block, bytes, MADV_HUGEPAGE);
#else
    (void)block;
    (void)bytes;
#endif
}

void *rp_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (hook_fails() || __builtin_mul_overflow(count, size, &bytes)) return NULL;
    if (bytes > SIZE_MAX - HUGE_PAGE) return NULL;
    bool large = bytes >= LARGE_BLOCK;
    size_t alignment = large ? HUGE_PAGE : ALIGNMENT;
    /* aligned_alloc wants whole multiples. What is not zeroed need never become real memory. */
    size_t used = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    size_t rounded = (used + alignment - 1) / alignment * alignment;
    void *block = aligned_alloc(alignment, rounded);
    if (block && large) ask_for_huge_pages(block, rounded);
    if (block) memset(block, 0, used);
    return block;
}

void *rp_alloc_small(size_t count, size_t size)
{
    size_t bytes;
    if (hook_fails() || __builtin_mul_overflow(count, size, &bytes)) return NULL;
    void *block = malloc(bytes ? bytes : 1);
    if (block) memset(block, 0, bytes);
    return block;
}

void rp_free(void *block)
{
    free(block);
}

char *rp_strdup(const char *text)
{
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = rp_alloc(size, 1);
    if (copy) memcpy(copy, text, size);
    return copy;
}

char *rp_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : rp_alloc((size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
