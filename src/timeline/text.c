#include "text.h"

#include <stdarg.h>
#include <string.h>

static bool make_room(text *t, size_t more)
{
    if (t->room - t->length > more) return true;
    const size_t room = 2 * (t->room + more) + 256;
    char *data = t->failed ? NULL : rp_alloc(room, 1);
    if (!data) {
        t->failed = true;
        return false;
    }
    if (t->length) memcpy(data, t->data, t->length);
    rp_free(t->data);
    t->data = data;
    t->room = room;
    return true;
}

void text_add(text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && make_room(t, (size_t)length + 1)) {
        vsnprintf(t->data + t->length, (size_t)length + 1, format, again);
        t->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

size_t text_width(const char *word)
{
    size_t width = 0;
    for (; *word; word++) width += ((unsigned char)*word & 0xC0) != 0x80;
    return width;
}

void text_left(text *t, const char *word, size_t columns)
{
    const size_t width = text_width(word);
    text_add(t, "%s%*s", word, width < columns ? (int)(columns - width) : 0, "");
}

void text_right(text *t, const char *word, size_t columns)
{
    const size_t width = text_width(word);
    text_add(t, "%*s%s", width < columns ? (int)(columns - width) : 0, "", word);
}
