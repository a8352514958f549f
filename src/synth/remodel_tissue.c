/* What stands where the lesion was, where it grew, and what treatment does to both. */
#include "remodel.h"

#include <math.h>
#include <string.h>

/* Two layers: tissue as if there were no lesion, and lesion as if there were nothing else. */
typedef struct layers {
    rp_image tissue, lesion;
    double edge_mm; /* sd of the blur over a surface */
} layers;

static double share(double signed_mm, double edge_mm)
{
    return 0.5 * erfc(signed_mm / (edge_mm * M_SQRT2));
}

static size_t voxels(const remodel *m)
{
    return rp_grid_voxels(&m->box.grid);
}

/* ---- the two layers ---------------------------------------------------------------------- */

enum { NEED, SOURCE, CONTEXT, ROLES };

/* The lesion's blurred edge reaches beyond its mask, and into the next slices. */
static bool touched(const remodel *m, size_t at, double margin_mm)
{
    const rp_grid *g = &m->box.grid;
    const size_t slice = (size_t)g->size[0] * (size_t)g->size[1], z = at / slice;
    if (m->before.data[at] < margin_mm) return true;
    return (z > 0 && m->in_box.data[at - slice]) ||
           (z + 1 < (size_t)g->size[2] && m->in_box.data[at + slice]);
}

static bool is_example(const remodel *m, float hu)
{
    return m->lung ? hu > -1000 && hu < 200 : hu > -250 && hu < 280;
}

contrast remodel_contrast(const remodel *m, const rp_image *image, const rp_image *signed_mm,
                          double from, double to)
{
    double in = 0, ins = 0, out = 0, outs = 0, square = 0;
    for (size_t i = 0; i < rp_grid_voxels(&image->grid); i++) {
        const double mm = signed_mm->data[i], hu = image->data[i];
        if (mm < 0) in += hu, ins++;
        if (mm < from || mm > to || hu > 300 || (hu < -250 && !m->lung) || hu < -1000) continue;
        out += hu;
        square += hu * hu;
        outs++;
    }
    if (ins == 0 || outs == 0) return (contrast){0};
    const double mean = out / outs;
    return (contrast){in / ins - mean, mean, sqrt(fmax(0, square / outs - mean * mean))};
}

static void roles_of_tissue(const remodel *m, double edge_mm, uint8_t *role[ROLES], float *order)
{
    const rp_grid *g = &m->box.grid;
    /* Contours are rarely drawn at the outermost of what shows. */
    const double margin = fmax(4.5, 2 * fmax(g->spacing[0], g->spacing[1]));
    for (size_t i = 0; i < voxels(m); i++) {
        const bool zone = touched(m, i, margin);
        role[NEED][i] = zone && m->now.data[i] > -3 * edge_mm;
        role[SOURCE][i] = !zone && m->before.data[i] > margin + 2 && is_example(m, m->box.data[i]);
        role[CONTEXT][i] = !zone;
        order[i] = -m->before.data[i];
    }
}

static void roles_of_lesion(const remodel *m, double edge_mm, uint8_t *role[ROLES], float *order)
{
    double deepest = 0;
    for (size_t i = 0; i < voxels(m); i++) deepest = fmax(deepest, -m->before.data[i]);
    const double margin = fmin(1.5, 0.3 * deepest);
    for (size_t i = 0; i < voxels(m); i++) {
        const bool pure = m->in_box.data[i] && m->before.data[i] <= -margin;
        role[NEED][i] = !pure && m->now.data[i] < 3 * edge_mm;
        role[SOURCE][i] = role[CONTEXT][i] = pure;
        order[i] = m->before.data[i];
    }
}

