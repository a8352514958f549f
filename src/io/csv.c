/* CSV in and out. */
#include "reprise/io.h"

#include <string.h>

typedef struct parser {
    const char *at, *end;
    size_t line;
    char separator;
    char *to; /* where the next cell is copied: what it is copied from is at least as long */
    rp_csv_table *table;
    size_t cell_count;
    rp_error *err;
} parser;

/* Room for one more item behind count, in steps of powers of two; items may move. */
static rp_status grow(void *items_address, size_t count, size_t size, rp_error *err)
{
    enum { FIRST = 8 };
    void **items = items_address;
    const bool full = count == 0 || (count >= FIRST && (count & (count - 1)) == 0);
    if (!full) return RP_OK;
    void *more = rp_alloc(count ? 2 * count : FIRST, size);
    if (!more) return rp_fail(err, RP_ERR_MEMORY, "CSV: out of memory");
    if (count) memcpy(more, *items, count * size);
    rp_free(*items);
    *items = more;
    return RP_OK;
}

static rp_status add_fault(rp_csv_table *table, size_t line, const char *text, rp_error *err)
{
    rp_status status = grow(&table->faults, table->fault_count, sizeof *table->faults, err);
    if (!status) table->faults[table->fault_count++] = (rp_csv_fault){line, text};
    return status;
}

/* ---- UTF-8 ------------------------------------------------------------------------------- */

/* Bytes of the character at the start of the text (RFC 3629), 0 where there is none. */
static size_t character_length(const uint8_t *c, size_t left)
{
    if (c[0] < 0x80) return 1;
    const size_t length = c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : 2;
    if (c[0] < 0xC2 || c[0] > 0xF4 || length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xC0) != 0x80) return 0;
    const bool overlong = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
    const bool beyond = (c[0] == 0xED && c[1] > 0x9F) || (c[0] == 0xF4 && c[1] > 0x8F);
    return overlong || beyond ? 0 : length;
}

static rp_status check_text(const uint8_t *text, size_t size, rp_csv_table *table, rp_error *err)
{
    size_t line = 1;
    for (size_t i = 0; i < size;) {
        const size_t length = character_length(text + i, size - i);
        if (length == 0)
            return add_fault(table, line, "not UTF-8 from here on; save the table as 'CSV UTF-8'",
                             err);
        if (text[i] == 0) return add_fault(table, line, "a zero byte: this is no text file", err);
        if (text[i] == '\n') line++;
        i += length;
    }
    return RP_OK;
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool at_line_end(const parser *p)
{
    return p->at == p->end || *p->at == '\n' || *p->at == '\r';
}

static void next_line(parser *p)
{
    if (p->at < p->end && *p->at == '\r') {
        p->at++;
        if (p->at == p->end || *p->at != '\n') {
            p->line++;
            return;
        }
    }
    if (p->at < p->end) {
        p->at++;
        p->line++;
    }
}

static void skip_blanks(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t') && *p->at != p->separator) p->at++;
}

/* Up to the closing quote; line breaks belong to the cell. */
static rp_status quoted_cell(parser *p, size_t row_line, size_t *length)
{
    bool closed = false;
    for (p->at++; p->at < p->end; p->at++) {
        if (*p->at == '"' && p->at + 1 < p->end && p->at[1] == '"')
            p->at++;
        else if (*p->at == '"')
            break;
        else if (*p->at == '\n')
            p->line++;
        p->to[(*length)++] = *p->at;
    }
    if (p->at < p->end) {
        closed = true;
        p->at++;
        skip_blanks(p);
    }
    const bool ended = at_line_end(p) || *p->at == p->separator;
    if (closed && ended) return RP_OK;
    while (!at_line_end(p) && *p->at != p->separator) p->at++;
    return add_fault(p->table, row_line,
                     closed ? "characters behind a closing quote"
                            : "a quote is opened and never closed",
                     p->err);
}

static void plain_cell(parser *p, size_t *length)
{
    while (!at_line_end(p) && *p->at != p->separator) p->to[(*length)++] = *p->at++;
    while (*length && (p->to[*length - 1] == ' ' || p->to[*length - 1] == '\t')) (*length)--;
}

/* Every cell of the table is in one list; rows are told where theirs begin when it is complete. */
static rp_status add_cell(parser *p, rp_csv_row *row)
{
    size_t length = 0;
    rp_csv_table *t = p->table;
    skip_blanks(p);
    rp_status status = grow(&t->cells, p->cell_count, sizeof *t->cells, p->err);
    if (status) return status;
    if (p->at < p->end && *p->at == '"')
        status = quoted_cell(p, row->line, &length);
    else
        plain_cell(p, &length);
    if (status) return status;
    p->to[length] = '\0';
    t->cells[p->cell_count++] = p->to;
    p->to += length + 1;
    row->count++;
    return RP_OK;
}

static rp_status parse_row(parser *p, rp_csv_row *row)
{
    row->line = p->line;
    for (;;) {
        rp_status status = add_cell(p, row);
        if (status) return status;
        if (at_line_end(p)) break;
        p->at++; /* the separator */
    }
    next_line(p);
    return RP_OK;
}

static bool is_blank(char *const *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cells[i][0]) return false;
    return true;
}

