/* Where the follow-up's tissue lay at baseline: position, motion, and what is seen through both. */
#include "remodel.h"

#include <math.h>
#include <string.h>

/* ---- placing ----------------------------------------------------------------------------- */

/* The grid goes with the body: an image shows the same region again, wherever the table stood. */
static void place_grid(remodel *m)
{
    const rp_remodel_options *o = m->options;
    const rp_grid *base = &m->baseline->grid;
    double factor[2], spacing[3], offset[3];
    rp_random r;
    remodel_stream(m, &r, PART_PLACE);
    random_in_ball(&r, m->with & RP_REMODEL_TABLE ? 30 : 10, m->shift_mm);
    for (int i = 0; i < 2; i++) factor[i] = rp_random_range(&r, 0.92, 1.08);
    random_in_ball(&r, 2, offset);
    bool same = true;
    for (int i = 0; i < 3; i++) {
        if (o->shift_given) m->shift_mm[i] = o->shift_mm[i];
        spacing[i] = o->spacing[i] > 0 ? o->spacing[i] : base->spacing[i] * factor[i == 2];
        same = same && spacing[i] == base->spacing[i];
        if (i == 2 && m->with & RP_REMODEL_THICK) spacing[i] *= 2;
    }
    m->grid = rp_grid_respaced(base, spacing);
    for (int i = 0; i < 3; i++) m->grid.origin[i] += m->shift_mm[i] + (same ? 0 : offset[i]);
}

/* The tissue round a smaller lesion is drawn in, round a larger one pushed out. */
static void draw_collapse(remodel *m, rp_random *r)
{
    const double change = m->options->change_percent / 100;
    const double most = change < 0 ? fmin(0.3, -0.45 * change) : -fmin(0.12, 0.2 * change);
    m->collapse = most * remodel_draw(m, r, "collapse_share", 0.1, 1);
}

static rp_status make_motion(remodel *m, rp_error *err)
{
    const rp_grid *g = &m->baseline->grid;
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 8; corner++) {
        double index[3], world[3];
        for (int i = 0; i < 3; i++) index[i] = corner >> i & 1 ? g->size[i] - 1 : 0;
        rp_grid_to_world(g, index, world);
        for (int i = 0; i < 3; i++) {
            low[i] = fmin(low[i], world[i]);
            high[i] = fmax(high[i], world[i]);
        }
    }
    return deformation_create(low, high, m->options->deformation_mm,
                              m->options->deformation_scale_mm,
                              m->options->seed ^ 0x72656d6f64656cu, &m->field, err);
}

/* ---- sliding ----------------------------------------------------------------------------- */

/* Air round the body; an image that shows none has no wall. Bones hold still, too. */
static rp_status mark_still(const remodel *m, rp_mask *air, rp_mask *bone, rp_error *err)
{
    const rp_grid *g = &m->baseline->grid;
    rp_status status = rp_mask_init(air, g, err);
    if (status == RP_OK) status = rp_mask_init(bone, g, err);
    for (size_t i = 0; status == RP_OK && i < rp_grid_voxels(g); i++) {
        air->data[i] = m->baseline->data[i] < -900;
        bone->data[i] = m->baseline->data[i] > 300 && !m->lesion->data[i];
    }
    return status == RP_OK ? rp_mask_keep_largest(air, 6, NULL, err) : status;
}

/* The wall: what lies within a depth of the air round the body, and the bones. The lesion is never
 * torn: all that lies next to it belongs to the side where most of it is. */
