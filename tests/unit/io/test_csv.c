/* Tables as people's spreadsheets write them, and cells that no spreadsheet executes. */
#include "reprise/io.h"
#include "test.h"

#include <string.h>

static rp_csv_table parse(const void *text, size_t size)
{
    rp_csv_table t;
    rp_error err = {0};
    assert_ok(rp_csv_parse(text, size, &t, &err), err);
    return t;
}

/* "a|b/c|d" for two rows of two cells. */
static void join(const rp_csv_table *t, char out[512])
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t r = 0; r < t->count; r++)
        for (size_t c = 0; c < t->rows[r].count; c++)
            length += (size_t)snprintf(out + length, 512 - length, "%s%s",
                                       c   ? "|"
                                       : r ? "/"
                                           : "",
                                       t->rows[r].cells[c]);
}

static void test_separators(void **state)
{
    (void)state;
    static const struct {
        const char *text, *cells;
    } rows[] = {
        {"a,b\n1,2\n", "a|b/1|2"},
        {"a;b\n1,5;2\n", "a|b/1,5|2"},
        {"a\tb\r\n1,5\t\r\n", "a|b/1,5|"},
        {"a|b\n1|2\n", "a|b/1|2"},
        {"sep=;\r\na;b\r\n1,5;2\r\n", "a|b/1,5|2"},
        {"\"sep=\t\"\na\tb\n", "a|b"},
        {"sep=|\n\na|b,c\n", "a|b,c"},
        {"SEP=,\na;x,b\n", "a;x|b"},
        {"sep=;;;\na;b;c\n", "a|b|c"}, /* saved with the row filled up */
        {"\xEF\xBB\xBFsep=;\na;b\n", "a|b"},
        {"sep=long,b\n1,2\n", "sep=long|b/1|2"},
        {"\n;;\na;b,c;d\n", "a|b,c|d"},
        {"a,b\n1,2,,\n3,,\n4,5,,6\n",
         "a|b/1|2/3|/4|5||6"}, /* rows filled up, and one that is not */
        {"a;\"b;;;,,,,,,\"\n", "a|b;;;,,,,,,"},
        {" a ,\xC2\xA0"
         "34.2\xC2\xA0\n",
         "a|34.2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char cells[512];
        rp_csv_table t = parse(rows[i].text, strlen(rows[i].text));
        join(&t, cells);
        if (strcmp(cells, rows[i].cells) != 0) fail_msg("row %zu: %s", i, cells);
        assert_int_equal(t.fault_count, 0);
        rp_csv_release(&t);
    }
    rp_csv_table t = parse("sep=;\na;b\n1;2", 13);
    assert_int_equal(t.rows[1].line, 3); /* as the file counts */
    rp_csv_release(&t);
}

static void test_utf16(void **state)
{
    (void)state;
    static const uint16_t units[] = {'a', '\t', 0xE4, '\n', 0x30EA, '\t', 0xD83D, 0xDE00, '\n'};
    enum { COUNT = sizeof units / sizeof *units };
    for (int kind = 0; kind < 4; kind++) {
        uint8_t bytes[2 * COUNT + 2];
        const bool big = kind & 1, marked = kind & 2;
        size_t size = 0;
        if (marked) {
            bytes[size++] = big ? 0xFE : 0xFF;
            bytes[size++] = big ? 0xFF : 0xFE;
        }
        for (size_t i = 0; i < COUNT; i++) {
            bytes[size++] = (uint8_t)(big ? units[i] >> 8 : units[i]);
            bytes[size++] = (uint8_t)(big ? units[i] : units[i] >> 8);
        }
        char cells[512];
        rp_csv_table t = parse(bytes, size);
        join(&t, cells);
        assert_string_equal(cells, "a|\xC3\xA4/\xE3\x83\xAA|\xF0\x9F\x98\x80");
        assert_int_equal(t.fault_count, 0);
        rp_csv_release(&t);
    }
}

static void test_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *words;
    } rows[] = {
        {"a,b\nGr\xFC\xDF"
         "e,1\n",
         13, "Windows-1252"},
        {"PK\3\4 zipped", 11, "a spreadsheet"},
        {"\xD0\xCF\x11\xE0 old", 8, "a spreadsheet"},
        {"<html><table>", 13, "a page or XML"},
        {"\x1F\x8B\x08", 3, "compressed"},
        {"\xFF\xFE\x00\xD8\n\0", 6, "not UTF-8"}, /* half a pair */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_csv_table t = parse(rows[i].text, rows[i].size);
        assert_true(t.fault_count >= 1);
        if (!strstr(t.faults[0].text, rows[i].words)) fail_msg("%zu: %s", i, t.faults[0].text);
        rp_csv_release(&t);
    }
    rp_csv_table t = parse("a,b\nGr\xFC,1\n", 11);
    assert_int_equal(t.faults[0].line, 2);
    rp_csv_release(&t);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *cells;
    } rows[] = {
        {"id;x\n1,5;34,2\n", "id|x/1,5|34.2"}, /* of the columns that are asked for */
        {"id;x\n1;1,234\n", "id|x/1|1.234"},
        {"id;x\n1;\"34,2;1,5\"\n", "id|x/1|34.2;1.5"},
        {"id,x\n1,\"34,2\"\n2,\"1,234\"\n", "id|x/1|34.2/2|1.234"},
        {"id,x\n1,\"0,125\"\n", "id|x/1|0.125"},
        {"id\tx\n1\t-3,25\n", "id|x/1|-3.25"},
        {"id,x\n1,\"1,234\"\n", "id|x/1|1,234"},          /* may be a thousand */
        {"id;x\n1;34,2\n2;34.5\n", "id|x/1|34,2/2|34.5"}, /* two habits */
        {"id;x\n1;34,2\n2;1.234,5\n", "id|x/1|34,2/2|1.234,5"},
        {"id;x\n1;7\n2;\n", "id|x/1|7/2|"},
        {"id;x\n1;a,b\n", "id|x/1|a,b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char cells[512];
        const size_t place = 1;
        rp_csv_table t = parse(rows[i].text, strlen(rows[i].text));
        assert_null(rp_csv_numbers(&t, &place, 1));
        join(&t, cells);
        if (strcmp(cells, rows[i].cells) != 0) fail_msg("row %zu: %s", i, cells);
        rp_csv_release(&t);
    }
}

