/* CSV in and out. */
#include "csv_internal.h"

#include <string.h>
#include <strings.h>

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

static rp_status check_text(const uint8_t *text, size_t size, rp_csv_table *table, rp_error *err)
{
    size_t line = 1;
    const char *other = csv_other_kind(text, size);
    if (other) return add_fault(table, line, other, err);
    for (size_t i = 0; i < size;) {
        uint32_t code;
        const size_t length = rp_text_character((const char *)text + i, size - i, &code);
        if (length == 0 || code == RP_TEXT_INVALID)
            return add_fault(table, line,
                             "not UTF-8 from here on (Latin-1 or Windows-1252?); save the table as "
                             "'CSV UTF-8'",
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

/* Bytes of the blank at a place; 0: none. Spreadsheets also write the one that does not break. */
static size_t blank_length(const parser *p)
{
    if (p->at == p->end || *p->at == p->separator) return 0;
    if (*p->at == ' ' || *p->at == '\t') return 1;
    return p->end - p->at >= 2 && memcmp(p->at, "\xC2\xA0", 2) == 0 ? 2 : 0;
}

static void skip_blanks(parser *p)
{
    for (size_t length; (length = blank_length(p)) > 0; p->at += length) {
    }
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
    for (;;) {
        const size_t n = *length;
        if (n && (p->to[n - 1] == ' ' || p->to[n - 1] == '\t'))
            *length = n - 1;
        else if (n >= 2 && memcmp(p->to + n - 2, "\xC2\xA0", 2) == 0)
            *length = n - 2;
        else
            break;
    }
}

/* Characters that make a spreadsheet execute what follows (OWASP, "CSV injection"), of full width
 * too. */
static bool is_formula(const char *cell)
{
    static const char *const wide[] = {"\uff1d", "\uff0b", "\uff0d", "\uff20"};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strncmp(cell, wide[i], 3) == 0) return true;
    return *cell && strchr("=+-@\t\r\n", *cell);
}

/* An apostrophe before such a character was put there so that it is not executed. */
static bool is_guarded(const char *cell)
{
    const size_t guards = strspn(cell, "'");
    return guards > 0 && is_formula(cell + guards);
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
    t->cells[p->cell_count++] = p->to + is_guarded(p->to);
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

/* "sep=;" on the first line, which spreadsheets of one maker write and obey. */
static bool take_separator_line(parser *p)
{
    const char *c = p->at;
    const bool quoted = c < p->end && *c == '"';
    c += quoted;
    if (p->end - c < 5 || strncasecmp(c, "sep=", 4) != 0) return false;
    const char separator = c[4];
    c += 5;
    if (quoted && c < p->end && *c == '"') c++;
    if (strchr("\r\n\"", separator)) return false;
    while (c < p->end && *c != '\n' && *c != '\r') { /* separators that fill up the row */
        if (*c != separator && *c != ' ') return false;
        c++;
    }
    p->at = c;
    p->separator = separator;
    next_line(p);
    return true;
}

/* The most frequent candidate of the first line that says something. Spreadsheets of many countries
 * separate by semicolons, because the comma is in their numbers. */
static char find_separator(const parser *p)
{
    static const char candidates[] = ",;\t|";
    size_t counts[sizeof candidates] = {0}, best = 0;
    bool quoted = false, begun = false;
    for (const char *c = p->at; c < p->end; c++) {
        if (*c == '"') quoted = !quoted;
        if (quoted) continue;
        const char *found = *c ? strchr(candidates, *c) : NULL;
        if (found) counts[found - candidates]++;
        if (begun && (*c == '\n' || *c == '\r')) break;
        begun = begun || !strchr(" ,;\t|\r\n", *c);
        if (!begun && (*c == '\n' || *c == '\r')) memset(counts, 0, sizeof counts);
    }
    for (size_t i = 1; candidates[i]; i++)
        if (counts[i] > counts[best]) best = i;
    return candidates[best];
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
    for (size_t i = 0; i < t->count; i++) {
        rp_csv_row *row = &t->rows[i];
        row->cells = t->cells + first;
        first += row->count;
        /* Spreadsheets fill rows up to the widest one. */
        while (i && row->count > t->rows[0].count && !row->cells[row->count - 1][0]) row->count--;
    }
    return RP_OK;
}

static rp_status parse_text(const uint8_t *text, size_t size, rp_csv_table *table, rp_error *err)
{
    const size_t mark = rp_utf8_mark(text, size);
    table->text = rp_alloc(size + 1, 1);
    parser p = {.at = (const char *)text + mark,
                .end = (const char *)text + size,
                .line = 1,
                .to = table->text,
                .table = table,
                .err = err};
    if (!table->text) return rp_fail(err, RP_ERR_MEMORY, "CSV: out of memory");
    if (!take_separator_line(&p)) p.separator = find_separator(&p);
    table->separator = p.separator;
    rp_status status = check_text(text, size, table, err);
    return status ? status : parse_rows(&p);
}

rp_status rp_csv_parse(const uint8_t *text, size_t size, rp_csv_table *table, rp_error *err)
{
    RP_AUTOFREE uint8_t *decoded = NULL;
    size_t length = 0;
    *table = (rp_csv_table){0};
    rp_status status = csv_decode(text, size, &decoded, &length, err);
    if (!status)
        status =
            decoded ? parse_text(decoded, length, table, err) : parse_text(text, size, table, err);
    if (status) rp_csv_release(table);
    return status;
}

void rp_csv_release(rp_csv_table *table)
{
    for (size_t i = 0; i < table->made_count; i++) rp_free(table->made[i]);
    rp_free(table->made);
    rp_free(table->rows);
    rp_free(table->faults);
    rp_free(table->cells);
    rp_free(table->text);
    *table = (rp_csv_table){0};
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Whatever may be taken for a separator, and blanks that would not count. */
static bool needs_quotes(const char *cell)
{
    static const char wide_blank[] = "\xC2\xA0";
    const size_t length = strlen(cell);
    if (strpbrk(cell, ",;|\t\"\r\n")) return true;
    if (length >= 2 &&
        (strncmp(cell, wide_blank, 2) == 0 || strcmp(cell + length - 2, wide_blank) == 0))
        return true;
    return length && (cell[0] == ' ' || cell[length - 1] == ' ');
}

rp_status rp_csv_write_cell(rp_outfile *out, const char *cell, const char *after, rp_error *err)
{
    const char *guard = is_guarded(cell) || (is_formula(cell) && !csv_is_number(cell)) ? "'" : "";
    if (!needs_quotes(cell)) return rp_outfile_printf(out, err, "%s%s%s", guard, cell, after);
    rp_status status = rp_outfile_printf(out, err, "\"%s", guard);
    while (!status && *cell) {
        const size_t length = strcspn(cell, "\"");
        status = rp_outfile_write(out, cell, length, err);
        cell += length;
        if (!status && *cell) status = rp_outfile_printf(out, err, "\"\"");
        if (*cell) cell++;
    }
    return status ? status : rp_outfile_printf(out, err, "\"%s", after);
}
