/* What the benchmark refuses, how it ends when asked to stop, and the roofline. */
#include "nn_cases.h"

/* Sanitizers make a run slow: they see some of the failures only. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EVERY = 7 };
#else
enum { EVERY = 1 };
#endif

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_benchmark b;
    rp_benchmark_options options = {
        .size = {96, 96, 48}, .rounds = 1, .memory_bytes = (size_t)100 << 20};
    assert_int_equal(rp_benchmark_measure(&options, NULL, &b, &err), RP_ERR_BUDGET);
    assert_non_null(strstr(err.message, "48x96x96"));
    assert_non_null(strstr(err.message, "100 MiB"));
    options.rounds = 0;
    assert_int_equal(rp_benchmark_measure(&options, NULL, &b, &err), RP_ERR_ARGUMENT);
    options = (rp_benchmark_options){.size = {16, 0, 16}, .rounds = 1};
    assert_int_equal(rp_benchmark_measure(&options, NULL, &b, &err), RP_ERR_ARGUMENT);
}

static bool after_a_few(void *context)
{
    return --*(int *)context < 0;
}

static void stops_when_asked(void **state)
{
    (void)state;
    rp_benchmark_options options = {.size = {16, 16, 16}, .rounds = 3};
    for (int asked = 0; asked < 4; asked++) {
        int left = asked;
        rp_error err = {0};
        rp_benchmark b;
        rp_progress progress = {.cancelled = after_a_few, .context = &left};
        assert_int_equal(rp_benchmark_measure(&options, &progress, &b, &err), RP_ERR_CANCELLED);
        assert_int_equal(left, -1);
    }
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    rp_benchmark_options options = {.size = {16, 16, 16}, .rounds = 1};
    int failures = 0;
    for (long n = 1;; n += EVERY) {
        rp_error err = {0};
        rp_benchmark b;
        /* Stopped after the first run, so that no failure is worth a whole round. */
        int left = 2;
        rp_progress progress = {.cancelled = after_a_few, .context = &left};
        rp_test_fail_allocation(n);
        rp_status status = rp_benchmark_measure(&options, &progress, &b, &err);
        rp_test_fail_allocation(0);
        if (status == RP_ERR_CANCELLED) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        failures++;
    }
    assert_true(failures * EVERY >= 10);
}

static void roofline_is_the_nearer_limit(void **state)
{
    (void)state;
    rp_benchmark b = {.multiply_add = {100e9, 200e9}, .triad = {10e9, 20e9}};
    bool by_memory;
    rp_profile_entry dense = {.flops = 50e9, .bytes = 1e9}, thin = {.flops = 5e9, .bytes = 4e9};
    assert_close(rp_benchmark_limit_seconds(&b, &dense, &by_memory), 0.5, 1e-12);
    assert_false(by_memory);
    assert_close(rp_benchmark_limit_seconds(&b, &thin, &by_memory), 0.4, 1e-12);
    assert_true(by_memory);
    assert_close(rp_benchmark_limit_seconds(&b, &thin, NULL), 0.4, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(stops_when_asked),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(roofline_is_the_nearer_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
