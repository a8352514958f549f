/* Fronts that eat a lesion or carry it forward: the eikonal equation with a random slowness. */
#include "remodel.h"

#include <math.h>
#include <string.h>

/* ---- lumps ------------------------------------------------------------------------------- */

double lumps_at(const lumps *l, const double mm[3])
{
    double sum = 0;
    for (int k = 0; k < l->count; k++) {
        double d2 = 0;
        for (int i = 0; i < 3; i++) d2 += (mm[i] - l->at[k][i]) * (mm[i] - l->at[k][i]);
        d2 /= l->width_mm[k] * l->width_mm[k];
        if (d2 < 16) sum += l->height[k] * exp(-0.5 * d2);
    }
    return sum;
}

static void voxel_mm(const rp_grid *g, size_t at, double mm[3])
{
    const size_t row = (size_t)g->size[0], slice = row * (size_t)g->size[1];
    mm[0] = (double)(at % row) * g->spacing[0];
    mm[1] = (double)(at % slice / row) * g->spacing[1];
    mm[2] = (double)(at / slice) * g->spacing[2];
}

static bool has_other_neighbour(const rp_mask *mask, size_t at)
{
    const int *size = mask->grid.size;
    const size_t step[3] = {1, (size_t)size[0], (size_t)size[0] * (size_t)size[1]};
    for (int i = 0; i < 3; i++) {
        const size_t k = at / step[i] % (size_t)size[i];
        if (k > 0 && mask->data[at - step[i]] != mask->data[at]) return true;
        if (k + 1 < (size_t)size[i] && mask->data[at + step[i]] != mask->data[at]) return true;
    }
    return false;
}

/* A random voxel of the lesion: on its surface, or any. */
static void lesion_point(const remodel *m, bool surface, rp_random *r, double mm[3])
{
    const size_t n = rp_grid_voxels(&m->in_box.grid),
                 start = (size_t)(rp_random_uniform(r) * (double)n);
    for (size_t k = 0; k < n; k++) {
        const size_t at = (start + k * 7919) % n;
        if (!m->in_box.data[at] || (surface && !has_other_neighbour(&m->in_box, at))) continue;
        voxel_mm(&m->in_box.grid, at, mm);
        return;
    }
    /* 7919 may divide the number of voxels: then every one in its turn. */
    for (size_t at = 0; at < n; at++)
        if (m->in_box.data[at]) voxel_mm(&m->in_box.grid, at, mm);
}

static void add_lump(const remodel *m, lumps *l, bool surface, double width, double height,
                     rp_random *r)
{
    const int k = l->count++;
    lesion_point(m, surface, r, l->at[k]);
    l->width_mm[k] = width * m->radius_mm;
    l->height[k] = height;
}

/* ---- the box ----------------------------------------------------------------------------- */

enum { LEAST_SLOWNESS_PERCENT = 45, MOST_AHEAD_PERCENT = 30 /* of the radius */ };

/* How far the fronts may have to run outwards. */
static double reach_mm(const remodel *m)
{
    const double growth = fmax(0, m->options->change_percent) / 100;
    return 4 + 0.35 * m->radius_mm + 1.45 * growth * m->baseline_mm;
}

/* So that no front is farther than that. */
static double highest_level(const remodel *m)
{
    return LEAST_SLOWNESS_PERCENT / 100.0 *
           (m->reach_mm - MOST_AHEAD_PERCENT / 100.0 * m->radius_mm);
}

static rp_grid box_grid(remodel *m, const int low[3], const int high[3])
{
    const rp_grid *g = &m->baseline->grid;
    rp_grid box = *g;
    double first[3];
    const double margin = 28 + m->reach_mm;
    for (int i = 0; i < 3; i++) {
        const int more = (int)ceil(margin / g->spacing[i]);
        m->low[i] = low[i] > more ? low[i] - more : 0;
        const int end = high[i] + more < g->size[i] ? high[i] + more : g->size[i] - 1;
        box.size[i] = end - m->low[i] + 1;
        first[i] = m->low[i];
    }
    rp_grid_to_world(g, first, box.origin);
    return box;
}

