/**
 * @file choose.hpp
 * One of an object's named and numbered parts: ROIs, segments.
 */
#ifndef REPRISE_DICOM_CHOOSE_HPP
#define REPRISE_DICOM_CHOOSE_HPP

#include "internal.hpp"

#include <cstdlib>
#include <glib.h>

namespace rp_dicom
{

/** Parts for a message, each with number and name; of many the first. In one line: only that is
 *  sure to be ours where names hold what they like. */
template <class Part> std::string list_of(const Part *parts, size_t count)
{
    const size_t most = 700;
    std::string text;
    for (size_t i = 0; i < count; i++) {
        const std::string line =
            (i ? "; " : " ") + std::to_string(parts[i].number) + " \"" + parts[i].name + "\"";
        if (text.size() + line.size() > most)
            return text + "; and " + std::to_string(count - i) + " more";
        text += line;
    }
    return text;
}

/** What a part is looked for by. */
enum class By { name, canonical_name, number };

/** The composed form, so that letters and their accents may be one character or two. */
inline std::string canonical(const char *text)
{
    gchar *normal = g_utf8_normalize(text, -1, G_NORMALIZE_NFC);
    const std::string composed = normal ? normal : text;
    g_free(normal);
    return composed;
}

template <class Part> bool is_meant(const Part &part, const std::string &wanted, By by)
{
    if (by == By::name) return wanted == part.name;
    if (by == By::canonical_name) return canonical(wanted.c_str()) == canonical(part.name);
    char *end = nullptr;
    const long number = strtol(wanted.c_str(), &end, 10);
    return end != wanted.c_str() && !*end && part.number == number;
}

/** By exact name, by the same letters otherwise composed, then by number; NULL wants the only one.
 *  kind: "ROI", for messages. */
template <class Part>
rp_status choose_part(const Part *parts, size_t count, const char *path, const char *wanted,
                      const char *kind, const Part **chosen, rp_error *err)
{
    *chosen = nullptr;
    size_t found = wanted ? 0 : count;
    if (!wanted && count == 1) *chosen = parts;
    for (const By by : {By::name, By::canonical_name, By::number}) {
        if (found) break;
        for (size_t i = 0; i < count; i++) {
            if (!is_meant(parts[i], wanted, by)) continue;
            *chosen = &parts[i];
            found++;
        }
    }
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
