/* Architectures that are accepted and refused, weights, and the memory plan. */
#include <malloc.h>

#include "nn_cases.h"

static void defaults_are_the_method(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config;
    rp_fcd_config_defaults(&config);
    assert_ok(rp_fcd_config_check(&config, &err), err);
    assert_int_equal(config.first_filters, 48);
    assert_int_equal(config.growth, 12);
    assert_int_equal(config.levels, 4);
    assert_int_equal(config.bottleneck_layers, 7);
    assert_int_equal(rp_fcd_stride(&config), 16);
    assert_true(config.dropout == 0.2);
    rp_fcd *net = make_net(&config, 1);
    assert_int_equal(rp_fcd_trainable(net), 2698682);
    assert_true(rp_fcd_config_same(&config, rp_fcd_config_of(net)));
    rp_fcd_destroy(net);
    rp_fcd_config other = config;
    other.down_layers[3]++;
    assert_false(rp_fcd_config_same(&config, &other));
}

static void refuse(rp_fcd_config config, const char *what)
{
    rp_error err = {0};
    rp_fcd *net = NULL;
    if (rp_fcd_config_check(&config, &err) != RP_ERR_ARGUMENT) fail_msg("%s was accepted", what);
    if (strlen(err.message) < 10) fail_msg("%s is refused without words", what);
    memset(&err, 0, sizeof err);
    assert_int_equal(rp_fcd_create(&config, 1, &net, &err), RP_ERR_ARGUMENT);
    assert_null(net);
}

