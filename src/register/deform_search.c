/* A dense search over discrete displacements. The costs of one displacement after another are made
 * by all threads; then each voxel's choice is drawn towards the mean of its neighbours' with a
 * weight that grows (Heinrich, Papiez, Schnabel, Handels: "Non-parametric discrete registration
 * with convex optimisation", WBIR 2014). */
#include "deform.h"

#include <string.h>

/* Of squared steps, beside costs of 0..1. */
static const float COUPLING[] = {0.0001f, 0.0003f, 0.001f, 0.003f, 0.01f, 0.03f};
enum { COUPLINGS = sizeof COUPLING / sizeof *COUPLING };
/* Where the baseline shows nothing to compare with: about what matches, so that the edge of what it
 * shows pushes nothing inwards. */
static const float NEUTRAL = 0.02f;
static const float COST_STEPS = 65535.0f;

typedef float lanes __attribute__((vector_size(16)));

typedef struct search {
    const stage *s;
    int radius, wide; /* wide = 2 radius + 1 */
    size_t voxels, count;
    uint16_t *costs;      /* [displacement][voxel] */
    float *scratch;       /* two volumes per worker */
    float *soft, *smooth; /* [3][voxel], in voxels of the grid */
    float coupling;
} search;

static void way_of(const search *q, size_t displacement, int way[3])
{
    const int d = (int)displacement;
    way[0] = d % q->wide - q->radius;
    way[1] = d / q->wide % q->wide - q->radius;
    way[2] = d / (q->wide * q->wide) - q->radius;
}

static float difference(const float *a, const float *b)
{
    const lanes *p = (const lanes *)a, *q = (const lanes *)b;
    const lanes d0 = p[0] - q[0], d1 = p[1] - q[1], d2 = p[2] - q[2];
    const lanes sum = d0 * d0 + d1 * d1 + d2 * d2;
    return (sum[0] + sum[1] + sum[2] + sum[3]) * (1.0f / MIND_CHANNELS);
}

double stage_difference(const stage *s, size_t *compared)
{
    double sum = 0.0;
    *compared = 0;
    for (size_t i = 0; i < rp_grid_voxels(&s->grid); i++) {
        if (!s->body[i] || !s->shown[i]) continue;
        sum += difference(s->fixed + i * MIND_CHANNELS, s->moving + i * MIND_CHANNELS);
        ++*compared;
    }
    return *compared ? sum / (double)*compared : 0.0;
}

static void cost_row(const search *q, const int way[3], int y, int z, float *out)
{
    const rp_grid *g = &q->s->grid;
    const size_t first = rp_grid_index(g, 0, y, z);
    const int my = y + way[1], mz = z + way[2];
    const bool inside = my >= 0 && my < g->size[1] && mz >= 0 && mz < g->size[2];
    for (int x = 0; x < g->size[0]; x++) {
        const size_t i = first + (size_t)x;
        const int mx = x + way[0];
        float cost = q->s->body[i] ? NEUTRAL : 0.0f;
        if (cost > 0.0f && inside && mx >= 0 && mx < g->size[0]) {
            const size_t j = rp_grid_index(g, mx, my, mz);
            if (q->s->shown[j])
                cost =
                    difference(q->s->fixed + i * MIND_CHANNELS, q->s->moving + j * MIND_CHANNELS);
        }
        out[x] = cost;
    }
}

/* Mean of three along an axis; the border is repeated. */
static void mean_of_three(const float *from, float *to, const int size[3], int axis)
{
    const ptrdiff_t row = size[0], slice = row * size[1];
    const ptrdiff_t step = axis == 0 ? 1 : axis == 1 ? row : slice;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++) {
            const float *at = from + z * slice + y * row;
            float *out = to + z * slice + y * row;
            const int place = axis == 1 ? y : z;
            const ptrdiff_t down = axis && place > 0 ? step : 0;
            const ptrdiff_t up = axis && place < size[axis] - 1 ? step : 0;
            for (int x = 0; x < size[0]; x++) {
                const ptrdiff_t l = axis ? down : x > 0, h = axis ? up : x < size[0] - 1;
                out[x] = (at[x - l] + at[x] + at[x + h]) * (1.0f / 3.0f);
            }
        }
}

static void mean_of_patch(float *data, float *other, const int size[3])
{
    mean_of_three(data, other, size, 0);
    mean_of_three(other, data, size, 1);
    mean_of_three(data, other, size, 2);
    size_t voxels = 1;
    for (int a = 0; a < 3; a++) voxels *= (size_t)size[a];
    memcpy(data, other, voxels * sizeof *data);
}

