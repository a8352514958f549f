#include "test.h"
#include "reprise/io.h"

#include <math.h>

typedef struct fixture {
    char *folder, *plain, *packed;
    rp_image image;
} fixture;

/* 5 x 4 x 3 voxels, oblique; left-handed where asked for. */
static rp_grid oblique_grid(bool left_handed)
{
    rp_grid grid = rp_grid_make(5, 4, 3, 0.7, 0.9, 3.27);
    double c = cos(0.3), s = sin(0.3), sign = left_handed ? -1 : 1;
    const double direction[3][3] = {
        {c, -s, 0}, {s * 0.8, c * 0.8, -0.6 * sign}, {s * 0.6, c * 0.6, 0.8 * sign}};
    memcpy(grid.direction, direction, sizeof direction);
    grid.origin[0] = -123.456;
    grid.origin[1] = 78.9;
    grid.origin[2] = -1011.25;
    return grid;
}

static int set_up(void **state)
{
    fixture *f = rp_alloc(1, sizeof *f);
    rp_error err = {0};
    rp_grid grid = oblique_grid(false);
    f->folder = make_folder();
    f->plain = rp_path_join(f->folder, "out.nii");
    f->packed = rp_path_join(f->folder, "out.nii.gz");
    assert_ok(rp_image_init(&f->image, &grid, &err), err);
    for (int i = 0; i < 60; i++) f->image.data[i] = 33.3F * (float)i - 1000;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    rp_image_release(&f->image);
    remove_folder(f->folder);
    rp_free(f->plain);
    rp_free(f->packed);
    rp_free(f);
    return 0;
}

static void images_round_trip(void **state)
{
    fixture *f = *state;
    for (int variant = 0; variant < 4; variant++) {
        const char *path = variant & 1 ? f->packed : f->plain;
        rp_error err = {0};
        rp_image back = {0};
        rp_nifti_info info;
        f->image.grid = oblique_grid(variant & 2);
        assert_ok(rp_nifti_write_image(path, &f->image, NULL, &err), err);
        assert_ok(rp_nifti_read_image(path, &back, NULL, &err), err);
        assert_ok(rp_nifti_info_read(path, &info, NULL, &err), err);
        assert_true(rp_grid_same(&back.grid, &f->image.grid, 1e-4));
        assert_memory_equal(back.data, f->image.data, 60 * sizeof(float));
        assert_int_equal(info.version, 1);
        assert_int_equal(info.gzip, variant & 1);
        assert_int_equal(info.datatype, 16);
        rp_image_release(&back);
    }
}

/* The reader prefers the sform: strike it out, and the qform must say the same. */
static void qform_agrees_with_sform(void **state)
{
    fixture *f = *state;
    for (int turn = 0; turn < 48; turn++) { /* all axis orders and signs */
        static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        rp_error err = {0};
        rp_nifti_info info;
        uint8_t *bytes;
        size_t size;
        rp_grid base = oblique_grid(false), *grid = &f->image.grid;
        for (int a = 0; a < 3; a++)
            for (int r = 0; r < 3; r++)
                grid->direction[r][a] =
                    (turn >> a & 1 ? -1 : 1) *
                    (turn & 8 ? base.direction[r][orders[turn / 8][a]] : r == orders[turn / 8][a]);
        assert_ok(rp_nifti_write_image(f->plain, &f->image, NULL, &err), err);
        assert_ok(rp_file_read(f->plain, &bytes, &size, &err), err);
        assert_int_equal(bytes[252] | bytes[253] << 8, 1);
        assert_int_equal(bytes[254] | bytes[255] << 8, 1);
        memset(bytes + 254, 0, 2);
        assert_ok(rp_file_write(f->plain, bytes, size, &err), err);
        assert_ok(rp_nifti_info_read(f->plain, &info, NULL, &err), err);
        assert_string_equal(info.geometry, "qform");
        if (!rp_grid_same(&info.grid, grid, 1e-4)) fail_msg("orientation %d differs", turn);
        rp_free(bytes);
    }
}

static void same_input_same_bytes(void **state)
{
    fixture *f = *state;
    char first[RP_SHA256_HEX], second[RP_SHA256_HEX];
    rp_error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_ok(rp_nifti_write_image(f->packed, &f->image, NULL, &err), err);
    assert_ok(rp_sha256_file(f->packed, first, &err), err);
    assert_ok(rp_file_read(f->packed, &bytes, &size, &err), err);
    for (int i = 3; i < 8; i++) assert_int_equal(bytes[i], 0); /* flags: no name; and no time */
    rp_free(bytes);
    assert_ok(rp_nifti_write_image(f->packed, &f->image, NULL, &err), err);
    assert_ok(rp_sha256_file(f->packed, second, &err), err);
    assert_string_equal(first, second);
}

