/* Texture grown from examples: blocks of tissue that fit to what is there already. */
#include "remodel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 28, MOST_CENTRES = 20000 };

typedef struct anchor {
    float order;
    int32_t at[3];
    int32_t from[3]; /* the source block's centre less the anchor; what neighbours take over */
    bool placed;
} anchor;

typedef struct quilt {
    fill_job *job;
    const int *size;
    ptrdiff_t stride[3];
    int half[3], step[3], places[3]; /* of anchors along each axis */
    uint8_t *whole;                  /* voxels round which a whole block is source */
    uint32_t *centres;               /* some of them */
    size_t centre_count;
    anchor *anchors;
    int32_t *which; /* anchor of each place of the lattice, -1: none */
    size_t anchor_count;
    float *sum, *weight; /* of what was pasted */
} quilt;

/* ---- where blocks may come from ------------------------------------------------------------ */

/* out: runs of `in` of half voxels to either side along an axis; beyond the box is no source. */
static void erode_line(const uint8_t *in, uint8_t *out, int count, ptrdiff_t stride, int half)
{
    int run = 0;
    for (int k = 0; k < count + half; k++) {
        run = k < count && in[k * stride] ? run + 1 : 0;
        if (k >= half) out[(k - half) * stride] = run > 2 * half;
    }
}

static bool erode(quilt *q)
{
    const size_t n = (size_t)q->size[0] * (size_t)q->size[1] * (size_t)q->size[2];
    uint8_t *other = rp_alloc(n, 1);
    if (!other) return false;
    for (size_t i = 0; i < n; i++) other[i] = q->job->source[i] != 0;
    uint8_t *from = other, *to = q->whole;
    for (int i = 0; i < 3; i++) {
        const int a = (i + 1) % 3, b = (i + 2) % 3;
        for (int v = 0; v < q->size[b]; v++)
            for (int u = 0; u < q->size[a]; u++) {
                const ptrdiff_t first = u * q->stride[a] + v * q->stride[b];
                erode_line(from + first, to + first, q->size[i], q->stride[i], q->half[i]);
            }
        uint8_t *swap = from;
        from = to;
        to = swap;
    }
    /* Three passes: the last wrote into q->whole, which `from` is now. */
    rp_free(other);
    return true;
}

static size_t count_whole(const quilt *q)
{
    const size_t n = (size_t)q->size[0] * (size_t)q->size[1] * (size_t)q->size[2];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += q->whole[i];
    return count;
}

/* Blocks as large as the sources allow: lesions may be thin. */
static bool find_sources(quilt *q)
{
    const size_t n = (size_t)q->size[0] * (size_t)q->size[1] * (size_t)q->size[2];
    const int first[3] = {q->half[0], q->half[1], q->half[2]};
    size_t count = 0;
    for (int part = 0; part < 3 && count < 30; part++) {
        for (int i = 0; i < 3; i++)
            q->half[i] = part == 0 ? first[i] : part == 1 ? first[i] / 2 : 0;
        if (!erode(q)) return false;
        count = count_whole(q);
    }
    const size_t every = count / MOST_CENTRES + 1;
    q->centres = rp_alloc(count / every + 1, sizeof *q->centres);
    if (!q->centres) return false;
    for (size_t i = 0, k = 0; i < n; i++)
        if (q->whole[i] && k++ % every == 0) q->centres[q->centre_count++] = (uint32_t)i;
    return true;
}

/* ---- anchors ----------------------------------------------------------------------------- */

static size_t voxel(const quilt *q, const int at[3])
{
    return (size_t)(at[0] * q->stride[0] + at[1] * q->stride[1] + at[2] * q->stride[2]);
}

/* The block round an anchor, clipped to the box. */
static void block(const quilt *q, const int at[3], int low[3], int high[3])
{
    for (int i = 0; i < 3; i++) {
        low[i] = at[i] - q->half[i] < 0 ? -at[i] : -q->half[i];
        high[i] = at[i] + q->half[i] >= q->size[i] ? q->size[i] - 1 - at[i] : q->half[i];
    }
}

static bool block_needs(const quilt *q, const int at[3])
{
    int low[3], high[3];
    block(q, at, low, high);
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++)
                if (q->job->need[voxel(q, (int[]){at[0] + x, at[1] + y, at[2] + z})]) return true;
    return false;
}

static int by_order(const void *a, const void *b)
{
    const anchor *p = a, *q = b;
    if (p->order != q->order) return p->order < q->order ? -1 : 1;
    for (int i = 2; i >= 0; i--)
        if (p->at[i] != q->at[i]) return p->at[i] < q->at[i] ? -1 : 1;
    return 0;
}

