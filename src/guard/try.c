/* The model on simulated follow-ups of its own baseline. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { PURPOSE_PLACE = 0x67750001 };

void rp_guard_defaults(rp_guard_options *options)
{
    *options = (rp_guard_options){.trials = 16,
                                  .least_percent = -60.0,
                                  .most_percent = 35.0,
                                  .vanished = 2,
                                  .extent_mm = {144.0, 144.0, 144.0},
                                  .rim_mm = 20.0,
                                  .place_mm = 4.0,
                                  .seed = 1,
                                  .compare = true};
    rp_predict_defaults(&options->predict);
}

/* ---- the lesion and what is round it ------------------------------------------------------- */

/* First voxel and size of the box, in canonical order. */
static rp_status choose_box(const rp_mask *mask, const rp_guard_options *o, int first[3],
                            int size[3], rp_error *err)
{
    int low[3], high[3];
    if (!rp_mask_bounds(mask, low, high))
        return rp_fail(err, RP_ERR_ARGUMENT, "there is no lesion to try the model on");
    for (int a = 0; a < 3; a++) {
        const double voxels = (o->extent_mm[a] + 2.0 * o->rim_mm) / mask->grid.spacing[a];
        const int wanted = (int)ceil(fmax(voxels, high[a] - low[a] + 3));
        const int most = mask->grid.size[a];
        const int begin = (low[a] + high[a] + 1 - wanted) / 2;
        size[a] = wanted < most ? wanted : most;
        first[a] = begin < 0 ? 0 : begin > most - size[a] ? most - size[a] : begin;
    }
    return RP_OK;
}

static double rounded(double value)
{
    return round(1e7 * value) / 1e7;
}

/* The last bits of a file's origin, spacing and directions depend on the order in which it stores
 * its axes: the origin of the world lies in the box's first voxel, the others are rounded. */
static rp_grid grid_of_box(const rp_grid *whole, const int size[3])
{
    rp_grid grid = *whole;
    memset(grid.origin, 0, sizeof grid.origin);
    for (int a = 0; a < 3; a++) {
        grid.spacing[a] = rounded(grid.spacing[a]);
        for (int r = 0; r < 3; r++) grid.direction[r][a] = rounded(grid.direction[r][a]);
    }
    memcpy(grid.size, size, sizeof grid.size);
    return grid;
}

/* The box of an image and of its mask, both in canonical order. */
static rp_status cut_box(const rp_image *image, const rp_mask *mask, const rp_guard_options *o,
                         rp_image *image_out, rp_mask *mask_out, rp_error *err)
{
    int first[3], size[3];
    rp_status status = choose_box(mask, o, first, size, err);
    if (status) return status;
    const rp_grid box = grid_of_box(&image->grid, size);
    status = rp_image_init(image_out, &box, err);
    if (!status) status = rp_mask_init(mask_out, &box, err);
    for (int z = 0; z < size[2] && !status; z++)
        for (int y = 0; y < size[1]; y++) {
            const size_t from = rp_grid_index(&image->grid, first[0], first[1] + y, first[2] + z);
            const size_t to = rp_grid_index(&box, 0, y, z);
            memcpy(&image_out->data[to], &image->data[from], (size_t)size[0] * sizeof(float));
            memcpy(&mask_out->data[to], &mask->data[from], (size_t)size[0]);
        }
    return status;
}

static rp_status cut(const rp_image *baseline, const rp_mask *contour, const rp_guard_options *o,
                     rp_image *image, rp_mask *mask, rp_error *err)
{
    rp_image turned = {0};
    rp_mask turned_mask = {0};
    const rp_image *whole = NULL;
    const rp_mask *whole_mask = NULL;
    if (!rp_grid_same(&baseline->grid, &contour->grid, 0.01))
        return rp_fail(err, RP_ERR_ARGUMENT, "the contour is not on the baseline's grid");
    rp_status status = rp_image_canonical(baseline, &turned, &whole, err);
    if (!status) status = rp_mask_canonical(contour, &turned_mask, &whole_mask, err);
    if (!status) status = cut_box(whole, whole_mask, o, image, mask, err);
    rp_image_release(&turned);
    rp_mask_release(&turned_mask);
    return status;
}

/* ---- one trial ----------------------------------------------------------------------------- */

