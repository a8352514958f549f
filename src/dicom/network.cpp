/* TLS and titles of both sides. */
#include "network.hpp"

#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rp_dicom
{

bool is_uncompressed(E_TransferSyntax syntax)
{
    return syntax == EXS_LittleEndianImplicit || syntax == EXS_LittleEndianExplicit ||
           syntax == EXS_BigEndianExplicit || syntax == EXS_DeflatedLittleEndianExplicit;
}

void send_at_once(DcmNativeSocketType socket)
{
    const int one = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

class TlsLayer : public DcmTLSTransportLayer
{
  public:
    explicit TlsLayer(T_ASC_NetworkRole side) : DcmTLSTransportLayer(side, nullptr, OFTrue)
    {
    }
    DcmTransportConnection *createConnection(DcmNativeSocketType socket, OFBool secure) override
    {
        send_at_once(socket);
        return DcmTLSTransportLayer::createConnection(socket, secure);
    }
};

static rp_status check_readable(const char *path, rp_error *err)
{
    uint8_t *data = nullptr;
    size_t size = 0;
    const rp_status status = rp_file_read(path, &data, &size, err);
    if (!status) explicit_bzero(data, size);
    rp_free(data);
    return status;
}

static rp_status load_identity(const rp_tls_files &files, DcmTLSTransportLayer &layer,
                               rp_error *err)
{
    rp_status status = check_readable(files.key, err);
    if (!status) status = check_readable(files.certificate, err);
    if (status) return status;
    layer.setPrivateKeyPasswd(""); /* asks nobody */
    if (layer.setPrivateKeyFile(files.key, DCF_Filetype_PEM).bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: no private key in PEM without a passphrase",
                       files.key);
    if (layer.setCertificateFile(files.certificate, DCF_Filetype_PEM).bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: no certificate in PEM", files.certificate);
    if (!layer.checkPrivateKeyMatchesCertificate())
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: is not the key of %s", files.key,
                       files.certificate);
    return RP_OK;
}

rp_status make_tls(const rp_tls_files &files, bool acceptor,
                   std::unique_ptr<DcmTLSTransportLayer> &layer, rp_error *err)
{
    if (!files.ca && !files.certificate && !files.key) return RP_OK;
    if (!files.certificate != !files.key)
        return rp_fail(err, RP_ERR_ARGUMENT, "TLS needs certificate and key together");
    if (acceptor && !files.certificate)
        return rp_fail(err, RP_ERR_ARGUMENT, "a receiver with TLS needs certificate and key");
    if (!acceptor && !files.ca)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a sender with TLS needs the certificate that signs the node's");
    const T_ASC_NetworkRole role = acceptor ? NET_ACCEPTOR : NET_REQUESTOR;
    std::unique_ptr<DcmTLSTransportLayer> made(new TlsLayer(role));
    if (made->setTLSProfile(TSP_Profile_BCP195).bad() || made->activateCipherSuites().bad())
        return rp_fail(err, RP_ERR_UNSUPPORTED, "OpenSSL has none of the cipher suites of BCP 195");
    rp_status status = files.certificate ? load_identity(files, *made, err) : RP_OK;
    if (!status && files.ca) status = check_readable(files.ca, err);
    if (status) return status;
    if (files.ca && made->addTrustedCertificateFile(files.ca, DCF_Filetype_PEM).bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: no certificate in PEM", files.ca);
    made->setCertificateVerification(files.ca ? DCV_requireCertificate : DCV_ignoreCertificate);
    layer = std::move(made);
    return RP_OK;
}

} // namespace rp_dicom

extern "C" bool rp_aet_valid(const char *aet)
{
    const size_t length = strlen(aet);
    if (length < 1 || length > RP_AET_CHARACTERS || aet[0] == ' ' || aet[length - 1] == ' ')
        return false;
    for (const char *c = aet; *c; c++)
        if (*c < 32 || *c > 126 || *c == '\\') return false;
    return true;
}
