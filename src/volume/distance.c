/* Exact Euclidean distance transform: lower envelopes of parabolas, one axis after the other.
 * P. F. Felzenszwalb, D. P. Huttenlocher, "Distance transforms of sampled functions", Theory of
 * Computing 8 (2012), with a spacing for each axis. */
#include "reprise/volume.h"

#include <math.h>

/* Lines that are gathered together: the floats of a cache line, so that strided axes read whole
 * lines of memory. */
enum { LINES = 16 };

/* A parabola of the lower envelope, the lowest one from `begin` to the next one's begin. */
typedef struct parabola {
    double begin, height;
    int vertex;
} parabola;

typedef struct transform {
    float *data;
    const int *size;
    double spacing;
    int axis;
    int longest; /* of the sides: what each worker has room for */
    double *lines;
    parabola *envelopes;
} transform;

/* Task: one slice, along x: squared distance to the nearest inside voxel of the row. */
static void transform_rows(void *context, size_t z, int worker)
{
    (void)worker;
    const transform *t = context;
    int nx = t->size[0], ny = t->size[1];
    float *row = t->data + z * (size_t)nx * (size_t)ny;
    for (int y = 0; y < ny; y++, row += nx) {
        float away = INFINITY;
        for (int x = 0; x < nx; x++) row[x] = away = row[x] == 0 ? 0 : away + 1;
        away = INFINITY;
        for (int x = nx - 1; x >= 0; x--) {
            away = row[x] == 0 ? 0 : away + 1;
            double nearest = (double)(away < row[x] ? away : row[x]) * t->spacing;
            row[x] = (float)(nearest * nearest);
        }
    }
}

/* In place: line[p] <- min over q of line[q] + (spacing * (p - q))^2. */
static void transform_line(double *line, int n, double spacing, parabola *envelope)
{
    double scale = spacing * spacing;
    int count = 0;
    for (int q = 0; q < n; q++) {
        if (line[q] == INFINITY) continue;
        double begin = -INFINITY;
        for (; count > 0; count--) {
            const parabola *last = &envelope[count - 1];
            begin =
                0.5 * ((line[q] - last->height) / (scale * (q - last->vertex)) + q + last->vertex);
            if (begin > last->begin) break;
            begin = -INFINITY;
        }
        envelope[count++] = (parabola){begin, line[q], q};
    }
    for (int p = 0, i = 0; p < n && count > 0; p++) {
        while (i + 1 < count && envelope[i + 1].begin <= p) i++;
        double steps = p - envelope[i].vertex;
        line[p] = envelope[i].height + scale * steps * steps;
    }
}

/* Task: the lines along y of slice `plane`, or along z of the plane y = `plane`. */
static void transform_plane(void *context, size_t plane, int worker)
{
    const transform *t = context;
    size_t row = (size_t)t->size[0], slice = row * (size_t)t->size[1];
    size_t stride = t->axis == 1 ? row : slice, room = (size_t)t->longest;
    float *start = t->data + plane * (t->axis == 1 ? slice : row);
    double *lines = t->lines + (size_t)worker * LINES * room;
    parabola *envelope = t->envelopes + (size_t)worker * room;
    int n = t->size[t->axis];
    for (int x = 0; x < t->size[0]; x += LINES) {
        int width = t->size[0] - x < LINES ? t->size[0] - x : LINES;
        for (int i = 0; i < n; i++)
            for (int l = 0; l < width; l++)
                lines[(size_t)l * room + (size_t)i] = start[(size_t)i * stride + (size_t)(x + l)];
        for (int l = 0; l < width; l++)
            transform_line(lines + (size_t)l * room, n, t->spacing, envelope);
        for (int i = 0; i < n; i++)
            for (int l = 0; l < width; l++)
                start[(size_t)i * stride + (size_t)(x + l)] =
                    (float)lines[(size_t)l * room + (size_t)i];
    }
}

/* Task: one slice. */
static void take_roots(void *context, size_t z, int worker)
{
    (void)worker;
    const transform *t = context;
    size_t slice = (size_t)t->size[0] * (size_t)t->size[1];
    float *data = t->data + z * slice;
    for (size_t i = 0; i < slice; i++) data[i] = sqrtf(data[i]);
}

rp_status rp_mask_distance(const rp_mask *mask, rp_image *distance_mm, rp_error *err)
{
    rp_status status = rp_image_init(distance_mm, &mask->grid, err);
    if (status) return status;
    const int *size = mask->grid.size;
    transform t = {.data = distance_mm->data, .size = size, .longest = size[1]};
    if (size[2] > t.longest) t.longest = size[2];
    size_t workers = (size_t)rp_threads_get(), room = (size_t)t.longest;
    RP_AUTOFREE double *lines = t.lines = rp_alloc(workers * LINES * room, sizeof *t.lines);
    RP_AUTOFREE parabola *envelopes = t.envelopes = rp_alloc(workers * room, sizeof *t.envelopes);
    if (!lines || !envelopes) {
        rp_image_release(distance_mm);
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a distance map");
    }
    size_t voxels = rp_grid_voxels(&mask->grid);
    for (size_t i = 0; i < voxels; i++) t.data[i] = mask->data[i] ? 0 : 1;
    for (t.axis = 0; t.axis < 3; t.axis++) {
        t.spacing = mask->grid.spacing[t.axis];
        rp_parallel_for((size_t)size[t.axis == 2 ? 1 : 2],
                        t.axis == 0 ? transform_rows : transform_plane, &t);
    }
    rp_parallel_for((size_t)size[2], take_roots, &t);
    return RP_OK;
}
