/* Renders the change that was drawn of a lesion. */
#include "treatment.h"

#include <math.h>
#include <string.h>

enum { SURFACE, MOTTLE, PARTS }; /* fields of the lattice */

/* Tissue follows a surface that it holds on to up to so many local radii off, and no farther than
 * leaves the box in peace. */
static const double DRAG_RADII = 1.5, DRAG_MM = 28.0;

/* One voxel of the box. */
typedef struct spot {
    int at[3];
    size_t index;               /* in the box */
    double level;               /* of the old surface, mm */
    double normal[3], voxel_mm; /* the voxel's extent along the normal */
} spot;

/* The new surface as seen from a voxel, and the place in the old lesion that belongs to it. */
typedef struct move {
    double level; /* of the new surface, mm */
    double
        source[3]; /* voxels of the box: as far from the old surface as the voxel is from the new */
} move;

static double smooth_step(double low, double high, double value)
{
    const double t = fmin(fmax((value - low) / (high - low), 0.0), 1.0);
    return t * t * (3.0 - 2.0 * t);
}

static spot spot_at(const rp_treated *t, const int at[3])
{
    spot s = {.at = {at[0], at[1], at[2]}, .index = rp_treated_index(t, at[0], at[1], at[2])};
    double squares = 0.0;
    s.level = (double)t->level[s.index];
    rp_treated_normal(t, at, s.normal);
    for (int a = 0; a < 3; a++) {
        const double steps = s.normal[a] / t->image->grid.spacing[a];
        squares += steps * steps;
    }
    s.voxel_mm = 1.0 / sqrt(squares);
    return s;
}

static double value_at(const rp_treated *t, const spot *s)
{
    return (double)t->image->data[rp_treated_in_image(t, s->at)];
}

/* Beyond the window: bone or air. */
static bool is_extreme(const rp_treated *t, const int at[3])
{
    const float own = t->image->data[rp_treated_in_image(t, at)];
    const uint8_t kind = t->kind[rp_treated_index(t, at[0], at[1], at[2])];
    return (kind == RP_TREATED_FOREIGN || kind == RP_TREATED_OTHER) &&
           (own <= 0.02f || own >= 0.98f);
}

/* ---- where the lesion was and is no more ------------------------------------------------- */

/* Sum of patches about their means, with the variance of one patch, on the smooth sum of the
 * means: blending alone would make the texture weaker, and so tell where the lesion was. */
static double patches(const rp_treated *t, const int at[3])
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
            t->chosen[(block[2] * (size_t)t->blocks[1] + block[1]) * (size_t)t->blocks[0] +
                      block[0]];
        rp_treated_position(t, chosen, site);
        for (int a = 0; a < 3; a++) {
            from[a] = site[a] + at[a] - (int)block[a] * t->block[a];
            from[a] = from[a] < 0 ? 0 : from[a] >= t->size[a] ? t->size[a] - 1 : from[a];
        }
        const double base = (double)t->base[chosen];
        mean += weight * base;
        squares += weight * weight;
        if (t->kind[rp_treated_index(t, from[0], from[1], from[2])] == t->kind[chosen])
            detail += weight * ((double)t->image->data[rp_treated_in_image(t, from)] - base);
    }
    return mean + detail / sqrt(squares);
}

/* The voxel at the end of a way outwards; false where it is not outside the old lesion, or of
 * another kind of tissue. A whole voxel, for interpolation would smooth the noise. */
static bool mirrored(const rp_treated *t, const spot *s, double way_mm, double *value)
{
    int at[3];
    bool in_box = true;
    for (int a = 0; a < 3; a++) {
        at[a] = (int)lround(s->at[a] + way_mm * s->normal[a] / t->image->grid.spacing[a]);
        in_box &= at[a] >= 0 && at[a] < t->size[a];
        if (at[a] + t->low[a] < 0 || at[a] + t->low[a] >= t->image->grid.size[a]) return false;
    }
    *value = (double)t->image->data[rp_treated_in_image(t, at)];
    if (!in_box) return *value >= t->low_value && *value <= t->high_value;
    const size_t index = rp_treated_index(t, at[0], at[1], at[2]);
    return (double)t->level[index] > s->voxel_mm && t->kind[index] == RP_TREATED_TISSUE;
}

/* Bone and air next to the lesion stay what they are; so does other tissue that is not in part
 * lesion. */
