/* The profile of a session: every kernel counted once, arithmetic and traffic from the shapes, and
 * nothing measured unless asked for. */
#include "nn_cases.h"

enum { SIZE = 8, VOXELS = SIZE * SIZE * SIZE };
static const int size[3] = {SIZE, SIZE, SIZE};

typedef struct fixture {
    rp_fcd *net;
    rp_session *session;
    float *image;
    uint8_t *target;
    rp_profile *profile;
} fixture;

static fixture make_fixture(rp_run_mode mode)
{
    rp_fcd_config config = small_config(2);
    fixture f = {.net = make_net(&config, 3), .profile = rp_alloc(1, sizeof(rp_profile))};
    f.session = make_session(f.net, size, mode);
    f.image = make_scene(size, 4);
    f.target = make_target(size, 2);
    return f;
}

static void release(fixture *f)
{
    rp_session_destroy(f->session);
    rp_fcd_destroy(f->net);
    rp_free(f->image);
    rp_free(f->target);
    rp_free(f->profile);
}

static void run_step(fixture *f, bool gradients)
{
    rp_error err = {0};
    rp_loss loss;
    rp_loss_weights weights;
    rp_loss_weights_defaults(&weights);
    assert_ok(rp_session_forward(f->session, f->image, 0, 1, 1, &err), err);
    assert_ok(rp_session_loss(f->session, f->target, &weights, gradients, &loss, &err), err);
}

static uint64_t total_calls(const rp_profile *p)
{
    uint64_t calls = 0;
    for (int l = 0; l <= RP_FCD_MAX_LEVELS; l++)
        for (int k = 0; k < RP_LAYERS; k++)
            for (int o = 0; o < RP_PROFILE_OPERATIONS; o++) calls += p->entries[l][k][o].calls;
    return calls;
}

static uint64_t operation_calls(const rp_profile *p, rp_profile_operation operation)
{
    uint64_t calls = 0;
    for (int l = 0; l <= RP_FCD_MAX_LEVELS; l++)
        for (int k = 0; k < RP_LAYERS; k++) calls += p->entries[l][k][operation].calls;
    return calls;
}

static void off_by_default(void **state)
{
    (void)state;
    fixture f = make_fixture(RP_RUN_TRAIN);
    run_step(&f, true);
    assert_int_equal(total_calls(f.profile), 0);
    rp_session_set_profile(f.session, f.profile);
    run_step(&f, true);
    uint64_t calls = total_calls(f.profile);
    assert_true(calls > 0);
    rp_session_set_profile(f.session, NULL);
    run_step(&f, true);
    assert_int_equal(total_calls(f.profile), calls);
    release(&f);
}

/* small_config: stem; a way down of 1 and 2 layers; 2 in the bottleneck; a way up of 2 and 1. */
static void counts_every_convolution(void **state)
{
    (void)state;
    fixture f = make_fixture(RP_RUN_TRAIN);
    rp_session_set_profile(f.session, f.profile);
    run_step(&f, true);
    run_step(&f, true);
    const rp_profile *p = f.profile;
    const int convolutions = 1 + 8 + 2 + 2 + 1;
    /* The two transitions down go in three groups of channels forward and two backward. Gradients
     * by the parts of a stack come one by one: three for the head and the second layer on the way
     * up, two for first layers there and for the bottleneck's second. */
    const int parts = 2 + (1 + 2) + 1 + 1;
    assert_int_equal(operation_calls(p, RP_PROFILE_FORWARD), 2 * (convolutions + 2 * 2));
    assert_int_equal(operation_calls(p, RP_PROFILE_WEIGHT_GRADIENT), 2 * (convolutions + 2));
    assert_int_equal(operation_calls(p, RP_PROFILE_DATA_GRADIENT),
                     2 * (convolutions - 1 + 2 + parts));
    assert_int_equal(p->entries[0][RP_LAYER_STEM][RP_PROFILE_FORWARD].calls, 2);
    assert_int_equal(p->entries[0][RP_LAYER_DENSE][RP_PROFILE_FORWARD].calls, 4);
    assert_int_equal(p->entries[1][RP_LAYER_DENSE][RP_PROFILE_DATA_GRADIENT].calls, 2 * 7);
    assert_int_equal(p->entries[2][RP_LAYER_DENSE][RP_PROFILE_WEIGHT_GRADIENT].calls, 4);
    assert_int_equal(p->entries[1][RP_LAYER_UP][RP_PROFILE_FORWARD].calls, 2);
    assert_int_equal(p->entries[0][RP_LAYER_DOWN][RP_PROFILE_FORWARD].calls, 2 * 3);
    assert_int_equal(p->entries[0][RP_LAYER_NONE][RP_PROFILE_LOSS].calls, 2);
    assert_int_equal(p->entries[2][RP_LAYER_UP][RP_PROFILE_FORWARD].calls, 0);
    release(&f);
}

