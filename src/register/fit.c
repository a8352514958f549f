/* Damped Gauss-Newton on the least squares form of the correlation.
 *
 * Over the samples f_i of the fixed image and the values m_i of the moving one under the pose, the
 * smallest sum of (f_i - a m_i - b)^2 over a and b is the sum of (f_i - mean)^2 times one minus the
 * square of the correlation. So a step that solves for the pose's six changes together with a and b
 * raises the correlation. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { UNKNOWNS = 8, CHUNK = 4096, FEWEST = 100 }; /* rotation 3, translation 3, a, b */

typedef struct sums {
    double n, f, m, ff, mm, fm; /* unweighted */
    double cost;
    double normal[UNKNOWNS][UNKNOWNS], right[UNKNOWNS];
} sums;

typedef struct job {
    const samples *samples;
    const float *data;
    const int *size;
    double to_index[3][3];         /* world -> index, without the origin */
    double turned[3][3], start[3]; /* relative -> index */
    double rotation[3][3];
    double a, b, scale_hu;
    bool gradients, translation_only;
    sums *parts;
} job;

/* Value and gradient by index, trilinear; false outside the voxel centres. */
static inline bool look(const job *j, const double at[3], double *value, double gradient[3])
{
    const int *size = j->size;
    int whole[3];
    double t[3];
    for (int a = 0; a < 3; a++) {
        if (!(at[a] >= 0.0 && at[a] <= size[a] - 1)) return false;
        whole[a] = (int)at[a];
        if (whole[a] > size[a] - 2) whole[a] = size[a] - 2;
        t[a] = at[a] - whole[a];
    }
    const size_t row = (size_t)size[0], slice = row * (size_t)size[1];
    const float *p = j->data + (size_t)whole[2] * slice + (size_t)whole[1] * row + (size_t)whole[0];
    const float *q = p + slice;
    const double c00 = p[0] + t[0] * (p[1] - p[0]);
    const double c10 = p[row] + t[0] * (p[row + 1] - p[row]);
    const double c01 = q[0] + t[0] * (q[1] - q[0]);
    const double c11 = q[row] + t[0] * (q[row + 1] - q[row]);
    const double c0 = c00 + t[1] * (c10 - c00), c1 = c01 + t[1] * (c11 - c01);
    *value = c0 + t[2] * (c1 - c0);
    if (!gradient) return true;
    const double near = (p[1] - p[0]) + t[1] * ((p[row + 1] - p[row]) - (p[1] - p[0]));
    const double far = (q[1] - q[0]) + t[1] * ((q[row + 1] - q[row]) - (q[1] - q[0]));
    gradient[0] = near + t[2] * (far - near);
    gradient[1] = (c10 - c00) + t[2] * ((c11 - c01) - (c10 - c00));
    gradient[2] = c1 - c0;
    return true;
}

static inline void transform(const double matrix[3][3], const double v[3], double out[3])
{
    for (int r = 0; r < 3; r++)
        out[r] = matrix[r][0] * v[0] + matrix[r][1] * v[1] + matrix[r][2] * v[2];
}

/* How a value changes with the unknowns: the residual's derivative, turned round. */
static inline void columns_of(const job *j, const sample *s, double m, const double by_index[3],
                              double column[UNKNOWNS])
{
    double g[3], y[3];
    for (int c = 0; c < 3; c++)
        g[c] = j->a * (by_index[0] * j->to_index[0][c] + by_index[1] * j->to_index[1][c] +
                       by_index[2] * j->to_index[2][c]);
    transform(j->rotation, s->at, y);
    column[0] = y[1] * g[2] - y[2] * g[1];
    column[1] = y[2] * g[0] - y[0] * g[2];
    column[2] = y[0] * g[1] - y[1] * g[0];
    if (j->translation_only) column[0] = column[1] = column[2] = 0.0;
    memcpy(column + 3, g, sizeof g);
    column[6] = m;
    column[7] = 1.0;
}

