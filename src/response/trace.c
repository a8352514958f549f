/* Why a visit has its call, in a sentence; and what a reader's error might have changed. */
#include "internal.h"

#include <string.h>

bool add_note(rp_arena **memory, const char ***notes, size_t *count, const char *text)
{
    if (!text || !arena_grow(memory, notes, *count, sizeof **notes)) return false;
    (*notes)[(*count)++] = text;
    return true;
}

/* ---- words ------------------------------------------------------------------------------- */

static const char *unit(const course *c)
{
    return is_volumetric(c) ? "cc" : "mm";
}

static const char *visit_id(const course *c, int visit)
{
    return c->timeline->visits[visit].id;
}

/* "T1" or "T1 (liver)"; "" for none. */
static const char *lesion_words(const course *c, int lesion)
{
    if (lesion == NO_INDEX) return "";
    const rp_timeline_lesion *l = &c->timeline->lesions[lesion];
    const char *words = l->organ[0] ? arena_format(c->memory, "%s (%s)", l->id, l->organ) : l->id;
    return words ? words : "";
}

/* What progression needs, as " at least 20% and 5 mm". */
static const char *growth_words(const course *c)
{
    if (is_volumetric(c)) return "at least 72.8%";
    if (!(c->options->progression_minimum_mm > 0)) return "at least 20%";
    const char *words = arena_format(c->memory, "at least 20%% and at least %g mm",
                                     c->options->progression_minimum_mm);
    return words ? words : "";
}

static const char *shrinkage_words(const course *c)
{
    return is_volumetric(c) ? "65.7%" : "30%";
}

static const char *sum_words(const course *c, const rp_visit_result *r)
{
    if (!r->complete) return "the sum of the targets evaluated";
    return c->targets == 1 ? "the only target's size" : "the sum";
}

/* ---- a sentence for each rule ------------------------------------------------------------ */

static char *explain_growth(const course *c, const rp_visit_result *r)
{
    const double e = r->evaluated_sum, more = e - r->nadir;
    const double change =
        r->lesion == NO_INDEX
            ? 0
            : c->value[(size_t)(r - c->results) * c->lesions + (size_t)r->lesion] -
                  c->value[(size_t)r->nadir_visit * c->lesions + (size_t)r->lesion];
    const char *percent =
        r->nadir > 0 ? arena_format(c->memory, " (%.1f%%)", 100 * more / r->nadir) : "";
    return arena_format(
        c->memory, "%s, %.1f %s, is %.1f %s%s above %s %.1f %s at %s; progression needs %s%s%s%s",
        sum_words(c, r), e, unit(c), more, unit(c), percent ? percent : "",
        r->nadir_visit ? "the smallest so far," : "the baseline's", r->nadir, unit(c),
        visit_id(c, r->nadir_visit), growth_words(c),
        c->targets > 1 && r->lesion != NO_INDEX ? "; most by " : "",
        c->targets > 1 ? lesion_words(c, r->lesion) : "",
        c->targets > 1 && r->lesion != NO_INDEX
            ? arena_format(c->memory, ", %+.1f %s", change, unit(c))
            : "");
}

/* A lesion that is there again, or a node that is no longer normal; one that is no node first. */
static int lesion_that_is_back(const course *c, const rp_visit_result *r, bool nodal)
{
    const size_t visit = (size_t)(r - c->results);
    const rp_lesion_role role = r->target == RP_CALL_PD ? RP_ROLE_TARGET : RP_ROLE_NON_TARGET;
    for (size_t l = 0; l < c->lesions; l++) {
        const size_t at = visit * c->lesions + l;
        if (role_of(c, l) != role || c->timeline->lesions[l].nodal != nodal) continue;
        if (role == RP_ROLE_NON_TARGET ? state_at(c, visit, l) == RP_FOUND_PRESENT
            : nodal                    ? !isnan(c->value[at]) && !c->gone[at]
                                       : c->value[at] > 0)
            return (int)l;
    }
    return nodal ? NO_INDEX : lesion_that_is_back(c, r, true);
}

static char *explain_reappearance(const course *c, const rp_visit_result *r)
{
    const int lesion = lesion_that_is_back(c, r, false);
    if (lesion == NO_INDEX) return NULL;
    if (!c->timeline->lesions[lesion].nodal)
        return arena_format(c->memory, "%s is there again after a complete response",
                            lesion_words(c, lesion));
    return arena_format(c->memory,
                        "node %s is no longer normal (below %g mm) after a complete response; "
                        "where it may have been there all along, that response was a partial one",
                        lesion_words(c, lesion), c->options->node_normal_mm);
}

