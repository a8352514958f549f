/*
 * The convolutions for processors with vectors, included once per variant. The includer defines
 *   VL     lanes of a vector of float,
 *   NV     vectors along x in a register block,
 *   RB     output channels in a register block (a divisor of RP_COUT),
 *   TABLE  name of the table,
 *   TABLE_NAME  its name as text,
 *   transpose_block(src, stride, dst, pitch): a VL x VL block.
 *
 * One idea serves all of them. A tile of the input is packed with its halo, normalised and
 * rectified on the way, so that a tap of the kernel is a constant offset in the tile. The tile's
 * plane is walked as one long row: whatever falls on the halo columns is computed and thrown away,
 * and short rows cost no more than long ones. RB x NV accumulators stay in registers while weights
 * are broadcast.
 */
#include "tables.h"

#include <string.h>

typedef float vec __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int32_t vec_int __attribute__((vector_size(4 * VL), aligned(4), may_alias));

enum { STEP = VL * NV, LANES = VL * NV };

static inline vec load(const float *p)
{
    return *(const vec *)p;
}

static inline void store(float *p, vec v)
{
    *(vec *)p = v;
}

static inline vec splat(float value)
{
    return value - (vec){0};
}

/* value where condition > 0, else 0 */
static inline vec where_positive(vec condition, vec value)
{
    return (vec)((vec_int)value & (condition > 0.0f));
}

static double lane_sum(vec v)
{
    double sum = 0;
    for (int i = 0; i < VL; i++) sum += (double)v[i];
    return sum;
}

/* ---- taps -------------------------------------------------------------------------------- */

typedef struct tap_list {
    int count;
    ptrdiff_t offset[RP_TAPS]; /* in the packed tile, from the output's own position */
    int weight[RP_TAPS];       /* index within the 27 of the weight tensor */
} tap_list;

static void push_tap(tap_list *taps, const conv_tiling *t, const int at[3], int weight)
{
    taps->offset[taps->count] =
        (ptrdiff_t)t->plane * at[2] + (ptrdiff_t)t->pitch * at[1] + (ptrdiff_t)at[0];
    taps->weight[taps->count++] = weight;
}

/* RP_CONV_UP along one axis: output 2m takes tap 1 of input m; output 2m+1 takes tap 0 of input m+1
 * and tap 2 of input m. Seen from the input i (the data gradient): tap 1 of 2i, tap 0 of 2i-1 =
 * phase 1 of m = i-1, tap 2 of 2i+1 = phase 1 of m = i; there the tile's halo is on the low side.
 */
static int up_taps(int phase_bit, bool backward, int weight[2], int offset[2])
{
    if (!phase_bit) {
        weight[0] = 1;
        offset[0] = backward ? 1 : 0;
        return 1;
    }
    weight[0] = 0;
    offset[0] = backward ? 0 : 1;
    weight[1] = 2;
    offset[1] = backward ? 1 : 0;
    return 2;
}

static void up_tap_list(const conv_tiling *t, int phase, bool backward, tap_list *taps)
{
    int weight[3][2], offset[3][2], count[3];
    for (int a = 0; a < 3; a++) count[a] = up_taps(phase >> a & 1, backward, weight[a], offset[a]);
    for (int z = 0; z < count[2]; z++)
        for (int y = 0; y < count[1]; y++)
            for (int x = 0; x < count[0]; x++) {
                int at[3] = {offset[0][x], offset[1][y], offset[2][z]};
                push_tap(taps, t, at, (weight[2][z] * 3 + weight[1][y]) * 3 + weight[0][x]);
            }
}

static tap_list list_taps(rp_conv_kind kind, const conv_tiling *t, int phase, bool backward)
{
    tap_list taps = {0};
    if (kind == RP_CONV_POINT) {
        push_tap(&taps, t, (int[3]){0, 0, 0}, 0);
    } else if (kind == RP_CONV_UP) {
        up_tap_list(t, phase, backward, &taps);
    } else {
        for (int i = 0; i < RP_TAPS; i++)
            push_tap(&taps, t, (int[3]){i % 3, i / 3 % 3, i / 9}, backward ? RP_TAPS - 1 - i : i);
    }
    return taps;
}

