/* The memory plan: random blocks against a map of every byte at every step, and the plans of real
 * sessions. */
#include "../../../src/nn/plan.h"
#include "nn_cases.h"

enum { STEPS = 24, MAX_BLOCKS = 16, MAX_ELEMENTS = 60, PLANS = 300 };

/* ---- random plans ------------------------------------------------------------------------ */

/* What the test knows about a block on its own account. */
typedef struct known_block {
    int parts;
    size_t offset[PLAN_PARTS], bytes[PLAN_PARTS];
    int first[PLAN_PARTS], last[PLAN_PARTS]; /* first -1: never touched */
} known_block;

typedef struct known_plan {
    int count;
    known_block blocks[MAX_BLOCKS];
} known_plan;

static int draw(rp_random *r, int below)
{
    return (int)(rp_random_u32(r) % (uint32_t)below);
}

static void add_block(memory_plan *plan, known_plan *known, rp_random *r)
{
    known_block *k = &known->blocks[known->count];
    size_t elements[PLAN_PARTS], size = (size_t)1 << draw(r, 3), at = 0;
    k->parts = 1 + draw(r, PLAN_PARTS);
    for (int i = 0; i < k->parts; i++) {
        elements[i] = (size_t)(draw(r, 5) ? draw(r, MAX_ELEMENTS) : 0);
        k->offset[i] = at;
        k->bytes[i] = elements[i] * size;
        k->first[i] = k->last[i] = -1;
        at += k->bytes[i];
    }
    assert_int_equal(memory_plan_add(plan, "block", 0, elements, k->parts, size), known->count);
    known->count++;
}

/* Bytes from..to-1 of a block are used at a step. */
static void touch(memory_plan *plan, known_plan *known, int block, size_t from, size_t to, int step)
{
    known_block *k = &known->blocks[block];
    memory_plan_touch(plan, block, from, to - from, step);
    for (int i = 0; i < k->parts; i++)
        for (size_t byte = from; byte < to; byte++) {
            if (byte < k->offset[i] || byte >= k->offset[i] + k->bytes[i]) continue;
            if (k->first[i] < 0 || step < k->first[i]) k->first[i] = step;
            if (step > k->last[i]) k->last[i] = step;
        }
}

static void make_random_plan(memory_plan *plan, known_plan *known, uint64_t seed)
{
    rp_random r;
    rp_random_init(&r, seed, 79, 0);
    memset(plan, 0, sizeof *plan);
    memset(known, 0, sizeof *known);
    int blocks = 1 + draw(&r, MAX_BLOCKS);
    for (int i = 0; i < blocks; i++) add_block(plan, known, &r);
    for (int i = 0; i < blocks; i++) {
        int bytes = (int)plan->blocks[i].bytes, touches = draw(&r, 5), centre = draw(&r, STEPS);
        for (int t = 0; bytes && t < touches; t++) {
            int from = draw(&r, bytes), step = centre + draw(&r, 7) - 3;
            step = step < 0 ? 0 : step >= STEPS ? STEPS - 1 : step;
            touch(plan, known, i, (size_t)from, (size_t)(from + 1 + draw(&r, bytes - from)), step);
        }
    }
}

/* Writes the owner of every byte that lives at a step; returns how many there are. */
static size_t map_step(const memory_plan *plan, const known_plan *known, int step, uint8_t *owner)
{
    size_t live = 0;
    memset(owner, 0, plan->bytes);
    for (int b = 0; b < known->count; b++)
        for (int i = 0; i < known->blocks[b].parts; i++) {
            const known_block *k = &known->blocks[b];
            if (k->first[i] < 0 || step < k->first[i] || step > k->last[i]) continue;
            size_t place = plan->blocks[b].place + k->offset[i];
            assert_true(place + k->bytes[i] <= plan->bytes);
            for (size_t byte = place; byte < place + k->bytes[i]; byte++) {
                if (owner[byte])
                    fail_msg("blocks %d and %d share byte %zu at step %d", owner[byte] - 1, b, byte,
                             step);
                owner[byte] = (uint8_t)(b + 1);
            }
            live += k->bytes[i];
        }
    return live;
}

