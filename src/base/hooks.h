/* Test hooks that several files of this module ask. */
#ifndef REPRISE_BASE_HOOKS_H
#define REPRISE_BASE_HOOKS_H

#include <stdbool.h>

/** True for the write that rp_test_fail_write() named. */
bool rp_write_hook_fails(void);

#endif
