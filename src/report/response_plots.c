/* Courses of many patients: a spider plot and a waterfall, as SVG or PNG files. */
#include "figure_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 860, HEIGHT = 470, RIGHT_ROOM = 86 };
static const double days_a_week = 7.0;

typedef struct courses {
    const rp_response_course *items;
    size_t count;
    const char *label;
    rp_criteria criteria;
} courses;

/* ---- how calls look -------------------------------------------------------------------------- */

typedef struct look {
    const char *words;
    uint32_t colour;
    rp_dash dash; /* tells calls apart where colours cannot */
} look;

enum { LOOKS = 5 };
static const look looks[LOOKS] = {{"CR", RP_DARK_GREEN, RP_SOLID},
                                  {"PR", RP_BLUE, RP_SOLID},
                                  {"SD, non-CR/non-PD", RP_ORANGE, RP_DASHED},
                                  {"PD", RP_VERMILION, RP_SOLID},
                                  {"NE", RP_MUTED, RP_DOTTED}};

static const look *look_of(rp_call call)
{
    switch (call) {
    case RP_CALL_CR:
    case RP_CALL_ICR:
        return &looks[0];
    case RP_CALL_PR:
    case RP_CALL_IPR:
        return &looks[1];
    case RP_CALL_SD:
    case RP_CALL_ISD:
    case RP_CALL_NN:
    case RP_CALL_INN:
        return &looks[2];
    case RP_CALL_PD:
    case RP_CALL_IUPD:
    case RP_CALL_ICPD:
        return &looks[3];
    default:
        return &looks[4];
    }
}

static bool progressed(rp_call call)
{
    return look_of(call) == &looks[3];
}

/* ---- axes ------------------------------------------------------------------------------------ */

static const char *quantity(const courses *c)
{
    return c->criteria == RP_VOLUMETRIC ? "Change of the sum of volumes from baseline, %"
                                        : "Change of the sum of diameters from baseline, %";
}

/* Changes from baseline at which a response and, where the baseline is the nadir, progression
 * begin. */
static void limits_of(const courses *c, double *partial, double *progress)
{
    const bool volume = c->criteria == RP_VOLUMETRIC;
    *partial = volume ? 100.0 * (0.7 * 0.7 * 0.7 - 1.0) : -30.0;
    *progress = volume ? 100.0 * (1.2 * 1.2 * 1.2 - 1.0) : 20.0;
}

static void add_limits(const courses *c, const rp_chart *chart)
{
    const rp_style line = {.line = RP_INK, .width = 1, .dash = RP_SHORT_DASHED};
    const rp_type type = {11, RP_INK, RP_START, false, 0};
    const double right = chart->area.x + chart->area.width;
    double at[2];
    char number[RP_WORDS], words[RP_WORDS + 8];
    limits_of(c, &at[0], &at[1]);
    for (int i = 0; i < 2; i++) {
        const double y = rp_chart_y(chart, at[i]);
        snprintf(words, sizeof words, "%s %s%%", i ? "PD" : "PR",
                 rp_words(number, at[i], c->criteria == RP_VOLUMETRIC, true));
        rp_canvas_horizontal(chart->canvas, chart->area.x, right, y, &line);
        rp_canvas_text(chart->canvas, right + 5, y + 4, words, &type);
    }
    rp_canvas_horizontal(chart->canvas, chart->area.x, right, rp_chart_y(chart, 0),
                         &(rp_style){.line = RP_INK, .width = 1});
}

static void fit_changes(const courses *c, rp_axis *axis, bool depths)
{
    double low, high;
    limits_of(c, &low, &high);
    low -= 10;
    high += 10;
    for (size_t i = 0; i < c->count; i++) {
        const rp_timeline_result *r = c->items[i].result;
        for (size_t v = 0; v < r->visit_count; v++) {
            const double change = depths ? r->depth_percent : r->visits[v].baseline_change_percent;
            if (!isfinite(change)) continue;
            low = fmin(low, change);
            high = fmax(high, change);
        }
    }
    rp_axis_fit(axis, low, high, 6);
}

static double head(rp_canvas *canvas, const courses *c, const rp_figure *figure, const char *title,
                   size_t shown)
{
    rp_legend_item items[LOOKS];
    char words[200];
    snprintf(words, sizeof words, "%s, %zu of %zu patient%s; colours: best overall response",
             rp_criteria_name(c->criteria), shown, c->count, c->count == 1 ? "" : "s");
    for (size_t i = 0; i < LOOKS; i++)
        items[i] = (rp_legend_item){
            .words = looks[i].words,
            .style = {.line = looks[i].colour, .width = 2.2, .dash = looks[i].dash},
            .line = true};
    const double y = rp_figure_heading(canvas, figure, c->label, title, words);
    return rp_legend(canvas, 0, figure->width, y + 2, items, LOOKS);
}

