/* What the tests of the network share: small nets, scenes, and loss by the textbook in float64. */
#ifndef REPRISE_NN_CASES_H
#define REPRISE_NN_CASES_H

#include <math.h>

#include "reprise/nn.h"
#include "test.h"

/** A net of about four thousand weights, stride 4. */
static inline rp_fcd_config small_config(int classes)
{
    rp_fcd_config config;
    rp_fcd_config_defaults(&config);
    config.classes = classes;
    config.first_filters = 6;
    config.growth = 4;
    config.levels = 2;
    config.down_layers[0] = 1;
    config.down_layers[1] = 2;
    config.bottleneck_layers = 2;
    config.dropout = 0;
    return config;
}

static inline rp_fcd *make_net(const rp_fcd_config *config, uint64_t seed)
{
    rp_error err = {0};
    rp_fcd *net = NULL;
    assert_ok(rp_fcd_create(config, seed, &net, &err), err);
    return net;
}

/** Biases and norms away from 0 and 1. */
static inline void stir_weights(rp_fcd *net, uint64_t seed)
{
    rp_random random;
    rp_random_init(&random, seed, 77, 0);
    for (size_t i = 0; i < rp_fcd_parameter_count(net); i++) {
        const rp_parameter *p = rp_fcd_parameter(net, i);
        bool scale = strstr(p->name, "norm.weight") || strstr(p->name, "running_var");
        if (p->rank != 1) continue;
        for (size_t k = 0; k < p->count; k++) {
            p->value[k] = (float)(scale ? rp_random_range(&random, 0.6, 1.4)
                                        : rp_random_range(&random, -0.3, 0.3));
        }
    }
}

static inline rp_session *make_session(rp_fcd *net, const int size[3], rp_run_mode mode)
{
    rp_error err = {0};
    rp_session *session = NULL;
    assert_ok(rp_session_create(net, size, mode, 0, &session, &err), err);
    return session;
}

static inline size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

/** Values 0..1 that vary smoothly with some noise; rp_alloc'd. */
static inline float *make_scene(const int size[3], uint64_t seed)
{
    rp_random random;
    rp_random_init(&random, seed, 78, 0);
    float *image = rp_alloc(voxels_of(size), sizeof(float));
    float *at = image;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[0]; x++)
                *at++ = (float)(0.5 + 0.25 * sin(0.7 * x + 0.4 * y) + 0.1 * cos(0.9 * z) +
                                0.15 * (rp_random_uniform(&random) - 0.5));
    return image;
}

/** A class for each voxel: 0 and a block of each other class; rp_alloc'd. */
static inline uint8_t *make_target(const int size[3], int classes)
{
    uint8_t *target = rp_alloc(voxels_of(size), 1);
    uint8_t *at = target;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[0]; x++, at++) {
                bool inside = z >= size[2] / 3 && y >= size[1] / 4 && x >= size[0] / 4;
                *at = (uint8_t)(inside ? 1 + x * (classes - 1) / size[0] : 0);
            }
    return target;
}

/** The three terms of METHOD's loss from logits [classes][voxels], with unit weights. */
static inline rp_loss textbook_loss(const float *logits, const uint8_t *target, size_t voxels,
                                    int classes)
{
    rp_loss loss = {0};
    double overlap = 0, predicted = 0, manual = 0;
    for (size_t v = 0; v < voxels; v++) {
        double sum = 0;
        for (int k = 0; k < classes; k++) sum += exp((double)logits[(size_t)k * voxels + v]);
        for (int k = 0; k < classes; k++) {
            double p = exp((double)logits[(size_t)k * voxels + v]) / sum;
            if (k == target[v]) loss.cross_entropy -= log(p) / (double)voxels;
            if (k != target[v]) loss.dual_cross_entropy += log(1 + p) / (double)voxels;
            if (k == 1) predicted += p;
            if (k == 1 && target[v] == 1) overlap += p;
        }
        manual += target[v] == 1;
    }
    loss.dice_loss = 1 - (2 * overlap + 1) / (predicted + manual + 1);
    loss.total = loss.cross_entropy + loss.dual_cross_entropy + loss.dice_loss;
    return loss;
}

#endif
