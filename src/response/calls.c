/* The calls of each visit by RECIST 1.1; mRECIST and volumes differ in values and factors only. */
#include "internal.h"

#include <string.h>

/* What earlier visits leave behind. */
typedef struct memory {
    bool target_response; /* since the last PD of the targets */
    bool overall_cr;      /* since the last PD */
    bool definite_cr;     /* the same, confirmed where CR needs that */
    bool in_cr;           /* nothing but CR and NE since first_cr */
    size_t first_cr;      /* visit */
} memory;

int first_in_state(const course *c, size_t visit, rp_lesion_role role, rp_finding_state state)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == role && state_at(c, visit, l) == state) return (int)l;
    return NO_INDEX;
}

/* ---- targets ----------------------------------------------------------------------------- */

/* Among the targets evaluated at both visits, the one whose value times sign rose most. */
static int largest_change(const course *c, size_t visit, size_t since, double sign)
{
    int lesion = NO_INDEX;
    double largest = 0;
    for (size_t l = 0; l < c->lesions; l++) {
        const double now = c->value[visit * c->lesions + l];
        const double before = c->value[since * c->lesions + l], change = sign * (now - before);
        if (role_of(c, l) != RP_ROLE_TARGET || isnan(change)) continue;
        if (lesion == NO_INDEX || !at_most(change, largest, fmax(now, before))) {
            lesion = (int)l;
            largest = change;
        }
    }
    return lesion;
}

/*
 * What is there again after a complete response is progression; inside a partial one its size
 * decides (EORTC's answers on RECIST 1.1). A node is there at any size, and back when it is no
 * longer normal; as that may be some tenths of a millimetre, it counts after a definite CR only.
 */
static bool has_reappeared(const course *c, size_t visit, const memory *m)
{
    for (size_t l = 0; l < c->lesions; l++) {
        const size_t at = visit * c->lesions + l;
        if (role_of(c, l) != RP_ROLE_TARGET || isnan(c->value[at])) continue;
        if (c->timeline->lesions[l].nodal ? m->definite_cr && !c->gone[at]
                                          : m->overall_cr && c->value[at] > 0)
            return true;
    }
    return false;
}

static bool all_gone(const course *c, size_t visit)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_TARGET && !c->gone[visit * c->lesions + l]) return false;
    return true;
}

static decision decide_targets(const course *c, size_t visit, const memory *m)
{
    const rp_visit_result *r = &c->results[visit];
    const target_sizes sizes = {.sum = r->sum,
                                .evaluated = r->evaluated_sum,
                                .baseline = c->results[0].sum,
                                .nadir = r->nadir,
                                .gone = all_gone(c, visit),
                                .back = has_reappeared(c, visit, m),
                                .response = m->target_response};
    if (!c->targets) return (decision){RP_CALL_NA, NULL, NO_INDEX};
    const target_call made = call_targets(c->options, &sizes);
    int lesion = NO_INDEX;
    if (strcmp(made.rule, "PD-sum") == 0)
        lesion = largest_change(c, visit, (size_t)r->nadir_visit, 1);
    if (strcmp(made.rule, "PR") == 0) lesion = largest_change(c, visit, 0, -1);
    return (decision){made.call, made.rule, lesion};
}

/* ---- non-targets ------------------------------------------------------------------------- */

static bool non_target_is_gone(const course *c, size_t visit, size_t lesion)
{
    finding_at f = found(c, visit, lesion);
    if (f->state == RP_FOUND_ABSENT) return true;
    return c->timeline->lesions[lesion].nodal && !isnan(f->short_axis_mm) &&
           node_is_normal_at(c->options, f->short_axis_mm);
}

static rp_call call_non_targets(const course *c, size_t visit)
{
    if (!c->non_targets) return RP_CALL_NA;
    if (first_in_state(c, visit, RP_ROLE_NON_TARGET, RP_FOUND_PROGRESSION) != NO_INDEX)
        return RP_CALL_PD;
    if (first_in_state(c, visit, RP_ROLE_NON_TARGET, RP_FOUND_NOT_EVALUATED) != NO_INDEX)
        return RP_CALL_NE;
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_NON_TARGET && !non_target_is_gone(c, visit, l))
            return RP_CALL_NN;
    return RP_CALL_CR;
}

