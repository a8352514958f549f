/* Timelines from CSV: a row for each patient, visit and lesion. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef enum column {
    COLUMN_PATIENT,
    COLUMN_VISIT,
    COLUMN_DATE,
    COLUMN_LESION,
    COLUMN_ROLE,
    COLUMN_STATE, /* all up to here are needed */
    COLUMN_ORGAN,
    COLUMN_SIDE,
    COLUMN_NODAL,
    COLUMN_DESCRIPTION,
    COLUMN_LONGEST,
    COLUMN_SHORT_AXIS,
    COLUMN_VIABLE,
    COLUMN_VOLUME,
    COLUMN_PARTS,
    COLUMN_PARTS_VIABLE,
    COLUMN_INTO,
    COLUMN_SPACING,
    COLUMN_PHASE,
    COLUMN_LABEL,
    COLUMN_COUNT
} column;

static const char *const names[COLUMN_COUNT] = {
    "patient",   "visit",     "date",     "lesion",          "role",       "state",
    "organ",     "side",      "nodal",    "description",     "longest_mm", "short_axis_mm",
    "viable_mm", "volume_cc", "parts_mm", "parts_viable_mm", "into",       "slice_spacing_mm",
    "phase",     "label"};

/* A row of the table with the place of its patient in the file. */
typedef struct entry {
    const rp_csv_row *row;
    const char *patient;
    size_t first; /* row on which the patient appears first */
} entry;

/* What the rows of a patient say again and again: columns of a lesion, of a visit, of the patient.
 * The first that says something counts; others must agree. */
typedef struct fact {
    const char *id;
    const char *said[COLUMN_COUNT];
    size_t line[COLUMN_COUNT];
} fact;

typedef struct reader {
    const char *path;
    rp_csv_table *table;
    size_t width;
    size_t place[COLUMN_COUNT];
    bool present[COLUMN_COUNT];
    rp_timeline_problems *problems;
    rp_status status; /* of memory */
    rp_error *err;
} reader;

#define COMPLAIN(r, severity, ...)                                                                 \
    ((r)->status ? (r)->status                                                                     \
                 : ((r)->status = rp_timeline_problem_add((r)->problems, severity, NULL, NULL,     \
                                                          NULL, (r)->err, __VA_ARGS__)))

static void *take(reader *r, size_t count, size_t size)
{
    void *memory = rp_alloc(count, size);
    if (!memory) r->status = rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    return memory;
}

/* ---- header ------------------------------------------------------------------------------ */

static void read_column(reader *r, const rp_csv_row *header, size_t place)
{
    const char *name = header->cells[place];
    for (int c = 0; c < COLUMN_COUNT; c++) {
        if (strcasecmp(name, names[c]) != 0) continue;
        if (r->present[c]) COMPLAIN(r, RP_SEVERITY_ERROR, "column '%s' is there twice", names[c]);
        r->present[c] = true;
        r->place[c] = place;
        return;
    }
    if (name[0]) COMPLAIN(r, RP_SEVERITY_WARNING, "column '%.80s' is not known and ignored", name);
}

static void read_header(reader *r)
{
    if (!r->table->count) return;
    const rp_csv_row *header = &r->table->rows[0];
    r->width = header->count;
    for (size_t i = 0; i < header->count; i++) read_column(r, header, i);
    for (int c = 0; c <= COLUMN_STATE; c++)
        if (!r->present[c]) COMPLAIN(r, RP_SEVERITY_ERROR, "column '%s' is missing", names[c]);
}

