/* How the numbers were made: definitions, provenance, timing, and the complete record. */
#include "sections.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { DEEPEST = 4 };

/* Endings of keys that are units, and how the value says so. */
static const struct unit {
    const char *ending, *words;
} units[] = {
    {"_seconds", NULL},  {"_mm", "&nbsp;mm"},     {"_cc", "&nbsp;cc"},
    {"_hu", "&nbsp;HU"}, {"_percent", "&nbsp;%"}, {"_bytes", "&nbsp;bytes"},
};

#define LENGTH_OF(array) (sizeof(array) / sizeof *(array))

static const struct unit *unit_of(const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < LENGTH_OF(units); i++) {
        size_t ending = strlen(units[i].ending);
        if (length > ending && !strcmp(key + length - ending, units[i].ending)) return &units[i];
    }
    return NULL;
}

/* Keys whose words alone would not be good English. */
static const struct name {
    const char *key, *words;
} names[] = {
    {"sha256", "SHA-256"},    {"followup", "follow-up"}, {"uid", "UID"},   {"hu", "HU"},
    {"lps", "LPS"},           {"recist", "RECIST"},      {"dice", "Dice"}, {"roi", "ROI"},
    {"rtstruct", "RTSTRUCT"},
};

static void add_word(rp_text *page, const char *word, size_t length, bool first)
{
    char copy[64];
    size_t kept = length < sizeof copy - 1 ? length : sizeof copy - 1;
    memcpy(copy, word, kept);
    copy[kept] = 0;
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        if (!strcmp(copy, names[i].key)) snprintf(copy, sizeof copy, "%s", names[i].words);
    if (first) copy[0] = (char)toupper((unsigned char)copy[0]);
    if (!first) rp_text_add(page, " ");
    rp_text_escape(page, copy);
}

/* followup_image_sha256 -> Follow-up image SHA-256. */
static void add_key(rp_text *page, const char *key)
{
    const struct unit *unit = unit_of(key);
    const char *end = key + strlen(key) - (unit ? strlen(unit->ending) : 0);
    for (const char *word = key; word < end;) {
        size_t length = strcspn(word, "_");
        if (length > (size_t)(end - word)) length = (size_t)(end - word);
        if (length) add_word(page, word, length, word == key);
        word += length + 1;
    }
}

/* ---- values ------------------------------------------------------------------------------ */

static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* A hash is shown by its first twelve digits; the whole appears on pointing and in print. */
static void add_string(rp_text *page, const char *text)
{
    if (is_hash(text))
        rp_text_printf(page, "<code title=\"%s\">%.12s<span class=\"rest\">%s</span></code>", text,
                       text, text + 12);
    else
        rp_text_escape(page, text);
}

static void add_seconds(rp_text *page, double seconds)
{
    if (seconds < 60)
        rp_text_printf(page, "%.1f&nbsp;s", seconds);
    else
        rp_text_printf(page, "%.0f&nbsp;min&nbsp;%02.0f&nbsp;s", floor(round(seconds) / 60),
                       fmod(round(seconds), 60));
}

static void add_scalar(rp_text *page, const rp_json *value, bool truth, const struct unit *unit)
{
    double number;
    int64_t whole;
    const char *string = rp_json_as_string(value);
    if (string)
        add_string(page, string);
    else if (unit && !unit->words && rp_json_as_number(value, &number))
        add_seconds(page, number);
    else if (rp_json_as_int(value, &whole))
        rp_text_printf(page, "%lld", (long long)whole);
    else if (rp_json_as_number(value, &number))
        rp_text_printf(page, "%.6g", number);
    else
        rp_text_add(page, truth ? "yes" : "no");
    if (!string && unit) rp_text_add(page, unit->words);
}

/* What is neither number nor string nor boolean (null, nested arrays) is left to the record. */
static bool is_scalar(const rp_json *value)
{
    double number;
    return rp_json_as_string(value) || rp_json_as_number(value, &number);
}

static bool add_list(rp_text *page, const rp_json *array, const struct unit *unit)
{
    size_t count = rp_json_length(array);
    for (size_t i = 0; i < count; i++)
        if (!is_scalar(rp_json_at(array, i))) return false;
    for (size_t i = 0; i < count; i++) {
        if (i) rp_text_add(page, ", ");
        add_scalar(page, rp_json_at(array, i), false, unit);
    }
    return count > 0;
}

