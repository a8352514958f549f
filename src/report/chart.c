#include "chart.h"

#include <math.h>
#include <string.h>

static const double tick_size = 12, title_size = 12.5, legend_size = 12;

/* ---- numbers ----------------------------------------------------------------------------- */

const char *rp_words(char out[RP_WORDS], double value, int decimals, bool plus)
{
    rp_number_words(out, RP_WORDS, value, decimals, plus);
    return out;
}

const char *rp_words_p(char out[RP_WORDS], double p)
{
    char number[RP_WORDS];
    if (p < 0.001)
        snprintf(out, RP_WORDS, "p < 0.001");
    else
        snprintf(out, RP_WORDS, "p = %.40s", rp_words(number, p, p < 0.1 ? 3 : 2, false));
    return out;
}

/* ---- axes -------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten: about `parts` steps over the span. */
static double nice_step(double span, int parts)
{
    double rough = span / parts, power = pow(10, floor(log10(rough))), digit = rough / power;
    return (digit > 5 ? 10 : digit > 2 ? 5 : digit > 1 ? 2 : 1) * power;
}

void rp_axis_fit(rp_axis *axis, double low, double high, int parts)
{
    if (!isfinite(low) || !isfinite(high) || low > high) {
        low = 0;
        high = 1;
    }
    if (high - low < 1e-9 * fmax(fabs(low), fabs(high)) || high == low) {
        double room = fmax(0.1 * fabs(low), 1);
        low -= room;
        high += room;
    }
    axis->step = nice_step(high - low, parts);
    axis->low = axis->step * floor(low / axis->step + 1e-9);
    axis->high = axis->step * ceil(high / axis->step - 1e-9);
    axis->decimals = (int)fmax(0, -floor(log10(axis->step) + 1e-9));
}

double rp_chart_x(const rp_chart *chart, double value)
{
    return chart->area.x +
           chart->area.width * (value - chart->x.low) / (chart->x.high - chart->x.low);
}

double rp_chart_y(const rp_chart *chart, double value)
{
    return chart->area.y + chart->area.height -
           chart->area.height * (value - chart->y.low) / (chart->y.high - chart->y.low);
}

static void add_ticks(const rp_chart *c, const rp_axis *axis, bool across)
{
    const rp_style rule = {.line = RP_RULE, .width = 1};
    const rp_type type = {tick_size, RP_MUTED, across ? RP_MIDDLE : RP_END, false, 0};
    double bottom = c->area.y + c->area.height;
    char words[RP_WORDS];
    long first = lround(axis->low / axis->step), last = lround(axis->high / axis->step);
    for (long i = first; i <= last; i++) {
        double value = (double)i * axis->step;
        rp_words(words, value, axis->decimals, axis->plus);
        if (across) {
            double x = rp_chart_x(c, value);
            rp_canvas_vertical(c->canvas, x, c->area.y, bottom, &rule);
            rp_canvas_text(c->canvas, x, bottom + 17, words, &type);
        } else {
            double y = rp_chart_y(c, value);
            rp_canvas_horizontal(c->canvas, c->area.x, c->area.x + c->area.width, y, &rule);
            rp_canvas_text(c->canvas, c->area.x - 7, y + 4, words, &type);
        }
    }
}

void rp_chart_frame(const rp_chart *c)
{
    const rp_style line = {.line = RP_MUTED, .width = 1};
    rp_type title = {title_size, RP_INK, RP_MIDDLE, false, 0};
    double bottom = c->area.y + c->area.height, right = c->area.x + c->area.width;
    if (!c->no_x) add_ticks(c, &c->x, true);
    add_ticks(c, &c->y, false);
    rp_canvas_horizontal(c->canvas, c->area.x, right, bottom, &line);
    rp_canvas_vertical(c->canvas, c->area.x, c->area.y, bottom, &line);
    if (!c->no_x)
        rp_canvas_text(c->canvas, c->area.x + 0.5 * c->area.width, bottom + 37, c->x.title, &title);
    title.angle = 90;
    rp_canvas_text(c->canvas, 14, c->area.y + 0.5 * c->area.height, c->y.title, &title);
}

void rp_chart_segment(const rp_chart *c, const double from[2], const double to[2],
                      const rp_style *style)
{
    rp_canvas_line(c->canvas, (double[]){rp_chart_x(c, from[0]), rp_chart_y(c, from[1])},
                   (double[]){rp_chart_x(c, to[0]), rp_chart_y(c, to[1])}, style);
}

