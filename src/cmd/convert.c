/* reprise convert: images and contours between DICOM and NIfTI; models to half precision and back.
 */
#include "input.h"
#include "origin.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { KEY_REFERENCE = 1, KEY_SERIES, KEY_ROI_NAME, KEY_AS, KEY_REGION, KEY_FRACTION, KEY_HALF };

typedef enum form {
    FORM_NIFTI,
    FORM_RTSTRUCT,
    FORM_SEG,
    FORM_SERIES,
    FORM_MODEL,
    FORM_UNKNOWN
} form;

typedef struct convert_options {
    cmd_common common;
    const char *in, *out, *reference, *series, *roi_name, *region;
    form as;         /* of a .dcm; FORM_UNKNOWN: by its name */
    double fraction; /* 0: the default */
    bool half;
} convert_options;

static const struct argp_option options[] = {
    {"reference", KEY_REFERENCE, "CT", 0,
     "The image that a contour belongs to and on whose grid it is put; of a series to be written, "
     "patient and study",
     0},
    {"series", KEY_SERIES, "UID", 0, "Which series of a DICOM folder", 0},
    {"as", KEY_AS, "KIND", 0,
     "Of a .dcm: rtstruct or seg (default: seg where its name ends in seg.dcm, else rtstruct)", 0},
    {"roi-name", KEY_ROI_NAME, "NAME", 0,
     "Name of the ROI in a new RTSTRUCT or of the segment in a new SEG (default: Lesion)", 0},
    {"region", KEY_REGION, "NAME", 0,
     "Anatomic region of a new SEG, such as liver (default: as the reference says)", 0},
    {"fraction", KEY_FRACTION, "F", 0,
     "Of a fractional SEG: share of its full value from which a voxel is inside (0.5)", 0},
    {"half", KEY_HALF, NULL, 0, "Of a model: keep the convolutions' weights in half precision", 0},
    {0}};

static void parse_as(convert_options *o, const char *text, struct argp_state *state)
{
    if (strcasecmp(text, "rtstruct") == 0)
        o->as = FORM_RTSTRUCT;
    else if (strcasecmp(text, "seg") == 0)
        o->as = FORM_SEG;
    else
        argp_error(state, "--as takes rtstruct or seg, not '%s'", text);
}

static void parse_fraction(convert_options *o, const char *text, struct argp_state *state)
{
    if (!cmd_parse_number(text, &o->fraction) || !(o->fraction > 0.0 && o->fraction <= 1.0))
        argp_error(state, "--fraction lies above 0 and up to 1, unlike '%s'", text);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    convert_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_REFERENCE:
        o->reference = argument;
        return 0;
    case KEY_SERIES:
        o->series = argument;
        return 0;
    case KEY_ROI_NAME:
        o->roi_name = argument;
        return 0;
    case KEY_AS:
        parse_as(o, argument, state);
        return 0;
    case KEY_REGION:
        if (!rp_seg_region_known(argument))
            argp_error(state, "--region: no code is known for '%s'", argument);
        o->region = argument;
        return 0;
    case KEY_FRACTION:
        parse_fraction(o, argument, state);
        return 0;
    case KEY_HALF:
        o->half = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) argp_error(state, "unexpected argument '%s'", argument);
        if (state->arg_num == 0)
            o->in = argument;
        else
            o->out = argument;
        return 0;
    case ARGP_KEY_END:
        if (!o->in || !o->out) argp_error(state, "IN and OUT are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- which form
 * -------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *ending)
{
    const size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcasecmp(text + length - tail, ending) == 0;
}

static form form_of_output(const char *path, form as)
{
    if (ends_with(path, ".nii") || ends_with(path, ".nii.gz")) return FORM_NIFTI;
    if (ends_with(path, ".dcm") && as != FORM_UNKNOWN) return as;
    if (ends_with(path, ".dcm")) return cmd_is_seg_name(path) ? FORM_SEG : FORM_RTSTRUCT;
    if (ends_with(path, ".safetensors")) return FORM_MODEL;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return rp_path_is_directory(path) || !strchr(name, '.') ? FORM_SERIES : FORM_UNKNOWN;
}

