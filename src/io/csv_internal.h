/* What the files about CSV share. */
#ifndef REPRISE_IO_CSV_INTERNAL_H
#define REPRISE_IO_CSV_INTERNAL_H

#include "reprise/io.h"

/* UTF-16, as spreadsheets save 'Unicode text', as UTF-8 in *decoded (rp_alloc'd); NULL where the
 * text is no UTF-16. */
rp_status csv_decode(const uint8_t *text, size_t size, uint8_t **decoded, size_t *length,
                     rp_error *err);
/* What a file that begins so is instead of CSV, in words for a fault; NULL: nothing known. */
const char *csv_other_kind(const uint8_t *text, size_t size);
/* A number with a decimal point, as strtod reads it whole; no "inf", "nan" or hexadecimals. */
bool csv_is_number(const char *text);

#endif
