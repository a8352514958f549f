/* iRECIST: progression waits for confirmation (Seymour et al. 2017). Each visit keeps its call by
 * RECIST 1.1 and the memory that goes with it; this turns PD into iUPD or iCPD. */
#include "internal.h"

#include <string.h>

/* An unconfirmed progression and what belonged to it. */
typedef struct run {
    bool pending;
    size_t first, last; /* visits */
    bool targets, non_targets;
    bool *known;  /* [lesion]: new lesions that an earlier run left behind; they count by growth */
    double *size; /* [lesion]: of new ones, the smallest so far; NaN: not measured */
} run;

typedef struct confirmation {
    const char *rule; /* NULL: not confirmed */
    int lesion;
} confirmation;

static int days_between(const course *c, size_t from, size_t to)
{
    return c->day[to] - c->day[from];
}

static bool is_in(const course *c, size_t visit, size_t lesion, rp_finding_state state)
{
    return state_at(c, visit, lesion) == state;
}

/* The first lesion of the role in the state at this visit and not at the one before. */
static int first_since(const course *c, size_t visit, size_t before, rp_lesion_role role,
                       rp_finding_state state)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == role && is_in(c, visit, l, state) && !is_in(c, before, l, state))
            return (int)l;
    return NO_INDEX;
}

/* The first lesion of the role that has worsened since the visit before, as a person says: what is
 * not measured confirms by any increase. */
static int first_further(const course *c, size_t visit, rp_lesion_role role)
{
    for (size_t l = 0; l < c->lesions; l++) {
        finding_at f = found(c, visit, l);
        if (role_of(c, l) == role && f && f->state == RP_FOUND_FURTHER) return (int)l;
    }
    return NO_INDEX;
}

static double new_size(const course *c, size_t visit, size_t lesion)
{
    finding_at f = found(c, visit, lesion);
    if (state_at(c, visit, lesion) != RP_FOUND_UNEQUIVOCAL) return NAN;
    return c->timeline->lesions[lesion].nodal ? f->short_axis_mm : f->longest_mm;
}

/* A sum now and then over the lesions measured at both. */
typedef struct growth {
    double now, then;
    int first; /* of those lesions; NO_INDEX: there is none */
} growth;

static void add_growth(growth *g, size_t lesion, double now, double then)
{
    if (isnan(now) || isnan(then)) return;
    if (g->first == NO_INDEX) g->first = (int)lesion;
    g->now += now;
    g->then += then;
}

static growth growth_of_new(const course *c, size_t visit, size_t since)
{
    growth g = {.first = NO_INDEX};
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_NEW)
            add_growth(&g, l, new_size(c, visit, l), new_size(c, since, l));
    return g;
}

static growth growth_of_targets(const course *c, size_t visit, size_t since)
{
    growth g = {.first = NO_INDEX};
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_TARGET)
            add_growth(&g, l, c->value[visit * c->lesions + l], c->value[since * c->lesions + l]);
    return g;
}

static bool grew_further(const course *c, const growth *g)
{
    return g->first != NO_INDEX &&
           at_least(g->now - g->then, c->options->irecist_further_mm, g->now);
}

/* Growth adds up since any iUPD of the run, the first above all (EORTC's answers on iRECIST: 4 mm
 * and then 2 mm confirm). Visits that were not evaluated lie between. */
static bool is_of_run(const course *c, size_t visit)
{
    return c->results[visit].overall == RP_CALL_IUPD;
}

static bool new_lesions_grew(const course *c, size_t visit, const run *u, int *first)
{
    for (size_t v = u->first; v < visit; v++) {
        const growth g = growth_of_new(c, visit, v);
        if (!is_of_run(c, v) || !grew_further(c, &g)) continue;
        *first = g.first;
        return true;
    }
    *first = NO_INDEX;
    return false;
}

static bool targets_grew(const course *c, size_t visit, const run *u)
{
    for (size_t v = u->first; v < visit; v++) {
        const growth g = growth_of_targets(c, visit, v);
        if (is_of_run(c, v) && c->results[v].target == RP_CALL_PD && grew_further(c, &g))
            return true;
    }
    return false;
}

