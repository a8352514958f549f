/* What is wrong with a timeline in itself; what the criteria don't allow is in eligible.c. */
#include "check.h"

#include <string.h>

#define COMPLAIN(c, visit, lesion, ...) complain(c, RP_SEVERITY_ERROR, visit, lesion, __VA_ARGS__)

void complain(checker *c, rp_severity severity, const char *visit, const char *lesion,
              const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (c->status) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    c->status = rp_timeline_problem_add(c->problems, severity, c->timeline->patient, visit, lesion,
                                        c->err, "%s", text);
}

int lesion_index(const rp_timeline *t, const char *id)
{
    for (size_t i = 0; i < t->lesion_count; i++)
        if (t->lesions[i].id == id) return (int)i; /* as rp_timeline_add_finding keeps ids */
    for (size_t i = 0; i < t->lesion_count; i++)
        if (strcmp(t->lesions[i].id, id) == 0) return (int)i;
    return NO_INDEX;
}

/* ---- lesions ----------------------------------------------------------------------------- */

static void check_lesion(checker *c, size_t index)
{
    const rp_timeline_lesion *lesion = &c->timeline->lesions[index];
    if (!lesion->id[0]) COMPLAIN(c, NULL, NULL, "lesion %zu has no id", index + 1);
    for (size_t i = 0; i < index && lesion->id[0]; i++)
        if (strcmp(c->timeline->lesions[i].id, lesion->id) == 0) {
            COMPLAIN(c, NULL, lesion->id, "this id is there twice");
            break;
        }
    if (!lesion->nodal && rp_says_lymph_node(lesion->organ))
        complain(c, RP_SEVERITY_WARNING, NULL, lesion->id,
                 "its organ is '%.80s', but it is not 'nodal': its longest diameter counts",
                 lesion->organ);
    if (!rp_role_code(lesion->role))
        COMPLAIN(c, NULL, lesion->id, "unknown role '%.80s': target, non-target or new",
                 lesion->role_word ? lesion->role_word : "");
}

static void check_lesions(checker *c)
{
    bool any = false;
    for (size_t i = 0; i < c->timeline->lesion_count; i++) {
        check_lesion(c, i);
        any = any || c->timeline->lesions[i].role != RP_ROLE_NEW;
    }
    if (!any)
        COMPLAIN(c, NULL, NULL, "there is no lesion at baseline: no target and no non-target");
}

/* ---- visits ------------------------------------------------------------------------------ */

static void check_visit(checker *c, size_t index)
{
    const rp_timeline_visit *v = &c->timeline->visits[index], *visits = c->timeline->visits;
    if (!v->id[0]) COMPLAIN(c, NULL, NULL, "visit %zu has no id", index + 1);
    for (size_t i = 0; i < index && v->id[0]; i++)
        if (strcmp(visits[i].id, v->id) == 0) {
            COMPLAIN(c, v->id, NULL, "this id is there twice");
            break;
        }
    c->dated[index] = rp_date_days(v->date, &c->day[index]);
    if (!c->dated[index]) {
        char hint[RP_DATE_HINT];
        rp_date_hint(v->date, hint);
        COMPLAIN(c, v->id, NULL, "'%.40s' is no date of the form 2024-01-31%s", v->date, hint);
    }
    if (c->dated[index] && index && c->dated[index - 1] && c->day[index] <= c->day[index - 1])
        COMPLAIN(c, v->id, NULL, "%s is not later than %s, the date of the visit before", v->date,
                 visits[index - 1].date);
    if (!isnan(v->slice_spacing_mm) && !(isfinite(v->slice_spacing_mm) && v->slice_spacing_mm > 0))
        COMPLAIN(c, v->id, NULL, "slice_spacing_mm cannot be %g", v->slice_spacing_mm);
}

/* ---- measurements ------------------------------------------------------------------------ */

