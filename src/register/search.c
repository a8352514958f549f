/* The exhaustive search that finds where to start: translations on a lattice, seven rotations. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>

static const double STEP_MM = 14.0, ACROSS_MM = 60.0, TURN_RADIANS = 0.14;
static const double LEAST_SHARE = 0.3;
enum { ROTATIONS = 7, MOST_SAMPLES = 1200, FEWEST_SAMPLES = 60, MOST_ALONG = 400 };

/* The lattice of one start: place (x, y, z) is low + step * (x, y, z). */
typedef struct lattice {
    double low[3];
    int count[3];
} lattice;

typedef struct search {
    const rp_register_image *fixed, *moving;
    samples samples;
    lattice lattice;
    double centre[3];
    double *scores; /* [rotation][z][y][x] */
} search;

static void turn(int which, double rotation[3][3])
{
    double omega[3] = {0};
    if (which > 0) omega[(which - 1) / 2] = which % 2 ? TURN_RADIANS : -TURN_RADIANS;
    rotation_of(omega, rotation);
}

static pose pose_at(const search *s, int rotation, int x, int y, int z)
{
    const int at[3] = {x, y, z};
    pose p;
    turn(rotation, p.rotation);
    for (int a = 0; a < 3; a++) p.origin[a] = s->centre[a] + s->lattice.low[a] + STEP_MM * at[a];
    return p;
}

double score_of(const rp_register_image *fixed, const rp_register_image *moving, fitted f)
{
    const double smaller = fmin(fixed->body_mm3, moving->body_mm3);
    const double share = smaller > 0.0 ? fmin(1.0, f.share * fixed->body_mm3 / smaller) : 0.0;
    if (share < LEAST_SHARE) return -1.0;
    return f.correlation * (0.7 + 0.3 * share);
}

/* Nearest voxels do on this level, which is smooth. */
static fitted look_up(const search *s, const pose *p)
{
    const rp_image *image = &s->moving->levels[LEVEL_COARSE];
    const rp_grid *g = &image->grid;
    double m[3][3], start[3], n = 0, sf = 0, sm = 0, ff = 0, mm = 0, fm = 0;
    rp_grid_from_world(g, p->origin, start);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            m[r][c] = 0.0;
            for (int k = 0; k < 3; k++)
                m[r][c] += g->direction[k][r] * p->rotation[k][c] / g->spacing[r];
        }
    for (size_t i = 0; i < s->samples.count; i++) {
        const sample *one = &s->samples.items[i];
        int at[3];
        bool inside = true;
        for (int r = 0; r < 3; r++) {
            const double place =
                start[r] + m[r][0] * one->at[0] + m[r][1] * one->at[1] + m[r][2] * one->at[2] + 0.5;
            inside &= place >= 0.0 && place < g->size[r];
            at[r] = inside ? (int)place : 0;
        }
        if (!inside) continue;
        const double f = one->value, v = image->data[rp_grid_index(g, at[0], at[1], at[2])];
        n++, sf += f, sm += v, ff += f * f, mm += v * v, fm += f * v;
    }
    fitted found = {.correlation = -1.0, .share = n / (double)s->samples.count};
    if (n < FEWEST_SAMPLES) return found;
    const double vf = ff - sf * sf / n, vm = mm - sm * sm / n;
    if (vf > 1e-6 * n && vm > 1e-6 * n) found.correlation = (fm - sf * sm / n) / sqrt(vf * vm);
    return found;
}

/* Task: one plane of one rotation. */
static void search_plane(void *context, size_t task, int worker)
{
    (void)worker;
    const search *s = context;
    const lattice *l = &s->lattice;
    const int rotation = (int)(task / (size_t)l->count[2]), z = (int)(task % (size_t)l->count[2]);
    double *out = s->scores + task * (size_t)l->count[0] * (size_t)l->count[1];
    for (int y = 0; y < l->count[1]; y++)
        for (int x = 0; x < l->count[0]; x++) {
            const pose p = pose_at(s, rotation, x, y, z);
            *out++ = score_of(s->fixed, s->moving, look_up(s, &p));
        }
}

/* ---- the lattice ------------------------------------------------------------------------- */

/* Along an LPS axis, of all of the image. */
static void extent(const rp_grid *g, int axis, double *low, double *high)
{
    *low = INFINITY, *high = -INFINITY;
    for (int corner = 0; corner < 8; corner++) {
        double index[3], world[3];
        for (int a = 0; a < 3; a++) index[a] = corner >> a & 1 ? g->size[a] - 1 : 0;
        rp_grid_to_world(g, index, world);
        *low = fmin(*low, world[axis]);
        *high = fmax(*high, world[axis]);
    }
}

