/* Intentional deep overfit learning on one image and its contour. */
#include "loop.h"
#include "sample.h"
#include "reprise/kernels.h"

#include <string.h>

void rp_adapt_defaults(rp_adapt_options *options)
{
    *options = (rp_adapt_options){
        .epochs = 350,
        .copies = 1,
        .crop = {96, 96, 48},
        .tumour_share = 0.7,
        .learning_rate = 1e-3,
        .power = 0.9,
        .augmentation = {.brightness = 0.15,
                         .rotation_degrees = 10.0,
                         .shift_mm = 5.0,
                         .scale = 0.15,
                         .elastic_mm = 3.0,
                         .elastic_scale_mm = 30.0,
                         .noise = 0.02},
        .dropout = 0.0,
        .checkpoint_seconds = 60.0,
    };
    rp_loss_weights_defaults(&options->loss);
}

void rp_adapt_curve_release(rp_adapt_curve *curve)
{
    rp_free(curve->loss);
    rp_free(curve->dice);
    *curve = (rp_adapt_curve){0};
}

/* Everything that one adaptation holds; released as a whole. */
typedef struct adaptation {
    rp_loop loop;
    rp_image image; /* on the working grid */
    rp_mask mask;
    rp_sampler sampler;
    float *input;
    uint8_t *target;
} adaptation;

static void release(adaptation *a)
{
    rp_loop_release(&a->loop);
    rp_sampler_release(&a->sampler);
    rp_image_release(&a->image);
    rp_mask_release(&a->mask);
    rp_free(a->input);
    rp_free(a->target);
}

static rp_status sample(void *context, uint64_t step, const float **input, const uint8_t **target,
                        rp_error *err)
{
    adaptation *a = context;
    rp_warp warp;
    (void)err;
    rp_sampler_plan(&a->sampler, step, &warp);
    rp_sampler_apply(&a->sampler, &warp, a->input, a->target);
    *input = a->input;
    *target = a->target;
    return RP_OK;
}

static rp_status allocate(adaptation *a, rp_error *err)
{
    const size_t voxels = rp_sampler_voxels(&a->sampler);
    a->input = rp_alloc(voxels, sizeof *a->input);
    a->target = rp_alloc(voxels, sizeof *a->target);
    if (!a->input || !a->target)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a crop of %zu voxels", voxels);
    return rp_loop_create(&a->loop, a->sampler.size, err);
}

static rp_status prepare(adaptation *a, const rp_image *image, const rp_mask *mask, rp_error *err)
{
    rp_status status =
        rp_working_pair(&a->loop.model->preprocessing, image, mask, &a->image, &a->mask, err);
    if (!status) status = rp_sampler_init(&a->sampler, &a->image, &a->mask, a->loop.options, err);
    if (!status) status = allocate(a, err);
    if (status) return status;
    const size_t voxels = rp_grid_voxels(&a->image.grid);
    rp_fingerprint *f = &a->loop.state.fingerprint;
    f->name[0] = "image";
    f->name[1] = "contour";
    rp_sha256(a->image.data, voxels * sizeof *a->image.data, f->hash[0]);
    rp_sha256(a->mask.data, voxels * sizeof *a->mask.data, f->hash[1]);
    return rp_loop_start(&a->loop, err);
}

static void set_provenance(rp_model *model, const rp_image *image, const rp_mask *mask,
                           const rp_adapt_options *options)
{
    rp_model_provenance *p = &model->provenance;
    snprintf(p->program_version, sizeof p->program_version, "%s", RP_VERSION);
    snprintf(p->kernels, sizeof p->kernels, "%s", rp_kernels_get()->name);
    memcpy(p->base_model_sha256, model->sha256, sizeof p->base_model_sha256);
    model->sha256[0] = 0; /* the weights are no longer the file's */
    rp_sha256(image->data, rp_grid_voxels(&image->grid) * sizeof *image->data,
              p->trained_on_image_sha256);
    rp_sha256(mask->data, rp_grid_voxels(&mask->grid) * sizeof *mask->data,
              p->trained_on_mask_sha256);
    p->seed = options->seed;
    p->epochs = options->epochs;
}

rp_status rp_adapt(rp_model *model, const rp_image *image, const rp_mask *mask,
                   const rp_adapt_options *options, const rp_progress *progress,
                   rp_adapt_curve *curve, rp_error *err)
{
    adaptation a = {.loop = {.model = model,
                             .options = options,
                             .stage = "adapt",
                             .work = "the adaptation",
                             .steps_per_epoch = (uint64_t)options->copies,
                             .sample = sample}};
    const double started = rp_seconds();
    a.loop.context = &a;
    *curve = (rp_adapt_curve){0};
    rp_status status = rp_loop_check(&a.loop, err);
    if (!status) status = prepare(&a, image, mask, err);
    const uint64_t resumed = a.loop.state.step;
    if (!status) status = rp_loop_run(&a.loop, progress, err);
    if (!status) status = rp_loop_curve(&a.loop, curve, err);
    if (!status) {
        set_provenance(model, image, mask, options);
        curve->resumed_epochs = (int)(resumed / (uint64_t)options->copies);
        curve->seconds = rp_seconds() - started;
    }
    release(&a);
    return status;
}
