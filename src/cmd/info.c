/* reprise info: what is in a file or folder. */
#include "info.h"
#include "origin.h"
#include "reprise/dicom_sr.h"

#include <string.h>

enum { KEY_JSON = 1, KEY_IDENTIFIERS, KEY_PLAN, KEY_CONTOUR };

typedef struct info_options {
    cmd_common common;
    const char *path, *contour;
    bool json, identifiers, box;
    int plan[3]; /* x, y, z; 0: not given */
} info_options;

static const struct argp_option options[] = {
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {"identifiers", KEY_IDENTIFIERS, NULL, 0,
     "Also what identifies the patient: name, ID, birth date, sex, study, accession number", 0},
    {"plan", KEY_PLAN, "ZxYxX|box", 0,
     "The memory of a model's network, or of the default one, at so many voxels, or of what assess "
     "makes by default for a lesion",
     0},
    {"contour", KEY_CONTOUR, "FILE[:ROI]", 0, "The lesion on the CT, with --plan=box", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    info_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_IDENTIFIERS:
        o->identifiers = true;
        return 0;
    case KEY_PLAN:
        o->box = strcmp(argument, "box") == 0;
        if (!o->box && !cmd_parse_extent(argument, CMD_LARGEST_EXTENT, o->plan))
            argp_error(state,
                       "--plan takes voxels as ZxYxX, such as 48x96x96, up to %d, or box, not '%s'",
                       CMD_LARGEST_EXTENT, argument);
        return 0;
    case KEY_CONTOUR:
        o->contour = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) argp_error(state, "unexpected argument '%s'", argument);
        o->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (!o->path && !o->plan[0]) argp_error(state, "PATH is missing");
        if (o->box != (o->contour != NULL))
            argp_error(state, "--plan=box and --contour go together");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- pieces
 * -------------------------------------------------------------------------------------------- */

static rp_json *ints_json(const int *values, int count)
{
    rp_json *array = rp_json_array();
    for (int i = 0; i < count; i++) rp_json_append_int(array, values[i]);
    return array;
}

void info_set_identifiers(rp_json *json, const rp_dicom_header *h)
{
    rp_json *of = rp_json_object();
    rp_json_set_string(of, "patient_id", h->patient_id);
    rp_json_set_string(of, "patient_name", h->patient_name);
    rp_json_set_string(of, "birth_date", h->patient_birth_date);
    rp_json_set_string(of, "sex", h->patient_sex);
    rp_json_set_string(of, "study_uid", h->study_uid);
    rp_json_set_string(of, "study_date", h->study_date);
    rp_json_set_string(of, "acquisition_date", h->acquisition_date);
    rp_json_set_string(of, "accession_number", h->accession_number);
    rp_json_set(json, "identifiers", of);
}

static void set_grid(rp_json *json, const rp_grid *g)
{
    rp_json *direction = rp_json_array();
    rp_json_set(json, "size_xyz", ints_json(g->size, 3));
    rp_json_set_numbers(json, "spacing_mm", g->spacing, 3);
    rp_json_set_numbers(json, "origin_lps_mm", g->origin, 3);
    for (int r = 0; r < 3; r++) {
        rp_json *row = rp_json_array();
        for (int a = 0; a < 3; a++) rp_json_append_number(row, g->direction[r][a]);
        rp_json_append(direction, row);
    }
    rp_json_set(json, "direction", direction);
}

/* ---- kinds
 * ------------------------------------------------------------------------------------------------
 */

static rp_status add_report(const info_options *o, rp_json *json, char label[32], rp_error *err)
{
    rp_dicom_header header;
    const rp_status status = info_report(o->path, o->identifiers, json, &header, err);
    if (status) return status;
    if (o->identifiers) info_set_identifiers(json, &header);
    cmd_find_label(o->path, &header, label);
    if (label[0]) rp_json_set_string(json, "label", label);
    return RP_OK;
}

static rp_json *roi_json(const rp_roi *roi)
{
    rp_json *json = rp_json_object();
    size_t points = 0;
    for (size_t i = 0; i < roi->contour_count; i++) points += roi->contours[i].count;
    rp_json_set_int(json, "number", roi->number);
    rp_json_set_string(json, "name", roi->name);
    rp_json_set_int(json, "contours", (int64_t)roi->contour_count);
    rp_json_set_int(json, "points", (int64_t)points);
    if (roi->frame_of_reference_uid[0])
        rp_json_set_string(json, "frame_of_reference_uid", roi->frame_of_reference_uid);
    if (roi->fault[0]) rp_json_set_string(json, "fault", roi->fault);
    return json;
}

static rp_status add_rtstruct(const info_options *o, rp_json *json, rp_error *err)
{
    rp_rtstruct contours = {0};
    rp_status status = rp_rtstruct_read(o->path, &contours, err);
    if (status) return status;
    cmd_tell(o->path, &contours.remarks);
    rp_json *rois = rp_json_array();
    for (size_t i = 0; i < contours.roi_count; i++)
        rp_json_append(rois, roi_json(&contours.rois[i]));
    rp_json_set_string(json, "kind", "RTSTRUCT");
    rp_json_set_string(json, "referenced_series_uid", contours.referenced_series_uid);
    rp_json_set_string(json, "frame_of_reference_uid", contours.header.frame_of_reference_uid);
    rp_json_set(json, "rois", rois);
    if (o->identifiers) info_set_identifiers(json, &contours.header);
    rp_rtstruct_release(&contours);
    return RP_OK;
}

static rp_json *segment_json(const rp_seg_segment *segment)
{
    rp_json *json = rp_json_object();
    rp_json_set_int(json, "number", segment->number);
    rp_json_set_string(json, "name", segment->name);
    rp_json_set_string(json, "property", segment->property);
    rp_json_set_int(json, "frames", (int64_t)segment->frames);
    return json;
}

static rp_status add_seg(const info_options *o, rp_json *json, rp_error *err)
{
    rp_seg seg = {0};
    rp_status status = rp_seg_read(o->path, &seg, err);
    if (status) return status;
    rp_json *segments = rp_json_array();
    for (size_t i = 0; i < seg.segment_count; i++)
        rp_json_append(segments, segment_json(&seg.segments[i]));
    rp_json_set_string(json, "kind", "SEG");
    rp_json_set_string(json, "type", rp_seg_type_name(seg.type));
    rp_json_set_int(json, "columns", seg.columns);
    rp_json_set_int(json, "rows", seg.rows);
    rp_json_set_int(json, "frames", (int64_t)seg.frame_count);
    rp_json_set_string(json, "referenced_series_uid", seg.referenced_series_uid);
    rp_json_set_string(json, "frame_of_reference_uid", seg.header.frame_of_reference_uid);
    rp_json_set(json, "segments", segments);
    if (o->identifiers) info_set_identifiers(json, &seg.header);
    rp_seg_release(&seg);
    return RP_OK;
}

static rp_status add_nifti(const info_options *o, rp_json *json, rp_error *err)
{
    rp_nifti_info info;
    rp_remarks odd = {0};
    rp_status status = rp_nifti_info_read(o->path, &info, &odd, err);
    cmd_tell_all(o->path, &odd);
    if (status) return status;
    rp_json_set_string(json, "kind", "NIfTI");
    rp_json_set_int(json, "version", info.version);
    rp_json_set_bool(json, "gzip", info.gzip);
    rp_json_set_bool(json, "byte_swapped", info.swapped);
    rp_json_set_int(json, "datatype", info.datatype);
    rp_json_set_number(json, "scl_slope", info.scl_slope);
    rp_json_set_number(json, "scl_inter", info.scl_inter);
    rp_json_set_string(json, "geometry_from", info.geometry);
    rp_json *origin = cmd_origin_read(o->path);
    if (origin) rp_json_set(json, "origin", origin);
    set_grid(json, &info.grid);
    cmd_set_remarks(json);
    return RP_OK;
}

rp_json *info_architecture_json(const rp_fcd_config *c)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "name", "3D FC-DenseNet");
    rp_json_set_int(json, "in_channels", c->in_channels);
    rp_json_set_int(json, "classes", c->classes);
    rp_json_set_int(json, "first_filters", c->first_filters);
    rp_json_set_int(json, "growth", c->growth);
    rp_json_set(json, "down_layers", ints_json(c->down_layers, c->levels));
    rp_json_set_int(json, "bottleneck_layers", c->bottleneck_layers);
    rp_json_set_number(json, "dropout", c->dropout);
    rp_json_set_string(json, "norm", rp_norm_mode_name(c->norm));
    return json;
}

