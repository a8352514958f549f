/*
 * The weight gradient. The tile is packed with input channels in the lanes, so that the register
 * block has the forward's shape: 12 output channels, broadcast from the packed output gradient,
 * times LANES input channels.
 */

typedef struct weight_job {
    const rp_conv_weight_gradient *op;
    conv_tiling tiling;
    int slabs, lane_blocks, out_blocks;
    int taps;        /* sums of one pair of channels: taps, or points and taps along x */
    float *partials; /* [slab][lane block][out block][tap][12][LANES] */
} weight_job;

static size_t partial_floats(const weight_job *job)
{
    return (size_t)job->out_blocks * (size_t)job->taps * RP_COUT * LANES;
}

/* ---- taps one by one --------------------------------------------------------------------- */

/* Voxels from..to-1 of one row of VL channels, normalised, into lanes of consecutive positions. */
static void transpose_row(const tile_source *s, int first, int channels, int z, int y, int from,
                          int to, float *lanes)
{
    float rows[VL * VL] __attribute__((aligned(64)));
    int count = channels < VL ? channels : VL;
    memset(rows, 0, sizeof rows);
    for (int x = from; x < to; x += VL, lanes += VL * LANES) {
        int n = to - x < VL ? to - x : VL;
        for (int c = 0; c < count; c++)
            copy_row(s, first + c, source_row(s, first + c, z, y) + x, n, rows + c * VL);
        transpose_block(rows, VL, lanes, n);
    }
}

static void pack_lanes(const tile_source *s, const conv_tiling *t, const tile_place *at, int first,
                       int channels, float *tile)
{
    int halo = t->low + t->high, from, to;
    size_t row_floats = (size_t)t->pitch * LANES;
    row_range(s, at, &from, &to);
    size_t before = (size_t)(from - (at->x - s->low)) * LANES;
    size_t after = before + (size_t)(to - from) * LANES;
    for (int z = 0; z < at->depth + halo; z++)
        for (int y = 0; y < at->rows + halo; y++, tile += row_floats) {
            int sz = at->z + z - s->low, sy = at->y + y - s->low;
            if (!row_inside(s, sz, sy)) {
                memset(tile, 0, row_floats * sizeof *tile);
                continue;
            }
            memset(tile, 0, before * sizeof *tile);
            for (int lane = 0; lane < LANES && lane < channels; lane += VL)
                transpose_row(s, first + lane, channels - lane, sz, sy, from, to,
                              tile + before + lane);
            memset(tile + after, 0, (row_floats - after) * sizeof *tile);
        }
}

/* One channel of the output gradient as [z][y][pitch], zero in the halo columns and outside. */
static void pack_gradient_channel(const tile_source *s, const conv_tiling *t, const tile_place *at,
                                  int channel, float *tile)
{
    for (int z = 0; z < at->depth; z++)
        for (int y = 0; y < at->rows; y++, tile += t->pitch) {
            int width = row_inside(s, at->z + z, at->y + y) ? at->width : 0;
            if (width)
                copy_row(s, channel, source_row(s, channel, at->z + z, at->y + y) + s->step * at->x,
                         width, tile);
            memset(tile + width, 0, (size_t)(t->pitch - width) * sizeof *tile);
        }
}

/* One tap over `count` neighbouring positions: sum += gradient (rb channels, `stride` apart, a
 * constant) x input (nv * VL lanes). */
static inline __attribute__((always_inline)) void
weight_block(const float *input, const float *gradient, const size_t stride, size_t count,
             float *sum_memory, const int rb, const int nv)
{
    vec sum[RB][NV];
    for (int r = 0; r < rb; r++)
        for (int v = 0; v < nv; v++) sum[r][v] = load(sum_memory + r * LANES + v * VL);
    for (size_t q = 0; q < count; q++, input += LANES, gradient++) {
        vec x[NV];
        for (int v = 0; v < nv; v++) x[v] = load(input + v * VL);
        for (int r = 0; r < rb; r++)
            for (int v = 0; v < nv; v++) sum[r][v] += x[v] * gradient[(size_t)r * stride];
    }
    for (int r = 0; r < rb; r++)
        for (int v = 0; v < nv; v++) store(sum_memory + r * LANES + v * VL, sum[r][v]);
}

