/* Intentional deep overfit learning on one image and its contour. */
#include "inputs.h"
#include "loop.h"
#include "sample.h"
#include "reprise/kernels.h"

#include <math.h>
#include <string.h>

void rp_adapt_curve_release(rp_adapt_curve *curve)
{
    rp_free(curve->loss);
    rp_free(curve->dice);
    rp_free(curve->watch_epoch);
    rp_free(curve->watch_dice);
    *curve = (rp_adapt_curve){0};
}

/* Everything that one adaptation holds; released as a whole. */
typedef struct adaptation {
    rp_loop loop;
    rp_image image; /* on the working grid */
    rp_mask mask;
    rp_sampler sampler;
    float *input;
    uint8_t *target;
    int low[3];             /* first voxel of `image` on the image's working grid */
    int box[3];             /* first voxel of the region's box on `image` */
    rp_likeness likeness;   /* where the model sees its baseline */
    const rp_mask *contour; /* as given; it tells the component of the watched visit */
    double watch_seconds;
    const rp_progress *progress;
} adaptation;

static void release(adaptation *a)
{
    rp_loop_release(&a->loop);
    rp_sampler_release(&a->sampler);
    rp_image_release(&a->image);
    rp_mask_release(&a->mask);
    rp_free(a->input);
    rp_free(a->target);
    rp_free(a->loop.state.validation);
}

/* The baseline registered to what the crop has become, from a place that is off as much as that of
 * a follow-up may be. */
static rp_status tell_baseline(adaptation *a, const rp_warp *warp, rp_error *err)
{
    const rp_model *model = a->loop.model;
    const int *size = a->sampler.size;
    const double *spacing = model->preprocessing.spacing;
    const size_t voxels = rp_sampler_voxels(&a->sampler);
    const rp_image crop = {
        .grid = rp_grid_make(size[0], size[1], size[2], spacing[0], spacing[1], spacing[2]),
        .data = a->input};
    rp_input_place place = warp->told;
    if (warp->untold) {
        memset(a->input + voxels, 0, 2 * voxels * sizeof *a->input);
        return RP_OK;
    }
    for (int i = 0; i < 3; i++) place.first[i] = a->box[i] - warp->prior_low[i];
    return rp_input_carry(&model->baseline, &model->baseline_lesion, &crop, &place,
                          a->input + voxels, err);
}

static rp_status sample(void *context, uint64_t step, const float **input, const uint8_t **target,
                        rp_error *err)
{
    adaptation *a = context;
    rp_warp warp;
    rp_sampler_plan(&a->sampler, step, &warp);
    rp_sampler_apply(&a->sampler, &warp, a->input, a->target);
    *input = a->input;
    *target = a->target;
    return a->loop.channels == RP_INPUTS_BASELINE ? tell_baseline(a, &warp, err) : RP_OK;
}

/* ---- watching a second visit ---------------------------------------------------------------- */

enum { WATCH_RECORD = 2 }; /* the epoch and its Dice */

static double dice_of(const rp_mask *a, const rp_mask *b)
{
    const size_t voxels = rp_grid_voxels(&a->grid);
    size_t both = 0, sum = 0;
    for (size_t i = 0; i < voxels; i++) {
        both += a->data[i] && b->data[i];
        sum += (size_t)(a->data[i] != 0) + (size_t)(b->data[i] != 0);
    }
    return sum ? 2.0 * (double)both / (double)sum : 1.0;
}

