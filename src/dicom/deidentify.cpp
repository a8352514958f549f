/* The walk over a data set that leaves nothing of the patient in it. */
#include "deidentify.hpp"

#include "profile.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <stdexcept>

namespace rp_dicom
{

/* ---- attributes that the walk has to know -------------------------------------------------- */

static bool is_one_of(const DcmTagKey &tag, std::initializer_list<DcmTagKey> tags)
{
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

/** UIDs that name a kind of thing, not a thing: they stay even where a vendor has made them. */
static bool names_a_class(const DcmTagKey &tag)
{
    return is_one_of(tag, {DCM_SOPClassUID, DCM_ReferencedSOPClassUID, DCM_SOPClassesInStudy,
                           DCM_RelatedGeneralSOPClassUID, DCM_OriginalSpecializedSOPClassUID,
                           DCM_SOPClassesSupported, DCM_CodingSchemeUID, DCM_ContextUID,
                           DCM_MappingResourceUID, DCM_TransferSyntaxUID});
}

/** Removed though Table E.1-1 does not list them: what belongs to signatures, encryption and
 *  overlays that are removed, and links into an archive. */
static bool goes_with_removed(const DcmTagKey &tag)
{
    if ((tag.getGroup() & 0xFF00) == 0x6000) return true;
    return is_one_of(tag, {DCM_MACParametersSequence, DCM_EncryptedAttributesSequence,
                           DCM_RetrieveURL, DCM_RetrieveURI});
}

/** Sequences whose items stay: they are cleaned inside, by this profile's own option for structured
 *  content, or hold nothing but references. */
static bool is_cleaned_inside(const DcmTagKey &tag)
{
    return is_one_of(tag, {DCM_ContentSequence, DCM_ReferencedImageSequence,
                           DCM_SourceImageSequence, DCM_ReferencedPerformedProcedureStepSequence});
}

/** Of the sequences that the profile lets be removed or emptied, those that no object needs. The
 * study that a request in a report refers to has to be there, if only empty. */
static bool may_be_missing(DcmElement &sequence)
{
    const DcmTagKey tag = sequence.getTag().getXTag();
    const bool outermost = sequence.getParent() && sequence.getParent()->ident() == EVR_dataset;
    return is_one_of(tag, {DCM_InstitutionCodeSequence, DCM_OperatorIdentificationSequence}) ||
           (tag == DCM_ReferencedStudySequence && outermost);
}

/** VR by the dictionary where that knows better than the file; unknown_tag: not a public attribute
 *  of the dictionary at all. */
static DcmEVR vr_of(DcmElement &element, bool &unknown_tag)
{
    const DcmTag listed(element.getTag().getXTag());
    const DcmEVR in_file = element.getTag().getEVR(), known = listed.getEVR();
    unknown_tag = known == EVR_UNKNOWN || known == EVR_UN;
    const DcmEVR strict[] = {EVR_UI, EVR_DA, EVR_TM, EVR_DT, EVR_PN,
                             EVR_LT, EVR_ST, EVR_UT, EVR_AE};
    for (const DcmEVR vr : strict)
        if (known == vr) return known;
    return in_file;
}

/** What cannot be read must not be kept unread: then the whole object is given up. */
static std::string raw_text(DcmElement &element)
{
    static const Uint32 longest_text = Uint32(256) << 20;
    OFString value;
    if (!element.isaString()) return "";
    if (!element.valueLoaded() && element.getLengthField() > longest_text)
        throw std::runtime_error("a text is longer than 256 MiB");
    if (element.loadAllDataIntoMemory().bad() || element.getOFStringArray(value).bad())
        throw std::runtime_error("a text cannot be read");
    return std::string(value.c_str(), value.length());
}

static std::vector<std::string> split(const std::string &text, const char *separators)
{
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (strchr(separators, c) && c)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

static std::string trimmed(const std::string &text)
{
    const size_t first = text.find_first_not_of(std::string(" \0\t\r\n", 5));
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(std::string(" \0\t\r\n", 5)) - first + 1);
}

static void put(DcmElement &element, const std::string &value)
{
    if (element.putString(value.c_str()).bad())
        throw std::runtime_error("an attribute cannot be replaced");
}

/** No value; pixel and other data of any VR included. */
static void make_empty(DcmElement &element)
{
    if (element.clear().bad()) throw std::runtime_error("an attribute cannot be emptied");
}

/* ---- identifiers in other places ----------------------------------------------------------- */

static const Uint32 longest_wrapped = 4096;

static std::string lower(std::string text)
{
    for (char &c : text) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
    return text;
}

/** By the character set that is declared, and as it is read where none is: many files declare
 * another than they use. */
std::vector<std::string> Cleaner::readings_of(DcmElement &element)
{
    std::string raw = raw_text(element);
    Uint8 *bytes = nullptr;
    /* A name in the wrapping of an unknown VR is removed itself, but tells what to look for. */
    if (raw.empty() && !element.isaString() && element.getLengthField() <= longest_wrapped &&
        element.getUint8Array(bytes).good() && bytes)
        raw.assign(reinterpret_cast<const char *>(bytes), element.getLength());
    std::vector<std::string> readings = {charset_->utf8(raw)};
    const std::string other = undeclared_.utf8(raw);
    if (other != readings[0]) readings.push_back(other);
    return readings;
}

void Cleaner::remember(DcmElement &element, DcmEVR vr)
{
    const DcmTagKey numbers[] = {DCM_PatientID, DCM_RETIRED_OtherPatientIDs, DCM_AccessionNumber,
                                 DCM_AdmissionID, DCM_RETIRED_MedicalRecordLocator};
    const DcmTagKey tag = element.getTag().getXTag();
    if (vr == EVR_PN)
        for (const std::string &name : readings_of(element)) {
            /* A number in the place of a name, such as "STUDY-HEAD-01", may hold terms of codes. */
            const bool number = name.find_first_of("0123456789") != std::string::npos;
            (number ? loose_identifiers_ : identifiers_).add_name(name);
            if (number) identifiers_.add_number(name);
        }
    if (std::find(std::begin(numbers), std::end(numbers), tag) != std::end(numbers))
        for (const std::string &number : readings_of(element)) identifiers_.add_number(number);
    if (tag == DCM_PatientBirthDate) identifiers_.add_birth_date(trimmed(raw_text(element)));
}

/** Persons and numbers of the patient anywhere in the object, so that copies of them in other texts
 *  are found. */
void Cleaner::collect(DcmItem &item, const Charset &outer)
{
    Charset own(item, outer);
    for (DcmObject *o = nullptr; (o = item.nextInContainer(o)) != nullptr;) {
        DcmElement &element = static_cast<DcmElement &>(*o);
        if (element.ident() == EVR_SQ) {
            DcmSequenceOfItems &sequence = static_cast<DcmSequenceOfItems &>(element);
            for (DcmObject *i = nullptr; (i = sequence.nextInContainer(i)) != nullptr;)
                if (i->ident() == EVR_item) collect(static_cast<DcmItem &>(*i), own);
            continue;
        }
        bool unknown = false;
        charset_ = &own;
        remember(element, vr_of(element, unknown));
    }
}

/** A text that stays must not tell who it is. */
void Cleaner::sweep(DcmElement &element)
{
    const DcmEVR vr = element.getTag().getEVR();
    const bool code = vr == EVR_CS;
    for (const std::string &text : readings_of(element)) {
        if (!identifiers_.in(text, code) && (code || !loose_identifiers_.in(text, code))) continue;
        if (vr == EVR_DS || vr == EVR_IS || vr == EVR_AS) return make_empty(element);
        return put(element, code ? "ANONYMIZED" : names_.text(raw_text(element)));
    }
}

/* ---- values -------------------------------------------------------------------------------- */

static bool are_uids(const std::string &text)
{
    for (const std::string &uid : split(text, "\\"))
        if (!trimmed(uid).empty() && !is_uid(trimmed(uid))) return false;
    return true;
}

void Cleaner::map_uids(DcmElement &element)
{
    std::string mapped;
    for (const std::string &uid : split(raw_text(element), "\\"))
        mapped += (mapped.empty() ? "" : "\\") + names_.uid(trimmed(uid));
    put(element, mapped);
}

/** A dummy in place of a value that must be there. */
void Cleaner::replace(DcmElement &element, DcmEVR vr)
{
    const std::string before = raw_text(element);
    switch (vr) {
    case EVR_UI:
        return map_uids(element);
    case EVR_PN:
        return put(element, "Anonymous");
    case EVR_AS:
        return put(element, "000Y");
    case EVR_AE:
    case EVR_CS:
        return put(element, "ANONYMIZED");
    case EVR_DS:
    case EVR_IS:
        return put(element, "0");
    default:
        if (!element.isaString()) return make_empty(element);
        /* A dummy's place is kept even where nothing was. */
        return put(element, names_.text(trimmed(before)));
    }
}

static std::string shifted(const std::string &value, DcmEVR vr, int days)
{
    if (vr == EVR_TM || value.empty()) return value;
    return vr == EVR_DA ? shifted_date(value, days) : shifted_datetime(value, days);
}

/** Dates move by days; birth goes. A date that cannot be understood is no date to keep. */
void Cleaner::clean_temporal(DcmElement &element, DcmEVR vr)
{
    const DcmTagKey tag = element.getTag().getXTag();
    if (tag == DCM_PatientBirthDate) return make_empty(element);
    if (tag == DCM_PatientBirthTime) return doomed_.push_back(&element);
    if (vr == EVR_TM) {
        const std::string text = raw_text(element);
        if (text.find_first_not_of("0123456789.:- \\") != std::string::npos) make_empty(element);
        return;
    }
    std::string moved;
    bool first = true;
    for (const std::string &value : split(raw_text(element), "\\")) {
        moved += (first ? "" : "\\") + shifted(trimmed(value), vr, days_);
        first = false;
    }
    put(element, moved);
}

/** Attributes of Table E.1-1 that hold neither dates nor sequences. */
void Cleaner::by_profile(DcmElement &element, DcmEVR vr)
{
    const DcmTagKey tag = element.getTag().getXTag();
    if (tag == DCM_PatientName || tag == DCM_PatientID) return put(element, pseudonym_);
    const Action action = profile_action(tag);
    if (action == Action::x) return doomed_.push_back(&element);
    if (action == Action::u) return map_uids(element);
    const bool value_needed = action == Action::d || action == Action::x_d ||
                              is_one_of(tag, {DCM_DeviceSerialNumber, DCM_ROIName});
    value_needed ? replace(element, vr) : make_empty(element);
}

/** Attributes that the profile does not list. */
void Cleaner::by_default(DcmElement &element, DcmEVR vr, bool strict)
{
    const DcmTagKey tag = element.getTag().getXTag();
    switch (vr) {
    case EVR_UI:
        if (!names_a_class(tag) || !are_uids(raw_text(element))) map_uids(element);
        return;
    case EVR_PN:
    case EVR_AE:
        return make_empty(element);
    case EVR_LT:
    case EVR_ST:
    case EVR_UT:
        if (!raw_text(element).empty()) replace(element, vr);
        return;
    case EVR_UN:
        return doomed_.push_back(&element); /* it cannot be looked into */
    case EVR_SH:
    case EVR_LO:
    case EVR_UC:
        if (strict && !raw_text(element).empty()) return replace(element, vr);
        return sweep(element);
    default:
        if (element.isaString()) sweep(element);
        return;
    }
}

/* ---- the walk ------------------------------------------------------------------------------ */

/** Birth date, sex and age of the subject in a report (PS3.16, TID 1007): what the header loses
 * too. */
static bool tells_of_subject(DcmItem &item)
{
    const std::vector<DcmItem *> names = items_of(item, DCM_ConceptNameCodeSequence);
    if (names.empty() || text_of(*names[0], DCM_CodingSchemeDesignator) != "DCM") return false;
    const std::string code = text_of(*names[0], DCM_CodeValue);
    return code == "121031" || code == "121032" || code == "121033";
}

static void drop_subject_items(DcmSequenceOfItems &sequence)
{
    for (unsigned long i = sequence.card(); i-- > 0;)
        if (tells_of_subject(*sequence.getItem(i))) delete sequence.remove(i);
}

/** "+0100"; anything else is no time zone. */
static void keep_time_zone(DcmElement &element)
{
    const std::string text = trimmed(raw_text(element));
    if (text.empty()) return;
    const bool zone = text.size() == 5 && strchr("+-", text[0]) &&
                      text.find_first_not_of("0123456789", 1) == std::string::npos;
    if (!zone) make_empty(element);
}

/** True if the element was a sequence and is dealt with. */
bool Cleaner::clean_sequence(DcmElement &element, bool strict)
{
    if (element.ident() != EVR_SQ) return false;
    const DcmTagKey tag = element.getTag().getXTag();
    DcmSequenceOfItems &sequence = static_cast<DcmSequenceOfItems &>(element);
    const Action action = profile_action(tag);
    const bool inside = action == Action::none || action == Action::d || is_cleaned_inside(tag);
    if (action == Action::x || may_be_missing(element)) {
        doomed_.push_back(&element);
    } else if (!inside) {
        make_empty(element);
    } else {
        if (tag == DCM_ContentSequence) drop_subject_items(sequence);
        const bool stricter = strict || (action == Action::d && !is_cleaned_inside(tag));
        for (DcmObject *i = nullptr; (i = sequence.nextInContainer(i)) != nullptr;)
            if (i->ident() == EVR_item) clean_item(static_cast<DcmItem &>(*i), *charset_, stricter);
    }
    return true;
}

void Cleaner::clean_element(DcmElement &element, bool strict)
{
    const DcmTagKey tag = element.getTag().getXTag();
    bool unknown = false;
    const DcmEVR vr = vr_of(element, unknown);
    const Action action = profile_action(tag);
    /* A text in the wrapping of an unknown VR cannot be looked into. */
    const bool opaque = vr != element.getTag().getEVR() && !element.isaString();
    if ((tag.getGroup() & 1) || tag.getElement() == 0 || goes_with_removed(tag) || opaque ||
        (unknown && action == Action::none))
        doomed_.push_back(&element);
    else if (vr == EVR_DA || vr == EVR_TM || vr == EVR_DT)
        clean_temporal(element, vr);
    else if (clean_sequence(element, strict))
        return;
    else if (tag == DCM_TimezoneOffsetFromUTC)
        keep_time_zone(element); /* part of the times that are kept */
    else if (action != Action::none)
        by_profile(element, vr);
    else
        by_default(element, vr, strict);
}

void Cleaner::clean_item(DcmItem &item, const Charset &outer, bool strict)
{
    std::vector<DcmElement *> of_outer;
    Charset own(item, outer), *const before = charset_;
    charset_ = &own;
    of_outer.swap(doomed_);
    for (DcmObject *o = nullptr; (o = item.nextInContainer(o)) != nullptr;)
        clean_element(static_cast<DcmElement &>(*o), strict);
    for (DcmElement *element : doomed_) delete item.remove(element);
    doomed_.swap(of_outer);
    charset_ = before;
}

/* ---- the data set as a whole --------------------------------------------------------------- */

/** Structures keep apart by their numbers. */
void Cleaner::name_rois(DcmItem &dataset)
{
    for (DcmItem *roi : items_of(dataset, DCM_StructureSetROISequence)) {
        const std::string name = "ROI " + text_of(*roi, DCM_ROINumber);
        if (roi->tagExists(DCM_ROIName)) Writer(*roi).put(DCM_ROIName, name);
    }
}

static void add_method(Writer &writer, const char *code, const char *meaning)
{
    DcmItem *item = writer.item(DCM_DeidentificationMethodCodeSequence);
    if (!item) return;
    Writer coded(*item);
    coded.put(DCM_CodeValue, code);
    coded.put(DCM_CodingSchemeDesignator, "DCM");
    coded.put(DCM_CodeMeaning, meaning);
}

void Cleaner::declare(DcmItem &dataset)
{
    const bool dates_gone =
        text_of(dataset, DCM_LongitudinalTemporalInformationModified) == "REMOVED";
    delete dataset.remove(DCM_DeidentificationMethodCodeSequence);
    Writer w(dataset);
    w.put_raw(DCM_PatientName, pseudonym_);
    w.put_raw(DCM_PatientID, pseudonym_);
    w.put_raw(DCM_PatientIdentityRemoved, "YES");
    w.put_raw(DCM_DeidentificationMethod,
              "Reprise " RP_VERSION "\\PS3.15 Basic Profile\\Dates moved, intervals kept");
    add_method(w, "113100", "Basic Application Confidentiality Profile");
    add_method(w, "113104", "Clean Structured Content Option");
    add_method(w, "113107", "Retain Longitudinal Temporal Information Modified Dates Option");
    w.put_raw(DCM_LongitudinalTemporalInformationModified, dates_gone ? "REMOVED" : "MODIFIED");
    if (!w.good()) throw std::runtime_error(w.problem());
}

/** What Reprise itself has made stays labelled as such, without the rest of the description. */
static const char *made_label(DcmItem &dataset)
{
    const std::string description = lower(text_of(dataset, DCM_SeriesDescription));
    if (description.find("synthetic") != std::string::npos) return "SYNTHETIC";
    return description.find("simulated") != std::string::npos ? "SIMULATED" : nullptr;
}

void Cleaner::clean(DcmItem &dataset)
{
    const char *label = made_label(dataset);
    identifiers_.clear();
    loose_identifiers_.clear();
    collect(dataset, undeclared_);
    clean_item(dataset, undeclared_, false);
    name_rois(dataset);
    declare(dataset);
    if (label) Writer(dataset).put(DCM_SeriesDescription, label);
}

/* ---- what a person has to look at ---------------------------------------------------------- */

static unsigned overlay_concerns(DcmItem &dataset)
{
    unsigned found = 0;
    for (unsigned group = 0x6000; group <= 0x601E; group += 2) {
        const DcmTagKey rows(static_cast<Uint16>(group), 0x0010);
        const DcmTagKey data(static_cast<Uint16>(group), 0x3000);
        if (dataset.tagExists(data))
            found |= concern_overlay_removed;
        else if (dataset.tagExists(rows))
            found |= concern_overlay_in_pixels;
    }
    return found;
}

unsigned concerns_of(DcmItem &dataset)
{
    const std::string sop_class = text_of(dataset, DCM_SOPClassUID);
    const std::string capture = UID_SecondaryCaptureImageStorage;
    const std::string type = "\\" + text_of(dataset, DCM_ImageType) + "\\";
    unsigned found = overlay_concerns(dataset);
    if (text_of(dataset, DCM_BurnedInAnnotation) == "YES") found |= concern_burned_in;
    if (sop_class.rfind(capture, 0) == 0 || dataset.tagExists(DCM_ConversionType) ||
        type.find("\\SCREEN SAVE\\") != std::string::npos)
        found |= concern_capture;
    if (dataset.tagExists(DCM_GraphicAnnotationSequence)) found |= concern_graphics;
    return found;
}

} // namespace rp_dicom
