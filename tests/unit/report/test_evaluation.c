#include "evaluation_sample.h"

#include <ctype.h>

typedef rp_status (*writer)(const char *, const rp_evaluation_report *, rp_error *);

/* The file as bytes with a final 0; rp_alloc'd. */
static char *written(writer write, const rp_evaluation_report *report, size_t *size)
{
    rp_error err;
    uint8_t *data = NULL;
    size_t length = 0;
    char *folder = make_folder(), *path = rp_path_join(folder, "evaluation.out");
    assert_ok(write(path, report, &err), err);
    assert_ok(rp_file_read(path, &data, &length, &err), err);
    if (size) *size = length;
    rp_free(path);
    remove_folder(folder);
    return (char *)data;
}

static char *page_of(const rp_evaluation_report *report)
{
    return written(rp_report_write_evaluation_html, report, NULL);
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

/* printf's words for what is no number, wherever they would stand alone. Pictures are blanked, for
 * their letters may spell anything, and so is the record at the end. */
static void assert_only_numbers(char *page)
{
    char *record = strstr(page, "<details>");
    if (record) *record = 0;
    for (char *at = strstr(page, "base64,"); at; at = strstr(at, "base64,"))
        for (; *at != '"'; at++) *at = '.';
    static const char *const wrong[] = {"nan", "inf"};
    for (int w = 0; w < 2; w++)
        for (const char *at = strstr(page, wrong[w]); at; at = strstr(at + 1, wrong[w]))
            if (!isalpha((unsigned char)at[3]) && !isalpha((unsigned char)at[-1]))
                fail_msg("no number: %.60s", at - 20);
    if (record) *record = '<';
}

/* From its first mark to its last, with as many pages as it says. What stands on them is read by
 * tests/oracle/test_evaluation_report.py. */
static void assert_whole_pdf(const char *pdf, size_t size)
{
    static const char end[] = "%%EOF\n", page[] = "<< /Type /Page %", count[] = "/Count ";
    assert_memory_equal(pdf, "%PDF-1.", 7);
    assert_memory_equal(pdf + size - strlen(end), end, strlen(end));
    long pages = 0, said = -1;
    for (size_t i = 0; i + sizeof page < size; i++) {
        pages += memcmp(pdf + i, page, strlen(page)) == 0;
        if (said < 0 && memcmp(pdf + i, count, strlen(count)) == 0)
            said = strtol(pdf + i + strlen(count), NULL, 10);
    }
    assert_true(pages >= 2);
    assert_int_equal(pages, said);
}

static const int kinds[] = {
    MADE_WHOLE,     MADE_WITHOUT_REGISTRATION | MADE_WITHOUT_EVENTS,
    MADE_UNDEFINED, MADE_NAN,
    MADE_HOSTILE,   MADE_UNLABELLED,
    MADE_NO_RECIST, MADE_UNDEFINED | MADE_NO_RECIST | MADE_WITHOUT_EVENTS,
};

/* Nothing makes it fail, and nothing that is no number is shown as one. */
static void any_evaluation_can_be_written(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, 40};
    const size_t last = SLOW ? 3 : sizeof counts / sizeof *counts;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t c = 0; c < last; c++) {
            made *m = made_make(counts[c], kinds[k]);
            if (counts[c] == 40) m->report.load = NULL; /* pictures do not depend on the number */
            char *page = page_of(&m->report);
            assert_has(page, "Research use only");
            assert_only_numbers(page);
            rp_free(page);
            size_t size;
            char *pdf = written(rp_report_write_evaluation_pdf, &m->report, &size);
            assert_whole_pdf(pdf, size);
            rp_free(pdf);
            made_destroy(m);
        }
}

static void a_reader_sees_the_result_at_the_top(void **state)
{
    (void)state;
    made *m = made_make(20, MADE_WHOLE);
    char *page = page_of(&m->report);
    char *top = strstr(page, "At a glance</h2>"),
         *end = strstr(page, "Failures, case by case</h2>");
    assert_non_null(top);
    assert_true(end > top);
    *end = 0;
    assert_has(top, "<b>20</b>");
    assert_has(top, "16 evaluable by RECIST");
    assert_has(top, "Response agrees with manual");
    assert_has(top, " of 16</b>");
    assert_has(top, "IDOL against FCD");
    assert_has(top, "IDOL against carry-forward");
    assert_has(top, "IDOL against registration");
    assert_has(top, "Cases with a failure");
    assert_has(top, "2 empty");
    assert_has(top, "<svg");
    rp_free(page);
    made_destroy(m);
}

