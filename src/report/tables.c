/* The numbers, and the scores against a truth. */
#include "sections.h"

#include <math.h>

/* ---- numbers ------------------------------------------------------------------------------------
 */

typedef struct quantity {
    const char *name, *unit;
    double baseline, followup;
    bool compared; /* the one that decides the response */
} quantity;

static void add_cell(rp_text *page, double value, int decimals, bool plus, bool known)
{
    rp_text_add(page, "<td>");
    if (known)
        rp_text_number(page, value, decimals, plus);
    else
        rp_text_add(page, "&ndash;");
    rp_text_add(page, "</td>");
}

static void add_quantity(rp_text *page, const quantity *q, bool baseline_found, bool followup_found)
{
    bool both = baseline_found && followup_found;
    double percent = q->baseline > 0 ? 100 * (q->followup - q->baseline) / q->baseline : NAN;
    rp_text_printf(page, "<tr%s><th scope=\"row\">%s <span class=\"unit\">%s</span></th>",
                   q->compared ? " class=\"compared\"" : "", q->name, q->unit);
    add_cell(page, q->baseline, 1, false, baseline_found);
    add_cell(page, q->followup, 1, false, followup_found);
    add_cell(page, q->followup - q->baseline, 1, true, both);
    add_cell(page, percent, 1, true, both);
    rp_text_add(page, "</tr>");
}

static void add_slices(rp_text *page, const rp_report *report)
{
    const rp_lesion *const lesions[2] = {report->baseline.lesion, report->followup.lesion};
    rp_text_add(page, "<tr><th scope=\"row\">Slice measured</th>");
    for (int v = 0; v < 2; v++)
        if (lesions[v]->slice_index >= 0)
            rp_text_printf(page, "<td>%d</td>", lesions[v]->slice_index);
        else
            rp_text_add(page, "<td>&ndash;</td>");
    rp_text_add(page, "<td></td><td></td></tr><tr><th scope=\"row\">Slices with lesion</th>");
    for (int v = 0; v < 2; v++)
        if (lesions[v]->slice_index >= 0)
            rp_text_printf(page, "<td>%d&ndash;%d</td>", lesions[v]->first_slice,
                           lesions[v]->last_slice);
        else
            rp_text_add(page, "<td>none</td>");
    rp_text_add(page, "<td></td><td></td></tr>");
}

/* A change from the smallest sum so far is worth a row only where that was not the baseline. */
static void add_nadir(rp_text *page, const rp_response_result *r)
{
    if (!isfinite(r->change_nadir_percent) ||
        fabs(r->change_nadir_percent - r->change_percent) < 1e-6)
        return;
    rp_text_add(page, "<tr><th scope=\"row\">Diameter against nadir <span class=\"unit\">mm</span>"
                      "</th><td></td><td></td>");
    add_cell(page, r->change_nadir_mm, 1, true, true);
    add_cell(page, r->change_nadir_percent, 1, true, true);
    rp_text_add(page, "</tr>");
}

void rp_report_add_numbers(rp_text *page, const rp_report *report)
{
    const rp_lesion *b = report->baseline.lesion, *f = report->followup.lesion;
    bool found[2] = {b->slice_index >= 0, f->slice_index >= 0};
    bool by_short = rp_report_compares_short_axis(report);
    const quantity rows[] = {
        {"Longest diameter", "mm", b->longest_diameter_mm, f->longest_diameter_mm, !by_short},
        {"Short axis", "mm", b->short_axis_mm, f->short_axis_mm, by_short},
        {"Volume", "cc", b->volume_cc, f->volume_cc, false},
    };
    rp_text_add(page, "<section class=\"numbers\"><h2>Numbers</h2><table><thead><tr><td></td>"
                      "<th scope=\"col\" class=\"visit0\">");
    rp_text_escape(page, report->baseline.title);
    rp_text_add(page, "</th><th scope=\"col\" class=\"visit1\">");
    rp_text_escape(page, report->followup.title);
    if (report->unaccepted) rp_text_add(page, "<br>not accepted");
    rp_text_add(page, "</th><th scope=\"col\">Change</th><th scope=\"col\">in&nbsp;%</th></tr>"
                      "</thead><tbody>");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        add_quantity(page, &rows[i], found[0], found[1]);
    add_nadir(page, report->response);
    add_slices(page, report);
    rp_text_add(page, "</tbody></table><p class=\"note\">");
    rp_text_add(page, report->response->measurable_at_baseline
                          ? "The lesion is measurable at baseline by RECIST 1.1."
                          : "The lesion is <b>not measurable</b> at baseline by RECIST 1.1.");
    rp_text_add(page, " The change in volume is exploratory and does not decide the "
                      "response.</p></section>");
}

/* ---- scores ------------------------------------------------------------------------------ */

/* Absent where the object is absent or the value is no number. */
static bool number_of(const rp_json *object, const char *key, double *value)
{
    return object && rp_json_get_number(object, key, value) && isfinite(*value);
}

static void add_bar(rp_text *page, const char *name, const char *kind, double value)
{
    rp_text_printf(page,
                   "<div class=\"score\"><span>%s</span><i><b class=\"%s\" style=\"width:%.1f%%\">"
                   "</b></i><strong>",
                   name, kind, 100 * fmin(fmax(value, 0), 1));
    rp_text_number(page, value, 3, false);
    rp_text_add(page, "</strong></div>");
}

static void add_comparison(rp_text *page, double dice, double carried)
{
    if (dice > carried)
        rp_text_add(page, "<p>The predicted contour agrees better with the true one than the "
                          "baseline contour carried forward unchanged.</p>");
    else
        rp_text_add(page, "<p class=\"poor\">The predicted contour agrees no better with the true "
                          "one than the baseline contour carried forward unchanged: the adaptation "
                          "gained nothing here.</p>");
}

void rp_report_add_scores(rp_text *page, const rp_report *report)
{
    double dice, carried, error;
    const rp_json *result = report->result;
    bool has_dice = number_of(result, "dice", &dice);
    bool has_carried = number_of(result, "dice_carry_forward", &carried);
    bool has_error = number_of(result, "diameter_error_mm", &error);
    if (!has_dice && !has_carried && !has_error) return;
    rp_text_add(page, "<section class=\"scores\"><h2>Against the true contour</h2>");
    if (has_dice) add_bar(page, "Dice, predicted", "visit1", dice);
    if (has_carried) add_bar(page, "Dice, carried forward", "visit0", carried);
    if (has_error) {
        rp_text_add(page, "<p>Longest diameter: predicted minus true <b>");
        rp_text_number(page, error, 1, true);
        rp_text_add(page, "&nbsp;mm</b></p>");
    }
    if (has_dice && has_carried) add_comparison(page, dice, carried);
    rp_text_add(page, "</section>");
}
