/* C-STORE to a node. */
#include "network.hpp"

#include <algorithm>
#include <set>

#include <unistd.h>

#include "dcmtk/dcmnet/dcmtrans.h"
#include "dcmtk/dcmnet/scu.h"

namespace rp_dicom
{

enum { CONTEXTS = 128 /* of one association: PS3.8, odd numbers below 256 */ };

/** An object to be sent. */
struct Letter {
    std::string path, sop_class;
    E_TransferSyntax syntax = EXS_Unknown;
    bool done = false;
};

/** A presentation context to propose: a class of objects in one syntax, or with EXS_Unknown in any
 * that is not compressed. */
typedef std::pair<std::string, E_TransferSyntax> Offer;

/** As it is; else, where no pixels have to be encoded anew, as the node wants it. */
static std::set<Offer> offers_of(const Letter &letter)
{
    std::set<Offer> offers = {{letter.sop_class, letter.syntax}};
    if (is_uncompressed(letter.syntax)) offers.insert({letter.sop_class, EXS_Unknown});
    return offers;
}

/** Before the base class that uses them, so that they outlive it. */
struct Layers {
    std::unique_ptr<DcmTLSTransportLayer> tls_;
    PlainLayer plain_;
};

class Courier : private Layers, public DcmSCU
{
  public:
    rp_status configure(const rp_send_options &options, rp_error *err);
    OFCondition connect(const std::set<Offer> &offers);
    OFCondition verify();
    /** False where the node takes no such object. */
    bool can_send(const Letter &letter);
    OFCondition send(const Letter &letter, DcmFileFormat &format, Uint16 &answer);

  private:
    T_ASC_PresentationContextID context_for(const Letter &letter);
};

rp_status Courier::configure(const rp_send_options &options, rp_error *err)
{
    const int seconds = options.timeout_seconds ? options.timeout_seconds : DEFAULT_TIMEOUT_SECONDS;
    const rp_status status =
        make_tls(options.tls, options.tls_host ? options.tls_host : options.host, tls_, err);
    if (status) return status;
    setPeerHostName(options.host);
    setPeerPort(static_cast<Uint16>(options.port));
    setPeerAETitle(options.called_aet);
    setAETitle(options.calling_aet);
    setConnectionTimeout(seconds);
    setACSETimeout(static_cast<Uint32>(seconds));
    dcmSocketReceiveTimeout.set(seconds); /* what TLS waits for */
    dcmSocketSendTimeout.set(seconds);
    setDIMSETimeout(static_cast<Uint32>(seconds));
    setDIMSEBlockingMode(DIMSE_NONBLOCKING);
    setDatasetConversionMode(OFTrue);
    setProgressNotificationMode(OFFalse);
    return RP_OK;
}

static OFList<OFString> uids_of(std::initializer_list<E_TransferSyntax> syntaxes)
{
    OFList<OFString> list;
    for (const E_TransferSyntax s : syntaxes) list.push_back(DcmXfer(s).getXferID());
    return list;
}

OFCondition Courier::connect(const std::set<Offer> &offers)
{
    for (const Offer &offer : offers) {
        const OFList<OFString> syntaxes =
            offer.second == EXS_Unknown ? uids_of({EXS_LittleEndianExplicit,
                                                   EXS_LittleEndianImplicit, EXS_BigEndianExplicit})
                                        : uids_of({offer.second});
        const OFCondition added = addPresentationContext(offer.first.c_str(), syntaxes);
        if (added.bad()) return added;
    }
    OFCondition result = initNetwork();
    DcmTransportLayer *const layer = tls_ ? static_cast<DcmTransportLayer *>(tls_.get()) : &plain_;
    if (result.good()) result = useSecureConnection(layer);
    return result.good() ? negotiateAssociation() : result;
}

OFCondition Courier::verify()
{
    const OFCondition connected = connect({{UID_VerificationSOPClass, EXS_Unknown}});
    return connected.good() ? sendECHORequest(0) : connected;
}

T_ASC_PresentationContextID Courier::context_for(const Letter &letter)
{
    const OFString sop_class = letter.sop_class.c_str();
    const T_ASC_PresentationContextID exact =
        findPresentationContextID(sop_class, DcmXfer(letter.syntax).getXferID());
    if (exact || !is_uncompressed(letter.syntax)) return exact;
    for (const E_TransferSyntax s :
         {EXS_LittleEndianExplicit, EXS_LittleEndianImplicit, EXS_BigEndianExplicit}) {
        const T_ASC_PresentationContextID other =
            findPresentationContextID(sop_class, DcmXfer(s).getXferID());
        if (other) return other;
    }
    return 0;
}

bool Courier::can_send(const Letter &letter)
{
    return context_for(letter) != 0;
}

OFCondition Courier::send(const Letter &letter, DcmFileFormat &format, Uint16 &answer)
{
    return sendSTORERequest(context_for(letter), OFFilename(), format.getDataset(), answer);
}

/* ---- all files --------------------------------------------------------------------------- */

class Delivery
{
  public:
    Delivery(const rp_send_options &options, rp_send_sink sink, void *context,
             const rp_progress *progress, rp_send_summary &summary)
        : options_(options), sink_(sink), context_(context), progress_(progress), summary_(summary)
    {
    }
    rp_status collect(const char *const *inputs, size_t count, rp_error *err);
    rp_status run(rp_error *err);

