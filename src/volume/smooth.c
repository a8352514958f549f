/* Separable Gaussian smoothing. */
#include "reprise/volume.h"

#include <math.h>
#include <string.h>

static const double TRUNCATE_SIGMA = 4;
static const double MOST_SIGMA = 1e4;

typedef struct filter {
    float *data;
    const int *size;
    const float *kernel; /* 2 * radius + 1 weights that add up to 1 */
    int radius, axis;
    float *scratch; /* one part for each worker */
    size_t scratch_size;
} filter;

static int clamp_index(int i, int size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* Task: one slice, along x. */
static void smooth_rows(void *context, size_t z, int worker)
{
    const filter *f = context;
    int nx = f->size[0], ny = f->size[1];
    float *padded = f->scratch + (size_t)worker * f->scratch_size;
    float *row = f->data + z * (size_t)nx * (size_t)ny;
    for (int y = 0; y < ny; y++, row += nx) {
        for (int i = 0; i < nx + 2 * f->radius; i++)
            padded[i] = row[clamp_index(i - f->radius, nx)];
        memset(row, 0, (size_t)nx * sizeof *row);
        for (int k = 0; k <= 2 * f->radius; k++) {
            const float weight = f->kernel[k], *from = padded + k;
            for (int x = 0; x < nx; x++) row[x] += weight * from[x];
        }
    }
}

/* Task: one plane of rows, along the axis that steps from row to row: y of slice `plane`, or z of
 * the plane y = `plane`. */
static void smooth_planes(void *context, size_t plane, int worker)
{
    const filter *f = context;
    size_t nx = (size_t)f->size[0], slice = nx * (size_t)f->size[1];
    size_t stride = f->axis == 1 ? nx : slice;
    int count = f->size[f->axis];
    float *start = f->data + plane * (f->axis == 1 ? slice : nx);
    float *copy = f->scratch + (size_t)worker * f->scratch_size;
    for (int i = 0; i < count; i++)
        memcpy(copy + (size_t)i * nx, start + (size_t)i * stride, nx * sizeof *copy);
    for (int i = 0; i < count; i++) {
        float *row = start + (size_t)i * stride;
        memset(row, 0, nx * sizeof *row);
        for (int k = 0; k <= 2 * f->radius; k++) {
            const float weight = f->kernel[k];
            const float *from = copy + (size_t)clamp_index(i + k - f->radius, count) * nx;
            for (size_t x = 0; x < nx; x++) row[x] += weight * from[x];
        }
    }
}

static float *make_kernel(double sigma, int radius)
{
    float *kernel = rp_alloc(2 * (size_t)radius + 1, sizeof *kernel);
    if (!kernel) return NULL;
    double sum = 0;
    for (int i = -radius; i <= radius; i++) sum += exp(-0.5 * i * i / (sigma * sigma));
    for (int i = -radius; i <= radius; i++)
        kernel[i + radius] = (float)(exp(-0.5 * i * i / (sigma * sigma)) / sum);
    return kernel;
}

static rp_status smooth_axis(float *data, const int size[3], int axis, double sigma, rp_error *err)
{
    int radius = (int)(TRUNCATE_SIGMA * sigma + 0.5);
    if (radius == 0) return RP_OK;
    size_t scratch_size =
        axis == 0 ? (size_t)size[0] + 2 * (size_t)radius : (size_t)size[0] * (size_t)size[axis];
    RP_AUTOFREE float *kernel = make_kernel(sigma, radius);
    RP_AUTOFREE float *scratch = rp_alloc((size_t)rp_threads_get() * scratch_size, sizeof *scratch);
    if (!kernel || !scratch) return rp_fail(err, RP_ERR_MEMORY, "no memory to smooth a volume");
    filter f = {.data = data,
                .size = size,
                .kernel = kernel,
                .radius = radius,
                .axis = axis,
                .scratch = scratch,
                .scratch_size = scratch_size};
    size_t tasks = (size_t)size[axis == 2 ? 1 : 2];
    rp_parallel_for(tasks, axis == 0 ? smooth_rows : smooth_planes, &f);
    return RP_OK;
}

rp_status rp_smooth(float *data, const int size[3], const double sigma_voxels[3], rp_error *err)
{
    for (int a = 0; a < 3; a++)
        if (!(sigma_voxels[a] >= 0 && sigma_voxels[a] <= MOST_SIGMA))
            return rp_fail(err, RP_ERR_ARGUMENT, "a smoothing width of %g voxels", sigma_voxels[a]);
    rp_status status = RP_OK;
    for (int a = 0; a < 3 && !status; a++)
        status = smooth_axis(data, size, a, sigma_voxels[a], err);
    return status;
}
