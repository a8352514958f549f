/* How well the contours agree: means, pairs, and against the size at baseline. */
#include "evaluation_parts.h"

#include <math.h>

static const rp_style mean_style = {RP_INK, 1.8, RP_SOLID, RP_INK, 1};
static const rp_style failed_style = {.line = RP_VERMILION, .width = 2};

/* ---- means with intervals ---------------------------------------------------------------- */

enum { FOREST_ROW = 30 };

static const rp_source forest_order[] = {RP_SOURCE_IDOL_POST, RP_SOURCE_GENERAL_POST,
                                         RP_SOURCE_REGISTERED_POST, RP_SOURCE_CARRY_POST,
                                         RP_SOURCE_GENERAL_PRE};

static void add_forest_row(const rp_chart *chart, double y, rp_source source,
                           const rp_estimate *mean, double width)
{
    const rp_source_look *look = rp_source_look_of(source);
    const rp_type name = {13, RP_INK, RP_START, source == RP_SOURCE_IDOL_POST, 0};
    const rp_type value = {13, RP_INK, RP_END, source == RP_SOURCE_IDOL_POST, 0};
    char words[128];
    rp_canvas_text(chart->canvas, 0, y + 4.5, look->name, &name);
    rp_canvas_text(chart->canvas, width, y + 4.5, rp_estimate_words(words, mean, 2), &value);
    if (!mean->known) return;
    if (isfinite(mean->low) && isfinite(mean->high)) {
        double low = rp_chart_x(chart, fmax(mean->low, 0)), high;
        high = rp_chart_x(chart, fmin(mean->high, 1));
        rp_canvas_horizontal(chart->canvas, low, high, y, &mean_style);
        rp_canvas_vertical(chart->canvas, low, y - 4, y + 4, &mean_style);
        rp_canvas_vertical(chart->canvas, high, y - 4, y + 4, &mean_style);
    }
    rp_marker(chart->canvas, rp_chart_x(chart, mean->value), y, look->shape, 6, &look->style);
}

static rp_status draw_forest(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    (void)err;
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    rp_chart chart = {.canvas = canvas, .x = {0, 1, 0.2, 1, false, "Dice"}};
    const rp_style rule = {.line = RP_RULE, .width = 1};
    rp_type tick = {12, RP_MUTED, RP_MIDDLE, false, 0};
    char title[120], words[RP_WORDS];
    snprintf(title, sizeof title, "Dice, %s (n = %zu)", group->name, group->count);
    double y =
        rp_figure_head(canvas, figure, title, "mean and 95% interval; follow-up but where named");
    chart.area = (rp_box){96, y - 4, figure->width - 96 - 132, figure->height - y - 20};
    for (int i = 0; i <= 5; i++) {
        double x = rp_chart_x(&chart, 0.2 * i);
        rp_canvas_vertical(canvas, x, chart.area.y, chart.area.y + chart.area.height, &rule);
        rp_canvas_text(canvas, x, chart.area.y + chart.area.height + 15,
                       rp_words(words, 0.2 * i, 1, false), &tick);
    }
    y += 12;
    for (size_t i = 0; i < sizeof forest_order / sizeof *forest_order; i++) {
        if (!rp_group_has(group, forest_order[i])) continue;
        rp_estimate mean =
            rp_summary_mean(view->report->summary, group->key, "dice", forest_order[i]);
        add_forest_row(&chart, y, forest_order[i], &mean, figure->width);
        y += FOREST_ROW;
    }
    return RP_OK;
}

void rp_evaluation_add_forest(rp_document *document, const rp_evaluation_view *view)
{
    rp_figure figures[2];
    size_t count = 0;
    for (int g = RP_RECIST; g >= RP_ENTIRE; g--) {
        int rows = 0;
        for (size_t i = 0; i < sizeof forest_order / sizeof *forest_order; i++)
            rows += rp_group_has(&view->group[g], forest_order[i]);
        if (rows == 0) continue;
        figures[count++] = (rp_figure){
            .alt = "Mean Dice of each source with its 95% interval",
            .width = 420,
            .height = 80 + FOREST_ROW * rows,
            .draw = draw_forest,
            .data = view,
            .index = g,
        };
    }
    rp_document_figures(document, figures, count);
}

/* ---- pairs ------------------------------------------------------------------------------- */