static bool set_anchors(quilt *q)
{
    size_t places = 1;
    for (int i = 0; i < 3; i++) {
        q->places[i] = (q->size[i] + q->step[i] - 1) / q->step[i];
        places *= (size_t)q->places[i];
    }
    q->anchors = rp_alloc(places, sizeof *q->anchors);
    q->which = rp_alloc(places, sizeof *q->which);
    if (!q->anchors || !q->which) return false;
    for (size_t p = 0; p < places; p++) {
        const int at[3] = {(int)(p % (size_t)q->places[0]) * q->step[0],
                           (int)(p / (size_t)q->places[0] % (size_t)q->places[1]) * q->step[1],
                           (int)(p / (size_t)q->places[0] / (size_t)q->places[1]) * q->step[2]};
        q->which[p] = -1;
        if (!block_needs(q, at)) continue;
        anchor *a = &q->anchors[q->anchor_count++];
        a->order = q->job->order[voxel(q, at)];
        memcpy(a->at, at, sizeof at);
    }
    qsort(q->anchors, q->anchor_count, sizeof *q->anchors, by_order);
    for (size_t k = 0; k < q->anchor_count; k++) {
        const anchor *a = &q->anchors[k];
        const size_t p =
            (size_t)(a->at[0] / q->step[0]) +
            (size_t)q->places[0] * ((size_t)(a->at[1] / q->step[1]) +
                                    (size_t)q->places[1] * (size_t)(a->at[2] / q->step[2]));
        q->which[p] = (int32_t)k;
    }
    return true;
}

/* ---- which block fits -------------------------------------------------------------------- */

enum { MOST_KNOWN = 96 };

typedef struct known {
    int count;
    ptrdiff_t offset[MOST_KNOWN];
    float value[MOST_KNOWN];
} known;

static bool known_value(const quilt *q, size_t at, float *value)
{
    if (q->weight[at] > 0)
        *value = q->sum[at] / q->weight[at];
    else if (q->job->context[at])
        *value = q->job->image->data[at];
    else
        return false;
    return true;
}

/* Of the voxels in the block that are known, evenly some. */
static void collect_known(const quilt *q, const anchor *a, known *k)
{
    int low[3], high[3], all = 0, taken = 0;
    const size_t centre = voxel(q, a->at);
    float value;
    k->count = 0;
    block(q, a->at, low, high);
    for (int pass = 0; pass < 2; pass++)
        for (int z = low[2]; z <= high[2]; z++)
            for (int y = low[1]; y <= high[1]; y++)
                for (int x = low[0]; x <= high[0]; x++) {
                    const ptrdiff_t offset = x * q->stride[0] + y * q->stride[1] + z * q->stride[2];
                    if (!known_value(q, (size_t)((ptrdiff_t)centre + offset), &value)) continue;
                    if (pass == 0) {
                        all++;
                    } else if (taken++ * MOST_KNOWN / (all > MOST_KNOWN ? all : MOST_KNOWN) >=
                                   k->count &&
                               k->count < MOST_KNOWN) {
                        k->offset[k->count] = offset;
                        k->value[k->count++] = value;
                    }
                }
}

/* The tissue next to a lesion may be like it: what takes its place should not. */
static double likeness(const quilt *q, size_t from)
{
    const fill_job *job = q->job;
    const double between = job->prefer_hu - job->avoid_hu;
    if (!job->smooth || fabs(between) < 1) return 0;
    const double apart = (job->smooth[from] - job->avoid_hu) / between;
    const double lacking = fmax(0, fmin(1.5, 0.75 - apart)) * fmin(60, fabs(between));
    return 10 * lacking * lacking;
}

/* Mean of the capped squares; a difference that all of the block shares counts less, up to what
 * pasting evens out. */
static double misfit(const quilt *q, const known *k, size_t from, double best)
{
    const float *source = q->job->image->data + from;
    double sum = 0, mean = 0;
    const double most = best * k->count;
    for (int i = 0; i < k->count; i++) {
        const double d = k->value[i] - source[k->offset[i]];
        sum += fmin(d * d, 40000);
        mean += d;
        if (sum > 2 * most) return INFINITY;
    }
    mean /= k->count;
    return sum / k->count - 0.5 * fmin(mean * mean, 144) + likeness(q, from);
}

static bool allowed(const quilt *q, const int at[3], const int from[3], size_t *index)
{
    int there[3];
    for (int i = 0; i < 3; i++) {
        there[i] = at[i] + from[i];
        if (there[i] < 0 || there[i] >= q->size[i]) return false;
    }
    *index = voxel(q, there);
    return q->whole[*index];
}

/* What the anchor's neighbours took, so that larger pieces of tissue come over whole. */
static void try_neighbours(const quilt *q, anchor *a, const known *k, double *best)
{
    const int p[3] = {a->at[0] / q->step[0], a->at[1] / q->step[1], a->at[2] / q->step[2]};
    for (int side = 0; side < 6; side++) {
        int n[3] = {p[0], p[1], p[2]};
        size_t index;
        n[side / 2] += side % 2 ? 1 : -1;
        if (n[side / 2] < 0 || n[side / 2] >= q->places[side / 2]) continue;
        const int32_t w =
            q->which[(size_t)n[0] +
                     (size_t)q->places[0] * ((size_t)n[1] + (size_t)q->places[1] * (size_t)n[2])];
        if (w < 0 || !q->anchors[w].placed) continue;
        if (!allowed(q, a->at, q->anchors[w].from, &index)) continue;
        const double found = 0.85 * misfit(q, k, index, *best / 0.85);
        if (found >= *best) continue;
        *best = found;
        memcpy(a->from, q->anchors[w].from, sizeof a->from);
    }
}