/* A number that a measured lesion needs. */
static void check_needed(checker *c, const place *p, const char *name, double value, bool zero_fits,
                         rp_severity severity)
{
    if (isnan(value))
        complain(c, severity, p->visit->id, p->lesion->id, "%s is missing", name);
    else if (value == 0 && !zero_fits)
        COMPLAIN(c, p->visit->id, p->lesion->id,
                 "%s is 0; a lesion that is gone is 'absent', one that was not looked at "
                 "'not evaluated'",
                 name);
}

static void check_given(checker *c, const place *p, const char *name, double value)
{
    if (isnan(value) || (isfinite(value) && value >= 0)) return;
    COMPLAIN(c, p->visit->id, p->lesion->id, "%s cannot be %g", name, value);
}

static void check_parts(checker *c, const place *p, const char *name, const double *parts,
                        size_t count, bool zero_fits)
{
    if (count < 2)
        COMPLAIN(c, p->visit->id, p->lesion->id,
                 "a split lesion has two parts or more; %s lists %zu", name, count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(parts[i]) || parts[i] < 0 || (parts[i] == 0 && !zero_fits))
            COMPLAIN(c, p->visit->id, p->lesion->id, "%s cannot hold %g", name, parts[i]);
}

static void check_measured(checker *c, const place *p)
{
    const rp_timeline_finding *f = p->finding;
    if (p->lesion->nodal)
        check_needed(c, p, "short_axis_mm, of a node,", f->short_axis_mm, false, RP_SEVERITY_ERROR);
    else
        check_needed(c, p, "longest_mm", f->longest_mm, false, RP_SEVERITY_ERROR);
    if (c->options->criteria == RP_MRECIST && !p->lesion->nodal)
        check_needed(c, p, "viable_mm, which mRECIST needs,", f->viable_mm, true,
                     RP_SEVERITY_REFUSED);
    if (c->options->criteria == RP_VOLUMETRIC)
        check_needed(c, p, "volume_cc", f->volume_cc, false, RP_SEVERITY_ERROR);
}

static void check_split(checker *c, const place *p)
{
    const rp_timeline_finding *f = p->finding;
    check_parts(c, p, "parts_mm", f->parts_mm, f->part_count, false);
    if (c->options->criteria == RP_MRECIST && !p->lesion->nodal) {
        if (f->viable_count)
            check_parts(c, p, "parts_viable_mm", f->parts_viable_mm, f->viable_count, true);
        else
            complain(c, RP_SEVERITY_REFUSED, p->visit->id, p->lesion->id,
                     "parts_viable_mm, which mRECIST needs, is missing");
    }
    if (c->options->criteria == RP_VOLUMETRIC)
        check_needed(c, p, "volume_cc", f->volume_cc, false, RP_SEVERITY_ERROR);
}

static void check_numbers(checker *c, const place *p)
{
    const rp_timeline_finding *f = p->finding;
    check_given(c, p, "longest_mm", f->longest_mm);
    check_given(c, p, "short_axis_mm", f->short_axis_mm);
    check_given(c, p, "viable_mm", f->viable_mm);
    check_given(c, p, "volume_cc", f->volume_cc);
    if (f->short_axis_mm > f->longest_mm && !at_most(f->short_axis_mm, f->longest_mm, 0))
        COMPLAIN(c, p->visit->id, p->lesion->id,
                 "the short axis of %g mm is above the longest diameter of %g mm", f->short_axis_mm,
                 f->longest_mm);
    if (f->state == RP_FOUND_MEASURED) check_measured(c, p);
    if (f->state == RP_FOUND_SPLIT) check_split(c, p);
}

/* ---- findings ---------------------------------------------------------------------------- */