static void impossible_configurations_are_refused(void **state)
{
    (void)state;
    const rp_fcd_config good = small_config(2);
    rp_fcd_config config;
#define REFUSE(member, bad)                                                                        \
    do {                                                                                           \
        config = good;                                                                             \
        config.member = bad;                                                                       \
        refuse(config, #member " = " #bad);                                                        \
    } while (0)
    REFUSE(in_channels, 0);
    REFUSE(in_channels, -1);
    REFUSE(classes, 1);
    REFUSE(classes, 0);
    REFUSE(first_filters, 0);
    REFUSE(first_filters, 2000000000);
    REFUSE(growth, 0);
    REFUSE(growth, 2000000000);
    REFUSE(levels, 0);
    REFUSE(levels, -3);
    REFUSE(levels, RP_FCD_MAX_LEVELS + 1);
    REFUSE(down_layers[0], 0);
    REFUSE(down_layers[1], -2);
    REFUSE(bottleneck_layers, 0);
    REFUSE(bottleneck_layers, 2000000000);
    REFUSE(dropout, -0.1);
    REFUSE(dropout, 1.0);
    REFUSE(dropout, NAN);
    REFUSE(norm, (rp_norm_mode)9);
#undef REFUSE
}

static void norm_modes_have_names(void **state)
{
    (void)state;
    for (int mode = RP_NORM_RUNNING; mode <= RP_NORM_INSTANCE; mode++) {
        rp_norm_mode parsed = RP_NORM_RUNNING;
        assert_true(rp_norm_mode_parse(rp_norm_mode_name((rp_norm_mode)mode), &parsed));
        assert_int_equal(parsed, mode);
    }
    rp_norm_mode untouched = RP_NORM_BATCH;
    assert_false(rp_norm_mode_parse("layer", &untouched));
    assert_int_equal(untouched, RP_NORM_BATCH);
}

static void the_seed_makes_the_weights(void **state)
{
    (void)state;
    rp_fcd_config config = small_config(2);
    rp_fcd *a = make_net(&config, 4), *b = make_net(&config, 4), *c = make_net(&config, 5);
    size_t differing = 0, trainable = 0;
    for (size_t i = 0; i < rp_fcd_parameter_count(a); i++) {
        const rp_parameter *p = rp_fcd_parameter(a, i);
        size_t count = 1;
        for (int d = 0; d < p->rank; d++) count *= (size_t)p->shape[d];
        assert_int_equal(count, p->count);
        assert_memory_equal(p->value, rp_fcd_parameter(b, i)->value, count * sizeof(float));
        differing += memcmp(p->value, rp_fcd_parameter(c, i)->value, count * sizeof(float)) != 0;
        bool buffer = strstr(p->name, "running_") != NULL;
        assert_int_equal(p->gradient == NULL, buffer);
        trainable += buffer ? 0 : count;
    }
    assert_true(differing > 5);
    assert_int_equal(trainable, rp_fcd_trainable(a));
    rp_fcd_destroy(a);
    rp_fcd_destroy(b);
    rp_fcd_destroy(c);
}

/** Heap in use, mapped blocks included; 0 where the allocator does not count (sanitizers). */
static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void the_plan_is_what_create_takes(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(2);
    rp_fcd *net = make_net(&config, 1);
    const int sizes[][3] = {{32, 48, 16}, {33, 17, 30}};
    for (int s = 0; s < 2; s++) {
        size_t planned[2] = {0, 0};
        for (int mode = RP_RUN_PREDICT; mode <= RP_RUN_TRAIN; mode++) {
            assert_ok(rp_session_bytes(&config, sizes[s], (rp_run_mode)mode, &planned[mode], &err),
                      err);
            size_t before = heap_in_use();
            rp_session *session = make_session(net, sizes[s], (rp_run_mode)mode);
            size_t taken = heap_in_use() - before;
            print_message("%dx%dx%d %s: planned %zu bytes, the heap grew by %zu\n", sizes[s][2],
                          sizes[s][1], sizes[s][0], mode ? "train" : "predict", planned[mode],
                          taken);
            rp_session_destroy(session);
            if (before == 0) continue;
            assert_true(taken <= planned[mode] + planned[mode] / 50 + 65536);
            assert_true(taken >= planned[mode] - planned[mode] / 50);
        }
        assert_true(planned[RP_RUN_PREDICT] < planned[RP_RUN_TRAIN]);
    }
    rp_fcd_destroy(net);
}

static void a_plan_over_the_budget_is_refused_in_words(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(2);
    const int size[3] = {64, 64, 48};
    rp_fcd *net = make_net(&config, 1);
    rp_session *session = NULL;
    size_t bytes = 0;
    assert_ok(rp_session_bytes(&config, size, RP_RUN_TRAIN, &bytes, &err), err);
    assert_ok(rp_session_create(net, size, RP_RUN_TRAIN, bytes, &session, &err), err);
    rp_session_destroy(session);
    session = NULL;
    assert_int_equal(rp_session_create(net, size, RP_RUN_TRAIN, bytes - 1, &session, &err),
                     RP_ERR_BUDGET);
    assert_null(session);

    size_t budget = (size_t)3 << 20;
    assert_true(bytes > 2 * budget);
    assert_int_equal(rp_session_create(net, size, RP_RUN_TRAIN, budget, &session, &err),
                     RP_ERR_BUDGET);
    print_message("%s\n", err.message);
    char *needed = rp_format("%.0f", floor((double)bytes / (1 << 20)));
    char *rounded_up = rp_format("%.0f", ceil((double)bytes / (1 << 20)));
    assert_non_null(strstr(err.message, "MiB"));
    assert_non_null(strstr(err.message, "3"));
    assert_true(strstr(err.message, needed) || strstr(err.message, rounded_up));
    rp_free(needed);
    rp_free(rounded_up);
    rp_fcd_destroy(net);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(2);
    rp_fcd *net = make_net(&config, 1);
    const int sizes[][3] = {{0, 8, 8}, {8, -8, 8}, {8, 8, 0}, {2147483647, 2147483647, 2147483647}};
    for (int s = 0; s < 4; s++) {
        size_t bytes = 0;
        rp_session *session = NULL;
        assert_int_not_equal(rp_session_bytes(&config, sizes[s], RP_RUN_TRAIN, &bytes, &err),
                             RP_OK);
        assert_int_not_equal(
            rp_session_create(net, sizes[s], RP_RUN_TRAIN, (size_t)1 << 30, &session, &err), RP_OK);
        assert_null(session);
    }
    rp_fcd_destroy(net);
}

/** Every allocation on the way fails once: an error, nothing kept (the sanitizer run sees leaks).
 */
static void short_memory_is_an_error(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(2);
    const int size[3] = {8, 8, 8};
    int failures = 0;
    for (long n = 1; n < 1000; n++) {
        rp_fcd *net = NULL;
        rp_session *session = NULL;
        rp_adam *adam = NULL;
        rp_test_fail_allocation(n);
        rp_status status = rp_fcd_create(&config, 1, &net, &err);
        if (status == RP_OK) status = rp_session_create(net, size, RP_RUN_TRAIN, 0, &session, &err);
        if (status == RP_OK) status = rp_adam_create(net, &adam, &err);
        rp_test_fail_allocation(0);
        assert_int_equal(adam == NULL, status != RP_OK);
        rp_adam_destroy(adam);
        rp_session_destroy(session);
        rp_fcd_destroy(net);
        if (status == RP_OK) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        failures++;
    }
    print_message("%d allocations failed one after the other\n", failures);
    assert_in_range(failures, 3, 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_method),
        cmocka_unit_test(impossible_configurations_are_refused),
        cmocka_unit_test(norm_modes_have_names),
        cmocka_unit_test(the_seed_makes_the_weights),
        cmocka_unit_test(the_plan_is_what_create_takes),
        cmocka_unit_test(a_plan_over_the_budget_is_refused_in_words),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(short_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
