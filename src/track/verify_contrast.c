/* How a lesion differs from what surrounds it. */
#include "reprise/track_verify.h"

#include <math.h>

/* Values beyond the window of soft tissue are its ends; fat, air and bone are no surroundings. */
static const double WINDOW_HU[2] = {-160.0, 240.0}, TISSUE_HU[2] = {-100.0, 200.0};
static const double AROUND_MM = 10.0, EDGE_MM = 2.0;
enum { FEW = 20 };

typedef struct sums {
    double count, sum, squares;
} sums;

typedef struct cut {
    rp_image image, outside_mm, inside_mm; /* the distances to the lesion, and out of it */
    rp_mask lesion;
    double edge_mm; /* so near to the border a voxel has something of both */
} cut;

static void add(sums *s, double value)
{
    s->count++;
    s->sum += value;
    s->squares += value * value;
}

static double mean(const sums *s)
{
    return s->sum / s->count;
}

static double variance(const sums *s)
{
    return fmax(s->squares / s->count - mean(s) * mean(s), 0.0);
}

static rp_status cut_out(const rp_image *image, const rp_mask *lesion, cut *c)
{
    const rp_grid *whole = &image->grid;
    int low[3], high[3];
    rp_mask around = {0};
    if (!rp_mask_bounds(lesion, low, high)) return RP_ERR_ARGUMENT;
    c->edge_mm = fmax(EDGE_MM, fmin(whole->spacing[0], fmin(whole->spacing[1], whole->spacing[2])));
    for (int a = 0; a < 3; a++) {
        const int rim = (int)ceil(AROUND_MM / whole->spacing[a]) + 1;
        low[a] = low[a] > rim ? low[a] - rim : 0;
        high[a] = high[a] + rim < whole->size[a] - 1 ? high[a] + rim : whole->size[a] - 1;
    }
    const rp_grid box =
        rp_grid_make(high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1,
                     whole->spacing[0], whole->spacing[1], whole->spacing[2]);
    rp_status status = rp_image_init(&c->image, &box, NULL);
    if (!status) status = rp_mask_init(&c->lesion, &box, NULL);
    if (!status) status = rp_mask_init(&around, &box, NULL);
    size_t i = 0;
    for (int z = low[2]; z <= high[2] && !status; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++, i++) {
                const size_t from = rp_grid_index(whole, x, y, z);
                c->image.data[i] = image->data[from];
                c->lesion.data[i] = lesion->data[from] != 0;
                around.data[i] = !c->lesion.data[i];
            }
    if (!status) status = rp_mask_distance(&c->lesion, &c->outside_mm, NULL);
    if (!status) status = rp_mask_distance(&around, &c->inside_mm, NULL);
    rp_mask_release(&around);
    return status;
}

static void release(cut *c)
{
    rp_image_release(&c->image);
    rp_image_release(&c->outside_mm);
    rp_image_release(&c->inside_mm);
    rp_mask_release(&c->lesion);
}

double rp_lesion_contrast(const rp_image *image, const rp_mask *lesion)
{
    cut c = {.edge_mm = 0.0};
    sums core = {0}, all = {0}, around = {0};
    const rp_status status = cut_out(image, lesion, &c);
    for (size_t i = 0; !status && i < rp_grid_voxels(&c.image.grid); i++) {
        const double hu = (double)c.image.data[i];
        const double value = fmin(fmax(hu, WINDOW_HU[0]), WINDOW_HU[1]);
        const double out_mm = (double)c.outside_mm.data[i];
        if (c.lesion.data[i]) add(&all, value);
        if (c.lesion.data[i] && (double)c.inside_mm.data[i] > c.edge_mm) add(&core, value);
        if (out_mm > c.edge_mm && out_mm < AROUND_MM && hu > TISSUE_HU[0] && hu < TISSUE_HU[1])
            add(&around, value);
    }
    release(&c);
    const sums *inside = core.count < FEW ? &all : &core;
    if (inside->count < 1 || around.count < FEW) return NAN;
    return (mean(inside) - mean(&around)) /
           sqrt(0.5 * (variance(inside) + variance(&around)) + 1.0);
}