/* ---- spider ---------------------------------------------------------------------------------- */

static void fit_weeks(const courses *c, rp_axis *axis)
{
    double last = 1.0;
    for (size_t i = 0; i < c->count; i++) {
        const rp_timeline_result *r = c->items[i].result;
        last = fmax(last, r->visits[r->visit_count - 1].day / days_a_week);
    }
    rp_axis_fit(axis, 0.0, last, 8);
}

static bool has_course(const rp_response_course *one)
{
    for (size_t v = 1; v < one->result->visit_count; v++)
        if (isfinite(one->result->visits[v].baseline_change_percent)) return true;
    return false;
}

static void place(const rp_chart *chart, const rp_visit_result *v, double at[2])
{
    at[0] = rp_chart_x(chart, v->day / days_a_week);
    at[1] = rp_chart_y(chart, v->baseline_change_percent);
}

/* A dotted stretch bridges visits whose sum is incomplete. */
static void draw_course(const rp_chart *chart, const rp_response_course *one, rp_taken *taken,
                        double end[2])
{
    const rp_timeline_result *r = one->result;
    const look *how = look_of(r->best);
    double from[2];
    size_t last = 0;
    place(chart, &r->visits[0], from);
    memcpy(end, from, 2 * sizeof *end);
    for (size_t v = 1; v < r->visit_count; v++) {
        const rp_visit_result *now = &r->visits[v];
        if (!isfinite(now->baseline_change_percent)) continue;
        place(chart, now, end);
        const rp_style line = {
            .line = how->colour, .width = 1.6, .dash = v == last + 1 ? how->dash : RP_DOTTED};
        const rp_style dot = {how->colour, 1, RP_SOLID, how->colour, 1};
        const rp_style stop = {RP_INK, 1.2, RP_SOLID, RP_VERMILION, 1};
        rp_canvas_line(chart->canvas, from, end, &line);
        if (progressed(now->overall))
            rp_marker(chart->canvas, end[0], end[1], now->new_lesion ? RP_DIAMOND : RP_SQUARE, 5,
                      &stop);
        else
            rp_marker(chart->canvas, end[0], end[1], RP_CIRCLE, 2.6, &dot);
        rp_taken_add(taken, (rp_box){end[0] - 5, end[1] - 5, 10, 10});
        memcpy(from, end, sizeof from);
        last = v;
    }
}

static rp_status draw_spider(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    const courses *c = figure->data;
    rp_chart chart = {.canvas = canvas,
                      .x = {.title = "Weeks since baseline"},
                      .y = {.title = quantity(c), .plus = true}};
    RP_AUTOFREE rp_taken *taken = rp_alloc(1, sizeof *taken);
    size_t shown = 0;
    if (!taken) return rp_fail(err, RP_ERR_MEMORY, "no memory for the spider plot");
    for (size_t i = 0; i < c->count; i++) shown += has_course(&c->items[i]);
    fit_changes(c, &chart.y, false);
    fit_weeks(c, &chart.x);
    const rp_style stop = {RP_INK, 1.2, RP_SOLID, RP_VERMILION, 1};
    const rp_legend_item marks[] = {{"progression", stop, false, RP_SQUARE},
                                    {"progression with a new lesion", stop, false, RP_DIAMOND}};
    double y = head(canvas, c, figure, "Change over time", shown);
    y = rp_legend(canvas, 0, figure->width, y, marks, 2);
    chart.area = (rp_box){58, y - 4, figure->width - 58 - RIGHT_ROOM, figure->height - y - 46};
    rp_chart_frame(&chart);
    add_limits(c, &chart);
    RP_AUTOFREE rp_point2 *ends = rp_alloc(c->count, sizeof *ends);
    if (!ends) return rp_fail(err, RP_ERR_MEMORY, "no memory for the spider plot");
    for (size_t i = 0; i < c->count; i++) {
        double end[2] = {NAN, NAN};
        if (has_course(&c->items[i])) draw_course(&chart, &c->items[i], taken, end);
        ends[i] = (rp_point2){end[0], end[1]};
    }
    /* Names last: no line is drawn over one, and those without room are left out. */
    for (size_t i = 0; i < c->count; i++)
        if (isfinite(ends[i].x))
            rp_label_beside(canvas, taken, &chart.area, (double[]){ends[i].x, ends[i].y},
                            c->items[i].patient);
    return RP_OK;
}

