/* Masks written as segmentations and read back, on their own grid and on others; segments found;
 * faulty files. */
#include "masks.h"
#include "reprise/dicom_seg.h"

enum {
    SOP_CLASS = 0x00080016,
    FRAMES = 0x00280008,
    BITS = 0x00280100,
    TYPE = 0x00620001,
    SEGMENTS = 0x00620002,
    PER_FRAME = 0x52009230,
    PIXELS = 0x7fe00010
};

static rp_seg write_and_read(const fixture *f, const rp_mask *mask,
                             const rp_seg_write_options *options)
{
    rp_seg seg;
    rp_error err = {0};
    assert_ok(rp_seg_write(f->path, &f->series, mask, options, &err), err);
    assert_ok(rp_seg_read(f->path, &seg, &err), err);
    return seg;
}

static rp_mask on_grid(const rp_seg *seg, const rp_grid *grid, rp_seg_report *report)
{
    rp_mask mask;
    rp_error err = {0};
    assert_ok(rp_seg_to_mask(seg, &seg->segments[0], NULL, grid, &mask, report, &err), err);
    return mask;
}

/* ---- there and back ---------------------------------------------------------------------- */

static void assert_round_trip(const rp_grid *grid, uint64_t seed, double density)
{
    fixture f = open_fixture(grid);
    rp_mask mask = random_mask(&f.series.image.grid, seed, density);
    mask.data[rp_grid_voxels(grid) - 1] = 1;
    rp_seg seg = write_and_read(&f, &mask, NULL);
    rp_seg_report report;
    rp_mask back = on_grid(&seg, &f.series.image.grid, &report);
    assert_memory_equal(mask.data, back.data, rp_grid_voxels(grid));
    assert_false(report.resampled);
    assert_int_equal(report.outside_voxels, 0);
    assert_int_equal(report.frames_used, seg.frame_count);
    rp_mask_release(&mask);
    rp_mask_release(&back);
    rp_seg_release(&seg);
    close_fixture(&f);
}

static void round_trip_gives_the_same_mask(void **state)
{
    (void)state;
    const double densities[] = {0.01, 0.5, 1};
    for (size_t i = 0; i < sizeof densities / sizeof *densities; i++) {
        rp_grid grids[] = {rp_grid_make(23, 17, 4, 0.976562, 0.976562, 3.27), oblique_grid(9, 5, 7),
                           sagittal_grid(8, 8, 3), rp_grid_make(1, 1, 5, 1, 1, 1),
                           rp_grid_make(3, 300, 2, 0.3, 0.3, 9)};
        for (size_t g = 0; g < sizeof grids / sizeof *grids; g++)
            assert_round_trip(&grids[g], 100 * i + g, densities[i]);
    }
}

/* The same voxels in space, stored along other axes: reversed, exchanged, left-handed, cut. */
static rp_grid stored_otherwise(const rp_grid *grid)
{
    rp_grid other = *grid;
    const int from[3] = {2, 0, 1};
    for (int a = 0; a < 3; a++) {
        other.size[a] = grid->size[from[a]];
        other.spacing[a] = grid->spacing[from[a]];
        for (int r = 0; r < 3; r++) other.direction[r][a] = grid->direction[r][from[a]];
    }
    const double last[3] = {grid->size[0] - 1, 0, 0};
    rp_grid_to_world(grid, last, other.origin);
    for (int r = 0; r < 3; r++) other.direction[r][1] = -other.direction[r][1];
    other.size[2] -= 2; /* y of the first grid */
    return other;
}

static void another_order_of_axes_copies_the_same_voxels(void **state)
{
    (void)state;
    rp_grid grid = oblique_grid(11, 9, 6), other = stored_otherwise(&grid);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 3, 0.4);
    rp_seg seg = write_and_read(&f, &mask, NULL);
    rp_seg_report report;
    rp_mask moved = on_grid(&seg, &other, &report);
    size_t inside = 0;
    assert_false(report.resampled);
    for (int z = 0; z < other.size[2]; z++)
        for (int y = 0; y < other.size[1]; y++)
            for (int x = 0; x < other.size[0]; x++) {
                const uint8_t is = moved.data[rp_grid_index(&other, x, y, z)];
                assert_int_equal(is, mask.data[rp_grid_index(&grid, 10 - y, z, x)]);
                inside += is;
            }
    assert_int_equal(inside + report.outside_voxels, rp_mask_count(&mask));
    assert_true(report.outside_voxels > 0);
    rp_mask_release(&mask);
    rp_mask_release(&moved);
    rp_seg_release(&seg);
    close_fixture(&f);
}

