#include "sample.h"

static const int axial[3] = {0, 1, 2};

/* The report as text; rp_alloc'd. */
static char *written(const rp_report *report)
{
    rp_error err;
    uint8_t *data = NULL;
    size_t size = 0;
    char *folder = make_folder(), *path = rp_path_join(folder, "report.html");
    assert_ok(rp_report_write_html(path, report, &err), err);
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    assert_int_equal(strlen((char *)data), size);
    rp_free(path);
    remove_folder(folder);
    return (char *)data;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) count++;
    return count;
}

static void assert_has(const char *page, const char *part)
{
    if (!strstr(page, part)) fail_msg("the report lacks: %s", part);
}

static void assert_lacks(const char *page, const char *part)
{
    if (strstr(page, part)) fail_msg("the report has: %s", part);
}

/* printf's words for what is no number, in text, attributes and SVG paths. Pictures are blanked,
 * for their letters may spell anything. */
static void assert_only_numbers(char *page)
{
    static const char *const wrong[] = {" nan", ">nan", "Mnan",  "Lnan", "Hnan", "Vnan", "(nan",
                                        "-nan", ":nan", "\"nan", " inf", ">inf", "Linf", "-inf%"};
    for (char *at = strstr(page, "base64,"); at; at = strstr(at, "base64,"))
        for (; *at != '"'; at++) *at = '.';
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_lacks(page, wrong[i]);
}

static void a_report_says_what_was_found(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    char number[64];
    char *page = written(&s->report);
    assert_has(page, "Research use only");
    assert_has(page, "not for diagnosis or treatment decisions");
    assert_has(page, "<b>synthetic</b>");
    assert_has(page, rp_response_name(s->response.response));
    assert_has(page, "P-007");
    assert_has(page, "<b>2024-01-12</b>");
    assert_has(page, "(87 days)");
    assert_has(page, "The second flag.");
    for (int v = 0; v < 2; v++) {
        snprintf(number, sizeof number, ">%.1f&nbsp;mm</span>", s->lesion[v].longest_diameter_mm);
        assert_has(page, number);
        snprintf(number, sizeof number, ">%.1f&nbsp;mm</span>", s->lesion[v].short_axis_mm);
        assert_has(page, number);
        snprintf(number, sizeof number, "<td>%.1f</td>", s->lesion[v].volume_cc);
        assert_has(page, number);
    }
    assert_has(page, "5&nbsp;cm");
    assert_has(page, "W 400 L 50");
    assert_has(page, "0.875");
    assert_has(page, "agrees better");
    assert_has(page, ">Epoch<");
    assert_has(page, ">Loss<");
    assert_has(page, ">Training Dice<");
    assert_has(page, "12345");
    assert_has(page, "1&nbsp;min&nbsp;23&nbsp;s");
    assert_has(page, "Inputs: Follow-up image SHA-256");
    rp_free(page);
    sample_destroy(s);
}

static void nothing_outside_the_file_is_needed(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    char *page = written(&s->report);
    assert_lacks(page, "http://");
    assert_lacks(page, "https://");
    assert_lacks(page, "<script");
    assert_lacks(page, "<link");
    assert_lacks(page, "@import");
    assert_lacks(page, "url(");
    assert_lacks(page, "href=");
    assert_true(count_of(page, "src=") >= 4);
    assert_int_equal(count_of(page, "src="), count_of(page, "src=\"data:image/png;base64,"));
    rp_free(page);
    sample_destroy(s);
}

static void hostile_words_stay_words(void **state)
{
    (void)state;
    const char *hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;\xFF";
    sample *s = sample_make(axial, 0, hostile);
    s->report.label = hostile;
    s->report.baseline.title = s->report.followup.title = hostile;
    s->report.baseline.date = s->report.followup.date = hostile;
    snprintf(s->response.rule, sizeof s->response.rule, "%s", hostile);
    char *page = written(&s->report);
    assert_lacks(page, "<script");
    assert_lacks(page, "<img src=x");
    assert_lacks(page, "\xFF");
    assert_true(count_of(page, "&lt;script&gt;alert(1)&lt;/script&gt;") >= 10);
    rp_free(page);
    sample_destroy(s);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    char *first = written(&s->report), *second = written(&s->report);
    assert_string_equal(first, second);
    rp_free(first);
    rp_free(second);
    sample_destroy(s);
}

