/* The DICOM series reader: the listing, and each series of a folder with up to 16 files. */
#include "fuzz.h"
#include "reprise/dicom.h"

static void load(const char *path, const rp_dicom_load_options *options)
{
    rp_dicom_series series;
    rp_error err = {0};
    rp_status status = rp_dicom_series_load(path, options, NULL, &series, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(!status || (!series.image.data && !series.sop_uids),
               "a failure leaves nothing behind");
    if (!status) {
        const rp_grid *grid = &series.image.grid;
        fuzz_check(rp_grid_check(grid, NULL) == RP_OK, "a delivered grid is sound");
        fuzz_check_finite(series.image.data, rp_grid_voxels(grid));
        fuzz_check(series.padded_voxels <= rp_grid_voxels(grid), "padding is part of the image");
        fuzz_check(strlen(series.image_sha256) == RP_SHA256_HEX - 1, "the image has its hash");
    }
    rp_dicom_series_release(&series);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_folder(data, size);
    const rp_dicom_load_options lenient = {.allow_non_ct = true, .allow_mixed_patients = true};
    rp_dicom_listing listing = {0};
    rp_error err = {0};
    rp_status status = rp_dicom_list(path, &listing, &err);
    fuzz_check_error(status, &err, path);
    load(path, size % 2 ? NULL : &lenient);
    for (size_t i = 0; i < listing.count && listing.count > 1; i++) {
        rp_dicom_load_options one = lenient;
        one.series_uid = listing.series[i].header.series_uid;
        load(path, &one);
    }
    rp_dicom_listing_release(&listing);
}
