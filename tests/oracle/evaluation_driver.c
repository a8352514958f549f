/* Made-up cases (JSON) to an evaluation's folder: evaluation_driver CASES.json DIR */
#include "reprise/evaluation.h"

#include <stdio.h>
#include <stdlib.h>

static rp_error err;

static void must(rp_status status)
{
    if (!status) return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static void read_cases(const rp_json *json, const char *path, rp_evaluation *e)
{
    const rp_json *columns = rp_json_get(json, "clinical_columns");
    const rp_json *cases = rp_json_get(json, "cases");
    e->clinical_count = rp_json_length(columns);
    e->clinical_columns = rp_alloc(e->clinical_count, sizeof *e->clinical_columns);
    e->cases = rp_alloc(rp_json_length(cases), sizeof *e->cases);
    if (!e->clinical_columns || !e->cases) abort();
    for (size_t i = 0; i < e->clinical_count; i++)
        e->clinical_columns[i] = rp_strdup(rp_json_as_string(rp_json_at(columns, i)));
    for (; e->case_count < rp_json_length(cases); e->case_count++)
        must(rp_case_from_json(rp_json_at(cases, e->case_count), path, e->clinical_count,
                               &e->cases[e->case_count], &err));
}

int main(int argc, char **argv)
{
    rp_evaluation e = {.seed = 11, .training_patients = 67};
    rp_json *json = NULL, *summary = NULL, *record = rp_json_object();
    if (argc != 3) return 2;
    must(rp_json_read(argv[1], &json, &err));
    read_cases(json, argv[1], &e);
    RP_AUTOFREE char *tables = rp_path_join(argv[2], "tables");
    RP_AUTOFREE char *path = rp_path_join(argv[2], "evaluation.json");
    must(rp_evaluation_summary(&e, &summary, &err));
    must(rp_evaluation_write_tables(&e, summary, tables, &err));
    rp_json_set(record, "summary", summary);
    must(rp_json_write(path, record, &err));
    rp_json_destroy(record);
    rp_json_destroy(json);
    rp_evaluation_release(&e);
    return 0;
}