  private:
    void tell(const std::string &path, rp_send_state state, const std::string &why);
    void finish(Letter &letter, rp_send_state state, const std::string &why);
    void add(const std::string &path, bool named);
    std::vector<Letter *> next_batch(std::set<Offer> &offers);
    rp_status attempt(bool &progressed, rp_error *err);
    rp_status send_one(Courier &courier, Letter &letter, rp_error *err);
    void judge(Letter &letter, Uint16 answer);
    bool wait(int seconds);

    const rp_send_options &options_;
    rp_send_sink sink_;
    void *context_;
    const rp_progress *progress_;
    rp_send_summary &summary_;
    std::vector<Letter> letters_;
    size_t done_ = 0, busy_ = 0; /**< busy: answers "out of resources" of this attempt */
    bool last_try_ = false;
};

void Delivery::tell(const std::string &path, rp_send_state state, const std::string &why)
{
    size_t *const counters[] = {&summary_.sent, &summary_.warnings, &summary_.failed,
                                &summary_.passed_over};
    ++*counters[state];
    const rp_send_result result = {path.c_str(), state, why.c_str()};
    if (sink_) sink_(context_, &result);
}

void Delivery::finish(Letter &letter, rp_send_state state, const std::string &why)
{
    letter.done = true;
    done_++;
    tell(letter.path, state, why);
    rp_progress_report(progress_, "sending", double(done_), double(letters_.size()), nullptr);
}

/** Syntax and class of a file from its header. Of a folder only DICOM objects are meant. */
void Delivery::add(const std::string &path, bool named)
{
    DcmFileFormat format;
    Letter letter;
    letter.path = path;
    if (!looks_like_dicom(path))
        return tell(path, named ? RP_SEND_FAILED : RP_SEND_PASSED_OVER, "not DICOM");
    const bool parsed = load_until(path, DCM_PatientName, format);
    DcmDataset &dataset = *format.getDataset();
    letter.sop_class = text_of(dataset, DCM_SOPClassUID);
    letter.syntax = dataset.getOriginalXfer();
    if (text_of(*format.getMetaInfo(), DCM_MediaStorageSOPClassUID) ==
        UID_MediaStorageDirectoryStorage)
        return tell(path, named ? RP_SEND_FAILED : RP_SEND_PASSED_OVER,
                    "a DICOMDIR, which describes files and is not sent");
    if (!parsed || letter.sop_class.empty() || text_of(dataset, DCM_SOPInstanceUID).empty())
        return tell(path, RP_SEND_FAILED, "names no SOP class and instance");
    letters_.push_back(letter);
}

rp_status Delivery::collect(const char *const *inputs, size_t count, rp_error *err)
{
    for (size_t i = 0; i < count; i++) {
        std::vector<std::string> paths;
        const rp_status status = list_paths(inputs[i], paths, err);
        if (status) return status;
        const bool named = !rp_path_is_directory(inputs[i]);
        for (const std::string &path : paths) add(path, named);
    }
    return RP_OK;
}

/** The next objects that fit into one association. */
std::vector<Letter *> Delivery::next_batch(std::set<Offer> &offers)
{
    std::vector<Letter *> batch;
    for (Letter &letter : letters_) {
        if (letter.done) continue;
        std::set<Offer> more = offers_of(letter);
        more.insert(offers.begin(), offers.end());
        if (more.size() > CONTEXTS) continue;
        offers.swap(more);
        batch.push_back(&letter);
    }
    return batch;
}

/** What a status of PS3.4, annex B, or PS3.7, annex C, means to a user. */
static std::string meaning_of(Uint16 status)
{
    char code[16];
    snprintf(code, sizeof code, " (%04XH)", unsigned(status));
    const char *words = "the node failed to store it";
    if ((status & 0xFF00) == 0xA700)
        words = "the node is out of resources";
    else if ((status & 0xFF00) == 0xA900)
        words = "the node says that it does not match its SOP class";
    else if ((status & 0xF000) == 0xC000)
        words = "the node cannot understand it";
    else if ((status & 0xF000) == 0xB000)
        words = "stored, but the node changed or dropped attributes";
    else if (status == 0x0111)
        words = "the node has another object with this SOPInstanceUID";
    else if (status == 0x0122)
        words = "the node does not support this SOP class";
    else if (status == 0x0124)
        words = "the node does not authorize this";
    return words + std::string(code);
}

void Delivery::judge(Letter &letter, Uint16 answer)
{
    if (answer == STATUS_Success)
        finish(letter, RP_SENT, "");
    else if ((answer & 0xF000) == 0xB000 || answer == 0x0001 || answer == 0x0107 ||
             answer == 0x0116)
        finish(letter, RP_SENT_WARNING, meaning_of(answer));
    else if ((answer & 0xFF00) == 0xA700 && !last_try_)
        busy_++; /* it may have room later */
    else
        finish(letter, RP_SEND_FAILED, meaning_of(answer));
}

/** An error is one of the association, not of the object. */
rp_status Delivery::send_one(Courier &courier, Letter &letter, rp_error *err)
{
    if (!courier.can_send(letter)) {
        finish(letter, RP_SEND_FAILED,
               std::string("the node takes no ") +
                   dcmFindNameOfUID(letter.sop_class.c_str(), letter.sop_class.c_str()) + " in " +
                   DcmXfer(letter.syntax).getXferName());
        return RP_OK;
    }
    DcmFileFormat format;
    const OFCondition loaded = load_whole(letter.path, format);
    if (loaded.bad()) {
        finish(letter, RP_SEND_FAILED, std::string("does not parse to its end: ") + loaded.text());
        return RP_OK;
    }
    Uint16 answer = 0;
    const OFCondition sent = courier.send(letter, format, answer);
    if (sent.good()) {
        judge(letter, answer);
        return RP_OK;
    }
    return rp_fail(err, RP_ERR_IO, "%s:%d: the association was lost: %s", options_.host,
                   options_.port, sent.text());
}

static rp_status explain(const rp_send_options &options, const OFCondition &why, rp_error *err)
{
    if (why == DUL_ASSOCIATIONREJECTED)
        return rp_fail(
            err, RP_ERR_IO,
            "%s:%d: refuses the association: it may be busy, not be called %s, or not know "
            "%s",
            options.host, options.port, options.called_aet, options.calling_aet);
    if (why == NET_EC_NoAcceptablePresentationContexts)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "%s:%d: takes none of these kinds of objects",
                       options.host, options.port);
    if (!refused_certificate().empty())
        return rp_fail(err, RP_ERR_REFUSED, "%s:%d: its certificate is not accepted: %s",
                       options.host, options.port, refused_certificate().c_str());
    std::string text = why.text();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return rp_fail(err, RP_ERR_IO, "%s:%d: cannot be reached: %s", options.host, options.port,
                   text.c_str());
}

