/* ROC of the responders: the continuous change, and the call by RECIST's limits as one point. */
#include "evaluation_parts.h"

#include <math.h>

static const rp_source shown = RP_SOURCE_IDOL_POST;
static const rp_style curve_style = {.line = RP_DARK_ORANGE, .width = 2};
static const rp_style call_style = {RP_INK, 1.4, RP_SOLID, RP_WHITE, 1};

static void legend_words(const rp_evaluation_view *view, const rp_group *group, char words[2][160])
{
    static const char *const keys[] = {"auc_change", "auc_call"};
    static const char *const names[] = {"change, continuous", "call by the rule"};
    char area[128];
    for (int i = 0; i < 2; i++) {
        rp_estimate auc = rp_summary_response(view->report->summary, group->key, shown, keys[i]);
        snprintf(words[i], 160, "%s: AUC %s", names[i], rp_estimate_words(area, &auc, 3));
    }
}

static void add_call(const rp_chart *chart, const rp_json *summary, const char *cohort)
{
    rp_estimate sensitivity = rp_summary_response(summary, cohort, shown, "sensitivity");
    rp_estimate specificity = rp_summary_response(summary, cohort, shown, "specificity");
    rp_marker(chart->canvas, rp_chart_x(chart, 1 - specificity.value),
              rp_chart_y(chart, sensitivity.value), RP_SQUARE, 5.5, &call_style);
}

static void draw_curve(rp_canvas *canvas, const rp_figure *figure, const rp_roc_curve *curve,
                       double y)
{
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    const rp_style chance = {.line = RP_MUTED, .width = 1, .dash = RP_DASHED};
    char lines[2][160];
    legend_words(view, group, lines);
    const rp_legend_item items[] = {{lines[0], curve_style, true, RP_CIRCLE},
                                    {lines[1], call_style, false, RP_SQUARE}};
    y = rp_legend(canvas, 0, figure->width, y + 2, items, 2);
    rp_chart chart = {.canvas = canvas,
                      .area = {58, y - 4, figure->width - 72, figure->height - y - 46},
                      .x = {0, 1, 0.2, 1, false, "1 \xE2\x88\x92 specificity"},
                      .y = {0, 1, 0.2, 1, false, "Sensitivity"}};
    rp_chart_frame(&chart);
    rp_chart_segment(&chart, (double[]){0, 0}, (double[]){1, 1}, &chance);
    for (size_t i = 1; i < curve->count; i++)
        rp_chart_segment(
            &chart, (double[]){1 - curve->specificity[i - 1], curve->sensitivity[i - 1]},
            (double[]){1 - curve->specificity[i], curve->sensitivity[i]}, &curve_style);
    add_call(&chart, view->report->summary, group->key);
}

static rp_status draw_roc(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    const rp_json *summary = view->report->summary;
    int64_t agree, of = 0;
    char words[160];
    rp_roc_curve curve = {0};
    rp_status status = RP_OK;
    rp_summary_agreeing(summary, group->key, shown, &agree, &of);
    size_t responders = rp_summary_responders(summary, group->key, shown);
    snprintf(words, sizeof words, "%s, n = %lld, responders by the manual contours: %zu",
             group->name, (long long)of, responders);
    double y = rp_figure_head(canvas, figure, "Finding responders (CR or PR) by IDOL", words);
    if (!rp_summary_roc(summary, group->key, shown, &curve, &status))
        rp_figure_empty(canvas, figure,
                        of == 0      ? "Undefined: no case has both responses."
                        : responders ? "Undefined: there are no two classes with a change."
                                     : "Undefined: no case responded.");
    else if (status)
        status = rp_fail(err, status, "report: no memory for the ROC curve");
    else
        draw_curve(canvas, figure, &curve, y);
    rp_roc_release(&curve);
    return status;
}

rp_figure rp_evaluation_roc_figure(const rp_evaluation_view *view)
{
    return (rp_figure){
        .alt = "ROC curve of the predicted change, and the dichotomised call as a point",
        .caption = "Curve: every threshold on the predicted change. Square: the call by RECIST's "
                   "limits; the area given for it is that under two straight lines through this "
                   "one point, and not comparable with the curve's.",
        .width = 420,
        .height = 380,
        .draw = draw_roc,
        .data = view,
        .index = view->measured,
    };
}
