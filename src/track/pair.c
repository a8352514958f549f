/* How known and found lesions lie to each other. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* Overlapping lesions cost less than TOUCHING, those apart more, up to 1. */
static const double TOUCHING = 0.7, CENTROID_WEIGHT = 1e-4;
/* Round a lesion, what a local shift is told by. */
static const double LEAST_RADIUS_MM = 35.0, MARGIN_MM = 20.0;

/* ---- frames ------------------------------------------------------------------------------ */

void to_baseline(const rp_track_visit *visit, const double shift[3], const double world[3],
                 double baseline[3])
{
    const rp_rigid back = rp_rigid_inverse(&visit->from_baseline);
    double unshifted[3];
    for (int a = 0; a < 3; a++) unshifted[a] = world[a] - shift[a];
    rp_rigid_apply(&back, unshifted, baseline);
}

static void from_baseline(const rp_track_visit *visit, const double shift[3],
                          const double baseline[3], double world[3])
{
    rp_rigid_apply(&visit->from_baseline, baseline, world);
    for (int a = 0; a < 3; a++) world[a] += shift[a];
}

double local_shift(const tracker *t, size_t visit, const double place[3], double radius_mm,
                   double shift[3])
{
    const rp_track_options *o = t->options;
    const double radius = fmax(LEAST_RADIUS_MM, radius_mm + MARGIN_MM);
    memset(shift, 0, 3 * sizeof *shift);
    if (visit == 0 || !o->local_shift || !o->local_shift(o->context, visit, place, radius, shift)) {
        memset(shift, 0, 3 * sizeof *shift);
        return NAN;
    }
    return sqrt(shift[0] * shift[0] + shift[1] * shift[1] + shift[2] * shift[2]);
}

/* One lesion or several parts, with the way into the baseline's frame. */
typedef struct body {
    const tracker *t;
    size_t visit;
    const size_t *parts;
    size_t count;
    const double *shift;
} body;

static const cloud *part_cloud(const body *b, size_t part)
{
    return &b->t->clouds[b->visit][b->parts[part]];
}

static bool holds(const body *b, const double baseline[3])
{
    double world[3], index[3];
    from_baseline(&b->t->visits[b->visit], b->shift, baseline, world);
    for (size_t p = 0; p < b->count; p++) {
        const rp_mask *mask = &b->t->visits[b->visit].found[b->parts[p]].mask;
        bool within = true;
        long at[3];
        rp_grid_from_world(&mask->grid, world, index);
        for (int a = 0; a < 3; a++) {
            within &= index[a] > -0.5 && index[a] < mask->grid.size[a] - 0.5;
            at[a] = within ? lround(index[a]) : 0;
        }
        if (within && mask->data[rp_grid_index(&mask->grid, (int)at[0], (int)at[1], (int)at[2])])
            return true;
    }
    return false;
}

static double share_in(const body *of, const body *in)
{
    size_t met = 0, all = 0;
    for (size_t p = 0; p < of->count; p++) {
        const cloud *c = part_cloud(of, p);
        for (size_t i = 0; i < c->inner_count; i++) {
            double baseline[3];
            to_baseline(&of->t->visits[of->visit], of->shift, c->inner[i], baseline);
            met += holds(in, baseline);
        }
        all += c->inner_count;
    }
    return all ? (double)met / (double)all : 0.0;
}

/* ---- distances --------------------------------------------------------------------------- */

