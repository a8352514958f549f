/* Loss values by hand, padding that does not count, and input that is not a number. */
#include "nn_cases.h"

/** Makes the head put out the given logits in every voxel. */
static void set_constant_logits(rp_fcd *net, const double *logits)
{
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++) {
        const rp_parameter *p = rp_fcd_parameter(net, i);
        if (strcmp(p->name, "head.conv.weight") == 0) memset(p->value, 0, p->count * sizeof(float));
        if (strcmp(p->name, "head.conv.bias") == 0)
            for (size_t k = 0; k < p->count; k++) p->value[k] = (float)logits[k];
    }
}

/* 64 voxels, 16 of them tumour, logits 0 and ln 3 everywhere: p = 1/4 and 3/4. */
static void two_classes_by_hand(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(2);
    rp_fcd *net = make_net(&config, 1);
    set_constant_logits(net, (double[]){0, log(3.0)});
    const int size[3] = {4, 4, 4};
    float *image = make_scene(size, 1);
    uint8_t target[64] = {0};
    memset(target, 1, 16);
    rp_session *session = make_session(net, size, RP_RUN_TRAIN);
    assert_ok(rp_session_forward(session, image, 0, 1, 1, &err), err);
    rp_loss_weights weights;
    rp_loss_weights_defaults(&weights);
    rp_loss loss;
    assert_ok(rp_session_loss(session, target, &weights, false, &loss, &err), err);
    double ce = -(16 * log(0.75) + 48 * log(0.25)) / 64;
    double dual = (16 * log(1.25) + 48 * log(1.75)) / 64;
    double dice = 1 - (2 * 16 * 0.75 + 1) / (64 * 0.75 + 16 + 1);
    assert_close(loss.cross_entropy, ce, 1e-6);
    assert_close(loss.dual_cross_entropy, dual, 1e-6);
    assert_close(loss.dice_loss, dice, 1e-6);
    assert_close(loss.total, ce + dual + dice, 1e-6);
    assert_close(loss.hard_dice, 2.0 * 16 / (64 + 16), 1e-9);

    weights = (rp_loss_weights){0.5, 2, 3, 1.5, 0.25, 10};
    assert_ok(rp_session_loss(session, target, &weights, false, &loss, &err), err);
    dual = 0.25 * (16 * log(1.75) + 48 * log(2.25)) / 64;
    dice = 1 - (2 * 16 * 0.75 + 10) / (64 * 0.75 + 16 + 10);
    assert_close(loss.total, 0.5 * ce + 2 * dual + 3 * dice, 1e-6);
    rp_session_destroy(session);
    rp_fcd_destroy(net);
    rp_free(image);
}

/* Logits ln 1, ln 2, ln 5: p = 1/8, 2/8, 5/8; 32 voxels of class 0, 16 of 1, 16 of 2. */
static void three_classes_by_hand(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(3);
    rp_fcd *net = make_net(&config, 1);
    set_constant_logits(net, (double[]){0, log(2.0), log(5.0)});
    const int size[3] = {4, 4, 4};
    float *image = make_scene(size, 1);
    uint8_t target[64] = {0};
    memset(target + 10, 1, 16);
    memset(target + 40, 2, 16);
    rp_session *session = make_session(net, size, RP_RUN_TRAIN);
    assert_ok(rp_session_forward(session, image, 0, 1, 1, &err), err);
    rp_loss_weights weights;
    rp_loss_weights_defaults(&weights);
    rp_loss loss;
    assert_ok(rp_session_loss(session, target, &weights, true, &loss, &err), err);
    double l0 = log(1 + 1.0 / 8), l1 = log(1 + 2.0 / 8), l2 = log(1 + 5.0 / 8);
    assert_close(loss.cross_entropy,
                 -(32 * log(1.0 / 8) + 16 * log(2.0 / 8) + 16 * log(5.0 / 8)) / 64, 1e-6);
    assert_close(loss.dual_cross_entropy, (32 * (l1 + l2) + 16 * (l0 + l2) + 16 * (l0 + l1)) / 64,
                 1e-6);
    assert_close(loss.dice_loss, 1 - (2 * 16 * 0.25 + 1) / (64 * 0.25 + 16 + 1), 1e-6);
    float probability[64];
    rp_session_probability(session, 2, probability);
    assert_close(probability[63], 0.625, 1e-6);
    rp_session_destroy(session);
    rp_fcd_destroy(net);
    rp_free(image);
}

static void an_untrained_net_agrees_with_the_textbook(void **state)
{
    (void)state;
    rp_error err = {0};
    const int size[3] = {13, 10, 6};
    for (int classes = 2; classes <= 3; classes++) {
        rp_fcd_config config = small_config(classes);
        rp_fcd *net = make_net(&config, 8);
        float *image = make_scene(size, 3);
        uint8_t *target = make_target(size, classes);
        size_t voxels = voxels_of(size);
        float *logits = rp_alloc(voxels * (size_t)classes, sizeof(float));
        rp_session *session = make_session(net, size, RP_RUN_TRAIN);
        rp_loss_weights weights;
        rp_loss_weights_defaults(&weights);
        rp_loss loss;
        assert_ok(rp_session_forward(session, image, 0.25f, 1, 1, &err), err);
        assert_ok(rp_session_loss(session, target, &weights, true, &loss, &err), err);
        rp_session_logits(session, logits);
        rp_loss book = textbook_loss(logits, target, voxels, classes);
        assert_close(loss.cross_entropy, book.cross_entropy, 1e-6 * book.cross_entropy);
        assert_close(loss.dual_cross_entropy, book.dual_cross_entropy, 1e-6);
        assert_close(loss.dice_loss, book.dice_loss, 1e-6);
        assert_close(loss.total, book.total, 2e-6 * book.total);
        rp_session_destroy(session);
        rp_fcd_destroy(net);
        rp_free(image);
        rp_free(target);
        rp_free(logits);
    }
}

