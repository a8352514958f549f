/* An object that arrives: on the disk whole, then acknowledged. */
#include "receive.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace rp_dicom
{

enum : Uint16 {
    ANSWER_PROCESSING_FAILURE = 0x0110, /* PS3.7, annex C */
    ANSWER_DUPLICATE = 0x0111,
};

Receiver::Receiver(const rp_receive_options &options, const rp_receive_sinks &sinks,
                   const rp_progress *progress, rp_receive_summary &summary)
    : options_(options), sinks_(sinks), progress_(progress), summary_(summary),
      incoming_(std::string(options.folder) + "/.incoming"), idle_since_(rp_seconds())
{
}

Receiver::~Receiver()
{
    if (lock_ < 0) return;
    rmdir(incoming_.c_str());
    close(lock_);
}

rp_status Receiver::open(rp_error *err)
{
    rp_status status = rp_directory_create(incoming_.c_str(), err);
    if (status) return status;
    lock_ = ::open(incoming_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0 || flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        if (lock_ >= 0) close(lock_);
        lock_ = -1;
        return rp_fail(err, RP_ERR_IO, "%s: another receiver works in this folder",
                       options_.folder);
    }
    char **left = nullptr;
    size_t count = 0;
    status = rp_directory_list_all(incoming_.c_str(), &left, &count, err);
    for (size_t i = 0; i < count && !status; i++) unlink(left[i]);
    rp_string_list_free(left, count);
    return status;
}

int Receiver::timeout() const
{
    return options_.timeout_seconds ? options_.timeout_seconds : DEFAULT_TIMEOUT_SECONDS;
}

/* ---- when to end --------------------------------------------------------------------------- */

bool Receiver::admit()
{
    const std::lock_guard<std::mutex> guard(mutex_);
    if (open_ >= ASSOCIATIONS) return false;
    open_++;
    summary_.associations++;
    return true;
}

void Receiver::finished(bool served)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    open_--;
    idle_since_ = rp_seconds();
    if (options_.once && served) stop_ = true;
}

bool Receiver::over()
{
    if (stopping()) return true;
    const std::lock_guard<std::mutex> guard(mutex_);
    return options_.idle_seconds > 0 && open_ == 0 &&
           rp_seconds() - idle_since_ > options_.idle_seconds;
}

bool Receiver::stopping()
{
    const bool cancelled = rp_progress_cancelled(progress_);
    const std::lock_guard<std::mutex> guard(mutex_);
    return stop_ || cancelled;
}

void Receiver::stop()
{
    const std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
}

void Receiver::count(const std::string &path, bool known)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    (known ? summary_.known : summary_.stored)++;
    if (sinks_.stored) sinks_.stored(sinks_.context, path.c_str(), known);
    rp_progress_report(progress_, "receiving", double(summary_.stored + summary_.known), 0,
                       nullptr);
}

/* ---- one object ---------------------------------------------------------------------------- */

/** Where the data set of a file with a meta header begins; 0 for none. */
static size_t dataset_at(const uint8_t *bytes, size_t size)
{
    static const uint8_t length_of_group_2[] = {2, 0, 0, 0, 'U', 'L', 4, 0};
    if (size < 144 || memcmp(bytes + 132, length_of_group_2, 8) != 0) return 0;
    const uint8_t *v = bytes + 140;
    const size_t length = v[0] | size_t(v[1]) << 8 | size_t(v[2]) << 16 | size_t(v[3]) << 24;
    return length <= size - 144 ? 144 + length : 0;
}

static std::string syntax_of(const char *path)
{
    DcmFileFormat format;
    load_until(path, DCM_SOPClassUID, format);
    return text_of(*format.getMetaInfo(), DCM_TransferSyntaxUID);
}

/** Data sets alike byte by byte; their meta headers name those who sent them. */
static bool same_object(const char *a, const char *b)
{
    uint8_t *bytes[2] = {};
    size_t size[2] = {}, at[2] = {};
    const char *const paths[] = {a, b};
    bool readable = true;
    for (int i = 0; i < 2; i++) {
        readable = readable && rp_file_read(paths[i], &bytes[i], &size[i], nullptr) == RP_OK;
        if (readable) at[i] = dataset_at(bytes[i], size[i]);
    }
    const bool same = readable && at[0] && at[1] && size[0] - at[0] == size[1] - at[1] &&
                      memcmp(bytes[0] + at[0], bytes[1] + at[1], size[0] - at[0]) == 0 &&
                      syntax_of(a) == syntax_of(b);
    rp_free(bytes[0]);
    rp_free(bytes[1]);
    return same;
}

