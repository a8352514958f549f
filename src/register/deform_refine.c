/* Refinement: Gauss-Newton steps on a lattice of every second voxel, linear between its nodes.
 *
 * Data: the mean squared difference of descriptors, linearised. Each node takes the sum over its
 * hat's voxels of the 3x3 normal matrix: neighbours' shares are lumped onto it, which can only make
 * the step shorter (the square of a weighted mean is at most the mean of squares). Regularisation:
 * squared differences of neighbouring nodes' whole displacements, those that the image was warped
 * by before included. Red-black over-relaxation solves both together, in the same order with any
 * number of threads. */
#include "deform.h"

#include <math.h>
#include <string.h>

enum { TERMS = 9 /* gradient 3, normal matrix xx xy xz yy yz zz */, SWEEPS = 10 };
/* Of squared differences between nodes, in voxels, where a node has the data of eight voxels. */
static const float STIFFNESS = 0.08f;
static const float DAMPING = 0.002f, RELAXATION = 1.5f, LARGEST_STEP = 1.0f;
static const float ENOUGH = 0.01f; /* voxels: a mean step below that ends it */

typedef float lanes __attribute__((vector_size(16)));

typedef struct refinement {
    const stage *s;
    int nodes[3];
    size_t count;
    float stiffness;
    bool still_border;
    float *partial;        /* [voxel slice][node row][node][TERMS] */
    float *terms;          /* [node][TERMS] */
    float *r, *step, *all; /* [node][3] in voxels: residual, its change, what is regularised */
    int colour;
} refinement;

static size_t node_index(const refinement *q, int x, int y, int z)
{
    return ((size_t)z * (size_t)q->nodes[1] + (size_t)y) * (size_t)q->nodes[0] + (size_t)x;
}

/* ---- data -------------------------------------------------------------------------------- */

/* The residual displacement of a voxel: the mean of the up to eight nodes round it. */
static void displacement_of(const refinement *q, int x, int y, int z, float r[3])
{
    const int at[3] = {x / 2, y / 2, z / 2}, odd[3] = {x & 1, y & 1, z & 1};
    float sum[3] = {0};
    int count = 0;
    for (int k = 0; k <= odd[2]; k++)
        for (int j = 0; j <= odd[1]; j++)
            for (int i = 0; i <= odd[0]; i++, count++) {
                const float *node = q->r + 3 * node_index(q, at[0] + i, at[1] + j, at[2] + k);
                for (int a = 0; a < 3; a++) sum[a] += node[a];
            }
    for (int a = 0; a < 3; a++) r[a] = sum[a] / (float)count;
}

/* The cell round a place, and how far it lies in it; an axis of one voxel has no second corner. */
typedef struct cell {
    size_t first, step[3];
    float share[3];
} cell;

static bool find_cell(const refinement *q, const int voxel[3], const float r[3], cell *c)
{
    const rp_grid *g = &q->s->grid;
    int low[3], near[3];
    for (int a = 0; a < 3; a++) {
        const float at = (float)voxel[a] + r[a], last = (float)(g->size[a] - 1);
        if (!(at >= -0.5f && at <= last + 0.5f)) return false;
        const float clamped = at < 0 ? 0 : at > last ? last : at;
        low[a] = (int)clamped;
        if (low[a] > g->size[a] - 2) low[a] = g->size[a] > 1 ? g->size[a] - 2 : 0;
        c->share[a] = clamped - (float)low[a];
        near[a] = low[a] + (c->share[a] > 0.5f);
    }
    c->first = rp_grid_index(g, low[0], low[1], low[2]);
    const size_t row = (size_t)g->size[0], slice = row * (size_t)g->size[1];
    c->step[0] = g->size[0] > 1 ? 1 : 0;
    c->step[1] = g->size[1] > 1 ? row : 0;
    c->step[2] = g->size[2] > 1 ? slice : 0;
    return q->s->shown[rp_grid_index(g, near[0], near[1], near[2])];
}

static float sum_of(lanes v)
{
    return v[0] + v[1] + v[2] + v[3];
}

