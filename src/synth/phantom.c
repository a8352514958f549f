/* A cohort of synthetic abdominal patients: drawing them, their two visits, and the images. */
#include "anatomy.h"
#include "clinical.h"
#include "purpose.h"
#include "reprise/measure.h"
#include "reprise/synth.h"

#include <math.h>
#include <string.h>

void rp_phantom_defaults(rp_phantom_options *options)
{
    *options = (rp_phantom_options){.seed = 1, .size = {160, 128, 48}, .spacing = {2.0, 2.0, 4.0}};
}

void rp_phantom_release(rp_phantom *phantom)
{
    rp_image_release(&phantom->baseline);
    rp_image_release(&phantom->followup);
    rp_mask_release(&phantom->baseline_lesion);
    rp_mask_release(&phantom->followup_lesion);
    rp_remodeled_release(&phantom->remodelled);
    *phantom = (rp_phantom){0};
}

/* ---- drawing a patient ------------------------------------------------------------------- */

static double extent(const rp_phantom_options *o, int axis)
{
    return o->size[axis] * o->spacing[axis];
}

/* Responses are spread evenly over the patients of a cohort (golden section), so that even a small
 * one holds partial response, stable disease and progression. */
static double draw_response(const rp_phantom_options *o)
{
    rp_random r;
    rp_random_init(&r, o->seed, PURPOSE_COHORT, 0);
    double u = rp_random_uniform(&r) + 0.6180339887498949 * o->patient;
    return 1 + (-55 + 85 * (u - floor(u))) / 100;
}

/* The largest tumour that this body and this image hold, growth at the follow-up included. */
static double largest_radius(const rp_phantom_options *o, const patient *who, double growth)
{
    double half[2], cy;
    anatomy_cavity(who, half, &cy);
    double height = 0.5 * extent(o, 2) / who->size - 14;
    return fmin(90, fmin(0.92 * half[1], height)) / fmax(1, growth);
}

/* Moves the centre until the tumour lies within the cavity and the image. */
static void settle(const rp_phantom_options *o, const patient *who, double growth, tumour *t)
{
    double half[2], cy, reach = t->radius[0] * fmax(1, growth);
    double height = 0.5 * extent(o, 2) / who->size - 10 - t->radius[2] * fmax(1, growth);
    anatomy_cavity(who, half, &cy);
    for (int i = 0; i < 200; i++) {
        double u = (fabs(t->centre[0]) + 0.9 * reach) / half[0];
        double v = (fabs(t->centre[1] - cy) + 0.9 * reach) / half[1];
        if (fmax(u, v) <= 1) break;
        if (u > 1) t->centre[0] *= 0.97;
        if (v > 1) t->centre[1] = cy + 0.97 * (t->centre[1] - cy);
    }
    t->centre[2] = fmax(-fmax(0, height), fmin(fmax(0, height), t->centre[2]));
}

static void draw_satellites(tumour *t, rp_random *r)
{
    t->satellite_count = 1 + (int)(rp_random_uniform(r) * MOST_SATELLITES);
    for (int i = 0; i < t->satellite_count; i++) {
        double radius = rp_random_range(r, 6, 11), angle = rp_random_range(r, 0, 2 * M_PI);
        double away = 1.25 * t->radius[0] + radius + rp_random_range(r, 3, 9);
        t->satellite_radius[i] = radius;
        t->satellite_centre[i][0] = t->centre[0] + away * cos(angle);
        t->satellite_centre[i][1] = t->centre[1] + away * sin(angle);
        t->satellite_centre[i][2] = t->centre[2] + rp_random_range(r, -0.4, 0.4) * t->radius[2];
    }
}

