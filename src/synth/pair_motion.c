/* How tissue moves between the visits of a synthetic pair. */
#include "pair.h"

#include <math.h>

bool pair_motion_draw(rp_random *random, const pair_space *space, pair_motion *m)
{
    const bool far = rp_random_uniform(random) < 0.12;
    const double box = space->size[0] * space->spacing[0];
    *m = (pair_motion){.smooth_mm = fmin(rp_random_range(random, 0.0, 3.0), 0.02 * box),
                       .stretch.scale = 1.0};
    bool good = true;
    for (int a = 0; a < 3; a++) {
        m->shift[a] = far ? rp_random_range(random, -12.0, 12.0) : 2.0 * rp_random_normal(random);
        m->turn[a] = 0.04 * rp_random_normal(random);
        m->field[a] = rp_alloc(space->voxels, sizeof *m->field[a]);
        good = good && m->field[a] &&
               pair_field(random, space, rp_random_range(random, 0.2, 0.5) * box, m->field[a]);
    }
    return good;
}

void pair_motion_release(pair_motion *motion)
{
    for (int a = 0; a < 3; a++) rp_free(motion->field[a]);
}

/* A ball that holds lobes and parts too keeps their shape, hollow ones' walls included. */
void pair_motion_stretch(rp_random *random, const pair_space *space, const double centre[3],
                         double scale, const float *depth, pair_motion *motion)
{
    double farthest = 0.0;
    size_t i = 0;
    for (int z = 0; z < space->size[2]; z++)
        for (int y = 0; y < space->size[1]; y++)
            for (int x = 0; x < space->size[0]; x++, i++) {
                if (depth[i] >= 0.0f) continue;
                const double d[3] = {pair_place(space, 0, x) - centre[0],
                                     pair_place(space, 1, y) - centre[1],
                                     pair_place(space, 2, z) - centre[2]};
                farthest = fmax(farthest, d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
            }
    const double ball = sqrt(farthest) + space->spacing[0];
    motion->stretch = (pair_stretch){
        .centre = {centre[0], centre[1], centre[2]},
        .scale = scale,
        .ball_mm = ball,
        .fade_mm = ball * fmax(scale, 1.0) * rp_random_range(random, 1.5, 2.2) + 2.0,
    };
}

/* Beyond the ball a cubic that begins with the slope of the chord and ends with 1: it grows where
 * that slope is above a fourth, which a fade to 1.5 balls sees to. */
double pair_stretch_source(const pair_stretch *s, double now_mm)
{
    const double ball = s->ball_mm * s->scale;
    if (now_mm >= s->fade_mm) return now_mm;
    if (now_mm <= ball) return now_mm / s->scale;
    const double width = s->fade_mm - ball, slope = (s->fade_mm - s->ball_mm) / width;
    const double t = (now_mm - ball) / width;
    return s->ball_mm + width * (slope * t + (1.0 - slope) * t * t * (t - 1.0));
}

/* What comes from beyond the grid is its mirror image. */
static bool within(double *index, int size)
{
    const double end = size - 1;
    if (*index >= 0.0 && *index <= end) return true;
    *index = fmin(fmax(*index < 0.0 ? -*index : 2.0 * end - *index, 0.0), end);
    return false;
}

static bool unstretch(const pair_space *space, const pair_stretch *s, const double point[3],
                      double index[3])
{
    double d[3], sum = 0.0;
    for (int a = 0; a < 3; a++) {
        d[a] = point[a] - s->centre[a];
        sum += d[a] * d[a];
    }
    const double now = sqrt(sum);
    if (now >= s->fade_mm) return true;
    const double more = (now > 0.0 ? pair_stretch_source(s, now) / now : 1.0) - 1.0;
    bool inside = true;
    for (int a = 0; a < 3; a++) {
        index[a] += more * d[a] / space->spacing[a];
        inside = within(&index[a], space->size[a]) && inside;
    }
    return inside;
}

bool pair_motion_source(const pair_space *s, const pair_motion *m, const int at[3], double index[3])
{
    const size_t i =
        ((size_t)at[2] * (size_t)s->size[1] + (size_t)at[1]) * (size_t)s->size[0] + (size_t)at[0];
    double p[3], q[3];
    for (int a = 0; a < 3; a++) p[a] = pair_place(s, a, at[a]);
    for (int a = 0; a < 3; a++) {
        const int b = (a + 1) % 3, c = (a + 2) % 3;
        const double moved = m->shift[a] + m->turn[b] * p[c] - m->turn[c] * p[b] +
                             m->smooth_mm * (double)m->field[a][i];
        q[a] = p[a] + moved;
        index[a] = at[a] + moved / s->spacing[a];
    }
    return m->stretch.scale == 1.0 || unstretch(s, &m->stretch, q, index);
}
