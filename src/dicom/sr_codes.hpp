/**
 * @file sr_codes.hpp
 * The coded concepts of measurement reports (PS3.16, TID 1500 and what it includes).
 */
#ifndef REPRISE_DICOM_SR_CODES_HPP
#define REPRISE_DICOM_SR_CODES_HPP

#include "reprise/dicom_sr.h"

namespace rp_dicom
{

struct Concept {
    const char *value, *scheme, *meaning;
};

namespace concepts
{
constexpr Concept report = {"126000", "DCM", "Imaging Measurement Report"};
constexpr Concept language = {"121049", "DCM", "Language of Content Item and Descendants"};
constexpr Concept english = {"en", "RFC5646", "English"};
constexpr Concept observer_type = {"121005", "DCM", "Observer Type"};
constexpr Concept device = {"121007", "DCM", "Device"};
constexpr Concept device_uid = {"121012", "DCM", "Device Observer UID"};
constexpr Concept device_name = {"121013", "DCM", "Device Observer Name"};
constexpr Concept device_manufacturer = {"121014", "DCM", "Device Observer Manufacturer"};
constexpr Concept device_model = {"121015", "DCM", "Device Observer Model Name"};
constexpr Concept procedure = {"121058", "DCM", "Procedure reported"};
constexpr Concept ct_procedure = {"25045-6", "LN", "CT unspecified body region"};
constexpr Concept library = {"111028", "DCM", "Image Library"};
constexpr Concept library_group = {"126200", "DCM", "Image Library Group"};
constexpr Concept modality = {"121139", "DCM", "Modality"};
constexpr Concept ct = {"CT", "DCM", "Computed Tomography"};
constexpr Concept study_date = {"111060", "DCM", "Study Date"};
constexpr Concept acquisition_date = {"126201", "DCM", "Acquisition Date"};
constexpr Concept frame_of_reference = {"112227", "DCM", "Frame of Reference UID"};
constexpr Concept measurements = {"126010", "DCM", "Imaging Measurements"};
constexpr Concept derived = {"126011", "DCM", "Derived Imaging Measurements"};
constexpr Concept group = {"125007", "DCM", "Measurement Group"};
constexpr Concept qualitative = {"C0034375", "UMLS", "Qualitative Evaluations"};
constexpr Concept tracking_id = {"112039", "DCM", "Tracking Identifier"};
constexpr Concept tracking_uid = {"112040", "DCM", "Tracking Unique Identifier"};
constexpr Concept session = {"C67447", "NCIt", "Activity Session"};
constexpr Concept category = {"276214006", "SCT", "Finding category"};
constexpr Concept finding = {"121071", "DCM", "Finding"};
constexpr Concept lesion = {"52988006", "SCT", "Lesion"};
constexpr Concept site = {"363698007", "SCT", "Finding Site"};
constexpr Concept laterality = {"272741003", "SCT", "Laterality"};
constexpr Concept topography = {"106233006", "SCT", "Topographical modifier"};
constexpr Concept time_point = {"C2348792", "UMLS", "Time Point"};
constexpr Concept method = {"370129005", "SCT", "Measurement Method"};
constexpr Concept recist = {"126081", "DCM", "RECIST 1.1"};
constexpr Concept derivation = {"121401", "DCM", "Derivation"};
constexpr Concept algorithm = {"111001", "DCM", "Algorithm Name"};
constexpr Concept algorithm_parameters = {"111002", "DCM", "Algorithm Parameters"};
constexpr Concept algorithm_version = {"111003", "DCM", "Algorithm Version"};
constexpr Concept region = {"111030", "DCM", "Image Region"};
constexpr Concept surface = {"121231", "DCM", "Volume Surface"};
constexpr Concept segment = {"121191", "DCM", "Referenced Segment"};
constexpr Concept source_series = {"121232", "DCM", "Source series for segmentation"};
constexpr Concept long_axis = {"103339001", "SCT", "Long Axis"};
constexpr Concept short_axis = {"103340004", "SCT", "Short Axis"};
constexpr Concept diameter = {"81827009", "SCT", "Diameter"};
constexpr Concept length = {"410668003", "SCT", "Length"};
constexpr Concept volume = {"118565006", "SCT", "Volume"};
constexpr Concept millimetre = {"mm", "UCUM", "millimeter"};
constexpr Concept cubic_centimetre = {"cm3", "UCUM", "cubic centimeter"};
constexpr Concept percent = {"%", "UCUM", "percent"};
constexpr Concept response = {"112048", "DCM", "Current Response"};
constexpr Concept response_method = {"112021", "DCM", "Response Evaluation Method"};
constexpr Concept response_measured = {"112051", "DCM", "Measurement of Response"};
constexpr Concept comment = {"121106", "DCM", "Comment"};
constexpr Concept complete = {"112041", "DCM", "Target Lesion Complete Response"};
constexpr Concept partial = {"112042", "DCM", "Target Lesion Partial Response"};
constexpr Concept progressive = {"112043", "DCM", "Target Lesion Progressive Disease"};
constexpr Concept stable = {"112044", "DCM", "Target Lesion Stable Disease"};
constexpr Concept not_evaluable = {"C62222", "NCIt", "Not Evaluable"};
} // namespace concepts

} // namespace rp_dicom

#endif
