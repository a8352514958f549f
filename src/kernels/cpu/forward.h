/* The forward pass of all kinds of convolution. */

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
                                    (size_t)y * (size_t)t->acc_pitch;
                store_row(row + step * at->x, from, at->width, step, keep, bias);
            }
    }
}

static void forward_tile(void *context, size_t task, int worker)
{
    const forward_job *job = context;
    const rp_conv_forward *op = job->op;
    const rp_conv_shape *s = &op->shape;
    const conv_tiling *t = &job->tiling;
    tile_place at = place_tile(t, s->size, task);
    tile_source source = {.data = op->input,
                          .channel_stride =
                              (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2],
                          .size = {s->size[0], s->size[1], s->size[2]},
                          .step = 1,
                          .scale = op->norm.scale,
                          .shift = op->norm.shift,
                          .low = t->low,
                          .high = t->high};
    tile_work work = {.t = t,
                      .source = &source,
                      .sources = s->in_channels,
                      .at = &at,
                      .weight = op->workspace,
                      .first = true,
                      .memory = worker_memory(op->workspace, s, worker)};
    work.acc = work.memory + t->acc_at;
    for (int block = 0; block < s->out_channels; block += RP_COUT) {
        work.results = s->out_channels - block < RP_COUT ? s->out_channels - block : RP_COUT;
        for (int phase = 0; phase < phase_count(s->kind); phase++) {
            tap_list taps = list_taps(s->kind, t, phase, false);
            work.taps = &taps;
            accumulate(&work);
            work.packed = s->in_channels <= t->chunk;
            store_block(job, &at, block, phase, work.acc);
            work.weight += packed_block(t, &taps, s->in_channels);
        }
    }
}

static void conv_forward(const rp_conv_forward *op)
{
    rp_conv_forward flat = *op;
    flat.shape = rp_conv_flatten(op->shape);
    const rp_conv_shape *s = &flat.shape;
    forward_job job = {&flat, rp_conv_tiling(s->kind, s->size, s->in_channels, s->out_channels)};
    pack_weights(s, &job.tiling, op->weight, false, op->workspace);
    rp_parallel_for(rp_tile_count(&job.tiling), forward_tile, &job);
}
