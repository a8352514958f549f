/* Models that come with the program. */
#include "learning.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

/* From the program's folder: where it is installed, and where it is built (build/PRESET). */
static const char *const places[] = {"../share/reprise/models", "../../models"};

char *cmd_shipped_model(const char *name)
{
    char program[4096];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return NULL;
    program[length] = '\0';
    const char *folder = dirname(program);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = rp_format("%s/%s/%s", folder, places[i], name);
        if (path && rp_path_exists(path)) return path;
        rp_free(path);
    }
    return NULL;
}
