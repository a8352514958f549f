/* Sets of files that appear together or not at all.
 *
 * A stage is a folder ".reprise-XXXXXX" in the folder of the outputs. It holds, besides the files
 * to be moved: .reprise-lock     locked (flock) by the living process that made it;
 *   .reprise-journal  once the moves begin: a line for each name of the set in the order of the
 *                     moves, "new INODE NAME" where the stage holds it, "old 0 NAME" where it only
 *                     goes;
 *   .reprise-old/     what was moved aside.
 * Undoing reads nothing else, so that it is the same whether a move failed or the process died. */
#define _GNU_SOURCE

#include "hooks.h"
#include "reprise/base_stage.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK ".reprise-lock"
#define JOURNAL ".reprise-journal"
#define OLD ".reprise-old"

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    remove(path);
    return 0;
}

void rp_tree_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the set ------------------------------------------------------------------------------ */

typedef struct entry {
    char *name;     /* relative to the folder */
    uint64_t inode; /* 0: the stage holds none */
} entry;

typedef struct entry_list {
    entry *items;
    size_t count;
} entry_list;

static void list_release(entry_list *list)
{
    for (size_t i = 0; i < list->count; i++) rp_free(list->items[i].name);
    rp_free(list->items);
}

/* Takes the name over. */
static bool list_add(entry_list *list, char *name, uint64_t inode)
{
    if (list->count % 64 == 0) {
        entry *more = rp_alloc(list->count + 64, sizeof *more);
        if (!more || !name) {
            rp_free(more);
            rp_free(name);
            return false;
        }
        if (list->count) memcpy(more, list->items, list->count * sizeof *more);
        rp_free(list->items);
        list->items = more;
    }
    if (!name) return false;
    list->items[list->count++] = (entry){name, inode};
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

/* The entries of the stage below `below` (NULL: all of it): files alone where deep, else its
 * topmost entries. */
static bool collect(const char *temporary, const char *below, bool deep, entry_list *list)
{
    RP_AUTOFREE char *folder = below ? rp_path_join(temporary, below) : rp_strdup(temporary);
    DIR *dir = folder ? opendir(folder) : NULL;
    bool ok = dir != NULL;
    for (struct dirent *e; ok && (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (!below && rp_name_is_temporary(e->d_name)) continue;
        char *name = below ? rp_path_join(below, e->d_name) : rp_strdup(e->d_name);
        RP_AUTOFREE char *path = name ? rp_path_join(temporary, name) : NULL;
        struct stat info;
        ok = path && lstat(path, &info) == 0;
        if (ok && deep && S_ISDIR(info.st_mode)) {
            ok = collect(temporary, name, deep, list);
            rp_free(name);
        } else if (ok) {
            ok = list_add(list, name, info.st_ino);
        } else {
            rp_free(name);
        }
    }
    if (dir) closedir(dir);
    return ok;
}

static bool is_listed(const entry_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0) return true;
    return false;
}

static void put_last(entry_list *list, const char *name)
{
    for (size_t i = 0; i + 1 < list->count; i++) {
        if (strcmp(list->items[i].name, name) != 0) continue;
        const entry moved = list->items[i];
        list->items[i] = list->items[i + 1];
        list->items[i + 1] = moved;
    }
}

/* ---- the journal -------------------------------------------------------------------------- */

static rp_status journal_write(const char *temporary, const entry_list *list, rp_error *err)
{
    RP_AUTOFREE char *path = rp_path_join(temporary, JOURNAL);
    rp_outfile *file = NULL;
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", temporary);
    rp_status status = rp_outfile_create(path, &file, err);
    for (size_t i = 0; !status && i < list->count; i++) {
        const entry *e = &list->items[i];
        if (strchr(e->name, '\n'))
            status = rp_fail(err, RP_ERR_ARGUMENT, "a file whose name holds a line break");
        else
            status = rp_outfile_printf(file, err, "%s %" PRIu64 " %s\n", e->inode ? "new" : "old",
                                       e->inode, e->name);
    }
    if (!status) status = rp_outfile_commit(file, err);
    rp_outfile_destroy(file);
    return status;
}

static bool journal_line(char *line, entry_list *list)
{
    char *name = NULL;
    if (strncmp(line, "new ", 4) != 0 && strncmp(line, "old ", 4) != 0) return false;
    const uint64_t inode = strtoull(line + 4, &name, 10);
    if (*name != ' ' || !name[1] || name[1] == '/' || strstr(name + 1, "../")) return false;
    return list_add(list, rp_strdup(name + 1), inode);
}

/* Written whole or not at all; false where there is none or it is not ours. */
static bool journal_read(const char *temporary, entry_list *list)
{
    RP_AUTOFREE char *path = rp_path_join(temporary, JOURNAL);
    RP_AUTOFREE uint8_t *text = NULL;
    size_t size;
    char *rest;
    if (!path || !rp_path_exists(path) || rp_file_read(path, &text, &size, NULL)) return false;
    for (char *line = strtok_r((char *)text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!journal_line(line, list)) return false;
    return list->count > 0;
}

/* ---- moving ------------------------------------------------------------------------------- */

/* The three places of an entry. */
typedef struct places {
    char *staged, *final, *old;
} places;

static bool places_of(const char *folder, const char *temporary, const entry *e, places *p)
{
    p->staged = rp_path_join(temporary, e->name);
    p->final = rp_path_join(folder, e->name);
    p->old = rp_format("%s/" OLD "/%s", temporary, e->name);
    return p->staged && p->final && p->old;
}

static void places_release(places *p)
{
    rp_free(p->staged);
    rp_free(p->final);
    rp_free(p->old);
}

static bool there(const char *path, uint64_t *inode)
{
    struct stat info;
    if (lstat(path, &info) != 0) return false;
    if (inode) *inode = info.st_ino;
    return true;
}

/* To where nothing is. */
static bool move(const char *from, const char *to)
{
    RP_AUTOFREE char *copy = rp_strdup(to);
    if (rp_write_hook_fails()) {
        errno = ENOSPC;
        return false;
    }
    if (!copy || rp_directory_create(dirname(copy), NULL)) return false;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return true;
    /* A file system without that rename. */
    return (errno == EINVAL || errno == ENOSYS) && rename(from, to) == 0;
}

/* Puts back what was moved, the last of the set at the end, unless all of it was. */
static void undo(const char *folder, const char *temporary, const entry_list *list)
{
    const entry *last = &list->items[list->count - 1];
    places p = {0};
    const bool complete = places_of(folder, temporary, last, &p) && last->inode &&
                          !there(p.staged, NULL) && there(p.final, NULL);
    places_release(&p);
    for (size_t i = 0; i < list->count && !complete; i++) {
        uint64_t inode = 0;
        p = (places){0};
        if (places_of(folder, temporary, &list->items[i], &p)) {
            if (list->items[i].inode && !there(p.staged, NULL) && there(p.final, &inode) &&
                inode == list->items[i].inode)
                rename(p.final, p.staged);
            if (there(p.old, NULL)) rename(p.old, p.final);
        }
        places_release(&p);
    }
}

static rp_status move_aside(const rp_stage *s, const entry_list *list, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = list->count; !status && i-- > 0;) {
        places p = {0};
        if (!places_of(s->folder, s->temporary, &list->items[i], &p))
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", s->folder);
        else if (there(p.final, NULL) && !move(p.final, p.old))
            status =
                rp_fail(err, RP_ERR_IO, "%s: cannot be replaced: %s", p.final, strerror(errno));
        places_release(&p);
    }
    return status;
}

static rp_status move_in(const rp_stage *s, const entry_list *list, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < list->count; i++) {
        places p = {0};
        if (!list->items[i].inode) continue;
        if (!places_of(s->folder, s->temporary, &list->items[i], &p))
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", s->folder);
        else if (!move(p.staged, p.final))
            status = rp_fail(err, RP_ERR_IO, "%s: cannot write: %s", p.final, strerror(errno));
        places_release(&p);
    }
    return status;
}

