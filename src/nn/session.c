/* The forward pass. */
#include "fcd.h"

#include <math.h>
#include <string.h>

enum { PURPOSE_DROPOUT = 0x64000000 };
static const double norm_epsilon = 1e-5, norm_momentum = 0.1;

rp_conv_shape unit_shape(const unit *u, const level_state levels[])
{
    const int *size = levels[u->level].size;
    return (rp_conv_shape){u->kind, u->in_channels, u->out_channels, {size[0], size[1], size[2]}};
}

rp_conv_norm unit_norm(const rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    if (!u->has_norm) return (rp_conv_norm){0};
    const level_state *l = &s->levels[u->level];
    return (rp_conv_norm){s->units[index].scale, s->units[index].shift, l->mean_f + u->in_first,
                          l->rstd_f + u->in_first};
}

/* ---- forward ----------------------------------------------------------------------------- */

static void load_input(rp_session *s, const float *input, float pad_value)
{
    const int *n = s->size, *p = s->padded;
    float *to = s->input;
    for (int c = 0; c < s->net->config.in_channels; c++)
        for (int z = 0; z < p[2]; z++)
            for (int y = 0; y < p[1]; y++, to += p[0]) {
                int have = 0;
                if (z < n[2] && y < n[1]) {
                    have = n[0];
                    size_t row = ((size_t)c * (size_t)n[2] + (size_t)z) * (size_t)n[1] + (size_t)y;
                    memcpy(to, input + row * (size_t)n[0], (size_t)have * sizeof *to);
                }
                for (int x = have; x < p[0]; x++) to[x] = pad_value;
            }
}

static bool own_statistics(const rp_session *s)
{
    return s->mode == RP_RUN_TRAIN || s->net->config.norm != RP_NORM_RUNNING;
}

static void measure_channels(rp_session *s, int level, int first, int channels)
{
    level_state *l = &s->levels[level];
    rp_kernels_get()->channel_statistics(l->stack + (size_t)first * l->voxels, channels, l->voxels,
                                         l->mean + first, l->variance + first);
    for (int c = first; c < first + channels; c++) {
        l->mean_f[c] = (float)l->mean[c];
        l->rstd_f[c] = (float)(1 / sqrt(l->variance[c] + norm_epsilon));
    }
}

/* y = weight * (x - mean) / sqrt(variance + eps) + bias, as scale and shift. */
static void prepare_norm(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    const level_state *l = &s->levels[u->level];
    const float *weight = parameter_value(s->net, u->norm_weight);
    const float *bias = parameter_value(s->net, u->norm_bias);
    float *running_mean = parameter_value(s->net, u->running_mean);
    float *running_var = parameter_value(s->net, u->running_var);
    bool own = own_statistics(s);
    bool update = s->mode == RP_RUN_TRAIN && s->net->config.norm != RP_NORM_INSTANCE;
    double unbiased = l->voxels > 1 ? (double)l->voxels / (double)(l->voxels - 1) : 1;
    for (int c = 0; c < u->in_channels; c++) {
        double mean = own ? l->mean[u->in_first + c] : (double)running_mean[c];
        double variance = own ? l->variance[u->in_first + c] : (double)running_var[c];
        double scale = (double)weight[c] / sqrt(variance + norm_epsilon);
        s->units[index].scale[c] = (float)scale;
        s->units[index].shift[c] = (float)((double)bias[c] - mean * scale);
        if (!update) continue;
        running_mean[c] += (float)norm_momentum * ((float)mean - running_mean[c]);
        running_var[c] += (float)norm_momentum * ((float)(variance * unbiased) - running_var[c]);
    }
}

static void draw_dropout(rp_session *s, int index, uint64_t seed, uint64_t step)
{
    const unit *u = &s->net->units[index];
    double rate = s->net->config.dropout;
    rp_random r;
    rp_random_init(&r, seed, PURPOSE_DROPOUT + (uint32_t)index, step);
    for (int c = 0; c < u->out_channels; c++)
        s->units[index].keep[c] =
            rate > 0 && rp_random_uniform(&r) < rate ? 0 : (float)(1 / (1 - rate));
}