static rp_status make_sliding(remodel *m, rp_random *r, rp_error *err)
{
    const rp_grid *g = &m->baseline->grid;
    const double depth = remodel_draw(m, r, "sliding.wall_mm", 14, 26);
    rp_mask air = {0}, bone = {0};
    rp_image skin = {0}, still = {0}, away = {0};
    rp_status status = mark_still(m, &air, &bone, err);
    if (status == RP_OK) status = rp_mask_init(&m->inside, g, err);
    if (status == RP_OK) status = rp_mask_distance(&air, &skin, err);
    if (status == RP_OK) status = rp_mask_distance(&bone, &still, err);
    if (status == RP_OK) status = rp_mask_distance(m->lesion, &away, err);
    if (status == RP_OK) {
        size_t deep = 0, all = rp_mask_count(m->lesion);
        for (size_t i = 0; i < rp_grid_voxels(g); i++)
            deep += m->lesion->data[i] && skin.data[i] > depth;
        const bool moves = 2 * deep > all;
        const double clear = 2 + 1.5 * fmax(g->spacing[2], g->spacing[0]);
        for (size_t i = 0; i < rp_grid_voxels(g); i++)
            m->inside.data[i] =
                away.data[i] < 8 ? moves : skin.data[i] > depth && still.data[i] > clear;
        remodel_record(m, "sliding.lesion_moves", moves);
    }
    rp_mask_release(&air);
    rp_mask_release(&bone);
    rp_image_release(&skin);
    rp_image_release(&still);
    rp_image_release(&away);
    return status;
}

static rp_status draw_sliding(remodel *m, rp_error *err)
{
    rp_random r;
    remodel_stream(m, &r, PART_SLIDING);
    const double along = remodel_draw(m, &r, "sliding.mm", 5, 14);
    const double sign = rp_random_uniform(&r) < 0.5 ? -1 : 1;
    m->slide_mm[2] = sign * along;
    m->slide_mm[0] = 0.15 * along * rp_random_range(&r, -1, 1);
    m->slide_mm[1] = 0.25 * along * rp_random_range(&r, -1, 1);
    return make_sliding(m, &r, err);
}

rp_status remodel_place(remodel *m, rp_error *err)
{
    rp_random r;
    remodel_stream(m, &r, PART_MOTION);
    place_grid(m);
    draw_collapse(m, &r);
    rp_status status = make_motion(m, err);
    if (status == RP_OK && m->with & RP_REMODEL_SLIDING) status = draw_sliding(m, err);
    return status;
}

/* ---- the way back ------------------------------------------------------------------------ */

static bool slides(const remodel *m, const double index[3])
{
    const rp_grid *g = &m->inside.grid;
    int at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = (int)lrint(index[i]);
        at[i] = at[i] < 0 ? 0 : at[i] >= g->size[i] ? g->size[i] - 1 : at[i];
    }
    return m->inside.data[rp_grid_index(g, at[0], at[1], at[2])];
}

/* An organ comes along from where there is organ. */
static void slide_back(const remodel *m, double index[3])
{
    if (!m->inside.data || !slides(m, index)) return;
    for (double part = 1; part > 0.2; part -= 0.25) {
        double from[3];
        for (int i = 0; i < 3; i++)
            from[i] = index[i] + part * m->slide_mm[i] / m->inside.grid.spacing[i];
        if (!slides(m, from)) continue;
        memcpy(index, from, sizeof from);
        return;
    }
}

/* The image continues beyond its border as its own mirror image. */
static double mirrored(double index, int size)
{
    const double period = 2.0 * (size - 1);
    if (index >= 0 && index <= size - 1) return index;
    if (size == 1) return 0;
    index = fabs(fmod(index, period));
    return index > size - 1 ? period - index : index;
}

/* Fractional voxel of the baseline that the follow-up's shows, but for what slides. */
static void smooth_index(const remodel *m, const double index[3], double out[3])
{
    double world[3], u[3], p[3], d2 = 0;
    rp_grid_to_world(&m->grid, index, world);
    for (int i = 0; i < 3; i++) world[i] -= m->shift_mm[i];
    deformation_at(&m->field, world, u);
    for (int i = 0; i < 3; i++) {
        p[i] = world[i] + u[i];
        d2 += (p[i] - m->centre[i]) * (p[i] - m->centre[i]);
    }
    const double width = 1.4 * m->radius_mm;
    const double pull = m->collapse * exp(-0.5 * d2 / (width * width));
    for (int i = 0; i < 3; i++) p[i] += pull * (p[i] - m->centre[i]);
    rp_grid_from_world(&m->baseline->grid, p, out);
}

