/* Packing tiles: rows of the volume with their halo, normalised and rectified on the way. */

/* What a tile is packed from. With step 2 only the voxels of one phase are taken. */
typedef struct tile_source {
    const float *data;
    size_t channel_stride;
    int size[3]; /* extents as the tile sees them */
    int step, phase;
    const float *scale, *shift;
    int low, high; /* halo */
} tile_source;

typedef struct tile_place {
    int x, y, z;            /* first output voxel */
    int width, rows, depth; /* output voxels, those outside the volume along y included */
} tile_place;

static const float *source_row(const tile_source *s, int channel, int z, int y)
{
    int sz = s->step * z + (s->phase >> 2 & 1) * (s->step - 1);
    int sy = s->step * y + (s->phase >> 1 & 1) * (s->step - 1);
    size_t row = (size_t)sz * (size_t)(s->size[1] * s->step) + (size_t)sy;
    return s->data + (size_t)channel * s->channel_stride + row * (size_t)(s->size[0] * s->step) +
           (s->phase & 1) * (s->step - 1);
}

static void copy_row(const tile_source *s, int channel, const float *from, int width, float *to)
{
    int x = 0;
    if (s->step == 2) {
        for (; x < width; x++) to[x] = from[2 * x];
    } else if (!s->scale) {
        memcpy(to, from, (size_t)width * sizeof *to);
    } else {
        float scale = s->scale[channel], shift = s->shift[channel];
        for (; x + VL <= width; x += VL) {
            vec v = load(from + x) * scale + shift;
            __builtin_prefetch(from + x + s->channel_stride, 0, 2);
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

/* The voxels from..to-1 of a row that a tile sees, its halo included. */
static void row_range(const tile_source *s, const tile_place *at, int *from, int *to)
{
    *from = at->x - s->low > 0 ? at->x - s->low : 0;
    *to = at->x + at->width + s->high < s->size[0] ? at->x + at->width + s->high : s->size[0];
}

/* One channel of a tile, zero outside the volume. */
static void pack_channel(const tile_source *s, const conv_tiling *t, const tile_place *at,
                         int channel, float *tile)
{
    int halo = t->low + t->high, from, to;
    row_range(s, at, &from, &to);
    int before = from - (at->x - s->low);
    for (int z = 0; z < at->depth + halo; z++)
        for (int y = 0; y < at->rows + halo; y++, tile += t->pitch) {
            int sz = at->z + z - s->low, sy = at->y + y - s->low;
            if (!row_inside(s, sz, sy)) {
                memset(tile, 0, (size_t)t->pitch * sizeof *tile);
                continue;
            }
            if (before) tile[0] = 0;
            copy_row(s, channel, source_row(s, channel, sz, sy) + s->step * from, to - from,
                     tile + before);
            for (int x = before + to - from; x < t->pitch; x++) tile[x] = 0;
        }
}

static tile_place place_tile(const conv_tiling *t, const int size[3], size_t task)
{
    tile_place p;
    p.x = (int)(task % (size_t)t->tiles_x) * t->width;
    task /= (size_t)t->tiles_x;
    p.y = (int)(task % (size_t)t->tiles_y) * t->rows;
    p.z = (int)(task / (size_t)t->tiles_y) * t->depth;
    p.width = size[0] - p.x < t->width ? size[0] - p.x : t->width;
    p.rows = t->rows;
    p.depth = size[2] - p.z < t->depth ? size[2] - p.z : t->depth;
    return p;
}

/* A block of the wished size along every axis: Winograd's tiles are whole even at the border. */
static tile_place whole_tile(const conv_tiling *t, const tile_place *at)
{
    tile_place p = *at;
    p.depth = t->depth;
    return p;
}
