/* Displacement fields on a lattice. */
#include "deform.h"

#include <math.h>
#include <string.h>

static const double LEAST_JACOBIAN = 0.1;

rp_status field_init(field *f, const rp_grid *grid, rp_error *err)
{
    f->grid = *grid;
    f->u = rp_alloc(rp_grid_voxels(grid), 3 * sizeof *f->u);
    return f->u ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
}

void field_release(field *f)
{
    rp_free(f->u);
    f->u = NULL;
}

/* The lower of the two nodes round a position and the share of the other. */
static int between(double position, int size, double *share)
{
    const double last = size - 1;
    const double at = position > 0 ? fmin(position, last) : 0;
    int low = (int)at;
    if (low > size - 2) low = size > 1 ? size - 2 : 0;
    *share = at - low;
    return low;
}

void field_at(const field *f, const double world[3], double u[3])
{
    double index[3], share[3];
    int low[3];
    rp_grid_from_world(&f->grid, world, index);
    for (int a = 0; a < 3; a++) low[a] = between(index[a], f->grid.size[a], &share[a]);
    memset(u, 0, 3 * sizeof *u);
    for (int corner = 0; corner < 8; corner++) {
        int at[3];
        double weight = 1.0;
        for (int a = 0; a < 3; a++) {
            const int up = corner >> a & 1;
            at[a] = low[a] + up;
            weight *= up ? share[a] : 1.0 - share[a];
        }
        if (weight <= 0.0) continue;
        const float *node = f->u + 3 * rp_grid_index(&f->grid, at[0], at[1], at[2]);
        for (int a = 0; a < 3; a++) u[a] += weight * node[a];
    }
}

/* ---- one field after another ------------------------------------------------------------- */

typedef struct join_job {
    field *to;
    const field *from;
    bool compose;
} join_job;

static void join_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const join_job *job = context;
    const rp_grid *g = &job->to->grid;
    for (int y = 0; y < g->size[1]; y++)
        for (int x = 0; x < g->size[0]; x++) {
            float *own = job->to->u + 3 * rp_grid_index(g, x, y, (int)z);
            double world[3], u[3];
            rp_grid_to_world(g, (const double[3]){x, y, (double)z}, world);
            for (int a = 0; job->compose && a < 3; a++) world[a] += own[a];
            field_at(job->from, world, u);
            for (int a = 0; a < 3; a++) own[a] = (float)((job->compose ? own[a] : 0.0) + u[a]);
        }
}

void field_compose(field *f, const field *before)
{
    join_job job = {f, before, true};
    rp_parallel_for((size_t)f->grid.size[2], join_slice, &job);
}

void field_take(field *f, const field *from)
{
    join_job job = {f, from, false};
    rp_parallel_for((size_t)f->grid.size[2], join_slice, &job);
}

/* ---- folds ------------------------------------------------------------------------------- */

/* d u_r / d axis a in mm per mm, one-sided at the border. */
static void slope_at(const field *f, const int at[3], int a, double slope[3])
{
    const rp_grid *g = &f->grid;
    int low[3], high[3];
    memcpy(low, at, sizeof low);
    memcpy(high, at, sizeof high);
    if (low[a] > 0) low[a]--;
    if (high[a] < g->size[a] - 1) high[a]++;
    const double mm = (high[a] - low[a]) * g->spacing[a];
    const float *l = f->u + 3 * rp_grid_index(g, low[0], low[1], low[2]);
    const float *h = f->u + 3 * rp_grid_index(g, high[0], high[1], high[2]);
    for (int r = 0; r < 3; r++) slope[r] = mm > 0 ? (h[r] - l[r]) / mm : 0.0;
}

double field_jacobian_at(const field *f, int x, int y, int z)
{
    const int at[3] = {x, y, z};
    double m[3][3], slope[3][3];
    for (int a = 0; a < 3; a++) slope_at(f, at, a, slope[a]);
    /* Along the patient's axes: the lattice's own are orthonormal. */
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            m[r][c] = r == c;
            for (int a = 0; a < 3; a++) m[r][c] += slope[a][r] * f->grid.direction[c][a];
        }
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

folds field_folds(const field *f, const uint8_t *body)
{
    folds found = {.least = INFINITY};
    size_t i = 0;
    for (int z = 0; z < f->grid.size[2]; z++)
        for (int y = 0; y < f->grid.size[1]; y++)
            for (int x = 0; x < f->grid.size[0]; x++, i++) {
                if (!body[i]) continue;
                const double jacobian = field_jacobian_at(f, x, y, z);
                found.voxels++;
                found.folded += jacobian <= 0.0;
                found.least = fmin(found.least, jacobian);
            }
    return found;
}

/* Marks the nodes that a smoothing round touches: those that fold, and two nodes round them. */
static size_t mark_folds(const field *f, uint8_t *marks)
{
    const int *n = f->grid.size;
    size_t found = 0;
    memset(marks, 0, rp_grid_voxels(&f->grid));
    for (int z = 0; z < n[2]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[0]; x++) {
                if (field_jacobian_at(f, x, y, z) >= LEAST_JACOBIAN) continue;
                found++;
                for (int k = z - 2; k <= z + 2; k++)
                    for (int j = y - 2; j <= y + 2; j++)
                        for (int i = x - 2; i <= x + 2; i++)
                            if (i >= 0 && j >= 0 && k >= 0 && i < n[0] && j < n[1] && k < n[2])
                                marks[rp_grid_index(&f->grid, i, j, k)] = 1;
            }
    return found;
}

/* Mean of the node and its six neighbours. */
static void mean_round(const field *f, int x, int y, int z, float mean[3])
{
    const int at[3] = {x, y, z};
    float sum[3] = {0};
    int count = 0;
    for (int a = 0; a < 3; a++)
        for (int way = -1; way <= 1; way++) {
            int to[3] = {at[0], at[1], at[2]};
            to[a] += way;
            if (to[a] < 0 || to[a] >= f->grid.size[a]) continue;
            const float *u = f->u + 3 * rp_grid_index(&f->grid, to[0], to[1], to[2]);
            for (int r = 0; r < 3; r++) sum[r] += u[r];
            count++;
        }
    for (int r = 0; r < 3; r++) mean[r] = sum[r] / (float)count;
}

static void smooth_marked(field *f, const uint8_t *marks, float *next)
{
    const rp_grid *g = &f->grid;
    memcpy(next, f->u, rp_grid_voxels(g) * 3 * sizeof *next);
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                const size_t i = rp_grid_index(g, x, y, z);
                if (marks[i]) mean_round(f, x, y, z, next + 3 * i);
            }
    memcpy(f->u, next, rp_grid_voxels(g) * 3 * sizeof *next);
}

rp_status field_unfold(field *f, int rounds, rp_error *err)
{
    const size_t nodes = rp_grid_voxels(&f->grid);
    RP_AUTOFREE uint8_t *marks = rp_alloc(nodes, 1);
    RP_AUTOFREE float *next = rp_alloc(nodes, 3 * sizeof *next);
    if (!marks || !next) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    for (int i = 0; i < rounds && mark_folds(f, marks); i++) smooth_marked(f, marks, next);
    return RP_OK;
}
