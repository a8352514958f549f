/* Correlation: the arithmetic of the forward pass and of the data gradient. */

/* Results of the smaller register block, for convolutions with few of them. */
enum { FEW = 4 };

typedef struct correlation {
    size_t channel; /* floats between channels of the tile */
    int channels;
    const tap_list *taps;
    const float *weight; /* [channel][tap][12] */
    int results;         /* of the 12, those wanted */
    bool first;          /* start from zero instead of from what acc holds */
} correlation;

/* rb results at nv * VL neighbouring positions. acc points to the first result's position. */
static inline __attribute__((always_inline)) void
correlate_block(const correlation *op, const float *tile, const float *weight, float *acc,
                size_t acc_stride, const int rb, const int nv)
{
    vec sum[RB][NV];
    for (int r = 0; r < rb; r++)
        for (int v = 0; v < nv; v++)
            sum[r][v] = op->first ? splat(0) : load(acc + (size_t)r * acc_stride + v * VL);
    const int count = op->taps->count;
    const ptrdiff_t *offset = op->taps->offset;
    for (int c = 0; c < op->channels; c++, tile += op->channel)
        for (int k = 0; k < count; k++, weight += RP_COUT) {
            const float *at = tile + offset[k];
            vec x[NV];
            for (int v = 0; v < nv; v++) x[v] = load(at + v * VL);
            for (int r = 0; r < rb; r++)
                for (int v = 0; v < nv; v++) sum[r][v] += x[v] * weight[r];
        }
    for (int r = 0; r < rb; r++)
        for (int v = 0; v < nv; v++) store(acc + (size_t)r * acc_stride + v * VL, sum[r][v]);
}

/* `used` neighbouring positions, walked as one long row; acc: [12][acc_stride] */
static void correlate_run(const correlation *op, const float *tile, size_t used, float *acc,
                          size_t acc_stride)
{
    size_t q = 0;
    for (; op->results <= FEW && q < used; q += STEP)
        correlate_block(op, tile + q, op->weight, acc + q, acc_stride, FEW, NV);
    for (; q + VL < used; q += STEP)
        for (int r = 0; r < RP_COUT; r += RB)
            correlate_block(op, tile + q, op->weight + r, acc + (size_t)r * acc_stride + q,
                            acc_stride, RB, NV);
    for (; q < used; q += VL)
        for (int r = 0; r < RP_COUT; r += RB)
            correlate_block(op, tile + q, op->weight + r, acc + (size_t)r * acc_stride + q,
                            acc_stride, RB, 1);
}

/* All source channels of one phase of a tile, for one block of 12 results. */
typedef struct tile_work {
    const conv_tiling *t;
    tile_source *source;
    int sources, results; /* channels; of the 12, those there are */
    const tile_place *at;
    const tap_list *taps;
    const float *weight; /* packed, of this block and phase */
    bool first;          /* start from zero */
    bool packed;         /* the only chunk there is is packed already */
    float *memory;       /* of the worker */
    float *acc;          /* the results */
} tile_work;

static float *worker_memory(void *workspace, const rp_conv_shape *s, int worker)
{
    float *base = (float *)workspace + rp_conv_packed_floats(s);
    return base + (size_t)worker * rp_conv_worker_floats(s);
}

static void accumulate_taps(const tile_work *w)
{
    const conv_tiling *t = w->t;
    size_t acc_stride = (size_t)t->depth * t->flat;
    size_t used = (size_t)t->rows * (size_t)t->pitch - (size_t)(t->low + t->high);
    for (int c = 0; c < w->sources; c += t->chunk) {
        int n = w->sources - c < t->chunk ? w->sources - c : t->chunk;
        for (int i = 0; i < n && !w->packed; i++)
            pack_channel(w->source, t, w->at, c + i, w->memory + (size_t)i * t->channel);
        correlation op = {.channel = t->channel,
                          .channels = n,
                          .taps = w->taps,
                          .weight = w->weight + (size_t)c * (size_t)w->taps->count * RP_COUT,
                          .results = w->results,
                          .first = w->first && c == 0};
        for (int z = 0; z < w->at->depth; z++)
            correlate_run(&op, w->memory + (size_t)z * t->plane, used, w->acc + (size_t)z * t->flat,
                          acc_stride);
    }
}

static void pack_points(const tile_work *w, int first, int channels)
{
    const conv_tiling *t = w->t;
    tile_place whole = whole_tile(t, w->at);
    for (int i = 0; i < channels; i++) {
        pack_channel(w->source, t, &whole, first + i, w->memory);
        transform_channel(t, w->memory, w->memory + t->points_at + (size_t)i * t->point_channel);
    }
}

static void accumulate_points(const tile_work *w)
{
    static const tap_list along_x = {.count = 3, .offset = {0, 1, 2}};
    const conv_tiling *t = w->t;
    float *products = w->memory + t->products_at;
    size_t used = (size_t)(t->rows / WINO - 1) * (size_t)t->pitch + (size_t)t->width;
    correlation op = {
        .channel = t->point_channel, .taps = &along_x, .weight = w->weight, .results = w->results};
    for (int c = 0; c < w->sources; c += t->chunk) {
        op.channels = w->sources - c < t->chunk ? w->sources - c : t->chunk;
        op.first = c == 0;
        if (!w->packed) pack_points(w, c, op.channels);
        for (size_t p = 0; p < POINTS; p++, op.weight += (size_t)op.channels * 3 * RP_COUT)
            correlate_run(&op, w->memory + t->points_at + p * t->point_stride, used,
                          products + p * t->product_stride, t->product_run);
    }
    for (size_t r = 0; r < (size_t)w->results; r++)
        inverse_transform(t, products + r * t->product_run,
                          w->acc + r * (size_t)t->depth * t->flat);
}

static void accumulate(const tile_work *w)
{
    if (w->t->wino)
        accumulate_points(w);
    else
        accumulate_taps(w);
}
