/* Numbers and dates of a table as people and their spreadsheets write them. */
#include "csv_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ----------------------------------------------------------------------------- */

static const char digits[] = "0123456789";

bool csv_is_number(const char *text)
{
    char *end;
    if (!*text || strspn(text, "0123456789+-.eE") < strlen(text)) return false;
    if (!strpbrk(text, digits)) return false;
    strtod(text, &end);
    return !*end;
}

typedef enum mark {
    MARK_NONE,         /* a whole number, or none at all */
    MARK_POINT,        /* 34.2 */
    MARK_POINT_EITHER, /* 1.234: a decimal point, or one between thousands */
    MARK_COMMA,        /* 34,2 */
    MARK_EITHER,       /* 1,234: a decimal comma, or one between thousands */
    MARK_GROUPED,      /* 1.234,5 or 1 234: with a mark between thousands */
} mark;

/* Of the number that takes up so many characters. */
static mark mark_of(const char *text, size_t length)
{
    const size_t sign = length && strchr("+-", *text) ? 1 : 0;
    const size_t before = strspn(text + sign, digits), at = sign + before;
    if (!before || at >= length) return MARK_NONE;
    const size_t after = strspn(text + at + 1, digits);
    if (text[at] == '.') {
        if (at + 1 + after < length && strchr(",.", text[at + 1 + after]) && after == 3)
            return MARK_GROUPED;
        if (at + 1 + after != length) return MARK_NONE;
        return after == 3 && before <= 3 && text[sign] != '0' ? MARK_POINT_EITHER : MARK_POINT;
    }
    if (text[at] == ',') {
        if (at + 1 + after < length)
            return after == 3 && strchr(",.", text[at + 1 + after]) ? MARK_GROUPED : MARK_NONE;
        if (!after) return MARK_NONE;
        return after == 3 && before <= 3 && text[sign] != '0' ? MARK_EITHER : MARK_COMMA;
    }
    if ((text[at] == ' ' || text[at] == '\'' || (unsigned char)text[at] >= 0x80) && before <= 3) {
        const char *rest = text + at + strcspn(text + at, digits);
        if (rest < text + length && strspn(rest, digits) >= 3) return MARK_GROUPED;
    }
    return MARK_NONE;
}

/* For each number of the cells, several of them separated by semicolons. */
static void each_number(rp_csv_table *t, const size_t *places, size_t count,
                        void (*visit)(void *context, char *number, size_t length), void *context)
{
    for (size_t r = 1; r < t->count; r++)
        for (size_t i = 0; i < count; i++) {
            if (places[i] >= t->rows[r].count) continue;
            for (char *at = t->rows[r].cells[places[i]]; *at;) {
                at += strspn(at, " ;");
                const size_t whole = strcspn(at, ";");
                size_t length = whole;
                while (length && at[length - 1] == ' ') length--;
                if (length) visit(context, at, length);
                at += whole;
            }
        }
}

typedef struct evidence {
    bool seen[MARK_GROUPED + 1];
} evidence;

static void note_mark(void *context, char *number, size_t length)
{
    ((evidence *)context)->seen[mark_of(number, length)] = true;
}

static void put_point(void *context, char *number, size_t length)
{
    const mark m = mark_of(number, length);
    (void)context;
    if (m == MARK_COMMA || m == MARK_EITHER) *(char *)memchr(number, ',', length) = '.';
}

const char *rp_csv_numbers(rp_csv_table *t, const size_t *places, size_t count)
{
    evidence e = {{false}};
    each_number(t, places, count, note_mark, &e);
    const bool comma = e.seen[MARK_COMMA] || (e.seen[MARK_EITHER] && t->separator == ';');
    const bool point = e.seen[MARK_POINT] || e.seen[MARK_POINT_EITHER];
    if (comma && !point && !e.seen[MARK_GROUPED]) each_number(t, places, count, put_point, NULL);
    if (t->separator == ',' || e.seen[MARK_POINT] || !e.seen[MARK_POINT_EITHER]) return NULL;
    return "numbers such as 1.234 may have a decimal point or one between thousands, and no other "
           "number shows which: separate the cells by commas, or write 1.2340 or 1234";
}

const char *rp_csv_number_fault(const char *cell)
{
    switch (mark_of(cell, strlen(cell))) {
    case MARK_COMMA:
        return "has a decimal comma, and others of the table another form: write all with "
               "a decimal point, as 34.2";
    case MARK_EITHER:
        return "has a comma that may stand for decimals or between thousands: write it with a "
               "decimal point, as 1.234 or 1234";
    case MARK_GROUPED:
        return "has a mark between thousands: write it without, and with a decimal point, as "
               "1234.5";
    default:
        break;
    }
    if (*cell == '#') return "is an error that the spreadsheet reports";
    if (strspn(cell, "0123456789.,+- ") < strlen(cell) && strspn(cell, "0123456789.,+-"))
        return "is no number: write the number alone, without unit or other words, as 34.2";
    if (*cell == '<' || *cell == '>') return "is a limit and no number";
    return "is no number";
}

const char *rp_csv_width_fault(const rp_csv_table *table, const rp_csv_row *row)
{
    const bool more = row->count > table->rows[0].count;
    return more && table->separator == ','
               ? "; a cell with a comma needs quotes, and numbers a decimal point instead of a "
                 "decimal comma, or semicolons between the cells"
               : "";
}

/* ---- dates ------------------------------------------------------------------------------- */

/* What all dates of the column show together; unknown where they contradict one another. */
static rp_date_order order_of(const rp_csv_table *t, size_t place)
{
    bool seen[RP_DATE_MONTH_FIRST + 1] = {false};
    for (size_t r = 1; r < t->count; r++)
        if (place < t->rows[r].count) seen[rp_date_order_of(t->rows[r].cells[place])] = true;
    if (seen[RP_DATE_DAY_FIRST] == seen[RP_DATE_MONTH_FIRST]) return RP_DATE_ORDER_UNKNOWN;
    return seen[RP_DATE_DAY_FIRST] ? RP_DATE_DAY_FIRST : RP_DATE_MONTH_FIRST;
}

rp_status rp_csv_dates(rp_csv_table *t, size_t place, rp_error *err)
{
    const rp_date_order order = order_of(t, place);
    if (!t->made && t->count) t->made = rp_alloc(t->count, sizeof *t->made);
    if (!t->made && t->count) return rp_fail(err, RP_ERR_MEMORY, "CSV: out of memory");
    for (size_t r = 1; r < t->count && t->made_count < t->count; r++) {
        char date[16];
        int days;
        if (place >= t->rows[r].count) continue;
        char **cell = &t->rows[r].cells[place];
        if (rp_date_days(*cell, &days) || !rp_date_read(*cell, order, date)) continue;
        char *made = rp_strdup(date);
        if (!made) return rp_fail(err, RP_ERR_MEMORY, "CSV: out of memory");
        *cell = t->made[t->made_count++] = made;
    }
    return RP_OK;
}
