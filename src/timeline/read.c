/* A file of timelines, whatever its form. */
#include "internal.h"

#include <string.h>

rp_timeline *timelines_add(rp_timelines *t)
{
    enum { FIRST = 8 };
    const bool full = t->count == 0 || (t->count >= FIRST && (t->count & (t->count - 1)) == 0);
    if (full) {
        rp_timeline *more = rp_alloc(t->count ? 2 * t->count : FIRST, sizeof *more);
        if (!more) return NULL;
        if (t->count) memcpy(more, t->items, t->count * sizeof *more);
        rp_free(t->items);
        t->items = more;
    }
    return &t->items[t->count++];
}

rp_lesion_role role_of_word(const char *word)
{
    for (int role = 0; role < RP_ROLE_UNKNOWN; role++)
        if (strcmp(word, rp_role_code((rp_lesion_role)role)) == 0) return (rp_lesion_role)role;
    return RP_ROLE_UNKNOWN;
}

rp_finding_state state_of_word(const char *word)
{
    for (int state = 0; state < RP_FOUND_UNKNOWN; state++)
        if (strcmp(word, rp_state_code((rp_finding_state)state)) == 0)
            return (rp_finding_state)state;
    return RP_FOUND_UNKNOWN;
}

/* Some programs write JSON so. */
static bool is_wide_json(const uint8_t *text, size_t size)
{
    return size >= 4 && (memcmp(text, "\xFF\xFE{", 4) == 0 || memcmp(text, "\xFE\xFF\0{", 4) == 0);
}

/* JSON is read again one timeline at a time, so its text need not stay here. */
rp_status rp_timelines_read(const char *path, rp_timelines *timelines,
                            rp_timeline_problems *problems, rp_error *err)
{
    uint8_t *text = NULL;
    size_t size = 0;
    *timelines = (rp_timelines){0};
    rp_status status = rp_file_read(path, &text, &size, err);
    if (status) return status;
    const char *start = (const char *)text + rp_utf8_mark(text, size);
    const char first = start[strspn(start, " \t\r\n")];
    if (is_wide_json(text, size)) {
        rp_free(text);
        status = rp_fail(err, RP_ERR_FORMAT, "%s: JSON in UTF-16; save it as UTF-8", path);
    } else if (first == '{' || first == '[') {
        rp_free(text);
        status = read_json(path, timelines, problems, err);
    } else {
        status = read_csv(path, text, size, timelines, problems, err);
        rp_free(text);
    }
    if (!status && !timelines->count && !problems->counts[RP_SEVERITY_ERROR])
        status = rp_fail(err, RP_ERR_FORMAT, "%s: holds no timeline", path);
    return status;
}

void rp_timelines_release(rp_timelines *timelines)
{
    for (size_t i = 0; i < timelines->count; i++) rp_timeline_release(&timelines->items[i]);
    rp_free(timelines->items);
    *timelines = (rp_timelines){0};
}
