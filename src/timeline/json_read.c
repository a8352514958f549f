/* Timelines from JSON. */
#include "internal.h"

#include <math.h>
#include <string.h>

typedef struct reader {
    const char *path;
    rp_timelines *timelines;
    rp_timeline *timeline;                /* being read */
    const char *patient, *visit, *lesion; /* where in it; "" or NULL: nowhere */
    rp_timeline_problems *problems;
    rp_status status; /* of memory */
    rp_error *err;
} reader;

#define COMPLAIN(r, severity, ...)                                                                 \
    ((r)->status ? (r)->status                                                                     \
                 : ((r)->status =                                                                  \
                        rp_timeline_problem_add((r)->problems, severity, (r)->patient, (r)->visit, \
                                                (r)->lesion, (r)->err, __VA_ARGS__)))

/* ---- members ----------------------------------------------------------------------------- */

static const char *text_of(reader *r, const rp_json *object, const char *key)
{
    const rp_json *value = rp_json_get(object, key);
    const char *text = rp_json_as_string(value);
    if (text) return text;
    if (!rp_json_is_null(value)) COMPLAIN(r, RP_SEVERITY_ERROR, "'%s' must be text", key);
    return "";
}

static double number_of(reader *r, const rp_json *object, const char *key)
{
    const rp_json *value = rp_json_get(object, key);
    double number = NAN;
    if (!rp_json_as_number(value, &number) && !rp_json_is_null(value))
        COMPLAIN(r, RP_SEVERITY_ERROR, "'%s' must be a number", key);
    return number;
}

static bool flag_of(reader *r, const rp_json *object, const char *key)
{
    bool flag = false;
    if (!rp_json_get_bool(object, key, &flag) && !rp_json_is_null(rp_json_get(object, key)))
        COMPLAIN(r, RP_SEVERITY_ERROR, "'%s' must be true or false", key);
    return flag;
}

/* rp_alloc'd; NULL and a count of 0 where there is none. */
static double *numbers_of(reader *r, const rp_json *object, const char *key, size_t *count)
{
    const rp_json *list = rp_json_get(object, key);
    *count = 0;
    if (rp_json_is_null(list)) return NULL;
    if (!rp_json_is_array(list)) {
        COMPLAIN(r, RP_SEVERITY_ERROR, "'%s' must be a list of numbers", key);
        return NULL;
    }
    double *numbers = rp_alloc(rp_json_length(list), sizeof *numbers);
    if (!numbers) {
        r->status = rp_fail(r->err, RP_ERR_MEMORY, "%s: out of memory", r->path);
        return NULL;
    }
    for (size_t i = 0; i < rp_json_length(list); i++) {
        if (rp_json_as_number(rp_json_at(list, i), &numbers[i])) continue;
        COMPLAIN(r, RP_SEVERITY_ERROR, "'%s' must be a list of numbers", key);
        rp_free(numbers);
        return NULL;
    }
    *count = rp_json_length(list);
    return numbers;
}

/* NULL where it is not there, which is no fault unless it is needed. */
static const rp_json *list_of(reader *r, const rp_json *object, const char *key, bool needed)
{
    const rp_json *list = rp_json_get(object, key);
    if (rp_json_is_array(list)) return list;
    if (needed || !rp_json_is_null(list))
        COMPLAIN(r, RP_SEVERITY_ERROR, "'%s' must be a list", key);
    return NULL;
}

/* Keys separated by blanks. A mistyped one must not be passed over in silence. */
static bool is_object_of(reader *r, const rp_json *object, const char *what, const char *keys)
{
    if (!rp_json_is_object(object)) {
        COMPLAIN(r, RP_SEVERITY_ERROR, "%s must be an object", what);
        return false;
    }
    for (size_t i = 0; i < rp_json_length(object); i++) {
        const char *key = rp_json_key_at(object, i), *at = keys;
        const size_t length = strlen(key);
        while (at && !(strncmp(at, key, length) == 0 && (at[length] == ' ' || !at[length]))) {
            at = strchr(at, ' ');
            if (at) at++;
        }
        if (!at)
            COMPLAIN(r, RP_SEVERITY_WARNING, "'%.80s' of %s is not known and ignored", key, what);
    }
    return true;
}

/* ---- the parts --------------------------------------------------------------------------- */

