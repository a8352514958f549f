/* Another scan: contrast phase, kernel and noise, cone beam, couch, and where the image ends. */
#include "remodel.h"
#include "purpose.h"

#include <math.h>
#include <string.h>

enum { AIR_HU = -1000, PADDING_HU = -1024 };

/* ---- contrast phase ---------------------------------------------------------------------- */

/* Organs and muscle by a hump, vessels by a ramp; fat, air and bone keep their density. */
static double enhanced(double hu, double organ, double vessel)
{
    const double soft = smooth_between(hu, 10, 60) * (1 - smooth_between(hu, 130, 180));
    const double blood = smooth_between(hu, 120, 180) * (1 - smooth_between(hu, 320, 420));
    return hu + organ * soft + vessel * blood;
}

rp_status remodel_phase(remodel *m, rp_error *err)
{
    rp_random r;
    (void)err;
    remodel_stream(m, &r, PART_PHASE);
    const double sign = rp_random_uniform(&r) < 0.5 ? -1 : 1;
    const double organ = sign * remodel_draw(m, &r, "phase.organ_hu", 6, 25);
    const double vessel = sign * remodel_draw(m, &r, "phase.vessel_hu", 15, 60);
    double lesion = remodel_draw(m, &r, "phase.lesion_hu_asked", -20, 20);
    const contrast c = remodel_contrast(m, &m->box, &m->now, 1.5, 10);
    /* What the lesion has more or less than its surroundings stays so, and most of it. */
    const double change = enhanced(c.round_hu, organ, vessel) - c.round_hu;
    const contrast first = remodel_contrast(m, &m->original, &m->before, 1.5, 10);
    const double sign_of = first.hu < 0 ? -1 : 1, kept = (c.hu + lesion - change) * sign_of;
    if (kept < KEPT * fabs(first.hu)) lesion = KEPT * first.hu - c.hu + change;
    remodel_record(m, "phase.lesion_hu", lesion);
    remodel_record(m, "phase.sign", sign);
    const rp_grid *g = &m->box.grid;
    for (size_t i = 0; i < rp_grid_voxels(&m->edited.grid); i++)
        m->edited.data[i] = (float)enhanced(m->edited.data[i], organ, vessel);
    /* The lesion has a course of its own. */
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                const size_t at = rp_grid_index(g, x, y, z);
                const double inside = 0.5 * erfc(m->now.data[at] / 1.2);
                float *hu = m->edited.data + rp_grid_index(&m->edited.grid, x + m->low[0],
                                                           y + m->low[1], z + m->low[2]);
                if (inside < 1e-4) continue;
                const double own =
                    m->box.data[at] + lesion * (1 - smooth_between(m->box.data[at], 150, 250));
                *hu = (float)(*hu + inside * (own - *hu));
            }
    return RP_OK;
}

/* ---- noise ------------------------------------------------------------------------------- */

typedef struct grain_job {
    rp_image *grain;
    uint64_t seed;
    uint64_t stream;
} grain_job;

static void grain_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const grain_job *job = context;
    const size_t n = (size_t)job->grain->grid.size[0] * (size_t)job->grain->grid.size[1];
    rp_random r;
    rp_random_init(&r, job->seed, PURPOSE_REMODEL_NOISE, job->stream << 32 | z);
    for (size_t i = 0; i < n; i++) job->grain->data[z * n + i] = (float)rp_random_normal(&r);
}

/* Noise that neighbouring pixels share. A Gaussian of sigma pixels leaves 1/(2 sigma sqrt(pi)) of
 * the sd along each axis; the share is measured instead, since small sigmas leave more. */
static rp_status add_grain(const remodel *m, rp_image *image, double sd_hu, double sigma,
                           uint64_t stream, rp_error *err)
{
    const double blur[3] = {sigma, sigma, 0};
    const size_t n = rp_grid_voxels(&image->grid);
    rp_image grain = {0};
    double square = 0;
    if (sd_hu <= 0) return RP_OK;
    rp_status status = rp_image_init(&grain, &image->grid, err);
    if (status != RP_OK) return status;
    grain_job job = {&grain, m->options->seed, stream};
    rp_parallel_for((size_t)grain.grid.size[2], grain_slice, &job);
    status = rp_smooth(grain.data, grain.grid.size, blur, err);
    for (size_t i = 0; i < n; i++) square += (double)grain.data[i] * grain.data[i];
    const double factor = sd_hu / sqrt(square / (double)n + 1e-30);
    for (size_t i = 0; status == RP_OK && i < n; i++)
        image->data[i] += (float)(factor * grain.data[i]);
    rp_image_release(&grain);
    return status;
}

