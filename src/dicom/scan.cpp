/* Which DICOM images lie below a folder, from their headers alone. */
#include "internal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

namespace rp_dicom
{

/* A header may claim any size; no CT detector comes near this, and it bounds what is allocated. */
static const int largest_side = 8192;
/* Far beyond what any scanner writes; what stays below neither overflows in sums and squares nor,
 * as a voxel, in single precision. */
static const double largest_position_mm = 1e6;
static const double largest_rescale = 1e9;
static const size_t files_per_report = 64;

/* ---- one file ---------------------------------------------------------------------------- */

static bool is_capital(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

/** A data set without preamble begins with a small element of group 2 or 8, in either order. */
static bool starts_like_dataset(const unsigned char head[8])
{
    const bool little = (head[0] == 2 || head[0] == 8) && head[1] == 0 && head[3] == 0;
    const bool big = head[0] == 0 && (head[1] == 2 || head[1] == 8) && head[2] == 0;
    const bool explicit_vr = is_capital(head[4]) && is_capital(head[5]);
    const bool short_value = head[6] == 0 && head[7] == 0; /* implicit: below 64 KiB */
    return (little && (explicit_vr || short_value)) || (big && explicit_vr);
}

/** The first bytes of a file; false if it cannot be read or has fewer than 8. */
static bool read_start(const std::string &path, unsigned char (&head)[132])
{
    FILE *file = fopen(path.c_str(), "rb");
    if (!file) return false;
    memset(head, 0, sizeof head);
    const size_t got = fread(head, 1, sizeof head, file);
    fclose(file);
    return got >= 8;
}

static bool has_magic(const std::string &path)
{
    unsigned char head[132];
    return read_start(path, head) && memcmp(head + 128, "DICM", 4) == 0;
}

bool looks_like_dicom(const std::string &path)
{
    unsigned char head[132];
    return has_magic(path) || (read_start(path, head) && starts_like_dataset(head));
}

bool load_until(const std::string &path, const DcmTagKey &stop, DcmFileFormat &format)
{
    return format
        .loadFileUntilTag(OFFilename(path.c_str()), EXS_Unknown, EGL_noChange, DCM_MaxReadLength,
                          ERM_autoDetect, stop)
        .good();
}

static bool has_word(const std::string &list, const char *word)
{
    return ("\\" + list + "\\").find(std::string("\\") + word + "\\") != std::string::npos;
}

/** Image types that lie beside a stack in most folders and are no fault. */
static std::string why_passed_over(DcmItem &d, const rp_dicom_header &header)
{
    const std::string sop_class = header.sop_class_uid;
    const std::string image_type = text_of(d, DCM_ImageType);
    double frames = 1;
    number_of(d, DCM_NumberOfFrames, frames);
    const std::string capture = UID_SecondaryCaptureImageStorage; /* and its multi-frame variants */
    if (sop_class == capture || sop_class.rfind(capture + ".", 0) == 0 ||
        has_word(image_type, "SCREEN SAVE"))
        return "secondary capture";
    if (has_word(image_type, "LOCALIZER")) return "localizer";
    if (sop_class == UID_EnhancedCTImageStorage ||
        sop_class == UID_LegacyConvertedEnhancedCTImageStorage ||
        sop_class == UID_EnhancedMRImageStorage || frames > 1)
        return "multi-frame image; only single-frame slices can be read";
    double samples = 1;
    number_of(d, DCM_SamplesPerPixel, samples);
    return samples == 1 ? "" : "colour image";
}

static bool whole_size(DcmItem &d, const DcmTagKey &tag, int &size)
{
    double value = 0;
    if (number_of(d, tag, value) != Presence::ok || value < 1 || value > largest_side) return false;
    size = static_cast<int>(value);
    return true;
}

static std::string read_geometry(DcmItem &d, File &file)
{
    if (!whole_size(d, DCM_Rows, file.rows) || !whole_size(d, DCM_Columns, file.columns))
        return "Rows or Columns is not within 1.." + std::to_string(largest_side);
    if (numbers_of(d, DCM_ImagePositionPatient, file.position, 3) != Presence::ok)
        return "ImagePositionPatient is missing or malformed";
    for (const double at : file.position)
        if (std::fabs(at) > largest_position_mm)
            return "ImagePositionPatient lies more than a kilometre away";
    if (numbers_of(d, DCM_ImageOrientationPatient, file.orientation, 6) != Presence::ok)
        return "ImageOrientationPatient is missing or malformed";
    if (numbers_of(d, DCM_PixelSpacing, file.spacing, 2) != Presence::ok ||
        !(file.spacing[0] > 0 && file.spacing[1] > 0))
        return "PixelSpacing is missing or malformed";
    number_of(d, DCM_SliceThickness, file.thickness);
    number_of(d, DCM_SpacingBetweenSlices, file.between);
    return "";
}

/** Missing or empty slope and intercept mean 1 and 0; a malformed one must not be guessed. */
static std::string read_values(DcmItem &d, File &file)
{
    const std::string photometric = text_of(d, DCM_PhotometricInterpretation);
    if (photometric != "MONOCHROME2")
        return "PhotometricInterpretation " + photometric + ", expected MONOCHROME2";
    if (number_of(d, DCM_RescaleSlope, file.slope) == Presence::malformed || file.slope == 0)
        return "RescaleSlope is malformed or 0";
    if (number_of(d, DCM_RescaleIntercept, file.intercept) == Presence::malformed)
        return "RescaleIntercept is malformed";
    if (std::fabs(file.slope) > largest_rescale || std::fabs(file.intercept) > largest_rescale)
        return "RescaleSlope or RescaleIntercept is out of all proportion";
    return "";
}

/** Anonymisers blank UIDs; the meta header often still has those of the object. */
static void read_identity(DcmFileFormat &format, File &file)
{
    DcmDataset &dataset = *format.getDataset();
    DcmMetaInfo &meta = *format.getMetaInfo();
    read_header(dataset, file.header);
    file.sop_uid = text_of(dataset, DCM_SOPInstanceUID);
    if (file.sop_uid.empty()) file.sop_uid = text_of(meta, DCM_MediaStorageSOPInstanceUID);
    if (!file.header.sop_class_uid[0])
        copy_text(file.header.sop_class_uid, text_of(meta, DCM_MediaStorageSOPClassUID));
}

static void classify(DcmItem &dataset, File &file)
{
    if (!dataset.tagExists(DCM_Rows) || !dataset.tagExists(DCM_Columns)) return;
    file.kind = Kind::passed_over;
    file.why = why_passed_over(dataset, file.header);
    if (!file.why.empty()) return;
    file.kind = Kind::unusable;
    file.why = read_geometry(dataset, file);
    if (file.why.empty()) file.why = read_values(dataset, file);
    if (file.why.empty()) file.kind = Kind::slice;
}

File scan_file(const std::string &path)
{
    File file;
    file.path = path;
    file.is_dicom = looks_like_dicom(path);
    if (!file.is_dicom) return file;
    DcmFileFormat format;
    file.broken = !load_until(path, DCM_PixelData, format);
    read_identity(format, file);
    if (!file.broken) classify(*format.getDataset(), file);
    /* Cut between two attributes, a file parses: a CT without rows and columns is such a one. */
    const bool should_be_image = file.is_ct() || file.header.sop_class_uid[0] == 0 ||
                                 std::string(file.header.sop_class_uid) == UID_CTImageStorage;
    if (file.kind == Kind::not_image && should_be_image) file.broken = true;
    /* Without preamble, some other binary file may only begin like DICOM. */
    const rp_dicom_header &h = file.header;
    if (!has_magic(path) && !h.modality[0] && !h.sop_class_uid[0] && !h.series_uid[0])
        file.is_dicom = file.broken = false;
    return file;
}

/* ---- many files -------------------------------------------------------------------------- */

struct ScanJob {
    const std::vector<std::string> *paths;
    std::vector<File> *files;
    std::vector<rp_status> *status;
    size_t first;
};

static void scan_task(void *context, size_t task, int)
{
    ScanJob &job = *static_cast<ScanJob *>(context);
    const size_t i = job.first + task;
    const char *path = (*job.paths)[i].c_str();
    (*job.status)[i] = guarded(path, nullptr, [&] {
        (*job.files)[i] = scan_file(path);
        return RP_OK;
    });
}

rp_status list_paths(const char *path, std::vector<std::string> &paths, rp_error *err)
{
    if (!rp_path_is_directory(path)) {
        if (!rp_path_exists(path))
            return rp_fail(err, RP_ERR_IO, "%s: no such file or folder", path);
        paths.push_back(path);
        return RP_OK;
    }
    char **list = nullptr;
    size_t count = 0;
    rp_status status = rp_directory_list(path, &list, &count, err);
    if (status) return status;
    status = guarded(path, err, [&] {
        paths.insert(paths.end(), list, list + count);
        return RP_OK;
    });
    rp_string_list_free(list, count);
    return status;
}

rp_status scan_path(const char *path, const rp_progress *progress, std::vector<File> &files,
                    rp_error *err)
{
    std::vector<std::string> paths;
    rp_status status = prepare(err);
    if (!status) status = list_paths(path, paths, err);
    if (status) return status;
    const size_t count = paths.size();
    files.resize(count);
    std::vector<rp_status> results(count, RP_OK);
    for (size_t first = 0; first < count; first += files_per_report) {
        if (rp_progress_cancelled(progress))
            return rp_fail(err, RP_ERR_CANCELLED, "%s: cancelled", path);
        ScanJob job = {&paths, &files, &results, first};
        const size_t tasks = std::min(files_per_report, count - first);
        rp_parallel_for(tasks, scan_task, &job);
        rp_progress_report(progress, "reading headers", double(first + tasks), double(count),
                           nullptr);
    }
    for (size_t i = 0; i < count; i++)
        if (results[i])
            return rp_fail(err, results[i], "%s: header cannot be read", paths[i].c_str());
    return RP_OK;
}

std::vector<Series> group_series(const std::vector<File> &files)
{
    /* Ordered by UID, so independent of file names. Without UID, a folder is a series. */
    std::map<std::string, Series> groups;
    for (const File &file : files) {
        if (file.kind == Kind::not_image) continue;
        std::string key = file.header.series_uid;
        if (key.empty()) key = "/" + file.path.substr(0, file.path.find_last_of('/') + 1);
        Series &series = groups[key];
        (file.kind == Kind::slice ? series.slices : series.others).push_back(&file);
    }
    std::vector<Series> list;
    for (auto &group : groups) list.push_back(std::move(group.second));
    return list;
}

/* ---- listing ----------------------------------------------------------------------------- */

static void describe(const Series &series, rp_dicom_series_info &info)
{
    const File &first = series.first();
    info.header = first.header;
    info.files = series.slices.empty() ? series.others.size() : series.slices.size();
    info.rows = first.rows;
    info.columns = first.columns;
    info.slice_thickness_mm = first.thickness;
    if (series.slices.empty()) {
        copy_text(info.why_not, first.why);
        return;
    }
    Stack stack;
    rp_error problem = {};
    info.usable = order_stack(series, stack, &problem) == RP_OK && first.is_ct();
    info.slice_spacing_mm = stack.spacing;
    if (!first.is_ct())
        copy_text(info.why_not, std::string("modality ") + first.header.modality + ", expected CT");
    else
        copy_text(info.why_not, problem.message);
}

static rp_status list_series(const char *path, rp_dicom_listing *listing, rp_error *err)
{
    std::vector<File> files;
    const rp_status status = scan_path(path, nullptr, files, err);
    if (status) return status;
    const std::vector<Series> groups = group_series(files);
    for (const File &file : files) listing->other_files += file.kind == Kind::not_image;
    listing->series =
        static_cast<rp_dicom_series_info *>(rp_alloc(groups.size(), sizeof *listing->series));
    if (!listing->series) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (const Series &series : groups) describe(series, listing->series[listing->count++]);
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_dicom_list(const char *path, rp_dicom_listing *listing, rp_error *err)
{
    *listing = {};
    const rp_status status = guarded(path, err, [&] { return list_series(path, listing, err); });
    if (status) rp_dicom_listing_release(listing);
    return status;
}

extern "C" void rp_dicom_listing_release(rp_dicom_listing *listing)
{
    rp_free(listing->series);
    *listing = {};
}

extern "C" bool rp_dicom_probe(const char *path)
{
    return guarded(path, nullptr, [&] {
               DcmFileFormat format;
               if (prepare(nullptr) || !looks_like_dicom(path)) return RP_ERR_FORMAT;
               const bool parsed = load_until(path, DCM_Modality, format);
               return parsed && format.getDataset()->card() > 0 ? RP_OK : RP_ERR_FORMAT;
           }) == RP_OK;
}
