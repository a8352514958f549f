/* reprise train: a general model from the visits of a cohort. */
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_MANIFEST = 1,
    KEY_SPLIT,
    KEY_VALIDATION,
    KEY_OUT,
    KEY_CACHE,
    KEY_MODEL,
    KEY_CONFIG,
    KEY_EPOCHS,
    KEY_COPIES,
    KEY_CROP,
    KEY_SEED,
    KEY_EVERY,
    KEY_RESUME
};

static const struct argp_option options[] = {
    {"manifest", KEY_MANIFEST, "FILE.csv", 0, "The cohort: one row for each patient and visit", 0},
    {"split", KEY_SPLIT, "NAME", 0, "Whom to train on (default: training)", 0},
    {"validation", KEY_VALIDATION, "NAME", 0,
     "Whom to validate on; 'none' for nobody (default: validation)", 0},
    {"out", KEY_OUT, "DIR", 0, "The run's folder", 0},
    {"cache", KEY_CACHE, "DIR", 0, "Where preprocessed visits are kept (default: DIR/cache)", 0},
    {"model", KEY_MODEL, "FILE", 0, "Model to start from (default: fresh weights)", 0},
    {"config", KEY_CONFIG, "FILE.yaml", 0, "Settings; the command line wins over the file", 0},
    {"epochs", KEY_EPOCHS, "N", 0, "Passes over all visits (default: 60)", 0},
    {"copies", KEY_COPIES, "N", 0, "Crops of each visit in an epoch (default: 1)", 0},
    {"crop", KEY_CROP, "ZxYxX", 0, "Extent of a crop in voxels of the working grid", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of everything random", 0},
    {"validate-every", KEY_EVERY, "N", 0, "Epochs between validations (default: 5; 0: never)", 0},
    {"resume", KEY_RESUME, NULL, 0, "Continue from the checkpoint of an interrupted run", 0},
    {0}};

static error_t parse_number(int key, char *argument, struct argp_state *state, train_arguments *a)
{
    switch (key) {
    case KEY_EPOCHS:
        cmd_take_epochs(state, argument, &a->epochs);
        return 0;
    case KEY_COPIES:
        cmd_take_copies(state, argument, &a->copies);
        return 0;
    case KEY_CROP:
        cmd_take_crop(state, argument, a->crop);
        return 0;
    case KEY_SEED:
        cmd_take_seed(state, argument, &a->seed, &a->has_seed);
        return 0;
    case KEY_EVERY:
        if (!cmd_parse_int(argument, 0, 1000000, &a->validate_every))
            argp_error(state, "--validate-every takes a whole number from 0, not '%s'", argument);
        a->has_every = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    train_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case KEY_MANIFEST:
        a->manifest = argument;
        return 0;
    case KEY_SPLIT:
        a->split = argument;
        return 0;
    case KEY_VALIDATION:
        a->validation = argument;
        return 0;
    case KEY_OUT:
        a->out = argument;
        return 0;
    case KEY_CACHE:
        a->cache = argument;
        return 0;
    case KEY_MODEL:
        a->model = argument;
        return 0;
    case KEY_CONFIG:
        a->config = argument;
        return 0;
    case KEY_RESUME:
        a->resume = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->manifest || !a->out) argp_error(state, "--manifest and --out are needed");
        return 0;
    default:
        return parse_number(key, argument, state, a);
    }
}

