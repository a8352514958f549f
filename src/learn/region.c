/* The box round a lesion and the grid that is fitted to it. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { UNIT = 16 }; /* what networks pad extents to anyway */

/* Axial planes are seen at twice the resolution of what lies across them, as on the default working
 * grid, where the limits allow it. */
static const double PROPORTION[3] = {1.0, 1.0, 2.0};
static const double MORE_VOXELS = 1.05; /* than allowed are no reason for a coarser grid */

void rp_region_defaults(rp_region_options *options)
{
    *options = (rp_region_options){.margin_mm = 30.0,
                                   .jitter_mm = 10.0,
                                   .voxels = {64, 64, 40},
                                   .finest_mm = 1.0,
                                   .coarsest_mm = {3.0, 3.0, 5.0}};
}

/* ---- the lesion's box -------------------------------------------------------------------- */

/* Middle and lengths of the bounding box on the mask's own canonical axes. */
static bool bounds(const rp_mask *mask, rp_grid *canonical, double centre[3], double length_mm[3])
{
    int low[3], high[3];
    if (!rp_mask_bounds(mask, low, high)) return false;
    const rp_orientation o = rp_grid_orientation(&mask->grid);
    double a[3], b[3], middle[3], at[3][2];
    for (int i = 0; i < 3; i++) at[i][0] = low[i], at[i][1] = high[i];
    const double first[3] = {at[0][0], at[1][0], at[2][0]};
    const double last[3] = {at[0][1], at[1][1], at[2][1]};
    rp_orientation_from_stored(&o, &mask->grid, first, a);
    rp_orientation_from_stored(&o, &mask->grid, last, b);
    *canonical = rp_grid_canonical(&mask->grid);
    for (int i = 0; i < 3; i++) {
        middle[i] = 0.5 * (a[i] + b[i]);
        length_mm[i] = (fabs(b[i] - a[i]) + 1.0) * canonical->spacing[i];
    }
    rp_grid_to_world(canonical, middle, centre);
    return true;
}

bool rp_region_centre(const rp_mask *mask, double centre[3])
{
    rp_grid canonical;
    double length_mm[3];
    return bounds(mask, &canonical, centre, length_mm);
}

/* ---- the fitted grid --------------------------------------------------------------------- */

/* What is known of the axes before their extents are chosen. */
typedef struct axes {
    double box_mm[3], finest[3], coarsest[3];
} axes;

static double between(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* Voxels of a box whose spacings are a multiple of the proportion, as far as their limits let. */
static void ideal_extents(const axes *x, double scale, double extent[3])
{
    for (int a = 0; a < 3; a++)
        extent[a] = x->box_mm[a] / between(scale * PROPORTION[a], x->finest[a], x->coarsest[a]);
}

/* The finest grid within the voxels allowed; the coarsest where none is. */
static void ideal_for(const axes *x, double voxels, double extent[3])
{
    double low = 1e-3, high = 1e3;
    for (int i = 0; i < 60; i++) {
        const double scale = sqrt(low * high);
        ideal_extents(x, scale, extent);
        if (extent[0] * extent[1] * extent[2] > voxels)
            low = scale;
        else
            high = scale;
    }
    ideal_extents(x, high, extent);
}

static int down_to_unit(double extent)
{
    const int units = (int)floor(extent / UNIT + 1e-6);
    return units < 1 ? UNIT : units * UNIT;
}

/* Of the multiples on either side of each ideal extent those that come nearest to it in proportion
 * and keep to the voxels; the smaller ones where none do. */
static void choose_extents(const axes *x, double voxels, const double ideal[3], int extent[3])
{
    int choice[3][2];
    double best = INFINITY;
    for (int a = 0; a < 3; a++) {
        const int least = (int)ceil(x->box_mm[a] / x->coarsest[a] / UNIT - 1e-6) * UNIT;
        choice[a][0] = down_to_unit(ideal[a]);
        if (choice[a][0] < least) choice[a][0] = least;
        choice[a][1] = choice[a][0] < ideal[a] ? choice[a][0] + UNIT : choice[a][0];
        extent[a] = choice[a][0];
    }
    for (int i = 0; i < 8; i++) {
        const int e[3] = {choice[0][i & 1], choice[1][i >> 1 & 1], choice[2][i >> 2 & 1]};
        double apart = 0.0;
        for (int a = 0; a < 3; a++) apart += fabs(log(e[a] / ideal[a]));
        if ((double)e[0] * e[1] * e[2] > voxels * MORE_VOXELS || !(apart < best - 1e-9)) continue;
        best = apart;
        memcpy(extent, e, sizeof e);
    }
}

rp_status rp_region_fit(const rp_grid *image, const rp_mask *mask, const rp_region_options *o,
                        rp_region *out, rp_error *err)
{
    const rp_grid canonical = rp_grid_canonical(image);
    rp_grid own;
    axes x;
    double length_mm[3], ideal[3];
    rp_status status = rp_region_check(o, err);
    if (status) return status;
    if (!bounds(mask, &own, out->centre, length_mm))
        return rp_fail(err, RP_ERR_REFUSED, "the contour is empty");
    for (int a = 0; a < 3; a++) {
        out->lesion_mm[a] = 0.0; /* of a box that lies askew: of what it spans */
        for (int b = 0; b < 3; b++) {
            double along = 0.0;
            for (int r = 0; r < 3; r++) along += canonical.direction[r][a] * own.direction[r][b];
            out->lesion_mm[a] += fabs(along) * length_mm[b];
        }
        x.box_mm[a] =
            fmin(out->lesion_mm[a] + 2.0 * o->margin_mm, canonical.size[a] * canonical.spacing[a]);
        x.finest[a] = fmax(canonical.spacing[a], o->finest_mm);
        x.coarsest[a] = fmax(o->coarsest_mm[a], x.finest[a]);
    }
    const double voxels = (double)o->voxels[0] * o->voxels[1] * o->voxels[2];
    ideal_for(&x, voxels, ideal);
    choose_extents(&x, voxels, ideal, out->extent);
    /* A hundredth of a millimetre up: what directions were rounded to in a file changes nothing. */
    for (int a = 0; a < 3; a++)
        out->spacing[a] = between(ceil(x.box_mm[a] / out->extent[a] * 100.0 - 1e-3) / 100.0,
                                  x.finest[a], x.coarsest[a]);
    return RP_OK;
}

/* ---- its place --------------------------------------------------------------------------- */

void rp_region_place(const rp_preprocessing *p, const rp_grid *image, const double centre[3],
                     const int extent[3], int low[3])
{
    const rp_grid working = rp_working_grid(p, image);
    double at[3];
    rp_grid_from_world(&working, centre, at);
    for (int a = 0; a < 3; a++) {
        const int room = working.size[a] - extent[a];
        /* Halfway between two voxels it is the lower one, whatever the last bit says. */
        const double first = floor(at[a] - 0.5 * (extent[a] - 1) + 0.5 - 1e-6);
        low[a] = room < 0 ? -(-room / 2) : (int)between(first, 0.0, room);
    }
}
