#include "figure_file.h"

#include <cairo/cairo.h>
#include <math.h>
#include <string.h>

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

static rp_status write_png(const char *path, const rp_figure *figure, rp_error *err)
{
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, PNG_SCALE * ((int)ceil(figure->width) + 2 * MARGIN),
        PNG_SCALE * ((int)ceil(figure->height) + 2 * MARGIN));
    cairo_t *cr = cairo_create(surface);
    rp_text png = {0};
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_scale(cr, PNG_SCALE, PNG_SCALE);
    cairo_translate(cr, MARGIN, MARGIN);
    rp_canvas canvas = rp_canvas_cairo(cr);
    rp_status status = figure->draw(&canvas, figure, err);
    if (!status && cairo_status(cr) != CAIRO_STATUS_SUCCESS)
        status = rp_fail(err, RP_ERR_MEMORY, "%s: cannot draw: %s", path,
                         cairo_status_to_string(cairo_status(cr)));
    if (!status) status = rp_png_encode(surface, &png, err);
    if (!status) status = rp_file_write(path, png.data, png.length, err);
    rp_text_release(&png);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return status;
}

rp_status rp_figure_write(const char *path, const rp_figure *figure, rp_error *err)
{
    const size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".png") == 0 ? write_png(path, figure, err)
                                                                : write_svg(path, figure, err);
}
