/* A series to draw on, and masks and grids to draw. */
#ifndef REPRISE_TEST_DICOM_MASKS_H
#define REPRISE_TEST_DICOM_MASKS_H

#include "phantom.h"

typedef struct fixture {
    char *folder, *path;
    rp_dicom_series series;
} fixture;

static inline fixture open_fixture(const rp_grid *grid)
{
    fixture f = {.folder = make_folder()};
    rp_image image;
    rp_dicom_header header = small_header();
    rp_error err = {0};
    char *images = rp_path_join(f.folder, "ct");
    assert_ok(rp_image_init(&image, grid, &err), err);
    assert_ok(rp_dicom_series_write(images, &image, &header, "s", &f.series, &err), err);
    f.path = rp_path_join(f.folder, "rt.dcm");
    rp_image_release(&image);
    rp_free(images);
    return f;
}

static inline void close_fixture(fixture *f)
{
    rp_dicom_series_release(&f->series);
    rp_free(f->path);
    remove_folder(f->folder);
}

/* Noise of the given density: islands, holes and diagonals of all kinds. */
static inline rp_mask random_mask(const rp_grid *grid, uint64_t seed, double density)
{
    rp_mask mask = {0};
    rp_error err = {0};
    rp_random random;
    rp_random_init(&random, seed, 1, 0);
    assert_ok(rp_mask_init(&mask, grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(grid); i++)
        mask.data[i] = rp_random_uniform(&random) < density;
    return mask;
}

static inline rp_grid oblique_grid(int nx, int ny, int nz)
{
    /* columns: rotations about x by 20 and about z by 30 degrees, multiplied out */
    const double c1 = 0.93969262078590838, s1 = 0.34202014332566873;
    const double c2 = 0.86602540378443865, s2 = 0.5;
    rp_grid grid = rp_grid_make(nx, ny, nz, 0.7, 0.9, 2.5);
    const double direction[3][3] = {{c2, -s2 * c1, s2 * s1}, {s2, c2 * c1, -c2 * s1}, {0, s1, c1}};
    const double origin[3] = {-123.456789, 98.7654321, -1001.1};
    memcpy(grid.direction, direction, sizeof direction);
    memcpy(grid.origin, origin, sizeof origin);
    return grid;
}

static inline rp_grid sagittal_grid(int nx, int ny, int nz)
{
    rp_grid grid = rp_grid_make(nx, ny, nz, 0.7, 0.9, 2.5);
    const double direction[3][3] = {{0, 0, -1}, {1, 0, 0}, {0, -1, 0}};
    memcpy(grid.direction, direction, sizeof direction);
    return grid;
}

#endif
