#include "test.h"
#include "../../../src/report/text.h"

#include <math.h>

static void check_escape(const char *foreign, const char *expected)
{
    rp_text text = {0};
    rp_text_add(&text, "|");
    rp_text_escape(&text, foreign);
    assert_string_equal(text.data + 1, expected);
    rp_text_release(&text);
}

static void markup_is_disarmed(void **state)
{
    (void)state;
    check_escape("<b a=\"x\" c='y'>&amp;", "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;");
    check_escape("a\x01\x7F\tb\n", "a\xEF\xBF\xBD\xEF\xBF\xBD\tb\n");
    check_escape("", "");
    check_escape(NULL, "");
}

static void only_utf8_passes(void **state)
{
    (void)state;
    check_escape("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80",
                 "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
    check_escape("\xC3", "\xEF\xBF\xBD");
    check_escape("\xC0\xBC", "\xEF\xBF\xBD\xEF\xBF\xBD");                 /* overlong < */
    check_escape("\xE0\x80\xBC", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* the same in three */
    check_escape("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* surrogate */
    check_escape("\xE2\x82<", "\xEF\xBF\xBD\xEF\xBF\xBD&lt;");
    check_escape("\xFF\xFE", "\xEF\xBF\xBD\xEF\xBF\xBD");
}

/* The vectors of RFC 4648, section 10. */
static void base64_follows_the_rfc(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        rp_text text = {0};
        rp_text_base64(&text, (const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text.data ? text.data : "", vectors[i][1]);
        assert_int_equal(text.length, strlen(vectors[i][1]));
        rp_text_release(&text);
    }
}

static void check_number(double value, int decimals, bool plus, const char *expected)
{
    rp_text text = {0};
    rp_text_number(&text, value, decimals, plus);
    assert_string_equal(text.data, expected);
    rp_text_release(&text);
}

static void numbers_have_real_signs(void **state)
{
    (void)state;
    check_number(-12.34, 1, true,
                 "\xE2\x88\x92"
                 "12.3");
    check_number(12.34, 1, true, "+12.3");
    check_number(12.34, 1, false, "12.3");
    check_number(-0.04, 1, true, "0.0");
    check_number(0.04, 1, true, "0.0");
    check_number(NAN, 1, true, "\xE2\x80\x93");
    check_number(-INFINITY, 1, true, "\xE2\x80\x93");
}

static void a_failed_allocation_is_remembered(void **state)
{
    (void)state;
    rp_text text = {0};
    rp_test_fail_allocation(1);
    rp_text_add(&text, "lost");
    assert_true(text.failed);
    rp_text_printf(&text, "%d", 7);
    rp_text_base64(&text, (const uint8_t *)"abc", 3);
    rp_text_escape(&text, "<");
    assert_int_equal(text.length, 0);
    rp_text_release(&text);
    rp_test_fail_allocation(0);
}

static void long_texts_grow(void **state)
{
    (void)state;
    rp_text text = {0};
    for (int i = 0; i < 20000; i++) rp_text_printf(&text, "%05d", i);
    assert_int_equal(text.length, 100000);
    assert_int_equal(strlen(text.data), 100000);
    assert_memory_equal(text.data + 99995, "19999", 5);
    rp_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_disarmed),
        cmocka_unit_test(only_utf8_passes),
        cmocka_unit_test(base64_follows_the_rfc),
        cmocka_unit_test(numbers_have_real_signs),
        cmocka_unit_test(a_failed_allocation_is_remembered),
        cmocka_unit_test(long_texts_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
