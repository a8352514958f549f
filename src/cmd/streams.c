/* Standard output and error behind a filter. Whatever is printed, by which function ever, reaches
 * the terminal without control characters, so that no file can move its cursor or write over what
 * stands there. */
#define _GNU_SOURCE
#include "cmd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct filter {
    int descriptor;
    char begun[4]; /* a character whose end is still to come */
    size_t begun_length;
} filter;

static bool reader_left;

static bool write_all(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EPIPE && descriptor == STDOUT_FILENO) reader_left = true;
        if (written <= 0) return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* Line ends and tabs are the program's own; those of texts are shown before they come here. */
static size_t take_character(char shown[RP_TEXT_SHOWN], const char *text, size_t length)
{
    const size_t size = rp_text_show(shown, text, length);
    if (*text == '\n' || *text == '\t') shown[0] = *text, shown[1] = '\0';
    return size;
}

static bool filter_bytes(filter *f, const char *bytes, size_t size)
{
    char out[4096], shown[RP_TEXT_SHOWN];
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        const size_t step = take_character(shown, bytes + at, size - at);
        if (!step) { /* four bytes hold what may be lacking of any character */
            f->begun_length = size - at;
            memcpy(f->begun, bytes + at, f->begun_length);
            break;
        }
        const size_t more = strlen(shown);
        if (used + more > sizeof out) {
            if (!write_all(f->descriptor, out, used)) return false;
            used = 0;
        }
        memcpy(out + used, shown, more);
        used += more;
        at += step;
    }
    return write_all(f->descriptor, out, used);
}

/* One byte after the other, until the character that has begun is whole, or turns out to be none.
 */
static bool finish_begun(filter *f, const char *bytes, size_t size, size_t *taken)
{
    char whole[sizeof f->begun + 1];
    uint32_t code;
    size_t length = f->begun_length;
    memcpy(whole, f->begun, length);
    *taken = 0;
    while (*taken < size && length < sizeof whole && !rp_text_character(whole, length, &code))
        whole[length++] = bytes[(*taken)++];
    f->begun_length = 0;
    return filter_bytes(f, whole, length);
}

static ssize_t filter_write(void *cookie, const char *bytes, size_t size)
{
    filter *f = cookie;
    size_t taken = 0;
    if (f->descriptor == STDOUT_FILENO) cmd_progress_end(); /* results, and no line amidst them */
    if (f->begun_length && !finish_begun(f, bytes, size, &taken)) return 0;
    return filter_bytes(f, bytes + taken, size - taken) ? (ssize_t)size : 0;
}

static FILE *filtered(filter *f, int mode)
{
    const cookie_io_functions_t functions = {.write = filter_write};
    FILE *stream = fopencookie(f, "w", functions);
    if (stream) setvbuf(stream, NULL, mode, mode == _IONBF ? 0 : BUFSIZ);
    return stream;
}

bool cmd_filter_streams(void)
{
    static filter out = {.descriptor = STDOUT_FILENO}, error = {.descriptor = STDERR_FILENO};
    FILE *to = filtered(&out, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
    FILE *errors = filtered(&error, _IONBF);
    if (!to || !errors) return false;
    stdout = to;
    stderr = errors;
    return true;
}

bool cmd_reader_left(void)
{
    return reader_left;
}

void cmd_rewrite_line(void)
{
    write_all(STDERR_FILENO, "\r\033[K", 4);
}

const char *cmd_shown(const char *text)
{
    enum { TEXTS = 8, LONGEST = 1024 };
    static _Thread_local char shown[TEXTS][LONGEST];
    static _Thread_local unsigned next;
    char *to = shown[next];
    /* What is shown in another way is longer. */
    if (rp_text_printable(to, LONGEST, text) == strlen(text)) return text;
    next = (next + 1) % TEXTS;
    return to;
}
