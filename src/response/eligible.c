/* What the criteria don't allow: too many or too small targets, images of another phase. */
#include "check.h"

#include <string.h>
#include <strings.h>

enum { MOST_TARGETS = 5, MOST_IN_ORGAN = 2 };

#define OBJECT(c, visit, lesion, ...)                                                              \
    complain(c, RP_SEVERITY_INELIGIBLE, visit, lesion, __VA_ARGS__)

/* ---- numbers of targets ------------------------------------------------------------------ */

static const char *trimmed(const char *text, size_t *length)
{
    text += strspn(text, " \t\r\n");
    *length = strlen(text);
    while (*length && strchr(" \t\r\n", text[*length - 1])) --*length;
    return text;
}

/* All nodes are one organ. */
static bool same_organ(const rp_timeline_lesion *a, const rp_timeline_lesion *b)
{
    size_t length_a, length_b;
    if (a->nodal || b->nodal) return a->nodal && b->nodal;
    const char *organ_a = trimmed(a->organ, &length_a), *organ_b = trimmed(b->organ, &length_b);
    return length_a == length_b && strncasecmp(organ_a, organ_b, length_a) == 0;
}

/* Targets in the lesion's organ; 0 unless it is the first of them. */
static size_t count_in_organ(const rp_timeline *t, size_t lesion)
{
    size_t count = 0;
    for (size_t i = 0; i < t->lesion_count; i++) {
        const rp_timeline_lesion *other = &t->lesions[i];
        if (other->role != RP_ROLE_TARGET || !same_organ(&t->lesions[lesion], other)) continue;
        if (i < lesion) return 0;
        count++;
    }
    return count;
}

static void check_numbers_of_targets(checker *c)
{
    const rp_timeline *t = c->timeline;
    size_t targets = 0;
    for (size_t l = 0; l < t->lesion_count; l++) {
        if (t->lesions[l].role != RP_ROLE_TARGET) continue;
        targets++;
        const size_t in_organ = count_in_organ(t, l);
        if (in_organ <= MOST_IN_ORGAN) continue;
        if (t->lesions[l].nodal)
            OBJECT(c, NULL, NULL, "%zu nodes are targets; nodes are one organ, with at most %d",
                   in_organ, MOST_IN_ORGAN);
        else
            OBJECT(c, NULL, NULL, "%zu targets in one organ (%.80s), of at most %d", in_organ,
                   t->lesions[l].organ, MOST_IN_ORGAN);
    }
    if (targets > MOST_TARGETS)
        OBJECT(c, NULL, NULL, "%zu targets, of at most %d", targets, MOST_TARGETS);
}

/* ---- sizes at baseline ------------------------------------------------------------------- */

static void check_size(checker *c, size_t lesion)
{
    const rp_response_options *o = c->options;
    const rp_timeline_lesion *l = &c->timeline->lesions[lesion];
    const rp_timeline_visit *baseline = &c->timeline->visits[0];
    finding_at f = c->at[lesion];
    if (!f) return;
    const double axis = f->short_axis_mm;
    if (l->role == RP_ROLE_NON_TARGET && l->nodal && f->state == RP_FOUND_PRESENT && !isnan(axis) &&
        !at_least(axis, o->node_normal_mm, axis))
        OBJECT(c, baseline->id, l->id,
               "a node with a short axis of %g mm is normal (below %g mm) and no lesion", axis,
               o->node_normal_mm);
    const double size = l->nodal ? axis : f->longest_mm;
    const double spacing = isnan(baseline->slice_spacing_mm) ? 0 : baseline->slice_spacing_mm;
    if (l->role != RP_ROLE_TARGET || f->state != RP_FOUND_MEASURED || !isfinite(size)) return;
    if (is_measurable(l->nodal, size, spacing, o->target_mm, o->node_target_mm)) return;
    if (l->nodal)
        OBJECT(c, baseline->id, l->id,
               "a target node needs a short axis of at least %g mm; it has %g mm",
               o->node_target_mm, size);
    else
        OBJECT(c, baseline->id, l->id, "not measurable: %g mm, where a target needs %g mm%s", size,
               is_measurable(false, size, 0, o->target_mm, 0) ? 2 * spacing : o->target_mm,
               is_measurable(false, size, 0, o->target_mm, 0) ? ", twice the slice spacing" : "");
}

/* ---- mRECIST ----------------------------------------------------------------------------- */

static bool is_arterial(const char *phase)
{
    size_t length;
    phase = trimmed(phase, &length);
    return (length == 8 && strncasecmp(phase, "arterial", length) == 0) ||
           (length == 13 && strncasecmp(phase, "late arterial", length) == 0);
}

static void check_phase(checker *c, size_t visit)
{
    const rp_timeline *t = c->timeline;
    const rp_timeline_visit *v = &t->visits[visit];
    if (is_arterial(v->phase)) return;
    for (size_t l = 0; l < t->lesion_count; l++) {
        finding_at f = c->at[visit * t->lesion_count + l];
        if (t->lesions[l].role != RP_ROLE_TARGET || t->lesions[l].nodal || !f) continue;
        if (f->state != RP_FOUND_MEASURED && f->state != RP_FOUND_SPLIT) continue;
        complain(c, RP_SEVERITY_REFUSED, v->id, NULL,
                 "mRECIST measures viable tissue in the arterial phase; this visit's phase is "
                 "'%.80s'",
                 v->phase);
        return;
    }
}

/* What doesn't enhance has nothing that could respond (Lencioni and Llovet 2010, target lesions).
 */
static void check_enhances(checker *c, size_t lesion)
{
    const rp_timeline_lesion *l = &c->timeline->lesions[lesion];
    finding_at f = c->at[lesion];
    if (l->role != RP_ROLE_TARGET || l->nodal || !f || f->state != RP_FOUND_MEASURED) return;
    if (f->viable_mm == 0)
        OBJECT(c, c->timeline->visits[0].id, l->id,
               "an mRECIST target needs arterial enhancement; its viable diameter is 0 mm");
}

void check_eligible(checker *c)
{
    const rp_timeline *t = c->timeline;
    check_numbers_of_targets(c);
    for (size_t l = 0; l < t->lesion_count; l++) check_size(c, l);
    if (c->options->criteria != RP_MRECIST) return;
    for (size_t l = 0; l < t->lesion_count; l++) check_enhances(c, l);
    for (size_t v = 0; v < t->visit_count; v++) check_phase(c, v);
}
