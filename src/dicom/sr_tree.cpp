/* Reading measurement reports: codes, problems, dates, and delivery as C structures. */
#include "sr_tree.hpp"

#include <cstdlib>
#include <cstring>

namespace rp_dicom
{

using namespace concepts;

/* ---- codes ------------------------------------------------------------------------------- */

/** Older reports name the same concepts by SRT, whose values SNOMED International retired. */
static const char *const retired[][2] = {{"G-A185", "103339001"}, {"G-A186", "103340004"},
                                         {"M-02550", "81827009"}, {"G-D7FE", "410668003"},
                                         {"G-D705", "118565006"}, {"G-C0E3", "363698007"},
                                         {"G-C036", "370129005"}, {"G-C171", "272741003"},
                                         {"T-C4000", "59441001"}, {"G-A1F8", "106233006"}};

static bool is_srt(const std::string &scheme)
{
    return scheme == "SRT" || scheme == "SNM3" || scheme == "99SDM";
}

/** Scheme and value in which equal concepts have equal texts. */
static std::string canonical(const std::string &value, const std::string &scheme)
{
    if (is_srt(scheme)) {
        for (const auto &pair : retired)
            if (value == pair[0]) return std::string("SCT|") + pair[1];
        return "SRT|" + value;
    }
    return scheme + "|" + value;
}

rp_sr_code code_of(Reading &r, DcmItem &item, const DcmTagKey &sequence)
{
    rp_sr_code code = {};
    for (DcmItem *one : items_of(item, sequence)) {
        std::string value = text_of(*one, DCM_CodeValue);
        if (value.empty()) value = text_of(*one, DCM_LongCodeValue);
        if (value.empty()) value = text_of(*one, DCM_URNCodeValue);
        if (value.size() >= sizeof code.value) r.fail("a code that is too long");
        copy_text(code.value, value);
        copy_text(code.scheme, text_of(*one, DCM_CodingSchemeDesignator));
        copy_text(code.meaning, r.utf8(text_of(*one, DCM_CodeMeaning)));
        break;
    }
    return code;
}

bool is(const rp_sr_code &code, const Concept &other)
{
    return rp_sr_code_is(&code, other.value, other.scheme);
}

std::string label_of(const rp_sr_code &code)
{
    if (code.meaning[0]) return "'" + std::string(code.meaning) + "'";
    if (code.value[0]) return "'" + std::string(code.value) + "'";
    return "an item without name";
}

bool is_told_elsewhere(const std::string &type, const rp_sr_code &name)
{
    /* observers, their places and roles; language and country; what was done and by what */
    static const char *const context[] = {
        "121005", "121006", "121007", "121008", "121009", "121010", "121011", "121012",
        "121013", "121014", "121015", "121016", "121017", "121049", "121046", "121058",
        "121106", "111001", "111002", "111003", "113876", "128774"};
    if (type == "CONTAINER") return false;
    if (is(name, session)) return true;
    if (std::strcmp(name.scheme, "DCM") != 0) return false;
    for (const char *one : context)
        if (std::strcmp(name.value, one) == 0) return true;
    return false;
}

/* ---- problems ---------------------------------------------------------------------------- */

Reading::Reading(const char *file, DcmItem &from) : path(file), dataset(from), charset(from)
{
}

std::string Reading::utf8(const std::string &text)
{
    return charset.utf8(text);
}

void Reading::problem(const std::string &text)
{
    for (const std::string &known : problems)
        if (known == text) return;
    problems.push_back(text);
}

void Reading::fail(const std::string &text)
{
    if (failure.empty()) failure = text;
}

void Reading::unknown(const std::string &where, DcmItem &item)
{
    const std::string type = text_of(item, DCM_ValueType);
    const rp_sr_code name = code_of(*this, item, DCM_ConceptNameCodeSequence);
    problem(where + ": passed over: " +
            (type.empty() ? std::string("a reference to another item")
                          : label_of(name) + " (" + type + ")"));
}

/* ---- the file ---------------------------------------------------------------------------- */

bool is_report_class(const std::string &sop_class)
{
    for (const char *one :
         {UID_BasicTextSRStorage, UID_EnhancedSRStorage, UID_ComprehensiveSRStorage,
          UID_Comprehensive3DSRStorage, UID_ExtensibleSRStorage})
        if (sop_class == one) return true;
    return false;
}

rp_status load_report(const char *path, DcmFileFormat &format, rp_error *err)
{
    if (!rp_path_exists(path)) return rp_fail(err, RP_ERR_IO, "%s: no such file", path);
    if (rp_path_is_directory(path))
        return rp_fail(err, RP_ERR_FORMAT, "%s: a folder, where a report is needed", path);
    if (!looks_like_dicom(path)) return rp_fail(err, RP_ERR_FORMAT, "%s: not a DICOM file", path);
    const OFCondition loaded = load_whole(path, format);
    if (loaded.bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: truncated or damaged (%s)", path, loaded.text());
    const std::string modality = text_of(*format.getDataset(), DCM_Modality);
    if (!is_report_class(text_of(*format.getDataset(), DCM_SOPClassUID)))
        return rp_fail(err, RP_ERR_FORMAT, "%s: not a structured report (modality %s)", path,
                       modality.empty() ? "missing" : modality.c_str());
    return RP_OK;
}

/* ---- dates ------------------------------------------------------------------------------- */

/** Of the items that describe an image or a group of them; acquisition wins over study. */
static std::string date_among(Reading &r, const std::vector<DcmItem *> &items)
{
    std::string study, acquired;
    for (DcmItem *item : items) {
        const rp_sr_code name = code_of(r, *item, DCM_ConceptNameCodeSequence);
        if (text_of(*item, DCM_ValueType) != "DATE") continue;
        if (is(name, study_date)) study = date_of(*item, DCM_Date);
        if (is(name, acquisition_date)) acquired = date_of(*item, DCM_Date);
    }
    return acquired.empty() ? study : acquired;
}

static void take_image_date(Reading &r, DcmItem &image, const std::string &of_group)
{
    const std::string own = date_among(r, items_of(image, DCM_ContentSequence));
    const std::string date = own.empty() ? of_group : own;
    for (DcmItem *reference : items_of(image, DCM_ReferencedSOPSequence)) {
        const std::string uid = text_of(*reference, DCM_ReferencedSOPInstanceUID);
        if (date.empty()) continue;
        const std::string known = r.dates.emplace(uid, date).first->second;
        if (known != date)
            r.fail("the image library has two days for an image, " + known + " and " + date);
    }
}

static void read_library_group(Reading &r, DcmItem &group)
{
    const std::vector<DcmItem *> items = items_of(group, DCM_ContentSequence);
    const std::string date = date_among(r, items);
    for (DcmItem *item : items)
        if (text_of(*item, DCM_ValueType) == "IMAGE") take_image_date(r, *item, date);
}

static void read_evidence(Reading &r, const DcmTagKey &sequence)
{
    for (DcmItem *study : items_of(r.dataset, sequence)) {
        const std::string study_uid = text_of(*study, DCM_StudyInstanceUID);
        for (DcmItem *series : items_of(*study, DCM_ReferencedSeriesSequence)) {
            const std::string series_uid = text_of(*series, DCM_SeriesInstanceUID);
            r.study_of[series_uid] = study_uid;
            for (DcmItem *one : items_of(*series, DCM_ReferencedSOPSequence)) {
                const std::string uid = text_of(*one, DCM_ReferencedSOPInstanceUID);
                r.series_of[uid] = series_uid;
                r.study_of[uid] = study_uid;
            }
        }
    }
}

void read_library(Reading &r, DcmItem &dataset)
{
    read_evidence(r, DCM_CurrentRequestedProcedureEvidenceSequence);
    read_evidence(r, DCM_PertinentOtherEvidenceSequence);
    for (DcmItem *child : items_of(dataset, DCM_ContentSequence)) {
        if (!is(code_of(r, *child, DCM_ConceptNameCodeSequence), library)) continue;
        read_library_group(r, *child);
        for (DcmItem *group : items_of(*child, DCM_ContentSequence))
            if (is(code_of(r, *group, DCM_ConceptNameCodeSequence), library_group))
                read_library_group(r, *group);
    }
}

/** Everything that a group refers to: instances, and the series it says it was made from. */
static std::vector<std::string> references_of(const Group &group)
{
    std::vector<std::string> all;
    for (const Measurement &m : group.measurements)
        for (const Region &region : m.regions) all.push_back(region.of.image.sop_uid);
    for (const Region &region : group.regions) all.push_back(region.of.image.sop_uid);
    for (const rp_sr_image &image : group.images) all.push_back(image.sop_uid);
    return all;
}

static void take_date(Reading &r, const std::string &where, Group &group, const std::string &date)
{
    if (group.of.date[0] && date != group.of.date)
        r.fail(where + ": refers to images of two days, " + group.of.date + " and " + date);
    copy_text(group.of.date, date);
}

void date_group(Reading &r, const std::string &where, Group &group)
{
    const std::vector<std::string> references = references_of(group);
    const std::string series = group.of.source_series_uid;
    for (const std::string &uid : references)
        if (r.dates.count(uid)) take_date(r, where, group, r.dates[uid]);
    for (const auto &[uid, date] : r.dates)
        if (!series.empty() && r.series_of.count(uid) && r.series_of[uid] == series)
            take_date(r, where, group, date);
    if (group.of.date[0]) return;
    /* without library: the report lies in the study of its images, unless its evidence denies it */
    const std::string mine = text_of(r.dataset, DCM_StudyInstanceUID);
    for (const std::string &uid : references)
        if (r.study_of.count(uid) && r.study_of[uid] != mine) return;
    if (r.study_of.count(series) && r.study_of[series] != mine) return;
    copy_text(group.of.date, date_of(r.dataset, DCM_StudyDate));
}

/* ---- delivery ---------------------------------------------------------------------------- */

/** An array of rp_alloc'd items; throws when memory is short, and what is there is released. */
template <class T> static T *array_of(size_t count)
{
    if (count == 0) return nullptr;
    T *items = static_cast<T *>(rp_alloc(count, sizeof(T)));
    if (!items) throw std::bad_alloc();
    return items;
}

template <class T> static void copy_plain(const std::vector<T> &from, T *&to, size_t &count)
{
    to = array_of<T>(from.size());
    count = from.size();
    for (size_t i = 0; i < count; i++) to[i] = from[i];
}

static void deliver_regions(const std::vector<Region> &from, rp_sr_region *&to, size_t &count)
{
    to = array_of<rp_sr_region>(from.size());
    count = from.size();
    for (size_t i = 0; i < count; i++) {
        const size_t points = from[i].points.size();
        to[i] = from[i].of;
        to[i].points = array_of<double[3]>(points);
        to[i].count = points;
        for (size_t k = 0; k < points; k++)
            for (size_t a = 0; a < 3; a++) to[i].points[k][a] = from[i].points[k][a];
    }
}

static void deliver_group(const Group &from, rp_sr_group &to)
{
    to = from.of;
    to.measurements = array_of<rp_sr_measurement>(from.measurements.size());
    to.measurement_count = from.measurements.size();
    for (size_t i = 0; i < to.measurement_count; i++) {
        rp_sr_measurement &m = to.measurements[i];
        m = from.measurements[i].of;
        deliver_regions(from.measurements[i].regions, m.regions, m.region_count);
    }
    deliver_regions(from.regions, to.regions, to.region_count);
    copy_plain(from.images, to.images, to.image_count);
    copy_plain(from.evaluations, to.evaluations, to.evaluation_count);
}

rp_status deliver(const char *path, Reading &r, rp_sr &report, rp_error *err)
{
    report.groups = array_of<rp_sr_group>(r.groups.size());
    report.group_count = r.groups.size();
    for (size_t i = 0; i < report.group_count; i++) deliver_group(r.groups[i], report.groups[i]);
    copy_plain(r.evaluations, report.evaluations, report.evaluation_count);
    report.problems = array_of<char *>(r.problems.size());
    report.problem_count = r.problems.size();
    for (size_t i = 0; i < report.problem_count; i++)
        if (!(report.problems[i] = rp_strdup(r.problems[i].c_str())))
            return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" bool rp_sr_code_is(const rp_sr_code *code, const char *value, const char *scheme)
{
    return code->value[0] && canonical(code->value, code->scheme) == canonical(value, scheme);
}

static void release_regions(rp_sr_region *regions, size_t count)
{
    for (size_t i = 0; regions && i < count; i++) rp_free(regions[i].points);
    rp_free(regions);
}

extern "C" void rp_sr_release(rp_sr *report)
{
    for (size_t i = 0; report->groups && i < report->group_count; i++) {
        rp_sr_group &g = report->groups[i];
        for (size_t k = 0; g.measurements && k < g.measurement_count; k++)
            release_regions(g.measurements[k].regions, g.measurements[k].region_count);
        rp_free(g.measurements);
        release_regions(g.regions, g.region_count);
        rp_free(g.images);
        rp_free(g.evaluations);
    }
    for (size_t i = 0; report->problems && i < report->problem_count; i++)
        rp_free(report->problems[i]);
    rp_free(report->groups);
    rp_free(report->evaluations);
    rp_free(report->problems);
    *report = {};
}
