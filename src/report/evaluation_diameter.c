/* Predicted against manual diameter and volume at follow-up: scatter and Bland-Altman. */
#include "evaluation_parts.h"

#include <math.h>

static const rp_source shown = RP_SOURCE_IDOL_POST;

enum { DIAMETER, VOLUME };

static const struct quantity {
    const char *key, *name, *unit;
    int decimals;
} quantities[] = {
    [DIAMETER] = {"diameter", "longest diameter", "mm", 1},
    [VOLUME] = {"volume", "volume", "cc", 0},
};

/* Manual and predicted value, as the summary takes them: diameters of the lesions measured, volumes
 * of whole masks. False where either contour is empty or was not made. */
static bool values_of(const rp_case *one, int quantity, double *manual, double *predicted)
{
    const rp_case_score *score = &one->score[shown];
    if (!score->present || score->empty || !rp_lesion_found(&one->manual[1])) return false;
    *manual =
        quantity == DIAMETER ? one->manual[1].longest_diameter_mm : score->overlap.reference_cc;
    *predicted =
        quantity == DIAMETER ? score->lesion.longest_diameter_mm : score->overlap.prediction_cc;
    return isfinite(*manual) && isfinite(*predicted);
}

static size_t count_pairs(const rp_group *group, int quantity)
{
    size_t count = 0;
    double a, b;
    for (size_t i = 0; i < group->count; i++) count += values_of(group->cases[i], quantity, &a, &b);
    return count;
}

static void add_marker(const rp_chart *chart, double x, double y, rp_taken *taken)
{
    const rp_source_look *look = rp_source_look_of(shown);
    double at[2] = {rp_chart_x(chart, x), rp_chart_y(chart, y)};
    rp_marker(chart->canvas, at[0], at[1], look->shape, 4.4, &look->style);
    rp_taken_add(taken, (rp_box){at[0] - 4.5, at[1] - 4.5, 9, 9});
}

/* ---- scatter ----------------------------------------------------------------------------- */

/* Both axes alike, from the smallest value to the largest. */
static void fit_diameters(rp_chart *chart, const rp_group *group)
{
    double low = INFINITY, high = 0, manual, predicted;
    for (size_t i = 0; i < group->count; i++)
        if (values_of(group->cases[i], DIAMETER, &manual, &predicted)) {
            low = fmin(low, fmin(manual, predicted));
            high = fmax(high, fmax(manual, predicted));
        }
    rp_axis_fit(&chart->x, 0.95 * low, 1.02 * high, 5);
    chart->y.low = chart->x.low;
    chart->y.high = chart->x.high;
    chart->y.step = chart->x.step;
    chart->y.decimals = chart->x.decimals;
}

/* Names keep off the three lines. */
static void take_lines(const rp_chart *chart, rp_taken *taken)
{
    static const double slopes[] = {0.8, 1, 1.2};
    for (int line = 0; line < 3; line++)
        for (int i = 0; i <= 60; i++) {
            double x = chart->x.low + (chart->x.high - chart->x.low) * i / 60;
            double y = slopes[line] * x;
            if (y >= chart->y.low && y <= chart->y.high)
                rp_taken_add(taken,
                             (rp_box){rp_chart_x(chart, x) - 2, rp_chart_y(chart, y) - 2, 4, 4});
        }
}

static void scatter_words(const rp_evaluation_view *view, const rp_group *group, char out[256])
{
    const rp_json *summary = view->report->summary;
    char rho[128], icc[128];
    rp_estimate spearman = rp_summary_agreement(summary, group->key, "diameter", shown, "spearman");
    rp_estimate agreement = rp_summary_agreement(summary, group->key, "diameter", shown, "icc_2_1");
    snprintf(out, 256, "n = %zu of %zu; Spearman %s; ICC(2,1) %s", count_pairs(group, DIAMETER),
             group->count, rp_estimate_words(rho, &spearman, 2),
             rp_estimate_words(icc, &agreement, 2));
}

/* Cases off by more than a fifth bear their names. */
static void add_scatter_points(const rp_chart *chart, const rp_group *group)
{
    rp_taken taken = {.count = 0};
    double manual, predicted;
    char name[80];
    take_lines(chart, &taken);
    for (size_t i = 0; i < group->count; i++)
        if (values_of(group->cases[i], DIAMETER, &manual, &predicted))
            add_marker(chart, manual, predicted, &taken);
    for (size_t i = 0; i < group->count; i++) {
        if (!values_of(group->cases[i], DIAMETER, &manual, &predicted)) continue;
        if (fabs(predicted - manual) <= 0.2 * manual) continue;
        rp_type_fit(group->cases[i]->patient, 11, 110, name, sizeof name);
        rp_label_beside(chart->canvas, &taken, &chart->area,
                        (double[]){rp_chart_x(chart, manual), rp_chart_y(chart, predicted)}, name);
    }
}