/* Gradient and normal matrix of half the mean squared difference. */
static void voxel_terms(const stage *s, size_t voxel, const cell *c, float terms[TERMS])
{
    const float *m = s->moving + c->first * MIND_CHANNELS;
    const size_t dx = c->step[0] * MIND_CHANNELS, dy = c->step[1] * MIND_CHANNELS;
    const size_t dz = c->step[2] * MIND_CHANNELS;
    const float *f = s->fixed + voxel * MIND_CHANNELS;
    const float x = c->share[0], y = c->share[1], z = c->share[2];
    lanes sums[TERMS] = {{0}};
    for (size_t k = 0; k < MIND_CHANNELS; k += 4) {
#define AT(offset) (*(const lanes *)(m + k + (offset)))
        const lanes d00 = AT(dx) - AT(0), d10 = AT(dx + dy) - AT(dy);
        const lanes d01 = AT(dx + dz) - AT(dz), d11 = AT(dx + dy + dz) - AT(dy + dz);
        const lanes v00 = AT(0) + x * d00, v10 = AT(dy) + x * d10;
        const lanes v01 = AT(dz) + x * d01, v11 = AT(dy + dz) + x * d11;
#undef AT
        const lanes e0 = v10 - v00, e1 = v11 - v01;
        const lanes w0 = v00 + y * e0, w1 = v01 + y * e1;
        const lanes x0 = d00 + y * (d10 - d00), x1 = d01 + y * (d11 - d01);
        const lanes gx = x0 + z * (x1 - x0), gy = e0 + z * (e1 - e0), gz = w1 - w0;
        const lanes error = w0 + z * gz - *(const lanes *)(f + k);
        sums[0] += error * gx, sums[1] += error * gy, sums[2] += error * gz;
        sums[3] += gx * gx, sums[4] += gx * gy, sums[5] += gx * gz;
        sums[6] += gy * gy, sums[7] += gy * gz, sums[8] += gz * gz;
    }
    for (int t = 0; t < TERMS; t++) terms[t] = sum_of(sums[t]) * (1.0f / MIND_CHANNELS);
}

/* Task: one slice of voxels, onto the nodes' rows and columns. */
static void slice_terms(void *context, size_t z, int worker)
{
    (void)worker;
    const refinement *q = context;
    const stage *s = q->s;
    const size_t plane = (size_t)q->nodes[0] * (size_t)q->nodes[1] * TERMS;
    float *out = q->partial + z * plane;
    memset(out, 0, plane * sizeof *out);
    for (int y = 0; y < s->grid.size[1]; y++)
        for (int x = 0; x < s->grid.size[0]; x++) {
            const size_t i = rp_grid_index(&s->grid, x, y, (int)z);
            float r[3], terms[TERMS];
            cell c;
            if (!s->body[i]) continue;
            displacement_of(q, x, y, (int)z, r);
            if (!find_cell(q, (const int[3]){x, y, (int)z}, r, &c)) continue;
            voxel_terms(s, i, &c, terms);
            const float weight = (x & 1 ? 0.5f : 1.0f) * (y & 1 ? 0.5f : 1.0f);
            for (int b = 0; b <= (y & 1); b++)
                for (int a = 0; a <= (x & 1); a++) {
                    float *node = out + node_index(q, x / 2 + a, y / 2 + b, 0) * TERMS;
                    for (int t = 0; t < TERMS; t++) node[t] += weight * terms[t];
                }
        }
}

/* Task: one slice of nodes. */
static void gather_terms(void *context, size_t z, int worker)
{
    (void)worker;
    const refinement *q = context;
    const size_t plane = (size_t)q->nodes[0] * (size_t)q->nodes[1] * TERMS;
    float *out = q->terms + z * plane;
    memset(out, 0, plane * sizeof *out);
    for (int k = -1; k <= 1; k++) {
        const int slice = 2 * (int)z + k;
        if (slice < 0 || slice >= q->s->grid.size[2]) continue;
        const float *from = q->partial + (size_t)slice * plane;
        const float weight = k ? 0.5f : 1.0f;
        for (size_t i = 0; i < plane; i++) out[i] += weight * from[i];
    }
}

/* ---- the step ---------------------------------------------------------------------------- */

static bool is_still(const refinement *q, int x, int y, int z)
{
    return q->still_border && (x == 0 || y == 0 || z == 0 || x == q->nodes[0] - 1 ||
                               y == q->nodes[1] - 1 || z == q->nodes[2] - 1);
}

/* Symmetric, positive: (xx xy xz yy yz zz). */
static void solve_three(const float m[6], const float b[3], float out[3])
{
    const float c0 = m[3] * m[5] - m[4] * m[4], c1 = m[2] * m[4] - m[1] * m[5];
    const float c2 = m[1] * m[4] - m[2] * m[3];
    const float c3 = m[0] * m[5] - m[2] * m[2], c4 = m[1] * m[2] - m[0] * m[4];
    const float c5 = m[0] * m[3] - m[1] * m[1];
    const float scale = 1.0f / (m[0] * c0 + m[1] * c1 + m[2] * c2);
    out[0] = scale * (c0 * b[0] + c1 * b[1] + c2 * b[2]);
    out[1] = scale * (c1 * b[0] + c3 * b[1] + c4 * b[2]);
    out[2] = scale * (c2 * b[0] + c4 * b[1] + c5 * b[2]);
}

static void relax_node(const refinement *q, int x, int y, int z)
{
    const size_t i = node_index(q, x, y, z);
    const size_t row = (size_t)q->nodes[0], slice = row * (size_t)q->nodes[1];
    const int at[3] = {x, y, z};
    const size_t steps[3] = {1, row, slice};
    const float *terms = q->terms + i * TERMS, k = q->stiffness;
    float b[3] = {-terms[0], -terms[1], -terms[2]}, m[6], found[3], degree = 0.0f;
    for (int a = 0; a < 3; a++)
        for (int way = 0; way < 2; way++) {
            if (way ? at[a] == q->nodes[a] - 1 : at[a] == 0) continue;
            const size_t j = way ? i + steps[a] : i - steps[a];
            degree += k;
            for (int c = 0; c < 3; c++)
                b[c] += k * (q->step[3 * j + (size_t)c] + q->all[3 * j + (size_t)c] -
                             q->all[3 * i + (size_t)c]);
        }
    memcpy(m, terms + 3, sizeof m);
    m[0] += degree + DAMPING, m[3] += degree + DAMPING, m[5] += degree + DAMPING;
    solve_three(m, b, found);
    float *step = q->step + 3 * i;
    for (int c = 0; c < 3; c++) step[c] += RELAXATION * (found[c] - step[c]);
}