/* Task: one displacement. */
static void cost_of_displacement(void *context, size_t displacement, int worker)
{
    const search *q = context;
    const int *size = q->s->grid.size;
    float *costs = q->scratch + 2 * (size_t)worker * q->voxels, *other = costs + q->voxels;
    int way[3];
    way_of(q, displacement, way);
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            cost_row(q, way, y, z, costs + rp_grid_index(&q->s->grid, 0, y, z));
    mean_of_patch(costs, other, size);
    uint16_t *out = q->costs + displacement * q->voxels;
    for (size_t i = 0; i < q->voxels; i++) {
        const float steps = costs[i] * COST_STEPS;
        out[i] = (uint16_t)(steps < COST_STEPS ? steps + 0.5f : COST_STEPS);
    }
}

enum { BLOCK = 512 };

static void consider(const search *q, size_t displacement, size_t first, int count, float *best,
                     int *chosen)
{
    const float *soft = q->smooth + first;
    const uint16_t *costs = q->costs + displacement * q->voxels + first;
    int way[3];
    way_of(q, displacement, way);
    const float wx = (float)way[0], wy = (float)way[1], wz = (float)way[2];
    for (int i = 0; i < count; i++) {
        const float dx = wx - soft[i], dy = wy - soft[i + (ptrdiff_t)q->voxels];
        const float dz = wz - soft[i + 2 * (ptrdiff_t)q->voxels];
        const float value =
            (float)costs[i] * (1.0f / COST_STEPS) + q->coupling * (dx * dx + dy * dy + dz * dz);
        const bool better = value < best[i];
        best[i] = better ? value : best[i];
        chosen[i] = better ? (int)displacement : chosen[i];
    }
}

/* Task: a block of voxels. */
static void choose(void *context, size_t block, int worker)
{
    (void)worker;
    const search *q = context;
    const size_t first = block * BLOCK;
    const int count = q->voxels - first < BLOCK ? (int)(q->voxels - first) : BLOCK;
    float best[BLOCK];
    int chosen[BLOCK];
    for (int i = 0; i < BLOCK; i++) best[i] = 1e30f, chosen[i] = 0;
    for (size_t d = 0; d < q->count; d++) consider(q, d, first, count, best, chosen);
    for (int i = 0; i < count; i++) {
        int way[3];
        way_of(q, (size_t)chosen[i], way);
        for (int a = 0; a < 3; a++)
            q->soft[(size_t)a * q->voxels + first + (size_t)i] = (float)way[a];
    }
}

/* Task: one component. */
static void smooth_component(void *context, size_t component, int worker)
{
    const search *q = context;
    float *other = q->scratch + 2 * (size_t)worker * q->voxels;
    float *to = q->smooth + component * q->voxels;
    memcpy(to, q->soft + component * q->voxels, q->voxels * sizeof *to);
    mean_of_patch(to, other, q->s->grid.size);
}

static void add_to_field(const search *q, field *r)
{
    const rp_grid *g = &q->s->grid;
    for (size_t i = 0; i < q->voxels; i++)
        for (int a = 0; a < 3; a++) {
            const double mm = q->smooth[(size_t)a * q->voxels + i] * g->spacing[a];
            for (int c = 0; c < 3; c++) r->u[3 * i + (size_t)c] += (float)(mm * g->direction[c][a]);
        }
}

rp_status search_displacements(const stage *s, const search_options *options, field *r,
                               rp_error *err)
{
    search q = {.s = s, .radius = options->radius, .wide = 2 * options->radius + 1};
    q.voxels = rp_grid_voxels(&s->grid);
    q.count = (size_t)(q.wide * q.wide * q.wide);
    q.costs = rp_alloc(q.count * q.voxels, sizeof *q.costs);
    q.scratch = rp_alloc(2 * (size_t)rp_threads_get() * q.voxels, sizeof *q.scratch);
    q.soft = rp_alloc(3 * q.voxels, sizeof *q.soft);
    q.smooth = rp_alloc(3 * q.voxels, sizeof *q.smooth);
    rp_status status = RP_OK;
    if (q.costs && q.scratch && q.soft && q.smooth) {
        rp_parallel_for(q.count, cost_of_displacement, &q);
        for (int i = 0; i < COUPLINGS; i++) {
            q.coupling = COUPLING[i] * (float)options->smoothness;
            rp_parallel_for((q.voxels + BLOCK - 1) / BLOCK, choose, &q);
            rp_parallel_for(3, smooth_component, &q);
        }
        add_to_field(&q, r);
    } else {
        status = rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    }
    rp_free(q.costs);
    rp_free(q.scratch);
    rp_free(q.soft);
    rp_free(q.smooth);
    return status;
}
