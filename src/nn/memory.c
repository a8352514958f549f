/* The memory of a run, planned before it is taken. */
#include "fcd.h"

#include <math.h>
#include <string.h>

#include "plan.h"

/* Hands out what lives all the time from one block; with base NULL it only counts. */
typedef struct arena {
    uint8_t *base;
    size_t used;
    bool overflow;
} arena;

static void *take(arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > (size_t)1 << 48 || a->overflow) {
        a->overflow = true;
        return NULL;
    }
    void *block = a->base ? a->base + a->used : NULL;
    a->used += (bytes + 63) / 64 * 64;
    return block;
}

static void set_extents(rp_session *s, const rp_fcd_config *config, const int size[3])
{
    int stride = rp_fcd_stride(config);
    for (int a = 0; a < 3; a++) {
        s->size[a] = size[a];
        s->padded[a] = (size[a] + stride - 1) / stride * stride;
    }
    for (int l = 0; l <= config->levels; l++) {
        level_state *level = &s->levels[l];
        for (int a = 0; a < 3; a++) level->size[a] = s->padded[a] >> l;
        level->voxels = (size_t)level->size[0] * (size_t)level->size[1] * (size_t)level->size[2];
    }
}

/* ---- what lives for a time --------------------------------------------------------------- */

/* The blocks of a plan, by their index; of a level's transition down where there is one. */
typedef struct session_blocks {
    memory_plan plan;
    int input, logits, grad_logits;
    int stack[MAX_LEVELS], gradient[MAX_LEVELS][STACK_PARTS];
    int pooled_from[MAX_LEVELS], unpooled[MAX_LEVELS], choice[MAX_LEVELS];
    int forward_steps;
} session_blocks;

static const char *const gradient_names[STACK_PARTS] = {"gradient of up", "gradient of skip",
                                                        "gradient of new"};

static void add_blocks(session_blocks *b, const rp_session *s, const rp_fcd *net)
{
    bool train = s->mode == RP_RUN_TRAIN;
    memory_plan *p = &b->plan;
    size_t voxels = s->levels[0].voxels, in = voxels * (size_t)net->config.in_channels;
    size_t out = voxels * (size_t)net->config.classes;
    b->input = memory_plan_add(p, "input", 0, &in, 1, sizeof(float));
    b->logits = memory_plan_add(p, "logits", 0, &out, 1, sizeof(float));
    if (train) b->grad_logits = memory_plan_add(p, "gradient of logits", 0, &out, 1, sizeof(float));
    for (int l = 0; l <= net->config.levels; l++) {
        const int *first = net->part_first[l];
        size_t parts[STACK_PARTS];
        for (int i = 0; i < STACK_PARTS; i++)
            parts[i] = (size_t)(first[i + 1] - first[i]) * s->levels[l].voxels;
        b->stack[l] = memory_plan_add(p, "channels", l, parts, STACK_PARTS, sizeof(float));
        for (int i = 0; train && i < STACK_PARTS; i++)
            b->gradient[l][i] =
                memory_plan_add(p, gradient_names[i], l, &parts[i], 1, sizeof(float));
    }
    for (int l = 0; l < net->config.levels; l++) {
        size_t channels = (size_t)(net->part_first[l][PART_NEW] - net->part_first[l][PART_SKIP]);
        size_t after = channels * s->levels[l + 1].voxels;
        size_t before = (size_t)group_room((int)channels, POOL_GROUPS) * s->levels[l].voxels;
        size_t back = (size_t)group_room((int)channels, UNPOOL_GROUPS) * s->levels[l].voxels;
        b->pooled_from[l] = memory_plan_add(p, "before pooling", l, &before, 1, sizeof(float));
        if (!train) continue;
        b->unpooled[l] = memory_plan_add(p, "unpooled gradient", l, &back, 1, sizeof(float));
        b->choice[l] = memory_plan_add(p, "choice of pooling", l, &after, 1, 1);
    }
}

static void touch_all(session_blocks *b, int block, int step)
{
    memory_plan_touch(&b->plan, block, 0, b->plan.blocks[block].bytes, step);
}

