/* Header extensions (nifti1.h, "extended header"): after the header a flag byte in four, then each
 * extension as its size, a code, and its data; sizes are multiples of 16. */
#include "nifti_internal.h"

#include <byteswap.h>
#include <string.h>

/* Size and code; the code of plain text. */
enum { HEAD = 8, COMMENT = 6 };

size_t rp_nifti_comment_encode(const char *comment, uint8_t *bytes)
{
    const size_t length = strlen(comment), size = (HEAD + length + 15) / 16 * 16;
    const uint32_t head[2] = {(uint32_t)size, COMMENT};
    if (!bytes) return size;
    memset(bytes, 0, size);
    memcpy(bytes, head, sizeof head);
    memcpy(bytes + HEAD, comment, length);
    return size;
}

const uint8_t *rp_nifti_comment_find(const rp_nifti_header *header, const uint8_t *bytes,
                                     size_t size, size_t *length)
{
    size_t at = header->version == 1 ? 348 : 540;
    const size_t end = header->vox_offset < (double)size ? (size_t)header->vox_offset : size;
    if (at + 4 > end || !bytes[at]) return NULL;
    for (at += 4; at + HEAD <= end;) {
        uint32_t head[2];
        memcpy(head, bytes + at, sizeof head);
        for (int i = 0; i < 2 && header->swapped; i++) head[i] = bswap_32(head[i]);
        if (head[0] < HEAD || head[0] > end - at) return NULL;
        *length = strnlen((const char *)bytes + at + HEAD, head[0] - HEAD);
        if (head[1] == COMMENT) return bytes + at + HEAD;
        at += head[0];
    }
    return NULL;
}
