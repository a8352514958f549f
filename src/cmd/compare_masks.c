/* reprise compare-masks: a predicted mask held against a reference. */
#include "input.h"

#include <math.h>
#include <string.h>

enum { KEY_REFERENCE = 1, KEY_PREDICTION, KEY_IMAGE, KEY_TOLERANCE, KEY_RESAMPLE, KEY_JSON };

typedef struct compare_options {
    cmd_common common;
    const char *reference, *prediction, *image;
    double tolerances_mm[RP_OVERLAP_TOLERANCES];
    size_t tolerance_count;
    bool resample, json;
} compare_options;

/* One of the two masks. */
typedef struct side {
    const char *spec; /* as given; borrowed */
    rp_mask mask;
    char sha256[RP_SHA256_HEX], label[32];
    bool resampled;
    double cc_before; /* volume before it was resampled */
} side;

typedef struct compared {
    cmd_ct ct; /* loaded for what was drawn on it only */
    side reference, prediction;
    rp_overlap overlap;
} compared;

static const struct argp_option options[] = {
    {"reference", KEY_REFERENCE, "FILE[:ROI]", 0,
     "The mask that counts as true: NIfTI, SEG, or an RTSTRUCT (with --image); ROI by name or "
     "number",
     0},
    {"prediction", KEY_PREDICTION, "FILE[:ROI]", 0, "The mask that is held against it", 0},
    {"image", KEY_IMAGE, "CT", 0, "The image that an RTSTRUCT or a SEG was drawn on", 0},
    {"tolerance", KEY_TOLERANCE, "MM", 0,
     "Of the surface Dice; may be given several times (default: 2 and 5)", 0},
    {"resample", KEY_RESAMPLE, NULL, 0,
     "Puts the prediction on the reference's grid where that differs", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {0}};

static error_t add_tolerance(compare_options *o, const char *text, struct argp_state *state)
{
    double mm;
    if (!cmd_parse_number(text, &mm) || !isfinite(mm) || mm < 0.0)
        argp_error(state, "--tolerance takes a length of at least 0 mm, not '%s'", text);
    else if (o->tolerance_count == RP_OVERLAP_TOLERANCES)
        argp_error(state, "more than %d --tolerance", RP_OVERLAP_TOLERANCES);
    else
        o->tolerances_mm[o->tolerance_count++] = mm;
    return 0;
}

static error_t check_complete(compare_options *o, struct argp_state *state)
{
    if (!o->reference) argp_error(state, "--reference is missing");
    if (!o->prediction) argp_error(state, "--prediction is missing");
    if (o->tolerance_count) return 0;
    o->tolerances_mm[o->tolerance_count++] = 2.0;
    o->tolerances_mm[o->tolerance_count++] = 5.0;
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    compare_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_REFERENCE:
        o->reference = argument;
        return 0;
    case KEY_PREDICTION:
        o->prediction = argument;
        return 0;
    case KEY_IMAGE:
        o->image = argument;
        return 0;
    case KEY_TOLERANCE:
        return add_tolerance(o, argument, state);
    case KEY_RESAMPLE:
        o->resample = true;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        return check_complete(o, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- loading ----------------------------------------------------------------------------- */

static rp_status load_mask(const char *file, const char *roi, side *s, rp_error *err)
{
    rp_remarks odd = {0};
    rp_status status = cmd_mask_read(file, roi, &s->mask, &odd, err);
    cmd_tell_all(file, &odd);
    if (!status) status = rp_sha256_file(file, s->sha256, err);
    if (!status) cmd_find_label(file, NULL, s->label);
    return status;
}

/* The image is loaded once for both. */
static rp_status load_on_image(const compare_options *o, const char *file, side *s, cmd_ct *ct,
                               rp_error *err)
{
    cmd_contour contour = {0};
    rp_status status = RP_OK;
    if (!o->image)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: an RTSTRUCT needs the image that it was drawn on: --image", file);
    if (!ct->path) status = cmd_ct_load(o->image, NULL, cmd_progress(&o->common), ct, err);
    if (!status) status = cmd_contour_load(s->spec, ct, NULL, &contour, err);
    cmd_progress_end();
    if (status) return status;
    s->mask = contour.mask;
    contour.mask = (rp_mask){0};
    memcpy(s->sha256, contour.sha256, sizeof s->sha256);
    memcpy(s->label, contour.label, sizeof s->label);
    cmd_add_label(s->label, ct->label);
    cmd_contour_release(&contour);
    return RP_OK;
}

static rp_status load_side(const compare_options *o, side *s, cmd_ct *ct, rp_error *err)
{
    RP_AUTOFREE char *file = NULL;
    const char *roi;
    rp_status status = cmd_split_roi(s->spec, &file, &roi, err);
    if (status) return status;
    if (rp_path_is_directory(file))
        return rp_fail(err, RP_ERR_FORMAT, "%s: a folder, not an RTSTRUCT, SEG or NIfTI file",
                       file);
    if (rp_nifti_probe(file)) return load_mask(file, roi, s, err);
    if (rp_rtstruct_probe(file)) return load_on_image(o, file, s, ct, err);
    if (!rp_seg_probe(file))
        return rp_fail(err, RP_ERR_FORMAT, "%s: no RTSTRUCT, SEG or NIfTI mask", file);
    /* A SEG has a grid of its own, but commonly for fewer slices than its image. */
    return o->image ? load_on_image(o, file, s, ct, err) : load_mask(file, roi, s, err);
}

static rp_status refuse_grid(const side *p, const side *r, rp_error *err)
{
    const rp_grid *a = &p->mask.grid, *b = &r->mask.grid;
    return rp_fail(err, RP_ERR_REFUSED,
                   "%s: not on the grid of %s (%dx%dx%d voxels of %.4gx%.4gx%.4g mm against "
                   "%dx%dx%d of %.4gx%.4gx%.4g mm, or another place or direction); --resample "
                   "puts it there",
                   p->spec, r->spec, a->size[0], a->size[1], a->size[2], a->spacing[0],
                   a->spacing[1], a->spacing[2], b->size[0], b->size[1], b->size[2], b->spacing[0],
                   b->spacing[1], b->spacing[2]);
}

static rp_status match_grids(const compare_options *o, side *p, const side *r, rp_error *err)
{
    rp_remarks odd = {0};
    const rp_grid *grid = &r->mask.grid;
    if (rp_grid_same(&p->mask.grid, grid, 1e-2)) return RP_OK;
    if (!o->resample) return refuse_grid(p, r, err);
    p->resampled = true;
    p->cc_before = cmd_mask_cc(&p->mask);
    rp_status status = input_put_on(p->spec, &p->mask, grid, r->spec, &odd, err);
    cmd_tell_all(p->spec, &odd);
    return status;
}

static rp_status load(const compare_options *o, compared *c, rp_error *err)
{
    c->reference.spec = o->reference;
    c->prediction.spec = o->prediction;
    rp_status status = load_side(o, &c->reference, &c->ct, err);
    if (!status) status = load_side(o, &c->prediction, &c->ct, err);
    if (!status && o->image && !c->ct.path)
        status =
            rp_fail(err, RP_ERR_ARGUMENT,
                    "%s: --image is for an RTSTRUCT or a SEG, and neither mask is one", o->image);
    return status ? status : match_grids(o, &c->prediction, &c->reference, err);
}

/* ---- text -------------------------------------------------------------------------------- */

static const char *made_label(const compared *c)
{
    return c->reference.label[0] ? c->reference.label : c->prediction.label;
}

static void print_mm(const char *name, double mm, const rp_overlap *o)
{
    if (o->surfaces_defined)
        printf("%-24s %8.2f mm\n", name, mm);
    else
        printf("%-24s undefined: %s\n", name, o->surfaces_reason);
}

/* Words after a hanging indent, in lines of 80 columns. */
static void print_wrapped(const char *key, const char *text)
{
    int column = printf("  %-17s", key);
    const int indent = column;
    while (*text) {
        const int length = (int)strcspn(text, " ");
        if (column + 1 + length > 80) column = printf("\n%*s", indent, "") - 1;
        column += printf(" %.*s", length, text);
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_definitions(void)
{
    const char *key, *text;
    printf("definitions\n");
    for (size_t i = 0; rp_overlap_definition(i, &key, &text); i++) print_wrapped(key, text);
}

static void print_text(const compare_options *options_given, const compared *c)
{
    const rp_overlap *o = &c->overlap;
    if (made_label(c)[0]) printf("%-24s %s\n", "label", made_label(c));
    printf("%-24s %8.2f cc  %s\n", "reference", o->reference_cc, c->reference.spec);
    printf("%-24s %8.2f cc  %s\n", "prediction", o->prediction_cc, c->prediction.spec);
    if (c->prediction.resampled)
        printf("%-24s the prediction was put on the reference's grid; %.2f cc before\n",
               "resampled", c->prediction.cc_before);
    printf("%-24s %+8.2f cc", "volume difference", o->volume_difference_cc);
    if (isfinite(o->volume_difference_percent))
        printf("  %+.1f%%\n", o->volume_difference_percent);
    else
        printf("  percent undefined: the reference is empty\n");
    printf("%-24s %8.4f\n", "Dice", o->dice);
    for (size_t t = 0; t < o->tolerance_count; t++) {
        char name[48];
        snprintf(name, sizeof name, "surface Dice at %g mm", o->tolerance_mm[t]);
        printf("%-24s %8.4f\n", name, o->surface_dice[t]);
    }
    print_mm("Hausdorff 95", o->hd95_mm, o);
    print_mm("Hausdorff, maximum", o->hd_mm, o);
    print_mm("mean surface distance", o->msd_mm, o);
    if (!options_given->common.quiet) print_definitions();
}

/* ---- JSON -------------------------------------------------------------------------------- */

static rp_json *side_json(const side *s, size_t voxels, double cc)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "path", s->spec);
    rp_json_set_string(json, "sha256", s->sha256);
    rp_json_set_string(json, "label", s->label);
    rp_json_set_int(json, "voxels", (int64_t)voxels);
    rp_json_set_number(json, "volume_cc", cc);
    rp_json_set_bool(json, "resampled", s->resampled);
    if (s->resampled) rp_json_set_number(json, "volume_before_cc", s->cc_before);
    return json;
}

static rp_json *directed_json(const rp_surface_distance *d)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "hd95_mm", d->hd95_mm);
    rp_json_set_number(json, "hd_mm", d->hd_mm);
    rp_json_set_number(json, "mean_mm", d->mean_mm);
    rp_json_set_number(json, "area_mm2", d->area_mm2);
    return json;
}

static rp_json *surface_dice_json(const rp_overlap *o)
{
    rp_json *list = rp_json_array();
    for (size_t t = 0; t < o->tolerance_count; t++) {
        rp_json *one = rp_json_object();
        rp_json_set_number(one, "tolerance_mm", o->tolerance_mm[t]);
        rp_json_set_number(one, "value", o->surface_dice[t]);
        rp_json_append(list, one);
    }
    return list;
}

static rp_json *definitions_json(void)
{
    const char *key, *text;
    rp_json *json = rp_json_object();
    for (size_t i = 0; rp_overlap_definition(i, &key, &text); i++)
        rp_json_set_string(json, key, text);
    return json;
}

static rp_json *result_json(const compared *c)
{
    const rp_overlap *o = &c->overlap;
    const rp_grid *grid = &c->reference.mask.grid;
    rp_json *json = rp_json_object(), *on = rp_json_object();
    rp_json_set_string(json, "label", made_label(c));
    rp_json_set(json, "reference", side_json(&c->reference, o->reference_voxels, o->reference_cc));
    rp_json_set(json, "prediction",
                side_json(&c->prediction, o->prediction_voxels, o->prediction_cc));
    rp_json_set(on, "size_zyx", cmd_zyx_json(grid->size));
    rp_json_set_numbers(on, "spacing_mm_xyz", grid->spacing, 3);
    rp_json_set(json, "grid", on);
    rp_json_set_number(json, "dice", o->dice);
    rp_json_set_int(json, "common_voxels", (int64_t)o->common_voxels);
    rp_json_set_number(json, "volume_difference_cc", o->volume_difference_cc);
    rp_json_set_number(json, "volume_difference_absolute_cc", o->volume_difference_absolute_cc);
    rp_json_set_number(json, "volume_difference_percent", o->volume_difference_percent);
    rp_json_set_bool(json, "surfaces_defined", o->surfaces_defined);
    rp_json_set_string(json, "undefined_because", o->surfaces_defined ? NULL : o->surfaces_reason);
    rp_json_set_number(json, "hd95_mm", o->hd95_mm);
    rp_json_set_number(json, "hd_mm", o->hd_mm);
    rp_json_set_number(json, "msd_mm", o->msd_mm);
    rp_json_set(json, "surface_dice", surface_dice_json(o));
    rp_json_set(json, "from_reference", directed_json(&o->from_reference));
    rp_json_set(json, "from_prediction", directed_json(&o->from_prediction));
    rp_json_set(json, "definitions", definitions_json());
    return json;
}

/* ---- the command ------------------------------------------------------------------------- */

static rp_status run(const compare_options *o, compared *c, int argc, char **argv, rp_error *err)
{
    rp_status status = cmd_common_apply(&o->common, err);
    if (!status) status = load(o, c, err);
    if (!status)
        status = rp_measure_overlap(&c->reference.mask, &c->prediction.mask, o->tolerances_mm,
                                    o->tolerance_count, &c->overlap, err);
    if (status) return status;
    if (!o->json) {
        print_text(o, c);
        return RP_OK;
    }
    rp_json *json = result_json(c);
    rp_json_set(json, "provenance", cmd_provenance_json(argc, argv));
    return cmd_print_json(json, err);
}

int cmd_compare_masks(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc =
            "Holds a predicted mask against a reference: Dice, Hausdorff distances, mean surface "
            "distance, surface Dice, volume difference.\v"
            "Distances are undefined where a mask is empty. Both masks must be on one grid."};
    compare_options o = {0};
    compared c = {0};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    const rp_status status = run(&o, &c, argc, argv, &err);
    rp_mask_release(&c.reference.mask);
    rp_mask_release(&c.prediction.mask);
    cmd_ct_release(&c.ct);
    return status ? cmd_fail(&err) : CMD_DONE;
}
