/* Stored values of one slice, whatever the transfer syntax, and from them Hounsfield units. */
#include "internal.hpp"
#include "jpeg2000.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "dcmtk/dcmdata/dccodec.h"
#include "dcmtk/dcmdata/dcpixel.h"
#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"

namespace rp_dicom
{

static const float lowest_hu = -1024;
static const float air_hu = -1000;
/* A padding value that stands for more may be lung or denser tissue. */
static const float tissue_hu = -900;
/* Of a slice's pixels; the corners outside the scan circle are 0.05 each. */
static const double least_region = 0.002;

/* Of a whole cell that is padding: no 16 bits hold it. */
static const Sint32 padding_stored = -0x40000000;

enum Pad : unsigned char { NO_PAD, PAD, DOUBTFUL_PAD };

static Sint32 stored_value(Uint32 cell, const Coding &coding)
{
    if (Sint32(cell) == coding.padding_cell) return padding_stored;
    const Uint32 mask = (Uint32(1) << coding.stored) - 1;
    const Uint32 value = cell >> (coding.high + 1 - coding.stored) & mask;
    if (coding.is_signed && value >> (coding.stored - 1)) return Sint32(value | ~mask);
    return Sint32(value);
}

/** The 16 bits of a bound of the padding, and the value that they are in the pixels' signedness: it
 *  is often written with the other one. */
static bool padding_bits(DcmItem &d, const DcmTagKey &tag, const Coding &coding, Uint16 &bits,
                         Sint32 &value)
{
    double number = 0;
    if (number_of(d, tag, number) != Presence::ok || std::fabs(number) > 65535) return false;
    bits = Uint16(Sint32(number));
    value = coding.is_signed ? Sint32(Sint16(bits)) : Sint32(bits);
    return true;
}

static bool is_storable(Sint32 value, const Coding &coding)
{
    const Sint32 half = Sint32(1) << (coding.stored - 1);
    return coding.is_signed ? value >= -half && value < half : value < 2 * half;
}

/** A padding value beyond the bits stored is padding where the whole cell holds it, and nowhere
 *  else: its lower bits are some other value's. */
static void find_padding_cell(DcmItem &d, Coding &coding)
{
    Uint16 bits = 0;
    Sint32 value = 0;
    if (text_of(d, DCM_Modality) != "CT") return;
    if (padding_bits(d, DCM_PixelPaddingValue, coding, bits, value) && !is_storable(value, coding))
        coding.padding_cell = bits;
}

static rp_status read_coding(const char *path, DcmItem &d, Coding &coding, rp_error *err)
{
    double allocated = 0, stored = 0, high = 0, sign = 0;
    if (number_of(d, DCM_BitsAllocated, allocated) != Presence::ok ||
        number_of(d, DCM_BitsStored, stored) != Presence::ok)
        return rp_fail(err, RP_ERR_FORMAT, "%s: BitsAllocated or BitsStored is missing", path);
    high = stored - 1;
    number_of(d, DCM_HighBit, high);
    number_of(d, DCM_PixelRepresentation, sign);
    if (allocated != 8 && allocated != 16)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: %g bits per pixel, expected 8 or 16", path,
                       allocated);
    if (!(stored >= 1 && stored <= allocated && high >= stored - 1 && high < allocated))
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: BitsStored %g and HighBit %g do not fit into %g bits", path, stored,
                       high, allocated);
    coding = {int(allocated), int(stored), int(high), sign != 0};
    find_padding_cell(d, coding);
    return RP_OK;
}

static Padding read_padding(DcmItem &d, const Coding &coding)
{
    Padding padding;
    Sint32 limit = 0;
    Uint16 bits = 0;
    padding.present = padding_bits(d, DCM_PixelPaddingValue, coding, bits, padding.low) &&
                      is_storable(padding.low, coding);
    padding.high = padding.low;
    if (padding.present && padding_bits(d, DCM_PixelPaddingRangeLimit, coding, bits, limit) &&
        is_storable(limit, coding)) {
        padding.low = std::min(padding.low, limit);
        padding.high = std::max(padding.high, limit);
    }
    return padding;
}

