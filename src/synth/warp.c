#include "warp.h"
#include "purpose.h"

#include <math.h>

void random_in_ball(rp_random *r, double radius, double out[3])
{
    double length2;
    do {
        length2 = 0;
        for (int i = 0; i < 3; i++) {
            out[i] = rp_random_range(r, -1, 1);
            length2 += out[i] * out[i];
        }
    } while (length2 > 1);
    for (int i = 0; i < 3; i++) out[i] *= radius;
}

/* ---- deformation ------------------------------------------------------------------------- */

enum { WAVES = 96 };

typedef struct wave {
    double number[3], phase, amplitude[3];
} wave;

typedef struct lattice_job {
    deformation *field;
    const wave *waves;
} lattice_job;

static void lattice_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const lattice_job *job = context;
    deformation *d = job->field;
    size_t at = z * (size_t)d->size[0] * (size_t)d->size[1];
    for (int y = 0; y < d->size[1]; y++)
        for (int x = 0; x < d->size[0]; x++, at++) {
            double p[3] = {d->origin[0] + x * d->step_mm, d->origin[1] + y * d->step_mm,
                           d->origin[2] + (double)z * d->step_mm};
            double sum[3] = {0, 0, 0};
            for (int k = 0; k < WAVES; k++) {
                const wave *w = &job->waves[k];
                double c =
                    cos(w->number[0] * p[0] + w->number[1] * p[1] + w->number[2] * p[2] + w->phase);
                for (int i = 0; i < 3; i++) sum[i] += w->amplitude[i] * c;
            }
            for (int i = 0; i < 3; i++) d->vector[i][at] = (float)sum[i];
        }
}

static void normalise(deformation *d, double rms_mm)
{
    size_t n = (size_t)d->size[0] * (size_t)d->size[1] * (size_t)d->size[2];
    double mean[3] = {0, 0, 0}, square = 0, largest = 0;
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < n; k++) mean[i] += d->vector[i][k];
        mean[i] /= (double)n;
        for (size_t k = 0; k < n; k++) {
            double v = d->vector[i][k] - mean[i];
            square += v * v;
        }
    }
    double factor = square > 0 ? rms_mm / sqrt(square / (double)n) : 0;
    for (size_t k = 0; k < n; k++) {
        double length2 = 0;
        for (int i = 0; i < 3; i++) {
            d->vector[i][k] = (float)((d->vector[i][k] - mean[i]) * factor);
            length2 += (double)d->vector[i][k] * d->vector[i][k];
        }
        largest = fmax(largest, length2);
    }
    d->largest_mm = sqrt(largest);
}

static void draw_waves(wave *waves, double scale_mm, uint64_t seed)
{
    rp_random r;
    rp_random_init(&r, seed, PURPOSE_DEFORMATION, 0);
    for (int k = 0; k < WAVES; k++) {
        for (int i = 0; i < 3; i++) waves[k].number[i] = rp_random_normal(&r) / scale_mm;
        waves[k].phase = rp_random_range(&r, 0, 2 * M_PI);
        for (int i = 0; i < 3; i++) waves[k].amplitude[i] = rp_random_normal(&r);
    }
}

rp_status deformation_create(const double low[3], const double high[3], double rms_mm,
                             double scale_mm, uint64_t seed, deformation *out, rp_error *err)
{
    *out = (deformation){.step_mm = scale_mm / 5};
    if (rms_mm == 0) return RP_OK;
    wave waves[WAVES];
    size_t n = 1;
    for (int i = 0; i < 3; i++) {
        double cells = ceil((high[i] - low[i]) / out->step_mm);
        if (!(cells < 4096)) /* hours of work, and surely a mistake */
            return rp_fail(err, RP_ERR_ARGUMENT,
                           "a deformation that varies over %.3g mm is too fine for this image",
                           scale_mm);
        out->size[i] = (int)cells + 1;
        out->origin[i] = low[i];
        n *= (size_t)out->size[i];
    }
    for (int i = 0; i < 3; i++)
        if (!(out->vector[i] = rp_alloc(n, sizeof(float)))) {
            deformation_release(out);
            return rp_fail(err, RP_ERR_MEMORY, "no memory for the deformation");
        }
    draw_waves(waves, scale_mm, seed);
    rp_parallel_for((size_t)out->size[2], lattice_slice, &(lattice_job){out, waves});
    normalise(out, rms_mm);
    return RP_OK;
}

