/* reprise assess: baseline, contour and follow-up in; patient model, contour, response, report out.
 */
#include "assess.h"

#include <string.h>
#include <unistd.h>

/* ---- command line ------------------------------------------------------------------------ */

enum {
    KEY_BASELINE = 1,
    KEY_CONTOUR,
    KEY_FOLLOWUP,
    KEY_OUT,
    KEY_TRUTH,
    KEY_SERIES,
    KEY_FOLLOWUP_SERIES,
    KEY_SUBJECT,
    KEY_PRIOR,
    KEY_PRIOR_LESION,
    KEY_DEFINITION,
    KEY_DATE_ORDER,
    KEY_NO_DATES,
    KEY_KEEP_CHECKPOINT,
    KEY_AT,
    KEY_PATIENT_MODEL
};

static const struct argp_option options[] = {
    {"baseline", KEY_BASELINE, "CT", 0, "CT before treatment: DICOM folder or NIfTI file", 0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0, "Its lesion: RTSTRUCT, SEG or NIfTI mask", 0},
    {"followup", KEY_FOLLOWUP, "CT", 0, "CT after treatment: DICOM folder or NIfTI file", 0},
    {"out", KEY_OUT, "DIR", 0, "Folder for the results", 0},
    {"at", KEY_AT, "X,Y,Z", 0,
     "Look for the lesion here on the follow-up (mm, LPS), not where the registration says", 0},
    {"patient-model", KEY_PATIENT_MODEL, "FILE", 0,
     "Model that was adapted to this baseline and contour already: nothing is adapted", 0},
    {"truth", KEY_TRUTH, "FILE[:ROI]", 0, "The follow-up's true lesion, to score the result", 0},
    {"series", KEY_SERIES, "UID", 0, "Series of the baseline's folder", 0},
    {"followup-series", KEY_FOLLOWUP_SERIES, "UID", 0, "Series of the follow-up's folder", 0},
    {"prior-sr", KEY_PRIOR, "FILE", 0,
     "Structured report of an earlier visit (DICOM SR, TID 1500), for the nadir; once for each", 0},
    {"prior-lesion", KEY_PRIOR_LESION, "NAME", 0,
     "Its tracking identifier or UID there, where they measure several", 0},
    {"subject", KEY_SUBJECT, "PSEUDONYM", 0, "How the report calls the patient", 0},
    {"no-dates", KEY_NO_DATES, NULL, 0, "Leave the dates of the images out of the results", 0},
    {"keep-checkpoint", KEY_KEEP_CHECKPOINT, NULL, 0,
     "Leave the finished checkpoint: copied into another DIR, it spares the adaptation of a "
     "further "
     "follow-up of the same baseline (--resume)",
     0},
    {"definition", KEY_DEFINITION, "convex|inside", 0, "What a longest diameter is", 0},
    {"allow-date-order", KEY_DATE_ORDER, NULL, 0, "The follow-up is older than the baseline", 60},
    {0}};

static error_t parse_word(int key, char *argument, struct argp_state *state)
{
    assess_arguments *a = state->input;
    switch (key) {
    case KEY_BASELINE:
        a->baseline = argument;
        return 0;
    case KEY_CONTOUR:
        a->contour = argument;
        return 0;
    case KEY_FOLLOWUP:
        a->followup = argument;
        return 0;
    case KEY_OUT:
        a->out = argument;
        return 0;
    case KEY_TRUTH:
        a->truth = argument;
        return 0;
    case KEY_SERIES:
        a->series = argument;
        return 0;
    case KEY_FOLLOWUP_SERIES:
        a->followup_series = argument;
        return 0;
    case KEY_SUBJECT:
        a->subject = argument;
        return 0;
    case KEY_PRIOR_LESION:
        a->prior_lesion = argument;
        return 0;
    case KEY_PATIENT_MODEL:
        a->patient_model = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    assess_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->learning;
        state->child_inputs[1] = &a->common;
        state->child_inputs[3] = &a->accept;
        state->child_inputs[4] = &a->guard;
        return 0;
    case KEY_DEFINITION:
        if (!cmd_parse_definition(argument, &a->definition))
            argp_error(state, "--definition is convex or inside, not '%s'", argument);
        a->has_definition = true;
        return 0;
    case KEY_PRIOR:
        if (!assess_add_prior(a, argument)) argp_error(state, "out of memory");
        return 0;
    case KEY_AT:
        cmd_take_at(state, argument, a->at);
        a->has_at = true;
        return 0;
    case KEY_DATE_ORDER:
        a->allow_date_order = true;
        return 0;
    case KEY_NO_DATES:
        a->no_dates = true;
        return 0;
    case KEY_KEEP_CHECKPOINT:
        a->keep_checkpoint = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->baseline || !a->contour || !a->followup || !a->out)
            argp_error(state, "--baseline, --contour, --followup and --out are needed");
        if (a->prior_lesion && !a->prior_count)
            argp_error(state, "--prior-lesion goes with --prior-sr only");
        if (a->patient_model && (a->learning.model || a->learning.start || a->learning.resume))
            argp_error(state, "--patient-model does not go with --model or --resume");
        if (a->patient_model && (a->learning.epochs || a->learning.copies || a->learning.crop[0]))
            argp_error(state, "nothing is adapted with --patient-model: --epochs, --copies and "
                              "--crop have no place there");
        return 0;
    default:
        return parse_word(key, argument, state);
    }
}

