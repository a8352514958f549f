/* Gradients against finite differences, and the same bits with any number of threads. */
#include "nn_cases.h"

typedef struct scene {
    rp_fcd *net;
    rp_session *session;
    float *image;
    uint8_t *target;
    rp_loss_weights weights;
    uint64_t step;
} scene;

/* 18x13x14 is no multiple of the stride: padding must not leak into the gradient either. */
static const int odd_size[3] = {18, 13, 14};

/** Raises every norm's shift, so that few activations lie near ReLU's corner: a step across a
 * corner is where a finite difference and a gradient may differ. */
static void lift_shifts(rp_fcd *net)
{
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++) {
        const rp_parameter *p = rp_fcd_parameter(net, i);
        for (size_t k = 0; strstr(p->name, "norm.bias") && k < p->count; k++) p->value[k] += 2;
    }
}

static void open_scene(scene *s, int classes, double dropout)
{
    rp_fcd_config config = small_config(classes);
    config.dropout = dropout;
    s->net = make_net(&config, 21);
    stir_weights(s->net, 5);
    lift_shifts(s->net);
    s->session = make_session(s->net, odd_size, RP_RUN_TRAIN);
    s->image = make_scene(odd_size, 6);
    s->target = make_target(odd_size, classes);
    rp_loss_weights_defaults(&s->weights);
    s->step = 3;
}

static void close_scene(scene *s)
{
    rp_session_destroy(s->session);
    rp_fcd_destroy(s->net);
    rp_free(s->image);
    rp_free(s->target);
}

static double loss_of(scene *s, bool gradients)
{
    rp_error err = {0};
    rp_loss loss;
    assert_ok(rp_session_forward(s->session, s->image, 0.5f, 9, s->step, &err), err);
    assert_ok(rp_session_loss(s->session, s->target, &s->weights, gradients, &loss, &err), err);
    return loss.total;
}

/** Slope of the loss along `direction` (unit length) of one parameter, by central difference. */
static double slope_along(scene *s, const rp_parameter *p, const double *direction, double step)
{
    float *before = rp_alloc(p->count, sizeof(float));
    memcpy(before, p->value, p->count * sizeof(float));
    double loss[2];
    for (int side = 0; side < 2; side++) {
        for (size_t k = 0; k < p->count; k++)
            p->value[k] = (float)(before[k] + (side ? step : -step) * direction[k]);
        loss[side] = loss_of(s, false);
    }
    memcpy(p->value, before, p->count * sizeof(float));
    rp_free(before);
    return (loss[1] - loss[0]) / (2 * step);
}

/**
 * Along the gradient itself the slope is the gradient's length. A long step bends and crosses
 * corners of ReLU and of the maximum, a short one drowns in float32's noise of about 3e-7 in the
 * loss; which is best depends on the parameter, a wrong gradient on neither: the closest of three
 * steps counts.
 */
static double closest_slope(scene *s, const rp_parameter *p, const double *direction, double length)
{
    static const double changes[] = {1e-3, 3e-4, 1e-4};
    double best = INFINITY;
    for (int i = 0; i < 3; i++) {
        double slope = slope_along(s, p, direction, fmin(changes[i] / length, 0.05));
        if (fabs(slope - length) < fabs(best - length)) best = slope;
        if (fabs(best - length) < 0.01 * length) break;
    }
    return best;
}

/** True when the gradient was long enough to be compared, and agreed. */
static bool check_parameter(scene *s, size_t index)
{
    const rp_parameter *p = rp_fcd_parameter(s->net, index);
    if (!p->gradient) return false;
    loss_of(s, true);
    double length = 0;
    double *direction = rp_alloc(p->count, sizeof(double));
    for (size_t k = 0; k < p->count; k++) length += (double)p->gradient[k] * p->gradient[k];
    length = sqrt(length);
    bool compared = length > 1e-3;
    for (size_t k = 0; k < p->count && compared; k++) direction[k] = p->gradient[k] / length;
    if (compared) {
        double slope = closest_slope(s, p, direction, length);
        if (fabs(slope - length) > 0.06 * length)
            fail_msg("%s: gradient of length %.6g, finite difference %.6g", p->name, length, slope);
    }
    rp_free(direction);
    return compared;
}

/* An emulator and sanitizers take minutes for all parameters and numbers of threads: they see some
 * of them, and the thread sanitizer no differences, which one thread makes. */
#if defined(RP_TEST_SHORT)
enum { EVERY = 7, MOST_THREADS = 2 };
#elif defined(__SANITIZE_ADDRESS__)
enum { EVERY = 3, MOST_THREADS = 3 };
#else
enum { EVERY = 1, MOST_THREADS = 5 };
#endif

/** The terms together, and where asked each alone. One thread: the work is too small for two. */
static void check_terms(int classes, double dropout, bool alone)
{
    static const double terms[][3] = {{0.7, 1.3, 0.9}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
#ifdef __SANITIZE_THREAD__
    return;
#endif
    rp_threads_set(1);
    for (int term = 0; term < (alone && EVERY == 1 ? 4 : 1); term++) {
        scene s;
        open_scene(&s, classes, dropout);
        s.weights.cross_entropy = terms[term][0];
        s.weights.dual_cross_entropy = terms[term][1];
        s.weights.dice = terms[term][2];
        int compared = 0;
        for (size_t i = 0; i < rp_fcd_parameter_count(s.net); i += EVERY)
            compared += check_parameter(&s, i);
        print_message("weights %.1f %.1f %.1f, %d classes, dropout %.1f: %d parameters compared\n",
                      terms[term][0], terms[term][1], terms[term][2], classes, dropout, compared);
        assert_true(compared > 25 / EVERY);
        close_scene(&s);
    }
    rp_threads_set(0);
}

static void finite_differences_two_classes(void **state)
{
    (void)state;
    check_terms(2, 0, true);
}

static void finite_differences_three_classes(void **state)
{
    (void)state;
    check_terms(3, 0, false);
}

static void finite_differences_with_dropout(void **state)
{
    (void)state;
    check_terms(2, 0.3, false);
}

/** A loss without gradients leaves the gradients alone; one with overwrites them. */
static void gradients_are_overwritten(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, 2, 0);
    const rp_parameter *p = rp_fcd_parameter(s.net, 0);
    loss_of(&s, true);
    float first = p->gradient[0];
    p->gradient[0] = 42;
    loss_of(&s, false);
    assert_true(p->gradient[0] == 42);
    loss_of(&s, true);
    assert_true(p->gradient[0] == first);
    close_scene(&s);
}