enum { ROW = 64 };

/* Of `count` voxels of a row, ROW at most. The smooth part of the motion is computed at every
 * fourth voxel and is linear in between, where it varies over many times that length. */
static void baseline_row(const remodel *m, const double first[3], int count, double out[ROW][3])
{
    const double four = 4 * m->grid.spacing[0];
    const bool fine = (m->field.vector[0] && four > m->field.step_mm) || four > 0.7 * m->radius_mm;
    const int step = fine ? 1 : 4;
    double next[3];
    smooth_index(m, first, next);
    for (int k = 0; k < count; k += step) {
        const double end[3] = {first[0] + k + step, first[1], first[2]};
        double here[3];
        memcpy(here, next, sizeof here);
        smooth_index(m, end, next);
        for (int x = k; x < k + step && x < count; x++)
            for (int i = 0; i < 3; i++)
                out[x][i] = here[i] + (double)(x - k) / step * (next[i] - here[i]);
    }
    for (int x = 0; x < count; x++) {
        slide_back(m, out[x]);
        for (int i = 0; i < 3; i++) out[x][i] = mirrored(out[x][i], m->baseline->grid.size[i]);
    }
}

/* Thick slices are the mean of two. */
static int slabs(const remodel *m)
{
    return m->with & RP_REMODEL_THICK ? 2 : 1;
}

static double slab_index(const remodel *m, int z, int slab)
{
    return m->with & RP_REMODEL_THICK ? z + 0.5 * slab - 0.25 : z;
}

/* ---- the mask ---------------------------------------------------------------------------- */

static const float beyond = 1e3f;

typedef struct see_job {
    const remodel *m;
    const rp_image *front;
    seen *out;
} see_job;

static float front_at(const remodel *m, const rp_image *front, const double baseline[3])
{
    double index[3];
    for (int i = 0; i < 3; i++) {
        index[i] = baseline[i] - m->low[i];
        if (index[i] < 0 || index[i] > front->grid.size[i] - 1) return beyond;
    }
    return rp_sample_linear(front->data, front->grid.size, index);
}

static void see_slice(void *context, size_t task, int worker)
{
    (void)worker;
    const see_job *job = context;
    seen *s = job->out;
    const int slices = slabs(job->m);
    for (int y = 0; y < s->size[1]; y++)
        for (int x = 0; x < s->size[0]; x += ROW) {
            const int count = s->size[0] - x < ROW ? s->size[0] - x : ROW;
            float *to = s->front + (task * (size_t)s->size[1] + (size_t)y) * (size_t)s->size[0] + x;
            for (int k = 0; k < slices; k++) {
                const double first[3] = {s->low[0] + x, s->low[1] + y,
                                         slab_index(job->m, s->low[2] + (int)task, k)};
                double from[ROW][3];
                baseline_row(job->m, first, count, from);
                for (int i = 0; i < count; i++)
                    to[i] += front_at(job->m, job->front, from[i]) / (float)slices;
            }
        }
}

/* How far tissue may have moved, the table apart. */
static double motion_mm(const remodel *m)
{
    double slide = 0;
    for (int i = 0; i < 3; i++) slide += fabs(m->slide_mm[i]);
    return m->field.largest_mm + slide + fabs(m->collapse) * 0.9 * m->radius_mm;
}

