/* Reports of several visits as one patient's findings and timeline. */
#include <math.h>

#include "dicom/phantom.h"
#include "reprise/archive.h"

enum { MOST = 4 };

/* A folder with reports, each of a series of its own. */
typedef struct shelf {
    char *folder;
    const char *paths[MOST];
    size_t count, made;
} shelf;

typedef struct entry {
    const char *id, *uid, *date, *patient;
    double longest, shortest, volume;
    bool node;
} entry;

static shelf open_shelf(void)
{
    return (shelf){.folder = make_folder()};
}

static void close_shelf(shelf *s)
{
    for (size_t i = 0; i < s->count; i++) rp_free((char *)s->paths[i]);
    remove_folder(s->folder);
}

static void make_series(const shelf *s, const entry *e, rp_dicom_series *series)
{
    rp_image image = small_image();
    rp_dicom_header header = small_header();
    rp_error err = {0};
    char *images = rp_format("%s/ct%zu", s->folder, s->made);
    snprintf(header.study_date, sizeof header.study_date, "%s", e->date);
    snprintf(header.acquisition_date, sizeof header.acquisition_date, "%s", e->date);
    if (e->patient) snprintf(header.patient_id, sizeof header.patient_id, "%s", e->patient);
    assert_ok(rp_dicom_series_write(images, &image, &header, e->date, series, &err), err);
    rp_image_release(&image);
    rp_free(images);
}

/* A report of count lesions on the day of the first. */
static void put(shelf *s, const entry *entries, size_t count)
{
    static const rp_sr_code node = {"T-C4000", "SRT", "Lymph node"};
    rp_sr_lesion lesions[MOST];
    rp_dicom_series series;
    rp_error err = {0};
    make_series(s, entries, &series);
    for (size_t i = 0; i < count; i++)
        lesions[i] = (rp_sr_lesion){.tracking_id = entries[i].id,
                                    .tracking_uid = entries[i].uid,
                                    .series = &series,
                                    .segmentation_sop_uid = "2.25.1",
                                    .segmentation_series_uid = "2.25.2",
                                    .segment = (int)i + 1,
                                    .slice = 1,
                                    .long_axis = {{1, 1}, {2, 1}},
                                    .short_axis = {{1, 1}, {1, 2}},
                                    .long_axis_mm = entries[i].longest,
                                    .short_axis_mm = entries[i].shortest,
                                    .volume_cc = entries[i].volume,
                                    .site = entries[i].node ? &node : NULL};
    const rp_sr_write_options options = {.series = &series,
                                         .lesions = lesions,
                                         .lesion_count = count,
                                         .response = count ? NULL : "NE",
                                         .change_percent = NAN,
                                         .label = "simulated"};
    char *path = rp_format("%s/sr%zu.dcm", s->folder, s->made++);
    assert_ok(rp_sr_write(path, &options, &err), err);
    s->paths[s->count++] = path;
    rp_dicom_series_release(&series);
}

static void drop_last(shelf *s)
{
    rp_free((char *)s->paths[--s->count]);
}

static void assert_fails(const shelf *s, rp_status status, const char *words)
{
    rp_archive archive;
    rp_error err = {0};
    assert_int_equal(rp_archive_read(s->paths, s->count, &archive, &err), status);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in '%s'", words, err.message);
    assert_non_null(strstr(err.message, s->paths[s->count - 1]));
    assert_true(archive.findings == NULL && archive.warnings == NULL);
}

static void test_timeline(void **state)
{
    (void)state;
    shelf s = open_shelf();
    rp_archive archive;
    rp_timeline timeline;
    rp_error err = {0};
    put(&s, (entry[]){{"A", "2.25.8", "20240301", NULL, 20, 10, 3, false}}, 1);
    put(&s,
        (entry[]){{"A", "2.25.8", "20240105", NULL, 30, 12, 5, false},
                  {"B", "2.25.9", "20240105", NULL, 25, 18, 4, true}},
        2);
    put(&s, (entry[]){{"", "", "20240501", NULL, 0, 0, 0, false}}, 0);
    assert_ok(rp_archive_read(s.paths, s.count, &archive, &err), err);
    assert_string_equal(archive.label, "simulated");
    assert_string_equal(archive.patient.patient_id, "ID-1");
    assert_ok(rp_archive_timeline(&archive, "P", &timeline, &err), err);
    assert_int_equal(timeline.lesion_count, 2);
    assert_int_equal(timeline.visit_count, 3);
    assert_string_equal(timeline.visits[0].date, "2024-01-05");
    assert_string_equal(timeline.visits[1].date, "2024-03-01");
    assert_string_equal(timeline.visits[2].date, "2024-05-01");
    assert_close(timeline.visits[0].findings[0].longest_mm, 30, 0);
    assert_close(timeline.visits[1].findings[0].longest_mm, 20, 0);
    assert_close(timeline.visits[0].findings[1].short_axis_mm, 18, 0);
    assert_true(timeline.lesions[1].nodal && !timeline.lesions[0].nodal);
    assert_int_equal(timeline.visits[1].findings[1].state, RP_FOUND_NOT_EVALUATED);
    assert_int_equal(timeline.visits[2].findings[0].state, RP_FOUND_NOT_EVALUATED);
    rp_timeline_release(&timeline);
    rp_archive_release(&archive);
    close_shelf(&s);
}