/** One association over what is left; progressed: the node answered something. */
rp_status Delivery::attempt(bool &progressed, rp_error *err)
{
    std::set<Offer> offers;
    const std::vector<Letter *> batch = next_batch(offers);
    Courier courier;
    const size_t before = done_;
    rp_status status = courier.configure(options_, err);
    if (status) return status;
    const OFCondition connected = courier.connect(offers);
    if (connected == NET_EC_NoAcceptablePresentationContexts) {
        for (Letter *letter : batch)
            finish(*letter, RP_SEND_FAILED, "the node takes no such objects in this encoding");
        return RP_OK;
    }
    if (connected.bad()) return explain(options_, connected, err);
    busy_ = 0;
    for (Letter *letter : batch) {
        if (rp_progress_cancelled(progress_)) status = rp_fail(err, RP_ERR_CANCELLED, "cancelled");
        if (!status) status = send_one(courier, *letter, err);
        if (status) break;
    }
    progressed = done_ > before;
    if (status)
        courier.abortAssociation();
    else
        courier.releaseAssociation();
    if (!status && busy_)
        status = rp_fail(err, RP_ERR_IO, "%s:%d: out of resources", options_.host, options_.port);
    return status;
}

/** False when cancelled meanwhile. */
bool Delivery::wait(int seconds)
{
    for (int i = 0; i < 10 * seconds; i++) {
        if (rp_progress_cancelled(progress_)) return false;
        usleep(100000);
    }
    return true;
}