static void choose(const quilt *q, anchor *a, const known *k)
{
    double best = INFINITY;
    if (k->count > 0) try_neighbours(q, a, k, &best);
    for (int i = 0; i < TRIES; i++) {
        const size_t pick = (size_t)(rp_random_uniform(&q->job->random) * (double)q->centre_count);
        const size_t index = q->centres[pick];
        const double found = k->count > 0 ? misfit(q, k, index, isfinite(best) ? best : 1e9) : 0;
        if (found >= best) continue;
        best = found;
        for (int s = 0; s < 3; s++)
            a->from[s] = (int)(index / (size_t)q->stride[s] % (size_t)q->size[s]) - a->at[s];
    }
    a->placed = isfinite(best);
}

/* ---- pasting ----------------------------------------------------------------------------- */

/* Each voxel belongs nearly to one block: shared ones would be smooth. */
static double tent(const quilt *q, int x, int y, int z)
{
    double w = (1 - abs(x) / (q->half[0] + 1.0)) * (1 - abs(y) / (q->half[1] + 1.0)) *
               (1 - abs(z) / (q->half[2] + 1.0));
    w *= w;
    w *= w;
    return w * w + 1e-12;
}

static void paste(quilt *q, const anchor *a, const known *k)
{
    int low[3], high[3];
    const ptrdiff_t from = (ptrdiff_t)voxel(
        q, (int[]){a->at[0] + a->from[0], a->at[1] + a->from[1], a->at[2] + a->from[2]});
    const ptrdiff_t centre = (ptrdiff_t)voxel(q, a->at);
    double mean = 0;
    for (int i = 0; i < k->count; i++)
        mean += k->value[i] - q->job->image->data[from + k->offset[i]];
    mean = k->count > 0 ? fmax(-12, fmin(12, mean / k->count)) : 0;
    block(q, a->at, low, high);
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++) {
                const ptrdiff_t offset = x * q->stride[0] + y * q->stride[1] + z * q->stride[2];
                if (!q->job->need[centre + offset]) continue;
                const double w = tent(q, x, y, z);
                q->weight[centre + offset] += (float)w;
                q->sum[centre + offset] += (float)(w * (q->job->image->data[from + offset] + mean));
            }
}

static void grow(quilt *q)
{
    const size_t n = (size_t)q->size[0] * (size_t)q->size[1] * (size_t)q->size[2];
    for (size_t i = 0; i < q->anchor_count; i++) {
        known k;
        collect_known(q, &q->anchors[i], &k);
        choose(q, &q->anchors[i], &k);
        if (q->anchors[i].placed) paste(q, &q->anchors[i], &k);
    }
    for (size_t i = 0; i < n; i++) {
        q->job->out[i] = q->job->image->data[i];
        if (q->job->need[i] && q->weight[i] > 0) q->job->out[i] = q->sum[i] / q->weight[i];
    }
}

/* Blocks of about a centimetre; anchors an odd number of voxels apart, so that no voxel lies just
 * midway between two of them. */
static void size_blocks(quilt *q, const double spacing[3])
{
    for (int i = 0; i < 3; i++) {
        int step = (int)lrint(4.5 / spacing[i]);
        step = step < 1 ? 1 : step > 5 ? 5 : step;
        q->step[i] = step - (step % 2 == 0);
        q->half[i] = q->step[i] < 3 ? 1 : q->step[i];
        if (2 * q->half[i] + 1 > q->size[i] / 3) q->half[i] = q->size[i] >= 9 ? 1 : 0;
    }
}

rp_status remodel_fill(fill_job *job, rp_error *err)
{
    const rp_grid *g = &job->image->grid;
    const size_t n = rp_grid_voxels(g);
    quilt q = {
        .job = job, .size = g->size, .stride = {1, g->size[0], (ptrdiff_t)g->size[0] * g->size[1]}};
    size_blocks(&q, g->spacing);
    q.whole = rp_alloc(n, 1);
    q.sum = rp_alloc(n, sizeof *q.sum);
    q.weight = rp_alloc(n, sizeof *q.weight);
    bool fine = q.whole && q.sum && q.weight && find_sources(&q);
    for (int i = 0; fine && i < 3; i++)
        if (q.step[i] > q.half[i] + 1) q.step[i] = q.half[i] + 1;
    fine = fine && set_anchors(&q);
    if (fine && q.centre_count > 0)
        grow(&q);
    else if (fine)
        memcpy(job->out, job->image->data, n * sizeof *job->out);
    rp_free(q.whole);
    rp_free(q.centres);
    rp_free(q.anchors);
    rp_free(q.which);
    rp_free(q.sum);
    rp_free(q.weight);
    return fine ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "no memory for the tissue's texture");
}