/* Decimal commas and dates of other forms, as far as they are clear. */
static void read_habits(reader *r)
{
    static const column numbers[] = {COLUMN_LONGEST, COLUMN_SHORT_AXIS, COLUMN_VIABLE,
                                     COLUMN_VOLUME,  COLUMN_PARTS,      COLUMN_PARTS_VIABLE,
                                     COLUMN_SPACING};
    size_t places[sizeof numbers / sizeof *numbers], count = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (r->present[numbers[i]]) places[count++] = r->place[numbers[i]];
    const char *unclear = rp_csv_numbers(r->table, places, count);
    if (unclear) COMPLAIN(r, RP_SEVERITY_ERROR, "%s", unclear);
    if (!r->status && r->present[COLUMN_DATE])
        r->status = rp_csv_dates(r->table, r->place[COLUMN_DATE], r->err);
}

/* ---- cells ------------------------------------------------------------------------------- */

static const char *cell(const reader *r, const rp_csv_row *row, column c)
{
    return r->present[c] ? row->cells[r->place[c]] : "";
}

static bool parse_number(const char *text, const char *ends, double *number)
{
    char *end;
    const size_t length = strcspn(text, ends);
    if (!length || strspn(text, "0123456789+-.eE") < length) return false;
    *number = strtod(text, &end);
    return end == text + length;
}

static double number_in(reader *r, const rp_csv_row *row, column c)
{
    double number = NAN;
    const char *text = cell(r, row, c);
    if (text[0] && !parse_number(text, "", &number))
        COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu, %s: '%.40s' %s", row->line, names[c], text,
                 rp_csv_number_fault(text));
    return number;
}

/* Separated by semicolons; rp_alloc'd, NULL where there are none. */
static double *numbers_in(reader *r, const rp_csv_row *row, column c, size_t *count)
{
    const char *text = cell(r, row, c);
    *count = 0;
    if (!text[0]) return NULL;
    double *numbers = take(r, strlen(text) + 1, sizeof *numbers);
    while (numbers) {
        text += strspn(text, " ");
        if (!parse_number(text, "; ", &numbers[*count])) {
            COMPLAIN(r, RP_SEVERITY_ERROR,
                     "row %zu, %s: no numbers with decimal points, separated by semicolons",
                     row->line, names[c]);
            break;
        }
        ++*count;
        text += strcspn(text, "; ");
        text += strspn(text, " ");
        if (!*text++) break;
    }
    return numbers;
}

static bool flag_in(reader *r, const fact *f, column c)
{
    const char *text = f->said[c];
    if (!text || strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0 ||
        strcmp(text, "0") == 0)
        return false;
    if (strcasecmp(text, "yes") != 0 && strcasecmp(text, "true") != 0 && strcmp(text, "1") != 0)
        COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu, %s: '%.40s' is neither yes nor no", f->line[c],
                 names[c], text);
    return true;
}

/* ---- facts ------------------------------------------------------------------------------- */

static fact *find_fact(fact *facts, size_t *count, const char *id)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(facts[i].id, id) == 0) return &facts[i];
    facts[*count] = (fact){.id = id};
    return &facts[(*count)++];
}

static void learn(reader *r, fact *f, const rp_csv_row *row, column c)
{
    const char *text = cell(r, row, c);
    if (!text[0]) return;
    if (!f->said[c]) {
        f->said[c] = text;
        f->line[c] = row->line;
    } else if (strcmp(f->said[c], text) != 0) {
        COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu, %s: '%.40s', but row %zu says '%.40s'", row->line,
                 names[c], text, f->line[c], f->said[c]);
    }
}

typedef struct patient {
    fact self, *lesions, *visits;
    size_t lesion_count, visit_count;
} patient;

