#include "prefetch.h"
#include "sample.h"

#include <pthread.h>
#include <string.h>

enum { PURPOSE_ORDER = 0x4C000005 };

/* One crop and what became of it. */
typedef struct crop {
    float *input;
    uint8_t *target;
    uint64_t step;
    rp_status status;
    rp_error err;
} crop;

typedef enum work_state { IDLE, WANTED, DONE, STOP } work_state;

struct rp_prefetch {
    const rp_train_case *cases;
    rp_adapt_options options; /* the crop is the size of all */
    size_t count;
    uint64_t steps, ordered_epoch;
    uint32_t *order; /* of ordered_epoch; UINT64_MAX: none yet */
    crop now, next;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    work_state state; /* of next; guarded by lock */
};

/* ---- which case -------------------------------------------------------------------------------
 */

/* Fisher and Yates. */
static void shuffle(rp_prefetch *p, uint64_t epoch)
{
    const size_t slots = p->count * (size_t)p->options.copies;
    rp_random random;
    rp_random_init(&random, p->options.seed, PURPOSE_ORDER, epoch);
    for (size_t i = 0; i < slots; i++) p->order[i] = (uint32_t)(i % p->count);
    for (size_t i = slots - 1; i > 0; i--) {
        const size_t j = (size_t)(rp_random_uniform(&random) * (double)(i + 1));
        const uint32_t kept = p->order[i];
        p->order[i] = p->order[j];
        p->order[j] = kept;
    }
    p->ordered_epoch = epoch;
}

size_t rp_prefetch_case(rp_prefetch *p, uint64_t step)
{
    const uint64_t slots = p->count * (uint64_t)p->options.copies;
    if (p->ordered_epoch != step / slots) shuffle(p, step / slots);
    return p->order[step % slots];
}

/* ---- one crop ---------------------------------------------------------------------------------
 */

static rp_status read_case(const rp_train_case *one, rp_image *image, rp_mask *mask, rp_error *err)
{
    rp_status status = rp_nifti_read_image(one->image_path, image, NULL, err);
    if (!status) status = rp_nifti_read_mask(one->mask_path, false, mask, NULL, err);
    if (!status && (memcmp(image->grid.size, one->size, sizeof one->size) != 0 ||
                    !rp_grid_same(&image->grid, &mask->grid, 1e-3)))
        status = rp_fail(err, RP_ERR_FORMAT, "%s: not the file that was prepared", one->image_path);
    return status ? rp_fail_in(err, status, "%s", one->name) : RP_OK;
}

static void make_crop(rp_prefetch *p, crop *c)
{
    const rp_train_case *one = &p->cases[rp_prefetch_case(p, c->step)];
    rp_image image = {0};
    rp_mask mask = {0};
    rp_sampler sampler = {0};
    rp_warp warp;
    c->status = read_case(one, &image, &mask, &c->err);
    if (!c->status) c->status = rp_sampler_init(&sampler, &image, &mask, &p->options, &c->err);
    if (!c->status) {
        rp_sampler_plan(&sampler, c->step, &warp);
        rp_sampler_apply(&sampler, &warp, c->input, c->target);
    }
    rp_sampler_release(&sampler);
    rp_image_release(&image);
    rp_mask_release(&mask);
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static void *work(void *argument)
{
    rp_prefetch *p = argument;
    rp_threads_keep_out();
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->state == IDLE || p->state == DONE) pthread_cond_wait(&p->changed, &p->lock);
        if (p->state == STOP) break;
        pthread_mutex_unlock(&p->lock);
        make_crop(p, &p->next);
        pthread_mutex_lock(&p->lock);
        if (p->state == STOP) break;
        p->state = DONE;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Until the thread has nothing to do; true if it has prepared this step. */
static bool wait_for(rp_prefetch *p, uint64_t step)
{
    pthread_mutex_lock(&p->lock);
    while (p->state == WANTED) pthread_cond_wait(&p->changed, &p->lock);
    const bool found = p->state == DONE && p->next.step == step;
    p->state = IDLE;
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void ask_for(rp_prefetch *p, uint64_t step)
{
    pthread_mutex_lock(&p->lock);
    p->next.step = step;
    p->state = WANTED;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

rp_status rp_prefetch_sample(void *prefetch, uint64_t step, const float **input,
                             const uint8_t **target, rp_error *err)
{
    rp_prefetch *p = prefetch;
    if (wait_for(p, step)) {
        const crop kept = p->now;
        p->now = p->next;
        p->next = kept;
    } else {
        p->now.step = step;
        make_crop(p, &p->now);
    }
    if (p->now.status) return rp_fail(err, p->now.status, "%s", p->now.err.message);
    *input = p->now.input;
    *target = p->now.target;
    if (p->running && step + 1 < p->steps) ask_for(p, step + 1);
    return RP_OK;
}

/* ---- the object -------------------------------------------------------------------------------
 */

static bool allocate(crop *c, size_t voxels)
{
    c->input = rp_alloc(voxels, sizeof *c->input);
    c->target = rp_alloc(voxels, sizeof *c->target);
    return c->input && c->target;
}

rp_status rp_prefetch_create(const rp_train_case *cases, size_t count,
                             const rp_adapt_options *options, const int size[3], uint64_t steps,
                             rp_prefetch **out, rp_error *err)
{
    rp_prefetch *p = rp_alloc(1, sizeof *p);
    const size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    if (!p) return rp_fail(err, RP_ERR_MEMORY, "no memory to prepare crops");
    *p = (rp_prefetch){.cases = cases,
                       .options = *options,
                       .count = count,
                       .steps = steps,
                       .ordered_epoch = UINT64_MAX,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .changed = PTHREAD_COND_INITIALIZER};
    memcpy(p->options.crop, size, sizeof p->options.crop);
    p->order = rp_alloc(count * (size_t)options->copies, sizeof *p->order);
    if (!p->order || !allocate(&p->now, voxels) || !allocate(&p->next, voxels)) {
        rp_prefetch_destroy(p);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for crops of %zu voxels", voxels);
    }
    /* Without the thread crops are prepared when they are asked for. */
    p->running = pthread_create(&p->thread, NULL, work, p) == 0;
    *out = p;
    return RP_OK;
}

void rp_prefetch_destroy(rp_prefetch *p)
{
    if (!p) return;
    if (p->running) {
        pthread_mutex_lock(&p->lock);
        p->state = STOP;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    rp_free(p->order);
    rp_free(p->now.input);
    rp_free(p->now.target);
    rp_free(p->next.input);
    rp_free(p->next.target);
    rp_free(p);
}
