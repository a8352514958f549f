/* Files beside the slices of a series that cannot be read, though by their names they are slices:
 * an empty one, a web page saved in the place of an image, one that was packed. */
#include "parts.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <strings.h>

namespace rp_dicom
{

/* ---- what is in it ----------------------------------------------------------------------- */

std::string why_unreadable(const std::string &path)
{
    static const struct {
        const char *start;
        size_t length;
        const char *what;
    } kinds[] = {{"\x1F\x8B", 2, "packed by gzip"},
                 {"BZh", 3, "packed by bzip2"},
                 {"\xFD"
                  "7zXZ",
                  5, "packed by xz"},
                 {"PK\x03\x04", 4, "a ZIP archive"},
                 {"<", 1, "a web page or XML"},
                 {"version https://git-lfs", 23, "a pointer to a file that was not fetched"}};
    FILE *file = fopen(path.c_str(), "rb");
    if (!file) return strerror(errno);
    char head[64] = "";
    const size_t got = fread(head, 1, sizeof head, file);
    fclose(file);
    if (got == 0) return "empty";
    for (const auto &kind : kinds)
        if (got >= kind.length && memcmp(head, kind.start, kind.length) == 0) return kind.what;
    return "no DICOM";
}

/* ---- names ------------------------------------------------------------------------------- */

static std::string folder_of(const std::string &path)
{
    return path.substr(0, path.find_last_of('/') + 1);
}

static bool ends_like(const std::string &name, const char *ending)
{
    const size_t length = strlen(ending);
    return name.size() > length && strcasecmp(name.c_str() + name.size() - length, ending) == 0;
}

/** Without what packing and unfinished downloads append. */
static std::string plain_name(const std::string &path)
{
    std::string name = path.substr(path.find_last_of('/') + 1);
    for (const char *ending : {".gz", ".bz2", ".xz", ".zst", ".zip", ".part", ".tmp", ".crdownload",
                               ".download", ".filepart", ".partial", ".bad", ".corrupt"})
        if (ends_like(name, ending)) name.resize(name.size() - strlen(ending));
    return name;
}

/** Lower case, with # for each number. */
static std::string pattern_of(const std::string &name)
{
    std::string pattern;
    for (const char c : name) {
        const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
        if (!digit)
            pattern += char(std::tolower(static_cast<unsigned char>(c)));
        else if (pattern.empty() || pattern.back() != '#')
            pattern += '#';
    }
    return pattern;
}

/** 2 before 10. */
static bool comes_before(const std::string &a, const std::string &b)
{
    const int order = strverscmp(a.c_str(), b.c_str());
    return order < 0;
}

static bool has_digit(const std::string &name)
{
    return name.find_first_of("0123456789") != std::string::npos;
}

/* ---- folders ----------------------------------------------------------------------------- */

struct Shelf {
    std::vector<const File *> slices, unread;
};

/** The series that a slice before or after the name, in the order of names, is of. */
static std::set<std::string> neighbours_of(const Shelf &shelf, const std::string &name)
{
    const std::string pattern = pattern_of(name);
    std::string before, after, low, high;
    for (const File *slice : shelf.slices) {
        const std::string its = plain_name(slice->path);
        if (pattern_of(its) != pattern) continue;
        if (comes_before(its, name) && (low.empty() || comes_before(low, its)))
            low = its, before = slice->header.series_uid;
        if (comes_before(name, its) && (high.empty() || comes_before(its, high)))
            high = its, after = slice->header.series_uid;
    }
    std::set<std::string> uids;
    if (!low.empty()) uids.insert(before);
    if (!high.empty()) uids.insert(after);
    return uids;
}

static std::set<std::string> all_of(const Shelf &shelf)
{
    std::set<std::string> uids;
    for (const File *slice : shelf.slices) uids.insert(slice->header.series_uid);
    return uids;
}

/** Whether a file of that name lies there whole, so that this is a packed copy. */
static bool is_copy(const Shelf &shelf, const File &file)
{
    const std::string name = plain_name(file.path);
    if (folder_of(file.path) + name == file.path) return false;
    return std::any_of(shelf.slices.begin(), shelf.slices.end(), [&](const File *slice) {
        return slice->path == folder_of(file.path) + name;
    });
}

/** The series that the file was probably a slice of. */
static std::set<std::string> owners_of(const Shelf &shelf, const File &file)
{
    const std::string name = plain_name(file.path);
    if (file.broken && file.header.series_uid[0]) return {file.header.series_uid};
    if (file.broken) return all_of(shelf);
    if (name[0] == '.' || is_copy(shelf, file)) return {};
    if (has_digit(name)) {
        const std::set<std::string> uids = neighbours_of(shelf, name);
        if (!uids.empty()) return uids;
    }
    for (const char *ending : {".dcm", ".dicom", ".dic", ".ima"})
        if (ends_like(name, ending)) return all_of(shelf);
    const bool bare = std::all_of(shelf.slices.begin(), shelf.slices.end(), [](const File *slice) {
        return plain_name(slice->path).find('.') == std::string::npos;
    });
    const bool sums =
        strncasecmp(name.c_str(), "md5", 3) == 0 || strncasecmp(name.c_str(), "sha", 3) == 0;
    if (bare && !sums && has_digit(name) && name.find('.') == std::string::npos)
        return all_of(shelf);
    return {};
}

void note_lost(const std::vector<File> &files, std::vector<Series> &list)
{
    std::map<std::string, Shelf> shelves;
    std::map<std::string, std::vector<const File *>> lost;
    for (const File &file : files) {
        if (file.kind == Kind::slice && file.frame <= 0)
            shelves[folder_of(file.path)].slices.push_back(&file);
        else if (file.broken || !file.is_dicom)
            shelves[folder_of(file.path)].unread.push_back(&file);
    }
    for (const auto &shelf : shelves)
        for (const File *file : shelf.second.unread)
            for (const std::string &uid : owners_of(shelf.second, *file)) lost[uid].push_back(file);
    for (Series &series : list) series.lost = lost[series.uid()];
}

} // namespace rp_dicom
