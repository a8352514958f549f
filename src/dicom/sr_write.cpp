/* A lesion's measurements and response as a structured report by TID 1500. */
#include "internal.hpp"
#include "keyhole.h"
#include "sr_codes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

namespace rp_dicom
{

using namespace concepts;

/** SOP class and instance by series and study: what is to be listed as evidence. */
using Instances = std::map<std::string, std::string>;
using Evidence = std::map<std::pair<std::string, std::string>, Instances>;

/** A report in the making; told gathers what it says, for the UIDs that follow from it. */
struct Report {
    const rp_sr_write_options *options;
    std::string told;
    Evidence evidence;
    bool in_space = false; /**< has points in the patient's coordinates */
    bool failed = false;   /**< some item could not be encoded */
};

/** An object referred to, and which part of it. */
struct Reference {
    std::string sop_class, sop_uid;
    int segment = 0, frame = 0; /**< from 1; 0: the whole object */
};

using Points = std::vector<rp_point2>;

/** A content item; adds its children to the same report. */
class Item
{
  public:
    Item(Report &report, DcmItem &item) : report_(report), item_(item), writer_(item)
    {
    }
    Item(Report &report, DcmItem *item) : Item(report, item ? *item : none())
    {
    }
    ~Item()
    {
        report_.failed = report_.failed || !writer_.good();
    }
    Writer &writer()
    {
        return writer_;
    }
    void code(const DcmTagKey &sequence, const Concept &c)
    {
        DcmItem *item = writer_.item(sequence);
        if (!item) return;
        Writer w(*item);
        w.put(DCM_CodeValue, c.value);
        w.put(DCM_CodingSchemeDesignator, c.scheme);
        w.put(DCM_CodeMeaning, c.meaning);
        report_.told += std::string("|") + c.value;
    }
    Item child(const char *relation, const char *type, const Concept *name)
    {
        Item item(report_, writer_.item(DCM_ContentSequence));
        item.writer_.put(DCM_RelationshipType, relation);
        item.writer_.put(DCM_ValueType, type);
        report_.told += std::string("|") + relation + ":" + type;
        if (name) item.code(DCM_ConceptNameCodeSequence, *name);
        return item;
    }
    Item container(const Concept &name, const char *template_id)
    {
        Item item = child("CONTAINS", "CONTAINER", &name);
        item.open(template_id);
        return item;
    }
    void open(const char *template_id)
    {
        writer_.put(DCM_ContinuityOfContent, "SEPARATE");
        DcmItem *item = template_id ? writer_.item(DCM_ContentTemplateSequence) : nullptr;
        if (!item) return;
        Writer w(*item);
        w.put(DCM_MappingResource, "DCMR");
        w.put(DCM_TemplateIdentifier, template_id);
    }
    Item coded(const char *relation, const Concept &name, const Concept &value)
    {
        Item item = child(relation, "CODE", &name);
        item.code(DCM_ConceptCodeSequence, value);
        return item;
    }
    void text(const char *relation, const Concept &name, const std::string &value)
    {
        value_of(child(relation, "TEXT", &name), DCM_TextValue, value);
    }
    void uid(const char *relation, const Concept &name, const std::string &value)
    {
        value_of(child(relation, "UIDREF", &name), DCM_UID, value);
    }
    void date(const char *relation, const Concept &name, const std::string &value)
    {
        value_of(child(relation, "DATE", &name), DCM_Date, value);
    }
    Item number(const char *relation, const Concept &name, double value, const Concept &unit)
    {
        Item item = child(relation, "NUM", &name);
        Item measured(report_, item.writer_.item(DCM_MeasuredValueSequence));
        value_of(measured, DCM_NumericValue, decimal_text(value));
        measured.code(DCM_MeasurementUnitsCodeSequence, unit);
        return item;
    }
    void image(const char *relation, const Concept *name, const Reference &of)
    {
        Item item = child(relation, "IMAGE", name);
        Item reference(report_, item.writer_.item(DCM_ReferencedSOPSequence));
        reference.writer_.put(DCM_ReferencedSOPClassUID, of.sop_class);
        value_of(reference, DCM_ReferencedSOPInstanceUID, of.sop_uid);
        if (of.segment > 0)
            reference.writer_.put_u16(DCM_ReferencedSegmentNumber,
                                      static_cast<unsigned>(of.segment));
        if (of.frame > 0) value_of(reference, DCM_ReferencedFrameNumber, std::to_string(of.frame));
    }
    /** Points in voxel index of the slice, on the image that shows it. */
    void line_on_image(const char *relation, const Concept *name, const Points &points,
                       const rp_dicom_series &series, int slice);
    /** The same in the patient's coordinates, whether or not an image shows that slice. The slice
     *  lies across `axis` of the grid. */
    void line_in_space(const char *relation, const Concept *name, const Points &points,
                       const rp_dicom_series &series, int slice, int axis = 2);

