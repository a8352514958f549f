/* reprise respond --timeline: from files of lesions to responses. */
#include "learning.h"
#include "respond_timeline.h"
#include "reprise/report.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_TIMELINE = 0x3000,
    KEY_CRITERIA,
    KEY_CSV,
    KEY_CDISC,
    KEY_STUDY,
    KEY_SPIDER,
    KEY_WATERFALL,
    KEY_CONFIRM,
    KEY_CONFIRMATION_DAYS,
    KEY_SD_DAYS,
    KEY_NO_KEEP_PR,
    KEY_NO_REAPPEARANCE,
    KEY_TOO_SMALL,
    KEY_PROGRESSION_MINIMUM,
    KEY_NODE_NORMAL,
    KEY_IRECIST_EARLIEST,
    KEY_IRECIST_LATEST,
    KEY_IRECIST_FURTHER,
    KEY_READER_ERROR,
    KEY_INELIGIBLE
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Many lesions over many visits:", 20},
    {"timeline", KEY_TIMELINE, "FILE", 0, "Lesions and visits of one or more patients, JSON or CSV",
     0},
    {"criteria", KEY_CRITERIA, "NAME", 0,
     "recist1.1 (default), irecist, mrecist, or volume (exploratory)", 0},
    {"csv", KEY_CSV, "FILE", 0, "Write a row for each patient and visit", 0},
    {"cdisc", KEY_CDISC, "DIR", 0, "Write SDTM's domains TU, TR and RS as CSV", 0},
    {"study", KEY_STUDY, "ID", 0, "STUDYID of those", 0},
    {"spider", KEY_SPIDER, "FILE", 0, "Draw change over time, as .svg or .png", 0},
    {"waterfall", KEY_WATERFALL, "FILE", 0, "Draw best changes, as .svg or .png", 0},
    {NULL, 0, NULL, 0, "What the protocol says:", 30},
    {"confirm", KEY_CONFIRM, NULL, 0, "CR and PR count as best response once confirmed only", 0},
    {"confirmation-days", KEY_CONFIRMATION_DAYS, "N", 0, "Least days until then (28)", 0},
    {"min-sd-days", KEY_SD_DAYS, "N", 0, "Least days of SD as best response (42)", 0},
    {"no-keep-pr", KEY_NO_KEEP_PR, NULL, 0, "PR does not stay until progression", 0},
    {"no-reappearance-pd", KEY_NO_REAPPEARANCE, NULL, 0,
     "A lesion that is seen again after CR is no progression by itself", 0},
    {"too-small", KEY_TOO_SMALL, "MM", 0, "Value of what is too small to measure (5)", 0},
    {"progression-minimum", KEY_PROGRESSION_MINIMUM, "MM", 0,
     "Least growth above the nadir for PD (5; none by mRECIST and volume)", 0},
    {"node-normal", KEY_NODE_NORMAL, "MM", 0, "Nodes with a short axis below are normal (10)", 0},
    {"irecist-earliest", KEY_IRECIST_EARLIEST, "N", 0, "Days until iUPD may be confirmed (28)", 0},
    {"irecist-latest", KEY_IRECIST_LATEST, "N", 0, "Days until it should be, else it is noted (56)",
     0},
    {"irecist-further", KEY_IRECIST_FURTHER, "MM", 0, "Growth that confirms it (5)", 0},
    {"reader-error", KEY_READER_ERROR, "MM|P%", 0,
     "Flag what lies as close to a threshold as borderline", 0},
    {"allow-ineligible", KEY_INELIGIBLE, NULL, 0,
     "Take targets that the criteria don't allow, such as a sixth", 0},
    {0}};

static void take_reader_error(respond_timeline *o, char *argument, struct argp_state *state)
{
    const size_t length = strlen(argument);
    const bool percent = length > 1 && argument[length - 1] == '%';
    double *to = percent ? &o->reader_error_percent : &o->reader_error_mm;
    RP_AUTOFREE char *number = rp_strdup(argument);
    if (number && percent) number[length - 1] = 0;
    if (!number || !cmd_parse_number(number, to) || *to < 0.0)
        argp_error(state, "--reader-error takes a length in mm, or percent such as 5%%, not '%s'",
                   argument);
}

static void take_days(const char *option, char *argument, struct argp_state *state, int *days)
{
    if (!cmd_parse_int(argument, 0, 36500, days))
        argp_error(state, "%s takes days from 0 to 36500, not '%s'", option, argument);
}

static void take_length(const char *option, char *argument, struct argp_state *state, double *mm)
{
    if (!cmd_parse_number(argument, mm) || *mm < 0.0)
        argp_error(state, "%s takes a length in mm, not '%s'", option, argument);
}