void rp_chart_line(const rp_chart *c, const double from[2], const double to[2],
                   const rp_style *style)
{
    rp_canvas_clip(c->canvas, &c->area);
    rp_chart_segment(c, from, to, style);
    rp_canvas_unclip(c->canvas);
}

/* ---- markers ----------------------------------------------------------------------------- */

/* Shapes of about equal area, as corners in units of the radius. */
static const struct {
    int count;
    double corners[4][2];
} outlines[] = {
    [RP_SQUARE] = {4, {{-0.89, -0.89}, {0.89, -0.89}, {0.89, 0.89}, {-0.89, 0.89}}},
    [RP_DIAMOND] = {4, {{0, -1.25}, {1.25, 0}, {0, 1.25}, {-1.25, 0}}},
    [RP_TRIANGLE] = {3, {{0, -1.25}, {1.2, 0.85}, {-1.2, 0.85}}},
    [RP_TRIANGLE_DOWN] = {3, {{0, 1.25}, {1.2, -0.85}, {-1.2, -0.85}}},
};

void rp_marker(rp_canvas *canvas, double x, double y, rp_shape shape, double radius,
               const rp_style *style)
{
    if (shape == RP_CIRCLE) {
        rp_canvas_circle(canvas, x, y, radius, style);
    } else if (shape == RP_CROSS) {
        rp_style stroke = {.line = style->line, .width = fmax(style->width, 2)};
        double r = 0.9 * radius;
        rp_canvas_line(canvas, (double[]){x - r, y - r}, (double[]){x + r, y + r}, &stroke);
        rp_canvas_line(canvas, (double[]){x - r, y + r}, (double[]){x + r, y - r}, &stroke);
    } else {
        rp_point2 points[4];
        int count = outlines[shape].count;
        for (int i = 0; i < count; i++)
            points[i] = (rp_point2){x + radius * outlines[shape].corners[i][0],
                                    y + radius * outlines[shape].corners[i][1]};
        rp_canvas_polyline(canvas, points, (size_t)count, true, style);
    }
}

/* ---- legend ------------------------------------------------------------------------------ */

double rp_legend(rp_canvas *canvas, double left, double right, double y,
                 const rp_legend_item *items, size_t count)
{
    const rp_type type = {legend_size, RP_INK, RP_START, false, 0};
    const double line_height = 18;
    double x = left;
    for (size_t i = 0; i < count; i++) {
        double key = items[i].line ? 26 : 12;
        double width = key + 6 + rp_type_width(items[i].words, legend_size, false);
        if (x > left && x + width > right) {
            x = left;
            y += line_height;
        }
        if (items[i].line)
            rp_canvas_horizontal(canvas, x, x + key, y - 4, &items[i].style);
        else
            rp_marker(canvas, x + 0.5 * key, y - 4, items[i].shape, 4.5, &items[i].style);
        rp_canvas_text(canvas, x + key + 6, y, items[i].words, &type);
        x += width + 16;
    }
    return count ? y + line_height : y;
}

/* ---- labels ------------------------------------------------------------------------------ */

void rp_taken_add(rp_taken *taken, rp_box box)
{
    if (taken->count < sizeof taken->boxes / sizeof *taken->boxes)
        taken->boxes[taken->count++] = box;
}

static bool overlap(const rp_box *a, const rp_box *b)
{
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
           b->y < a->y + a->height;
}

static bool is_free(const rp_taken *taken, const rp_box *area, const rp_box *box)
{
    if (box->x < area->x || box->x + box->width > area->x + area->width || box->y < area->y ||
        box->y + box->height > area->y + area->height)
        return false;
    for (size_t i = 0; i < taken->count; i++)
        if (overlap(&taken->boxes[i], box)) return false;
    return taken->count < sizeof taken->boxes / sizeof *taken->boxes;
}

bool rp_label_beside(rp_canvas *canvas, rp_taken *taken, const rp_box *area, const double at[2],
                     const char *words)
{
    static const double places[][2] = {{1, 0},  {-1, 0}, {0, -1}, {0, 1},
                                       {1, -1}, {1, 1},  {-1, 1}, {-1, -1}};
    const rp_type type = {11, RP_INK, RP_START, false, 0};
    double width = rp_type_width(words, type.size, false), height = type.size;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        double dx = places[i][0], dy = places[i][1];
        rp_box box = {at[0] + dx * (0.5 * width + 8) - 0.5 * width,
                      at[1] + dy * (0.5 * height + 7) - 0.5 * height, width, height};
        if (!is_free(taken, area, &box)) continue;
        rp_canvas_text(canvas, box.x, box.y + 0.82 * height, words, &type);
        rp_taken_add(taken, box);
        return true;
    }
    return false;
}
