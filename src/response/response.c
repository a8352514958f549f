/* RECIST 1.1 for one target lesion. */
#include "reprise/response.h"

#include "compare.h"

#include <stdio.h>

/* The guideline's numbers. */
static const double partial_fraction = 0.7, progress_fraction = 1.2, progress_least_mm = 5;
static const double normal_node_mm = 10, target_node_mm = 15, target_lesion_mm = 10;
static const double too_small_default_mm = 5;

const char *rp_response_code(rp_response r)
{
    static const char *const codes[] = {"CR", "PR", "SD", "PD", "NE"};
    return (unsigned)r <= RP_NE ? codes[r] : "NE";
}

const char *rp_response_name(rp_response r)
{
    static const char *const names[] = {"complete response", "partial response", "stable disease",
                                        "progressive disease", "not evaluable"};
    return (unsigned)r <= RP_NE ? names[r] : "not evaluable";
}

static rp_status check_input(const rp_response_input *in, rp_error *err)
{
    if (!(isfinite(in->baseline_mm) && in->baseline_mm > 0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the baseline diameter must be above 0 mm, not %g",
                       in->baseline_mm);
    if (!(isfinite(in->nadir_mm) && in->nadir_mm >= 0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the smallest diameter so far cannot be %g mm",
                       in->nadir_mm);
    if (!at_most(in->nadir_mm, in->baseline_mm, in->nadir_mm))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "the smallest diameter so far (%g mm) is above the baseline's (%g mm), "
                       "which it includes",
                       in->nadir_mm, in->baseline_mm);
    if (!(isfinite(in->slice_spacing_mm) && in->slice_spacing_mm >= 0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the slice spacing cannot be %g mm",
                       in->slice_spacing_mm);
    if (!(isfinite(in->too_small_mm) && in->too_small_mm >= 0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "the value for a lesion too small to measure cannot be %g mm",
                       in->too_small_mm);
    if ((unsigned)in->state > RP_LESION_NOT_EVALUATED)
        return rp_fail(err, RP_ERR_ARGUMENT, "unknown state of the lesion: %d", (int)in->state);
    if (in->state == RP_LESION_MEASURED && !(isfinite(in->followup_mm) && in->followup_mm > 0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a measured follow-up diameter must be above 0 mm, not %g: a lesion that is "
                       "gone or was not found has a state of its own",
                       in->followup_mm);
    return RP_OK;
}

static double followup_value(const rp_response_input *in)
{
    if (in->state == RP_LESION_MEASURED) return in->followup_mm;
    if (in->state == RP_LESION_ABSENT) return 0;
    return in->too_small_mm > 0 ? in->too_small_mm : too_small_default_mm;
}

static bool measurable(const rp_response_input *in)
{
    return is_measurable(in->nodal, in->baseline_mm, in->slice_spacing_mm, target_lesion_mm,
                         target_node_mm);
}

static bool complete(const rp_response_input *in, double value)
{
    if (in->nodal) return !at_least(value, normal_node_mm, value);
    return in->state == RP_LESION_ABSENT;
}

/* ---- the sentence ------------------------------------------------------------------------ */

static void explain_progress(const rp_response_input *in, double value, double nadir,
                             rp_response_result *r)
{
    bool from_baseline = fabs(nadir - in->baseline_mm) <= slack(nadir, in->baseline_mm);
    snprintf(r->rule, sizeof r->rule,
             "PD: %.1f mm is %.1f mm (%.1f%%) above %s, %.1f mm; progression needs at least 20%% "
             "and at least 5 mm.",
             value, r->change_nadir_mm, r->change_nadir_percent,
             from_baseline ? "the baseline" : "the smallest so far", nadir);
}

static void explain_complete(const rp_response_input *in, double value, rp_response_result *r)
{
    if (in->state == RP_LESION_ABSENT)
        snprintf(r->rule, sizeof r->rule, "CR: the lesion is gone; it was %.1f mm at baseline.",
                 in->baseline_mm);
    else
        snprintf(r->rule, sizeof r->rule,
                 "CR: the node's short axis of %.*f mm is below 10 mm, the limit of a normal node.",
                 decimals(value, normal_node_mm), value);
}

static void explain_partial(const rp_response_input *in, double value, rp_response_result *r)
{
    snprintf(r->rule, sizeof r->rule,
             "PR: %.1f mm is %.1f%% below the baseline's %.1f mm; partial response needs at least "
             "30%%.",
             value, -r->change_percent, in->baseline_mm);
}

static void explain_stable(const rp_response_input *in, double value, double nadir,
                           rp_response_result *r)
{
    double partial = partial_fraction * in->baseline_mm;
    double progress = fmax(progress_fraction * nadir, nadir + progress_least_mm);
    int a = decimals(value, partial), b = decimals(value, progress), digits = a > b ? a : b;
    snprintf(
        r->rule, sizeof r->rule,
        "SD: %.*f mm is neither PR (at most %.*f mm, 30%% below the baseline's %.1f mm) nor PD "
        "(at least %.*f mm, 20%% and 5 mm above the smallest so far, %.1f mm).",
        digits, value, digits, partial, in->baseline_mm, digits, progress, nadir);
}

static void explain(const rp_response_input *in, double value, double nadir, rp_response_result *r)
{
    switch (r->response) {
    case RP_PD:
        explain_progress(in, value, nadir, r);
        break;
    case RP_CR:
        explain_complete(in, value, r);
        break;
    case RP_PR:
        explain_partial(in, value, r);
        break;
    default:
        explain_stable(in, value, nadir, r);
        break;
    }
}

/* ---- the rule ---------------------------------------------------------------------------- */

rp_status rp_response_classify(const rp_response_input *input, rp_response_result *result,
                               rp_error *err)
{
    rp_status status = check_input(input, err);
    if (status != RP_OK) return status;
    double nadir = input->nadir_mm > 0 ? input->nadir_mm : input->baseline_mm;
    double value = followup_value(input);
    rp_response_result r = {.response = RP_NE,
                            .change_percent = NAN,
                            .change_nadir_percent = NAN,
                            .change_nadir_mm = NAN,
                            .measurable_at_baseline = measurable(input)};
    bool evaluated = input->state != RP_LESION_NOT_EVALUATED;
    if (evaluated) {
        r.change_percent = 100 * (value - input->baseline_mm) / input->baseline_mm;
        r.change_nadir_percent = 100 * (value - nadir) / nadir;
        r.change_nadir_mm = value - nadir;
    }
    if (input->new_lesion) {
        r.response = RP_PD;
        snprintf(r.rule, sizeof r.rule, "PD: an unequivocal new lesion was seen.");
    } else if (!evaluated) {
        snprintf(r.rule, sizeof r.rule, "NE: the lesion was not evaluated at this visit.");
    } else {
        if (grown(value, nadir, progress_fraction, progress_least_mm))
            r.response = RP_PD;
        else if (complete(input, value))
            r.response = RP_CR;
        else if (at_most(value, partial_fraction * input->baseline_mm, value))
            r.response = RP_PR;
        else
            r.response = RP_SD;
        explain(input, value, nadir, &r);
    }
    *result = r;
    return RP_OK;
}
