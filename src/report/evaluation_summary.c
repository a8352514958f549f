#include "evaluation_summary.h"
#include "chart.h"

#include <math.h>
#include <stdarg.h>

/* Member of member of ..., NULL where any is absent. The list ends with NULL. */
static const rp_json *at(const rp_json *json, ...)
{
    va_list keys;
    va_start(keys, json);
    for (const char *key = va_arg(keys, const char *); json && key;
         key = va_arg(keys, const char *))
        json = rp_json_get(json, key);
    va_end(keys);
    return json;
}

static double number(const rp_json *object, const char *key)
{
    double value = NAN;
    if (object && !rp_json_get_number(object, key, &value)) value = NAN;
    return value;
}

static const char *words(const rp_json *object, const char *key)
{
    const char *text = object ? rp_json_get_string(object, key) : NULL;
    return text ? text : "";
}

/* `main` is the key of the number itself. */
static rp_estimate estimate(const rp_json *object, const char *main)
{
    rp_estimate e = {
        .value = number(object, main),
        .low = number(object, "low"),
        .high = number(object, "high"),
        .p = number(object, "p"),
        .p_holm = number(object, "p_holm"),
        .n = number(object, "n"),
        .median = number(object, "median"),
        .q1 = number(object, "q1"),
        .q3 = number(object, "q3"),
        .reason = words(object, "undefined"),
        .method = words(object, "method"),
    };
    e.known = isfinite(e.value);
    return e;
}

static const rp_json *cohort_of(const rp_json *summary, const char *cohort)
{
    return at(summary, "cohorts", cohort, NULL);
}

rp_estimate rp_summary_mean(const rp_json *summary, const char *cohort, const char *quantity,
                            rp_source source)
{
    return estimate(at(cohort_of(summary, cohort), quantity, rp_source_key(source), NULL), "mean");
}

size_t rp_summary_responders(const rp_json *summary, const char *cohort, rp_source source)
{
    double n = rp_summary_response(summary, cohort, source, "sensitivity").n;
    return n > 0 ? (size_t)n : 0;
}

rp_estimate rp_summary_compare(const rp_json *summary, const char *cohort, rp_source source)
{
    return estimate(at(cohort_of(summary, cohort), "compare", rp_source_key(source), NULL),
                    "difference");
}

rp_estimate rp_summary_agreement(const rp_json *summary, const char *cohort, const char *quantity,
                                 rp_source source, const char *name)
{
    const rp_json *found =
        at(cohort_of(summary, cohort), quantity, rp_source_key(source), name, NULL);
    rp_estimate e = estimate(found, "value");
    if (!e.known) e = estimate(found, "rho");
    if (!e.known) e = estimate(found, "difference");
    return e;
}

static rp_estimate limit(const rp_json *object, const char *value, const char *low,
                         const char *high)
{
    rp_estimate e = estimate(object, value);
    e.low = number(object, low);
    e.high = number(object, high);
    return e;
}

rp_bland_altman_numbers rp_summary_bland_altman(const rp_json *summary, const char *cohort,
                                                const char *quantity, rp_source source)
{
    const rp_json *found =
        at(cohort_of(summary, cohort), quantity, rp_source_key(source), "bland_altman", NULL);
    return (rp_bland_altman_numbers){
        limit(found, "bias", "bias_low", "bias_high"),
        limit(found, "lower", "lower_low", "lower_high"),
        limit(found, "upper", "upper_low", "upper_high"),
    };
}

rp_estimate rp_summary_response(const rp_json *summary, const char *cohort, rp_source source,
                                const char *name)
{
    const rp_json *found =
        at(cohort_of(summary, cohort), "response", rp_source_key(source), name, NULL);
    rp_estimate e = estimate(found, "value");
    if (!e.known) e = estimate(found, "p");
    return e;
}

bool rp_summary_agreeing(const rp_json *summary, const char *cohort, rp_source source,
                         int64_t *agree, int64_t *of)
{
    const rp_json *found = at(cohort_of(summary, cohort), "response", rp_source_key(source), NULL);
    return found && rp_json_get_int(found, "agree", agree) && rp_json_get_int(found, "n", of);
}

rp_estimate rp_summary_dice_diameter(const rp_json *summary, const char *cohort, rp_source source)
{
    return estimate(
        at(cohort_of(summary, cohort), "dice_baseline_diameter", rp_source_key(source), NULL),
        "rho");
}

