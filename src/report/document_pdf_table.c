/* Tables of the PDF document: widths from the words, heads repeated on every page. */
#include "document_pdf.h"

#include <math.h>

static const double pad = 3.5;

typedef struct sheet {
    rp_pdf *pdf;
    const rp_table *table;
    double size; /* of the words */
    double left[RP_TABLE_COLUMNS + 1];
} sheet;

/* ---- widths ------------------------------------------------------------------------------ */

static void natural_widths(const sheet *s, double widths[])
{
    const rp_table *table = s->table;
    for (int c = 0; c < table->columns; c++) widths[c] = 0;
    for (int r = 0; r < rp_table_rows(table); r++)
        for (int c = 0; c < table->columns; c++) {
            const rp_cell *cell = rp_table_cell(table, r, c);
            if (cell->span != 1) continue;
            bool bold = r < table->head_rows || cell->flags & (RP_CELL_BOLD | RP_CELL_POOR);
            double width = rp_type_width(cell->text, s->size, bold) + 1;
            /* Heads may take two lines. */
            if (r < table->head_rows) width = fmax(0.56 * width, fmin(width, 40));
            widths[c] = fmax(widths[c], width + 2 * pad);
        }
}

/* A name over several columns needs its room too. */
static void widen_groups(const sheet *s, double widths[])
{
    const rp_table *table = s->table;
    for (int r = 0; r < table->head_rows; r++)
        for (int c = 0; c < table->columns; c++) {
            const rp_cell *cell = rp_table_cell(table, r, c);
            double wanted = rp_type_width(cell->text, s->size, true) + 1 + 2 * pad, sum = 0;
            for (int k = 0; k < cell->span; k++) sum += widths[c + k];
            for (int k = 0; k < cell->span && cell->span > 1 && wanted > sum; k++)
                widths[c + k] += (wanted - sum) / cell->span;
        }
}

/* The width above which columns of words must be cut so that all together take the room. */
static double widest_allowed(const rp_table *table, const double widths[], double room)
{
    double low = 0, high = RP_PDF_WIDTH;
    for (int i = 0; i < 50; i++) {
        double middle = 0.5 * (low + high), sum = 0;
        for (int c = 0; c < table->columns; c++)
            if (table->align[c] == 'l') sum += fmin(widths[c], middle);
        *(sum > room ? &high : &low) = middle;
    }
    return low;
}

/* Broad columns of words give way first; where that is not enough, all shrink. */
static void fit_widths(const rp_table *table, double widths[])
{
    double words = 0, numbers = 0, total = 0;
    for (int c = 0; c < table->columns; c++)
        *(table->align[c] == 'l' ? &words : &numbers) += widths[c];
    double room = fmax(RP_PDF_WIDTH - numbers, fmin(words, 0.25 * RP_PDF_WIDTH));
    double widest = words > room ? widest_allowed(table, widths, room) : RP_PDF_WIDTH;
    for (int c = 0; c < table->columns; c++) {
        if (table->align[c] == 'l') widths[c] = fmin(widths[c], widest);
        total += widths[c];
    }
    if (total < 0.55 * RP_PDF_WIDTH) return;
    for (int c = 0; c < table->columns; c++) widths[c] *= RP_PDF_WIDTH / total;
}

/* What the numbers need, and the words at the least. */
static double needed(const rp_table *table, const double widths[])
{
    double sum = 0, words = 0;
    for (int c = 0; c < table->columns; c++) *(table->align[c] == 'l' ? &words : &sum) += widths[c];
    return sum + fmin(words, 0.2 * RP_PDF_WIDTH);
}

/* Words become smaller, down to what can still be read, before numbers are broken into lines. */
static void place_columns(sheet *s)
{
    double widths[RP_TABLE_COLUMNS];
    for (s->size = 7.3;; s->size -= 0.3) {
        natural_widths(s, widths);
        widen_groups(s, widths);
        if (needed(s->table, widths) <= RP_PDF_WIDTH || s->size < 6) break;
    }
    fit_widths(s->table, widths);
    s->left[0] = RP_PDF_LEFT;
    for (int c = 0; c < s->table->columns; c++) s->left[c + 1] = s->left[c] + widths[c];
}

/* ---- rows -------------------------------------------------------------------------------- */

