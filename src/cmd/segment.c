/* reprise segment: contours the lesion in one image with a model. */
#include "doubt.h"
#include "input.h"
#include "learning.h"
#include "origin.h"

#include <string.h>

enum {
    KEY_MODEL = 1,
    KEY_IMAGE,
    KEY_OUT,
    KEY_PROBABILITY,
    KEY_ALL,
    KEY_SERIES,
    KEY_NON_CT,
    KEY_THRESHOLD,
    KEY_PRIOR,
    KEY_PRIOR_IMAGE,
    KEY_NORM,
    KEY_BASELINE,
    KEY_AT,
    KEY_REGION
};

typedef struct segment_arguments {
    cmd_common common;
    const char *model, *image, *out, *probability, *series, *prior, *prior_image, *baseline;
    double at[3];
    double threshold; /* 0: the default */
    rp_norm_mode norm;
    bool has_norm, has_at, whole;
    bool all_components, allow_non_ct;
} segment_arguments;

static const struct argp_option options[] = {
    {"model", KEY_MODEL, "MODEL", 0, "Model (safetensors)", 0},
    {"image", KEY_IMAGE, "CT", 0, "DICOM folder or NIfTI file", 0},
    {"out", KEY_OUT, "MASK", 0,
     "NIfTI mask (.nii, .nii.gz), or of a DICOM image a SEG (...seg.dcm) or RTSTRUCT (.dcm)", 0},
    {"probability", KEY_PROBABILITY, "FILE", 0, "Write the lesion's probability as NIfTI", 0},
    {"threshold", KEY_THRESHOLD, "P", 0, "Probability from which a voxel is lesion (0.5)", 0},
    {"all-components", KEY_ALL, NULL, 0, "Keep every component, not only the largest", 0},
    {"prior", KEY_PRIOR, "FILE[:ROI]", 0,
     "Where the lesion was before, in the same world coordinates: keep the component near it; "
     "a model adapted with the contour as a second channel needs it",
     0},
    {"prior-image", KEY_PRIOR_IMAGE, "CT", 0, "Image of the prior, for an RTSTRUCT", 0},
    {"baseline", KEY_BASELINE, "CT", 0,
     "Image of the prior, which the image is aligned to: the prior follows", 0},
    {"at", KEY_AT, "X,Y,Z", 0,
     "Where the box of a model of a region lies, and the prior (mm, LPS; default: at the prior)",
     0},
    {"region", KEY_REGION, "box|whole", 0,
     "With a model of a region: one box, or all of the image by boxes (default: box, where there "
     "is a place for it)",
     0},
    {"norm", KEY_NORM, "MODE", 0,
     "Normalise with running averages, or as batch or instance (default: the model's own)", 0},
    {"series", KEY_SERIES, "UID", 0, "Series of the DICOM folder", 0},
    {"allow-non-ct", KEY_NON_CT, NULL, 0, "Override the refusal of a modality other than CT", 0},
    {0}};

static bool ends_with(const char *text, const char *ending)
{
    const size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}

static bool is_nifti_name(const char *path)
{
    return ends_with(path, ".nii") || ends_with(path, ".nii.gz");
}

static void check_arguments(const segment_arguments *a, struct argp_state *state)
{
    if (!a->model || !a->image || !a->out)
        argp_error(state, "--model, --image and --out are needed");
    else if (!is_nifti_name(a->out) && !ends_with(a->out, ".dcm"))
        argp_error(state, "--out ends in .nii, .nii.gz or .dcm, unlike '%s'", a->out);
    else if (a->probability && !is_nifti_name(a->probability))
        argp_error(state, "--probability ends in .nii or .nii.gz, unlike '%s'", a->probability);
    else if (a->probability && strcmp(a->probability, a->out) == 0)
        argp_error(state, "--probability and --out are the same file");
    else if (a->baseline && (!a->prior || a->prior_image))
        argp_error(state, "--baseline goes with --prior, and instead of --prior-image");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    segment_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case KEY_MODEL:
        a->model = argument;
        return 0;
    case KEY_IMAGE:
        a->image = argument;
        return 0;
    case KEY_OUT:
        a->out = argument;
        return 0;
    case KEY_PROBABILITY:
        a->probability = argument;
        return 0;
    case KEY_THRESHOLD:
        if (!cmd_parse_number(argument, &a->threshold) || a->threshold <= 0 || a->threshold >= 1)
            argp_error(state, "--threshold lies between 0 and 1, unlike '%s'", argument);
        return 0;
    case KEY_ALL:
        a->all_components = true;
        return 0;
    case KEY_SERIES:
        a->series = argument;
        return 0;
    case KEY_NON_CT:
        a->allow_non_ct = true;
        return 0;
    case KEY_PRIOR:
        a->prior = argument;
        return 0;
    case KEY_BASELINE:
        a->baseline = argument;
        return 0;
    case KEY_AT:
        cmd_take_at(state, argument, a->at);
        a->has_at = true;
        return 0;
    case KEY_REGION:
        cmd_take_region(state, argument, &a->whole);
        return 0;
    case KEY_PRIOR_IMAGE:
        a->prior_image = argument;
        return 0;
    case KEY_NORM:
        if (!rp_norm_mode_parse(argument, &a->norm))
            argp_error(state, "--norm takes running, batch or instance, not '%s'", argument);
        a->has_norm = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc =
        "Contours the lesion in one image with a model. Finding nothing is a failure: no mask is "
        "written then.",
    .children = children};

