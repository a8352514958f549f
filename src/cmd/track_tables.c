/* The tables that `reprise track` reads: visits, lesions, decisions. */
#include "track.h"

#include <libgen.h>
#include <string.h>
#include <strings.h>

/* ---- a table ----------------------------------------------------------------------------- */

/* Names of all columns; those that must be there come first. */
typedef struct columns {
    const char *const *names;
    size_t count, needed;
} columns;

static void table_release(track_table *t)
{
    rp_csv_release(&t->csv);
    rp_free(t->column);
    *t = (track_table){0};
}

static rp_status find_columns(track_table *t, const columns *c, rp_error *err)
{
    const rp_csv_row *head = &t->csv.rows[0];
    for (size_t i = 0; i < c->count; i++) t->column[i] = -1;
    for (size_t h = 0; h < head->count; h++) {
        size_t i = 0;
        while (i < c->count && strcasecmp(head->cells[h], c->names[i]) != 0) i++;
        if (i == c->count)
            return rp_fail(err, RP_ERR_FORMAT, "%s: there is no column '%.80s'", t->path,
                           head->cells[h]);
        if (t->column[i] >= 0)
            return rp_fail(err, RP_ERR_FORMAT, "%s: the column '%s' is there twice", t->path,
                           c->names[i]);
        t->column[i] = (int)h;
    }
    for (size_t i = 0; i < c->needed; i++)
        if (t->column[i] < 0)
            return rp_fail(err, RP_ERR_FORMAT, "%s: the column '%s' is missing", t->path,
                           c->names[i]);
    return RP_OK;
}

static rp_status check_rows(const track_table *t, rp_error *err)
{
    for (size_t r = 1; r < t->csv.count; r++)
        if (t->csv.rows[r].count > t->csv.rows[0].count)
            return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu has more cells than the header%s",
                           t->path, t->csv.rows[r].line,
                           rp_csv_width_fault(&t->csv, &t->csv.rows[r]));
    return RP_OK;
}

static rp_status table_read(const char *path, const columns *c, track_table *t, rp_error *err)
{
    uint8_t *text = NULL;
    size_t size;
    *t = (track_table){.path = path};
    rp_status status = rp_file_read(path, &text, &size, err);
    if (status) return status;
    status = rp_csv_parse(text, size, &t->csv, err);
    rp_free(text);
    t->column = rp_alloc(c->count, sizeof *t->column);
    if (!status && !t->column) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!status && t->csv.fault_count)
        status = rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: %s", path, t->csv.faults[0].line,
                         t->csv.faults[0].text);
    if (!status && t->csv.count == 0)
        status = rp_fail(err, RP_ERR_FORMAT, "%s: the table is empty", path);
    if (!status) status = find_columns(t, c, err);
    if (!status) status = check_rows(t, err);
    if (status)
        table_release(t);
    else
        t->rows = t->csv.count - 1;
    return status;
}

/* Rows count from 0, without the header. Never NULL. */
static const char *cell(const track_table *t, size_t row, size_t column)
{
    const rp_csv_row *r = &t->csv.rows[row + 1];
    const int at = t->column[column];
    return at >= 0 && (size_t)at < r->count ? r->cells[at] : "";
}

static size_t line_of(const track_table *t, size_t row)
{
    return t->csv.rows[row + 1].line;
}

/* ---- visits ------------------------------------------------------------------------------ */

enum { V_VISIT, V_IMAGE, V_MASK, V_DATE, V_PHASE, V_ROIS, V_SERIES };
static const char *const visit_names[] = {"visit", "image", "mask",  "date",
                                          "phase", "rois",  "series"};
static const columns visit_columns = {visit_names, sizeof visit_names / sizeof *visit_names, 3};

static char *beside(const char *table, const char *path)
{
    RP_AUTOFREE char *copy = rp_strdup(table);
    if (path[0] == '/' || !path[0]) return rp_strdup(path);
    return copy ? rp_path_join(dirname(copy), path) : NULL;
}