static confirmation confirm_by_targets(const course *c, size_t visit, const run *u)
{
    const rp_visit_result *now = &c->results[visit];
    if (now->target != RP_CALL_PD) return (confirmation){NULL, NO_INDEX};
    /* After an iUPD there is no complete response for a target to come back from. */
    if (!u->targets || targets_grew(c, visit, u))
        return (confirmation){"iCPD-sum", now->target_lesion};
    return (confirmation){NULL, NO_INDEX};
}

static confirmation confirm_by_non_targets(const course *c, size_t visit, const run *u)
{
    if (c->results[visit].non_target != RP_CALL_PD) return (confirmation){NULL, NO_INDEX};
    int lesion = u->non_targets
                     ? first_since(c, visit, u->last, RP_ROLE_NON_TARGET, RP_FOUND_PROGRESSION)
                     : first_in_state(c, visit, RP_ROLE_NON_TARGET, RP_FOUND_PROGRESSION);
    if (lesion == NO_INDEX) lesion = first_further(c, visit, RP_ROLE_NON_TARGET);
    return (confirmation){lesion == NO_INDEX ? NULL : "iCPD-non-target", lesion};
}

static confirmation confirm_by_new(const course *c, size_t visit, const run *u)
{
    int lesion = first_since(c, visit, u->last, RP_ROLE_NEW, RP_FOUND_UNEQUIVOCAL);
    if (lesion == NO_INDEX && !new_lesions_grew(c, visit, u, &lesion))
        lesion = first_further(c, visit, RP_ROLE_NEW);
    return (confirmation){lesion == NO_INDEX ? NULL : "iCPD-new", lesion};
}

static confirmation find_confirmation(const course *c, size_t visit, const run *u)
{
    confirmation found_one = confirm_by_new(c, visit, u);
    if (!found_one.rule) found_one = confirm_by_targets(c, visit, u);
    if (!found_one.rule) found_one = confirm_by_non_targets(c, visit, u);
    return found_one;
}