rp_status remodel_see(const remodel *m, const rp_image *front, const int low[3], const int high[3],
                      seen *out, rp_error *err)
{
    double first[3] = {INFINITY, INFINITY, INFINITY}, last[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 8; corner++) {
        double index[3], world[3], found[3];
        for (int i = 0; i < 3; i++) index[i] = corner >> i & 1 ? high[i] : low[i];
        rp_grid_to_world(&front->grid, index, world);
        for (int i = 0; i < 3; i++) world[i] += m->shift_mm[i];
        rp_grid_from_world(&m->grid, world, found);
        for (int i = 0; i < 3; i++) {
            first[i] = fmin(first[i], found[i]);
            last[i] = fmax(last[i], found[i]);
        }
    }
    size_t n = 1;
    for (int i = 0; i < 3; i++) {
        const double more = motion_mm(m) / m->grid.spacing[i] + 2;
        const int begin = (int)fmax(0, floor(first[i] - more));
        const int end = (int)fmin(m->grid.size[i] - 1, ceil(last[i] + more));
        out->low[i] = begin;
        out->size[i] = end >= begin ? end - begin + 1 : 0;
        n *= (size_t)out->size[i];
    }
    out->front = rp_alloc(n, sizeof *out->front);
    if (!out->front) return rp_fail(err, RP_ERR_MEMORY, "no memory for the lesion's surface");
    see_job job = {m, front, out};
    if (n > 0) rp_parallel_for((size_t)out->size[2], see_slice, &job);
    return RP_OK;
}

rp_status remodel_part_mask(const remodel *m, const seen *s, double level, rp_mask *mask,
                            rp_error *err)
{
    rp_grid g = m->grid;
    double first[3];
    for (int i = 0; i < 3; i++) {
        if (s->size[i] == 0)
            return rp_fail(err, RP_ERR_NUMERIC, "the lesion lies beyond the follow-up");
        g.size[i] = s->size[i];
        first[i] = s->low[i];
    }
    rp_grid_to_world(&m->grid, first, g.origin);
    rp_status status = mask->data ? RP_OK : rp_mask_init(mask, &g, err);
    const size_t n = status == RP_OK ? rp_grid_voxels(&g) : 0;
    const float limit = (float)level;
    for (size_t i = 0; i < n; i++) mask->data[i] = s->front[i] < limit;
    return status;
}

rp_status remodel_mask(const remodel *m, const seen *s, double level, rp_mask *mask, rp_error *err)
{
    rp_status status = rp_mask_init(mask, &m->grid, err);
    if (status != RP_OK) return status;
    size_t i = 0;
    for (int z = 0; z < s->size[2]; z++)
        for (int y = 0; y < s->size[1]; y++)
            for (int x = 0; x < s->size[0]; x++, i++)
                mask->data[rp_grid_index(&m->grid, s->low[0] + x, s->low[1] + y, s->low[2] + z)] =
                    s->front[i] < (float)level;
    return RP_OK;
}

/* ---- the image --------------------------------------------------------------------------- */

typedef struct render_job {
    const remodel *m;
    rp_image *image;
} render_job;

static void render_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const render_job *job = context;
    const remodel *m = job->m;
    const rp_grid *g = &job->image->grid;
    const int slices = slabs(m);
    for (int y = 0; y < g->size[1]; y++)
        for (int x = 0; x < g->size[0]; x += ROW) {
            const int count = g->size[0] - x < ROW ? g->size[0] - x : ROW;
            float *to = job->image->data + rp_grid_index(g, x, y, (int)z);
            for (int k = 0; k < slices; k++) {
                const double first[3] = {x, y, slab_index(m, (int)z, k)};
                double from[ROW][3];
                baseline_row(m, first, count, from);
                for (int i = 0; i < count; i++)
                    to[i] += rp_sample_linear(m->edited.data, m->edited.grid.size, from[i]) /
                             (float)slices;
            }
        }
}

rp_status remodel_render(const remodel *m, rp_image *image, rp_error *err)
{
    rp_status status = rp_image_init(image, &m->grid, err);
    if (status != RP_OK) return status;
    rp_parallel_for((size_t)m->grid.size[2], render_slice, &(render_job){m, image});
    return RP_OK;
}
