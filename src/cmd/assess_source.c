/* The follow-up's contour: the network's, or the baseline's that a deformable registration carries.
 * Which one counts was settled by the guard's trials, before the follow-up was looked at. */
#include "assess.h"
#include "lesion.h"

#include <math.h>

/* Further apart than this the two contours speak of different lesions. */
static const double least_shared_dice = 0.5, most_apart = 0.3;

/* ---- the registered contour ---------------------------------------------------------------- */

static rp_status leave_out(assess_sources *s, const char *why)
{
    snprintf(s->reason, sizeof s->reason, "%.*s", (int)sizeof s->reason - 1, why);
    return RP_OK;
}

static rp_status carry(assess *a, const rp_deform_pair *pair, const rp_deform_options *how,
                       rp_error *err)
{
    assess_sources *s = &a->sources;
    const rp_grid *grid = &pair->followup->grid;
    rp_error why = {0};
    rp_deform *deform = NULL;
    rp_status status = rp_deform_register(pair, how, a->progress, &deform, &why);
    if (!status) status = rp_deform_carry_mask(deform, pair->lesion, grid, &s->other, NULL, &why);
    rp_deform_destroy(deform);
    if (status == RP_ERR_REFUSED) return leave_out(s, why.message);
    if (status) return rp_fail(err, status, "%s", why.message);
    if (rp_mask_count(&s->other) == 0) return leave_out(s, "it lies outside the follow-up");
    s->compared = true;
    return RP_OK;
}

static rp_status register_contour(assess *a, rp_error *err)
{
    const rp_deform_pair pair = {&a->baseline_ct.series.image, &a->followup_ct.series.image,
                                 cmd_place_rigid(&a->place, &a->contour.mask), &a->contour.mask};
    rp_deform_options how;
    if (a->place.by == CMD_PLACE_UNKNOWN)
        return leave_out(&a->sources, "where the lesion lies on the follow-up is not known");
    rp_guard_deform_options(&a->contour.mask, &how);
    if (rp_deform_memory(&pair, &how) > a->settings.predict.memory_bytes)
        return leave_out(&a->sources, "the registration does not fit into the memory");
    return carry(a, &pair, &how, err);
}

/* ---- the choice ---------------------------------------------------------------------------- */

/* The network's contour becomes the other one. */
static void use_registered(assess *a)
{
    rp_prediction *p = &a->prediction;
    const assess_measured *m = &a->sources.measured[RP_GUARD_REGISTERED];
    const rp_mask network = p->mask;
    p->mask = a->sources.other;
    a->sources.other = network;
    a->guard.source = RP_GUARD_REGISTERED;
    p->components = m->components;
    p->part_share = (double)m->lesion.voxels / (double)rp_mask_count(&p->mask);
    p->chosen_rank = 1;
    p->chosen_by_prior = false;
}

static rp_status measure(assess *a, rp_error *err)
{
    assess_sources *s = &a->sources;
    const rp_mask *masks[2] = {&a->prediction.mask, &s->other};
    rp_status status = rp_measure_dice(masks[0], masks[1], &s->dice_between, err);
    for (int i = 0; i < 2 && !status; i++) {
        assess_measured *m = &s->measured[i];
        status = cmd_measure_lesion(&a->settings, masks[i], &m->lesion, &m->components, err);
        if (!status && a->has_truth)
            status = rp_measure_dice(masks[i], &a->truth.mask, &s->dice[i], err);
    }
    return status;
}

/* Where the network finds nothing a carried contour proves neither that the lesion is there nor
 * that it is gone. */
rp_status assess_choose_source(assess *a, rp_error *err)
{
    const bool found = rp_mask_count(&a->prediction.mask) > 0;
    if (!a->guard.trials.compared) return RP_OK;
    rp_status status = register_contour(a, err);
    if (!status && a->sources.compared) status = measure(a, err);
    if (!status && a->sources.compared && found && a->guard.better == RP_GUARD_REGISTERED)
        use_registered(a);
    return status;
}

/* ---- what is told of it -------------------------------------------------------------------- */

static void flag_disagreement(assess *a)
{
    const assess_sources *s = &a->sources;
    const double model = s->measured[RP_GUARD_MODEL].lesion.longest_diameter_mm;
    const double registered = s->measured[RP_GUARD_REGISTERED].lesion.longest_diameter_mm;
    if (!s->compared || model <= 0) return;
    if (s->dice_between < least_shared_dice ||
        fabs(model - registered) > most_apart * a->baseline.lesion.longest_diameter_mm)
        assess_flag_add(a, "contours_disagree",
                        "The patient model's contour (%.1f mm) and the baseline's as the "
                        "registration carries it (%.1f mm) disagree (Dice %.2f): one of them is "
                        "wrong.",
                        model, registered, s->dice_between);
}

void assess_flag_source(assess *a)
{
    const cmd_guarded *g = &a->guard;
    if (g->source == RP_GUARD_REGISTERED)
        assess_flag_add(a, "registered_contour",
                        "The follow-up's contour is the baseline's, carried by a deformable "
                        "registration, not the patient model's: on simulated follow-ups its mean "
                        "Dice was %.2f, the patient model's %.2f.",
                        g->by[RP_GUARD_REGISTERED].mean_dice, g->by[RP_GUARD_MODEL].mean_dice);
    else if (g->better == RP_GUARD_REGISTERED && a->sources.reason[0])
        assess_flag_add(a, "registered_contour_missing",
                        "On simulated follow-ups the registered contour was better than the "
                        "patient model's, which is used nevertheless, for there is none: %s.",
                        a->sources.reason);
    flag_disagreement(a);
}

rp_json *assess_sources_json(const assess *a)
{
    const assess_sources *s = &a->sources;
    rp_json *json = rp_json_object();
    for (int i = RP_GUARD_MODEL; i <= RP_GUARD_REGISTERED && s->compared; i++) {
        const rp_lesion *lesion = &s->measured[i].lesion;
        rp_json *one = rp_json_object();
        rp_json_set_number(one, "longest_diameter_mm",
                           lesion->voxels ? lesion->longest_diameter_mm : NAN);
        rp_json_set_number(one, "volume_cc", lesion->voxels ? lesion->volume_cc : NAN);
        if (a->has_truth) rp_json_set_number(one, "dice", s->dice[i]);
        rp_json_set(json, rp_guard_source_name((rp_guard_source)i), one);
    }
    rp_json_set_number(json, "dice_between", s->compared ? s->dice_between : NAN);
    rp_json_set_string(json, "reason", s->reason[0] ? s->reason : NULL);
    return json;
}
