/* From what was found, and what trials and other patients say of such findings, to an interval. */
#include "reprise/guard.h"
#include "reprise/stats.h"

#include <math.h>

static const double failed_dice = 0.3, other_dice = 0.5, as_much = 0.5, nothing_known = 0.1;
static const double most_df = 1000.0;

double rp_guard_level(int i)
{
    static const double levels[RP_GUARD_LEVELS] = {0.80, 0.95};
    return levels[i];
}

/* ---- the patient's scale ------------------------------------------------------------------- */

static double unit_mm(const rp_guard_calibration *c, double voxel_mm, double mm)
{
    return hypot(c->floor_voxels * voxel_mm, c->relative * mm);
}

static bool was_found(const rp_guard_trial *t)
{
    return !t->gone && t->found_mm > 0;
}

static double nearness(const rp_guard_calibration *c, const rp_guard_trial *t, double found_mm)
{
    const double apart = log(found_mm / t->found_mm) / c->reach;
    return exp(-0.5 * apart * apart);
}

static double weight_of(const rp_guard_calibration *c, const rp_guard_trial *t, double found_mm)
{
    return c->far + (1.0 - c->far) * nearness(c, t, found_mm);
}

static double at_most(const rp_guard_calibration *c, double error)
{
    const double most = c->most * c->spread;
    return most > 0 ? fmin(fmax(error, c->bias - most), c->bias + most) : error;
}

/* Weighted count, mean and sum of squares of the trials' errors. */
typedef struct errors {
    double n, mean, squares;
} errors;

static errors errors_of(const rp_guard_question *q, const rp_guard_calibration *c)
{
    errors e = {0};
    double sum = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; q->trials && k < q->trials->count; k++) {
            const rp_guard_trial *t = &q->trials->item[k];
            if (!was_found(t)) continue;
            const double w = weight_of(c, t, q->found_mm);
            const double z =
                at_most(c, (t->true_mm - t->found_mm) / unit_mm(c, q->voxel_mm, t->found_mm));
            if (pass == 0) {
                e.n += w;
                sum += w * z;
                e.mean = sum / e.n;
            } else {
                e.squares += w * (z - e.mean) * (z - e.mean);
            }
        }
    return e;
}

static void place(const rp_guard_question *q, const rp_guard_calibration *c, rp_guard_answer *a)
{
    const errors e = errors_of(q, c);
    const double unit = unit_mm(c, q->voxel_mm, q->found_mm);
    const double kappa = c->bias_trials + e.n, nu = c->spread_trials + e.n;
    const double off = e.mean - c->bias;
    const double sum = c->spread_trials * c->spread * c->spread + e.squares +
                       c->bias_trials * e.n * off * off / kappa;
    const double bias = (c->bias_trials * c->bias + e.n * e.mean) / kappa;
    a->weight = e.n;
    a->centre_mm = q->found_mm + bias * unit;
    a->scale_mm = unit * sqrt(sum / nu * (1.0 + 1.0 / kappa));
    if (c->narrow > 0) a->scale_mm *= c->narrow;
}

/* ---- the distribution ---------------------------------------------------------------------- */

static double tail_ratio(double df)
{
    return rp_stat_t_quantile(0.975, df) / rp_stat_t_quantile(0.9, df);
}

