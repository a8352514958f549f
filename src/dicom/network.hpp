/**
 * @file network.hpp
 * What sender and receiver share.
 */
#ifndef REPRISE_DICOM_NETWORK_HPP
#define REPRISE_DICOM_NETWORK_HPP

#include "internal.hpp"
#include "reprise/dicom_network.h"

#include <memory>
#include <mutex>

#include "dcmtk/dcmnet/assoc.h"
#include "dcmtk/dcmtls/tlslayer.h"

namespace rp_dicom
{

enum { DEFAULT_TIMEOUT_SECONDS = 60 };

/** Sends small packets at once: held back for more to come, each answer takes 40 ms. */
void send_at_once(DcmNativeSocketType socket);

/**
 * DCMTK takes an accepted connection from one variable of the process. Whoever hands one over holds
 * this while it calls ASC_receiveAssociation; the next one may do so as soon as DCMTK has made its
 * transport connection, long before the peer has said anything.
 */
class Handover
{
  public:
    explicit Handover(DcmNativeSocketType connection);
    ~Handover();
    /** For the layers below, once they have the connection. */
    static void done();
    /** Whether a layer has it; else the connection is still the caller's. */
    bool taken() const
    {
        return !lock_.owns_lock();
    }

  private:
    std::unique_lock<std::mutex> lock_;
};

/** Connections without TLS. DcmSCU takes another layer than its own as a secure one only; this one
 * is not. */
class PlainLayer : public DcmTransportLayer
{
  public:
    DcmTransportConnection *createConnection(DcmNativeSocketType socket, OFBool) override;
};

/** A TLS layer from the files, or none where there are none: for a node that accepts, or with a
 * host for one that connects to a node whose certificate has to name that host or address.
 * RP_ERR_IO or RP_ERR_ARGUMENT names the file. */
rp_status make_tls(const rp_tls_files &files, const char *host,
                   std::unique_ptr<DcmTLSTransportLayer> &layer, rp_error *err);

/** Why the last certificate that this thread was shown was refused, in words; "" where it was not.
 */
std::string refused_certificate();

/** True of a syntax that DCMTK can change into another without decoding pixels. */
bool is_uncompressed(E_TransferSyntax syntax);

} // namespace rp_dicom

#endif
