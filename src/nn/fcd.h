/* Inside of the network: its units in the order of the data flow, and the memory of a session. */
#ifndef REPRISE_NN_FCD_H
#define REPRISE_NN_FCD_H

#include "reprise/kernels.h"
#include "reprise/nn.h"

typedef enum unit_type { UNIT_STEM, UNIT_DENSE, UNIT_DOWN, UNIT_UP, UNIT_HEAD } unit_type;

/*
 * One convolution with the norm before it. Every level has one stack of channels,
 *     [upsampled | skip = what came down, and the way down's new channels | the way up's new
 * channels], so that a block appends behind its input and a skip connection is there already: both
 * sides of each concatenation are written where they belong.
 */
typedef struct unit {
    unit_type type;
    rp_conv_kind kind;
    int level;                 /* of the input */
    int in_first, in_channels; /* channels read from stack[level]; UNIT_STEM reads the image */
    int out_level;             /* UNIT_HEAD writes the logits */
    int out_first, out_channels;
    bool has_norm, has_dropout;
    int norm_weight, norm_bias, running_mean, running_var; /* parameter indices */
    int conv_weight, conv_bias;
} unit;

enum { MAX_UNITS = 256, MAX_LEVELS = RP_FCD_MAX_LEVELS + 1 };

/* The parts of a stack: what lies before part i ends at part_first[level][i]. */
enum { PART_UP, PART_SKIP, PART_NEW, STACK_PARTS };

/*
 * A step of the backward pass: the gradient by so many of a unit's input channels, relative to the
 * first that it reads; before that, where `finish` says so, what is left to do for its output and
 * the gradient of its weights. Those who read a skip connection on the way up leave its gradient
 * for later: until the way down of that level is reached it needs no memory.
 */
typedef struct backward_action {
    int unit, first, channels;
    bool finish;
} backward_action;

enum { MAX_ACTIONS = 3 * MAX_UNITS };

struct rp_fcd {
    rp_fcd_config config;
    int stack_channels[MAX_LEVELS]; /* levels + 1 of them */
    int part_first[MAX_LEVELS][STACK_PARTS + 1];
    int unit_count;
    unit units[MAX_UNITS];
    int action_count;
    backward_action actions[MAX_ACTIONS];
    size_t parameter_count, trainable;
    rp_parameter *parameters;
    char (*names)[96];
    float *memory; /* values, then gradients */
};

/* Layout of the network for a configuration, without weights. */
void fcd_build_units(rp_fcd *net);

/* What backward needs of one unit's forward; float arrays are per channel. */
typedef struct unit_state {
    float *scale, *shift; /* of the norm on the input */
    float *keep;          /* dropout factors of the output; NULL at prediction */
    uint8_t *choice;      /* of the max pool */
} unit_state;

typedef struct level_state {
    int size[3];
    size_t voxels;
    float *stack;
    float *gradient[STACK_PARTS];
    double *mean, *variance; /* per channel */
    float *mean_f, *rstd_f;
    double *offset, *slope; /* gradient terms still owed to each channel */
    /* Of the transition down from here: what it pools, and its gradient, a group of channels each.
     */
    float *pooled_from, *unpooled;
    bool ready[STACK_PARTS]; /* a reader has written the gradient of this part */
} level_state;

struct rp_session {
    rp_fcd *net;
    rp_run_mode mode;
    int size[3], padded[3];
    int workers; /* threads that the workspace has room for */
    uint8_t *memory;
    float *input, *logits, *grad_logits;
    float *range_weight;                   /* weights of a range of input channels */
    float *channel_offset, *channel_slope; /* scratch, widest channel count */
    double *sum_a, *sum_b;
    double *loss_parts; /* [z][LOSS_PARTS] */
    void *workspace;
    level_state levels[MAX_LEVELS];
    unit_state units[MAX_UNITS];
    rp_profile *profile; /* NULL: nothing is measured */
};

enum { LOSS_PARTS = 8 };

/* A transition down computes its channels before pooling in so many groups, for their memory's
 * sake; going backward in fewer, for every group passes over the input's gradient. */
enum { POOL_GROUPS = 3, UNPOOL_GROUPS = 2 };

static inline int group_first(int channels, int group, int groups)
{
    return channels * group / groups;
}

/* Channels of the largest group. */
static inline int group_room(int channels, int groups)
{
    return (channels + groups - 1) / groups;
}

/* loss.c: fills grad_logits where gradients is true. */
rp_status session_loss_pass(rp_session *s, const uint8_t *target, const rp_loss_weights *weights,
                            bool gradients, rp_loss *loss, rp_error *err);
/* RP_ERR_ARGUMENT when more threads run now than the workspace was planned for. */
rp_status session_check_workers(const rp_session *s, rp_error *err);
/* backward.c: from grad_logits to every parameter's gradient. */
void session_backward(rp_session *s);

/* profile.c: what ran since start was one operation of this unit (of no unit: NULL), which added to
 * its result or overwrote it. */
void profile_add(const rp_session *s, rp_profile_operation operation, const unit *u,
                 bool accumulate, double start);

/* Around each kernel: start = profile_start(s->profile), the kernel, profile_stop(...). */
static inline double profile_start(const rp_profile *profile)
{
    return profile ? rp_seconds() : 0;
}

static inline void profile_stop(const rp_session *s, rp_profile_operation operation, const unit *u,
                                double start)
{
    if (s->profile) profile_add(s, operation, u, false, start);
}

static inline size_t unit_taps(const unit *u)
{
    return u->kind == RP_CONV_POINT ? 1 : 27;
}

static inline float *parameter_value(const rp_fcd *net, int index)
{
    return net->parameters[index].value;
}

/* The gradient of a stack's channels from `first` on, as far as their part goes. */
static inline float *stack_gradient(const rp_session *s, int level, int first)
{
    const int *part = s->net->part_first[level];
    int i = first >= part[PART_NEW] ? PART_NEW : first >= part[PART_SKIP] ? PART_SKIP : PART_UP;
    return s->levels[level].gradient[i] + (size_t)(first - part[i]) * s->levels[level].voxels;
}

static inline float *unit_input(const rp_session *s, const unit *u)
{
    if (u->type == UNIT_STEM) return s->input;
    const level_state *l = &s->levels[u->level];
    return l->stack + (size_t)u->in_first * l->voxels;
}

/* Shape of a unit's convolution at a session's extents. */
rp_conv_shape unit_shape(const unit *u, const level_state levels[]);
/* Norm operands of a unit, all NULL without norm. */
rp_conv_norm unit_norm(const rp_session *s, int index);

#endif
