/* C-STORE from other nodes: sockets, associations, commands. What becomes of an object is in
 * receive_store.cpp. */
#include "peers.hpp"
#include "receive.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dcmtk/dcmnet/dul.h"

namespace rp_dicom
{

enum { POLL_MS = 100, BACKLOG = 1024, CLOSING_SECONDS = 2 };

/* ---- listening --------------------------------------------------------------------------- */

/** A socket of our own, since DCMTK would listen on every address. */
class Listener
{
  public:
    ~Listener()
    {
        if (socket_ >= 0) close(socket_);
    }
    rp_status open(const char *address, int port, rp_error *err);
    int port() const
    {
        return port_;
    }
    int descriptor() const
    {
        return socket_;
    }
    /** A connection, or -1 when none came within the pause. */
    int next() const;

  private:
    int socket_ = -1, port_ = 0;
};

rp_status Listener::open(const char *address, int port, rp_error *err)
{
    sockaddr_in at = {};
    socklen_t length = sizeof at;
    const int one = 1;
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: not an IPv4 address such as 127.0.0.1", address);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ >= 0) setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr *const generic = reinterpret_cast<sockaddr *>(&at);
    if (socket_ < 0 || bind(socket_, generic, sizeof at) || listen(socket_, BACKLOG) ||
        getsockname(socket_, generic, &length))
        return rp_fail(err, RP_ERR_IO, "%s:%d: cannot listen: %s", address, port, strerror(errno));
    port_ = ntohs(at.sin_port);
    return RP_OK;
}

int Listener::next() const
{
    pollfd waiting = {socket_, POLLIN, 0};
    if (poll(&waiting, 1, POLL_MS) <= 0) return -1;
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) usleep(1000 * POLL_MS); /* no descriptor is free, for instance */
    return connection;
}

/* ---- negotiation ------------------------------------------------------------------------- */

static bool is_storage(const char *sop_class)
{
    /* Classes newer than DCMTK's list are below the same root; vendors have roots of their own. */
    const std::string uid = sop_class;
    return dcmIsaStorageSOPClassUID(sop_class, ESSC_All) ||
           uid.rfind("1.2.840.10008.5.1.4.1.1.", 0) == 0 || uid.rfind("1.2.840.10008.", 0) != 0;
}

/** Of what is proposed, the sender's first choice that can be kept in a file; implicit VR only
 * where nothing else is offered, for it says less. */
static const char *choose_syntax(const T_ASC_PresentationContext &context)
{
    const char *implicit = nullptr;
    for (int i = 0; i < context.transferSyntaxCount; i++) {
        const char *uid = context.proposedTransferSyntaxes[i];
        const E_TransferSyntax syntax = DcmXfer(uid).getXfer();
        if (syntax == EXS_LittleEndianImplicit)
            implicit = uid;
        else if (syntax != EXS_Unknown)
            return uid;
    }
    return implicit;
}

static void answer_contexts(T_ASC_Parameters *parameters)
{
    const int count = ASC_countPresentationContexts(parameters);
    for (int i = 0; i < count; i++) {
        T_ASC_PresentationContext context;
        if (ASC_getPresentationContext(parameters, i, &context).bad()) continue;
        const char *syntax = choose_syntax(context);
        const T_ASC_PresentationContextID id = context.presentationContextID;
        const bool known = strcmp(context.abstractSyntax, UID_VerificationSOPClass) == 0 ||
                           is_storage(context.abstractSyntax);
        if (known && syntax)
            ASC_acceptPresentationContext(parameters, id, syntax);
        else
            ASC_refusePresentationContext(parameters, id,
                                          known ? ASC_P_TRANSFERSYNTAXESNOTSUPPORTED
                                                : ASC_P_ABSTRACTSYNTAXNOTSUPPORTED);
    }
}

static bool refuse(T_ASC_Association *association, T_ASC_RejectParametersReason reason)
{
    const T_ASC_RejectParameters why = {ASC_RESULT_REJECTEDPERMANENT, ASC_SOURCE_SERVICEUSER,
                                        reason};
    ASC_rejectAssociation(association, &why);
    return false;
}