/* Task: one slice of nodes; those of one colour need only the other's. */
static void relax_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const refinement *q = context;
    for (int y = 0; y < q->nodes[1]; y++)
        for (int x = (y + (int)z + q->colour) & 1; x < q->nodes[0]; x += 2)
            if (!is_still(q, x, y, (int)z)) relax_node(q, x, y, (int)z);
}

/* Takes the step, each node's by a voxel at most; its mean length. */
static float take_step(refinement *q)
{
    double sum = 0.0;
    for (size_t i = 0; i < q->count; i++) {
        float *step = q->step + 3 * i;
        const float square = step[0] * step[0] + step[1] * step[1] + step[2] * step[2];
        const float length = sqrtf(square);
        const float share = length > LARGEST_STEP ? LARGEST_STEP / length : 1.0f;
        for (size_t c = 0; c < 3; c++) {
            q->r[3 * i + c] += share * step[c];
            q->all[3 * i + c] += share * step[c];
        }
        sum += share * length;
    }
    return (float)(sum / (double)q->count);
}

static void iterate(refinement *q, int iterations)
{
    for (int i = 0; i < iterations; i++) {
        rp_parallel_for((size_t)q->s->grid.size[2], slice_terms, q);
        rp_parallel_for((size_t)q->nodes[2], gather_terms, q);
        memset(q->step, 0, q->count * 3 * sizeof *q->step);
        for (int sweep = 0; sweep < 2 * SWEEPS; sweep++) {
            q->colour = sweep & 1;
            rp_parallel_for((size_t)q->nodes[2], relax_slice, q);
        }
        if (take_step(q) < ENOUGH) break;
    }
}

/* ---- from mm and back -------------------------------------------------------------------- */

static void take_before(refinement *q, const field *before)
{
    const rp_grid *g = &q->s->grid;
    for (int z = 0; z < q->nodes[2]; z++)
        for (int y = 0; y < q->nodes[1]; y++)
            for (int x = 0; x < q->nodes[0]; x++) {
                double world[3], u[3];
                float *to = q->all + 3 * node_index(q, x, y, z);
                rp_grid_to_world(g, (const double[3]){2 * x, 2 * y, 2 * z}, world);
                field_at(before, world, u);
                for (int a = 0; a < 3; a++) {
                    double along = 0.0;
                    for (int c = 0; c < 3; c++) along += u[c] * g->direction[c][a];
                    to[a] = (float)(along / g->spacing[a]);
                }
            }
}

static void give_residual(const refinement *q, field *r)
{
    const rp_grid *g = &q->s->grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                float voxels[3];
                float *to = r->u + 3 * rp_grid_index(g, x, y, z);
                displacement_of(q, x, y, z, voxels);
                for (int c = 0; c < 3; c++) {
                    double mm = 0.0;
                    for (int a = 0; a < 3; a++)
                        mm += voxels[a] * g->spacing[a] * g->direction[c][a];
                    to[c] = (float)mm;
                }
            }
}

static rp_status allocate(refinement *q, rp_error *err)
{
    const size_t plane = (size_t)q->nodes[0] * (size_t)q->nodes[1];
    q->partial = rp_alloc((size_t)q->s->grid.size[2] * plane, TERMS * sizeof *q->partial);
    q->terms = rp_alloc(q->count, TERMS * sizeof *q->terms);
    q->r = rp_alloc(q->count, 3 * sizeof *q->r);
    q->step = rp_alloc(q->count, 3 * sizeof *q->step);
    q->all = rp_alloc(q->count, 3 * sizeof *q->all);
    return q->partial && q->terms && q->r && q->step && q->all
               ? RP_OK
               : rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
}

rp_status refine_displacements(const stage *s, const refine_options *options, const field *before,
                               field *r, rp_error *err)
{
    refinement q = {.s = s,
                    .stiffness = STIFFNESS * (float)options->smoothness,
                    .still_border = options->still_border};
    for (int a = 0; a < 3; a++) q.nodes[a] = s->grid.size[a] / 2 + 1;
    q.count = (size_t)q.nodes[0] * (size_t)q.nodes[1] * (size_t)q.nodes[2];
    rp_status status = allocate(&q, err);
    if (!status) {
        take_before(&q, before);
        iterate(&q, options->iterations);
        give_residual(&q, r);
    }
    rp_free(q.partial);
    rp_free(q.terms);
    rp_free(q.r);
    rp_free(q.step);
    rp_free(q.all);
    return status;
}
