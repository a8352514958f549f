/* RECIST 1.1 for one target lesion. */
#include "reprise/response.h"

#include "compare.h"
#include "rules.h"

#include <stdio.h>
#include <string.h>

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
    if (!(isfinite(in->baseline_voxel_mm) && in->baseline_voxel_mm >= 0) ||
        !(isfinite(in->followup_voxel_mm) && in->followup_voxel_mm >= 0))
        return rp_fail(err, RP_ERR_ARGUMENT, "a voxel cannot have %g or %g mm",
                       in->baseline_voxel_mm, in->followup_voxel_mm);
    if ((unsigned)in->state > RP_LESION_NOT_EVALUATED)
        return rp_fail(err, RP_ERR_ARGUMENT, "unknown state of the lesion: %d", (int)in->state);
    if (in->state == RP_LESION_MEASURED && !(isfinite(in->followup_mm) && in->followup_mm > 0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a measured follow-up diameter must be above 0 mm, not %g: a lesion that is "
                       "gone or was not found has a state of its own",
                       in->followup_mm);
    return RP_OK;
}

/* One lesion as the timeline's rules see it. */
typedef struct one_target {
    rp_response_options options;
    target_sizes sizes;
} one_target;

/* A lesion that is no node is never 0 mm at an earlier visit here: its nadir would be no number. */
static bool was_normal(const rp_response_input *in, const rp_response_options *o)
{
    return in->nodal && in->nadir_mm > 0 && node_is_normal_at(o, in->nadir_mm);
}

static one_target target_of(const rp_response_input *in)
{
    one_target t = {.options = rp_response_defaults(RP_RECIST_1_1)};
    rp_response_options *o = &t.options;
    if (in->too_small_mm > 0) o->too_small_mm = in->too_small_mm;
    const double value = in->state == RP_LESION_MEASURED    ? in->followup_mm
                         : in->state == RP_LESION_ABSENT    ? 0
                         : in->state == RP_LESION_TOO_SMALL ? o->too_small_mm
                                                            : NAN;
    const double nadir = in->nadir_mm > 0 ? in->nadir_mm : in->baseline_mm;
    const bool gone = in->nodal ? node_is_normal_at(o, value) : value == 0;
    t.sizes = (target_sizes){.sum = value,
                             .evaluated = value,
                             .baseline = in->baseline_mm,
                             .nadir = nadir,
                             .gone = gone,
                             .back = was_normal(in, o) && !gone && !isnan(value),
                             .response = was_normal(in, o) ||
                                         at_most(nadir, partial_limit(o, in->baseline_mm), nadir)};
    return t;
}

static rp_response response_of(rp_call call)
{
    switch (call) {
    case RP_CALL_CR:
        return RP_CR;
    case RP_CALL_PR:
        return RP_PR;
    case RP_CALL_SD:
        return RP_SD;
    case RP_CALL_PD:
        return RP_PD;
    default:
        return RP_NE;
    }
}

static rp_response call_one(const rp_response_input *in, const char **rule)
{
    const one_target t = target_of(in);
    const target_call made = call_targets(&t.options, &t.sizes);
    *rule = in->new_lesion ? "PD-new" : made.rule;
    return response_of(rp_overall_response(made.call, RP_CALL_NA, in->new_lesion));
}

/* ---- the sentence ------------------------------------------------------------------------ */

static void explain_progress(const one_target *t, rp_response_result *r)
{
    const double nadir = t->sizes.nadir, baseline = t->sizes.baseline;
    const bool from_baseline = fabs(nadir - baseline) <= slack(nadir, baseline);
    snprintf(r->rule, sizeof r->rule,
             "PD: %.1f mm is %.1f mm (%.1f%%) above %s, %.1f mm; progression needs at least 20%% "
             "and at least 5 mm.",
             t->sizes.sum, r->change_nadir_mm, r->change_nadir_percent,
             from_baseline ? "the baseline" : "the smallest so far", nadir);
}

static void explain_complete(const rp_response_input *in, const one_target *t,
                             rp_response_result *r)
{
    const double limit = t->options.node_normal_mm;
    if (in->state == RP_LESION_ABSENT)
        snprintf(r->rule, sizeof r->rule, "CR: the lesion is gone; it was %.1f mm at baseline.",
                 in->baseline_mm);
    else
        snprintf(r->rule, sizeof r->rule,
                 "CR: the node's short axis of %.*f mm is below %g mm, the limit of a normal node.",
                 decimals(t->sizes.sum, limit), t->sizes.sum, limit);
}

static void explain_partial(const one_target *t, rp_response_result *r)
{
    snprintf(r->rule, sizeof r->rule,
             "PR: %.1f mm is %.1f%% below the baseline's %.1f mm; partial response needs at least "
             "30%%.",
             t->sizes.sum, -r->change_percent, t->sizes.baseline);
}

static void explain_kept(const one_target *t, rp_response_result *r)
{
    snprintf(r->rule, sizeof r->rule,
             "PR: %.1f mm is %.1f%% from the baseline's %.1f mm, yet the smallest so far, %.1f mm, "
             "was a response, which stays until progression (%.1f mm).",
             t->sizes.sum, r->change_percent, t->sizes.baseline, t->sizes.nadir,
             progression_limit(&t->options, t->sizes.nadir));
}