static error_t parse_protocol(int key, char *argument, struct argp_state *state)
{
    respond_timeline *o = state->input;
    switch (key) {
    case KEY_CONFIRM:
        o->confirmation = true;
        return 0;
    case KEY_CONFIRMATION_DAYS:
        take_days("--confirmation-days", argument, state, &o->confirmation_days);
        return 0;
    case KEY_SD_DAYS:
        take_days("--min-sd-days", argument, state, &o->minimum_sd_days);
        return 0;
    case KEY_NO_KEEP_PR:
        o->keep_pr = false;
        return 0;
    case KEY_NO_REAPPEARANCE:
        o->reappearance_is_pd = false;
        return 0;
    case KEY_TOO_SMALL:
        take_length("--too-small", argument, state, &o->too_small_mm);
        return 0;
    case KEY_PROGRESSION_MINIMUM:
        take_length("--progression-minimum", argument, state, &o->progression_minimum_mm);
        return 0;
    case KEY_NODE_NORMAL:
        take_length("--node-normal", argument, state, &o->node_normal_mm);
        return 0;
    case KEY_IRECIST_EARLIEST:
        take_days("--irecist-earliest", argument, state, &o->irecist_earliest_days);
        return 0;
    case KEY_IRECIST_LATEST:
        take_days("--irecist-latest", argument, state, &o->irecist_latest_days);
        return 0;
    case KEY_IRECIST_FURTHER:
        take_length("--irecist-further", argument, state, &o->irecist_further_mm);
        return 0;
    case KEY_READER_ERROR:
        take_reader_error(o, argument, state);
        return 0;
    case KEY_INELIGIBLE:
        o->allow_ineligible = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    respond_timeline *o = state->input;
    switch (key) {
    case KEY_TIMELINE:
        o->path = argument;
        return 0;
    case KEY_CRITERIA:
        if (!rp_criteria_find(argument, &o->criteria))
            argp_error(state, "--criteria takes recist1.1, irecist, mrecist or volume, not '%s'",
                       argument);
        return 0;
    case KEY_CSV:
        o->csv = argument;
        return 0;
    case KEY_CDISC:
        o->cdisc = argument;
        return 0;
    case KEY_STUDY:
        o->study = argument;
        return 0;
    case KEY_SPIDER:
        o->spider = argument;
        return 0;
    case KEY_WATERFALL:
        o->waterfall = argument;
        return 0;
    default:
        return parse_protocol(key, argument, state);
    }
}

const struct argp respond_timeline_argp = {.options = options, .parser = parse};

static rp_response_options protocol(const respond_timeline *o)
{
    rp_response_options p = rp_response_defaults(o->criteria);
    p.confirmation = o->confirmation;
    p.keep_pr = o->keep_pr;
    p.reappearance_is_pd = o->reappearance_is_pd;
    if (o->confirmation_days >= 0) p.confirmation_days = o->confirmation_days;
    if (o->minimum_sd_days >= 0) p.minimum_sd_days = o->minimum_sd_days;
    if (o->irecist_earliest_days >= 0) p.irecist_earliest_days = o->irecist_earliest_days;
    if (o->irecist_latest_days >= 0) p.irecist_latest_days = o->irecist_latest_days;
    if (o->too_small_mm >= 0.0) p.too_small_mm = o->too_small_mm;
    if (o->progression_minimum_mm >= 0.0) p.progression_minimum_mm = o->progression_minimum_mm;
    if (o->node_normal_mm >= 0.0) p.node_normal_mm = o->node_normal_mm;
    if (o->irecist_further_mm >= 0.0) p.irecist_further_mm = o->irecist_further_mm;
    if (o->reader_error_mm >= 0.0) p.reader_error_mm = o->reader_error_mm;
    if (o->reader_error_percent >= 0.0) p.reader_error_percent = o->reader_error_percent;
    return p;
}

/* ---- problems -------------------------------------------------------------------------------- */

static bool blocks(const respond_timeline *o, rp_severity severity)
{
    if (severity == RP_SEVERITY_INELIGIBLE) return !o->allow_ineligible;
    return severity != RP_SEVERITY_WARNING;
}

/* Everything that is wrong, in one go. */
static rp_status tell(const respond_timeline *o, const rp_timeline_problems *problems,
                      rp_error *err)
{
    size_t blocking = 0, refused = 0;
    for (size_t i = 0; i < problems->count; i++) {
        const rp_timeline_problem *p = &problems->items[i];
        RP_AUTOFREE char *text = rp_timeline_problem_text(p);
        const bool stops = blocks(o, p->severity);
        blocking += stops;
        refused += stops && p->severity == RP_SEVERITY_REFUSED;
        fprintf(stderr, "%s: %s%s\n", o->path, stops ? "" : "warning: ", text ? text : p->text);
    }
    if (!blocking) return RP_OK;
    return rp_fail(err, refused == blocking ? RP_ERR_REFUSED : RP_ERR_FORMAT,
                   "%s: %zu problem%s; no response was determined", o->path, blocking,
                   blocking == 1 ? "" : "s");
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
    for (size_t i = 0; !status && i < timelines->count; i++) names[i] = timelines->items[i].patient;
    if (!status) qsort(names, timelines->count, sizeof *names, compare_names);
    for (size_t i = 1; !status && i < timelines->count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = rp_timeline_problem_add(problems, RP_SEVERITY_ERROR, names[i], NULL, NULL, err,
                                             "is there twice");
    return status;
}

static rp_status check(const respond_timeline *o, const rp_response_options *how,
                       const rp_timelines *timelines, rp_timeline_problems *problems, rp_error *err)
{
    rp_status status = rp_response_options_check(how, err);
    for (size_t i = 0; i < timelines->count && !status; i++)
        status = rp_timeline_check(&timelines->items[i], how, problems, err);
    if (!status) status = check_names(timelines, problems, err);
    return status ? status : tell(o, problems, err);
}

/* ---- output ---------------------------------------------------------------------------------- */

typedef struct assessed {
    rp_timelines timelines;
    rp_timeline_result *results;
    rp_assessed *patients;
    rp_response_course *courses;
    const char *label;
} assessed;

static rp_status print_json(const assessed *a, rp_error *err)
{
    rp_json *json = rp_json_object(), *list = rp_json_array();
    for (size_t i = 0; i < a->timelines.count; i++)
        rp_json_append(list, rp_timeline_result_json(&a->timelines.items[i], &a->results[i]));
    rp_json_set_string(json, "format", "reprise.response/1");
    rp_json_set_string(json, "program_version", RP_VERSION);
    rp_json_set(json, "results", list);
    return cmd_print_json(json, err);
}

static rp_status write_files(const respond_timeline *o, const assessed *a, rp_error *err)
{
    const size_t count = a->timelines.count;
    rp_status status = RP_OK;
    if (o->csv) status = rp_timeline_write_csv(o->csv, a->patients, count, err);
    if (!status && o->cdisc) status = cmd_prepare_folder(o->cdisc, err);
    if (!status && o->cdisc)
        status =
            rp_timeline_write_cdisc(o->cdisc, o->study ? o->study : "", a->patients, count, err);
    if (!status && o->spider)
        status = rp_report_write_spider(o->spider, a->courses, count, a->label, err);
    if (!status && o->waterfall)
        status = rp_report_write_waterfall(o->waterfall, a->courses, count, a->label, err);
    return status;
}

static rp_status assess(const respond_timeline *o, const rp_response_options *how, assessed *a,
                        rp_error *err)
{
    const size_t count = a->timelines.count;
    a->results = rp_alloc(count, sizeof *a->results);
    a->patients = rp_alloc(count, sizeof *a->patients);
    a->courses = rp_alloc(count, sizeof *a->courses);
    if (!a->results || !a->patients || !a->courses)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu patients", count);
    rp_status status = RP_OK;
    a->label = "";
    for (size_t i = 0; i < count && !status; i++) {
        const rp_timeline *t = &a->timelines.items[i];
        status = rp_timeline_assess(t, how, o->allow_ineligible, NULL, &a->results[i], err);
        a->patients[i] = (rp_assessed){t, &a->results[i]};
        a->courses[i] = (rp_response_course){t->patient, &a->results[i]};
        a->label = cmd_label_of_both(a->label, t->label);
    }
    return status ? rp_fail_in(err, status, "%s", o->path) : RP_OK;
}

static void release(assessed *a)
{
    for (size_t i = 0; a->results && i < a->timelines.count; i++)
        rp_timeline_result_release(&a->results[i]);
    rp_free(a->results);
    rp_free(a->patients);
    rp_free(a->courses);
    rp_timelines_release(&a->timelines);
}

static rp_status protect(const respond_timeline *o, rp_error *err)
{
    const char *const outputs[] = {o->csv, o->spider, o->waterfall};
    rp_status status = RP_OK;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && !status; i++) {
        if (!outputs[i]) continue;
        status = cmd_protect_input(o->path, outputs[i], err);
        if (!status) status = cmd_prepare_file(outputs[i], err);
    }
    return status;
}

rp_status respond_to_timelines(const respond_timeline *o, const cmd_common *common, bool json,
                               rp_error *err)
{
    const rp_response_options how = protocol(o);
    rp_timeline_problems problems = {0};
    assessed a = {0};
    rp_status status = protect(o, err);
    if (!status) status = rp_timelines_read(o->path, &a.timelines, &problems, err);
    if (!status) status = check(o, &how, &a.timelines, &problems, err);
    if (!status) status = assess(o, &how, &a, err);
    if (!status) status = write_files(o, &a, err);
    if (!status && json) status = print_json(&a, err);
    for (size_t i = 0; !status && !json && !common->quiet && i < a.timelines.count; i++)
        respond_print_table(&a.timelines.items[i], &a.results[i]);
    release(&a);
    rp_timeline_problems_release(&problems);
    return status;
}
