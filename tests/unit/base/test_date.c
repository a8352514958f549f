/* Dates as people write them: read where they are clear, and told where they are not. */
#include "reprise/base.h"
#include "test.h"

#include <string.h>

static void test_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        rp_date_order order;
        const char *date; /* NULL: not clear, or none */
    } rows[] = {
        {"2020-04-06", RP_DATE_ORDER_UNKNOWN, "2020-04-06"},
        {"2020.04.06", RP_DATE_ORDER_UNKNOWN, "2020-04-06"},
        {"2020/4/6", RP_DATE_MONTH_FIRST, "2020-04-06"},
        {"20200406", RP_DATE_ORDER_UNKNOWN, "2020-04-06"},
        {"2020-04-06 00:00:00", RP_DATE_ORDER_UNKNOWN, "2020-04-06"},
        {"2020-04-06T13:05:00Z", RP_DATE_ORDER_UNKNOWN, "2020-04-06"},
        {"27.04.2020", RP_DATE_ORDER_UNKNOWN, "2020-04-27"},
        {"27.04.2020", RP_DATE_MONTH_FIRST, "2020-04-27"},
        {"4/27/2020", RP_DATE_ORDER_UNKNOWN, "2020-04-27"},
        {"06.04.2020", RP_DATE_ORDER_UNKNOWN, NULL},
        {"06.04.2020", RP_DATE_DAY_FIRST, "2020-04-06"},
        {"06/04/2020", RP_DATE_MONTH_FIRST, "2020-06-04"},
        {"06-06-2020", RP_DATE_ORDER_UNKNOWN, "2020-06-06"},
        {"06.04.20", RP_DATE_DAY_FIRST, NULL},
        {"2020-04", RP_DATE_ORDER_UNKNOWN, NULL},
        {"2020-04.06", RP_DATE_ORDER_UNKNOWN, NULL},
        {"31.02.2020", RP_DATE_ORDER_UNKNOWN, NULL},
        {"2020-02-30", RP_DATE_ORDER_UNKNOWN, NULL},
        {"43927", RP_DATE_ORDER_UNKNOWN, NULL},
        {"2020-04-06x", RP_DATE_ORDER_UNKNOWN, NULL},
        {"6 April 2020", RP_DATE_ORDER_UNKNOWN, NULL},
        {"", RP_DATE_ORDER_UNKNOWN, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char date[16] = "";
        const bool read = rp_date_read(rows[i].text, rows[i].order, date);
        if (read != (rows[i].date != NULL) || (read && strcmp(date, rows[i].date) != 0))
            fail_msg("'%s': %s", rows[i].text, read ? date : "not read");
    }
}

static void test_order(void **state)
{
    (void)state;
    assert_int_equal(rp_date_order_of("27.04.2020"), RP_DATE_DAY_FIRST);
    assert_int_equal(rp_date_order_of("04/27/2020"), RP_DATE_MONTH_FIRST);
    assert_int_equal(rp_date_order_of("06.04.2020"), RP_DATE_ORDER_UNKNOWN);
    assert_int_equal(rp_date_order_of("2020-04-27"), RP_DATE_ORDER_UNKNOWN);
    assert_int_equal(rp_date_order_of("40.40.2020"), RP_DATE_ORDER_UNKNOWN);
}

static void test_hints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hint;
    } rows[] = {
        {"06.04.2020", "; whether day or month comes first is not clear: write 2020-04-06 or "
                       "2020-06-04"},
        {"2020.04.06", "; write 2020-04-06"},
        {"06.04.20", "; the year needs four digits"},
        {"43927", "; a spreadsheet's number of a day must be shown as a date"},
        {"soon", ""},
        {"40.40.2020", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char hint[RP_DATE_HINT];
        rp_date_hint(rows[i].text, hint);
        assert_string_equal(hint, rows[i].hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
