/**
 * @file parts.hpp
 * Series that hold several acquisitions, phases or reconstructions of one place.
 */
#ifndef REPRISE_DICOM_PARTS_HPP
#define REPRISE_DICOM_PARTS_HPP

#include "internal.hpp"

namespace rp_dicom
{

/** What a slice's header says about the acquisition or reconstruction that it is of, in the order
 *  of part_keys. */
std::vector<std::string> read_marks(const std::vector<DcmItem *> &from, const File &file);

/**
 * The series as it is, or its parts: slices that differ in a mark (a phase, a kernel, a time) and
 * lie upon one another with different pixels, or regularly between each other, and slices of up to
 * eight orientations, where one has three or more. What follows one
 * another along the normal stays together, whatever its marks. Parts are numbered from 1 in the
 * order of the marks, so that names of files do not matter.
 */
std::vector<Series> divide_series(const Series &series);

/** Why a file that is no DICOM is none, in a few words. */
std::string why_unreadable(const std::string &path);

/** Gives each series the files that by their names, their folders or what is left of their headers
 *  were slices of it, but cannot be read. README.txt, Thumbs.db and packed copies are none. */
void note_lost(const std::vector<File> &files, std::vector<Series> &list);

/** Whether two slices hold the same values; false where one cannot be read. */
bool same_pixels(const File &a, const File &b);

} // namespace rp_dicom

#endif