static int phase_count(rp_conv_kind kind)
{
    return kind == RP_CONV_UP ? 8 : 1;
}

/* Index of a weight in PyTorch's layout. */
static size_t weight_index(const rp_conv_shape *s, int out, int in, int tap)
{
    if (s->kind == RP_CONV_POINT) return (size_t)out * (size_t)s->in_channels + (size_t)in;
    size_t pair = s->kind == RP_CONV_UP ? (size_t)in * (size_t)s->out_channels + (size_t)out
                                        : (size_t)out * (size_t)s->in_channels + (size_t)in;
    return pair * RP_TAPS + (size_t)tap;
}

/* [block of 12 results][phase][source channel][tap][12], zero where a block is not full. */
static void pack_weights(const rp_conv_shape *s, const conv_tiling *t, const float *weight,
                         bool backward, float *packed)
{
    int results = backward ? s->in_channels : s->out_channels;
    int sources = backward ? s->out_channels : s->in_channels;
    for (int block = 0; block < results; block += RP_COUT)
        for (int phase = 0; phase < phase_count(s->kind); phase++) {
            tap_list taps = list_taps(s->kind, t, phase, backward);
            for (int c = 0; c < sources; c++)
                for (int k = 0; k < taps.count; k++)
                    for (int r = 0; r < RP_COUT; r++) {
                        int result = block + r;
                        float value = 0;
                        if (result < results)
                            value = weight[weight_index(s, backward ? c : result,
                                                        backward ? result : c, taps.weight[k])];
                        *packed++ = value;
                    }
        }
}

/* ---- packing a tile ----------------------------------------------------------------------------
 */

/* What a tile is packed from. With step 2 only the voxels of one phase are taken. */
typedef struct tile_source {
    const float *data;
    size_t channel_stride;
    int size[3]; /* extents as the tile sees them */
    int step, phase;
    const float *scale, *shift;
    int low; /* halo on the low side */
} tile_source;

typedef struct tile_place {
    int z, y;        /* first output voxel */
    int depth, rows; /* output voxels, those outside the volume included */
} tile_place;

static const float *source_row(const tile_source *s, int channel, int z, int y)
{
    int sz = s->step * z + (s->phase >> 2 & 1) * (s->step - 1);
    int sy = s->step * y + (s->phase >> 1 & 1) * (s->step - 1);
    size_t row = (size_t)sz * (size_t)(s->size[1] * s->step) + (size_t)sy;
    return s->data + (size_t)channel * s->channel_stride + row * (size_t)(s->size[0] * s->step) +
           (s->phase & 1) * (s->step - 1);
}

static void copy_row(const tile_source *s, int channel, const float *from, float *to)
{
    int width = s->size[0], x = 0;
    if (s->step == 2) {
        for (; x < width; x++) to[x] = from[2 * x];
    } else if (!s->scale) {
        memcpy(to, from, (size_t)width * sizeof *to);
    } else {
        float scale = s->scale[channel], shift = s->shift[channel];
        for (; x + VL <= width; x += VL) {
            vec v = load(from + x) * scale + shift;
            store(to + x, where_positive(v, v));
        }
        for (; x < width; x++) {
            float v = from[x] * scale + shift;
            to[x] = v > 0 ? v : 0;
        }
    }
}

static bool row_inside(const tile_source *s, int z, int y)
{
    return z >= 0 && z < s->size[2] && y >= 0 && y < s->size[1];
}

