/**
 * @file seg.hpp
 * What the files that read Segmentation objects share.
 */
#ifndef REPRISE_DICOM_SEG_HPP
#define REPRISE_DICOM_SEG_HPP

#include "internal.hpp"
#include "reprise/dicom_seg.h"

namespace rp_dicom
{

/** One frame: its segment (0 in a label map) and where its first pixel lies, LPS mm, or which image
 * it was drawn on. */
struct SegFrame {
    int segment = 0;
    double position[3] = {};
    bool placed = false;
    std::string source_uid;
    int source_frame = 0; /**< from 1; 0: the image is one slice */
};

/** How the values of the frames lie in memory. */
struct SegCoding {
    int columns = 0, rows = 0;
    int bits = 1; /**< BitsAllocated: 1, 8 or 16 */
    size_t frames = 0;
    size_t pixels() const
    {
        return size_t(columns) * size_t(rows);
    }
    /** Bytes of one frame by itself, as it is compressed. */
    size_t frame_bytes() const
    {
        return (pixels() * size_t(bits) + 7) / 8;
    }
    size_t all_bytes() const
    {
        return (frames * pixels() * size_t(bits) + 7) / 8;
    }
};

/** Frame after frame without gaps, bits from the least significant one, 16-bit values little
 * endian, from native, deflated, RLE or JPEG 2000 data and from what DCMTK decodes. */
rp_status read_seg_pixels(const char *path, DcmFileFormat &format, const SegCoding &coding,
                          std::vector<Uint8> &bytes, rp_error *err);

} // namespace rp_dicom

/** Of the C interface, where it is opaque. */
struct rp_seg_pixels {
    rp_dicom::SegCoding coding;
    double frame[3][3] = {}; /**< columns: along a row, along a column, normal */
    double spacing[2] = {};  /**< row, column, as PixelSpacing */
    bool oriented = false;   /**< frame and spacing are known */
    double between = 0;      /**< SpacingBetweenSlices; 0: absent */
    double thickness = 0;    /**< SliceThickness; 0: absent */
    double full = 1;         /**< MaximumFractionalValue */
    std::vector<rp_dicom::SegFrame> frames;
    std::vector<Uint8> bytes;

    unsigned value(size_t of_frame, size_t pixel) const
    {
        const size_t at = of_frame * coding.pixels() + pixel;
        if (coding.bits == 1) return bytes[at >> 3] >> (at & 7) & 1U;
        if (coding.bits == 8) return bytes[at];
        return bytes[2 * at] | unsigned(bytes[2 * at + 1]) << 8;
    }
};

#endif