/* Where commas are decimals, points may stand between thousands. */
static void test_unclear_points(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool unclear;
    } rows[] = {{"id;x\n1;1.234\n", true},
                {"id\tx\n1\t999\n2\t1.234\n", true},
                {"id;x\n1;1.234\n2;1.5\n", false},
                {"id;x\n1;1234.567\n", false},
                {"id;x\n1;0.125\n", false},
                {"id,x\n1,1.234\n", false},
                {"id;x\n1;12\n", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t place = 1;
        rp_csv_table t = parse(rows[i].text, strlen(rows[i].text));
        if ((rp_csv_numbers(&t, &place, 1) != NULL) != rows[i].unclear) fail_msg("row %zu", i);
        rp_csv_release(&t);
    }
}

static void test_number_faults(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"34,2", "a decimal comma"},
        {"1,234", "between thousands"},
        {"1.234,5", "between thousands"},
        {"1,234.5", "between thousands"},
        {"1 234", "between thousands"},
        {"1'234.5", "between thousands"},
        {"1\xC2\xA0"
         "234",
         "between thousands"},
        {"34.2 mm", "without unit"},
        {"#VALUE!", "the spreadsheet"},
        {"<5", "a limit"},
        {"large", "is no number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strstr(rp_csv_number_fault(rows[i][0]), rows[i][1]))
            fail_msg("'%s' %s", rows[i][0], rp_csv_number_fault(rows[i][0]));
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text, *cells;
    } rows[] = {
        {"d\n2020.04.06\n2020-4-7\n", "d/2020-04-06/2020-04-07"},
        {"d\n06.04.2020\n27.04.2020\n", "d/2020-04-06/2020-04-27"}, /* the second tells */
        {"d\n06.04.2020\n07.05.2020\n", "d/06.04.2020/07.05.2020"},
        {"d\n06/04/2020\n04/27/2020\n", "d/2020-06-04/2020-04-27"},
        {"d\n06/04/2020\n04/27/2020\n27/04/2020\n", "d/06/04/2020/2020-04-27/2020-04-27"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char cells[512];
        rp_error err = {0};
        rp_csv_table t = parse(rows[i].text, strlen(rows[i].text));
        assert_ok(rp_csv_dates(&t, 0, &err), err);
        join(&t, cells);
        if (strcmp(cells, rows[i].cells) != 0) fail_msg("row %zu: %s", i, cells);
        rp_csv_release(&t);
    }
}

