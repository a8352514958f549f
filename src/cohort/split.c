/* Splits by chance: whole patients, in an order that seed and ids alone decide. */
#include "reprise/cohort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PURPOSE_SPLIT = 0x53504C54 };

static int compare_ids(const void *a, const void *b)
{
    const rp_cohort_patient *const *p = a, *const *q = b;
    return strcmp((*p)->id, (*q)->id);
}

/* Who is to be divided, shuffled; rp_alloc'd, NULL when memory is short. */
static rp_cohort_patient **shuffled(rp_cohort *cohort, uint64_t seed, size_t *count)
{
    rp_cohort_patient **order = rp_alloc(cohort->patient_count, sizeof *order);
    rp_random r;
    *count = 0;
    if (!order) return NULL;
    for (size_t i = 0; i < cohort->patient_count; i++)
        if (strcmp(cohort->patients[i].split, "test") != 0)
            order[(*count)++] = &cohort->patients[i];
    qsort(order, *count, sizeof *order, compare_ids);
    rp_random_init(&r, seed, PURPOSE_SPLIT, 0);
    for (size_t i = *count; i-- > 1;) {
        const size_t other = (size_t)(rp_random_uniform(&r) * (double)(i + 1));
        rp_cohort_patient *kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    return order;
}

/* All splits anew or none: names[i] for order[i]; takes the names over. */
static rp_status assign(rp_cohort_patient **order, char **names, size_t count, rp_error *err)
{
    bool complete = true;
    for (size_t i = 0; i < count; i++) complete = complete && names[i];
    for (size_t i = 0; i < count; i++) {
        char *unused = names[i];
        if (complete) {
            unused = order[i]->split;
            order[i]->split = names[i];
        }
        rp_free(unused);
    }
    return complete ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "split: out of memory");
}

rp_status rp_cohort_split_random(rp_cohort *cohort, double share, uint64_t seed, rp_error *err)
{
    size_t count;
    if (!(share > 0 && share < 1))
        return rp_fail(err, RP_ERR_ARGUMENT, "split: a share lies between 0 and 1, not %g", share);
    RP_AUTOFREE rp_cohort_patient **order = shuffled(cohort, seed, &count);
    RP_AUTOFREE char **names = rp_alloc(count, sizeof *names);
    if (!order || !names) return rp_fail(err, RP_ERR_MEMORY, "split: out of memory");
    if (count < 2)
        return rp_fail(err, RP_ERR_ARGUMENT, "split: %zu patient%s cannot be divided", count,
                       count == 1 ? "" : "s");
    const double wanted = fmin(fmax(round(share * (double)count), 1), (double)(count - 1));
    for (size_t i = 0; i < count; i++)
        names[i] = rp_strdup((double)i < wanted ? "validation" : "training");
    return assign(order, names, count, err);
}

rp_status rp_cohort_split_folds(rp_cohort *cohort, int k, uint64_t seed, rp_error *err)
{
    size_t count;
    if (k < 2) return rp_fail(err, RP_ERR_ARGUMENT, "split: at least 2 folds, not %d", k);
    RP_AUTOFREE rp_cohort_patient **order = shuffled(cohort, seed, &count);
    RP_AUTOFREE char **names = rp_alloc(count, sizeof *names);
    if (!order || !names) return rp_fail(err, RP_ERR_MEMORY, "split: out of memory");
    if (count < (size_t)k)
        return rp_fail(err, RP_ERR_ARGUMENT, "split: %zu patient%s are too few for %d folds", count,
                       count == 1 ? "" : "s", k);
    for (size_t i = 0; i < count; i++) names[i] = rp_format("%zu", i % (size_t)k + 1);
    return assign(order, names, count, err);
}
