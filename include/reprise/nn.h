/**
 * @file nn.h
 * The 3D fully convolutional DenseNet (Jegou et al. 2017 in three dimensions): weights, memory
 * plan, forward, backward, loss and Adam. float32 storage and arithmetic, float64 sums over voxels.
 * The same input, seed and instruction set give the same bits with any number of threads.
 */
#ifndef REPRISE_NN_H
#define REPRISE_NN_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RP_FCD_MAX_LEVELS 6

/** What normalisation uses. At batch size 1 training always uses the volume's own statistics. */
typedef enum rp_norm_mode {
    RP_NORM_RUNNING, /**< prediction by running averages (momentum 0.1) */
    RP_NORM_BATCH,   /**< prediction by the statistics of the volume at hand; averages are kept */
    RP_NORM_INSTANCE /**< as BATCH, and the running averages are left alone */
} rp_norm_mode;

const char *rp_norm_mode_name(rp_norm_mode mode);
bool rp_norm_mode_parse(const char *name, rp_norm_mode *mode);

typedef struct rp_fcd_config {
    int in_channels;                    /**< 1 */
    int classes;                        /**< 2 */
    int first_filters;                  /**< 48 */
    int growth;                         /**< 12 */
    int levels;                         /**< transitions down: 4 */
    int down_layers[RP_FCD_MAX_LEVELS]; /**< 2, 3, 4, 5; the way up mirrors it */
    int bottleneck_layers;              /**< 7 */
    double dropout;                     /**< 0.2, whole channels */
    rp_norm_mode norm;
} rp_fcd_config;

void rp_fcd_config_defaults(rp_fcd_config *config);
/** RP_ERR_ARGUMENT in words for an impossible configuration. */
rp_status rp_fcd_config_check(const rp_fcd_config *config, rp_error *err);
bool rp_fcd_config_same(const rp_fcd_config *a, const rp_fcd_config *b);
/** Every extent is padded to a multiple of this: 2^levels. */
int rp_fcd_stride(const rp_fcd_config *config);

/* ---- weights ----------------------------------------------------------------------------- */

/** A named parameter or buffer, in PyTorch's name and shape. Data belongs to the net. */
typedef struct rp_parameter {
    const char *name;
    int rank;
    int64_t shape[5];
    size_t count;
    float *value;
    float *gradient; /**< NULL for buffers (running_mean, running_var) */
} rp_parameter;

typedef struct rp_fcd rp_fcd;

/** Weights He uniform (fan in) from the seed, biases 0, norm scale 1 and shift 0. */
rp_status rp_fcd_create(const rp_fcd_config *config, uint64_t seed, rp_fcd **net, rp_error *err);
void rp_fcd_destroy(rp_fcd *net);
const rp_fcd_config *rp_fcd_config_of(const rp_fcd *net);
/** Parameters and buffers in data-flow order. */
size_t rp_fcd_parameter_count(const rp_fcd *net);
rp_parameter *rp_fcd_parameter(rp_fcd *net, size_t index);
/** Trainable scalars: 2,698,682 for the defaults. */
size_t rp_fcd_trainable(const rp_fcd *net);
/** Switches what prediction normalises with, without touching weights. */
void rp_fcd_set_norm(rp_fcd *net, rp_norm_mode norm);
/** Dropout rate from the next forward on, 0 <= rate < 1. */
void rp_fcd_set_dropout(rp_fcd *net, double rate);

/* ---- running it -------------------------------------------------------------------------- */

typedef enum rp_run_mode { RP_RUN_PREDICT, RP_RUN_TRAIN } rp_run_mode;

typedef struct rp_loss_weights {
    double cross_entropy, dual_cross_entropy, dice; /**< 1, 1, 1 */
    double dual_alpha, dual_beta;                   /**< 1, 1 */
    double dice_smooth;                             /**< 1 */
} rp_loss_weights;

void rp_loss_weights_defaults(rp_loss_weights *weights);

typedef struct rp_loss {
    double total, cross_entropy, dual_cross_entropy, dice_loss;
    double hard_dice; /**< of class 1 at p >= 0.5 against the target, for the curve */
} rp_loss;

#define RP_PLAN_ENTRIES 80

/** All memory of a forward (and backward) at one extent, allocated once. */
typedef struct rp_session rp_session;

