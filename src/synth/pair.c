/* One synthetic pair: a scene, a lesion in it, what changes, and how two scanners see it. */
#include "pair.h"
#include "purpose.h"

#include <math.h>
#include <string.h>

enum { TRIES = 8, LEAST_VOXELS = 20 };

typedef struct pair_work {
    rp_random random;
    pair_space space;
    double centre[3], radius;
    pair_shape shape, other;
    pair_scene scene;
    pair_look look;
    pair_visit visits[2];
    pair_change change;
    float *depth[2], *lumen, *away[2]; /* of both visits in the scene; away: of the other lesion */
    float *own;                        /* the lesion's own texture */
    float *composed, *field;
} pair_work;

void rp_pair_defaults(rp_pair_options *options)
{
    *options = (rp_pair_options){.size = {48, 48, 32}};
}

void rp_pair_release(rp_pair *pair)
{
    rp_image_release(&pair->baseline);
    rp_image_release(&pair->followup);
    rp_mask_release(&pair->baseline_lesion);
    rp_mask_release(&pair->followup_lesion);
    *pair = (rp_pair){0};
}

/* ---- drawing it ----------------------------------------------------------------------------- */

/* The lesion fills as much of the grid as it does of a box round it with some margin. */
static void draw_space(pair_work *w, const int size[3])
{
    rp_random *r = &w->random;
    const double diameter = 8.0 * exp(rp_random_uniform(r) * log(150.0 / 8.0));
    const double box = (diameter + 60.0) * rp_random_range(r, 0.65, 1.1);
    const double flat = rp_random_range(r, 0.75, 1.3);
    w->radius = 0.5 * diameter;
    w->space.spacing[0] = w->space.spacing[1] = fmax(box / size[0], 0.7);
    w->space.spacing[2] = fmax(box * flat / size[0] * 1.5, 0.7);
    w->space.voxels = 1;
    for (int a = 0; a < 3; a++) {
        w->space.size[a] = size[a] + 2 * PAIR_MARGIN;
        w->space.voxels *= (size_t)w->space.size[a];
        w->centre[a] = 0.22 * size[a] * w->space.spacing[a] * rp_random_range(r, -1.0, 1.0);
    }
}

/* ---- shapes --------------------------------------------------------------------------------- */

static bool allocate(pair_work *w)
{
    float **all[] = {&w->depth[0], &w->depth[1], &w->lumen,    &w->away[0],
                     &w->away[1],  &w->own,      &w->composed, &w->field};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i] = rp_alloc(w->space.voxels, sizeof **all[i]))) return false;
    return true;
}

static void release(pair_work *w)
{
    float *all[] = {w->depth[0], w->depth[1], w->lumen,    w->away[0],
                    w->away[1],  w->own,      w->composed, w->field};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rp_free(all[i]);
    pair_scene_release(&w->scene);
}

/* The follow-up's surface has moved by so many radii, here more, there less; inwards by shares of
 * the greatest depth, and evenly where little is to be left, so that only what shall vanish does.
 */
static bool move_surface(pair_work *w, const pair_shape *shape, double change, const float *before,
                         float *after)
{
    double unit = shape->wall > 0.0 ? 2.0 * shape->wall : shape->radius;
    const double uneven = 0.25 * fmin(fmax(fabs(change), 0.1), fmax(1.0 + change, 0.0));
    float deepest = 0.0f;
    if (!pair_field(&w->random, &w->space, shape->radius, w->field)) return false;
    for (size_t i = 0; i < w->space.voxels; i++) deepest = fminf(deepest, before[i]);
    if (change < 0.0) unit = -(double)deepest;
    for (size_t i = 0; i < w->space.voxels; i++)
        after[i] = (float)((double)before[i] - unit * (change + uneven * (double)w->field[i]));
    return true;
}