/* ---- kernel ------------------------------------------------------------------------------ */

static rp_status change_kernel(remodel *m, rp_image *image, rp_error *err)
{
    rp_random r;
    rp_image blurred = {0};
    remodel_stream(m, &r, PART_KERNEL);
    const bool sharp = rp_random_uniform(&r) < 0.5;
    const double wide_mm = sharp ? 0.8 : remodel_draw(m, &r, "kernel.blur_mm", 0.5, 1.1);
    const double sigma = fmin(1.2, wide_mm / image->grid.spacing[0]);
    const double amount = sharp ? remodel_draw(m, &r, "kernel.sharpening", 0.4, 1.0) : -1;
    const double noise = remodel_draw(m, &r, "kernel.noise_hu", sharp ? 10 : 4, sharp ? 22 : 9);
    const double blur[3] = {sigma, sigma, 0};
    remodel_record(m, "kernel.sharp", sharp);
    rp_status status = rp_image_copy(image, &blurred, err);
    if (status == RP_OK) status = rp_smooth(blurred.data, blurred.grid.size, blur, err);
    for (size_t i = 0; status == RP_OK && i < rp_grid_voxels(&image->grid); i++)
        image->data[i] += (float)(amount * (image->data[i] - blurred.data[i]));
    if (status == RP_OK) status = add_grain(m, image, noise, sharp ? 0.45 : 0.9, PART_KERNEL, err);
    rp_image_release(&blurred);
    return status;
}

/* ---- cone beam --------------------------------------------------------------------------- */

enum { STREAKS = 40 };

typedef struct conebeam {
    const remodel *m;
    rp_image *image;
    double scale, offset, cup, streak_hu, radius_mm, centre_mm[2];
} conebeam;

/* Stripes across the slice at random angles: each a narrow wave that differs from slice to slice.
 */
static void conebeam_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const conebeam *c = context;
    const rp_grid *g = &c->image->grid;
    double cosine[STREAKS], sine[STREAKS], place[STREAKS], height[STREAKS], width[STREAKS];
    rp_random r;
    rp_random_init(&r, c->m->options->seed, PURPOSE_REMODEL_NOISE,
                   (uint64_t)PART_STREAKS << 32 | z);
    for (int k = 0; k < STREAKS; k++) {
        const double angle = rp_random_range(&r, 0, M_PI);
        cosine[k] = cos(angle);
        sine[k] = sin(angle);
        place[k] = c->radius_mm * rp_random_range(&r, -0.9, 0.9);
        height[k] = c->streak_hu * rp_random_normal(&r);
        width[k] = rp_random_range(&r, 1.2, 3.0);
    }
    for (int y = 0; y < g->size[1]; y++)
        for (int x = 0; x < g->size[0]; x++) {
            float *hu = c->image->data + rp_grid_index(g, x, y, (int)z);
            const double u = x * g->spacing[0] - c->centre_mm[0],
                         v = y * g->spacing[1] - c->centre_mm[1];
            const double d = sqrt(u * u + v * v) / c->radius_mm;
            double sum = c->offset - c->cup * (1 - d * d);
            for (int k = 0; k < STREAKS; k++) {
                const double off = (u * cosine[k] + v * sine[k] - place[k]) / width[k];
                if (fabs(off) < 3) sum += height[k] * exp(-0.5 * off * off);
            }
            *hu = d > 1 ? AIR_HU : (float)(c->scale * (*hu + 1000) - 1000 + sum);
        }
}