typedef struct columns {
    rp_source source[RP_SOURCE_COUNT];
    double x[RP_SOURCE_COUNT];
    int count;
} columns;

/* The baseline first, apart from the follow-up's, which lines join. */
static columns place_columns(const rp_group *group, const rp_box *area)
{
    columns c = {.count = 0};
    if (rp_group_has(group, RP_SOURCE_GENERAL_PRE)) c.source[c.count++] = RP_SOURCE_GENERAL_PRE;
    for (int i = 0; i < 4; i++)
        if (rp_group_has(group, rp_followup_sources[i]))
            c.source[c.count++] = rp_followup_sources[i];
    for (int i = 0; i < c.count; i++) c.x[i] = area->x + area->width * (i + 0.42) / c.count;
    return c;
}

static void add_pair_lines(const rp_chart *chart, const columns *c, const rp_case *one)
{
    const rp_style thin = {.line = 0x9aa5b0, .width = 0.8};
    double before[2] = {NAN, NAN};
    for (int i = 0; i < c->count; i++) {
        double dice = rp_case_dice(one, c->source[i]);
        double at[2] = {c->x[i], rp_chart_y(chart, dice)};
        if (c->source[i] == RP_SOURCE_GENERAL_PRE || !isfinite(dice)) continue;
        rp_canvas_line(chart->canvas, before, at, &thin);
        before[0] = at[0];
        before[1] = at[1];
    }
}

static void add_pair_markers(const rp_chart *chart, const columns *c, const rp_case *one)
{
    for (int i = 0; i < c->count; i++) {
        const rp_source_look *look = rp_source_look_of(c->source[i]);
        bool empty = one->score[c->source[i]].present && one->score[c->source[i]].empty;
        double dice = rp_case_dice(one, c->source[i]);
        rp_marker(chart->canvas, c->x[i], rp_chart_y(chart, dice), empty ? RP_CROSS : look->shape,
                  empty ? 5 : 3.8, empty ? &failed_style : &look->style);
    }
}

static void add_column_mean(const rp_chart *chart, double x, const rp_estimate *mean)
{
    if (!mean->known) return;
    x += 18;
    if (isfinite(mean->low) && isfinite(mean->high)) {
        double low = rp_chart_y(chart, fmax(mean->low, 0));
        double high = rp_chart_y(chart, fmin(mean->high, 1));
        rp_canvas_vertical(chart->canvas, x, low, high, &mean_style);
        rp_canvas_horizontal(chart->canvas, x - 4, x + 4, low, &mean_style);
        rp_canvas_horizontal(chart->canvas, x - 4, x + 4, high, &mean_style);
    }
    rp_marker(chart->canvas, x, rp_chart_y(chart, mean->value), RP_DIAMOND, 4.2, &mean_style);
}

static rp_status draw_pairs(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    (void)err;
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    const rp_type name = {11, RP_INK, RP_MIDDLE, false, 0};
    const rp_legend_item items[] = {{"one case", {.line = 0x9aa5b0, .width = 1}, true, RP_CIRCLE},
                                    {"mean, 95% interval", mean_style, false, RP_DIAMOND},
                                    {"nothing drawn", failed_style, false, RP_CROSS}};
    rp_chart chart = {.canvas = canvas, .y = {0, 1, 0.2, 1, false, "Dice"}, .no_x = true};
    char title[120];
    snprintf(title, sizeof title, "Dice by source, %s", group->name);
    char words[80];
    snprintf(words, sizeof words, "n = %zu; lines join the same case at follow-up", group->count);
    double y = rp_figure_head(canvas, figure, title, words);
    y = rp_legend(canvas, 0, figure->width, y + 2, items, 3);
    chart.area = (rp_box){50, y - 4, figure->width - 56, figure->height - y - 34};
    columns c = place_columns(group, &chart.area);
    rp_chart_frame(&chart);
    for (size_t i = 0; i < group->count; i++) add_pair_lines(&chart, &c, group->cases[i]);
    for (size_t i = 0; i < group->count; i++) add_pair_markers(&chart, &c, group->cases[i]);
    for (int i = 0; i < c.count; i++) {
        rp_estimate mean = rp_summary_mean(view->report->summary, group->key, "dice", c.source[i]);
        add_column_mean(&chart, c.x[i], &mean);
        bool baseline = c.source[i] == RP_SOURCE_GENERAL_PRE;
        rp_canvas_text(canvas, c.x[i] + 8, figure->height - 19,
                       baseline ? "FCD" : rp_source_look_of(c.source[i])->name, &name);
        if (baseline) rp_canvas_text(canvas, c.x[i] + 8, figure->height - 5, "baseline", &name);
    }
    return RP_OK;
}

