/* Frames of a segmentation as a mask: copied where their pixels are voxels of the grid, resampled
 * where they are not. */
#include "seg.hpp"

#include <algorithm>
#include <cmath>

namespace rp_dicom
{

static const double voxel_tolerance = 0.05;
static const double shift_tolerance_mm = 0.1;
static const double thickness_tolerance = 0.05;
static const double same_position_mm = 0.001;
static const double largest_silent_gap_mm = 10; /* of slices that tell nothing of their spacing */
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

static rp_status check_placed(const rp_seg_pixels &p, rp_error *err)
{
    for (const SegFrame &frame : p.frames)
        if (!frame.placed || !p.oriented)
            return rp_fail(err, RP_ERR_FORMAT,
                           "its frames tell no position, only the images that they were drawn on: "
                           "name those (--image, --reference)");
    return RP_OK;
}

static bool is_multiple(double gap, double step)
{
    const double count = std::round(gap / step);
    return count >= 1 && std::fabs(gap - count * step) <=
                             std::max(step_tolerance_mm, step_tolerance_share * step);
}

/** Where the spacing of slices was taken from. */
enum class From { nothing, between, thickness, gap };

struct Step {
    double mm = 0;
    From from = From::nothing;
    double gap = 0; /**< the smallest distance between frames; 0: one frame */
};

/** The first of what the object says that every gap is a multiple of; else the smallest gap. */
static Step step_of(const rp_seg_pixels &p, const std::vector<double> &heights)
{
    Step step;
    std::vector<double> gaps;
    for (size_t i = 1; i < heights.size(); i++) gaps.push_back(heights[i] - heights[i - 1]);
    if (!gaps.empty()) step.gap = *std::min_element(gaps.begin(), gaps.end());
    const std::pair<double, From> candidates[] = {
        {p.between, From::between}, {p.thickness, From::thickness}, {step.gap, From::gap}};
    for (const auto &candidate : candidates) {
        const double mm = candidate.first;
        if (!(mm > same_position_mm) || !std::all_of(gaps.begin(), gaps.end(), [&](double gap) {
                return is_multiple(gap, mm);
            }))
            continue;
        step.mm = mm;
        step.from = candidate.second;
        return step;
    }
    return step;
}

/** Frames alone do not tell whether slices lie between them. */
static bool is_guess(const rp_seg_pixels &p, const Step &step, size_t heights)
{
    const bool silent = !(p.between > 0) && !(p.thickness > 0);
    return step.from == From::gap && silent && (heights == 2 || step.gap > largest_silent_gap_mm);
}

static void remark_step(const rp_seg_pixels &p, const Step &step, rp_remarks *remarks)
{
    const bool apart = step.gap > 1.5 * step.mm;
    if (step.from == From::between && p.thickness > 0 && step.mm > 2 * p.thickness)
        rp_remark_add(remarks, "seg_spacing",
                      "Slices of the segmentation are %.2f mm thick and said to lie %.2f mm apart: "
                      "what lies between them counts as filled.",
                      p.thickness, step.mm);
    else if (step.from == From::thickness && apart)
        rp_remark_add(
            remarks, "seg_spacing",
            "Frames of the segmentation lie %.2f mm apart or more and tell no spacing of "
            "slices: each stands for its slice thickness of %.2f mm, and what lies between "
            "is empty.",
            step.gap, step.mm);
    else if (step.from == From::gap)
        rp_remark_add(
            remarks, "seg_spacing",
            "The segmentation does not tell the spacing of its slices (their thickness is "
            "%.2f mm): the smallest distance of its frames, %.2f mm, was taken.",
            p.thickness, step.mm);
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

/** Of frames that have a place. */
static rp_status find_step(const rp_seg_pixels &p, const std::vector<double> &heights, Step &step,
                           rp_error *err)
{
    step = step_of(p, heights);
    if (!(step.mm > 0) && heights.size() == 1)
        return rp_fail(err, RP_ERR_FORMAT,
                       "a single frame with neither SpacingBetweenSlices nor SliceThickness");
    if (!(step.mm > 0))
        return rp_fail(err, RP_ERR_FORMAT,
                       "the frames lie at uneven distances: they make no regular grid");
    if (is_guess(p, step, heights.size()))
        return rp_fail(
            err, RP_ERR_FORMAT,
            "its frames lie %.2f mm apart and tell neither SpacingBetweenSlices nor "
            "SliceThickness, so that what lies between them is not known: name the image "
            "that it was drawn on (--image, --reference)",
            step.gap);
    return RP_OK;
}

static rp_status own_grid(const rp_seg_pixels &p, rp_grid &grid, rp_remarks *remarks, rp_error *err)
{
    std::vector<double> heights;
    const SegFrame *lowest = nullptr;
    Step found;
    rp_status status = check_placed(p, err);
    if (!status) status = distinct_heights(p, heights, &lowest, err);
    if (!status) status = find_step(p, heights, found, err);
    if (status) return status;
    if (remarks) remark_step(p, found, remarks);
    double step = found.mm;
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

/** How far apart the object's slices are known to lie, whatever the grid is; 0: not known. */
struct KnownStep {
    double mm = 0;
    bool exact = false; /**< said so; else they are at least that thick */
};

/** Frames that were drawn on the grid's own image stand for its slices, unless they say otherwise.
 */
static KnownStep known_step(const rp_seg_pixels &p, bool own_image)
{
    std::vector<double> heights;
    const SegFrame *lowest = nullptr;
    if (distinct_heights(p, heights, &lowest, nullptr)) return {};
    const Step step = step_of(p, heights);
    const bool doubtful = p.thickness > 0 && step.mm > 2 * p.thickness;
    if (step.from == From::between) return {doubtful ? 0 : step.mm, true};
    if (own_image) return {};
    const double steps = double(heights.size()) - 1, height = heights.back() - heights.front();
    const bool even = heights.size() > 2 && height < (steps + 0.5) * step.gap;
    return {step.from == From::thickness || even ? step.mm : 0, false};
}

/** Whether the grid's slices along the frame's normal lie that far apart. */
static bool as_thick(const KnownStep &step, const Steps &steps, const rp_grid &grid)
{
    for (int a = 0; a < 3; a++) {
        if (!(step.mm > 0) || steps.column[a] || steps.row[a]) continue;
        const double more = step.mm - grid.spacing[a], most = thickness_tolerance * step.mm;
        return more <= most && (!step.exact || more >= -most);
    }
    return true;
}

/** False, with the mask untouched, where pixels are no voxels of the grid. */
static bool copy_frames(const rp_seg_pixels &p, const Inside &inside, bool own_image, rp_mask &mask,
                        rp_seg_report &report)
{
    std::vector<Steps> steps(p.frames.size());
    const KnownStep step = known_step(p, own_image);
    const auto belongs = [&](const SegFrame &frame) {
        return inside.type == RP_SEG_LABELMAP || unsigned(frame.segment) == inside.number;
    };
    for (size_t i = 0; i < p.frames.size(); i++)
        if (belongs(p.frames[i]) && (!steps_of(p, p.frames[i], mask.grid, steps[i]) ||
                                     !as_thick(step, steps[i], mask.grid)))
            return false;
    for (size_t i = 0; i < p.frames.size(); i++)
        if (belongs(p.frames[i])) copy_frame(p, i, inside, steps[i], mask, report);
    return true;
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
    rp_status status = own_grid(p, grid, nullptr, err);
    if (!status) status = rp_mask_init(&own.mask, &grid, err);
    if (!status && !copy_frames(p, inside, true, own.mask, report))
        status = rp_fail(err, RP_ERR_FORMAT, "the frames make no regular grid");
    if (!status) status = rp_mask_resample(&own.mask, &mask.grid, &moved.mask, err);
    if (status) return status;
    report.outside_voxels = rp_mask_count_outside(&own.mask, &mask.grid);
    report.resampled = true;
    report.own_voxels = rp_mask_count(&own.mask);
    report.own_mm3 = double(report.own_voxels) * rp_grid_voxel_mm3(&grid);
    std::swap(mask, moved.mask);
    return RP_OK;
}

static rp_status to_mask(const rp_seg &seg, const rp_seg_segment &segment,
                         const rp_seg_mask_options &options, const rp_grid &grid, rp_mask &mask,
                         rp_seg_report &report, rp_error *err)
{
    const rp_seg_pixels &p = *seg.pixels;
    Inside inside = {seg.type, unsigned(segment.number), 1};
    if (seg.type == RP_SEG_FRACTIONAL)
        inside.least = (options.fraction > 0 ? options.fraction : 0.5) * p.full;
    rp_status status = check_placed(p, err);
    if (!status) status = rp_mask_init(&mask, &grid, err);
    if (!status && !copy_frames(p, inside, options.own_image, mask, report))
        status = resample(p, inside, mask, report, err);
    return status;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_seg_grid(const rp_seg *seg, rp_grid *grid, rp_remarks *remarks,
                                 rp_error *err)
{
    *grid = {};
    return guarded("segmentation", err,
                   [&] { return own_grid(*seg->pixels, *grid, remarks, err); });
}

extern "C" rp_status rp_seg_to_mask(const rp_seg *seg, const rp_seg_segment *segment,
                                    const rp_seg_mask_options *options, const rp_grid *grid,
                                    rp_mask *mask, rp_seg_report *report, rp_error *err)
{
    const rp_seg_mask_options defaults = {};
    rp_seg_report unwanted = {};
    *mask = {};
    if (!report) report = &unwanted;
    *report = {};
    const rp_status status = guarded("segmentation", err, [&] {
        return to_mask(*seg, *segment, options ? *options : defaults, *grid, *mask, *report, err);
    });
    if (status) rp_mask_release(mask);
    return status;
}