/** The fragments [first, end) of a frame behind the offset table. */
static bool frame_fragments(const File &file, DcmPixelSequence &sequence, Uint32 &first,
                            Uint32 &end)
{
    first = 1;
    end = Uint32(sequence.card());
    if (file.frames == 1) return true;
    if (end == Uint32(file.frames) + 1) { /* one fragment each, whatever the table says */
        first = Uint32(file.frame) + 1;
        end = first + 1;
        return true;
    }
    const Uint32 frame = Uint32(file.frame);
    if (DcmCodec::determineStartFragment(frame, file.frames, &sequence, first).bad()) return false;
    return frame + 1 == Uint32(file.frames) ||
           DcmCodec::determineStartFragment(frame + 1, file.frames, &sequence, end).good();
}

/** The codestream of the file's frame: its fragments, joined. */
static rp_status join_fragments(const File &file, DcmDataset &d, E_TransferSyntax syntax,
                                std::vector<Uint8> &stream, rp_error *err)
{
    const char *path = file.path.c_str();
    DcmElement *element = nullptr;
    DcmPixelSequence *sequence = nullptr;
    if (d.findAndGetElement(DCM_PixelData, element).bad() || element->ident() != EVR_PixelData ||
        static_cast<DcmPixelData *>(element)
            ->getEncapsulatedRepresentation(syntax, nullptr, sequence)
            .bad() ||
        !sequence)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no compressed pixel data", path);
    Uint32 first = 0, end = 0;
    if (!frame_fragments(file, *sequence, first, end))
        return rp_fail(err, RP_ERR_FORMAT, "%s: the compressed frames cannot be told apart", path);
    for (Uint32 i = first; i < end; i++) {
        DcmPixelItem *fragment = nullptr;
        Uint8 *bytes = nullptr;
        if (sequence->getItem(fragment, i).bad() || fragment->getUint8Array(bytes).bad() || !bytes)
            return rp_fail(err, RP_ERR_FORMAT, "%s: truncated pixel data", path);
        stream.insert(stream.end(), bytes, bytes + fragment->getLength());
    }
    return RP_OK;
}

static bool is_jpeg2000(E_TransferSyntax syntax)
{
    return syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000;
}

/** Cells of the file's frame as the data set holds them once it is uncompressed. */
static rp_status read_cells(const File &file, DcmDataset &d, Coding &coding,
                            std::vector<Sint32> &values, rp_error *err)
{
    const char *path = file.path.c_str();
    rp_status status = read_coding(path, d, coding, err);
    if (status) return status;
    DcmElement *element = nullptr;
    if (d.findAndGetElement(DCM_PixelData, element).bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: no PixelData", path);
    const size_t count = size_t(file.rows) * size_t(file.columns);
    const size_t first = count * size_t(std::max(file.frame, 0));
    const size_t wanted = count * size_t(file.frames) * size_t(coding.allocated / 8);
    const size_t found = element->getLength();
    Uint8 *bytes = nullptr;
    Uint16 *words = nullptr;
    OFCondition got = EC_CorruptedData;
    if (found >= wanted)
        got =
            coding.allocated == 8 ? element->getUint8Array(bytes) : element->getUint16Array(words);
    if (got.bad() || (!bytes && !words))
        return rp_fail(err, RP_ERR_FORMAT, "%s: truncated pixel data (%zu of %zu bytes)", path,
                       found, wanted);
    values.resize(count);
    for (size_t i = 0; i < count; i++)
        values[i] = stored_value(bytes ? bytes[first + i] : words[first + i], coding);
    return RP_OK;
}

/** One frame of several, by DCMTK's codecs. */
static rp_status decode_frame(const File &file, DcmDataset &d, Coding &coding,
                              std::vector<Sint32> &values, rp_error *err)
{
    const char *path = file.path.c_str();
    rp_status status = read_coding(path, d, coding, err);
    if (status) return status;
    DcmElement *element = nullptr;
    if (d.findAndGetElement(DCM_PixelData, element).bad() || element->ident() != EVR_PixelData)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no compressed pixel data", path);
    const size_t count = size_t(file.rows) * size_t(file.columns);
    const size_t bytes = count * size_t(coding.allocated / 8);
    std::vector<Uint16> room((bytes + 1) / 2);
    Uint32 start = 0;
    OFString colours;
    const OFCondition result = static_cast<DcmPixelData *>(element)->getUncompressedFrame(
        &d, Uint32(file.frame), start, room.data(), Uint32(room.size() * 2), colours);
    if (result == EC_CannotChangeRepresentation || result == EC_UnsupportedEncoding)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: transfer syntax \"%s\" cannot be decoded",
                       path, DcmXfer(d.getOriginalXfer()).getXferName());
    if (result.bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: compressed frame %d is damaged (%s)", path,
                       file.frame + 1, result.text());
    const Uint8 *small = reinterpret_cast<const Uint8 *>(room.data());
    values.resize(count);
    for (size_t i = 0; i < count; i++)
        values[i] = stored_value(coding.allocated == 8 ? small[i] : room[i], coding);
    return RP_OK;
}

