/* reprise adapt: overfits a model on one image and its contour. */
#include "attempts.h"
#include "doubt.h"
#include "learning.h"

#include <string.h>

enum {
    KEY_IMAGE = 1,
    KEY_CONTOUR,
    KEY_OUT,
    KEY_IMAGE_SERIES,
    KEY_WATCH,
    KEY_WATCH_CONTOUR,
    KEY_WATCH_EVERY
};

typedef struct adapt_arguments {
    cmd_common common;
    cmd_learning learning;
    cmd_guard_choice guard;
    const char *image, *contour, *out, *series;
    const char *watch, *watch_contour;
    int watch_every;
} adapt_arguments;

static const struct argp_option options[] = {
    {"image", KEY_IMAGE, "CT", 0, "DICOM folder or NIfTI file", 0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0, "The lesion: RTSTRUCT, SEG or NIfTI mask", 0},
    {"out", KEY_OUT, "MODEL", 0, "The patient's model (safetensors) to be written", 0},
    {"series", KEY_IMAGE_SERIES, "UID", 0, "Series of the DICOM folder", 0},
    {NULL, 0, NULL, 0, "Watching a second visit whose contour is known:", 20},
    {"watch", KEY_WATCH, "CT", 0,
     "Contour this image as the adaptation goes; nothing is learnt from it", 0},
    {"watch-contour", KEY_WATCH_CONTOUR, "FILE[:ROI]", 0,
     "Its lesion: the Dice goes to MODEL.watch.csv", 0},
    {"watch-every", KEY_WATCH_EVERY, "N", 0, "Epochs between (default: 10)", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    adapt_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->learning;
        state->child_inputs[1] = &a->common;
        state->child_inputs[3] = &a->guard;
        return 0;
    case KEY_IMAGE:
        a->image = argument;
        return 0;
    case KEY_CONTOUR:
        a->contour = argument;
        return 0;
    case KEY_OUT:
        a->out = argument;
        return 0;
    case KEY_IMAGE_SERIES:
        a->series = argument;
        return 0;
    case KEY_WATCH:
        a->watch = argument;
        return 0;
    case KEY_WATCH_CONTOUR:
        a->watch_contour = argument;
        return 0;
    case KEY_WATCH_EVERY:
        if (!cmd_parse_int(argument, 1, 1000000, &a->watch_every))
            argp_error(state, "--watch-every takes a whole number from 1, not '%s'", argument);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->image || !a->contour || !a->out)
            argp_error(state, "--image, --contour and --out are needed");
        if (!a->watch != !a->watch_contour)
            argp_error(state, "--watch and --watch-contour go together");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cmd_learning_argp, 0, NULL, 0},
                                             {&cmd_common_argp, 0, NULL, 0},
                                             {&cmd_repair_argp, 0, NULL, 0},
                                             {&cmd_guard_argp, 0, NULL, 0},
                                             {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc = "Adapts a model to one patient: trains it on a single image and contour, perturbed and "
           "repeated. An interrupted run leaves MODEL.checkpoint, from which --resume continues.",
    .children = children};

typedef struct adapt_run {
    const adapt_arguments *arguments;
    cmd_settings settings;
    cmd_ct ct;
    cmd_contour contour;
    cmd_ct watched_ct;
    cmd_contour watched_contour;
    rp_adapt_watch watch;
    rp_model model;
    rp_adapt_curve curve;
    cmd_guarded guard;
    cmd_attempts_made attempts;
    char *checkpoint, *watch_out; /* the latter NULL where nothing is watched */
} adapt_run;

static rp_status protect_inputs(const adapt_run *run, rp_error *err)
{
    const adapt_arguments *a = run->arguments;
    RP_AUTOFREE char *contour = NULL;
    const char *roi;
    rp_status status = cmd_split_roi(a->contour, &contour, &roi, err);
    RP_AUTOFREE char *watched = NULL;
    if (!status && a->watch) status = cmd_split_roi(a->watch_contour, &watched, &roi, err);
    const char *inputs[] = {a->image,           contour,  a->learning.model,
                            a->learning.config, a->watch, watched};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++) {
        if (!inputs[i]) continue;
        status = cmd_protect_input(inputs[i], a->out, err);
        if (!status) status = cmd_protect_input(inputs[i], run->checkpoint, err);
        if (!status && run->watch_out) status = cmd_protect_input(inputs[i], run->watch_out, err);
    }
    return status;
}

