/* Which DICOM images lie below a folder, from their headers alone. */
#include "internal.hpp"
#include "parts.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>

namespace rp_dicom
{

/* A header may claim any size; no CT detector comes near this, and it bounds what is allocated. */
static const int largest_side = 8192;
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
    if ((frames > 1 || is_enhanced(header)) && !has_frames(d, header))
        return "multi-frame image whose frames have no positions of their own";
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

/** What is the same for every frame. */
static std::string read_image(DcmItem &d, File &file)
{
    if (!whole_size(d, DCM_Rows, file.rows) || !whole_size(d, DCM_Columns, file.columns))
        return "Rows or Columns is not within 1.." + std::to_string(largest_side);
    const std::string photometric = text_of(d, DCM_PhotometricInterpretation);
    if (photometric != "MONOCHROME2")
        return "PhotometricInterpretation " + photometric + ", expected MONOCHROME2";
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

/** The records of an image: itself, or its frames. */
static std::vector<File> classify(DcmItem &dataset, File &file)
{
    if (!dataset.tagExists(DCM_Rows) || !dataset.tagExists(DCM_Columns)) return {file};
    file.kind = Kind::passed_over;
    file.why = why_passed_over(dataset, file.header);
    if (!file.why.empty()) return {file};
    file.kind = Kind::unusable;
    file.why = read_image(dataset, file);
    if (!file.why.empty()) return {file};
    if (has_frames(dataset, file.header)) return read_frames(dataset, file);
    file.why = read_geometry({&dataset}, file);
    if (file.why.empty()) file.why = read_rescale({&dataset}, file);
    if (file.why.empty()) file.kind = Kind::slice;
    read_acquisition({&dataset}, file);
    return {file};
}

/** Cut between two attributes, a file parses: a CT without rows and columns is such a one. */
static bool lacks_image(DcmItem &dataset, const File &file)
{
    const std::string sop_class = file.header.sop_class_uid;
    return file.kind == Kind::not_image && !dataset.tagExists(DCM_DirectoryRecordSequence) &&
           (file.is_ct() || sop_class.empty() || sop_class == UID_CTImageStorage ||
            sop_class == UID_EnhancedCTImageStorage);
}

std::vector<File> scan_file(const std::string &path)
{
    File file;
    file.path = path;
    file.is_dicom = looks_like_dicom(path);
    if (!file.is_dicom) {
        file.why = why_unreadable(path);
        return {file};
    }
    DcmFileFormat format;
    offile_off_t end = 0;
    file.broken = !load_until(path, DCM_PixelData, format, &end);
    read_identity(format, file);
    if (!file.broken) file.place = find_pixels(path, *format.getDataset(), end);
    std::vector<File> records{file};
    if (!file.broken) records = classify(*format.getDataset(), file);
    if (!file.broken && lacks_image(*format.getDataset(), records[0])) {
        records[0].broken = true;
        records[0].why = "truncated, or no image: neither Rows nor Columns";
    } else if (file.broken) {
        records[0].why = "truncated or malformed DICOM header";
    }
    /* Without preamble, some other binary file may only begin like DICOM. */
    const rp_dicom_header &h = file.header;
    if (!has_magic(path) && !h.modality[0] && !h.sop_class_uid[0] && !h.series_uid[0])
        records[0].is_dicom = records[0].broken = false;
    return records;
}

/* ---- many files -------------------------------------------------------------------------- */

struct ScanJob {
    const std::vector<std::string> *paths;
    std::vector<std::vector<File>> *files;
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

/** One file, or those that it names. */
static rp_status list_file(const char *path, std::vector<std::string> &paths, rp_error *err)
{
    if (!rp_path_exists(path)) return rp_fail(err, RP_ERR_IO, "%s: no such file or folder", path);
    size_t missing = 0;
    if (!looks_like_dicom(path) || !read_dicomdir(path, paths, missing)) {
        paths.push_back(path);
        return RP_OK;
    }
    if (paths.empty() && !missing)
        return rp_fail(err, RP_ERR_FORMAT, "%s: a DICOMDIR that names no files", path);
    if (paths.empty())
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: a DICOMDIR: none of the %zu files it names is there", path, missing);
    if (missing)
        rp_log(RP_LOG_WARNING, "%s: %zu of the %zu files that the DICOMDIR names are not there",
               path, missing, missing + paths.size());
    return RP_OK;
}

rp_status list_paths(const char *path, std::vector<std::string> &paths, rp_error *err)
{
    if (!rp_path_is_directory(path)) return list_file(path, paths, err);
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
    std::vector<std::vector<File>> found(count);
    std::vector<rp_status> results(count, RP_OK);
    for (size_t first = 0; first < count; first += files_per_report) {
        if (rp_progress_cancelled(progress))
            return rp_fail(err, RP_ERR_CANCELLED, "%s: cancelled", path);
        ScanJob job = {&paths, &found, &results, first};
        const size_t tasks = std::min(files_per_report, count - first);
        rp_parallel_for(tasks, scan_task, &job);
        rp_progress_report(progress, "reading headers", double(first + tasks), double(count),
                           nullptr);
    }
    for (size_t i = 0; i < count; i++) {
        if (results[i])
            return rp_fail(err, results[i], "%s: header cannot be read", paths[i].c_str());
        std::move(found[i].begin(), found[i].end(), std::back_inserter(files));
    }
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
    for (const auto &group : groups) {
        const std::vector<Series> parts = divide_series(group.second);
        list.insert(list.end(), parts.begin(), parts.end());
    }
    note_lost(files, list);
    return list;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" bool rp_dicom_probe(const char *path)
{
    return guarded(path, nullptr, [&] {
               DcmFileFormat format;
               if (prepare(nullptr) || !looks_like_dicom(path)) return RP_ERR_FORMAT;
               if (has_magic(path)) return RP_OK;
               const bool parsed = load_until(path, DCM_Modality, format);
               return parsed && format.getDataset()->card() > 0 ? RP_OK : RP_ERR_FORMAT;
           }) == RP_OK;
}
