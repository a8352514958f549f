/* Slices that lie unevenly, or lean, onto an even grid. */
#include "internal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace rp_dicom
{

struct ResampleJob {
    const Stack *stack;
    const float *values;
    float outside;
    rp_image *image;
    int columns, rows;
};

/** Bilinear within a slice; borders repeat. */
static double in_slice(const float *values, int columns, int rows, double x, double y)
{
    x = std::min(std::max(x, 0.0), double(columns - 1));
    y = std::min(std::max(y, 0.0), double(rows - 1));
    const int i = std::min(int(x), std::max(columns - 2, 0));
    const int j = std::min(int(y), std::max(rows - 2, 0));
    const double u = x - i, v = y - j;
    const float *at = values + size_t(j) * size_t(columns) + i;
    const size_t right = columns > 1, below = rows > 1 ? size_t(columns) : 0;
    return (1 - v) * ((1 - u) * double(at[0]) + u * double(at[right])) +
           v * ((1 - u) * double(at[below]) + u * double(at[below + right]));
}

/** A place among the slices: x, y and z in the frame. */
static float value_at(const ResampleJob &job, const double at[3], size_t &k)
{
    const std::vector<Placed> &slices = job.stack->slices;
    const File &file = *slices[0].file;
    while (k > 0 && at[2] < slices[k].at[2]) k--;
    while (k + 2 < slices.size() && at[2] > slices[k + 1].at[2]) k++;
    const Placed &below = slices[k], &above = slices[k + 1];
    const double step = above.at[2] - below.at[2];
    double share = (at[2] - below.at[2]) / step;
    const double half = 0.5 * job.stack->spacing / step + 1e-6;
    if (share < -half || share > 1 + half) return job.outside;
    share = std::min(std::max(share, 0.0), 1.0);
    /* between two slices a pixel moves along with their shift */
    const double x0 = below.at[0] + share * (above.at[0] - below.at[0]);
    const double y0 = below.at[1] + share * (above.at[1] - below.at[1]);
    const double x = (at[0] - x0) / file.spacing[1], y = (at[1] - y0) / file.spacing[0];
    if (x < -0.5 || y < -0.5 || x > job.columns - 0.5 || y > job.rows - 0.5) return job.outside;
    const size_t pixels = size_t(job.columns) * size_t(job.rows);
    const float *lower = job.values + k * pixels;
    double value = in_slice(lower, job.columns, job.rows, x, y);
    if (share > 0) value += share * (in_slice(lower + pixels, job.columns, job.rows, x, y) - value);
    return float(value);
}

static void resample_task(void *context, size_t task, int)
{
    const ResampleJob &job = *static_cast<ResampleJob *>(context);
    const rp_grid &grid = job.image->grid;
    size_t k = 0;
    float *out = job.image->data + task * size_t(grid.size[0]) * size_t(grid.size[1]);
    for (int j = 0; j < grid.size[1]; j++)
        for (int i = 0; i < grid.size[0]; i++) {
            const double index[3] = {double(i), double(j), double(task)};
            double world[3], at[3] = {};
            rp_grid_to_world(&grid, index, world);
            for (int a = 0; a < 3; a++)
                for (int r = 0; r < 3; r++) at[a] += job.stack->frame[r][a] * world[r];
            *out++ = value_at(job, at, k);
        }
}

rp_status resample_stack(const Stack &stack, const std::vector<float> &values, float outside,
                         rp_image &image, rp_error *err)
{
    const rp_status status = rp_image_init(&image, &stack.grid, err);
    if (status) return status;
    const File &file = *stack.slices[0].file;
    ResampleJob job = {&stack, values.data(), outside, &image, file.columns, file.rows};
    rp_parallel_for(size_t(stack.grid.size[2]), resample_task, &job);
    return RP_OK;
}

} // namespace rp_dicom

extern "C" void rp_dicom_repair_text(const rp_dicom_repair *repair, char text[512])
{
    const rp_dicom_repair &r = *repair;
    char tilt[96] = "", gap[256] = "", copies[96] = "";
    if (r.tilt_degrees > 0)
        snprintf(tilt, sizeof tilt,
                 "a gantry tilt of %.1f degrees was resampled to an upright grid", r.tilt_degrees);
    if (r.uneven && r.missing_slices)
        snprintf(
            gap, sizeof gap,
            "%zu missing slice%s %s filled by interpolation to an even spacing of %.2f mm, the "
            "widest gap %.2f mm between positions %.2f and %.2f mm",
            r.missing_slices, r.missing_slices > 1 ? "s" : "",
            r.missing_slices > 1 ? "were" : "was", r.usual_mm, r.gap_mm, r.gap_from_mm,
            r.gap_to_mm);
    else if (r.uneven)
        snprintf(gap, sizeof gap,
                 "unevenly spaced slices were resampled to an even spacing of %.2f mm, the widest "
                 "distance %.2f mm between positions %.2f and %.2f mm",
                 r.usual_mm, r.gap_mm, r.gap_from_mm, r.gap_to_mm);
    if (r.duplicates)
        snprintf(copies, sizeof copies, "%zu slice%s of the same place and pixels counted once",
                 r.duplicates, r.duplicates > 1 ? "s" : "");
    snprintf(text, 512, "%s%s%s%s%s", tilt, tilt[0] && gap[0] ? "; " : "", gap,
             (tilt[0] || gap[0]) && copies[0] ? "; " : "", copies);
}
