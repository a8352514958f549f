/* Where a step's crop lies and how it is perturbed. */
#include "sample.h"
#include "internal.h"
#include "lattice.h"

#include <string.h>

/* Streams of their own, so that switching one perturbation off leaves the others as they were.
 * The high byte keeps them apart from the network's own streams. */
enum {
    PURPOSE_PLACE = 0x4C000001,
    PURPOSE_MOTION = 0x4C000002,
    PURPOSE_ELASTIC = 0x4C000003,
};

/* Share of crops without their baseline, so that one is contoured whose place is not known. */
static const double UNTOLD = 0.05;

static void lattice_shape(rp_lattice *lattice, const int size[3], const double spacing[3],
                          const rp_augmentation *a)
{
    /* elastic_mm is the rms length of the displacement vector; nodes vary more than the spline
     * through them. */
    const double sd_mm =
        a->elastic_mm / sqrt(3.0) / sqrt(RP_SPLINE_POWER * RP_SPLINE_POWER * RP_SPLINE_POWER);
    for (int axis = 0; axis < 3; axis++) lattice->sd[axis] = sd_mm / spacing[axis];
    rp_lattice_shape(lattice, size, spacing, a->elastic_scale_mm);
}

static rp_status allocate(rp_sampler *s, rp_error *err)
{
    s->tumour = rp_alloc(s->tumour_count, sizeof *s->tumour);
    if (s->augmentation.elastic_mm > 0.0) {
        lattice_shape(&s->lattice, s->size, s->image->grid.spacing, &s->augmentation);
        const int *n = s->lattice.nodes;
        size_t plane = 3 * (size_t)n[0] * (size_t)n[1];
        s->scratch_slice = plane + 3 * (size_t)n[0];
        s->lattice.value = rp_alloc(plane * (size_t)n[2], sizeof *s->lattice.value);
        s->scratch = rp_alloc(s->scratch_slice * (size_t)s->size[2], sizeof *s->scratch);
        if (!s->lattice.value || !s->scratch)
            return rp_fail(err, RP_ERR_MEMORY, "no memory for the deformation of the crops");
    }
    return s->tumour ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "no memory for the tumour's voxels");
}

rp_status rp_sampler_init(rp_sampler *sampler, const rp_image *image, const rp_mask *mask,
                          const rp_adapt_options *options, rp_error *err)
{
    *sampler = (rp_sampler){.image = image,
                            .mask = mask,
                            .values = image->data,
                            .inside = mask->data,
                            .augmentation = options->augmentation,
                            .tumour_share = options->tumour_share,
                            .seed = options->seed,
                            .tumour_count = rp_mask_count(mask)};
    rp_status status = rp_augmentation_check(&options->augmentation, err);
    if (status) return status;
    for (int a = 0; a < 3; a++) {
        if (options->crop[a] < 1)
            return rp_fail(err, RP_ERR_ARGUMENT, "a crop of %d x %d x %d voxels is impossible",
                           options->crop[0], options->crop[1], options->crop[2]);
        int extent = image->grid.size[a];
        sampler->size[a] = options->crop[a] < extent ? options->crop[a] : extent;
    }
    if (sampler->tumour_count == 0)
        return rp_fail(err, RP_ERR_REFUSED, "the contour holds no voxel of the working grid");
    status = allocate(sampler, err);
    if (!status && options->treatment.share > 0.0)
        status = rp_treated_init(&sampler->treated, image, mask, &options->treatment, err);
    if (status) {
        rp_sampler_release(sampler);
        return status;
    }
    const size_t voxels = rp_grid_voxels(&image->grid);
    for (size_t i = 0, n = 0; i < voxels; i++)
        if (mask->data[i]) sampler->tumour[n++] = i;
    return RP_OK;
}

void rp_sampler_release(rp_sampler *sampler)
{
    rp_treated_release(&sampler->treated);
    rp_free(sampler->tumour);
    rp_free(sampler->lattice.value);
    rp_free(sampler->scratch);
    *sampler = (rp_sampler){0};
}

