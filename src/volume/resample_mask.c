/* A mask on another grid, part by part, so that none of them grows, shrinks or takes from another.
 *
 * The indicator of a part is interpolated linearly and averaged over target voxels that are larger
 * than the source's. A threshold of a half on that loses volume wherever a surface is curved (6% of
 * a sphere of 8 mm at a shift of 0.3 voxels of 1.5 x 1.5 x 3 mm), and where grids lie half a voxel
 * apart all of a surface's voxels are exactly a half: all of them inside made 28% of that sphere,
 * none lost as much. So the voxels come in from the highest value down until the part has its
 * volume; of equal ones those first that have more of the part round them. Nothing of this knows
 * the order in which a file stores its axes. */
#include "mapping.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The same grid, but for what a file's rounding leaves. */
static const double SAME_GRID_MM = 1e-3;
/* Steps between outside and inside: far more than rounding makes, and a power of two, so that what
 * is equal falls into the middle of a step. */
enum { LEVELS = 4096, MUST = 3 * LEVELS / 4, MAY = LEVELS / 4 };
/* Samples along each axis of a target voxel, at most. */
enum { MOST_SAMPLES = 8 };

typedef struct box {
    int low[3], high[3]; /* inclusive */
} box;

/* One part on its way. */
typedef struct part {
    const rp_labels *labels; /* of the source, cut out round the mask */
    int32_t label;
    const rp_grid *target;
    rp_mapping map;            /* source index of a target voxel */
    box region;                /* of the target: what may be inside */
    const double (*sample)[3]; /* offsets in the source's index */
    size_t sample_count;
    uint16_t *level; /* of the region's voxels */
} part;

/* ---- the indicator ----------------------------------------------------------------------- */

static inline int split(double position, int size, double *fraction)
{
    const double last = size - 1;
    double clamped = position > 0 ? position : 0;
    if (clamped > last) clamped = last;
    const int whole = (int)clamped;
    *fraction = clamped - whole;
    return whole;
}

/* 0 to 1 at a position of the source; outside it 0. */
static double indicator(const part *p, const double at[3])
{
    if (!rp_mapping_within(&p->map, at)) return 0;
    const int *size = p->labels->grid.size;
    const size_t nx = (size_t)size[0], step[3] = {1, nx, nx * (size_t)size[1]};
    double f[3], sum = 0;
    size_t base = 0, further[3];
    int inside = 0;
    for (int a = 0; a < 3; a++) {
        base += step[a] * (size_t)split(at[a], size[a], &f[a]);
        further[a] = f[a] > 0 ? step[a] : 0;
    }
    for (int corner = 0; corner < 8; corner++) {
        size_t voxel = base;
        double weight = 1;
        for (int a = 0; a < 3; a++) {
            voxel += corner >> a & 1 ? further[a] : 0;
            weight *= corner >> a & 1 ? f[a] : 1 - f[a];
        }
        if (p->labels->data[voxel] != p->label) continue;
        inside++;
        sum += weight;
    }
    return inside == 8 ? 1 : sum;
}

static int level_of(double value)
{
    return (int)lround(value * LEVELS);
}

static int level_at(const part *p, const double at[3])
{
    double sum = 0;
    for (size_t i = 0; i < p->sample_count; i++) {
        double moved[3];
        for (int b = 0; b < 3; b++) moved[b] = at[b] + p->sample[i][b];
        sum += indicator(p, moved);
    }
    return level_of(sum / (double)p->sample_count);
}

static void level_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const part *p = context;
    const box *r = &p->region;
    const size_t nx = (size_t)(r->high[0] - r->low[0] + 1),
                 ny = (size_t)(r->high[1] - r->low[1] + 1);
    uint16_t *out = p->level + z * nx * ny;
    for (int y = r->low[1]; y <= r->high[1]; y++)
        for (int x = r->low[0]; x <= r->high[0]; x++) {
            double at[3];
            rp_mapping_at(&p->map, (const double[3]){x, y, r->low[2] + (int)z}, at);
            *out++ = (uint16_t)level_at(p, at);
        }
}

/* Where a target voxel is larger than the source's, as many samples as it spans. */
static size_t make_samples(const rp_mapping *map, double (*out)[3])
{
    int count[3];
    size_t total = 0;
    for (int a = 0; a < 3; a++) {
        const double *s = map->step[a], span = sqrt(s[0] * s[0] + s[1] * s[1] + s[2] * s[2]);
        count[a] = span < 1.5 ? 1 : span > MOST_SAMPLES ? MOST_SAMPLES : (int)round(span);
    }
    for (int k = 0; k < count[2]; k++)
        for (int j = 0; j < count[1]; j++)
            for (int i = 0; i < count[0]; i++, total++) {
                const double share[3] = {(i + 0.5) / count[0] - 0.5, (j + 0.5) / count[1] - 0.5,
                                         (k + 0.5) / count[2] - 0.5};
                for (int b = 0; b < 3; b++)
                    out[total][b] = share[0] * map->step[0][b] + share[1] * map->step[1][b] +
                                    share[2] * map->step[2][b];
            }
    return total;
}

