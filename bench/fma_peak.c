/* This machine's float32 multiply-add peak, by the best kernel table. Reads numbers of threads, one
 * a line, and answers each with a line of JSON: GFLOP/s over about 0.2 s. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "reprise/kernels.h"

/* Many short tasks, so that no thread waits for long at the end. */
enum { TASKS_PER_THREAD = 40, TRIAL_ROUNDS = 1 << 16 };
static const double measured_seconds = 0.2;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void task(void *context, size_t number, int worker)
{
    (void)number;
    (void)worker;
    rp_kernels_get()->multiply_add(*(const uint64_t *)context);
}

static double seconds(size_t tasks, uint64_t rounds)
{
    double start = now();
    rp_parallel_for(tasks, task, &rounds);
    return now() - start;
}

int main(void)
{
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        int threads = atoi(line);
        if (threads < 1) return 1;
        rp_threads_set(threads);
        size_t tasks = (size_t)threads * TASKS_PER_THREAD;
        double trial = seconds(tasks, TRIAL_ROUNDS);
        uint64_t rounds = (uint64_t)(measured_seconds / trial * TRIAL_ROUNDS) + 1;
        double flop = rp_kernels_get()->multiply_add(1) * (double)rounds * (double)tasks;
        printf("{\"gflops\": %.1f}\n", flop / seconds(tasks, rounds) * 1e-9);
        fflush(stdout);
    }
    return 0;
}
