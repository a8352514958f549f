/* Which component of a prediction is the lesion. */
#include "internal.h"

#include <math.h>

/* Closeness of every component to the prior: sum over voxels of exp(-d^2 / (2 reach^2)), summed in
 * memory order. False where the prior has no voxel within the image. */
static rp_status score_components(const rp_labels *labels, const rp_predict_options *options,
                                  double *scores, bool *usable, rp_error *err)
{
    rp_mask prior = {0};
    rp_image distance = {0};
    rp_status status = rp_mask_resample(options->prior, &labels->grid, &prior, err);
    *usable = !status && rp_mask_count(&prior) > 0;
    if (!status && *usable) status = rp_mask_distance(&prior, &distance, err);
    if (!status && *usable) {
        const size_t voxels = rp_grid_voxels(&labels->grid);
        for (size_t i = 0; i < voxels; i++) {
            if (!labels->data[i]) continue;
            double d = (double)distance.data[i] / options->prior_reach_mm;
            scores[labels->data[i] - 1] += exp(-0.5 * d * d);
        }
    }
    rp_mask_release(&prior);
    rp_image_release(&distance);
    return status;
}

/* 1 is the largest component, which also wins where every score is nought. */
static int32_t best_component(const double *scores, int32_t count)
{
    int32_t best = 1;
    for (int32_t i = 2; i <= count; i++)
        if (scores[i - 1] > scores[best - 1]) best = i;
    return best;
}

/* Of all voxels that belong to some component. */
static double share_of(const rp_labels *labels, int32_t one)
{
    const size_t voxels = rp_grid_voxels(&labels->grid);
    size_t all = 0, own = 0;
    for (size_t i = 0; i < voxels; i++) {
        all += labels->data[i] > 0;
        own += labels->data[i] == one;
    }
    return all ? (double)own / (double)all : 0.0;
}

rp_status choose_component(rp_prediction *out, const rp_predict_options *options, rp_error *err)
{
    rp_labels labels = {0};
    int32_t count = 0;
    double *scores = NULL;
    rp_status status = rp_mask_components(&out->mask, 26, &labels, &count, NULL, err);
    if (status) return status;
    int32_t chosen = 1;
    out->components = count;
    out->part_share = share_of(&labels, chosen);
    if (options->all_components || count == 0) goto done;
    if (options->prior && count > 1) {
        scores = rp_alloc((size_t)count, sizeof *scores);
        if (!scores)
            status = rp_fail(err, RP_ERR_MEMORY, "no memory to choose among %d components", count);
        else
            status = score_components(&labels, options, scores, &out->chosen_by_prior, err);
        if (status) goto done;
        chosen = best_component(scores, count);
    }
    const size_t voxels = rp_grid_voxels(&labels.grid);
    for (size_t i = 0; i < voxels; i++) out->mask.data[i] = labels.data[i] == chosen;
    out->chosen_rank = chosen;
    out->part_share = share_of(&labels, chosen);
done:
    rp_free(scores);
    rp_labels_release(&labels);
    return status;
}
