/* How the numbers were made: definitions, provenance, timing, and the complete record. */
#include "evaluation_parts.h"

#include <string.h>

enum { DEEPEST = 4 };

/* "followup_image" -> "followup image"; anybody's key. */
static void key_words(const char *key, char out[80])
{
    snprintf(out, 80, "%s", key);
    for (char *at = out; *at; at++)
        if (*at == '_') *at = ' ';
}

/* Numbers, words, truth values; false for what a row cannot show. */
static bool value_words(const rp_json *object, const char *key, const rp_json *value, rp_text *out)
{
    double number;
    int64_t whole;
    bool truth;
    const char *string = rp_json_as_string(value);
    if (string)
        rp_text_add(out, string);
    else if (rp_json_as_int(value, &whole))
        rp_text_printf(out, "%lld", (long long)whole);
    else if (rp_json_as_number(value, &number))
        rp_text_printf(out, "%.6g", number);
    else if (object && rp_json_get_bool(object, key, &truth))
        rp_text_add(out, truth ? "yes" : "no");
    else
        return false;
    return true;
}

static void add_value(rp_table *table, const rp_json *object, const char *key, const rp_json *value,
                      const char *before)
{
    rp_text text = {0};
    char name[80];
    bool shown = value_words(object, key, value, &text);
    for (size_t i = 0; !shown && i < rp_json_length(value) && !rp_json_key_at(value, 0); i++) {
        if (i) rp_text_add(&text, ", ");
        if (!value_words(NULL, NULL, rp_json_at(value, i), &text)) break;
    }
    key_words(key, name);
    if (text.failed) table->failed = true;
    if (text.length) {
        rp_table_printf(table, RP_CELL_MUTED, "%s%s", before, name);
        rp_table_text(table, 0, text.data);
    }
    rp_text_release(&text);
}

static void add_rows(rp_table *table, const rp_json *object, const char *before, int depth)
{
    char name[80], within[400];
    for (size_t i = 0; i < rp_json_length(object); i++) {
        const char *key = rp_json_key_at(object, i);
        const rp_json *value = rp_json_at(object, i);
        if (!key) return;
        if (!rp_json_key_at(value, 0)) {
            add_value(table, object, key, value, before);
        } else if (depth < DEEPEST) {
            key_words(key, name);
            snprintf(within, sizeof within, "%.300s%s: ", before, name);
            add_rows(table, value, within, depth + 1);
        }
    }
}

static void add_object(rp_document *document, const char *title, const rp_json *object)
{
    rp_table table;
    if (!object || !rp_json_key_at(object, 0)) return;
    rp_table_start(&table, title, "ll");
    add_rows(&table, object, "", 0);
    rp_document_table(document, &table);
}

static void add_complete(rp_document *document, const rp_evaluation_view *view)
{
    const rp_json *record = view->report->record ? view->report->record : view->report->summary;
    RP_AUTOFREE char *text = rp_json_text(record);
    rp_error err;
    if (text)
        rp_document_record(
            document,
            view->report->record ? "Complete record (evaluation.json)" : "Complete summary", text);
    else
        rp_document_fail(document, rp_fail(&err, RP_ERR_MEMORY, "report: no memory for the record"),
                         &err);
}

void rp_evaluation_add_record(rp_document *document, const rp_evaluation_view *view)
{
    const rp_json *record = view->report->record;
    rp_document_section(document, "How the numbers were made");
    rp_document_words(document, RP_TONE_PLAIN,
                      "Research use only: nothing here may serve diagnosis or treatment decisions. "
                      "Contours and numbers were made by a program and must be checked by a person "
                      "before anything is concluded from them.");
    add_object(document, "Definitions", rp_summary_definitions(view->report->summary));
    add_object(document, "Further definitions", record ? rp_json_get(record, "definitions") : NULL);
    add_object(document, "Provenance", record ? rp_json_get(record, "provenance") : NULL);
    add_object(document, "Timing", record ? rp_json_get(record, "timing") : NULL);
    add_complete(document, view);
}
