/* NIfTI files built byte by byte here, so that the reader is not checked by our writer. */
#include "test.h"
#include "reprise/io.h"

#include <libdeflate.h>
#include <math.h>

typedef struct fixture {
    char *folder, *path;
    uint8_t bytes[16384];
    size_t size;
    bool big_endian;
} fixture;

static int set_up(void **state)
{
    fixture *f = rp_alloc(1, sizeof *f);
    f->folder = make_folder();
    f->path = rp_path_join(f->folder, "image.nii");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    remove_folder(f->folder);
    rp_free(f->path);
    rp_free(f);
    return 0;
}

static void put_bits(fixture *f, size_t offset, uint64_t bits, size_t width)
{
    for (size_t i = 0; i < width; i++)
        f->bytes[offset + (f->big_endian ? width - 1 - i : i)] = (uint8_t)(bits >> 8 * i);
}

static void put16(fixture *f, size_t offset, int value)
{
    put_bits(f, offset, (uint64_t)value, 2);
}

static void put32(fixture *f, size_t offset, int value)
{
    put_bits(f, offset, (uint64_t)value, 4);
}

static void put64(fixture *f, size_t offset, int64_t value)
{
    put_bits(f, offset, (uint64_t)value, 8);
}

static void putf(fixture *f, size_t offset, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put_bits(f, offset, bits, 4);
}

static void putd(fixture *f, size_t offset, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_bits(f, offset, bits, 8);
}

static void scale_float(fixture *f, size_t offset, float factor)
{
    float value;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++)
        bits |= (uint32_t)f->bytes[offset + (f->big_endian ? 3 - i : i)] << 8 * i;
    memcpy(&value, &bits, 4);
    putf(f, offset, factor * value);
}

enum { CODE_QFORM = 252, CODE_SFORM = 254, SROW = 280, PIXDIM = 76, QUATERN = 256, QOFFSET = 268 };

/* NIfTI-1, 2 x 3 x 4 int16 voxels 100 + index, 1.5 x 2 x 2.5 mm; sform only: R, A, S axes, origin
 * (10, 20, 30) RAS. */
static void make_nifti1(fixture *f, bool big_endian)
{
    const int dim[8] = {3, 2, 3, 4, 1, 1, 1, 1};
    const float pixdim[8] = {1, 1.5F, 2, 2.5F, 1, 1, 1, 1};
    const float srow[12] = {1.5F, 0, 0, 10, 0, 2, 0, 20, 0, 0, 2.5F, 30};
    memset(f->bytes, 0, sizeof f->bytes);
    f->big_endian = big_endian;
    put32(f, 0, 348);
    for (size_t i = 0; i < 8; i++) put16(f, 40 + 2 * i, dim[i]);
    put16(f, 70, 4);
    put16(f, 72, 16);
    for (size_t i = 0; i < 8; i++) putf(f, PIXDIM + 4 * i, pixdim[i]);
    putf(f, 108, 352);
    f->bytes[123] = 2;
    put16(f, CODE_SFORM, 1);
    for (size_t i = 0; i < 12; i++) putf(f, SROW + 4 * i, srow[i]);
    memcpy(f->bytes + 344, "n+1", 4);
    for (size_t i = 0; i < 24; i++) put16(f, 352 + 2 * i, 100 + (int)i);
    f->size = 352 + 48;
}

/* The same image as float64 NIfTI-2. */
static void make_nifti2(fixture *f, bool big_endian)
{
    const int dim[8] = {3, 2, 3, 4, 1, 1, 1, 1};
    const double srow[12] = {1.5, 0, 0, 10, 0, 2, 0, 20, 0, 0, 2.5, 30};
    memset(f->bytes, 0, sizeof f->bytes);
    f->big_endian = big_endian;
    put32(f, 0, 540);
    memcpy(f->bytes + 4, "n+2\0\r\n\032\n", 8);
    put16(f, 12, 64);
    put16(f, 14, 64);
    for (size_t i = 0; i < 8; i++) put64(f, 16 + 8 * i, dim[i]);
    putd(f, 104, 1);
    putd(f, 112, 1.5);
    putd(f, 120, 2);
    putd(f, 128, 2.5);
    put64(f, 168, 544);
    put32(f, 348, 1);
    for (size_t i = 0; i < 12; i++) putd(f, 400 + 8 * i, srow[i]);
    put32(f, 500, 2);
    for (size_t i = 0; i < 24; i++) putd(f, 544 + 8 * i, 100 + (int)i);
    f->size = 544 + 192;
}

