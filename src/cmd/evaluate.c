/* reprise evaluate: the models and their comparators over a cohort. */
#define _GNU_SOURCE
#include "evaluate.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    KEY_MANIFEST = 1,
    KEY_SPLIT,
    KEY_MODEL,
    KEY_OUT,
    KEY_CONFIG,
    KEY_EPOCHS,
    KEY_COPIES,
    KEY_CROP,
    KEY_SEED,
    KEY_JOBS,
    KEY_REGISTRATION,
    KEY_NO_REGISTRATION,
    KEY_SHOW,
    KEY_CASE,
    KEY_RECIPE,
    KEY_REGION
};

static const struct argp_option options[] = {
    {"manifest", KEY_MANIFEST, "FILE.csv", 0, "The cohort: one row for each patient and visit", 0},
    {"split", KEY_SPLIT, "NAME", 0, "Whom to evaluate (default: validation)", 0},
    {"model", KEY_MODEL, "FILE|DIR", 0,
     "The general model, or the folder of its training; 'start': the one that comes with the "
     "program; 'none': fresh weights (default: start, adapted where the guard finds it wanting)",
     0},
    {"out", KEY_OUT, "DIR", 0, "Where results go; finished patients found there are kept", 0},
    {"config", KEY_CONFIG, "FILE.yaml", 0, "Settings; the command line wins over the file", 0},
    {"recipe", KEY_RECIPE, "quick|study", 0,
     "How to adapt: on a box round the lesion, or as in the study (default: quick)", 0},
    {"region", KEY_REGION, "box|whole", 0, "Adapt to a box round the lesion, or to whole images",
     0},
    {"epochs", KEY_EPOCHS, "N", 0,
     "Epochs of each adaptation (default: 30 from the start, else 120; study: 350)", 0},
    {"copies", KEY_COPIES, "N", 0, "Perturbed copies that make an epoch", 0},
    {"crop", KEY_CROP, "ZxYxX", 0,
     "Extent of a copy in voxels of the working grid; of whole images", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of everything random", 0},
    {"jobs", KEY_JOBS, "N", 0, "Patients side by side, which share threads and memory (default: 1)",
     0},
    {"registration", KEY_REGISTRATION, "NAME", 0,
     "What carries the baseline contour as a comparator: own, elastix (where it is installed) or "
     "none (default: own)",
     0},
    {"no-registration", KEY_NO_REGISTRATION, NULL, OPTION_HIDDEN, "The same as none", 0},
    {"show", KEY_SHOW, "PATIENT", 0,
     "Draw this patient's contours besides the best, the median and the worst; repeatable", 0},
    {"case", KEY_CASE, "PATIENT", OPTION_HIDDEN, "This patient alone", 0},
    {0}};

static error_t parse_number(int key, char *argument, struct argp_state *state,
                            evaluate_arguments *a)
{
    switch (key) {
    case KEY_EPOCHS:
        cmd_take_epochs(state, argument, &a->epochs);
        return 0;
    case KEY_RECIPE:
        cmd_take_recipe(state, argument, &a->recipe, &a->has_recipe);
        return 0;
    case KEY_REGION:
        cmd_take_region(state, argument, &a->whole);
        a->has_region = true;
        return 0;
    case KEY_COPIES:
        cmd_take_copies(state, argument, &a->copies);
        return 0;
    case KEY_CROP:
        cmd_take_crop(state, argument, a->crop);
        return 0;
    case KEY_SEED:
        cmd_take_seed(state, argument, &a->seed, &a->has_seed);
        return 0;
    case KEY_JOBS:
        if (!cmd_parse_int(argument, 1, 256, &a->jobs))
            argp_error(state, "--jobs takes a whole number from 1 to 256, not '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void take_registration(struct argp_state *state, const char *name, evaluate_arguments *a)
{
    static const char *const names[] = {
        [EVALUATE_OWN] = "own", [EVALUATE_ELASTIX] = "elastix", [EVALUATE_NONE] = "none"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(name, names[i]) == 0) {
            a->registration = (evaluate_registration)i;
            return;
        }
    argp_error(state, "--registration takes own, elastix or none, not '%s'", name);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    evaluate_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        state->child_inputs[2] = &a->accept;
        state->child_inputs[3] = &a->guard;
        return 0;
    case KEY_MANIFEST:
        a->manifest = argument;
        return 0;
    case KEY_SPLIT:
        a->split = argument;
        return 0;
    case KEY_MODEL:
        a->start = strcmp(argument, "start") == 0;
        a->fresh = strcmp(argument, "none") == 0;
        a->model = a->start || a->fresh ? NULL : argument;
        return 0;
    case KEY_OUT:
        a->out = argument;
        return 0;
    case KEY_CONFIG:
        a->config = argument;
        return 0;
    case KEY_REGISTRATION:
        take_registration(state, argument, a);
        return 0;
    case KEY_NO_REGISTRATION:
        a->registration = EVALUATE_NONE;
        return 0;
    case KEY_SHOW:
        a->shown[a->shown_count++] = argument;
        return 0;
    case KEY_CASE:
        a->only = argument;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->manifest || !a->out) argp_error(state, "--manifest and --out are needed");
        return 0;
    default:
        return parse_number(key, argument, state, a);
    }
}

static const struct argp_child children[] = {{&cmd_common_argp, 0, NULL, 0},
                                             {&cmd_repair_argp, 0, NULL, 0},
                                             {&cmd_accept_argp, 0, NULL, 0},
                                             {&cmd_guard_argp, 0, NULL, 0},
                                             {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .doc =
        "Evaluates a cohort: for each patient the general model on both visits, the adapted model, "
        "the baseline contour carried forward and registered, each against the manual contours. An "
        "interrupted evaluation continues with the same command.\v"
        "NAME is a value of the manifest's column 'split', several with commas between, "
        "'not:NAME', or 'all'.",
    .children = children};

/* ---- settings and model ------------------------------------------------------------------------
 */

static rp_status take_settings(evaluate_run *run, rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    run->learning = (cmd_learning){.model = a->model,
                                   .start = a->start,
                                   .fresh = a->fresh,
                                   .config = a->config,
                                   .epochs = a->epochs,
                                   .copies = a->copies,
                                   .crop = {a->crop[0], a->crop[1], a->crop[2]},
                                   .recipe = a->recipe,
                                   .has_recipe = a->has_recipe,
                                   .has_region = a->has_region,
                                   .whole = a->whole,
                                   .seed = a->seed,
                                   .has_seed = a->has_seed};
    const rp_status status = cmd_learning_settings(&run->learning, &run->settings, err);
    cmd_accept_apply(&a->accept, &run->settings);
    cmd_guard_apply(&a->guard, &run->settings);
    run->settings.attempts = cmd_attempts_wanted(&run->learning, &run->settings);
    run->settings.adapt.memory_bytes = cmd_memory_budget(&a->common);
    run->settings.predict.memory_bytes = run->settings.adapt.memory_bytes;
    run->evaluation.seed = run->settings.adapt.seed;
    return status;
}

/* Of a training's folder the model that validated best, else the last. */
static rp_status find_model(evaluate_run *run, rp_error *err)
{
    const char *given = run->arguments->model;
    if (!given) return RP_OK;
    run->model_path =
        rp_path_is_directory(given) ? rp_path_join(given, "best.safetensors") : rp_strdup(given);
    if (run->model_path && rp_path_is_directory(given) && !rp_path_exists(run->model_path)) {
        rp_free(run->model_path);
        run->model_path = rp_path_join(given, "model.safetensors");
    }
    run->learning.model = run->model_path;
    return run->model_path ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

/* The settings take what the model to begin with says, so that results are known by it. */
static rp_status take_model(evaluate_run *run, rp_error *err)
{
    rp_model model;
    rp_status status = find_model(run, err);
    if (!status) status = cmd_learning_model(&run->learning, "", &run->settings, &model, err);
    if (status) return status;
    memcpy(run->model_sha256, model.sha256, sizeof run->model_sha256);
    rp_model_release(&model);
    /* A way that was chosen is evaluated as it is, contours compared on true follow-ups alone. */
    run->settings.guard.compare &= run->settings.attempts;
    return RP_OK;
}

/* ---- patients ----------------------------------------------------------------------------------
 */

/* Both visits with a contour; of several follow-ups the first. */
static bool take_visits(evaluate_patient *p, rp_cohort_problems *problems, rp_error *err)
{
    const rp_cohort_patient *patient = p->patient;
    for (size_t i = 0; i < patient->visit_count; i++) {
        const rp_cohort_visit *v = &patient->visits[i];
        const int which = v->kind == RP_VISIT_BASELINE ? 0 : 1;
        if (v->contour[0] && !p->visit[which]) p->visit[which] = v;
    }
    if (p->visit[0] && p->visit[1]) return true;
    rp_cohort_problem_add(problems, patient->visits[0].row, "contour", true, err,
                          "left out: no %s with a contour", p->visit[0] ? "follow-up" : "baseline");
    return false;
}

static rp_status choose_patients(evaluate_run *run, rp_cohort_problems *problems, rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    run->patients = rp_alloc(run->cohort.patient_count, sizeof *run->patients);
    run->patient_of_case = rp_alloc(run->cohort.patient_count, sizeof *run->patient_of_case);
    run->evaluation.cases = rp_alloc(run->cohort.patient_count, sizeof *run->evaluation.cases);
    if (!run->patients || !run->patient_of_case || !run->evaluation.cases)
        return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < run->cohort.patient_count; i++) {
        evaluate_patient p = {.patient = &run->cohort.patients[i]};
        if (!rp_cohort_in_split(p.patient, a->split) ||
            (a->only && strcmp(p.patient->id, a->only) != 0) || !take_visits(&p, problems, err))
            continue;
        p.folder = rp_format("%s/cases/%s", a->out, p.patient->id);
        if (!p.folder) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
        run->patients[run->patient_count++] = p;
    }
    if (run->patient_count) return RP_OK;
    return rp_fail(err, RP_ERR_ARGUMENT,
                   "%s: no patient in split '%s' has a baseline and a follow-up with contours",
                   a->manifest, a->split);
}

static rp_status check_shown(const evaluate_run *run, rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    for (size_t n = 0; n < a->shown_count && !a->only; n++) {
        bool known = false;
        for (size_t i = 0; i < run->patient_count && !known; i++)
            known = strcmp(run->patients[i].patient->id, a->shown[n]) == 0;
        if (!known)
            return rp_fail(err, RP_ERR_ARGUMENT,
                           "%s: --show=%s is no patient that is evaluated in split '%s'",
                           a->manifest, a->shown[n], a->split);
    }
    return RP_OK;
}

/* Unreadable cases are told at the start, and do not stop the others. */
static rp_status check_files(evaluate_run *run, rp_cohort_problems *problems, rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    if (a->only) return RP_OK;
    const rp_status status =
        cmd_cohort_check_files(&run->cohort, a->split, cmd_progress(&a->common), problems, err);
    cmd_progress_end();
    cmd_cohort_print_problems(stderr, a->manifest, problems);
    return status;
}

static rp_status take_columns(evaluate_run *run, rp_error *err)
{
    rp_evaluation *e = &run->evaluation;
    e->clinical_columns = rp_alloc(run->cohort.clinical_count, sizeof *e->clinical_columns);
    if (!e->clinical_columns) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    for (; e->clinical_count < run->cohort.clinical_count; e->clinical_count++) {
        char *copy = rp_strdup(run->cohort.clinical_columns[e->clinical_count]);
        if (!copy) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
        e->clinical_columns[e->clinical_count] = copy;
    }
    for (size_t i = 0; i < run->cohort.patient_count; i++)
        e->training_patients += strcmp(run->cohort.patients[i].split, "training") == 0;
    return RP_OK;
}

static rp_status read_cohort(evaluate_run *run, rp_error *err)
{
    rp_cohort_problems problems = {0};
    cmd_doing("checking %s", run->arguments->manifest);
    rp_status status = cmd_cohort_read(run->arguments->manifest, &run->cohort, err);
    if (!status) status = choose_patients(run, &problems, err);
    if (!status) status = check_shown(run, err);
    if (!status) status = take_columns(run, err);
    if (!status) status = check_files(run, &problems, err);
    rp_cohort_problems_release(&problems);
    return status;
}

/* ---- side by side ------------------------------------------------------------------------------
 */

/* One patient in a process of its own, with its share of threads and memory. */
static pid_t spawn_case(const evaluate_run *run, const evaluate_patient *p, int jobs)
{
    const evaluate_arguments *a = run->arguments;
    char threads[32], memory[40];
    const int share = rp_threads_get() / jobs;
    snprintf(threads, sizeof threads, "--threads=%d", share > 0 ? share : 1);
    snprintf(memory, sizeof memory, "--memory=%zu",
             run->settings.adapt.memory_bytes / (size_t)jobs);
    char **arguments = rp_alloc((size_t)a->argc + 8, sizeof *arguments);
    int count = 0;
    pid_t child = -1;
    if (!arguments) return -1;
    arguments[count++] = (char *)"reprise";
    arguments[count++] = (char *)"evaluate";
    for (int i = 1; i < a->argc; i++) arguments[count++] = a->argv[i];
    RP_AUTOFREE char *which = rp_format("--case=%s", p->patient->id);
    char *const own[] = {which, threads, memory, (char *)"--jobs=1", (char *)"--quiet"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) arguments[count++] = own[i];
    if (!which || posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ)) child = -1;
    rp_free(arguments);
    return child;
}

/* Those that have ended are taken out. */
static int still_running(pid_t *cases, int count)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        /* Results are read back afterwards, so a case's exit code does not matter. */
        if (waitpid(cases[i], NULL, WNOHANG) == 0) cases[left++] = cases[i];
    }
    return left;
}

