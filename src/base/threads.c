/* A pool of POSIX threads behind one primitive. Tasks are taken from a shared counter, so their
 * order is open and their results must not depend on it. Plain mutexes and conditions, so that the
 * thread sanitizer sees every edge (it cannot see into OpenMP's runtime). */
#define _GNU_SOURCE
#include "reprise/base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MAX_WORKERS = 256 };

typedef struct pool_state {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    pthread_mutex_t use; /* held by the caller that runs a loop; another caller runs serially */
    int wanted, started;
    unsigned long generation;
    int joined, finished;
    rp_task task;
    void *context;
    size_t count;
    atomic_size_t next;
} pool_state;

static pool_state pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .done = PTHREAD_COND_INITIALIZER,
    .use = PTHREAD_MUTEX_INITIALIZER,
};
static atomic_int configured;
static _Thread_local int current_worker = -1;

static int available_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

void rp_threads_set(int count)
{
    if (count < 0) count = 0;
    atomic_store(&configured, count > MAX_WORKERS ? MAX_WORKERS : count);
}

int rp_threads_get(void)
{
    int count = atomic_load(&configured);
    if (count == 0) {
        count = available_processors();
        if (count > MAX_WORKERS) count = MAX_WORKERS;
        atomic_store(&configured, count);
    }
    return count;
}

static void run_tasks(int worker)
{
    size_t i;
    current_worker = worker;
    while ((i = atomic_fetch_add(&pool.next, 1)) < pool.count) pool.task(pool.context, i, worker);
    current_worker = -1;
}

static void *worker_main(void *argument)
{
    int worker = (int)(intptr_t)argument;
    unsigned long seen = 0;
    rp_denormals_flush(); /* for good: this thread does nothing but tasks */
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (pool.generation == seen) pthread_cond_wait(&pool.wake, &pool.lock);
        seen = pool.generation;
        if (worker >= pool.wanted) continue;
        pool.joined++;
        pthread_mutex_unlock(&pool.lock);
        run_tasks(worker);
        pthread_mutex_lock(&pool.lock);
        if (++pool.finished == pool.joined) pthread_cond_signal(&pool.done);
    }
    return NULL;
}

/* Called with the lock held. A thread that cannot be started is done without. */
static void start_workers(int workers)
{
    while (pool.started < workers - 1) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker_main, (void *)(intptr_t)(pool.started + 1)))
            return;
        pthread_detach(thread);
        pool.started++;
    }
}

/* The thread counts as a worker within a loop, whose own loops are serial. */
void rp_threads_keep_out(void)
{
    current_worker = 0;
}

/* Called with pool.use held. */
static void run_on_pool(int workers, size_t count, rp_task task, void *context)
{
    pthread_mutex_lock(&pool.lock);
    start_workers(workers);
    pool.task = task;
    pool.context = context;
    pool.count = count;
    atomic_store(&pool.next, 0);
    pool.wanted = workers;
    pool.joined = pool.finished = 0;
    pool.generation++;
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);

    run_tasks(0);

    pthread_mutex_lock(&pool.lock);
    /* Late wakers must not join a loop that is over: nobody is wanted from here on. */
    pool.wanted = 0;
    while (pool.finished < pool.joined) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

void rp_parallel_for(size_t count, rp_task task, void *context)
{
    int workers = rp_threads_get();
    bool nested = current_worker >= 0;
    const uint64_t denormals = rp_denormals_flush();
    if (nested || workers == 1 || count < 2 || pthread_mutex_trylock(&pool.use) != 0) {
        int worker = nested ? current_worker : 0;
        for (size_t i = 0; i < count; i++) task(context, i, worker);
    } else {
        run_on_pool(workers, count, task, context);
        pthread_mutex_unlock(&pool.use);
    }
    rp_denormals_restore(denormals);
}
