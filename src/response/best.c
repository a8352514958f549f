/* Over the visits: best response, dates, durations, depth. */
#include "internal.h"

/* Calls by RECIST's names, whatever the criteria: iUPD and iCPD count as PD. */
static rp_call plain(rp_call call)
{
    switch (call) {
    case RP_CALL_ICR:
        return RP_CALL_CR;
    case RP_CALL_IPR:
        return RP_CALL_PR;
    case RP_CALL_ISD:
        return RP_CALL_SD;
    case RP_CALL_INN:
        return RP_CALL_NN;
    case RP_CALL_IUPD:
    case RP_CALL_ICPD:
        return RP_CALL_PD;
    default:
        return call;
    }
}

static bool is_immune(const course *c)
{
    return c->options->criteria == RP_IRECIST;
}

static int days_since(const course *c, int from, int to)
{
    return c->day[to] - c->day[from];
}

/* ---- progression ------------------------------------------------------------------------- */

/* The first visit from which on the lesion was equivocal without a visit that called it absent, up
 * to this one. */
static size_t first_equivocal(const course *c, size_t visit, size_t lesion)
{
    size_t first = visit;
    for (size_t v = visit; v-- > 1;) {
        finding_at f = found(c, v, lesion);
        if (f && f->state == RP_FOUND_ABSENT) break;
        if (f && f->state == RP_FOUND_EQUIVOCAL) first = v;
    }
    return first;
}

/* The visit that progression dates from, in hindsight: a lesion seen equivocally and confirmed was
 * progression when it was first seen. */
static int date_progression(const course *c, size_t visit)
{
    size_t first = visit;
    for (size_t l = 0; l < c->lesions; l++) {
        if (role_of(c, l) != RP_ROLE_NEW) continue;
        if (state_at(c, visit, l) != RP_FOUND_UNEQUIVOCAL) continue;
        const size_t seen = first_equivocal(c, visit, l);
        if (seen < first) first = seen;
    }
    return (int)first;
}

/* Every progression counts: one after the first may confirm what was seen before the first. */
static int find_progression(const course *c, int confirmed_from)
{
    if (is_immune(c)) return confirmed_from;
    int first = NO_INDEX;
    for (size_t v = 1; v < c->visits; v++) {
        if (c->results[v].overall != RP_CALL_PD) continue;
        const int dated = date_progression(c, v);
        if (first == NO_INDEX || dated < first) first = dated;
    }
    return first;
}

/* A note at each equivocal finding of a new lesion that a later visit confirms. */
static bool note_hindsight(const course *c)
{
    for (size_t v = 1; v < c->visits; v++)
        for (size_t l = 0; l < c->lesions; l++) {
            rp_visit_result *r = &c->results[v];
            if (role_of(c, l) != RP_ROLE_NEW || state_at(c, v, l) != RP_FOUND_EQUIVOCAL) continue;
            for (size_t w = v + 1; w < c->visits; w++) {
                finding_at f = found(c, w, l);
                if (f && f->state == RP_FOUND_ABSENT) break;
                if (state_at(c, w, l) != RP_FOUND_UNEQUIVOCAL) continue;
                const char *text =
                    arena_format(c->memory, "new lesion %s, equivocal here, was confirmed at %s",
                                 c->timeline->lesions[l].id, c->timeline->visits[w].id);
                if (!add_note(c->memory, &r->notes, &r->note_count, text)) return false;
                break;
            }
        }
    return true;
}

/* ---- best response ----------------------------------------------------------------------- */

/* Visits that count for the best response lie before this one. */
static int counted_end(const course *c, const rp_timeline_result *result)
{
    return result->progression_visit == NO_INDEX ? (int)c->visits : result->progression_visit;
}

static bool reaches(rp_call call, rp_call wanted)
{
    return call == RP_CALL_CR || (wanted == RP_CALL_PR && call == RP_CALL_PR);
}

/* What a visit says for or against a response at another one: a PR that stays, of a size that is
 * stable disease, is as much as that. */
static rp_call call_to_confirm(const course *c, int visit)
{
    const rp_visit_result *r = &c->results[visit];
    const rp_call call = plain(r->overall);
    return call == RP_CALL_PR && is_kept(r) ? RP_CALL_SD : call;
}

/* May lie between two visits that confirm each other. */
static bool lets_confirm(const course *c, rp_call call, rp_call wanted)
{
    if (call == RP_CALL_NE || (is_immune(c) && call == RP_CALL_PD)) return true;
    return reaches(call, wanted);
}

