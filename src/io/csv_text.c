/* What a table's bytes are. */
#include "csv_internal.h"

#include <string.h>
#include <strings.h>

/* ---- UTF-16 ------------------------------------------------------------------------------ */

typedef struct units {
    const uint8_t *bytes;
    size_t count;
    bool big; /* the high byte comes first */
} units;

static uint32_t unit_at(const units *u, size_t i)
{
    const uint8_t *b = u->bytes + 2 * i;
    return u->big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

/* By the mark, or without one by the zero that every second byte of plain letters is. */
static bool find_units(const uint8_t *text, size_t size, units *u)
{
    const bool little = size >= 2 && text[0] == 0xFF && text[1] == 0xFE;
    const bool big = size >= 2 && text[0] == 0xFE && text[1] == 0xFF;
    const bool marked = little || big;
    const bool plain = size >= 4 && !marked && size % 2 == 0 && (!text[0] == !text[2]) &&
                       (!text[1] == !text[3]) && !text[0] != !text[1];
    *u = (units){text + (marked ? 2 : 0), (size - (marked ? 2 : 0)) / 2,
                 marked ? big : plain && !text[0]};
    return marked || plain;
}

static size_t put_utf8(uint32_t code, uint8_t *to)
{
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xC0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    const size_t length = code < 0x10000 ? 3 : 4;
    to[0] = (uint8_t)(length == 3 ? 0xE0 | code >> 12 : 0xF0 | code >> 18);
    for (size_t i = 1; i < length; i++)
        to[i] = (uint8_t)(0x80 | (code >> 6 * (length - 1 - i) & 0x3F));
    return length;
}

/* A surrogate that lacks its other half becomes a byte that is no UTF-8, so that it is told. */
rp_status csv_decode(const uint8_t *text, size_t size, uint8_t **decoded, size_t *length,
                     rp_error *err)
{
    units u;
    if (!find_units(text, size, &u)) return RP_OK;
    uint8_t *to = rp_alloc(3 * u.count + 1, 1);
    if (!to) return rp_fail(err, RP_ERR_MEMORY, "CSV: out of memory");
    *decoded = to;
    *length = 0;
    for (size_t i = 0; i < u.count; i++) {
        uint32_t code = unit_at(&u, i);
        const uint32_t next = i + 1 < u.count ? unit_at(&u, i + 1) : 0;
        const bool pair = code >= 0xD800 && code < 0xDC00 && next >= 0xDC00 && next < 0xE000;
        if (pair) {
            code = 0x10000 + ((code - 0xD800) << 10) + (next - 0xDC00);
            i++;
        }
        if (!pair && code >= 0xD800 && code < 0xE000)
            to[(*length)++] = 0xFF;
        else
            *length += put_utf8(code, to + *length);
    }
    return RP_OK;
}

/* ---- other files ------------------------------------------------------------------------- */

const char *csv_other_kind(const uint8_t *text, size_t size)
{
    static const char spreadsheet[] =
        "a spreadsheet, not a table of text; save it as 'CSV UTF-8' and give that file";
    if (size >= 4 && (memcmp(text, "PK\3\4", 4) == 0 || memcmp(text, "\xD0\xCF\x11\xE0", 4) == 0))
        return spreadsheet;
    if (size >= 2 && memcmp(text, "\x1F\x8B", 2) == 0) return "compressed; unpack it first";
    if (size >= 5 && (strncasecmp((const char *)text, "<html", 5) == 0 ||
                      strncasecmp((const char *)text, "<!doc", 5) == 0 ||
                      strncasecmp((const char *)text, "<?xml", 5) == 0 ||
                      strncasecmp((const char *)text, "<tabl", 5) == 0))
        return "a page or XML, not a table of text; save it as 'CSV UTF-8'";
    return NULL;
}
