/* Makes faulty and unusual files out of sound ones: replaces, inserts or removes one top-level
 * attribute of an explicit little endian file whose lengths are all defined. */
#ifndef REPRISE_TEST_DICOM_EDIT_H
#define REPRISE_TEST_DICOM_EDIT_H

#include "test.h"

typedef struct element_place {
    size_t start, value, end;
    bool found;
} element_place;

static inline uint32_t read_le(const uint8_t *p, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | p[i];
    return value;
}

/* The attribute, or where it would have to stand. */
static inline element_place find_element(const uint8_t *data, size_t size, uint32_t tag)
{
    size_t at = 132;
    while (at + 8 <= size) {
        uint32_t here = read_le(data + at, 2) << 16 | read_le(data + at + 2, 2);
        bool wide = strstr("OB OW SQ UN UT", (char[3]){(char)data[at + 4], (char)data[at + 5], 0});
        size_t value = at + (wide ? 12 : 8);
        size_t length = read_le(data + at + (wide ? 8 : 6), wide ? 4 : 2);
        if (here == tag) return (element_place){at, value, value + length, true};
        if (here > tag) break;
        at = value + length;
    }
    return (element_place){at, at, at, false};
}

/* vr "" removes the attribute; else value of length bytes (padded to even) takes its place. */
static inline void edit_bytes(const char *path, uint32_t tag, const char *vr, const void *value,
                              size_t length)
{
    uint8_t *data = NULL;
    size_t size = 0, padded = length + length % 2;
    rp_error err = {0};
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    element_place place = find_element(data, size, tag);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(data, 1, place.start, out);
    if (vr[0]) {
        uint8_t head[8] = {tag >> 16 & 255, tag >> 24,      tag & 255,    tag >> 8 & 255,
                           (uint8_t)vr[0],  (uint8_t)vr[1], padded & 255, padded >> 8 & 255};
        fwrite(head, 1, sizeof head, out);
        fwrite(value, 1, length, out);
        if (padded != length) fputc(strcmp(vr, "UI") ? ' ' : 0, out);
    }
    fwrite(data + place.end, 1, size - place.end, out);
    fclose(out);
    rp_free(data);
}

static inline void edit_text(const char *path, uint32_t tag, const char *vr, const char *text)
{
    edit_bytes(path, tag, vr, text, strlen(text));
}

static inline void edit_u16(const char *path, uint32_t tag, const char *vr, unsigned value)
{
    edit_bytes(path, tag, vr, (uint8_t[2]){value & 255, value >> 8 & 255}, 2);
}

static inline void remove_element(const char *path, uint32_t tag)
{
    edit_bytes(path, tag, "", NULL, 0);
}

/* Stored 16-bit cell of the file's PixelData. */
static inline void edit_pixel(const char *path, size_t index, unsigned cell)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rp_error err = {0};
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    element_place place = find_element(data, size, 0x7fe00010);
    assert_true(place.found);
    data[place.value + 2 * index] = cell & 255;
    data[place.value + 2 * index + 1] = cell >> 8 & 255;
    assert_ok(rp_file_write(path, data, size, &err), err);
    rp_free(data);
}

#endif
