/* What makes a response of sums. */
#include "rules.h"

#include "compare.h"

static bool is_of_volumes(const rp_response_options *o)
{
    return o->criteria == RP_VOLUMETRIC;
}

double partial_factor(const rp_response_options *o)
{
    return is_of_volumes(o) ? 0.343 : 0.7; /* 0.7 cubed */
}

double progression_factor(const rp_response_options *o)
{
    return is_of_volumes(o) ? 1.728 : 1.2; /* 1.2 cubed */
}

double partial_limit(const rp_response_options *o, double baseline)
{
    return partial_factor(o) * baseline;
}

double progression_limit(const rp_response_options *o, double nadir)
{
    return fmax(progression_factor(o) * nadir, nadir + o->progression_minimum_mm);
}

bool node_is_normal_at(const rp_response_options *o, double axis_mm)
{
    return !at_least(axis_mm, o->node_normal_mm, axis_mm);
}

target_call call_targets(const rp_response_options *o, const target_sizes *t)
{
    if (grown(t->evaluated, t->nadir, progression_factor(o), o->progression_minimum_mm))
        return (target_call){RP_CALL_PD, "PD-sum"};
    if (o->reappearance_is_pd && t->back) return (target_call){RP_CALL_PD, "PD-reappearance"};
    if (isnan(t->sum)) return (target_call){RP_CALL_NE, "NE"};
    if (t->gone) return (target_call){RP_CALL_CR, "CR"};
    if (at_most(t->sum, partial_limit(o, t->baseline), t->sum))
        return (target_call){RP_CALL_PR, "PR"};
    if (o->keep_pr && t->response) return (target_call){RP_CALL_PR, "PR-kept"};
    return (target_call){RP_CALL_SD, "SD"};
}
