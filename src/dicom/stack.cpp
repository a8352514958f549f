/* From slices in any order to a regular stack: everything here comes from ImagePositionPatient and
 * ImageOrientationPatient; SliceThickness and file names say nothing about where slices lie. */
#include "internal.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace rp_dicom
{

/* Positions are rounded text, commonly to 0.01 mm and sometimes to 0.1 mm in plane. */
static const double shift_tolerance_mm = 0.1;
static const double tilt_tolerance_degrees = 0.1;
static const double step_tolerance_mm = 0.015;
static const double step_tolerance_share = 0.01;
static const double same_position_mm = 0.001;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double a[3], const double b[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

static bool unit(double v[3])
{
    const double length = std::sqrt(dot(v, v));
    if (std::fabs(length - 1) > 1e-3) return false;
    for (int i = 0; i < 3; i++) v[i] /= length;
    return true;
}

rp_status frame_of(const File &file, double frame[3][3], rp_error *err)
{
    double row[3], column[3];
    std::copy_n(file.orientation, 3, row);
    std::copy_n(file.orientation + 3, 3, column);
    if (!unit(row) || !unit(column) || std::fabs(dot(row, column)) > 1e-3)
        return rp_fail(err, RP_ERR_FORMAT,
                       "ImageOrientationPatient does not hold two orthogonal unit vectors");
    const double lean = dot(row, column);
    for (int i = 0; i < 3; i++) column[i] -= lean * row[i];
    const double length = std::sqrt(dot(column, column));
    for (int i = 0; i < 3; i++) column[i] /= length;
    double normal[3];
    cross(row, column, normal);
    for (int i = 0; i < 3; i++) {
        frame[i][0] = row[i];
        frame[i][1] = column[i];
        frame[i][2] = normal[i];
    }
    return RP_OK;
}

/** Position in the frame: x and y in the plane, z along the normal. */
static void place(const File &file, const double frame[3][3], double at[3])
{
    for (int a = 0; a < 3; a++) {
        at[a] = 0;
        for (int r = 0; r < 3; r++) at[a] += frame[r][a] * file.position[r];
    }
}

struct Placed {
    const File *file;
    double at[3];
};

static rp_status check_same_kind(const std::vector<Placed> &placed, rp_error *err)
{
    const File &first = *placed[0].file;
    for (const Placed &p : placed) {
        const File &file = *p.file;
        if (file.rows != first.rows || file.columns != first.columns)
            return rp_fail(err, RP_ERR_FORMAT,
                           "slices of %d x %d and of %d x %d pixels in one series", first.columns,
                           first.rows, file.columns, file.rows);
        for (int i = 0; i < 6; i++)
            if (std::fabs(file.orientation[i] - first.orientation[i]) > 1e-3)
                return rp_fail(err, RP_ERR_FORMAT, "slices of differing orientation in one series");
        for (int i = 0; i < 2; i++)
            if (std::fabs(file.spacing[i] - first.spacing[i]) > 1e-4 * first.spacing[i])
                return rp_fail(err, RP_ERR_FORMAT, "PixelSpacing differs within the series");
        if (strcmp(file.header.frame_of_reference_uid, first.header.frame_of_reference_uid) != 0)
            return rp_fail(err, RP_ERR_FORMAT, "FrameOfReferenceUID differs within the series");
        if (strcmp(file.header.modality, first.header.modality) != 0)
            return rp_fail(err, RP_ERR_FORMAT, "Modality differs within the series");
    }
    return RP_OK;
}

/** Copies of one file are counted once; another content under the same UID is an error. */
static rp_status drop_copies(std::vector<Placed> &placed, rp_error *err)
{
    std::stable_sort(placed.begin(), placed.end(), [](const Placed &a, const Placed &b) {
        return a.file->sop_uid < b.file->sop_uid;
    });
    std::vector<Placed> kept;
    for (const Placed &p : placed) {
        if (kept.empty() || p.file->sop_uid.empty() ||
            kept.back().file->sop_uid != p.file->sop_uid) {
            kept.push_back(p);
            continue;
        }
        char one[RP_SHA256_HEX], other[RP_SHA256_HEX];
        rp_status status = rp_sha256_file(kept.back().file->path.c_str(), one, err);
        if (!status) status = rp_sha256_file(p.file->path.c_str(), other, err);
        if (status) return status;
        if (strcmp(one, other) != 0)
            return rp_fail(err, RP_ERR_FORMAT,
                           "different files with the same SOPInstanceUID: %s and %s",
                           kept.back().file->path.c_str(), p.file->path.c_str());
    }
    placed.swap(kept);
    return RP_OK;
}

static double median_step(const std::vector<Placed> &placed)
{
    std::vector<double> steps;
    for (size_t i = 1; i < placed.size(); i++)
        steps.push_back(placed[i].at[2] - placed[i - 1].at[2]);
    if (steps.empty()) return 0;
    std::nth_element(steps.begin(), steps.begin() + long(steps.size() / 2), steps.end());
    return steps[steps.size() / 2];
}

static rp_status check_steps(const std::vector<Placed> &placed, double step, rp_error *err)
{
    const double tolerance = std::max(step_tolerance_mm, step_tolerance_share * step);
    const size_t last = placed.size() - 1;
    for (size_t i = 1; i <= last; i++) {
        const double from = placed[i - 1].at[2], to = placed[i].at[2], gap = to - from;
        if (gap > 1.5 * step)
            return rp_fail(
                err, RP_ERR_FORMAT,
                "missing slices: gap of %.2f mm between positions %.2f and %.2f mm, where "
                "the slice spacing is %.2f mm",
                gap, from, to, step);
        if (std::fabs(gap - step) > tolerance)
            return rp_fail(err, RP_ERR_FORMAT,
                           "uneven slice spacing: %.3f mm between positions %.2f and %.2f mm, "
                           "elsewhere %.3f mm",
                           gap, from, to, step);
    }
    const double mean = (placed[last].at[2] - placed[0].at[2]) / double(last);
    for (size_t i = 1; i < last; i++)
        if (std::fabs(placed[i].at[2] - placed[0].at[2] - mean * double(i)) > 0.1 * mean)
            return rp_fail(
                err, RP_ERR_FORMAT, "uneven slice spacing: it drifts from %.3f mm to %.3f mm",
                placed[1].at[2] - placed[0].at[2], placed[last].at[2] - placed[last - 1].at[2]);
    return RP_OK;
}

static rp_status check_upright(const std::vector<Placed> &placed, rp_error *err)
{
    const Placed &first = placed.front(), &last = placed.back();
    const double height = last.at[2] - first.at[2];
    const double lean = std::hypot(last.at[0] - first.at[0], last.at[1] - first.at[1]);
    const double degrees = std::atan2(lean, height) * 180 / M_PI;
    const double half_pixel = 0.5 * std::min(first.file->spacing[0], first.file->spacing[1]);
    if (lean > shift_tolerance_mm && (degrees > tilt_tolerance_degrees || lean > half_pixel))
        return rp_fail(
            err, RP_ERR_UNSUPPORTED,
            "gantry tilt: slices are shifted by %.2f degrees against their normal; resample "
            "the series to an upright stack first",
            degrees);
    for (const Placed &p : placed) {
        const double share = (p.at[2] - first.at[2]) / height;
        const double off = std::hypot(p.at[0] - first.at[0] - share * (last.at[0] - first.at[0]),
                                      p.at[1] - first.at[1] - share * (last.at[1] - first.at[1]));
        if (off > shift_tolerance_mm)
            return rp_fail(err, RP_ERR_FORMAT,
                           "the slice at %.2f mm is shifted by %.2f mm in its plane", p.at[2], off);
    }
    return RP_OK;
}

static rp_status check_stack(const std::vector<Placed> &placed, Stack &stack, rp_error *err)
{
    for (size_t i = 1; i < placed.size(); i++)
        if (placed[i].at[2] - placed[i - 1].at[2] <= same_position_mm)
            return rp_fail(err, RP_ERR_FORMAT,
                           "several slices at the same position %.2f mm (several phases or "
                           "reconstructions in one series?)",
                           placed[i].at[2]);
    stack.spacing = median_step(placed);
    if (placed.size() > 1) {
        rp_status status = check_upright(placed, err);
        if (!status) status = check_steps(placed, stack.spacing, err);
        if (status) return status;
        stack.spacing = (placed.back().at[2] - placed.front().at[2]) / double(placed.size() - 1);
        return RP_OK;
    }
    const File &file = *placed[0].file;
    stack.spacing = file.between > 0 ? file.between : file.thickness;
    if (!(stack.spacing > 0))
        return rp_fail(err, RP_ERR_FORMAT,
                       "a single slice with neither SpacingBetweenSlices nor SliceThickness");
    return RP_OK;
}

rp_status order_stack(const Series &series, Stack &stack, rp_error *err)
{
    for (const File *file : series.others)
        if (file->kind == Kind::unusable)
            return rp_fail(err, RP_ERR_FORMAT, "%s: %s", file->path.c_str(), file->why.c_str());
    rp_grid &grid = stack.grid;
    const File *const chosen = /* the same one whatever the files are called */
        *std::min_element(series.slices.begin(), series.slices.end(),
                          [](const File *a, const File *b) { return a->sop_uid < b->sop_uid; });
    rp_status status = frame_of(*chosen, grid.direction, err);
    if (status) return status;
    std::vector<Placed> placed;
    for (const File *file : series.slices) {
        placed.push_back({file, {}});
        place(*file, grid.direction, placed.back().at);
    }
    status = check_same_kind(placed, err);
    if (!status) status = drop_copies(placed, err);
    if (status) return status;
    std::stable_sort(placed.begin(), placed.end(),
                     [](const Placed &a, const Placed &b) { return a.at[2] < b.at[2]; });
    status = check_stack(placed, stack, err);
    if (status) return status;
    for (const Placed &p : placed) stack.slices.push_back(*p.file);
    const File &first = stack.slices.front();
    grid.size[0] = first.columns;
    grid.size[1] = first.rows;
    grid.size[2] = static_cast<int>(placed.size());
    grid.spacing[0] = first.spacing[1];
    grid.spacing[1] = first.spacing[0];
    grid.spacing[2] = stack.spacing;
    std::copy_n(first.position, 3, grid.origin);
    return rp_grid_check(&grid, err);
}

} // namespace rp_dicom