/* One channel of a tile, zero on the halo and outside the volume. */
static void pack_channel(const tile_source *s, const conv_tiling *t, const tile_place *at,
                         int channel, float *tile)
{
    int halo = t->low + t->high;
    for (int z = 0; z < at->depth + halo; z++)
        for (int y = 0; y < at->rows + halo; y++, tile += t->pitch) {
            int sz = at->z + z - s->low, sy = at->y + y - s->low;
            if (!row_inside(s, sz, sy)) {
                memset(tile, 0, (size_t)t->pitch * sizeof *tile);
                continue;
            }
            if (s->low) tile[0] = 0;
            copy_row(s, channel, source_row(s, channel, sz, sy), tile + s->low);
            for (int x = s->low + s->size[0]; x < t->pitch; x++) tile[x] = 0;
        }
}

static tile_place place_tile(const conv_tiling *t, const int size[3], size_t task)
{
    tile_place p;
    p.z = (int)(task / (size_t)t->tiles_y) * t->depth;
    p.y = (int)(task % (size_t)t->tiles_y) * t->rows;
    p.depth = size[2] - p.z < t->depth ? size[2] - p.z : t->depth;
    p.rows = t->rows;
    return p;
}

/* ---- correlation: the arithmetic of the forward and the data gradient -------------------- */

typedef struct correlation {
    const float *tile;
    size_t channel; /* floats between channels of the tile */
    int channels;
    const tap_list *taps;
    const float *weight; /* [channel][tap][12] */
    bool first;          /* start from zero instead of from what acc holds */
} correlation;

/* RB results at STEP neighbouring positions. acc points to the first result's position. */
static inline __attribute__((always_inline)) void correlate_block(const correlation *op,
                                                                  const float *tile,
                                                                  const float *weight, float *acc,
                                                                  size_t acc_stride)
{
    vec sum[RB][NV];
    for (int r = 0; r < RB; r++)
        for (int v = 0; v < NV; v++)
            sum[r][v] = op->first ? splat(0) : load(acc + (size_t)r * acc_stride + v * VL);
    const int count = op->taps->count;
    const ptrdiff_t *offset = op->taps->offset;
    for (int c = 0; c < op->channels; c++, tile += op->channel)
        for (int k = 0; k < count; k++, weight += RP_COUT) {
            const float *at = tile + offset[k];
            vec x[NV];
            for (int v = 0; v < NV; v++) x[v] = load(at + v * VL);
            for (int r = 0; r < RB; r++)
                for (int v = 0; v < NV; v++) sum[r][v] += x[v] * weight[r];
        }
    for (int r = 0; r < RB; r++)
        for (int v = 0; v < NV; v++) store(acc + (size_t)r * acc_stride + v * VL, sum[r][v]);
}

/* acc: [12][depth][flat] */
static void correlate(const correlation *op, const conv_tiling *t, int depth, float *acc)
{
    size_t acc_stride = (size_t)t->depth * t->flat;
    size_t used = (size_t)t->rows * (size_t)t->pitch;
    for (int z = 0; z < depth; z++)
        for (size_t q = 0; q < used; q += STEP)
            for (int r = 0; r < RP_COUT; r += RB)
                correlate_block(op, op->tile + (size_t)z * t->plane + q, op->weight + r,
                                acc + (size_t)r * acc_stride + (size_t)z * t->flat + q, acc_stride);
}

/* Memory of one worker. */
static float *worker_memory(void *workspace, const rp_conv_shape *s, int worker)
{
    float *base = (float *)workspace + rp_conv_packed_floats(s);
    return base + (size_t)worker * rp_conv_worker_floats(s);
}

/* All source channels of one phase for one block of 12 results. `packed_already` says that the tile
 * in memory is the only one there is and still valid. */
static void accumulate_phase(tile_source *source, int sources, const conv_tiling *t,
                             const tile_place *at, const tap_list *taps, const float *weight,
                             bool first, bool packed_already, float *memory)
{
    float *acc = memory + RP_CHUNK * t->channel + 256;
    for (int c = 0; c < sources; c += RP_CHUNK) {
        int n = sources - c < RP_CHUNK ? sources - c : RP_CHUNK;
        if (!packed_already)
            for (int i = 0; i < n; i++)
                pack_channel(source, t, at, c + i, memory + (size_t)i * t->channel);
        correlation op = {
            memory,         t->channel, n, taps, weight + (size_t)c * (size_t)taps->count * RP_COUT,
            first && c == 0};
        correlate(&op, t, at->depth, acc);
    }
}

