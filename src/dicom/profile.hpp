/**
 * @file profile.hpp
 * What PS3.15 says of an attribute when a data set is de-identified.
 */
#ifndef REPRISE_DICOM_PROFILE_HPP
#define REPRISE_DICOM_PROFILE_HPP

#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dctk.h"

namespace rp_dicom
{

/**
 * Action codes of the column "Basic Prof." of Table E.1-1: X remove, Z empty, D replace by a dummy,
 * U replace the UID; joined codes depend on whether the attribute must be there and have a value.
 */
enum class Action { none, x, z, d, u, x_z, x_d, z_d, x_z_d, x_z_u };

/** The table's code of a public attribute, Action::none of one that it does not list. */
Action profile_action(const DcmTagKey &tag);

/** How many attributes the table lists, repeating groups counted once. */
size_t profile_size();

} // namespace rp_dicom

#endif
