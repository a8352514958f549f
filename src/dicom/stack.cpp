/* From slices in any order to a stack: everything here comes from ImagePositionPatient and
 * ImageOrientationPatient; SliceThickness and file names say nothing about where slices lie. */
#include "internal.hpp"
#include "parts.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

namespace rp_dicom
{

/* Positions are rounded text, commonly to 0.01 mm and sometimes to 0.1 mm, which moves a slice by
 * half of that along each axis, and the ends of the line that it is held against too. */
static const double shift_tolerance_mm = 0.15;
static const double height_tolerance_mm = 0.075, height_tolerance_share = 0.1;
static const double tilt_tolerance_degrees = 0.1;
static const double step_tolerance_mm = 0.015;
static const double step_tolerance_share = 0.01;
static const double same_position_mm = 0.001;
/* Gantries tilt by up to 30 degrees. */
static const double largest_tilt_degrees = 45;
/* Slices of an even grid for each acquired one. */
static const double largest_repair = 10;
/* Slices as near as this, and as this part of a usual distance, are two of one place. */
static const double one_place_mm = 0.15, one_place_share = 0.1;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double a[3], const double b[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

/** To length 1; returns the length that it had. */
static double normalise(double v[3])
{
    const double length = std::sqrt(dot(v, v));
    for (int i = 0; i < 3; i++) v[i] /= length;
    return length;
}

static bool unit(double v[3])
{
    return std::fabs(normalise(v) - 1) <= 1e-3;
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
    normalise(column);
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

static bool same_object(const Placed &a, const Placed &b)
{
    return !a.file->sop_uid.empty() && a.file->sop_uid == b.file->sop_uid &&
           a.file->frame == b.file->frame;
}

/** Copies of one file are counted once; another content under the same UID is an error. */
static rp_status drop_copies(std::vector<Placed> &placed, rp_error *err)
{
    std::stable_sort(placed.begin(), placed.end(), [](const Placed &a, const Placed &b) {
        return std::tie(a.file->sop_uid, a.file->frame) < std::tie(b.file->sop_uid, b.file->frame);
    });
    std::vector<Placed> kept;
    const File *compared[2] = {};
    for (const Placed &p : placed) {
        if (kept.empty() || !same_object(kept.back(), p)) {
            kept.push_back(p);
            continue;
        }
        const File &one = *kept.back().file, &other = *p.file;
        /* the frames of two copies of a multi-frame file are told apart by one comparison */
        if (compared[0] && compared[0]->path == one.path && compared[1]->path == other.path)
            continue;
        char sums[2][RP_SHA256_HEX];
        rp_status status = rp_sha256_file(one.path.c_str(), sums[0], err);
        if (!status) status = rp_sha256_file(other.path.c_str(), sums[1], err);
        if (status) return status;
        if (strcmp(sums[0], sums[1]) != 0)
            return rp_fail(err, RP_ERR_FORMAT,
                           "different files with the same SOPInstanceUID: %s and %s",
                           one.path.c_str(), other.path.c_str());
        compared[0] = &one;
        compared[1] = &other;
    }
    placed.swap(kept);
    return RP_OK;
}

/* ---- several slices in one place --------------------------------------------------------- */

/** Of slices in one place with the same pixels one is kept; others are an error. */
static rp_status drop_duplicates(Stack &stack, rp_error *err)
{
    std::vector<Placed> kept;
    for (const Placed &p : stack.slices) {
        if (kept.empty() || p.at[2] - kept.back().at[2] > same_position_mm) {
            kept.push_back(p);
            continue;
        }
        const Placed &before = kept.back();
        const double apart = std::hypot(p.at[0] - before.at[0], p.at[1] - before.at[1]);
        if (apart > shift_tolerance_mm || !same_pixels(*before.file, *p.file))
            return rp_fail(err, RP_ERR_FORMAT,
                           "several slices with different pixels at the same position %.2f mm; "
                           "their headers do not tell phases or reconstructions apart",
                           p.at[2]);
        stack.repair.duplicates++;
    }
    stack.slices.swap(kept);
    return RP_OK;
}

/* ---- distances --------------------------------------------------------------------------- */

static std::vector<double> sorted_steps(const std::vector<Placed> &placed)
{
    std::vector<double> steps;
    for (size_t i = 1; i < placed.size(); i++)
        steps.push_back(placed[i].at[2] - placed[i - 1].at[2]);
    std::sort(steps.begin(), steps.end());
    return steps;
}

/** Whether every slice lies where an even stack has it, but for the rounding of positions: by the
 *  line of least squares. */
static bool are_rounded(const std::vector<Placed> &placed, double step)
{
    const double n = double(placed.size()), middle = (n - 1) / 2;
    double mean = 0, slope = 0;
    for (size_t i = 0; i < placed.size(); i++) mean += placed[i].at[2] / n;
    for (size_t i = 0; i < placed.size(); i++)
        slope += (double(i) - middle) * (placed[i].at[2] - mean) * 12 / (n * (n * n - 1));
    const double tolerance = std::min(height_tolerance_mm, height_tolerance_share * step);
    for (size_t i = 0; i < placed.size(); i++)
        if (std::fabs(placed[i].at[2] - mean - slope * (double(i) - middle)) > tolerance)
            return false;
    return true;
}

/** RP_OK where the steps are even; else what is wrong with them. */
static rp_status check_steps(const std::vector<Placed> &placed, double step, rp_error *err)
{
    const double tolerance = std::max(step_tolerance_mm, step_tolerance_share * step);
    const size_t last = placed.size() - 1;
    if (are_rounded(placed, step)) return RP_OK;
    for (size_t i = 1; i <= last; i++) {
        const double from = placed[i - 1].at[2], to = placed[i].at[2], gap = to - from;
        if (gap > 1.5 * step)
            return rp_fail(
                err, RP_ERR_REFUSED,
                "missing slices: gap of %.2f mm between positions %.2f and %.2f mm, where "
                "the slice spacing is %.2f mm; --repair fills it by interpolation",
                gap, from, to, step);
        if (std::fabs(gap - step) > tolerance)
            return rp_fail(err, RP_ERR_REFUSED,
                           "uneven slice spacing: %.3f mm between positions %.2f and %.2f mm, "
                           "elsewhere %.3f mm; --repair resamples to even spacing",
                           gap, from, to, step);
    }
    const double mean = (placed[last].at[2] - placed[0].at[2]) / double(last);
    for (size_t i = 1; i < last; i++)
        if (std::fabs(placed[i].at[2] - placed[0].at[2] - mean * double(i)) > 0.1 * mean)
            return rp_fail(err, RP_ERR_REFUSED,
                           "uneven slice spacing: it drifts from %.3f mm to %.3f mm; --repair "
                           "resamples to even spacing",
                           placed[1].at[2] - placed[0].at[2],
                           placed[last].at[2] - placed[last - 1].at[2]);
    return RP_OK;
}

/** The spacing of an even grid for uneven slices: the usual one, or where a good part of the slices
 *  lie closer, theirs, so that nothing acquired is lost. */
static double repaired_step(const std::vector<double> &steps)
{
    const double usual = steps[steps.size() / 2], fine = steps[steps.size() / 10];
    return fine < 0.75 * usual && fine > 0.2 * usual ? fine : usual;
}

static void note_gaps(const std::vector<Placed> &placed, double usual, rp_dicom_repair &repair)
{
    repair.uneven = repair.resampled = true;
    for (size_t i = 1; i < placed.size(); i++) {
        const double from = placed[i - 1].at[2], to = placed[i].at[2], gap = to - from;
        if (gap > 1.5 * usual) repair.missing_slices += size_t(std::lround(gap / usual)) - 1;
        if (gap <= repair.gap_mm) continue;
        repair.gap_mm = gap;
        repair.gap_from_mm = from;
        repair.gap_to_mm = to;
    }
}

/** Shifts within the planes: none, by a tilted gantry, or irregular, which is an error. */
static rp_status find_tilt(const std::vector<Placed> &placed, rp_dicom_repair &repair,
                           rp_error *err)
{
    const Placed &first = placed.front(), &last = placed.back();
    const double height = last.at[2] - first.at[2];
    const double lean = std::hypot(last.at[0] - first.at[0], last.at[1] - first.at[1]);
    const double degrees = std::atan2(lean, height) * 180 / M_PI;
    const double half_pixel = 0.5 * std::min(first.file->spacing[0], first.file->spacing[1]);
    for (const Placed &p : placed) {
        const double share = (p.at[2] - first.at[2]) / height;
        const double off = std::hypot(p.at[0] - first.at[0] - share * (last.at[0] - first.at[0]),
                                      p.at[1] - first.at[1] - share * (last.at[1] - first.at[1]));
        if (off > shift_tolerance_mm)
            return rp_fail(err, RP_ERR_FORMAT,
                           "the slice at %.2f mm is shifted by %.2f mm in its plane", p.at[2], off);
    }
    if (lean <= shift_tolerance_mm || (degrees <= tilt_tolerance_degrees && lean <= half_pixel))
        return RP_OK;
    if (degrees > largest_tilt_degrees)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "slices are shifted by %.2f degrees against their normal, more than any "
                       "gantry's tilt",
                       degrees);
    repair.tilt_degrees = degrees;
    repair.resampled = true;
    return RP_OK;
}

static rp_status check_stack(bool repair, Stack &stack, rp_error *err)
{
    const std::vector<Placed> &placed = stack.slices;
    if (placed.size() == 1) {
        const File &file = *placed[0].file;
        stack.spacing = file.between > 0 ? file.between : file.thickness;
        if (!(stack.spacing > 0))
            return rp_fail(err, RP_ERR_FORMAT,
                           "a single slice with neither SpacingBetweenSlices nor SliceThickness");
        return RP_OK;
    }
    const std::vector<double> steps = sorted_steps(placed);
    const double usual = steps[steps.size() / 2];
    stack.spacing = usual;
    rp_error uneven = {};
    rp_status status = find_tilt(placed, stack.repair, err);
    if (status) return status;
    const double span = placed.back().at[2] - placed.front().at[2];
    double count = double(placed.size() - 1);
    if (check_steps(placed, usual, &uneven)) {
        if (!repair) return rp_fail(err, uneven.status, "%s", uneven.message);
        const double wide = steps[steps.size() * 3 / 4];
        if (steps.front() < std::min(one_place_mm, one_place_share * wide))
            return rp_fail(err, RP_ERR_FORMAT,
                           "slices only %.3f mm apart, where others lie %.2f mm apart: two "
                           "acquisitions that their headers do not tell apart?",
                           steps.front(), wide);
        note_gaps(placed, usual, stack.repair);
        count = std::max(1.0, std::round(span / repaired_step(steps)));
        if (count > largest_repair * double(placed.size()))
            return rp_fail(
                err, RP_ERR_FORMAT,
                "gaps of up to %.2f mm in slices %.2f mm apart are too wide to be filled",
                stack.repair.gap_mm, usual);
    }
    stack.spacing = span / count;
    stack.repair.usual_mm = stack.spacing;
    return RP_OK;
}

/* ---- grids ------------------------------------------------------------------------------- */

/** The even grid in the planes of the slices that encloses all of them. */
static void make_acquired(Stack &stack)
{
    const Placed &first = stack.slices.front(), &last = stack.slices.back();
    const File &file = *first.file;
    rp_grid &grid = stack.acquired;
    memcpy(grid.direction, stack.frame, sizeof grid.direction);
    const double span = last.at[2] - first.at[2];
    grid.size[0] = file.columns;
    grid.size[1] = file.rows;
    grid.size[2] = 1 + int(std::lround(span / stack.spacing));
    grid.spacing[0] = file.spacing[1];
    grid.spacing[1] = file.spacing[0];
    grid.spacing[2] = stack.spacing;
    std::copy_n(file.position, 3, grid.origin);
    if (stack.repair.tilt_degrees <= 0) return;
    for (int a = 0; a < 2; a++) {
        const double shift = last.at[a] - first.at[a];
        const int more = int(std::ceil(std::fabs(shift) / grid.spacing[a]));
        grid.size[a] += more;
        for (int r = 0; shift < 0 && r < 3; r++)
            grid.origin[r] -= more * grid.spacing[a] * stack.frame[r][a];
    }
}

/** Of a tilted stack: z along the shift of the slices, x along the rows as far as that goes. */
static void make_upright(Stack &stack)
{
    const Placed &first = stack.slices.front(), &last = stack.slices.back();
    rp_grid &grid = stack.grid;
    double along[3], row[3], column[3];
    for (int r = 0; r < 3; r++) {
        along[r] = last.file->position[r] - first.file->position[r];
        row[r] = stack.frame[r][0];
    }
    const double steps = double(grid.size[2] - 1);
    grid.spacing[2] = normalise(along) / steps;
    const double lean = dot(row, along);
    for (int r = 0; r < 3; r++) row[r] -= lean * along[r];
    normalise(row);
    cross(along, row, column);
    for (int r = 0; r < 3; r++) {
        grid.direction[r][0] = row[r];
        grid.direction[r][1] = column[r];
        grid.direction[r][2] = along[r];
    }
    double low[3] = {}, high[3] = {}; /* of the slices' corners, in steps of the grid */
    for (int corner = 1; corner < 8; corner++) {
        const File &file = corner & 4 ? *last.file : *first.file;
        double off[3];
        for (int r = 0; r < 3; r++)
            off[r] = file.position[r] - first.file->position[r] +
                     (corner & 1) * stack.frame[r][0] * file.spacing[1] * (file.columns - 1) +
                     (corner >> 1 & 1) * stack.frame[r][1] * file.spacing[0] * (file.rows - 1);
        for (int a = 0; a < 3; a++) {
            double at = 0;
            for (int r = 0; r < 3; r++) at += off[r] * grid.direction[r][a] / grid.spacing[a];
            low[a] = std::min(low[a], at);
            high[a] = std::max(high[a], at);
        }
    }
    for (int a = 0; a < 3; a++) {
        const double from = std::ceil(low[a] - 0.499), to = std::floor(high[a] + 0.499);
        grid.size[a] = int(to - from) + 1;
        for (int r = 0; r < 3; r++) grid.origin[r] += from * grid.spacing[a] * grid.direction[r][a];
    }
}

/** The slices of one kind, sorted along their normal. */
static rp_status place_slices(const Series &series, Stack &stack, rp_error *err)
{
    for (const File *file : series.others)
        if (file->kind == Kind::unusable)
            return rp_fail(err, RP_ERR_FORMAT, "%s: %s", file->path.c_str(), file->why.c_str());
    const File *const chosen = /* the same one whatever the files are called */
        *std::min_element(
            series.slices.begin(), series.slices.end(), [](const File *a, const File *b) {
                return std::tie(a->sop_uid, a->frame) < std::tie(b->sop_uid, b->frame);
            });
    rp_status status = frame_of(*chosen, stack.frame, err);
    if (status) return status;
    for (const File *file : series.slices) {
        stack.slices.push_back({file, {}});
        place(*file, stack.frame, stack.slices.back().at);
    }
    status = check_same_kind(stack.slices, err);
    if (!status) status = drop_copies(stack.slices, err);
    if (status) return status;
    std::stable_sort(stack.slices.begin(), stack.slices.end(),
                     [](const Placed &a, const Placed &b) { return a.at[2] < b.at[2]; });
    return drop_duplicates(stack, err);
}

/** Slices are missing, at the ends of the stack too, where no gap tells. */
static rp_status check_lost(const Series &series, bool repair, rp_error *err)
{
    for (const File *file : series.lost)
        if (file->broken)
            return rp_fail(err, RP_ERR_FORMAT, "%s: %s", file->path.c_str(), file->why.c_str());
    if (series.lost.empty() || repair) return RP_OK;
    const std::string others =
        series.lost.size() > 1 ? " and " + std::to_string(series.lost.size() - 1) + " more" : "";
    return rp_fail(err, RP_ERR_REFUSED,
                   "missing slices: %s (%s)%s cannot be read, but stands among the slices of the "
                   "series; --repair goes on without it",
                   series.lost[0]->path.c_str(), series.lost[0]->why.c_str(), others.c_str());
}

rp_status order_stack(const Series &series, bool repair, Stack &stack, rp_error *err)
{
    rp_status status = check_lost(series, repair, err);
    if (!status) status = place_slices(series, stack, err);
    if (!status) status = check_stack(repair, stack, err);
    if (status) return status;
    make_acquired(stack);
    stack.grid = stack.acquired;
    if (stack.repair.tilt_degrees > 0) {
        std::copy_n(stack.slices.front().file->position, 3, stack.grid.origin);
        make_upright(stack);
    }
    return rp_grid_check(&stack.grid, err);
}

} // namespace rp_dicom
