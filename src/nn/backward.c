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

/* Gradients of the norm's weight and bias for a range of a unit's input channels, and what those
 * channels are still owed. */
static void finish_norm(rp_session *s, int index, int first, int channels)
{
    const unit *u = &s->net->units[index];
    level_state *l = &s->levels[u->level];
    float *weight = s->net->parameters[u->norm_weight].gradient;
    float *bias = s->net->parameters[u->norm_bias].gradient;
    double n = (double)l->voxels;
    for (int i = 0; i < channels; i++) {
        int c = first + i, channel = u->in_first + c;
        double scale = (double)s->units[index].scale[c], rstd = (double)l->rstd_f[channel];
        weight[c] = (float)s->sum_b[i];
        bias[c] = (float)s->sum_a[i];
        l->offset[channel] -= scale * s->sum_a[i] / n;
        l->slope[channel] -= scale * rstd * s->sum_b[i] / n;
    }
}

/* The gradient by a unit's convolution's output, once finish_output has been there. */
static float *output_gradient(const rp_session *s, const unit *u)
{
    const level_state *out = &s->levels[u->out_level];
    if (u->type == UNIT_HEAD) return s->grad_logits;
    if (u->type == UNIT_DOWN) return s->levels[u->level].unpooled;
    return out->gradient + (size_t)u->out_first * out->voxels;
}

/* The gradient of a unit's output channels in their stack, once every reader has added to it;
 * through dropout too, where that lies directly behind the convolution. Gives the bias gradient. */
static void finish_output(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    level_state *l = &s->levels[u->out_level];
    const float *keep = s->units[index].keep;
    float *gradient = l->gradient + (size_t)u->out_first * l->voxels;
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
        .gradient = gradient,
        .sum = s->sum_a,
    });
    profile_stop(s, RP_PROFILE_FINISH, u, start);
    float *bias = s->net->parameters[u->conv_bias].gradient;
    for (int c = 0; c < u->out_channels; c++) {
        double factor = u->type == UNIT_DOWN && keep ? (double)keep[c] : 1;
        bias[c] = (float)(s->sum_a[c] * factor);
    }
    if (u->type != UNIT_DOWN) return;
    start = profile_start(s->profile);
    rp_kernels_get()->max_unpool(gradient, s->units[index].choice, keep, u->out_channels,
                                 s->levels[u->level].size, output_gradient(s, u));
    profile_stop(s, RP_PROFILE_UNPOOL, u, start);
}

static void weight_gradient(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    double start = profile_start(s->profile);
    rp_kernels_get()->conv_weight_gradient(&(rp_conv_weight_gradient){
        .shape = unit_shape(u, s->levels),
        .input = unit_input(s, u),
        .norm = unit_norm(s, index),
        .grad_output = output_gradient(s, u),
        .grad_weight = s->net->parameters[u->conv_weight].gradient,
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
    bool accumulate = false;
    for (int i = 0; i < STACK_PARTS; i++)
        if (part[i] < first + channels && first < part[i + 1])
            accumulate |= l->ready[i] || first > part[i] || first + channels < part[i + 1];
    for (int i = 0; i < STACK_PARTS; i++) {
        if (part[i] >= first + channels || first >= part[i + 1] || l->ready[i]) continue;
        if (accumulate)
            memset(l->gradient + (size_t)part[i] * l->voxels, 0,
                   (size_t)(part[i + 1] - part[i]) * l->voxels * sizeof *l->gradient);
        l->ready[i] = true;
    }
    return accumulate;
}

/* Weights of a range of input channels of a unit that is not transposed, as a tensor of their own.
 */
static const float *range_weight(const rp_session *s, const unit *u, int first, int channels)
{
    const float *weight = parameter_value(s->net, u->conv_weight);
    if (channels == u->in_channels) return weight;
    size_t row = (size_t)channels * unit_taps(u);
    for (size_t out = 0; out < (size_t)u->out_channels; out++)
        memcpy(s->range_weight + out * row,
               weight + (out * (size_t)u->in_channels + (size_t)first) * unit_taps(u),
               row * sizeof *weight);
    return s->range_weight;
}

static void data_gradient(rp_session *s, const backward_action *a)
{
    unit u = s->net->units[a->unit];
    level_state *in = &s->levels[u.level];
    rp_conv_norm norm = unit_norm(s, a->unit);
    const float *weight = range_weight(s, &u, a->first, a->channels);
    u.in_first += a->first;
    u.in_channels = a->channels;
    if (u.has_norm) {
        norm.scale += a->first;
        norm.shift += a->first;
        norm.mean += a->first;
        norm.rstd += a->first;
    }
    bool accumulate = prepare_gradient(s, u.level, u.in_first, u.in_channels);
    double start = profile_start(s->profile);
    rp_kernels_get()->conv_data_gradient(&(rp_conv_data_gradient){
        .shape = unit_shape(&u, s->levels),
        .grad_output = output_gradient(s, &u),
        .weight = weight,
        .input = unit_input(s, &u),
        .norm = norm,
        .accumulate = accumulate,
        .grad_input = in->gradient + (size_t)u.in_first * in->voxels,
        .sum_dy = s->sum_a,
        .sum_dy_xhat = s->sum_b,
        .workspace = s->workspace,
    });
    profile_stop(s, RP_PROFILE_DATA_GRADIENT, &u, start);
    if (!u.has_norm) return;
    start = profile_start(s->profile);
    finish_norm(s, a->unit, a->first, a->channels);
    profile_stop(s, RP_PROFILE_NORM, &u, start);
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
    for (int i = 0; i < net->action_count; i++) {
        const backward_action *a = &net->actions[i];
        if (a->finish) {
            if (net->units[a->unit].type != UNIT_HEAD) finish_output(s, a->unit);
            weight_gradient(s, a->unit);
        }
        if (a->channels) data_gradient(s, a);
    }
}

rp_status rp_session_loss(rp_session *s, const uint8_t *target, const rp_loss_weights *weights,
                          bool gradients, rp_loss *loss, rp_error *err)
{
    if (gradients && s->mode != RP_RUN_TRAIN)
        return rp_fail(err, RP_ERR_ARGUMENT, "gradients need a session made for training");
    rp_status status = session_check_workers(s, err);
    double start = profile_start(s->profile);
    if (!status) {
        status = session_loss_pass(s, target, weights, gradients, loss, err);
        profile_stop(s, RP_PROFILE_LOSS, NULL, start);
    }
    if (!status && gradients) session_backward(s);
    return status;
}
