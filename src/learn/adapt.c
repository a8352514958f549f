/* Intentional deep overfit learning on one image and its contour. */
#include "internal.h"
#include "sample.h"
#include "reprise/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void rp_adapt_defaults(rp_adapt_options *options)
{
    *options = (rp_adapt_options){
        .epochs = 350,
        .copies = 1,
        .crop = {96, 96, 48},
        .tumour_share = 0.7,
        .learning_rate = 1e-3,
        .power = 0.9,
        .augmentation = {.brightness = 0.15,
                         .rotation_degrees = 10.0,
                         .shift_mm = 5.0,
                         .scale = 0.15,
                         .elastic_mm = 3.0,
                         .elastic_scale_mm = 30.0,
                         .noise = 0.02},
        .dropout = 0.0,
        .checkpoint_seconds = 60.0,
    };
    rp_loss_weights_defaults(&options->loss);
}

void rp_adapt_curve_release(rp_adapt_curve *curve)
{
    rp_free(curve->loss);
    rp_free(curve->dice);
    *curve = (rp_adapt_curve){0};
}

/* Everything that one adaptation holds; released as a whole. */
typedef struct adaptation {
    rp_model *model;
    const rp_adapt_options *options;
    rp_image image; /* on the working grid */
    rp_mask mask;
    rp_sampler sampler;
    rp_session *session;
    rp_adapt_state state;
    float *input;
    uint8_t *target;
    double last_checkpoint;
} adaptation;

static void release(adaptation *a)
{
    rp_session_destroy(a->session);
    rp_adam_destroy(a->state.adam);
    rp_sampler_release(&a->sampler);
    rp_image_release(&a->image);
    rp_mask_release(&a->mask);
    rp_free(a->state.loss);
    rp_free(a->state.dice);
    rp_free(a->input);
    rp_free(a->target);
}

/* ---- checks ------------------------------------------------------------------------------ */

static rp_status check_options(const rp_model *model, const rp_adapt_options *o, rp_error *err)
{
    const rp_fcd_config *config = rp_fcd_config_of(model->net);
    if (config->in_channels != 1)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "the model takes %d images at once, not one CT",
                       config->in_channels);
    if (o->epochs < 1 || o->epochs > 1000000 || o->copies < 1 || o->copies > 1000)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%d epochs of %d copies: 1 to 1000000 and 1 to 1000 are possible", o->epochs,
                       o->copies);
    if (!(o->tumour_share >= 0.0 && o->tumour_share <= 1.0))
        return rp_fail(err, RP_ERR_ARGUMENT, "the share of tumour crops is %g; it must be 0 to 1",
                       o->tumour_share);
    if (!(o->learning_rate > 0.0 && o->learning_rate <= 10.0) ||
        !(o->power >= 0.0 && o->power <= 100.0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a learning rate of %g with a decay power of %g is impossible",
                       o->learning_rate, o->power);
    if (!(o->dropout < 1.0))
        return rp_fail(err, RP_ERR_ARGUMENT, "a dropout rate of %g is not below 1", o->dropout);
    return RP_OK;
}

static rp_status prepare_pair(adaptation *a, const rp_image *image, const rp_mask *mask,
                              rp_error *err)
{
    const size_t inside = rp_mask_count(mask);
    if (inside == 0) return rp_fail(err, RP_ERR_REFUSED, "the contour is empty");
    rp_status status = rp_preprocess_image(&a->model->preprocessing, image, &a->image, err);
    if (!status) status = rp_mask_resample(mask, &a->image.grid, &a->mask, err);
    if (status) return status;
    const size_t kept = rp_mask_count(&a->mask);
    const double *spacing = a->image.grid.spacing;
    if (kept == 0)
        return rp_fail(err, RP_ERR_REFUSED,
                       "the contour holds no voxel of the working grid of %g x %g x %g mm: it lies "
                       "outside the image or is too small",
                       spacing[0], spacing[1], spacing[2]);
    if (inside == rp_grid_voxels(&mask->grid) || kept == rp_grid_voxels(&a->image.grid))
        return rp_fail(err, RP_ERR_REFUSED, "the contour covers everything");
    return RP_OK;
}

/* ---- what the checkpoint belongs to ------------------------------------------------------ */

static rp_status hash_weights(rp_fcd *net, char hash[RP_SHA256_HEX], rp_error *err)
{
    const size_t count = rp_fcd_parameter_count(net);
    const size_t room = RP_SHA256_HEX - 1;
    RP_AUTOFREE char *all = rp_alloc(count * room + 1, 1);
    if (!all) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the model");
    for (size_t i = 0; i < count; i++) {
        char one[RP_SHA256_HEX];
        const rp_parameter *parameter = rp_fcd_parameter(net, i);
        rp_sha256(parameter->value, parameter->count * sizeof *parameter->value, one);
        memcpy(all + i * room, one, room);
    }
    rp_sha256(all, count * room, hash);
    return RP_OK;
}

