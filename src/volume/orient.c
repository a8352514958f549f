/* The one order in which images are worked on, whatever order files store them in. */
#include "reprise/volume.h"

#include <math.h>
#include <string.h>

/* Directions in files are rounded; what is equal but for that must be decided in the patient. */
static const double EQUAL = 1e-5;

/* ---- which axis is which ----------------------------------------------------------------- */

/* Component r of a stored axis that was turned to point towards patient axis `towards`. */
static double turned(const rp_grid *grid, int axis, int towards, int r)
{
    const double sign = grid->direction[towards][axis] < 0 ? -1.0 : 1.0;
    return sign * grid->direction[r][axis];
}

/* Whether stored axis a serves better than b as the one from the feet to the head. Where both lean
 * alike, the one that leans to the back, then to the left: the order of the file must not decide.
 */
static bool nearer_to_head(const rp_grid *grid, int a, int b)
{
    static const int order[3] = {2, 1, 0};
    for (int i = 0; i < 3; i++) {
        const double apart = turned(grid, a, 2, order[i]) - turned(grid, b, 2, order[i]);
        if (fabs(apart) > EQUAL) return apart > 0;
    }
    return false;
}

/* Whether a as the axis to the left and b as the one to the back is nearer than the other way. */
static bool nearer_across(const rp_grid *grid, int a, int b)
{
    const double(*d)[3] = grid->direction;
    const double apart = fabs(d[0][a]) + fabs(d[1][b]) - fabs(d[0][b]) - fabs(d[1][a]);
    if (fabs(apart) > EQUAL) return apart > 0;
    return turned(grid, a, 0, 1) > turned(grid, b, 0, 1);
}

rp_orientation rp_grid_orientation(const rp_grid *grid)
{
    rp_orientation o;
    int head = 0;
    for (int a = 1; a < 3; a++)
        if (nearer_to_head(grid, a, head)) head = a;
    int left = head == 0 ? 1 : 0, back = head == 2 ? 1 : 2;
    if (!nearer_across(grid, left, back)) {
        const int swap = left;
        left = back;
        back = swap;
    }
    o.axis[0] = left;
    o.axis[1] = back;
    o.axis[2] = head;
    for (int a = 0; a < 3; a++) o.flip[a] = grid->direction[a][o.axis[a]] < 0;
    return o;
}

bool rp_orientation_is_canonical(const rp_orientation *o)
{
    for (int a = 0; a < 3; a++)
        if (o->axis[a] != a || o->flip[a]) return false;
    return true;
}

rp_grid rp_grid_canonical(const rp_grid *grid)
{
    const rp_orientation o = rp_grid_orientation(grid);
    if (rp_orientation_is_canonical(&o)) return *grid;
    rp_grid out;
    const double zero[3] = {0, 0, 0};
    double first[3];
    rp_orientation_to_stored(&o, grid, zero, first);
    rp_grid_to_world(grid, first, out.origin);
    for (int a = 0; a < 3; a++) {
        const int from = o.axis[a];
        out.size[a] = grid->size[from];
        out.spacing[a] = grid->spacing[from];
        for (int r = 0; r < 3; r++)
            out.direction[r][a] = /* no negative zero */
                0.0 + (o.flip[a] ? -grid->direction[r][from] : grid->direction[r][from]);
    }
    return out;
}

rp_grid rp_grid_restored(const rp_grid *canonical, const rp_orientation *o)
{
    if (rp_orientation_is_canonical(o)) return *canonical;
    rp_grid out;
    double first[3];
    for (int a = 0; a < 3; a++) {
        const int to = o->axis[a];
        first[a] = o->flip[a] ? canonical->size[a] - 1 : 0;
        out.size[to] = canonical->size[a];
        out.spacing[to] = canonical->spacing[a];
        for (int r = 0; r < 3; r++)
            out.direction[r][to] =
                0.0 + (o->flip[a] ? -canonical->direction[r][a] : canonical->direction[r][a]);
    }
    rp_grid_to_world(canonical, first, out.origin);
    return out;
}

void rp_orientation_to_stored(const rp_orientation *o, const rp_grid *stored,
                              const double canonical[3], double index[3])
{
    for (int a = 0; a < 3; a++) {
        const int to = o->axis[a];
        index[to] = o->flip[a] ? stored->size[to] - 1 - canonical[a] : canonical[a];
    }
}

void rp_orientation_from_stored(const rp_orientation *o, const rp_grid *stored,
                                const double index[3], double canonical[3])
{
    for (int a = 0; a < 3; a++) {
        const int from = o->axis[a];
        canonical[a] = o->flip[a] ? stored->size[from] - 1 - index[from] : index[from];
    }
}

rp_strides rp_orientation_strides(const rp_orientation *o, const rp_grid *stored)
{
    const ptrdiff_t step[3] = {1, stored->size[0], (ptrdiff_t)stored->size[0] * stored->size[1]};
    rp_strides s = {0};
    for (int a = 0; a < 3; a++) {
        const int axis = o->axis[a];
        s.step[a] = o->flip[a] ? -step[axis] : step[axis];
        if (o->flip[a]) s.first += (size_t)(step[axis] * (stored->size[axis] - 1));
    }
    return s;
}

/* ---- how a series lies ------------------------------------------------------------------- */

int rp_grid_axial_axis(const rp_grid *grid)
{
    return rp_grid_orientation(grid).axis[2];
}

double rp_grid_oblique_degrees(const rp_grid *grid)
{
    const double cosine = fabs(grid->direction[2][rp_grid_axial_axis(grid)]);
    return acos(fmin(cosine, 1.0)) * (180.0 / M_PI);
}

