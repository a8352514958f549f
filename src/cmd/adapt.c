/* reprise adapt: overfits a model on one image and its contour. */
#include "learning.h"

#include <string.h>

enum { KEY_IMAGE = 1, KEY_CONTOUR, KEY_OUT, KEY_IMAGE_SERIES };

typedef struct adapt_arguments {
    cmd_common common;
    cmd_learning learning;
    const char *image, *contour, *out, *series;
} adapt_arguments;

static const struct argp_option options[] = {
    {"image", KEY_IMAGE, "CT", 0, "DICOM folder or NIfTI file", 0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0, "The lesion: RTSTRUCT or NIfTI mask", 0},
    {"out", KEY_OUT, "MODEL", 0, "The patient's model (safetensors) to be written", 0},
    {"series", KEY_IMAGE_SERIES, "UID", 0, "Series of the DICOM folder", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    adapt_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->learning;
        state->child_inputs[1] = &a->common;
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
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->image || !a->contour || !a->out)
            argp_error(state, "--image, --contour and --out are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&cmd_learning_argp, 0, NULL, 0}, {&cmd_common_argp, 0, NULL, 0}, {0}};
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
    rp_model model;
    rp_adapt_curve curve;
    char *checkpoint;
} adapt_run;

static rp_status protect_inputs(const adapt_run *run, rp_error *err)
{
    const adapt_arguments *a = run->arguments;
    RP_AUTOFREE char *contour = NULL;
    const char *roi;
    rp_status status = cmd_split_roi(a->contour, &contour, &roi, err);
    const char *inputs[] = {a->image, contour, a->learning.model, a->learning.config};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++) {
        if (!inputs[i]) continue;
        status = cmd_protect_input(inputs[i], a->out, err);
        if (!status) status = cmd_protect_input(inputs[i], run->checkpoint, err);
    }
    return status;
}

static rp_status load(adapt_run *run, rp_error *err)
{
    const adapt_arguments *a = run->arguments;
    const cmd_ct_options ct = {.series = a->series,
                               .allow_non_ct = a->learning.allow_non_ct,
                               .allow_mixed_patients = a->learning.allow_patient_mismatch};
    const cmd_contour_options contour = {.allow_series_mismatch = a->learning.allow_series_mismatch,
                                         .allow_patient_mismatch =
                                             a->learning.allow_patient_mismatch};
    rp_status status = cmd_ct_load(a->image, &ct, cmd_progress(&a->common), &run->ct, err);
    if (!status) status = cmd_contour_load(a->contour, &run->ct, &contour, &run->contour, err);
    if (!status)
        status =
            cmd_learning_model(&a->learning, cmd_label_of_both(run->ct.label, run->contour.label),
                               &run->settings, &run->model, err);
    return status;
}

static rp_status perform(adapt_run *run, rp_error *err)
{
    const adapt_arguments *a = run->arguments;
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = cmd_learning_settings(&a->learning, &run->settings, err);
    run->checkpoint = rp_format("%s.checkpoint", a->out);
    if (!status && !run->checkpoint) status = rp_fail(err, RP_ERR_MEMORY, "out of memory");
    if (!status) status = protect_inputs(run, err);
    if (!status) status = cmd_prepare_file(a->out, err);
    if (!status) status = cmd_checkpoint_check(run->checkpoint, a->learning.resume, err);
    if (!status) status = load(run, err);
    if (status) return status;
    run->settings.adapt.checkpoint_path = run->checkpoint;
    run->settings.adapt.memory_bytes = cmd_memory_budget(&a->common);
    status = rp_adapt(&run->model, &run->ct.series.image, &run->contour.mask, &run->settings.adapt,
                      cmd_progress(&a->common), &run->curve, err);
    if (!status) status = rp_model_write(a->out, &run->model, err);
    if (!status)
        cmd_checkpoint_remove(run->checkpoint);
    else if (status != RP_ERR_REFUSED)
        cmd_checkpoint_explain(run->checkpoint, status, err);
    return status;
}

static void summarise(const adapt_run *run)
{
    const size_t last = run->curve.epochs - 1;
    printf("Adapted  %zu epochs, last loss %.3f, last training Dice %.2f\n", run->curve.epochs,
           run->curve.loss[last], run->curve.dice[last]);
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
    cmd_contour_release(&run.contour);
    cmd_ct_release(&run.ct);
    rp_free(run.checkpoint);
    return status ? cmd_fail(&err) : CMD_DONE;
}
