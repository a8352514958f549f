#include "name_letters.h"

#include <stddef.h>
#include <string.h>

/* Base letters of U+00C0 to U+017F; '*' is no letter. The ligatures count as their first letter,
 * for AE, OE are folded to it as well. */
static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOO*OUUUUYTSAAAAAAACEEEEIIIIDNOOOOO*OUUUUYTY"
                            "AAAAAACCCCCCCCDDDDEEEEEEEEEEGGGGGGGGHHHHIIIIIIIIIIIIJJKKKLLLLLLLLLL"
                            "NNNNNNNNNOOOOOOOORRRRRRSSSSSSSSTTTTTTUUUUUUUUUUUUWWYYYZZZZZZS";

typedef struct range {
    uint32_t first, last, to;
} range;

static const range more_latin[] = {
    {0x1a0, 0x1a1, 'O'},   {0x1af, 0x1b0, 'U'},   {0x218, 0x219, 'S'},   {0x21a, 0x21b, 'T'},
    {0x1e9e, 0x1e9e, 'S'}, {0x1ea0, 0x1eb7, 'A'}, {0x1eb8, 0x1ec7, 'E'}, {0x1ec8, 0x1ecb, 'I'},
    {0x1ecc, 0x1ee3, 'O'}, {0x1ee4, 0x1ef1, 'U'}, {0x1ef2, 0x1ef9, 'Y'}};
/* Letters with an accent that another form writes as a mark of its own. */
static const range marked[] = {{0x386, 0x386, 0x391}, {0x388, 0x388, 0x395}, {0x389, 0x389, 0x397},
                               {0x38a, 0x38a, 0x399}, {0x38c, 0x38c, 0x39f}, {0x38e, 0x38e, 0x3a5},
                               {0x38f, 0x38f, 0x3a9}, {0x3ac, 0x3ac, 0x391}, {0x3ad, 0x3ad, 0x395},
                               {0x3ae, 0x3ae, 0x397}, {0x3af, 0x3af, 0x399}, {0x3cc, 0x3cc, 0x39f},
                               {0x3cd, 0x3cd, 0x3a5}, {0x3ce, 0x3ce, 0x3a9}, {0x3c2, 0x3c2, 0x3a3},
                               {0x401, 0x401, 0x415}, {0x407, 0x407, 0x406}, {0x419, 0x419, 0x418},
                               {0x439, 0x439, 0x418}, {0x451, 0x451, 0x415}, {0x457, 0x457, 0x406}};

static uint32_t look_up(const range *list, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= list[i].first && code <= list[i].last) return list[i].to;
    return 0;
}

#define LOOK_UP(list, code) look_up(list, sizeof(list) / sizeof *(list), code)

static name_kind fold_ascii(uint32_t code, uint32_t *letter)
{
    const uint32_t upper = code >= 'a' && code <= 'z' ? code - 'a' + 'A' : code;
    *letter = upper;
    if ((upper >= 'A' && upper <= 'Z') || (upper >= '0' && upper <= '9')) return NAME_LETTER;
    if (code == '?') return NAME_UNREADABLE;
    return strchr("'`.\"*", (int)code) ? NAME_NOTHING : NAME_SEPARATOR;
}

name_kind name_fold(uint32_t code, uint32_t *letter)
{
    if (code >= 0xff01 && code <= 0xff5e) code -= 0xfee0; /* full width */
    if (code < 0x80) return fold_ascii(code, letter);
    if (code == 0xa0 || code == 0x3000 || code == 0xb7 || code == 0x30fb ||
        (code >= 0x2000 && code <= 0x2015))
        return NAME_SEPARATOR;
    if ((code >= 0x300 && code <= 0x36f) || (code >= 0x2018 && code <= 0x201f)) return NAME_NOTHING;
    if (code < 0xc0 || code == 0xfffd) return NAME_UNREADABLE;
    *letter = LOOK_UP(more_latin, code);
    if (!*letter) *letter = LOOK_UP(marked, code);
    if (code < 0x180) *letter = (uint32_t)latin[code - 0xc0];
    if (*letter == '*') return NAME_NOTHING;
    if (!*letter && code >= 0x3b1 && code <= 0x3c9) *letter = code - 0x20;
    if (!*letter && code >= 0x430 && code <= 0x44f) *letter = code - 0x20;
    if (!*letter && code >= 0x450 && code <= 0x45f) *letter = code - 0x50;
    if (!*letter) *letter = code;
    return NAME_LETTER;
}

unsigned name_script(uint32_t letter)
{
    enum { LATIN = 1, GREEK = 2, CYRILLIC = 4, REST = 8 };
    if (letter >= '0' && letter <= '9') return 0;
    if (letter < 0x250 || (letter >= 0x1e00 && letter < 0x1f00)) return LATIN;
    if (letter < 0x400) return GREEK;
    return letter < 0x530 ? CYRILLIC : REST;
}