static void check_plan(const memory_plan *plan, const known_plan *known)
{
    uint8_t *owner = rp_alloc(plan->bytes, 1);
    size_t all = 0;
    assert_int_equal(plan->bytes % 64, 0);
    for (int b = 0; b < known->count; b++) {
        assert_int_equal(plan->blocks[b].place % 64, 0);
        all += (plan->blocks[b].bytes + 63) / 64 * 64;
    }
    assert_true(plan->bytes <= all);
    for (int step = 0; step < STEPS; step++)
        assert_true(map_step(plan, known, step, owner) <= plan->bytes);
    rp_free(owner);
}

static void random_plans_keep_the_living_apart(void **state)
{
    (void)state;
    size_t shared = 0, all = 0;
    for (uint64_t seed = 0; seed < PLANS; seed++) {
        memory_plan plan, again;
        known_plan known;
        make_random_plan(&plan, &known, seed);
        again = plan;
        memory_plan_solve(&plan);
        check_plan(&plan, &known);
        memory_plan_solve(&again);
        memory_plan_solve(&again); /* nothing is left over from before */
        assert_int_equal(again.bytes, plan.bytes);
        for (int b = 0; b < plan.count; b++) {
            assert_int_equal(again.blocks[b].place, plan.blocks[b].place);
            all += plan.blocks[b].bytes;
        }
        shared += plan.bytes;
    }
    assert_true(shared < all / 2);
}

/* ---- corners ----------------------------------------------------------------------------- */

static void one_after_another_share_one_place(void **state)
{
    (void)state;
    memory_plan plan = {0};
    for (int i = 0; i < 5; i++) {
        const size_t elements = (size_t)(100 + i);
        int block = memory_plan_add(&plan, "block", 0, &elements, 1, 4);
        memory_plan_touch(&plan, block, 0, 4 * elements, 2 * i);
        memory_plan_touch(&plan, block, 0, 4 * elements, 2 * i + 1);
    }
    memory_plan_solve(&plan);
    assert_int_equal(plan.bytes, 448); /* 416 bytes in whole lines of 64 */
    for (int i = 0; i < 5; i++) assert_int_equal(plan.blocks[i].place, 0);
    for (int i = 0; i < 5; i++) memory_plan_touch(&plan, i, 0, 4, 5);
    memory_plan_solve(&plan);
    assert_int_equal(plan.bytes, 5 * 448);
}

/* A block whose middle part is dead gives that place to another. */
static void dead_parts_are_lent(void **state)
{
    (void)state;
    memory_plan plan = {0};
    const size_t parts[] = {64, 256, 64}, small = 192;
    int whole = memory_plan_add(&plan, "whole", 0, parts, 3, 1);
    int guest = memory_plan_add(&plan, "guest", 0, &small, 1, 1);
    memory_plan_touch(&plan, whole, 0, 64, 0);
    memory_plan_touch(&plan, whole, 0, 384, 5);
    memory_plan_touch(&plan, whole, 320, 64, 1);
    memory_plan_touch(&plan, guest, 0, 192, 2);
    memory_plan_touch(&plan, guest, 0, 192, 4);
    memory_plan_solve(&plan);
    assert_int_equal(plan.bytes, 384);
    assert_int_equal(plan.blocks[guest].place, 64);
}

static void parts_without_size_take_nothing(void **state)
{
    (void)state;
    memory_plan plan = {0};
    memory_plan_solve(&plan);
    assert_int_equal(plan.bytes, 0);
    const size_t none[] = {0, 0, 0}, parts[] = {0, 128, 0};
    int empty = memory_plan_add(&plan, "empty", 0, none, 3, 4);
    int full = memory_plan_add(&plan, "full", 0, parts, 3, 1);
    for (int step = 0; step < 3; step++) {
        memory_plan_touch(&plan, empty, 0, 0, step);
        memory_plan_touch(&plan, full, 0, 128, step);
    }
    memory_plan_solve(&plan);
    assert_int_equal(plan.bytes, 128);
    assert_int_equal(plan.blocks[full].place, 0);
    assert_false(plan.overflow);
}