void deformation_release(deformation *d)
{
    for (int i = 0; i < 3; i++) rp_free(d->vector[i]);
    *d = (deformation){0};
}

void deformation_at(const deformation *d, const double world[3], double out[3])
{
    double index[3];
    for (int i = 0; i < 3; i++) {
        out[i] = 0;
        index[i] = (world[i] - d->origin[i]) / d->step_mm;
    }
    if (!d->vector[0]) return;
    for (int i = 0; i < 3; i++) out[i] = rp_sample_linear(d->vector[i], d->size, index);
}

/* ---- scaling the lesion ------------------------------------------------------------------ */

static void direction_of(int row, int column, double n[3])
{
    double polar = M_PI * row / SHAPE_ROWS, azimuth = 2 * M_PI * column / SHAPE_COLUMNS;
    n[0] = sin(polar) * cos(azimuth);
    n[1] = sin(polar) * sin(azimuth);
    n[2] = cos(polar);
}

static bool on_surface(const rp_mask *m, int x, int y, int z)
{
    const int *size = m->grid.size;
    if (x == 0 || y == 0 || z == 0 || x + 1 == size[0] || y + 1 == size[1] || z + 1 == size[2])
        return true;
    size_t at = rp_grid_index(&m->grid, x, y, z), row = (size_t)size[0],
           slice = row * (size_t)size[1];
    return !(m->data[at - 1] && m->data[at + 1] && m->data[at - row] && m->data[at + row] &&
             m->data[at - slice] && m->data[at + slice]);
}

typedef struct surface_point {
    double length, unit[3];
} surface_point;

typedef struct shape_job {
    star_shape *shape;
    const surface_point *points;
    size_t count;
    double least_mm;
} shape_job;

static void shape_row(void *context, size_t row, int worker)
{
    (void)worker;
    const shape_job *job = context;
    for (int column = 0; column < SHAPE_COLUMNS; column++) {
        double n[3], radius = job->least_mm;
        direction_of((int)row, column, n);
        for (size_t i = 0; i < job->count; i++) {
            const surface_point *p = &job->points[i];
            double cosine = p->unit[0] * n[0] + p->unit[1] * n[1] + p->unit[2] * n[2];
            /* Each point lifts the directions round its own, e-fold within 20 degrees. */
            if (cosine > 0.6 && p->length > radius)
                radius = fmax(radius, p->length * exp((cosine - 1) / 0.06));
        }
        job->shape->radius_mm[row][column] = (float)radius;
    }
}

static void collect_surface(const rp_mask *m, const int low[3], const int high[3],
                            const double centre[3], double margin, surface_point *points,
                            size_t *count)
{
    for (int z = low[2]; z <= high[2]; z++)
        for (int y = low[1]; y <= high[1]; y++)
            for (int x = low[0]; x <= high[0]; x++) {
                if (!m->data[rp_grid_index(&m->grid, x, y, z)] || !on_surface(m, x, y, z)) continue;
                double index[3] = {x, y, z}, p[3], length = 0;
                rp_grid_to_world(&m->grid, index, p);
                for (int i = 0; i < 3; i++) {
                    p[i] -= centre[i];
                    length += p[i] * p[i];
                }
                length = sqrt(length);
                if (length <= margin) continue; /* the least radius covers it */
                surface_point *s = &points[(*count)++];
                /* and 3% more, for the directions between the nodes of the table */
                s->length = 1.03 * length + margin;
                for (int i = 0; i < 3; i++) s->unit[i] = p[i] / length;
            }
}

