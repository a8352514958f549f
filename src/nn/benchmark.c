/* The network against what the machine can do: limits and runs by turns, so that whatever else
 * slows the machine slows both. */
#include "fcd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TRIAD_FLOATS = 1 << 24, TRIAD_TASK = 1 << 18, TRIAD_PASSES = 3 };
enum { TASKS_PER_WORKER = 24, PURPOSE_BENCHMARK = 0x62000000 };
static const double task_seconds = 3e-3;

typedef struct bench {
    const rp_benchmark_options *options;
    const rp_progress *progress;
    rp_fcd *net;
    rp_adam *adam, *trained_adam;
    rp_session *predict, *train, *trained;
    float *image;
    uint8_t *target;
    float *triad[3];
    /* For each round; two of multiply_add. */
    double *multiply_add, *bandwidth, *forward, *step, *trained_step, *other, *sorted;
    rp_profile *profiles;
} bench;

/* ---- the machine ------------------------------------------------------------------------- */

static void multiply_add_task(void *context, size_t task, int worker)
{
    (void)task;
    (void)worker;
    rp_kernels_get()->multiply_add(*(const uint64_t *)context);
}

/* FLOP/s of all threads. Many short tasks, so that no thread waits for long at the end. */
static double measure_multiply_add(void)
{
    const rp_kernels *k = rp_kernels_get();
    uint64_t rounds = 1 << 14;
    double quickest = INFINITY;
    for (int i = 0; i < 5; i++) {
        double start = rp_seconds();
        k->multiply_add(rounds);
        quickest = fmin(quickest, rp_seconds() - start);
    }
    rounds = (uint64_t)((double)rounds * task_seconds / fmax(quickest, 1e-7)) + 1;
    double flops_per_round = k->multiply_add(1);
    size_t tasks = (size_t)rp_threads_get() * TASKS_PER_WORKER;
    double start = rp_seconds();
    rp_parallel_for(tasks, multiply_add_task, &rounds);
    return (double)tasks * (double)rounds * flops_per_round / (rp_seconds() - start);
}

static void triad_task(void *context, size_t task, int worker)
{
    (void)worker;
    float *const *buffers = context;
    size_t at = task * TRIAD_TASK;
    rp_kernels_get()->triad(buffers[0] + at, buffers[1] + at, buffers[2] + at, 0.5f, TRIAD_TASK);
}

static double measure_bandwidth(bench *b)
{
    double start = rp_seconds();
    for (int i = 0; i < TRIAD_PASSES; i++)
        rp_parallel_for(TRIAD_FLOATS / TRIAD_TASK, triad_task, b->triad);
    double bytes = 3.0 * sizeof(float) * TRIAD_FLOATS * TRIAD_PASSES;
    return bytes / (rp_seconds() - start);
}

/* The kernel's own count for this program; getrusage's would include what started it. */
static size_t peak_resident_bytes(void)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && !kib && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoul(line + 6, NULL, 10);
    if (file) fclose(file);
    struct rusage usage;
    if (!kib && getrusage(RUSAGE_SELF, &usage) == 0) kib = (size_t)usage.ru_maxrss;
    return kib * 1024;
}

/* ---- the network ------------------------------------------------------------------------- */

static rp_status run_forward(bench *b, double *seconds, rp_error *err)
{
    double start = rp_seconds();
    rp_status status = rp_session_forward(b->predict, b->image, 0, 1, 1, err);
    *seconds = rp_seconds() - start;
    return status;
}

static rp_status run_step(const bench *b, rp_session *session, rp_adam *adam, uint64_t step,
                          double *seconds, rp_error *err)
{
    rp_loss loss;
    rp_loss_weights weights;
    rp_loss_weights_defaults(&weights);
    double start = rp_seconds();
    rp_status status = rp_session_forward(session, b->image, 0, 1, step, err);
    if (!status) status = rp_session_loss(session, b->target, &weights, true, &loss, err);
    if (!status) rp_adam_step(adam, 1e-4);
    *seconds = rp_seconds() - start;
    return status;
}

static double profile_seconds(const rp_profile *profile)
{
    const rp_profile_entry *e = &profile->entries[0][0][0];
    double seconds = 0;
    for (size_t i = 0; i < sizeof *profile / sizeof *e; i++) seconds += e[i].seconds;
    return seconds;
}

static rp_status cancelled(const bench *b, rp_error *err)
{
    if (!rp_progress_cancelled(b->progress)) return RP_OK;
    return rp_fail(err, RP_ERR_CANCELLED, "the benchmark was interrupted");
}

