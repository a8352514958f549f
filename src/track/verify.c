/* What speaks against a change. */
#include "reprise/track_verify.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const keys[RP_DOUBTS] = {
    [RP_DOUBT_SELF_DICE] = "baseline_not_reproduced",
    [RP_DOUBT_GUARD] = "guard_failed",
    [RP_DOUBT_SETTLED] = "not_settled",
    [RP_DOUBT_UNDECIDED] = "undecided",
    [RP_DOUBT_FRAGMENTS] = "fragments",
    [RP_DOUBT_RESOLUTION] = "below_resolution",
    [RP_DOUBT_VOLUME] = "volume_ratio",
    [RP_DOUBT_CONTRAST] = "contrast_lost",
    [RP_DOUBT_ELSEWHERE] = "lesion_elsewhere",
    [RP_DOUBT_VIEW] = "field_of_view",
    [RP_DOUBT_OUTSIDE] = "lesion_outside",
    [RP_DOUBT_REGION] = "other_region",
    [RP_DOUBT_SCALE] = "wrong_scale",
    [RP_DOUBT_MIRRORED] = "mirrored",
    [RP_DOUBT_TURNED] = "turned",
    [RP_DOUBT_REVERSED] = "head_feet_reversed",
};

const char *rp_doubt_key(rp_doubt doubt)
{
    return (unsigned)doubt < RP_DOUBTS ? keys[doubt] : NULL;
}

bool rp_doubt_find(const char *key, rp_doubt *doubt)
{
    for (int d = 0; d < RP_DOUBTS; d++)
        if (strcmp(keys[d], key) == 0) {
            *doubt = (rp_doubt)d;
            return true;
        }
    return false;
}

void rp_verify_defaults(rp_verify_limits *limits)
{
    *limits = (rp_verify_limits){.self_dice = 0.7,
                                 .parts = 8,
                                 .part_share = 0.5,
                                 .most_volume = 27.0,
                                 .least_volume = 1.0 / 64.0,
                                 .shared = 0.1,
                                 .centre_mm = 15.0,
                                 .in_view = 0.75,
                                 .contrast = 0.25,
                                 .correlation = 0.6,
                                 .common = 0.4};
}

RP_PRINTF(3, 4) static void doubt(rp_doubts *out, rp_doubt which, const char *format, ...)
{
    va_list arguments;
    out->found[which] = true;
    va_start(arguments, format);
    vsnprintf(out->clause[which], sizeof out->clause[which], format, arguments);
    va_end(arguments);
}

static void verify_model(const rp_verify_input *in, const rp_verify_limits *l, rp_doubts *out)
{
    if (in->self_dice < l->self_dice)
        doubt(out, RP_DOUBT_SELF_DICE,
              "the patient model does not reproduce its own baseline contour (Dice %.2f, %.2f is "
              "needed)",
              in->self_dice, l->self_dice);
}

static void verify_found(const rp_verify_input *in, const rp_verify_limits *l, rp_doubts *out)
{
    const double few_share = 0.2 * l->part_share, resolved_mm3 = 8.0 * in->voxel_mm3;
    const double ratio = in->found_mm3 / in->baseline_mm3;
    if ((in->parts >= l->parts && in->part_share < l->part_share) ||
        (in->parts >= 3 && in->part_share < few_share))
        doubt(out, RP_DOUBT_FRAGMENTS,
              "what was found on the follow-up is in %d fragments, the lesion %.0f%% of it",
              in->parts, 100.0 * in->part_share);
    if (in->found_mm3 < resolved_mm3)
        doubt(out, RP_DOUBT_RESOLUTION,
              "the lesion found, %.3f cc, is smaller than what can be resolved, %.3f cc",
              in->found_mm3 / 1000.0, resolved_mm3 / 1000.0);
    if (ratio > l->most_volume || ratio < l->least_volume)
        doubt(out, RP_DOUBT_VOLUME,
              "the volume went from %.2f to %.2f cc, more than a response or progression explains",
              in->baseline_mm3 / 1000.0, in->found_mm3 / 1000.0);
}

