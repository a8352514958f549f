/*
 * CSV as RFC 4180 has it, kept with the line on which each row starts.
 */
#ifndef REPRISE_COHORT_CSV_H
#define REPRISE_COHORT_CSV_H

#include "reprise/cohort.h"

typedef struct csv_row {
    size_t line; /* 1 is the first of the file */
    char **cells;
    size_t count;
} csv_row;

typedef struct csv_table {
    csv_row *rows; /* without those that hold nothing */
    size_t count;
} csv_table;

/* Text of size bytes (a byte order mark is passed over). Lines end in LF, CRLF or CR. What is no
 * CSV or no UTF-8 is listed among the problems; the rows that can be told are delivered
 * nevertheless. RP_ERR_MEMORY only. */
rp_status csv_parse(const uint8_t *text, size_t size, csv_table *table,
                    rp_cohort_problems *problems, rp_error *err);
void csv_release(csv_table *table);
/* One cell and what follows it; in quotes where it needs them. */
rp_status csv_write(rp_outfile *out, const char *cell, const char *after, rp_error *err);

/* Room for one more item behind count, in steps of powers of two; items may move. */
rp_status grow(void *items_address, size_t count, size_t size, rp_error *err);

#endif
