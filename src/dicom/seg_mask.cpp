/* Frames of a segmentation as a mask: copied where their pixels are voxels of the grid, resampled
 * where they are not. */
#include "seg.hpp"

#include <algorithm>
#include <cmath>

namespace rp_dicom
{

static const double voxel_tolerance = 0.05;
static const double shift_tolerance_mm = 0.1;
static const double same_position_mm = 0.001;
/* Of positions that are rounded text. */
static const double step_tolerance_share = 0.02, step_tolerance_mm = 0.02;
static const int most_slices = 8192;
/* Frames far apart, deflated to nothing, could ask for any amount of memory. */
static const size_t most_voxels = size_t(1) << 31;

/* ---- the frames' own grid ---------------------------------------------------------------- */

/** Position along the normal, and of the plane's first pixel within the plane. */
static void place(const rp_seg_pixels &p, const SegFrame &frame, double at[3])
{
    for (int a = 0; a < 3; a++) {
        at[a] = 0;
        for (int r = 0; r < 3; r++) at[a] += p.frame[r][a] * frame.position[r];
    }
}

static bool is_multiple(double gap, double step)
{
    const double count = std::round(gap / step);
    return count >= 1 && std::fabs(gap - count * step) <=
                             std::max(step_tolerance_mm, step_tolerance_share * step);
}

/** The spacing that every gap is a multiple of; 0 where there is none. */
static double step_of(const rp_seg_pixels &p, const std::vector<double> &heights)
{
    std::vector<double> gaps;
    for (size_t i = 1; i < heights.size(); i++) gaps.push_back(heights[i] - heights[i - 1]);
    if (gaps.empty()) return p.between > 0 ? p.between : std::max(p.thickness, 0.0);
    for (const double step : {p.between, *std::min_element(gaps.begin(), gaps.end())})
        if (step > same_position_mm && std::all_of(gaps.begin(), gaps.end(), [&](double gap) {
                return is_multiple(gap, step);
            }))
            return step;
    return 0;
}

static rp_status distinct_heights(const rp_seg_pixels &p, std::vector<double> &heights,
                                  SegFrame const **lowest, rp_error *err)
{
    double first[3], lowest_at = 0;
    place(p, p.frames.front(), first);
    *lowest = nullptr;
    for (const SegFrame &frame : p.frames) {
        double at[3];
        place(p, frame, at);
        if (std::hypot(at[0] - first[0], at[1] - first[1]) > shift_tolerance_mm)
            return rp_fail(err, RP_ERR_UNSUPPORTED,
                           "frames are shifted against each other within their planes");
        if (!*lowest || at[2] < lowest_at) {
            *lowest = &frame;
            lowest_at = at[2];
        }
        heights.push_back(at[2]);
    }
    std::sort(heights.begin(), heights.end());
    const auto same = [](double a, double b) { return b - a <= same_position_mm; };
    heights.erase(std::unique(heights.begin(), heights.end(), same), heights.end());
    return RP_OK;
}

static rp_status own_grid(const rp_seg_pixels &p, rp_grid &grid, rp_error *err)
{
    std::vector<double> heights;
    const SegFrame *lowest = nullptr;
    rp_status status = distinct_heights(p, heights, &lowest, err);
    if (status) return status;
    double step = step_of(p, heights);
    if (!(step > 0) && heights.size() == 1)
        return rp_fail(err, RP_ERR_FORMAT,
                       "a single frame with neither SpacingBetweenSlices nor SliceThickness");
    if (!(step > 0))
        return rp_fail(err, RP_ERR_FORMAT,
                       "the frames lie at uneven distances: they make no regular grid");
    const double height = heights.back() - heights.front(), steps = std::round(height / step);
    if (!(steps < most_slices))
        return rp_fail(err, RP_ERR_FORMAT, "the frames lie %.0f mm apart", height);
    if (steps > 0) step = height / steps; /* rounding does not add up */
    grid.size[0] = p.coding.columns;
    grid.size[1] = p.coding.rows;
    grid.size[2] = int(steps) + 1;
    grid.spacing[0] = p.spacing[1];
    grid.spacing[1] = p.spacing[0];
    grid.spacing[2] = step;
    std::copy_n(lowest->position, 3, grid.origin);
    std::copy_n(&p.frame[0][0], 9, &grid.direction[0][0]);
    status = rp_grid_check(&grid, err);
    if (!status && rp_grid_voxels(&grid) > most_voxels)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "the frames make a grid of %zu voxels",
                       rp_grid_voxels(&grid));
    return status;
}