/* rp_file_write would wait for the disk, thousands of times. */
static void save(const fixture *f)
{
    unlink(f->path);
    FILE *stream = fopen(f->path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(f->bytes, 1, f->size, stream), f->size);
    assert_int_equal(fclose(stream), 0);
}

static rp_image read_image(const fixture *f)
{
    rp_error err = {0};
    rp_image image = {0};
    save(f);
    assert_ok(rp_nifti_read_image(f->path, &image, NULL, &err), err);
    return image;
}

static rp_nifti_info read_info(const fixture *f)
{
    rp_error err = {0};
    rp_nifti_info info = {0};
    save(f);
    assert_ok(rp_nifti_info_read(f->path, &info, NULL, &err), err);
    return info;
}

static void assert_world(const rp_grid *grid, double i, double j, double k, double x, double y,
                         double z)
{
    double world[3];
    rp_grid_to_world(grid, (const double[]){i, j, k}, world);
    assert_close(world[0], x, 1e-5);
    assert_close(world[1], y, 1e-5);
    assert_close(world[2], z, 1e-5);
}

static void assert_the_image(const rp_image *image)
{
    assert_int_equal(image->grid.size[0], 2);
    assert_int_equal(image->grid.size[1], 3);
    assert_int_equal(image->grid.size[2], 4);
    assert_world(&image->grid, 0, 0, 0, -10, -20, 30);
    assert_world(&image->grid, 1, 2, 3, -11.5, -24, 37.5);
    for (int i = 0; i < 24; i++) assert_close(image->data[i], 100 + i, 0);
}

static void both_versions_in_both_byte_orders(void **state)
{
    fixture *f = *state;
    for (int variant = 0; variant < 4; variant++) {
        bool big = variant & 1, second = variant & 2;
        if (second)
            make_nifti2(f, big);
        else
            make_nifti1(f, big);
        rp_image image = read_image(f);
        rp_nifti_info info = read_info(f);
        assert_the_image(&image);
        assert_int_equal(info.version, second ? 2 : 1);
        assert_int_equal(info.swapped, big);
        assert_int_equal(info.datatype, second ? 64 : 4);
        assert_false(info.gzip);
        assert_string_equal(info.geometry, "sform");
        assert_true(rp_grid_same(&info.grid, &image.grid, 1e-9));
        rp_image_release(&image);
    }
}

