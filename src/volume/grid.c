#include "reprise/volume.h"

#include <math.h>

rp_grid rp_grid_make(int nx, int ny, int nz, double sx, double sy, double sz)
{
    return (rp_grid){
        .size = {nx, ny, nz},
        .spacing = {sx, sy, sz},
        .direction = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    };
}

size_t rp_grid_voxels(const rp_grid *grid)
{
    return (size_t)grid->size[0] * (size_t)grid->size[1] * (size_t)grid->size[2];
}

double rp_grid_voxel_mm3(const rp_grid *grid)
{
    return grid->spacing[0] * grid->spacing[1] * grid->spacing[2];
}

static double column_product(const rp_grid *grid, int a, int b)
{
    double sum = 0;
    for (int r = 0; r < 3; r++) sum += grid->direction[r][a] * grid->direction[r][b];
    return sum;
}

rp_status rp_grid_check(const rp_grid *grid, rp_error *err)
{
    double voxels = 1;
    for (int a = 0; a < 3; a++) {
        if (grid->size[a] < 1)
            return rp_fail(err, RP_ERR_ARGUMENT, "the grid has %d voxels along %c", grid->size[a],
                           "xyz"[a]);
        voxels *= grid->size[a];
        if (!isfinite(grid->spacing[a]) || grid->spacing[a] <= 0)
            return rp_fail(err, RP_ERR_ARGUMENT, "the grid's spacing along %c is %g mm", "xyz"[a],
                           grid -> spacing[a]);
        if (!isfinite(grid->origin[a]))
            return rp_fail(err, RP_ERR_ARGUMENT, "the grid's origin is not finite");
    }
    if (voxels >= 0x1p40)
        return rp_fail(err, RP_ERR_ARGUMENT, "a grid of %d x %d x %d voxels is too large",
                       grid->size[0], grid->size[1], grid->size[2]);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b <= a; b++)
            if (!(fabs(column_product(grid, a, b) - (a == b)) <= 1e-3))
                return rp_fail(err, RP_ERR_ARGUMENT,
                               "the grid's axes are not perpendicular unit vectors");
    return RP_OK;
}

void rp_grid_to_world(const rp_grid *grid, const double index[3], double world_lps[3])
{
    double mm[3];
    for (int a = 0; a < 3; a++) mm[a] = index[a] * grid->spacing[a];
    for (int r = 0; r < 3; r++) {
        const double *d = grid->direction[r];
        world_lps[r] = grid->origin[r] + d[0] * mm[0] + d[1] * mm[1] + d[2] * mm[2];
    }
}

/* The true inverse, not the transpose: files round their directions, and a round trip must not
 * add to that. */
void rp_grid_from_world(const rp_grid *grid, const double world_lps[3], double index[3])
{
    const double(*d)[3] = grid->direction;
    double offset[3], cofactor[3][3], determinant = 0;
    for (int r = 0; r < 3; r++) offset[r] = world_lps[r] - grid->origin[r];
    for (int r = 0; r < 3; r++) {
        int r1 = (r + 1) % 3, r2 = (r + 2) % 3;
        for (int a = 0; a < 3; a++) {
            int a1 = (a + 1) % 3, a2 = (a + 2) % 3;
            cofactor[r][a] = d[r1][a1] * d[r2][a2] - d[r1][a2] * d[r2][a1];
        }
        determinant += d[r][0] * cofactor[r][0];
    }
    for (int a = 0; a < 3; a++) {
        double sum = 0;
        for (int r = 0; r < 3; r++) sum += cofactor[r][a] * offset[r];
        index[a] = sum / (determinant * grid->spacing[a]);
    }
}

double rp_grid_apart_mm(const rp_grid *a, const rp_grid *b)
{
    double most = 0;
    for (int corner = 0; corner < 8; corner++) {
        double index[3], at_a[3], at_b[3], squared = 0;
        for (int axis = 0; axis < 3; axis++)
            index[axis] = corner >> axis & 1 ? a->size[axis] - 1 : 0;
        rp_grid_to_world(a, index, at_a);
        rp_grid_to_world(b, index, at_b);
        for (int r = 0; r < 3; r++) squared += (at_a[r] - at_b[r]) * (at_a[r] - at_b[r]);
        if (!isnan(most) && !(sqrt(squared) <= most)) most = sqrt(squared); /* NaN stays */
    }
    return most;
}

static bool same_size(const rp_grid *a, const rp_grid *b)
{
    return a->size[0] == b->size[0] && a->size[1] == b->size[1] && a->size[2] == b->size[2];
}

bool rp_grid_same(const rp_grid *a, const rp_grid *b, double tolerance_mm)
{
    return same_size(a, b) && rp_grid_apart_mm(a, b) <= tolerance_mm;
}

rp_grid_relation rp_grid_relate(const rp_grid *a, const rp_grid *b, double tolerance_mm)
{
    if (rp_grid_same(a, b, tolerance_mm)) return RP_GRID_SAME;
    const rp_grid one = rp_grid_canonical(a), other = rp_grid_canonical(b);
    return rp_grid_same(&one, &other, tolerance_mm) ? RP_GRID_REORDERED : RP_GRID_OTHER;
}

rp_grid rp_grid_respaced(const rp_grid *grid, const double spacing[3])
{
    rp_grid out = *grid;
    double first[3]; /* the new first voxel's centre as an index of the old grid */
    for (int a = 0; a < 3; a++) {
        double count = round(grid->size[a] * grid->spacing[a] / spacing[a]);
        out.size[a] = count < 1 ? 1 : count > INT32_MAX ? INT32_MAX : (int)count;
        out.spacing[a] = spacing[a];
        first[a] =
            (grid->size[a] - 1) / 2.0 - (out.size[a] - 1) / 2.0 * spacing[a] / grid->spacing[a];
    }
    rp_grid_to_world(grid, first, out.origin);
    return out;
}
