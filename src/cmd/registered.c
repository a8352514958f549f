/* Two visits registered, and what is written of it. */
#include "registered.h"

#include <math.h>

static rp_status register_rigidly(const rp_image *baseline, const rp_image *followup,
                                  rp_registration *out, rp_error *err)
{
    rp_register_image *fixed = NULL, *moving = NULL;
    rp_status status = rp_register_image_create(baseline, &fixed, err);
    if (!status) status = rp_register_image_create(followup, &moving, err);
    if (!status) status = rp_register_rigid(fixed, moving, out, err);
    rp_register_image_destroy(fixed);
    rp_register_image_destroy(moving);
    if (!status && out->quality == RP_REGISTRATION_FAILED)
        return rp_fail(err, RP_ERR_REFUSED, "the visits cannot be registered: %s", out->reason);
    return status;
}

rp_status cmd_register_visits(const rp_image *baseline, const rp_mask *contour,
                              const rp_image *followup, const rp_progress *progress,
                              cmd_registered *out, rp_error *err)
{
    const double started = rp_seconds();
    rp_deform_options how;
    *out = (cmd_registered){0};
    rp_deform_defaults(&how);
    rp_status status = register_rigidly(baseline, followup, &out->rigid, err);
    out->rigid_seconds = rp_seconds() - started;
    const rp_deform_pair pair = {baseline, followup, out->rigid.transform, contour};
    if (!status) status = rp_deform_register(&pair, &how, progress, &out->deform, err);
    if (!status && contour)
        status = rp_deform_carry_mask(out->deform, contour, &followup->grid, &out->carried,
                                      &out->moved_out, err);
    out->deform_seconds = rp_seconds() - started - out->rigid_seconds;
    return status;
}

void cmd_registered_release(cmd_registered *registered)
{
    rp_deform_destroy(registered->deform);
    rp_mask_release(&registered->carried);
    registered->deform = NULL;
}

static rp_json *rigid_json(const rp_registration *r)
{
    rp_json *json = rp_json_object(), *rotation = rp_json_array();
    for (int row = 0; row < 3; row++) {
        rp_json *values = rp_json_array();
        for (int c = 0; c < 3; c++) rp_json_append_number(values, r->transform.rotation[row][c]);
        rp_json_append(rotation, values);
    }
    rp_json_set(json, "rotation", rotation);
    rp_json_set_numbers(json, "centre_lps", r->transform.centre, 3);
    rp_json_set_numbers(json, "translation_mm", r->transform.translation, 3);
    rp_json_set_number(json, "degrees", rp_rigid_degrees(&r->transform));
    rp_json_set_number(json, "correlation", r->correlation);
    rp_json_set_number(json, "overlap", r->overlap);
    rp_json_set_string(json, "quality", rp_registration_quality_name(r->quality));
    rp_json_set_string(json, "reason", r->reason[0] ? r->reason : NULL);
    return json;
}

static rp_json *deform_json(const rp_deform_summary *s)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "spacing_mm", s->spacing_mm);
    rp_json_set_number(json, "region_spacing_mm",
                       s->region_spacing_mm > 0 ? s->region_spacing_mm : NAN);
    rp_json_set_int(json, "voxels", (int64_t)s->voxels);
    rp_json_set_number(json, "compared_share", s->compared);
    rp_json_set_number(json, "difference_before", s->difference_before);
    rp_json_set_number(json, "difference_after", s->difference_after);
    rp_json_set_number(json, "median_mm", s->median_mm);
    rp_json_set_number(json, "p95_mm", s->p95_mm);
    rp_json_set_number(json, "max_mm", s->max_mm);
    rp_json_set_number(json, "folded_share", s->folded);
    rp_json_set_number(json, "jacobian_min", s->jacobian_min);
    rp_json_set_string(json, "quality", rp_registration_quality_name(s->quality));
    rp_json_set_string(json, "reason", s->reason[0] ? s->reason : NULL);
    return json;
}

rp_json *cmd_registered_json(const cmd_registered *registered)
{
    rp_json *json = rp_json_object(), *timing = rp_json_object();
    rp_json_set(json, "rigid", rigid_json(&registered->rigid));
    rp_json_set(json, "deformable", deform_json(rp_deform_summary_get(registered->deform)));
    rp_json_set_number(timing, "rigid_seconds", registered->rigid_seconds);
    rp_json_set_number(timing, "deformable_seconds", registered->deform_seconds);
    rp_json_set(json, "timing", timing);
    return json;
}
