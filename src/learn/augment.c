/* Samples image and mask together by one backward map, straight into the crop. */
#include "sample.h"
#include "lattice.h"

#include <string.h>

enum { PURPOSE_NOISE = 0x4C000004 };

typedef struct warp_job {
    rp_sampler *sampler;
    const rp_warp *warp;
    float *input;
    uint8_t *target;
} warp_job;

/* ---- one voxel --------------------------------------------------------------------------- */

static inline float mix(float a, float b, float share)
{
    return a + share * (b - a);
}

/* Beyond the outermost voxels' faces there is air and no tumour; within them the border repeats. */
static inline void sample_pair(const rp_sampler *s, const double at[3], float *value,
                               uint8_t *inside)
{
    const int *size = s->image->grid.size;
    const size_t stride[3] = {1, (size_t)size[0], (size_t)size[0] * (size_t)size[1]};
    size_t base = 0, next[3];
    float f[3];
    *value = 0.0f;
    *inside = 0;
    for (int a = 0; a < 3; a++) {
        const double last = size[a] - 1;
        if (!(at[a] >= -0.5 && at[a] <= last + 0.5)) return;
        double clamped = at[a] < 0.0 ? 0.0 : at[a] > last ? last : at[a];
        const int whole = (int)clamped;
        f[a] = (float)(clamped - whole);
        base += (size_t)whole * stride[a];
        next[a] = f[a] > 0.0f ? stride[a] : 0;
    }
    const float *p = s->values + base, *q = p + next[2];
    const float near =
        mix(mix(p[0], p[next[0]], f[0]), mix(p[next[1]], p[next[1] + next[0]], f[0]), f[1]);
    const float far =
        mix(mix(q[0], q[next[0]], f[0]), mix(q[next[1]], q[next[1] + next[0]], f[0]), f[1]);
    *value = mix(near, far, f[2]);

    const uint8_t *m = s->inside + base, *o = m + next[2];
    const float c[8] = {m[0] != 0, m[next[0]] != 0, m[next[1]] != 0, m[next[1] + next[0]] != 0,
                        o[0] != 0, o[next[0]] != 0, o[next[1]] != 0, o[next[1] + next[0]] != 0};
    const float front = mix(mix(c[0], c[1], f[0]), mix(c[2], c[3], f[0]), f[1]);
    const float behind = mix(mix(c[4], c[5], f[0]), mix(c[6], c[7], f[0]), f[1]);
    *inside = mix(front, behind, f[2]) >= 0.5f;
}

/* ---- intensity --------------------------------------------------------------------------- */

/* Four normal deviates of one Philox block: the voxel's place names the block, so that slices can
 * be done in any order. */
static void block_normals(const rp_sampler *s, uint64_t step, uint32_t block, float normal[4])
{
    const uint32_t counter[4] = {block, PURPOSE_NOISE, (uint32_t)step, (uint32_t)(step >> 32)};
    const uint32_t key[2] = {(uint32_t)s->seed, (uint32_t)(s->seed >> 32)};
    uint32_t bits[4];
    rp_philox4x32(counter, key, bits);
    for (int i = 0; i < 2; i++) {
        double u = ((double)bits[2 * i] + 0.5) / 4294967296.0;
        double angle = 2.0 * M_PI * ((double)bits[2 * i + 1] / 4294967296.0);
        double radius = sqrt(-2.0 * log(u));
        normal[2 * i] = (float)(radius * cos(angle));
        normal[2 * i + 1] = (float)(radius * sin(angle));
    }
}

