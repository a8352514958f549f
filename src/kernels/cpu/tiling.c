/* Cutting a convolution into tiles, and the scratch memory that follows from it. */
#include "tables.h"

static size_t round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}

/* Tile whose packed plane holds about `floats` and which is `depth` slices thick, thinner where
 * that would leave fewer than eight tiles to share among threads. */
static conv_tiling tile(rp_conv_kind kind, const int size[3], int floats, int depth)
{
    conv_tiling t = {.low = kind == RP_CONV_SAME, .high = kind != RP_CONV_POINT};
    t.pitch = size[0] + t.low + t.high;
    t.rows = floats / t.pitch;
    if (t.rows < 1) t.rows = 1;
    if (t.rows > size[1]) t.rows = size[1];
    t.depth = depth < size[2] ? depth : size[2];
    t.tiles_y = rp_ceil_div(size[1], t.rows);
    while (t.depth > 1 && t.tiles_y * rp_ceil_div(size[2], t.depth) < 8) t.depth--;
    t.rows = rp_ceil_div(size[1], t.tiles_y); /* even out the last tile */
    t.tiles_z = rp_ceil_div(size[2], t.depth);
    t.flat = round_up((size_t)t.rows * (size_t)t.pitch, 96); /* steps of 32 and of 24 end in it */
    t.plane = (size_t)(t.rows + t.low + t.high) * (size_t)t.pitch;
    /* Slack for the loads of the last block, which may run past the tile's end. */
    t.channel = round_up(t.plane * (size_t)(t.depth + t.low + t.high) + 16, 16);
    return t;
}

conv_tiling rp_conv_tiling(rp_conv_kind kind, const int size[3])
{
    return tile(kind, size, 1300, 4);
}

conv_tiling rp_conv_weight_tiling(rp_conv_kind kind, const int size[3])
{
    return tile(kind, size, 600, 2);
}

int rp_conv_weight_slabs(const conv_tiling *tiling)
{
    int tiles = tiling->tiles_z * tiling->tiles_y;
    return tiles < 4 ? tiles : 4;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t correlate_floats(rp_conv_kind kind, const int size[3])
{
    conv_tiling t = rp_conv_tiling(kind, size);
    return RP_CHUNK * t.channel + 256 + (size_t)RP_COUT * (size_t)t.depth * t.flat;
}

size_t rp_conv_worker_floats(const rp_conv_shape *shape)
{
    conv_tiling w = rp_conv_weight_tiling(shape->kind, shape->size);
    size_t gradient = (size_t)w.depth * (size_t)w.rows * (size_t)w.pitch * RP_COUT;
    size_t weights = RP_MAX_LANES * w.channel + gradient;
    /* The data gradient of RP_CONV_UP correlates with a halo on the low side instead. */
    return round_up(larger(correlate_floats(shape->kind, shape->size), weights) + 64, 64);
}

size_t rp_conv_packed_floats(const rp_conv_shape *shape)
{
    size_t taps = shape->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    size_t in = (size_t)rp_ceil_div(shape->in_channels, RP_MAX_LANES) * RP_MAX_LANES;
    size_t in_blocks = (size_t)rp_ceil_div(shape->in_channels, RP_COUT);
    size_t out_blocks = (size_t)rp_ceil_div(shape->out_channels, RP_COUT);
    size_t forward = out_blocks * RP_COUT * (size_t)shape->in_channels * taps;
    size_t backward = in_blocks * RP_COUT * (size_t)shape->out_channels * taps;
    conv_tiling t = rp_conv_tiling(shape->kind, shape->size);
    size_t sums = 4 * (size_t)t.tiles_z * (size_t)t.tiles_y * in_blocks * RP_COUT; /* doubles */
    conv_tiling w = rp_conv_weight_tiling(shape->kind, shape->size);
    /* 24-lane tables need as many blocks of lanes as a third more. */
    size_t lanes = larger(in, (size_t)rp_ceil_div(shape->in_channels, 24) * 24);
    size_t partials = (size_t)rp_conv_weight_slabs(&w) * out_blocks * RP_COUT * lanes * taps;
    return round_up(larger(larger(forward, backward) + sums, partials) + 64, 64);
}

size_t rp_conv_workspace_bytes(const rp_conv_shape *shape, int workers)
{
    size_t floats = rp_conv_worker_floats(shape) * (size_t)workers + rp_conv_packed_floats(shape);
    return floats * sizeof(float);
}