/* Means over about a block. */
static rp_status smooth_examples(const remodel *m, const rp_image *image, rp_image *out,
                                 rp_error *err)
{
    const rp_grid *g = &image->grid;
    const double sigma[3] = {2.5 / g->spacing[0], 2.5 / g->spacing[1], 1.5 / g->spacing[2]};
    rp_status status = rp_image_copy(image, out, err);
    if (status != RP_OK) return status;
    for (size_t i = 0; !m->lung && i < voxels(m); i++)
        out->data[i] = fmaxf(-200, fminf(250, out->data[i]));
    return rp_smooth(out->data, g->size, sigma, err);
}

/* The textures are those of `image`, the box as it was. */
static rp_status grow_layer(remodel *m, const rp_image *image, bool of_lesion, double edge_mm,
                            rp_image *out, rp_error *err)
{
    const size_t n = voxels(m);
    uint8_t *role[ROLES] = {rp_alloc(n, 1), rp_alloc(n, 1), rp_alloc(n, 1)};
    float *order = rp_alloc(n, sizeof *order);
    rp_image smooth = {0};
    rp_status status = rp_image_init(out, &m->box.grid, err);
    if (status == RP_OK && !(role[NEED] && role[SOURCE] && role[CONTEXT] && order))
        status = rp_fail(err, RP_ERR_MEMORY, "no memory for the tissue's layers");
    if (status == RP_OK) {
        (of_lesion ? roles_of_lesion : roles_of_tissue)(m, edge_mm, role, order);
        if (!of_lesion) status = smooth_examples(m, image, &smooth, err);
    }
    if (status == RP_OK) {
        fill_job job = {.image = image,
                        .need = role[NEED],
                        .source = role[SOURCE],
                        .context = role[CONTEXT],
                        .order = order,
                        .out = out->data};
        const contrast c = remodel_contrast(m, image, &m->before, 6, 25);
        job.smooth = smooth.data; /* NULL for the lesion */
        job.prefer_hu = c.round_hu;
        job.avoid_hu = c.round_hu + c.hu;
        remodel_stream(m, &job.random, of_lesion ? PART_TEXTURE : PART_TISSUE);
        status = remodel_fill(&job, err);
    }
    for (int k = 0; k < ROLES; k++) rp_free(role[k]);
    rp_image_release(&smooth);
    rp_free(order);
    return status;
}

/* The image stays where the surface did not move: its own edge is the best there is. */
static void blend(remodel *m, const layers *l)
{
    const double pixel = fmax(m->box.grid.spacing[0], m->box.grid.spacing[1]);
    for (size_t i = 0; i < voxels(m); i++) {
        const double moved = fabs(m->now.data[i] - m->before.data[i]);
        const double fresh = smooth_between(moved, 0.5 * pixel, 1.5 * pixel);
        const double inside = share(m->now.data[i], l->edge_mm);
        const double made = inside * l->lesion.data[i] + (1 - inside) * l->tissue.data[i];
        m->box.data[i] = (float)(fresh * made + (1 - fresh) * m->box.data[i]);
    }
}

/* ---- what treatment leaves in the lesion ---------------------------------------------------- */

/* A random voxel with the field below the limit; false where there is none. */
static bool point_below(const remodel *m, const rp_image *field, double limit, rp_random *r,
                        double mm[3])
{
    const rp_grid *g = &m->box.grid;
    const size_t n = voxels(m), row = (size_t)g->size[0], slice = row * (size_t)g->size[1];
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++) count += field->data[i] < limit;
    size_t pick = (size_t)(rp_random_uniform(r) * (double)count);
    if (count == 0) return false;
    while (!(field->data[at] < limit) || pick-- > 0) at++;
    mm[0] = (double)(at % row) * g->spacing[0];
    mm[1] = (double)(at % slice / row) * g->spacing[1];
    mm[2] = (double)(at / slice) * g->spacing[2];
    return true;
}

static void place_of(const remodel *m, size_t at, double mm[3])
{
    const rp_grid *g = &m->box.grid;
    const size_t row = (size_t)g->size[0], slice = row * (size_t)g->size[1];
    mm[0] = (double)(at % row) * g->spacing[0];
    mm[1] = (double)(at % slice / row) * g->spacing[1];
    mm[2] = (double)(at / slice) * g->spacing[2];
}

