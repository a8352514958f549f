/* Masks written as RTSTRUCT and read back; ROIs found; references; faulty files. */
#define _GNU_SOURCE /* memmem */
#include "masks.h"

enum { SOP_CLASS = 0x00080016, ROIS = 0x30060020 };

static rp_rtstruct write_and_read(const fixture *f, const rp_mask *mask,
                                  const rp_rtstruct_write_options *options)
{
    rp_rtstruct rt;
    rp_error err = {0};
    assert_ok(rp_rtstruct_write(f->path, &f->series, mask, options, &err), err);
    assert_ok(rp_rtstruct_read(f->path, &rt, &err), err);
    return rt;
}

static void assert_round_trip(const rp_grid *grid, uint64_t seed, double density)
{
    fixture f = open_fixture(grid);
    rp_mask mask = random_mask(&f.series.image.grid, seed, density), back;
    rp_rtstruct rt = write_and_read(&f, &mask, NULL);
    rp_roi_report report;
    rp_error err = {0};
    assert_ok(rp_roi_to_mask(&rt.rois[0], &f.series.image.grid, &back, &report, &err), err);
    assert_memory_equal(mask.data, back.data, rp_grid_voxels(grid));
    assert_int_equal(report.contours_used, rt.rois[0].contour_count);
    assert_int_equal(report.off_slice_contours + report.interpolated_slices + report.gap_slices, 0);
    assert_int_equal(report.degenerate_contours + report.duplicate_contours, 0);
    rp_mask_release(&mask);
    rp_mask_release(&back);
    rp_rtstruct_release(&rt);
    close_fixture(&f);
}

static void round_trip_gives_the_same_mask(void **state)
{
    (void)state;
    const double densities[] = {0.03, 0.3, 0.5, 0.7, 0.97, 1};
    for (size_t i = 0; i < sizeof densities / sizeof *densities; i++) {
        rp_grid grids[] = {rp_grid_make(23, 17, 3, 0.976562, 0.976562, 3.27),
                           oblique_grid(23, 17, 3), sagittal_grid(23, 17, 3)};
        for (size_t g = 0; g < sizeof grids / sizeof *grids; g++)
            assert_round_trip(&grids[g], 100 * i + g, densities[i]);
    }
}

/* An outline with two holes beside each other and an island in one: two contours, as each hole is
 * joined to the outline and the island stands alone. */