static bool titles_fit(const rp_receive_options &options, T_ASC_Association *association)
{
    char calling[32] = "", called[32] = "";
    if (ASC_getAPTitles(association->params, calling, sizeof calling, called, sizeof called,
                        nullptr, 0)
            .bad())
        return refuse(association, ASC_REASON_SU_NOREASON);
    if (strcmp(called, options.aet) != 0)
        return refuse(association, ASC_REASON_SU_CALLEDAETITLENOTRECOGNIZED);
    if (options.calling_aet && strcmp(calling, options.calling_aet) != 0)
        return refuse(association, ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED);
    ASC_setAPTitles(association->params, nullptr, nullptr, options.aet);
    return true;
}

/** Polite: the peer may try again later. */
static void refuse_for_now(T_ASC_Association *association)
{
    const T_ASC_RejectParameters why = {ASC_RESULT_REJECTEDTRANSIENT,
                                        ASC_SOURCE_SERVICEPROVIDER_PRESENTATION_RELATED,
                                        ASC_REASON_SP_PRES_LOCALLIMITEXCEEDED};
    ASC_rejectAssociation(association, &why);
}

/* ---- one association ----------------------------------------------------------------------- */

/** False ends the association. */
static bool handle_command(Receiver &receiver, T_ASC_Association *association,
                           T_ASC_PresentationContextID id, T_DIMSE_Message &message)
{
    if (message.CommandField == DIMSE_C_ECHO_RQ)
        return DIMSE_sendEchoResponse(association, id, &message.msg.CEchoRQ, STATUS_Success,
                                      nullptr)
            .good();
    if (message.CommandField == DIMSE_C_STORE_RQ)
        return receiver.store(association, id, message.msg.CStoreRQ);
    return false;
}

static bool gave_up_waiting(double since, int timeout)
{
    return rp_seconds() - since > timeout;
}

/** True if the peer released it; otherwise it is to be aborted. */
static bool serve(Receiver &receiver, Peer &peer, T_ASC_Association *association, size_t &commands)
{
    double since = rp_seconds();
    for (;;) {
        T_ASC_PresentationContextID id = 0;
        T_DIMSE_Message message = {};
        DcmDataset *detail = nullptr;
        const OFCondition got =
            DIMSE_receiveCommand(association, DIMSE_NONBLOCKING, 1, &id, &message, &detail);
        delete detail;
        if (got == DIMSE_NODATAAVAILABLE) {
            if (receiver.stopping() || gave_up_waiting(since, receiver.timeout())) return false;
            continue;
        }
        if (got == DUL_PEERREQUESTEDRELEASE) {
            ASC_acknowledgeRelease(association);
            return true;
        }
        peer.enter(Phase::busy);
        if (got.bad() || !handle_command(receiver, association, id, message)) return false;
        peer.enter(Phase::idle);
        commands++;
        since = rp_seconds();
        if (receiver.stopping()) return false;
    }
}

/* ---- the server ---------------------------------------------------------------------------- */

class Server
{
  public:
    explicit Server(Receiver &receiver)
        : receiver_(receiver), peers_(receiver.timeout(), serve_peer, this)
    {
    }
    ~Server();
    rp_status open(rp_error *err);
    rp_status run(const rp_receive_sinks &sinks);

  private:
    static void serve_peer(void *context, Peer &peer);
    T_ASC_Association *greet(Peer &peer);
    void run_association(Peer &peer, T_ASC_Association *association);
    void end_all();

    Receiver &receiver_;
    Listener listener_;
    PlainLayer plain_;
    std::unique_ptr<DcmTLSTransportLayer> tls_; /* both outlive the network that uses them */
    T_ASC_Network *network_ = nullptr;
    Peers peers_; /* end first */
};

Server::~Server()
{
    end_all();
    dcmExternalSocketHandle.set(DCMNET_INVALID_SOCKET);
    if (network_) ASC_dropNetwork(&network_);
}

