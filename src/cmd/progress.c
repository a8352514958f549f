/* The progress line, interruption, and warnings of the library. */
#include "cmd.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static volatile double interrupted_at;

/* A step that says nothing for so long is told of, and that it goes on. */
static const double patience = 1.5;

static struct {
    pthread_mutex_t lock;
    bool quiet, terminal;
    bool line_open; /* the cursor stands behind a rewritten line */
    bool printed;   /* something of this stage was shown */
    char stage[64], note[128];
    double done, total, start, first_done, last;
    char doing[512]; /* what goes on where no stage is reported; "" for nothing */
    double doing_start;
    bool doing_printed;
    bool working; /* something goes on even where it has no name */
    bool watched; /* the thread that looks after silent steps runs */
} meter = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- interruption ------------------------------------------------------------------------ */

/* A second one ends the program at once; one that comes with the first (a terminal that goes tells
 * the whole group, wrappers pass on what they get) is not meant as a second. */
static void on_signal(int number)
{
    static const char told[] = "\nstopping; Ctrl-C again ends at once\n";
    const double now = rp_seconds();
    if (interrupted) {
        if ((number == SIGINT || number == SIGTERM) && now - interrupted_at > 0.3)
            _exit(128 + number);
        return;
    }
    interrupted_at = now;
    interrupted = 1;
    if (number == SIGINT && meter.terminal && !meter.quiet &&
        write(STDERR_FILENO, told, sizeof told - 1) < 0)
        return;
}

static void handle(int number)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    /* nohup ignores the hang-up, and means it. */
    const bool ignored = sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
    if (number == SIGINT || number == SIGTERM || !ignored) sigaction(number, &action, NULL);
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

/* ---- the line ---------------------------------------------------------------------------- */

static void end_line(void)
{
    if (meter.line_open) fputc('\n', stderr);
    meter.line_open = false;
}

/* Columns that a character takes on a terminal. */
static int columns_of(uint32_t code)
{
    static const uint32_t none[][2] = {
        {0x300, 0x36F}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
    static const uint32_t two[][2] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF}, {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
                                      {0xFFE0, 0xFFE6}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (code >= none[i][0] && code <= none[i][1]) return 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (code >= two[i][0] && code <= two[i][1]) return 2;
    return 1;
}

/* Of the terminal as it is now; it may be resized. */
static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Cuts a printable text to what a line holds; the last column stays free, where some terminals
 * would go on to the next line. */
static void cut_to_line(char *text)
{
    const int room = terminal_columns() - 1;
    int used = 0;
    size_t at = 0;
    for (const size_t length = strlen(text); at < length;) {
        uint32_t code;
        const size_t size = rp_text_character(text + at, length - at, &code);
        used += columns_of(code);
        if (!size || used > room) break;
        at += size;
    }
    text[at] = '\0';
}

static void show(const char *text)
{
    char line[1024];
    rp_text_printable(line, sizeof line, text);
    if (meter.terminal) {
        cut_to_line(line);
        cmd_rewrite_line();
    }
    fprintf(stderr, "%s%s", line, meter.terminal ? "" : "\n");
    meter.line_open = meter.terminal;
    meter.last = rp_seconds();
}

static int add_duration(char *to, size_t size, double seconds)
{
    const long whole = (long)(seconds + 0.5);
    if (whole >= 3600)
        return snprintf(to, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return snprintf(to, size, "%ld:%02ld", whole / 60, whole % 60);
}

/* What counts comes first, for a narrow terminal. */
static void show_stage(double now)
{
    const double elapsed = now - meter.start, advance = meter.done - meter.first_done;
    char line[512];
    const size_t size = sizeof line;
    size_t at = (size_t)snprintf(line, size, "%s %.0f", meter.stage, meter.done);
    if (meter.total > 0)
        at += (size_t)snprintf(line + at, size - at, "/%.0f  %3.0f%%", meter.total,
                               100.0 * meter.done / meter.total);
    if (advance > 0 && elapsed > 0.5) {
        const double rate = advance / elapsed;
        if (rate >= 1.0)
            at += (size_t)snprintf(line + at, size - at, "  %.1f per s", rate);
        else
            at += (size_t)snprintf(line + at, size - at, "  %.1f s each", 1.0 / rate);
        if (meter.done < meter.total) {
            at += (size_t)snprintf(line + at, size - at, "  ");
            at += (size_t)add_duration(line + at, size - at, (meter.total - meter.done) / rate);
            at += (size_t)snprintf(line + at, size - at, " left");
        }
    }
    if (meter.note[0]) snprintf(line + at, size - at, "  %s", meter.note);
    show(line);
    meter.printed = true;
}

static void show_doing(double now)
{
    char line[sizeof meter.doing + 32];
    const double seconds = now - meter.doing_start;
    if (meter.terminal)
        snprintf(line, sizeof line, "%.0f s  %s", seconds,
                 meter.doing[0] ? meter.doing : "working");
    else
        snprintf(line, sizeof line, "%s", meter.doing);
    show(line);
    meter.doing_printed = true;
}

/* ---- silent steps ------------------------------------------------------------------------ */

/* Counted from what was shown last, or from the start: several short silences are a long one. */
static void look_after(double now)
{
    if (now - meter.last < (meter.terminal ? 1.0 : patience)) return;
    if (meter.stage[0]) {
        if (meter.terminal || !meter.printed) show_stage(now);
    } else if (meter.doing[0] || (meter.working && meter.terminal)) {
        if (meter.terminal || !meter.doing_printed) show_doing(now);
    }
}

static void *watch(void *nothing)
{
    const struct timespec pause = {.tv_nsec = 250000000};
    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&meter.lock);
        look_after(rp_seconds());
        pthread_mutex_unlock(&meter.lock);
    }
    return nothing;
}

