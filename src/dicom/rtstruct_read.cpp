/* RTSTRUCT as it stands in the file: names, numbers, contours, references. */
#include "choose.hpp"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <map>

namespace rp_dicom
{

struct Contour {
    std::vector<double> points;
    std::string type, sop_uid;
};

struct Roi {
    int number = 0;
    std::string name, frame, fault;
    std::vector<Contour> contours;
};

/** What the file holds, before it moves into the C interface. */
struct Content {
    std::vector<Roi> rois;
    std::vector<rp_rtstruct_frame> frames;
    size_t stray = 0; /**< lists of contours that belong to no ROI */
};

static rp_status load_rtstruct(const char *path, DcmFileFormat &format, rp_error *err)
{
    if (!rp_path_exists(path)) return rp_fail(err, RP_ERR_IO, "%s: no such file", path);
    if (!looks_like_dicom(path)) return rp_fail(err, RP_ERR_FORMAT, "%s: not a DICOM file", path);
    const OFCondition loaded = load_whole(path, format);
    if (loaded.bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: truncated or damaged (%s)", path, loaded.text());
    const std::string modality = text_of(*format.getDataset(), DCM_Modality);
    if (text_of(*format.getDataset(), DCM_SOPClassUID) != UID_RTStructureSetStorage)
        return rp_fail(err, RP_ERR_FORMAT, "%s: not an RTSTRUCT (modality %s)", path,
                       modality.empty() ? "missing" : modality.c_str());
    return RP_OK;
}

static void read_references(DcmItem &dataset, std::vector<rp_rtstruct_frame> &frames)
{
    for (DcmItem *frame : items_of(dataset, DCM_ReferencedFrameOfReferenceSequence)) {
        rp_rtstruct_frame found = {};
        copy_text(found.uid, text_of(*frame, DCM_FrameOfReferenceUID));
        for (DcmItem *study : items_of(*frame, DCM_RTReferencedStudySequence))
            for (DcmItem *series : items_of(*study, DCM_RTReferencedSeriesSequence))
                if (!found.series_uid[0])
                    copy_text(found.series_uid, text_of(*series, DCM_SeriesInstanceUID));
        frames.push_back(found);
    }
}

static void note_fault(Roi &roi, const std::string &fault)
{
    if (roi.fault.empty()) roi.fault = fault;
}

static void read_contour(DcmItem &item, Roi &roi)
{
    Contour contour;
    contour.type = text_of(item, DCM_ContourGeometricType);
    for (DcmItem *image : items_of(item, DCM_ContourImageSequence))
        contour.sop_uid = text_of(*image, DCM_ReferencedSOPInstanceUID);
    const std::string data = text_of(item, DCM_ContourData);
    if (!data.empty() && !parse_numbers(data, contour.points)) {
        note_fault(roi, "ContourData holds what is no number");
        contour.points.clear();
    } else if (contour.points.size() % 3 != 0) {
        note_fault(roi, "ContourData holds " + std::to_string(contour.points.size()) +
                            " numbers, not whole points");
        contour.points.clear();
    }
    roi.contours.push_back(std::move(contour));
}

/** An ROI without a number gets one that no file can have. */
static void read_structure(DcmItem &item, const Charset &outer, Content &content, bool &guessed)
{
    Charset set(item, outer);
    double number = 0;
    Roi roi;
    roi.name = set.text(item, DCM_ROIName);
    roi.frame = text_of(item, DCM_ReferencedFrameOfReferenceUID);
    guessed = guessed || set.guessed();
    if (number_of(item, DCM_ROINumber, number) == Presence::ok && std::abs(number) <= 1e9) {
        roi.number = int(number);
    } else {
        roi.number = INT_MIN + int(content.rois.size());
        note_fault(roi, "it has no number that contours could refer to");
    }
    content.rois.push_back(roi);
}

static void read_rois(DcmItem &dataset, Content &content, bool &guessed)
{
    const Charset outer(dataset);
    std::map<int, size_t> by_number;
    for (DcmItem *item : items_of(dataset, DCM_StructureSetROISequence))
        read_structure(*item, outer, content, guessed);
    for (size_t i = 0; i < content.rois.size(); i++) {
        const auto placed = by_number.emplace(content.rois[i].number, i);
        if (placed.second) continue;
        for (const size_t twin : {i, placed.first->second})
            note_fault(content.rois[twin], "another ROI has the same number");
    }
    for (DcmItem *item : items_of(dataset, DCM_ROIContourSequence)) {
        double number = 0;
        if (number_of(*item, DCM_ReferencedROINumber, number) != Presence::ok) number = 1e10;
        const auto found = std::abs(number) > 1e9 ? by_number.end() : by_number.find(int(number));
        if (found == by_number.end()) {
            content.stray++;
            continue;
        }
        for (DcmItem *contour : items_of(*item, DCM_ContourSequence))
            read_contour(*contour, content.rois[found->second]);
    }
}

/* ---- what is odd ------------------------------------------------------------------------- */

static void remark(const Content &content, bool guessed, rp_remarks &remarks)
{
    size_t faulty = 0;
    for (const Roi &roi : content.rois) faulty += !roi.fault.empty();
    for (const Roi &roi : content.rois) {
        if (roi.fault.empty()) continue;
        rp_remark_add(&remarks, "rois_unreadable",
                      "Of the file's %zu ROIs %zu cannot be used; the first is \"%s\": %s.",
                      content.rois.size(), faulty, roi.name.c_str(), roi.fault.c_str());
        break;
    }
    if (content.stray)
        rp_remark_add(&remarks, "contours_without_roi",
                      "Lists of contours that belong to no ROI of the file were passed over: %zu.",
                      content.stray);
    if (guessed) remark_guessed_names("ROIs", remarks);
}

/* ---- into the C structs ------------------------------------------------------------------------
 */

template <class T> static T *zeroed(size_t count)
{
    T *block = static_cast<T *>(rp_alloc(count, sizeof(T)));
    if (!block) throw std::bad_alloc();
    return block;
}

static void fill_contour(const Contour &from, rp_roi_contour &to)
{
    to.points = zeroed<double[3]>(from.points.size() / 3);
    to.count = from.points.size() / 3;
    if (to.count) memcpy(to.points, from.points.data(), from.points.size() * sizeof(double));
    copy_text(to.geometric_type, from.type);
    copy_text(to.sop_uid, from.sop_uid);
}

/** Counts grow with what is filled, so that release finds a sound object after a failure. */
static void hand_over(const Content &content, rp_rtstruct &to)
{
    to.frames = zeroed<rp_rtstruct_frame>(content.frames.size());
    for (const rp_rtstruct_frame &frame : content.frames) to.frames[to.frame_count++] = frame;
    to.rois = zeroed<rp_roi>(content.rois.size());
    for (const Roi &from : content.rois) {
        rp_roi &roi = to.rois[to.roi_count++];
        roi.number = from.number;
        copy_text(roi.name, from.name);
        copy_text(roi.frame_of_reference_uid, from.frame);
        copy_text(roi.fault, from.fault);
        roi.contours = zeroed<rp_roi_contour>(from.contours.size());
        for (const Contour &contour : from.contours)
            fill_contour(contour, roi.contours[roi.contour_count++]);
    }
}

/** The first frame that a series lies in; of an object without any, the object's own. */
static void take_first_frame(const Content &content, rp_rtstruct &rtstruct)
{
    for (const rp_rtstruct_frame &frame : content.frames) {
        if (frame.uid[0]) copy_text(rtstruct.header.frame_of_reference_uid, frame.uid);
        copy_text(rtstruct.referenced_series_uid, frame.series_uid);
        if (frame.series_uid[0]) return;
    }
}

static rp_status read_rtstruct(const char *path, rp_rtstruct &rtstruct, rp_error *err)
{
    DcmFileFormat format;
    rp_status status = prepare(err);
    if (!status) status = load_rtstruct(path, format, err);
    if (status) return status;
    DcmDataset &dataset = *format.getDataset();
    Content content;
    bool guessed = false;
    read_header(dataset, rtstruct.header);
    read_references(dataset, content.frames);
    take_first_frame(content, rtstruct);
    read_rois(dataset, content, guessed);
    if (content.rois.empty())
        return rp_fail(err, RP_ERR_FORMAT, "%s: RTSTRUCT without any ROI", path);
    remark(content, guessed, rtstruct.remarks);
    hand_over(content, rtstruct);
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" bool rp_rtstruct_probe(const char *path)
{
    return sop_class_of(path) == UID_RTStructureSetStorage;
}

extern "C" rp_status rp_rtstruct_read(const char *path, rp_rtstruct *rtstruct, rp_error *err)
{
    *rtstruct = {};
    const rp_status status =
        guarded(path, err, [&] { return read_rtstruct(path, *rtstruct, err); });
    if (status) rp_rtstruct_release(rtstruct);
    return status;
}

extern "C" void rp_rtstruct_release(rp_rtstruct *rtstruct)
{
    for (size_t i = 0; rtstruct->rois && i < rtstruct->roi_count; i++) {
        rp_roi &roi = rtstruct->rois[i];
        for (size_t c = 0; roi.contours && c < roi.contour_count; c++)
            rp_free(roi.contours[c].points);
        rp_free(roi.contours);
    }
    rp_free(rtstruct->rois);
    rp_free(rtstruct->frames);
    rp_remarks_release(&rtstruct->remarks);
    *rtstruct = {};
}

extern "C" bool rp_rtstruct_frame_of(const rp_rtstruct *rtstruct, const rp_roi *roi,
                                     const char *wanted_frame, rp_rtstruct_frame *frame)
{
    const bool told = roi->frame_of_reference_uid[0] != 0;
    const char *wanted = told ? roi->frame_of_reference_uid : wanted_frame;
    *frame = {};
    for (size_t i = 0; i < rtstruct->frame_count; i++) {
        *frame = rtstruct->frames[i];
        if (strcmp(frame->uid, wanted) == 0) return told;
    }
    *frame = {};
    if (told) {
        copy_text(frame->uid, wanted);
        return true;
    }
    copy_text(frame->uid, rtstruct->header.frame_of_reference_uid);
    copy_text(frame->series_uid, rtstruct->referenced_series_uid);
    return false;
}

extern "C" rp_status rp_rtstruct_find_roi(const rp_rtstruct *rtstruct,
                                          const char *path_for_messages, const char *name_or_number,
                                          const rp_roi **roi, rp_error *err)
{
    return guarded(path_for_messages, err, [&] {
        return choose_part(rtstruct->rois, rtstruct->roi_count, path_for_messages, name_or_number,
                           "ROI", roi, err);
    });
}