static void read_lesion(reader *r, const rp_json *from)
{
    if (!is_object_of(r, from, "a lesion", "id organ side nodal role description")) return;
    r->lesion = text_of(r, from, "id");
    rp_timeline_lesion lesion = {.id = r->lesion,
                                 .organ = text_of(r, from, "organ"),
                                 .side = text_of(r, from, "side"),
                                 .nodal = flag_of(r, from, "nodal"),
                                 .role_word = text_of(r, from, "role"),
                                 .description = text_of(r, from, "description")};
    lesion.role = role_of_word(lesion.role_word);
    if (!r->status) r->status = rp_timeline_add_lesion(r->timeline, &lesion, r->err);
    r->lesion = NULL;
}

static void read_finding(reader *r, const rp_json *from)
{
    if (!is_object_of(r, from, "a finding",
                      "lesion state longest_mm short_axis_mm viable_mm volume_cc into parts_mm "
                      "parts_viable_mm"))
        return;
    r->lesion = text_of(r, from, "lesion");
    rp_timeline_finding f = {.lesion = r->lesion,
                             .state_word = text_of(r, from, "state"),
                             .longest_mm = number_of(r, from, "longest_mm"),
                             .short_axis_mm = number_of(r, from, "short_axis_mm"),
                             .viable_mm = number_of(r, from, "viable_mm"),
                             .volume_cc = number_of(r, from, "volume_cc"),
                             .into = text_of(r, from, "into")};
    RP_AUTOFREE double *parts = numbers_of(r, from, "parts_mm", &f.part_count);
    RP_AUTOFREE double *viable = numbers_of(r, from, "parts_viable_mm", &f.viable_count);
    f.parts_mm = parts;
    f.parts_viable_mm = viable;
    f.state = state_of_word(f.state_word);
    if (!r->status)
        r->status = rp_timeline_add_finding(r->timeline, r->timeline->visit_count - 1, &f, r->err);
    r->lesion = NULL;
}

static void read_visit(reader *r, const rp_json *from)
{
    if (!is_object_of(r, from, "a visit", "id date slice_spacing_mm phase findings")) return;
    r->visit = text_of(r, from, "id");
    const rp_timeline_visit visit = {.id = r->visit,
                                     .date = text_of(r, from, "date"),
                                     .slice_spacing_mm = number_of(r, from, "slice_spacing_mm"),
                                     .phase = text_of(r, from, "phase")};
    const rp_json *findings = list_of(r, from, "findings", false);
    if (!r->status) r->status = rp_timeline_add_visit(r->timeline, &visit, r->err);
    for (size_t i = 0; !r->status && i < rp_json_length(findings); i++)
        read_finding(r, rp_json_at(findings, i));
    r->visit = NULL;
}

static void read_lists(reader *r, const rp_json *from)
{
    const rp_json *lesions = list_of(r, from, "lesions", true);
    const rp_json *visits = list_of(r, from, "visits", true);
    for (size_t i = 0; !r->status && i < rp_json_length(lesions); i++)
        read_lesion(r, rp_json_at(lesions, i));
    for (size_t i = 0; !r->status && i < rp_json_length(visits); i++)
        read_visit(r, rp_json_at(visits, i));
}

static rp_status read_timeline(void *context, size_t index, const rp_json *from, rp_error *err)
{
    reader *r = context;
    r->err = err;
    r->patient = r->visit = r->lesion = NULL;
    (void)index;
    if (!is_object_of(r, from, "a timeline",
                      "format patient label lesions visits proposals tracking"))
        return r->status;
    r->patient = text_of(r, from, "patient");
    const size_t open = rp_json_length(list_of(r, from, "proposals", false));
    if (open)
        COMPLAIN(r, RP_SEVERITY_WARNING,
                 "%zu proposals of the tracking are open: a person must decide them", open);
    const char *format = text_of(r, from, "format"), *label = text_of(r, from, "label");
    if (format[0] && strcmp(format, RP_TIMELINE_FORMAT) != 0)
        COMPLAIN(r, RP_SEVERITY_ERROR, "'format' must be \"%s\", not \"%.80s\"", RP_TIMELINE_FORMAT,
                 format);
    r->timeline = timelines_add(r->timelines);
    if (!r->timeline) r->status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", r->path);
    if (!r->status) r->status = rp_timeline_init(r->timeline, r->patient, label, err);
    if (!r->status) read_lists(r, from);
    return r->status;
}

rp_status read_json(const char *path, rp_timelines *timelines, rp_timeline_problems *problems,
                    rp_error *err)
{
    reader r = {.path = path, .timelines = timelines, .problems = problems};
    return rp_json_read_each(path, "timelines", read_timeline, &r, err);
}