static rp_status take_visit(const track_table *t, size_t row, track_row *v, rp_error *err)
{
    *v = (track_row){.line = line_of(t, row),
                     .visit = rp_strdup(cell(t, row, V_VISIT)),
                     .date = rp_strdup(cell(t, row, V_DATE)),
                     .image = beside(t->path, cell(t, row, V_IMAGE)),
                     .mask = beside(t->path, cell(t, row, V_MASK)),
                     .phase = rp_strdup(cell(t, row, V_PHASE)),
                     .rois = rp_strdup(cell(t, row, V_ROIS)),
                     .series = rp_strdup(cell(t, row, V_SERIES))};
    if (!v->visit || !v->date || !v->image || !v->mask || !v->phase || !v->rois || !v->series)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", t->path);
    for (size_t i = 0; i < visit_columns.needed; i++)
        if (!cell(t, row, i)[0])
            return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: '%s' is empty", t->path, v->line,
                           visit_names[i]);
    char hint[RP_DATE_HINT];
    int days;
    if (!v->date[0] || rp_date_days(v->date, &days)) return RP_OK;
    rp_date_hint(v->date, hint);
    return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: '%.40s' is no date (YYYY-MM-DD)%s", t->path,
                   v->line, v->date, hint);
}

static rp_status read_visits(const char *path, track_plan *plan, rp_error *err)
{
    track_table t;
    rp_status status = table_read(path, &visit_columns, &t, err);
    if (status) return status;
    if (t.column[V_DATE] >= 0) status = rp_csv_dates(&t.csv, (size_t)t.column[V_DATE], err);
    plan->visits = rp_alloc(t.rows, sizeof *plan->visits);
    if (!status && !plan->visits) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (size_t r = 0; !status && r < t.rows; r++) {
        status = take_visit(&t, r, &plan->visits[plan->visit_count++], err);
        for (size_t other = 0; !status && other < r; other++)
            if (strcmp(plan->visits[other].visit, plan->visits[r].visit) == 0)
                status =
                    rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: the visit '%.60s' is there twice",
                            path, plan->visits[r].line, plan->visits[r].visit);
    }
    if (!status && plan->visit_count < 2)
        status = rp_fail(err, RP_ERR_FORMAT,
                         "%s: a baseline and at least one later visit are needed", path);
    table_release(&t);
    return status;
}

/* ---- lesions ----------------------------------------------------------------------------- */

enum { L_ID, L_LABEL, L_ORGAN, L_SIDE, L_NODAL, L_ROLE, L_DESCRIPTION };
static const char *const lesion_names[] = {"id",    "label", "organ",      "side",
                                           "nodal", "role",  "description"};
static const columns lesion_columns = {lesion_names, sizeof lesion_names / sizeof *lesion_names, 2};

static bool parse_flag(const char *text, bool *flag)
{
    static const char *const yes[] = {"yes", "true", "1"}, *const no[] = {"", "no", "false", "0"};
    for (size_t i = 0; i < 3; i++)
        if (strcasecmp(text, yes[i]) == 0) return *flag = true;
    *flag = false;
    for (size_t i = 0; i < 4; i++)
        if (strcasecmp(text, no[i]) == 0) return true;
    return false;
}

static rp_status take_lesion(const track_table *t, size_t row, rp_timeline_lesion *lesion,
                             rp_error *err)
{
    const char *role = cell(t, row, L_ROLE);
    *lesion = (rp_timeline_lesion){.id = cell(t, row, L_ID),
                                   .organ = cell(t, row, L_ORGAN),
                                   .side = cell(t, row, L_SIDE),
                                   .description = cell(t, row, L_DESCRIPTION),
                                   .role = RP_ROLE_TARGET};
    const size_t line = line_of(t, row);
    if (strcasecmp(role, "non-target") == 0)
        lesion->role = RP_ROLE_NON_TARGET;
    else if (role[0] && strcasecmp(role, "target") != 0)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: line %zu: a role is target or non-target, not '%.40s'", t->path, line,
                       role);
    if (!parse_flag(cell(t, row, L_NODAL), &lesion->nodal))
        return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: 'nodal' is yes or no, not '%.40s'",
                       t->path, line, cell(t, row, L_NODAL));
    for (size_t i = 0; i < lesion_columns.needed; i++)
        if (!cell(t, row, i)[0])
            return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: '%s' is empty", t->path, line,
                           lesion_names[i]);
    if (strlen(lesion->id) >= RP_TRACK_ID)
        return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: the id is too long", t->path, line);
    for (size_t other = 0; other < row; other++)
        for (size_t i = 0; i < lesion_columns.needed; i++)
            if (strcmp(cell(t, other, i), cell(t, row, i)) == 0)
                return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: the %s '%.60s' is there twice",
                               t->path, line, lesion_names[i], cell(t, row, i));
    return RP_OK;
}

