#include "test.h"

static char logged[1024];

static void keep(rp_log_level level, const char *line, void *context)
{
    (void)context;
    if (level == RP_LOG_WARNING) snprintf(logged, sizeof logged, "%s", line);
}

static void test_remarks_are_kept_in_order(void **state)
{
    (void)state;
    rp_remarks remarks = {0};
    rp_remark_add(&remarks, "one", "%d mm are missing.", 3);
    rp_remark_add(&remarks, "two", "Blank.");
    rp_remark_add(&remarks, "one", "%d mm are missing.", 4);
    assert_int_equal(remarks.count, 3);
    assert_string_equal(remarks.items[0].text, "3 mm are missing.");
    assert_string_equal(remarks.items[2].text, "4 mm are missing.");
    assert_string_equal(rp_remark_find(&remarks, "two")->text, "Blank.");
    assert_null(rp_remark_find(&remarks, "three"));
    rp_remarks_release(&remarks);
    assert_int_equal(remarks.count, 0);
}

static void test_the_same_is_told_once(void **state)
{
    (void)state;
    rp_remarks remarks = {0};
    rp_remark_add(&remarks, "one", "Blank.");
    rp_remark_add(&remarks, "one", "Blank.");
    assert_int_equal(remarks.count, 1);
    rp_remarks_release(&remarks);
}

static void test_what_cannot_be_kept_is_logged(void **state)
{
    (void)state;
    rp_remarks remarks = {0};
    rp_log_set_sink(keep, NULL);
    rp_remark_add(NULL, "one", "No list.");
    assert_string_equal(logged, "No list.");
    rp_test_fail_allocation(1);
    rp_remark_add(&remarks, "one", "No memory.");
    rp_test_fail_allocation(0);
    rp_log_set_sink(NULL, NULL);
    assert_string_equal(logged, "No memory.");
    assert_int_equal(remarks.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remarks_are_kept_in_order),
        cmocka_unit_test(test_the_same_is_told_once),
        cmocka_unit_test(test_what_cannot_be_kept_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
