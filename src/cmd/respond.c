/* reprise respond: the RECIST response from a baseline and a follow-up mask, or of a timeline. */
#include "respond.h"

#include <math.h>
#include <string.h>

enum {
    KEY_BASELINE = 1,
    KEY_FOLLOWUP,
    KEY_BASELINE_IMAGE,
    KEY_FOLLOWUP_IMAGE,
    KEY_DEFINITION,
    KEY_NODAL,
    KEY_NADIR,
    KEY_NEW_LESION,
    KEY_ABSENT,
    KEY_JSON
};

typedef struct respond_options {
    cmd_common common;
    respond_timeline timeline;
    const char *baseline, *followup, *baseline_image, *followup_image;
    rp_diameter_definition definition;
    double nadir_mm; /* 0: the baseline */
    bool nodal, new_lesion, confirmed_absent, json;
} respond_options;

typedef struct visit {
    rp_lesion lesion;
    double slice_spacing_mm;
    char label[32]; /* "synthetic", "simulated" or "" */
} visit;

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "One lesion at two visits:", 1},
    {"baseline-mask", KEY_BASELINE, "FILE[:ROI]", 0, "The lesion at baseline", 0},
    {"followup-mask", KEY_FOLLOWUP, "FILE[:ROI]", 0, "The lesion at follow-up", 0},
    {"baseline-image", KEY_BASELINE_IMAGE, "CT", 0, "Image of the baseline, for an RTSTRUCT", 0},
    {"followup-image", KEY_FOLLOWUP_IMAGE, "CT", 0, "Image of the follow-up, for an RTSTRUCT", 0},
    {"definition", KEY_DEFINITION, "NAME", 0, "Longest diameter: convex (default) or inside", 0},
    {"nodal", KEY_NODAL, NULL, 0, "A lymph node: its short axis counts", 0},
    {"nadir", KEY_NADIR, "MM", 0, "Smallest diameter so far (default: the baseline's)", 0},
    {"new-lesion", KEY_NEW_LESION, NULL, 0, "An unequivocal new lesion was seen", 0},
    {"confirmed-absent", KEY_ABSENT, NULL, 0,
     "A person confirms that the lesion is gone; an empty follow-up mask is else not evaluated", 0},
    {NULL, 0, NULL, 0, "Both ways:", 20},
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {0}};

static error_t check_complete(const respond_options *o, struct argp_state *state)
{
    const bool masks = o->baseline || o->followup || o->baseline_image || o->followup_image ||
                       o->nodal || o->new_lesion || o->confirmed_absent || o->nadir_mm > 0;
    if (o->timeline.file && masks)
        argp_error(state,
                   "--%s takes all lesions from its file: options of one lesion do not go "
                   "with it",
                   o->timeline.report_count ? "sr" : "timeline");
    if (o->timeline.file && o->timeline.subject && !o->timeline.report_count)
        argp_error(state, "--subject goes with --sr only: a timeline names its patients");
    if (o->timeline.file) return 0;
    if (o->timeline.first_option)
        argp_error(state, "--%s goes with --timeline or --sr only", o->timeline.first_option);
    if (!o->baseline) argp_error(state, "--baseline-mask is missing");
    if (!o->followup) argp_error(state, "--followup-mask is missing");
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    respond_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->timeline;
        state->child_inputs[1] = &o->common;
        return 0;
    case KEY_BASELINE:
        o->baseline = argument;
        return 0;
    case KEY_FOLLOWUP:
        o->followup = argument;
        return 0;
    case KEY_BASELINE_IMAGE:
        o->baseline_image = argument;
        return 0;
    case KEY_FOLLOWUP_IMAGE:
        o->followup_image = argument;
        return 0;
    case KEY_NODAL:
        o->nodal = true;
        return 0;
    case KEY_NEW_LESION:
        o->new_lesion = true;
        return 0;
    case KEY_ABSENT:
        o->confirmed_absent = true;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_DEFINITION:
        if (!cmd_parse_definition(argument, &o->definition))
            argp_error(state, "--definition takes convex or inside, not '%s'", argument);
        return 0;
    case KEY_NADIR:
        if (!cmd_parse_number(argument, &o->nadir_mm) || o->nadir_mm <= 0.0)
            argp_error(state, "--nadir takes a length above 0 mm, not '%s'", argument);
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

static rp_status measure_visit(const respond_options *o, const char *spec, const char *image,
                               visit *v, rp_error *err)
{
    cmd_ct ct;
    rp_mask mask;
    rp_status status = cmd_mask_load(spec, image, cmd_progress(&o->common), &ct, &mask, err);
    if (status) return status;
    v->slice_spacing_mm = mask.grid.spacing[rp_grid_axial_axis(&mask.grid)];
    memcpy(v->label, ct.label, sizeof v->label);
    status = rp_measure_mask(&mask, o->definition, &v->lesion, err);
    rp_mask_release(&mask);
    cmd_ct_release(&ct);
    return status;
}

static double diameter(const respond_options *o, const visit *v)
{
    return o->nodal ? v->lesion.short_axis_mm : v->lesion.longest_diameter_mm;
}

static double voxel(const respond_options *o, const visit *v)
{
    return o->nodal ? v->lesion.short_voxel_mm : v->lesion.long_voxel_mm;
}

static rp_status classify(const respond_options *o, const visit *before, const visit *after,
                          rp_response_result *result, rp_error *err)
{
    const bool empty = after->lesion.voxels == 0;
    if (before->lesion.voxels == 0)
        return rp_fail(err, RP_ERR_REFUSED, "%s: the mask is empty", o->baseline);
    if (!empty && o->confirmed_absent)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: holds a lesion of %.1f mm, yet --confirmed-absent says that it is gone",
                       o->followup, diameter(o, after));
    rp_response_input input = {.nodal = o->nodal,
                               .baseline_mm = diameter(o, before),
                               .nadir_mm = o->nadir_mm,
                               .state = RP_LESION_MEASURED,
                               .followup_mm = diameter(o, after),
                               .slice_spacing_mm = before->slice_spacing_mm,
                               .new_lesion = o->new_lesion,
                               .baseline_voxel_mm = voxel(o, before),
                               .followup_voxel_mm = voxel(o, after)};
    if (empty) input.state = o->confirmed_absent ? RP_LESION_ABSENT : RP_LESION_NOT_EVALUATED;
    return rp_response_classify(&input, result, err);
}

