/* A timeline from findings to the best response. */
#include "check.h"

#include <string.h>

static rp_status no_memory(rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "timeline: out of memory");
}

/* ---- what blocks ------------------------------------------------------------------------- */

static bool blocks(const rp_timeline_problem *p, bool allow_ineligible)
{
    return p->severity >= RP_SEVERITY_REFUSED ||
           (p->severity == RP_SEVERITY_INELIGIBLE && !allow_ineligible);
}

/* The gravest first: an inconsistent timeline is no matter of safety. */
static rp_status refuse(const rp_timeline_problems *problems, size_t from, bool allow_ineligible,
                        rp_error *err)
{
    const rp_timeline_problem *gravest = NULL;
    for (size_t i = from; i < problems->count; i++) {
        const rp_timeline_problem *p = &problems->items[i];
        if (!blocks(p, allow_ineligible)) continue;
        if (!gravest || (p->severity == RP_SEVERITY_ERROR && gravest->severity != p->severity))
            gravest = p;
    }
    if (!gravest) return RP_OK;
    RP_AUTOFREE char *text = rp_timeline_problem_text(gravest);
    if (!text) return no_memory(err);
    return rp_fail(err, gravest->severity == RP_SEVERITY_ERROR ? RP_ERR_FORMAT : RP_ERR_REFUSED,
                   "%s", text);
}

static bool note_ineligible(const rp_timeline_problems *problems, size_t from,
                            rp_timeline_result *result)
{
    for (size_t i = from; i < problems->count; i++) {
        const rp_timeline_problem *p = &problems->items[i];
        if (p->severity != RP_SEVERITY_INELIGIBLE) continue;
        const bool visit = p->visit[0], lesion = p->lesion[0];
        const char *text =
            arena_format(&result->memory, "ineligible: %s%s%s%s%s%s%s", visit ? "visit " : "",
                         p->visit, visit && lesion ? ", " : "", lesion ? "lesion " : "", p->lesion,
                         visit || lesion ? ": " : "", p->text);
        if (!add_note(&result->memory, &result->notes, &result->note_count, text)) return false;
    }
    return true;
}

/* ---- the steps --------------------------------------------------------------------------- */

static bool prepare(course *c)
{
    c->targets = c->non_targets = 0;
    for (size_t l = 0; l < c->lesions; l++) {
        c->targets += role_of(c, l) == RP_ROLE_TARGET;
        c->non_targets += role_of(c, l) == RP_ROLE_NON_TARGET;
    }
    const size_t cells = c->visits * c->lesions;
    c->value = arena_take(c->memory, cells, sizeof *c->value);
    c->gone = arena_take(c->memory, cells, sizeof *c->gone);
    c->results = arena_take(c->memory, c->visits, sizeof *c->results);
    c->beside = arena_take(c->memory, c->visits, sizeof *c->beside);
    return c->value && c->gone && c->results && c->beside;
}

static bool compute(course *c, rp_timeline_result *result)
{
    int confirmed_from = NO_INDEX;
    if (!prepare(c)) return false;
    for (size_t v = 0; v < c->visits; v++) c->results[v].day = c->day[v] - c->day[0];
    evaluate_targets(c);
    call_visits(c);
    if (c->options->criteria == RP_IRECIST && !call_immune(c, &confirmed_from)) return false;
    if (!explain_visits(c) || !summarise(c, confirmed_from, result)) return false;
    result->options = *c->options;
    result->visits = c->results;
    result->visit_count = c->visits;
    return true;
}

static rp_status assess(const rp_timeline *timeline, const rp_response_options *options,
                        bool allow_ineligible, rp_timeline_problems *problems,
                        rp_timeline_result *result, rp_error *err)
{
    course c;
    const size_t from = problems->count;
    rp_status status = check_timeline(timeline, options, &result->memory, problems, &c, err);
    if (!status) status = refuse(problems, from, allow_ineligible, err);
    if (status) return status;
    return compute(&c, result) && note_ineligible(problems, from, result) ? RP_OK : no_memory(err);
}

rp_status rp_timeline_assess(const rp_timeline *timeline, const rp_response_options *options,
                             bool allow_ineligible, rp_timeline_problems *problems,
                             rp_timeline_result *result, rp_error *err)
{
    rp_timeline_problems own = {0};
    rp_timeline_result made = {0};
    rp_status status = rp_response_options_check(options, err);
    if (!status)
        status =
            assess(timeline, options, allow_ineligible, problems ? problems : &own, &made, err);
    rp_timeline_problems_release(&own);
    if (status)
        rp_timeline_result_release(&made);
    else
        *result = made;
    return status;
}

void rp_timeline_result_release(rp_timeline_result *result)
{
    arena_free(result->memory);
    *result = (rp_timeline_result){0};
}
