#include "reprise/base.h"

#include <stdarg.h>
#include <string.h>

rp_status rp_fail(rp_error *err, rp_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    err->status = status;
    err->number = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

rp_status rp_fail_in(rp_error *err, rp_status status, const char *format, ...)
{
    if (!err) return status;
    char prefix[512], tail[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(tail, err->message, sizeof tail);
    tail[sizeof tail - 1] = 0;
    err->status = status;
    size_t used = (size_t)snprintf(err->message, sizeof err->message, "%s: ", prefix);
    size_t room = sizeof err->message - 1 - used, length = strnlen(tail, room);
    memcpy(err->message + used, tail, length);
    err->message[used + length] = 0;
    return status;
}

const char *rp_status_text(rp_status status)
{
    switch (status) {
    case RP_OK:
        return "no error";
    case RP_ERR_MEMORY:
        return "out of memory";
    case RP_ERR_IO:
        return "input/output error";
    case RP_ERR_FORMAT:
        return "malformed input";
    case RP_ERR_UNSUPPORTED:
        return "not supported";
    case RP_ERR_ARGUMENT:
        return "invalid value";
    case RP_ERR_REFUSED:
        return "refused for safety";
    case RP_ERR_BUDGET:
        return "over the memory budget";
    case RP_ERR_NUMERIC:
        return "numerical failure";
    case RP_ERR_CANCELLED:
        return "cancelled";
    }
    return "unknown status";
}
