/* Segmentation objects as they stand in the file: segments, frames, where these lie. */
#include "choose.hpp"
#include "seg.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

namespace rp_dicom
{

/* Of the label map's class (Supplement 243) DCMTK 3.6.7 knows no name. */
static const char *const label_map_uid = "1.2.840.10008.5.1.4.1.1.66.7";
static const char *const background_code = "125040"; /* of DCM */
static const int largest_side = 8192;
static const double largest_number = 65535;
static const double same_place_mm = 0.001;
static const double largest_position_mm =
    1e6; /* as of slices: what stays below does not overflow */

/** What is described, before it moves into the C interface. */
struct SegContent {
    std::vector<rp_seg_segment> segments;
    std::set<int> background; /**< of a label map */
    bool guessed = false;     /**< letters of names */
    rp_seg_pixels pixels;
};

static bool is_seg(const std::string &sop_class)
{
    return sop_class == UID_SegmentationStorage || sop_class == label_map_uid;
}

static rp_status load_seg(const char *path, DcmFileFormat &format, rp_error *err)
{
    if (!rp_path_exists(path)) return rp_fail(err, RP_ERR_IO, "%s: no such file", path);
    if (!looks_like_dicom(path)) return rp_fail(err, RP_ERR_FORMAT, "%s: not a DICOM file", path);
    const OFCondition loaded = load_whole(path, format);
    if (loaded.bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: truncated or damaged (%s)", path, loaded.text());
    DcmDataset &dataset = *format.getDataset();
    const std::string modality = text_of(dataset, DCM_Modality);
    if (!is_seg(text_of(dataset, DCM_SOPClassUID)))
        return rp_fail(err, RP_ERR_FORMAT, "%s: not a segmentation (modality %s)", path,
                       modality.empty() ? "missing" : modality.c_str());
    return RP_OK;
}

/** A whole number within low..high; false where it is missing, malformed or outside. */
static bool whole_of(DcmItem &item, const DcmTagKey &tag, double low, double high, int &value)
{
    double number = 0;
    if (number_of(item, tag, number) != Presence::ok || number < low || number > high ||
        number != std::floor(number))
        return false;
    value = int(number);
    return true;
}

/* ---- what is segmented ------------------------------------------------------------------- */

static rp_status read_type(const char *path, DcmItem &d, rp_seg &seg, rp_error *err)
{
    const std::string type = text_of(d, DCM_SegmentationType);
    if (type == "BINARY" || type == "FRACTIONAL" || type == "LABELMAP") {
        seg.type = type == "BINARY"       ? RP_SEG_BINARY
                   : type == "FRACTIONAL" ? RP_SEG_FRACTIONAL
                                          : RP_SEG_LABELMAP;
        if (seg.type == RP_SEG_FRACTIONAL)
            copy_text(seg.fractional_type, text_of(d, DCM_SegmentationFractionalType));
        return RP_OK;
    }
    return rp_fail(err, RP_ERR_FORMAT,
                   "%s: SegmentationType \"%.32s\", expected BINARY, FRACTIONAL or LABELMAP", path,
                   type.c_str());
}

static rp_status read_segments(const char *path, DcmItem &d, rp_seg_type type, SegContent &content,
                               rp_error *err)
{
    const Charset outer(d);
    std::set<int> numbers;
    int padding = 0;
    content.background.insert(0);
    if (whole_of(d, DCM_PixelPaddingValue, 0, largest_number, padding))
        content.background.insert(padding);
    for (DcmItem *item : items_of(d, DCM_SegmentSequence)) {
        rp_seg_segment segment = {};
        if (!whole_of(*item, DCM_SegmentNumber, 0, largest_number, segment.number))
            return rp_fail(err, RP_ERR_FORMAT, "%s: a segment without a number", path);
        if (!numbers.insert(segment.number).second)
            return rp_fail(err, RP_ERR_FORMAT, "%s: two segments have the number %d", path,
                           segment.number);
        Charset set(*item, outer);
        copy_text(segment.name, set.text(*item, DCM_SegmentLabel));
        for (DcmItem *code : items_of(*item, DCM_SegmentedPropertyTypeCodeSequence)) {
            copy_text(segment.property, set.text(*code, DCM_CodeMeaning));
            if (text_of(*code, DCM_CodeValue) == background_code)
                content.background.insert(segment.number);
        }
        content.guessed = content.guessed || set.guessed();
        if (type == RP_SEG_LABELMAP && content.background.count(segment.number)) continue;
        content.segments.push_back(segment);
    }
    if (content.segments.empty())
        return rp_fail(err, RP_ERR_FORMAT, "%s: a segmentation without any segment", path);
    return RP_OK;
}

/* ---- functional groups ------------------------------------------------------------------- */

/** Where an attribute group of a frame stands: its own, else the shared one. */
struct Groups {
    DcmItem *own, *shared;
    DcmItem *group(const DcmTagKey &sequence) const
    {
        for (DcmItem *item : {own, shared}) {
            if (!item) continue;
            const std::vector<DcmItem *> items = items_of(*item, sequence);
            if (!items.empty()) return items.front();
        }
        return nullptr;
    }
};

/** Orientation and spacing of a frame, of which all must have the same. */
struct Plane {
    double orientation[6] = {}, spacing[2] = {}, between = 0, thickness = 0;
    bool known = true; /**< orientation and spacing */
};

/** Neither orientation nor spacing: known is false, and the source image has to tell. */
static rp_status read_plane(const char *path, size_t number, const Groups &groups, Plane &plane,
                            rp_error *err)
{
    DcmItem *orientation = groups.group(DCM_PlaneOrientationSequence);
    DcmItem *measures = groups.group(DCM_PixelMeasuresSequence);
    if (measures) {
        number_of(*measures, DCM_SpacingBetweenSlices, plane.between);
        number_of(*measures, DCM_SliceThickness, plane.thickness);
    }
    if (!orientation && groups.group(DCM_DerivationImageSequence)) {
        plane.known = false;
        return RP_OK;
    }
    if (!orientation ||
        numbers_of(*orientation, DCM_ImageOrientationPatient, plane.orientation, 6) != Presence::ok)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: frame %zu: ImageOrientationPatient is missing or malformed", path,
                       number);
    if (!measures || numbers_of(*measures, DCM_PixelSpacing, plane.spacing, 2) != Presence::ok ||
        !(plane.spacing[0] > 0 && plane.spacing[1] > 0))
        return rp_fail(err, RP_ERR_FORMAT, "%s: frame %zu: PixelSpacing is missing or malformed",
                       path, number);
    return RP_OK;
}

static bool same_plane(const Plane &a, const Plane &b)
{
    if (a.known != b.known) return false;
    for (int i = 0; i < 6; i++)
        if (std::fabs(a.orientation[i] - b.orientation[i]) > 1e-4) return false;
    for (int i = 0; i < 2; i++)
        if (std::fabs(a.spacing[i] - b.spacing[i]) > 1e-4 * b.spacing[i]) return false;
    return true;
}

static rp_status read_position(const char *path, size_t number, DcmItem &group, SegFrame &frame,
                               rp_error *err)
{
    if (numbers_of(group, DCM_ImagePositionPatient, frame.position, 3) != Presence::ok)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: frame %zu: ImagePositionPatient is missing or malformed", path, number);
    for (const double at : frame.position)
        if (std::fabs(at) > largest_position_mm)
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: frame %zu: ImagePositionPatient lies more than a kilometre away",
                           path, number);
    frame.placed = true;
    return RP_OK;
}

