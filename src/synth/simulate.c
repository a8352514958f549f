/* A follow-up with known truth from a real baseline. */
#include "reprise/measure.h"
#include "reprise/synth.h"
#include "purpose.h"
#include "warp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rp_simulate_defaults(rp_simulate_options *options)
{
    *options = (rp_simulate_options){.seed = 1,
                                     .deformation_mm = 3,
                                     .deformation_scale_mm = 40,
                                     .density_change_hu = -12,
                                     .rim_hu = -15,
                                     .rim_mm = 6,
                                     .noise_hu = 8};
}

void rp_simulated_release(rp_simulated *simulated)
{
    rp_image_release(&simulated->image);
    rp_mask_release(&simulated->mask);
    *simulated = (rp_simulated){0};
}

/* ---- the map ----------------------------------------------------------------------------- */

typedef struct scene {
    const rp_image *baseline;
    const rp_mask *lesion;
    const rp_simulate_options *options;
    deformation field;
    star_shape shape;
    double surroundings_hu; /* mean soft tissue round the lesion, at baseline */
    double scale, shift_mm[3];
    rp_image image; /* of the follow-up */
    rp_mask mask;
    rp_image distance; /* to the mask */
} scene;

/* Where a follow-up voxel's tissue lay before the table moved and the body deformed. */
static void undeformed(const scene *s, const double index[3], double point[3])
{
    double world[3], u[3];
    rp_grid_to_world(&s->mask.grid, index, world);
    for (int i = 0; i < 3; i++) world[i] -= s->shift_mm[i];
    deformation_at(&s->field, world, u);
    for (int i = 0; i < 3; i++) point[i] = world[i] + u[i];
}

/* The image continues beyond its border as its own mirror image: a crop round a tumour then shows
 * tissue there, neither streaks nor a wall of air. */
static double mirrored(double index, int size)
{
    double period = 2.0 * (size - 1);
    if (size == 1) return 0;
    index = fabs(fmod(index, period));
    return index > size - 1 ? period - index : index;
}

static float image_at(const rp_image *image, const double world[3])
{
    double index[3];
    rp_grid_from_world(&image->grid, world, index);
    for (int i = 0; i < 3; i++) index[i] = mirrored(index[i], image->grid.size[i]);
    return rp_sample_linear(image->data, image->grid.size, index);
}

static double smooth_step(double x, double from, double to)
{
    double t = fmax(0, fmin(1, (x - from) / (to - from)));
    return t * t * (3 - 2 * t);
}

/* Muscle, organs and fat; neither air nor bone. */
static double softness(double hu)
{
    return smooth_step(hu, -170, -120) * (1 - smooth_step(hu, 150, 200));
}

/* What fills the gap of a lesion that shrank much: the mean soft tissue of a ball (two shells of 27
 * directions, the centre among them), and where it holds air or bone, of all the surroundings. */
static double filling_at(const scene *s, const double world[3], double radius_mm)
{
    double weights = 0.5, sum = weights * s->surroundings_hu;
    for (int k = 0; k < 54; k++) {
        int step[3] = {k % 3 - 1, k / 3 % 3 - 1, k / 9 % 3 - 1};
        int axes = abs(step[0]) + abs(step[1]) + abs(step[2]);
        double reach = axes ? radius_mm * (k < 27 ? 0.5 : 1) / sqrt(axes) : 0, at[3];
        for (int i = 0; i < 3; i++) at[i] = world[i] + reach * step[i];
        double hu = image_at(s->baseline, at), weight = softness(hu);
        weights += weight;
        sum += weight * hu;
    }
    return sum / weights;
}

