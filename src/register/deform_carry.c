/* Points and masks through a finished field. */
#include "deform_run.h"

#include <math.h>
#include <string.h>

static bool lies_in(const rp_grid *g, const double world[3])
{
    double index[3];
    bool inside = true;
    rp_grid_from_world(g, world, index);
    for (int a = 0; a < 3; a++) inside &= index[a] >= 0.0 && index[a] <= g->size[a] - 1;
    return inside;
}

/* The region's displacements fade into the whole's towards its border. */
static const field *field_for(const rp_deform *d, const double world[3])
{
    return d->region.u && lies_in(&d->region.grid, world) ? &d->region : &d->whole;
}

void rp_deform_to_baseline(const rp_deform *deform, const double followup[3], double baseline[3])
{
    double moved[3], u[3];
    field_at(field_for(deform, followup), followup, u);
    for (int a = 0; a < 3; a++) moved[a] = followup[a] + u[a];
    rp_rigid_apply(&deform->to_baseline, moved, baseline);
}

/* x + u(x) = wanted, by repeated substitution: half of what is missing where that does not shrink.
 */
bool rp_deform_to_followup(const rp_deform *deform, const double baseline[3], double followup[3])
{
    const double near_enough_mm = 0.1;
    enum { ROUNDS = 60 };
    const rp_rigid back = rp_rigid_inverse(&deform->to_baseline);
    double wanted[3], at[3], least = INFINITY, share = 1.0;
    rp_rigid_apply(&back, baseline, wanted);
    memcpy(at, wanted, sizeof at);
    memcpy(followup, wanted, sizeof wanted);
    for (int i = 0; i < ROUNDS && least > 0.01 * near_enough_mm; i++) {
        double u[3], missing[3], square = 0.0;
        field_at(field_for(deform, at), at, u);
        for (int a = 0; a < 3; a++) {
            missing[a] = wanted[a] - at[a] - u[a];
            square += missing[a] * missing[a];
        }
        if (sqrt(square) < least) {
            least = sqrt(square);
            memcpy(followup, at, sizeof at);
        } else {
            share *= 0.5;
        }
        for (int a = 0; a < 3; a++) at[a] += share * missing[a];
    }
    return least <= near_enough_mm;
}

double rp_deform_jacobian(const rp_deform *deform, const double followup[3])
{
    const double step_mm = 1.0;
    double m[3][3];
    for (int a = 0; a < 3; a++) {
        double low[3], high[3], from[3], to[3];
        memcpy(low, followup, sizeof low);
        memcpy(high, followup, sizeof high);
        low[a] -= step_mm, high[a] += step_mm;
        rp_deform_to_baseline(deform, low, from);
        rp_deform_to_baseline(deform, high, to);
        for (int r = 0; r < 3; r++) m[r][a] = (to[r] - from[r]) / (2.0 * step_mm);
    }
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

/* ---- masks ------------------------------------------------------------------------------- */

enum { MOST_SAMPLES = 4, STEPS = 256 };

typedef struct carry_job {
    const rp_deform *deform;
    const rp_mask *from;
    rp_grid to;
    int samples[3];      /* per target voxel, along each axis */
    int low[3], high[3]; /* the target's voxels that may be reached */
    uint16_t *values;    /* of the target's voxels, in STEPS */
    size_t *counts;      /* per slice: of each value */
} carry_job;

static float indicator(const rp_mask *mask, const double index[3])
{
    const int *n = mask->grid.size;
    int low[3];
    double share[3], sum = 0.0;
    for (int a = 0; a < 3; a++) {
        low[a] = (int)floor(index[a]);
        share[a] = index[a] - low[a];
        if (!(index[a] > -1.0 && index[a] < n[a])) return 0.0f;
    }
    for (int corner = 0; corner < 8; corner++) {
        const int x = low[0] + (corner & 1), y = low[1] + (corner >> 1 & 1),
                  z = low[2] + (corner >> 2);
        if (x < 0 || y < 0 || z < 0 || x >= n[0] || y >= n[1] || z >= n[2]) continue;
        if (!mask->data[rp_grid_index(&mask->grid, x, y, z)]) continue;
        sum += (corner & 1 ? share[0] : 1 - share[0]) * (corner & 2 ? share[1] : 1 - share[1]) *
               (corner & 4 ? share[2] : 1 - share[2]);
    }
    return (float)sum;
}

/* Mean of the indicator over the voxel. */
static float value_of(const carry_job *job, int x, int y, int z)
{
    const int *n = job->samples;
    float sum = 0.0f;
    for (int k = 0; k < n[2]; k++)
        for (int j = 0; j < n[1]; j++)
            for (int i = 0; i < n[0]; i++) {
                const double at[3] = {x + (i + 0.5) / n[0] - 0.5, y + (j + 0.5) / n[1] - 0.5,
                                      z + (k + 0.5) / n[2] - 0.5};
                double world[3], there[3], index[3];
                rp_grid_to_world(&job->to, at, world);
                rp_deform_to_baseline(job->deform, world, there);
                rp_grid_from_world(&job->from->grid, there, index);
                sum += indicator(job->from, index);
            }
    return sum / (float)(n[0] * n[1] * n[2]);
}

/* Task: one slice of the target. */
static void carry_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const carry_job *job = context;
    size_t *counts = job->counts + z * (STEPS + 1);
    if ((int)z < job->low[2] || (int)z > job->high[2]) return;
    for (int y = job->low[1]; y <= job->high[1]; y++)
        for (int x = job->low[0]; x <= job->high[0]; x++) {
            const int step = (int)lroundf(STEPS * value_of(job, x, y, (int)z));
            job->values[rp_grid_index(&job->to, x, y, (int)z)] = (uint16_t)step;
            counts[step]++;
        }
}

