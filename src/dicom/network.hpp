/**
 * @file network.hpp
 * What sender and receiver share.
 */
#ifndef REPRISE_DICOM_NETWORK_HPP
#define REPRISE_DICOM_NETWORK_HPP

#include "internal.hpp"
#include "reprise/dicom_network.h"

#include <memory>

#include "dcmtk/dcmnet/assoc.h"
#include "dcmtk/dcmtls/tlslayer.h"

namespace rp_dicom
{

enum { DEFAULT_TIMEOUT_SECONDS = 60 };

/** Sends small packets at once: held back for more to come, each answer takes 40 ms. */
void send_at_once(DcmNativeSocketType socket);

/** A TLS layer from the files, or none where there are none. RP_ERR_IO or RP_ERR_ARGUMENT names the
 * file.
 */
rp_status make_tls(const rp_tls_files &files, bool acceptor,
                   std::unique_ptr<DcmTLSTransportLayer> &layer, rp_error *err);

/** True of a syntax that DCMTK can change into another without decoding pixels. */
bool is_uncompressed(E_TransferSyntax syntax);

} // namespace rp_dicom

#endif
