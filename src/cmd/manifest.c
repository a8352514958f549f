/* reprise manifest: checks a cohort's manifest, and divides its patients. */
#include "cohort.h"

#include <string.h>

enum { KEY_DEEP = 1, KEY_JSON, KEY_OUT, KEY_RANDOM, KEY_FOLDS, KEY_SEED };

enum { MOST_FOLDS = 999 };

typedef struct manifest_options {
    cmd_common common;
    const char *action, *file, *out;
    bool deep, json, seed_given;
    double share; /* 0: not given */
    int folds;    /* 0: not given */
    uint64_t seed;
} manifest_options;

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "check:", 1},
    {"deep", KEY_DEEP, NULL, 0, "Also opens every image and contour", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {NULL, 0, NULL, 0, "split:", 2},
    {"out", KEY_OUT, "FILE", 0, "The manifest to write", 0},
    {"random", KEY_RANDOM, "SHARE", 0,
     "Training and validation, this share of the patients for validation", 0},
    {"folds", KEY_FOLDS, "K", 0, "K folds of equal size, numbered from 1", 0},
    {"seed", KEY_SEED, "N", 0, "Random seed; equal seed and patients give equal splits", 0},
    {0}};

/* ---- options ----------------------------------------------------------------------------- */

static void check_split_options(const manifest_options *o, struct argp_state *state)
{
    if (o->deep || o->json) argp_error(state, "--deep and --json are for check");
    if (!o->out) argp_error(state, "--out is missing");
    if ((o->share > 0) == (o->folds > 0)) argp_error(state, "either --random or --folds");
    if (!o->seed_given) argp_error(state, "--seed is missing");
}

