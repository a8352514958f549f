/* Manifests in: columns, cells and rows, each with its complaints. */
#include "columns.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const column_names[COLUMN_COUNT] = {"patient",          "visit",   "date", "image",
                                                "series",           "contour", "roi",  "split",
                                                "recist_evaluable", "label"};

/* Which row said something of a patient first. */
typedef struct said {
    size_t split_row, evaluable_row;
} said;

enum { NONE = -1, NAMELESS = -2 }; /* beside the columns, which count from 0 */

typedef struct reader {
    rp_csv_table *table;
    char *folder;
    size_t width;
    int *meaning;               /* of each cell: a column, or NONE for a clinical one */
    size_t place[COLUMN_COUNT]; /* of each column */
    bool present[COLUMN_COUNT];
    rp_cohort *cohort;
    said *said; /* one for each patient */
    size_t said_count;
    id_list half_read;
    rp_cohort_problems *problems;
    rp_error *err;
} reader;

#define COMPLAIN(r, line, name, ...)                                                               \
    rp_cohort_problem_add((r)->problems, line, name, false, (r)->err, __VA_ARGS__)
#define WARN(r, line, name, ...)                                                                   \
    rp_cohort_problem_add((r)->problems, line, name, true, (r)->err, __VA_ARGS__)

/* ---- header ------------------------------------------------------------------------------ */

static int find_known(const char *name)
{
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (strcasecmp(name, column_names[c]) == 0) return c;
    return NONE;
}

/* A mistyped optional column would be lost among the clinical ones without a word. */
static rp_status warn_of_likeness(const reader *r, size_t line, const char *name)
{
    if (strcasecmp(name, "age") == 0) return RP_OK; /* not "date" */
    for (int c = 0; c < COLUMN_COUNT; c++) {
        const size_t allowed = strlen(column_names[c]) > 7 ? 3 : strlen(column_names[c]) > 3;
        if (rp_letters_apart(name, column_names[c]) <= allowed)
            return WARN(r, line, name, "taken as a clinical column; was '%s' meant?",
                        column_names[c]);
    }
    return RP_OK;
}

static bool is_used(const rp_csv_table *table, size_t place)
{
    for (size_t i = 1; i < table->count; i++)
        if (place < table->rows[i].count && table->rows[i].cells[place][0]) return true;
    return false;
}

static rp_status read_column(reader *r, const rp_csv_row *header, size_t place)
{
    const char *name = header->cells[place];
    const int known = find_known(name);
    r->meaning[place] = known;
    if (!name[0]) {
        r->meaning[place] = NAMELESS;
        return is_used(r->table, place)
                   ? COMPLAIN(r, header->line, "", "column %zu has cells but no name", place + 1)
                   : RP_OK;
    }
    if (known == NONE) {
        rp_status status = rp_cohort_add_column(r->cohort, name, r->err);
        if (status == RP_ERR_ARGUMENT) {
            r->meaning[place] = NAMELESS;
            return COMPLAIN(r, header->line, name, "this column is there twice");
        }
        return status ? status : warn_of_likeness(r, header->line, name);
    }
    if (r->present[known]) {
        r->meaning[place] = NAMELESS;
        return COMPLAIN(r, header->line, name, "this column is there twice");
    }
    r->present[known] = true;
    r->place[known] = place;
    return RP_OK;
}

static rp_status read_header(reader *r)
{
    static const known_column required[] = {COLUMN_PATIENT, COLUMN_VISIT, COLUMN_IMAGE,
                                            COLUMN_CONTOUR};
    if (r->table->count == 0) return COMPLAIN(r, 0, "", "the file is empty");
    const rp_csv_row *header = &r->table->rows[0];
    r->width = header->count;
    r->meaning = rp_alloc(r->width, sizeof *r->meaning);
    if (!r->meaning) return rp_fail(r->err, RP_ERR_MEMORY, "manifest: out of memory");
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < r->width; i++) status = read_column(r, header, i);
    for (size_t i = 0; !status && i < sizeof required / sizeof *required; i++)
        if (!r->present[required[i]])
            status = COMPLAIN(r, header->line, column_names[required[i]], "this column is missing");
    if (!status && r->table->count == 1) status = COMPLAIN(r, 0, "", "there are no rows");
    return status;
}

/* ---- cells ------------------------------------------------------------------------------- */

static const char *cell(const reader *r, const rp_csv_row *row, known_column c)
{
    return r->present[c] && r->place[c] < row->count ? row->cells[r->place[c]] : "";
}

