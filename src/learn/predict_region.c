/* Prediction by a model of a region: a box at a place, which grows where the lesion lies at its
 * faces, or boxes over the whole image. */
#include "inputs.h"
#include "internal.h"

#include <math.h>
#include <string.h>

enum { AT_FACE = 2, MOST_GROWTH = 2 };

/* Part of the working grid. */
typedef struct box {
    int low[3], size[3];
} box;

/* What one prediction is about. */
typedef struct look {
    const rp_model *model;
    const rp_image *image;
    const rp_predict_options *options;
    const rp_progress *progress;
    rp_grid working; /* of the whole image */
    box box;
    int place[3]; /* where the box began, before it grew: that of the baseline lies there */
} look;

/* Everything, and beyond the image where it is shorter than the model's extent. */
static box everything(const look *l)
{
    box out;
    for (int a = 0; a < 3; a++) {
        const int missing = l->model->region[a] - l->working.size[a];
        out.low[a] = missing > 0 ? -(missing / 2) : 0;
        out.size[a] = missing > 0 ? l->model->region[a] : l->working.size[a];
    }
    return out;
}

/* What the network sees besides the image in the box; *out stays NULL for one input. */
static rp_status make_beside(const look *l, const rp_image *working, float **out, rp_error *err)
{
    const rp_inputs inputs = (rp_inputs)rp_fcd_config_of(l->model->net)->in_channels;
    rp_mask prior = {0};
    int first[3];
    if (inputs == RP_INPUTS_IMAGE) return RP_OK;
    for (int a = 0; a < 3; a++) first[a] = l->place[a] - l->box.low[a];
    if (inputs == RP_INPUTS_BASELINE)
        return rp_beside_baseline(l->model, l->options->at ? first : NULL, working, out, err);
    rp_status status =
        rp_preprocess_box_mask(&l->model->preprocessing, l->options->prior, &l->image->grid,
                               l->box.low, l->box.size, &prior, err);
    if (!status) status = rp_beside_contour(&prior, out, err);
    rp_mask_release(&prior);
    return status;
}

static rp_status predict_box(const look *l, rp_image *probability, rp_prediction *out,
                             rp_error *err)
{
    const rp_preprocessing *p = &l->model->preprocessing;
    rp_image working = {0};
    RP_AUTOFREE float *beside = NULL;
    rp_status status = rp_preprocess_box(p, l->image, l->box.low, l->box.size, &working, err);
    if (!status) status = make_beside(l, &working, &beside, err);
    if (!status)
        status = rp_predict_working(l->model, &working, beside, l->options, l->progress,
                                    probability, &out->tiles, &out->memory_bytes, err);
    rp_image_release(&working);
    return status;
}

/* ---- growing ----------------------------------------------------------------------------- */

/* At which faces of the box the lesion lies, of those that the image goes on behind. */
static rp_status faces_touched(const look *l, const rp_image *probability, bool face[3][2],
                               bool *any, rp_error *err)
{
    rp_prediction found = {.probability = *probability};
    int low[3], high[3];
    *any = false;
    rp_status status = rp_mask_init(&found.mask, &probability->grid, err);
    if (status) return status;
    rp_predict_threshold(&found, l->options->threshold);
    status = choose_component(&found, l->options, err);
    if (!status && rp_mask_bounds(&found.mask, low, high))
        for (int a = 0; a < 3; a++) {
            const box *b = &l->box;
            face[a][0] = low[a] < AT_FACE && b->low[a] > 0;
            face[a][1] =
                high[a] >= b->size[a] - AT_FACE && b->low[a] + b->size[a] < l->working.size[a];
            *any |= face[a][0] || face[a][1];
        }
    rp_mask_release(&found.mask);
    return status;
}

/* By half the model's extent, as far as the image goes. */
static void grow(look *l, bool face[3][2])
{
    box *b = &l->box;
    for (int a = 0; a < 3; a++) {
        const int step = (l->model->region[a] + 1) / 2, behind = b->low[a] + b->size[a];
        const int before = face[a][0] ? (b->low[a] < step ? b->low[a] : step) : 0;
        const int room = l->working.size[a] - behind;
        const int after = face[a][1] ? (room < step ? room : step) : 0;
        b->low[a] -= before;
        b->size[a] += before + after;
    }
}