/* Channels of a stack. */
static void touch_channels(session_blocks *b, const rp_session *s, int level, int first,
                           int channels, int step)
{
    size_t bytes = s->levels[level].voxels * sizeof(float);
    memory_plan_touch(&b->plan, b->stack[level], (size_t)first * bytes, (size_t)channels * bytes,
                      step);
}

/* The gradient of channels of a stack. */
static void touch_gradient(session_blocks *b, const rp_fcd *net, int level, int first, int channels,
                           int step)
{
    const int *part = net->part_first[level];
    for (int i = 0; i < STACK_PARTS; i++)
        if (part[i] < first + channels && first < part[i + 1])
            touch_all(b, b->gradient[level][i], step);
}

static void touch_input(session_blocks *b, const rp_session *s, const unit *u, int step)
{
    if (u->type == UNIT_STEM)
        touch_all(b, b->input, step);
    else
        touch_channels(b, s, u->level, u->in_first, u->in_channels, step);
}

static void touch_forward(session_blocks *b, const rp_session *s, const unit *u, int step)
{
    touch_input(b, s, u, step);
    if (u->type == UNIT_HEAD) {
        touch_all(b, b->logits, step);
        return;
    }
    touch_channels(b, s, u->out_level, u->out_first, u->out_channels, step);
    if (u->type != UNIT_DOWN) return;
    touch_all(b, b->pooled_from[u->level], step);
    if (s->mode == RP_RUN_TRAIN) touch_all(b, b->choice[u->level], step);
}

static void touch_backward(session_blocks *b, const rp_session *s, const rp_fcd *net,
                           const backward_action *a, int step)
{
    const unit *u = &net->units[a->unit];
    if (u->type == UNIT_HEAD)
        touch_all(b, b->grad_logits, step);
    else
        touch_gradient(b, net, u->out_level, u->out_first, u->out_channels, step);
    if (a->finish) {
        touch_input(b, s, u, step);
        if (u->type != UNIT_HEAD)
            touch_channels(b, s, u->out_level, u->out_first, u->out_channels, step);
    }
    if (u->type == UNIT_DOWN) {
        touch_all(b, b->unpooled[u->level], step);
        touch_all(b, b->choice[u->level], step);
    }
    if (!a->channels) return;
    touch_channels(b, s, u->level, u->in_first + a->first, a->channels, step);
    touch_gradient(b, net, u->level, u->in_first + a->first, a->channels, step);
}

/* Steps count from the first unit's forward over the loss to the last action of the backward pass.
 */
static void plan_blocks(session_blocks *b, const rp_session *s, const rp_fcd *net)
{
    int step = 0;
    memset(b, 0, sizeof *b);
    add_blocks(b, s, net);
    touch_all(b, b->input, 0); /* loaded before */
    for (int i = 0; i < net->unit_count; i++) touch_forward(b, s, &net->units[i], step++);
    b->forward_steps = step;
    if (s->mode == RP_RUN_TRAIN) {
        touch_all(b, b->grad_logits, step++);
        for (int i = 0; i < net->action_count; i++)
            touch_backward(b, s, net, &net->actions[i], step++);
    }
    touch_all(b, b->logits, step); /* for the caller */
    memory_plan_solve(&b->plan);
}

static void *block_memory(const session_blocks *b, int block, uint8_t *base)
{
    return base ? base + b->plan.blocks[block].place : NULL;
}

static void place_blocks(rp_session *s, const rp_fcd *net, const session_blocks *b, uint8_t *base)
{
    bool train = s->mode == RP_RUN_TRAIN;
    s->input = block_memory(b, b->input, base);
    s->logits = block_memory(b, b->logits, base);
    if (train) s->grad_logits = block_memory(b, b->grad_logits, base);
    for (int l = 0; l <= net->config.levels; l++) {
        s->levels[l].stack = block_memory(b, b->stack[l], base);
        for (int i = 0; train && i < STACK_PARTS; i++)
            s->levels[l].gradient[i] = block_memory(b, b->gradient[l][i], base);
        if (l == net->config.levels) break;
        s->levels[l].pooled_from = block_memory(b, b->pooled_from[l], base);
        if (train) s->levels[l].unpooled = block_memory(b, b->unpooled[l], base);
    }
    for (int i = 0; train && i < net->unit_count; i++)
        if (net->units[i].type == UNIT_DOWN)
            s->units[i].choice = block_memory(b, b->choice[net->units[i].level], base);
}