/** Bytes that a session takes, known without allocating it. size is x,y,z before padding. */
rp_status rp_session_bytes(const rp_fcd_config *config, const int size[3], rp_run_mode mode,
                           size_t *bytes, rp_error *err);
/** A range of a session's memory and the steps that it lives for. Steps count from the first unit's
 *  forward; in training the loss and the backward pass follow. */
typedef struct rp_plan_entry {
    const char *name, *part; /**< part: of a stack of channels "up", "skip" or "new", else "" */
    int level;
    size_t offset, bytes; /**< in the shared memory */
    int first, last;      /**< steps, both included */
} rp_plan_entry;

typedef struct rp_plan {
    size_t bytes;          /**< of the whole session */
    size_t shared_bytes;   /**< of what lives for a time and shares its memory */
    size_t unshared_bytes; /**< what that would take with a place of its own for each entry */
    int steps;             /**< in the last of them the caller takes the logits */
    int forward_steps;     /**< of these, the first ones; in training the next is the loss */
    int count;
    rp_plan_entry entries[RP_PLAN_ENTRIES];
} rp_plan;

/** The memory plan of a session, without allocating it. */
rp_status rp_session_plan(const rp_fcd_config *config, const int size[3], rp_run_mode mode,
                          rp_plan *plan, rp_error *err);
/** RP_ERR_BUDGET, with both figures in MiB, when budget_bytes (0: none) is exceeded. The net is
 *  borrowed and must outlive the session. Scratch memory is planned for rp_threads_get() threads:
 *  running it with more later is RP_ERR_ARGUMENT. */
rp_status rp_session_create(rp_fcd *net, const int size[3], rp_run_mode mode, size_t budget_bytes,
                            rp_session **session, rp_error *err);
void rp_session_destroy(rp_session *session);

/**
 * input: [in_channels][z][y][x] of the session's size; padded with pad_value per channel to the
 * stride inside. In RP_RUN_TRAIN statistics come from the input and running averages are updated;
 * dropout (where the rate is above 0) draws from (seed, step).
 */
rp_status rp_session_forward(rp_session *session, const float *input, float pad_value,
                             uint64_t seed, uint64_t step, rp_error *err);
/** Copies the logits [classes][z][y][x] of the last forward, cropped to the session's size. */
void rp_session_logits(const rp_session *session, float *logits);
/** Softmax probability of class `class_index`, [z][y][x]. */
void rp_session_probability(const rp_session *session, int class_index, float *probability);
/** Loss against target (class index per voxel, [z][y][x]) over the session's size (padding does
 *  not count); when gradients is true fills every parameter's gradient (overwriting it).
 *  RP_ERR_NUMERIC when the loss is not finite. */
rp_status rp_session_loss(rp_session *session, const uint8_t *target,
                          const rp_loss_weights *weights, bool gradients, rp_loss *loss,
                          rp_error *err);

/* ---- profile ----------------------------------------------------------------------------- */

/** What a kernel's time is spent on. */
typedef enum rp_profile_operation {
    RP_PROFILE_FORWARD,         /**< a convolution */
    RP_PROFILE_DATA_GRADIENT,   /**< of a convolution */
    RP_PROFILE_WEIGHT_GRADIENT, /**< of a convolution */
    RP_PROFILE_NORM,       /**< scale and shift from statistics, and the norm's own gradients */
    RP_PROFILE_STATISTICS, /**< mean and variance of new channels */
    RP_PROFILE_FINISH,     /**< the pass that finishes the gradient of a channel */
    RP_PROFILE_POOL,
    RP_PROFILE_UNPOOL,
    RP_PROFILE_LOAD,  /**< the padded copy of the input */
    RP_PROFILE_LOSS,  /**< softmax, loss and its gradient */
    RP_PROFILE_ADAM,
    RP_PROFILE_OPERATIONS
} rp_profile_operation;

/** Whose kernel it is: the conv 3x3x3 of stem and dense layers, 1x1x1 of transitions down and of
 * the head, transposed of transitions up; RP_LAYER_NONE where no single layer owns the work. */
typedef enum rp_layer {
    RP_LAYER_STEM,
    RP_LAYER_DENSE,
    RP_LAYER_DOWN,
    RP_LAYER_UP,
    RP_LAYER_HEAD,
    RP_LAYER_NONE,
    RP_LAYERS
} rp_layer;

/**
 * flops: two for each multiply-add of the direct algorithm at the padded extent, taps that fall on
 * padding included, whatever algorithm ran. bytes: compulsory traffic, each tensor once per read
 * and once per write, as if caches were perfect.
 */
