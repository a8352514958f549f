/* The summary of both cohorts: means, comparisons, agreement. */
#include "summary.h"

#include <string.h>

enum { REPLICATES = 10000, TOLERANCE_2 = 0, TOLERANCE_5 = 1 };

static double hd95_of(const rp_case *one, rp_source s)
{
    return one->score[s].present ? one->score[s].overlap.hd95_mm : NAN;
}

static double msd_of(const rp_case *one, rp_source s)
{
    return one->score[s].present ? one->score[s].overlap.msd_mm : NAN;
}

static double surface_dice(const rp_case *one, rp_source s, size_t which)
{
    const rp_overlap *o = &one->score[s].overlap;
    return one->score[s].present && which < o->tolerance_count ? o->surface_dice[which] : NAN;
}

static double surface_dice_2(const rp_case *one, rp_source s)
{
    return surface_dice(one, s, TOLERANCE_2);
}

static double surface_dice_5(const rp_case *one, rp_source s)
{
    return surface_dice(one, s, TOLERANCE_5);
}

static double seconds_of(const rp_case *one, rp_source s)
{
    return one->score[s].present ? one->score[s].seconds : NAN;
}

const rp_measure_of_case rp_case_measures[] = {
    {"dice", rp_case_dice_of},
    {"hd95_mm", hd95_of},
    {"mean_surface_distance_mm", msd_of},
    {"surface_dice_2mm", surface_dice_2},
    {"surface_dice_5mm", surface_dice_5},
    {"diameter_error_mm", rp_case_diameter_error},
    {"volume_error_cc", rp_case_volume_error},
    {"seconds", seconds_of},
    {NULL, NULL},
};

/* ---- one quantity of one source ---------------------------------------------------------------
 */

static rp_status collect(const rp_subset *subset, rp_quantity quantity, rp_source source,
                         rp_column *out, rp_error *err)
{
    rp_status status = rp_column_make(out, subset->count, err);
    for (size_t i = 0; i < subset->count && !status; i++) {
        const double value = quantity(subset->cases[i], source);
        if (isfinite(value)) out->values[out->count++] = value;
    }
    return status;
}

static rp_status mean_json(const rp_subset *subset, rp_quantity quantity, rp_source source,
                           rp_json **json, rp_error *err)
{
    rp_column column;
    rp_stat_quartiles quartiles;
    rp_status status = collect(subset, quantity, source, &column, err);
    if (!status) status = rp_stat_quartiles_of(column.values, column.count, &quartiles, err);
    if (!status) {
        const rp_stat mean = rp_stat_mean(column.values, column.count);
        *json = rp_emit_stat(&mean, "mean");
        if (quartiles.defined) {
            rp_json_set_number(*json, "median", quartiles.median);
            rp_json_set_number(*json, "q1", quartiles.q1);
            rp_json_set_number(*json, "q3", quartiles.q3);
        }
    }
    rp_column_release(&column);
    return status;
}

static bool has_source(const rp_subset *subset, rp_source source)
{
    for (size_t i = 0; i < subset->count; i++)
        if (subset->cases[i]->score[source].present) return true;
    return false;
}

static rp_status add_means(const rp_subset *subset, rp_json *cohort, rp_error *err)
{
    for (const rp_measure_of_case *m = rp_case_measures; m->key; m++) {
        rp_json *group = rp_json_object();
        rp_json_set(cohort, m->key, group);
        for (int s = 0; s < RP_SOURCE_COUNT; s++) {
            rp_json *json;
            if (!has_source(subset, (rp_source)s)) continue;
            const rp_status status = mean_json(subset, m->of, (rp_source)s, &json, err);
            if (status) return status;
            rp_json_set(group, rp_source_key((rp_source)s), json);
        }
    }
    return RP_OK;
}

/* ---- IDOL against the other sources ------------------------------------------------------------
 */

static rp_status compare(const rp_subset *subset, rp_source other, uint64_t seed, rp_stat *mean,
                         rp_stat_test *test, rp_error *err)
{
    rp_column column;
    rp_status status = rp_column_make(&column, subset->count, err);
    for (size_t i = 0; i < subset->count && !status; i++) {
        const double value = rp_case_dice_of(subset->cases[i], RP_SOURCE_IDOL_POST) -
                             rp_case_dice_of(subset->cases[i], other);
        if (isfinite(value)) column.values[column.count++] = value;
    }
    if (!status)
        status = rp_stat_bootstrap(column.values, column.count, REPLICATES, seed, mean, err);
    if (!status) status = rp_stat_wilcoxon(column.values, column.count, test, err);
    rp_column_release(&column);
    return status;
}

static rp_json *comparison_json(const rp_stat *mean, const rp_stat_test *test, double adjusted)
{
    rp_json *json = rp_emit_stat(mean, "difference");
    rp_json_set_string(json, "method", test->defined ? test->method : test->reason);
    if (!test->defined) return json;
    rp_json_set_int(json, "pairs_used", (int64_t)test->n);
    rp_json_set_number(json, "statistic", test->statistic);
    rp_json_set_number(json, "p", test->p);
    rp_json_set_number(json, "p_holm", adjusted);
    return json;
}

