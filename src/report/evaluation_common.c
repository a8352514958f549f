/* Groups, looks and heads that all figures of the evaluation share. */
#include "evaluation_parts.h"

#include <math.h>
#include <string.h>

const rp_source rp_followup_sources[4] = {RP_SOURCE_CARRY_POST, RP_SOURCE_REGISTERED_POST,
                                          RP_SOURCE_GENERAL_POST, RP_SOURCE_IDOL_POST};

static const rp_source_look looks[RP_SOURCE_COUNT] = {
    [RP_SOURCE_GENERAL_PRE] =
        {"FCD, baseline", {RP_DARK_BLUE, 1.4, RP_SOLID, RP_WHITE, 1}, RP_SQUARE, RP_SKY, RP_DASHED},
    [RP_SOURCE_GENERAL_POST] =
        {"FCD", {RP_DARK_BLUE, 1, RP_SOLID, RP_SKY, 1}, RP_SQUARE, RP_SKY, RP_DASHED},
    [RP_SOURCE_IDOL_POST] =
        {"IDOL", {RP_DARK_ORANGE, 1, RP_SOLID, RP_ORANGE, 1}, RP_CIRCLE, RP_ORANGE, RP_SOLID},
    [RP_SOURCE_CARRY_POST] = {"carry-forward",
                              {RP_DARK_GREEN, 1, RP_SOLID, RP_GREEN, 1},
                              RP_TRIANGLE,
                              0x00c896,
                              RP_DOTTED},
    [RP_SOURCE_REGISTERED_POST] = {"registration",
                                   {RP_DARK_PURPLE, 1, RP_SOLID, RP_PURPLE, 1},
                                   RP_DIAMOND,
                                   0xf0a8d0,
                                   RP_DASH_DOTTED},
};

const rp_source_look *rp_source_look_of(rp_source source)
{
    return &looks[source];
}

double rp_case_dice(const rp_case *one, rp_source source)
{
    return one->score[source].present ? one->score[source].overlap.dice : NAN;
}

bool rp_lesion_found(const rp_lesion *lesion)
{
    return lesion->slice_index >= 0 && lesion->voxels > 0;
}

bool rp_group_has(const rp_group *group, rp_source source)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->cases[i]->score[source].present) return true;
    return false;
}

const rp_evaluation_view *rp_figure_view(const rp_figure *figure)
{
    return figure->data;
}

/* The label stands in the figure itself, so that it stays where the figure is copied from here. */
static double add_label(rp_canvas *canvas, const rp_figure *figure, const char *label)
{
    char words[40];
    rp_type type = {10.5, RP_INK, RP_MIDDLE, true, 0};
    const rp_style ground = {0xb88700, 1, RP_SOLID, 0xfff3c4, 1};
    if (!*label) return 0;
    snprintf(words, sizeof words, "%.30s", label);
    for (char *at = words; *at; at++)
        if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
    double width = rp_type_width(words, type.size, true) + 14;
    rp_canvas_rectangle(canvas, &(rp_box){figure->width - width - 1, 3, width, 17}, &ground);
    rp_canvas_text(canvas, figure->width - 1 - 0.5 * width, 15.2, words, &type);
    return width + 8;
}

double rp_figure_head(rp_canvas *canvas, const rp_figure *figure, const char *title,
                      const char *words)
{
    const rp_type bold = {14, RP_INK, RP_START, true, 0},
                  plain = {12, RP_MUTED, RP_START, false, 0};
    char fitted[300];
    double taken = add_label(canvas, figure, rp_figure_view(figure)->evaluation->label);
    rp_type_fit(title, bold.size * 1.07, figure->width - taken, fitted, sizeof fitted);
    rp_canvas_text(canvas, 0, 16, fitted, &bold);
    if (!words || !*words) return 34;
    rp_type_fit(words, plain.size, figure->width, fitted, sizeof fitted);
    rp_canvas_text(canvas, 0, 34, fitted, &plain);
    return 52;
}

void rp_figure_empty(rp_canvas *canvas, const rp_figure *figure, const char *words)
{
    const rp_type type = {13, RP_MUTED, RP_MIDDLE, false, 0};
    const rp_style edge = {RP_RULE, 1, RP_SOLID, 0xf6f8f9, 1};
    char fitted[300];
    rp_type_fit(words, type.size, figure->width - 24, fitted, sizeof fitted);
    rp_canvas_rectangle(canvas, &(rp_box){1, 44, figure->width - 2, figure->height - 46}, &edge);
    rp_canvas_text(canvas, 0.5 * figure->width, 0.5 * figure->height + 24, fitted, &type);
}
