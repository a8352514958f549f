/* Steps, progress, checkpoints and the curve of a training. */
#include "loop.h"
#include "reprise/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

rp_status rp_loop_check(const rp_loop *loop, rp_error *err)
{
    const rp_adapt_options *o = loop->options;
    const rp_fcd_config *config = rp_fcd_config_of(loop->model->net);
    if (config->in_channels != loop->channels)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "the model takes %d images at once, not one CT",
                       config->in_channels);
    if (o->epochs < 1 || o->epochs > 1000000 || o->copies < 1 || o->copies > 1000)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%d epochs of %d copies: 1 to 1000000 and 1 to 1000 are possible", o->epochs,
                       o->copies);
    if (!(o->tumour_share >= 0.0 && o->tumour_share <= 1.0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the share of tumour crops is %g; it must be 0 to 1",
                       o->tumour_share);
    if (!(o->learning_rate > 0.0 && o->learning_rate <= 10.0) ||
        !(o->power >= 0.0 && o->power <= 100.0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a learning rate of %g with a decay power of %g is impossible",
                       o->learning_rate, o->power);
    if (!(o->dropout < 1.0))
        return rp_fail(err, RP_ERR_ARGUMENT, "a dropout rate of %g is not below 1", o->dropout);
    return RP_OK;
}

/* ---- what the checkpoint belongs to ------------------------------------------------------ */

static rp_status hash_weights(rp_fcd *net, char hash[RP_SHA256_HEX], rp_error *err)
{
    const size_t count = rp_fcd_parameter_count(net);
    const size_t room = RP_SHA256_HEX - 1;
    RP_AUTOFREE char *all = rp_alloc(count * room + 1, 1);
    if (!all) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the model");
    for (size_t i = 0; i < count; i++) {
        char one[RP_SHA256_HEX];
        const rp_parameter *parameter = rp_fcd_parameter(net, i);
        rp_sha256(parameter->value, parameter->count * sizeof *parameter->value, one);
        memcpy(all + i * room, one, room);
    }
    rp_sha256(all, count * room, hash);
    return RP_OK;
}

/* Every option that changes a bit of the result, and none that does not. */
static char *options_text(const rp_adapt_options *o, const rp_fcd_config *c)
{
    const rp_augmentation *a = &o->augmentation;
    char layers[RP_FCD_MAX_LEVELS * 12 + 1] = "";
    for (int i = 0, used = 0; i < c->levels; i++)
        used += snprintf(layers + used, sizeof layers - (size_t)used, "%d ", c->down_layers[i]);
    return rp_format(
        "%d %d  %d %d %d  %a %a %a  %a %a %a %a %a %a  %a %a %a %a %a %a %a  %a %" PRIu64
        "  %d %d %d %d %d %s %d %a %s",
        o->epochs, o->copies, o->crop[0], o->crop[1], o->crop[2], o->tumour_share, o->learning_rate,
        o->power, o->loss.cross_entropy, o->loss.dual_cross_entropy, o->loss.dice,
        o->loss.dual_alpha, o->loss.dual_beta, o->loss.dice_smooth, a->brightness,
        a->rotation_degrees, a->shift_mm, a->scale, a->elastic_mm, a->elastic_scale_mm, a->noise,
        o->dropout, o->seed, c->in_channels, c->classes, c->first_filters, c->growth, c->levels,
        layers, c->bottleneck_layers, c->dropout, rp_norm_mode_name(c->norm));
}

static rp_status complete_fingerprint(rp_loop *loop, rp_error *err)
{
    rp_fingerprint *f = &loop->state.fingerprint;
    const char *kernels = rp_kernels_get()->name;
    const char *names[] = {"starting model", "options", "program", "instruction set"};
    memcpy(f->name + 2, names, sizeof names);
    RP_AUTOFREE char *options = options_text(loop->options, rp_fcd_config_of(loop->model->net));
    if (!options) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the options");
    rp_sha256(options, strlen(options), f->hash[3]);
    rp_sha256(RP_VERSION, strlen(RP_VERSION), f->hash[4]);
    rp_sha256(kernels, strlen(kernels), f->hash[5]);
    return hash_weights(loop->model->net, f->hash[2], err);
}

/* ---- set-up ------------------------------------------------------------------------------ */

rp_status rp_loop_create(rp_loop *loop, const int size[3], rp_error *err)
{
    rp_adapt_state *state = &loop->state;
    state->net = loop->model->net;
    state->steps = (uint64_t)loop->options->epochs * loop->steps_per_epoch;
    state->loss = rp_alloc((size_t)state->steps, sizeof *state->loss);
    state->dice = rp_alloc((size_t)state->steps, sizeof *state->dice);
    if (!state->loss || !state->dice)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a curve of %" PRIu64 " steps",
                       state->steps);
    rp_status status = rp_adam_create(state->net, &state->adam, err);
    if (!status)
        status = rp_session_create(state->net, size, RP_RUN_TRAIN, loop->options->memory_bytes,
                                   &loop->session, err);
    return status;
}

rp_status rp_loop_start(rp_loop *loop, rp_error *err)
{
    const rp_adapt_options *o = loop->options;
    if (!o->checkpoint_path) return RP_OK;
    rp_status status = complete_fingerprint(loop, err);
    if (!status && o->resume && rp_path_exists(o->checkpoint_path))
        status = rp_checkpoint_read(o->checkpoint_path, &loop->state, err);
    return status;
}