static void tables_and_figures_of_the_study_are_there(void **state)
{
    (void)state;
    static const char *const parts[] = {"Table 1. ",
                                        "Table 2. ",
                                        "Table 3. ",
                                        "Table 4a. ",
                                        "Table 4b. ",
                                        "Supplementary Table 1. ",
                                        "Best by IDOL",
                                        "Median by IDOL",
                                        "Worst by IDOL",
                                        "Chosen: P-002",
                                        "Change from baseline, manual and predicted",
                                        "Longest diameter at follow-up",
                                        "Bland-Altman, longest diameter",
                                        "Bland-Altman, volume",
                                        "Dice by source, entire cohort",
                                        "Dice by source, RECIST cohort",
                                        "Dice against size at baseline",
                                        "Finding responders",
                                        "loss while training",
                                        "Dice while training",
                                        "Kaplan-Meier",
                                        "At risk",
                                        "months",
                                        "best validation Dice 0.767 at epoch 30",
                                        "Definitions",
                                        "Provenance",
                                        "12345",
                                        "83.25",
                                        "P-004",
                                        "empty, 0.00"};
    made *m = made_make(20, MADE_WHOLE);
    char *page = page_of(&m->report);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_has(page, parts[i]);
    rp_free(page);
    made_destroy(m);
}

static void every_figure_bears_the_label(void **state)
{
    (void)state;
    made *m = made_make(20, MADE_WHOLE);
    char *page = page_of(&m->report);
    assert_has(page, "<p class=\"banner\"><b>synthetic</b>");
    /* Clipped parts are drawings within drawings and have no label of their own. */
    assert_true(count_of(page, "role=\"img\"") >= 20);
    assert_int_equal(count_of(page, ">SYNTHETIC</text>"), count_of(page, "role=\"img\""));
    rp_free(page);
    made_destroy(m);
    m = made_make(20, MADE_UNLABELLED);
    page = page_of(&m->report);
    assert_lacks(page, "<p class=\"banner\">");
    assert_lacks(page, "SYNTHETIC");
    rp_free(page);
    made_destroy(m);
}

static void what_was_not_run_is_said(void **state)
{
    (void)state;
    made *m = made_make(12, MADE_WITHOUT_REGISTRATION | MADE_WITHOUT_EVENTS);
    char *page = page_of(&m->report);
    assert_has(page, "<b>IDOL against registration</b> not run.");
    assert_lacks(page, "Kaplan-Meier");
    rp_free(page);
    m->report.curve.count = 0;
    m->report.load = NULL;
    page = page_of(&m->report);
    assert_lacks(page, "while training");
    assert_lacks(page, "Contours over CT");
    rp_free(page);
    made_destroy(m);
    m = made_make(0, MADE_WHOLE);
    page = page_of(&m->report);
    assert_has(page, "nothing was evaluated");
    assert_lacks(page, "Table 2");
    rp_free(page);
    made_destroy(m);
}

static void without_recist_all_cases_are_measured(void **state)
{
    (void)state;
    made *m = made_make(12, MADE_NO_RECIST);
    char *page = page_of(&m->report);
    assert_has(page, "0 evaluable by RECIST; diameters are shown of all");
    assert_has(page, "Table 4a. Longest diameter, change and response of each case, entire cohort");
    assert_lacks(page, "Table 2. ");
    rp_free(page);
    made_destroy(m);
}

static void hostile_words_stay_words(void **state)
{
    (void)state;
    made *m = made_make(12, MADE_HOSTILE);
    char *page = page_of(&m->report);
    assert_lacks(page, "<script");
    assert_lacks(page, "<img src=x");
    assert_lacks(page, "<b>&\"");
    assert_lacks(page, "\xFF");
    assert_lacks(page, "\x01");
    assert_true(count_of(page, "&lt;script&gt;alert(1)&lt;/script&gt;") >= 12);
    rp_free(page);
    made_destroy(m);
}

