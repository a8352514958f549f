#include "test.h"
#include "reprise/io.h"

#include <math.h>

static void text_of_every_type(void **state)
{
    (void)state;
    rp_json *root = rp_json_object(), *lesions = rp_json_array(), *lesion = rp_json_object();
    const double endpoint[3] = {0.1, -2.5, 1e300};
    rp_json_set_string(root, "name", "a\"b\\c\n\x01é");
    rp_json_set_string(root, "none", NULL);
    rp_json_set_bool(root, "yes", true);
    rp_json_set_int(root, "big", INT64_MIN);
    rp_json_set_number(root, "whole", 3);
    rp_json_set_number(root, "nan", NAN);
    rp_json_set_number(root, "infinite", -INFINITY);
    rp_json_set_numbers(lesion, "endpoint", endpoint, 3);
    rp_json_append(lesions, lesion);
    rp_json_set(root, "lesions", lesions);
    rp_json_set(root, "empty", rp_json_array());
    rp_json_set_int(root, "big", 7); /* replaces, in place */
    char *text = rp_json_text(root);
    assert_string_equal(text, "{\n"
                              "  \"name\": \"a\\\"b\\\\c\\n\\u0001é\",\n"
                              "  \"none\": null,\n"
                              "  \"yes\": true,\n"
                              "  \"big\": 7,\n"
                              "  \"whole\": 3.0,\n"
                              "  \"nan\": null,\n"
                              "  \"infinite\": null,\n"
                              "  \"lesions\": [\n"
                              "    {\n"
                              "      \"endpoint\": [0.1, -2.5, 1e+300]\n"
                              "    }\n"
                              "  ],\n"
                              "  \"empty\": []\n"
                              "}\n");
    rp_free(text);
    rp_json_destroy(root);
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    rp_json *list = rp_json_array();
    rp_json_append_string(list, "M\xFCller");        /* Latin-1 */
    rp_json_append_string(list, "\xC0\xAF");         /* overlong */
    rp_json_append_string(list, "\xED\xA0\x80");     /* surrogate */
    rp_json_append_string(list, "\xF4\x90\x80\x80"); /* above U+10FFFF */
    rp_json_append_string(list, "\xE2\x82");         /* cut short */
    rp_json_append_string(list, "\xF0\x9F\x98\x80");
    char *text = rp_json_text(list);
#define BAD "\xEF\xBF\xBD"
    assert_string_equal(text,
                        "[\"M" BAD "ller\", \"" BAD BAD "\", \"" BAD BAD BAD
                        "\", \"" BAD BAD BAD BAD "\", \"" BAD BAD "\", \"\xF0\x9F\x98\x80\"]\n");
    rp_json *again = NULL;
    rp_error err = {0};
    assert_ok(rp_json_parse(text, &again, &err), err);
    rp_json_destroy(again);
    rp_free(text);
    rp_json_destroy(list);
}

static void numbers_survive_bit_for_bit(void **state)
{
    (void)state;
    rp_random random;
    rp_random_init(&random, 1, 2, 3);
    for (int i = 0; i < 2000; i++) {
        uint64_t bits = (uint64_t)rp_random_u32(&random) << 32 | rp_random_u32(&random);
        double value, back = 0;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        rp_json *list = rp_json_array(), *again = NULL;
        rp_error err = {0};
        rp_json_append_number(list, value);
        char *text = rp_json_text(list);
        assert_ok(rp_json_parse(text, &again, &err), err);
        assert_true(rp_json_as_number(rp_json_at(again, 0), &back));
        assert_memory_equal(&back, &value, sizeof value);
        rp_free(text);
        rp_json_destroy(list);
        rp_json_destroy(again);
    }
}

static void values_are_read_by_type(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_json *root = NULL;
    double number = -1;
    int64_t integer = -1;
    bool boolean = false;
    assert_ok(rp_json_parse("{\"i\": 9007199254740993, \"r\": 2.5, \"s\": \"text\", \"t\": true, "
                            "\"n\": null, \"a\": [1, [2]], \"o\": {\"k\": \"v\"}}",
                            &root, &err),
              err);
    assert_true(rp_json_get_int(root, "i", &integer));
    assert_true(integer == 9007199254740993);
    assert_true(rp_json_get_number(root, "r", &number));
    assert_close(number, 2.5, 0);
    assert_true(rp_json_get_number(root, "i", &number));
    assert_true(rp_json_get_bool(root, "t", &boolean) && boolean);
    assert_string_equal(rp_json_get_string(root, "s"), "text");
    integer = 5;
    assert_false(rp_json_get_int(root, "r", &integer));
    assert_false(rp_json_get_int(root, "absent", &integer));
    assert_false(rp_json_get_bool(root, "n", &boolean));
    assert_false(rp_json_get_number(root, "s", &number));
    assert_int_equal(integer, 5);
    assert_null(rp_json_get_string(root, "i"));
    assert_null(rp_json_get(root, "absent"));
    assert_null(rp_json_get(rp_json_get(root, "a"), "k"));
    assert_int_equal(rp_json_length(rp_json_get(root, "a")), 2);
    assert_null(rp_json_at(rp_json_get(root, "a"), 2));
    assert_int_equal(rp_json_length(rp_json_at(rp_json_get(root, "a"), 1)), 1);
    assert_string_equal(rp_json_key_at(root, 6), "o");
    assert_null(rp_json_key_at(rp_json_get(root, "a"), 0));
    assert_string_equal(rp_json_as_string(rp_json_at(rp_json_get(root, "o"), 0)), "v");
    rp_json_destroy(root);
}

