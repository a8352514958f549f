/* What a terminal may be shown of a text. */
#include "reprise/base.h"

#include <string.h>

size_t rp_text_character(const char *text, size_t length, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char first = length ? (unsigned char)*text : 0;
    const size_t size = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                                       : 4;
    *code = RP_TEXT_INVALID;
    if (!length) return 0;
    if (size == 1) *code = first;
    if (size < 2 || first > 0xF4) return 1;
    uint32_t value = first & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if (i == length) return 0;
        if (((unsigned char)text[i] & 0xC0) != 0x80) return 1;
        value = value << 6 | ((unsigned char)text[i] & 0x3F);
    }
    if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 1;
    *code = value;
    return size;
}

/* What moves the cursor, changes the direction of what follows, or hides in a line. */
static bool is_harmful(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200E, 0x200F}, {0x2028, 0x202E},
        {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xFFFE, 0xFFFF}, {0xE0000, 0xE007F},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    return false;
}

size_t rp_text_show(char to[RP_TEXT_SHOWN], const char *text, size_t length)
{
    uint32_t code;
    const size_t size = rp_text_character(text, length, &code);
    if (code == RP_TEXT_INVALID && size) {
        snprintf(to, RP_TEXT_SHOWN, "\\x%02x", (unsigned)(unsigned char)*text);
    } else if (is_harmful(code) && code > 0xFFFF) { /* as JSON writes it */
        snprintf(to, RP_TEXT_SHOWN, "\\u%04x\\u%04x", 0xD7C0u + (code >> 10),
                 0xDC00u | (code & 0x3FF));
    } else if (is_harmful(code)) {
        snprintf(to, RP_TEXT_SHOWN, "\\u%04x", code);
    } else {
        memcpy(to, text, size);
        to[size] = 0;
    }
    return size;
}

size_t rp_text_printable(char *to, size_t size, const char *text)
{
    const size_t length = strlen(text);
    size_t used = 0;
    bool cut = false;
    if (size > 0) *to = 0;
    for (size_t at = 0; at < length;) {
        char shown[RP_TEXT_SHOWN];
        /* A character that the text's end cuts off is shown byte by byte. */
        size_t step = rp_text_show(shown, text + at, length - at);
        if (!step) {
            snprintf(shown, sizeof shown, "\\x%02x", (unsigned)(unsigned char)text[at]);
            step = 1;
        }
        const size_t more = strlen(shown);
        cut = cut || (size > 0 && used + more >= size);
        if (size > 0 && !cut) memcpy(to + used, shown, more);
        if (size > 0 && !cut) to[used + more] = 0;
        used += more;
        at += step;
    }
    return used;
}
