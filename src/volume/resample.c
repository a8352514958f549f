#include "mapping.h"

#include <string.h>

static const double SAME_GRID_MM = 1e-6;

/* The eight voxels round a position and how far it lies between them. */
typedef struct neighbours {
    size_t base, dx, dy, dz;
    float fx, fy, fz;
} neighbours;

/* A position that is no number reads the first voxel. */
static inline int split(double position, int size, float *fraction)
{
    double last = size - 1;
    double clamped = position > 0 ? position : 0;
    if (clamped > last) clamped = last;
    int whole = (int)clamped;
    *fraction = (float)(clamped - whole);
    return whole;
}

static inline neighbours locate(const int size[3], const double index[3])
{
    neighbours n;
    int x = split(index[0], size[0], &n.fx);
    int y = split(index[1], size[1], &n.fy);
    int z = split(index[2], size[2], &n.fz);
    size_t row = (size_t)size[0], slice = row * (size_t)size[1];
    n.base = (size_t)z * slice + (size_t)y * row + (size_t)x;
    n.dx = n.fx > 0 ? 1 : 0;
    n.dy = n.fy > 0 ? row : 0;
    n.dz = n.fz > 0 ? slice : 0;
    return n;
}

static inline float mix(float a, float b, float share)
{
    return a + share * (b - a);
}

static inline float sample(const float *data, const int size[3], const double index[3])
{
    neighbours n = locate(size, index);
    const float *p = data + n.base, *q = p + n.dz;
    float near = mix(mix(p[0], p[n.dx], n.fx), mix(p[n.dy], p[n.dy + n.dx], n.fx), n.fy);
    float far = mix(mix(q[0], q[n.dx], n.fx), mix(q[n.dy], q[n.dy + n.dx], n.fx), n.fy);
    return mix(near, far, n.fz);
}

float rp_sample_linear(const float *data, const int size[3], const double index[3])
{
    return sample(data, size, index);
}

static void row_start(const rp_mapping *m, int y, int z, double at[3])
{
    for (int b = 0; b < 3; b++) at[b] = m->start[b] + y * m->step[1][b] + z * m->step[2][b];
}

/* Moves to column x of the row; false where that is outside the source. */
static inline bool column(const rp_mapping *m, const double row[3], int x, double at[3])
{
    for (int b = 0; b < 3; b++) at[b] = row[b] + x * m->step[0][b];
    return rp_mapping_within(m, at);
}

typedef struct job {
    rp_mapping map;
    const float *image;
    float *out;
    float outside;
} job;

static void image_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const job *j = context;
    const rp_mapping *m = &j->map;
    int nx = m->target[0], ny = m->target[1];
    float *out = j->out + z * (size_t)nx * (size_t)ny;
    for (int y = 0; y < ny; y++, out += nx) {
        double row[3], at[3];
        row_start(m, y, (int)z, row);
        for (int x = 0; x < nx; x++)
            out[x] = column(m, row, x, at) ? sample(j->image, m->source, at) : j->outside;
    }
}

/* Works in canonical order and brings the result back: which of two voxels weighs more at a tie,
 * and every last bit, is then a matter of the patient. */
static rp_status resample_image(const rp_image *image, const rp_grid *target, float outside,
                                rp_image *out, rp_error *err)
{
    rp_status status = rp_image_init(out, target, err);
    if (status) return status;
    job j = {.map = rp_mapping_make(&image->grid, target),
             .image = image->data,
             .out = out->data,
             .outside = outside};
    rp_parallel_for((size_t)out->grid.size[2], image_slice, &j);
    return RP_OK;
}

rp_status rp_image_resample(const rp_image *image, const rp_grid *target, float outside,
                            rp_image *out, rp_error *err)
{
    const rp_grid stored = *target;
    *out = (rp_image){0};
    rp_status status = rp_grid_check(&stored, err);
    if (status) return status;
    if (rp_grid_same(&image->grid, &stored, SAME_GRID_MM)) {
        status = rp_image_copy(image, out, err);
        out->grid = stored;
        return status;
    }
    const rp_grid grid = rp_grid_canonical(&stored);
    const rp_image *from;
    rp_image made;
    status = rp_image_canonical(image, &made, &from, err);
    if (!status) status = resample_image(from, &grid, outside, out, err);
    if (!status) status = rp_image_restore(out, &stored, err);
    if (status) rp_image_release(out);
    rp_image_release(&made);
    return status;
}
