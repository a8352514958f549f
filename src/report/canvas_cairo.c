/* The canvas on cairo; words by pango, so that a PDF keeps them as text. */
#include "canvas.h"
#include "canvas_pango.h"

#include <math.h>

PangoLayout *rp_type_layout(cairo_t *cr, double size, bool bold)
{
    PangoLayout *layout = pango_cairo_create_layout(cr);
    PangoFontDescription *font = pango_font_description_from_string(
        "Liberation Sans,Arial,Helvetica,DejaVu Sans,sans-serif");
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    return layout;
}

static void set_colour(cairo_t *cr, uint32_t colour, double opacity)
{
    cairo_set_source_rgba(cr, (colour >> 16) / 255.0, (colour >> 8 & 255) / 255.0,
                          (colour & 255) / 255.0, opacity);
}

static void paint_path(cairo_t *cr, const rp_style *style)
{
    double lengths[4];
    if (style->opacity > 0) {
        set_colour(cr, style->fill, style->opacity);
        cairo_fill_preserve(cr);
    }
    if (style->width > 0) {
        int count = rp_dash_lengths(style->dash, style->width, lengths);
        set_colour(cr, style->line, 1);
        cairo_set_line_width(cr, style->width);
        cairo_set_dash(cr, lengths, count, 0);
        cairo_stroke_preserve(cr);
    }
    cairo_new_path(cr);
}

static void cairo_polyline(rp_canvas *canvas, const rp_point2 *points, size_t count, bool closed,
                           const rp_style *style)
{
    cairo_t *cr = canvas->context;
    cairo_new_path(cr);
    for (size_t i = 0; i < count; i++) cairo_line_to(cr, points[i].x, points[i].y);
    if (closed) cairo_close_path(cr);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    paint_path(cr, style);
}

static void cairo_circle(rp_canvas *canvas, double x, double y, double radius,
                         const rp_style *style)
{
    cairo_t *cr = canvas->context;
    cairo_new_path(cr);
    cairo_arc(cr, x, y, radius, 0, 2 * G_PI);
    paint_path(cr, style);
}

static void cairo_text(rp_canvas *canvas, double x, double y, const char *text, const rp_type *type)
{
    cairo_t *cr = canvas->context;
    rp_text clean = {0};
    rp_text_plain(&clean, text);
    PangoLayout *layout = rp_type_layout(cr, type->size, type->bold);
    PangoRectangle logical;
    if (clean.failed) canvas->failed = true;
    pango_layout_set_text(layout, clean.data ? clean.data : "", -1);
    pango_layout_set_single_paragraph_mode(layout, true);
    pango_layout_get_extents(layout, NULL, &logical);
    double share = type->anchor == RP_MIDDLE ? 0.5 : type->anchor == RP_END ? 1 : 0;
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, -type->angle * G_PI / 180);
    cairo_move_to(cr, -share * logical.width / PANGO_SCALE,
                  -(double)pango_layout_get_baseline(layout) / PANGO_SCALE);
    set_colour(cr, type->colour, 1);
    pango_cairo_show_layout(cr, layout);
    cairo_restore(cr);
    cairo_new_path(cr);
    g_object_unref(layout);
    rp_text_release(&clean);
}

static void cairo_picture(rp_canvas *canvas, const rp_box *box, const rp_grey *grey)
{
    cairo_t *cr = canvas->context;
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, grey->width, grey->height);
    uint8_t *rows = cairo_image_surface_get_data(surface);
    if (!rows) {
        canvas->failed = true;
        cairo_surface_destroy(surface);
        return;
    }
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    cairo_surface_flush(surface);
    for (int y = 0; y < grey->height; y++) {
        uint32_t *row = (uint32_t *)(void *)(rows + (size_t)y * stride);
        for (int x = 0; x < grey->width; x++)
            row[x] = grey->data[(size_t)y * (size_t)grey->width + (size_t)x] * 0x010101u;
    }
    cairo_surface_mark_dirty(surface);
    cairo_save(cr);
    cairo_translate(cr, box->x, box->y);
    cairo_scale(cr, box->width / grey->width, box->height / grey->height);
    cairo_set_source_surface(cr, surface, 0, 0);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_rectangle(cr, 0, 0, grey->width, grey->height);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(surface);
}

static void cairo_clip_box(rp_canvas *canvas, const rp_box *box)
{
    cairo_t *cr = canvas->context;
    cairo_save(cr);
    cairo_rectangle(cr, box->x, box->y, box->width, box->height);
    cairo_clip(cr);
}

static void cairo_unclip(rp_canvas *canvas)
{
    cairo_restore(canvas->context);
}

static const rp_canvas_kind cairo_kind = {
    cairo_polyline, cairo_circle, cairo_text, cairo_picture, cairo_clip_box, cairo_unclip,
};

rp_canvas rp_canvas_cairo(void *cairo)
{
    return (rp_canvas){.kind = &cairo_kind, .context = cairo};
}