/* Every option that changes a bit of the result, and none that does not. */
static char *options_text(const rp_adapt_options *o, const rp_fcd_config *c)
{
    const rp_augmentation *a = &o->augmentation;
    char layers[RP_FCD_MAX_LEVELS * 12 + 1] = "";
    for (int i = 0, used = 0; i < c->levels; i++)
        used += snprintf(layers + used, sizeof layers - (size_t)used, "%d ", c->down_layers[i]);
    return rp_format(
        "%d %d  %d %d %d  %a %a %a  %a %a %a %a %a %a  %a %a %a %a %a %a %a  %a %" PRIu64
        "  %d %d %d %d %d %s %d %a %s",
        o->epochs, o->copies, o->crop[0], o->crop[1], o->crop[2], o->tumour_share, o->learning_rate,
        o->power, o->loss.cross_entropy, o->loss.dual_cross_entropy, o->loss.dice,
        o->loss.dual_alpha, o->loss.dual_beta, o->loss.dice_smooth, a->brightness,
        a->rotation_degrees, a->shift_mm, a->scale, a->elastic_mm, a->elastic_scale_mm, a->noise,
        o->dropout, o->seed, c->in_channels, c->classes, c->first_filters, c->growth, c->levels,
        layers, c->bottleneck_layers, c->dropout, rp_norm_mode_name(c->norm));
}

static rp_status make_fingerprint(adaptation *a, rp_error *err)
{
    rp_fingerprint *f = &a->state.fingerprint;
    const size_t voxels = rp_grid_voxels(&a->image.grid);
    const rp_fcd_config *config = rp_fcd_config_of(a->model->net);
    const char *kernels = rp_kernels_get()->name;
    *f = (rp_fingerprint){
        .name = {"image", "contour", "starting model", "options", "program", "instruction set"}};
    RP_AUTOFREE char *options = options_text(a->options, config);
    if (!options) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the options");
    rp_sha256(a->image.data, voxels * sizeof *a->image.data, f->hash[0]);
    rp_sha256(a->mask.data, voxels * sizeof *a->mask.data, f->hash[1]);
    rp_sha256(options, strlen(options), f->hash[3]);
    rp_sha256(RP_VERSION, strlen(RP_VERSION), f->hash[4]);
    rp_sha256(kernels, strlen(kernels), f->hash[5]);
    return hash_weights(a->model->net, f->hash[2], err);
}

/* ---- set-up ------------------------------------------------------------------------------ */

static rp_status allocate(adaptation *a, rp_error *err)
{
    rp_adapt_state *state = &a->state;
    const size_t voxels = rp_sampler_voxels(&a->sampler);
    state->net = a->model->net;
    state->steps = (uint64_t)a->options->epochs * (uint64_t)a->options->copies;
    state->loss = rp_alloc((size_t)state->steps, sizeof *state->loss);
    state->dice = rp_alloc((size_t)state->steps, sizeof *state->dice);
    a->input = rp_alloc(voxels, sizeof *a->input);
    a->target = rp_alloc(voxels, sizeof *a->target);
    if (!state->loss || !state->dice || !a->input || !a->target)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a crop of %zu voxels", voxels);
    rp_status status = rp_adam_create(state->net, &state->adam, err);
    if (!status)
        status = rp_session_create(state->net, a->sampler.size, RP_RUN_TRAIN,
                                   a->options->memory_bytes, &a->session, err);
    return status;
}

static rp_status prepare(adaptation *a, const rp_image *image, const rp_mask *mask, rp_error *err)
{
    const rp_adapt_options *o = a->options;
    rp_status status = prepare_pair(a, image, mask, err);
    if (!status) status = rp_sampler_init(&a->sampler, &a->image, &a->mask, o, err);
    if (!status) status = allocate(a, err);
    if (!status && o->checkpoint_path) status = make_fingerprint(a, err);
    if (!status && o->checkpoint_path && o->resume && rp_path_exists(o->checkpoint_path))
        status = rp_checkpoint_read(o->checkpoint_path, &a->state, err);
    return status;
}

/* ---- steps ------------------------------------------------------------------------------- */

static rp_status take_step(adaptation *a, rp_error *err)
{
    const rp_adapt_options *o = a->options;
    rp_adapt_state *state = &a->state;
    rp_warp warp;
    rp_loss loss;
    rp_sampler_plan(&a->sampler, state->step, &warp);
    rp_sampler_apply(&a->sampler, &warp, a->input, a->target);
    rp_status status = rp_session_forward(a->session, a->input, 0.0f, o->seed, state->step, err);
    if (!status) status = rp_session_loss(a->session, a->target, &o->loss, true, &loss, err);
    if (status == RP_ERR_NUMERIC)
        return rp_fail_in(err, status,
                          "the adaptation diverged at step %" PRIu64 " of %" PRIu64
                          " (learning rate %g): a smaller rate may help",
                          state->step + 1, state->steps, o->learning_rate);
    if (status) return status;
    const double left = 1.0 - (double)state->step / (double)state->steps;
    rp_adam_step(state->adam, o->learning_rate * pow(left, o->power));
    state->loss[state->step] = loss.total;
    state->dice[state->step] = loss.hard_dice;
    state->step++;
    return RP_OK;
}

