/* The adaptation curve: loss and Dice of the training steps by epoch, as inline SVG. */
#include "sections.h"

#include <math.h>

enum { MOST_POINTS = 600 };

/* The plotting area within a picture of 420 x 240 units. */
static const double left = 54, right = 408, top = 12, bottom = 196;

typedef struct plot {
    const double *values;
    size_t count;
    const char *name, *kind;
    double low, high, step; /* of the value axis and its ticks */
} plot;

/* 1, 2 or 5 times a power of ten: about `parts` steps over the span. */
static double nice_step(double span, int parts)
{
    double rough = span / parts, power = pow(10, floor(log10(rough))), digit = rough / power;
    return (digit > 5 ? 10 : digit > 2 ? 5 : digit > 1 ? 2 : 1) * power;
}

static double x_of(const plot *p, double epoch)
{
    double last = p->count > 1 ? (double)p->count : 2;
    return left + (right - left) * (epoch - 1) / (last - 1);
}

static double y_of(const plot *p, double value)
{
    double share = fmin(fmax((value - p->low) / (p->high - p->low), 0), 1);
    return bottom - (bottom - top) * share;
}

static void add_value_axis(rp_text *page, const plot *p)
{
    int decimals = (int)fmax(0, -floor(log10(p->step) + 1e-9));
    for (int i = 0; p->low + i * p->step <= p->high * (1 + 1e-9); i++) {
        double value = p->low + i * p->step, y = y_of(p, value);
        rp_text_printf(page, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", left, y, right);
        rp_text_printf(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", left - 6, y + 4);
        rp_text_number(page, value, decimals, false);
        rp_text_add(page, "</text>");
    }
    rp_text_printf(page,
                   "<text class=\"name\" text-anchor=\"middle\" "
                   "transform=\"translate(13 %.1f) rotate(-90)\">%s</text>",
                   0.5 * (top + bottom), p->name);
}

static void add_epoch_axis(rp_text *page, const plot *p)
{
    double step = fmax(1, nice_step((double)p->count, 5));
    for (double epoch = 1; epoch <= (double)p->count;
         epoch = epoch == 1 && step > 1 ? step : epoch + step) {
        double x = x_of(p, epoch);
        rp_text_printf(page, "<path class=\"grid\" d=\"M%.1f %.1fv4\"/>", x, bottom);
        rp_text_printf(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f</text>", x,
                       bottom + 17, epoch);
    }
    rp_text_printf(page,
                   "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">Epoch</text>",
                   0.5 * (left + right), bottom + 36);
}

/* Long curves are drawn as means of equally long runs of epochs. */
static void add_line(rp_text *page, const plot *p)
{
    size_t run = (p->count + MOST_POINTS - 1) / MOST_POINTS;
    bool pen_down = false;
    rp_text_printf(page, "<path class=\"%s\" d=\"", p->kind);
    for (size_t first = 0; first < p->count; first += run) {
        size_t end = first + run < p->count ? first + run : p->count;
        double sum = 0;
        for (size_t i = first; i < end; i++) sum += p->values[i];
        double mean = sum / (double)(end - first), epoch = 0.5 * (double)(first + 1 + end);
        if (isfinite(mean))
            rp_text_printf(page, "%s%.1f %.1f", pen_down ? "L" : "M", x_of(p, epoch),
                           y_of(p, mean));
        pen_down = isfinite(mean);
    }
    rp_text_add(page, "\"/>");
}

static void add_plot(rp_text *page, const plot *p)
{
    rp_text_printf(page,
                   "<svg class=\"plot\" viewBox=\"0 0 420 240\" role=\"img\" "
                   "aria-label=\"%s by epoch\">",
                   p->name);
    add_value_axis(page, p);
    add_epoch_axis(page, p);
    rp_text_printf(page, "<path class=\"axes\" d=\"M%.1f %.1fV%.1fH%.1f\"/>", left, top, bottom,
                   right);
    add_line(page, p);
    rp_text_add(page, "</svg>");
}

/* From 0 to the largest value, rounded up to a tick. */
static void scale_values(plot *p)
{
    double largest = 0;
    for (size_t i = 0; i < p->count; i++)
        if (isfinite(p->values[i])) largest = fmax(largest, p->values[i]);
    if (!(largest > 0)) largest = 1;
    p->step = nice_step(largest, 5);
    p->low = 0;
    p->high = p->step * ceil(largest / p->step - 1e-9);
}

static double last_of(const double *values, size_t count)
{
    return values && count ? values[count - 1] : NAN;
}

void rp_report_add_curve(rp_text *page, const rp_report *report)
{
    if (!report->loss || report->epochs == 0) return;
    plot loss = {.values = report->loss, .count = report->epochs, .name = "Loss", .kind = "loss"};
    plot dice = {.values = report->dice,
                 .count = report->epochs,
                 .name = "Training Dice",
                 .kind = "dice",
                 .low = 0,
                 .high = 1,
                 .step = 0.2};
    scale_values(&loss);
    rp_text_printf(page,
                   "<section class=\"curve\"><h2>Adaptation to the baseline</h2>"
                   "<p>%zu epoch%s; last epoch: loss ",
                   report->epochs, report->epochs == 1 ? "" : "s");
    rp_text_number(page, last_of(report->loss, report->epochs), 3, false);
    if (report->dice) {
        rp_text_add(page, ", training Dice ");
        rp_text_number(page, last_of(report->dice, report->epochs), 3, false);
    }
    rp_text_add(page, ". Both are means over the epoch's training steps on the perturbed baseline; "
                      "they say nothing about the follow-up.</p><div class=\"plots\">");
    add_plot(page, &loss);
    if (report->dice) add_plot(page, &dice);
    rp_text_add(page, "</div></section>");
}
