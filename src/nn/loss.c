/* Softmax, the three loss terms and their gradient by the logits. */
#include "fcd.h"

#include <math.h>
#include <string.h>

enum {
    PART_CE,
    PART_DUAL,
    PART_OVERLAP,
    PART_PREDICTED,
    PART_TARGET,
    PART_HARD,
    PART_HARD_BOTH,
    PART_BAD
};
enum { TUMOUR = 1, MAX_CLASSES = 64 };

typedef struct loss_job {
    rp_session *s;
    const uint8_t *target;
    const rp_loss_weights *weights;
    double overlap, total; /* of the Dice quotient: 2I + s and P + Y + s */
} loss_job;

static void softmax(const float *logits, size_t stride, int classes, double p[MAX_CLASSES])
{
    double largest = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++) largest = fmax(largest, (double)logits[(size_t)c * stride]);
    for (int c = 0; c < classes; c++) {
        p[c] = exp((double)logits[(size_t)c * stride] - largest);
        sum += p[c];
    }
    for (int c = 0; c < classes; c++) p[c] /= sum;
}

/* log p_k without underflow of p_k. */
static double log_softmax(const float *logits, size_t stride, int classes, int k)
{
    double own = (double)logits[(size_t)k * stride], sum = 0, largest = -INFINITY;
    for (int c = 0; c < classes; c++) largest = fmax(largest, (double)logits[(size_t)c * stride]);
    for (int c = 0; c < classes; c++) sum += exp((double)logits[(size_t)c * stride] - largest);
    return own - largest - log(sum);
}

static void add_voxel(const loss_job *job, const float *logits, size_t stride, int y,
                      double parts[LOSS_PARTS])
{
    double p[MAX_CLASSES];
    int classes = job->s->net->config.classes;
    softmax(logits, stride, classes, p);
    if (!isfinite(p[0]) || y >= classes) {
        parts[PART_BAD]++;
        return;
    }
    parts[PART_CE] -= p[y] > 1e-30 ? log(p[y]) : log_softmax(logits, stride, classes, y);
    for (int k = 0; k < classes; k++)
        if (k != y) parts[PART_DUAL] += log(job->weights->dual_alpha + p[k]);
    bool hard = p[TUMOUR] >= 0.5, tumour = y == TUMOUR;
    parts[PART_OVERLAP] += tumour ? p[TUMOUR] : 0;
    parts[PART_PREDICTED] += p[TUMOUR];
    parts[PART_TARGET] += tumour;
    parts[PART_HARD] += hard;
    parts[PART_HARD_BOTH] += hard && tumour;
}

static void sum_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const loss_job *job = context;
    const rp_session *s = job->s;
    const int *n = s->size, *p = s->padded;
    double *parts = s->loss_parts + z * LOSS_PARTS;
    memset(parts, 0, LOSS_PARTS * sizeof *parts);
    for (int y = 0; y < n[1]; y++)
        for (int x = 0; x < n[0]; x++) {
            size_t at = (z * (size_t)p[1] + (size_t)y) * (size_t)p[0] + (size_t)x;
            int target = job->target[(z * (size_t)n[1] + (size_t)y) * (size_t)n[0] + (size_t)x];
            add_voxel(job, s->logits + at, s->levels[0].voxels, target, parts);
        }
}

/* dL/dz_k = p_k (dL/dp_k - sum_j p_j dL/dp_j), and (p_k - y_k) / n for the cross entropy. */
static void voxel_gradient(const loss_job *job, const float *logits, size_t stride, int y,
                           float *gradient)
{
    double p[MAX_CLASSES], by_p[MAX_CLASSES], dot = 0;
    const rp_loss_weights *w = job->weights;
    int classes = job->s->net->config.classes;
    double n = (double)job->s->size[0] * job->s->size[1] * job->s->size[2];
    softmax(logits, stride, classes, p);
    for (int k = 0; k < classes; k++) {
        by_p[k] = k == y ? 0 : w->dual_cross_entropy * w->dual_beta / (w->dual_alpha + p[k]) / n;
        if (k == TUMOUR)
            by_p[k] -= w->dice * ((y == TUMOUR ? 2 * job->total : 0) - job->overlap) /
                       (job->total * job->total);
        dot += p[k] * by_p[k];
    }
    for (int k = 0; k < classes; k++)
        gradient[(size_t)k * stride] =
            (float)(p[k] * (by_p[k] - dot) + w->cross_entropy * (p[k] - (k == y)) / n);
}

static void gradient_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const loss_job *job = context;
    rp_session *s = job->s;
    const int *n = s->size, *p = s->padded;
    size_t stride = s->levels[0].voxels;
    for (int y = 0; y < p[1]; y++)
        for (int x = 0; x < p[0]; x++) {
            size_t at = (z * (size_t)p[1] + (size_t)y) * (size_t)p[0] + (size_t)x;
            if ((int)z < n[2] && y < n[1] && x < n[0]) {
                int target = job->target[(z * (size_t)n[1] + (size_t)y) * (size_t)n[0] + (size_t)x];
                voxel_gradient(job, s->logits + at, stride, target, s->grad_logits + at);
            } else {
                for (int c = 0; c < s->net->config.classes; c++)
                    s->grad_logits[(size_t)c * stride + at] = 0;
            }
        }
}

static void head_bias_gradient(rp_session *s)
{
    const unit *head = &s->net->units[s->net->unit_count - 1];
    double variance[MAX_CLASSES], mean[MAX_CLASSES];
    rp_kernels_get()->channel_statistics(s->grad_logits, head->out_channels, s->levels[0].voxels,
                                         mean, variance);
    for (int c = 0; c < head->out_channels; c++)
        s->net->parameters[head->conv_bias].gradient[c] =
            (float)(mean[c] * (double)s->levels[0].voxels);
}

rp_status session_loss_pass(rp_session *s, const uint8_t *target, const rp_loss_weights *weights,
                            bool gradients, rp_loss *loss, rp_error *err)
{
    loss_job job = {.s = s, .target = target, .weights = weights};
    double parts[LOSS_PARTS] = {0}, n = (double)s->size[0] * s->size[1] * s->size[2];
    rp_parallel_for((size_t)s->size[2], sum_slice, &job);
    for (int z = 0; z < s->size[2]; z++)
        for (int i = 0; i < LOSS_PARTS; i++) parts[i] += s->loss_parts[z * LOSS_PARTS + i];
    job.overlap = 2 * parts[PART_OVERLAP] + weights->dice_smooth;
    job.total = parts[PART_PREDICTED] + parts[PART_TARGET] + weights->dice_smooth;
    loss->cross_entropy = parts[PART_CE] / n;
    loss->dual_cross_entropy = weights->dual_beta * parts[PART_DUAL] / n;
    loss->dice_loss = 1 - job.overlap / job.total;
    loss->total = weights->cross_entropy * loss->cross_entropy +
                  weights->dual_cross_entropy * loss->dual_cross_entropy +
                  weights->dice * loss->dice_loss;
    double either = parts[PART_HARD] + parts[PART_TARGET];
    loss->hard_dice = either > 0 ? 2 * parts[PART_HARD_BOTH] / either : 1;
    if (parts[PART_BAD] > 0 || !isfinite(loss->total))
        return rp_fail(err, RP_ERR_NUMERIC,
                       "the loss is not finite: %.0f of %.0f voxels have no "
                       "valid prediction or target",
                       parts[PART_BAD], n);
    if (gradients) {
        rp_parallel_for((size_t)s->padded[2], gradient_slice, &job);
        head_bias_gradient(s);
    }
    return RP_OK;
}
