/* Where the lesion is looked for, and a model that was adapted before. */
#include "assess.h"

#include <string.h>

/* The study looked for it where the images' own coordinates have it. */
rp_status assess_locate(assess *a, rp_error *err)
{
    const cmd_place_request request = {.baseline = &a->baseline_ct.series.image,
                                       .followup = &a->followup_ct.series.image,
                                       .contour = &a->contour.mask,
                                       .at = a->arguments->has_at ? a->arguments->at : NULL,
                                       .as_stored = a->settings.recipe == RP_RECIPE_STUDY &&
                                                    !a->model.region[0] &&
                                                    a->settings.adapt.region.whole};
    rp_progress_report(a->progress, "register", 0.0, 1.0, "");
    rp_status status = cmd_place_find(&request, &a->place, err);
    if (!status) rp_progress_report(a->progress, "register", 1.0, 1.0, "");
    return status;
}

rp_status assess_take_model(assess *a, rp_error *err)
{
    rp_status status = rp_model_read(a->arguments->patient_model, &a->model, err);
    if (!status)
        status =
            rp_model_check_adapted(&a->model, &a->baseline_ct.series.image, &a->contour.mask, err);
    if (status == RP_ERR_REFUSED) return rp_fail_in(err, status, "%s", a->arguments->patient_model);
    if (status) return status;
    const rp_model_provenance *p = &a->model.provenance;
    a->settings.network = *rp_fcd_config_of(a->model.net);
    a->settings.preprocessing = a->model.preprocessing;
    a->settings.adapt.seed = p->seed;
    memcpy(a->base_model_sha256, p->base_model_sha256, sizeof a->base_model_sha256);
    cmd_add_label(a->label, p->label);
    return RP_OK;
}
