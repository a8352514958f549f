#include "reprise/base.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

void rp_sha256(const void *data, size_t size, char hex[RP_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    hex[0] = 0;
    if (!EVP_Digest(data, size, digest, &length, EVP_sha256(), NULL) || length != 32) return;
    for (unsigned i = 0; i < length; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = 0;
}

rp_status rp_sha256_file(const char *path, char hex[RP_SHA256_HEX], rp_error *err)
{
    RP_AUTOFREE uint8_t *data = NULL;
    size_t size = 0;
    rp_status status = rp_file_read(path, &data, &size, err);
    if (status) return status;
    rp_sha256(data, size, hex);
    return RP_OK;
}

bool rp_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                    uint8_t digest[32])
{
    unsigned int length = 0;
    if (key_size > INT_MAX) return false;
    return HMAC(EVP_sha256(), key, (int)key_size, data, size, digest, &length) && length == 32;
}