/* Ids become names of files and folders. */
static const char *id_fault(const char *id)
{
    if (!id[0]) return "no patient";
    if (strlen(id) > 64) return "longer than 64 bytes";
    if (id[0] == '.') return "begins with a dot; it has to serve as a file's name";
    if (id[0] == '-') return "begins with a dash; it has to serve as a file's name";
    for (const char *c = id; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F || *c == '/' || *c == '\\')
            return "holds a slash or a control character; it has to serve as a file's name";
    return NULL;
}

static bool is_any(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}
#define IS_ANY(text, ...)                                                                          \
    is_any(text, (const char *const[]){__VA_ARGS__},                                               \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The one spelling of a split; NULL where it is none. */
static const char *split_name(const char *text)
{
    if (!text[0]) return "";
    if (IS_ANY(text, "training", "train")) return "training";
    if (IS_ANY(text, "validation", "val")) return "validation";
    if (IS_ANY(text, "test")) return "test";
    const size_t digits = strspn(text, "0123456789");
    return digits && digits <= 3 && !text[digits] && text[0] != '0' ? text : NULL;
}

static rp_status read_kind(const reader *r, const rp_csv_row *row, rp_cohort_visit *v, bool *fine)
{
    const char *text = cell(r, row, COLUMN_VISIT);
    if (IS_ANY(text, "followup", "follow-up"))
        v->kind = RP_VISIT_FOLLOWUP;
    else if (!IS_ANY(text, "baseline")) {
        *fine = false;
        return COMPLAIN(r, row->line, "visit", "'%.80s' is neither baseline nor followup", text);
    }
    return RP_OK;
}

static rp_status note_half_read(reader *r, const rp_csv_row *row)
{
    rp_status status =
        grow(&r->half_read.items, r->half_read.count, sizeof *r->half_read.items, r->err);
    if (!status) r->half_read.items[r->half_read.count++] = cell(r, row, COLUMN_PATIENT);
    return status;
}

static rp_status read_date(reader *r, const rp_csv_row *row, rp_cohort_visit *v)
{
    static char none[] = "";
    char hint[RP_DATE_HINT];
    int days;
    v->date = (char *)cell(r, row, COLUMN_DATE);
    if (!v->date[0] || rp_date_days(v->date, &days)) return RP_OK;
    rp_date_hint(v->date, hint);
    v->date = none;
    rp_status status = note_half_read(r, row);
    return status ? status
                  : COMPLAIN(r, row->line, "date", "no date of the form 2024-01-31%s", hint);
}

static rp_status check_cells(const reader *r, const rp_csv_row *row, const rp_cohort_visit *v)
{
    rp_status status = RP_OK;
    if (!status && v->label[0] && !IS_ANY(v->label, "synthetic", "simulated"))
        status =
            COMPLAIN(r, row->line, "label", "'%.80s' is neither synthetic nor simulated", v->label);
    if (!status && v->roi[0] && !cell(r, row, COLUMN_CONTOUR)[0])
        status = WARN(r, row->line, "roi", "names a structure, but the row has no contour");
    if (!status && r->present[COLUMN_IMAGE] && !v->image[0])
        status = COMPLAIN(r, row->line, "image", "no image");
    if (!status && r->present[COLUMN_CONTOUR] && !v->contour[0])
        status = WARN(r, row->line, "contour",
                      "no contour: nothing can be learnt from this visit or held against it");
    if (!status) status = check_exists(row->line, COLUMN_IMAGE, v->image, r->problems, r->err);
    if (!status) status = check_exists(row->line, COLUMN_CONTOUR, v->contour, r->problems, r->err);
    return status;
}

/* Absolute names stay; others lie in the manifest's folder. rp_alloc'd. */
static char *resolved(const reader *r, const char *path)
{
    if (!path[0] || path[0] == '/' || strcmp(r->folder, ".") == 0) return rp_strdup(path);
    return rp_path_join(r->folder, path);
}

/* ---- figures ----------------------------------------------------------------------------- */

/* Clinical columns that tables and curves are made of: docs/cohort.md. */
static bool is_figure(const char *name)
{
    return IS_ANY(name, "age", "afp", "pivka_ii", "followup_months", "event");
}

static rp_status check_clinical(const reader *r, const rp_csv_row *row, char **cells)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < r->cohort->clinical_count; i++) {
        const char *name = r->cohort->clinical_columns[i];
        if (!cells[i][0] || !is_figure(name)) continue;
        char *end;
        strtod(cells[i], &end);
        if (*end)
            status = WARN(r, row->line, name, "'%.40s' %s; the cell counts as missing", cells[i],
                          rp_csv_number_fault(cells[i]));
    }
    return status;
}