/** The first image that the frame was derived from. */
static void read_source(const Groups &groups, SegFrame &frame)
{
    DcmItem *derivation = groups.group(DCM_DerivationImageSequence);
    if (!derivation) return;
    for (DcmItem *image : items_of(*derivation, DCM_SourceImageSequence)) {
        frame.source_uid = text_of(*image, DCM_ReferencedSOPInstanceUID);
        whole_of(*image, DCM_ReferencedFrameNumber, 1, 1e8, frame.source_frame);
        if (!frame.source_uid.empty()) return;
    }
}

static rp_status read_frame(const char *path, size_t number, const Groups &groups, rp_seg_type type,
                            SegFrame &frame, rp_error *err)
{
    DcmItem *position = groups.group(DCM_PlanePositionSequence);
    DcmItem *segment = groups.group(DCM_SegmentIdentificationSequence);
    read_source(groups, frame);
    if (position) {
        const rp_status status = read_position(path, number, *position, frame, err);
        if (status) return status;
    } else if (frame.source_uid.empty()) {
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: frame %zu: tells neither ImagePositionPatient nor a source image", path,
                       number);
    }
    if (type == RP_SEG_LABELMAP) return RP_OK;
    if (!segment ||
        !whole_of(*segment, DCM_ReferencedSegmentNumber, 0, largest_number, frame.segment))
        return rp_fail(err, RP_ERR_FORMAT, "%s: frame %zu: belongs to no segment", path, number);
    return RP_OK;
}