/* Linear interpolation of the mask's indicator, 0 outside the grid. */
static double indicator_at(const rp_mask *mask, const double world[3])
{
    double index[3], sum = 0;
    int base[3];
    rp_grid_from_world(&mask->grid, world, index);
    for (int i = 0; i < 3; i++) {
        if (!(index[i] > -1 && index[i] < mask->grid.size[i])) return 0;
        base[i] = (int)floor(index[i]);
    }
    for (int corner = 0; corner < 8; corner++) {
        double weight = 1;
        int at[3];
        bool in = true;
        for (int i = 0; i < 3; i++) {
            int up = corner >> i & 1;
            double part = index[i] - base[i];
            at[i] = base[i] + up;
            weight *= up ? part : 1 - part;
            in = in && at[i] >= 0 && at[i] < mask->grid.size[i];
        }
        if (in && mask->data[rp_grid_index(&mask->grid, at[0], at[1], at[2])]) sum += weight;
    }
    return sum;
}

/* ---- the mask and its scale -------------------------------------------------------------- */

typedef struct mask_job {
    scene *s;
    int low[3], high[3];
} mask_job;

static void mask_slice(void *context, size_t task, int worker)
{
    (void)worker;
    const mask_job *job = context;
    scene *s = job->s;
    int z = job->low[2] + (int)task;
    for (int y = job->low[1]; y <= job->high[1]; y++)
        for (int x = job->low[0]; x <= job->high[0]; x++) {
            double index[3] = {x, y, z}, point[3], from[3];
            undeformed(s, index, point);
            /* All of the lesion lies within the shape, where the map is this similarity. */
            for (int i = 0; i < 3; i++)
                from[i] = s->shape.centre[i] + (point[i] - s->shape.centre[i]) / s->scale;
            s->mask.data[rp_grid_index(&s->mask.grid, x, y, z)] =
                indicator_at(s->lesion, from) >= 0.5;
        }
}

static void render_mask(scene *s)
{
    const rp_grid *g = &s->mask.grid;
    mask_job job = {.s = s};
    double world[3], centre[3], reach = s->scale * s->shape.largest_mm + s->field.largest_mm;
    for (int i = 0; i < 3; i++) world[i] = s->shape.centre[i] + s->shift_mm[i];
    rp_grid_from_world(g, world, centre);
    memset(s->mask.data, 0, rp_grid_voxels(g));
    for (int i = 0; i < 3; i++) {
        double low = fmax(0, floor(centre[i] - reach / g->spacing[i]));
        double high = fmin(g->size[i] - 1, ceil(centre[i] + reach / g->spacing[i]));
        if (high < low) return;
        job.low[i] = (int)low;
        job.high[i] = (int)high;
    }
    rp_parallel_for((size_t)(job.high[2] - job.low[2] + 1), mask_slice, &job);
}

typedef struct search {
    double target_mm, good_mm;
    double scale, error_mm; /* best so far */
} search;

/* Diameter at a scale; keeps the best. */
static rp_status try_scale(scene *s, double scale, search *best, double *diameter, rp_error *err)
{
    rp_lesion lesion;
    s->scale = scale;
    render_mask(s);
    rp_status status = rp_measure_mask(&s->mask, RP_DIAMETER_CONVEX, &lesion, err);
    if (status != RP_OK) return status;
    *diameter = lesion.longest_diameter_mm;
    double error = fabs(*diameter - best->target_mm);
    if (*diameter > 0 && error < best->error_mm) {
        best->error_mm = error;
        best->scale = scale;
    }
    return RP_OK;
}