static rp_status check_outputs(const segment_arguments *a, rp_error *err)
{
    enum { INPUTS = 5 };
    RP_AUTOFREE char *prior = NULL;
    const char *roi;
    rp_status status = a->prior ? cmd_split_roi(a->prior, &prior, &roi, err) : RP_OK;
    const char *const outputs[] = {a->out, a->probability};
    const char *const inputs[INPUTS] = {a->model, a->image, prior, a->prior_image, a->baseline};
    for (int i = 0; i < 2 * INPUTS && !status; i++)
        if (outputs[i / INPUTS] && inputs[i % INPUTS])
            status = cmd_protect_input(inputs[i % INPUTS], outputs[i / INPUTS], err);
    for (int i = 0; i < 2 && !status; i++)
        if (outputs[i]) status = cmd_prepare_file(outputs[i], err);
    return status;
}

/* What was learnt badly is drawn badly: told on the terminal and in what is written. */
static bool doubt_model(const rp_model *model, char clause[200])
{
    rp_verify_limits limits;
    rp_verify_defaults(&limits);
    return cmd_self_dice_doubt(model, limits.self_dice, clause);
}

static cmd_origin origin_of(const char *what, const rp_model *model, const cmd_ct *ct)
{
    return (cmd_origin){.command = "segment",
                        .what = what,
                        .label = ct->label,
                        .image = ct,
                        .model_sha256 = model->sha256,
                        .model_label = model->provenance.label};
}

static rp_status save_mask(const segment_arguments *a, const rp_model *model, const cmd_ct *ct,
                           const rp_mask *mask, rp_error *err)
{
    char doubt[200];
    cmd_origin origin = origin_of("mask", model, ct);
    const bool doubtful = doubt_model(model, doubt);
    if (doubtful) origin.doubt = doubt;
    if (!ends_with(a->out, ".dcm")) return cmd_write_mask(a->out, mask, &origin, err);
    RP_AUTOFREE char *seed = rp_format("%s %s", model->sha256, ct->sha256);
    RP_AUTOFREE char *description =
        rp_format("%sontoured by Reprise %s, model SHA-256 %.16s",
                  doubtful ? "NOT ACCEPTED (the model misses its own baseline). C" : "C",
                  RP_VERSION, model->sha256);
    if (!seed || !description) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", a->out);
    const char *name = doubtful ? "Lesion (Reprise, not accepted)" : "Lesion (Reprise)";
    if (cmd_is_seg_name(a->out)) {
        const rp_seg_write_options seg = {.segment_label = name,
                                          .description = description,
                                          .label = ct->label,
                                          .uid_seed = seed,
                                          .algorithm = "AUTOMATIC"};
        return rp_seg_write(a->out, &ct->series, mask, &seg, err);
    }
    const rp_rtstruct_write_options how = {.roi_name = name,
                                           .description = description,
                                           .label = ct->label,
                                           .uid_seed = seed,
                                           .algorithm = "AUTOMATIC"};
    return rp_rtstruct_write(a->out, &ct->series, mask, &how, err);
}

static rp_status save(const segment_arguments *a, const rp_model *model, const cmd_ct *ct,
                      const rp_prediction *prediction, rp_error *err)
{
    rp_status status = RP_OK;
    const cmd_origin origin = origin_of("probability", model, ct);
    if (a->probability)
        status = cmd_write_image(a->probability, &prediction->probability, false, &origin, err);
    if (status) return status;
    if (rp_mask_count(&prediction->mask) == 0)
        return rp_fail(
            err, RP_ERR_NUMERIC,
            "%s: no tumour found: the model failed to segment this image, and no mask was "
            "written",
            a->image);
    status = save_mask(a, model, ct, &prediction->mask, err);
    if (status) return status;
    if (a->common.quiet) return RP_OK;
    cmd_progress_end();
    const rp_grid *grid = &prediction->mask.grid;
    printf("Lesion   %.2f cc, %s of %d component%s\n",
           (double)rp_mask_count(&prediction->mask) * rp_grid_voxel_mm3(grid) / 1000.0,
           a->all_components             ? "all"
           : prediction->chosen_by_prior ? "the one near the prior"
                                         : "the largest",
           prediction->components, prediction->components == 1 ? "" : "s");
    printf("Mask     %s\n", a->out);
    return RP_OK;
}

