/* The contours that need no model, on the same follow-ups. */
#include "internal.h"

#include <math.h>
#include <string.h>

const char *rp_guard_source_name(rp_guard_source source)
{
    static const char *const names[RP_GUARD_SOURCES] = {"patient model", "registered contour",
                                                        "carried contour"};
    return names[source];
}

void rp_guard_trials_of(const rp_guard_trials *trials, rp_guard_source source, rp_guard_trials *out)
{
    *out = *trials;
    out->source = source;
    for (int k = 0; k < out->count && source != RP_GUARD_MODEL; k++) {
        rp_guard_trial *t = &out->item[k];
        const rp_guard_finding *f = source == RP_GUARD_REGISTERED ? &t->registered : &t->carried;
        t->found_mm = f->found_mm;
        t->found_cc = f->found_cc;
        t->dice = f->dice;
        t->parts = f->found_mm > 0;
    }
}

/* ---- one contour --------------------------------------------------------------------------- */

static double rounded(double value)
{
    return round(1e4 * value) / 1e4;
}

rp_status rp_guard_measure(const rp_guard_options *o, const rp_mask *found, const rp_mask *truth,
                           rp_guard_finding *out, rp_error *err)
{
    rp_lesion lesion;
    rp_mask part = {0};
    int32_t components;
    rp_status status = rp_mask_copy(found, &part, err);
    if (!status && !o->predict.all_components)
        status = rp_mask_keep_largest(&part, 26, &components, err);
    if (!status) status = rp_measure_mask(&part, o->diameter, &lesion, err);
    rp_mask_release(&part);
    if (!status) status = rp_measure_dice(found, truth, &out->dice, err);
    if (status) return status;
    out->found_mm = rounded(o->nodal ? lesion.short_axis_mm : lesion.longest_diameter_mm);
    out->found_cc = rounded(lesion.volume_cc);
    out->dice = rounded(out->dice);
    return RP_OK;
}

/* ---- the comparison ------------------------------------------------------------------------ */

void rp_guard_deform_options(const rp_mask *contour, rp_deform_options *options)
{
    const double reach_mm = 24.0, voxels = 36.0;
    double mm3 = 1.0;
    int low[3], high[3];
    rp_deform_defaults(options);
    if (!rp_mask_bounds(contour, low, high)) return;
    for (int a = 0; a < 3; a++)
        mm3 *= (high[a] - low[a] + 1) * contour->grid.spacing[a] + 2.0 * reach_mm;
    options->reach_mm = options->margin_mm = reach_mm;
    options->region_spacing_mm = fmin(fmax(cbrt(mm3) / voxels, 2.0), 4.0);
    options->spacing_mm = 1.5 * options->region_spacing_mm;
}

bool rp_guard_compares(const rp_guard_options *o, const rp_image *image, const rp_mask *mask)
{
    const rp_deform_pair pair = {image, image, rp_rigid_identity(), mask};
    const size_t budget = o->predict.memory_bytes;
    rp_deform_options how;
    rp_guard_deform_options(mask, &how);
    return o->compare && (!budget || rp_deform_memory(&pair, &how) <= budget);
}

static rp_status carry(const rp_guard_trying *t, const rp_remodeled *made, const double moved_mm[3],
                       rp_mask *out, rp_error *err)
{
    rp_mask placed = {.grid = t->mask.grid, .data = t->mask.data};
    for (int a = 0; a < 3; a++) placed.grid.origin[a] += moved_mm[a];
    return rp_mask_resample(&placed, &made->image.grid, out, err);
}

/* Nothing where the registration is refused. */
static rp_status register_one(const rp_guard_trying *t, const rp_remodeled *made,
                              const double moved_mm[3], rp_mask *out, rp_error *err)
{
    rp_error why = {0};
    rp_deform *deform = NULL;
    rp_deform_options how;
    rp_deform_pair pair = {&t->image, &made->image, rp_rigid_identity(), &t->mask};
    memcpy(pair.rigid.translation, moved_mm, sizeof pair.rigid.translation);
    rp_guard_deform_options(&t->mask, &how);
    rp_status status = rp_deform_register(&pair, &how, NULL, &deform, &why);
    if (!status)
        status = rp_deform_carry_mask(deform, &t->mask, &made->image.grid, out, NULL, &why);
    rp_deform_destroy(deform);
    if (status == RP_ERR_REFUSED) return rp_mask_init(out, &made->image.grid, err);
    return status ? rp_fail(err, status, "%s", why.message) : RP_OK;
}

static bool same_followup(const rp_guard_trial *a, const rp_guard_trial *b)
{
    return a->gone == b->gone && a->change_percent == b->change_percent &&
           a->true_mm == b->true_mm && a->true_cc == b->true_cc;
}

static const rp_guard_trial *known(const rp_guard_options *o, const rp_guard_trial *trial)
{
    const rp_guard_trials *e = o->earlier;
    for (int k = 0; e && e->compared && e->seed == o->seed && k < e->count; k++)
        if (same_followup(&e->item[k], trial)) return &e->item[k];
    return NULL;
}

rp_status rp_guard_compare(const rp_guard_trying *t, const rp_remodeled *made,
                           const double moved_mm[3], rp_guard_trial *trial, rp_error *err)
{
    rp_mask found[2] = {0};
    rp_status status = RP_OK;
    if (!t->compare) return RP_OK;
    const rp_guard_trial *before = known(t->options, trial);
    if (before) {
        trial->registered = before->registered;
        trial->carried = before->carried;
        return RP_OK;
    }
    status = register_one(t, made, moved_mm, &found[0], err);
    if (!status) status = carry(t, made, moved_mm, &found[1], err);
    if (!status)
        status = rp_guard_measure(t->options, &found[0], &made->mask, &trial->registered, err);
    if (!status)
        status = rp_guard_measure(t->options, &found[1], &made->mask, &trial->carried, err);
    for (int i = 0; i < 2; i++) rp_mask_release(&found[i]);
    return status;
}

/* ---- the choice ---------------------------------------------------------------------------- */

rp_guard_source rp_guard_choose(const rp_guard_trials *trials)
{
    const double margin = 0.03;
    double ahead = 0.0;
    int present = 0;
    for (int k = 0; k < trials->count; k++) {
        const rp_guard_trial *t = &trials->item[k];
        if (t->gone) continue;
        ahead += t->registered.dice - t->dice;
        present++;
    }
    return trials->compared && present && ahead / present >= margin ? RP_GUARD_REGISTERED
                                                                    : RP_GUARD_MODEL;
}