/* ---- rows -------------------------------------------------------------------------------- */

static rp_status note_split(reader *r, const rp_csv_row *row, rp_cohort_patient *p, said *s)
{
    const char *text = cell(r, row, COLUMN_SPLIT), *name = split_name(text);
    if (!name)
        return COMPLAIN(r, row->line, "split",
                        "'%.80s' is neither training, validation, test nor a fold's number", text);
    if (!name[0]) return RP_OK;
    if (!p->split[0]) {
        char *copy = rp_strdup(name);
        if (!copy) return rp_fail(r->err, RP_ERR_MEMORY, "manifest: out of memory");
        rp_free(p->split);
        p->split = copy;
        s->split_row = row->line;
    } else if (strcmp(p->split, name) != 0) {
        return COMPLAIN(r, row->line, "split",
                        "'%s', but row %zu of the same patient says '%s': a patient's visits are "
                        "never divided",
                        name, s->split_row, p->split);
    }
    return RP_OK;
}

static rp_status note_evaluable(reader *r, const rp_csv_row *row, rp_cohort_patient *p, said *s)
{
    const char *text = cell(r, row, COLUMN_EVALUABLE);
    if (!text[0]) return RP_OK;
    rp_recist_evaluable told = RP_EVALUABLE_UNKNOWN;
    if (IS_ANY(text, "yes", "true", "1")) told = RP_EVALUABLE_YES;
    if (IS_ANY(text, "no", "false", "0")) told = RP_EVALUABLE_NO;
    if (told == RP_EVALUABLE_UNKNOWN)
        return COMPLAIN(r, row->line, column_names[COLUMN_EVALUABLE],
                        "'%.80s' is neither yes nor no", text);
    if (p->recist_evaluable == RP_EVALUABLE_UNKNOWN) {
        p->recist_evaluable = told;
        s->evaluable_row = row->line;
    } else if (p->recist_evaluable != told) {
        return COMPLAIN(r, row->line, column_names[COLUMN_EVALUABLE],
                        "differs from row %zu of the same patient", s->evaluable_row);
    }
    return RP_OK;
}

static rp_status add_row(reader *r, const rp_csv_row *row, const rp_cohort_visit *visit)
{
    rp_cohort_patient *p = NULL;
    rp_status status =
        rp_cohort_add_visit(r->cohort, cell(r, row, COLUMN_PATIENT), visit, &p, r->err);
    if (status) return status;
    if (r->cohort->patient_count > r->said_count) {
        status = grow(&r->said, r->said_count, sizeof *r->said, r->err);
        if (status) return status;
        r->said[r->said_count++] = (said){0};
    }
    said *s = &r->said[p - r->cohort->patients];
    status = note_split(r, row, p, s);
    return status ? status : note_evaluable(r, row, p, s);
}

/* The cells that are clinical, in the cohort's order; borrowed. */
static char **clinical_cells(const reader *r, const rp_csv_row *row)
{
    char **cells = rp_alloc(r->cohort->clinical_count, sizeof *cells);
    size_t count = 0;
    for (size_t i = 0; cells && i < r->width; i++)
        if (r->meaning[i] == NONE) cells[count++] = row->cells[i];
    return cells;
}

/* What can be told of a row whose cells are where they should be. A row without patient or visit
 * stays out of the cohort, for every check between rows would stumble over it. */
static rp_status read_cells(reader *r, const rp_csv_row *row, rp_cohort_visit *v)
{
    bool fine = r->present[COLUMN_PATIENT] && r->present[COLUMN_VISIT];
    const char *fault = id_fault(cell(r, row, COLUMN_PATIENT));
    rp_status status = RP_OK;
    v->roi = (char *)cell(r, row, COLUMN_ROI);
    v->series = (char *)cell(r, row, COLUMN_SERIES);
    v->label = (char *)cell(r, row, COLUMN_LABEL);
    if (r->present[COLUMN_PATIENT] && fault) {
        fine = false;
        status = COMPLAIN(r, row->line, "patient", "%s", fault);
    }
    if (!status && r->present[COLUMN_VISIT]) status = read_kind(r, row, v, &fine);
    if (!status) status = read_date(r, row, v);
    if (!status) status = check_cells(r, row, v);
    if (!status) status = check_clinical(r, row, v->clinical);
    if (status) return status;
    return fine ? add_row(r, row, v) : note_half_read(r, row);
}

