/**
 * @file dicom_network.h
 * DICOM objects to and from other nodes: C-STORE and C-ECHO over TCP or TLS, through DCMTK.
 */
#ifndef REPRISE_DICOM_NETWORK_H
#define REPRISE_DICOM_NETWORK_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RP_AET_CHARACTERS = 16 };
/** True for 1 to 16 printable ASCII characters without backslash, not blank at either end. */
bool rp_aet_valid(const char *aet);

/**
 * PEM files for TLS (1.2 and 1.3, the cipher suites of BCP 195); all borrowed. With ca alone a
 * sender knows whom it talks to; certificate and key tell the other side who we are. The
 * certificate of the other side must be signed by ca, and that of a node we send to must name its
 * host.
 */
typedef struct rp_tls_files {
    const char *ca, *certificate, *key; /**< NULL: none; all NULL: no TLS */
} rp_tls_files;

/* ---- sending ----------------------------------------------------------------------------- */

typedef struct rp_send_options {
    const char *host;
    int port;
    const char *called_aet, *calling_aet; /**< the node's and our own */
    rp_tls_files tls;
    const char
        *tls_host;       /**< name or address that the node's certificate has to have; NULL: host */
    int timeout_seconds; /**< for connecting and for each answer; 0: 60 */
    int retries; /**< more tries after a lost or refused connection, or "out of resources" */
} rp_send_options;

typedef enum rp_send_state {
    RP_SENT,         /**< stored, as the node says */
    RP_SENT_WARNING, /**< stored, with a remark of the node */
    RP_SEND_FAILED,
    RP_SEND_PASSED_OVER /**< no DICOM object, or a DICOMDIR, found in a folder */
} rp_send_state;

/** What became of one file; the texts live as long as the call. */
typedef struct rp_send_result {
    const char *path;
    rp_send_state state;
    const char *why; /**< in words; "" for RP_SENT */
} rp_send_result;

typedef void (*rp_send_sink)(void *context, const rp_send_result *result);

typedef struct rp_send_summary {
    size_t sent, warnings, failed, passed_over;
} rp_send_summary;

/**
 * Sends every DICOM object below the inputs (files, or folders searched recursively) and tells of
 * each once through sink (may be NULL). Compressed objects go as they are encoded; uncompressed
 * ones in any uncompressed syntax that the node takes. More than 128 kinds of objects take several
 * associations.
 *
 * RP_OK when every object was stored. RP_ERR_IO: the node cannot be reached, refuses the
 * association or was lost, after the retries; or an object was not stored, and the others were.
 * Waits a second before the first retry, and twice as long before each next; what was stored is not
 * sent again.
 */
rp_status rp_dicom_send(const char *const *inputs, size_t count, const rp_send_options *options,
                        rp_send_sink sink, void *context, const rp_progress *progress,
                        rp_send_summary *summary, rp_error *err);
/** C-ECHO: whether the node answers us. */
rp_status rp_dicom_echo(const rp_send_options *options, rp_error *err);

/* ---- receiving --------------------------------------------------------------------------- */

typedef struct rp_receive_options {
    const char *address;     /**< IPv4 address to listen on; NULL: 127.0.0.1 */
    int port;                /**< 0: one that is free */
    const char *aet;         /**< ours: associations called otherwise are refused */
    const char *calling_aet; /**< NULL: anyone; else the only one who is let in */
    const char *folder;
    rp_tls_files tls;    /**< with ca, the other side needs a certificate that it signed */
    int timeout_seconds; /**< for an association in which nothing comes; 0: 60 */
    bool once;           /**< end after the first association that stored or asked something */
    double idle_seconds; /**< end after this long without an association; 0: never */
} rp_receive_options;

typedef struct rp_receive_sinks {
    /** Called once when associations are accepted, with the port. May be NULL. */
    void (*listening)(void *context, int port);
    /** Of each object on disk: its path, and whether it was there before. May be NULL. */
    void (*stored)(void *context, const char *path, bool known);
    void *context;
} rp_receive_sinks;

typedef struct rp_receive_summary {
    size_t associations, stored, known, failed;
} rp_receive_summary;

/**
 * Accepts C-ECHO and C-STORE of any class of objects until it is cancelled (then RP_OK), or as the
 * options say; up to 64 associations at the same time, more are refused for the moment. A peer that
 * says nothing, or too slowly, or nonsense, keeps nobody else waiting and is cut off: 15 s before
 * its association is open, after the timeout later. An object is written as it comes, without being
 * encoded anew, as FOLDER/STUDY/SERIES/INSTANCE.dcm by its UIDs. It is acknowledged when it lies
 * there whole, fsync'd; until then it is a file in FOLDER/.incoming, which is emptied at the start.
 * What is there already is acknowledged when it is the same, and refused (0111H) when it differs; a
 * full disk is told as A700H, other failures to write as 0110H, an object that does not parse or
 * names other UIDs than announced as C000H or A900H.
 *
 * RP_ERR_IO: address or port cannot be used, or another receiver works in the folder.
 */
rp_status rp_dicom_receive(const rp_receive_options *options, const rp_receive_sinks *sinks,
                           const rp_progress *progress, rp_receive_summary *summary, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
