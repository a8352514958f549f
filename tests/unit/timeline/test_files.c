/* Timelines in files: JSON and CSV say the same, what is written is read again, faults of form are
 * all told. */
#include "reprise/timeline.h"
#include "test.h"

#include <math.h>

typedef struct fixture {
    char *folder, *path;
    rp_timelines timelines;
    rp_timeline_problems problems;
    rp_error err;
} fixture;

static void set_up(fixture *f, const char *text)
{
    *f = (fixture){.folder = make_folder()};
    f->path = rp_path_join(f->folder, "timelines");
    assert_ok(rp_file_write(f->path, text, strlen(text), &f->err), f->err);
}

static rp_status read_again(fixture *f)
{
    rp_timelines_release(&f->timelines);
    rp_timeline_problems_release(&f->problems);
    return rp_timelines_read(f->path, &f->timelines, &f->problems, &f->err);
}

static void tear_down(fixture *f)
{
    rp_timelines_release(&f->timelines);
    rp_timeline_problems_release(&f->problems);
    rp_free(f->path);
    remove_folder(f->folder);
}

static const char json[] =
    "{\"format\": \"reprise.timeline/1\", \"patient\": \"P1\", \"label\": \"synthetic\",\n"
    " \"lesions\": [{\"id\": \"T1\", \"organ\": \"liver\", \"side\": \"left\", \"nodal\": false,"
    " \"role\": \"target\", \"description\": \"dome\"},\n"
    "  {\"id\": \"T2\", \"organ\": \"neck\", \"nodal\": true, \"role\": \"target\"},"
    " {\"id\": \"N\", \"nodal\": false, \"role\": \"new\"}],\n"
    " \"visits\": [{\"id\": \"v0\", \"date\": \"2020-01-06\", \"slice_spacing_mm\": 2.5, \"phase\":"
    " \"arterial\", \"findings\": [\n"
    "  {\"lesion\": \"T1\", \"state\": \"measured\", \"longest_mm\": 34.2, \"short_axis_mm\": 20,"
    " \"viable_mm\": 12.0, \"volume_cc\": 14.1},\n"
    "  {\"lesion\": \"T2\", \"state\": \"measured\", \"short_axis_mm\": 18}]},\n"
    " {\"id\": \"v1\", \"date\": \"2020-03-02\", \"findings\": [\n"
    "  {\"lesion\": \"T1\", \"state\": \"split\", \"parts_mm\": [12.0, 9.5], \"parts_viable_mm\":"
    " [0, 3]},\n"
    "  {\"lesion\": \"T2\", \"state\": \"merged\", \"into\": \"T1\"},"
    " {\"lesion\": \"N\", \"state\": \"equivocal\"}]},\n"
    " {\"id\": \"v2\", \"date\": \"2020-04-27\", \"findings\": []}]}\n";

static const char csv[] =
    "patient,visit,date,lesion,organ,side,nodal,role,description,state,longest_mm,short_axis_mm,"
    "viable_mm,volume_cc,parts_mm,parts_viable_mm,into,slice_spacing_mm,phase,label\n"
    "P1,v0,2020-01-06,T1,liver,left,no,target,dome,measured,34.2,20,12,14.1,,,,2.5,arterial,\n"
    "P2,base,2020-01-07,T1,liver,,0,target,,measured,50,,,,,,,,,\n"
    "P1,v0,2020-01-06,T2,neck,,YES,target,,measured,,18,,,,,,2.5,arterial,synthetic\n"
    "P1,v1,2020-03-02,T1,,,,,,split,,,,,12.0;9.5,0; 3,,,,\n"
    "P1,v1,,T2,,,,,,merged,,,,,,,T1,,,\n"
    "P1,v1,,N,,,false,new,,equivocal,,,,,,,,,,\n"
    "P1,v2,2020-04-27,,,,,,,,,,,,,,,,,\n";

static char *text_of(const rp_timeline *t)
{
    rp_json *tree = rp_timeline_json(t);
    char *text = rp_json_compact_text(tree);
    rp_json_destroy(tree);
    assert_non_null(text);
    return text;
}

static void test_json(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, json);
    assert_ok(read_again(&f), f.err);
    assert_int_equal(f.timelines.count, 1);
    assert_int_equal(f.problems.count, 0);
    const rp_timeline *t = &f.timelines.items[0];
    assert_string_equal(t->patient, "P1");
    assert_string_equal(t->label, "synthetic");
    assert_int_equal(t->lesion_count, 3);
    assert_string_equal(t->lesions[0].description, "dome");
    assert_true(t->lesions[1].nodal && t->lesions[2].role == RP_ROLE_NEW);
    assert_close(t->visits[0].slice_spacing_mm, 2.5, 0);
    assert_true(isnan(t->visits[1].slice_spacing_mm));
    const rp_timeline_finding *split = &t->visits[1].findings[0];
    assert_true(split->state == RP_FOUND_SPLIT && split->part_count == 2 &&
                isnan(split->volume_cc));
    assert_close(split->parts_mm[1], 9.5, 0);
    assert_string_equal(t->visits[1].findings[1].into, "T1");
    assert_int_equal(t->visits[2].finding_count, 0);
    /* Written and read again it is the same. */
    RP_AUTOFREE char *before = text_of(t);
    assert_ok(rp_timeline_write(f.path, t, &f.err), f.err);
    assert_ok(read_again(&f), f.err);
    RP_AUTOFREE char *after = text_of(&f.timelines.items[0]);
    assert_string_equal(before, after);
    tear_down(&f);
}

