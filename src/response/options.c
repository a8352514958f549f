/* Options of a protocol: defaults and ranges. */
#include "reprise/response.h"

#include <math.h>

rp_response_options rp_response_defaults(rp_criteria criteria)
{
    const bool has_minimum = criteria == RP_RECIST_1_1 || criteria == RP_IRECIST;
    return (rp_response_options){.criteria = criteria,
                                 .confirmation_days = 28,
                                 .minimum_sd_days = 42,
                                 .keep_pr = true,
                                 .reappearance_is_pd = true,
                                 .too_small_mm = 5,
                                 .progression_minimum_mm = has_minimum ? 5 : 0,
                                 .node_normal_mm = 10,
                                 .node_target_mm = 15,
                                 .target_mm = 10,
                                 .irecist_earliest_days = 28,
                                 .irecist_latest_days = 56,
                                 .irecist_further_mm = 5};
}

static rp_status check_lengths(const rp_response_options *o, rp_error *err)
{
    const struct {
        const char *name;
        double value;
        bool may_be_zero;
    } lengths[] = {{"too_small_mm", o->too_small_mm, false},
                   {"progression_minimum_mm", o->progression_minimum_mm, true},
                   {"node_normal_mm", o->node_normal_mm, false},
                   {"node_target_mm", o->node_target_mm, true},
                   {"target_mm", o->target_mm, true},
                   {"reader_error_mm", o->reader_error_mm, true},
                   {"reader_error_percent", o->reader_error_percent, true},
                   {"irecist_further_mm", o->irecist_further_mm, true}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const double value = lengths[i].value;
        if (isfinite(value) && (lengths[i].may_be_zero ? value >= 0 : value > 0)) continue;
        return rp_fail(err, RP_ERR_ARGUMENT, "%s must be %s, not %g", lengths[i].name,
                       lengths[i].may_be_zero ? "0 or more" : "above 0", value);
    }
    return RP_OK;
}

rp_status rp_response_options_check(const rp_response_options *o, rp_error *err)
{
    if (!rp_criteria_code(o->criteria))
        return rp_fail(err, RP_ERR_ARGUMENT, "unknown criteria: %d", (int)o->criteria);
    rp_status status = check_lengths(o, err);
    if (status) return status;
    if (o->confirmation_days < 0 || o->minimum_sd_days < 0 || o->irecist_earliest_days < 0)
        return rp_fail(err, RP_ERR_ARGUMENT, "numbers of days must be 0 or more");
    if (o->irecist_latest_days < o->irecist_earliest_days)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "irecist_latest_days (%d) must not be below irecist_earliest_days (%d)",
                       o->irecist_latest_days, o->irecist_earliest_days);
    if (o->criteria == RP_VOLUMETRIC && o->progression_minimum_mm > 0)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "progression_minimum_mm is a length and means nothing to sums of volumes");
    return RP_OK;
}