static rp_status read_jpeg2000(const File &file, DcmDataset &d, E_TransferSyntax syntax,
                               Coding &coding, std::vector<Sint32> &values, rp_error *err)
{
    const char *path = file.path.c_str();
    std::vector<Uint8> stream;
    rp_status status = read_coding(path, d, coding, err);
    if (!status) status = join_fragments(file, d, syntax, stream, err);
    if (status) return status;
    jpeg2000_coding found = {};
    values.resize(size_t(file.rows) * size_t(file.columns));
    status = jpeg2000_decode(path, stream.data(), stream.size(), file.columns, file.rows,
                             values.data(), &found, err);
    if (status) return status;
    for (Sint32 &value : values)
        if (Sint32(Uint16(value)) == coding.padding_cell) value = padding_stored;
    if (found.is_signed || !coding.is_signed) return RP_OK;
    /* The codestream calls the header's signed values unsigned: their sign bit is still there. */
    const Coding plain = {16, found.precision, found.precision - 1, true, -1};
    for (Sint32 &value : values)
        if (value != padding_stored) value = stored_value(Uint32(value), plain);
    return RP_OK;
}

/* ---- pixels that lie in the file as they are ---------------------------------------------- */

/** Whether the bytes before at are the head of PixelData of this length, written in this syntax. */
static bool is_pixel_head(FILE *file, offile_off_t at, const DcmXfer &syntax, offile_off_t &length)
{
    const bool big = syntax.isBigEndian(), has_vr = syntax.isExplicitVR();
    const int size = has_vr ? 12 : 8;
    unsigned char head[12];
    if (at < size || fseeko(file, at - size, SEEK_SET) ||
        fread(head, 1, size_t(size), file) != size_t(size))
        return false;
    static const unsigned char little_tag[4] = {0xE0, 0x7F, 0x10, 0},
                               big_tag[4] = {0x7F, 0xE0, 0, 0x10};
    if (memcmp(head, big ? big_tag : little_tag, 4) != 0) return false;
    if (has_vr && memcmp(head + 4, "OW", 2) != 0 && (big || memcmp(head + 4, "OB", 2) != 0))
        return false;
    length = 0;
    for (int i = 0; i < 4; i++) length = length << 8 | head[big ? size - 4 + i : size - 1 - i];
    return length != 0xFFFFFFFF;
}

bool zeros_follow(FILE *file, offile_off_t at)
{
    unsigned char block[512];
    if (fseeko(file, at, SEEK_SET)) return false;
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        if (std::any_of(block, block + got, [](unsigned char byte) { return byte != 0; }))
            return false;
    return true;
}

/** Whether the data set may go on here behind its PixelData: with a later attribute, or not at all.
 * The PixelData of an icon, within a sequence, is followed by something else. */
static bool is_pixel_end(FILE *file, offile_off_t at, bool big)
{
    unsigned char tag[4];
    if (fseeko(file, 0, SEEK_END) || ftello(file) < at) return false;
    if (fseeko(file, at, SEEK_SET) || fread(tag, 1, 4, file) != 4) return true;
    const unsigned group = big ? tag[0] * 256u + tag[1] : tag[1] * 256u + tag[0];
    return (group > 0x7FE0 && group != 0xFFFE) || (group == 0 && zeros_follow(file, at));
}