/* ---- rows -------------------------------------------------------------------------------- */

/* The names of the objects that a row lies within, outermost first. */
typedef struct path {
    const char *keys[DEEPEST];
    int depth;
} path;

static void add_row(rp_text *page, const rp_json *object, const path *within, size_t index)
{
    const char *key = rp_json_key_at(object, index);
    const rp_json *value = rp_json_at(object, index);
    const struct unit *unit = unit_of(key);
    bool truth = false, is_bool = rp_json_get_bool(object, key, &truth);
    size_t before = page->length;
    rp_text_add(page, "<tr><th scope=\"row\">");
    for (int d = 0; d < within->depth; d++) {
        add_key(page, within->keys[d]);
        rp_text_add(page, ": ");
    }
    add_key(page, key);
    rp_text_add(page, "</th><td>");
    if (is_bool || is_scalar(value)) {
        add_scalar(page, value, truth, unit);
    } else if (!add_list(page, value, unit)) {
        page->length = before; /* nothing that a row can show */
        return;
    }
    rp_text_add(page, "</td></tr>");
}

static void add_rows(rp_text *page, const rp_json *object, path within)
{
    size_t count = rp_json_length(object);
    for (size_t i = 0; i < count && rp_json_key_at(object, i); i++) {
        const rp_json *value = rp_json_at(object, i);
        bool nested = rp_json_key_at(value, 0) != NULL;
        if (!nested) {
            add_row(page, object, &within, i);
        } else if (within.depth < DEEPEST) {
            path inner = within;
            inner.keys[inner.depth++] = rp_json_key_at(object, i);
            add_rows(page, value, inner);
        }
    }
}

/* ---- sections ---------------------------------------------------------------------------- */

static void add_picture_definitions(rp_text *page, rp_window window)
{
    rp_text_add(page, "<tr><th scope=\"row\">Pictures</th><td>Window ");
    rp_text_number(page, window.low_hu, 0, false);
    rp_text_add(page, " to ");
    rp_text_number(page, window.high_hu, 0, false);
    rp_text_add(page, " HU, interpolated between voxels. Patient right is at the left of axial and "
                      "coronal pictures. L left, R right, A anterior, P posterior, H head, "
                      "F feet.</td></tr>");
}

static void add_complete(rp_text *page, const rp_json *result)
{
    if (!result) return;
    RP_AUTOFREE char *text = rp_json_text(result);
    if (!text) {
        page->failed = true;
        return;
    }
    rp_text_add(page, "<details><summary>Complete record (result.json)</summary><pre>");
    rp_text_escape(page, text);
    rp_text_add(page, "</pre></details>");
}

static void start_section(rp_text *page, const char *title)
{
    rp_text_printf(page, "<section class=\"record\"><h2>%s</h2><table><tbody>", title);
}

static void end_section(rp_text *page)
{
    rp_text_add(page, "</tbody></table></section>");
}

/* Only where the result has such an object. */
static void add_section(rp_text *page, const rp_json *result, const char *key, const char *title)
{
    const rp_json *object = rp_json_get(result, key);
    if (!rp_json_key_at(object, 0)) return;
    start_section(page, title);
    add_rows(page, object, (path){.depth = 0});
    end_section(page);
}

void rp_report_add_record(rp_text *page, const rp_report *report, rp_window window)
{
    const rp_json *result = report->result;
    add_section(page, result, "plausibility", "Plausibility");
    add_section(page, result, "carry_forward", "Baseline contour carried forward unchanged");
    start_section(page, "Definitions");
    add_rows(page, rp_json_get(result, "definitions"), (path){.depth = 0});
    add_picture_definitions(page, window);
    end_section(page);
    start_section(page, "Provenance");
    rp_text_add(page, "<tr><th scope=\"row\">Report by</th><td>Reprise " RP_VERSION "</td></tr>");
    add_rows(page, rp_json_get(result, "provenance"), (path){.depth = 0});
    end_section(page);
    add_section(page, result, "timing", "Timing");
    add_complete(page, result);
}
