#include "emit.h"

rp_status rp_column_make(rp_column *column, size_t room, rp_error *err)
{
    *column = (rp_column){.values = rp_alloc(room, sizeof *column->values)};
    return column->values ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "no memory for %zu numbers", room);
}

void rp_column_release(rp_column *column)
{
    rp_free(column->values);
    *column = (rp_column){0};
}

static rp_json *begin(bool defined, const char *reason, size_t n)
{
    rp_json *json = rp_json_object();
    rp_json_set_int(json, "n", (int64_t)n);
    if (!defined) rp_json_set_string(json, "undefined", reason);
    return json;
}

/* An interval that does not exist leaves its keys out. */
static void set_interval(rp_json *json, const char *low_key, double low, const char *high_key,
                         double high)
{
    if (!isfinite(low) || !isfinite(high)) return;
    rp_json_set_number(json, low_key, low);
    rp_json_set_number(json, high_key, high);
}

rp_json *rp_emit_stat(const rp_stat *stat, const char *key)
{
    rp_json *json = begin(stat->defined, stat->reason, stat->n);
    if (!stat->defined) return json;
    rp_json_set_number(json, key, stat->value);
    set_interval(json, "low", stat->low, "high", stat->high);
    return json;
}

rp_json *rp_emit_test(const rp_stat_test *test, const char *key)
{
    rp_json *json = begin(test->defined, test->reason, test->n);
    if (!test->defined) return json;
    rp_json_set_number(json, key, test->statistic);
    rp_json_set_number(json, "p", test->p);
    rp_json_set_bool(json, "exact", test->exact);
    rp_json_set_string(json, "method", test->method);
    return json;
}

rp_json *rp_emit_proportion(const rp_stat_proportion *p)
{
    rp_json *json = begin(p->defined, p->reason, p->n);
    rp_json_set_int(json, "count", (int64_t)p->count);
    if (!p->defined) return json;
    rp_json_set_number(json, "value", p->value);
    rp_json_set_number(json, "low", p->wilson_low);
    rp_json_set_number(json, "high", p->wilson_high);
    rp_json_set_number(json, "clopper_pearson_low", p->clopper_low);
    rp_json_set_number(json, "clopper_pearson_high", p->clopper_high);
    return json;
}

rp_json *rp_emit_bland_altman(const rp_stat_bland_altman *b)
{
    rp_json *json = begin(b->defined, b->reason, b->n);
    if (!b->defined) return json;
    rp_json_set_number(json, "bias", b->bias);
    set_interval(json, "bias_low", b->bias_low, "bias_high", b->bias_high);
    rp_json_set_number(json, "sd", b->sd);
    rp_json_set_number(json, "lower", b->lower);
    set_interval(json, "lower_low", b->lower_low, "lower_high", b->lower_high);
    rp_json_set_number(json, "upper", b->upper);
    set_interval(json, "upper_low", b->upper_low, "upper_high", b->upper_high);
    return json;
}