static rp_status watch(adaptation *a, uint64_t epoch, rp_error *err)
{
    const rp_adapt_watch *w = a->loop.options->watch;
    rp_adapt_state *state = &a->loop.state;
    const double started = rp_seconds();
    const rp_progress silent = {.cancelled = a->progress ? a->progress->cancelled : NULL,
                                .context = a->progress ? a->progress->context : NULL};
    rp_predict_options how;
    rp_prediction found = {0};
    rp_predict_defaults(&how);
    how.prior = a->contour;
    how.memory_bytes = a->loop.options->memory_bytes;
    double centre[3]; /* the watched visit lies as its own coordinates say */
    if (rp_region_centre(a->contour, centre)) how.at = centre;
    rp_status status = rp_loop_average_swap(&a->loop, err);
    if (!status) status = rp_predict(a->loop.model, w->image, &how, &silent, &found, err);
    if (!status) status = rp_loop_average_swap(&a->loop, err);
    if (status) return status;
    state->validation[state->validated++] = (double)epoch;
    state->validation[state->validated++] = dice_of(&found.mask, w->mask);
    rp_prediction_release(&found);
    a->watch_seconds += rp_seconds() - started;
    return RP_OK;
}

static rp_status stepped(void *context, rp_error *err)
{
    adaptation *a = context;
    const rp_adapt_state *state = &a->loop.state;
    const uint64_t all = a->loop.steps_per_epoch, epoch = state->step / all;
    const int every = a->loop.options->watch->every;
    if (state->step % all != 0 || (epoch % (uint64_t)every != 0 && state->step != state->steps))
        return RP_OK;
    if (state->validated && state->validation[state->validated - WATCH_RECORD] >= (double)epoch)
        return RP_OK; /* a resumed run starts with a call for what was done before */
    return watch(a, epoch, err);
}

static rp_status prepare_watch(adaptation *a, rp_error *err)
{
    const rp_adapt_watch *w = a->loop.options->watch;
    rp_adapt_state *state = &a->loop.state;
    if (!w) return RP_OK;
    if (w->every < 1)
        return rp_fail(err, RP_ERR_ARGUMENT, "watching every %d epochs is impossible", w->every);
    if (!rp_grid_same(&w->image->grid, &w->mask->grid, 1e-3))
        return rp_fail(err, RP_ERR_ARGUMENT, "the watched image and its contour differ in grid");
    state->validation_room =
        WATCH_RECORD * ((uint64_t)a->loop.options->epochs / (uint64_t)w->every + 1);
    state->validation = rp_alloc((size_t)state->validation_room, sizeof *state->validation);
    if (!state->validation) return rp_fail(err, RP_ERR_MEMORY, "no memory for what is watched");
    a->loop.stepped = stepped;
    return RP_OK;
}

/* Of the voxels in canonical order: one hash for one image, however files store it. */
static rp_status hash_pair(const rp_image *image, const rp_mask *mask,
                           char image_hash[RP_SHA256_HEX], char mask_hash[RP_SHA256_HEX],
                           rp_error *err)
{
    rp_image made_image;
    rp_mask made_mask = {0};
    const rp_image *i;
    const rp_mask *m;
    rp_status status = rp_image_canonical(image, &made_image, &i, err);
    if (!status) status = rp_mask_canonical(mask, &made_mask, &m, err);
    if (!status) {
        rp_sha256(i->data, rp_grid_voxels(&i->grid) * sizeof *i->data, image_hash);
        rp_sha256(m->data, rp_grid_voxels(&m->grid) * sizeof *m->data, mask_hash);
    }
    rp_image_release(&made_image);
    rp_mask_release(&made_mask);
    return status;
}

/* A checkpoint that holds Dice of one visit is not continued with another. */
static rp_status fingerprint_watch(adaptation *a, rp_error *err)
{
    const rp_adapt_watch *w = a->loop.options->watch;
    char image[RP_SHA256_HEX], mask[RP_SHA256_HEX];
    if (!w) return RP_OK;
    const rp_status status = hash_pair(w->image, w->mask, image, mask, err);
    if (status) return status;
    const size_t used = strlen(a->loop.more);
    snprintf(a->loop.more + used, sizeof a->loop.more - used,
             "watched image=%.16s\nwatched contour=%.16s\nwatch every=%d\n", image, mask, w->every);
    return RP_OK;
}

