/* Memory that the process may still take: of the machine, of its control groups, of its limits. */
#include "reprise/base.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Where a hierarchy of groups is mounted, and which of its groups is the root of what is seen. */
typedef struct hierarchy {
    char root[PATH_MAX], place[PATH_MAX];
} hierarchy;

static FILE *open_below(const char *root, const char *path)
{
    RP_AUTOFREE char *whole = rp_format("%s%s", root, path);
    return whole ? fopen(whole, "r") : NULL;
}

/* The first number behind key in a file of the system; infinity where it has none ("max"). */
static double figure(const char *root, const char *path, const char *key)
{
    FILE *file = open_below(root, path);
    if (!file) return INFINITY;
    char line[256];
    double value = INFINITY;
    const size_t length = strlen(key);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) != 0) continue;
        char *end;
        const double number = strtod(line + length, &end);
        if (end != line + length) value = number;
        break;
    }
    fclose(file);
    return value;
}

/* ---- control groups ---------------------------------------------------------------------- */

/* A word of a list with commas between. */
static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length) {
        const bool starts = at == list || at[-1] == ',';
        if (starts && (at[length] == ',' || !at[length])) return true;
    }
    return false;
}

/* Blanks in the names of mountinfo stand as \040. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        int code;
        if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* "36 35 98:0 /root /place options [more...] - type source options" (proc(5)). */
static bool parse_mount(char *line, bool unified, hierarchy *h)
{
    char *fields[64], *rest, *dash = NULL;
    size_t count = 0, separator = 0;
    for (char *f = strtok_r(line, " \n", &rest); f && count < 64;
         f = strtok_r(NULL, " \n", &rest)) {
        if (!dash && count > 5 && strcmp(f, "-") == 0) {
            dash = f;
            separator = count;
        }
        fields[count++] = f;
    }
    if (!dash || count < separator + 4) return false;
    const char *type = fields[separator + 1], *options = fields[separator + 3];
    if (unified ? strcmp(type, "cgroup2") != 0
                : strcmp(type, "cgroup") != 0 || !has_word(options, "memory"))
        return false;
    snprintf(h->root, sizeof h->root, "%s", fields[3]);
    snprintf(h->place, sizeof h->place, "%s", fields[4]);
    unescape(h->root);
    unescape(h->place);
    return true;
}

static bool find_mount(const char *root, bool unified, hierarchy *h)
{
    FILE *file = open_below(root, "/proc/self/mountinfo");
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (file && !found && getline(&line, &room, file) > 0) found = parse_mount(line, unified, h);
    free(line);
    if (file) fclose(file);
    return found;
}

/* The process's group in a hierarchy: "0::/path", or "4:cpu,memory:/path". */
static bool find_group(const char *root, bool unified, char path[PATH_MAX])
{
    FILE *file = open_below(root, "/proc/self/cgroup");
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (file && !found && getline(&line, &room, file) > 0) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        found = unified ? !controllers[1] : has_word(controllers + 1, "memory");
        if (found) snprintf(path, PATH_MAX, "%s", group);
    }
    free(line);
    if (file) fclose(file);
    return found;
}

/* What the limits of one group leave. */
static double left_in(const char *root, const char *group, bool unified)
{
    RP_AUTOFREE char *limit =
        rp_format("%s/%s", group, unified ? "memory.max" : "memory.limit_in_bytes");
    RP_AUTOFREE char *used =
        rp_format("%s/%s", group, unified ? "memory.current" : "memory.usage_in_bytes");
    RP_AUTOFREE char *parts = rp_format("%s/memory.stat", group);
    if (!limit || !used || !parts) return INFINITY;
    const double most = figure(root, limit, ""), now = figure(root, used, "");
    const double cache = figure(root, parts, unified ? "inactive_file " : "total_inactive_file ");
    if (!isfinite(most) || !isfinite(now)) return INFINITY;
    return fmax(most - now + (isfinite(cache) ? fmin(cache, now) : 0.0), 0.0);
}

/* Of the process's own group and all around it, up to where the hierarchy is mounted. */
static double left_in_groups(const char *root, bool unified)
{
    hierarchy h;
    char path[PATH_MAX];
    if (!find_group(root, unified, path) || !find_mount(root, unified, &h)) return INFINITY;
    /* In a container the mount may begin at the container's group. */
    const size_t above = strcmp(h.root, "/") == 0 ? 0 : strlen(h.root);
    const bool inside = strncmp(path, h.root, above) == 0 && (path[above] == '/' || !path[above]);
    RP_AUTOFREE char *group = rp_format("%s%s", h.place, inside ? path + above : "");
    double left = INFINITY;
    for (size_t length = group ? strlen(group) : 0; length >= strlen(h.place) && length > 0;) {
        left = fmin(left, left_in(root, group, unified));
        while (length > 0 && group[length - 1] != '/') length--;
        while (length > 0 && group[length - 1] == '/') length--;
        group[length] = '\0';
    }
    return left;
}

/* ---- the process ------------------------------------------------------------------------- */

static double left_in_address_space(const char *root)
{
    struct rlimit limit;
    if (*root || getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return INFINITY;
    const double used = 1024.0 * figure(root, "/proc/self/status", "VmSize:");
    return isfinite(used) ? fmax((double)limit.rlim_cur - used, 0.0) : (double)limit.rlim_cur;
}

size_t rp_memory_available(const char *root)
{
    double left = 1024.0 * figure(root, "/proc/meminfo", "MemAvailable:");
    left = fmin(left, left_in_groups(root, true));
    left = fmin(left, left_in_groups(root, false));
    left = fmin(left, left_in_address_space(root));
    return isfinite(left) ? (size_t)fmax(left, 1.0) : 0;
}