  private:
    /** Takes what is written after the first failure. */
    static DcmItem &none()
    {
        thread_local DcmItem item;
        return item;
    }
    void value_of(Item item, const DcmTagKey &tag, const std::string &value)
    {
        item.writer_.put(tag, value);
        report_.told += "=" + value;
    }
    void put_points(const char *type, const std::vector<float> &data);
    Report &report_;
    DcmItem &item_;
    Writer writer_;
};

static std::string class_of(const rp_dicom_series &series)
{
    const char *sop_class = series.header.sop_class_uid;
    return sop_class[0] ? sop_class : UID_CTImageStorage;
}

void Item::put_points(const char *type, const std::vector<float> &data)
{
    writer_.put(DCM_GraphicType, type);
    if (item_.putAndInsertFloat32Array(DCM_GraphicData, data.data(), data.size()).bad())
        report_.failed = true;
    for (const float value : data) report_.told += ";" + decimal_text(double(value));
}

void Item::line_on_image(const char *relation, const Concept *name, const Points &points,
                         const rp_dicom_series &series, int slice)
{
    std::vector<float> data; /* columns and rows, counted from the corner of the image */
    for (const rp_point2 &at : points)
        data.insert(data.end(), {static_cast<float>(at.x + 0.5), static_cast<float>(at.y + 0.5)});
    Item item = child(relation, "SCOORD", name);
    item.put_points("POLYLINE", data);
    const int frame = series.frame_numbers ? series.frame_numbers[slice] : 0;
    item.image("SELECTED FROM", nullptr, {class_of(series), series.sop_uids[slice], 0, frame});
}

void Item::line_in_space(const char *relation, const Concept *name, const Points &points,
                         const rp_dicom_series &series, int slice, int axis)
{
    std::vector<float> data;
    for (const rp_point2 &at : points) {
        double index[3], world[3];
        index[axis] = double(slice);
        index[axis == 0 ? 1 : 0] = at.x;
        index[axis == 2 ? 1 : 2] = at.y;
        rp_grid_to_world(&series.image.grid, index, world);
        for (const double value : world) data.push_back(static_cast<float>(value));
    }
    Item item = child(relation, "SCOORD3D", name);
    item.put_points(points.size() > 2 ? "POLYGON" : "POLYLINE", data);
    item.writer_.put(DCM_ReferencedFrameOfReferenceUID, series.header.frame_of_reference_uid);
    report_.in_space = true;
}

/** A slice that was made between the images of a series, or across them, is on none. */
static bool is_on_image(const rp_dicom_series &series, int slice)
{
    return series.sop_uids[slice][0] != 0;
}

/* ---- parts of the content ---------------------------------------------------------------- */

static void put_axis(Item &group, const rp_sr_lesion &lesion, const Concept &name, double mm,
                     const rp_point2 ends[2])
{
    Item number = group.number("CONTAINS", name, mm, millimetre);
    const rp_dicom_series &series = *lesion.series;
    const Points points = {ends[0], ends[1]};
    const int axis = rp_grid_axial_axis(&series.image.grid);
    if (axis == 2 && is_on_image(series, lesion.slice))
        number.line_on_image("INFERRED FROM", nullptr, points, series, lesion.slice);
    else if (series.header.frame_of_reference_uid[0])
        number.line_in_space("INFERRED FROM", nullptr, points, series, lesion.slice, axis);
}

/** Whether every slice of the lesion is an image. */
static bool has_images(const rp_sr_lesion &l)
{
    const rp_grid &grid = l.series->image.grid;
    const size_t plane = size_t(grid.size[0]) * size_t(grid.size[1]);
    for (int z = 0; z < grid.size[2]; z++) {
        const uint8_t *at = l.mask->data + size_t(z) * plane;
        if (!is_on_image(*l.series, z) && std::memchr(at, 1, plane)) return false;
    }
    return true;
}

static rp_status put_outlines(Item &group, const rp_sr_lesion &lesion, int z, bool in_space,
                              rp_error *err)
{
    rp_contours traced = {}, joined = {};
    rp_status status = rp_contours_trace(lesion.mask, z, &traced, err);
    if (!status) status = keyhole_join(&traced, &joined, err);
    for (size_t i = 0; !status && i < joined.count; i++) {
        const rp_contour &outline = joined.items[i];
        status = guarded("outlines", err, [&] {
            Points points(outline.points, outline.points + outline.count);
            if (outline.count) points.push_back(outline.points[0]);
            if (in_space)
                group.line_in_space("CONTAINS", &surface, points, *lesion.series, z);
            else
                group.line_on_image("CONTAINS", &region, points, *lesion.series, z);
            return RP_OK;
        });
    }
    rp_contours_release(&joined);
    rp_contours_release(&traced);
    return status;
}

static rp_status put_extent(Item &group, const rp_sr_lesion &lesion, Report &report, rp_error *err)
{
    const rp_dicom_header &h = lesion.series->header;
    rp_status status = RP_OK;
    if (lesion.segmentation_sop_uid) {
        group.image("CONTAINS", &segment,
                    {UID_SegmentationStorage, lesion.segmentation_sop_uid, lesion.segment, 0});
        report
            .evidence[{h.study_uid, lesion.segmentation_series_uid}][lesion.segmentation_sop_uid] =
            UID_SegmentationStorage;
    } else {
        const bool in_space = !has_images(lesion);
        for (int z = 0; !status && z < lesion.mask->grid.size[2]; z++)
            status = put_outlines(group, lesion, z, in_space, err);
    }
    group.uid("CONTAINS", source_series, h.series_uid);
    return status;
}

static rp_status put_group(Item &measurements, const rp_sr_lesion &lesion, Report &report,
                           rp_error *err)
{
    Item group = measurements.container(concepts::group, "1411");
    group.text("HAS OBS CONTEXT", tracking_id, lesion.tracking_id);
    group.uid("HAS OBS CONTEXT", tracking_uid, lesion.tracking_uid);
    group.coded("CONTAINS", finding, concepts::lesion);
    if (lesion.time_point) group.text("HAS OBS CONTEXT", time_point, lesion.time_point);
    const rp_status status = put_extent(group, lesion, report, err);
    if (status) return status;
    group.coded("HAS CONCEPT MOD", method, recist);
    if (lesion.site)
        group.coded("HAS CONCEPT MOD", site,
                    {lesion.site->value, lesion.site->scheme, lesion.site->meaning});
    put_axis(group, lesion, long_axis, lesion.long_axis_mm, lesion.long_axis);
    put_axis(group, lesion, short_axis, lesion.short_axis_mm, lesion.short_axis);
    group.number("CONTAINS", volume, lesion.volume_cc, cubic_centimetre);
    if (lesion.algorithm) {
        group.text("HAS CONCEPT MOD", algorithm, lesion.algorithm);
        group.text("HAS CONCEPT MOD", algorithm_version, lesion.algorithm_version);
        for (size_t i = 0; i < lesion.parameter_count; i++)
            group.text("HAS CONCEPT MOD", algorithm_parameters, lesion.parameters[i]);
    }
    return RP_OK;
}

static const Concept *response_concept(const char *code)
{
    static const struct {
        const char *code;
        const Concept *concept_;
    } all[] = {{"CR", &complete},
               {"PR", &partial},
               {"SD", &stable},
               {"PD", &progressive},
               {"NE", &not_evaluable}};
    for (const auto &one : all)
        if (std::strcmp(one.code, code) == 0) return one.concept_;
    return nullptr;
}

static void put_response(Item &root, const rp_sr_write_options &o)
{
    Item evaluations = root.container(qualitative, nullptr);
    Item item = evaluations.coded("CONTAINS", response, *response_concept(o.response));
    item.coded("HAS CONCEPT MOD", response_method, recist);
    if (std::isfinite(o.change_percent))
        item.number("HAS PROPERTIES", response_measured, o.change_percent, percent);
    if (o.rule) item.text("HAS PROPERTIES", comment, o.rule);
}

static void put_observer(Item &root)
{
    root.coded("HAS CONCEPT MOD", language, english);
    root.coded("HAS OBS CONTEXT", observer_type, device);
    root.uid("HAS OBS CONTEXT", device_uid, uid_from("Reprise " RP_VERSION));
    root.text("HAS OBS CONTEXT", device_name, "Reprise " RP_VERSION);
    root.text("HAS OBS CONTEXT", device_manufacturer, "Reprise");
    root.text("HAS OBS CONTEXT", device_model, "Reprise");
    root.coded("HAS CONCEPT MOD", procedure, ct_procedure);
}

/** The objects that hold the series' slices, in their order; an object may come more than once. */
static std::vector<const char *> objects_of(const rp_dicom_series &series)
{
    std::vector<const char *> uids;
    for (int z = 0; z < series.image.grid.size[2]; z++) uids.push_back(series.sop_uids[z]);
    for (size_t i = 0; i < series.acquired_count; i++) uids.push_back(series.acquired_uids[i]);
    uids.erase(std::remove_if(uids.begin(), uids.end(), [](const char *uid) { return !uid[0]; }),
               uids.end());
    return uids;
}

static void put_library(Item &root, Report &report, const std::vector<const rp_dicom_series *> &all)
{
    Item shelf = root.container(library, "1600");
    for (const rp_dicom_series *series : all) {
        const rp_dicom_header &h = series->header;
        Item images = shelf.container(library_group, "1601");
        images.coded("HAS ACQ CONTEXT", modality, ct);
        if (!report.options->no_dates && h.study_date[0])
            images.date("HAS ACQ CONTEXT", study_date, h.study_date);
        if (!report.options->no_dates && h.acquisition_date[0])
            images.date("HAS ACQ CONTEXT", acquisition_date, h.acquisition_date);
        if (h.frame_of_reference_uid[0])
            images.uid("HAS ACQ CONTEXT", frame_of_reference, h.frame_of_reference_uid);
        Instances &listed = report.evidence[{h.study_uid, h.series_uid}];
        for (const char *uid : objects_of(*series))
            if (listed.emplace(uid, class_of(*series)).second)
                images.image("CONTAINS", nullptr, {class_of(*series), uid, 0, 0});
    }
}

static std::vector<const rp_dicom_series *> series_of(const rp_sr_write_options &o)
{
    std::vector<const rp_dicom_series *> all = {o.series};
    for (size_t i = 0; i < o.lesion_count; i++) {
        bool known = false;
        for (const rp_dicom_series *series : all)
            known = known || std::strcmp(series->header.series_uid,
                                         o.lesions[i].series->header.series_uid) == 0;
        if (!known) all.push_back(o.lesions[i].series);
    }
    return all;
}

static rp_status put_content(Report &report, DcmItem &dataset, rp_error *err)
{
    const rp_sr_write_options &o = *report.options;
    Item root(report, dataset);
    root.writer().put(DCM_ValueType, "CONTAINER");
    root.code(DCM_ConceptNameCodeSequence, concepts::report);
    root.open("1500");
    put_observer(root);
    put_library(root, report, series_of(o));
    rp_status status = RP_OK;
    if (o.lesion_count > 0) {
        Item all = root.container(measurements, nullptr);
        for (size_t i = 0; !status && i < o.lesion_count; i++)
            status = put_group(all, o.lesions[i], report, err);
    }
    if (status) return status;
    if (o.response) put_response(root, o);
    std::string words = o.comment ? o.comment : "";
    if (o.label && *o.label) words += (words.empty() ? "Data: " : " Data: ") + std::string(o.label);
    if (!words.empty()) root.text("CONTAINS", comment, words);
    return RP_OK;
}

/* ---- modules ----------------------------------------------------------------------------- */

static void put_general(Writer &w, DcmItem &dataset, Report &report)
{
    const rp_sr_write_options &o = *report.options;
    rp_dicom_header h = o.series->header;
    const std::string label = o.label ? o.label : "";
    const std::string seed = std::string(o.uid_seed ? o.uid_seed : "") + "|" + h.series_uid + "|" +
                             h.patient_id + "|" + label + report.told;
    w.put_raw(DCM_SpecificCharacterSet, "ISO_IR 192");
    w.put(DCM_SOPClassUID,
          report.in_space ? UID_Comprehensive3DSRStorage : UID_ComprehensiveSRStorage);
    w.put(DCM_SOPInstanceUID, uid_from(seed + "|sr"));
    put_patient_and_study(w, h);
    put_series(w, "SR", "Measurements" + appended(o.label), uid_from(seed + "|sr series"));
    w.put(DCM_InstanceNumber, "1");
    w.put(DCM_CompletionFlag, "COMPLETE");
    w.put(DCM_PreliminaryFlag, "PRELIMINARY");
    w.put(DCM_VerificationFlag, "UNVERIFIED");
    w.put(DCM_ContentDate, h.study_date[0] ? h.study_date : "19000101");
    w.put(DCM_ContentTime, h.study_date[0] && h.study_time[0] ? h.study_time : "000000");
    /* sequences that have to be there, though nothing is in them */
    for (const DcmTagKey &tag :
         {DCM_ReferencedPerformedProcedureStepSequence, DCM_PerformedProcedureCodeSequence})
        if (dataset.insertEmptyElement(tag).bad()) report.failed = true;
}

/** The report's own study first, for what was made for it; all others beside it. */
static bool put_evidence(Writer &w, const Report &report, bool own)
{
    const std::string mine = report.options->series->header.study_uid;
    std::string study_uid;
    DcmItem *study = nullptr;
    for (const auto &[where, instances] : report.evidence) {
        if ((where.first == mine) != own) continue;
        if (!study || study_uid != where.first) {
            study = w.item(own ? DCM_CurrentRequestedProcedureEvidenceSequence
                               : DCM_PertinentOtherEvidenceSequence);
            if (!study) return false;
            study_uid = where.first;
            Writer(*study).put(DCM_StudyInstanceUID, study_uid);
        }
        Writer inner(*study);
        DcmItem *series = inner.item(DCM_ReferencedSeriesSequence);
        if (!series) return false;
        Writer listed(*series);
        listed.put(DCM_SeriesInstanceUID, where.second);
        for (const auto &[sop_uid, sop_class] : instances) {
            DcmItem *reference = listed.item(DCM_ReferencedSOPSequence);
            if (!reference) return false;
            Writer r(*reference);
            r.put(DCM_ReferencedSOPClassUID, sop_class);
            r.put(DCM_ReferencedSOPInstanceUID, sop_uid);
        }
    }
    return w.good();
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status check_series(const char *path, const rp_dicom_series &series, rp_error *err)
{
    const bool known = series.header.series_uid[0] && series.header.study_uid[0] && series.sop_uids;
    if (!known || objects_of(series).empty())
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: the series or its slices have no UID that a report could refer to",
                       path);
    std::set<std::pair<std::string, int>> seen;
    for (int z = 0; z < series.image.grid.size[2]; z++) {
        const int frame = series.frame_numbers ? series.frame_numbers[z] : 0;
        if (is_on_image(series, z) && !seen.emplace(series.sop_uids[z], frame).second)
            return rp_fail(err, RP_ERR_UNSUPPORTED,
                           "%s: two slices of the series bear one UID: a report could not tell "
                           "them apart",
                           path);
    }
    return RP_OK;
}

static rp_status check_lesion(const char *path, const rp_sr_lesion &l, rp_error *err)
{
    const rp_status status = check_series(path, *l.series, err);
    if (status) return status;
    const char *wrong = nullptr;
    if (!l.tracking_id || !l.tracking_uid)
        wrong = "a lesion without tracking identifier";
    else if (const rp_grid &g = l.series->image.grid;
             l.slice < 0 || l.slice >= g.size[rp_grid_axial_axis(&g)])
        wrong = "a lesion measured outside the series";
    else if (!(l.long_axis_mm > 0) || !(l.short_axis_mm > 0) || !(l.volume_cc > 0))
        wrong = "a lesion of no extent";
    else if (!l.segmentation_sop_uid != !l.segmentation_series_uid ||
             (l.segmentation_sop_uid && l.segment < 1))
        wrong = "a segmentation without its series or segment";
    else if (!l.segmentation_sop_uid && !l.mask)
        wrong = "a lesion with neither mask nor segment";
    else if (!l.segmentation_sop_uid && !rp_grid_same(&l.series->image.grid, &l.mask->grid, 0.01))
        wrong = "a mask that is not on the grid of its series";
    else if (!l.algorithm != !l.algorithm_version)
        wrong = "an algorithm without version";
    if (wrong) return rp_fail(err, RP_ERR_ARGUMENT, "%s: %s cannot be reported", path, wrong);
    if (!l.segmentation_sop_uid && !l.series->header.frame_of_reference_uid[0] && !has_images(l))
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: the lesion lies on slices that are no images of the series, which "
                       "names no frame of reference",
                       path);
    return RP_OK;
}

