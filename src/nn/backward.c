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

/* Gradients of the norm's weight and bias, and what its input channels are still owed. */
static void finish_norm(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    level_state *l = &s->levels[u->level];
    float *weight = s->net->parameters[u->norm_weight].gradient;
    float *bias = s->net->parameters[u->norm_bias].gradient;
    double n = (double)l->voxels;
    for (int c = 0; c < u->in_channels; c++) {
        int channel = u->in_first + c;
        double scale = (double)s->units[index].scale[c], rstd = (double)l->rstd_f[channel];
        weight[c] = (float)s->sum_b[c];
        bias[c] = (float)s->sum_a[c];
        l->offset[channel] -= scale * s->sum_a[c] / n;
        l->slope[channel] -= scale * rstd * s->sum_b[c] / n;
    }
}

/* The gradient of a unit's output channels in their stack, once every reader has added to it;
 * through dropout too, where that lies directly behind the convolution. Gives the bias gradient. */
static float *finish_output(rp_session *s, int index)
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
    if (u->type != UNIT_DOWN) return gradient;
    start = profile_start(s->profile);
    rp_kernels_get()->max_unpool(gradient, s->units[index].choice, keep, u->out_channels,
                                 s->levels[u->level].size, s->pooled_from);
    profile_stop(s, RP_PROFILE_UNPOOL, u, start);
    return s->pooled_from;
}

static void backward_unit(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    const rp_kernels *k = rp_kernels_get();
    level_state *in = &s->levels[u->level];
    const float *gradient = u->type == UNIT_HEAD ? s->grad_logits : finish_output(s, index);
    double start = profile_start(s->profile);
    k->conv_weight_gradient(&(rp_conv_weight_gradient){
        .shape = unit_shape(u, s->levels),
        .input = unit_input(s, u),
        .norm = unit_norm(s, index),
        .grad_output = gradient,
        .grad_weight = s->net->parameters[u->conv_weight].gradient,
        .workspace = s->workspace,
    });
    profile_stop(s, RP_PROFILE_WEIGHT_GRADIENT, u, start);
    if (u->type == UNIT_STEM) return;
    start = profile_start(s->profile);
    k->conv_data_gradient(&(rp_conv_data_gradient){
        .shape = unit_shape(u, s->levels),
        .grad_output = gradient,
        .weight = parameter_value(s->net, u->conv_weight),
        .input = unit_input(s, u),
        .norm = unit_norm(s, index),
        .accumulate = u->type != UNIT_HEAD,
        .grad_input = in->gradient + (size_t)u->in_first * in->voxels,
        .sum_dy = s->sum_a,
        .sum_dy_xhat = s->sum_b,
        .workspace = s->workspace,
    });
    profile_stop(s, RP_PROFILE_DATA_GRADIENT, u, start);
    if (!u->has_norm) return;
    start = profile_start(s->profile);
    finish_norm(s, index);
    profile_stop(s, RP_PROFILE_NORM, u, start);
}

void session_backward(rp_session *s)
{
    const rp_fcd *net = s->net;
    double start = profile_start(s->profile);
    for (int l = 0; l <= net->config.levels; l++) {
        level_state *level = &s->levels[l];
        size_t channels = (size_t)net->stack_channels[l];
        memset(level->offset, 0, channels * sizeof *level->offset);
        memset(level->slope, 0, channels * sizeof *level->slope);
        /* The head overwrites all of level 0. */
        if (l) memset(level->gradient, 0, channels * level->voxels * sizeof *level->gradient);
    }
    profile_stop(s, RP_PROFILE_CLEAR, NULL, start);
    for (int i = net->unit_count - 1; i >= 0; i--) backward_unit(s, i);
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