static bool fits(rp_lesion_role role, rp_finding_state state)
{
    switch (role) {
    case RP_ROLE_TARGET:
        return state <= RP_FOUND_SPLIT;
    case RP_ROLE_NON_TARGET:
        return state == RP_FOUND_PRESENT || state == RP_FOUND_ABSENT ||
               state == RP_FOUND_PROGRESSION || state == RP_FOUND_FURTHER ||
               state == RP_FOUND_NOT_EVALUATED;
    case RP_ROLE_NEW:
        return state == RP_FOUND_UNEQUIVOCAL || state == RP_FOUND_EQUIVOCAL ||
               state == RP_FOUND_FURTHER || state == RP_FOUND_PRESENT || state == RP_FOUND_ABSENT;
    default:
        return true; /* the role has been complained of */
    }
}

static void check_finding(checker *c, const place *p, bool at_baseline)
{
    const rp_timeline_finding *f = p->finding;
    const char *visit = p->visit->id, *lesion = p->lesion->id;
    if (!rp_state_code(f->state)) {
        COMPLAIN(c, visit, lesion, "unknown state '%.80s'", f->state_word ? f->state_word : "");
        return;
    }
    if (!fits(p->lesion->role, f->state)) {
        COMPLAIN(c, visit, lesion, "a %s lesion cannot be '%s'", rp_role_code(p->lesion->role),
                 rp_state_code(f->state));
        return;
    }
    if (at_baseline && p->lesion->role == RP_ROLE_TARGET && f->state != RP_FOUND_MEASURED)
        COMPLAIN(c, visit, lesion, "a target must be 'measured' at baseline, not '%s'",
                 rp_state_code(f->state));
    if (at_baseline && p->lesion->role == RP_ROLE_NEW)
        COMPLAIN(c, visit, lesion, "a new lesion cannot have a finding at baseline");
    check_numbers(c, p);
}

static void check_findings(checker *c, size_t visit)
{
    const rp_timeline *t = c->timeline;
    const rp_timeline_visit *v = &t->visits[visit];
    for (size_t i = 0; i < v->finding_count; i++) {
        const rp_timeline_finding *f = &v->findings[i];
        const int index = lesion_index(t, f->lesion);
        if (index == NO_INDEX) {
            COMPLAIN(c, v->id, f->lesion, "a finding of a lesion that is not in the list");
            continue;
        }
        finding_at *kept = &c->at[visit * t->lesion_count + (size_t)index];
        if (*kept) {
            COMPLAIN(c, v->id, f->lesion, "two findings at one visit");
            continue;
        }
        *kept = f;
        check_finding(c, &(place){v, &t->lesions[index], f}, visit == 0);
    }
    for (size_t l = 0; visit == 0 && l < t->lesion_count; l++)
        if (t->lesions[l].role == RP_ROLE_TARGET && !c->at[l])
            COMPLAIN(c, v->id, t->lesions[l].id, "a target must be 'measured' at baseline");
}

/* Where following a merged lesion comes back to it. */
static bool in_circle(const checker *c, size_t visit, size_t start)
{
    const rp_timeline *t = c->timeline;
    size_t lesion = start;
    for (size_t steps = 0; steps < t->lesion_count; steps++) {
        finding_at f = c->at[visit * t->lesion_count + lesion];
        const int next =
            f && f->state == RP_FOUND_MERGED && f->into ? lesion_index(t, f->into) : NO_INDEX;
        if (next == NO_INDEX) return false;
        lesion = (size_t)next;
        if (lesion == start) return true;
    }
    return false;
}

static void check_merged(checker *c, size_t visit, size_t lesion)
{
    const rp_timeline *t = c->timeline;
    const char *v = t->visits[visit].id, *id = t->lesions[lesion].id;
    finding_at f = c->at[visit * t->lesion_count + lesion];
    if (!f || f->state != RP_FOUND_MERGED || t->lesions[lesion].role != RP_ROLE_TARGET) return;
    const int into = f->into ? lesion_index(t, f->into) : NO_INDEX;
    if (into == (int)lesion)
        COMPLAIN(c, v, id, "merged into itself");
    else if (into == NO_INDEX || t->lesions[into].role != RP_ROLE_TARGET)
        COMPLAIN(c, v, id, "merged into '%.80s', which is no target", f->into ? f->into : "");
    else if (in_circle(c, visit, lesion))
        COMPLAIN(c, v, id, "merged in a circle");
}

