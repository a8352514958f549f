/* Curves over time: training of the general model, and survival. */
#include "evaluation_parts.h"

#include <math.h>
#include <string.h>

/* ---- learning ---------------------------------------------------------------------------- */

enum { LOSS, DICE };

/* The largest finite value; 0 where there is none. */
static double largest(const double *values, size_t count)
{
    double high = 0;
    for (size_t i = 0; values && i < count; i++)
        if (isfinite(values[i])) high = fmax(high, values[i]);
    return high;
}

static size_t finite_count(const double *values, size_t count)
{
    size_t finite = 0;
    for (size_t i = 0; values && i < count; i++) finite += isfinite(values[i]) != 0;
    return finite;
}

/* Values that are no numbers are passed over: validation is measured now and then. Few points are
 * marked. */
static void add_curve(const rp_chart *chart, const rp_learning_curve *curve, const double *values,
                      const rp_style *line, const rp_style *marker)
{
    double before[2] = {NAN, NAN};
    bool few = finite_count(values, curve->count) <= 40;
    for (size_t i = 0; values && i < curve->count; i++) {
        double at[2] = {curve->epoch[i], values[i]};
        if (!isfinite(at[0]) || !isfinite(at[1])) continue;
        rp_chart_segment(chart, before, at, line);
        if (few && marker)
            rp_marker(chart->canvas, rp_chart_x(chart, at[0]), rp_chart_y(chart, at[1]), RP_SQUARE,
                      3.2, marker);
        memcpy(before, at, sizeof before);
    }
}

static void learning_words(const rp_learning_curve *curve, char out[200])
{
    double best = NAN, epoch = NAN;
    char value[RP_WORDS];
    for (size_t i = 0; curve->validation_dice && i < curve->count; i++)
        if (isfinite(curve->validation_dice[i]) && !(curve->validation_dice[i] <= best)) {
            best = curve->validation_dice[i];
            epoch = curve->epoch[i];
        }
    if (isfinite(best))
        snprintf(out, 200, "best validation Dice %.20s at epoch %g",
                 rp_words(value, best, 3, false), epoch);
    else
        out[0] = 0;
}

static rp_status draw_learning(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    (void)err;
    const rp_learning_curve *curve = &rp_figure_view(figure)->report->curve;
    const rp_style loss = {.line = RP_BLUE, .width = 1.8};
    const rp_style training = {.line = RP_GREEN, .width = 1.8};
    const rp_style validation = {.line = RP_VERMILION, .width = 1.8, .dash = RP_DASHED};
    const rp_style marker = {0x8a3c00, 0.8, RP_SOLID, RP_VERMILION, 1};
    const rp_legend_item items[] = {{"training crops", training, true, RP_CIRCLE},
                                    {"validation, whole images", validation, true, RP_CIRCLE}};
    char words[200];
    bool dice = figure->index == DICE;
    rp_chart chart = {.canvas = canvas,
                      .x = {.title = "Epoch"},
                      .y = {0, 1, 0.2, 1, false, dice ? "Dice" : "Loss"}};
    learning_words(curve, words);
    double y = rp_figure_head(canvas, figure,
                              dice ? "General model: Dice while training"
                                   : "General model: loss while training",
                              dice ? words : "mean of each epoch's steps");
    if (dice) y = rp_legend(canvas, 0, figure->width, y + 2, items, 2);
    rp_axis_fit(&chart.x, 0, fmax(largest(curve->epoch, curve->count), 1), 5);
    if (!dice) rp_axis_fit(&chart.y, 0, 1.02 * largest(curve->loss, curve->count), 5);
    chart.area = (rp_box){54, y - 4, figure->width - 68, figure->height - y - 46};
    rp_chart_frame(&chart);
    if (!dice) {
        add_curve(&chart, curve, curve->loss, &loss, NULL);
    } else {
        add_curve(&chart, curve, curve->training_dice, &training, NULL);
        add_curve(&chart, curve, curve->validation_dice, &validation, &marker);
    }
    return RP_OK;
}