static rp_status run_round(bench *b, int round, rp_error *err)
{
    b->multiply_add[2 * round] = measure_multiply_add();
    b->bandwidth[round] = measure_bandwidth(b);
    rp_status status = cancelled(b, err);
    if (!status) status = run_forward(b, &b->forward[round], err);
    if (!status) status = cancelled(b, err);
    if (status) return status;
    b->multiply_add[2 * round + 1] = measure_multiply_add();
    rp_profile *profile = &b->profiles[round];
    rp_session_set_profile(b->train, profile);
    rp_adam_set_profile(b->adam, profile);
    const uint64_t step = (uint64_t)round + 2;
    status = run_step(b, b->train, b->adam, step, &b->step[round], err);
    b->other[round] = fmax(0, b->step[round] - profile_seconds(profile));
    if (!status) status = cancelled(b, err);
    if (!status && b->trained)
        status = run_step(b, b->trained, b->trained_adam, step, &b->trained_step[round], err);
    return status ? status : cancelled(b, err);
}

/* ---- what is needed ---------------------------------------------------------------------- */

static rp_status check_budget(const bench *b, rp_benchmark *result, rp_error *err)
{
    const int *n = b->options->size;
    const size_t budget = b->options->memory_bytes;
    rp_fcd_config config;
    rp_fcd_config_defaults(&config);
    size_t *forward = &result->forward.planned_bytes, *step = &result->step.planned_bytes;
    size_t *trained = &result->trained_step.planned_bytes;
    const rp_fcd_config *other = b->options->trained ? rp_fcd_config_of(b->options->trained) : NULL;
    result->triad_bytes = 3 * sizeof(float) * TRIAD_FLOATS;
    if (other && other->in_channels != 1)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "a network of %d inputs; the benchmark has one",
                       other->in_channels);
    rp_status status = rp_session_bytes(&config, n, RP_RUN_PREDICT, forward, err);
    if (!status) status = rp_session_bytes(&config, n, RP_RUN_TRAIN, step, err);
    if (!status && other) status = rp_session_bytes(other, n, RP_RUN_TRAIN, trained, err);
    if (status) return status;
    double bytes =
        (double)*forward + (double)*step + (double)*trained + (double)result->triad_bytes;
    if (!budget || bytes <= (double)budget) return RP_OK;
    return rp_fail(err, RP_ERR_BUDGET,
                   "benchmark at %dx%dx%d voxels: a prediction, a training step and the test of "
                   "memory take %.0f MiB, the memory budget is %.0f MiB",
                   n[2], n[1], n[0], ceil(bytes / 1048576), floor((double)budget / 1048576));
}

static rp_status make_input(bench *b, rp_error *err)
{
    const int *n = b->options->size;
    size_t voxels = (size_t)n[0] * (size_t)n[1] * (size_t)n[2], rounds = (size_t)b->options->rounds;
    b->image = rp_alloc(voxels, sizeof *b->image);
    b->target = rp_alloc(voxels, 1);
    b->multiply_add = rp_alloc(8 * rounds, sizeof *b->multiply_add);
    b->profiles = rp_alloc(rounds, sizeof *b->profiles);
    if (!b->image || !b->target || !b->multiply_add || !b->profiles)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the benchmark");
    b->bandwidth = b->multiply_add + 2 * rounds;
    b->forward = b->bandwidth + rounds;
    b->step = b->forward + rounds;
    b->trained_step = b->step + rounds;
    b->other = b->trained_step + rounds;
    b->sorted = b->other + rounds;
    rp_random r;
    rp_random_init(&r, 1, PURPOSE_BENCHMARK, 0);
    for (size_t i = 0; i < voxels; i++) {
        b->image[i] = (float)rp_random_uniform(&r);
        b->target[i] = b->image[i] > 0.8f;
    }
    return RP_OK;
}

static double forward_flops(const rp_profile *profile)
{
    const rp_profile_entry *e = &profile->entries[0][0][0];
    double flops = 0;
    for (size_t i = RP_PROFILE_FORWARD; i < sizeof *profile / sizeof *e; i += RP_PROFILE_OPERATIONS)
        flops += e[i].flops;
    return flops;
}

/* Counts the arithmetic too: the network need not be the default one. */
static rp_status warm_up_trained(bench *b, rp_benchmark *result, rp_error *err)
{
    double seconds;
    rp_profile profile = {0};
    rp_fcd *net = b->options->trained;
    rp_status status = rp_adam_create(net, &b->trained_adam, err);
    if (!status)
        status = rp_session_create(net, b->options->size, RP_RUN_TRAIN, 0, &b->trained, err);
    if (status) return status;
    rp_session_set_profile(b->trained, &profile);
    status = run_step(b, b->trained, b->trained_adam, 1, &seconds, err);
    rp_session_set_profile(b->trained, NULL);
    result->trained_step.flops = 3 * forward_flops(&profile);
    result->trained_step.peak_bytes = peak_resident_bytes();
    return status;
}

