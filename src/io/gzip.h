/* gzip by libdeflate, which works on whole buffers. */
#ifndef REPRISE_IO_GZIP_H
#define REPRISE_IO_GZIP_H

#include "reprise/base.h"

/** True if the bytes begin like a gzip file (RFC 1952). */
bool rp_gzip_probe(const uint8_t *data, size_t size);

/**
 * The first bytes of a gzip file, for a look at what it holds: up to size are written to start,
 * the rest of which is zeroed. libdeflate leaves it open what a buffer holds that was too small,
 * so nothing but a size may be concluded from it before rp_gunzip has read it all. False if
 * data (possibly cut off) cannot be decompressed at all.
 */
bool rp_gunzip_start(const uint8_t *data, size_t data_size, uint8_t *start, size_t size);

/**
 * Every member of a gzip file joined, checksums verified, into an rp_alloc'd buffer. More than
 * limit bytes are refused. Memory grows with what really comes out, at most to four times that,
 * so that neither a wrong limit nor a bomb can ask for much.
 */
rp_status rp_gunzip(const char *path, const uint8_t *data, size_t data_size, size_t limit,
                    uint8_t **out, size_t *out_size, rp_error *err);

/** One member, level 6, without name and time: the same bytes give the same file. */
rp_status rp_gzip(const char *path, const void *data, size_t size, uint8_t **out, size_t *out_size,
                  rp_error *err);

#endif