static void learn_row(reader *r, patient *p, const rp_csv_row *row)
{
    static const column of_lesion[] = {COLUMN_ROLE, COLUMN_ORGAN, COLUMN_SIDE, COLUMN_NODAL,
                                       COLUMN_DESCRIPTION};
    static const column of_visit[] = {COLUMN_DATE, COLUMN_SPACING, COLUMN_PHASE};
    const char *lesion = cell(r, row, COLUMN_LESION);
    if (p->visit_count > RP_TIMELINE_MOST || p->lesion_count > RP_TIMELINE_MOST) return;
    fact *visit = find_fact(p->visits, &p->visit_count, cell(r, row, COLUMN_VISIT));
    for (size_t i = 0; i < sizeof of_visit / sizeof *of_visit; i++)
        learn(r, visit, row, of_visit[i]);
    learn(r, &p->self, row, COLUMN_LABEL);
    if (!lesion[0]) {
        if (cell(r, row, COLUMN_STATE)[0])
            COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu: a state without a lesion", row->line);
        return;
    }
    fact *what = find_fact(p->lesions, &p->lesion_count, lesion);
    for (size_t i = 0; i < sizeof of_lesion / sizeof *of_lesion; i++)
        learn(r, what, row, of_lesion[i]);
}

/* ---- a patient --------------------------------------------------------------------------- */

static void add_lesions(reader *r, rp_timeline *t, const patient *p)
{
    for (size_t i = 0; !r->status && i < p->lesion_count; i++) {
        const fact *f = &p->lesions[i];
        const char *role = f->said[COLUMN_ROLE] ? f->said[COLUMN_ROLE] : "";
        const rp_timeline_lesion lesion = {.id = f->id,
                                           .organ = f->said[COLUMN_ORGAN],
                                           .side = f->said[COLUMN_SIDE],
                                           .description = f->said[COLUMN_DESCRIPTION],
                                           .nodal = flag_in(r, f, COLUMN_NODAL),
                                           .role = role_of_word(role),
                                           .role_word = role};
        if (!r->status) r->status = rp_timeline_add_lesion(t, &lesion, r->err);
    }
}

static void add_visits(reader *r, rp_timeline *t, const patient *p)
{
    for (size_t i = 0; !r->status && i < p->visit_count; i++) {
        const fact *f = &p->visits[i];
        rp_timeline_visit visit = {.id = f->id,
                                   .date = f->said[COLUMN_DATE],
                                   .phase = f->said[COLUMN_PHASE],
                                   .slice_spacing_mm = NAN};
        const char *spacing = f->said[COLUMN_SPACING];
        if (spacing && !parse_number(spacing, "", &visit.slice_spacing_mm))
            COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu, %s: '%.40s' %s", f->line[COLUMN_SPACING],
                     names[COLUMN_SPACING], spacing, rp_csv_number_fault(spacing));
        if (!r->status) r->status = rp_timeline_add_visit(t, &visit, r->err);
    }
}

static void add_finding(reader *r, rp_timeline *t, patient *p, const rp_csv_row *row)
{
    const fact *visit = find_fact(p->visits, &p->visit_count, cell(r, row, COLUMN_VISIT));
    if (!cell(r, row, COLUMN_LESION)[0]) return;
    rp_timeline_finding f = {.lesion = cell(r, row, COLUMN_LESION),
                             .state_word = cell(r, row, COLUMN_STATE),
                             .longest_mm = number_in(r, row, COLUMN_LONGEST),
                             .short_axis_mm = number_in(r, row, COLUMN_SHORT_AXIS),
                             .viable_mm = number_in(r, row, COLUMN_VIABLE),
                             .volume_cc = number_in(r, row, COLUMN_VOLUME),
                             .into = cell(r, row, COLUMN_INTO)};
    RP_AUTOFREE double *parts = numbers_in(r, row, COLUMN_PARTS, &f.part_count);
    RP_AUTOFREE double *viable = numbers_in(r, row, COLUMN_PARTS_VIABLE, &f.viable_count);
    f.parts_mm = parts;
    f.parts_viable_mm = viable;
    f.state = state_of_word(f.state_word);
    if (!r->status) r->status = rp_timeline_add_finding(t, (size_t)(visit - p->visits), &f, r->err);
}