static rp_status count_frame(const char *path, size_t number, rp_seg_type type,
                             const SegFrame &frame, SegContent &content, rp_error *err)
{
    bool known = type == RP_SEG_LABELMAP;
    for (rp_seg_segment &segment : content.segments)
        if (type == RP_SEG_LABELMAP || segment.number == frame.segment) {
            segment.frames++;
            known = true;
        }
    if (known) return RP_OK;
    return rp_fail(err, RP_ERR_FORMAT, "%s: frame %zu: segment %d is not described", path, number,
                   frame.segment);
}

static rp_status keep_plane(const char *path, const Plane &plane, rp_seg_pixels &pixels,
                            rp_error *err)
{
    File like_a_slice;
    pixels.between = std::fabs(plane.between);
    pixels.thickness = plane.thickness;
    pixels.oriented = plane.known;
    if (!plane.known) return RP_OK;
    std::copy_n(plane.orientation, 6, like_a_slice.orientation);
    std::copy_n(plane.spacing, 2, pixels.spacing);
    const rp_status status = frame_of(like_a_slice, pixels.frame, err);
    return status ? rp_fail_in(err, status, "%s", path) : RP_OK;
}

static rp_status read_frames(const char *path, DcmItem &d, rp_seg_type type, SegContent &content,
                             rp_error *err)
{
    const std::vector<DcmItem *> shared = items_of(d, DCM_SharedFunctionalGroupsSequence);
    const std::vector<DcmItem *> own = items_of(d, DCM_PerFrameFunctionalGroupsSequence);
    rp_seg_pixels &pixels = content.pixels;
    if (own.size() != pixels.coding.frames)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: places of %zu frames are described, but there are %zu", path,
                       own.size(), pixels.coding.frames);
    Plane first;
    for (size_t i = 0; i < own.size(); i++) {
        const Groups groups = {own[i], shared.empty() ? nullptr : shared.front()};
        SegFrame frame;
        Plane plane;
        rp_status status = read_plane(path, i + 1, groups, plane, err);
        if (!status) status = read_frame(path, i + 1, groups, type, frame, err);
        if (!status) status = count_frame(path, i + 1, type, frame, content, err);
        if (status) return status;
        if (i == 0) first = plane;
        if (!same_plane(plane, first))
            return rp_fail(err, RP_ERR_FORMAT, "%s: frames of differing orientation or spacing",
                           path);
        pixels.frames.push_back(frame);
    }
    return keep_plane(path, first, pixels, err);
}

/** Two frames of a segment in one place: another time, or tiles, which one of them would hide. */
static rp_status refuse_twins(const char *path, const rp_seg_pixels &pixels, rp_error *err)
{
    std::map<std::tuple<int, long, long, long>, size_t> places;
    for (size_t i = 0; i < pixels.frames.size(); i++) {
        const SegFrame &frame = pixels.frames[i];
        if (!frame.placed) continue;
        long at[3];
        for (int a = 0; a < 3; a++) at[a] = std::lround(frame.position[a] / same_place_mm);
        const auto placed = places.emplace(std::make_tuple(frame.segment, at[0], at[1], at[2]), i);
        if (!placed.second)
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: the frames %zu and %zu of a segment lie in one place", path,
                           placed.first->second + 1, i + 1);
    }
    return RP_OK;
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status read_coding(const char *path, DcmItem &d, rp_seg_type type, rp_seg_pixels &pixels,
                             rp_error *err)
{
    SegCoding &c = pixels.coding;
    int frames = 1, samples = 1, full = 0;
    const int bits = type == RP_SEG_BINARY ? 1 : 8;
    if (!whole_of(d, DCM_Rows, 1, largest_side, c.rows) ||
        !whole_of(d, DCM_Columns, 1, largest_side, c.columns))
        return rp_fail(err, RP_ERR_FORMAT, "%s: Rows or Columns is not within 1..%d", path,
                       largest_side);
    if (d.tagExists(DCM_NumberOfFrames) && !whole_of(d, DCM_NumberOfFrames, 1, 1e8, frames))
        return rp_fail(err, RP_ERR_FORMAT, "%s: NumberOfFrames is malformed", path);
    c.frames = size_t(frames);
    if (!whole_of(d, DCM_BitsAllocated, 1, 16, c.bits) ||
        (c.bits != bits && !(type == RP_SEG_LABELMAP && c.bits == 16)))
        return rp_fail(err, RP_ERR_FORMAT, "%s: %d bits per pixel in a segmentation of type %s",
                       path, c.bits, rp_seg_type_name(type));
    if (!whole_of(d, DCM_SamplesPerPixel, 1, 1, samples))
        return rp_fail(err, RP_ERR_FORMAT, "%s: SamplesPerPixel is not 1", path);
    if (type != RP_SEG_FRACTIONAL) return RP_OK;
    if (!whole_of(d, DCM_MaximumFractionalValue, 1, 255, full))
        return rp_fail(err, RP_ERR_FORMAT, "%s: MaximumFractionalValue is missing or malformed",
                       path);
    pixels.full = full;
    return RP_OK;
}

