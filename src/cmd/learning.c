/* Options, model, checkpoint and memory plan of an adaptation. */
#include "learning.h"

#include "reprise/learn_ranges.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ----------------------------------------------------------------------------- */

enum {
    KEY_MODEL = 0x2000,
    KEY_CONFIG,
    KEY_EPOCHS,
    KEY_COPIES,
    KEY_CROP,
    KEY_SEED,
    KEY_RESUME,
    KEY_RECIPE,
    KEY_REGION,
    KEY_PATIENT,
    KEY_SERIES,
    KEY_NON_CT
};

/* What --model start names, and the epochs of its adaptation. */
#define START "quick-start.safetensors"
enum { START_EPOCHS = 30 };

static const struct argp_option learning_options[] = {
    {NULL, 0, NULL, 0, "Adaptation:", 50},
    {"model", KEY_MODEL, "FILE", 0,
     "General model to begin with; 'start': the one that comes with the program; 'none': fresh "
     "weights (default: start, adapted only where the guard finds that better)",
     0},
    {"config", KEY_CONFIG, "FILE.yaml", 0, "Settings; the command line wins over the file", 0},
    {"recipe", KEY_RECIPE, "quick|study", 0,
     "How to adapt: on a box round the lesion, or as in the study (default: quick)", 0},
    {"region", KEY_REGION, "box|whole", 0, "Adapt to a box round the lesion, or to whole images",
     0},
    {"epochs", KEY_EPOCHS, "N", 0,
     "Epochs of the adaptation (default: 30 from the start, 120 from fresh weights; study: 350)",
     0},
    {"copies", KEY_COPIES, "N", 0, "Perturbed copies that make an epoch", 0},
    {"crop", KEY_CROP, "ZxYxX", 0,
     "Extent of a copy in voxels of the working grid; of whole images", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of everything random", 0},
    {"resume", KEY_RESUME, NULL, 0, "Continue from the checkpoint of an interrupted run", 0},
    {NULL, 0, NULL, 0, "Overriding a refusal:", 60},
    {"allow-patient-mismatch", KEY_PATIENT, NULL, 0,
     "Inputs are of different patients, by ID, name, birth date or sex", 0},
    {"allow-series-mismatch", KEY_SERIES, NULL, 0, "The contour refers to another series", 0},
    {"allow-non-ct", KEY_NON_CT, NULL, 0, "The modality is not CT", 0},
    {0}};

#define TAKE(name, low, high)                                                                      \
    void cmd_take_##name(struct argp_state *state, const char *argument, int *name)                \
    {                                                                                              \
        if (!cmd_parse_int(argument, low, high, name))                                             \
            argp_error(state, "--" #name " takes a whole number from %d to %d, not '%s'", low,     \
                       high, argument);                                                            \
    }
RP_RANGES_STEPS_WHOLE(TAKE)

void cmd_take_crop(struct argp_state *state, const char *argument, int crop[3])
{
    if (!cmd_parse_extent(argument, CMD_LARGEST_EXTENT, crop))
        argp_error(state, "--crop takes voxels as ZxYxX, such as 48x96x96, not '%s'", argument);
}

void cmd_take_seed(struct argp_state *state, const char *argument, uint64_t *seed, bool *has_seed)
{
    if (!cmd_parse_seed(argument, seed))
        argp_error(state, "--seed takes a whole number from 0, not '%s'", argument);
    *has_seed = true;
}

void cmd_take_recipe(struct argp_state *state, const char *argument, rp_recipe *recipe,
                     bool *has_recipe)
{
    *has_recipe = rp_recipe_parse(argument, recipe);
    if (!*has_recipe) argp_error(state, "--recipe is quick or study, not '%s'", argument);
}

void cmd_take_region(struct argp_state *state, const char *argument, bool *whole)
{
    *whole = strcmp(argument, "whole") == 0;
    if (!*whole && strcmp(argument, "box") != 0)
        argp_error(state, "--region is box or whole, not '%s'", argument);
}

static error_t parse_learning(int key, char *argument, struct argp_state *state)
{
    cmd_learning *learning = state->input;
    switch (key) {
    case KEY_MODEL:
        learning->start = strcmp(argument, "start") == 0;
        learning->fresh = strcmp(argument, "none") == 0;
        learning->model = learning->start || learning->fresh ? NULL : argument;
        return 0;
    case KEY_CONFIG:
        learning->config = argument;
        return 0;
    case KEY_EPOCHS:
        cmd_take_epochs(state, argument, &learning->epochs);
        return 0;
    case KEY_COPIES:
        cmd_take_copies(state, argument, &learning->copies);
        return 0;
    case KEY_CROP:
        cmd_take_crop(state, argument, learning->crop);
        return 0;
    case KEY_SEED:
        cmd_take_seed(state, argument, &learning->seed, &learning->has_seed);
        return 0;
    case KEY_RECIPE:
        cmd_take_recipe(state, argument, &learning->recipe, &learning->has_recipe);
        return 0;
    case KEY_REGION:
        cmd_take_region(state, argument, &learning->whole);
        learning->has_region = true;
        return 0;
    case KEY_RESUME:
        learning->resume = true;
        return 0;
    case KEY_PATIENT:
        learning->allow_patient_mismatch = true;
        return 0;
    case KEY_SERIES:
        learning->allow_series_mismatch = true;
        return 0;
    case KEY_NON_CT:
        learning->allow_non_ct = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cmd_learning_argp = {.options = learning_options, .parser = parse_learning};

rp_status cmd_learning_settings(const cmd_learning *learning, cmd_settings *settings, rp_error *err)
{
    cmd_settings_defaults(settings);
    if (learning->has_recipe) cmd_settings_take_recipe(settings, learning->recipe);
    settings->has_recipe = learning->has_recipe;
    if (learning->config) {
        rp_status status = cmd_settings_read(learning->config, settings, err);
        if (status) return status;
    }
    if (learning->epochs) settings->adapt.epochs = learning->epochs;
    settings->has_epochs |= learning->epochs > 0;
    if (learning->copies) settings->adapt.copies = learning->copies;
    if (learning->has_region) settings->adapt.region.whole = learning->whole;
    if (learning->crop[0] && learning->has_region && !learning->whole)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "--crop is one of whole images: it does not go with --region=box");
    if (learning->crop[0]) cmd_settings_take_crop(settings, learning->crop);
    if (learning->has_seed) settings->adapt.seed = learning->seed;
    settings->adapt.resume = learning->resume;
    return RP_OK;
}

/* ---- model ------------------------------------------------------------------------------- */

char *cmd_start_model(void)
{
    return cmd_shipped_model(START);
}

/* The path of --model, or that of the start. */
static rp_status find_model(const cmd_learning *learning, cmd_settings *settings, char **path,
                            rp_error *err)
{
    const bool start = learning->start || settings->attempts;
    *path = NULL;
    if (learning->model) *path = rp_strdup(learning->model);
    if (start) *path = cmd_start_model();
    if (learning->start && !*path)
        return rp_fail(err, RP_ERR_IO,
                       "--model start: models/" START
                       ", which comes with the program, is not where "
                       "the program is");
    if (learning->model && !*path) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    if (settings->attempts && !*path) {
        rp_log(RP_LOG_WARNING,
               "models/" START ", which comes with the program, is not where the program is: "
               "adapting from fresh weights");
        settings->attempts = false;
    }
    if (start && *path && !settings->has_epochs) settings->adapt.epochs = START_EPOCHS;
    return RP_OK;
}

rp_status cmd_learning_model(const cmd_learning *learning, const char *label,
                             cmd_settings *settings, rp_model *model, rp_error *err)
{
    RP_AUTOFREE char *path = NULL;
    rp_status status = find_model(learning, settings, &path, err);
    if (status) return status;
    if (path)
        status = rp_model_read(path, model, err);
    else
        status = rp_model_create(&settings->network, &settings->preprocessing, settings->adapt.seed,
                                 model, err);
    if (status) return status;
    settings->network = *rp_fcd_config_of(model->net);
    settings->preprocessing = model->preprocessing;
    rp_model_provenance *own = &model->provenance;
    /* A start draws what it is shown of a baseline: the result is as real as its data. */
    const bool start_only = settings->network.in_channels == RP_INPUTS_BASELINE;
    if (start_only && !model->baseline.data) own->label[0] = '\0';
    char both[sizeof own->label];
    snprintf(both, sizeof both, "%s", cmd_label_of_both(label, own->label));
    memcpy(own->label, both, sizeof both);
    return RP_OK;
}

/* ---- checkpoint -------------------------------------------------------------------------- */

rp_status cmd_checkpoint_check(const char *path, bool resume, rp_error *err)
{
    const bool there = rp_path_exists(path);
    rp_outfile_clean(path);
    if (resume && !there)
        rp_log(RP_LOG_WARNING,
               "%s: --resume, but there is no checkpoint: the work starts from the beginning",
               path);
    if (resume || !there) return RP_OK;
    return rp_fail(err, RP_ERR_ARGUMENT,
                   "%s: the checkpoint of an interrupted run is there: continue it with --resume, "
                   "or remove the file to start anew",
                   path);
}

rp_status cmd_checkpoint_explain(const char *path, rp_status status, rp_error *err)
{
    char message[sizeof err->message];
    if (!err) return status;
    memcpy(message, err->message, sizeof message);
    if (path && rp_path_exists(path))
        return rp_fail(err, status,
                       "%s. The work so far is kept in %s: the same command with --resume "
                       "continues it",
                       message, path);
    if (status == RP_ERR_CANCELLED) return rp_fail(err, status, "%s; nothing was written", message);
    return status;
}

void cmd_checkpoint_remove(const char *path)
{
    unlink(path);
    rp_outfile_clean(path);
}

/* ---- memory plan ------------------------------------------------------------------------- */

/* With the prior channel the network gets wider when the adaptation starts. */
static rp_fcd_config adapted_network(const cmd_settings *settings)
{
    rp_fcd_config config = settings->network;
    if (settings->adapt.prior_channel && config.in_channels == 1) config.in_channels = 2;
    return config;
}

rp_status cmd_region_bounds(const cmd_settings *settings, const rp_grid *grid, const rp_mask *mask,
                            rp_preprocessing *preprocessing, int region[3], rp_error *err)
{
    rp_region fitted;
    *preprocessing = settings->preprocessing;
    memset(region, 0, 3 * sizeof *region);
    if (settings->adapt.region.whole) return RP_OK;
    rp_status status = rp_region_fit(grid, mask, &settings->adapt.region, &fitted, err);
    if (status) return status;
    memcpy(preprocessing->spacing, fitted.spacing, sizeof fitted.spacing);
    memcpy(region, fitted.extent, sizeof fitted.extent);
    return RP_OK;
}

rp_status cmd_training_bytes(const cmd_settings *settings, const rp_grid *grid, const int region[3],
                             size_t *bytes, rp_error *err)
{
    const rp_grid working = rp_working_grid(&settings->preprocessing, grid);
    int size[3];
    for (int a = 0; a < 3; a++) {
        const int wanted = settings->adapt.crop[a];
        size[a] = region[0] ? region[a] : wanted < working.size[a] ? wanted : working.size[a];
    }
    const rp_fcd_config config = adapted_network(settings);
    return rp_session_bytes(&config, size, RP_RUN_TRAIN, bytes, err);
}

rp_status cmd_prediction_bytes(const cmd_settings *settings, const rp_grid *grid,
                               const int region[3], size_t *bytes, rp_error *err)
{
    /* Tiles are of whole units, two at least (rp_predict_options); those of a region of its own
     * extent. */
    const rp_grid working = rp_working_grid(&settings->preprocessing, grid);
    const int stride = rp_fcd_stride(&settings->network), unit = stride > 16 ? stride : 16;
    int size[3];
    for (int a = 0; a < 3; a++) {
        const int padded = (working.size[a] + unit - 1) / unit * unit;
        int tile = (settings->predict.tile[a] + unit - 1) / unit * unit;
        if (tile < 2 * unit) tile = 2 * unit;
        size[a] = region[0] ? region[a] : tile < padded ? tile : padded;
    }
    const rp_fcd_config config = adapted_network(settings);
    return rp_session_bytes(&config, size, RP_RUN_PREDICT, bytes, err);
}
