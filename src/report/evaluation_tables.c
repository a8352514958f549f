/* Tables of cases: the study's Tables 2, 4a, 4b and Supplementary Table 1. */
#include "evaluation_parts.h"

#include <math.h>
#include <string.h>

/* In the study's order, then the comparators that it lacks. */
static const rp_source columns[] = {RP_SOURCE_GENERAL_PRE, RP_SOURCE_GENERAL_POST,
                                    RP_SOURCE_IDOL_POST, RP_SOURCE_CARRY_POST,
                                    RP_SOURCE_REGISTERED_POST};

enum { COLUMNS = sizeof columns / sizeof *columns };

/* ---- Dice of each case ------------------------------------------------------------------- */

static void add_dice_head(rp_table *table)
{
    rp_table_span(table, 1, 0, "");
    rp_table_span(table, 1, 0, "Baseline");
    rp_table_span(table, 4, 0, "Follow-up");
    rp_table_text(table, 0, "Case");
    for (int c = 0; c < COLUMNS; c++)
        rp_table_text(table, 0, c == 0 ? "FCD" : rp_source_look_of(columns[c])->name);
    rp_table_end_head(table);
}

static void add_dice_cell(rp_table *table, const rp_case *one, rp_source source, double best)
{
    const rp_case_score *score = &one->score[source];
    char value[RP_WORDS];
    double dice = rp_case_dice(one, source);
    if (score->present && score->empty)
        rp_table_printf(table, RP_CELL_POOR, "empty, %s", rp_words(value, dice, 2, false));
    else
        rp_table_number(table, dice == best ? RP_CELL_BOLD : 0, dice, 2, false);
}

static void add_dice_row(rp_table *table, const rp_case *one)
{
    double best = -INFINITY;
    for (int c = 1; c < COLUMNS; c++)
        if (rp_case_dice(one, columns[c]) > best) best = rp_case_dice(one, columns[c]);
    rp_table_text(table, 0, one->patient);
    for (int c = 0; c < COLUMNS; c++)
        add_dice_cell(table, one, columns[c], c == 0 ? INFINITY : best);
}

static void add_dice_sums(rp_table *table, const rp_evaluation_view *view, const rp_group *group)
{
    rp_estimate mean[COLUMNS];
    char words[2][RP_WORDS];
    for (int c = 0; c < COLUMNS; c++)
        mean[c] = rp_summary_mean(view->report->summary, group->key, "dice", columns[c]);
    rp_table_text(table, RP_CELL_BOLD | RP_CELL_RULE, "Mean");
    for (int c = 0; c < COLUMNS; c++)
        rp_table_number(table, RP_CELL_BOLD | RP_CELL_RULE, mean[c].value, 2, false);
    rp_table_text(table, 0, "95% interval");
    for (int c = 0; c < COLUMNS; c++)
        if (isfinite(mean[c].low) && isfinite(mean[c].high))
            rp_table_printf(table, 0, "%s to %s", rp_words(words[0], mean[c].low, 2, false),
                            rp_words(words[1], mean[c].high, 2, false));
        else
            rp_table_text(table, 0, "\xE2\x80\x93");
    rp_table_text(table, 0, "Median");
    for (int c = 0; c < COLUMNS; c++) rp_table_number(table, 0, mean[c].median, 2, false);
    rp_table_text(table, 0, "Cases");
    for (int c = 0; c < COLUMNS; c++) rp_table_number(table, 0, mean[c].n, 0, false);
}

void rp_evaluation_add_table2(rp_document *document, const rp_evaluation_view *view, int which)
{
    const rp_group *group = &view->group[which];
    rp_table table;
    char title[160];
    snprintf(title, sizeof title, "%s. Dice of each case, %s (n = %zu)",
             which == RP_RECIST ? "Table 2" : "Supplementary Table 1", group->name, group->count);
    rp_table_start(&table, title, "lrrrrr");
    table.note =
        "Bold: the largest at follow-up. A dash: not run. An empty contour is a failure to "
        "segment and counts with its Dice.";
    add_dice_head(&table);
    for (size_t i = 0; i < group->count; i++) add_dice_row(&table, group->cases[i]);
    add_dice_sums(&table, view, group);
    rp_document_table(document, &table);
}

/* ---- diameters and responses ------------------------------------------------------------- */

static void add_table4a_head(rp_table *table)
{
    static const char *const names[] = {"Case",      "baseline, mm", "follow-up, mm",
                                        "change, %", "response",     "follow-up, mm",
                                        "change, %", "response",     "mm",
                                        "%",         "manual, cc",   "IDOL, cc"};
    rp_table_span(table, 1, 0, "");
    rp_table_span(table, 4, 0, "Manual");
    rp_table_span(table, 3, 0, "IDOL");
    rp_table_span(table, 2, 0, "IDOL \xE2\x88\x92 manual");
    rp_table_span(table, 2, 0, "Volume at follow-up");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) rp_table_text(table, 0, names[i]);
    rp_table_end_head(table);
}

static double diameter(const rp_lesion *lesion)
{
    return rp_lesion_found(lesion) ? lesion->longest_diameter_mm : NAN;
}

