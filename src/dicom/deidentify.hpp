/**
 * @file deidentify.hpp
 * One data set without its patient: keyed pseudonyms and the walk over the attributes.
 */
#ifndef REPRISE_DICOM_DEIDENTIFY_HPP
#define REPRISE_DICOM_DEIDENTIFY_HPP

#include "internal.hpp"

#include "identifiers.hpp"

namespace rp_dicom
{

/** What stands for names, identifiers and UIDs: HMAC-SHA-256 of them under a secret key, each
 * purpose apart from the others. */
class Pseudonyms
{
  public:
    Pseudonyms(const uint8_t *key, size_t size) : key_(key, key + size)
    {
    }
    /** "RP-" and 12 digits. */
    std::string patient(const std::string &identity) const;
    /** "anon-" and 10 hexadecimal digits: fits every text VR but CS; equal texts stay equal. */
    std::string text(const std::string &text) const;
    /** 2.25.<UUID>; the UIDs that PS3.6 lists stay what they are. */
    std::string uid(const std::string &uid) const;
    /** Days to add to every date of a patient: 366 to 3652 days back. */
    int shift_days(const std::string &pseudonym) const;

  private:
    std::string digest(const char *purpose, const std::string &text) const;
    std::vector<uint8_t> key_;
};

/** Dates moved by whole days; "" for what is no date. Both keep the precision and the time of day.
 */
std::string shifted_date(const std::string &date, int days);
std::string shifted_datetime(const std::string &datetime, int days);

/** What a person has to look at, since nothing of it can be seen from attributes. */
enum Concern : unsigned {
    concern_burned_in = 1,
    concern_capture = 2,
    concern_overlay_removed = 4,
    concern_overlay_in_pixels = 8,
    concern_graphics = 16
};
unsigned concerns_of(DcmItem &dataset);

/** Removes, empties, replaces and maps the attributes of one data set, sequences included. */
class Cleaner
{
  public:
    Cleaner(const Pseudonyms &pseudonyms, const std::string &pseudonym)
        : names_(pseudonyms), pseudonym_(pseudonym), days_(pseudonyms.shift_days(pseudonym))
    {
    }
    void clean(DcmItem &dataset);

  private:
    void collect(DcmItem &item, const Charset &outer);
    void remember(DcmElement &element, DcmEVR vr);
    void clean_item(DcmItem &item, const Charset &outer, bool strict);
    void clean_element(DcmElement &element, bool strict);
    bool clean_sequence(DcmElement &element, bool strict);
    void clean_temporal(DcmElement &element, DcmEVR vr);
    void by_profile(DcmElement &element, DcmEVR vr);
    void by_default(DcmElement &element, DcmEVR vr, bool strict);
    void map_uids(DcmElement &element);
    void replace(DcmElement &element, DcmEVR vr);
    void sweep(DcmElement &element);
    void name_rois(DcmItem &dataset);
    void declare(DcmItem &dataset);
    std::vector<std::string> readings_of(DcmElement &element);

    const Pseudonyms &names_;
    std::string pseudonym_;
    int days_;
    Identifiers identifiers_;          /**< of this object */
    Identifiers loose_identifiers_;    /**< likewise; not for code strings */
    std::vector<DcmElement *> doomed_; /**< to be removed from the item that is walked */
    Charset *charset_ = nullptr;       /**< of the item that is walked */
    Charset undeclared_;
};

} // namespace rp_dicom

#endif
