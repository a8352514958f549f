/* Draws one change of a lesion and renders it. */
#include "treatment.h"
#include "internal.h"

#include <math.h>
#include <string.h>

/* Streams of their own, beside those of sample.c. */
enum {
    PURPOSE_TREATMENT = 0x4C000006,
    PURPOSE_SURFACE = 0x4C000007,
    PURPOSE_TEXTURE = 0x4C000008,
};

void rp_treatment_defaults(rp_treatment *treatment)
{
    *treatment = (rp_treatment){.share = 0.8,
                                .vanish = 0.05,
                                .shrink = 0.55,
                                .grow = 0.3,
                                .roughness = 0.1,
                                .roughness_low_mm = 8.0,
                                .roughness_high_mm = 25.0,
                                .density = 0.05,
                                .core = 0.3,
                                .rim = 0.06,
                                .rim_mm = 8.0};
}

/* ---- set-up ------------------------------------------------------------------------------ */

static rp_status allocate(rp_treated *t, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&t->image->grid);
    rp_lattice_shape(&t->lattice, t->size, t->image->grid.spacing, t->options.roughness_low_mm);
    const int *n = t->lattice.nodes;
    const size_t plane = 3 * (size_t)n[0] * (size_t)n[1];
    t->scratch_slice = plane + 3 * (size_t)n[0];
    t->lattice.value = rp_alloc(plane * (size_t)n[2], sizeof *t->lattice.value);
    t->scratch = rp_alloc(t->scratch_slice * (size_t)t->size[2], sizeof *t->scratch);
    t->values = rp_alloc(voxels, sizeof *t->values);
    t->lesion = rp_alloc(voxels, sizeof *t->lesion);
    if (!t->lattice.value || !t->scratch || !t->values || !t->lesion)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a changed lesion");
    for (int a = 0; a < 3; a++)
        t->lattice.sd[a] = 1.0 / sqrt(RP_SPLINE_POWER * RP_SPLINE_POWER * RP_SPLINE_POWER);
    memcpy(t->values, t->image->data, voxels * sizeof *t->values);
    for (size_t i = 0; i < voxels; i++) t->lesion[i] = t->mask->data[i] != 0;
    return RP_OK;
}

rp_status rp_treated_init(rp_treated *treated, const rp_image *image, const rp_mask *mask,
                          const rp_treatment *options, rp_error *err)
{
    *treated = (rp_treated){.image = image, .mask = mask, .options = *options};
    rp_status status = rp_treatment_check(options, err);
    if (status) return status;
    if (rp_mask_count(mask) == 0)
        return rp_fail(err, RP_ERR_REFUSED, "no lesion to change: the contour is empty");
    status = rp_treated_map(treated, err);
    if (!status) status = allocate(treated, err);
    if (status) rp_treated_release(treated);
    return status;
}

void rp_treated_release(rp_treated *t)
{
    rp_free(t->level);
    rp_free(t->radius);
    rp_free(t->base);
    rp_free(t->owner);
    rp_free(t->kind);
    rp_free(t->part);
    rp_free(t->site);
    rp_free(t->chosen);
    rp_free(t->lattice.value);
    rp_free(t->scratch);
    rp_free(t->values);
    rp_free(t->lesion);
    *t = (rp_treated){0};
}

/* ---- drawing ----------------------------------------------------------------------------- */

/* Where the lesion hardly differs from the tissue round it, that little is all there is to tell
 * them apart by: shifts are kept below it. */
static void draw_grey(const rp_treated *t, rp_random *random, rp_treatment_drawn *d)
{
    const rp_treatment *o = &t->options;
    const double most = 0.4 * t->contrast, density = fmin(o->density, most);
    d->density = density * rp_random_normal(random);
    d->mottle = 0.5 * density * rp_random_uniform(random);
    const bool core = rp_random_uniform(random) < o->core;
    const bool dark = rp_random_uniform(random) < 0.6;
    const double strength = rp_random_range(random, 0.03, 0.2) * fmin(1.0, t->contrast / 0.1);
    d->core = core && dark ? -strength : 0.0;
    d->part = core && !dark ? strength : 0.0;
    d->core_depth = rp_random_range(random, 0.25, 0.6);
    d->rim = fmin(o->rim, most) * rp_random_uniform(random);
    d->rim_mm = o->rim_mm * rp_random_uniform(random);
}

static void draw_change(rp_treated *t, uint64_t seed, uint64_t step)
{
    const rp_treatment *o = &t->options;
    rp_treatment_drawn *d = &t->drawn;
    rp_random random;
    rp_random_init(&random, seed, PURPOSE_TREATMENT, step);
    *d = (rp_treatment_drawn){.changed = rp_random_uniform(&random) < o->share};
    d->vanished = rp_random_uniform(&random) < o->vanish;
    d->size = rp_random_range(&random, 1.0 - o->shrink, 1.0 + o->grow);
    d->turn = rp_random_uniform(&random);
    d->roughness = o->roughness * rp_random_uniform(&random);
    d->roughness_mm = rp_random_range(&random, o->roughness_low_mm, o->roughness_high_mm);
    d->stretch = rp_random_range(&random, 0.7, 1.3);
    d->deep_mm = rp_random_range(&random, 2.0, 8.0);
    d->drags = rp_random_uniform(&random) < 0.5;
    d->along_mm = rp_random_range(&random, 2.0, 8.0);
    const double more = rp_random_uniform(&random);
    d->margin_mm = 5.0 * more * more;
    draw_grey(t, &random, d);
}

/* Each block takes the nearest of a few sites drawn, so that what is filled in resembles what is
 * next to it and yet is never the same twice. */
static void choose_sites(const rp_treated *t, rp_random *random)
{
    enum { CANDIDATES = 4 };
    const double *spacing = t->image->grid.spacing;
    const size_t blocks = (size_t)t->blocks[0] * (size_t)t->blocks[1] * (size_t)t->blocks[2];
    for (size_t b = 0; b < blocks && t->sites; b++) {
        const size_t row = (size_t)t->blocks[0], slice = row * (size_t)t->blocks[1];
        const size_t middle[3] = {b % row, b % slice / row, b / slice};
        double nearest = INFINITY;
        for (int c = 0; c < CANDIDATES; c++) {
            int at[3];
            double squares = 0.0;
            const size_t pick = (size_t)(rp_random_uniform(random) * (double)t->sites);
            rp_treated_position(t, t->site[pick], at);
            for (int a = 0; a < 3; a++) {
                const double away = (at[a] - (double)middle[a] * t->block[a]) * spacing[a];
                squares += away * away;
            }
            if (squares >= nearest) continue;
            nearest = squares;
            t->chosen[b] = t->site[pick];
        }
    }
}

void rp_treated_draw(rp_treated *t, uint64_t seed, uint64_t step)
{
    rp_random random;
    draw_change(t, seed, step);
    if (!t->drawn.changed) return;
    rp_lattice_shape(&t->lattice, t->size, t->image->grid.spacing, t->drawn.roughness_mm);
    rp_random_init(&random, seed, PURPOSE_SURFACE, step);
    rp_lattice_draw(&t->lattice, &random);
    rp_random_init(&random, seed, PURPOSE_TEXTURE, step);
    choose_sites(t, &random);
    rp_treated_render(t);
}
