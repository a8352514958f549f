/* Structured reports written and read back, and what is refused. */
#include <math.h>

#include "phantom.h"
#include "reprise/dicom_sr.h"

typedef struct fixture {
    char *folder, *path;
    rp_dicom_series series;
    rp_mask mask;
    rp_sr_lesion lesion;
    rp_sr_write_options options;
} fixture;

/* A box of 3 x 2 x 2 voxels, and axes on its first slice. */
static void open_fixture(fixture *f)
{
    rp_image image = small_image();
    rp_dicom_header header = small_header();
    rp_error err = {0};
    *f = (fixture){.folder = make_folder()};
    char *images = rp_path_join(f->folder, "ct");
    assert_ok(rp_dicom_series_write(images, &image, &header, "s", &f->series, &err), err);
    assert_ok(rp_mask_init(&f->mask, &f->series.image.grid, &err), err);
    for (size_t z = 2; z < 4; z++)
        for (size_t y = 1; y < 3; y++)
            for (size_t x = 2; x < 5; x++) f->mask.data[(z * NY + y) * NX + x] = 1;
    f->path = rp_path_join(f->folder, "sr.dcm");
    f->lesion = (rp_sr_lesion){.tracking_id = "T1",
                               .tracking_uid = "2.25.7",
                               .time_point = "baseline",
                               .series = &f->series,
                               .mask = &f->mask,
                               .slice = 2,
                               .long_axis = {{1.5, 1}, {4.5, 1}},
                               .short_axis = {{2, 0.5}, {2, 2.5}},
                               .long_axis_mm = 2.25,
                               .short_axis_mm = 2.125,
                               .volume_cc = 0.03375,
                               .algorithm = "test",
                               .algorithm_version = "1"};
    f->options = (rp_sr_write_options){.series = &f->series,
                                       .lesions = &f->lesion,
                                       .lesion_count = 1,
                                       .response = "PR",
                                       .change_percent = -31.5,
                                       .rule = "because",
                                       .label = "synthetic",
                                       .uid_seed = "seed"};
    rp_image_release(&image);
    rp_free(images);
}

static void close_fixture(fixture *f)
{
    rp_mask_release(&f->mask);
    rp_dicom_series_release(&f->series);
    rp_free(f->path);
    remove_folder(f->folder);
}

static rp_sr write_and_read(const fixture *f)
{
    rp_sr report;
    rp_error err = {0};
    assert_ok(rp_sr_write(f->path, &f->options, &err), err);
    assert_true(rp_sr_probe(f->path));
    assert_ok(rp_sr_read(f->path, &report, &err), err);
    assert_int_equal(report.problem_count, 0);
    return report;
}

static const rp_sr_measurement *found(const rp_sr_group *g, const char *code, rp_sr_quantity what)
{
    const rp_sr_measurement *m = NULL;
    rp_error err = {0};
    assert_ok(rp_sr_find(g, "x", code, "SCT", what, &m, &err), err);
    assert_non_null(m);
    return m;
}

static void test_round_trip(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    rp_sr report = write_and_read(&f);
    const rp_sr_group *g = report.groups;
    assert_int_equal(report.group_count, 1);
    assert_string_equal(report.header.patient_id, "ID-1");
    assert_string_equal(report.header.study_uid, f.series.header.study_uid);
    assert_non_null(strstr(report.header.series_description, "synthetic"));
    assert_string_equal(g->tracking_id, "T1");
    assert_string_equal(g->tracking_uid, "2.25.7");
    assert_string_equal(g->time_point, "baseline");
    assert_string_equal(g->date, "20240102");
    assert_string_equal(g->source_series_uid, f.series.header.series_uid);
    const rp_sr_measurement *axis = found(g, "103339001", RP_SR_LENGTH);
    assert_close(axis->value, 2.25, 0);
    assert_int_equal(axis->region_count, 1);
    assert_string_equal(axis->regions[0].image.sop_uid, f.series.sop_uids[2]);
    assert_close(axis->regions[0].points[0][0], 2.0, 0);
    assert_close(axis->regions[0].points[0][1], 1.5, 0);
    assert_close(axis->regions[0].points[1][0], 5.0, 0);
    assert_close(found(g, "103340004", RP_SR_LENGTH)->value, 2.125, 0);
    assert_close(found(g, "118565006", RP_SR_VOLUME)->value, 0.03375, 1e-15);
    assert_int_equal(g->region_count, 2); /* an outline on each of its slices */
    assert_int_equal(report.evaluation_count, 1);
    assert_true(rp_sr_code_is(&report.evaluations[0].value, "112042", "DCM"));
    rp_sr_release(&report);
    close_fixture(&f);
}