void rp_evaluation_add_learning(rp_document *document, const rp_evaluation_view *view)
{
    const rp_learning_curve *curve = &view->report->curve;
    rp_figure figures[2],
        figure = {.width = 420, .height = 290, .draw = draw_learning, .data = view};
    size_t count = 0;
    if (!curve->epoch || curve->count == 0) return;
    if (finite_count(curve->loss, curve->count)) {
        figures[count] = figure;
        figures[count].alt = "Loss of the general model by epoch";
        figures[count++].index = LOSS;
    }
    if (finite_count(curve->training_dice, curve->count) +
        finite_count(curve->validation_dice, curve->count)) {
        figures[count] = figure;
        figures[count].alt = "Training and validation Dice of the general model by epoch";
        figures[count++].index = DICE;
    }
    if (!count) return;
    rp_document_section(document, "Training of the general model");
    rp_document_figures(document, figures, count);
}

/* ---- survival ---------------------------------------------------------------------------- */

enum { RISK_ROWS = 46 };

static double last_time(const rp_survival_curve *curve)
{
    return largest(curve->time, curve->count);
}

/* The band between the limits, from each time to the next; where a limit is not defined there is
 * none. */
static void add_band(const rp_chart *chart, const rp_survival_curve *curve)
{
    const rp_style band = {.fill = RP_BLUE, .opacity = 0.16};
    for (size_t i = 0; i < curve->count; i++) {
        double from = rp_chart_x(chart, curve->time[i]);
        double to = rp_chart_x(chart, i + 1 < curve->count ? curve->time[i + 1] : last_time(curve));
        double top = rp_chart_y(chart, curve->high[i]), bottom = rp_chart_y(chart, curve->low[i]);
        if (isfinite(top) && isfinite(bottom) && to > from)
            rp_canvas_rectangle(chart->canvas, &(rp_box){from, top, to - from, bottom - top},
                                &band);
    }
}

static void add_steps(const rp_chart *chart, const rp_survival_curve *curve)
{
    const rp_style line = {.line = RP_BLUE, .width = 2};
    double x = rp_chart_x(chart, 0), y = rp_chart_y(chart, 1);
    for (size_t i = 0; i < curve->count; i++) {
        double next_x = rp_chart_x(chart, curve->time[i]);
        double next_y = rp_chart_y(chart, curve->survival[i]);
        rp_canvas_horizontal(chart->canvas, x, next_x, y, &line);
        rp_canvas_vertical(chart->canvas, next_x, y, next_y, &line);
        x = next_x;
        y = next_y;
    }
    rp_canvas_horizontal(chart->canvas, x, rp_chart_x(chart, last_time(curve)), y, &line);
    for (size_t i = 0; i < curve->count; i++) {
        double tick = rp_chart_x(chart, curve->time[i]);
        double level = rp_chart_y(chart, curve->survival[i]);
        if (curve->censored[i] > 0)
            rp_canvas_vertical(chart->canvas, tick, level - 5, level + 5, &line);
    }
}

/* Patients without an event and not censored before the time. */
static double at_risk(const rp_survival_curve *curve, double time)
{
    for (size_t i = 0; i < curve->count; i++)
        if (curve->time[i] >= time) return curve->at_risk[i];
    return 0;
}

static void add_risk_row(const rp_chart *chart, const rp_survival_curve *curve, double y)
{
    const rp_type head = {11, RP_MUTED, RP_START, false, 0};
    const rp_type type = {12, RP_INK, RP_MIDDLE, false, 0};
    char words[RP_WORDS];
    rp_canvas_text(chart->canvas, 0, y - 15, "At risk", &head);
    for (double time = chart->x.low; time <= chart->x.high * (1 + 1e-9); time += chart->x.step)
        rp_canvas_text(chart->canvas, rp_chart_x(chart, time), y,
                       rp_words(words, at_risk(curve, time), 0, false), &type);
}

