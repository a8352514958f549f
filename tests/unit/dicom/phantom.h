/* A small CT with distinct values, written as a series for tests to spoil. */
#ifndef REPRISE_TEST_DICOM_PHANTOM_H
#define REPRISE_TEST_DICOM_PHANTOM_H

#include "edit.h"
#include "reprise/dicom.h"

enum { NX = 7, NY = 5, NZ = 6 };

static inline rp_image small_image(void)
{
    rp_image image = {0};
    rp_error err = {0};
    rp_grid grid = rp_grid_make(NX, NY, NZ, 0.75, 1.25, 3);
    grid.origin[0] = -10.5;
    grid.origin[1] = 20.125;
    grid.origin[2] = -301.7;
    assert_ok(rp_image_init(&image, &grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++) image.data[i] = (float)(i * 7 % 400) - 200;
    return image;
}

static inline rp_dicom_header small_header(void)
{
    rp_dicom_header header = {.patient_id = "ID-1",
                              .patient_name = "Test^One",
                              .patient_sex = "F",
                              .study_date = "20240102",
                              .study_time = "101500",
                              .study_id = "7",
                              .series_description = "portal venous",
                              .series_number = "3"};
    return header;
}

/* Series of small_image below a new folder; release with remove_folder. */
static inline char *small_series(const char *seed)
{
    char *folder = make_folder();
    rp_image image = small_image();
    rp_dicom_header header = small_header();
    rp_error err = {0};
    assert_ok(rp_dicom_series_write(folder, &image, &header, seed, NULL, &err), err);
    rp_image_release(&image);
    return folder;
}

static inline char *slice_file(const char *folder, int number)
{
    return rp_format("%s/slice-%04d.dcm", folder, number);
}

static inline void copy_file(const char *from, const char *to)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rp_error err = {0};
    assert_ok(rp_file_read(from, &data, &size, &err), err);
    assert_ok(rp_file_write(to, data, size, &err), err);
    rp_free(data);
}

/* Loading must fail with that status and a message that holds those words. */
static inline void assert_load_fails_with(const char *path, const rp_dicom_load_options *options,
                                          rp_status status, const char *words)
{
    rp_dicom_series series;
    rp_error err = {0};
    rp_status got = rp_dicom_series_load(path, options, NULL, &series, &err);
    if (got != status || !strstr(err.message, words))
        fail_msg("expected \"%s\" with \"%s\", got \"%s\": %s", rp_status_text(status), words,
                 rp_status_text(got), err.message);
    assert_int_equal(err.status, status);
    assert_null(series.image.data);
    assert_null(series.sop_uids);
    assert_non_null(strstr(err.message, path));
}

static inline void assert_load_fails(const char *path, rp_status status, const char *words)
{
    assert_load_fails_with(path, NULL, status, words);
}

#endif
