/* RECIST 1.1 for one lesion: a table of cases just inside and just outside every limit. */
#include "reprise/response.h"
#include "test.h"

#include <math.h>

typedef struct test_case {
    const char *what;
    rp_response_input in;
    rp_response expected;
} test_case;

#define MEASURED(base, follow)                                                                     \
    {                                                                                              \
        .baseline_mm = (base), .followup_mm = (follow), .state = RP_LESION_MEASURED                \
    }
#define SINCE(base, low, follow)                                                                   \
    {                                                                                              \
        .baseline_mm = (base), .nadir_mm = (low), .followup_mm = (follow),                         \
        .state = RP_LESION_MEASURED                                                                \
    }
#define NODE(base, low, follow)                                                                    \
    {                                                                                              \
        .nodal = true, .baseline_mm = (base), .nadir_mm = (low), .followup_mm = (follow),          \
        .state = RP_LESION_MEASURED                                                                \
    }

static const test_case cases[] = {
    {"unchanged", MEASURED(50, 50), RP_SD},
    {"exactly 30% smaller", MEASURED(100, 70), RP_PR},
    {"a hair less than 30%", MEASURED(100, 70.001), RP_SD},
    {"a hair more than 30%", MEASURED(100, 69.999), RP_PR},
    {"30% of a decimal", MEASURED(71.3, 49.91), RP_PR},
    {"30% of a sum with binary noise", MEASURED(0.1 + 0.2 + 29.7, 21), RP_PR},
    {"30% with noise above", MEASURED(30, 20.7 + 0.1 + 0.2), RP_PR},
    {"exactly 20% and 5 mm larger", MEASURED(25, 30), RP_PD},
    {"20% of a decimal", MEASURED(33.3, 39.96), RP_PD},
    {"20% with noise below", MEASURED(30.3, 36.36 - 0.1 + 0.1), RP_PD},
    {"a hair less than 20%", MEASURED(100, 119.999), RP_SD},
    {"20% but 4.999 mm", MEASURED(24, 28.999), RP_SD},
    {"20.8% and 5 mm", MEASURED(24, 29), RP_PD},
    {"5 mm in decimals", MEASURED(20.1, 25.1), RP_PD},
    {"5 mm in noisier decimals", MEASURED(12.3, 17.3), RP_PD},
    {"5 mm but 10%", MEASURED(50, 55), RP_SD},
    {"30% above the nadir, still 35% below baseline", SINCE(100, 50, 65), RP_PD},
    {"exactly 20% above the nadir", SINCE(100, 50, 60), RP_PD},
    {"just under 20% above the nadir is still PR", SINCE(100, 50, 59.99), RP_PR},
    {"small nadir, under 5 mm", SINCE(30, 6, 10.9), RP_PR},
    {"small nadir, 5 mm", SINCE(30, 6, 11), RP_PD},
    {"nadir equal to baseline", SINCE(40, 40, 48), RP_PD},
    {"very small but measured is not gone", MEASURED(40, 0.5), RP_PR},
    {"gone", {.baseline_mm = 40, .state = RP_LESION_ABSENT}, RP_CR},
    {"too small to measure counts as 5", {.baseline_mm = 40, .state = RP_LESION_TOO_SMALL}, RP_PR},
    {"too small, little lesion", {.baseline_mm = 7, .state = RP_LESION_TOO_SMALL}, RP_SD},
    {"too small by another convention",
     {.baseline_mm = 7, .too_small_mm = 3, .state = RP_LESION_TOO_SMALL},
     RP_PR},
    {"not evaluated", {.baseline_mm = 40, .state = RP_LESION_NOT_EVALUATED}, RP_NE},
    {"not evaluated with a new lesion",
     {.baseline_mm = 40, .state = RP_LESION_NOT_EVALUATED, .new_lesion = true},
     RP_PD},
    {"gone with a new lesion",
     {.baseline_mm = 40, .state = RP_LESION_ABSENT, .new_lesion = true},
     RP_PD},
    {"a response stays until progression", SINCE(100, 60, 71.9), RP_PR},
    {"until 20% above it", SINCE(100, 60, 72), RP_PD},
    {"a smallest that was no response does not stay", SINCE(100, 80, 75), RP_SD},
    {"a normal node that is enlarged again", NODE(16, 9, 11), RP_PD},
    {"a normal node that stays normal", NODE(16, 9, 9.9), RP_CR},
    {"node below 10", NODE(20, 0, 9.99), RP_CR},
    {"node at exactly 10", NODE(20, 0, 10), RP_PR},
    {"node at 10 with noise below", NODE(20, 0, 9.7 + 0.1 + 0.2), RP_PR},
    {"node at 70%", NODE(20, 0, 14), RP_PR},
    {"node above 70%", NODE(20, 0, 14.01), RP_SD},
    {"node gone", {.nodal = true, .baseline_mm = 20, .state = RP_LESION_ABSENT}, RP_CR},
    {"node too small", {.nodal = true, .baseline_mm = 20, .state = RP_LESION_TOO_SMALL}, RP_CR},
    {"node that grows", NODE(20, 12, 17), RP_PD},
    {"PD is tested before CR", NODE(20, 4, 9.5), RP_PD},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const test_case *c = &cases[i];
        rp_response_result r;
        rp_error err = {0};
        assert_ok(rp_response_classify(&c->in, &r, &err), err);
        if (r.response != c->expected)
            fail_msg("%s: %s instead of %s (%s)", c->what, rp_response_code(r.response),
                     rp_response_code(c->expected), r.rule);
        /* The sentence opens with the response, ends whole and is not cut off. */
        assert_memory_equal(r.rule, rp_response_code(c->expected), 2);
        assert_true(strlen(r.rule) + 1 < sizeof r.rule && r.rule[strlen(r.rule) - 1] == '.');
    }
}

