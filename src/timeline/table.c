/* The table for readers: lesions by visits, with what follows from them. */
#include "reprise/timeline.h"

#include "text.h"

#include <math.h>
#include <string.h>

enum { COLUMNS_A_LINE = 100, LEAST_COLUMN = 12, CELL = 64 };

typedef struct table {
    text text;
    const rp_timeline *timeline;
    const rp_timeline_result *result;
    size_t name_columns, visit_columns;
    size_t first, end; /* visits of the block being written */
} table;

static bool is_volumetric(const table *t)
{
    return t->result->options.criteria == RP_VOLUMETRIC;
}

static const char *unit(const table *t)
{
    return is_volumetric(t) ? "cc" : "mm";
}

/* ---- cells ------------------------------------------------------------------------------- */

static const rp_timeline_finding *finding_of(const table *t, size_t visit, size_t lesion)
{
    const rp_timeline_visit *v = &t->timeline->visits[visit];
    const char *id = t->timeline->lesions[lesion].id;
    for (size_t i = 0; i < v->finding_count; i++)
        if (strcmp(v->findings[i].lesion, id) == 0) return &v->findings[i];
    return NULL;
}

static double measured(const table *t, bool nodal, const rp_timeline_finding *f)
{
    if (is_volumetric(t)) return f->volume_cc;
    if (nodal) return f->short_axis_mm;
    return t->result->options.criteria == RP_MRECIST ? f->viable_mm : f->longest_mm;
}

/* "12.0+9.5", or the volume of both. */
static void write_parts(const table *t, bool nodal, const rp_timeline_finding *f, char cell[CELL])
{
    const bool viable = t->result->options.criteria == RP_MRECIST && !nodal;
    const double *parts = viable ? f->parts_viable_mm : f->parts_mm;
    const size_t count = viable ? f->viable_count : f->part_count;
    size_t length = 0;
    if (is_volumetric(t)) {
        snprintf(cell, CELL, "%.1f in %zu", f->volume_cc, f->part_count);
        return;
    }
    for (size_t i = 0; i < count && length < CELL; i++)
        length += (size_t)snprintf(cell + length, CELL - length, "%s%.1f", i ? "+" : "", parts[i]);
}

static void write_cell(const table *t, size_t visit, size_t lesion, char cell[CELL])
{
    const rp_timeline_lesion *l = &t->timeline->lesions[lesion];
    const rp_timeline_finding *f = finding_of(t, visit, lesion);
    if (!f)
        snprintf(cell, CELL, "%s", l->role == RP_ROLE_NEW ? "" : "NE");
    else if (f->state == RP_FOUND_MEASURED)
        snprintf(cell, CELL, "%.1f", measured(t, l->nodal, f));
    else if (f->state == RP_FOUND_SPLIT)
        write_parts(t, l->nodal, f, cell);
    else if (f->state == RP_FOUND_MERGED)
        snprintf(cell, CELL, "in %s", f->into);
    else if (f->state == RP_FOUND_NOT_EVALUATED)
        snprintf(cell, CELL, "NE");
    else
        snprintf(cell, CELL, "%s", rp_state_code(f->state));
}

static void write_name(const table *t, size_t lesion, char name[CELL])
{
    const rp_timeline_lesion *l = &t->timeline->lesions[lesion];
    snprintf(name, CELL, "  %s %s%s%s", l->id, l->side, l->side[0] ? " " : "",
             l->organ[0] ? l->organ
             : l->nodal  ? "node"
                         : "");
    if (l->nodal && l->organ[0] && strlen(name) + 8 < CELL) strcat(name, ", node");
}

/* ---- rows -------------------------------------------------------------------------------- */

typedef void (*cell_writer)(const table *t, size_t visit, char cell[CELL]);

static void add_row(table *t, const char *name, cell_writer write)
{
    text_left(&t->text, name, t->name_columns);
    for (size_t v = t->first; v < t->end; v++) {
        char cell[CELL];
        write(t, v, cell);
        text_right(&t->text, cell, t->visit_columns);
    }
    text_add(&t->text, "\n");
}

