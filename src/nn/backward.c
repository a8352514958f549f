/*
 * The backward pass. A channel of a stack is read by every later layer of its block, each with a
 * norm of its own over the same statistics. With xhat = (x - mean) * rstd, y = weight * xhat + bias
 * and scale = weight * rstd, the gradient by x is scale * (dy - sum(dy) / n - xhat * sum(dy * xhat)
 * / n) (Ioffe and Szegedy 2015). The first term is added at once by the convolution's data
 * gradient; the other two are affine in x with the same mean for every reader, so their
 * coefficients are gathered per channel and paid when the channel's gradient is finished.
 */
#include "fcd.h"

#include <string.h>

/* A convolution going backward: a unit narrowed to a range of its input channels, or to a group of
 * its output channels, and where that range begins in the unit. */
typedef struct narrowed {
    int index;
    unit u;
    int first_in, first_out;
    const float *gradient; /* by the output */
} narrowed;

/* Gradients of the norm's weight and bias, and what the input channels are still owed. */
static void finish_norm(rp_session *s, const narrowed *n)
{
    level_state *l = &s->levels[n->u.level];
    float *weight = s->net->parameters[n->u.norm_weight].gradient + n->first_in;
    float *bias = s->net->parameters[n->u.norm_bias].gradient + n->first_in;
    const float *scale = s->units[n->index].scale + n->first_in;
    double voxels = (double)l->voxels;
    for (int c = 0; c < n->u.in_channels; c++) {
        int channel = n->u.in_first + c;
        weight[c] = (float)s->sum_b[c] + (n->first_out ? weight[c] : 0);
        bias[c] = (float)s->sum_a[c] + (n->first_out ? bias[c] : 0);
        l->offset[channel] -= (double)scale[c] * s->sum_a[c] / voxels;
        l->slope[channel] -= (double)scale[c] * (double)l->rstd_f[channel] * s->sum_b[c] / voxels;
    }
}

/* The gradient of a unit's output channels in their stack, once every reader has added to it;
 * through dropout too, where that lies directly behind the convolution. Gives the bias gradient. */
static void finish_output(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    level_state *l = &s->levels[u->out_level];
    const float *keep = s->units[index].keep;
    for (int c = 0; c < u->out_channels; c++) {
        s->channel_offset[c] = (float)l->offset[u->out_first + c];
        s->channel_slope[c] = (float)l->slope[u->out_first + c];
    }
    double start = profile_start(s->profile);
    rp_kernels_get()->finish_gradient(&(rp_finish_gradient){
        .channels = u->out_channels,
        .voxels = l->voxels,
        .x = l->stack + (size_t)u->out_first * l->voxels,
        .mean = l->mean_f + u->out_first,
        .offset = s->channel_offset,
        .slope = s->channel_slope,
        .keep = u->type == UNIT_DOWN ? NULL : keep,
        .gradient = stack_gradient(s, u->out_level, u->out_first),
        .sum = s->sum_a,
    });
    profile_stop(s, RP_PROFILE_FINISH, u, start);
    float *bias = s->net->parameters[u->conv_bias].gradient;
    for (int c = 0; c < u->out_channels; c++) {
        double factor = u->type == UNIT_DOWN && keep ? (double)keep[c] : 1;
        bias[c] = (float)(s->sum_a[c] * factor);
    }
}

static void weight_gradient(rp_session *s, const narrowed *n)
{
    const unit *u = &n->u;
    size_t row = (size_t)u->in_channels * unit_taps(u);
    double start = profile_start(s->profile);
    rp_kernels_get()->conv_weight_gradient(&(rp_conv_weight_gradient){
        .shape = unit_shape(u, s->levels),
        .input = unit_input(s, u),
        .norm = unit_norm(s, n->index),
        .grad_output = n->gradient,
        .grad_weight = s->net->parameters[u->conv_weight].gradient + (size_t)n->first_out * row,
        .workspace = s->workspace,
    });
    profile_stop(s, RP_PROFILE_WEIGHT_GRADIENT, u, start);
}

/* Whether the gradient of channels is added to what others left there. Memory of a part that nobody
 * has written yet holds anything: it is overwritten, or zeroed where only some of it will be. */
static bool prepare_gradient(rp_session *s, int level, int first, int channels)
{
    level_state *l = &s->levels[level];
    const int *part = s->net->part_first[level];
    int i = first >= part[PART_NEW] ? PART_NEW : first >= part[PART_SKIP] ? PART_SKIP : PART_UP;
    bool whole = channels == part[i + 1] - part[i], ready = l->ready[i];
    if (!ready && !whole)
        memset(l->gradient[i], 0,
               (size_t)(part[i + 1] - part[i]) * l->voxels * sizeof *l->gradient[i]);
    l->ready[i] = true;
    return ready || !whole;
}