rp_status star_shape_make(const rp_mask *lesion, star_shape *shape, rp_error *err)
{
    int low[3], high[3];
    size_t count = 0, voxels = rp_mask_count(lesion);
    if (!rp_mask_bounds(lesion, low, high))
        return rp_fail(err, RP_ERR_ARGUMENT, "the lesion's mask is empty");
    surface_point *points = rp_alloc(voxels, sizeof *points);
    if (!points) return rp_fail(err, RP_ERR_MEMORY, "no memory for the lesion's surface");
    const double *sp = lesion->grid.spacing;
    /* A whole voxel diagonal: linear interpolation of the mask reaches so far. */
    double margin = sqrt(sp[0] * sp[0] + sp[1] * sp[1] + sp[2] * sp[2]);
    double volume = (double)voxels * rp_grid_voxel_mm3(&lesion->grid);
    rp_mask_centroid(lesion, shape->centre);
    collect_surface(lesion, low, high, shape->centre, margin, points, &count);
    shape_job job = {shape, points, count, fmax(2 * margin, 0.3 * cbrt(volume * 3 / (4 * M_PI)))};
    rp_parallel_for(SHAPE_ROWS + 1, shape_row, &job);
    shape->largest_mm = job.least_mm;
    for (size_t i = 0; i < count; i++)
        shape->largest_mm = fmax(shape->largest_mm, points[i].length);
    rp_free(points);
    return RP_OK;
}

static double radius_towards(const star_shape *s, const double v[3], double length)
{
    double row = acos(fmax(-1, fmin(1, v[2] / length))) * (SHAPE_ROWS / M_PI);
    double column = atan2(v[1], v[0]) * (SHAPE_COLUMNS / (2 * M_PI));
    if (column < 0) column += SHAPE_COLUMNS;
    int r = (int)fmin(row, SHAPE_ROWS - 1), c = (int)column % SHAPE_COLUMNS;
    int c1 = (c + 1) % SHAPE_COLUMNS;
    double fr = row - r, fc = column - floor(column);
    double upper = s->radius_mm[r][c] + fc * (s->radius_mm[r][c1] - s->radius_mm[r][c]);
    double lower = s->radius_mm[r + 1][c] + fc * (s->radius_mm[r + 1][c1] - s->radius_mm[r + 1][c]);
    return upper + fr * (lower - upper);
}

static const double drawn_in = 0.55; /* tissue follows a shrinking lesion so far */

/* Distance from the centre before scaling. Between the scaled surface, where it is the radius, and
 * the end of the influence, where the slope is 1 again, it is a parabola. In the gap that a much
 * smaller lesion leaves it stays just outside the surface, and *blur_mm says by how much. */
static double radius_before(double now, double radius, double scale, double *blur_mm)
{
    double drawn = fmax(scale, drawn_in), start = drawn * radius;
    double end = radius * (1 + 1.5 * fmax(1, scale));
    *blur_mm = 0;
    if (now <= scale * radius) return now / scale;
    if (now >= end) return now;
    if (now < start) {
        double depth = fmin(1, 2 * (start - now) / ((drawn - scale) * radius));
        *blur_mm = fmin(6, 0.2 * radius) * depth;
        return radius + *blur_mm;
    }
    double x = (now - start) / (end - start), slope_at_end = (end - start) / (end - radius);
    double a = 2 - slope_at_end;
    return radius + (end - radius) * (a * x + (1 - a) * x * x);
}

double star_shape_unscale(const star_shape *shape, double scale, const double point[3],
                          double from[3])
{
    double v[3], length2 = 0, blur_mm = 0;
    for (int i = 0; i < 3; i++) {
        v[i] = point[i] - shape->centre[i];
        length2 += v[i] * v[i];
    }
    double length = sqrt(length2), factor = 1 / scale;
    if (length > 0)
        factor = radius_before(length, radius_towards(shape, v, length), scale, &blur_mm) / length;
    for (int i = 0; i < 3; i++) from[i] = shape->centre[i] + factor * v[i];
    return blur_mm;
}
