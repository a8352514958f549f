/* Groups, looks and heads that all figures of the evaluation share. */
#include "evaluation_parts.h"
#include "figure_file.h"

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

double rp_figure_head(rp_canvas *canvas, const rp_figure *figure, const char *title,
                      const char *words)
{
    return rp_figure_heading(canvas, figure, rp_figure_view(figure)->evaluation->label, title,
                             words);
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
