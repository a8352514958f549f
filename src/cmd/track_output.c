/* The timeline with its tracking as JSON, and the table of proposals. */
#include "track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- looked up ----------------------------------------------------------------------------- */

const rp_link *track_link(const track_work *w, size_t lesion, size_t visit)
{
    for (size_t i = 0; i < w->tracking.link_count; i++) {
        const rp_link *l = &w->tracking.links[i];
        if (l->lesion == (int)lesion && l->visit == visit) return l;
    }
    return NULL;
}

char *track_names(const track_work *w, const rp_link *link)
{
    char *names = rp_strdup("");
    for (size_t i = 0; names && i < link->found_count; i++) {
        char *more = rp_format("%s%s%s", names, i ? ";" : "",
                               w->tracked[link->visit].found[link->found[i]].name);
        rp_free(names);
        names = more;
    }
    return names;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void track_shifts(const track_work *w, size_t visit, double *median, double *largest)
{
    size_t count = 0;
    RP_AUTOFREE double *shifts = rp_alloc(w->tracking.link_count, sizeof *shifts);
    *median = *largest = NAN;
    for (size_t i = 0; shifts && i < w->tracking.link_count; i++) {
        const rp_link *l = &w->tracking.links[i];
        if (l->visit == visit && !isnan(l->shift_mm)) shifts[count++] = l->shift_mm;
    }
    if (!count) return;
    qsort(shifts, count, sizeof *shifts, by_size);
    *median = 0.5 * (shifts[(count - 1) / 2] + shifts[count / 2]);
    *largest = shifts[count - 1];
}

static const char *id_of(const track_work *w, int lesion)
{
    return lesion < 0 ? "" : w->tracking.lesions[lesion].id;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static rp_json *rigid_json(const rp_rigid *rigid)
{
    rp_json *json = rp_json_object(), *rows = rp_json_array();
    for (int r = 0; r < 3; r++) {
        rp_json *row = rp_json_array();
        for (int c = 0; c < 3; c++) rp_json_append_number(row, rigid->rotation[r][c]);
        rp_json_append(rows, row);
    }
    rp_json_set(json, "rotation", rows);
    rp_json_set_numbers(json, "centre_lps", rigid->centre, 3);
    rp_json_set_numbers(json, "translation_mm", rigid->translation, 3);
    rp_json_set_number(json, "degrees", rp_rigid_degrees(rigid));
    rp_json_set_number(json, "shift_mm", rp_rigid_shift_mm(rigid));
    return json;
}

static rp_json *registration_json(const track_work *w, size_t visit)
{
    const rp_registration *r = &w->visits[visit].registration;
    double median, largest;
    rp_json *json = rp_json_object();
    track_shifts(w, visit, &median, &largest);
    rp_json_set_string(json, "quality", rp_registration_quality_name(r->quality));
    rp_json_set_string(json, "reason", r->reason);
    rp_json_set_number(json, "correlation", r->correlation);
    rp_json_set_number(json, "correlation_at_start", r->correlation_at_start);
    rp_json_set_number(json, "runner_up", r->runner_up);
    rp_json_set_number(json, "overlap", r->overlap);
    rp_json_set_number(json, "error_at_lesions_median_mm", median);
    rp_json_set_number(json, "error_at_lesions_max_mm", largest);
    rp_json_set(json, "from_baseline", rigid_json(&r->transform));
    return json;
}

static rp_json *found_json(const rp_found *f)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "name", f->name);
    rp_json_set_number(json, "longest_mm", f->measured.longest_diameter_mm);
    rp_json_set_number(json, "short_axis_mm", f->measured.short_axis_mm);
    rp_json_set_number(json, "volume_cc", f->measured.volume_cc);
    rp_json_set_int(json, "slice_index", f->measured.slice_index);
    rp_json_set_int(json, "slice_axis", f->measured.slice_axis);
    rp_json_set_numbers(json, "centroid_lps", f->measured.centroid_lps, 3);
    return json;
}

static rp_json *visit_json(const track_work *w, size_t visit)
{
    const track_visit *v = &w->visits[visit];
    rp_json *json = rp_json_object(), *found = rp_json_array();
    rp_json_set_string(json, "visit", w->plan.visits[visit].visit);
    rp_json_set_string(json, "image", w->plan.visits[visit].image);
    rp_json_set_string(json, "image_sha256", v->image_sha256);
    rp_json_set_string(json, "mask", w->plan.visits[visit].mask);
    rp_json_set_string(json, "mask_sha256", v->masks.sha256);
    rp_json_set_int(json, "passed_over", (int64_t)v->masks.passed_over);
    for (size_t f = 0; f < v->masks.count; f++)
        rp_json_append(found, found_json(&v->masks.found[f]));
    rp_json_set(json, "found", found);
    if (visit > 0) rp_json_set(json, "registration", registration_json(w, visit));
    return json;
}

static void set_link(const track_work *w, const rp_link *l, rp_json *json)
{
    rp_json *found = rp_json_array();
    rp_json_set_string(json, "visit", w->tracked[l->visit].id);
    rp_json_set_string(json, "kind", rp_link_kind_code(l->kind));
    rp_json_set_string(json, "lesion", l->lesion < 0 ? NULL : id_of(w, l->lesion));
    for (size_t i = 0; i < l->found_count; i++)
        rp_json_append_string(found, w->tracked[l->visit].found[l->found[i]].name);
    rp_json_set(json, "found", found);
    rp_json_set_string(json, "into", l->into < 0 ? NULL : id_of(w, l->into));
    rp_json_set_string(json, "reason", l->reason);
}

