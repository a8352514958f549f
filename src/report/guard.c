/* How far the diameter can be trusted: its interval, the responses' chances, the trials. */
#include "sections.h"

#include <math.h>
#include <string.h>

/* A plot within 420 x 300 units. */
static const double left = 54, right = 408, top = 12, bottom = 250;
static const char *const codes[] = {"CR", "PR", "SD", "PD"};
enum { CODES = sizeof codes / sizeof *codes };

static bool ends_of(const rp_json *interval, const char *what, const char *level, double ends[2])
{
    const rp_json *levels = interval ? rp_json_get(interval, what) : NULL;
    const rp_json *pair = levels ? rp_json_get(levels, level) : NULL;
    if (!pair || rp_json_length(pair) != 2) return false;
    for (int i = 0; i < 2; i++)
        if (!rp_json_as_number(rp_json_at(pair, (size_t)i), &ends[i]) || !isfinite(ends[i]))
            return false;
    return true;
}

static const rp_json *interval_of(const rp_report *report)
{
    return report->result ? rp_json_get(report->result, "interval") : NULL;
}

/* ---- in the verdict ------------------------------------------------------------------------ */

void rp_report_add_interval(rp_text *page, const rp_report *report, double span)
{
    static const char *const levels[] = {"95", "80"}, *const kinds[] = {"wide", "near"};
    double ends[2];
    for (int i = 0; i < 2; i++) {
        if (!ends_of(interval_of(report), "change_percent", levels[i], ends)) continue;
        const double low = fmin(fmax((ends[0] + 100) / span * 100, 0), 100);
        const double high = fmin(fmax((ends[1] + 100) / span * 100, 0), 100);
        rp_text_printf(page,
                       "<b class=\"range %s\" title=\"%s %%\" "
                       "style=\"left:%.2f%%;width:%.2f%%\"></b>",
                       kinds[i], levels[i], low, high - low);
    }
}

static void add_range(rp_text *page, const char *level, const double ends[2])
{
    rp_text_printf(page, "<span>%s&thinsp;%%: <b>", level);
    rp_text_number(page, ends[0], 1, false);
    rp_text_add(page, " to ");
    rp_text_number(page, ends[1], 1, false);
    rp_text_add(page, "&nbsp;mm</b></span>");
}

void rp_report_add_chances(rp_text *page, const rp_report *report)
{
    const rp_json *interval = interval_of(report);
    const rp_json *chances = interval ? rp_json_get(interval, "probability") : NULL;
    double ends[2], chance;
    if (!ends_of(interval, "diameter_mm", "95", ends) || report->unaccepted) return;
    rp_text_add(page, "<p class=\"chances\"><span>True diameter with</span>");
    add_range(page, "95", ends);
    if (ends_of(interval, "diameter_mm", "80", ends)) add_range(page, "80", ends);
    rp_text_add(page, "</p><p class=\"chances\"><span>Chances:</span>");
    for (int r = 0; r < CODES; r++) {
        if (!chances || !rp_json_get_number(chances, codes[r], &chance)) continue;
        rp_text_printf(page, "<span>%s <b>", codes[r]);
        rp_text_number(page, chance, 2, false);
        rp_text_add(page, "</b></span>");
    }
    rp_text_add(page, "</p>");
}

/* ---- the trials ------------------------------------------------------------------------------ */

typedef struct trial {
    double truth, found;
} trial;

/* The trials, and whose findings of them are shown. */
typedef struct shown {
    const rp_json *trials;
    bool registered;
} shown;

static bool trial_at(const shown *s, size_t i, trial *t)
{
    const rp_json *one = rp_json_at(s->trials, i);
    const rp_json *found = s->registered ? rp_json_get(one, "registered") : one;
    return found && rp_json_get_number(one, "true_mm", &t->truth) &&
           rp_json_get_number(found, "found_mm", &t->found);
}

static double largest(const shown *s, const double now[2])
{
    double most = fmax(now[0], now[1]);
    trial t;
    for (size_t i = 0; i < rp_json_length(s->trials); i++)
        if (trial_at(s, i, &t)) most = fmax(most, fmax(t.truth, t.found));
    return most > 0 ? most : 1;
}

static double x_of(double mm, double most)
{
    return left + (right - left) * mm / most;
}

static double y_of(double mm, double most)
{
    return bottom - (bottom - top) * mm / most;
}

