/* The box of the baseline that a model keeps, and what a network sees of it. */
#include "inputs.h"
#include "internal.h"

#include <math.h>
#include <string.h>

static const char *const tensor_names[RP_BASELINE_TENSORS] = {"baseline.image", "baseline.lesion"};

/* ---- further channels ---------------------------------------------------------------------- */

rp_status rp_beside_contour(const rp_mask *contour, float **out, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&contour->grid);
    *out = rp_alloc(voxels, sizeof **out);
    if (!*out) return rp_fail(err, RP_ERR_MEMORY, "no memory for an input of %zu voxels", voxels);
    for (size_t i = 0; i < voxels; i++) (*out)[i] = contour->data[i] != 0;
    return RP_OK;
}

/* How like the kept lesion the image's values are: learnt from the kept box, whatever of it lies in
 * the other. */
static rp_status find_likeness(const rp_model *model, const rp_image *working, float *out,
                               rp_error *err)
{
    rp_image distance = {0};
    rp_likeness likeness;
    const rp_status status = rp_input_distance(&model->baseline_lesion, &distance, err);
    if (status) return status;
    rp_likeness_learn(model->baseline.data, model->baseline_lesion.data, distance.data,
                      rp_grid_voxels(&distance.grid), &likeness);
    rp_likeness_of(&likeness, working->data, rp_grid_voxels(&working->grid), out);
    rp_image_release(&distance);
    return RP_OK;
}

rp_status rp_beside_baseline(const rp_model *model, const int first[3], const rp_image *working,
                             float **out, rp_error *err)
{
    enum { CHANNELS = RP_INPUTS_BASELINE - 1 };
    const size_t voxels = rp_grid_voxels(&working->grid);
    *out = rp_alloc(CHANNELS * voxels, sizeof **out);
    if (!*out) return rp_fail(err, RP_ERR_MEMORY, "no memory for an input of %zu voxels", voxels);
    memset(*out, 0, CHANNELS * voxels * sizeof **out);
    if (!first) return RP_OK;
    rp_input_place place = {.share = 1.0};
    memcpy(place.first, first, sizeof place.first);
    const rp_status status =
        rp_input_carry(&model->baseline, &model->baseline_lesion, working, &place, *out, err);
    if (status) return status;
    return find_likeness(model, working, *out + 2 * voxels, err);
}

/* ---- keeping it ---------------------------------------------------------------------------- */

static rp_grid region_grid(const rp_model *model)
{
    const int *size = model->region;
    const double *spacing = model->preprocessing.spacing;
    return rp_grid_make(size[0], size[1], size[2], spacing[0], spacing[1], spacing[2]);
}

static rp_status make_room(rp_model *model, rp_error *err)
{
    const rp_grid box = region_grid(model);
    rp_image_release(&model->baseline);
    rp_mask_release(&model->baseline_lesion);
    rp_status status = rp_image_init(&model->baseline, &box, err);
    return status ? status : rp_mask_init(&model->baseline_lesion, &box, err);
}

rp_status rp_baseline_keep(rp_model *model, const rp_image *image, const rp_mask *mask,
                           const int first[3], rp_error *err)
{
    const rp_status status = make_room(model, err);
    if (status) return status;
    const rp_grid *own = &model->baseline.grid;
    const size_t row = (size_t)own->size[0];
    for (int z = 0; z < own->size[2]; z++)
        for (int y = 0; y < own->size[1]; y++) {
            const size_t from = rp_grid_index(&image->grid, first[0], first[1] + y, first[2] + z),
                         to = rp_grid_index(own, 0, y, z);
            memcpy(model->baseline.data + to, image->data + from, row * sizeof(float));
            memcpy(model->baseline_lesion.data + to, mask->data + from, row);
        }
    return RP_OK;
}

/* ---- model files --------------------------------------------------------------------------- */

bool rp_baseline_named(const char *name)
{
    return strcmp(name, tensor_names[0]) == 0 || strcmp(name, tensor_names[1]) == 0;
}

rp_status rp_baseline_tensors(const rp_model *model, rp_named_tensor out[RP_BASELINE_TENSORS],
                              float **lesion, rp_error *err)
{
    const int *size = model->baseline.grid.size;
    const rp_status status = rp_beside_contour(&model->baseline_lesion, lesion, err);
    if (status) return status;
    for (int i = 0; i < RP_BASELINE_TENSORS; i++)
        out[i] = (rp_named_tensor){.name = (char *)tensor_names[i],
                                   .rank = 3,
                                   .shape = {size[2], size[1], size[0]},
                                   .data = i == 0 ? model->baseline.data : *lesion,
                                   .half = i == 1};
    return RP_OK;
}

static rp_status check_tensor(const char *path, const char *name, const rp_named_tensor *tensor,
                              const rp_grid *grid, rp_error *err)
{
    if (!tensor)
        return rp_fail(err, RP_ERR_FORMAT, "%s: tensor %s is missing: half a baseline", path, name);
    bool good = tensor->rank == 3;
    for (int a = 0; a < 3 && good; a++) good = tensor->shape[2 - a] == grid->size[a];
    for (size_t i = 0; good && i < rp_grid_voxels(grid); i++)
        good = tensor->data[i] >= 0.0f && tensor->data[i] <= 1.0f;
    if (good) return RP_OK;
    return rp_fail(err, RP_ERR_FORMAT, "%s: tensor %s is no %d x %d x %d voxels of 0 to 1", path,
                   name, grid->size[0], grid->size[1], grid->size[2]);
}

rp_status rp_baseline_read(const char *path, const rp_tensor_file *file, rp_model *model,
                           rp_error *err)
{
    const rp_named_tensor *tensors[RP_BASELINE_TENSORS];
    for (int i = 0; i < RP_BASELINE_TENSORS; i++)
        tensors[i] = rp_tensor_file_find(file, tensor_names[i]);
    const bool any = tensors[0] || tensors[1];
    const bool may =
        rp_fcd_config_of(model->net)->in_channels == RP_INPUTS_BASELINE && model->region[0] > 0;
    if (any && !may)
        return rp_fail(err, RP_ERR_FORMAT, "%s: it keeps a baseline, but sees none", path);
    if (!any) return RP_OK;
    const rp_grid grid = region_grid(model);
    rp_status status = RP_OK;
    for (int i = 0; i < RP_BASELINE_TENSORS && !status; i++)
        status = check_tensor(path, tensor_names[i], tensors[i], &grid, err);
    if (!status) status = make_room(model, err);
    if (status) return status;
    const size_t voxels = rp_grid_voxels(&grid);
    memcpy(model->baseline.data, tensors[0]->data, voxels * sizeof(float));
    for (size_t i = 0; i < voxels; i++)
        model->baseline_lesion.data[i] = tensors[1]->data[i] >= 0.5f;
    return RP_OK;
}
