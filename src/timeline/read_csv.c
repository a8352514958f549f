/* Timelines from a table: a row for each patient, visit and lesion. */
#include "internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef enum column {
    PATIENT,
    VISIT,
    DATE,
    LESION,
    ROLE,
    STATE,
    ORGAN,
    SIDE,
    NODAL,
    DESCRIPTION,
    LONGEST,
    SHORT_AXIS,
    VIABLE,
    VOLUME,
    PARTS,
    PARTS_VIABLE,
    INTO,
    SPACING,
    PHASE,
    LABEL,
    COLUMNS
} column;

enum { NEEDED = STATE + 1 }; /* the columns that a table cannot do without come first */

static const char *const names[COLUMNS] = {
    "patient",   "visit",     "date",     "lesion",          "role",       "state",
    "organ",     "side",      "nodal",    "description",     "longest_mm", "short_axis_mm",
    "viable_mm", "volume_cc", "parts_mm", "parts_viable_mm", "into",       "slice_spacing_mm",
    "phase",     "label"};

typedef struct reader {
    const char *path;
    int place[COLUMNS]; /* index of the cell; -1: the table has no such column */
    rp_timelines *out;
    rp_timeline_problems *problems;
    rp_error *err;
} reader;

static const char *cell(const reader *r, const rp_csv_row *row, column c)
{
    return r->place[c] >= 0 && (size_t)r->place[c] < row->count ? row->cells[r->place[c]] : "";
}

static rp_status complain(const reader *r, const rp_csv_row *row, column c, const char *wanted)
{
    return rp_timeline_problem_add(r->problems, RP_SEVERITY_ERROR, cell(r, row, PATIENT),
                                   cell(r, row, VISIT), cell(r, row, LESION), r->err,
                                   "line %zu: %s is '%.40s'; it must be %s", row->line, names[c],
                                   cell(r, row, c), wanted);
}

/* ---- cells ----------------------------------------------------------------------------------- */

/* The text ends behind the number, or at the separator of a list. */
static bool parse_number(const char *text, char **end, double *out)
{
    if (!strchr("0123456789.-+", *text) || !*text) return false;
    *out = strtod(text, end);
    return *end != text && isfinite(*out);
}

static rp_status take_number(const reader *r, const rp_csv_row *row, column c, double *out)
{
    char *end;
    *out = NAN;
    if (!*cell(r, row, c)) return RP_OK;
    if (parse_number(cell(r, row, c), &end, out) && !*end) return RP_OK;
    *out = NAN;
    return complain(r, row, c, "a number with a decimal point");
}

static rp_status take_parts(const reader *r, const rp_csv_row *row, column c, double **out,
                            size_t *count)
{
    const char *text = cell(r, row, c);
    *out = NULL;
    *count = 0;
    if (!*text) return RP_OK;
    *out = rp_alloc(strlen(text), sizeof **out);
    if (!*out) return rp_fail(r->err, RP_ERR_MEMORY, "out of memory");
    for (char *end; *text; text = end) {
        if (!parse_number(text, &end, &(*out)[*count])) break;
        (*count)++;
        end += strspn(end, " ");
        if (*end == ';') end += 1 + strspn(end + 1, " ");
        if (!*end) return RP_OK;
    }
    *count = 0;
    return complain(r, row, c, "numbers with ; between them");
}

static rp_status take_yes(const reader *r, const rp_csv_row *row, column c, bool *out)
{
    static const char *const yes[] = {"yes", "true", "1"}, *const no[] = {"", "no", "false", "0"};
    const char *text = cell(r, row, c);
    *out = false;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(text, yes[i]) == 0) {
            *out = true;
            return RP_OK;
        }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcasecmp(text, no[i]) == 0) return RP_OK;
    return complain(r, row, c, "yes or no");
}

/* ---- what a row belongs to ------------------------------------------------------------------- */

static rp_status find_patient(const reader *r, const rp_csv_row *row, rp_timeline **out)
{
    const char *patient = cell(r, row, PATIENT);
    for (size_t i = r->out->count; i-- > 0;)
        if (strcmp(r->out->items[i].patient, patient) == 0) {
            *out = &r->out->items[i];
            return strcmp((*out)->label, cell(r, row, LABEL)) == 0
                       ? RP_OK
                       : complain(r, row, LABEL, "the same in all rows of a patient");
        }
    return add_patient(r->out, patient, cell(r, row, LABEL), out, r->err);
}

static bool differs(double a, double b)
{
    return !(isnan(a) && isnan(b)) && a != b;
}

static rp_status find_visit(const reader *r, const rp_csv_row *row, rp_timeline *t, size_t *out)
{
    rp_timeline_visit now = {
        .id = cell(r, row, VISIT), .date = cell(r, row, DATE), .phase = cell(r, row, PHASE)};
    rp_status status = take_number(r, row, SPACING, &now.slice_spacing_mm);
    for (size_t i = 0; !status && i < t->visit_count; i++) {
        const rp_timeline_visit *v = &t->visits[i];
        if (strcmp(v->id, now.id) != 0) continue;
        *out = i;
        if (strcmp(v->date, now.date) != 0)
            return complain(r, row, DATE, "the same in all rows of a visit");
        if (strcmp(v->phase, now.phase) != 0)
            return complain(r, row, PHASE, "the same in all rows of a visit");
        if (differs(v->slice_spacing_mm, now.slice_spacing_mm))
            return complain(r, row, SPACING, "the same in all rows of a visit");
        return RP_OK;
    }
    *out = t->visit_count;
    return status ? status : rp_timeline_add_visit(t, &now, r->err);
}

