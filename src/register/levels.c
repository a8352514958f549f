/* What is kept of an image: three levels of windowed intensities, and where the body is. */
#include "internal.h"

#include <math.h>

/* Fat to dense bone; air and everything above count alike. */
static const float WINDOW[2] = {-200.0f, 300.0f};
static const double LEVEL_MM[LEVELS] = {3.0, 6.0, 12.0};
static const double SMOOTH_VOXELS = 0.6;
/* The table is thinner than twice this, the trunk is not. */
static const double OPENING_MM = 9.0, RIM_MM = 12.0;
static const float BODY_HU = -150.0f;

/* ---- levels ------------------------------------------------------------------------------ */

typedef struct shrink_job {
    const rp_image *from;
    rp_image *to;
    int factor[3];
    float low, high;
} shrink_job;

static inline float windowed(const shrink_job *job, float value)
{
    return value < job->low ? job->low : value > job->high ? job->high : value;
}

static double box_sum(const shrink_job *job, int x, int y, int z)
{
    const rp_grid *g = &job->from->grid;
    const int *f = job->factor;
    double sum = 0.0;
    for (int k = 0; k < f[2]; k++)
        for (int j = 0; j < f[1]; j++) {
            const float *row =
                job->from->data + rp_grid_index(g, x * f[0], y * f[1] + j, z * f[2] + k);
            for (int i = 0; i < f[0]; i++) sum += windowed(job, row[i]);
        }
    return sum;
}

/* Task: one slice of the result. */
static void shrink_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const shrink_job *job = context;
    const rp_grid *g = &job->to->grid;
    const double share = 1.0 / (job->factor[0] * job->factor[1] * job->factor[2]);
    float *out = job->to->data + rp_grid_index(g, 0, 0, (int)z);
    for (int y = 0; y < g->size[1]; y++)
        for (int x = 0; x < g->size[0]; x++) *out++ = (float)(share * box_sum(job, x, y, (int)z));
}

/* Means over whole boxes of voxels, so that an edge of every size is seen without aliasing; voxels
 * at the far border that fill no box are left out. */
rp_status levels_shrink(const rp_image *from, double spacing_mm, const float window[2],
                        rp_image *to, rp_error *err)
{
    shrink_job job = {.from = from, .to = to, .low = window[0], .high = window[1]};
    rp_grid grid = from->grid;
    double middle[3];
    for (int a = 0; a < 3; a++) {
        int factor = (int)lround(spacing_mm / grid.spacing[a]);
        /* An axis of a single voxel would have no gradient. */
        while (factor > 1 && grid.size[a] / factor < 2) factor--;
        job.factor[a] = factor < 1 ? 1 : factor;
        middle[a] = 0.5 * (job.factor[a] - 1);
        grid.size[a] /= job.factor[a];
        grid.spacing[a] *= job.factor[a];
    }
    rp_grid_to_world(&from->grid, middle, grid.origin);
    rp_status status = rp_image_init(to, &grid, err);
    if (!status) rp_parallel_for((size_t)grid.size[2], shrink_slice, &job);
    return status;
}

/* ---- the body ---------------------------------------------------------------------------- */

static rp_status distance_to(const rp_mask *mask, bool inside, rp_image *distance, rp_error *err)
{
    if (inside) return rp_mask_distance(mask, distance, err);
    rp_mask outside;
    rp_status status = rp_mask_copy(mask, &outside, err);
    if (status) return status;
    for (size_t i = 0; i < rp_grid_voxels(&outside.grid); i++) outside.data[i] = !outside.data[i];
    status = rp_mask_distance(&outside, distance, err);
    rp_mask_release(&outside);
    return status;
}

