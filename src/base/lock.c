/* Locks on what a run writes. */
#define _GNU_SOURCE

#include "reprise/base_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct rp_lock {
    int fd;
    char *file; /* made for the lock; NULL where the folder itself is locked */
    bool holds;
};

static rp_status fail_in_use(const char *path, rp_error *err)
{
    return rp_fail(err, RP_ERR_IO,
                   "%s: in use by another run, which writes there: wait until it has ended, or "
                   "choose another place",
                   path);
}

static rp_status fail_unwritable(const char *path, rp_error *err)
{
    return rp_fail(err, RP_ERR_IO, "%s: no file can be written in this folder: %s", path,
                   strerror(errno));
}

/* ".reprise-lock" in a folder, ".reprise-NAME" beside a file. */
static char *name_of_lock(const char *path)
{
    if (rp_path_is_directory(path)) return rp_path_join(path, ".reprise-lock");
    RP_AUTOFREE char *for_folder = rp_strdup(path), *for_name = rp_strdup(path);
    if (!for_folder || !for_name) return NULL;
    RP_AUTOFREE char *name = rp_format(".reprise-%s", basename(for_name));
    return name ? rp_path_join(dirname(for_folder), name) : NULL;
}

static bool same_file(int fd, const char *path)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

/* A file that its holder removed between our opening and our locking it holds nobody off: again. */
static rp_status lock_file(const char *path, rp_lock *lock, rp_error *err)
{
    lock->file = name_of_lock(path);
    if (!lock->file) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (;;) {
        lock->fd = open(lock->file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (lock->fd < 0) lock->fd = open(lock->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (lock->fd < 0) return fail_unwritable(path, err);
        const int failed = flock(lock->fd, LOCK_EX | LOCK_NB) != 0;
        if (failed && errno == EWOULDBLOCK) {
            rp_free(lock->file); /* it is the other's to remove */
            lock->file = NULL;
            return fail_in_use(path, err);
        }
        lock->holds = !failed;
        if (failed || same_file(lock->fd, lock->file)) return RP_OK;
        close(lock->fd);
    }
}

/* Whoever held it before may just have removed it: then it is made again. */
static rp_status lock_folder(const char *path, rp_lock *lock, rp_error *err)
{
    for (;;) {
        const rp_status status = rp_directory_create(path, err);
        if (status) return status;
        lock->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock->fd < 0 && errno == ENOENT) continue;
        if (lock->fd < 0) return fail_unwritable(path, err);
        lock->holds = flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
        if (!lock->holds && errno == EWOULDBLOCK) return fail_in_use(path, err);
        if (lock->holds && same_file(lock->fd, path)) return RP_OK;
        close(lock->fd);
        lock->fd = -1;
        if (!lock->holds) return lock_file(path, lock, err);
    }
}

/* A nameless file is the proof; where there are none, the permissions have to do. */
static bool is_writable(const char *folder)
{
    const int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
        return access(folder, W_OK | X_OK) == 0;
    return fd >= 0;
}

static rp_status take(const char *path, rp_lock *lock, rp_error *err)
{
    if (!rp_path_is_directory(path)) {
        RP_AUTOFREE char *copy = rp_strdup(path);
        if (!copy) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
        const char *folder = dirname(copy);
        return is_writable(folder) ? lock_file(path, lock, err) : fail_unwritable(folder, err);
    }
    return is_writable(path) ? lock_folder(path, lock, err) : fail_unwritable(path, err);
}

rp_status rp_lock_take(const char *path, rp_lock **out, rp_error *err)
{
    rp_lock *lock = rp_alloc(1, sizeof *lock);
    if (!lock) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    lock->fd = -1;
    const rp_status status = take(path, lock, err);
    if (status) {
        rp_lock_drop(lock);
        return status;
    }
    *out = lock;
    return RP_OK;
}

bool rp_lock_holds(const rp_lock *lock)
{
    return lock->holds;
}

void rp_lock_drop(rp_lock *lock)
{
    if (!lock) return;
    if (lock->file && lock->fd >= 0) unlink(lock->file);
    if (lock->fd >= 0) close(lock->fd);
    rp_free(lock->file);
    rp_free(lock);
}