static const struct argp_child children[] = {
    {&cmd_learning_argp, 0, NULL, 0}, {&cmd_common_argp, 0, NULL, 0},
    {&cmd_repair_argp, 0, NULL, 0},   {&cmd_accept_argp, 0, NULL, 0},
    {&cmd_guard_argp, 0, NULL, 0},    {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc = "Contours the follow-up CT with a network that was adapted to the patient's baseline, "
           "measures both, classifies the response by RECIST 1.1 and writes a report. For research "
           "use only.\vDIR receives followup_mask.nii.gz, followup_rtstruct.dcm, "
           "followup_seg.dcm and measurements_sr.dcm (of a DICOM "
           "follow-up), patient_model.safetensors, report.html and result.json, all or none. An "
           "interrupted run leaves DIR/checkpoint.safetensors, from which --resume continues.",
    .children = children};

/* ---- steps ------------------------------------------------------------------------------- */

static rp_status load_images(assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    cmd_ct_options ct = {.series = g->series,
                         .allow_non_ct = g->learning.allow_non_ct,
                         .allow_mixed_patients = g->learning.allow_patient_mismatch};
    const cmd_contour_options contour = {.allow_series_mismatch = g->learning.allow_series_mismatch,
                                         .allow_patient_mismatch =
                                             g->learning.allow_patient_mismatch};
    rp_status status = cmd_ct_load(g->baseline, &ct, a->progress, &a->baseline_ct, err);
    if (!status) status = cmd_contour_load(g->contour, &a->baseline_ct, &contour, &a->contour, err);
    ct.series = g->followup_series;
    if (!status) status = cmd_ct_load(g->followup, &ct, a->progress, &a->followup_ct, err);
    if (!status && g->truth) {
        status = cmd_contour_load(g->truth, &a->followup_ct, &contour, &a->truth, err);
        a->has_truth = !status;
    }
    return status;
}

static rp_status load(assess *a, rp_error *err)
{
    rp_status status = load_images(a, err);
    if (!status) status = assess_check_pair(a, err);
    if (!status) status = assess_track(a, err);
    if (!status) status = assess_read_priors(a, err);
    if (status) return status;
    const char *images = cmd_label_of_both(a->baseline_ct.label, a->followup_ct.label);
    snprintf(a->label, sizeof a->label, "%s", cmd_label_of_both(images, a->contour.label));
    status = a->arguments->patient_model ? assess_take_model(a, err)
                                         : cmd_learning_model(&a->arguments->learning, a->label,
                                                              &a->settings, &a->model, err);
    if (status) return status;
    if (!a->arguments->patient_model) {
        memcpy(a->model.provenance.image_repair, a->baseline_ct.repair,
               sizeof a->baseline_ct.repair);
        memcpy(a->base_model_sha256, a->model.sha256, sizeof a->base_model_sha256);
    }
    assess_flag_inputs(a);
    return assess_check_memory(a, err);
}

static rp_status prepare(assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    rp_status status = cmd_common_apply(&g->common, err);
    if (!status) status = cmd_learning_settings(&g->learning, &a->settings, err);
    if (status) return status;
    cmd_accept_apply(&g->accept, &a->settings);
    cmd_guard_apply(&g->guard, &a->settings);
    a->settings.attempts =
        !g->patient_model && !g->keep_checkpoint && cmd_attempts_wanted(&g->learning, &a->settings);
    if (g->has_definition) a->settings.diameter = g->definition;
    a->checkpoint = rp_path_join(g->out, "checkpoint.safetensors");
    if (!a->checkpoint) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", g->out);
    status = assess_protect_inputs(a, err);
    if (status) return status;
    status = cmd_prepare_folder(g->out, err);
    if (!status) status = assess_check_folder(a, err);
    if (!status) status = cmd_checkpoint_check(a->checkpoint, g->learning.resume, err);
    a->settings.adapt.checkpoint_path = a->checkpoint;
    return status;
}

static cmd_attempts_input way_of(assess *a)
{
    return (cmd_attempts_input){.settings = &a->settings,
                                .model = &a->model,
                                .curve = &a->curve,
                                .guard = &a->guard,
                                .image = &a->baseline_ct.series.image,
                                .contour = &a->contour.mask,
                                .progress = a->progress};
}

static rp_status adapt(assess *a, rp_error *err)
{
    const cmd_attempts_input way = way_of(a);
    if (a->arguments->patient_model) return RP_OK;
    const rp_status status = cmd_attempts_begin(&way, err);
    if (status == RP_ERR_REFUSED) return rp_fail_in(err, status, "%s", a->arguments->contour);
    a->adapted = !status;
    return status;
}

/* Before the follow-up is touched. */
static rp_status guard(assess *a, rp_error *err)
{
    const cmd_attempts_input way = way_of(a);
    return cmd_attempts_finish(&way, &a->attempts, err);
}

/* The contour at baseline tells which component of the follow-up is the lesion. */
static rp_status segment(assess *a, rp_error *err)
{
    rp_predict_options how = a->settings.predict;
    cmd_place_apply(&a->place, &how);
    rp_status status =
        rp_predict(&a->model, &a->followup_ct.series.image, &how, a->progress, &a->prediction, err);
    if (!status)
        status = cmd_self_dice(&a->model, &a->baseline_ct.series.image, &a->contour.mask,
                               &a->settings, a->progress, err);
    a->self_dice = a->model.provenance.self_dice;
    return status;
}

static rp_status choose_source(assess *a, rp_error *err)
{
    const cmd_source_input input = {.settings = &a->settings,
                                    .baseline = &a->baseline_ct.series.image,
                                    .followup = &a->followup_ct.series.image,
                                    .contour = &a->contour.mask,
                                    .truth = a->has_truth ? &a->truth.mask : NULL,
                                    .place = &a->place,
                                    .progress = a->progress};
    return cmd_source_choose(&input, &a->guard, &a->prediction, &a->sources, err);
}

static rp_status verify(assess *a, rp_error *err)
{
    (void)err;
    assess_doubt(a);
    return RP_OK;
}

/* Runs a step and keeps how long it took. */
static rp_status timed(rp_status (*step)(assess *, rp_error *), assess *a, double *seconds,
                       rp_error *err)
{
    const double start = rp_seconds();
    rp_status status = step(a, err);
    *seconds = rp_seconds() - start;
    if (!status && cmd_interrupted()) status = rp_fail(err, RP_ERR_CANCELLED, "stopped");
    return status;
}

static rp_status perform(assess *a, rp_error *err)
{
    a->timing.start = rp_seconds();
    rp_status status = prepare(a, err);
    if (!status) status = timed(load, a, &a->timing.load, err);
    if (!status) status = timed(assess_locate, a, &a->timing.align, err);
    if (!status) status = timed(adapt, a, &a->timing.adapt, err);
    if (!status) status = timed(guard, a, &a->timing.guard, err);
    if (!status) status = timed(segment, a, &a->timing.segment, err);
    if (!status) status = timed(choose_source, a, &a->timing.compare, err);
    if (!status) status = timed(assess_measure, a, &a->timing.measure, err);
    if (!status) status = timed(verify, a, &a->timing.verify, err);
    if (!status) assess_flag_findings(a);
    if (!status) status = assess_write(a, err);
    if (!status && !a->arguments->keep_checkpoint)
        cmd_checkpoint_remove(a->checkpoint);
    else if (status && (a->adapted || status == RP_ERR_CANCELLED))
        cmd_checkpoint_explain(a->checkpoint, status, err);
    return status;
}

static void release(assess *a)
{
    rp_adapt_curve_release(&a->curve);
    rp_prediction_release(&a->prediction);
    rp_mask_release(&a->carried);
    cmd_sources_release(&a->sources);
    rp_model_release(&a->model);
    cmd_place_release(&a->place);
    cmd_contour_release(&a->contour);
    cmd_contour_release(&a->truth);
    cmd_ct_release(&a->baseline_ct);
    cmd_ct_release(&a->followup_ct);
    rp_archive_release(&a->prior.archive);
    rp_free(a->checkpoint);
}

int cmd_assess(int argc, char **argv)
{
    assess_arguments arguments = {.argc = argc, .argv = argv};
    rp_error err = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    assess *a = rp_alloc(1, sizeof *a);
    if (!a) {
        rp_fail(&err, RP_ERR_MEMORY, "out of memory");
        return cmd_fail(&err);
    }
    a->arguments = &arguments;
    a->progress = cmd_progress(&arguments.common);
    const rp_status status = perform(a, &err);
    cmd_progress_end();
    if (!status && arguments.common.quiet)
        assess_warn(a);
    else if (!status)
        assess_summarise(a);
    release(a);
    rp_free(arguments.priors);
    rp_free(a);
    return status ? cmd_fail(&err) : CMD_DONE;
}
