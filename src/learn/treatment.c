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

/* Tissue is dragged along this far at most, and less and less up to a multiple of that off. */
static const double DRAG_MM = 8.0, DRAG_REACH = 3.0;

enum { SURFACE, MOTTLE, PARTS }; /* fields of the lattice */

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
    rp_free(t->outside.site);
    rp_free(t->outside.chosen);
    rp_free(t->inside.site);
    rp_free(t->inside.chosen);
    rp_free(t->lattice.value);
    rp_free(t->scratch);
    rp_free(t->values);
    rp_free(t->lesion);
    *t = (rp_treated){0};
}

/* ---- drawing ----------------------------------------------------------------------------- */

static void draw_grey(const rp_treatment *o, rp_random *random, rp_treatment_drawn *d)
{
    d->density = o->density * rp_random_normal(random);
    d->mottle = 0.5 * o->density * rp_random_uniform(random);
    const bool core = rp_random_uniform(random) < o->core;
    const bool dark = rp_random_uniform(random) < 0.6;
    const double strength = rp_random_range(random, 0.03, 0.2);
    d->core = core && dark ? -strength : 0.0;
    d->part = core && !dark ? strength : 0.0;
    d->core_depth = rp_random_range(random, 0.25, 0.6);
    d->rim = o->rim * rp_random_uniform(random);
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
    d->edge = rp_random_range(&random, 0.7, 1.8);
    d->drag = fmax(0.0, rp_random_range(&random, -0.8, 0.8));
    d->follow = fmin(1.0, rp_random_range(&random, 0.3, 1.7));
    const double more = rp_random_uniform(&random);
    d->margin_mm = 5.0 * more * more;
    draw_grey(o, &random, d);
}

static size_t image_index(const rp_treated *t, const int at[3])
{
    return rp_grid_index(&t->image->grid, t->low[0] + at[0], t->low[1] + at[1], t->low[2] + at[2]);
}

static void position_of(const rp_treated *t, size_t index, int at[3])
{
    const size_t row = (size_t)t->size[0], slice = row * (size_t)t->size[1];
    at[0] = (int)(index % row);
    at[1] = (int)(index % slice / row);
    at[2] = (int)(index / slice);
}

/* Each block takes the nearest of a few sites drawn, so that what is filled in resembles what is
 * next to it and yet is never the same twice. */
static void choose_sites(const rp_treated *t, rp_treated_texture *texture, rp_random *random)
{
    enum { CANDIDATES = 4 };
    const double *spacing = t->image->grid.spacing;
    const size_t blocks = (size_t)t->blocks[0] * (size_t)t->blocks[1] * (size_t)t->blocks[2];
    for (size_t b = 0; b < blocks && texture->sites; b++) {
        const size_t row = (size_t)t->blocks[0], slice = row * (size_t)t->blocks[1];
        const size_t middle[3] = {b % row, b % slice / row, b / slice};
        double nearest = INFINITY;
        for (int c = 0; c < CANDIDATES; c++) {
            int at[3];
            double squares = 0.0;
            const size_t pick = (size_t)(rp_random_uniform(random) * (double)texture->sites);
            position_of(t, texture->site[pick], at);
            for (int a = 0; a < 3; a++) {
                const double away = (at[a] - (double)middle[a] * t->block[a]) * spacing[a];
                squares += away * away;
            }
            if (squares >= nearest) continue;
            nearest = squares;
            texture->chosen[b] = texture->site[pick];
        }
    }
}

/* ---- rendering --------------------------------------------------------------------------- */

/* One voxel of the box. */
typedef struct spot {
    int at[3];
    size_t index;               /* in the box */
    double level, now;          /* of the old and of the new surface, mm */
    double normal[3], voxel_mm; /* the voxel's extent along the normal */
    double field[3];
} spot;

static double smooth_step(double low, double high, double value)
{
    const double t = fmin(fmax((value - low) / (high - low), 0.0), 1.0);
    return t * t * (3.0 - 2.0 * t);
}

/* Sum of patches about their means, with the variance of one patch, on the smooth sum of the
 * means: blending alone would make the texture weaker, and so tell where the lesion was. */
