/* RTSTRUCT as it stands in the file: names, numbers, contours, references. */
#include "choose.hpp"

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
    std::string name;
    std::vector<Contour> contours;
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

static void read_references(DcmItem &dataset, rp_rtstruct &rtstruct)
{
    for (DcmItem *frame : items_of(dataset, DCM_ReferencedFrameOfReferenceSequence)) {
        const std::string uid = text_of(*frame, DCM_FrameOfReferenceUID);
        if (!uid.empty()) copy_text(rtstruct.header.frame_of_reference_uid, uid);
        for (DcmItem *study : items_of(*frame, DCM_RTReferencedStudySequence))
            for (DcmItem *series : items_of(*study, DCM_RTReferencedSeriesSequence)) {
                copy_text(rtstruct.referenced_series_uid, text_of(*series, DCM_SeriesInstanceUID));
                if (rtstruct.referenced_series_uid[0]) return;
            }
    }
}

static rp_status read_contour(const char *path, DcmItem &item, const Roi &roi, Contour &contour,
                              rp_error *err)
{
    contour.type = text_of(item, DCM_ContourGeometricType);
    for (DcmItem *image : items_of(item, DCM_ContourImageSequence))
        contour.sop_uid = text_of(*image, DCM_ReferencedSOPInstanceUID);
    const std::string data = text_of(item, DCM_ContourData);
    if (!data.empty() && !parse_numbers(data, contour.points))
        return rp_fail(err, RP_ERR_FORMAT, "%s: ROI number %d: ContourData holds what is no number",
                       path, roi.number);
    if (contour.points.size() % 3 != 0)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: ROI number %d: ContourData holds %zu numbers, not whole points", path,
                       roi.number, contour.points.size());
    return RP_OK;
}

static rp_status read_rois(const char *path, DcmItem &dataset, std::vector<Roi> &rois,
                           rp_error *err)
{
    std::map<int, size_t> by_number;
    for (DcmItem *item : items_of(dataset, DCM_StructureSetROISequence)) {
        double number = 0;
        if (number_of(*item, DCM_ROINumber, number) != Presence::ok || std::abs(number) > 1e9)
            return rp_fail(err, RP_ERR_FORMAT, "%s: an ROI without a number", path);
        Roi roi;
        roi.number = int(number);
        roi.name = text_of(*item, DCM_ROIName);
        if (!by_number.emplace(roi.number, rois.size()).second)
            return rp_fail(err, RP_ERR_FORMAT, "%s: two ROIs have the number %d", path, roi.number);
        rois.push_back(roi);
    }
    for (DcmItem *item : items_of(dataset, DCM_ROIContourSequence)) {
        double number = 0;
        if (number_of(*item, DCM_ReferencedROINumber, number) != Presence::ok) number = 1e10;
        const auto found = std::abs(number) > 1e9 ? by_number.end() : by_number.find(int(number));
        if (found == by_number.end())
            return rp_fail(err, RP_ERR_FORMAT, "%s: contours that belong to no ROI", path);
        Roi &roi = rois[found->second];
        for (DcmItem *contour : items_of(*item, DCM_ContourSequence)) {
            roi.contours.emplace_back();
            rp_status status = read_contour(path, *contour, roi, roi.contours.back(), err);
            if (status) return status;
        }
    }
    return RP_OK;
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
static void fill_rois(const std::vector<Roi> &rois, rp_rtstruct &to)
{
    to.rois = zeroed<rp_roi>(rois.size());
    for (const Roi &from : rois) {
        rp_roi &roi = to.rois[to.roi_count++];
        roi.number = from.number;
        copy_text(roi.name, from.name);
        roi.contours = zeroed<rp_roi_contour>(from.contours.size());
        for (const Contour &contour : from.contours)
            fill_contour(contour, roi.contours[roi.contour_count++]);
    }
}

static rp_status read_rtstruct(const char *path, rp_rtstruct &rtstruct, rp_error *err)
{
    DcmFileFormat format;
    rp_status status = prepare(err);
    if (!status) status = load_rtstruct(path, format, err);
    if (status) return status;
    DcmDataset &dataset = *format.getDataset();
    std::vector<Roi> rois;
    read_header(dataset, rtstruct.header);
    read_references(dataset, rtstruct);
    status = read_rois(path, dataset, rois, err);
    if (status) return status;
    if (rois.empty()) return rp_fail(err, RP_ERR_FORMAT, "%s: RTSTRUCT without any ROI", path);
    fill_rois(rois, rtstruct);
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
    *rtstruct = {};
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
