/* The progress line, interruption, and warnings of the library. */
#include "cmd.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static struct {
    pthread_mutex_t lock;
    bool quiet, terminal;
    bool line_open; /* the cursor stands behind a rewritten line */
    bool printed;   /* something of this stage was shown */
    char stage[64];
    double start, first_done, last;
} meter = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_signal(int number)
{
    if (interrupted) _exit(128 + number);
    interrupted = 1;
}

bool cmd_interrupted(void)
{
    return interrupted != 0;
}

static bool cancelled(void *context)
{
    (void)context;
    return cmd_interrupted();
}

static void end_line(void)
{
    if (meter.line_open) fputc('\n', stderr);
    meter.line_open = false;
}

void cmd_progress_end(void)
{
    pthread_mutex_lock(&meter.lock);
    end_line();
    pthread_mutex_unlock(&meter.lock);
}

static void begin_stage(const char *stage, double done, double now)
{
    end_line();
    snprintf(meter.stage, sizeof meter.stage, "%s", stage);
    meter.start = meter.last = now;
    meter.first_done = done;
    meter.printed = false;
}

static void print_duration(double seconds)
{
    const long whole = (long)(seconds + 0.5);
    if (whole >= 3600)
        fprintf(stderr, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        fprintf(stderr, "%ld:%02ld", whole / 60, whole % 60);
}

static void print_line(double done, double total, const char *note, double now)
{
    const double elapsed = now - meter.start, advance = done - meter.first_done;
    if (meter.terminal) cmd_rewrite_line();
    fprintf(stderr, "%s %.0f", meter.stage, done);
    if (total > 0) fprintf(stderr, "/%.0f  %3.0f%%", total, 100.0 * done / total);
    if (advance > 0 && elapsed > 0.5) {
        const double rate = advance / elapsed;
        if (rate >= 1.0)
            fprintf(stderr, "  %.1f per s", rate);
        else
            fprintf(stderr, "  %.1f s each", 1.0 / rate);
        if (done < total) {
            fputs("  ", stderr);
            print_duration((total - done) / rate);
            fputs(" left", stderr);
        }
    }
    if (note && *note) fprintf(stderr, "  %s", cmd_shown(note));
    if (meter.terminal)
        fflush(stderr);
    else
        fputc('\n', stderr);
    meter.line_open = meter.terminal;
    meter.printed = true;
    meter.last = now;
}

static void report(void *context, const char *stage, double done, double total, const char *note)
{
    (void)context;
    if (meter.quiet) return;
    const double now = rp_seconds(), pause = meter.terminal ? 0.1 : 5.0;
    pthread_mutex_lock(&meter.lock);
    if (strncmp(stage, meter.stage, sizeof meter.stage - 1) != 0 || done < meter.first_done)
        begin_stage(stage, done, now);
    /* A stage that was over in no time is not worth a line. */
    const bool last = total > 0 && done >= total && (meter.printed || now - meter.start > 1.0);
    if (last || now - meter.last >= pause) print_line(done, total, note, now);
    if (total > 0 && done >= total) {
        end_line();
        meter.stage[0] = '\0';
    }
    pthread_mutex_unlock(&meter.lock);
}

const rp_progress *cmd_progress(const cmd_common *common)
{
    static const rp_progress progress = {.report = report, .cancelled = cancelled};
    static bool installed;
    meter.quiet = common->quiet;
    if (!installed) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        meter.terminal = isatty(STDERR_FILENO);
        installed = true;
    }
    return &progress;
}

void cmd_log(rp_log_level level, const char *line, void *context)
{
    (void)context;
    if (level < RP_LOG_WARNING) return;
    pthread_mutex_lock(&meter.lock);
    end_line();
    fprintf(stderr, "reprise: %s: %s\n", level == RP_LOG_WARNING ? "warning" : "error", line);
    pthread_mutex_unlock(&meter.lock);
}