static double mean(const double *values, uint64_t first, uint64_t count)
{
    double sum = 0.0;
    for (uint64_t i = 0; i < count; i++) sum += values[first + i];
    return sum / (double)count;
}

static void report(const adaptation *a, const rp_progress *progress)
{
    const rp_adapt_state *state = &a->state;
    if (!progress || !progress->report || state->step == 0) return;
    const uint64_t copies = (uint64_t)a->options->copies, epoch = (state->step - 1) / copies;
    const uint64_t first = epoch * copies, count = state->step - first;
    char note[96];
    snprintf(note, sizeof note, "epoch %" PRIu64 "/%d loss %.3f dice %.2f", epoch + 1,
             a->options->epochs, mean(state->loss, first, count), mean(state->dice, first, count));
    rp_progress_report(progress, "adapt", (double)state->step, (double)state->steps, note);
}

static rp_status save(adaptation *a, rp_error *err)
{
    a->last_checkpoint = rp_seconds();
    return a->options->checkpoint_path
               ? rp_checkpoint_write(a->options->checkpoint_path, &a->state, err)
               : RP_OK;
}

static rp_status run(adaptation *a, const rp_progress *progress, rp_error *err)
{
    rp_adapt_state *state = &a->state;
    a->last_checkpoint = rp_seconds();
    report(a, progress);
    while (state->step < state->steps) {
        rp_status status;
        if (rp_progress_cancelled(progress)) {
            status = save(a, err);
            if (status) return status;
            return rp_fail(err, RP_ERR_CANCELLED, "stopped after step %" PRIu64 " of %" PRIu64,
                           state->step, state->steps);
        }
        status = take_step(a, err);
        if (status) return status;
        report(a, progress);
        if (state->step == state->steps ||
            rp_seconds() - a->last_checkpoint >= a->options->checkpoint_seconds)
            status = save(a, err);
        if (status) return status;
    }
    return RP_OK;
}

/* ---- results ----------------------------------------------------------------------------- */

static rp_status make_curve(const adaptation *a, rp_adapt_curve *curve, rp_error *err)
{
    const uint64_t copies = (uint64_t)a->options->copies;
    curve->epochs = (size_t)a->options->epochs;
    curve->loss = rp_alloc(curve->epochs, sizeof *curve->loss);
    curve->dice = rp_alloc(curve->epochs, sizeof *curve->dice);
    if (!curve->loss || !curve->dice) {
        rp_adapt_curve_release(curve);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the curve");
    }
    for (size_t i = 0; i < curve->epochs; i++) {
        curve->loss[i] = mean(a->state.loss, i * copies, copies);
        curve->dice[i] = mean(a->state.dice, i * copies, copies);
    }
    return RP_OK;
}

static void set_provenance(rp_model *model, const rp_image *image, const rp_mask *mask,
                           const rp_adapt_options *options)
{
    rp_model_provenance *p = &model->provenance;
    snprintf(p->program_version, sizeof p->program_version, "%s", RP_VERSION);
    snprintf(p->kernels, sizeof p->kernels, "%s", rp_kernels_get()->name);
    memcpy(p->base_model_sha256, model->sha256, sizeof p->base_model_sha256);
    model->sha256[0] = 0; /* the weights are no longer the file's */
    rp_sha256(image->data, rp_grid_voxels(&image->grid) * sizeof *image->data,
              p->trained_on_image_sha256);
    rp_sha256(mask->data, rp_grid_voxels(&mask->grid) * sizeof *mask->data,
              p->trained_on_mask_sha256);
    p->seed = options->seed;
    p->epochs = options->epochs;
}

rp_status rp_adapt(rp_model *model, const rp_image *image, const rp_mask *mask,
                   const rp_adapt_options *options, const rp_progress *progress,
                   rp_adapt_curve *curve, rp_error *err)
{
    adaptation a = {.model = model, .options = options};
    const double started = rp_seconds(), own_dropout = rp_fcd_config_of(model->net)->dropout;
    *curve = (rp_adapt_curve){0};
    rp_status status = check_options(model, options, err);
    if (!status) status = prepare(&a, image, mask, err);
    const uint64_t resumed = a.state.step;
    if (!status) {
        if (options->dropout >= 0.0) rp_fcd_set_dropout(model->net, options->dropout);
        status = run(&a, progress, err);
        rp_fcd_set_dropout(model->net, own_dropout);
    }
    if (!status) status = make_curve(&a, curve, err);
    if (!status) {
        set_provenance(model, image, mask, options);
        curve->resumed_epochs = (int)(resumed / (uint64_t)options->copies);
        curve->seconds = rp_seconds() - started;
    }
    release(&a);
    return status;
}
