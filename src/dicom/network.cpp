/* TLS and titles of both sides. */
#include "network.hpp"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "dcmtk/dcmnet/dul.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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

static std::mutex handover;
static thread_local Handover *handing_over;

Handover::Handover(DcmNativeSocketType connection) : lock_(handover)
{
    dcmExternalSocketHandle.set(connection);
    handing_over = this;
}

Handover::~Handover()
{
    handing_over = nullptr;
}

void Handover::done()
{
    if (handing_over && handing_over->lock_.owns_lock()) handing_over->lock_.unlock();
}

DcmTransportConnection *PlainLayer::createConnection(DcmNativeSocketType socket, OFBool)
{
    send_at_once(socket);
    DcmTransportConnection *made = DcmTransportLayer::createConnection(socket, OFFalse);
    Handover::done();
    return made;
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
        DcmTransportConnection *made = DcmTLSTransportLayer::createConnection(socket, secure);
        Handover::done();
        return made;
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
    /* By OpenSSL itself: DCMTK 3.6.7 loses memory with keys of elliptic curves, and does not read
     * the certificates between ours and the one that the other side knows. */
    if (SSL_CTX_use_certificate_chain_file(layer.getNativeHandle(), files.certificate) != 1)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no certificate in PEM", files.certificate);
    if (!layer.checkPrivateKeyMatchesCertificate())
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: is not the key of %s", files.key,
                       files.certificate);
    return RP_OK;
}

/* ---- certificates of others ------------------------------------------------------------------ */

static thread_local int verify_error = X509_V_OK;

static int note_verification(int good, X509_STORE_CTX *context)
{
    if (!good) verify_error = X509_STORE_CTX_get_error(context);
    return good;
}

std::string refused_certificate()
{
    if (verify_error == X509_V_OK) return "";
    const bool name = verify_error == X509_V_ERR_HOSTNAME_MISMATCH ||
                      verify_error == X509_V_ERR_IP_ADDRESS_MISMATCH;
    return name ? "it is not made out to this host (--tls-host names another to expect)"
                : X509_verify_cert_error_string(verify_error);
}

/** By RFC 6125: the subject's alternative names, or where it has none its common name. */
static bool expect_host(SSL_CTX *context, const char *host)
{
    X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(context);
    in6_addr address;
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1;
    return X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1;
}

static rp_status expect_certificate(const rp_tls_files &files, const char *host,
                                    DcmTLSTransportLayer &layer, rp_error *err)
{
    if (!files.ca) {
        layer.setCertificateVerification(DCV_ignoreCertificate);
        return RP_OK;
    }
    if (layer.addTrustedCertificateFile(files.ca, DCF_Filetype_PEM).bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: no certificate in PEM", files.ca);
    verify_error = X509_V_OK;
    SSL_CTX_set_verify(layer.getNativeHandle(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       note_verification);
    if (host && !expect_host(layer.getNativeHandle(), host))
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: cannot be the name in a certificate", host);
    return RP_OK;
}

rp_status make_tls(const rp_tls_files &files, const char *host,
                   std::unique_ptr<DcmTLSTransportLayer> &layer, rp_error *err)
{
    if (!files.ca && !files.certificate && !files.key) return RP_OK;
    if (!files.certificate != !files.key)
        return rp_fail(err, RP_ERR_ARGUMENT, "TLS needs certificate and key together");
    if (!host && !files.certificate)
        return rp_fail(err, RP_ERR_ARGUMENT, "a receiver with TLS needs certificate and key");
    if (host && !files.ca)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a sender with TLS needs the certificate that signs the node's");
    const T_ASC_NetworkRole role = host ? NET_REQUESTOR : NET_ACCEPTOR;
    std::unique_ptr<DcmTLSTransportLayer> made(new TlsLayer(role));
    if (made->setTLSProfile(TSP_Profile_BCP195).bad() || made->activateCipherSuites().bad())
        return rp_fail(err, RP_ERR_UNSUPPORTED, "OpenSSL has none of the cipher suites of BCP 195");
    rp_status status = files.certificate ? load_identity(files, *made, err) : RP_OK;
    if (!status && files.ca) status = check_readable(files.ca, err);
    if (!status) status = expect_certificate(files, host, *made, err);
    if (!status) layer = std::move(made);
    return status;
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
