/* What the parts of the PDF document share. */
#ifndef REPRISE_REPORT_DOCUMENT_PDF_H
#define REPRISE_REPORT_DOCUMENT_PDF_H

#include "canvas_pango.h"
#include "document.h"

/* Points: the text's left edge and width on every page. */
#define RP_PDF_LEFT 42.0
#define RP_PDF_WIDTH 511.0

typedef struct rp_pdf {
    rp_document base;
    cairo_surface_t *surface;
    cairo_t *cr;
    double y, top; /* where the next part goes; where this page's parts start */
    int page, pages;
} rp_pdf;

/** Sets words in lines of the width, anchored as the type says; their height. */
double rp_pdf_text(rp_pdf *pdf, double x, double y, double width, const rp_type *type,
                   const char *text);
double rp_pdf_text_height(rp_pdf *pdf, double width, const rp_type *type, const char *text);
void rp_pdf_rectangle(rp_pdf *pdf, const rp_box *box, const rp_style *style);
void rp_pdf_rule(rp_pdf *pdf, double x0, double x1, double y, const rp_style *style);
/** Starts a new page where the height does not fit; true where it did. */
bool rp_pdf_room(rp_pdf *pdf, double height);
void rp_pdf_no_memory(rp_pdf *pdf);
/** As cairo's write function: appends to the rp_text that closure is. */
cairo_status_t rp_pdf_bytes(void *closure, const unsigned char *data, unsigned int length);

/* document_pdf_table.c */
void rp_pdf_table(rp_document *document, const rp_table *table);

#endif
