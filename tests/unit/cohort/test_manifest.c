/* Manifests: what is read, every kind of problem told in one go, and what is written. */
#include "test.h"

#include "reprise/cohort.h"

/* A folder with files a.nii to h.nii and m.nii, and a manifest with the text. */
typedef struct place {
    char *folder, *path;
    rp_cohort cohort;
    rp_cohort_problems problems;
    rp_error err;
} place;

static void put(const char *folder, const char *name, const void *data, size_t size)
{
    rp_error err = {0};
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    assert_ok(rp_file_write(path, data, size, &err), err);
}

static void open_place(place *p)
{
    static const char names[] = "abcdefgh";
    *p = (place){.folder = make_folder()};
    p->path = rp_path_join(p->folder, "cohort.csv");
    for (size_t i = 0; names[i]; i++) {
        char name[] = "x.nii", mask[] = "mx.nii";
        name[0] = mask[1] = names[i];
        put(p->folder, name, names, i + 1); /* of different lengths, hence no copies */
        put(p->folder, mask, "mask", 4);
    }
}

static rp_status read_text(place *p, const char *text, size_t size)
{
    rp_cohort_release(&p->cohort);
    rp_cohort_problems_release(&p->problems);
    put(p->folder, "cohort.csv", text, size);
    return rp_cohort_read(p->path, &p->cohort, &p->problems, &p->err);
}

static void close_place(place *p)
{
    rp_cohort_release(&p->cohort);
    rp_cohort_problems_release(&p->problems);
    rp_free(p->path);
    remove_folder(p->folder);
}

static void print_problems(const rp_cohort_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        print_message("  %zu %s: %s%s\n", problems->items[i].row, problems->items[i].column,
                      problems->items[i].warning ? "warning: " : "", problems->items[i].text);
}

typedef struct expected {
    size_t row;
    const char *column, *part; /* of the text; NULL ends a list */
    bool warning;
} expected;

/* Exactly these, in the order of rows. */
static void expect(const place *p, const expected *wanted)
{
    size_t count = 0, errors = 0;
    while (wanted[count].part) errors += !wanted[count++].warning;
    if (p->problems.count != count) {
        print_problems(&p->problems);
        fail_msg("%zu problems, not %zu", p->problems.count, count);
    }
    for (size_t i = 0; i < count; i++) {
        const rp_cohort_problem *found = &p->problems.items[i];
        if (found->row != wanted[i].row || strcmp(found->column, wanted[i].column) != 0 ||
            !strstr(found->text, wanted[i].part) || found->warning != wanted[i].warning) {
            print_problems(&p->problems);
            fail_msg("problem %zu should be in row %zu, column '%s', with '%s'", i, wanted[i].row,
                     wanted[i].column, wanted[i].part);
        }
    }
    assert_int_equal(p->problems.errors, errors);
    assert_int_equal(p->cohort.patient_count == 0, errors > 0);
}

static void check(const char *text, rp_status status, const expected *wanted)
{
    place p;
    open_place(&p);
    const rp_status got = read_text(&p, text, strlen(text));
    if (got != status) {
        print_problems(&p.problems);
        fail_msg("%s: %s, wanted %s", rp_status_text(got), p.err.message, rp_status_text(status));
    }
    expect(&p, wanted);
    close_place(&p);
}