static double patches(const rp_treated *t, const rp_treated_texture *texture, const int at[3])
{
    double mean = 0.0, detail = 0.0, squares = 0.0;
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1.0;
        int site[3], from[3];
        size_t block[3];
        for (int a = 0; a < 3; a++) {
            const int first = at[a] / t->block[a], side = corner >> a & 1;
            const double share = (double)(at[a] - first * t->block[a]) / t->block[a];
            block[a] = (size_t)(first + side);
            weight *= side ? share : 1.0 - share;
        }
        if (weight <= 0.0) continue;
        const size_t chosen =
            texture->chosen[(block[2] * (size_t)t->blocks[1] + block[1]) * (size_t)t->blocks[0] +
                            block[0]];
        position_of(t, chosen, site);
        for (int a = 0; a < 3; a++) {
            from[a] = site[a] + at[a] - (int)block[a] * t->block[a];
            from[a] = from[a] < 0 ? 0 : from[a] >= t->size[a] ? t->size[a] - 1 : from[a];
        }
        const double base = (double)t->base[chosen];
        mean += weight * base;
        squares += weight * weight;
        if (t->kind[rp_treated_index(t, from[0], from[1], from[2])] == t->kind[chosen])
            detail += weight * ((double)t->image->data[image_index(t, from)] - base);
    }
    return mean + detail / sqrt(squares);
}

/* A place along the normal, in voxels of the box; false outside the image. */
static bool along_normal(const rp_treated *t, const spot *s, double way_mm, double at[3])
{
    for (int a = 0; a < 3; a++) {
        at[a] = s->at[a] + way_mm * s->normal[a] / t->image->grid.spacing[a];
        const double in_image = at[a] + t->low[a];
        if (in_image < 0.0 || in_image > t->image->grid.size[a] - 1) return false;
    }
    return true;
}

static bool is_tissue(const rp_treated *t, double value)
{
    return value >= t->low_value && value <= t->high_value;
}

/* The voxel at the end of a way along the normal; false where it is not of the side wanted, or of
 * another kind of tissue. A whole voxel, for interpolation would smooth the noise. */
static bool mirrored(const rp_treated *t, const spot *s, double way_mm, bool outside, double *value)
{
    double place[3];
    int at[3];
    bool in_box = true;
    if (!along_normal(t, s, way_mm, place)) return false;
    for (int a = 0; a < 3; a++) {
        at[a] = (int)lround(place[a]);
        in_box &= at[a] >= 0 && at[a] < t->size[a];
    }
    *value = (double)t->image->data[image_index(t, at)];
    if (!in_box) return outside && is_tissue(t, *value);
    const size_t index = rp_treated_index(t, at[0], at[1], at[2]);
    const double level = (double)t->level[index];
    if (!outside) return level < -0.5 * s->voxel_mm;
    return level > s->voxel_mm && t->kind[index] == RP_TREATED_TISSUE;
}

/* Grey value as of one side of the old surface, where the voxel is of the other or next to it. */
static double fill(const rp_treated *t, const spot *s, bool outside, double margin_mm)
{
    const rp_treatment_drawn *d = &t->drawn;
    const rp_treated_texture *texture = outside ? &t->outside : &t->inside;
    const double deep_mm = outside ? margin_mm - s->level : margin_mm + s->level;
    const double own = (double)t->image->data[image_index(t, s->at)];
    double near = 0.0;
    if (deep_mm <= 0.0) return own;
    const double way = (1.0 + d->stretch) * deep_mm;
    const bool found = mirrored(t, s, outside ? way : -way, outside, &near);
    if (!texture->sites) return found ? near : own;
    const double far = found ? smooth_step(d->deep_mm, d->deep_mm + 4.0, deep_mm) : 1.0;
    if (far <= 0.0) return near;
    const double patch = patches(t, texture, s->at);
    return found ? near + far * (patch - near) : patch;
}

/* Beyond the window: bone or air. */
static bool is_extreme(const rp_treated *t, const spot *s)
{
    const float own = t->image->data[image_index(t, s->at)];
    return t->kind[s->index] == RP_TREATED_FOREIGN && (own <= 0.02f || own >= 0.98f);
}

/* Bone and air next to the lesion stay what they are; so does other tissue that is not in part
 * lesion. */
