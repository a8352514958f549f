/* The document as one HTML file that refers to nothing outside itself. */
#include "document.h"
#include "sections.h"

#include <math.h>
#include <string.h>

/* Goes behind rp_report_style, whose colours, banner, sections and tables it shares. */
static const char *const style =
    "main nav{display:flex;flex-wrap:wrap;gap:.15rem .9rem;font-size:.86rem;margin:.5rem 0 0}"
    "main nav a{color:var(--v0ink)}"
    "section{scroll-margin-top:2.2rem}section>h2{font-size:1.15rem;margin-bottom:.6rem}"
    "section>h3{font-size:.98rem;margin:1.1rem 0 .4rem}"
    "p.plain,p.lead,p.poor{margin:.45rem "
    "0;max-width:62rem}p.lead{font-size:1.08rem;font-weight:600}"
    "p.note{max-width:62rem}"
    "p.poor{border-left:5px solid var(--PD);padding-left:.6rem}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13.5rem),1fr));"
    "gap:.7rem;margin:.3rem 0 .9rem}"
    ".card{border:1px solid var(--line);border-top:5px solid var(--v0ink);border-radius:6px;"
    "padding:.5rem .8rem .65rem}.card.alert{border-top-color:var(--PD)}"
    ".card b{display:block;font-size:1.75rem;line-height:1.2;overflow-wrap:anywhere}"
    ".card .head{font-size:.84rem;color:var(--muted)}.card .words{font-size:.84rem}"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));"
    "gap:1.2rem 1.6rem;margin:.8rem 0}"
    ".figures figure.wide{grid-column:1/-1}"
    ".figures svg{display:block;width:100%;height:auto;"
    "font-family:'Liberation Sans',Arial,Helvetica,'DejaVu Sans',sans-serif}"
    ".figures .narrow svg{max-width:32rem}.figures .wide svg{max-width:74rem}"
    ".figures figcaption{font-size:.82rem;color:var(--muted);margin-top:.3rem;max-width:60rem}"
    ".sheet{overflow-x:auto;margin:.2rem 0 .4rem}"
    ".sheet table{font-size:.86rem;width:auto;min-width:min(100%,32rem)}"
    "p.title{font-weight:700;margin:1.1rem 0 .35rem;font-size:.95rem}"
    ".sheet .r{text-align:right;white-space:nowrap}.sheet .c{text-align:center}"
    ".sheet th,.sheet td{padding:.24rem .6rem;vertical-align:baseline}"
    ".sheet th{font-weight:600}.sheet tbody th{font-weight:400}.sheet thead "
    "th{vertical-align:bottom;border-bottom-color:#9aa5b0}"
    ".sheet .strong{font-weight:700}.sheet .dim{color:var(--muted)}"
    ".sheet .bad{color:var(--PD);font-weight:600}"
    ".sheet tr.rule>*{border-top:2px solid #9aa5b0}"
    ".sheet .l{overflow-wrap:break-word}.sheet td.l{min-width:7rem}"
    "ul.items{margin:.4rem 0;padding-left:1.2rem}ul.items li{margin:.3rem 0;max-width:62rem}"
    "@media(max-width:640px){.figures .wide .scroll{overflow-x:auto}"
    ".figures .wide svg{width:auto;min-width:44rem}.card b{font-size:1.5rem}}"
    "@media print{section{break-inside:auto}"
    "section>h2,section>h3,p.title,p.plain:has(+.figures){break-after:avoid}"
    ".figures{grid-template-columns:1fr 1fr;gap:3mm 5mm}.figures figure{break-inside:avoid}"
    ".sheet{overflow:visible}.sheet table{font-size:7pt}.sheet th,.sheet td{padding:.5mm 1.2mm}"
    ".sheet tr{break-inside:avoid}.cards{grid-template-columns:repeat(4,1fr);break-inside:avoid}"
    ".card b{font-size:14pt}.card .head,.card .words{font-size:7.5pt}main nav{display:none}}";

typedef struct html {
    rp_document base;
    rp_text page, contents; /* contents: the list of sections, collected beforehand */
    size_t sections, tables;
} html;