static rp_response_result classify(rp_response_input in)
{
    rp_response_result r;
    rp_error err = {0};
    assert_ok(rp_response_classify(&in, &r, &err), err);
    return r;
}

static void test_changes(void **state)
{
    (void)state;
    rp_response_result r = classify((rp_response_input)SINCE(80, 40, 50));
    assert_close(r.change_percent, -37.5, 1e-12);
    assert_close(r.change_nadir_percent, 25, 1e-12);
    assert_close(r.change_nadir_mm, 10, 1e-12);
    r = classify((rp_response_input){.baseline_mm = 80, .state = RP_LESION_NOT_EVALUATED});
    assert_true(isnan(r.change_percent) && isnan(r.change_nadir_mm));
    r = classify((rp_response_input){.baseline_mm = 80, .state = RP_LESION_ABSENT});
    assert_close(r.change_percent, -100, 1e-12);
}

static void test_sentences(void **state)
{
    (void)state;
    rp_response_result r = classify((rp_response_input)MEASURED(83.34, 58.21));
    assert_string_equal(r.rule, "PR: 58.2 mm is 30.2% below the baseline's 83.3 mm; partial "
                                "response needs at least 30%.");
    r = classify((rp_response_input)SINCE(100, 50, 65));
    assert_string_equal(r.rule,
                        "PD: 65.0 mm is 15.0 mm (30.0%) above the smallest so far, 50.0 mm; "
                        "progression needs at least 20% and at least 5 mm.");
    /* 70.04 must not read as 70.0, which would be PR. */
    r = classify((rp_response_input)MEASURED(100, 70.04));
    assert_non_null(strstr(r.rule, "SD: 70.04 mm is neither PR (at most 70.00 mm"));
}

