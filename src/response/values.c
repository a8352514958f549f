/* From findings to the value of every target, to sums and limits. */
#include "internal.h"

static const double sphere_cc_per_mm3 = 3.14159265358979323846 / 6000; /* of the diameter cubed */

/* ---- one target -------------------------------------------------------------------------- */

static double sum_of(const double *parts, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += parts[i];
    return sum;
}

double node_axis(const rp_timeline_finding *f)
{
    if (f->state == RP_FOUND_MEASURED) return f->short_axis_mm;
    return f->state == RP_FOUND_SPLIT ? sum_of(f->parts_mm, f->part_count) : NAN;
}

static double measured_value(const course *c, bool nodal, finding_at f)
{
    if (is_volumetric(c)) return f->volume_cc;
    if (nodal) return f->short_axis_mm;
    return c->options->criteria == RP_MRECIST ? f->viable_mm : f->longest_mm;
}

static double split_value(const course *c, bool nodal, finding_at f)
{
    if (is_volumetric(c)) return f->volume_cc;
    if (c->options->criteria == RP_MRECIST && !nodal)
        return sum_of(f->parts_viable_mm, f->viable_count);
    return sum_of(f->parts_mm, f->part_count);
}

/* Of a target that has not merged. */
static double own_value(const course *c, bool nodal, finding_at f)
{
    const double d = c->options->too_small_mm;
    switch (f->state) {
    case RP_FOUND_MEASURED:
        return measured_value(c, nodal, f);
    case RP_FOUND_SPLIT:
        return split_value(c, nodal, f);
    case RP_FOUND_TOO_SMALL:
        return is_volumetric(c) ? sphere_cc_per_mm3 * d * d * d : d;
    case RP_FOUND_ABSENT:
        return 0;
    default:
        return NAN;
    }
}

static bool node_is_normal(const course *c, finding_at f)
{
    const double axis = f->state == RP_FOUND_TOO_SMALL ? c->options->too_small_mm : node_axis(f);
    return f->state == RP_FOUND_ABSENT || node_is_normal_at(c->options, axis);
}

/* The target that holds this one's size: itself, or what it merged into. Timelines have been
 * checked: there is no circle. */
static size_t holder(const course *c, size_t visit, size_t lesion)
{
    finding_at f = found(c, visit, lesion);
    while (f && f->state == RP_FOUND_MERGED) {
        lesion = (size_t)lesion_index(c->timeline, f->into);
        f = found(c, visit, lesion);
    }
    return lesion;
}

static void evaluate_target(course *c, size_t visit, size_t lesion)
{
    const size_t at = visit * c->lesions + lesion, held_by = holder(c, visit, lesion);
    const bool nodal = c->timeline->lesions[held_by].nodal;
    finding_at f = found(c, visit, held_by);
    const double value = f ? own_value(c, nodal, f) : NAN;
    c->gone[at] = !isnan(value) && (nodal ? node_is_normal(c, f) : value == 0);
    c->value[at] = !isnan(value) && held_by != lesion ? 0 : value;
}

/* ---- sums -------------------------------------------------------------------------------- */

static void add_up(const course *c, size_t visit)
{
    rp_visit_result *r = &c->results[visit];
    size_t evaluated = 0;
    double sum = 0, nodes = 0;
    for (size_t l = 0; l < c->lesions; l++) {
        const double value = c->value[visit * c->lesions + l];
        if (role_of(c, l) != RP_ROLE_TARGET || isnan(value)) continue;
        sum += value;
        nodes += c->timeline->lesions[l].nodal ? value : 0;
        evaluated++;
    }
    r->complete = c->targets && evaluated == c->targets;
    r->evaluated_sum = evaluated ? sum : NAN;
    r->sum = r->complete ? sum : NAN;
    r->nodes_sum = r->complete ? nodes : NAN;
}

static void judge_nodes(const course *c, size_t visit)
{
    rp_node_state state = RP_NODES_NONE;
    for (size_t l = 0; l < c->lesions && state != RP_NODES_PATHOLOGICAL; l++) {
        const size_t at = visit * c->lesions + l;
        if (role_of(c, l) != RP_ROLE_TARGET || !c->timeline->lesions[l].nodal) continue;
        if (isnan(c->value[at]))
            state = RP_NODES_UNKNOWN;
        else if (!c->gone[at])
            state = RP_NODES_PATHOLOGICAL;
        else if (state == RP_NODES_NONE)
            state = RP_NODES_NORMAL;
    }
    c->results[visit].nodes = state;
}

static double percent_of(double value, double from)
{
    return from > 0 ? 100 * (value - from) / from : NAN;
}

/* The nadir is what was smallest before: the first of equals. */
static void compare_with_before(const course *c, size_t visit)
{
    rp_visit_result *r = &c->results[visit], *before = &c->results[visit ? visit - 1 : 0];
    const double baseline = c->results[0].sum;
    r->nadir = NAN;
    r->nadir_visit = NO_INDEX;
    if (visit && c->targets) {
        r->nadir = before->nadir;
        r->nadir_visit = before->nadir_visit;
        if (before->complete &&
            (r->nadir_visit == NO_INDEX || !at_least(before->sum, r->nadir, before->sum))) {
            r->nadir = before->sum;
            r->nadir_visit = (int)visit - 1;
        }
    }
    r->baseline_change_percent = percent_of(r->sum, baseline);
    r->nadir_change_percent = percent_of(r->sum, r->nadir);
    r->partial_limit = partial_limit(c->options, baseline);
    r->progression_limit = progression_limit(c->options, r->nadir);
}

void evaluate_targets(course *c)
{
    for (size_t v = 0; v < c->visits; v++) {
        for (size_t l = 0; l < c->lesions; l++)
            if (role_of(c, l) == RP_ROLE_TARGET) evaluate_target(c, v, l);
        add_up(c, v);
        judge_nodes(c, v);
        compare_with_before(c, v);
    }
}