static const struct argp_child children[] = {
    {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc = "Trains a general model on the visits of a cohort that have a contour. An interrupted "
           "run leaves DIR/checkpoint.safetensors, from which --resume continues.\v"
           "NAME is a value of the manifest's column 'split', several with commas between, "
           "'not:NAME', or 'all'.",
    .children = children};

/* ---- settings and model
 * -------------------------------------------------------------------------- */

static rp_status take_settings(train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    rp_train_options *train = &run->settings.train;
    cmd_settings_defaults(&run->settings);
    if (a->config) {
        const rp_status status = cmd_settings_read(a->config, &run->settings, err);
        if (status) return status;
    }
    if (a->epochs) train->base.epochs = a->epochs;
    if (a->copies) train->base.copies = a->copies;
    if (a->crop[0]) memcpy(train->base.crop, a->crop, sizeof a->crop);
    if (a->has_seed) train->base.seed = a->seed;
    if (a->has_every) train->validate_every = a->validate_every;
    train->base.resume = a->resume;
    train->base.memory_bytes = cmd_memory_budget(&a->common);
    train->base.checkpoint_path = run->checkpoint;
    train->best_path = run->best;
    return RP_OK;
}

static rp_status make_model(train_run *run, rp_error *err)
{
    cmd_settings *s = &run->settings;
    const rp_status status =
        run->arguments->model
            ? rp_model_read(run->arguments->model, &run->model, err)
            : rp_model_create(&s->network, &s->preprocessing, s->train.base.seed, &run->model, err);
    if (status) return status;
    s->network = *rp_fcd_config_of(run->model.net);
    s->preprocessing = run->model.preprocessing;
    return RP_OK;
}

/* ---- the run's folder
 * ---------------------------------------------------------------------------- */

static rp_status name_files(train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    run->checkpoint = rp_path_join(a->out, "checkpoint.safetensors");
    run->best = rp_path_join(a->out, "best.safetensors");
    run->cache = a->cache ? rp_strdup(a->cache) : rp_path_join(a->out, "cache");
    return run->checkpoint && run->best && run->cache
               ? RP_OK
               : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

/* What a killed run left in the folders that this one holds; a cache elsewhere may be others' too.
 */
static void clean_up(const train_run *run)
{
    char **paths = NULL;
    size_t count = 0;
    rp_outfile_clean(run->best);
    if (run->arguments->cache || !rp_path_is_directory(run->cache) ||
        rp_directory_list_all(run->cache, &paths, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++)
        if (rp_name_is_temporary(strrchr(paths[i], '/') + 1)) unlink(paths[i]);
    rp_string_list_free(paths, count);
}

static rp_status prepare_folder(train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    static const char *const results[] = {"model.safetensors", "run.json"};
    rp_status status = cmd_prepare_folder(a->out, err);
    const char *inputs[] = {a->manifest, a->model, a->config};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++)
        if (inputs[i]) status = cmd_protect_input(inputs[i], run->best, err);
    for (size_t i = 0; i < sizeof results / sizeof *results && !status; i++)
        status = cmd_refuse_existing(a->out, results[i], err);
    if (!status) clean_up(run);
    if (!status) status = cmd_checkpoint_check(run->checkpoint, a->resume, err);
    /* Without a checkpoint it is another run's. */
    if (!status && !rp_path_exists(run->checkpoint))
        status = cmd_refuse_existing(a->out, "best.safetensors", err);
    return status;
}

/* ---- the command
 * --------------------------------------------------------------------------------- */

static rp_status perform(train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = name_files(run, err);
    if (!status) status = take_settings(run, err);
    if (!status) status = make_model(run, err);
    if (!status) status = prepare_folder(run, err);
    if (!status) status = train_read_cases(run, err);
    if (status) return status;
    status = rp_train(&run->model, run->cases, run->training_count,
                      run->cases + run->training_count, run->case_count - run->training_count,
                      &run->settings.train, cmd_progress(&a->common), &run->curve, err);
    if (!status) status = train_write_results(run, err);
    if (!status)
        cmd_checkpoint_remove(run->checkpoint);
    else if (status != RP_ERR_REFUSED)
        cmd_checkpoint_explain(run->checkpoint, status, err);
    return status;
}

static void summarise(const train_run *run)
{
    const rp_train_curve *c = &run->curve;
    const size_t last = c->training.epochs - 1;
    printf("Trained    %zu epochs on %zu visits of %zu patients, last loss %.3f\n",
           c->training.epochs, run->training_count, run->training_patients, c->training.loss[last]);
    if (c->best >= 0)
        printf("Best       validation Dice %.3f after %d epochs\n", train_mean_dice(c, c->best),
               c->validation_epoch[c->best]);
    if (run->model.provenance.label[0]) printf("Data       %s\n", run->model.provenance.label);
    printf("Models     %s\n", run->arguments->out);
}

int cmd_train(int argc, char **argv)
{
    train_arguments arguments = {.split = "training", .validation = "validation"};
    rp_error err = {0};
    arguments.argc = argc;
    arguments.argv = argv;
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    train_run run = {.arguments = &arguments, .curve = {.best = -1}};
    run.started = rp_seconds();
    const rp_status status = perform(&run, &err);
    cmd_progress_end();
    if (!status && !arguments.common.quiet) summarise(&run);
    train_run_release(&run);
    return status ? cmd_fail(&err) : CMD_DONE;
}
