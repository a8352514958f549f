/* The document as a PDF on A4: pages with the notice above and the page's number below. */
#include "document_pdf.h"

#include <math.h>
#include <string.h>

#include <cairo-pdf.h>

static const double page_width = 595.28, page_height = 841.89, page_bottom = 800;

/* ---- words ------------------------------------------------------------------------------- */

double rp_pdf_text(rp_pdf *pdf, double x, double y, double width, const rp_type *type,
                   const char *text)
{
    rp_text clean = {0};
    rp_text_plain(&clean, text);
    if (clean.failed) rp_pdf_no_memory(pdf);
    PangoLayout *layout = rp_type_layout(pdf->cr, type->size, type->bold);
    PangoAlignment align = type->anchor == RP_END      ? PANGO_ALIGN_RIGHT
                           : type->anchor == RP_MIDDLE ? PANGO_ALIGN_CENTER
                                                       : PANGO_ALIGN_LEFT;
    int height;
    pango_layout_set_text(layout, clean.data ? clean.data : "", -1);
    pango_layout_set_width(layout, (int)lround(width * PANGO_SCALE));
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_alignment(layout, align);
    pango_layout_get_size(layout, NULL, &height);
    if (!pdf->base.counting && isfinite(y)) {
        cairo_set_source_rgb(pdf->cr, (type->colour >> 16) / 255.0,
                             (type->colour >> 8 & 255) / 255.0, (type->colour & 255) / 255.0);
        cairo_move_to(pdf->cr, x, y);
        pango_cairo_show_layout(pdf->cr, layout);
        cairo_new_path(pdf->cr);
    }
    g_object_unref(layout);
    rp_text_release(&clean);
    return (double)height / PANGO_SCALE;
}

double rp_pdf_text_height(rp_pdf *pdf, double width, const rp_type *type, const char *text)
{
    return rp_pdf_text(pdf, 0, NAN, width, type, text);
}

void rp_pdf_no_memory(rp_pdf *pdf)
{
    rp_error err;
    rp_fail(&err, RP_ERR_MEMORY, "report: no memory for the document");
    rp_document_fail(&pdf->base, RP_ERR_MEMORY, &err);
}

void rp_pdf_rectangle(rp_pdf *pdf, const rp_box *box, const rp_style *style)
{
    rp_canvas canvas = rp_canvas_cairo(pdf->cr);
    if (!pdf->base.counting) rp_canvas_rectangle(&canvas, box, style);
}

void rp_pdf_rule(rp_pdf *pdf, double x0, double x1, double y, const rp_style *style)
{
    rp_canvas canvas = rp_canvas_cairo(pdf->cr);
    if (!pdf->base.counting) rp_canvas_horizontal(&canvas, x0, x1, y, style);
}

/* ---- pages ------------------------------------------------------------------------------- */

static void add_page_head(rp_pdf *pdf)
{
    const rp_type notice = {8, RP_WHITE, RP_MIDDLE, true, 0};
    const rp_type banner = {7.5, RP_INK, RP_MIDDLE, false, 0};
    const rp_style dark = {.fill = RP_INK, .opacity = 1}, yellow = {.fill = 0xfff3c4, .opacity = 1};
    const char *label = pdf->base.label;
    rp_pdf_rectangle(pdf, &(rp_box){0, 0, page_width, 19}, &dark);
    rp_pdf_text(pdf, RP_PDF_LEFT, 4.5, RP_PDF_WIDTH, &notice,
                "Research use only \xE2\x80\x93 not for diagnosis or treatment decisions");
    pdf->y = 34;
    if (!*label) return;
    RP_AUTOFREE char *words = rp_format("%s: %s", label, rp_label_words(label));
    if (!words) {
        rp_pdf_no_memory(pdf);
        return;
    }
    for (char *at = words; *at && *at != ':'; at++)
        if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
    double height = rp_pdf_text_height(pdf, RP_PDF_WIDTH, &banner, words);
    rp_pdf_rectangle(pdf, &(rp_box){0, 19, page_width, height + 7}, &yellow);
    rp_pdf_text(pdf, RP_PDF_LEFT, 22.5, RP_PDF_WIDTH, &banner, words);
    pdf->y = 19 + height + 7 + 14;
}

