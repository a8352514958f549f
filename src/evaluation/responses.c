/* How the responses agree with the manual ones. */
#include "summary.h"

enum { RESPONSES = RP_NE + 1 };

/* Responses of one source against the manual ones of the cases that have both visits contoured. */
typedef struct calls {
    size_t table[RESPONSES][RESPONSES]; /* [manual][found] */
    size_t n, agree;
    size_t both, only_manual, only_found, neither; /* responders: CR or PR */
    rp_column change_yes, change_no;               /* minus the change found, by the manual call */
    rp_column call_yes, call_no;                   /* 1: called a responder */
} calls;

static bool responds(const rp_response_result *r)
{
    return r->response == RP_CR || r->response == RP_PR;
}

static void release(calls *c)
{
    rp_column_release(&c->change_yes);
    rp_column_release(&c->change_no);
    rp_column_release(&c->call_yes);
    rp_column_release(&c->call_no);
}

static void count(calls *c, const rp_response_result *manual, const rp_response_result *found)
{
    const bool yes = responds(manual), called = responds(found);
    rp_column *change = yes ? &c->change_yes : &c->change_no;
    rp_column *call = yes ? &c->call_yes : &c->call_no;
    c->n++;
    c->table[manual->response][found->response]++;
    c->agree += manual->response == found->response;
    c->both += yes && called;
    c->only_manual += yes && !called;
    c->only_found += !yes && called;
    c->neither += !yes && !called;
    call->values[call->count++] = called;
    if (isfinite(found->change_percent)) change->values[change->count++] = -found->change_percent;
}

static rp_status collect(const rp_subset *subset, rp_source source, calls *c, rp_error *err)
{
    *c = (calls){0};
    rp_status status = rp_column_make(&c->change_yes, subset->count, err);
    if (!status) status = rp_column_make(&c->change_no, subset->count, err);
    if (!status) status = rp_column_make(&c->call_yes, subset->count, err);
    if (!status) status = rp_column_make(&c->call_no, subset->count, err);
    for (size_t i = 0; i < subset->count && !status; i++) {
        const rp_case *one = subset->cases[i];
        if (one->score[source].present && rp_response_called(&one->manual_response))
            count(c, &one->manual_response, &one->score[source].response);
    }
    return status;
}

static rp_json *table_json(const calls *c)
{
    rp_json *json = rp_json_object();
    for (int m = 0; m < RESPONSES; m++) {
        rp_json *row = rp_json_object();
        for (int f = 0; f < RESPONSES; f++)
            rp_json_set_int(row, rp_response_code((rp_response)f), (int64_t)c->table[m][f]);
        rp_json_set(json, rp_response_code((rp_response)m), row);
    }
    return json;
}

static void set_proportion(rp_json *json, const char *key, size_t part, size_t whole)
{
    const rp_stat_proportion p = rp_stat_proportion_of(part, whole);
    rp_json_set(json, key, rp_emit_proportion(&p));
}

/* What a person would plot, threshold by threshold. */
static rp_json *roc_json(const rp_stat_roc_point *points, size_t n)
{
    rp_json *sensitivity = rp_json_array(), *specificity = rp_json_array();
    rp_json *threshold = rp_json_array(), *json = rp_json_object();
    for (size_t i = 0; i < n; i++) {
        rp_json_append_number(threshold, -points[i].threshold);
        rp_json_append_number(sensitivity, points[i].sensitivity);
        rp_json_append_number(specificity, points[i].specificity);
    }
    rp_json_set(json, "change_percent_at_most", threshold);
    rp_json_set(json, "sensitivity", sensitivity);
    rp_json_set(json, "specificity", specificity);
    return json;
}

static rp_status add_curves(const calls *c, rp_json *json, rp_error *err)
{
    rp_stat change, call;
    rp_stat_roc_point *points = NULL;
    size_t n;
    rp_status status = rp_stat_auc(c->change_yes.values, c->change_yes.count, c->change_no.values,
                                   c->change_no.count, &change, err);
    if (!status)
        status = rp_stat_auc(c->call_yes.values, c->call_yes.count, c->call_no.values,
                             c->call_no.count, &call, err);
    if (!status)
        status = rp_stat_roc(c->change_yes.values, c->change_yes.count, c->change_no.values,
                             c->change_no.count, &points, &n, err);
    if (status) return status;
    rp_json_set(json, "auc_change", rp_emit_stat(&change, "value"));
    rp_json_set(json, "auc_call", rp_emit_stat(&call, "value"));
    if (points) rp_json_set(json, "roc", roc_json(points, n));
    rp_free(points);
    return RP_OK;
}

static rp_status response_json(const rp_subset *subset, rp_source source, rp_json **out,
                               rp_error *err)
{
    calls c;
    rp_status status = collect(subset, source, &c, err);
    rp_json *json = rp_json_object();
    if (!status) {
        const rp_stat kappa = rp_stat_kappa(&c.table[0][0], RESPONSES);
        const rp_stat_test mcnemar = rp_stat_mcnemar(c.only_manual, c.only_found);
        rp_json_set_int(json, "n", (int64_t)c.n);
        rp_json_set_int(json, "agree", (int64_t)c.agree);
        rp_json_set(json, "table", table_json(&c));
        rp_json_set(json, "kappa", rp_emit_stat(&kappa, "value"));
        rp_json_set(json, "mcnemar", rp_emit_test(&mcnemar, "statistic"));
        set_proportion(json, "agreement", c.agree, c.n);
        set_proportion(json, "sensitivity", c.both, c.both + c.only_manual);
        set_proportion(json, "specificity", c.neither, c.neither + c.only_found);
        set_proportion(json, "accuracy", c.both + c.neither, c.n);
        status = add_curves(&c, json, err);
    }
    release(&c);
    if (status)
        rp_json_destroy(json);
    else
        *out = json;
    return status;
}

rp_status rp_summary_responses(const rp_subset *subset, rp_json *cohort, rp_error *err)
{
    rp_json *group = rp_json_object();
    rp_status status = RP_OK;
    rp_json_set(cohort, "response", group);
    for (int s = 0; s < RP_SOURCE_COUNT && !status; s++) {
        rp_json *json = NULL;
        bool any = false;
        for (size_t i = 0; i < subset->count; i++) any |= subset->cases[i]->score[s].present;
        if (!any || rp_source_visit((rp_source)s) == 0) continue;
        status = response_json(subset, (rp_source)s, &json, err);
        if (!status) rp_json_set(group, rp_source_key((rp_source)s), json);
    }
    return status;
}