/* ---- forward -----------------------------------------------------------------------------------
 */

typedef struct forward_job {
    const rp_conv_forward *op;
    conv_tiling tiling;
} forward_job;

static void store_row(float *out, const float *acc, int width, int step, float keep, float bias)
{
    if (step == 1)
        for (int x = 0; x < width; x++) out[x] = keep * (acc[x] + bias);
    else
        for (int x = 0; x < width; x++) out[2 * x] = keep * (acc[x] + bias);
}

static void store_block(const forward_job *job, const tile_place *at, int block, int phase,
                        const float *acc)
{
    const rp_conv_forward *op = job->op;
    const conv_tiling *t = &job->tiling;
    const int *size = op->shape.size;
    int step = op->shape.kind == RP_CONV_UP ? 2 : 1;
    size_t volume =
        (size_t)size[0] * (size_t)size[1] * (size_t)size[2] * (size_t)(step == 2 ? 8 : 1);
    for (int r = 0; r < RP_COUT && block + r < op->shape.out_channels; r++) {
        int channel = block + r;
        float keep = op->keep ? op->keep[channel] : 1, bias = op->bias ? op->bias[channel] : 0;
        for (int z = 0; z < at->depth; z++)
            for (int y = 0; y < at->rows && at->y + y < size[1]; y++) {
                tile_source out = {.data = op->output,
                                   .channel_stride = volume,
                                   .step = step,
                                   .size = {size[0], size[1], size[2]},
                                   .phase = phase};
                float *row = (float *)source_row(&out, channel, at->z + z, at->y + y);
                const float *from = acc + ((size_t)r * (size_t)t->depth + (size_t)z) * t->flat +
                                    (size_t)y * (size_t)t->pitch;
                store_row(row, from, size[0], step, keep, bias);
            }
    }
}

static void forward_tile(void *context, size_t task, int worker)
{
    const forward_job *job = context;
    const rp_conv_forward *op = job->op;
    const rp_conv_shape *s = &op->shape;
    const conv_tiling *t = &job->tiling;
    const float *weight = op->workspace;
    float *memory = worker_memory(op->workspace, s, worker);
    float *acc = memory + RP_CHUNK * t->channel + 256;
    tile_place at = place_tile(t, s->size, task);
    tile_source source = {op->input,
                          (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2],
                          {s->size[0], s->size[1], s->size[2]},
                          1,
                          0,
                          op->norm.scale,
                          op->norm.shift,
                          t->low};
    bool packed = false;
    for (int block = 0; block < s->out_channels; block += RP_COUT)
        for (int phase = 0; phase < phase_count(s->kind); phase++) {
            tap_list taps = list_taps(s->kind, t, phase, false);
            accumulate_phase(&source, s->in_channels, t, &at, &taps, weight, true, packed, memory);
            packed = s->in_channels <= RP_CHUNK;
            store_block(job, &at, block, phase, acc);
            weight += (size_t)s->in_channels * (size_t)taps.count * RP_COUT;
        }
}

static void conv_forward(const rp_conv_forward *op)
{
    forward_job job = {op, rp_conv_tiling(op->shape.kind, op->shape.size)};
    pack_weights(&op->shape, &job.tiling, op->weight, false, op->workspace);
    rp_parallel_for((size_t)job.tiling.tiles_z * (size_t)job.tiling.tiles_y, forward_tile, &job);
}

/* ---- data gradient ------------------------------------------------------------------------------
 */

typedef struct data_job {
    const rp_conv_data_gradient *op;
    conv_tiling tiling;
    double *sums; /* [tile][2][channels] */
} data_job;

typedef struct norm_row {
    float scale, shift, mean, rstd;
    bool accumulate;
    vec dy, dy_xhat; /* running sums of a tile's channel */
    double tail_dy, tail_dy_xhat;
} norm_row;

