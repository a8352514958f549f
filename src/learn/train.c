/* Training of a general model on a cohort. */
#include "loop.h"
#include "prefetch.h"
#include "reprise/kernels.h"
#include "reprise/learn_ranges.h"

#include <inttypes.h>
#include <string.h>

void rp_train_defaults(rp_train_options *options)
{
    *options = (rp_train_options){.validate_every = 5};
    rp_adapt_defaults(&options->base);
    options->base.epochs = 60;
    options->base.dropout = -1.0;
    options->base.augmentation = (rp_augmentation){.brightness = 0.15, .elastic_scale_mm = 30.0};
}

void rp_train_curve_release(rp_train_curve *curve)
{
    rp_adapt_curve_release(&curve->training);
    rp_free(curve->validation_epoch);
    rp_free(curve->validation_dice);
    *curve = (rp_train_curve){.best = -1};
}

/* Everything that one training holds. A validation is kept as the epoch and a Dice for each case.
 */
typedef struct training {
    rp_loop loop;
    const rp_train_options *given;
    rp_adapt_options options; /* the crop clipped to the smallest case */
    rp_predict_options predict;
    const rp_train_case *cases, *validation;
    size_t case_count, validation_count;
    rp_prefetch *prefetch;
    const rp_progress *progress;
} training;

/* ---- validation --------------------------------------------------------------------------------
 */

static uint64_t record_length(const training *t)
{
    return 1 + t->validation_count;
}

static bool validates(const training *t)
{
    return t->validation_count > 0 && t->given->validate_every > 0;
}

/* How many there are to be once this many epochs are done. */
static uint64_t validations_after(const training *t, uint64_t epochs)
{
    const uint64_t every = (uint64_t)t->given->validate_every;
    const bool last = epochs == (uint64_t)t->options.epochs && epochs % every != 0;
    return epochs / every + last;
}

static double mean_dice(const double *dice, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += dice[i];
    return sum / (double)count;
}

static int best_of(const training *t)
{
    const rp_adapt_state *state = &t->loop.state;
    const uint64_t length = record_length(t);
    double best = -1.0;
    int found = -1;
    for (uint64_t i = 0; i < state->validated / length; i++) {
        const double mean = mean_dice(state->validation + i * length + 1, t->validation_count);
        if (mean > best) found = (int)i;
        if (mean > best) best = mean;
    }
    return found;
}

/* Of the whole volume on the working grid, every component. */
static rp_status validate_case(training *t, const rp_train_case *one, double *dice, rp_error *err)
{
    rp_image image = {0}, probability = {0};
    rp_mask mask = {0};
    int tiles;
    size_t bytes;
    const rp_progress silent = {.cancelled = t->progress ? t->progress->cancelled : NULL,
                                .context = t->progress ? t->progress->context : NULL};
    rp_status status = rp_nifti_read_image(one->image_path, &image, NULL, err);
    if (!status) status = rp_nifti_read_mask(one->mask_path, false, &mask, NULL, err);
    if (!status)
        status = rp_predict_working(t->loop.model, &image, NULL, &t->predict, &silent, &probability,
                                    &tiles, &bytes, err);
    size_t both = 0, sum = 0;
    const size_t voxels = status ? 0 : rp_grid_voxels(&image.grid);
    for (size_t i = 0; i < voxels; i++) {
        const bool found = (double)probability.data[i] >= t->predict.threshold;
        both += found && mask.data[i];
        sum += (size_t)found + (size_t)mask.data[i];
    }
    *dice = sum ? 2.0 * (double)both / (double)sum : 1.0;
    rp_image_release(&image);
    rp_image_release(&probability);
    rp_mask_release(&mask);
    return status ? rp_fail_in(err, status, "%s", one->name) : RP_OK;
}

static rp_status write_best(training *t, rp_error *err)
{
    const uint64_t done = t->loop.state.validated / record_length(t);
    if (!t->given->best_path || best_of(t) + 1 != (int)done) return RP_OK;
    rp_model_provenance *p = &t->loop.model->provenance;
    p->epochs = (int)t->loop.state.validation[(done - 1) * record_length(t)];
    return rp_model_write(t->given->best_path, t->loop.model, err);
}

static rp_status validate(training *t, uint64_t epoch, rp_error *err)
{
    rp_adapt_state *state = &t->loop.state;
    double *record = state->validation + state->validated;
    rp_status status = RP_OK;
    record[0] = (double)epoch;
    for (size_t i = 0; i < t->validation_count && !status; i++) {
        rp_progress_report(t->progress, "validate", (double)i, (double)t->validation_count, "");
        if (rp_progress_cancelled(t->progress))
            return rp_fail(err, RP_ERR_CANCELLED, "stopped while validating");
        status = validate_case(t, &t->validation[i], &record[1 + i], err);
    }
    if (status) return status;
    state->validated += record_length(t);
    status = write_best(t, err);
    if (status) { /* done again, and written, where the run is resumed */
        state->validated -= record_length(t);
        return status;
    }
    char note[64];
    snprintf(note, sizeof note, "epoch %" PRIu64 " mean Dice %.3f", epoch,
             mean_dice(record + 1, t->validation_count));
    rp_progress_report(t->progress, "validate", (double)t->validation_count,
                       (double)t->validation_count, note);
    return RP_OK;
}