static void add_table4a_row(rp_table *table, const rp_case *one)
{
    const rp_case_score *idol = &one->score[RP_SOURCE_IDOL_POST];
    bool drawn = idol->present && !idol->empty;
    double manual = diameter(&one->manual[1]), predicted = drawn ? diameter(&idol->lesion) : NAN;
    bool differs = idol->present && idol->response.response != one->manual_response.response;
    rp_table_text(table, 0, one->patient);
    rp_table_number(table, 0, diameter(&one->manual[0]), 1, false);
    rp_table_number(table, 0, manual, 1, false);
    rp_table_number(table, 0, one->manual_response.change_percent, 1, true);
    rp_table_text(table, 0, rp_response_code(one->manual_response.response));
    rp_table_number(table, 0, predicted, 1, false);
    rp_table_number(table, 0, idol->present ? idol->response.change_percent : NAN, 1, true);
    if (idol->present)
        rp_table_printf(table, differs ? RP_CELL_POOR : 0, "%s%s",
                        rp_response_code(idol->response.response), differs ? " \xE2\x89\xA0" : "");
    else
        rp_table_text(table, 0, "\xE2\x80\x93");
    rp_table_number(table, 0, predicted - manual, 1, true);
    rp_table_number(table, 0, manual > 0 ? 100 * (predicted - manual) / manual : NAN, 1, true);
    rp_table_number(table, 0, idol->present ? idol->overlap.reference_cc : one->manual[1].volume_cc,
                    1, false);
    rp_table_number(table, 0, drawn ? idol->overlap.prediction_cc : NAN, 1, false);
}

static void add_table4a(rp_document *document, const rp_group *group)
{
    rp_table table;
    char title[160];
    snprintf(title, sizeof title,
             "Table 4a. Longest diameter, change and response of each case, %s (n = %zu)",
             group->name, group->count);
    rp_table_start(&table, title, "lrrrcrrcrrrr");
    table.note =
        "Change from the manual baseline. \xE2\x89\xA0: the response differs from the manual "
        "one. NE: not evaluable; an empty contour is never taken for a response.";
    add_table4a_head(&table);
    for (size_t i = 0; i < group->count; i++) add_table4a_row(&table, group->cases[i]);
    rp_document_table(document, &table);
}

static size_t count_responses(const rp_group *group, int manual, int predicted)
{
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const rp_case_score *idol = &group->cases[i]->score[RP_SOURCE_IDOL_POST];
        count += idol->present && (int)group->cases[i]->manual_response.response == manual &&
                 (int)idol->response.response == predicted;
    }
    return count;
}

static void add_table4b(rp_document *document, const rp_group *group)
{
    rp_table table;
    char title[160];
    snprintf(title, sizeof title, "Table 4b. Responses, manual against IDOL, %s", group->name);
    rp_table_start(&table, title, "lrrrrrr");
    table.note = "Rows: by the manual contours; columns: by IDOL's contours. Agreement is on the "
                 "diagonal, in bold.";
    rp_table_text(&table, 0, "");
    rp_table_span(&table, RP_NE + 1, 0, "IDOL");
    rp_table_text(&table, 0, "");
    rp_table_text(&table, 0, "Manual");
    for (int p = RP_CR; p <= RP_NE; p++) rp_table_text(&table, 0, rp_response_code((rp_response)p));
    rp_table_text(&table, 0, "Sum");
    rp_table_end_head(&table);
    for (int m = RP_CR; m <= RP_NE; m++) {
        size_t sum = 0;
        rp_table_text(&table, 0, rp_response_code((rp_response)m));
        for (int p = RP_CR; p <= RP_NE; p++) {
            size_t count = count_responses(group, m, p);
            int flags = m == p ? RP_CELL_BOLD : count ? RP_CELL_POOR : RP_CELL_MUTED;
            rp_table_printf(&table, flags, "%zu", count);
            sum += count;
        }
        rp_table_printf(&table, 0, "%zu", sum);
    }
    rp_document_table(document, &table);
}

void rp_evaluation_add_table4(rp_document *document, const rp_evaluation_view *view)
{
    const rp_group *group = &view->group[view->measured];
    if (!group->count) return;
    add_table4a(document, group);
    add_table4b(document, group);
}

/* ---- ways to the contour ------------------------------------------------------------------ */

static const char *words_of_way(const char *way)
{
    static const char *const words[][2] = {{"start", "the start, with the baseline to look at"},
                                           {"adapted", "the start, adapted to the baseline"},
                                           {"given", "adapted as the settings say"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(way, words[i][0]) == 0) return words[i][1];
    return way;
}

void rp_evaluation_add_ways(rp_document *document, const rp_evaluation_view *view)
{
    const rp_evaluation *evaluation = view->evaluation;
    rp_table table;
    size_t known = 0;
    for (size_t i = 0; i < evaluation->case_count; i++)
        known += evaluation->cases[i].way[0] != '\0';
    if (!known) return;
    rp_table_start(&table, "How each contour by IDOL came about", "lllr");
    table.note = "Way and contour are chosen by trials on simulated follow-ups of the baseline, "
                 "before the follow-up is looked at.";
    rp_table_text(&table, 0, "Case");
    rp_table_text(&table, 0, "Patient model");
    rp_table_text(&table, 0, "Contour of");
    rp_table_text(&table, 0, "Dice");
    rp_table_end_head(&table);
    for (size_t i = 0; i < evaluation->case_count; i++) {
        const rp_case *one = &evaluation->cases[i];
        rp_table_text(&table, 0, one->patient);
        rp_table_text(&table, 0, words_of_way(one->way));
        rp_table_text(&table, 0, one->contour_source);
        rp_table_number(&table, 0, rp_case_dice(one, RP_SOURCE_IDOL_POST), 2, false);
    }
    rp_document_table(document, &table);
}
