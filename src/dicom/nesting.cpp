/* Walks over the elements of a data set without recursion, only to count how they nest. */
#include "nesting.hpp"

#include <cstring>

namespace rp_dicom
{

static const uint32_t undefined = 0xFFFFFFFF;
enum : uint32_t { ITEM = 0xFFFEE000, ITEM_END = 0xFFFEE00D, SEQUENCE_END = 0xFFFEE0DD };

struct Walk {
    const uint8_t *data;
    size_t size, at;
    bool big_endian, explicit_vr;
    std::vector<size_t> ends; /**< of the open sequences and items; SIZE_MAX: by a delimiter */

    uint32_t number(size_t where, int bytes) const
    {
        uint32_t value = 0;
        for (int i = 0; i < bytes; i++)
            value |= uint32_t(data[where + size_t(i)]) << 8 * (big_endian ? bytes - 1 - i : i);
        return value;
    }
    uint32_t tag() const
    {
        return number(at, 2) << 16 | number(at + 2, 2);
    }
};

/** Length and size of the header of the element at w.at; false at the end of the data. */
static bool read_header(const Walk &w, uint32_t tag, uint32_t &length, size_t &header, bool &opens)
{
    header = 8;
    opens = tag == ITEM;
    const bool delimiter = tag >> 16 == 0xFFFE;
    if (!w.explicit_vr || delimiter) {
        length = w.number(w.at + 4, 4);
    } else {
        char vr[3] = {char(w.data[w.at + 4]), char(w.data[w.at + 5]), 0};
        opens = std::strcmp(vr, "SQ") == 0;
        if (std::strstr("OB OD OF OL OV OW SQ SV UC UN UR UT UV", vr)) {
            header = 12;
            if (w.at + header > w.size) return false;
            length = w.number(w.at + 8, 4);
        } else {
            length = w.number(w.at + 6, 2);
        }
    }
    opens = opens || (length == undefined && tag != ITEM_END && tag != SEQUENCE_END);
    return true;
}

/** Implicit VR does not tell sequences of defined length; an item right behind the header does. */
static bool item_follows(const Walk &w, size_t header, uint32_t length)
{
    if (w.explicit_vr || length == undefined || length < 8 || w.at + header + 8 > w.size)
        return false;
    return (w.number(w.at + header, 2) << 16 | w.number(w.at + header + 2, 2)) == ITEM;
}

static bool too_deep(Walk w)
{
    while (w.at + 8 <= w.size) {
        uint32_t length = 0;
        size_t header = 0;
        bool opens = false;
        const uint32_t tag = w.tag();
        while (!w.ends.empty() && w.ends.back() <= w.at) w.ends.pop_back();
        if (!read_header(w, tag, length, header, opens)) return false;
        const size_t left = w.size - w.at - header;
        if (opens || item_follows(w, header, length)) {
            w.ends.push_back(length == undefined ? SIZE_MAX : w.at + header + length);
            /* an item and its sequence are two */
            if (w.ends.size() > 2 * deepest_nesting) return true;
            w.at += header;
        } else if (tag == ITEM_END || tag == SEQUENCE_END) {
            if (!w.ends.empty()) w.ends.pop_back();
            w.at += header;
        } else {
            if (length > left) return false; /* truncated: told elsewhere */
            w.at += header + length;
        }
    }
    return false;
}

/** Where the data set begins, and how it is encoded; false where it cannot be looked through. */
static bool find_data_set(Walk &w)
{
    const bool part10 = w.size > 132 && std::memcmp(w.data + 128, "DICM", 4) == 0;
    std::string syntax;
    w.at = part10 ? 132 : 0;
    while (part10 && w.at + 8 <= w.size && w.tag() >> 16 == 2) {
        uint32_t length = 0;
        size_t header = 0;
        bool opens = false;
        if (!read_header(w, w.tag(), length, header, opens) || length > w.size - w.at - header)
            return false;
        if (w.tag() == 0x00020010)
            syntax.assign(reinterpret_cast<const char *>(w.data + w.at + header), length);
        w.at += header + length;
    }
    while (!syntax.empty() && (syntax.back() == 0 || syntax.back() == ' ')) syntax.pop_back();
    w.big_endian = syntax == UID_BigEndianExplicitTransferSyntax;
    w.explicit_vr = part10 ? syntax != UID_LittleEndianImplicitTransferSyntax
                           : w.size > 6 && w.data[4] >= 'A' && w.data[4] <= 'Z' &&
                                 w.data[5] >= 'A' && w.data[5] <= 'Z';
    return syntax != UID_DeflatedExplicitVRLittleEndianTransferSyntax;
}

rp_status check_nesting(const char *path, rp_error *err)
{
    uint8_t *data = nullptr;
    size_t size = 0;
    const rp_status status = rp_file_read(path, &data, &size, err);
    if (status) return status;
    Walk walk = {data, size, 0, false, true, {}};
    const bool deep = find_data_set(walk) && too_deep(walk);
    rp_free(data);
    return deep ? rp_fail(err, RP_ERR_FORMAT, "%s: sequences are nested too deeply", path) : RP_OK;
}

} // namespace rp_dicom
