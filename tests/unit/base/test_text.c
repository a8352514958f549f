#include "test.h"

static void shows(const char *text, const char *expected)
{
    char to[256];
    const size_t length = rp_text_printable(to, sizeof to, text);
    assert_string_equal(to, expected);
    assert_int_equal(length, strlen(expected));
    for (size_t size = 1; size <= length; size++) { /* cut where a character ends */
        char small[256];
        memset(small, '#', sizeof small);
        assert_int_equal(rp_text_printable(small, size, text), length);
        assert_true(strlen(small) < size && size - strlen(small) <= 12);
        assert_memory_equal(small, expected, strlen(small));
        assert_int_equal(small[size], '#');
    }
}

static void test_letters_stay(void **state)
{
    (void)state;
    shows("", "");
    shows("liver, 12.5 mm \\ ~", "liver, 12.5 mm \\ ~");
    shows("Gr\xC3\xB6\xC3\x9F"
          "e \xD0\x9A\xD1\x83 \xE8\x82\x9D \xF0\x9F\x98\x80",
          "Gr\xC3\xB6\xC3\x9F"
          "e \xD0\x9A\xD1\x83 \xE8\x82\x9D \xF0\x9F\x98\x80");
}

static void test_control_characters_are_shown(void **state)
{
    (void)state;
    shows("\x1B[31m\a", "\\u001b[31m\\u0007");
    shows("a\nb\r\tc\x7F", "a\\u000ab\\u000d\\u0009c\\u007f");
    shows("\xC2\x9B"
          "2J",
          "\\u009b2J"); /* CSI as one character */
    shows("\xE2\x80\xAE"
          "fdp.exe \xE2\x80\xA8 \xE2\x81\xA6 \xD8\x9C \xEF\xBB\xBF",
          "\\u202efdp.exe \\u2028 \\u2066 \\u061c \\ufeff");
    shows("\xF3\xA0\x81\x81", "\\udb40\\udc41"); /* a tag: a pair, as JSON has it */
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    shows("M\xFCller", "M\\xfcller");
    shows("\x9B"
          "2J",
          "\\x9b2J");
    shows("\xC0\x9B \xE0\x80\x9B", "\\xc0\\x9b \\xe0\\x80\\x9b");                   /* overlong */
    shows("\xED\xA0\x80 \xF4\x90\x80\x80", "\\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"); /* none */
    shows("\xE2\x82", "\\xe2\\x82");                                                /* cut off */
    shows("\xE2\x1B[", "\\xe2\\u001b[");
}

static void test_a_character_whose_end_is_to_come(void **state)
{
    (void)state;
    char shown[RP_TEXT_SHOWN];
    uint32_t code;
    assert_int_equal(rp_text_show(shown, "\xE2\x82\xAC", 2), 0);
    assert_int_equal(rp_text_show(shown, "\xE2\x82\xAC", 3), 3);
    assert_string_equal(shown, "\xE2\x82\xAC");
    assert_int_equal(rp_text_character("\xE2\x82\xAC", 3, &code), 3);
    assert_int_equal(code, 0x20AC);
    assert_int_equal(rp_text_character("", 0, &code), 0);
}

static void keep_line(rp_log_level level, const char *line, void *context)
{
    (void)level;
    snprintf(context, 100, "%s", line);
}

static void test_the_log_has_one_line(void **state)
{
    (void)state;
    char line[100] = "";
    rp_log_set_sink(keep_line, line);
    rp_log(RP_LOG_WARNING, "the ROI '%s'", "a\n\x1B]0;b\a");
    rp_log_set_sink(NULL, NULL);
    assert_string_equal(line, "the ROI 'a\\u000a\\u001b]0;b\\u0007'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_stay),
        cmocka_unit_test(test_control_characters_are_shown),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_a_character_whose_end_is_to_come),
        cmocka_unit_test(test_the_log_has_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
