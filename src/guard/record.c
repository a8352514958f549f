/* Trials as JSON and back. */
#include "reprise/guard.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rp_json *finding_json(const rp_guard_finding *f)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "found_mm", f->found_mm);
    rp_json_set_number(json, "found_cc", f->found_cc);
    rp_json_set_number(json, "dice", f->dice);
    return json;
}

static rp_json *trial_json(const rp_guard_trial *t, bool compared)
{
    rp_json *json = rp_json_object();
    rp_json_set_bool(json, "gone", t->gone);
    rp_json_set_number(json, "change_percent", t->change_percent);
    rp_json_set_number(json, "true_mm", t->true_mm);
    rp_json_set_number(json, "found_mm", t->found_mm);
    rp_json_set_number(json, "true_cc", t->true_cc);
    rp_json_set_number(json, "found_cc", t->found_cc);
    rp_json_set_number(json, "dice", t->dice);
    rp_json_set_int(json, "parts", t->parts);
    if (!compared) return json;
    rp_json_set(json, "registered", finding_json(&t->registered));
    rp_json_set(json, "carried", finding_json(&t->carried));
    return json;
}

/* The seed is a string: numbers of JSON have 53 bits with some readers. */
rp_json *rp_guard_trials_json(const rp_guard_trials *trials)
{
    rp_json *json = rp_json_object(), *list = rp_json_array();
    char seed[32];
    snprintf(seed, sizeof seed, "%" PRIu64, trials->seed);
    rp_json_set_string(json, "kind", trials->kind);
    rp_json_set_string(json, "seed", seed);
    for (int k = 0; k < trials->count; k++)
        rp_json_append(list, trial_json(&trials->item[k], trials->compared));
    rp_json_set(json, "trials", list);
    return json;
}

static bool length(const rp_json *json, const char *key, double *out)
{
    return rp_json_get_number(json, key, out) && isfinite(*out) && *out >= 0;
}

static bool read_finding(const rp_json *json, rp_guard_finding *f)
{
    return json && length(json, "found_mm", &f->found_mm) &&
           length(json, "found_cc", &f->found_cc) && length(json, "dice", &f->dice) &&
           f->dice <= 1.0;
}

/* Models of earlier versions have no comparison. */
static bool read_compared(const rp_json *json, rp_guard_trial *t, bool *compared)
{
    const rp_json *registered = rp_json_get(json, "registered");
    const rp_json *carried = rp_json_get(json, "carried");
    *compared = registered || carried;
    return !*compared ||
           (read_finding(registered, &t->registered) && read_finding(carried, &t->carried));
}

static bool read_trial(const rp_json *json, rp_guard_trial *t)
{
    int64_t parts = 0;
    *t = (rp_guard_trial){0};
    const bool whole =
        json && rp_json_get_bool(json, "gone", &t->gone) &&
        rp_json_get_number(json, "change_percent", &t->change_percent) &&
        length(json, "true_mm", &t->true_mm) && length(json, "found_mm", &t->found_mm) &&
        length(json, "true_cc", &t->true_cc) && length(json, "found_cc", &t->found_cc) &&
        length(json, "dice", &t->dice) && t->dice <= 1.0 &&
        rp_json_get_int(json, "parts", &parts) && parts >= 0 && parts < 1 << 30;
    t->parts = (int)parts;
    return whole;
}

rp_status rp_guard_trials_read(const rp_json *json, rp_guard_trials *out, rp_error *err)
{
    const rp_json *list = rp_json_get(json, "trials");
    const char *kind = rp_json_get_string(json, "kind"), *seed = rp_json_get_string(json, "seed");
    *out = (rp_guard_trials){0};
    if (!kind || !seed || !list || rp_json_length(list) > RP_GUARD_MOST_TRIALS)
        return rp_fail(err, RP_ERR_FORMAT, "the trials of the patient model cannot be read");
    snprintf(out->kind, sizeof out->kind, "%s", kind);
    out->seed = strtoull(seed, NULL, 10);
    for (size_t k = 0; k < rp_json_length(list); k++) {
        bool compared;
        if (!read_trial(rp_json_at(list, k), &out->item[k]) ||
            !read_compared(rp_json_at(list, k), &out->item[k], &compared) ||
            (k && compared != out->compared))
            return rp_fail(err, RP_ERR_FORMAT,
                           "trial %zu of the patient model is incomplete or out of range", k + 1);
        out->compared = compared;
        out->count++;
    }
    return RP_OK;
}
