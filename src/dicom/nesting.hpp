/**
 * @file nesting.hpp
 * DCMTK reads a sequence within a sequence by calling itself, and a file of some hundred kilobytes
 * can nest them until the stack is full. Files are looked through before it sees them.
 */
#ifndef REPRISE_DICOM_NESTING_HPP
#define REPRISE_DICOM_NESTING_HPP

#include "internal.hpp"

namespace rp_dicom
{

/** No object of the standard nests sequences so deeply. */
constexpr size_t deepest_nesting = 200;

/**
 * RP_ERR_FORMAT, naming the file, where sequences nest more deeply. The file is read whole; what is
 * no DICOM passes, and so do deflated data sets, which cannot be looked through.
 */
rp_status check_nesting(const char *path, rp_error *err);

} // namespace rp_dicom

#endif