/* Through ReLU and the norm's scale into the gradient of the stack; see rp_conv_data_gradient. */
static void norm_gradient_row(norm_row *n, const float *acc, const float *x, float *grad, int width)
{
    int i = 0;
    for (; i + VL <= width; i += VL) {
        vec value = load(x + i);
        vec dy = where_positive(value * n->scale + n->shift, load(acc + i));
        n->dy += dy;
        n->dy_xhat += dy * ((value - n->mean) * n->rstd);
        dy *= n->scale;
        if (n->accumulate) dy += load(grad + i);
        store(grad + i, dy);
    }
    for (; i < width; i++) {
        float dy = x[i] * n->scale + n->shift > 0 ? acc[i] : 0;
        n->tail_dy += dy;
        n->tail_dy_xhat += (double)dy * (double)((x[i] - n->mean) * n->rstd);
        grad[i] = (n->accumulate ? grad[i] : 0) + dy * n->scale;
    }
}

static void plain_gradient_row(bool accumulate, const float *acc, float *grad, int width)
{
    if (accumulate)
        for (int x = 0; x < width; x++) grad[x] += acc[x];
    else
        memcpy(grad, acc, (size_t)width * sizeof *grad);
}

static void store_gradient_channel(const data_job *job, const tile_place *at, int channel,
                                   const float *acc, double sums[2])
{
    const rp_conv_data_gradient *op = job->op;
    const conv_tiling *t = &job->tiling;
    const int *size = op->shape.size;
    norm_row n = {.accumulate = op->accumulate};
    if (op->norm.scale) {
        n.scale = op->norm.scale[channel];
        n.shift = op->norm.shift[channel];
        n.mean = op->norm.mean[channel];
        n.rstd = op->norm.rstd[channel];
    }
    for (int z = 0; z < at->depth; z++)
        for (int y = 0; y < at->rows && at->y + y < size[1]; y++) {
            size_t row =
                (((size_t)channel * (size_t)size[2] + (size_t)(at->z + z)) * (size_t)size[1] +
                 (size_t)(at->y + y)) *
                (size_t)size[0];
            const float *from = acc + (size_t)z * t->flat + (size_t)y * (size_t)t->pitch;
            if (op->norm.scale)
                norm_gradient_row(&n, from, op->input + row, op->grad_input + row, size[0]);
            else
                plain_gradient_row(op->accumulate, from, op->grad_input + row, size[0]);
        }
    sums[0] = lane_sum(n.dy) + n.tail_dy;
    sums[1] = lane_sum(n.dy_xhat) + n.tail_dy_xhat;
}

static void data_tile(void *context, size_t task, int worker)
{
    const data_job *job = context;
    const rp_conv_data_gradient *op = job->op;
    const rp_conv_shape *s = &op->shape;
    const conv_tiling *t = &job->tiling;
    const float *weight = op->workspace;
    float *memory = worker_memory(op->workspace, s, worker);
    float *acc = memory + RP_CHUNK * t->channel + 256;
    tile_place at = place_tile(t, s->size, task);
    int phases = phase_count(s->kind), step = s->kind == RP_CONV_UP ? 2 : 1;
    size_t volume = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    tile_source source = {op->grad_output,
                          volume * (size_t)(step == 2 ? 8 : 1),
                          {s->size[0], s->size[1], s->size[2]},
                          step,
                          0,
                          NULL,
                          NULL,
                          s->kind != RP_CONV_POINT};
    bool packed = false;
    for (int block = 0; block < s->in_channels; block += RP_COUT) {
        for (int phase = 0; phase < phases; phase++) {
            tap_list taps = list_taps(s->kind, t, phase, true);
            source.phase = phase;
            accumulate_phase(&source, s->out_channels, t, &at, &taps, weight, phase == 0, packed,
                             memory);
            packed = phases == 1 && s->out_channels <= RP_CHUNK;
            weight += (size_t)s->out_channels * (size_t)taps.count * RP_COUT;
        }
        for (int r = 0; r < RP_COUT && block + r < s->in_channels; r++) {
            double sums[2];
            store_gradient_channel(job, &at, block + r,
                                   acc + (size_t)r * (size_t)t->depth * t->flat, sums);
            job->sums[(2 * task) * (size_t)s->in_channels + (size_t)(block + r)] = sums[0];
            job->sums[(2 * task + 1) * (size_t)s->in_channels + (size_t)(block + r)] = sums[1];
        }
    }
}

