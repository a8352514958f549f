/* One synthetic pair: a scene, a lesion in it, what changes, and how two scanners see it. */
#include "pair.h"
#include "purpose.h"

#include <math.h>
#include <string.h>

enum { TRIES = 8, LEAST_VOXELS = 20 };

/* How the lesion looks; values in units of the window. */
typedef struct look {
    float value, grain;
    float edge_mm;               /* width of its border */
    float rim_mm, rim;           /* a ring outside, and what it adds */
    float necrosis_mm, necrosis; /* deeper than this it is replaced */
    float lumen;
    float scar; /* what the place that a lesion has left keeps of its contrast */
} look;

/* How a visit differs from the scene. */
typedef struct visit {
    float shift[PAIR_TISSUES]; /* of every tissue's value: timing of contrast */
    float lesion;              /* of the lesion's value */
    float gain, noise, bias, blur;
    bool another; /* the other lesion is there */
} visit;

typedef struct pair_work {
    rp_random random;
    pair_space space;
    double centre[3], radius;
    pair_shape shape, other;
    pair_scene scene;
    look look;
    visit visits[2];
    float *depth[2], *lumen, *away[2]; /* of both visits in the scene; away: of the other lesion */
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

static double logarithmic(rp_random *random, double low, double high)
{
    return low * exp(rp_random_uniform(random) * log(high / low));
}

/* The lesion fills as much of the grid as it does of a box round it with some margin. */
static void draw_space(pair_work *w, const int size[3])
{
    rp_random *r = &w->random;
    const double diameter = logarithmic(r, 8.0, 150.0);
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

static void draw_look(pair_work *w)
{
    rp_random *r = &w->random;
    look *l = &w->look;
    const float host = w->scene.value[w->scene.host];
    const double contrast = logarithmic(r, 0.05, 0.4);
    const bool brighter = rp_random_uniform(r) < 0.35;
    *l = (look){.value = host + (float)(brighter ? contrast : -contrast)};
    if (host < 0.1f || host > 0.9f) l->value = (float)rp_random_range(r, 0.3, 0.65);
    l->grain = (float)rp_random_range(r, 0.0, 0.05);
    l->edge_mm = (float)(w->radius * rp_random_range(r, 0.0, 0.15));
    if (rp_random_uniform(r) < 0.3) {
        l->rim_mm = (float)rp_random_range(r, 1.0, 6.0);
        l->rim = (float)rp_random_range(r, -0.15, 0.2);
    }
    l->necrosis_mm = INFINITY;
    if (rp_random_uniform(r) < 0.35) {
        l->necrosis_mm = (float)(w->radius * rp_random_range(r, 0.2, 0.8));
        l->necrosis = (float)rp_random_range(r, -0.35, 0.25);
    }
    l->lumen = (float)(rp_random_uniform(r) < 0.5 ? -0.3 : rp_random_range(r, 0.2, 0.7));
    if (rp_random_uniform(r) < 0.4) l->scar = (float)rp_random_range(r, 0.0, 0.4);
}

static void draw_visit(pair_work *w, visit *v, bool followup)
{
    rp_random *r = &w->random;
    const double timing = rp_random_uniform(r) < 0.3 ? 0.08 : 0.025;
    *v = (visit){.gain = 1.0f, .another = true};
    v->noise = (float)logarithmic(r, 0.006, 0.07);
    v->bias = (float)rp_random_range(r, 0.0, 0.04);
    v->blur = (float)rp_random_range(r, 0.0, 0.9);
    if (!followup) return;
    for (int t = 0; t < PAIR_TISSUES; t++) v->shift[t] = (float)(timing * rp_random_normal(r));
    v->lesion = (float)(0.7 * timing * rp_random_normal(r));
    v->gain = (float)rp_random_range(r, 0.92, 1.08);
    v->another = rp_random_uniform(r) < 0.8;
}

/* How far the surface moves, in radii. */
static double draw_change(rp_random *r)
{
    const double kind = rp_random_uniform(r);
    if (kind < 0.04) return -3.0;
    if (kind < 0.14) return rp_random_range(r, -0.85, -0.55);
    if (kind < 0.45) return rp_random_range(r, -0.55, -0.08);
    if (kind < 0.72) return rp_random_range(r, 0.05, 0.35);
    return rp_random_range(r, -0.08, 0.05);
}

/* ---- shapes --------------------------------------------------------------------------------- */

static bool allocate(pair_work *w)
{
    float **all[] = {&w->depth[0], &w->depth[1], &w->lumen, &w->away[0],
                     &w->away[1],  &w->composed, &w->field};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i] = rp_alloc(w->space.voxels, sizeof **all[i]))) return false;
    return true;
}