static void test_csv(void **state)
{
    (void)state;
    fixture f, g;
    set_up(&f, json);
    set_up(&g, csv);
    assert_ok(read_again(&f), f.err);
    assert_ok(read_again(&g), g.err);
    assert_int_equal(g.problems.count, 0);
    assert_int_equal(g.timelines.count, 2); /* in the order of their first rows */
    RP_AUTOFREE char *a = text_of(&f.timelines.items[0]);
    RP_AUTOFREE char *b = text_of(&g.timelines.items[0]);
    assert_string_equal(a, b);
    assert_string_equal(g.timelines.items[1].patient, "P2");
    tear_down(&f);
    tear_down(&g);
}

static void test_many(void **state)
{
    (void)state;
    fixture f;
    RP_AUTOFREE char *text = rp_format(
        "{\"note\": {\"timelines\": [1, {}]}, \"timelines\": [%s, %s , %s]}", json, json, json);
    set_up(&f, text);
    assert_ok(read_again(&f), f.err);
    assert_int_equal(f.timelines.count, 3);
    tear_down(&f);
}

/* Behind the mark that some programs set before UTF-8. */
static void test_mark(void **state)
{
    (void)state;
    RP_AUTOFREE char *one = rp_format("\xEF\xBB\xBF\n%s", json);
    RP_AUTOFREE char *many = rp_format("\xEF\xBB\xBF{\"timelines\": [%s]}", json);
    const char *const texts[] = {one, many};
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        set_up(&f, texts[i]);
        assert_ok(read_again(&f), f.err);
        assert_int_equal(f.problems.count, 0);
        assert_int_equal(f.timelines.count, 1);
        assert_string_equal(f.timelines.items[0].patient, "P1");
        tear_down(&f);
    }
    static const char wide[] = "\xFF\xFE{\0}";
    fixture f;
    set_up(&f, "");
    assert_ok(rp_file_write(f.path, wide, sizeof wide, &f.err), f.err);
    assert_int_equal(read_again(&f), RP_ERR_FORMAT);
    assert_non_null(strstr(f.err.message, "save it as UTF-8"));
    tear_down(&f);
}

/* ---- faults -------------------------------------------------------------------------------- */

static void expect(fixture *f, rp_severity severity, const char *words)
{
    for (size_t i = 0; i < f->problems.count; i++) {
        RP_AUTOFREE char *text = rp_timeline_problem_text(&f->problems.items[i]);
        if (f->problems.items[i].severity == severity && strstr(text, words)) return;
    }
    fail_msg("nothing says '%s' (%zu problems)", words, f->problems.count);
}

static void test_json_faults(void **state)
{
    (void)state;
    static const struct {
        const char *good, *bad, *words;
        rp_severity severity;
    } rows[] = {
        {"\"organ\": \"liver\"", "\"organ\": 5", "patient P1, lesion T1: 'organ' must be text",
         RP_SEVERITY_ERROR},
        {"\"nodal\": true", "\"nodal\": \"yes\"", "lesion T2: 'nodal' must be true or false",
         RP_SEVERITY_ERROR},
        {"34.2", "\"34.2\"", "visit v0, lesion T1: 'longest_mm' must be a number",
         RP_SEVERITY_ERROR},
        {"[12.0, 9.5]", "12.0", "'parts_mm' must be a list of numbers", RP_SEVERITY_ERROR},
        {"[12.0, 9.5]", "[12.0, \"9.5\"]", "'parts_mm' must be a list", RP_SEVERITY_ERROR},
        {"reprise.timeline/1", "reprise.timeline/9", "'format' must be", RP_SEVERITY_ERROR},
        {"\"findings\": []", "\"findings\": {}", "visit v2: 'findings' must be a list",
         RP_SEVERITY_ERROR},
        {"\"findings\": []", "\"findings\": [3]", "a finding must be an object", RP_SEVERITY_ERROR},
        {"\"visits\"", "\"tracking\": {}, \"proposals\": [{}, {}], \"visits\"",
         "2 proposals of the tracking are open", RP_SEVERITY_WARNING},
        {"\"viable_mm\"", "\"viable\"", "'viable' of a finding is not known", RP_SEVERITY_WARNING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        const char *place = strstr(json, rows[i].good);
        assert_non_null(place);
        RP_AUTOFREE char *text = rp_format("%.*s%s%s", (int)(place - json), json, rows[i].bad,
                                           place + strlen(rows[i].good));
        set_up(&f, text);
        assert_ok(read_again(&f), f.err);
        assert_int_equal(f.problems.count, 1);
        expect(&f, rows[i].severity, rows[i].words);
        tear_down(&f);
    }
}

static void test_no_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{\"timelines\": [\n{},\n{\"a\" 1}]}", "line 3"},
        {"{\"timelines\": [\n{},\n{}", "line 3: ',' or ']' expected"},
        {"{\"timelines\": [\n{} 7,\n{}]}", "line 2"},
        {"{\"timelines\": [\n{},\n]}", "line 3"},
        {"{\"timelines\": [{}]\n", "expected near end of file"},
        {"{\"timelines\": [{}],\n", "line 2"},
        {"{\"timelines\": [{}], \"timelines\": []}", "duplicate"},
        {"{\"timelines\": [{}]} x", "end of file expected"},
        {"{\"timelines\": []}", "holds no timeline"},
        {"{\"timelines\": [5]}", "'[' or '{' expected"},
        {"{\"patient\": \"\\", "line 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        set_up(&f, rows[i].text);
        assert_int_equal(read_again(&f), RP_ERR_FORMAT);
        if (!strstr(f.err.message, rows[i].words) || !strstr(f.err.message, f.path))
            fail_msg("%s: %s", rows[i].text, f.err.message);
        tear_down(&f);
    }
}