static void overflow_is_told(void **state)
{
    (void)state;
    const size_t most = (size_t)1 << 48, more = most + 1, wrapping = SIZE_MAX / 2;
    memory_plan plan = {0};
    memory_plan_add(&plan, "most", 0, &most, 1, 1);
    assert_false(plan.overflow);
    memory_plan_add(&plan, "more", 0, &more, 1, 1);
    assert_true(plan.overflow);
    plan.overflow = false;
    memory_plan_add(&plan, "wrapping", 0, &wrapping, 1, 4);
    assert_true(plan.overflow);
}

/* ---- plans of sessions ------------------------------------------------------------------- */

static bool alive(const rp_plan_entry *e, int step)
{
    return e->first <= step && step <= e->last;
}

static void check_entries(const rp_plan *plan)
{
    size_t all = 0;
    for (int i = 0; i < plan->count; i++) {
        const rp_plan_entry *a = &plan->entries[i];
        all += a->bytes;
        assert_true(a->bytes > 0 && a->offset + a->bytes <= plan->shared_bytes);
        assert_true(0 <= a->first && a->first <= a->last && a->last < plan->steps);
        for (int j = 0; j < i; j++) {
            const rp_plan_entry *b = &plan->entries[j];
            if (a->offset >= b->offset + b->bytes || b->offset >= a->offset + a->bytes) continue;
            for (int step = a->first; step <= a->last; step++)
                if (alive(b, step))
                    fail_msg("%s %s and %s %s share memory at step %d", a->name, a->part, b->name,
                             b->part, step);
        }
    }
    assert_int_equal(plan->unshared_bytes, all);
}

/* The most that lives at one step: no plan takes less. */
static size_t most_alive(const rp_plan *plan)
{
    size_t most = 0;
    for (int step = 0; step < plan->steps; step++) {
        size_t live = 0;
        for (int i = 0; i < plan->count; i++)
            if (alive(&plan->entries[i], step)) live += plan->entries[i].bytes;
        if (live > most) most = live;
    }
    return most;
}

static const rp_plan_entry *entry_of(const rp_plan *plan, const char *name, const char *part,
                                     int level)
{
    for (int i = 0; i < plan->count; i++) {
        const rp_plan_entry *e = &plan->entries[i];
        if (!strcmp(e->name, name) && !strcmp(e->part, part) && e->level == level) return e;
    }
    fail_msg("level %d has no %s %s", level, name, part);
    return NULL;
}

/* The channels of a level lie behind one another, for whoever reads several parts at once. */
static void check_stacks(const rp_plan *plan, const rp_fcd_config *config)
{
    for (int level = 0; level <= config->levels; level++) {
        const rp_plan_entry *skip = entry_of(plan, "channels", "skip", level);
        const rp_plan_entry *new = entry_of(plan, "channels", "new", level);
        assert_int_equal(new->offset, skip->offset + skip->bytes);
        if (level == config->levels) continue;
        const rp_plan_entry *up = entry_of(plan, "channels", "up", level);
        assert_int_equal(skip->offset, up->offset + up->bytes);
    }
}

static rp_plan plan_of(const rp_fcd_config *config, const int size[3], rp_run_mode mode)
{
    rp_error err = {0};
    rp_plan plan, again;
    size_t bytes = 0;
    assert_ok(rp_session_plan(config, size, mode, &plan, &err), err);
    assert_ok(rp_session_plan(config, size, mode, &again, &err), err);
    assert_ok(rp_session_bytes(config, size, mode, &bytes, &err), err);
    assert_int_equal(plan.bytes, bytes);
    assert_int_equal(again.bytes, bytes);
    assert_int_equal(again.count, plan.count);
    for (int i = 0; i < plan.count; i++)
        assert_int_equal(again.entries[i].offset, plan.entries[i].offset);
    return plan;
}

