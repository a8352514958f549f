/* Dates: the one form that this program keeps, and those that people write. */
#include "reprise/base.h"

#include <string.h>

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool has_date_form(const char *text)
{
    for (int i = 0; i < 10; i++) {
        const bool dash = i == 4 || i == 7;
        if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
    }
    return text[10] == '\0';
}

static int number_of(const char *digits, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) number = 10 * number + (digits[i] - '0');
    return number;
}

bool rp_date_days(const char *date, int *days)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!date || !has_date_form(date)) return false;
    const int year = number_of(date, 4), month = number_of(date + 5, 2);
    const int day = number_of(date + 8, 2);
    if (year < 1900 || month < 1 || month > 12 || day < 1) return false;
    if (day > month_days[month - 1] + (month == 2 && is_leap(year))) return false;
    const int before = year - 1;
    int count = 365 * before + before / 4 - before / 100 + before / 400;
    for (int m = 1; m < month; m++) count += month_days[m - 1] + (m == 2 && is_leap(year));
    *days = count + day - 1 - 719162; /* from 0001-01-01 to 1970-01-01 */
    return true;
}

/* ---- as people write them ---------------------------------------------------------------- */

/* Three numbers with their digits: 6.4.2020 is {6, 4, 2020} of 1, 1 and 4. */
typedef struct parts {
    int number[3];
    size_t digits[3];
} parts;

static bool is_time_of_day(const char *text)
{
    return !*text || ((*text == ' ' || *text == 'T') &&
                      strspn(text + 1, "0123456789:.Z") == strlen(text + 1));
}

static bool split(const char *text, parts *p)
{
    static const char digits[] = "0123456789";
    char between = 0;
    *p = (parts){{0}, {0}};
    if (strspn(text, digits) == 8 && is_time_of_day(text + 8)) {
        *p = (parts){{number_of(text, 4), number_of(text + 4, 2), number_of(text + 6, 2)},
                     {4, 2, 2}};
        return true;
    }
    for (int i = 0; i < 3; i++) {
        p->digits[i] = strspn(text, digits);
        if (p->digits[i] < 1 || p->digits[i] > 4) return false;
        p->number[i] = number_of(text, (int)p->digits[i]);
        text += p->digits[i];
        if (i == 2) break;
        if (!strchr("-./", *text) || !*text || (between && *text != between)) return false;
        between = *text++;
    }
    return is_time_of_day(text);
}

static bool put(int year, int month, int day, char date[16])
{
    int days;
    snprintf(date, 16, "%04d-%02d-%02d", year % 10000, month % 100, day % 100);
    return rp_date_days(date, &days);
}

static bool year_first(const parts *p)
{
    return p->digits[0] == 4 && p->digits[1] <= 2 && p->digits[2] <= 2;
}

static bool year_last(const parts *p)
{
    return p->digits[2] == 4 && p->digits[0] <= 2 && p->digits[1] <= 2;
}

rp_date_order rp_date_order_of(const char *text)
{
    parts p;
    char date[16];
    if (!split(text, &p) || !year_last(&p)) return RP_DATE_ORDER_UNKNOWN;
    const bool day = put(p.number[2], p.number[1], p.number[0], date);
    const bool month = put(p.number[2], p.number[0], p.number[1], date);
    return day == month ? RP_DATE_ORDER_UNKNOWN : day ? RP_DATE_DAY_FIRST : RP_DATE_MONTH_FIRST;
}

bool rp_date_read(const char *text, rp_date_order order, char date[16])
{
    parts p;
    if (!split(text, &p)) return false;
    if (year_first(&p)) return put(p.number[0], p.number[1], p.number[2], date);
    if (!year_last(&p)) return false;
    if (p.number[0] == p.number[1]) order = RP_DATE_DAY_FIRST;
    if (rp_date_order_of(text)) order = rp_date_order_of(text);
    if (!order) return false;
    return order == RP_DATE_DAY_FIRST ? put(p.number[2], p.number[1], p.number[0], date)
                                      : put(p.number[2], p.number[0], p.number[1], date);
}

void rp_date_hint(const char *text, char hint[RP_DATE_HINT])
{
    parts p;
    char one[16], other[16];
    hint[0] = '\0';
    if (!split(text, &p)) {
        if (*text && strspn(text, "0123456789") == strlen(text))
            snprintf(hint, RP_DATE_HINT,
                     "; a spreadsheet's number of a day must be shown as a date");
        return;
    }
    if (!year_first(&p) && !year_last(&p))
        snprintf(hint, RP_DATE_HINT, "; the year needs four digits");
    else if (rp_date_read(text, RP_DATE_ORDER_UNKNOWN, one))
        snprintf(hint, RP_DATE_HINT, "; write %s", one);
    else if (rp_date_read(text, RP_DATE_DAY_FIRST, one) &&
             rp_date_read(text, RP_DATE_MONTH_FIRST, other))
        snprintf(hint, RP_DATE_HINT,
                 "; whether day or month comes first is not clear: write %s or %s", one, other);
}