rp_status remodel_signed_distance(const rp_mask *mask, rp_image *out, rp_error *err)
{
    const rp_grid *g = &mask->grid;
    const size_t n = rp_grid_voxels(g);
    const float half = (float)(0.5 * fmin(g->spacing[0], g->spacing[1]));
    rp_mask other = {0};
    rp_image depth = {0};
    rp_status status = rp_mask_distance(mask, out, err);
    if (status == RP_OK) status = rp_mask_copy(mask, &other, err);
    if (status == RP_OK) {
        for (size_t i = 0; i < n; i++) other.data[i] = !other.data[i];
        status = rp_mask_distance(&other, &depth, err);
    }
    for (size_t i = 0; status == RP_OK && i < n; i++) {
        const float in = isfinite(depth.data[i]) ? depth.data[i] : 1e3f;
        out->data[i] = mask->data[i] ? half - in : out->data[i] - half;
    }
    rp_mask_release(&other);
    rp_image_release(&depth);
    return status;
}

/* Lung or tissue: what most of the lesion's next surroundings are. */
static bool in_lung(const remodel *m)
{
    size_t air = 0, all = 1;
    for (size_t i = 0; i < rp_grid_voxels(&m->box.grid); i++) {
        if (!(m->before.data[i] > 2 && m->before.data[i] < 10)) continue;
        all++;
        air += m->box.data[i] < -400 && m->box.data[i] > -980;
    }
    return air * 2 > all;
}

rp_status remodel_make_box(remodel *m, rp_error *err)
{
    int low[3], high[3];
    if (!rp_mask_bounds(m->lesion, low, high))
        return rp_fail(err, RP_ERR_ARGUMENT, "the lesion's mask is empty");
    m->reach_mm = reach_mm(m);
    m->highest_level = highest_level(m);
    const rp_grid g = box_grid(m, low, high);
    for (int i = 0; i < 3; i++) {
        m->lesion_low[i] = low[i] - m->low[i];
        m->lesion_high[i] = high[i] - m->low[i];
    }
    rp_status status = rp_image_init(&m->box, &g, err);
    if (status == RP_OK) status = rp_mask_init(&m->in_box, &g, err);
    if (status != RP_OK) return status;
    for (int z = 0; z < g.size[2]; z++)
        for (int y = 0; y < g.size[1]; y++) {
            const size_t from =
                rp_grid_index(&m->baseline->grid, m->low[0], y + m->low[1], z + m->low[2]);
            const size_t to = rp_grid_index(&g, 0, y, z), count = (size_t)g.size[0];
            memcpy(m->box.data + to, m->baseline->data + from, count * sizeof *m->box.data);
            for (size_t x = 0; x < count; x++)
                m->in_box.data[to + x] = m->lesion->data[from + x] != 0;
        }
    status = remodel_signed_distance(&m->in_box, &m->before, err);
    if (status == RP_OK) m->lung = in_lung(m);
    return status;
}

/* ---- slowness ---------------------------------------------------------------------------- */

typedef struct slowness {
    lumps inside, outside, shift;
    rp_image part; /* of each lesion voxel: how much smaller its part is than the largest */
} slowness;

/* A nodule resists; sides yield or lag behind. */
static void draw_slowness(remodel *m, slowness *s, int attempt)
{
    rp_random r;
    remodel_stream(m, &r, PART_ATTEMPT + attempt);
    *s = (slowness){0};
    const int nodules = m->with & RP_REMODEL_PIECES ? 3 + (int)(3 * rp_random_uniform(&r))
                                                    : 1 + (int)(2 * rp_random_uniform(&r));
    const double narrow = m->with & RP_REMODEL_PIECES ? 0.65 : 1;
    for (int k = 0; k < nodules; k++)
        add_lump(m, &s->inside, k > 0 && k % 2 == 0, narrow * rp_random_range(&r, 0.3, 0.5),
                 rp_random_range(&r, 1.0, 2.0) / sqrt(narrow), &r);
    for (int k = 0; k < 6; k++)
        add_lump(m, &s->inside, true, rp_random_range(&r, 0.3, 0.8), rp_random_range(&r, -1.0, 0.7),
                 &r);
    for (int k = 0; k < 10; k++)
        add_lump(m, &s->outside, true, rp_random_range(&r, 0.3, 0.9),
                 rp_random_range(&r, -0.9, 0.6), &r);
    for (int k = 0; k < 8; k++) {
        const double width = rp_random_range(&r, 0.3, 0.7);
        add_lump(m, &s->shift, true, width, rp_random_range(&r, -0.3, 0.3) * width * m->radius_mm,
                 &r);
    }
}