static void html_section(rp_document *document, const char *title)
{
    html *h = (html *)document;
    h->sections++;
    if (document->counting) {
        rp_text_printf(&h->contents, "<a href=\"#part%zu\">", h->sections);
        rp_text_escape(&h->contents, title);
        rp_text_add(&h->contents, "</a> ");
        return;
    }
    if (h->sections > 1) rp_text_add(&h->page, "</section>\n");
    rp_text_printf(&h->page, "<section id=\"part%zu\"><h2>", h->sections);
    rp_text_escape(&h->page, title);
    rp_text_add(&h->page, "</h2>");
}

static void add_element(rp_document *document, const char *start, const char *text, const char *end)
{
    rp_text *page = &((html *)document)->page;
    if (document->counting) return;
    rp_text_add(page, start);
    rp_text_escape(page, text);
    rp_text_add(page, end);
}

static void html_heading(rp_document *document, const char *title)
{
    add_element(document, "<h3>", title, "</h3>");
}

static void html_words(rp_document *document, rp_tone tone, const char *text)
{
    static const char *const starts[] = {"<p class=\"plain\">", "<p class=\"note\">",
                                         "<p class=\"lead\">", "<p class=\"poor\">"};
    add_element(document, starts[tone], text, "</p>");
}

static void html_list(rp_document *document, const rp_list_item *items, size_t count)
{
    add_element(document, "<ul class=\"items\">", "", "");
    for (size_t i = 0; i < count; i++) {
        add_element(document, "<li><b>", items[i].lead, "</b> ");
        add_element(document, "", items[i].words, "</li>");
    }
    add_element(document, "", "", "</ul>");
}

static void html_cards(rp_document *document, const rp_card *cards, size_t count)
{
    add_element(document, "<div class=\"cards\">", "", "");
    for (size_t i = 0; i < count; i++) {
        add_element(document,
                    cards[i].poor ? "<div class=\"card alert\"><span class=\"head\">"
                                  : "<div class=\"card\"><span class=\"head\">",
                    cards[i].head, "</span>");
        add_element(document, "<b>", cards[i].value, "</b>");
        add_element(document, "<span class=\"words\">", cards[i].words, "</span></div>");
    }
    add_element(document, "", "", "</div>");
}

/* ---- tables ------------------------------------------------------------------------------ */

static void add_cell(rp_text *page, const rp_table *table, int row, int column)
{
    const rp_cell *cell = rp_table_cell(table, row, column);
    const char *tag = row < table->head_rows || column == 0 ? "th" : "td";
    if (cell->span == 0) return;
    char align = cell->span > 1 ? 'c' : table->align[column];
    rp_text_printf(
        page, "<%s class=\"%c%s%s%s\"", tag, align, cell->flags & RP_CELL_BOLD ? " strong" : "",
        cell->flags & RP_CELL_MUTED ? " dim" : "", cell->flags & RP_CELL_POOR ? " bad" : "");
    if (cell->span > 1) rp_text_printf(page, " colspan=\"%d\"", cell->span);
    if (*tag == 't' && tag[1] == 'h')
        rp_text_add(page, row >= table->head_rows ? " scope=\"row\""
                          : cell->span > 1        ? " scope=\"colgroup\""
                                                  : " scope=\"col\"");
    rp_text_add(page, ">");
    rp_text_escape(page, cell->text);
    rp_text_printf(page, "</%s>", tag);
}

static void html_table(rp_document *document, const rp_table *table)
{
    html *h = (html *)document;
    rp_text *page = &h->page;
    int rows = rp_table_rows(table);
    if (document->counting) return;
    if (table->title) {
        h->tables++;
        rp_text_printf(page, "<p class=\"title\" id=\"table%zu\">", h->tables);
        add_element(document, "", table->title, "</p>");
        rp_text_printf(page,
                       "<div class=\"sheet\" tabindex=\"0\"><table aria-labelledby=\"table%zu\">",
                       h->tables);
    } else {
        rp_text_add(page, "<div class=\"sheet\" tabindex=\"0\"><table>");
    }
    for (int row = 0; row < rows; row++) {
        if (row == 0 && table->head_rows) rp_text_add(page, "<thead>");
        if (row == table->head_rows) rp_text_add(page, row ? "</thead><tbody>" : "<tbody>");
        bool rule = rp_table_cell(table, row, 0)->flags & RP_CELL_RULE;
        rp_text_add(page, rule ? "<tr class=\"rule\">" : "<tr>");
        for (int column = 0; column < table->columns; column++) add_cell(page, table, row, column);
        rp_text_add(page, "</tr>");
    }
    rp_text_add(page,
                rows > table->head_rows ? "</tbody></table></div>" : "</thead></table></div>");
    if (table->note) html_words(document, RP_TONE_NOTE, table->note);
}

