#include "table.h"

#include <stdarg.h>
#include <string.h>

void rp_table_start(rp_table *table, const char *title, const char *align)
{
    *table = (rp_table){.title = title};
    snprintf(table->align, sizeof table->align, "%s", align);
    table->columns = (int)strlen(table->align);
}

static void add_cell(rp_table *table, char *text, int flags, int span)
{
    if (text && table->count == table->room) {
        size_t room = 2 * table->room + 128;
        rp_cell *cells = rp_alloc(room, sizeof *cells);
        if (cells) {
            if (table->count) memcpy(cells, table->cells, table->count * sizeof *cells);
            rp_free(table->cells);
            table->cells = cells;
            table->room = room;
        }
    }
    if (!text || table->count == table->room) {
        table->failed = true;
        rp_free(text);
        return;
    }
    table->cells[table->count++] = (rp_cell){text, flags, span};
}

void rp_table_span(rp_table *table, int span, int flags, const char *text)
{
    add_cell(table, rp_strdup(text ? text : ""), flags, span);
    for (int i = 1; i < span; i++) add_cell(table, rp_strdup(""), flags, 0);
}

void rp_table_text(rp_table *table, int flags, const char *text)
{
    rp_table_span(table, 1, flags, text);
}

void rp_table_printf(rp_table *table, int flags, const char *format, ...)
{
    va_list args;
    char words[512];
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    rp_table_span(table, 1, flags, words);
}

void rp_table_number(rp_table *table, int flags, double value, int decimals, bool plus)
{
    char words[410];
    rp_number_words(words, sizeof words, value, decimals, plus);
    rp_table_span(table, 1, flags, words);
}

void rp_table_end_head(rp_table *table)
{
    table->head_rows = rp_table_rows(table);
}

int rp_table_rows(const rp_table *table)
{
    return table->columns > 0 ? (int)(table->count / (size_t)table->columns) : 0;
}

const rp_cell *rp_table_cell(const rp_table *table, int row, int column)
{
    return &table->cells[(size_t)row * (size_t)table->columns + (size_t)column];
}

void rp_table_release(rp_table *table)
{
    for (size_t i = 0; i < table->count; i++) rp_free(table->cells[i].text);
    rp_free(table->cells);
    *table = (rp_table){0};
}
