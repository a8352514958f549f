/* Files into DCMTK's trees, with a limit to how deep these go. */
#include "internal.hpp"

#include "dcmtk/dcmdata/dcistrmf.h"

namespace rp_dicom
{

/* DCMTK takes some hundred bytes of stack for each sequence within a sequence: this is room for
 * hundreds of them, where reports have a dozen, and a small part of any thread's stack. */
static const size_t deepest_stack = size_t(256) << 10;

/* 0x7E07: a number of our own for the condition */
makeOFConditionConst(too_deep, OFM_dcmdata, 0x7E07, OF_error, "sequences are nested too deeply");

/** A file that ends with an error as soon as it is read from far down the stack. */
class ShallowStream : public DcmInputFileStream
{
  public:
    explicit ShallowStream(const OFFilename &name)
        : DcmInputFileStream(name), top_(static_cast<const char *>(__builtin_frame_address(0)))
    {
    }
    OFBool good() const override
    {
        return !deep_ && DcmInputFileStream::good();
    }
    OFCondition status() const override
    {
        return deep_ ? OFCondition(too_deep) : DcmInputFileStream::status();
    }
    offile_off_t avail() override
    {
        measure();
        return deep_ ? 0 : DcmInputFileStream::avail();
    }
    offile_off_t read(void *to, offile_off_t length) override
    {
        measure();
        return deep_ ? 0 : DcmInputFileStream::read(to, length);
    }
    bool is_deep() const
    {
        return deep_;
    }

  private:
    void measure()
    {
        const char *here = static_cast<const char *>(__builtin_frame_address(0));
        const size_t used = size_t(here < top_ ? top_ - here : here - top_);
        if (used > deepest_stack) deep_ = true;
    }
    const char *top_;
    bool deep_ = false;
};

static OFCondition load(const std::string &path, const DcmTagKey &stop, DcmFileFormat &format,
                        offile_off_t *end)
{
    ShallowStream stream{OFFilename(path.c_str())};
    if (stream.status().bad()) return stream.status();
    OFCondition result = format.clear();
    if (result.bad()) return result;
    format.transferInit();
    result = format.readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, stop);
    format.transferEnd();
    if (end) *end = stream.tell();
    return stream.is_deep() ? OFCondition(too_deep) : result;
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