/* ---- how much of a part has to arrive ---------------------------------------------------- */

/* Eighths of a source voxel that lie within the target. */
static int eighths_within(const rp_mapping *back, const int voxel[3])
{
    int within = 0;
    for (int corner = 0; corner < 8; corner++) {
        double at[3], index[3];
        for (int a = 0; a < 3; a++) index[a] = voxel[a] + (corner >> a & 1 ? 0.25 : -0.25);
        rp_mapping_at(back, index, at);
        within += rp_mapping_within(back, at);
    }
    return within;
}

/* In target voxels. */
static double volume_wanted(const part *p, const box *own, size_t voxels)
{
    const rp_grid *g = &p->labels->grid;
    const rp_mapping back = rp_mapping_make(p->target, g);
    const double share = rp_grid_voxel_mm3(g) / rp_grid_voxel_mm3(p->target);
    bool cut = false;
    for (int corner = 0; corner < 8; corner++) {
        int voxel[3];
        for (int a = 0; a < 3; a++) voxel[a] = corner >> a & 1 ? own->high[a] : own->low[a];
        cut |= eighths_within(&back, voxel) < 8;
    }
    if (!cut) return share * (double)voxels;
    size_t eighths = 0;
    for (int z = own->low[2]; z <= own->high[2]; z++)
        for (int y = own->low[1]; y <= own->high[1]; y++)
            for (int x = own->low[0]; x <= own->high[0]; x++)
                if (p->labels->data[rp_grid_index(g, x, y, z)] == p->label)
                    eighths += (size_t)eighths_within(&back, (const int[3]){x, y, z});
    return share * (double)eighths / 8;
}

/* ---- equal voxels ------------------------------------------------------------------------ */

/* Of those that the level cannot tell apart, first comes what has more of the part round it, then
 * what has the part in front of it, then what lies hindmost, along a direction of the patient that
 * no axis or diagonal of a grid has. Of a part that is a single slice halfway between two others
 * nothing stands out of its two faces: what has it in front comes first there, so that it stays one
 * slice as wide as it was. */
static const double ahead_lps[3] = {1, 0.7548776662, 0.5698402910};

typedef struct equal {
    size_t index;
    int first, second;
    double place_mm;
} equal;

static int compare_equal(const void *a, const void *b)
{
    const equal *one = a, *other = b;
    if (one->first != other->first) return one->first > other->first ? -1 : 1;
    if (one->second != other->second) return one->second > other->second ? -1 : 1;
    if (one->place_mm != other->place_mm) return one->place_mm < other->place_mm ? -1 : 1;
    return one->index < other->index ? -1 : one->index > other->index;
}

static double around(const part *p, const double at[3])
{
    double sum = 0;
    for (int k = -1; k <= 1; k++)
        for (int j = -1; j <= 1; j++)
            for (int i = -1; i <= 1; i++) {
                const double moved[3] = {at[0] + i, at[1] + j, at[2] + k};
                sum += indicator(p, moved) / (double)(8 << (abs(i) + abs(j) + abs(k)));
            }
    return sum;
}

/* Whether the part lies in front: how its indicator rises along those axes of the source on which
 * the position lies between voxels. */
static double rise(const part *p, const double at[3])
{
    const rp_grid *source = &p->labels->grid;
    double sum = 0;
    for (int a = 0; a < 3; a++) {
        const double between = fabs(at[a] - round(at[a]));
        double along = 0, next[3], before[3];
        for (int b = 0; b < 3; b++) {
            along += source->direction[b][a] * ahead_lps[b];
            next[b] = at[b] + (b == a ? 0.25 : 0);
            before[b] = at[b] - (b == a ? 0.25 : 0);
        }
        sum += (along < 0 ? -2 : 2) * between * (indicator(p, next) - indicator(p, before));
    }
    return sum;
}

static equal describe(const part *p, const int voxel[3], bool faces)
{
    const double here[3] = {voxel[0], voxel[1], voxel[2]};
    equal e = {.index = rp_grid_index(p->target, voxel[0], voxel[1], voxel[2])};
    double at[3], world[3];
    rp_mapping_at(&p->map, here, at);
    rp_grid_to_world(p->target, here, world);
    for (int r = 0; r < 3; r++) e.place_mm += world[r] * ahead_lps[r];
    const int surroundings = level_of(around(p, at)), ahead = level_of(rise(p, at));
    e.first = faces ? ahead : surroundings;
    e.second = faces ? surroundings : ahead;
    return e;
}