static void counts_arithmetic_and_traffic(void **state)
{
    (void)state;
    fixture f = make_fixture(RP_RUN_TRAIN);
    rp_session_set_profile(f.session, f.profile);
    run_step(&f, true);
    const rp_profile_entry *stem = &f.profile->entries[0][RP_LAYER_STEM][RP_PROFILE_FORWARD];
    assert_close(stem->flops, 2.0 * 27 * 6 * VOXELS, 0.5);
    assert_close(stem->bytes, 4.0 * (VOXELS * (1 + 6) + 27 * 6), 0.5);
    /* Up to full resolution: 8 channels, the new ones of the level below. */
    const rp_profile_entry *up = &f.profile->entries[0][RP_LAYER_UP][RP_PROFILE_FORWARD];
    assert_close(up->flops, 2.0 * 27 * 8 * 8 * VOXELS / 8, 0.5);
    assert_close(up->bytes, 4.0 * (8 * VOXELS / 8 + 8 * VOXELS + 27 * 8 * 8), 0.5);
    const rp_profile_entry *down = &f.profile->entries[0][RP_LAYER_DOWN][RP_PROFILE_DATA_GRADIENT];
    assert_close(down->flops, 2.0 * 10 * 10 * VOXELS, 0.5);
    /* In two groups: its input for the norm, the gradient read and written; once, that of its
     * output. */
    assert_close(down->bytes, 4.0 * ((2 * 3 + 1) * 10 * VOXELS + 10 * 10), 0.5);
    const rp_profile_entry *pool = &f.profile->entries[0][RP_LAYER_DOWN][RP_PROFILE_POOL];
    assert_close(pool->bytes, 4.0 * (10 * VOXELS + 10 * VOXELS / 8) + 10 * VOXELS / 8, 0.5);
    release(&f);
}