static void conv_data_gradient(const rp_conv_data_gradient *op)
{
    const rp_conv_shape *s = &op->shape;
    data_job job = {.op = op, .tiling = rp_conv_tiling(s->kind, s->size)};
    size_t taps = s->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    size_t packed =
        (size_t)rp_ceil_div(s->in_channels, RP_COUT) * RP_COUT * (size_t)s->out_channels * taps;
    job.sums = (double *)((float *)op->workspace + (packed + 1) / 2 * 2);
    pack_weights(s, &job.tiling, op->weight, true, op->workspace);
    size_t tiles = (size_t)job.tiling.tiles_z * (size_t)job.tiling.tiles_y;
    rp_parallel_for(tiles, data_tile, &job);
    for (int c = 0; op->norm.scale && c < s->in_channels; c++) {
        double dy = 0, dy_xhat = 0;
        for (size_t i = 0; i < tiles; i++) {
            dy += job.sums[(2 * i) * (size_t)s->in_channels + (size_t)c];
            dy_xhat += job.sums[(2 * i + 1) * (size_t)s->in_channels + (size_t)c];
        }
        op->sum_dy[c] = dy;
        op->sum_dy_xhat[c] = dy_xhat;
    }
}

/* ---- weight gradient --------------------------------------------------------------------- */
/* The tile is packed with input channels in the lanes, so that the register block has the forward's
 * shape: 12 output channels, broadcast from the packed output gradient, times LANES input channels.
 */

typedef struct weight_job {
    const rp_conv_weight_gradient *op;
    conv_tiling tiling;
    int slabs, lane_blocks, out_blocks, taps;
    float *partials; /* [slab][lane block][out block][weight tap][12][LANES] */
} weight_job;

static size_t partial_floats(const weight_job *job)
{
    return (size_t)job->out_blocks * (size_t)job->taps * RP_COUT * LANES;
}

/* VL channels of one row, normalised, into lanes `lane`.. of positions 0.. of `to`. */
static void transpose_row(const tile_source *s, int first, int channels, int z, int y, float *to)
{
    float rows[VL * VL] __attribute__((aligned(64)));
    int width = s->size[0], count = channels < VL ? channels : VL;
    for (int x = 0; x < width; x += VL) {
        int n = width - x < VL ? width - x : VL;
        for (int c = 0; c < count; c++) {
            const float *from = source_row(s, first + c, z, y) + x;
            if (n == VL) {
                vec v = load(from);
                if (s->scale) {
                    v = v * s->scale[first + c] + s->shift[first + c];
                    v = where_positive(v, v);
                }
                store(rows + c * VL, v);
                continue;
            }
            for (int i = 0; i < n; i++) {
                float v = from[i];
                if (s->scale) {
                    v = v * s->scale[first + c] + s->shift[first + c];
                    v = v > 0 ? v : 0;
                }
                rows[c * VL + i] = v;
            }
            for (int i = n; i < VL; i++) rows[c * VL + i] = 0;
        }
        for (int c = count; c < VL; c++) store(rows + c * VL, splat(0));
        transpose_block(rows, to + (size_t)x * LANES, n);
    }
}

