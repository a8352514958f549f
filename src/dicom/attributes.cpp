/* Getters that tell absent, empty and malformed apart, and setters that keep DICOM's limits.
 * DCMTK's findAndGetFloat64 overwrites its output when a tag is missing, so it is not used. */
#include "internal.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace rp_dicom
{

/* ---- reading ----------------------------------------------------------------------------- */

static std::string trimmed(const std::string &text)
{
    static const char *blank = " \t\r\n";
    const size_t first = text.find_first_not_of(blank);
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/** No text or list of numbers comes near: ten million contour points. */
static const Uint32 longest_value = Uint32(256) << 20;

/** A long value is still in the file. Where the file ends before it, DCMTK's getters would hand out
 *  the memory taken for it, up to 4 GiB that nobody has written: such an element is dropped. */
static DcmElement *element_of(DcmItem &item, const DcmTagKey &tag)
{
    DcmElement *element = nullptr;
    if (item.findAndGetElement(tag, element).bad()) return nullptr;
    const bool readable = element->valueLoaded() || element->getLengthField() <= longest_value;
    if (readable && element->loadAllDataIntoMemory().good()) return element;
    delete item.remove(element);
    return nullptr;
}

std::string text_of(DcmItem &item, const DcmTagKey &tag)
{
    DcmElement *element = element_of(item, tag);
    OFString value;
    Uint8 *bytes = nullptr;
    /* text whose representation the file does not know is text all the same */
    if (element && (element->getVR() == EVR_UN || element->getVR() == EVR_UNKNOWN) &&
        element->getUint8Array(bytes).good() && bytes) {
        const char *text = reinterpret_cast<const char *>(bytes);
        return trimmed(std::string(text, strnlen(text, element->getLength())));
    }
    if (!element || element->getOFStringArray(value).bad()) return "";
    return trimmed(std::string(value.c_str())); /* an embedded NUL ends the text */
}

bool is_uid(const std::string &text)
{
    return !text.empty() && text.size() <= 64 && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string::npos &&
           text.find_first_not_of("0123456789.") == std::string::npos;
}

bool parse_numbers(const std::string &text, std::vector<double> &values)
{
    size_t at = 0;
    for (;;) {
        const size_t end = std::min(text.find('\\', at), text.size());
        const std::string part = trimmed(text.substr(at, end - at));
        const char *first = part.data(), *last = first + part.size();
        if (first != last && *first == '+') first++;
        double value = 0;
        const auto parsed = std::from_chars(first, last, value);
        if (parsed.ec != std::errc() || parsed.ptr != last || !std::isfinite(value)) return false;
        values.push_back(value);
        if (end == text.size()) return true;
        at = end + 1;
    }
}

static Presence binary_numbers(DcmElement &element, std::vector<double> &values)
{
    for (unsigned long i = 0, n = element.getVM(); i < n; i++) {
        Uint16 u16 = 0;
        Sint16 s16 = 0;
        Uint32 u32 = 0;
        Sint32 s32 = 0;
        Float32 f32 = 0;
        Float64 f64 = 0;
        double value = 0;
        if (element.getUint16(u16, i).good())
            value = u16;
        else if (element.getSint16(s16, i).good())
            value = s16;
        else if (element.getUint32(u32, i).good())
            value = u32;
        else if (element.getSint32(s32, i).good())
            value = s32;
        else if (element.getFloat32(f32, i).good())
            value = double(f32);
        else if (element.getFloat64(f64, i).good())
            value = f64;
        else
            return Presence::malformed;
        if (!std::isfinite(value)) return Presence::malformed;
        values.push_back(value);
    }
    return values.empty() ? Presence::malformed : Presence::ok;
}

Presence numbers_of(DcmItem &item, const DcmTagKey &tag, std::vector<double> &values)
{
    values.clear();
    DcmElement *element = element_of(item, tag);
    if (!element) return Presence::missing;
    if (element->getLength() == 0) return Presence::empty;
    if (!element->isaString()) return binary_numbers(*element, values);
    OFString raw;
    if (element->getOFStringArray(raw).bad()) return Presence::malformed;
    const std::string text = trimmed(std::string(raw.c_str()));
    if (text.empty()) return Presence::empty;
    return parse_numbers(text, values) ? Presence::ok : Presence::malformed;
}

Presence number_of(DcmItem &item, const DcmTagKey &tag, double &value)
{
    std::vector<double> values;
    const Presence presence = numbers_of(item, tag, values);
    if (presence == Presence::ok) value = values[0];
    return presence;
}

Presence numbers_of(DcmItem &item, const DcmTagKey &tag, double *values, size_t count)
{
    std::vector<double> found;
    Presence presence = numbers_of(item, tag, found);
    if (presence == Presence::ok && found.size() != count) presence = Presence::malformed;
    if (presence == Presence::ok) std::copy(found.begin(), found.end(), values);
    return presence;
}

std::vector<DcmItem *> items_of(DcmItem &item, const DcmTagKey &tag)
{
    std::vector<DcmItem *> items;
    DcmSequenceOfItems *sequence = nullptr;
    if (item.findAndGetSequence(tag, sequence).bad() || !sequence) return items;
    DcmObject *next = nullptr; /* getItem(i) would walk the list from its start each time */
    while ((next = sequence->nextInContainer(next)) != nullptr)
        if (next->ident() == EVR_item || next->ident() == EVR_dirRecord)
            items.push_back(static_cast<DcmItem *>(next));
    return items;
}

void copy_text(char *to, size_t size, const std::string &text)
{
    size_t length = std::min(text.size(), size - 1);
    if (length < text.size()) /* not within a character */
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) length--;
    memcpy(to, text.data(), length);
    to[length] = 0;
}

std::string date_of(DcmItem &item, const DcmTagKey &tag)
{
    const std::string text = text_of(item, tag);
    if (text.size() != 10 || text[4] != '.' || text[7] != '.') return text;
    return text.substr(0, 4) + text.substr(5, 2) + text.substr(8, 2);
}

/** A time (TM) as HHMMSS, also from the old form HH:MM:SS. */
static std::string time_of(DcmItem &item, const DcmTagKey &tag)
{
    std::string text = text_of(item, tag);
    if (text.size() >= 5 && text[2] == ':')
        text.erase(std::remove(text.begin(), text.end(), ':'), text.end());
    return text;
}

static std::string first_of(std::initializer_list<std::string> texts)
{
    for (const std::string &text : texts)
        if (!text.empty()) return text;
    return "";
}

void read_header(DcmItem &d, rp_dicom_header &h)
{
    Charset set(d);
    copy_text(h.patient_id, set.text(d, DCM_PatientID));
    copy_text(h.patient_name, set.text(d, DCM_PatientName));
    copy_text(h.patient_id_issuer, set.text(d, DCM_IssuerOfPatientID));
    copy_text(h.patient_birth_date, date_of(d, DCM_PatientBirthDate));
    copy_text(h.patient_sex, text_of(d, DCM_PatientSex));
    copy_text(h.study_uid, text_of(d, DCM_StudyInstanceUID));
    copy_text(h.study_id, set.text(d, DCM_StudyID));
    copy_text(h.study_date, date_of(d, DCM_StudyDate));
    copy_text(h.study_time, time_of(d, DCM_StudyTime));
    copy_text(h.accession_number, set.text(d, DCM_AccessionNumber));
    copy_text(h.referring_physician, set.text(d, DCM_ReferringPhysicianName));
    copy_text(h.series_uid, text_of(d, DCM_SeriesInstanceUID));
    copy_text(h.frame_of_reference_uid, text_of(d, DCM_FrameOfReferenceUID));
    copy_text(h.modality, text_of(d, DCM_Modality));
    copy_text(h.series_description, set.text(d, DCM_SeriesDescription));
    copy_text(h.series_number, text_of(d, DCM_SeriesNumber));
    copy_text(h.sop_class_uid, text_of(d, DCM_SOPClassUID));
    copy_text(h.body_part, text_of(d, DCM_BodyPartExamined));
    copy_text(h.acquisition_date,
              first_of({date_of(d, DCM_AcquisitionDate), date_of(d, DCM_SeriesDate),
                        date_of(d, DCM_StudyDate)}));
}

/* ---- writing ----------------------------------------------------------------------------- */

/** Bytes that a value of this representation may have (characters, for the longer texts). */
static size_t longest(DcmEVR vr)
{
    switch (vr) {
    case EVR_SH:
    case EVR_CS:
        return 16;
    case EVR_IS:
        return 12;
    case EVR_LO:
    case EVR_PN:
        return 64;
    case EVR_ST:
        return 1024;
    default:
        return SIZE_MAX;
    }
}

static std::string fitted(const std::string &text, DcmEVR vr)
{
    std::string clean;
    size_t characters = 0;
    for (const char c : text) {
        const unsigned char byte = static_cast<unsigned char>(c);
        if ((byte & 0xC0) != 0x80 && ++characters > longest(vr)) break;
        if (byte < 32 || byte == 127)
            clean += ' ';
        else
            clean += c == '\\' && vr != EVR_ST ? '/' : c;
    }
    return trimmed(clean);
}

void Writer::put(const DcmTagKey &tag, const std::string &text)
{
    put_raw(tag, fitted(text, DcmTag(tag).getEVR()));
}

void Writer::put_raw(const DcmTagKey &tag, const std::string &text)
{
    keep(item_.putAndInsertString(tag, text.c_str()));
}

void Writer::put_u16(const DcmTagKey &tag, unsigned value)
{
    keep(item_.putAndInsertUint16(tag, static_cast<Uint16>(value)));
}

void Writer::put_pixels(const std::vector<Uint16> &pixels)
{
    keep(item_.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size()));
}