/* The weights of a narrowed unit, as a tensor of their own. A transposed convolution never is. */
static const float *narrowed_weight(const rp_session *s, const narrowed *n)
{
    const unit *whole = &s->net->units[n->index];
    size_t taps = unit_taps(whole), row = (size_t)n->u.in_channels * taps;
    const float *weight = parameter_value(s->net, whole->conv_weight);
    weight += (size_t)n->first_out * (size_t)whole->in_channels * taps;
    if (n->u.in_channels == whole->in_channels) return weight;
    for (size_t out = 0; out < (size_t)n->u.out_channels; out++)
        memcpy(s->range_weight + out * row,
               weight + (out * (size_t)whole->in_channels + (size_t)n->first_in) * taps,
               row * sizeof *weight);
    return s->range_weight;
}

static void data_gradient(rp_session *s, const narrowed *n)
{
    const unit *u = &n->u;
    rp_conv_norm norm = unit_norm(s, n->index);
    if (u->has_norm) {
        norm.scale += n->first_in;
        norm.shift += n->first_in;
        norm.mean += n->first_in;
        norm.rstd += n->first_in;
    }
    bool accumulate = prepare_gradient(s, u->level, u->in_first, u->in_channels);
    double start = profile_start(s->profile);
    rp_kernels_get()->conv_data_gradient(&(rp_conv_data_gradient){
        .shape = unit_shape(u, s->levels),
        .grad_output = n->gradient,
        .weight = narrowed_weight(s, n),
        .input = unit_input(s, u),
        .norm = norm,
        .accumulate = accumulate,
        .grad_input = stack_gradient(s, u->level, u->in_first),
        .sum_dy = s->sum_a,
        .sum_dy_xhat = s->sum_b,
        .workspace = s->workspace,
    });
    if (s->profile) profile_add(s, RP_PROFILE_DATA_GRADIENT, u, accumulate, start);
    if (!u->has_norm) return;
    start = profile_start(s->profile);
    finish_norm(s, n);
    profile_stop(s, RP_PROFILE_NORM, u, start);
}

/* A transition down: the gradient of a group of channels before pooling at a time. */
static void backward_down(rp_session *s, int index)
{
    const unit *whole = &s->net->units[index];
    const level_state *in = &s->levels[whole->level], *out = &s->levels[whole->out_level];
    const float *keep = s->units[index].keep;
    for (int g = 0; g < UNPOOL_GROUPS; g++) {
        narrowed n = {.index = index, .u = *whole, .gradient = in->unpooled};
        n.first_out = group_first(whole->out_channels, g, UNPOOL_GROUPS);
        n.u.out_channels = group_first(whole->out_channels, g + 1, UNPOOL_GROUPS) - n.first_out;
        if (!n.u.out_channels) continue;
        double start = profile_start(s->profile);
        rp_kernels_get()->max_unpool(
            stack_gradient(s, whole->out_level, whole->out_first + n.first_out),
            s->units[index].choice + (size_t)n.first_out * out->voxels,
            keep ? keep + n.first_out : NULL, n.u.out_channels, in->size, in->unpooled);
        profile_stop(s, RP_PROFILE_UNPOOL, &n.u, start);
        weight_gradient(s, &n);
        data_gradient(s, &n);
    }
}

static void backward_action_run(rp_session *s, const backward_action *a)
{
    narrowed n = {.index = a->unit, .u = s->net->units[a->unit], .first_in = a->first};
    if (a->finish && n.u.type != UNIT_HEAD) finish_output(s, a->unit);
    if (n.u.type == UNIT_DOWN) {
        backward_down(s, a->unit);
        return;
    }
    n.gradient =
        n.u.type == UNIT_HEAD ? s->grad_logits : stack_gradient(s, n.u.out_level, n.u.out_first);
    if (a->finish) weight_gradient(s, &n);
    if (!a->channels) return;
    n.u.in_first += a->first;
    n.u.in_channels = a->channels;
    data_gradient(s, &n);
}

void session_backward(rp_session *s)
{
    const rp_fcd *net = s->net;
    for (int l = 0; l <= net->config.levels; l++) {
        level_state *level = &s->levels[l];
        size_t channels = (size_t)net->stack_channels[l];
        memset(level->offset, 0, channels * sizeof *level->offset);
        memset(level->slope, 0, channels * sizeof *level->slope);
        memset(level->ready, 0, sizeof level->ready);
    }
    for (int i = 0; i < net->action_count; i++) backward_action_run(s, &net->actions[i]);
}

rp_status rp_session_loss(rp_session *s, const uint8_t *target, const rp_loss_weights *weights,
                          bool gradients, rp_loss *loss, rp_error *err)
{
    if (gradients && s->mode != RP_RUN_TRAIN)
        return rp_fail(err, RP_ERR_ARGUMENT, "gradients need a session made for training");
    rp_status status = session_check_workers(s, err);
    if (status) return status;
    const uint64_t denormals = rp_denormals_flush();
    double start = profile_start(s->profile);
    status = session_loss_pass(s, target, weights, gradients, loss, err);
    profile_stop(s, RP_PROFILE_LOSS, NULL, start);
    if (!status && gradients) session_backward(s);
    rp_denormals_restore(denormals);
    return status;
}
