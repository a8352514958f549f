/* A case as JSON and back. Numbers keep every bit; what is NaN becomes null and NaN again. */
#include "internal.h"

#include <stddef.h>
#include <string.h>

typedef enum kind { NUMBERS, WHOLE32, SIZE, FLAG, WORDS } kind;

/* One member of a struct; count is of numbers, or the room of words. */
typedef struct field {
    const char *key;
    kind kind;
    size_t offset, count;
} field;

#define NUMBER_OF(type, name)                                                                      \
    {                                                                                              \
#name, NUMBERS, offsetof(type, name), sizeof(((type *)0)->name) / 8                        \
    }
#define WHOLE_OF(type, name)                                                                       \
    {                                                                                              \
#name, WHOLE32, offsetof(type, name), 1                                                    \
    }
#define SIZE_OF(type, name)                                                                        \
    {                                                                                              \
#name, SIZE, offsetof(type, name), 1                                                       \
    }
#define FLAG_OF(type, name)                                                                        \
    {                                                                                              \
#name, FLAG, offsetof(type, name), 1                                                       \
    }
#define WORDS_OF(type, name)                                                                       \
    {                                                                                              \
#name, WORDS, offsetof(type, name), sizeof(((type *)0)->name)                              \
    }

static const field lesion_fields[] = {WHOLE_OF(rp_lesion, label),
                                      SIZE_OF(rp_lesion, voxels),
                                      NUMBER_OF(rp_lesion, volume_cc),
                                      NUMBER_OF(rp_lesion, longest_diameter_mm),
                                      NUMBER_OF(rp_lesion, short_axis_mm),
                                      WHOLE_OF(rp_lesion, slice_index),
                                      NUMBER_OF(rp_lesion, slice_position_lps),
                                      NUMBER_OF(rp_lesion, long_axis_lps),
                                      NUMBER_OF(rp_lesion, short_axis_lps),
                                      NUMBER_OF(rp_lesion, long_axis_index),
                                      NUMBER_OF(rp_lesion, short_axis_index),
                                      WHOLE_OF(rp_lesion, first_slice),
                                      WHOLE_OF(rp_lesion, last_slice),
                                      NUMBER_OF(rp_lesion, centroid_lps),
                                      {0}};

static const field response_fields[] = {NUMBER_OF(rp_response_result, change_percent),
                                        NUMBER_OF(rp_response_result, change_nadir_percent),
                                        NUMBER_OF(rp_response_result, change_nadir_mm),
                                        FLAG_OF(rp_response_result, measurable_at_baseline),
                                        FLAG_OF(rp_response_result, is_borderline),
                                        WORDS_OF(rp_response_result, doubt),
                                        WORDS_OF(rp_response_result, rule),
                                        {0}};

static const field distance_fields[] = {NUMBER_OF(rp_surface_distance, mean_mm),
                                        NUMBER_OF(rp_surface_distance, hd95_mm),
                                        NUMBER_OF(rp_surface_distance, hd_mm),
                                        NUMBER_OF(rp_surface_distance, area_mm2),
                                        {0}};

static const field overlap_fields[] = {SIZE_OF(rp_overlap, reference_voxels),
                                       SIZE_OF(rp_overlap, prediction_voxels),
                                       SIZE_OF(rp_overlap, common_voxels),
                                       NUMBER_OF(rp_overlap, dice),
                                       NUMBER_OF(rp_overlap, reference_cc),
                                       NUMBER_OF(rp_overlap, prediction_cc),
                                       NUMBER_OF(rp_overlap, volume_difference_cc),
                                       NUMBER_OF(rp_overlap, volume_difference_absolute_cc),
                                       NUMBER_OF(rp_overlap, volume_difference_percent),
                                       FLAG_OF(rp_overlap, surfaces_defined),
                                       WORDS_OF(rp_overlap, surfaces_reason),
                                       NUMBER_OF(rp_overlap, hd95_mm),
                                       NUMBER_OF(rp_overlap, hd_mm),
                                       NUMBER_OF(rp_overlap, msd_mm),
                                       SIZE_OF(rp_overlap, tolerance_count),
                                       NUMBER_OF(rp_overlap, tolerance_mm),
                                       NUMBER_OF(rp_overlap, surface_dice),
                                       {0}};

