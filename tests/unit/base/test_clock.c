#include "test.h"

static void test_seconds_do_not_run_back(void **state)
{
    (void)state;
    double before = rp_seconds();
    for (int i = 0; i < 1000; i++) {
        double now = rp_seconds();
        assert_true(now >= before);
        before = now;
    }
}

static void test_timestamp(void **state)
{
    (void)state;
    char text[32];
    int part[6];
    char end;
    rp_timestamp_utc(text);
    assert_int_equal(strlen(text), 20);
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c", &part[0], &part[1], &part[2],
                            &part[3], &part[4], &part[5], &end),
                     7);
    assert_true(end == 'Z' && part[0] >= 2024 && part[1] <= 12 && part[2] <= 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds_do_not_run_back),
        cmocka_unit_test(test_timestamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
