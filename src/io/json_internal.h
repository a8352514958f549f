/* What safetensors.c needs of JSON beyond the public header. */
#ifndef REPRISE_IO_JSON_INTERNAL_H
#define REPRISE_IO_JSON_INTERNAL_H

#include "reprise/io.h"

/** One line without spaces; rp_alloc'd; NULL if anything failed on the way. */
char *rp_json_compact_text(const rp_json *value);
/** As rp_json_parse of size bytes; origin (may be NULL) begins the error message. */
rp_status rp_json_parse_buffer(const char *origin, const void *text, size_t size, rp_json **value,
                               rp_error *err);

#endif