/* ---- what lives all the time ------------------------------------------------------------- */

static void take_level(arena *a, level_state *l, size_t channels)
{
    l->mean = take(a, channels, sizeof *l->mean);
    l->variance = take(a, channels, sizeof *l->variance);
    l->mean_f = take(a, channels, sizeof *l->mean_f);
    l->rstd_f = take(a, channels, sizeof *l->rstd_f);
    l->offset = take(a, channels, sizeof *l->offset);
    l->slope = take(a, channels, sizeof *l->slope);
}

static void take_unit(arena *a, const unit *u, unit_state *state, bool train)
{
    if (u->has_norm) {
        state->scale = take(a, (size_t)u->in_channels, sizeof *state->scale);
        state->shift = take(a, (size_t)u->in_channels, sizeof *state->shift);
    }
    if (train && u->has_dropout)
        state->keep = take(a, (size_t)u->out_channels, sizeof *state->keep);
}

/* Weights of the widest range of a unit's input channels whose gradient is computed apart. */
static size_t range_weights(const rp_fcd *net)
{
    size_t widest = 0;
    for (int i = 0; i < net->action_count; i++) {
        const backward_action *a = &net->actions[i];
        const unit *u = &net->units[a->unit];
        size_t count = (size_t)a->channels * (size_t)u->out_channels * unit_taps(u);
        if (a->channels < u->in_channels && count > widest) widest = count;
    }
    return widest;
}

/* Where everything lies. One walk serves for counting and for placing, so they cannot differ. */
static void place(rp_session *s, const rp_fcd *net, arena *a, session_blocks *blocks)
{
    bool train = s->mode == RP_RUN_TRAIN;
    size_t widest = 0, workspace = 0;
    s->workers = rp_threads_get();
    for (int l = 0; l <= net->config.levels; l++) {
        size_t channels = (size_t)net->stack_channels[l];
        take_level(a, &s->levels[l], channels);
        if (channels > widest) widest = channels;
    }
    for (int i = 0; i < net->unit_count; i++) {
        const unit *u = &net->units[i];
        take_unit(a, u, &s->units[i], train);
        rp_conv_shape shape = unit_shape(u, s->levels);
        size_t bytes = rp_conv_workspace_bytes(&shape, s->workers);
        if (bytes > workspace) workspace = bytes;
    }
    if (train) s->range_weight = take(a, range_weights(net), sizeof *s->range_weight);
    s->channel_offset = take(a, widest, sizeof *s->channel_offset);
    s->channel_slope = take(a, widest, sizeof *s->channel_slope);
    s->sum_a = take(a, widest, sizeof *s->sum_a);
    s->sum_b = take(a, widest, sizeof *s->sum_b);
    s->loss_parts = take(a, (size_t)s->padded[2] * LOSS_PARTS, sizeof *s->loss_parts);
    s->workspace = take(a, workspace, 1);
    plan_blocks(blocks, s, net);
    if (blocks->plan.overflow) a->overflow = true;
    place_blocks(s, net, blocks, take(a, blocks->plan.bytes, 1));
}

static rp_status check_size(const int size[3], rp_error *err)
{
    double voxels = 1;
    for (int a = 0; a < 3; a++) {
        if (size[a] < 1 || size[a] > 1 << 20)
            return rp_fail(err, RP_ERR_ARGUMENT, "network input of %dx%dx%d voxels", size[2],
                           size[1], size[0]);
        voxels *= size[a];
    }
    if (voxels > 1e12) return rp_fail(err, RP_ERR_ARGUMENT, "network input of %g voxels", voxels);
    return RP_OK;
}

