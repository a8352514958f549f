/* Tables of the summary: characteristics, means, distances, tests, agreement of responses. */
#include "evaluation_parts.h"

#include <math.h>
#include <string.h>

static const rp_source columns[] = {RP_SOURCE_GENERAL_PRE, RP_SOURCE_GENERAL_POST,
                                    RP_SOURCE_IDOL_POST, RP_SOURCE_CARRY_POST,
                                    RP_SOURCE_REGISTERED_POST};

enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *const dash = "\xE2\x80\x93";

/* ---- Table 1 ----------------------------------------------------------------------------- */

/* The value of the same characteristic in the other cohort. */
static const char *value_of(const rp_json *summary, const char *cohort, const char *wanted)
{
    const char *name, *value;
    for (size_t row = 0; rp_summary_characteristic(summary, cohort, row, &name, &value); row++)
        if (!strcmp(name, wanted)) return value;
    return dash;
}

void rp_evaluation_add_table1(rp_document *document, const rp_evaluation_view *view)
{
    const rp_json *summary = view->report->summary;
    const char *name, *value;
    rp_table table;
    rp_table_start(&table, "Table 1. Patients and tumours", "lrr");
    rp_table_text(&table, 0, "Characteristic");
    for (int g = 0; g < 2; g++)
        rp_table_printf(&table, 0, "%s (n = %zu)", view->group[g].name, view->group[g].count);
    rp_table_end_head(&table);
    for (size_t row = 0;
         rp_summary_characteristic(summary, view->group[RP_ENTIRE].key, row, &name, &value);
         row++) {
        rp_table_text(&table, 0, name);
        rp_table_text(&table, 0, value);
        rp_table_text(&table, 0, value_of(summary, view->group[RP_RECIST].key, name));
    }
    if (rp_table_rows(&table) > 1)
        rp_document_table(document, &table);
    else
        rp_table_release(&table);
}

/* ---- means ------------------------------------------------------------------------------- */

static void add_source_head(rp_table *table, const char *first)
{
    rp_table_text(table, 0, first);
    for (int c = 0; c < COLUMNS; c++) rp_table_text(table, 0, rp_source_look_of(columns[c])->name);
    rp_table_end_head(table);
}

static void add_mean_row(rp_table *table, const rp_evaluation_view *view, const rp_group *group,
                         const char *quantity, const char *name, int decimals)
{
    char words[128];
    rp_table_text(table, 0, name);
    for (int c = 0; c < COLUMNS; c++) {
        rp_estimate mean = rp_summary_mean(view->report->summary, group->key, quantity, columns[c]);
        if (mean.known && mean.n == (double)group->count)
            rp_table_text(table, 0, rp_estimate_words(words, &mean, decimals));
        else if (mean.known)
            rp_table_printf(table, 0, "%s, n\xC2\xA0=\xC2\xA0%.0f",
                            rp_estimate_words(words, &mean, decimals), mean.n);
        else
            rp_table_text(table, RP_CELL_MUTED, dash);
    }
}

void rp_evaluation_add_table3(rp_document *document, const rp_evaluation_view *view)
{
    rp_table table;
    char names[2][80];
    for (int g = 0; g < 2; g++)
        snprintf(names[g], sizeof names[g], "%s (n = %zu)", view->group[g].name,
                 view->group[g].count);
    rp_table_start(&table, "Table 3. Mean Dice by cohort and source (95% interval)", "lrrrrr");
    add_source_head(&table, "Cohort");
    for (int g = 0; g < 2; g++)
        if (view->group[g].count) add_mean_row(&table, view, &view->group[g], "dice", names[g], 2);
    rp_document_table(document, &table);
}

void rp_evaluation_add_distances(rp_document *document, const rp_evaluation_view *view)
{
    static const struct {
        const char *key, *name;
        int decimals;
    } rows[] = {{"dice", "Dice", 2},
                {"hd95_mm", "Hausdorff 95, mm", 1},
                {"mean_surface_distance_mm", "Mean surface distance, mm", 1},
                {"surface_dice_2mm", "Surface Dice, 2 mm", 2},
                {"surface_dice_5mm", "Surface Dice, 5 mm", 2},
                {"diameter_error_mm", "Longest diameter, found \xE2\x88\x92 manual, mm", 1},
                {"volume_error_cc", "Volume, found \xE2\x88\x92 manual, cc", 1}};
    for (int g = 0; g < 2; g++) {
        rp_table table;
        char title[160];
        const rp_group *group = &view->group[g];
        if (!group->count) continue;
        snprintf(title, sizeof title, "All metrics, %s (n = %zu): mean (95%% interval)",
                 group->name, group->count);
        rp_table_start(&table, title, "lrrrrr");
        if (g == RP_RECIST || !view->group[RP_RECIST].count)
            table.note =
                "Distances and errors are undefined where a contour is empty; n is told where "
                "not all cases are in the mean.";
        add_source_head(&table, "Metric");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            add_mean_row(&table, view, group, rows[i].key, rows[i].name, rows[i].decimals);
        rp_document_table(document, &table);
    }
}

