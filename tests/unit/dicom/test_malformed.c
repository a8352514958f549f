/* Hostile and damaged files: every one must end in success or in an error in words. */
#include "phantom.h"

/* The file, or of a DICOMDIR one that lies beside or below it. */
static void assert_names(const char *message, const char *path)
{
    char *folder = rp_format("%.*s", (int)(strrchr(path, '/') - path), path);
    assert_non_null(strstr(message, folder));
    rp_free(folder);
}

static void try_file(const char *path)
{
    rp_dicom_load_options options = {.allow_non_ct = true};
    rp_dicom_series series;
    rp_dicom_listing listing;
    rp_rtstruct rt;
    rp_error err = {0};
    rp_dicom_probe(path);
    rp_rtstruct_probe(path);
    if (rp_dicom_list(path, &listing, &err)) assert_names(err.message, path);
    rp_dicom_listing_release(&listing);
    if (rp_dicom_series_load(path, &options, NULL, &series, &err)) {
        assert_names(err.message, path);
        assert_null(series.image.data);
    }
    rp_dicom_series_release(&series);
    if (rp_rtstruct_read(path, &rt, &err)) assert_non_null(strstr(err.message, path));
    for (size_t i = 0; i < rt.roi_count; i++) {
        rp_grid grid = rp_grid_make(64, 64, 16, 4, 4, 4);
        rp_mask mask;
        rp_roi_to_mask(&rt.rois[i], &grid, &mask, NULL, &err);
        rp_mask_release(&mask);
    }
    rp_rtstruct_release(&rt);
}

/* An explicit little endian file whose sequences go that deep, without an end. */
static void write_nested(const char *path, int depth)
{
    static const uint8_t start[] = {8, 0, 0x16, 0, 'U', 'I', 26, 0};
    static const uint8_t level[] = {8,   0,   0x40, 0x11, 'S', 'Q',  0,   0,   255, 255,
                                    255, 255, 0xFE, 0xFF, 0,   0xE0, 255, 255, 255, 255};
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(start, 1, sizeof start, out);
    fwrite("1.2.840.10008.5.1.4.1.1.2", 1, 26, out);
    for (int i = 0; i < depth; i++) fwrite(level, 1, sizeof level, out);
    fclose(out);
}

static void nesting_does_not_end_the_stack(void **state)
{
    (void)state;
    char *folder = make_folder(), *path = rp_path_join(folder, "nested");
    for (int depth = 10; depth <= 1000000; depth *= 10) {
        write_nested(path, depth);
        try_file(path);
    }
    rp_free(path);
    remove_folder(folder);
}

static void real_malformed_files_do_no_harm(void **state)
{
    (void)state;
    static const char *folders[] = {"malformed", "seg_sr", "codecs"};
    if (!test_data()) {
        print_message("skipped: no real test data\n");
        skip();
    }
    size_t files = 0;
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        char *folder = rp_path_join(test_data(), folders[f]), **paths = NULL;
        size_t count = 0;
        rp_error err = {0};
        assert_ok(rp_directory_list(folder, &paths, &count, &err), err);
        for (size_t i = 0; i < count; i++) try_file(paths[i]);
        files += count;
        rp_string_list_free(paths, count);
        rp_free(folder);
    }
    assert_true(files > 100);
}

/* Some bytes of a sound file replaced at random, or its end cut off. */
static void fuzz(const char *path, uint64_t seed, int rounds)
{
    uint8_t *sound = NULL, *data;
    size_t size = 0;
    rp_error err = {0};
    assert_ok(rp_file_read(path, &sound, &size, &err), err);
    data = rp_alloc(size, 1);
    for (int round = 0; round < rounds; round++) {
        rp_random random;
        rp_random_init(&random, seed, 2, (uint64_t)round);
        memcpy(data, sound, size);
        size_t length = round % 4 ? size : rp_random_u32(&random) % size;
        for (uint32_t n = 1 + rp_random_u32(&random) % 8; n > 0; n--)
            data[132 + rp_random_u32(&random) % (size - 132)] = (uint8_t)rp_random_u32(&random);
        assert_ok(rp_file_write(path, data, length, &err), err);
        try_file(path);
    }
    rp_free(sound);
    rp_free(data);
}

static void random_damage_does_no_harm(void **state)
{
    (void)state;
    char *folder = small_series("s"), *slice = slice_file(folder, 2);
    char *contours = rp_path_join(folder, "rt.dcm");
    rp_dicom_series series;
    rp_mask mask;
    rp_error err = {0};
    assert_ok(rp_dicom_series_load(folder, NULL, NULL, &series, &err), err);
    assert_ok(rp_mask_init(&mask, &series.image.grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&mask.grid); i += 3) mask.data[i] = 1;
    assert_ok(rp_rtstruct_write(contours, &series, &mask, NULL, &err), err);
    fuzz(slice, 1, 300);
    fuzz(contours, 2, 300);
    rp_mask_release(&mask);
    rp_dicom_series_release(&series);
    rp_free(slice);
    rp_free(contours);
    remove_folder(folder);
}

/* Compressed slices, damaged: decoders see rubbish. */
static void damaged_codestreams_do_no_harm(void **state)
{
    (void)state;
    if (!test_data()) {
        print_message("skipped: no real test data\n");
        skip();
    }
    char *folder = make_folder(), *copy = rp_path_join(folder, "x.dcm");
    for (int i = 1; i <= 9; i++) {
        char *path = rp_format("%s/codecs/dcm_qa_ts/In/%d.dcm", test_data(), i);
        copy_file(path, copy);
        fuzz(copy, 10 + (uint64_t)i, 12);
        rp_free(path);
    }
    rp_free(copy);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_does_not_end_the_stack),
        cmocka_unit_test(real_malformed_files_do_no_harm),
        cmocka_unit_test(random_damage_does_no_harm),
        cmocka_unit_test(damaged_codestreams_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
