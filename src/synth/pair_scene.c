/* What surrounds a lesion: cells of random tissues, a skin, vessels. */
#include "pair.h"

#include <math.h>
#include <string.h>

enum { MOST_CELLS = 12, TISSUE_AIR = MOST_CELLS, TISSUE_SKIN, TISSUE_VESSEL, TISSUE_BONE };

/* ---- tissues -------------------------------------------------------------------------------- */

static void draw_tissue(rp_random *random, bool host, float *value, float *grain)
{
    const double kind = rp_random_uniform(random);
    const double fat = host ? 0.1 : 0.35, air = host ? 0.2 : 0.43, bright = host ? 0.25 : 0.55;
    *grain = (float)(0.05 * pow(rp_random_uniform(random), 2.0));
    if (kind < fat)
        *value = (float)rp_random_range(random, 0.03, 0.25);
    else if (kind < air)
        *value = (float)rp_random_range(random, -0.4, 0.03);
    else if (kind < bright)
        *value = (float)rp_random_range(random, 0.65, 1.2);
    else
        *value = (float)rp_random_range(random, 0.3, 0.68);
}

static void draw_tissues(rp_random *random, pair_scene *scene)
{
    for (int t = 0; t < scene->tissues; t++)
        draw_tissue(random, t == scene->host, &scene->value[t], &scene->grain[t]);
    scene->value[TISSUE_AIR] = -0.5f;
    scene->value[TISSUE_SKIN] = (float)rp_random_range(random, 0.03, 0.25);
    scene->value[TISSUE_VESSEL] = (float)rp_random_range(random, 0.3, 0.95);
    scene->value[TISSUE_BONE] = (float)rp_random_range(random, 0.9, 1.6);
    scene->grain[TISSUE_SKIN] = 0.01f;
    scene->grain[TISSUE_BONE] = 0.15f;
}

/* ---- cells ---------------------------------------------------------------------------------- */

/* Each voxel belongs to the nearest of some centres, seen through a warp: organs that touch. */
typedef struct cells {
    double centre[MOST_CELLS][3], weight[MOST_CELLS];
} cells;

static int nearest_cell(const pair_scene *scene, const cells *c, const double point[3])
{
    int best = 0;
    double least = INFINITY;
    for (int i = 0; i < scene->tissues; i++) {
        double sum = 0.0;
        for (int a = 0; a < 3; a++) {
            const double d = point[a] - c->centre[i][a];
            sum += d * d;
        }
        sum *= c->weight[i];
        if (sum < least) best = i;
        if (sum < least) least = sum;
    }
    return best;
}

static void draw_cells(rp_random *random, const pair_space *space, pair_scene *scene, cells *c)
{
    scene->tissues = 3 + (int)(rp_random_uniform(random) * (MOST_CELLS - 2.0));
    if (scene->tissues > MOST_CELLS) scene->tissues = MOST_CELLS;
    for (int i = 0; i < scene->tissues; i++) {
        for (int a = 0; a < 3; a++)
            c->centre[i][a] =
                rp_random_range(random, -0.6, 0.6) * space->size[a] * space->spacing[a];
        c->weight[i] = exp(rp_random_range(random, -0.7, 0.7));
    }
}

/* ---- skin, vessels and bones ---------------------------------------------------------------- */

/* Things drawn over the cells: half-spaces and rods. */
typedef struct rod {
    double start[3], along[3], radius;
    uint8_t tissue;
} rod;

typedef struct overlay {
    double normal[3], skin_mm, air_mm; /* distances along the normal; infinite: none */
    rod rods[6];
    int count;
} overlay;

static void draw_direction(rp_random *random, double out[3])
{
    double length = 0.0;
    while (length < 0.1) {
        length = 0.0;
        for (int a = 0; a < 3; a++) {
            out[a] = rp_random_normal(random);
            length += out[a] * out[a];
        }
        length = sqrt(length);
    }
    for (int a = 0; a < 3; a++) out[a] /= length;
}