static const char *rule_of_immune(const char *rule)
{
    static const char *const pairs[][2] = {{"PD-sum", "iUPD-sum"},
                                           {"PD-reappearance", "iUPD-reappearance"},
                                           {"PD-new", "iUPD-new"},
                                           {"PD-non-target", "iUPD-non-target"},
                                           {"CR", "iCR"},
                                           {"CR-non-target-remains", "iCR-non-target-remains"},
                                           {"PR", "iPR"},
                                           {"PR-kept", "iPR-kept"},
                                           {"SD", "iSD"},
                                           {"NT-CR", "iNT-CR"},
                                           {"NT-NN", "iNT-NN"},
                                           {"CR-new-remains", "iCR-new-remains"},
                                           {"NT-new-remains", "iNT-new-remains"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(rule, pairs[i][0]) == 0) return pairs[i][1];
    return rule; /* not evaluable as before */
}

rp_call rp_call_immune(rp_call call)
{
    switch (call) {
    case RP_CALL_CR:
        return RP_CALL_ICR;
    case RP_CALL_PR:
        return RP_CALL_IPR;
    case RP_CALL_SD:
        return RP_CALL_ISD;
    case RP_CALL_NN:
        return RP_CALL_INN;
    case RP_CALL_PD:
        return RP_CALL_IUPD;
    default:
        return call;
    }
}

/* ---- new lesions that stay --------------------------------------------------------------- */

static bool is_new_there(const course *c, size_t visit, size_t lesion)
{
    return role_of(c, lesion) == RP_ROLE_NEW && is_in(c, visit, lesion, RP_FOUND_UNEQUIVOCAL);
}

/* Lesions known from an earlier run progress as targets would, by their smallest sum. */
static bool known_have_grown(const course *c, size_t visit, const run *u)
{
    growth g = {.first = NO_INDEX};
    for (size_t l = 0; l < c->lesions; l++)
        if (u->known[l]) add_growth(&g, l, new_size(c, visit, l), u->size[l]);
    return g.first != NO_INDEX &&
           grown(g.now, g.then, progression_factor(c->options), c->options->progression_minimum_mm);
}

/* The first new lesion that is progression at this visit. */
static int first_that_counts(const course *c, size_t visit, const run *u)
{
    const bool regrown = known_have_grown(c, visit, u);
    for (size_t l = 0; l < c->lesions; l++) {
        if (!is_new_there(c, visit, l)) continue;
        const rp_finding_state state = found(c, visit, l)->state;
        const bool measured = !isnan(new_size(c, visit, l));
        if (state == RP_FOUND_FURTHER) return (int)l;
        if (state == RP_FOUND_PRESENT) continue;
        if (!u->known[l] || (regrown && measured)) return (int)l;
    }
    return NO_INDEX;
}

/* Targets that have become a response since the last iUPD, beside new lesions that did not grow:
 * the progression was not confirmed, and the lesions are known from here on. */
static bool respond_beside(const course *c, size_t visit, const run *u)
{
    const decision *d = &c->beside[visit];
    const growth targets = growth_of_targets(c, visit, u->last);
    const growth fresh = growth_of_new(c, visit, u->last);
    if (!u->pending || !c->targets || is_kept(&c->results[visit])) return false;
    if (d->call != RP_CALL_CR && d->call != RP_CALL_PR) return false;
    if (at_least(targets.now, targets.then, targets.now)) return false;
    return fresh.first == NO_INDEX || at_most(fresh.now, fresh.then, fresh.now);
}

/* The call beside new lesions that are there and do not count: nothing is complete. */
static decision beside_new(const course *c, size_t visit)
{
    const decision d = c->beside[visit];
    const int lesion = first_in_state(c, visit, RP_ROLE_NEW, RP_FOUND_UNEQUIVOCAL);
    if (d.call != RP_CALL_CR) return d;
    return c->targets ? (decision){RP_CALL_PR, "CR-new-remains", lesion}
                      : (decision){RP_CALL_NN, "NT-new-remains", lesion};
}

/* The call of the visit, where nothing confirms, before PD becomes iUPD. */
static decision call_now(const course *c, size_t visit, const run *u, bool would_confirm)
{
    const rp_visit_result *r = &c->results[visit];
    if (!r->new_lesion || would_confirm) return (decision){r->recist, r->rule, r->lesion};
    const int counts = first_that_counts(c, visit, u);
    if (counts != NO_INDEX && !respond_beside(c, visit, u))
        return (decision){RP_CALL_PD, "PD-new", counts};
    return beside_new(c, visit);
}

/* From a visit on that is no progression: what is there still is known. */
static bool note_known(course *c, size_t visit, run *u)
{
    rp_visit_result *r = &c->results[visit];
    for (size_t l = 0; l < c->lesions; l++) {
        if (!is_new_there(c, visit, l)) continue;
        const char *text = arena_format(
            c->memory, "new lesion %s is there still; without growth it no longer counts",
            c->timeline->lesions[l].id);
        if (!u->known[l] && !add_note(c->memory, &r->notes, &r->note_count, text)) return false;
        u->known[l] = true;
    }
    return true;
}

static void forget_gone(const course *c, size_t visit, run *u)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_NEW && is_in(c, visit, l, RP_FOUND_ABSENT)) {
            u->known[l] = false;
            u->size[l] = NAN;
        }
}

static void note_sizes(const course *c, size_t visit, run *u)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_NEW) u->size[l] = fmin(u->size[l], new_size(c, visit, l));
}