static void read_references(DcmItem &d, rp_seg &seg)
{
    for (DcmItem *series : items_of(d, DCM_ReferencedSeriesSequence)) {
        copy_text(seg.referenced_series_uid, text_of(*series, DCM_SeriesInstanceUID));
        if (seg.referenced_series_uid[0]) return;
    }
}

/** Derived from images that have a place in the patient, as far as it says. */
static bool is_of_slices(DcmItem &own)
{
    for (DcmItem *derivation : items_of(own, DCM_DerivationImageSequence))
        for (DcmItem *image : items_of(*derivation, DCM_SourceImageSequence)) {
            const std::string sop_class = text_of(*image, DCM_ReferencedSOPClassUID);
            if (sop_class.empty()) return true;
            for (const char *known :
                 {UID_CTImageStorage, UID_EnhancedCTImageStorage,
                  UID_LegacyConvertedEnhancedCTImageStorage, UID_MRImageStorage,
                  UID_EnhancedMRImageStorage, UID_LegacyConvertedEnhancedMRImageStorage,
                  UID_PositronEmissionTomographyImageStorage, UID_EnhancedPETImageStorage,
                  UID_LegacyConvertedEnhancedPETImageStorage})
                if (sop_class == known) return true;
        }
    return false;
}

/** Slides and projections have no place in the patient. */
static rp_status refuse_placeless(const char *path, DcmItem &d, rp_error *err)
{
    for (DcmItem *shared : items_of(d, DCM_SharedFunctionalGroupsSequence))
        for (const DcmTagKey &tag : {DCM_PlaneOrientationSequence, DCM_PlanePositionSequence})
            if (!items_of(*shared, tag).empty()) return RP_OK;
    for (DcmItem *own : items_of(d, DCM_PerFrameFunctionalGroupsSequence)) {
        if (!items_of(*own, DCM_PlanePositionSequence).empty()) return RP_OK;
        if (!items_of(*own, DCM_PlanePositionSlideSequence).empty()) break;
        if (is_of_slices(*own)) return RP_OK;
    }
    return rp_fail(err, RP_ERR_FORMAT,
                   "%s: its frames have no position in the patient (a slide or a projection)",
                   path);
}

static void hand_over(SegContent &content, rp_seg &seg)
{
    const size_t count = content.segments.size();
    if (content.guessed) remark_guessed_names("segments", seg.remarks);
    seg.segments = static_cast<rp_seg_segment *>(rp_alloc(count, sizeof *seg.segments));
    if (!seg.segments) throw std::bad_alloc();
    memcpy(seg.segments, content.segments.data(), count * sizeof *seg.segments);
    seg.segment_count = count;
    seg.columns = content.pixels.coding.columns;
    seg.rows = content.pixels.coding.rows;
    seg.frame_count = content.pixels.coding.frames;
    for (const SegFrame &frame : content.pixels.frames)
        seg.unplaced_frames += !frame.placed || !content.pixels.oriented;
    seg.pixels = new rp_seg_pixels(std::move(content.pixels));
}

