/* The page's head: who and when, the response, the rule, and what to beware of. */
#include "sections.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what the report is about -------------------------------------------------------------------
 */

bool rp_report_unsegmented(const rp_report *report)
{
    return report->response->response == RP_NE && report->followup.lesion->slice_index < 0;
}

static double change_of(double from, double to)
{
    return from > 0 ? 100 * (to - from) / from : NAN;
}

bool rp_report_compares_short_axis(const rp_report *report)
{
    const rp_lesion *b = report->baseline.lesion, *f = report->followup.lesion;
    double change = report->response->change_percent;
    double by_long = fabs(change_of(b->longest_diameter_mm, f->longest_diameter_mm) - change);
    double by_short = fabs(change_of(b->short_axis_mm, f->short_axis_mm) - change);
    return by_long > 0.01 && by_short < by_long; /* false wherever something is NaN */
}

double rp_report_diameter(const rp_report *report, const rp_lesion *lesion)
{
    return rp_report_compares_short_axis(report) ? lesion->short_axis_mm
                                                 : lesion->longest_diameter_mm;
}

/* ---- dates ------------------------------------------------------------------------------- */

/* 20260131 and 2026-01-31. */
static bool parse_date(const char *text, int *year, int *month, int *day)
{
    char end;
    if (!text) return false;
    bool plain = strlen(text) == 8 && strspn(text, "0123456789") == 8 &&
                 sscanf(text, "%4d%2d%2d%c", year, month, day, &end) == 3;
    bool dashed = strlen(text) == 10 && strspn(text, "0123456789-") == 10 &&
                  sscanf(text, "%4d-%2d-%2d%c", year, month, day, &end) == 3;
    return (plain || dashed) && *month >= 1 && *month <= 12 && *day >= 1 && *day <= 31;
}

