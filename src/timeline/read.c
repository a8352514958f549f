/* Timelines from files: what JSON and CSV share. */
#include "internal.h"

#include <string.h>

void rp_timelines_release(rp_timelines *timelines)
{
    for (size_t i = 0; i < timelines->count; i++) rp_timeline_release(&timelines->items[i]);
    rp_free(timelines->items);
    *timelines = (rp_timelines){0};
}

bool find_role(const char *word, rp_lesion_role *role)
{
    for (int i = 0; i < RP_ROLE_UNKNOWN; i++)
        if (strcmp(rp_role_code((rp_lesion_role)i), word) == 0) {
            *role = (rp_lesion_role)i;
            return true;
        }
    return false;
}

bool find_state(const char *word, rp_finding_state *state)
{
    for (int i = 0; i < RP_FOUND_UNKNOWN; i++)
        if (strcmp(rp_state_code((rp_finding_state)i), word) == 0) {
            *state = (rp_finding_state)i;
            return true;
        }
    return false;
}

rp_status add_patient(rp_timelines *out, const char *patient, const char *label, rp_timeline **made,
                      rp_error *err)
{
    rp_status status = rp_grow(&out->items, out->count, sizeof *out->items, err);
    if (status) return status;
    *made = &out->items[out->count++];
    **made = (rp_timeline){0};
    return rp_timeline_init(*made, patient, label, err);
}

rp_status rp_timelines_read(const char *path, rp_timelines *out, rp_timeline_problems *problems,
                            rp_error *err)
{
    RP_AUTOFREE uint8_t *bytes = NULL;
    size_t size;
    *out = (rp_timelines){0};
    rp_status status = rp_file_read(path, &bytes, &size, err);
    if (status) return status;
    size_t first = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (first < size && strchr(" \t\r\n", bytes[first])) first++;
    if (first < size && (bytes[first] == '{' || bytes[first] == '['))
        status = read_json(path, (const char *)bytes + first, out, problems, err);
    else
        status = read_csv(path, bytes, size, out, problems, err);
    if (!status && out->count == 0 && problems->count == 0)
        status = rp_fail(err, RP_ERR_FORMAT, "%s: holds no timeline", path);
    if (status) rp_timelines_release(out);
    return status;
}
