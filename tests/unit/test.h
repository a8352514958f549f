/* What every unit test includes: cmocka with the headers it wants, and a few helpers. */
#ifndef REPRISE_TEST_H
#define REPRISE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "reprise/base.h"

#ifdef RP_TEST_SHORT
enum { SHORT = 1 };
#else
enum { SHORT = 0 };
#endif

/** Whether each step of a computation takes many times as long as in a release: what does not seek
 * a memory error takes fewer of them. */
#if defined(RP_TEST_SHORT) || defined(__SANITIZE_ADDRESS__)
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif

/** Skips the test with the reason where the condition holds. */
#define skip_where(condition, reason)                                                              \
    do {                                                                                           \
        if (condition) {                                                                           \
            print_message("skip: %s\n", reason);                                                   \
            skip();                                                                                \
        }                                                                                          \
    } while (0)
/** The first line of a test whose point is what it computes, and that an emulator or the thread
 * sanitizer would take long for: there it is a skip. A test whose point is what threads do has no
 * such line. */
#define values_only() skip_where(SHORT, "what it computes is tested in the release")
/** The same where the address sanitizer takes long, too. */
#define release_only() skip_where(SLOW, "the release trains as long as it takes")

/** Fails with the message that the error holds. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        rp_status status_ = (call);                                                                \
        if (status_ != RP_OK) fail_msg("%s: %s", rp_status_text(status_), (err).message);          \
    } while (0)

#define assert_close(a, b, tolerance)                                                              \
    do {                                                                                           \
        double a_ = (a), b_ = (b), t_ = (tolerance);                                               \
        if (!(a_ - b_ <= t_ && b_ - a_ <= t_))                                                     \
            fail_msg("%s = %.17g is not within %g of %s = %.17g", #a, a_, t_, #b, b_);             \
    } while (0)

/** Folder of the real data, or NULL when it is absent. */
static inline const char *test_data(void)
{
    const char *folder = getenv("REPRISE_TEST_DATA");
    return folder && rp_path_is_directory(folder) ? folder : NULL;
}

/** A fresh temporary folder; rp_alloc'd path. Remove it with remove_folder. */
static inline char *make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = rp_format("%s/reprise-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!path || !mkdtemp(path)) abort();
    return path;
}

static inline void remove_folder(char *path)
{
    char *command = rp_format("rm -rf '%s'", path);
    if (system(command) != 0) abort();
    rp_free(command);
    rp_free(path);
}

#endif
