#include "fcd.h"

struct rp_adam {
    rp_fcd *net;
    uint64_t steps;
    float *memory;
    float **first, **second; /* per parameter, NULL for buffers */
    rp_profile *profile;     /* NULL: nothing is measured */
};

rp_status rp_adam_create(rp_fcd *net, rp_adam **out, rp_error *err)
{
    rp_adam *adam = rp_alloc(1, sizeof *adam);
    if (!adam) return rp_fail(err, RP_ERR_MEMORY, "no memory for the optimiser");
    size_t floats = 0, at = 0;
    for (size_t i = 0; i < net->parameter_count; i++)
        if (net->parameters[i].gradient) floats += 2 * net->parameters[i].count;
    adam->net = net;
    adam->memory = rp_alloc(floats, sizeof *adam->memory);
    adam->first = rp_alloc(net->parameter_count, sizeof *adam->first);
    adam->second = rp_alloc(net->parameter_count, sizeof *adam->second);
    if (!adam->memory || !adam->first || !adam->second) {
        rp_adam_destroy(adam);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the optimiser");
    }
    for (size_t i = 0; i < net->parameter_count; i++) {
        if (!net->parameters[i].gradient) continue;
        adam->first[i] = adam->memory + at;
        adam->second[i] = adam->memory + at + net->parameters[i].count;
        at += 2 * net->parameters[i].count;
    }
    *out = adam;
    return RP_OK;
}

void rp_adam_destroy(rp_adam *adam)
{
    if (!adam) return;
    rp_free(adam->memory);
    rp_free(adam->first);
    rp_free(adam->second);
    rp_free(adam);
}

void rp_adam_step(rp_adam *adam, double learning_rate)
{
    /* The moments of a weight that has no gradient decay to denormal numbers. */
    const uint64_t denormals = rp_denormals_flush();
    double start = profile_start(adam->profile);
    adam->steps++;
    for (size_t i = 0; i < adam->net->parameter_count; i++) {
        rp_parameter *p = &adam->net->parameters[i];
        if (!p->gradient) continue;
        rp_kernels_get()->adam(p->value, p->gradient, adam->first[i], adam->second[i], p->count,
                               learning_rate, adam->steps);
    }
    rp_denormals_restore(denormals);
    if (!adam->profile) return;
    rp_profile_entry *e = &adam->profile->entries[0][RP_LAYER_NONE][RP_PROFILE_ADAM];
    e->calls++;
    e->seconds += rp_seconds() - start;
    /* Value, gradient and two moments are read, all but the gradient written. */
    e->bytes += 7 * sizeof(float) * (double)adam->net->trainable;
}

void rp_adam_set_profile(rp_adam *adam, rp_profile *profile)
{
    adam->profile = profile;
}

uint64_t rp_adam_steps(const rp_adam *adam)
{
    return adam->steps;
}

void rp_adam_set_steps(rp_adam *adam, uint64_t steps)
{
    adam->steps = steps;
}

float *rp_adam_first_moment(rp_adam *adam, size_t index)
{
    return adam->first[index];
}

float *rp_adam_second_moment(rp_adam *adam, size_t index)
{
    return adam->second[index];
}