rp_status Delivery::run(rp_error *err)
{
    int failures = 0;
    while (done_ < letters_.size()) {
        bool progressed = false;
        last_try_ = failures >= options_.retries;
        const rp_status status = attempt(progressed, err);
        if (progressed) failures = 0;
        if (!status) continue;
        if (status != RP_ERR_IO || failures++ >= options_.retries) return status;
        if (!wait(1 << std::min(failures - 1, 5)))
            return rp_fail(err, RP_ERR_CANCELLED, "cancelled");
    }
    const size_t count = summary_.sent + summary_.warnings + summary_.failed;
    if (summary_.failed)
        return rp_fail(err, RP_ERR_IO, "%s:%d: %zu of %zu objects were not stored", options_.host,
                       options_.port, summary_.failed, count);
    if (!count) return rp_fail(err, RP_ERR_FORMAT, "there is no DICOM object to send");
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_dicom_send(const char *const *inputs, size_t count,
                                   const rp_send_options *options, rp_send_sink sink, void *context,
                                   const rp_progress *progress, rp_send_summary *summary,
                                   rp_error *err)
{
    *summary = {};
    return guarded(options->host, err, [&] {
        rp_status status = prepare(err);
        Delivery delivery(*options, sink, context, progress, *summary);
        if (!status) status = delivery.collect(inputs, count, err);
        return status ? status : delivery.run(err);
    });
}

extern "C" rp_status rp_dicom_echo(const rp_send_options *options, rp_error *err)
{
    return guarded(options->host, err, [&] {
        Courier courier;
        rp_status status = prepare(err);
        if (!status) status = courier.configure(*options, err);
        if (status) return status;
        const OFCondition answer = courier.verify();
        if (answer.bad()) return explain(*options, answer, err);
        courier.releaseAssociation();
        return RP_OK;
    });
}
