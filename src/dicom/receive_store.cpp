/* An object that arrives: on the disk whole, then acknowledged. */
#include "receive.hpp"

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

void Receiver::started()
{
    const std::lock_guard<std::mutex> guard(mutex_);
    open_++;
    summary_.associations++;
}

void Receiver::finished(bool served)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    open_--;
    idle_since_ = rp_seconds();
    if (options_.once && served) stop_ = true;
}

int Receiver::open_associations()
{
    const std::lock_guard<std::mutex> guard(mutex_);
    return open_;
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

/** Digits and dots alone: such a name leads nowhere else. */
static bool can_be_a_name(const std::string &uid)
{
    return !uid.empty() && uid.size() <= 64 && uid[0] != '.' &&
           uid.find_first_not_of("0123456789.") == std::string::npos;
}

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

Uint16 Receiver::place(rp_outfile *file, const std::string &folder, const std::string &name)
{
    rp_error err = {};
    const std::string path = folder + "/" + name + ".dcm";
    rp_status status = rp_directory_create(folder.c_str(), &err);
    if (!status) status = rp_outfile_commit_new(file, path.c_str(), &err);
    const bool full = status == RP_ERR_IO && (errno == ENOSPC || errno == EDQUOT);
    if (!status) {
        count(path, false);
        return STATUS_Success;
    }
    if (status == RP_ERR_REFUSED) {
        if (same_object(path.c_str(), rp_outfile_temporary_path(file))) {
            count(path, true);
            return STATUS_Success;
        }
        rp_log(RP_LOG_WARNING, "%s: another object of this name came, and was refused",
               path.c_str());
        return ANSWER_DUPLICATE;
    }
    rp_log(RP_LOG_ERROR, "%s", err.message);
    return full ? STATUS_STORE_Refused_OutOfResources : ANSWER_PROCESSING_FAILURE;
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
    if (!can_be_a_name(study) || !can_be_a_name(series) || !can_be_a_name(name)) {
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

struct Arrival {
    Receiver *receiver;
    rp_outfile *file; /**< NULL: there is no place for it */
    bool accepted;
};

static void on_progress(void *context, T_DIMSE_StoreProgress *progress, T_DIMSE_C_StoreRQ *request,
                        char *, DcmDataset **, T_DIMSE_C_StoreRSP *response, DcmDataset **)
{
    Arrival &arrival = *static_cast<Arrival *>(context);
    if (progress->state != DIMSE_StoreEnd || response->DimseStatus != STATUS_Success) return;
    Uint16 answer = ANSWER_PROCESSING_FAILURE;
    if (arrival.file)
        guarded("object", nullptr, [&] {
            answer = arrival.receiver->keep(arrival.file, *request);
            return RP_OK;
        });
    response->DimseStatus = answer;
    arrival.accepted = answer == STATUS_Success;
}

bool Receiver::store(T_ASC_Association *association, T_ASC_PresentationContextID id,
                     T_DIMSE_C_StoreRQ &request)
{
    rp_error err = {};
    Arrival arrival = {this, nullptr, false};
    if (rp_outfile_create((incoming_ + "/object").c_str(), &arrival.file, &err))
        rp_log(RP_LOG_ERROR, "%s", err.message);
    const char *path = arrival.file ? rp_outfile_temporary_path(arrival.file) : "/dev/null";
    const OFCondition done =
        DIMSE_storeProvider(association, id, &request, path, OFTrue, nullptr, on_progress, &arrival,
                            DIMSE_NONBLOCKING, timeout());
    rp_outfile_destroy(arrival.file);
    if (!arrival.accepted) {
        const std::lock_guard<std::mutex> guard(mutex_);
        summary_.failed++;
    }
    return done.good();
}

} // namespace rp_dicom