PixelPlace find_pixels(const std::string &path, DcmDataset &dataset, offile_off_t end)
{
    PixelPlace place;
    const DcmXfer syntax(dataset.getOriginalXfer());
    if (syntax.isEncapsulated() || syntax.getStreamCompression() != ESC_none ||
        syntax.getXfer() == EXS_Unknown ||
        read_coding(path.c_str(), dataset, place.coding, nullptr) || place.coding.allocated != 16)
        return place;
    FILE *file = fopen(path.c_str(), "rb");
    if (!file) return place;
    /* DCMTK stops before the head, behind its tag, or behind all of it */
    for (const offile_off_t ahead : {0, 4, 8, 12}) {
        if (place.known || !is_pixel_head(file, end + ahead, syntax, place.length)) continue;
        place.offset = end + ahead;
        place.known = is_pixel_end(file, place.offset + place.length, syntax.isBigEndian());
    }
    fclose(file);
    place.swapped = syntax.isBigEndian();
    place.padding = read_padding(dataset, place.coding);
    return place;
}

static float to_hu(Sint32 stored, const File &file, const Padding &padding, unsigned char *pad)
{
    const float value = float(stored * file.slope + file.intercept);
    const bool is_padding = stored == padding_stored ||
                            (padding.present && stored >= padding.low && stored <= padding.high);
    *pad = NO_PAD;
    if (!file.is_ct()) return value;
    if (is_padding && stored != padding_stored && value > tissue_hu)
        *pad = DOUBTFUL_PAD;
    else if (is_padding || value < lowest_hu)
        *pad = PAD;
    return *pad == PAD ? air_hu : value;
}

/** The pixels of a doubtful region that holds this one; they are doubtful no more. */
static std::vector<size_t> take_region(std::vector<unsigned char> &pads, const File &file,
                                       size_t start)
{
    std::vector<size_t> region{start};
    const size_t columns = size_t(file.columns), rows = size_t(file.rows);
    pads[start] = NO_PAD;
    for (size_t k = 0; k < region.size(); k++) {
        const size_t at = region[k], x = at % columns, y = at / columns;
        const size_t next[4] = {x ? at - 1 : at, x + 1 < columns ? at + 1 : at,
                                y ? at - columns : at, y + 1 < rows ? at + columns : at};
        for (const size_t i : next) {
            if (pads[i] != DOUBTFUL_PAD) continue;
            pads[i] = NO_PAD;
            region.push_back(i);
        }
    }
    return region;
}

/** Padding surrounds what was scanned: regions of it reach the border, and are no single pixels.
 *  They become air; returns how many pixels. */
static size_t settle_doubtful(std::vector<unsigned char> &pads, const File &file, float *out)
{
    size_t settled = 0;
    const size_t columns = size_t(file.columns), pixels = columns * size_t(file.rows);
    for (size_t i = 0; i < pixels; i++) {
        const size_t x = i % columns;
        const bool at_border = i < columns || i + columns >= pixels || x == 0 || x + 1 == columns;
        if (!at_border || pads[i] != DOUBTFUL_PAD) continue;
        const std::vector<size_t> region = take_region(pads, file, i);
        if (double(region.size()) < std::max(2.0, least_region * double(pixels))) continue;
        for (const size_t k : region) out[k] = air_hu;
        settled += region.size();
    }
    return settled;
}

static bool same_place(const PixelPlace &a, const PixelPlace &b)
{
    const Coding &c = a.coding, &d = b.coding;
    const Padding &p = a.padding, &q = b.padding;
    return c.stored == d.stored && c.high == d.high && c.is_signed == d.is_signed &&
           c.padding_cell == d.padding_cell && p.present == q.present && p.low == q.low &&
           p.high == q.high;
}

/** HU of all 65536 cells: cheaper than computing them for each pixel, where slices are alike. */
void SliceReader::make_table(const File &file)
{
    if (!table_.empty() && slope_ == file.slope && intercept_ == file.intercept &&
        is_ct_ == file.is_ct() && same_place(place_, file.place))
        return;
    table_.resize(65536);
    pads_.resize(65536);
    for (Uint32 cell = 0; cell < 65536; cell++) {
        table_[cell] =
            to_hu(stored_value(cell, file.place.coding), file, file.place.padding, &pads_[cell]);
    }
    place_ = file.place;
    slope_ = file.slope;
    intercept_ = file.intercept;
    is_ct_ = file.is_ct();
}

