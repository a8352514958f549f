/* The safetensors reader. What it delivers is written and read again, and must be the same. */
#include "fuzz.h"
#include "reprise/io.h"

#include <unistd.h>

static size_t elements_of(const rp_named_tensor *tensor)
{
    size_t count = 1;
    for (int i = 0; i < tensor->rank; i++) count *= (size_t)tensor->shape[i];
    return count;
}

static void check_same(const rp_tensor_file *a, const rp_tensor_file *b)
{
    fuzz_check(a->tensor_count == b->tensor_count && a->metadata_count == b->metadata_count,
               "what was written has as many entries");
    for (size_t i = 0; i < a->tensor_count; i++) {
        const rp_named_tensor *x = &a->tensors[i], *y = &b->tensors[i];
        fuzz_check(!strcmp(x->name, y->name) && x->rank == y->rank &&
                       !memcmp(x->shape, y->shape, sizeof x->shape),
                   "names and shapes survive");
        fuzz_check(!memcmp(x->data, y->data, elements_of(x) * sizeof(float)), "values survive");
        fuzz_check(rp_tensor_file_find(a, x->name) == x, "a tensor is found by its name");
    }
    for (size_t i = 0; i < a->metadata_count; i++) {
        const char *value = rp_tensor_file_metadata(b, a->metadata[i].key);
        fuzz_check(value && !strcmp(value, a->metadata[i].value), "metadata survive");
    }
}

static void write_and_read(const rp_tensor_file *file)
{
    rp_tensor_file again = {0};
    rp_error err = {0};
    RP_AUTOFREE char *path = rp_format("/dev/shm/reprise-fuzz-%d.safetensors", (int)getpid());
    fuzz_check(rp_safetensors_write(path, file, &err) == RP_OK, "what was read can be written");
    fuzz_check(rp_safetensors_read(path, &again, &err) == RP_OK, "and read again");
    unlink(path);
    check_same(file, &again);
    rp_tensor_file_release(&again);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    rp_tensor_file file = {0};
    rp_error err = {0};
    rp_status status = rp_safetensors_read(path, &file, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(!status || (!file.tensors && !file.metadata), "a failure leaves nothing behind");
    if (status) return;
    write_and_read(&file);
    rp_tensor_file_release(&file);
}
