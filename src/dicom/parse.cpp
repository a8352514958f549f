/* Files into DCMTK's trees, with limits to how deep these go and how much memory they take. */
#include "internal.hpp"

#include <algorithm>
#include <cstdio>

#include "dcmtk/dcmdata/dcistrmf.h"

namespace rp_dicom
{

/* DCMTK takes some hundred bytes of stack for each sequence within a sequence: this is room for
 * hundreds of them, where reports have a dozen, and a small part of any thread's stack. */
static const size_t deepest_stack = size_t(256) << 10;

/* 0x7E07 and 0x7E08: numbers of our own for the conditions */
makeOFConditionConst(too_deep, OFM_dcmdata, 0x7E07, OF_error, "sequences are nested too deeply");
makeOFConditionConst(too_long, OFM_dcmdata, 0x7E08, OF_error,
                     "a value is announced to be longer than the file");

/* Of a data set that is deflated as a whole: what may come out of it at all, into memory while it
 * is parsed, and of one value. Longer values are inflated again when they are asked for. */
static const offile_off_t most_inflated = offile_off_t(2) << 30, most_in_memory = 256 << 20;
static const Uint32 longest_in_memory = 64 << 10;

/** A value within a deflated data set, which DCMTK would otherwise take memory for before it is
 * there. */
class InflatedFactory : public DcmInputStreamFactory
{
  public:
    InflatedFactory(const OFFilename &name, offile_off_t begin, offile_off_t at)
        : name_(name), begin_(begin), at_(at)
    {
    }
    DcmInputStream *create() const override
    {
        std::unique_ptr<DcmInputFileStream> stream(new DcmInputFileStream(name_, begin_));
        stream->installCompressionFilter(ESC_zlib);
        stream->skip(at_);
        return stream.release();
    }
    DcmInputStreamFactory *clone() const override
    {
        return new InflatedFactory(*this);
    }
    DcmInputStreamFactoryType ident() const override
    {
        return DFT_DcmInputFileStreamFactory;
    }

  private:
    OFFilename name_;
    offile_off_t begin_,
        at_; /**< of the deflated bytes in the file, of the value in the inflated */
};

/**
 * A file that ends with an error as soon as it is read from far down the stack, or a value is
 * longer than what is left. DCMTK passes over long values without asking for memory, so that this
 * comes in time.
 */
class GuardedStream : public DcmInputFileStream
{
  public:
    explicit GuardedStream(const OFFilename &name)
        : DcmInputFileStream(name), name_(name),
          top_(static_cast<const char *>(__builtin_frame_address(0)))
    {
    }
    OFBool good() const override
    {
        return fault_.good() && DcmInputFileStream::good();
    }
    OFCondition status() const override
    {
        return fault_.bad() ? fault_ : DcmInputFileStream::status();
    }
    offile_off_t avail() override
    {
        measure();
        return fault_.bad() ? 0 : DcmInputFileStream::avail();
    }
    offile_off_t read(void *to, offile_off_t length) override
    {
        measure();
        if (deflated_at_ >= 0 && (in_memory_ += length) > most_in_memory) fault_ = too_long;
        return fault_.bad() ? 0 : DcmInputFileStream::read(to, length);
    }
    offile_off_t skip(offile_off_t length) override
    {
        if (deflated_at_ >= 0 && tell() - deflated_at_ + length > most_inflated) fault_ = too_long;
        const offile_off_t skipped = fault_.bad() ? 0 : DcmInputFileStream::skip(length);
        if (skipped < length && fault_.good()) fault_ = too_long;
        return skipped;
    }
    OFCondition installCompressionFilter(E_StreamCompression type) override
    {
        deflated_at_ = tell();
        return DcmInputFileStream::installCompressionFilter(type);
    }
    DcmInputStreamFactory *newFactory() const override
    {
        if (deflated_at_ < 0) return DcmInputFileStream::newFactory();
        return new InflatedFactory(name_, deflated_at_, tell() - deflated_at_);
    }
    OFCondition fault() const
    {
        return fault_;
    }