/* Keeps what lies deeper than depth_mm, or grows to what lies within it. */
static rp_status change_by(rp_mask *mask, double depth_mm, bool grow, rp_error *err)
{
    rp_image distance;
    rp_status status = distance_to(mask, grow, &distance, err);
    if (status) return status;
    for (size_t i = 0; i < rp_grid_voxels(&mask->grid); i++)
        mask->data[i] =
            grow ? distance.data[i] <= (float)depth_mm : distance.data[i] > (float)depth_mm;
    rp_image_release(&distance);
    return RP_OK;
}

static void find_centre(rp_register_image *image)
{
    const rp_grid *g = &image->body.grid;
    double sum[3] = {0}, middle[3];
    size_t count = 0;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                if (!image->body.data[rp_grid_index(g, x, y, z)]) continue;
                sum[0] += x, sum[1] += y, sum[2] += z;
                count++;
            }
    for (int a = 0; a < 3; a++) middle[a] = count ? sum[a] / (double)count : 0.5 * (g->size[a] - 1);
    rp_grid_to_world(g, middle, image->centre);
    image->body_mm3 = (double)count * rp_grid_voxel_mm3(g);
}

/* The largest thick part that is no air, and a rim: without the table, whatever lies on it, and the
 * arms where they are apart. Everything, where there is no such part. */
rp_status levels_body(const rp_image *level, rp_mask *body, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&level->grid);
    rp_status status = rp_mask_init(body, &level->grid, err);
    if (status) return status;
    for (size_t i = 0; i < voxels; i++) body->data[i] = level->data[i] > BODY_HU;
    status = change_by(body, OPENING_MM, false, err);
    if (!status) status = rp_mask_keep_largest(body, 26, NULL, err);
    if (!status && rp_mask_count(body) > 0)
        status = change_by(body, OPENING_MM + RIM_MM, true, err);
    else if (!status)
        for (size_t i = 0; i < voxels; i++) body->data[i] = 1;
    return status;
}

/* In canonical order, so that boxes of voxels begin at the same corner of the patient. */
static rp_status shrink_first(const rp_image *image, rp_image *to, rp_error *err)
{
    const rp_image *canonical;
    rp_image made;
    rp_status status = rp_image_canonical(image, &made, &canonical, err);
    if (!status) status = levels_shrink(canonical, LEVEL_MM[0], WINDOW, to, err);
    rp_image_release(&made);
    return status;
}

rp_status rp_register_image_create(const rp_image *image, rp_register_image **out, rp_error *err)
{
    rp_register_image *made = rp_alloc(1, sizeof *made);
    if (!made) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    rp_status status = shrink_first(image, &made->levels[0], err);
    for (int l = 1; !status && l < LEVELS; l++)
        status = levels_shrink(&made->levels[l - 1], LEVEL_MM[l], WINDOW, &made->levels[l], err);
    if (!status) status = levels_body(&made->levels[LEVEL_MIDDLE], &made->body, err);
    if (!status) find_centre(made);
    /* Interpolation smooths the moving image where its voxels fall between the samples; both are
     * smooth already, so that this does not draw voxels onto voxels. */
    const double sigma[3] = {SMOOTH_VOXELS, SMOOTH_VOXELS, SMOOTH_VOXELS};
    for (int l = 0; !status && l < LEVELS; l++)
        status = rp_smooth(made->levels[l].data, made->levels[l].grid.size, sigma, err);
    if (status) {
        rp_register_image_destroy(made);
        return status;
    }
    *out = made;
    return RP_OK;
}

void rp_register_image_destroy(rp_register_image *image)
{
    if (!image) return;
    for (int l = 0; l < LEVELS; l++) rp_image_release(&image->levels[l]);
    rp_mask_release(&image->body);
    rp_free(image);
}

/* ---- turned over: the levels are in canonical order, so that their axes are the patient's ---- */

static size_t flipped_index(const rp_grid *g, const bool axes[3], int x, int y, int z)
{
    return rp_grid_index(g, axes[0] ? g->size[0] - 1 - x : x, axes[1] ? g->size[1] - 1 - y : y,
                         axes[2] ? g->size[2] - 1 - z : z);
}