static inline void add_residual(const job *j, const sample *s, double m, const double by_index[3],
                                sums *sum)
{
    double column[UNKNOWNS];
    const double r = s->value - (j->a * m + j->b), q = j->scale_hu > 0 ? r / j->scale_hu : 0.0;
    const double keep = 1.0 / (1.0 + q * q), weight = keep * keep;
    sum->cost += r * r * keep;
    columns_of(j, s, m, by_index, column);
    for (int i = 0; i < UNKNOWNS; i++) {
        const double wc = weight * column[i];
        sum->right[i] += wc * r;
        for (int k = i; k < UNKNOWNS; k++) sum->normal[i][k] += wc * column[k];
    }
}

/* Task: one chunk of samples. */
static void sum_chunk(void *context, size_t task, int worker)
{
    (void)worker;
    const job *j = context;
    const size_t first = task * CHUNK;
    const size_t last = first + CHUNK < j->samples->count ? first + CHUNK : j->samples->count;
    sums sum = {0};
    for (size_t i = first; i < last; i++) {
        const sample *s = &j->samples->items[i];
        double at[3], m, gradient[3];
        transform(j->turned, s->at, at);
        for (int a = 0; a < 3; a++) at[a] += j->start[a];
        if (!look(j, at, &m, j->gradients ? gradient : NULL)) continue;
        const double f = s->value;
        sum.n++, sum.f += f, sum.m += m, sum.ff += f * f, sum.mm += m * m, sum.fm += f * m;
        if (j->gradients) add_residual(j, s, m, gradient, &sum);
    }
    j->parts[task] = sum;
}

static void add_sums(sums *to, const sums *part)
{
    double *a = (double *)to;
    const double *b = (const double *)part;
    for (size_t i = 0; i < sizeof *to / sizeof *a; i++) a[i] += b[i];
}

static void place_job(job *j, const rp_image *moving, const pose *p)
{
    const rp_grid *g = &moving->grid;
    double offset[3];
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c < 3; c++) j->to_index[r][c] = g->direction[c][r] / g->spacing[r];
        offset[r] = p->origin[r] - g->origin[r];
    }
    memcpy(j->rotation, p->rotation, sizeof j->rotation);
    rotation_multiply((const double(*)[3])j->to_index, p->rotation, j->turned);
    transform((const double(*)[3])j->to_index, offset, j->start);
}

static size_t task_count(const samples *s)
{
    return (s->count + CHUNK - 1) / CHUNK;
}

rp_status samples_prepare(samples *s, rp_error *err)
{
    s->scratch = rp_alloc(task_count(s), sizeof(sums));
    return s->scratch ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
}

void samples_release(samples *s)
{
    rp_free(s->items);
    rp_free(s->scratch);
    *s = (samples){0};
}

static sums sum_up(job *j, const rp_image *moving, const pose *p)
{
    sums all = {0};
    place_job(j, moving, p);
    rp_parallel_for(task_count(j->samples), sum_chunk, j);
    for (size_t i = 0; i < task_count(j->samples); i++) add_sums(&all, &j->parts[i]);
    return all;
}

static fitted judge(const samples *s, const sums *sum)
{
    fitted f = {.correlation = -1.0, .share = s->count ? sum->n / (double)s->count : 0.0};
    if (sum->n < FEWEST) return f;
    const double vf = sum->ff - sum->f * sum->f / sum->n, vm = sum->mm - sum->m * sum->m / sum->n;
    if (vf > 1e-6 * sum->n && vm > 1e-6 * sum->n)
        f.correlation = (sum->fm - sum->f * sum->m / sum->n) / sqrt(vf * vm);
    return f;
}

/* a and b of the plain least squares; a negative relation is none to follow. */
static void relate(job *j, const sums *s)
{
    const double vm = s->mm - s->m * s->m / s->n;
    const double a = vm > 1e-6 * s->n ? (s->fm - s->f * s->m / s->n) / vm : 0.0;
    j->a = fmax(a, 0.05);
    j->b = (s->f - j->a * s->m) / s->n;
}