static rp_type type_of(const sheet *s, int row, int column, const rp_cell *cell)
{
    char align = cell->span > 1 ? 'c' : s->table->align[column];
    bool bold = row < s->table->head_rows || cell->flags & (RP_CELL_BOLD | RP_CELL_POOR);
    uint32_t colour = cell->flags & RP_CELL_POOR    ? 0xa83a08
                      : cell->flags & RP_CELL_MUTED ? RP_MUTED
                                                    : RP_INK;
    rp_anchor anchor = align == 'r' ? RP_END : align == 'c' ? RP_MIDDLE : RP_START;
    return (rp_type){s->size, colour, anchor, bold, 0};
}

/* The row's height; drawn where y is a number. */
static double set_row(const sheet *s, int row, double y)
{
    double tallest = 0;
    for (int c = 0; c < s->table->columns; c++) {
        const rp_cell *cell = rp_table_cell(s->table, row, c);
        if (cell->span == 0) continue;
        rp_type type = type_of(s, row, c, cell);
        double x = s->left[c] + pad, width = s->left[c + cell->span] - pad - x;
        tallest = fmax(tallest, rp_pdf_text(s->pdf, x, y, width, &type, cell->text));
    }
    return tallest + 3;
}

/* A group's name has a line below it. */
static void add_group_rules(const sheet *s, int row, double y)
{
    const rp_style thin = {.line = RP_MUTED, .width = 0.4};
    for (int c = 0; c < s->table->columns; c++) {
        int span = rp_table_cell(s->table, row, c)->span;
        if (span > 1) rp_pdf_rule(s->pdf, s->left[c] + pad, s->left[c + span] - pad, y - 1, &thin);
    }
}

static void set_head(const sheet *s)
{
    const rp_style line = {.line = RP_INK, .width = 0.7};
    rp_pdf *pdf = s->pdf;
    double right = s->left[s->table->columns];
    rp_pdf_rule(pdf, s->left[0], right, pdf->y, &line);
    pdf->y += 2.5;
    if (!s->table->head_rows) return;
    for (int row = 0; row < s->table->head_rows; row++) {
        pdf->y += set_row(s, row, pdf->y);
        if (row + 1 < s->table->head_rows) add_group_rules(s, row, pdf->y);
    }
    rp_pdf_rule(pdf, s->left[0], right, pdf->y, &line);
    pdf->y += 2.5;
}

static void set_body(const sheet *s)
{
    const rp_style thin = {.line = RP_RULE, .width = 0.4}, line = {.line = RP_MUTED, .width = 0.6};
    rp_pdf *pdf = s->pdf;
    int rows = rp_table_rows(s->table);
    double right = s->left[s->table->columns];
    for (int row = s->table->head_rows; row < rows; row++) {
        double height = set_row(s, row, NAN);
        if (rp_pdf_room(pdf, height + 2)) set_head(s);
        if (row > s->table->head_rows) {
            bool rule = rp_table_cell(s->table, row, 0)->flags & RP_CELL_RULE;
            rp_pdf_rule(pdf, s->left[0], right, pdf->y - 1.5, rule ? &line : &thin);
        }
        set_row(s, row, pdf->y);
        pdf->y += height;
    }
    rp_pdf_rule(pdf, s->left[0], right, pdf->y - 1, &(rp_style){.line = RP_INK, .width = 0.7});
}

void rp_pdf_table(rp_document *document, const rp_table *table)
{
    rp_pdf *pdf = (rp_pdf *)document;
    const rp_type title = {8.8, RP_INK, RP_START, true, 0},
                  note = {7, RP_MUTED, RP_START, false, 0};
    sheet s = {.pdf = pdf, .table = table};
    place_columns(&s);
    double head = table->title ? rp_pdf_text_height(pdf, RP_PDF_WIDTH, &title, table->title) : 0;
    pdf->y += 4;
    rp_pdf_room(pdf, head + 75);
    if (table->title) {
        rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &title, table->title);
        pdf->y += head + 3;
    }
    set_head(&s);
    set_body(&s);
    pdf->y += 3;
    if (table->note) {
        double height = rp_pdf_text_height(pdf, RP_PDF_WIDTH, &note, table->note);
        rp_pdf_room(pdf, height);
        pdf->y += rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &note, table->note);
    }
    pdf->y += 8;
}