/* Exact mm to the new surface (`now` is good near it alone), and the largest depth. */
static rp_status measure_depth(const remodel *m, rp_image *depth, double *deepest, rp_error *err)
{
    rp_mask inside = {0};
    *deepest = 0;
    rp_status status = rp_mask_init(&inside, &m->box.grid, err);
    for (size_t i = 0; status == RP_OK && i < voxels(m); i++) inside.data[i] = m->now.data[i] < 0;
    if (status == RP_OK) status = remodel_signed_distance(&inside, depth, err);
    for (size_t i = 0; status == RP_OK && i < voxels(m); i++)
        *deepest = fmax(*deepest, -depth->data[i]);
    rp_mask_release(&inside);
    return status;
}

static double mean_now(const remodel *m)
{
    double sum = 0, count = 1e-9;
    for (size_t i = 0; i < voxels(m); i++)
        if (m->now.data[i] < 0) sum += m->box.data[i], count++;
    return sum / count;
}

/* A core with a ragged edge, whose texture is fainter than the lesion's. */
static rp_status make_necrosis(remodel *m, rp_error *err)
{
    rp_random r;
    rp_image depth = {0};
    double deepest;
    remodel_stream(m, &r, PART_NECROSIS);
    rp_status status = measure_depth(m, &depth, &deepest, err);
    const double asked = remodel_draw(m, &r, "necrosis.hu_asked", 5, 25);
    const contrast c = remodel_contrast(m, &m->box, &m->now, 1.5, 10);
    /* A core as dense as what surrounds the lesion would hide it. */
    const double hu = fmin(asked, c.round_hu - KEPT * fmin(40, fabs(c.hu)));
    remodel_record(m, "necrosis.hu", hu);
    const double from = deepest * remodel_draw(m, &r, "necrosis.rind_share", 0.2, 0.4);
    const double strength = remodel_draw(m, &r, "necrosis.strength", 0.75, 0.95);
    const double mean = mean_now(m);
    lumps ragged = {0};
    for (; status == RP_OK && ragged.count < 8; ragged.count++) {
        const int k = ragged.count;
        if (!point_below(m, &m->now, 0, &r, ragged.at[k])) break;
        ragged.width_mm[k] = deepest * rp_random_range(&r, 0.2, 0.5);
        ragged.height[k] = deepest * rp_random_range(&r, -0.25, 0.25);
    }
    for (size_t i = 0; status == RP_OK && i < voxels(m); i++) {
        double mm[3];
        if (!(m->now.data[i] < 0)) continue;
        place_of(m, i, mm);
        const double in = -depth.data[i] + lumps_at(&ragged, mm);
        const double core = strength * smooth_between(in, from, from + fmax(1, 0.2 * deepest));
        const double soft = hu + 0.35 * fmax(-60, fmin(60, m->box.data[i] - mean));
        m->box.data[i] = (float)(m->box.data[i] + core * (soft - m->box.data[i]));
    }
    rp_image_release(&depth);
    return status;
}