static rp_status take_watched(const adaptation *a, rp_adapt_curve *curve, rp_error *err)
{
    const rp_adapt_state *state = &a->loop.state;
    const size_t count = (size_t)(state->validated / WATCH_RECORD);
    if (!count) return RP_OK;
    curve->watch_epoch = rp_alloc(count, sizeof *curve->watch_epoch);
    curve->watch_dice = rp_alloc(count, sizeof *curve->watch_dice);
    if (!curve->watch_epoch || !curve->watch_dice) {
        rp_adapt_curve_release(curve);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the curve");
    }
    for (curve->watches = 0; curve->watches < count; curve->watches++) {
        const double *record = state->validation + WATCH_RECORD * curve->watches;
        curve->watch_epoch[curve->watches] = (int)record[0];
        curve->watch_dice[curve->watches] = record[1];
    }
    return RP_OK;
}

int rp_adapt_epochs_to(const rp_adapt_curve *curve, double share)
{
    for (size_t i = 0; i < curve->watches; i++)
        if (curve->watch_dice[i] >= share * curve->watch_dice[curve->watches - 1])
            return curve->watch_epoch[i];
    return -1;
}

/* ---- set-up --------------------------------------------------------------------------------- */

static rp_status allocate(adaptation *a, rp_error *err)
{
    const size_t voxels = rp_sampler_voxels(&a->sampler);
    a->input = rp_alloc((size_t)a->loop.channels * voxels, sizeof *a->input);
    a->target = rp_alloc(voxels, sizeof *a->target);
    if (!a->input || !a->target)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a crop of %zu voxels", voxels);
    return rp_loop_create(&a->loop, a->sampler.size, err);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* How far, in mm along axis a, a crop's voxels read from where its middle lies: its corners turned
 * and scaled, the shift, and nearly all of what the elastic displacement does. */
static double reach_mm(const rp_augmentation *m, const double half_mm[3], int a)
{
    const double b = half_mm[(a + 1) % 3], c = half_mm[(a + 2) % 3];
    const double turn = m->rotation_degrees < 90.0 ? sin(m->rotation_degrees * M_PI / 180.0) : 1.0;
    return (half_mm[a] + turn * hypot(b, c)) / (1.0 - m->scale) + m->shift_mm + 3.0 * m->elastic_mm;
}

/* The box, and the part of the working grid that crops round it read. Beyond the image crops begin
 * only where the image is shorter than they are, as in prediction. */
static rp_status prepare_region(adaptation *a, const rp_image *image, const rp_mask *mask,
                                int first[3], int last[3], rp_error *err)
{
    const rp_adapt_options *o = a->loop.options;
    rp_model *model = a->loop.model;
    rp_region region;
    int box[3], size[3];
    rp_status status = rp_region_fit(&image->grid, mask, &o->region, &region, err);
    if (status) return status;
    memcpy(model->preprocessing.spacing, region.spacing, sizeof region.spacing);
    memcpy(model->region, region.extent, sizeof region.extent);
    const rp_grid working = rp_working_grid(&model->preprocessing, &image->grid);
    rp_region_place(&model->preprocessing, &image->grid, region.centre, region.extent, box);
    double half_mm[3];
    for (int i = 0; i < 3; i++) half_mm[i] = 0.5 * region.extent[i] * region.spacing[i];
    for (int i = 0; i < 3; i++) {
        const int room = working.size[i] - region.extent[i];
        const int jitter = room > 0 ? (int)(o->region.jitter_mm / region.spacing[i]) : 0;
        const int low = room > 0 ? most(box[i] - jitter, 0) : box[i];
        const int high = room > 0 ? least(box[i] + jitter, room) : box[i];
        const double rim_mm = reach_mm(&o->augmentation, half_mm, i) - half_mm[i];
        const int rim = (int)ceil(rim_mm / region.spacing[i]) + 1;
        a->low[i] = least(most(low - rim, 0), box[i]);
        size[i] =
            most(least(high + region.extent[i] + rim, working.size[i]), box[i] + region.extent[i]) -
            a->low[i];
        first[i] = low - a->low[i];
        last[i] = high - a->low[i];
        a->box[i] = box[i] - a->low[i];
    }
    return rp_box_pair(&model->preprocessing, image, mask, a->low, size, &a->image, &a->mask, err);
}

/* The baseline's box, for the network to see beside what the crops make of it. */
static rp_status prepare_baseline(adaptation *a, rp_error *err)
{
    rp_image distance = {0};
    if (a->loop.channels != RP_INPUTS_BASELINE) return RP_OK;
    const rp_status status = rp_input_distance(&a->mask, &distance, err);
    if (status) return status;
    rp_likeness_learn(a->image.data, a->mask.data, distance.data, rp_grid_voxels(&a->image.grid),
                      &a->likeness);
    rp_image_release(&distance);
    a->sampler.likeness = &a->likeness;
    return rp_baseline_keep(a->loop.model, &a->image, &a->mask, a->box, err);
}

static rp_status prepare_sampler(adaptation *a, const rp_image *image, const rp_mask *mask,
                                 rp_error *err)
{
    rp_model *model = a->loop.model;
    rp_adapt_options options = *a->loop.options;
    int first[3], last[3];
    rp_status status;
    if (options.region.whole && a->loop.channels == RP_INPUTS_BASELINE)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "a model that sees the baseline beside the image is adapted to a region "
                       "(recipe quick), not to whole images");
    if (options.region.whole) {
        memset(model->region, 0, sizeof model->region);
        status = rp_working_pair(&model->preprocessing, image, mask, &a->image, &a->mask, err);
    } else {
        status = prepare_region(a, image, mask, first, last, err);
        memcpy(options.crop, model->region, sizeof options.crop);
    }
    if (!status) status = rp_sampler_init(&a->sampler, &a->image, &a->mask, &options, err);
    if (status) return status;
    a->sampler.prior = a->loop.channels == RP_INPUTS_CONTOUR;
    if (!options.region.whole) rp_sampler_hold(&a->sampler, first, last);
    status = prepare_baseline(a, err);
    return status ? status : allocate(a, err);
}

