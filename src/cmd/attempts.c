/* Which way to a patient model serves a patient: the start with nothing but the baseline to look
 * at, or adapted to it as well. */
#include "attempts.h"

#include <math.h>
#include <string.h>

/* Of the mean Dice on simulated follow-ups; less of a gain is chance. */
static const double ENOUGH = 0.85, GAIN = 0.02;

bool cmd_attempts_wanted(const cmd_learning *learning, const cmd_settings *settings)
{
    rp_fcd_config network;
    rp_region_options region;
    rp_fcd_config_defaults(&network);
    rp_region_defaults(&region);
    return settings->recipe == RP_RECIPE_QUICK && !settings->adapt.region.whole &&
           !learning->model && !learning->start && !learning->fresh && !settings->has_epochs &&
           settings->adapt.copies == 1 && !settings->adapt.prior_channel &&
           rp_fcd_config_same(&network, &settings->network) &&
           memcmp(region.voxels, settings->adapt.region.voxels, sizeof region.voxels) == 0;
}

rp_status cmd_attempts_begin(const cmd_attempts_input *in, rp_error *err)
{
    const rp_adapt_options *how = &in->settings->adapt;
    if (in->settings->attempts) return rp_remember(in->model, in->image, in->contour, how, err);
    return rp_adapt(in->model, in->image, in->contour, how, in->progress, in->curve, err);
}

/* What one way came to. */
typedef struct attempt {
    cmd_settings settings;
    rp_model model;
    rp_adapt_curve curve;
    cmd_guarded guard;
} attempt;

static void release(attempt *one)
{
    rp_adapt_curve_release(&one->curve);
    rp_model_release(&one->model);
}

/* The start once more, for the first way's model is kept until it is known which one is better. */
static rp_status read_start(const rp_model *first, rp_model *model, rp_error *err)
{
    RP_AUTOFREE char *path = cmd_start_model();
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    const rp_status status = rp_model_read(path, model, err);
    if (status) return status;
    memcpy(model->provenance.label, first->provenance.label, sizeof model->provenance.label);
    memcpy(model->provenance.image_repair, first->provenance.image_repair,
           sizeof model->provenance.image_repair);
    return RP_OK;
}

static rp_status try_adapted(const cmd_attempts_input *in, attempt *one, rp_error *err)
{
    one->settings = *in->settings;
    one->settings.guard.earlier = &in->guard->trials;
    rp_status status = read_start(in->model, &one->model, err);
    if (!status)
        status = rp_adapt(&one->model, in->image, in->contour, &one->settings.adapt, in->progress,
                          &one->curve, err);
    if (!status)
        status = cmd_guard_try(&one->settings, &one->model, in->image, in->contour, in->progress,
                               &one->guard, err);
    return status;
}

static void take(const cmd_attempts_input *in, attempt *one)
{
    const attempt old = {.model = *in->model, .curve = *in->curve};
    *in->settings = one->settings;
    in->settings->guard.earlier = NULL;
    *in->model = one->model;
    *in->curve = one->curve;
    *in->guard = one->guard;
    one->model = old.model;
    one->curve = old.curve;
}

static rp_status try_second(const cmd_attempts_input *in, cmd_attempts_made *made, rp_error *err)
{
    rp_error why = {0};
    const double reached = in->guard->on ? in->guard->by[RP_GUARD_MODEL].mean_dice : NAN;
    *made = (cmd_attempts_made){.count = 1, .mean_dice = {reached}};
    if (!(reached < ENOUGH)) return RP_OK;
    attempt *one = rp_alloc(1, sizeof *one);
    if (!one) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status = try_adapted(in, one, &why);
    if (status == RP_ERR_BUDGET) { /* the first way's model is there, and judged */
        rp_log(RP_LOG_WARNING, "the adaptation of the start is left out: %s", why.message);
        status = RP_OK;
    } else if (status) {
        rp_fail(err, status, "%s", why.message);
    } else {
        made->mean_dice[made->count++] = one->guard.by[RP_GUARD_MODEL].mean_dice;
        made->chosen = made->mean_dice[1] > made->mean_dice[0] + GAIN;
        if (made->chosen) take(in, one);
    }
    release(one);
    rp_free(one);
    return status;
}

rp_status cmd_attempts_finish(const cmd_attempts_input *in, cmd_attempts_made *made, rp_error *err)
{
    *made = (cmd_attempts_made){0};
    const rp_status status = cmd_guard_try(in->settings, in->model, in->image, in->contour,
                                           in->progress, in->guard, err);
    return status || !in->settings->attempts ? status : try_second(in, made, err);
}

static const char *const ways[] = {"start", "adapted"};

const char *cmd_attempts_way(const cmd_attempts_made *made)
{
    return made->count ? ways[made->chosen] : "given";
}

rp_json *cmd_attempts_json(const cmd_attempts_made *made)
{
    rp_json *list = rp_json_array();
    for (int i = 0; i < made->count; i++) {
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "way", ways[i]);
        rp_json_set_number(one, "guard_mean_dice", made->mean_dice[i]);
        rp_json_set_bool(one, "chosen", i == made->chosen);
        rp_json_append(list, one);
    }
    return list;
}