/* ---- against the baseline's diameter ----------------------------------------------------- */

static void add_size_markers(const rp_chart *chart, const rp_group *group, rp_source source)
{
    const rp_source_look *look = rp_source_look_of(source);
    for (size_t i = 0; i < group->count; i++) {
        const rp_case *one = group->cases[i];
        double x = one->manual[0].longest_diameter_mm, dice = rp_case_dice(one, source);
        bool empty = one->score[source].empty;
        if (!rp_lesion_found(&one->manual[0]) || !isfinite(dice)) continue;
        rp_marker(chart->canvas, rp_chart_x(chart, x), rp_chart_y(chart, dice),
                  empty ? RP_CROSS : look->shape, empty ? 5 : 4.2,
                  empty ? &failed_style : &look->style);
    }
}

static void size_words(const rp_evaluation_view *view, const rp_group *group, rp_source source,
                       char out[160])
{
    char value[RP_WORDS], p[RP_WORDS];
    rp_estimate rho = rp_summary_dice_diameter(view->report->summary, group->key, source);
    if (!rho.known)
        snprintf(out, 160, "%s (Spearman undefined)", rp_source_look_of(source)->name);
    else
        snprintf(out, 160, "%s: Spearman %.20s%s%.20s", rp_source_look_of(source)->name,
                 rp_words(value, rho.value, 2, false), isfinite(rho.p) ? ", " : "",
                 isfinite(rho.p) ? rp_words_p(p, rho.p) : "");
}

static rp_status draw_size(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    (void)err;
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    const rp_source sources[] = {RP_SOURCE_GENERAL_POST, RP_SOURCE_IDOL_POST};
    char words[2][160], line[80];
    rp_legend_item items[2];
    rp_chart chart = {.canvas = canvas,
                      .x = {.title = "Manual longest diameter at baseline, mm"},
                      .y = {0, 1, 0.2, 1, false, "Dice at follow-up"}};
    double high = 0, low = INFINITY;
    for (size_t i = 0; i < group->count; i++) {
        if (!rp_lesion_found(&group->cases[i]->manual[0])) continue;
        high = fmax(high, group->cases[i]->manual[0].longest_diameter_mm);
        low = fmin(low, group->cases[i]->manual[0].longest_diameter_mm);
    }
    rp_axis_fit(&chart.x, low, high, 6);
    snprintf(line, sizeof line, "%s, n = %zu", group->name, group->count);
    double y = rp_figure_head(canvas, figure, "Dice against size at baseline", line);
    for (int i = 0; i < 2; i++) {
        const rp_source_look *look = rp_source_look_of(sources[i]);
        size_words(view, group, sources[i], words[i]);
        items[i] = (rp_legend_item){words[i], look->style, false, look->shape};
    }
    y = rp_legend(canvas, 0, figure->width, y + 2, items, 2);
    chart.area = (rp_box){50, y - 4, figure->width - 64, figure->height - y - 46};
    rp_chart_frame(&chart);
    for (int i = 0; i < 2; i++) add_size_markers(&chart, group, sources[i]);
    return RP_OK;
}

void rp_evaluation_add_dice(rp_document *document, const rp_evaluation_view *view)
{
    rp_figure figures[4];
    size_t count = 0;
    for (int g = RP_RECIST; g >= RP_ENTIRE; g--)
        if (view->group[g].count)
            figures[count++] = (rp_figure){
                .alt = "Dice of each source, the same case joined by a line",
                .width = 420,
                .height = 360,
                .draw = draw_pairs,
                .data = view,
                .index = g,
            };
    for (int g = RP_RECIST; g >= RP_ENTIRE; g--)
        if (view->group[g].count)
            figures[count++] = (rp_figure){
                .alt = "Dice at follow-up against the manual longest diameter at baseline",
                .width = 420,
                .height = 360,
                .draw = draw_size,
                .data = view,
                .index = g,
            };
    rp_document_figures(document, figures, count);
}