bool rp_summary_characteristic(const rp_json *summary, const char *cohort, size_t row,
                               const char **name, const char **value)
{
    const rp_json *rows = at(cohort_of(summary, cohort), "table1", NULL);
    const rp_json *found = rows ? rp_json_at(rows, row) : NULL;
    *name = words(found, "name");
    *value = words(found, "value");
    return found != NULL;
}

/* As doubles, NaN for what is none; NULL where memory is short. */
static double *numbers(const rp_json *object, const char *key, size_t count)
{
    const rp_json *array = rp_json_get(object, key);
    double *values = rp_alloc(count, sizeof *values);
    for (size_t i = 0; values && i < count; i++) {
        const rp_json *value = array ? rp_json_at(array, i) : NULL;
        if (!value || !rp_json_as_number(value, &values[i])) values[i] = NAN;
    }
    return values;
}

void rp_survival_release(rp_survival_curve *curve)
{
    double *const arrays[] = {curve->time, curve->survival, curve->low,
                              curve->high, curve->at_risk,  curve->censored};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) rp_free(arrays[i]);
    *curve = (rp_survival_curve){0};
}

static size_t length_of(const rp_json *object, const char *key)
{
    const rp_json *array = object ? rp_json_get(object, key) : NULL;
    return array ? rp_json_length(array) : 0;
}

bool rp_summary_survival(const rp_json *summary, const char *cohort, size_t index,
                         rp_survival_curve *curve, rp_status *status)
{
    const rp_json *curves = at(cohort_of(summary, cohort), "survival", NULL);
    const rp_json *found = curves ? rp_json_at(curves, index) : NULL;
    if (!found) return false;
    size_t count = length_of(found, "time");
    *curve = (rp_survival_curve){
        .name = words(found, "name"),
        .unit = words(found, "unit"),
        .n = number(found, "n"),
        .events = number(found, "events"),
        .left_out = number(found, "left_out"),
        .median = number(found, "median"),
        .count = count,
        .time = numbers(found, "time", count),
        .survival = numbers(found, "survival", count),
        .low = numbers(found, "low", count),
        .high = numbers(found, "high", count),
        .at_risk = numbers(found, "at_risk", count),
        .censored = numbers(found, "censored_at", count),
    };
    bool whole = curve->time && curve->survival && curve->low && curve->high && curve->at_risk &&
                 curve->censored;
    *status = whole ? RP_OK : RP_ERR_MEMORY;
    if (!whole) curve->count = 0;
    return true;
}

void rp_roc_release(rp_roc_curve *curve)
{
    rp_free(curve->sensitivity);
    rp_free(curve->specificity);
    *curve = (rp_roc_curve){0};
}

bool rp_summary_roc(const rp_json *summary, const char *cohort, rp_source source,
                    rp_roc_curve *curve, rp_status *status)
{
    const rp_json *found =
        at(cohort_of(summary, cohort), "response", rp_source_key(source), "roc", NULL);
    size_t count = length_of(found, "sensitivity");
    if (!count) return false;
    *curve = (rp_roc_curve){
        .count = count,
        .sensitivity = numbers(found, "sensitivity", count),
        .specificity = numbers(found, "specificity", count),
    };
    *status = curve->sensitivity && curve->specificity ? RP_OK : RP_ERR_MEMORY;
    if (*status) curve->count = 0;
    return true;
}

const char *rp_summary_multiplicity(const rp_json *summary)
{
    return words(summary, "multiplicity");
}

const rp_json *rp_summary_definitions(const rp_json *summary)
{
    return at(summary, "definitions", NULL);
}

const char *rp_estimate_words(char out[128], const rp_estimate *e, int decimals)
{
    char value[RP_WORDS], low[RP_WORDS], high[RP_WORDS];
    rp_words(value, e->value, decimals, false);
    rp_words(low, e->low, decimals, false);
    rp_words(high, e->high, decimals, false);
    if (!e->known)
        snprintf(out, 128, "undefined");
    else if (isfinite(e->low) && isfinite(e->high))
        snprintf(out, 128, "%.30s (%.30s to %.30s)", value, low, high);
    else
        snprintf(out, 128, "%.30s", value);
    return out;
}
