/* Cases: what they consist of, and what went wrong in them. */
#include "internal.h"

#include <stdarg.h>
#include <string.h>

static const struct {
    const char *key, *name;
} sources[RP_SOURCE_COUNT] = {
    [RP_SOURCE_GENERAL_PRE] = {"general_pre", "FCD, baseline"},
    [RP_SOURCE_GENERAL_POST] = {"general_post", "FCD, follow-up"},
    [RP_SOURCE_IDOL_POST] = {"idol_post", "IDOL, follow-up"},
    [RP_SOURCE_CARRY_POST] = {"carry_post", "carry-forward, follow-up"},
    [RP_SOURCE_REGISTERED_POST] = {"registered_post", "registration, follow-up"},
};

const char *rp_source_key(rp_source source)
{
    return sources[source].key;
}

const char *rp_source_name(rp_source source)
{
    return sources[source].name;
}

int rp_source_visit(rp_source source)
{
    return source == RP_SOURCE_GENERAL_PRE ? 0 : 1;
}

void rp_case_release(rp_case *one, size_t clinical_count)
{
    for (size_t i = 0; one->clinical && i < clinical_count; i++) rp_free(one->clinical[i]);
    rp_free(one->clinical);
    rp_free(one->patient);
    rp_free(one->baseline_date);
    rp_free(one->followup_date);
    rp_free(one->label);
    rp_free(one->failures);
    *one = (rp_case){0};
}

void rp_evaluation_release(rp_evaluation *e)
{
    for (size_t i = 0; e->cases && i < e->case_count; i++)
        rp_case_release(&e->cases[i], e->clinical_count);
    for (size_t i = 0; e->clinical_columns && i < e->clinical_count; i++)
        rp_free(e->clinical_columns[i]);
    rp_free(e->cases);
    rp_free(e->clinical_columns);
    *e = (rp_evaluation){0};
}

/* ---- quantities ------------------------------------------------------------------------------ */

double rp_case_dice_of(const rp_case *one, rp_source source)
{
    return one->score[source].present ? one->score[source].overlap.dice : NAN;
}

double rp_case_diameter_error(const rp_case *one, rp_source source)
{
    const rp_case_score *s = &one->score[source];
    const rp_lesion *manual = &one->manual[rp_source_visit(source)];
    if (!s->present || s->empty || !manual->voxels) return NAN;
    return s->lesion.longest_diameter_mm - manual->longest_diameter_mm;
}

double rp_case_volume_error(const rp_case *one, rp_source source)
{
    const rp_case_score *s = &one->score[source];
    return s->present && !s->empty ? s->overlap.volume_difference_cc : NAN;
}

bool rp_response_called(const rp_response_result *response)
{
    return response->response != RP_NE;
}

/* ---- cohorts --------------------------------------------------------------------------------- */

rp_status rp_subset_make(const rp_evaluation *e, int which, rp_subset *out, rp_error *err)
{
    *out = (rp_subset){.key = which ? "recist" : "entire"};
    out->cases = rp_alloc(e->case_count, sizeof *out->cases);
    if (!out->cases) return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu cases", e->case_count);
    for (size_t i = 0; i < e->case_count; i++)
        if (!which || e->cases[i].recist_evaluable == RP_EVALUABLE_YES)
            out->cases[out->count++] = &e->cases[i];
    return RP_OK;
}

void rp_subset_release(rp_subset *subset)
{
    rp_free(subset->cases);
    *subset = (rp_subset){0};
}

/* ---- failures -------------------------------------------------------------------------------- */

static rp_status RP_PRINTF(4, 5)
    add(rp_case *one, const char *kind, rp_error *err, const char *format, ...)
{
    rp_case_failure *grown = rp_alloc(one->failure_count + 1, sizeof *grown);
    if (!grown) return rp_fail(err, RP_ERR_MEMORY, "no memory for the failures of a case");
    if (one->failure_count) memcpy(grown, one->failures, one->failure_count * sizeof *grown);
    rp_free(one->failures);
    one->failures = grown;
    rp_case_failure *f = &grown[one->failure_count++];
    snprintf(f->kind, sizeof f->kind, "%s", kind);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(f->text, sizeof f->text, format, arguments);
    va_end(arguments);
    return RP_OK;
}

rp_status rp_case_add_failure(rp_case *one, const char *kind, const char *text, rp_error *err)
{
    return add(one, kind, err, "%s", text);
}

static rp_status find_empty(rp_case *one, rp_error *err)
{
    rp_status status = RP_OK;
    for (int s = 0; s < RP_SOURCE_COUNT && !status; s++)
        if (one->score[s].present && one->score[s].empty)
            status = add(one, "empty", err, "%s: nothing was found; not evaluated",
                         rp_source_name((rp_source)s));
    return status;
}

static rp_status find_worse(rp_case *one, rp_source than, const char *kind, rp_error *err)
{
    const double idol = rp_case_dice_of(one, RP_SOURCE_IDOL_POST),
                 other = rp_case_dice_of(one, than);
    if (!(idol < other)) return RP_OK;
    return add(one, kind, err, "IDOL has Dice %.3f, %s %.3f", idol, rp_source_name(than), other);
}

/* A response without a change, where nothing was measured, is its code alone. */
static void call_words(char out[48], const rp_response_result *r)
{
    if (isfinite(r->change_percent))
        snprintf(out, 48, "%s (%+.1f %%%s)", rp_response_code(r->response), r->change_percent,
                 r->is_borderline ? ", borderline" : "");
    else
        snprintf(out, 48, "%s", rp_response_code(r->response));
}

static rp_status find_other_call(rp_case *one, rp_error *err)
{
    const rp_case_score *s = &one->score[RP_SOURCE_IDOL_POST];
    const rp_response_result *manual = &one->manual_response;
    if (!s->present || one->recist_evaluable != RP_EVALUABLE_YES ||
        s->response.response == manual->response)
        return RP_OK;
    char idol[48], by_hand[48];
    call_words(idol, &s->response);
    call_words(by_hand, manual);
    return add(one, "other response", err, "IDOL says %s, the manual contours %s", idol, by_hand);
}

rp_status rp_case_find_failures(rp_case *one, rp_error *err)
{
    rp_status status = find_empty(one, err);
    if (!status) status = find_worse(one, RP_SOURCE_CARRY_POST, "below carry-forward", err);
    if (!status) status = find_worse(one, RP_SOURCE_GENERAL_POST, "below general model", err);
    if (!status) status = find_worse(one, RP_SOURCE_REGISTERED_POST, "below registration", err);
    if (!status) status = find_other_call(one, err);
    return status;
}
