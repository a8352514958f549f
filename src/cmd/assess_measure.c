/* Diameters, overlap and response. */
#include "assess.h"
#include "lesion.h"

static rp_status measure_one(const assess *a, const rp_mask *mask, cmd_measured *out, rp_error *err)
{
    return cmd_measure_lesion(&a->settings, mask, &out->lesion, &out->components, err);
}

static rp_response_input input_of(const assess *a, const rp_lesion *followup)
{
    rp_response_input input = cmd_response_input(&a->baseline.lesion, followup, false,
                                                 cmd_slice_spacing(&a->baseline_ct));
    input.nadir_mm = a->prior.nadir_mm;
    return input;
}

static rp_status classify(const assess *a, const rp_lesion *followup, rp_response_result *out,
                          rp_error *err)
{
    const rp_response_input input = input_of(a, followup);
    return rp_response_classify(&input, out, err);
}

static rp_status ask_guard(assess *a, rp_error *err)
{
    const rp_response_input input = input_of(a, &a->followup.lesion);
    return cmd_guard_ask(&a->guard, &a->followup.lesion, &input, err);
}

static rp_status score(assess *a, rp_error *err)
{
    rp_status status = measure_one(a, &a->truth.mask, &a->true_lesion, err);
    if (!status) status = classify(a, &a->true_lesion.lesion, &a->true_response, err);
    if (!status) status = rp_measure_dice(&a->prediction.mask, &a->truth.mask, &a->dice, err);
    if (!status) status = rp_measure_dice(&a->carried, &a->truth.mask, &a->dice_carry_forward, err);
    return status;
}

void assess_doubt(assess *a)
{
    const cmd_doubt_input input = {.settings = &a->settings,
                                   .accept = &a->arguments->accept,
                                   .baseline = &a->baseline_ct.series.image,
                                   .followup = &a->followup_ct.series.image,
                                   .contour = &a->contour.mask,
                                   .found = &a->prediction.mask,
                                   .prediction = &a->prediction,
                                   .place = &a->place,
                                   .model = &a->model,
                                   .guard = &a->guard,
                                   .curve = &a->curve};
    cmd_doubt(&input, &a->response, &a->doubts);
}

rp_status assess_measure(assess *a, rp_error *err)
{
    const rp_mask *found = &a->prediction.mask;
    rp_status status = measure_one(a, &a->contour.mask, &a->baseline, err);
    if (!status) status = measure_one(a, found, &a->followup, err);
    if (!status) status = classify(a, &a->followup.lesion, &a->response, err);
    if (!status) status = ask_guard(a, err);
    if (!status) status = rp_mask_resample(&a->contour.mask, &found->grid, &a->carried, err);
    if (!status) status = measure_one(a, &a->carried, &a->carry_forward, err);
    if (!status) status = rp_measure_dice(&a->carried, found, &a->dice_carry_to_prediction, err);
    if (!status && a->has_truth) status = score(a, err);
    return status;
}