/* Iodised oil or calcium: a few dense clumps, each with a core and a blurred edge. */
static rp_status make_embolised(remodel *m, rp_error *err)
{
    rp_random r;
    rp_image depth = {0};
    double deepest;
    remodel_stream(m, &r, PART_EMBOLISED);
    rp_status status = measure_depth(m, &depth, &deepest, err);
    rp_image_release(&depth);
    const double pixel = fmax(m->box.grid.spacing[0], m->box.grid.spacing[1]);
    const double hu = remodel_draw(m, &r, "embolised.hu", 250, 750);
    const double largest = fmax(1.2 * pixel, fmin(6, 0.45 * deepest));
    lumps clumps = {0};
    const int count = 3 + (int)(7 * rp_random_uniform(&r));
    for (; status == RP_OK && clumps.count < count; clumps.count++) {
        const int k = clumps.count;
        if (!point_below(m, &m->now, -0.3 * pixel, &r, clumps.at[k]) &&
            !point_below(m, &m->now, 0, &r, clumps.at[k]))
            break;
        clumps.width_mm[k] = fmax(0.8 * pixel, largest * rp_random_range(&r, 0.2, 0.8));
        clumps.height[k] = rp_random_range(&r, 0.7, 1.1);
    }
    remodel_record(m, "embolised.clumps", clumps.count);
    for (size_t i = 0; status == RP_OK && i < voxels(m); i++) {
        double mm[3];
        if (!(m->now.data[i] < 2 * pixel)) continue;
        place_of(m, i, mm);
        const double dense =
            smooth_between(lumps_at(&clumps, mm), 0.35, 0.9) * share(m->now.data[i], 0.5 * pixel);
        m->box.data[i] = (float)(m->box.data[i] + dense * (hu - m->box.data[i]));
    }
    return status;
}

/* ---- and round it ------------------------------------------------------------------------ */

/* Strands from what is left to where the border was, slightly bent. */
static void draw_strand(lumps strand[], const double a[3], const double b[3], double width_mm,
                        rp_random *r)
{
    double bend[3], length = 0;
    for (int i = 0; i < 3; i++) length += (a[i] - b[i]) * (a[i] - b[i]);
    length = sqrt(length);
    for (int i = 0; i < 3; i++) bend[i] = 0.2 * length * rp_random_range(r, -1, 1);
    for (int k = 0; k < 4 * MOST_LUMPS; k++) {
        lumps *l = &strand[k / MOST_LUMPS];
        const double t = (k + 0.5) / (4 * MOST_LUMPS), arch = 4 * t * (1 - t);
        for (int i = 0; i < 3; i++) l->at[l->count][i] = a[i] + t * (b[i] - a[i]) + arch * bend[i];
        l->width_mm[l->count] = width_mm;
        l->height[l->count++] = fmin(1, 2 * length / (4 * MOST_LUMPS * width_mm));
    }
}

static void make_scar(remodel *m)
{
    rp_random r;
    double from[3], to[3] = {0}, middle[3] = {0};
    remodel_stream(m, &r, PART_SCAR);
    const double pixel = fmax(m->box.grid.spacing[0], m->box.grid.spacing[1]);
    const double rise = remodel_draw(m, &r, "scar.hu", 25, 50);
    const double width = fmax(0.8 * pixel, remodel_draw(m, &r, "scar.width_mm", 1.2, 2.4) / 2);
    const int strands = 2 + (int)(2 * rp_random_uniform(&r));
    remodel_record(m, "scar.strands", strands);
    if (!point_below(m, &m->now, -0.5 * pixel, &r, middle) &&
        !point_below(m, &m->now, 0, &r, middle))
        point_below(m, &m->before, -0.7 * m->radius_mm, &r, middle);
    for (int s = 0; s < strands; s++) {
        lumps strand[4] = {0};
        double best = 0;
        for (int k = 0; k < 12; k++) { /* to where most has gone */
            double d2 = 0;
            if (!point_below(m, &m->before, -0.1 * pixel, &r, from)) break;
            for (int i = 0; i < 3; i++) d2 += (from[i] - middle[i]) * (from[i] - middle[i]);
            if (d2 > best) memcpy(to, from, sizeof to);
            best = fmax(best, d2);
        }
        if (best == 0) return;
        draw_strand(strand, middle, to, width, &r);
        for (size_t i = 0; i < voxels(m); i++) {
            double mm[3], sum = 0;
            if (m->before.data[i] > 3 || m->now.data[i] < -1) continue;
            place_of(m, i, mm);
            for (int k = 0; k < 4; k++) sum += lumps_at(&strand[k], mm);
            const double here = fmin(1, sum) * (1 - share(m->now.data[i], 0.6 * pixel));
            const double goal = fmax(m->box.data[i] + rise, fmin(rise + 30, m->box.data[i] + 150));
            m->box.data[i] = (float)(m->box.data[i] + here * (goal - m->box.data[i]));
        }
    }
}

