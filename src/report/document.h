/* A report as a sequence of headings, words, tables and figures, set as HTML or as PDF. What it
 * holds is told once, to a document; nothing is kept, so a report may have any length. */
#ifndef REPRISE_REPORT_DOCUMENT_H
#define REPRISE_REPORT_DOCUMENT_H

#include "canvas.h"
#include "table.h"

typedef enum rp_tone {
    RP_TONE_PLAIN,
    RP_TONE_NOTE, /**< small: definitions, remarks */
    RP_TONE_LEAD, /**< the sentence to remember */
    RP_TONE_POOR  /**< what speaks against the result */
} rp_tone;

/** One of the figures in numbers at the top. Words may be NULL. */
typedef struct rp_card {
    const char *head, *value, *words;
    bool poor;
} rp_card;

typedef struct rp_list_item {
    const char *lead, *words; /**< the lead is bold */
} rp_list_item;

/** A drawing of width x height in canvas units, with its own title inside. */
typedef struct rp_figure rp_figure;
struct rp_figure {
    const char *alt, *caption; /**< caption may be NULL; both anybody's words */
    double width, height;
    bool wide; /**< takes the page's whole width, where narrow ones stand side by side */
    rp_status (*draw)(rp_canvas *canvas, const rp_figure *figure, rp_error *err);
    const void *data;
    int index; /**< for the drawing function */
};

typedef struct rp_document rp_document;

typedef struct rp_document_kind {
    void (*section)(rp_document *, const char *title);
    void (*heading)(rp_document *, const char *title);
    void (*words)(rp_document *, rp_tone tone, const char *text);
    void (*list)(rp_document *, const rp_list_item *items, size_t count);
    void (*cards)(rp_document *, const rp_card *cards, size_t count);
    void (*table)(rp_document *, const rp_table *table);
    void (*figures)(rp_document *, const rp_figure *figures, size_t count);
    void (*record)(rp_document *, const char *title, const char *text);
    void (*keep)(rp_document *, double height);
} rp_document_kind;

struct rp_document {
    const rp_document_kind *kind;
    const char *title, *label; /**< label: "synthetic", "simulated" or "" */
    const char *date;          /**< "2026-01-31T12:34:56Z" or "" */
    bool counting;             /**< nothing is drawn: figures need not load anything */
    rp_status status;          /**< the first that failed; everything after it is dropped */
    rp_error error;
};

void rp_document_fail(rp_document *document, rp_status status, const rp_error *err);

void rp_document_section(rp_document *document, const char *title);
/** Within a section. */
void rp_document_heading(rp_document *document, const char *title);
void rp_document_words(rp_document *document, rp_tone tone, const char *text);
void rp_document_printf(rp_document *document, rp_tone tone, const char *format, ...)
    RP_PRINTF(3, 4);
void rp_document_list(rp_document *document, const rp_list_item *items, size_t count);
void rp_document_cards(rp_document *document, const rp_card *cards, size_t count);
/** Sets the table and releases it. */
void rp_document_table(rp_document *document, rp_table *table);
void rp_document_figures(rp_document *document, const rp_figure *figures, size_t count);
/** A long text to be kept with the report: folded away in HTML, left out of a PDF. */
void rp_document_record(rp_document *document, const char *title, const char *text);

/** What comes next stays on one page, if it is no higher than this (in points). */
void rp_document_keep(rp_document *document, double height);

/** Sentence that goes with a label, "" where the label has none. */
const char *rp_label_words(const char *label);

/** Tells the document what it holds. */
typedef void (*rp_compose)(rp_document *document, const void *report);

/** Writes the file, whole or not at all. */
rp_status rp_document_write_html(const char *path, const rp_document *head, rp_compose compose,
                                 const void *report, rp_error *err);
rp_status rp_document_write_pdf(const char *path, const rp_document *head, rp_compose compose,
                                const void *report, rp_error *err);

#endif