/* First visit of the first pair that confirms the response; NO_INDEX: none. */
static int find_pair(const course *c, int end, rp_call wanted)
{
    for (int i = 1; i < end; i++) {
        if (!reaches(call_to_confirm(c, i), wanted)) continue;
        for (int j = i + 1; j < end; j++) {
            const rp_call call = call_to_confirm(c, j);
            if (reaches(call, wanted) && days_since(c, i, j) >= c->options->confirmation_days)
                return i;
            if (!lets_confirm(c, call, wanted)) break;
        }
    }
    return NO_INDEX;
}

static int find_first(const course *c, int end, rp_call wanted)
{
    for (int v = 1; v < end; v++)
        if (reaches(plain(c->results[v].overall), wanted)) return v;
    return NO_INDEX;
}

/* CR and PR without confirmation have been stable disease, if nothing more. */
static bool was_stable(const course *c, int end)
{
    for (int v = 1; v < end; v++) {
        const rp_call call = plain(c->results[v].overall);
        const bool counts = call == RP_CALL_SD || call == RP_CALL_NN ||
                            (c->options->confirmation && reaches(call, RP_CALL_PR));
        if (counts && days_since(c, 0, v) >= c->options->minimum_sd_days) return true;
    }
    return false;
}

static bool has_progressed_unconfirmed(const course *c)
{
    for (size_t v = 1; v < c->visits; v++)
        if (c->results[v].overall == RP_CALL_IUPD) return true;
    return false;
}

static void find_best(const course *c, rp_timeline_result *result)
{
    const int end = counted_end(c, result);
    int (*const find)(const course *, int, rp_call) =
        c->options->confirmation ? find_pair : find_first;
    const bool immune = is_immune(c), has_targets = c->targets > 0;
    const int complete = find(c, end, RP_CALL_CR), partial = find(c, end, RP_CALL_PR);
    result->response_visit = partial; /* CR or PR, whichever is first recorded */
    if (complete != NO_INDEX) {
        result->best = immune ? RP_CALL_ICR : RP_CALL_CR;
    } else if (partial != NO_INDEX) {
        result->best = immune ? RP_CALL_IPR : RP_CALL_PR;
    } else if (was_stable(c, end)) {
        result->best = has_targets ? immune ? RP_CALL_ISD : RP_CALL_SD
                       : immune    ? RP_CALL_INN
                                   : RP_CALL_NN;
    } else if (result->progression_visit != NO_INDEX) {
        result->best = immune ? RP_CALL_ICPD : RP_CALL_PD;
    } else {
        result->best = immune && has_progressed_unconfirmed(c) ? RP_CALL_IUPD : RP_CALL_NE;
    }
}

/* ---- durations and depth ----------------------------------------------------------------- */

/* The last visit with a call; the baseline where none has one. */
static int last_evaluated(const course *c)
{
    int v = (int)c->visits - 1;
    while (v > 0 && c->results[v].overall == RP_CALL_NE) v--;
    return v;
}

static void find_durations(const course *c, rp_timeline_result *result)
{
    const bool censored = result->progression_visit == NO_INDEX;
    const int end = censored ? last_evaluated(c) : result->progression_visit;
    result->progression_free_days = days_since(c, 0, end);
    result->progression_free_censored = result->duration_censored = censored;
    if (result->response_visit != NO_INDEX)
        result->duration_days = days_since(c, result->response_visit, end);
}

/* The visit of progression counts here, iUPD does not. */
static void find_depth(const course *c, rp_timeline_result *result)
{
    const int end = counted_end(c, result);
    result->depth_percent = NAN;
    result->depth_visit = NO_INDEX;
    for (int v = 1; v < (int)c->visits && v <= end; v++) {
        const rp_visit_result *r = &c->results[v];
        if (isnan(r->baseline_change_percent)) continue;
        if (is_immune(c) && (v == end || plain(r->overall) == RP_CALL_PD)) continue;
        if (result->depth_visit != NO_INDEX &&
            at_least(r->sum, c->results[result->depth_visit].sum, r->sum))
            continue;
        result->depth_percent = r->baseline_change_percent;
        result->depth_visit = v;
    }
}

bool summarise(const course *c, int confirmed_from, rp_timeline_result *result)
{
    result->progression_visit = find_progression(c, confirmed_from);
    find_best(c, result);
    find_durations(c, result);
    find_depth(c, result);
    return note_hindsight(c);
}
