/* The tables and evaluation.json. */
#include "evaluate.h"

#include <string.h>

#define RECORD "evaluation.json"

static size_t count_failed(const evaluate_run *run)
{
    size_t failed = 0;
    for (size_t i = 0; i < run->patient_count; i++) failed += run->patients[i].error[0] != '\0';
    return failed;
}

static rp_json *failed_json(const evaluate_run *run)
{
    rp_json *array = rp_json_array();
    for (size_t i = 0; i < run->patient_count; i++) {
        const evaluate_patient *p = &run->patients[i];
        if (!p->error[0]) continue;
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "patient", p->patient->id);
        rp_json_set_string(one, "reason", p->error);
        rp_json_append(array, one);
    }
    return array;
}

static rp_json *record_json(const evaluate_run *run, rp_json *summary)
{
    const evaluate_arguments *a = run->arguments;
    const rp_evaluation *e = &run->evaluation;
    rp_json *json = rp_json_object(), *cases = rp_json_array(), *manifest = rp_json_object();
    rp_json *columns = rp_json_array(), *timing = rp_json_object();
    char hash[RP_SHA256_HEX] = "";
    rp_sha256_file(a->manifest, hash, NULL);
    for (size_t i = 0; i < e->clinical_count; i++)
        rp_json_append_string(columns, e->clinical_columns[i]);
    for (size_t i = 0; i < e->case_count; i++)
        rp_json_append(cases, rp_case_json(&e->cases[i], e->clinical_count));
    rp_json_set_string(manifest, "sha256", hash);
    rp_json_set_string(manifest, "split", a->split);
    rp_json_set_string(json, "label", e->label);
    rp_json_set(json, "summary", summary);
    rp_json_set(json, "clinical_columns", columns);
    rp_json_set(json, "cases", cases);
    rp_json_set(json, "failed", failed_json(run));
    rp_json_set(json, "manifest", manifest);
    rp_json_set_string(json, "general_model_sha256",
                       run->model_sha256[0] ? run->model_sha256 : NULL);
    rp_json_set_string(json, "registration", run->registers);
    rp_json_set(json, "settings", evaluate_settings_json(run));
    rp_json_set_number(timing, "seconds_of_this_run", rp_seconds() - run->started);
    rp_json_set(json, "timing", timing);
    rp_json_set(json, "provenance", cmd_provenance_json(a->argc, a->argv));
    return json;
}

/* Into the stage; the record last, as it appears. */
static rp_status write_all(evaluate_run *run, const char *folder, rp_error *err)
{
    rp_json *summary = NULL;
    RP_AUTOFREE char *tables = rp_path_join(folder, "tables");
    RP_AUTOFREE char *record = rp_path_join(folder, RECORD);
    if (!tables || !record) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status = rp_evaluation_summary(&run->evaluation, &summary, err);
    if (!status) status = rp_evaluation_write_tables(&run->evaluation, summary, tables, err);
    if (status) {
        rp_json_destroy(summary);
        return status;
    }
    rp_json *json = record_json(run, summary);
    status = evaluate_write_reports(run, json, folder, err);
    if (!status) status = rp_json_write(record, json, err);
    rp_json_destroy(json);
    return status;
}

/* Over the results of an earlier run of these patients, all or none. */
rp_status evaluate_write(evaluate_run *run, rp_error *err)
{
    rp_stage stage = {0};
    cmd_doing("computing the statistics and writing the report");
    rp_status status = rp_stage_begin(run->arguments->out, &stage, err);
    if (!status) status = write_all(run, stage.temporary, err);
    if (!status) status = rp_stage_replace(&stage, RECORD, NULL, 0, err);
    rp_stage_release(&stage);
    if (!status && count_failed(run))
        status = rp_fail(err, RP_ERR_FORMAT, "%zu of %zu patients could not be evaluated",
                         count_failed(run), run->patient_count);
    return status;
}