static rp_status add_comparisons(const rp_subset *subset, uint64_t seed, rp_json *cohort,
                                 rp_error *err)
{
    static const rp_source others[] = {RP_SOURCE_GENERAL_POST, RP_SOURCE_CARRY_POST,
                                       RP_SOURCE_REGISTERED_POST};
    enum { OTHERS = sizeof others / sizeof *others };
    rp_stat mean[OTHERS];
    rp_stat_test test[OTHERS];
    double p[OTHERS];
    rp_status status = RP_OK;
    for (int i = 0; i < OTHERS && !status; i++) {
        status = compare(subset, others[i], seed, &mean[i], &test[i], err);
        p[i] = !status && test[i].defined ? test[i].p : NAN;
    }
    if (!status) status = rp_stat_holm(p, OTHERS, err);
    rp_json *group = rp_json_object();
    for (int i = 0; i < OTHERS && !status; i++)
        if (has_source(subset, others[i]))
            rp_json_set(group, rp_source_key(others[i]), comparison_json(&mean[i], &test[i], p[i]));
    rp_json_set(cohort, "compare", group);
    return status;
}

/* ---- agreement of diameter and volume -----------------------------------------------------------
 */

typedef struct pairs {
    rp_column found, manual, difference;
} pairs;

static double diameter_of(const rp_lesion *lesion)
{
    return lesion->longest_diameter_mm;
}

static double volume_of(const rp_lesion *lesion)
{
    return lesion->volume_cc;
}

/* Volumes are of whole masks, as overlap has them; diameters of the lesion measured. */
static double found_value(const rp_case *one, rp_source s, bool volume)
{
    return volume ? one->score[s].overlap.prediction_cc : diameter_of(&one->score[s].lesion);
}

static double manual_value(const rp_case *one, rp_source s, bool volume)
{
    const rp_lesion *lesion = &one->manual[rp_source_visit(s)];
    return !volume                 ? diameter_of(lesion)
           : one->score[s].present ? one->score[s].overlap.reference_cc
                                   : volume_of(lesion);
}

static rp_status make_pairs(const rp_subset *subset, rp_source source, bool volume, pairs *p,
                            rp_error *err)
{
    *p = (pairs){0};
    rp_status status = rp_column_make(&p->found, subset->count, err);
    if (!status) status = rp_column_make(&p->manual, subset->count, err);
    if (!status) status = rp_column_make(&p->difference, subset->count, err);
    for (size_t i = 0; i < subset->count && !status; i++) {
        const rp_case *one = subset->cases[i];
        const rp_lesion *manual = &one->manual[rp_source_visit(source)];
        if (!one->score[source].present || one->score[source].empty || !manual->voxels) continue;
        const double found = found_value(one, source, volume);
        const double by_hand = manual_value(one, source, volume);
        p->found.values[p->found.count++] = found;
        p->manual.values[p->manual.count++] = by_hand;
        p->difference.values[p->difference.count++] = found - by_hand;
    }
    return status;
}

static void release_pairs(pairs *p)
{
    rp_column_release(&p->found);
    rp_column_release(&p->manual);
    rp_column_release(&p->difference);
}

static rp_status agreement_json(const rp_subset *subset, rp_source source, bool volume,
                                rp_json **out, rp_error *err)
{
    pairs p;
    rp_stat_test spearman, wilcoxon;
    rp_status status = make_pairs(subset, source, volume, &p, err);
    const size_t n = p.found.count;
    if (!status) status = rp_stat_spearman(p.found.values, p.manual.values, n, &spearman, err);
    if (!status) status = rp_stat_wilcoxon(p.difference.values, n, &wilcoxon, err);
    if (!status) {
        const rp_stat_bland_altman limits = rp_stat_bland_altman_of(p.difference.values, n);
        const rp_stat_icc icc = rp_stat_icc_of(p.found.values, p.manual.values, n);
        *out = rp_json_object();
        rp_json_set(*out, "bland_altman", rp_emit_bland_altman(&limits));
        rp_json_set(*out, "icc_2_1", rp_emit_stat(&icc.agreement, "value"));
        rp_json_set(*out, "icc_3_1", rp_emit_stat(&icc.consistency, "value"));
        rp_json_set(*out, "spearman", rp_emit_test(&spearman, "rho"));
        rp_json_set(*out, "wilcoxon", rp_emit_test(&wilcoxon, "statistic"));
    }
    release_pairs(&p);
    return status;
}

static rp_status add_agreement(const rp_subset *subset, rp_json *cohort, rp_error *err)
{
    for (int volume = 0; volume < 2; volume++) {
        rp_json *group = rp_json_object();
        rp_json_set(cohort, volume ? "volume" : "diameter", group);
        for (int s = 0; s < RP_SOURCE_COUNT; s++) {
            rp_json *json;
            if (!has_source(subset, (rp_source)s)) continue;
            const rp_status status = agreement_json(subset, (rp_source)s, volume, &json, err);
            if (status) return status;
            rp_json_set(group, rp_source_key((rp_source)s), json);
        }
    }
    return RP_OK;
}