/* The channels in use of a block of lanes and of a block of 12 results. */
typedef struct weight_extent {
    int lanes, results;
} weight_extent;

static inline __attribute__((always_inline)) void weight_run(const float *input,
                                                             const float *gradient,
                                                             const size_t stride, size_t count,
                                                             float *sum, weight_extent extent)
{
    if (extent.results <= FEW) {
        weight_block(input, gradient, stride, count, sum, FEW, NV);
        return;
    }
    for (int r = 0; r < RP_COUT; r += RB, gradient += RB * stride, sum += RB * LANES)
        if (extent.lanes > VL)
            weight_block(input, gradient, stride, count, sum, RB, NV);
        else
            weight_block(input, gradient, stride, count, sum, RB, 1);
}

/* Rows are joined to runs of at least 48 positions, for the sums to stay in registers that long. */
static void weight_taps(const conv_tiling *t, const tile_place *at, const tap_list *taps,
                        const float *input, const float *gradient, weight_extent extent,
                        float *sums)
{
    int join = rp_ceil_div(48, t->pitch);
    for (int z = 0; z < at->depth; z++)
        for (int y = 0; y < at->rows; y += join) {
            int rows = at->rows - y < join ? at->rows - y : join;
            size_t from = (size_t)z * t->plane + (size_t)y * (size_t)t->pitch;
            const float *g =
                gradient + ((size_t)z * (size_t)t->rows + (size_t)y) * (size_t)t->pitch;
            size_t count = (size_t)rows * (size_t)t->pitch - (size_t)(t->low + t->high);
            for (int k = 0; k < taps->count; k++)
                weight_run(input + (from + (size_t)taps->offset[k]) * LANES, g, RP_GRADIENT_RUN,
                           count, sums + (size_t)taps->weight[k] * RP_COUT * LANES, extent);
        }
}

/* ---- by Winograd's points ---------------------------------------------------------------- */
/* weight gradient = G^T [ sum over tiles of (A gradient A^T) . (B^T input B) ] G: the transpose of
 * the forward's formula by the weight. */

/* VL channels at a time to their points, then position by position with channels in the lanes:
 * [point][run][LANES]. */
static void pack_lane_points(const tile_source *s, const conv_tiling *t, const tile_place *at,
                             int first, int channels, float *memory, float *lanes)
{
    size_t run = (size_t)(t->rows / WINO) * (size_t)t->pitch;
    const float *points = memory + t->points_at;
    for (int lane = 0; lane < channels && lane < LANES; lane += VL) {
        int count = channels - lane < VL ? channels - lane : VL;
        for (int c = 0; c < count; c++) {
            pack_channel(s, t, at, first + lane + c, memory);
            transform_channel(t, memory, memory + t->points_at + (size_t)c * t->point_channel);
        }
        for (size_t p = 0; p < POINTS; p++)
            for (int c = count; c < VL; c++)
                memset(memory + t->points_at + p * t->point_stride + (size_t)c * t->point_channel,
                       0, run * sizeof *memory);
        for (size_t p = 0; p < POINTS; p++)
            for (size_t q = 0; q < run; q += VL) {
                int n = run - q < VL ? (int)(run - q) : VL;
                transpose_block(points + p * t->point_stride + q, t->point_channel,
                                lanes + p * t->lane_stride + q * LANES + (size_t)lane, n);
            }
    }
}

/* One channel of a gradient tile [4][rows][pitch] to its points [36][run]. */
static void transform_gradient(const conv_tiling *t, const float *tile, float *points)
{
    size_t pitch = (size_t)t->pitch, plane = (size_t)t->rows * pitch;
    for (int row = 0; row < t->rows / WINO; row++, tile += WINO * pitch, points += pitch)
        for (size_t x = 0; x < pitch; x += VL) {
            vec column[POINTS_1D][WINO];
            for (size_t y = 0; y < WINO; y++) {
                vec in[WINO], out[POINTS_1D];
                for (size_t z = 0; z < WINO; z++) in[z] = load(tile + z * plane + y * pitch + x);
                gradient_points(in, out);
                for (int z = 0; z < POINTS_1D; z++) column[z][y] = out[z];
            }
            for (size_t z = 0; z < POINTS_1D; z++) {
                vec out[POINTS_1D];
                gradient_points(column[z], out);
                for (size_t y = 0; y < POINTS_1D; y++)
                    store(points + (z * POINTS_1D + y) * RP_COUT * RP_RUN + x, out[y]);
            }
        }
}

