/* This machine's float32 FMA peak. Reads numbers of threads, one a line, and answers each with a
 * line of JSON: GFLOP/s over about 0.2 s. Compiled for the processor that it runs on. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

typedef float vector __attribute__((vector_size(BYTES)));

enum { LANES = BYTES / sizeof(float), CHAINS = 12, MOST_THREADS = 256 };

static pthread_barrier_t begin, end;
static long iterations;

static vector spread(float first)
{
    vector v;
    for (int l = 0; l < LANES; l++) v[l] = first + (float)l * 1e-3F;
    return v;
}

/* Twelve independent chains hide the latency of two FMA units; each tends to 1. Variables of their
 * own, since gcc would keep an array of them in memory. */
static float chains(long count)
{
    vector half = spread(0.5F) - spread(0.0F);
    vector a = spread(1), b = spread(2), c = spread(3), d = spread(4), e = spread(5), f = spread(6);
    vector g = spread(7), h = spread(8), i = spread(9), j = spread(10), k = spread(11),
           l = spread(12);
    for (long n = 0; n < count; n++) {
        a = a * half + half, b = b * half + half, c = c * half + half, d = d * half + half;
        e = e * half + half, f = f * half + half, g = g * half + half, h = h * half + half;
        i = i * half + half, j = j * half + half, k = k * half + half, l = l * half + half;
    }
    vector sum = a + b + c + d + e + f + g + h + i + j + k + l;
    return sum[0];
}

static void *worker(void *result)
{
    pthread_barrier_wait(&begin);
    *(float *)result = chains(iterations);
    pthread_barrier_wait(&end);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds(int threads, long count)
{
    static float results[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    iterations = count;
    pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&end, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, worker, &results[i]) != 0) exit(1);
    pthread_barrier_wait(&begin);
    double start = now();
    pthread_barrier_wait(&end);
    double taken = now() - start;
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&begin);
    pthread_barrier_destroy(&end);
    return taken;
}

int main(void)
{
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        int threads = atoi(line);
        if (threads < 1 || threads > MOST_THREADS) return 1;
        long trial = 1 << 20;
        long count = (long)(0.2 / seconds(threads, trial) * (double)trial) + 1;
        double flop = 2.0 * LANES * CHAINS * (double)count * threads;
        printf("{\"gflops\": %.1f, \"bits\": %d}\n", flop / seconds(threads, count) * 1e-9,
               8 * BYTES);
        fflush(stdout);
    }
    return 0;
}