/* The model finds what it can, with the baseline's contour where a registration would put it. */
static rp_status find(const rp_guard_trying *t, const rp_remodeled *made, const double moved_mm[3],
                      rp_guard_trial *trial, rp_error *err)
{
    rp_mask prior = {.grid = t->mask.grid, .data = t->mask.data};
    rp_predict_options how = t->options->predict;
    rp_prediction found = {0};
    rp_guard_finding truth = {0}, own = {0};
    double at[3];
    for (int a = 0; a < 3; a++) {
        prior.grid.origin[a] += moved_mm[a];
        at[a] = t->centre[a] + moved_mm[a];
    }
    how.prior = &prior;
    how.at = at;
    rp_status status = rp_predict(t->model, &made->image, &how, NULL, &found, err);
    if (!status) status = rp_guard_measure(t->options, &made->mask, &made->mask, &truth, err);
    if (!status) status = rp_guard_measure(t->options, &found.mask, &made->mask, &own, err);
    trial->true_mm = truth.found_mm;
    trial->true_cc = truth.found_cc;
    trial->found_mm = own.found_mm;
    trial->found_cc = own.found_cc;
    trial->dice = own.dice;
    trial->parts = found.components;
    rp_prediction_release(&found);
    return status;
}

/* Where a registration puts the baseline: there, but for its error. */
static void place(const rp_guard_options *o, const rp_remodeled *made, int k, double moved_mm[3])
{
    rp_random random;
    rp_random_init(&random, o->seed, PURPOSE_PLACE, (uint64_t)k);
    for (int a = 0; a < 3; a++)
        moved_mm[a] = made->shift_mm[a] + o->place_mm * rp_random_normal(&random);
}

/* `made` stays false where there is no such follow-up. */
static rp_status try_one(const rp_guard_trying *t, int k, rp_guard_trial *trial, bool *made,
                         rp_error *err)
{
    const rp_guard_options *o = t->options;
    rp_remodel_options how = {0};
    rp_remodeled simulated = {0};
    double moved_mm[3];
    rp_remodel_defaults(&how);
    how.random = true;
    how.seed = o->seed + (uint64_t)k;
    how.change_percent =
        o->least_percent + (o->most_percent - o->least_percent) * (k + 0.5) / o->trials;
    if (k >= o->trials) how.change_percent = -100.0;
    *trial = (rp_guard_trial){.change_percent = how.change_percent, .gone = k >= o->trials};
    rp_status status = rp_remodel_followup(&t->image, &t->mask, &how, NULL, &simulated, err);
    *made = !status;
    if (status == RP_ERR_NUMERIC || status == RP_ERR_ARGUMENT) return RP_OK;
    if (!status) place(o, &simulated, k, moved_mm);
    if (!status) status = find(t, &simulated, moved_mm, trial, err);
    if (!status) status = rp_guard_compare(t, &simulated, moved_mm, trial, err);
    rp_remodeled_release(&simulated);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static rp_status try_all(const rp_guard_trying *t, const rp_progress *progress,
                         rp_guard_trials *out, rp_error *err)
{
    const int count = t->options->trials + t->options->vanished;
    for (int k = 0; k < count; k++) {
        char note[32];
        bool made = false;
        snprintf(note, sizeof note, "try %d/%d", k + 1, count);
        rp_progress_report(progress, "guard", k, count, note);
        if (rp_progress_cancelled(progress)) return rp_fail(err, RP_ERR_CANCELLED, "stopped");
        rp_status status = try_one(t, k, &out->item[out->count], &made, err);
        if (status) return status;
        out->count += made;
    }
    rp_progress_report(progress, "guard", count, count, NULL);
    return RP_OK;
}

rp_status rp_guard_try(const rp_model *model, const rp_image *baseline, const rp_mask *contour,
                       const rp_guard_options *options, const rp_progress *progress,
                       rp_guard_trials *out, rp_error *err)
{
    rp_guard_trying t = {.model = model, .options = options};
    *out = (rp_guard_trials){.seed = options->seed, .kind = "remodel"};
    if (options->trials < 0 || options->vanished < 0 ||
        options->trials + options->vanished > RP_GUARD_MOST_TRIALS)
        return rp_fail(err, RP_ERR_ARGUMENT, "0 to %d trials, not %d and %d", RP_GUARD_MOST_TRIALS,
                       options->trials, options->vanished);
    rp_status status = cut(baseline, contour, options, &t.image, &t.mask, err);
    if (!status) {
        rp_region_centre(&t.mask, t.centre);
        out->compared = t.compare = rp_guard_compares(options, &t.image, &t.mask);
    }
    if (!status) status = try_all(&t, progress, out, err);
    rp_image_release(&t.image);
    rp_mask_release(&t.mask);
    return status;
}