void rp_sampler_hold(rp_sampler *sampler, const int first[3], const int last[3])
{
    int low[3] = {0}, high[3] = {0};
    sampler->held = true;
    rp_mask_bounds(sampler->mask, low, high);
    for (int a = 0; a < 3; a++) {
        sampler->first[a] = first[a];
        sampler->last[a] = last[a];
        sampler->middle[a] = 0.5 * (low[a] + high[a]);
    }
}

size_t rp_sampler_voxels(const rp_sampler *sampler)
{
    return (size_t)sampler->size[0] * (size_t)sampler->size[1] * (size_t)sampler->size[2];
}

/* ---- elastic lattice ---------------------------------------------------------------------------
 */

static void draw_lattice(rp_sampler *s, uint64_t step)
{
    if (!s->lattice.value) return;
    rp_random random;
    rp_random_init(&random, s->seed, PURPOSE_ELASTIC, step);
    rp_lattice_draw(&s->lattice, &random);
}

/* ---- placement --------------------------------------------------------------------------- */

/* Uniform whole number in low..high. */
static int draw_int(rp_random *random, int low, int high)
{
    int value = low + (int)(rp_random_uniform(random) * (double)(high - low + 1));
    return value > high ? high : value;
}

static void place_held(const rp_sampler *s, rp_random *random, rp_warp *warp)
{
    warp->forced = true;
    for (int a = 0; a < 3; a++) {
        warp->low[a] = draw_int(random, s->first[a], s->last[a]);
        warp->pivot_source[a] = s->middle[a];
        warp->pivot_crop[a] = s->middle[a] - warp->low[a];
    }
}

/* A forced crop takes a random tumour voxel and then any placement within the image that holds it,
 * so that the tumour is seen everywhere in the crop, cut by its faces too. */
static void place(rp_sampler *s, rp_warp *warp)
{
    rp_random random;
    const int *extent = s->image->grid.size;
    rp_random_init(&random, s->seed, PURPOSE_PLACE, warp->step);
    if (s->held) {
        place_held(s, &random, warp);
        return;
    }
    warp->forced = rp_random_uniform(&random) < s->tumour_share;
    size_t pick = (size_t)(rp_random_uniform(&random) * (double)s->tumour_count);
    size_t linear = s->tumour[pick < s->tumour_count ? pick : s->tumour_count - 1];
    size_t row = (size_t)extent[0], slice = row * (size_t)extent[1];
    const int voxel[3] = {(int)(linear % row), (int)(linear % slice / row), (int)(linear / slice)};
    for (int a = 0; a < 3; a++) {
        int low = 0, high = extent[a] - s->size[a];
        if (warp->forced) {
            if (low < voxel[a] - s->size[a] + 1) low = voxel[a] - s->size[a] + 1;
            if (high > voxel[a]) high = voxel[a];
        }
        warp->low[a] = draw_int(&random, low, high);
        warp->pivot_crop[a] = warp->forced ? voxel[a] - warp->low[a] : 0.5 * (s->size[a] - 1);
        warp->pivot_source[a] = warp->low[a] + warp->pivot_crop[a];
    }
}

/* ---- motion ------------------------------------------------------------------------------ */

/* Rodrigues' formula: by an angle about a unit axis. */
static void rotation_matrix(const double axis[3], double angle, double out[3][3])
{
    const double c = cos(angle), s = sin(angle), x = axis[0], y = axis[1], z = axis[2];
    const double cross[3][3] = {{0, -z, y}, {z, 0, -x}, {-y, x, 0}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out[i][j] = (i == j ? c : 0.0) + s * cross[i][j] + (1.0 - c) * axis[i] * axis[j];
}

static void random_axis(rp_random *random, double axis[3])
{
    double z = rp_random_range(random, -1.0, 1.0), turn = rp_random_range(random, 0.0, 2.0 * M_PI);
    double radius = sqrt(1.0 - z * z);
    axis[0] = radius * cos(turn);
    axis[1] = radius * sin(turn);
    axis[2] = z;
}

static void invert(double m[3][3], double out[3][3])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
            out[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
        }
    double det = m[0][0] * out[0][0] + m[0][1] * out[1][0] + m[0][2] * out[2][0];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) out[i][j] /= det;
}

