/* reprise send: DICOM files to a node. */
#include "cmd.h"

#include "node.h"

#include <string.h>

enum { KEY_TO = 1, KEY_CALLED, KEY_CALLING, KEY_ECHO, KEY_RETRIES, KEY_TIMEOUT, KEY_TLS_HOST };

typedef struct send_arguments {
    cmd_common common;
    char **paths;
    size_t count;
    char host[256];
    rp_send_options how;
    bool echo;
} send_arguments;

static const struct argp_option options[] = {
    {"to", KEY_TO, "HOST:PORT", 0, "The node", 0},
    {"called", KEY_CALLED, "AET", 0, "Its application entity title", 0},
    {"calling", KEY_CALLING, "AET", 0, "Ours (REPRISE)", 0},
    {"echo", KEY_ECHO, NULL, 0, "Send nothing, only ask whether the node answers (C-ECHO)", 0},
    {"retries", KEY_RETRIES, "N", 0, "More tries after a lost connection or a full node (2)", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "For connecting and for each answer (60)", 0},
    {"tls-host", KEY_TLS_HOST, "NAME", 0,
     "Host or address that the node's certificate has to name (that of --to)", 0},
    {0}};

/* HOST:PORT; a host may hold no colon of its own. */
static bool parse_node(const char *text, send_arguments *a)
{
    const char *colon = strrchr(text, ':');
    const size_t length = colon ? (size_t)(colon - text) : 0;
    if (length < 1 || length >= sizeof a->host || memchr(text, ':', length)) return false;
    memcpy(a->host, text, length);
    a->host[length] = '\0';
    a->how.host = a->host;
    return cmd_parse_int(colon + 1, 1, 65535, &a->how.port);
}

static void check_arguments(const send_arguments *a, struct argp_state *state)
{
    if (!a->how.host || !a->how.called_aet)
        argp_error(state, "--to and --called are needed");
    else if (!a->echo && !a->count)
        argp_error(state, "PATH is needed, or --echo");
    else if (a->echo && a->count)
        argp_error(state, "--echo sends no files");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    send_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->how.tls;
        state->child_inputs[1] = &a->common;
        return 0;
    case KEY_TO:
        if (!parse_node(argument, a))
            argp_error(state, "--to takes HOST:PORT, such as pacs:11112, not '%s'", argument);
        return 0;
    case KEY_CALLED:
        a->how.called_aet = cmd_check_aet(state, "--called", argument);
        return 0;
    case KEY_CALLING:
        a->how.calling_aet = cmd_check_aet(state, "--calling", argument);
        return 0;
    case KEY_ECHO:
        a->echo = true;
        return 0;
    case KEY_RETRIES:
        if (!cmd_parse_int(argument, 0, 100, &a->how.retries))
            argp_error(state, "--retries takes a whole number from 0 to 100, not '%s'", argument);
        return 0;
    case KEY_TLS_HOST:
        a->how.tls_host = argument;
        return 0;
    case KEY_TIMEOUT:
        a->how.timeout_seconds = cmd_parse_timeout(state, argument);
        return 0;
    case ARGP_KEY_ARGS:
        a->paths = state->argv + state->next;
        a->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&cmd_tls_argp, 0, NULL, 0}, {&cmd_common_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse,
    .args_doc = "PATH...",
    .doc = "Sends DICOM files, or those of folders, to a node by C-STORE. Compressed images go as "
           "they are. Every file that is not stored is told with the reason, and the exit code "
           "is 1 then.",
    .children = children};

static void on_result(void *context, const rp_send_result *result)
{
    const send_arguments *a = context;
    if (result->state == RP_SENT || (a->common.quiet && result->state == RP_SEND_PASSED_OVER))
        return;
    cmd_progress_end();
    fprintf(stderr, "reprise: %s: %s%s\n", cmd_shown(result->path),
            result->state == RP_SEND_PASSED_OVER ? "passed over: " : "", cmd_shown(result->why));
}

static rp_status send_files(send_arguments *a, rp_error *err)
{
    rp_send_summary summary = {0};
    const rp_status status = rp_dicom_send((const char *const *)a->paths, a->count, &a->how,
                                           on_result, a, cmd_progress(&a->common), &summary, err);
    const size_t stored = summary.sent + summary.warnings;
    if (a->common.quiet || (status && !stored)) return status;
    cmd_progress_end();
    printf("%s:%d: %zu object%s stored", a->how.host, a->how.port, stored, stored == 1 ? "" : "s");
    if (summary.warnings) printf(", %zu with a warning", summary.warnings);
    if (summary.failed) printf(", %zu not", summary.failed);
    puts("");
    return status;
}

static rp_status ask(const send_arguments *a, rp_error *err)
{
    const rp_status status = rp_dicom_echo(&a->how, err);
    if (!status && !a->common.quiet)
        printf("%s:%d: %s answers\n", a->how.host, a->how.port, a->how.called_aet);
    return status;
}

int cmd_send(int argc, char **argv)
{
    send_arguments a = {.how = {.calling_aet = "REPRISE", .retries = 2}};
    rp_error err = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &a)) return CMD_USAGE;
    rp_status status = cmd_common_apply(&a.common, &err);
    cmd_doing("looking through what is to be sent");
    if (!status) status = a.echo ? ask(&a, &err) : send_files(&a, &err);
    return status ? cmd_fail(&err) : CMD_DONE;
}