static void release(pair_work *w)
{
    float *all[] = {w->depth[0], w->depth[1], w->lumen, w->away[0],
                    w->away[1],  w->composed, w->field};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rp_free(all[i]);
    pair_scene_release(&w->scene);
}

/* The follow-up's surface has moved by so many radii, here more, there less. */
static bool move_surface(pair_work *w, const pair_shape *shape, double change, const float *before,
                         float *after)
{
    const double unit = shape->wall > 0.0 ? 2.0 * shape->wall : shape->radius;
    const double uneven = 0.25 * fmax(fabs(change), 0.1);
    if (!pair_field(&w->random, &w->space, shape->radius, w->field)) return false;
    for (size_t i = 0; i < w->space.voxels; i++)
        after[i] = (float)((double)before[i] - unit * (change + uneven * (double)w->field[i]));
    return true;
}

/* A second lesion of the same look beside the first. */
static bool place_another(pair_work *w, double change, rp_pair *out)
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
           move_surface(w, &w->other, change, w->away[0], w->away[1]);
}

static bool make_shapes(pair_work *w, rp_pair *out)
{
    rp_random *r = &w->random;
    const double change = draw_change(r);
    out->change = fmax(change, -1.0);
    out->diameter_mm = 2.0 * w->radius;
    pair_shape_draw(r, w->centre, w->radius, &w->shape);
    out->hollow = w->shape.wall > 0.0;
    out->several_parts = w->shape.several_parts;
    return pair_shape_depth(r, &w->shape, &w->space, w->depth[0], w->lumen) &&
           move_surface(w, &w->shape, change, w->depth[0], w->depth[1]) &&
           place_another(w, change, out);
}

/* ---- what is seen --------------------------------------------------------------------------- */

static float lesion_value(const pair_work *w, const visit *v, size_t i, float depth)
{
    const look *l = &w->look;
    const float grain = l->grain * w->scene.texture[i];
    if (w->lumen[i] < 0.0f) return l->lumen;
    if (-depth > l->necrosis_mm) return l->value + l->necrosis + grain;
    return l->value + v->lesion + grain;
}

static float tissue_value(const pair_work *w, const visit *v, size_t i)
{
    const int tissue = w->scene.tissue[i];
    return w->scene.value[tissue] + v->shift[tissue] + w->scene.grain[tissue] * w->scene.texture[i];
}