/* Bisection, then a fine scan: on a grid the diameter grows in steps and not quite monotonely. */
static rp_status search_scale(scene *s, double guess, const rp_progress *progress, search *best,
                              rp_error *err)
{
    enum { HALVINGS = 16, SCAN = 40 };
    double low = 0.4 * guess, high = 2.5 * guess, diameter;
    for (int i = 0; i < HALVINGS && best->error_mm > best->good_mm; i++) {
        double scale = i == 0 ? guess : sqrt(low * high);
        rp_progress_report(progress, "finding the scale", i, HALVINGS, NULL);
        if (rp_progress_cancelled(progress)) return rp_fail(err, RP_ERR_CANCELLED, "cancelled");
        rp_status status = try_scale(s, scale, best, &diameter, err);
        if (status != RP_OK) return status;
        *(diameter < best->target_mm ? &low : &high) = scale;
    }
    double centre = isfinite(best->error_mm) ? best->scale : guess;
    for (int i = 0; i <= SCAN && best->error_mm > best->good_mm; i++) {
        if (rp_progress_cancelled(progress)) return rp_fail(err, RP_ERR_CANCELLED, "cancelled");
        rp_status status = try_scale(s, centre * (0.94 + 0.12 * i / SCAN), best, &diameter, err);
        if (status != RP_OK) return status;
    }
    return RP_OK;
}

static rp_status fit_scale(scene *s, double baseline_mm, const rp_progress *progress, rp_error *err)
{
    double ratio = 1 + s->options->change_percent / 100;
    const double *sp = s->mask.grid.spacing;
    /* What a grid can show: a lesion of a few pixels changes its diameter in steps of their size.
     */
    double tolerance = fmax(0.01 * baseline_mm, 0.5 * fmin(sp[0], sp[1]));
    search best = {.target_mm = ratio * baseline_mm, .error_mm = INFINITY};
    best.good_mm = 0.002 * baseline_mm;
    rp_status status = search_scale(s, ratio, progress, &best, err);
    if (status != RP_OK) return status;
    if (best.error_mm > tolerance)
        return rp_fail(err, RP_ERR_NUMERIC,
                       "no scale changes this lesion's diameter of %.1f mm by %.1f%%: it is too "
                       "small for the follow-up's grid, or the image ends too close to it",
                       baseline_mm, s->options->change_percent);
    s->scale = best.scale;
    render_mask(s);
    return RP_OK;
}

/* ---- the image --------------------------------------------------------------------------- */

/* Oedema darkens soft tissue; air, fat and bone keep their density. */
static double rim_change(const rp_simulate_options *o, double distance_mm, double value_hu)
{
    if (o->rim_mm <= 0 || distance_mm >= o->rim_mm) return 0;
    double soft = smooth_step(value_hu, -40, 10) * (1 - smooth_step(value_hu, 150, 250));
    return o->rim_hu * soft * (1 - smooth_step(distance_mm, 0.3 * o->rim_mm, o->rim_mm));
}

static void image_slice(void *context, size_t z, int worker)
{
    (void)worker;
    scene *s = context;
    const rp_simulate_options *o = s->options;
    const rp_grid *g = &s->image.grid;
    rp_random noise;
    rp_random_init(&noise, o->seed, PURPOSE_NOISE, z);
    for (int y = 0; y < g->size[1]; y++)
        for (int x = 0; x < g->size[0]; x++) {
            double index[3] = {x, y, (double)z}, point[3], from[3];
            size_t at = rp_grid_index(g, x, y, (int)z);
            undeformed(s, index, point);
            double blur_mm = star_shape_unscale(&s->shape, s->scale, point, from);
            double value = blur_mm > 0 ? filling_at(s, from, blur_mm) : image_at(s->baseline, from);
            double inside = indicator_at(s->lesion, from);
            value += inside * o->density_change_hu;
            value += (1 - inside) * rim_change(o, s->distance.data[at], value);
            value += o->noise_hu * rp_random_normal(&noise);
            s->image.data[at] = (float)fmax(-1024, fmin(3071, value));
        }
}

static rp_status render_image(scene *s, const rp_progress *progress, rp_error *err)
{
    rp_progress_report(progress, "rendering the follow-up", 0, 1, NULL);
    rp_status status = rp_image_init(&s->image, &s->mask.grid, err);
    if (status == RP_OK) status = rp_mask_distance(&s->mask, &s->distance, err);
    if (status != RP_OK) return status;
    rp_parallel_for((size_t)s->image.grid.size[2], image_slice, s);
    rp_progress_report(progress, "rendering the follow-up", 1, 1, NULL);
    return RP_OK;
}

