/* The frames of a Segmentation object as one run of values. A bit for each pixel is what image
 * codecs know nothing of: such frames are taken apart here, whatever they are compressed with. */
#include "jpeg2000.h"
#include "seg.hpp"

#include <cstring>

#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"
#include <libdeflate.h>

namespace rp_dicom
{

/* Deflated Image Frame Compression (PS3.5, A.4.13); DCMTK 3.6.7 does not know it. */
static const char *const deflated_frames_uid = "1.2.840.10008.1.2.8.1";
static const size_t rle_header = 64;
static const size_t rle_most_segments = 15;

typedef std::vector<Uint8> Bytes;

static rp_status truncated(const char *path, rp_error *err)
{
    return rp_fail(err, RP_ERR_FORMAT, "%s: truncated pixel data", path);
}

/* ---- fragments --------------------------------------------------------------------------- */

static rp_status fragment_of(const char *path, DcmPixelSequence &sequence, unsigned long index,
                             Bytes &bytes, rp_error *err)
{
    DcmPixelItem *item = nullptr;
    Uint8 *data = nullptr;
    if (sequence.getItem(item, index).bad()) return truncated(path, err);
    if (item->getLength() == 0) return RP_OK;
    if (item->getUint8Array(data).bad() || !data) return truncated(path, err);
    bytes.insert(bytes.end(), data, data + item->getLength());
    return RP_OK;
}

/** The offset table: where each frame begins, counted from the first fragment's item tag. */
static std::vector<size_t> offsets_of(const Bytes &table)
{
    std::vector<size_t> offsets;
    for (size_t i = 0; i + 4 <= table.size(); i += 4)
        offsets.push_back(table[i] | size_t(table[i + 1]) << 8 | size_t(table[i + 2]) << 16 |
                          size_t(table[i + 3]) << 24);
    return offsets;
}

/** Fragments joined to frames: one each, or all of the only frame, or by the offset table. */
static rp_status frames_of(const char *path, DcmPixelSequence &sequence, size_t count,
                           std::vector<Bytes> &frames, rp_error *err)
{
    const size_t item_tag_and_length = 8;
    const unsigned long items = sequence.card();
    const size_t fragments = items > 0 ? items - 1 : 0;
    Bytes table;
    rp_status status = items ? fragment_of(path, sequence, 0, table, err) : truncated(path, err);
    const std::vector<size_t> offsets = offsets_of(table);
    if (!status &&
        (fragments < count || (fragments > count && count > 1 && offsets.size() != count)))
        status = rp_fail(err, RP_ERR_FORMAT, "%s: %zu fragments of pixel data for %zu frames", path,
                         fragments, count);
    frames.assign(count, Bytes());
    size_t frame = 0, at = 0;
    for (size_t i = 0; !status && i < fragments; i++) {
        if (fragments == count)
            frame = i;
        else if (count > 1 && frame + 1 < count && at >= offsets[frame + 1])
            frame++;
        const size_t before = frames[frame].size();
        status = fragment_of(path, sequence, static_cast<unsigned long>(i + 1), frames[frame], err);
        at += item_tag_and_length + frames[frame].size() - before;
    }
    return status;
}

/* ---- decoders of one frame --------------------------------------------------------------- */

static rp_status inflate(const char *path, const Bytes &from, Bytes &to, rp_error *err)
{
    size_t made = 0;
    libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    if (!inflater) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    /* Padded to an even length, so that more may come than the frame needs. */
    const libdeflate_result result = libdeflate_deflate_decompress(
        inflater, from.data(), from.size(), to.data(), to.size(), &made);
    libdeflate_free_decompressor(inflater);
    if (result == LIBDEFLATE_SUCCESS && made == to.size()) return RP_OK;
    return rp_fail(err, RP_ERR_FORMAT, "%s: a deflated frame is damaged or of another size", path);
}

/** PackBits (PS3.5, G.3.1) into every step-th byte of to, from the first-th on. */
static bool unpack(const Uint8 *from, size_t length, size_t first, size_t step, Bytes &to)
{
    size_t out = first, i = 0;
    while (i < length && out < to.size()) {
        const size_t code = from[i++];
        if (code == 128) continue;
        const bool run = code > 128;
        const size_t count = run ? 257 - code : code + 1;
        if (i + (run ? 1 : count) > length) return false;
        for (size_t k = 0; k < count && out < to.size(); k++, out += step)
            to[out] = from[run ? i : i + k];
        i += run ? 1 : count;
    }
    return out >= to.size();
}

/** A segment for each byte of a value, the most significant first (PS3.5, Annex G). */
static rp_status unpack_rle(const char *path, const Bytes &from, size_t planes, Bytes &to,
                            rp_error *err)
{
    std::vector<size_t> head;
    if (from.size() > rle_header) head = offsets_of(Bytes(from.begin(), from.begin() + rle_header));
    bool good = !head.empty() && head[0] == planes && planes <= rle_most_segments;
    for (size_t p = 0; good && p < planes; p++) {
        const size_t start = head[p + 1], end = p + 1 < planes ? head[p + 2] : from.size();
        good = start >= rle_header && start < end && end <= from.size() &&
               unpack(from.data() + start, end - start, planes - 1 - p, planes, to);
    }
    if (good) return RP_OK;
    return rp_fail(err, RP_ERR_FORMAT, "%s: an RLE frame is damaged or of another size", path);
}

static rp_status decode_jpeg2000(const char *path, const Bytes &from, const SegCoding &c, Bytes &to,
                                 rp_error *err)
{
    std::vector<Sint32> values(c.pixels());
    jpeg2000_coding found = {};
    const rp_status status = jpeg2000_decode(path, from.data(), from.size(), c.columns, c.rows,
                                             values.data(), &found, err);
    for (size_t i = 0; !status && i < values.size(); i++) {
        const unsigned value = unsigned(values[i]);
        if (c.bits == 1) {
            if (value) to[i >> 3] = Uint8(to[i >> 3] | 1U << (i & 7));
        } else {
            to[i * size_t(c.bits / 8)] = Uint8(value);
            if (c.bits == 16) to[2 * i + 1] = Uint8(value >> 8);
        }
    }
    return status;
}

/* ---- all frames -------------------------------------------------------------------------- */

/** Frames that are compressed begin at a byte; together they need not. */
static void append(const Bytes &frame, const SegCoding &c, size_t index, Bytes &all)
{
    const size_t bits = c.pixels() * size_t(c.bits), start = index * bits;
    if (start % 8 == 0 && bits % 8 == 0) {
        memcpy(all.data() + start / 8, frame.data(), frame.size());
        return;
    }
    for (size_t i = 0; i < bits; i++)
        if (frame[i >> 3] >> (i & 7) & 1U) {
            Uint8 &byte = all[(start + i) >> 3];
            byte = Uint8(byte | 1U << ((start + i) & 7));
        }
}

enum class Codec { deflate, rle, jpeg2000 };

static rp_status read_fragments(const char *path, DcmPixelData &data, Codec codec,
                                const SegCoding &c, Bytes &bytes, rp_error *err)
{
    E_TransferSyntax syntax = EXS_Unknown;
    const DcmRepresentationParameter *parameter = nullptr;
    DcmPixelSequence *sequence = nullptr;
    std::vector<Bytes> frames;
    data.getOriginalRepresentationKey(syntax, parameter);
    if (data.getEncapsulatedRepresentation(syntax, parameter, sequence).bad() || !sequence)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no compressed pixel data", path);
    rp_status status = frames_of(path, *sequence, c.frames, frames, err);
    if (!status) bytes.assign(c.all_bytes(), 0);
    for (size_t i = 0; !status && i < frames.size(); i++) {
        Bytes frame(c.frame_bytes());
        if (codec == Codec::deflate)
            status = inflate(path, frames[i], frame, err);
        else if (codec == Codec::rle)
            status = unpack_rle(path, frames[i], c.bits == 16 ? 2 : 1, frame, err);
        else
            status = decode_jpeg2000(path, frames[i], c, frame, err);
        if (!status) append(frame, c, i, bytes);
    }
    return status;
}

static rp_status read_native(const char *path, DcmElement &element, const SegCoding &c,
                             Bytes &bytes, rp_error *err)
{
    Uint8 *data = nullptr; /* of words too: DCMTK gives the bytes in little-endian order */
    const size_t found = element.getLength(), wanted = c.all_bytes();
    /* Loaded first: of a value that the file ends before, getters would hand out unwritten memory.
     */
    if (found < wanted || element.loadAllDataIntoMemory().bad() ||
        element.getUint8Array(data).bad() || !data)
        return rp_fail(err, RP_ERR_FORMAT, "%s: truncated pixel data (%zu of %zu bytes)", path,
                       found, wanted);
    bytes.assign(data, data + wanted);
    return RP_OK;
}

rp_status read_seg_pixels(const char *path, DcmFileFormat &format, const SegCoding &c, Bytes &bytes,
                          rp_error *err)
{
    DcmDataset &d = *format.getDataset();
    const E_TransferSyntax syntax = d.getOriginalXfer();
    const bool deflated =
        text_of(*format.getMetaInfo(), DCM_TransferSyntaxUID) == deflated_frames_uid;
    DcmElement *element = nullptr;
    if (d.findAndGetElement(DCM_PixelData, element).bad() || element->ident() != EVR_PixelData)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no PixelData", path);
    DcmPixelData &data = *static_cast<DcmPixelData *>(element);
    if (deflated) return read_fragments(path, data, Codec::deflate, c, bytes, err);
    if (syntax == EXS_RLELossless) return read_fragments(path, data, Codec::rle, c, bytes, err);
    if (syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000)
        return read_fragments(path, data, Codec::jpeg2000, c, bytes, err);
    if (DcmXfer(syntax).isEncapsulated()) {
        const OFCondition result = d.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
        if (result == EC_CannotChangeRepresentation || result == EC_UnsupportedEncoding)
            return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: transfer syntax \"%s\" cannot be decoded",
                           path, DcmXfer(syntax).getXferName());
        if (result.bad())
            return rp_fail(err, RP_ERR_FORMAT, "%s: compressed pixel data is damaged (%s)", path,
                           result.text());
    }
    return read_native(path, *element, c, bytes, err);
}

} // namespace rp_dicom
