/* What safetensors.c and json_each.c need of JSON beyond the public header. */
#ifndef REPRISE_IO_JSON_INTERNAL_H
#define REPRISE_IO_JSON_INTERNAL_H

#include "reprise/io.h"

/** As rp_json_parse of size bytes; origin (may be NULL) begins the error message. */
rp_status rp_json_parse_buffer(const char *origin, const void *text, size_t size, rp_json **value,
                               rp_error *err);
/** The same of a part of a text that begins on that line; columns count from its start. */
rp_status rp_json_parse_part(const char *origin, size_t line, const char *text, size_t size,
                             rp_json **value, rp_error *err);

#endif
