#include "reprise/volume.h"

#include <math.h>
#include <string.h>

/* Positions are affine in the target's index and carry rounding errors of 1e-12 voxels or so; a
 * millionth of a voxel decides ties the same way everywhere. */
static const double TIE = 1e-6;
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

static inline float indicator(const uint8_t *data, const int size[3], const double index[3])
{
    neighbours n = locate(size, index);
    const uint8_t *p = data + n.base, *q = p + n.dz;
    bool a = p[0], b = p[n.dx], c = p[n.dy], d = p[n.dy + n.dx];
    bool e = q[0], f = q[n.dx], g = q[n.dy], h = q[n.dy + n.dx];
    int sum = a + b + c + d + e + f + g + h;
    if (sum == 0 || sum == 8) return sum != 0;
    float near = mix(mix(a, b, n.fx), mix(c, d, n.fx), n.fy);
    float far = mix(mix(e, f, n.fx), mix(g, h, n.fx), n.fy);
    return mix(near, far, n.fz);
}

float rp_sample_linear(const float *data, const int size[3], const double index[3])
{
    return sample(data, size, index);
}

/* Source index of target voxel (i,j,k): start + i*step[0] + j*step[1] + k*step[2]. */
typedef struct mapping {
    double start[3], step[3][3];
    int source[3], target[3];
} mapping;

static void map_index(const rp_grid *source, const rp_grid *target, const double at[3],
                      double index[3])
{
    double world[3];
    rp_grid_to_world(target, at, world);
    rp_grid_from_world(source, world, index);
}

static mapping make_mapping(const rp_grid *source, const rp_grid *target)
{
    mapping m;
    const double zero[3] = {0, 0, 0};
    map_index(source, target, zero, m.start);
    for (int a = 0; a < 3; a++) {
        /* The far end of the axis, not its first step: less is lost to cancellation. */
        double reach = target->size[a], end[3] = {0, 0, 0}, index[3];
        end[a] = reach;
        map_index(source, target, end, index);
        for (int b = 0; b < 3; b++) m.step[a][b] = (index[b] - m.start[b]) / reach;
        m.source[a] = source->size[a];
        m.target[a] = target->size[a];
    }
    return m;
}

static void row_start(const mapping *m, int y, int z, double at[3])
{
    for (int b = 0; b < 3; b++) at[b] = m->start[b] + y * m->step[1][b] + z * m->step[2][b];
}

/* Moves to column x of the row; false where that is outside the source. */
static inline bool column(const mapping *m, const double row[3], int x, double at[3])
{
    bool within = true;
    for (int b = 0; b < 3; b++) {
        at[b] = row[b] + x * m->step[0][b];
        within &= at[b] >= -0.5 - TIE && at[b] <= m->source[b] - 0.5 + TIE;
    }
    return within;
}

typedef struct job {
    mapping map;
    const float *image;
    const uint8_t *mask;
    float *image_out;
    uint8_t *mask_out;
    float outside;
} job;

static void image_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const job *j = context;
    const mapping *m = &j->map;
    int nx = m->target[0], ny = m->target[1];
    float *out = j->image_out + z * (size_t)nx * (size_t)ny;
    for (int y = 0; y < ny; y++, out += nx) {
        double row[3], at[3];
        row_start(m, y, (int)z, row);
        for (int x = 0; x < nx; x++)
            out[x] = column(m, row, x, at) ? sample(j->image, m->source, at) : j->outside;
    }
}

static void mask_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const job *j = context;
    const mapping *m = &j->map;
    int nx = m->target[0], ny = m->target[1];
    const float threshold = (float)(0.5 - TIE);
    uint8_t *out = j->mask_out + z * (size_t)nx * (size_t)ny;
    for (int y = 0; y < ny; y++, out += nx) {
        double row[3], at[3];
        row_start(m, y, (int)z, row);
        for (int x = 0; x < nx; x++)
            out[x] = column(m, row, x, at) && indicator(j->mask, m->source, at) >= threshold;
    }
}

/* Both work in canonical order and bring the result back: which of two voxels weighs more at a tie,
 * and every last bit, is then a matter of the patient. */

static rp_status resample_image(const rp_image *image, const rp_grid *target, float outside,
                                rp_image *out, rp_error *err)
{
    rp_status status = rp_image_init(out, target, err);
    if (status) return status;
    job j = {.map = make_mapping(&image->grid, target),
             .image = image->data,
             .image_out = out->data,
             .outside = outside};
    rp_parallel_for((size_t)out->grid.size[2], image_slice, &j);
    return RP_OK;
}

static rp_status resample_mask(const rp_mask *mask, const rp_grid *target, rp_mask *out,
                               rp_error *err)
{
    rp_status status = rp_mask_init(out, target, err);
    if (status) return status;
    job j = {.map = make_mapping(&mask->grid, target), .mask = mask->data, .mask_out = out->data};
    rp_parallel_for((size_t)out->grid.size[2], mask_slice, &j);
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

rp_status rp_mask_resample(const rp_mask *mask, const rp_grid *target, rp_mask *out, rp_error *err)
{
    const rp_grid stored = *target;
    *out = (rp_mask){0};
    rp_status status = rp_grid_check(&stored, err);
    if (status) return status;
    if (rp_grid_same(&mask->grid, &stored, SAME_GRID_MM)) {
        status = rp_mask_copy(mask, out, err);
        out->grid = stored;
        return status;
    }
    const rp_grid grid = rp_grid_canonical(&stored);
    const rp_mask *from;
    rp_mask made;
    status = rp_mask_canonical(mask, &made, &from, err);
    if (!status) status = resample_mask(from, &grid, out, err);
    if (!status) status = rp_mask_restore(out, &stored, err);
    if (status) rp_mask_release(out);
    rp_mask_release(&made);
    return status;
}