static rp_json *provenance_json(const rp_model_provenance *p)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "program_version", p->program_version);
    rp_json_set_string(json, "trained_on_image_sha256", p->trained_on_image_sha256);
    rp_json_set_string(json, "trained_on_mask_sha256", p->trained_on_mask_sha256);
    rp_json_set_string(json, "base_model_sha256", p->base_model_sha256);
    rp_json_set_string(json, "label", p->label);
    if (p->image_repair[0]) rp_json_set_string(json, "image_repair", p->image_repair);
    rp_json_set_int(json, "seed", (int64_t)p->seed);
    rp_json_set_int(json, "epochs", p->epochs);
    rp_json_set_string(json, "kernels", p->kernels);
    if (p->has_self_dice) rp_json_set_number(json, "self_dice", p->self_dice);
    return json;
}

static rp_status add_model(const info_options *o, rp_json *json, rp_error *err)
{
    rp_model model = {0};
    rp_status status = rp_model_read(o->path, &model, err);
    if (status) return status;
    rp_json *preprocessing = rp_json_object();
    rp_json_set_string(json, "kind", "model");
    rp_json_set_int(json, "parameters", (int64_t)rp_fcd_trainable(model.net));
    rp_json_set_string(json, "sha256", model.sha256);
    rp_json_set(json, "architecture", info_architecture_json(rp_fcd_config_of(model.net)));
    rp_json_set_number(preprocessing, "window_low_hu", model.preprocessing.window_low_hu);
    rp_json_set_number(preprocessing, "window_high_hu", model.preprocessing.window_high_hu);
    rp_json_set_numbers(preprocessing, "spacing_mm", model.preprocessing.spacing, 3);
    if (model.region[0]) rp_json_set(preprocessing, "region_zyx", cmd_zyx_json(model.region));
    rp_json_set(json, "preprocessing", preprocessing);
    rp_json_set(json, "provenance", provenance_json(&model.provenance));
    rp_model_release(&model);
    return RP_OK;
}

