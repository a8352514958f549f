/* reprise pretrain: a general model from synthetic pairs of visits. */
#include "learning.h"

#include "reprise/learn_pretrain.h"
#include "reprise/synth_pair.h"

#include <string.h>

enum {
    KEY_OUT = 1,
    KEY_MODEL,
    KEY_CONFIG,
    KEY_INPUTS,
    KEY_EPOCHS,
    KEY_COPIES,
    KEY_CROP,
    KEY_SEED,
    KEY_RESUME
};

typedef struct pretrain_arguments {
    cmd_common common;
    const char *out, *model, *config;
    int epochs, copies, inputs; /* 0: not given */
    int crop[3];                /* x, y, z; 0: not given */
    uint64_t seed;
    bool has_seed, resume;
} pretrain_arguments;

static const struct argp_option options[] = {
    {"out", KEY_OUT, "MODEL", 0, "The general model (safetensors, half precision) to be written",
     0},
    {"model", KEY_MODEL, "FILE", 0, "Model to start from (default: fresh weights)", 0},
    {"config", KEY_CONFIG, "FILE.yaml", 0,
     "Settings, of which network, preprocessing and train count", 0},
    {"inputs", KEY_INPUTS, "KIND", 0,
     "What fresh weights see: image, image+contour or image+registered+distance+likeness (default)",
     0},
    {"epochs", KEY_EPOCHS, "N", 0, "Sets of pairs (default: 100)", 0},
    {"copies", KEY_COPIES, "N", 0, "Pairs of a set, one for each step (default: 100)", 0},
    {"crop", KEY_CROP, "ZxYxX", 0, "Extent of a pair in voxels (default: 32x48x48)", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of everything random", 0},
    {"resume", KEY_RESUME, NULL, 0, "Continue from the checkpoint of an interrupted run", 0},
    {0}};

static void take_inputs(struct argp_state *state, const char *argument, int *inputs)
{
    for (int i = RP_INPUTS_IMAGE; i <= RP_INPUTS_BASELINE; i++)
        if (rp_inputs_known(i) && strcmp(argument, rp_inputs_name((rp_inputs)i)) == 0) *inputs = i;
    if (!*inputs)
        argp_error(
            state,
            "--inputs takes image, image+contour or image+registered+distance+likeness, not '%s'",
            argument);
}

static error_t parse_number(int key, char *argument, struct argp_state *state,
                            pretrain_arguments *a)
{
    switch (key) {
    case KEY_INPUTS:
        take_inputs(state, argument, &a->inputs);
        return 0;
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
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    pretrain_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case KEY_OUT:
        a->out = argument;
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
        if (!a->out) argp_error(state, "--out is needed");
        if (a->model && a->inputs) argp_error(state, "--inputs is for fresh weights, not --model");
        return 0;
    default:
        return parse_number(key, argument, state, a);
    }
}

static const struct argp_child children[] = {{&cmd_common_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc =
        "Trains a general model on synthetic pairs of visits, made as it goes: which tissue of a "
        "follow-up belongs to the baseline's contour. MODEL.curve.csv tells how the loss fell. An "
        "interrupted run leaves MODEL.checkpoint, from which --resume continues.",
    .children = children};

/* ---- pairs ----------------------------------------------------------------------------------- */

typedef struct pretrain_run {
    const pretrain_arguments *arguments;
    cmd_settings settings;
    rp_pair_options pairs;
    rp_pair pair; /* of the step at hand */
    rp_model model;
    rp_adapt_curve curve;
    char *checkpoint, *curve_out;
} pretrain_run;

static rp_status next_pair(void *context, uint64_t step, rp_training_pair *out, rp_error *err)
{
    pretrain_run *run = context;
    rp_pair_release(&run->pair);
    const rp_status status = rp_pair_make(&run->pairs, step, &run->pair, err);
    *out = (rp_training_pair){&run->pair.baseline, &run->pair.followup, &run->pair.baseline_lesion,
                              &run->pair.followup_lesion};
    return status;
}

/* ---- settings and model ---------------------------------------------------------------------- */

static rp_status take_settings(pretrain_run *run, rp_error *err)
{
    const pretrain_arguments *a = run->arguments;
    rp_adapt_options *train = &run->settings.train.base;
    rp_pair_defaults(&run->pairs);
    cmd_settings_defaults(&run->settings);
    rp_pretrain_defaults(train);
    memcpy(train->crop, run->pairs.size, sizeof train->crop);
    rp_status status = a->config ? cmd_settings_read(a->config, &run->settings, err) : RP_OK;
    if (status) return status;
    if (a->epochs) train->epochs = a->epochs;
    if (a->copies) train->copies = a->copies;
    if (a->crop[0]) memcpy(train->crop, a->crop, sizeof a->crop);
    if (a->has_seed) train->seed = a->seed;
    train->resume = a->resume;
    train->memory_bytes = cmd_memory_budget(&a->common);
    train->checkpoint_path = run->checkpoint;
    memcpy(run->pairs.size, train->crop, sizeof run->pairs.size);
    run->pairs.seed = train->seed;
    return RP_OK;
}

static rp_status make_model(pretrain_run *run, rp_error *err)
{
    cmd_settings *s = &run->settings;
    const pretrain_arguments *a = run->arguments;
    s->network.in_channels = a->inputs ? a->inputs : RP_INPUTS_BASELINE;
    const rp_status status = a->model ? rp_model_read(a->model, &run->model, err)
                                      : rp_model_create(&s->network, &s->preprocessing,
                                                        s->train.base.seed, &run->model, err);
    if (!status)
        snprintf(run->model.provenance.label, sizeof run->model.provenance.label, "synthetic");
    return status;
}

static rp_status prepare_files(pretrain_run *run, rp_error *err)
{
    const pretrain_arguments *a = run->arguments;
    const char *inputs[] = {a->model, a->config};
    run->checkpoint = rp_format("%s.checkpoint", a->out);
    run->curve_out = rp_format("%s.curve.csv", a->out);
    if (!run->checkpoint || !run->curve_out) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status = RP_OK;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++) {
        if (!inputs[i]) continue;
        status = cmd_protect_input(inputs[i], a->out, err);
        if (!status) status = cmd_protect_input(inputs[i], run->checkpoint, err);
        if (!status) status = cmd_protect_input(inputs[i], run->curve_out, err);
    }
    if (!status) status = cmd_prepare_file(a->out, err);
    return status ? status : cmd_checkpoint_check(run->checkpoint, a->resume, err);
}

/* ---- the command ----------------------------------------------------------------------------- */

static rp_status write_curve(const char *path, const rp_adapt_curve *c, rp_error *err)
{
    rp_outfile *out = NULL;
    rp_status status = rp_outfile_create(path, &out, err);
    if (!status) status = rp_outfile_printf(out, err, "epoch,loss,training_dice\n");
    for (size_t i = 0; i < c->epochs && !status; i++)
        status = rp_outfile_printf(out, err, "%zu,%.6f,%.6f\n", i + 1, c->loss[i], c->dice[i]);
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}

static rp_status perform(pretrain_run *run, rp_error *err)
{
    const pretrain_arguments *a = run->arguments;
    rp_pair_source source = {.make = next_pair, .context = run, .name = "synthetic pairs"};
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = prepare_files(run, err);
    if (!status) status = take_settings(run, err);
    if (!status) status = make_model(run, err);
    if (status) return status;
    memcpy(source.size, run->pairs.size, sizeof source.size);
    status = rp_pretrain(&run->model, &source, &run->settings.train.base, cmd_progress(&a->common),
                         &run->curve, err);
    if (!status) status = write_curve(run->curve_out, &run->curve, err);
    if (!status) status = rp_model_write_half(a->out, &run->model, err);
    if (!status)
        cmd_checkpoint_remove(run->checkpoint);
    else if (status != RP_ERR_REFUSED)
        cmd_checkpoint_explain(run->checkpoint, status, err);
    return status;
}

static void summarise(const pretrain_run *run)
{
    const size_t last = run->curve.epochs - 1;
    printf("Trained  %zu epochs of %d synthetic pairs, last loss %.3f, last Dice %.2f\n",
           run->curve.epochs, run->settings.train.base.copies, run->curve.loss[last],
           run->curve.dice[last]);
    printf("Model    %s\n", run->arguments->out);
}

int cmd_pretrain(int argc, char **argv)
{
    pretrain_arguments arguments = {0};
    rp_error err = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    pretrain_run run = {.arguments = &arguments};
    const rp_status status = perform(&run, &err);
    cmd_progress_end();
    if (!status && !arguments.common.quiet) summarise(&run);
    rp_adapt_curve_release(&run.curve);
    rp_model_release(&run.model);
    rp_pair_release(&run.pair);
    rp_free(run.checkpoint);
    rp_free(run.curve_out);
    return status ? cmd_fail(&err) : CMD_DONE;
}