/* Spreadsheets of many countries separate by semicolons, because the comma is in their numbers. */
static char find_separator(const parser *p)
{
    bool quoted = false, semicolon = false;
    for (const char *c = p->at; c < p->end; c++) {
        if (*c == '"') quoted = !quoted;
        if (quoted) continue;
        if (*c == ',') return ',';
        if (*c == ';') semicolon = true;
        if (*c == '\n' || *c == '\r') break;
    }
    return semicolon ? ';' : ',';
}

static rp_status parse_rows(parser *p)
{
    rp_csv_table *t = p->table;
    while (p->at < p->end) {
        rp_csv_row row = {0};
        rp_status status = parse_row(p, &row);
        if (status) return status;
        if (is_blank(t->cells + p->cell_count - row.count, row.count)) {
            p->cell_count -= row.count;
            continue;
        }
        status = grow(&t->rows, t->count, sizeof row, p->err);
        if (status) return status;
        t->rows[t->count++] = row;
    }
    size_t first = 0;
    for (size_t i = 0; i < t->count; first += t->rows[i++].count)
        t->rows[i].cells = t->cells + first;
    return RP_OK;
}

rp_status rp_csv_parse(const uint8_t *text, size_t size, rp_csv_table *table, rp_error *err)
{
    const size_t mark = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    *table = (rp_csv_table){.text = rp_alloc(size + 1, 1)};
    parser p = {.at = (const char *)text + mark,
                .end = (const char *)text + size,
                .line = 1,
                .to = table->text,
                .table = table,
                .err = err};
    if (!table->text) return rp_fail(err, RP_ERR_MEMORY, "CSV: out of memory");
    p.separator = find_separator(&p);
    rp_status status = check_text(text, size, table, err);
    if (!status) status = parse_rows(&p);
    if (status) rp_csv_release(table);
    return status;
}

void rp_csv_release(rp_csv_table *table)
{
    rp_free(table->rows);
    rp_free(table->faults);
    rp_free(table->cells);
    rp_free(table->text);
    *table = (rp_csv_table){0};
}

/* ---- writing ----------------------------------------------------------------------------- */

static bool needs_quotes(const char *cell)
{
    const size_t length = strlen(cell);
    if (strpbrk(cell, ",;\"\r\n")) return true;
    return length && (strchr(" \t", cell[0]) || strchr(" \t", cell[length - 1]));
}

rp_status rp_csv_write_cell(rp_outfile *out, const char *cell, const char *after, rp_error *err)
{
    if (!needs_quotes(cell)) return rp_outfile_printf(out, err, "%s%s", cell, after);
    rp_status status = rp_outfile_printf(out, err, "\"");
    while (!status && *cell) {
        const size_t length = strcspn(cell, "\"");
        status = rp_outfile_write(out, cell, length, err);
        cell += length;
        if (!status && *cell) status = rp_outfile_printf(out, err, "\"\"");
        if (*cell) cell++;
    }
    return status ? status : rp_outfile_printf(out, err, "\"%s", after);
}