static double distance(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

static double volume(const body *b)
{
    double sum = 0.0;
    for (size_t p = 0; p < b->count; p++) sum += part_cloud(b, p)->mm3;
    return sum;
}

static void centre(const body *b, double out[3])
{
    double world[3] = {0};
    const double all = volume(b);
    for (size_t p = 0; p < b->count; p++)
        for (int a = 0; a < 3; a++)
            world[a] += part_cloud(b, p)->centre[a] * part_cloud(b, p)->mm3 / all;
    to_baseline(&b->t->visits[b->visit], b->shift, world, out);
}

/* Between surfaces of a part and the found lesion; infinite where they cannot come as near as
 * most_mm. The surface of the one is brought into the world of the other. */
static double part_gap(const body *k, size_t part, const body *f, double most_mm)
{
    const cloud *a = part_cloud(k, part), *b = part_cloud(f, 0);
    double baseline[3], world[3], least = INFINITY;
    to_baseline(&k->t->visits[k->visit], k->shift, a->centre, baseline);
    from_baseline(&f->t->visits[f->visit], f->shift, baseline, world);
    if (distance(world, b->centre) - a->radius_mm - b->radius_mm > most_mm) return INFINITY;
    for (size_t i = 0; i < a->surface_count; i++) {
        to_baseline(&k->t->visits[k->visit], k->shift, a->surface[i], baseline);
        from_baseline(&f->t->visits[f->visit], f->shift, baseline, world);
        for (size_t j = 0; j < b->surface_count; j++) {
            const double dx = world[0] - b->surface[j][0], dy = world[1] - b->surface[j][1];
            const double dz = world[2] - b->surface[j][2], square = dx * dx + dy * dy + dz * dz;
            if (square < least) least = square;
        }
    }
    return sqrt(least);
}

static void measure(const matching *m, size_t known_index, size_t found, pair *p)
{
    const tracker *t = m->t;
    const known *k = &t->known[known_index];
    const body a = {t, k->visit, k->parts, k->part_count, k->shift};
    const body b = {t, m->visit, &found, 1, m->shift[known_index]};
    double ca[3], cb[3];
    *p = (pair){.gap_mm = INFINITY, .cost = INFINITY};
    centre(&a, ca);
    centre(&b, cb);
    p->centroid_mm = distance(ca, cb);
    for (size_t i = 0; i < a.count; i++)
        p->gap_mm = fmin(p->gap_mm, part_gap(&a, i, &b, t->options->gap_mm));
    if (isinf(p->gap_mm)) return;
    p->of_known = share_in(&a, &b);
    p->of_found = share_in(&b, &a);
    const double va = volume(&a), vb = volume(&b);
    p->overlap = va < vb ? p->of_known : p->of_found;
    p->dice = (p->of_known * va + p->of_found * vb) / (va + vb);
    if (p->overlap > 0.0) p->gap_mm = 0.0;
    if (p->gap_mm > t->options->gap_mm) return;
    p->cost = p->overlap > 0.0 ? TOUCHING * (1.0 - 0.5 * (p->overlap + p->dice))
                               : TOUCHING + (1.0 - TOUCHING) * p->gap_mm / t->options->gap_mm;
    p->cost += CENTROID_WEIGHT * p->centroid_mm;
}

/* Task: one known lesion against every found one. */
static void measure_row(void *context, size_t task, int worker)
{
    (void)worker;
    const matching *m = context;
    for (size_t f = 0; f < m->found_count; f++)
        measure(m, task, f, &m->pairs[task * m->found_count + f]);
}

rp_status pairs_measure(matching *m)
{
    tracker *t = m->t;
    for (size_t k = 0; k < m->known_count; k++)
        m->shift_mm[k] =
            local_shift(t, m->visit, t->known[k].place, t->known[k].radius_mm, m->shift[k]);
    rp_parallel_for(m->known_count, measure_row, m);
    return RP_OK;
}

double share_shown(const tracker *t, const known *k, size_t visit)
{
    const rp_grid *g = &t->visits[visit].grid;
    static const double none[3] = {0, 0, 0};
    size_t met = 0, all = 0;
    for (size_t p = 0; p < k->part_count; p++) {
        const cloud *c = &t->clouds[k->visit][k->parts[p]];
        for (size_t i = 0; i < c->surface_count; i++) {
            double baseline[3], world[3], index[3];
            to_baseline(&t->visits[k->visit], k->shift, c->surface[i], baseline);
            from_baseline(&t->visits[visit], none, baseline, world);
            rp_grid_from_world(g, world, index);
            bool within = true;
            for (int a = 0; a < 3; a++) within &= index[a] > -0.5 && index[a] < g->size[a] - 0.5;
            met += within;
        }
        all += c->surface_count;
    }
    return all ? (double)met / (double)all : 1.0;
}