/* A second lesion of the same look beside the first. */
static bool place_another(pair_work *w, rp_pair *out)
{
    rp_random *r = &w->random;
    double centre[3];
    out->another = rp_random_uniform(r) < 0.25;
    if (!out->another) return true;
    const double turn = rp_random_range(r, 0.0, 2.0 * M_PI),
                 radius = w->radius * rp_random_range(r, 0.3, 0.8);
    const double away = 1.15 * (w->radius + radius) + rp_random_range(r, 2.0, 20.0);
    centre[0] = w->centre[0] + away * cos(turn);
    centre[1] = w->centre[1] + away * sin(turn);
    centre[2] = w->centre[2] + radius * rp_random_range(r, -1.0, 1.0);
    pair_shape_draw(r, centre, radius, &w->other);
    w->other.wall = 0.0;
    return pair_shape_depth(r, &w->other, &w->space, w->away[0], NULL) &&
           move_surface(w, &w->other, w->change.moving, w->away[0], w->away[1]);
}

static bool make_shapes(pair_work *w, rp_pair *out)
{
    rp_random *r = &w->random;
    pair_shape_draw(r, w->centre, w->radius, &w->shape);
    pair_draw_change(r, w->shape.wall > 0.0, &w->change);
    out->change = fmax(w->change.total, -1.0);
    out->followed = w->change.share;
    out->diameter_mm = 2.0 * w->radius;
    out->hollow = w->shape.wall > 0.0;
    out->several_parts = w->shape.several_parts;
    return pair_shape_depth(r, &w->shape, &w->space, w->depth[0], w->lumen) &&
           move_surface(w, &w->shape, w->change.moving, w->depth[0], w->depth[1]) &&
           place_another(w, out);
}

/* ---- what is seen --------------------------------------------------------------------------- */

static float lesion_value(const pair_work *w, const pair_visit *v, size_t i, float depth)
{
    const pair_look *l = &w->look;
    const float grain = l->grain * (l->own_mm > 0.0f ? w->own : w->scene.texture)[i];
    if (w->lumen[i] < 0.0f) return l->lumen;
    if (-depth > v->necrosis_mm) return l->value + l->necrosis + grain;
    return l->value + v->lesion + grain;
}

static float tissue_value(const pair_work *w, const pair_visit *v, size_t i)
{
    const int tissue = w->scene.tissue[i];
    return w->scene.value[tissue] + v->shift[tissue] + w->scene.grain[tissue] * w->scene.texture[i];
}