static void test_csv_faults(void **state)
{
    (void)state;
    static const struct {
        const char *good, *bad, *words;
        rp_severity severity;
    } rows[] = {
        {",role,", ",roll,", "column 'role' is missing", RP_SEVERITY_ERROR},
        {",side,", ",seite,", "column 'seite' is not known", RP_SEVERITY_WARNING},
        {",organ,", ",role,", "column 'role' is there twice", RP_SEVERITY_ERROR},
        {"34.2", "34mm", "row 2, longest_mm: '34mm' is no number", RP_SEVERITY_ERROR},
        {"34.2", "nan", "row 2, longest_mm: 'nan' is no number", RP_SEVERITY_ERROR},
        {"12.0;9.5", "12.0+9.5", "row 5, parts_mm: no numbers", RP_SEVERITY_ERROR},
        {"12.0;9.5", "12.0;;9.5", "row 5, parts_mm: no numbers", RP_SEVERITY_ERROR},
        {"YES", "maybe", "row 4, nodal: 'maybe' is neither yes nor no", RP_SEVERITY_ERROR},
        {"P1,v1,,T2", "P1,v1,2020-03-03,T2",
         "row 6, date: '2020-03-03', but row 5 says '2020-03-02'", RP_SEVERITY_ERROR},
        {"P1,v1,,T2,", "P1,v1,,,", "row 6: a state without a lesion", RP_SEVERITY_ERROR},
        {"v2,2020-04-27", "v2", "row 8: 19 cells, where the header has 20", RP_SEVERITY_ERROR},
        {"dome", "\"dome", "a quote is opened and never closed", RP_SEVERITY_ERROR},
        {"dome", "\xFF", "not UTF-8", RP_SEVERITY_ERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        const char *place = strstr(csv, rows[i].good);
        assert_non_null(place);
        RP_AUTOFREE char *text = rp_format("%.*s%s%s", (int)(place - csv), csv, rows[i].bad,
                                           place + strlen(rows[i].good));
        set_up(&f, text);
        assert_ok(read_again(&f), f.err);
        expect(&f, rows[i].severity, rows[i].words);
        tear_down(&f);
    }
}

/* Words that are not known come through to the check, which names them. */
static void test_words(void **state)
{
    (void)state;
    fixture f;
    RP_AUTOFREE char *text = rp_strdup(csv);
    memcpy(strstr(text, "merged"), "gemerg", 6);
    set_up(&f, text);
    assert_ok(read_again(&f), f.err);
    assert_int_equal(f.problems.count, 0);
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    assert_ok(rp_timeline_check(&f.timelines.items[0], &o, &f.problems, &f.err), f.err);
    expect(&f, RP_SEVERITY_ERROR, "patient P1, visit v1, lesion T2: unknown state 'gemerg'");
    tear_down(&f);
}

static void test_short_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {json, csv};
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        set_up(&f, texts[i]);
        rp_status status = RP_ERR_MEMORY;
        for (long n = 1; status; n++) {
            rp_timelines_release(&f.timelines);
            rp_timeline_problems_release(&f.problems);
            rp_test_fail_allocation(n);
            status = rp_timelines_read(f.path, &f.timelines, &f.problems, &f.err);
            rp_test_fail_allocation(0);
            if (status && status != RP_ERR_MEMORY && status != RP_ERR_IO)
                fail_msg("allocation %ld: %s", n, f.err.message);
            assert_true(n < 2000);
        }
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),         cmocka_unit_test(test_csv),
        cmocka_unit_test(test_many),         cmocka_unit_test(test_mark),
        cmocka_unit_test(test_json_faults),  cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_csv_faults),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