/* Water: darker muscle and organs, denser fat and lung; of uneven width. */
static void make_oedema(remodel *m)
{
    rp_random r;
    lumps uneven = {0};
    const bool gone = m->options->change_percent <= -100;
    remodel_stream(m, &r, PART_OEDEMA);
    const double width = remodel_draw(m, &r, "oedema.mm", 5, 12);
    const contrast c = remodel_contrast(m, &m->box, gone ? &m->before : &m->now, 1.5, 10);
    double soft = remodel_draw(m, &r, "oedema.hu_asked", 10, 25);
    const contrast first = remodel_contrast(m, &m->original, &m->before, 1.5, 10);
    if (!gone && first.hu < 0) /* a dark lesion stays darker */
        soft = fmax(0, fmin(soft, KEPT * first.hu - c.hu));
    remodel_record(m, "oedema.hu", soft);
    const double fat = remodel_draw(m, &r, "oedema.fat_hu", 20, 45);
    for (; uneven.count < 8; uneven.count++) {
        point_below(m, &m->before, 0, &r, uneven.at[uneven.count]);
        uneven.width_mm[uneven.count] = m->radius_mm * rp_random_range(&r, 0.4, 0.9);
        uneven.height[uneven.count] = width * rp_random_range(&r, -0.7, 0.7);
    }
    const double edge = 0.6 * fmax(m->box.grid.spacing[0], m->box.grid.spacing[1]);
    for (size_t i = 0; i < voxels(m); i++) {
        const double away = gone ? fmax(0, m->before.data[i]) : m->now.data[i], hu = m->box.data[i];
        double mm[3];
        if (away > 2.5 * width || away < -3) continue;
        place_of(m, i, mm);
        const double reach = fmax(2, width + lumps_at(&uneven, mm));
        const double wet =
            (1 - smooth_between(away, 0.3 * reach, reach)) * (gone ? 1 : 1 - share(away, edge));
        double change = -soft * smooth_between(hu, -30, 20) * (1 - smooth_between(hu, 150, 220));
        change += fat * smooth_between(hu, -160, -120) * (1 - smooth_between(hu, -40, 0));
        if (m->lung)
            change +=
                6 * fat * smooth_between(hu, -980, -900) * (1 - smooth_between(hu, -500, -300));
        m->box.data[i] = (float)(hu + wet * change);
    }
}

/* ---- a new lesion ------------------------------------------------------------------------ */

static float box_value(const remodel *m, const rp_image *image, const double mm[3])
{
    double index[3];
    for (int i = 0; i < 3; i++) index[i] = mm[i] / m->box.grid.spacing[i];
    return rp_sample_linear(image->data, image->grid.size, index);
}

/* Tissue all round, clear of the lesion then and now. */
static bool fits(const remodel *m, const double mm[3], double radius)
{
    static const double ways[7][3] = {{0}, {1}, {-1}, {0, 1}, {0, -1}, {0, 0, 1}, {0, 0, -1}};
    for (int k = 0; k < 7; k++) {
        double p[3];
        for (int i = 0; i < 3; i++) {
            p[i] = mm[i] + radius * ways[k][i];
            if (p[i] < 2 * m->box.grid.spacing[i] ||
                p[i] > (m->box.grid.size[i] - 3) * m->box.grid.spacing[i])
                return false;
        }
        const float hu = box_value(m, &m->box, p);
        if (hu > 220 || hu < (m->lung ? -980 : -140)) return false;
    }
    return box_value(m, &m->before, mm) > radius + 6 && box_value(m, &m->now, mm) > radius + 6;
}