/* Counts without taking; blocks receives the plan. */
static rp_status count_bytes(const rp_fcd_config *config, const int size[3], rp_run_mode mode,
                             size_t *bytes, session_blocks *blocks, rp_error *err)
{
    rp_status status = rp_fcd_config_check(config, err);
    if (!status) status = check_size(size, err);
    if (status) return status;
    rp_fcd *net = rp_alloc(1, sizeof *net);
    rp_session *s = rp_alloc(1, sizeof *s);
    arena count = {0};
    if (net && s) {
        net->config = *config;
        fcd_build_units(net);
        s->mode = mode;
        set_extents(s, config, size);
        place(s, net, &count, blocks);
    }
    if (!net || !s)
        status = rp_fail(err, RP_ERR_MEMORY, "no memory to plan the network");
    else if (count.overflow)
        status = rp_fail(err, RP_ERR_ARGUMENT, "network input of %dx%dx%d voxels is too large",
                         size[2], size[1], size[0]);
    else
        *bytes = count.used;
    rp_free(net);
    rp_free(s);
    return status;
}

rp_status rp_session_bytes(const rp_fcd_config *config, const int size[3], rp_run_mode mode,
                           size_t *bytes, rp_error *err)
{
    session_blocks blocks;
    return count_bytes(config, size, mode, bytes, &blocks, err);
}

rp_status rp_session_plan(const rp_fcd_config *config, const int size[3], rp_run_mode mode,
                          rp_plan *plan, rp_error *err)
{
    session_blocks blocks;
    size_t bytes = 0;
    rp_status status = count_bytes(config, size, mode, &bytes, &blocks, err);
    if (status) return status;
    static const char *const part_names[] = {"up", "skip", "new"};
    *plan = (rp_plan){
        .bytes = bytes, .shared_bytes = blocks.plan.bytes, .forward_steps = blocks.forward_steps};
    for (int i = 0; i < blocks.plan.count; i++) {
        const plan_block *b = &blocks.plan.blocks[i];
        for (int j = 0; j < b->part_count; j++) {
            const plan_part *p = &b->parts[j];
            if (!p->bytes || p->first > p->last) continue;
            plan->entries[plan->count++] =
                (rp_plan_entry){.name = b->name,
                                .part = b->part_count > 1 ? part_names[j] : "",
                                .level = b->level,
                                .offset = b->place + p->offset,
                                .bytes = p->bytes,
                                .first = p->first,
                                .last = p->last};
            if (p->last >= plan->steps) plan->steps = p->last + 1;
            plan->unshared_bytes += p->bytes;
        }
    }
    return RP_OK;
}

rp_status rp_session_create(rp_fcd *net, const int size[3], rp_run_mode mode, size_t budget_bytes,
                            rp_session **out, rp_error *err)
{
    session_blocks blocks;
    size_t bytes = 0;
    rp_status status = count_bytes(&net->config, size, mode, &bytes, &blocks, err);
    if (status) return status;
    if (budget_bytes && bytes > budget_bytes)
        return rp_fail(err, RP_ERR_BUDGET,
                       "%s of %dx%dx%d voxels takes %.0f MiB, the memory budget is %.0f MiB",
                       mode == RP_RUN_TRAIN ? "training on a volume" : "prediction", size[2],
                       size[1], size[0], ceil((double)bytes / 1048576),
                       floor((double)budget_bytes / 1048576));
    rp_session *s = rp_alloc(1, sizeof *s);
    uint8_t *memory = rp_alloc(bytes, 1);
    if (!s || !memory) {
        rp_free(s);
        rp_free(memory);
        return rp_fail(err, RP_ERR_MEMORY, "the system has no %.0f MiB for the network",
                       ceil((double)bytes / 1048576));
    }
    s->net = net;
    s->mode = mode;
    s->memory = memory;
    set_extents(s, &net->config, size);
    arena a = {.base = memory};
    place(s, net, &a, &blocks);
    *out = s;
    return RP_OK;
}

void rp_session_destroy(rp_session *s)
{
    if (!s) return;
    rp_free(s->memory);
    rp_free(s);
}