void Writer::put_bytes(const DcmTagKey &tag, const std::vector<Uint8> &bytes)
{
    keep(item_.putAndInsertUint8Array(tag, bytes.data(), bytes.size()));
}

void Writer::put_tag(const DcmTagKey &tag, const DcmTagKey &value)
{
    keep(item_.putAndInsertTagKey(tag, value));
}

void Writer::put_u16s(const DcmTagKey &tag, const std::vector<Uint16> &values)
{
    keep(item_.putAndInsertUint16Array(tag, values.data(), values.size()));
}

void Writer::put_u32s(const DcmTagKey &tag, const std::vector<Uint32> &values)
{
    DcmUnsignedLong *element = new DcmUnsignedLong(tag);
    keep(element->putUint32Array(values.data(), static_cast<unsigned long>(values.size())));
    const OFCondition inserted = item_.insert(element, OFTrue);
    if (inserted.bad()) delete element;
    keep(inserted);
}

DcmItem *Writer::item(const DcmTagKey &sequence)
{
    DcmItem *item = nullptr;
    keep(item_.findOrCreateSequenceItem(sequence, item, -2));
    return good() ? item : nullptr;
}

rp_status check_mask_to_write(const char *path, const rp_dicom_series &series, const rp_mask &mask,
                              const char *object, rp_error *err)
{
    if (!rp_grid_same(&series.image.grid, &mask.grid, 0.01))
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: the mask is not on the grid of the series", path);
    bool named = series.header.series_uid[0] != 0;
    for (size_t i = 0; i < series.acquired_count; i++) named = named && series.acquired_uids[i][0];
    for (int z = 0; z < mask.grid.size[2] && !series.repair.resampled; z++)
        named = named && series.sop_uids[z][0];
    if (!named)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: the series or its slices have no UID that %s could refer to", path,
                       object);
    if (rp_mask_count(&mask) == 0)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: the mask is empty: there is nothing to write",
                       path);
    return RP_OK;
}