static rp_status draw_survival(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index % 2];
    rp_survival_curve curve = {0};
    rp_status status = RP_OK;
    char words[200], median[RP_WORDS], title[200];
    rp_summary_survival(view->report->summary, group->key, (size_t)figure->index / 2, &curve,
                        &status);
    if (status) {
        status = rp_fail(err, status, "report: no memory for a survival curve");
        goto done;
    }
    snprintf(words, sizeof words, "%s, n = %.0f, events: %.0f; median %.20s%s%.20s", group->name,
             curve.n, curve.events,
             isfinite(curve.median) ? rp_words(median, curve.median, 1, false) : "not reached",
             isfinite(curve.median) ? " " : "", isfinite(curve.median) ? curve.unit : "");
    snprintf(title, sizeof title, "Kaplan-Meier, time to %.150s", curve.name);
    double y = rp_figure_head(canvas, figure, title, words);
    rp_chart chart = {.canvas = canvas,
                      .x = {.title = *curve.unit ? curve.unit : "Time"},
                      .y = {0, 1, 0.2, 1, false, "Free of the event"}};
    rp_axis_fit(&chart.x, 0, fmax(last_time(&curve), 1), 6);
    chart.area = (rp_box){54, y, figure->width - 76, figure->height - y - 46 - RISK_ROWS};
    rp_chart_frame(&chart);
    add_band(&chart, &curve);
    add_steps(&chart, &curve);
    add_risk_row(&chart, &curve, figure->height - 12);
done:
    rp_survival_release(&curve);
    return status;
}

/* Adds the figure of one cohort's curve; false where there is no such curve. */
static bool add_survival_figure(const rp_evaluation_view *view, size_t index, int group,
                                rp_figure *figures, size_t *count)
{
    rp_survival_curve curve;
    rp_status status;
    if (!rp_summary_survival(view->report->summary, view->group[group].key, index, &curve, &status))
        return false;
    if (curve.count || status)
        figures[(*count)++] = (rp_figure){
            .alt = "Kaplan-Meier curve with its 95% band and the number at risk",
            .caption = "Band: 95% interval; vertical ticks: censored.",
            .width = 420,
            .height = 380,
            .draw = draw_survival,
            .data = view,
            .index = (int)(2 * index) + group,
        };
    rp_survival_release(&curve);
    return true;
}

void rp_evaluation_add_survival(rp_document *document, const rp_evaluation_view *view)
{
    enum { MOST = 8 };
    rp_figure figures[2 * MOST];
    size_t count = 0;
    bool more = true;
    for (size_t i = 0; i < MOST && more; i++) {
        more = add_survival_figure(view, i, RP_ENTIRE, figures, &count);
        more = add_survival_figure(view, i, RP_RECIST, figures, &count) || more;
    }
    if (!count) return;
    rp_document_section(document, "Events");
    rp_document_figures(document, figures, count);
}

/* ---- learning curves alone --------------------------------------------------------------- */

static void add_svg(rp_text *page, const rp_figure *figure, double left, rp_error *err,
                    rp_status *status)
{
    rp_canvas canvas = rp_canvas_svg(page);
    rp_text_printf(page, "<g transform=\"translate(%g 12)\">", left);
    if (!*status) *status = figure->draw(&canvas, figure, err);
    rp_text_add(page, "</g>");
}

rp_status rp_report_write_learning_curve(const char *path, const rp_learning_curve *curve,
                                         const char *label, rp_error *err)
{
    enum { WIDTH = 420, HEIGHT = 290, MARGIN = 14 };
    rp_evaluation evaluation = {0};
    const rp_evaluation_report report = {.evaluation = &evaluation, .curve = *curve};
    const rp_evaluation_view view = {.report = &report, .evaluation = &evaluation};
    rp_figure figure = {.width = WIDTH, .height = HEIGHT, .draw = draw_learning, .data = &view};
    rp_text page = {0};
    rp_status status = RP_OK;
    snprintf(evaluation.label, sizeof evaluation.label, "%s", label);
    rp_text_printf(&page,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                   "height=\"%d\" font-family=\"DejaVu Sans, sans-serif\"><title>Learning "
                   "curves</title><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>",
                   2 * WIDTH + 3 * MARGIN, HEIGHT + 2 * MARGIN, 2 * WIDTH + 3 * MARGIN,
                   HEIGHT + 2 * MARGIN);
    figure.index = LOSS;
    add_svg(&page, &figure, MARGIN, err, &status);
    figure.index = DICE;
    add_svg(&page, &figure, WIDTH + 2 * MARGIN, err, &status);
    rp_text_add(&page, "</svg>\n");
    if (!status && page.failed) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!status) status = rp_file_write(path, page.data, page.length, err);
    rp_text_release(&page);
    return status;
}
