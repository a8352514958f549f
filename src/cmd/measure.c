/* reprise measure: diameters and volumes of the lesions in a mask. */
#include "cmd.h"

#include <string.h>

enum { KEY_MASK = 1, KEY_IMAGE, KEY_DEFINITION, KEY_LABELS, KEY_JSON };

typedef struct measure_options {
    cmd_common common;
    const char *mask, *image;
    rp_diameter_definition definition;
    bool labels, json;
} measure_options;

/* What was measured; image is optional. */
typedef struct measured {
    cmd_ct ct;
    rp_labels labels;
    char label[32]; /* "synthetic", "simulated" or "" */
    rp_lesion *lesions;
    size_t count;
} measured;

static const struct argp_option options[] = {
    {"mask", KEY_MASK, "FILE[:ROI]", 0,
     "NIfTI mask or label map, SEG, or an RTSTRUCT (with --image); ROI by name or number", 0},
    {"image", KEY_IMAGE, "CT", 0, "The image of the mask: DICOM folder or NIfTI file", 0},
    {"definition", KEY_DEFINITION, "NAME", 0,
     "convex (default): largest distance within a slice; inside: longest segment within the lesion",
     0},
    {"labels", KEY_LABELS, NULL, 0,
     "One lesion for each label value (default: for each connected component)", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    measure_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_MASK:
        o->mask = argument;
        return 0;
    case KEY_IMAGE:
        o->image = argument;
        return 0;
    case KEY_DEFINITION:
        if (!cmd_parse_definition(argument, &o->definition))
            argp_error(state, "--definition takes convex or inside, not '%s'", argument);
        return 0;
    case KEY_LABELS:
        o->labels = true;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s': a mask goes behind --mask", argument);
        return 0;
    case ARGP_KEY_END:
        if (!o->mask) argp_error(state, "--mask is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static rp_status load_components(const measure_options *o, measured *m, rp_error *err)
{
    rp_mask mask;
    int32_t count;
    rp_status status =
        cmd_mask_load(o->mask, o->image, cmd_progress(&o->common), &m->ct, &mask, err);
    if (status) return status;
    memcpy(m->label, m->ct.label, sizeof m->label);
    status = rp_mask_components(&mask, 26, &m->labels, &count, NULL, err);
    rp_mask_release(&mask);
    return status;
}

static rp_status load_labels(const measure_options *o, measured *m, rp_error *err)
{
    if (!rp_path_exists(o->mask)) return rp_fail(err, RP_ERR_IO, "%s: no such file", o->mask);
    if (!rp_nifti_probe(o->mask))
        return rp_fail(err, RP_ERR_FORMAT, "%s: --labels needs a NIfTI label map", o->mask);
    rp_remarks odd = {0};
    rp_status status = rp_nifti_read_labels(o->mask, &m->labels, &odd, err);
    if (!status && !o->image) cmd_remark_plane(&m->labels.grid, false, &odd);
    cmd_tell_all(o->mask, &odd);
    cmd_find_label(o->mask, NULL, m->label);
    if (status || !o->image) return status;
    status = cmd_ct_load(o->image, NULL, cmd_progress(&o->common), &m->ct, err);
    cmd_add_label(m->label, m->ct.label);
    if (!status && !rp_grid_same(&m->labels.grid, &m->ct.series.image.grid, 0.01))
        status = rp_fail(err, RP_ERR_REFUSED,
                         "%s: not on the grid of %s; without --labels a mask is put there", o->mask,
                         o->image);
    return status;
}

static void print_table(const measure_options *o, const measured *m)
{
    printf("definition of the longest diameter: %s\n", rp_diameter_definition_name(o->definition));
    if (m->label[0]) printf("data: %s\n", m->label);
    if (m->count && m->lesions[0].slice_axis != 2)
        printf("slices: axial, counted along the file's %s axis\n",
               m->lesions[0].slice_axis ? "second" : "first");
    if (m->count == 0)
        printf("no lesion: the mask is empty\n");
    else
        printf("%6s %12s %12s %12s %7s\n", "lesion", "longest mm", "short mm", "volume cc",
               "slice");
    for (size_t i = 0; i < m->count; i++) {
        const rp_lesion *l = &m->lesions[i];
        printf("%6d %12.1f %12.1f %12.2f %7d\n", l->label, l->longest_diameter_mm, l->short_axis_mm,
               l->volume_cc, l->slice_index);
    }
}

static rp_status print_json(const measure_options *o, const measured *m, rp_error *err)
{
    rp_json *json = rp_json_object(), *lesions = rp_json_array();
    for (size_t i = 0; i < m->count; i++)
        rp_json_append(lesions, cmd_lesion_json(&m->lesions[i], &m->ct.series));
    rp_json_set_string(json, "definition", rp_diameter_definition_name(o->definition));
    const rp_grid *grid = &m->labels.grid;
    rp_json_set_number(json, "slice_spacing_mm", grid->spacing[rp_grid_axial_axis(grid)]);
    rp_json_set(json, "lesions", lesions);
    rp_json_set_string(json, "label", m->label);
    rp_json_set_string(json, "program_version", RP_VERSION);
    cmd_set_told(json);
    return cmd_print_json(json, err);
}

static rp_status run(const measure_options *o, measured *m, rp_error *err)
{
    rp_status status = cmd_common_apply(&o->common, err);
    if (!status) status = o->labels ? load_labels(o, m, err) : load_components(o, m, err);
    if (!status) status = rp_measure_labels(&m->labels, o->definition, &m->lesions, &m->count, err);
    if (status) return status;
    if (o->json) return print_json(o, m, err);
    print_table(o, m);
    return RP_OK;
}

int cmd_measure(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Measures each lesion of a mask: longest axial diameter, short axis, volume.\v"
               "Of a mask, lesions are its connected components, the largest first."};
    measure_options o = {.definition = RP_DIAMETER_CONVEX};
    measured m = {0};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    const rp_status status = run(&o, &m, &err);
    rp_free(m.lesions);
    rp_labels_release(&m.labels);
    cmd_ct_release(&m.ct);
    return status ? cmd_fail(&err) : CMD_DONE;
}