/* Beyond the window everything looks the same, before any blurring. */
static float clip(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

/* What the lesion keeps of the place that it has left; `left` is the depth of what remains. */
static float kept_there(const pair_work *w, size_t i, float left, float edge)
{
    const pair_look *l = &w->look;
    const float first = w->depth[0][i], scar = first < 0.0f ? l->scar : 0.0f;
    if (l->fibrosis <= 0.0f) return scar;
    const float outside = fmaxf(first, left - l->fibrosis_mm) + l->ragged_mm * w->field[i];
    return fmaxf(scar, l->fibrosis * clip(0.5f - outside / edge));
}

/* Values of a visit at voxel i, before its scanner. */
static float value_at(const pair_work *w, int which, bool another, float edge, size_t i)
{
    const pair_visit *v = &w->visits[which];
    const pair_look *l = &w->look;
    float depth = w->depth[which][i];
    float value = tissue_value(w, v, i);
    if (which == 1) value += kept_there(w, i, depth, edge) * (l->value - value);
    if (another && v->another) depth = fminf(depth, w->away[which][i]);
    if (depth > 0.0f && depth < l->rim_mm) value += l->rim;
    const float share = clip(0.5f - depth / edge);
    return share > 0.0f ? value + share * (lesion_value(w, v, i, depth) - value) : value;
}

/* What the scanner makes of a value at voxel (x, y) of a slice, voxel i of all. */
static float scanned(const pair_work *w, const pair_visit *v, const int at[2], size_t i,
                     float value)
{
    const double half = 0.5 * w->space.size[0] * w->space.spacing[0];
    const double x = pair_place(&w->space, 0, at[0]) / half,
                 y = pair_place(&w->space, 1, at[1]) / half;
    const float cup = v->cupping * (float)(0.5 * (x * x + y * y) - 0.5);
    return clip(v->gain * value + v->bias * w->scene.bias[i] + cup);
}

/* A follow-up that is to be drawn together gets an edge as much wider, so that it has one then. */
static void compose(pair_work *w, int which, bool another)
{
    const pair_space *s = &w->space;
    const double scale = which == 1 ? w->change.scale : 1.0;
    const float edge = fmaxf(w->look.edge_mm, (float)(0.7 * s->spacing[0] / scale));
    size_t i = 0;
    for (int z = 0; z < s->size[2]; z++)
        for (int y = 0; y < s->size[1]; y++)
            for (int x = 0; x < s->size[0]; x++, i++)
                w->composed[i] = scanned(w, &w->visits[which], (const int[]){x, y}, i,
                                         value_at(w, which, another, edge, i));
}

/* ---- what is delivered ---------------------------------------------------------------------- */

/* The scene's tissue alone, at the nearest voxel. */
static float scene_at(const pair_work *w, const pair_visit *v, const double index[3])
{
    const int *size = w->space.size;
    const int at[3] = {(int)lround(index[0]), (int)lround(index[1]), (int)lround(index[2])};
    const size_t i =
        ((size_t)at[2] * (size_t)size[1] + (size_t)at[1]) * (size_t)size[0] + (size_t)at[0];
    return scanned(w, v, at, i, tissue_value(w, v, i));
}

/* The grid without its margins; the middle of both is the same. */
static void sample(const pair_work *w, int which, const pair_motion *m, rp_image *image,
                   rp_mask *lesion)
{
    const int *size = w->space.size, *to = image->grid.size;
    size_t i = 0;
    for (int z = 0; z < to[2]; z++)
        for (int y = 0; y < to[1]; y++)
            for (int x = 0; x < to[0]; x++, i++) {
                const int at[3] = {x + PAIR_MARGIN, y + PAIR_MARGIN, z + PAIR_MARGIN};
                double index[3] = {at[0], at[1], at[2]};
                if (m && !pair_motion_source(&w->space, m, at, index)) {
                    image->data[i] = scene_at(w, &w->visits[which], index);
                    continue;
                }
                image->data[i] = rp_sample_linear(w->composed, size, index);
                lesion->data[i] = rp_sample_linear(w->depth[which], size, index) < 0.0f;
            }
}

/* Scanners see tissue where it is by then, and blur before they add noise. */
static rp_status deliver(pair_work *w, int which, const pair_motion *m, rp_image *image,
                         rp_mask *lesion, rp_error *err)
{
    const pair_space *s = &w->space;
    const pair_visit *v = &w->visits[which];
    const double blur = (double)v->blur, sigma[3] = {blur, blur, 0.5 * blur};
    const rp_grid grid =
        rp_grid_make(s->size[0] - 2 * PAIR_MARGIN, s->size[1] - 2 * PAIR_MARGIN,
                     s->size[2] - 2 * PAIR_MARGIN, s->spacing[0], s->spacing[1], s->spacing[2]);
    rp_status status = rp_image_init(image, &grid, err);
    if (!status) status = rp_mask_init(lesion, &grid, err);
    if (status) return status;
    sample(w, which, m, image, lesion);
    if (blur > 0.3) status = rp_smooth(image->data, grid.size, sigma, err);
    for (size_t i = 0; i < rp_grid_voxels(&grid) && !status; i++)
        image->data[i] = clip(image->data[i] + v->noise * (float)rp_random_normal(&w->random));
    return status;
}

/* By the habit of who draws it. */
static void draw_out(pair_work *w, int which)
{
    for (size_t i = 0; i < w->space.voxels; i++) w->depth[which][i] -= w->look.habit_mm[which];
}

/* And some tenths of a voxel off, here and there. */
static bool draw_contour(pair_work *w)
{
    const double off = w->space.spacing[0] * rp_random_range(&w->random, 0.0, 0.5);
    draw_out(w, 0);
    if (!pair_field(&w->random, &w->space, 0.5 * w->radius, w->field)) return false;
    for (size_t i = 0; i < w->space.voxels; i++) w->depth[0][i] += (float)off * w->field[i];
    return true;
}

static rp_status out_of_memory(rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "no memory for a synthetic pair");
}

