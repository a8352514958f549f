#include "figure_file.h"
#include "document_pdf.h"

#include <cairo/cairo-pdf.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { MARGIN = 14, PNG_SCALE = 2 };

/* ---- head ------------------------------------------------------------------------------------ */

/* The label stands in the figure itself, so that it stays where the figure is copied from here. */
static double add_label(rp_canvas *canvas, const rp_figure *figure, const char *label)
{
    char words[40];
    rp_type type = {10.5, RP_INK, RP_MIDDLE, true, 0};
    const rp_style ground = {0xb88700, 1, RP_SOLID, 0xfff3c4, 1};
    if (!*label) return 0;
    snprintf(words, sizeof words, "%.30s", label);
    for (char *at = words; *at; at++)
        if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
    double width = rp_type_width(words, type.size, true) + 14;
    rp_canvas_rectangle(canvas, &(rp_box){figure->width - width - 1, 3, width, 17}, &ground);
    rp_canvas_text(canvas, figure->width - 1 - 0.5 * width, 15.2, words, &type);
    return width + 8;
}

double rp_figure_heading(rp_canvas *canvas, const rp_figure *figure, const char *label,
                         const char *title, const char *words)
{
    const rp_type bold = {14, RP_INK, RP_START, true, 0},
                  plain = {12, RP_MUTED, RP_START, false, 0};
    char fitted[300];
    double taken = add_label(canvas, figure, label);
    rp_type_fit(title, bold.size * 1.07, figure->width - taken, fitted, sizeof fitted);
    rp_canvas_text(canvas, 0, 16, fitted, &bold);
    if (!words || !*words) return 34;
    rp_type_fit(words, plain.size, figure->width, fitted, sizeof fitted);
    rp_canvas_text(canvas, 0, 34, fitted, &plain);
    return 52;
}

/* ---- files ----------------------------------------------------------------------------------- */

static rp_status write_svg(const char *path, const rp_figure *figure, rp_error *err)
{
    const int width = (int)ceil(figure->width) + 2 * MARGIN,
              height = (int)ceil(figure->height) + 2 * MARGIN;
    rp_text page = {0};
    rp_text_printf(&page,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                   "height=\"%d\" font-family=\"Liberation Sans, Arial, sans-serif\"><title>",
                   width, height, width, height);
    rp_text_escape(&page, figure->alt);
    rp_text_printf(&page,
                   "</title><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>"
                   "<g transform=\"translate(%d %d)\">",
                   MARGIN, MARGIN);
    rp_canvas canvas = rp_canvas_svg(&page);
    rp_status status = figure->draw(&canvas, figure, err);
    rp_text_add(&page, "</g></svg>\n");
    if (!status && page.failed) status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!status) status = rp_file_write(path, page.data, page.length, err);
    rp_text_release(&page);
    return status;
}

/* On the white of the surface, so many of its units to a CSS pixel. */
static rp_status draw_on(cairo_surface_t *surface, double scale, const char *path,
                         const rp_figure *figure, rp_error *err)
{
    cairo_t *cr = cairo_create(surface);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_scale(cr, scale, scale);
    cairo_translate(cr, MARGIN, MARGIN);
    rp_canvas canvas = rp_canvas_cairo(cr);
    rp_status status = figure->draw(&canvas, figure, err);
    if (!status && cairo_status(cr) != CAIRO_STATUS_SUCCESS)
        status = rp_fail(err, RP_ERR_MEMORY, "%s: cannot draw: %s", path,
                         cairo_status_to_string(cairo_status(cr)));
    cairo_destroy(cr);
    return status;
}

static rp_status write_png(const char *path, const rp_figure *figure, rp_error *err)
{
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, PNG_SCALE * ((int)ceil(figure->width) + 2 * MARGIN),
        PNG_SCALE * ((int)ceil(figure->height) + 2 * MARGIN));
    rp_text png = {0};
    rp_status status = draw_on(surface, PNG_SCALE, path, figure, err);
    if (!status) status = rp_png_encode(surface, &png, err);
    if (!status) status = rp_file_write(path, png.data, png.length, err);
    rp_text_release(&png);
    cairo_surface_destroy(surface);
    return status;
}

/* One page of the figure's size; no time of writing, so that the same figure is the same file. */
static rp_status write_pdf(const char *path, const rp_figure *figure, rp_error *err)
{
    static const double points = 0.75; /* of a CSS pixel */
    rp_text pdf = {0};
    cairo_surface_t *surface = cairo_pdf_surface_create_for_stream(
        rp_pdf_bytes, &pdf, points * (ceil(figure->width) + 2 * MARGIN),
        points * (ceil(figure->height) + 2 * MARGIN));
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, figure->alt);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "Reprise " RP_VERSION);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, "1970-01-01T00:00:00Z");
    rp_status status = draw_on(surface, points, path, figure, err);
    cairo_surface_finish(surface);
    if (!status && (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS || pdf.failed))
        status = rp_fail(err, RP_ERR_MEMORY, "%s: cannot draw: %s", path,
                         cairo_status_to_string(cairo_surface_status(surface)));
    if (!status) status = rp_file_write(path, pdf.data, pdf.length, err);
    cairo_surface_destroy(surface);
    rp_text_release(&pdf);
    return status;
}

static const struct {
    const char *ending;
    rp_status (*write)(const char *path, const rp_figure *figure, rp_error *err);
} formats[] = {{".svg", write_svg}, {".png", write_png}, {".pdf", write_pdf}};

enum { FORMATS = sizeof formats / sizeof *formats };

/* The format that the path's ending names in any case; FORMATS for none. */
static size_t format_of(const char *path)
{
    const size_t length = strlen(path);
    size_t i = 0;
    while (i < FORMATS && !(length > 4 && strcasecmp(path + length - 4, formats[i].ending) == 0))
        i++;
    return i;
}

bool rp_report_draws(const char *path)
{
    return format_of(path) < FORMATS;
}

rp_status rp_figure_write(const char *path, const rp_figure *figure, rp_error *err)
{
    const size_t format = format_of(path);
    if (format == FORMATS)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: figures are drawn as .svg, .png or .pdf, by the name's ending", path);
    return formats[format].write(path, figure, err);
}