static void its_own_grid_is_that_of_the_frames(void **state)
{
    (void)state;
    rp_grid grid = oblique_grid(7, 6, 9), own;
    fixture f = open_fixture(&grid);
    rp_mask mask = {0};
    rp_error err = {0};
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    const int slices[] = {2, 4, 7}; /* 3, 5 and 6 have no frame */
    for (int i = 0; i < 3; i++) mask.data[rp_grid_index(&grid, 1 + i, 2, slices[i])] = 1;
    rp_seg seg = write_and_read(&f, &mask, NULL);
    assert_int_equal(seg.frame_count, 3);
    assert_ok(rp_seg_grid(&seg, &own, NULL, &err), err);
    assert_int_equal(own.size[2], 6);
    assert_close(own.spacing[2], 2.5, 1e-9);
    rp_mask back = on_grid(&seg, &own, NULL);
    assert_int_equal(rp_mask_count(&back), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(back.data[rp_grid_index(&own, 1 + i, 2, slices[i] - 2)], 1);
    rp_mask_release(&mask);
    rp_mask_release(&back);
    rp_seg_release(&seg);
    close_fixture(&f);
}

static void another_grid_is_resampled_as_masks_are(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(20, 18, 10, 1, 1, 2),
            finer = rp_grid_make(37, 33, 21, 0.5, 0.5, 0.9);
    fixture f = open_fixture(&grid);
    rp_mask mask = {0}, expected;
    rp_error err = {0};
    rp_seg_report report;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    for (int z = 0; z < 10; z++) /* each slice has a frame, so that its grid is the whole one */
        for (int y = 4; y < 12; y++)
            for (int x = 5; x < 15; x++) mask.data[rp_grid_index(&grid, x, y, z)] = 1;
    finer.origin[0] = 0.3;
    rp_seg seg = write_and_read(&f, &mask, NULL);
    rp_mask moved = on_grid(&seg, &finer, &report);
    assert_ok(rp_mask_resample(&mask, &finer, &expected, &err), err);
    assert_true(report.resampled);
    assert_memory_equal(moved.data, expected.data, rp_grid_voxels(&finer));
    rp_mask_release(&mask);
    rp_mask_release(&moved);
    rp_mask_release(&expected);
    rp_seg_release(&seg);
    close_fixture(&f);
}

/* ---- what is written --------------------------------------------------------------------- */

static void header_and_segment_say_what_it_is(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(9, 8, 4, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.4);
    rp_seg_write_options options = {.segment_label = "GTV \"1\"", .uid_seed = "x"};
    rp_seg seg = write_and_read(&f, &mask, &options);
    assert_string_equal(seg.header.patient_id, "ID-1");
    assert_string_equal(seg.header.modality, "SEG");
    assert_string_equal(seg.header.study_uid, f.series.header.study_uid);
    assert_string_equal(seg.header.frame_of_reference_uid, f.series.header.frame_of_reference_uid);
    assert_string_equal(seg.referenced_series_uid, f.series.header.series_uid);
    assert_int_equal(seg.segment_count, 1);
    assert_int_equal(seg.segments[0].number, 1);
    assert_string_equal(seg.segments[0].name, "GTV \"1\"");
    assert_string_equal(seg.segments[0].property, "Lesion");
    assert_string_equal(rp_seg_type_name(seg.type), "BINARY");
    assert_true(rp_seg_probe(f.path));
    assert_true(rp_dicom_probe(f.path));
    assert_false(rp_rtstruct_probe(f.path));
    rp_seg_release(&seg);
    rp_mask_release(&mask);
    close_fixture(&f);
}

static void equal_input_gives_equal_files(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(9, 8, 4, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.4);
    rp_seg_write_options options = {.uid_seed = "x"};
    char one[RP_SHA256_HEX], two[RP_SHA256_HEX];
    rp_error err = {0};
    assert_ok(rp_seg_write(f.path, &f.series, &mask, &options, &err), err);
    assert_ok(rp_sha256_file(f.path, one, &err), err);
    rp_seg a = write_and_read(&f, &mask, &options);
    assert_ok(rp_sha256_file(f.path, two, &err), err);
    assert_string_equal(one, two);
    mask.data[50] ^= 1;
    rp_seg b = write_and_read(&f, &mask, &options);
    assert_string_not_equal(a.header.series_uid, b.header.series_uid);
    rp_seg_release(&a);
    rp_seg_release(&b);
    rp_mask_release(&mask);
    close_fixture(&f);
}

static void regions_are_known_by_either_name(void **state)
{
    (void)state;
    const char *const known[] = {
        "LIVER",         "liver", "Head and Neck", "HEADNECK", "chest, abdomen and pelvis",
        "CHESTABDPELVIS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(rp_seg_region_known(known[i]));
    assert_false(rp_seg_region_known("left liver"));
    assert_false(rp_seg_region_known(""));
}

/* ---- finding ----------------------------------------------------------------------------- */

static void assert_found(const rp_seg *seg, const char *wanted, int number)
{
    const rp_seg_segment *segment = NULL;
    rp_error err = {0};
    assert_ok(rp_seg_find_segment(seg, "f", wanted, &segment, &err), err);
    assert_int_equal(segment->number, number);
}

static void assert_not_found(const rp_seg *seg, const char *wanted, const char *words)
{
    const rp_seg_segment *segment = NULL;
    rp_error err = {0};
    assert_int_equal(rp_seg_find_segment(seg, "f.dcm", wanted, &segment, &err), RP_ERR_ARGUMENT);
    assert_null(segment);
    assert_non_null(strstr(err.message, words));
    assert_non_null(strstr(err.message, "f.dcm"));
}

static void segments_are_found_by_name_then_number(void **state)
{
    (void)state;
    rp_seg_segment segments[] = {{.number = 4, .name = "Liver"},
                                 {.number = 7, .name = "Lesion"},
                                 {.number = 9, .name = "4"},
                                 {.number = 12, .name = "Cyst"},
                                 {.number = 13, .name = "Cyst"}};
    rp_seg seg = {.segments = segments, .segment_count = 5};
    rp_seg single = {.segments = segments, .segment_count = 1};
    assert_found(&seg, "Lesion", 7);
    assert_found(&seg, "7", 7);
    assert_found(&seg, "4", 9); /* the name goes before the number */
    assert_found(&single, NULL, 4);
    assert_not_found(&seg, NULL, "\"Lesion\"");
    assert_not_found(&seg, "lesion", "no segment \"lesion\"");
    assert_not_found(&seg, "7x", "no segment");
    assert_not_found(&seg, "Cyst", "2 segments are called");
}

/* ---- faults ------------------------------------------------------------------------------ */

static void assert_read_fails(const char *path, rp_status status, const char *words)
{
    rp_seg seg;
    rp_error err = {0};
    rp_status got = rp_seg_read(path, &seg, &err);
    if (got != status || !strstr(err.message, words) || !strstr(err.message, path))
        fail_msg("expected \"%s\" with \"%s\", got \"%s\": %s", rp_status_text(status), words,
                 rp_status_text(got), err.message);
    assert_null(seg.segments);
    assert_null(seg.pixels);
}

static void faulty_files_are_errors(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(6, 7, 3, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6);
    rp_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    assert_ok(rp_seg_write(f.path, &f.series, &mask, NULL, &err), err);
    assert_ok(rp_file_read(f.path, &data, &size, &err), err);
    assert_read_fails("/no/such/file", RP_ERR_IO, "no such file");
    assert_ok(rp_file_write(f.path, "hello, world", 12, &err), err);
    assert_read_fails(f.path, RP_ERR_FORMAT, "not a DICOM file");
    const struct {
        uint32_t tag;
        const char *vr, *text, *words;
    } edits[] = {{SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.481.5", "not a segmentation"},
                 {TYPE, "CS", "FRACTAL ", "SegmentationType"},
                 {TYPE, "CS", "FRACTIONAL", "1 bits per pixel"},
                 {FRAMES, "IS", "4 ", "places of 3 frames"},
                 {FRAMES, "IS", "-1", "NumberOfFrames"},
                 {SEGMENTS, "", "", "without any segment"},
                 {PIXELS, "", "", "no PixelData"},
                 {PER_FRAME, "", "", "places of 0 frames"},
                 {BITS, "", "", "bits per pixel"}};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        assert_ok(rp_file_write(f.path, data, size, &err), err);
        edit_text(f.path, edits[i].tag, edits[i].vr, edits[i].text);
        assert_read_fails(f.path, RP_ERR_FORMAT, edits[i].words);
    }
    rp_free(data);
    rp_mask_release(&mask);
    close_fixture(&f);
}

/* Whatever a file is cut to or changed to: an error or a segmentation, and what is read can be
 * used. */
static void use(const char *path, const rp_grid *grid)
{
    rp_seg seg;
    rp_grid own;
    rp_mask mask = {0};
    if (rp_seg_read(path, &seg, NULL)) return;
    if (!rp_seg_to_mask(&seg, &seg.segments[0], NULL, grid, &mask, NULL, NULL))
        rp_mask_release(&mask);
    (void)rp_seg_grid(&seg, &own, NULL, NULL);
    rp_seg_release(&seg);
}

static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(6, 7, 3, 1, 1, 2);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6);
    rp_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    assert_ok(rp_seg_write(f.path, &f.series, &mask, NULL, &err), err);
    assert_ok(rp_file_read(f.path, &data, &size, &err), err);
    for (size_t length = 140; length < size; length += 37) {
        assert_ok(rp_file_write(f.path, data, length, &err), err);
        use(f.path, &grid);
    }
    rp_random random;
    rp_random_init(&random, 9, 1, 0);
    for (int i = 0; i < 400; i++) {
        const size_t at = 132 + (size_t)(rp_random_uniform(&random) * (double)(size - 132));
        const uint8_t was = data[at];
        data[at] ^= (uint8_t)(1U << (i % 8));
        assert_ok(rp_file_write(f.path, data, size, &err), err);
        use(f.path, &grid);
        data[at] = was;
    }
    rp_free(data);
    rp_mask_release(&mask);
    close_fixture(&f);
}

