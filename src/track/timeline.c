/* The timeline of what was tracked. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* One link on its way to a finding. */
typedef struct writer {
    const rp_tracking *tracking;
    const rp_track_visit *visits;
    const rp_timeline_lesion *table;
    rp_timeline *timeline;
    rp_error *err;
} writer;

static rp_lesion_role role_of(const writer *w, int lesion)
{
    const int row = w->tracking->lesions[lesion].table;
    return row < 0 ? RP_ROLE_NEW : w->table[row].role;
}

static bool is_nodal(const writer *w, int lesion)
{
    const int row = w->tracking->lesions[lesion].table;
    return row >= 0 && w->table[row].nodal;
}

static const rp_lesion *measured(const writer *w, const rp_link *link, size_t i)
{
    return &w->visits[link->visit].found[link->found[i]].measured;
}

static void set_measures(const writer *w, const rp_link *link, rp_timeline_finding *f)
{
    const rp_lesion *l = measured(w, link, 0);
    f->longest_mm = l->longest_diameter_mm;
    f->short_axis_mm = l->short_axis_mm;
    f->volume_cc = l->volume_cc;
}

static void set_parts(const writer *w, const rp_link *link, double parts[RP_TRACK_MOST],
                      rp_timeline_finding *f)
{
    f->volume_cc = 0.0;
    for (size_t i = 0; i < link->found_count; i++) {
        const rp_lesion *l = measured(w, link, i);
        parts[i] = is_nodal(w, link->lesion) ? l->short_axis_mm : l->longest_diameter_mm;
        f->volume_cc += l->volume_cc;
    }
    f->parts_mm = parts;
    f->part_count = link->found_count;
}

/* The finding without measurements; false where a new lesion has none. */
static bool state_of(const writer *w, const rp_link *link, rp_finding_state *state)
{
    const rp_lesion_role role = role_of(w, link->lesion);
    const bool there = link->kind == RP_LINK_BASELINE || link->kind == RP_LINK_MATCH ||
                       link->kind == RP_LINK_NEW || link->kind == RP_LINK_SPLIT ||
                       link->kind == RP_LINK_MERGED;
    const bool absent = strcmp(link->decision, "absent") == 0;
    const bool small = strcmp(link->decision, "too small") == 0;
    if (role == RP_ROLE_NEW) {
        *state = absent || strcmp(link->decision, "no lesion") == 0 ? RP_FOUND_ABSENT
                 : link->unequivocal                                ? RP_FOUND_UNEQUIVOCAL
                                                                    : RP_FOUND_EQUIVOCAL;
        return absent || small || link->kind == RP_LINK_NEW ||
               (there && link->state != RP_LINK_PROPOSED);
    }
    *state = RP_FOUND_NOT_EVALUATED;
    if (link->state == RP_LINK_PROPOSED) return true;
    if (absent)
        *state = RP_FOUND_ABSENT;
    else if (role == RP_ROLE_NON_TARGET)
        *state = there || small ? RP_FOUND_PRESENT : RP_FOUND_NOT_EVALUATED;
    else if (small)
        *state = RP_FOUND_TOO_SMALL;
    else if (link->kind == RP_LINK_SPLIT)
        *state = RP_FOUND_SPLIT;
    else if (link->kind == RP_LINK_MERGED)
        *state =
            role_of(w, link->into) == RP_ROLE_TARGET ? RP_FOUND_MERGED : RP_FOUND_NOT_EVALUATED;
    else if (there)
        *state = RP_FOUND_MEASURED;
    return true;
}

static rp_status add_finding(const writer *w, const rp_link *link)
{
    double parts[RP_TRACK_MOST];
    rp_finding_state state;
    if (link->lesion < 0 || !state_of(w, link, &state)) return RP_OK;
    rp_timeline_finding f = rp_timeline_finding_of(w->tracking->lesions[link->lesion].id, state);
    const bool seen =
        link->kind == RP_LINK_BASELINE || link->kind == RP_LINK_MATCH || link->kind == RP_LINK_NEW;
    if (state == RP_FOUND_SPLIT)
        set_parts(w, link, parts, &f);
    else if (state == RP_FOUND_MERGED)
        f.into = w->tracking->lesions[link->into].id;
    else if (seen && state != RP_FOUND_NOT_EVALUATED && state != RP_FOUND_ABSENT)
        set_measures(w, link, &f);
    return rp_timeline_add_finding(w->timeline, link->visit, &f, w->err);
}

static rp_status add_lesion(const writer *w, size_t i)
{
    const rp_tracked *tracked = &w->tracking->lesions[i];
    rp_timeline_lesion lesion = {.organ = "unknown", .role = RP_ROLE_NEW};
    if (tracked->table >= 0) lesion = w->table[tracked->table];
    lesion.id = tracked->id;
    return rp_timeline_add_lesion(w->timeline, &lesion, w->err);
}

rp_status rp_tracking_timeline(const rp_tracking *tracking, const rp_track_visit *visits,
                               size_t count, const rp_timeline_lesion *table, const char *patient,
                               const char *label, rp_timeline *timeline, rp_error *err)
{
    const writer w = {tracking, visits, table, timeline, err};
    rp_status status = rp_timeline_init(timeline, patient, label, err);
    for (size_t i = 0; !status && i < tracking->lesion_count; i++) status = add_lesion(&w, i);
    for (size_t v = 0; !status && v < count; v++) {
        const rp_grid *grid = &visits[v].grid;
        const rp_timeline_visit visit = {.id = visits[v].id,
                                         .date = visits[v].date,
                                         .slice_spacing_mm =
                                             grid->spacing[rp_grid_axial_axis(grid)],
                                         .phase = visits[v].phase};
        status = rp_timeline_add_visit(timeline, &visit, err);
    }
    for (size_t i = 0; !status && i < tracking->link_count; i++)
        status = add_finding(&w, &tracking->links[i]);
    if (status) rp_timeline_release(timeline);
    return status;
}
