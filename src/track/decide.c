/* What a person has decided. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {"baseline", "match",    "new",    "split",
                                    "merged",   "vanished", "outside"};
static const char *const choices[] = {"",
                                      "yes, no",
                                      "new, equivocal, no lesion",
                                      "split, no",
                                      "merged, no",
                                      "absent, too small, not evaluated",
                                      "not evaluated, absent"};

const char *rp_link_kind_code(rp_link_kind kind)
{
    return kinds[kind];
}

const char *rp_link_state_code(rp_link_state state)
{
    static const char *const codes[] = {"matched", "proposed", "decided"};
    return codes[state];
}

const char *rp_link_choices(rp_link_kind kind)
{
    return choices[kind];
}

/* ---- words ------------------------------------------------------------------------------- */

static bool is_choice(rp_link_kind kind, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = choices[kind]; at && *at;) {
        const char *end = strchr(at, ',');
        const size_t size = end ? (size_t)(end - at) : strlen(at);
        if (size == length && strncmp(at, word, size) == 0) return true;
        at = end ? end + 2 : NULL;
    }
    return false;
}

static int known_by_id(const tracker *t, const char *id)
{
    for (size_t i = 0; i < t->out->lesion_count; i++)
        if (strcmp(t->out->lesions[i].id, id) == 0) return (int)i;
    return -1;
}

static bool is_kind(const rp_track_decision *d, rp_link_kind kind)
{
    return strcmp(d->kind, kinds[kind]) == 0;
}

/* Only lesions of the table are known by name before the work: others may turn up. */
rp_status decisions_check_words(const tracker *t)
{
    for (size_t i = 0; i < t->options->decision_count; i++) {
        const rp_track_decision *d = &t->options->decisions[i];
        rp_link_kind kind = RP_LINK_MATCH;
        while (kind <= RP_LINK_OUTSIDE && !is_kind(d, kind)) kind++;
        if (kind > RP_LINK_OUTSIDE)
            return rp_fail(t->err, RP_ERR_FORMAT, "line %zu: there is no kind '%.60s'", d->line,
                           d->kind);
        if (!is_choice(kind, d->decision) && kind != RP_LINK_NEW)
            return rp_fail(t->err, RP_ERR_FORMAT, "line %zu: '%s' is decided by %s, not '%.60s'",
                           d->line, kinds[kind], choices[kind], d->decision);
    }
    return RP_OK;
}

rp_status decisions_check_used(const tracker *t)
{
    for (size_t i = 0; i < t->options->decision_count; i++) {
        const rp_track_decision *d = &t->options->decisions[i];
        if (!t->used[i])
            return rp_fail(t->err, RP_ERR_FORMAT,
                           "line %zu: this decision ('%.60s' at visit '%.60s') fits no proposal: "
                           "masks, visits or other decisions have changed since",
                           d->line, d->kind, d->visit);
    }
    return RP_OK;
}

/* ---- looked up ----------------------------------------------------------------------------- */

static bool listed(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == '\0' || at[length] == ';'))
            return true;
    return false;
}

/* The same names, in whatever order: which part comes first depends on earlier decisions. */
static bool same_names(const char *a, const char *b)
{
    char name[1024];
    if (strlen(a) != strlen(b)) return false;
    for (const char *at = a; at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ";"), at);
        if (!listed(b, name)) return false;
    }
    return true;
}

const char *decision_on(tracker *t, size_t visit, rp_link_kind kind, const char *lesion,
                        const char *found, const char *into)
{
    for (size_t i = 0; i < t->options->decision_count; i++) {
        const rp_track_decision *d = &t->options->decisions[i];
        if (t->used[i] || !is_kind(d, kind) || strcmp(d->visit, t->visits[visit].id) != 0) continue;
        if (kind != RP_LINK_NEW && strcmp(d->lesion, lesion) != 0) continue;
        if (found && !same_names(d->found, found)) continue;
        if (into && strcmp(d->into, into) != 0) continue;
        if (strcmp(d->decision, "no") == 0 ||
            (kind == RP_LINK_NEW && !is_choice(kind, d->decision)))
            continue; /* done before the matching, or fits nothing */
        t->used[i] = true;
        return d->decision;
    }
    return NULL;
}

/* ---- before the matching ------------------------------------------------------------------- */

/* Does something to each pair of the lesion and what is listed; how many there are. */
static size_t mark(matching *m, int lesion, const char *list, rp_link_kind kind, bool yes)
{
    size_t met = 0;
    for (size_t f = 0; f < m->found_count; f++) {
        if (!listed(list, m->t->visits[m->visit].found[f].name)) continue;
        pair *p = &m->pairs[(size_t)lesion * m->found_count + f];
        met++;
        if (kind != RP_LINK_MATCH && kind != RP_LINK_NEW)
            p->no_part = true;
        else if (yes)
            p->forced = true;
        else
            p->forbidden = p->no_part = true;
    }
    return met;
}

static rp_status prepare_one(matching *m, size_t i)
{
    tracker *t = m->t;
    const rp_track_decision *d = &t->options->decisions[i];
    const bool no = strcmp(d->decision, "no") == 0;
    const bool to_known = is_kind(d, RP_LINK_NEW) && !is_choice(RP_LINK_NEW, d->decision);
    if (!no && !to_known && !is_kind(d, RP_LINK_MATCH)) return RP_OK;
    const int lesion = known_by_id(t, to_known ? d->decision : d->lesion);
    if (to_known && lesion < 0)
        return rp_fail(t->err, RP_ERR_FORMAT,
                       "line %zu: 'new' is decided by %s, or the id of a known lesion, not '%.60s'",
                       d->line, choices[RP_LINK_NEW], d->decision);
    if (lesion < 0 || (size_t)lesion >= m->known_count) return RP_OK;
    rp_link_kind kind = RP_LINK_MATCH;
    while (!is_kind(d, kind)) kind++;
    /* What a person has called merged before cannot be parted here: the decision fits nothing. */
    if (kind == RP_LINK_MERGED && t->known[lesion].merged_into >= 0) return RP_OK;
    if (mark(m, lesion, d->found, kind, !no)) t->used[i] = true;
    return RP_OK;
}

/* A person who gives two lesions to one, or one to two, has made a mistake. */
static rp_status check_forced(const matching *m)
{
    for (size_t k = 0; k < m->known_count; k++)
        for (size_t f = 0; f < m->found_count; f++) {
            if (!m->pairs[k * m->found_count + f].forced) continue;
            for (size_t i = 0; i < m->known_count * m->found_count; i++) {
                const bool shares = i / m->found_count == k || i % m->found_count == f;
                if (m->pairs[i].forced && shares && i != k * m->found_count + f)
                    return rp_fail(m->t->err, RP_ERR_FORMAT,
                                   "visit '%s': two decisions match one lesion twice (%s and '%s')",
                                   m->t->visits[m->visit].id, m->t->out->lesions[k].id,
                                   m->t->visits[m->visit].found[f].name);
            }
        }
    return RP_OK;
}

rp_status decisions_prepare(matching *m)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < m->t->options->decision_count; i++)
        if (strcmp(m->t->options->decisions[i].visit, m->t->visits[m->visit].id) == 0)
            status = prepare_one(m, i);
    return status ? status : check_forced(m);
}