static rp_status form_of_input(const char *path, form *found, rp_error *err)
{
    if (rp_path_is_directory(path))
        *found = FORM_SERIES;
    else if (rp_nifti_probe(path))
        *found = FORM_NIFTI;
    else if (rp_rtstruct_probe(path))
        *found = FORM_RTSTRUCT;
    else if (rp_seg_probe(path))
        *found = FORM_SEG;
    else if (rp_dicom_probe(path))
        *found = FORM_SERIES;
    else if (ends_with(path, ".safetensors"))
        *found = FORM_MODEL;
    else
        return rp_fail(err, RP_ERR_FORMAT, "%s: neither DICOM nor NIfTI nor .safetensors", path);
    return RP_OK;
}

/* ---- NIfTI -> NIfTI
 * ------------------------------------------------------------------------------------ */

typedef struct value_range {
    float low, high;
    bool whole;
    bool mask; /* 0 and 1, but for what rounding leaves */
} value_range;

static value_range range_of(const rp_image *image)
{
    const size_t count = rp_grid_voxels(&image->grid);
    value_range r = {.low = INFINITY, .high = -INFINITY, .whole = true, .mask = true};
    for (size_t i = 0; i < count; i++) {
        const float v = image->data[i];
        r.low = fminf(r.low, v);
        r.high = fmaxf(r.high, v);
        r.whole = r.whole && v == rintf(v);
        r.mask = r.mask && fminf(fabsf(v), fabsf(v - 1)) < 1e-3F;
    }
    return r;
}

/* int16 where that keeps every value. */
static rp_status write_image(const char *path, const rp_image *image, const cmd_origin *origin,
                             rp_error *err)
{
    const value_range r = range_of(image);
    const bool int16 = r.whole && r.low >= INT16_MIN && r.high <= INT16_MAX;
    return cmd_write_image(path, image, int16, origin, err);
}

/* Of what is made of one file. */
static cmd_origin origin_of(const char *in, char label[32])
{
    cmd_find_label(in, NULL, label);
    return (cmd_origin){.command = "convert", .label = label, .source = in};
}

static rp_status write_labels_of(const cmd_origin *origin, const char *out, rp_error *err)
{
    rp_labels labels = {0};
    rp_remarks odd = {0};
    rp_status status = rp_nifti_read_labels(origin->source, &labels, &odd, err);
    cmd_tell_all(origin->source, &odd);
    if (!status) status = cmd_write_labels(out, &labels, origin, err);
    rp_labels_release(&labels);
    return status;
}

static rp_status seg_to_nifti(const char *in, const char *segment, const convert_options *o,
                              rp_error *err)
{
    rp_mask mask = {0};
    char label[32];
    rp_status status = input_read_seg(in, segment, o->fraction, &mask, err);
    const cmd_origin origin = origin_of(in, label);
    if (!status) status = cmd_write_mask(o->out, &mask, &origin, err);
    rp_mask_release(&mask);
    return status;
}

static rp_status write_mask_of(const cmd_origin *origin, const char *number, const char *out,
                               rp_error *err)
{
    rp_mask mask = {0};
    rp_remarks odd = {0};
    rp_status status = cmd_mask_read(origin->source, number, &mask, &odd, err);
    cmd_tell_all(origin->source, &odd);
    if (!status) status = cmd_write_mask(out, &mask, origin, err);
    rp_mask_release(&mask);
    return status;
}

static rp_status nifti_to_nifti(const char *in, const char *number, const char *out, rp_error *err)
{
    rp_image image = {0};
    char label[32];
    const cmd_origin origin = origin_of(in, label);
    if (number) return write_mask_of(&origin, number, out, err);
    rp_remarks odd = {0};
    rp_status status = rp_nifti_read_image(in, &image, &odd, err);
    cmd_tell_all(in, &odd);
    if (status) return status;
    const value_range r = range_of(&image);
    if (r.mask) status = write_mask_of(&origin, NULL, out, err);
    /* Whole numbers beyond 2^24 are no float32. */
    else if (!r.whole || (r.low >= INT16_MIN && r.high <= INT16_MAX) ||
             write_labels_of(&origin, out, NULL) != RP_OK)
        status = write_image(out, &image, &origin, err);
    rp_image_release(&image);
    return status;
}