rp_status Server::open(rp_error *err)
{
    const rp_receive_options &options = receiver_.options();
    rp_status status = make_tls(options.tls, nullptr, tls_, err);
    if (!status)
        status = listener_.open(options.address ? options.address : "127.0.0.1", options.port, err);
    if (status) return status;
    /* With a socket from outside, DCMTK opens none itself. Each connection is handed over likewise.
     */
    dcmExternalSocketHandle.set(listener_.descriptor());
    dcmDisableGethostbyaddr.set(
        OFTrue); /* a name service may take its time, or be the peer's own */
    const OFCondition made =
        ASC_initializeNetwork(NET_ACCEPTOR, listener_.port(), receiver_.timeout(), &network_);
    DcmTransportLayer *const layer = tls_ ? static_cast<DcmTransportLayer *>(tls_.get()) : &plain_;
    if (made.good()) ASC_setTransportLayer(network_, layer, 0);
    return made.good() ? RP_OK : rp_fail(err, RP_ERR_IO, "cannot listen: %s", made.text());
}

/** What the peer proposes; nullptr where it says nothing, or nothing that can be understood. */
T_ASC_Association *Server::greet(Peer &peer)
{
    T_ASC_Association *association = nullptr;
    Handover handover(peer.connection());
    const OFCondition received =
        ASC_receiveAssociation(network_, &association, ASC_DEFAULTMAXPDU, nullptr, nullptr,
                               tls_ ? OFTrue : OFFalse, DUL_NOBLOCK, receiver_.timeout());
    if (!handover.taken()) close(peer.connection());
    if (received.good()) return association;
    if (association) ASC_destroyAssociation(&association);
    return nullptr;
}

void Server::run_association(Peer &peer, T_ASC_Association *association)
{
    size_t commands = 0;
    if (!titles_fit(receiver_.options(), association)) return;
    if (!receiver_.admit()) {
        refuse_for_now(association);
        return;
    }
    peer.enter(Phase::idle);
    answer_contexts(association->params);
    guarded("association", nullptr, [&] {
        if (ASC_acknowledgeAssociation(association).good() &&
            !serve(receiver_, peer, association, commands))
            ASC_abortAssociation(association);
        return RP_OK;
    });
    receiver_.finished(commands > 0);
}

void Server::serve_peer(void *context, Peer &peer)
{
    Server &server = *static_cast<Server *>(context);
    guarded("connection", nullptr, [&] {
        T_ASC_Association *association = server.greet(peer);
        if (!association) return RP_OK;
        server.run_association(peer, association);
        ASC_dropSCPAssociation(association, CLOSING_SECONDS);
        ASC_destroyAssociation(&association);
        return RP_OK;
    });
}

/** Idle ones at once, those within an object when it is done, or shortly. */
void Server::end_all()
{
    enum { GRACE_SECONDS = 5 };
    const double begin = rp_seconds();
    receiver_.stop();
    peers_.disconnect(false);
    while (!peers_.empty()) {
        usleep(1000);
        peers_.watch();
        if (rp_seconds() - begin > GRACE_SECONDS) peers_.disconnect(true);
    }
}

rp_status Server::run(const rp_receive_sinks &sinks)
{
    if (sinks.listening) sinks.listening(sinks.context, listener_.port());
    while (!receiver_.over()) {
        const int connection = listener_.next();
        if (connection >= 0) peers_.add(connection);
        peers_.watch();
    }
    end_all();
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_dicom_receive(const rp_receive_options *options,
                                      const rp_receive_sinks *sinks, const rp_progress *progress,
                                      rp_receive_summary *summary, rp_error *err)
{
    *summary = {};
    return guarded(options->folder, err, [&] {
        rp_status status = prepare(err);
        if (status) return status;
        Receiver receiver(*options, *sinks, progress, *summary);
        Server server(receiver);
        status = receiver.open(err);
        if (!status) status = server.open(err);
        return status ? status : server.run(*sinks);
    });
}