void rp_loop_release(rp_loop *loop)
{
    rp_session_destroy(loop->session);
    rp_adam_destroy(loop->state.adam);
    rp_free(loop->state.loss);
    rp_free(loop->state.dice);
}

/* ---- steps ------------------------------------------------------------------------------- */

static rp_status take_step(rp_loop *loop, rp_error *err)
{
    const rp_adapt_options *o = loop->options;
    rp_adapt_state *state = &loop->state;
    const float *input;
    const uint8_t *target;
    rp_loss loss;
    rp_status status = loop->sample(loop->context, state->step, &input, &target, err);
    if (!status) status = rp_session_forward(loop->session, input, 0.0f, o->seed, state->step, err);
    if (!status) status = rp_session_loss(loop->session, target, &o->loss, true, &loss, err);
    if (status == RP_ERR_NUMERIC)
        return rp_fail_in(err, status,
                          "%s diverged at step %" PRIu64 " of %" PRIu64
                          " (learning rate %g): a smaller rate may help",
                          loop->work, state->step + 1, state->steps, o->learning_rate);
    if (status) return status;
    const double left = 1.0 - (double)state->step / (double)state->steps;
    rp_adam_step(state->adam, o->learning_rate * pow(left, o->power));
    state->loss[state->step] = loss.total;
    state->dice[state->step] = loss.hard_dice;
    state->step++;
    return RP_OK;
}

static double mean(const double *values, uint64_t first, uint64_t count)
{
    double sum = 0.0;
    for (uint64_t i = 0; i < count; i++) sum += values[first + i];
    return sum / (double)count;
}

static void report(const rp_loop *loop, const rp_progress *progress)
{
    const rp_adapt_state *state = &loop->state;
    if (!progress || !progress->report || state->step == 0) return;
    const uint64_t all = loop->steps_per_epoch, epoch = (state->step - 1) / all;
    const uint64_t first = epoch * all, count = state->step - first;
    char note[96];
    snprintf(note, sizeof note, "epoch %" PRIu64 "/%d loss %.3f dice %.2f", epoch + 1,
             loop->options->epochs, mean(state->loss, first, count),
             mean(state->dice, first, count));
    rp_progress_report(progress, loop->stage, (double)state->step, (double)state->steps, note);
}

static rp_status save(rp_loop *loop, rp_error *err)
{
    loop->last_checkpoint = rp_seconds();
    return loop->options->checkpoint_path
               ? rp_checkpoint_write(loop->options->checkpoint_path, &loop->state, err)
               : RP_OK;
}

static rp_status stop(rp_loop *loop, rp_error *err)
{
    const rp_status status = save(loop, err);
    return status ? status
                  : rp_fail(err, RP_ERR_CANCELLED, "stopped after step %" PRIu64 " of %" PRIu64,
                            loop->state.step, loop->state.steps);
}

/* One step with what follows it. */
static rp_status advance(rp_loop *loop, const rp_progress *progress, rp_error *err)
{
    rp_status status = take_step(loop, err);
    if (status) return status;
    report(loop, progress);
    if (loop->stepped) status = loop->stepped(loop->context, err);
    if (!status && (loop->state.step == loop->state.steps ||
                    rp_seconds() - loop->last_checkpoint >= loop->options->checkpoint_seconds))
        status = save(loop, err);
    return status;
}

static rp_status run(rp_loop *loop, const rp_progress *progress, rp_error *err)
{
    rp_status status = RP_OK;
    loop->last_checkpoint = rp_seconds();
    report(loop, progress);
    if (loop->stepped && loop->state.step) status = loop->stepped(loop->context, err);
    while (!status && loop->state.step < loop->state.steps) {
        if (rp_progress_cancelled(progress)) return stop(loop, err);
        status = advance(loop, progress, err);
    }
    return status == RP_ERR_CANCELLED ? stop(loop, err) : status;
}

rp_status rp_loop_run(rp_loop *loop, const rp_progress *progress, rp_error *err)
{
    rp_fcd *net = loop->model->net;
    const double own = rp_fcd_config_of(net)->dropout;
    if (loop->options->dropout >= 0.0) rp_fcd_set_dropout(net, loop->options->dropout);
    const rp_status status = run(loop, progress, err);
    rp_fcd_set_dropout(net, own);
    return status;
}

rp_status rp_loop_curve(const rp_loop *loop, rp_adapt_curve *curve, rp_error *err)
{
    const uint64_t all = loop->steps_per_epoch;
    curve->epochs = (size_t)loop->options->epochs;
    curve->loss = rp_alloc(curve->epochs, sizeof *curve->loss);
    curve->dice = rp_alloc(curve->epochs, sizeof *curve->dice);
    if (!curve->loss || !curve->dice) {
        rp_adapt_curve_release(curve);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the curve");
    }
    for (size_t i = 0; i < curve->epochs; i++) {
        curve->loss[i] = mean(loop->state.loss, i * all, all);
        curve->dice[i] = mean(loop->state.dice, i * all, all);
    }
    return RP_OK;
}
