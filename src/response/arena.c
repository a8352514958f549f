#include "arena.h"

#include <stdarg.h>
#include <string.h>

/* Blocks double in size, so that a patient takes one or two and a long history not many. */
struct rp_arena {
    rp_arena *before;
    size_t size, used;
    double bytes[]; /* double, for the alignment */
};

enum { FIRST_BLOCK = 1984, LARGEST_BLOCK = 1 << 20 };

static rp_arena *new_block(rp_arena *before, size_t bytes)
{
    size_t size = before ? 2 * before->size : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < bytes) size = bytes;
    rp_arena *block = rp_alloc(1, sizeof *block + size);
    if (block) *block = (rp_arena){.before = before, .size = size};
    return block;
}

void *arena_take(rp_arena **arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4) return NULL;
    bytes = (bytes + sizeof(double) - 1) / sizeof(double) * sizeof(double);
    if (!*arena || (*arena)->size - (*arena)->used < bytes) {
        rp_arena *block = new_block(*arena, bytes);
        if (!block) return NULL;
        *arena = block;
    }
    void *piece = (char *)(*arena)->bytes + (*arena)->used;
    (*arena)->used += bytes;
    return piece;
}

char *arena_copy(rp_arena **arena, const char *text)
{
    const size_t length = text ? strlen(text) : 0;
    char *copy = arena_take(arena, length + 1, 1);
    if (copy && length) memcpy(copy, text, length);
    return copy;
}

/* Sentences are short: most are formatted once. */
char *arena_format(rp_arena **arena, const char *format, ...)
{
    char first[256];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(first, sizeof first, format, arguments);
    char *text = length < 0 ? NULL : arena_take(arena, (size_t)length + 1, 1);
    if (text && (size_t)length < sizeof first)
        memcpy(text, first, (size_t)length);
    else if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

bool arena_grow(rp_arena **arena, void *items_address, size_t count, size_t size)
{
    enum { FIRST = 4 };
    void **items = items_address;
    const bool full = count == 0 || (count >= FIRST && (count & (count - 1)) == 0);
    if (!full) return true;
    void *more = arena_take(arena, count ? 2 * count : FIRST, size);
    if (!more) return false;
    if (count) memcpy(more, *items, count * size);
    *items = more;
    return true;
}

void arena_free(rp_arena *arena)
{
    while (arena) {
        rp_arena *before = arena->before;
        rp_free(arena);
        arena = before;
    }
}