static rp_status run_side_by_side(const evaluate_run *run, int jobs, rp_error *err)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    const rp_progress *progress = cmd_progress(&run->arguments->common);
    RP_AUTOFREE pid_t *cases = rp_alloc((size_t)jobs, sizeof *cases);
    size_t next = 0;
    int running = 0;
    bool passed_on = false;
    if (!cases) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    while ((next < run->patient_count && !cmd_interrupted()) || running > 0) {
        while (running < jobs && next < run->patient_count && !cmd_interrupted()) {
            cases[running] = spawn_case(run, &run->patients[next++], jobs);
            if (cases[running] > 0) running++;
        }
        /* Once: a second signal would end them before they have saved their work. */
        for (int i = 0; cmd_interrupted() && !passed_on && i < running; i++)
            kill(cases[i], SIGTERM);
        passed_on = cmd_interrupted();
        const int before = running;
        running = still_running(cases, running);
        if (running < before)
            rp_progress_report(progress, "patients", (double)(next - (size_t)running),
                               (double)run->patient_count, "");
        else
            nanosleep(&pause, NULL);
    }
    return RP_OK;
}

/* ---- all of them -------------------------------------------------------------------------------
 */

static bool ends_everything(rp_status status)
{
    return status == RP_ERR_CANCELLED || status == RP_ERR_MEMORY || status == RP_ERR_REFUSED ||
           status == RP_ERR_BUDGET;
}