static void check_options(const manifest_options *o, struct argp_state *state)
{
    if (!o->action) argp_error(state, "check or split?");
    if (!o->file) argp_error(state, "the manifest is missing");
    if (strcmp(o->action, "split") == 0)
        check_split_options(o, state);
    else if (strcmp(o->action, "check") != 0)
        argp_error(state, "'%s' is neither check nor split", o->action);
    else if (o->out || o->share > 0 || o->folds || o->seed_given)
        argp_error(state, "--out, --random, --folds and --seed are for split");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    manifest_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_DEEP:
        o->deep = true;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_OUT:
        o->out = argument;
        return 0;
    case KEY_RANDOM:
        if (!cmd_parse_number(argument, &o->share) || !(o->share > 0 && o->share < 1))
            argp_error(state, "--random takes a share between 0 and 1, not '%s'", argument);
        return 0;
    case KEY_FOLDS:
        if (!cmd_parse_int(argument, 2, MOST_FOLDS, &o->folds))
            argp_error(state, "--folds takes a number from 2 to %d, not '%s'", MOST_FOLDS,
                       argument);
        return 0;
    case KEY_SEED:
        if (!cmd_parse_seed(argument, &o->seed))
            argp_error(state, "--seed takes a whole number, not '%s'", argument);
        o->seed_given = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            o->action = argument;
        else if (state->arg_num == 1)
            o->file = argument;
        else
            argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        check_options(o, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- check ------------------------------------------------------------------------------- */

typedef struct counts {
    size_t visits, followups, contours, evaluable;
} counts;

static counts count(const rp_cohort *cohort)
{
    counts n = {0};
    for (size_t i = 0; i < cohort->patient_count; i++) {
        const rp_cohort_patient *p = &cohort->patients[i];
        if (p->recist_evaluable == RP_EVALUABLE_YES) n.evaluable++;
        n.visits += p->visit_count;
        for (size_t k = 0; k < p->visit_count; k++) {
            if (p->visits[k].kind == RP_VISIT_FOLLOWUP) n.followups++;
            if (p->visits[k].contour[0]) n.contours++;
        }
    }
    return n;
}

static size_t patients_in(const rp_cohort *cohort, const char *split)
{
    size_t n = 0;
    for (size_t i = 0; i < cohort->patient_count; i++)
        if (strcmp(cohort->patients[i].split, split) == 0) n++;
    return n;
}

/* Calls with each split once, in the order of the patients. */
static void each_split(const rp_cohort *cohort,
                       void (*tell)(void *context, const char *split, size_t patients),
                       void *context)
{
    for (size_t i = 0; i < cohort->patient_count; i++) {
        const char *split = cohort->patients[i].split;
        bool told = false;
        for (size_t k = 0; k < i && !told; k++)
            told = strcmp(cohort->patients[k].split, split) == 0;
        if (!told) tell(context, split, patients_in(cohort, split));
    }
}

static void print_split(void *context, const char *split, size_t patients)
{
    fprintf(context, "split %-12s %zu patients\n", split[0] ? split : "(none)", patients);
}

static void set_split(void *context, const char *split, size_t patients)
{
    rp_json_set_int(context, split, (int64_t)patients);
}

static rp_json *problems_json(const rp_cohort_problems *problems)
{
    rp_json *list = rp_json_array();
    for (size_t i = 0; i < problems->count; i++) {
        const rp_cohort_problem *p = &problems->items[i];
        rp_json *one = rp_json_object();
        rp_json_set_int(one, "row", (int64_t)p->row);
        rp_json_set_string(one, "column", p->column);
        rp_json_set_bool(one, "warning", p->warning);
        rp_json_set_string(one, "text", p->text);
        rp_json_append(list, one);
    }
    return list;
}

static rp_status print_json(const manifest_options *o, const rp_cohort *cohort,
                            const rp_cohort_problems *problems, rp_error *err)
{
    rp_json *json = rp_json_object(), *splits = rp_json_object();
    const counts n = count(cohort);
    rp_json_set_string(json, "path", o->file);
    rp_json_set_bool(json, "deep", o->deep);
    rp_json_set_int(json, "errors", (int64_t)problems->errors);
    rp_json_set_int(json, "warnings", (int64_t)(problems->count - problems->errors));
    rp_json_set(json, "problems", problems_json(problems));
    if (cohort->patient_count) {
        each_split(cohort, set_split, splits);
        rp_json_set_int(json, "patients", (int64_t)cohort->patient_count);
        rp_json_set_int(json, "visits", (int64_t)n.visits);
        rp_json_set_int(json, "followups", (int64_t)n.followups);
        rp_json_set_int(json, "contours", (int64_t)n.contours);
        rp_json_set_int(json, "recist_evaluable", (int64_t)n.evaluable);
        rp_json_set(json, "splits", splits);
    } else {
        rp_json_destroy(splits);
    }
    return cmd_print_json(json, err);
}

static void print_text(const manifest_options *o, const rp_cohort *cohort,
                       const rp_cohort_problems *problems)
{
    const size_t warnings = problems->count - problems->errors;
    cmd_cohort_print_problems(stdout, o->file, problems);
    if (cohort->patient_count) {
        const counts n = count(cohort);
        printf("%zu patients, %zu visits (%zu follow-ups), %zu contours, %zu patients evaluable by "
               "RECIST\n",
               cohort->patient_count, n.visits, n.followups, n.contours, n.evaluable);
        each_split(cohort, print_split, stdout);
    }
    if (problems->errors)
        printf("%zu error%s, %zu warning%s\n", problems->errors, problems->errors == 1 ? "" : "s",
               warnings, warnings == 1 ? "" : "s");
    else
        printf("no errors, %zu warning%s%s\n", warnings, warnings == 1 ? "" : "s",
               o->deep ? "; every file was opened" : "");
}

/* What is wrong with the manifest is the command's result, not its failure. */
static int check(const manifest_options *o, rp_error *err)
{
    rp_cohort cohort = {0};
    rp_cohort_problems problems = {0};
    cmd_doing("checking %s", o->file);
    rp_status status = rp_cohort_read(o->file, &cohort, &problems, err);
    if (status == RP_ERR_FORMAT && problems.errors) status = RP_OK;
    if (!status && o->deep && !problems.errors) {
        status = cmd_cohort_check_files(&cohort, "all", cmd_progress(&o->common), &problems, err);
        cmd_progress_end();
    }
    if (!status && o->json)
        status = print_json(o, &cohort, &problems, err);
    else if (!status)
        print_text(o, &cohort, &problems);
    const bool wrong = problems.errors > 0;
    rp_cohort_release(&cohort);
    rp_cohort_problems_release(&problems);
    if (status) return cmd_fail(err);
    return wrong ? CMD_FAILED : CMD_DONE;
}

/* ---- split ------------------------------------------------------------------------------- */

static rp_status split(const manifest_options *o, rp_cohort *cohort, rp_error *err)
{
    rp_status status = cmd_protect_input(o->file, o->out, err);
    if (!status && rp_path_exists(o->out))
        status = rp_fail(err, RP_ERR_IO, "%s: exists already; choose another name", o->out);
    if (!status) status = cmd_cohort_read(o->file, cohort, err);
    if (status) return status;
    status = o->folds ? rp_cohort_split_folds(cohort, o->folds, o->seed, err)
                      : rp_cohort_split_random(cohort, o->share, o->seed, err);
    if (status) return rp_fail_in(err, status, "%s", o->file);
    status = cmd_prepare_file(o->out, err);
    return status ? status : rp_cohort_write(o->out, cohort, err);
}

static int run_split(const manifest_options *o, rp_error *err)
{
    rp_cohort cohort = {0};
    const rp_status status = split(o, &cohort, err);
    if (!status) {
        printf("%s: %zu patients\n", o->out, cohort.patient_count);
        each_split(&cohort, print_split, stdout);
    }
    rp_cohort_release(&cohort);
    return status ? cmd_fail(err) : CMD_DONE;
}

int cmd_manifest(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 90}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .args_doc = "check FILE\nsplit FILE --out FILE",
        .doc = "Checks the manifest of a cohort and tells every problem by row and column, or "
               "divides its patients.\v"
               "check ends with 0 where there is no error, with 1 otherwise. split never divides a "
               "patient's visits; patients marked test stay so."};
    manifest_options o = {0};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (cmd_common_apply(&o.common, &err)) return cmd_fail(&err);
    return strcmp(o.action, "check") == 0 ? check(&o, &err) : run_split(&o, &err);
}