static void add_page_foot(rp_pdf *pdf)
{
    rp_type type = {7.5, RP_MUTED, RP_START, false, 0};
    char words[80], title[300];
    rp_type_fit(pdf->base.title, type.size, 0.6 * RP_PDF_WIDTH, title, sizeof title);
    rp_pdf_text(pdf, RP_PDF_LEFT, 815, RP_PDF_WIDTH, &type, title);
    type.anchor = RP_END;
    snprintf(words, sizeof words, "Reprise " RP_VERSION "   %d / %d", pdf->page, pdf->pages);
    rp_pdf_text(pdf, RP_PDF_LEFT, 815, RP_PDF_WIDTH, &type, words);
}

static void start_page(rp_pdf *pdf)
{
    pdf->page++;
    add_page_head(pdf);
    add_page_foot(pdf);
    pdf->top = pdf->y;
}

bool rp_pdf_room(rp_pdf *pdf, double height)
{
    if (pdf->y + height <= page_bottom || pdf->y <= pdf->top) return false;
    cairo_show_page(pdf->cr);
    start_page(pdf);
    return true;
}

/* ---- parts of the document --------------------------------------------------------------- */

static void pdf_section(rp_document *document, const char *title)
{
    rp_pdf *pdf = (rp_pdf *)document;
    const rp_type type = {13, RP_INK, RP_START, true, 0};
    const rp_style line = {.line = RP_MUTED, .width = 0.8};
    rp_text clean = {0};
    char place[80];
    if (pdf->y > pdf->top) pdf->y += 12;
    rp_pdf_room(pdf, 150);
    rp_text_plain(&clean, title);
    if (clean.failed) rp_pdf_no_memory(pdf);
    if (!document->counting && clean.data) {
        snprintf(place, sizeof place, "page=%d pos=[0 %.0f]", pdf->page, pdf->y);
        cairo_pdf_surface_add_outline(pdf->surface, CAIRO_PDF_OUTLINE_ROOT, clean.data, place, 0);
    }
    rp_text_release(&clean);
    pdf->y += rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &type, title) + 2;
    rp_pdf_rule(pdf, RP_PDF_LEFT, RP_PDF_LEFT + RP_PDF_WIDTH, pdf->y, &line);
    pdf->y += 7;
}

static void pdf_heading(rp_document *document, const char *title)
{
    rp_pdf *pdf = (rp_pdf *)document;
    const rp_type type = {10, RP_INK, RP_START, true, 0};
    rp_pdf_room(pdf, 90);
    pdf->y += 5;
    pdf->y += rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &type, title) + 3;
}

static void pdf_words(rp_document *document, rp_tone tone, const char *text)
{
    static const rp_type types[] = {
        [RP_TONE_PLAIN] = {8.8, RP_INK, RP_START, false, 0},
        [RP_TONE_NOTE] = {7.3, RP_MUTED, RP_START, false, 0},
        [RP_TONE_LEAD] = {10, RP_INK, RP_START, true, 0},
        [RP_TONE_POOR] = {8.8, 0xa83a08, RP_START, false, 0},
    };
    rp_pdf *pdf = (rp_pdf *)document;
    double height = rp_pdf_text_height(pdf, RP_PDF_WIDTH, &types[tone], text);
    rp_pdf_room(pdf, height);
    rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &types[tone], text);
    pdf->y += height + 4;
}

static void pdf_list(rp_document *document, const rp_list_item *items, size_t count)
{
    rp_pdf *pdf = (rp_pdf *)document;
    const rp_type lead = {8.2, RP_INK, RP_START, true, 0}, type = {8.2, RP_INK, RP_START, false, 0};
    const double indent = 128;
    for (size_t i = 0; i < count; i++) {
        double height = rp_pdf_text_height(pdf, RP_PDF_WIDTH - indent, &type, items[i].words);
        height = fmax(height, rp_pdf_text_height(pdf, indent - 8, &lead, items[i].lead));
        rp_pdf_room(pdf, height);
        rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, indent - 8, &lead, items[i].lead);
        rp_pdf_text(pdf, RP_PDF_LEFT + indent, pdf->y, RP_PDF_WIDTH - indent, &type,
                    items[i].words);
        pdf->y += height + 3;
    }
}

