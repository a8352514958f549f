#define _GNU_SOURCE /* renameat2 */

#include "hooks.h"
#include "reprise/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not worth asking what memory is available. */
enum { LITTLE_BYTES = 1 << 28 };

/* Counts down to the write that fails; 0 means that the hook is off. */
static atomic_long writes_left;

void rp_test_fail_write(long n)
{
    atomic_store(&writes_left, n);
}

bool rp_write_hook_fails(void)
{
    if (atomic_load_explicit(&writes_left, memory_order_relaxed) == 0) return false;
    return atomic_fetch_sub(&writes_left, 1) == 1;
}

static rp_status fail_errno(rp_error *err, const char *path, const char *what)
{
    const int number = errno;
    rp_fail(err, RP_ERR_IO, "%s: %s: %s", path, what, strerror(number));
    if (err) err->number = number;
    return RP_ERR_IO;
}

/* ---- reading ----------------------------------------------------------------------------- */

rp_status rp_file_read(const char *path, uint8_t **data, size_t *size, rp_error *err)
{
    struct stat info;
    rp_status status = RP_OK;
    uint8_t *buffer = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, path, "cannot open");
    if (fstat(fd, &info) != 0) {
        status = fail_errno(err, path, "cannot read");
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        status = rp_fail(err, RP_ERR_IO, "%s: not a regular file", path);
        goto done;
    }
    size_t wanted = (size_t)info.st_size, have = 0;
    const size_t available = wanted < LITTLE_BYTES ? 0 : rp_memory_available("");
    if (available && wanted > available) { /* what the kernel would promise and not keep */
        status = rp_fail(err, RP_ERR_MEMORY, "%s: %zu bytes, of which memory has room for %zu",
                         path, wanted, available);
        goto done;
    }
    buffer = rp_alloc(wanted + 1, 1);
    if (!buffer) {
        status = rp_fail(err, RP_ERR_MEMORY, "%s: no memory for %zu bytes", path, wanted);
        goto done;
    }
    while (have < wanted) {
        ssize_t got = read(fd, buffer + have, wanted - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            status = fail_errno(err, path, "cannot read");
            goto done;
        }
        if (got == 0) break;
        have += (size_t)got;
    }
    *data = buffer;
    *size = have;
    buffer = NULL;
done:
    rp_free(buffer);
    close(fd);
    return status;
}

/* ---- writing whole or not at all --------------------------------------------------------- */

struct rp_outfile {
    char *path, *temporary;
    int fd;
    bool committed;
};

/* Unlike mkstemp's, the file has the permissions that any other new file would have: umask and
 * the folder's defaults are the kernel's business. The last six characters are replaced. */