static void wrong_masks_are_errors_and_nothing_is_written(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(6, 6, 2, 1, 1, 2), other = rp_grid_make(6, 6, 2, 1, 1, 2.1);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6), shifted = random_mask(&other, 5, 0.6), none = {0};
    rp_seg_write_options nowhere = {.region = "nowhere"};
    rp_error err = {0};
    assert_ok(rp_mask_init(&none, &grid, &err), err);
    assert_int_equal(rp_seg_write(f.path, &f.series, &none, NULL, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "empty"));
    assert_int_equal(rp_seg_write(f.path, &f.series, &shifted, NULL, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "grid"));
    assert_int_equal(rp_seg_write(f.path, &f.series, &mask, &nowhere, &err), RP_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "nowhere"));
    for (long n = 1; n <= 2; n++) {
        rp_test_fail_write(n);
        assert_int_equal(rp_seg_write(f.path, &f.series, &mask, NULL, &err), RP_ERR_IO);
        rp_test_fail_write(0);
    }
    f.series.sop_uids[1][0] = 0;
    assert_int_equal(rp_seg_write(f.path, &f.series, &mask, NULL, &err), RP_ERR_UNSUPPORTED);
    assert_false(rp_path_exists(f.path));
    rp_mask_release(&mask);
    rp_mask_release(&shifted);
    rp_mask_release(&none);
    close_fixture(&f);
}