static bool stays(const rp_treated *t, const spot *s, double margin_mm)
{
    if (s->level >= margin_mm || is_extreme(t, s->at)) return true;
    return t->kind[s->index] != RP_TREATED_TISSUE && s->level > 2.0 * s->voxel_mm;
}

/* As if there had been no lesion: tissue mirrored across the old surface, and deeper patches. */
static double without_lesion(const rp_treated *t, const spot *s)
{
    const rp_treatment_drawn *d = &t->drawn;
    const double margin_mm = 1.5 * s->voxel_mm + d->margin_mm, deep_mm = margin_mm - s->level;
    const double own = value_at(t, s);
    double near = 0.0;
    if (stays(t, s, margin_mm)) return own;
    const bool found = mirrored(t, s, (1.0 + d->stretch) * deep_mm, &near);
    if (!t->sites) return found ? near : own;
    const double far = found ? smooth_step(d->deep_mm, d->deep_mm + 4.0, deep_mm) : 1.0;
    if (far <= 0.0) return near;
    const double patch = patches(t, s->at);
    return found ? near + far * (patch - near) : patch;
}

/* ---- the new surface --------------------------------------------------------------------- */

static void clamp_to_box(const rp_treated *t, double at[3], int nearest[3])
{
    for (int a = 0; a < 3; a++) {
        at[a] = fmin(fmax(at[a], 0.0), t->size[a] - 1);
        nearest[a] = (int)lround(at[a]);
    }
}

/* No lesion grows into air or bone, unless these are what is round it. */
static void stay_put(const spot *s, move *m)
{
    m->level = s->voxel_mm;
    for (int a = 0; a < 3; a++) m->source[a] = s->at[a];
}

/* The old surface scaled about the part's centroid, then moved along its normal by the rest of the
 * change and by the noise. */
static move find_move(const rp_treated *t, const spot *s, const double field[3])
{
    const rp_treatment_drawn *d = &t->drawn;
    const int owner = t->owner[s->index];
    const rp_treated_part *part = &t->part[owner];
    const double radius = (double)t->radius[s->index], scale = part->scale;
    const double noise = fmin(d->roughness * radius, 0.15 * d->roughness_mm) * field[SURFACE];
    const double outwards = (d->size - scale) * radius + noise;
    move m;
    int nearest[3];
    double normal[3];
    for (int a = 0; a < 3; a++)
        m.source[a] = part->centre[a] + (s->at[a] - part->centre[a]) / scale;
    clamp_to_box(t, m.source, nearest);
    double level = (double)rp_sample_linear(t->level, t->size, m.source);
    if (t->owner[rp_treated_index(t, nearest[0], nearest[1], nearest[2])] != owner)
        level = fabs(level); /* of a neighbour, whose image must not appear between the two */
    m.level = scale * level - outwards;
    /* Towards the middle of the lesion, which stays, less and less is moved. */
    const double depth = fmax(-m.level, 0.0), reach = fmax(1.2 * fabs(outwards), radius);
    const double way = outwards / scale * fmax(0.0, 1.0 - depth / reach);
    rp_treated_normal(t, nearest, normal);
    for (int a = 0; a < 3; a++) m.source[a] -= way * normal[a] / t->image->grid.spacing[a];
    clamp_to_box(t, m.source, nearest);
    if (m.level < s->voxel_mm && is_extreme(t, s->at)) stay_put(s, &m);
    return m;
}

/* A share of the way from a voxel to its source. */
static double value_on_the_way(const rp_treated *t, const spot *s, const move *m, double share)
{
    double at[3];
    for (int a = 0; a < 3; a++) at[a] = t->low[a] + s->at[a] + share * (m->source[a] - s->at[a]);
    return (double)rp_sample_linear(t->image->data, t->image->grid.size, at);
}

/* Where tissue holds on to the lesion it follows the surface, less and less with the distance. Else
 * a seam of it alone follows, so that the edge looks as it did, in the tissue that would be there
 * without the lesion. */
static double surroundings(const rp_treated *t, const spot *s, const move *m)
{
    const rp_treatment_drawn *d = &t->drawn;
    if (d->drags) {
        const double radius = (double)t->radius[s->index];
        const double most = DRAG_MM + (1.0 - d->size) * radius;
        const double left = 1.0 - m->level / fmax(8.0, fmin(DRAG_RADII * radius, most));
        return left > 0.0 ? value_on_the_way(t, s, m, left * left) : value_at(t, s);
    }
    /* Bone and air neither come along nor are covered. */
    int nearest[3];
    double source[3] = {m->source[0], m->source[1], m->source[2]};
    clamp_to_box(t, source, nearest);
    const bool apart = is_extreme(t, s->at) || is_extreme(t, nearest);
    const double seam = apart ? 0.0 : 1.0 - smooth_step(0.0, d->along_mm, m->level);
    const double own = seam < 1.0 ? without_lesion(t, s) : 0.0;
    return seam > 0.0 ? own + seam * (value_on_the_way(t, s, m, 1.0) - own) : own;
}