/** Of a failure to write. */
static Uint16 answer_to(const rp_error &err)
{
    const int full[] = {ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE};
    const bool out_of_resources =
        err.status == RP_ERR_MEMORY ||
        std::find(std::begin(full), std::end(full), err.number) != std::end(full);
    rp_log(RP_LOG_ERROR, "%s", err.message);
    return out_of_resources ? STATUS_STORE_Refused_OutOfResources : ANSWER_PROCESSING_FAILURE;
}

Uint16 Receiver::place(rp_outfile *file, const std::string &folder, const std::string &name)
{
    rp_error err = {};
    const std::string path = folder + "/" + name + ".dcm";
    rp_status status = rp_directory_create(folder.c_str(), &err);
    if (!status) status = rp_outfile_commit_new(file, path.c_str(), &err);
    if (!status) {
        count(path, false);
        return STATUS_Success;
    }
    if (status != RP_ERR_REFUSED) return answer_to(err);
    if (same_object(path.c_str(), rp_outfile_temporary_path(file))) {
        count(path, true);
        return STATUS_Success;
    }
    rp_log(RP_LOG_WARNING, "%s: another object of this name came, and was refused", path.c_str());
    return ANSWER_DUPLICATE;
}

Uint16 Receiver::keep(rp_outfile *file, const T_DIMSE_C_StoreRQ &request)
{
    DcmFileFormat format;
    const OFCondition parsed = load_whole(rp_outfile_temporary_path(file), format);
    if (parsed.bad()) {
        rp_log(RP_LOG_WARNING, "an object that does not parse was refused: %s", parsed.text());
        return STATUS_STORE_Error_CannotUnderstand;
    }
    DcmDataset &dataset = *format.getDataset();
    const std::string study = text_of(dataset, DCM_StudyInstanceUID),
                      series = text_of(dataset, DCM_SeriesInstanceUID),
                      name = text_of(dataset, DCM_SOPInstanceUID);
    if (!is_uid(study) || !is_uid(series) || !is_uid(name)) {
        rp_log(RP_LOG_WARNING, "an object without proper UIDs was refused");
        return STATUS_STORE_Error_CannotUnderstand;
    }
    if (name != request.AffectedSOPInstanceUID ||
        text_of(dataset, DCM_SOPClassUID) != request.AffectedSOPClassUID) {
        rp_log(RP_LOG_WARNING, "an object that is another than announced was refused");
        return STATUS_STORE_Error_DataSetDoesNotMatchSOPClass;
    }
    return place(file, std::string(options_.folder) + "/" + study + "/" + series, name);
}

/* ---- on its way ------------------------------------------------------------------------------ */

/**
 * Where the bytes of an object go. DCMTK must not learn that a disk is full: it would then wait for
 * more of an object that may have come to its end, and does not notice what fails when a file is
 * closed. What comes after a failure is dropped.
 */
class Landing : public DcmConsumer
{
  public:
    explicit Landing(const std::string &path)
    {
        status_ = rp_outfile_create(path.c_str(), &file_, &err_);
    }
    ~Landing() override
    {
        rp_outfile_destroy(file_);
    }
    OFBool good() const override
    {
        return OFTrue;
    }
    OFCondition status() const override
    {
        return EC_Normal;
    }
    OFBool isFlushed() const override
    {
        return OFTrue;
    }
    offile_off_t avail() const override
    {
        return 1 << 20;
    }
    offile_off_t write(const void *bytes, offile_off_t size) override
    {
        if (!status_) status_ = rp_outfile_write(file_, bytes, size_t(size), &err_);
        return size;
    }
    void flush() override
    {
    }
    rp_outfile *file() const
    {
        return status_ ? nullptr : file_;
    }
    const rp_error &error() const
    {
        return err_;
    }

  private:
    rp_outfile *file_ = nullptr;
    rp_status status_ = RP_OK;
    rp_error err_ = {};
};

class LandingStream : public DcmOutputStream
{
  public:
    explicit LandingStream(Landing &landing) : DcmOutputStream(&landing)
    {
    }
};

