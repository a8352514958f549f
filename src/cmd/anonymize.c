/* reprise anonymize: DICOM objects without their patient. */
#include "cmd.h"

#include "reprise/dicom_anonymize.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_OUT = 1, KEY_KEY, KEY_TABLE };

typedef struct anonymize_arguments {
    cmd_common common;
    char **paths; /* of the command line */
    size_t count;
    const char *out, *key, *table;
} anonymize_arguments;

static const struct argp_option options[] = {
    {"out", KEY_OUT, "DIR", 0, "New folder: PSEUDONYM/STUDY/SERIES/INSTANCE.dcm", 0},
    {"key", KEY_KEY, "FILE", 0,
     "The secret: at least 16 bytes. New UIDs, pseudonyms and the shift of the dates come from it",
     0},
    {"pseudonyms", KEY_TABLE, "FILE", 0,
     "CSV with patient_id and pseudonym instead of pseudonyms from the key", 0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    anonymize_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case KEY_OUT:
        a->out = argument;
        return 0;
    case KEY_KEY:
        a->key = argument;
        return 0;
    case KEY_TABLE:
        a->table = argument;
        return 0;
    case ARGP_KEY_ARGS:
        a->paths = state->argv + state->next;
        a->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (!a->count || !a->out || !a->key) argp_error(state, "PATH, --out and --key are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cmd_common_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .args_doc = "PATH...",
    .doc = "Writes DICOM objects without their patient (DICOM PS3.15, Basic Profile): identifiers "
           "removed or replaced, UIDs mapped the same way everywhere, dates of a patient moved by "
           "one shift, pixels untouched. What is burned into pixels stays: the command tells "
           "which series to look at.",
    .children = children};

/* ---- key and table ----------------------------------------------------------------------- */

/* Blanks and line ends behind a key are an editor's, not the key's. */
static rp_status read_key(const char *path, uint8_t **key, size_t *size, rp_error *err)
{
    struct stat state;
    const rp_status status = rp_file_read(path, key, size, err);
    if (status) return status;
    while (*size > 0 && isspace((*key)[*size - 1])) --*size;
    if (*size < RP_ANONYMIZE_KEY_BYTES) {
        rp_free(*key);
        *key = NULL;
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: a secret key has at least %d bytes; 'openssl rand -hex 32' makes one",
                       path, RP_ANONYMIZE_KEY_BYTES);
    }
    if (stat(path, &state) == 0 && (state.st_mode & (S_IRWXG | S_IRWXO)))
        rp_log(RP_LOG_WARNING, "%s: others may read this key; 'chmod 600' keeps it secret", path);
    return RP_OK;
}

typedef struct table {
    uint8_t *text;
    rp_csv_table csv;
    rp_pseudonym *rows;
    size_t count;
} table;

static void table_release(table *t)
{
    rp_free(t->rows);
    rp_csv_release(&t->csv);
    rp_free(t->text);
}

static rp_status take_row(const char *path, const rp_csv_row *row, table *t, rp_error *err)
{
    if (row->count < 2 || !rp_pseudonym_valid(row->cells[1]))
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: line %zu: a pseudonym is 1 to 64 of A-Z a-z 0-9 _ - and .", path,
                       row->line);
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].patient_id, row->cells[0]) == 0)
            return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: a patient for the second time", path,
                           row->line);
    t->rows[t->count++] = (rp_pseudonym){row->cells[0], row->cells[1]};
    return RP_OK;
}

static rp_status read_table(const char *path, table *t, rp_error *err)
{
    size_t size = 0;
    rp_status status = rp_file_read(path, &t->text, &size, err);
    if (!status) status = rp_csv_parse(t->text, size, &t->csv, err);
    if (status) return status;
    if (t->csv.fault_count)
        return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu: %s", path, t->csv.faults[0].line,
                       t->csv.faults[0].text);
    const rp_csv_row *rows = t->csv.rows;
    if (t->csv.count < 1 || rows[0].count != 2 || strcmp(rows[0].cells[0], "patient_id") != 0 ||
        strcmp(rows[0].cells[1], "pseudonym") != 0)
        return rp_fail(err, RP_ERR_FORMAT, "%s: its first line is not 'patient_id,pseudonym'",
                       path);
    t->rows = rp_alloc(t->csv.count, sizeof *t->rows);
    if (!t->rows) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (size_t i = 1; i < t->csv.count && !status; i++) status = take_row(path, &rows[i], t, err);
    return status;
}