static rp_status stepped(void *context, rp_error *err)
{
    training *t = context;
    const rp_adapt_state *state = &t->loop.state;
    const uint64_t epoch = state->step / t->loop.steps_per_epoch;
    if (!validates(t) || state->step % t->loop.steps_per_epoch != 0) return RP_OK;
    if (state->validated / record_length(t) >= validations_after(t, epoch)) return RP_OK;
    return validate(t, epoch, err);
}

/* ---- set-up ------------------------------------------------------------------------------------
 */

static rp_status check(const training *t, rp_error *err)
{
    const double *wanted = t->loop.model->preprocessing.spacing;
    if (t->case_count == 0) return rp_fail(err, RP_ERR_ARGUMENT, "no case to train on");
#define VALIDATION(name, low, high)                                                                \
    if (t->given->name < (low) || t->given->name > (high))                                         \
        return rp_fail(err, RP_ERR_ARGUMENT, "validation every %d epochs is impossible",           \
                       t->given->name);
    RP_RANGE_VALIDATION(VALIDATION)
    for (size_t i = 0; i < t->case_count + t->validation_count; i++) {
        const rp_train_case *one =
            i < t->case_count ? &t->cases[i] : &t->validation[i - t->case_count];
        if (memcmp(one->spacing, wanted, sizeof one->spacing) != 0)
            return rp_fail(err, RP_ERR_ARGUMENT, "%s: prepared on another working grid", one->name);
    }
    return rp_loop_check(&t->loop, err);
}

/* One session serves all, so a crop fits into every case. */
static void clip_crop(training *t)
{
    for (size_t i = 0; i < t->case_count; i++)
        for (int a = 0; a < 3; a++)
            if (t->options.crop[a] > t->cases[i].size[a]) t->options.crop[a] = t->cases[i].size[a];
}

/* Validation has what training leaves of the memory. Its tiles are the same on every machine: where
 * they lie changes a probability in its last digits, and so which model is the best. */
static rp_status plan_validation(training *t, rp_error *err)
{
    static const int tile[3] = {160, 160, 64};
    const rp_fcd_config *config = rp_fcd_config_of(t->loop.model->net);
    const size_t budget = t->options.memory_bytes;
    size_t training_bytes;
    rp_predict_defaults(&t->predict);
    memcpy(t->predict.tile, tile, sizeof tile);
    if (!validates(t) || !budget) return RP_OK;
    rp_status status =
        rp_session_bytes(config, t->options.crop, RP_RUN_TRAIN, &training_bytes, err);
    if (status || training_bytes > budget) return status; /* the training session itself refuses */
    t->predict.memory_bytes = budget > training_bytes ? budget - training_bytes : 1;
    for (size_t i = 0; i < t->validation_count && !status; i++)
        status = rp_predict_check(config, t->validation[i].size, &t->predict, err);
    return status ? rp_fail_in(err, status, "validation beside training") : RP_OK;
}

/* Hashes of the first `count` cases, those to train on before those that validate; the text at the
 * end is part of it. */
static rp_status hash_list(const training *t, size_t count, bool masks, const char *text,
                           char hash[RP_SHA256_HEX], rp_error *err)
{
    const size_t room = RP_SHA256_HEX - 1;
    RP_AUTOFREE char *all = rp_alloc(count * room + strlen(text) + 1, 1);
    if (!all) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the cases");
    for (size_t i = 0; i < count; i++) {
        const rp_train_case *one =
            i < t->case_count ? &t->cases[i] : &t->validation[i - t->case_count];
        memcpy(all + i * room, masks ? one->mask_sha256 : one->image_sha256, room);
    }
    strcpy(all + count * room, text);
    rp_sha256(all, strlen(all), hash);
    return RP_OK;
}

static rp_status fingerprint_cases(training *t, rp_error *err)
{
    rp_fingerprint *f = &t->loop.state.fingerprint;
    const size_t count = t->case_count + t->validation_count;
    char text[64];
    snprintf(text, sizeof text, " %zu %zu", t->case_count, t->validation_count);
    snprintf(t->loop.more, sizeof t->loop.more, "validate_every=%d\n", t->given->validate_every);
    f->name[0] = "list of images";
    f->name[1] = "list of contours";
    rp_status status = hash_list(t, count, false, text, f->hash[0], err);
    return status ? status : hash_list(t, count, true, "", f->hash[1], err);
}

