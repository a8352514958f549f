/* reprise respond --timeline: the response of many lesions over many visits. */
#include "respond.h"
#include "reprise/report.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_TIMELINE = 0x2000,
    KEY_SR,
    KEY_SUBJECT,
    KEY_CRITERIA,
    KEY_CSV,
    KEY_CDISC,
    KEY_STUDY,
    KEY_EVALUATOR,
    KEY_SPIDER,
    KEY_WATERFALL,
    KEY_CONFIRM,
    KEY_CONFIRMATION_DAYS,
    KEY_MIN_SD_DAYS,
    KEY_NO_KEEP_PR,
    KEY_NO_REAPPEARANCE,
    KEY_TOO_SMALL,
    KEY_MINIMUM,
    KEY_NODE_NORMAL,
    KEY_NODE_TARGET,
    KEY_TARGET,
    KEY_READER_ERROR,
    KEY_EARLIEST,
    KEY_LATEST,
    KEY_FURTHER,
    KEY_ALLOW_INELIGIBLE
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Many lesions over many visits:", 10},
    {"timeline", KEY_TIMELINE, "FILE", 0, "Patients with lesions and visits, JSON or CSV", 0},
    {"sr", KEY_SR, "FILE", 0,
     "Instead: a structured report (DICOM SR, TID 1500) of a visit; once for each", 0},
    {"subject", KEY_SUBJECT, "PSEUDONYM", 0, "With --sr: how results call the patient", 0},
    {"criteria", KEY_CRITERIA, "NAME", 0,
     "recist1.1 (default), irecist, mrecist or volume (exploratory)", 0},
    {"csv", KEY_CSV, "FILE", 0, "Also write the results as CSV", 0},
    {"cdisc", KEY_CDISC, "DIR", 0, "Also write SDTM's domains TU, TR and RS as CSV", 0},
    {"study", KEY_STUDY, "ID", 0, "STUDYID of those", 0},
    {"evaluator", KEY_EVALUATOR, "NAME", 0, "Their --EVAL (default INVESTIGATOR)", 0},
    {"spider", KEY_SPIDER, "FILE", 0, "Draw change over time, as .svg, .png or .pdf", 0},
    {"waterfall", KEY_WATERFALL, "FILE", 0, "Draw best changes, as .svg, .png or .pdf", 0},
    {NULL, 0, NULL, 0, "Protocol, with --timeline or --sr:", 11},
    {"confirm", KEY_CONFIRM, NULL, 0, "CR and PR count as best response once confirmed only", 0},
    {"confirmation-days", KEY_CONFIRMATION_DAYS, "N", 0, "At least so much later (default 28)", 0},
    {"min-sd-days", KEY_MIN_SD_DAYS, "N", 0, "Since baseline, for SD as best response (42)", 0},
    {"no-keep-pr", KEY_NO_KEEP_PR, NULL, 0, "PR does not stay until progression", 0},
    {"no-reappearance-pd", KEY_NO_REAPPEARANCE, NULL, 0,
     "A lesion that is there again after CR is no progression for that alone", 0},
    {"too-small", KEY_TOO_SMALL, "MM", 0, "Value of a target too small to measure (5)", 0},
    {"progression-minimum", KEY_MINIMUM, "MM", 0,
     "Growth that progression needs beside 20% (5; mrecist 0)", 0},
    {"node-normal", KEY_NODE_NORMAL, "MM", 0, "Nodes with a shorter axis are normal (10)", 0},
    {"node-target", KEY_NODE_TARGET, "MM", 0, "Short axis that a target node needs (15)", 0},
    {"target", KEY_TARGET, "MM", 0, "Diameter that another target needs (10)", 0},
    {"reader-error", KEY_READER_ERROR, "MM|P%", 0,
     "Flag sums so close to a threshold; may be given both ways, the larger counts", 0},
    {"irecist-earliest", KEY_EARLIEST, "DAYS", 0, "After iUPD, to confirm it (28)", 0},
    {"irecist-latest", KEY_LATEST, "DAYS", 0, "After iUPD; later gets a note (56)", 0},
    {"irecist-further", KEY_FURTHER, "MM", 0, "Further growth that confirms iUPD (5)", 0},
    {"allow-ineligible", KEY_ALLOW_INELIGIBLE, NULL, 0,
     "Take targets that are too many or too small, with a note", 0},
    {0}};