static rp_status draw_scatter(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    (void)err;
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    const rp_style identity = {.line = RP_INK, .width = 1.2};
    const rp_style fifth = {.line = RP_MUTED, .width = 1, .dash = RP_DASHED};
    const rp_source_look *look = rp_source_look_of(shown);
    const rp_legend_item items[] = {{look->name, look->style, false, look->shape},
                                    {"equal", identity, true, RP_CIRCLE},
                                    {"\xC2\xB1"
                                     "20%",
                                     fifth, true, RP_CIRCLE}};
    char words[256];
    rp_chart chart = {.canvas = canvas,
                      .x = {.title = "Manual longest diameter, mm"},
                      .y = {.title = "Predicted longest diameter, mm"}};
    scatter_words(view, group, words);
    double y = rp_figure_head(canvas, figure, "Longest diameter at follow-up", words);
    if (!count_pairs(group, DIAMETER)) {
        rp_figure_empty(canvas, figure, "No case has both diameters.");
        return RP_OK;
    }
    y = rp_legend(canvas, 0, figure->width, y + 2, items, 3);
    fit_diameters(&chart, group);
    chart.area = (rp_box){58, y - 4, figure->width - 72, figure->height - y - 46};
    rp_chart_frame(&chart);
    double end = chart.x.high;
    rp_chart_line(&chart, (double[]){0, 0}, (double[]){end, end}, &identity);
    rp_chart_line(&chart, (double[]){0, 0}, (double[]){end, 1.2 * end}, &fifth);
    rp_chart_line(&chart, (double[]){0, 0}, (double[]){end, 0.8 * end}, &fifth);
    add_scatter_points(&chart, group);
    return RP_OK;
}

/* ---- Bland and Altman -------------------------------------------------------------------- */

static void fit_differences(rp_chart *chart, const rp_group *group, int quantity,
                            const rp_bland_altman_numbers *numbers)
{
    double low = 0, high = 0, left = INFINITY, right = -INFINITY, manual, predicted;
    const double marks[] = {numbers->lower.value, numbers->upper.value, numbers->lower.low,
                            numbers->upper.high};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (!isfinite(marks[i])) continue;
        low = fmin(low, marks[i]);
        high = fmax(high, marks[i]);
    }
    for (size_t i = 0; i < group->count; i++) {
        if (!values_of(group->cases[i], quantity, &manual, &predicted)) continue;
        low = fmin(low, predicted - manual);
        high = fmax(high, predicted - manual);
        left = fmin(left, 0.5 * (manual + predicted));
        right = fmax(right, 0.5 * (manual + predicted));
    }
    rp_axis_fit(&chart->x, left, right, 5);
    rp_axis_fit(&chart->y, low, high, 6);
}

/* A line with its interval as a band, and its value at the right. */
static void add_level(const rp_chart *chart, const rp_estimate *level, const rp_style *line,
                      int decimals)
{
    const rp_style band = {.fill = line->line, .opacity = 0.11};
    const rp_type type = {11, RP_INK, RP_START, false, 0};
    char words[RP_WORDS];
    double right = chart->area.x + chart->area.width;
    if (!level->known) return;
    if (isfinite(level->low) && isfinite(level->high)) {
        double top = fmax(rp_chart_y(chart, level->high), chart->area.y);
        double bottom = fmin(rp_chart_y(chart, level->low), chart->area.y + chart->area.height);
        rp_canvas_rectangle(chart->canvas,
                            &(rp_box){chart->area.x, top, chart->area.width, bottom - top}, &band);
    }
    double y = rp_chart_y(chart, level->value);
    rp_canvas_horizontal(chart->canvas, chart->area.x, right, y, line);
    rp_canvas_text(chart->canvas, right + 4, y + 4, rp_words(words, level->value, decimals, true),
                   &type);
}