/* Across the body round both starts, along it wherever a part of the two can meet. */
static lattice make_lattice(const rp_register_image *fixed, const rp_register_image *moving)
{
    lattice l;
    for (int a = 0; a < 3; a++) {
        const double apart = moving->centre[a] - fixed->centre[a];
        double low = fmin(0.0, apart) - ACROSS_MM, high = fmax(0.0, apart) + ACROSS_MM;
        double f[2], m[2];
        extent(&fixed->levels[0].grid, a, &f[0], &f[1]);
        extent(&moving->levels[0].grid, a, &m[0], &m[1]);
        const double common = LEAST_SHARE * fmin(f[1] - f[0], m[1] - m[0]);
        if (a < 2 && fabs(apart) > 2.0 * ACROSS_MM) {
            /* Coordinates that differ by so much tell nothing. */
            low = apart - ACROSS_MM, high = apart + ACROSS_MM;
        } else if (a == 2) {
            low = m[0] - f[1] + common, high = m[1] - f[0] - common;
        }
        l.count[a] = 1 + (int)ceil((high - low) / STEP_MM);
        if (l.count[a] > MOST_ALONG) l.count[a] = MOST_ALONG;
        l.low[a] = 0.5 * (low + high) - 0.5 * STEP_MM * (l.count[a] - 1);
    }
    return l;
}

/* ---- what was found ---------------------------------------------------------------------- */

static size_t places(const lattice *l)
{
    return (size_t)l->count[0] * (size_t)l->count[1] * (size_t)l->count[2];
}

/* The best score of any rotation at a place, and which. */
static double best_at(const search *s, size_t place, int *rotation)
{
    double best = -1.0;
    *rotation = 0;
    for (int r = 0; r < ROTATIONS; r++) {
        const double score = s->scores[(size_t)r * places(&s->lattice) + place];
        if (score > best) best = score, *rotation = r;
    }
    return best;
}

static void place_of(const lattice *l, size_t place, int at[3])
{
    at[0] = (int)(place % (size_t)l->count[0]);
    at[1] = (int)(place / (size_t)l->count[0] % (size_t)l->count[1]);
    at[2] = (int)(place / ((size_t)l->count[0] * (size_t)l->count[1]));
}

static void strike_neighbours(search *s, const int at[3])
{
    const lattice *l = &s->lattice;
    for (size_t i = 0; i < places(l); i++) {
        int other[3];
        place_of(l, i, other);
        if (abs(other[0] - at[0]) > 1 || abs(other[1] - at[1]) > 1 || abs(other[2] - at[2]) > 1)
            continue;
        for (int r = 0; r < ROTATIONS; r++) s->scores[(size_t)r * places(l) + i] = -1.0;
    }
}

static size_t choose(search *s, candidate found[CANDIDATES])
{
    size_t count = 0;
    for (; count < CANDIDATES; count++) {
        double best = 0.0;
        int rotation = 0, at[3] = {0};
        for (size_t i = 0; i < places(&s->lattice); i++) {
            int r;
            const double score = best_at(s, i, &r);
            if (score <= best) continue;
            best = score, rotation = r;
            place_of(&s->lattice, i, at);
        }
        if (best <= 0.0) break;
        found[count].pose = pose_at(s, rotation, at[0], at[1], at[2]);
        found[count].score = best;
        strike_neighbours(s, at);
    }
    return count;
}

rp_status search_places(const rp_register_image *fixed, const rp_register_image *moving,
                        const double centre[3], candidate found[CANDIDATES], size_t *count,
                        rp_error *err)
{
    search s = {.fixed = fixed, .moving = moving, .lattice = make_lattice(fixed, moving)};
    for (int a = 0; a < 3; a++) s.centre[a] = centre[a];
    *count = 0;
    rp_status status =
        samples_collect(fixed, LEVEL_COARSE, centre, NULL, 0.0, MOST_SAMPLES, &s.samples, err);
    if (status) return status;
    RP_AUTOFREE double *scores = rp_alloc(ROTATIONS * places(&s.lattice), sizeof *scores);
    s.scores = scores;
    if (!scores) {
        status = rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    } else if (s.samples.count) {
        rp_parallel_for(ROTATIONS * (size_t)s.lattice.count[2], search_plane, &s);
        *count = choose(&s, found);
    }
    samples_release(&s.samples);
    return status;
}