static bool find_place(remodel *m, rp_random *r)
{
    m->new_mm = rp_random_range(r, 4, 9);
    for (int attempt = 0; attempt < 3000; attempt++) {
        for (int i = 0; i < 3; i++)
            m->new_at[i] =
                rp_random_uniform(r) * (m->box.grid.size[i] - 1) * m->box.grid.spacing[i];
        if (fits(m, m->new_at, m->new_mm)) return true;
        if (attempt % 600 == 599) m->new_mm *= 0.75;
    }
    return false;
}

static void shape_new_lesion(remodel *m, rp_random *r)
{
    lumps uneven = {.count = 5};
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < 3; i++)
            uneven.at[k][i] = m->new_at[i] + m->new_mm * rp_random_range(r, -1, 1);
        uneven.width_mm[k] = 0.7 * m->new_mm;
        uneven.height[k] = m->new_mm * rp_random_range(r, -0.2, 0.25);
    }
    for (size_t i = 0; i < voxels(m); i++) {
        double mm[3], d2 = 0;
        place_of(m, i, mm);
        for (int a = 0; a < 3; a++) d2 += (mm[a] - m->new_at[a]) * (mm[a] - m->new_at[a]);
        m->new_front.data[i] = (float)(sqrt(d2) - m->new_mm - lumps_at(&uneven, mm));
    }
}

static rp_status make_new_lesion(remodel *m, const rp_image *original, double edge_mm,
                                 rp_error *err)
{
    rp_random r;
    rp_image texture = {0};
    remodel_stream(m, &r, PART_NEW);
    if (!find_place(m, &r))
        return rp_fail(err, RP_ERR_NUMERIC, "there is no place for a new lesion near the old one");
    remodel_record(m, "new-lesion.radius_mm", m->new_mm);
    rp_status status = rp_image_init(&m->new_front, &m->box.grid, err);
    if (status != RP_OK) return status;
    shape_new_lesion(m, &r);
    /* Its texture is the lesion's at baseline, grown where the new one lies. */
    rp_image now = m->now;
    m->now = m->new_front;
    status = grow_layer(m, original, true, edge_mm, &texture, err);
    m->now = now;
    for (size_t i = 0; status == RP_OK && i < voxels(m); i++) {
        const double inside = share(m->new_front.data[i], edge_mm);
        m->box.data[i] = (float)(m->box.data[i] + inside * (texture.data[i] - m->box.data[i]));
    }
    rp_image_release(&texture);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------- */

static rp_status put_back(remodel *m, rp_error *err)
{
    const rp_grid *g = &m->box.grid;
    rp_status status = rp_image_copy(m->baseline, &m->edited, err);
    if (status != RP_OK) return status;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            memcpy(m->edited.data +
                       rp_grid_index(&m->edited.grid, m->low[0], y + m->low[1], z + m->low[2]),
                   m->box.data + rp_grid_index(g, 0, y, z),
                   (size_t)g->size[0] * sizeof *m->box.data);
    return RP_OK;
}

rp_status remodel_change_tissue(remodel *m, rp_error *err)
{
    layers l = {.edge_mm = 0.6 * fmax(m->box.grid.spacing[0], m->box.grid.spacing[1])};
    rp_status status = grow_layer(m, &m->original, false, l.edge_mm, &l.tissue, err);
    if (status == RP_OK) status = grow_layer(m, &m->original, true, l.edge_mm, &l.lesion, err);
    if (status == RP_OK) {
        blend(m, &l);
        if (m->with & RP_REMODEL_NECROSIS) status = make_necrosis(m, err);
        if (status == RP_OK && m->with & RP_REMODEL_EMBOLISED) status = make_embolised(m, err);
        if (m->with & RP_REMODEL_SCAR) make_scar(m);
        if (m->with & RP_REMODEL_OEDEMA) make_oedema(m);
    }
    if (status == RP_OK && m->with & RP_REMODEL_NEW_LESION)
        status = make_new_lesion(m, &m->original, l.edge_mm, err);
    if (status == RP_OK) status = put_back(m, err);
    rp_image_release(&l.tissue);
    rp_image_release(&l.lesion);
    return status;
}