static void weight_points(const conv_tiling *t, const float *lanes, const float *gradient,
                          weight_extent extent, float *sums)
{
    size_t used = (size_t)(t->rows / WINO - 1) * (size_t)t->pitch + (size_t)t->width;
    for (size_t p = 0; p < POINTS; p++, gradient += RP_COUT * RP_RUN)
        for (size_t k = 0; k < 3; k++, sums += RP_COUT * LANES)
            weight_run(lanes + p * t->lane_stride + k * LANES, gradient, RP_RUN, used, sums,
                       extent);
}

/* ---- tasks ------------------------------------------------------------------------------- */

/* What one task works on: a block of lanes along one slab of tiles. */
typedef struct weight_work {
    const weight_job *job;
    tile_source input, output;
    int first;     /* input channel in lane 0 */
    float *memory; /* of the worker */
    float *sums;
} weight_work;

/* One block of output channels and one phase: packs its gradient and adds to the sums. */
static void add_gradient(weight_work *w, const tile_place *at, int block, int phase)
{
    const weight_job *job = w->job;
    const conv_tiling *t = &job->tiling;
    const rp_conv_shape *s = &job->op->shape;
    float *lanes = w->memory + t->lanes_at, *gradient = w->memory + t->products_at;
    float *sums = w->sums + (size_t)block * (size_t)job->taps * RP_COUT * LANES;
    int left = s->out_channels - block * RP_COUT;
    weight_extent extent = {s->in_channels - w->first, left < RP_COUT ? left : RP_COUT};
    w->output.phase = phase;
    for (int c = 0; c < extent.results; c++)
        if (t->wino) {
            pack_gradient_channel(&w->output, t, at, block * RP_COUT + c, w->memory);
            transform_gradient(t, w->memory, gradient + c * RP_RUN);
        } else {
            pack_gradient_channel(&w->output, t, at, block * RP_COUT + c,
                                  gradient + c * RP_GRADIENT_RUN);
        }
    tap_list taps = list_taps(s->kind, t, phase, false);
    if (t->wino)
        weight_points(t, lanes, gradient, extent, sums);
    else
        weight_taps(t, at, &taps, lanes, gradient, extent, sums);
}

static void weight_tile(weight_work *w, const tile_place *at)
{
    const conv_tiling *t = &w->job->tiling;
    const rp_conv_shape *s = &w->job->op->shape;
    float *lanes = w->memory + t->lanes_at;
    int used = s->in_channels - w->first;
    if (t->wino)
        pack_lane_points(&w->input, t, at, w->first, used, w->memory, lanes);
    else
        pack_lanes(&w->input, t, at, w->first, used, lanes);
    for (int block = 0; block < w->job->out_blocks; block++)
        for (int phase = 0; phase < phase_count(s->kind); phase++)
            add_gradient(w, at, block, phase);
}

static void weight_task(void *context, size_t task, int worker)
{
    const weight_job *job = context;
    const rp_conv_weight_gradient *op = job->op;
    const rp_conv_shape *s = &op->shape;
    const conv_tiling *t = &job->tiling;
    int slab = (int)(task / (size_t)job->lane_blocks), step = s->kind == RP_CONV_UP ? 2 : 1;
    size_t volume = (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2];
    weight_work w = {
        .job = job,
        .input = {.data = op->input,
                  .channel_stride = volume,
                  .size = {s->size[0], s->size[1], s->size[2]},
                  .step = 1,
                  .scale = op->norm.scale,
                  .shift = op->norm.shift,
                  .low = t->low,
                  .high = t->high},
        .output = {.data = op->grad_output,
                   .channel_stride = volume * (size_t)(step == 2 ? 8 : 1),
                   .size = {s->size[0], s->size[1], s->size[2]},
                   .step = step},
        .first = (int)(task % (size_t)job->lane_blocks) * LANES,
        .memory = worker_memory(op->workspace, s, worker),
        .sums = job->partials + task * partial_floats(job),
    };
    memset(w.sums, 0, partial_floats(job) * sizeof *w.sums);
    size_t tiles = rp_tile_count(t);
    size_t begin = tiles * (size_t)slab / (size_t)job->slabs;
    size_t end = tiles * (size_t)(slab + 1) / (size_t)job->slabs;
    for (size_t i = begin; i < end; i++) {
        tile_place at = place_tile(t, s->size, i);
        if (t->wino) at = whole_tile(t, &at);
        weight_tile(&w, &at);
    }
}

