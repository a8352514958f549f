/* Splits: whole patients, by seed and names alone, of the size asked for. */
#include "test.h"

#include "reprise/cohort.h"

enum { MOST = 60 };

/* Patients P0 to P(count-1) with one to three visits; reversed: in the opposite order. */
static rp_cohort make_cohort(int count, bool reversed)
{
    rp_cohort cohort = {0};
    rp_error err = {0};
    char image[] = "x";
    for (int i = 0; i < count; i++) {
        const int number = reversed ? count - 1 - i : i;
        char id[16];
        snprintf(id, sizeof id, "P%d", number);
        for (int visit = 0; visit <= number % 3; visit++) {
            const rp_cohort_visit v = {.kind = visit ? RP_VISIT_FOLLOWUP : RP_VISIT_BASELINE,
                                       .image = image};
            assert_ok(rp_cohort_add_visit(&cohort, id, &v, NULL, &err), err);
        }
    }
    assert_int_equal(cohort.patient_count, count);
    return cohort;
}

static const rp_cohort_patient *find(const rp_cohort *cohort, const char *id)
{
    for (size_t i = 0; i < cohort->patient_count; i++)
        if (strcmp(cohort->patients[i].id, id) == 0) return &cohort->patients[i];
    return NULL;
}

static int count_in(const rp_cohort *cohort, const char *wanted)
{
    int count = 0;
    for (size_t i = 0; i < cohort->patient_count; i++)
        count += rp_cohort_in_split(&cohort->patients[i], wanted);
    return count;
}

static void assert_same_splits(const rp_cohort *a, const rp_cohort *b)
{
    for (size_t i = 0; i < a->patient_count; i++)
        assert_string_equal(a->patients[i].split, find(b, a->patients[i].id)->split);
}

static void test_random(void **state)
{
    (void)state;
    static const double shares[] = {0.001, 0.1, 0.25, 0.5, 0.9, 0.999};
    rp_error err = {0};
    for (int count = 2; count <= MOST; count += count < 10 ? 1 : 7)
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
            rp_cohort a = make_cohort(count, false), b = make_cohort(count, true);
            assert_ok(rp_cohort_split_random(&a, shares[s], 7, &err), err);
            assert_ok(rp_cohort_split_random(&b, shares[s], 7, &err), err);
            assert_same_splits(&a, &b);
            const int validation = count_in(&a, "validation");
            int wanted = (int)(shares[s] * count + 0.5);
            wanted = wanted < 1 ? 1 : wanted > count - 1 ? count - 1 : wanted;
            assert_int_equal(validation, wanted);
            assert_int_equal(count_in(&a, "training"), count - validation);
            assert_int_equal(count_in(&a, "training,validation"), count);
            rp_cohort_release(&a);
            rp_cohort_release(&b);
        }
}

static void test_folds(void **state)
{
    (void)state;
    rp_error err = {0};
    for (int count = 2; count <= MOST; count += count < 10 ? 1 : 7)
        for (int k = 2; k <= count && k <= 12; k++) {
            rp_cohort a = make_cohort(count, false), b = make_cohort(count, true);
            int total = 0;
            assert_ok(rp_cohort_split_folds(&a, k, 99, &err), err);
            assert_ok(rp_cohort_split_folds(&b, k, 99, &err), err);
            assert_same_splits(&a, &b);
            for (int fold = 1; fold <= k; fold++) {
                char name[16], others[24];
                snprintf(name, sizeof name, "%d", fold);
                snprintf(others, sizeof others, "not:%d", fold);
                const int held = count_in(&a, name);
                assert_in_range(held, count / k, (count + k - 1) / k);
                assert_int_equal(count_in(&a, others), count - held);
                total += held;
            }
            assert_int_equal(total, count);
            rp_cohort_release(&a);
            rp_cohort_release(&b);
        }
}