/* ---- choosing ---------------------------------------------------------------------------- */

static size_t region_voxels(const box *r)
{
    size_t product = 1;
    for (int a = 0; a < 3; a++) product *= (size_t)(r->high[a] - r->low[a] + 1);
    return product;
}

static void voxel_of(const box *r, size_t i, int voxel[3])
{
    for (int a = 0; a < 3; a++) {
        const size_t side = (size_t)(r->high[a] - r->low[a] + 1);
        voxel[a] = r->low[a] + (int)(i % side);
        i /= side;
    }
}

/* Takes `wanted` of the voxels of that level. */
static rp_status take_equal(const part *p, int level, size_t count, size_t wanted, rp_mask *out,
                            rp_error *err)
{
    const size_t voxels = region_voxels(&p->region);
    size_t found = 0;
    bool faces = true;
    for (size_t i = 0; i < voxels; i++) faces &= p->level[i] <= level;
    RP_AUTOFREE equal *list = rp_alloc(count, sizeof *list);
    if (!list) return rp_fail(err, RP_ERR_MEMORY, "resampling a mask: out of memory");
    for (size_t i = 0; i < voxels; i++) {
        int voxel[3];
        if (p->level[i] != level) continue;
        voxel_of(&p->region, i, voxel);
        list[found++] = describe(p, voxel, faces);
    }
    qsort(list, found, sizeof *list, compare_equal);
    for (size_t k = 0; k < wanted; k++) out->data[list[k].index] = 1;
    return RP_OK;
}

static rp_status choose(const part *p, double volume, rp_mask *out, rp_error *err)
{
    size_t histogram[LEVELS + 1] = {0}, taken = 0;
    const size_t voxels = region_voxels(&p->region), wanted = (size_t)llround(volume);
    for (size_t i = 0; i < voxels; i++) histogram[p->level[i]]++;
    int level = LEVELS;
    for (; level >= MAY; level--) {
        if (level <= MUST && taken + histogram[level] > wanted) break;
        taken += histogram[level];
    }
    for (size_t i = 0; i < voxels; i++) {
        int voxel[3];
        if (p->level[i] <= level) continue;
        voxel_of(&p->region, i, voxel);
        out->data[rp_grid_index(p->target, voxel[0], voxel[1], voxel[2])] = 1;
    }
    if (level < MAY || taken >= wanted) return RP_OK;
    return take_equal(p, level, histogram[level], wanted - taken, out, err);
}

/* What of the target a part may reach: its box and a voxel of either grid. False: nothing. */
static bool find_region(part *p, const box *own)
{
    const rp_mapping back = rp_mapping_make(p->target, &p->labels->grid);
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 8; corner++) {
        double at[3], index[3];
        for (int a = 0; a < 3; a++) index[a] = corner >> a & 1 ? own->high[a] + 1 : own->low[a] - 1;
        rp_mapping_at(&back, index, at);
        for (int a = 0; a < 3; a++) {
            low[a] = fmin(low[a], at[a]);
            high[a] = fmax(high[a], at[a]);
        }
    }
    for (int a = 0; a < 3; a++) {
        const double last = p->target->size[a] - 1;
        if (high[a] + 1 < 0 || low[a] - 1 > last) return false;
        p->region.low[a] = (int)fmax(0, floor(low[a] - 1));
        p->region.high[a] = (int)fmin(last, ceil(high[a] + 1));
    }
    return true;
}

static rp_status move_part(part *p, const box *own, size_t voxels, rp_mask *out, rp_error *err)
{
    const size_t serial = 4096; /* voxels that are not worth waking threads */
    if (!find_region(p, own)) return RP_OK;
    const size_t all = region_voxels(&p->region);
    const size_t slices = (size_t)(p->region.high[2] - p->region.low[2] + 1);
    RP_AUTOFREE uint16_t *level = rp_alloc(all, sizeof *level);
    if (!level) return rp_fail(err, RP_ERR_MEMORY, "resampling a mask: out of memory");
    p->level = level;
    if (all > serial)
        rp_parallel_for(slices, level_slice, p);
    else
        for (size_t z = 0; z < slices; z++) level_slice(p, z, 0);
    return choose(p, volume_wanted(p, own, voxels), out, err);
}

/* ---- all parts --------------------------------------------------------------------------- */

/* What is round the mask, and a voxel more of what is outside, also beyond the grid's own border:
 * there a part ends as it does anywhere else. */