static char *explain_partial(const course *c, const rp_visit_result *r)
{
    return arena_format(c->memory,
                        "%s, %.1f %s, is %.1f%% below the baseline's %.1f %s; partial response "
                        "needs at least %s",
                        sum_words(c, r), r->sum, unit(c), -r->baseline_change_percent,
                        c->results[0].sum, unit(c), shrinkage_words(c));
}

static char *explain_kept(const course *c, const rp_visit_result *r)
{
    return arena_format(c->memory,
                        "%s, %.1f %s, is %.1f%% from the baseline's %.1f %s, yet an earlier visit "
                        "was a response, which stays until progression (%.1f %s)",
                        sum_words(c, r), r->sum, unit(c), r->baseline_change_percent,
                        c->results[0].sum, unit(c), r->progression_limit, unit(c));
}

static char *explain_stable(const course *c, const rp_visit_result *r)
{
    const int a = decimals(r->sum, r->partial_limit), b = decimals(r->sum, r->progression_limit);
    const int digits = a > b ? a : b;
    return arena_format(c->memory,
                        "%s, %.*f %s, is neither a partial response (at most %.*f %s, %s below "
                        "the baseline) nor progression (at least %.*f %s, %s above the smallest "
                        "so far, %.1f %s at %s)",
                        sum_words(c, r), digits, r->sum, unit(c), digits, r->partial_limit, unit(c),
                        shrinkage_words(c), digits, r->progression_limit, unit(c), growth_words(c),
                        r->nadir, unit(c), visit_id(c, r->nadir_visit));
}

static bool has_nodes(const course *c)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_TARGET && c->timeline->lesions[l].nodal) return true;
    return false;
}

static char *explain_complete(const course *c, const rp_visit_result *r)
{
    const char *nodes = has_nodes(c) ? arena_format(c->memory, " or, as nodes, below %g mm",
                                                    c->options->node_normal_mm)
                                     : "";
    return arena_format(c->memory, "all targets are gone%s%s", nodes ? nodes : "",
                        r->non_target == RP_CALL_CR ? ", and so are all non-targets" : "");
}

static char *explain_remains(const course *c, const rp_visit_result *r)
{
    return arena_format(c->memory, "all targets are gone, but non-targets %s",
                        r->non_target == RP_CALL_NE ? "were not all evaluated" : "remain");
}

static char *explain_new_remains(const course *c, const rp_visit_result *r)
{
    return arena_format(c->memory, "all %s are gone, but new lesion %s remains",
                        c->targets ? "targets" : "non-targets", lesion_words(c, r->lesion));
}

static char *explain_not_evaluated(const course *c, const rp_visit_result *r)
{
    const size_t visit = (size_t)(r - c->results);
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_TARGET && isnan(c->value[visit * c->lesions + l]))
            return arena_format(c->memory,
                                "target %s was not evaluated, and what was does not prove "
                                "progression",
                                lesion_words(c, (int)l));
    return NULL;
}

static char *explain_non_targets(const course *c, const rp_visit_result *r)
{
    const char *text = "no target; not all non-targets were evaluated";
    if (r->recist == RP_CALL_CR) text = "no target; all non-targets are gone";
    if (r->recist == RP_CALL_NN) text = "no target; non-targets remain without progression";
    return arena_copy(c->memory, text);
}

/* ---- of iRECIST -------------------------------------------------------------------------- */

static char *explain_confirmed(const course *c, const rp_visit_result *r)
{
    if (strcmp(r->rule, "iCPD-before") == 0)
        return arena_copy(c->memory, "progression was confirmed before");
    if (strcmp(r->rule, "iCPD-sum") == 0)
        return arena_format(c->memory,
                            "the targets confirm the progression: %.1f mm are evaluated, the "
                            "smallest sum before was %.1f mm",
                            r->evaluated_sum, r->nadir);
    return arena_format(c->memory, "%s %s confirms the progression",
                        strcmp(r->rule, "iCPD-new") == 0 ? "new lesion" : "non-target",
                        lesion_words(c, r->lesion));
}