/* Small parts of a lesion shrink in proportion, not by the same lengths. */
static rp_status weigh_parts(remodel *m, slowness *s, rp_error *err)
{
    rp_labels labels = {0};
    int32_t count = 0;
    rp_status status = rp_mask_components(&m->in_box, 26, &labels, &count, NULL, err);
    float *deepest = status == RP_OK ? rp_alloc((size_t)count + 1, sizeof *deepest) : NULL;
    if (status == RP_OK && !deepest)
        status = rp_fail(err, RP_ERR_MEMORY, "no memory for the lesion's parts");
    if (status == RP_OK && count > 1) status = rp_image_init(&s->part, &m->box.grid, err);
    if (status == RP_OK && count > 1) {
        float most = 0;
        for (size_t i = 0; i < rp_grid_voxels(&m->box.grid); i++)
            deepest[labels.data[i]] = fmaxf(deepest[labels.data[i]], -m->before.data[i]);
        for (int32_t k = 1; k <= count; k++) most = fmaxf(most, deepest[k]);
        for (size_t i = 0; i < rp_grid_voxels(&m->box.grid); i++)
            s->part.data[i] = labels.data[i] ? fminf(8, most / deepest[labels.data[i]]) : 1;
    }
    rp_free(deepest);
    rp_labels_release(&labels);
    return status;
}

static double slowness_at(const remodel *m, const slowness *s, size_t at)
{
    double mm[3];
    voxel_mm(&m->box.grid, at, mm);
    if (m->in_box.data[at])
        return exp(fmax(-1.2, fmin(2.2, lumps_at(&s->inside, mm)))) *
               (s->part.data ? s->part.data[at] : 1);
    const double hu = m->box.data[at];
    double barrier = hu > 250 ? 5 : 1;
    if (!m->lung && hu < -250) barrier = 12;
    if (m->lung && hu < -980) barrier = 12;
    return barrier *
           fmax(LEAST_SLOWNESS_PERCENT / 100.0, exp(fmin(0.7, lumps_at(&s->outside, mm))));
}

/* ---- fast marching ----------------------------------------------------------------------- */

typedef struct trial {
    float time;
    uint32_t at;
} trial;

typedef struct march {
    const remodel *m;
    const slowness *slow;
    float *time;
    uint8_t *done;
    trial *heap;
    size_t count, room;
    float limit;
    bool inside;
} march;

static bool sooner(const trial *a, const trial *b)
{
    return a->time < b->time || (a->time == b->time && a->at < b->at);
}

static bool push(march *f, float time, size_t at)
{
    if (f->count == f->room) {
        const size_t room = f->room ? 2 * f->room : 4096;
        trial *heap = rp_alloc(room, sizeof *heap);
        if (!heap) return false;
        if (f->heap) memcpy(heap, f->heap, f->count * sizeof *heap);
        rp_free(f->heap);
        f->heap = heap;
        f->room = room;
    }
    const trial t = {time, (uint32_t)at};
    size_t k = f->count++;
    for (; k > 0 && sooner(&t, &f->heap[(k - 1) / 2]); k = (k - 1) / 2)
        f->heap[k] = f->heap[(k - 1) / 2];
    f->heap[k] = t;
    return true;
}

static trial pop(march *f)
{
    const trial first = f->heap[0], last = f->heap[--f->count];
    size_t k = 0;
    for (size_t child; (child = 2 * k + 1) < f->count; k = child) {
        if (child + 1 < f->count && sooner(&f->heap[child + 1], &f->heap[child])) child++;
        if (!sooner(&f->heap[child], &last)) break;
        f->heap[k] = f->heap[child];
    }
    f->heap[k] = last;
    return first;
}