static bool stays(const rp_treated *t, const spot *s)
{
    if (is_extreme(t, s)) return true;
    return t->kind[s->index] != RP_TREATED_TISSUE && s->level > 2.0 * s->voxel_mm;
}

static void turn_to(const rp_treated *t, spot *s)
{
    double squares = 0.0;
    s->index = rp_treated_index(t, s->at[0], s->at[1], s->at[2]);
    s->level = (double)t->level[s->index];
    rp_treated_normal(t, s->at, s->normal);
    for (int a = 0; a < 3; a++) {
        const double steps = s->normal[a] / t->image->grid.spacing[a];
        squares += steps * steps;
    }
    s->voxel_mm = 1.0 / sqrt(squares);
}

static double dragged_mm(const rp_treatment_drawn *d, const spot *s)
{
    const double way = d->vanished ? 0.0 : d->drag * (s->now - s->level);
    return fmin(fmax(way, -DRAG_MM), DRAG_MM);
}

/* What is to be seen where the lesion is not. A share of the way that the surface went is gone by
 * the tissue too, less and less up to three times as far off; what is then still to be seen of the
 * old lesion is filled. */
static double surroundings(const rp_treated *t, const spot *s)
{
    const rp_treatment_drawn *d = &t->drawn;
    const double way = dragged_mm(d, s), reach = DRAG_REACH * fabs(way);
    double at[3] = {s->at[0], s->at[1], s->at[2]};
    spot from = *s;
    if (reach > 0.0 && s->now < reach &&
        along_normal(t, s, way * (1.0 - fmax(s->now, 0.0) / reach), at)) {
        for (int a = 0; a < 3; a++) {
            at[a] = fmin(fmax(at[a], 0.0), t->size[a] - 1);
            from.at[a] = (int)lround(at[a]);
        }
        turn_to(t, &from);
    }
    const double margin_mm = 1.5 * from.voxel_mm + d->margin_mm;
    if (from.level < margin_mm && !stays(t, &from)) return fill(t, &from, true, margin_mm);
    for (int a = 0; a < 3; a++) at[a] += t->low[a];
    return (double)rp_sample_linear(t->image->data, t->image->grid.size, at);
}

/* What is to be seen where the lesion is. Its texture follows the surface as well, less and less
 * towards the middle: a bright rim or a dark core stay rim and core. */
static double lesion_value(const rp_treated *t, const spot *s)
{
    const double moved = s->now - s->level, way = moved < 0.0 ? moved : t->drawn.follow * moved;
    const double reach = fmax(1.2 * fabs(way), (double)t->radius[s->index]);
    const double share = fmax(0.0, 1.0 - fmax(-s->now, 0.0) / reach);
    double at[3];
    spot from = *s;
    if (along_normal(t, s, way * share, at)) {
        for (int a = 0; a < 3; a++)
            from.at[a] = (int)lround(fmin(fmax(at[a], 0.0), t->size[a] - 1));
        turn_to(t, &from);
    }
    return fill(t, &from, false, 1.5 * from.voxel_mm);
}

/* Level of the new surface: the old one scaled about the part's centroid, then moved along its
 * normal by the rest of the change and by the noise. */
static double new_level(const rp_treated *t, const spot *s)
{
    const rp_treatment_drawn *d = &t->drawn;
    const int owner = t->owner[s->index];
    const rp_treated_part *part = &t->part[owner];
    const double scale = pow(d->size, d->turn * part->compact);
    const double radius = (double)t->radius[s->index];
    double at[3];
    int nearest[3];
    for (int a = 0; a < 3; a++) {
        at[a] = part->centre[a] + (s->at[a] - part->centre[a]) / scale;
        at[a] = fmin(fmax(at[a], 0.0), t->size[a] - 1);
        nearest[a] = (int)lround(at[a]);
    }
    double level = (double)rp_sample_linear(t->level, t->size, at);
    if (t->owner[rp_treated_index(t, nearest[0], nearest[1], nearest[2])] != owner)
        level = fabs(level); /* of a neighbour, whose image must not appear between the two */
    const double noise = fmin(d->roughness * radius, 0.15 * d->roughness_mm) * s->field[SURFACE];
    const double now = scale * level - (d->size - scale) * radius - noise;
    /* No lesion grows into air or bone, unless these are what is round it. */
    return is_extreme(t, s) ? fmax(now, s->voxel_mm) : now;
}