/* The field is a cylinder that holds the lesion and 30 mm round it. */
static void place_field(remodel *m, conebeam *c, rp_random *r, const double lesion_lps[3])
{
    const rp_grid *g = &c->image->grid;
    double index[3], away = 0;
    const double share = remodel_draw(m, r, "conebeam.field_share", 0.8, 1.0);
    rp_grid_from_world(g, lesion_lps, index);
    const double half = 0.5 * fmax(g->size[0] * g->spacing[0], g->size[1] * g->spacing[1]);
    for (int i = 0; i < 2; i++) {
        c->centre_mm[i] = 0.5 * (g->size[i] - 1) * g->spacing[i];
        away += pow(index[i] * g->spacing[i] - c->centre_mm[i], 2);
    }
    c->radius_mm = fmax(share * half, sqrt(away) + 0.7 * m->baseline_mm + 30);
    remodel_record(m, "conebeam.field_radius_mm", c->radius_mm);
}

static rp_status make_conebeam(remodel *m, rp_image *image, const double lesion_lps[3],
                               rp_error *err)
{
    rp_random r;
    conebeam c = {.m = m, .image = image};
    remodel_stream(m, &r, PART_CONEBEAM);
    c.scale = remodel_draw(m, &r, "conebeam.scale", 0.8, 1.05);
    c.offset = remodel_draw(m, &r, "conebeam.offset_hu", -80, 60);
    c.cup = remodel_draw(m, &r, "conebeam.cupping_hu", 20, 90);
    c.streak_hu = remodel_draw(m, &r, "conebeam.streak_hu", 8, 22);
    const double noise = remodel_draw(m, &r, "conebeam.noise_hu", 25, 45);
    place_field(m, &c, &r, lesion_lps);
    rp_status status = add_grain(m, image, noise, 0.8, PART_CONEBEAM, err);
    if (status == RP_OK) rp_parallel_for((size_t)image->grid.size[2], conebeam_slice, &c);
    return status;
}

/* ---- couch ------------------------------------------------------------------------------- */

/* Another couch under the body where the image shows air there; the old one goes. */
static rp_status draw_couch(remodel *m, rp_image *image, rp_error *err)
{
    const rp_grid *g = &image->grid;
    rp_mask solid = {0};
    rp_random r;
    remodel_stream(m, &r, PART_TABLE);
    const double gap = remodel_draw(m, &r, "table.gap_mm", 2, 12);
    const double thick = remodel_draw(m, &r, "table.thickness_mm", 10, 45);
    const double bend = remodel_draw(m, &r, "table.curvature_per_m", 0, 2.5) / 1000;
    const double foam = remodel_draw(m, &r, "table.foam_hu", -920, -700);
    rp_status status = rp_mask_init(&solid, g, err);
    for (size_t i = 0; status == RP_OK && i < rp_grid_voxels(g); i++)
        solid.data[i] = image->data[i] > -350;
    if (status == RP_OK) status = rp_mask_keep_largest(&solid, 6, NULL, err);
    int low[3], high[3];
    const bool body = status == RP_OK && rp_mask_bounds(&solid, low, high);
    const int under =
        body ? high[1] - (high[1] - low[1]) / 5 : 0; /* arms and legs beside it stay */
    for (int z = 0; body && z < g->size[2]; z++)
        for (int x = 0; x < g->size[0]; x++) {
            int back = g->size[1] - 1; /* of the body in this column */
            while (back >= 0 && !solid.data[rp_grid_index(g, x, back, z)]) back--;
            const double u = x * g->spacing[0] - 0.5 * (low[0] + high[0]) * g->spacing[0];
            const double top = high[1] * g->spacing[1] + gap - bend * u * u;
            for (int y = back + 4 > under ? back + 4 : under; y < g->size[1]; y++) {
                const double depth = y * g->spacing[1] - top;
                float *hu = image->data + rp_grid_index(g, x, y, z);
                const double skin = fmin(fabs(depth), fabs(depth - thick));
                if (depth >= 0 && depth <= thick)
                    *hu = (float)(foam + 800 * exp(-skin * skin / 4));
                else if (*hu > -960)
                    *hu = AIR_HU;
            }
        }
    rp_mask_release(&solid);
    return status;
}

rp_status remodel_scan(remodel *m, rp_image *image, const double lesion_lps[3], rp_error *err)
{
    rp_status status = RP_OK;
    if (m->with & RP_REMODEL_TABLE) status = draw_couch(m, image, err);
    if (status == RP_OK && m->with & RP_REMODEL_KERNEL) status = change_kernel(m, image, err);
    if (status == RP_OK && m->with & RP_REMODEL_CONEBEAM)
        status = make_conebeam(m, image, lesion_lps, err);
    if (status == RP_OK) status = add_grain(m, image, m->options->noise_hu, 0.6, PART_NOISE, err);
    for (size_t i = 0; status == RP_OK && i < rp_grid_voxels(&image->grid); i++)
        image->data[i] = fmaxf(PADDING_HU, fminf(3071, image->data[i]));
    return status;
}

