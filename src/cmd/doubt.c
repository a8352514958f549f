#include "doubt.h"

#include <math.h>
#include <string.h>

/* ---- options ----------------------------------------------------------------------------- */

enum { KEY_ACCEPT = 0x3000, KEY_SELF_DICE };

static const struct argp_option accept_options[] = {
    {NULL, 0, NULL, 0, "Overriding NE:", 55},
    {"accept-implausible", KEY_ACCEPT, "KEY", 0,
     "Answer although the result named KEY as a reason not to (several with commas; all)", 0},
    {"least-self-dice", KEY_SELF_DICE, "D", 0,
     "Dice with its own baseline contour that the patient model needs (default: 0.7)", 0},
    {0}};

/* KEY[,KEY...] or "all"; the word that is none of them, else NULL. */
static const char *take_keys(const char *text, cmd_accept *accept, char word[64])
{
    while (*text) {
        const size_t length = strcspn(text, ",");
        rp_doubt doubt;
        snprintf(word, 64, "%.*s", (int)(length < 63 ? length : 63), text);
        if (strcmp(word, "all") == 0)
            for (int d = 0; d < RP_DOUBTS; d++) accept->doubts[d] = true;
        else if (rp_doubt_find(word, &doubt))
            accept->doubts[doubt] = true;
        else
            return word;
        text += length + (text[length] == ',');
    }
    return NULL;
}

static void complain(struct argp_state *state, const char *word)
{
    char keys[512] = "";
    for (int d = 0; d < RP_DOUBTS; d++) {
        const size_t used = strlen(keys);
        snprintf(keys + used, sizeof keys - used, "%s, ", rp_doubt_key((rp_doubt)d));
    }
    argp_error(state, "--accept-implausible takes %sor all, not '%s'", keys, word);
}