static rp_status add_dice_diameter(const rp_subset *subset, rp_json *cohort, rp_error *err)
{
    rp_json *group = rp_json_object();
    rp_status status = RP_OK;
    rp_json_set(cohort, "dice_baseline_diameter", group);
    for (int s = 0; s < RP_SOURCE_COUNT && !status; s++) {
        rp_column dice = {0}, diameter = {0};
        rp_stat_test test;
        if (!has_source(subset, (rp_source)s)) continue;
        status = rp_column_make(&dice, subset->count, err);
        if (!status) status = rp_column_make(&diameter, subset->count, err);
        for (size_t i = 0; i < subset->count && !status; i++) {
            if (!subset->cases[i]->score[s].present) continue;
            dice.values[dice.count++] = rp_case_dice_of(subset->cases[i], (rp_source)s);
            diameter.values[diameter.count++] = diameter_of(&subset->cases[i]->manual[0]);
        }
        if (!status)
            status = rp_stat_spearman(dice.values, diameter.values, dice.count, &test, err);
        if (!status) rp_json_set(group, rp_source_key((rp_source)s), rp_emit_test(&test, "rho"));
        rp_column_release(&dice);
        rp_column_release(&diameter);
    }
    return status;
}

/* ---- intervals ------------------------------------------------------------------------------ */

static bool holds(double low, double high, double value)
{
    return value >= low && value <= high;
}

/* Nothing where no case has one. */
static void add_intervals(const rp_subset *subset, rp_json *cohort)
{
    size_t given = 0, within[2] = {0, 0}, run = 0, unanswered = 0;
    for (size_t i = 0; i < subset->count; i++) {
        const rp_case *one = subset->cases[i];
        const rp_case_score *s = &one->score[RP_SOURCE_IDOL_POST];
        const double mm = diameter_of(&one->manual[1]);
        run += s->present;
        unanswered += s->present && !rp_response_called(&s->response);
        if (!one->interval.given) continue;
        given++;
        within[0] += holds(one->interval.low80_mm, one->interval.high80_mm, mm);
        within[1] += holds(one->interval.low95_mm, one->interval.high95_mm, mm);
    }
    if (given == 0) return;
    const rp_stat_proportion at80 = rp_stat_proportion_of(within[0], given);
    const rp_stat_proportion at95 = rp_stat_proportion_of(within[1], given);
    const rp_stat_proportion none = rp_stat_proportion_of(unanswered, run);
    rp_json *group = rp_json_object();
    rp_json_set(cohort, "interval", group);
    rp_json_set(group, "within_80", rp_emit_proportion(&at80));
    rp_json_set(group, "within_95", rp_emit_proportion(&at95));
    rp_json_set(group, "not_evaluable", rp_emit_proportion(&none));
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static rp_status cohort_json(const rp_evaluation *e, const rp_subset *subset, rp_json **out,
                             rp_error *err)
{
    rp_json *cohort = rp_json_object();
    rp_json_set_int(cohort, "n", (int64_t)subset->count);
    rp_status status = rp_summary_characteristics(e, subset, cohort, err);
    if (!status) status = add_means(subset, cohort, err);
    if (!status) status = add_comparisons(subset, e->seed, cohort, err);
    if (!status) status = add_agreement(subset, cohort, err);
    if (!status) status = rp_summary_responses(subset, cohort, err);
    if (!status) status = add_dice_diameter(subset, cohort, err);
    if (!status) add_intervals(subset, cohort);
    if (!status) status = rp_summary_survivals(e, subset, cohort, err);
    if (status)
        rp_json_destroy(cohort);
    else
        *out = cohort;
    return status;
}

rp_status rp_evaluation_summary(const rp_evaluation *e, rp_json **summary, rp_error *err)
{
    rp_json *all = rp_json_object(), *cohorts = rp_json_object();
    rp_status status = RP_OK;
    rp_json_set(all, "cohorts", cohorts);
    for (int i = 0; i < RP_SUBSETS && !status; i++) {
        rp_subset subset;
        rp_json *json = NULL;
        status = rp_subset_make(e, i, &subset, err);
        if (!status) status = cohort_json(e, &subset, &json, err);
        if (!status) rp_json_set(cohorts, subset.key, json);
        rp_subset_release(&subset);
    }
    rp_json_set_string(all, "label", e->label);
    rp_json_set_string(
        all, "multiplicity",
        "p_holm adjusts the comparisons of IDOL's Dice with the other sources within "
        "one cohort by Holm's method. Every other p value stands for one test, "
        "unadjusted: read them as descriptions.");
    rp_json_set(all, "definitions", rp_summary_definitions_json());
    if (status)
        rp_json_destroy(all);
    else
        *summary = all;
    return status;
}