static void draw_tumour(const rp_phantom_options *o, const patient *who, double growth, tumour *t,
                        rp_random *r)
{
    double most = largest_radius(o, who, growth), least = fmin(20, most);
    double radius = least * pow(most / least, rp_random_uniform(r));
    t->radius[0] = radius;
    t->radius[1] = radius * rp_random_range(r, 0.7, 0.95);
    t->radius[2] = radius * rp_random_range(r, 0.7, 0.95);
    t->angle = rp_random_range(r, 0, M_PI);
    t->irregularity = rp_random_range(r, 0.06, 0.13);
    t->hu = rp_random_range(r, 60, 78);
    t->centre[0] = rp_random_range(r, -75, -40);
    t->centre[1] = rp_random_range(r, -30, 12);
    t->centre[2] = rp_random_range(r, -20, 30);
    settle(o, who, growth, t);
    t->necrosis = rp_random_uniform(r) < 0.6;
    t->thrombus = o->patient % 5 == 3;
    t->cava = t->thrombus && rp_random_uniform(r) < 0.4;
    if (o->patient % 4 == 2) draw_satellites(t, r);
}

static void draw_patient(const rp_phantom_options *o, double growth, patient *who)
{
    rp_random r;
    rp_random_init(&r, o->seed, PURPOSE_ANATOMY, (uint64_t)o->patient);
    /* A smaller image shows a smaller patient, whole. */
    who->size = fmin(1.15, fmin(extent(o, 0) / 320, extent(o, 1) / 256));
    who->body[0] = rp_random_range(&r, 134, 148);
    who->body[1] = rp_random_range(&r, 95, 106);
    who->liver_hu = rp_random_range(&r, 98, 112);
    who->ascites_mm = rp_random_uniform(&r) < 0.3 ? rp_random_range(&r, 3, 9) : 0;
    who->kidney_z = rp_random_range(&r, -62, -40);
    who->rib_z = rp_random_range(&r, 0, 30);
    texture_draw(&who->nodules, 13, &r);
    texture_draw(&who->lumps, 48, &r);
    texture_draw(&who->mottle, 18, &r);
    texture_draw(&who->loops, 42, &r);
    draw_tumour(o, who, growth, &who->tumour, &r);
}

/* ---- drawing a visit --------------------------------------------------------------------- */

static void draw_baseline(visit *v, double size, rp_random *r)
{
    *v = (visit){.liver_scale = 1, .tumour_scale = 1, .rim_mm = 1, .necrosis_level = 1.2};
    v->vessel_hu = rp_random_range(r, 155, 175);
    v->artery_hu = v->vessel_hu + rp_random_range(r, -5, 15);
    v->gas_level_mm = rp_random_range(r, -52, -40);
    v->table_mm = 110 * size;
}

static void draw_followup(visit *v, const visit *before, double growth, double size, rp_random *r)
{
    *v = *before;
    v->tumour_scale = growth;
    v->liver_scale = rp_random_range(r, 0.93, 1.0);
    /* Earlier: brighter arteries, paler liver; later: everything closer together. */
    double early = rp_random_range(r, -1, 1);
    v->vessel_hu -= 18 * fabs(early);
    v->artery_hu += 30 * early;
    v->liver_change_hu = -9 * early;
    v->tumour_change_hu = 5 * early - (growth < 1 ? 6 : 0);
    v->rim_hu = growth < 1.1 ? rp_random_range(r, -22, -12) : 0;
    v->rim_mm = rp_random_range(r, 7, 12);
    v->necrosis_level -= growth < 1 ? 0.5 : 0.1;
    v->gas_level_mm = rp_random_range(r, -58, -36);
    for (int i = 0; i < 3; i++) v->shift_mm[i] = size * rp_random_range(r, -8, 8);
    v->table_mm = v->table_mm + v->shift_mm[1];
}

/* ---- images ------------------------------------------------------------------------------ */

typedef struct picture {
    const patient *who;
    const visit *when;
    rp_image *image;
    rp_mask *lesion;
    uint64_t seed;
    uint32_t purpose;
    uint64_t stream;
} picture;

static void picture_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const picture *job = context;
    const rp_grid *g = &job->image->grid;
    for (int y = 0; y < g->size[1]; y++)
        for (int x = 0; x < g->size[0]; x++) {
            double index[3] = {x, y, (double)z}, world[3];
            size_t at = rp_grid_index(g, x, y, (int)z);
            rp_grid_to_world(g, index, world);
            tissue found = anatomy_at(job->who, job->when, world, g->spacing[0]);
            job->image->data[at] = (float)found.hu;
            job->lesion->data[at] = found.lesion;
        }
}

