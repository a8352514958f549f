/* Stored values of one slice, whatever the transfer syntax, and from them Hounsfield units. */
#include "internal.hpp"
#include "jpeg2000.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"

namespace rp_dicom
{

static const float lowest_hu = -1024;
static const float air_hu = -1000;

/** How stored values lie in their cells. */
struct Coding {
    int allocated = 0, stored = 0, high = 0;
    bool is_signed = false;
};

/** Values equal to the padding value, or between it and the range limit. */
struct Padding {
    bool present = false;
    Sint32 low = 0, high = 0;
};

static Sint32 stored_value(Uint32 cell, const Coding &coding)
{
    const Uint32 mask = (Uint32(1) << coding.stored) - 1;
    const Uint32 value = cell >> (coding.high + 1 - coding.stored) & mask;
    if (coding.is_signed && value >> (coding.stored - 1)) return Sint32(value | ~mask);
    return Sint32(value);
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
    return RP_OK;
}

/** A bound of the padding as a stored value. It is often written with the wrong signedness, so
 *  only its bits count. */
static bool padding_bound(DcmItem &d, const DcmTagKey &tag, const Coding &coding, Sint32 &bound)
{
    double value = 0;
    if (number_of(d, tag, value) != Presence::ok || std::fabs(value) > 65535) return false;
    bound = stored_value(Uint32(Sint32(value)),
                         {16, coding.stored, coding.stored - 1, coding.is_signed});
    return true;
}

static Padding read_padding(DcmItem &d, const Coding &coding)
{
    Padding padding;
    Sint32 limit = 0;
    padding.present = padding_bound(d, DCM_PixelPaddingValue, coding, padding.low);
    padding.high = padding.low;
    if (padding.present && padding_bound(d, DCM_PixelPaddingRangeLimit, coding, limit)) {
        padding.low = std::min(padding.low, limit);
        padding.high = std::max(padding.high, limit);
    }
    return padding;
}

/** The codestream of the only frame: every fragment behind the offset table, joined. */
static rp_status join_fragments(const char *path, DcmDataset &d, E_TransferSyntax syntax,
                                std::vector<Uint8> &stream, rp_error *err)
{
    DcmElement *element = nullptr;
    DcmPixelSequence *sequence = nullptr;
    if (d.findAndGetElement(DCM_PixelData, element).bad() || element->ident() != EVR_PixelData ||
        static_cast<DcmPixelData *>(element)
            ->getEncapsulatedRepresentation(syntax, nullptr, sequence)
            .bad() ||
        !sequence)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no compressed pixel data", path);
    for (unsigned long i = 1; i < sequence->card(); i++) {
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

/** Cells as the data set holds them once it is uncompressed. */
static rp_status read_cells(const char *path, DcmDataset &d, size_t count, Coding &coding,
                            std::vector<Sint32> &values, rp_error *err)
{
    rp_status status = read_coding(path, d, coding, err);
    if (status) return status;
    DcmElement *element = nullptr;
    if (d.findAndGetElement(DCM_PixelData, element).bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: no PixelData", path);
    const size_t wanted = count * size_t(coding.allocated / 8), found = element->getLength();
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
        values[i] = stored_value(bytes ? bytes[i] : words[i], coding);
    return RP_OK;
}

static rp_status read_jpeg2000(const File &file, DcmDataset &d, E_TransferSyntax syntax,
                               Coding &coding, std::vector<Sint32> &values, rp_error *err)
{
    const char *path = file.path.c_str();
    std::vector<Uint8> stream;
    rp_status status = read_coding(path, d, coding, err);
    if (!status) status = join_fragments(path, d, syntax, stream, err);
    if (status) return status;
    jpeg2000_coding found = {};
    values.resize(size_t(file.rows) * size_t(file.columns));
    status = jpeg2000_decode(path, stream.data(), stream.size(), file.columns, file.rows,
                             values.data(), &found, err);
    if (status || found.is_signed || !coding.is_signed) return status;
    /* The codestream calls the header's signed values unsigned: their sign bit is still there. */
    const Coding plain = {16, found.precision, found.precision - 1, true};
    for (Sint32 &value : values) value = stored_value(Uint32(value), plain);
    return RP_OK;
}

static rp_status read_values(const File &file, DcmDataset &d, Coding &coding,
                             std::vector<Sint32> &values, rp_error *err)
{
    const char *path = file.path.c_str();
    const E_TransferSyntax syntax = d.getOriginalXfer();
    const DcmXfer transfer(syntax);
    if (!d.tagExists(DCM_PixelData)) return rp_fail(err, RP_ERR_FORMAT, "%s: no PixelData", path);
    if (is_jpeg2000(syntax)) return read_jpeg2000(file, d, syntax, coding, values, err);
    if (transfer.isEncapsulated()) {
        const OFCondition result = d.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
        if (result == EC_CannotChangeRepresentation || result == EC_UnsupportedEncoding)
            return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: transfer syntax \"%s\" cannot be decoded",
                           path, transfer.getXferName());
        if (result.bad())
            return rp_fail(err, RP_ERR_FORMAT, "%s: compressed pixel data is damaged (%s)", path,
                           result.text());
    }
    return read_cells(path, d, size_t(file.rows) * size_t(file.columns), coding, values, err);
}

rp_status decode_slice(const File &file, float *out, size_t *padded, rp_error *err)
{
    const char *path = file.path.c_str();
    DcmFileFormat format;
    const OFCondition loaded = format.loadFile(OFFilename(path));
    if (loaded.bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: truncated or damaged (%s)", path, loaded.text());
    DcmDataset &dataset = *format.getDataset();
    Coding coding;
    std::vector<Sint32> values;
    const rp_status status = read_values(file, dataset, coding, values, err);
    if (status) return status;
    const Padding padding = read_padding(dataset, coding);
    const bool is_ct = file.is_ct();
    *padded = 0;
    for (size_t i = 0; i < values.size(); i++) {
        const float value = float(values[i] * file.slope + file.intercept);
        const bool pad = padding.present && values[i] >= padding.low && values[i] <= padding.high;
        const bool outside = is_ct && (pad || value < lowest_hu);
        out[i] = outside ? air_hu : value;
        *padded += outside;
    }
    return RP_OK;
}

} // namespace rp_dicom