int rp_grid_slice_axis(const rp_grid *grid)
{
    const double clearly = 1.25;
    const double *s = grid->spacing;
    for (int a = 0; a < 3; a++)
        if (s[a] > clearly * s[(a + 1) % 3] && s[a] > clearly * s[(a + 2) % 3]) return a;
    return rp_grid_axial_axis(grid);
}

/* ---- voxels ------------------------------------------------------------------------------ */

typedef struct reorder {
    const unsigned char *from;
    unsigned char *to;
    rp_strides strides;
    int size[3]; /* of the canonical grid */
    size_t bytes;
    bool back; /* from canonical to stored */
} reorder;

/* `bytes` is a constant where this is called, so that each voxel is one move. */
static inline void move_row(const reorder *job, size_t canonical, size_t stored, size_t bytes)
{
    const ptrdiff_t step = job->strides.step[0] * (ptrdiff_t)bytes;
    const unsigned char *from = job->from + (job->back ? canonical : stored) * bytes;
    unsigned char *to = job->to + (job->back ? stored : canonical) * bytes;
    for (int x = 0; x < job->size[0]; x++) {
        memcpy(to, from, bytes);
        from += job->back ? (ptrdiff_t)bytes : step;
        to += job->back ? step : (ptrdiff_t)bytes;
    }
}

/* Task: one canonical slice. */
static void move_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const reorder *job = context;
    const rp_strides *s = &job->strides;
    const size_t nx = (size_t)job->size[0], ny = (size_t)job->size[1];
    for (size_t y = 0; y < ny; y++) {
        const size_t canonical = (z * ny + y) * nx;
        const size_t stored =
            (size_t)((ptrdiff_t)s->first + s->step[1] * (ptrdiff_t)y + s->step[2] * (ptrdiff_t)z);
        if (job->bytes == sizeof(float))
            move_row(job, canonical, stored, sizeof(float));
        else
            move_row(job, canonical, stored, 1);
    }
}

static void move_voxels(const rp_grid *stored, const void *from, void *to, size_t bytes, bool back)
{
    const rp_orientation o = rp_grid_orientation(stored);
    reorder job = {.from = from,
                   .to = to,
                   .strides = rp_orientation_strides(&o, stored),
                   .bytes = bytes,
                   .back = back};
    for (int a = 0; a < 3; a++) job.size[a] = stored->size[o.axis[a]];
    rp_parallel_for((size_t)job.size[2], move_slice, &job);
}

static bool is_canonical(const rp_grid *grid)
{
    const rp_orientation o = rp_grid_orientation(grid);
    return rp_orientation_is_canonical(&o);
}

rp_status rp_image_canonical(const rp_image *image, rp_image *made, const rp_image **canonical,
                             rp_error *err)
{
    *made = (rp_image){0};
    *canonical = image;
    if (is_canonical(&image->grid)) return RP_OK;
    const rp_grid grid = rp_grid_canonical(&image->grid);
    rp_status status = rp_image_init(made, &grid, err);
    if (status) return status;
    move_voxels(&image->grid, image->data, made->data, sizeof *made->data, false);
    *canonical = made;
    return RP_OK;
}

rp_status rp_mask_canonical(const rp_mask *mask, rp_mask *made, const rp_mask **canonical,
                            rp_error *err)
{
    *made = (rp_mask){0};
    *canonical = mask;
    if (is_canonical(&mask->grid)) return RP_OK;
    const rp_grid grid = rp_grid_canonical(&mask->grid);
    rp_status status = rp_mask_init(made, &grid, err);
    if (status) return status;
    move_voxels(&mask->grid, mask->data, made->data, sizeof *made->data, false);
    *canonical = made;
    return RP_OK;
}

/* The grid may be that of the volume itself, which is replaced. */

rp_status rp_image_restore(rp_image *image, const rp_grid *stored, rp_error *err)
{
    const rp_grid grid = *stored;
    if (is_canonical(&grid)) {
        image->grid = grid;
        return RP_OK;
    }
    rp_image back;
    rp_status status = rp_image_init(&back, &grid, err);
    if (status) return status;
    move_voxels(&grid, image->data, back.data, sizeof *back.data, true);
    rp_image_release(image);
    *image = back;
    return RP_OK;
}

rp_status rp_mask_restore(rp_mask *mask, const rp_grid *stored, rp_error *err)
{
    const rp_grid grid = *stored;
    if (is_canonical(&grid)) {
        mask->grid = grid;
        return RP_OK;
    }
    rp_mask back;
    rp_status status = rp_mask_init(&back, &grid, err);
    if (status) return status;
    move_voxels(&grid, mask->data, back.data, sizeof *back.data, true);
    rp_mask_release(mask);
    *mask = back;
    return RP_OK;
}

bool rp_image_same(const rp_image *a, const rp_image *b, double tolerance_mm)
{
    const rp_grid own = rp_grid_canonical(&a->grid), its = rp_grid_canonical(&b->grid);
    if (!rp_grid_same(&own, &its, tolerance_mm)) return false;
    const rp_orientation oa = rp_grid_orientation(&a->grid), ob = rp_grid_orientation(&b->grid);
    const rp_strides sa = rp_orientation_strides(&oa, &a->grid),
                     sb = rp_orientation_strides(&ob, &b->grid);
    for (int z = 0; z < own.size[2]; z++)
        for (int y = 0; y < own.size[1]; y++) {
            const float *p = a->data + (ptrdiff_t)sa.first + y * sa.step[1] + z * sa.step[2];
            const float *q = b->data + (ptrdiff_t)sb.first + y * sb.step[1] + z * sb.step[2];
            for (int x = 0; x < own.size[0]; x++)
                if (p[x * sa.step[0]] != q[x * sb.step[0]]) return false;
        }
    return true;
}