static void an_empty_followup_is_a_failure_to_segment(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    memset(s->mask[1].data, 0, rp_grid_voxels(&s->mask[1].grid));
    s->report.followup.truth = NULL;
    sample_measure(s, RP_LESION_NOT_EVALUATED);
    assert_int_equal(s->response.response, RP_NE);
    char *page = written(&s->report);
    assert_has(page, "No lesion found at follow-up: a failure to segment");
    assert_has(page, "A person must confirm");
    assert_has(page, "<div class=\"badge NE\">");
    assert_lacks(page, "class=\"gauge\"");
    assert_int_equal(count_of(page, "<span class=\"length long\""), 1);
    assert_only_numbers(page);
    rp_free(page);

    /* A person says that it is gone: complete response, and no talk of failure. */
    sample_measure(s, RP_LESION_ABSENT);
    assert_int_equal(s->response.response, RP_CR);
    page = written(&s->report);
    assert_lacks(page, "failure to segment");
    assert_has(page, "<div class=\"badge CR\">");
    rp_free(page);
    sample_destroy(s);
}

static void what_is_optional_may_be_absent(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    s->report.result = NULL;
    s->report.loss = s->report.dice = NULL;
    s->report.subject = s->report.label = "";
    s->report.baseline.date = s->report.followup.date = "";
    s->report.flag_count = 0;
    s->report.followup.truth = NULL;
    char *page = written(&s->report);
    assert_has(page, "No warnings were raised");
    assert_lacks(page, "Against the true contour");
    assert_lacks(page, "class=\"plot\"");
    assert_lacks(page, "<p class=\"banner\">");
    assert_lacks(page, "class=\"truth\"");
    rp_free(page);
    sample_destroy(s);
}

static void a_contour_no_better_than_carry_forward_is_called_so(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    rp_json_set_number(s->result, "dice", 0.5);
    char *page = written(&s->report);
    assert_has(page, "agrees no better");
    rp_free(page);
    sample_destroy(s);
}

static void window_and_carry_forward_are_taken_from_the_result(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    rp_json *window = rp_json_object();
    rp_json_set_number(window, "low_hu", -1000);
    rp_json_set_number(window, "high_hu", 200);
    rp_json_set(s->result, "window", window);
    rp_json *carried = rp_json_object();
    rp_json_set_number(carried, "longest_diameter_mm", 43.5);
    rp_json_set(s->result, "carry_forward", carried);
    char *page = written(&s->report);
    assert_has(page, "W 1200 L -400");
    assert_has(page, "carried forward unchanged</h2>");
    assert_has(page, ">Longest diameter</th><td>43.5&nbsp;mm</td>");
    rp_free(page);
    sample_destroy(s);
}

/* One voxel each way, a curve of one epoch, values that are no numbers. */
static void the_smallest_case_is_written(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    rp_grid tiny = rp_grid_make(1, 1, 1, 2, 2, 2);
    for (int v = 0; v < 2; v++) {
        s->image[v].grid = s->mask[v].grid = tiny;
        s->mask[v].data[0] = 1;
    }
    s->truth.grid = tiny;
    s->loss[0] = NAN;
    s->loss[1] = INFINITY;
    sample_measure(s, RP_LESION_MEASURED);
    for (s->report.epochs = 1; s->report.epochs <= 3; s->report.epochs++) {
        char *page = written(&s->report);
        assert_only_numbers(page);
        rp_free(page);
    }
    sample_destroy(s);
}

