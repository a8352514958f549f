/* What a synthetic pair is to show: look of the lesion, scanners, change. */
#include "pair.h"

#include <math.h>

/* ---- change --------------------------------------------------------------------------------- */

static double draw_total(rp_random *r)
{
    const double kind = rp_random_uniform(r);
    if (kind < 0.05) return -3.0;
    if (kind < 0.25) return rp_random_range(r, -0.85, -0.5);
    if (kind < 0.53) return rp_random_range(r, -0.5, -0.08);
    if (kind < 0.75) return rp_random_range(r, 0.05, 0.4);
    if (kind < 0.8) return rp_random_range(r, 0.4, 0.6);
    return rp_random_range(r, -0.08, 0.05);
}

/* Moves of a hollow lesion's surfaces are told in thicknesses of its wall, those of its tissue in
 * radii, so that only one of the two can be. */
void pair_draw_change(rp_random *r, bool hollow, pair_change *change)
{
    const bool follows = rp_random_uniform(r) < 0.4, whole = rp_random_uniform(r) < 0.5;
    const double share = rp_random_range(r, 0.5, 1.0);
    *change = (pair_change){.total = draw_total(r), .scale = 1.0};
    change->moving = change->total;
    if (!follows || change->total < -1.0) return;
    change->share = whole || hollow ? 1.0 : share;
    change->scale = 1.0 + change->share * change->total;
    change->moving = (1.0 + change->total) / change->scale - 1.0;
}

/* ---- look ----------------------------------------------------------------------------------- */

static double logarithmic(rp_random *random, double low, double high)
{
    return low * exp(rp_random_uniform(random) * log(high / low));
}

/* A lesion that is hardly brighter or darker than its host is told by its grain: its own, or the
 * host's that it lacks. */
static void draw_grain(rp_random *r, double spacing_mm, bool faint, pair_scene *scene,
                       pair_look *look)
{
    const double kind = rp_random_uniform(r), pitch = logarithmic(r, 1.0, 9.0);
    look->grain = (float)rp_random_range(r, 0.0, 0.05);
    if (faint || kind < 0.3) look->own_mm = (float)(spacing_mm * pitch);
    if (!faint) return;
    float *host = &scene->grain[scene->host];
    if (kind < 0.7) {
        look->grain = *host + (float)rp_random_range(r, 0.03, 0.1);
    } else {
        *host = (float)rp_random_range(r, 0.04, 0.1);
        look->grain = (float)rp_random_range(r, 0.0, 0.01);
    }
}

void pair_draw_look(rp_random *r, const pair_space *space, double radius_mm, pair_scene *scene,
                    pair_look *l)
{
    const float host = scene->value[scene->host];
    const bool alone = host < 0.1f || host > 0.9f; /* nothing like it can lie there */
    const bool faint = rp_random_uniform(r) < 0.15 && !alone;
    const double contrast = faint ? logarithmic(r, 0.015, 0.05) : logarithmic(r, 0.05, 0.4);
    const bool brighter = rp_random_uniform(r) < 0.35;
    *l = (pair_look){.value = host + (float)(brighter ? contrast : -contrast)};
    if (alone) l->value = (float)rp_random_range(r, 0.3, 0.65);
    draw_grain(r, space->spacing[0], faint, scene, l);
    l->edge_mm = (float)(radius_mm * rp_random_range(r, 0.0, 0.15));
    if (rp_random_uniform(r) < 0.3) {
        l->rim_mm = (float)rp_random_range(r, 1.0, 6.0);
        l->rim = (float)rp_random_range(r, -0.15, 0.2);
    }
    l->lumen = (float)(rp_random_uniform(r) < 0.5 ? -0.3 : rp_random_range(r, 0.2, 0.7));
    if (rp_random_uniform(r) < 0.4) l->scar = (float)rp_random_range(r, 0.0, 0.4);
}

/* ---- visits --------------------------------------------------------------------------------- */