/* What is said of a lesion once holds; later rows may leave it out, not contradict. */
static rp_status compare_lesion(const reader *r, const rp_csv_row *row,
                                const rp_timeline_lesion *known, const rp_timeline_lesion *now)
{
    const struct {
        column column;
        const char *was, *is;
    } texts[] = {{ORGAN, known->organ, now->organ},
                 {SIDE, known->side, now->side},
                 {DESCRIPTION, known->description, now->description}};
    rp_status status = RP_OK;
    if (known->role != now->role)
        status = complain(r, row, ROLE, "the same in all rows of a lesion");
    for (size_t i = 0; !status && i < sizeof texts / sizeof *texts; i++)
        if (*texts[i].is && strcmp(texts[i].was, texts[i].is) != 0)
            status = complain(r, row, texts[i].column, "the same in all rows of a lesion");
    if (!status && *cell(r, row, NODAL) && known->nodal != now->nodal)
        status = complain(r, row, NODAL, "the same in all rows of a lesion");
    return status;
}

static rp_status note_lesion(const reader *r, const rp_csv_row *row, rp_timeline *t)
{
    rp_timeline_lesion now = {.id = cell(r, row, LESION),
                              .organ = cell(r, row, ORGAN),
                              .side = cell(r, row, SIDE),
                              .description = cell(r, row, DESCRIPTION),
                              .role = RP_ROLE_UNKNOWN,
                              .role_word = ""};
    rp_status status = take_yes(r, row, NODAL, &now.nodal);
    if (!find_role(cell(r, row, ROLE), &now.role)) now.role_word = cell(r, row, ROLE);
    for (size_t i = 0; !status && i < t->lesion_count; i++)
        if (strcmp(t->lesions[i].id, now.id) == 0)
            return compare_lesion(r, row, &t->lesions[i], &now);
    return status ? status : rp_timeline_add_lesion(t, &now, r->err);
}

static rp_status add_finding(const reader *r, const rp_csv_row *row, rp_timeline *t, size_t visit)
{
    rp_timeline_finding f = rp_timeline_finding_of(cell(r, row, LESION), RP_FOUND_UNKNOWN);
    RP_AUTOFREE double *parts = NULL, *viable = NULL;
    if (!find_state(cell(r, row, STATE), &f.state)) f.state_word = cell(r, row, STATE);
    f.into = cell(r, row, INTO);
    rp_status status = take_number(r, row, LONGEST, &f.longest_mm);
    if (!status) status = take_number(r, row, SHORT_AXIS, &f.short_axis_mm);
    if (!status) status = take_number(r, row, VIABLE, &f.viable_mm);
    if (!status) status = take_number(r, row, VOLUME, &f.volume_cc);
    if (!status) status = take_parts(r, row, PARTS, &parts, &f.part_count);
    if (!status) status = take_parts(r, row, PARTS_VIABLE, &viable, &f.viable_count);
    f.parts_mm = parts;
    f.parts_viable_mm = viable;
    return status ? status : rp_timeline_add_finding(t, visit, &f, r->err);
}

/* ---- the table ------------------------------------------------------------------------------- */

static rp_status read_header(reader *r, const rp_csv_row *header)
{
    for (int c = 0; c < COLUMNS; c++) r->place[c] = -1;
    for (size_t i = 0; i < header->count; i++) {
        int c = 0;
        while (c < COLUMNS && strcmp(header->cells[i], names[c]) != 0) c++;
        if (c == COLUMNS)
            return rp_fail(r->err, RP_ERR_FORMAT, "%s: unknown column '%.60s'", r->path,
                           header->cells[i]);
        if (r->place[c] >= 0)
            return rp_fail(r->err, RP_ERR_FORMAT, "%s: two columns '%s'", r->path, names[c]);
        r->place[c] = (int)i;
    }
    for (int c = 0; c < NEEDED; c++)
        if (r->place[c] < 0)
            return rp_fail(r->err, RP_ERR_FORMAT, "%s: column '%s' is missing", r->path, names[c]);
    return RP_OK;
}

static rp_status read_row(const reader *r, const rp_csv_row *row)
{
    rp_timeline *t;
    size_t visit;
    if (!*cell(r, row, PATIENT)) return complain(r, row, PATIENT, "a pseudonym");
    rp_status status = find_patient(r, row, &t);
    if (!status) status = find_visit(r, row, t, &visit);
    /* A visit at which nothing was looked at still is one. */
    if (status || !*cell(r, row, LESION)) return status;
    status = note_lesion(r, row, t);
    return status ? status : add_finding(r, row, t, visit);
}

static rp_status note_line(void *context, size_t line, const char *text, rp_error *err)
{
    const reader *r = context;
    return rp_timeline_problem_add(r->problems, RP_SEVERITY_ERROR, "", NULL, NULL, err,
                                   "line %zu: %s", line, text);
}

rp_status read_csv(const char *path, const uint8_t *text, size_t size, rp_timelines *out,
                   rp_timeline_problems *problems, rp_error *err)
{
    reader r = {.path = path, .out = out, .problems = problems, .err = err};
    rp_csv_table table = {0};
    rp_status status = rp_csv_parse(text, size, note_line, &r, &table, err);
    if (!status && table.count == 0)
        status = rp_fail(err, RP_ERR_FORMAT, "%s: neither JSON nor a table with a header", path);
    if (!status) status = read_header(&r, &table.rows[0]);
    for (size_t i = 1; !status && i < table.count; i++) status = read_row(&r, &table.rows[i]);
    rp_csv_release(&table);
    return status;
}