static void write_id(const table *t, size_t v, char cell[CELL])
{
    snprintf(cell, CELL, "%s", t->timeline->visits[v].id);
}

static void write_date(const table *t, size_t v, char cell[CELL])
{
    snprintf(cell, CELL, "%s", t->timeline->visits[v].date);
}

/* In brackets where targets are missing from it. */
static void write_sum(const table *t, size_t v, char cell[CELL])
{
    const rp_visit_result *r = &t->result->visits[v];
    if (r->complete)
        snprintf(cell, CELL, "%.1f", r->sum);
    else if (isnan(r->evaluated_sum))
        cell[0] = '\0';
    else
        snprintf(cell, CELL, "(%.1f)", r->evaluated_sum);
}

static void write_percent(double percent, char cell[CELL])
{
    if (isnan(percent))
        cell[0] = '\0';
    else
        snprintf(cell, CELL, "%+.1f%%", percent);
}

static void write_from_baseline(const table *t, size_t v, char cell[CELL])
{
    write_percent(v ? t->result->visits[v].baseline_change_percent : NAN, cell);
}

static void write_from_nadir(const table *t, size_t v, char cell[CELL])
{
    write_percent(t->result->visits[v].nadir_change_percent, cell);
}

static void write_call(rp_call call, char cell[CELL])
{
    const char *code = rp_call_code(call);
    snprintf(cell, CELL, "%s", code && call != RP_CALL_NA ? code : "");
}

static void write_target(const table *t, size_t v, char cell[CELL])
{
    write_call(t->result->visits[v].target, cell);
}

static void write_non_target(const table *t, size_t v, char cell[CELL])
{
    write_call(t->result->visits[v].non_target, cell);
}

static void write_overall(const table *t, size_t v, char cell[CELL])
{
    write_call(t->result->visits[v].overall, cell);
}

static size_t count_role(const table *t, rp_lesion_role role)
{
    size_t count = 0;
    for (size_t l = 0; l < t->timeline->lesion_count; l++)
        count += t->timeline->lesions[l].role == role;
    return count;
}

static void add_lesions(table *t, rp_lesion_role role, const char *heading)
{
    if (!count_role(t, role)) return;
    text_add(&t->text, "%s\n", heading);
    for (size_t l = 0; l < t->timeline->lesion_count; l++) {
        char name[CELL], cell[CELL];
        if (t->timeline->lesions[l].role != role) continue;
        write_name(t, l, name);
        text_left(&t->text, name, t->name_columns);
        for (size_t v = t->first; v < t->end; v++) {
            write_cell(t, v, l, cell);
            text_right(&t->text, cell, t->visit_columns);
        }
        text_add(&t->text, "\n");
    }
}

static void add_block(table *t)
{
    char heading[CELL];
    snprintf(heading, sizeof heading, "targets, %s", unit(t));
    add_row(t, "", write_id);
    add_row(t, "", write_date);
    add_lesions(t, RP_ROLE_TARGET, heading);
    if (count_role(t, RP_ROLE_TARGET)) {
        add_row(t, "  sum", write_sum);
        add_row(t, "  from baseline", write_from_baseline);
        add_row(t, "  from nadir", write_from_nadir);
    }
    add_lesions(t, RP_ROLE_NON_TARGET, "non-targets");
    add_lesions(t, RP_ROLE_NEW, "new lesions");
    text_add(&t->text, "response\n");
    if (count_role(t, RP_ROLE_TARGET)) add_row(t, "  targets", write_target);
    if (count_role(t, RP_ROLE_NON_TARGET)) add_row(t, "  non-targets", write_non_target);
    add_row(t, "  overall", write_overall);
    text_add(&t->text, "\n");
}

/* ---- below the table --------------------------------------------------------------------- */

static void add_borderline(table *t, const rp_visit_result *r)
{
    for (size_t i = 0; i < r->borderline_count; i++) {
        const rp_borderline *b = &r->borderline[i];
        if (b->lesion < 0)
            text_add(&t->text, "    borderline: the sum is %.1f %s from the threshold of %s\n",
                     b->distance, unit(t), rp_threshold_code(b->threshold));
        else
            text_add(&t->text, "    borderline: node %s is %.1f mm from normal\n",
                     t->timeline->lesions[b->lesion].id, b->distance);
    }
}

