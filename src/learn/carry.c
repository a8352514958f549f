/* The baseline at the voxels of a follow-up, by registration of the two boxes. */
#include "inputs.h"
#include "reprise/register_deform.h"

#include <math.h>
#include <string.h>

/* Registration knows Hounsfield units. The window is taken for one of 400, and what lies at its
 * lower end for tissue: within a box everything counts. */
static const float WIDTH_HU = 400.0f, LOW_HU = -140.0f;

/* On voxels somewhat coarser than the box's own the result is the same in a fraction of the time.
 */
static const double COARSER = 1.5, FINEST_MM = 3.0, FINEST_REGION_MM = 2.0;

typedef struct carry_job {
    const rp_deform *deform; /* NULL: nothing is registered */
    double share;            /* of its displacements */
    const rp_image *baseline, *from;
    const rp_grid *to;
    float *image, *distance;
} carry_job;

static rp_status in_hounsfield(const rp_image *image, const double origin[3], rp_image *out,
                               rp_error *err)
{
    const int *size = image->grid.size;
    const double *spacing = image->grid.spacing;
    rp_grid grid = rp_grid_make(size[0], size[1], size[2], spacing[0], spacing[1], spacing[2]);
    memcpy(grid.origin, origin, sizeof grid.origin);
    const rp_status status = rp_image_init(out, &grid, err);
    for (size_t i = 0; !status && i < rp_grid_voxels(&grid); i++)
        out->data[i] = WIDTH_HU * image->data[i] + LOW_HU;
    return status;
}

/* Task: one slice of the follow-up. */
static void carry_slice(void *context, size_t z, int worker)
{
    (void)worker;
    const carry_job *job = context;
    const rp_grid *box = &job->baseline->grid;
    for (int y = 0; y < job->to->size[1]; y++)
        for (int x = 0; x < job->to->size[0]; x++) {
            const size_t i = rp_grid_index(job->to, x, y, (int)z);
            double world[3], there[3], index[3];
            bool within = true;
            rp_grid_to_world(job->to, (const double[3]){x, y, (double)z}, world);
            memcpy(there, world, sizeof there);
            if (job->deform) rp_deform_to_baseline(job->deform, world, there);
            for (int a = 0; a < 3; a++) there[a] = world[a] + job->share * (there[a] - world[a]);
            rp_grid_from_world(box, there, index);
            for (int a = 0; a < 3; a++) within &= index[a] > -0.5 && index[a] < box->size[a] - 0.5;
            job->image[i] = 0.0f;
            job->distance[i] = INFINITY;
            if (!within) continue;
            job->image[i] =
                (rp_sample_linear(job->baseline->data, box->size, index) - LOW_HU) / WIDTH_HU;
            job->distance[i] = rp_sample_linear(job->from->data, box->size, index);
        }
}

/* *out stays NULL where there is nothing to register. */
static rp_status find_field(const rp_image *baseline, const rp_mask *lesion,
                            const rp_image *followup, rp_deform **out, rp_error *err)
{
    rp_mask placed = {.grid = baseline->grid, .data = lesion->data};
    const rp_deform_pair pair = {baseline, followup, rp_rigid_identity(), &placed};
    rp_deform_options how;
    rp_error why = {0};
    rp_deform_defaults(&how);
    const double own = COARSER * fmin(fmin(baseline->grid.spacing[0], baseline->grid.spacing[1]),
                                      baseline->grid.spacing[2]);
    how.spacing_mm = fmin(fmax(FINEST_MM, own), 20.0);
    how.region_spacing_mm = fmin(fmax(FINEST_REGION_MM, own), 20.0);
    const rp_status status = rp_deform_register(&pair, &how, NULL, out, &why);
    if (status == RP_ERR_REFUSED || status == RP_ERR_ARGUMENT) return RP_OK;
    return status ? rp_fail(err, status, "%s", why.message) : RP_OK;
}

rp_status rp_input_carry(const rp_image *baseline, const rp_mask *lesion, const rp_image *followup,
                         const rp_input_place *place, float *beside, rp_error *err)
{
    rp_image from = {0}, to = {0}, signed_distance = {0};
    rp_deform *deform = NULL;
    double origin[3];
    rp_status status = rp_input_distance(lesion, &signed_distance, err);
    memset(origin, 0, sizeof origin);
    if (!status) status = in_hounsfield(followup, origin, &to, err);
    for (int a = 0; a < 3; a++) origin[a] = place->first[a] * baseline->grid.spacing[a];
    if (!status) status = in_hounsfield(baseline, origin, &from, err);
    if (!status && place->share > 0.0) status = find_field(&from, lesion, &to, &deform, err);
    float *distance = beside + rp_grid_voxels(&to.grid);
    carry_job job = {deform, place->share, &from, &signed_distance, &to.grid, beside, distance};
    if (!status) {
        rp_parallel_for((size_t)to.grid.size[2], carry_slice, &job);
        rp_input_move(distance, place->move_mm, rp_grid_voxels(&to.grid), distance);
    }
    rp_deform_destroy(deform);
    rp_image_release(&from);
    rp_image_release(&to);
    rp_image_release(&signed_distance);
    return status;
}