/* Where the mask's voxels go: the target's voxels to look at, and how many go elsewhere. */
static bool find_reach(carry_job *job, double *moved_out)
{
    const rp_grid *g = &job->from->grid;
    const double rim_mm = 10.0;
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    size_t all = 0, out = 0, i = 0;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                double world[3], there[3], index[3];
                bool inside = true;
                if (!job->from->data[i++]) continue;
                rp_grid_to_world(g, (const double[3]){x, y, z}, world);
                rp_deform_to_followup(job->deform, world, there);
                rp_grid_from_world(&job->to, there, index);
                for (int a = 0; a < 3; a++) {
                    low[a] = fmin(low[a], index[a] - rim_mm / job->to.spacing[a] - 1.0);
                    high[a] = fmax(high[a], index[a] + rim_mm / job->to.spacing[a] + 1.0);
                    inside &= index[a] >= -0.5 && index[a] <= job->to.size[a] - 0.5;
                }
                all++;
                out += !inside;
            }
    for (int a = 0; a < 3; a++) {
        job->low[a] = (int)fmax(0.0, ceil(low[a]));
        job->high[a] = (int)fmin(job->to.size[a] - 1, floor(high[a]));
    }
    *moved_out = all ? (double)out / (double)all : 0.0;
    return all > 0;
}

/* The step from which on voxels are inside: between a quarter and three quarters, where their
 * number is nearest to the sum of all. */
static int threshold_of(const carry_job *job)
{
    double sum = 0.0, above = 0.0, nearest = INFINITY;
    int best = STEPS / 2;
    for (int step = STEPS; step >= STEPS / 4; step--) {
        for (int z = 0; z < job->to.size[2]; z++)
            above += (double)job->counts[(size_t)z * (STEPS + 1) + (size_t)step];
        if (step == STEPS) {
            for (int z = 0; z < job->to.size[2]; z++)
                for (int s = 1; s <= STEPS; s++)
                    sum += s * (double)job->counts[(size_t)z * (STEPS + 1) + (size_t)s] / STEPS;
        }
        if (step > 3 * STEPS / 4) continue;
        if (fabs(above - sum) < nearest) nearest = fabs(above - sum), best = step;
    }
    return best;
}

static rp_status carry(carry_job *job, rp_mask *out, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&job->to);
    rp_status status = rp_mask_init(out, &job->to, err);
    job->values = rp_alloc(voxels, sizeof *job->values);
    job->counts = rp_alloc((size_t)job->to.size[2] * (STEPS + 1), sizeof *job->counts);
    if (!status && (!job->values || !job->counts))
        status = rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    if (!status) {
        rp_parallel_for((size_t)job->to.size[2], carry_slice, job);
        const int threshold = threshold_of(job);
        for (size_t i = 0; i < voxels; i++) out->data[i] = job->values[i] >= threshold;
    }
    rp_free(job->values);
    rp_free(job->counts);
    return status;
}

rp_status rp_deform_carry_mask(const rp_deform *deform, const rp_mask *baseline,
                               const rp_grid *followup, rp_mask *out, double *moved_out,
                               rp_error *err)
{
    double share = 0.0;
    *out = (rp_mask){0};
    rp_status status = rp_grid_check(followup, err);
    if (status) return status;
    carry_job job = {.deform = deform, .from = baseline, .to = rp_grid_canonical(followup)};
    double least = baseline->grid.spacing[0];
    for (int a = 1; a < 3; a++) least = fmin(least, baseline->grid.spacing[a]);
    for (int a = 0; a < 3; a++) {
        const int wanted = (int)ceil(job.to.spacing[a] / least - 0.01);
        job.samples[a] = wanted < 1 ? 1 : wanted > MOST_SAMPLES ? MOST_SAMPLES : wanted;
    }
    if (find_reach(&job, &share))
        status = carry(&job, out, err);
    else
        status = rp_mask_init(out, &job.to, err);
    if (!status) status = rp_mask_restore(out, followup, err);
    if (status) rp_mask_release(out);
    if (moved_out) *moved_out = share;
    return status;
}