static void expect_refusal(const rp_report *report, const char *part)
{
    rp_error err = {0};
    char *folder = make_folder(), *path = rp_path_join(folder, "report.html");
    assert_int_equal(rp_report_write_html(path, report, &err), RP_ERR_ARGUMENT);
    assert_has(err.message, part);
    assert_has(err.message, "report.html");
    assert_false(rp_path_exists(path));
    rp_free(path);
    remove_folder(folder);
}

static void the_interval_stands_where_it_should(void **state)
{
    (void)state;
    rp_error err;
    rp_json *interval = NULL, *guard = NULL;
    rp_image probability = {0};
    sample *s = sample_make(axial, 0, "P-007");
    assert_ok(rp_json_parse("{\"diameter_mm\": {\"80\": [31.0, 39.0], \"95\": [28.4, 41.6]},"
                            "\"change_percent\": {\"80\": [-38, -22], \"95\": [-43.2, -16.8]},"
                            "\"probability\": {\"CR\": 0.01, \"PR\": 0.57, \"SD\": 0.42,"
                            "\"PD\": 0}}",
                            &interval, &err),
              err);
    assert_ok(rp_json_parse("{\"count\": 2, \"mean_dice\": 0.876, \"bias_mm\": -1.25, \"trials\":"
                            "[{\"true_mm\": 30, \"found_mm\": 31}, {\"true_mm\": 0,"
                            "\"found_mm\": 0}]}",
                            &guard, &err),
              err);
    rp_json_set(s->result, "interval", interval);
    rp_json_set(s->result, "guard", guard);
    assert_ok(rp_image_init(&probability, &s->report.followup.image->grid, &err), err);
    const rp_mask *mask = s->report.followup.mask;
    for (size_t i = 0; i < rp_grid_voxels(&mask->grid); i++)
        probability.data[i] = mask->data[i] ? 0.9F : 0.1F;
    s->report.followup.probability = &probability;
    char *page = written(&s->report);
    assert_has(page, "28.4 to 41.6&nbsp;mm");
    assert_has(page, "31.0 to 39.0&nbsp;mm");
    assert_has(page, "PR <b>0.57</b>");
    assert_has(page, "class=\"range wide\"");
    assert_has(page, "class=\"band\"");
    assert_int_equal(count_of(page, "class=\"trial\""), 2);
    assert_has(page, "<td>0.88</td>");
    assert_only_numbers(page);
    rp_free(page);
    s->report.unaccepted = s->report.response; /* chances of what is not accepted are not told */
    page = written(&s->report);
    assert_lacks(page, "PR <b>0.57</b>");
    rp_free(page);
    rp_image_release(&probability);
    sample_destroy(s);
}

static void inconsistent_input_is_refused(void **state)
{
    (void)state;
    sample *s = sample_make(axial, 0, "P-007");
    rp_report r = s->report;
    r.followup.mask = NULL;
    expect_refusal(&r, "follow-up lacks");
    r = s->report;
    r.response = NULL;
    expect_refusal(&r, "no response");
    r = s->report;
    s->truth.grid.origin[0] += 1;
    expect_refusal(&r, "not on its image's grid");
    s->truth.grid.origin[0] -= 1;
    s->lesion[0].slice_index = 9;
    expect_refusal(&r, "outside its image");
    sample_destroy(s);
}

static size_t files_in(const char *folder)
{
    rp_error err;
    char **paths = NULL;
    size_t count = 0;
    assert_ok(rp_directory_list(folder, &paths, &count, &err), err);
    rp_string_list_free(paths, count);
    return count;
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    rp_error err;
    sample *s = sample_make(axial, 0, "P-007");
    char *folder = make_folder(), *path = rp_path_join(folder, "report.html");
    int failures = 0;
    for (long n = 1;; n++) {
        rp_test_fail_write(n);
        rp_status status = rp_report_write_html(path, &s->report, &err);
        rp_test_fail_write(0);
        if (status == RP_OK) break;
        assert_int_equal(status, RP_ERR_IO);
        assert_int_equal(files_in(folder), 0);
        failures++;
    }
    assert_true(failures >= 1);
    rp_free(path);
    path = rp_path_join(folder, "no-such-folder/report.html");
    assert_int_equal(rp_report_write_html(path, &s->report, &err), RP_ERR_IO);
    rp_free(path);
    remove_folder(folder);
    sample_destroy(s);
}

