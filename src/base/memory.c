#include "reprise/base.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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

void *rp_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (hook_fails() || __builtin_mul_overflow(count, size, &bytes)) return NULL;
    if (bytes > SIZE_MAX - 64) return NULL;
    size_t rounded = (bytes + 63) / 64 * 64;
    if (rounded == 0) rounded = 64;
    void *block = aligned_alloc(64, rounded);
    if (block) memset(block, 0, rounded);
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
