/* Cutting a convolution into tiles, and the scratch memory that follows from it. */
#include "tables.h"

/* What loads and stores of the last block may run past a tile's end. */
enum { SLACK = 64 };

static size_t round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Tile of at most `width` voxels along x, whose packed plane holds about `floats` and which is
 * `depth` slices thick, thinner where that would leave fewer than eight tiles to share among
 * threads. */
static conv_tiling tile(rp_conv_kind kind, const int size[3], int width, int floats, int depth)
{
    conv_tiling t = {.low = kind == RP_CONV_SAME, .high = kind != RP_CONV_POINT};
    t.width = size[0] < width ? size[0] : width;
    t.tiles_x = rp_ceil_div(size[0], t.width);
    t.pitch = t.width + t.low + t.high;
    t.rows = floats / t.pitch;
    if (t.rows < 1) t.rows = 1;
    if (t.rows > size[1]) t.rows = size[1];
    t.depth = depth < size[2] ? depth : size[2];
    t.tiles_y = rp_ceil_div(size[1], t.rows);
    while (t.depth > 1 && (double)t.tiles_x * t.tiles_y * rp_ceil_div(size[2], t.depth) < 8)
        t.depth--;
    t.rows = rp_ceil_div(size[1], t.tiles_y); /* even out the last tile */
    t.tiles_z = rp_ceil_div(size[2], t.depth);
    t.acc_pitch = t.pitch;
    t.flat = round_up((size_t)t.rows * (size_t)t.pitch, 96); /* steps of 32 and of 24 end in it */
    t.plane = (size_t)(t.rows + t.low + t.high) * (size_t)t.pitch;
    /* Slack for the loads of the last block, which may run past the tile's end. */
    t.channel = round_up(t.plane * (size_t)(t.depth + t.low + t.high) + 32, 16);
    return t;
}

/* Winograd's tile: four slices, strips of at most `width`, and as many times four rows as bring a
 * run of positions to about `run`. */
static conv_tiling wino_tile(const int size[3], int width, int run)
{
    conv_tiling t = {.wino = true, .low = 1, .high = 1, .depth = RP_WINO};
    t.tiles_x = rp_ceil_div(size[0], width);
    t.width = (int)round_up((size_t)rp_ceil_div(size[0], t.tiles_x), t.tiles_x > 1 ? 16 : 1);
    t.tiles_x = rp_ceil_div(size[0], t.width);
    t.pitch = t.width + 2;
    t.tiles_z = rp_ceil_div(size[2], RP_WINO);
    int all = rp_ceil_div(size[1], RP_WINO), rows = run / t.pitch;
    if (rows < 1) rows = 1;
    while (rows > 1 && (double)t.tiles_z * t.tiles_x * rp_ceil_div(all, rows) < 8) rows--;
    t.tiles_y = rp_ceil_div(all, rows);
    rows = rp_ceil_div(all, t.tiles_y);
    t.rows = RP_WINO * rows;
    t.plane = (size_t)(t.rows + 2) * (size_t)t.pitch;
    t.channel = round_up(t.plane * (RP_WINO + 2) + SLACK, 16);
    /* Powers of two between points would meet in one set of the cache. */
    t.point_channel = round_up((size_t)rows * (size_t)t.pitch + SLACK, 16);
    t.point_stride = RP_CHUNK * t.point_channel + 16;
    t.product_run = round_up((size_t)rows * (size_t)t.pitch, 96);
    t.product_stride = RP_COUT * t.product_run + 16;
    t.acc_pitch = (int)round_up((size_t)t.width, 16);
    t.flat = (size_t)t.rows * (size_t)t.acc_pitch;
    return t;
}

/* Winograd's tiles are whole and its weights four times as many: worth it where the volume fills
 * enough of the tiles, and where the points of a source serve for twelve results. The bounds are
 * measured. */
static bool wino_pays(rp_conv_kind kind, const int size[3], int sources)
{
    if (kind != RP_CONV_SAME || sources < 8) return false;
    double outputs = (double)size[1] * size[2];
    double tiles = (double)rp_ceil_div(size[1], RP_WINO) * rp_ceil_div(size[2], RP_WINO);
    return outputs * size[0] >= 2048 && 9 * outputs > 1.3 * RP_WINO_POINTS * tiles;
}

/* Where a source serves for several blocks of results or phases, all sources are packed at once: a
 * tile of them stays in the second cache. */
static conv_tiling narrow_tile(rp_conv_kind kind, const int size[3], int sources)
{
    enum { CACHED = 65536 };
    int voxels = CACHED / sources;
    if (kind == RP_CONV_POINT) {
        int width = voxels < 128 ? 128 : voxels > 1024 ? 1024 : voxels / 32 * 32;
        return tile(kind, size, width, width, 1);
    }
    int plane = voxels / 3; /* a halo and two slices */
    return tile(kind, size, 512, plane < 64 ? 64 : plane > 1300 ? 1300 : plane, 2);
}