/* Over many seeds every patient is held out about equally often, and seeds differ. */
static void test_seeds(void **state)
{
    (void)state;
    enum { COUNT = 12, SEEDS = 400 };
    int held[COUNT] = {0}, changes = 0;
    char before[COUNT + 1] = "";
    rp_error err = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        rp_cohort cohort = make_cohort(COUNT, false);
        char now[COUNT + 1] = "";
        assert_ok(rp_cohort_split_random(&cohort, 0.25, seed, &err), err);
        for (int i = 0; i < COUNT; i++) {
            const bool out = rp_cohort_in_split(&cohort.patients[i], "validation");
            held[i] += out;
            now[i] = out ? 'v' : 't';
        }
        changes += strcmp(now, before) != 0;
        memcpy(before, now, sizeof now);
        rp_cohort_release(&cohort);
    }
    assert_true(changes > SEEDS * 9 / 10);
    /* 100 expected, standard deviation 8.7: five of them. */
    for (int i = 0; i < COUNT; i++) assert_in_range(held[i], 56, 144);
}

static void set_split(rp_cohort *cohort, size_t i, const char *split)
{
    rp_free(cohort->patients[i].split);
    cohort->patients[i].split = rp_strdup(split);
}

static void test_keeps_the_test_patients(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_cohort cohort = make_cohort(10, false);
    set_split(&cohort, 3, "test");
    set_split(&cohort, 4, "9");
    assert_ok(rp_cohort_split_folds(&cohort, 3, 1, &err), err);
    assert_string_equal(cohort.patients[3].split, "test");
    for (int fold = 1; fold <= 3; fold++)
        assert_int_equal(count_in(&cohort, (char[]){(char)('0' + fold), 0}), 3);
    assert_int_equal(count_in(&cohort, "not:1"), 6);
    assert_ok(rp_cohort_split_random(&cohort, 0.999, 1, &err), err);
    assert_int_equal(count_in(&cohort, "validation"), 8);
    assert_int_equal(count_in(&cohort, "training"), 1);
    assert_int_equal(count_in(&cohort, "test"), 1);
    rp_cohort_release(&cohort);
}

static void test_in_split(void **state)
{
    (void)state;
    static const struct {
        const char *split, *wanted;
        bool in;
    } cases[] = {{"training", "training", true},
                 {"training", "train", true},
                 {"training", "validation", false},
                 {"validation", "val", true},
                 {"validation", "all", true},
                 {"", "all", true},
                 {"", "training", false},
                 {"", "", false},
                 {"", "not:training", false},
                 {"3", "1,3", true},
                 {"3", "13", false},
                 {"13", "3", false},
                 {"13", "1,3", false},
                 {"3", "not:3", false},
                 {"13", "not:3", true},
                 {"test", "not:3", false},
                 {"test", "not:training", true},
                 {"training", "not:train", false},
                 {"2", "train,2", true},
                 {"2", "not:2,2", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char split[16];
        snprintf(split, sizeof split, "%s", cases[i].split);
        const rp_cohort_patient p = {.split = split};
        if (rp_cohort_in_split(&p, cases[i].wanted) != cases[i].in)
            fail_msg("'%s' in '%s'", cases[i].split, cases[i].wanted);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_cohort one = make_cohort(1, false), four = make_cohort(4, false);
    static const double shares[] = {0, 1, -0.5, 1.5, 0.0 / 0.0};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        assert_int_equal(rp_cohort_split_random(&four, shares[i], 1, &err), RP_ERR_ARGUMENT);
    assert_int_equal(rp_cohort_split_random(&one, 0.5, 1, &err), RP_ERR_ARGUMENT);
    assert_int_equal(rp_cohort_split_folds(&four, 5, 1, &err), RP_ERR_ARGUMENT);
    assert_int_equal(rp_cohort_split_folds(&four, 1, 1, &err), RP_ERR_ARGUMENT);
    for (size_t i = 0; i < 4; i++) assert_string_equal(four.patients[i].split, "");
    rp_cohort_release(&one);
    rp_cohort_release(&four);
}

static void test_short_memory(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_cohort cohort = make_cohort(9, false);
    rp_status status = RP_ERR_MEMORY;
    for (long n = 1; status == RP_ERR_MEMORY; n++) {
        rp_test_fail_allocation(n);
        status = rp_cohort_split_folds(&cohort, 3, 1, &err);
        rp_test_fail_allocation(0);
        assert_int_equal(count_in(&cohort, "1,2,3"), status ? 0 : 9); /* all or none */
    }
    assert_int_equal(status, RP_OK);
    rp_cohort_release(&cohort);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),       cmocka_unit_test(test_folds),
        cmocka_unit_test(test_seeds),        cmocka_unit_test(test_keeps_the_test_patients),
        cmocka_unit_test(test_in_split),     cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
