/* The two images on one lattice, and which of its voxels count. */
#include "deform_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Everything from lung to bone: what is below or above says nothing more. */
static const float WINDOW[2] = {-1000.0f, 500.0f};
static const double SMOOTH = 0.6; /* of a lattice's spacing */
/* Differences below it are noise, at the lattices' voxels. */
static const float NOISE_HU = 12.0f;

/* ---- pyramid ----------------------------------------------------------------------------- */

/* Where the lattice's nodes fall between an image's voxels must not show: what interpolation takes
 * from a voxel half-way is little beside what this takes everywhere. */
static rp_status smooth_image(rp_image *image, double spacing_mm, rp_error *err)
{
    double sigma[3];
    for (int a = 0; a < 3; a++) sigma[a] = SMOOTH * spacing_mm / image->grid.spacing[a];
    return rp_smooth(image->data, image->grid.size, sigma, err);
}

rp_status pyramid_make(const rp_image *canonical, double spacing_mm, pyramid *p, rp_error *err)
{
    rp_status status = RP_OK;
    for (int l = 0; !status && l < PYRAMID; l++)
        status = levels_shrink(l ? &p->levels[l - 1] : canonical, spacing_mm * (l + 1), WINDOW,
                               &p->levels[l], err);
    for (int l = 0; !status && l < PYRAMID; l++)
        status = smooth_image(&p->levels[l], spacing_mm * (l + 1), err);
    return status;
}

rp_status region_make(const rp_image *part, double spacing_mm, rp_image *out, rp_error *err)
{
    rp_status status = levels_shrink(part, 0.5 * spacing_mm, WINDOW, out, err);
    return status ? status : smooth_image(out, spacing_mm, err);
}

void pyramid_release(pyramid *p)
{
    for (int l = 0; l < PYRAMID; l++) rp_image_release(&p->levels[l]);
}

bool pyramid_shows_something(const pyramid *p)
{
    const float least_hu = 20.0f;
    const rp_image *image = &p->levels[0];
    float low = image->data[0], high = low;
    for (size_t i = 1; i < rp_grid_voxels(&image->grid); i++) {
        low = fminf(low, image->data[i]);
        high = fmaxf(high, image->data[i]);
    }
    return high - low >= least_hu;
}

/* ---- what counts ------------------------------------------------------------------------- */

/* Marks what is reached from the border of a slice without crossing what is not 0. */
static void reach_from_border(uint8_t *slice, int nx, int ny, int *stack)
{
    int depth = 0;
    for (int i = 0; i < nx * ny; i++) {
        const int x = i % nx, y = i / nx;
        const bool border = x == 0 || y == 0 || x == nx - 1 || y == ny - 1;
        if (border && !slice[i]) slice[i] = 2, stack[depth++] = i;
    }
    while (depth) {
        const int i = stack[--depth], x = i % nx, y = i / nx;
        const int to[4] = {x > 0 ? i - 1 : i, x < nx - 1 ? i + 1 : i, y > 0 ? i - nx : i,
                           y < ny - 1 ? i + nx : i};
        for (int n = 0; n < 4; n++)
            if (!slice[to[n]]) slice[to[n]] = 2, stack[depth++] = to[n];
    }
}

/* With lungs and bowel: whatever the body encloses in an axial slice. */
rp_status find_whole_body(const rp_image *level, rp_mask *body, rp_error *err)
{
    const int *n = level->grid.size;
    rp_status status = levels_body(level, body, err);
    if (status) return status;
    const size_t plane = (size_t)n[0] * (size_t)n[1];
    RP_AUTOFREE int *stack = rp_alloc(plane, sizeof *stack);
    if (!stack) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    for (int z = 0; z < n[2]; z++)
        reach_from_border(body->data + (size_t)z * plane, n[0], n[1], stack);
    for (size_t i = 0; i < rp_grid_voxels(&body->grid); i++) body->data[i] = body->data[i] != 2;
    return RP_OK;
}

/* ---- onto the lattice -------------------------------------------------------------------- */

