/* Warnings: a key for programs and a sentence for the person who checks the result. */
#include "assess.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* A lesion's volume beyond these multiples of the baseline's is rather a failed contour: +59% and
 * -67% in diameter. */
static const double largest_ratio = 4.0, smallest_ratio = 1.0 / 27.0;
static const double sufficient_self_dice = 0.8;

void assess_flag_add(assess *a, const char *key, const char *format, ...)
{
    if (a->flag_count == ASSESS_MAX_FLAGS) return;
    assess_flag *flag = &a->flags[a->flag_count++];
    va_list arguments;
    flag->key = key;
    va_start(arguments, format);
    vsnprintf(flag->text, sizeof flag->text, format, arguments);
    va_end(arguments);
}

/* ---- inputs ------------------------------------------------------------------------------ */

static void flag_modality(assess *a, const cmd_ct *ct, const char *whose)
{
    const char *modality = ct->series.header.modality;
    if (modality[0] && strcmp(modality, "CT") != 0)
        assess_flag_add(a, "not_ct",
                        "The %s is of modality %s, not CT; the user overrode the refusal.", whose,
                        modality);
}

static void flag_repair(assess *a, const cmd_ct *ct, const char *whose)
{
    const rp_dicom_repair *r = &ct->series.repair;
    const bool doubled = r->duplicates > 0 && !r->resampled;
    if (ct->repair[0])
        assess_flag_add(a, doubled ? "image_duplicates" : "image_resampled",
                        "The %s is not as it was acquired: %s.", whose, ct->repair);
}

static void flag_remarks(assess *a, const rp_remarks *remarks, const char *whose)
{
    for (size_t i = 0; i < remarks->count; i++)
        assess_flag_add(a, remarks->items[i].key, "%s: %s", whose, remarks->items[i].text);
}

void assess_flag_inputs(assess *a)
{
    if (a->label[0])
        assess_flag_add(a, a->label,
                        "These data are %s: they were made by a program and show no patient's "
                        "response.",
                        a->label);
    else if (a->model.provenance.label[0])
        assess_flag_add(a, "model_not_from_patients", "The general model was trained on %s data.",
                        a->model.provenance.label);
    flag_modality(a, &a->baseline_ct, "baseline");
    flag_modality(a, &a->followup_ct, "follow-up");
    flag_repair(a, &a->baseline_ct, "baseline");
    flag_repair(a, &a->followup_ct, "follow-up");
    if (a->contour.other_series)
        assess_flag_add(
            a, "contour_of_other_series",
            "The contour refers to another series than the baseline's, in the same frame "
            "of reference: check that it lies where it should.");
    flag_remarks(a, &a->baseline_ct.remarks, "Baseline");
    flag_remarks(a, &a->contour.remarks, "Contour of the baseline");
    flag_remarks(a, &a->followup_ct.remarks, "Follow-up");
    if (a->has_truth) flag_remarks(a, &a->truth.remarks, "True contour of the follow-up");
}

/* ---- findings ---------------------------------------------------------------------------- */

static bool touches_border(const rp_mask *mask)
{
    int low[3], high[3];
    if (!rp_mask_bounds(mask, low, high)) return false;
    for (int axis = 0; axis < 3; axis++)
        if (low[axis] == 0 || high[axis] == mask->grid.size[axis] - 1) return true;
    return false;
}

static void flag_borders(assess *a)
{
    static const char text[] =
        "The lesion touches the border of the %s image: part of it may be missing.";
    if (touches_border(&a->contour.mask))
        assess_flag_add(a, "baseline_touches_border", text, "baseline");
    if (touches_border(&a->prediction.mask))
        assess_flag_add(a, "followup_touches_border", text, "follow-up");
}

static void flag_components(assess *a)
{
    const bool all = a->settings.predict.all_components;
    const bool kept = !all && a->guard.source == RP_GUARD_MODEL;
    const char *measured = all ? "all of them together were measured" : "the largest was measured";
    if (a->baseline.components > 1)
        assess_flag_add(a, "several_components_baseline",
                        "The baseline contour consists of %d separate parts; %s.",
                        a->baseline.components, measured);
    if (a->prediction.components > 1 && !kept)
        assess_flag_add(a, "several_components",
                        "%d separate parts were found on the follow-up; %s.",
                        a->prediction.components, measured);
    else if (a->prediction.components > 1)
        assess_flag_add(a, "several_components",
                        "%d separate parts were found on the follow-up; the %s was kept.",
                        a->prediction.components,
                        a->prediction.chosen_by_prior ? "one that fits the baseline contour best"
                                                      : "largest");
    if (a->prediction.chosen_rank > 1)
        assess_flag_add(a, "not_largest_component",
                        "The part kept on the follow-up is only number %d by size: the larger ones "
                        "lie farther from the baseline contour.",
                        a->prediction.chosen_rank);
    if (a->has_truth && a->true_lesion.components > 1)
        assess_flag_add(a, "several_components_truth",
                        "The true contour consists of %d separate parts; %s.",
                        a->true_lesion.components, measured);
}