conv_tiling rp_conv_tiling(rp_conv_kind kind, const int size[3], int sources, int results)
{
    bool wino = wino_pays(kind, size, sources);
    conv_tiling t = wino                   ? wino_tile(size, 128, 128)
                    : kind == RP_CONV_SAME ? tile(kind, size, 512, 1300, 4)
                                           : narrow_tile(kind, size, sources);
    t.chunk = kind == RP_CONV_SAME ? RP_CHUNK : sources;
    if (wino) {
        t.points_at = t.channel;
        t.products_at = t.points_at + RP_WINO_POINTS * t.point_stride;
        t.acc_at = t.products_at + RP_WINO_POINTS * t.product_stride;
    } else {
        t.acc_at = (size_t)t.chunk * t.channel + 256;
    }
    t.acc_block = (size_t)RP_COUT * (size_t)t.depth * t.flat;
    size_t blocks = kind == RP_CONV_UP ? (size_t)rp_ceil_div(results, RP_COUT) : 1;
    t.floats = t.acc_at + blocks * t.acc_block + SLACK;
    return t;
}

conv_tiling rp_conv_weight_tiling(rp_conv_kind kind, const int size[3])
{
    bool wino = wino_pays(kind, size, 16);
    conv_tiling t = wino ? wino_tile(size, 96, 98) : tile(kind, size, 512, 600, 2);
    if (wino) {
        t.points_at = t.channel;
        t.lanes_at = t.points_at + RP_WINO_POINTS * t.point_stride;
        t.lane_stride = ((size_t)t.rows / RP_WINO * (size_t)t.pitch + 2) * RP_MAX_LANES + 16;
        t.products_at = t.lanes_at + RP_WINO_POINTS * t.lane_stride;
        t.floats = t.products_at + RP_WINO_POINTS * RP_COUT * RP_RUN + SLACK;
    } else {
        t.products_at = RP_MAX_LANES * t.channel;
        t.floats = t.products_at + RP_COUT * RP_GRADIENT_RUN + SLACK;
    }
    return t;
}

int rp_conv_weight_slabs(const conv_tiling *tiling)
{
    size_t tiles = rp_tile_count(tiling);
    return tiles < 4 ? (int)tiles : 4;
}

size_t rp_conv_worker_floats(const rp_conv_shape *shape)
{
    rp_conv_shape s = rp_conv_flatten(*shape);
    conv_tiling forward = rp_conv_tiling(s.kind, s.size, s.in_channels, s.out_channels);
    conv_tiling data = rp_conv_tiling(s.kind, s.size, s.out_channels, s.in_channels);
    conv_tiling weights = rp_conv_weight_tiling(s.kind, s.size);
    return round_up(larger(larger(forward.floats, data.floats), weights.floats), 64);
}

/* Packed weights of one direction. */
static size_t packed_weights(const rp_conv_shape *s, int results, int sources)
{
    conv_tiling t = rp_conv_tiling(s->kind, s->size, sources, results);
    size_t taps = t.wino ? RP_PACKED_TAPS : s->kind == RP_CONV_POINT ? 1 : RP_TAPS;
    return (size_t)rp_ceil_div(results, RP_COUT) * RP_COUT * (size_t)sources * taps;
}

size_t rp_conv_packed_floats(const rp_conv_shape *shape)
{
    rp_conv_shape s = rp_conv_flatten(*shape);
    int in = s.in_channels, out = s.out_channels;
    size_t in_blocks = (size_t)rp_ceil_div(in, RP_COUT);
    conv_tiling data = rp_conv_tiling(s.kind, s.size, out, in);
    size_t sums = 4 * rp_tile_count(&data) * in_blocks * RP_COUT; /* doubles */
    conv_tiling w = rp_conv_weight_tiling(s.kind, s.size);
    size_t taps = w.wino ? RP_PACKED_TAPS : s.kind == RP_CONV_POINT ? 1 : RP_TAPS;
    /* 24-lane tables need as many blocks of lanes as a third more. */
    size_t lanes = larger((size_t)rp_ceil_div(in, RP_MAX_LANES) * RP_MAX_LANES,
                          (size_t)rp_ceil_div(in, 24) * 24);
    size_t partials = (size_t)rp_conv_weight_slabs(&w) * (size_t)rp_ceil_div(out, RP_COUT) *
                      RP_COUT * lanes * taps;
    size_t forward = packed_weights(&s, out, in), backward = packed_weights(&s, in, out);
    return round_up(larger(larger(forward, backward + sums), partials) + 64, 64);
}

size_t rp_conv_workspace_bytes(const rp_conv_shape *shape, int workers)
{
    size_t floats = rp_conv_worker_floats(shape) * (size_t)workers + rp_conv_packed_floats(shape);
    return floats * sizeof(float);
}