static rp_status predict_at_place(look *l, rp_image *probability, rp_prediction *out, rp_error *err)
{
    const rp_preprocessing *p = &l->model->preprocessing;
    rp_region_place(p, &l->image->grid, l->options->at, l->model->region, l->box.low);
    memcpy(l->box.size, l->model->region, sizeof l->box.size);
    memcpy(l->place, l->box.low, sizeof l->place);
    rp_status status = predict_box(l, probability, out, err);
    while (!status) {
        bool face[3][2] = {{false}};
        status = faces_touched(l, probability, face, &out->at_face, err);
        if (status || !out->at_face || out->grown == MOST_GROWTH) break;
        grow(l, face);
        out->grown++;
        rp_image_release(probability);
        status = predict_box(l, probability, out, err);
    }
    return status;
}

/* ---- on the image's own grid ------------------------------------------------------------- */

/* Where a part of a grid in canonical order lies on the whole of it. */
static void part_low(const rp_grid *part, const rp_grid *canonical, int low[3])
{
    double at[3];
    rp_grid_from_world(canonical, part->origin, at);
    for (int a = 0; a < 3; a++) low[a] = (int)lround(at[a]);
}

/* Lesion and probability of a part of the image, 0 elsewhere; out's become those of the image. */
static rp_status paste(const rp_grid *stored, const rp_prediction *part, rp_prediction *out,
                       rp_error *err)
{
    const rp_grid canonical = rp_grid_canonical(stored), *from = &part->mask.grid;
    const rp_orientation o = rp_grid_orientation(stored);
    const rp_strides to = rp_orientation_strides(&o, stored);
    int low[3];
    rp_status status = rp_mask_init(&out->mask, stored, err);
    if (!status) status = rp_image_init(&out->probability, stored, err);
    if (status) return status;
    part_low(from, &canonical, low);
    for (int z = 0; z < from->size[2]; z++)
        for (int y = 0; y < from->size[1]; y++) {
            const size_t row = rp_grid_index(from, 0, y, z);
            ptrdiff_t at = (ptrdiff_t)to.first + low[0] * to.step[0] + (low[1] + y) * to.step[1] +
                           (low[2] + z) * to.step[2];
            for (int x = 0; x < from->size[0]; x++, at += to.step[0]) {
                out->mask.data[at] = part->mask.data[row + (size_t)x];
                out->probability.data[at] = part->probability.data[row + (size_t)x];
            }
        }
    return RP_OK;
}

/* The lesion is chosen among what lies in the box: nothing was looked for elsewhere. */
static rp_status deliver(const look *l, rp_image *working, rp_prediction *out, rp_error *err)
{
    rp_prediction part = {0};
    rp_status status = rp_deliver_box(&l->model->preprocessing, &l->image->grid, l->box.low,
                                      working, &part.probability, err);
    if (!status) status = rp_mask_init(&part.mask, &part.probability.grid, err);
    if (!status) {
        rp_predict_threshold(&part, l->options->threshold);
        status = choose_component(&part, l->options, err);
    }
    if (!status) status = paste(&l->image->grid, &part, out, err);
    out->components = part.components;
    out->chosen_rank = part.chosen_rank;
    out->chosen_by_prior = part.chosen_by_prior;
    out->part_share = part.part_share;
    rp_prediction_release(&part);
    return status;
}

rp_status rp_predict_region(const rp_model *model, const rp_image *image,
                            const rp_predict_options *options, const rp_progress *progress,
                            rp_prediction *out, rp_error *err)
{
    rp_image probability = {0};
    look l = {.model = model, .image = image, .options = options, .progress = progress};
    rp_status status = rp_preprocessing_check(&model->preprocessing, err);
    if (!status) status = rp_grid_check(&image->grid, err);
    if (status) return status;
    l.working = rp_working_grid(&model->preprocessing, &image->grid);
    out->boxed = options->at != NULL;
    if (out->boxed) {
        status = predict_at_place(&l, &probability, out, err);
    } else {
        l.box = everything(&l);
        status = predict_box(&l, &probability, out, err);
    }
    if (!status) status = deliver(&l, &probability, out, err);
    out->box = rp_working_box(&model->preprocessing, &image->grid, l.box.low, l.box.size);
    rp_image_release(&probability);
    return status;
}