/* The contour of another visit: its grid may be another, its place hardly. */
static rp_status load_prior(const segment_arguments *a, const cmd_ct *ct, cmd_ct *prior_ct,
                            rp_mask *prior, rp_error *err)
{
    rp_remarks odd = {0};
    const rp_grid *grid = &ct->series.image.grid;
    const char *image = a->baseline ? a->baseline : a->prior_image;
    rp_status status =
        cmd_mask_load(a->prior, image, cmd_progress(&a->common), prior_ct, prior, err);
    if (status || a->baseline) return status;
    if (!a->prior_image) status = input_check_header(a->prior, prior, grid, &odd, err);
    if (!status && rp_mask_count_outside(prior, grid) == rp_mask_count(prior))
        rp_remark_add(&odd, "prior_outside",
                      "The prior lies outside the image: no component is near it.");
    cmd_tell_all(a->prior, &odd);
    return status;
}

/* What one run holds. */
typedef struct segmentation {
    const segment_arguments *arguments;
    cmd_ct ct, prior_ct; /* the latter also the baseline */
    rp_mask prior;
    rp_model model;
    cmd_place place;
    rp_prediction prediction;
} segmentation;

static rp_status load(segmentation *s, rp_error *err)
{
    const segment_arguments *a = s->arguments;
    const cmd_ct_options how = {.series = a->series, .allow_non_ct = a->allow_non_ct};
    char doubt[200];
    rp_status status = rp_model_read(a->model, &s->model, err);
    if (!status && doubt_model(&s->model, doubt))
        rp_log(RP_LOG_WARNING, "%s: %s: no response can be told from its contours", a->model,
               doubt);
    if (!status && cmd_guard_prefers_registered(&s->model, doubt))
        rp_log(RP_LOG_WARNING, "%s: %s", a->model, doubt);
    if (!status && a->has_norm) rp_fcd_set_norm(s->model.net, a->norm);
    if (!status && a->has_at && !s->model.region[0] && !a->prior)
        status = rp_fail(err, RP_ERR_ARGUMENT,
                         "%s: a model of whole images: --at moves the prior, and there is none",
                         a->model);
    if (!status) status = cmd_ct_load(a->image, &how, cmd_progress(&a->common), &s->ct, err);
    if (!status && a->prior) status = load_prior(a, &s->ct, &s->prior_ct, &s->prior, err);
    cmd_add_label(s->ct.label, s->prior_ct.label);
    if (!status && ends_with(a->out, ".dcm") && !s->ct.is_dicom)
        status = rp_fail(err, RP_ERR_ARGUMENT,
                         "%s: an RTSTRUCT or SEG needs a DICOM image to refer to, and %s is NIfTI",
                         a->out, a->image);
    return status;
}

static rp_status locate(segmentation *s, rp_error *err)
{
    const segment_arguments *a = s->arguments;
    const double *at = a->has_at ? a->at : NULL;
    const cmd_place_request request = {.baseline = &s->prior_ct.series.image,
                                       .followup = &s->ct.series.image,
                                       .contour = &s->prior,
                                       .at = at};
    const char *key;
    char text[400];
    rp_status status = a->baseline
                           ? cmd_place_find(&request, &s->place, err)
                           : cmd_place_without_image(a->prior ? &s->prior : NULL,
                                                     &s->ct.series.image, at, &s->place, err);
    if (!status && (a->baseline || s->model.region[0]) && s->place.by != CMD_PLACE_GIVEN &&
        !a->whole && cmd_place_remark(&s->place, &key, text))
        rp_log(RP_LOG_WARNING, "%s: %s", a->image, text);
    return status;
}

static rp_status predict(segmentation *s, rp_error *err)
{
    const segment_arguments *a = s->arguments;
    const char *key;
    char text[400];
    rp_predict_options how;
    rp_predict_defaults(&how);
    how.all_components = a->all_components;
    if (a->threshold > 0) how.threshold = a->threshold;
    how.memory_bytes = cmd_memory_budget(&a->common);
    cmd_place_apply(&s->place, &how);
    if (a->whole) how.at = NULL;
    const rp_status status = rp_predict(&s->model, &s->ct.series.image, &how,
                                        cmd_progress(&a->common), &s->prediction, err);
    if (!status && cmd_box_remark(&s->prediction, &key, text))
        rp_log(RP_LOG_WARNING, "%s: %s", a->image, text);
    return status;
}

static rp_status perform(const segment_arguments *a, rp_error *err)
{
    segmentation s = {.arguments = a};
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = check_outputs(a, err);
    if (!status) status = load(&s, err);
    if (!status) status = locate(&s, err);
    if (!status) status = predict(&s, err);
    if (!status) status = save(a, &s.model, &s.ct, &s.prediction, err);
    rp_prediction_release(&s.prediction);
    cmd_place_release(&s.place);
    rp_model_release(&s.model);
    rp_mask_release(&s.prior);
    cmd_ct_release(&s.prior_ct);
    cmd_ct_release(&s.ct);
    return status;
}

int cmd_segment(int argc, char **argv)
{
    segment_arguments arguments = {0};
    rp_error err = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    const rp_status status = perform(&arguments, &err);
    return status ? cmd_fail(&err) : CMD_DONE;
}