/* ---- cards ------------------------------------------------------------------------------- */

static const double card_gap = 8, card_pad = 6;

/* One card's words from the top; the height that they take. Drawn where y is a number. */
static double set_card(rp_pdf *pdf, const rp_card *card, double x, double y, double width)
{
    const rp_type head = {7.5, RP_MUTED, RP_START, false, 0};
    const rp_type value = {15, RP_INK, RP_START, true, 0};
    const rp_type words = {7.5, RP_INK, RP_START, false, 0};
    const char *const texts[] = {card->head, card->value, card->words};
    const rp_type *const types[] = {&head, &value, &words};
    double height = 5;
    for (int i = 0; i < 3; i++)
        if (texts[i])
            height += rp_pdf_text(pdf, x + card_pad, y + height, width - 2 * card_pad, types[i],
                                  texts[i]);
    return height + 5;
}

/* At most four side by side. */
static void pdf_cards(rp_document *document, const rp_card *cards, size_t count)
{
    rp_pdf *pdf = (rp_pdf *)document;
    const rp_style edge = {.line = RP_RULE, .width = 0.8};
    for (size_t first = 0; first < count; first += 4) {
        size_t in_row = count - first < 4 ? count - first : 4;
        double width = (RP_PDF_WIDTH - card_gap * (double)(in_row - 1)) / (double)in_row;
        double tallest = 0;
        for (size_t i = 0; i < in_row; i++)
            tallest = fmax(tallest, set_card(pdf, &cards[first + i], 0, NAN, width));
        rp_pdf_room(pdf, tallest);
        for (size_t i = 0; i < in_row; i++) {
            double x = RP_PDF_LEFT + (double)i * (width + card_gap);
            const rp_style top = {.fill = cards[first + i].poor ? 0xa83a08 : RP_DARK_BLUE,
                                  .opacity = 1};
            rp_pdf_rectangle(pdf, &(rp_box){x, pdf->y, width, tallest}, &edge);
            rp_pdf_rectangle(pdf, &(rp_box){x, pdf->y, width, 2.5}, &top);
            set_card(pdf, &cards[first + i], x, pdf->y, width);
        }
        pdf->y += tallest + card_gap;
    }
}

static void pdf_keep(rp_document *document, double height)
{
    rp_pdf_room((rp_pdf *)document, height);
}

/* ---- figures ----------------------------------------------------------------------------- */

static void draw_figure(rp_pdf *pdf, const rp_figure *figure, double x, double scale)
{
    rp_error err = {0};
    cairo_save(pdf->cr);
    cairo_translate(pdf->cr, x, pdf->y);
    cairo_scale(pdf->cr, scale, scale);
    rp_canvas canvas = rp_canvas_cairo(pdf->cr);
    rp_status status = figure->draw(&canvas, figure, &err);
    if (!status && canvas.failed)
        status = rp_fail(&err, RP_ERR_MEMORY, "report: no memory for a figure");
    rp_document_fail(&pdf->base, status, &err);
    cairo_restore(pdf->cr);
}

/* The figures from `first` on that stand side by side, and their height on the page. */
static void pdf_figure_row(rp_pdf *pdf, const rp_figure *figures, size_t count)
{
    const rp_type caption = {7.3, RP_MUTED, RP_START, false, 0};
    const double gap = 16;
    double room = figures[0].wide ? RP_PDF_WIDTH : 0.5 * (RP_PDF_WIDTH - gap);
    double width[2], tallest = 0;
    for (size_t i = 0; i < count; i++) {
        width[i] = fmin(room, 0.9 * figures[i].width);
        double height = figures[i].height * width[i] / figures[i].width;
        if (figures[i].caption)
            height += 3 + rp_pdf_text_height(pdf, room, &caption, figures[i].caption);
        tallest = fmax(tallest, height);
    }
    rp_pdf_room(pdf, tallest);
    for (size_t i = 0; i < count && !pdf->base.counting; i++) {
        double x = RP_PDF_LEFT + (double)i * (room + gap), scale = width[i] / figures[i].width;
        draw_figure(pdf, &figures[i], x, scale);
        if (figures[i].caption)
            rp_pdf_text(pdf, x, pdf->y + figures[i].height * scale + 3, room, &caption,
                        figures[i].caption);
    }
    pdf->y += tallest + 10;
}