/* The ratio falls as the degrees of freedom rise. */
static double df_of(const rp_guard_calibration *c)
{
    const double wanted = c->q95 / c->q80;
    double low = 1.0, high = most_df;
    if (wanted >= tail_ratio(low)) return low;
    for (int i = 0; i < 60; i++) {
        const double middle = sqrt(low * high);
        if (tail_ratio(middle) > wanted)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static void limits(const rp_guard_question *q, const rp_guard_calibration *c, rp_guard_answer *a)
{
    const double times[RP_GUARD_LEVELS] = {c->q80, c->q95}, baseline = q->response.baseline_mm;
    for (int i = 0; i < RP_GUARD_LEVELS; i++) {
        a->low_mm[i] = fmax(a->centre_mm - times[i] * a->scale_mm, 0.0);
        a->high_mm[i] = fmax(a->centre_mm + times[i] * a->scale_mm, 0.0);
        a->low_percent[i] = 100.0 * (a->low_mm[i] / baseline - 1.0);
        a->high_percent[i] = 100.0 * (a->high_mm[i] / baseline - 1.0);
    }
}

/* ---- the responses ------------------------------------------------------------------------- */

enum { CUTS = 3 };

/* Diameters at which the response may change, ascending. */
static void cuts_of(const rp_response_input *r, double cut[CUTS])
{
    const rp_response_options o = rp_response_defaults(RP_RECIST_1_1);
    const double nadir = r->nadir_mm > 0 ? r->nadir_mm : r->baseline_mm;
    const double all[CUTS] = {0.7 * r->baseline_mm,
                              fmax(1.2 * nadir, nadir + o.progression_minimum_mm),
                              r->nodal ? o.node_normal_mm : 0.0};
    for (int i = 0; i < CUTS; i++) {
        int place_of = i;
        for (; place_of > 0 && cut[place_of - 1] > all[i]; place_of--)
            cut[place_of] = cut[place_of - 1];
        cut[place_of] = all[i];
    }
}

static rp_status respond(const rp_guard_question *q, double mm, rp_response *response,
                         rp_error *err)
{
    rp_response_input input = q->response;
    rp_response_result result = {.response = RP_NE};
    input.state = mm > 0 ? RP_LESION_MEASURED : RP_LESION_ABSENT;
    input.followup_mm = mm;
    rp_status status = rp_response_classify(&input, &result, err);
    *response = result.response;
    return status;
}

static rp_status chances(const rp_guard_question *q, const rp_guard_calibration *c,
                         rp_guard_answer *a, rp_error *err)
{
    double cut[CUTS], below = 0.0;
    const double df = df_of(c);
    const double scale = a->scale_mm * c->q95 / rp_stat_t_quantile(0.975, df);
    rp_response response;
    cuts_of(&q->response, cut);
    rp_status status = respond(q, 0.0, &response, err);
    if (!status) a->probability[response] += a->gone;
    for (int i = 0; i <= CUTS && !status; i++) {
        const double from = i ? cut[i - 1] : 0.0, to = i < CUTS ? cut[i] : 2.0 * cut[i - 1];
        const double under = i < CUTS ? rp_stat_t_below((cut[i] - a->centre_mm) / scale, df) : 1.0;
        if (!(to > from)) continue;
        status = respond(q, 0.5 * (from + to), &response, err);
        if (!status) a->probability[response] += (1.0 - a->gone) * (under - below);
        below = under;
    }
    return status;
}

/* ---- gone, or missed ------------------------------------------------------------------------- */

static double share(const double prior[2], int yes, int all)
{
    return (prior[0] + yes) / (prior[0] + prior[1] + all);
}

static void weigh_absence(const rp_guard_question *q, const rp_guard_calibration *c,
                          rp_guard_answer *a)
{
    int vanished = 0, present = 0, false_finds = 0, missed = 0, failed = 0;
    for (int k = 0; q->trials && k < q->trials->count; k++) {
        const rp_guard_trial *t = &q->trials->item[k];
        vanished += t->gone;
        present += !t->gone;
        false_finds += t->gone && t->found_mm > 0 && t->found_cc >= as_much * q->found_cc;
        missed += !t->gone && !(t->found_mm > 0);
        failed += !t->gone && t->dice < failed_dice;
    }
    const double b = share(c->false_find, false_finds, vanished),
                 m = share(c->miss, missed, present);
    const double gone = c->gone * (a->found ? b : 1.0 - b);
    const double there = (1.0 - c->gone) * (a->found ? 1.0 - m : m);
    a->gone = gone / (gone + there);
    a->failure = share(c->miss, failed, present);
}

static double failures_near(const rp_guard_question *q, const rp_guard_calibration *c)
{
    double all = 1.0, failed = nothing_known;
    for (int k = 0; q->trials && k < q->trials->count; k++) {
        const rp_guard_trial *t = &q->trials->item[k];
        if (!(t->found_mm > 0)) continue;
        const double weight = nearness(c, t, q->found_mm);
        all += weight;
        if (t->gone || t->dice < other_dice) failed += weight;
    }
    return failed / all;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool positive(double value)
{
    return isfinite(value) && value > 0;
}

static rp_status check(const rp_guard_question *q, const rp_guard_calibration *c, rp_error *err)
{
    if (!positive(q->voxel_mm))
        return rp_fail(err, RP_ERR_ARGUMENT, "a voxel cannot have %g mm", q->voxel_mm);
    if (!positive(q->response.baseline_mm))
        return rp_fail(err, RP_ERR_ARGUMENT, "the baseline diameter must be above 0 mm, not %g",
                       q->response.baseline_mm);
    if (!(isfinite(q->found_mm) && q->found_mm >= 0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the diameter found cannot be %g mm", q->found_mm);
    if (!positive(c->floor_voxels) || !positive(c->bias_trials) || !positive(c->spread) ||
        !positive(c->spread_trials) || !positive(c->reach) || !(c->far >= 0 && c->far <= 1) ||
        !(isfinite(c->most) && c->most >= 0) || !(isfinite(c->narrow) && c->narrow >= 0) ||
        !positive(c->q80) || !(isfinite(c->q95) && c->q95 > c->q80) ||
        !(c->gone > 0 && c->gone < 1))
        return rp_fail(err, RP_ERR_ARGUMENT, "the calibration '%s' is out of range", c->name);
    return RP_OK;
}

rp_status rp_guard_interval(const rp_guard_question *question, rp_guard_answer *answer,
                            rp_error *err)
{
    const rp_guard_calibration *c =
        question->calibration ? question->calibration : rp_guard_calibration_shipped();
    *answer = (rp_guard_answer){.found = question->found_mm > 0, .response = RP_NE};
    rp_status status = check(question, c, err);
    if (status) return status;
    weigh_absence(question, c, answer);
    if (answer->found) {
        answer->failure_near = failures_near(question, c);
        place(question, c, answer);
        limits(question, c, answer);
        status = chances(question, c, answer, err);
        return status ? status : respond(question, question->found_mm, &answer->response, err);
    }
    answer->centre_mm = answer->scale_mm = NAN;
    for (int i = 0; i < RP_GUARD_LEVELS; i++)
        answer->low_mm[i] = answer->high_mm[i] = answer->low_percent[i] = answer->high_percent[i] =
            NAN;
    for (int r = 0; r < 4; r++) answer->probability[r] = NAN;
    return RP_OK;
}