  private:
    void measure()
    {
        const char *here = static_cast<const char *>(__builtin_frame_address(0));
        const size_t used = size_t(here < top_ ? top_ - here : here - top_);
        if (used > deepest_stack) fault_ = too_deep;
    }
    OFFilename name_;
    const char *top_;
    OFCondition fault_ = EC_Normal;
    offile_off_t deflated_at_ = -1, in_memory_ = 0;
};

/** Removes the value at which the file ended, so that nobody asks for it: the last of the last. */
static void drop_last(DcmItem &item)
{
    const unsigned long count = item.card();
    DcmElement *last = count ? item.getElement(count - 1) : nullptr;
    if (!last) return;
    if (last->ident() != EVR_SQ) {
        if (last->getLengthField() > DCM_MaxReadLength) delete item.remove(last);
        return;
    }
    DcmSequenceOfItems &sequence = static_cast<DcmSequenceOfItems &>(*last);
    if (sequence.card()) drop_last(*sequence.getItem(sequence.card() - 1));
}

/** Whether the data set may be deflated as a whole, by what stands in the meta header. */
static bool may_be_deflated(const std::string &path)
{
    static const std::string uid = UID_DeflatedExplicitVRLittleEndianTransferSyntax;
    char head[2048];
    OFFile file;
    if (!file.fopen(OFFilename(path.c_str()), "rb")) return false;
    const size_t size = file.fread(head, 1, sizeof head);
    return std::search(head, head + size, uid.begin(), uid.end()) != head + size;
}

/** Whether the data set ended, and only the zeros behind it were no attribute: as eights they pass
 * for attributes (0000,0000), what is left of the last eight cannot. */
static bool ended_in_zeros(const std::string &path, offile_off_t at, DcmDataset &dataset)
{
    if (dataset.card() == 0) return false;
    for (unsigned long i = 0; i < dataset.card(); i++)
        if (dataset.getElement(i)->transferState() != ERW_ready) return false;
    FILE *file = fopen(path.c_str(), "rb");
    if (!file) return false;
    const bool zeros =
        fseeko(file, 0, SEEK_END) == 0 && ftello(file) > at && zeros_follow(file, at);
    fclose(file);
    return zeros;
}

static OFCondition load(const std::string &path, const DcmTagKey &stop, DcmFileFormat &format,
                        offile_off_t *end)
{
    GuardedStream stream{OFFilename(path.c_str())};
    if (stream.status().bad()) return stream.status();
    OFCondition result = format.clear();
    if (result.bad()) return result;
    format.transferInit();
    const Uint32 longest = may_be_deflated(path) ? longest_in_memory : DCM_MaxReadLength;
    result = format.readUntilTag(stream, EXS_Unknown, EGL_noChange, longest, stop);
    if (result == EC_StreamNotifyClient && stream.fault().good() &&
        ended_in_zeros(path, stream.tell(), *format.getDataset()))
        result = EC_Normal;
    format.transferEnd();
    if (end) *end = stream.tell();
    if (result.bad() || stream.fault().bad()) drop_last(*format.getDataset());
    return stream.fault().bad() ? stream.fault() : result;
}

bool load_until(const std::string &path, const DcmTagKey &stop, DcmFileFormat &format,
                offile_off_t *end)
{
    return load(path, stop, format, end).good();
}

std::string sop_class_of(const char *path)
{
    std::string found;
    guarded(path, nullptr, [&] {
        DcmFileFormat format;
        if (!prepare(nullptr) && looks_like_dicom(path) && load_until(path, DCM_Modality, format))
            found = text_of(*format.getDataset(), DCM_SOPClassUID);
        return RP_OK;
    });
    return found;
}

OFCondition load_whole(const std::string &path, DcmFileFormat &format)
{
    return load(path, DCM_UndefinedTagKey, format, nullptr);
}

} // namespace rp_dicom

extern "C" rp_status rp_dicom_object_read(const char *path, rp_dicom_header *header,
                                          char sop_uid[RP_DICOM_UID], rp_error *err)
{
    using namespace rp_dicom;
    *header = {};
    return guarded(path, err, [&] {
        DcmFileFormat format;
        rp_status status = prepare(err);
        if (status) return status;
        if (!looks_like_dicom(path) || !load_until(path, DCM_SamplesPerPixel, format))
            return rp_fail(err, RP_ERR_FORMAT, "%s: not a DICOM file, or damaged", path);
        read_header(*format.getDataset(), *header);
        copy_text(sop_uid, RP_DICOM_UID, text_of(*format.getDataset(), DCM_SOPInstanceUID));
        return sop_uid[0] && header->series_uid[0]
                   ? RP_OK
                   : rp_fail(err, RP_ERR_FORMAT, "%s: has no UIDs to refer to", path);
    });
}