/* Beyond the window everything looks the same, before any blurring. */
static float clip(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

static void compose(pair_work *w, int which, bool another)
{
    const visit *v = &w->visits[which];
    const look *l = &w->look;
    const float edge = fmaxf(l->edge_mm, (float)(0.7 * w->space.spacing[0]));
    for (size_t i = 0; i < w->space.voxels; i++) {
        float depth = w->depth[which][i], first = w->depth[0][i];
        if (another && v->another) depth = fminf(depth, w->away[which][i]);
        float value = tissue_value(w, v, i);
        if (first < 0.0f) value += l->scar * (l->value - value);
        if (depth > 0.0f && depth < l->rim_mm) value += l->rim;
        const float share = clip(0.5f - depth / edge);
        if (share > 0.0f) value += share * (lesion_value(w, v, i, depth) - value);
        w->composed[i] = clip(v->gain * value + v->bias * w->scene.bias[i]);
    }
}

/* ---- motion --------------------------------------------------------------------------------- */

/* Where the tissue at a place of the follow-up was at the baseline: what registration leaves. */
typedef struct motion {
    double shift[3], turn[3]; /* mm; radians about x, y, z, small */
    double smooth_mm;
    float *field[3];
} motion;

static bool draw_motion(pair_work *w, motion *m)
{
    rp_random *r = &w->random;
    const bool far = rp_random_uniform(r) < 0.12;
    const double box = w->space.size[0] * w->space.spacing[0];
    *m = (motion){.smooth_mm = fmin(rp_random_range(r, 0.0, 3.0), 0.02 * box)};
    bool good = true;
    for (int a = 0; a < 3; a++) {
        m->shift[a] = far ? rp_random_range(r, -12.0, 12.0) : 2.0 * rp_random_normal(r);
        m->turn[a] = 0.04 * rp_random_normal(r);
        m->field[a] = rp_alloc(w->space.voxels, sizeof *m->field[a]);
        good = good && m->field[a] &&
               pair_field(r, &w->space, rp_random_range(r, 0.2, 0.5) * box, m->field[a]);
    }
    return good;
}

static void motion_release(motion *m)
{
    for (int a = 0; a < 3; a++) rp_free(m->field[a]);
}

static void come_from(const pair_space *s, const motion *m, const int at[3], double index[3])
{
    const size_t i =
        ((size_t)at[2] * (size_t)s->size[1] + (size_t)at[1]) * (size_t)s->size[0] + (size_t)at[0];
    double p[3];
    for (int a = 0; a < 3; a++) p[a] = pair_place(s, a, at[a]);
    for (int a = 0; a < 3; a++) {
        const int b = (a + 1) % 3, c = (a + 2) % 3;
        const double moved = m->shift[a] + m->turn[b] * p[c] - m->turn[c] * p[b] +
                             m->smooth_mm * (double)m->field[a][i];
        index[a] = at[a] + moved / s->spacing[a];
    }
}

/* ---- what is delivered ---------------------------------------------------------------------- */

/* The grid without its margins; the middle of both is the same. */
static rp_status deliver(pair_work *w, int which, const motion *m, rp_image *image, rp_mask *lesion,
                         rp_error *err)
{
    const pair_space *s = &w->space;
    const visit *v = &w->visits[which];
    const rp_grid grid =
        rp_grid_make(s->size[0] - 2 * PAIR_MARGIN, s->size[1] - 2 * PAIR_MARGIN,
                     s->size[2] - 2 * PAIR_MARGIN, s->spacing[0], s->spacing[1], s->spacing[2]);
    rp_status status = rp_image_init(image, &grid, err);
    if (!status) status = rp_mask_init(lesion, &grid, err);
    if (status) return status;
    size_t i = 0;
    for (int z = 0; z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            for (int x = 0; x < grid.size[0]; x++, i++) {
                const int at[3] = {x + PAIR_MARGIN, y + PAIR_MARGIN, z + PAIR_MARGIN};
                double index[3] = {at[0], at[1], at[2]};
                if (m) come_from(s, m, at, index);
                const float value = rp_sample_linear(w->composed, s->size, index);
                image->data[i] = clip(value + v->noise * (float)rp_random_normal(&w->random));
                lesion->data[i] = rp_sample_linear(w->depth[which], s->size, index) < 0.0f;
            }
    return RP_OK;
}

/* Scanners blur before they add noise, and noise has a grain of its own. */
static rp_status see(pair_work *w, int which, const rp_pair *pair, rp_error *err)
{
    const double blur = (double)w->visits[which].blur;
    const double sigma[3] = {blur, blur, 0.5 * blur};
    compose(w, which, pair->another);
    return blur > 0.3 ? rp_smooth(w->composed, w->space.size, sigma, err) : RP_OK;
}

/* People draw a contour some tenths of a voxel off, here and there. */
static bool draw_contour(pair_work *w)
{
    const double off = w->space.spacing[0] * rp_random_range(&w->random, 0.0, 0.5);
    if (!pair_field(&w->random, &w->space, 0.5 * w->radius, w->field)) return false;
    for (size_t i = 0; i < w->space.voxels; i++) w->depth[0][i] += (float)off * w->field[i];
    return true;
}

static rp_status out_of_memory(rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "no memory for a synthetic pair");
}

static rp_status make_visits(pair_work *w, rp_pair *out, rp_error *err)
{
    motion m = {.smooth_mm = 0.0};
    rp_status status = draw_motion(w, &m) ? see(w, 1, out, err) : out_of_memory(err);
    if (!status) status = deliver(w, 1, &m, &out->followup, &out->followup_lesion, err);
    if (!status) status = see(w, 0, out, err);
    if (!status && !draw_contour(w)) status = out_of_memory(err);
    if (!status) status = deliver(w, 0, NULL, &out->baseline, &out->baseline_lesion, err);
    if (!status) out->vanished = rp_mask_count(&out->followup_lesion) == 0;
    motion_release(&m);
    return status;
}

static rp_status make(const rp_pair_options *o, uint64_t step, rp_pair *out, rp_error *err)
{
    pair_work w = {.radius = 0.0};
    *out = (rp_pair){0};
    rp_random_init(&w.random, o->seed, PURPOSE_PAIR, step);
    draw_space(&w, o->size);
    rp_status status = RP_OK;
    if (!allocate(&w) || !pair_scene_make(&w.random, &w.space, w.centre, &w.scene))
        status = out_of_memory(err);
    if (!status) {
        draw_look(&w);
        for (int i = 0; i < 2; i++) draw_visit(&w, &w.visits[i], i == 1);
        status = make_shapes(&w, out) ? make_visits(&w, out, err) : out_of_memory(err);
    }
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