/* New names must survive a power cut too; failure here loses nothing. */
static void sync_folder(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static rp_status move_all(const rp_stage *s, const entry_list *list, rp_error *err)
{
    if (list->count == 0) return RP_OK;
    rp_status status = journal_write(s->temporary, list, err);
    if (status) return status;
    status = move_aside(s, list, err);
    if (!status) status = move_in(s, list, err);
    if (status) undo(s->folder, s->temporary, list);
    sync_folder(s->folder);
    return status;
}

/* Nothing but files is replaced, and where not even they may be, nothing. */
static rp_status check_targets(const rp_stage *s, const entry_list *list, bool replace,
                               rp_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        RP_AUTOFREE char *path = rp_path_join(s->folder, list->items[i].name);
        if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", s->folder);
        if (!there(path, NULL)) continue;
        if (!replace)
            return rp_fail(err, RP_ERR_IO, "%s: exists already; choose another folder", path);
        if (rp_path_is_directory(path))
            return rp_fail(err, RP_ERR_IO, "%s: a folder is where this file has to go", path);
    }
    return RP_OK;
}

/* ---- public ------------------------------------------------------------------------------- */

rp_status rp_stage_commit(rp_stage *s, rp_error *err)
{
    entry_list list = {0};
    rp_status status = collect(s->temporary, NULL, false, &list)
                           ? RP_OK
                           : rp_fail(err, RP_ERR_IO, "%s: %s", s->temporary, strerror(errno));
    if (list.count) qsort(list.items, list.count, sizeof *list.items, by_name);
    if (!status) status = check_targets(s, &list, false, err);
    if (!status) status = move_all(s, &list, err);
    list_release(&list);
    return status;
}

