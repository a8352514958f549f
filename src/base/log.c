#include "reprise/base.h"

#include <stdarg.h>

static rp_log_sink current_sink;
static void *current_context;

void rp_log_set_sink(rp_log_sink sink, void *context)
{
    current_sink = sink;
    current_context = context;
}

void rp_log(rp_log_level level, const char *format, ...)
{
    if (!current_sink) return;
    char line[1024], shown[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    rp_text_printable(shown, sizeof shown, line);
    current_sink(level, shown, current_context);
}

void rp_progress_report(const rp_progress *progress, const char *stage, double done, double total,
                        const char *note)
{
    if (progress && progress->report) progress->report(progress->context, stage, done, total, note);
}

bool rp_progress_cancelled(const rp_progress *progress)
{
    return progress && progress->cancelled && progress->cancelled(progress->context);
}
