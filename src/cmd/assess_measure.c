/* Diameters, overlap and response. */
#include "assess.h"

#include <math.h>

/* Lesions are measured alike at every visit: the largest component, as prediction delivers it. */
static rp_status measure_one(const assess *a, const rp_mask *mask, assess_measured *out,
                             rp_error *err)
{
    rp_mask lesion = {0};
    rp_status status = rp_mask_copy(mask, &lesion, err);
    if (status) return status;
    if (a->settings.predict.all_components) {
        rp_labels labels = {0};
        status = rp_mask_components(&lesion, 26, &labels, &out->components, NULL, err);
        rp_labels_release(&labels);
    } else {
        status = rp_mask_keep_largest(&lesion, 26, &out->components, err);
    }
    if (!status) status = rp_measure_mask(&lesion, a->settings.diameter, &out->lesion, err);
    rp_mask_release(&lesion);
    return status;
}

static rp_status classify(const assess *a, const rp_lesion *followup, rp_response_result *out,
                          rp_error *err)
{
    const rp_response_input input = {
        .baseline_mm = a->baseline.lesion.longest_diameter_mm,
        /* Nothing found is a failure to segment, never a complete response. */
        .state = followup->voxels ? RP_LESION_MEASURED : RP_LESION_NOT_EVALUATED,
        .followup_mm = followup->longest_diameter_mm,
        .slice_spacing_mm = a->baseline_ct.series.image.grid.spacing[2]};
    return rp_response_classify(&input, out, err);
}

static rp_status score(assess *a, rp_error *err)
{
    rp_status status = measure_one(a, &a->truth.mask, &a->true_lesion, err);
    if (!status) status = classify(a, &a->true_lesion.lesion, &a->true_response, err);
    if (!status) status = rp_measure_dice(&a->prediction.mask, &a->truth.mask, &a->dice, err);
    if (!status) status = rp_measure_dice(&a->carried, &a->truth.mask, &a->dice_carry_forward, err);
    return status;
}

rp_status assess_measure(assess *a, rp_error *err)
{
    const rp_mask *found = &a->prediction.mask;
    rp_status status = measure_one(a, &a->contour.mask, &a->baseline, err);
    if (!status) status = measure_one(a, found, &a->followup, err);
    if (!status) status = classify(a, &a->followup.lesion, &a->response, err);
    if (!status) status = rp_mask_resample(&a->contour.mask, &found->grid, &a->carried, err);
    if (!status) status = measure_one(a, &a->carried, &a->carry_forward, err);
    if (!status) status = rp_measure_dice(&a->carried, found, &a->dice_carry_to_prediction, err);
    if (!status && a->has_truth) status = score(a, err);
    return status;
}