static const field score_fields[] = {FLAG_OF(rp_case_score, present),
                                     FLAG_OF(rp_case_score, empty),
                                     NUMBER_OF(rp_case_score, seconds),
                                     {0}};

static const field interval_fields[] = {NUMBER_OF(rp_case_interval, low80_mm),
                                        NUMBER_OF(rp_case_interval, high80_mm),
                                        NUMBER_OF(rp_case_interval, low95_mm),
                                        NUMBER_OF(rp_case_interval, high95_mm),
                                        NUMBER_OF(rp_case_interval, p_cr),
                                        NUMBER_OF(rp_case_interval, p_pr),
                                        NUMBER_OF(rp_case_interval, p_sd),
                                        NUMBER_OF(rp_case_interval, p_pd),
                                        {0}};

static const field origin_fields[] = {
    WORDS_OF(rp_case, way), WORDS_OF(rp_case, contour_source), {0}};

static const field failure_fields[] = {
    WORDS_OF(rp_case_failure, kind), WORDS_OF(rp_case_failure, text), {0}};

/* ---- writing --------------------------------------------------------------------------------- */

static void set_fields(rp_json *json, const field *fields, const void *from)
{
    for (const field *f = fields; f->key; f++) {
        const char *at = (const char *)from + f->offset;
        if (f->kind == NUMBERS && f->count == 1)
            rp_json_set_number(json, f->key, *(const double *)(const void *)at);
        else if (f->kind == NUMBERS)
            rp_json_set_numbers(json, f->key, (const double *)(const void *)at, f->count);
        else if (f->kind == WHOLE32)
            rp_json_set_int(json, f->key, *(const int32_t *)(const void *)at);
        else if (f->kind == SIZE)
            rp_json_set_int(json, f->key, (int64_t) * (const size_t *)(const void *)at);
        else if (f->kind == FLAG)
            rp_json_set_bool(json, f->key, *(const bool *)(const void *)at);
        else
            rp_json_set_string(json, f->key, at);
    }
}

static rp_json *object_of(const field *fields, const void *from)
{
    rp_json *json = rp_json_object();
    set_fields(json, fields, from);
    return json;
}

static rp_json *response_json(const rp_response_result *r)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "response", rp_response_code(r->response));
    set_fields(json, response_fields, r);
    return json;
}

static rp_json *score_json(const rp_case_score *s)
{
    rp_json *json = object_of(score_fields, s), *overlap = object_of(overlap_fields, &s->overlap);
    rp_json_set(overlap, "from_reference", object_of(distance_fields, &s->overlap.from_reference));
    rp_json_set(overlap, "from_prediction",
                object_of(distance_fields, &s->overlap.from_prediction));
    rp_json_set(json, "lesion", object_of(lesion_fields, &s->lesion));
    rp_json_set(json, "overlap", overlap);
    rp_json_set(json, "response", response_json(&s->response));
    return json;
}

static const char *const evaluable[] = {"unknown", "no", "yes"};

