/* Measurement reports by TID 1500 as they stand in files, whoever wrote them. */
#include "sr_tree.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace rp_dicom
{

using namespace concepts;

/* ---- units ------------------------------------------------------------------------------- */

struct Unit {
    const char *value;
    rp_sr_quantity quantity;
    double factor; /**< to mm or cc */
};

static const Unit units[] = {
    {"mm", RP_SR_LENGTH, 1},      {"cm", RP_SR_LENGTH, 10},       {"m", RP_SR_LENGTH, 1000},
    {"um", RP_SR_LENGTH, 1e-3},   {"[in_i]", RP_SR_LENGTH, 25.4}, {"cm3", RP_SR_VOLUME, 1},
    {"ml", RP_SR_VOLUME, 1},      {"mL", RP_SR_VOLUME, 1},        {"mm3", RP_SR_VOLUME, 1e-3},
    {"dm3", RP_SR_VOLUME, 1000},  {"l", RP_SR_VOLUME, 1000},      {"L", RP_SR_VOLUME, 1000},
    {"um3", RP_SR_VOLUME, 1e-12}, {"m3", RP_SR_VOLUME, 1e6}};

/** What a measurement of that name has to be. */
static rp_sr_quantity expected_quantity(const rp_sr_code &name)
{
    for (const Concept &one : {long_axis, short_axis, diameter, length})
        if (rp_sr_code_is(&name, one.value, one.scheme)) return RP_SR_LENGTH;
    return rp_sr_code_is(&name, volume.value, volume.scheme) ? RP_SR_VOLUME : RP_SR_OTHER;
}

static void convert(Reading &r, const std::string &where, rp_sr_measurement &m)
{
    const rp_sr_quantity wanted = expected_quantity(m.name);
    const bool ucum = std::strcmp(m.unit.scheme, "UCUM") == 0;
    m.quantity = RP_SR_OTHER;
    m.value = m.stored;
    for (const Unit &unit : units)
        if (ucum && std::strcmp(unit.value, m.unit.value) == 0 &&
            (wanted == RP_SR_OTHER || wanted == unit.quantity)) {
            m.quantity = unit.quantity;
            m.value = m.stored * unit.factor;
        }
    if (wanted != m.quantity && wanted != RP_SR_OTHER && !std::isnan(m.stored))
        r.problem(where + ": " + label_of(m.name) + " is in " + label_of(m.unit) +
                  ", which is no unit of " + (wanted == RP_SR_LENGTH ? "length" : "volume"));
}

/* ---- regions and images ------------------------------------------------------------------ */

static bool is_image(const std::string &type)
{
    return type == "IMAGE" || type == "COMPOSITE";
}

/** Frames and segments count from 1; anything else is told and taken for none. */
static int ordinal(Reading &r, const std::string &where, const std::vector<double> &numbers)
{
    if (numbers.size() > 1)
        r.problem(where + ": only the first of several frames or segments is taken");
    if (numbers.empty()) return 0;
    if (numbers[0] >= 1 && numbers[0] <= 2e9) return int(numbers[0]);
    r.problem(where + ": an impossible number of a frame or segment");
    return 0;
}

static rp_sr_image image_of(Reading &r, const std::string &where, DcmItem &item)
{
    rp_sr_image image = {};
    const std::vector<DcmItem *> references = items_of(item, DCM_ReferencedSOPSequence);
    if (references.size() != 1) r.problem(where + ": a reference without its one object");
    for (DcmItem *reference : references) {
        std::vector<double> numbers;
        copy_text(image.sop_class_uid, text_of(*reference, DCM_ReferencedSOPClassUID));
        copy_text(image.sop_uid, text_of(*reference, DCM_ReferencedSOPInstanceUID));
        numbers_of(*reference, DCM_ReferencedFrameNumber, numbers);
        image.frame = ordinal(r, where, numbers);
        numbers.clear();
        numbers_of(*reference, DCM_ReferencedSegmentNumber, numbers);
        image.segment = ordinal(r, where, numbers);
    }
    return image;
}

static Region region_of(Reading &r, const std::string &where, DcmItem &item, bool in_space)
{
    Region region;
    const size_t width = in_space ? 3 : 2;
    std::vector<double> data;
    region.of.in_space = in_space;
    region.of.name = code_of(r, item, DCM_ConceptNameCodeSequence);
    copy_text(region.of.type, text_of(item, DCM_GraphicType));
    copy_text(region.of.frame_of_reference_uid, text_of(item, DCM_ReferencedFrameOfReferenceUID));
    const Presence there = numbers_of(item, DCM_GraphicData, data);
    bool finite = true;
    for (const double value : data) finite = finite && std::isfinite(value);
    if (there != Presence::ok || data.empty() || data.size() % width != 0 || !finite)
        r.fail(where + ": a region whose GraphicData cannot be read");
    for (size_t i = 0; i + width <= data.size(); i += width)
        region.points.push_back({data[i], data[i + 1], in_space ? data[i + 2] : 0.0});
    for (DcmItem *child : items_of(item, DCM_ContentSequence)) {
        const std::string type = text_of(*child, DCM_ValueType);
        if (is_image(type) && !region.of.image.sop_uid[0])
            region.of.image = image_of(r, where, *child);
        else
            r.unknown(where, *child);
    }
    if (!in_space && !region.of.image.sop_uid[0])
        r.problem(where + ": a region in pixels of no image");
    return region;
}

/* ---- measurements ------------------------------------------------------------------------ */

/** DICOM allows a double beside the decimal string; where both are there they have to agree. */
static double stored_number(Reading &r, const std::string &where, DcmItem &measured)
{
    double decimal = NAN, floating = NAN;
    const Presence text = number_of(measured, DCM_NumericValue, decimal);
    const Presence binary = number_of(measured, DCM_FloatingPointValue, floating);
    if (text == Presence::malformed || binary == Presence::malformed ||
        (text != Presence::ok && binary != Presence::ok) ||
        (binary == Presence::ok && !std::isfinite(floating)) ||
        (text == Presence::ok && !std::isfinite(decimal)))
        r.fail(where + ": a number that cannot be read");
    if (binary != Presence::ok) return decimal;
    if (text == Presence::ok && std::fabs(decimal - floating) > 1e-6 * std::fabs(floating))
        r.fail(where + ": a number that contradicts itself");
    return floating;
}

static void read_modifier(Reading &r, const std::string &where, DcmItem &item, Measurement &m)
{
    const std::string type = text_of(item, DCM_ValueType);
    const rp_sr_code name = code_of(r, item, DCM_ConceptNameCodeSequence);
    if (type == "CODE" && is(name, derivation))
        m.of.derivation = code_of(r, item, DCM_ConceptCodeSequence);
    else if (type == "SCOORD" || type == "SCOORD3D")
        m.regions.push_back(region_of(r, where, item, type == "SCOORD3D"));
    else if (!is_told_elsewhere(type, name))
        r.unknown(where, item);
}

static Measurement measurement_of(Reading &r, const std::string &group, DcmItem &item)
{
    Measurement m;
    m.of.name = code_of(r, item, DCM_ConceptNameCodeSequence);
    const std::string where = group + ", " + label_of(m.of.name);
    const std::vector<DcmItem *> values = items_of(item, DCM_MeasuredValueSequence);
    m.of.stored = NAN;
    if (values.size() == 1) {
        m.of.unit = code_of(r, *values[0], DCM_MeasurementUnitsCodeSequence);
        m.of.stored = stored_number(r, where, *values[0]);
    } else if (values.size() > 1) {
        r.fail(where + ": several values of one measurement");
    } else {
        const rp_sr_code why = code_of(r, item, DCM_NumericValueQualifierCodeSequence);
        r.problem(where + ": no value" + (why.value[0] ? " (" + label_of(why) + ")" : ""));
    }
    convert(r, group, m.of);
    for (DcmItem *child : items_of(item, DCM_ContentSequence)) read_modifier(r, where, *child, m);
    return m;
}

/* ---- groups ------------------------------------------------------------------------------ */

template <size_t N>
static void take_text(Reading &r, const std::string &where, char (&to)[N], const std::string &text)
{
    if (to[0] && text != to) r.problem(where + ": contradicts itself");
    if (text.size() >= N) r.problem(where + ": too long a text, cut");
    copy_text(to, text);
}

static void take_code(Reading &r, const std::string &where, rp_sr_code &to, const rp_sr_code &code)
{
    if (to.value[0] && !rp_sr_code_is(&to, code.value, code.scheme))
        r.problem(where + ": contradicts itself");
    to = code;
}

/** True where the item was of those that say what the group is about. */
static bool read_context(Reading &r, const std::string &where, DcmItem &item,
                         const std::string &type, const rp_sr_code &name, rp_sr_group &g)
{
    const std::string at = where + ", " + label_of(name);
    if (type == "TEXT" && is(name, tracking_id))
        take_text(r, at, g.tracking_id, r.utf8(text_of(item, DCM_TextValue)));
    else if (type == "UIDREF" && is(name, tracking_uid))
        take_text(r, at, g.tracking_uid, text_of(item, DCM_UID));
    else if (type == "TEXT" && is(name, time_point))
        take_text(r, at, g.time_point, r.utf8(text_of(item, DCM_TextValue)));
    else if (type == "UIDREF" && is(name, source_series))
        take_text(r, at, g.source_series_uid, text_of(item, DCM_UID));
    else
        return false;
    return true;
}

static bool read_coded(Reading &r, const std::string &where, DcmItem &item, const rp_sr_code &name,
                       Group &group)
{
    const rp_sr_code value = code_of(r, item, DCM_ConceptCodeSequence);
    const std::string at = where + ", " + label_of(name);
    rp_sr_group &g = group.of;
    if (is(name, category))
        take_code(r, at, g.category, value);
    else if (is(name, finding))
        take_code(r, at, g.finding, value);
    else if (is(name, site))
        take_code(r, at, g.site, value);
    else if (is(name, method))
        take_code(r, at, g.method, value);
    else if (is(name, laterality) || is(name, topography))
        take_code(r, at, g.site_modifier, value);
    else if (text_of(item, DCM_RelationshipType) == "CONTAINS")
        group.evaluations.push_back({name, value});
    else
        return false;
    for (DcmItem *child : items_of(item, DCM_ContentSequence)) {
        const rp_sr_code inner = code_of(r, *child, DCM_ConceptNameCodeSequence);
        if (is(name, site) && (is(inner, laterality) || is(inner, topography)))
            take_code(r, at, g.site_modifier, code_of(r, *child, DCM_ConceptCodeSequence));
        else
            r.unknown(where, *child);
    }
    return true;
}

static void read_group_item(Reading &r, const std::string &where, DcmItem &item, Group &group)
{
    const std::string type = text_of(item, DCM_ValueType);
    const rp_sr_code name = code_of(r, item, DCM_ConceptNameCodeSequence);
    if (type == "NUM")
        group.measurements.push_back(measurement_of(r, where, item));
    else if (type == "SCOORD" || type == "SCOORD3D")
        group.regions.push_back(region_of(r, where, item, type == "SCOORD3D"));
    else if (is_image(type))
        group.images.push_back(image_of(r, where, item));
    else if (read_context(r, where, item, type, name, group.of))
        return;
    else if (!(type == "CODE" && read_coded(r, where, item, name, group)) &&
             !is_told_elsewhere(type, name))
        r.unknown(where, item);
}

static void read_group(Reading &r, DcmItem &item)
{
    Group group;
    const std::string where = "group " + std::to_string(r.groups.size() + 1);
    for (DcmItem *child : items_of(item, DCM_ContentSequence))
        read_group_item(r, where, *child, group);
    date_group(r, where, group);
    r.groups.push_back(std::move(group));
}

/* ---- the report -------------------------------------------------------------------------- */

static void read_measurements(Reading &r, DcmItem &container)
{
    for (DcmItem *child : items_of(container, DCM_ContentSequence)) {
        const rp_sr_code name = code_of(r, *child, DCM_ConceptNameCodeSequence);
        if (text_of(*child, DCM_ValueType) == "CONTAINER" && is(name, concepts::group))
            read_group(r, *child);
        else if (!is_told_elsewhere(text_of(*child, DCM_ValueType), name))
            r.unknown("measurements", *child);
    }
}

/** By what criteria, how large a change, and why: the call itself is what is read. */
static void pass_over_reasons(Reading &r, DcmItem &evaluation)
{
    for (DcmItem *child : items_of(evaluation, DCM_ContentSequence)) {
        const rp_sr_code name = code_of(r, *child, DCM_ConceptNameCodeSequence);
        if (!is(name, response_method) && !is(name, response_measured) && !is(name, comment))
            r.unknown("evaluations", *child);
    }
}

static void read_evaluations(Reading &r, DcmItem &container)
{
    for (DcmItem *child : items_of(container, DCM_ContentSequence)) {
        const std::string type = text_of(*child, DCM_ValueType);
        const rp_sr_code name = code_of(r, *child, DCM_ConceptNameCodeSequence);
        if (type == "CODE") {
            r.evaluations.push_back({name, code_of(r, *child, DCM_ConceptCodeSequence)});
            pass_over_reasons(r, *child);
        } else if (!is_told_elsewhere(type, name))
            r.unknown("evaluations", *child);
    }
}

static void read_content(Reading &r, DcmItem &dataset)
{
    for (DcmItem *child : items_of(dataset, DCM_ContentSequence)) {
        const std::string type = text_of(*child, DCM_ValueType);
        const rp_sr_code name = code_of(r, *child, DCM_ConceptNameCodeSequence);
        const bool container = type == "CONTAINER";
        if (container && is(name, measurements))
            read_measurements(r, *child);
        else if (container && is(name, qualitative))
            read_evaluations(r, *child);
        else if (!(container && is(name, library)) && !is_told_elsewhere(type, name))
            r.unknown("report", *child);
    }
    if (r.groups.empty() && r.evaluations.empty()) r.problem("no measurements in it");
}

static rp_status read_report(const char *path, rp_sr &report, rp_error *err)
{
    DcmFileFormat format;
    rp_status status = prepare(err);
    if (!status) status = load_report(path, format, err);
    if (status) return status;
    DcmItem &dataset = *format.getDataset();
    Reading r(path, dataset);
    read_header(dataset, report.header);
    copy_text(report.content_date, date_of(dataset, DCM_ContentDate));
    report.title = code_of(r, dataset, DCM_ConceptNameCodeSequence);
    if (!is(report.title, concepts::report))
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: not a report of measurements by TID 1500, but '%s'", path,
                       report.title.meaning);
    read_library(r, dataset);
    read_content(r, dataset);
    if (!r.failure.empty()) return rp_fail(err, RP_ERR_FORMAT, "%s: %s", path, r.failure.c_str());
    return deliver(path, r, report, err);
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_sr_read(const char *path, rp_sr *report, rp_error *err)
{
    *report = {};
    const rp_status status = guarded(path, err, [&] { return read_report(path, *report, err); });
    if (status) rp_sr_release(report);
    return status;
}

extern "C" bool rp_sr_probe(const char *path)
{
    return is_report_class(sop_class_of(path));
}

extern "C" rp_status rp_sr_find(const rp_sr_group *group, const char *path, const char *value,
                                const char *scheme, rp_sr_quantity quantity,
                                const rp_sr_measurement **found, rp_error *err)
{
    *found = nullptr;
    for (size_t i = 0; i < group->measurement_count; i++) {
        const rp_sr_measurement *m = &group->measurements[i];
        const char *wrong = nullptr;
        if (!rp_sr_code_is(&m->name, value, scheme)) continue;
        if (!std::isfinite(m->stored))
            wrong = "has no value";
        else if (m->quantity != quantity)
            wrong = "is in a unit that cannot be converted";
        else if (m->value <= 0)
            wrong = "is not above 0";
        else if (m->derivation.value[0])
            wrong = "is derived from others";
        else if (*found && std::fabs((*found)->value - m->value) > 1e-6 * m->value)
            wrong = "is there twice with different values";
        if (wrong)
            return rp_fail(err, RP_ERR_REFUSED, "%s: lesion '%s': %s %s", path,
                           group->tracking_id[0] ? group->tracking_id : group->tracking_uid,
                           m->name.meaning, wrong);
        *found = m;
    }
    return RP_OK;
}