/* The first reader of a part of a stack overwrites its gradient, the others read it too. */
static void counts_first_gradients_as_written_only(void **state)
{
    (void)state;
    fixture f = make_fixture(RP_RUN_TRAIN);
    rp_session_set_profile(f.session, f.profile);
    run_step(&f, true);
    const rp_profile *p = f.profile;
    /* The head reads 8 upsampled channels, 10 of the skip connection and 4 new ones, all first; it
     * has no norm. Each of the three parts takes the gradient of the logits. */
    const rp_profile_entry *head = &p->entries[0][RP_LAYER_HEAD][RP_PROFILE_DATA_GRADIENT];
    assert_close(head->bytes, 4.0 * ((22 + 3 * 2) * VOXELS + 22 * 2), 0.5);
    /* The way up takes the new channels of the level below, of which it is the first reader. */
    const rp_profile_entry *up = &p->entries[0][RP_LAYER_UP][RP_PROFILE_DATA_GRADIENT];
    assert_close(up->bytes, 4.0 * (8 * VOXELS / 8 + 8 * VOXELS + 27 * 8 * 8), 0.5);
    /* Dense layers of full resolution, behind the head and the way down: the one on the way up with
     * 8 + 10 channels, the other with 6. Input, gradient read and written, gradient of 4 outputs,
     * which the way up takes for its two parts. */
    const rp_profile_entry *dense = &p->entries[0][RP_LAYER_DENSE][RP_PROFILE_DATA_GRADIENT];
    assert_close(dense->bytes, 4.0 * ((3 * (18 + 6) + 3 * 4) * VOXELS + 27 * 4 * (18 + 6)), 0.5);
    /* The bottleneck's second layer is the first to reach the 18 channels that came down, and
     * takes its output's gradient for these and for the first's 4. */
    const rp_profile_entry *deep = &p->entries[2][RP_LAYER_DENSE][RP_PROFILE_DATA_GRADIENT];
    const double voxels = VOXELS / 64.0, weights = 27 * 4 * (18 + 22);
    assert_close(deep->bytes, 4.0 * ((2 * 18 + 3 * 4 + 3 * 18 + 3 * 4) * voxels + weights), 0.5);
    release(&f);
}

static void counts_the_same_arithmetic_in_parts(void **state)
{
    (void)state;
    fixture f = make_fixture(RP_RUN_TRAIN);
    rp_session_set_profile(f.session, f.profile);
    run_step(&f, true);
    for (int l = 0; l <= 2; l++)
        for (int k = RP_LAYER_DENSE; k < RP_LAYER_NONE; k++) {
            const rp_profile_entry *e = f.profile->entries[l][k];
            double flops = e[RP_PROFILE_FORWARD].flops;
            assert_close(e[RP_PROFILE_DATA_GRADIENT].flops, flops, 0.5);
            assert_close(e[RP_PROFILE_WEIGHT_GRADIENT].flops, flops, 0.5);
        }
    release(&f);
}

static void prediction_runs_forward_only(void **state)
{
    (void)state;
    fixture f = make_fixture(RP_RUN_PREDICT);
    rp_session_set_profile(f.session, f.profile);
    run_step(&f, false);
    assert_int_equal(operation_calls(f.profile, RP_PROFILE_FORWARD), 14 + 2 * 2);
    assert_int_equal(operation_calls(f.profile, RP_PROFILE_DATA_GRADIENT), 0);
    assert_int_equal(operation_calls(f.profile, RP_PROFILE_WEIGHT_GRADIENT), 0);
    assert_int_equal(operation_calls(f.profile, RP_PROFILE_FINISH), 0);
    /* Running averages stand in for the statistics of the volume. */
    assert_int_equal(operation_calls(f.profile, RP_PROFILE_STATISTICS), 0);
    release(&f);
}

static void counts_adam(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_adam *adam = NULL;
    fixture f = make_fixture(RP_RUN_TRAIN);
    assert_ok(rp_adam_create(f.net, &adam, &err), err);
    run_step(&f, true);
    rp_adam_step(adam, 1e-3);
    assert_int_equal(total_calls(f.profile), 0);
    rp_adam_set_profile(adam, f.profile);
    rp_adam_step(adam, 1e-3);
    const rp_profile_entry *e = &f.profile->entries[0][RP_LAYER_NONE][RP_PROFILE_ADAM];
    assert_int_equal(e->calls, 1);
    assert_close(e->bytes, 28.0 * (double)rp_fcd_trainable(f.net), 0.5);
    rp_adam_destroy(adam);
    release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_by_default),
        cmocka_unit_test(counts_every_convolution),
        cmocka_unit_test(counts_arithmetic_and_traffic),
        cmocka_unit_test(counts_first_gradients_as_written_only),
        cmocka_unit_test(counts_the_same_arithmetic_in_parts),
        cmocka_unit_test(prediction_runs_forward_only),
        cmocka_unit_test(counts_adam),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