static rp_status flip_image(const rp_image *from, const bool axes[3], rp_image *to, rp_error *err)
{
    const rp_grid *g = &from->grid;
    rp_status status = rp_image_init(to, g, err);
    for (int z = 0; !status && z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++)
                to->data[rp_grid_index(g, x, y, z)] = from->data[flipped_index(g, axes, x, y, z)];
    return status;
}

static rp_status flip_body(const rp_mask *from, const bool axes[3], rp_mask *to, rp_error *err)
{
    const rp_grid *g = &from->grid;
    rp_status status = rp_mask_init(to, g, err);
    for (int z = 0; !status && z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++)
                to->data[rp_grid_index(g, x, y, z)] = from->data[flipped_index(g, axes, x, y, z)];
    return status;
}

rp_status rp_register_image_flip(const rp_register_image *image, const bool axes[3],
                                 rp_register_image **out, rp_error *err)
{
    rp_register_image *made = rp_alloc(1, sizeof *made);
    if (!made) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    rp_status status = flip_body(&image->body, axes, &made->body, err);
    for (int l = 0; !status && l < LEVELS; l++)
        status = flip_image(&image->levels[l], axes, &made->levels[l], err);
    if (status) {
        rp_register_image_destroy(made);
        return status;
    }
    find_centre(made);
    *out = made;
    return RP_OK;
}

/* ---- samples ----------------------------------------------------------------------------- */

typedef struct wanted {
    const rp_register_image *fixed;
    const rp_grid *grid;
    const double *point;
    double radius_mm;
} wanted;

static bool is_wanted(const wanted *w, int x, int y, int z, double world[3])
{
    const double index[3] = {x, y, z};
    const rp_grid *body = &w->fixed->body.grid;
    double at[3], square = 0.0;
    rp_grid_to_world(w->grid, index, world);
    for (int a = 0; w->point && a < 3; a++)
        square += (world[a] - w->point[a]) * (world[a] - w->point[a]);
    if (square > w->radius_mm * w->radius_mm) return false;
    rp_grid_from_world(body, world, at);
    int cell[3];
    for (int a = 0; a < 3; a++) {
        cell[a] = (int)lround(at[a]);
        if (cell[a] < 0) cell[a] = 0;
        if (cell[a] >= body->size[a]) cell[a] = body->size[a] - 1;
    }
    return w->fixed->body.data[rp_grid_index(body, cell[0], cell[1], cell[2])];
}

/* Every n-th of those wanted; only counted where out is NULL. */
static size_t walk(const wanted *w, const float *data, const double centre[3], size_t n,
                   sample *out)
{
    size_t met = 0, kept = 0;
    const int *size = w->grid->size;
    for (int z = 0; z < size[2]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[0]; x++) {
                double world[3];
                if (!is_wanted(w, x, y, z, world) || met++ % n) continue;
                if (out) {
                    for (int a = 0; a < 3; a++) out[kept].at[a] = world[a] - centre[a];
                    out[kept].value = data[rp_grid_index(w->grid, x, y, z)];
                }
                kept++;
            }
    return kept;
}

rp_status samples_collect(const rp_register_image *fixed, int level, const double centre[3],
                          const double point[3], double radius_mm, size_t most, samples *out,
                          rp_error *err)
{
    const rp_image *image = &fixed->levels[level];
    const wanted w = {fixed, &image->grid, point, radius_mm};
    const size_t all = walk(&w, image->data, centre, 1, NULL);
    const size_t n = all > most ? (all + most - 1) / most : 1;
    *out = (samples){.count = all ? (all + n - 1) / n : 0};
    out->items = rp_alloc(out->count, sizeof *out->items);
    if (!out->items) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    walk(&w, image->data, centre, n, out->items);
    rp_status status = samples_prepare(out, err);
    if (status) samples_release(out);
    return status;
}