static rp_json *link_json(const track_work *w, const rp_link *l)
{
    rp_json *json = rp_json_object();
    set_link(w, l, json);
    rp_json_set_string(json, "state", rp_link_state_code(l->state));
    rp_json_set_string(json, "decision", l->decision[0] ? l->decision : NULL);
    rp_json_set_bool(json, "follows", l->follows);
    rp_json_set_number(json, "overlap", l->overlap);
    rp_json_set_number(json, "dice", l->dice);
    rp_json_set_number(json, "gap_mm", l->gap_mm);
    rp_json_set_number(json, "centroid_mm", l->centroid_mm);
    rp_json_set_number(json, "error_mm", l->shift_mm);
    return json;
}

static bool is_open(const rp_link *l)
{
    return l->state == RP_LINK_PROPOSED && !l->follows;
}

static rp_json *tracking_json(const track_work *w, int argc, char **argv)
{
    rp_json *json = rp_json_object(), *visits = rp_json_array(), *links = rp_json_array();
    for (size_t v = 0; v < w->plan.visit_count; v++) rp_json_append(visits, visit_json(w, v));
    for (size_t i = 0; i < w->tracking.link_count; i++)
        rp_json_append(links, link_json(w, &w->tracking.links[i]));
    rp_json_set_bool(json, "lesion_table", w->options->lesions != NULL);
    rp_json_set_string(json, "definition", rp_diameter_definition_name(w->options->definition));
    rp_json_set_number(json, "gap_mm", w->options->gap_mm);
    rp_json_set_number(json, "overlap", w->options->overlap);
    rp_json_set_bool(json, "local_shifts", !w->options->no_local);
    rp_json_set(json, "visits", visits);
    rp_json_set(json, "links", links);
    rp_json_set(json, "provenance", cmd_provenance_json(argc, argv));
    return json;
}

static rp_json *proposals_json(const track_work *w)
{
    rp_json *list = rp_json_array();
    for (size_t i = 0; i < w->tracking.link_count; i++) {
        const rp_link *l = &w->tracking.links[i];
        if (!is_open(l)) continue;
        rp_json *one = rp_json_object();
        set_link(w, l, one);
        rp_json_set_string(one, "choices", rp_link_choices(l->kind));
        rp_json_append(list, one);
    }
    return list;
}

/* ---- the table --------------------------------------------------------------------------- */

static rp_status write_row(const track_work *w, const rp_link *l, rp_outfile *out, rp_error *err)
{
    char mm[32] = "", hash[TRACK_HASH];
    RP_AUTOFREE char *names = track_names(w, l);
    if (!names) return rp_fail(err, RP_ERR_MEMORY, "proposals: out of memory");
    const rp_found *first = l->found_count ? &w->tracked[l->visit].found[l->found[0]] : NULL;
    if (first) snprintf(mm, sizeof mm, "%.1f", first->measured.longest_diameter_mm);
    snprintf(hash, sizeof hash, "%.*s", TRACK_HASH - 1, w->visits[l->visit].masks.sha256);
    const char *const cells[] = {w->tracked[l->visit].id,
                                 rp_link_kind_code(l->kind),
                                 id_of(w, l->lesion),
                                 names,
                                 mm,
                                 id_of(w, l->into),
                                 l->reason,
                                 rp_link_choices(l->kind),
                                 l->decision,
                                 hash};
    const size_t count = sizeof cells / sizeof *cells;
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < count; i++)
        status = rp_csv_write_cell(out, cells[i], i + 1 < count ? "," : "\n", err);
    return status;
}

/* Decisions that were made and what is open. What led to other proposals (a match that a person
 * refused) is taken from the table that said so. */
static rp_status write_table(const track_work *w, const char *path, rp_error *err)
{
    rp_outfile *out = NULL;
    rp_status status = rp_outfile_create(path, &out, err);
    if (!status)
        status = rp_outfile_printf(out, err,
                                   "visit,kind,lesion,found,found_mm,into,reason,choices,decision,"
                                   "mask_sha256\n");
    for (size_t i = 0; !status && i < w->tracking.link_count; i++)
        if (is_open(&w->tracking.links[i])) status = write_row(w, &w->tracking.links[i], out, err);
    for (size_t i = 0; !status && i < w->plan.decision_count; i++) {
        const rp_track_decision *d = &w->plan.decisions[i];
        const char *const cells[] = {
            d->visit, d->kind,   d->lesion, d->found,    "",
            d->into,  "decided", "",        d->decision, w->plan.decision_hashes[i]};
        for (size_t c = 0; !status && c < 10; c++)
            status = rp_csv_write_cell(out, cells[c], c < 9 ? "," : "\n", err);
    }
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}

rp_status track_write(const track_work *w, const char *proposals, int argc, char **argv,
                      rp_error *err)
{
    rp_status status = write_table(w, proposals, err);
    if (status) return status;
    rp_json *json = rp_timeline_json(&w->timeline);
    if (!json) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", w->options->out);
    rp_json_set(json, "proposals", proposals_json(w));
    rp_json_set(json, "tracking", tracking_json(w, argc, argv));
    status = rp_json_write(w->options->out, json, err);
    rp_json_destroy(json);
    return status;
}