static rp_status prepare(adaptation *a, const rp_image *image, const rp_mask *mask, rp_error *err)
{
    rp_status status = prepare_sampler(a, image, mask, err);
    if (!status) status = prepare_watch(a, err);
    if (status) return status;
    const size_t voxels = rp_grid_voxels(&a->image.grid);
    rp_fingerprint *f = &a->loop.state.fingerprint;
    f->name[0] = "image";
    f->name[1] = "contour";
    rp_sha256(a->image.data, voxels * sizeof *a->image.data, f->hash[0]);
    rp_sha256(a->mask.data, voxels * sizeof *a->mask.data, f->hash[1]);
    if (a->sampler.held)
        snprintf(a->loop.more, sizeof a->loop.more, "region=%dx%dx%d\nregion.jitter_mm=%.9g\n",
                 a->sampler.size[2], a->sampler.size[1], a->sampler.size[0],
                 a->loop.options->region.jitter_mm);
    status = fingerprint_watch(a, err);
    return status ? status : rp_loop_start(&a->loop, err);
}

rp_status rp_model_check_adapted(const rp_model *model, const rp_image *image, const rp_mask *mask,
                                 rp_error *err)
{
    const rp_model_provenance *p = &model->provenance;
    char image_hash[RP_SHA256_HEX], mask_hash[RP_SHA256_HEX];
    if (!p->trained_on_image_sha256[0])
        return rp_fail(err, RP_ERR_REFUSED, "a general model, adapted to nobody");
    const rp_status status = hash_pair(image, mask, image_hash, mask_hash, err);
    if (status) return status;
    const bool image_differs = strcmp(image_hash, p->trained_on_image_sha256) != 0;
    const bool mask_differs = strcmp(mask_hash, p->trained_on_mask_sha256) != 0;
    if (!image_differs && !mask_differs) return RP_OK;
    return rp_fail(err, RP_ERR_REFUSED, "adapted to another %s%s%s than is given",
                   image_differs ? "image" : "",
                   image_differs && mask_differs ? " and another " : "",
                   mask_differs ? "contour" : "");
}