/* Signals go to the thread that works, whose waiting they end. */
static void start_watching(void)
{
    sigset_t all, before;
    pthread_t thread;
    if (meter.watched || meter.quiet) return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    meter.watched = pthread_create(&thread, NULL, watch, NULL) == 0;
    if (meter.watched) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void cmd_doing(const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&meter.lock);
    meter.doing[0] = '\0';
    if (format && !meter.quiet) {
        va_start(arguments, format);
        vsnprintf(meter.doing, sizeof meter.doing, format, arguments);
        va_end(arguments);
        start_watching();
    } else if (meter.doing_printed) {
        end_line();
    }
    meter.stage[0] = '\0';
    meter.doing_start = rp_seconds();
    meter.doing_printed = false;
    pthread_mutex_unlock(&meter.lock);
}

/* ---- reports of the library -------------------------------------------------------------- */

static void begin_stage(const char *stage, double done, double now)
{
    if (meter.printed) end_line();
    snprintf(meter.stage, sizeof meter.stage, "%s", stage);
    meter.start = now;
    meter.first_done = done;
    meter.printed = false;
    start_watching();
}

static void report(void *context, const char *stage, double done, double total, const char *note)
{
    (void)context;
    if (meter.quiet) return;
    pthread_mutex_lock(&meter.lock);
    const double now = rp_seconds();
    if (strncmp(stage, meter.stage, sizeof meter.stage - 1) != 0 || done < meter.first_done)
        begin_stage(stage, done, now);
    meter.done = done;
    meter.total = total;
    snprintf(meter.note, sizeof meter.note, "%s", note ? note : "");
    /* A stage that was over in no time is not worth a line. */
    const double pause = !meter.printed ? 1.0 : meter.terminal ? 0.1 : 5.0;
    const bool last = total > 0 && done >= total && (meter.printed || now - meter.start > 1.0);
    if (last || (now - meter.last >= pause && !(total > 0 && done >= total))) show_stage(now);
    if (total > 0 && done >= total) {
        end_line();
        meter.stage[0] = '\0';
        meter.printed = false;
    }
    pthread_mutex_unlock(&meter.lock);
}

void cmd_progress_end(void)
{
    pthread_mutex_lock(&meter.lock);
    end_line();
    meter.stage[0] = meter.doing[0] = '\0';
    meter.printed = meter.doing_printed = meter.working = false;
    pthread_mutex_unlock(&meter.lock);
}

static void take_quiet(bool quiet)
{
    const char *kind = getenv("TERM");
    meter.quiet = quiet;
    if (!(meter.last > 0.0)) meter.last = rp_seconds();
    meter.terminal = isatty(STDERR_FILENO) && !(kind && strcmp(kind, "dumb") == 0);
}

void cmd_progress_start(bool quiet)
{
    pthread_mutex_lock(&meter.lock);
    take_quiet(quiet);
    meter.working = true;
    meter.doing_start = rp_seconds();
    if (meter.terminal) start_watching();
    pthread_mutex_unlock(&meter.lock);
}

const rp_progress *cmd_progress(const cmd_common *common)
{
    static const rp_progress progress = {.report = report, .cancelled = cancelled};
    static bool installed;
    pthread_mutex_lock(&meter.lock);
    take_quiet(common->quiet);
    pthread_mutex_unlock(&meter.lock);
    if (!installed) {
        handle(SIGINT);
        handle(SIGTERM);
        handle(SIGHUP);
        handle(SIGXCPU);
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