/* ---- the command ------------------------------------------------------------------------- */

static void print_concern(const rp_anonymize_concern *concern)
{
    static const struct {
        unsigned kind;
        const char *text;
    } kinds[] = {
        {RP_CONCERN_BURNED_IN, "says that text is burned into the pixels"},
        {RP_CONCERN_CAPTURE, "is a secondary capture, which often shows names"},
        {RP_CONCERN_OVERLAY_REMOVED, "had overlays, which were removed"},
        {RP_CONCERN_OVERLAY_IN_PIXELS, "has overlays within its pixels, which stay"},
        {RP_CONCERN_GRAPHICS, "has graphic annotations, whose texts were replaced"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (concern->kinds & kinds[i].kind)
            rp_log(RP_LOG_WARNING, "look at %s (%zu file%s): it %s", concern->series,
                   concern->files, concern->files == 1 ? "" : "s", kinds[i].text);
}

static void print_report(const anonymize_arguments *a, const rp_anonymize_report *report)
{
    cmd_progress_end();
    for (size_t i = 0; i < report->left_out_count; i++)
        rp_log(RP_LOG_WARNING, "%s: left out: %s", report->left_out[i].path,
               report->left_out[i].why);
    for (size_t i = 0; i < report->concern_count; i++) print_concern(&report->concerns[i]);
    if (a->common.quiet) return;
    printf("%s: %zu file%s, %zu series, %zu stud%s, %zu patient%s\n", a->out, report->files,
           report->files == 1 ? "" : "s", report->series, report->studies,
           report->studies == 1 ? "y" : "ies", report->patients, report->patients == 1 ? "" : "s");
    if (report->duplicates) printf("%zu more were copies\n", report->duplicates);
}

static rp_status check_output(const anonymize_arguments *a, rp_error *err)
{
    rp_status status = cmd_refuse_filled(a->out, err);
    for (size_t i = 0; i < a->count && !status; i++)
        status = cmd_protect_input(a->paths[i], a->out, err);
    return status;
}

static rp_status perform(const anonymize_arguments *a, const rp_anonymize_options *how,
                         rp_error *err)
{
    rp_stage stage = {0};
    rp_anonymize_report report = {0};
    rp_status status = cmd_prepare_folder(a->out, err);
    if (!status) status = rp_stage_begin(a->out, &stage, err);
    cmd_doing("looking through what is to be anonymized");
    if (!status)
        status = rp_dicom_anonymize((const char *const *)a->paths, a->count, stage.temporary, how,
                                    cmd_progress(&a->common), &report, err);
    if (!status) status = rp_stage_commit(&stage, err);
    if (!status) print_report(a, &report);
    rp_anonymize_report_release(&report);
    rp_stage_release(&stage);
    return status;
}

int cmd_anonymize(int argc, char **argv)
{
    anonymize_arguments a = {0};
    rp_error err = {0};
    table t = {0};
    rp_anonymize_options how = {0};
    RP_AUTOFREE uint8_t *key = NULL;
    if (argp_parse(&parser, argc, argv, 0, NULL, &a)) return CMD_USAGE;
    rp_status status = cmd_common_apply(&a.common, &err);
    if (!status) status = check_output(&a, &err);
    if (!status) status = read_key(a.key, &key, &how.key_size, &err);
    if (!status && a.table) status = read_table(a.table, &t, &err);
    how.key = key;
    how.table = t.rows;
    how.table_count = t.count;
    if (!status) status = perform(&a, &how, &err);
    table_release(&t);
    if (key) explicit_bzero(key, how.key_size);
    return status ? cmd_fail(&err) : CMD_DONE;
}
