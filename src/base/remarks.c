#include "reprise/base.h"

#include <stdarg.h>
#include <string.h>

static bool is_there(const rp_remarks *remarks, const rp_remark *remark)
{
    for (size_t i = 0; i < remarks->count; i++)
        if (strcmp(remarks->items[i].key, remark->key) == 0 &&
            strcmp(remarks->items[i].text, remark->text) == 0)
            return true;
    return false;
}

void rp_remark_add(rp_remarks *remarks, const char *key, const char *format, ...)
{
    rp_remark remark = {.key = key};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(remark.text, sizeof remark.text, format, arguments);
    va_end(arguments);
    if (remarks && is_there(remarks, &remark)) return;
    /* There are few: one more place each time. */
    rp_remark *items = remarks ? rp_alloc(remarks->count + 1, sizeof *items) : NULL;
    if (!items) {
        rp_log(RP_LOG_WARNING, "%s", remark.text);
        return;
    }
    if (remarks->count) memcpy(items, remarks->items, remarks->count * sizeof *items);
    items[remarks->count] = remark;
    rp_free(remarks->items);
    remarks->items = items;
    remarks->count++;
}

const rp_remark *rp_remark_find(const rp_remarks *remarks, const char *key)
{
    for (size_t i = 0; i < remarks->count; i++)
        if (strcmp(remarks->items[i].key, key) == 0) return &remarks->items[i];
    return NULL;
}

void rp_remarks_release(rp_remarks *remarks)
{
    rp_free(remarks->items);
    *remarks = (rp_remarks){0};
}
