/* Texts in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 6.1 and Annexes H to K) as UTF-8.
 * DCMTK's converter leaves a text as it is at the first byte that it does not know, and knows no
 * terms but the standard's; files of the field need both. */
#include "internal.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iconv.h>

namespace rp_dicom
{

static const char escape = '\x1B';
static const char *const replacement = "\xEF\xBF\xBD"; /* U+FFFD */

/* How iconv knows the registered sets; supersets where writers use them under the same name. */
static const struct {
    int registration;
    const char *name;
} registered[] = {
    {100, "ISO-8859-1"}, {101, "ISO-8859-2"},  {109, "ISO-8859-3"}, {110, "ISO-8859-4"},
    {144, "ISO-8859-5"}, {127, "ISO-8859-6"},  {126, "ISO-8859-7"}, {138, "ISO-8859-8"},
    {148, "ISO-8859-9"}, {203, "ISO-8859-15"}, {166, "TIS-620"},    {13, "SHIFT_JIS"},
    {149, "UHC"},        {58, "GBK"},
};

/* What the bytes below 0x80 are in ISO 2022: the Japanese sets have two bytes a character. */
enum class Left { ascii, jis_x_0208, jis_x_0212 };

static const struct {
    const char *sequence; /* behind ESC */
    Left left;
} left_escapes[] = {{"(B", Left::ascii},
                    {"(J", Left::ascii},
                    {"$B", Left::jis_x_0208},
                    {"$@", Left::jis_x_0208},
                    {"$(D", Left::jis_x_0212}};

/* What the bytes from 0x80 on are. */
static const struct {
    const char *sequence, *name;
} right_escapes[] = {{")I", "SHIFT_JIS"},   {"$)C", "UHC"},       {"$)A", "GBK"},
                     {"-A", "ISO-8859-1"},  {"-B", "ISO-8859-2"}, {"-C", "ISO-8859-3"},
                     {"-D", "ISO-8859-4"},  {"-L", "ISO-8859-5"}, {"-G", "ISO-8859-6"},
                     {"-F", "ISO-8859-7"},  {"-H", "ISO-8859-8"}, {"-M", "ISO-8859-9"},
                     {"-b", "ISO-8859-15"}, {"-T", "TIS-620"}};

static bool is_ascii(const std::string &text)
{
    for (const char c : text)
        if ((static_cast<unsigned char>(c) & 0x80) || c == escape) return false;
    return true;
}

/** False, with U+FFFD where a byte has no meaning, unless all of it is text of that set. */
static bool convert(const std::string &bytes, const char *from, std::string &out)
{
    const iconv_t converter = iconv_open("UTF-8", from);
    if (converter == reinterpret_cast<iconv_t>(-1)) return false;
    std::string copy = bytes;
    char *in = copy.data();
    size_t left = copy.size();
    bool whole = true;
    while (left > 0) {
        char buffer[256];
        char *to = buffer;
        size_t room = sizeof buffer;
        const size_t done = iconv(converter, &in, &left, &to, &room);
        out.append(buffer, sizeof buffer - room);
        if (done != size_t(-1) || errno == E2BIG) continue;
        out += replacement;
        whole = false;
        in++, left--;
        iconv(converter, nullptr, nullptr, nullptr, nullptr);
    }
    iconv_close(converter);
    return whole;
}

static bool is_utf8(const std::string &text)
{
    std::string out;
    return convert(text, "UTF-8", out);
}

/** Of a term in SpecificCharacterSet, as it is spelled or misspelled; "" if it names none. */
static std::string set_named(const std::string &term)
{
    std::string upper;
    for (const char c : term) upper += char(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    if (upper.find("UTF") != std::string::npos) return "UTF-8";
    for (const char *name : {"18030", "GBK"})
        if (upper.find(name) != std::string::npos) return name[0] == '1' ? "GB18030" : name;
    const size_t last = upper.find_last_not_of("0123456789");
    const int number = std::atoi(upper.c_str() + (last == std::string::npos ? 0 : last + 1));
    if (upper.find("8859") != std::string::npos && number >= 1 && number <= 16)
        return "ISO-8859-" + std::to_string(number);
    if (number >= 1250 && number <= 1258) return "CP" + std::to_string(number);
    if (number == 192) return "UTF-8";
    for (const auto &set : registered)
        if (set.registration == number) return set.name;
    return "";
}

void Charset::declare(const std::string &terms)
{
    size_t at = 0;
    initial_.clear();
    right_.clear();
    for (bool first = true; at <= terms.size(); first = false) {
        const size_t end = std::min(terms.find('\\', at), terms.size());
        const std::string name = set_named(terms.substr(at, end - at));
        if (first) initial_ = name;
        if (right_.empty()) right_ = name;
        at = end + 1;
    }
}

Charset::Charset(DcmItem &dataset)
{
    declare(text_of(dataset, DCM_SpecificCharacterSet));
}

Charset::Charset(DcmItem &item, const Charset &outer) : Charset(outer)
{
    const std::string terms = text_of(item, DCM_SpecificCharacterSet);
    if (!terms.empty()) declare(terms);
}

/** Bytes that no declared set explains. */
std::string Charset::guess(const std::string &bytes)
{
    std::string out;
    guessed_ = true;
    if (is_utf8(bytes)) return bytes;
    convert(bytes, "ISO-8859-1", out);
    return out;
}

/* ---- ISO 2022 ---------------------------------------------------------------------------- */

/** Which sets the bytes belong to, until the next escape or delimiter. */
struct Shift {
    Left left;
    std::string right; /**< "": not known */
};

/** The place behind a known escape sequence at bytes[at]; 0: none. */
static size_t shift_at(const std::string &bytes, size_t at, Shift &shift)
{
    for (const auto &known : left_escapes)
        if (bytes.compare(at + 1, strlen(known.sequence), known.sequence) == 0) {
            shift.left = known.left;
            return at + 1 + strlen(known.sequence);
        }
    for (const auto &known : right_escapes)
        if (bytes.compare(at + 1, strlen(known.sequence), known.sequence) == 0) {
            shift.right = known.name;
            return at + 1 + strlen(known.sequence);
        }
    return 0;
}

/** One piece, all below 0x80 or all above, without escapes. */
std::string Charset::piece_of(const std::string &piece, const Shift &shift)
{
    std::string bytes = piece, out;
    const char *set = shift.right.c_str();
    if (piece[0] & 0x80) {
        if (shift.right.empty()) return guess(piece);
    } else {
        if (shift.left == Left::ascii) return piece;
        bytes.clear();
        for (size_t i = 0; i < piece.size(); i++) {
            if (shift.left == Left::jis_x_0212 && i % 2 == 0) bytes += '\x8F';
            bytes += char(piece[i] | 0x80);
        }
        set = "EUC-JP";
    }
    guessed_ = !convert(bytes, set, out) || guessed_;
    return out;
}

/** Delimiters bring back the sets that the value began with. */
static bool is_delimiter(char c, Left left)
{
    return strchr("\r\n\t\f", c) || (left == Left::ascii && strchr("\\^=", c));
}

std::string Charset::shifted(const std::string &bytes)
{
    const Shift start = {Left::ascii, right_};
    Shift shift = start;
    std::string out;
    for (size_t at = 0; at < bytes.size();) {
        const size_t behind = bytes[at] == escape ? shift_at(bytes, at, shift) : 0;
        size_t end = at;
        if (behind) {
            at = behind;
        } else if (bytes[at] == escape || is_delimiter(bytes[at], shift.left)) {
            if (bytes[at] != escape) shift = start;
            out += bytes[at++];
        } else {
            while (end < bytes.size() && bytes[end] != escape &&
                   !is_delimiter(bytes[end], shift.left) && !((bytes[end] ^ bytes[at]) & 0x80))
                end++;
            out += piece_of(bytes.substr(at, end - at), shift);
            at = end;
        }
    }
    return out;
}

std::string Charset::utf8(const std::string &bytes)
{
    std::string out;
    if (is_ascii(bytes)) return bytes;
    if (initial_ == "UTF-8") return is_utf8(bytes) ? bytes : guess(bytes);
    if (initial_ == "GB18030" || initial_ == "GBK") {
        guessed_ = !convert(bytes, initial_.c_str(), out) || guessed_;
        return out;
    }
    const bool extended = bytes.find(escape) != std::string::npos;
    if (right_.empty() && !extended) return guess(bytes);
    return shifted(bytes);
}

std::string Charset::text(DcmItem &item, const DcmTagKey &tag)
{
    return utf8(text_of(item, tag));
}

void remark_guessed_names(const char *kind, rp_remarks &remarks)
{
    rp_remark_add(
        &remarks, "character_set",
        "Names of %s hold letters that the character set which the file declares does not "
        "explain: they were guessed (UTF-8 or Latin-1) and may be wrong.",
        kind);
}

} // namespace rp_dicom
