#define _GNU_SOURCE
#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PARTS = 16 };
static char folder[64];

static void remove_parts(void)
{
    for (int i = 0; i < MAX_PARTS; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s/%02d", folder, i);
        if (unlink(name) != 0) return;
    }
}

static void remove_folder(void)
{
    remove_parts();
    rmdir(folder);
}

/* One thread: the same input takes the same way again. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    rp_threads_set(1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input(data, size);
    return 0;
}

void fuzz_check(bool holds, const char *contract)
{
    if (holds) return;
    fprintf(stderr, "broken contract: %s\n", contract);
    abort();
}

void fuzz_check_error(rp_status status, const rp_error *err, const char *path)
{
    fuzz_check((err->message[0] != 0) == (status != RP_OK), "an error, and nothing else, has a message");
    fuzz_check(memchr(err->message, 0, sizeof err->message), "a message ends");
    if (!status) return;
    fuzz_check(err->status == status, "the error holds the status returned");
    fuzz_check(strstr(err->message, path), "a message names the path");
}

void fuzz_check_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fuzz_check(isfinite(values[i]), "delivered values are finite");
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    const bool written = fd >= 0 && ftruncate(fd, 0) == 0 &&
                         (size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size);
    fuzz_check(written, "there is memory for the input");
    return path;
}

static void write_part(int number, const uint8_t *data, size_t size)
{
    char name[96];
    snprintf(name, sizeof name, "%s/%02d", folder, number);
    FILE *file = fopen(name, "wbe");
    fuzz_check(file, "a part of the input can be created");
    fuzz_check(fwrite(data, 1, size, file) == size, "a part of the input can be written");
    fclose(file);
}

const char *fuzz_folder(const uint8_t *data, size_t size)
{
    static const size_t cut = sizeof FUZZ_CUT - 1;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/dev/shm/reprise-fuzz-XXXXXX");
        fuzz_check(mkdtemp(folder), "a folder in /dev/shm can be made");
        atexit(remove_folder);
    }
    remove_parts();
    for (int part = 0; part < MAX_PARTS; part++) {
        const uint8_t *end = part < MAX_PARTS - 1 ? memmem(data, size, FUZZ_CUT, cut) : NULL;
        const size_t length = end ? (size_t)(end - data) : size;
        write_part(part, data, length);
        if (!end) break;
        data = end + cut;
        size -= length + cut;
    }
    return folder;
}