static void nothing_outside_the_file_is_needed(void **state)
{
    (void)state;
    made *m = made_make(12, MADE_WHOLE);
    char *page = page_of(&m->report);
    assert_lacks(page, "http://");
    assert_lacks(page, "https://");
    assert_lacks(page, "<script");
    assert_lacks(page, "<link");
    assert_lacks(page, "@import");
    assert_lacks(page, "url(");
    assert_lacks(page, "src=");
    assert_true(count_of(page, "href=\"data:image/png;base64,") >= 6);
    assert_int_equal(count_of(page, "href=\"data:image/png;base64,") +
                         count_of(page, "href=\"#part"),
                     count_of(page, "href="));
    rp_free(page);
    made_destroy(m);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    static const writer writers[] = {rp_report_write_evaluation_html,
                                     rp_report_write_evaluation_pdf};
    made *m = made_make(12, MADE_WHOLE);
    for (int w = 0; w < 2; w++)
        for (int dated = 0; dated < 2; dated++) {
            size_t sizes[2];
            m->report.date = dated ? "2026-01-31T12:34:56Z" : "";
            char *first = written(writers[w], &m->report, &sizes[0]);
            if (w) sleep(1); /* a time of writing would differ */
            char *second = written(writers[w], &m->report, &sizes[1]);
            assert_int_equal(sizes[0], sizes[1]);
            assert_memory_equal(first, second, sizes[0]);
            rp_free(first);
            rp_free(second);
        }
    made_destroy(m);
}

/* Both visits of a case are loaded once for both of its pictures, and no other case. */
static void images_are_asked_for_where_they_are_shown(void **state)
{
    (void)state;
    made *m = made_make(40, MADE_WHOLE);
    rp_free(page_of(&m->report));
    assert_int_equal(m->loads, 2 * 4);
    m->loads = 0;
    rp_free(written(rp_report_write_evaluation_pdf, &m->report, NULL));
    assert_int_equal(m->loads, 2 * 4);
    made_destroy(m);
}

static void images_that_cannot_be_had_are_told(void **state)
{
    (void)state;
    made *m = made_make(12, MADE_WHOLE);
    rp_error err;
    m->failing = RP_ERR_IO;
    char *page = page_of(&m->report);
    assert_has(page, "Not drawn: case.nii.gz: &lt;cannot&gt; be read");
    assert_has(page, "The images of this case could not be loaded.");
    rp_free(page);
    m->failing = RP_OK;
    m->wrong_grid = true;
    page = page_of(&m->report);
    assert_has(page, "Not drawn: a contour is not on the image&#39;s grid");
    rp_free(page);
    m->wrong_grid = false;
    m->empty_visits = 1;
    page = page_of(&m->report);
    assert_only_numbers(page);
    rp_free(page);
    m->failing = RP_ERR_MEMORY;
    assert_int_equal(rp_report_write_evaluation_html("unused.html", &m->report, &err),
                     RP_ERR_MEMORY);
    assert_false(rp_path_exists("unused.html"));
    made_destroy(m);
}

static void incomplete_input_is_refused(void **state)
{
    (void)state;
    made *m = made_make(2, MADE_WHOLE);
    static const writer writers[] = {rp_report_write_evaluation_html,
                                     rp_report_write_evaluation_pdf};
    for (int w = 0; w < 2; w++)
        for (int missing = 0; missing < 5; missing++) {
            rp_error err = {0};
            rp_evaluation_report r = m->report;
            if (missing == 0) r.evaluation = NULL;
            if (missing == 1) r.summary = NULL;
            if (missing == 2) r.title = NULL;
            if (missing == 3) r.date = NULL;
            if (missing == 4) r.named = NULL;
            char *folder = make_folder(), *path = rp_path_join(folder, "evaluation.html");
            assert_int_equal(writers[w](path, &r, &err), RP_ERR_ARGUMENT);
            assert_has(err.message, "evaluation.html: report: ");
            assert_false(rp_path_exists(path));
            rp_free(path);
            remove_folder(folder);
        }
    made_destroy(m);
}