static void add_case(evaluate_run *run, size_t patient, const rp_case *one)
{
    rp_evaluation *e = &run->evaluation;
    char label[sizeof e->label];
    snprintf(label, sizeof label, "%s", cmd_label_of_both(one->label, e->label));
    memcpy(e->label, label, sizeof label);
    run->patient_of_case[e->case_count] = patient;
    e->cases[e->case_count++] = *one;
}

static rp_status run_cases(evaluate_run *run, rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    for (size_t i = 0; i < run->patient_count; i++) {
        evaluate_patient *p = &run->patients[i];
        rp_error why = {0};
        rp_case one;
        if (!a->common.quiet) fprintf(stderr, "patient %zu of %zu\n", i + 1, run->patient_count);
        const rp_status status = evaluate_case(run, p, &one, &why);
        cmd_progress_end();
        if (ends_everything(status)) return rp_fail(err, status, "%s", why.message);
        if (status)
            snprintf(p->error, sizeof p->error, "%.390s", why.message);
        else
            add_case(run, i, &one);
        if (status)
            fprintf(stderr, "%s:%zu: not evaluated: %s\n", a->manifest, p->visit[0]->row,
                    cmd_shown(p->error));
    }
    return RP_OK;
}

static rp_status perform(evaluate_run *run, rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    rp_status status = cmd_common_apply(&a->common, err);
    if (!status) status = take_settings(run, err);
    if (!status) status = take_model(run, err);
    /* A process for one patient works in the folder that its parent holds. */
    if (!status)
        status = a->only ? rp_directory_create(a->out, err) : cmd_prepare_folder(a->out, err);
    if (!status) status = read_cohort(run, err);
    if (status) return status;
    strcpy(run->registers, a->registration == EVALUATE_OWN ? "own" : "none");
    if (a->registration == EVALUATE_ELASTIX && !evaluate_has_elastix(run->registers))
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "--registration elastix: elastix or transformix is not installed");
    if (a->jobs > 1) status = run_side_by_side(run, a->jobs, err);
    if (!status) status = run_cases(run, err);
    if (status == RP_ERR_CANCELLED)
        return rp_fail(err, status,
                       "stopped; finished patients are kept in %s: the same command continues",
                       a->out);
    if (!status && !a->only) status = evaluate_write(run, err);
    return status;
}