static void test_segment_instead_of_outlines(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    const rp_sr_code site = {"59441001", "SCT", "Lymph node"};
    f.lesion.segmentation_sop_uid = "2.25.101";
    f.lesion.segmentation_series_uid = "2.25.102";
    f.lesion.segment = 3;
    f.lesion.mask = NULL;
    f.lesion.site = &site;
    rp_sr report = write_and_read(&f);
    const rp_sr_group *g = report.groups;
    assert_int_equal(g->region_count, 0);
    assert_int_equal(g->image_count, 1);
    assert_string_equal(g->images[0].sop_uid, "2.25.101");
    assert_int_equal(g->images[0].segment, 3);
    assert_string_equal(g->date, "20240102");
    assert_true(rp_sr_code_is_node(&g->site));
    rp_sr_release(&report);
    close_fixture(&f);
}

static void test_frames_of_one_object(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    f.series.frame_numbers = rp_alloc(NZ, sizeof *f.series.frame_numbers);
    assert_non_null(f.series.frame_numbers);
    for (int z = 0; z < NZ; z++) {
        memcpy(f.series.sop_uids[z], "2.25.55", 8);
        f.series.frame_numbers[z] = NZ - z;
    }
    rp_sr report = write_and_read(&f);
    const rp_sr_image *image = &found(report.groups, "103339001", RP_SR_LENGTH)->regions[0].image;
    assert_string_equal(image->sop_uid, "2.25.55");
    assert_int_equal(image->frame, NZ - 2);
    assert_int_equal(report.groups->regions[1].image.frame, NZ - 3);
    rp_sr_release(&report);
    close_fixture(&f);
}

/* What lies on a slice made between images is told in the patient's coordinates. */
static void test_slices_without_image(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    f.series.sop_uids[2][0] = 0;
    rp_sr report = write_and_read(&f);
    const rp_sr_region *line = found(report.groups, "103339001", RP_SR_LENGTH)->regions;
    const double index[3] = {4.5, 1, 2};
    double world[3];
    rp_grid_to_world(&f.series.image.grid, index, world);
    assert_true(line->in_space);
    assert_string_equal(line->frame_of_reference_uid, f.series.header.frame_of_reference_uid);
    for (int a = 0; a < 3; a++) assert_close(line->points[1][a], world[a], 1e-4);
    assert_int_equal(report.groups->region_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(report.groups->regions[i].in_space);
        assert_true(rp_sr_code_is(&report.groups->regions[i].name, "121231", "DCM"));
    }
    rp_sr_release(&report);
    f.series.header.frame_of_reference_uid[0] = 0;
    f.lesion.segmentation_sop_uid = "2.25.101";
    f.lesion.segmentation_series_uid = "2.25.102";
    f.lesion.segment = 1;
    report = write_and_read(&f); /* no place for a line, but its length */
    assert_int_equal(found(report.groups, "103339001", RP_SR_LENGTH)->region_count, 0);
    rp_sr_release(&report);
    close_fixture(&f);
}

static void test_uids_of_objects(void **state)
{
    (void)state;
    fixture f;
    rp_error err = {0};
    char sop[RP_DICOM_UID], *slice;
    rp_dicom_header header;
    open_fixture(&f);
    slice = rp_format("%s/ct/slice-0001.dcm", f.folder);
    assert_ok(rp_dicom_object_read(slice, &header, sop, &err), err);
    assert_string_equal(sop, f.series.sop_uids[0]);
    assert_memory_equal(&header, &f.series.header, sizeof header);
    assert_ok(rp_file_write(slice, "no DICOM", 8, &err), err);
    assert_int_equal(rp_dicom_object_read(slice, &header, sop, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, slice));
    rp_free(slice);
    close_fixture(&f);
}

static void test_response_alone_and_no_dates(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    f.options.lesion_count = 0;
    f.options.response = "NE";
    f.options.change_percent = NAN;
    rp_sr report = write_and_read(&f);
    assert_int_equal(report.group_count, 0);
    assert_true(rp_sr_code_is(&report.evaluations[0].value, "C62222", "NCIt"));
    rp_sr_release(&report);
    f.options.lesion_count = 1;
    f.options.no_dates = true;
    f.series.header.study_date[0] = f.series.header.acquisition_date[0] = 0;
    report = write_and_read(&f);
    assert_string_equal(report.groups[0].date, "");
    assert_string_equal(report.content_date, "19000101");
    rp_sr_release(&report);
    close_fixture(&f);
}