static void read_patient(reader *r, rp_timelines *timelines, const entry *entries, size_t count)
{
    patient p = {.lesions = take(r, count, sizeof(fact)), .visits = take(r, count, sizeof(fact))};
    rp_timeline *t = r->status ? NULL : timelines_add(timelines);
    if (!t && !r->status) r->status = rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    for (size_t i = 0; !r->status && i < count; i++) learn_row(r, &p, entries[i].row);
    if (p.visit_count > RP_TIMELINE_MOST || p.lesion_count > RP_TIMELINE_MOST) {
        COMPLAIN(r, RP_SEVERITY_ERROR, "patient %s: more than %d visits or lesions",
                 entries->patient, RP_TIMELINE_MOST);
        count = 0; /* one fault is enough */
    }
    if (!r->status)
        r->status = rp_timeline_init(t, entries->patient, p.self.said[COLUMN_LABEL], r->err);
    if (!r->status) add_lesions(r, t, &p);
    if (!r->status) add_visits(r, t, &p);
    for (size_t i = 0; !r->status && i < count; i++) add_finding(r, t, &p, entries[i].row);
    rp_free(p.lesions);
    rp_free(p.visits);
}

/* ---- the file ---------------------------------------------------------------------------- */

static int by_patient(const void *a, const void *b)
{
    const entry *p = a, *q = b;
    const int order = strcmp(p->patient, q->patient);
    return order ? order : p->row->line < q->row->line ? -1 : 1;
}

static int by_place(const void *a, const void *b)
{
    const entry *p = a, *q = b;
    if (p->first != q->first) return p->first < q->first ? -1 : 1;
    return p->row->line < q->row->line ? -1 : 1;
}

static size_t same_patient(const entry *entries, size_t count)
{
    size_t n = 1;
    while (n < count && strcmp(entries[n].patient, entries->patient) == 0) n++;
    return n;
}

/* Rows that are whole, patient by patient in the order in which they appear. */
static size_t group(reader *r, entry *entries)
{
    size_t count = 0;
    for (size_t i = 1; i < r->table->count; i++) {
        const rp_csv_row *row = &r->table->rows[i];
        if (row->count != r->width)
            COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu: %zu cells, where the header has %zu%s",
                     row->line, row->count, r->width, rp_csv_width_fault(r->table, row));
        else
            entries[count++] = (entry){.row = row, .patient = cell(r, row, COLUMN_PATIENT)};
    }
    qsort(entries, count, sizeof *entries, by_patient);
    for (size_t i = 0; i < count;) {
        const size_t n = same_patient(entries + i, count - i);
        for (size_t k = 0; k < n; k++) entries[i + k].first = entries[i].row->line;
        i += n;
    }
    qsort(entries, count, sizeof *entries, by_place);
    return count;
}

static void read_table(reader *r, rp_timelines *timelines)
{
    const size_t errors = r->problems->counts[RP_SEVERITY_ERROR];
    for (size_t i = 0; i < r->table->fault_count; i++)
        COMPLAIN(r, RP_SEVERITY_ERROR, "row %zu: %s", r->table->faults[i].line,
                 r->table->faults[i].text);
    read_header(r);
    if (r->status || r->problems->counts[RP_SEVERITY_ERROR] > errors) return;
    read_habits(r);
    RP_AUTOFREE entry *entries = take(r, r->table->count, sizeof *entries);
    const size_t count = entries ? group(r, entries) : 0;
    for (size_t i = 0; !r->status && i < count;) {
        const size_t n = same_patient(entries + i, count - i);
        read_patient(r, timelines, entries + i, n);
        i += n;
    }
}

rp_status read_csv(const char *path, const uint8_t *text, size_t size, rp_timelines *timelines,
                   rp_timeline_problems *problems, rp_error *err)
{
    rp_csv_table table;
    reader r = {.path = path, .table = &table, .problems = problems, .err = err};
    rp_status status = rp_csv_parse(text, size, &table, err);
    if (status) return status;
    read_table(&r, timelines);
    rp_csv_release(&table);
    return r.status;
}
