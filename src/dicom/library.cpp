/* DCMTK is prepared once: silent, with its decoders, and only if its dictionary was found. */
#include "internal.hpp"

#include <mutex>
#include <stdexcept>

#include "dcmtk/dcmdata/dcostrmb.h"
#include "dcmtk/dcmdata/dcrledrg.h"
#include "dcmtk/dcmdata/dcwcache.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpls/djdecode.h"
#include "dcmtk/oflog/oflog.h"

namespace rp_dicom
{

static void prepare_once()
{
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
}

rp_status prepare(rp_error *err)
{
    static std::once_flag once;
    std::call_once(once, prepare_once);
    if (!dcmDataDict.isDictionaryLoaded())
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "DICOM data dictionary not found (is DCMDICTPATH set to a wrong path?)");
    return RP_OK;
}

std::string uid_from(const std::string &text)
{
    char hex[RP_SHA256_HEX];
    rp_sha256(text.data(), text.size(), hex);
    hex[32] = 0;
    unsigned __int128 number = 0;
    for (const char *at = hex; *at; at++)
        number = number * 16 + static_cast<unsigned>(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    /* 2.25 wants a UUID: version 8 (custom) in bits 76-79, variant 10 in bits 62-63 */
    const unsigned __int128 one = 1;
    number = (number & ~(one * 15 << 76)) | one * 8 << 76;
    number = (number & ~(one * 3 << 62)) | one * 2 << 62;
    std::string decimal;
    for (; number > 0; number /= 10) decimal.insert(decimal.begin(), char('0' + int(number % 10)));
    return "2.25." + decimal;
}

/** Appends what DCMTK has put into the buffer. */
static void drain(DcmOutputBufferStream &stream, std::string &bytes)
{
    void *at = nullptr;
    offile_off_t length = 0;
    stream.flushBuffer(at, length);
    bytes.append(static_cast<const char *>(at), static_cast<size_t>(length));
}

void encode_object(DcmFileFormat &object, E_TransferSyntax syntax, std::string &bytes)
{
    std::vector<char> room(1 << 18);
    DcmOutputBufferStream stream(room.data(), static_cast<offile_off_t>(room.size()));
    DcmWriteCache cache;
    object.transferInit();
    OFCondition result = EC_StreamNotifyClient;
    while (result == EC_StreamNotifyClient) {
        result = object.write(stream, syntax, EET_ExplicitLength, &cache);
        drain(stream, bytes);
    }
    object.transferEnd();
    if (result.bad()) throw std::runtime_error(result.text());
}

rp_status save_object(const std::string &path, DcmFileFormat &object, rp_error *err)
{
    std::string bytes;
    try {
        encode_object(object, EXS_LittleEndianExplicit, bytes);
    } catch (const std::runtime_error &e) {
        return rp_fail(err, RP_ERR_IO, "%s: cannot be encoded: %s", path.c_str(), e.what());
    }
    return rp_file_write(path.c_str(), bytes.data(), bytes.size(), err);
}

} // namespace rp_dicom