std::string decimal_text(double value)
{
    char text[40] = "0";
    if (std::fabs(value) < 1e-12) return text; /* no signed or denormal zeros */
    for (int digits = 15; digits > 0; digits--) {
        const auto end = std::to_chars(text, text + 32, value, std::chars_format::general, digits);
        *end.ptr = 0;
        if (end.ptr - text <= 16) break;
    }
    return text;
}

bool needs_utf8(const rp_dicom_header &h)
{
    const char *texts[] = {h.patient_id,        h.patient_id_issuer, h.patient_name,
                           h.study_id,          h.accession_number,  h.referring_physician,
                           h.series_description};
    for (const char *text : texts)
        for (; *text; text++)
            if (static_cast<unsigned char>(*text) > 126) return true;
    return false;
}

void put_patient_and_study(Writer &w, const rp_dicom_header &h)
{
    w.put(DCM_PatientName, h.patient_name);
    w.put(DCM_PatientID, h.patient_id);
    if (h.patient_id_issuer[0]) w.put(DCM_IssuerOfPatientID, h.patient_id_issuer);
    w.put(DCM_PatientBirthDate, h.patient_birth_date);
    w.put(DCM_PatientSex, h.patient_sex);
    w.put(DCM_StudyInstanceUID, h.study_uid);
    w.put(DCM_StudyID, h.study_id);
    w.put(DCM_StudyDate, h.study_date);
    w.put(DCM_StudyTime, h.study_time);
    w.put(DCM_AccessionNumber, h.accession_number);
    w.put(DCM_ReferringPhysicianName, h.referring_physician);
}

void put_series(Writer &w, const char *modality, const std::string &description,
                const std::string &uid)
{
    w.put(DCM_Modality, modality);
    w.put(DCM_Manufacturer, "Reprise");
    w.put(DCM_ManufacturerModelName, "Reprise");
    w.put(DCM_SoftwareVersions, RP_VERSION);
    w.put(DCM_SeriesDescription, description);
    w.put(DCM_SeriesInstanceUID, uid);
    w.put(DCM_SeriesNumber, "1");
}

} // namespace rp_dicom