static char *explain(const course *c, const rp_visit_result *r)
{
    const char *rule = r->rule[0] == 'i' ? r->rule + 1 : r->rule;
    if (strncmp(r->rule, "iUPD", 4) == 0) rule = r->rule + 2;
    if (strncmp(r->rule, "iCPD", 4) == 0) return explain_confirmed(c, r);
    if (strcmp(rule, "PD-sum") == 0) return explain_growth(c, r);
    if (strcmp(rule, "PD-further") == 0)
        return arena_copy(c->memory, "the targets grew further since the progression before");
    if (strcmp(rule, "PD-reappearance") == 0) return explain_reappearance(c, r);
    if (strcmp(rule, "PD-new") == 0)
        return arena_format(c->memory, "new lesion %s is unequivocal", lesion_words(c, r->lesion));
    if (strcmp(rule, "PD-non-target") == 0)
        return arena_format(c->memory, "non-target %s is in unequivocal progression",
                            lesion_words(c, r->lesion));
    if (strcmp(rule, "CR") == 0) return explain_complete(c, r);
    if (strcmp(rule, "CR-non-target-remains") == 0) return explain_remains(c, r);
    if (strstr(rule, "new-remains")) return explain_new_remains(c, r);
    if (strcmp(rule, "PR") == 0) return explain_partial(c, r);
    if (strcmp(rule, "PR-kept") == 0) return explain_kept(c, r);
    if (strcmp(rule, "SD") == 0) return explain_stable(c, r);
    if (strcmp(rule, "NE") == 0) return explain_not_evaluated(c, r);
    return explain_non_targets(c, r);
}

static bool explain_baseline(course *c)
{
    rp_visit_result *r = &c->results[0];
    r->sentence = c->targets ? arena_format(c->memory, "Baseline: %zu target%s, %.1f %s in sum.",
                                            c->targets, c->targets == 1 ? "" : "s", r->sum, unit(c))
                             : arena_copy(c->memory, "Baseline: no target.");
    return r->sentence != NULL;
}

/* ---- borderline -------------------------------------------------------------------------- */

static double reader_error(const course *c, double size)
{
    const rp_response_options *o = c->options;
    return fmax(is_volumetric(c) ? 0 : o->reader_error_mm, o->reader_error_percent * size / 100);
}

static bool flag(course *c, size_t visit, rp_threshold threshold, int lesion, double size,
                 double limit, double error)
{
    rp_visit_result *r = &c->results[visit];
    const double distance = fabs(size - limit);
    if (!(error > 0) || !at_most(distance, error, size)) return true;
    if (!arena_grow(c->memory, &r->borderline, r->borderline_count, sizeof *r->borderline))
        return false;
    r->borderline[r->borderline_count++] =
        (rp_borderline){.threshold = threshold, .lesion = lesion, .distance = distance};
    return true;
}

/* Where nodes alone decide between CR and less. */
static bool only_nodes_left(const course *c, size_t visit)
{
    for (size_t l = 0; l < c->lesions; l++)
        if (role_of(c, l) == RP_ROLE_TARGET && !c->timeline->lesions[l].nodal &&
            !c->gone[visit * c->lesions + l])
            return false;
    return true;
}

static bool flag_borderline(course *c, size_t visit)
{
    const rp_visit_result *r = &c->results[visit];
    if (!r->complete) return true;
    const double error = reader_error(c, r->sum);
    bool fine = flag(c, visit, RP_THRESHOLD_PR, NO_INDEX, r->sum, r->partial_limit, error) &&
                flag(c, visit, RP_THRESHOLD_PD, NO_INDEX, r->sum, r->progression_limit, error);
    for (size_t l = 0; fine && only_nodes_left(c, visit) && l < c->lesions; l++) {
        finding_at f = found(c, visit, l);
        if (role_of(c, l) != RP_ROLE_TARGET || !c->timeline->lesions[l].nodal) continue;
        const double axis = node_axis(f);
        if (!isnan(axis))
            fine = flag(c, visit, RP_THRESHOLD_NODE, (int)l, axis, c->options->node_normal_mm,
                        reader_error(c, axis));
    }
    return fine;
}

bool explain_visits(course *c)
{
    if (!explain_baseline(c)) return false;
    for (size_t v = 1; v < c->visits; v++) {
        rp_visit_result *r = &c->results[v];
        const char *reason = explain(c, r);
        if (!reason) return false;
        r->sentence = arena_format(c->memory, "%s: %s.", rp_call_code(r->overall), reason);
        if (!r->sentence || !flag_borderline(c, v)) return false;
    }
    return true;
}
