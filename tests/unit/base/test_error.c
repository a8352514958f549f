#include "test.h"

static void test_fail_sets_the_message(void **state)
{
    (void)state;
    rp_error err;
    assert_int_equal(rp_fail(&err, RP_ERR_FORMAT, "%s: %d voxels", "a.nii", 7), RP_ERR_FORMAT);
    assert_int_equal(err.status, RP_ERR_FORMAT);
    assert_string_equal(err.message, "a.nii: 7 voxels");
    assert_int_equal(rp_fail(NULL, RP_ERR_IO, "unheard"), RP_ERR_IO);
    assert_int_equal(rp_fail_in(NULL, RP_ERR_IO, "unheard"), RP_ERR_IO);
}

static void test_fail_in_puts_a_prefix(void **state)
{
    (void)state;
    rp_error err;
    rp_fail(&err, RP_ERR_FORMAT, "truncated");
    assert_int_equal(rp_fail_in(&err, RP_ERR_IO, "slice %d", 3), RP_ERR_IO);
    assert_string_equal(err.message, "slice 3: truncated");
    assert_int_equal(err.status, RP_ERR_IO);
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    rp_error err;
    rp_fail(&err, RP_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    rp_fail_in(&err, RP_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    for (int i = 0; i < 10; i++) rp_fail_in(&err, RP_ERR_IO, "again");
    assert_memory_equal(err.message, "again: again: ", 14);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void test_every_status_has_its_text(void **state)
{
    (void)state;
    for (int a = RP_OK; a <= RP_ERR_CANCELLED; a++) {
        assert_string_not_equal(rp_status_text((rp_status)a), rp_status_text((rp_status)1000));
        for (int b = RP_OK; b < a; b++)
            assert_string_not_equal(rp_status_text((rp_status)a), rp_status_text((rp_status)b));
    }
}

static void keep_line(rp_log_level level, const char *line, void *context)
{
    snprintf(context, 100, "%d %s", (int)level, line);
}

static void test_log_goes_to_the_sink(void **state)
{
    (void)state;
    char line[100] = "";
    rp_log(RP_LOG_ERROR, "nobody listens");
    rp_log_set_sink(keep_line, line);
    rp_log(RP_LOG_WARNING, "%d gaps", 2);
    rp_log_set_sink(NULL, NULL);
    rp_log(RP_LOG_ERROR, "nobody listens");
    assert_string_equal(line, "2 2 gaps");
}

static void keep_report(void *context, const char *stage, double done, double total,
                        const char *note)
{
    snprintf(context, 100, "%s %g/%g %s", stage, done, total, note ? note : "-");
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_progress_may_be_absent(void **state)
{
    (void)state;
    char line[100] = "";
    rp_progress empty = {0}, full = {keep_report, always, line};
    rp_progress_report(NULL, "stage", 1, 2, NULL);
    rp_progress_report(&empty, "stage", 1, 2, NULL);
    assert_false(rp_progress_cancelled(NULL));
    assert_false(rp_progress_cancelled(&empty));
    rp_progress_report(&full, "stage", 1, 2, NULL);
    assert_string_equal(line, "stage 1/2 -");
    assert_true(rp_progress_cancelled(&full));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_sets_the_message),
        cmocka_unit_test(test_fail_in_puts_a_prefix),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_every_status_has_its_text),
        cmocka_unit_test(test_log_goes_to_the_sink),
        cmocka_unit_test(test_progress_may_be_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