/* Cells that a spreadsheet would execute, numbers that it must not lose, and both read back. */
static void test_formulas(void **state)
{
    (void)state;
    static const char *const cells[][2] = {
        {"=HYPERLINK(0)", "'=HYPERLINK(0)"},
        {"@SUM(1)", "'@SUM(1)"},
        {"+49 170", "'+49 170"},
        {"-cmd", "'-cmd"},
        {"-", "'-"},
        {"\t=1", "\"'\t=1\""},
        {"\r=1", "\"'\r=1\""},
        {"'=1", "''=1"},
        {"''=1", "'''=1"},
        {"'quoted'", "'quoted'"},
        {"=1,2", "\"'=1,2\""},
        {"=\"a\"", "\"'=\"\"a\"\"\""},
        {"-12.5", "-12.5"},
        {"+3", "+3"},
        {"-1e-3", "-1e-3"},
        {"a=b", "a=b"},
        {"", ""},
        {"-1-2", "'-1-2"},
        {"-inf", "'-inf"},
        {"\xEF\xBC\x9D"
         "1",
         "'\xEF\xBC\x9D"
         "1"},
        {"\n=1", "\"'\n=1\""},
    };
    char *folder = make_folder();
    RP_AUTOFREE char *path = rp_path_join(folder, "t.csv");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        rp_outfile *out = NULL;
        rp_error err = {0};
        uint8_t *text = NULL;
        size_t size = 0;
        char expected[64];
        assert_ok(rp_outfile_create(path, &out, &err), err);
        assert_ok(rp_csv_write_cell(out, "id", ",", &err), err);
        assert_ok(rp_csv_write_cell(out, cells[i][0], "\n", &err), err);
        assert_ok(rp_outfile_commit(out, &err), err);
        rp_outfile_destroy(out);
        assert_ok(rp_file_read(path, &text, &size, &err), err);
        snprintf(expected, sizeof expected, "id,%s\n", cells[i][1]);
        if (strcmp((char *)text, expected) != 0) fail_msg("%s: %s", cells[i][0], (char *)text);
        rp_csv_table t = parse(text, size);
        assert_string_equal(t.rows[0].cells[1], cells[i][0]);
        rp_csv_release(&t);
        rp_free(text);
    }
    remove_folder(folder);
}

/* What looks like a separator, a blank or a quote within a header comes back as it was. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const cells[] = {
        "a|b|c|d",           "e;f;g;h", "i\tj\tk\tl", "\"m\" n\"", " o ",
        "\xC2\xA0p\xC2\xA0", "q\r\nr",  "",           "=s;t|u",    "'v"};
    enum { COUNT = sizeof cells / sizeof *cells };
    char *folder = make_folder();
    RP_AUTOFREE char *path = rp_path_join(folder, "t.csv");
    rp_outfile *out = NULL;
    rp_error err = {0};
    uint8_t *text = NULL;
    size_t size = 0;
    assert_ok(rp_outfile_create(path, &out, &err), err);
    for (size_t i = 0; i < COUNT; i++)
        assert_ok(rp_csv_write_cell(out, cells[i], i + 1 < COUNT ? "," : "\n", &err), err);
    assert_ok(rp_outfile_commit(out, &err), err);
    rp_outfile_destroy(out);
    assert_ok(rp_file_read(path, &text, &size, &err), err);
    rp_csv_table t = parse(text, size);
    assert_int_equal(t.fault_count, 0);
    assert_int_equal(t.rows[0].count, COUNT);
    for (size_t i = 0; i < COUNT; i++) assert_string_equal(t.rows[0].cells[i], cells[i]);
    rp_csv_release(&t);
    rp_free(text);
    remove_folder(folder);
}

/* Whatever allocation fails, nothing leaks. */
static void test_short_memory(void **state)
{
    (void)state;
    static const char text[] = "\xFF\xFE"
                               "d\0\n\0"
                               "2\0"
                               "7\0.\0"
                               "1\0.\0"
                               "2\0"
                               "0\0"
                               "2\0"
                               "0\0";
    rp_error err = {0};
    rp_status status = RP_ERR_MEMORY;
    for (long n = 1; status; n++) {
        rp_csv_table t = {0};
        rp_test_fail_allocation(n);
        status = rp_csv_parse((const uint8_t *)text, sizeof text - 1, &t, &err);
        if (!status) status = rp_csv_dates(&t, 0, &err);
        rp_test_fail_allocation(0);
        rp_csv_release(&t);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_separators),     cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_other_files),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_unclear_points), cmocka_unit_test(test_number_faults),
        cmocka_unit_test(test_dates),          cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
