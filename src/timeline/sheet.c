/* Tables being written. */
#include "sheet.h"

void sheet_begin(sheet *s, const char *path, const char *const *columns, rp_error *err)
{
    *s = (sheet){.err = err};
    s->status = rp_outfile_create(path, &s->out, err);
    for (; *columns; columns++) sheet_words(s, *columns);
    sheet_end_row(s);
}

void sheet_words(sheet *s, const char *text)
{
    if (!s->status && s->inside) s->status = rp_outfile_printf(s->out, s->err, ",");
    s->inside = true;
    if (!s->status) s->status = rp_csv_write_cell(s->out, text ? text : "", "", s->err);
}

void sheet_whole(sheet *s, long value)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", value);
    sheet_words(s, text);
}

void sheet_end_row(sheet *s)
{
    if (!s->status) s->status = rp_outfile_printf(s->out, s->err, "\r\n");
    s->inside = false;
}

rp_status sheet_end(sheet *s)
{
    if (!s->status) s->status = rp_outfile_commit(s->out, s->err);
    rp_outfile_destroy(s->out);
    return s->status;
}
