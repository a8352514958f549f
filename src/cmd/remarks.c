/* What is odd about the inputs of this run, for the terminal and for its results. */
#include "cmd.h"

#include <string.h>

/* One program, one run: filled wherever an input is loaded, read when results are written. */
static struct {
    struct told {
        char *path;
        rp_remark remark;
    } * items;
    size_t count;
} record;

static bool is_told(const char *path, const rp_remark *remark)
{
    for (size_t i = 0; i < record.count; i++)
        if (strcmp(record.items[i].path, path) == 0 &&
            strcmp(record.items[i].remark.text, remark->text) == 0)
            return true;
    return false;
}

/* Without memory the warning on the terminal is all there is. */
static void keep(const char *path, const rp_remark *remark)
{
    struct told *items = rp_alloc(record.count + 1, sizeof *items);
    char *copy = rp_strdup(path);
    if (!items || !copy) {
        rp_free(items);
        rp_free(copy);
        return;
    }
    if (record.count) memcpy(items, record.items, record.count * sizeof *items);
    rp_free(record.items);
    items[record.count] = (struct told){.path = copy, .remark = *remark};
    record.items = items;
    record.count++;
}

void cmd_tell(const char *path, const rp_remarks *remarks)
{
    for (size_t i = 0; i < remarks->count; i++) {
        const rp_remark *remark = &remarks->items[i];
        if (is_told(path, remark)) continue;
        rp_log(RP_LOG_WARNING, "%s: %s", path, remark->text);
        keep(path, remark);
    }
}

void cmd_tell_all(const char *path, rp_remarks *remarks)
{
    cmd_tell(path, remarks);
    rp_remarks_release(remarks);
}

void cmd_set_remarks(rp_json *json)
{
    if (!record.count) return;
    rp_json *all = rp_json_array();
    for (size_t i = 0; i < record.count; i++) {
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "path", record.items[i].path);
        rp_json_set_string(one, "key", record.items[i].remark.key);
        rp_json_set_string(one, "text", record.items[i].remark.text);
        rp_json_append(all, one);
    }
    rp_json_set(json, "remarks", all);
}
