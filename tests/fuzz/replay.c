/* Runs the files named, or all in the folders named, through a fuzz target, without libFuzzer: in
 * builds by any compiler. A finding ends the process. */
#include "fuzz.h"

#include <stdio.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replay_file(const char *path)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rp_error err = {0};
    fprintf(stderr, "%s\n", path);
    if (rp_file_read(path, &data, &size, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    /* An exact copy on the heap, so that a sanitizer sees a reader that leaves it. */
    LLVMFuzzerTestOneInput(data, size);
    rp_free(data);
    return 1;
}

static size_t replay_folder(const char *path)
{
    char **list = NULL;
    size_t count = 0;
    rp_error err = {0};
    if (rp_directory_list(path, &list, &count, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    for (size_t i = 0; i < count; i++) replay_file(list[i]);
    rp_string_list_free(list, count);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        count += rp_path_is_directory(argv[i]) ? replay_folder(argv[i]) : replay_file(argv[i]);
    printf("%zu inputs replayed\n", count);
    return count == 0;
}
