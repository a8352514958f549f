/* Messages and exit codes. */
#include "cmd.h"

#include <stdarg.h>
#include <string.h>

/* What is made in a stage is told of by the name that it was to have. */
static void without_stages(char *message)
{
    static const char stage[] = "/.reprise-";
    const size_t length = sizeof stage - 1 + 6;
    for (char *at = message; (at = strstr(at, stage));) {
        if (strnlen(at, length + 1) > length && at[length] == '/')
            memmove(at, at + length, strlen(at + length) + 1);
        else
            at++;
    }
}

int cmd_fail(const rp_error *err)
{
    char shown[2 * sizeof err->message];
    rp_text_printable(shown, sizeof shown,
                      err->message[0] ? err->message : rp_status_text(err->status));
    without_stages(shown);
    cmd_progress_end();
    fprintf(stderr, "reprise: %s\n", shown);
    return err->status == RP_ERR_REFUSED ? CMD_REFUSED : CMD_FAILED;
}

int cmd_usage(const char *command, const char *format, ...)
{
    char message[1024], shown[2 * sizeof message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    rp_text_printable(shown, sizeof shown, message);
    cmd_progress_end();
    fprintf(stderr, "reprise %s: %s\nTry 'reprise %s --help' for more information.\n", command,
            shown, command);
    return CMD_USAGE;
}
