/* A small patient made of equations, and a network small enough for tests. */
#ifndef REPRISE_LEARN_FIXTURE_H
#define REPRISE_LEARN_FIXTURE_H

#include "test.h"
#include "reprise/learn.h"

#include <math.h>

typedef struct patient {
    rp_image image;
    rp_mask mask;
} patient;

/* A bright ball of 12 mm radius off the middle of soft tissue with a slow pattern, in air. */
static inline void make_patient(patient *p, const rp_grid *grid)
{
    rp_error err = {0};
    assert_ok(rp_image_init(&p->image, grid, &err), err);
    assert_ok(rp_mask_init(&p->mask, grid, &err), err);
    double middle[3];
    for (int a = 0; a < 3; a++) middle[a] = 0.5 * (grid->size[a] - 1) * grid->spacing[a];
    size_t i = 0;
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++, i++) {
                double px = x * grid->spacing[0], py = y * grid->spacing[1],
                       pz = z * grid->spacing[2];
                double dx = px - middle[0] - 4.0, dy = py - middle[1] + 3.0, dz = pz - middle[2];
                bool body = hypot(px - middle[0], py - middle[1]) < 0.9 * middle[0];
                bool inside = dx * dx + dy * dy + dz * dz < 144.0;
                double pattern = 20.0 * sin(0.21 * px) * cos(0.17 * py + 0.1 * pz);
                p->image.data[i] = (float)(inside ? 160.0 : body ? 30.0 + pattern : -1000.0);
                p->mask.data[i] = inside;
            }
}

static inline void release_patient(patient *p)
{
    rp_image_release(&p->image);
    rp_mask_release(&p->mask);
}

static inline rp_grid patient_grid(void)
{
    return rp_grid_make(40, 40, 20, 1.5, 1.5, 3.0);
}

static inline rp_fcd_config tiny_config(void)
{
    return (rp_fcd_config){.in_channels = 1,
                           .classes = 2,
                           .first_filters = 8,
                           .growth = 4,
                           .levels = 2,
                           .down_layers = {1, 1},
                           .bottleneck_layers = 2,
                           .dropout = 0.1,
                           .norm = RP_NORM_RUNNING};
}

static inline void make_model(rp_model *model, uint64_t seed)
{
    rp_error err = {0};
    rp_fcd_config config = tiny_config();
    rp_preprocessing p;
    rp_preprocessing_defaults(&p);
    assert_ok(rp_model_create(&config, &p, seed, model, &err), err);
}

static inline double dice(const rp_mask *a, const rp_mask *b)
{
    size_t both = 0, sum = 0, voxels = rp_grid_voxels(&a->grid);
    for (size_t i = 0; i < voxels; i++) {
        both += a->data[i] && b->data[i];
        sum += (size_t)(a->data[i] != 0) + (size_t)(b->data[i] != 0);
    }
    return sum ? 2.0 * (double)both / (double)sum : 1.0;
}

/* All weights and buffers equal, bit for bit. */
static inline bool same_weights(const rp_model *a, const rp_model *b)
{
    const size_t count = rp_fcd_parameter_count(a->net);
    if (count != rp_fcd_parameter_count(b->net)) return false;
    for (size_t i = 0; i < count; i++) {
        const rp_parameter *p = rp_fcd_parameter(a->net, i), *q = rp_fcd_parameter(b->net, i);
        if (p->count != q->count || strcmp(p->name, q->name) != 0 ||
            memcmp(p->value, q->value, p->count * sizeof(float)) != 0)
            return false;
    }
    return true;
}

#endif