static void multiply(double m[3][3], const double v[3], double out[3])
{
    for (int i = 0; i < 3; i++) out[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
}

/* Where in the crop the chosen tumour voxel comes to lie. The displacement there is known only once
 * the place is: a smooth field needs few rounds. */
static void find_landing(rp_sampler *s, rp_warp *warp, const double tumour[3], double landing[3])
{
    double inverse[3][3], displacement[3], moved[3], back[3];
    invert(warp->matrix, inverse);
    for (int a = 0; a < 3; a++) landing[a] = warp->pivot_crop[a];
    for (int round = 0; round < 4; round++) {
        double inside[3];
        for (int a = 0; a < 3; a++) inside[a] = fmin(fmax(landing[a], 0.0), s->size[a] - 1);
        rp_lattice_at(&s->lattice, inside, displacement);
        for (int a = 0; a < 3; a++) moved[a] = tumour[a] - warp->pivot_source[a] - displacement[a];
        multiply(inverse, moved, back);
        for (int a = 0; a < 3; a++) landing[a] = warp->pivot_crop[a] + back[a];
    }
}

/* The motion carries the chosen tumour voxel away from its place. Where that would take it out of a
 * forced crop, the motion is stopped at the crop's face. */
static void keep_tumour_inside(rp_sampler *s, rp_warp *warp)
{
    double tumour[3], landing[3], displacement[3];
    bool clipped = false;
    for (int a = 0; a < 3; a++) tumour[a] = warp->low[a] + warp->pivot_crop[a];
    find_landing(s, warp, tumour, landing);
    for (int a = 0; a < 3; a++) {
        double last = s->size[a] - 1;
        clipped |= landing[a] < 0.0 || landing[a] > last;
        landing[a] = fmin(fmax(landing[a], 0.0), last);
    }
    if (!clipped) return;
    rp_lattice_at(&s->lattice, landing, displacement);
    for (int a = 0; a < 3; a++) {
        warp->pivot_crop[a] = landing[a];
        warp->pivot_source[a] = tumour[a] - displacement[a];
    }
}

static void treat(rp_sampler *s, uint64_t step)
{
    const rp_treated *t = &s->treated;
    if (t->options.share <= 0.0) return;
    rp_treated_draw(&s->treated, s->seed, step);
    s->values = t->drawn.changed ? t->values : s->image->data;
    s->inside = t->drawn.changed ? t->lesion : s->mask->data;
}

void rp_sampler_plan(rp_sampler *sampler, uint64_t step, rp_warp *warp)
{
    const rp_augmentation *a = &sampler->augmentation;
    const double *spacing = sampler->image->grid.spacing;
    double axis[3], rotation[3][3];
    rp_random random;
    *warp = (rp_warp){.step = step};
    place(sampler, warp);
    treat(sampler, step);
    draw_lattice(sampler, step);
    rp_random_init(&random, sampler->seed, PURPOSE_MOTION, step);
    warp->brightness = 1.0 + rp_random_range(&random, -a->brightness, a->brightness);
    warp->scale = 1.0 + rp_random_range(&random, -a->scale, a->scale);
    warp->angle_degrees = rp_random_range(&random, -a->rotation_degrees, a->rotation_degrees);
    random_axis(&random, axis);
    rotation_matrix(axis, warp->angle_degrees * M_PI / 180.0, rotation);
    for (int i = 0; i < 3; i++) {
        warp->shift_mm[i] = rp_random_range(&random, -a->shift_mm, a->shift_mm);
        warp->pivot_source[i] += warp->shift_mm[i] / spacing[i];
        for (int j = 0; j < 3; j++)
            warp->matrix[i][j] = rotation[i][j] * (spacing[j] / spacing[i]) / warp->scale;
    }
    if (warp->forced) keep_tumour_inside(sampler, warp);
    for (int i = 0; i < 3; i++) /* drawn last, so that a model without prior sees the same crops */
        warp->prior_low[i] =
            warp->low[i] +
            (int)lround(rp_random_range(&random, -a->shift_mm, a->shift_mm) / spacing[i]);
    warp->untold = sampler->likeness && rp_random_uniform(&random) < UNTOLD;
    warp->told = rp_input_draw_place(&random, sampler->mask);
}
