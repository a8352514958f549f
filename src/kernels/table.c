/* Choice of the kernel table. */
#include "cpu/tables.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic(const rp_kernels *) current;

int rp_kernels_available(const rp_kernels *tables[], int room)
{
    int count = 0;
    if (count < room) tables[count++] = &rp_kernels_ref;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    if (avx2 && count < room) tables[count++] = &rp_kernels_avx2;
    if (avx2 && avx512 && count < room) tables[count++] = &rp_kernels_avx512;
#elif defined(__aarch64__)
    if (count < room) tables[count++] = &rp_kernels_neon; /* part of every aarch64 processor */
#endif
    return count;
}

const rp_kernels *rp_kernels_get(void)
{
    const rp_kernels *table = atomic_load(&current);
    if (!table) {
        rp_kernels_select(NULL, NULL);
        table = atomic_load(&current);
    }
    return table;
}

rp_status rp_kernels_select(const char *name, rp_error *err)
{
    const rp_kernels *tables[8];
    int count = rp_kernels_available(tables, 8);
    if (!name) {
        atomic_store(&current, tables[count - 1]);
        return RP_OK;
    }
    char have[64] = "";
    for (int i = 0; i < count; i++) {
        if (!strcmp(name, tables[i]->name)) {
            atomic_store(&current, tables[i]);
            return RP_OK;
        }
        if (i) strcat(have, ", ");
        strcat(have, tables[i]->name);
    }
    return rp_fail(err, RP_ERR_UNSUPPORTED, "no kernels \"%s\" for this processor; it can run: %s",
                   name, have);
}