static int create_unique(char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char *at = path + strlen(path) - 6;
    for (int attempt = 0; attempt < 100; attempt++) {
        uint8_t random[6];
        if (getentropy(random, sizeof random) != 0) return -1;
        for (int i = 0; i < 6; i++) at[i] = letters[random[i] % (sizeof letters - 1)];
        at[0] = letters[random[0] % 52]; /* a letter, which tells the name from a number */
        const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

rp_status rp_outfile_create(const char *path, rp_outfile **out, rp_error *err)
{
    rp_outfile *file = rp_alloc(1, sizeof *file);
    if (!file) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    file->fd = -1;
    file->path = rp_strdup(path);
    file->temporary = rp_format("%s.part-XXXXXX", path);
    if (!file->path || !file->temporary) {
        rp_outfile_destroy(file);
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    }
    file->fd = create_unique(file->temporary);
    if (file->fd < 0) {
        rp_status status = fail_errno(err, path, "cannot write");
        rp_free(file->temporary); /* another's */
        file->temporary = NULL;
        rp_outfile_destroy(file);
        return status;
    }
    *out = file;
    return RP_OK;
}

rp_status rp_outfile_write(rp_outfile *out, const void *data, size_t size, rp_error *err)
{
    const uint8_t *at = data;
    if (rp_write_hook_fails()) {
        errno = ENOSPC;
        return fail_errno(err, out->path, "cannot write");
    }
    while (size > 0) {
        ssize_t put = write(out->fd, at, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(err, out->path, "cannot write");
        at += put;
        size -= (size_t)put;
    }
    return RP_OK;
}

rp_status rp_outfile_printf(rp_outfile *out, rp_error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    RP_AUTOFREE char *text = length < 0 ? NULL : rp_alloc((size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", out->path);
    return rp_outfile_write(out, text, (size_t)length, err);
}

const char *rp_outfile_temporary_path(const rp_outfile *out)
{
    return out->temporary;
}

/* A library may have replaced the temporary file by name, so it is reopened before fsync. */
static rp_status sync_path(const char *path, const char *name_for_user, rp_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, name_for_user, "cannot write");
    int failed = fsync(fd);
    close(fd);
    return failed ? fail_errno(err, name_for_user, "cannot write") : RP_OK;
}

/* All bytes on the disk, nothing more to be written through the descriptor. */
static rp_status settle(rp_outfile *out, const char *path, rp_error *err)
{
    if (rp_write_hook_fails()) {
        errno = ENOSPC;
        return fail_errno(err, path, "cannot write");
    }
    rp_status status = sync_path(out->temporary, path, err);
    if (status) return status;
    const int failed = close(out->fd);
    out->fd = -1;
    return failed ? fail_errno(err, path, "cannot write") : RP_OK;
}

/* A new name must survive a power cut too; failure here loses nothing. */
static void sync_folder_of(const char *path)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    if (!copy) return;
    const int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    fsync(folder);
    close(folder);
}

rp_status rp_outfile_commit(rp_outfile *out, rp_error *err)
{
    rp_status status = settle(out, out->path, err);
    if (status) return status;
    if (rename(out->temporary, out->path) != 0) return fail_errno(err, out->path, "cannot write");
    out->committed = true;
    sync_folder_of(out->path);
    return RP_OK;
}

rp_status rp_outfile_commit_new(rp_outfile *out, const char *path, rp_error *err)
{
    rp_status status = settle(out, path, err);
    if (status) return status;
    int failed = renameat2(AT_FDCWD, out->temporary, AT_FDCWD, path, RENAME_NOREPLACE);
    if (failed && (errno == EINVAL || errno == ENOSYS)) { /* a file system without that rename */
        failed = link(out->temporary, path);
        if (!failed) unlink(out->temporary);
    }
    if (failed && errno == EEXIST) return rp_fail(err, RP_ERR_REFUSED, "%s: exists already", path);
    if (failed) return fail_errno(err, path, "cannot write");
    out->committed = true;
    sync_folder_of(path);
    return RP_OK;
}

void rp_outfile_destroy(rp_outfile *out)
{
    if (!out) return;
    if (out->fd >= 0) close(out->fd);
    if (!out->committed && out->temporary) unlink(out->temporary);
    rp_free(out->path);
    rp_free(out->temporary);
    rp_free(out);
}

void rp_outfile_clean(const char *path)
{
    RP_AUTOFREE char *for_folder = rp_strdup(path), *for_name = rp_strdup(path);
    if (!for_folder || !for_name) return;
    const char *folder = dirname(for_folder);
    RP_AUTOFREE char *prefix = rp_format("%s.part-", basename(for_name));
    DIR *list = prefix ? opendir(folder) : NULL;
    for (struct dirent *e; list && (e = readdir(list));) {
        const size_t length = strlen(prefix);
        if (strncmp(e->d_name, prefix, length) != 0 || strlen(e->d_name) != length + 6) continue;
        RP_AUTOFREE char *left = rp_path_join(folder, e->d_name);
        if (left && rp_name_is_temporary(e->d_name)) unlink(left);
    }
    if (list) closedir(list);
}

rp_status rp_file_write(const char *path, const void *data, size_t size, rp_error *err)
{
    rp_outfile *out = NULL;
    rp_status status = rp_outfile_create(path, &out, err);
    if (!status) status = rp_outfile_write(out, data, size, err);
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}