static void add_ticks(rp_text *page, double most, double step)
{
    for (double mm = 0; mm <= most; mm += step) {
        const double x = x_of(mm, most), y = y_of(mm, most);
        rp_text_printf(page,
                       "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                       "text-anchor=\"end\">%.0f</text><text x=\"%.1f\" y=\"%.1f\" "
                       "text-anchor=\"middle\">%.0f</text>",
                       left, y, right, left - 6, y + 4, mm, x, bottom + 16, mm);
    }
    rp_text_printf(page,
                   "<path class=\"axes\" d=\"M%.1f %.1fV%.1fH%.1f\"/>"
                   "<path class=\"same\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                   left, top, bottom, right, left, bottom, right, top);
    rp_text_printf(page,
                   "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">Found, mm"
                   "</text><text class=\"name\" text-anchor=\"middle\" "
                   "transform=\"translate(13 %.1f) rotate(-90)\">True, mm</text>",
                   0.5 * (left + right), bottom + 36, 0.5 * (top + bottom));
}

/* True over found diameters; the follow-up's interval stands at what was found on it. */
static void add_plot(rp_text *page, const rp_report *report, const shown *s)
{
    const double found = report->followup.lesion->longest_diameter_mm;
    double ends[2] = {0, 0};
    const bool has = ends_of(interval_of(report), "diameter_mm", "95", ends);
    const double now[2] = {found, ends[1]};
    const double step = 10 * ceil(largest(s, now) / 60),
                 most = step * ceil(1.02 * largest(s, now) / step);
    trial t;
    rp_text_add(page, "<svg class=\"plot\" viewBox=\"0 0 420 300\" role=\"img\" aria-label=\"true "
                      "over found diameters of the trials\">");
    add_ticks(page, most, step);
    if (has)
        rp_text_printf(page, "<path class=\"now\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8\"/>",
                       x_of(found, most), y_of(ends[0], most), y_of(ends[1], most),
                       x_of(found, most) - 4, y_of(ends[0], most), x_of(found, most) - 4,
                       y_of(ends[1], most));
    for (size_t i = 0; i < rp_json_length(s->trials); i++)
        if (trial_at(s, i, &t))
            rp_text_printf(page, "<circle class=\"trial\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>",
                           x_of(t.found, most), y_of(t.truth, most));
    rp_text_add(page, "</svg>");
}

static void add_figure(rp_text *page, const rp_json *guard, const char *key, const char *name,
                       int decimals)
{
    double value;
    if (!rp_json_get_number(guard, key, &value) || !isfinite(value)) return;
    rp_text_printf(page, "<tr><th scope=\"row\">%s</th><td>", name);
    rp_text_number(page, value, decimals, key[0] == 'b');
    rp_text_add(page, "</td></tr>");
}

/* What each way to a contour reaches; nothing where there is one only. */
static void add_others(rp_text *page, const rp_json *guard)
{
    const rp_json *sources = rp_json_get(guard, "sources");
    const size_t count = sources ? rp_json_length(sources) : 0;
    for (size_t i = 0; i < count && count > 1; i++) {
        char name[64];
        snprintf(name, sizeof name, "Dice of the %s, mean", rp_json_key_at(sources, i));
        add_figure(page, rp_json_at(sources, i), "mean_dice", name, 2);
    }
}

void rp_report_add_guard(rp_text *page, const rp_report *report)
{
    const rp_json *guard = report->result ? rp_json_get(report->result, "guard") : NULL;
    const rp_json *trials = guard ? rp_json_get(guard, "trials") : NULL;
    if (!trials || rp_json_length(trials) == 0) return;
    const char *source = rp_json_get_string(report->result, "contour_source");
    const shown s = {trials, source && strcmp(source, "registered contour") == 0};
    rp_text_printf(page,
                   "<section class=\"guard\"><h2>The %s on simulated follow-ups</h2>"
                   "<div class=\"trials\">",
                   s.registered ? "registered contour" : "patient model");
    add_plot(page, report, &s);
    rp_text_add(page, "<div><table><tbody>");
    add_figure(page, guard, "count", "Simulated follow-ups of the baseline", 0);
    add_figure(page, guard, "vanished", "of these without a lesion", 0);
    add_figure(page, guard, "mean_dice", "Dice, mean", 2);
    add_figure(page, guard, "low_dice", "Dice, lower quartile", 2);
    add_figure(page, guard, "worst_dice", "Dice, least", 2);
    add_figure(page, guard, "bias_mm", "Diameter, found minus true, mean, mm", 1);
    add_figure(page, guard, "error_mm", "Diameter, mean error, mm", 1);
    add_figure(page, guard, "missed", "Lesions not found", 0);
    add_figure(page, guard, "false_finds", "Found where there was none", 0);
    add_others(page, guard);
    rp_text_add(
        page, "</tbody></table><p class=\"note\">Each point is a follow-up that was computed from "
              "the baseline, with a change that the model was not trained on. The bar is the "
              "95&thinsp;% interval of this follow-up's diameter; it rests on these trials and on "
              "what such models got wrong on other patients.</p></div></div></section>");
}