static void syntax_errors_name_path_line_and_column(void **state)
{
    (void)state;
    char *folder = make_folder(), *path = rp_path_join(folder, "bad.json");
    const char *text = "{\n  \"a\": 1,\n  \"b\" 2\n}\n";
    rp_error err = {0};
    rp_json *root = NULL;
    assert_ok(rp_file_write(path, text, strlen(text), &err), err);
    assert_int_equal(rp_json_read(path, &root, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "line 3, column 7"));
    assert_null(root);
    assert_int_equal(rp_json_parse("{\"a\": 1, \"a\": 2}", &root, &err), RP_ERR_FORMAT);
    assert_int_equal(rp_json_parse("[1] x", &root, &err), RP_ERR_FORMAT);
    assert_int_equal(rp_json_parse("", &root, &err), RP_ERR_FORMAT);
    assert_int_equal(rp_json_parse("[\"\\u0000\"]", &root, &err), RP_ERR_FORMAT);
    rp_free(path);
    path = rp_path_join(folder, "absent.json");
    assert_int_equal(rp_json_read(path, &root, &err), RP_ERR_IO);
    rp_free(path);
    remove_folder(folder);
}

static void hostile_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    char *text = rp_alloc(DEPTH + 1, 1);
    rp_json *root = NULL;
    rp_error err = {0};
    memset(text, '[', DEPTH);
    assert_int_equal(rp_json_parse(text, &root, &err), RP_ERR_FORMAT);
    rp_free(text);
}

static rp_json *build_sample(void)
{
    rp_json *root = rp_json_object(), *list = rp_json_array();
    for (int i = 0; i < 20; i++) rp_json_append_number(list, i / 7.0);
    rp_json_set(root, "list", list);
    rp_json_set_string(root, "text", "some text");
    rp_json_set_numbers(root, "more", (const double[]){1, 2, 3}, 3);
    return root;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    char *folder = make_folder(), *path = rp_path_join(folder, "out.json");
    long failures = 0;
    for (long n = 1;; n++) {
        rp_error err = {0};
        rp_test_fail_allocation(n);
        rp_json *root = build_sample();
        rp_status status = rp_json_write(path, root, &err);
        rp_test_fail_allocation(0);
        rp_json_destroy(root);
        if (!status) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_false(rp_path_exists(path));
        failures++;
    }
    assert_true(failures > 40);
    rp_error err = {0};
    rp_json *root = NULL;
    for (long n = 1;; n++) {
        rp_test_fail_allocation(n);
        rp_status status = rp_json_read(path, &root, &err);
        rp_test_fail_allocation(0);
        if (!status) break;
        assert_int_equal(status, RP_ERR_MEMORY);
    }
    assert_int_equal(rp_json_length(rp_json_get(root, "list")), 20);
    rp_json_destroy(root);
    rp_free(path);
    remove_folder(folder);
}

static void misuse_is_remembered(void **state)
{
    (void)state;
    rp_json *array = rp_json_array(), *object = rp_json_object();
    rp_json_set_int(array, "key", 1);
    assert_null(rp_json_text(array));
    rp_json_append(object, array);
    assert_null(rp_json_text(object));
    assert_null(rp_json_text(NULL));
    rp_json_destroy(object);
}

/* A tree that was read grows like one that was made, and can become part of another. */
static void what_was_read_can_be_changed(void **state)
{
    (void)state;
    rp_json *tree = NULL, *around = rp_json_object();
    rp_error err = {0};
    assert_ok(rp_json_parse("{\"a\": \"old\", \"list\": [1, {\"b\": [true, null]}], \"c\": {}}",
                            &tree, &err),
              err);
    rp_json_set_string(tree, "a", "new");
    rp_json_set(tree, "list", rp_json_array());
    rp_json_set_int(tree, "d", 4);
    rp_json_set_int(tree, "e", 5);
    rp_json_set(around, "tree", tree);
    rp_json_set_bool(around, "last", true);
    RP_AUTOFREE char *text = rp_json_compact_text(around);
    assert_string_equal(text, "{\"tree\":{\"a\":\"new\",\"list\":[],\"c\":{},\"d\":4,\"e\":5},"
                              "\"last\":true}");
    rp_json_destroy(around);
    assert_ok(rp_json_parse("[]", &tree, &err), err);
    for (int i = 0; i < 100; i++) rp_json_append_int(tree, i);
    assert_int_equal(rp_json_length(tree), 100);
    rp_json_destroy(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_every_type),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(numbers_survive_bit_for_bit),
        cmocka_unit_test(values_are_read_by_type),
        cmocka_unit_test(syntax_errors_name_path_line_and_column),
        cmocka_unit_test(hostile_nesting_is_refused),
        cmocka_unit_test(every_failed_allocation_is_reported),
        cmocka_unit_test(misuse_is_remembered),
        cmocka_unit_test(what_was_read_can_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