/** Training updates the running averages, except in instance mode. */
static void instance_mode_leaves_averages_alone(void **state)
{
    (void)state;
    for (int mode = RP_NORM_RUNNING; mode <= RP_NORM_INSTANCE; mode++) {
        scene s;
        open_scene(&s, 2, 0);
        rp_fcd_set_norm(s.net, (rp_norm_mode)mode);
        size_t changed = 0, averages = 0;
        const size_t count = rp_fcd_parameter_count(s.net);
        float *before = rp_alloc(count, sizeof *before);
        for (size_t i = 0; i < count; i++) before[i] = rp_fcd_parameter(s.net, i)->value[0];
        loss_of(&s, true);
        for (size_t i = 0; i < count; i++) {
            const rp_parameter *p = rp_fcd_parameter(s.net, i);
            averages += !p->gradient;
            changed += p->value[0] != before[i];
        }
        rp_free(before);
        assert_true(averages > 10);
        assert_int_equal(changed, mode == RP_NORM_INSTANCE ? 0 : averages);
        close_scene(&s);
    }
}

/* ---- threads ------------------------------------------------------------------------------------
 */

/** Hash of logits, gradients, weights, averages and moments over three steps with dropout. */
static void train_and_hash(int threads, char hex[RP_SHA256_HEX])
{
    rp_error err = {0};
    rp_threads_set(threads);
    rp_fcd_config config = small_config(2);
    config.dropout = 0.2;
    config.first_filters = SHORT ? 12 : 20;
    const int size[3] = {SHORT ? 21 : 37, SHORT ? 18 : 26, SHORT ? 14 : 18};
    rp_fcd *net = make_net(&config, 3);
    rp_session *session = make_session(net, size, RP_RUN_TRAIN);
    rp_adam *adam = NULL;
    assert_ok(rp_adam_create(net, &adam, &err), err);
    float *image = make_scene(size, 4), *logits = rp_alloc(2 * voxels_of(size), sizeof(float));
    uint8_t *target = make_target(size, 2);
    rp_loss_weights weights;
    rp_loss_weights_defaults(&weights);
    char *text = rp_strdup("");
    for (uint64_t step = 0; step < 3; step++) {
        rp_loss loss;
        assert_ok(rp_session_forward(session, image, 0, 11, step, &err), err);
        assert_ok(rp_session_loss(session, target, &weights, true, &loss, &err), err);
        rp_adam_step(adam, 1e-3);
        rp_session_logits(session, logits);
        rp_sha256(logits, 2 * voxels_of(size) * sizeof(float), hex);
        char *longer = rp_format("%s %s %.17g", text, hex, loss.total);
        rp_free(text);
        text = longer;
        for (size_t i = 0; i < rp_fcd_parameter_count(net); i++) {
            const rp_parameter *p = rp_fcd_parameter(net, i);
            const float *parts[] = {p->value, p->gradient, rp_adam_first_moment(adam, i),
                                    rp_adam_second_moment(adam, i)};
            for (int part = 0; part < (p->gradient ? 4 : 1); part++) {
                rp_sha256(parts[part], p->count * sizeof(float), hex);
                longer = rp_format("%s %s", text, hex);
                rp_free(text);
                text = longer;
            }
        }
    }
    assert_int_equal(rp_adam_steps(adam), 3);
    rp_sha256(text, strlen(text), hex);
    rp_free(text);
    rp_free(image);
    rp_free(logits);
    rp_free(target);
    rp_adam_destroy(adam);
    rp_session_destroy(session);
    rp_fcd_destroy(net);
    rp_threads_set(0);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    char one[RP_SHA256_HEX], other[RP_SHA256_HEX];
    train_and_hash(1, one);
    for (int threads = 2; threads <= MOST_THREADS; threads++) {
        train_and_hash(threads, other);
        print_message("%d threads: %.16s\n", threads, other);
        assert_string_equal(one, other);
    }
}

/** The workspace belongs to the threads that were set when it was planned. */
static void more_threads_than_planned_are_refused(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_loss loss;
    rp_threads_set(2);
    scene s;
    open_scene(&s, 2, 0);
    rp_threads_set(1);
    loss_of(&s, true);
    rp_threads_set(3);
    assert_int_equal(rp_session_forward(s.session, s.image, 0, 1, 1, &err), RP_ERR_ARGUMENT);
    print_message("%s\n", err.message);
    assert_int_equal(rp_session_loss(s.session, s.target, &s.weights, true, &loss, &err),
                     RP_ERR_ARGUMENT);
    rp_threads_set(0);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_differences_two_classes),
        cmocka_unit_test(finite_differences_three_classes),
        cmocka_unit_test(finite_differences_with_dropout),
        cmocka_unit_test(gradients_are_overwritten),
        cmocka_unit_test(instance_mode_leaves_averages_alone),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(more_threads_than_planned_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