/* A summary of another program's version may lack anything. */
static void a_summary_without_anything_is_shown_as_undefined(void **state)
{
    (void)state;
    made *m = made_make(12, MADE_WHOLE);
    rp_json *nothing = rp_json_object();
    m->report.summary = nothing;
    m->report.record = NULL;
    char *page = page_of(&m->report);
    assert_has(page, "undefined");
    assert_only_numbers(page);
    rp_free(page);
    rp_json_destroy(nothing);
    made_destroy(m);
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
    static const writer writers[] = {rp_report_write_evaluation_html,
                                     rp_report_write_evaluation_pdf};
    made *m = made_make(3, MADE_WHOLE);
    for (int w = 0; w < 2; w++) {
        rp_error err;
        char *folder = make_folder(), *path = rp_path_join(folder, "evaluation.out");
        int failures = 0;
        for (long n = 1;; n++) {
            rp_test_fail_write(n);
            rp_status status = writers[w](path, &m->report, &err);
            rp_test_fail_write(0);
            if (status == RP_OK) break;
            assert_int_equal(status, RP_ERR_IO);
            assert_int_equal(files_in(folder), 0);
            failures++;
        }
        assert_true(failures >= 1);
        rp_free(path);
        remove_folder(folder);
    }
    made_destroy(m);
}

static void short_memory_is_an_error_and_no_crash(void **state)
{
    (void)state;
    static const writer writers[] = {rp_report_write_evaluation_html,
                                     rp_report_write_evaluation_pdf};
    made *m = made_make(3, MADE_WHOLE);
    m->report.load = NULL; /* its own allocations are not the report's */
    for (int w = 0; w < 2; w++) {
        rp_error err;
        char *folder = make_folder(), *path = rp_path_join(folder, "evaluation.out");
        int failures = 0;
        for (long n = 1;; n += 1 + n / 8) {
            rp_test_fail_allocation(n);
            rp_status status = writers[w](path, &m->report, &err);
            rp_test_fail_allocation(0);
            if (status == RP_OK) break;
            assert_int_equal(status, RP_ERR_MEMORY);
            assert_int_equal(files_in(folder), 0);
            failures++;
        }
        assert_true(failures >= 20);
        rp_free(path);
        remove_folder(folder);
    }
    made_destroy(m);
}

/* For the oracle test: FOLDER CASES KIND. */
static int write_for_oracle(char **arguments)
{
    rp_error err = {0};
    made *m = made_make((size_t)strtoul(arguments[1], NULL, 10), atoi(arguments[2]));
    char *html = rp_path_join(arguments[0], "evaluation.html");
    char *pdf = rp_path_join(arguments[0], "evaluation.pdf");
    char *json = rp_path_join(arguments[0], "evaluation.json");
    rp_json *all = rp_json_object(), *cases = rp_json_array();
    for (size_t i = 0; i < m->evaluation.case_count; i++)
        rp_json_append(cases, rp_case_json(&m->evaluation.cases[i], m->evaluation.clinical_count));
    rp_json_set(all, "cases", cases);
    rp_status status = rp_report_write_evaluation_html(html, &m->report, &err);
    if (!status) status = rp_report_write_evaluation_pdf(pdf, &m->report, &err);
    if (!status) status = rp_json_write(json, all, &err);
    if (!status) {
        char *summary = rp_path_join(arguments[0], "summary.json");
        status = rp_json_write(summary, m->summary, &err);
        rp_free(summary);
    }
    if (status) fprintf(stderr, "%s\n", err.message);
    rp_json_destroy(all);
    rp_free(html);
    rp_free(pdf);
    rp_free(json);
    made_destroy(m);
    return status ? 1 : 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_evaluation_can_be_written),
        cmocka_unit_test(a_reader_sees_the_result_at_the_top),
        cmocka_unit_test(tables_and_figures_of_the_study_are_there),
        cmocka_unit_test(every_figure_bears_the_label),
        cmocka_unit_test(what_was_not_run_is_said),
        cmocka_unit_test(without_recist_all_cases_are_measured),
        cmocka_unit_test(hostile_words_stay_words),
        cmocka_unit_test(nothing_outside_the_file_is_needed),
        cmocka_unit_test(the_same_input_gives_the_same_bytes),
        cmocka_unit_test(images_are_asked_for_where_they_are_shown),
        cmocka_unit_test(images_that_cannot_be_had_are_told),
        cmocka_unit_test(incomplete_input_is_refused),
        cmocka_unit_test(a_summary_without_anything_is_shown_as_undefined),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(short_memory_is_an_error_and_no_crash),
    };
    if (argc == 5 && !strcmp(argv[1], "--write")) return write_for_oracle(argv + 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