static rp_status set_provenance(rp_model *model, const rp_image *image, const rp_mask *mask,
                                const rp_adapt_options *options, rp_error *err)
{
    rp_model_provenance *p = &model->provenance;
    rp_free(model->guard); /* it told of other weights */
    model->guard = NULL;
    rp_status status =
        hash_pair(image, mask, p->trained_on_image_sha256, p->trained_on_mask_sha256, err);
    if (status) return status;
    snprintf(p->program_version, sizeof p->program_version, "%s", RP_VERSION);
    snprintf(p->kernels, sizeof p->kernels, "%s", rp_kernels_get()->name);
    memcpy(p->base_model_sha256, model->sha256, sizeof p->base_model_sha256);
    model->sha256[0] = 0; /* the weights are no longer the file's */
    p->seed = options->seed;
    p->epochs = options->epochs;
    return RP_OK;
}

rp_status rp_adapt(rp_model *model, const rp_image *image, const rp_mask *mask,
                   const rp_adapt_options *options, const rp_progress *progress,
                   rp_adapt_curve *curve, rp_error *err)
{
    adaptation a = {.loop = {.model = model,
                             .options = options,
                             .stage = "adapt",
                             .work = "the adaptation",
                             .steps_per_epoch = (uint64_t)options->copies,
                             .average = options->average,
                             .sample = sample},
                    .contour = mask,
                    .progress = progress};
    const double started = rp_seconds();
    a.loop.context = &a;
    *curve = (rp_adapt_curve){0};
    rp_status status = options->prior_channel ? rp_model_add_prior(model, err) : RP_OK;
    /* A model that was given a prior once goes on with it. */
    const int channels = rp_fcd_config_of(model->net)->in_channels;
    a.loop.channels = rp_inputs_known(channels) ? channels : RP_INPUTS_IMAGE;
    if (!status) status = rp_loop_check(&a.loop, err);
    if (!status) status = prepare(&a, image, mask, err);
    const uint64_t resumed = a.loop.state.step;
    if (!status) status = rp_loop_run(&a.loop, progress, err);
    if (!status) status = rp_loop_curve(&a.loop, curve, err);
    if (!status) status = take_watched(&a, curve, err);
    if (!status) status = set_provenance(model, image, mask, options, err);
    if (!status) {
        curve->resumed_epochs = (int)(resumed / (uint64_t)options->copies);
        curve->seconds = rp_seconds() - started - a.watch_seconds;
    }
    release(&a);
    return status;
}

rp_status rp_remember(rp_model *model, const rp_image *image, const rp_mask *mask,
                      const rp_adapt_options *options, rp_error *err)
{
    adaptation a = {.loop = {.model = model, .options = options}};
    rp_adapt_options none = *options;
    int first[3], last[3];
    if (rp_fcd_config_of(model->net)->in_channels != RP_INPUTS_BASELINE || options->region.whole)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "only a model that sees a box of the baseline can remember it untrained");
    none.epochs = 0;
    rp_status status = prepare_region(&a, image, mask, first, last, err);
    if (!status && rp_mask_count(&a.mask) == 0)
        status = rp_fail(err, RP_ERR_REFUSED, "the contour holds no voxel of the working grid");
    if (!status) status = rp_baseline_keep(model, &a.image, &a.mask, a.box, err);
    if (!status) status = set_provenance(model, image, mask, &none, err);
    release(&a);
    return status;
}