static void int16_is_rounded_and_clipped(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_image back = {0};
    const float in[] = {1.4F, 1.6F, -1.6F, 1e9F, -1e9F, 32767.4F, 0.5F, -1024},
                expected[] = {1, 2, -2, 32767, -32768, 32767, 0, -1024};
    memcpy(f->image.data, in, sizeof in);
    assert_ok(rp_nifti_write_image_int16(f->plain, &f->image, NULL, &err), err);
    assert_ok(rp_nifti_read_image(f->plain, &back, NULL, &err), err);
    for (size_t i = 0; i < 8; i++) assert_close(back.data[i], expected[i], 0);
    rp_image_release(&back);
}

static void masks_and_labels_round_trip(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_mask mask, mask_back = {0};
    rp_labels labels, labels_back = {0};
    assert_ok(rp_mask_init(&mask, &f->image.grid, &err), err);
    assert_ok(rp_labels_init(&labels, &f->image.grid, &err), err);
    for (int i = 0; i < 60; i++) {
        mask.data[i] = i % 3 == 0;
        labels.data[i] = (i - 30) * 40000000;
    }
    assert_ok(rp_nifti_write_mask(f->packed, &mask, NULL, &err), err);
    assert_ok(rp_nifti_read_mask(f->packed, false, &mask_back, NULL, &err), err);
    assert_memory_equal(mask.data, mask_back.data, 60);
    assert_true(rp_grid_same(&mask.grid, &mask_back.grid, 1e-4));
    assert_ok(rp_nifti_write_labels(f->packed, &labels, NULL, &err), err);
    assert_ok(rp_nifti_read_labels(f->packed, &labels_back, NULL, &err), err);
    assert_memory_equal(labels.data, labels_back.data, 240);
    rp_mask_release(&mask);
    rp_mask_release(&mask_back);
    rp_labels_release(&labels);
    rp_labels_release(&labels_back);
}

static void long_axes_make_nifti2(void **state)
{
    fixture *f = *state;
    for (int extra = 0; extra < 2; extra++) {
        rp_error err = {0};
        rp_mask mask, back = {0};
        rp_nifti_info info;
        rp_grid grid = oblique_grid(true);
        grid.size[0] = 1;
        grid.size[1] = 32767 + extra;
        grid.size[2] = 2;
        assert_ok(rp_mask_init(&mask, &grid, &err), err);
        mask.data[32768] = 1;
        assert_ok(rp_nifti_write_mask(f->packed, &mask, NULL, &err), err);
        assert_ok(rp_nifti_info_read(f->packed, &info, NULL, &err), err);
        assert_int_equal(info.version, 1 + extra);
        assert_true(rp_grid_same(&info.grid, &grid, 1e-2));
        assert_ok(rp_nifti_read_mask(f->packed, false, &back, NULL, &err), err);
        assert_memory_equal(back.data, mask.data, rp_grid_voxels(&grid));
        rp_mask_release(&mask);
        rp_mask_release(&back);
    }
}

static void nothing_is_written_of_bad_input(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    f->image.data[7] = NAN;
    f->image.data[8] = INFINITY;
    assert_int_equal(rp_nifti_write_image(f->plain, &f->image, NULL, &err), RP_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "2 of 60"));
    assert_int_equal(rp_nifti_write_image_int16(f->plain, &f->image, NULL, &err), RP_ERR_NUMERIC);
    f->image.data[7] = f->image.data[8] = 0;
    f->image.grid.spacing[1] = 0;
    assert_int_equal(rp_nifti_write_image(f->plain, &f->image, NULL, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, f->plain));
    assert_false(rp_path_exists(f->plain));
    f->image.grid.spacing[1] = 1;
    char *absent = rp_path_join(f->folder, "no/such/folder.nii");
    assert_int_equal(rp_nifti_write_image(absent, &f->image, NULL, &err), RP_ERR_IO);
    rp_free(absent);
}