static inline float clip(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

/* Air and bone far beyond the window look the same however noisy they are, so voxels at either end
 * of the window stay there. */
static void change_intensity(const rp_sampler *s, const rp_warp *warp, size_t row, float *value)
{
    const int n = s->size[0];
    const float brightness = (float)warp->brightness, sd = (float)s->augmentation.noise;
    if (s->augmentation.brightness > 0.0)
        for (int x = 0; x < n; x++) value[x] = clip(value[x] * brightness);
    if (!(sd > 0.0f)) return;
    const size_t blocks = ((size_t)n + 3) / 4;
    for (int x = 0; x < n; x += 4) {
        float normal[4];
        block_normals(s, warp->step, (uint32_t)(row * blocks + (size_t)x / 4), normal);
        for (int i = 0; i < 4 && x + i < n; i++)
            if (value[x + i] > 0.0f && value[x + i] < 1.0f)
                value[x + i] = clip(value[x + i] + sd * normal[i]);
    }
}

/* ---- prior ------------------------------------------------------------------------------- */

/* The other channels of the baseline are carried to the finished crop. */
static void tell_likeness(const warp_job *job, int y, int z)
{
    const rp_sampler *s = job->sampler;
    const size_t voxels = rp_sampler_voxels(s), n = (size_t)s->size[0];
    const size_t row = ((size_t)z * (size_t)s->size[1] + (size_t)y) * n;
    float *crop = job->input + row, *like = crop + 3 * voxels;
    if (job->warp->untold)
        memset(like, 0, n * sizeof *like);
    else
        rp_likeness_of(s->likeness, crop, n, like);
}

static void copy_prior_row(const warp_job *job, int y, int z)
{
    const rp_sampler *s = job->sampler;
    const int *extent = s->mask->grid.size, *low = job->warp->prior_low;
    const int at_y = low[1] + y, at_z = low[2] + z;
    const size_t row = (size_t)z * (size_t)s->size[1] + (size_t)y;
    float *out = job->input + rp_sampler_voxels(s) + row * (size_t)s->size[0];
    memset(out, 0, (size_t)s->size[0] * sizeof *out);
    if (at_y < 0 || at_y >= extent[1] || at_z < 0 || at_z >= extent[2]) return;
    const uint8_t *mask = s->mask->data + rp_grid_index(&s->mask->grid, 0, at_y, at_z);
    for (int x = 0; x < s->size[0]; x++)
        if (low[0] + x >= 0 && low[0] + x < extent[0]) out[x] = mask[low[0] + x] != 0;
}

/* ---- slices ------------------------------------------------------------------------------ */

static void warp_row(const warp_job *job, int y, int z, const double *displacement)
{
    const rp_sampler *s = job->sampler;
    const rp_warp *w = job->warp;
    const size_t row = (size_t)z * (size_t)s->size[1] + (size_t)y;
    float *input = job->input + row * (size_t)s->size[0];
    uint8_t *target = job->target + row * (size_t)s->size[0];
    const double dy = y - w->pivot_crop[1], dz = z - w->pivot_crop[2];
    for (int x = 0; x < s->size[0]; x++) {
        const double dx = x - w->pivot_crop[0];
        double at[3];
        for (int a = 0; a < 3; a++)
            at[a] = w->pivot_source[a] +
                    (w->matrix[a][0] * dx + w->matrix[a][1] * dy + w->matrix[a][2] * dz);
        if (displacement) rp_lattice_add(&s->lattice, displacement, x, at);
        sample_pair(s, at, &input[x], &target[x]);
    }
    change_intensity(s, w, row, input);
}

static void warp_slice(void *context, size_t slice, int worker)
{
    const warp_job *job = context;
    rp_sampler *s = job->sampler;
    (void)worker;
    double *plane = NULL, *row = NULL;
    if (s->lattice.value) {
        plane = s->scratch + slice * s->scratch_slice;
        row = plane + 3 * (size_t)s->lattice.nodes[0] * (size_t)s->lattice.nodes[1];
        rp_lattice_contract_z(&s->lattice, (int)slice, plane);
    }
    for (int y = 0; y < s->size[1]; y++) {
        if (plane) rp_lattice_contract_y(&s->lattice, y, plane, row);
        warp_row(job, y, (int)slice, row);
        if (s->prior) copy_prior_row(job, y, (int)slice);
        if (s->likeness) tell_likeness(job, y, (int)slice);
    }
}

void rp_sampler_apply(rp_sampler *sampler, const rp_warp *warp, float *input, uint8_t *target)
{
    warp_job job = {sampler, warp, input, target};
    rp_parallel_for((size_t)sampler->size[2], warp_slice, &job);
}
