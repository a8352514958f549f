/**
 * @file sr_tree.hpp
 * What the reader of measurement reports gathers, and the parts of it that are not about
 * measurements: codes, problems, dates of images, delivery to C.
 */
#ifndef REPRISE_DICOM_SR_TREE_HPP
#define REPRISE_DICOM_SR_TREE_HPP

#include "internal.hpp"
#include "sr_codes.hpp"

#include <array>
#include <map>

namespace rp_dicom
{

struct Region {
    rp_sr_region of = {};
    std::vector<std::array<double, 3>> points;
};

struct Measurement {
    rp_sr_measurement of = {};
    std::vector<Region> regions;
};

struct Group {
    rp_sr_group of = {};
    std::vector<Measurement> measurements;
    std::vector<Region> regions;
    std::vector<rp_sr_image> images;
    std::vector<rp_sr_evaluation> evaluations;
};

/** One report while it is read. */
struct Reading {
    Reading(const char *path, DcmItem &dataset);
    void problem(const std::string &text);
    /** The whole cannot be trusted; the first failure is kept. */
    void fail(const std::string &text);
    /** A content item that means nothing here. */
    void unknown(const std::string &where, DcmItem &item);
    std::string utf8(const std::string &text);

    const char *path;
    DcmItem &dataset;
    Charset charset;
    std::string failure;
    std::vector<std::string> problems;
    std::vector<Group> groups;
    std::vector<rp_sr_evaluation> evaluations;
    std::map<std::string, std::string> dates;     /**< of images, by SOP instance */
    std::map<std::string, std::string> study_of;  /**< of what is listed as evidence */
    std::map<std::string, std::string> series_of; /**< the same */
};

bool is_report_class(const std::string &sop_class);
/** A whole SR file, not nested more deeply than any reasonable report. */
rp_status load_report(const char *path, DcmFileFormat &format, rp_error *err);
/** The first code of a sequence, zero where there is none. */
rp_sr_code code_of(Reading &r, DcmItem &item, const DcmTagKey &sequence);
bool is(const rp_sr_code &code, const Concept &other);
/** For messages: the meaning, else the code. */
std::string label_of(const rp_sr_code &code);
/** Context that every report has and that tells nothing of a measurement: language, observer,
 *  algorithm, comments. */
bool is_told_elsewhere(const std::string &type, const rp_sr_code &name);
/** Dates of the images in the image library, and what the evidence lists. */
void read_library(Reading &r, DcmItem &dataset);
/** The day of the images that a group refers to. */
void date_group(Reading &r, const std::string &where, Group &group);
rp_status deliver(const char *path, Reading &r, rp_sr &report, rp_error *err);

} // namespace rp_dicom

#endif