static rp_status load(adapt_run *run, rp_error *err)
{
    const adapt_arguments *a = run->arguments;
    const cmd_ct_options ct = {.series = a->series,
                               .allow_non_ct = a->learning.allow_non_ct,
                               .allow_mixed_patients = a->learning.allow_patient_mismatch};
    const cmd_ct_options watched = {.allow_non_ct = ct.allow_non_ct,
                                    .allow_mixed_patients = ct.allow_mixed_patients};
    const cmd_contour_options contour = {.allow_series_mismatch = a->learning.allow_series_mismatch,
                                         .allow_patient_mismatch =
                                             a->learning.allow_patient_mismatch};
    rp_status status = cmd_ct_load(a->image, &ct, cmd_progress(&a->common), &run->ct, err);
    if (!status) status = cmd_contour_load(a->contour, &run->ct, &contour, &run->contour, err);
    if (!status)
        status =
            cmd_learning_model(&a->learning, cmd_label_of_both(run->ct.label, run->contour.label),
                               &run->settings, &run->model, err);
    if (!status) memcpy(run->model.provenance.image_repair, run->ct.repair, sizeof run->ct.repair);
    if (status || !a->watch) return status;
    status = cmd_ct_load(a->watch, &watched, cmd_progress(&a->common), &run->watched_ct, err);
    if (!status)
        status = cmd_contour_load(a->watch_contour, &run->watched_ct, &contour,
                                  &run->watched_contour, err);
    run->watch = (rp_adapt_watch){.image = &run->watched_ct.series.image,
                                  .mask = &run->watched_contour.mask,
                                  .every = a->watch_every ? a->watch_every : 10};
    run->settings.adapt.watch = &run->watch;
    return status;
}

/* Epoch, seconds of adaptation alone and Dice. Part of the time belongs to another process where
 * the run was resumed, so that it is left empty there. */
static rp_status write_watch(const adapt_run *run, rp_error *err)
{
    const rp_adapt_curve *c = &run->curve;
    if (!run->watch_out) return RP_OK;
    RP_AUTOFREE char *text = rp_strdup("epoch,seconds,dice\n");
    for (size_t i = 0; i < c->watches && text; i++) {
        char seconds[32] = "";
        if (!c->resumed_epochs)
            snprintf(seconds, sizeof seconds, "%.1f",
                     c->seconds * c->watch_epoch[i] / (double)c->epochs);
        char *longer =
            rp_format("%s%d,%s,%.6f\n", text, c->watch_epoch[i], seconds, c->watch_dice[i]);
        rp_free(text);
        text = longer;
    }
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", run->watch_out);
    return rp_file_write(run->watch_out, text, strlen(text), err);
}

static cmd_attempts_input way_of(adapt_run *run)
{
    return (cmd_attempts_input){.settings = &run->settings,
                                .model = &run->model,
                                .curve = &run->curve,
                                .guard = &run->guard,
                                .image = &run->ct.series.image,
                                .contour = &run->contour.mask,
                                .progress = cmd_progress(&run->arguments->common)};
}

/* A model that cannot be run on the whole image within the memory is written all the same. */
static rp_status look_at_itself(adapt_run *run, const cmd_attempts_input *way, rp_error *err)
{
    rp_error why = {0};
    run->settings.predict.memory_bytes = run->settings.adapt.memory_bytes;
    rp_status status = cmd_attempts_finish(way, &run->attempts, &why);
    if (!status)
        status = cmd_self_dice(&run->model, way->image, way->contour, &run->settings, way->progress,
                               &why);
    if (status == RP_ERR_CANCELLED) return rp_fail(err, status, "%s", why.message);
    if (status)
        rp_log(RP_LOG_WARNING, "how well the model contours its own image is not known: %s",
               why.message);
    return RP_OK;
}