static rp_status check_input(const char *path, const rp_sr_write_options &o, rp_error *err)
{
    rp_status status = check_series(path, *o.series, err);
    for (size_t i = 0; !status && i < o.lesion_count; i++)
        status = check_lesion(path, o.lesions[i], err);
    if (status) return status;
    if (o.response && !response_concept(o.response))
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: no response is called %s", path, o.response);
    if (!o.response && o.lesion_count == 0)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: there is nothing to report", path);
    return RP_OK;
}

static rp_status write_report(const char *path, const rp_sr_write_options &options, rp_error *err)
{
    Report report = {};
    report.options = &options;
    DcmFileFormat format;
    DcmItem &dataset = *format.getDataset();
    rp_status status = prepare(err);
    if (!status) status = check_input(path, options, err);
    if (!status) status = put_content(report, dataset, err);
    if (status) return status;
    Writer writer(dataset);
    put_general(writer, dataset, report);
    if (!put_evidence(writer, report, true) || !put_evidence(writer, report, false) ||
        !writer.good() || report.failed)
        return rp_fail(err, RP_ERR_FORMAT, "%s: cannot be encoded: %s", path, writer.problem());
    return save_object(path, format, err);
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" void rp_sr_tracking_uid(const char *seed, char uid[RP_DICOM_UID])
{
    copy_text(uid, RP_DICOM_UID, uid_from(std::string("tracking|") + seed));
}

extern "C" rp_status rp_sr_write(const char *path, const rp_sr_write_options *options,
                                 rp_error *err)
{
    return guarded(path, err, [&] { return write_report(path, *options, err); });
}
