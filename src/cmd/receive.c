/* reprise receive: DICOM files from nodes. */
#include "cmd.h"

#include "node.h"

#include <malloc.h>
#include <string.h>

enum { KEY_PORT = 1, KEY_OUT, KEY_AET, KEY_FROM, KEY_BIND, KEY_ONCE, KEY_IDLE, KEY_TIMEOUT };

typedef struct receive_arguments {
    cmd_common common;
    rp_receive_options how;
} receive_arguments;

static const struct argp_option options[] = {
    {"port", KEY_PORT, "N", 0, "Port to listen on; 0: one that is free (11112)", 0},
    {"out", KEY_OUT, "DIR", 0, "Folder for STUDY/SERIES/INSTANCE.dcm", 0},
    {"aet", KEY_AET, "AET", 0, "Our application entity title (REPRISE)", 0},
    {"from", KEY_FROM, "AET", 0, "Let in only the node that calls itself so", 0},
    {"bind", KEY_BIND, "ADDRESS", 0,
     "IPv4 address to listen on (127.0.0.1); 0.0.0.0: all of this machine", 0},
    {"once", KEY_ONCE, NULL, 0, "End after one association", 0},
    {"until-idle", KEY_IDLE, "SECONDS", 0, "End when nobody was connected for so long", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "End an association in which nothing comes (60)", 0},
    {0}};

static void parse_number(struct argp_state *state, int key, const char *argument,
                         rp_receive_options *how)
{
    if (key == KEY_PORT && !cmd_parse_int(argument, 0, 65535, &how->port))
        argp_error(state, "--port takes a whole number from 0 to 65535, not '%s'", argument);
    if (key == KEY_TIMEOUT) how->timeout_seconds = cmd_parse_timeout(state, argument);
    if (key == KEY_IDLE &&
        (!cmd_parse_number(argument, &how->idle_seconds) || how->idle_seconds <= 0))
        argp_error(state, "--until-idle takes seconds above 0, not '%s'", argument);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    receive_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->how.tls;
        state->child_inputs[1] = &a->common;
        return 0;
    case KEY_PORT:
    case KEY_IDLE:
    case KEY_TIMEOUT:
        parse_number(state, key, argument, &a->how);
        return 0;
    case KEY_OUT:
        a->how.folder = argument;
        return 0;
    case KEY_AET:
        a->how.aet = cmd_check_aet(state, "--aet", argument);
        return 0;
    case KEY_FROM:
        a->how.calling_aet = cmd_check_aet(state, "--from", argument);
        return 0;
    case KEY_BIND:
        a->how.address = argument;
        return 0;
    case KEY_ONCE:
        a->how.once = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!a->how.folder) argp_error(state, "--out is needed");
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
    .doc = "Receives DICOM files by C-STORE, and answers C-ECHO, until it is interrupted. What is "
           "acknowledged lies on the disk whole; nothing that is there is overwritten. Prints "
           "where it listens, then each file.",
    .children = children};

static void on_listening(void *context, int port)
{
    const receive_arguments *a = context;
    printf("listening on %s:%d as %s\n", a->how.address, port, a->how.aet);
    fflush(stdout); /* whoever reads this may send now */
}

static void on_stored(void *context, const char *path, bool known)
{
    const receive_arguments *a = context;
    if (a->common.quiet || known) return;
    puts(cmd_shown(path));
    fflush(stdout);
}

int cmd_receive(int argc, char **argv)
{
    receive_arguments a = {.how = {.address = "127.0.0.1", .port = 11112, .aet = "REPRISE"}};
    rp_error err = {0};
    rp_receive_summary summary = {0};
    const rp_receive_sinks sinks = {on_listening, on_stored, &a};
    if (argp_parse(&parser, argc, argv, 0, NULL, &a)) return CMD_USAGE;
    mallopt(M_ARENA_MAX, 4);  /* threads come and go: 64 MiB of address space for each would stay */
    const rp_progress *progress = cmd_progress(&a.common);
    rp_status status = cmd_common_apply(&a.common, &err);
    if (!status) status = rp_directory_create(a.how.folder, &err); /* the receiver holds it */
    if (!status) status = rp_dicom_receive(&a.how, &sinks, progress, &summary, &err);
    cmd_progress_end();
    if (status) return cmd_fail(&err);
    if (!a.common.quiet)
        fprintf(stderr, "%zu stored, %zu there before, %zu refused, in %zu association%s\n",
                summary.stored, summary.known, summary.failed, summary.associations,
                summary.associations == 1 ? "" : "s");
    return summary.failed ? CMD_FAILED : CMD_DONE;
}
