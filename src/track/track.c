/* Visit after visit. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* What a lesion costs that stays without partner: two of them are dearer than any possible pair. */
static const double ALONE = 0.55, NEVER = 1e6, FORCED = -1e3;

void rp_track_defaults(rp_track_options *options)
{
    *options = (rp_track_options){.gap_mm = 15.0, .overlap = 0.3};
}

static rp_status no_memory(rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "tracking: out of memory");
}

/* ---- lists ------------------------------------------------------------------------------- */

/* Room for one more, in steps of powers of two. */
static bool grow(void *items_address, size_t count, size_t *room, size_t size)
{
    void **items = items_address;
    if (count < *room) return true;
    const size_t more = *room ? 2 * *room : 16;
    void *moved = rp_alloc(more, size);
    if (!moved) return false;
    if (count) memcpy(moved, *items, count * size);
    rp_free(*items);
    *items = moved;
    *room = more;
    return true;
}

rp_status lesion_add(tracker *t, const char *id, int table, size_t visit, size_t found)
{
    rp_tracking *out = t->out;
    size_t room = t->known_room;
    for (size_t i = 0; i < out->lesion_count; i++)
        if (strcmp(out->lesions[i].id, id) == 0)
            return rp_fail(t->err, RP_ERR_ARGUMENT, "two lesions have the id '%s'", id);
    if (!grow(&out->lesions, out->lesion_count, &room, sizeof *out->lesions) ||
        !grow(&t->known, out->lesion_count, &t->known_room, sizeof *t->known))
        return no_memory(t->err);
    rp_tracked *made = &out->lesions[out->lesion_count];
    known *k = &t->known[out->lesion_count++];
    *made = (rp_tracked){.table = table, .first_visit = visit};
    snprintf(made->id, sizeof made->id, "%s", id);
    const cloud *c = &t->clouds[visit][found];
    *k = (known){.visit = visit, .parts = {found}, .part_count = 1, .merged_into = -1};
    k->radius_mm = c->radius_mm;
    to_baseline(&t->visits[visit], k->shift, c->centre, k->place);
    /* The shift is looked for where the lesion seems to lie, then counts. */
    double shift[3];
    local_shift(t, visit, k->place, k->radius_mm, shift);
    memcpy(k->shift, shift, sizeof shift);
    to_baseline(&t->visits[visit], k->shift, c->centre, k->place);
    return RP_OK;
}

rp_link *link_add(tracker *t, size_t visit, int lesion, rp_link_kind kind, const size_t *found,
                  size_t found_count)
{
    rp_tracking *out = t->out;
    size_t *copy = rp_alloc(found_count, sizeof *copy);
    if (!copy || !grow(&out->links, out->link_count, &t->link_room, sizeof *out->links)) {
        rp_free(copy);
        no_memory(t->err);
        return NULL;
    }
    if (found_count) memcpy(copy, found, found_count * sizeof *copy);
    rp_link *link = &out->links[out->link_count++];
    *link = (rp_link){.visit = visit,
                      .lesion = lesion,
                      .kind = kind,
                      .found = copy,
                      .found_count = found_count,
                      .into = -1,
                      .overlap = NAN,
                      .dice = NAN,
                      .gap_mm = NAN,
                      .centroid_mm = NAN,
                      .shift_mm = NAN};
    return link;
}

/* ---- one visit ----------------------------------------------------------------------------- */

/* Each known lesion may also stay alone, in a column of its own. */
static rp_status assign(matching *m)
{
    const size_t columns = m->found_count + m->known_count;
    RP_AUTOFREE double *cost = rp_alloc(m->known_count * columns, sizeof *cost);
    if (!cost) return no_memory(m->t->err);
    for (size_t k = 0; k < m->known_count; k++)
        for (size_t c = 0; c < columns; c++) {
            double *at = &cost[k * columns + c];
            if (c >= m->found_count) {
                *at = ALONE;
                continue;
            }
            const pair *p = &m->pairs[k * m->found_count + c];
            const bool never = p->forbidden || isinf(p->cost) || m->t->known[k].merged_into >= 0;
            *at = p->forced ? FORCED : never ? NEVER : p->cost - ALONE;
        }
    rp_status status = assign_least(cost, m->known_count, columns, m->partner, m->t->err);
    for (size_t f = 0; f < m->found_count; f++) m->owner[f] = -1;
    for (size_t k = 0; !status && k < m->known_count; k++) {
        if (m->partner[k] >= (int)m->found_count) m->partner[k] = -1;
        if (m->partner[k] >= 0) m->owner[m->partner[k]] = (int)k;
    }
    return status;
}