/* Where nothing but new lesions that did not grow keeps the iUPD, a person may see it otherwise. */
static bool note_only_new(course *c, size_t visit, const run *u)
{
    rp_visit_result *r = &c->results[visit];
    const decision *d = &c->beside[visit];
    const growth g = growth_of_new(c, visit, u->last);
    if (!u->pending || !r->new_lesion || d->call == RP_CALL_PD || d->call == RP_CALL_NE)
        return true;
    if (g.first != NO_INDEX && !at_most(g.now, g.then, g.now)) return true;
    const char *text =
        arena_format(c->memory,
                     "only new lesions that did not grow keep this iUPD; in the state 'present' "
                     "they would leave %s",
                     rp_call_code(beside_new(c, visit).call == RP_CALL_PR   ? RP_CALL_IPR
                                  : beside_new(c, visit).call == RP_CALL_SD ? RP_CALL_ISD
                                                                            : RP_CALL_INN));
    return add_note(c->memory, &r->notes, &r->note_count, text);
}

/* ---- one visit --------------------------------------------------------------------------- */

static void note_progression(const course *c, size_t visit, run *u)
{
    rp_visit_result *r = &c->results[visit];
    if (!u->pending) {
        u->pending = true;
        u->first = visit;
        u->targets = u->non_targets = false;
    }
    u->last = visit;
    u->targets = u->targets || r->target == RP_CALL_PD;
    u->non_targets = u->non_targets || r->non_target == RP_CALL_PD;
    r->overall = RP_CALL_IUPD;
}

static bool note_late(course *c, size_t visit, int days)
{
    rp_visit_result *r = &c->results[visit];
    if (days <= c->options->irecist_latest_days) return true;
    const char *text =
        arena_format(c->memory, "confirmed later than %d days", c->options->irecist_latest_days);
    return add_note(c->memory, &r->notes, &r->note_count, text);
}

static bool step_unconfirmed(course *c, size_t visit, run *u, bool too_early)
{
    rp_visit_result *r = &c->results[visit];
    const decision now = call_now(c, visit, u, too_early);
    r->rule = rule_of_immune(now.rule);
    r->lesion = now.lesion;
    if (now.call == RP_CALL_PD) {
        const bool told =
            too_early ? add_note(c->memory, &r->notes, &r->note_count, "too early to confirm")
                      : note_only_new(c, visit, u);
        note_progression(c, visit, u);
        return told;
    }
    r->overall = rp_call_immune(now.call);
    if (now.call == RP_CALL_NE) return true;
    u->pending = false;
    return note_known(c, visit, u);
}

/* One visit; true in *confirmed where progression is confirmed at it. */
static bool step(course *c, size_t visit, run *u, bool *confirmed)
{
    rp_visit_result *r = &c->results[visit];
    const confirmation by =
        u->pending ? find_confirmation(c, visit, u) : (confirmation){NULL, NO_INDEX};
    const int days = days_between(c, u->pending ? u->first : visit, visit);
    *confirmed = by.rule && days >= c->options->irecist_earliest_days;
    if (!*confirmed) return step_unconfirmed(c, visit, u, by.rule != NULL);
    r->overall = RP_CALL_ICPD;
    r->rule = by.rule;
    r->lesion = by.lesion;
    r->targets_confirm = confirm_by_targets(c, visit, u).rule != NULL;
    r->non_targets_confirm = confirm_by_non_targets(c, visit, u).rule != NULL;
    return note_late(c, visit, days);
}

bool call_immune(course *c, int *confirmed_from)
{
    run u = {.known = arena_take(c->memory, c->lesions, sizeof *u.known),
             .size = arena_take(c->memory, c->lesions, sizeof *u.size)};
    *confirmed_from = NO_INDEX;
    if (!u.known || !u.size) return false;
    for (size_t l = 0; l < c->lesions; l++) u.size[l] = NAN;
    for (size_t v = 1; v < c->visits; v++) {
        rp_visit_result *r = &c->results[v];
        bool confirmed = false;
        if (*confirmed_from != NO_INDEX) {
            r->overall = RP_CALL_ICPD;
            r->rule = "iCPD-before";
            r->lesion = NO_INDEX;
            continue;
        }
        forget_gone(c, v, &u);
        if (!step(c, v, &u, &confirmed)) return false;
        note_sizes(c, v, &u);
        if (confirmed) *confirmed_from = (int)u.first;
    }
    return true;
}