static void pdf_figures(rp_document *document, const rp_figure *figures, size_t count)
{
    rp_pdf *pdf = (rp_pdf *)document;
    for (size_t i = 0; i < count && !document->status;) {
        size_t in_row = !figures[i].wide && i + 1 < count && !figures[i + 1].wide ? 2 : 1;
        pdf_figure_row(pdf, &figures[i], in_row);
        i += in_row;
    }
}

/* The file of the numbers lies beside the PDF. */
static void pdf_record(rp_document *document, const char *title, const char *text)
{
    (void)document;
    (void)title;
    (void)text;
}

static const rp_document_kind pdf_kind = {
    pdf_section,  pdf_heading, pdf_words,  pdf_list, pdf_cards,
    rp_pdf_table, pdf_figures, pdf_record, pdf_keep,
};

/* ---- file -------------------------------------------------------------------------------- */

static void add_title(rp_pdf *pdf)
{
    const rp_type title = {18, RP_INK, RP_START, true, 0}, date = {8, RP_MUTED, RP_START, false, 0};
    pdf->y += rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &title, pdf->base.title) + 2;
    if (*pdf->base.date)
        pdf->y += rp_pdf_text(pdf, RP_PDF_LEFT, pdf->y, RP_PDF_WIDTH, &date, pdf->base.date);
    pdf->y += 8;
    pdf->top = pdf->y;
}

/* Once on nothing, to count the pages, and once in earnest. */
static void run(rp_pdf *pdf, cairo_surface_t *surface, rp_compose compose, const void *report)
{
    pdf->surface = surface;
    pdf->cr = cairo_create(surface);
    pdf->page = 0;
    start_page(pdf);
    add_title(pdf);
    compose(&pdf->base, report);
    cairo_show_page(pdf->cr);
    cairo_destroy(pdf->cr);
    cairo_surface_finish(surface);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) rp_pdf_no_memory(pdf);
    cairo_surface_destroy(surface);
}

cairo_status_t rp_pdf_bytes(void *closure, const unsigned char *data, unsigned int length)
{
    rp_text *bytes = closure;
    rp_text_bytes(bytes, data, length);
    return bytes->failed ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

/* The time of writing would be put in where none is given; what is told here is the input's. */
static void set_metadata(rp_pdf *pdf, cairo_surface_t *surface)
{
    const rp_document *head = &pdf->base;
    rp_text title = {0};
    rp_text_plain(&title, head->title);
    if (title.failed) rp_pdf_no_memory(pdf);
    if (title.data) cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title.data);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "Reprise " RP_VERSION);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_SUBJECT,
                                   *head->label ? head->label : "Research use only");
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE,
                                   *head->date ? head->date : "1970-01-01T00:00:00Z");
    rp_text_release(&title);
}

rp_status rp_document_write_pdf(const char *path, const rp_document *head, rp_compose compose,
                                const void *report, rp_error *err)
{
    rp_pdf pdf = {.base = *head};
    rp_text bytes = {0};
    rp_status status = RP_OK;
    pdf.base.kind = &pdf_kind;
    pdf.base.counting = true;
    run(&pdf, cairo_pdf_surface_create_for_stream(NULL, NULL, page_width, page_height), compose,
        report);
    pdf.pages = pdf.page;
    pdf.base.counting = false;
    if (!pdf.base.status) {
        cairo_surface_t *surface =
            cairo_pdf_surface_create_for_stream(rp_pdf_bytes, &bytes, page_width, page_height);
        set_metadata(&pdf, surface);
        run(&pdf, surface, compose, report);
    }
    if (pdf.base.status)
        status = rp_fail(err, pdf.base.status, "%s: %s", path, pdf.base.error.message);
    else
        status = rp_file_write(path, bytes.data, bytes.length, err);
    rp_text_release(&bytes);
    return status;
}
