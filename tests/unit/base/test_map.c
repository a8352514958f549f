#include "test.h"

#include "reprise/base_map.h"

static void test_finds_what_was_put(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static char names[MANY][16];
    rp_map map = {0};
    assert_true(rp_map_find(&map, "") == RP_MAP_NONE);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "P%zu", i * i % 7919);
        const size_t before = rp_map_find(&map, names[i]);
        size_t first = 0;
        while (strcmp(names[first], names[i]) != 0) first++;
        assert_true(before == (first < i ? first : RP_MAP_NONE));
        if (first == i) assert_true(rp_map_put(&map, names[i], i));
    }
    assert_true(rp_map_find(&map, "P") == RP_MAP_NONE);
    assert_true(rp_map_put(&map, "P0", 77));
    assert_int_equal(rp_map_find(&map, "P0"), 77);
    assert_true(rp_map_put(&map, "", 5));
    assert_int_equal(rp_map_find(&map, ""), 5);
    rp_map_release(&map);
    assert_true(rp_map_find(&map, "P0") == RP_MAP_NONE);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (long n = 1; n <= 2; n++) {
        rp_map map = {0};
        rp_test_fail_allocation(n);
        assert_false(rp_map_put(&map, "a", 1));
        rp_test_fail_allocation(0);
        assert_true(rp_map_put(&map, "a", 1));
        assert_int_equal(rp_map_find(&map, "a"), 1);
        rp_map_release(&map);
    }
}

static void test_words_that_resemble(void **state)
{
    (void)state;
    assert_int_equal(rp_letters_apart("assess", "assess"), 0);
    assert_int_equal(rp_letters_apart("asess", "Assess"), 1);
    assert_int_equal(rp_letters_apart("semgent", "segment"), 2);
    assert_int_equal(rp_letters_apart("", "abc"), 3);
    assert_int_equal(rp_letters_apart("0123456789012345678901234567890123", "a"), 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_what_was_put),
                                       cmocka_unit_test(test_no_memory),
                                       cmocka_unit_test(test_words_that_resemble)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