/* ---- sums -------------------------------------------------------------------------------- */

/* Adds the slabs in order: sums of one output channel and one block of lanes, [tap][LANES]. */
static void add_slabs(const weight_job *job, int out, int lane_block, double *sum)
{
    size_t slab_floats = (size_t)job->lane_blocks * partial_floats(job);
    const float *from =
        job->partials + (size_t)lane_block * partial_floats(job) +
        ((size_t)(out / RP_COUT) * (size_t)job->taps * RP_COUT + (size_t)(out % RP_COUT)) * LANES;
    memset(sum, 0, (size_t)job->taps * LANES * sizeof *sum);
    for (int slab = 0; slab < job->slabs; slab++, from += slab_floats)
        for (int tap = 0; tap < job->taps; tap++)
            for (int i = 0; i < LANES; i++)
                sum[tap * LANES + i] += (double)from[(size_t)tap * RP_COUT * LANES + (size_t)i];
}

/* G^T sum G along z and y: from points [36][3][LANES] to taps [27][LANES]. */
static void points_to_taps(const double *sum, double *taps)
{
    float g[POINTS_1D][3];
    weight_matrix(g);
    memset(taps, 0, sizeof(double) * RP_TAPS * LANES);
    for (int p = 0; p < POINTS; p++)
        for (int k = 0; k < 9; k++) {
            double factor = (double)g[p / POINTS_1D][k / 3] * (double)g[p % POINTS_1D][k % 3];
            for (int i = 0; i < 3 * LANES; i++)
                taps[k * 3 * LANES + i] += factor * sum[p * 3 * LANES + i];
        }
}

static void reduce_task(void *context, size_t task, int worker)
{
    (void)worker;
    const weight_job *job = context;
    const rp_conv_shape *s = &job->op->shape;
    int lane_block = (int)(task % (size_t)job->lane_blocks);
    int out = (int)(task / (size_t)job->lane_blocks);
    int taps = s->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    double sum[RP_PACKED_TAPS * LANES], direct[RP_TAPS * LANES], *values = sum;
    add_slabs(job, out, lane_block, sum);
    if (job->tiling.wino) points_to_taps(sum, values = direct);
    for (int i = 0; i < LANES && lane_block * LANES + i < s->in_channels; i++)
        for (int tap = 0; tap < taps; tap++)
            job->op->grad_weight[weight_index(s, out, lane_block * LANES + i, tap)] =
                (float)values[tap * LANES + i];
}

static void conv_weight_gradient(const rp_conv_weight_gradient *op)
{
    rp_conv_weight_gradient flat = *op;
    flat.shape = rp_conv_flatten(op->shape);
    const rp_conv_shape *s = &flat.shape;
    weight_job job = {.op = &flat, .tiling = rp_conv_weight_tiling(s->kind, s->size)};
    job.slabs = rp_conv_weight_slabs(&job.tiling);
    job.lane_blocks = rp_ceil_div(s->in_channels, LANES);
    job.out_blocks = rp_ceil_div(s->out_channels, RP_COUT);
    job.taps = job.tiling.wino ? RP_PACKED_TAPS : s->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    job.partials = op->workspace;
    rp_parallel_for((size_t)job.slabs * (size_t)job.lane_blocks, weight_task, &job);
    rp_parallel_for((size_t)s->out_channels * (size_t)job.lane_blocks, reduce_task, &job);
}