static void read_bytes(const char *path, char hex[RP_SHA256_HEX])
{
    rp_error err = {0};
    assert_ok(rp_sha256_file(path, hex, &err), err);
}

static void test_equal_input_equal_file(void **state)
{
    (void)state;
    fixture f;
    rp_error err = {0};
    char first[RP_SHA256_HEX], second[RP_SHA256_HEX], uid[RP_DICOM_UID], other[RP_DICOM_UID];
    open_fixture(&f);
    rp_sr one = write_and_read(&f);
    read_bytes(f.path, first);
    assert_ok(rp_sr_write(f.path, &f.options, &err), err);
    read_bytes(f.path, second);
    assert_string_equal(first, second);
    f.lesion.long_axis_mm = 2.2500001;
    rp_sr two = write_and_read(&f);
    assert_string_not_equal(one.header.series_uid, two.header.series_uid);
    rp_sr_tracking_uid("a", uid);
    rp_sr_tracking_uid("b", other);
    assert_string_not_equal(uid, other);
    rp_sr_tracking_uid("a", other);
    assert_string_equal(uid, other);
    rp_sr_release(&one);
    rp_sr_release(&two);
    close_fixture(&f);
}

static void assert_refused(fixture *f, rp_status status, const char *words)
{
    rp_error err = {0};
    assert_int_equal(rp_sr_write(f->path, &f->options, &err), status);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in '%s'", words, err.message);
    assert_false(rp_path_exists(f->path));
}

static void test_refusals(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    const rp_sr_lesion good = f.lesion;
    f.lesion.slice = NZ;
    assert_refused(&f, RP_ERR_ARGUMENT, "outside the series");
    f.lesion = good;
    f.lesion.mask = NULL;
    assert_refused(&f, RP_ERR_ARGUMENT, "neither mask nor segment");
    f.lesion = good;
    f.lesion.long_axis_mm = 0;
    assert_refused(&f, RP_ERR_ARGUMENT, "no extent");
    f.lesion = good;
    f.lesion.tracking_uid = NULL;
    assert_refused(&f, RP_ERR_ARGUMENT, "without tracking");
    f.lesion = good;
    f.lesion.segmentation_sop_uid = "2.25.1";
    assert_refused(&f, RP_ERR_ARGUMENT, "without its series");
    f.lesion = good;
    f.mask.grid.origin[0] += 5;
    assert_refused(&f, RP_ERR_ARGUMENT, "not on the grid");
    f.mask.grid.origin[0] -= 5;
    f.options.response = "XX";
    assert_refused(&f, RP_ERR_ARGUMENT, "no response is called XX");
    f.options.response = NULL;
    f.options.lesion_count = 0;
    assert_refused(&f, RP_ERR_ARGUMENT, "nothing to report");
    f.options.lesion_count = 1;
    memcpy(f.series.sop_uids[1], f.series.sop_uids[0], RP_DICOM_UID);
    assert_refused(&f, RP_ERR_UNSUPPORTED, "bear one UID");
    f.series.sop_uids[1][0] = f.series.sop_uids[2][0] = 0;
    f.series.header.frame_of_reference_uid[0] = 0;
    assert_refused(&f, RP_ERR_UNSUPPORTED, "no frame of reference");
    for (int z = 0; z < NZ; z++) f.series.sop_uids[z][0] = 0;
    f.series.acquired_count = 0;
    assert_refused(&f, RP_ERR_UNSUPPORTED, "no UID");
    close_fixture(&f);
}

static void test_codes(void **state)
{
    (void)state;
    const rp_sr_code old = {"G-A185", "SRT", "Long Axis"}, local = {"G-A185", "99X", ""},
                     none = {0};
    assert_true(rp_sr_code_is(&old, "103339001", "SCT"));
    assert_false(rp_sr_code_is(&local, "103339001", "SCT"));
    assert_false(rp_sr_code_is(&none, "", ""));
}

