#include "test.h"

#include <float.h>
#include <pthread.h>
#include <stdatomic.h>

enum { TASKS = 5000, WORKERS = 8, INNER = 7 };

typedef struct tally {
    int runs[TASKS]; /* each is written by its own task only */
    atomic_int total;
    atomic_bool busy[WORKERS];
    atomic_int clashes;
} tally;

static void count_task(void *context, size_t task, int worker)
{
    tally *t = context;
    if (worker < 0 || worker >= rp_threads_get() || atomic_exchange(&t->busy[worker], true)) {
        atomic_fetch_add(&t->clashes, 1);
        return;
    }
    t->runs[task]++;
    atomic_fetch_add(&t->total, 1);
    atomic_store(&t->busy[worker], false);
}

static void check_counts(size_t count)
{
    tally *t = calloc(1, sizeof *t);
    rp_parallel_for(count, count_task, t);
    assert_int_equal(atomic_load(&t->clashes), 0);
    assert_int_equal(atomic_load(&t->total), count);
    for (size_t i = 0; i < TASKS; i++) assert_int_equal(t->runs[i], i < count);
    free(t);
}

static void test_each_task_runs_once(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 8, 3};
    for (int i = 0; i < 4; i++) {
        rp_threads_set(threads[i]);
        assert_int_equal(rp_threads_get(), threads[i]);
        for (int again = 0; again < 50; again++) {
            check_counts(TASKS);
            check_counts((size_t)again);
        }
    }
    rp_threads_set(0);
    assert_true(rp_threads_get() >= 1);
    rp_threads_set(-5);
    assert_true(rp_threads_get() >= 1);
}

typedef struct nest {
    atomic_int runs[40][INNER];
    atomic_int strays;
} nest;

typedef struct inner_context {
    nest *all;
    size_t outer;
    int worker;
} inner_context;

static void inner_task(void *context, size_t task, int worker)
{
    inner_context *c = context;
    if (worker != c->worker) atomic_fetch_add(&c->all->strays, 1);
    atomic_fetch_add(&c->all->runs[c->outer][task], 1);
}

static void outer_task(void *context, size_t task, int worker)
{
    inner_context inner = {context, task, worker};
    rp_parallel_for(INNER, inner_task, &inner);
}

static void test_nested_loops_run_serially(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 8};
    for (int i = 0; i < 3; i++) {
        nest *all = calloc(1, sizeof *all);
        rp_threads_set(threads[i]);
        rp_parallel_for(40, outer_task, all);
        assert_int_equal(atomic_load(&all->strays), 0);
        for (int outer = 0; outer < 40; outer++)
            for (int inner = 0; inner < INNER; inner++)
                assert_int_equal(atomic_load(&all->runs[outer][inner]), 1);
        free(all);
    }
    rp_threads_set(0);
}

static void add_task(void *context, size_t task, int worker)
{
    (void)worker;
    atomic_fetch_add((atomic_long *)context, (long)task);
}

static void *run_loops(void *context)
{
    atomic_long *wrong = context;
    for (int i = 0; i < 200; i++) {
        atomic_long sum = 0;
        rp_parallel_for(100, add_task, &sum);
        if (atomic_load(&sum) != 4950) atomic_fetch_add(wrong, 1);
    }
    return NULL;
}

static void test_two_callers_at_once(void **state)
{
    (void)state;
    pthread_t other;
    atomic_long wrong = 0;
    rp_threads_set(4);
    assert_int_equal(pthread_create(&other, NULL, run_loops, &wrong), 0);
    run_loops(&wrong);
    pthread_join(other, NULL);
    rp_threads_set(0);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* Of each task: the smallest normal number halved, which is denormal. */
static void halve_task(void *context, size_t task, int worker)
{
    (void)worker;
    volatile float smallest = FLT_MIN;
    volatile double smallest_double = DBL_MIN;
    ((double *)context)[task] = (double)(smallest * 0.5f) + smallest_double * 0.5;
}

static void test_denormals_are_zero_in_tasks_only(void **state)
{
    (void)state;
#if !defined(__x86_64__) && !defined(__aarch64__)
    skip_where(true, "denormal numbers are left alone on this processor");
#endif
    enum { COUNT = 1000 };
    volatile float smallest = FLT_MIN;
    double *halves = calloc(COUNT, sizeof *halves);
    for (int threads = 1; threads <= WORKERS; threads += WORKERS - 1) {
        rp_threads_set(threads);
        for (size_t i = 0; i < COUNT; i++) halves[i] = 1;
        rp_parallel_for(COUNT, halve_task, halves);
        for (size_t i = 0; i < COUNT; i++) assert_true(halves[i] == 0);
        assert_true(smallest * 0.5f > 0);
    }
    const uint64_t before = rp_denormals_flush();
    assert_true(smallest * 0.5f == 0);
    rp_denormals_restore(before);
    assert_true(smallest * 0.5f > 0);
    free(halves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_task_runs_once),
        cmocka_unit_test(test_nested_loops_run_serially),
        cmocka_unit_test(test_two_callers_at_once),
        cmocka_unit_test(test_denormals_are_zero_in_tasks_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
