/* A mask as an RTSTRUCT that refers to the slices of its series. */
#include "internal.hpp"
#include "keyhole.h"

#include <cstring>

namespace rp_dicom
{

struct Outline {
    int slice;
    size_t points;
    std::string data; /**< ContourData */
};

/** What is written, and the UIDs that follow from it. */
struct Content {
    const rp_dicom_series *series;
    rp_dicom_header header;
    std::string roi_name, label, made, description, algorithm, date, time, seed;
    std::vector<Outline> outlines;
    std::string series_uid, sop_uid;
};

static std::string text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

/** The caller's words, and what was done to the image. */
static std::string described(const char *description, const rp_dicom_repair &repair)
{
    char text[512];
    rp_dicom_repair_text(&repair, text);
    const std::string words = text_or(description, "");
    if (!text[0]) return words;
    return (words.empty() ? "" : words + ". ") + "Of the image, " + text;
}

static Outline outline_of(const rp_grid &grid, const rp_contour &contour, int slice)
{
    Outline outline = {slice, contour.count, ""};
    for (size_t i = 0; i < contour.count; i++) {
        const double index[3] = {contour.points[i].x, contour.points[i].y, double(slice)};
        double at[3];
        rp_grid_to_world(&grid, index, at);
        for (const double value : at)
            outline.data += (outline.data.empty() ? "" : "\\") + decimal_text(value);
    }
    return outline;
}

static rp_status trace_slice(const rp_mask &mask, int z, std::vector<Outline> &outlines,
                             rp_error *err)
{
    rp_contours traced = {}, joined = {};
    rp_status status = rp_contours_trace(&mask, z, &traced, err);
    if (!status) status = keyhole_join(&traced, &joined, err);
    if (!status)
        status = guarded("contours", err, [&] {
            for (size_t i = 0; i < joined.count; i++)
                outlines.push_back(outline_of(mask.grid, joined.items[i], z));
            return RP_OK;
        });
    rp_contours_release(&joined);
    rp_contours_release(&traced);
    return status;
}

/** UIDs from the seed and everything else that is written. */
static void make_uids(Content &c)
{
    std::string all = c.seed + c.made;
    const rp_dicom_header &h = c.header;
    for (const std::string &part : {std::string(h.series_uid), std::string(h.study_uid), c.roi_name,
                                    c.label, c.description, c.algorithm, c.date, c.time})
        all += "|" + part;
    for (const Outline &outline : c.outlines)
        all += "|" + std::to_string(outline.slice) + ":" + outline.data;
    if (!c.header.study_uid[0]) copy_text(c.header.study_uid, uid_from(all + "|study"));
    if (!c.header.frame_of_reference_uid[0])
        copy_text(c.header.frame_of_reference_uid, uid_from(all + "|frame of reference"));
    c.series_uid = uid_from(all + "|rtstruct series");
    c.sop_uid = uid_from(all + "|rtstruct");
}

/* ---- modules ----------------------------------------------------------------------------- */

static void put_general(Writer &w, const Content &c)
{
    /* the ROI's name and description may need it even where the patient's do not */
    w.put_raw(DCM_SpecificCharacterSet, "ISO_IR 192");
    w.put(DCM_SOPClassUID, UID_RTStructureSetStorage);
    w.put(DCM_SOPInstanceUID, c.sop_uid);
    put_patient_and_study(w, c.header);
    put_series(w, "RTSTRUCT", "Contours" + c.made, c.series_uid);
    w.put(DCM_OperatorsName, "");
    w.put(DCM_FrameOfReferenceUID, c.header.frame_of_reference_uid);
    w.put(DCM_PositionReferenceIndicator, "");
    w.put(DCM_StructureSetLabel, c.label);
    if (!c.description.empty()) w.put(DCM_StructureSetDescription, c.description);
    w.put(DCM_StructureSetDate, c.date);
    w.put(DCM_StructureSetTime, c.time);
    w.put(DCM_ApprovalStatus, "UNAPPROVED");
}

static bool put_image_reference(Writer &w, const Content &c, const char *uid, int frame)
{
    return with_item(w, DCM_ContourImageSequence, [&](Writer &image) {
        const char *sop_class = c.header.sop_class_uid;
        image.put(DCM_ReferencedSOPClassUID, sop_class[0] ? sop_class : UID_CTImageStorage);
        image.put(DCM_ReferencedSOPInstanceUID, uid);
        if (frame > 0) image.put(DCM_ReferencedFrameNumber, std::to_string(frame));
        return true;
    });
}

/** A slice that was interpolated is no image to refer to. */
static bool put_slice_reference(Writer &w, const Content &c, int slice)
{
    const rp_dicom_series &series = *c.series;
    if (!series.sop_uids[slice][0]) return true;
    return put_image_reference(w, c, series.sop_uids[slice],
                               series.frame_numbers ? series.frame_numbers[slice] : 0);
}

/** Every object of the series. */
static bool put_object_references(Writer &w, const Content &c)
{
    const rp_dicom_series &series = *c.series;
    bool good = true;
    for (size_t i = 0; good && i < series.acquired_count; i++)
        good = put_image_reference(w, c, series.acquired_uids[i], 0);
    for (int z = 0; good && !series.acquired_count && z < series.image.grid.size[2]; z++)
        good = put_slice_reference(w, c, z);
    return good;
}

static bool put_references(Writer &w, const Content &c)
{
    return with_item(w, DCM_ReferencedFrameOfReferenceSequence, [&](Writer &frame) {
        frame.put(DCM_FrameOfReferenceUID, c.header.frame_of_reference_uid);
        return with_item(frame, DCM_RTReferencedStudySequence, [&](Writer &study) {
            study.put(DCM_ReferencedSOPClassUID, UID_RETIRED_DetachedStudyManagementSOPClass);
            study.put(DCM_ReferencedSOPInstanceUID, c.header.study_uid);
            return with_item(study, DCM_RTReferencedSeriesSequence, [&](Writer &series) {
                series.put(DCM_SeriesInstanceUID, c.header.series_uid);
                return put_object_references(series, c);
            });
        });
    });
}

static bool put_contours(Writer &w, const Content &c)
{
    return with_item(w, DCM_ROIContourSequence, [&](Writer &roi) {
        roi.put_raw(DCM_ROIDisplayColor, "255\\64\\64");
        roi.put(DCM_ReferencedROINumber, "1");
        int number = 0;
        for (const Outline &outline : c.outlines) {
            const bool good = with_item(roi, DCM_ContourSequence, [&](Writer &contour) {
                contour.put(DCM_ContourNumber, std::to_string(++number));
                contour.put(DCM_ContourGeometricType, "CLOSED_PLANAR");
                contour.put(DCM_NumberOfContourPoints, std::to_string(outline.points));
                contour.put_raw(DCM_ContourData, outline.data);
                return put_slice_reference(contour, c, outline.slice);
            });
            if (!good) return false;
        }
        return true;
    });
}

static bool put_roi(Writer &w, const Content &c)
{
    const bool listed = with_item(w, DCM_StructureSetROISequence, [&](Writer &roi) {
        roi.put(DCM_ROINumber, "1");
        roi.put(DCM_ReferencedFrameOfReferenceUID, c.header.frame_of_reference_uid);
        roi.put(DCM_ROIName, c.roi_name);
        roi.put(DCM_ROIGenerationAlgorithm, c.algorithm);
        return true;
    });
    return listed && with_item(w, DCM_RTROIObservationsSequence, [](Writer &observation) {
               observation.put(DCM_ObservationNumber, "1");
               observation.put(DCM_ReferencedROINumber, "1");
               observation.put(DCM_RTROIInterpretedType, "GTV");
               observation.put(DCM_ROIInterpreter, "");
               return true;
           });
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status write_rtstruct(const char *path, const rp_dicom_series &series,
                                const rp_mask &mask, const rp_rtstruct_write_options &options,
                                rp_error *err)
{
    Content c = {};
    c.series = &series;
    c.header = series.header;
    c.roi_name = text_or(options.roi_name, "Lesion");
    c.label = text_or(options.structure_set_label, "REPRISE");
    c.description = described(options.description, series.repair);
    c.made = appended(options.label);
    c.algorithm = text_or(options.algorithm, "");
    c.seed = text_or(options.uid_seed, "");
    const std::string created = text_or(options.created, "");
    c.date = created.substr(0, 8);
    c.time = created.size() > 8 ? created.substr(8) : "";
    rp_status status = prepare(err);
    if (!status) status = check_mask_to_write(path, series, mask, "an RTSTRUCT", err);
    for (int z = 0; !status && z < mask.grid.size[2]; z++)
        status = trace_slice(mask, z, c.outlines, err);
    if (status) return status;
    make_uids(c);
    DcmFileFormat format;
    Writer writer(*format.getDataset());
    put_general(writer, c);
    if (!put_references(writer, c) || !put_roi(writer, c) || !put_contours(writer, c) ||
        !writer.good())
        return rp_fail(err, RP_ERR_FORMAT, "%s: cannot be encoded: %s", path, writer.problem());
    return save_object(path, format, err);
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_rtstruct_write(const char *path, const rp_dicom_series *series,
                                       const rp_mask *mask,
                                       const rp_rtstruct_write_options *options, rp_error *err)
{
    const rp_rtstruct_write_options defaults = {};
    return guarded(path, err, [&] {
        return write_rtstruct(path, *series, *mask, options ? *options : defaults, err);
    });
}
