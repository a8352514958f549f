/**
 * @file choose.hpp
 * One of an object's named and numbered parts: ROIs, segments.
 */
#ifndef REPRISE_DICOM_CHOOSE_HPP
#define REPRISE_DICOM_CHOOSE_HPP

#include "internal.hpp"

#include <cstdlib>
#include <cstring>

namespace rp_dicom
{

/** Parts for a message, a line each with number and name; of many the first. */
template <class Part> std::string list_of(const Part *parts, size_t count)
{
    const size_t most = 700;
    std::string text;
    for (size_t i = 0; i < count; i++) {
        const std::string line =
            "\n  " + std::to_string(parts[i].number) + "  \"" + parts[i].name + "\"";
        if (text.size() + line.size() > most)
            return text + "\n  and " + std::to_string(count - i) + " more";
        text += line;
    }
    return text;
}

/** How many have this name (NULL: any), or this number; *chosen is the last of them. */
template <class Part>
size_t matches(const Part *parts, size_t count, const char *wanted, bool by_number,
               const Part **chosen)
{
    char *end = nullptr;
    const long number = wanted ? strtol(wanted, &end, 10) : 0;
    if (by_number && (!wanted || end == wanted || *end)) return 0;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const Part &part = parts[i];
        if (by_number ? part.number != number : wanted && strcmp(part.name, wanted) != 0) continue;
        *chosen = &part;
        found++;
    }
    return found;
}

/** By exact name, then by number; NULL wants the only one. kind: "ROI", for messages. */
template <class Part>
rp_status choose_part(const Part *parts, size_t count, const char *path, const char *wanted,
                      const char *kind, const Part **chosen, rp_error *err)
{
    size_t found = matches(parts, count, wanted, false, chosen);
    if (found == 0) found = matches(parts, count, wanted, true, chosen);
    if (found == 1) return RP_OK;
    *chosen = nullptr;
    const std::string list = list_of(parts, count);
    if (!wanted)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: %zu %ss; choose one by name or number:%s", path,
                       count, kind, list.c_str());
    if (found == 0)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: no %s \"%s\"; there are:%s", path, kind, wanted,
                       list.c_str());
    return rp_fail(err, RP_ERR_ARGUMENT, "%s: %zu %ss are called \"%s\"; choose by number:%s", path,
                   found, kind, wanted, list.c_str());
}

} // namespace rp_dicom

#endif
