/* Deformable registration: the course of a run. */
#include "deform_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t MOST_VOXELS = 3000000, MOST_REGION_VOXELS = 500000;
static const double LEAST_COMPARED = 0.02, LITTLE_COMPARED = 0.5, MUCH_FOLDED = 0.001,
                    SAME_DIFFERENCE = 1e-3;
static const double AROUND_BASELINE_MM = 15.0;
enum { UNFOLD_ROUNDS = 40, FADE_VOXELS = 4 };

/* What is done on a lattice: a search of so many voxels' radius, then fits, each after another look
 * at the baseline through what was found. */
typedef struct plan {
    int radius, fits, iterations;
} plan;
static const plan WHOLE[PYRAMID] = {{0, 2, 8}, {2, 1, 8}, {4, 1, 8}}, REGION = {2, 2, 8};

typedef struct box {
    double low[3], high[3]; /* mm along the axes of the follow-up, from its first voxel's centre */
} box;

typedef struct run {
    const rp_deform_pair *pair;
    const rp_deform_options *o;
    const rp_progress *progress;
    const rp_image *baseline, *followup; /* in canonical order */
    rp_image made_baseline, made_followup;
    pyramid fixed, moving; /* follow-up, baseline */
    rp_mask body;
    rp_deform *d;
    double done, steps;
} run;

void rp_deform_defaults(rp_deform_options *options)
{
    *options = (rp_deform_options){
        .spacing_mm = 3.0, .region_spacing_mm = 2.0, .margin_mm = 24.0, .smoothness = 1.0};
}

