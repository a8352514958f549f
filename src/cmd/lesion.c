#include "lesion.h"

rp_status cmd_measure_lesion(const cmd_settings *settings, const rp_mask *mask, rp_lesion *lesion,
                             int32_t *components, rp_error *err)
{
    rp_mask part = {0};
    rp_status status = rp_mask_copy(mask, &part, err);
    if (status) return status;
    if (settings->predict.all_components) {
        rp_labels labels = {0};
        status = rp_mask_components(&part, 26, &labels, components, NULL, err);
        rp_labels_release(&labels);
    } else {
        status = rp_mask_keep_largest(&part, 26, components, err);
    }
    if (!status) status = rp_measure_mask(&part, settings->diameter, lesion, err);
    rp_mask_release(&part);
    return status;
}

rp_response_input cmd_response_input(const rp_lesion *baseline, const rp_lesion *followup,
                                     bool gone, double slice_spacing_mm)
{
    return (rp_response_input){.baseline_mm = baseline->longest_diameter_mm,
                               .state = followup->voxels ? RP_LESION_MEASURED
                                        : gone           ? RP_LESION_ABSENT
                                                         : RP_LESION_NOT_EVALUATED,
                               .followup_mm = followup->longest_diameter_mm,
                               .slice_spacing_mm = slice_spacing_mm,
                               .baseline_voxel_mm = baseline->long_voxel_mm,
                               .followup_voxel_mm = followup->long_voxel_mm};
}

rp_status cmd_classify_lesion(const rp_lesion *baseline, const rp_lesion *followup, bool gone,
                              double slice_spacing_mm, rp_response_result *out, rp_error *err)
{
    const rp_response_input input = cmd_response_input(baseline, followup, gone, slice_spacing_mm);
    return rp_response_classify(&input, out, err);
}
