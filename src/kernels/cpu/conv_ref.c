/* The reference table: each operation as its definition reads, one output value at a time. */
#include "tables.h"

#include "elementwise.h"
#include "limits.h"

typedef struct tap {
    int z, y, x;
} tap;

static size_t volume_of(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

static int tap_count(rp_conv_kind kind)
{
    return kind == RP_CONV_POINT ? 1 : RP_TAPS;
}

static size_t weight_at(const rp_conv_shape *s, int out, int in, int k)
{
    size_t taps = (size_t)tap_count(s->kind);
    if (s->kind == RP_CONV_UP)
        return ((size_t)in * (size_t)s->out_channels + (size_t)out) * taps + (size_t)k;
    return ((size_t)out * (size_t)s->in_channels + (size_t)in) * taps + (size_t)k;
}

/* The input voxel that tap k of output voxel o reads, or false when it lies outside. */
static bool input_voxel(const rp_conv_shape *s, tap o, int k, size_t *index)
{
    int at[3] = {o.x, o.y, o.z}, taps[3] = {k % 3, k / 3 % 3, k / 9}, i[3];
    for (int a = 0; a < 3; a++) {
        if (s->kind == RP_CONV_POINT) {
            i[a] = at[a];
        } else if (s->kind == RP_CONV_SAME) {
            i[a] = at[a] + taps[a] - 1;
        } else { /* o = 2 i - 1 + k */
            int twice = at[a] + 1 - taps[a];
            if (twice % 2) return false;
            i[a] = twice / 2;
        }
        if (i[a] < 0 || i[a] >= s->size[a]) return false;
    }
    *index = ((size_t)i[2] * (size_t)s->size[1] + (size_t)i[1]) * (size_t)s->size[0] + (size_t)i[0];
    return true;
}

static float activated(const rp_conv_norm *norm, int channel, float x)
{
    if (!norm->scale) return x;
    float v = norm->scale[channel] * x + norm->shift[channel];
    return v > 0 ? v : 0;
}

static void output_size(const rp_conv_shape *s, int size[3])
{
    for (int a = 0; a < 3; a++) size[a] = s->size[a] * (s->kind == RP_CONV_UP ? 2 : 1);
}

static tap voxel(const int size[3], size_t index)
{
    size_t row = index / (size_t)size[0];
    return (tap){(int)(row / (size_t)size[1]), (int)(row % (size_t)size[1]),
                 (int)(index % (size_t)size[0])};
}

static void forward_channel(void *context, size_t out, int worker)
{
    (void)worker;
    const rp_conv_forward *op = context;
    const rp_conv_shape *s = &op->shape;
    int size[3];
    output_size(s, size);
    size_t volume = volume_of(size), in_volume = volume_of(s->size);
    for (size_t v = 0; v < volume; v++) {
        tap o = voxel(size, v);
        double sum = op->bias ? (double)op->bias[out] : 0;
        for (int k = 0; k < tap_count(s->kind); k++) {
            size_t at;
            if (!input_voxel(s, o, k, &at)) continue;
            for (int in = 0; in < s->in_channels; in++) {
                float x = activated(&op->norm, in, op->input[(size_t)in * in_volume + at]);
                sum += (double)x * (double)op->weight[weight_at(s, (int)out, in, k)];
            }
        }
        op->output[out * volume + v] = (op->keep ? op->keep[out] : 1) * (float)sum;
    }
}

static void conv_forward(const rp_conv_forward *op)
{
    rp_conv_forward copy = *op;
    rp_parallel_for((size_t)op->shape.out_channels, forward_channel, &copy);
}

/* Sum over outputs of one input voxel, by scattering from the outputs' side. */
static void data_channel(void *context, size_t in, int worker)
{
    (void)worker;
    const rp_conv_data_gradient *op = context;
    const rp_conv_shape *s = &op->shape;
    int size[3];
    output_size(s, size);
    size_t volume = volume_of(size), in_volume = volume_of(s->size);
    float *grad = op->grad_input + in * in_volume;
    const float *x = op->input ? op->input + in * in_volume : NULL;
    double sum_dy = 0, sum_dy_xhat = 0;
    for (size_t i = 0; i < in_volume && !op->accumulate; i++) grad[i] = 0;
    for (size_t v = 0; v < volume; v++) {
        tap o = voxel(size, v);
        for (int k = 0; k < tap_count(s->kind); k++) {
            size_t at;
            if (!input_voxel(s, o, k, &at)) continue;
            double d = 0;
            for (int out = 0; out < s->out_channels; out++)
                d += (double)op->grad_output[(size_t)out * volume + v] *
                     (double)op->weight[weight_at(s, out, (int)in, k)];
            if (!op->norm.scale) {
                grad[at] += (float)d;
            } else if (op->norm.scale[in] * x[at] + op->norm.shift[in] > 0) {
                grad[at] += (float)d * op->norm.scale[in];
                sum_dy += d;
                sum_dy_xhat += d * (double)((x[at] - op->norm.mean[in]) * op->norm.rstd[in]);
            }
        }
    }
    if (op->norm.scale) {
        op->sum_dy[in] = sum_dy;
        op->sum_dy_xhat[in] = sum_dy_xhat;
    }
}

static void conv_data_gradient(const rp_conv_data_gradient *op)
{
    rp_conv_data_gradient copy = *op;
    rp_parallel_for((size_t)op->shape.in_channels, data_channel, &copy);
}

static void weight_channel(void *context, size_t out, int worker)
{
    (void)worker;
    const rp_conv_weight_gradient *op = context;
    const rp_conv_shape *s = &op->shape;
    int size[3];
    output_size(s, size);
    size_t volume = volume_of(size), in_volume = volume_of(s->size);
    for (int in = 0; in < s->in_channels; in++)
        for (int k = 0; k < tap_count(s->kind); k++) {
            double sum = 0;
            for (size_t v = 0; v < volume; v++) {
                size_t at;
                if (!input_voxel(s, voxel(size, v), k, &at)) continue;
                float x = activated(&op->norm, in, op->input[(size_t)in * in_volume + at]);
                sum += (double)x * (double)op->grad_output[out * volume + v];
            }
            op->grad_weight[weight_at(s, (int)out, in, k)] = (float)sum;
        }
}

static void conv_weight_gradient(const rp_conv_weight_gradient *op)
{
    rp_conv_weight_gradient copy = *op;
    rp_parallel_for((size_t)op->shape.out_channels, weight_channel, &copy);
}

const rp_kernels rp_kernels_ref = {
    .name = "ref",
    .conv_forward = conv_forward,
    .conv_data_gradient = conv_data_gradient,
    .conv_weight_gradient = conv_weight_gradient,
    .channel_statistics = channel_statistics,
    .finish_gradient = finish_gradient,
    .max_pool = max_pool,
    .max_unpool = max_unpool,
    .adam = adam,
    .multiply_add = multiply_add,
    .triad = triad,
};