static void pack_lanes(const tile_source *s, const conv_tiling *t, const tile_place *at, int first,
                       int channels, float *tile)
{
    int halo = t->low + t->high;
    size_t row_floats = (size_t)t->pitch * LANES;
    for (int z = 0; z < at->depth + halo; z++)
        for (int y = 0; y < at->rows + halo; y++, tile += row_floats) {
            int sz = at->z + z - s->low, sy = at->y + y - s->low;
            if (!row_inside(s, sz, sy)) {
                memset(tile, 0, row_floats * sizeof *tile);
                continue;
            }
            float *body = tile + (size_t)s->low * LANES;
            if (s->low) memset(tile, 0, LANES * sizeof *tile);
            for (int lane = 0; lane < LANES; lane += VL) {
                int left = channels - lane;
                transpose_row(s, first + lane, left > 0 ? left : 0, sz, sy, body + lane);
            }
            size_t end = (size_t)(s->low + s->size[0]) * LANES;
            memset(tile + end, 0, (row_floats - end) * sizeof *tile);
        }
}

/* Output gradient of 12 channels as [z][y][pitch][12], zero in the halo columns and outside. */
static void pack_gradient(const tile_source *s, const conv_tiling *t, const tile_place *at,
                          int first, int channels, float *packed)
{
    memset(packed, 0,
           (size_t)at->depth * (size_t)t->rows * (size_t)t->pitch * RP_COUT * sizeof *packed);
    for (int z = 0; z < at->depth; z++)
        for (int y = 0; y < at->rows; y++, packed += (size_t)t->pitch * RP_COUT) {
            if (!row_inside(s, at->z + z, at->y + y)) continue;
            for (int c = 0; c < channels; c++) {
                const float *from = source_row(s, first + c, at->z + z, at->y + y);
                for (int x = 0; x < s->size[0]; x++) packed[x * RP_COUT + c] = from[x * s->step];
            }
        }
}

/* One tap over `count` neighbouring positions: sum += gradient (12) x input (LANES). */
static inline __attribute__((always_inline)) void
weight_block(const float *input, const float *gradient, size_t count, float *sum_memory)
{
    vec sum[RB][NV];
    for (int r = 0; r < RB; r++)
        for (int v = 0; v < NV; v++) sum[r][v] = load(sum_memory + r * LANES + v * VL);
    for (size_t q = 0; q < count; q++, input += LANES, gradient += RP_COUT) {
        vec x[NV];
        for (int v = 0; v < NV; v++) x[v] = load(input + v * VL);
        for (int r = 0; r < RB; r++)
            for (int v = 0; v < NV; v++) sum[r][v] += x[v] * gradient[r];
    }
    for (int r = 0; r < RB; r++)
        for (int v = 0; v < NV; v++) store(sum_memory + r * LANES + v * VL, sum[r][v]);
}

/* Rows are joined to runs of at least 48 positions, for the sums to stay in registers that long. */
static void weight_tile(const conv_tiling *t, const tile_place *at, const tap_list *taps,
                        const float *input, const float *gradient, float *sums)
{
    int join = rp_ceil_div(48, t->pitch);
    for (int z = 0; z < at->depth; z++)
        for (int y = 0; y < at->rows; y += join) {
            int rows = at->rows - y < join ? at->rows - y : join;
            size_t from = (size_t)z * t->plane + (size_t)y * (size_t)t->pitch;
            const float *g =
                gradient + ((size_t)z * (size_t)t->rows + (size_t)y) * (size_t)t->pitch * RP_COUT;
            size_t count = (size_t)rows * (size_t)t->pitch - (size_t)(t->low + t->high);
            for (int k = 0; k < taps->count; k++) {
                float *sum = sums + (size_t)taps->weight[k] * RP_COUT * LANES;
                const float *x = input + (from + (size_t)taps->offset[k]) * LANES;
                for (int r = 0; r < RP_COUT; r += RB)
                    weight_block(x, g + r, count, sum + r * LANES);
            }
        }
}