/* ---- frames on a grid -------------------------------------------------------------------- */

/** Voxel of the first pixel, and how it moves with column and row. */
struct Steps {
    int origin[3] = {}, column[3] = {}, row[3] = {};
};

static bool whole(const double index[3], int rounded[3])
{
    for (int a = 0; a < 3; a++) {
        const double nearest = std::round(index[a]);
        if (!(std::fabs(index[a] - nearest) <= voxel_tolerance) || std::fabs(nearest) > 1e6)
            return false;
        rounded[a] = int(nearest);
    }
    return true;
}

/** The move by count pixels along axis a of the frame; false unless it is that many voxels of one
 * axis of the grid. */
static bool step_along(const rp_seg_pixels &p, const SegFrame &frame, const rp_grid &grid, int a,
                       const int origin[3], int step[3])
{
    const int count = a == 0 ? p.coding.columns : p.coding.rows;
    double world[3], index[3];
    int end[3];
    for (int r = 0; r < 3; r++)
        world[r] = frame.position[r] + p.frame[r][a] * p.spacing[1 - a] * count;
    rp_grid_from_world(&grid, world, index);
    int moved = 0;
    if (!whole(index, end)) return false;
    for (int i = 0; i < 3; i++) {
        const int distance = end[i] - origin[i];
        if (distance != 0 && std::abs(distance) != count) return false;
        step[i] = distance / count;
        moved += std::abs(step[i]);
    }
    return moved == 1;
}

static bool steps_of(const rp_seg_pixels &p, const SegFrame &frame, const rp_grid &grid,
                     Steps &steps)
{
    double index[3];
    rp_grid_from_world(&grid, frame.position, index);
    if (!whole(index, steps.origin) || !step_along(p, frame, grid, 0, steps.origin, steps.column) ||
        !step_along(p, frame, grid, 1, steps.origin, steps.row))
        return false;
    for (int i = 0; i < 3; i++)
        if (steps.column[i] && steps.row[i]) return false;
    return true;
}

/** Which stored values are inside. */
struct Inside {
    rp_seg_type type;
    unsigned number;
    double least;
    bool operator()(unsigned value) const
    {
        return type == RP_SEG_LABELMAP ? value == number : value >= least;
    }
};

static bool inside_grid(const rp_grid &grid, const int voxel[3])
{
    for (int a = 0; a < 3; a++)
        if (voxel[a] < 0 || voxel[a] >= grid.size[a]) return false;
    return true;
}

static void copy_frame(const rp_seg_pixels &p, size_t frame, const Inside &inside,
                       const Steps &steps, rp_mask &mask, rp_seg_report &report)
{
    size_t pixel = 0;
    for (int y = 0; y < p.coding.rows; y++)
        for (int x = 0; x < p.coding.columns; x++, pixel++) {
            if (!inside(p.value(frame, pixel))) continue;
            int voxel[3];
            for (int a = 0; a < 3; a++)
                voxel[a] = steps.origin[a] + x * steps.column[a] + y * steps.row[a];
            if (inside_grid(mask.grid, voxel))
                mask.data[rp_grid_index(&mask.grid, voxel[0], voxel[1], voxel[2])] = 1;
            else
                report.outside_voxels++;
        }
    report.frames_used++;
}