static rp_status match_visit(tracker *t, size_t visit)
{
    const size_t known_count = t->out->lesion_count, found_count = t->visits[visit].found_count;
    RP_AUTOFREE pair *pairs = rp_alloc(known_count * found_count, sizeof *pairs);
    RP_AUTOFREE int *ends = rp_alloc(known_count + found_count, sizeof *ends);
    RP_AUTOFREE double *shifts = rp_alloc(4 * known_count, sizeof *shifts);
    if (!pairs || !ends || !shifts) return no_memory(t->err);
    matching m = {t,
                  visit,
                  known_count,
                  found_count,
                  pairs,
                  ends,
                  ends + known_count,
                  (double(*)[3])shifts,
                  shifts + 3 * known_count};
    pairs_measure(&m);
    rp_status status = decisions_prepare(&m);
    if (!status) status = assign(&m);
    return status ? status : links_make(&m);
}

static rp_status start(tracker *t, const char *const *ids)
{
    rp_status status = RP_OK;
    for (size_t f = 0; !status && f < t->visits[0].found_count; f++) {
        status = lesion_add(t, ids[f], (int)f, 0, f);
        if (status) break;
        rp_link *link = link_add(t, 0, (int)f, RP_LINK_BASELINE, &f, 1);
        if (!link) return RP_ERR_MEMORY;
        snprintf(link->reason, sizeof link->reason, "found at baseline");
    }
    return status;
}

/* ---- all of them --------------------------------------------------------------------------- */

static void release_clouds(tracker *t)
{
    for (size_t v = 0; t->clouds && v < t->visit_count; v++) {
        for (size_t f = 0; t->clouds[v] && f < t->visits[v].found_count; f++)
            cloud_release(&t->clouds[v][f]);
        rp_free(t->clouds[v]);
    }
    rp_free(t->clouds);
}

static rp_status make_clouds(tracker *t)
{
    rp_status status = RP_OK;
    t->clouds = rp_alloc(t->visit_count, sizeof *t->clouds);
    if (!t->clouds) return no_memory(t->err);
    for (size_t v = 0; !status && v < t->visit_count; v++) {
        const rp_track_visit *visit = &t->visits[v];
        if (visit->found_count > RP_TRACK_MOST)
            return rp_fail(t->err, RP_ERR_ARGUMENT,
                           "visit '%s': %zu lesions, more than %d: is this a mask of lesions?",
                           visit->id, visit->found_count, RP_TRACK_MOST);
        t->clouds[v] = rp_alloc(visit->found_count, sizeof **t->clouds);
        if (!t->clouds[v]) return no_memory(t->err);
        for (size_t f = 0; !status && f < visit->found_count; f++)
            status = cloud_make(&visit->found[f], &t->clouds[v][f], t->err);
    }
    return status;
}

rp_status rp_track(const rp_track_visit *visits, size_t count, const char *const *ids,
                   const rp_track_options *options, rp_tracking *out, rp_error *err)
{
    rp_tracking made = {0};
    tracker t = {
        .visits = visits, .visit_count = count, .options = options, .out = &made, .err = err};
    if (count == 0) return rp_fail(err, RP_ERR_ARGUMENT, "tracking: no visit");
    RP_AUTOFREE bool *used = rp_alloc(options->decision_count, sizeof *used);
    t.used = used;
    rp_status status = used ? decisions_check_words(&t) : no_memory(err);
    if (!status) status = make_clouds(&t);
    if (!status) status = start(&t, ids);
    for (size_t v = 1; !status && v < count; v++) status = match_visit(&t, v);
    if (!status) status = decisions_check_used(&t);
    release_clouds(&t);
    rp_free(t.known);
    if (status)
        rp_tracking_release(&made);
    else
        *out = made;
    return status;
}

void rp_tracking_release(rp_tracking *tracking)
{
    for (size_t i = 0; i < tracking->link_count; i++) rp_free(tracking->links[i].found);
    rp_free(tracking->links);
    rp_free(tracking->lesions);
    *tracking = (rp_tracking){0};
}

size_t rp_tracking_open(const rp_tracking *tracking)
{
    size_t open = 0;
    for (size_t i = 0; i < tracking->link_count; i++)
        open += tracking->links[i].state == RP_LINK_PROPOSED && !tracking->links[i].follows;
    return open;
}