static void noise_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const picture *job = context;
    size_t n = (size_t)job->image->grid.size[0] * (size_t)job->image->grid.size[1];
    rp_random r;
    rp_random_init(&r, job->seed, job->purpose, job->stream + z);
    for (size_t i = 0; i < n; i++) job->image->data[z * n + i] = (float)rp_random_normal(&r);
}

/* CT noise is grainy, not white: neighbouring pixels share it. */
static rp_status add_noise(const picture *job, double noise_hu, rp_error *err)
{
    static const double sigma[3] = {0.7, 0.7, 0};
    rp_image grain = {0};
    rp_status status = rp_image_init(&grain, &job->image->grid, err);
    if (status != RP_OK) return status;
    picture noise = *job;
    noise.image = &grain;
    size_t n = rp_grid_voxels(&grain.grid);
    rp_parallel_for((size_t)grain.grid.size[2], noise_slice, &noise);
    status = rp_smooth(grain.data, grain.grid.size, sigma, err);
    if (status == RP_OK) {
        double square = 0;
        for (size_t i = 0; i < n; i++) square += (double)grain.data[i] * grain.data[i];
        double factor = noise_hu / sqrt(square / (double)n);
        for (size_t i = 0; i < n; i++) {
            double hu = job->image->data[i] + factor * grain.data[i];
            job->image->data[i] = (float)fmax(-1024, fmin(3071, hu));
        }
    }
    rp_image_release(&grain);
    return status;
}

static rp_status render(const picture *job, double noise_hu, rp_error *err)
{
    rp_parallel_for((size_t)job->image->grid.size[2], picture_slice, (void *)job);
    return add_noise(job, noise_hu, err);
}

/* ---- the two visits ---------------------------------------------------------------------- */

static rp_status check_options(const rp_phantom_options *o, rp_error *err)
{
    rp_grid grid = rp_grid_make(o->size[0], o->size[1], o->size[2], o->spacing[0], o->spacing[1],
                                o->spacing[2]);
    rp_status status = rp_grid_check(&grid, err);
    if (status != RP_OK) return rp_fail_in(err, status, "phantom");
    if (o->patient < 0)
        return rp_fail(err, RP_ERR_ARGUMENT, "phantom: there is no patient %d", o->patient);
    double size = fmin(extent(o, 0) / 320, extent(o, 1) / 256);
    if (!(size >= 0.2 && extent(o, 2) >= 60 * fmin(1.15, size)))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "phantom: an image of %.0f x %.0f x %.0f mm is too small for an abdomen",
                       extent(o, 0), extent(o, 1), extent(o, 2));
    return RP_OK;
}

static rp_grid phantom_grid(const rp_phantom_options *o)
{
    rp_grid g = rp_grid_make(o->size[0], o->size[1], o->size[2], o->spacing[0], o->spacing[1],
                             o->spacing[2]);
    for (int i = 0; i < 3; i++) g.origin[i] = -0.5 * (o->size[i] - 1) * o->spacing[i];
    return g;
}

/* From the baseline's image, with the same response. */
static rp_status remodel_followup(const rp_phantom_options *o, double growth, rp_phantom *out,
                                  rp_error *err)
{
    rp_random r;
    rp_remodel_options how;
    rp_remodel_defaults(&how);
    rp_random_init(&r, o->seed, PURPOSE_VISITS, (uint64_t)o->patient | 1ULL << 32);
    how.seed = (uint64_t)rp_random_u32(&r) << 32 | rp_random_u32(&r);
    how.change_percent = 100 * (growth - 1);
    how.with = o->with;
    how.random = o->random;
    rp_status status = rp_remodel_followup(&out->baseline, &out->baseline_lesion, &how, NULL,
                                           &out->remodelled, err);
    if (status != RP_OK) return rp_fail_in(err, status, "phantom");
    out->followup = out->remodelled.image;
    out->followup_lesion = out->remodelled.mask;
    out->remodelled.image = (rp_image){0};
    out->remodelled.mask = (rp_mask){0};
    return RP_OK;
}

