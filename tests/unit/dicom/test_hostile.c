/* Inputs that once were taken for sound, or could have led a reader astray: found by the fuzz
 * targets or beside what they found. */
#include "phantom.h"

#include <sys/resource.h>

enum {
    POSITION = 0x00200032,
    ORIENTATION = 0x00200037,
    SLOPE = 0x00281053,
};

/* A slope that a double holds may still make voxels that a float does not. */
static void voxels_are_finite(void **state)
{
    (void)state;
    char *folder = small_series("slope"), *path = slice_file(folder, 3);
    edit_text(path, SLOPE, "DS", "1E300");
    assert_load_fails(folder, RP_ERR_FORMAT, "RescaleSlope");
    edit_text(path, SLOPE, "DS", "1E30");
    assert_load_fails(folder, RP_ERR_FORMAT, "RescaleSlope");
    rp_free(path);
    remove_folder(folder);
}

/* Positions whose sums overflow have no order: sorting by them is undefined. */
static void positions_are_within_reason(void **state)
{
    (void)state;
    char *folder = small_series("far");
    for (int i = 1; i <= NZ; i++) {
        char *path = slice_file(folder, i);
        RP_AUTOFREE char *position = rp_format("1.7E308\\1.7E308\\%d", i);
        edit_text(path, POSITION, "DS", position);
        edit_text(path, ORIENTATION, "DS", "0\\0\\1\\0.8\\-0.6\\0");
        rp_free(path);
    }
    assert_load_fails(folder, RP_ERR_FORMAT, "ImagePositionPatient");
    remove_folder(folder);
}

/* Bytes, of this process so far. */
static size_t peak_memory(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_maxrss * 1024;
}

/* One element of implicit little endian. */
static size_t put_implicit(uint8_t *to, uint32_t tag, uint32_t length, const char *value)
{
    const uint8_t head[8] = {tag >> 16 & 255,    tag >> 24,         tag & 255,
                             tag >> 8 & 255,     length & 255,      length >> 8 & 255,
                             length >> 16 & 255, length >> 24 & 255};
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, value, strlen(value));
    return sizeof head + strlen(value);
}

/* A date that is announced with many MiB is none: what DCMTK hands out in its place is memory
 * that nobody has written, and searching it takes seconds. */
static void try_announced(uint32_t length)
{
    char *folder = make_folder(), *path = rp_path_join(folder, "long");
    uint8_t bytes[256] = {0};
    rp_error err = {0};
    rp_dicom_listing listing;
    static const char meta[] = "DICM\2\0\x10\0UI\x12\0001.2.840.10008.1.2"; /* with its final 0 */
    size_t size = 128;
    memcpy(bytes + size, meta, sizeof meta);
    size += sizeof meta;
    size += put_implicit(bytes + size, 0x00080008, 8, "ORIGINAL");
    size += put_implicit(bytes + size, 0x00080020, length, "20240102");
    assert_ok(rp_file_write(path, bytes, size, &err), err);
    const size_t before = peak_memory();
    assert_load_fails(folder, RP_ERR_FORMAT, "truncated or malformed");
    assert_ok(rp_dicom_list(folder, &listing, &err), err);
    assert_int_equal(listing.count, 0);
    rp_dicom_listing_release(&listing);
    assert_true(peak_memory() - before < (size_t)64 << 20);
    rp_free(path);
    remove_folder(folder);
}

static void an_announced_text_is_not_read(void **state)
{
    (void)state;
    try_announced(0x08000008);
    try_announced(0x30000008);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voxels_are_finite),
        cmocka_unit_test(an_announced_text_is_not_read),
        cmocka_unit_test(positions_are_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
