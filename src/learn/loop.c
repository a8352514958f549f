/* Steps, progress, checkpoints and the curve of a training. */
#include "loop.h"

#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <string.h>

rp_status rp_loop_check(const rp_loop *loop, rp_error *err)
{
    const rp_adapt_options *o = loop->options;
    const rp_fcd_config *config = rp_fcd_config_of(loop->model->net);
    if (config->in_channels != loop->channels)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "the model takes %d images at once, not one CT",
                       config->in_channels);
    return rp_adapt_options_check(o, err);
}

/* ---- set-up ------------------------------------------------------------------------------ */

static size_t scalars(rp_fcd *net)
{
    size_t count = 0;
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++)
        count += rp_fcd_parameter(net, i)->count;
    return count;
}

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
    if (loop->average > 0.0) {
        state->average = rp_alloc(scalars(state->net), sizeof *state->average);
        if (!state->average) return rp_fail(err, RP_ERR_MEMORY, "no memory for averaged weights");
    }
    rp_status status = rp_adam_create(state->net, &state->adam, err);
    if (!status)
        status = rp_session_create(state->net, size, RP_RUN_TRAIN, loop->options->memory_bytes,
                                   &loop->session, err);
    return status;
}

/* What is wrong from the beginning is not for a warning. */
static rp_status check_folder(const char *path, rp_error *err)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    if (!copy) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (rp_path_is_directory(dirname(copy))) return RP_OK;
    return rp_fail(err, RP_ERR_IO, "%s: cannot write: there is no such folder", path);
}

rp_status rp_loop_start(rp_loop *loop, rp_error *err)
{
    const rp_adapt_options *o = loop->options;
    if (!o->checkpoint_path) return RP_OK;
    rp_status status = check_folder(o->checkpoint_path, err);
    if (!status) status = rp_fingerprint_complete(loop, err);
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
    rp_free(loop->state.average);
    rp_free(loop->state.fingerprint.settings);
}

/* ---- average ----------------------------------------------------------------------------- */

/* Running statistics are averaged as weights are. The first steps, far from where it ends, count
 * less than the share alone would let them. */
static void add_to_average(rp_loop *loop)
{
    rp_adapt_state *state = &loop->state;
    float *average = state->average;
    if (!average) return;
    const double t = (double)state->step; /* done, this one too; the first is taken as it is */
    const double keep = t > 1.0 ? fmin(loop->average, (1.0 + t) / (10.0 + t)) : 0.0;
    const float take = (float)(1.0 - keep);
    for (size_t i = 0; i < rp_fcd_parameter_count(state->net); i++) {
        const rp_parameter *parameter = rp_fcd_parameter(state->net, i);
        for (size_t k = 0; k < parameter->count; k++)
            average[k] += take * (parameter->value[k] - average[k]);
        average += parameter->count;
    }
}

rp_status rp_loop_average_swap(rp_loop *loop, rp_error *err)
{
    float *average = loop->state.average;
    if (!average || loop->state.step == 0) return RP_OK;
    const size_t all = scalars(loop->state.net);
    RP_AUTOFREE float *copy = rp_alloc(all, sizeof *copy);
    if (!copy) return rp_fail(err, RP_ERR_MEMORY, "no memory for averaged weights");
    memcpy(copy, average, all * sizeof *copy);
    const float *from = copy;
    for (size_t i = 0; i < rp_fcd_parameter_count(loop->state.net); i++) {
        const rp_parameter *parameter = rp_fcd_parameter(loop->state.net, i);
        memcpy(average, parameter->value, parameter->count * sizeof *average);
        memcpy(parameter->value, from, parameter->count * sizeof *from);
        average += parameter->count;
        from += parameter->count;
    }
    return RP_OK;
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
    add_to_average(loop);
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
    if (!progress || !progress->report) return;
    if (state->step == 0) { /* the first step may take long */
        rp_progress_report(progress, loop->stage, 0.0, (double)state->steps, "");
        return;
    }
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
    if (!loop->options->checkpoint_path) return RP_OK;
    const rp_status status = rp_checkpoint_write(loop->options->checkpoint_path, &loop->state, err);
    if (!status) loop->unsaved = false;
    return status;
}

/* A disk that is full, or gone for a while, must not end hours of work: the run goes on, and the
 * next time may do better. */
static void try_to_save(rp_loop *loop)
{
    rp_error why = {0};
    if (save(loop, &why) == RP_OK) return;
    if (!loop->unsaved)
        rp_log(RP_LOG_WARNING, "%s; the work goes on without a checkpoint, which is tried again",
               why.message);
    loop->unsaved = true;
}

static rp_status stop(rp_loop *loop, rp_error *err)
{
    rp_error why = {0};
    if (save(loop, &why) == RP_OK)
        return rp_fail(err, RP_ERR_CANCELLED, "stopped after step %" PRIu64 " of %" PRIu64,
                       loop->state.step, loop->state.steps);
    return rp_fail(err, RP_ERR_CANCELLED,
                   "stopped after step %" PRIu64 " of %" PRIu64
                   ", and no checkpoint of it could be written (%s)",
                   loop->state.step, loop->state.steps, why.message);
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
        try_to_save(loop);
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
    if (status == RP_ERR_CANCELLED) return stop(loop, err);
    if (status == RP_ERR_IO) try_to_save(loop); /* what follows a step failed, not the step */
    if (!status && loop->unsaved)
        rp_log(RP_LOG_WARNING, "%s: no checkpoint of the last steps could be written",
               loop->options->checkpoint_path);
    return status;
}

rp_status rp_loop_run(rp_loop *loop, const rp_progress *progress, rp_error *err)
{
    rp_fcd *net = loop->model->net;
    const double own = rp_fcd_config_of(net)->dropout;
    if (loop->options->dropout >= 0.0) rp_fcd_set_dropout(net, loop->options->dropout);
    rp_status status = run(loop, progress, err);
    if (!status) status = rp_loop_average_swap(loop, err);
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