static rp_status check(const rp_deform_pair *pair, const rp_deform_options *o, rp_error *err)
{
    if (!(o->spacing_mm >= 2.0 && o->spacing_mm <= 20.0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the voxels of a registration are 2 to 20 mm");
    if (!(o->region_spacing_mm >= 1.0 && o->region_spacing_mm <= 20.0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "the voxels of a registration round the lesion are 1 to 20 mm");
    if (!(o->margin_mm >= 0.0 && o->margin_mm <= 1000.0 && o->reach_mm >= 0.0 &&
          o->reach_mm <= 10000.0 && o->smoothness > 0.0 && o->smoothness <= 1e4))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "margin, reach or smoothness of a registration out of range");
    if (o->reach_mm > 0.0 && !pair->lesion)
        return rp_fail(err, RP_ERR_ARGUMENT, "a reach round the lesion needs the lesion");
    int low[3], high[3];
    if (pair->lesion && !rp_mask_bounds(pair->lesion, low, high))
        return rp_fail(err, RP_ERR_ARGUMENT, "the lesion's mask is empty");
    rp_status status = rp_grid_check(&pair->baseline->grid, err);
    return status ? status : rp_grid_check(&pair->followup->grid, err);
}

static rp_status step_done(run *r, rp_error *err)
{
    r->done += 1.0;
    rp_progress_report(r->progress, "deform", r->done, r->steps, NULL);
    return rp_progress_cancelled(r->progress)
               ? rp_fail(err, RP_ERR_CANCELLED, "registration: interrupted")
               : RP_OK;
}

/* ---- boxes ------------------------------------------------------------------------------- */

static void widen(box *b, const rp_grid *followup, const double world[3])
{
    double index[3];
    rp_grid_from_world(followup, world, index);
    for (int a = 0; a < 3; a++) {
        b->low[a] = fmin(b->low[a], index[a] * followup->spacing[a]);
        b->high[a] = fmax(b->high[a], index[a] * followup->spacing[a]);
    }
}

/* Grows it, and cuts it to what the follow-up shows; false where nothing is left. */
static bool settle(box *b, const rp_grid *followup, double margin_mm)
{
    bool left = true;
    for (int a = 0; a < 3; a++) {
        b->low[a] = fmax(b->low[a] - margin_mm, 0.0);
        b->high[a] = fmin(b->high[a] + margin_mm, (followup->size[a] - 1) * followup->spacing[a]);
        left &= b->high[a] >= b->low[a];
    }
    return left;
}

static const box nowhere = {{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};

static box body_box(const run *r)
{
    box b = nowhere;
    int low[3], high[3];
    if (!rp_mask_bounds(&r->body, low, high)) return b;
    for (int corner = 0; corner < 2; corner++) {
        double index[3], world[3];
        for (int a = 0; a < 3; a++) index[a] = corner ? high[a] + 0.5 : low[a] - 0.5;
        rp_grid_to_world(&r->body.grid, index, world);
        widen(&b, &r->followup->grid, world);
    }
    return b;
}

/* By the field where there is one, else by the rigid motion. */
static box lesion_box(const run *r)
{
    box b = nowhere;
    int low[3], high[3];
    if (!rp_mask_bounds(r->pair->lesion, low, high)) return b;
    for (int corner = 0; corner < 8; corner++) {
        double index[3], world[3], there[3];
        for (int a = 0; a < 3; a++) index[a] = corner >> a & 1 ? high[a] + 0.5 : low[a] - 0.5;
        rp_grid_to_world(&r->pair->lesion->grid, index, world);
        if (r->d->whole.u)
            rp_deform_to_followup(r->d, world, there);
        else
            rp_rigid_apply(&r->pair->rigid, world, there);
        widen(&b, &r->followup->grid, there);
    }
    return b;
}

/* Spacing, or more where that would take more than so many voxels. */
static double spacing_for(const box *b, double spacing_mm, size_t most)
{
    double voxels = 1.0;
    for (int a = 0; a < 3; a++) voxels *= (b->high[a] - b->low[a]) / spacing_mm + 2.0;
    return voxels > (double)most ? spacing_mm * cbrt(voxels / (double)most) : spacing_mm;
}

/* An odd number of nodes along each axis, so that every second one reaches both ends. */
static rp_grid grid_of(const box *b, const rp_grid *followup, double spacing_mm)
{
    rp_grid grid = *followup;
    double first[3];
    for (int a = 0; a < 3; a++) {
        const double length = b->high[a] - b->low[a];
        grid.size[a] = 2 * (int)floor(0.5 * length / spacing_mm + 0.5) + 1;
        grid.spacing[a] = spacing_mm;
        const double start = b->low[a] + 0.5 * (length - (grid.size[a] - 1) * spacing_mm);
        first[a] = start / followup->spacing[a];
    }
    rp_grid_to_world(followup, first, grid.origin);
    return grid;
}

/* What levels_shrink makes of an image. */
static size_t shrunk_voxels(const rp_grid *grid, double spacing_mm)
{
    double voxels = (double)rp_grid_voxels(grid);
    for (int a = 0; a < 3; a++) {
        const double factor = round(spacing_mm / grid->spacing[a]);
        if (factor > 1.0) voxels /= fmin(factor, grid->size[a]);
    }
    return (size_t)voxels + 1;
}

size_t rp_deform_memory(const rp_deform_pair *pair, const rp_deform_options *options)
{
    /* On the finest lattice: descriptors of both, images, masks, two fields, the sums of the
     * refinement. The searches' costs are on lattices of an eighth of it or less. */
    const size_t per_voxel = 2 * MIND_CHANNELS * 4 + 10 + 2 * 12 + 18, rest = 64u << 20;
    const rp_image *images[2] = {pair->baseline, pair->followup};
    const rp_grid whole = rp_grid_canonical(&pair->followup->grid);
    box b = {.low = {0}, .high = {0}};
    for (int a = 0; a < 3; a++) b.high[a] = whole.size[a] * whole.spacing[a];
    const double spacing = spacing_for(&b, options->spacing_mm, MOST_VOXELS);
    double voxels = 1.0;
    for (int a = 0; a < 3; a++) voxels *= b.high[a] / spacing + 3.0;
    const double least = pair->lesion ? 3.0 * (double)MOST_REGION_VOXELS : 0.0;
    size_t bytes = (size_t)fmax(voxels, least) * per_voxel + rest;
    for (int i = 0; i < 2; i++) {
        const rp_orientation o = rp_grid_orientation(&images[i]->grid);
        bytes += 2 * sizeof(float) * shrunk_voxels(&images[i]->grid, options->spacing_mm);
        if (!rp_orientation_is_canonical(&o))
            bytes += rp_grid_voxels(&images[i]->grid) * sizeof(float);
    }
    return bytes;
}

/* ---- on one lattice ---------------------------------------------------------------------- */

typedef struct level {
    const rp_image *fixed, *moving;
    plan todo;
    bool still_border;
} level;

/* A search may end at the border with anything: towards it, less and less of that counts. */
static void fade_to_border(field *f)
{
    const int *n = f->grid.size;
    for (int z = 0; z < n[2]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[0]; x++) {
                const int at[3] = {x, y, z};
                int deep = FADE_VOXELS;
                for (int a = 0; a < 3; a++) {
                    const int end = n[a] - 1 - at[a];
                    if (at[a] < deep) deep = at[a];
                    if (end < deep) deep = end;
                }
                float *u = f->u + 3 * rp_grid_index(&f->grid, x, y, z);
                for (int a = 0; a < 3; a++) u[a] *= (float)deep / FADE_VOXELS;
            }
}

/* total becomes what r finds beside it. */
static rp_status improve_once(run *r, const lattice *l, const level *how, bool search, field *total,
                              rp_error *err)
{
    field residual = {0};
    const search_options searching = {how->todo.radius, r->o->smoothness};
    const refine_options refining = {how->todo.iterations, r->o->smoothness, how->still_border};
    rp_status status = field_init(&residual, &total->grid, err);
    if (!status && search) {
        status = search_displacements(&l->s, &searching, &residual, err);
        if (!status && how->still_border) fade_to_border(&residual);
    } else if (!status) {
        status = refine_displacements(&l->s, &refining, total, &residual, err);
    }
    if (!status) {
        field_compose(&residual, total);
        float *swap = total->u;
        total->u = residual.u;
        residual.u = swap;
    }
    field_release(&residual);
    return status ? status : step_done(r, err);
}

static rp_status improve(run *r, const level *how, field *total, rp_error *err)
{
    lattice l = {0};
    rp_status status = lattice_init(&l, &total->grid, how->fixed, &r->body, err);
    for (int pass = how->todo.radius ? -1 : 0; !status && pass < how->todo.fits; pass++) {
        status = lattice_warp(&l, how->moving, &r->d->to_baseline, total, err);
        if (!status) status = improve_once(r, &l, how, pass < 0, total, err);
    }
    lattice_release(&l);
    return status ? status : field_unfold(total, UNFOLD_ROUNDS, err);
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status find_whole(run *r, const box *b, double spacing_mm, rp_error *err)
{
    rp_status status = RP_OK;
    for (int l = PYRAMID - 1; !status && l >= 0; l--) {
        const rp_grid grid = grid_of(b, &r->followup->grid, spacing_mm * (l + 1));
        const level how = {&r->fixed.levels[l], &r->moving.levels[l], WHOLE[l], false};
        field total = {0};
        status = field_init(&total, &grid, err);
        if (!status && r->d->whole.u) field_take(&total, &r->d->whole);
        if (!status) status = improve(r, &how, &total, err);
        if (status) {
            field_release(&total);
        } else {
            field_release(&r->d->whole);
            r->d->whole = total;
        }
    }
    return status;
}

/* Of descriptors on the middle lattice, with the field or without. */
static rp_status compare(run *r, const rp_grid *grid, rp_error *err)
{
    lattice l = {0};
    field motion = {0};
    size_t compared, body = 0;
    rp_deform_summary *s = &r->d->summary;
    rp_status status = field_init(&motion, grid, err);
    if (!status) status = lattice_init(&l, grid, &r->fixed.levels[1], &r->body, err);
    const bool after = r->d->whole.u;
    if (!status && after) field_take(&motion, &r->d->whole);
    if (!status) status = lattice_warp(&l, &r->moving.levels[1], &r->d->to_baseline, &motion, err);
    if (!status) {
        const double difference = stage_difference(&l.s, &compared);
        *(after ? &s->difference_after : &s->difference_before) = difference;
        for (size_t i = 0; i < rp_grid_voxels(grid); i++) body += l.s.body[i];
        s->compared = body ? (double)compared / (double)body : 0.0;
        if (s->compared < LEAST_COMPARED)
            status = rp_fail(err, RP_ERR_REFUSED,
                             "the images have nothing in common where the rigid registration puts "
                             "them");
    }
    lattice_release(&l);
    field_release(&motion);
    return status;
}

static rp_status register_whole(run *r, rp_error *err)
{
    const rp_grid *followup = &r->followup->grid;
    box b = body_box(r);
    settle(&b, followup, 0.0);
    if (r->o->reach_mm > 0.0) {
        box near = lesion_box(r);
        settle(&near, followup, r->o->reach_mm);
        for (int a = 0; a < 3; a++) {
            b.low[a] = fmax(b.low[a], near.low[a]);
            b.high[a] = fmin(b.high[a], near.high[a]);
            if (!(b.high[a] >= b.low[a]))
                return rp_fail(err, RP_ERR_REFUSED,
                               "the follow-up does not show the lesion's place");
        }
    }
    const double spacing = spacing_for(&b, r->o->spacing_mm, MOST_VOXELS);
    const rp_grid middle = grid_of(&b, followup, 2.0 * spacing);
    r->d->summary.spacing_mm = spacing;
    rp_status status = compare(r, &middle, err);
    if (!status) status = find_whole(r, &b, spacing, err);
    return status ? status : compare(r, &middle, err);
}

/* ---- round the lesion -------------------------------------------------------------------- */

/* The voxels of an image between two corners, widened to whole voxels and cut to the image. */
static rp_status crop(const rp_image *from, const double low[3], const double high[3], rp_image *to,
                      rp_error *err)
{
    rp_grid grid = from->grid;
    int first[3];
    double origin[3];
    for (int a = 0; a < 3; a++) {
        const int last = grid.size[a] - 1;
        first[a] = (int)fmin(fmax(floor(low[a]), 0.0), last);
        const int end = (int)fmin(fmax(ceil(high[a]), first[a]), last);
        grid.size[a] = end - first[a] + 1;
        origin[a] = first[a];
    }
    rp_grid_to_world(&from->grid, origin, grid.origin);
    rp_status status = rp_image_init(to, &grid, err);
    for (int z = 0; !status && z < grid.size[2]; z++)
        for (int y = 0; y < grid.size[1]; y++)
            memcpy(to->data + rp_grid_index(&grid, 0, y, z),
                   from->data + rp_grid_index(&from->grid, first[0], first[1] + y, first[2] + z),
                   (size_t)grid.size[0] * sizeof *to->data);
    return status;
}

static rp_status crop_shrunk(const rp_image *from, const double low[3], const double high[3],
                             double spacing_mm, rp_image *to, rp_error *err)
{
    rp_image part = {0};
    rp_status status = crop(from, low, high, &part, err);
    if (!status) status = region_make(&part, spacing_mm, to, err);
    rp_image_release(&part);
    return status;
}

static rp_status crop_followup(const run *r, const box *b, double spacing_mm, rp_image *to,
                               rp_error *err)
{
    const double rim_mm = 4.0 * spacing_mm;
    double low[3], high[3];
    for (int a = 0; a < 3; a++) {
        low[a] = (b->low[a] - rim_mm) / r->followup->grid.spacing[a];
        high[a] = (b->high[a] + rim_mm) / r->followup->grid.spacing[a];
    }
    return crop_shrunk(r->followup, low, high, spacing_mm, to, err);
}

/* What the field says of 27 points of the box, and a rim for what is found beside it. */
static rp_status crop_baseline(const run *r, const box *b, double spacing_mm, rp_image *to,
                               rp_error *err)
{
    const rp_grid *g = &r->baseline->grid, *f = &r->followup->grid;
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int point = 0; point < 27; point++) {
        const int part[3] = {point % 3, point / 3 % 3, point / 9};
        double index[3], world[3], there[3];
        for (int a = 0; a < 3; a++)
            index[a] = (b->low[a] + 0.5 * part[a] * (b->high[a] - b->low[a])) / f->spacing[a];
        rp_grid_to_world(f, index, world);
        rp_deform_to_baseline(r->d, world, there);
        rp_grid_from_world(g, there, index);
        for (int a = 0; a < 3; a++) {
            low[a] = fmin(low[a], index[a] - AROUND_BASELINE_MM / g->spacing[a]);
            high[a] = fmax(high[a], index[a] + AROUND_BASELINE_MM / g->spacing[a]);
        }
    }
    return crop_shrunk(r->baseline, low, high, spacing_mm, to, err);
}

static rp_status register_region(run *r, rp_error *err)
{
    rp_image fixed = {0}, moving = {0};
    field total = {0};
    box b = lesion_box(r);
    if (!settle(&b, &r->followup->grid, r->o->margin_mm)) return RP_OK;
    const double spacing = spacing_for(&b, r->o->region_spacing_mm, MOST_REGION_VOXELS);
    const rp_grid grid = grid_of(&b, &r->followup->grid, spacing);
    rp_status status = crop_followup(r, &b, spacing, &fixed, err);
    if (!status) status = crop_baseline(r, &b, spacing, &moving, err);
    if (!status) status = field_init(&total, &grid, err);
    if (!status) {
        const level how = {&fixed, &moving, REGION, true};
        field_take(&total, &r->d->whole);
        status = improve(r, &how, &total, err);
    }
    rp_image_release(&fixed);
    rp_image_release(&moving);
    if (status) {
        field_release(&total);
        return status;
    }
    r->d->region = total;
    r->d->summary.region_spacing_mm = spacing;
    return RP_OK;
}

/* ---- what came of it --------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static rp_status take_lengths(const field *f, const uint8_t *body, rp_deform_summary *s,
                              rp_error *err)
{
    const size_t nodes = rp_grid_voxels(&f->grid);
    RP_AUTOFREE float *lengths = rp_alloc(nodes, sizeof *lengths);
    if (!lengths) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    size_t count = 0;
    for (size_t i = 0; i < nodes; i++) {
        const float *u = f->u + 3 * i;
        if (body[i]) lengths[count++] = sqrtf(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
    }
    s->voxels = count;
    if (!count) return RP_OK;
    qsort(lengths, count, sizeof *lengths, ascending);
    s->median_mm = lengths[count / 2];
    s->p95_mm = lengths[(size_t)(0.95 * (double)(count - 1))];
    s->max_mm = lengths[count - 1];
    return RP_OK;
}

static rp_status take_field(const run *r, const field *f, bool whole, rp_error *err)
{
    rp_deform_summary *s = &r->d->summary;
    RP_AUTOFREE uint8_t *body = rp_alloc(rp_grid_voxels(&f->grid), 1);
    if (!body) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    body_on_grid(&r->body, &f->grid, body);
    const folds found = field_folds(f, body);
    if (found.voxels) {
        s->folded = fmax(s->folded, (double)found.folded / (double)found.voxels);
        s->jacobian_min = fmin(s->jacobian_min, found.least);
    }
    return whole ? take_lengths(f, body, s, err) : RP_OK;
}

static void doubt(rp_deform_summary *s, const char *reason)
{
    if (s->quality == RP_REGISTRATION_DOUBTFUL) return;
    s->quality = RP_REGISTRATION_DOUBTFUL;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
}

static rp_status summarise(run *r, rp_error *err)
{
    rp_deform_summary *s = &r->d->summary;
    s->quality = RP_REGISTRATION_GOOD;
    s->jacobian_min = 1.0;
    rp_status status = take_field(r, &r->d->whole, true, err);
    if (!status && r->d->region.u) status = take_field(r, &r->d->region, false, err);
    if (status) return status;
    if (s->compared < LITTLE_COMPARED)
        doubt(s, "the baseline shows less than half of what is registered");
    if (s->difference_after > s->difference_before + SAME_DIFFERENCE)
        doubt(s, "the images agree less after the deformation than before it");
    if (s->folded > MUCH_FOLDED) doubt(s, "the deformation folds");
    return RP_OK;
}

/* ---- a run ------------------------------------------------------------------------------- */

static rp_status prepare(run *r, rp_error *err)
{
    const double spacing = r->o->spacing_mm;
    rp_status status = rp_image_canonical(r->pair->baseline, &r->made_baseline, &r->baseline, err);
    if (!status)
        status = rp_image_canonical(r->pair->followup, &r->made_followup, &r->followup, err);
    if (!status) status = pyramid_make(r->followup, spacing, &r->fixed, err);
    if (!status) status = pyramid_make(r->baseline, spacing, &r->moving, err);
    if (!status && !pyramid_shows_something(&r->fixed))
        status = rp_fail(err, RP_ERR_REFUSED,
                         "the follow-up shows nothing to register: its voxels "
                         "are all alike");
    if (!status && !pyramid_shows_something(&r->moving))
        status = rp_fail(err, RP_ERR_REFUSED,
                         "the baseline shows nothing to register: its voxels "
                         "are all alike");
    if (!status) status = find_whole_body(&r->fixed.levels[1], &r->body, err);
    return status ? status : step_done(r, err);
}

static double count_steps(const rp_deform_pair *pair)
{
    double steps = 1.0;
    for (int l = 0; l < PYRAMID; l++) steps += (WHOLE[l].radius > 0) + WHOLE[l].fits;
    return steps + (pair->lesion ? (REGION.radius > 0) + REGION.fits : 0);
}

rp_status rp_deform_register(const rp_deform_pair *pair, const rp_deform_options *options,
                             const rp_progress *progress, rp_deform **out, rp_error *err)
{
    run r = {.pair = pair, .o = options, .progress = progress};
    *out = NULL;
    rp_status status = check(pair, options, err);
    if (status) return status;
    r.steps = count_steps(pair);
    r.d = rp_alloc(1, sizeof *r.d);
    if (!r.d) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    r.d->to_baseline = rp_rigid_inverse(&pair->rigid);
    status = prepare(&r, err);
    if (!status) status = register_whole(&r, err);
    if (!status && pair->lesion) status = register_region(&r, err);
    if (!status) status = summarise(&r, err);
    rp_image_release(&r.made_baseline);
    rp_image_release(&r.made_followup);
    pyramid_release(&r.fixed);
    pyramid_release(&r.moving);
    rp_mask_release(&r.body);
    if (status)
        rp_deform_destroy(r.d);
    else
        *out = r.d;
    return status;
}

void rp_deform_destroy(rp_deform *deform)
{
    if (!deform) return;
    field_release(&deform->whole);
    field_release(&deform->region);
    rp_free(deform);
}

const rp_deform_summary *rp_deform_summary_get(const rp_deform *deform)
{
    return &deform->summary;
}
