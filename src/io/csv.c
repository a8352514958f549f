/* CSV in and out. */
#include "reprise/io.h"

#include <string.h>

typedef struct parser {
    const char *at, *end;
    size_t line;
    char separator;
    char *buffer; /* as long as the text, so that every cell fits */
    rp_csv_complain complain;
    void *context;
    rp_error *err;
} parser;

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

static rp_status check_text(const parser *p, const uint8_t *text, size_t size)
{
    size_t line = 1;
    for (size_t i = 0; i < size;) {
        const size_t length = character_length(text + i, size - i);
        if (length == 0)
            return p->complain(p->context, line,
                               "not UTF-8 from here on; save the table as 'CSV UTF-8'", p->err);
        if (text[i] == 0)
            return p->complain(p->context, line, "a zero byte: this is no text file", p->err);
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
        p->buffer[(*length)++] = *p->at;
    }
    if (p->at < p->end) {
        closed = true;
        p->at++;
        skip_blanks(p);
    }
    const bool ended = at_line_end(p) || *p->at == p->separator;
    if (closed && ended) return RP_OK;
    while (!at_line_end(p) && *p->at != p->separator) p->at++;
    return p->complain(p->context, row_line,
                       closed ? "characters behind a closing quote"
                              : "a quote is opened and never closed",
                       p->err);
}

static void plain_cell(parser *p, size_t *length)
{
    while (!at_line_end(p) && *p->at != p->separator) p->buffer[(*length)++] = *p->at++;
    while (*length && (p->buffer[*length - 1] == ' ' || p->buffer[*length - 1] == '\t'))
        (*length)--;
}

static rp_status add_cell(parser *p, rp_csv_row *row)
{
    size_t length = 0;
    skip_blanks(p);
    rp_status status = rp_grow(&row->cells, row->count, sizeof *row->cells, p->err);
    if (status) return status;
    if (p->at < p->end && *p->at == '"')
        status = quoted_cell(p, row->line, &length);
    else
        plain_cell(p, &length);
    if (status) return status;
    p->buffer[length] = '\0';
    row->cells[row->count] = rp_strdup(p->buffer);
    if (!row->cells[row->count]) return rp_fail(p->err, RP_ERR_MEMORY, "table: out of memory");
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

static void release_row(rp_csv_row *row)
{
    rp_string_list_free(row->cells, row->count);
    *row = (rp_csv_row){0};
}

static bool is_blank(const rp_csv_row *row)
{
    for (size_t i = 0; i < row->count; i++)
        if (row->cells[i][0]) return false;
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

static rp_status parse_rows(parser *p, rp_csv_table *table)
{
    while (p->at < p->end) {
        rp_csv_row row = {0};
        rp_status status = parse_row(p, &row);
        if (!status) status = rp_grow(&table->rows, table->count, sizeof row, p->err);
        if (status || is_blank(&row)) {
            release_row(&row);
            if (status) return status;
            continue;
        }
        table->rows[table->count++] = row;
    }
    return RP_OK;
}

rp_status rp_csv_parse(const uint8_t *text, size_t size, rp_csv_complain complain, void *context,
                       rp_csv_table *table, rp_error *err)
{
    const size_t mark = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    RP_AUTOFREE char *buffer = rp_alloc(size + 1, 1);
    parser p = {.at = (const char *)text + mark,
                .end = (const char *)text + size,
                .line = 1,
                .buffer = buffer,
                .complain = complain,
                .context = context,
                .err = err};
    *table = (rp_csv_table){0};
    if (!buffer) return rp_fail(err, RP_ERR_MEMORY, "table: out of memory");
    p.separator = find_separator(&p);
    rp_status status = check_text(&p, text, size);
    if (!status) status = parse_rows(&p, table);
    if (status) rp_csv_release(table);
    return status;
}

void rp_csv_release(rp_csv_table *table)
{
    for (size_t i = 0; i < table->count; i++) release_row(&table->rows[i]);
    rp_free(table->rows);
    *table = (rp_csv_table){0};
}

/* ---- writing ----------------------------------------------------------------------------- */

static bool needs_quotes(const char *cell)
{
    const size_t length = strlen(cell);
    if (strpbrk(cell, ",;\"\r\n")) return true;
    return length && (strchr(" \t", cell[0]) || strchr(" \t", cell[length - 1]));
}

rp_status rp_csv_write(rp_outfile *out, const char *cell, const char *after, rp_error *err)
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