static int parse_days(const char *name, const char *argument, struct argp_state *state)
{
    int days = 0;
    if (!cmd_parse_int(argument, 0, 36500, &days))
        argp_error(state, "%s takes a number of days, not '%s'", name, argument);
    return days;
}

static double parse_length(const char *name, const char *argument, struct argp_state *state)
{
    double length = 0;
    if (!cmd_parse_number(argument, &length) || length < 0)
        argp_error(state, "%s takes a length in mm, not '%s'", name, argument);
    return length;
}

static void parse_reader_error(respond_timeline *r, char *argument, struct argp_state *state)
{
    char number[32];
    double value = 0;
    const size_t length = strlen(argument);
    const bool percent = length && argument[length - 1] == '%';
    snprintf(number, sizeof number, "%.*s", (int)(percent ? length - 1 : length), argument);
    if (length >= sizeof number || !cmd_parse_number(number, &value) || value < 0)
        argp_error(state, "--reader-error takes a length in mm or a share such as 5%%, not '%s'",
                   argument);
    *(percent ? &r->options.reader_error_percent : &r->options.reader_error_mm) = value;
}

static error_t parse_protocol(respond_timeline *r, int key, char *argument,
                              struct argp_state *state)
{
    rp_response_options *o = &r->options;
    switch (key) {
    case KEY_CONFIRM:
        o->confirmation = true;
        return 0;
    case KEY_CONFIRMATION_DAYS:
        o->confirmation_days = parse_days("--confirmation-days", argument, state);
        return 0;
    case KEY_MIN_SD_DAYS:
        o->minimum_sd_days = parse_days("--min-sd-days", argument, state);
        return 0;
    case KEY_NO_KEEP_PR:
        o->keep_pr = false;
        return 0;
    case KEY_NO_REAPPEARANCE:
        o->reappearance_is_pd = false;
        return 0;
    case KEY_READER_ERROR:
        parse_reader_error(r, argument, state);
        return 0;
    case KEY_EARLIEST:
        o->irecist_earliest_days = parse_days("--irecist-earliest", argument, state);
        return 0;
    case KEY_LATEST:
        o->irecist_latest_days = parse_days("--irecist-latest", argument, state);
        return 0;
    case KEY_ALLOW_INELIGIBLE:
        r->allow_ineligible = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_sizes(respond_timeline *r, int key, char *argument, struct argp_state *state)
{
    rp_response_options *o = &r->options;
    switch (key) {
    case KEY_TOO_SMALL:
        o->too_small_mm = parse_length("--too-small", argument, state);
        return 0;
    case KEY_MINIMUM:
        o->progression_minimum_mm = parse_length("--progression-minimum", argument, state);
        r->minimum_given = true;
        return 0;
    case KEY_NODE_NORMAL:
        o->node_normal_mm = parse_length("--node-normal", argument, state);
        return 0;
    case KEY_NODE_TARGET:
        o->node_target_mm = parse_length("--node-target", argument, state);
        return 0;
    case KEY_TARGET:
        o->target_mm = parse_length("--target", argument, state);
        return 0;
    case KEY_FURTHER:
        o->irecist_further_mm = parse_length("--irecist-further", argument, state);
        return 0;
    default:
        return parse_protocol(r, key, argument, state);
    }
}

static const char *option_name(int key)
{
    for (size_t i = 0; i + 1 < sizeof options / sizeof *options; i++)
        if (options[i].key == key && options[i].name) return options[i].name;
    return NULL;
}

static error_t parse_source(respond_timeline *r, int key, char *argument, struct argp_state *state)
{
    if (key == KEY_TIMELINE ? r->report_count > 0 : r->file && r->report_count == 0)
        argp_error(state, "--timeline and --sr do not go together");
    if (key == KEY_SR && !respond_add_report(r, argument)) argp_error(state, "out of memory");
    if (key == KEY_TIMELINE || r->report_count == 1) r->file = argument;
    return 0;
}

static const char *figure_path(const char *name, const char *argument, struct argp_state *state)
{
    if (!rp_report_draws(argument))
        argp_error(state, "--%s draws a file that ends in .svg, .png or .pdf, not '%s'", name,
                   argument);
    return argument;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    respond_timeline *r = state->input;
    if (key == KEY_TIMELINE || key == KEY_SR) return parse_source(r, key, argument, state);
    if (!r->first_option) r->first_option = option_name(key);
    switch (key) {
    case KEY_CSV:
        r->csv = argument;
        return 0;
    case KEY_CDISC:
        r->cdisc = argument;
        return 0;
    case KEY_STUDY:
        r->study = argument;
        return 0;
    case KEY_EVALUATOR:
        r->evaluator = argument;
        return 0;
    case KEY_SUBJECT:
        r->subject = argument;
        return 0;
    case KEY_SPIDER:
        r->spider = figure_path("spider", argument, state);
        return 0;
    case KEY_WATERFALL:
        r->waterfall = figure_path("waterfall", argument, state);
        return 0;
    default:
        break;
    }
    if (key == KEY_CRITERIA) {
        if (!rp_criteria_find(argument, &r->options.criteria))
            argp_error(state, "--criteria takes recist1.1, irecist, mrecist or volume, not '%s'",
                       argument);
        return 0;
    }
    return parse_sizes(r, key, argument, state);
}

const struct argp respond_timeline_argp = {.options = options, .parser = parse};

/* ---- checking ---------------------------------------------------------------------------- */

static void print_problems(const char *file, const rp_timeline_problems *problems, rp_severity most)
{
    for (size_t i = 0; i < problems->count; i++) {
        const rp_timeline_problem *p = &problems->items[i];
        if (p->severity > most) continue;
        RP_AUTOFREE char *text = rp_timeline_problem_text(p);
        fprintf(stderr, "reprise: %s: %s%s\n", cmd_shown(file),
                p->severity == RP_SEVERITY_WARNING ? "warning: " : "",
                cmd_shown(text ? text : p->text));
    }
}

/* Everything that blocks, told in one go; the exit code, CMD_DONE where nothing does. */
static int judge(const respond_timeline *r, const rp_timeline_problems *problems)
{
    const size_t *counts = problems->counts;
    const size_t ineligible = r->allow_ineligible ? 0 : counts[RP_SEVERITY_INELIGIBLE];
    const size_t errors = counts[RP_SEVERITY_ERROR], refused = counts[RP_SEVERITY_REFUSED];
    if (!errors && !refused && !ineligible) {
        print_problems(r->file, problems, RP_SEVERITY_WARNING);
        return CMD_DONE;
    }
    print_problems(r->file, problems, RP_SEVERITY_ERROR);
    fprintf(stderr, "reprise: %s: %zu error%s, %zu not allowed by the criteria%s\n", r->file,
            errors, errors == 1 ? "" : "s", refused + counts[RP_SEVERITY_INELIGIBLE],
            ineligible ? " (--allow-ineligible takes targets that are too many or too small)" : "");
    return errors ? CMD_FAILED : CMD_REFUSED;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two courses under one name would be one patient's. */
static rp_status check_names(const rp_timelines *timelines, rp_timeline_problems *problems,
                             rp_error *err)
{
    RP_AUTOFREE const char **names = rp_alloc(timelines->count, sizeof *names);
    rp_status status = names ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "out of memory");
    for (size_t i = 0; !status && i < timelines->count; i++)
        names[i] = timelines->items[i].patient ? timelines->items[i].patient : "";
    if (!status) qsort(names, timelines->count, sizeof *names, compare_names);
    for (size_t i = 1; !status && i < timelines->count; i++)
        if (*names[i] && strcmp(names[i - 1], names[i]) == 0)
            status = rp_timeline_problem_add(problems, RP_SEVERITY_ERROR, names[i], NULL, NULL, err,
                                             "is there twice");
    return status;
}

static rp_status check_all(const respond_timeline *r, const rp_timelines *timelines,
                           rp_timeline_problems *problems, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < timelines->count; i++)
        status = rp_timeline_check(&timelines->items[i], &r->options, problems, err);
    return status ? status : check_names(timelines, problems, err);
}

/* ---- results ----------------------------------------------------------------------------- */

enum { BATCH = 256 }; /* patients that all threads work on before their results are printed */

typedef struct job {
    rp_timeline_result result;
    char *text; /* to print */
    rp_status status;
    rp_error err;
} job;

typedef struct sink {
    const respond_timeline *respond;
    const rp_timelines *timelines;
    size_t first; /* of the batch */
    job *jobs;
    bool json;
    rp_outfile *csv; /* may be NULL */
} sink;

/* One patient is an object of its own; of several each takes a line. */
static char *result_json(const sink *s, const rp_timeline *timeline,
                         const rp_timeline_result *result)
{
    rp_json *json = rp_timeline_result_json(timeline, result);
    const bool alone = s->timelines->count == 1;
    if (json && alone) rp_json_set_string(json, "program_version", RP_VERSION);
    char *text = !json ? NULL : alone ? rp_json_text(json) : rp_json_compact_text(json);
    rp_json_destroy(json);
    return text;
}

static void work(void *context, size_t task, int worker)
{
    const sink *s = context;
    job *j = &s->jobs[task];
    const rp_timeline *timeline = &s->timelines->items[s->first + task];
    (void)worker;
    *j = (job){0};
    j->status = rp_timeline_assess(timeline, &s->respond->options, s->respond->allow_ineligible,
                                   NULL, &j->result, &j->err);
    if (j->status) return;
    j->text =
        s->json ? result_json(s, timeline, &j->result) : rp_timeline_table(timeline, &j->result);
    if (!j->text)
        j->status = rp_fail(&j->err, RP_ERR_MEMORY, "%s: out of memory", s->respond->file);
}

static rp_status tell(const sink *s, size_t task, rp_error *err)
{
    const job *j = &s->jobs[task];
    const size_t index = s->first + task, count = s->timelines->count;
    if (j->status) return rp_fail(err, j->status, "%s", j->err.message);
    if (!s->json && index) fputs("\n", stdout);
    fputs(j->text, stdout);
    if (s->json && count > 1) fputs(index + 1 < count ? ",\n" : "\n", stdout);
    return s->csv ? rp_timeline_csv_rows(s->csv, &s->timelines->items[index], &j->result, err)
                  : RP_OK;
}

static rp_status assess_all(sink *s, rp_error *err)
{
    rp_status status = RP_OK;
    const size_t count = s->timelines->count;
    RP_AUTOFREE job *jobs = rp_alloc(BATCH, sizeof *jobs);
    if (!jobs) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", s->respond->file);
    s->jobs = jobs;
    if (s->json && count > 1) printf("{\"program_version\": \"%s\", \"results\": [\n", RP_VERSION);
    for (; !status && s->first < count; s->first += BATCH) {
        const size_t tasks = count - s->first < BATCH ? count - s->first : BATCH;
        rp_parallel_for(tasks, work, s);
        for (size_t i = 0; !status && i < tasks; i++) status = tell(s, i, err);
        for (size_t i = 0; i < tasks; i++) {
            rp_timeline_result_release(&jobs[i].result);
            rp_free(jobs[i].text);
        }
    }
    if (!status && s->json && count > 1) puts("]}");
    return status;
}

static rp_status write_all(const respond_timeline *r, bool json, const rp_timelines *timelines,
                           rp_error *err)
{
    sink s = {.respond = r, .timelines = timelines, .json = json};
    rp_status status = r->csv ? cmd_protect_input(r->file, r->csv, err) : RP_OK;
    if (!status && r->csv) status = rp_outfile_create(r->csv, &s.csv, err);
    if (!status && s.csv) status = rp_timeline_csv_header(s.csv, err);
    if (!status) status = assess_all(&s, err);
    if (!status && s.csv) status = rp_outfile_commit(s.csv, err);
    if (s.csv) rp_outfile_destroy(s.csv);
    return status;
}

int respond_to_timelines(const respond_timeline *given, bool json)
{
    respond_timeline r = *given;
    rp_timelines timelines = {0};
    rp_timeline_problems problems = {0};
    rp_error err = {0};
    if (!r.minimum_given)
        r.options.progression_minimum_mm =
            rp_response_defaults(r.options.criteria).progression_minimum_mm;
    if (rp_response_options_check(&r.options, &err)) return cmd_usage("respond", "%s", err.message);
    rp_status status = r.report_count ? respond_read_reports(&r, &timelines, &err)
                                      : rp_timelines_read(r.file, &timelines, &problems, &err);
    if (!status) status = check_all(&r, &timelines, &problems, &err);
    int code = status ? CMD_FAILED : judge(&r, &problems);
    if (!status && !code) status = respond_write_reports(&r, &timelines, &err);
    if (!status && !code) status = write_all(&r, json, &timelines, &err);
    if (status) code = cmd_fail(&err);
    rp_timelines_release(&timelines);
    rp_timeline_problems_release(&problems);
    return code;
}
