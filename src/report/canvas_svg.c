/* The canvas as SVG elements. */
#include "canvas.h"

#include <math.h>

/* At most two decimals, no trailing zeros, no "-0". */
static void add_length(rp_text *page, const char *before, double value)
{
    double rounded = round(100 * value) / 100;
    rp_text_printf(page, "%s%.10g", before, rounded == 0 ? 0.0 : rounded);
}

static void add_colour(rp_text *page, const char *attribute, uint32_t colour)
{
    rp_text_printf(page, " %s=\"#%06x\"", attribute, (unsigned)colour);
}

static void add_style(rp_text *page, const rp_style *style)
{
    double lengths[4];
    if (style->opacity > 0)
        add_colour(page, "fill", style->fill);
    else
        rp_text_add(page, " fill=\"none\"");
    if (style->opacity > 0 && style->opacity < 1)
        rp_text_printf(page, " fill-opacity=\"%.3g\"", style->opacity);
    if (!(style->width > 0)) return;
    add_colour(page, "stroke", style->line);
    rp_text_printf(page, " stroke-width=\"%.3g\"", style->width);
    int count = rp_dash_lengths(style->dash, style->width, lengths);
    for (int i = 0; i < count; i++)
        rp_text_printf(page, "%s%.3g", i ? " " : " stroke-dasharray=\"", lengths[i]);
    if (count) rp_text_add(page, "\"");
}

static void svg_polyline(rp_canvas *canvas, const rp_point2 *points, size_t count, bool closed,
                         const rp_style *style)
{
    rp_text *page = canvas->page;
    rp_text_add(page, "<path d=\"");
    for (size_t i = 0; i < count; i++) {
        add_length(page, i ? "L" : "M", points[i].x);
        add_length(page, " ", points[i].y);
    }
    rp_text_add(page, closed ? "Z\"" : "\"");
    add_style(page, style);
    rp_text_add(page, "/>");
}

static void svg_circle(rp_canvas *canvas, double x, double y, double radius, const rp_style *style)
{
    rp_text *page = canvas->page;
    add_length(page, "<circle cx=\"", x);
    add_length(page, "\" cy=\"", y);
    add_length(page, "\" r=\"", radius);
    rp_text_add(page, "\"");
    add_style(page, style);
    rp_text_add(page, "/>");
}

static void svg_text(rp_canvas *canvas, double x, double y, const char *text, const rp_type *type)
{
    static const char *const anchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
    rp_text *page = canvas->page;
    add_length(page, "<text x=\"", x);
    add_length(page, "\" y=\"", y);
    rp_text_printf(page, "\" font-size=\"%.3g\"%s", type->size, anchors[type->anchor]);
    add_colour(page, "fill", type->colour);
    if (type->bold) rp_text_add(page, " font-weight=\"700\"");
    if (type->angle != 0) {
        rp_text_printf(page, " transform=\"rotate(%.3g", -type->angle);
        add_length(page, " ", x);
        add_length(page, " ", y);
        rp_text_add(page, ")\"");
    }
    rp_text_add(page, ">");
    rp_text_escape(page, text);
    rp_text_add(page, "</text>");
}

static void add_box(rp_text *page, const rp_box *box)
{
    add_length(page, " x=\"", box->x);
    add_length(page, "\" y=\"", box->y);
    add_length(page, "\" width=\"", box->width);
    add_length(page, "\" height=\"", box->height);
    rp_text_add(page, "\"");
}

static void svg_picture(rp_canvas *canvas, const rp_box *box, const rp_grey *grey)
{
    rp_text_add(canvas->page, "<image preserveAspectRatio=\"none\"");
    add_box(canvas->page, box);
    rp_text_add(canvas->page, " href=\"");
    if (rp_grey_encode(grey, canvas->page, NULL)) canvas->failed = true;
    rp_text_add(canvas->page, "\"/>");
}

/* A drawing within the drawing needs no name, as a clip path would. */
static void svg_clip(rp_canvas *canvas, const rp_box *box)
{
    rp_text_add(canvas->page, "<svg overflow=\"hidden\"");
    add_box(canvas->page, box);
    add_length(canvas->page, " viewBox=\"", box->x);
    add_length(canvas->page, " ", box->y);
    add_length(canvas->page, " ", box->width);
    add_length(canvas->page, " ", box->height);
    rp_text_add(canvas->page, "\">");
}

static void svg_unclip(rp_canvas *canvas)
{
    rp_text_add(canvas->page, "</svg>");
}

static const rp_canvas_kind svg_kind = {
    svg_polyline, svg_circle, svg_text, svg_picture, svg_clip, svg_unclip,
};

rp_canvas rp_canvas_svg(rp_text *page)
{
    return (rp_canvas){.kind = &svg_kind, .page = page};
}
