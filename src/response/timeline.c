/* Timelines: their words, and how they are made. */
#include "reprise/response.h"

#include "arena.h"

#include <math.h>
#include <string.h>

/* ---- words ------------------------------------------------------------------------------- */

static const char *const criteria_codes[] = {"recist1.1", "irecist", "mrecist", "volume"};
static const char *const criteria_names[] = {"RECIST 1.1", "iRECIST", "mRECIST",
                                             "volume (exploratory)"};
static const char *const role_codes[] = {"target", "non-target", "new"};
static const char *const state_codes[] = {
    "measured",    "absent",      "too small", "not evaluated",      "merged", "split", "present",
    "progression", "unequivocal", "equivocal", "further progression"};
static const char *const call_codes[] = {NULL, "CR",  "PR",  "SD",  "NN",  "PD",   "NE",
                                         "NA", "iCR", "iPR", "iSD", "iNN", "iUPD", "iCPD"};
static const char *const call_names[] = {"no call",
                                         "complete response",
                                         "partial response",
                                         "stable disease",
                                         "non-CR/non-PD",
                                         "progressive disease",
                                         "not evaluable",
                                         "not applicable",
                                         "complete response by iRECIST",
                                         "partial response by iRECIST",
                                         "stable disease by iRECIST",
                                         "non-CR/non-PD by iRECIST",
                                         "unconfirmed progressive disease",
                                         "confirmed progressive disease"};
static const char *const threshold_codes[] = {"PR", "PD", "node"};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WORD(array, index) ((size_t)(index) < COUNT(array) ? (array)[(size_t)(index)] : NULL)

const char *rp_criteria_code(rp_criteria criteria)
{
    return WORD(criteria_codes, criteria);
}

const char *rp_criteria_name(rp_criteria criteria)
{
    return WORD(criteria_names, criteria);
}

bool rp_criteria_find(const char *code, rp_criteria *criteria)
{
    for (size_t i = 0; i < COUNT(criteria_codes); i++) {
        if (strcmp(code, criteria_codes[i]) != 0) continue;
        *criteria = (rp_criteria)i;
        return true;
    }
    return false;
}

const char *rp_role_code(rp_lesion_role role)
{
    return WORD(role_codes, role);
}

const char *rp_state_code(rp_finding_state state)
{
    return WORD(state_codes, state);
}

const char *rp_call_code(rp_call call)
{
    return WORD(call_codes, call);
}

const char *rp_call_name(rp_call call)
{
    return WORD(call_names, call);
}

const char *rp_threshold_code(rp_threshold threshold)
{
    return WORD(threshold_codes, threshold);
}

/* ---- making ------------------------------------------------------------------------------ */

static rp_status no_memory(rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "timeline: out of memory");
}

rp_timeline_finding rp_timeline_finding_of(const char *lesion, rp_finding_state state)
{
    return (rp_timeline_finding){.lesion = lesion,
                                 .state = state,
                                 .longest_mm = NAN,
                                 .short_axis_mm = NAN,
                                 .viable_mm = NAN,
                                 .volume_cc = NAN};
}

rp_status rp_timeline_init(rp_timeline *t, const char *patient, const char *label, rp_error *err)
{
    *t = (rp_timeline){0};
    t->patient = arena_copy(&t->memory, patient);
    t->label = arena_copy(&t->memory, label);
    return t->patient && t->label ? RP_OK : no_memory(err);
}

rp_status rp_timeline_add_lesion(rp_timeline *t, const rp_timeline_lesion *lesion, rp_error *err)
{
    if (!arena_grow(&t->memory, &t->lesions, t->lesion_count, sizeof *lesion))
        return no_memory(err);
    rp_timeline_lesion copy = {.id = arena_copy(&t->memory, lesion->id),
                               .organ = arena_copy(&t->memory, lesion->organ),
                               .side = arena_copy(&t->memory, lesion->side),
                               .description = arena_copy(&t->memory, lesion->description),
                               .nodal = lesion->nodal,
                               .role = lesion->role,
                               .role_word = arena_copy(&t->memory, lesion->role_word)};
    if (!copy.id || !copy.organ || !copy.side || !copy.description || !copy.role_word)
        return no_memory(err);
    t->lesions[t->lesion_count++] = copy;
    return RP_OK;
}

rp_status rp_timeline_add_visit(rp_timeline *t, const rp_timeline_visit *visit, rp_error *err)
{
    if (!arena_grow(&t->memory, &t->visits, t->visit_count, sizeof *visit)) return no_memory(err);
    rp_timeline_visit copy = {.id = arena_copy(&t->memory, visit->id),
                              .date = arena_copy(&t->memory, visit->date),
                              .phase = arena_copy(&t->memory, visit->phase),
                              .slice_spacing_mm = visit->slice_spacing_mm};
    if (!copy.id || !copy.date || !copy.phase) return no_memory(err);
    t->visits[t->visit_count++] = copy;
    return RP_OK;
}

/* The id as the lesion has it, where there is such a lesion: most findings then need no copy. */
static const char *known_id(rp_timeline *t, const char *id)
{
    for (size_t i = 0; id && i < t->lesion_count && i < RP_TIMELINE_MOST; i++)
        if (strcmp(t->lesions[i].id, id) == 0) return t->lesions[i].id;
    return arena_copy(&t->memory, id);
}

static bool copy_numbers(rp_timeline *t, const double **numbers, size_t count)
{
    if (!count) {
        *numbers = NULL;
        return true;
    }
    double *copy = arena_take(&t->memory, count, sizeof *copy);
    if (copy) memcpy(copy, *numbers, count * sizeof *copy);
    *numbers = copy;
    return copy != NULL;
}

rp_status rp_timeline_add_finding(rp_timeline *t, size_t visit, const rp_timeline_finding *finding,
                                  rp_error *err)
{
    rp_timeline_visit *v = &t->visits[visit];
    rp_timeline_finding copy = *finding;
    if (!arena_grow(&t->memory, &v->findings, v->finding_count, sizeof copy)) return no_memory(err);
    copy.lesion = known_id(t, finding->lesion);
    copy.into = finding->into && finding->into[0] ? known_id(t, finding->into) : "";
    copy.state_word = finding->state_word && finding->state_word[0]
                          ? arena_copy(&t->memory, finding->state_word)
                          : "";
    if (!copy.lesion || !copy.into || !copy.state_word ||
        !copy_numbers(t, &copy.parts_mm, copy.part_count) ||
        !copy_numbers(t, &copy.parts_viable_mm, copy.viable_count))
        return no_memory(err);
    v->findings[v->finding_count++] = copy;
    return RP_OK;
}

void rp_timeline_release(rp_timeline *t)
{
    arena_free(t->memory);
    *t = (rp_timeline){0};
}