static void test_measurable(void **state)
{
    (void)state;
    static const struct {
        bool nodal;
        double baseline, spacing;
        bool expected;
    } rows[] = {
        {false, 10, 0, true},     {false, 9.99, 0, false}, {false, 10, 5, true},
        {false, 10, 5.01, false}, {false, 16, 8, true},    {false, 15.9, 8, false},
        {true, 15, 5, true},      {true, 14.99, 5, false}, {true, 15, 2, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_response_input in = MEASURED(rows[i].baseline, 8);
        in.nodal = rows[i].nodal;
        in.slice_spacing_mm = rows[i].spacing;
        assert_int_equal(classify(in).measurable_at_baseline, rows[i].expected);
    }
}

/* One voxel of 1 mm at either visit, just inside and just outside each threshold. */
static void test_borderline(void **state)
{
    (void)state;
    static const struct {
        bool nodal;
        double baseline, nadir, followup;
        bool expected;
        rp_threshold threshold;
        double distance;
        rp_response otherwise;
    } rows[] = {
        {false, 40, 0, 48.2, true, RP_THRESHOLD_PD, 0.2, RP_SD},
        {false, 40, 0, 49.1, true, RP_THRESHOLD_PD, 1.1, RP_SD}, /* 41 mm would need 49.2 */
        {false, 40, 0, 49.3, false, 0, 0, RP_NE},
        {false, 40, 0, 47.1, true, RP_THRESHOLD_PD, 0.9, RP_PD},
        {false, 40, 0, 46.7, false, 0, 0, RP_NE},
        {false, 100, 0, 70.9, true, RP_THRESHOLD_PR, 0.9, RP_PR},
        {false, 100, 0, 71.1, false, 0, 0, RP_NE},
        {false, 100, 0, 69.1, true, RP_THRESHOLD_PR, 0.9, RP_SD},
        {false, 100, 0, 68.9, false, 0, 0, RP_NE},
        {false, 100, 50, 60.9, true, RP_THRESHOLD_PD, 0.9, RP_PR},
        {false, 100, 50, 70.5, false, 0, 0, RP_NE}, /* near PR, but PD all the same */
        {true, 20, 0, 10.5, true, RP_THRESHOLD_NODE, 0.5, RP_CR},
        {true, 20, 0, 9.5, true, RP_THRESHOLD_NODE, 0.5, RP_PR},
        {true, 20, 0, 8.9, false, 0, 0, RP_NE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_response_input in = SINCE(rows[i].baseline, rows[i].nadir, rows[i].followup);
        in.nodal = rows[i].nodal;
        assert_false(classify(in).is_borderline); /* no voxel is known */
        in.baseline_voxel_mm = in.followup_voxel_mm = 1;
        const rp_response_result r = classify(in);
        if (r.is_borderline != rows[i].expected) fail_msg("row %zu: '%s'", i, r.doubt);
        assert_int_equal(r.doubt[0] != '\0', rows[i].expected);
        if (!rows[i].expected) continue;
        assert_int_equal(r.borderline.threshold, rows[i].threshold);
        assert_close(r.borderline.distance, rows[i].distance, 1e-9);
        assert_int_equal(r.otherwise, rows[i].otherwise);
        assert_true(strlen(r.doubt) + 1 < sizeof r.doubt && r.doubt[strlen(r.doubt) - 1] == '.');
    }
}

static void test_bad_input(void **state)
{
    (void)state;
    const rp_response_input bad[] = {
        MEASURED(0, 10),
        MEASURED(-5, 10),
        MEASURED(NAN, 10),
        MEASURED(INFINITY, 10),
        MEASURED(10, -1),
        MEASURED(10, NAN),
        MEASURED(10, INFINITY),
        MEASURED(10, 0),
        SINCE(10, -1, 5),
        SINCE(10, NAN, 5),
        SINCE(10, 11, 5),
        {.baseline_mm = 10, .followup_mm = 5, .slice_spacing_mm = -1},
        {.baseline_mm = 10, .followup_mm = 5, .too_small_mm = NAN},
        {.baseline_mm = 10, .followup_mm = 5, .followup_voxel_mm = -1},
        {.baseline_mm = 10, .followup_mm = 5, .baseline_voxel_mm = NAN},
        {.baseline_mm = 10, .followup_mm = 5, .state = (rp_lesion_state)9},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rp_error err = {0};
        rp_response_result r = {.response = RP_SD};
        assert_int_equal(rp_response_classify(&bad[i], &r, &err), RP_ERR_ARGUMENT);
        assert_true(strlen(err.message) > 10);
        assert_int_equal(rp_response_classify(&bad[i], &r, NULL), RP_ERR_ARGUMENT);
        assert_int_equal(r.response, RP_SD);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(rp_response_code(RP_CR), "CR");
    assert_string_equal(rp_response_code(RP_NE), "NE");
    assert_string_equal(rp_response_name(RP_PD), "progressive disease");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_changes),
        cmocka_unit_test(test_sentences),  cmocka_unit_test(test_measurable),
        cmocka_unit_test(test_borderline), cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
