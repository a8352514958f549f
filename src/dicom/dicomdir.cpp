/* The directory of a DICOM medium (PS3.3 F): which files it names. */
#include "internal.hpp"

#include <algorithm>
#include <cctype>

namespace rp_dicom
{

/** The path of a ReferencedFileID; "" for one that leaves the medium. */
static std::string path_of(const std::string &folder, const std::string &id)
{
    std::string path = folder;
    size_t at = 0;
    for (;;) {
        const size_t end = std::min(id.find('\\', at), id.size());
        std::string part = id.substr(at, end - at);
        while (!part.empty() && part.back() == ' ') part.pop_back();
        if (part.empty() || part == "." || part == ".." || part.find('/') != std::string::npos)
            return "";
        path += part;
        if (end == id.size()) return path;
        path += "/";
        at = end + 1;
    }
}

/** Media are often copied by systems that turn the names to lower case. */
static std::string existing(const std::string &folder, const std::string &id)
{
    std::string lower = id;
    for (char &c : lower) c = char(std::tolower(static_cast<unsigned char>(c)));
    for (const std::string &name : {id, lower}) {
        const std::string path = path_of(folder, name);
        if (!path.empty() && rp_path_exists(path.c_str()) && !rp_path_is_directory(path.c_str()))
            return path;
    }
    return "";
}

bool read_dicomdir(const std::string &path, std::vector<std::string> &paths, size_t &missing)
{
    DcmFileFormat format;
    missing = 0;
    /* The records stand in group 4, before everything that describes an image; behind the file
     * set's first attributes. */
    if (!load_until(path, DCM_DirectoryRecordSequence, format)) return false;
    if (!format.getDataset()->tagExists(DCM_FileSetID) &&
        text_of(*format.getMetaInfo(), DCM_MediaStorageSOPClassUID) !=
            UID_MediaStorageDirectoryStorage)
        return false;
    if (load_whole(path, format).bad()) return false;
    DcmItem &dataset = *format.getDataset();
    if (!dataset.tagExists(DCM_DirectoryRecordSequence)) return false;
    const std::string folder = path.substr(0, path.find_last_of('/') + 1);
    for (DcmItem *record : items_of(dataset, DCM_DirectoryRecordSequence)) {
        const std::string id = text_of(*record, DCM_ReferencedFileID);
        if (id.empty()) continue;
        const std::string file = existing(folder, id);
        if (file.empty())
            missing++;
        else
            paths.push_back(file);
    }
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return true;
}

} // namespace rp_dicom