/* Each run once, alone as far as memory goes, which tells its peak; then everything side by side.
 */
static rp_status warm_up(bench *b, rp_benchmark *result, rp_error *err)
{
    const int *n = b->options->size;
    double seconds;
    rp_status status = rp_session_create(b->net, n, RP_RUN_PREDICT, 0, &b->predict, err);
    if (!status) status = run_forward(b, &seconds, err);
    if (!status) status = cancelled(b, err);
    if (status) return status;
    result->forward.peak_bytes = peak_resident_bytes();
    rp_session_destroy(b->predict);
    b->predict = NULL;
    status = rp_adam_create(b->net, &b->adam, err);
    if (!status) status = rp_session_create(b->net, n, RP_RUN_TRAIN, 0, &b->train, err);
    if (!status) status = run_step(b, b->train, b->adam, 1, &seconds, err);
    if (status) return status;
    memcpy(result->padded, b->train->padded, sizeof result->padded);
    result->step.peak_bytes = peak_resident_bytes();
    if (b->options->trained) status = warm_up_trained(b, result, err);
    if (!status) status = rp_session_create(b->net, n, RP_RUN_PREDICT, 0, &b->predict, err);
    for (int i = 0; i < 3 && !status; i++) {
        b->triad[i] = rp_alloc(TRIAD_FLOATS, sizeof *b->triad[i]);
        if (!b->triad[i])
            status = rp_fail(err, RP_ERR_MEMORY, "no memory for the test of the bandwidth");
    }
    return status;
}

static void release(bench *b)
{
    rp_session_destroy(b->predict);
    rp_session_destroy(b->train);
    rp_session_destroy(b->trained);
    rp_adam_destroy(b->adam);
    rp_adam_destroy(b->trained_adam);
    rp_fcd_destroy(b->net);
    rp_free(b->image);
    rp_free(b->target);
    rp_free(b->multiply_add);
    rp_free(b->profiles);
    for (int i = 0; i < 3; i++) rp_free(b->triad[i]);
}

/* ---- figures ----------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts in place. */
static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static rp_benchmark_figure figure(double *values, int count, bool largest_is_best)
{
    double middle = median(values, count);
    return (rp_benchmark_figure){middle, largest_is_best ? values[count - 1] : values[0]};
}

static void summarise(bench *b, rp_benchmark *result)
{
    const int rounds = b->options->rounds;
    result->multiply_add = figure(b->multiply_add, 2 * rounds, true);
    result->triad = figure(b->bandwidth, rounds, true);
    result->forward.seconds = figure(b->forward, rounds, false);
    result->step.seconds = figure(b->step, rounds, false);
    if (b->trained) result->trained_step.seconds = figure(b->trained_step, rounds, false);
    result->other_seconds = median(b->other, rounds);
    /* Every round does the same but for the time it takes. */
    result->kernels = b->profiles[0];
    rp_profile_entry *to = &result->kernels.entries[0][0][0];
    for (size_t i = 0; i < sizeof result->kernels / sizeof *to; i++) {
        for (int r = 0; r < rounds; r++)
            b->sorted[r] = (&b->profiles[r].entries[0][0][0])[i].seconds;
        to[i].seconds = median(b->sorted, rounds);
    }
    result->forward.flops = forward_flops(&result->kernels);
    result->step.flops = 3 * result->forward.flops;
}

rp_status rp_benchmark_measure(const rp_benchmark_options *options, const rp_progress *progress,
                               rp_benchmark *result, rp_error *err)
{
    bench b = {.options = options, .progress = progress};
    rp_fcd_config config;
    rp_fcd_config_defaults(&config);
    *result = (rp_benchmark){0};
    if (options->rounds < 1)
        return rp_fail(err, RP_ERR_ARGUMENT, "benchmark of %d rounds", options->rounds);
    rp_status status = check_budget(&b, result, err);
    if (!status) status = cancelled(&b, err);
    if (!status) status = make_input(&b, err);
    if (!status) status = rp_fcd_create(&config, 1, &b.net, err);
    rp_progress_report(progress, "round", 0, options->rounds, "warming up");
    if (!status) status = warm_up(&b, result, err);
    for (int r = 0; r < options->rounds && !status; r++) {
        status = run_round(&b, r, err);
        if (!status) rp_progress_report(progress, "round", r + 1, options->rounds, NULL);
    }
    if (!status) summarise(&b, result);
    release(&b);
    return status;
}

double rp_benchmark_limit_seconds(const rp_benchmark *b, const rp_profile_entry *entry,
                                  bool *by_memory)
{
    double arithmetic = entry->flops / b->multiply_add.median;
    double memory = entry->bytes / b->triad.median;
    if (by_memory) *by_memory = memory > arithmetic;
    return fmax(arithmetic, memory);
}