/** False, with the mask untouched, where pixels are no voxels of the grid. */
static bool copy_frames(const rp_seg_pixels &p, const Inside &inside, rp_mask &mask,
                        rp_seg_report &report)
{
    std::vector<Steps> steps(p.frames.size());
    const auto belongs = [&](const SegFrame &frame) {
        return inside.type == RP_SEG_LABELMAP || unsigned(frame.segment) == inside.number;
    };
    for (size_t i = 0; i < p.frames.size(); i++)
        if (belongs(p.frames[i]) && !steps_of(p, p.frames[i], mask.grid, steps[i])) return false;
    for (size_t i = 0; i < p.frames.size(); i++)
        if (belongs(p.frames[i])) copy_frame(p, i, inside, steps[i], mask, report);
    return true;
}

static size_t count_outside(const rp_mask &mask, const rp_grid &grid)
{
    size_t outside = 0, at = 0;
    for (int z = 0; z < mask.grid.size[2]; z++)
        for (int y = 0; y < mask.grid.size[1]; y++)
            for (int x = 0; x < mask.grid.size[0]; x++, at++) {
                if (!mask.data[at]) continue;
                const double voxel[3] = {double(x), double(y), double(z)};
                double world[3], index[3];
                rp_grid_to_world(&mask.grid, voxel, world);
                rp_grid_from_world(&grid, world, index);
                bool in = true;
                for (int a = 0; a < 3; a++)
                    in = in && index[a] >= -0.5 && index[a] <= grid.size[a] - 0.5;
                outside += !in;
            }
    return outside;
}

/** Given back also when an exception passes. */
struct OwnMask {
    rp_mask mask = {};
    ~OwnMask()
    {
        rp_mask_release(&mask);
    }
};

static rp_status resample(const rp_seg_pixels &p, const Inside &inside, rp_mask &mask,
                          rp_seg_report &report, rp_error *err)
{
    rp_grid grid = {};
    OwnMask own, moved;
    rp_status status = own_grid(p, grid, err);
    if (!status) status = rp_mask_init(&own.mask, &grid, err);
    if (!status && !copy_frames(p, inside, own.mask, report))
        status = rp_fail(err, RP_ERR_FORMAT, "the frames make no regular grid");
    if (!status) status = rp_mask_resample(&own.mask, &mask.grid, &moved.mask, err);
    if (status) return status;
    report.outside_voxels = count_outside(own.mask, mask.grid);
    report.resampled = true;
    std::swap(mask, moved.mask);
    return RP_OK;
}

static rp_status to_mask(const rp_seg &seg, const rp_seg_segment &segment, double fraction,
                         const rp_grid &grid, rp_mask &mask, rp_seg_report &report, rp_error *err)
{
    const rp_seg_pixels &p = *seg.pixels;
    Inside inside = {seg.type, unsigned(segment.number), 1};
    if (seg.type == RP_SEG_FRACTIONAL) inside.least = (fraction > 0 ? fraction : 0.5) * p.full;
    rp_status status = rp_mask_init(&mask, &grid, err);
    if (!status && !copy_frames(p, inside, mask, report))
        status = resample(p, inside, mask, report, err);
    return status;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_seg_grid(const rp_seg *seg, rp_grid *grid, rp_error *err)
{
    *grid = {};
    return guarded("segmentation", err, [&] { return own_grid(*seg->pixels, *grid, err); });
}

extern "C" rp_status rp_seg_to_mask(const rp_seg *seg, const rp_seg_segment *segment,
                                    const rp_seg_mask_options *options, const rp_grid *grid,
                                    rp_mask *mask, rp_seg_report *report, rp_error *err)
{
    rp_seg_report unwanted = {};
    *mask = {};
    if (!report) report = &unwanted;
    *report = {};
    const rp_status status = guarded("segmentation", err, [&] {
        return to_mask(*seg, *segment, options ? options->fraction : 0, *grid, *mask, *report, err);
    });
    if (status) rp_mask_release(mask);
    return status;
}
