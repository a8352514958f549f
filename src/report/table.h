/* A table as text, to be set in HTML and in PDF alike. */
#ifndef REPRISE_REPORT_TABLE_H
#define REPRISE_REPORT_TABLE_H

#include "text.h"

enum { RP_TABLE_COLUMNS = 16 };

/** How a cell is set; several may be joined. */
enum {
    RP_CELL_BOLD = 1,
    RP_CELL_MUTED = 2,
    RP_CELL_POOR = 4, /**< something that a reader must notice: marked by more than its colour */
    RP_CELL_RULE = 8  /**< a line above it: sums below the cases */
};

typedef struct rp_cell {
    char *text;
    int flags;
    int span; /**< columns; 0: covered by the cell before */
} rp_cell;

/** Cells row by row; zero-initialise, release with rp_table_release. */
typedef struct rp_table {
    const char *title, *note; /**< borrowed; note may be NULL */
    int columns, head_rows;
    char align[RP_TABLE_COLUMNS + 1]; /**< 'l': words that may be broken, 'r': numbers, 'c' */
    rp_cell *cells;
    size_t count, room;
    bool failed;
} rp_table;

/** One letter for each column. */
void rp_table_start(rp_table *table, const char *title, const char *align);
/** The next cell, of `span` columns; anybody's words. NULL counts as "". */
void rp_table_span(rp_table *table, int span, int flags, const char *text);
void rp_table_text(rp_table *table, int flags, const char *text);
void rp_table_printf(rp_table *table, int flags, const char *format, ...) RP_PRINTF(3, 4);
/** An en dash where the value is not finite. */
void rp_table_number(rp_table *table, int flags, double value, int decimals, bool plus);
/** The rows so far are the table's head. */
void rp_table_end_head(rp_table *table);
int rp_table_rows(const rp_table *table);
const rp_cell *rp_table_cell(const rp_table *table, int row, int column);
void rp_table_release(rp_table *table);

#endif
