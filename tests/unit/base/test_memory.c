#include "test.h"

static void test_blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 1 << 20, (8 << 20) - 1, 8 << 20, (9 << 20) + 5};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *block = rp_alloc(sizes[i], 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        size_t zeros = 0;
        for (size_t b = 0; b < sizes[i]; b++) zeros += block[b] == 0;
        assert_int_equal(zeros, sizes[i]);
        memset(block, 0xff, sizes[i]); /* so that a block used again would show */
        rp_free(block);
    }
    void *none = rp_alloc(0, 8);
    assert_non_null(none);
    rp_free(none);
    rp_free(NULL);
}

static void test_overflow_gives_null(void **state)
{
    (void)state;
    assert_null(rp_alloc(SIZE_MAX / 2, 3));
    assert_null(rp_alloc(SIZE_MAX, 1));
}

/* Large blocks begin at a page of 2 MiB, so that the system can back them with such. */
static void test_large_blocks(void **state)
{
    (void)state;
    const size_t sizes[] = {8 << 20, (9 << 20) + 5};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block = rp_alloc(sizes[i], 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (2 << 20), 0);
        rp_free(block);
    }
    rp_test_fail_allocation(1);
    assert_null(rp_alloc(8 << 20, 1));
    rp_test_fail_allocation(0);
}

static void test_hook_fails_the_nth(void **state)
{
    (void)state;
    rp_test_fail_allocation(3);
    void *blocks[5];
    for (int i = 0; i < 5; i++) blocks[i] = rp_alloc(8, 8);
    rp_test_fail_allocation(0);
    for (int i = 0; i < 5; i++) {
        assert_true((blocks[i] == NULL) == (i == 2));
        rp_free(blocks[i]);
    }
    rp_test_fail_allocation(1);
    assert_null(rp_strdup("text"));
    rp_test_fail_allocation(1);
    assert_null(rp_format("%d", 1));
    rp_test_fail_allocation(1);
    assert_null(rp_path_join("a", "b"));
    rp_test_fail_allocation(0);
}

static void test_strings(void **state)
{
    (void)state;
    RP_AUTOFREE char *copy = rp_strdup("liver"), *text = rp_format("%s-%03d", "STS", 1);
    assert_string_equal(copy, "liver");
    assert_string_equal(text, "STS-001");
    assert_null(rp_strdup(NULL));
    RP_AUTOFREE char *plain = rp_path_join("a", "b"), *slash = rp_path_join("a/", "b");
    RP_AUTOFREE char *root = rp_path_join("/", "b");
    assert_string_equal(plain, "a/b");
    assert_string_equal(slash, "a/b");
    assert_string_equal(root, "/b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_zeroed_and_aligned),
        cmocka_unit_test(test_overflow_gives_null),
        cmocka_unit_test(test_large_blocks),
        cmocka_unit_test(test_hook_fails_the_nth),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
