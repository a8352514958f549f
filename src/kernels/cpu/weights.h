/* Packing weights for the correlations: 12 results next to one another. */

/* Index of a weight in PyTorch's layout. */
static size_t weight_index(const rp_conv_shape *s, int out, int in, int tap)
{
    if (s->kind == RP_CONV_POINT) return (size_t)out * (size_t)s->in_channels + (size_t)in;
    size_t pair = s->kind == RP_CONV_UP ? (size_t)in * (size_t)s->out_channels + (size_t)out
                                        : (size_t)out * (size_t)s->in_channels + (size_t)in;
    return pair * RP_TAPS + (size_t)tap;
}

typedef struct weight_pack {
    const rp_conv_shape *shape;
    const conv_tiling *tiling;
    const float *weight;
    bool backward; /* results are the convolution's inputs */
    int results, sources;
    float *packed;
} weight_pack;

/* One tap from a source channel to the block's 12 results, zero where the block is not full. */
static void gather_results(const weight_pack *p, int block, int source, int tap, float values[])
{
    for (int r = 0; r < RP_COUT; r++) {
        int result = block * RP_COUT + r, out = p->backward ? source : result;
        values[r] = 0;
        if (result < p->results)
            values[r] = p->weight[weight_index(p->shape, out, p->backward ? result : source, tap)];
    }
}

/* [block][phase][source channel][tap][12] */
static void pack_taps(const weight_pack *p)
{
    float *packed = p->packed;
    for (int block = 0; block < rp_ceil_div(p->results, RP_COUT); block++)
        for (int phase = 0; phase < phase_count(p->shape->kind); phase++) {
            tap_list taps = list_taps(p->shape->kind, p->tiling, phase, p->backward);
            for (int c = 0; c < p->sources; c++)
                for (int k = 0; k < taps.count; k++, packed += RP_COUT)
                    gather_results(p, block, c, taps.weight[k], packed);
        }
}

/* One source channel of one block, G w G^T along z and y:
 * [block][chunk of sources][point][source in chunk][tap along x][12] */
static void pack_points_task(void *context, size_t task, int worker)
{
    (void)worker;
    const weight_pack *p = context;
    int block = (int)(task / (size_t)p->sources), source = (int)(task % (size_t)p->sources);
    int chunk = source / RP_CHUNK * RP_CHUNK;
    int channels = p->sources - chunk < RP_CHUNK ? p->sources - chunk : RP_CHUNK;
    float *to =
        p->packed + ((size_t)block * (size_t)p->sources + (size_t)chunk) * RP_PACKED_TAPS * RP_COUT;
    float g[POINTS_1D][3], taps[9][RP_COUT];
    weight_matrix(g);
    for (int x = 0; x < 3; x++) {
        for (int k = 0; k < 9; k++) {
            int tap = 3 * k + x;
            gather_results(p, block, source, p->backward ? RP_TAPS - 1 - tap : tap, taps[k]);
        }
        for (int i = 0; i < POINTS; i++) {
            size_t at = ((size_t)i * (size_t)channels + (size_t)(source - chunk)) * 3 + (size_t)x;
            for (int r = 0; r < RP_COUT; r++) {
                float sum = 0;
                for (int k = 0; k < 9; k++)
                    sum += g[i / POINTS_1D][k / 3] * g[i % POINTS_1D][k % 3] * taps[k][r];
                to[at * RP_COUT + (size_t)r] = sum;
            }
        }
    }
}

static void pack_weights(const rp_conv_shape *s, const conv_tiling *t, const float *weight,
                         bool backward, float *packed)
{
    weight_pack p = {.shape = s,
                     .tiling = t,
                     .weight = weight,
                     .backward = backward,
                     .results = backward ? s->in_channels : s->out_channels,
                     .sources = backward ? s->out_channels : s->in_channels,
                     .packed = packed};
    if (t->wino)
        rp_parallel_for((size_t)rp_ceil_div(p.results, RP_COUT) * (size_t)p.sources,
                        pack_points_task, &p);
    else
        pack_taps(&p);
}

/* Floats of one block and phase of the packed weights. */
static size_t packed_block(const conv_tiling *t, const tap_list *taps, int sources)
{
    return (size_t)sources * RP_COUT * (size_t)(t->wino ? RP_PACKED_TAPS : taps->count);
}

/* Where a block and phase lies: the phases of a transposed convolution have 27 taps together. */
static size_t packed_place(const conv_tiling *t, const tap_list *taps, rp_conv_kind kind,
                           int sources, int block, int phase)
{
    if (kind != RP_CONV_UP) return (size_t)block * packed_block(t, taps, sources);
    size_t before = (size_t)block * RP_TAPS;
    for (int i = 0; i < phase; i++) before += (size_t)list_taps(kind, t, i, false).count;
    return before * (size_t)sources * RP_COUT;
}