typedef struct rp_profile_entry {
    uint64_t calls;
    double seconds, flops, bytes;
} rp_profile_entry;

/** Sums over everything that ran since the caller zeroed it. Level 0 is full resolution; what
 * belongs to a transition, up or down, counts at the finer of its two levels. */
typedef struct rp_profile {
    rp_profile_entry entries[RP_FCD_MAX_LEVELS + 1][RP_LAYERS][RP_PROFILE_OPERATIONS];
} rp_profile;

const char *rp_profile_operation_name(rp_profile_operation operation);
const char *rp_layer_name(rp_layer layer);
/** Every later forward and loss of the session adds to the profile, which is borrowed; NULL (the
 *  default) measures nothing. */
void rp_session_set_profile(rp_session *session, rp_profile *profile);

/* ---- Adam -------------------------------------------------------------------------------- */

typedef struct rp_adam rp_adam;
/** Moments for every trainable parameter of net (borrowed); betas 0.9, 0.999, eps 1e-8. */
rp_status rp_adam_create(rp_fcd *net, rp_adam **adam, rp_error *err);
void rp_adam_destroy(rp_adam *adam);
/** One step with the gradients now in the net (PyTorch's formula, bias-corrected). */
void rp_adam_step(rp_adam *adam, double learning_rate);
/** As rp_session_set_profile. */
void rp_adam_set_profile(rp_adam *adam, rp_profile *profile);
/** State for checkpoints: steps done, and the moments of parameter `index` (NULL for buffers). */
uint64_t rp_adam_steps(const rp_adam *adam);
void rp_adam_set_steps(rp_adam *adam, uint64_t steps);
float *rp_adam_first_moment(rp_adam *adam, size_t index);
float *rp_adam_second_moment(rp_adam *adam, size_t index);

/* ---- benchmark --------------------------------------------------------------------------- */

typedef struct rp_benchmark_options {
    int size[3];         /**< x, y, z before padding */
    int rounds;          /**< 1 or more */
    size_t memory_bytes; /**< RP_ERR_BUDGET where the plan exceeds it; 0: no limit */
    /** A trained network of one input, a step of which is timed too: fresh weights are kinder to
     *  some processors than trained ones. Its weights change. NULL: none. */
    rp_fcd *trained;
} rp_benchmark_options;

/** Over the rounds. */
typedef struct rp_benchmark_figure {
    double median, best;
} rp_benchmark_figure;

typedef struct rp_benchmark_run {
    rp_benchmark_figure seconds;
    double flops;         /**< a step's are three times the forward's, as rp_profile_entry counts */
    size_t planned_bytes; /**< of the session */
    size_t peak_bytes;    /**< of the whole process so far, resident */
} rp_benchmark_run;

/** Speeds are those of the kernel table and the threads in use. */
typedef struct rp_benchmark {
    int padded[3];
    rp_benchmark_figure multiply_add; /**< FLOP/s, float32, in registers alone */
    /** bytes/s of STREAM's triad, two reads and one write of each element: what a write has to
     *  fetch first is not counted, as it is not in rp_profile_entry. */
    rp_benchmark_figure triad;
    size_t triad_bytes;             /**< of its three buffers together */
    rp_benchmark_run forward, step; /**< prediction; forward, loss, backward and Adam */
    rp_benchmark_run trained_step;  /**< the same step of options.trained; zero without it */
    rp_profile kernels;             /**< of one step; seconds are medians over the rounds */
    double other_seconds;           /**< of a step outside all of them, median */
} rp_benchmark;

/** Runs the default network on made input and measures it and the machine by turns. Takes the
 * memory of a prediction, a training step and the triad's buffers at once. RP_ERR_CANCELLED between
 * two measurements at the earliest. */
rp_status rp_benchmark_measure(const rp_benchmark_options *options, const rp_progress *progress,
                               rp_benchmark *result, rp_error *err);
/** The least time that the machine's limits allow an entry (Williams et al. 2009, the roofline):
 * its arithmetic at the median peak or its traffic at the median bandwidth, whichever takes longer;
 *  *by_memory (may be NULL) tells which. */
double rp_benchmark_limit_seconds(const rp_benchmark *b, const rp_profile_entry *entry,
                                  bool *by_memory);

#ifdef __cplusplus
}
#endif
#endif