/* Nodes of every site, in every scheme, and by their meaning; nothing that lies near them. */
static void test_nodes(void **state)
{
    (void)state;
    static const rp_sr_code nodes[] = {{"59441001", "SCT", ""},
                                       {"62683002", "SCT", ""}, /* mediastinal */
                                       {"8928004", "SCT", ""},  /* inguinal */
                                       {"68171009", "SCT", ""}, /* axillary */
                                       {"1187336003", "SCT", ""},
                                       {"283001", "SCT", ""},
                                       {"T-C4000", "SRT", ""},
                                       {"T-C4360", "SRT", ""},
                                       {"T-C43AC", "99SDM", ""},
                                       {"C77.1", "ICDO3", ""},
                                       {"5034", "FMA", ""},
                                       {"C12745", "NCIt", ""},
                                       {"12345", "FMA", "Left axillary lymph node"},
                                       {"X", "99LOCAL", "LYMPH NODES, retroperitoneal"},
                                       {"X", "99LOCAL", "Mediastinaler Lymphknoten"},
                                       {"X", "99LOCAL", "Lymphadenopathy"}};
    static const rp_sr_code others[] = {
        {"10200004", "SCT", "Liver"},
        {"75053002", "SCT", ""}, /* a syndrome */
        {"62683002", "99LOCAL", ""},
        {"T-C3000", "SRT", "Spleen"},
        {"T-C4360", "99LOCAL", ""},
        {"5035", "FMA", ""},
        {"88210001", "SCT", "Sinoatrial node"},
        {"110550009", "SCT", "Lung and tracheobronchial lymph nodes (combined site)"},
        {"X", "99LOCAL", "Lung nodule"},
        {"X", "99LOCAL", "Lymphoma"},
        {"", "SCT", ""}};
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        if (!rp_sr_code_is_node(&nodes[i]))
            fail_msg("%s %s '%s' is no node", nodes[i].scheme, nodes[i].value, nodes[i].meaning);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (rp_sr_code_is_node(&others[i]))
            fail_msg("%s %s '%s' is a node", others[i].scheme, others[i].value, others[i].meaning);
}

static void test_damaged_files_leave_nothing(void **state)
{
    (void)state;
    fixture f;
    rp_sr report;
    rp_error err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    open_fixture(&f);
    assert_ok(rp_sr_write(f.path, &f.options, &err), err);
    assert_ok(rp_file_read(f.path, &data, &size, &err), err);
    for (size_t cut = 0; cut < size; cut += size / 97 + 1) {
        assert_ok(rp_file_write(f.path, data, cut, &err), err);
        if (rp_sr_read(f.path, &report, &err) == RP_OK) rp_sr_release(&report);
        assert_true(report.groups == NULL && report.problems == NULL);
    }
    rp_random random;
    rp_random_init(&random, 1, 1, 0);
    for (int i = 0; i < 300; i++) {
        const size_t at = 132 + (size_t)(rp_random_uniform(&random) * (double)(size - 133));
        const uint8_t kept = data[at];
        data[at] = (uint8_t)(rp_random_uniform(&random) * 256);
        assert_ok(rp_file_write(f.path, data, size, &err), err);
        if (rp_sr_read(f.path, &report, &err) == RP_OK) rp_sr_release(&report);
        data[at] = kept;
    }
    rp_free(data);
    close_fixture(&f);
}

/* Every allocation of reading, and the write itself, fails in turn. */
static void test_short_memory_and_disk(void **state)
{
    (void)state;
    fixture f;
    rp_sr report;
    rp_error err = {0};
    open_fixture(&f);
    rp_test_fail_write(1);
    assert_int_equal(rp_sr_write(f.path, &f.options, &err), RP_ERR_IO);
    rp_test_fail_write(0);
    assert_false(rp_path_exists(f.path));
    assert_ok(rp_sr_write(f.path, &f.options, &err), err);
    rp_status status = RP_ERR_MEMORY;
    long n = 1;
    for (; status && n < 200; n++) {
        rp_test_fail_allocation(n);
        status = rp_sr_read(f.path, &report, &err);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
        if (status) assert_null(report.groups);
    }
    assert_int_equal(status, RP_OK);
    assert_true(n > 5);
    rp_sr_release(&report);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_segment_instead_of_outlines),
                                       cmocka_unit_test(test_frames_of_one_object),
                                       cmocka_unit_test(test_slices_without_image),
                                       cmocka_unit_test(test_uids_of_objects),
                                       cmocka_unit_test(test_response_alone_and_no_dates),
                                       cmocka_unit_test(test_equal_input_equal_file),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_codes),
                                       cmocka_unit_test(test_nodes),
                                       cmocka_unit_test(test_short_memory_and_disk),
                                       cmocka_unit_test(test_damaged_files_leave_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