static rp_status cut_out(const rp_mask *mask, const box *bounds, rp_mask *out, rp_error *err)
{
    rp_grid grid = mask->grid;
    const int *low = bounds->low;
    for (int a = 0; a < 3; a++) grid.size[a] = bounds->high[a] - low[a] + 3;
    rp_grid_to_world(&mask->grid, (const double[3]){low[0] - 1, low[1] - 1, low[2] - 1},
                     grid.origin);
    rp_status status = rp_mask_init(out, &grid, err);
    if (status) return status;
    for (int z = 1; z + 1 < grid.size[2]; z++)
        for (int y = 1; y + 1 < grid.size[1]; y++)
            memcpy(out->data + rp_grid_index(&grid, 1, y, z),
                   mask->data + rp_grid_index(&mask->grid, low[0], low[1] + y - 1, low[2] + z - 1),
                   (size_t)(grid.size[0] - 2));
    return RP_OK;
}

static void find_boxes(const rp_labels *labels, int32_t count, box *boxes)
{
    const int *size = labels->grid.size;
    size_t i = 0;
    for (int32_t k = 0; k < count; k++) boxes[k] = (box){{size[0], size[1], size[2]}, {-1, -1, -1}};
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[0]; x++, i++) {
                if (!labels->data[i]) continue;
                box *b = &boxes[labels->data[i] - 1];
                const int at[3] = {x, y, z};
                for (int a = 0; a < 3; a++) {
                    if (at[a] < b->low[a]) b->low[a] = at[a];
                    if (at[a] > b->high[a]) b->high[a] = at[a];
                }
            }
}

static rp_status move_parts(const rp_labels *labels, const size_t *sizes, int32_t count,
                            rp_mask *out, rp_error *err)
{
    double samples[MOST_SAMPLES * MOST_SAMPLES * MOST_SAMPLES][3];
    RP_AUTOFREE box *boxes = rp_alloc((size_t)count, sizeof *boxes);
    if (!boxes) return rp_fail(err, RP_ERR_MEMORY, "resampling a mask: out of memory");
    find_boxes(labels, count, boxes);
    part p = {.labels = labels,
              .target = &out->grid,
              .map = rp_mapping_make(&labels->grid, &out->grid),
              .sample = (const double(*)[3])samples};
    p.sample_count = make_samples(&p.map, samples);
    rp_status status = RP_OK;
    for (int32_t k = 0; !status && k < count; k++) {
        p.label = k + 1;
        status = move_part(&p, &boxes[k], sizes[k], out, err);
    }
    return status;
}

static rp_status move(const rp_mask *mask, rp_mask *out, rp_error *err)
{
    rp_mask near = {0};
    rp_labels labels = {0};
    size_t *sizes = NULL;
    int32_t count = 0;
    box bounds;
    if (!rp_mask_bounds(mask, bounds.low, bounds.high)) return RP_OK;
    rp_status status = cut_out(mask, &bounds, &near, err);
    if (!status) status = rp_mask_components(&near, 26, &labels, &count, &sizes, err);
    rp_mask_release(&near);
    if (!status) status = move_parts(&labels, sizes, count, out, err);
    rp_labels_release(&labels);
    rp_free(sizes);
    return status;
}

size_t rp_mask_count_outside(const rp_mask *mask, const rp_grid *grid)
{
    const rp_mapping map = rp_mapping_make(grid, &mask->grid);
    const int *size = mask->grid.size;
    size_t outside = 0, i = 0;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[0]; x++, i++) {
                double at[3];
                if (!mask->data[i]) continue;
                rp_mapping_at(&map, (const double[3]){x, y, z}, at);
                outside += !rp_mapping_within(&map, at);
            }
    return outside;
}

rp_status rp_mask_resample(const rp_mask *mask, const rp_grid *target, rp_mask *out, rp_error *err)
{
    const rp_grid stored = *target;
    *out = (rp_mask){0};
    rp_status status = rp_grid_check(&stored, err);
    if (status) return status;
    if (rp_grid_same(&mask->grid, &stored, SAME_GRID_MM)) {
        status = rp_mask_copy(mask, out, err);
        out->grid = stored;
        return status;
    }
    /* In canonical order, so that not even rounding depends on the file's. */
    const rp_grid grid = rp_grid_canonical(&stored);
    const rp_mask *from;
    rp_mask made;
    status = rp_mask_canonical(mask, &made, &from, err);
    if (!status) status = rp_mask_init(out, &grid, err);
    if (!status) status = move(from, out, err);
    if (!status) status = rp_mask_restore(out, &stored, err);
    if (status) rp_mask_release(out);
    rp_mask_release(&made);
    return status;
}