/* Fields of what is seen; `field` is the border of fibrosis from here on. */
static bool make_textures(pair_work *w)
{
    rp_random *r = &w->random;
    const pair_look *l = &w->look;
    return (l->own_mm <= 0.0f || pair_field(r, &w->space, (double)l->own_mm, w->own)) &&
           (l->fibrosis <= 0.0f || pair_field(r, &w->space, 0.4 * w->radius, w->field));
}

static bool make_motion(pair_work *w, pair_motion *m)
{
    if (!pair_motion_draw(&w->random, &w->space, m)) return false;
    if (w->change.scale != 1.0)
        pair_motion_stretch(&w->random, &w->space, w->centre, w->change.scale, w->depth[0], m);
    return true;
}

static rp_status make_visits(pair_work *w, rp_pair *out, rp_error *err)
{
    pair_motion m = {.smooth_mm = 0.0};
    rp_status status = RP_OK;
    if (!make_textures(w) || !make_motion(w, &m)) status = out_of_memory(err);
    if (!status) {
        compose(w, 1, out->another);
        draw_out(w, 1);
        status = deliver(w, 1, &m, &out->followup, &out->followup_lesion, err);
    }
    if (!status) {
        compose(w, 0, out->another);
        if (!draw_contour(w)) status = out_of_memory(err);
    }
    if (!status) status = deliver(w, 0, NULL, &out->baseline, &out->baseline_lesion, err);
    if (!status) out->vanished = rp_mask_count(&out->followup_lesion) == 0;
    pair_motion_release(&m);
    return status;
}

static rp_status make(const rp_pair_options *o, uint64_t step, rp_pair *out, rp_error *err)
{
    pair_work w = {.radius = 0.0};
    rp_random *r = &w.random;
    *out = (rp_pair){0};
    rp_random_init(r, o->seed, PURPOSE_PAIR, step);
    draw_space(&w, o->size);
    bool good = allocate(&w) && pair_scene_make(r, &w.space, w.centre, &w.scene);
    if (good) {
        pair_draw_look(r, &w.space, w.radius, &w.scene, &w.look);
        good = make_shapes(&w, out);
    }
    if (good) pair_draw_visits(r, &w.space, &w.shape, &w.change, &w.look, w.visits);
    const rp_status status = good ? make_visits(&w, out, err) : out_of_memory(err);
    release(&w);
    if (status) rp_pair_release(out);
    return status;
}

rp_status rp_pair_make(const rp_pair_options *options, uint64_t index, rp_pair *out, rp_error *err)
{
    *out = (rp_pair){0};
    for (int a = 0; a < 3; a++)
        if (options->size[a] < 16 || options->size[a] > 128)
            return rp_fail(err, RP_ERR_ARGUMENT,
                           "a synthetic pair of %d x %d x %d voxels is impossible",
                           options->size[0], options->size[1], options->size[2]);
    rp_status status = RP_OK;
    for (uint64_t i = 0; i < TRIES && !status; i++) {
        rp_pair_release(out);
        status = make(options, index * TRIES + i, out, err);
        if (!status && rp_mask_count(&out->baseline_lesion) >= LEAST_VOXELS) return RP_OK;
    }
    if (status) return status;
    rp_pair_release(out);
    return rp_fail(err, RP_ERR_NUMERIC, "synthetic pair %llu has no lesion worth a name",
                   (unsigned long long)index);
}