/** The meta header of a file for the object of a request, whose own bytes come behind it. */
static bool write_meta(DcmOutputStream &stream, T_ASC_Association *association,
                       T_ASC_PresentationContextID id, const T_DIMSE_C_StoreRQ &request)
{
    T_ASC_PresentationContext context;
    if (ASC_findAcceptedPresentationContext(association->params, id, &context).bad()) return false;
    DcmMetaInfo meta;
    Writer w(meta);
    w.put_u32s(DCM_FileMetaInformationGroupLength, {0});
    w.put_bytes(DCM_FileMetaInformationVersion, {0, 1});
    w.put_raw(DCM_MediaStorageSOPClassUID, request.AffectedSOPClassUID);
    w.put_raw(DCM_MediaStorageSOPInstanceUID, request.AffectedSOPInstanceUID);
    w.put_raw(DCM_TransferSyntaxUID, context.acceptedTransferSyntax);
    w.put_raw(DCM_ImplementationClassUID, OFFIS_IMPLEMENTATION_CLASS_UID);
    w.put_raw(DCM_ImplementationVersionName, OFFIS_DTK_IMPLEMENTATION_VERSION_NAME2);
    w.put_raw(DCM_SourceApplicationEntityTitle, association->params->DULparams.callingAPTitle);
    const E_TransferSyntax syntax = META_HEADER_DEFAULT_TRANSFERSYNTAX;
    if (!w.good() ||
        meta.computeGroupLengthAndPadding(EGL_withGL, EPD_noChange, syntax, EET_UndefinedLength)
            .bad())
        return false;
    meta.transferInit();
    const bool written = meta.write(stream, syntax, EET_ExplicitLength, nullptr).good();
    meta.transferEnd();
    return written;
}

static T_DIMSE_C_StoreRSP response_to(const T_DIMSE_C_StoreRQ &request, Uint16 answer)
{
    T_DIMSE_C_StoreRSP response = {};
    response.DimseStatus = answer;
    response.MessageIDBeingRespondedTo = request.MessageID;
    response.DataSetType = DIMSE_DATASET_NULL;
    response.opts = O_STORE_AFFECTEDSOPCLASSUID | O_STORE_AFFECTEDSOPINSTANCEUID;
    if (request.opts & O_STORE_RQ_BLANK_PADDING) response.opts |= O_STORE_RSP_BLANK_PADDING;
    OFStandard::strlcpy(response.AffectedSOPClassUID, request.AffectedSOPClassUID,
                        sizeof response.AffectedSOPClassUID);
    OFStandard::strlcpy(response.AffectedSOPInstanceUID, request.AffectedSOPInstanceUID,
                        sizeof response.AffectedSOPInstanceUID);
    return response;
}

/** Takes the data set from the net, and gives the answer; false where it did not come whole. */
bool Receiver::land(T_ASC_Association *association, T_ASC_PresentationContextID id,
                    const T_DIMSE_C_StoreRQ &request, Uint16 &answer)
{
    Landing landing(incoming_ + "/object");
    LandingStream stream(landing);
    T_ASC_PresentationContextID of_data = 0;
    if (!write_meta(stream, association, id, request) ||
        DIMSE_receiveDataSetInFile(association, DIMSE_NONBLOCKING, timeout(), &of_data, &stream,
                                   nullptr, nullptr)
            .bad() ||
        of_data != id)
        return false;
    answer = ANSWER_PROCESSING_FAILURE;
    guarded("object", nullptr, [&] {
        answer = landing.file() ? keep(landing.file(), request) : answer_to(landing.error());
        return RP_OK;
    });
    return true;
}

bool Receiver::store(T_ASC_Association *association, T_ASC_PresentationContextID id,
                     T_DIMSE_C_StoreRQ &request)
{
    Uint16 answer = ANSWER_PROCESSING_FAILURE;
    const bool whole = land(association, id, request, answer);
    if (!whole || answer != STATUS_Success) {
        const std::lock_guard<std::mutex> guard(mutex_);
        summary_.failed++;
    }
    if (!whole) return false;
    T_DIMSE_C_StoreRSP response = response_to(request, answer);
    return DIMSE_sendStoreResponse(association, id, &request, &response, nullptr).good();
}

} // namespace rp_dicom