static void short_memory_is_an_error_and_no_crash(void **state)
{
    (void)state;
    rp_error err;
    sample *s = sample_make(axial, 0, "P-007");
    char *folder = make_folder(), *path = rp_path_join(folder, "report.html");
    int failures = 0;
    for (long n = 1;; n += 1 + n / 8) {
        rp_test_fail_allocation(n);
        rp_status status = rp_report_write_html(path, &s->report, &err);
        rp_test_fail_allocation(0);
        if (status == RP_OK) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_int_equal(files_in(folder), 0);
        failures++;
    }
    assert_true(failures >= 20);
    rp_free(path);
    remove_folder(folder);
    sample_destroy(s);
}

static void a_real_tumour_is_reported(void **state)
{
    (void)state;
    rp_error err;
    const char *data = test_data();
    if (!data) {
        print_message("skipped: no real data\n");
        skip();
    }
    sample *s = sample_make(axial, 0, "STS_001");
    char *image = rp_path_join(data, "sts/STS_001/CT/nifti/image/image.nii.gz");
    char *mask = rp_path_join(data, "sts/STS_001/CT/nifti/mask/mask.nii.gz");
    for (int v = 0; v < 2; v++) {
        rp_image_release(&s->image[v]);
        rp_mask_release(&s->mask[v]);
        assert_ok(rp_nifti_read_image(image, &s->image[v], NULL, &err), err);
        assert_ok(rp_nifti_read_mask(mask, true, &s->mask[v], NULL, &err), err);
    }
    s->report.followup.truth = NULL;
    sample_measure(s, RP_LESION_MEASURED);
    char *page = written(&s->report);
    assert_has(page, "<td>365.3</td>");
    assert_has(page, "<span class=\"edge left\">R</span><span class=\"edge right\">L</span>"
                     "<span class=\"edge top\">A</span><span class=\"edge bottom\">P</span>");
    rp_free(page);
    rp_free(image);
    rp_free(mask);
    sample_destroy(s);
}

/* For the oracle in Python: the report of the sample stored in an order such as "021" with flips
 * 0..7. */
static int write_sample(const char *path, const char *order, const char *flips)
{
    rp_error err;
    int axes[3];
    for (int a = 0; a < 3; a++) axes[a] = order[a] - '0';
    sample *s = sample_make(axes, atoi(flips), "P-007");
    rp_status status = rp_report_write_html(path, &s->report, &err);
    if (status) fprintf(stderr, "%s\n", err.message);
    sample_destroy(s);
    return status ? 1 : 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_says_what_was_found),
        cmocka_unit_test(nothing_outside_the_file_is_needed),
        cmocka_unit_test(hostile_words_stay_words),
        cmocka_unit_test(the_same_input_gives_the_same_bytes),
        cmocka_unit_test(an_empty_followup_is_a_failure_to_segment),
        cmocka_unit_test(what_is_optional_may_be_absent),
        cmocka_unit_test(a_contour_no_better_than_carry_forward_is_called_so),
        cmocka_unit_test(window_and_carry_forward_are_taken_from_the_result),
        cmocka_unit_test(the_smallest_case_is_written),
        cmocka_unit_test(the_interval_stands_where_it_should),
        cmocka_unit_test(inconsistent_input_is_refused),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(short_memory_is_an_error_and_no_crash),
        cmocka_unit_test(a_real_tumour_is_reported),
    };
    if (argc == 5 && !strcmp(argv[1], "--write")) return write_sample(argv[2], argv[3], argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
