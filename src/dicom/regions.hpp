/**
 * @file regions.hpp
 * Codes of body parts.
 */
#ifndef REPRISE_DICOM_REGIONS_HPP
#define REPRISE_DICOM_REGIONS_HPP

#include <string>

namespace rp_dicom
{

struct Region {
    const char *body_part; /**< as BodyPartExamined has it */
    const char *code;      /**< SNOMED CT */
    const char *meaning;
};

/** By its value of BodyPartExamined or by the code's meaning, in any case and with or without
 * spaces; nullptr where it is not known. */
const Region *find_region(const std::string &name);

} // namespace rp_dicom

#endif
