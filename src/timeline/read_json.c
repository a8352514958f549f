/* Timelines from JSON. */
#include "internal.h"

#include <math.h>
#include <string.h>

#define FORMAT "reprise.timeline/1"

/* Where reading is, for what is said of entries that are wrong. */
typedef struct place {
    const char *patient, *visit, *lesion;
    rp_timeline_problems *problems;
    rp_error *err;
} place;

static rp_status complain(const place *p, const char *key, const char *wanted)
{
    return rp_timeline_problem_add(p->problems, RP_SEVERITY_ERROR, p->patient, p->visit, p->lesion,
                                   p->err, "'%s' must be %s", key, wanted);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* "" where it is not given. */
static rp_status take_text(const place *p, const rp_json *object, const char *key, const char **out)
{
    const rp_json *value = rp_json_get(object, key);
    *out = value ? rp_json_as_string(value) : "";
    if (*out) return RP_OK;
    *out = "";
    return complain(p, key, "text");
}

/* NaN where it is not given or null. */
static rp_status take_number(const place *p, const rp_json *object, const char *key, double *out)
{
    const rp_json *value = rp_json_get(object, key);
    *out = NAN;
    if (!value || rp_json_is_null(value) || rp_json_as_number(value, out)) return RP_OK;
    return complain(p, key, "a number");
}

static rp_status take_bool(const place *p, const rp_json *object, const char *key, bool *out)
{
    *out = false;
    if (!rp_json_get(object, key) || rp_json_get_bool(object, key, out)) return RP_OK;
    return complain(p, key, "true or false");
}

/* rp_alloc'd; NULL and 0 where it is not given. */
static rp_status take_numbers(const place *p, const rp_json *object, const char *key, double **out,
                              size_t *count)
{
    const rp_json *list = rp_json_get(object, key);
    *out = NULL;
    *count = 0;
    if (!list) return RP_OK;
    const size_t length = rp_json_length(list);
    if (!rp_json_is_array(list)) return complain(p, key, "a list of numbers");
    *out = rp_alloc(length, sizeof **out);
    if (!*out) return rp_fail(p->err, RP_ERR_MEMORY, "out of memory");
    for (; *count < length; (*count)++)
        if (!rp_json_as_number(rp_json_at(list, *count), &(*out)[*count])) {
            *count = 0;
            return complain(p, key, "a list of numbers");
        }
    return RP_OK;
}

/* NULL, and a complaint, where there is no such list. */
static rp_status take_list(const place *p, const rp_json *object, const char *key,
                           const rp_json **out)
{
    *out = rp_json_get(object, key);
    if (*out && rp_json_is_array(*out)) return RP_OK;
    *out = NULL;
    return complain(p, key, "a list");
}

/* ---- entries --------------------------------------------------------------------------------- */

static rp_status read_lesion(place p, const rp_json *object, rp_timeline *t)
{
    rp_timeline_lesion lesion = {.role = RP_ROLE_UNKNOWN};
    rp_status status = take_text(&p, object, "id", &lesion.id);
    p.lesion = lesion.id;
    if (!status) status = take_text(&p, object, "organ", &lesion.organ);
    if (!status) status = take_text(&p, object, "side", &lesion.side);
    if (!status) status = take_text(&p, object, "description", &lesion.description);
    if (!status) status = take_text(&p, object, "role", &lesion.role_word);
    if (!status) status = take_bool(&p, object, "nodal", &lesion.nodal);
    if (status) return status;
    if (find_role(lesion.role_word, &lesion.role)) lesion.role_word = "";
    return rp_timeline_add_lesion(t, &lesion, p.err);
}

static rp_status read_measurements(const place *p, const rp_json *object, rp_timeline_finding *f)
{
    rp_status status = take_number(p, object, "longest_mm", &f->longest_mm);
    if (!status) status = take_number(p, object, "short_axis_mm", &f->short_axis_mm);
    if (!status) status = take_number(p, object, "viable_mm", &f->viable_mm);
    if (!status) status = take_number(p, object, "volume_cc", &f->volume_cc);
    return status ? status : take_text(p, object, "into", &f->into);
}

static rp_status read_finding(place p, const rp_json *object, rp_timeline *t, size_t visit)
{
    const char *lesion, *word;
    rp_status status = take_text(&p, object, "lesion", &lesion);
    p.lesion = lesion;
    if (!status) status = take_text(&p, object, "state", &word);
    if (status) return status;
    rp_timeline_finding f = rp_timeline_finding_of(lesion, RP_FOUND_UNKNOWN);
    if (!find_state(word, &f.state)) f.state_word = word;
    RP_AUTOFREE double *parts = NULL, *viable = NULL;
    status = read_measurements(&p, object, &f);
    if (!status) status = take_numbers(&p, object, "parts_mm", &parts, &f.part_count);
    if (!status) status = take_numbers(&p, object, "parts_viable_mm", &viable, &f.viable_count);
    f.parts_mm = parts;
    f.parts_viable_mm = viable;
    return status ? status : rp_timeline_add_finding(t, visit, &f, p.err);
}

static rp_status read_visit(place p, const rp_json *object, rp_timeline *t)
{
    rp_timeline_visit visit = {0};
    const rp_json *findings = NULL;
    rp_status status = take_text(&p, object, "id", &visit.id);
    p.visit = visit.id;
    if (!status) status = take_text(&p, object, "date", &visit.date);
    if (!status) status = take_text(&p, object, "phase", &visit.phase);
    if (!status) status = take_number(&p, object, "slice_spacing_mm", &visit.slice_spacing_mm);
    if (!status) status = rp_timeline_add_visit(t, &visit, p.err);
    if (!status) status = take_list(&p, object, "findings", &findings);
    for (size_t i = 0; !status && findings && i < rp_json_length(findings); i++)
        status = read_finding(p, rp_json_at(findings, i), t, t->visit_count - 1);
    return status;
}

static rp_status read_timeline(place p, const rp_json *object, rp_timelines *out)
{
    const char *patient, *label, *format;
    const rp_json *lesions = NULL, *visits = NULL;
    rp_timeline *t;
    rp_status status = take_text(&p, object, "patient", &patient);
    p.patient = patient;
    if (!status) status = take_text(&p, object, "label", &label);
    if (!status) status = take_text(&p, object, "format", &format);
    if (!status && *format && strcmp(format, FORMAT) != 0)
        status = complain(&p, "format", "\"" FORMAT "\"");
    if (!status) status = add_patient(out, patient, label, &t, p.err);
    if (!status) status = take_list(&p, object, "lesions", &lesions);
    for (size_t i = 0; !status && lesions && i < rp_json_length(lesions); i++)
        status = read_lesion(p, rp_json_at(lesions, i), t);
    if (!status) status = take_list(&p, object, "visits", &visits);
    for (size_t i = 0; !status && visits && i < rp_json_length(visits); i++)
        status = read_visit(p, rp_json_at(visits, i), t);
    return status;
}

rp_status read_json(const char *path, const char *text, rp_timelines *out,
                    rp_timeline_problems *problems, rp_error *err)
{
    const place p = {.problems = problems, .err = err};
    rp_json *json = NULL;
    rp_status status = rp_json_parse(text, &json, err);
    if (status) return rp_fail_in(err, status, "%s", path);
    const rp_json *several = rp_json_is_array(json) ? json : rp_json_get(json, "timelines");
    if (several && rp_json_is_array(several)) {
        for (size_t i = 0; !status && i < rp_json_length(several); i++)
            status = read_timeline(p, rp_json_at(several, i), out);
    } else if (rp_json_get(json, "visits") || rp_json_get(json, "lesions")) {
        status = read_timeline(p, json, out);
    } else {
        status = rp_fail(err, RP_ERR_FORMAT,
                         "%s: neither a timeline (lesions and visits) nor a list of them "
                         "(timelines)",
                         path);
    }
    rp_json_destroy(json);
    return status;
}