static void every_failure_leaves_nothing(void **state)
{
    fixture *f = *state;
    const char *paths[] = {f->plain, f->packed};
    for (int i = 0; i < 2; i++) {
        rp_error err = {0};
        rp_image back = {0};
        long n = 1;
        for (;; n++) {
            rp_test_fail_write(n);
            rp_status status = rp_nifti_write_image_int16(paths[i], &f->image, NULL, &err);
            rp_test_fail_write(0);
            if (!status) break;
            assert_int_equal(status, RP_ERR_IO);
            assert_false(rp_path_exists(paths[i]));
        }
        assert_true(n > 2);
        for (n = 1;; n++) {
            rp_test_fail_allocation(n);
            rp_status status = rp_nifti_write_image_int16(paths[i], &f->image, NULL, &err);
            rp_test_fail_allocation(0);
            if (!status) break;
            assert_int_equal(status, RP_ERR_MEMORY);
        }
        assert_true(n > 3);
        for (n = 1;; n++) {
            rp_test_fail_allocation(n);
            rp_status status = rp_nifti_read_image(paths[i], &back, NULL, &err);
            rp_test_fail_allocation(0);
            if (!status) break;
            assert_int_equal(status, RP_ERR_MEMORY);
            assert_non_null(strstr(err.message, paths[i]));
            assert_null(back.data);
        }
        assert_true(n > 2);
        rp_image_release(&back);
    }
    char **found;
    size_t count;
    rp_error err = {0};
    assert_ok(rp_directory_list(f->folder, &found, &count, &err), err);
    assert_int_equal(count, 2);
    rp_string_list_free(found, count);
}

/* Extensions that lie about their sizes are passed over; the voxels stay readable. */
static void damaged_comments_are_none(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_ok(rp_nifti_write_image(f->plain, &f->image, "{\"a\": 1}", &err), err);
    assert_ok(rp_file_read(f->plain, &bytes, &size, &err), err);
    static const struct {
        size_t at;
        uint8_t value;
        const char *expected;
    } changes[] = {{352, 16, "{\"a\": 1}"}, {352, 32, NULL},     {348, 0, NULL},
                   {352, 7, NULL},          {352, 48, NULL},     {355, 0x80, NULL},
                   {356, 4, NULL},          {352, 12, "{\"a\""}, {360, 0, ""}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *comment = NULL;
        rp_image back = {0};
        const uint8_t kept = bytes[changes[i].at];
        bytes[changes[i].at] = changes[i].value;
        assert_ok(rp_file_write(f->plain, bytes, size, &err), err);
        assert_ok(rp_nifti_read_comment(f->plain, &comment, &err), err);
        if (changes[i].expected)
            assert_string_equal(comment, changes[i].expected);
        else
            assert_null(comment);
        assert_ok(rp_nifti_read_image(f->plain, &back, NULL, &err), err);
        assert_memory_equal(back.data, f->image.data, 60 * sizeof(float));
        rp_image_release(&back);
        rp_free(comment);
        bytes[changes[i].at] = kept;
    }
    rp_free(bytes);
}

static void comments_of_what_is_no_nifti(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    char *comment;
    assert_int_equal(rp_nifti_read_comment(f->plain, &comment, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, f->plain));
    assert_ok(rp_file_write(f->plain, "", 0, &err), err);
    assert_int_equal(rp_nifti_read_comment(f->plain, &comment, &err), RP_ERR_FORMAT);
    assert_ok(rp_file_write(f->packed, "\x1f\x8b\x08 no gzip", 11, &err), err);
    assert_int_equal(rp_nifti_read_comment(f->packed, &comment, &err), RP_ERR_FORMAT);
    assert_ok(rp_nifti_write_image(f->packed, &f->image, "text", &err), err);
    rp_status status = RP_ERR_MEMORY;
    long n = 1;
    for (; status && n < 20; n++) {
        rp_test_fail_allocation(n);
        status = rp_nifti_read_comment(f->packed, &comment, &err);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
        if (status) assert_null(comment);
    }
    assert_true(n > 3);
    assert_string_equal(comment, "text");
    rp_free(comment);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(images_round_trip),
        WITH_FOLDER(qform_agrees_with_sform),
        WITH_FOLDER(same_input_same_bytes),
        WITH_FOLDER(int16_is_rounded_and_clipped),
        WITH_FOLDER(masks_and_labels_round_trip),
        WITH_FOLDER(long_axes_make_nifti2),
        WITH_FOLDER(nothing_is_written_of_bad_input),
        WITH_FOLDER(every_failure_leaves_nothing),
        WITH_FOLDER(damaged_comments_are_none),
        WITH_FOLDER(comments_of_what_is_no_nifti),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
