#include "document.h"

#include <stdarg.h>
#include <string.h>

void rp_document_fail(rp_document *document, rp_status status, const rp_error *err)
{
    if (document->status || !status) return;
    document->status = status;
    document->error = *err;
}

void rp_document_section(rp_document *document, const char *title)
{
    if (!document->status) document->kind->section(document, title);
}

void rp_document_heading(rp_document *document, const char *title)
{
    if (!document->status) document->kind->heading(document, title);
}

void rp_document_words(rp_document *document, rp_tone tone, const char *text)
{
    if (!document->status && text && *text) document->kind->words(document, tone, text);
}

void rp_document_printf(rp_document *document, rp_tone tone, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rp_document_words(document, tone, text);
}

void rp_document_list(rp_document *document, const rp_list_item *items, size_t count)
{
    if (!document->status && count) document->kind->list(document, items, count);
}

void rp_document_cards(rp_document *document, const rp_card *cards, size_t count)
{
    if (!document->status && count) document->kind->cards(document, cards, count);
}

void rp_document_table(rp_document *document, rp_table *table)
{
    rp_error err;
    if (table->failed) {
        rp_fail(&err, RP_ERR_MEMORY, "report: no memory for a table");
        rp_document_fail(document, RP_ERR_MEMORY, &err);
    }
    if (!document->status && rp_table_rows(table) > 0) document->kind->table(document, table);
    rp_table_release(table);
}

void rp_document_figures(rp_document *document, const rp_figure *figures, size_t count)
{
    if (!document->status && count) document->kind->figures(document, figures, count);
}

void rp_document_record(rp_document *document, const char *title, const char *text)
{
    if (!document->status && text) document->kind->record(document, title, text);
}

void rp_document_keep(rp_document *document, double height)
{
    if (!document->status) document->kind->keep(document, height);
}

const char *rp_label_words(const char *label)
{
    if (!label || !*label) return "";
    if (!strcmp(label, "synthetic"))
        return "Images and lesions were made from equations. They show that the program runs; they "
               "are no evidence of how well it works on patients.";
    if (!strcmp(label, "simulated"))
        return "Follow-ups were computed from baseline images with a change that was asked for. "
               "Their figures are no clinical evidence.";
    return "";
}