/* Cholesky on the damped normal equations; false where they have no solution. */
static bool solve(const sums *s, double damping, double step[UNKNOWNS])
{
    double l[UNKNOWNS][UNKNOWNS] = {{0}}, y[UNKNOWNS];
    for (int i = 0; i < UNKNOWNS; i++)
        for (int k = 0; k <= i; k++) {
            double v = s->normal[k][i];
            if (i == k) v = v > 0.0 ? v * (1.0 + (i < 6 ? damping : 0.0)) : 1.0;
            for (int e = 0; e < k; e++) v -= l[i][e] * l[k][e];
            if (i != k) {
                l[i][k] = v / l[k][k];
            } else {
                if (!(v > 1e-12 * s->normal[i][i])) return false;
                l[i][i] = sqrt(v);
            }
        }
    for (int i = 0; i < UNKNOWNS; i++) {
        y[i] = s->right[i];
        for (int e = 0; e < i; e++) y[i] -= l[i][e] * y[e];
        y[i] /= l[i][i];
    }
    for (int i = UNKNOWNS - 1; i >= 0; i--) {
        step[i] = y[i];
        for (int e = i + 1; e < UNKNOWNS; e++) step[i] -= l[e][i] * step[e];
        step[i] /= l[i][i];
    }
    return true;
}

static pose stepped(const pose *from, const double step[UNKNOWNS])
{
    pose to = *from;
    double turn[3][3];
    rotation_of(step, turn);
    rotation_multiply((const double(*)[3])turn, from->rotation, to.rotation);
    for (int a = 0; a < 3; a++) to.origin[a] += step[3 + a];
    return to;
}

/* The longest way of a point 200 mm off the centre, about. */
static double step_mm(const double step[UNKNOWNS])
{
    return sqrt(step[3] * step[3] + step[4] * step[4] + step[5] * step[5]) +
           200.0 * sqrt(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]);
}

/* From sums taken at the pose. */
static sums descend(job *j, const rp_image *moving, int iterations, sums now, pose *p)
{
    const double enough_mm = 0.002, first = 1e-3, least = 1e-7, most = 1e5;
    const double fewest = fmax(FEWEST, 0.5 * now.n);
    double damping = first;
    for (int i = 0; i < iterations && damping < most; i++) {
        double step[UNKNOWNS];
        if (!solve(&now, damping, step)) break;
        const pose next = stepped(p, step);
        job trial = *j;
        trial.a = fmax(j->a + step[6], 0.05);
        trial.b = j->b + step[7];
        const sums there = sum_up(&trial, moving, &next);
        if (there.n < fewest || !(there.cost * now.n < now.cost * there.n)) {
            damping *= 10.0;
            continue;
        }
        *p = next, *j = trial, now = there;
        damping = fmax(damping / 10.0, least);
        if (step_mm(step) < enough_mm) break;
    }
    return now;
}

static fitted run(const samples *s, const rp_image *moving, const fit_options *options, pose *p)
{
    job j = {.samples = s, .data = moving->data, .size = moving->grid.size, .a = 1.0};
    for (int a = 0; a < 3; a++)
        if (j.size[a] < 2) return (fitted){.correlation = -1.0};
    j.parts = s->scratch;
    sums now = sum_up(&j, moving, p);
    if (!options || now.n < FEWEST) return judge(s, &now);
    relate(&j, &now);
    j.gradients = true;
    j.scale_hu = options->scale_hu;
    j.translation_only = options->translation_only;
    now = sum_up(&j, moving, p);
    now = descend(&j, moving, options->iterations, now, p);
    return judge(s, &now);
}

fitted fit_pose(const samples *from, const rp_image *moving, const fit_options *options, pose *p)
{
    return run(from, moving, options, p);
}

fitted fit_nothing(const samples *from, const rp_image *moving, const pose *at)
{
    pose copy = *at;
    return run(from, moving, NULL, &copy);
}