typedef struct warp_job {
    const rp_image *from;
    const field *motion; /* NULL: none */
    const rp_rigid *rigid;
    const rp_grid *to;
    float *out;
    uint8_t *shown;
} warp_job;

static bool is_within(const rp_grid *g, const double index[3])
{
    const double rim = 0.5 + 1e-3; /* what lies on the edge is in, however it was rounded */
    bool within = true;
    for (int a = 0; a < 3; a++) within &= index[a] >= -rim && index[a] <= g->size[a] - 1 + rim;
    return within;
}

/* Task: one slice of the lattice. */
static void warp_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const warp_job *job = context;
    for (int y = 0; y < job->to->size[1]; y++)
        for (int x = 0; x < job->to->size[0]; x++) {
            const size_t i = rp_grid_index(job->to, x, y, (int)z);
            double world[3], moved[3], index[3];
            rp_grid_to_world(job->to, (const double[3]){x, y, (double)z}, world);
            if (job->motion) {
                const float *u = job->motion->u + 3 * i;
                for (int a = 0; a < 3; a++) world[a] += u[a];
            }
            rp_rigid_apply(job->rigid, world, moved);
            rp_grid_from_world(&job->from->grid, moved, index);
            job->shown[i] = is_within(&job->from->grid, index);
            job->out[i] = rp_sample_linear(job->from->data, job->from->grid.size, index);
        }
}

void body_on_grid(const rp_mask *body, const rp_grid *to, uint8_t *out)
{
    size_t i = 0;
    for (int z = 0; z < to->size[2]; z++)
        for (int y = 0; y < to->size[1]; y++)
            for (int x = 0; x < to->size[0]; x++, i++) {
                double world[3], index[3];
                int at[3];
                rp_grid_to_world(to, (const double[3]){x, y, z}, world);
                rp_grid_from_world(&body->grid, world, index);
                for (int a = 0; a < 3; a++) {
                    const double last = body->grid.size[a] - 1;
                    at[a] = (int)lround(fmin(fmax(index[a], 0.0), last));
                }
                out[i] = body->data[rp_grid_index(&body->grid, at[0], at[1], at[2])];
            }
}

rp_status lattice_init(lattice *l, const rp_grid *grid, const rp_image *followup,
                       const rp_mask *body, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(grid);
    const rp_rigid still = rp_rigid_identity();
    l->s.grid = *grid;
    l->body = rp_alloc(voxels, 1);
    l->s.shown = rp_alloc(voxels, 1);
    l->image = rp_alloc(voxels, sizeof *l->image);
    l->s.fixed = rp_alloc(voxels, MIND_CHANNELS * sizeof *l->s.fixed);
    l->s.moving = rp_alloc(voxels, MIND_CHANNELS * sizeof *l->s.moving);
    if (!l->body || !l->s.shown || !l->image || !l->s.fixed || !l->s.moving)
        return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    warp_job job = {
        .from = followup, .rigid = &still, .to = &l->s.grid, .out = l->image, .shown = l->s.shown};
    rp_parallel_for((size_t)grid->size[2], warp_slice, &job);
    body_on_grid(body, grid, l->body);
    for (size_t i = 0; i < voxels; i++) l->body[i] &= l->s.shown[i];
    l->s.body = l->body;
    return mind_describe(l->image, grid->size, NOISE_HU, l->s.fixed, err);
}

rp_status lattice_warp(lattice *l, const rp_image *baseline, const rp_rigid *to_baseline,
                       const field *motion, rp_error *err)
{
    warp_job job = {.from = baseline,
                    .motion = motion,
                    .rigid = to_baseline,
                    .to = &l->s.grid,
                    .out = l->image,
                    .shown = l->s.shown};
    rp_parallel_for((size_t)l->s.grid.size[2], warp_slice, &job);
    return mind_describe(l->image, l->s.grid.size, NOISE_HU, l->s.moving, err);
}

void lattice_release(lattice *l)
{
    rp_free(l->body);
    rp_free(l->s.shown);
    rp_free(l->image);
    rp_free(l->s.fixed);
    rp_free(l->s.moving);
    *l = (lattice){0};
}
