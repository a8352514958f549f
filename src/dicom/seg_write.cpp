/* A mask as a binary Segmentation object that refers to the slices of its series. */
#include "regions.hpp"
#include "seg.hpp"

namespace rp_dicom
{

/* Of PS3.16: CID 7150, 7159, 7162, 7202 and 7203. */
struct Code {
    const char *value, *scheme, *meaning;
};
static const Code category = {"49755003", "SCT", "Morphologically Abnormal Structure"};
static const Code type = {"52988006", "SCT", "Lesion"};
static const Code family = {"123110", "DCM", "Artificial Intelligence"};
static const Code purpose = {"121322", "DCM", "Source image for image processing operation"};
static const Code derivation = {"113076", "DCM", "Segmentation"};

/* The red of the RTSTRUCT, sRGB 255, 64, 64, as CIELab (PS3.3, C.10.7.1.1: L* of 0..100 and a*, b*
 * of -128..127 as 0..65535; D50): L* 58.3, a* 71.5, b* 46.7. */
static const std::vector<Uint16> red = {38181, 51269, 44895};

/** What is written, and the UIDs that follow from it. */
struct SegToWrite {
    const rp_dicom_series *series;
    rp_dicom_header header;
    std::string label, made, description, algorithm, date, time, seed;
    const Region *region;
    std::vector<int> slices; /**< those with a frame */
    std::vector<Uint8> bits; /**< of all frames */
    std::string series_uid, sop_uid, dimension_uid;
};

/* ContentDate may not be empty. Of a series without a date: no day on which a CT was made. */
static const char *const no_date = "19000101";

static std::string text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static bool is_date(const std::string &text)
{
    return text.size() == 8 && text.find_first_not_of("0123456789") == std::string::npos;
}

static std::string day_of(const rp_dicom_header &header)
{
    for (const char *date : {header.acquisition_date, header.study_date})
        if (is_date(date)) return date;
    return no_date;
}

/* ---- content ----------------------------------------------------------------------------- */

/** Frames of the slices that hold any of the mask, one bit a pixel, without gaps. */
static void pack(const rp_mask &mask, SegToWrite &w)
{
    const size_t pixels = size_t(mask.grid.size[0]) * size_t(mask.grid.size[1]);
    for (int z = 0; z < mask.grid.size[2]; z++) {
        const uint8_t *slice = mask.data + size_t(z) * pixels;
        bool any = false;
        for (size_t i = 0; i < pixels && !any; i++) any = slice[i] != 0;
        if (!any) continue;
        const size_t start = w.slices.size() * pixels;
        w.slices.push_back(z);
        w.bits.resize((start + pixels + 7) / 8);
        for (size_t i = 0; i < pixels; i++)
            if (slice[i]) {
                Uint8 &byte = w.bits[(start + i) >> 3];
                byte = Uint8(byte | 1U << ((start + i) & 7));
            }
    }
    if (w.bits.size() % 2) w.bits.push_back(0);
}

/** From the seed and everything else that is written. */
static void make_uids(SegToWrite &w)
{
    char hash[RP_SHA256_HEX];
    rp_dicom_header &h = w.header;
    rp_sha256(w.bits.data(), w.bits.size(), hash);
    std::string all = w.seed + w.made;
    for (const std::string &part :
         {std::string(h.series_uid), std::string(h.study_uid), w.label, w.description, w.algorithm,
          std::string(w.region ? w.region->code : ""), w.date, w.time, std::string(hash)})
        all += "|" + part;
    for (const int z : w.slices) all += "|" + std::string(w.series->sop_uids[z]);
    if (!h.study_uid[0]) copy_text(h.study_uid, uid_from(all + "|study"));
    if (!h.frame_of_reference_uid[0])
        copy_text(h.frame_of_reference_uid, uid_from(all + "|frame of reference"));
    w.series_uid = uid_from(all + "|segmentation series");
    w.sop_uid = uid_from(all + "|segmentation");
    w.dimension_uid = uid_from(all + "|dimensions");
}

/* ---- modules ----------------------------------------------------------------------------- */

static bool put_code(Writer &w, const DcmTagKey &sequence, const Code &code)
{
    return with_item(w, sequence, [&](Writer &item) {
        item.put(DCM_CodeValue, code.value);
        item.put(DCM_CodingSchemeDesignator, code.scheme);
        item.put(DCM_CodeMeaning, code.meaning);
        return true;
    });
}

static void put_general(Writer &w, const SegToWrite &s)
{
    w.put_raw(DCM_SpecificCharacterSet, "ISO_IR 192");
    w.put_raw(DCM_ImageType, "DERIVED\\PRIMARY");
    w.put(DCM_SOPClassUID, UID_SegmentationStorage);
    w.put(DCM_SOPInstanceUID, s.sop_uid);
    put_patient_and_study(w, s.header);
    w.put(DCM_SeriesDate, s.date);
    w.put(DCM_ContentDate, s.date);
    w.put(DCM_SeriesTime, s.time);
    w.put(DCM_ContentTime, s.time);
    put_series(w, "SEG", "Segmentation" + s.made, s.series_uid);
    w.put(DCM_DeviceSerialNumber, "0");
    w.put(DCM_InstanceNumber, "1");
    w.put(DCM_FrameOfReferenceUID, s.header.frame_of_reference_uid);
    w.put(DCM_PositionReferenceIndicator, "");
    w.put(DCM_ContentLabel, "LESION");
    w.put(DCM_ContentDescription, s.description);
    w.put(DCM_ContentCreatorName, "");
}

static void put_pixels(Writer &w, const SegToWrite &s)
{
    const rp_grid &grid = s.series->image.grid;
    w.put_u16(DCM_SamplesPerPixel, 1);
    w.put(DCM_PhotometricInterpretation, "MONOCHROME2");
    w.put(DCM_NumberOfFrames, std::to_string(s.slices.size()));
    w.put_u16(DCM_Rows, unsigned(grid.size[1]));
    w.put_u16(DCM_Columns, unsigned(grid.size[0]));
    w.put_u16(DCM_BitsAllocated, 1);
    w.put_u16(DCM_BitsStored, 1);
    w.put_u16(DCM_HighBit, 0);
    w.put_u16(DCM_PixelRepresentation, 0);
    w.put(DCM_LossyImageCompression, "00");
    w.put(DCM_SegmentationType, "BINARY");
    w.put_bytes(DCM_PixelData, s.bits);
}

static bool put_segment(Writer &w, const SegToWrite &s)
{
    return with_item(w, DCM_SegmentSequence, [&](Writer &segment) {
        segment.put_u16(DCM_SegmentNumber, 1);
        segment.put(DCM_SegmentLabel, s.label);
        if (!s.description.empty()) segment.put(DCM_SegmentDescription, s.description);
        segment.put(DCM_SegmentAlgorithmType, s.algorithm);
        if (s.algorithm != "MANUAL") segment.put(DCM_SegmentAlgorithmName, "Reprise " RP_VERSION);
        segment.put_u16s(DCM_RecommendedDisplayCIELabValue, red);
        bool good = put_code(segment, DCM_SegmentedPropertyCategoryCodeSequence, category) &&
                    put_code(segment, DCM_SegmentedPropertyTypeCodeSequence, type);
        if (good && s.region)
            good = put_code(segment, DCM_AnatomicRegionSequence,
                            {s.region->code, "SCT", s.region->meaning});
        if (!good || s.algorithm != "AUTOMATIC") return good;
        return with_item(segment, DCM_SegmentationAlgorithmIdentificationSequence,
                         [&](Writer &algorithm) {
                             algorithm.put(DCM_AlgorithmName, "Reprise");
                             algorithm.put(DCM_AlgorithmVersion, RP_VERSION);
                             if (!s.description.empty())
                                 algorithm.put(DCM_AlgorithmParameters, s.description);
                             return put_code(algorithm, DCM_AlgorithmFamilyCodeSequence, family);
                         });
    });
}

static void put_object(Writer &w, const SegToWrite &s, const char *uid)
{
    const char *sop_class = s.header.sop_class_uid;
    w.put(DCM_ReferencedSOPClassUID, sop_class[0] ? sop_class : UID_CTImageStorage);
    w.put(DCM_ReferencedSOPInstanceUID, uid);
}

/** A slice, which may be a frame of its object. */
static void put_reference(Writer &w, const SegToWrite &s, int slice)
{
    const int frame = s.series->frame_numbers ? s.series->frame_numbers[slice] : 0;
    put_object(w, s, s.series->sop_uids[slice]);
    if (frame > 0) w.put(DCM_ReferencedFrameNumber, std::to_string(frame));
}

/** The objects to list, each once: those of the slices, or where these were interpolated, all. */
static std::vector<std::string> listed_objects(const SegToWrite &s)
{
    std::vector<std::string> uids;
    const rp_dicom_series &series = *s.series;
    for (size_t i = 0; series.repair.resampled && i < series.acquired_count; i++)
        uids.push_back(series.acquired_uids[i]);
    for (const int z : s.slices) /* frames of one object follow each other */
        if (!series.repair.resampled && (uids.empty() || uids.back() != series.sop_uids[z]))
            uids.push_back(series.sop_uids[z]);
    return uids;
}

static bool put_references(Writer &w, const SegToWrite &s)
{
    return with_item(w, DCM_ReferencedSeriesSequence, [&](Writer &series) {
        series.put(DCM_SeriesInstanceUID, s.header.series_uid);
        for (const std::string &uid : listed_objects(s))
            if (!with_item(series, DCM_ReferencedInstanceSequence, [&](Writer &instance) {
                    put_object(instance, s, uid.c_str());
                    return true;
                }))
                return false;
        return true;
    });
}

/** Frames are told apart by their segment and by where they lie. */
static bool put_dimensions(Writer &w, const SegToWrite &s)
{
    struct Dimension {
        DcmTagKey pointer, group;
        const char *label;
    };
    const Dimension dimensions[] = {
        {DCM_ReferencedSegmentNumber, DCM_SegmentIdentificationSequence, "Segment"},
        {DCM_ImagePositionPatient, DCM_PlanePositionSequence, "Position"}};
    bool good = with_item(w, DCM_DimensionOrganizationSequence, [&](Writer &organization) {
        organization.put(DCM_DimensionOrganizationUID, s.dimension_uid);
        return true;
    });
    for (const Dimension &d : dimensions)
        good = good && with_item(w, DCM_DimensionIndexSequence, [&](Writer &index) {
                   index.put(DCM_DimensionOrganizationUID, s.dimension_uid);
                   index.put_tag(DCM_DimensionIndexPointer, d.pointer);
                   index.put_tag(DCM_FunctionalGroupPointer, d.group);
                   index.put(DCM_DimensionDescriptionLabel, d.label);
                   return true;
               });
    return good;
}

static std::string join(std::initializer_list<double> values)
{
    std::string text;
    for (const double value : values) text += (text.empty() ? "" : "\\") + decimal_text(value);
    return text;
}

static bool put_shared_groups(Writer &w, const SegToWrite &s)
{
    const rp_grid &grid = s.series->image.grid;
    const auto &d = grid.direction;
    return with_item(w, DCM_SharedFunctionalGroupsSequence, [&](Writer &shared) {
        const auto orientation = [&](Writer &item) {
            item.put_raw(DCM_ImageOrientationPatient,
                         join({d[0][0], d[1][0], d[2][0], d[0][1], d[1][1], d[2][1]}));
            return true;
        };
        const auto measures = [&](Writer &item) {
            item.put_raw(DCM_SliceThickness, decimal_text(grid.spacing[2]));
            item.put_raw(DCM_SpacingBetweenSlices, decimal_text(grid.spacing[2]));
            item.put_raw(DCM_PixelSpacing, join({grid.spacing[1], grid.spacing[0]}));
            return true;
        };
        const auto segment = [](Writer &item) {
            item.put_u16(DCM_ReferencedSegmentNumber, 1);
            return true;
        };
        return with_item(shared, DCM_PlaneOrientationSequence, orientation) &&
               with_item(shared, DCM_PixelMeasuresSequence, measures) &&
               with_item(shared, DCM_SegmentIdentificationSequence, segment);
    });
}

static bool put_source(Writer &w, const SegToWrite &s, int slice)
{
    if (!s.series->sop_uids[slice][0]) return true; /* interpolated: no image to refer to */
    return with_item(w, DCM_DerivationImageSequence, [&](Writer &image) {
        return with_item(image, DCM_SourceImageSequence,
                         [&](Writer &source) {
                             put_reference(source, s, slice);
                             return put_code(source, DCM_PurposeOfReferenceCodeSequence, purpose);
                         }) &&
               put_code(image, DCM_DerivationCodeSequence, derivation);
    });
}

static bool put_frame(Writer &w, const SegToWrite &s, size_t frame)
{
    const double index[3] = {0, 0, double(s.slices[frame])};
    double at[3];
    rp_grid_to_world(&s.series->image.grid, index, at);
    return with_item(w, DCM_PerFrameFunctionalGroupsSequence, [&](Writer &own) {
        const auto content = [&](Writer &item) {
            item.put_u32s(DCM_DimensionIndexValues, {1, Uint32(frame + 1)});
            return true;
        };
        const auto position = [&](Writer &item) {
            item.put_raw(DCM_ImagePositionPatient, join({at[0], at[1], at[2]}));
            return true;
        };
        return put_source(own, s, s.slices[frame]) &&
               with_item(own, DCM_FrameContentSequence, content) &&
               with_item(own, DCM_PlanePositionSequence, position);
    });
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status find_place(const char *path, const rp_seg_write_options &options, SegToWrite &s,
                            rp_error *err)
{
    s.region = find_region(options.region ? options.region : s.header.body_part);
    if (!options.region || s.region) return RP_OK;
    return rp_fail(err, RP_ERR_ARGUMENT, "%s: no code is known for the region \"%.64s\"", path,
                   options.region);
}

static rp_status write_seg(const char *path, const rp_dicom_series &series, const rp_mask &mask,
                           const rp_seg_write_options &options, rp_error *err)
{
    SegToWrite s = {};
    s.series = &series;
    s.header = series.header;
    s.label = text_or(options.segment_label, "Lesion");
    s.description = text_or(options.description, "");
    s.made = appended(options.label);
    s.algorithm = text_or(options.algorithm, "SEMIAUTOMATIC");
    s.seed = text_or(options.uid_seed, "");
    const std::string created = text_or(options.created, "");
    s.date = created.empty() ? day_of(s.header) : created.substr(0, 8);
    s.time = created.size() > 8 ? created.substr(8) : "000000";
    rp_status status = prepare(err);
    if (!status) status = check_mask_to_write(path, series, mask, "a segmentation", err);
    if (!status) status = find_place(path, options, s, err);
    if (status) return status;
    pack(mask, s);
    make_uids(s);
    DcmFileFormat format;
    Writer writer(*format.getDataset());
    put_general(writer, s);
    put_pixels(writer, s);
    bool good = put_segment(writer, s) && put_references(writer, s) && put_dimensions(writer, s) &&
                put_shared_groups(writer, s);
    for (size_t i = 0; good && i < s.slices.size(); i++) good = put_frame(writer, s, i);
    if (!good || !writer.good())
        return rp_fail(err, RP_ERR_FORMAT, "%s: cannot be encoded: %s", path, writer.problem());
    return save_object(path, format, err);
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_seg_write(const char *path, const rp_dicom_series *series,
                                  const rp_mask *mask, const rp_seg_write_options *options,
                                  rp_error *err)
{
    const rp_seg_write_options defaults = {};
    return guarded(path, err, [&] {
        return write_seg(path, *series, *mask, options ? *options : defaults, err);
    });
}