/* What a checkpoint does not hold. */
static rp_status check_best(const training *t, rp_error *err)
{
    if (!t->loop.state.validated || !t->given->best_path || rp_path_exists(t->given->best_path))
        return RP_OK;
    return rp_fail(err, RP_ERR_REFUSED,
                   "%s: the best model so far is missing: put it back, or remove %s to start anew",
                   t->given->best_path, t->options.checkpoint_path);
}

static rp_status prepare(training *t, rp_error *err)
{
    rp_adapt_state *state = &t->loop.state;
    clip_crop(t);
    rp_status status = plan_validation(t, err);
    if (!status) status = rp_loop_create(&t->loop, t->options.crop, err);
    if (status) return status;
    state->validation_room =
        validates(t) ? validations_after(t, (uint64_t)t->options.epochs) * record_length(t) : 0;
    state->validation = rp_alloc((size_t)state->validation_room, sizeof *state->validation);
    if (!state->validation) return rp_fail(err, RP_ERR_MEMORY, "no memory for the validations");
    status = fingerprint_cases(t, err);
    if (!status) status = rp_loop_start(&t->loop, err);
    if (!status) status = check_best(t, err);
    if (!status)
        status = rp_prefetch_create(t->cases, t->case_count, &t->options, t->options.crop,
                                    state->steps, &t->prefetch, err);
    t->loop.context = t;
    return status;
}

static rp_status sample(void *context, uint64_t step, const float **input, const uint8_t **target,
                        rp_error *err)
{
    const training *t = context;
    return rp_prefetch_sample(t->prefetch, step, input, target, err);
}

/* ---- results -----------------------------------------------------------------------------------
 */

static rp_status set_provenance(training *t, rp_error *err)
{
    rp_model *model = t->loop.model;
    rp_model_provenance *p = &model->provenance;
    snprintf(p->program_version, sizeof p->program_version, "%s", RP_VERSION);
    snprintf(p->kernels, sizeof p->kernels, "%s", rp_kernels_get()->name);
    memcpy(p->base_model_sha256, model->sha256, sizeof p->base_model_sha256);
    p->image_repair[0] = 0; /* that of the model it began with */
    model->sha256[0] = 0;   /* the weights are no longer the file's */
    p->seed = t->options.seed;
    p->epochs = t->options.epochs;
    const rp_status status =
        hash_list(t, t->case_count, false, "", p->trained_on_image_sha256, err);
    return status ? status : hash_list(t, t->case_count, true, "", p->trained_on_mask_sha256, err);
}

static rp_status make_curve(const training *t, rp_train_curve *curve, rp_error *err)
{
    const rp_adapt_state *state = &t->loop.state;
    const uint64_t length = record_length(t), count = state->validated / length;
    rp_status status = rp_loop_curve(&t->loop, &curve->training, err);
    if (status) return status;
    curve->validations = (int)count;
    curve->cases = t->validation_count;
    curve->best = best_of(t);
    curve->validation_epoch = rp_alloc((size_t)count, sizeof *curve->validation_epoch);
    curve->validation_dice =
        rp_alloc((size_t)count * t->validation_count, sizeof *curve->validation_dice);
    if (!curve->validation_epoch || !curve->validation_dice) {
        rp_train_curve_release(curve);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the curve");
    }
    for (uint64_t i = 0; i < count; i++) {
        curve->validation_epoch[i] = (int)state->validation[i * length];
        memcpy(curve->validation_dice + i * t->validation_count, state->validation + i * length + 1,
               t->validation_count * sizeof *curve->validation_dice);
    }
    return RP_OK;
}

rp_status rp_train(rp_model *model, const rp_train_case *cases, size_t case_count,
                   const rp_train_case *validation, size_t validation_count,
                   const rp_train_options *options, const rp_progress *progress,
                   rp_train_curve *curve, rp_error *err)
{
    training t = {.given = options,
                  .options = options->base,
                  .cases = cases,
                  .case_count = case_count,
                  .validation = validation,
                  .validation_count = validation_count,
                  .progress = progress};
    t.loop = (rp_loop){.model = model,
                       .options = &t.options,
                       .stage = "train",
                       .work = "the training",
                       .channels = 1,
                       .steps_per_epoch = case_count * (uint64_t)options->base.copies,
                       .sample = sample,
                       .stepped = stepped};
    const double started = rp_seconds();
    *curve = (rp_train_curve){.best = -1};
    rp_status status = check(&t, err);
    if (!status) status = prepare(&t, err);
    const uint64_t resumed = t.loop.state.step;
    if (!status) status = set_provenance(&t, err);
    if (!status) status = rp_loop_run(&t.loop, progress, err);
    if (!status) status = make_curve(&t, curve, err);
    if (!status) {
        model->provenance.epochs = options->base.epochs;
        curve->training.resumed_epochs = (int)(resumed / t.loop.steps_per_epoch);
        curve->training.seconds = rp_seconds() - started;
    }
    rp_prefetch_destroy(t.prefetch);
    rp_free(t.loop.state.validation);
    rp_loop_release(&t.loop);
    return status;
}