/* The smallest t with the sum of ((t - a)/h)^2 over the axes that have come before it = s^2. */
static double solve(double earlier[3], double step[3], double slow)
{
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2 - i; k++)
            if (earlier[k] > earlier[k + 1]) {
                const double e = earlier[k], h = step[k];
                earlier[k] = earlier[k + 1];
                step[k] = step[k + 1];
                earlier[k + 1] = e;
                step[k + 1] = h;
            }
    double t = earlier[0] + step[0] * slow, a = 0, b = 0, c = -slow * slow;
    for (int i = 0; i < 3 && t > earlier[i]; i++) {
        const double w = 1 / (step[i] * step[i]);
        a += w;
        b += w * earlier[i];
        c += w * earlier[i] * earlier[i];
        t = (b + sqrt(fmax(0, b * b - a * c))) / a;
    }
    return t;
}

static bool reach_voxel(march *f, size_t at, const size_t k[3])
{
    const rp_grid *g = &f->m->box.grid;
    const size_t stride[3] = {1, (size_t)g->size[0], (size_t)g->size[0] * (size_t)g->size[1]};
    double earlier[3], step[3];
    for (int i = 0; i < 3; i++) {
        earlier[i] = INFINITY;
        step[i] = g->spacing[i];
        if (k[i] > 0 && f->done[at - stride[i]]) earlier[i] = f->time[at - stride[i]];
        if (k[i] + 1 < (size_t)g->size[i] && f->done[at + stride[i]])
            earlier[i] = fmin(earlier[i], f->time[at + stride[i]]);
    }
    const float t = (float)solve(earlier, step, slowness_at(f->m, f->slow, at));
    if (!(t < f->time[at]) || t > f->limit) return true;
    f->time[at] = t;
    return push(f, t, at);
}

static bool spread(march *f, size_t at)
{
    const rp_grid *g = &f->m->box.grid;
    const size_t stride[3] = {1, (size_t)g->size[0], (size_t)g->size[0] * (size_t)g->size[1]};
    const size_t k[3] = {at % stride[1], at % stride[2] / stride[1], at / stride[2]};
    for (int i = 0; i < 3; i++)
        for (int side = 0; side < 2; side++) {
            if (side ? k[i] + 1 >= (size_t)g->size[i] : k[i] == 0) continue;
            const size_t next = side ? at + stride[i] : at - stride[i];
            if (f->done[next] || (f->m->in_box.data[next] != 0) != f->inside) continue;
            size_t there[3] = {k[0], k[1], k[2]};
            there[i] = side ? k[i] + 1 : k[i] - 1;
            if (!reach_voxel(f, next, there)) return false;
        }
    return true;
}

/* The surface lies midway between voxels of either side. */
static bool start_front(march *f)
{
    const rp_mask *mask = &f->m->in_box;
    const int *size = mask->grid.size;
    const size_t stride[3] = {1, (size_t)size[0], (size_t)size[0] * (size_t)size[1]};
    for (size_t at = 0; at < rp_grid_voxels(&mask->grid); at++) {
        double nearest = INFINITY;
        if ((mask->data[at] != 0) != f->inside) continue;
        for (int i = 0; i < 3; i++) {
            const size_t k = at / stride[i] % (size_t)size[i];
            const bool below = k > 0 && mask->data[at - stride[i]] != mask->data[at];
            const bool above =
                k + 1 < (size_t)size[i] && mask->data[at + stride[i]] != mask->data[at];
            if (below || above) nearest = fmin(nearest, 0.5 * mask->grid.spacing[i]);
        }
        if (!isfinite(nearest)) continue;
        f->time[at] = (float)(nearest * slowness_at(f->m, f->slow, at));
        if (!push(f, f->time[at], at)) return false;
    }
    return true;
}

static rp_status run_front(march *f, rp_error *err)
{
    bool fine = start_front(f);
    while (fine && f->count > 0) {
        const trial t = pop(f);
        if (f->done[t.at]) continue;
        f->done[t.at] = 1;
        fine = spread(f, t.at);
    }
    f->count = 0;
    return fine ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "no memory for the fronts");
}

/* Inside against the time, outside with it; sides are ahead or behind by a few millimetres. */
static void join_fronts(remodel *m, const slowness *s, const float *time, float limit)
{
    for (size_t i = 0; i < rp_grid_voxels(&m->box.grid); i++) {
        double mm[3], ahead = 0;
        if (isfinite(time[i]) || m->in_box.data[i]) {
            voxel_mm(&m->box.grid, i, mm);
            const double most = MOST_AHEAD_PERCENT / 100.0 * m->radius_mm;
            ahead = fmax(-most, fmin(most, lumps_at(&s->shift, mm)));
        }
        const double t = isfinite(time[i]) ? time[i] : limit;
        m->front.data[i] = (float)((m->in_box.data[i] ? -t : t) - ahead);
    }
}

