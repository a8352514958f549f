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

/* Names and notes come from files: what would break a line or do more than that is shown. */
static void add_shown(text *t, const char *piece)
{
    const size_t length = rp_text_printable(NULL, 0, piece);
    if (!make_room(t, length + 1)) return;
    rp_text_printable(t->data + t->length, length + 1, piece);
    t->length += length;
}

void text_add(text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    RP_AUTOFREE char *piece = length < 0 ? NULL : rp_alloc((size_t)length + 1, 1);
    if (piece) {
        vsnprintf(piece, (size_t)length + 1, format, again);
        /* The line ends of the format itself stand at its end. */
        size_t ends = 0;
        for (const char *c = format + strlen(format); c > format && c[-1] == '\n'; c--) ends++;
        piece[(size_t)length - ends] = '\0';
        add_shown(t, piece);
        for (; ends > 0 && make_room(t, 1); ends--) t->data[t->length++] = '\n';
    } else {
        t->failed = true;
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
