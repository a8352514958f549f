#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

void rp_text_release(rp_text *text)
{
    rp_free(text->data);
    *text = (rp_text){0};
}

/* Makes room for `more` bytes and the final 0. */
static bool text_reserve(rp_text *text, size_t more)
{
    if (text->failed) return false;
    if (more < text->room - text->length) return true;
    size_t room = 2 * (text->length + more) + 4096;
    char *data = rp_alloc(room, 1);
    if (!data) {
        text->failed = true;
        return false;
    }
    if (text->length) memcpy(data, text->data, text->length);
    rp_free(text->data);
    text->data = data;
    text->room = room;
    return true;
}

void rp_text_bytes(rp_text *text, const void *bytes, size_t count)
{
    if (count == 0 || !text_reserve(text, count)) return;
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = 0;
}

void rp_text_add(rp_text *text, const char *markup)
{
    if (markup) rp_text_bytes(text, markup, strlen(markup));
}

void rp_text_printf(rp_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length > 0 && text_reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

/* Bytes of the well-formed UTF-8 sequence at s (RFC 3629), 0 where there is none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t length = s[0] < 0x80                   ? 1
                    : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
                    : s[0] < 0xE0                 ? 0
                    : s[0] < 0xF0                 ? 3
                    : s[0] < 0xF5                 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if (s[0] == 0xE0 && s[1] < 0xA0) return 0;  /* overlong */
    if (s[0] == 0xED && s[1] >= 0xA0) return 0; /* surrogates */
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;
    if (s[0] == 0xF4 && s[1] >= 0x90) return 0; /* above U+10FFFF */
    return length;
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7F;
}

static void add_foreign(rp_text *text, const char *foreign, bool markup)
{
    const unsigned char *at = (const unsigned char *)foreign;
    while (at && *at) {
        size_t length = utf8_length(at);
        bool bad = length == 0 || (length == 1 && is_control(*at));
        const char *replaced = bad ? "\xEF\xBF\xBD" : length == 1 && markup ? entity(*at) : NULL;
        if (replaced)
            rp_text_add(text, replaced);
        else
            rp_text_bytes(text, at, length);
        at += length ? length : 1;
    }
}

void rp_text_escape(rp_text *text, const char *foreign)
{
    add_foreign(text, foreign, true);
}

void rp_text_plain(rp_text *text, const char *foreign)
{
    add_foreign(text, foreign, false);
}

void rp_text_base64(rp_text *text, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!text_reserve(text, (count + 2) / 3 * 4)) return;
    char *out = text->data + text->length;
    for (size_t i = 0; i < count; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (i + 1 < count) group |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < count) group |= bytes[i + 2];
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = i + 1 < count ? digits[group >> 6 & 63] : '=';
        *out++ = i + 2 < count ? digits[group & 63] : '=';
    }
    *out = 0;
    text->length = (size_t)(out - text->data);
}

void rp_number_words(char *out, size_t room, double value, int decimals, bool plus)
{
    char digits[400];
    const char *sign = "";
    snprintf(digits, sizeof digits, "%.*f", decimals, fabs(value));
    bool zero = strspn(digits, "0.") == strlen(digits);
    if (!zero && value < 0) sign = "\xE2\x88\x92";
    if (!zero && value > 0 && plus) sign = "+";
    if (isfinite(value))
        snprintf(out, room, "%s%s", sign, digits);
    else
        snprintf(out, room, "\xE2\x80\x93");
}

void rp_text_number(rp_text *text, double value, int decimals, bool plus)
{
    char words[410];
    rp_number_words(words, sizeof words, value, decimals, plus);
    rp_text_add(text, words);
}