/** The image inside a larger one filled with `pad`. */
static float *pad_image(const float *image, const int size[3], const int padded[3],
                        const int offset[3], float pad)
{
    float *out = rp_alloc(voxels_of(padded), sizeof(float));
    for (size_t i = 0; i < voxels_of(padded); i++) out[i] = pad;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            memcpy(out +
                       ((size_t)(z + offset[2]) * (size_t)padded[1] + (size_t)(y + offset[1])) *
                           (size_t)padded[0] +
                       offset[0],
                   image + ((size_t)z * (size_t)size[1] + (size_t)y) * (size_t)size[0],
                   (size_t)size[0] * sizeof(float));
    return out;
}

static bool crop_equal(const float *part, const int size[3], const float *whole,
                       const int padded[3], const int offset[3])
{
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            if (memcmp(whole +
                           ((size_t)(z + offset[2]) * (size_t)padded[1] + (size_t)(y + offset[1])) *
                               (size_t)padded[0] +
                           offset[0],
                       part + ((size_t)z * (size_t)size[1] + (size_t)y) * (size_t)size[0],
                       (size_t)size[0] * sizeof(float)) != 0)
                return false;
    return true;
}

/** Logits of an odd size equal a crop of those of the image padded by hand, at exactly one place.
 */
static void an_odd_size_is_a_crop_of_the_padded_one(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_fcd_config config = small_config(2);
    rp_fcd *net = make_net(&config, 8);
    stir_weights(net, 2);
    const int size[3] = {13, 10, 6}, padded[3] = {16, 12, 8};
    float *image = make_scene(size, 3), *odd = rp_alloc(2 * voxels_of(size), sizeof(float));
    float *whole = rp_alloc(2 * voxels_of(padded), sizeof(float));
    rp_session *small = make_session(net, size, RP_RUN_PREDICT);
    rp_session *large = make_session(net, padded, RP_RUN_PREDICT);
    for (int mode = RP_NORM_RUNNING; mode <= RP_NORM_BATCH; mode++) {
        int matches = 0;
        rp_fcd_set_norm(net, (rp_norm_mode)mode);
        assert_ok(rp_session_forward(small, image, 0.25f, 0, 0, &err), err);
        rp_session_logits(small, odd);
        for (int place = 0; place < 4 * 3 * 3; place++) {
            int offset[3] = {place % 4, place / 4 % 3, place / 12};
            float *by_hand = pad_image(image, size, padded, offset, 0.25f);
            assert_ok(rp_session_forward(large, by_hand, 9, 0, 0, &err), err);
            rp_session_logits(large, whole);
            bool equal =
                crop_equal(odd, size, whole, padded, offset) &&
                crop_equal(odd + voxels_of(size), size, whole + voxels_of(padded), padded, offset);
            if (equal)
                print_message("norm %s: padded by %d, %d, %d in front (x, y, z)\n",
                              rp_norm_mode_name((rp_norm_mode)mode), offset[0], offset[1],
                              offset[2]);
            matches += equal;
            rp_free(by_hand);
        }
        assert_int_equal(matches, 1);
    }
    rp_session_destroy(small);
    rp_session_destroy(large);
    rp_fcd_destroy(net);
    rp_free(image);
    rp_free(odd);
    rp_free(whole);
}

static void input_that_is_no_number_is_an_error(void **state)
{
    (void)state;
    rp_fcd_config config = small_config(2);
    rp_fcd *net = make_net(&config, 8);
    const int size[3] = {8, 8, 8};
    float *image = make_scene(size, 3);
    uint8_t *target = make_target(size, 2);
    rp_session *session = make_session(net, size, RP_RUN_TRAIN);
    rp_loss_weights weights;
    rp_loss_weights_defaults(&weights);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        rp_error err = {0};
        rp_loss loss;
        image[100] = bad[i];
        rp_status status = rp_session_forward(session, image, 0, 0, 0, &err);
        if (status == RP_OK) status = rp_session_loss(session, target, &weights, true, &loss, &err);
        assert_int_equal(status, RP_ERR_NUMERIC);
        assert_true(strlen(err.message) > 10);
    }
    rp_session_destroy(session);
    rp_fcd_destroy(net);
    rp_free(image);
    rp_free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_classes_by_hand),
        cmocka_unit_test(three_classes_by_hand),
        cmocka_unit_test(an_untrained_net_agrees_with_the_textbook),
        cmocka_unit_test(an_odd_size_is_a_crop_of_the_padded_one),
        cmocka_unit_test(input_that_is_no_number_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
