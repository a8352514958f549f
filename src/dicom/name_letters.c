#include "name_letters.h"

#include <stdbool.h>
#include <string.h>

#include <glib.h>

/* Marks that spelling adds to letters, and characters that are not seen. */
static bool is_mark(gunichar c)
{
    static const gunichar marks[][2] = {{0x300, 0x36F},   {0x591, 0x5C7},   {0x64B, 0x65F},
                                        {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (c >= marks[i][0] && c <= marks[i][1]) return true;
    return g_unichar_type(c) == G_UNICODE_FORMAT;
}

/* Letters that Unicode does not take apart; NULL for others. */
static const char *simple_letters(gunichar c)
{
    static const struct {
        gunichar letter;
        const char *simple;
    } known[] = {{0xE6, "ae"}, {0x153, "oe"}, {0xF8, "o"},  {0xF0, "d"},
                 {0x111, "d"}, {0xFE, "th"},  {0x142, "l"}, {0x131, "i"},
                 {0x127, "h"}, {0x14B, "n"},  {0x167, "t"}, {0x180, "b"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].letter == c) return known[i].simple;
    return NULL;
}

static size_t add_folded(gunichar c, uint32_t *letters, size_t count)
{
    const char *simple = simple_letters(c);
    if (is_mark(c)) return count;
    for (; simple && *simple && count < NAME_MOST_LETTERS; simple++)
        letters[count++] = (uint32_t)*simple;
    if (simple || count == NAME_MOST_LETTERS) return count;
    if (g_unichar_isdigit(c)) c = '0' + (gunichar)g_unichar_digit_value(c);
    if (c >= 0x30A1 && c <= 0x30F6) c -= 0x60; /* katakana to hiragana */
    letters[count++] = c;
    return count;
}

size_t name_fold(uint32_t code, uint32_t letters[NAME_MOST_LETTERS])
{
    char text[8] = {0};
    size_t count = 0;
    if (code < 0x80) {
        letters[0] = code >= 'A' && code <= 'Z' ? code + 'a' - 'A' : code;
        return 1;
    }
    g_unichar_to_utf8(code, text);
    char *split = g_utf8_normalize(text, -1, G_NORMALIZE_ALL);
    char *folded = g_utf8_casefold(split ? split : "", -1);
    char *again = g_utf8_normalize(folded, -1, G_NORMALIZE_ALL);
    for (const char *c = again ? again : ""; *c; c = g_utf8_next_char(c))
        count = add_folded(g_utf8_get_char(c), letters, count);
    g_free(again);
    g_free(folded);
    g_free(split);
    return count;
}

static name_kind kind_of_ascii(uint32_t code)
{
    if (g_ascii_isalnum((char)code)) return NAME_LETTER;
    if (code == '?') return NAME_UNREADABLE;
    return strchr("'`.\"*", (int)code) ? NAME_NOTHING : NAME_SEPARATOR;
}

name_kind name_kind_of(uint32_t code)
{
    if (code >= 0xff01 && code <= 0xff5e) code -= 0xfee0; /* full width */
    if (code < 0x80) return kind_of_ascii(code);
    if (code == 0xa0 || code == 0x3000 || code == 0xb7 || code == 0x30fb || code == 0xff65 ||
        (code >= 0x2000 && code <= 0x200a) || (code >= 0x2010 && code <= 0x2015))
        return NAME_SEPARATOR;
    if (code == 0xd7 || code == 0xf7 || (code >= 0x2b9 && code <= 0x2bf) ||
        (code >= 0x2018 && code <= 0x201f) || is_mark(code))
        return NAME_NOTHING;
    return code < 0xc0 || code == 0xfffd ? NAME_UNREADABLE : NAME_LETTER;
}

uint64_t name_script(uint32_t letter)
{
    const GUnicodeScript script = g_unichar_get_script(letter);
    const bool shared = script == G_UNICODE_SCRIPT_COMMON || script == G_UNICODE_SCRIPT_INHERITED;
    return shared || script < 0 ? 0 : (uint64_t)1 << ((unsigned)script % 64);
}