#define HEAD "patient,visit,date,image,contour,roi,split,recist_evaluable,label,age\n"
#define PROBLEMS(...)                                                                              \
    (const expected[])                                                                             \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define NO_PROBLEM                                                                                 \
    (const expected[])                                                                             \
    {                                                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* ---- reading ----------------------------------------------------------------------------- */

static void check_good(place *p, const char *text)
{
    assert_ok(read_text(p, text, strlen(text)), p->err);
    assert_int_equal(p->problems.count, 0);
    assert_int_equal(p->cohort.patient_count, 2);
    const rp_cohort_patient *first = &p->cohort.patients[0], *second = &p->cohort.patients[1];
    assert_string_equal(first->id, "P, \"one\"");
    assert_string_equal(second->id, "P2");
    assert_string_equal(first->split, "training");
    assert_string_equal(second->split, "validation");
    assert_int_equal(first->recist_evaluable, RP_EVALUABLE_YES);
    assert_int_equal(second->recist_evaluable, RP_EVALUABLE_UNKNOWN);
    assert_int_equal(first->visit_count, 2);
    const rp_cohort_visit *v = first->visits; /* the follow-up comes first in the text */
    assert_int_equal(v[0].kind, RP_VISIT_BASELINE);
    assert_int_equal(v[0].row, 4);
    assert_int_equal(v[1].row, 2);
    assert_string_equal(v[0].date, "2024-02-29");
    RP_AUTOFREE char *image = rp_path_join(p->folder, "a.nii");
    assert_string_equal(v[0].image, image);
    assert_string_equal(v[0].roi, "GTV");
    assert_string_equal(v[0].label, "");
    assert_int_equal(p->cohort.clinical_count, 2);
    assert_string_equal(p->cohort.clinical_columns[0], "age");
    assert_string_equal(p->cohort.clinical_columns[1], "note");
    assert_string_equal(v[0].clinical[0], "64");
    assert_string_equal(v[0].clinical[1], "");
    assert_string_equal(v[1].clinical[1], "two\nlines");
    assert_string_equal(second->visits[0].clinical[1], " kept ");
}

/* Row numbers count lines of the file: a line break within a cell counts. */
#define COMMAS                                                                                     \
    "Patient,VISIT,age,image,contour,roi,date,split,recist_evaluable,note\n"                       \
    "\"P, \"\"one\"\"\",followup,65,b.nii,mb.nii,GTV,2024-05-01,train,,\"two\nlines\"\n"           \
    "\"P, \"\"one\"\"\",baseline,64,a.nii,ma.nii,GTV,2024-02-29,,yes,\n"                           \
    "\n,,,,,,,,,\n"                                                                                \
    "  P2 ,baseline,70,\"c.nii\" ,mc.nii,,,val,,\" kept \"\n"

static void replace(char *text, char from, char to)
{
    bool quoted = false;
    for (; *text; text++) {
        if (*text == '"') quoted = !quoted;
        if (!quoted && *text == from) *text = to;
    }
}

static void test_reads(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    check_good(&p, COMMAS);
    check_good(&p, "\xEF\xBB\xBF" COMMAS);
    char semicolons[] = COMMAS, carriage[2 * sizeof COMMAS] = "";
    replace(semicolons, ',', ';');
    check_good(&p, semicolons);
    size_t length = 0;
    bool quoted = false;
    for (const char *c = COMMAS; *c; c++) {
        if (*c == '"') quoted = !quoted;
        if (*c == '\n' && !quoted) carriage[length++] = '\r';
        carriage[length++] = *c;
    }
    check_good(&p, carriage);
    char cut[] = COMMAS; /* no line break at the end */
    cut[strlen(cut) - 1] = '\0';
    check_good(&p, cut);
    close_place(&p);
}

static void test_absolute_paths_stay(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    RP_AUTOFREE char *text = rp_format(
        "patient,visit,image,contour\nP,baseline,%s/a.nii,%s/ma.nii\n", p.folder, p.folder);
    assert_ok(read_text(&p, text, strlen(text)), p.err);
    RP_AUTOFREE char *image = rp_path_join(p.folder, "a.nii");
    assert_string_equal(p.cohort.patients[0].visits[0].image, image);
    close_place(&p);
}

/* ---- problems ---------------------------------------------------------------------------- */

static void test_header(void **state)
{
    (void)state;
    check("", RP_ERR_FORMAT, PROBLEMS({0, "", "empty", false}));
    check("\n\n", RP_ERR_FORMAT, PROBLEMS({0, "", "empty", false}));
    check(HEAD, RP_ERR_FORMAT, PROBLEMS({0, "", "no rows", false}));
    check("visit,image\nbaseline,a.nii\n", RP_ERR_FORMAT,
          PROBLEMS({1, "contour", "missing", false}, {1, "patient", "missing", false}));
    check("patient,visit,image,contour,date,Date,x,x,\nP,baseline,a.nii,ma.nii,,,,,7\n",
          RP_ERR_FORMAT,
          PROBLEMS({1, "", "column 9 has cells but no name", false}, {1, "Date", "twice", false},
                   {1, "x", "twice", false}));
    check("patient,visit,image,contour,splt,recist evaluable,age,sex,afp,\n"
          "P,baseline,a.nii,ma.nii,,,,,,\n",
          RP_OK,
          PROBLEMS({1, "recist evaluable", "'recist_evaluable'", true},
                   {1, "splt", "'split'", true}));
}

static void test_text(void **state)
{
    (void)state;
    check("patient,visit,image,contour\nP\xFC,baseline,a.nii,ma.nii\n", RP_ERR_FORMAT,
          PROBLEMS({2, "", "UTF-8", false}));
    check("patient,visit,image,contour\nP,baseline,a.nii,\"ma.nii\nQ,baseline,b.nii,mb.nii\n",
          RP_ERR_FORMAT,
          PROBLEMS({2, "", "never closed", false}, {2, "contour", "does not exist", false}));
    check("patient,visit,image,contour\nP,baseline,\"a.nii\"x,ma.nii\nQ,visit,b.nii,mb.nii\n",
          RP_ERR_FORMAT,
          PROBLEMS({2, "", "behind a closing quote", false}, {3, "visit", "'visit'", false}));
    place p;
    open_place(&p);
    static const char zero[] = "patient,visit,image,contour\nP,base\0line,a.nii,ma.nii\n";
    assert_int_equal(read_text(&p, zero, sizeof zero - 1), RP_ERR_FORMAT);
    assert_int_equal(p.problems.items[0].row, 2);
    close_place(&p);
}

static void test_cells(void **state)
{
    (void)state;
    check(HEAD "P,baseline,2023-02-29,a.nii,ma.nii,,,,,\n"
               "Q,base,,b.nii,mb.nii,,,,,\n"
               "R,baseline,,,mc.nii,,,,,\n"
               "S,baseline,,d.nii,,GTV,,,,\n"
               "T,baseline,,e.nii,me.nii,,holdout,perhaps,made,young\n"
               "U,baseline,,f.nii,mf.nii\n"
               ",baseline,,g.nii,mg.nii,,,,,\n"
               "a/b,baseline,,h.nii,mh.nii,,,,,\n",
          RP_ERR_FORMAT,
          PROBLEMS({2, "date", "no date", false}, {3, "visit", "'base'", false},
                   {4, "image", "no image", false}, {5, "contour", "no contour", true},
                   {5, "roi", "no contour", true}, {6, "age", "no number", true},
                   {6, "label", "'made'", false}, {6, "recist_evaluable", "'perhaps'", false},
                   {6, "split", "'holdout'", false}, {7, "", "5 cells", false},
                   {8, "patient", "no patient", false}, {9, "patient", "slash", false}));
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *date;
        bool valid;
    } cases[] = {{"2024-02-29", true},  {"2023-02-29", false}, {"2000-02-29", true},
                 {"1900-02-29", false}, {"2024-12-31", true},  {"2024-13-01", false},
                 {"2024-00-10", false}, {"2024-04-31", false}, {"2024-4-01", true},
                 {"20240401", true},    {"01.04.2024", false}, {"2024-04-00", false},
                 {"27.04.2024", true},  {"2024.04.01", true},  {"27.04.24", false},
                 {"2024-04-01x", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p;
        open_place(&p);
        RP_AUTOFREE char *text = rp_format(
            "patient,visit,image,contour,date\nP,baseline,a.nii,ma.nii,%s\n", cases[i].date);
        if ((read_text(&p, text, strlen(text)) == RP_OK) != cases[i].valid)
            fail_msg("%s should be %s", cases[i].date, cases[i].valid ? "a date" : "none");
        close_place(&p);
    }
}

static void test_visits(void **state)
{
    (void)state;
    check(HEAD "P,followup,2024-05-01,a.nii,ma.nii,,,,,\n"
               "Q,baseline,2024-05-01,b.nii,mb.nii,,,,,\n"
               "Q,followup,2024-04-01,c.nii,mc.nii,,,,,\n"
               "R,baseline,2024-05-01,d.nii,md.nii,,,,,\n"
               "R,baseline,2024-06-01,e.nii,me.nii,,,,,\n"
               "R,followup,2024-07-01,f.nii,mf.nii,,,,,\n"
               "R,followup,2024-07-01,g.nii,mg.nii,,,,,\n"
               "q,baseline,,h.nii,mh.nii,,,,,\n",
          RP_ERR_FORMAT,
          PROBLEMS({2, "visit", "without baseline", false},
                   {4, "date", "before the baseline in row 3", false},
                   {6, "visit", "second baseline; the first is row 5", false},
                   {8, "visit", "same visit as row 7", false},
                   {9, "patient", "row 3 in capitals", true}));
    check(HEAD "P,baseline,2024-05-01,a.nii,ma.nii,,,,,\n"
               "P,followup,2024-05-01,b.nii,mb.nii,,,,,\n"
               "Q,baseline,,c.nii,mc.nii,,,,,\n"
               "Q,followup,2024-04-01,d.nii,md.nii,,,,,\n",
          RP_OK, PROBLEMS({3, "date", "day of the baseline in row 2", true}));
    check(HEAD "P,baseline,2024-05-01,a.nii,ma.nii,,,,,\n"
               "P,followup,2024-06-01,b.nii,mb.nii,,,,,\n"
               "P,followup,,c.nii,mc.nii,,,,,\n",
          RP_ERR_FORMAT, PROBLEMS({4, "date", "several followups", false}));
    /* A row that cannot be read leaves no second complaint behind. */
    check(HEAD "P,baselin,,a.nii,ma.nii,,,,,\nP,followup,,b.nii,mb.nii,,,,,\n", RP_ERR_FORMAT,
          PROBLEMS({2, "visit", "'baselin'", false}));
    check(HEAD "P,baseline\nP,followup,,b.nii,mb.nii,,,,,\n", RP_ERR_FORMAT,
          PROBLEMS({2, "", "2 cells", false}));
}

static void test_patients(void **state)
{
    (void)state;
    check(HEAD "P,baseline,,a.nii,ma.nii,,training,yes,,\n"
               "P,followup,,b.nii,mb.nii,,validation,no,,\n"
               "Q,baseline,,c.nii,mc.nii,,,,,\n"
               "Q,followup,,d.nii,md.nii,,test,,,\n"
               "R,baseline,,e.nii,me.nii,,,,,\n",
          RP_ERR_FORMAT,
          PROBLEMS(
              {0, "split", "1 of 3 patients are in no split", true},
              {3, "recist_evaluable", "row 2", false},
              {3, "split", "'validation', but row 2 of the same patient says 'training'", false}));
    check(HEAD "P,baseline,,a.nii,ma.nii,,training,,,\nQ,baseline,,b.nii,mb.nii,,1,,,\n",
          RP_ERR_FORMAT, PROBLEMS({0, "split", "numbered folds", false}));
    check(HEAD "P,baseline,,a.nii,ma.nii,,2,,,\nQ,baseline,,b.nii,mb.nii,,12,,,\n"
               "R,baseline,,c.nii,mc.nii,,test,,,\n",
          RP_OK, NO_PROBLEM);
}

static void test_files(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    RP_AUTOFREE char *link = rp_path_join(p.folder, "link.nii");
    RP_AUTOFREE char *target = rp_path_join(p.folder, "a.nii");
    RP_AUTOFREE char *below = rp_path_join(p.folder, "series");
    assert_int_equal(symlink(target, link), 0);
    assert_ok(rp_directory_create(below, &p.err), p.err);
    put(p.folder, "copy.nii", "abcdefgh", 2); /* the content of b.nii */
    static const char text[] = HEAD "P,baseline,,a.nii,ma.nii,,training,,,\n"
                                    "P,followup,,./../missing,series,,,,,\n"
                                    "Q,baseline,,link.nii,ma.nii,,validation,,,\n"
                                    "R,baseline,,b.nii,mb.nii:GTV,,training,,,\n"
                                    "S,baseline,,copy.nii,md.nii,,validation,,,\n"
                                    "T,baseline,,mc.nii,mc.nii,,training,,,\n";
    assert_int_equal(read_text(&p, text, sizeof text - 1), RP_ERR_FORMAT);
    expect(
        &p,
        PROBLEMS({3, "contour", "a folder", false}, {3, "image", "does not exist", false},
                 {4, "contour", "same file as in row 2, of another patient in another", false},
                 {4, "image", "same file as in row 2, of another patient in another", false},
                 {5, "contour", "belongs in the column roi", false},
                 {6, "image", "a copy of the image in row 5, of another patient in another", false},
                 {7, "contour", "a file also used in row 7", false}));
    close_place(&p);
}

/* One folder may hold several series, one mask several lesions. */
static void test_parts_of_one_file(void **state)
{
    (void)state;
    check("patient,visit,image,series,contour,roi\n"
          "P,baseline,.,1.2.3,ma.nii,1\nQ,baseline,.,1.2.4,ma.nii,2\n",
          RP_OK, NO_PROBLEM);
    check("patient,visit,image,series,contour,roi\n"
          "P,baseline,.,1.2.3,ma.nii,1\nQ,baseline,.,1.2.3,ma.nii,1\n",
          RP_ERR_FORMAT, PROBLEMS({3, "contour", "row 2", false}, {3, "image", "row 2", false}));
}

/* A terminal must not obey what stands in a cell. */
static void test_texts_are_printable(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    static const char text[] = "patient,visit,image,contour\nP,\"\x1b[2J\nx\",a.nii,ma.nii\n";
    assert_int_equal(read_text(&p, text, sizeof text - 1), RP_ERR_FORMAT);
    assert_null(strpbrk(p.problems.items[0].text, "\x1b\n"));
    assert_non_null(strstr(p.err.message, p.path));
    close_place(&p);
}

static void test_missing_file(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    assert_int_equal(rp_cohort_read("/nowhere/c.csv", &p.cohort, &p.problems, &p.err), RP_ERR_IO);
    assert_non_null(strstr(p.err.message, "/nowhere/c.csv"));
    assert_int_equal(p.problems.count, 0);
    close_place(&p);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void assert_same(const rp_cohort *a, const rp_cohort *b)
{
    assert_int_equal(a->patient_count, b->patient_count);
    assert_int_equal(a->clinical_count, b->clinical_count);
    for (size_t i = 0; i < a->patient_count; i++) {
        const rp_cohort_patient *p = &a->patients[i], *q = &b->patients[i];
        assert_string_equal(p->id, q->id);
        assert_string_equal(p->split, q->split);
        assert_int_equal(p->recist_evaluable, q->recist_evaluable);
        assert_int_equal(p->visit_count, q->visit_count);
        for (size_t k = 0; k < p->visit_count; k++) {
            const rp_cohort_visit *v = &p->visits[k], *w = &q->visits[k];
            assert_int_equal(v->kind, w->kind);
            assert_string_equal(v->date, w->date);
            assert_string_equal(v->roi, w->roi);
            assert_string_equal(v->series, w->series);
            assert_string_equal(v->label, w->label);
            for (size_t c = 0; c < a->clinical_count; c++)
                assert_string_equal(v->clinical[c], w->clinical[c]);
        }
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    static const char text[] =
        "patient,visit,date,image,series,contour,roi,split,recist_evaluable,label,sex,\"a;b\"\n"
        "\"P, 1\",baseline,2024-01-01,a.nii,1.2,ma.nii,\"GTV \"\"x\"\"\",1,yes,synthetic,F,\n"
        "\"P, 1\",followup,2024-02-01,b.nii,,mb.nii,,,,,F,\"two\nlines\"\n"
        "Q,baseline,,c.nii,,,,2,no,,,\" x\"\n";
    assert_ok(read_text(&p, text, sizeof text - 1), p.err);
    RP_AUTOFREE char *beside = rp_path_join(p.folder, "again.csv");
    RP_AUTOFREE char *folder = rp_path_join(p.folder, "elsewhere");
    RP_AUTOFREE char *away = rp_path_join(folder, "away.csv");
    assert_ok(rp_directory_create(folder, &p.err), p.err);
    const char *const paths[] = {beside, away};
    for (int i = 0; i < 2; i++) {
        rp_cohort again = {0};
        rp_cohort_problems problems = {0};
        uint8_t *written = NULL;
        size_t size;
        assert_ok(rp_cohort_write(paths[i], &p.cohort, &p.err), p.err);
        assert_ok(rp_cohort_read(paths[i], &again, &problems, &p.err), p.err);
        assert_same(&p.cohort, &again);
        assert_ok(rp_file_read(paths[i], &written, &size, &p.err), p.err);
        /* Relative where the manifest's folder holds the file, absolute elsewhere. */
        assert_int_equal(strstr((char *)written, p.folder) != NULL, i == 1);
        rp_free(written);
        rp_cohort_release(&again);
        rp_cohort_problems_release(&problems);
    }
    close_place(&p);
}

static void test_unused_columns_are_left_out(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    static const char text[] = "patient,visit,image,contour\nP,baseline,a.nii,ma.nii\n";
    assert_ok(read_text(&p, text, sizeof text - 1), p.err);
    assert_ok(rp_cohort_write(p.path, &p.cohort, &p.err), p.err);
    RP_AUTOFREE uint8_t *written = NULL;
    size_t size;
    assert_ok(rp_file_read(p.path, &written, &size, &p.err), p.err);
    assert_string_equal((char *)written, text);
    close_place(&p);
}

static void test_adding(void **state)
{
    (void)state;
    rp_cohort cohort = {0};
    rp_error err = {0};
    rp_cohort_patient *patient;
    char image[] = "x", *cells[] = {image};
    const rp_cohort_visit v = {.image = image, .clinical = cells};
    assert_ok(rp_cohort_add_column(&cohort, "sex", &err), err);
    assert_int_equal(rp_cohort_add_column(&cohort, "sex", &err), RP_ERR_ARGUMENT);
    for (int i = 0; i < 40; i++) {
        char id[8];
        snprintf(id, sizeof id, "P%d", i % 20);
        assert_ok(rp_cohort_add_visit(&cohort, id, &v, &patient, &err), err);
        assert_string_equal(patient->id, id);
        assert_int_equal(patient->visit_count, i < 20 ? 1 : 2);
    }
    assert_int_equal(cohort.patient_count, 20);
    assert_string_equal(cohort.patients[19].visits[1].clinical[0], "x");
    assert_string_equal(cohort.patients[19].visits[1].contour, "");
    assert_int_equal(rp_cohort_add_column(&cohort, "age", &err), RP_ERR_ARGUMENT);
    rp_cohort_release(&cohort);
}

/* ---- no memory, no space ----------------------------------------------------------------- */

static void test_short_memory(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    static const char text[] = HEAD "P,baseline,2024-05-01,a.nii,ma.nii,,training,yes,,\n"
                                    "P,followup,2024-04-01,b.nii,mb.nii,,,,,\n"
                                    "Q,baseline,,c.nii,mb.nii,,validation,,,x\n";
    put(p.folder, "cohort.csv", text, sizeof text - 1);
    rp_status status = RP_ERR_MEMORY;
    long n = 0;
    while (status == RP_ERR_MEMORY) {
        rp_test_fail_allocation(++n);
        status = rp_cohort_read(p.path, &p.cohort, &p.problems, &p.err);
        rp_test_fail_allocation(0);
        assert_int_equal(p.cohort.patient_count, 0);
        rp_cohort_problems_release(&p.problems);
    }
    assert_int_equal(status, RP_ERR_FORMAT);
    assert_true(n > 50);
    close_place(&p);
}

static void test_full_disk(void **state)
{
    (void)state;
    place p;
    open_place(&p);
    assert_ok(read_text(&p, COMMAS, strlen(COMMAS)), p.err);
    RP_AUTOFREE char *path = rp_path_join(p.folder, "out.csv");
    rp_status status = RP_ERR_IO;
    for (long n = 1; status; n++) {
        rp_test_fail_write(n);
        status = rp_cohort_write(path, &p.cohort, &p.err);
        rp_test_fail_write(0);
        assert_int_equal(rp_path_exists(path), status == RP_OK);
        assert_true(n < 1000);
    }
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_absolute_paths_stay),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_visits),
        cmocka_unit_test(test_patients),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_parts_of_one_file),
        cmocka_unit_test(test_texts_are_printable),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_unused_columns_are_left_out),
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_short_memory),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