/* What has worsened further was progression before, and so was a new lesion that stays. */
static void check_further(checker *c, size_t visit, size_t lesion)
{
    const rp_timeline *t = c->timeline;
    finding_at f = c->at[visit * t->lesion_count + lesion];
    const bool new_lesion = t->lesions[lesion].role == RP_ROLE_NEW;
    if (!f || !(f->state == RP_FOUND_FURTHER || (new_lesion && f->state == RP_FOUND_PRESENT)))
        return;
    for (size_t v = 0; v < visit; v++) {
        finding_at before = c->at[v * t->lesion_count + lesion];
        if (before && (before->state == RP_FOUND_PROGRESSION ||
                       before->state == RP_FOUND_UNEQUIVOCAL || before->state == RP_FOUND_FURTHER))
            return;
    }
    COMPLAIN(c, t->visits[visit].id, t->lesions[lesion].id,
             "'%s', but at no visit before was it '%s'", rp_state_code(f->state),
             rp_state_code(new_lesion ? RP_FOUND_UNEQUIVOCAL : RP_FOUND_PROGRESSION));
}

/* ---- the whole --------------------------------------------------------------------------- */

static void check_size_and_words(checker *c)
{
    const rp_timeline *t = c->timeline;
    if (!t->patient[0]) COMPLAIN(c, NULL, NULL, "there is no patient");
    if (t->label[0] && strcmp(t->label, "synthetic") != 0 && strcmp(t->label, "simulated") != 0)
        COMPLAIN(c, NULL, NULL, "label '%.80s' is neither synthetic nor simulated", t->label);
    if (!t->visit_count) COMPLAIN(c, NULL, NULL, "there is no visit");
    if (t->visit_count > RP_TIMELINE_MOST || t->lesion_count > RP_TIMELINE_MOST)
        COMPLAIN(c, NULL, NULL, "more than %d visits or lesions", RP_TIMELINE_MOST);
}

static void check_all(checker *c)
{
    const rp_timeline *t = c->timeline;
    check_lesions(c);
    for (size_t v = 0; v < t->visit_count; v++) check_visit(c, v);
    for (size_t v = 0; v < t->visit_count; v++) check_findings(c, v);
    for (size_t v = 0; v < t->visit_count; v++)
        for (size_t l = 0; l < t->lesion_count; l++) {
            check_merged(c, v, l);
            check_further(c, v, l);
        }
    if (t->visit_count) check_eligible(c);
}

rp_status check_timeline(const rp_timeline *t, const rp_response_options *options,
                         rp_arena **memory, rp_timeline_problems *problems, course *resolved,
                         rp_error *err)
{
    checker c = {.timeline = t, .options = options, .problems = problems, .err = err};
    check_size_and_words(&c);
    if (c.status || t->visit_count > RP_TIMELINE_MOST || t->lesion_count > RP_TIMELINE_MOST)
        return c.status;
    c.at = arena_take(memory, t->visit_count * t->lesion_count, sizeof(finding_at));
    c.day = arena_take(memory, t->visit_count, sizeof(int));
    c.dated = arena_take(memory, t->visit_count, sizeof(bool));
    if (!c.at || !c.day || !c.dated) return rp_fail(err, RP_ERR_MEMORY, "timeline: out of memory");
    check_all(&c);
    *resolved = (course){.timeline = t,
                         .options = options,
                         .lesions = t->lesion_count,
                         .visits = t->visit_count,
                         .at = c.at,
                         .day = c.day,
                         .memory = memory};
    return c.status;
}

rp_status rp_timeline_check(const rp_timeline *timeline, const rp_response_options *options,
                            rp_timeline_problems *problems, rp_error *err)
{
    rp_arena *memory = NULL;
    course resolved;
    rp_status status = check_timeline(timeline, options, &memory, problems, &resolved, err);
    arena_free(memory);
    return status;
}