static void draw_overlay(rp_random *random, const pair_space *space, overlay *o)
{
    const double half = 0.5 * space->size[0] * space->spacing[0];
    *o = (overlay){.skin_mm = INFINITY, .air_mm = INFINITY};
    draw_direction(random, o->normal);
    if (rp_random_uniform(random) < 0.35) {
        o->air_mm = half * rp_random_range(random, 0.5, 1.1);
        o->skin_mm = o->air_mm - rp_random_range(random, 3.0, 30.0);
    }
    o->count = (int)(rp_random_uniform(random) * 7.0);
    if (o->count > 6) o->count = 6;
    for (int i = 0; i < o->count; i++) {
        rod *r = &o->rods[i];
        const bool bone = rp_random_uniform(random) < 0.25;
        draw_direction(random, r->along);
        for (int a = 0; a < 3; a++) r->start[a] = half * rp_random_range(random, -0.9, 0.9);
        r->radius = bone ? rp_random_range(random, 4.0, 14.0) : rp_random_range(random, 1.5, 7.0);
        r->tissue = bone ? TISSUE_BONE : TISSUE_VESSEL;
    }
}

static bool within_rod(const rod *r, const double point[3])
{
    double along = 0.0, sum = 0.0;
    for (int a = 0; a < 3; a++) {
        const double d = point[a] - r->start[a];
        along += d * r->along[a];
        sum += d * d;
    }
    return sum - along * along < r->radius * r->radius;
}

static uint8_t tissue_at(const pair_scene *scene, const cells *c, const overlay *o,
                         const double point[3])
{
    const double out = o->normal[0] * point[0] + o->normal[1] * point[1] + o->normal[2] * point[2];
    if (out > o->air_mm) return TISSUE_AIR;
    if (out > o->skin_mm) return TISSUE_SKIN;
    for (int i = 0; i < o->count; i++)
        if (within_rod(&o->rods[i], point)) return o->rods[i].tissue;
    return (uint8_t)nearest_cell(scene, c, point);
}

/* ---- the scene ------------------------------------------------------------------------------ */

static bool draw_fields(rp_random *random, const pair_space *space, pair_scene *scene,
                        float *warp[3], double *reach)
{
    const double box = space->size[0] * space->spacing[0];
    const double grain = space->spacing[0] * rp_random_range(random, 1.0, 4.0);
    *reach = box * rp_random_range(random, 0.02, 0.09);
    scene->tissue = rp_alloc(space->voxels, sizeof *scene->tissue);
    scene->texture = rp_alloc(space->voxels, sizeof *scene->texture);
    scene->bias = rp_alloc(space->voxels, sizeof *scene->bias);
    bool good = scene->tissue && scene->texture && scene->bias &&
                pair_field(random, space, grain, scene->texture) &&
                pair_field(random, space, 0.4 * box, scene->bias);
    for (int a = 0; a < 3 && good; a++) {
        warp[a] = rp_alloc(space->voxels, sizeof *warp[a]);
        good = warp[a] && pair_field(random, space, 0.2 * box, warp[a]);
    }
    return good;
}

static void fill_tissues(const pair_space *space, const cells *c, const overlay *o,
                         float *const warp[3], double reach, pair_scene *scene)
{
    size_t i = 0;
    for (int z = 0; z < space->size[2]; z++)
        for (int y = 0; y < space->size[1]; y++)
            for (int x = 0; x < space->size[0]; x++, i++) {
                const int at[3] = {x, y, z};
                double point[3];
                for (int a = 0; a < 3; a++)
                    point[a] = pair_place(space, a, at[a]) + reach * (double)warp[a][i];
                scene->tissue[i] = tissue_at(scene, c, o, point);
            }
}

bool pair_scene_make(rp_random *random, const pair_space *space, const double lesion[3],
                     pair_scene *scene)
{
    cells c;
    overlay o;
    double reach;
    float *warp[3] = {NULL};
    *scene = (pair_scene){0};
    draw_cells(random, space, scene, &c);
    draw_overlay(random, space, &o);
    scene->host = nearest_cell(scene, &c, lesion);
    draw_tissues(random, scene);
    const bool good = draw_fields(random, space, scene, warp, &reach);
    if (good) fill_tissues(space, &c, &o, warp, reach, scene);
    for (int a = 0; a < 3; a++) rp_free(warp[a]);
    return good;
}

void pair_scene_release(pair_scene *scene)
{
    rp_free(scene->tissue);
    rp_free(scene->texture);
    rp_free(scene->bias);
    *scene = (pair_scene){0};
}