static void verify_contrast(const rp_verify_input *in, const rp_verify_limits *l, rp_doubts *out)
{
    const double least_before = 0.3, before = in->baseline_contrast;
    const double left = in->found_contrast / before;
    if (fabs(before) >= least_before && left < l->contrast && left > -2.0 * l->contrast)
        doubt(out, RP_DOUBT_CONTRAST,
              "what was found looks like its surroundings (%.2f of their spread apart, the lesion "
              "was %.2f at baseline): nothing may be left",
              fabs(in->found_contrast), fabs(before));
}

static void verify_place(const rp_verify_input *in, const rp_verify_limits *l, rp_doubts *out)
{
    const rp_place *p = in->place;
    if (!p) return;
    if (p->shared < l->shared && p->centre_mm > l->centre_mm)
        doubt(out, RP_DOUBT_ELSEWHERE,
              "what was found lies %.0f mm from where the lesion was and shares %.0f%% with it: it "
              "may be another lesion",
              p->centre_mm, 100.0 * p->shared);
    if (p->in_view < l->in_view)
        doubt(out, RP_DOUBT_OUTSIDE, "the follow-up shows %.0f%% of the place of the lesion only",
              100.0 * p->in_view);
}

static void verify_view(const rp_verify_input *in, rp_doubts *out)
{
    const bool before = in->baseline_leaves_view, after = in->followup_leaves_view;
    if (before || after)
        doubt(out, RP_DOUBT_VIEW,
              "the lesion reaches the edge of the field of view %s, so that part of it is missing",
              before && after ? "of both images"
              : before        ? "of the baseline"
                              : "of the follow-up");
}

static void verify_images(const rp_verify_input *in, const rp_verify_limits *l, rp_doubts *out)
{
    const rp_alignment *a = in->alignment;
    if (!a) return;
    const rp_registration *r = &a->registration;
    const int flips = a->flipped[0] + a->flipped[1] + a->flipped[2];
    static const char *const sides[] = {"left and right", "front and back", "head and feet"};
    const char *between = flips == 3 ? ", " : " and ";
    if (!isnan(a->scaled_correlation))
        doubt(out, RP_DOUBT_SCALE,
              "the follow-up fits the baseline with the baseline's spacing (correlation %.2f) and "
              "not with its own (%.2f): one of the two is wrong, and with it every length",
              a->scaled_correlation, r->correlation);
    else if (flips > 0)
        doubt(out,
              a->flipped[2] ? RP_DOUBT_REVERSED
              : flips == 1  ? RP_DOUBT_MIRRORED
                            : RP_DOUBT_TURNED,
              "the follow-up fits the baseline with %s%s%s%s%s exchanged (correlation %.2f instead "
              "of %.2f)",
              a->flipped[0] ? sides[0] : "", a->flipped[0] && flips > 1 ? between : "",
              a->flipped[1] ? sides[1] : "", a->flipped[1] && a->flipped[2] ? " and " : "",
              a->flipped[2] ? sides[2] : "", a->flipped_correlation, r->correlation);
    else if (r->quality == RP_REGISTRATION_FAILED || r->correlation < l->correlation ||
             r->common < l->common)
        doubt(out, RP_DOUBT_REGION,
              "baseline and follow-up could not be aligned (correlation %.2f, %.0f%% in common): "
              "they seem to show other regions or bodies",
              r->correlation, 100.0 * r->common);
}

void rp_verify(const rp_verify_input *input, const rp_verify_limits *limits, rp_doubts *out)
{
    *out = (rp_doubts){.found = {false}};
    verify_model(input, limits, out);
    if (input->found_mm3 > 0.0) verify_found(input, limits, out);
    if (input->found_mm3 > 0.0) verify_contrast(input, limits, out);
    verify_place(input, limits, out);
    verify_view(input, out);
    verify_images(input, limits, out);
}
