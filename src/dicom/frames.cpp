/* What describes a slice: attributes of its file, or of one frame in functional groups (PS3.3
 * C.7.6.16), where each stands for all frames or for its own. */
#include "internal.hpp"
#include "parts.hpp"

#include <cmath>
#include <strings.h>

namespace rp_dicom
{

/* Far beyond what any scanner writes; what stays below neither overflows in sums and squares nor,
 * as a voxel, in single precision. */
static const double largest_position_mm = 1e6;
static const double largest_rescale = 1e9;

/* ---- attributes from several places ------------------------------------------------------- */

/** From the first item that has the attribute with a value. */
static Presence first_numbers(const std::vector<DcmItem *> &from, const DcmTagKey &tag,
                              double *values, size_t count)
{
    Presence presence = Presence::missing;
    for (DcmItem *item : from) {
        const Presence here = numbers_of(*item, tag, values, count);
        if (here == Presence::ok || here == Presence::malformed) return here;
        if (here == Presence::empty) presence = here;
    }
    return presence;
}

static Presence first_number(const std::vector<DcmItem *> &from, const DcmTagKey &tag,
                             double &value)
{
    Presence presence = Presence::missing;
    for (DcmItem *item : from) {
        const Presence here = number_of(*item, tag, value);
        if (here == Presence::ok || here == Presence::malformed) return here;
        if (here == Presence::empty) presence = here;
    }
    return presence;
}

static std::string first_text(const std::vector<DcmItem *> &from, const DcmTagKey &tag)
{
    std::string text;
    for (DcmItem *item : from)
        if (text.empty()) text = text_of(*item, tag);
    return text;
}

std::string read_geometry(const std::vector<DcmItem *> &from, File &file)
{
    if (first_numbers(from, DCM_ImagePositionPatient, file.position, 3) != Presence::ok)
        return "ImagePositionPatient is missing or malformed";
    for (const double at : file.position)
        if (std::fabs(at) > largest_position_mm)
            return "ImagePositionPatient lies more than a kilometre away";
    if (first_numbers(from, DCM_ImageOrientationPatient, file.orientation, 6) != Presence::ok)
        return "ImageOrientationPatient is missing or malformed";
    if (first_numbers(from, DCM_PixelSpacing, file.spacing, 2) != Presence::ok ||
        !(file.spacing[0] > 0 && file.spacing[1] > 0))
        return "PixelSpacing is missing or malformed";
    first_number(from, DCM_SliceThickness, file.thickness);
    first_number(from, DCM_SpacingBetweenSlices, file.between);
    return "";
}

/** Missing or empty slope and intercept mean 1 and 0; a malformed one must not be guessed. */
std::string read_rescale(const std::vector<DcmItem *> &from, File &file)
{
    if (first_number(from, DCM_RescaleSlope, file.slope) == Presence::malformed || file.slope == 0)
        return "RescaleSlope is malformed or 0";
    if (first_number(from, DCM_RescaleIntercept, file.intercept) == Presence::malformed)
        return "RescaleIntercept is malformed";
    file.rescaled = !first_text(from, DCM_RescaleSlope).empty() ||
                    !first_text(from, DCM_RescaleIntercept).empty();
    file.rescale_type = first_text(from, DCM_RescaleType);
    for (DcmItem *item : from)
        if (file.is_ct() && !file.rescaled && !items_of(*item, DCM_ModalityLUTSequence).empty())
            return "a table (ModalityLUTSequence) instead of RescaleSlope and RescaleIntercept";
    if (std::fabs(file.slope) > largest_rescale || std::fabs(file.intercept) > largest_rescale)
        return "RescaleSlope or RescaleIntercept is out of all proportion";
    return "";
}

/* ---- acquisition -------------------------------------------------------------------------- */

/** Seconds of the day from HHMMSS[.ffff], as the end of a date and time too; negative if none. */
static double seconds_of(const std::string &time)
{
    if (time.size() < 6 || time.find_first_not_of("0123456789.") != std::string::npos) return -1;
    const int hhmmss = std::stoi(time.substr(0, 6));
    return hhmmss / 10000 * 3600 + hhmmss / 100 % 100 * 60 + hhmmss % 100;
}

/** The contrast agent's phase as the names of series and protocols have it; "" if in none. */
static std::string named_phase(const std::string &text)
{
    static const struct {
        const char *word, *phase;
    } words[] = {{"non contrast", "native"},     {"non-contrast", "native"},
                 {"without contrast", "native"}, {"unenhanced", "native"},
                 {"native", "native"},           {"arterial", "arterial"},
                 {"portal", "portal venous"},    {"venous", "venous"},
                 {"delayed", "delayed"},         {"nephrographic", "nephrographic"},
                 {"excretory", "excretory"}};
    for (const auto &entry : words)
        if (strcasestr(text.c_str(), entry.word)) return entry.phase;
    return "";
}

/** Which of several images of one place this is: of the heart's or the breath's cycle, of a time
 *  series, or after contrast. */
static std::string phase_of(const std::vector<DcmItem *> &from, const std::string &time)
{
    double percent = 0, position = 0, positions = 0;
    char text[64];
    if (first_number(from, DCM_NominalPercentageOfCardiacPhase, percent) == Presence::ok) {
        snprintf(text, sizeof text, "%.0f%% of the heart's cycle", percent);
        return text;
    }
    if (first_number(from, DCM_NominalPercentageOfRespiratoryPhase, percent) == Presence::ok) {
        snprintf(text, sizeof text, "%.0f%% of the breath's cycle", percent);
        return text;
    }
    if (first_number(from, DCM_TemporalPositionIdentifier, position) == Presence::ok &&
        first_number(from, DCM_NumberOfTemporalPositions, positions) == Presence::ok &&
        positions > 1) {
        snprintf(text, sizeof text, "time %.0f of %.0f", position, positions);
        return text;
    }
    std::string phase = named_phase(first_text(from, DCM_SeriesDescription) + " " +
                                    first_text(from, DCM_ProtocolName));
    if (!phase.empty() || first_text(from, DCM_ContrastBolusAgent).empty()) return phase;
    const double start = seconds_of(first_text(from, DCM_ContrastBolusStartTime));
    const double after = seconds_of(time) - start;
    if (start < 0 || after < 0 || after > 3600) return "contrast";
    snprintf(text, sizeof text, "contrast, %.0f s after its start", after);
    return text;
}

void read_acquisition(const std::vector<DcmItem *> &from, File &file)
{
    const std::string moment = first_text(from, DCM_FrameAcquisitionDateTime);
    file.time = first_text(from, DCM_AcquisitionTime);
    if (file.time.empty() && moment.size() >= 14) file.time = moment.substr(8, 6);
    file.kernel = first_text(from, DCM_ConvolutionKernel);
    file.phase = phase_of(from, file.time);
    file.marks = read_marks(from, file);
}

/* ---- frames ------------------------------------------------------------------------------- */

bool is_enhanced(const rp_dicom_header &header)
{
    static const char *const classes[] = {
        UID_EnhancedCTImageStorage,  UID_LegacyConvertedEnhancedCTImageStorage,
        UID_EnhancedMRImageStorage,  UID_LegacyConvertedEnhancedMRImageStorage,
        UID_EnhancedPETImageStorage, UID_LegacyConvertedEnhancedPETImageStorage};
    for (const char *uid : classes)
        if (std::string(header.sop_class_uid) == uid) return true;
    return false;
}

bool has_frames(DcmItem &dataset, const rp_dicom_header &header)
{
    return is_enhanced(header) && dataset.tagExists(DCM_PerFrameFunctionalGroupsSequence);
}

/** The items of the functional groups that a slice is read from. */
static void add_groups(DcmItem &groups, std::vector<DcmItem *> &from)
{
    for (const DcmTagKey &tag :
         {DCM_PlanePositionSequence, DCM_PlaneOrientationSequence, DCM_PixelMeasuresSequence,
          DCM_PixelValueTransformationSequence, DCM_FrameContentSequence,
          DCM_CTImageFrameTypeSequence, DCM_MRImageFrameTypeSequence, DCM_CTReconstructionSequence,
          DCM_CTXRayDetailsSequence, DCM_MREchoSequence, DCM_MRDiffusionSequence,
          DCM_CardiacSynchronizationSequence, DCM_RespiratorySynchronizationSequence,
          DCM_TemporalPositionSequence})
        for (DcmItem *item : items_of(groups, tag)) from.push_back(item);
}

static void read_frame(const std::vector<DcmItem *> &from, File &frame)
{
    if (first_text(from, DCM_FrameType).find("LOCALIZER") != std::string::npos) {
        frame.kind = Kind::passed_over;
        frame.why = "localizer";
        return;
    }
    frame.why = read_geometry(from, frame);
    if (frame.why.empty()) frame.why = read_rescale(from, frame);
    read_acquisition(from, frame);
    frame.kind = frame.why.empty() ? Kind::slice : Kind::unusable;
    if (!frame.why.empty())
        frame.why = "frame " + std::to_string(frame.frame + 1) + ": " + frame.why;
}

std::vector<File> read_frames(DcmItem &dataset, const File &file)
{
    const std::vector<DcmItem *> groups = items_of(dataset, DCM_PerFrameFunctionalGroupsSequence);
    std::vector<File> frames;
    double told = 0;
    if (number_of(dataset, DCM_NumberOfFrames, told) != Presence::ok ||
        told != double(groups.size()) || groups.empty()) {
        frames.push_back(file);
        frames[0].kind = Kind::unusable;
        frames[0].why = "NumberOfFrames is not the number of the frames that are described";
        return frames;
    }
    std::vector<DcmItem *> shared;
    for (DcmItem *item : items_of(dataset, DCM_SharedFunctionalGroupsSequence))
        add_groups(*item, shared);
    shared.push_back(&dataset);
    for (size_t i = 0; i < groups.size(); i++) {
        std::vector<DcmItem *> from;
        add_groups(*groups[i], from);
        from.insert(from.end(), shared.begin(), shared.end());
        frames.push_back(file);
        frames.back().frame = int(i);
        frames.back().frames = int(groups.size());
        read_frame(from, frames.back());
    }
    return frames;
}

} // namespace rp_dicom
