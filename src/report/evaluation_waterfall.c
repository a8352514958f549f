/* Waterfall: the manual change of each case as a bar, the predicted one as a marker. */
#include "evaluation_parts.h"

#include <math.h>
#include <stdlib.h>

typedef struct row {
    const rp_case *one;
    double manual, predicted; /* percent; NaN where not evaluated */
    size_t order;
} row;

/* Largest increase first; what has no manual change comes last. Ties keep the cohort's order. */
static int compare_rows(const void *a, const void *b)
{
    const row *p = a, *q = b;
    bool known[2] = {isfinite(p->manual), isfinite(q->manual)};
    if (known[0] != known[1]) return known[0] ? -1 : 1;
    if (known[0] && p->manual != q->manual) return p->manual > q->manual ? -1 : 1;
    return p->order < q->order ? -1 : p->order > q->order;
}

static row *sorted_rows(const rp_group *group)
{
    row *rows = rp_alloc(group->count, sizeof *rows);
    if (!rows) return NULL;
    for (size_t i = 0; i < group->count; i++) {
        const rp_case *one = group->cases[i];
        const rp_case_score *idol = &one->score[RP_SOURCE_IDOL_POST];
        rows[i] = (row){one, one->manual_response.change_percent,
                        idol->present ? idol->response.change_percent : NAN, i};
    }
    qsort(rows, group->count, sizeof *rows, compare_rows);
    return rows;
}

static void fit_changes(rp_axis *axis, const row *rows, size_t count)
{
    double low = -40, high = 30;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(rows[i].manual)) {
            low = fmin(low, rows[i].manual);
            high = fmax(high, rows[i].manual);
        }
        if (isfinite(rows[i].predicted)) {
            low = fmin(low, rows[i].predicted);
            high = fmax(high, rows[i].predicted);
        }
    }
    rp_axis_fit(axis, low, high, 6);
}

static void add_limits(const rp_chart *chart)
{
    static const struct {
        double at;
        const char *words;
    } limits[] = {{-30, "PR \xE2\x88\x92"
                        "30%"},
                  {20, "PD +20%"}};
    const rp_style line = {.line = RP_INK, .width = 1, .dash = RP_DASHED};
    const rp_type type = {11, RP_INK, RP_START, false, 0};
    double right = chart->area.x + chart->area.width;
    for (int i = 0; i < 2; i++) {
        double y = rp_chart_y(chart, limits[i].at);
        rp_canvas_horizontal(chart->canvas, chart->area.x, right, y, &line);
        rp_canvas_text(chart->canvas, right + 5, y + 4, limits[i].words, &type);
    }
    rp_canvas_horizontal(chart->canvas, chart->area.x, right, rp_chart_y(chart, 0),
                         &(rp_style){.line = RP_INK, .width = 1});
}

static bool differs(const row *r)
{
    return r->one->score[RP_SOURCE_IDOL_POST].present &&
           r->one->score[RP_SOURCE_IDOL_POST].response.response != r->one->manual_response.response;
}

/* The name of the case, upright where many stand side by side, none where they would overlap. */
static void add_name(const rp_chart *chart, const row *r, double x, double slot)
{
    char name[80];
    rp_type type = {slot < 15 ? 9 : 11, differs(r) ? 0xa83a08 : RP_INK, RP_END, differs(r), 60};
    if (slot < 9) return;
    rp_type_fit(r->one->patient, type.size, 82, name, sizeof name);
    rp_canvas_text(chart->canvas, x + 4, chart->area.y + chart->area.height + 12, name, &type);
}

/* Height that the slanted names need below the axis. */
static double name_room(const row *rows, size_t count)
{
    double widest = 0;
    for (size_t i = 0; i < count; i++)
        widest = fmax(widest, rp_type_width(rows[i].one->patient, 11, true));
    return 0.87 * fmin(widest, 82) + 16;
}

static void add_row(const rp_chart *chart, const row *r, double x, double slot)
{
    const rp_style bar = {0x5d6b79, 0.8, RP_SOLID, 0xb7c2cc, 1};
    const rp_style failed = {.line = RP_VERMILION, .width = 2};
    const rp_source_look *look = rp_source_look_of(RP_SOURCE_IDOL_POST);
    double width = fmin(0.66 * slot, 34), zero = rp_chart_y(chart, 0);
    if (isfinite(r->manual)) {
        double y = rp_chart_y(chart, r->manual);
        rp_canvas_rectangle(chart->canvas,
                            &(rp_box){x - 0.5 * width, fmin(y, zero), width, fabs(y - zero)}, &bar);
    } else {
        const rp_type type = {10, RP_MUTED, RP_MIDDLE, false, 0};
        rp_canvas_text(chart->canvas, x, zero - 5, "NE", &type);
    }
    if (isfinite(r->predicted))
        rp_marker(chart->canvas, x, rp_chart_y(chart, r->predicted), look->shape,
                  slot < 12 ? 3 : 4.5, &look->style);
    else if (r->one->score[RP_SOURCE_IDOL_POST].present)
        rp_marker(chart->canvas, x, zero, RP_CROSS, 5, &failed);
    add_name(chart, r, x, slot);
}

static rp_status draw_waterfall(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    const rp_evaluation_view *view = rp_figure_view(figure);
    const rp_group *group = &view->group[figure->index];
    const rp_source_look *look = rp_source_look_of(RP_SOURCE_IDOL_POST);
    const rp_legend_item items[] = {
        {"manual change", {0x5d6b79, 0.8, RP_SOLID, 0xb7c2cc, 1}, false, RP_SQUARE},
        {"predicted by IDOL", look->style, false, look->shape},
        {"nothing predicted (NE)", {.line = RP_VERMILION, .width = 2}, false, RP_CROSS}};
    rp_chart chart = {.canvas = canvas,
                      .y = {.title = "Change of longest diameter, %", .plus = true},
                      .no_x = true};
    char words[160];
    RP_AUTOFREE row *rows = sorted_rows(group);
    if (!rows) return rp_fail(err, RP_ERR_MEMORY, "report: no memory for the waterfall");
    fit_changes(&chart.y, rows, group->count);
    snprintf(words, sizeof words,
             "%s, n = %zu, sorted by manual change; names in bold red: response differs",
             group->name, group->count);
    double y = rp_figure_head(canvas, figure, "Change from baseline, manual and predicted", words);
    y = rp_legend(canvas, 0, figure->width, y + 2, items, 3);
    chart.area = (rp_box){58, y - 4, figure->width - 58 - 66,
                          figure->height - y - name_room(rows, group->count)};
    rp_chart_frame(&chart);
    double slot = chart.area.width / (double)group->count;
    for (size_t i = 0; i < group->count; i++)
        add_row(&chart, &rows[i], chart.area.x + ((double)i + 0.5) * slot, slot);
    add_limits(&chart);
    return RP_OK;
}

void rp_evaluation_add_waterfall(rp_document *document, const rp_evaluation_view *view)
{
    const rp_group *group = &view->group[view->measured];
    rp_figure figure = {
        .alt = "Waterfall of the change of the longest diameter, manual and predicted",
        .caption = "Predicted change: longest diameter of the predicted follow-up contour against "
                   "the manual one at baseline.",
        .width = 860,
        .height = 410,
        .wide = true,
        .draw = draw_waterfall,
        .data = view,
        .index = view->measured,
    };
    if (group->count) rp_document_figures(document, &figure, 1);
}