static const char *label_of(const visit *before, const visit *after)
{
    return cmd_label_of_both(before->label, after->label);
}

static void print_text(const respond_options *o, const visit *before, const visit *after,
                       const rp_response_result *r)
{
    const char *what = o->nodal ? "short axis" : "longest diameter";
    printf("baseline   %s %.1f mm, volume %.2f cc\n", what, diameter(o, before),
           before->lesion.volume_cc);
    if (after->lesion.voxels > 0)
        printf("follow-up  %s %.1f mm, volume %.2f cc\n", what, diameter(o, after),
               after->lesion.volume_cc);
    else
        printf("follow-up  the mask is empty%s\n",
               o->confirmed_absent ? "; a person confirmed that the lesion is gone"
                                   : ": not evaluated until a person confirms "
                                     "(--confirmed-absent)");
    if (isfinite(r->change_percent)) printf("change     %+.1f%%\n", r->change_percent);
    printf("response   %s (%s)\nrule       %s\n", rp_response_code(r->response),
           rp_response_name(r->response), r->rule);
    if (label_of(before, after)[0]) printf("data       %s\n", label_of(before, after));
    if (r->is_borderline) printf("note       %s\n", r->doubt);
    if (!r->measurable_at_baseline) printf("note       not measurable at baseline by RECIST 1.1\n");
}

/* What a timeline's visit lists, and what the call would have been. */
static rp_json *borderline_json(const rp_response_result *r)
{
    rp_json *list = rp_json_array(), *json = rp_json_object();
    rp_json_set_string(json, "threshold", rp_threshold_code(r->borderline.threshold));
    rp_json_set_number(json, "distance_mm", r->borderline.distance);
    rp_json_set_string(json, "otherwise", rp_response_code(r->otherwise));
    rp_json_set_string(json, "sentence", r->doubt);
    rp_json_append(list, json);
    return list;
}

static rp_status print_json(const respond_options *o, const visit *before, const visit *after,
                            const rp_response_result *r, rp_error *err)
{
    rp_json *json = rp_json_object();
    rp_json_set(json, "baseline", cmd_lesion_json(&before->lesion, NULL));
    rp_json_set(json, "followup", cmd_lesion_json(&after->lesion, NULL));
    rp_json_set_number(json, "change_percent", r->change_percent);
    rp_json_set_number(json, "change_nadir_percent", r->change_nadir_percent);
    rp_json_set_number(json, "change_nadir_mm", r->change_nadir_mm);
    rp_json_set_string(json, "response", rp_response_code(r->response));
    rp_json_set_string(json, "response_name", rp_response_name(r->response));
    rp_json_set_string(json, "rule", r->rule);
    if (r->is_borderline) rp_json_set(json, "borderline", borderline_json(r));
    rp_json_set_bool(json, "measurable_at_baseline", r->measurable_at_baseline);
    rp_json_set_bool(json, "needs_confirmation", after->lesion.voxels == 0 && !o->confirmed_absent);
    rp_json_set_string(json, "label", label_of(before, after));
    rp_json_set_bool(json, "nodal", o->nodal);
    rp_json_set_string(json, "definition", rp_diameter_definition_name(o->definition));
    rp_json_set_string(json, "program_version", RP_VERSION);
    cmd_set_told(json);
    return cmd_print_json(json, err);
}

static rp_status run(const respond_options *o, rp_error *err)
{
    visit before = {0}, after = {0};
    rp_response_result result;
    rp_status status = cmd_common_apply(&o->common, err);
    if (!status) status = measure_visit(o, o->baseline, o->baseline_image, &before, err);
    if (!status) status = measure_visit(o, o->followup, o->followup_image, &after, err);
    if (!status) status = classify(o, &before, &after, &result, err);
    if (status) return status;
    if (o->json) return print_json(o, &before, &after, &result, err);
    print_text(o, &before, &after, &result);
    return RP_OK;
}

static int respond_over_visits(respond_options *o)
{
    rp_error err = {0};
    const int code = cmd_common_apply(&o->common, &err)
                         ? cmd_fail(&err)
                         : respond_to_timelines(&o->timeline, o->json);
    rp_free(o->timeline.reports);
    return code;
}

int cmd_respond(int argc, char **argv)
{
    static const struct argp_child children[] = {{&respond_timeline_argp, 0, NULL, 0},
                                                 {&cmd_common_argp, 0, NULL, 0},
                                                 {&cmd_repair_argp, 0, NULL, 0},
                                                 {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Response of one target lesion from two masks by RECIST 1.1, or of a patient's "
               "lesions over all visits.\v"
               "Each mask counts as one lesion, whatever number of parts it has. docs/response.md "
               "describes timelines and every rule."};
    respond_options o = {.definition = RP_DIAMETER_CONVEX,
                         .timeline.options = rp_response_defaults(RP_RECIST_1_1)};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.timeline.file) return respond_over_visits(&o);
    return run(&o, &err) ? cmd_fail(&err) : CMD_DONE;
}