static void draw_visit(rp_random *r, bool followup, pair_visit *v)
{
    const double timing = rp_random_uniform(r) < 0.3 ? 0.08 : 0.025;
    *v = (pair_visit){.gain = 1.0f, .necrosis_mm = INFINITY, .another = true};
    v->noise = (float)logarithmic(r, 0.006, 0.07);
    v->bias = (float)rp_random_range(r, 0.0, 0.04);
    v->blur = (float)rp_random_range(r, 0.0, 0.9);
    if (!followup) return;
    for (int t = 0; t < PAIR_TISSUES; t++) v->shift[t] = (float)(timing * rp_random_normal(r));
    v->lesion = (float)(0.7 * timing * rp_random_normal(r));
    v->gain = (float)rp_random_range(r, 0.92, 1.08);
    v->another = rp_random_uniform(r) < 0.8;
}

static void draw_cone_beam(rp_random *r, pair_visit *v)
{
    v->noise = (float)logarithmic(r, 0.03, 0.12);
    v->bias = (float)rp_random_range(r, 0.02, 0.06);
    v->cupping = (float)rp_random_range(r, 0.03, 0.12);
    v->blur = (float)rp_random_range(r, 0.5, 1.3);
    v->gain = (float)rp_random_range(r, 0.85, 1.15);
}

/* What therapy leaves where a lesion was. */
static void draw_fibrosis(rp_random *r, const pair_shape *shape, pair_look *l)
{
    const bool fibrotic = rp_random_uniform(r) < 0.3, whole = rp_random_uniform(r) < 0.5;
    if (!fibrotic) return;
    l->fibrosis = (float)rp_random_range(r, 0.3, 0.6);
    l->ragged_mm = (float)(shape->radius * rp_random_range(r, 0.05, 0.15));
    l->fibrosis_mm = whole ? INFINITY : (float)(shape->radius * rp_random_range(r, 0.1, 0.3));
}

/* A core that was alive at the baseline: of lesions that grow as well. */
static void draw_new_necrosis(rp_random *r, const pair_shape *shape, const pair_change *change,
                              pair_look *l, pair_visit *followup)
{
    const double left = shape->radius * (1.0 + change->moving);
    if (!(rp_random_uniform(r) < 0.3)) return;
    if (l->necrosis == 0.0f) l->necrosis = (float)rp_random_range(r, -0.35, -0.08);
    followup->necrosis_mm =
        fminf(followup->necrosis_mm, (float)(left * rp_random_range(r, 0.15, 0.6)));
}

/* Who draws farther out does so at both visits: by as much, or by as much of the lesion. */
static void draw_habit(rp_random *r, const pair_space *space, const pair_change *change,
                       pair_look *l)
{
    const double habit = space->spacing[0] * rp_random_range(r, -0.4, 0.9);
    const double share = rp_random_range(r, 1.0 + change->total, 1.0);
    if (rp_random_uniform(r) < 0.65) return;
    l->habit_mm[0] = (float)habit;
    if (change->total > -1.0) l->habit_mm[1] = (float)(habit * share / change->scale);
}

void pair_draw_visits(rp_random *r, const pair_space *space, const pair_shape *shape,
                      const pair_change *change, pair_look *look, pair_visit visits[2])
{
    for (int i = 0; i < 2; i++) draw_visit(r, i == 1, &visits[i]);
    const double beam = rp_random_uniform(r);
    if (beam < 0.1) draw_cone_beam(r, &visits[1]);
    if (beam < 0.03 || beam > 0.98) draw_cone_beam(r, &visits[0]);
    if (rp_random_uniform(r) < 0.35) {
        const double necrosis_mm = shape->radius * rp_random_range(r, 0.2, 0.8);
        look->necrosis = (float)rp_random_range(r, -0.35, 0.25);
        for (int i = 0; i < 2; i++) visits[i].necrosis_mm = (float)necrosis_mm;
    }
    const bool left = change->total > -1.0;
    if (left && change->moving < -0.05) draw_fibrosis(r, shape, look);
    if (left && shape->wall <= 0.0) draw_new_necrosis(r, shape, change, look, &visits[1]);
    draw_habit(r, space, change, look);
}