static rp_status read_row(reader *r, const rp_csv_row *row)
{
    if (row->count != r->width) {
        rp_status status = note_half_read(r, row);
        return status ? status
                      : COMPLAIN(r, row->line, "", "%zu cells, where the header has %zu%s",
                                 row->count, r->width, rp_csv_width_fault(r->table, row));
    }
    RP_AUTOFREE char **cells = clinical_cells(r, row);
    RP_AUTOFREE char *image = resolved(r, cell(r, row, COLUMN_IMAGE));
    RP_AUTOFREE char *contour = resolved(r, cell(r, row, COLUMN_CONTOUR));
    if (!cells || !image || !contour)
        return rp_fail(r->err, RP_ERR_MEMORY, "manifest: out of memory");
    rp_cohort_visit v = {.row = row->line, .image = image, .contour = contour, .clinical = cells};
    return read_cells(r, row, &v);
}

/* ---- the whole --------------------------------------------------------------------------- */

static int compare_problems(const void *a, const void *b)
{
    const rp_cohort_problem *p = a, *q = b;
    if (p->row != q->row) return p->row < q->row ? -1 : 1;
    const int columns = strcmp(p->column, q->column);
    return columns ? columns : strcmp(p->text, q->text);
}

/* Decimal commas of figures and dates of other forms, as far as they are clear. */
static rp_status read_habits(reader *r)
{
    RP_AUTOFREE size_t *places = rp_alloc(r->width, sizeof *places);
    size_t count = 0;
    if (!places) return rp_fail(r->err, RP_ERR_MEMORY, "manifest: out of memory");
    for (size_t i = 0; i < r->width; i++)
        if (r->meaning[i] == NONE && is_figure(r->table->rows[0].cells[i])) places[count++] = i;
    const char *unclear = rp_csv_numbers(r->table, places, count);
    rp_status status = unclear ? COMPLAIN(r, 0, "", "%s", unclear) : RP_OK;
    if (status || !r->present[COLUMN_DATE]) return status;
    return rp_csv_dates(r->table, r->place[COLUMN_DATE], r->err);
}

static rp_status read_table(reader *r, const uint8_t *text, size_t size, rp_csv_table *table)
{
    rp_status status = rp_csv_parse(text, size, table, r->err);
    r->table = table;
    for (size_t i = 0; !status && i < table->fault_count; i++)
        status = COMPLAIN(r, table->faults[i].line, "", "%s", table->faults[i].text);
    if (!status) status = read_header(r);
    if (!status) status = read_habits(r);
    for (size_t i = 1; !status && i < table->count; i++) status = read_row(r, &table->rows[i]);
    if (!status) status = check_patients(r->cohort, &r->half_read, r->problems, r->err);
    if (!status) status = check_files(r->cohort, r->problems, r->err);
    return status;
}

static rp_status fail_with_first(const char *path, const rp_cohort_problems *problems,
                                 rp_error *err)
{
    const rp_cohort_problem *first = problems->items;
    char place[128] = "";
    while (first->warning) first++;
    if (first->row)
        snprintf(place, sizeof place, "row %zu%s%s: ", first->row, first->column[0] ? ", " : "",
                 first->column);
    return rp_fail(err, RP_ERR_FORMAT, "%s: %s%s%s", path, place, first->text,
                   problems->errors > 1 ? " (and more: 'reprise manifest check' lists all)" : "");
}

rp_status rp_cohort_read(const char *path, rp_cohort *cohort, rp_cohort_problems *problems,
                         rp_error *err)
{
    RP_AUTOFREE uint8_t *text = NULL;
    size_t size = 0;
    rp_csv_table table = {0};
    *cohort = (rp_cohort){0};
    *problems = (rp_cohort_problems){0};
    rp_status status = rp_file_read(path, &text, &size, err);
    if (status) return status;
    RP_AUTOFREE char *copy = rp_strdup(path);
    reader r = {.cohort = cohort, .problems = problems, .err = err};
    cohort->path = rp_strdup(path);
    if (copy && cohort->path) {
        r.folder = dirname(copy);
        status = read_table(&r, text, size, &table);
    } else {
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    }
    rp_csv_release(&table);
    rp_free(r.meaning);
    rp_free(r.said);
    rp_free(r.half_read.items);
    if (problems->count)
        qsort(problems->items, problems->count, sizeof *problems->items, compare_problems);
    if (!status && problems->errors) status = fail_with_first(path, problems, err);
    if (status) rp_cohort_release(cohort);
    return status;
}