/* One group of a transition down's channels: convolution, then pooling. */
static void run_down_group(rp_session *s, int index, rp_conv_forward op, int group)
{
    unit u = s->net->units[index];
    const level_state *in = &s->levels[u.level], *out = &s->levels[u.out_level];
    int first = group_first(u.out_channels, group, POOL_GROUPS);
    uint8_t *choice = s->units[index].choice;
    float *target = op.output + (size_t)first * out->voxels;
    u.out_channels = group_first(u.out_channels, group + 1, POOL_GROUPS) - first;
    if (!u.out_channels) return;
    op.shape.out_channels = u.out_channels;
    op.weight += (size_t)first * (size_t)u.in_channels;
    op.bias += first;
    if (op.keep) op.keep += first;
    op.output = in->pooled_from;
    double start = profile_start(s->profile);
    rp_kernels_get()->conv_forward(&op);
    profile_stop(s, RP_PROFILE_FORWARD, &u, start);
    start = profile_start(s->profile);
    rp_kernels_get()->max_pool(in->pooled_from, u.out_channels, in->size, target,
                               choice ? choice + (size_t)first * out->voxels : NULL);
    profile_stop(s, RP_PROFILE_POOL, &u, start);
}

static void run_unit(rp_session *s, int index)
{
    const unit *u = &s->net->units[index];
    const rp_kernels *k = rp_kernels_get();
    level_state *out = &s->levels[u->out_level];
    float *target = out->stack + (size_t)u->out_first * out->voxels;
    double start = profile_start(s->profile);
    if (u->has_norm) prepare_norm(s, index);
    if (u->has_norm) profile_stop(s, RP_PROFILE_NORM, u, start);
    rp_conv_forward op = {
        .shape = unit_shape(u, s->levels),
        .input = unit_input(s, u),
        .norm = unit_norm(s, index),
        .weight = parameter_value(s->net, u->conv_weight),
        .bias = parameter_value(s->net, u->conv_bias),
        .keep = s->units[index].keep,
        .output = u->type == UNIT_HEAD ? s->logits : target,
        .workspace = s->workspace,
    };
    if (u->type == UNIT_DOWN) {
        for (int g = 0; g < POOL_GROUPS; g++) run_down_group(s, index, op, g);
    } else {
        start = profile_start(s->profile);
        k->conv_forward(&op);
        profile_stop(s, RP_PROFILE_FORWARD, u, start);
    }
    if (u->type == UNIT_HEAD || !own_statistics(s)) return;
    start = profile_start(s->profile);
    measure_channels(s, u->out_level, u->out_first, u->out_channels);
    profile_stop(s, RP_PROFILE_STATISTICS, u, start);
}

rp_status session_check_workers(const rp_session *s, rp_error *err)
{
    if (rp_threads_get() <= s->workers) return RP_OK;
    return rp_fail(err, RP_ERR_ARGUMENT,
                   "the network's memory was planned for %d threads, %d are set now", s->workers,
                   rp_threads_get());
}

rp_status rp_session_forward(rp_session *s, const float *input, float pad_value, uint64_t seed,
                             uint64_t step, rp_error *err)
{
    rp_status status = session_check_workers(s, err);
    if (status) return status;
    const uint64_t denormals = rp_denormals_flush();
    double start = profile_start(s->profile);
    load_input(s, input, pad_value);
    profile_stop(s, RP_PROFILE_LOAD, NULL, start);
    for (int i = 0; i < s->net->unit_count; i++) {
        if (s->units[i].keep) draw_dropout(s, i, seed, step);
        run_unit(s, i);
    }
    rp_denormals_restore(denormals);
    return RP_OK;
}

/* ---- results ----------------------------------------------------------------------------- */

void rp_session_logits(const rp_session *s, float *logits)
{
    const int *n = s->size, *p = s->padded;
    for (int c = 0; c < s->net->config.classes; c++)
        for (int z = 0; z < n[2]; z++)
            for (int y = 0; y < n[1]; y++, logits += n[0]) {
                size_t row = ((size_t)c * (size_t)p[2] + (size_t)z) * (size_t)p[1] + (size_t)y;
                memcpy(logits, s->logits + row * (size_t)p[0], (size_t)n[0] * sizeof *logits);
            }
}

void rp_session_probability(const rp_session *s, int class_index, float *probability)
{
    const int *n = s->size, *p = s->padded;
    int classes = s->net->config.classes;
    size_t volume = s->levels[0].voxels;
    for (int z = 0; z < n[2]; z++)
        for (int y = 0; y < n[1]; y++) {
            const float *row = s->logits + ((size_t)z * (size_t)p[1] + (size_t)y) * (size_t)p[0];
            for (int x = 0; x < n[0]; x++) {
                float sum = 0, own = row[(size_t)class_index * volume + (size_t)x];
                for (int c = 0; c < classes; c++)
                    sum += expf(row[(size_t)c * volume + (size_t)x] - own);
                *probability++ = 1 / sum;
            }
        }
}
