/* Several acquisitions in one series: told apart by what their headers say where they lie in one
 * another's way. The order of files and of instance numbers is no evidence but in the last resort.
 */
#include "parts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <tuple>

namespace rp_dicom
{

/* Slices nearer than this share of the usual distance, and than this, are in one place. */
static const double same_place_share = 0.05, same_place_mm = 0.1;
/* A slice has no room in a stack nearer than this to a slice of it, nor between two of it that are
 * neighbours. In usual distances. */
static const double no_room = 0.45, neighbours = 1.5;
/* Steps of a regular stack: this many are the usual one, by this much. */
static const double regular_share = 0.8, regular_tolerance = 0.05, regular_tolerance_mm = 0.15;
/* Between two passes of a scanner, times lie apart by this many times the gaps within them. */
static const double pass_ratio = 3, pass_seconds = 2;
static const size_t most_texts = 64;
/* More orientations, or fewer slices of each, are views turned about an axis, or pilots. */
static const size_t most_orientations = 8, least_stack = 3;
static const double same_cosine = 1e-3;

enum class Type { text, number, time, order };

/* any: tells apart also what only lies between each other where the modality is not CT, which is
 * often acquired every second slice first. */
struct PartKey {
    const char *name;
    Type type;
    bool any;
};

static const PartKey part_keys[] = {{"AcquisitionNumber", Type::number, false},
                                    {"StackID", Type::text, true},
                                    {"TemporalPosition", Type::number, true},
                                    {"cardiac phase", Type::number, true},
                                    {"respiratory phase", Type::number, true},
                                    {"TriggerTime", Type::number, false},
                                    {"EchoTime", Type::number, true},
                                    {"ConvolutionKernel", Type::text, true},
                                    {"ImageType", Type::text, true},
                                    {"ContrastBolusAgent", Type::text, true},
                                    {"KVP", Type::number, true},
                                    {"SeriesNumber", Type::number, true},
                                    {"SeriesDescription", Type::text, true},
                                    {"ProtocolName", Type::text, true},
                                    {"StudyInstanceUID", Type::text, true},
                                    {"SliceThickness", Type::number, true},
                                    {"PixelSpacing", Type::text, true},
                                    {"b-value", Type::number, true},
                                    {"ImageComments", Type::text, true},
                                    {"AcquisitionTime", Type::time, false},
                                    {"ContentTime", Type::time, false},
                                    {"InstanceNumber", Type::order, false}};
static const size_t key_count = sizeof part_keys / sizeof *part_keys;

/* ---- marks ------------------------------------------------------------------------------- */

static std::string first_of(const std::vector<DcmItem *> &from,
                            std::initializer_list<DcmTagKey> tags)
{
    for (const DcmTagKey &tag : tags)
        for (DcmItem *item : from) {
            const std::string text = text_of(*item, tag);
            if (!text.empty()) return text;
        }
    return "";
}

/** YYYYMMDDHHMMSS as far as it is told. */
static std::string moment_of(const std::vector<DcmItem *> &from,
                             std::initializer_list<DcmTagKey> moments, const DcmTagKey &date,
                             const DcmTagKey &time)
{
    const std::string moment = first_of(from, moments), hour = first_of(from, {time});
    if (moment.size() >= 14) return moment;
    const std::string day = first_of(from, {date});
    return hour.empty() ? "" : (day.size() == 8 ? day : "00000000") + hour;
}

std::vector<std::string> read_marks(const std::vector<DcmItem *> &from, const File &file)
{
    char pixels[96];
    snprintf(pixels, sizeof pixels, "%.4g x %.4g mm of %d x %d", file.spacing[1], file.spacing[0],
             file.columns, file.rows);
    return {first_of(from, {DCM_FrameAcquisitionNumber, DCM_AcquisitionNumber}),
            first_of(from, {DCM_StackID}),
            first_of(from, {DCM_TemporalPositionIndex, DCM_TemporalPositionIdentifier,
                            DCM_TemporalPositionTimeOffset}),
            first_of(from, {DCM_NominalPercentageOfCardiacPhase, DCM_CardiacCyclePosition}),
            first_of(from, {DCM_NominalPercentageOfRespiratoryPhase, DCM_RespiratoryCyclePosition}),
            first_of(from, {DCM_NominalCardiacTriggerDelayTime, DCM_TriggerTime}),
            first_of(from, {DCM_EffectiveEchoTime, DCM_EchoTime, DCM_EchoNumbers}),
            first_of(from, {DCM_ConvolutionKernel}),
            first_of(from, {DCM_FrameType, DCM_ImageType}),
            first_of(from, {DCM_ContrastBolusAgent}),
            first_of(from, {DCM_KVP}),
            first_of(from, {DCM_SeriesNumber}),
            first_of(from, {DCM_SeriesDescription}),
            first_of(from, {DCM_ProtocolName}),
            first_of(from, {DCM_StudyInstanceUID}),
            first_of(from, {DCM_SliceThickness}),
            pixels,
            first_of(from, {DCM_DiffusionBValue}),
            first_of(from, {DCM_ImageComments}),
            moment_of(from, {DCM_FrameAcquisitionDateTime, DCM_AcquisitionDateTime},
                      DCM_AcquisitionDate, DCM_AcquisitionTime),
            moment_of(from, {DCM_FrameReferenceDateTime}, DCM_ContentDate, DCM_ContentTime),
            file.frame >= 0 ? std::to_string(file.frame + 1)
                            : first_of(from, {DCM_InstanceNumber})};
}

/** Seconds since some day; months have 31 days, which keeps the order. */
static bool seconds_of(const std::string &moment, double &seconds)
{
    const std::string digits = moment.substr(0, moment.find_first_not_of("0123456789."));
    std::vector<double> parts;
    if (digits.size() < 12 || digits.find('.') < 12) return false;
    for (const size_t at : {0, 4, 6, 8, 10})
        if (!parse_numbers(digits.substr(at, at ? 2 : 4), parts)) return false;
    if (digits.size() > 12 && !parse_numbers(digits.substr(12), parts)) return false;
    const double days = (parts[0] * 12 + parts[1]) * 31 + parts[2];
    seconds = (days * 24 + parts[3]) * 3600 + parts[4] * 60 + (parts.size() > 5 ? parts[5] : 0);
    return true;
}

/** "" counts as less than anything. */
static bool number_in(const std::string &mark, Type type, double &number)
{
    std::vector<double> numbers;
    number = -std::numeric_limits<double>::infinity();
    if (mark.empty()) return true;
    if (type == Type::time) return seconds_of(mark, number);
    if (!parse_numbers(mark, numbers)) return false;
    number = numbers[0];
    return true;
}

/* ---- stacks that grow -------------------------------------------------------------------- */

struct Spot {
    const File *file;
    double at[3];
};

using Spots = std::vector<Spot>;

static double usual_step(std::vector<double> heights)
{
    std::sort(heights.begin(), heights.end());
    std::vector<double> steps;
    for (size_t i = 1; i < heights.size(); i++)
        if (heights[i] - heights[i - 1] > 0.001) steps.push_back(heights[i] - heights[i - 1]);
    if (steps.empty()) return 0;
    std::nth_element(steps.begin(), steps.begin() + long(steps.size() / 2), steps.end());
    return steps[steps.size() / 2];
}

static std::vector<double> heights_of(const Spots &spots)
{
    std::vector<double> heights;
    for (const Spot &spot : spots) heights.push_back(spot.at[2]);
    std::sort(heights.begin(), heights.end());
    return heights;
}

/** How much of some slices lies in the way of a stack. */
struct Clash {
    size_t upon = 0, between = 0;
};

class Pile
{
  public:
    explicit Pile(double near) : near_(near)
    {
    }
    void add(const Spots &spots)
    {
        spots_.insert(spots_.end(), spots.begin(), spots.end());
        for (const Spot &spot : spots)
            heights_.insert(std::upper_bound(heights_.begin(), heights_.end(), spot.at[2]),
                            spot.at[2]);
        if (heights_.size() < measured_ + measured_ / 4) return;
        usual_ = usual_step(heights_);
        measured_ = heights_.size();
    }
    Clash with(const Spots &others) const
    {
        Clash clash;
        for (const Spot &other : others) {
            const double at = other.at[2], far = std::numeric_limits<double>::infinity();
            const auto above = std::lower_bound(heights_.begin(), heights_.end(), at);
            const double up = above == heights_.end() ? far : *above - at;
            const double down = above == heights_.begin() ? far : at - *(above - 1);
            if (std::min(up, down) <= near_)
                clash.upon++;
            else if (std::max(up, down) < far && /* what lies beyond the ends may go on */
                     (std::min(up, down) < no_room * usual_ || up + down <= neighbours * usual_))
                clash.between++;
        }
        return clash;
    }
    const Spots &spots() const
    {
        return spots_;
    }

