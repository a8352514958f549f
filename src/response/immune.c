/* iRECIST: progression waits for confirmation (Seymour et al. 2017). Each visit keeps its call by
 * RECIST 1.1 and the memory that goes with it; this turns PD into iUPD or iCPD. */
#include "internal.h"

#include <string.h>

/* An unconfirmed progression and what belonged to it. */
typedef struct run {
    bool pending;
    size_t first, last; /* visits */
    bool targets, non_targets;
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

/* Whether the new lesions measured at both visits grew; *first is the first of them. */
static bool new_lesions_grew(const course *c, size_t visit, size_t before, int *first)
{
    double sum = 0, sum_before = 0;
    *first = NO_INDEX;
    for (size_t l = 0; l < c->lesions; l++) {
        const double now = new_size(c, visit, l), then = new_size(c, before, l);
        if (role_of(c, l) != RP_ROLE_NEW || isnan(now) || isnan(then)) continue;
        if (*first == NO_INDEX) *first = (int)l;
        sum += now;
        sum_before += then;
    }
    return *first != NO_INDEX && at_least(sum - sum_before, c->options->irecist_further_mm, sum);
}

static confirmation confirm_by_targets(const course *c, size_t visit, const run *u)
{
    const rp_visit_result *now = &c->results[visit], *last = &c->results[u->last];
    const double more = now->evaluated_sum - last->evaluated_sum;
    const bool grew = last->target == RP_CALL_PD && now->target == RP_CALL_PD &&
                      at_least(more, c->options->irecist_further_mm, now->evaluated_sum);
    const bool first_time = now->target == RP_CALL_PD && !u->targets;
    if (grew) return (confirmation){"iCPD-sum", now->target_lesion};
    if (!first_time) return (confirmation){NULL, NO_INDEX};
    const bool by_sum = strcmp(now->target_rule, "PD-sum") == 0;
    return (confirmation){by_sum ? "iCPD-sum" : "iCPD-reappearance", now->target_lesion};
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
    if (lesion == NO_INDEX && !new_lesions_grew(c, visit, u->last, &lesion))
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
    static const char *const pairs[][2] = {
        {"PD-sum", "iUPD-sum"}, {"PD-reappearance", "iUPD-reappearance"},
        {"PD-new", "iUPD-new"}, {"PD-non-target", "iUPD-non-target"},
        {"CR", "iCR"},          {"CR-non-target-remains", "iCR-non-target-remains"},
        {"PR", "iPR"},          {"PR-kept", "iPR-kept"},
        {"SD", "iSD"},          {"NT-CR", "iNT-CR"},
        {"NT-NN", "iNT-NN"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(rule, pairs[i][0]) == 0) return pairs[i][1];
    return rule; /* not evaluable as before */
}

static rp_call immune_call(rp_call call)
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

static void note_progression(const course *c, size_t visit, run *u)
{
    rp_visit_result *r = &c->results[visit];
    if (!u->pending) *u = (run){.pending = true, .first = visit};
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

/* One visit; true in *confirmed where progression is confirmed at it. */
static bool step(course *c, size_t visit, run *u, bool *confirmed)
{
    rp_visit_result *r = &c->results[visit];
    const confirmation by =
        u->pending ? find_confirmation(c, visit, u) : (confirmation){NULL, NO_INDEX};
    const int days = days_between(c, u->pending ? u->first : visit, visit);
    r->rule = rule_of_immune(r->rule);
    *confirmed = by.rule && days >= c->options->irecist_earliest_days;
    if (*confirmed) {
        r->overall = RP_CALL_ICPD;
        r->rule = by.rule;
        r->lesion = by.lesion;
        return note_late(c, visit, days);
    }
    if (r->recist == RP_CALL_PD) {
        note_progression(c, visit, u);
        return !by.rule || add_note(c->memory, &r->notes, &r->note_count, "too early to confirm");
    }
    r->overall = immune_call(r->recist);
    if (r->recist != RP_CALL_NE) u->pending = false;
    return true;
}

bool call_immune(course *c, int *confirmed_from)
{
    run u = {0};
    *confirmed_from = NO_INDEX;
    for (size_t v = 1; v < c->visits; v++) {
        rp_visit_result *r = &c->results[v];
        bool confirmed = false;
        if (*confirmed_from != NO_INDEX) {
            r->overall = RP_CALL_ICPD;
            r->rule = "iCPD-before";
            r->lesion = NO_INDEX;
        } else if (!step(c, v, &u, &confirmed)) {
            return false;
        } else if (confirmed) {
            *confirmed_from = (int)u.first;
        }
    }
    return true;
}
