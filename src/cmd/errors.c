/* Messages and exit codes. */
#include "cmd.h"

#include <stdarg.h>

int cmd_fail(const rp_error *err)
{
    cmd_progress_end();
    fprintf(stderr, "reprise: %s\n", err->message[0] ? err->message : rp_status_text(err->status));
    return err->status == RP_ERR_REFUSED ? CMD_REFUSED : CMD_FAILED;
}

int cmd_usage(const char *command, const char *format, ...)
{
    va_list arguments;
    cmd_progress_end();
    fprintf(stderr, "reprise %s: ", command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry 'reprise %s --help' for more information.\n", command);
    return CMD_USAGE;
}
