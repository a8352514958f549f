/* Which way of adapting serves a patient: a cheap one, and where the guard finds that wanting a
 * thorough one. */
#include "attempts.h"

#include <math.h>
#include <string.h>

/* Of the mean Dice on simulated follow-ups. The start contours what differs from its surroundings
 * after half a minute, and follows the baseline's contour where nothing does. */
static const double ENOUGH = 0.85;

/* From fresh weights with a network whose step costs a third of the study's, on a finer grid: a
 * lesion as dense as the muscle round it is told by its texture (docs/adaptation.md). */
enum { THOROUGH_EPOCHS = 80, FILTERS = 24, BOTTLENECK = 4 };
static const int LAYERS[] = {2, 2, 3, 3}, VOXELS[3] = {96, 96, 48};

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

void cmd_attempts_begin(const cmd_settings *settings, rp_adapt_options *how)
{
    if (!settings->attempts) return;
    how->checkpoint_path = NULL;
    how->resume = false;
}

static void make_thorough(cmd_settings *settings)
{
    rp_preprocessing_defaults(&settings->preprocessing);
    rp_fcd_config_defaults(&settings->network);
    settings->network.first_filters = FILTERS;
    memcpy(settings->network.down_layers, LAYERS, sizeof LAYERS);
    settings->network.bottleneck_layers = BOTTLENECK;
    settings->adapt.epochs = THOROUGH_EPOCHS;
    memcpy(settings->adapt.region.voxels, VOXELS, sizeof VOXELS);
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

static rp_status try_thorough(const cmd_attempts_input *in, attempt *one, rp_error *err)
{
    const rp_model_provenance *first = &in->model->provenance;
    one->settings = *in->settings;
    make_thorough(&one->settings);
    one->settings.guard.earlier = &in->guard->trials;
    rp_status status = rp_model_create(&one->settings.network, &one->settings.preprocessing,
                                       one->settings.adapt.seed, &one->model, err);
    if (status) return status;
    rp_model_provenance *own = &one->model.provenance;
    memcpy(own->label, first->label, sizeof own->label);
    memcpy(own->image_repair, first->image_repair, sizeof own->image_repair);
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

rp_status cmd_attempts(const cmd_attempts_input *in, cmd_attempts_made *made, rp_error *err)
{
    rp_error why = {0};
    const double reached = in->guard->on ? in->guard->by[RP_GUARD_MODEL].mean_dice : NAN;
    *made = (cmd_attempts_made){.count = 1, .mean_dice = {reached}};
    if (!(reached < ENOUGH)) return RP_OK;
    attempt *one = rp_alloc(1, sizeof *one);
    if (!one) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status = try_thorough(in, one, &why);
    if (status == RP_ERR_BUDGET) { /* the first way's model is there, and judged */
        rp_log(RP_LOG_WARNING, "the thorough adaptation is left out: %s", why.message);
        status = RP_OK;
    } else if (status) {
        rp_fail(err, status, "%s", why.message);
    } else {
        made->mean_dice[made->count++] = one->guard.by[RP_GUARD_MODEL].mean_dice;
        made->chosen = made->mean_dice[1] > made->mean_dice[0];
        if (made->chosen) take(in, one);
    }
    release(one);
    rp_free(one);
    return status;
}

rp_json *cmd_attempts_json(const cmd_attempts_made *made)
{
    static const char *const ways[] = {"start", "fresh weights"};
    rp_json *list = rp_json_array();
    for (int i = 0; i < made->count; i++) {
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "from", ways[i]);
        rp_json_set_number(one, "guard_mean_dice", made->mean_dice[i]);
        rp_json_set_bool(one, "chosen", i == made->chosen);
        rp_json_append(list, one);
    }
    return list;
}