static void explain_stable(const one_target *t, rp_response_result *r)
{
    const double partial = partial_limit(&t->options, t->sizes.baseline);
    const double progress = progression_limit(&t->options, t->sizes.nadir), value = t->sizes.sum;
    const int a = decimals(value, partial), b = decimals(value, progress), digits = a > b ? a : b;
    snprintf(
        r->rule, sizeof r->rule,
        "SD: %.*f mm is neither PR (at most %.*f mm, 30%% below the baseline's %.1f mm) nor PD "
        "(at least %.*f mm, 20%% and 5 mm above the smallest so far, %.1f mm).",
        digits, value, digits, partial, t->sizes.baseline, digits, progress, t->sizes.nadir);
}

static void explain(const rp_response_input *in, const char *rule, rp_response_result *r)
{
    const one_target t = target_of(in);
    if (strcmp(rule, "PD-new") == 0)
        snprintf(r->rule, sizeof r->rule, "PD: an unequivocal new lesion was seen.");
    else if (strcmp(rule, "NE") == 0)
        snprintf(r->rule, sizeof r->rule, "NE: the lesion was not evaluated at this visit.");
    else if (strcmp(rule, "PD-reappearance") == 0)
        snprintf(r->rule, sizeof r->rule,
                 "PD: the node was normal (%.1f mm) and no longer is (%.1f mm): it is there again "
                 "after a complete response.",
                 t.sizes.nadir, t.sizes.sum);
    else if (strcmp(rule, "PD-sum") == 0)
        explain_progress(&t, r);
    else if (strcmp(rule, "CR") == 0)
        explain_complete(in, &t, r);
    else if (strcmp(rule, "PR") == 0)
        explain_partial(&t, r);
    else if (strcmp(rule, "PR-kept") == 0)
        explain_kept(&t, r);
    else
        explain_stable(&t, r);
}

/* ---- borderline -------------------------------------------------------------------------- */

/* The call if the measurements had been so much longer. */
static rp_response call_longer(const rp_response_input *in, double baseline_mm, double followup_mm)
{
    rp_response_input other = *in;
    const char *rule;
    other.baseline_mm = fmax(in->baseline_mm + baseline_mm, in->nadir_mm);
    other.followup_mm = fmax(in->followup_mm + followup_mm, 0);
    return call_one(&other, &rule);
}

static rp_borderline nearest_threshold(const rp_response_input *in)
{
    const one_target t = target_of(in);
    const double limits[] = {partial_limit(&t.options, t.sizes.baseline),
                             progression_limit(&t.options, t.sizes.nadir),
                             in->nodal ? t.options.node_normal_mm : INFINITY};
    rp_borderline nearest = {.lesion = -1, .distance = INFINITY};
    for (int i = RP_THRESHOLD_PR; i <= RP_THRESHOLD_NODE; i++) {
        const double distance = fabs(t.sizes.sum - limits[i]);
        if (distance >= nearest.distance) continue;
        nearest.threshold = (rp_threshold)i;
        nearest.distance = distance;
    }
    return nearest;
}

/* One voxel at one of the two visits: both at once is rarer than the flag should be. */
static void doubt(const rp_response_input *in, rp_response_result *r)
{
    const double before = in->baseline_voxel_mm, after = in->followup_voxel_mm;
    const double steps[][2] = {{0, after}, {0, -after}, {before, 0}, {-before, 0}};
    if (in->state != RP_LESION_MEASURED || in->baseline_mm <= before) return;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !r->is_borderline; i++) {
        r->otherwise = call_longer(in, steps[i][0], steps[i][1]);
        r->is_borderline = r->otherwise != r->response;
    }
    if (!r->is_borderline) return;
    r->borderline = nearest_threshold(in);
    snprintf(r->doubt, sizeof r->doubt,
             "Borderline: %.1f mm is close to a threshold (%s, %.2f mm away); one voxel more or "
             "less (%.2f mm at baseline, %.2f mm at follow-up) would make it %s instead of %s.",
             in->followup_mm, rp_threshold_code(r->borderline.threshold), r->borderline.distance,
             before, after, rp_response_code(r->otherwise), rp_response_code(r->response));
}

/* ---- the whole --------------------------------------------------------------------------- */

rp_status rp_response_classify(const rp_response_input *input, rp_response_result *result,
                               rp_error *err)
{
    const char *rule;
    rp_status status = check_input(input, err);
    if (status != RP_OK) return status;
    const one_target t = target_of(input);
    const double value = t.sizes.sum, nadir = t.sizes.nadir; /* NaN where not evaluated */
    rp_response_result r = {.change_percent =
                                100 * (value - input->baseline_mm) / input->baseline_mm,
                            .change_nadir_percent = 100 * (value - nadir) / nadir,
                            .change_nadir_mm = value - nadir};
    r.measurable_at_baseline =
        is_measurable(input->nodal, input->baseline_mm, input->slice_spacing_mm,
                      t.options.target_mm, t.options.node_target_mm);
    r.response = call_one(input, &rule);
    explain(input, rule, &r);
    doubt(input, &r);
    *result = r;
    return RP_OK;
}