static rp_status read_lesions(const char *path, track_plan *plan, rp_error *err)
{
    track_table *t = &plan->lesion_table;
    rp_status status = table_read(path, &lesion_columns, t, err);
    if (status) return status;
    plan->lesions = rp_alloc(t->rows, sizeof *plan->lesions);
    plan->labels = rp_alloc(t->rows, sizeof *plan->labels);
    if (!plan->lesions || !plan->labels)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    plan->lesion_count = t->rows;
    for (size_t r = 0; !status && r < t->rows; r++) {
        plan->labels[r] = cell(t, r, L_LABEL);
        status = take_lesion(t, r, &plan->lesions[r], err);
    }
    return status;
}

/* ---- decisions --------------------------------------------------------------------------- */

enum { D_VISIT, D_KIND, D_LESION, D_FOUND, D_INTO, D_DECISION, D_HASH, D_MM, D_REASON, D_CHOICES };
static const char *const decision_names[] = {"visit",  "kind",     "lesion",      "found",
                                             "into",   "decision", "mask_sha256", "found_mm",
                                             "reason", "choices",  "comment"};
static const columns decision_columns = {decision_names,
                                         sizeof decision_names / sizeof *decision_names, 6};

static rp_status read_decisions(const char *path, track_plan *plan, rp_error *err)
{
    track_table *t = &plan->decision_table;
    rp_status status = table_read(path, &decision_columns, t, err);
    if (status) return status;
    plan->decisions = rp_alloc(t->rows, sizeof *plan->decisions);
    plan->decision_hashes = rp_alloc(t->rows, sizeof *plan->decision_hashes);
    if (!plan->decisions || !plan->decision_hashes)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (size_t r = 0; r < t->rows; r++) {
        if (!cell(t, r, D_DECISION)[0]) continue;
        plan->decision_hashes[plan->decision_count] = cell(t, r, D_HASH);
        plan->decisions[plan->decision_count++] = (rp_track_decision){
            line_of(t, r),       cell(t, r, D_VISIT), cell(t, r, D_KIND),    cell(t, r, D_LESION),
            cell(t, r, D_FOUND), cell(t, r, D_INTO),  cell(t, r, D_DECISION)};
    }
    return RP_OK;
}

/* ---- all of them --------------------------------------------------------------------------- */

rp_status track_plan_read(const track_options *options, track_plan *plan, rp_error *err)
{
    rp_status status = read_visits(options->visits, plan, err);
    if (!status && options->lesions) status = read_lesions(options->lesions, plan, err);
    if (!status && options->decisions) status = read_decisions(options->decisions, plan, err);
    return status;
}

void track_plan_release(track_plan *plan)
{
    for (size_t i = 0; i < plan->visit_count; i++) {
        track_row *v = &plan->visits[i];
        char *const owned[] = {v->visit, v->date, v->image, v->mask, v->phase, v->rois, v->series};
        for (size_t k = 0; k < sizeof owned / sizeof *owned; k++) rp_free(owned[k]);
    }
    rp_free(plan->visits);
    rp_free(plan->lesions);
    rp_free(plan->labels);
    rp_free(plan->decisions);
    rp_free(plan->decision_hashes);
    table_release(&plan->lesion_table);
    table_release(&plan->decision_table);
    *plan = (track_plan){0};
}
