/* What each kernel of the network has to do, counted from the shapes, beside the time it took. */
#include "fcd.h"

static const char *const operation_names[RP_PROFILE_OPERATIONS] = {
    "forward", "data gradient", "weight gradient",
    "norm",    "statistics",    "finish gradient",
    "pool",    "unpool",        "load",
    "loss",    "adam"};
static const char *const layer_names[RP_LAYERS] = {"stem", "dense", "down", "up", "head", "none"};

const char *rp_profile_operation_name(rp_profile_operation operation)
{
    return operation_names[operation];
}

const char *rp_layer_name(rp_layer layer)
{
    return layer_names[layer];
}

void rp_session_set_profile(rp_session *s, rp_profile *profile)
{
    s->profile = profile;
}

static rp_layer layer_of(const unit *u)
{
    static const rp_layer layers[] = {[UNIT_STEM] = RP_LAYER_STEM,
                                      [UNIT_DENSE] = RP_LAYER_DENSE,
                                      [UNIT_DOWN] = RP_LAYER_DOWN,
                                      [UNIT_UP] = RP_LAYER_UP,
                                      [UNIT_HEAD] = RP_LAYER_HEAD};
    return layers[u->type];
}

/* Of a transposed convolution each input voxel meets every tap, of the others each output voxel. */
static double conv_flops(const unit *u, double input_voxels)
{
    double taps = u->kind == RP_CONV_POINT ? 1 : 27;
    return 2 * taps * u->in_channels * u->out_channels * input_voxels;
}

/* in, conv and out are the sizes of the convolution's input and output, and of the unit's output
 * (pooled for a transition down), in values. */
static double unit_bytes(const unit *u, rp_profile_operation operation, double in, double conv,
                         double out, bool choice, bool accumulate)
{
    double weights = conv_flops(u, 0.5) * sizeof(float);
    switch (operation) {
    case RP_PROFILE_FORWARD:
        return (in + conv) * sizeof(float) + weights;
    case RP_PROFILE_WEIGHT_GRADIENT:
        return (in + conv) * sizeof(float) + weights;
    case RP_PROFILE_DATA_GRADIENT: {
        /* The gradient is written, read where it is added to, and a norm needs its input. */
        double passes = 1 + accumulate + u->has_norm;
        return (passes * in + conv) * sizeof(float) + weights;
    }
    case RP_PROFILE_STATISTICS:
        return out * sizeof(float);
    case RP_PROFILE_FINISH:
        return 3 * out * sizeof(float);
    case RP_PROFILE_POOL:
    case RP_PROFILE_UNPOOL:
        return (conv + out) * sizeof(float) + (choice ? out : 0);
    default:
        return 0;
    }
}

static double whole_bytes(const rp_session *s, rp_profile_operation operation)
{
    const rp_fcd *net = s->net;
    double voxels = (double)s->levels[0].voxels;
    switch (operation) {
    case RP_PROFILE_LOAD:
        return 2 * voxels * net->config.in_channels * sizeof(float);
    case RP_PROFILE_LOSS:
        /* The sums of the Dice term come before its gradient: two passes in training. */
        return voxels * (s->mode == RP_RUN_TRAIN ? 3.0 * net->config.classes * sizeof(float) + 2
                                                 : net->config.classes * sizeof(float) + 1);
    default:
        return 0;
    }
}

void profile_add(const rp_session *s, rp_profile_operation operation, const unit *u,
                 bool accumulate, double start)
{
    double seconds = rp_seconds() - start, flops = 0, bytes;
    int level = 0;
    rp_layer layer = RP_LAYER_NONE;
    if (u) {
        double voxels = (double)s->levels[u->level].voxels;
        double out = u->type == UNIT_HEAD ? voxels : (double)s->levels[u->out_level].voxels;
        double conv = u->kind == RP_CONV_UP ? out : voxels;
        layer = layer_of(u);
        level = u->type == UNIT_UP ? u->out_level : u->level;
        bytes = unit_bytes(u, operation, voxels * u->in_channels, conv * u->out_channels,
                           out * u->out_channels, s->mode == RP_RUN_TRAIN, accumulate);
        if (operation <= RP_PROFILE_WEIGHT_GRADIENT) flops = conv_flops(u, voxels);
    } else {
        bytes = whole_bytes(s, operation);
    }
    rp_profile_entry *e = &s->profile->entries[level][layer][operation];
    e->calls++;
    e->seconds += seconds;
    e->flops += flops;
    e->bytes += bytes;
}
