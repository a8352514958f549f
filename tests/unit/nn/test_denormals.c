/* Denormal numbers, which slow a trained network down, never come out of a step. */
#include "nn_cases.h"

#include <math.h>

static const int size[3] = {16, 16, 16};

static size_t denormals_in(const float *values, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; values && i < count; i++) found += fpclassify(values[i]) == FP_SUBNORMAL;
    return found;
}

static size_t denormals_of(rp_fcd *net, rp_adam *adam)
{
    size_t found = 0;
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++) {
        const rp_parameter *p = rp_fcd_parameter(net, i);
        if (!p->gradient) continue;
        found += denormals_in(p->gradient, p->count);
        found += denormals_in(rp_adam_first_moment(adam, i), p->count);
        found += denormals_in(rp_adam_second_moment(adam, i), p->count);
    }
    return found;
}

/* The head all but switched off: the gradients of everything before it are of the order of 1e-40.
 */
static void fade_head(rp_fcd *net)
{
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++) {
        rp_parameter *p = rp_fcd_parameter(net, i);
        if (strcmp(p->name, "head.conv.weight") != 0) continue;
        for (size_t k = 0; k < p->count; k++) p->value[k] *= 1e-38f;
        return;
    }
    fail_msg("no head");
}

static void no_denormal_leaves_a_step(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_loss loss;
    rp_loss_weights weights;
    const rp_fcd_config config = small_config(2);
    rp_fcd *net = make_net(&config, 3);
    rp_adam *adam = NULL;
    stir_weights(net, 5);
    fade_head(net);
    rp_loss_weights_defaults(&weights);
    assert_ok(rp_adam_create(net, &adam, &err), err);
    float *scene = make_scene(size, 7);
    uint8_t *target = make_target(size, 2);
    rp_session *session = make_session(net, size, RP_RUN_TRAIN);
    /* Moments that have decayed for long. */
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++)
        for (size_t k = 0; rp_adam_first_moment(adam, i) && k < rp_fcd_parameter(net, i)->count;
             k++)
            rp_adam_first_moment(adam, i)[k] = rp_adam_second_moment(adam, i)[k] = 1e-40f;
    assert_ok(rp_session_forward(session, scene, 0, 1, 1, &err), err);
    assert_ok(rp_session_loss(session, target, &weights, true, &loss, &err), err);
    rp_adam_step(adam, 1e-3);
    assert_int_equal(denormals_of(net, adam), 0);
    rp_session_destroy(session);
    rp_adam_destroy(adam);
    rp_fcd_destroy(net);
    rp_free(scene);
    rp_free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_denormal_leaves_a_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