static void weight_task(void *context, size_t task, int worker)
{
    const weight_job *job = context;
    const rp_conv_weight_gradient *op = job->op;
    const rp_conv_shape *s = &op->shape;
    const conv_tiling *t = &job->tiling;
    int lane_block = (int)(task % (size_t)job->lane_blocks);
    int slab = (int)(task / (size_t)job->lane_blocks);
    float *sums = job->partials + task * partial_floats(job);
    float *tile = worker_memory(op->workspace, s, worker);
    float *gradient = tile + RP_MAX_LANES * t->channel;
    size_t volume = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    int step = s->kind == RP_CONV_UP ? 2 : 1, first = lane_block * LANES;
    tile_source input = {
        op->input,      volume, {s->size[0], s->size[1], s->size[2]}, 1, 0, op->norm.scale,
        op->norm.shift, t->low};
    tile_source output = {op->grad_output,
                          volume * (size_t)(step == 2 ? 8 : 1),
                          {s->size[0], s->size[1], s->size[2]},
                          step,
                          0,
                          NULL,
                          NULL,
                          0};
    memset(sums, 0, partial_floats(job) * sizeof *sums);
    int tiles = t->tiles_z * t->tiles_y;
    int begin = (int)((long)tiles * slab / job->slabs);
    int end = (int)((long)tiles * (slab + 1) / job->slabs);
    for (int i = begin; i < end; i++) {
        tile_place at = place_tile(t, s->size, (size_t)i);
        pack_lanes(&input, t, &at, first, s->in_channels - first, tile);
        for (int b = 0; b < job->out_blocks; b++)
            for (int phase = 0; phase < phase_count(s->kind); phase++) {
                tap_list taps = list_taps(s->kind, t, phase, false);
                int channels = s->out_channels - b * RP_COUT;
                output.phase = phase;
                pack_gradient(&output, t, &at, b * RP_COUT, channels < RP_COUT ? channels : RP_COUT,
                              gradient);
                weight_tile(t, &at, &taps, tile, gradient,
                            sums + (size_t)b * (size_t)job->taps * RP_COUT * LANES);
            }
    }
}

/* Adds the slabs in order and brings the sums into PyTorch's layout. */
static void reduce_weights(const weight_job *job)
{
    const rp_conv_shape *s = &job->op->shape;
    size_t slab_floats = (size_t)job->lane_blocks * partial_floats(job);
    for (int out = 0; out < s->out_channels; out++)
        for (int in = 0; in < s->in_channels; in++)
            for (int tap = 0; tap < job->taps; tap++) {
                size_t at =
                    (((size_t)(in / LANES) * (size_t)job->out_blocks + (size_t)(out / RP_COUT)) *
                         (size_t)job->taps +
                     (size_t)tap) *
                        RP_COUT * LANES +
                    (size_t)(out % RP_COUT) * LANES + (size_t)(in % LANES);
                double sum = 0;
                for (int slab = 0; slab < job->slabs; slab++)
                    sum += (double)job->partials[(size_t)slab * slab_floats + at];
                job->op->grad_weight[weight_index(s, out, in, tap)] = (float)sum;
            }
}

static void conv_weight_gradient(const rp_conv_weight_gradient *op)
{
    const rp_conv_shape *s = &op->shape;
    weight_job job = {.op = op, .tiling = rp_conv_weight_tiling(s->kind, s->size)};
    job.slabs = rp_conv_weight_slabs(&job.tiling);
    job.lane_blocks = rp_ceil_div(s->in_channels, LANES);
    job.out_blocks = rp_ceil_div(s->out_channels, RP_COUT);
    job.taps = s->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    job.partials = op->workspace;
    rp_parallel_for((size_t)job.slabs * (size_t)job.lane_blocks, weight_task, &job);
    reduce_weights(&job);
}

#include "elementwise.h"

const rp_kernels TABLE = {
    .name = TABLE_NAME,
    .conv_forward = conv_forward,
    .conv_data_gradient = conv_data_gradient,
    .conv_weight_gradient = conv_weight_gradient,
    .channel_statistics = channel_statistics,
    .finish_gradient = finish_gradient,
    .max_pool = max_pool,
    .max_unpool = max_unpool,
    .adam = adam,
};