  private:
    double near_;
    Spots spots_;
    std::vector<double> heights_;
    double usual_ = 0;
    size_t measured_ = 0;
};

/** What shares a mark, or follows one another in it. */
struct MarkGroup {
    Spots spots;
    std::string from, to;       /**< marks */
    double first = 0, last = 0; /**< as numbers */
    double gap = 0;             /**< the widest between its numbers */
};

/* ---- what lies in one place -------------------------------------------------------------- */

bool same_pixels(const File &a, const File &b)
{
    if (a.rows != b.rows || a.columns != b.columns) return false;
    const size_t pixels = size_t(a.rows) * size_t(a.columns);
    std::vector<float> one(pixels), other(pixels);
    size_t padded = 0;
    SliceReader reader;
    return reader.read(a, one.data(), &padded, nullptr) == RP_OK &&
           reader.read(b, other.data(), &padded, nullptr) == RP_OK && one == other;
}

static bool same_object(const File &a, const File &b)
{
    return !a.sop_uid.empty() && a.sop_uid == b.sop_uid && a.frame == b.frame;
}

/** Whether slices of one place differ: else they are copies, which are no parts. */
static bool any_differ(Spots spots, double near)
{
    std::sort(spots.begin(), spots.end(), [](const Spot &a, const Spot &b) {
        return a.at[2] != b.at[2] ? a.at[2] < b.at[2]
                                  : std::tie(a.file->sop_uid, a.file->frame) <
                                        std::tie(b.file->sop_uid, b.file->frame);
    });
    for (size_t i = 1; i < spots.size(); i++) {
        const Spot &a = spots[i - 1], &b = spots[i];
        if (b.at[2] - a.at[2] > near || same_object(*a.file, *b.file)) continue;
        const double apart = std::hypot(b.at[0] - a.at[0], b.at[1] - a.at[1]);
        if (apart > near || !same_pixels(*a.file, *b.file)) return true;
    }
    return false;
}

/* ---- one key ----------------------------------------------------------------------------- */

struct Division {
    size_t key = 0;
    bool clear = false; /**< nothing differs in one place within the groups */
    std::vector<MarkGroup> groups;
};

/** By mark, in its order; false where there is but one, or numbers are none. */
static bool group_by(const Spots &spots, size_t key, std::vector<MarkGroup> &groups)
{
    std::map<std::pair<double, std::string>, MarkGroup> found;
    Type type = part_keys[key].type;
    for (const Spot &spot : spots) {
        double number = 0;
        if (!number_in(spot.file->marks[key], type, number)) type = Type::text;
    }
    for (const Spot &spot : spots) {
        const std::string &mark = spot.file->marks[key];
        double number = 0;
        if (type != Type::text) number_in(mark, type, number);
        MarkGroup &group = found[{number, type == Type::text ? mark : ""}];
        if (group.spots.empty()) group.from = group.to = mark;
        group.first = group.last = number;
        group.spots.push_back(spot);
    }
    for (auto &one : found) groups.push_back(std::move(one.second));
    return groups.size() > 1 && (type != Type::text || groups.size() <= most_texts);
}

static bool in_the_way(const Clash &clash, size_t count, bool differ)
{
    return (differ && clash.upon) || clash.between >= std::min<size_t>(2, count);
}

/** Of texts each is a part as soon as two lie in one another's way. */
static bool texts_clash(const std::vector<MarkGroup> &groups, double near, bool differ)
{
    for (const MarkGroup &one : groups) {
        Pile pile(near);
        pile.add(one.spots);
        for (const MarkGroup &other : groups)
            if (&one != &other && in_the_way(pile.with(other.spots), other.spots.size(), differ))
                return true;
    }
    return false;
}

static void append(MarkGroup &group, const MarkGroup &more)
{
    if (group.spots.empty()) {
        group = more;
        return;
    }
    if (std::isfinite(group.last)) group.gap = std::max(group.gap, more.first - group.last);
    group.gap = std::max(group.gap, more.gap);
    group.to = more.to;
    group.last = more.last;
    group.spots.insert(group.spots.end(), more.spots.begin(), more.spots.end());
}

/** Where the pass that is in the way of [start, end) began: behind the widest pause, if that is
 *  clearly wider than the one before end. */
static size_t turn_of(const std::vector<MarkGroup> &groups, size_t start, size_t end)
{
    size_t turn = end;
    double widest = pass_ratio * (groups[end].first - groups[end - 1].last);
    for (size_t i = start + 1; i < end; i++)
        if (groups[i].first - groups[i - 1].last > widest) {
            widest = groups[i].first - groups[i - 1].last;
            turn = i;
        }
    return turn;
}

/** What follows one another without being in its own way stays together. */
static std::vector<MarkGroup> follow(const std::vector<MarkGroup> &groups, double near, bool differ,
                                     bool turns)
{
    std::vector<MarkGroup> parts(1);
    Pile pile(near);
    for (size_t start = 0, i = 0; i < groups.size(); i++) {
        if (i > start && in_the_way(pile.with(groups[i].spots), groups[i].spots.size(), differ)) {
            const size_t turn = turns ? turn_of(groups, start, i) : i;
            parts.back() = MarkGroup();
            for (size_t k = start; k < turn; k++) append(parts.back(), groups[k]);
            parts.emplace_back();
            pile = Pile(near);
            for (size_t k = turn; k < i; k++) {
                append(parts.back(), groups[k]);
                pile.add(groups[k].spots);
            }
            start = turn;
        }
        append(parts.back(), groups[i]);
        pile.add(groups[i].spots);
    }
    return parts;
}

/* ---- whether to believe it --------------------------------------------------------------- */

static bool is_regular(const Spots &spots)
{
    const std::vector<double> heights = heights_of(spots);
    const double usual = usual_step(heights);
    const double tolerance = std::max(regular_tolerance_mm, regular_tolerance * usual);
    size_t good = 0;
    for (size_t i = 1; i < heights.size(); i++)
        good += std::fabs(heights[i] - heights[i - 1] - usual) <= tolerance;
    return double(good) >= regular_share * double(heights.size() - 1);
}

/** Parts that lie between each other only, each an even stack: scattered marks of one stack are
 *  no parts. */
static bool are_regular(const std::vector<MarkGroup> &parts, size_t all)
{
    size_t few = 0;
    for (const MarkGroup &part : parts) {
        if (part.spots.size() < 3)
            few += part.spots.size();
        else if (!is_regular(part.spots))
            return false;
    }
    return few <= all / 10;
}

static bool are_passes(const std::vector<MarkGroup> &parts)
{
    for (size_t i = 1; i < parts.size(); i++) {
        const double pause = parts[i].first - parts[i - 1].last;
        if (pause < pass_seconds || pause <= pass_ratio * std::max(parts[i].gap, parts[i - 1].gap))
            return false;
    }
    return true;
}

/** At least half of the smaller of two neighbouring parts lies in the other's way. */
static bool overlap(const std::vector<MarkGroup> &parts, double near)
{
    for (size_t i = 1; i < parts.size(); i++) {
        const Spots &one = parts[i - 1].spots, &other = parts[i].spots;
        const Spots &few = one.size() < other.size() ? one : other;
        Pile pile(near);
        pile.add(&few == &one ? other : one);
        const Clash clash = pile.with(few);
        if (2 * (clash.upon + clash.between) < few.size()) return false;
    }
    return true;
}

static bool same_sizes(const std::vector<MarkGroup> &parts)
{
    for (const MarkGroup &part : parts)
        if (part.spots.size() != parts[0].spots.size()) return false;
    return true;
}

static bool is_credible(const Division &division, const Spots &spots, double near, bool differ)
{
    const PartKey &key = part_keys[division.key];
    const std::vector<MarkGroup> &parts = division.groups;
    if (key.type == Type::order)
        return differ && same_sizes(parts) && are_regular(parts, spots.size());
    if (differ) return key.type != Type::time || overlap(parts, near);
    if (!key.any && !spots[0].file->is_ct()) return false;
    return are_regular(parts, spots.size()) && (key.type != Type::time || are_passes(parts));
}

/* ---- all keys ---------------------------------------------------------------------------- */

static bool divide_by(const Spots &spots, size_t key, double near, bool differ, Division &division)
{
    std::vector<MarkGroup> groups;
    const Type type = part_keys[key].type;
    if (!group_by(spots, key, groups)) return false;
    division.key = key;
    if (type == Type::text && !texts_clash(groups, near, differ)) return false;
    division.groups =
        type == Type::text ? groups : follow(groups, near, differ, type == Type::time);
    if (division.groups.size() < 2 || !is_credible(division, spots, near, differ)) return false;
    division.clear = true;
    for (const MarkGroup &group : division.groups)
        if (differ && any_differ(group.spots, near)) division.clear = false;
    return true;
}

/** The key that leaves the least in one another's way, in the fewest parts; the instances' order
 *  only where no other does. */
static Division best_division(const Spots &spots, double near, bool differ)
{
    Division best;
    for (size_t key = 0; key < key_count; key++) {
        Division division;
        if (part_keys[key].type == Type::order && !best.groups.empty()) continue;
        if (!divide_by(spots, key, near, differ, division)) continue;
        if (best.groups.empty() || division.clear > best.clear ||
            (division.clear == best.clear && division.groups.size() < best.groups.size()))
            best = division;
    }
    return best;
}

/** A day is shown once. */
static std::string shown(const std::string &mark, Type type, const std::string &before)
{
    if (type != Type::time || mark.size() < 14) return mark;
    const std::string day = mark.substr(0, 8);
    const std::string hour = mark.substr(8, 2) + ":" + mark.substr(10, 2) + ":" + mark.substr(12);
    return day == "00000000" || day == before.substr(0, 8) ? hour : day + " " + hour;
}

static std::string describe(const MarkGroup &group, const PartKey &key)
{
    const std::string name = key.name;
    if (group.from.empty() && group.to.empty()) return "no " + name;
    const std::string from = group.from.empty() ? "none" : shown(group.from, key.type, "");
    return name + " " + from +
           (group.from == group.to ? "" : " to " + shown(group.to, key.type, group.from));
}

static void divide(const Spots &spots, const std::string &what, std::vector<Series> &parts)
{
    const std::vector<double> heights = heights_of(spots);
    std::vector<double> steps;
    for (size_t i = 1; i < heights.size(); i++) steps.push_back(heights[i] - heights[i - 1]);
    std::sort(steps.begin(), steps.end());
    const double wide = steps.empty() ? 0 : steps[steps.size() * 9 / 10];
    const double near = std::max(0.001, std::min(same_place_mm, same_place_share * wide));
    const Division division = best_division(spots, near, any_differ(spots, near));
    if (division.groups.empty()) {
        Series part;
        for (const Spot &spot : spots) part.slices.push_back(spot.file);
        part.what = what;
        parts.push_back(part);
        return;
    }
    for (const MarkGroup &group : division.groups)
        divide(group.spots,
               what + (what.empty() ? "" : ", ") + describe(group, part_keys[division.key]), parts);
}

/* ---- planes ------------------------------------------------------------------------------ */

static bool are_parallel(const File &a, const File &b)
{
    for (int i = 0; i < 6; i++)
        if (std::fabs(a.orientation[i] - b.orientation[i]) > same_cosine) return false;
    return true;
}

/** Slices of one orientation each, in the order of their cosines and not of the files: [1 0 0 0 1
 * 0] comes first. */
static std::vector<std::vector<const File *>> by_orientation(std::vector<const File *> slices)
{
    std::vector<std::vector<const File *>> groups;
    std::stable_sort(slices.begin(), slices.end(), [](const File *a, const File *b) {
        return std::lexicographical_compare(b->orientation, b->orientation + 6, a->orientation,
                                            a->orientation + 6);
    });
    for (const File *file : slices) {
        const auto found =
            std::find_if(groups.begin(), groups.end(), [&](const std::vector<const File *> &group) {
                return are_parallel(*group[0], *file);
            });
        if (found != groups.end())
            found->push_back(file);
        else
            groups.push_back({file});
    }
    return groups;
}

static std::string describe_planes(const File &file)
{
    const double *o = file.orientation;
    const double x = std::fabs(o[1] * o[5] - o[2] * o[4]), y = std::fabs(o[2] * o[3] - o[0] * o[5]),
                 z = std::fabs(o[0] * o[4] - o[1] * o[3]);
    char text[160];
    snprintf(text, sizeof text, "ImageOrientationPatient %.4g %.4g %.4g %.4g %.4g %.4g (%s)",
             o[0] + 0.0, o[1] + 0.0, o[2] + 0.0, o[3] + 0.0, o[4] + 0.0, o[5] + 0.0, /* no -0 */
             z >= x && z >= y ? "axial"
             : y >= x         ? "coronal"
                              : "sagittal");
    return text;
}

/** Where parallel slices lie; false where their orientation is none. */
static bool find_spots(const std::vector<const File *> &slices, Spots &spots)
{
    double frame[3][3];
    if (frame_of(*slices[0], frame, nullptr)) return false;
    for (const File *file : slices) {
        Spot spot = {file, {}};
        for (int a = 0; a < 3; a++)
            for (int r = 0; r < 3; r++) spot.at[a] += frame[r][a] * file->position[r];
        spots.push_back(spot);
    }
    return true;
}

std::vector<Series> divide_series(const Series &series)
{
    std::vector<Series> parts;
    if (series.slices.size() < 2) return {series};
    const std::vector<std::vector<const File *>> groups = by_orientation(series.slices);
    const bool any_stack =
        std::any_of(groups.begin(), groups.end(), [](const std::vector<const File *> &group) {
            return group.size() >= least_stack;
        });
    if (groups.size() > most_orientations || (groups.size() > 1 && !any_stack)) return {series};
    for (const std::vector<const File *> &group : groups) {
        Spots spots;
        if (!find_spots(group, spots)) return {series};
        divide(spots, groups.size() > 1 ? describe_planes(*group[0]) : "", parts);
    }
    if (parts.size() == 1) return {series};
    for (size_t i = 0; i < parts.size(); i++) {
        parts[i].others = series.others;
        parts[i].part = int(i) + 1;
        parts[i].parts = int(parts.size());
    }
    return parts;
}

} // namespace rp_dicom