/* ---- the other ways
 * --------------------------------------------------------------------------------------- */

static rp_status load_ct(const convert_options *o, const char *path, cmd_ct *ct, rp_error *err)
{
    const cmd_ct_options which = {.series = o->series, .allow_non_ct = path == o->in};
    return cmd_ct_load(path, &which, cmd_progress(&o->common), ct, err);
}

static rp_status series_to_nifti(const convert_options *o, rp_error *err)
{
    cmd_ct ct;
    rp_status status = load_ct(o, o->in, &ct, err);
    if (status) return status;
    const cmd_origin origin = {.command = "convert", .label = ct.label, .image = &ct};
    status = write_image(o->out, &ct.series.image, &origin, err);
    cmd_ct_release(&ct);
    return status;
}

/* Any contour on the reference's grid, as a mask, an RTSTRUCT or a SEG. */
static rp_status through_reference(const convert_options *o, form to, rp_error *err)
{
    cmd_ct ct = {0};
    cmd_contour contour = {0};
    const cmd_contour_options how = {.fraction = o->fraction};
    rp_status status = load_ct(o, o->reference, &ct, err);
    if (!status && to != FORM_NIFTI && !ct.is_dicom)
        status = rp_fail(err, RP_ERR_ARGUMENT, "%s: %s needs a DICOM series as reference",
                         o->reference, to == FORM_SEG ? "a SEG" : "an RTSTRUCT");
    if (!status) status = cmd_contour_load(o->in, &ct, &how, &contour, err);
    const char *label = cmd_label_of_both(ct.label, contour.label);
    const cmd_origin origin = {
        .command = "convert", .label = label, .image = &ct, .contour_sha256 = contour.sha256};
    if (!status && to == FORM_NIFTI) status = cmd_write_mask(o->out, &contour.mask, &origin, err);
    if (!status && to == FORM_RTSTRUCT) {
        const rp_rtstruct_write_options rt = {
            .roi_name = o->roi_name, .label = label, .uid_seed = contour.sha256};
        status = rp_rtstruct_write(o->out, &ct.series, &contour.mask, &rt, err);
    }
    if (!status && to == FORM_SEG) {
        const rp_seg_write_options seg = {.segment_label = o->roi_name,
                                          .label = label,
                                          .uid_seed = contour.sha256,
                                          .region = o->region};
        status = rp_seg_write(o->out, &ct.series, &contour.mask, &seg, err);
    }
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    return status;
}

/* Patient and study of the reference; what describes its own series is left out. */
static rp_status reference_header(const convert_options *o, rp_dicom_header *header, rp_error *err)
{
    cmd_ct ct;
    *header = (rp_dicom_header){0};
    if (!o->reference) return RP_OK;
    rp_status status = load_ct(o, o->reference, &ct, err);
    if (status) return status;
    if (ct.is_dicom)
        *header = ct.series.header;
    else
        status = rp_fail(err, RP_ERR_ARGUMENT, "%s: not a DICOM series", o->reference);
    header->series_uid[0] = header->series_number[0] = header->series_description[0] = '\0';
    cmd_ct_release(&ct);
    return status;
}

static rp_status nifti_to_series(const convert_options *o, rp_error *err)
{
    rp_dicom_header header;
    cmd_ct ct = {0};
    rp_stage stage = {0};
    rp_status status = reference_header(o, &header, err);
    if (!status) status = load_ct(o, o->in, &ct, err);
    if (!status && ct.label[0])
        snprintf(header.series_description, sizeof header.series_description, "%s",
                 strcmp(ct.label, "simulated") == 0 ? "SIMULATED" : "SYNTHETIC");
    if (!status) status = cmd_prepare_folder(o->out, err);
    if (!status) status = cmd_refuse_existing(o->out, "slice-0001.dcm", err);
    if (!status) status = rp_stage_begin(o->out, &stage, err);
    if (!status)
        status =
            rp_dicom_series_write(stage.temporary, &ct.series.image, &header, ct.sha256, NULL, err);
    if (!status) status = rp_stage_commit(&stage, err);
    rp_stage_release(&stage);
    cmd_ct_release(&ct);
    return status;
}