/* ---- tests ------------------------------------------------------------------------------- */

static void add_comparison_row(rp_table *table, const rp_evaluation_view *view,
                               const rp_group *group, rp_source source)
{
    rp_estimate e = rp_summary_compare(view->report->summary, group->key, source);
    char words[128], p[RP_WORDS];
    rp_table_text(table, 0, group->name);
    rp_table_text(table, 0, rp_source_look_of(source)->name);
    rp_table_number(table, 0, e.n, 0, false);
    rp_table_text(table, 0, e.known ? rp_estimate_words(words, &e, 3) : dash);
    rp_table_text(table, 0, isfinite(e.p) ? rp_words_p(p, e.p) : dash);
    rp_table_text(table, 0, isfinite(e.p_holm) ? rp_words_p(p, e.p_holm) : dash);
    rp_table_text(table, RP_CELL_MUTED, *e.method ? e.method : e.reason);
}

void rp_evaluation_add_comparisons(rp_document *document, const rp_evaluation_view *view)
{
    static const rp_source others[] = {RP_SOURCE_GENERAL_POST, RP_SOURCE_CARRY_POST,
                                       RP_SOURCE_REGISTERED_POST};
    rp_table table;
    rp_table_start(&table, "Dice of IDOL minus Dice of the other source, same cases", "llrrrrl");
    static const char *const heads[] = {
        "Cohort", "Against", "n", "Mean difference (95% interval)", "Wilcoxon", "Holm", "Method"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) rp_table_text(&table, 0, heads[i]);
    rp_table_end_head(&table);
    for (int g = 0; g < 2; g++)
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (rp_group_has(&view->group[g], others[i]))
                add_comparison_row(&table, view, &view->group[g], others[i]);
    if (rp_table_rows(&table) > 1)
        rp_document_table(document, &table);
    else
        rp_table_release(&table);
    rp_document_words(document, RP_TONE_NOTE, rp_summary_multiplicity(view->report->summary));
}

/* ---- responses --------------------------------------------------------------------------- */

static void add_response_cell(rp_table *table, const rp_evaluation_view *view,
                              const rp_group *group, rp_source source, const char *key)
{
    rp_estimate e = rp_summary_response(view->report->summary, group->key, source, key);
    char words[128];
    if (e.known)
        rp_table_text(table, 0, rp_estimate_words(words, &e, strcmp(key, "mcnemar") ? 2 : 3));
    else
        rp_table_text(table, RP_CELL_MUTED, *e.reason ? e.reason : dash);
}

void rp_evaluation_add_response(rp_document *document, const rp_evaluation_view *view)
{
    static const struct {
        const char *key, *name;
    } rows[] = {{"agreement", "Agreement of responses"},
                {"kappa", "Cohen's kappa"},
                {"mcnemar", "McNemar, p"},
                {"sensitivity", "Sensitivity for response"},
                {"specificity", "Specificity for response"},
                {"accuracy", "Accuracy for response"},
                {"auc_change", "AUC, continuous change"},
                {"auc_call", "AUC, dichotomised call"}};
    const rp_group *group = &view->group[view->measured];
    rp_table table;
    char title[160];
    if (!group->count) return;
    snprintf(title, sizeof title, "Response by the predicted contours against the manual ones, %s",
             group->name);
    rp_table_start(&table, title, "lrrrr");
    rp_table_text(&table, 0, "");
    for (int c = 1; c < COLUMNS; c++) rp_table_text(&table, 0, rp_source_look_of(columns[c])->name);
    rp_table_end_head(&table);
    table.note = "Response: CR or PR. In brackets the 95% interval.";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rp_table_text(&table, 0, rows[i].name);
        for (int c = 1; c < COLUMNS; c++)
            add_response_cell(&table, view, group, columns[c], rows[i].key);
    }
    rp_document_table(document, &table);
}