/* ---- where the image ends ---------------------------------------------------------------- */

typedef struct ending {
    int axis, low, high; /* the slices along it that stay */
} ending;

static void end_within(const rp_mask *old_place, const int low[3], const int high[3], bool through,
                       double share, bool upper, ending *e)
{
    const int size = old_place->grid.size[e->axis], a = low[e->axis], b = high[e->axis];
    const int part = (int)lrint(share * (b - a + 1)), beside = 1 + (int)(share * 4);
    e->low = 0;
    e->high = size - 1;
    if (upper)
        e->high = through ? b - (part < 1 ? 1 : part) : b + beside;
    else
        e->low = through ? a + (part < 1 ? 1 : part) : a - beside;
    if (e->low < 0) e->low = 0;
    if (e->high > size - 1) e->high = size - 1;
}

/* Feet or head: there are no more slices. */
static rp_status drop_slices(rp_image *image, rp_mask *mask, const ending *e, rp_error *err)
{
    rp_grid g = image->grid;
    const double first[3] = {0, 0, e->low};
    const size_t slice = (size_t)g.size[0] * (size_t)g.size[1];
    rp_image cut = {0};
    rp_mask kept = {0};
    rp_grid_to_world(&image->grid, first, g.origin);
    g.size[2] = e->high - e->low + 1;
    rp_status status = image->data ? rp_image_init(&cut, &g, err) : RP_OK;
    if (status == RP_OK && mask->data) status = rp_mask_init(&kept, &g, err);
    if (status == RP_OK) {
        const size_t n = rp_grid_voxels(&g), from = slice * (size_t)e->low;
        memcpy(cut.data, image->data + from, n * sizeof *cut.data);
        if (mask->data) memcpy(kept.data, mask->data + from, n);
        rp_image_release(image);
        rp_mask_release(mask);
        *image = cut;
        *mask = kept;
    } else {
        rp_image_release(&cut);
    }
    return status;
}

/* A side: padding, as beyond a scanner's field. */
static void pad_side(rp_image *image, rp_mask *mask, const ending *e)
{
    const rp_grid *g = &image->grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                const int k = e->axis == 0 ? x : y;
                const size_t at = rp_grid_index(g, x, y, z);
                if (k >= e->low && k <= e->high) continue;
                image->data[at] = PADDING_HU;
                mask->data[at] = 0;
            }
}

rp_status remodel_cut(remodel *m, const rp_mask *old_place, rp_error *err)
{
    rp_random r;
    int low[3], high[3];
    ending e = {0};
    remodel_stream(m, &r, PART_CUT);
    e.axis = (int)(3 * rp_random_uniform(&r));
    const bool through = rp_random_uniform(&r) < 0.5, upper = rp_random_uniform(&r) < 0.5;
    const double share = rp_random_range(&r, 0.15, 0.5);
    if (!rp_mask_bounds(old_place, low, high)) return RP_OK;
    if (high[e.axis] - low[e.axis] < 3) e.axis = 0;
    end_within(old_place, low, high, through, share, upper, &e);
    remodel_record(m, "cut.axis", e.axis);
    remodel_record(m, "cut.through", through);
    remodel_record(m, "cut.upper", upper);
    if (e.axis < 2) {
        pad_side(&m->out->image, &m->out->mask, &e);
        if (m->out->new_lesion.data) pad_side(&m->out->image, &m->out->new_lesion, &e);
        return RP_OK;
    }
    rp_image none = m->out->image;
    rp_status status = RP_OK;
    if (m->out->new_lesion.data) {
        rp_image copy = {0};
        status = rp_image_copy(&none, &copy, err);
        if (status == RP_OK) status = drop_slices(&copy, &m->out->new_lesion, &e, err);
        rp_image_release(&copy);
    }
    return status == RP_OK ? drop_slices(&m->out->image, &m->out->mask, &e, err) : status;
}