/* ---- printing
 * -------------------------------------------------------------------------------------------------
 */

static void print_value(const rp_json *value, int depth);

static void print_scalar(const rp_json *value)
{
    double number;
    const char *text = rp_json_as_string(value);
    if (text)
        printf("%s", *text ? cmd_shown(text) : "-");
    else if (rp_json_as_number(value, &number))
        printf("%.10g", number);
}

/* Objects and lists that hold others take lines of their own; lists of numbers one line. */
static bool holds_others(const rp_json *value)
{
    const rp_json *first = rp_json_at(value, 0);
    return rp_json_key_at(value, 0) || (first && rp_json_length(first) > 0);
}

static void print_member(const rp_json *object, size_t i, int depth)
{
    const char *key = rp_json_key_at(object, i);
    const rp_json *value = rp_json_at(object, i);
    bool flag;
    if (key)
        printf("%*s%s:", 2 * depth, "", cmd_shown(key));
    else
        printf("%*s-", 2 * depth, "");
    if (holds_others(value)) {
        putchar('\n');
        print_value(value, depth + 1);
        return;
    }
    putchar(' ');
    if (key && rp_json_get_bool(object, key, &flag))
        printf("%s", flag ? "yes" : "no");
    else if (rp_json_length(value) == 0)
        print_scalar(value);
    for (size_t j = 0; j < rp_json_length(value); j++) {
        if (j > 0) putchar(' ');
        print_scalar(rp_json_at(value, j));
    }
    putchar('\n');
}

static void print_value(const rp_json *value, int depth)
{
    for (size_t i = 0; i < rp_json_length(value); i++) print_member(value, i, depth);
}

/* ---- the command
 * --------------------------------------------------------------------------------------------------
 */

static bool looks_like_safetensors(const char *path)
{
    const size_t length = strlen(path);
    return length > 12 && strcmp(path + length - 12, ".safetensors") == 0;
}

static rp_status describe(const info_options *o, rp_json *json, rp_error *err)
{
    const char *path = o->path;
    char label[32] = "";
    rp_json_set_string(json, "path", path);
    if (!rp_path_exists(path)) return rp_fail(err, RP_ERR_IO, "%s: no such file or folder", path);
    rp_status status;
    if (rp_path_is_directory(path))
        status = info_dicom(path, o->identifiers, json, err);
    else if (looks_like_safetensors(path))
        status = add_model(o, json, err);
    else if (rp_sr_probe(path))
        return add_report(o, json, label, err);
    else if (rp_nifti_probe(path))
        status = add_nifti(o, json, err);
    else if (rp_rtstruct_probe(path))
        status = add_rtstruct(o, json, err);
    else if (rp_seg_probe(path))
        status = add_seg(o, json, err);
    else if (rp_dicom_probe(path))
        status = info_dicom(path, o->identifiers, json, err);
    else
        status =
            rp_fail(err, RP_ERR_FORMAT, "%s: not DICOM, NIfTI or a model (.safetensors)", path);
    if (status) return status;
    cmd_find_label(path, NULL, label);
    if (label[0]) rp_json_set_string(json, "label", label);
    return RP_OK;
}

static rp_status show_plan(const info_options *o, rp_error *err)
{
    if (o->box) return info_plan_box(o->path, o->contour, o->json, err);
    if (o->path && !looks_like_safetensors(o->path))
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: --plan is about a model (.safetensors)", o->path);
    return info_plan(o->path, o->plan, NULL, o->json, err);
}

static rp_status show_content(const info_options *o, rp_error *err)
{
    rp_json *json = rp_json_object();
    rp_status status = describe(o, json, err);
    if (!status && o->json) return cmd_print_json(json, err);
    if (!status && rp_json_get(json, "series"))
        info_print_dicom(json);
    else if (!status)
        print_value(json, 0);
    rp_json_destroy(json);
    return status;
}

int cmd_info(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cmd_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "PATH\n--plan=ZxYxX [MODEL]\n--plan=box --contour=FILE[:ROI] CT",
        .children = children,
        .doc =
            "Tells what is in a DICOM folder, file or DICOMDIR, an RTSTRUCT, a SEG, a structured "
            "report of measurements, a NIfTI file or a model. Of DICOM images: which patients, "
            "studies and series there are, what is usable, "
            "and why the rest is not.\v"
            "What identifies a patient is shown with --identifiers only."};
    info_options o = {0};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    rp_status status = cmd_common_apply(&o.common, &err);
    cmd_doing("looking at %s", o.path);
    if (!status) status = o.plan[0] || o.box ? show_plan(&o, &err) : show_content(&o, &err);
    return status ? cmd_fail(&err) : CMD_DONE;
}