static void failed_allocations_are_errors(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(8, 8, 3, 1, 1, 2), other = rp_grid_make(5, 5, 5, 1.3, 1.3, 1);
    fixture f = open_fixture(&grid);
    rp_mask mask = random_mask(&grid, 5, 0.6);
    rp_status status = RP_ERR_MEMORY;
    long n = 1;
    for (; n < 2000 && status; n++) {
        rp_seg seg = {0};
        rp_mask back = {0};
        rp_test_fail_allocation(n);
        status = rp_seg_write(f.path, &f.series, &mask, NULL, NULL);
        if (!status) status = rp_seg_read(f.path, &seg, NULL);
        if (!status)
            status = rp_seg_to_mask(&seg, &seg.segments[0], NULL, &other, &back, NULL, NULL);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
        rp_mask_release(&back);
        rp_seg_release(&seg);
    }
    assert_int_equal(status, RP_OK);
    assert_true(n > 4);
    rp_mask_release(&mask);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_gives_the_same_mask),
        cmocka_unit_test(another_order_of_axes_copies_the_same_voxels),
        cmocka_unit_test(its_own_grid_is_that_of_the_frames),
        cmocka_unit_test(another_grid_is_resampled_as_masks_are),
        cmocka_unit_test(header_and_segment_say_what_it_is),
        cmocka_unit_test(equal_input_gives_equal_files),
        cmocka_unit_test(regions_are_known_by_either_name),
        cmocka_unit_test(segments_are_found_by_name_then_number),
        cmocka_unit_test(faulty_files_are_errors),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(wrong_masks_are_errors_and_nothing_is_written),
        cmocka_unit_test(failed_allocations_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