/* ---- set-up ------------------------------------------------------------------------------ */

static rp_status check_options(const rp_simulate_options *o, rp_error *err)
{
    if (!(o->change_percent > -95 && o->change_percent <= 200))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "the change of diameter must lie above -95%% and not above 200%%, not %g%%",
                       o->change_percent);
    if (o->deformation_mm != 0 &&
        !(o->deformation_mm > 0 && o->deformation_mm <= 0.25 * o->deformation_scale_mm))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a deformation of %g mm over %g mm would fold the image: at most a quarter",
                       o->deformation_mm, o->deformation_scale_mm);
    if (!(fabs(o->density_change_hu) <= 2000 && fabs(o->rim_hu) <= 2000 && o->rim_mm >= 0 &&
          o->rim_mm <= 200 && o->noise_hu >= 0 && o->noise_hu <= 1000))
        return rp_fail(err, RP_ERR_ARGUMENT, "density, rim or noise is outside its range");
    for (int i = 0; i < 3; i++) {
        if (!(o->spacing[i] >= 0 && o->spacing[i] <= 100))
            return rp_fail(err, RP_ERR_ARGUMENT, "spacing must lie within 0..100 mm, not %g",
                           o->spacing[i]);
        if (o->shift_given && !(fabs(o->shift_mm[i]) <= 1000))
            return rp_fail(err, RP_ERR_ARGUMENT, "the table's shift of %g mm is too large",
                           o->shift_mm[i]);
    }
    return RP_OK;
}

/* Everything is drawn in any case, so that an option which is given changes nothing else. */
static rp_grid place_followup(scene *s)
{
    const rp_simulate_options *o = s->options;
    const rp_grid *base = &s->baseline->grid;
    double factor[3], spacing[3], offset[3];
    rp_random r;
    rp_random_init(&r, o->seed, PURPOSE_SIMULATE, 0);
    random_in_ball(&r, 10, s->shift_mm);
    factor[0] = factor[1] = rp_random_range(&r, 0.95, 1.05);
    factor[2] = rp_random_range(&r, 0.95, 1.05);
    random_in_ball(&r, 3, offset);
    for (int i = 0; i < 3; i++) {
        if (o->shift_given) s->shift_mm[i] = o->shift_mm[i];
        spacing[i] = o->spacing[i] > 0 ? o->spacing[i] : base->spacing[i] * factor[i];
    }
    rp_grid grid = rp_grid_respaced(base, spacing);
    for (int i = 0; i < 3; i++) grid.origin[i] += offset[i];
    return grid;
}

static rp_status make_deformation(scene *s, rp_error *err)
{
    const rp_grid *g = &s->mask.grid;
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 8; corner++) {
        double index[3], world[3];
        for (int i = 0; i < 3; i++) index[i] = corner >> i & 1 ? g->size[i] - 1 : 0;
        rp_grid_to_world(g, index, world);
        for (int i = 0; i < 3; i++) {
            low[i] = fmin(low[i], world[i] - s->shift_mm[i]);
            high[i] = fmax(high[i], world[i] - s->shift_mm[i]);
        }
    }
    return deformation_create(low, high, s->options->deformation_mm,
                              s->options->deformation_scale_mm, s->options->seed, &s->field, err);
}

static double mean_surroundings(const rp_image *image, const rp_mask *lesion)
{
    const rp_grid *g = &image->grid;
    int low[3], high[3];
    double weights = 1e-6, sum = 40 * weights;
    if (!rp_mask_bounds(lesion, low, high)) return 40;
    for (int i = 0; i < 3; i++) {
        int margin = (int)ceil(10 / g->spacing[i]);
        low[i] = low[i] > margin ? low[i] - margin : 0;
        high[i] = high[i] + margin < g->size[i] ? high[i] + margin : g->size[i] - 1;
    }
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++) {
                size_t at = rp_grid_index(g, x, y, z);
                double weight = lesion->data[at] ? 0 : softness(image->data[at]);
                weights += weight;
                sum += weight * image->data[at];
            }
    return sum / weights;
}