/* What is called a node and coded as none keeps its longest diameter; that is told. */
static void test_uncoded_node(void **state)
{
    (void)state;
    shelf s = open_shelf();
    rp_archive archive;
    rp_error err = {0};
    put(&s,
        (entry[]){{"Lymph node 1", "2.25.8", "20240105", NULL, 30, 12, 5, false},
                  {"Lymph node 2", "2.25.9", "20240105", NULL, 25, 18, 4, true}},
        2);
    assert_ok(rp_archive_read(s.paths, s.count, &archive, &err), err);
    assert_false(archive.lesions[0].nodal);
    assert_true(archive.lesions[1].nodal);
    assert_int_equal(archive.warning_count, 1);
    assert_non_null(strstr(archive.warnings[0], "'Lymph node 1' is not coded as a lymph node"));
    rp_archive_release(&archive);
    close_shelf(&s);
}

static void test_one_identifier_of_two_lesions(void **state)
{
    (void)state;
    shelf s = open_shelf();
    rp_archive archive;
    rp_error err = {0};
    put(&s,
        (entry[]){{"Lesion", "2.25.8", "20240105", NULL, 30, 12, 5, false},
                  {"Lesion", "2.25.9", "20240105", NULL, 25, 18, 4, false}},
        2);
    assert_ok(rp_archive_read(s.paths, s.count, &archive, &err), err);
    assert_int_equal(archive.lesion_count, 2);
    assert_string_equal(archive.lesions[0].id, "Lesion (2.25.8)");
    assert_string_equal(archive.lesions[1].id, "Lesion (2.25.9)");
    rp_archive_release(&archive);
    close_shelf(&s);
}

static void test_inconsistencies(void **state)
{
    (void)state;
    const entry first = {"A", "2.25.8", "20240105", NULL, 30, 12, 5, false};
    entry other = first;
    shelf s = open_shelf();
    rp_timeline timeline;
    rp_archive archive;
    rp_error err = {0};
    put(&s, &first, 1);
    other.longest = 31;
    put(&s, &other, 1);
    assert_fails(&s, RP_ERR_FORMAT, "measures otherwise than in");
    drop_last(&s);
    other = first;
    other.patient = "ID-2";
    put(&s, &other, 1);
    assert_fails(&s, RP_ERR_REFUSED, "of another patient");
    drop_last(&s);
    other = (entry){"B", "2.25.9", "20240301", NULL, 30, 12, 5, false};
    put(&s, &other, 1);
    assert_ok(rp_archive_read(s.paths, s.count, &archive, &err), err);
    assert_int_equal(rp_archive_timeline(&archive, "P", &timeline, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "whether it is new"));
    assert_non_null(strstr(err.message, s.paths[1]));
    rp_timeline_release(&timeline);
    rp_archive_release(&archive);
    close_shelf(&s);
}

static void test_nothing(void **state)
{
    (void)state;
    rp_archive archive;
    rp_timeline timeline;
    rp_error err = {0};
    assert_ok(rp_archive_read(NULL, 0, &archive, &err), err);
    assert_int_equal(rp_archive_timeline(&archive, "P", &timeline, &err), RP_ERR_FORMAT);
    rp_timeline_release(&timeline);
    rp_archive_release(&archive);
}

/* Whatever allocation fails, nothing is left. */
static void test_short_memory(void **state)
{
    (void)state;
    shelf s = open_shelf();
    rp_archive archive;
    rp_error err = {0};
    put(&s,
        (entry[]){{"A", "2.25.8", "20240105", NULL, 30, 12, 5, false},
                  {"B", "2.25.9", "20240105", NULL, 25, 18, 4, true}},
        2);
    rp_status status = RP_ERR_MEMORY;
    for (long n = 1; status && n < 500; n++) {
        rp_test_fail_allocation(n);
        status = rp_archive_read(s.paths, s.count, &archive, &err);
        rp_test_fail_allocation(0);
        if (status) assert_int_equal(status, RP_ERR_MEMORY);
    }
    assert_int_equal(status, RP_OK);
    rp_archive_release(&archive);
    close_shelf(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_timeline),
                                       cmocka_unit_test(test_uncoded_node),
                                       cmocka_unit_test(test_one_identifier_of_two_lesions),
                                       cmocka_unit_test(test_inconsistencies),
                                       cmocka_unit_test(test_nothing),
                                       cmocka_unit_test(test_short_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