static void check_session(const rp_fcd_config *config, const int size[3])
{
    rp_plan predict = plan_of(config, size, RP_RUN_PREDICT);
    rp_plan train = plan_of(config, size, RP_RUN_TRAIN);
    const rp_plan *both[] = {&predict, &train};
    int units = 3 + 2 * config->levels - 1 + config->bottleneck_layers;
    for (int l = 0; l < config->levels; l++) units += 2 * config->down_layers[l];
    for (int i = 0; i < 2; i++) {
        check_entries(both[i]);
        check_stacks(both[i], config);
        assert_int_equal(both[i]->forward_steps, units);
        assert_true(both[i]->shared_bytes >= most_alive(both[i]));
        assert_true(both[i]->shared_bytes < both[i]->bytes);
    }
    assert_int_equal(predict.steps, units + 1);
    assert_true(train.steps > 2 * units && train.bytes > predict.bytes);
}

static void sessions_of_many_kinds(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 1, 1},    {3, 5, 7},      {16, 16, 16}, {96, 96, 48},
                                   {81, 70, 33}, {256, 256, 96}, {17, 1, 130}};
    rp_fcd_config config;
    for (int levels = 1; levels <= RP_FCD_MAX_LEVELS; levels++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            rp_fcd_config_defaults(&config);
            config.levels = levels;
            for (int l = 0; l < levels; l++) config.down_layers[l] = 1 + (l + (int)i) % 4;
            config.bottleneck_layers = 1 + (int)i;
            config.in_channels = 1 + (int)i % 2;
            config.classes = 2 + levels % 3;
            config.first_filters = levels % 2 ? 48 : 1 + levels;
            config.growth = levels % 2 ? 12 : 5;
            check_session(&config, sizes[i]);
        }
}

/* Sharing is what the plan is for: at the default network it comes close to what must be. */
static void the_default_network_is_packed_well(void **state)
{
    (void)state;
    static const int size[] = {96, 96, 48};
    rp_fcd_config config;
    rp_fcd_config_defaults(&config);
    for (int mode = RP_RUN_PREDICT; mode <= RP_RUN_TRAIN; mode++) {
        rp_plan plan = plan_of(&config, size, (rp_run_mode)mode);
        double least = (double)most_alive(&plan);
        print_message("%s: %.1f MiB, at least %.1f, unshared %.1f\n",
                      mode == RP_RUN_TRAIN ? "training" : "prediction",
                      (double)plan.shared_bytes / 1048576, least / 1048576,
                      (double)plan.unshared_bytes / 1048576);
        assert_true((double)plan.shared_bytes <= 1.1 * least);
        assert_true((double)plan.shared_bytes <= 0.8 * (double)plan.unshared_bytes);
    }
}

static void impossible_extents_are_refused(void **state)
{
    (void)state;
    rp_fcd_config config;
    rp_fcd_config_defaults(&config);
    static const int sizes[][3] = {
        {0, 16, 16}, {16, -1, 16}, {1 << 21, 1, 1}, {1 << 20, 1 << 20, 1}, {1 << 20, 1 << 19, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rp_error err = {0};
        rp_plan plan;
        assert_int_equal(rp_session_plan(&config, sizes[i], RP_RUN_TRAIN, &plan, &err),
                         RP_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "voxels"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_plans_keep_the_living_apart),
        cmocka_unit_test(one_after_another_share_one_place),
        cmocka_unit_test(dead_parts_are_lent),
        cmocka_unit_test(parts_without_size_take_nothing),
        cmocka_unit_test(overflow_is_told),
        cmocka_unit_test(sessions_of_many_kinds),
        cmocka_unit_test(the_default_network_is_packed_well),
        cmocka_unit_test(impossible_extents_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