/* ---- grey values ------------------------------------------------------------------------- */

/* What the lesion's grey values differ by. */
static double tint(const rp_treated *t, const spot *s, const move *m, const double field[3])
{
    const rp_treatment_drawn *d = &t->drawn;
    const double depth = -m->level / (double)t->radius[s->index] + 0.2 * field[PARTS];
    double shift = d->density + d->mottle * field[MOTTLE];
    shift += d->core * smooth_step(d->core_depth, d->core_depth + 0.3, depth);
    return shift + d->part * smooth_step(0.8, 1.8, field[PARTS]);
}

static float changed_value(const rp_treated *t, const spot *s, const move *m, const double field[3])
{
    const rp_treatment_drawn *d = &t->drawn;
    double value = m->level < 0.0 ? value_on_the_way(t, s, m, 1.0) : surroundings(t, s, m);
    /* What lies beyond the window stays there. */
    if (value <= 0.0 || value >= 1.0) return (float)fmin(fmax(value, 0.0), 1.0);
    const double in = 1.0 - smooth_step(-s->voxel_mm, s->voxel_mm, m->level);
    if (in > 0.0) value += in * tint(t, s, m, field);
    if (m->level < d->rim_mm)
        value -= (1.0 - in) * d->rim * (1.0 - fmax(m->level, 0.0) / d->rim_mm) *
                 fmin(1.0, 4.0 * value * (1.0 - value));
    return (float)fmin(fmax(value, 0.0), 1.0);
}

/* ---- voxels ------------------------------------------------------------------------------ */

/* Farthest from the old surface that anything can change. */
static double reach_of(const rp_treated *t, double radius)
{
    const rp_treatment_drawn *d = &t->drawn;
    const double seam = fmax(d->rim_mm, d->drags ? DRAG_MM : d->along_mm);
    return seam + d->margin_mm + 3.0 * t->image->grid.spacing[2] + 4.0 * d->roughness * radius +
           fmax(d->size - 1.0, 0.0) * (t->extent_mm + radius);
}

static void render_voxel(rp_treated *t, const int at[3], const double *fields)
{
    const size_t index = rp_treated_index(t, at[0], at[1], at[2]);
    if ((double)t->level[index] > reach_of(t, (double)t->radius[index])) return;
    const size_t out = rp_treated_in_image(t, at);
    const spot s = spot_at(t, at);
    double field[3] = {0.0, 0.0, 0.0};
    if (t->drawn.vanished) {
        t->values[out] = (float)without_lesion(t, &s);
        t->lesion[out] = 0;
        return;
    }
    rp_lattice_add(&t->lattice, fields, at[0], field);
    const move m = find_move(t, &s, field);
    t->values[out] = changed_value(t, &s, &m, field);
    t->lesion[out] = m.level < 0.0;
}

static void render_slice(void *context, size_t slice, int worker)
{
    rp_treated *t = context;
    double *plane = t->scratch + slice * t->scratch_slice;
    double *row = plane + 3 * (size_t)t->lattice.nodes[0] * (size_t)t->lattice.nodes[1];
    (void)worker;
    rp_lattice_contract_z(&t->lattice, (int)slice, plane);
    for (int y = 0; y < t->size[1]; y++) {
        int at[3] = {0, y, (int)slice};
        const size_t start = rp_treated_in_image(t, at);
        memcpy(t->values + start, t->image->data + start, (size_t)t->size[0] * sizeof *t->values);
        for (int x = 0; x < t->size[0]; x++)
            t->lesion[start + (size_t)x] = t->mask->data[start + (size_t)x] != 0;
        rp_lattice_contract_y(&t->lattice, y, plane, row);
        for (at[0] = 0; at[0] < t->size[0]; at[0]++) render_voxel(t, at, row);
    }
}

void rp_treated_render(rp_treated *t)
{
    for (size_t p = 0; p < t->parts; p++)
        t->part[p].scale = pow(t->drawn.size, t->drawn.turn * t->part[p].compact);
    rp_parallel_for((size_t)t->size[2], render_slice, t);
}