rp_status rp_stage_replace(rp_stage *s, const char *last, const char *const *names, size_t count,
                           rp_error *err)
{
    entry_list list = {0};
    rp_status status = collect(s->temporary, NULL, true, &list)
                           ? RP_OK
                           : rp_fail(err, RP_ERR_IO, "%s: %s", s->temporary, strerror(errno));
    for (size_t i = 0; !status && i < count; i++)
        if (!is_listed(&list, names[i]) && !list_add(&list, rp_strdup(names[i]), 0))
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", s->folder);
    if (list.count) qsort(list.items, list.count, sizeof *list.items, by_name);
    put_last(&list, last);
    if (!status) status = check_targets(s, &list, true, err);
    if (!status) status = move_all(s, &list, err);
    list_release(&list);
    return status;
}

static int lock_in(const char *temporary, bool create)
{
    RP_AUTOFREE char *path = rp_path_join(temporary, LOCK);
    return path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0666) : -1;
}

rp_status rp_stage_begin(const char *folder, rp_stage *s, rp_error *err)
{
    *s = (rp_stage){.lock = -1, .begun = true};
    rp_status status = rp_directory_create(folder, err);
    if (status) return status;
    rp_stage_recover(folder);
    s->folder = rp_strdup(folder);
    char *name = rp_path_join(folder, ".reprise-XXXXXX");
    if (!s->folder || !name) {
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    } else if (!mkdtemp(name)) {
        status =
            rp_fail(err, RP_ERR_IO, "%s: no folder can be made in it: %s", folder, strerror(errno));
    } else {
        s->temporary = name;
        s->lock = lock_in(name, true);
        if (s->lock >= 0) flock(s->lock, LOCK_EX | LOCK_NB);
        return RP_OK;
    }
    rp_free(name);
    rp_stage_release(s);
    return status;
}

void rp_stage_release(rp_stage *s)
{
    if (s->temporary) rp_tree_remove(s->temporary);
    if (s->begun && s->lock >= 0) close(s->lock);
    rp_free(s->temporary);
    rp_free(s->folder);
    *s = (rp_stage){0};
}

/* mkdtemp's name. One without a lock in it, from a version that had none or a process that died at
 * once, must at least not be a word. */
static bool is_stage(const char *name, bool has_lock)
{
    const char *at = name + strlen(".reprise-");
    if (strncmp(name, ".reprise-", 9) != 0 || strlen(at) != 6) return false;
    bool word = true;
    for (; *at; at++) {
        if (!isalnum((unsigned char)*at)) return false;
        word &= islower((unsigned char)*at) != 0;
    }
    return has_lock || !word;
}

static void recover_one(const char *folder, const char *name)
{
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    struct stat info;
    if (!path || lstat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return;
    const int lock = lock_in(path, false);
    const bool without = lock < 0 && errno == ENOENT;
    if (!is_stage(name, !without)) return;
    if (without || (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)) {
        entry_list list = {0};
        if (journal_read(path, &list)) undo(folder, path, &list);
        list_release(&list);
        rp_tree_remove(path);
    }
    if (lock >= 0) close(lock);
}

void rp_stage_recover(const char *folder)
{
    DIR *list = opendir(folder);
    for (struct dirent *e; list && (e = readdir(list));)
        if (is_stage(e->d_name, true)) recover_one(folder, e->d_name);
    if (list) closedir(list);
}