rp_status remodel_run_fronts(remodel *m, int attempt, rp_error *err)
{
    static const double sigma[3] = {0.6, 0.6, 0.35};
    const size_t n = rp_grid_voxels(&m->box.grid);
    slowness slow;
    draw_slowness(m, &slow, attempt);
    march f = {.m = m, .slow = &slow, .limit = (float)(1.2 * m->highest_level + 4)};
    f.time = rp_alloc(n, sizeof *f.time);
    f.done = rp_alloc(n, 1);
    rp_image_release(&m->front);
    rp_status status = f.time && f.done && n < UINT32_MAX
                           ? rp_image_init(&m->front, &m->box.grid, err)
                           : rp_fail(err, RP_ERR_MEMORY, "no memory for the fronts");
    if (status == RP_OK) status = weigh_parts(m, &slow, err);
    for (size_t i = 0; status == RP_OK && i < n; i++) f.time[i] = INFINITY;
    if (status == RP_OK) status = run_front(&f, err);
    f.inside = true;
    const float limit = f.limit;
    f.limit = INFINITY;
    if (status == RP_OK) status = run_front(&f, err);
    if (status == RP_OK) {
        join_fronts(m, &slow, f.time, limit);
        status = rp_smooth(m->front.data, m->front.grid.size, sigma, err);
    }
    rp_image_release(&slow.part);
    rp_free(f.time);
    rp_free(f.done);
    rp_free(f.heap);
    return status;
}

/* ---- the new surface --------------------------------------------------------------------- */

rp_status remodel_tidy(remodel *m, bool *changed, rp_error *err)
{
    const rp_grid *g = &m->box.grid;
    const size_t n = rp_grid_voxels(g);
    rp_mask mask = {0};
    rp_labels labels = {0};
    int32_t count = 0;
    size_t *sizes = NULL;
    *changed = false;
    rp_status status = rp_mask_init(&mask, g, err);
    for (size_t i = 0; status == RP_OK && i < n; i++) mask.data[i] = m->front.data[i] < m->level;
    if (status == RP_OK) status = rp_mask_components(&mask, 26, &labels, &count, &sizes, err);
    if (status == RP_OK && count > 0) {
        const double least = fmax(0.03 * (double)sizes[0], fmax(8, 60 / rp_grid_voxel_mm3(g)));
        for (size_t i = 0; i < n; i++) {
            const int32_t part = labels.data[i];
            if (part <= 1 || (m->with & RP_REMODEL_PIECES && (double)sizes[part - 1] >= least))
                continue;
            m->front.data[i] = (float)(m->level + 3);
            *changed = true;
        }
        m->rest_parts = 0;
        for (int32_t k = 0; k < count; k++) m->rest_parts += (double)sizes[k] >= least;
    }
    rp_free(sizes);
    rp_labels_release(&labels);
    rp_mask_release(&mask);
    return status;
}

rp_status remodel_measure_now(remodel *m, rp_error *err)
{
    const rp_grid *g = &m->box.grid;
    const ptrdiff_t stride[3] = {1, g->size[0], (ptrdiff_t)g->size[0] * g->size[1]};
    rp_status status = rp_image_init(&m->now, g, err);
    if (status != RP_OK) return status;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                const int k[3] = {x, y, z};
                const size_t at = rp_grid_index(g, x, y, z);
                const float *f = m->front.data + at;
                double square = 0.0625;
                for (int i = 0; i < 3; i++) {
                    const ptrdiff_t down = k[i] > 0 ? stride[i] : 0;
                    const ptrdiff_t up = k[i] + 1 < g->size[i] ? stride[i] : 0;
                    if (!down && !up) continue;
                    const double slope = (f[up] - f[-down]) /
                                         ((double)(up + down) / (double)stride[i] * g->spacing[i]);
                    square += slope * slope;
                }
                m->now.data[at] = (float)fmax(-30, fmin(30, (*f - m->level) / sqrt(square)));
            }
    return RP_OK;
}