static void holes_become_keyholes(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(20, 11, 1, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = {0}, back;
    rp_error err = {0};
    rp_roi_report report;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (int y = 1; y < 10; y++)
        for (int x = 1; x < 19; x++) {
            bool first = x > 2 && x < 8 && y > 2 && y < 8, island = x == 5 && y == 5;
            bool second = x > 10 && x < 15 && y > 3 && y < 7;
            mask.data[rp_grid_index(&grid, x, y, 0)] = !(first || second) || island;
        }
    size_t inside = rp_mask_count(&mask);
    rp_rtstruct rt = write_and_read(&f, &mask, NULL);
    assert_int_equal(rt.rois[0].contour_count, 2);
    assert_ok(rp_roi_to_mask(&rt.rois[0], &grid, &back, &report, &err), err);
    assert_memory_equal(mask.data, back.data, rp_grid_voxels(&grid));
    /* corners are cut: half a pixel short for each outline's four, half too much for each hole's */
    assert_close(report.sum_area_spacing_cc, ((double)inside - 0.5 - 0.5 + 1) * 2 / 1000, 1e-9);
    rp_mask_release(&mask);
    rp_mask_release(&back);
    rp_rtstruct_release(&rt);
    close_fixture(&f);
}

static void contours_and_header_refer_to_the_series(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(9, 8, 4, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.4);
    rp_rtstruct_write_options options = {.roi_name = "GTV \"1\"", .uid_seed = "x"};
    rp_rtstruct rt = write_and_read(&f, &mask, &options);
    assert_string_equal(rt.header.patient_id, "ID-1");
    assert_string_equal(rt.header.modality, "RTSTRUCT");
    assert_string_equal(rt.header.study_uid, f.series.header.study_uid);
    assert_string_equal(rt.header.frame_of_reference_uid, f.series.header.frame_of_reference_uid);
    assert_string_equal(rt.referenced_series_uid, f.series.header.series_uid);
    assert_string_not_equal(rt.header.series_uid, f.series.header.series_uid);
    assert_string_equal(rt.rois[0].name, "GTV \"1\"");
    for (size_t i = 0; i < rt.rois[0].contour_count; i++) {
        const rp_roi_contour *c = &rt.rois[0].contours[i];
        int z = (int)(c->points[0][2] / 2 + 0.5);
        assert_string_equal(c->geometric_type, "CLOSED_PLANAR");
        assert_string_equal(c->sop_uid, f.series.sop_uids[z]);
    }
    assert_true(rp_rtstruct_probe(f.path));
    assert_true(rp_dicom_probe(f.path));
    rp_rtstruct_release(&rt);
    rp_mask_release(&mask);
    close_fixture(&f);
}

static void equal_input_gives_equal_files(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(9, 8, 4, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.4);
    rp_rtstruct_write_options options = {.uid_seed = "x"};
    char one[RP_SHA256_HEX], two[RP_SHA256_HEX];
    rp_error err = {0};
    assert_ok(rp_rtstruct_write(f.path, &f.series, &mask, &options, &err), err);
    assert_ok(rp_sha256_file(f.path, one, &err), err);
    assert_ok(rp_rtstruct_write(f.path, &f.series, &mask, &options, &err), err);
    assert_ok(rp_sha256_file(f.path, two, &err), err);
    assert_string_equal(one, two);
    mask.data[50] ^= 1;
    rp_rtstruct a = write_and_read(&f, &mask, &options);
    mask.data[50] ^= 1;
    rp_rtstruct b = write_and_read(&f, &mask, &options);
    assert_string_not_equal(a.header.series_uid, b.header.series_uid);
    rp_rtstruct_release(&a);
    rp_rtstruct_release(&b);
    rp_mask_release(&mask);
    close_fixture(&f);
}

/* ---- finding ----------------------------------------------------------------------------- */

static void assert_found(const rp_rtstruct *rt, const char *wanted, int number)
{
    const rp_roi *roi = NULL;
    rp_error err = {0};
    assert_ok(rp_rtstruct_find_roi(rt, "f", wanted, &roi, &err), err);
    assert_int_equal(roi->number, number);
}

static void assert_not_found(const rp_rtstruct *rt, const char *wanted, const char *words)
{
    const rp_roi *roi = NULL;
    rp_error err = {0};
    assert_int_equal(rp_rtstruct_find_roi(rt, "f.dcm", wanted, &roi, &err), RP_ERR_ARGUMENT);
    assert_null(roi);
    assert_non_null(strstr(err.message, words));
    assert_non_null(strstr(err.message, "f.dcm"));
}

static void rois_are_found_by_name_then_number(void **state)
{
    (void)state;
    rp_roi rois[] = {{.number = 4, .name = "Liver"},
                     {.number = 7, .name = "GTV"},
                     {.number = 9, .name = "4"},
                     {.number = 12, .name = "Cyst"},
                     {.number = 13, .name = "Cyst"}};
    rp_rtstruct rt = {.rois = rois, .roi_count = 5}, single = {.rois = rois, .roi_count = 1};
    assert_found(&rt, "GTV", 7);
    assert_found(&rt, "7", 7);
    assert_found(&rt, "4", 9); /* the name goes before the number */
    assert_found(&rt, "13", 13);
    assert_found(&single, NULL, 4);
    assert_not_found(&rt, NULL, "\"GTV\"");
    assert_not_found(&rt, "gtv", "no ROI \"gtv\"");
    assert_not_found(&rt, "7x", "no ROI");
    assert_not_found(&rt, "Cyst", "2 ROIs are called");
}

/* ---- faults ------------------------------------------------------------------------------ */

static void assert_read_fails(const char *path, rp_status status, const char *words)
{
    rp_rtstruct rt;
    rp_error err = {0};
    rp_status got = rp_rtstruct_read(path, &rt, &err);
    if (got != status || !strstr(err.message, words) || !strstr(err.message, path))
        fail_msg("expected \"%s\" with \"%s\", got \"%s\": %s", rp_status_text(status), words,
                 rp_status_text(got), err.message);
    assert_null(rt.rois);
}

static void spoil(const char *path, const char *from, const char *to)
{
    uint8_t *data = NULL;
    size_t size = 0, length = strlen(from);
    rp_error err = {0};
    assert_int_equal(length, strlen(to));
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    uint8_t *at = memmem(data, size, from, length);
    assert_non_null(at);
    memcpy(at, to, length);
    assert_ok(rp_file_write(path, data, size, &err), err);
    rp_free(data);
}

static void faulty_files_are_errors(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(6, 6, 2, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6);
    rp_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    assert_ok(rp_rtstruct_write(f.path, &f.series, &mask, NULL, &err), err);
    assert_ok(rp_file_read(f.path, &data, &size, &err), err);
    assert_read_fails("/no/such/file", RP_ERR_IO, "no such file");
    assert_ok(rp_file_write(f.path, data, size / 2, &err), err);
    assert_read_fails(f.path, RP_ERR_FORMAT, "truncated");
    assert_ok(rp_file_write(f.path, "hello, world", 12, &err), err);
    assert_read_fails(f.path, RP_ERR_FORMAT, "not a DICOM file");
    assert_ok(rp_file_write(f.path, data, size, &err), err);
    edit_text(f.path, SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.481.5");
    assert_read_fails(f.path, RP_ERR_FORMAT, "not an RTSTRUCT");
    assert_ok(rp_file_write(f.path, data, size, &err), err);
    remove_element(f.path, ROIS);
    assert_read_fails(f.path, RP_ERR_FORMAT, "without any ROI");
    rp_free(data);
    rp_mask_release(&mask);
    close_fixture(&f);
}

static void assert_faulty(const char *path, const char *words)
{
    rp_rtstruct rt;
    rp_mask mask;
    rp_grid grid = rp_grid_make(6, 6, 2, 1, 1, 2);
    rp_error err = {0};
    assert_ok(rp_rtstruct_read(path, &rt, &err), err);
    assert_non_null(strstr(rt.rois[0].fault, words));
    assert_non_null(rp_remark_find(&rt.remarks, "rois_unreadable"));
    assert_int_equal(rp_roi_to_mask(&rt.rois[0], &grid, &mask, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, words));
    rp_rtstruct_release(&rt);
}

/* The others of the file can be used: tests/oracle/test_rtstruct.py. */
static void faulty_regions_are_kept_with_their_fault(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(6, 6, 2, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6);
    rp_rtstruct rt = write_and_read(&f, &mask, NULL);
    rp_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    assert_int_equal(rt.remarks.count, 0);
    rp_rtstruct_release(&rt);
    assert_ok(rp_file_read(f.path, &data, &size, &err), err);
    spoil(f.path, "\\0\\0.5", "\\0\\abc");
    assert_faulty(f.path, "no number");
    assert_ok(rp_file_write(f.path, data, size, &err), err);
    spoil(f.path, "\\0\\0.5", "\\0\\nan");
    assert_faulty(f.path, "no number");
    assert_ok(rp_file_write(f.path, data, size, &err), err);
    spoil(f.path, "\\0\\0.5", "\\0 0.5");
    assert_faulty(f.path, "ContourData");
    rp_free(data);
    rp_mask_release(&mask);
    close_fixture(&f);
}

static rp_rtstruct_frame frame_for(const rp_rtstruct *rt, const char *own, const char *wanted,
                                   bool told)
{
    rp_roi roi = {.number = 1};
    rp_rtstruct_frame frame;
    snprintf(roi.frame_of_reference_uid, sizeof roi.frame_of_reference_uid, "%s", own);
    assert_int_equal(rp_rtstruct_frame_of(rt, &roi, wanted, &frame), told);
    return frame;
}

static void a_region_lies_in_its_own_frame(void **state)
{
    (void)state;
    rp_rtstruct_frame frames[] = {{"1.1", "1.8"}, {"1.2", "1.9"}};
    const rp_rtstruct rt = {.header = {.frame_of_reference_uid = "1.1"},
                            .referenced_series_uid = "1.8",
                            .frames = frames,
                            .frame_count = 2};
    assert_string_equal(frame_for(&rt, "1.2", "1.1", true).uid, "1.2");
    assert_string_equal(frame_for(&rt, "1.2", "1.1", true).series_uid, "1.9");
    assert_string_equal(frame_for(&rt, "1.3", "1.1", true).uid, "1.3");
    assert_string_equal(frame_for(&rt, "1.3", "1.1", true).series_uid, "");
    assert_string_equal(frame_for(&rt, "", "1.2", false).series_uid, "1.9");
    assert_string_equal(frame_for(&rt, "", "1.7", false).uid, "1.1");
}

static void wrong_masks_are_errors_and_nothing_is_written(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(6, 6, 2, 1, 1, 2), other = rp_grid_make(6, 6, 2, 1, 1, 2.1);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6), shifted = random_mask(&other, 5, 0.6), none = {0};
    rp_error err = {0};
    assert_ok(rp_mask_init(&none, &grid, &err), err);
    assert_int_equal(rp_rtstruct_write(f.path, &f.series, &none, NULL, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "empty"));
    assert_int_equal(rp_rtstruct_write(f.path, &f.series, &shifted, NULL, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "grid"));
    for (long n = 1; n <= 2; n++) {
        rp_test_fail_write(n);
        assert_int_equal(rp_rtstruct_write(f.path, &f.series, &mask, NULL, &err), RP_ERR_IO);
        rp_test_fail_write(0);
    }
    f.series.sop_uids[1][0] = 0;
    assert_int_equal(rp_rtstruct_write(f.path, &f.series, &mask, NULL, &err), RP_ERR_UNSUPPORTED);
    assert_false(rp_path_exists(f.path));
    rp_mask_release(&mask);
    rp_mask_release(&shifted);
    rp_mask_release(&none);
    close_fixture(&f);
}

static void failed_allocations_are_errors(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(8, 8, 3, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6);
    rp_status status = RP_ERR_MEMORY;
    long n = 1;
    for (; n < 2000 && status; n++) {
        rp_rtstruct rt = {0};
        rp_mask back = {0};
        rp_error err = {0};
        rp_test_fail_allocation(n);
        status = rp_rtstruct_write(f.path, &f.series, &mask, NULL, &err);
        if (!status) status = rp_rtstruct_read(f.path, &rt, &err);
        if (!status) status = rp_roi_to_mask(&rt.rois[0], &grid, &back, NULL, &err);
        rp_test_fail_allocation(0);
        rp_rtstruct_release(&rt);
        rp_mask_release(&back);
    }
    assert_int_equal(status, RP_OK);
    assert_true(n > 20);
    rp_mask_release(&mask);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_gives_the_same_mask),
        cmocka_unit_test(holes_become_keyholes),
        cmocka_unit_test(contours_and_header_refer_to_the_series),
        cmocka_unit_test(equal_input_gives_equal_files),
        cmocka_unit_test(rois_are_found_by_name_then_number),
        cmocka_unit_test(faulty_files_are_errors),
        cmocka_unit_test(faulty_regions_are_kept_with_their_fault),
        cmocka_unit_test(a_region_lies_in_its_own_frame),
        cmocka_unit_test(wrong_masks_are_errors_and_nothing_is_written),
        cmocka_unit_test(failed_allocations_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
