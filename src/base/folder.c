/* Folders and names of files. */
#include "reprise/base.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static rp_status fail_errno(rp_error *err, const char *path, const char *what)
{
    return rp_fail(err, RP_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

rp_status rp_directory_create(const char *path, rp_error *err)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    if (!copy) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (char *at = copy + 1;; at++) {
        if (*at != '/' && *at != 0) continue;
        char kept = *at;
        *at = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return fail_errno(err, path, "cannot create folder");
        *at = kept;
        if (!kept) break;
    }
    if (!rp_path_is_directory(path))
        return rp_fail(err, RP_ERR_IO, "%s: exists and is not a folder", path);
    return RP_OK;
}

typedef struct path_list {
    char **items;
    size_t count, room;
    bool all;           /* temporary ones too */
    size_t passed_over; /* of those */
} path_list;

static bool list_push(path_list *list, char *path)
{
    if (!path) return false;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        char **items = rp_alloc(room, sizeof *items);
        if (!items) {
            rp_free(path);
            return false;
        }
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        rp_free(list->items);
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = path;
    return true;
}

bool rp_name_is_temporary(const char *name)
{
    const size_t length = strlen(name), tail = strlen(".part-XXXXXX");
    if (strncmp(name, ".reprise-", 9) == 0) return true;
    if (length <= tail || strncmp(name + length - tail, ".part-", 6) != 0) return false;
    bool letter = false; /* "ct.part-000123" is somebody's numbering */
    for (const char *at = name + length - 6; *at; at++) {
        if (!isalnum((unsigned char)*at)) return false;
        letter |= isalpha((unsigned char)*at) != 0;
    }
    return letter;
}

/* Of a path longer than the system takes, its beginning and its end. */
static rp_status fail_unreachable(rp_error *err, const char *path)
{
    const size_t length = strlen(path), shown = 120;
    if (length <= 4 * shown) return fail_errno(err, path, "cannot be read");
    return rp_fail(err, RP_ERR_IO, "%.*s...%s (%zu characters): cannot be read: %s", (int)shown,
                   path, path + length - shown, length, strerror(errno));
}

static rp_status list_below(const char *folder, int depth, path_list *list, rp_error *err)
{
    if (depth > 64) return rp_fail(err, RP_ERR_IO, "%s: folders nested too deeply", folder);
    DIR *dir = opendir(folder);
    if (!dir) return fail_errno(err, folder, "cannot open folder");
    rp_status status = RP_OK;
    struct dirent *entry;
    while (!status && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char *path = rp_path_join(folder, entry->d_name);
        struct stat link_info, info;
        if (!path) {
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
        } else if (lstat(path, &link_info) != 0) {
            if (errno != ENOENT) status = fail_unreachable(err, path);
            rp_free(path); /* or it vanished */
        } else if (!list->all && rp_name_is_temporary(entry->d_name)) {
            list->passed_over +=
                S_ISDIR(link_info.st_mode) || link_info.st_size > 0; /* locks are empty */
            rp_free(path);
        } else if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) {
            /* a link to nothing is a file that is missing: whoever reads it says so */
            if (!list_push(list, path))
                status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
        } else {
            /* linked folders are not followed: they could lead round in a circle */
            if (S_ISDIR(link_info.st_mode)) status = list_below(path, depth + 1, list, err);
            rp_free(path);
        }
    }
    closedir(dir);
    return status;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static rp_status list_sorted(const char *path, path_list *list, char ***paths, size_t *count,
                             rp_error *err)
{
    rp_status status = list_below(path, 0, list, err);
    if (status) {
        rp_string_list_free(list->items, list->count);
        return status;
    }
    if (list->count) qsort(list->items, list->count, sizeof *list->items, compare_paths);
    *paths = list->items;
    *count = list->count;
    return RP_OK;
}

rp_status rp_directory_list(const char *path, char ***paths, size_t *count, rp_error *err)
{
    path_list list = {0};
    const rp_status status = list_sorted(path, &list, paths, count, err);
    if (!status && list.passed_over)
        rp_log(RP_LOG_WARNING,
               "%s: %zu unfinished file%s or folder%s of a run that is going on or was stopped "
               "passed over",
               path, list.passed_over, list.passed_over == 1 ? "" : "s",
               list.passed_over == 1 ? "" : "s");
    return status;
}

rp_status rp_directory_list_all(const char *path, char ***paths, size_t *count, rp_error *err)
{
    path_list list = {.all = true};
    return list_sorted(path, &list, paths, count, err);
}

void rp_string_list_free(char **strings, size_t count)
{
    for (size_t i = 0; strings && i < count; i++) rp_free(strings[i]);
    rp_free(strings);
}

bool rp_path_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool rp_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

char *rp_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    return rp_format("%s%s%s", folder, slash, name);
}