static rp_status prepare(scene *s, double *baseline_mm, rp_error *err)
{
    rp_lesion measured;
    rp_grid grid;
    rp_status status = check_options(s->options, err);
    if (status != RP_OK) return status;
    if (!rp_grid_same(&s->baseline->grid, &s->lesion->grid, 1e-2))
        return rp_fail(err, RP_ERR_ARGUMENT, "the lesion's mask is not on the image's grid");
    status = rp_measure_mask(s->lesion, RP_DIAMETER_CONVEX, &measured, err);
    if (status != RP_OK) return status;
    *baseline_mm = measured.longest_diameter_mm;
    status = star_shape_make(s->lesion, &s->shape, err);
    if (status != RP_OK) return status;
    s->surroundings_hu = mean_surroundings(s->baseline, s->lesion);
    grid = place_followup(s);
    status = rp_mask_init(&s->mask, &grid, err);
    if (status != RP_OK) return status;
    return make_deformation(s, err);
}

static rp_status finish(scene *s, double baseline_mm, rp_simulated *out, rp_error *err)
{
    rp_lesion measured;
    rp_status status = rp_measure_mask(&s->mask, RP_DIAMETER_CONVEX, &measured, err);
    if (status != RP_OK) return status;
    *out = (rp_simulated){.image = s->image,
                          .mask = s->mask,
                          .baseline_diameter_mm = baseline_mm,
                          .followup_diameter_mm = measured.longest_diameter_mm,
                          .scale = s->scale};
    out->true_change_percent = 100 * (measured.longest_diameter_mm / baseline_mm - 1);
    memcpy(out->shift_mm, s->shift_mm, sizeof out->shift_mm);
    s->image = (rp_image){0};
    s->mask = (rp_mask){0};
    return RP_OK;
}

static rp_status simulate(const rp_image *baseline, const rp_mask *lesion,
                          const rp_simulate_options *options, const rp_progress *progress,
                          rp_simulated *out, rp_error *err)
{
    scene s = {.baseline = baseline, .lesion = lesion, .options = options, .scale = 1};
    double baseline_mm = 0;
    rp_status status = prepare(&s, &baseline_mm, err);
    if (status == RP_OK) status = fit_scale(&s, baseline_mm, progress, err);
    if (status == RP_OK) status = render_image(&s, progress, err);
    if (status == RP_OK) status = finish(&s, baseline_mm, out, err);
    deformation_release(&s.field);
    rp_image_release(&s.distance);
    rp_image_release(&s.image);
    rp_mask_release(&s.mask);
    return status;
}

/* Everything is made in canonical order, so that one patient has one follow-up, and delivered in
 * the order of the baseline. */
rp_status rp_simulate_followup(const rp_image *baseline, const rp_mask *lesion,
                               const rp_simulate_options *options, const rp_progress *progress,
                               rp_simulated *out, rp_error *err)
{
    const rp_orientation order = rp_grid_orientation(&baseline->grid);
    const rp_image *image;
    const rp_mask *mask;
    rp_image made_image;
    rp_mask made_mask = {0};
    rp_status status = rp_image_canonical(baseline, &made_image, &image, err);
    if (status == RP_OK) status = rp_mask_canonical(lesion, &made_mask, &mask, err);
    if (status == RP_OK) status = simulate(image, mask, options, progress, out, err);
    rp_image_release(&made_image);
    rp_mask_release(&made_mask);
    if (status != RP_OK) return status;
    const rp_grid grid = rp_grid_restored(&out->image.grid, &order);
    status = rp_image_restore(&out->image, &grid, err);
    if (status == RP_OK) status = rp_mask_restore(&out->mask, &grid, err);
    if (status != RP_OK) rp_simulated_release(out);
    return status;
}
