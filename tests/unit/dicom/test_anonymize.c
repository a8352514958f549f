/* Anonymizing through the library: memory that runs out, writes that fail, keys and pseudonyms. */
#include "phantom.h"
#include "test.h"

#include "reprise/dicom_anonymize.h"

static const uint8_t key[] = "sixteen bytes or more";

static rp_status anonymize(const char *input, const char *folder, const rp_anonymize_options *how,
                           rp_anonymize_report *report, rp_error *err)
{
    return rp_dicom_anonymize(&input, 1, folder, how, NULL, report, err);
}

static void test_pseudonyms(void **state)
{
    (void)state;
    assert_true(rp_pseudonym_valid("P-1_a.b"));
    assert_false(rp_pseudonym_valid(""));
    assert_false(rp_pseudonym_valid("."));
    assert_false(rp_pseudonym_valid("../x"));
    assert_false(rp_pseudonym_valid("a/b"));
    assert_false(rp_pseudonym_valid("a^b"));
    assert_false(rp_pseudonym_valid("a\\b"));
}

static void test_report(void **state)
{
    (void)state;
    char *series = small_series("anonymize"), *folder = make_folder();
    rp_anonymize_options how = {.key = key, .key_size = sizeof key - 1};
    rp_anonymize_report report;
    rp_error err = {0};
    assert_ok(anonymize(series, folder, &how, &report, &err), err);
    assert_int_equal(report.files, NZ);
    assert_int_equal(report.patients, 1);
    assert_int_equal(report.concern_count, 0);
    rp_anonymize_report_release(&report);
    how.key_size = RP_ANONYMIZE_KEY_BYTES - 1;
    assert_int_equal(anonymize(series, folder, &how, &report, &err), RP_ERR_ARGUMENT);
    const rp_pseudonym someone_else = {"ID-2", "X"};
    how = (rp_anonymize_options){
        .key = key, .key_size = sizeof key - 1, .table = &someone_else, .table_count = 1};
    assert_int_equal(anonymize(series, folder, &how, &report, &err), RP_ERR_REFUSED);
    assert_null(strstr(err.message, "ID-1"));
    remove_folder(series);
    remove_folder(folder);
}

/* Whatever fails, an error is told and nothing leaks. */
static void test_failures(void **state)
{
    (void)state;
    char *series = small_series("anonymize");
    const rp_anonymize_options how = {.key = key, .key_size = sizeof key - 1};
    rp_anonymize_report report;
    rp_error err = {0};
    rp_threads_set(1);
    int failed[2] = {0};
    for (int kind = 0; kind < 2; kind++) {
        for (long n = 1;; n++) {
            char *folder = make_folder();
            kind ? rp_test_fail_write(n) : rp_test_fail_allocation(n);
            const rp_status status = anonymize(series, folder, &how, &report, &err);
            rp_test_fail_write(0);
            rp_test_fail_allocation(0);
            rp_anonymize_report_release(&report);
            remove_folder(folder);
            if (!status) break;
            assert_int_equal(status, kind ? RP_ERR_IO : RP_ERR_MEMORY);
            failed[kind]++;
        }
    }
    assert_true(failed[0] > NZ);
    assert_int_equal(failed[1], 2 * NZ); /* each file is written and committed */
    rp_threads_set(0);
    remove_folder(series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pseudonyms),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