/** False where the file has to be parsed after all. */
bool SliceReader::read_place(const File &file, float *out, size_t *padded)
{
    const size_t count = size_t(file.rows) * size_t(file.columns);
    const size_t frame = size_t(std::max(file.frame, 0));
    if (!is_in_place(file)) return false;
    raw_.resize(2 * count);
    FILE *stream = fopen(file.path.c_str(), "rb");
    if (!stream) return false;
    setvbuf(stream, nullptr, _IONBF, 0);
    const bool whole =
        fseeko(stream, file.place.offset + offile_off_t(2 * count * frame), SEEK_SET) == 0 &&
        fread(raw_.data(), 1, raw_.size(), stream) == raw_.size();
    fclose(stream);
    if (!whole) return false;
    make_table(file);
    *padded = 0;
    found_.resize(count);
    bool doubtful = false;
    const int low = file.place.swapped ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned cell = raw_[2 * i + size_t(low)] | unsigned(raw_[2 * i + size_t(1 - low)])
                                                              << 8;
        out[i] = table_[cell];
        found_[i] = pads_[cell];
        *padded += found_[i] == PAD;
        doubtful |= found_[i] == DOUBTFUL_PAD;
    }
    if (doubtful) settled_ += settle_doubtful(found_, file, out);
    return true;
}

/* ---- any slice ---------------------------------------------------------------------------- */

rp_status SliceReader::open(const std::string &path, rp_error *err)
{
    if (format_ && path_ == path) return RP_OK;
    path_ = path;
    format_.reset(new DcmFileFormat);
    const OFCondition loaded = load_whole(path, *format_);
    if (loaded.good()) return RP_OK;
    format_.reset();
    return rp_fail(err, RP_ERR_FORMAT, "%s: truncated or damaged (%s)", path.c_str(),
                   loaded.text());
}

bool is_in_place(const File &file)
{
    const size_t pixels = size_t(file.rows) * size_t(file.columns) * size_t(file.frames);
    return file.place.known && size_t(file.place.length) >= 2 * pixels;
}

rp_status SliceReader::read_values(const File &file, Coding &coding, rp_error *err)
{
    const char *path = file.path.c_str();
    DcmDataset &d = *format_->getDataset();
    const E_TransferSyntax syntax = d.getOriginalXfer();
    const DcmXfer transfer(syntax);
    if (!d.tagExists(DCM_PixelData)) return rp_fail(err, RP_ERR_FORMAT, "%s: no PixelData", path);
    if (is_jpeg2000(syntax)) return read_jpeg2000(file, d, syntax, coding, values_, err);
    if (transfer.isEncapsulated() && file.frames > 1)
        return decode_frame(file, d, coding, values_, err);
    if (transfer.isEncapsulated()) {
        const OFCondition result = d.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
        if (result == EC_CannotChangeRepresentation || result == EC_UnsupportedEncoding)
            return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: transfer syntax \"%s\" cannot be decoded",
                           path, transfer.getXferName());
        if (result.bad())
            return rp_fail(err, RP_ERR_FORMAT, "%s: compressed pixel data is damaged (%s)", path,
                           result.text());
    }
    return read_cells(file, d, coding, values_, err);
}

rp_status SliceReader::read(const File &file, float *out, size_t *padded, rp_error *err)
{
    if (read_place(file, out, padded)) return RP_OK;
    Coding coding;
    rp_status status = open(file.path, err);
    if (!status) status = read_values(file, coding, err);
    if (!status) {
        const Padding padding = read_padding(*format_->getDataset(), coding);
        *padded = 0;
        found_.resize(values_.size());
        bool doubtful = false;
        for (size_t i = 0; i < values_.size(); i++) {
            out[i] = to_hu(values_[i], file, padding, &found_[i]);
            *padded += found_[i] == PAD;
            doubtful |= found_[i] == DOUBTFUL_PAD;
        }
        if (doubtful) settled_ += settle_doubtful(found_, file, out);
    }
    if (file.frames == 1) format_.reset(); /* what the next slice cannot use */
    return status;
}

} // namespace rp_dicom