static rp_status make_images(const rp_phantom_options *o, const patient *who, const visit visits[2],
                             rp_phantom *out, rp_error *err)
{
    rp_grid grid = phantom_grid(o);
    rp_image *images[2] = {&out->baseline, &out->followup};
    rp_mask *masks[2] = {&out->baseline_lesion, &out->followup_lesion};
    for (int i = 0; i < (o->remodel ? 1 : 2); i++) {
        picture job = {.who = who,
                       .when = &visits[i],
                       .image = images[i],
                       .lesion = masks[i],
                       .seed = o->seed,
                       .purpose = i ? PURPOSE_FOLLOWUP_NOISE : PURPOSE_BASELINE_NOISE,
                       .stream = (uint64_t)o->patient << 32};
        rp_status status = rp_image_init(images[i], &grid, err);
        if (status == RP_OK) status = rp_mask_init(masks[i], &grid, err);
        if (status == RP_OK) status = render(&job, i ? 11 : 9, err);
        if (status != RP_OK) return status;
    }
    return o->remodel ? remodel_followup(o, visits[1].tumour_scale, out, err) : RP_OK;
}

/* On the largest component: a satellite is a lesion of its own. */
static rp_status main_diameter(const rp_mask *mask, double *diameter_mm, rp_error *err)
{
    rp_mask copy = {0};
    rp_lesion lesion;
    rp_status status = rp_mask_copy(mask, &copy, err);
    if (status == RP_OK) status = rp_mask_keep_largest(&copy, 26, NULL, err);
    if (status == RP_OK) status = rp_measure_mask(&copy, RP_DIAMETER_CONVEX, &lesion, err);
    if (status == RP_OK) *diameter_mm = lesion.longest_diameter_mm;
    rp_mask_release(&copy);
    return status;
}

static rp_status describe(const patient *who, rp_phantom *out, rp_error *err)
{
    const tumour *t = &who->tumour;
    rp_status status = main_diameter(&out->baseline_lesion, &out->baseline_diameter_mm, err);
    if (status == RP_OK)
        status = main_diameter(&out->followup_lesion, &out->followup_diameter_mm, err);
    if (status != RP_OK) return status;
    out->satellites = t->satellite_count > 0;
    out->necrosis = t->necrosis;
    out->thrombus = t->thrombus;
    out->recist_evaluable = !t->thrombus;
    out->change_percent = 100 * (out->followup_diameter_mm / out->baseline_diameter_mm - 1);
    return RP_OK;
}

rp_status rp_phantom_make(const rp_phantom_options *options, rp_phantom *out, rp_error *err)
{
    patient who = {0};
    visit visits[2];
    rp_phantom made = {0};
    rp_random r;
    rp_status status = check_options(options, err);
    if (status != RP_OK) return status;
    double growth = draw_response(options);
    draw_patient(options, growth, &who);
    rp_random_init(&r, options->seed, PURPOSE_VISITS, (uint64_t)options->patient);
    draw_baseline(&visits[0], who.size, &r);
    draw_followup(&visits[1], &visits[0], growth, who.size, &r);
    double low[3], high[3];
    for (int i = 0; i < 3; i++) {
        high[i] = 0.5 * extent(options, i) + 10;
        low[i] = -high[i];
    }
    uint64_t field_seed = ((uint64_t)rp_random_u32(&r) << 32) | rp_random_u32(&r);
    status = deformation_create(low, high, 3 * who.size, 60 * who.size, field_seed,
                                &visits[1].field, err);
    if (status == RP_OK) status = make_images(options, &who, visits, &made, err);
    if (status == RP_OK) status = describe(&who, &made, err);
    if (status == RP_OK) clinical_draw(options, &made);
    deformation_release(&visits[1].field);
    if (status != RP_OK) {
        rp_phantom_release(&made);
        return status;
    }
    *out = made;
    return RP_OK;
}