static rp_status read_seg(const char *path, rp_seg &seg, rp_error *err)
{
    DcmFileFormat format;
    SegContent content;
    rp_status status = prepare(err);
    if (!status) status = load_seg(path, format, err);
    if (status) return status;
    DcmDataset &dataset = *format.getDataset();
    read_header(dataset, seg.header);
    read_references(dataset, seg);
    status = read_type(path, dataset, seg, err);
    if (!status) status = read_segments(path, dataset, seg.type, content, err);
    if (!status) status = read_coding(path, dataset, seg.type, content.pixels, err);
    if (!status) status = refuse_placeless(path, dataset, err);
    if (!status) status = read_frames(path, dataset, seg.type, content, err);
    if (!status) status = refuse_twins(path, content.pixels, err);
    if (!status)
        status = read_seg_pixels(path, format, content.pixels.coding, content.pixels.bytes, err);
    if (!status) hand_over(content, seg);
    return status;
}

/* ---- frames without a position ----------------------------------------------------------- */

/** The slice that a frame was drawn on; -1: none. */
static int slice_of(const rp_dicom_series &series, const SegFrame &frame)
{
    for (int z = 0; z < series.image.grid.size[2]; z++) {
        const int number = series.frame_numbers ? series.frame_numbers[z] : 0;
        if (frame.source_uid == series.sop_uids[z] && (number == 0 || number == frame.source_frame))
            return z;
    }
    return -1;
}

static rp_status place(rp_seg_pixels &pixels, const rp_dicom_series &series, rp_error *err)
{
    const rp_grid &grid = series.image.grid;
    if (pixels.coding.columns != grid.size[0] || pixels.coding.rows != grid.size[1])
        return rp_fail(
            err, RP_ERR_REFUSED,
            "its frames tell no position, and are of another size than the image's slices");
    for (int a = 0; a < 2; a++)
        for (int r = 0; r < 3; r++)
            if (pixels.oriented && std::fabs(pixels.frame[r][a] - grid.direction[r][a]) > 1e-3)
                return rp_fail(err, RP_ERR_REFUSED,
                               "its frames tell no position, and are turned against the image's "
                               "slices");
    std::copy_n(&grid.direction[0][0], 9, &pixels.frame[0][0]);
    pixels.spacing[0] = grid.spacing[1];
    pixels.spacing[1] = grid.spacing[0];
    pixels.between = grid.spacing[2];
    pixels.oriented = true;
    for (size_t i = 0; i < pixels.frames.size(); i++) {
        SegFrame &frame = pixels.frames[i];
        if (frame.placed) continue;
        const int z = slice_of(series, frame);
        if (z < 0)
            return rp_fail(err, RP_ERR_REFUSED,
                           "frame %zu tells no position, and the image that it refers to is not in "
                           "the series",
                           i + 1);
        const double voxel[3] = {0, 0, double(z)};
        rp_grid_to_world(&grid, voxel, frame.position);
        frame.placed = true;
    }
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_seg_place(rp_seg *seg, const rp_dicom_series *series, rp_error *err)
{
    if (!seg->unplaced_frames) return RP_OK;
    return guarded("segmentation", err, [&] {
        rp_status status = place(*seg->pixels, *series, err);
        if (!status) status = refuse_twins("segmentation", *seg->pixels, err);
        if (!status) seg->unplaced_frames = 0;
        return status;
    });
}

extern "C" const char *rp_seg_type_name(rp_seg_type type)
{
    return type == RP_SEG_BINARY ? "BINARY" : type == RP_SEG_FRACTIONAL ? "FRACTIONAL" : "LABELMAP";
}

extern "C" bool rp_seg_probe(const char *path)
{
    return is_seg(sop_class_of(path));
}

extern "C" rp_status rp_seg_read(const char *path, rp_seg *seg, rp_error *err)
{
    *seg = {};
    const rp_status status = guarded(path, err, [&] { return read_seg(path, *seg, err); });
    if (status) rp_seg_release(seg);
    return status;
}

extern "C" void rp_seg_release(rp_seg *seg)
{
    rp_free(seg->segments);
    rp_remarks_release(&seg->remarks);
    delete seg->pixels;
    *seg = {};
}

extern "C" rp_status rp_seg_find_segment(const rp_seg *seg, const char *path_for_messages,
                                         const char *name_or_number, const rp_seg_segment **segment,
                                         rp_error *err)
{
    return guarded(path_for_messages, err, [&] {
        return choose_part(seg->segments, seg->segment_count, path_for_messages, name_or_number,
                           "segment", segment, err);
    });
}