/* ---- figures ----------------------------------------------------------------------------- */

static void add_figure(rp_document *document, const rp_figure *figure)
{
    rp_text *page = &((html *)document)->page;
    rp_error err = {0};
    rp_text_printf(page,
                   "<figure class=\"%s\"><div class=\"scroll\"><svg viewBox=\"0 0 %g %g\" "
                   "role=\"img\" aria-label=\"",
                   figure->wide ? "wide" : "narrow", figure->width, figure->height);
    rp_text_escape(page, figure->alt);
    rp_text_add(page, "\">");
    rp_canvas canvas = rp_canvas_svg(page);
    rp_status status = figure->draw(&canvas, figure, &err);
    if (!status && canvas.failed)
        status = rp_fail(&err, RP_ERR_MEMORY, "report: no memory for a figure");
    rp_document_fail(document, status, &err);
    rp_text_add(page, "</svg></div>");
    if (figure->caption) add_element(document, "<figcaption>", figure->caption, "</figcaption>");
    rp_text_add(page, "</figure>");
}

static void html_figures(rp_document *document, const rp_figure *figures, size_t count)
{
    if (document->counting) return;
    add_element(document, "<div class=\"figures\">", "", "");
    for (size_t i = 0; i < count && !document->status; i++) add_figure(document, &figures[i]);
    add_element(document, "", "", "</div>");
}

static void html_record(rp_document *document, const char *title, const char *text)
{
    add_element(document, "<details><summary>", title, "</summary>");
    add_element(document, "<pre>", text, "</pre></details>");
}

/* A browser breaks pages by the style sheet. */
static void html_keep(rp_document *document, double height)
{
    (void)document;
    (void)height;
}

static const rp_document_kind html_kind = {
    html_section, html_heading, html_words,  html_list, html_cards,
    html_table,   html_figures, html_record, html_keep,
};

/* ---- page -------------------------------------------------------------------------------- */

static void add_start(html *h)
{
    rp_text *page = &h->page;
    rp_text_add(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "img-src data:; style-src 'unsafe-inline'\">"
                      "<meta name=\"generator\" content=\"Reprise " RP_VERSION "\"><title>");
    rp_text_escape(page, h->base.title);
    rp_text_add(page, "</title><style>");
    rp_text_add(page, rp_report_style);
    rp_text_add(page, style);
    rp_text_add(page,
                "</style></head>\n<body><div class=\"always\"><p class=\"notice\"><b>Research "
                "use only</b> &ndash; not for diagnosis or treatment decisions</p>");
    if (*h->base.label) {
        rp_text_add(page, "<p class=\"banner\"><b>");
        rp_text_escape(page, h->base.label);
        rp_text_add(page, "</b> ");
        rp_text_escape(page, rp_label_words(h->base.label));
        rp_text_add(page, "</p>");
    }
    rp_text_add(page, "</div><header><h1>");
    rp_text_escape(page, h->base.title);
    rp_text_add(page, "</h1><p class=\"muted\">Reprise " RP_VERSION);
    if (*h->base.date) {
        rp_text_add(page, ", ");
        rp_text_escape(page, h->base.date);
    }
    rp_text_add(page, "</p></header><main><nav>");
    rp_text_add(page, h->contents.data);
    rp_text_add(page, "</nav>");
}

rp_status rp_document_write_html(const char *path, const rp_document *head, rp_compose compose,
                                 const void *report, rp_error *err)
{
    html h = {.base = *head};
    rp_status status;
    h.base.kind = &html_kind;
    h.base.counting = true;
    compose(&h.base, report);
    h.base.counting = false;
    h.sections = 0;
    add_start(&h);
    if (!h.base.status) compose(&h.base, report);
    rp_text_add(&h.page,
                h.sections ? "</section></main></body></html>\n" : "</main></body></html>\n");
    if (h.base.status)
        status = rp_fail(err, h.base.status, "%s: %s", path, h.base.error.message);
    else if (h.page.failed || h.contents.failed)
        status = rp_fail(err, RP_ERR_MEMORY, "%s: report: no memory for the page", path);
    else
        status = rp_file_write(path, h.page.data, h.page.length, err);
    rp_text_release(&h.page);
    rp_text_release(&h.contents);
    return status;
}
