/* --repair, and the record of images that are not as they were acquired. */
#include "input.h"

#include <string.h>

enum { KEY_REPAIR = 0x3000 };

/* One program, one run: set by the option, read wherever an image is loaded. */
static bool wanted;

typedef struct repaired_image {
    char *path;
    char series_uid[RP_DICOM_UID];
    rp_dicom_repair repair;
} repaired_image;

static struct {
    repaired_image *items;
    size_t count;
} record;

static const struct argp_option repair_options[] = {
    {"repair", KEY_REPAIR, NULL, 0,
     "Resample CT series with missing or unevenly spaced slices, which are else refused", 80},
    {0}};

static error_t parse_repair(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    (void)state;
    if (key != KEY_REPAIR) return ARGP_ERR_UNKNOWN;
    wanted = true;
    return 0;
}

const struct argp cmd_repair_argp = {.options = repair_options, .parser = parse_repair};

bool input_repair_wanted(void)
{
    return wanted;
}

/* ---- what was done ----------------------------------------------------------------------- */

static bool is_known(const char *path, const cmd_ct *ct)
{
    for (size_t i = 0; i < record.count; i++)
        if (strcmp(record.items[i].path, path) == 0 &&
            strcmp(record.items[i].series_uid, ct->series.header.series_uid) == 0)
            return true;
    return false;
}

rp_status input_note_repair(const cmd_ct *ct, rp_error *err)
{
    char text[512];
    rp_dicom_repair_text(&ct->series.repair, text);
    if (!text[0] || is_known(ct->path, ct)) return RP_OK;
    repaired_image *items = rp_alloc(record.count + 1, sizeof *items);
    char *path = rp_strdup(ct->path);
    if (!items || !path) {
        rp_free(items);
        rp_free(path);
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", ct->path);
    }
    if (record.count) memcpy(items, record.items, record.count * sizeof *items);
    rp_free(record.items);
    record.items = items;
    repaired_image *image = &items[record.count++];
    image->path = path;
    image->repair = ct->series.repair;
    memcpy(image->series_uid, ct->series.header.series_uid, sizeof image->series_uid);
    rp_log(RP_LOG_WARNING, "%s: %s", ct->path, text);
    return RP_OK;
}

rp_json *cmd_repair_json(const rp_dicom_repair *r)
{
    rp_json *json = rp_json_object();
    char text[512];
    rp_dicom_repair_text(r, text);
    rp_json_set_string(json, "what", text);
    rp_json_set_number(json, "tilt_degrees", r->tilt_degrees);
    rp_json_set_int(json, "duplicate_slices", (int64_t)r->duplicates);
    rp_json_set_bool(json, "uneven", r->uneven);
    if (!r->uneven) return json;
    rp_json_set_int(json, "missing_slices", (int64_t)r->missing_slices);
    rp_json_set_number(json, "slice_spacing_mm", r->usual_mm);
    rp_json_set_number(json, "gap_mm", r->gap_mm);
    rp_json_set_number(json, "gap_from_mm", r->gap_from_mm);
    rp_json_set_number(json, "gap_to_mm", r->gap_to_mm);
    return json;
}

static void set_repaired(rp_json *json)
{
    if (!record.count) return;
    rp_json *all = rp_json_array();
    for (size_t i = 0; i < record.count; i++) {
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "path", record.items[i].path);
        rp_json_set_string(one, "series_uid", record.items[i].series_uid);
        rp_json_set(one, "repair", cmd_repair_json(&record.items[i].repair));
        rp_json_append(all, one);
    }
    rp_json_set(json, "repaired_images", all);
}

void cmd_set_told(rp_json *json)
{
    set_repaired(json);
    cmd_set_remarks(json);
}
