/* Training on pairs of visits. */
#include "inputs.h"
#include "loop.h"
#include "reprise/kernels.h"
#include "reprise/learn_pretrain.h"

#include <string.h>

enum { PURPOSE_PRIOR = 0x4C000010 };

void rp_pretrain_defaults(rp_adapt_options *options)
{
    rp_adapt_defaults(options);
    options->epochs = 100;
    options->copies = 100;
    options->augmentation = (rp_augmentation){.elastic_scale_mm = 30.0};
}

typedef struct pretraining {
    rp_loop loop;
    const rp_pair_source *source;
    float *input;
} pretraining;

/* What is told of the baseline in a step: mostly all. */
static rp_told draw_told(rp_random *random)
{
    const double kind = rp_random_uniform(random);
    if (kind < 0.08) return RP_TOLD_NOTHING;
    if (kind < 0.12) return RP_TOLD_CONTOUR;
    if (kind < 0.15) return RP_TOLD_IMAGE;
    if (kind < 0.18) return RP_TOLD_MIRRORED;
    if (kind < 0.24) return RP_TOLD_PLACED;
    return RP_TOLD_ALL;
}

static rp_status sample(void *context, uint64_t step, const float **input, const uint8_t **target,
                        rp_error *err)
{
    pretraining *p = context;
    rp_training_pair pair;
    rp_random random;
    rp_random_init(&random, p->loop.options->seed, PURPOSE_PRIOR, step);
    rp_status status = p->source->make(p->source->context, step, &pair, err);
    if (status) return status;
    const rp_told told = draw_told(&random);
    const rp_input_place place = rp_input_draw_place(&random, pair.baseline_lesion);
    status = rp_pair_input(&pair, (rp_inputs)p->loop.channels, told, &place, p->input, err);
    *input = p->input;
    *target = pair.followup_lesion->data;
    return status;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static rp_status prepare(pretraining *p, rp_error *err)
{
    rp_fingerprint *f = &p->loop.state.fingerprint;
    const int *size = p->source->size;
    const size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    if (!rp_inputs_known(p->loop.channels))
        return rp_fail(err, RP_ERR_UNSUPPORTED, "the model takes %d images at once",
                       p->loop.channels);
    rp_status status = rp_loop_check(&p->loop, err);
    if (status) return status;
    p->input = rp_alloc((size_t)p->loop.channels * voxels, sizeof *p->input);
    if (!p->input) return rp_fail(err, RP_ERR_MEMORY, "no memory for a pair of %zu voxels", voxels);
    f->name[0] = "source of pairs";
    f->name[1] = "inputs";
    rp_sha256(p->source->name, strlen(p->source->name), f->hash[0]);
    rp_sha256(&p->loop.channels, sizeof p->loop.channels, f->hash[1]);
    snprintf(p->loop.more, sizeof p->loop.more, "pair=%dx%dx%d\n", size[2], size[1], size[0]);
    status = rp_loop_create(&p->loop, size, err);
    return status ? status : rp_loop_start(&p->loop, err);
}

static void set_provenance(rp_model *model, const rp_adapt_options *options)
{
    rp_model_provenance *p = &model->provenance;
    snprintf(p->program_version, sizeof p->program_version, "%s", RP_VERSION);
    snprintf(p->kernels, sizeof p->kernels, "%s", rp_kernels_get()->name);
    memcpy(p->base_model_sha256, model->sha256, sizeof p->base_model_sha256);
    model->sha256[0] = 0; /* the weights are no longer the file's */
    p->seed = options->seed;
    p->epochs = options->epochs;
}

rp_status rp_pretrain(rp_model *model, const rp_pair_source *source,
                      const rp_adapt_options *options, const rp_progress *progress,
                      rp_adapt_curve *curve, rp_error *err)
{
    pretraining p = {.loop = {.model = model,
                              .options = options,
                              .stage = "pretrain",
                              .work = "the training",
                              .channels = rp_fcd_config_of(model->net)->in_channels,
                              .steps_per_epoch = (uint64_t)options->copies,
                              .sample = sample},
                     .source = source};
    const double started = rp_seconds();
    p.loop.context = &p;
    *curve = (rp_adapt_curve){0};
    rp_status status = prepare(&p, err);
    const uint64_t resumed = p.loop.state.step;
    if (!status) status = rp_loop_run(&p.loop, progress, err);
    if (!status) status = rp_loop_curve(&p.loop, curve, err);
    if (!status) {
        set_provenance(model, options);
        curve->resumed_epochs = (int)(resumed / (uint64_t)options->copies);
        curve->seconds = rp_seconds() - started;
    }
    rp_loop_release(&p.loop);
    rp_free(p.input);
    return status;
}