static void release(evaluate_run *run)
{
    for (size_t i = 0; i < run->patient_count; i++) rp_free(run->patients[i].folder);
    rp_free(run->patients);
    rp_free(run->patient_of_case);
    rp_evaluation_release(&run->evaluation);
    rp_cohort_release(&run->cohort);
    rp_free(run->model_path);
}

int cmd_evaluate(int argc, char **argv)
{
    evaluate_arguments arguments = {.split = "validation", .argc = argc, .argv = argv};
    rp_error err = {0};
    /* Each --show takes a word of the command line at least. */
    RP_AUTOFREE const char **shown = rp_alloc((size_t)argc, sizeof *shown);
    if (!shown) {
        rp_fail(&err, RP_ERR_MEMORY, "out of memory");
        return cmd_fail(&err);
    }
    arguments.shown = shown;
    if (argp_parse(&parser, argc, argv, 0, NULL, &arguments)) return CMD_USAGE;
    evaluate_run run = {.arguments = &arguments, .started = rp_seconds()};
    /* A process for one patient ends with the one that started it, so that no two work on the same.
     */
    if (arguments.only) prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rp_status status = perform(&run, &err);
    cmd_progress_end();
    if (!status && !arguments.common.quiet)
        printf("Evaluated  %zu patients\nResults    %s\n", run.evaluation.case_count,
               arguments.out);
    release(&run);
    return status ? cmd_fail(&err) : CMD_DONE;
}