static void flag_volume(assess *a)
{
    const double before = a->baseline.lesion.volume_cc, after = a->followup.lesion.volume_cc;
    if (after > largest_ratio * before || after < smallest_ratio * before)
        assess_flag_add(a, "volume_implausible",
                        "The volume changed from %.1f to %.1f cc, more than most responses do: "
                        "look at the contours.",
                        before, after);
}

/* Before all others. */
static void flag_doubts(assess *a)
{
    size_t count = 0;
    for (int i = 0; i < RP_DOUBTS; i++) count += a->doubts.doubts.found[i];
    if (a->flag_count + count > ASSESS_MAX_FLAGS) a->flag_count = ASSESS_MAX_FLAGS - count;
    memmove(&a->flags[count], a->flags, a->flag_count * sizeof *a->flags);
    a->flag_count += count;
    assess_flag *next = a->flags;
    for (int i = 0; i < RP_DOUBTS; i++) {
        if (!a->doubts.doubts.found[i]) continue;
        char text[400];
        cmd_doubt_sentence(&a->doubts, i, text);
        next->key = rp_doubt_key((rp_doubt)i);
        snprintf(next++->text, sizeof next->text, "%s", text);
    }
}

/* Contrast moves the median of soft tissue by 20 to 30 HU, another kernel the mean of bone by less
 * than a fifth. */
static void flag_intensities(assess *a)
{
    const double most_hu = 40.0, most_ratio = 1.3;
    const rp_intensities *i = &a->doubts.intensities;
    const double ratio = i->bone_hu[1] / i->bone_hu[0];
    if (fabs(i->median_hu[1] - i->median_hu[0]) > most_hu)
        assess_flag_add(a, "intensities_differ",
                        "The median of what is denser than air is %.0f HU at baseline and %.0f HU "
                        "at follow-up, in what both images show: one of them may not be in HU, and "
                        "contours depend on it.",
                        i->median_hu[0], i->median_hu[1]);
    if (ratio > most_ratio || ratio < 1.0 / most_ratio)
        assess_flag_add(a, "bone_differs",
                        "The mean of bone is %.0f HU at baseline and %.0f HU at follow-up, in what "
                        "both images show: one of them may be scaled.",
                        i->bone_hu[0], i->bone_hu[1]);
}

static void flag_registration(assess *a)
{
    const rp_registration *r = &a->doubts.registration;
    if (r->quality == RP_REGISTRATION_DOUBTFUL)
        assess_flag_add(a, "registration_doubtful",
                        "Baseline and follow-up were aligned with doubt (%s): check that both show "
                        "the same place.",
                        r->reason);
}

/* Whose contour it is, and whether the other one speaks of another lesion. */
static void flag_source(assess *a)
{
    const char *key;
    char text[400];
    if (cmd_source_remark(&a->sources, &a->guard, &key, text)) assess_flag_add(a, key, "%s", text);
    if (cmd_disagreement_remark(&a->sources, a->baseline.lesion.longest_diameter_mm, &key, text))
        assess_flag_add(a, key, "%s", text);
}

void assess_flag_findings(assess *a)
{
    flag_intensities(a);
    flag_registration(a);
    flag_doubts(a);
    flag_source(a);
    if (a->followup.lesion.voxels == 0)
        assess_flag_add(a, "no_tumour_found",
                        "No tumour was found on the follow-up. This is a failure to segment, not a "
                        "complete response: a person must confirm what the image shows.");
    else
        flag_volume(a);
    if (a->response.is_borderline)
        assess_flag_add(a, "response_borderline", "%s", a->response.doubt);
    if (!a->response.measurable_at_baseline)
        assess_flag_add(a, "not_measurable_at_baseline",
                        "At baseline the lesion (%.1f mm, slices %.1f mm apart) is too small to be "
                        "a target lesion by RECIST 1.1.",
                        a->baseline.lesion.longest_diameter_mm, cmd_slice_spacing(&a->baseline_ct));
    if (a->guard.source == RP_GUARD_MODEL && a->model.provenance.epochs == 0)
        assess_flag_add(a, "start_not_adapted",
                        "The network that drew the contour learnt from synthetic visits alone and "
                        "was shown this patient's baseline without a step of training on it.");
    if (a->self_dice < sufficient_self_dice && a->guard.source == RP_GUARD_MODEL &&
        !a->doubts.doubts.found[RP_DOUBT_SELF_DICE])
        assess_flag_add(a, "self_dice_low",
                        "The patient model reproduces the baseline contour with a Dice of only "
                        "%.2f: more epochs or copies may be needed.",
                        a->self_dice);
    if (a->carry_forward.lesion.voxels == 0)
        assess_flag_add(a, "carry_forward_outside",
                        "Carried forward, the baseline contour lies outside the follow-up image.");
    flag_components(a);
    flag_borders(a);
    const char *key;
    char text[400];
    if (cmd_place_remark(&a->place, &key, text)) assess_flag_add(a, key, "%s", text);
    if (a->guard.source == RP_GUARD_MODEL && cmd_box_remark(&a->prediction, &key, text))
        assess_flag_add(a, key, "%s", text);
}
