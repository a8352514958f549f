/* Intensities of two visits. */
#include "reprise/track_verify.h"

#include <math.h>

enum {
    LOWEST = -200,
    HIGHEST = 3000,
    BINS = HIGHEST - LOWEST,
    MOST_SAMPLES = 1000000,
    LEAST = 1000
};
static const float BONE = 300.0f;

typedef struct histogram {
    size_t counts[BINS], tissue, bone;
    double bone_sum;
} histogram;

static void add_value(histogram *h, float value)
{
    if (!(value > (float)LOWEST)) return;
    const int bin = value < (float)HIGHEST ? (int)floorf(value) - LOWEST : BINS - 1;
    h->counts[bin]++;
    h->tissue++;
    if (value > BONE) h->bone++, h->bone_sum += (double)value;
}

static bool shows(const rp_grid *grid, const double world[3])
{
    double index[3];
    rp_grid_from_world(grid, world, index);
    for (int a = 0; a < 3; a++)
        if (index[a] < -0.5 || index[a] > grid->size[a] - 0.5) return false;
    return true;
}

/* Every n-th voxel along each axis, in canonical order, that the other image shows as well; all
 * where to is NULL. */
static void collect(const rp_image *image, const rp_rigid *to, const rp_grid *other, histogram *h)
{
    const rp_grid g = rp_grid_canonical(&image->grid);
    const rp_orientation o = rp_grid_orientation(&image->grid);
    const rp_strides s = rp_orientation_strides(&o, &image->grid);
    int n = 1;
    while (rp_grid_voxels(&g) / ((size_t)n * (size_t)n * (size_t)n) > MOST_SAMPLES) n++;
    for (int z = 0; z < g.size[2]; z += n)
        for (int y = 0; y < g.size[1]; y += n)
            for (int x = 0; x < g.size[0]; x += n) {
                const double index[3] = {x, y, z};
                double here[3], there[3];
                rp_grid_to_world(&g, index, here);
                if (to) {
                    rp_rigid_apply(to, here, there);
                    if (!shows(other, there)) continue;
                }
                add_value(h, image->data[(ptrdiff_t)s.first + x * s.step[0] + y * s.step[1] +
                                         z * s.step[2]]);
            }
}

static void take(const histogram *h, double *median, double *bone)
{
    const double least_bone = 0.002;
    size_t below = 0;
    int bin = 0;
    if (h->tissue < LEAST) return;
    while (2 * (below + h->counts[bin]) < h->tissue) below += h->counts[bin++];
    *median = bin + LOWEST;
    if ((double)h->bone > least_bone * (double)h->tissue) *bone = h->bone_sum / (double)h->bone;
}

void rp_compare_intensities(const rp_alignment *alignment, const rp_image *baseline,
                            const rp_image *followup, rp_intensities *out)
{
    const bool aligned = alignment->registration.quality == RP_REGISTRATION_GOOD;
    const rp_rigid to = alignment->registration.transform, back = rp_rigid_inverse(&to);
    const rp_image *const images[2] = {baseline, followup};
    const rp_rigid *const ways[2] = {&to, &back};
    for (int v = 0; v < 2; v++) {
        RP_AUTOFREE histogram *h = rp_alloc(1, sizeof *h);
        out->median_hu[v] = out->bone_hu[v] = NAN;
        if (!h) continue;
        collect(images[v], aligned ? ways[v] : NULL, &images[!v]->grid, h);
        take(h, &out->median_hu[v], &out->bone_hu[v]);
    }
}