static int non_target_that_reappeared(const course *c, size_t visit, const memory *m)
{
    for (size_t l = 0; l < c->lesions; l++) {
        const bool nodal = c->timeline->lesions[l].nodal;
        if (role_of(c, l) != RP_ROLE_NON_TARGET) continue;
        if (!(nodal ? m->definite_cr : m->overall_cr)) continue;
        if (state_at(c, visit, l) == RP_FOUND_PRESENT && !non_target_is_gone(c, visit, l))
            return (int)l;
    }
    return NO_INDEX;
}

/* ---- overall ----------------------------------------------------------------------------- */

rp_call rp_overall_response(rp_call target, rp_call non_target, bool new_lesion)
{
    if (new_lesion || target == RP_CALL_PD || non_target == RP_CALL_PD) return RP_CALL_PD;
    if (target == RP_CALL_NA) return non_target;
    if (target == RP_CALL_CR && (non_target == RP_CALL_NN || non_target == RP_CALL_NE))
        return RP_CALL_PR;
    return target;
}

static const char *rule_without_targets(rp_call call)
{
    return call == RP_CALL_CR ? "NT-CR" : call == RP_CALL_NN ? "NT-NN" : "NT-NE";
}

/* The first rule that applies names the call; new lesions have been looked at. */
static decision decide_known(const course *c, size_t visit, const decision *targets,
                             const memory *m)
{
    const rp_visit_result *r = &c->results[visit];
    if (r->target == RP_CALL_PD) return *targets;
    if (r->non_target == RP_CALL_PD)
        return (decision){RP_CALL_PD, "PD-non-target",
                          first_in_state(c, visit, RP_ROLE_NON_TARGET, RP_FOUND_PROGRESSION)};
    if (c->options->reappearance_is_pd && non_target_that_reappeared(c, visit, m) != NO_INDEX)
        return (decision){RP_CALL_PD, "PD-reappearance", NO_INDEX};
    const rp_call call = rp_overall_response(r->target, r->non_target, false);
    if (r->target == RP_CALL_NA) return (decision){call, rule_without_targets(call), NO_INDEX};
    if (r->target == RP_CALL_CR && call == RP_CALL_PR)
        return (decision){call, "CR-non-target-remains", NO_INDEX};
    return *targets;
}

bool is_kept(const rp_visit_result *r)
{
    return r->target_rule && strcmp(r->target_rule, "PR-kept") == 0;
}

static void remember_cr(const course *c, size_t visit, memory *m)
{
    const rp_call call = c->results[visit].recist;
    if (call == RP_CALL_PD) m->overall_cr = m->definite_cr = false;
    if (call == RP_CALL_CR) {
        if (!m->in_cr) m->first_cr = visit;
        const int apart = c->day[visit] - c->day[m->first_cr];
        m->overall_cr = true;
        m->definite_cr = m->definite_cr || !c->options->confirmation ||
                         (m->in_cr && apart >= c->options->confirmation_days);
    }
    m->in_cr = call == RP_CALL_CR || (m->in_cr && call == RP_CALL_NE);
}

static void remember(const course *c, size_t visit, memory *m)
{
    const rp_visit_result *r = &c->results[visit];
    if (r->target == RP_CALL_PD) m->target_response = false;
    if (r->target == RP_CALL_CR || r->target == RP_CALL_PR) m->target_response = true;
    remember_cr(c, visit, m);
}

void call_visits(course *c)
{
    memory m = {0};
    c->results[0].lesion = c->results[0].target_lesion = NO_INDEX;
    for (size_t v = 1; v < c->visits; v++) {
        rp_visit_result *r = &c->results[v];
        const decision targets = decide_targets(c, v, &m);
        const int fresh = first_in_state(c, v, RP_ROLE_NEW, RP_FOUND_UNEQUIVOCAL);
        r->target = targets.call;
        r->target_rule = targets.rule;
        r->target_lesion = targets.lesion;
        r->non_target = call_non_targets(c, v);
        r->new_lesion = fresh != NO_INDEX;
        c->beside[v] = decide_known(c, v, &targets, &m);
        const decision overall =
            r->new_lesion ? (decision){RP_CALL_PD, "PD-new", fresh} : c->beside[v];
        r->recist = r->overall = overall.call;
        r->rule = overall.rule;
        r->lesion = overall.lesion;
        remember(c, v, &m);
    }
}