static void add_sentences(table *t)
{
    for (size_t v = 1; v < t->result->visit_count; v++) {
        const rp_visit_result *r = &t->result->visits[v];
        text_add(&t->text, "%s: %s\n", t->timeline->visits[v].id, r->sentence);
        add_borderline(t, r);
        for (size_t i = 0; i < r->note_count; i++)
            text_add(&t->text, "    note: %s\n", r->notes[i]);
    }
    if (t->result->visit_count > 1) text_add(&t->text, "\n");
}

static void add_days(table *t, const char *name, int days, bool censored)
{
    text_left(&t->text, name, 24);
    text_add(&t->text, "%d days%s\n", days, censored ? ", censored: no progression so far" : "");
}

static void add_date(table *t, const char *name, int visit)
{
    const rp_timeline_visit *v = visit < 0 ? NULL : &t->timeline->visits[visit];
    text_left(&t->text, name, 24);
    if (v)
        text_add(&t->text, "%s, %s\n", v->date, v->id);
    else
        text_add(&t->text, "none\n");
}

static void add_summary(table *t)
{
    const rp_timeline_result *r = t->result;
    text_left(&t->text, "best overall response", 24);
    text_add(&t->text, "%s, %s%s\n", rp_call_code(r->best), rp_call_name(r->best),
             r->options.confirmation ? " (responses need confirmation)" : "");
    if (r->response_visit >= 0) add_date(t, "response", r->response_visit);
    add_date(t, "progression", r->progression_visit);
    if (r->response_visit >= 0)
        add_days(t, "duration of response", r->duration_days, r->duration_censored);
    add_days(t, "progression-free", r->progression_free_days, r->progression_free_censored);
    if (r->depth_visit >= 0) {
        text_left(&t->text, "depth", 24);
        text_add(&t->text, "%+.1f%%, %s\n", r->depth_percent,
                 t->timeline->visits[r->depth_visit].id);
    }
    for (size_t i = 0; i < r->note_count; i++) {
        text_left(&t->text, "note", 24);
        text_add(&t->text, "%s\n", r->notes[i]);
    }
}

/* ---- the whole --------------------------------------------------------------------------- */

static void find_widths(table *t)
{
    char word[CELL];
    t->name_columns = text_width("  from baseline");
    t->visit_columns = LEAST_COLUMN;
    for (size_t l = 0; l < t->timeline->lesion_count; l++) {
        write_name(t, l, word);
        if (text_width(word) > t->name_columns) t->name_columns = text_width(word);
        for (size_t v = 0; v < t->timeline->visit_count; v++) {
            write_cell(t, v, l, word);
            if (text_width(word) + 2 > t->visit_columns) t->visit_columns = text_width(word) + 2;
        }
    }
    for (size_t v = 0; v < t->timeline->visit_count; v++) {
        write_id(t, v, word);
        if (text_width(word) + 2 > t->visit_columns) t->visit_columns = text_width(word) + 2;
    }
}

char *rp_timeline_table(const rp_timeline *timeline, const rp_timeline_result *result)
{
    table t = {.timeline = timeline, .result = result};
    find_widths(&t);
    text_add(&t.text, "patient %s, %s%s%s\n\n", timeline->patient,
             rp_criteria_name(result->options.criteria), timeline->label[0] ? ", " : "",
             timeline->label);
    size_t step =
        t.name_columns < COLUMNS_A_LINE ? (COLUMNS_A_LINE - t.name_columns) / t.visit_columns : 1;
    if (!step) step = 1;
    for (t.first = 0; t.first < timeline->visit_count; t.first = t.end) {
        t.end = t.first + step < timeline->visit_count ? t.first + step : timeline->visit_count;
        add_block(&t);
    }
    add_sentences(&t);
    add_summary(&t);
    if (!t.text.failed) return t.text.data;
    rp_free(t.text.data);
    return NULL;
}
