/* The data gradient of all kinds of convolution. */

typedef struct data_job {
    const rp_conv_data_gradient *op;
    conv_tiling tiling;
    double *sums; /* [tile][2][channels] */
} data_job;

typedef struct norm_row {
    float scale, shift, mean, rstd;
    bool accumulate;
    size_t ahead;    /* floats to what comes after this channel, fetched meanwhile */
    vec dy, dy_xhat; /* running sums of a tile's channel */
    double tail_dy, tail_dy_xhat;
} norm_row;

/* Through ReLU and the norm's scale into the gradient of the stack; see rp_conv_data_gradient. */
static void norm_gradient_row(norm_row *n, const float *acc, const float *x, float *grad, int width)
{
    int i = 0;
    for (; i + VL <= width; i += VL) {
        vec value = load(x + i);
        __builtin_prefetch(x + i + n->ahead, 0, 2);
        __builtin_prefetch(grad + i + n->ahead, 1, 2);
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
    norm_row n = {.accumulate = op->accumulate,
                  .ahead = (size_t)size[0] * (size_t)size[1] * (size_t)size[2]};
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
                    (size_t)size[0] +
                (size_t)at->x;
            const float *from = acc + (size_t)z * t->flat + (size_t)y * (size_t)t->acc_pitch;
            if (op->norm.scale)
                norm_gradient_row(&n, from, op->input + row, op->grad_input + row, at->width);
            else
                plain_gradient_row(op->accumulate, from, op->grad_input + row, at->width);
        }
    sums[0] = lane_sum(n.dy) + n.tail_dy;
    sums[1] = lane_sum(n.dy_xhat) + n.tail_dy_xhat;
}

static void store_gradient_block(const data_job *job, const tile_place *at, size_t task, int block,
                                 const float *acc)
{
    size_t channels = (size_t)job->op->shape.in_channels;
    const size_t stride = (size_t)job->tiling.depth * job->tiling.flat;
    double *sums = job->sums + 2 * task * channels;
    for (size_t r = 0; r < RP_COUT && (size_t)block * RP_COUT + r < channels; r++) {
        size_t channel = (size_t)block * RP_COUT + r;
        double pair[2];
        store_gradient_channel(job, at, (int)channel, acc + r * stride, pair);
        sums[channel] = pair[0];
        sums[channels + channel] = pair[1];
    }
}

static void data_tile(void *context, size_t task, int worker)
{
    const data_job *job = context;
    const rp_conv_data_gradient *op = job->op;
    const rp_conv_shape *s = &op->shape;
    const conv_tiling *t = &job->tiling;
    const float *packed = op->workspace;
    tile_place at = place_tile(t, s->size, task);
    int phases = phase_count(s->kind), step = s->kind == RP_CONV_UP ? 2 : 1;
    size_t volume = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    tile_source source = {.data = op->grad_output,
                          .channel_stride = volume * (size_t)(step == 2 ? 8 : 1),
                          .size = {s->size[0], s->size[1], s->size[2]},
                          .step = step,
                          .low = s->kind != RP_CONV_POINT,
                          .high = t->low};
    tile_work work = {.t = t,
                      .source = &source,
                      .sources = s->out_channels,
                      .at = &at,
                      .memory = worker_memory(op->workspace, s, worker)};
    for (int phase = 0; phase < phases; phase++) {
        tap_list taps = list_taps(s->kind, t, phase, true);
        source.phase = phase;
        work.taps = &taps;
        work.first = phase == 0;
        work.packed = false;
        for (int block = 0; block < rp_ceil_div(s->in_channels, RP_COUT); block++) {
            int left = s->in_channels - block * RP_COUT;
            work.results = left < RP_COUT ? left : RP_COUT;
            /* Results of all blocks are kept until the last phase has added to them. */
            work.acc = work.memory + t->acc_at + (phases > 1 ? (size_t)block * t->acc_block : 0);
            work.weight = packed + packed_place(t, &taps, s->kind, s->out_channels, block, phase);
            accumulate(&work);
            work.packed = s->out_channels <= t->chunk;
            if (phase == phases - 1) store_gradient_block(job, &at, task, block, work.acc);
        }
    }
}

static void conv_data_gradient(const rp_conv_data_gradient *op)
{
    rp_conv_data_gradient flat = *op;
    flat.shape = rp_conv_flatten(op->shape);
    const rp_conv_shape *s = &flat.shape;
    data_job job = {.op = &flat,
                    .tiling = rp_conv_tiling(s->kind, s->size, s->out_channels, s->in_channels)};
    size_t taps = job.tiling.wino ? RP_PACKED_TAPS : s->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    size_t packed =
        (size_t)rp_ceil_div(s->in_channels, RP_COUT) * RP_COUT * (size_t)s->out_channels * taps;
    job.sums = (double *)((float *)op->workspace + (packed + 1) / 2 * 2);
    pack_weights(s, &job.tiling, op->weight, true, op->workspace);
    size_t tiles = rp_tile_count(&job.tiling);
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