static rp_status model_to_model(const convert_options *o, const char *file, rp_error *err)
{
    rp_model model;
    rp_status status = rp_model_read(file, &model, err);
    if (status) return status;
    status =
        o->half ? rp_model_write_half(o->out, &model, err) : rp_model_write(o->out, &model, err);
    rp_model_release(&model);
    return status;
}

/* ---- the command
 * -------------------------------------------------------------------------------------------- */

static rp_status prepare(const convert_options *o, const char *file, form to, rp_error *err)
{
    rp_status status = cmd_common_apply(&o->common, err);
    if (!status) status = cmd_protect_input(file, o->out, err);
    if (!status && o->reference) status = cmd_protect_input(o->reference, o->out, err);
    return status || to == FORM_SERIES ? status : cmd_prepare_file(o->out, err);
}

/* Sets *usage where these two forms do not go together. */
static rp_status convert(const convert_options *o, form to, const char **usage, rp_error *err)
{
    RP_AUTOFREE char *file = NULL;
    const char *roi;
    form from = FORM_UNKNOWN;
    rp_status status = cmd_split_roi(o->in, &file, &roi, err);
    if (!status) status = form_of_input(file, &from, err);
    if (status) return status;
    if ((from == FORM_MODEL) != (to == FORM_MODEL))
        *usage = "a model (.safetensors) becomes a model only, and nothing else becomes one";
    else if (o->half && to != FORM_MODEL)
        *usage = "--half is for models";
    else if (from == FORM_SERIES && to != FORM_NIFTI)
        *usage = "a DICOM series becomes NIfTI only";
    else if ((from == FORM_RTSTRUCT || from == FORM_SEG) && to == FORM_SERIES)
        *usage = "contours become NIfTI, RTSTRUCT or SEG, but no image";
    else if (from == FORM_RTSTRUCT && !o->reference)
        *usage = "an RTSTRUCT needs --reference CT, the image that it belongs to";
    else if ((to == FORM_RTSTRUCT || to == FORM_SEG) && !o->reference)
        *usage =
            "an RTSTRUCT or SEG needs --reference CT, the DICOM folder that it shall belong to";
    else if (o->region && to != FORM_SEG)
        *usage = "--region is for a SEG to be written";
    else if (o->fraction > 0.0 && from != FORM_SEG)
        *usage = "--fraction is for a SEG to be read";
    if (*usage) return RP_OK;
    status = prepare(o, file, to, err);
    if (status) return status;
    if (from == FORM_MODEL) return model_to_model(o, file, err);
    if (from == FORM_SERIES) return series_to_nifti(o, err);
    if (to != FORM_SERIES && o->reference) return through_reference(o, to, err);
    if (from == FORM_SEG) return seg_to_nifti(file, roi, o, err);
    return to == FORM_NIFTI ? nifti_to_nifti(file, roi, o->out, err) : nifti_to_series(o, err);
}

int cmd_convert(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "IN[:ROI] OUT",
        .children = children,
        .doc = "Converts images, contours and models. IN is a DICOM folder, an RTSTRUCT, a SEG, a "
               "NIfTI file or a model.\v"
               "OUT ends in .nii or .nii.gz (an image or a mask), in .dcm (an RTSTRUCT or a SEG), "
               "or is a "
               "folder (a CT series); of a model it ends in .safetensors. Values stay as they are; "
               "files hold int16 where that is exact."};
    convert_options o = {.as = FORM_UNKNOWN};
    rp_error err = {0};
    const char *usage = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    const form to = form_of_output(o.out, o.as);
    if (o.as != FORM_UNKNOWN && to != o.as)
        return cmd_usage("convert", "--as is for an OUT that ends in .dcm, unlike %s", o.out);
    if (to == FORM_UNKNOWN)
        return cmd_usage("convert",
                         "%s: OUT ends in .nii, .nii.gz, .dcm or .safetensors, or is a folder",
                         o.out);
    const rp_status status = convert(&o, to, &usage, &err);
    if (usage) return cmd_usage("convert", "%s", usage);
    return status ? cmd_fail(&err) : CMD_DONE;
}
