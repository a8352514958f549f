/* Which contour counts was settled by the guard's trials, before the follow-up was looked at. */
#include "source.h"

#include <math.h>

/* Further apart than this the two contours speak of different lesions. */
static const double least_shared_dice = 0.5, most_apart = 0.3;

/* ---- the registered contour ---------------------------------------------------------------- */

static rp_status leave_out(cmd_sources *s, const char *why)
{
    snprintf(s->reason, sizeof s->reason, "%.*s", (int)sizeof s->reason - 1, why);
    return RP_OK;
}

static rp_status carry(const cmd_source_input *in, const rp_deform_pair *pair,
                       const rp_deform_options *how, cmd_sources *s, rp_error *err)
{
    const rp_grid *grid = &pair->followup->grid;
    rp_error why = {0};
    rp_deform *deform = NULL;
    rp_status status = rp_deform_register(pair, how, in->progress, &deform, &why);
    if (!status) status = rp_deform_carry_mask(deform, pair->lesion, grid, &s->other, NULL, &why);
    rp_deform_destroy(deform);
    if (status == RP_ERR_REFUSED) return leave_out(s, why.message);
    if (status) return rp_fail(err, status, "%s", why.message);
    if (rp_mask_count(&s->other) == 0) return leave_out(s, "it lies outside the follow-up");
    s->compared = true;
    return RP_OK;
}

static rp_status register_contour(const cmd_source_input *in, cmd_sources *s, rp_error *err)
{
    const rp_deform_pair pair = {in->baseline, in->followup,
                                 cmd_place_rigid(in->place, in->contour), in->contour};
    rp_deform_options how;
    if (in->place->by == CMD_PLACE_UNKNOWN)
        return leave_out(s, "where the lesion lies on the follow-up is not known");
    rp_guard_deform_options(in->contour, &how);
    if (rp_deform_memory(&pair, &how) > in->settings->predict.memory_bytes)
        return leave_out(s, "the registration does not fit into the memory");
    return carry(in, &pair, &how, s, err);
}

/* ---- the choice ---------------------------------------------------------------------------- */

/* The network's contour becomes the other one. */
static void use_registered(cmd_sources *s, cmd_guarded *guard, rp_prediction *p)
{
    const cmd_measured *m = &s->measured[RP_GUARD_REGISTERED];
    const rp_mask network = p->mask;
    p->mask = s->other;
    s->other = network;
    guard->source = RP_GUARD_REGISTERED;
    p->components = m->components;
    p->part_share = (double)m->lesion.voxels / (double)rp_mask_count(&p->mask);
    p->chosen_rank = 1;
    p->chosen_by_prior = false;
}

static rp_status measure(const cmd_source_input *in, const rp_mask *network, cmd_sources *s,
                         rp_error *err)
{
    const rp_mask *masks[2] = {network, &s->other};
    rp_status status = rp_measure_dice(masks[0], masks[1], &s->dice_between, err);
    for (int i = 0; i < 2 && !status; i++) {
        cmd_measured *m = &s->measured[i];
        status = cmd_measure_lesion(in->settings, masks[i], &m->lesion, &m->components, err);
        if (!status && in->truth) status = rp_measure_dice(masks[i], in->truth, &s->dice[i], err);
    }
    return status;
}

/* Where the network finds nothing a carried contour proves neither that the lesion is there nor
 * that it is gone. */
rp_status cmd_source_choose(const cmd_source_input *in, cmd_guarded *guard,
                            rp_prediction *prediction, cmd_sources *out, rp_error *err)
{
    const bool found = rp_mask_count(&prediction->mask) > 0;
    *out = (cmd_sources){0};
    if (!guard->trials.compared) return RP_OK;
    rp_status status = register_contour(in, out, err);
    if (!status && out->compared) status = measure(in, &prediction->mask, out, err);
    if (!status && out->compared && found && guard->better == RP_GUARD_REGISTERED)
        use_registered(out, guard, prediction);
    return status;
}

void cmd_sources_release(cmd_sources *sources)
{
    rp_mask_release(&sources->other);
}

/* ---- what is told of it -------------------------------------------------------------------- */

bool cmd_source_remark(const cmd_sources *s, const cmd_guarded *g, const char **key, char text[400])
{
    if (g->source == RP_GUARD_REGISTERED) {
        *key = "registered_contour";
        snprintf(text, 400,
                 "The follow-up's contour is the baseline's, carried by a deformable "
                 "registration, not the patient model's: on simulated follow-ups its mean "
                 "Dice was %.2f, the patient model's %.2f.",
                 g->by[RP_GUARD_REGISTERED].mean_dice, g->by[RP_GUARD_MODEL].mean_dice);
        return true;
    }
    if (g->better != RP_GUARD_REGISTERED || !s->reason[0]) return false;
    *key = "registered_contour_missing";
    snprintf(text, 400,
             "On simulated follow-ups the registered contour was better than the "
             "patient model's, which is used nevertheless, for there is none: %s.",
             s->reason);
    return true;
}

bool cmd_disagreement_remark(const cmd_sources *s, double baseline_mm, const char **key,
                             char text[400])
{
    const double model = s->measured[RP_GUARD_MODEL].lesion.longest_diameter_mm;
    const double registered = s->measured[RP_GUARD_REGISTERED].lesion.longest_diameter_mm;
    if (!s->compared || model <= 0) return false;
    if (s->dice_between >= least_shared_dice &&
        fabs(model - registered) <= most_apart * baseline_mm)
        return false;
    *key = "contours_disagree";
    snprintf(text, 400,
             "The patient model's contour (%.1f mm) and the baseline's as the "
             "registration carries it (%.1f mm) disagree (Dice %.2f): one of them is wrong.",
             model, registered, s->dice_between);
    return true;
}

rp_json *cmd_sources_json(const cmd_sources *s, bool has_truth)
{
    rp_json *json = rp_json_object();
    for (int i = RP_GUARD_MODEL; i <= RP_GUARD_REGISTERED && s->compared; i++) {
        const rp_lesion *lesion = &s->measured[i].lesion;
        rp_json *one = rp_json_object();
        rp_json_set_number(one, "longest_diameter_mm",
                           lesion->voxels ? lesion->longest_diameter_mm : NAN);
        rp_json_set_number(one, "volume_cc", lesion->voxels ? lesion->volume_cc : NAN);
        if (has_truth) rp_json_set_number(one, "dice", s->dice[i]);
        rp_json_set(json, rp_guard_source_name((rp_guard_source)i), one);
    }
    rp_json_set_number(json, "dice_between", s->compared ? s->dice_between : NAN);
    rp_json_set_string(json, "reason", s->reason[0] ? s->reason : NULL);
    return json;
}