rp_json *rp_case_json(const rp_case *one, size_t clinical_count)
{
    rp_json *json = rp_json_object(), *clinical = rp_json_array(), *manual = rp_json_array();
    rp_json *scores = rp_json_object(), *failures = rp_json_array();
    for (size_t i = 0; one->clinical && i < clinical_count; i++)
        rp_json_append_string(clinical, one->clinical[i]);
    for (int v = 0; v < 2; v++) rp_json_append(manual, object_of(lesion_fields, &one->manual[v]));
    for (int s = 0; s < RP_SOURCE_COUNT; s++)
        if (one->score[s].present)
            rp_json_set(scores, rp_source_key((rp_source)s), score_json(&one->score[s]));
    for (size_t i = 0; i < one->failure_count; i++)
        rp_json_append(failures, object_of(failure_fields, &one->failures[i]));
    rp_json_set_string(json, "patient", one->patient);
    rp_json_set_string(json, "baseline_date", one->baseline_date);
    rp_json_set_string(json, "followup_date", one->followup_date);
    rp_json_set_string(json, "label", one->label);
    rp_json_set_string(json, "recist_evaluable", evaluable[one->recist_evaluable]);
    rp_json_set(json, "clinical", clinical);
    rp_json_set(json, "manual", manual);
    rp_json_set(json, "manual_response", response_json(&one->manual_response));
    rp_json_set(json, "scores", scores);
    if (one->way[0]) set_fields(json, origin_fields, one);
    if (one->interval.given)
        rp_json_set(json, "interval", object_of(interval_fields, &one->interval));
    rp_json_set(json, "failures", failures);
    return json;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What is missing on the way; NULL: nothing so far. */
typedef struct reading {
    const char *missing;
} reading;

static void get_numbers(reading *r, const rp_json *json, const field *f, double *to)
{
    const rp_json *found = rp_json_get(json, f->key);
    if (!found || (f->count > 1 && rp_json_length(found) != f->count)) {
        r->missing = f->key;
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        const rp_json *value = f->count > 1 ? rp_json_at(found, i) : found;
        if (!rp_json_as_number(value, &to[i])) to[i] = NAN;
        if (rp_json_as_string(value)) r->missing = f->key;
    }
}

static void get_words(reading *r, const rp_json *json, const field *f, char *to)
{
    const char *text = rp_json_get_string(json, f->key);
    if (!text || strlen(text) >= f->count)
        r->missing = f->key;
    else
        strcpy(to, text);
}

static void get_fields(reading *r, const rp_json *json, const field *fields, void *to)
{
    for (const field *f = fields; f->key && !r->missing; f++) {
        char *at = (char *)to + f->offset;
        int64_t whole = 0;
        if (f->kind == NUMBERS) {
            get_numbers(r, json, f, (double *)(void *)at);
        } else if (f->kind == WORDS) {
            get_words(r, json, f, at);
        } else if (f->kind == FLAG) {
            if (!rp_json_get_bool(json, f->key, (bool *)(void *)at)) r->missing = f->key;
        } else if (!rp_json_get_int(json, f->key, &whole)) {
            r->missing = f->key;
        } else if (f->kind == SIZE) {
            *(size_t *)(void *)at = (size_t)whole;
        } else {
            *(int32_t *)(void *)at = (int32_t)whole;
        }
    }
}

static void get_object(reading *r, const rp_json *json, const char *key, const field *fields,
                       void *to)
{
    const rp_json *found = json ? rp_json_get(json, key) : NULL;
    if (!found)
        r->missing = r->missing ? r->missing : key;
    else
        get_fields(r, found, fields, to);
}

static void get_response(reading *r, const rp_json *json, const char *key, rp_response_result *to)
{
    const rp_json *found = rp_json_get(json, key);
    const char *code = found ? rp_json_get_string(found, "response") : NULL;
    int response = RP_CR;
    while (code && response <= RP_NE && strcmp(code, rp_response_code((rp_response)response)) != 0)
        response++;
    if (!code || response > RP_NE) {
        r->missing = key;
        return;
    }
    to->response = (rp_response)response;
    get_fields(r, found, response_fields, to);
}

static void get_score(reading *r, const rp_json *json, rp_case_score *to)
{
    const rp_json *overlap = rp_json_get(json, "overlap");
    get_fields(r, json, score_fields, to);
    get_object(r, json, "lesion", lesion_fields, &to->lesion);
    get_object(r, json, "overlap", overlap_fields, &to->overlap);
    get_object(r, overlap, "from_reference", distance_fields, &to->overlap.from_reference);
    get_object(r, overlap, "from_prediction", distance_fields, &to->overlap.from_prediction);
    if (!r->missing) get_response(r, json, "response", &to->response);
}

static rp_status get_text(reading *r, const rp_json *json, const char *key, char **to)
{
    const char *text = rp_json_get_string(json, key);
    if (!text) r->missing = key;
    *to = rp_strdup(text ? text : "");
    return *to ? RP_OK : RP_ERR_MEMORY;
}

static rp_status get_lists(reading *r, const rp_json *json, size_t clinical_count, rp_case *one)
{
    const rp_json *clinical = rp_json_get(json, "clinical");
    const rp_json *failures = rp_json_get(json, "failures");
    const size_t count = failures ? rp_json_length(failures) : 0;
    one->clinical = rp_alloc(clinical_count, sizeof *one->clinical);
    one->failures = rp_alloc(count, sizeof *one->failures);
    if (!one->clinical || !one->failures) return RP_ERR_MEMORY;
    if (!clinical || rp_json_length(clinical) != clinical_count) r->missing = "clinical";
    if (!failures) r->missing = "failures";
    for (size_t i = 0; i < clinical_count && !r->missing; i++) {
        const char *text = rp_json_as_string(rp_json_at(clinical, i));
        one->clinical[i] = rp_strdup(text ? text : "");
        if (!one->clinical[i]) return RP_ERR_MEMORY;
    }
    for (; one->failure_count < count && !r->missing; one->failure_count++)
        get_fields(r, rp_json_at(failures, one->failure_count), failure_fields,
                   &one->failures[one->failure_count]);
    return RP_OK;
}

static void get_figures(reading *r, const rp_json *json, rp_case *one)
{
    const rp_json *manual = rp_json_get(json, "manual"), *scores = rp_json_get(json, "scores");
    const char *word = rp_json_get_string(json, "recist_evaluable");
    int found = RP_EVALUABLE_UNKNOWN;
    while (word && found <= RP_EVALUABLE_YES && strcmp(word, evaluable[found]) != 0) found++;
    if (!word || found > RP_EVALUABLE_YES)
        r->missing = "recist_evaluable";
    else
        one->recist_evaluable = (rp_recist_evaluable)found;
    if (!manual || rp_json_length(manual) != 2) r->missing = "manual";
    if (!scores) r->missing = "scores";
    for (size_t v = 0; v < 2 && !r->missing; v++)
        get_fields(r, rp_json_at(manual, v), lesion_fields, &one->manual[v]);
    if (!r->missing) get_response(r, json, "manual_response", &one->manual_response);
    for (int s = 0; s < RP_SOURCE_COUNT && !r->missing; s++) {
        const rp_json *score = rp_json_get(scores, rp_source_key((rp_source)s));
        if (score) get_score(r, score, &one->score[s]);
    }
    if (rp_json_get(json, "way")) get_fields(r, json, origin_fields, one);
    one->interval.given = rp_json_get(json, "interval") != NULL;
    if (one->interval.given && !r->missing)
        get_object(r, json, "interval", interval_fields, &one->interval);
}

rp_status rp_case_from_json(const rp_json *json, const char *path, size_t clinical_count,
                            rp_case *one, rp_error *err)
{
    reading r = {0};
    *one = (rp_case){0};
    rp_status status = get_text(&r, json, "patient", &one->patient);
    if (!status) status = get_text(&r, json, "baseline_date", &one->baseline_date);
    if (!status) status = get_text(&r, json, "followup_date", &one->followup_date);
    if (!status) status = get_text(&r, json, "label", &one->label);
    if (!status && !r.missing) status = get_lists(&r, json, clinical_count, one);
    if (!status && !r.missing) get_figures(&r, json, one);
    if (status)
        rp_fail(err, status, "%s: out of memory", path);
    else if (r.missing)
        status = rp_fail(err, RP_ERR_FORMAT, "%s: '%s' is missing or not what it should be", path,
                         r.missing);
    if (status) rp_case_release(one, clinical_count);
    return status;
}