static void bland_altman_words(const rp_bland_altman_numbers *numbers, const struct quantity *q,
                               size_t pairs, size_t of, char out[256])
{
    char bias[128], low[RP_WORDS], high[RP_WORDS];
    if (!numbers->bias.known)
        snprintf(out, 256, "n = %zu of %zu; bias and limits undefined%s%.120s", pairs, of,
                 *numbers->bias.reason ? ": " : "", numbers->bias.reason);
    else
        snprintf(out, 256, "n = %zu of %zu; bias %s %s, limits %.30s to %.30s", pairs, of,
                 rp_estimate_words(bias, &numbers->bias, q->decimals), q->unit,
                 rp_words(low, numbers->lower.value, q->decimals, false),
                 rp_words(high, numbers->upper.value, q->decimals, false));
}

static void add_difference_points(const rp_chart *chart, const rp_group *group, int quantity,
                                  const rp_bland_altman_numbers *numbers)
{
    rp_taken taken = {.count = 0};
    double manual, predicted;
    char name[80];
    for (size_t i = 0; i < group->count; i++)
        if (values_of(group->cases[i], quantity, &manual, &predicted))
            add_marker(chart, 0.5 * (manual + predicted), predicted - manual, &taken);
    for (size_t i = 0; i < group->count && numbers->lower.known; i++) {
        if (!values_of(group->cases[i], quantity, &manual, &predicted)) continue;
        double difference = predicted - manual;
        if (difference >= numbers->lower.value && difference <= numbers->upper.value) continue;
        rp_type_fit(group->cases[i]->patient, 11, 110, name, sizeof name);
        double at[2] = {rp_chart_x(chart, 0.5 * (manual + predicted)),
                        rp_chart_y(chart, difference)};
        rp_label_beside(chart->canvas, &taken, &chart->area, at, name);
    }
}

static rp_status draw_bland_altman(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    (void)err;
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[view->measured];
    const struct quantity *q = &quantities[figure->index];
    const rp_style bias = {.line = RP_BLUE, .width = 1.4};
    const rp_style limit = {.line = RP_INK, .width = 1.1, .dash = RP_DASHED};
    const rp_style zero = {.line = RP_MUTED, .width = 1};
    char x_title[120], y_title[120], title[120], words[256];
    rp_bland_altman_numbers numbers =
        rp_summary_bland_altman(view->report->summary, group->key, q->key, shown);
    snprintf(x_title, sizeof x_title, "Mean of manual and predicted %s, %s", q->name, q->unit);
    snprintf(y_title, sizeof y_title, "Predicted minus manual, %s", q->unit);
    snprintf(title, sizeof title, "Bland-Altman, %s at follow-up", q->name);
    size_t pairs = count_pairs(group, figure->index);
    bland_altman_words(&numbers, q, pairs, group->count, words);
    rp_chart chart = {.canvas = canvas, .x = {.title = x_title}, .y = {.title = y_title}};
    double y = rp_figure_head(canvas, figure, title, words);
    if (!pairs) {
        rp_figure_empty(canvas, figure, "No case has both values.");
        return RP_OK;
    }
    fit_differences(&chart, group, figure->index, &numbers);
    chart.y.plus = true;
    chart.area = (rp_box){66, y - 4, figure->width - 66 - 48, figure->height - y - 46};
    rp_chart_frame(&chart);
    rp_canvas_horizontal(canvas, chart.area.x, chart.area.x + chart.area.width,
                         rp_chart_y(&chart, 0), &zero);
    add_level(&chart, &numbers.lower, &limit, q->decimals);
    add_level(&chart, &numbers.upper, &limit, q->decimals);
    add_level(&chart, &numbers.bias, &bias, q->decimals);
    add_difference_points(&chart, group, figure->index, &numbers);
    return RP_OK;
}

void rp_evaluation_add_agreement(rp_document *document, const rp_evaluation_view *view)
{
    static const char captions[][180] = {
        "Solid: bias; dashed: 95% limits of agreement; bands: their 95% intervals; grey: zero. "
        "Cases "
        "outside the limits are named.",
        "Cases off by more than 20% are named.",
    };
    if (!view->group[view->measured].count) return;
    rp_figure figures[4] = {
        {.alt = "Predicted against manual longest diameter at follow-up",
         .caption = captions[1],
         .width = 420,
         .height = 380,
         .draw = draw_scatter,
         .data = view,
         .index = view->measured},
        {.alt = "Bland-Altman plot of the longest diameter at follow-up",
         .caption = captions[0],
         .width = 420,
         .height = 380,
         .draw = draw_bland_altman,
         .data = view,
         .index = DIAMETER},
    };
    figures[2] = figures[1];
    figures[2].alt = "Bland-Altman plot of the volume at follow-up";
    figures[2].index = VOLUME;
    figures[3] = rp_evaluation_roc_figure(view);
    rp_document_figures(document, figures, 4);
}