/* Days since 1 March of year 0 in the proleptic Gregorian calendar. */
static long day_number(int year, int month, int day)
{
    long y = month < 3 ? year - 1 : year, m = (month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
}

bool rp_report_days_between(const char *a, const char *b, long *days)
{
    int first[3], second[3];
    if (!parse_date(a, &first[0], &first[1], &first[2]) ||
        !parse_date(b, &second[0], &second[1], &second[2]))
        return false;
    *days = day_number(second[0], second[1], second[2]) - day_number(first[0], first[1], first[2]);
    return true;
}

void rp_report_add_date(rp_text *page, const char *date)
{
    int year, month, day;
    if (parse_date(date, &year, &month, &day))
        rp_text_printf(page, "%04d-%02d-%02d", year, month, day);
    else
        rp_text_escape(page, date);
}

/* ---- head -------------------------------------------------------------------------------- */

static void add_banner(rp_text *page, const char *label)
{
    if (!label || !*label) return;
    rp_text_add(page, "<p class=\"banner\"><b>");
    rp_text_escape(page, label);
    rp_text_add(page, "</b> ");
    if (!strcmp(label, "synthetic"))
        rp_text_add(page, "Images and lesion were made from equations. They show that the program "
                          "runs; they are no evidence of how well it works on patients.");
    else if (!strcmp(label, "simulated"))
        rp_text_add(page,
                    "The follow-up was computed from the baseline image with a change that was "
                    "asked for. Its figures are no clinical evidence.");
    rp_text_add(page, "</p>");
}

void rp_report_add_head(rp_text *page, const rp_report *report)
{
    long days;
    rp_text_add(page, "<div class=\"always\"><p class=\"notice\"><b>Research use only</b> &ndash; "
                      "not for diagnosis or "
                      "treatment decisions</p>");
    add_banner(page, report->label);
    rp_text_add(page, "</div><header><h1>Response assessment");
    if (report->subject && *report->subject) {
        rp_text_add(page, " <span class=\"subject\">");
        rp_text_escape(page, report->subject);
        rp_text_add(page, "</span>");
    }
    rp_text_add(page, "</h1><p>");
    const rp_report_visit *const visits[2] = {&report->baseline, &report->followup};
    for (int v = 0; v < 2; v++) {
        rp_text_add(page, v ? " &rarr; " : "");
        rp_text_escape(page, visits[v]->title);
        if (!visits[v]->date || !*visits[v]->date) continue;
        rp_text_add(page, " <b>");
        rp_report_add_date(page, visits[v]->date);
        rp_text_add(page, "</b>");
    }
    if (rp_report_days_between(report->baseline.date, report->followup.date, &days))
        rp_text_printf(page, " <span class=\"muted\">(%ld day%s)</span>", days,
                       days == 1 ? "" : "s");
    rp_text_add(page, "</p></header>");
}

/* ---- gauge ------------------------------------------------------------------------------- */

/* Percent of baseline at which disease counts as progressive: 20% and 5 mm above the nadir. */
static double progression_percent(double baseline_mm, double nadir_mm)
{
    return 100 * (fmax(1.2 * nadir_mm, nadir_mm + 5) / baseline_mm - 1);
}

static void add_tick(rp_text *page, double at, double value, const char *note)
{
    rp_text_printf(page, "<span class=\"tick\" style=\"left:%.2f%%\">", at);
    rp_text_number(page, value, 0, true);
    rp_text_printf(page, "%%%s</span>", note);
}

/* The change on a line with the regions that the rules divide it into. */
static void add_gauge(rp_text *page, const rp_report *report)
{
    const rp_response_result *r = report->response;
    double baseline = rp_report_diameter(report, report->baseline.lesion);
    double followup = rp_report_diameter(report, report->followup.lesion);
    if (!isfinite(r->change_percent) || !(baseline > 0)) return;
    double nadir = isfinite(r->change_nadir_mm) ? followup - r->change_nadir_mm : baseline;
    double pd = progression_percent(baseline, nadir > 0 ? nadir : baseline);
    double high = fmin(fmax(60, 20 * ceil(1.15 * fmax(r->change_percent, pd) / 20)), 300);
    double span = high + 100, at_pr = 70 / span * 100, at_pd = (pd + 100) / span * 100;
    double at = fmin(fmax((r->change_percent + 100) / span * 100, 0), 100);
    at_pd = fmin(fmax(at_pd, 0), 100);
    rp_text_add(page, "<div class=\"gauge\" role=\"img\" aria-label=\"change on a scale with the "
                      "limits of response and progression\"><div class=\"track\">");
    if (at_pd > at_pr)
        rp_text_printf(page,
                       "<i class=\"PR\" style=\"left:0;width:%.2f%%\">PR</i>"
                       "<i class=\"SD\" style=\"left:%.2f%%;width:%.2f%%\">SD</i>",
                       at_pr, at_pr, at_pd - at_pr);
    else
        rp_text_printf(page, "<i class=\"PR\" style=\"left:0;width:%.2f%%\">PR</i>", at_pd);
    rp_text_printf(page, "<i class=\"PD\" style=\"left:%.2f%%;width:%.2f%%\">PD</i></div>", at_pd,
                   100 - at_pd);
    rp_report_add_interval(page, report, span);
    rp_text_printf(page, "<b class=\"mark\" style=\"left:%.2f%%\"></b><div class=\"ticks\">", at);
    add_tick(page, 0, -100, "");
    if (at_pd > at_pr + 8) add_tick(page, at_pr, -30, "");
    if (fabs(at_pd - 10000 / span) > 8) add_tick(page, 10000 / span, 0, "");
    add_tick(page, at_pd, pd, "");
    if (at_pd < 88) add_tick(page, 100, high, "");
    rp_text_add(page, "</div></div>");
}

/* ---- verdict ----------------------------------------------------------------------------- */

/* One decimal, two where one would show a value that is not a limit as if it were. */
static int percent_decimals(double percent)
{
    double shown = round(10 * percent) / 10;
    return (shown == -30 || shown == 20) && fabs(shown - percent) > 1e-9 ? 2 : 1;
}

/* Figures that are there to be looked at, not to be used. */
static void add_unaccepted(rp_text *page, const rp_response_result *r, double from, double to)
{
    rp_text_add(page, "<p class=\"big\">Not accepted</p><p class=\"muted\">The contours alone: ");
    rp_text_number(page, from, 1, false);
    rp_text_add(page, " &rarr; ");
    rp_text_number(page, to, 1, false);
    rp_text_add(page, "&nbsp;mm, ");
    rp_text_number(page, r->change_percent, percent_decimals(r->change_percent), true);
    rp_text_printf(page,
                   "&thinsp;%%, %s</p><p class=\"muted\">not to be used unless a person has "
                   "checked them</p></div>",
                   rp_response_code(r->response));
}

static void add_change(rp_text *page, const rp_report *report)
{
    const rp_response_result *r = report->response;
    double from = rp_report_diameter(report, report->baseline.lesion);
    double to = rp_report_diameter(report, report->followup.lesion);
    rp_text_add(page, "<div class=\"change\">");
    if (report->unaccepted && !rp_report_unsegmented(report)) {
        add_unaccepted(page, report->unaccepted, from, to);
        return;
    }
    if (!isfinite(r->change_percent)) {
        rp_text_add(page, rp_report_unsegmented(report)
                              ? "<p class=\"big\">No lesion found</p><p>at follow-up; baseline "
                              : "<p class=\"big\">No change given</p><p>baseline ");
        rp_text_number(page, from, 1, false);
        rp_text_add(page, "&nbsp;mm</p></div>");
        return;
    }
    rp_text_add(page, "<p class=\"big\">");
    rp_text_number(page, r->change_percent, percent_decimals(r->change_percent), true);
    rp_text_add(page, "&thinsp;%</p><p class=\"mm\"><b>");
    rp_text_number(page, to - from, 1, true);
    rp_text_add(page, "&nbsp;mm</b> <span class=\"nobreak\">(");
    rp_text_number(page, from, 1, false);
    rp_text_add(page, " &rarr; ");
    rp_text_number(page, to, 1, false);
    rp_text_add(page, "&nbsp;mm)</span></p><p class=\"muted\">");
    rp_text_add(page, rp_report_compares_short_axis(report) ? "short axis of the node"
                                                            : "longest diameter in one slice");
    rp_text_add(page, ", change from baseline</p></div>");
}

void rp_report_add_verdict(rp_text *page, const rp_report *report)
{
    const rp_response_result *r = report->response;
    const char *code = rp_response_code(r->response);
    rp_text_printf(
        page, "<section class=\"verdict\"><div class=\"badge %s\"><b>%s</b><span>%s</span></div>",
        code, code, rp_response_name(r->response));
    add_change(page, report);
    rp_text_add(page, "<div class=\"reason\"><h2>Why</h2><p class=\"rule\">");
    rp_text_escape(page, r->rule);
    rp_text_add(page, "</p>");
    add_gauge(page, report);
    rp_report_add_chances(page, report);
    rp_text_add(page, "</div></section>");
}

/* ---- flags ------------------------------------------------------------------------------- */

void rp_report_add_flags(rp_text *page, const rp_report *report)
{
    bool unsegmented = rp_report_unsegmented(report);
    if (!unsegmented && report->flag_count == 0) {
        rp_text_add(page, "<section class=\"flags none\"><p>No warnings were raised. Check the "
                          "contours below before using any number.</p></section>");
        return;
    }
    rp_text_add(page, "<section class=\"flags\"><h2>Check before use</h2><ul>");
    if (unsegmented)
        rp_text_add(page, "<li><b>No lesion found at follow-up: a failure to segment, not a "
                          "response.</b> A person must confirm whether the lesion is still there "
                          "before anything is concluded.</li>");
    for (size_t i = 0; i < report->flag_count; i++) {
        rp_text_add(page, "<li>");
        rp_text_escape(page, report->flags[i]);
        rp_text_add(page, "</li>");
    }
    rp_text_add(page, "</ul></section>");
}