/* What the lesion's grey values differ by. */
static double tint(const rp_treated *t, const spot *s)
{
    const rp_treatment_drawn *d = &t->drawn;
    const double depth = -s->now / (double)t->radius[s->index];
    double shift = d->density + d->mottle * s->field[MOTTLE];
    shift +=
        d->core * smooth_step(d->core_depth, d->core_depth + 0.2, depth + 0.1 * s->field[PARTS]);
    shift += d->part * smooth_step(0.8, 1.8, s->field[PARTS]);
    return shift;
}

static float changed_value(const rp_treated *t, const spot *s)
{
    const rp_treatment_drawn *d = &t->drawn;
    const double own = (double)t->image->data[image_index(t, s->at)];
    const double edge = d->edge * s->voxel_mm;
    const double in = 1.0 - smooth_step(-edge, edge, s->now);
    /* Where the surface stays, so does its own edge. */
    const double moved = smooth_step(0.0, s->voxel_mm, fabs(s->now - s->level));
    double value = own;
    if (moved > 0.0) {
        double mixed = 0.0;
        if (in > 0.0) mixed += in * lesion_value(t, s);
        if (in < 1.0) mixed += (1.0 - in) * surroundings(t, s);
        value += moved * (mixed - own);
    }
    /* What lies beyond the window stays there. */
    if (value <= 0.0 || value >= 1.0) return (float)fmin(fmax(value, 0.0), 1.0);
    if (in > 0.0) value += in * tint(t, s);
    if (s->now < d->rim_mm && !d->vanished)
        value -= (1.0 - in) * d->rim * (1.0 - fmax(s->now, 0.0) / d->rim_mm) *
                 fmin(1.0, 4.0 * value * (1.0 - value));
    return (float)fmin(fmax(value, 0.0), 1.0);
}

static void render_row(rp_treated *t, int y, int z, const double *fields)
{
    const rp_treatment_drawn *d = &t->drawn;
    const double *spacing = t->image->grid.spacing;
    spot s = {.at = {0, y, z}};
    for (int x = 0; x < t->size[0]; x++) {
        s.at[0] = x;
        s.index = rp_treated_index(t, x, y, z);
        s.level = (double)t->level[s.index];
        /* Beyond the reach of every change there is no need to look. */
        const double radius = (double)t->radius[s.index], grows = fmax(d->size - 1.0, 0.0);
        const double drags = d->drag > 0.0 ? DRAG_MM * DRAG_REACH : 0.0;
        if (s.level > fmax(d->rim_mm, drags) + d->margin_mm + 3.0 * spacing[2] +
                          grows * (t->extent_mm + radius) + 4.0 * d->roughness * radius)
            continue;
        memset(s.field, 0, sizeof s.field);
        rp_lattice_add(&t->lattice, fields, x, s.field);
        turn_to(t, &s);
        s.now = d->vanished ? 1e3 : new_level(t, &s);
        const size_t at = image_index(t, s.at);
        t->values[at] = changed_value(t, &s);
        t->lesion[at] = s.now < 0.0;
    }
}

static void render_slice(void *context, size_t slice, int worker)
{
    rp_treated *t = context;
    double *plane = t->scratch + slice * t->scratch_slice;
    double *row = plane + 3 * (size_t)t->lattice.nodes[0] * (size_t)t->lattice.nodes[1];
    (void)worker;
    rp_lattice_contract_z(&t->lattice, (int)slice, plane);
    for (int y = 0; y < t->size[1]; y++) {
        const int start[3] = {0, y, (int)slice};
        const size_t at = image_index(t, start);
        memcpy(t->values + at, t->image->data + at, (size_t)t->size[0] * sizeof *t->values);
        for (int x = 0; x < t->size[0]; x++)
            t->lesion[at + (size_t)x] = t->mask->data[at + (size_t)x] != 0;
        rp_lattice_contract_y(&t->lattice, y, plane, row);
        render_row(t, y, (int)slice, row);
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
    choose_sites(t, &t->outside, &random);
    choose_sites(t, &t->inside, &random);
    rp_parallel_for((size_t)t->size[2], render_slice, t);
}
