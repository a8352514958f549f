/* Tables being written. */
#include "internal.h"

#include <math.h>

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
    if (!s->status) s->status = rp_csv_write(s->out, text ? text : "", "", s->err);
}

/* As few digits as read back the same. */
void sheet_number(sheet *s, double value)
{
    char text[40] = "";
    for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back;
        if (sscanf(text, "%lf", &back) == 1 && back == value) break;
    }
    sheet_words(s, text);
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