static rp_status perform(adapt_run *run, rp_error *err)
{
    const adapt_arguments *a = run->arguments;
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = cmd_learning_settings(&a->learning, &run->settings, err);
    cmd_guard_apply(&a->guard, &run->settings);
    run->settings.attempts = !a->watch && cmd_attempts_wanted(&a->learning, &run->settings);
    run->checkpoint = rp_format("%s.checkpoint", a->out);
    if (a->watch) run->watch_out = rp_format("%s.watch.csv", a->out);
    if (!status && (!run->checkpoint || (a->watch && !run->watch_out)))
        status = rp_fail(err, RP_ERR_MEMORY, "out of memory");
    if (!status) status = protect_inputs(run, err);
    if (!status) status = cmd_prepare_file(a->out, err);
    if (!status) status = cmd_checkpoint_check(run->checkpoint, a->learning.resume, err);
    if (!status) status = load(run, err);
    if (status) return status;
    run->settings.adapt.checkpoint_path = run->checkpoint;
    run->settings.adapt.memory_bytes = cmd_memory_budget(&a->common);
    const cmd_attempts_input way = way_of(run);
    status = cmd_attempts_begin(&way, err);
    if (!status) status = write_watch(run, err);
    if (!status) status = look_at_itself(run, &way, err);
    if (!status) status = rp_model_write(a->out, &run->model, err);
    if (!status)
        cmd_checkpoint_remove(run->checkpoint);
    else if (status != RP_ERR_REFUSED)
        cmd_checkpoint_explain(run->checkpoint, status, err);
    return status;
}

static void summarise(const adapt_run *run)
{
    const size_t epochs = run->curve.epochs;
    if (epochs)
        printf("Adapted  %zu epochs, last loss %.3f, last training Dice %.2f\n", epochs,
               run->curve.loss[epochs - 1], run->curve.dice[epochs - 1]);
    else
        puts("Adapted  no: the start with the baseline to look at");
    const int most = rp_adapt_epochs_to(&run->curve, 0.95);
    if (most > 0)
        printf("Watched  Dice %.3f in the end, 95 %% of it after %d epochs\n",
               run->curve.watch_dice[run->curve.watches - 1], most);
    if (run->attempts.count == 2)
        printf("Attempts Dice on simulated follow-ups %.2f with the start, %.2f with it adapted\n",
               run->attempts.mean_dice[0], run->attempts.mean_dice[1]);
    const int *box = run->model.region;
    const double *mm = run->model.preprocessing.spacing;
    if (box[0])
        printf("Region   %dx%dx%d voxels of %.3gx%.3gx%.3g mm\n", box[2], box[1], box[0], mm[2],
               mm[1], mm[0]);
    const rp_model_provenance *p = &run->model.provenance;
    if (p->has_self_dice) printf("Itself   Dice %.3f on its own image\n", p->self_dice);
    const rp_guard_summary *model = &run->guard.by[RP_GUARD_MODEL];
    if (model->present)
        printf("Guard    Dice %.2f on %d simulated follow-ups, the worst %.2f\n", model->mean_dice,
               model->present, model->worst_dice);
    if (model->present && run->guard.trials.compared)
        printf("         the registered contour %.2f, the carried one %.2f: assess uses the %s\n",
               run->guard.by[RP_GUARD_REGISTERED].mean_dice,
               run->guard.by[RP_GUARD_CARRIED].mean_dice, rp_guard_source_name(run->guard.better));
    if (run->model.provenance.label[0]) printf("Data     %s\n", run->model.provenance.label);
    printf("Model    %s\n", run->arguments->out);
}

int cmd_adapt(int argc, char **argv)
{
    adapt_arguments arguments = {0};
    rp_error err = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    adapt_run run = {.arguments = &arguments};
    const rp_status status = perform(&run, &err);
    cmd_progress_end();
    if (!status && !arguments.common.quiet) summarise(&run);
    rp_adapt_curve_release(&run.curve);
    rp_model_release(&run.model);
    cmd_contour_release(&run.watched_contour);
    cmd_ct_release(&run.watched_ct);
    cmd_contour_release(&run.contour);
    cmd_ct_release(&run.ct);
    rp_free(run.checkpoint);
    rp_free(run.watch_out);
    return status ? cmd_fail(&err) : CMD_DONE;
}