/* ---- waterfall ------------------------------------------------------------------------------- */

typedef struct bar {
    const rp_response_course *one;
    double depth;
    size_t order;
} bar;

/* Largest increase first; ties keep the order given. */
static int compare_bars(const void *a, const void *b)
{
    const bar *p = a, *q = b;
    if (p->depth != q->depth) return p->depth > q->depth ? -1 : 1;
    return p->order < q->order ? -1 : p->order > q->order;
}

static void draw_bar(const rp_chart *chart, const bar *b, double x, double slot)
{
    const look *how = look_of(b->one->result->best);
    const rp_style filled = {RP_INK, 0.6, RP_SOLID, how->colour, 0.85};
    const rp_type type = {slot < 15 ? 9 : 11, RP_INK, RP_END, false, 60};
    const double width = fmin(0.7 * slot, 40), zero = rp_chart_y(chart, 0),
                 y = rp_chart_y(chart, b->depth);
    char name[80];
    rp_canvas_rectangle(chart->canvas,
                        &(rp_box){x - 0.5 * width, fmin(y, zero), width, fmax(fabs(y - zero), 1)},
                        &filled);
    if (slot < 9) return;
    rp_type_fit(b->one->patient, type.size, 82, name, sizeof name);
    rp_canvas_text(chart->canvas, x + 4, chart->area.y + chart->area.height + 12, name, &type);
    if (slot < 30) return;
    const char *call = rp_call_code(b->one->result->best);
    rp_canvas_text(chart->canvas, x, b->depth < 0 ? y + 13 : y - 5, call ? call : "",
                   &(rp_type){11, RP_INK, RP_MIDDLE, true, 0});
}

static rp_status draw_waterfall(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    const courses *c = figure->data;
    rp_chart chart = {.canvas = canvas, .y = {.title = quantity(c), .plus = true}, .no_x = true};
    RP_AUTOFREE bar *bars = rp_alloc(c->count, sizeof *bars);
    size_t count = 0;
    if (!bars) return rp_fail(err, RP_ERR_MEMORY, "no memory for the waterfall");
    for (size_t i = 0; i < c->count; i++)
        if (isfinite(c->items[i].result->depth_percent))
            bars[count++] = (bar){&c->items[i], c->items[i].result->depth_percent, i};
    qsort(bars, count, sizeof *bars, compare_bars);
    fit_changes(c, &chart.y, true);
    chart.y.low -= chart.y.low <= -99.0 ? 0.1 * (chart.y.high - chart.y.low) : 0.0;
    const double y = head(canvas, c, figure, "Best change until progression", count);
    chart.area = (rp_box){58, y - 4, figure->width - 58 - RIGHT_ROOM, figure->height - y - 88};
    rp_chart_frame(&chart);
    const double slot = chart.area.width / (double)(count ? count : 1);
    for (size_t i = 0; i < count; i++)
        draw_bar(&chart, &bars[i], chart.area.x + ((double)i + 0.5) * slot, slot);
    add_limits(c, &chart);
    return RP_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

static rp_status write_plot(const char *path, const rp_response_course *items, size_t count,
                            const char *label, const char *title,
                            rp_status (*draw)(rp_canvas *, const rp_figure *, rp_error *),
                            rp_error *err)
{
    if (!count) return rp_fail(err, RP_ERR_ARGUMENT, "%s: no patient to draw", path);
    const courses c = {items, count, label, items[0].result->options.criteria};
    for (size_t i = 1; i < count; i++)
        if (items[i].result->options.criteria != c.criteria)
            return rp_fail(err, RP_ERR_ARGUMENT, "%s: patients by different criteria", path);
    const rp_figure figure = {
        .width = WIDTH, .height = HEIGHT, .alt = title, .draw = draw, .data = &c};
    return rp_figure_write(path, &figure, err);
}

rp_status rp_report_write_spider(const char *path, const rp_response_course *courses_of,
                                 size_t count, const char *label, rp_error *err)
{
    return write_plot(path, courses_of, count, label, "Spider plot of tumour burden", draw_spider,
                      err);
}

rp_status rp_report_write_waterfall(const char *path, const rp_response_course *courses_of,
                                    size_t count, const char *label, rp_error *err)
{
    return write_plot(path, courses_of, count, label, "Waterfall plot of best change",
                      draw_waterfall, err);
}