static void scaling_is_applied(void **state)
{
    fixture *f = *state;
    const float cases[][4] = {/* slope, inter, then expected slope, inter */
                              {2, -1024, 2, -1024},
                              {0, 5, 1, 0},
                              {NAN, 5, 1, 0},
                              {INFINITY, NAN, 1, 0},
                              {-0.5F, 0, -0.5F, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        make_nifti1(f, c & 1);
        putf(f, 112, cases[c][0]);
        putf(f, 116, cases[c][1]);
        rp_image image = read_image(f);
        for (int i = 0; i < 24; i++)
            assert_close(image.data[i], cases[c][2] * (100 + i) + cases[c][3], 0);
        assert_close(read_info(f).scl_slope, cases[c][2], 0);
        rp_image_release(&image);
    }
}

/* (b, c, d) = (0, 0, sqrt(1/2)): 90 degrees about z, so that i runs along A and j along -R. */
static void make_qform(fixture *f, float qfac)
{
    const float values[6] = {0, 0, 0.70710678F, 1, 2, 3};
    make_nifti1(f, false);
    put16(f, CODE_SFORM, 0);
    put16(f, CODE_QFORM, 1);
    putf(f, PIXDIM, qfac);
    for (size_t i = 0; i < 6; i++) putf(f, QUATERN + 4 * i, values[i]);
}

static void geometry_is_taken_in_order(void **state)
{
    fixture *f = *state;
    make_qform(f, 1);
    rp_nifti_info info = read_info(f);
    assert_string_equal(info.geometry, "qform");
    assert_world(&info.grid, 0, 0, 0, -1, -2, 3);
    assert_world(&info.grid, 1, 1, 1, -1 + 2, -2 - 1.5, 3 + 2.5);
    for (int left = 0; left < 2; left++) { /* 0 counts as 1 */
        make_qform(f, left ? -1 : 0);
        info = read_info(f);
        assert_world(&info.grid, 0, 0, 1, -1, -2, left ? 0.5 : 5.5);
    }
    put16(f, CODE_SFORM, 2); /* both: sform wins */
    info = read_info(f);
    assert_string_equal(info.geometry, "sform");
    assert_world(&info.grid, 0, 0, 0, -10, -20, 30);
    make_qform(f, 1);
    put16(f, CODE_QFORM, 0);
    info = read_info(f);
    assert_string_equal(info.geometry, "pixdim");
    assert_world(&info.grid, 0, 0, 0, 0, 0, 0);
    assert_world(&info.grid, 1, 1, 1, -1.5, -2, 2.5);
}

static void quaternions_of_half_turns(void **state)
{
    fixture *f = *state;
    for (int axis = 0; axis < 3; axis++) { /* a = 0; a little above unit length by rounding */
        make_qform(f, 1);
        for (int i = 0; i < 3; i++) putf(f, QUATERN + 4 * (size_t)i, i == axis ? 1.00001F : 0);
        rp_nifti_info info = read_info(f);
        double steps[3] = {1.5, 2, 2.5};
        for (int i = 0; i < 3; i++)
            if (i != axis) steps[i] = -steps[i];
        assert_world(&info.grid, 1, 1, 1, -1 - steps[0], -2 - steps[1], 3 + steps[2]);
    }
}

static void units_are_honoured(void **state)
{
    fixture *f = *state;
    const double scale[4] = {1, 1000, 1, 0.001};
    for (int unit = 0; unit < 4; unit++) {
        const float stored = (float)(1 / scale[unit]); /* of a millimetre */
        make_nifti1(f, false);
        for (size_t i = 0; i < 12; i++) scale_float(f, SROW + 4 * i, stored);
        f->bytes[123] = (uint8_t)(unit | 8); /* 8: seconds */
        rp_nifti_info info = read_info(f);
        assert_close(info.grid.spacing[0], 1.5, 1e-4);
        assert_close(info.grid.origin[2], 30, 1e-4);
        make_qform(f, 1);
        for (size_t i = 1; i < 4; i++) scale_float(f, PIXDIM + 4 * i, stored);
        for (size_t i = 0; i < 3; i++) scale_float(f, QOFFSET + 4 * i, stored);
        f->bytes[123] = (uint8_t)unit;
        info = read_info(f);
        assert_close(info.grid.spacing[2], 2.5, 1e-4);
        assert_close(info.grid.origin[0], -1, 1e-4);
    }
}

static void trailing_dimensions_of_one_are_accepted(void **state)
{
    fixture *f = *state;
    for (int dims = 4; dims <= 7; dims++) {
        make_nifti1(f, false);
        put16(f, 40, dims);
        rp_image image = read_image(f);
        assert_the_image(&image);
        rp_image_release(&image);
    }
    make_nifti1(f, false); /* what lies behind dim[0] means nothing */
    put16(f, 48, 7);
    read_info(f);
    make_qform(f, 1); /* one slice */
    put16(f, 40, 2);
    putf(f, PIXDIM + 12, 0);
    rp_nifti_info info = read_info(f);
    assert_int_equal(info.grid.size[2], 1);
    assert_close(info.grid.spacing[2], 1, 0);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void expect(fixture *f, rp_status expected, const char *reason)
{
    rp_error err = {0};
    rp_image image = {0};
    save(f);
    rp_status status = rp_nifti_read_image(f->path, &image, NULL, &err);
    if (status != expected || !strstr(err.message, reason) || !strstr(err.message, f->path))
        fail_msg("expected '%s', got status %d: %s", reason, (int)status, err.message);
    assert_null(image.data);
    assert_int_equal(err.status, expected);
}

static void bad_sizes_are_refused(void **state)
{
    fixture *f = *state;
    const int bad[] = {0, -1, -32768};
    for (size_t axis = 1; axis <= 3; axis++) {
        for (size_t i = 0; i < 3; i++) {
            make_nifti1(f, i & 1);
            put16(f, 40 + 2 * axis, bad[i]);
            expect(f, RP_ERR_FORMAT, "has the size");
        }
    }
    const int dims[] = {0, -3, 8, 0x0300};
    for (size_t i = 0; i < 4; i++) {
        make_nifti1(f, false);
        put16(f, 40, dims[i]);
        expect(f, RP_ERR_FORMAT, "dimensions");
    }
    make_nifti2(f, true);
    put64(f, 24, INT64_C(1) << 40);
    expect(f, RP_ERR_FORMAT, "has the size");
    make_nifti2(f, true);
    for (size_t axis = 1; axis <= 3; axis++) put64(f, 16 + 8 * axis, 2000000000);
    expect(f, RP_ERR_FORMAT, "too many");
    for (size_t axis = 4; axis <= 7; axis++) {
        make_nifti1(f, false);
        put16(f, 40, 7);
        put16(f, 40 + 2 * axis, 2);
        expect(f, RP_ERR_UNSUPPORTED, "more than one volume");
        put16(f, 40 + 2 * axis, 0);
        expect(f, RP_ERR_FORMAT, "has the size 0");
    }
}

static void truncation_is_noticed_at_every_length(void **state)
{
    fixture *f = *state;
    make_nifti1(f, false);
    for (size_t size = f->size; size-- > 0;) {
        f->size = size;
        expect(f, RP_ERR_FORMAT, size < 348 ? "not a NIfTI file" : "truncated");
    }
    make_nifti2(f, true);
    for (size_t size = f->size; size-- > 0;) {
        f->size = size;
        expect(f, RP_ERR_FORMAT, size < 540 ? "not a NIfTI file" : "truncated");
    }
}

/* A NIfTI-2 header has its qform code where NIfTI-1 has its magic. */
static void two_magic_strings_make_no_short_header_whole(void **state)
{
    fixture *f = *state;
    make_nifti2(f, false);
    memcpy(f->bytes + 344, "n+1", 4);
    for (size_t size = 540; size-- > 348;) {
        f->size = size;
        expect(f, RP_ERR_FORMAT, "not a NIfTI file");
    }
}

static void bad_headers_are_refused(void **state)
{
    fixture *f = *state;
    make_nifti1(f, false);
    put32(f, 0, 349);
    expect(f, RP_ERR_FORMAT, "sizeof_hdr is not 348");
    make_nifti2(f, false);
    put32(f, 0, 348);
    expect(f, RP_ERR_FORMAT, "sizeof_hdr is not 540");
    make_nifti1(f, false);
    f->bytes[345] = '-';
    expect(f, RP_ERR_FORMAT, "magic");
    memcpy(f->bytes + 344, "ni1", 4);
    expect(f, RP_ERR_UNSUPPORTED, "pair");
    make_nifti2(f, false);
    memcpy(f->bytes + 4, "ni2", 3);
    expect(f, RP_ERR_UNSUPPORTED, "pair");
    make_nifti2(f, false);
    f->bytes[8] = ' '; /* as a transfer in text mode would do */
    expect(f, RP_ERR_FORMAT, "magic");
    const float offsets[] = {100, 347, 352.5F, -1, NAN, INFINITY, 1e20F};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        make_nifti1(f, false);
        putf(f, 108, offsets[i]);
        expect(f, RP_ERR_FORMAT, "vox_offset");
    }
    make_nifti1(f, false);
    putf(f, 108, 353);
    expect(f, RP_ERR_FORMAT, "truncated");
    putf(f, 108, 1e9F);
    expect(f, RP_ERR_FORMAT, "truncated");
    make_nifti1(f, false);
    putf(f, 112, 1);
    putf(f, 116, INFINITY);
    expect(f, RP_ERR_FORMAT, "scl_inter");
}

static void other_types_are_refused_in_words(void **state)
{
    fixture *f = *state;
    const struct {
        int code;
        rp_status status;
        const char *word;
    } cases[] = {{1, RP_ERR_UNSUPPORTED, "one-bit"},    {32, RP_ERR_UNSUPPORTED, "complex"},
                 {128, RP_ERR_UNSUPPORTED, "RGB"},      {1536, RP_ERR_UNSUPPORTED, "128-bit float"},
                 {1792, RP_ERR_UNSUPPORTED, "complex"}, {2048, RP_ERR_UNSUPPORTED, "complex"},
                 {2304, RP_ERR_UNSUPPORTED, "RGBA"},    {0, RP_ERR_FORMAT, "data type 0"},
                 {3, RP_ERR_FORMAT, "data type 3"},     {16, RP_ERR_FORMAT, "bitpix"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_nifti1(f, i & 1);
        put16(f, 70, cases[i].code);
        expect(f, cases[i].status, cases[i].word);
    }
}

static void bad_geometry_is_refused(void **state)
{
    fixture *f = *state;
    make_nifti1(f, false);
    putf(f, SROW + 4, 0.5F);
    expect(f, RP_ERR_FORMAT, "sform is sheared");
    make_nifti1(f, false);
    putf(f, SROW, 0);
    expect(f, RP_ERR_FORMAT, "sform is singular");
    make_nifti1(f, false); /* two parallel axes */
    putf(f, SROW + 4, 2);
    putf(f, SROW + 20, 0);
    expect(f, RP_ERR_FORMAT, "sform is singular");
    make_nifti1(f, false);
    putf(f, SROW + 12, NAN);
    expect(f, RP_ERR_FORMAT, "sform holds numbers that are not finite");
    make_qform(f, 1); /* sheared sform, broken qform */
    put16(f, CODE_SFORM, 1);
    putf(f, SROW + 4, 0.5F);
    putf(f, QUATERN, 1);
    expect(f, RP_ERR_FORMAT, "sform is sheared");
    put16(f, CODE_SFORM, 0);
    expect(f, RP_ERR_FORMAT, "quaternion");
    putf(f, QUATERN, NAN);
    expect(f, RP_ERR_FORMAT, "quaternion");
    make_qform(f, 1);
    putf(f, QOFFSET, NAN);
    expect(f, RP_ERR_FORMAT, "qform cannot be read: holds numbers");
    for (int code = 0; code < 2; code++) {
        make_qform(f, 1);
        put16(f, CODE_QFORM, code);
        putf(f, PIXDIM + 8, code ? 0 : INFINITY);
        expect(f, RP_ERR_FORMAT, "voxel size");
    }
    make_nifti1(f, false);
    f->bytes[123] = 5;
    expect(f, RP_ERR_FORMAT, "unit");
}

static void voxels_that_are_no_numbers_are_counted(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_mask mask = {0};
    rp_labels labels = {0};
    make_nifti2(f, true);
    putd(f, 544, NAN);
    putd(f, 560, -INFINITY);
    putd(f, 576, 1e300); /* not a float32 */
    expect(f, RP_ERR_FORMAT, "3 of 24 voxels are NaN or infinite");
    assert_int_equal(rp_nifti_read_labels(f->path, &labels, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "2 of 24"));
    assert_int_equal(rp_nifti_read_mask(f->path, true, &mask, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "2 of 24"));
    assert_null(labels.data);
    assert_null(mask.data);
}

/* Whatever one byte of the header says, there is an image or a message, and no crash. */
static void any_header_byte_may_be_wrong(void **state)
{
    fixture *f = *state;
    const uint8_t values[] = {0, 1, 0x40, 0x7F, 0x80, 0xFF};
    int read = 0, refused = 0;
    for (size_t at = 0; at < 544; at++) {
        for (size_t i = 0; i < 6; i++) {
            rp_error err = {0};
            rp_image image = {0};
            if (i & 1)
                make_nifti2(f, i & 2);
            else
                make_nifti1(f, i & 2);
            f->bytes[at] = values[i];
            save(f);
            rp_status status = rp_nifti_read_image(f->path, &image, NULL, &err);
            if (status) {
                refused++;
                assert_null(image.data);
                assert_non_null(strstr(err.message, f->path));
            } else {
                read++;
                assert_ok(rp_grid_check(&image.grid, &err), err);
            }
            rp_image_release(&image);
        }
    }
    assert_true(read > 1000);
    assert_true(refused > 200);
}

/* ---- masks and labels -------------------------------------------------------------------- */

static void masks_have_one_label(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_mask mask = {0};
    for (int value = -1; value <= 255; value += 128) {
        make_nifti1(f, true);
        for (size_t i = 0; i < 24; i++) put16(f, 352 + 2 * i, i % 5 == 2 ? value : 0);
        save(f);
        assert_ok(rp_nifti_read_mask(f->path, false, &mask, NULL, &err), err);
        for (size_t i = 0; i < 24; i++) assert_int_equal(mask.data[i], i % 5 == 2);
        rp_mask_release(&mask);
    }
    put16(f, 352 + 2 * 23, 9);
    save(f);
    assert_int_equal(rp_nifti_read_mask(f->path, false, &mask, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "several labels (255 and 9"));
    assert_ok(rp_nifti_read_mask(f->path, true, &mask, NULL, &err), err);
    for (size_t i = 0; i < 24; i++) assert_int_equal(mask.data[i], i % 5 == 2 || i == 23);
    rp_mask_release(&mask);
    putf(f, 112, 0.5F); /* a probability map is no mask */
    save(f);
    assert_int_equal(rp_nifti_read_mask(f->path, true, &mask, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "whole numbers"));
}

static void labels_are_whole_and_fit(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_labels labels = {0};
    make_nifti2(f, false);
    putd(f, 544, INT32_MIN);
    putd(f, 552, INT32_MAX);
    save(f);
    assert_ok(rp_nifti_read_labels(f->path, &labels, NULL, &err), err);
    assert_true(labels.data[0] == INT32_MIN && labels.data[1] == INT32_MAX);
    assert_int_equal(labels.data[23], 123);
    rp_labels_release(&labels);
    putd(f, 552, INT32_MAX + 1.0);
    save(f);
    assert_int_equal(rp_nifti_read_labels(f->path, &labels, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "32 bits"));
    putd(f, 552, 0.25);
    save(f);
    assert_int_equal(rp_nifti_read_labels(f->path, &labels, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "1 of 24 voxels are not whole"));
}

/* ---- gzip -------------------------------------------------------------------------------- */

static size_t pack(const uint8_t *bytes, size_t size, int level, uint8_t *out, size_t room)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
    size_t packed = libdeflate_gzip_compress(compressor, bytes, size, out, room);
    libdeflate_free_compressor(compressor);
    assert_true(packed > 0);
    return packed;
}

/* Replaces the bytes by as many gzip members as asked for. */
static void pack_fixture(fixture *f, size_t members, int level)
{
    RP_AUTOFREE uint8_t *packed = rp_alloc(sizeof f->bytes, 1);
    size_t at = 0, step = (f->size + members - 1) / members;
    for (size_t begin = 0; begin < f->size; begin += step) {
        size_t length = f->size - begin < step ? f->size - begin : step;
        at += pack(f->bytes + begin, length, level, packed + at, sizeof f->bytes - at);
    }
    memset(f->bytes, 0, sizeof f->bytes);
    memcpy(f->bytes, packed, at);
    f->size = at;
}

static void gzip_is_found_by_content(void **state)
{
    fixture *f = *state;
    const size_t members[] = {1, 2, 7, 100};
    for (size_t i = 0; i < 4; i++) {
        for (int level = 0; level <= 6; level += 6) {
            make_nifti1(f, i & 1);
            pack_fixture(f, members[i], level);
            if (i & 1) f->size += 100; /* padding of zeros */
            rp_image image = read_image(f);
            assert_the_image(&image);
            assert_true(read_info(f).gzip);
            rp_image_release(&image);
        }
    }
}

static void damaged_gzip_is_refused(void **state)
{
    fixture *f = *state;
    make_nifti1(f, false);
    pack_fixture(f, 1, 6);
    size_t whole = f->size;
    for (f->size = whole - 1; f->size > 20; f->size--) expect(f, RP_ERR_FORMAT, "damaged");
    f->size = whole;
    f->bytes[whole - 6] ^= 1; /* the checksum */
    expect(f, RP_ERR_FORMAT, "damaged");
    f->bytes[whole - 6] ^= 1;
    f->bytes[whole] = 'x'; /* no member and no padding */
    f->size = whole + 1;
    expect(f, RP_ERR_FORMAT, "damaged");
    make_nifti1(f, false);
    f->size -= 10;
    pack_fixture(f, 1, 6);
    expect(f, RP_ERR_FORMAT, "truncated");
    make_nifti1(f, false);
    f->bytes[345] = 'x';
    pack_fixture(f, 1, 6);
    expect(f, RP_ERR_FORMAT, "magic");
}

/* 64 MiB of zeros behind a header that asks for 48 bytes of voxels, and a header that asks for
 * 4 GB without voxels: neither may cost more than a few megabytes. */
static void bombs_and_lies_are_refused(void **state)
{
    fixture *f = *state;
    enum { BOMB = 64 << 20 };
    RP_AUTOFREE uint8_t *plain = rp_alloc(BOMB, 1), *packed = rp_alloc(1 << 20, 1);
    rp_error err = {0};
    rp_image image = {0};
    make_nifti1(f, false);
    memcpy(plain, f->bytes, f->size);
    assert_ok(rp_file_write(f->path, packed, pack(plain, BOMB, 6, packed, 1 << 20), &err), err);
    assert_int_equal(rp_nifti_read_image(f->path, &image, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "hold more than"));
    make_nifti1(f, false);
    for (size_t axis = 1; axis <= 3; axis++) put16(f, 40 + 2 * axis, 1290);
    pack_fixture(f, 1, 6);
    expect(f, RP_ERR_FORMAT, "at most ");
}

/* Larger than the look at the beginning, both stored and compressed, and in many members. */
static void large_files_are_read_whole(void **state)
{
    fixture *f = *state;
    enum { EDGE = 64, VOXELS = EDGE * EDGE * EDGE, SIZE = 352 + 2 * VOXELS };
    RP_AUTOFREE uint8_t *plain = rp_alloc(SIZE, 1), *packed = rp_alloc(2 * SIZE, 1);
    make_nifti1(f, false);
    for (size_t axis = 1; axis <= 3; axis++) put16(f, 40 + 2 * axis, EDGE);
    memcpy(plain, f->bytes, 352);
    for (int i = 0; i < VOXELS; i++) {
        int16_t value = (int16_t)(i * 7919);
        memcpy(plain + 352 + 2 * (size_t)i, &value, 2);
    }
    for (int variant = 0; variant < 3; variant++) {
        size_t at = 0, step = variant == 2 ? 60000 : SIZE;
        for (size_t begin = 0; begin < SIZE; begin += step)
            at += pack(plain + begin, SIZE - begin < step ? SIZE - begin : step, variant ? 6 : 0,
                       packed + at, 2 * SIZE - at);
        rp_error err = {0};
        rp_image image = {0};
        assert_ok(rp_file_write(f->path, packed, at, &err), err);
        assert_ok(rp_nifti_read_image(f->path, &image, NULL, &err), err);
        for (int i = 0; i < VOXELS; i++)
            if (image.data[i] != (int16_t)(i * 7919)) fail_msg("voxel %d is wrong", i);
        rp_image_release(&image);
    }
}

static void probe_looks_at_name_and_content(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    char *other = rp_path_join(f->folder, "download");
    assert_true(rp_nifti_probe("any/where.nii"));
    assert_true(rp_nifti_probe("any/where.NII.gz"));
    assert_false(rp_nifti_probe("any/where.gz"));
    assert_false(rp_nifti_probe(f->folder));
    assert_false(rp_nifti_probe(other));
    for (int variant = 0; variant < 4; variant++) {
        if (variant & 1)
            make_nifti2(f, true);
        else
            make_nifti1(f, false);
        if (variant & 2) pack_fixture(f, 1, 6);
        assert_ok(rp_file_write(other, f->bytes, f->size, &err), err);
        assert_true(rp_nifti_probe(other));
    }
    assert_ok(rp_file_write(other, "DICM and more", 13, &err), err);
    assert_false(rp_nifti_probe(other));
    make_nifti1(f, false);
    f->bytes[344] = 0;
    pack_fixture(f, 1, 6);
    assert_ok(rp_file_write(other, f->bytes, f->size, &err), err);
    assert_false(rp_nifti_probe(other));
    rp_free(other);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(both_versions_in_both_byte_orders),
        WITH_FOLDER(scaling_is_applied),
        WITH_FOLDER(geometry_is_taken_in_order),
        WITH_FOLDER(quaternions_of_half_turns),
        WITH_FOLDER(units_are_honoured),
        WITH_FOLDER(trailing_dimensions_of_one_are_accepted),
        WITH_FOLDER(bad_sizes_are_refused),
        WITH_FOLDER(truncation_is_noticed_at_every_length),
        WITH_FOLDER(two_magic_strings_make_no_short_header_whole),
        WITH_FOLDER(bad_headers_are_refused),
        WITH_FOLDER(other_types_are_refused_in_words),
        WITH_FOLDER(bad_geometry_is_refused),
        WITH_FOLDER(voxels_that_are_no_numbers_are_counted),
        WITH_FOLDER(any_header_byte_may_be_wrong),
        WITH_FOLDER(masks_have_one_label),
        WITH_FOLDER(labels_are_whole_and_fit),
        WITH_FOLDER(gzip_is_found_by_content),
        WITH_FOLDER(damaged_gzip_is_refused),
        WITH_FOLDER(bombs_and_lies_are_refused),
        WITH_FOLDER(large_files_are_read_whole),
        WITH_FOLDER(probe_looks_at_name_and_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