static error_t parse_accept(int key, char *argument, struct argp_state *state)
{
    cmd_accept *accept = state->input;
    char word[64] = "";
    switch (key) {
    case KEY_ACCEPT:
        if (!*argument || take_keys(argument, accept, word)) complain(state, word);
        return 0;
    case KEY_SELF_DICE:
        accept->has_self_dice = cmd_parse_number(argument, &accept->self_dice);
        if (!accept->has_self_dice || !(accept->self_dice >= 0 && accept->self_dice <= 1))
            argp_error(state, "--least-self-dice lies from 0 to 1, unlike '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cmd_accept_argp = {.options = accept_options, .parser = parse_accept};

void cmd_accept_apply(const cmd_accept *accept, cmd_settings *settings)
{
    if (accept->has_self_dice) settings->verify.self_dice = accept->self_dice;
}

/* ---- the model --------------------------------------------------------------------------- */

bool cmd_self_dice_doubt(const rp_model *model, double least, char clause[200])
{
    const rp_verify_input input = {.self_dice = model->provenance.self_dice};
    rp_verify_limits limits;
    rp_doubts doubts;
    if (!model->provenance.has_self_dice) return false;
    rp_verify_defaults(&limits);
    limits.self_dice = least;
    rp_verify(&input, &limits, &doubts);
    snprintf(clause, 200, "%s", doubts.clause[RP_DOUBT_SELF_DICE]);
    return doubts.found[RP_DOUBT_SELF_DICE];
}

rp_status cmd_self_dice(rp_model *model, const rp_image *image, const rp_mask *contour,
                        const cmd_settings *settings, const rp_progress *progress, rp_error *err)
{
    rp_model_provenance *p = &model->provenance;
    rp_predict_options how = settings->predict;
    rp_prediction own = {0};
    double dice = 0.0;
    char clause[200];
    double centre[3];
    how.prior = contour;
    if (rp_region_centre(contour, centre)) how.at = centre;
    rp_status status = rp_predict(model, image, &how, progress, &own, err);
    if (!status) status = rp_measure_dice(&own.mask, contour, &dice, err);
    rp_prediction_release(&own);
    p->has_self_dice = !status;
    p->self_dice = round(1e4 * dice) / 1e4;
    if (cmd_self_dice_doubt(model, settings->verify.self_dice, clause))
        rp_log(RP_LOG_WARNING, "%s: more epochs or copies may be needed", clause);
    return status;
}

/* ---- the judgement ----------------------------------------------------------------------- */

static double coarser_voxel_mm3(const rp_preprocessing *p, const rp_grid *grid)
{
    double volume = 1.0;
    for (int a = 0; a < 3; a++) volume *= fmax(p->spacing[a], grid->spacing[a]);
    return volume;
}

static double volume_mm3(const rp_mask *mask)
{
    return (double)rp_mask_count(mask) * rp_grid_voxel_mm3(&mask->grid);
}

void cmd_doubt_sentence(const cmd_doubts *doubts, int what, char text[400])
{
    const char *clause = doubts->doubts.clause[what];
    snprintf(text, 400, "%s%c%s%s.",
             doubts->accepted[what] ? "Accepted by the user: " : "Not accepted: ", clause[0],
             clause[0] ? clause + 1 : "",
             doubts->accepted[what] ? "" : "; a person has to look at the contours");
}

static rp_response_result not_evaluable(const cmd_doubts *d, bool measurable)
{
    rp_response_result ne = {.response = RP_NE,
                             .change_percent = NAN,
                             .change_nadir_percent = NAN,
                             .change_nadir_mm = NAN,
                             .measurable_at_baseline = measurable};
    const char *first = NULL;
    int more = -1;
    for (int i = 0; i < RP_DOUBTS; i++) {
        if (!d->doubts.found[i] || d->accepted[i]) continue;
        if (!first) first = d->doubts.clause[i];
        more++;
    }
    char others[48] = "";
    if (more > 0)
        snprintf(others, sizeof others, " (and %d more reason%s)", more, more > 1 ? "s" : "");
    snprintf(ne.rule, sizeof ne.rule, "NE: %s%s.", first, others);
    return ne;
}

void cmd_doubt(const cmd_doubt_input *in, rp_response_result *response, cmd_doubts *out)
{
    const double all_in_view = 0.98;
    const rp_alignment *alignment = &in->place->alignment;
    *out = (cmd_doubts){.answered = true};
    rp_compare_intensities(alignment, in->baseline, in->followup, &out->intensities);
    rp_compare_places(alignment, in->contour, in->found, &out->place);
    out->contrast[0] = rp_lesion_contrast(in->baseline, in->contour);
    out->contrast[1] = rp_lesion_contrast(in->followup, in->found);
    /* A network draws the last voxels before an edge badly. */
    const bool registered = in->guard && in->guard->source == RP_GUARD_REGISTERED;
    const int margin = out->place.in_view < all_in_view ? 2 : 0;
    const rp_verify_input input = {
        .self_dice = registered ? NAN : in->model->provenance.self_dice,
        .baseline_mm3 = volume_mm3(in->contour),
        .found_mm3 = volume_mm3(in->found),
        .parts = in->prediction->components,
        .part_share = in->prediction->part_share,
        .voxel_mm3 = coarser_voxel_mm3(&in->model->preprocessing, &in->followup->grid),
        .baseline_contrast = out->contrast[0],
        .found_contrast = out->contrast[1],
        .baseline_leaves_view = rp_leaves_view(in->baseline, in->contour, 0),
        .followup_leaves_view = rp_leaves_view(in->followup, in->found, margin),
        .alignment = alignment,
        .place = &out->place};
    rp_verify(&input, &in->settings->verify, &out->doubts);
    cmd_guard_judge(in->guard, in->settings, registered ? NULL : in->curve, &out->doubts);
    out->registration = alignment->registration;
    for (int i = 0; i < RP_DOUBTS; i++) {
        out->accepted[i] = out->doubts.found[i] && in->accept->doubts[i];
        if (out->doubts.found[i] && !out->accepted[i]) out->answered = false;
    }
    if (out->answered) return;
    out->measured = *response;
    if (response->response != RP_NE)
        *response = not_evaluable(out, response->measurable_at_baseline);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static rp_json *doubt_list(const cmd_doubts *d)
{
    rp_json *list = rp_json_array();
    for (int i = 0; i < RP_DOUBTS; i++) {
        if (!d->doubts.found[i]) continue;
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "key", rp_doubt_key((rp_doubt)i));
        rp_json_set_string(one, "message", d->doubts.clause[i]);
        rp_json_set_bool(one, "accepted", d->accepted[i]);
        rp_json_append(list, one);
    }
    return list;
}

static rp_json *alignment_json(const cmd_doubts *d)
{
    const rp_registration *r = &d->registration;
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "quality", rp_registration_quality_name(r->quality));
    if (r->reason[0]) rp_json_set_string(json, "reason", r->reason);
    rp_json_set_number(json, "correlation", r->correlation);
    rp_json_set_number(json, "share_in_common", r->common);
    rp_json_set_number(json, "shift_mm", rp_rigid_shift_mm(&r->transform));
    rp_json_set_number(json, "rotation_degrees", rp_rigid_degrees(&r->transform));
    rp_json_set_numbers(json, "median_hu", d->intensities.median_hu, 2);
    rp_json_set_numbers(json, "bone_hu", d->intensities.bone_hu, 2);
    rp_json_set_number(json, "lesion_shared", d->place.shared);
    rp_json_set_number(json, "lesion_moved_mm", d->place.centre_mm);
    rp_json_set_number(json, "lesion_in_view", d->place.in_view);
    rp_json_set_numbers(json, "lesion_contrast", d->contrast, 2);
    return json;
}

rp_json *cmd_doubts_json(const cmd_doubts *d, const cmd_settings *settings)
{
    rp_json *json = rp_json_object(), *measured = rp_json_object();
    rp_json_set_bool(json, "answered", d->answered);
    rp_json_set(json, "doubts", doubt_list(d));
    rp_json_set_number(json, "least_self_dice", settings->verify.self_dice);
    if (!d->answered) {
        rp_json_set_string(measured, "notice", "not accepted");
        rp_json_set_string(measured, "response", rp_response_code(d->measured.response));
        rp_json_set_number(measured, "change_percent", d->measured.change_percent);
        rp_json_set_string(measured, "rule", d->measured.rule);
        rp_json_set(json, "measured", measured);
    } else {
        rp_json_destroy(measured);
    }
    rp_json_set(json, "alignment", alignment_json(d));
    return json;
}

void cmd_doubts_overrides(const cmd_accept *accept, rp_json *overrides)
{
    for (int i = 0; i < RP_DOUBTS; i++) {
        if (!accept->doubts[i]) continue;
        RP_AUTOFREE char *text = rp_format("accept-implausible %s", rp_doubt_key((rp_doubt)i));
        if (text) rp_json_append_string(overrides, text);
    }
}
